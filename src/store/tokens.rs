//! Tokens: their hashes and who they are for. The secret is never here.

use crate::domain::access::{Role, RunScope, Token, TokenKind};
use crate::domain::{Error, ExperimentId, Result, RunId, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};

const COLUMNS: &str = "select prefix, name, kind, role, run, experiment, created, created_by, \
     expires, last_used, revoked, hash from tokens";

fn from_row(row: &Row<'_>) -> rusqlite::Result<(Token, Vec<u8>)> {
    let named = |column: usize, error: Error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    };
    let run: Option<String> = row.get(4)?;
    let experiment: Option<String> = row.get(5)?;
    let token = Token {
        prefix: row.get(0)?,
        name: row.get(1)?,
        kind: TokenKind::parse(row.get_ref(2)?.as_str()?).map_err(|error| named(2, error))?,
        role: Role::parse(row.get_ref(3)?.as_str()?).map_err(|error| named(3, error))?,
        scope: run.zip(experiment).map(|(run, experiment)| RunScope {
            run: RunId(run),
            experiment: ExperimentId(experiment),
        }),
        created: Timestamp(row.get(6)?),
        created_by: row.get(7)?,
        expires: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        last_used: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        revoked: row.get::<_, Option<i64>>(10)?.map(Timestamp),
    };
    Ok((token, row.get(11)?))
}

/// Every token with its hash, oldest first.
pub fn all(connection: &Connection) -> Result<Vec<(Token, Vec<u8>)>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} order by id"))?;
    let tokens = statement
        .query_map([], from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(tokens)
}

/// Keeps a new token.
pub fn insert(transaction: &Transaction<'_>, token: &Token, hash: &[u8]) -> Result<()> {
    let scope = token.scope.as_ref();
    transaction
        .prepare_cached(
            "insert into tokens (prefix, hash, name, kind, role, run, experiment, created, created_by, expires) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            token.prefix,
            hash,
            token.name,
            token.kind.name(),
            token.role.name(),
            scope.map(|scope| scope.run.as_str()),
            scope.map(|scope| scope.experiment.as_str()),
            token.created.0,
            token.created_by,
            token.expires.map(|end| end.0),
        ])?;
    Ok(())
}

/// Marks a token as revoked.
pub fn revoke(transaction: &Transaction<'_>, prefix: &str, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("update tokens set revoked = ?2 where prefix = ?1 and revoked is null")?
        .execute(params![prefix, at.0])?;
    Ok(())
}

/// Forgets the tokens of a run: it is over.
pub fn forget_run(transaction: &Transaction<'_>, run: &RunId) -> Result<()> {
    transaction
        .prepare_cached("delete from tokens where run = ?1")?
        .execute([run.as_str()])?;
    Ok(())
}

/// Keeps when tokens were last used.
pub fn used(transaction: &Transaction<'_>, uses: &[(String, Timestamp)]) -> Result<()> {
    let mut statement =
        transaction.prepare_cached("update tokens set last_used = ?2 where prefix = ?1")?;
    for (prefix, at) in uses {
        statement.execute(params![prefix, at.0])?;
    }
    Ok(())
}
