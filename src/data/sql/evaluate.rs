//! A statement that looks at one row at a time, answered by columns: its expressions are evaluated over blocks of rows, on
//! all cores, with SQLite's semantics. What cannot be is answered by none, and SQLite is asked.

use super::functions;
use super::parse::{Expression, Names, Two, item, parse};
use super::relation::Column;
use super::shape::Shape;
use super::vector::{UNKNOWN, Vector, choose, negated, of_two, order};
use crate::data::Frame;
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// Rows looked at together: their intermediate values stay in the processor's nearest memory.
const BLOCK: usize = 4_096;
/// Fewer rows than this are answered by one thread.
const FEW: usize = 100_000;

/// What is evaluated over a frame.
pub(super) struct Plan {
    items: Vec<Expression>,
    filter: Option<Expression>,
}

impl Plan {
    /// The expressions of a statement over a table of these columns; none when one is not understood.
    pub(super) fn of(shape: &Shape, columns: &[String]) -> Option<Self> {
        let names = Names {
            columns,
            alias: &shape.alias,
        };
        let mut items = Vec::new();
        for tokens in &shape.items {
            items.extend(item(tokens, &names)?);
        }
        let filter = match &shape.filter {
            Some(tokens) => Some(parse(tokens, &names)?),
            None => None,
        };
        Some(Self { items, filter })
    }

    /// Result columns.
    pub(super) fn width(&self) -> usize {
        self.items.len()
    }

    /// Whether result column `at` is a plain column.
    pub(super) fn is_plain(&self, at: usize) -> bool {
        matches!(self.items.get(at), Some(Expression::Column(_)))
    }

    /// The result columns over all rows of `frame`, and how many rows.
    pub(super) fn run(&self, frame: &Frame) -> Option<(Vec<ArrayRef>, usize)> {
        let rows = frame.rows();
        let threads = if rows < FEW {
            1
        } else {
            crate::data::in_order::threads()
        };
        let share = rows.div_ceil(threads).next_multiple_of(BLOCK).max(BLOCK);
        let parts: Vec<Option<Part>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads)
                .map(|thread| {
                    let from = (thread * share).min(rows);
                    let to = ((thread + 1) * share).min(rows);
                    scope.spawn(move || self.part(frame, from, to))
                })
                .collect();
            let first = self.part(frame, 0, share.min(rows));
            let others = others.into_iter().map(|other| other.join().ok().flatten());
            std::iter::once(first).chain(others).collect()
        });
        let parts = parts.into_iter().collect::<Option<Vec<Part>>>()?;
        let rows = parts.iter().map(|part| part.rows).sum();
        let mut columns: Vec<Vec<Grown>> = (0..self.width()).map(|_| Vec::new()).collect();
        for part in parts {
            for (column, grown) in columns.iter_mut().zip(part.columns) {
                column.push(grown);
            }
        }
        let arrays = (self.items.iter().zip(columns)).map(|(item, grown)| match item {
            Expression::Column(place) => plain(frame.batch.column(*place), &grown),
            _ => finish(grown, rows),
        });
        Some((arrays.collect::<Option<_>>()?, rows))
    }

    fn part(&self, frame: &Frame, from: usize, to: usize) -> Option<Part> {
        let mut part = Part {
            columns: self.items.iter().map(|_| Grown::default()).collect(),
            rows: 0,
        };
        let mut at = from;
        while at < to {
            let rows = BLOCK.min(to - at);
            let mut block = Block::of(&frame.batch.slice(at, rows))?;
            at += rows;
            if let Some(filter) = &self.filter {
                let keep = block.evaluate(filter)?.truth()?;
                let keep = BooleanArray::from_iter(keep.iter().map(|truth| Some(*truth == 1)));
                let slice = frame.batch.slice(at - rows, rows);
                let kept = arrow_select::filter::filter_record_batch(&slice, &keep).ok()?;
                if kept.num_rows() == 0 {
                    continue;
                }
                block = Block::of(&kept)?;
            }
            part.rows += block.rows;
            for (item, grown) in self.items.iter().zip(&mut part.columns) {
                if let Expression::Column(place) = item {
                    grown.plain.push(Arc::clone(&block.arrays[*place]));
                } else {
                    grown.push(block.evaluate(item)?)?;
                }
            }
        }
        Some(part)
    }
}

/// Result columns of some rows.
struct Part {
    columns: Vec<Grown>,
    rows: usize,
}

/// Rows whose columns are known by type.
struct Block {
    columns: Vec<Column>,
    arrays: Vec<ArrayRef>,
    rows: usize,
}

impl Block {
    fn of(batch: &arrow_array::RecordBatch) -> Option<Self> {
        let columns = batch
            .columns()
            .iter()
            .map(|array| Column::new(array).ok().map(|(column, _)| column))
            .collect::<Option<_>>()?;
        Some(Self {
            columns,
            arrays: batch.columns().to_vec(),
            rows: batch.num_rows(),
        })
    }

    fn column(&self, place: usize) -> Vector<'_> {
        fn whole<'a>(values: &'a [i64], nulls: Option<&NullBuffer>) -> Vector<'a> {
            let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
                return Vector::Whole(Cow::Borrowed(values), None);
            };
            let valid: Vec<bool> = nulls.iter().collect();
            let values = values
                .iter()
                .zip(&valid)
                .map(|(value, valid)| if *valid { *value } else { 0 })
                .collect();
            Vector::Whole(Cow::Owned(values), Some(valid))
        }
        match &self.columns[place] {
            Column::Integer(array) => whole(array.values(), array.nulls()),
            Column::Time(array) => whole(array.values(), array.nulls()),
            Column::Number(array) => Vector::Number(match array.nulls() {
                Some(nulls) if nulls.null_count() > 0 => Cow::Owned(
                    array
                        .values()
                        .iter()
                        .zip(nulls.iter())
                        .map(|(value, valid)| if valid { *value } else { f64::NAN })
                        .collect(),
                ),
                _ => Cow::Borrowed(array.values()),
            }),
            Column::Boolean(array) => Vector::Truth(
                array
                    .iter()
                    .map(|value| value.map_or(UNKNOWN, u8::from))
                    .collect(),
            ),
            Column::Text(array) => Vector::Text(array.clone()),
        }
    }

    fn evaluate(&self, expression: &Expression) -> Option<Vector<'_>> {
        let rows = self.rows;
        Some(match expression {
            Expression::Column(place) => self.column(*place),
            Expression::Integer(value) => Vector::Whole(Cow::Owned(vec![*value; rows]), None),
            Expression::Real(value) => Vector::Number(Cow::Owned(vec![*value; rows])),
            Expression::Text(text) => Vector::Text(StringArray::from_iter_values(
                std::iter::repeat_n(text, rows),
            )),
            Expression::Null => Vector::Null(rows),
            Expression::Plus(inner) => self.evaluate(inner)?,
            Expression::Minus(inner) => {
                let inner = self.evaluate(inner)?;
                of_two(
                    Two::Subtract,
                    Vector::Whole(Cow::Owned(vec![0; rows]), None),
                    inner,
                )?
            }
            Expression::Not(inner) => Vector::Truth(negated(self.evaluate(inner)?.truth()?)),
            Expression::Two(kind, left, right) => {
                of_two(*kind, self.evaluate(left)?, self.evaluate(right)?)?
            }
            Expression::In(left, list) => self.is_in(left, list)?,
            Expression::Case(branches, last) => {
                let mut chosen = self.evaluate(last)?;
                for (condition, value) in branches.iter().rev() {
                    let condition = self.evaluate(condition)?.truth()?;
                    chosen = choose(&condition, self.evaluate(value)?, chosen)?;
                }
                chosen
            }
            Expression::Call(name, arguments) => self.call(name, arguments)?,
            Expression::ToReal(inner) => Vector::Number(self.evaluate(inner)?.number()?),
            Expression::ToInteger(inner) => match self.evaluate(inner)? {
                Vector::Number(values) => {
                    let valid = values
                        .iter()
                        .any(|value| value.is_nan())
                        .then(|| values.iter().map(|value| !value.is_nan()).collect());
                    let values = values.iter().map(|value| *value as i64).collect();
                    Vector::Whole(Cow::Owned(values), valid)
                }
                Vector::Null(rows) => Vector::Null(rows),
                other => {
                    let (values, valid) = other.whole()?;
                    Vector::Whole(values, valid)
                }
            },
        })
    }

    fn is_in(&self, left: &Expression, list: &[Expression]) -> Option<Vector<'_>> {
        let mut found: Option<Vector<'_>> = None;
        for one in list {
            // a list of many is looked up by SQLite as the type of the column; alike only where that keeps every value
            let exact = match one {
                Expression::Integer(value) => value.abs() <= 1 << 53,
                Expression::Real(_) | Expression::Text(_) | Expression::Null => true,
                _ => false,
            };
            if !exact {
                return None;
            }
            let same = of_two(Two::Equal, self.evaluate(left)?, self.evaluate(one)?)?;
            found = Some(match found {
                None => same,
                Some(before) => of_two(Two::Or, before, same)?,
            });
        }
        found
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Option<Vector<'_>> {
        let of_one = || self.evaluate(arguments.first()?);
        let each = |function: fn(f64) -> f64| -> Option<Vector<'_>> {
            let values = of_one()?.number()?;
            let results = values.iter().map(|value| {
                if value.is_nan() {
                    f64::NAN
                } else {
                    function(*value)
                }
            });
            Some(Vector::Number(Cow::Owned(results.collect())))
        };
        match (name, arguments.len()) {
            ("abs", 1) => match of_one()? {
                Vector::Null(rows) => Some(Vector::Null(rows)),
                Vector::Number(values) => Some(Vector::Number(Cow::Owned(
                    // as SQLite has it: what is less than zero is turned
                    values
                        .iter()
                        .map(|value| if *value < 0.0 { -*value } else { *value })
                        .collect(),
                ))),
                other => {
                    let (values, valid) = other.whole()?;
                    let values = values
                        .iter()
                        .map(|value| value.checked_abs())
                        .collect::<Option<Vec<_>>>()?;
                    Some(Vector::Whole(Cow::Owned(values), valid))
                }
            },
            ("coalesce", _) => {
                let mut last: Option<Vector<'_>> = None;
                for argument in arguments.iter().rev() {
                    let value = self.evaluate(argument)?;
                    last = Some(match last {
                        None => value,
                        Some(last) => {
                            let there: Vec<u8> =
                                value.nulls().iter().map(|null| u8::from(!null)).collect();
                            choose(&there, value, last)?
                        }
                    });
                }
                last
            }
            ("nullif", 2) => {
                let (left, right) = (self.evaluate(&arguments[0])?, self.evaluate(&arguments[1])?);
                let same = of_two(Two::Equal, left.clone(), right)?.truth()?;
                choose(&same, Vector::Null(self.rows), left)
            }
            ("min" | "max", 2..) => self.extreme(name == "max", arguments),
            ("floor" | "ceil" | "ceiling" | "trunc", 1) => match of_one()? {
                whole @ (Vector::Whole(_, _) | Vector::Truth(_)) => Some(whole),
                Vector::Mixed(_, _) => None,
                _ => each(functions::rounding(name)?),
            },
            ("year" | "month" | "day" | "hour" | "minute" | "second" | "weekday", 1) => {
                let function = functions::of_time(name)?;
                match of_one()? {
                    Vector::Null(rows) => Some(Vector::Null(rows)),
                    other => {
                        let (values, valid) = other.whole()?;
                        let values = values.iter().map(|value| function(*value)).collect();
                        Some(Vector::Whole(Cow::Owned(values), valid))
                    }
                }
            }
            ("pi", 0) => Some(Vector::Number(Cow::Owned(vec![
                std::f64::consts::PI;
                self.rows
            ]))),
            (_, 1) => each(functions::of_one(name)?),
            (_, 2) => {
                let function = functions::of_two(name)?;
                let (left, right) = (
                    self.evaluate(&arguments[0])?.number()?,
                    self.evaluate(&arguments[1])?.number()?,
                );
                let results = left.iter().zip(right.iter()).map(|(left, right)| {
                    if left.is_nan() || right.is_nan() {
                        f64::NAN
                    } else {
                        function(*left, *right)
                    }
                });
                Some(Vector::Number(Cow::Owned(results.collect())))
            }
            _ => None,
        }
    }

    /// The least or greatest of several; null where one is.
    fn extreme(&self, most: bool, arguments: &[Expression]) -> Option<Vector<'_>> {
        let mut best = self.evaluate(arguments.first()?)?;
        for argument in &arguments[1..] {
            let next = self.evaluate(argument)?;
            // SQLite keeps the first of equal values for the greatest, the last for the least
            let turns = |order: Ordering| if most { order.is_lt() } else { order.is_ge() };
            best = match (best, next) {
                (Vector::Number(best), Vector::Number(next)) => Vector::Number(Cow::Owned(
                    best.iter()
                        .zip(next.iter())
                        .map(|(best, next)| match best.partial_cmp(next) {
                            None => f64::NAN,
                            Some(order) => {
                                if turns(order) {
                                    *next
                                } else {
                                    *best
                                }
                            }
                        })
                        .collect(),
                )),
                (
                    best @ (Vector::Whole(_, _) | Vector::Truth(_)),
                    next @ (Vector::Whole(_, _) | Vector::Truth(_)),
                ) => {
                    let ((best, there), (next, also)) = (best.whole()?, next.whole()?);
                    let values = best
                        .iter()
                        .zip(next.iter())
                        .map(|(best, next)| if turns(best.cmp(next)) { *next } else { *best });
                    let valid = match (there, also) {
                        (Some(there), Some(also)) => Some(
                            there
                                .iter()
                                .zip(also)
                                .map(|(there, also)| *there && also)
                                .collect(),
                        ),
                        (there, also) => there.or(also),
                    };
                    Vector::Whole(Cow::Owned(values.collect()), valid)
                }
                (Vector::Number(numbers), whole @ (Vector::Whole(_, _) | Vector::Truth(_))) => {
                    Self::mixed_extreme(&numbers, whole, turns)?
                }
                _ => return None,
            };
        }
        Some(best)
    }

    /// Numbers against whole numbers: each row keeps the type of the value that wins.
    fn mixed_extreme<'a>(
        numbers: &[f64],
        whole: Vector<'a>,
        turns: impl Fn(Ordering) -> bool,
    ) -> Option<Vector<'a>> {
        let (values, valid) = whole.whole()?;
        let mut condition = Vec::with_capacity(numbers.len());
        for (row, (number, value)) in numbers.iter().zip(values.iter()).enumerate() {
            let there = valid.as_ref().is_none_or(|valid| valid[row]) && !number.is_nan();
            condition.push(if there {
                u8::from(turns(order(*value, *number).reverse()))
            } else {
                UNKNOWN
            });
        }
        let chosen = choose(
            &condition,
            Vector::Whole(values, valid),
            Vector::Number(Cow::Owned(numbers.to_vec())),
        )?;
        let unknown: Vec<u8> = condition
            .iter()
            .map(|one| u8::from(*one == UNKNOWN))
            .collect();
        choose(&unknown, Vector::Null(numbers.len()), chosen)
    }
}

/// A result column, block under block.
#[derive(Default)]
struct Grown {
    plain: Vec<ArrayRef>,
    nulls: usize,
    whole: Vec<i64>,
    valid: Vec<bool>,
    numbers: Vec<f64>,
    is_whole: Vec<bool>,
    texts: Vec<StringArray>,
    kind: Kind,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    #[default]
    Unknown,
    Whole,
    Number,
    Mixed,
    Text,
}

impl Grown {
    fn push(&mut self, block: Vector<'_>) -> Option<()> {
        let kind = match &block {
            Vector::Null(_) => Kind::Unknown,
            Vector::Truth(_) | Vector::Whole(_, _) => Kind::Whole,
            Vector::Number(_) => Kind::Number,
            Vector::Mixed(_, _) => Kind::Mixed,
            Vector::Text(_) => Kind::Text,
        };
        if self.kind == Kind::Unknown && kind != Kind::Unknown {
            self.kind = kind;
            for _ in 0..std::mem::take(&mut self.nulls) {
                self.push_nulls(1);
            }
        } else if kind != Kind::Unknown && kind != self.kind {
            return None;
        }
        match block {
            Vector::Null(rows) => self.push_nulls(rows),
            Vector::Number(values) => self.numbers.extend_from_slice(&values),
            Vector::Mixed(values, is_whole) => {
                self.numbers.extend(values);
                self.is_whole.extend(is_whole);
            }
            Vector::Text(values) => self.texts.push(values),
            other => {
                let (values, valid) = other.whole()?;
                self.whole.extend_from_slice(&values);
                match valid {
                    Some(valid) => {
                        self.valid.resize(self.whole.len() - valid.len(), true);
                        self.valid.extend(valid);
                    }
                    None if self.valid.is_empty() => {}
                    None => self.valid.resize(self.whole.len(), true),
                }
            }
        }
        Some(())
    }

    fn push_nulls(&mut self, rows: usize) {
        match self.kind {
            Kind::Unknown => self.nulls += rows,
            Kind::Number => self.numbers.resize(self.numbers.len() + rows, f64::NAN),
            Kind::Mixed => {
                self.numbers.resize(self.numbers.len() + rows, f64::NAN);
                self.is_whole.resize(self.numbers.len(), true);
            }
            Kind::Text => self.texts.push(StringArray::new_null(rows)),
            Kind::Whole => {
                self.valid.resize(self.whole.len(), true);
                self.whole.resize(self.whole.len() + rows, 0);
                self.valid.resize(self.whole.len(), false);
            }
        }
    }

    fn whole_array(self) -> Option<Int64Array> {
        let nulls =
            (!self.valid.is_empty()).then(|| NullBuffer::new(BooleanBuffer::from(self.valid)));
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        Int64Array::try_new(self.whole.into(), nulls).ok()
    }
}

/// The column of all parts: its type is that of its values, numbers when there are none.
fn finish(parts: Vec<Grown>, rows: usize) -> Option<ArrayRef> {
    let nothing = || Some(Arc::new(Float64Array::new_null(rows)) as ArrayRef);
    let mut kind = Kind::Unknown;
    for part in &parts {
        if part.kind != Kind::Unknown {
            if kind != Kind::Unknown && kind != part.kind {
                return None;
            }
            kind = part.kind;
        }
    }
    let mut whole = Grown {
        kind,
        ..Grown::default()
    };
    let only = parts.len() == 1;
    for mut part in parts {
        if part.kind == Kind::Unknown {
            whole.push_nulls(part.nulls);
        } else if only {
            whole = part;
        } else {
            let valid = std::mem::take(&mut part.valid);
            if !valid.is_empty() || !whole.valid.is_empty() {
                whole.valid.resize(whole.whole.len(), true);
                whole.valid.extend(valid);
                whole
                    .valid
                    .resize(whole.whole.len() + part.whole.len(), true);
            }
            whole.whole.append(&mut part.whole);
            whole.numbers.append(&mut part.numbers);
            whole.is_whole.append(&mut part.is_whole);
            whole.texts.append(&mut part.texts);
        }
    }
    match kind {
        Kind::Unknown => nothing(),
        Kind::Number => {
            let array = numbers(whole.numbers)?;
            if array.null_count() == rows {
                nothing()
            } else {
                Some(Arc::new(array))
            }
        }
        Kind::Mixed => {
            let all_whole = whole
                .numbers
                .iter()
                .zip(&whole.is_whole)
                .all(|(value, is_whole)| *is_whole || value.is_nan());
            let array = numbers(whole.numbers)?;
            if array.null_count() == rows {
                nothing()
            } else if all_whole {
                Some(Arc::new(array.unary::<_, arrow_array::types::Int64Type>(
                    |value| value as i64,
                )))
            } else {
                Some(Arc::new(array))
            }
        }
        Kind::Whole => {
            let array = whole.whole_array()?;
            if array.null_count() == rows {
                nothing()
            } else {
                Some(Arc::new(array))
            }
        }
        Kind::Text => {
            let nulls: usize = whole.texts.iter().map(Array::null_count).sum();
            if nulls == rows {
                return nothing();
            }
            let bytes: usize = whole
                .texts
                .iter()
                .map(|texts| texts.value_data().len())
                .sum();
            if i32::try_from(bytes).is_err() {
                return None;
            }
            let mut builder = StringBuilder::with_capacity(rows, bytes);
            for texts in &whole.texts {
                texts.iter().for_each(|text| builder.append_option(text));
            }
            Some(Arc::new(builder.finish()))
        }
    }
}

/// Numbers, NaN made null.
fn numbers(values: Vec<f64>) -> Option<Float64Array> {
    let nulls = values.iter().any(|value| value.is_nan()).then(|| {
        NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| {
            !values[row].is_nan()
        }))
    });
    Float64Array::try_new(values.into(), nulls).ok()
}

/// A plain column as SQLite gives it back: NaN is null.
fn plain(column: &ArrayRef, parts: &[Grown]) -> Option<ArrayRef> {
    let arrays: Vec<&dyn Array> = parts
        .iter()
        .flat_map(|part| part.plain.iter().map(AsRef::as_ref))
        .collect();
    let rows: usize = arrays.iter().map(|array| array.len()).sum();
    let whole = if rows == column.len() {
        Arc::clone(column)
    } else if arrays.is_empty() {
        column.slice(0, 0)
    } else {
        arrow_select::concat::concat(&arrays).ok()?
    };
    without_nan(&whole)
}

fn without_nan(column: &ArrayRef) -> Option<ArrayRef> {
    use arrow_array::cast::AsArray;
    if column.data_type() != &arrow_schema::DataType::Float64 {
        return Some(Arc::clone(column));
    }
    let values = column.as_primitive::<arrow_array::types::Float64Type>();
    if !values.values().iter().any(|value| value.is_nan()) {
        return Some(Arc::clone(column));
    }
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| {
        values.is_valid(row) && !values.value(row).is_nan()
    }));
    Some(Arc::new(
        Float64Array::try_new(values.values().clone(), Some(nulls)).ok()?,
    ))
}
