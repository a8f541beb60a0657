//! What MLflow's clients change of registered models besides aliases: making, describing, tagging, renaming,
//! deleting; and the search over models.

use super::conditions::{PROMPT, condition, order, without_prompts};
use super::registry::model;
use super::search::{Filter, Kind, Order};
use crate::domain::registry::RegisteredModel;
use crate::domain::{ModelName, Result, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, params, params_from_iter};

/// Changes the description.
pub fn describe(
    transaction: &Transaction<'_>,
    name: &ModelName,
    text: &str,
    at: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update registered_models set description = ?2, updated = ?3 where name = ?1",
        )?
        .execute(params![name.as_str(), text, at.0])?;
    Ok(())
}

/// Sets a tag (some value) or removes it (none).
pub fn set_tag(
    transaction: &Transaction<'_>,
    name: &ModelName,
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    match value {
        Some(value) => transaction
            .prepare_cached("replace into model_tags (model, key, value) values (?1, ?2, ?3)")?
            .execute(params![name.as_str(), key, value])?,
        None => transaction
            .prepare_cached("delete from model_tags where model = ?1 and key = ?2")?
            .execute(params![name.as_str(), key])?,
    };
    Ok(())
}

/// Renames a model with all that hangs on it. Moves of aliases that were made under the old name stay there.
pub fn rename(
    transaction: &Transaction<'_>,
    from: &ModelName,
    to: &ModelName,
    at: Timestamp,
) -> Result<()> {
    let names = params![from.as_str(), to.as_str()];
    transaction.execute(
        "update registered_models set name = ?2, updated = ?3 where name = ?1",
        params![from.as_str(), to.as_str(), at.0],
    )?;
    transaction.execute("update gates set model = ?2 where model = ?1", names)?;
    transaction.execute(
        "update model_versions set updated = ?2 where model = ?1",
        params![to.as_str(), at.0],
    )?;
    Ok(())
}

/// Deletes a model with its versions, tags, aliases and the gate's words; its name is free again.
pub fn delete(transaction: &Transaction<'_>, name: &ModelName) -> Result<()> {
    transaction.execute("delete from gates where model = ?1", [name.as_str()])?;
    transaction.execute(
        "delete from registered_models where name = ?1",
        [name.as_str()],
    )?;
    Ok(())
}

/// Models that match, ordered, from `offset`, at most `limit`; prompts only when the filter asks for them. Ties: name.
pub fn find(
    connection: &Connection,
    filter: Filter,
    orders: &[Order],
    offset: u64,
    limit: u64,
) -> Result<Vec<RegisteredModel>> {
    let (filter, prompts) = without_prompts(filter);
    let conditions = condition(Kind::Models, &filter, &[]);
    let mut sql = format!(
        "select m.name from registered_models m where {}",
        conditions.text
    );
    if !prompts {
        sql.push_str(&format!(
            " and not exists (select 1 from model_tags p where p.model = m.name and p.key = '{PROMPT}' and p.value = 'true')"
        ));
    }
    let first = match orders {
        [] => String::new(),
        orders => format!("{}, ", order(orders)),
    };
    sql.push_str(&format!(" order by {first}m.name limit ? offset ?"));
    let limits =
        [limit, offset].map(|number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let names: Vec<ModelName> = connection
        .prepare_cached(&sql)?
        .query_map(
            params_from_iter(conditions.values.into_iter().chain(limits)),
            |row| Ok(ModelName(row.get(0)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut models = Vec::with_capacity(names.len());
    for name in names {
        models.extend(model(connection, &name)?);
    }
    Ok(models)
}
