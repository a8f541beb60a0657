//! ADWIN (Bifet and Gavaldà 2007): a window that drops its oldest part when two parts differ.
//!
//! The window is an exponential histogram: row r holds buckets of 2^r numbers with their sum and
//! squared deviation; a row with more than `max_buckets` passes its two oldest on as one. Every
//! `clock` numbers each cut is tested: |mean0 - mean1| > sqrt(2 m v d) + 2/3 d m with
//! d = ln(2 ln(W) / delta), m = 1/(n0 - w + 1) + 1/(n1 - w + 1), w the least window, v the variance.

use super::{Detector, Kind, Parameters, Signal, count, within};
use crate::drift::Result;
use std::collections::VecDeque;

pub(super) const KIND: Kind = Kind {
    name: "adwin",
    description: "adaptive window: the mean before and after a cut differ",
    binary: false,
    parameters: &[
        ("delta", 0.002, "confidence; smaller alarms less"),
        ("clock", 32.0, "test every so many numbers"),
        (
            "max_buckets",
            5.0,
            "buckets of one size before two are merged",
        ),
        (
            "min_window_length",
            5.0,
            "least numbers on each side of a cut",
        ),
        ("grace_period", 10.0, "no test in a window this short"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    Ok(Box::new(Adwin {
        delta: within(parameters, "delta", 1e-12, 1.0)?,
        clock: count(parameters, "clock", 1.0)?,
        max_buckets: count(parameters, "max_buckets", 1.0)? as usize,
        min_window: count(parameters, "min_window_length", 1.0)? as f64,
        grace: count(parameters, "grace_period", 0.0)? as f64,
        window: Window::default(),
        start_over: false,
    }))
}

struct Adwin {
    delta: f64,
    clock: u64,
    max_buckets: usize,
    min_window: f64,
    grace: f64,
    window: Window,
    start_over: bool,
}

#[derive(Clone, Copy)]
struct Bucket {
    total: f64,
    deviation: f64,
}

#[derive(Default)]
struct Window {
    /// Row r holds buckets of 2^r numbers, oldest in front.
    rows: Vec<VecDeque<Bucket>>,
    width: f64,
    total: f64,
    deviation: f64,
    seen: u64,
}

fn size(row: usize) -> f64 {
    (1u64 << row) as f64
}

impl Window {
    fn insert(&mut self, x: f64, max_buckets: usize) {
        if self.rows.is_empty() {
            self.rows.push(VecDeque::new());
        }
        self.rows[0].push_back(Bucket {
            total: x,
            deviation: 0.0,
        });
        self.width += 1.0;
        if self.width > 1.0 {
            let gap = x - self.total / (self.width - 1.0);
            self.deviation += (self.width - 1.0) * gap * gap / self.width;
        }
        self.total += x;
        let mut row = 0;
        while row < self.rows.len() && self.rows[row].len() > max_buckets {
            let (Some(a), Some(b)) = (self.rows[row].pop_front(), self.rows[row].pop_front())
            else {
                return;
            };
            let n = size(row);
            let gap = a.total / n - b.total / n;
            if row + 1 == self.rows.len() {
                self.rows.push(VecDeque::new());
            }
            self.rows[row + 1].push_back(Bucket {
                total: a.total + b.total,
                deviation: a.deviation + b.deviation + n * 0.5 * gap * gap,
            });
            row += 1;
        }
    }

    fn drop_oldest(&mut self) {
        let Some(last) = self.rows.len().checked_sub(1) else {
            return;
        };
        let Some(bucket) = self.rows[last].pop_front() else {
            return;
        };
        let n = size(last);
        self.width -= n;
        self.total -= bucket.total;
        let gap = bucket.total / n - self.total / self.width;
        self.deviation -= bucket.deviation + n * self.width * gap * gap / (n + self.width);
        if self.rows[last].is_empty() {
            self.rows.pop();
        }
    }
}

impl Adwin {
    /// Whether some cut of the window separates two means.
    fn differs(&self) -> bool {
        let window = &self.window;
        let d = (2.0 * window.width.ln() / self.delta).ln();
        let variance = window.deviation / window.width;
        let (mut n0, mut total0) = (0.0, 0.0);
        for (row, buckets) in window.rows.iter().enumerate().rev() {
            for bucket in buckets {
                n0 += size(row);
                total0 += bucket.total;
                let n1 = window.width - n0;
                if n0 < self.min_window || n1 < self.min_window || n1 <= 0.0 {
                    continue;
                }
                let gap = total0 / n0 - (window.total - total0) / n1;
                let m = 1.0 / (n0 - self.min_window + 1.0) + 1.0 / (n1 - self.min_window + 1.0);
                if gap.abs() > (2.0 * m * variance * d).sqrt() + 2.0 / 3.0 * d * m {
                    return true;
                }
            }
        }
        false
    }
}

impl Detector for Adwin {
    fn update(&mut self, x: f64) -> Option<Signal> {
        if self.start_over {
            self.window = Window::default();
            self.start_over = false;
        }
        self.window.insert(x, self.max_buckets);
        self.window.seen += 1;
        if !self.window.seen.is_multiple_of(self.clock) || self.window.width <= self.grace {
            return None;
        }
        while self.window.width > 1.0 && self.differs() {
            self.window.drop_oldest();
            self.start_over = true;
        }
        self.start_over.then_some(Signal::Drift)
    }
}
