//! Which rows learn and which rows judge. All chance comes from the seed.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;

/// Rows to learn from and rows kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Row numbers to learn from.
    pub train: Vec<u32>,
    /// Row numbers kept out.
    pub held_out: Vec<u32>,
}

impl Split {
    /// Rows in ascending order; `kept_out` tells which.
    fn by(rows: usize, kept_out: impl Fn(usize) -> bool) -> Self {
        let (held_out, train) = (0..rows as u32).partition(|row| kept_out(*row as usize));
        Self { train, held_out }
    }
}

/// Keeps `share` of the rows out: the latest when there are times (no instant is split in two), else drawn by
/// seed, in equal shares of each class when there are classes. Row numbers ascend.
pub fn holdout(
    rows: usize,
    times: Option<&[i64]>,
    classes: Option<&[u32]>,
    share: f64,
    seed: u64,
) -> Split {
    let out = (rows as f64 * share.clamp(0.0, 1.0)).round() as usize;
    if out == 0 || out >= rows {
        return Split::by(rows, |_| out > 0);
    }
    if let Some(times) = times {
        let first = first_kept_out(times, out);
        return Split::by(rows, |row| first.is_some_and(|first| times[row] >= first));
    }
    let mut chosen = vec![false; rows];
    let groups = shuffled(rows, classes, seed);
    for (members, out) in groups.iter().zip(shares(&groups, out, rows)) {
        members
            .iter()
            .take(out)
            .for_each(|row| chosen[*row as usize] = true);
    }
    Split::by(rows, |row| chosen[row])
}

/// The first instant that is kept out: of the two places around the wished one where no instant is split, the nearer
/// that leaves rows on both sides. None when all rows are of one instant.
fn first_kept_out(times: &[i64], out: usize) -> Option<i64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let wished = sorted.len() - out;
    let instant = sorted[wished];
    let before = sorted.partition_point(|time| *time < instant);
    let after = sorted.partition_point(|time| *time <= instant);
    match (before > 0, after < sorted.len()) {
        (true, true) if after - wished < wished - before => Some(sorted[after]),
        (true, _) => Some(instant),
        (false, true) => Some(sorted[after]),
        (false, false) => None,
    }
}

/// Rows of each class (all rows when there are none), in an order drawn by seed.
fn shuffled(rows: usize, classes: Option<&[u32]>, seed: u64) -> Vec<Vec<u32>> {
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for row in 0..rows {
        groups
            .entry(classes.map_or(0, |classes| classes[row]))
            .or_default()
            .push(row as u32);
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    groups
        .into_values()
        .map(|mut members| {
            members.shuffle(&mut random);
            members
        })
        .collect()
}

/// How many of each group so that they are `out` of `rows` together: the largest remainders get what rounding left.
fn shares(groups: &[Vec<u32>], out: usize, rows: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = groups
        .iter()
        .map(|members| members.len() * out / rows)
        .collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|group| std::cmp::Reverse(groups[*group].len() * out % rows));
    let missing = out - counts.iter().sum::<usize>();
    order
        .into_iter()
        .take(missing)
        .for_each(|group| counts[group] += 1);
    counts
}

/// Folds for cross-validation: 5 below 20,000 rows, 3 to 100,000, one above. By time: each fold is judged on the
/// block after what it learned from, and no instant is split in two; else stratified by class. Row numbers ascend.
/// Fewer folds when there are fewer rows or instants; none for fewer than two rows.
pub fn folds(rows: usize, times: Option<&[i64]>, classes: Option<&[u32]>, seed: u64) -> Vec<Split> {
    let count = match rows {
        0..2 => return Vec::new(),
        2..20_000 => 5.min(rows),
        20_000..=100_000 => 3,
        _ => return vec![holdout(rows, times, classes, 0.2, seed)],
    };
    if let Some(times) = times {
        let blocks = by_time(times, count);
        if !blocks.is_empty() {
            return blocks;
        }
    }
    let mut fold = vec![0usize; rows];
    let members = shuffled(rows, classes, seed).into_iter().flatten();
    for (place, row) in members.enumerate() {
        fold[row as usize] = place % count;
    }
    (0..count)
        .map(|number| Split::by(rows, |row| fold[row] == number))
        .collect()
}

/// Blocks of about equal size; block `i + 1` judges what was learned from blocks 0 to `i`. Empty when all rows are of
/// one instant.
fn by_time(times: &[i64], count: usize) -> Vec<Split> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let mut starts: Vec<i64> = (1..=count)
        .map(|block| sorted[sorted.len() * block / (count + 1)])
        .collect();
    starts.dedup();
    starts.retain(|start| *start > sorted[0]);
    starts
        .iter()
        .enumerate()
        .map(|(at, start)| {
            let end = starts.get(at + 1).copied().unwrap_or(i64::MAX);
            let rows = |wanted: &dyn Fn(i64) -> bool| {
                (0..times.len() as u32)
                    .filter(|row| wanted(times[*row as usize]))
                    .collect()
            };
            Split {
                train: rows(&|time| time < *start),
                held_out: rows(&|time| time >= *start && (time < end || end == i64::MAX)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_rows_are_kept_out_and_no_instant_is_split() {
        let times = [5, 1, 9, 7, 7, 3, 7, 2, 8, 4];
        let split = holdout(10, Some(&times), None, 0.3, 1);
        assert_eq!(split.held_out, [2, 8]);
        let split = holdout(10, Some(&times), None, 0.45, 1);
        assert_eq!(split.held_out, [2, 3, 4, 6, 8]);
        assert_eq!(holdout(3, Some(&[1, 1, 1]), None, 0.3, 1).train.len(), 3);
        assert_eq!(holdout(3, Some(&[1, 1, 2]), None, 0.7, 1).held_out, [2]);
    }

    #[test]
    fn classes_keep_their_shares_and_the_seed_decides() {
        let classes: Vec<u32> = (0..1_000).map(|row| u32::from(row % 10 == 0)).collect();
        let split = holdout(1_000, None, Some(&classes), 0.2, 7);
        assert_eq!(split.held_out.len(), 200);
        assert_eq!(
            split
                .held_out
                .iter()
                .filter(|row| classes[**row as usize] == 1)
                .count(),
            20
        );
        assert_eq!(split, holdout(1_000, None, Some(&classes), 0.2, 7));
        assert_ne!(split, holdout(1_000, None, Some(&classes), 0.2, 8));
        assert!(holdout(10, None, None, 0.0, 7).held_out.is_empty());
        assert_eq!(holdout(7, None, None, 0.3, 7).held_out.len(), 2);
    }

    #[test]
    fn every_row_is_judged_once() {
        let classes: Vec<u32> = (0..100).map(|row| row % 3).collect();
        let folds = folds(100, None, Some(&classes), 3);
        assert_eq!(folds.len(), 5);
        let mut judged: Vec<u32> = folds
            .iter()
            .flat_map(|fold| fold.held_out.clone())
            .collect();
        judged.sort_unstable();
        assert_eq!(judged, (0..100).collect::<Vec<u32>>());
        for fold in &folds {
            assert_eq!(fold.train.len() + fold.held_out.len(), 100);
            let ones = fold
                .held_out
                .iter()
                .filter(|row| classes[**row as usize] == 1)
                .count();
            assert!((6..=7).contains(&ones), "{ones}");
        }
    }

    #[test]
    fn folds_by_time_learn_from_the_past_only() {
        let times: Vec<i64> = (0..60).map(|row| i64::from(row * 37 % 60) / 2).collect();
        let folds = folds(60, Some(&times), None, 0);
        assert_eq!(folds.len(), 5);
        for fold in &folds {
            let newest = fold.train.iter().map(|row| times[*row as usize]).max();
            let oldest = fold.held_out.iter().map(|row| times[*row as usize]).min();
            assert!(newest < oldest);
            assert_eq!(fold.held_out.len(), 10);
        }
        assert_eq!(super::folds(50_000, None, None, 0).len(), 3);
        assert_eq!(super::folds(100_001, None, None, 0).len(), 1);
        assert_eq!(super::folds(4, Some(&[1, 1, 1, 1]), None, 0).len(), 4);
        assert!(super::folds(1, None, None, 0).is_empty());
    }
}
