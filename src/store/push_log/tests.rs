//! Pushing, sealing and putting together, with crashes in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::merge::Spared;
use super::*;
use crate::data::pushed;
use crate::domain::dataset::ColumnKind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

fn columns() -> Vec<PushColumn> {
    [("who", ColumnKind::Text), ("n", ColumnKind::Integer)]
        .map(|(name, kind)| PushColumn {
            name: name.into(),
            kind,
            zoned: false,
        })
        .to_vec()
}

fn rows(from: i64, count: i64) -> Frame {
    let numbers: Vec<Value> = (from..from + count).map(Value::from).collect();
    let came = BTreeMap::from([("n".to_owned(), numbers)]);
    pushed::check(&came, &columns()).unwrap()
}

fn sealed(root: &Path) -> Vec<f64> {
    let files = PushLog::new(root.into()).segments("d").unwrap();
    if files.is_empty() {
        return Vec::new();
    }
    let frame = crate::data::source::read(&files, None).unwrap();
    frame.numbers("n").unwrap()
}

#[test]
fn what_was_pushed_is_in_the_dataset_once_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = PushLog::new(folder.path().into());
    log.seal("d").unwrap();
    log.append("d", &columns(), &rows(0, 2)).unwrap();
    log.append("d", &columns(), &rows(2, 1)).unwrap();
    assert!(sealed(folder.path()).is_empty());
    log.seal("d").unwrap();
    log.seal("d").unwrap();
    log.append("d", &columns(), &rows(3, 1)).unwrap();
    assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0]);
    // the next daemon finds what the last one left
    let next = PushLog::new(folder.path().into());
    next.seal("d").unwrap();
    assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0, 3.0]);
    assert!(next.append("..", &columns(), &rows(0, 1)).is_err());
}

#[test]
fn a_record_that_was_cut_off_is_left_out_and_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = PushLog::new(folder.path().into());
    log.append("d", &columns(), &rows(0, 1)).unwrap();
    let path = folder.path().join("d/000001.log");
    let whole = std::fs::metadata(&path).unwrap().len();
    log.append("d", &columns(), &rows(1, 3)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for end in whole as usize..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let next = PushLog::new(folder.path().into());
        next.seal("d").unwrap();
        assert_eq!(sealed(folder.path()), [0.0]);
        std::fs::remove_file(folder.path().join("d/000001.parquet")).unwrap();
    }
    // sealed, but the log was not removed any more
    std::fs::write(&path, &bytes).unwrap();
    PushLog::new(folder.path().into()).seal("d").unwrap();
    std::fs::write(&path, &bytes).unwrap();
    PushLog::new(folder.path().into()).seal("d").unwrap();
    assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn many_push_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = PushLog::new(folder.path().into());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for number in 0..20 {
                    let rows = rows(thread * 20 + number, 1);
                    log.append("d", &columns(), &rows).unwrap();
                    if number == 7 {
                        log.seal("d").unwrap();
                    }
                }
            });
        }
    });
    log.seal("d").unwrap();
    let mut all = sealed(folder.path());
    all.sort_by(f64::total_cmp);
    assert_eq!(all, (0..160).map(f64::from).collect::<Vec<_>>());
}

/// A log in which `count` pushes of one row each were sealed one by one.
fn many_segments(count: i64) -> (tempfile::TempDir, PathBuf, PushLog) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join(".trainyard/pushed");
    let log = PushLog::new(root.clone());
    for number in 0..count {
        log.append("d", &columns(), &rows(number, 1)).unwrap();
        log.seal("d").unwrap();
    }
    (folder, root, log)
}

fn nothing() -> crate::domain::dataset::Snapshot {
    crate::domain::dataset::Snapshot {
        dataset: "d".into(),
        files: Vec::new(),
        digest: String::new(),
    }
}

fn numbers(count: i64) -> Vec<f64> {
    (0..count).map(|number| number as f64).collect()
}

fn names(root: &Path) -> Vec<String> {
    let names = listed(&root.join("d")).unwrap().into_iter();
    let mut names: Vec<String> = names
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn small_segments_become_few_and_the_dataset_stays_the_same() {
    let (_folder, root, log) = many_segments(70);
    let nobody = |_: &Path| Ok(false);
    let digest = || {
        let files = log.segments("d").unwrap();
        let pushed = crate::data::source::stamped("d", files, &[]).unwrap();
        pushed::joined(nothing(), pushed).digest
    };
    let before = digest();
    let merged = log.merge("d", &Spared::new(&[], &nobody)).unwrap();
    // 64 of one, of which 8 become one
    assert_eq!((merged.files, merged.into, merged.removed), (64 + 8, 9, 0));
    assert_eq!(log.segments("d").unwrap().len(), 7);
    assert_eq!(sealed(&root), numbers(70));
    assert_eq!(digest(), before);
    // what was put together stays as long as somebody may be reading it
    let spared = |named| Spared {
        grace: Duration::ZERO,
        ..Spared::new(&[], named)
    };
    let third = |path: &Path| Ok(path.ends_with("000003.parquet"));
    assert_eq!(log.merge("d", &spared(&third)).unwrap().removed, 64 + 8 - 1);
    assert!(names(&root).contains(&"000003.parquet".to_owned()));
    assert_eq!(log.merge("d", &spared(&nobody)).unwrap().removed, 1);
    assert_eq!(names(&root).len(), 8, "{:?}", names(&root));
    assert_eq!(sealed(&root), numbers(70));
    assert_eq!(digest(), before);
    // the next daemon does not use a number again
    drop(log);
    let next = PushLog::new(root.clone());
    assert_eq!(next.append("d", &columns(), &rows(70, 1)).unwrap(), 71);
    next.seal("d").unwrap();
    assert_eq!(sealed(&root), numbers(71));
}

#[test]
fn what_somebody_goes_on_from_is_not_put_together_with_what_comes_behind() {
    let (_folder, root, log) = many_segments(20);
    let nobody = |_: &Path| Ok(false);
    log.merge("d", &Spared::new(&[10], &nobody)).unwrap();
    let files = log.segments("d").unwrap();
    let named: Vec<String> = files
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        named,
        [
            "000001-000008",
            "000009",
            "000010",
            "000011-000018",
            "000019",
            "000020"
        ]
    );
    assert_eq!(sealed(&root), numbers(20));
    // a log that was not sealed holds up what is behind it, and is sealed by the next daemon
    std::fs::write(root.join("d/000019.log"), b"").unwrap();
    assert_eq!(log.merge("d", &Spared::new(&[], &nobody)).unwrap().into, 0);
}

#[test]
fn a_kill_while_segments_are_put_together_loses_nothing_and_counts_nothing_twice() {
    let (_folder, root, log) = many_segments(8);
    let nobody = |_: &Path| Ok(false);
    let folder = root.join("d");
    let parts = names(&root);
    let kept: Vec<Vec<u8>> = parts
        .iter()
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .collect();
    log.merge("d", &Spared::new(&[], &nobody)).unwrap();
    drop(log);
    let whole = std::fs::read(folder.join("000001-000008.parquet")).unwrap();
    let again = || PushLog::new(root.clone());
    let grace = |log: &PushLog| {
        let spared = Spared {
            grace: Duration::ZERO,
            ..Spared::new(&[], &nobody)
        };
        log.merge("d", &spared).unwrap()
    };
    // killed while it was written: only the temporary name is there
    std::fs::remove_file(folder.join("000001-000008.parquet")).unwrap();
    std::fs::write(
        folder.join(".000001-000008.parquet.1.tmp"),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    assert_eq!(sealed(&root), numbers(8));
    grace(&again());
    assert_eq!(sealed(&root), numbers(8));
    // killed while the parts were removed: whichever are left
    for left in 0..parts.len() {
        for (name, bytes) in parts.iter().zip(&kept).skip(left) {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        assert_eq!(sealed(&root), numbers(8), "{left}");
        grace(&again());
        assert_eq!(sealed(&root), numbers(8), "{left}");
    }
    assert_eq!(again().append("d", &columns(), &rows(8, 1)).unwrap(), 9);
}

#[test]
fn who_does_not_hold_the_log_sees_sealed_and_unsealed_rows_once() {
    let (_folder, root, log) = many_segments(9);
    let nobody = |_: &Path| Ok(false);
    log.append("d", &columns(), &rows(9, 2)).unwrap();
    log.merge("d", &Spared::new(&[], &nobody)).unwrap();
    let look = || {
        let mut unsealed = Unsealed::default();
        let files = PushLog::new(root.clone()).look("d", &mut unsealed).unwrap();
        let seen = crate::data::source::read(&files, None)
            .unwrap()
            .numbers("n")
            .unwrap();
        let copies: Vec<PathBuf> = files
            .into_iter()
            .filter(|path| !path.starts_with(&root))
            .collect();
        drop(unsealed);
        assert!(copies.iter().all(|path| !path.exists()));
        seen
    };
    assert_eq!(look(), numbers(11));
    // while rows are pushed and sealed
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for number in 11..60 {
                log.append("d", &columns(), &rows(number, 1)).unwrap();
                if number % 3 == 0 {
                    log.seal("d").unwrap();
                }
                if number % 10 == 0 {
                    log.merge("d", &Spared::new(&[], &nobody)).unwrap();
                }
            }
        });
        while !pushing.is_finished() {
            let seen = look();
            assert_eq!(seen, numbers(seen.len() as i64));
        }
    });
    assert_eq!(look(), numbers(60));
}
