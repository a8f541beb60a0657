//! KSWIN (Raab et al. 2020): a Kolmogorov-Smirnov test of the newest numbers against a random draw
//! from the window before them. Random, so it takes a seed. At River's alpha of 0.005 and a test a row
//! it alarms falsely all the time: the default here is 0.0001.

use super::{Detector, Kind, Parameters, Signal, count, within};
use crate::drift::{Error, Result, ks};
use rand::SeedableRng;
use rand::seq::index;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::VecDeque;

pub(super) const KIND: Kind = Kind {
    name: "kswin",
    description: "Kolmogorov-Smirnov test within a sliding window",
    binary: false,
    parameters: &[
        ("alpha", 0.0001, "p-value that alarms"),
        ("window_size", 100.0, "numbers in the window"),
        (
            "stat_size",
            30.0,
            "newest numbers, and how many are drawn against them",
        ),
        ("seed", 42.0, "of the draw"),
    ],
    make,
};

/// Least D that counts.
const EFFECT: f64 = 0.1;

fn make(parameters: &Parameters) -> Result<Box<dyn Detector>> {
    let window_size = count(parameters, "window_size", 2.0)? as usize;
    let stat_size = count(parameters, "stat_size", 1.0)? as usize;
    if stat_size * 2 > window_size {
        return Err(Error(format!(
            "parameter `stat_size` is {stat_size}; it has to be at most half of `window_size`, which is {window_size}"
        )));
    }
    let seed = count(parameters, "seed", 0.0)?;
    Ok(Box::new(Kswin {
        alpha: within(parameters, "alpha", 0.0, 1.0)?,
        window_size,
        stat_size,
        seed,
        window: VecDeque::new(),
        random: Xoshiro256PlusPlus::seed_from_u64(seed),
        start_over: false,
    }))
}

struct Kswin {
    alpha: f64,
    window_size: usize,
    stat_size: usize,
    seed: u64,
    window: VecDeque<f64>,
    random: Xoshiro256PlusPlus,
    start_over: bool,
}

impl Detector for Kswin {
    fn update(&mut self, x: f64) -> Option<Signal> {
        if self.start_over {
            self.window.clear();
            self.random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
            self.start_over = false;
        }
        if self.window.len() == self.window_size {
            self.window.pop_front();
        }
        self.window.push_back(x);
        if self.window.len() < self.window_size {
            return None;
        }
        let older = self.window_size - self.stat_size;
        let mut drawn: Vec<f64> = index::sample(&mut self.random, older, self.stat_size)
            .iter()
            .map(|at| self.window[at])
            .collect();
        let mut newest: Vec<f64> = self.window.iter().skip(older).copied().collect();
        drawn.sort_unstable_by(f64::total_cmp);
        newest.sort_unstable_by(f64::total_cmp);
        let test = ks::two_sample(&drawn, &newest);
        if test.p <= self.alpha && test.d > EFFECT {
            self.start_over = true;
            return Some(Signal::Drift);
        }
        None
    }
}
