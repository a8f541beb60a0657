//! Facts -> the newest row of each entity (contract R11): everything, or only what a generation of online values does not
//! have yet. A file is left alone when it is the one that was read before and no row of it became known since, or is in a
//! window that reaches to now. The view's time to live is not applied: who reads an online value judges its age.

use super::batch::{Batch, Header};
use super::{Column, Layout, OnlineColumn, OnlineRow, Scalar, key};
use crate::data::asof::{self, Timeline};
use crate::data::{Error, Frame, Result, features, instant, keys, source, table, window};
use crate::domain::feature::{Aggregate, FeatureView};
use crate::domain::job::{DataSource, MaterializeSpec};
use crate::domain::online::{FileSpan, Reading, Since};
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray, UInt32Array};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Entities whose values are compared with the offline join.
const CHECKED: usize = 16;

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

/// The facts that count, and which file each is from.
struct Facts {
    frame: Frame,
    source: Vec<i32>,
    event: Vec<Option<i64>>,
    created: Option<Vec<Option<i64>>>,
    known: Vec<Option<i64>>,
    reading: Reading,
}

/// The newest rows of `spec`'s view. `hear` is told the share done and what is being done.
pub fn newest(spec: &MaterializeSpec, hear: &mut dyn FnMut(f64, &str)) -> Result<Newest> {
    let view = &spec.view;
    let about = |error: Error| Error::new(format!("feature view `{}`: {error}", view.name));
    let facts = Facts::load(spec, hear).map_err(about)?;
    hear(0.5, "looking for the newest facts");
    let (columns, winners) = of_entities(view, spec, &facts).map_err(about)?;
    hear(0.7, &format!("{} entities", winners.len()));
    let names = view.stored_names();
    let stored = stored(view, &facts, &names, &columns, &winners).map_err(about)?;
    let Facts {
        frame, mut reading, ..
    } = facts;
    if !reading.incremental && spec.from.is_none() {
        reading.equality = equality(spec, &frame, &columns, &names).map_err(about)?;
    }
    let watermark = stored.rows.iter().filter_map(|row| row.event).max();
    Ok(Newest {
        table: columns.select(&names)?,
        batch: stored,
        reading,
        watermark,
    })
}

/// The columns of a view's dataset that its values are made of.
fn needed(view: &FeatureView) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let all = view
        .entity
        .keys
        .iter()
        .chain([&view.event_time])
        .chain(&view.available_at)
        .chain(&view.columns)
        .chain(view.windows.iter().map(|window| &window.column));
    for name in all {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The longest window, microseconds; none without windows.
fn longest(view: &FeatureView) -> Option<i64> {
    let lengths = view.windows.iter().flat_map(|window| &window.over);
    lengths.map(|(_, length)| *length).max()
}

impl Facts {
    fn load(spec: &MaterializeSpec, hear: &mut dyn FnMut(f64, &str)) -> Result<Self> {
        match &spec.source {
            DataSource::Files(snapshot) => {
                let since = spec.since.as_ref().filter(|since| {
                    // a file that is gone or changed took its facts with it: everything is read
                    let mut before = since.files.iter();
                    (spec.as_of >= since.as_of || spec.from.is_some())
                        && before.all(|old| {
                            let mut now = snapshot.files.iter();
                            now.any(|file| {
                                file.path == old.stamp.path && file.sha256 == old.stamp.sha256
                            })
                        })
                });
                Self::of_files(spec, &snapshot.files, since, hear)
            }
            DataSource::Sql { .. } => {
                hear(0.0, &format!("reading {}", spec.source.name()));
                let frame = table::load(&spec.source)?;
                let source = vec![0; frame.rows()];
                let reading = Reading {
                    facts: frame.rows() as u64,
                    ..Reading::default()
                };
                Self::new(spec, frame, source, reading)
            }
        }
    }

    fn of_files(
        spec: &MaterializeSpec,
        files: &[crate::domain::dataset::FileStamp],
        since: Option<&Since>,
        hear: &mut dyn FnMut(f64, &str),
    ) -> Result<Self> {
        let view = &spec.view;
        if let (Some(_), Some(since), Some(_)) = (spec.from, since, longest(view))
            && spec.as_of < since.as_of
        {
            return Err(Error::new(format!(
                "it has windows, and they are as of {} already; leave `from` out to go back to {}",
                instant::format(since.as_of, true),
                instant::format(spec.as_of, true)
            )));
        }
        let names = needed(view);
        let mut reading = Reading {
            incremental: since.is_some(),
            files: since.map(|since| since.files.clone()).unwrap_or_default(),
            ..Reading::default()
        };
        let window_from = longest(view).map(|length| spec.as_of.saturating_sub(length));
        let mut frames = Vec::new();
        let mut labels = Vec::new();
        let mut source = Vec::new();
        for (number, stamp) in files.iter().enumerate() {
            let place = reading
                .files
                .iter()
                .position(|file| file.stamp.path == stamp.path);
            if let (Some(since), Some(place)) = (since, place) {
                let last = reading.files[place].known.map(|(_, last)| last);
                let news = last.is_some_and(|last| last > since.as_of);
                let in_window = last
                    .zip(window_from)
                    .is_some_and(|(last, from)| last > from);
                if !news && !in_window && spec.from.is_none() {
                    continue;
                }
            }
            hear(
                0.5 * number as f64 / files.len() as f64,
                &format!("reading {}", stamp.path),
            );
            source::verify(stamp)?;
            let mut frame = source::read(&[PathBuf::from(&stamp.path)], Some(&names))?;
            let known = known_at(view, &frame)?;
            reading.facts += frame.rows() as u64;
            reading.files_read += 1;
            let place = match place {
                Some(place) => place,
                None => {
                    let dated = || known.iter().flatten().copied();
                    reading.files.push(FileSpan {
                        stamp: stamp.clone(),
                        known: dated().min().zip(dated().max()),
                    });
                    if let Some(watermark) = since.and_then(|since| since.known)
                        && spec.from.is_none()
                    {
                        frame = in_time(view, frame, &known, watermark, &mut reading)?;
                    }
                    reading.files.len() - 1
                }
            };
            source.resize(source.len() + frame.rows(), place as i32);
            frames.push(frame);
            labels.push(stamp.path.clone());
        }
        reading.known = since.and_then(|since| since.known);
        let frame = if frames.is_empty() {
            nothing(&names)?
        } else {
            Frame::concat_named(&labels, &frames)?
        };
        Self::new(spec, frame, source, reading)
    }

    fn new(
        spec: &MaterializeSpec,
        mut frame: Frame,
        mut source: Vec<i32>,
        mut reading: Reading,
    ) -> Result<Self> {
        let view = &spec.view;
        if let Some(from) = spec.from {
            // facts before that matter only as far as a window reaches back
            let from = from.saturating_sub(longest(view).unwrap_or(0));
            let at = match longest(view) {
                Some(_) => known_at(view, &frame)?,
                None => frame.times(&view.event_time)?,
            };
            let kept: Vec<u32> = (0..frame.rows() as u32)
                .filter(|row| at[*row as usize].is_some_and(|at| at >= from))
                .collect();
            source = kept.iter().map(|row| source[*row as usize]).collect();
            frame = frame.take(&kept)?;
        }
        let event = frame.times(&view.event_time)?;
        let created = match &view.available_at {
            Some(column) => Some(frame.times(column)?),
            None => None,
        };
        let known = known(&event, created.as_deref());
        let newest = known.iter().flatten().filter(|at| **at <= spec.as_of).max();
        reading.known = reading.known.max(newest.copied());
        Ok(Self {
            frame,
            source,
            event,
            created,
            known,
            reading,
        })
    }
}

/// Columns without rows: numbers, so that whatever is asked of them works.
fn nothing(names: &[String]) -> Result<Frame> {
    let columns = names.iter().map(|name| {
        let column: ArrayRef = Arc::new(arrow_array::Float64Array::new_null(0));
        (name.clone(), column)
    });
    Frame::from_columns(columns.collect())
}

/// When facts could be known: both times have passed; null when one is missing.
fn known(event: &[Option<i64>], created: Option<&[Option<i64>]>) -> Vec<Option<i64>> {
    match created {
        None => event.to_vec(),
        Some(created) => event
            .iter()
            .zip(created)
            .map(|(event, created)| Some((*event)?.max((*created)?)))
            .collect(),
    }
}

fn known_at(view: &FeatureView, frame: &Frame) -> Result<Vec<Option<i64>>> {
    let event = frame.times(&view.event_time)?;
    let created = match &view.available_at {
        Some(column) => Some(frame.times(column)?),
        None => None,
    };
    Ok(known(&event, created.as_deref()))
}

/// The facts of a file that is new since the watermark, without those that came later than is allowed.
fn in_time(
    view: &FeatureView,
    frame: Frame,
    known: &[Option<i64>],
    watermark: i64,
    reading: &mut Reading,
) -> Result<Frame> {
    let limit = view
        .allowed_lateness
        .map(|allowed| watermark.saturating_sub(allowed));
    let late = |at: &Option<i64>| at.is_some_and(|at| at <= watermark);
    let too_late = |at: &Option<i64>| at.zip(limit).is_some_and(|(at, limit)| at < limit);
    let left_out = known.iter().filter(|at| too_late(at)).count() as u64;
    reading.late += known.iter().filter(|at| late(at)).count() as u64 - left_out;
    reading.too_late += left_out;
    if left_out == 0 {
        return Ok(frame);
    }
    let kept: Vec<u32> = (0..frame.rows() as u32)
        .filter(|row| !too_late(&known[*row as usize]))
        .collect();
    frame.take(&kept)
}

/// Keys and features of every entity that has a fact by the instant, and the position of the fact that won.
fn of_entities(
    view: &FeatureView,
    spec: &MaterializeSpec,
    facts: &Facts,
) -> Result<(Frame, Vec<u32>)> {
    let key_columns = view
        .entity
        .keys
        .iter()
        .map(|key| facts.frame.column(key))
        .collect::<Result<Vec<_>>>()?;
    let rows = facts.frame.rows();
    let entities = keys::entities(&key_columns, rows, &key_columns, rows)?;
    let everyone: Vec<u32> = (0..entities.count as u32).collect();
    let at = vec![Some(spec.as_of); everyone.len()];
    let latest = asof::latest(
        asof::Rows {
            entity: &everyone,
            at: &at,
        },
        asof::Facts {
            entity: &entities.rows,
            event: &facts.event,
            created: facts.created.as_deref(),
            known_as_of: facts.created.is_some(),
        },
        entities.count,
        None,
    );
    let seen: Vec<u32> = everyone
        .iter()
        .copied()
        .filter(|entity| latest.is_valid(*entity as usize))
        .collect();
    let winners: Vec<u32> = seen
        .iter()
        .map(|entity| latest.value(*entity as usize))
        .collect();
    let taken = |name: &str, rows: &[u32]| -> Result<ArrayRef> {
        arrow_select::take::take(
            facts.frame.column(name)?,
            &UInt32Array::from(rows.to_vec()),
            None,
        )
        .map_err(|error| Error::new(format!("`{name}`: {error}")))
    };
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for name in view.entity.keys.iter().chain(&view.columns) {
        if !columns.iter().any(|(there, _)| there == name) {
            columns.push((name.clone(), taken(name, &winners)?));
        }
    }
    if !view.windows.is_empty() {
        let events = Timeline::new(
            &entities.rows,
            entities.count,
            &facts.known,
            Some(&facts.event),
        );
        let at = vec![Some(spec.as_of); seen.len()];
        let asked = Timeline::new(&seen, entities.count, &at, None);
        columns.extend(windows(view, &facts.frame, &events, &asked, seen.len())?);
    }
    Ok((Frame::from_columns_of(columns, seen.len())?, winners))
}

/// All windows of the view for rows on a timeline.
fn windows(
    view: &FeatureView,
    facts: &Frame,
    events: &Timeline,
    rows: &Timeline,
    count: usize,
) -> Result<Vec<(String, ArrayRef)>> {
    let mut columns = Vec::new();
    for one in &view.windows {
        let (names, wanted): (Vec<String>, Vec<(Aggregate, i64)>) = one
            .feature_names()
            .into_iter()
            .map(|(name, aggregate, length)| (name, (aggregate, length)))
            .unzip();
        let arrays = window::aggregate(facts.column(&one.column)?, events, rows, count, &wanted)
            .map_err(|error| Error::new(format!("windows over `{}`: {error}", one.column)))?;
        columns.extend(names.into_iter().zip(arrays));
    }
    Ok(columns)
}

/// The rows as the store keeps them, in order of key.
fn stored(
    view: &FeatureView,
    facts: &Facts,
    names: &[String],
    columns: &Frame,
    winners: &[u32],
) -> Result<Batch> {
    let values = |names: &[String]| {
        names
            .iter()
            .map(|name| Column::of(columns.column(name)?))
            .collect::<Result<Vec<_>>>()
    };
    let key_values = values(&view.entity.keys)?;
    let feature_values = values(names)?;
    let mut rows: Vec<OnlineRow> = Vec::with_capacity(winners.len());
    for (row, winner) in winners.iter().enumerate() {
        let winner = *winner as usize;
        let Some(key) = key::of(key_values.iter().map(|column| column.value(row))) else {
            continue;
        };
        let mut body = Vec::with_capacity(9 * names.len());
        for column in &feature_values {
            column.value(row).store(&mut body);
        }
        rows.push(OnlineRow {
            key,
            event: facts.event[winner],
            created: facts.created.as_ref().and_then(|created| created[winner]),
            source: facts.source[winner],
            body,
        });
    }
    rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let of_columns = view.columns.len();
    let header = Header {
        id: String::new(),
        layout: if facts.frame.rows() == 0 {
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
        empty: if view.windows.is_empty() || facts.frame.rows() == 0 {
            Vec::new()
        } else {
            empty(view, &facts.frame)?
        },
        rows: rows.len() as u64,
    };
    Ok(Batch { header, rows })
}

/// A body with nulls, and the windows as they are without any event.
fn empty(view: &FeatureView, facts: &Frame) -> Result<Vec<u8>> {
    let nobody = vec![keys::NONE; facts.rows()];
    let events = Timeline::new(&nobody, 1, &vec![None; facts.rows()], None);
    let row = Timeline::new(&[0], 1, &[Some(0)], None);
    let mut body = Vec::new();
    for _ in &view.columns {
        Scalar::Null.store(&mut body);
    }
    for (_, array) in windows(view, facts, &events, &row, 1)? {
        Column::of(&array)?.value(0).store(&mut body);
    }
    Ok(body)
}

/// Some of the entities joined offline as of the same instant: how many values are equal, by feature.
fn equality(
    spec: &MaterializeSpec,
    facts: &Frame,
    online: &Frame,
    names: &[String],
) -> Result<BTreeMap<String, (u64, u64)>> {
    let step = (online.rows() / CHECKED).max(1);
    let sample: Vec<u32> = (0..online.rows())
        .step_by(step)
        .take(CHECKED)
        .map(|row| row as u32)
        .collect();
    if sample.is_empty() {
        return Ok(BTreeMap::new());
    }
    let online = online.take(&sample)?;
    let at: TimestampMicrosecondArray = vec![Some(spec.as_of); sample.len()].into();
    let asked = online
        .select(&spec.view.entity.keys)?
        .with("__as_of", Arc::new(at.with_timezone("UTC")))?;
    let view = FeatureView {
        // who reads an online value judges its age
        ttl: None,
        ..spec.view.clone()
    };
    let at = vec![Some(spec.as_of); sample.len()];
    let joined = features::join(&view, facts, names, &asked, &view.entity.keys, &at)?;
    let mut equality = BTreeMap::new();
    for (name, there) in names.iter().zip(&joined) {
        let (here, there) = (Column::of(online.column(name)?)?, Column::of(there)?);
        let equal = (0..sample.len()).filter(|row| here.value(*row) == there.value(*row));
        equality.insert(name.clone(), (equal.count() as u64, sample.len() as u64));
    }
    Ok(equality)
}
