//! How rows of an incremental materialization meet the rows there are, so that the outcome is what materializing
//! everything again would give. The newest fact wins whole (contract R4, R5); windows are those of the later instant.

use super::{OnlineRow, PUSHED, Scalars};
use crate::data::Result;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What meeting needs to know.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The place in the dataset of each of the generation's files: of facts of one instant, the one further back wins.
    pub order: Vec<u32>,
    /// The columns that are windows.
    pub windows: Vec<usize>,
    /// A body in which those are as they are without any event.
    pub empty: Vec<u8>,
}

/// How facts stand to each other: by event time, then by when they were known, then by their place in the dataset.
/// What was pushed and is in no file yet comes before what is in one.
pub fn compare(one: &OnlineRow, other: &OnlineRow, order: &[u32]) -> Ordering {
    let place = |row: &OnlineRow| match row.source {
        PUSHED => None,
        source => usize::try_from(source)
            .ok()
            .and_then(|at| order.get(at).copied()),
    };
    (one.event, one.created, place(one)).cmp(&(other.event, other.created, place(other)))
}

/// The row of an entity that was there and of which something was read again.
pub fn meet(there: OnlineRow, came: OnlineRow, rules: &Rules) -> Result<OnlineRow> {
    if compare(&there, &came, &rules.order) != Ordering::Greater {
        return Ok(came);
    }
    if there.source == PUSHED {
        // pushed values are whole, windows too: they are newer than what was computed
        return Ok(there);
    }
    with_windows(there, &came.body, &rules.windows)
}

/// The row of an entity that was there and of which nothing was read: no event of it is in a window any more.
pub fn alone(there: OnlineRow, rules: &Rules) -> Result<OnlineRow> {
    if there.source == PUSHED {
        return Ok(there);
    }
    with_windows(there, &rules.empty, &rules.windows)
}

/// A row with the windows of other values; `windows`: their places.
pub fn with_windows(mut row: OnlineRow, values: &[u8], windows: &[usize]) -> Result<OnlineRow> {
    if windows.is_empty() {
        return Ok(row);
    }
    let mut body = Vec::with_capacity(row.body.len());
    let mut others = Scalars::of(values);
    for (at, own) in Scalars::of(&row.body).enumerate() {
        let other = others.next().transpose()?;
        let value = match other {
            Some(other) if windows.contains(&at) => other,
            _ => own?,
        };
        value.store(&mut body);
    }
    row.body = body;
    Ok(row)
}

/// A row's values under other names: those that the new columns lack are left out, those that are new are null.
pub fn renamed<'a>(body: &'a [u8], before: &[String], now: &[String]) -> Result<Cow<'a, [u8]>> {
    if before == now {
        return Ok(Cow::Borrowed(body));
    }
    let values = Scalars::of(body).collect::<Result<Vec<_>>>()?;
    let mut renamed = Vec::with_capacity(body.len());
    for name in now {
        let at = before.iter().position(|old| old == name);
        at.and_then(|at| values.get(at).copied())
            .unwrap_or(super::Scalar::Null)
            .store(&mut renamed);
    }
    Ok(Cow::Owned(renamed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::Scalar;
    use super::*;

    fn row(event: i64, source: i32, values: &[i64]) -> OnlineRow {
        let mut body = Vec::new();
        values
            .iter()
            .for_each(|value| Scalar::Integer(*value).store(&mut body));
        OnlineRow {
            key: b"a".to_vec(),
            event: Some(event),
            created: None,
            source,
            body,
        }
    }

    fn rules() -> Rules {
        Rules {
            order: vec![1, 0],
            windows: vec![1],
            empty: row(0, 0, &[9, 0]).body,
        }
    }

    #[test]
    fn the_newer_fact_wins_whole_and_windows_are_the_later_ones() {
        let there = row(5, 0, &[1, 2]);
        assert_eq!(
            meet(there.clone(), row(6, 0, &[3, 4]), &rules()).unwrap(),
            row(6, 0, &[3, 4])
        );
        assert_eq!(
            meet(there.clone(), row(4, 0, &[3, 4]), &rules()).unwrap(),
            row(5, 0, &[1, 4])
        );
        assert_eq!(alone(there, &rules()).unwrap(), row(5, 0, &[1, 0]));
    }

    #[test]
    fn of_facts_of_one_instant_the_one_further_back_wins() {
        let (first, second) = (row(5, 1, &[1, 2]), row(5, 0, &[3, 4]));
        assert_eq!(
            meet(first.clone(), second.clone(), &rules()).unwrap(),
            second
        );
        assert_eq!(
            meet(second.clone(), first.clone(), &rules()).unwrap(),
            row(5, 0, &[3, 2])
        );
    }

    #[test]
    fn what_was_pushed_stays_until_something_as_new_is_in_a_file() {
        let pushed = row(5, PUSHED, &[1, 2]);
        let older = row(4, 0, &[3, 4]);
        assert_eq!(meet(pushed.clone(), older, &rules()).unwrap(), pushed);
        assert_eq!(alone(pushed.clone(), &rules()).unwrap(), pushed);
        let same = row(5, 0, &[3, 4]);
        assert_eq!(meet(pushed, same.clone(), &rules()).unwrap(), same);
    }

    #[test]
    fn a_changed_view_takes_over_what_has_its_name() {
        let body = row(0, 0, &[1, 2]).body;
        let names = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let renamed = renamed(&body, &names(&["a", "b"]), &names(&["b", "c"])).unwrap();
        let values: Vec<_> = Scalars::of(&renamed).collect::<Result<_>>().unwrap();
        assert_eq!(values, [Scalar::Integer(2), Scalar::Null]);
    }
}
