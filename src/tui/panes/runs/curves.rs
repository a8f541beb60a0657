//! The chart part of the runs pane: which metric, over which axis, how smooth, how close, and the cursor in it.

use super::Runs;
use crate::chart::{Axis, Chart, ChartSpec, Curve, Curves, Kind as AxisKind, Point, Scale};
use crate::domain::RunId;
use crate::domain::metric::Series;
use crate::tui::keymap::Action;
use crate::tui::text;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Weights of the moving average that `{` and `}` go through.
const WEIGHTS: [f64; 7] = [0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99];

/// Points of a curve that are asked for.
pub const BUCKETS: u32 = 500;

/// The metric that says in which epoch a step was.
pub const EPOCH: &str = "epoch";

/// What the x axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Steps.
    #[default]
    Step,
    /// Seconds since the run's first point.
    Time,
    /// Epochs, by the metric [`EPOCH`] that the run logs beside.
    Epoch,
}

impl By {
    /// Its name, in titles and kept looks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Time => "time",
            Self::Epoch => EPOCH,
        }
    }
}

/// What the chart part draws.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A metric over steps.
    #[default]
    Curves,
    /// A parameter against a metric.
    Scatter,
    /// Several parameters and a metric.
    Parallel,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Curves, Self::Scatter, Self::Parallel];

    /// The next one, or the one before.
    #[must_use]
    pub fn next(self, forward: bool) -> Self {
        let place = Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0);
        Self::ALL[(place + if forward { 1 } else { 2 }) % 3]
    }
}

/// How curves are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The metric chosen with `(` and `)`; none: the first that has a curve.
    pub metric: Option<String>,
    /// Place in [`WEIGHTS`].
    pub smooth: usize,
    /// Logarithmic y.
    pub log: bool,
    /// What the x axis counts.
    pub by: By,
    /// What is drawn.
    pub kind: Kind,
    /// The parameter of the scatter; none: the first that differs.
    pub param: Option<String>,
    /// Without the champion's line.
    pub alone: bool,
    /// The x range shown.
    pub window: Option<(f64, f64)>,
    /// The cursor.
    pub cursor: Option<f64>,
}

/// A run whose curve is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Which.
    pub run: RunId,
    /// "A brave-otter".
    pub name: String,
    /// "A".
    pub tag: String,
    /// Its colour.
    pub colour: usize,
    /// The champion.
    pub champion: bool,
    /// Under the cursor of the table.
    pub selected: bool,
}

impl Shown {
    /// Its letter, the champion's sign; the run under the cursor has a dot.
    pub fn sign(&self) -> &str {
        if self.tag.chars().count() == 1 {
            &self.tag
        } else {
            "●"
        }
    }
}

impl View {
    /// The chart of `key`.
    pub fn curves(
        &self,
        key: &str,
        series: &BTreeMap<String, Vec<Series>>,
        shown: &[Shown],
    ) -> Curves {
        let series_of = |key: &str, run: &RunId| {
            let all = series.get(key)?;
            all.iter().find(|series| series.run == *run)
        };
        let begin = |series: &Series| series.buckets.first().map_or(0, |bucket| bucket.time.0);
        let mut curves = Vec::new();
        for run in shown {
            if run.champion && self.alone {
                continue;
            }
            let Some(series) = series_of(key, &run.run) else {
                continue;
            };
            let first = begin(series);
            let epochs = series_of(EPOCH, &run.run);
            let points: Vec<Point> = series
                .buckets
                .iter()
                .filter_map(|bucket| {
                    let x = match self.by {
                        By::Step => return Some(Point::by_step(bucket)),
                        By::Time => (bucket.time.0 - first) as f64 / 1000.0,
                        By::Epoch => epoch_at(epochs?, bucket.step)?,
                    };
                    Some(Point::of_bucket(bucket, x))
                })
                .collect();
            curves.push(Curve {
                name: run.name.clone(),
                tag: run.tag.clone(),
                points,
                colour: run.colour,
                reference: run.champion,
                selected: run.selected,
            });
        }
        Curves {
            curves,
            x: Axis {
                kind: match self.by {
                    By::Time => AxisKind::Duration,
                    By::Step | By::Epoch => AxisKind::Number,
                },
                ..Axis::named(self.by.name())
            },
            y: Axis {
                scale: if self.log { Scale::Log } else { Scale::Linear },
                ..Axis::default()
            },
            window: self.window,
            smoothing: WEIGHTS[self.smooth.min(WEIGHTS.len() - 1)],
            cursor: self.cursor,
            ..Curves::default()
        }
    }

    /// The steps that are zoomed in on: these are asked for more closely.
    pub fn steps(&self) -> Option<(i64, i64)> {
        let (from, to) = self.window.filter(|_| self.by == By::Step)?;
        Some((from.floor() as i64, to.ceil() as i64))
    }

    /// The same with its title.
    pub fn chart(
        &self,
        key: &str,
        series: &BTreeMap<String, Vec<Series>>,
        shown: &[Shown],
    ) -> ChartSpec {
        let axis = self.by.name();
        ChartSpec::new(
            format!("{key} by {axis}"),
            Chart::Curves(self.curves(key, series, shown)),
        )
    }

    /// "step 820: A 0.455  B 0.461": what the curves are at the cursor.
    pub fn readout(&self, curves: &Curves) -> Option<String> {
        let cursor = self.cursor?;
        let mut out = match self.by {
            By::Time => format!("after {}:", text::duration((cursor * 1000.0) as i64)),
            By::Step => format!("step {cursor:.0}:"),
            By::Epoch => format!("epoch {}:", crate::chart::axis::short(cursor)),
        };
        for curve in &curves.curves {
            let tag = if curve.tag.is_empty() {
                &curve.name
            } else {
                &curve.tag
            };
            let value = crate::chart::series::value_at(&curve.points, cursor)
                .map_or_else(|| "—".to_owned(), text::number);
            out.push_str(&format!(" {tag} {value} "));
        }
        Some(out.trim_end().to_owned())
    }

    /// Takes a chart key; `places` are the x values of the selected curve, ascending.
    pub fn act(&mut self, action: Action, places: &[f64], keys: &[String], current: Option<&str>) {
        let (Some(low), Some(high)) = (places.first().copied(), places.last().copied()) else {
            self.choose(action, keys, current);
            return;
        };
        let (from, to) = self.window.unwrap_or((low, high));
        let middle = self.cursor.unwrap_or((from + to) / 2.0).clamp(from, to);
        let around = |width: f64| {
            let share = if to > from {
                (middle - from) / (to - from)
            } else {
                0.5
            };
            let start = middle - width * share;
            (start.max(low), (start + width).min(high))
        };
        match action {
            Action::Left | Action::Right => {
                let shown: Vec<f64> = places
                    .iter()
                    .copied()
                    .filter(|x| (from..=to).contains(x))
                    .collect();
                if shown.is_empty() {
                    return;
                }
                let place = match self.cursor {
                    None => shown.len() / 2,
                    Some(cursor) => shown.partition_point(|x| *x < cursor).min(shown.len() - 1),
                };
                // about one column of a chart per press
                let leap = (shown.len() / 60).max(1);
                let place = match (action, self.cursor) {
                    (_, None) => place,
                    (Action::Left, _) => place.saturating_sub(leap),
                    _ => (place + leap).min(shown.len() - 1),
                };
                self.cursor = Some(shown[place]);
            }
            Action::ZoomIn => self.window = Some(around((to - from) / 2.0)),
            Action::ZoomOut => {
                let width = (to - from) * 2.0;
                self.window = if width >= high - low {
                    None
                } else {
                    Some(around(width))
                };
            }
            Action::PanLeft | Action::PanRight => {
                let quarter = (to - from) / 4.0;
                let shift = if action == Action::PanLeft {
                    -quarter.min(from - low)
                } else {
                    quarter.min(high - to)
                };
                if self.window.is_some() {
                    self.window = Some((from + shift, to + shift));
                }
            }
            Action::Whole => {
                self.window = None;
                self.cursor = None;
            }
            other => self.choose(other, keys, current),
        }
    }

    fn choose(&mut self, action: Action, keys: &[String], current: Option<&str>) {
        match action {
            Action::LogY => self.log = !self.log,
            Action::LessSmooth => self.smooth = self.smooth.saturating_sub(1),
            Action::MoreSmooth => self.smooth = (self.smooth + 1).min(WEIGHTS.len() - 1),
            Action::Window => {
                self.by = match self.by {
                    By::Step => By::Time,
                    By::Time if keys.iter().any(|key| key == EPOCH) => By::Epoch,
                    By::Time | By::Epoch => By::Step,
                };
                self.window = None;
                self.cursor = None;
            }
            Action::Baseline => self.alone = !self.alone,
            Action::PreviousMetric | Action::NextMetric if !keys.is_empty() => {
                let place = keys.iter().position(|key| Some(key.as_str()) == current);
                let next = match (place, action) {
                    (None, _) => 0,
                    (Some(place), Action::NextMetric) => (place + 1) % keys.len(),
                    (Some(place), _) => (place + keys.len() - 1) % keys.len(),
                };
                self.metric = Some(keys[next].clone());
                self.window = None;
                self.cursor = None;
            }
            _ => {}
        }
    }

    /// As looks to be kept.
    pub fn remember(&self) -> Value {
        json!({
            "metric": self.metric, "smooth": self.smooth, "log": self.log, "by": self.by.name(),
            "alone": self.alone, "window": self.window, "kind": self.kind as u8, "param": self.param,
        })
    }

    /// From kept looks.
    pub fn restore(&mut self, looks: &Value) {
        self.metric = looks["metric"].as_str().map(str::to_owned);
        self.smooth = looks["smooth"]
            .as_u64()
            .map_or(0, |place| (place as usize).min(WEIGHTS.len() - 1));
        self.log = looks["log"].as_bool().unwrap_or(false);
        self.by = match looks["by"].as_str() {
            Some("time") => By::Time,
            Some(EPOCH) => By::Epoch,
            _ => By::Step,
        };
        self.kind = looks["kind"]
            .as_u64()
            .and_then(|place| Kind::ALL.get(place as usize).copied())
            .unwrap_or_default();
        self.param = looks["param"].as_str().map(str::to_owned);
        self.alone = looks["alone"].as_bool().unwrap_or(false);
        self.window = match (looks["window"][0].as_f64(), looks["window"][1].as_f64()) {
            (Some(from), Some(to)) if from < to => Some((from, to)),
            _ => None,
        };
    }
}

/// The epoch of a step: that of the last point at or before it.
fn epoch_at(epochs: &Series, step: i64) -> Option<f64> {
    let after = epochs.buckets.partition_point(|bucket| bucket.step <= step);
    let bucket = epochs.buckets.get(after.checked_sub(1)?)?;
    bucket.last.is_finite().then_some(bucket.last)
}

impl Runs {
    /// Metrics that the chart can show, as far as is known.
    pub(super) fn keys(&self) -> Vec<String> {
        let curves = self
            .detail
            .as_ref()
            .filter(|detail| !detail.curves.is_empty());
        // a metric that was logged once has a dot in the scatter
        match curves.filter(|_| self.view.kind == Kind::Curves) {
            Some(detail) => detail.curves.clone(),
            None => self
                .table
                .as_ref()
                .map(|table| table.metric_keys.clone())
                .unwrap_or_default(),
        }
    }

    /// The metric of the chart.
    pub(super) fn metric(&self) -> Option<String> {
        let keys = self.keys();
        let asked = self
            .view
            .metric
            .as_deref()
            .filter(|asked| keys.iter().any(|key| key == asked));
        asked
            .or_else(|| {
                self.primary()
                    .filter(|key| keys.iter().any(|known| known == key))
            })
            .map(str::to_owned)
            .or_else(|| keys.first().cloned())
    }

    /// The metric of scatter and parallel coordinates.
    pub(super) fn sweep_metric(&self) -> Option<String> {
        if self.view.kind != Kind::Curves {
            return self.metric();
        }
        let table = self.table.as_ref()?;
        let first = table.primary_metric.as_ref();
        first.or_else(|| table.metric_keys.first()).cloned()
    }

    /// Metrics that are drawn now: one, or three in the grid.
    pub(super) fn charted(&self) -> Vec<String> {
        if self.view.kind != Kind::Curves && !self.wide {
            return Vec::new();
        }
        let keys = self.keys();
        let Some(first) = self.metric() else {
            return Vec::new();
        };
        let grid = if self.wide && !self.zoomed { 3 } else { 1 };
        let place = keys.iter().position(|key| *key == first).unwrap_or(0);
        (0..keys.len().min(grid))
            .map(|step| keys[(place + step) % keys.len()].clone())
            .collect()
    }

    /// The curves of a metric as they are drawn: those of the piece that is zoomed in on, once they are there.
    pub(super) fn series_for(&self, key: &str) -> &BTreeMap<String, Vec<Series>> {
        if self.view.steps() == Some(self.closer.0) && self.closer.1.contains_key(key) {
            &self.closer.1
        } else {
            &self.series
        }
    }

    /// The x values of the selected curve, or of the first.
    pub(super) fn places(&self) -> Vec<f64> {
        let Some(key) = self.metric() else {
            return Vec::new();
        };
        let curves = self.view.curves(&key, &self.series, &self.drawn());
        let curve = curves
            .curves
            .iter()
            .find(|curve| curve.selected)
            .or_else(|| curves.curves.first());
        curve
            .map(|curve| curve.points.iter().map(|point| point.x).collect())
            .unwrap_or_default()
    }
}
