//! The online half: a materialization's result taken in and compared with the offline join, and values of entities with
//! their freshness.

use super::Catalog;
use crate::data::{self, Frame};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{FeatureView, Freshness};
use crate::domain::job::{DataSource, JobResult, JobSpec, MaterializeSpec, TableSpec, ViewUse};
use crate::domain::{Error, Event, Result, Timestamp};
use crate::store::catalog::{self as rows, Materialization};
use crate::store::online::OnlineRow;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entities whose online values are compared with the offline join.
const CHECKED: usize = 16;
/// What `data::table::newest` calls the instant of a row.
const EVENT_TIME: &str = "event_time";

impl Catalog {
    /// Takes a finished materialization into the online store: the new generation replaces the old one at once.
    /// What the job was asked for is read from `spec.json` beside its result; by it a sample of the entities is
    /// joined offline and compared.
    pub fn take_in(&self, view: &str, result: &JobResult) -> Result<()> {
        let JobResult::Materialize {
            rows: count,
            path,
            watermark,
            profile,
        } = result
        else {
            return Err(Error::invalid(format!(
                "the result for feature view `{view}` is no materialization"
            )));
        };
        let definition = self.view(view)?;
        let path = PathBuf::from(path);
        let frame = data::source::read(std::slice::from_ref(&path), None)?;
        let online = online_rows(&definition, &frame)?;
        self.online_store()?.replace(view, &online)?;
        let asked = asked(&path);
        let equality = match &asked {
            Some(spec) => self.compare(spec, &frame).unwrap_or_else(|error| {
                tracing::warn!(view, %error, "online values could not be compared with the offline join");
                BTreeMap::new()
            }),
            None => BTreeMap::new(),
        };
        let made = Materialization {
            as_of: asked.map_or(self.core.now().0 * 1000, |spec| spec.as_of),
            rows: *count,
            watermark: *watermark,
            profile: profile.clone(),
            equality,
            at: self.core.now(),
        };
        let name = view.to_owned();
        self.core
            .store
            .write(move |transaction| rows::keep(transaction, &name, &made))?;
        self.core.bus.emit(Event::FeaturesChanged {
            view: view.to_owned(),
        });
        Ok(())
    }

    /// Joins a sample of the entities as of the same instant by the offline way, and counts equal values by feature.
    fn compare(
        &self,
        spec: &MaterializeSpec,
        online: &Frame,
    ) -> Result<BTreeMap<String, (u64, u64)>> {
        let keys = &spec.view.entity.keys;
        let step = (online.rows() / CHECKED).max(1);
        let sample: Vec<u32> = (0..online.rows())
            .step_by(step)
            .take(CHECKED)
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        if sample.is_empty() {
            return Ok(BTreeMap::new());
        }
        let online = online.take(&sample)?;
        let instants: ArrayRef = Arc::new(
            PrimitiveArray::<TimestampMicrosecondType>::from(vec![spec.as_of; sample.len()])
                .with_timezone("UTC"),
        );
        let number: StringArray = (0..sample.len()).map(|row| Some(row.to_string())).collect();
        let number: ArrayRef = Arc::new(number);
        let entities = online
            .select(keys)?
            .with("__as_of", instants)?
            .with("__row", number)?;
        let folder = self
            .core
            .workspace
            .state()
            .join(format!("check-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder)?;
        let joined = self.join(spec, &entities, &folder);
        std::fs::remove_dir_all(&folder)?;
        let joined = joined?;
        let order: Vec<Option<String>> = joined.texts("__row")?;
        let mut equality = BTreeMap::new();
        for feature in spec.view.stored_names() {
            let here = online.texts(&feature)?;
            let there = joined.texts(&feature)?;
            let mut equal = 0;
            for (place, row) in order.iter().enumerate() {
                let Some(row) = row.as_ref().and_then(|row| row.parse::<usize>().ok()) else {
                    continue;
                };
                if here.get(row) == there.get(place) {
                    equal += 1;
                }
            }
            equality.insert(feature, (equal, sample.len() as u64));
        }
        Ok(equality)
    }

    fn join(&self, spec: &MaterializeSpec, entities: &Frame, folder: &Path) -> Result<Frame> {
        entities.write(&folder.join("entities.parquet"))?;
        let rows = data::source::snapshot("entities", folder, "entities.parquet", &[])?;
        let features = spec.view.stored_names();
        let table = TableSpec {
            rows: DataSource::Files(rows),
            timestamp: Some("__as_of".into()),
            row_key: Some("__row".into()),
            views: vec![ViewUse {
                view: spec.view.clone(),
                source: spec.source.clone(),
                features: features.clone(),
                keys: spec.view.entity.keys.clone(),
                prefix: String::new(),
            }],
            inputs: features,
            target: None,
            target_known_at: None,
            from: None,
            to: None,
        };
        Ok(data::table::build(&table, &mut |_, _| {})?)
    }

    /// Online values for entities: one JSON object per entity with its keys, and for each `view:feature` an object
    /// of `value`, `status` (`FRESH`, `STALE`, `MISSING`), `age_ms` and `event_time`.
    pub fn online(
        &self,
        features: &[String],
        entities: &BTreeMap<String, Vec<Value>>,
    ) -> Result<Vec<Value>> {
        let count = entities.values().map(Vec::len).max().unwrap_or(1);
        if let Some((key, values)) = entities.iter().find(|(_, values)| values.len() != count) {
            return Err(Error::invalid(format!(
                "entity key `{key}` has {} values where others have {count}",
                values.len()
            )));
        }
        let mut by_view: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for feature in features {
            let (view, name) = feature.split_once(':').ok_or_else(|| {
                Error::invalid(format!("`{feature}` is no feature: write `view:feature`"))
            })?;
            by_view.entry(view).or_default().push(name);
        }
        let mut answers: Vec<Map<String, Value>> = (0..count)
            .map(|row| {
                entities
                    .iter()
                    .filter_map(|(key, values)| Some((key.clone(), values.get(row)?.clone())))
                    .collect()
            })
            .collect();
        let now = self.core.now();
        for (view, names) in by_view {
            let definition = self.view(view)?;
            let known = definition.feature_names();
            if let Some(unknown) = names
                .iter()
                .find(|name| !known.iter().any(|one| one == *name))
            {
                return Err(Error::not_found(format!(
                    "feature view `{view}` has no feature `{unknown}`; it has `{}`",
                    known.join("`, `")
                )));
            }
            let keys = (0..count)
                .map(|row| entity_key(&definition, entities, row))
                .collect::<Result<Vec<String>>>()?;
            let found = self.online_store()?.get(view, &keys)?;
            for (answer, found) in answers.iter_mut().zip(found) {
                for name in &names {
                    answer.insert(
                        format!("{view}:{name}"),
                        cell(&definition, found.as_ref(), name, now),
                    );
                }
            }
        }
        Ok(answers.into_iter().map(Value::Object).collect())
    }
}

/// The spec of the job whose folder holds `path`.
fn asked(path: &Path) -> Option<MaterializeSpec> {
    let text = std::fs::read(path.parent()?.join("spec.json")).ok()?;
    match serde_json::from_slice(&text).ok()? {
        JobSpec::Materialize(spec) => Some(spec),
        _ => None,
    }
}

pub(super) fn freshness(view: &FeatureView, age_ms: Option<i64>) -> Freshness {
    match (age_ms, view.ttl) {
        (None, _) => Freshness::Missing,
        (Some(age), Some(ttl)) if age > ttl.div_euclid(1000) => Freshness::Stale,
        (Some(_), _) => Freshness::Fresh,
    }
}

/// The rows of a materialization's file as the online store keeps them.
fn online_rows(view: &FeatureView, frame: &Frame) -> Result<Vec<OnlineRow>> {
    let keys = view
        .entity
        .keys
        .iter()
        .map(|key| frame.texts(key))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let times = frame.times(EVENT_TIME)?;
    let mut columns = Vec::new();
    for feature in view.stored_names() {
        let values = json_values(frame, &feature)?;
        columns.push((feature, values));
    }
    Ok((0..frame.rows())
        .map(|row| OnlineRow {
            key: json!(
                keys.iter()
                    .map(|column| column.get(row).cloned().flatten())
                    .collect::<Vec<_>>()
            )
            .to_string(),
            event_time: times.get(row).copied().flatten(),
            values: columns
                .iter()
                .filter_map(|(name, values)| Some((name.clone(), values.get(row)?.clone())))
                .collect(),
        })
        .collect())
}

fn json_values(frame: &Frame, name: &str) -> Result<Vec<Value>> {
    Ok(match frame.kind(name)? {
        ColumnKind::Number => frame.numbers(name)?.into_iter().map(Value::from).collect(),
        ColumnKind::Integer => {
            let nulls = frame.column(name)?;
            frame
                .numbers(name)?
                .into_iter()
                .enumerate()
                .map(|(row, value)| {
                    if nulls.is_null(row) {
                        Value::Null
                    } else {
                        json!(value as i64)
                    }
                })
                .collect()
        }
        ColumnKind::Boolean => frame
            .numbers(name)?
            .into_iter()
            .map(|value| {
                if value.is_nan() {
                    Value::Null
                } else {
                    Value::Bool(value != 0.0)
                }
            })
            .collect(),
        ColumnKind::Text | ColumnKind::Time => {
            frame.texts(name)?.into_iter().map(Value::from).collect()
        }
    })
}

/// An entity's key as the online store has it: values as text, in the order of the view's keys.
fn entity_key(
    view: &FeatureView,
    entities: &BTreeMap<String, Vec<Value>>,
    row: usize,
) -> Result<String> {
    let parts = view
        .entity
        .keys
        .iter()
        .map(|key| {
            let value = entities
                .get(key)
                .and_then(|values| values.get(row))
                .ok_or_else(|| {
                    Error::invalid(format!(
                        "feature view `{}` needs the entity key `{key}`",
                        view.name
                    ))
                })?;
            Ok(match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(match number.as_f64() {
                    Some(whole) if whole == whole.trunc() && whole.abs() < 9e15 => {
                        format!("{whole:.0}")
                    }
                    _ => number.to_string(),
                }),
                other => Some(other.to_string()),
            })
        })
        .collect::<Result<Vec<Option<String>>>>()?;
    Ok(json!(parts).to_string())
}

/// `["AA","JFK"]` -> `AA JFK`.
pub(super) fn readable(key: &str) -> String {
    let parts: Vec<Option<String>> = serde_json::from_str(key).unwrap_or_default();
    let parts: Vec<String> = parts
        .into_iter()
        .map(|part| part.unwrap_or_else(|| "null".into()))
        .collect();
    parts.join(" ")
}

fn cell(view: &FeatureView, row: Option<&OnlineRow>, feature: &str, now: Timestamp) -> Value {
    let time = row.and_then(|row| row.event_time);
    let age = time.map(|at| now.0 - at.div_euclid(1000));
    let status = match row {
        None => Freshness::Missing,
        Some(_) if time.is_none() => Freshness::Fresh,
        Some(_) => freshness(view, age),
    };
    json!({
        "value": row.and_then(|row| row.values.get(feature)),
        "status": status,
        "age_ms": age,
        "event_time": time.map(|at| Timestamp(at.div_euclid(1000)).to_string()),
    })
}
