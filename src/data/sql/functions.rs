//! Functions that our SQL has besides SQLite's own: mathematics, parts of times (microseconds), and aggregates.
//! Null in, null out; the names are those of SQLite's math functions where it has them.

use crate::data::instant;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};

pub(super) type OfOne = fn(f64) -> f64;
pub(super) type OfTwo = fn(f64, f64) -> f64;
pub(super) type OfTime = fn(i64) -> i64;

/// Functions of one number.
const OF_ONE: [(&str, OfOne); 18] = [
    ("exp", f64::exp),
    ("ln", f64::ln),
    ("log", f64::log10),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("sqrt", f64::sqrt),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("radians", f64::to_radians),
    ("degrees", f64::to_degrees),
    ("cbrt", f64::cbrt),
];

/// Functions of two numbers.
const OF_TWO: [(&str, OfTwo); 5] = [
    ("pow", f64::powf),
    ("power", f64::powf),
    ("atan2", f64::atan2),
    ("mod", |x, y| x % y),
    ("log", |base, x| x.ln() / base.ln()),
];

/// Functions that round; whole numbers stay as they are.
const ROUNDING: [(&str, OfOne); 4] = [
    ("floor", f64::floor),
    ("ceil", f64::ceil),
    ("ceiling", f64::ceil),
    ("trunc", f64::trunc),
];

/// Parts of a time.
const OF_TIME: [(&str, OfTime); 7] = [
    ("year", |us| instant::civil(us).year),
    ("month", |us| instant::civil(us).month),
    ("day", |us| instant::civil(us).day),
    ("hour", |us| instant::civil(us).hour),
    ("minute", |us| instant::civil(us).minute),
    ("second", |us| instant::civil(us).second),
    ("weekday", instant::weekday),
];

/// The function of one number called `name`; of NaN it is not asked.
pub(super) fn of_one(name: &str) -> Option<OfOne> {
    OF_ONE
        .iter()
        .find_map(|(own, function)| (*own == name).then_some(*function))
}

/// The function of two numbers called `name`.
pub(super) fn of_two(name: &str) -> Option<OfTwo> {
    OF_TWO
        .iter()
        .find_map(|(own, function)| (*own == name).then_some(*function))
}

/// The function called `name` that rounds numbers and leaves whole numbers.
pub(super) fn rounding(name: &str) -> Option<OfOne> {
    ROUNDING
        .iter()
        .find_map(|(own, function)| (*own == name).then_some(*function))
}

/// The part of a time called `name`.
pub(super) fn of_time(name: &str) -> Option<OfTime> {
    OF_TIME
        .iter()
        .find_map(|(own, function)| (*own == name).then_some(*function))
}

/// Makes all functions known to the connection.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, function) in OF_ONE {
        connection.create_scalar_function(name, 1, pure, move |context| {
            Ok(number(context, 0)?
                .map(function)
                .filter(|value| !value.is_nan()))
        })?;
    }
    for (name, function) in OF_TWO {
        connection.create_scalar_function(name, 2, pure, move |context| {
            let pair = number(context, 0)?.zip(number(context, 1)?);
            Ok(pair
                .map(|(x, y)| function(x, y))
                .filter(|value| !value.is_nan()))
        })?;
    }
    for (name, function) in ROUNDING {
        connection.create_scalar_function(name, 1, pure, move |context| {
            Ok(match context.get_raw(0) {
                ValueRef::Integer(value) => Value::Integer(value),
                _ => number(context, 0)?.map_or(Value::Null, |value| Value::Real(function(value))),
            })
        })?;
    }
    for (name, function) in OF_TIME {
        connection.create_scalar_function(name, 1, pure, move |context| {
            Ok(context.get::<Option<i64>>(0)?.map(function))
        })?;
    }
    connection.create_scalar_function("pi", 0, pure, |_| Ok(std::f64::consts::PI))?;
    connection.create_scalar_function("epoch_us", 1, pure, |context| match context.get_raw(0) {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(us) => Ok(Some(us)),
        _ => {
            let text: String = context.get(0)?;
            let (us, _) = instant::parse(&text).ok_or_else(|| {
                rusqlite::Error::UserFunctionError(
                    format!("epoch_us: `{text}` is no time; write 2013-01-31T12:05:00Z").into(),
                )
            })?;
            Ok(Some(us))
        }
    })?;
    connection.create_aggregate_function("median", 1, pure, Quantile)?;
    connection.create_aggregate_function("quantile", 2, pure, Quantile)?;
    connection.create_aggregate_function("variance", 1, pure, Spread { root: false })?;
    connection.create_aggregate_function("stddev", 1, pure, Spread { root: true })
}

fn number(context: &Context<'_>, at: usize) -> Result<Option<f64>> {
    context.get::<Option<f64>>(at)
}

/// `median(x)` and `quantile(x, q)`: linear between the two nearest values, as NumPy does by default.
struct Quantile;

#[derive(Default)]
struct Sample {
    values: Vec<f64>,
    share: Option<f64>,
}

impl Aggregate<Sample, Option<f64>> for Quantile {
    fn init(&self, _: &mut Context<'_>) -> Result<Sample> {
        Ok(Sample::default())
    }

    fn step(&self, context: &mut Context<'_>, sample: &mut Sample) -> Result<()> {
        sample.share = Some(if context.len() > 1 {
            context.get(1)?
        } else {
            0.5
        });
        sample.values.extend(number(context, 0)?);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sample: Option<Sample>) -> Result<Option<f64>> {
        let Some(Sample {
            mut values,
            share: Some(share),
        }) = sample
        else {
            return Ok(None);
        };
        if values.is_empty() || !(0.0..=1.0).contains(&share) {
            return Ok(None);
        }
        values.sort_unstable_by(f64::total_cmp);
        let place = share * (values.len() - 1) as f64;
        let below = values[place as usize];
        let above = values[(place as usize + 1).min(values.len() - 1)];
        Ok(Some(below + (above - below) * place.fract()))
    }
}

/// `variance(x)` and `stddev(x)` with ddof 1, by Welford's recurrence.
struct Spread {
    root: bool,
}

#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Aggregate<Moments, Option<f64>> for Spread {
    fn init(&self, _: &mut Context<'_>) -> Result<Moments> {
        Ok(Moments::default())
    }

    fn step(&self, context: &mut Context<'_>, moments: &mut Moments) -> Result<()> {
        if let Some(value) = number(context, 0)? {
            moments.count += 1.0;
            let delta = value - moments.mean;
            moments.mean += delta / moments.count;
            moments.squares += delta * (value - moments.mean);
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, moments: Option<Moments>) -> Result<Option<f64>> {
        Ok(moments
            .filter(|moments| moments.count > 1.0)
            .map(|moments| {
                let variance = moments.squares / (moments.count - 1.0);
                if self.root { variance.sqrt() } else { variance }
            }))
    }
}
