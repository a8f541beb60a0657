//! How much each column says about the target: over the kept rows, and where sums are enough over many more. What is
//! measured, and where it comes from, is said at [`Signal`]'s fields.

use super::column::{Column, Values};
use super::sample::Kept;
use super::table::TableState;
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::Signal;
use rustc_hash::FxHashMap;

/// Kept rows that are looked at: evenly spaced ones of more.
const ROWS: usize = 32_768;
/// Bins of equal counts that numbers are put into.
const BINS: usize = 20;
/// A text that fewer kept rows have is put together with others like it: alone it would explain its rows by itself.
const SEEN: usize = 10;
/// A number with at most so many different values is a class of the target.
const CLASSES: usize = 20;
/// Fewer rows say nothing.
const FEWEST: usize = 30;
/// From here on a column alone nearly determines the target.
const LEAK_INFORMATION: f64 = 0.95;
const LEAK_RATIO: f64 = 0.98;
const LEAK_AUC: f64 = 0.995;
/// No bin: no value.
const NONE: u32 = u32::MAX;

/// The target by row: its class, and as a number.
struct Target {
    classes: Vec<u32>,
    count: usize,
    /// Of two classes and of numbers; NaN where it is not known.
    numbers: Option<Vec<f64>>,
    two: bool,
}

/// Kept rows that are looked at.
pub fn rows(state: &TableState) -> u64 {
    let kept = state.kept_rows();
    kept.div_ceil(kept.div_ceil(ROWS).max(1)) as u64
}

/// The signal of every other column, most first.
pub fn of(state: &TableState, target: &str) -> Vec<Signal> {
    let every = state.kept_rows().div_ceil(ROWS).max(1);
    let weights: Vec<f64> = state.weights().into_iter().step_by(every).collect();
    let Some(column) = state.columns.iter().find(|column| column.name == target) else {
        return Vec::new();
    };
    let target = target_of(column, every);
    let mut found: Vec<Signal> = state
        .columns
        .iter()
        .filter(|other| other.name != column.name)
        .filter_map(|other| {
            let mut found = one(other, &target, &weights, every)?;
            let pair = state.pairs.of(&other.name, &column.name);
            found.r = pair.and_then(|pair| pair.pearson((deviation(other), deviation(column))));
            Some(found)
        })
        .collect();
    found.sort_by(|a, b| b.information.total_cmp(&a.information));
    found
}

/// A column's deviation, to tell what varies from rounding.
fn deviation(column: &Column) -> f64 {
    match &column.values {
        Values::Numbers(numbers) => numbers.facts(&[], 0).std.unwrap_or_default(),
        Values::Flags(..) | Values::Texts(_) => 0.0,
    }
}

fn target_of(column: &Column, every: usize) -> Target {
    match &column.kept {
        Kept::Texts { .. } => {
            let (classes, count) = codes(column, every);
            let two = count == 2;
            let numbers = two.then(|| classes.iter().map(|class| flag(*class)).collect());
            Target {
                classes,
                count,
                numbers,
                two,
            }
        }
        Kept::Numbers(rows) => {
            let numbers: Vec<f64> = rows
                .iter()
                .step_by(every)
                .map(|x| if x.is_finite() { *x } else { f64::NAN })
                .collect();
            let mut values: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.dedup();
            if values.len() > CLASSES {
                let (classes, count) = quantile_bins(&numbers);
                return Target {
                    classes,
                    count,
                    numbers: Some(numbers),
                    two: false,
                };
            }
            let classes: Vec<u32> = numbers
                .iter()
                .map(|x| {
                    values
                        .binary_search_by(|value| value.total_cmp(x))
                        .map_or(NONE, |at| at as u32)
                })
                .collect();
            let two = values.len() == 2;
            let numbers = if two {
                classes.iter().map(|class| flag(*class)).collect()
            } else {
                numbers
            };
            // Three and more numbers may be grades or names; as numbers they are grades.
            Target {
                classes,
                count: values.len(),
                numbers: Some(numbers),
                two,
            }
        }
    }
}

fn flag(class: u32) -> f64 {
    if class == NONE {
        f64::NAN
    } else {
        f64::from(class)
    }
}

fn one(column: &Column, target: &Target, weights: &[f64], every: usize) -> Option<Signal> {
    let (bins, count, numbers) = match &column.kept {
        Kept::Numbers(rows) => {
            let numbers: Vec<f64> = rows
                .iter()
                .step_by(every)
                .map(|x| if x.is_finite() { *x } else { f64::NAN })
                .collect();
            let (bins, count) = quantile_bins(&numbers);
            (bins, count, Some(numbers))
        }
        Kept::Texts { .. } => {
            let (bins, count) = codes(column, every);
            let (bins, count) = without_rare(&bins, count);
            (bins, count, None)
        }
    };
    let both: Vec<usize> = (0..bins.len().min(target.classes.len()))
        .filter(|row| bins[*row] != NONE && target.classes[*row] != NONE)
        .collect();
    if both.len() < FEWEST || count < 1 || target.count < 2 {
        return None;
    }
    let information = information(&both, &bins, count, target, weights)?;
    let ratio = target
        .numbers
        .as_ref()
        .and_then(|numbers| correlation_ratio(&both, &bins, count, numbers, weights));
    let auc = target
        .two
        .then(|| match &numbers {
            Some(numbers) => area(&both, numbers, &target.classes, weights),
            None => area_of_texts(&both, &bins, count, &target.classes, weights),
        })
        .flatten();
    // An identifier rises with whatever the rows are sorted by; that is no leak.
    let counts_rows = column.kind == ColumnKind::Time;
    let leaks = !counts_rows
        && both.len() >= 100
        && (information >= LEAK_INFORMATION
            || ratio.is_some_and(|ratio| ratio >= LEAK_RATIO)
            || auc.is_some_and(|auc| auc >= LEAK_AUC));
    Some(Signal {
        column: column.name.clone(),
        information,
        ratio,
        auc,
        r: None,
        rows: both.len() as u64,
        leaks,
    })
}

fn codes(column: &Column, every: usize) -> (Vec<u32>, usize) {
    let (codes, count) = column.kept.codes().unwrap_or_default();
    let codes = codes
        .into_iter()
        .step_by(every)
        .map(|code| code.unwrap_or(NONE))
        .collect();
    (codes, count)
}

/// Rare texts become one.
fn without_rare(codes: &[u32], count: usize) -> (Vec<u32>, usize) {
    let mut seen = vec![0usize; count];
    codes
        .iter()
        .filter(|code| **code != NONE)
        .for_each(|code| seen[*code as usize] += 1);
    let mut next = 1;
    let places: Vec<u32> = seen
        .iter()
        .map(|seen| {
            if *seen < SEEN {
                0
            } else {
                next += 1;
                next - 1
            }
        })
        .collect();
    let bins = codes
        .iter()
        .map(|code| {
            if *code == NONE {
                NONE
            } else {
                places[*code as usize]
            }
        })
        .collect();
    (bins, next as usize)
}

/// Bins of equal counts; a number that comes often has one for itself. NaN has none.
fn quantile_bins(numbers: &[f64]) -> (Vec<u32>, usize) {
    let mut sorted: Vec<f64> = numbers.iter().copied().filter(|x| !x.is_nan()).collect();
    if sorted.is_empty() {
        return (vec![NONE; numbers.len()], 0);
    }
    sorted.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..BINS)
        .map(|at| sorted[at * sorted.len() / BINS])
        .collect();
    edges.dedup();
    let bins = numbers
        .iter()
        .map(|x| {
            if x.is_nan() {
                NONE
            } else {
                edges.partition_point(|edge| edge <= x) as u32
            }
        })
        .collect();
    (bins, edges.len() + 1)
}

/// Theil's uncertainty coefficient of the target, its bias taken off.
fn information(
    both: &[usize],
    bins: &[u32],
    count: usize,
    target: &Target,
    weights: &[f64],
) -> Option<f64> {
    let mut joint: FxHashMap<(u32, u32), f64> = FxHashMap::default();
    let mut of_bin = vec![0.0; count];
    let mut of_class = vec![0.0; target.count];
    let mut total = 0.0;
    for row in both {
        let (bin, class, weight) = (bins[*row], target.classes[*row], weights[*row]);
        *joint.entry((bin, class)).or_insert(0.0) += weight;
        of_bin[bin as usize] += weight;
        of_class[class as usize] += weight;
        total += weight;
    }
    let entropy: f64 = of_class
        .iter()
        .filter(|weight| **weight > 0.0)
        .map(|weight| -weight / total * (weight / total).ln())
        .sum();
    if entropy <= 0.0 {
        return None;
    }
    let mutual: f64 = joint
        .iter()
        .map(|((bin, class), weight)| {
            weight / total
                * (weight * total / (of_bin[*bin as usize] * of_class[*class as usize])).ln()
        })
        .sum();
    let some = |counts: &[f64]| counts.iter().filter(|count| **count > 0.0).count() as f64;
    let rows = both.len() as f64;
    // Miller and Madow: each of the three entropies is short by (cells - 1) / 2n.
    let bias = (joint.len() as f64 - some(&of_bin) - some(&of_class) + 1.0) / (2.0 * rows);
    Some(((mutual - bias) / entropy).clamp(0.0, 1.0))
}

/// Pearson's correlation ratio, squared: the share of the variance that lies between the bins.
fn correlation_ratio(
    both: &[usize],
    bins: &[u32],
    count: usize,
    numbers: &[f64],
    weights: &[f64],
) -> Option<f64> {
    let (mut total, mut sum) = (0.0, 0.0);
    for row in both.iter().filter(|row| !numbers[**row].is_nan()) {
        total += weights[*row];
        sum += weights[*row] * numbers[*row];
    }
    let mean = sum / total;
    let mut means = vec![(0.0, 0.0); count];
    let mut variance = 0.0;
    for row in both.iter().filter(|row| !numbers[**row].is_nan()) {
        let delta = numbers[*row] - mean;
        let (weight, sum) = &mut means[bins[*row] as usize];
        *weight += weights[*row];
        *sum += weights[*row] * delta;
        variance += weights[*row] * delta * delta;
    }
    let between: f64 = means
        .iter()
        .filter(|(weight, _)| *weight > 0.0)
        .map(|(weight, sum)| sum * sum / weight)
        .sum();
    (variance > 0.0).then(|| (between / variance).clamp(0.0, 1.0))
}

/// Area under the curve by ranks (Mann and Whitney), the better direction.
fn area(both: &[usize], scores: &[f64], classes: &[u32], weights: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = both
        .iter()
        .copied()
        .filter(|row| !scores[*row].is_nan())
        .collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let (mut below, mut yes, mut no) = (0.0, 0.0, 0.0);
    let mut at = 0;
    while at < order.len() {
        let mut until = at;
        let (mut ties_yes, mut ties_no) = (0.0, 0.0);
        while until < order.len() && scores[order[until]] == scores[order[at]] {
            let weight = weights[order[until]];
            if classes[order[until]] == 1 {
                ties_yes += weight;
            } else {
                ties_no += weight;
            }
            until += 1;
        }
        below += ties_yes * (no + ties_no / 2.0);
        yes += ties_yes;
        no += ties_no;
        at = until;
    }
    (yes > 0.0 && no > 0.0).then(|| {
        let area = below / (yes * no);
        area.max(1.0 - area)
    })
}

/// The same for texts: each row's score is the share of the target among the other half's rows with its text.
fn area_of_texts(
    both: &[usize],
    bins: &[u32],
    count: usize,
    classes: &[u32],
    weights: &[f64],
) -> Option<f64> {
    let mut sums = vec![[(0.0, 0.0); 2]; count];
    let mut whole = [(0.0, 0.0); 2];
    for (number, row) in both.iter().enumerate() {
        let half = number % 2;
        let yes = if classes[*row] == 1 {
            weights[*row]
        } else {
            0.0
        };
        for sum in [&mut sums[bins[*row] as usize][half], &mut whole[half]] {
            sum.0 += yes;
            sum.1 += weights[*row];
        }
    }
    let mut scores = vec![f64::NAN; bins.len()];
    for (number, row) in both.iter().enumerate() {
        let other = 1 - number % 2;
        let (yes, all) = sums[bins[*row] as usize][other];
        let (mean, weight) = (whole[other].0 / whole[other].1, whole[other].1);
        // a pinch of the mean, so that a text of few rows does not jump to an end
        let pinch = weight / 1_000.0;
        scores[*row] = (yes + mean * pinch) / (all + pinch);
    }
    area(both, &scores, classes, weights)
}
