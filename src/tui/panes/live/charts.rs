//! Latency and predictions of a deployment.

use super::draw::{is_chosen, title};
use super::{Live, Part};
use crate::chart::{
    Axis, Chart, ChartSpec, Curve, Curves, Histogram, Kind, Legend, Limit as Level, Mark, Point,
};
use crate::domain::deployment::LivePage;
use crate::domain::drift::shares;
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::chart;
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Whether the slowest bucket is far above the ordinary one.
pub(super) fn spiky(page: &LivePage) -> bool {
    let mut slowest: Vec<f64> = page
        .latency
        .iter()
        .filter_map(|bucket| bucket.p99)
        .collect();
    slowest.sort_by(f64::total_cmp);
    match (slowest.get(slowest.len() / 2), slowest.last()) {
        (Some(middle), Some(most)) => *most > middle * 8.0,
        _ => false,
    }
}

/// p50, p95 and p99 over the window, with what happened.
pub(super) fn latency_chart(page: &LivePage, context: &Context) -> ChartSpec {
    type Percentile = fn(&crate::domain::deployment::LatencyBucket) -> Option<f64>;
    let of: [(&str, Percentile); 3] = [
        ("p50", |bucket| bucket.p50),
        ("p95", |bucket| bucket.p95),
        ("p99", |bucket| bucket.p99),
    ];
    let curves = of
        .into_iter()
        .enumerate()
        .map(|(colour, (name, value))| {
            let points = page
                .latency
                .iter()
                .filter_map(|bucket| Some(Point::new(bucket.at.0 as f64, value(bucket)?)))
                .collect();
            Curve {
                tag: name.to_owned(),
                ..Curve::new(name, colour, points)
            }
        })
        .collect();
    let broken = page
        .limits
        .iter()
        .find(|limit| limit.name == "p95" && !limit.holds)
        .and_then(|limit| limit.limit);
    let window = match page.latency.as_slice() {
        [first, .., last] => Some((first.at.0 as f64, last.at.0 as f64)),
        _ => None,
    };
    ChartSpec::new(
        "latency p50 p95 p99",
        Chart::Curves(Curves {
            curves,
            x: Axis {
                kind: Kind::Time {
                    offset: context.offset_s,
                },
                ..Axis::named("time")
            },
            y: Axis {
                unit: "ms".to_owned(),
                ..Axis::named("latency")
            },
            window,
            include: Some((0.0, 0.0)),
            marks: page
                .marks
                .iter()
                .map(|mark| Mark {
                    x: mark.at.0 as f64,
                    text: mark.text.clone(),
                })
                .collect(),
            limits: broken
                .map(|y| Level {
                    y,
                    text: format!("limit {} ms", text::number(y)),
                })
                .into_iter()
                .collect(),
            // a few slow answers may be cut off, but only where they would flatten the rest
            clip: spiky(page),
            legend: Legend::Ends,
            empty: "no request in this window".to_owned(),
            ..Curves::default()
        }),
    )
}

pub(super) fn latency(
    pane: &Live,
    page: &LivePage,
    area: Rect,
    buffer: &mut Buffer,
    context: &Context,
) {
    if area.is_empty() {
        return;
    }
    let focused = is_chosen(pane, page) && pane.part == Part::Latency;
    let spec = latency_chart(page, context);
    let heading = title(pane, Part::Latency, spec.heading(), context);
    let inside = frame::part(buffer, area, heading, focused, context.theme);
    chart::render(inside, buffer, &spec.chart, &context.theme.look());
}

/// Predictions of the window over those of the reference, as shares.
pub(super) fn predictions_chart(page: &LivePage) -> ChartSpec {
    let total: u64 = page.predictions.counts.iter().sum();
    ChartSpec::new(
        format!("predictions: {} now · {}", text::count(total), page.before),
        Chart::Histogram(Histogram {
            edges: page.predictions.edges.clone(),
            reference: shares(&page.predictions_before),
            current: shares(&page.predictions),
            reference_name: if page.before.is_empty() {
                "before".to_owned()
            } else {
                page.before.clone()
            },
            current_name: "now".to_owned(),
            ..Histogram::default()
        }),
    )
}

pub(super) fn predictions(
    pane: &Live,
    page: &LivePage,
    area: Rect,
    buffer: &mut Buffer,
    context: &Context,
) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = is_chosen(pane, page) && pane.part == Part::Predictions;
    let spec = predictions_chart(page);
    let heading = title(pane, Part::Predictions, spec.heading(), context);
    let room = usize::from(area.width.saturating_sub(4));
    let inside = frame::part(buffer, area, text::cut(&heading, room), focused, theme);
    let none = page.predictions.counts.iter().sum::<u64>() == 0;
    if none && page.predictions_before.counts.is_empty() {
        let said = "no prediction in this window";
        parts::put_lines(&[Line::styled(said, theme.dim)], inside, 0, buffer);
        return;
    }
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(1),
        ..inside
    };
    chart::render(inside, buffer, &spec.chart, &theme.look());
}
