//! The live pane: four limits, latency, predictions against the reference, marks, last requests; and the sentence
//! that says whether production is healthy, or which limit broke, when, and after which event.

use super::registry::move_text;
use super::serving::{Loaded, Serving, Slot};
use super::traffic::{Span, Traffic};
use crate::data::Frame;
use crate::domain::deployment::{
    DeploymentState, LatencyBucket, Limit, LivePage, Mark, RequestRow,
};
use crate::domain::model::Task;
use crate::domain::profile::Histogram;
use crate::domain::{DeploymentName, Error, Result, Timestamp};
use crate::drift;
use crate::store::registry as rows;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// Buckets of every window.
const BUCKETS: i64 = 60;
/// Predictions that are compared with the reference: of this many seconds, at most this many.
const DRIFT_SECONDS: i64 = 900;
const DRIFT_ROWS: usize = 5_000;
/// The score is worked out at most this often, milliseconds.
const DRIFT_EVERY: i64 = 10_000;
/// The window by which [`healthy`] judges, seconds.
const HEALTH_SECONDS: u64 = 900;

/// See [`Serving::live`].
pub fn page(
    serving: &Serving,
    deployment: Option<&DeploymentName>,
    window_s: u64,
) -> Result<Option<LivePage>> {
    measure_drift(serving);
    let slots = serving.slots();
    let slot = match deployment {
        Some(name) => Some(slots.get(name).ok_or_else(|| {
            let known: Vec<String> = slots.keys().map(|name| format!("`{name}`")).collect();
            Error::not_found(format!(
                "there is no deployment `{name}`; there are {}",
                if known.is_empty() {
                    "none".into()
                } else {
                    known.join(", ")
                }
            ))
        })?),
        None => slots.values().next(),
    };
    let Some(slot) = slot else {
        return Ok(None);
    };
    let view = View::of(serving, slot, window_s)?;
    let (predictions, predictions_before) = view.histograms(slot.loaded.as_deref());
    let broken: Vec<&Limit> = view.limits.iter().filter(|limit| !limit.holds).collect();
    Ok(Some(LivePage {
        deployments: slots.keys().cloned().collect(),
        deployment: slot.deployment(),
        sentence: view.sentence(),
        healthy: broken.is_empty(),
        window_s: view.window_s,
        latency: view
            .spans
            .iter()
            .map(|span| LatencyBucket {
                at: Timestamp(span.at * 1000),
                requests: span.requests,
                failed: span.failed,
                p50: span.latencies.quantile(0.5),
                p95: span.latencies.quantile(0.95),
                p99: span.latencies.quantile(0.99),
            })
            .collect(),
        predictions,
        predictions_before,
        before: slot.loaded.as_ref().map_or_else(String::new, |loaded| {
            format!("training of {}", loaded.version)
        }),
        marks: view.marks,
        requests: view.requests,
        total: view.total,
        dropped: serving.dropped.load(Ordering::Relaxed),
        limits: view.limits,
    }))
}

/// See [`Serving::healthy`].
pub fn healthy(serving: &Serving) -> Result<Option<bool>> {
    let slots = serving.slots();
    if slots.is_empty() {
        return Ok(None);
    }
    for slot in slots.values() {
        let view = View::of(serving, slot, HEALTH_SECONDS)?;
        if view.limits.iter().any(|limit| !limit.holds) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

struct View {
    window_s: u64,
    width: i64,
    spans: Vec<Span>,
    limits: Vec<Limit>,
    marks: Vec<Mark>,
    requests: Vec<RequestRow>,
    predictions: Vec<f64>,
    total: (u64, u64),
}

impl View {
    fn of(serving: &Serving, slot: &Slot, window_s: u64) -> Result<Self> {
        let window = i64::try_from(window_s)
            .unwrap_or(3_600)
            .clamp(BUCKETS, super::traffic::KEPT_SECONDS);
        let width = (window + BUCKETS - 1) / BUCKETS;
        // Buckets begin at multiples of their width, so that they stand still while time passes.
        let now = serving.core.now().0.div_euclid(1000);
        let start = (now.div_euclid(width) + 1 - BUCKETS) * width;
        let window_s = (width * BUCKETS).unsigned_abs();
        let marks = marks(serving, slot, Timestamp(start * 1000))?;
        let traffic = serving
            .traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let none = Traffic::default();
        let traffic = traffic.get(&slot.config.name).unwrap_or(&none);
        let spans = traffic.spans(start, width, BUCKETS as usize);
        let limits = limits(slot, traffic, &spans, width, now + 1 - start);
        Ok(Self {
            window_s,
            width,
            limits,
            marks,
            requests: traffic.requests.iter().rev().cloned().collect(),
            predictions: traffic.predictions_since(Timestamp(start * 1000), usize::MAX),
            total: traffic.total,
            spans,
        })
    }

    fn sentence(&self) -> String {
        let holding = self.limits.iter().filter(|limit| limit.holds).count();
        let all = self.limits.len();
        if holding == all {
            // limits hold where nothing is measured: that is said
            let quiet = if self.spans.iter().all(|span| span.requests == 0) {
                ", no request"
            } else {
                ""
            };
            return format!("HEALTHY: {holding} of {all} within limits{quiet}");
        }
        let broken: Vec<String> = self
            .limits
            .iter()
            .filter(|limit| !limit.holds)
            .map(|limit| self.broken(limit))
            .collect();
        format!(
            "UNHEALTHY: {holding} of {all} within limits; {}",
            broken.join("; ")
        )
    }

    /// Which limit broke, when, and after which event.
    fn broken(&self, limit: &Limit) -> String {
        let Some(bound) = limit.limit else {
            return match limit.name.as_str() {
                "traffic" => "no version answers".into(),
                name => format!("{name} is out of its limit"),
            };
        };
        let unit = if limit.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", limit.unit)
        };
        let mut text = format!(
            "{} {}{unit} > {}{unit}",
            limit.name,
            super::inputs::short(limit.value.unwrap_or(f64::NAN)),
            super::inputs::short(bound)
        );
        // The last unbroken stretch of buckets beyond the limit; buckets without a value do not end it.
        let mut since = None;
        for (value, span) in limit.history.iter().zip(&self.spans).rev() {
            match value {
                Some(value) if *value > bound => since = Some(span.at),
                Some(_) if since.is_some() => break,
                _ => {}
            }
        }
        if let Some(since) = since {
            let at = Timestamp(since * 1000);
            text.push_str(&at.utc().format(" since %H:%M").to_string());
            let cause = self
                .marks
                .iter()
                .rev()
                .find(|mark| mark.at.0 < (since + self.width) * 1000);
            if let Some(mark) = cause {
                text.push_str(&format!(", after {}", mark.text));
            }
        }
        text
    }

    /// Predictions of the window and of the reference over the same edges.
    fn histograms(&self, loaded: Option<&Loaded>) -> (Histogram, Histogram) {
        let Some(loaded) = loaded else {
            return Default::default();
        };
        let signature = &loaded.model.signature;
        let edges: Vec<f64> = match signature.task {
            Task::Binary => (0..=20).map(|edge| f64::from(edge) / 20.0).collect(),
            Task::Multiclass => (0..=signature.classes.len())
                .map(|edge| edge as f64 - 0.5)
                .collect(),
            Task::Regression => {
                let all = || {
                    self.predictions
                        .iter()
                        .chain(&loaded.reference)
                        .filter(|value| value.is_finite())
                };
                let low = all().copied().fold(f64::INFINITY, f64::min);
                let high = all().copied().fold(f64::NEG_INFINITY, f64::max);
                if low >= high {
                    return Default::default();
                }
                (0..=20)
                    .map(|edge| low + (high - low) * f64::from(edge) / 20.0)
                    .collect()
            }
        };
        (
            histogram(&edges, &self.predictions),
            histogram(&edges, &loaded.reference),
        )
    }
}

fn histogram(edges: &[f64], values: &[f64]) -> Histogram {
    let bins = edges.len().saturating_sub(1);
    let mut counts = vec![0; bins];
    for value in values {
        let bin = edges.partition_point(|edge| edge <= value);
        let last = edges.last().is_some_and(|edge| edge == value);
        let bin = if last { bins } else { bin };
        if let Some(count) = bin.checked_sub(1).and_then(|bin| counts.get_mut(bin)) {
            *count += 1;
        }
    }
    Histogram {
        edges: edges.to_vec(),
        counts,
    }
}

fn limits(slot: &Slot, traffic: &Traffic, spans: &[Span], width: i64, elapsed: i64) -> Vec<Limit> {
    let all = Traffic::sum(spans);
    let percent = |span: &Span| {
        (span.requests > 0).then(|| 100.0 * span.failed as f64 / span.requests as f64)
    };
    let within = |value: Option<f64>, limit: f64| value.is_none_or(|value| value <= limit);
    let errors = percent(&all);
    let p95 = all.latencies.quantile(0.95);
    let start = spans.first().map_or(0, |span| span.at);
    let drift = traffic
        .drift
        .back()
        .filter(|(at, _)| *at >= start)
        .map(|(_, score)| *score);
    let answers = slot.loaded.is_some() && slot.state != DeploymentState::Empty;
    vec![
        Limit {
            name: "traffic".into(),
            value: Some(all.requests as f64 / elapsed as f64),
            limit: None,
            unit: "/s".into(),
            holds: answers,
            history: spans
                .iter()
                .map(|span| Some(span.requests as f64 / width as f64))
                .collect(),
        },
        Limit {
            name: "errors".into(),
            value: errors,
            limit: Some(slot.config.max_error_percent),
            unit: "%".into(),
            holds: within(errors, slot.config.max_error_percent),
            history: spans.iter().map(percent).collect(),
        },
        Limit {
            name: "p95".into(),
            value: p95,
            limit: Some(slot.config.max_p95_ms),
            unit: "ms".into(),
            holds: within(p95, slot.config.max_p95_ms),
            history: spans
                .iter()
                .map(|span| span.latencies.quantile(0.95))
                .collect(),
        },
        Limit {
            name: "drift".into(),
            value: drift,
            limit: Some(slot.config.max_drift),
            unit: String::new(),
            holds: within(drift, slot.config.max_drift),
            history: spans
                .iter()
                .map(|span| {
                    traffic
                        .drift
                        .iter()
                        .rev()
                        .find(|(at, _)| *at >= span.at && *at < span.at + width)
                        .map(|(_, score)| *score)
                })
                .collect(),
        },
    ]
}

fn marks(serving: &Serving, slot: &Slot, since: Timestamp) -> Result<Vec<Mark>> {
    let moves = serving.core.store.read(|connection| {
        rows::moves(
            connection,
            &slot.config.model,
            Some(&slot.config.alias),
            1_000,
        )
    })?;
    let mut marks = vec![Mark {
        at: serving.started,
        text: "daemon started".into(),
    }];
    marks.extend(moves.iter().rev().map(|moved| Mark {
        at: moved.at,
        text: move_text(moved),
    }));
    marks.retain(|mark| mark.at >= since);
    marks.sort_by_key(|mark| mark.at);
    Ok(marks)
}

/// Works out the drift of every deployment's predictions against its reference, when the last score is old.
pub fn measure_drift(serving: &Serving) {
    let now = serving.core.now();
    for (name, slot) in serving.slots().iter() {
        let Some(loaded) = &slot.loaded else {
            continue;
        };
        let current = {
            let mut traffic = serving
                .traffic
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let Some(traffic) = traffic.get_mut(name) else {
                continue;
            };
            if now.0 - traffic.drift_at < DRIFT_EVERY {
                continue;
            }
            traffic.drift_at = now.0;
            traffic.predictions_since(Timestamp(now.0 - DRIFT_SECONDS * 1000), DRIFT_ROWS)
        };
        let Some(score) = score(loaded, &current) else {
            continue;
        };
        let mut traffic = serving
            .traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(traffic) = traffic.get_mut(name) {
            let second = now.0.div_euclid(1000);
            traffic.drift.push_back((second, score));
            while traffic
                .drift
                .front()
                .is_some_and(|(at, _)| *at <= second - super::traffic::KEPT_SECONDS)
            {
                traffic.drift.pop_front();
            }
        }
    }
}

/// PSI of the predictions; none below 30 rows on a side, where a distance says nothing.
fn score(loaded: &Loaded, current: &[f64]) -> Option<f64> {
    if current.len() < 30 || loaded.reference.len() < 30 {
        return None;
    }
    let column = |values: &[f64]| -> Option<Frame> {
        let signature = &loaded.model.signature;
        let column: ArrayRef = match signature.task {
            Task::Multiclass => Arc::new(
                values
                    .iter()
                    .map(|value| signature.classes.get(*value as usize).cloned())
                    .collect::<StringArray>(),
            ),
            Task::Binary | Task::Regression => Arc::new(Float64Array::from(values.to_vec())),
        };
        Frame::from_columns(vec![("PREDICTION".into(), column)]).ok()
    };
    let options = drift::Options {
        method: "psi".into(),
        ..drift::Options::default()
    };
    drift::compare(
        &column(&loaded.reference)?,
        &column(current)?,
        None,
        &options,
    )
    .ok()?
    .first()?
    .tests
    .iter()
    .find(|test| test.method == "psi")?
    .value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_last_bin_is_closed() {
        let found = histogram(&[0.0, 0.5, 1.0], &[0.0, 0.49, 0.5, 1.0, 1.1, f64::NAN]);
        assert_eq!(found.counts, [2, 2]);
    }
}
