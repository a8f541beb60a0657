//! What a deployment answered lately, in memory: requests, failures and latency by second for an hour, the last
//! requests, the last predictions. Knows no model and no store.

use crate::domain::Timestamp;
use crate::domain::deployment::RequestRow;
use std::collections::{BTreeMap, VecDeque};

/// Seconds that are kept.
pub const KEPT_SECONDS: i64 = 3_600;
/// Requests that are kept: as many as screens list. Their inputs are in the log.
pub const KEPT_REQUESTS: usize = 100;
/// Predictions that are kept.
const KEPT_PREDICTIONS: usize = 100_000;
/// Latency buckets per doubling: neighbours differ by 4.4 %.
const PER_DOUBLING: f64 = 16.0;

/// Latencies as counts in logarithmic buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: BTreeMap<u16, u64>,
}

impl Latencies {
    /// One more.
    pub fn add(&mut self, ms: f64) {
        let microseconds = (ms * 1000.0).max(1.0);
        let bucket = (microseconds.log2() * PER_DOUBLING)
            .round()
            .clamp(0.0, 1000.0) as u16;
        *self.counts.entry(bucket).or_default() += 1;
    }

    /// These too.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            *self.counts.entry(*bucket).or_default() += count;
        }
    }

    /// The `q` quantile (nearest rank) in milliseconds, to the bucket's width; none of none.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total: u64 = self.counts.values().sum();
        let rank = ((total as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        self.counts.iter().find_map(|(bucket, count)| {
            seen += count;
            (seen >= rank).then(|| 2f64.powf(f64::from(*bucket) / PER_DOUBLING) / 1000.0)
        })
    }
}

/// One second, or several taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Start, seconds since 1970.
    pub at: i64,
    /// Requests.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// Of those that did not fail.
    pub latencies: Latencies,
}

/// See the module's text.
#[derive(Default)]
pub struct Traffic {
    seconds: VecDeque<Span>,
    /// Oldest first.
    pub requests: VecDeque<RequestRow>,
    /// When (milliseconds) and what, oldest first.
    pub predictions: VecDeque<(i64, f64)>,
    /// Drift of the predictions as it was measured: second and score, oldest first.
    pub drift: VecDeque<(i64, f64)>,
    /// When the score was last worked out, milliseconds.
    pub drift_at: i64,
    /// Requests since the daemon started, and failed ones.
    pub total: (u64, u64),
    /// When listeners were last told, milliseconds.
    pub told: i64,
}

impl Traffic {
    /// Counts a request into its second.
    pub fn count(&mut self, at: Timestamp, ms: f64, failed: bool) {
        let second = at.0.div_euclid(1000);
        let place = self
            .seconds
            .iter()
            .rposition(|span| span.at <= second)
            .map_or(0, |place| place + 1);
        let place = match place.checked_sub(1) {
            Some(before)
                if self
                    .seconds
                    .get(before)
                    .is_some_and(|span| span.at == second) =>
            {
                before
            }
            _ => {
                let span = Span {
                    at: second,
                    ..Span::default()
                };
                self.seconds.insert(place, span);
                place
            }
        };
        if let Some(span) = self.seconds.get_mut(place) {
            span.requests += 1;
            if failed {
                span.failed += 1;
            } else {
                span.latencies.add(ms);
            }
        }
        let newest = self.seconds.back().map_or(second, |span| span.at);
        while self
            .seconds
            .front()
            .is_some_and(|span| span.at <= newest - KEPT_SECONDS)
        {
            self.seconds.pop_front();
        }
    }

    /// Keeps a request for the list.
    pub fn keep(&mut self, request: RequestRow) {
        if self.requests.len() == KEPT_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// Keeps predictions.
    pub fn predicted(&mut self, at: Timestamp, values: &[f64]) {
        let skip = values.len().saturating_sub(KEPT_PREDICTIONS);
        for value in values.iter().skip(skip) {
            if self.predictions.len() == KEPT_PREDICTIONS {
                self.predictions.pop_front();
            }
            self.predictions.push_back((at.0, *value));
        }
    }

    /// Takes in what was answered before everything that it has itself.
    pub fn precede(&mut self, earlier: Self) {
        for span in std::mem::replace(&mut self.seconds, earlier.seconds) {
            match self.seconds.back_mut() {
                Some(last) if last.at == span.at => {
                    last.requests += span.requests;
                    last.failed += span.failed;
                    last.latencies.merge(&span.latencies);
                }
                _ => self.seconds.push_back(span),
            }
        }
        let newest = self.seconds.back().map_or(0, |span| span.at);
        self.seconds.retain(|span| span.at > newest - KEPT_SECONDS);
        let mut predictions = earlier.predictions;
        predictions.extend(self.predictions.drain(..));
        let over = predictions.len().saturating_sub(KEPT_PREDICTIONS);
        predictions.drain(..over);
        self.predictions = predictions;
        let mut requests = earlier.requests;
        requests.extend(self.requests.drain(..));
        let over = requests.len().saturating_sub(KEPT_REQUESTS);
        requests.drain(..over);
        self.requests = requests;
    }

    /// Predictions since an instant, at most the newest `limit`.
    pub fn predictions_since(&self, since: Timestamp, limit: usize) -> Vec<f64> {
        self.predictions
            .iter()
            .rev()
            .take_while(|(at, _)| *at >= since.0)
            .take(limit)
            .map(|(_, value)| *value)
            .collect()
    }

    /// `count` spans of `width` seconds from second `start`, oldest first.
    pub fn spans(&self, start: i64, width: i64, count: usize) -> Vec<Span> {
        let mut spans: Vec<Span> = (0..count as i64)
            .map(|number| Span {
                at: start + number * width,
                ..Span::default()
            })
            .collect();
        for second in &self.seconds {
            if second.at < start {
                continue;
            }
            if let Some(span) = spans.get_mut(((second.at - start) / width) as usize) {
                span.requests += second.requests;
                span.failed += second.failed;
                span.latencies.merge(&second.latencies);
            }
        }
        spans
    }

    /// Everything in these spans together.
    pub fn sum(spans: &[Span]) -> Span {
        let mut all = Span {
            at: spans.first().map_or(0, |span| span.at),
            ..Span::default()
        };
        for span in spans {
            all.requests += span.requests;
            all.failed += span.failed;
            all.latencies.merge(&span.latencies);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let mut latencies = Latencies::default();
        for value in 1..=1000 {
            latencies.add(f64::from(value) / 100.0);
        }
        for (q, truth) in [(0.5, 5.0), (0.95, 9.5), (0.99, 9.9)] {
            let found = latencies.quantile(q).unwrap();
            assert!((found / truth - 1.0).abs() < 0.045, "{q}: {found}");
        }
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    #[test]
    fn what_was_answered_earlier_comes_before() {
        let (mut earlier, mut traffic) = (Traffic::default(), Traffic::default());
        earlier.count(Timestamp(1_000), 1.0, false);
        earlier.count(Timestamp(2_000), 1.0, false);
        earlier.predicted(Timestamp(2_000), &[0.1]);
        traffic.count(Timestamp(2_500), 1.0, true);
        traffic.count(Timestamp(3_000), 1.0, false);
        traffic.predicted(Timestamp(2_500), &[0.2]);
        traffic.precede(earlier);
        let counts: Vec<_> = traffic
            .spans(1, 1, 3)
            .iter()
            .map(|span| (span.requests, span.failed))
            .collect();
        assert_eq!(counts, [(1, 0), (2, 1), (1, 0)]);
        assert_eq!(traffic.predictions, [(2_000, 0.1), (2_500, 0.2)]);
    }

    #[test]
    fn seconds_fall_into_their_spans_also_out_of_order() {
        let mut traffic = Traffic::default();
        for (at, failed) in [
            (5_000, false),
            (3_200, true),
            (5_900, false),
            (3_900, false),
        ] {
            traffic.count(Timestamp(at), 1.0, failed);
        }
        let spans = traffic.spans(2, 2, 2);
        let counts: Vec<_> = spans
            .iter()
            .map(|span| (span.requests, span.failed))
            .collect();
        assert_eq!(counts, [(2, 1), (2, 0)]);
        traffic.count(Timestamp((KEPT_SECONDS + 4) * 1000), 1.0, false);
        assert_eq!(traffic.seconds.front().unwrap().at, 5);
    }
}
