//! DDM (Gama et al. 2004): the error rate rises above its best.
//! With p the error rate and s = sqrt(p (1 - p) / n): a warning when p + s passes the least p + s by two
//! of its s, a drift when it does by three.

use super::{Detector, Kind, Mean, Parameters, Signal, count, within};
use crate::drift::Result;

pub(super) const KIND: Kind = Kind {
    name: "ddm",
    description: "error rate against its best so far",
    binary: true,
    parameters: &[
        ("warm_start", 30.0, "numbers before the first test"),
        ("warning_threshold", 2.0, "deviations that warn"),
        ("drift_threshold", 3.0, "deviations that alarm"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    Ok(Box::new(Ddm {
        warm_start: count(parameters, "warm_start", 0.0)? as f64,
        warning: within(parameters, "warning_threshold", 0.0, f64::INFINITY)?,
        drift: within(parameters, "drift_threshold", 0.0, f64::INFINITY)?,
        rate: Mean::default(),
        best: None,
    }))
}

struct Ddm {
    warm_start: f64,
    warning: f64,
    drift: f64,
    rate: Mean,
    /// p and s where their sum was least.
    best: Option<(f64, f64)>,
}

impl Detector for Ddm {
    fn update(&mut self, x: f64) -> Option<Signal> {
        self.rate.update(x);
        let p = self.rate.mean;
        let s = (p * (1.0 - p) / self.rate.n).max(0.0).sqrt();
        if self.rate.n <= self.warm_start {
            return None;
        }
        if self.best.is_none_or(|(p0, s0)| p + s <= p0 + s0) {
            self.best = Some((p, s));
        }
        let (p0, s0) = self.best?;
        if p + s > p0 + self.drift * s0 {
            self.rate = Mean::default();
            self.best = None;
            return Some(Signal::Drift);
        }
        (p + s > p0 + self.warning * s0).then_some(Signal::Warning)
    }
}
