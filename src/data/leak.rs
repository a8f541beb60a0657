//! Whether features know what nobody could know: each view is computed as of an instant twice, from all that is there
//! now, and from what was known by then. A feature that differs leaks the future, whatever the reason: an event time
//! that is not when the value was known, SQL that looks at later rows. Knows nothing of how a view is made.

use super::online::recent::needed;
use super::sketch::distinct::{hash_integer, hash_text};
use super::{Error, Frame, Result, features, source, sql, timeline};
use crate::domain::dataset::Snapshot;
use crate::domain::feature::FeatureView;
use crate::domain::job::DataSource;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use crate::domain::feature::Known;

/// Rows of a piece.
const PIECE: usize = 65_536;

/// A feature that differs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Leak {
    /// `view:feature`.
    pub feature: String,
    /// As of when it was computed; microseconds.
    pub as_of: i64,
    /// Entities that have it one way or the other.
    pub entities: u64,
    /// Of these, whose values differ.
    pub differing: u64,
    /// One of them: its key, the value computed from all that is there now, the value from what was known.
    pub example: (String, Option<String>, Option<String>),
}

/// How much of a view is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Instants, spread over the view's rows.
    pub instants: usize,
    /// Entities: of more, those whose keys hash lowest.
    pub entities: usize,
}

/// What was looked at, and found.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// By instant, then in the view's order.
    pub leaks: Vec<Leak>,
    /// Entities looked at.
    pub entities: u64,
    /// Of so many.
    pub of: u64,
    /// Instants looked at.
    pub instants: u64,
}

/// Whether `known` says of a dataset behind `source` when it became known.
pub fn is_told(source: &DataSource, known: &[Known]) -> bool {
    match source {
        DataSource::Files(snapshot) => known.iter().any(|one| one.dataset == snapshot.dataset),
        DataSource::Sql { from, .. } => from.iter().any(|one| is_told(one, known)),
    }
}

/// The features of `view` that differ at some instants, looked at within `bounds`. Fails as [`check`] does.
pub fn check_some(
    view: &FeatureView,
    source: &DataSource,
    known: &[Known],
    bounds: Bounds,
) -> Result<Checked> {
    told(view, source, known)?;
    let (bases, now, picked) = match source {
        DataSource::Files(snapshot) => picked_rows(view, snapshot, known, bounds)?,
        DataSource::Sql { .. } => {
            let bases = bases(source)?;
            let now = made(source, &bases)?;
            let hashes = hashes(view, &now)?;
            let picked = Picked::of(hashes.iter().copied(), bounds.entities);
            let now = picked.rows(now, &hashes)?;
            (bases, now, picked)
        }
    };
    let instants = spread(view, &now, bounds.instants)?;
    let mut leaks = Vec::new();
    for as_of in &instants {
        let then = made(source, &known_bases(&bases, known, *as_of)?)?;
        let hashes = hashes(view, &then)?;
        leaks.extend(at(view, &now, &picked.rows(then, &hashes)?, *as_of)?);
    }
    Ok(Checked {
        leaks,
        entities: picked.entities,
        of: picked.of,
        instants: instants.len() as u64,
    })
}

/// The entities that are looked at: those whose keys hash lowest.
#[derive(Debug)]
struct Picked {
    /// The greatest hash among them; none: all are.
    last: Option<u64>,
    entities: u64,
    of: u64,
}

impl Picked {
    fn of(hashes: impl IntoIterator<Item = u64>, most: usize) -> Self {
        let distinct: FxHashSet<u64> = hashes.into_iter().collect();
        let mut all: Vec<u64> = distinct.into_iter().collect();
        let (of, most) = (all.len(), most.max(1));
        let last = (of > most).then(|| *all.select_nth_unstable(most - 1).1);
        Self {
            last,
            entities: of.min(most) as u64,
            of: of as u64,
        }
    }

    /// The rows of these entities.
    fn rows(&self, frame: Frame, hashes: &[u64]) -> Result<Frame> {
        let Some(last) = self.last else {
            return Ok(frame);
        };
        let rows = (0..frame.rows() as u32).filter(|row| hashes[*row as usize] <= last);
        frame.take(&rows.collect::<Vec<u32>>())
    }
}

/// Of a view over files as they are, only the rows of the entities that are looked at: the files pass by with their keys,
/// and again with what the view and `known` name.
fn picked_rows(
    view: &FeatureView,
    snapshot: &Snapshot,
    known: &[Known],
    bounds: Bounds,
) -> Result<(BTreeMap<String, Frame>, Frame, Picked)> {
    let about = |error: Error| Error::new(format!("dataset `{}`: {error}", snapshot.dataset));
    let files = paths(snapshot);
    let mut seen: FxHashSet<u64> = FxHashSet::default();
    if view.entity.keys.is_empty() {
        seen.insert(0);
    } else {
        for piece in source::scan(&files, Some(&view.entity.keys), PIECE).map_err(about)? {
            seen.extend(hashes(view, &piece.map_err(about)?)?);
        }
    }
    let picked = Picked::of(seen, bounds.entities);
    let mut names = needed(view);
    for one in known.iter().filter(|one| one.dataset == snapshot.dataset) {
        let of_columns = one.columns.iter().flat_map(|(column, at)| [column, at]);
        for name in of_columns.chain(&one.rows) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let mut rows = Vec::new();
    for piece in source::scan(&files, Some(&names), PIECE).map_err(about)? {
        let piece = piece.map_err(about)?;
        let hashes = hashes(view, &piece)?;
        rows.push(picked.rows(piece, &hashes)?);
    }
    let rows = match rows.is_empty() {
        true => source::read(&files, Some(&names)).map_err(about)?,
        false => Frame::concat(&rows)?,
    };
    let bases = BTreeMap::from([(snapshot.dataset.clone(), rows.clone())]);
    Ok((bases, rows, picked))
}

/// A hash of each row's entity.
fn hashes(view: &FeatureView, frame: &Frame) -> Result<Vec<u64>> {
    let mut all = vec![0u64; frame.rows()];
    for key in &view.entity.keys {
        let column = frame.column(key)?;
        let mut mix = |row: usize, hash: u64| {
            let mixed = all[row].rotate_left(23) ^ hash;
            all[row] = hash_integer(mixed as i64);
        };
        if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
            (0..numbers.len()).for_each(|row| mix(row, hash_integer(numbers.value(row))));
        } else if let Some(texts) = column.as_string_opt::<i32>() {
            (0..texts.len()).for_each(|row| mix(row, hash_text(texts.value(row))));
        } else {
            let texts = frame.texts(key)?;
            let hash = |text: Option<String>| hash_text(text.as_deref().unwrap_or_default());
            let hashes = texts.into_iter().map(hash);
            hashes.enumerate().for_each(|(row, hash)| mix(row, hash));
        }
    }
    Ok(all)
}

/// The features of `view` that differ at some of `instants` (microseconds), in the view's order. Fails when nothing in
/// `known` says when the data behind the view became known.
pub fn check(
    view: &FeatureView,
    source: &DataSource,
    known: &[Known],
    instants: &[i64],
) -> Result<Vec<Leak>> {
    told(view, source, known)?;
    let bases = bases(source)?;
    let now = made(source, &bases)?;
    let mut leaks = Vec::new();
    for as_of in instants {
        let then = made(source, &known_bases(&bases, known, *as_of)?)?;
        leaks.extend(at(view, &now, &then, *as_of)?);
    }
    Ok(leaks)
}

/// What differs as of an instant between the rows that are there now and those that were known by then.
fn at(view: &FeatureView, now: &Frame, then: &Frame, as_of: i64) -> Result<Vec<Leak>> {
    let now = features::newest(view, now, as_of)?;
    let then = features::newest(view, then, as_of)?;
    differences(view, &now, &then, as_of)
}

/// Fails when nothing in `known` says when the data behind the view became known.
fn told(view: &FeatureView, source: &DataSource, known: &[Known]) -> Result<()> {
    fn names(source: &DataSource, found: &mut BTreeSet<String>) {
        match source {
            DataSource::Files(snapshot) => {
                found.insert(snapshot.dataset.clone());
            }
            DataSource::Sql { from, .. } => from.iter().for_each(|one| names(one, found)),
        }
    }
    if is_told(source, known) {
        return Ok(());
    }
    let mut found = BTreeSet::new();
    names(source, &mut found);
    let found: Vec<String> = found.into_iter().collect();
    Err(features::about(
        view,
        &format!(
            "nothing says when its data became known: give {} an `available_at`, or say which column holds the instant from which a value was known",
            super::frame::quoted(&found)
        ),
    ))
}

/// The datasets of files behind `source`.
fn bases(source: &DataSource) -> Result<BTreeMap<String, Frame>> {
    let mut bases = BTreeMap::new();
    load(source, &mut bases)?;
    Ok(bases)
}

/// What of them was known by `as_of`.
fn known_bases(
    bases: &BTreeMap<String, Frame>,
    known: &[Known],
    as_of: i64,
) -> Result<BTreeMap<String, Frame>> {
    let mut then = bases.clone();
    for one in known {
        if let Some(frame) = then.get_mut(&one.dataset) {
            *frame = known_by(frame, one, as_of)
                .map_err(|error| Error::new(format!("dataset `{}`: {error}", one.dataset)))?;
        }
    }
    Ok(then)
}

/// Instants to check at: `count` of those in the view's event times, evenly spread over its rows but for both ends.
pub fn instants(view: &FeatureView, source: &DataSource, count: usize) -> Result<Vec<i64>> {
    spread(view, &made(source, &bases(source)?)?, count)
}

fn spread(view: &FeatureView, frame: &Frame, count: usize) -> Result<Vec<i64>> {
    let times = timeline::instants(frame, &view.event_time)
        .map_err(|error| features::about(view, &error))?;
    let mut times: Vec<i64> = times.iter().flatten().collect();
    times.sort_unstable();
    let mut chosen: Vec<i64> = (1..=count)
        .filter_map(|at| times.get(times.len() * at / (count + 1)).copied())
        .collect();
    chosen.dedup();
    Ok(chosen)
}

/// The datasets of files that `source` is made of.
fn load(source: &DataSource, bases: &mut BTreeMap<String, Frame>) -> Result<()> {
    match source {
        DataSource::Files(snapshot) => {
            if !bases.contains_key(&snapshot.dataset) {
                let frame = source::read(&paths(snapshot), None).map_err(|error| {
                    Error::new(format!("dataset `{}`: {error}", snapshot.dataset))
                })?;
                bases.insert(snapshot.dataset.clone(), frame);
            }
        }
        DataSource::Sql { from, .. } => from.iter().try_for_each(|one| load(one, bases))?,
    }
    Ok(())
}

fn paths(snapshot: &Snapshot) -> Vec<PathBuf> {
    let files = snapshot.files.iter();
    files.map(|stamp| PathBuf::from(&stamp.path)).collect()
}

/// The rows of `source`, made of `bases`.
fn made(source: &DataSource, bases: &BTreeMap<String, Frame>) -> Result<Frame> {
    match source {
        DataSource::Files(snapshot) => bases
            .get(&snapshot.dataset)
            .cloned()
            .ok_or_else(|| Error::new(format!("dataset `{}` was not read", snapshot.dataset))),
        DataSource::Sql { name, sql, from } => {
            let tables = from
                .iter()
                .map(|one| Ok((one.name().to_owned(), made(one, bases)?)))
                .collect::<Result<Vec<_>>>()?;
            sql::query(&tables, sql)
                .map_err(|error| Error::new(format!("dataset `{name}`: {error}")))
        }
    }
}

/// What of `frame` was known by `as_of`.
fn known_by(frame: &Frame, known: &Known, as_of: i64) -> Result<Frame> {
    let mut then = frame.clone();
    for (column, instant) in &known.columns {
        let at = timeline::instants(frame, instant)?;
        let unknown: BooleanArray = (0..at.len())
            .map(|row| Some(at.is_null(row) || at.value(row) > as_of))
            .collect();
        let values: ArrayRef = arrow_select::nullif::nullif(frame.column(column)?, &unknown)
            .map_err(|error| Error::new(format!("column `{column}`: {error}")))?;
        then = then.with(column, values)?;
    }
    if let Some(instant) = &known.rows {
        let at = timeline::instants(frame, instant)?;
        let kept: Vec<u32> = (0..at.len() as u32)
            .filter(|row| {
                let row = *row as usize;
                at.is_valid(row) && at.value(row) <= as_of
            })
            .collect();
        then = then.take(&kept)?;
    }
    Ok(then)
}

fn differences(view: &FeatureView, now: &Frame, then: &Frame, as_of: i64) -> Result<Vec<Leak>> {
    let keys = |frame: &Frame| -> Result<Vec<String>> {
        let columns = view
            .entity
            .keys
            .iter()
            .map(|key| frame.texts(key))
            .collect::<Result<Vec<_>>>()?;
        Ok((0..frame.rows())
            .map(|row| {
                let parts = columns.iter().map(|column| column[row].clone());
                let parts: Vec<String> = parts.map(Option::unwrap_or_default).collect();
                parts.join(" ")
            })
            .collect())
    };
    let (keys_now, keys_then) = (keys(now)?, keys(then)?);
    let mut leaks = Vec::new();
    for feature in view.stored_names() {
        let mut values: BTreeMap<&str, (Option<String>, Option<String>)> = BTreeMap::new();
        for (key, value) in keys_now.iter().zip(now.texts(&feature)?) {
            values.entry(key).or_default().0 = value;
        }
        for (key, value) in keys_then.iter().zip(then.texts(&feature)?) {
            values.entry(key).or_default().1 = value;
        }
        values.retain(|_, (now, then)| now.is_some() || then.is_some());
        let mut differing = values
            .iter()
            .filter(|(_, (now, then))| now != then)
            .peekable();
        let Some((key, (value_now, value_then))) = differing.peek().copied() else {
            continue;
        };
        leaks.push(Leak {
            feature: format!("{}:{feature}", view.name),
            as_of,
            entities: values.len() as u64,
            example: ((*key).to_owned(), value_now.clone(), value_then.clone()),
            differing: differing.count() as u64,
        });
    }
    Ok(leaks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::feature::{Aggregate, Entity, WindowSpec};
    use std::path::Path;

    const HOUR: i64 = 3_600_000_000;

    /// Flights of two planes: scheduled at one instant, arrived and known at a later one.
    fn flights(folder: &Path) -> DataSource {
        let mut text = String::from("plane,due,arrived,delay\n");
        for flight in 0..40 {
            let (due, delay) = (flight * 60, (flight * 7) % 45);
            let time = |minute: i64| super::super::instant::format(minute * 60_000_000, true);
            let plane = flight % 2;
            text.push_str(&format!(
                "{plane},{},{},{delay}\n",
                time(due),
                time(due + delay)
            ));
        }
        std::fs::write(folder.join("flights.csv"), text).unwrap();
        DataSource::Files(source::snapshot("flights", folder, "flights.csv", &[]).unwrap())
    }

    fn known() -> [Known; 1] {
        let late = |column: &str| (column.to_owned(), "arrived".to_owned());
        [Known {
            dataset: "flights".into(),
            rows: None,
            columns: vec![late("delay"), late("arrived")],
        }]
    }

    fn view(event_time: &str) -> FeatureView {
        FeatureView {
            name: "plane".into(),
            entity: Entity {
                name: "plane".into(),
                keys: vec!["plane".into()],
            },
            dataset: "flights".into(),
            event_time: event_time.into(),
            columns: vec!["delay".into()],
            windows: vec![WindowSpec {
                column: "delay".into(),
                aggregates: vec![Aggregate::Mean],
                over: vec![("6h".into(), 6 * HOUR)],
                ..WindowSpec::default()
            }],
            ..FeatureView::default()
        }
    }

    #[test]
    fn a_planted_leak_is_flagged_and_the_honest_view_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let source = flights(folder.path());
        let at = [10 * HOUR + 1, 20 * HOUR + 1, 31 * HOUR + 1];
        let leaks = check(&view("due"), &source, &known(), &at).unwrap();
        assert!(leaks.iter().any(|leak| leak.feature == "plane:delay"));
        assert!(
            leaks
                .iter()
                .any(|leak| leak.feature == "plane:delay_mean_6h")
        );
        assert!(
            leaks
                .iter()
                .all(|leak| leak.differing > 0 && leak.differing <= leak.entities)
        );
        assert_eq!(check(&view("arrived"), &source, &known(), &at).unwrap(), []);
        let mut late = view("due");
        late.available_at = Some("arrived".into());
        assert_eq!(check(&late, &source, &known(), &at).unwrap(), []);
    }

    #[test]
    fn a_sample_of_entities_finds_the_leak_and_says_how_many_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let source = flights(folder.path());
        let bounds = |entities: usize| Bounds {
            instants: 3,
            entities,
        };
        let all = check_some(&view("due"), &source, &known(), bounds(9)).unwrap();
        assert_eq!((all.entities, all.of, all.instants), (2, 2, 3));
        let at = instants(&view("due"), &source, 3).unwrap();
        assert_eq!(
            all.leaks,
            check(&view("due"), &source, &known(), &at).unwrap()
        );
        let one = check_some(&view("due"), &source, &known(), bounds(1)).unwrap();
        assert_eq!((one.entities, one.of), (1, 2));
        assert!(!one.leaks.is_empty() && one.leaks.iter().all(|leak| leak.entities == 1));
        let honest = check_some(&view("arrived"), &source, &known(), bounds(1)).unwrap();
        assert_eq!(honest.leaks, []);
    }

    #[test]
    fn files_that_pass_by_show_what_all_rows_of_them_show() {
        let folder = tempfile::tempdir().unwrap();
        let source = flights(folder.path());
        let whole = DataSource::Sql {
            name: "all".into(),
            sql: "select * from flights".into(),
            from: vec![source.clone()],
        };
        for (event_time, entities) in [("due", 1), ("due", 5), ("arrived", 1)] {
            let bounds = Bounds {
                instants: 3,
                entities,
            };
            let check = |source: &DataSource| {
                check_some(&view(event_time), source, &known(), bounds).unwrap()
            };
            assert_eq!(check(&source), check(&whole));
        }
    }

    #[test]
    fn sql_that_looks_at_later_rows_is_flagged() {
        let folder = tempfile::tempdir().unwrap();
        let sql = |expression: &str| DataSource::Sql {
            name: "next".into(),
            sql: format!(
                "select plane, arrived, {expression} as delay from flights where arrived is not null"
            ),
            from: vec![flights(folder.path())],
        };
        let at = [20 * HOUR + 1];
        let ahead = sql("lead(delay) over (partition by plane order by arrived)");
        let leaks = check(&view("arrived"), &ahead, &known(), &at).unwrap();
        assert_eq!(leaks[0].feature, "plane:delay");
        assert!(leaks[0].example.1.is_some());
        let behind = sql("lag(delay) over (partition by plane order by arrived)");
        assert_eq!(check(&view("arrived"), &behind, &known(), &at).unwrap(), []);
    }

    #[test]
    fn data_that_says_nothing_of_when_it_was_known_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let source = flights(folder.path());
        let error = check(&view("due"), &source, &[], &[HOUR]).unwrap_err().0;
        assert!(
            error.contains("`flights`") && error.contains("available_at"),
            "{error}"
        );
        assert_eq!(instants(&view("due"), &source, 4).unwrap().len(), 4);
    }
}
