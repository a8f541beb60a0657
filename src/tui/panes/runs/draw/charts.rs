//! The charts of the runs pane: the curves, the grid of the wide screen, the values under the cursor.

use super::super::curves::Kind;
use super::super::places::Places;
use super::super::{Part, Runs, sweep};
use crate::chart::{Chart, ChartSpec};
use crate::tui::frame;
use crate::tui::keymap::Action;
use crate::tui::panes::Context;
use crate::tui::widgets::chart;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(super) fn draw_chart(
    spec: &ChartSpec,
    area: Rect,
    focused: bool,
    buffer: &mut Buffer,
    context: &Context,
) {
    let inside = frame::part(buffer, area, spec.heading(), focused, context.theme);
    chart::render(inside, buffer, &spec.chart, &context.theme.look());
}

/// The chart of one metric; says so where nothing has a curve.
pub(super) fn spec(pane: &Runs, key: &str, context: &Context) -> ChartSpec {
    let mut spec = pane.view.chart(key, pane.series_for(key), &pane.drawn());
    if let Chart::Curves(curves) = &mut spec.chart {
        let detail = pane.detail.as_ref();
        let single = detail.is_some_and(|detail| detail.curves.is_empty());
        curves.empty = if detail.is_some_and(|detail| detail.run.metric(key).is_none()) {
            format!("this run has not logged {key}")
        } else if single {
            let open = context.keymap.label(Action::Open);
            format!("{key} was logged once: no curve; {open} shows the value")
        } else {
            "no points yet".to_owned()
        };
    }
    spec
}

/// A part that has nothing to draw says why.
fn remark(
    title: &str,
    said: &str,
    area: Rect,
    focused: bool,
    buffer: &mut Buffer,
    context: &Context,
) {
    let inside = frame::part(buffer, area, title, focused, context.theme);
    buffer.set_stringn(
        inside.x + 1,
        inside.y,
        said,
        usize::from(inside.width.saturating_sub(1)),
        context.theme.dim,
    );
}

/// Parameters against a metric, as one of two pictures.
fn swept(
    pane: &Runs,
    kind: Kind,
    area: Rect,
    focused: bool,
    buffer: &mut Buffer,
    context: &Context,
) {
    let Some(sweep) = &pane.sweep else {
        remark(
            "Parameters",
            "asking for runs",
            area,
            focused,
            buffer,
            context,
        );
        return;
    };
    let shown = pane.shown();
    // an axis needs room for its words
    let most = usize::from(area.width / 11).clamp(2, 9);
    let spec = match kind {
        Kind::Parallel => sweep::parallel(sweep, most, &shown),
        _ => sweep::scatter(sweep, pane.view.param.as_deref(), pane.view.log, &shown),
    };
    match spec {
        Some(spec) => draw_chart(&spec, area, focused, buffer, context),
        None => remark(
            "Parameters",
            "no parameter differs between these runs",
            area,
            focused,
            buffer,
            context,
        ),
    }
}

pub(super) fn curves(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Chart;
    if pane.view.kind != Kind::Curves {
        swept(pane, pane.view.kind, area, focused, buffer, context);
        return;
    }
    match pane.metric() {
        Some(key) => draw_chart(&spec(pane, &key, context), area, focused, buffer, context),
        None => remark(
            "Curves",
            "no metrics logged yet",
            area,
            focused,
            buffer,
            context,
        ),
    }
}

pub(super) fn grid(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.grid[0].is_empty() {
        return;
    }
    let charted = pane.charted();
    for (place, area) in places.grid[..2].iter().enumerate() {
        match charted.get(place + 1) {
            Some(key) => draw_chart(&spec(pane, key, context), *area, false, buffer, context),
            None => remark(
                "Curves",
                "no other metric has a curve",
                *area,
                false,
                buffer,
                context,
            ),
        }
    }
    let other = match pane.view.kind {
        Kind::Scatter => Kind::Parallel,
        Kind::Curves | Kind::Parallel => Kind::Scatter,
    };
    swept(pane, other, places.grid[2], false, buffer, context);
}

/// What the curves are at the cursor, in the lowest border.
pub(super) fn readout(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.chart.is_empty() || pane.view.kind != Kind::Curves {
        return;
    }
    let Some(key) = pane.metric() else {
        return;
    };
    let curves = pane.view.curves(&key, pane.series_for(&key), &pane.drawn());
    if let Some(said) = pane.view.readout(&curves) {
        let area = if places.grid[0].is_empty() {
            places.chart
        } else {
            context.area
        };
        frame::foot(buffer, area, said, context.theme);
    }
}
