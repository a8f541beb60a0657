//! What the registry pane reads: all models in one statement, all versions of one in a few, however many there are.

use super::registry::{VERSION_COLUMNS, bare_version};
use crate::domain::metric::Number;
use crate::domain::registry::{CHAMPION, GateMark, VersionRow};
use crate::domain::{ModelName, Result, Version};
use rusqlite::{Connection, Row, params};
use std::collections::{BTreeMap, HashSet};

/// Newest versions whose metrics are looked at for the choice of columns.
const LOOKED_AT: u32 = 200;

/// A model, its champion and its newest version.
pub type Listed = (ModelName, Option<Version>, Option<Version>);

/// All models, sorted by name.
pub fn models(connection: &Connection) -> Result<Vec<Listed>> {
    let models = connection
        .prepare_cached(
            "select m.name, a.version, (select max(version) from model_versions v where v.model = m.name) \
             from registered_models m left join aliases a on a.model = m.name and a.alias = ?1 order by m.name",
        )?
        .query_map([CHAMPION], |row| {
            Ok((
                ModelName(row.get(0)?),
                row.get::<_, Option<u32>>(1)?.map(Version),
                row.get::<_, Option<u32>>(2)?.map(Version),
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(models)
}

/// The versions of a model, newest first: with the names of their runs, their aliases and what the gate counted; without
/// tags, checks and metrics.
pub fn versions(connection: &Connection, model: &ModelName) -> Result<Vec<VersionRow>> {
    let mut rows: Vec<VersionRow> = connection
        .prepare_cached(&format!(
            "select {VERSION_COLUMNS}, coalesce(r.name, ''), \
                 g.passed, json_array_length(g.verdict, '$.checks'), \
                 (select count(*) from json_each(g.verdict, '$.checks') where json_extract(value, '$.passed')) \
             from model_versions v left join runs r on r.id = v.run_id \
             left join gates g on g.id = (select max(id) from gates where model = v.model and version = v.version) \
             where v.model = ?1 order by v.version desc",
        ))?
        .query_map([model.as_str()], |row| row_of(model, row))?
        .collect::<rusqlite::Result<_>>()?;
    let mut aliases: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut statement = connection
        .prepare_cached("select version, alias from aliases where model = ?1 order by alias")?;
    let mut found = statement.query([model.as_str()])?;
    while let Some(row) = found.next()? {
        aliases.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let champions: HashSet<u32> = connection
        .prepare_cached(
            "select distinct to_version from alias_moves where model = ?1 and alias = ?2 and to_version is not null",
        )?
        .query_map([model.as_str(), CHAMPION], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for row in &mut rows {
        let version = row.version.version.0;
        row.version.aliases = aliases.remove(&version).unwrap_or_default();
        row.was_champion = champions.contains(&version)
            && !row.version.aliases.iter().any(|alias| alias == CHAMPION);
    }
    Ok(rows)
}

fn row_of(model: &ModelName, row: &Row<'_>) -> rusqlite::Result<VersionRow> {
    let clear: Option<bool> = row.get(10)?;
    let (total, passed): (Option<u32>, Option<u32>) = (row.get(11)?, row.get(12)?);
    Ok(VersionRow {
        version: bare_version(model, row)?,
        run_name: row.get(9)?,
        metrics: BTreeMap::new(),
        was_champion: false,
        gate: clear.map(|clear| GateMark {
            clear,
            passed: passed.unwrap_or_default(),
            total: total.unwrap_or_default(),
        }),
    })
}

/// The metrics that most of the newest versions have, at most `most` of them, most used first; system metrics are none.
pub fn common_metrics(
    connection: &Connection,
    model: &ModelName,
    most: usize,
) -> Result<Vec<String>> {
    let names = connection
        .prepare_cached(
            "select k.name from (select run_id from model_versions where model = ?1 order by version desc limit ?2) v \
             join runs r on r.id = v.run_id join latest_metrics l on l.run = r.number join metric_keys k on k.id = l.key \
             where k.name not like 'system/%' group by k.id order by count(*) desc, k.name limit ?3",
        )?
        .query_map(
            params![
                model.as_str(),
                LOOKED_AT,
                i64::try_from(most).unwrap_or(i64::MAX)
            ],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names)
}

/// The latest value of one metric of every version's run that has it, by version.
pub fn metric(
    connection: &Connection,
    model: &ModelName,
    name: &str,
) -> Result<BTreeMap<u32, Number>> {
    let values = connection
        .prepare_cached(
            "select v.version, l.value, l.nan from model_versions v join runs r on r.id = v.run_id \
             join latest_metrics l on l.key = (select id from metric_keys where name = ?2) and l.run = r.number \
             where v.model = ?1",
        )?
        .query_map(params![model.as_str(), name], |row| {
            let nan: bool = row.get(2)?;
            let value = if nan { f64::NAN } else { row.get(1)? };
            Ok((row.get(0)?, Number(value)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(values)
}

/// How often aliases of a model have moved.
pub fn moves(connection: &Connection, model: &ModelName) -> Result<u64> {
    let count: i64 = connection
        .prepare_cached("select count(*) from alias_moves where model = ?1")?
        .query_row([model.as_str()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::registry::MoveKind;
    use crate::domain::trigger::{Check, Verdict};
    use crate::store::registry::{self, NewMove, NewVersion};

    #[test]
    fn a_thousand_versions_come_in_a_few_statements() {
        let root = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&root.path().join("store.db")).unwrap();
        let model = ModelName::from("delay");
        let name = model.clone();
        store
            .write(move |transaction| {
                registry::ensure_model(transaction, &name, Timestamp(1))?;
                for _ in 0..1_000 {
                    registry::add_version(
                        transaction,
                        &NewVersion {
                            model: name.clone(),
                            run: None,
                            source: "mlflow-artifacts:/0/r/artifacts/model".into(),
                            user: "ana".into(),
                            digest: String::new(),
                            at: Timestamp(1),
                        },
                    )?;
                }
                for (to, kind) in [(3, MoveKind::Promoted), (1_000, MoveKind::Forced)] {
                    registry::move_alias(
                        transaction,
                        &NewMove {
                            model: name.clone(),
                            alias: CHAMPION.into(),
                            to: Some(Version(to)),
                            kind,
                            at: Timestamp(2),
                            by: "ana".into(),
                            reason: String::new(),
                        },
                    )?;
                }
                let check = |passed| Check {
                    key: "k".into(),
                    name: "k".into(),
                    passed,
                    detail: String::new(),
                    pane: None,
                };
                let verdict = Verdict::of(vec![check(true), check(false), check(true)]);
                registry::record_gate(transaction, &name, Version(999), &verdict, Timestamp(3))
            })
            .unwrap();
        let rows = store.read(|view| versions(view, &model)).unwrap();
        assert_eq!(rows.len(), 1_000);
        assert_eq!(rows[0].version.aliases, [CHAMPION]);
        assert_eq!(
            rows[1].gate,
            Some(GateMark {
                clear: false,
                passed: 2,
                total: 3
            })
        );
        assert!(rows[997].was_champion && !rows[0].was_champion);
        let all = store.read(models).unwrap();
        assert_eq!(
            all,
            [(model.clone(), Some(Version(1_000)), Some(Version(1_000)))]
        );
        assert_eq!(store.read(|view| moves(view, &model)).unwrap(), 2);
    }
}
