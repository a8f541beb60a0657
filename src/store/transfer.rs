//! What only an import writes (versions with their numbers, times and stages), and the counts that check it.

use super::logged_models;
use crate::domain::registry::ModelVersion;
use crate::domain::transfer::Tally;
use crate::domain::{LoggedModelId, ModelName, Result, Version};
use rusqlite::{Connection, Transaction, params};

/// Gives a model without description one.
pub fn describe_model(
    transaction: &Transaction<'_>,
    model: &ModelName,
    description: &str,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update registered_models set description = ?2 where name = ?1 and description = ''",
        )?
        .execute(params![model.as_str(), description])?;
    Ok(())
}

/// Adds a tag that the model does not have.
pub fn add_model_tag(
    transaction: &Transaction<'_>,
    model: &ModelName,
    key: &str,
    value: &str,
) -> Result<()> {
    transaction
        .prepare_cached("insert or ignore into model_tags (model, key, value) values (?1, ?2, ?3)")?
        .execute(params![model.as_str(), key, value])?;
    Ok(())
}

/// The next version of a model gets a greater number than this.
pub fn count_version(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into version_counters (model, last) values (?1, ?2)
             on conflict (model) do update set last = max(last, excluded.last)",
        )?
        .execute(params![model.as_str(), version.0])?;
    Ok(())
}

/// Makes a version with the number it has elsewhere; later ones made here get greater numbers.
pub fn add_version(transaction: &Transaction<'_>, version: &ModelVersion) -> Result<()> {
    let model = version.model.as_str();
    count_version(transaction, &version.model, version.version)?;
    // A source that names a logged model has its files where that model's are.
    let logged = version
        .source
        .strip_prefix("models:/")
        .map(|id| LoggedModelId::from(id.trim_start_matches('/')));
    let location = match &logged {
        Some(id) => logged_models::get(transaction, id)?.map(|model| model.artifact_uri),
        None => None,
    };
    transaction
        .prepare_cached(
            "insert into model_versions (model, version, run_id, source, status, stage, description, user, created, updated, location, logged_model)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            model,
            version.version.0,
            version.run.as_ref().map(|run| run.as_str()),
            version.source,
            version.status,
            version.stage,
            version.description,
            version.user,
            version.created.0,
            version.updated.0,
            location.unwrap_or_default(),
            logged.map(|id| id.0).unwrap_or_default(),
        ])?;
    for (key, value) in &version.tags {
        transaction
            .prepare_cached(
                "insert or ignore into version_tags (model, version, key, value) values (?1, ?2, ?3, ?4)",
            )?
            .execute(params![model, version.version.0, key, value])?;
    }
    Ok(())
}

/// The greatest number that a version of this model ever had; 0 before the first.
pub fn greatest_version(connection: &Connection, model: &ModelName) -> Result<u32> {
    let last: Option<u32> = connection
        .prepare_cached("select max(last) from version_counters where model = ?1")?
        .query_row([model.as_str()], |row| row.get(0))?;
    Ok(last.unwrap_or(0))
}

/// Rows of a run by kind; files are not counted here.
pub fn tally(connection: &Connection, number: i64) -> Result<Tally> {
    let (params, tags, points, inputs): (i64, i64, i64, i64) = connection
        .prepare_cached(
            "select (select count(*) from params where run = ?1), (select count(*) from tags where run = ?1),
                    (select count(*) from metrics where run = ?1)
                    + (select coalesce(sum(points), 0) from metric_packs where run = ?1),
                    (select count(*) from inputs where run = ?1)",
        )?
        .query_row([number], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    Ok(Tally {
        params: params.unsigned_abs(),
        tags: tags.unsigned_abs(),
        points: points.unsigned_abs(),
        inputs: inputs.unsigned_abs(),
        files: 0,
        bytes: 0,
    })
}
