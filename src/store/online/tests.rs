//! Generations one after the other, pushes between them, and readers meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::rows::{page, pushed};
use super::*;
use crate::data::online::pack::Packs;
use crate::data::online::{OnlineColumn, Scalar};
use crate::domain::Error;
use crate::domain::dataset::{ColumnKind, FileStamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

fn row(entity: &str, event: i64, source: i32, value: i64) -> OnlineRow {
    let mut body = Vec::new();
    Scalar::Integer(value).store(&mut body);
    OnlineRow {
        key: entity.as_bytes().to_vec(),
        event: Some(event),
        created: None,
        source,
        body,
    }
}

fn meta(taken: &str, files: &[&str]) -> Meta {
    Meta {
        layout: Layout {
            columns: vec![OnlineColumn {
                name: "n".into(),
                kind: ColumnKind::Integer,
            }],
        },
        as_of: Some(0),
        taken: taken.into(),
        files: files
            .iter()
            .map(|path| FileSpan {
                stamp: FileStamp {
                    path: (*path).into(),
                    bytes: 0,
                    sha256: String::new(),
                    modified: 0,
                },
                known: None,
                columns: Vec::new(),
            })
            .collect(),
        ..Meta::default()
    }
}

fn open() -> (tempfile::TempDir, Online) {
    let folder = tempfile::tempdir().unwrap();
    let online = Online::open(&folder.path().join("online.db")).unwrap();
    (folder, online)
}

fn replace(online: &Online, meta: Meta, rows: Vec<OnlineRow>) -> u64 {
    online
        .replace("v", meta, &mut Packs::of(rows.into_iter().map(Ok)))
        .unwrap()
}

fn values(online: &Online) -> Vec<(String, i64, i64)> {
    let Some((_, rows)) = online.some("v", u32::MAX).unwrap() else {
        return Vec::new();
    };
    rows.into_iter()
        .map(|row| {
            let mut values = crate::data::online::Scalars::of(&row.body);
            let Some(Ok(Scalar::Integer(value))) = values.next() else {
                panic!("{row:?}");
            };
            (
                String::from_utf8(row.key).unwrap(),
                row.event.unwrap(),
                value,
            )
        })
        .collect()
}

/// The rows of all generations, read or not.
fn count(online: &Online) -> usize {
    let rows = online.store.read(|connection| {
        let mut tables = connection.prepare(
            "select name from sqlite_schema where type = 'table' and name like '%\\__%' escape '\\' order by name",
        )?;
        let names = tables
            .query_map([], |row| row.get::<_, String>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let names = names.iter().filter(|name| !name.starts_with("sqlite_"));
        let names: Vec<(&str, &str)> = names.filter_map(|name| name.split_once('_')).collect();
        let ids = names.iter().filter(|(what, _)| *what == "entities");
        let ids: Vec<i64> = ids.map(|(_, id)| id.parse().unwrap()).collect();
        // the tables of a generation are there together
        assert_eq!(names.len(), 3 * ids.len(), "{names:?}");
        ids.iter().try_fold(0, |sum, id| {
            Ok(sum + page(connection, *id, None, usize::MAX)?.len())
        })
    });
    rows.unwrap()
}

#[test]
fn a_file_of_the_first_form_keeps_what_was_read_and_what_was_pushed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("online.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "create table views (
                 view text primary key, generation integer not null, revision integer not null, meta text not null) without rowid;
             create table generations (id integer primary key autoincrement, view text not null);
             create table entities (
                 generation integer not null, key blob not null, event integer, created integer, source integer not null,
                 body blob not null, primary key (generation, key)) without rowid;
             create table pushed (
                 view text not null, key blob not null, event integer, created integer, body blob not null,
                 primary key (view, key)) without rowid;
             insert into generations (id, view) values (3, 'v'), (4, 'v');
             pragma user_version = 1;",
        )
        .unwrap();
    let put = |generation: i64, row: &OnlineRow| {
        connection
            .execute(
                "insert into entities values (?1, ?2, ?3, ?4, ?5, ?6)",
                rusqlite::params![
                    generation,
                    row.key,
                    row.event,
                    row.created,
                    row.source,
                    row.body
                ],
            )
            .unwrap();
    };
    put(3, &row("a", 1, 0, 1));
    put(3, &row("b", 2, PUSHED, 2));
    // a crash left these
    put(4, &row("a", 9, 0, 9));
    let was = row("b", 2, PUSHED, 2);
    connection
        .execute(
            "insert into pushed values ('v', ?1, ?2, ?3, ?4)",
            rusqlite::params![was.key, was.event, was.created, was.body],
        )
        .unwrap();
    let text = serde_json::to_string(&meta("1", &[])).unwrap();
    connection
        .execute("insert into views values ('v', 3, 5, ?1)", [text])
        .unwrap();
    drop(connection);

    let online = Online::open(&path).unwrap();
    assert_eq!(
        values(&online),
        [("a".to_owned(), 1, 1), ("b".to_owned(), 2, 2)]
    );
    assert_eq!(count(&online), 2);
    let there = online.generation("v").unwrap().unwrap();
    assert_eq!((there.id, there.revision), (3, 5));
    replace(&online, meta("2", &[]), vec![row("a", 3, 0, 7)]);
    assert_eq!(
        values(&online),
        [("a".to_owned(), 3, 7), ("b".to_owned(), 2, 2)]
    );
    assert_eq!(count(&online), 2);
}

#[test]
fn a_file_of_the_second_form_keeps_what_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("online.db");
    let online = Online::open(&path).unwrap();
    online
        .push(
            "v",
            meta("1", &[]),
            vec![row("a", 1, 0, 1), row("b", 2, 0, 2)],
        )
        .unwrap();
    drop(online);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("drop table packs_1; drop table firsts_1; pragma user_version = 2;")
        .unwrap();
    drop(connection);
    let online = Online::open(&path).unwrap();
    let both = [("a".to_owned(), 1, 1), ("b".to_owned(), 2, 2)];
    assert_eq!(values(&online), both);
    replace(&online, meta("2", &[]), vec![row("b", 3, 0, 7)]);
    let both = [("a".to_owned(), 1, 1), ("b".to_owned(), 3, 7)];
    assert_eq!(values(&online), both);
    assert_eq!(count(&online), 2);
}

#[test]
fn packed_rows_and_single_ones_are_read_as_one() {
    let (_folder, online) = open();
    let name = |at: i64| format!("{at:05}");
    // some keys are nobody's
    let packed: Vec<OnlineRow> = (0..3_000)
        .map(|at| row(&name(3 * at + 2), 5, 0, at))
        .collect();
    let mut expected: BTreeMap<Vec<u8>, OnlineRow> = packed
        .iter()
        .map(|row| (row.key.clone(), row.clone()))
        .collect();
    replace(&online, meta("1", &[]), packed);
    let single = (0..9_010)
        .step_by(7)
        .map(|at| row(&name(at), 6, PUSHED, -at));
    let single: Vec<OnlineRow> = single.collect();
    online.push("v", Meta::default(), single.clone()).unwrap();
    expected.extend(single.into_iter().map(|row| (row.key.clone(), row)));
    let id = online.generation("v").unwrap().unwrap().id;
    for limit in [1, 7, 100, 2_000, usize::MAX] {
        let (mut read, mut last) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let piece = online
                .store
                .read(|connection| page(connection, id, last.as_deref(), limit))
                .unwrap();
            let Some(row) = piece.last() else { break };
            assert!(piece.len() <= limit);
            last = Some(row.key.clone());
            read.extend(piece);
        }
        assert!(read.iter().eq(expected.values()), "{limit} at a time");
    }
    let mut read = Vec::new();
    online
        .pages("v", &mut |generation, rows| {
            assert_eq!(generation.id, id);
            read.extend_from_slice(rows);
            Ok(())
        })
        .unwrap();
    assert!(read.iter().eq(expected.values()));
    let keys: Vec<Option<Vec<u8>>> = (0..9_020).map(|at| Some(name(at).into_bytes())).collect();
    let asked = [Asked {
        view: "v",
        keys: &keys,
    }];
    let mut seen = 0;
    online
        .look_up(&asked, &mut |_, _, at, found| {
            let there = expected.get(keys[at].as_ref().unwrap());
            assert_eq!(
                found.map(|found| (found.event, found.body.to_vec())),
                there.map(|row| (row.event, row.body.clone()))
            );
            seen += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, keys.len());
}

#[test]
fn a_new_generation_replaces_the_old_one_whole() {
    let (_folder, online) = open();
    let keys = [Some(b"a".to_vec()), None];
    let asked = [Asked {
        view: "v",
        keys: &keys,
    }];
    online
        .look_up(&asked, &mut |_, _, _, _| panic!("nothing is there"))
        .unwrap();
    replace(
        &online,
        meta("1", &[]),
        vec![row("a", 1, 0, 1), row("b", 1, 0, 2)],
    );
    replace(&online, meta("2", &[]), vec![row("b", 1, 0, 3)]);
    // taken in again: nothing changes
    replace(&online, meta("2", &[]), vec![row("c", 1, 0, 3)]);
    assert_eq!(values(&online), [("b".to_owned(), 1, 3)]);
    assert_eq!(count(&online), 1);
    let mut seen = Vec::new();
    online
        .look_up(&asked, &mut |_, _, at, found| {
            seen.push((at, found.is_some()));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [(0, false), (1, false)]);
}

#[test]
fn what_was_pushed_goes_along_until_a_file_has_it() {
    let (_folder, online) = open();
    let push = |rows: Vec<OnlineRow>| online.push("v", meta("", &[]), rows).unwrap();
    push(vec![row("a", 5, 0, 50)]);
    assert_eq!(values(&online), [("a".to_owned(), 5, 50)]);
    assert!(online.is_any_pushed("v").unwrap() && !online.is_any_pushed("w").unwrap());
    replace(
        &online,
        meta("1", &["x"]),
        vec![row("a", 4, 0, 40), row("b", 4, 0, 41)],
    );
    let both = [("a".to_owned(), 5, 50), ("b".to_owned(), 4, 41)];
    assert_eq!(values(&online), both);
    assert_eq!(
        push(vec![row("b", 3, 0, 1), row("b", 4, 0, 2)]),
        Pushed { taken: 1, older: 1 }
    );
    replace(
        &online,
        meta("2", &["x"]),
        vec![row("a", 5, 0, 51), row("b", 4, 0, 42)],
    );
    let read = [("a".to_owned(), 5, 51), ("b".to_owned(), 4, 42)];
    assert_eq!(values(&online), read);
    assert_eq!(
        online
            .store
            .read(|connection| pushed(connection, "v"))
            .unwrap(),
        []
    );
    assert!(!online.is_any_pushed("v").unwrap());
}

#[test]
fn bringing_up_to_date_in_place_and_anew_come_to_the_same() {
    for windows in [vec![], vec![0]] {
        let (_folder, online) = open();
        let with = |taken: &str, files: &[&str]| {
            let mut empty = Vec::new();
            Scalar::Integer(0).store(&mut empty);
            Meta {
                windows: windows.clone(),
                empty,
                ..meta(taken, files)
            }
        };
        let there = ["a", "b", "c", "d"].map(|name| row(name, 5, 0, 1)).to_vec();
        replace(&online, with("1", &["x"]), there);
        online
            .push("v", Meta::default(), vec![row("d", 9, 0, 9)])
            .unwrap();
        let since = online.generation("v").unwrap().unwrap().since().unwrap();
        let came = [row("a", 6, 1, 2), row("b", 4, 1, 3), row("e", 1, 1, 4)];
        let update = |taken: &str, since: &Since| {
            let mut rows = came.clone().into_iter().map(Ok);
            online.update("v", since, with(taken, &["x", "y"]), 3, &mut rows)
        };
        assert_eq!(update("2", &since).unwrap(), 5);
        assert_eq!(update("2", &since).unwrap(), 5);
        let expected = if windows.is_empty() {
            [6, 5, 5, 9, 1].into_iter().zip([2, 1, 1, 9, 4])
        } else {
            [6, 5, 5, 9, 1].into_iter().zip([2, 3, 0, 9, 4])
        };
        let shown: Vec<(i64, i64)> = values(&online)
            .into_iter()
            .map(|(_, event, value)| (event, value))
            .collect();
        assert_eq!(shown, expected.collect::<Vec<_>>());
        assert_eq!(count(&online), 5);
        // somebody else was quicker
        assert_eq!(
            update("3", &since).unwrap_err().kind,
            crate::domain::ErrorKind::Conflict
        );
    }
}

#[test]
fn an_unfinished_generation_is_nobodys_and_goes() {
    let (folder, online) = open();
    replace(&online, meta("1", &[]), vec![row("a", 1, 0, 1)]);
    let failing = [Ok(row("b", 1, 0, 2)), Err(Error::invalid("cut off"))];
    online
        .replace("v", meta("2", &[]), &mut Packs::of(failing.into_iter()))
        .unwrap_err();
    let id = online.begin("v").unwrap();
    online
        .fill(
            id,
            &mut Packs::of((0..20_000).map(|at| Ok(row(&format!("{at:06}"), 1, 0, at)))),
        )
        .unwrap();
    drop(online);
    let online = Online::open(&folder.path().join("online.db")).unwrap();
    assert_eq!(values(&online).len(), 1);
    replace(
        &online,
        meta("3", &[]),
        vec![row("a", 1, 0, 3), row("b", 1, 0, 3)],
    );
    assert_eq!(count(&online), 2);
}

#[test]
fn readers_never_see_two_generations_at_once() {
    let (_folder, online) = open();
    let names: Vec<String> = (0..300).map(|at| format!("{at:03}")).collect();
    let rows = |value: i64| Packs::of(names.iter().map(move |name| Ok(row(name, value, 0, value))));
    online.replace("v", meta("0", &[]), &mut rows(0)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let keys: Vec<Option<Vec<u8>>> = names
                .iter()
                .map(|name| Some(name.as_bytes().to_vec()))
                .collect();
            while !done.load(Ordering::SeqCst) {
                let mut events = Vec::new();
                online
                    .look_up(
                        &[Asked {
                            view: "v",
                            keys: &keys,
                        }],
                        &mut |_, _, _, found| {
                            events.push(found.unwrap().event);
                            Ok(())
                        },
                    )
                    .unwrap();
                assert_eq!(events.len(), 300);
                assert!(events.iter().all(|event| *event == events[0]));
            }
        });
        for value in 1..40 {
            online
                .replace("v", meta(&value.to_string(), &[]), &mut rows(value))
                .unwrap();
            let since = online.generation("v").unwrap().unwrap().since().unwrap();
            let mut newer = names
                .iter()
                .map(|name| Ok(row(name, 100 + value, 0, value)));
            online
                .update(
                    "v",
                    &since,
                    meta(&format!("u{value}"), &[]),
                    300,
                    &mut newer,
                )
                .unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
}
