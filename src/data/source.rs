//! Files -> columns: CSV, JSON lines and Parquet, looked at first, then read a piece at a time.
//!
//! What every file holds is found before the first row is given (separated values and JSON lines are read for it, Parquet
//! says it in its footer), so all rows have the same columns and types, and a file that does not fit is told at once.

use super::checks::{self, Format};
use super::in_order::threads;
pub use super::layout::Types;
use super::layout::{Found, Layout, Parts, Target, together};
use super::regular_file::{Identity, or_changed, unchanged};
use super::{Error, Frame, Result, csv, json_lines, parallel, parquet_file};
use crate::domain::dataset::ColumnKind;
use crate::domain::online::FileColumn;
use crate::domain::{printable_path, quotable};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use super::stamps::{of as stamped, snapshot, verify};

/// Rows of a piece when all are read.
const ROWS: usize = 65_536;

/// The rows of files, a piece at a time: see [`scan`].
pub struct Scan {
    targets: Arc<[Target]>,
    schema: SchemaRef,
    notes: Vec<String>,
    rows: u64,
    bytes: u64,
    batch_rows: usize,
    waiting: VecDeque<Waiting>,
    current: Option<Current>,
    over: bool,
}

/// A file that was looked at.
struct Waiting {
    path: PathBuf,
    columns: Vec<Found>,
    identity: Identity,
    rows: u64,
    large: bool,
    reading: Reading,
}

enum Reading {
    Csv(csv::Reading),
    JsonLines(json_lines::Reading),
    Parquet(Box<parquet_file::Reading>),
}

/// The file that is being read.
struct Current {
    path: PathBuf,
    identity: Identity,
    parts: Parts,
    /// What is left of a part that was too long.
    rest: Option<RecordBatch>,
    expected: u64,
    given: u64,
    /// Where in the file the piece begins that was given last.
    first_row: u64,
}

/// All rows of `files`, one under the other, at most `batch_rows` at a time; `columns`: only these, in this order. Memory
/// is bounded by the pieces, not by the files; files are read by several threads, in order.
///
/// Fails at once, with the file's name, on a damaged file, on a file that lacks a column that another has, and on types
/// that do not mix (whole numbers and numbers do). A file that changes while it is read is an error of the iterator.
pub fn scan(files: &[PathBuf], columns: Option<&[String]>, batch_rows: usize) -> Result<Scan> {
    scan_told(files, columns, batch_rows, &|_| Ok(()))
}

/// Hears the share of the files that was looked at before the first row is given; an error stops that.
pub(super) type Looked<'a> = dyn Fn(f64) -> Result<()> + 'a;

/// As [`scan`]; `looked` hears how far the look at the files is, which for text takes about as long as to read them.
pub(super) fn scan_told(
    files: &[PathBuf],
    columns: Option<&[String]>,
    batch_rows: usize,
    looked: &Looked<'_>,
) -> Result<Scan> {
    let mut waiting = VecDeque::with_capacity(files.len());
    for (number, path) in files.iter().enumerate() {
        let looked = |share: f64| looked((number as f64 + share) / files.len() as f64);
        waiting.push_back(look(path, columns, &looked)?);
    }
    let found: Vec<(PathBuf, &[Found])> = waiting
        .iter()
        .map(|file| (file.path.clone(), file.columns.as_slice()))
        .collect();
    let targets = together(&found)?;
    Ok(Scan::of(waiting, targets, batch_rows))
}

/// What the columns of one file hold; `columns`: only these.
pub fn held(path: &Path, columns: Option<&[String]>) -> Result<Vec<FileColumn>> {
    let found = look(path, columns, &|_| Ok(()))?.columns.into_iter();
    Ok(found
        .map(|found| FileColumn {
            name: found.name,
            kind: found.kind,
            zoned: found.zoned,
        })
        .collect())
}

/// All rows of one file of a dataset, read as they are among all of its files.
pub fn read_as(path: &Path, types: &Types) -> Result<Frame> {
    let file = look(path, Some(&types.names()), &|_| Ok(()))?;
    types.fit(path, &file.columns)?;
    put_together(Scan::of(VecDeque::from([file]), types.0.clone(), ROWS))
}

impl Scan {
    fn of(waiting: VecDeque<Waiting>, targets: Vec<Target>, batch_rows: usize) -> Self {
        let mut notes = Vec::new();
        for file in &waiting {
            for column in &file.columns {
                if let Some(because) = &column.because {
                    notes.push(format!(
                        "column `{}` of `{}` is read as text ({because})",
                        quotable(&column.name),
                        printable_path(&file.path)
                    ));
                }
            }
        }
        let fields: Vec<Field> = targets
            .iter()
            .map(|target| Field::new(&target.name, target.data_type(), true))
            .collect();
        Self {
            rows: waiting.iter().map(|file| file.rows).sum(),
            bytes: waiting.iter().map(|file| file.identity.bytes).sum(),
            targets: targets.into(),
            schema: Arc::new(Schema::new(fields)),
            notes,
            batch_rows: batch_rows.max(1),
            waiting,
            current: None,
            over: false,
        }
    }
}

fn look(path: &Path, columns: Option<&[String]>, looked: &Looked<'_>) -> Result<Waiting> {
    fn of<R>(path: &Path, layout: Layout<R>, reading: impl FnOnce(R) -> Reading) -> Waiting {
        Waiting {
            path: path.to_owned(),
            columns: layout.columns,
            identity: layout.identity,
            rows: layout.rows,
            large: layout.large,
            reading: reading(layout.reading),
        }
    }
    let before = super::regular_file::look(path)?;
    let outcome = checks::guarded(path, || {
        Ok(match checks::format_of(path)? {
            Format::Csv { delimiter, gzip } => of(
                path,
                csv::layout(path, delimiter, gzip, columns, looked)?,
                Reading::Csv,
            ),
            Format::JsonLines { gzip } => of(
                path,
                json_lines::layout(path, gzip, columns, looked)?,
                Reading::JsonLines,
            ),
            Format::Parquet => of(path, parquet_file::layout(path, columns)?, |reading| {
                Reading::Parquet(Box::new(reading))
            }),
        })
    });
    or_changed(path, &before, outcome)
}

impl Scan {
    /// The columns in order, with their types.
    pub fn columns(&self) -> Vec<(String, ColumnKind)> {
        self.targets
            .iter()
            .map(|target| (target.name.clone(), target.kind))
            .collect()
    }

    /// The types of the columns, as they come.
    pub(super) fn types(&self) -> Vec<DataType> {
        let fields = self.schema.fields().iter();
        fields.map(|field| field.data_type().clone()).collect()
    }

    /// The same as Arrow has them.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// How many rows there will be.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What may surprise: columns that are text because of a few values.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file that the piece given last is from, and the place of its first row in it, from 0.
    pub fn place(&self) -> Option<(&Path, u64)> {
        let current = self.current.as_ref()?;
        Some((&current.path, current.first_row))
    }

    fn open(&self, file: Waiting) -> Result<Current> {
        let order: Vec<usize> = self
            .targets
            .iter()
            .filter_map(|target| {
                file.columns
                    .iter()
                    .position(|found| found.name == target.name)
            })
            .collect();
        let targets = Arc::clone(&self.targets);
        let (identity, large) = (file.identity, file.large && threads() > 1);
        let parts = match file.reading {
            Reading::Csv(reading) => reading.arranged(&order).batches(identity, large, targets)?,
            Reading::JsonLines(reading) => reading.batches(identity, large, targets)?,
            Reading::Parquet(reading) => {
                reading
                    .arranged(&order)
                    .batches(identity, large, &targets, self.batch_rows)?
            }
        };
        Ok(Current {
            path: file.path,
            identity,
            parts,
            rest: None,
            expected: file.rows,
            given: 0,
            first_row: 0,
        })
    }

    fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if self.current.is_none() {
                let Some(file) = self.waiting.pop_front() else {
                    return Ok(None);
                };
                let (path, before) = (file.path.clone(), file.identity);
                self.current = Some(or_changed(&path, &before, self.open(file))?);
            }
            let Some(current) = &mut self.current else {
                continue;
            };
            if let Some(batch) = current.next_batch(&self.schema, self.batch_rows)? {
                return Ok(Some(Frame { batch }));
            }
            unchanged(&current.path, &current.identity)?;
            if current.given != current.expected {
                return Err(super::regular_file::failed(
                    &current.path,
                    "it changed while it was read; read it again when its writer is done",
                ));
            }
            self.current = None;
        }
    }
}

impl Current {
    fn next_batch(&mut self, schema: &SchemaRef, most: usize) -> Result<Option<RecordBatch>> {
        let whole = match self.rest.take() {
            Some(rest) => rest,
            None => loop {
                let Some(part) = self.parts.next() else {
                    return Ok(None);
                };
                let (columns, rows) = or_changed(&self.path, &self.identity, part)?;
                if rows == 0 {
                    continue;
                }
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                break RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
                    .map_err(|error| super::regular_file::failed(&self.path, error))?;
            },
        };
        let rows = whole.num_rows().min(most);
        if rows < whole.num_rows() {
            self.rest = Some(whole.slice(rows, whole.num_rows() - rows));
        }
        self.first_row = self.given;
        self.given += rows as u64;
        Ok(Some(whole.slice(0, rows)))
    }
}

impl Iterator for Scan {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.next_frame();
        self.over = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// All rows of `files` under each other; `columns`: only these. Fails as [`scan`] does.
pub fn read(files: &[PathBuf], columns: Option<&[String]>) -> Result<Frame> {
    put_together(scan(files, columns, ROWS)?)
}

fn put_together(mut scan: Scan) -> Result<Frame> {
    let schema = Arc::clone(&scan.schema);
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); schema.fields().len()];
    let mut rows = 0;
    for frame in &mut scan {
        let frame = frame?;
        rows += frame.rows();
        for (parts, column) in parts.iter_mut().zip(frame.batch.columns()) {
            parts.push(Arc::clone(column));
        }
    }
    // as many columns at a time as there are cores, so that no more are held twice
    let parts: Vec<Mutex<Vec<ArrayRef>>> = parts.into_iter().map(Mutex::new).collect();
    let whole = |at: usize| {
        let mut held = parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts = std::mem::take(&mut *held);
        let field = schema.field(at);
        match parts.len() {
            0 => Ok(arrow_array::new_empty_array(field.data_type())),
            1 => Ok(parts.remove(0)),
            _ => {
                let parts: Vec<&dyn arrow_array::Array> = parts.iter().map(AsRef::as_ref).collect();
                arrow_select::concat::concat(&parts).map_err(|error| {
                    Error::new(format!("column `{}`: {error}", quotable(field.name())))
                })
            }
        }
    };
    let columns = match rows > ROWS {
        true => parallel::each(parts.len(), whole)?,
        false => (0..parts.len()).map(whole).collect::<Result<_>>()?,
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|error| Error::new(error.to_string()))?;
    Ok(Frame { batch })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::dataset::ColumnKind;
    use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray, TimestampMillisecondArray};
    use std::io::Write;
    use std::sync::Arc;

    fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn refusal(files: &[PathBuf]) -> String {
        read(files, None).unwrap_err().0
    }

    #[test]
    fn csv_types_are_found_past_null_markers() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(
            folder.path(),
            "a.csv",
            b"i,n,b,t,d,s,e,big\n1,1.5,True,2013-01-01T10:00:00Z,2013-01-02,NA,,12345678901234567890\n\
              NA,nan,,null,None,x,NaN,1\n-3,2,false,2013-01-01 12:30:00+02:00,2013-02-01,y y,,2\n",
        );
        let frame = read(&[path], None).unwrap();
        let kinds: Vec<ColumnKind> = frame
            .names()
            .iter()
            .map(|name| frame.kind(name).unwrap())
            .collect();
        use ColumnKind::{Boolean, Integer, Number, Text, Time};
        assert_eq!(
            kinds,
            [Integer, Number, Boolean, Time, Time, Text, Number, Text]
        );
        assert_eq!(
            frame.texts("i").unwrap(),
            [Some("1".into()), None, Some("-3".into())]
        );
        assert_eq!(
            frame.texts("n").unwrap(),
            [Some("1.5".into()), None, Some("2".into())]
        );
        assert_eq!(
            frame.texts("t").unwrap()[2].as_deref(),
            Some("2013-01-01T10:30:00Z")
        );
        assert_eq!(
            frame.texts("d").unwrap()[0].as_deref(),
            Some("2013-01-02T00:00:00")
        );
        assert_eq!(frame.texts("s").unwrap()[0], None);
    }

    #[test]
    fn packed_csv_and_json_lines_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(b"a,b\n1,x\n").unwrap();
        let packed = file(folder.path(), "a.csv.gz", &packer.finish().unwrap());
        assert_eq!(read(&[packed], None).unwrap().numbers("a").unwrap(), [1.0]);
        let lines = file(
            folder.path(),
            "a.jsonl",
            b"{\"z\": 1, \"t\": \"2013-01-01\"}\n\n{\"a\": true, \"z\": 2.5, \"t\": null}\n",
        );
        let frame = read(&[lines], None).unwrap();
        assert_eq!(frame.names(), ["z", "t", "a"]);
        assert_eq!(frame.kind("t").unwrap(), ColumnKind::Time);
        assert_eq!(frame.numbers("z").unwrap(), [1.0, 2.5]);
        let bad = file(folder.path(), "b.jsonl", b"{\"a\": 1}\n{\"a\": \n");
        assert!(refusal(&[bad]).contains("line 2"));
        let mixed = file(folder.path(), "c.jsonl", b"{\"a\": 1}\n{\"a\": \"x\"}\n");
        let error = refusal(&[mixed]);
        assert!(error.contains("line 2") && error.contains("`a`"), "{error}");
    }

    #[test]
    fn files_go_under_each_other_or_say_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let whole = file(folder.path(), "a.csv", b"k,v\nx,1\n");
        let real = file(folder.path(), "b.csv", b"v,k\n0.5,y\n");
        let lacking = file(folder.path(), "c.csv", b"k\nx\n");
        let text = file(folder.path(), "d.csv", b"k,v\nx,abc\n");
        let wide = file(folder.path(), "e.csv", b"k,v\nx,1\nx,1,2\n");
        let both = read(&[whole.clone(), real], None).unwrap();
        assert_eq!(both.numbers("v").unwrap(), [1.0, 0.5]);
        assert_eq!(both.names(), ["k", "v"]);
        let error = refusal(&[whole.clone(), lacking]);
        assert!(error.contains("c.csv") && error.contains("`v`"), "{error}");
        let error = refusal(&[whole.clone(), text]);
        assert!(
            error.contains("d.csv") && error.contains("text") && error.contains("a.csv"),
            "{error}"
        );
        let error = refusal(&[whole, wide]);
        assert!(
            error.contains("e.csv") && error.contains("line 3"),
            "{error}"
        );
        assert!(refusal(&[file(folder.path(), "f.xls", b"x")]).contains(".parquet"));
    }

    #[test]
    fn a_scan_gives_the_rows_of_all_files_in_pieces_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let text = |from: usize, to: usize| {
            let mut text = String::from("n,s\r\n");
            for n in from..to {
                text.push_str(&format!("{n},\"{n}\n é\"\r\n"));
            }
            text
        };
        let first = file(folder.path(), "a.csv", text(0, 300_000).as_bytes());
        let lines: String = (300_000..300_010)
            .map(|n| format!("{{\"s\": \"x\", \"n\": {n}.5}}\n"))
            .collect();
        let second = file(folder.path(), "b.jsonl", lines.as_bytes());
        let third = folder.path().join("c.parquet");
        read(std::slice::from_ref(&first), None)
            .unwrap()
            .write(&third)
            .unwrap();
        let files = [first, second, third];
        let mut scan = scan(&files, None, 1_000).unwrap();
        assert_eq!(scan.rows(), 600_010);
        assert_eq!(
            scan.columns(),
            [
                ("n".into(), ColumnKind::Number),
                ("s".into(), ColumnKind::Text)
            ]
        );
        let (mut seen, mut places) = (Vec::new(), Vec::new());
        while let Some(frame) = scan.next() {
            let frame = frame.unwrap();
            assert!(frame.rows() <= 1_000);
            let (path, at) = scan.place().unwrap();
            places.push((path.file_name().unwrap().to_owned(), at, frame.rows()));
            seen.extend(frame.numbers("n").unwrap());
        }
        let expected: Vec<f64> = (0..300_000)
            .map(f64::from)
            .chain((300_000..300_010).map(|n| f64::from(n) + 0.5))
            .chain((0..300_000).map(f64::from))
            .collect();
        assert_eq!(seen, expected);
        assert!(places.contains(&("b.jsonl".into(), 0, 10)));
        assert!(
            places
                .iter()
                .any(|(name, at, _)| name == "c.parquet" && *at >= 299_000)
        );
        let all = read(&files, Some(&["s".into()])).unwrap();
        assert_eq!(all.rows(), 600_010);
        assert_eq!(
            all.texts("s").unwrap()[299_999].as_deref(),
            Some("299999\n é")
        );
    }

    #[test]
    fn a_text_among_numbers_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = file(folder.path(), "a.csv", b"k,v\nx,1\n");
        let odd = file(
            folder.path(),
            "b.csv",
            b"k,v\r\nx,1\r\n\r\ny,2\r\nz,abc\r\n",
        );
        let error = refusal(&[good, odd.clone()]);
        assert!(error.contains("line 5: `abc`, after 2 numbers"), "{error}");
        let found = scan(&[odd], None, 10).unwrap();
        assert!(found.notes()[0].contains("`v`"), "{:?}", found.notes());
        let wide = file(folder.path(), "c.csv", b"k,v\r\nx,1\r\n\r\ny,2,3\r\n");
        let error = refusal(&[wide]);
        assert!(error.contains("line 4 has 3 fields"), "{error}");
        let cut = file(folder.path(), "d.csv", b"k,v\nx,1\ny");
        assert!(
            refusal(&[cut])
                .contains("line 3 has 1 field where the header has 2, and the file ends")
        );
    }

    #[test]
    fn dirty_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content, expected) in [
            ("a.csv", &b""[..], "empty"),
            ("a.csv", b"\n\n", "empty"),
            (
                "a.csv",
                b"a,b,a\n1,2,3\n",
                "columns 1 and 3 are both called `a`",
            ),
            ("a.csv", b"a,,b\n", "column 2 has no name"),
            ("a.csv", b"a,b\n1,2\n3,\"x\n4,5\n", "line 3: a quote opens"),
            (
                "a.csv",
                b"a\n1\n\xFF\xFE\n",
                "line 3: the text is not UTF-8",
            ),
            ("a.csv", b"a\n1\n\0\n", "line 3: a NUL byte"),
            ("a.csv", b"a\n\xC3", "middle of a character"),
            ("a.jsonl", b"\n \n", "no line with an object"),
            ("a.jsonl", b"{\"a\": 1}\n{\"a\": 1", "line 2: it is no JSON"),
            ("a.jsonl", b"[1, 2]\n", "one JSON object in each line"),
            ("a.jsonl", b"{\"a\": [1]}\n", "line 1, column `a`: lists"),
            (
                "a.jsonl",
                b"{\"a\": 1, \"a\": 2}\n",
                "line 1, column `a`: the key comes twice",
            ),
            ("a.jsonl", b"{\"\": 1}\n", "line 1: a key is empty"),
            (
                "a.jsonl",
                b"{\"a\": 9223372036854775808}\n",
                "too great for 64 bits",
            ),
            (
                "a.jsonl",
                b"{\"a\": 123456789012345678901234}\n",
                "too great for 64 bits",
            ),
            (
                "a.jsonl",
                b"{\"a\": true}\n\n{\"a\": 0.5}",
                "line 3, column `a`: a value of type number in a column of type boolean (since line 1)",
            ),
        ] {
            let path = file(folder.path(), name, content);
            let error = refusal(&[path]);
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn headers_alone_make_no_rows_and_fit_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let bare = file(folder.path(), "a.csv", b"\xEF\xBB\xBFk,\"v \"\"w\"\"\"");
        let frame = read(std::slice::from_ref(&bare), None).unwrap();
        assert_eq!(
            (frame.rows(), frame.names()),
            (0, vec!["k".to_owned(), "v \"w\"".to_owned()])
        );
        let full = file(folder.path(), "b.csv", b"\"v \"\"w\"\"\",k\nabc,1\n");
        let frame = read(&[bare, full], None).unwrap();
        assert_eq!(frame.names(), ["k", "v \"w\""]);
        assert_eq!(frame.kind("v \"w\"").unwrap(), ColumnKind::Text);
    }

    #[test]
    fn parquet_comes_back_as_it_was_written_and_is_projected() {
        let folder = tempfile::tempdir().unwrap();
        let columns: Vec<(String, ArrayRef)> = vec![
            ("n".into(), Arc::new(Int32Array::from(vec![Some(1), None]))),
            (
                "t".into(),
                Arc::new(TimestampMillisecondArray::from(vec![5, -5]).with_timezone("+02:00")),
            ),
            (
                "s".into(),
                Arc::new(StringArray::from(vec![Some("a"), None])),
            ),
            (
                "f".into(),
                Arc::new(Float64Array::from(vec![f64::INFINITY, 0.1])),
            ),
        ];
        let frame = Frame::from_columns(columns).unwrap();
        assert_eq!(frame.times("t").unwrap(), [Some(5_000), Some(-5_000)]);
        for name in ["a.parquet", "a.csv", "a.jsonl"] {
            let path = folder.path().join(name);
            frame.write(&path).unwrap();
            let back = read(std::slice::from_ref(&path), None).unwrap();
            if name != "a.jsonl" {
                assert_eq!(back, frame, "{name}");
            }
            let projected = read(&[path], Some(&["s".into(), "n".into()])).unwrap();
            assert_eq!(projected.names(), ["s", "n"], "{name}");
        }
        let error = read(&[folder.path().join("a.parquet")], Some(&["q".into()]))
            .unwrap_err()
            .0;
        assert!(error.contains("`q`") && error.contains("`n`"), "{error}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 3);
        assert!(frame.write(&folder.path().join("a.xls")).is_err());
    }

    #[test]
    fn damaged_parquet_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let frame = Frame::from_columns(vec![(
            "n".into(),
            Arc::new(Float64Array::from(vec![1.0; 500])) as ArrayRef,
        )])
        .unwrap();
        let path = folder.path().join("a.parquet");
        frame.write(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        assert!(
            refusal(&[file(
                folder.path(),
                "b.parquet",
                b"PAR1\x02\0\x02\0\0\0PAR1"
            )])
            .contains("b.parquet")
        );
        let mut bad = 0;
        for at in (4..good.len()).step_by(3) {
            let mut damaged = good.clone();
            damaged[at] ^= 0x55;
            let path = file(folder.path(), "c.parquet", &damaged);
            match read(&[path], None) {
                Ok(_) => {}
                Err(error) => {
                    bad += 1;
                    assert!(error.0.contains("c.parquet"), "{error}");
                }
            }
        }
        assert!(bad > 0);
    }
}
