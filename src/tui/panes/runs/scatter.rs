//! A parameter against a metric: one point a run.

use super::curves::Shown;
use crate::chart::{Axis, Chart, ChartSpec, Scatter, ScatterPoint};
use crate::domain::run::RunTable;
use crate::tui::text;

/// The numeric parameter that the rows differ in, against the primary metric: one point a run.
pub fn scatter(table: &RunTable, shown: &[Shown]) -> Option<ChartSpec> {
    let metric = table
        .primary_metric
        .as_ref()
        .or_else(|| table.metric_keys.first())?;
    let value = |text: &String| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let param = table.param_keys.iter().find(|key| {
        let mut values: Vec<f64> = table
            .rows
            .iter()
            .filter_map(|row| row.params.get(*key).and_then(value))
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values.len() > 1
    })?;
    let champion = table.champion.iter().map(|(row, ..)| row);
    let points: Vec<ScatterPoint> = table
        .rows
        .iter()
        .chain(champion)
        .filter_map(|row| {
            let mark = shown.iter().find(|mark| mark.run == row.id);
            Some(ScatterPoint {
                x: row.params.get(param).and_then(value)?,
                y: row.metrics.get(metric)?.0,
                label: mark.map_or_else(String::new, |mark| mark.tag.clone()),
                colour: mark.map(|mark| mark.colour),
                reference: mark.is_some_and(|mark| mark.champion),
            })
        })
        .collect();
    let count = points.len();
    Some(ChartSpec::new(
        format!(
            "{param} × {metric}, {}",
            text::counted(count as u64, "run", "runs")
        ),
        Chart::Scatter(Scatter {
            points,
            x: Axis::named(param.clone()),
            y: Axis::named(metric.clone()),
        }),
    ))
}
