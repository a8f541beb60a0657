//! HDDM-A (Frías-Blanco et al. 2015): the mean of everything against the mean up to the best cut, by
//! Hoeffding's bound. One-sided (errors rise) unless `two_sided` is 1.

use super::{Detector, Kind, Mean, Parameters, Signal, within};
use crate::drift::Result;

pub(super) const KIND: Kind = Kind {
    name: "hddm_a",
    description: "mean against the mean before a cut, Hoeffding's bound",
    binary: true,
    parameters: &[
        ("drift_confidence", 0.001, "chance of a false alarm"),
        ("warning_confidence", 0.005, "chance of a false warning"),
        ("two_sided", 0.0, "1 to watch for a falling mean too"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    Ok(Box::new(HddmA {
        drift: within(parameters, "drift_confidence", 1e-12, 1.0)?,
        warning: within(parameters, "warning_confidence", 1e-12, 1.0)?,
        two_sided: within(parameters, "two_sided", 0.0, 1.0)? != 0.0,
        all: Mean::default(),
        low: Mean::default(),
        high: Mean::default(),
    }))
}

struct HddmA {
    drift: f64,
    warning: f64,
    two_sided: bool,
    all: Mean,
    /// Up to the cut after which the mean looks raised.
    low: Mean,
    /// Up to the cut after which it looks lowered.
    high: Mean,
}

impl HddmA {
    fn bound(&self, n: f64) -> f64 {
        (1.0 / (2.0 * n) * (1.0 / self.drift).ln()).sqrt()
    }

    /// Whether `difference` of the mean of all and that up to `cut` is beyond chance.
    fn beyond(&self, cut: Mean, difference: f64, confidence: f64) -> bool {
        if cut.n == self.all.n {
            return false;
        }
        let m = (self.all.n - cut.n) / cut.n * (1.0 / self.all.n);
        difference >= (m / 2.0 * (2.0 / confidence).ln()).sqrt()
    }
}

impl Detector for HddmA {
    fn update(&mut self, x: f64) -> Option<Signal> {
        self.all.update(x);
        if self.low.n == 0.0 {
            self.low = self.all;
        }
        if self.high.n == 0.0 {
            self.high = self.all;
        }
        let reach = self.bound(self.all.n);
        if self.low.mean + self.bound(self.low.n) >= self.all.mean + reach {
            self.low = self.all;
        }
        if self.high.mean - self.bound(self.high.n) <= self.all.mean - reach {
            self.high = self.all;
        }
        let rise = self.all.mean - self.low.mean;
        let fall = self.high.mean - self.all.mean;
        let at = |confidence: f64| {
            self.beyond(self.low, rise, confidence)
                || self.two_sided && self.beyond(self.high, fall, confidence)
        };
        if at(self.drift) {
            self.all = Mean::default();
            self.low = Mean::default();
            self.high = Mean::default();
            return Some(Signal::Drift);
        }
        at(self.warning).then_some(Signal::Warning)
    }
}
