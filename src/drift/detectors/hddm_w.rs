//! HDDM-W (Frías-Blanco et al. 2015): exponentially weighted means before and after the best cut, by
//! McDiarmid's bound. One-sided (errors rise) unless `two_sided` is 1.

use super::{Detector, Kind, Parameters, Signal, within};
use crate::drift::Result;

pub(super) const KIND: Kind = Kind {
    name: "hddm_w",
    description: "weighted mean against that before a cut, McDiarmid's bound",
    binary: true,
    parameters: &[
        ("drift_confidence", 0.001, "chance of a false alarm"),
        ("warning_confidence", 0.005, "chance of a false warning"),
        ("lambda", 0.05, "weight of the newest number"),
        ("two_sided", 0.0, "1 to watch for a falling mean too"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    Ok(Box::new(HddmW {
        drift: within(parameters, "drift_confidence", 1e-12, 1.0)?,
        warning: within(parameters, "warning_confidence", 1e-12, 1.0)?,
        lambda: within(parameters, "lambda", 1e-9, 1.0)?,
        two_sided: within(parameters, "two_sided", 0.0, 1.0)? != 0.0,
        state: State::default(),
    }))
}

struct HddmW {
    drift: f64,
    warning: f64,
    lambda: f64,
    two_sided: bool,
    state: State,
}

#[derive(Default)]
struct State {
    all: Weighted,
    rising: Cut,
    falling: Cut,
}

/// An exponentially weighted mean and the sum of its squared weights.
#[derive(Clone, Copy)]
struct Weighted {
    mean: Option<f64>,
    squares: f64,
}

impl Default for Weighted {
    fn default() -> Self {
        Self {
            mean: None,
            squares: 1.0,
        }
    }
}

impl Weighted {
    fn update(&mut self, x: f64, lambda: f64) {
        self.mean = Some(match self.mean {
            Some(mean) => lambda * x + (1.0 - lambda) * mean,
            None => x,
        });
        self.squares = lambda * lambda + (1.0 - lambda) * (1.0 - lambda) * self.squares;
    }
}

#[derive(Default)]
struct Cut {
    at: Option<f64>,
    before: Weighted,
    after: Weighted,
}

fn bound(squares: f64, confidence: f64) -> f64 {
    (squares * (1.0 / confidence).ln() / 2.0).sqrt()
}

/// Whether `high` lies above `low` beyond chance.
fn above(low: &Weighted, high: &Weighted, confidence: f64) -> bool {
    match (low.mean, high.mean) {
        (Some(a), Some(b)) => b - a > bound(low.squares + high.squares, confidence),
        _ => false,
    }
}

impl Detector for HddmW {
    fn update(&mut self, x: f64) -> Option<Signal> {
        let lambda = self.lambda;
        let state = &mut self.state;
        state.all.update(x, lambda);
        let mean = state.all.mean.unwrap_or(x);
        let reach = bound(state.all.squares, self.drift);
        if state.rising.at.is_none_or(|at| mean + reach < at) {
            state.rising = Cut {
                at: Some(mean + reach),
                before: state.all,
                after: Weighted::default(),
            };
        } else {
            state.rising.after.update(x, lambda);
        }
        if state.falling.at.is_none_or(|at| mean - reach > at) {
            state.falling = Cut {
                at: Some(mean - reach),
                before: state.all,
                after: Weighted::default(),
            };
        } else {
            state.falling.after.update(x, lambda);
        }
        let (rising, falling) = (&state.rising, &state.falling);
        let at = |confidence: f64| {
            above(&rising.before, &rising.after, confidence)
                || self.two_sided && above(&falling.after, &falling.before, confidence)
        };
        if at(self.drift) {
            self.state = State::default();
            return Some(Signal::Drift);
        }
        at(self.warning).then_some(Signal::Warning)
    }
}
