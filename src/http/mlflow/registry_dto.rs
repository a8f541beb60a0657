//! JSON of registered models and versions.

use super::dto::KeyValue;
use super::missing;
use crate::domain::{Error, Result, Version};
use crate::service::registry::{ModelRecord, VersionRecord};
use serde::Serialize;

fn pairs(pairs: Vec<(String, String)>) -> Vec<KeyValue> {
    pairs
        .into_iter()
        .map(|(key, value)| KeyValue { key, value })
        .collect()
}

/// A field of a body that must be there, and not empty.
pub(super) fn required(value: Option<&String>, name: &str) -> Result<String> {
    value
        .filter(|value| !value.is_empty())
        .cloned()
        .ok_or_else(|| missing(name))
}

/// A version's number as clients send it.
pub(super) fn version(text: &str) -> Result<Version> {
    text.parse()
        .map(Version)
        .map_err(|_| Error::invalid(format!("`version` `{text}` is no version: it is a number")))
}

/// A version on the wire.
#[derive(Clone, Debug, Serialize)]
pub(super) struct VersionDto {
    name: String,
    version: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    user_id: String,
    current_stage: String,
    description: String,
    source: String,
    run_id: String,
    status: String,
    run_link: String,
    tags: Vec<KeyValue>,
    aliases: Vec<String>,
}

impl From<VersionRecord> for VersionDto {
    fn from(record: VersionRecord) -> Self {
        let version = record.version;
        Self {
            name: version.model.0,
            version: version.version.0.to_string(),
            creation_timestamp: version.created.0,
            last_updated_timestamp: version.updated.0,
            user_id: version.user,
            current_stage: version.stage,
            description: version.description,
            source: version.source,
            run_id: version.run.map(|run| run.0).unwrap_or_default(),
            status: version.status,
            run_link: record.run_link,
            tags: pairs(version.tags),
            aliases: version.aliases,
        }
    }
}

impl VersionDto {
    /// As searches and a model's list of newest versions have it: without aliases, which the model has.
    pub fn without_aliases(record: VersionRecord) -> Self {
        Self {
            aliases: Vec::new(),
            ..Self::from(record)
        }
    }
}

/// `{"model_version": …}`.
#[derive(Serialize)]
pub(super) struct OneVersion {
    model_version: VersionDto,
}

impl From<VersionRecord> for OneVersion {
    fn from(record: VersionRecord) -> Self {
        Self {
            model_version: record.into(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct AliasDto {
    alias: String,
    version: String,
}

/// A model on the wire.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModelDto {
    name: String,
    creation_timestamp: i64,
    last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    latest_versions: Vec<VersionDto>,
    tags: Vec<KeyValue>,
    aliases: Vec<AliasDto>,
}

impl From<ModelRecord> for ModelDto {
    fn from(record: ModelRecord) -> Self {
        let model = record.model;
        Self {
            name: model.name.0,
            creation_timestamp: model.created.0,
            last_updated_timestamp: model.updated.0,
            description: model.description,
            latest_versions: record
                .latest
                .into_iter()
                .map(VersionDto::without_aliases)
                .collect(),
            tags: pairs(model.tags),
            aliases: model
                .aliases
                .into_iter()
                .map(|(alias, version)| AliasDto {
                    alias,
                    version: version.0.to_string(),
                })
                .collect(),
        }
    }
}

/// `{"registered_model": …}`.
#[derive(Serialize)]
pub(super) struct OneModel {
    registered_model: ModelDto,
}

impl From<ModelRecord> for OneModel {
    fn from(record: ModelRecord) -> Self {
        Self {
            registered_model: record.into(),
        }
    }
}
