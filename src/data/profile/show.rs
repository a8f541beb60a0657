//! A state as people see it: [`ColumnProfile`]s, correlations, signal, warnings.

use super::column::{Column, Values};
use super::numbers::Facts;
use super::table::TableState;
use super::{relate, signal, warn};
use crate::data::frame::{number_text, quoted};
use crate::data::{Error, Result};
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::{ColumnProfile, Profile};

/// Shares whose quantiles a profile has.
pub const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// Values listed.
const LISTED: usize = 20;

impl Column {
    /// What its numbers look like; none of texts and flags.
    pub fn facts(&self) -> Option<Facts> {
        match &self.values {
            Values::Numbers(numbers) => Some(numbers.facts(&SHARES, LISTED)),
            Values::Texts(_) | Values::Flags(..) => None,
        }
    }

    /// Different values, and whether they were counted.
    pub fn distinct(&self) -> (u64, bool) {
        match &self.values {
            Values::Numbers(numbers) => {
                let facts = numbers.facts(&[], 0);
                (facts.distinct, facts.exact)
            }
            Values::Texts(texts) => texts.distinct(),
            Values::Flags(yes, no) => (u64::from(*yes > 0) + u64::from(*no > 0), true),
        }
    }

    /// All its texts, sorted, when they are at most so many and were counted.
    pub fn domain(&self, most: u64) -> Option<Vec<String>> {
        let Values::Texts(texts) = &self.values else {
            return None;
        };
        let (distinct, exact) = texts.distinct();
        (exact && distinct <= most).then(|| {
            let mut all: Vec<String> = texts
                .most(most as usize)
                .into_iter()
                .map(|(text, _)| text)
                .collect();
            all.sort();
            all
        })
    }

    /// What it looks like.
    pub fn profile(&self) -> ColumnProfile {
        let mut shown = ColumnProfile {
            name: self.name.clone(),
            kind: self.kind,
            rows: self.rows,
            nulls: self.nulls,
            infinities: self.infinities,
            ..ColumnProfile::default()
        };
        match &self.values {
            Values::Numbers(numbers) => {
                let facts = numbers.facts(&SHARES, LISTED);
                shown.distinct = facts.distinct;
                (shown.min, shown.max) = match facts.extent {
                    Some((low, high)) => (Some(low), Some(high)),
                    None => (None, None),
                };
                (shown.mean, shown.std) = (facts.mean, facts.std);
                shown.skewness = facts.skewness;
                shown.quantiles = SHARES.into_iter().zip(facts.quantiles).collect();
                shown.histogram = facts.histogram;
                shown.exact = facts.exact;
                if self.kind != ColumnKind::Time {
                    shown.top = facts
                        .top
                        .into_iter()
                        .map(|(x, count)| (number_text(x), count))
                        .collect();
                }
            }
            Values::Texts(texts) => {
                (shown.distinct, shown.exact) = texts.distinct();
                shown.top = texts.most(LISTED);
                shown.lengths = texts.lengths();
            }
            Values::Flags(yes, no) => {
                shown.distinct = self.distinct().0;
                shown.exact = true;
                shown.top = [("true", *yes), ("false", *no)]
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(text, count)| (text.to_owned(), count))
                    .collect();
                shown
                    .top
                    .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            }
        }
        shown.zone = match (self.kind, self.zoned) {
            (ColumnKind::Time, (true, true)) => Some("mixed".to_owned()),
            (ColumnKind::Time, (true, false)) => Some("utc".to_owned()),
            (ColumnKind::Time, _) => Some("none".to_owned()),
            _ => None,
        };
        shown
    }
}

/// See [`TableState::profile`].
pub fn profile(state: &TableState, target: Option<&str>, now: Option<i64>) -> Result<Profile> {
    if let Some(target) = target
        && !state.columns.iter().any(|column| column.name == target)
    {
        let names: Vec<String> = state.columns.iter().map(|one| one.name.clone()).collect();
        return Err(Error::new(format!(
            "there is no column `{target}` to hold the others against; the columns are {}",
            quoted(&names)
        )));
    }
    let columns: Vec<ColumnProfile> = state.columns.iter().map(Column::profile).collect();
    let signal = target.map_or_else(Vec::new, |target| signal::of(state, target));
    let mut noted = Vec::new();
    for (column, shown) in state.columns.iter().zip(&columns) {
        for warning in warn::about(column, shown, now) {
            noted.push((column.name.clone(), warning));
        }
        if let Some(found) = signal
            .iter()
            .find(|found| found.column == column.name && found.leaks)
        {
            noted.push((
                column.name.clone(),
                warn::leak(found, target.unwrap_or_default()),
            ));
        }
    }
    Ok(Profile {
        rows: state.rows,
        correlations: relate::correlations(state, &columns),
        columns,
        warnings: noted.iter().map(|(_, warning)| warning.clone()).collect(),
        correlated: state.pairs.rows,
        sampled: target.map_or(0, |_| signal::rows(state)),
        target: target.map(str::to_owned),
        signal,
        noted,
    })
}
