//! What a key of a filter or an order names, for everything that is searched.

use super::tokens::Token;
use super::{Kind, Subject, VERSION};
use crate::domain::{Error, Result};

/// What a key names. Bare keys are attributes.
pub(super) fn subject(kind: Kind, key: &Token) -> Result<Subject> {
    let (prefix, name) = match key {
        Token::Key(prefix, name) => (prefix.as_str(), name.as_str()),
        Token::Word(word) => word.split_once('.').unwrap_or(("", word)),
        _ => ("", ""),
    };
    if name.is_empty() {
        return Err(Error::invalid("a key is missing"));
    }
    let measured = matches!(kind, Kind::Runs | Kind::LoggedModels);
    match prefix {
        "metric" | "metrics" if measured => Ok(Subject::Metric(name.to_owned())),
        "param" | "params" | "parameter" | "parameters" if measured => {
            Ok(Subject::Param(name.to_owned()))
        }
        "tag" | "tags" => Ok(Subject::Tag(name.to_owned())),
        "" | "attribute" | "attributes" if kind != Kind::Runs => attribute(kind, name),
        _ if kind != Kind::Runs => Err(Error::invalid(format!(
            "`{prefix}` is none of attributes, tags{}",
            if measured { ", params, metrics" } else { "" }
        ))),
        "dataset" | "datasets" => match name {
            "name" => Ok(Subject::Dataset("d.name")),
            "digest" => Ok(Subject::Dataset("d.digest")),
            "context" => Ok(Subject::Dataset("i.context")),
            _ => Err(Error::invalid(format!(
                "datasets have `name`, `digest` and `context`, not `{name}`"
            ))),
        },
        "" | "attribute" | "attributes" | "attr" | "run" => {
            match name.to_ascii_lowercase().as_str() {
                "run_id" | "run id" | "id" => Ok(Subject::Text("r.id")),
                "run_name" | "run name" | "name" => Ok(Subject::Text("r.name")),
                "user_id" | "user id" | "user" => Ok(Subject::Text("r.user")),
                "status" => Ok(Subject::Text("r.status")),
                "artifact_uri" => Ok(Subject::Text("r.artifact_uri")),
                "start_time" | "created" => Ok(Subject::Time("r.started")),
                "end_time" => Ok(Subject::Time("r.ended")),
                _ => Err(Error::invalid(format!(
                    "a run has no attribute `{name}`; metrics, params and tags are written with their prefix: `metrics.{name}`"
                ))),
            }
        }
        _ => Err(Error::invalid(format!(
            "`{prefix}` is none of metrics, params, tags, attributes, datasets"
        ))),
    }
}

/// What an attribute names, of all that is searched but runs.
pub(super) fn attribute(kind: Kind, name: &str) -> Result<Subject> {
    Ok(match (kind, name) {
        (Kind::Experiments, "name") => Subject::Text("e.name"),
        (Kind::Experiments, "experiment_id") => Subject::Text("e.id"),
        (Kind::Experiments, "creation_time") => Subject::Time("e.created"),
        (Kind::Experiments, "last_update_time") => Subject::Time("e.updated"),
        (Kind::Models, "name") => Subject::Text("m.name"),
        (Kind::Versions, "name") => Subject::Text("v.model"),
        (Kind::Versions, "run_id") => Subject::Text("v.run_id"),
        (Kind::Versions, "source_path") => Subject::Text("v.source"),
        (Kind::Versions, "version_number") => VERSION,
        (Kind::LoggedModels, "name") => Subject::Text("l.name"),
        (Kind::LoggedModels, "model_id") => Subject::Text("l.id"),
        (Kind::LoggedModels, "model_type") => Subject::Text("l.model_type"),
        (Kind::LoggedModels, "status") => Subject::Text("l.status"),
        (Kind::LoggedModels, "source_run_id") => Subject::Text("l.source_run"),
        (Kind::LoggedModels, "experiment_id") => Subject::Text("l.experiment"),
        (Kind::LoggedModels, "creation_time" | "creation_timestamp" | "creation_timestamp_ms") => {
            Subject::Time("l.created")
        }
        (Kind::LoggedModels, "last_updated_timestamp" | "last_updated_timestamp_ms") => {
            Subject::Time("l.updated")
        }
        _ => return Err(Error::invalid(format!("there is no attribute `{name}`"))),
    })
}
