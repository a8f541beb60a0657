//! Definitions of feature views as they were applied, which of them are in force, and what runs learned from.

use crate::domain::feature_version::{HistoryLine, Pin, ViewVersion};
use crate::domain::{ModelName, Result, RunId, Timestamp, Version};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// A model version, its run, and a feature that it reads.
pub type Read = (ModelName, Version, Pin);

/// The definitions in force, sorted by name.
pub fn in_force(connection: &Connection) -> Result<Vec<ViewVersion>> {
    let found = connection
        .prepare_cached(
            "select v.definition from views_in_force f \
             join view_versions v on v.view = f.view and v.version = f.version order by f.view",
        )?
        .query_map([], definition)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// The same, read from a database file that nobody has to have open.
pub fn in_force_at(path: &std::path::Path) -> Result<Vec<ViewVersion>> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    in_force(&super::readers::readable(path)?)
}

fn definition(row: &Row<'_>) -> rusqlite::Result<ViewVersion> {
    serde_json::from_str(row.get_ref(0)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// One version of a view, in force or not.
pub fn version(connection: &Connection, view: &str, version: u32) -> Result<Option<ViewVersion>> {
    let found = connection
        .prepare_cached("select definition from view_versions where view = ?1 and version = ?2")?
        .query_row(params![view, version], definition)
        .optional()?;
    Ok(found)
}

/// The greatest number that a view's versions have; 0: it has none.
pub fn newest(connection: &Connection, view: &str) -> Result<u32> {
    let newest = connection
        .prepare_cached("select coalesce(max(version), 0) from view_versions where view = ?1")?
        .query_row([view], |row| row.get(0))?;
    Ok(newest)
}

/// Keeps a version and puts it in force. A number that is there already gets its new words.
pub fn put(transaction: &Transaction<'_>, made: &ViewVersion) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into view_versions (view, version, digest, definition, at, by) values (?1, ?2, ?3, ?4, ?5, ?6) \
             on conflict (view, version) do update set definition = excluded.definition",
        )?
        .execute(params![
            made.view.name,
            made.view.version,
            made.digest,
            serde_json::to_string(made)?,
            made.at.0,
            made.by,
        ])?;
    transaction
        .prepare_cached(
            "insert into views_in_force (view, version) values (?1, ?2) \
             on conflict (view) do update set version = excluded.version",
        )?
        .execute(params![made.view.name, made.view.version])?;
    Ok(())
}

/// Takes a view out of force; its versions stay.
pub fn remove(transaction: &Transaction<'_>, view: &str) -> Result<()> {
    transaction
        .prepare_cached("delete from views_in_force where view = ?1")?
        .execute([view])?;
    Ok(())
}

/// A view's versions, newest first.
pub fn history(connection: &Connection, view: &str) -> Result<Vec<HistoryLine>> {
    let lines = connection
        .prepare_cached(
            "select version, digest, at, by from view_versions where view = ?1 order by version desc",
        )?
        .query_map([view], |row| {
            Ok(HistoryLine {
                version: row.get(0)?,
                digest: row.get(1)?,
                at: Timestamp(row.get(2)?),
                by: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lines)
}

/// Keeps what a run learns from; told again, it is the same.
pub fn pin(transaction: &Transaction<'_>, pins: &[Pin]) -> Result<()> {
    let mut statement = transaction.prepare_cached(
        "insert into run_features (run_id, input, view, version, feature, keys) values (?1, ?2, ?3, ?4, ?5, ?6) \
         on conflict (run_id, input) do update set view = excluded.view, version = excluded.version, \
         feature = excluded.feature, keys = excluded.keys",
    )?;
    for pin in pins {
        statement.execute(params![
            pin.run.as_str(),
            pin.input,
            pin.view,
            pin.version,
            pin.feature,
            serde_json::to_string(&pin.keys)?,
        ])?;
    }
    Ok(())
}

fn pin_of(row: &Row<'_>) -> rusqlite::Result<Pin> {
    let keys = serde_json::from_str(row.get_ref(5)?.as_str()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, Type::Text, Box::new(error))
    })?;
    Ok(Pin {
        run: RunId(row.get(0)?),
        input: row.get(1)?,
        view: row.get(2)?,
        version: row.get(3)?,
        feature: row.get(4)?,
        keys,
    })
}

/// What a run learned from, by input.
pub fn pins(connection: &Connection, run: &RunId) -> Result<Vec<Pin>> {
    let pins = connection
        .prepare_cached(
            "select run_id, input, view, version, feature, keys from run_features where run_id = ?1 order by input",
        )?
        .query_map([run.as_str()], pin_of)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(pins)
}

/// Every registered version with every feature that it reads, newest versions first.
pub fn reads(connection: &Connection) -> Result<Vec<Read>> {
    let reads = connection
        .prepare_cached(
            "select f.run_id, f.input, f.view, f.version, f.feature, f.keys, m.model, m.version \
             from model_versions m join run_features f on f.run_id = m.run_id \
             order by m.model, m.version desc, f.view, f.input",
        )?
        .query_map([], |row| {
            Ok((ModelName(row.get(6)?), Version(row.get(7)?), pin_of(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(reads)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::feature::FeatureView;
    use crate::store::Store;

    fn made(view: &str, number: u32, owner: &str) -> ViewVersion {
        ViewVersion {
            view: FeatureView {
                name: view.into(),
                version: number,
                owner: owner.into(),
                ..FeatureView::default()
            },
            datasets: Vec::new(),
            types: Vec::new(),
            digest: format!("d{number}"),
            at: Timestamp(i64::from(number)),
            by: "ana".into(),
        }
    }

    #[test]
    fn versions_stay_when_another_is_in_force_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        for one in [
            made("a", 1, ""),
            made("b", 1, ""),
            made("a", 2, ""),
            made("a", 2, "bo"),
        ] {
            store.write(move |t| put(t, &one)).unwrap();
        }
        store.write(|t| remove(t, "b")).unwrap();
        let force = store.read(in_force).unwrap();
        assert_eq!(force, [made("a", 2, "bo")]);
        store
            .read(|c| {
                assert_eq!(version(c, "a", 1)?, Some(made("a", 1, "")));
                assert_eq!(version(c, "b", 1)?, Some(made("b", 1, "")));
                assert_eq!((newest(c, "a")?, newest(c, "c")?), (2, 0));
                let numbers: Vec<u32> = history(c, "a")?.iter().map(|one| one.version).collect();
                assert_eq!(numbers, [2, 1]);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn what_a_run_learned_from_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let one = |version| Pin {
            run: RunId::from("r1"),
            input: "dest_x".into(),
            view: "a".into(),
            version,
            feature: "x".into(),
            keys: vec!["dest".into()],
        };
        for version in [1, 2] {
            let pin = one(version);
            store.write(move |t| super::pin(t, &[pin])).unwrap();
        }
        let kept = store.read(|c| pins(c, &RunId::from("r1"))).unwrap();
        assert_eq!(kept, [one(2)]);
        assert!(store.read(reads).unwrap().is_empty());
    }
}
