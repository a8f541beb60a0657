//! `DataSource` and `TableSpec` -> frames: datasets loaded, derived datasets queried, features joined.

use super::frame::quoted;
use super::{Error, Frame, Result, features, file_join, source, sql};
use crate::domain::dataset::{ColumnKind, Snapshot};
use crate::domain::job::{DataSource, MaterializeSpec, TableSpec, ViewUse};
use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use arrow_schema::DataType;
use std::path::PathBuf;
use std::sync::Arc;

/// A dataset's rows. Fails when a file is not the one that was hashed.
pub fn load(source: &DataSource) -> Result<Frame> {
    Sources::new(LARGE).load(source)
}

/// Files of a dataset that come to more bytes than this pass by when features are joined from them; others are read once
/// for all that ask. In memory, Parquet is several times as large.
const LARGE: u64 = 64 << 20;

/// Datasets read so far: each is read once.
struct Sources {
    loaded: Vec<(DataSource, Frame)>,
    large: u64,
}

impl Sources {
    fn new(large: u64) -> Self {
        Self {
            loaded: Vec::new(),
            large,
        }
    }

    /// The files of a dataset that is not read whole to be joined.
    fn large<'a>(&self, wanted: &'a DataSource) -> Option<&'a Snapshot> {
        let DataSource::Files(snapshot) = wanted else {
            return None;
        };
        let is_there = self.loaded.iter().any(|(source, _)| source == wanted);
        let bytes: u64 = snapshot.files.iter().map(|stamp| stamp.bytes).sum();
        (!is_there && bytes > self.large).then_some(snapshot)
    }

    fn load(&mut self, wanted: &DataSource) -> Result<Frame> {
        if let Some((_, frame)) = self.loaded.iter().find(|(source, _)| source == wanted) {
            return Ok(frame.clone());
        }
        let about = |error: Error| Error::new(format!("dataset `{}`: {error}", wanted.name()));
        let frame = match wanted {
            DataSource::Files(snapshot) => {
                if snapshot.files.is_empty() {
                    return Err(about(Error::new("it has no files")));
                }
                snapshot
                    .files
                    .iter()
                    .try_for_each(source::verify)
                    .map_err(about)?;
                let paths: Vec<PathBuf> = snapshot
                    .files
                    .iter()
                    .map(|stamp| PathBuf::from(&stamp.path))
                    .collect();
                source::read(&paths, None).map_err(about)?
            }
            DataSource::Sql {
                sql: statement,
                from,
                ..
            } => {
                let mut tables = Vec::with_capacity(from.len());
                for one in from {
                    tables.push((one.name().to_owned(), self.load(one)?));
                }
                sql::query(&tables, statement).map_err(about)?
            }
        };
        self.loaded.push((wanted.clone(), frame.clone()));
        Ok(frame)
    }
}

/// Rows with their features: rows of [from, to), sorted by timestamp when there is one, with the columns
/// row key, timestamp, target, target_known_at (those that are set) and then the inputs in order.
/// Rows whose target is null stay (`ml::Target` leaves them out). `progress` hears the share done and what is being done.
pub fn build(spec: &TableSpec, progress: &mut dyn FnMut(f64, &str)) -> Result<Frame> {
    build_with(spec, Sources::new(LARGE), progress)
}

fn build_with(
    spec: &TableSpec,
    mut sources: Sources,
    progress: &mut dyn FnMut(f64, &str),
) -> Result<Frame> {
    let steps = (1 + 2 * spec.views.len()) as f64;
    progress(0.0, &format!("reading {}", spec.rows.name()));
    let about = |error: Error| Error::new(format!("dataset `{}`: {error}", spec.rows.name()));
    let mut rows = sources.load(&spec.rows)?;
    let mut at = Int64Array::from(Vec::<i64>::new());
    match &spec.timestamp {
        Some(timestamp) => {
            (rows, at) = in_time(&rows, timestamp, spec.from, spec.to).map_err(about)?
        }
        None if spec.from.is_some() || spec.to.is_some() => {
            return Err(about(Error::new(
                "a span of time was asked for, but no timestamp column is named",
            )));
        }
        None if !spec.views.is_empty() => {
            return Err(about(Error::new(
                "features are joined as of a time, but no timestamp column is named",
            )));
        }
        None => {}
    }
    for (number, used) in spec.views.iter().enumerate() {
        let reading = (1 + 2 * number) as f64 / steps;
        let joining = (2 + 2 * number) as f64 / steps;
        progress(reading, &format!("reading {}", used.source.name()));
        let features = match sources.large(&used.source) {
            Some(snapshot) => file_join::of_rows(used, snapshot, &rows, &at)?,
            None => {
                let facts = sources.load(&used.source)?;
                progress(joining, &format!("joining {}", used.view.name));
                features::join(&used.view, &facts, &used.features, &rows, &used.keys, &at)?
            }
        };
        rows = joined(&rows, used, features)?;
    }
    let table = arranged(&rows, spec).map_err(about)?;
    progress(1.0, &format!("{} rows", table.rows()));
    Ok(table)
}

/// A column of `kind` without rows.
pub(super) fn empty(kind: ColumnKind) -> ArrayRef {
    let data_type = match kind {
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Number => DataType::Float64,
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::Time => super::types::utc_time(),
    };
    arrow_array::new_empty_array(&data_type)
}

/// Rows of [from, to), sorted by time (rows without one last, and only when no span is asked for), and their times.
fn in_time(
    rows: &Frame,
    timestamp: &str,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<(Frame, Int64Array)> {
    let times = rows.times(timestamp)?;
    let mut kept: Vec<u32> = (0..rows.rows() as u32)
        .filter(|row| match times[*row as usize] {
            Some(time) => from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to),
            None => from.is_none() && to.is_none(),
        })
        .collect();
    let key = |row: &u32| times[*row as usize].map_or((1, 0), |time| (0, time));
    if !kept.is_sorted_by_key(key) {
        kept.sort_by_key(key);
    }
    let at = kept.iter().map(|row| times[*row as usize]).collect();
    let sorted = if kept.len() == rows.rows() && kept.is_sorted() {
        rows.clone()
    } else {
        rows.take(&kept)?
    };
    Ok((sorted, at))
}

/// Rows with the features of a view.
fn joined(rows: &Frame, used: &ViewUse, arrays: Vec<ArrayRef>) -> Result<Frame> {
    let mut columns: Vec<(String, ArrayRef)> = rows
        .names()
        .into_iter()
        .zip(rows.batch.columns().iter().cloned())
        .collect();
    for (feature, array) in used.features.iter().zip(arrays) {
        let name = format!("{}{feature}", used.prefix);
        if columns.iter().any(|(column, _)| *column == name) {
            return Err(Error::new(format!(
                "feature view `{}`: there is a column `{name}` already; use the view with a prefix",
                used.view.name
            )));
        }
        columns.push((name, array));
    }
    Frame::from_columns_of(columns, rows.rows())
}

/// Row key, timestamp, target, when the target is known, then the inputs.
fn arranged(rows: &Frame, spec: &TableSpec) -> Result<Frame> {
    let mut names: Vec<String> = Vec::new();
    for name in [
        &spec.row_key,
        &spec.timestamp,
        &spec.target,
        &spec.target_known_at,
    ]
    .into_iter()
    .flatten()
    {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if spec.inputs.is_empty() {
        for name in rows.names() {
            if !names.contains(&name) && rows.kind(&name)? != ColumnKind::Time {
                names.push(name);
            }
        }
    } else {
        for name in &spec.inputs {
            if spec.target.as_ref() == Some(name) {
                return Err(Error::new(format!(
                    "`{name}` is the target and cannot be an input as well"
                )));
            }
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    if let Some(missing) = names.iter().find(|name| !rows.has(name)) {
        return Err(Error::new(format!(
            "there is no column `{missing}`; the columns after the join are {}",
            quoted(&rows.names())
        )));
    }
    let mut table = rows.select(&names)?;
    for name in [&spec.timestamp, &spec.target_known_at]
        .into_iter()
        .flatten()
    {
        // SQL computes times as integers; from here on they are times.
        if rows.kind(name)? != ColumnKind::Time {
            let times: TimestampMicrosecondArray = rows.times(name)?.into_iter().collect();
            table = table.with(name, Arc::new(times.with_timezone("UTC")))?;
        }
    }
    Ok(table)
}

/// The newest value of each entity as of an instant: key columns, `event_time`, features.
pub fn newest(spec: &MaterializeSpec) -> Result<Frame> {
    features::newest(&spec.view, &load(&spec.source)?, spec.as_of)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::feature::{Aggregate, Entity, FeatureView, WindowSpec};
    use std::path::Path;

    const HOUR: i64 = 3_600_000_000;

    fn files(folder: &Path, name: &str, content: &str) -> DataSource {
        std::fs::write(folder.join(format!("{name}.csv")), content).unwrap();
        DataSource::Files(source::snapshot(name, folder, &format!("{name}.csv"), &[]).unwrap())
    }

    fn weather(source: &DataSource) -> FeatureView {
        FeatureView {
            name: "weather".into(),
            description: String::new(),
            owner: String::new(),
            entity: Entity {
                name: "airport".into(),
                keys: vec!["faa".into()],
            },
            dataset: source.name().into(),
            event_time: "hour".into(),
            available_at: Some("known".into()),
            columns: vec!["temp".into()],
            windows: vec![WindowSpec {
                column: "rain".into(),
                aggregates: vec![Aggregate::Count, Aggregate::Sum],
                over: vec![("3h".into(), 3 * HOUR)],
                value: None,
            }],
            ttl: Some(2 * HOUR),
            ..FeatureView::default()
        }
    }

    fn spec(folder: &Path) -> TableSpec {
        let trips = files(
            folder,
            "trips",
            "id,leaves,origin,dest,late\n1,2013-01-01T12:00:00Z,JFK,EWR,true\n2,2013-01-01T10:30:00Z,EWR,JFK,\n\
             3,2013-01-01T20:00:00Z,JFK,XXX,false\n4,2013-01-02T00:00:00Z,JFK,EWR,false\n",
        );
        let hours = files(
            folder,
            "hours",
            "faa,hour,known,temp,rain\nJFK,2013-01-01T10:00:00Z,2013-01-01T11:00:00Z,1,1\n\
             JFK,2013-01-01T11:00:00Z,2013-01-01T12:00:00Z,,2\nJFK,2013-01-01T12:00:00Z,2013-01-01T13:00:00Z,3,4\n\
             EWR,2013-01-01T10:00:00Z,2013-01-01T11:00:00Z,9,8\n",
        );
        let rows = DataSource::Sql {
            name: "asked".into(),
            sql: "select id, leaves, leaves - 0 as local, origin, dest, hour(leaves) as h, late from trips".into(),
            from: vec![trips],
        };
        let used = |key: &str, prefix: &str| ViewUse {
            view: weather(&hours),
            source: hours.clone(),
            features: vec!["rain_sum_3h".into(), "temp".into(), "rain_count_3h".into()],
            keys: vec![key.into()],
            prefix: prefix.into(),
        };
        TableSpec {
            rows,
            timestamp: Some("local".into()),
            row_key: Some("id".into()),
            views: vec![used("origin", ""), used("dest", "dest_")],
            inputs: Vec::new(),
            target: Some("late".into()),
            target_known_at: None,
            from: None,
            to: Some(1_357_084_800_000_000),
        }
    }

    #[test]
    fn rows_get_what_was_known_by_their_instant() {
        let folder = tempfile::tempdir().unwrap();
        let mut heard = Vec::new();
        let table = build(&spec(folder.path()), &mut |share, doing| {
            heard.push((share, doing.to_owned()))
        })
        .unwrap();
        assert_eq!(
            table.names(),
            [
                "id",
                "local",
                "late",
                "origin",
                "dest",
                "h",
                "rain_sum_3h",
                "temp",
                "rain_count_3h",
                "dest_rain_sum_3h",
                "dest_temp",
                "dest_rain_count_3h"
            ]
        );
        let texts = |name: &str| {
            let texts = table.texts(name).unwrap();
            texts
                .into_iter()
                .map(|text| text.unwrap_or_else(|| "-".into()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(texts("id"), "2 1 3");
        assert_eq!(table.kind("local").unwrap(), ColumnKind::Time);
        assert_eq!(texts("late"), "- true false");
        // At 10:30 nothing is known; at 12:00 JFK's row of 11:00 wins whole, so temp is null; at 20:00 all is too old.
        assert_eq!(texts("temp"), "- - -");
        assert_eq!(texts("rain_sum_3h"), "- 3 -");
        assert_eq!(texts("rain_count_3h"), "0 2 0");
        assert_eq!(texts("dest_temp"), "- 9 -");
        assert_eq!(texts("dest_rain_count_3h"), "0 1 0");
        assert_eq!(heard.first().unwrap().0, 0.0);
        assert_eq!(heard.last().unwrap().0, 1.0);
    }

    #[test]
    fn facts_that_pass_by_give_what_facts_in_memory_give() {
        let folder = tempfile::tempdir().unwrap();
        let asked = spec(folder.path());
        let whole = build(&asked, &mut |_, _| {}).unwrap();
        let passed = build_with(&asked, Sources::new(0), &mut |_, _| {}).unwrap();
        assert_eq!(whole, passed);
        let mut wrong = asked;
        wrong.views[1].features = vec!["snow".into()];
        let error = |large| {
            build_with(&wrong, Sources::new(large), &mut |_, _| {})
                .unwrap_err()
                .0
        };
        assert_eq!(error(0), error(LARGE));
    }

    #[test]
    fn inputs_are_taken_in_order_and_must_exist() {
        let folder = tempfile::tempdir().unwrap();
        let mut asked = spec(folder.path());
        asked.inputs = vec!["temp".into(), "h".into()];
        let table = build(&asked, &mut |_, _| {}).unwrap();
        assert_eq!(table.names(), ["id", "local", "late", "temp", "h"]);
        asked.inputs = vec!["snow".into()];
        let error = build(&asked, &mut |_, _| {}).unwrap_err().0;
        assert!(
            error.contains("`snow`") && error.contains("`dest_temp`"),
            "{error}"
        );
        asked.inputs = Vec::new();
        asked.views[1].prefix = String::new();
        assert!(
            build(&asked, &mut |_, _| {})
                .unwrap_err()
                .0
                .contains("prefix")
        );
        asked.views[1].features = vec!["snow".into()];
        assert!(
            build(&asked, &mut |_, _| {})
                .unwrap_err()
                .0
                .contains("no feature `snow`")
        );
        asked.timestamp = None;
        assert!(build(&asked, &mut |_, _| {}).is_err());
    }

    #[test]
    fn newest_values_follow_the_same_rules() {
        let folder = tempfile::tempdir().unwrap();
        let source = spec(folder.path()).views[0].source.clone();
        let view = weather(&source);
        let at = |as_of: &str| {
            let as_of = crate::data::instant::parse(as_of).unwrap().0;
            newest(&MaterializeSpec {
                view: view.clone(),
                source: source.clone(),
                as_of,
                from: None,
                since: None,
            })
            .unwrap()
        };
        assert_eq!(at("2013-01-01T10:59:59Z").rows(), 0);
        let noon = at("2013-01-01T13:00:00Z");
        assert_eq!(
            noon.names(),
            ["faa", "event_time", "temp", "rain_count_3h", "rain_sum_3h"]
        );
        assert_eq!(
            noon.texts("faa").unwrap(),
            [Some("JFK".into()), Some("EWR".into())]
        );
        assert_eq!(noon.numbers("temp").unwrap(), [3.0, 9.0]);
        assert_eq!(noon.numbers("rain_sum_3h").unwrap(), [7.0, 8.0]);
        assert_eq!(
            noon.texts("event_time").unwrap()[0].as_deref(),
            Some("2013-01-01T12:00:00Z")
        );
        // Stale values stay; their age tells.
        assert_eq!(at("2014-01-01").numbers("temp").unwrap(), [3.0, 9.0]);
    }

    #[test]
    fn a_file_with_other_content_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = files(folder.path(), "a", "x\n1\n");
        assert_eq!(load(&source).unwrap().rows(), 1);
        std::fs::write(folder.path().join("a.csv"), "x\n1\n2\n").unwrap();
        let error = load(&source).unwrap_err().0;
        assert!(
            error.contains("a.csv") && error.contains("snapshot"),
            "{error}"
        );
        std::fs::remove_file(folder.path().join("a.csv")).unwrap();
        assert!(load(&source).unwrap_err().0.contains("no such file"));
    }
}
