//! Facts -> the newest row of each entity (contract R11), from everything or only from what a generation of online values
//! does not have yet. The view's time to live is not applied: who reads an online value judges its age.

use super::batch::{Batch, Header};
use super::facts::Facts;
use super::gathered::{All, compared, newest_of};
use super::pack::{Packed, Packer};
use super::{Column, Layout, OnlineColumn, Scalar, key};
use crate::data::features::{self, History};
use crate::data::keys::{Directory, NONE};
use crate::data::timeline::Timeline;
use crate::data::{Error, Frame, Result};
use crate::domain::feature::FeatureView;
use crate::domain::job::MaterializeSpec;
use crate::domain::online::Reading;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use std::collections::BTreeMap;

/// What came out of the facts.
#[derive(Debug)]
pub struct Newest {
    /// The rows for the online store.
    pub batch: Batch,
    /// What was read.
    pub reading: Reading,
    /// The features of those rows as columns.
    pub table: Frame,
    /// The newest event time among them, microseconds.
    pub watermark: Option<i64>,
}

/// The facts that won: positions, and where their times and files are.
struct Won<'a> {
    history: &'a History<'a>,
    source: &'a [i32],
    winners: &'a [u32],
}

/// The newest rows of `spec`'s view. `hear` is told the share done and what is being done.
pub fn newest(spec: &MaterializeSpec, hear: &mut dyn FnMut(f64, &str)) -> Result<Newest> {
    let view = &spec.view;
    let about = |error: Error| Error::new(format!("feature view `{}`: {error}", view.name));
    let facts = Facts::load(spec, hear).map_err(about)?;
    hear(0.5, "looking for the newest facts");
    let Facts { all, mut reading } = facts;
    let names = view.stored_names();
    let Counted {
        columns,
        mut batch,
        watermark,
    } = counted(view, &all.facts, &all.source, spec.as_of).map_err(about)?;
    hear(0.7, &format!("{} entities", columns.rows()));
    if reading.incremental {
        // nothing but nulls is of no type, and what was there before keeps its own
        let holds = |column: &OnlineColumn| {
            let array = columns.column(&column.name);
            array.is_ok_and(|array| array.null_count() < array.len())
        };
        batch.header.layout.columns.retain(holds);
    }
    if !reading.incremental && spec.from.is_none() {
        reading.equality = equality(spec, &all, &columns, &names).map_err(about)?;
    }
    Ok(Newest {
        table: columns.select(&names)?,
        batch,
        reading,
        watermark,
    })
}

/// Every entity that has a fact by the instant.
pub(super) struct Counted {
    /// Keys and features as columns.
    pub(super) columns: Frame,
    /// The features as the store keeps them.
    pub(super) batch: Batch,
    /// The newest event time.
    watermark: Option<i64>,
}

/// What counts by the instant. `source`: where each fact is from.
pub(super) fn counted(
    view: &FeatureView,
    facts: &Frame,
    source: &[i32],
    as_of: i64,
) -> Result<Counted> {
    let history = History::new(view, facts)?;
    let (columns, winners) = of_entities(view, as_of, facts, &history)?;
    let won = Won {
        history: &history,
        source,
        winners: &winners,
    };
    let names = view.stored_names();
    let (batch, watermark) = stored(view, &won, &names, &columns, facts.rows())?;
    Ok(Counted {
        columns,
        batch,
        watermark,
    })
}

/// Keys and features of every entity that has a fact by the instant, and the position of the fact that won.
fn of_entities(
    view: &FeatureView,
    as_of: i64,
    facts: &Frame,
    history: &History<'_>,
) -> Result<(Frame, Vec<u32>)> {
    let keys = features::columns(view, "", facts, &view.entity.keys)?;
    let (directory, of_facts) = Directory::new(&keys, facts.rows());
    let latest = newest_of(as_of, directory.count(), history, &of_facts);
    let seen: Vec<u32> = (0..directory.count() as u32)
        .filter(|entity| latest.is_valid(*entity as usize))
        .collect();
    let winners: Vec<u32> = seen
        .iter()
        .map(|entity| latest.value(*entity as usize))
        .collect();
    let places = UInt32Array::from(winners.clone());
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for name in view.entity.keys.iter().chain(&view.columns) {
        if !columns.iter().any(|(there, _)| there == name) {
            let taken = arrow_select::take::take(facts.column(name)?, &places, None)
                .map_err(|error| Error::new(format!("`{name}`: {error}")))?;
            columns.push((name.clone(), taken));
        }
    }
    let at = Int64Array::from(vec![as_of; seen.len()]);
    let asked = Timeline::new(&seen, directory.count(), &at, None);
    columns.extend(windows(view, history, &of_facts, &asked, seen.len())?);
    Ok((Frame::from_columns_of(columns, seen.len())?, winners))
}

/// All windows of the view for rows on a timeline.
fn windows(
    view: &FeatureView,
    history: &History<'_>,
    of_facts: &[u32],
    rows: &Timeline,
    count: usize,
) -> Result<Vec<(String, ArrayRef)>> {
    let names = window_names(view);
    let arrays = history.windows(&names, of_facts, rows, count)?;
    Ok(names
        .into_iter()
        .zip(arrays.into_iter().flatten())
        .collect())
}

fn window_names(view: &FeatureView) -> Vec<String> {
    let names = view.stored_names();
    names.into_iter().skip(view.columns.len()).collect()
}

/// The rows as the store keeps them, in order of key, and the newest event time among them.
fn stored(
    view: &FeatureView,
    won: &Won<'_>,
    names: &[String],
    columns: &Frame,
    facts: usize,
) -> Result<(Batch, Option<i64>)> {
    let Won {
        history,
        source,
        winners,
    } = won;
    let values = |names: &[String]| {
        names
            .iter()
            .map(|name| Column::of(columns.column(name)?))
            .collect::<Result<Vec<_>>>()
    };
    let key_values = values(&view.entity.keys)?;
    let feature_values = values(names)?;
    let at = |times: &Int64Array, row: usize| times.is_valid(row).then(|| times.value(row));
    let keys = Keys::of(&key_values, winners.len());
    let mut packs = Vec::new();
    let mut packer = Packer::default();
    let mut body = Vec::new();
    let mut newest = None;
    for (key, row) in keys.in_order() {
        let winner = winners[row] as usize;
        body.clear();
        for column in &feature_values {
            column.value(row).store(&mut body);
        }
        let event = at(&history.event, winner);
        newest = newest.max(event);
        packs.extend(
            packer.add(&Packed {
                key,
                event,
                created: history
                    .created
                    .as_ref()
                    .and_then(|created| at(created, winner)),
                source: source[winner],
                body: &body,
            }),
        );
    }
    packs.extend(packer.end());
    let of_columns = view.columns.len();
    let header = Header {
        id: String::new(),
        layout: if facts == 0 {
            Layout::default()
        } else {
            let columns = names.iter().map(|name| {
                Ok(OnlineColumn {
                    name: name.clone(),
                    kind: columns.kind(name)?,
                })
            });
            Layout {
                columns: columns.collect::<Result<_>>()?,
            }
        },
        windows: (of_columns..names.len()).collect(),
        empty: if view.windows.is_empty() || facts == 0 {
            Vec::new()
        } else {
            empty(view, history, facts)?
        },
        rows: keys.order.len() as u64,
    };
    Ok((Batch { header, packs }, newest))
}

/// The keys of rows, one after the other in memory.
struct Keys {
    bytes: Vec<u8>,
    /// Of each key that is somebody its first eight bytes, where it is, and its row; in order of key.
    order: Vec<(u64, std::ops::Range<usize>, u32)>,
}

impl Keys {
    fn of(columns: &[Column<'_>], rows: usize) -> Self {
        let mut bytes = Vec::with_capacity(16 * rows);
        let mut order = Vec::with_capacity(rows);
        for row in 0..rows {
            let from = bytes.len();
            if key::put(&mut bytes, columns.iter().map(|column| column.value(row))) {
                let key = &bytes[from..];
                let mut first = [0; 8];
                let long = key.len().min(8);
                first[..long].copy_from_slice(&key[..long]);
                order.push((u64::from_be_bytes(first), from..bytes.len(), row as u32));
            }
        }
        order.sort_unstable_by(|(one, at, _), (other, beside, _)| {
            one.cmp(other)
                .then_with(|| bytes[at.clone()].cmp(&bytes[beside.clone()]))
        });
        Self { bytes, order }
    }

    /// Each key and its row.
    fn in_order(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let order = self.order.iter();
        order.map(|(_, at, row)| (&self.bytes[at.clone()], *row as usize))
    }
}

/// A body with nulls, and the windows as they are without any event.
fn empty(view: &FeatureView, history: &History<'_>, facts: usize) -> Result<Vec<u8>> {
    let row = Timeline::new(&[0], 1, &Int64Array::from(vec![0]), None);
    let mut body = Vec::new();
    for _ in &view.columns {
        Scalar::Null.store(&mut body);
    }
    for (_, array) in windows(view, history, &vec![NONE; facts], &row, 1)? {
        Column::of(&array)?.value(0).store(&mut body);
    }
    Ok(body)
}

/// Some of the entities joined offline as of the same instant: how many values are equal, by feature.
fn equality(
    spec: &MaterializeSpec,
    all: &All,
    online: &Frame,
    names: &[String],
) -> Result<BTreeMap<String, (u64, u64)>> {
    let keys = features::columns(&spec.view, "", online, &spec.view.entity.keys)?;
    let sample = compared(&keys, online.rows(), all.compared);
    if sample.is_empty() {
        return Ok(BTreeMap::new());
    }
    let online = online.take(&sample)?;
    let view = FeatureView {
        // who reads an online value judges its age
        ttl: None,
        ..spec.view.clone()
    };
    let at = Int64Array::from(vec![spec.as_of; sample.len()]);
    let joined = features::join(&view, &all.facts, names, &online, &view.entity.keys, &at)?;
    let mut equality = BTreeMap::new();
    for (name, there) in names.iter().zip(&joined) {
        let (here, there) = (Column::of(online.column(name)?)?, Column::of(there)?);
        let equal = (0..sample.len()).filter(|row| here.value(*row) == there.value(*row));
        equality.insert(name.clone(), (equal.count() as u64, sample.len() as u64));
    }
    Ok(equality)
}
