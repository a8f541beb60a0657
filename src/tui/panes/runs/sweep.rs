//! Parameters of many runs against a metric, as charts: a scatter of one of them, parallel coordinates of several.

use super::curves::Shown;
use crate::chart::{
    Axis, Chart, ChartSpec, Dimension, Kind, Parallel, Scale, Scatter, ScatterPoint, Strand,
};
use crate::domain::board::Sweep;
use crate::tui::text;
use std::collections::BTreeSet;

/// Factor between the greatest and the least value from which an axis is logarithmic.
const DECADES: f64 = 50.0;

/// Values of one parameter as places on an axis: numbers where all are numbers, else the sorted names.
fn dimension(name: &str, values: &[Option<&str>]) -> (Axis, Vec<Option<f64>>) {
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let known = || values.iter().flatten();
    if known().all(|value| number(value).is_some()) {
        let places: Vec<Option<f64>> = values.iter().map(|value| number((*value)?)).collect();
        let axis = Axis {
            scale: scale(&places),
            ..Axis::named(name)
        };
        return (axis, places);
    }
    let names: Vec<String> = known()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|value| (*value).to_owned())
        .collect();
    let places = values
        .iter()
        .map(|value| {
            let value = (*value)?;
            let place = names.iter().position(|name| name == value)?;
            Some(place as f64)
        })
        .collect();
    let axis = Axis {
        kind: Kind::Names(names),
        ..Axis::named(name)
    };
    (axis, places)
}

/// Logarithmic where the values span decades: learning rates.
fn scale(values: &[Option<f64>]) -> Scale {
    let known = || values.iter().flatten().copied();
    let least = known().fold(f64::INFINITY, f64::min);
    let most = known().fold(f64::NEG_INFINITY, f64::max);
    if least > 0.0 && most / least >= DECADES {
        Scale::Log
    } else {
        Scale::Linear
    }
}

fn column(sweep: &Sweep, place: usize) -> Vec<Option<&str>> {
    sweep
        .points
        .iter()
        .map(|point| point.params.get(place)?.as_deref())
        .collect()
}

/// "312 runs", "the best 500 of 100 000 runs".
fn which(sweep: &Sweep) -> String {
    let shown = sweep.points.len() as u64;
    if shown < sweep.total {
        format!(
            "the best {} of {} runs",
            text::count(shown),
            text::count(sweep.total)
        )
    } else {
        text::counted(shown, "run", "runs")
    }
}

/// A parameter (none: the most used one that differs) against the metric: one point a run.
pub fn scatter(
    sweep: &Sweep,
    param: Option<&str>,
    log_y: bool,
    shown: &[Shown],
) -> Option<ChartSpec> {
    let asked = param.and_then(|param| sweep.params.iter().position(|key| key == param));
    // names make a poor first picture
    let numeric = || {
        (0..sweep.params.len()).find(|place| {
            column(sweep, *place)
                .into_iter()
                .flatten()
                .all(|value| value.parse::<f64>().is_ok())
        })
    };
    let place = asked
        .or_else(numeric)
        .or_else(|| (!sweep.params.is_empty()).then_some(0))?;
    let param = &sweep.params[place];
    let (x, places) = dimension(param, &column(sweep, place));
    let points: Vec<ScatterPoint> = sweep
        .points
        .iter()
        .zip(places)
        .filter_map(|(point, x)| {
            let mark = shown.iter().find(|mark| mark.run == point.run);
            Some(ScatterPoint {
                x: x?,
                y: point.value.0,
                // a name does not fit beside a dot
                label: mark.map_or_else(String::new, |mark| mark.sign().to_owned()),
                colour: mark.map(|mark| mark.colour),
                reference: mark.is_some_and(|mark| mark.champion),
            })
        })
        .collect();
    let axis = if x.scale == Scale::Log { " (log)" } else { "" };
    Some(ChartSpec::new(
        format!("{param}{axis} × {}, {}", sweep.metric, which(sweep)),
        Chart::Scatter(Scatter {
            points,
            x,
            y: Axis {
                scale: if log_y { Scale::Log } else { Scale::Linear },
                ..Axis::named(sweep.metric.clone())
            },
        }),
    ))
}

/// An axis for each of the first parameters that differ (`most` axes with the metric's), a line for each run; the best
/// tenth stands out.
pub fn parallel(sweep: &Sweep, most: usize, shown: &[Shown]) -> Option<ChartSpec> {
    if sweep.params.is_empty() {
        return None;
    }
    let count = sweep.params.len().min(most.saturating_sub(1).max(1));
    let mut dimensions = Vec::new();
    let mut columns = Vec::new();
    for (place, name) in sweep.params.iter().enumerate().take(count) {
        let (axis, places) = dimension(name, &column(sweep, place));
        dimensions.push((axis, name.clone()));
        columns.push(places);
    }
    let values: Vec<Option<f64>> = sweep
        .points
        .iter()
        .map(|point| Some(point.value.0))
        .collect();
    dimensions.push((Axis::named(sweep.metric.clone()), sweep.metric.clone()));
    columns.push(values);
    let dimensions = dimensions
        .into_iter()
        .zip(&columns)
        .map(|((axis, name), column)| {
            let known = || column.iter().flatten().copied();
            Dimension {
                name,
                axis,
                low: known().fold(f64::INFINITY, f64::min),
                high: known().fold(f64::NEG_INFINITY, f64::max),
            }
        })
        .collect();
    let tenth = sweep.points.len().div_ceil(10);
    let strands = sweep
        .points
        .iter()
        .enumerate()
        .map(|(row, point)| {
            let mark = shown.iter().find(|mark| mark.run == point.run);
            Strand {
                values: columns.iter().map(|column| column[row]).collect(),
                label: mark.map_or_else(String::new, |mark| mark.sign().to_owned()),
                colour: mark.map(|mark| mark.colour),
                reference: mark.is_some_and(|mark| mark.champion),
                strong: row < tenth,
            }
        })
        .collect();
    let left = sweep.params.len() - count;
    let more = if left > 0 {
        format!(", {left} more parameters: z")
    } else {
        String::new()
    };
    Some(ChartSpec::new(
        format!("parameters and {}, {}{more}", sweep.metric, which(sweep)),
        Chart::Parallel(Parallel {
            dimensions,
            strands,
            empty: "no parameter differs between these runs".to_owned(),
        }),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::RunId;
    use crate::domain::board::SweepPoint;
    use crate::domain::metric::Number;

    fn sweep() -> Sweep {
        let point = |name: &str, value: f64, rate: &str, kind: &str| SweepPoint {
            run: RunId::from(name),
            name: name.to_owned(),
            value: Number(value),
            params: vec![Some(kind.to_owned()), Some(rate.to_owned())],
        };
        Sweep {
            metric: "auc".to_owned(),
            greater_is_better: true,
            params: vec!["kind".to_owned(), "rate".to_owned()],
            points: vec![
                point("a", 0.9, "0.001", "tree"),
                point("b", 0.8, "0.1", "linear"),
            ],
            total: 2,
        }
    }

    #[test]
    fn numbers_come_before_names_and_decades_are_logarithmic() {
        let spec = scatter(&sweep(), None, false, &[]).unwrap();
        assert_eq!(spec.title, "rate (log) × auc, 2 runs");
        let spec = scatter(&sweep(), Some("kind"), false, &[]).unwrap();
        let Chart::Scatter(chart) = spec.chart else {
            panic!("{spec:?}");
        };
        assert_eq!(
            chart.x.kind,
            Kind::Names(vec!["linear".to_owned(), "tree".to_owned()])
        );
        assert_eq!(chart.points[0].x, 1.0);
    }

    #[test]
    fn parallel_axes_end_with_the_metric() {
        let spec = parallel(&sweep(), 2, &[]).unwrap();
        assert!(
            spec.title.ends_with("1 more parameters: z"),
            "{}",
            spec.title
        );
        let Chart::Parallel(chart) = spec.chart else {
            panic!();
        };
        let names: Vec<&str> = chart
            .dimensions
            .iter()
            .map(|dimension| dimension.name.as_str())
            .collect();
        assert_eq!(names, ["kind", "auc"]);
        assert!(chart.strands[0].strong && !chart.strands[1].strong);
    }
}
