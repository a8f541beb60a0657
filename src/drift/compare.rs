//! Two tables in, one finding a column out: prepares the columns, runs the tests in parallel, adds the
//! alerts that are always on, corrects p-values over all columns, and puts the worst first.

use super::sample::{Pair, Sample, Values};
use super::verdict::{self, Preset};
use super::{
    DriftTest, Error, Kinds, Measure, Options, Result, Statistic, TESTS, binning, chart,
    identifier, test, words,
};
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::drift::{ColumnDrift, DriftVerdict, TestResult};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most threads that one comparison takes.
const THREADS: usize = 8;

/// Rise of the null share that alerts.
const NULL_SHARE: f64 = 0.05;

/// Share of rows with a value that the reference lacks that alerts.
const NEW_CATEGORY_SHARE: f64 = 0.01;

/// A column with what the last step still needs.
struct Found {
    drift: ColumnDrift,
    /// The deciding test's statistic, where a p-value decides at a limit that may be corrected.
    open: Option<Statistic>,
    few: bool,
}

/// Every column that both frames have (or of `columns`), worst first.
///
/// A column's verdict is that of its deciding test and of the alerts that are always on:
/// `null_share` (+5 points), `new_category_share` (> 1 % of rows), `infinities` (where the reference has
/// none) and `type`. With no values on a side it is `NO_DATA`, whatever else is said. Times are only
/// checked for nulls: they move on by themselves.
///
/// # Errors
/// For an unknown method, preset or column.
pub fn compare(
    reference: &Frame,
    current: &Frame,
    columns: Option<&[String]>,
    options: &Options,
) -> Result<Vec<ColumnDrift>> {
    let preset = Preset::parse(&options.preset)?;
    let method = Method::parse(&options.method)?;
    let (in_reference, in_current) = (reference.names(), current.names());
    let names: Vec<String> = match columns {
        Some(columns) => {
            for column in columns {
                for (side, names) in [("reference", &in_reference), ("window", &in_current)] {
                    if !names.contains(column) {
                        let names: Vec<String> =
                            names.iter().map(|name| format!("`{name}`")).collect();
                        return Err(Error(format!(
                            "the {side} has no column `{column}`; its columns are {}",
                            names.join(", ")
                        )));
                    }
                }
            }
            columns.to_vec()
        }
        None => in_reference
            .into_iter()
            .filter(|name| in_current.contains(name))
            .collect(),
    };
    let mut found = in_parallel(&names, |name| {
        let reference = Sample::of(reference, name)?;
        let current = Sample::of(current, name)?;
        let pair = Pair {
            reference: &reference,
            current: &current,
        };
        Ok(column(name, &pair, method, preset, options))
    })?;
    if preset == Preset::Stable {
        correct(&mut found);
    }
    let mut columns: Vec<ColumnDrift> = found
        .into_iter()
        .map(|found| conclude(found.drift))
        .collect();
    columns.sort_by(|a, b| {
        rank(b)
            .partial_cmp(&rank(a))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| a.column.cmp(&b.column))
    });
    Ok(columns)
}

/// The limit that preset `stable` uses for `method` on a column of `reference` against windows of
/// `window` rows; for callers that compare many windows. Put it into [`Options::thresholds`].
///
/// # Errors
/// For an unknown method or column.
pub fn reference_threshold(
    reference: &Frame,
    column: &str,
    method: &str,
    window: usize,
) -> Result<f64> {
    let test = test(method)?;
    let sample = Sample::of(reference, column)?;
    let base = test.threshold(window);
    if test.measure() != Measure::Distance || sample.is_empty() {
        return Ok(base);
    }
    Ok(verdict::stable_threshold(test, &sample, window, base))
}

#[derive(Clone, Copy)]
enum Method {
    Auto,
    All,
    One(&'static dyn DriftTest),
}

impl Method {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "all" => Ok(Self::All),
            one => Ok(Self::One(test(one)?)),
        }
    }
}

/// `work` for every name, on several threads, answers in the order of names.
fn in_parallel<T: Send>(
    names: &[String],
    work: impl Fn(&str) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS)
        .min(names.len().max(1));
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(names.len()));
    let take_turns = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(at) else { return };
            let answer = work(name);
            answers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((at, answer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(take_turns);
        }
        take_turns();
    });
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// One column: its tests, alerts, words and chart.
fn column(name: &str, pair: &Pair, method: Method, preset: Preset, options: &Options) -> Found {
    let mut found = Found {
        drift: ColumnDrift {
            column: name.into(),
            kind: pair.reference.kind,
            tests: Vec::new(),
            verdict: DriftVerdict::NoData,
            null_reference: pair.reference.null_share(),
            null_current: pair.current.null_share(),
            changes: Vec::new(),
            chart: chart::chart(pair),
        },
        open: None,
        few: verdict::few(pair, options.min_rows),
    };
    let empty = pair.reference.is_empty() || pair.current.is_empty();
    if !empty && type_changed(pair.reference.kind, pair.current.kind) {
        found.drift.tests.push(TestResult {
            method: "type".into(),
            value: None,
            p_value: None,
            threshold: 0.0,
            verdict: DriftVerdict::Drift,
            note: Some("type changed".into()),
        });
        found.drift.changes.push(format!(
            "type {} → {}",
            pair.reference.kind, pair.current.kind
        ));
        found.drift.tests.push(null_share(pair, options));
        return found;
    }
    let automatic = !matches!(method, Method::One(_));
    let identifies = automatic && !empty && !found.few && identifier::is_identifier(pair.reference);
    let time = automatic && pair.reference.kind == ColumnKind::Time;
    if identifies {
        found.drift.tests = identifier::tests(pair, options);
    } else if !time || empty {
        let decisive = match method {
            Method::One(test) => test,
            Method::Auto | Method::All => verdict::choose(pair, preset),
        };
        let (result, statistic) = verdict::run(decisive, pair, preset, options);
        if decisive.measure() == Measure::PValue
            && !options.thresholds.contains_key(decisive.name())
        {
            found.open = statistic;
        }
        found.drift.tests.push(result);
        if matches!(method, Method::All) && !empty {
            for test in TESTS {
                let numbers = matches!(pair.reference.values, Values::Numbers(_));
                let fits = match test.kinds() {
                    Kinds::Any => true,
                    Kinds::Numbers => numbers,
                    Kinds::Categories => !numbers || pair.distinct() <= binning::VALUE_BINS,
                };
                if test.name() != decisive.name() && fits {
                    let (result, statistic) = verdict::run(*test, pair, preset, options);
                    if statistic.is_some() {
                        found.drift.tests.push(result);
                    }
                }
            }
        }
    }
    found.drift.tests.push(null_share(pair, options));
    if !identifies
        && !empty
        && let Some(result) = new_categories(pair, found.few, options)
    {
        found.drift.tests.push(result);
    }
    if pair.current.infinities > 0 && pair.reference.infinities == 0 {
        found.drift.tests.push(TestResult {
            method: "infinities".into(),
            value: Some(pair.current.infinities as f64 / pair.current.rows as f64),
            p_value: None,
            threshold: 0.0,
            verdict: DriftVerdict::Drift,
            note: Some("the reference has none".into()),
        });
    }
    found.drift.changes = words::changes(pair, identifies);
    found
}

/// Integers may become numbers and back; anything else is another type.
fn type_changed(reference: ColumnKind, current: ColumnKind) -> bool {
    let numeric = |kind| matches!(kind, ColumnKind::Integer | ColumnKind::Number);
    reference != current && !(numeric(reference) && numeric(current))
}

fn null_share(pair: &Pair, options: &Options) -> TestResult {
    let threshold = options
        .thresholds
        .get("null_share")
        .copied()
        .unwrap_or(NULL_SHARE);
    let rows = pair.reference.rows.min(pair.current.rows);
    let rise = pair.current.null_share() - pair.reference.null_share();
    TestResult {
        method: "null_share".into(),
        value: (rows > 0).then_some(rise),
        p_value: None,
        threshold,
        verdict: if rows == 0 {
            DriftVerdict::NoData
        } else if (rows as u64) < options.min_rows {
            DriftVerdict::TooFew
        } else if rise >= threshold {
            DriftVerdict::Drift
        } else {
            DriftVerdict::Stable
        },
        note: None,
    }
}

fn new_categories(pair: &Pair, few: bool, options: &Options) -> Option<TestResult> {
    let (reference, current) = pair.categories()?;
    let threshold = options
        .thresholds
        .get("new_category_share")
        .copied()
        .unwrap_or(NEW_CATEGORY_SHARE);
    let known = reference.shares();
    let share: f64 = current
        .shares()
        .iter()
        .filter(|(label, _)| !known.contains_key(*label))
        .map(|(_, share)| share)
        .sum();
    Some(TestResult {
        method: "new_category_share".into(),
        value: Some(share),
        p_value: None,
        threshold,
        verdict: if few {
            DriftVerdict::TooFew
        } else if share > threshold {
            DriftVerdict::Drift
        } else {
            DriftVerdict::Stable
        },
        note: (share > 0.0).then(|| "unseen".into()),
    })
}

/// Holds the deciding p-values of all columns together to a false discovery rate.
fn correct(found: &mut [Found]) {
    let takes_part = |one: &&mut Found| {
        one.open
            .as_ref()
            .is_some_and(|statistic| statistic.exact || !one.few)
    };
    let p_values: Vec<f64> = found
        .iter_mut()
        .filter(|one| takes_part(one))
        .filter_map(|one| one.open.as_ref()?.p_value)
        .collect();
    let limit = verdict::false_discovery_limit(&p_values, 0.05);
    for one in found.iter_mut().filter(takes_part) {
        let (Some(statistic), Some(result)) = (&one.open, one.drift.tests.first_mut()) else {
            continue;
        };
        result.threshold = limit;
        // At or below the limit, where a single p-value has to be below.
        let limit = limit * (1.0 + f64::EPSILON);
        let few = one.few && !statistic.exact;
        result.verdict = verdict::judge(Measure::PValue, statistic, limit, few, Preset::Stable);
    }
}

/// The column's verdict, and the test that decided it put first.
fn conclude(mut drift: ColumnDrift) -> ColumnDrift {
    let Some(first) = drift.tests.first() else {
        return drift;
    };
    let always_on = |method: &str| {
        matches!(
            method,
            "type"
                | "null_share"
                | "new_category_share"
                | "infinities"
                | "length"
                | "pattern"
                | "distinct_ratio"
        )
    };
    let alert = |test: &TestResult| test.verdict == DriftVerdict::Drift && always_on(&test.method);
    drift.verdict = if first.verdict == DriftVerdict::NoData {
        DriftVerdict::NoData
    } else if first.verdict == DriftVerdict::Drift || drift.tests.iter().any(alert) {
        DriftVerdict::Drift
    } else {
        first.verdict
    };
    let unseen = |test: &TestResult| test.method == "new_category_share" && alert(test);
    let decider = drift.tests.iter().position(unseen).or_else(|| {
        (first.verdict == DriftVerdict::Stable || first.verdict == DriftVerdict::TooFew)
            .then(|| drift.tests.iter().position(alert))
            .flatten()
    });
    if let Some(at) = decider {
        drift.tests[..=at].rotate_right(1);
    }
    drift
}

/// Sort key, greatest first: alerts before the rest, then how far beyond the limit.
fn rank(drift: &ColumnDrift) -> (u8, f64) {
    let alerts = drift
        .tests
        .iter()
        .any(|test| test.verdict == DriftVerdict::Drift);
    let class = match drift.verdict {
        DriftVerdict::Drift => 3,
        DriftVerdict::NoData if alerts => 3,
        DriftVerdict::Stable => 2,
        DriftVerdict::TooFew => 1,
        DriftVerdict::NoData => 0,
    };
    let decisive = drift.tests.first().map_or(0.0, verdict::severity);
    let alert = drift
        .tests
        .iter()
        .filter(|test| test.method == "null_share" || test.method == "infinities")
        .filter(|test| test.verdict == DriftVerdict::Drift)
        .map(verdict::severity)
        .fold(0.0, f64::max);
    (class, decisive.max(alert))
}

#[cfg(test)]
mod tests;
