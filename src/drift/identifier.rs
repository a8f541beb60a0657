//! Text with too many different values to compare by category: what still can be said about it is
//! length, pattern and how often values repeat.

use super::sample::{Categories, Sample};
use super::verdict::{Preset, few, judge};
use super::{DriftTest, Measure, Options, Pair, Statistic, jensen_shannon, total_variation};
use crate::domain::dataset::ColumnKind;
use crate::domain::drift::TestResult;

/// Whether text is compared as an identifier: more than 1,000 different values, or more than half
/// of them different.
pub fn is_identifier(sample: &Sample) -> bool {
    let distinct = sample.distinct();
    sample.kind == ColumnKind::Text && (distinct > 1_000 || distinct * 2 > sample.len())
}

/// `length` (Jensen-Shannon distance of the lengths), `pattern` (total variation of the shapes) and
/// `distinct_ratio` (over equally many rows), the worst first.
pub fn tests(pair: &Pair, options: &Options) -> Vec<TestResult> {
    let Some((reference, current)) = pair.categories() else {
        return Vec::new();
    };
    let lengths = (lengths(reference), lengths(current));
    let shapes = (shapes(reference), shapes(current));
    let rows = reference.len().min(current.len());
    let ratio = |categories: &Categories| {
        let mut codes = categories.codes[..rows].to_vec();
        codes.sort_unstable();
        codes.dedup();
        codes.len() as f64 / rows as f64
    };
    let apply = |test: &dyn DriftTest, sides: &(Sample, Sample)| {
        let pair = Pair {
            reference: &sides.0,
            current: &sides.1,
        };
        test.statistic(&pair, false).map(|found| found.value)
    };
    let mut results: Vec<TestResult> = [
        ("length", apply(&jensen_shannon::JensenShannon, &lengths)),
        ("pattern", apply(&total_variation::TotalVariation, &shapes)),
        (
            "distinct_ratio",
            Some((ratio(reference) - ratio(current)).abs()),
        ),
    ]
    .into_iter()
    .filter_map(|(method, value)| {
        let statistic = Statistic::distance(value?);
        let threshold = options.thresholds.get(method).copied().unwrap_or(0.1);
        let few = few(pair, options.min_rows);
        Some(TestResult {
            method: method.into(),
            value,
            p_value: None,
            threshold,
            verdict: judge(
                Measure::Distance,
                &statistic,
                threshold,
                few,
                Preset::Stable,
            ),
            note: Some("identifier".into()),
        })
    })
    .collect();
    results.sort_by(|a, b| super::verdict::severity(b).total_cmp(&super::verdict::severity(a)));
    results
}

fn lengths(categories: &Categories) -> Sample {
    let by_label: Vec<f64> = categories
        .labels
        .iter()
        .map(|label| label.chars().count() as f64)
        .collect();
    let values: Vec<f64> = categories
        .codes
        .iter()
        .map(|code| by_label[*code as usize])
        .collect();
    Sample::numbers(ColumnKind::Integer, &values)
}

fn shapes(categories: &Categories) -> Sample {
    let by_label: Vec<String> = categories.labels.iter().map(|label| shape(label)).collect();
    Sample::categories(
        ColumnKind::Text,
        categories
            .codes
            .iter()
            .map(|code| Some(by_label[*code as usize].as_str())),
    )
}

/// The shape of a text: digits as 9, letters as A or a, runs taken together: `N12-ab` is `A9-a`.
pub fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut before = None;
    for c in text.chars() {
        let class = if c.is_numeric() {
            '9'
        } else if c.is_uppercase() {
            'A'
        } else if c.is_alphabetic() {
            'a'
        } else {
            c
        };
        if before != Some(class) {
            shape.push(class);
            before = Some(class);
        }
        if shape.len() >= 32 {
            break;
        }
    }
    shape
}
