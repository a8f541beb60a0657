//! Profiles: what each column looks like. A [`TableState`] takes a file or a frame in, in one pass and its columns in
//! parallel; states merge, and can be kept as bytes, so that a new file costs only its own rows. [`TableState::profile`]
//! is what people see of it: statistics, histograms, correlations, the signal about a target, and warnings.

mod block;
mod column;
#[cfg(test)]
mod golden;
mod lanes;
mod numbers;
mod pairs;
mod parquet_columns;
mod relate;
mod sample;
mod scan;
mod show;
mod signal;
pub mod states;
mod table;
mod texts;
mod unique;
mod warn;

pub use column::Column;
pub use scan::Progress;
pub use table::{TableState, VERSION};

use super::{Frame, Result};
use crate::domain::profile::Profile;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use unique::Uniques;

/// Rows kept as they are, of all files together, for the signal about a target.
const KEPT: u64 = 32_768;
/// Columns that files are taken to have while it is not known.
const COLUMNS: usize = 32;
/// Of each file, when its state is to be kept: so many at least, and at most.
const KEPT_OF_A_FILE: (u64, u64) = (1_024, 8_192);

/// The profile of every column of a table in memory, each by itself.
pub fn profile(frame: &Frame) -> Profile {
    // A frame has only types that can be profiled: there is nothing that could fail.
    profile_of(std::slice::from_ref(frame)).unwrap_or_default()
}

/// The same of tables under each other, which have the same columns.
pub fn profile_of(frames: &[Frame]) -> Result<Profile> {
    scan::frames(frames, 0, None)?.profile(None, None)
}

/// The state of a table in memory, some of its rows kept.
#[cfg(test)]
fn state_of(frame: &Frame) -> Result<TableState> {
    scan::frames(std::slice::from_ref(frame), KEPT, None)
}

/// The state of a table in memory without rows of it, and the columns of whole numbers and texts in which no value comes
/// twice.
pub fn state_and_unique(frame: &Frame) -> Result<(TableState, BTreeSet<String>)> {
    let uniques = Uniques::new(frame.names().len());
    let state = scan::frames(std::slice::from_ref(frame), 0, Some(&uniques))?;
    Ok((state, uniques.names()?))
}

/// The state of a table in memory, one of `files`, to be kept: fewer of its rows as they are.
pub fn kept_state_of(frame: &Frame, files: usize) -> Result<TableState> {
    scan::frames(std::slice::from_ref(frame), kept_rows(files), None)
}

fn kept_rows(files: usize) -> u64 {
    (KEPT / files.max(1) as u64).clamp(KEPT_OF_A_FILE.0, KEPT_OF_A_FILE.1)
}

/// Hears the share of all files that is done and the file that is looked at; an error stops the work.
pub type FilesProgress<'a> = dyn Fn(f64, &Path) -> Result<()> + Sync + 'a;

/// The state of all `files`, as if they lay under each other. No file is ever all in memory.
pub fn files<P: AsRef<Path>>(files: &[P], progress: &FilesProgress<'_>) -> Result<TableState> {
    let keep = (KEPT / files.len().max(1) as u64).max(256);
    merged(files, keep, None, progress)
}

/// The state of all `files` without rows of them, and the columns of whole numbers and texts in which no value comes twice
/// in any of them.
pub fn files_and_unique<P: AsRef<Path>>(
    files: &[P],
    progress: &FilesProgress<'_>,
) -> Result<(TableState, BTreeSet<String>)> {
    let uniques = Uniques::new(COLUMNS);
    let state = merged(files, 0, Some(&uniques), progress)?;
    Ok((state, uniques.names()?))
}

/// The same of files that must have the same columns, as one table has them.
pub fn table_and_unique(
    files: &[PathBuf],
    progress: &Progress<'_>,
) -> Result<(TableState, BTreeSet<String>)> {
    let uniques = Uniques::new(COLUMNS);
    let state = scan::table(files, 0, Some(&uniques), progress)?;
    Ok((state, uniques.names()?))
}

fn merged<P: AsRef<Path>>(
    files: &[P],
    keep: u64,
    uniques: Option<&Uniques>,
    progress: &FilesProgress<'_>,
) -> Result<TableState> {
    let sizes: Vec<u64> = files
        .iter()
        .map(|path| std::fs::metadata(path.as_ref()).map_or(1, |fact| fact.len().max(1)))
        .collect();
    let whole = sizes.iter().sum::<u64>().max(1) as f64;
    let mut all = TableState::default();
    let mut behind = 0;
    for (path, size) in files.iter().zip(sizes) {
        let path = path.as_ref();
        let state = scan::file(path, keep, uniques, &|share| {
            progress((behind as f64 + share * size as f64) / whole, path)
        })?;
        all.merge(&state).map_err(|error| {
            super::Error::new(format!(
                "`{}` and the files before it: {error}",
                path.display()
            ))
        })?;
        behind += size;
    }
    Ok(all)
}

/// The state of one of `files` files, to be kept.
pub fn kept_file(path: &Path, files: usize, progress: &Progress<'_>) -> Result<TableState> {
    scan::file(path, kept_rows(files), None, progress)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn frame(columns: Vec<(&str, ArrayRef)>) -> Frame {
        Frame::from_columns(
            columns
                .into_iter()
                .map(|(name, column)| (name.to_owned(), column))
                .collect(),
        )
        .unwrap()
    }

    fn sample() -> Frame {
        let n = 200;
        let x: Vec<f64> = (0..n).map(|i| f64::from((i * 37) % n)).collect();
        let twice: Vec<f64> = x.iter().map(|x| 2.0 * x + (x % 3.0)).collect();
        let odd: Vec<Option<f64>> = (0..n)
            .map(|i| match i {
                0 => Some(f64::INFINITY),
                1..=59 => Some(1.5),
                _ => None,
            })
            .collect();
        let text: Vec<Option<&str>> = (0..n)
            .map(|i| match i % 10 {
                0 => None,
                1..=5 => Some("UA"),
                6..=8 => Some("AA"),
                _ => Some(""),
            })
            .collect();
        let key: Vec<String> = (0..n).map(|i| format!("N{i}")).collect();
        frame(vec![
            (
                "id",
                Arc::new(Int64Array::from_iter_values(0..i64::from(n))),
            ),
            ("x", Arc::new(Float64Array::from(x))),
            ("twice", Arc::new(Float64Array::from(twice))),
            ("odd", Arc::new(Float64Array::from(odd))),
            ("carrier", Arc::new(StringArray::from(text))),
            ("key", Arc::new(StringArray::from(key))),
        ])
    }

    #[test]
    fn columns_are_described() {
        let profile = profile(&sample());
        let column = |name: &str| profile.columns.iter().find(|c| c.name == name).unwrap();
        assert_eq!(profile.rows, 200);
        let x = column("x");
        assert_eq!((x.distinct, x.min, x.max), (200, Some(0.0), Some(199.0)));
        assert!((x.mean.unwrap() - 99.5).abs() < 1e-12);
        // numpy.std(range(200), ddof=1) and numpy.quantile(range(200), .25)
        assert!((x.std.unwrap() - 57.879_184_513_951_12).abs() < 1e-9);
        assert_eq!(x.quantiles[2], (0.25, 49.75));
        assert_eq!(x.histogram.counts, [10; 20]);
        assert_eq!(x.histogram.edges.len(), 21);
        let odd = column("odd");
        assert_eq!((odd.nulls, odd.infinities, odd.distinct), (140, 1, 1));
        assert_eq!(odd.top, [("1.5".to_owned(), 59)]);
        let carrier = column("carrier");
        assert_eq!(
            (carrier.nulls, carrier.distinct, carrier.mean),
            (20, 3, None)
        );
        assert_eq!(carrier.top[0], ("UA".to_owned(), 100));
        assert!(carrier.histogram.edges.is_empty());
    }

    #[test]
    fn what_is_odd_is_said() {
        let profile = profile(&sample());
        let said = |words: &str| profile.warnings.iter().any(|w| w.contains(words));
        assert!(
            said("`id` looks like an identifier"),
            "{:?}",
            profile.warnings
        );
        assert!(said("`key` looks like an identifier"));
        assert!(said("`odd` is mostly null (70 %)"));
        assert!(said("`odd` has infinite values (1)"));
        assert!(!said("`x`") && !said("`carrier`"));
        assert!(profile.correlations.is_empty());
        let related = state_of(&sample()).unwrap().profile(None, None).unwrap();
        let (a, b, r) = &related.correlations[0];
        assert_eq!((a.as_str(), b.as_str()), ("x", "twice"));
        assert!(*r > 0.999);
    }

    fn sides(n: usize) -> Frame {
        let x: Vec<f64> = (0..n)
            .map(|i| ((i * 7_919) % 50_021) as f64 / 7.0)
            .collect();
        let late: Vec<bool> = x.iter().map(|x| *x > 5_000.0).collect();
        let days: Vec<i64> = (0..n).map(|i| (i % 40) as i64 - 3).collect();
        let keys: Vec<String> = (0..n).map(|i| format!("k{}", (i * 31) % 20_011)).collect();
        let noise: Vec<f64> = (0..n)
            .map(|i| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64)
            .collect();
        frame(vec![
            ("x", Arc::new(Float64Array::from(x))),
            ("days", Arc::new(Int64Array::from(days))),
            ("key", Arc::new(StringArray::from(keys))),
            ("noise", Arc::new(Float64Array::from(noise))),
            ("late", Arc::new(arrow_array::BooleanArray::from(late))),
        ])
    }

    fn part(frame: &Frame, from: usize, length: usize) -> Frame {
        Frame::from_batch(&frame.batch.slice(from, length)).unwrap()
    }

    #[test]
    fn merged_states_are_the_whole_also_after_being_kept() {
        let whole = sides(60_000);
        let parts = [(0, 20_000), (20_000, 1), (20_001, 39_999)];
        let mut merged = TableState::default();
        for (from, length) in parts {
            let state = kept_state_of(&part(&whole, from, length), 3).unwrap();
            let back = TableState::from_bytes(&state.to_bytes().unwrap())
                .unwrap()
                .unwrap();
            merged.merge(&back).unwrap();
        }
        let merged = merged.profile(Some("late"), None).unwrap();
        let whole = state_of(&whole)
            .unwrap()
            .profile(Some("late"), None)
            .unwrap();
        assert_eq!(merged.rows, 60_000);
        for (a, b) in merged.columns.iter().zip(&whole.columns) {
            assert_eq!(
                (&a.name, a.rows, a.nulls, a.distinct, a.min, a.max),
                (&b.name, b.rows, b.nulls, b.distinct, b.min, b.max)
            );
            assert_eq!(
                a.histogram.counts.iter().sum::<u64>(),
                b.histogram.counts.iter().sum::<u64>()
            );
            if let (Some(a), Some(b)) = (a.mean, b.mean) {
                assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} and {b}");
            }
            for ((q, x), (_, y)) in a.quantiles.iter().zip(&b.quantiles) {
                let width = b.max.unwrap() - b.min.unwrap();
                assert!(
                    (x - y).abs() < 0.01 * width,
                    "{q} of {}: {x} and {y}",
                    a.name
                );
            }
        }
        assert_eq!(merged.columns[1].top, whole.columns[1].top);
    }

    #[test]
    fn a_column_that_determines_the_target_is_said_to_leak() {
        let profile = state_of(&sides(20_000))
            .unwrap()
            .profile(Some("late"), None)
            .unwrap();
        let of = |name: &str| {
            profile
                .signal
                .iter()
                .find(|one| one.column == name)
                .unwrap()
        };
        assert!(
            of("x").leaks && of("x").auc.unwrap() > 0.999,
            "{:?}",
            of("x")
        );
        assert!(
            !of("noise").leaks && of("noise").information < 0.01,
            "{:?}",
            of("noise")
        );
        assert!(
            (of("noise").auc.unwrap() - 0.5).abs() < 0.02,
            "{:?}",
            of("noise")
        );
        assert!(
            profile
                .warnings
                .iter()
                .any(|one| one.contains("`x` nearly determines `late`"))
        );
        assert_eq!(profile.signal[0].column, "x");
        assert!(
            state_of(&sides(50))
                .unwrap()
                .profile(Some("gone"), None)
                .is_err()
        );
    }

    #[test]
    fn odd_columns_are_told_in_words() {
        let n = 400;
        let times = |zone: bool| {
            let times =
                arrow_array::TimestampMicrosecondArray::from_iter_values((0..n).map(|i| i * 1_000));
            frame(vec![(
                "at",
                Arc::new(if zone {
                    times.with_timezone("UTC")
                } else {
                    times
                }) as ArrayRef,
            )])
        };
        let mut both = state_of(&times(true)).unwrap();
        both.merge(&state_of(&times(false)).unwrap()).unwrap();
        let said = both
            .profile(None, Some(200_000))
            .unwrap()
            .warnings
            .join("; ");
        assert!(
            said.contains("in the future") && said.contains("with a zone in some files"),
            "{said}"
        );
        let mut values: Vec<f64> = (0..n).map(|i| (i % 37) as f64).collect();
        values[7] = 5_000.0;
        let texts: Vec<String> = (0..n).map(|i| format!("{}", i % 9)).collect();
        let table = frame(vec![
            ("x", Arc::new(Float64Array::from(values))),
            ("code", Arc::new(StringArray::from(texts))),
        ]);
        let said = profile(&table).warnings.join("; ");
        assert!(said.contains("`x` has outliers: 1 values"), "{said}");
        assert!(
            said.contains("`code` is text whose values are numbers"),
            "{said}"
        );
    }

    #[test]
    fn files_of_different_columns_merge_or_say_why_not() {
        let one = frame(vec![(
            "a",
            Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef,
        )]);
        let two = frame(vec![
            ("a", Arc::new(Float64Array::from(vec![0.5])) as ArrayRef),
            ("b", Arc::new(StringArray::from(vec!["x"]))),
        ]);
        let mut state = state_of(&one).unwrap();
        state.merge(&state_of(&two).unwrap()).unwrap();
        let profile = state.profile(None, None).unwrap();
        assert_eq!(
            (profile.columns[0].max, profile.columns[0].distinct),
            (Some(2.0), 3)
        );
        assert_eq!((profile.columns[1].rows, profile.columns[1].nulls), (3, 2));
        let text = frame(vec![(
            "a",
            Arc::new(StringArray::from(vec!["x"])) as ArrayRef,
        )]);
        let error = state.merge(&state_of(&text).unwrap()).unwrap_err();
        assert!(
            error.0.contains("`a`") && error.0.contains("text"),
            "{error}"
        );
    }

    #[test]
    fn parquet_is_profiled_as_its_rows_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sides.parquet");
        let whole = sides(30_000);
        whole.write(&path).unwrap();
        let read = files(&[&path], &|_, _| Ok(()))
            .unwrap()
            .profile(Some("late"), None)
            .unwrap();
        let memory = state_of(&whole)
            .unwrap()
            .profile(Some("late"), None)
            .unwrap();
        assert_eq!(read, memory);
        let stopped = files(&[&path], &|_, _| Err(crate::data::Error::new("stop")));
        assert!(stopped.is_err());
    }

    #[test]
    fn text_files_are_profiled_as_their_rows_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        // pieces of a file end anywhere, also between a row and its like
        let whole = sides(70_000);
        for name in ["sides.csv", "sides.jsonl", "sides.csv.gz"] {
            let path = folder.path().join(name);
            if name.ends_with(".gz") {
                let text = std::fs::read(folder.path().join("sides.csv")).unwrap();
                let file = std::fs::File::create(&path).unwrap();
                let mut packer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                std::io::Write::write_all(&mut packer, &text).unwrap();
                packer.finish().unwrap();
            } else {
                whole.write(&path).unwrap();
            }
            let heard = std::sync::Mutex::new(Vec::new());
            let read = files(&[&path], &|share, _| {
                heard.lock().unwrap().push(share);
                Ok(())
            });
            let read = read.unwrap().profile(Some("late"), None).unwrap();
            let memory = super::super::source::read(&[path], None).unwrap();
            let memory = state_of(&memory).unwrap();
            assert_eq!(read, memory.profile(Some("late"), None).unwrap(), "{name}");
            let heard = heard.into_inner().unwrap();
            assert!(heard.windows(2).all(|pair| pair[0] <= pair[1]), "{heard:?}");
            assert!(
                heard[0] <= 0.4 && heard[heard.len() - 1] == 1.0,
                "{heard:?}"
            );
        }
        let stopped = files(
            &[folder.path().join("sides.csv")],
            &|share, _| match share {
                share if share > 0.5 => Err(crate::data::Error::new("stop")),
                _ => Ok(()),
            },
        );
        assert_eq!(stopped.unwrap_err().0, "stop");
    }

    #[test]
    fn correlations_are_those_of_all_rows_and_the_signal_says_of_how_many() {
        let n = 120_000u64;
        let rows: Vec<u64> = (0..n).collect();
        // a few rows, which a sample misses or weighs too much, decide
        let x: Vec<f64> = rows
            .iter()
            .map(|i| {
                if i % 9_973 == 1 {
                    1e4
                } else {
                    (i * 7_919 % 101) as f64
                }
            })
            .collect();
        let y: Vec<Option<f64>> = rows
            .iter()
            .zip(&x)
            .map(|(i, x)| (i % 7 > 0).then(|| x / 2.0 + (i * 31 % 89) as f64))
            .collect();
        let flag: Vec<bool> = y.iter().map(|y| y.unwrap_or(0.0) > 60.0).collect();
        let both: Vec<(f64, f64)> = x
            .iter()
            .zip(&y)
            .filter_map(|(x, y)| Some((*x, (*y)?)))
            .collect();
        let count = both.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / count;
        let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            both.iter().map(|(x, y)| of(x - mx, y - my)).sum()
        };
        let expected = sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt();
        let table = frame(vec![
            ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
            ("y", Arc::new(Float64Array::from(y))),
            ("flag", Arc::new(arrow_array::BooleanArray::from(flag))),
        ]);
        let state = state_of(&table).unwrap();
        let profile = state.profile(Some("y"), None).unwrap();
        let [(a, b, r)] = profile.correlations.as_slice() else {
            panic!("{:?}", profile.correlations)
        };
        assert_eq!((a.as_str(), b.as_str()), ("x", "y"));
        assert!((r - expected).abs() < 1e-9, "{r}, not {expected}");
        assert_eq!((profile.sampled, profile.correlated), (32_768, 120_000));
        let of = |name: &str| profile.signal.iter().find(|one| one.column == name);
        let signal = of("x").unwrap();
        assert!((signal.r.unwrap() - expected).abs() < 1e-9 && signal.rows < 32_768);
        assert!(of("flag").unwrap().r.unwrap() > 0.2);
        let back = TableState::from_bytes(&state.to_bytes().unwrap());
        assert_eq!(back.unwrap().unwrap().pairs, state.pairs);
    }

    #[test]
    fn damaged_states_are_refused() {
        let bytes = state_of(&sides(300)).unwrap().to_bytes().unwrap();
        assert!(TableState::from_bytes(&bytes).unwrap().is_some());
        assert!(TableState::from_bytes(&[99, 1, 2]).unwrap().is_none());
        for cut in [0, 1, bytes.len() / 2] {
            assert!(TableState::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn an_empty_table_has_a_profile() {
        let empty = frame(vec![("x", Arc::new(Float64Array::from(Vec::<f64>::new())))]);
        let profile = profile(&empty);
        assert_eq!(profile.rows, 0);
        assert_eq!(profile.columns[0].min, None);
        assert!(profile.columns[0].quantiles.is_empty() && profile.warnings.is_empty());
    }
}
