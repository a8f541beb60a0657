//! Values of some rows as SQLite would have them, and what it does with two of them: whole numbers that divide to whole
//! numbers, null where a division fails, comparisons that are exact between whole numbers and numbers.
//!
//! Numbers say null by NaN, which SQLite has no other use for. Where SQLite would change a value's type from row to row in
//! a way that is not followed here (a sum beyond 64 bits, text as number), the answer is none, and SQLite is asked.

use super::parse::Two;
use arrow_array::{Array, StringArray};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Whole numbers below this are exact as numbers: 2 to the power of 53, to which the next one is rounded.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Nothing known, in a truth value.
pub(super) const UNKNOWN: u8 = 2;

/// Whole numbers, and which of them are there, when not all are.
pub(super) type Wholes<'a> = (Cow<'a, [i64]>, Option<Vec<bool>>);

/// Values of some rows.
#[derive(Clone, Debug)]
pub(super) enum Vector<'a> {
    /// Nothing but nulls.
    Null(usize),
    /// 0, 1, or [`UNKNOWN`].
    Truth(Vec<u8>),
    /// Whole numbers, and which are there, when not all are; 0 where there is none.
    Whole(Cow<'a, [i64]>, Option<Vec<bool>>),
    /// Numbers; NaN is null.
    Number(Cow<'a, [f64]>),
    /// Numbers of which some are whole numbers (exactly); NaN is null.
    Mixed(Vec<f64>, Vec<bool>),
    /// Texts.
    Text(StringArray),
}

use Vector::{Mixed, Null, Number, Text, Truth, Whole};

impl<'a> Vector<'a> {
    /// Rows.
    pub(super) fn len(&self) -> usize {
        match self {
            Null(rows) => *rows,
            Truth(values) => values.len(),
            Whole(values, _) => values.len(),
            Number(values) => values.len(),
            Mixed(values, _) => values.len(),
            Text(values) => values.len(),
        }
    }

    /// Whether each row has no value.
    pub(super) fn nulls(&self) -> Vec<bool> {
        match self {
            Null(rows) => vec![true; *rows],
            Truth(values) => values.iter().map(|value| *value == UNKNOWN).collect(),
            Whole(values, None) => vec![false; values.len()],
            Whole(_, Some(valid)) => valid.iter().map(|valid| !valid).collect(),
            Number(values) => values.iter().map(|value| value.is_nan()).collect(),
            Mixed(values, _) => values.iter().map(|value| value.is_nan()).collect(),
            Text(values) => (0..values.len()).map(|row| values.is_null(row)).collect(),
        }
    }

    /// As truth: none for texts.
    pub(super) fn truth(&self) -> Option<Vec<u8>> {
        let of = |value: f64| {
            if value.is_nan() {
                UNKNOWN
            } else {
                u8::from(value != 0.0)
            }
        };
        Some(match self {
            Null(rows) => vec![UNKNOWN; *rows],
            Truth(values) => values.clone(),
            Whole(values, valid) => {
                let mut truth: Vec<u8> = values.iter().map(|value| u8::from(*value != 0)).collect();
                if let Some(valid) = valid {
                    for (truth, valid) in truth.iter_mut().zip(valid) {
                        *truth = if *valid { *truth } else { UNKNOWN };
                    }
                }
                truth
            }
            Number(values) => values.iter().map(|value| of(*value)).collect(),
            Mixed(values, _) => values.iter().map(|value| of(*value)).collect(),
            Text(_) => return None,
        })
    }

    /// As whole numbers, when they are.
    pub(super) fn whole(self) -> Option<Wholes<'a>> {
        match self {
            Whole(values, valid) => Some((values, valid)),
            Truth(values) => {
                let valid = values
                    .contains(&UNKNOWN)
                    .then(|| values.iter().map(|value| *value != UNKNOWN).collect());
                let whole = values.iter().map(|value| i64::from(*value & 1)).collect();
                Some((Cow::Owned(whole), valid))
            }
            _ => None,
        }
    }

    /// As numbers; none for texts.
    pub(super) fn number(self) -> Option<Cow<'a, [f64]>> {
        Some(match self {
            Null(rows) => Cow::Owned(vec![f64::NAN; rows]),
            Number(values) => values,
            Mixed(values, _) => Cow::Owned(values),
            Text(_) => return None,
            other => {
                let (values, valid) = other.whole()?;
                let mut numbers: Vec<f64> = values.iter().map(|value| *value as f64).collect();
                if let Some(valid) = valid {
                    for (number, valid) in numbers.iter_mut().zip(valid) {
                        *number = if valid { *number } else { f64::NAN };
                    }
                }
                Cow::Owned(numbers)
            }
        })
    }

    /// As numbers of which some are whole; none for texts and for whole numbers that a number does not hold.
    fn mixed(self) -> Option<(Vec<f64>, Vec<bool>)> {
        let is_whole = matches!(self, Truth(_) | Whole(_, _) | Null(_));
        if let Mixed(values, whole) = self {
            return Some((values, whole));
        }
        let values = self.number()?.into_owned();
        if is_whole && values.iter().any(|value| value.abs() >= EXACT) {
            return None;
        }
        let whole = vec![is_whole; values.len()];
        Some((values, whole))
    }

    fn is_number(&self) -> bool {
        matches!(self, Number(_))
    }
}

/// `kind` of two vectors of equal length.
pub(super) fn of_two<'a>(kind: Two, left: Vector<'a>, right: Vector<'a>) -> Option<Vector<'a>> {
    match kind {
        Two::And => Some(Truth(connect(left.truth()?, &right.truth()?, 0))),
        Two::Or => Some(Truth(connect(left.truth()?, &right.truth()?, 1))),
        Two::Is => is(left, right),
        Two::Less
        | Two::LessOrEqual
        | Two::Greater
        | Two::GreaterOrEqual
        | Two::Equal
        | Two::NotEqual => compare(kind, left, right),
        Two::Add | Two::Subtract | Two::Multiply | Two::Divide | Two::Remainder => {
            arithmetic(kind, left, right)
        }
    }
}

/// `and` (`wins` 0) and `or` (`wins` 1) of three values.
fn connect(mut left: Vec<u8>, right: &[u8], wins: u8) -> Vec<u8> {
    for (left, right) in left.iter_mut().zip(right) {
        *left = if *left == wins || *right == wins {
            wins
        } else if *left == UNKNOWN || *right == UNKNOWN {
            UNKNOWN
        } else {
            1 - wins
        };
    }
    left
}

/// `not`.
pub(super) fn negated(mut truth: Vec<u8>) -> Vec<u8> {
    for value in &mut truth {
        *value = if *value == UNKNOWN {
            UNKNOWN
        } else {
            1 - *value
        };
    }
    truth
}

fn is<'a>(left: Vector<'a>, right: Vector<'a>) -> Option<Vector<'a>> {
    let (no_left, no_right) = (left.nulls(), right.nulls());
    let Truth(equal) = compare(Two::Equal, left, right)? else {
        return None;
    };
    let same =
        equal
            .into_iter()
            .zip(no_left.iter().zip(&no_right))
            .map(|(equal, (left, right))| {
                if *left || *right {
                    u8::from(*left && *right)
                } else {
                    equal
                }
            });
    Some(Truth(same.collect()))
}

/// A whole number and a number, exactly (SQLite's `sqlite3IntFloatCompare`).
pub(super) fn order(whole: i64, number: f64) -> Ordering {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number < -LIMIT {
        return Ordering::Greater;
    }
    if number >= LIMIT {
        return Ordering::Less;
    }
    whole
        .cmp(&(number as i64))
        .then_with(|| (whole as f64).total_cmp(&(number + 0.0)))
}

fn compare<'a>(kind: Two, left: Vector<'a>, right: Vector<'a>) -> Option<Vector<'a>> {
    let holds = |order: Ordering| {
        u8::from(match kind {
            Two::Less => order.is_lt(),
            Two::LessOrEqual => order.is_le(),
            Two::Greater => order.is_gt(),
            Two::GreaterOrEqual => order.is_ge(),
            Two::NotEqual => order.is_ne(),
            _ => order.is_eq(),
        })
    };
    let rows = left.len();
    Some(Truth(match (left, right) {
        (Null(_), _) | (_, Null(_)) => vec![UNKNOWN; rows],
        (Text(left), Text(right)) => (0..rows)
            .map(|row| {
                if left.is_null(row) || right.is_null(row) {
                    UNKNOWN
                } else {
                    holds(left.value(row).as_bytes().cmp(right.value(row).as_bytes()))
                }
            })
            .collect(),
        (Text(_), _) | (_, Text(_)) => return None,
        (left, right) => {
            let whole = |vector: &Vector<'_>| matches!(vector, Whole(_, _) | Truth(_));
            match (whole(&left), whole(&right)) {
                (true, true) => {
                    let ((left, there), (right, also)) = (left.whole()?, right.whole()?);
                    let mut truth: Vec<u8> = left
                        .iter()
                        .zip(right.iter())
                        .map(|(left, right)| holds(left.cmp(right)))
                        .collect();
                    if let Some(valid) = both(there, also) {
                        for (truth, valid) in truth.iter_mut().zip(valid) {
                            *truth = if valid { *truth } else { UNKNOWN };
                        }
                    }
                    truth
                }
                (false, false) => {
                    let (left, right) = (left.number()?, right.number()?);
                    left.iter()
                        .zip(right.iter())
                        .map(|(left, right)| left.partial_cmp(right).map_or(UNKNOWN, holds))
                        .collect()
                }
                (whole_left, _) => {
                    let (whole, number) = if whole_left {
                        (left, right)
                    } else {
                        (right, left)
                    };
                    let (values, valid) = whole.whole()?;
                    let numbers = number.number()?;
                    (0..rows)
                        .map(|row| {
                            if numbers[row].is_nan()
                                || valid.as_ref().is_some_and(|valid| !valid[row])
                            {
                                return UNKNOWN;
                            }
                            let order = order(values[row], numbers[row]);
                            holds(if whole_left { order } else { order.reverse() })
                        })
                        .collect()
                }
            }
        }
    }))
}

fn both(left: Option<Vec<bool>>, right: Option<Vec<bool>>) -> Option<Vec<bool>> {
    match (left, right) {
        (Some(mut left), Some(right)) => {
            for (left, right) in left.iter_mut().zip(right) {
                *left &= right;
            }
            Some(left)
        }
        (left, right) => left.or(right),
    }
}

fn arithmetic<'a>(kind: Two, left: Vector<'a>, right: Vector<'a>) -> Option<Vector<'a>> {
    let rows = left.len();
    match (&left, &right) {
        (Text(_), _) | (_, Text(_)) => return None,
        (Null(_), _) | (_, Null(_)) => return Some(Null(rows)),
        (Mixed(_, _), _) | (_, Mixed(_, _)) if kind == Two::Remainder => return None,
        _ => {}
    }
    let is_whole = |vector: &Vector<'_>| matches!(vector, Whole(_, _) | Truth(_));
    if is_whole(&left) && is_whole(&right) {
        return whole_arithmetic(kind, left, right);
    }
    if kind == Two::Remainder && (left.is_number() || right.is_number()) {
        // of whole numbers here, and of none that a number would round
        let ((left, _), (right, _)) = (left.mixed()?, right.mixed()?);
        return Some(Number(Cow::Owned(numbers(kind, &left, &right))));
    }
    if left.is_number() || right.is_number() {
        let (left, right) = (left.number()?, right.number()?);
        return Some(Number(Cow::Owned(numbers(kind, &left, &right))));
    }
    // both may be whole in some rows
    let ((left, whole), (right, also)) = (left.mixed()?, right.mixed()?);
    let mut values = numbers(kind, &left, &right);
    let mut stays = Vec::with_capacity(rows);
    for (row, value) in values.iter_mut().enumerate() {
        let whole = whole[row] && also[row];
        if whole && kind == Two::Divide {
            *value = value.trunc();
        }
        if whole {
            // whole numbers have no negative nothing
            *value += 0.0;
        }
        if whole && value.abs() >= EXACT {
            return None;
        }
        stays.push(whole);
    }
    Some(Mixed(values, stays))
}

fn numbers(kind: Two, left: &[f64], right: &[f64]) -> Vec<f64> {
    fn each(left: &[f64], right: &[f64], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        left.iter()
            .zip(right)
            .map(|(left, right)| of(*left, *right))
            .collect()
    }
    match kind {
        Two::Add => each(left, right, |left, right| left + right),
        Two::Subtract => each(left, right, |left, right| left - right),
        Two::Multiply => each(left, right, |left, right| left * right),
        Two::Divide => each(left, right, |left, right| {
            if right == 0.0 { f64::NAN } else { left / right }
        }),
        _ => each(left, right, |left, right| {
            if left.is_nan() || right.is_nan() {
                return f64::NAN;
            }
            // SQLite takes the remainder of the whole parts
            match right as i64 {
                0 => f64::NAN,
                right => (left as i64).wrapping_rem(right) as f64,
            }
        }),
    }
}

fn whole_arithmetic<'a>(kind: Two, left: Vector<'a>, right: Vector<'a>) -> Option<Vector<'a>> {
    fn each(left: &[i64], right: &[i64], of: impl Fn(i64, i64) -> (i64, bool)) -> Option<Vec<i64>> {
        let mut overflows = false;
        let values = left
            .iter()
            .zip(right)
            .map(|(left, right)| {
                let (value, over) = of(*left, *right);
                overflows |= over;
                value
            })
            .collect();
        // beyond 64 bits SQLite goes on with numbers
        (!overflows).then_some(values)
    }
    let ((left, there), (right, also)) = (left.whole()?, right.whole()?);
    let mut valid = both(there, also);
    let values = match kind {
        Two::Add => each(&left, &right, i64::overflowing_add)?,
        Two::Subtract => each(&left, &right, i64::overflowing_sub)?,
        Two::Multiply => each(&left, &right, i64::overflowing_mul)?,
        _ => {
            if right.contains(&0) {
                let valid = valid.get_or_insert_with(|| vec![true; right.len()]);
                for (valid, right) in valid.iter_mut().zip(right.iter()) {
                    *valid &= *right != 0;
                }
            }
            let divide = kind == Two::Divide;
            each(&left, &right, |left, right| match (right, divide) {
                (0, _) => (0, false),
                (right, true) => left.overflowing_div(right),
                (right, false) => (left.wrapping_rem(right), false),
            })?
        }
    };
    Some(Whole(Cow::Owned(values), valid))
}

/// For each row `yes` where `condition` is true, else `no`; none where texts and numbers meet.
pub(super) fn choose<'a>(condition: &[u8], yes: Vector<'a>, no: Vector<'a>) -> Option<Vector<'a>> {
    let rows = condition.len();
    let is_whole = |vector: &Vector<'_>| matches!(vector, Whole(_, _) | Truth(_) | Null(_));
    Some(match (yes, no) {
        (Null(_), Null(_)) => Null(rows),
        (Truth(mut yes), Truth(no)) => {
            for ((yes, no), condition) in yes.iter_mut().zip(no).zip(condition) {
                *yes = if *condition == 1 { *yes } else { no };
            }
            Truth(yes)
        }
        (yes @ (Text(_) | Null(_)), no @ (Text(_) | Null(_))) => {
            let text = |vector: &Vector<'_>, row: usize| match vector {
                Text(values) if values.is_valid(row) => Some(values.value(row).to_owned()),
                _ => None,
            };
            Text(
                (0..rows)
                    .map(|row| text(if condition[row] == 1 { &yes } else { &no }, row))
                    .collect(),
            )
        }
        (Text(_), _) | (_, Text(_)) => return None,
        (yes, no) if is_whole(&yes) && is_whole(&no) => {
            let whole = |vector: Vector<'a>| match vector {
                Null(rows) => Some((Cow::Owned(vec![0; rows]), Some(vec![false; rows]))),
                other => other.whole(),
            };
            let ((yes, there), (no, also)) = (whole(yes)?, whole(no)?);
            let values = (0..rows)
                .map(|row| {
                    if condition[row] == 1 {
                        yes[row]
                    } else {
                        no[row]
                    }
                })
                .collect();
            let valid = (there.is_some() || also.is_some()).then(|| {
                let at = |valid: &Option<Vec<bool>>, row: usize| {
                    valid.as_ref().is_none_or(|valid| valid[row])
                };
                (0..rows)
                    .map(|row| {
                        if condition[row] == 1 {
                            at(&there, row)
                        } else {
                            at(&also, row)
                        }
                    })
                    .collect()
            });
            Whole(Cow::Owned(values), valid)
        }
        (yes @ (Number(_) | Null(_)), no @ (Number(_) | Null(_))) => {
            let (yes, no) = (yes.number()?, no.number()?);
            let mut values = no.into_owned();
            for ((value, yes), condition) in values.iter_mut().zip(yes.iter()).zip(condition) {
                *value = if *condition == 1 { *yes } else { *value };
            }
            Number(Cow::Owned(values))
        }
        (yes, no) => {
            let ((mut values, mut whole), (no, also)) = (yes.mixed()?, no.mixed()?);
            for row in 0..rows {
                if condition[row] != 1 {
                    (values[row], whole[row]) = (no[row], also[row]);
                }
            }
            Mixed(values, whole)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn whole_numbers_and_numbers_compare_exactly() {
        assert_eq!(
            order(9_007_199_254_740_993, 9_007_199_254_740_992.0),
            Ordering::Greater
        );
        assert_eq!(order(i64::MAX, 9.3e18), Ordering::Less);
        assert_eq!(order(0, -0.0), Ordering::Equal);
        assert_eq!(order(1, 1.5), Ordering::Less);
        assert_eq!(order(-1, -1.5), Ordering::Greater);
        assert_eq!(order(i64::MIN, f64::NEG_INFINITY), Ordering::Greater);
    }

    #[test]
    fn sums_beyond_64_bits_are_left_to_sqlite() {
        let most = || Whole(Cow::Owned(vec![i64::MAX]), None);
        let one = || Whole(Cow::Owned(vec![1]), None);
        assert!(of_two(Two::Add, most(), one()).is_none());
        assert!(of_two(Two::Subtract, most(), one()).is_some());
    }
}
