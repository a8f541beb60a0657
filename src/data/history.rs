//! The history of a dataset's days, and what is odd in it: the strategies are Deequ's (relative rate of change, online
//! normal) and a season. A day that is odd does not teach what is normal.

use super::frame::number_text;
use crate::domain::dataset::{ColumnDay, Day, HistoryRule, Severity, Strategy, Violation};

/// Days before the first that is judged by mean and deviation.
const LEARNED: usize = 5;
/// Seasons before the first day that is judged by its season.
const SEASONS: usize = 3;
/// Deviations from the mean that are odd, when the rule says nothing.
const DEVIATIONS: f64 = 3.0;
/// Days of a season, when the rule says nothing.
const SEASON: u64 = 7;
/// A deviation is at least this share of the mean: what hardly moved at all may move a little.
const STEADY: f64 = 0.02;
/// The same for shares of nulls, in points.
const STEADY_SHARE: f64 = 0.01;

/// Everything odd, newest day first. Without rules: rows, and shares of nulls and means of every column, by mean and
/// deviation of the days before.
pub fn anomalies(days: &[Day], rules: &[HistoryRule], origin: &str) -> Vec<Violation> {
    let by_default: Vec<HistoryRule> = ["rows", "null_share", "mean"]
        .into_iter()
        .map(|metric| HistoryRule {
            metric: metric.to_owned(),
            column: None,
            strategy: Strategy::Running,
            min_rate: None,
            max_rate: None,
            deviations: Some(DEVIATIONS + 1.0),
            season: None,
            severity: Severity::Warning,
        })
        .collect();
    let (rules, origin) = if rules.is_empty() {
        (by_default.as_slice(), "the days before")
    } else {
        (rules, origin)
    };
    let mut found: Vec<(usize, Violation)> = Vec::new();
    for rule in rules {
        for column in columns_of(days, rule) {
            let series: Vec<Option<f64>> = days
                .iter()
                .map(|day| value(day, &rule.metric, column.as_deref()))
                .collect();
            for (at, expected) in judge(&series, rule) {
                found.push((
                    at,
                    told(
                        &days[at],
                        rule,
                        column.as_deref(),
                        series[at],
                        &expected,
                        origin,
                    ),
                ));
            }
        }
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    found.into_iter().map(|(_, violation)| violation).collect()
}

/// What would not have been odd.
struct Expected {
    low: f64,
    high: f64,
    why: String,
}

fn columns_of(days: &[Day], rule: &HistoryRule) -> Vec<Option<String>> {
    if rule.metric == "rows" {
        return vec![None];
    }
    match &rule.column {
        Some(column) => vec![Some(column.clone())],
        None => days.last().map_or_else(Vec::new, |day| {
            day.columns
                .iter()
                .map(|column| Some(column.name.clone()))
                .collect()
        }),
    }
}

fn value(day: &Day, metric: &str, column: Option<&str>) -> Option<f64> {
    if metric == "rows" {
        return Some(day.rows as f64);
    }
    let column: &ColumnDay = day
        .columns
        .iter()
        .find(|one| Some(one.name.as_str()) == column)?;
    match metric {
        "null_share" => Some(column.null_share),
        "distinct" => Some(column.distinct as f64),
        "mean" => column.mean,
        "std" => column.std,
        "min" => column.min,
        "max" => column.max,
        _ => None,
    }
}

/// Places of the odd values, and what was expected there.
fn judge(series: &[Option<f64>], rule: &HistoryRule) -> Vec<(usize, Expected)> {
    match rule.strategy {
        Strategy::RelativeChange => relative_change(series, rule),
        Strategy::Running => running(series, rule),
        Strategy::Season => season(series, rule),
    }
}

fn relative_change(series: &[Option<f64>], rule: &HistoryRule) -> Vec<(usize, Expected)> {
    let mut found = Vec::new();
    let mut before: Option<f64> = None;
    for (at, value) in series.iter().enumerate() {
        let Some(value) = *value else { continue };
        if let Some(old) = before.filter(|old| *old != 0.0) {
            let rate = value / old;
            let (low, high) = (
                rule.min_rate.unwrap_or(f64::NEG_INFINITY),
                rule.max_rate.unwrap_or(f64::INFINITY),
            );
            if rate < low || rate > high {
                found.push((
                    at,
                    Expected {
                        low: old * low,
                        high: old * high,
                        why: format!(
                            "{} times the {} before",
                            number_text(round(rate)),
                            number_text(old)
                        ),
                    },
                ));
            }
        }
        before = Some(value);
    }
    found
}

fn running(series: &[Option<f64>], rule: &HistoryRule) -> Vec<(usize, Expected)> {
    let times = rule.deviations.unwrap_or(DEVIATIONS);
    let mut found = Vec::new();
    let mut normal: Vec<f64> = Vec::new();
    for (at, value) in series.iter().enumerate() {
        let Some(value) = *value else { continue };
        if normal.len() >= LEARNED {
            let (mean, deviation) = spread(&normal, rule);
            let (low, high) = (mean - times * deviation, mean + times * deviation);
            if value < low || value > high {
                found.push((
                    at,
                    Expected {
                        low,
                        high,
                        why: format!(
                            "mean {} of {} days, {} deviations",
                            number_text(round(mean)),
                            normal.len(),
                            number_text(times)
                        ),
                    },
                ));
                continue;
            }
        }
        normal.push(value);
    }
    found
}

fn season(series: &[Option<f64>], rule: &HistoryRule) -> Vec<(usize, Expected)> {
    let times = rule.deviations.unwrap_or(DEVIATIONS);
    let length = rule.season.unwrap_or(SEASON).max(1) as usize;
    let mut found = Vec::new();
    let mut odd = vec![false; series.len()];
    for at in 0..series.len() {
        let Some(value) = series[at] else { continue };
        let before: Vec<f64> = (1..)
            .map_while(|number| at.checked_sub(number * length))
            .filter(|place| !odd[*place])
            .filter_map(|place| series[place])
            .collect();
        if before.len() < SEASONS {
            continue;
        }
        let (mean, deviation) = spread(&before, rule);
        let (low, high) = (mean - times * deviation, mean + times * deviation);
        if value < low || value > high {
            odd[at] = true;
            found.push((
                at,
                Expected {
                    low,
                    high,
                    why: format!(
                        "mean {} of the {} days that lie {length} days apart before it, {} deviations",
                        number_text(round(mean)),
                        before.len(),
                        number_text(times)
                    ),
                },
            ));
        }
    }
    found
}

/// Mean and deviation (ddof 1), the latter not below what is steady.
fn spread(values: &[f64], rule: &HistoryRule) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    let least = if rule.metric == "null_share" {
        STEADY_SHARE
    } else {
        STEADY * mean.abs()
    };
    (mean, deviation.max(least))
}

fn told(
    day: &Day,
    rule: &HistoryRule,
    column: Option<&str>,
    value: Option<f64>,
    expected: &Expected,
    origin: &str,
) -> Violation {
    let what = match column {
        Some(column) => format!("{} of `{column}`", rule.metric),
        None => rule.metric.clone(),
    };
    let limit = match (expected.low.is_finite(), expected.high.is_finite()) {
        (true, true) => format!(
            "{} to {}",
            number_text(round(expected.low)),
            number_text(round(expected.high))
        ),
        (true, false) => format!("at least {}", number_text(round(expected.low))),
        _ => format!("at most {}", number_text(round(expected.high))),
    };
    Violation {
        column: column.map(str::to_owned),
        rule: rule.strategy.to_string(),
        severity: rule.severity,
        detail: format!(
            "on {} the {what} is {}; expected {limit} ({})",
            day.day,
            value.map_or_else(|| "missing".to_owned(), |value| number_text(round(value))),
            expected.why
        ),
        count: day.rows,
        of: day.rows,
        share: 1.0,
        sample_rows: Vec::new(),
        samples: Vec::new(),
        limit: Some(limit),
        limit_from: Some(origin.to_owned()),
        slice: None,
    }
}

/// To five significant places.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn days(rows: &[u64]) -> Vec<Day> {
        rows.iter()
            .enumerate()
            .map(|(at, rows)| Day {
                day: format!("2013-01-{:02}", at + 1),
                files: 1,
                rows: *rows,
                columns: vec![ColumnDay {
                    name: "delay".into(),
                    null_share: if at == 9 { 0.4 } else { 0.01 },
                    mean: Some(12.0 + (at % 3) as f64),
                    ..ColumnDay::default()
                }],
            })
            .collect()
    }

    fn rule(metric: &str, strategy: Strategy) -> HistoryRule {
        HistoryRule {
            metric: metric.into(),
            column: None,
            strategy,
            min_rate: Some(0.5),
            max_rate: Some(2.0),
            deviations: None,
            season: None,
            severity: Severity::Error,
        }
    }

    #[test]
    fn days_that_leave_the_mean_are_told_newest_first() {
        let rows = [1_000, 990, 1_010, 1_005, 995, 1_002, 400, 1_001, 999, 1_003];
        let found = anomalies(&days(&rows), &[], "");
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0].detail.contains("2013-01-10") && found[0].column.as_deref() == Some("delay")
        );
        assert!(
            found[1].detail.contains("the rows is 400"),
            "{}",
            found[1].detail
        );
        assert!(anomalies(&days(&rows[..5]), &[], "").is_empty());
    }

    #[test]
    fn a_rate_of_change_is_between_its_limits() {
        let found = anomalies(
            &days(&[100, 150, 60, 61, 200]),
            &[rule("rows", Strategy::RelativeChange)],
            "s.toml",
        );
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found[0].detail.contains("2013-01-05") && found[1].detail.contains("2013-01-03"));
        assert_eq!(
            (found[0].severity, found[0].limit_from.as_deref()),
            (Severity::Error, Some("s.toml"))
        );
    }

    #[test]
    fn weekends_are_no_anomaly_by_season() {
        let mut rows: Vec<u64> = (0..35)
            .map(|at| if at % 7 == 6 { 100 + at } else { 1_000 + at })
            .collect();
        let season = rule("rows", Strategy::Season);
        assert!(anomalies(&days(&rows), std::slice::from_ref(&season), "").is_empty());
        rows[34] = 1_000;
        let found = anomalies(&days(&rows), &[season], "");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].detail.contains("2013-01-35"));
    }
}
