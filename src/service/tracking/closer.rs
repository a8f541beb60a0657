//! A piece of a metric's history, closer than the whole shows it.

use super::Tracking;
use super::views::add;
use crate::domain::metric::{Bucket, Series};
use crate::domain::{Result, RunId, Timestamp};
use crate::store::{metrics, runs};

impl Tracking {
    /// As [`Tracking::series`], of steps `from` to `to` and the point on either side of them, so that a line goes on to
    /// the edges of a picture.
    pub fn closer(
        &self,
        run: &RunId,
        key: &str,
        buckets: u32,
        (from, to): (i64, i64),
    ) -> Result<Series> {
        self.core.store.read(|view| {
            let (number, _) = runs::header(view, run)?;
            let mut before: Option<(i64, Timestamp, f64)> = None;
            let mut after: Option<(i64, Timestamp, f64)> = None;
            let mut inside: Vec<(i64, Timestamp, f64)> = Vec::new();
            metrics::scan(view, number, key, |step, time, value| {
                if step < from {
                    before = Some((step, time, value));
                } else if step <= to {
                    inside.push((step, time, value));
                } else if after.is_none() {
                    after = Some((step, time, value));
                }
            })?;
            let points = inside.len() as u64;
            let size = inside.len().div_ceil(buckets.max(1) as usize).max(1);
            let pieces = inside.chunks(size);
            let all = before
                .as_slice()
                .chunks(1)
                .chain(pieces)
                .chain(after.as_slice().chunks(1));
            let buckets = all
                .filter_map(|piece| {
                    let (step, time, last) = *piece.first()?;
                    let mut bucket = Bucket {
                        step,
                        time,
                        min: f64::NAN,
                        max: f64::NAN,
                        last,
                        odd: 0,
                    };
                    for (step, time, value) in piece {
                        add(&mut bucket, *step, *time, *value);
                    }
                    Some(bucket)
                })
                .collect();
            Ok(Series {
                run: run.clone(),
                key: key.to_owned(),
                buckets,
                points,
            })
        })
    }
}
