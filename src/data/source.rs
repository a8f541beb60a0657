//! Files -> columns: CSV, JSON lines and Parquet, checked before they are read.

use super::checks::{self, Format};
use super::text_file::failed;
use super::{Error, Frame, Result, csv, json_lines, parquet_file};
use crate::domain::dataset::{FileStamp, Snapshot};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The files that `pattern` (a glob, relative to `root`) names now, with size, time and SHA-256, sorted by path.
/// `.part`, `.tmp` and dot files are skipped. Known stamps (same path, size and time) are not hashed again.
/// No matching file makes an empty snapshot; a match that is no regular file is an error (folders are passed over).
pub fn snapshot(
    dataset: &str,
    root: &Path,
    pattern: &str,
    known: &[FileStamp],
) -> Result<Snapshot> {
    let trouble = |error: &dyn std::fmt::Display| {
        Error::new(format!("dataset `{dataset}`, `{pattern}`: {error}"))
    };
    let root = std::path::absolute(root).map_err(|error| trouble(&error))?;
    let pattern_path = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        format!(
            "{}/{pattern}",
            glob::Pattern::escape(&root.to_string_lossy())
        )
    };
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let mut paths = Vec::new();
    for path in glob::glob_with(&pattern_path, options).map_err(|error| trouble(&error))? {
        let path = path.map_err(|error| trouble(&error))?;
        if !is_unfinished(&path) && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    paths.dedup();
    let mut files = Vec::with_capacity(paths.len());
    let mut digest = Sha256::new();
    for path in paths {
        let stamp = stamp(&path, known)?;
        digest.update(stamp.sha256.as_bytes());
        files.push(stamp);
    }
    Ok(Snapshot {
        dataset: dataset.to_owned(),
        files,
        digest: hexadecimal(&digest.finalize()),
    })
}

/// Still being written, or not for us: dot files, `.part`, `.tmp`.
fn is_unfinished(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp")
}

fn stamp(path: &Path, known: &[FileStamp]) -> Result<FileStamp> {
    let text = path
        .to_str()
        .ok_or_else(|| failed(path, "the path is not UTF-8; rename it"))?
        .to_owned();
    let (bytes, modified) = size_and_time(path)?;
    if let Some(stamp) = known
        .iter()
        .find(|stamp| stamp.path == text && stamp.bytes == bytes && stamp.modified == modified)
    {
        return Ok(stamp.clone());
    }
    let sha256 = sha256(path)?;
    if size_and_time(path)? != (bytes, modified) {
        return Err(failed(
            path,
            "the file changed while it was read; write it under another name and rename it",
        ));
    }
    Ok(FileStamp {
        path: text,
        bytes,
        sha256,
        modified,
    })
}

/// Size and modification time (milliseconds) of a regular file.
fn size_and_time(path: &Path) -> Result<(u64, i64)> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(path, "there is no such file"),
        _ => failed(path, error),
    })?;
    if !metadata.is_file() {
        return Err(failed(path, "it is not a regular file"));
    }
    Ok((metadata.len(), modified(&metadata)))
}

fn modified(metadata: &Metadata) -> i64 {
    metadata
        .modified()
        .map_or(0, |time| match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_millis() as i64,
            Err(before) => -(before.duration().as_millis() as i64),
        })
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|error| failed(path, error))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0u8; 1 << 18];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hexadecimal(&hash.finalize())),
            Ok(read) => hash.update(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That the file is still the one that was hashed: same size and time, or else same content.
pub fn verify(stamp: &FileStamp) -> Result<()> {
    let path = Path::new(&stamp.path);
    if size_and_time(path)? == (stamp.bytes, stamp.modified) || sha256(path)? == stamp.sha256 {
        return Ok(());
    }
    Err(failed(
        path,
        "its content is not the one that was recorded; take a new snapshot of the dataset",
    ))
}

/// All rows of `files` under each other; `columns`: only these. Fails, with the file's name, on a damaged file, on a
/// file that lacks a column, and on types that do not mix (whole numbers and numbers do).
pub fn read(files: &[PathBuf], columns: Option<&[String]>) -> Result<Frame> {
    let mut frames = Vec::with_capacity(files.len());
    let mut labels = Vec::with_capacity(files.len());
    for path in files {
        let frame = checks::guarded(path, || match checks::format_of(path)? {
            Format::Csv { delimiter, gzip } => {
                let names = checks::csv(path, delimiter, gzip)?;
                csv::read(path, delimiter, gzip, &names, columns)
            }
            Format::JsonLines { gzip } => json_lines::read(path, gzip, columns),
            Format::Parquet => {
                checks::parquet(path)?;
                parquet_file::read(path, columns)
            }
        })?;
        frames.push(frame);
        labels.push(path.display().to_string());
    }
    if frames.is_empty() {
        return Err(Error::new("there is no file to read"));
    }
    Frame::concat_named(&labels, &frames)
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

    #[test]
    fn a_snapshot_names_files_with_their_content() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", ".c.csv", "d.csv.part", "e.csv.tmp"] {
            file(folder.path(), name, name.as_bytes());
        }
        let first = snapshot("d", folder.path(), "*", &[]).unwrap();
        let names: Vec<&str> = first
            .files
            .iter()
            .map(|stamp| stamp.path.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
        // printf 'a.csv' | sha256sum
        assert_eq!(
            first.files[0].sha256,
            "32f29f33d51165a6808e62cc3dfe85d090bc7521591fa6b6f829f061402704dc"
        );
        let mut known = first.files.clone();
        known[0].sha256 = "kept".into();
        let second = snapshot("d", folder.path(), "*.csv", &known).unwrap();
        assert_eq!(second.files[0].sha256, "kept");
        assert_ne!(first.digest, second.digest);
        assert!(
            snapshot("d", folder.path(), "none/*.csv", &[])
                .unwrap()
                .files
                .is_empty()
        );
    }
}
