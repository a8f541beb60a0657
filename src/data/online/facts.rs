//! The facts of a view that a materialization reads: everything, or only what a generation of online values does not have
//! yet. A file is left alone when it is the one that was read before and no row of it became known since, or is in a
//! window that reaches to now. Where expressions stand between the files and the view, they are computed file by file,
//! each with the types of all files, as long as they look at one row at a time; else everything is read, and said why.

use super::gathered::{All, Gathered};
use crate::data::row_wise::RowWise;
use crate::data::timeline::instants;
use crate::data::{Error, Frame, Result, instant, segment, source, table};
use crate::domain::dataset::FileStamp;
use crate::domain::feature::FeatureView;
use crate::domain::job::MaterializeSpec;
use crate::domain::online::{FileColumn, FileSpan, Reading, Since};
use crate::domain::printable;
use arrow_array::ArrayRef;
use std::path::Path;
use std::sync::Arc;

/// A generation's list of files may be this much longer than twice that of the dataset: what was put together since
/// stands in it as often as it had parts.
const LONGER: usize = 64;
/// Rows of a piece.
const PIECE: usize = 65_536;

/// The facts that count, and how they were come by.
pub(super) struct Facts {
    pub(super) all: All,
    pub(super) reading: Reading,
}

/// The columns of a view's dataset that its values are made of.
pub fn needed(view: &FeatureView) -> Vec<String> {
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
pub(super) fn longest(view: &FeatureView) -> Option<i64> {
    let lengths = view.windows.iter().flat_map(|window| &window.over);
    lengths.map(|(_, length)| *length).max()
}

impl Facts {
    pub(super) fn load(spec: &MaterializeSpec, hear: &mut dyn FnMut(f64, &str)) -> Result<Self> {
        match RowWise::of(&spec.source) {
            Ok(rows) => Self::of_files(spec, &rows, hear),
            Err(why) => {
                hear(
                    0.0,
                    &format!("reading all of {}: {why}", spec.source.name()),
                );
                let facts = table::load(&spec.source)?;
                let count = facts.rows() as u64;
                let frame = counted_from(spec, facts)?;
                let reading = Reading {
                    facts: count,
                    whole: Some(why),
                    known: newest_known(spec, &frame)?,
                    ..Reading::default()
                };
                Ok(Self {
                    all: All::of(frame),
                    reading,
                })
            }
        }
    }

    fn of_files(
        spec: &MaterializeSpec,
        rows: &RowWise<'_>,
        hear: &mut dyn FnMut(f64, &str),
    ) -> Result<Self> {
        let view = &spec.view;
        let names = needed(view);
        let (before, whole) = match &spec.since {
            None => (None, None),
            Some(since) => match before(spec, since, rows) {
                Ok(before) => (Some(before), None),
                Err(why) => (None, Some(why)),
            },
        };
        let (typed, before, whole) = match Typed::of(rows, before.as_deref(), &names, hear)? {
            (typed, None) => (typed, before, whole),
            (typed, Some(why)) => (typed, None, Some(why)),
        };
        let since = spec.since.as_ref().filter(|_| before.is_some());
        if let Some(why) = &whole {
            hear(0.0, &format!("reading everything: {why}"));
        }
        if let (Some(_), Some(since), Some(_)) = (spec.from, since, longest(view))
            && spec.as_of < since.as_of
        {
            return Err(Error::new(format!(
                "it has windows, and they are as of {} already; leave `from` out to go back to {}",
                instant::format(since.as_of, true),
                instant::format(spec.as_of, true)
            )));
        }
        let mut reading = Reading {
            incremental: since.is_some(),
            whole,
            files: before.unwrap_or_default(),
            ..Reading::default()
        };
        let files = &rows.snapshot.files;
        let window_from = longest(view).map(|length| spec.as_of.saturating_sub(length));
        reading.known = since.and_then(|since| since.known);
        let mut gathered = Gathered::new(view, spec.as_of, &names);
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
            source::verify(stamp)?;
            let types = typed.as_ref().map(|typed| &typed.types);
            let (expected, pieces) = pieces(Path::new(&stamp.path), rows, types, &names)?;
            let mut read = 0;
            let mut span: Option<(i64, i64)> = None;
            for piece in pieces {
                let share = read as f64 / expected.max(1) as f64;
                hear(
                    0.5 * (number as f64 + share) / files.len() as f64,
                    &format!("reading {}", stamp.path),
                );
                let mut facts = piece?;
                read += facts.rows() as u64;
                let known = known_at(view, &facts)?;
                for known in known.iter().flatten() {
                    let (first, last) = span.unwrap_or((*known, *known));
                    span = Some((first.min(*known), last.max(*known)));
                }
                if let (None, None, Some(watermark)) =
                    (place, spec.from, since.and_then(|since| since.known))
                {
                    facts = in_time(view, facts, &known, watermark, &mut reading)?;
                }
                let facts = counted_from(spec, facts)?;
                reading.known = reading.known.max(newest_known(spec, &facts)?);
                let place = place.unwrap_or(reading.files.len());
                gathered.add(&stamp.path, place as i32, facts)?;
            }
            reading.facts += read;
            reading.files_read += 1;
            if place.is_none() {
                reading.files.push(FileSpan {
                    stamp: stamp.clone(),
                    known: span,
                    columns: typed.as_ref().map_or_else(Vec::new, |typed| {
                        typed.columns.get(number).cloned().unwrap_or_default()
                    }),
                });
            }
        }
        Ok(Self {
            all: gathered.all()?,
            reading,
        })
    }
}

/// Facts of one file, in order.
pub(super) type Pieces = Box<dyn Iterator<Item = Result<Frame>>>;

/// How many rows one file has, and they as facts of a view, a piece at a time; where expressions make them, all at once.
pub(super) fn pieces(
    path: &Path,
    rows: &RowWise<'_>,
    types: Option<&source::Types>,
    names: &[String],
) -> Result<(u64, Pieces)> {
    let Some(types) = types else {
        let scan = source::scan(&[path.to_owned()], Some(names), PIECE)?;
        return Ok((scan.rows(), Box::new(scan)));
    };
    let facts = rows.made(source::read_as(path, types)?)?.select(names)?;
    Ok((facts.rows() as u64, Box::new(std::iter::once(Ok(facts)))))
}

/// The facts that matter for a materialization that begins at `from`.
fn counted_from(spec: &MaterializeSpec, facts: Frame) -> Result<Frame> {
    let Some(from) = spec.from else {
        return Ok(facts);
    };
    // facts before that matter only as far as a window reaches back
    let from = from.saturating_sub(longest(&spec.view).unwrap_or(0));
    let at = match longest(&spec.view) {
        Some(_) => known_at(&spec.view, &facts)?,
        None => facts.times(&spec.view.event_time)?,
    };
    let kept: Vec<u32> = (0..facts.rows() as u32)
        .filter(|row| at[*row as usize].is_some_and(|at| at >= from))
        .collect();
    facts.take(&kept)
}

/// When the newest of the facts that count was known.
fn newest_known(spec: &MaterializeSpec, facts: &Frame) -> Result<Option<i64>> {
    let known = known_at(&spec.view, facts)?.into_iter().flatten();
    Ok(known.filter(|at| *at <= spec.as_of).max())
}

/// The types of the files' columns that expressions are computed from, and what each file holds of them.
pub(super) struct Typed {
    pub(super) types: source::Types,
    columns: Vec<Vec<FileColumn>>,
}

impl Typed {
    /// None where there are no expressions. With why everything has to be computed again, when new files changed a type.
    pub(super) fn of(
        rows: &RowWise<'_>,
        before: Option<&[FileSpan]>,
        names: &[String],
        hear: &mut dyn FnMut(f64, &str),
    ) -> Result<(Option<Self>, Option<String>)> {
        let files = &rows.snapshot.files;
        let Some(first) = files.first().filter(|_| !rows.is_plain()) else {
            return Ok((None, None));
        };
        let before = before.unwrap_or_default();
        let of = |columns: &[FileColumn]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let wanted = match before.first() {
            Some(known) => of(&known.columns),
            None => rows.wanted(names, &of(&source::held(Path::new(&first.path), None)?)),
        };
        let mut columns = Vec::with_capacity(files.len());
        for stamp in files {
            let known = before.iter().find(|span| span.stamp.path == stamp.path);
            columns.push(match known {
                Some(span) => span.columns.clone(),
                None => {
                    hear(0.0, &format!("looking at {}", stamp.path));
                    source::held(Path::new(&stamp.path), Some(&wanted))?
                }
            });
        }
        let all: Vec<(&str, &[FileColumn])> = files
            .iter()
            .zip(&columns)
            .map(|(stamp, columns)| (stamp.path.as_str(), columns.as_slice()))
            // what was put together since may hold no more than nulls of a column of which a part held a value
            .chain(spans(before))
            .collect();
        let types = source::Types::of(&all)?;
        let mut changed = None;
        if !before.is_empty() {
            let then = source::Types::of(&spans(before).collect::<Vec<_>>())?;
            changed = then.differs(&types).map(|(name, then, now)| {
                format!(
                    "`{}` is {now} since a new file came, and was {then}: what is computed from it changes for all rows",
                    printable(name)
                )
            });
        }
        Ok((Some(Self { types, columns }), changed))
    }
}

fn spans(files: &[FileSpan]) -> impl Iterator<Item = (&str, &[FileColumn])> {
    files
        .iter()
        .map(|span| (span.stamp.path.as_str(), span.columns.as_slice()))
}

/// The files that a generation has, as they are called now; or why nothing can go on from it.
fn before(
    spec: &MaterializeSpec,
    since: &Since,
    rows: &RowWise<'_>,
) -> std::result::Result<Vec<FileSpan>, String> {
    if spec.as_of < since.as_of && spec.from.is_none() {
        return Err(format!(
            "the values are as of {} already",
            instant::format(since.as_of, true)
        ));
    }
    let mut files = since.files.clone();
    if !rows.is_plain() && files.iter().any(|span| span.columns.is_empty()) {
        return Err("the types of its files were not kept".to_owned());
    }
    let now = &rows.snapshot.files;
    if files.len() > 2 * now.len() + LONGER {
        return Err("many of the files that it had were put together".to_owned());
    }
    for span in &mut files {
        // a file that is gone or changed took its facts with it
        let same =
            |file: &&FileStamp| file.path == span.stamp.path && file.sha256 == span.stamp.sha256;
        if now.iter().any(|file| same(&file)) {
            continue;
        }
        let stands_for = |file: &&FileStamp| {
            segment::stands_for(Path::new(&file.path), Path::new(&span.stamp.path))
        };
        match now.iter().find(stands_for) {
            Some(file) => span.stamp = file.clone(),
            None => {
                return Err(format!(
                    "`{}` is gone or changed",
                    printable(&span.stamp.path)
                ));
            }
        }
    }
    together(&mut files, since)?;
    Ok(files)
}

/// Files that were put together stand in the list once for each part, and each of these knows when the rows of all of them
/// were known. Fails when there is more in such a file than what was read.
fn together(files: &mut [FileSpan], since: &Since) -> std::result::Result<(), String> {
    for at in 0..files.len() {
        if files[at].stamp.path == since.files[at].stamp.path {
            continue;
        }
        let path = files[at].stamp.path.clone();
        let parts: Vec<usize> = (0..files.len())
            .filter(|other| files[*other].stamp.path == path)
            .collect();
        let held: u32 = parts
            .iter()
            .filter_map(|part| segment::Segment::of(Path::new(&since.files[*part].stamp.path)))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(segment::Segment::width)
            .sum();
        if segment::Segment::of(Path::new(&path)).is_none_or(|whole| whole.width() != held) {
            return Err(format!(
                "rows that it has and rows that it has not were put together in `{}`",
                printable(&path)
            ));
        }
        let known = parts.iter().filter_map(|part| files[*part].known);
        let known = known.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        for part in parts {
            files[part].known = known;
        }
    }
    Ok(())
}

/// Columns without rows: numbers, so that whatever is asked of them works.
pub(super) fn nothing(names: &[String]) -> Result<Frame> {
    let columns = names.iter().map(|name| {
        let column: ArrayRef = Arc::new(arrow_array::Float64Array::new_null(0));
        (name.clone(), column)
    });
    Frame::from_columns(columns.collect())
}

/// When facts count: both of their times have passed; the one that is there when the other is missing.
pub(super) fn known_at(view: &FeatureView, frame: &Frame) -> Result<Vec<Option<i64>>> {
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
