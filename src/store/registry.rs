//! Models, versions, aliases and their moves, tags, the gate's words.

use crate::domain::registry::{AliasMove, ModelVersion, MoveKind, RegisteredModel};
use crate::domain::trigger::Verdict;
use crate::domain::{Error, ModelName, Result, RunId, Timestamp, Version};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// Makes the model unless it is there. Answers whether it was made.
pub fn ensure_model(
    transaction: &Transaction<'_>,
    model: &ModelName,
    at: Timestamp,
) -> Result<bool> {
    let made = transaction.execute(
        "insert into registered_models (name, created, updated) values (?1, ?2, ?2) \
         on conflict (name) do nothing",
        params![model.as_str(), at.0],
    )?;
    Ok(made > 0)
}

/// One model with its tags and aliases.
pub fn model(connection: &Connection, name: &ModelName) -> Result<Option<RegisteredModel>> {
    let found: Option<(String, i64, i64)> = connection
        .prepare_cached(
            "select description, created, updated from registered_models where name = ?1",
        )?
        .query_row([name.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((description, created, updated)) = found else {
        return Ok(None);
    };
    let tags = connection
        .prepare_cached("select key, value from model_tags where model = ?1 order by key")?
        .query_map([name.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let aliases = connection
        .prepare_cached("select alias, version from aliases where model = ?1 order by alias")?
        .query_map([name.as_str()], |row| {
            Ok((row.get(0)?, Version(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(RegisteredModel {
        name: name.clone(),
        description,
        created: Timestamp(created),
        updated: Timestamp(updated),
        tags,
        aliases,
    }))
}

/// Names of all models, sorted.
pub fn names(connection: &Connection) -> Result<Vec<ModelName>> {
    let names = connection
        .prepare_cached("select name from registered_models order by name")?
        .query_map([], |row| Ok(ModelName(row.get(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names)
}

/// A version to be made.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// Whose.
    pub model: ModelName,
    /// Where it came from.
    pub run: Option<RunId>,
    /// URI of its files.
    pub source: String,
    /// Who registers it.
    pub user: String,
    /// SHA-256 over its files; empty when unknown.
    pub digest: String,
    /// Now.
    pub at: Timestamp,
}

/// Makes the next version of a model; numbers are never used twice.
pub fn add_version(transaction: &Transaction<'_>, new: &NewVersion) -> Result<Version> {
    let version: u32 = transaction
        .prepare_cached(
            "insert into version_counters (model, last) values (?1, 1) \
             on conflict (model) do update set last = last + 1 returning last",
        )?
        .query_row([new.model.as_str()], |row| row.get(0))?;
    transaction.execute(
        "insert into model_versions (model, version, run_id, source, user, digest, created, updated) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        params![
            new.model.as_str(),
            version,
            new.run.as_ref().map(RunId::as_str),
            new.source,
            new.user,
            new.digest,
            new.at.0
        ],
    )?;
    touch(transaction, &new.model, new.at)?;
    Ok(Version(version))
}

/// The model changed.
pub(super) fn touch(transaction: &Transaction<'_>, model: &ModelName, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("update registered_models set updated = ?2 where name = ?1")?
        .execute(params![model.as_str(), at.0])?;
    Ok(())
}

/// A version's own columns, of `model_versions as v`: what [`bare_version`] reads.
pub(super) const VERSION_COLUMNS: &str =
    "v.version, v.run_id, v.source, v.status, v.stage, v.description, v.user, v.created, v.updated";

/// A version without tags, aliases and the gate's word, from a row that begins with [`VERSION_COLUMNS`].
pub(super) fn bare_version(model: &ModelName, row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    Ok(ModelVersion {
        model: model.clone(),
        version: Version(row.get(0)?),
        run: row
            .get::<_, Option<String>>(1)?
            .filter(|run| !run.is_empty())
            .map(RunId),
        source: row.get(2)?,
        status: row.get(3)?,
        stage: row.get(4)?,
        description: row.get(5)?,
        user: row.get(6)?,
        created: Timestamp(row.get(7)?),
        updated: Timestamp(row.get(8)?),
        tags: Vec::new(),
        aliases: Vec::new(),
        gate: None,
    })
}

/// Adds tags and aliases.
pub(super) fn labelled(connection: &Connection, mut version: ModelVersion) -> Result<ModelVersion> {
    let whose = params![version.model.as_str(), version.version.0];
    version.tags = connection
        .prepare_cached(
            "select key, value from version_tags where model = ?1 and version = ?2 order by key",
        )?
        .query_map(whose, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    version.aliases = connection
        .prepare_cached(
            "select alias from aliases where model = ?1 and version = ?2 order by alias",
        )?
        .query_map(whose, |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(version)
}

fn completed(connection: &Connection, version: ModelVersion) -> Result<ModelVersion> {
    let mut version = labelled(connection, version)?;
    version.gate = gate(connection, &version.model, version.version)?;
    Ok(version)
}

/// One version.
pub fn version(
    connection: &Connection,
    model: &ModelName,
    version: Version,
) -> Result<Option<ModelVersion>> {
    let found = connection
        .prepare_cached(&format!(
            "select {VERSION_COLUMNS} from model_versions v where v.model = ?1 and v.version = ?2"
        ))?
        .query_row(params![model.as_str(), version.0], |row| {
            bare_version(model, row)
        })
        .optional()?;
    found
        .map(|version| completed(connection, version))
        .transpose()
}

/// All versions of a model, newest first.
pub fn versions(connection: &Connection, model: &ModelName) -> Result<Vec<ModelVersion>> {
    let found: Vec<ModelVersion> = connection
        .prepare_cached(&format!(
            "select {VERSION_COLUMNS} from model_versions v where v.model = ?1 order by v.version desc"
        ))?
        .query_map([model.as_str()], |row| bare_version(model, row))?
        .collect::<rusqlite::Result<_>>()?;
    found
        .into_iter()
        .map(|version| completed(connection, version))
        .collect()
}

/// The newest version's number.
pub fn latest(connection: &Connection, model: &ModelName) -> Result<Option<Version>> {
    let latest: Option<u32> = connection
        .prepare_cached("select max(version) from model_versions where model = ?1")?
        .query_row([model.as_str()], |row| row.get(0))?;
    Ok(latest.map(Version))
}

/// The newest version that a run made of this model.
pub fn version_of_run(
    connection: &Connection,
    model: &ModelName,
    run: &RunId,
) -> Result<Option<Version>> {
    let version: Option<u32> = connection
        .prepare_cached("select max(version) from model_versions where model = ?1 and run_id = ?2")?
        .query_row(params![model.as_str(), run.as_str()], |row| row.get(0))?;
    Ok(version.map(Version))
}

/// SHA-256 over a version's files when it was registered; empty when unknown.
pub fn digest(connection: &Connection, model: &ModelName, version: Version) -> Result<String> {
    let digest: Option<String> = connection
        .prepare_cached("select digest from model_versions where model = ?1 and version = ?2")?
        .query_row(params![model.as_str(), version.0], |row| row.get(0))
        .optional()?;
    Ok(digest.unwrap_or_default())
}

/// Deletes a version with its tags and aliases; its number stays used. Answers whether there was one.
pub fn delete_version(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    at: Timestamp,
) -> Result<bool> {
    let gone = transaction.execute(
        "delete from model_versions where model = ?1 and version = ?2",
        params![model.as_str(), version.0],
    )?;
    touch(transaction, model, at)?;
    Ok(gone > 0)
}

/// The version that an alias names.
pub fn alias(connection: &Connection, model: &ModelName, alias: &str) -> Result<Option<Version>> {
    let version: Option<u32> = connection
        .prepare_cached("select version from aliases where model = ?1 and alias = ?2")?
        .query_row(params![model.as_str(), alias], |row| row.get(0))
        .optional()?;
    Ok(version.map(Version))
}

/// An alias's move that is about to be made.
#[derive(Clone, Debug)]
pub struct NewMove {
    /// Whose alias.
    pub model: ModelName,
    /// Which.
    pub alias: String,
    /// Where to; none removes it.
    pub to: Option<Version>,
    /// How.
    pub kind: MoveKind,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Points the alias and writes the move's line.
pub fn move_alias(transaction: &Transaction<'_>, new: &NewMove) -> Result<AliasMove> {
    let from = alias(transaction, &new.model, &new.alias)?;
    match new.to {
        Some(version) => transaction.execute(
            "insert into aliases (model, alias, version) values (?1, ?2, ?3) \
             on conflict (model, alias) do update set version = excluded.version",
            params![new.model.as_str(), new.alias, version.0],
        )?,
        None => transaction.execute(
            "delete from aliases where model = ?1 and alias = ?2",
            params![new.model.as_str(), new.alias],
        )?,
    };
    touch(transaction, &new.model, new.at)?;
    note_move(transaction, new, from)
}

/// Writes a move's line alone.
pub fn note_move(
    transaction: &Transaction<'_>,
    new: &NewMove,
    from: Option<Version>,
) -> Result<AliasMove> {
    transaction.execute(
        "insert into alias_moves (model, alias, from_version, to_version, kind, at, by, reason) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            new.model.as_str(),
            new.alias,
            from.map(|version| version.0),
            new.to.map(|version| version.0),
            kind_name(new.kind),
            new.at.0,
            new.by,
            new.reason
        ],
    )?;
    Ok(AliasMove {
        id: transaction.last_insert_rowid(),
        model: new.model.clone(),
        alias: new.alias.clone(),
        from,
        to: new.to,
        kind: new.kind,
        at: new.at,
        by: new.by.clone(),
        reason: new.reason.clone(),
    })
}

fn kind_name(kind: MoveKind) -> &'static str {
    match kind {
        MoveKind::Promoted => "promoted",
        MoveKind::Forced => "forced",
        MoveKind::RolledBack => "rolled_back",
        MoveKind::Set => "set",
    }
}

fn kind_called(name: &str) -> Result<MoveKind> {
    [
        MoveKind::Promoted,
        MoveKind::Forced,
        MoveKind::RolledBack,
        MoveKind::Set,
    ]
    .into_iter()
    .find(|kind| kind_name(*kind) == name)
    .ok_or_else(|| Error::internal(format!("the store knows no alias move `{name}`")))
}

/// Moves of a model's aliases (or of one alias), newest first; not those of an earlier model of the same name.
pub fn moves(
    connection: &Connection,
    model: &ModelName,
    alias: Option<&str>,
    limit: u32,
) -> Result<Vec<AliasMove>> {
    let mut statement = connection.prepare_cached(
        "select id, alias, from_version, to_version, kind, at, by, reason from alias_moves \
         where model = ?1 and (?2 is null or alias = ?2)
           and at >= coalesce((select created from registered_models where name = ?1), 0)
         order by id desc limit ?3",
    )?;
    let mut rows = statement.query(params![model.as_str(), alias, limit])?;
    let mut moves = Vec::new();
    while let Some(row) = rows.next()? {
        moves.push(AliasMove {
            id: row.get(0)?,
            model: model.clone(),
            alias: row.get(1)?,
            from: row.get::<_, Option<u32>>(2)?.map(Version),
            to: row.get::<_, Option<u32>>(3)?.map(Version),
            kind: kind_called(&row.get::<_, String>(4)?)?,
            at: Timestamp(row.get(5)?),
            by: row.get(6)?,
            reason: row.get(7)?,
        });
    }
    Ok(moves)
}

/// Adds what the gate said.
pub fn record_gate(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    verdict: &Verdict,
    at: Timestamp,
) -> Result<()> {
    transaction.execute(
        "insert into gates (model, version, verdict, passed, at) values (?1, ?2, ?3, ?4, ?5)",
        params![
            model.as_str(),
            version.0,
            serde_json::to_string(verdict)?,
            verdict.passed,
            at.0
        ],
    )?;
    Ok(())
}

/// What the gate last said about a version, and when.
pub fn gate(
    connection: &Connection,
    model: &ModelName,
    version: Version,
) -> Result<Option<(Verdict, Timestamp)>> {
    let found: Option<(String, i64)> = connection
        .prepare_cached(
            "select verdict, at from gates where model = ?1 and version = ?2 \
             order by id desc limit 1",
        )?
        .query_row(params![model.as_str(), version.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    found
        .map(|(verdict, at)| Ok((serde_json::from_str(&verdict)?, Timestamp(at))))
        .transpose()
}
