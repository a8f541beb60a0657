//! Expectations suggested from data, each with what was seen: the rules are those of Deequ's constraint suggestion
//! (complete, retained completeness, type, categorical range, range, unique, lengths, size), with room for what comes.

use super::age;
use crate::data::frame::number_text;
use crate::data::profile::{self, FilesProgress, Progress, TableState};
use crate::data::{Frame, Result};
use crate::domain::dataset::{ColumnKind, ColumnSpec, Expectation, RowsExpectation, Schema};
use crate::domain::profile::ColumnProfile;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Text with at most this many values, each seen five times on average, has a domain.
const DOMAIN: u64 = 100;
/// Added to each side of the range that was seen, as a share of its width.
const MARGIN: f64 = 0.1;
/// A few frequent texts that make up this share of all are a domain that most values are in.
const MASS: f64 = 0.9;
/// Fewer values do not show that all differ.
const UNIQUE: u64 = 100;
/// Data whose newest instant is older than this has stopped: its age says nothing.
const FRESH: i64 = 30 * 24 * 3_600 * 1_000_000;

/// What `frame` suggests: types, nullability, ranges (a tenth wider on each side, but never past zero when no value was),
/// domains and lengths of texts, uniqueness, rows, and a limit for nulls half as great again plus five points. Identifiers
/// (whole numbers that never repeat) and times get no range: they move on.
pub fn infer(frame: &Frame) -> Schema {
    // A frame in memory has nothing that its profile could fail at, but for a disk that is full.
    infer_frame(frame, None).unwrap_or_default()
}

/// What `frame` suggests; `now` (microseconds): how fresh it is.
///
/// # Errors
/// When values that may be unique are too many for memory, and there is no room for them in the temporary folder.
pub fn infer_frame(frame: &Frame, now: Option<i64>) -> Result<Schema> {
    let (state, unique) = profile::state_and_unique(frame)?;
    Ok(from_state(&state, &unique, now))
}

/// What all `files` together suggest, and how many rows they have; `now` (microseconds): how fresh they are. No file is
/// ever all in memory. `progress` is that of [`profile::files`].
///
/// # Errors
/// Those of reading; when types of one column do not mix.
pub fn infer_files<P: AsRef<Path>>(
    files: &[P],
    now: Option<i64>,
    progress: &FilesProgress<'_>,
) -> Result<(Schema, u64)> {
    let (state, unique) = profile::files_and_unique(files, progress)?;
    Ok((from_state(&state, &unique, now), state.rows))
}

/// What `files`, which must have the same columns, suggest as one table; otherwise as [`infer_files`].
pub fn infer_table(
    files: &[PathBuf],
    now: Option<i64>,
    progress: &Progress<'_>,
) -> Result<(Schema, u64)> {
    let (state, unique) = profile::table_and_unique(files, progress)?;
    Ok((from_state(&state, &unique, now), state.rows))
}

fn from_state(state: &TableState, differing: &BTreeSet<String>, now: Option<i64>) -> Schema {
    let rows = state.rows;
    let columns = state
        .columns
        .iter()
        .map(|column| {
            let shown = column.profile();
            let unique = may_be_unique(&shown) && differing.contains(&shown.name);
            expectation(&shown, column.domain(DOMAIN), unique, now)
        })
        .collect();
    Schema {
        rows: (rows > 1).then(|| RowsExpectation {
            min: Some((rows / 2).max(1)),
            max: None,
            because: vec![format!(
                "{rows} rows were seen; at least half as many are expected"
            )],
        }),
        columns,
        ..Schema::default()
    }
}

fn may_be_unique(shown: &ColumnProfile) -> bool {
    let values = shown.rows - shown.nulls;
    shown.nulls == 0
        && values > UNIQUE
        && matches!(shown.kind, ColumnKind::Integer | ColumnKind::Text)
        && shown.distinct as f64 >= 0.96 * values as f64
}

fn expectation(
    shown: &ColumnProfile,
    domain: Option<Vec<String>>,
    unique: bool,
    now: Option<i64>,
) -> Expectation {
    let (rows, nulls) = (shown.rows, shown.nulls);
    let values = rows - nulls;
    let mut expected = Expectation {
        column: ColumnSpec {
            name: shown.name.clone(),
            kind: shown.kind,
            nullable: nulls > 0,
        },
        unique,
        ..Expectation::default()
    };
    let mut because = Vec::new();
    if nulls > 0 {
        let share = nulls as f64 / rows as f64;
        expected.max_null_share = Some((share * 1.5 + 0.05).min(1.0));
        because.push(format!(
            "{nulls} of {rows} values are missing ({:.1} %); half as many again and five points may be",
            100.0 * share
        ));
    } else if rows > 0 {
        because.push(format!("none of {rows} values is missing"));
    }
    if unique {
        because.push(format!("all {values} values are different"));
    }
    match shown.kind {
        ColumnKind::Integer | ColumnKind::Number => {
            let identifies = shown.kind == ColumnKind::Integer && unique;
            if !identifies && let (Some(least), Some(greatest)) = (shown.min, shown.max) {
                (expected.min, expected.max) = widened(least, greatest, shown.kind);
                because.push(format!(
                    "values reach from {} to {}; a tenth of the width more on each side, not past zero",
                    number_text(least),
                    number_text(greatest)
                ));
            }
        }
        ColumnKind::Text => texts(shown, domain, &mut expected, &mut because),
        ColumnKind::Time => {
            if let (Some(now), Some(newest)) = (now, shown.max) {
                let old = now - newest as i64;
                expected.not_future = old >= 0;
                if (0..FRESH).contains(&old) {
                    expected.max_age = Some(age::limit_for(old));
                    because.push(format!("the newest instant was {} old", age::text(old)));
                }
            }
        }
        ColumnKind::Boolean => {}
    }
    expected.because = because;
    expected
}

fn texts(
    shown: &ColumnProfile,
    domain: Option<Vec<String>>,
    expected: &mut Expectation,
    because: &mut Vec<String>,
) {
    let values = shown.rows - shown.nulls;
    if let Some(domain) = domain
        && !domain.is_empty()
        && shown.distinct * 5 <= values
    {
        because.push(format!(
            "{} different values, each seen {:.0} times on average",
            shown.distinct,
            values as f64 / shown.distinct as f64
        ));
        expected.domain = Some(domain);
        return;
    }
    let listed: u64 = shown.top.iter().map(|(_, count)| count).sum();
    let share = listed as f64 / values.max(1) as f64;
    if !expected.unique && shown.exact && shown.distinct > shown.top.len() as u64 && share >= MASS {
        let mut domain: Vec<String> = shown.top.iter().map(|(text, _)| text.clone()).collect();
        domain.sort();
        because.push(format!(
            "{} of {} different values make up {:.1} % of all",
            domain.len(),
            shown.distinct,
            100.0 * share
        ));
        expected.domain = Some(domain);
        expected.min_domain_mass = Some(((share - 0.05) * 100.0).floor() / 100.0);
    }
    if let Some(lengths) = shown.lengths {
        if lengths.min == lengths.max {
            (expected.min_length, expected.max_length) = (Some(lengths.min), Some(lengths.max));
            because.push(format!("every value has {} characters", lengths.min));
        } else {
            expected.min_length = (lengths.min > 0).then_some(1);
            expected.max_length = Some(lengths.max + lengths.max / 2 + 1);
            because.push(format!(
                "values have {} to {} characters; half as many more may come",
                lengths.min, lengths.max
            ));
        }
    }
}

fn widened(least: f64, greatest: f64, kind: ColumnKind) -> (Option<f64>, Option<f64>) {
    let margin = (greatest - least) * MARGIN;
    let (mut low, mut high) = (least - margin, greatest + margin);
    if least >= 0.0 {
        low = low.max(0.0);
    }
    if greatest <= 0.0 {
        high = high.min(0.0);
    }
    if kind == ColumnKind::Integer {
        (low, high) = (low.floor(), high.ceil());
    }
    (
        low.is_finite().then_some(low),
        high.is_finite().then_some(high),
    )
}
