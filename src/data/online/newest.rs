//! Facts -> the newest row of each entity (contract R11): everything, or only what a generation of online values does not
//! have yet. A file is left alone when it is the one that was read before and no row of it became known since, or is in a
//! window that reaches to now. The view's time to live is not applied: who reads an online value judges its age.

use super::batch::{Batch, Header};
use super::{Column, Layout, OnlineColumn, OnlineRow, Scalar, key};
use crate::data::features::{self, History};
use crate::data::keys::{Directory, NONE};
use crate::data::timeline::{Timeline, instants};
use crate::data::{Error, Frame, Result, asof, instant, source, table};
use crate::domain::feature::FeatureView;
use crate::domain::job::{DataSource, MaterializeSpec};
use crate::domain::online::{FileSpan, Reading, Since};
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
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
    reading: Reading,
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
    let Facts {
        frame,
        source,
        mut reading,
    } = facts;
    let history = History::new(view, &frame)?;
    let (columns, winners) = of_entities(view, spec, &frame, &history).map_err(about)?;
    hear(0.7, &format!("{} entities", winners.len()));
    let names = view.stored_names();
    let won = Won {
        history: &history,
        source: &source,
        winners: &winners,
    };
    let stored = stored(view, &won, &names, &columns, frame.rows()).map_err(about)?;
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
        let known = known_at(view, &frame)?;
        let newest = known.into_iter().flatten().filter(|at| *at <= spec.as_of);
        reading.known = reading.known.max(newest.max());
        Ok(Self {
            frame,
            source,
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

/// When facts count: both of their times have passed; the one that is there when the other is missing.
fn known_at(view: &FeatureView, frame: &Frame) -> Result<Vec<Option<i64>>> {
    let event = instants(frame, &view.event_time)?;
    let Some(column) = &view.available_at else {
        return Ok(event.iter().collect());
    };
    let created = instants(frame, column)?;
    Ok(event
        .iter()
        .zip(created.iter())
        .map(|(event, created)| event.max(created))
        .collect())
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
    facts: &Frame,
    history: &History<'_>,
) -> Result<(Frame, Vec<u32>)> {
    let keys = features::columns(view, "", facts, &view.entity.keys)?;
    let (directory, of_facts) = Directory::new(&keys, facts.rows());
    let everyone: Vec<u32> = (0..directory.count() as u32).collect();
    let at = Int64Array::from(vec![spec.as_of; everyone.len()]);
    let asked = Timeline::new(&everyone, everyone.len(), &at, None);
    let latest = asof::latest(&asked, everyone.len(), history.of(&of_facts), None);
    let seen: Vec<u32> = everyone
        .into_iter()
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
    let at = Int64Array::from(vec![spec.as_of; seen.len()]);
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

/// The rows as the store keeps them, in order of key.
fn stored(
    view: &FeatureView,
    won: &Won<'_>,
    names: &[String],
    columns: &Frame,
    facts: usize,
) -> Result<Batch> {
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
            event: at(&history.event, winner),
            created: history
                .created
                .as_ref()
                .and_then(|created| at(created, winner)),
            source: source[winner],
            body,
        });
    }
    rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
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
        rows: rows.len() as u64,
    };
    Ok(Batch { header, rows })
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
    let view = FeatureView {
        // who reads an online value judges its age
        ttl: None,
        ..spec.view.clone()
    };
    let at = Int64Array::from(vec![spec.as_of; sample.len()]);
    let joined = features::join(&view, facts, names, &online, &view.entity.keys, &at)?;
    let mut equality = BTreeMap::new();
    for (name, there) in names.iter().zip(&joined) {
        let (here, there) = (Column::of(online.column(name)?)?, Column::of(there)?);
        let equal = (0..sample.len()).filter(|row| here.value(*row) == there.value(*row));
        equality.insert(name.clone(), (equal.count() as u64, sample.len() as u64));
    }
    Ok(equality)
}
