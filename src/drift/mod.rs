//! Drift statistics: one test a file, chosen by column type and size, and the verdict over them. Pure;
//! reads `data::Frame`, knows no store. [`compare()`] is the whole of it for two tables;
//! [`stream`] runs a detector over one column. Left out: MMD (quadratic, multivariate).

pub mod binning;
pub mod chart;
pub mod chi_square;
pub mod compare;
pub mod detectors;
pub mod hellinger;
pub mod identifier;
pub mod jensen_shannon;
pub mod kl;
pub mod ks;
pub mod l_infinity;
pub mod mean_z;
pub mod psi;
pub mod sample;
pub mod special;
pub mod total_variation;
pub mod verdict;
pub mod wasserstein;
pub mod words;
pub mod z_proportions;

#[cfg(test)]
mod golden;

pub use compare::{compare, reference_threshold};
pub use detectors::{Signal, stream};
pub use sample::{Pair, Sample};

/// What went wrong with a comparison.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The result of everything in this room.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for crate::domain::Error {
    fn from(error: Error) -> Self {
        Self::invalid(error.0)
    }
}

impl From<crate::data::Error> for Error {
    fn from(error: crate::data::Error) -> Self {
        Self(error.0)
    }
}

/// The columns that a test can treat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Numbers only.
    Numbers,
    /// Categories, and numbers with few different values.
    Categories,
    /// Numbers and categories.
    Any,
}

/// What a test's threshold is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Alerts when the value is at least the threshold.
    Distance,
    /// Alerts when the p-value is below the threshold.
    PValue,
    /// Alerts when the value is further from 0 than the threshold and the effect is large enough.
    ZScore,
}

/// What a test computes.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// The distance or the statistic.
    pub value: f64,
    /// p-value, for tests that have one.
    pub p_value: Option<f64>,
    /// The p-value is counted, not approximated: it holds for few rows too.
    pub exact: bool,
    /// Size of the effect, and the least that counts as one.
    pub effect: Option<(f64, f64)>,
    /// A word where the number alone would mislead.
    pub note: Option<String>,
}

impl Statistic {
    /// A distance and nothing else.
    pub fn distance(value: f64) -> Self {
        Self {
            value,
            p_value: None,
            exact: false,
            effect: None,
            note: None,
        }
    }
}

/// One way to say how far a window is from its reference. Name, help and option value come from here.
pub trait DriftTest: Sync {
    /// `psi`, `ks`, …
    fn name(&self) -> &'static str;
    /// One line for help.
    fn description(&self) -> &'static str;
    /// Columns it can treat.
    fn kinds(&self) -> Kinds;
    /// What its threshold is held against.
    fn measure(&self) -> Measure {
        Measure::Distance
    }
    /// The default threshold for a window of `rows`: 0.1 for distances, 0.05 for p-values.
    fn threshold(&self, rows: usize) -> f64 {
        let _ = rows;
        match self.measure() {
            Measure::PValue => 0.05,
            Measure::Distance | Measure::ZScore => 0.1,
        }
    }
    /// The statistic; none where there is nothing to compute. `parity` keeps quirks of the reference
    /// library that the product otherwise avoids (Wasserstein's floor).
    fn statistic(&self, pair: &Pair, parity: bool) -> Option<Statistic>;
}

/// Every test there is.
pub static TESTS: &[&dyn DriftTest] = &[
    &psi::Psi,
    &psi::PsiQuantile10,
    &ks::KolmogorovSmirnov,
    &wasserstein::Wasserstein,
    &jensen_shannon::JensenShannon,
    &hellinger::Hellinger,
    &kl::KullbackLeibler,
    &total_variation::TotalVariation,
    &l_infinity::LInfinity,
    &chi_square::ChiSquare,
    &chi_square::ChiSquareContingency,
    &z_proportions::ZProportions,
    &mean_z::MeanZ,
];

/// The test called `name`.
///
/// # Errors
/// When there is none: the message lists those there are.
pub fn test(name: &str) -> Result<&'static dyn DriftTest> {
    TESTS
        .iter()
        .copied()
        .find(|test| test.name() == name)
        .ok_or_else(|| {
            let names: Vec<String> = TESTS.iter().map(|t| format!("`{}`", t.name())).collect();
            Error(format!(
                "there is no drift test `{name}`; use `auto`, `all` or one of {}",
                names.join(", ")
            ))
        })
}

/// How columns are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `auto` (by type and size), `all`, or one method.
    pub method: String,
    /// `stable` or `evidently`.
    pub preset: String,
    /// Method to threshold; these win over the preset's.
    pub thresholds: std::collections::BTreeMap<String, f64>,
    /// Rows per side below which no verdict is given.
    pub min_rows: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: "auto".into(),
            preset: "stable".into(),
            thresholds: std::collections::BTreeMap::new(),
            min_rows: 30,
        }
    }
}
