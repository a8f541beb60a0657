//! Page-Hinkley (Page 1954): a cumulated deviation from the mean leaves its extreme.
//! Rising: S = alpha S + (x - mean) - delta, alarm at S - min S > threshold; falling is the mirror.
//! `delta` and `threshold` are in units of the stream: scale it by its standard deviation first.

use super::{Detector, Kind, Mean, Parameters, Signal, count, within};
use crate::drift::Result;

pub(super) const KIND: Kind = Kind {
    name: "page_hinkley",
    description: "cumulated deviation from the mean",
    binary: false,
    parameters: &[
        ("min_instances", 30.0, "numbers before the first test"),
        (
            "delta",
            0.005,
            "deviation that is tolerated, in units of the stream",
        ),
        (
            "threshold",
            50.0,
            "cumulated deviation that alarms, in units of the stream",
        ),
        ("alpha", 0.9999, "how slowly the past is forgotten"),
        ("direction", 0.0, "0 both, 1 rising, -1 falling"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    Ok(Box::new(PageHinkley {
        min_instances: count(parameters, "min_instances", 0.0)? as f64,
        delta: within(parameters, "delta", 0.0, f64::INFINITY)?,
        threshold: within(parameters, "threshold", 0.0, f64::INFINITY)?,
        alpha: within(parameters, "alpha", 0.0, 1.0)?,
        direction: within(parameters, "direction", -1.0, 1.0)?,
        state: State::default(),
    }))
}

struct PageHinkley {
    min_instances: f64,
    delta: f64,
    threshold: f64,
    alpha: f64,
    direction: f64,
    state: State,
}

struct State {
    mean: Mean,
    rise: f64,
    fall: f64,
    least_rise: f64,
    most_fall: f64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            mean: Mean::default(),
            rise: 0.0,
            fall: 0.0,
            least_rise: f64::INFINITY,
            // River starts the falling side at -1, not at minus infinity.
            most_fall: -1.0,
        }
    }
}

impl Detector for PageHinkley {
    fn update(&mut self, x: f64) -> Option<Signal> {
        let state = &mut self.state;
        state.mean.update(x);
        let deviation = x - state.mean.mean;
        state.rise = self.alpha * state.rise + deviation - self.delta;
        state.fall = self.alpha * state.fall + deviation + self.delta;
        state.least_rise = state.least_rise.min(state.rise);
        state.most_fall = state.most_fall.max(state.fall);
        let rising = self.direction >= 0.0 && state.rise - state.least_rise > self.threshold;
        let falling = self.direction <= 0.0 && state.most_fall - state.fall > self.threshold;
        if state.mean.n >= self.min_instances && (rising || falling) {
            self.state = State::default();
            return Some(Signal::Drift);
        }
        None
    }
}
