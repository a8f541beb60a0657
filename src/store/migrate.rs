//! Numbered, append-only migrations, embedded in the binary.

use crate::domain::{Error, Result};
use rusqlite::Connection;

/// Every released step, in order. `PRAGMA user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tracking.sql"),
    include_str!("migrations/0002_platform.sql"),
    include_str!("migrations/0003_logged_models.sql"),
    include_str!("migrations/0004_purge.sql"),
    include_str!("migrations/0005_latest_by_run.sql"),
    include_str!("migrations/0006_access.sql"),
    include_str!("migrations/0007_profiles.sql"),
    include_str!("migrations/0008_catalog.sql"),
    include_str!("migrations/0010_points.sql"),
    include_str!("migrations/0011_job_forms.sql"),
    include_str!("migrations/0012_metric_packs.sql"),
];

/// Brings the database up to date, each step in a transaction of its own.
pub fn migrate(connection: &mut Connection) -> Result<()> {
    let applied: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let applied = usize::try_from(applied).unwrap_or(usize::MAX);
    if applied > MIGRATIONS.len() {
        return Err(Error::conflict(format!(
            "the store was written by a newer trainyard (schema {applied}, this one knows {}): use that version",
            MIGRATIONS.len()
        )));
    }
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A database as the version with `steps` migrations left it, with one run and one point.
    fn left_by(steps: usize) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for sql in &MIGRATIONS[..steps] {
            connection.execute_batch(sql).unwrap();
        }
        connection
            .pragma_update(None, "user_version", steps as i64)
            .unwrap();
        connection
            .execute_batch(
                "insert into experiments (id, name, artifact_location, created, updated) values (0, 'e', 'x', 1, 1);
                 insert into runs (id, experiment, name, user, status, started, lifecycle, artifact_uri)
                 values ('a', 0, 'a', 'ana', 'RUNNING', 1, 'active', 'x');
                 insert into metric_keys (name) values ('loss');
                 insert into metrics select r.number, k.id, 3, 1, 0.5, 0 from runs r, metric_keys k;
                 insert into latest_metrics (run, key, step, at, value, nan) select run, key, step, at, value, nan from metrics;",
            )
            .unwrap();
        connection
    }

    #[test]
    fn a_database_of_each_earlier_version_keeps_its_points() {
        for steps in 1..=MIGRATIONS.len() {
            let mut connection = left_by(steps);
            migrate(&mut connection).unwrap();
            let one = |sql: &str| -> String {
                connection
                    .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
                    .map(|value| format!("{value:?}"))
                    .unwrap()
            };
            for table in ["metrics", "latest_metrics"] {
                assert_eq!(
                    one(&format!("select step || ' ' || value from {table}")),
                    "Text(\"3 0.5\")",
                    "{table} after {steps}"
                );
            }
            assert_eq!(one("pragma integrity_check"), "Text(\"ok\")");
            assert_eq!(
                one("select count(*) from pragma_foreign_key_list('metrics')"),
                "Integer(0)"
            );
            assert_eq!(
                one("select count(*) from pragma_foreign_key_check"),
                "Integer(0)"
            );
            connection
                .execute_batch("insert into metrics values (1, 1, 4, 2, 0.25, 0)")
                .unwrap();
        }
    }
}
