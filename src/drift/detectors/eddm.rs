//! EDDM (Baena-García et al. 2006): errors come closer together.
//! With m and s the mean and standard deviation of the distance between errors: the ratio of m + 2s to
//! its greatest value so far warns below alpha and alarms below beta.

use super::{Detector, Kind, Parameters, Signal, count, within};
use crate::drift::{Error, Result};

pub(super) const KIND: Kind = Kind {
    name: "eddm",
    description: "distance between errors against its greatest so far",
    binary: true,
    parameters: &[
        ("warm_start", 30.0, "errors before the first test"),
        ("alpha", 0.95, "ratio that warns"),
        ("beta", 0.9, "ratio that alarms"),
    ],
    make,
};

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    let alpha = within(parameters, "alpha", 0.0, 1.0)?;
    let beta = within(parameters, "beta", 0.0, 1.0)?;
    if alpha < beta {
        return Err(Error(format!(
            "parameter `alpha` is {alpha}; it has to be at least `beta`, which is {beta}"
        )));
    }
    Ok(Box::new(Eddm {
        warm_start: count(parameters, "warm_start", 0.0)?,
        alpha,
        beta,
        state: State::default(),
    }))
}

struct Eddm {
    warm_start: u64,
    alpha: f64,
    beta: f64,
    state: State,
}

#[derive(Default)]
struct State {
    seen: u64,
    last_error: u64,
    errors: u64,
    mean: f64,
    squares: f64,
    greatest: f64,
    warned: bool,
}

impl Detector for Eddm {
    fn update(&mut self, x: f64) -> Option<Signal> {
        let state = &mut self.state;
        state.seen += 1;
        if x == 1.0 {
            let distance = (state.seen - state.last_error) as f64;
            state.last_error = state.seen;
            state.errors += 1;
            let before = state.mean;
            state.mean += (distance - before) / state.errors as f64;
            state.squares += (distance - before) * (distance - state.mean);
            if state.seen > self.warm_start {
                let variance = if state.errors > 1 {
                    state.squares / (state.errors - 1) as f64
                } else {
                    0.0
                };
                let reach = state.mean + 2.0 * variance.sqrt();
                if reach > state.greatest {
                    state.greatest = reach;
                } else if state.errors > self.warm_start {
                    let ratio = reach / state.greatest;
                    if ratio < self.beta {
                        self.state = State::default();
                        return Some(Signal::Drift);
                    }
                    state.warned = ratio < self.alpha;
                }
            }
        }
        state.warned.then_some(Signal::Warning)
    }
}
