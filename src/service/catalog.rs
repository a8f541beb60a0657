//! Feature views and the online store: what a materialization has to do, its result taken in, online values with
//! their freshness, and the features pane.

use super::{Core, Services, inputs};
use crate::data::{self, Frame};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{
    Aggregate, FeatureDetail, FeatureRow, FeatureView, FeaturesPage, Freshness,
};
use crate::domain::job::{DataSource, JobResult, JobSpec, MaterializeSpec, TableSpec, ViewUse};
use crate::domain::{Error, Event, ModelName, Result, Timestamp, Version};
use crate::store::catalog::{self as rows, Materialization};
use crate::store::online::{Online, OnlineRow};
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Entities whose online values are compared with the offline join.
const CHECKED: usize = 16;
/// What `data::table::newest` calls the instant of a row.
const EVENT_TIME: &str = "event_time";

/// See the module's text.
pub struct Catalog {
    core: Arc<Core>,
    online: Mutex<Option<Arc<Online>>>,
}

impl Catalog {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            online: Mutex::default(),
        }
    }

    /// The online store, opened when it is first needed.
    fn online_store(&self) -> Result<Arc<Online>> {
        let mut slot = self.online.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(online) = &*slot {
            return Ok(Arc::clone(online));
        }
        let online = Arc::new(Online::open(&self.core.workspace.online())?);
        *slot = Some(Arc::clone(&online));
        Ok(online)
    }

    fn view(&self, name: &str) -> Result<FeatureView> {
        let config = self.core.config();
        config
            .views
            .iter()
            .find(|view| view.name == name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
                Error::not_found(format!(
                    "there is no feature view `{name}`; there are {}",
                    if known.is_empty() {
                        "none".into()
                    } else {
                        format!("`{}`", known.join("`, `"))
                    }
                ))
            })
    }

    /// What a materialization of `view` has to do, resolved.
    pub fn materialize_spec(
        &self,
        services: &Services,
        view: &str,
        as_of: Timestamp,
    ) -> Result<MaterializeSpec> {
        let view = self.view(view)?;
        Ok(MaterializeSpec {
            source: services.datasets.resolve(&view.dataset)?,
            view,
            as_of: as_of.0.saturating_mul(1000),
        })
    }

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
        for feature in spec.view.feature_names() {
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
        let features = spec.view.feature_names();
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

    /// The features pane.
    pub fn page(&self, services: &Services) -> Result<FeaturesPage> {
        let config = self.core.config();
        let mut views: Vec<&FeatureView> = config.views.iter().collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        let users = self.users(services)?;
        let drifting = self.drifting(services)?;
        let mut page = FeaturesPage {
            views: views.len() as u64,
            ..FeaturesPage::default()
        };
        for view in views {
            let made = self
                .core
                .store
                .read(|connection| rows::newest(connection, &view.name))?;
            for feature in view.feature_names() {
                let row = self.row(view, &feature, made.as_ref(), &users, &drifting);
                page.late += u64::from(row.freshness == Freshness::Stale);
                page.drifting += u64::from(row.drifting);
                page.rows.push(row);
            }
        }
        Ok(page)
    }

    fn row(
        &self,
        view: &FeatureView,
        feature: &str,
        made: Option<&Materialization>,
        users: &Users,
        drifting: &BTreeSet<String>,
    ) -> FeatureRow {
        let key = (view.name.clone(), feature.to_owned());
        let used = users.get(&key);
        let age = made
            .and_then(|made| made.watermark)
            .map(|watermark| self.core.now().0 - watermark.div_euclid(1000));
        FeatureRow {
            feature: feature.to_owned(),
            view: view.name.clone(),
            freshness: freshness(view, age),
            age_ms: age,
            null_share: made
                .and_then(|made| {
                    made.profile
                        .columns
                        .iter()
                        .find(|column| column.name == feature)
                })
                .filter(|column| column.rows > 0)
                .map(|column| column.nulls as f64 / column.rows as f64),
            used_by: used.map(|used| used.versions.clone()).unwrap_or_default(),
            drifting: used
                .is_some_and(|used| used.inputs.iter().any(|input| drifting.contains(input))),
        }
    }

    /// Who uses which feature, and under which input names: by the pipelines and their models' versions.
    fn users(&self, services: &Services) -> Result<Users> {
        let config = self.core.config();
        let mut users = Users::new();
        for pipeline in &config.pipelines {
            let versions: Vec<(Version, BTreeSet<String>)> = services
                .registry
                .versions(&pipeline.model)?
                .into_iter()
                .filter_map(|version| {
                    let signature = services.registry.signature(&pipeline.model, version).ok()?;
                    let inputs = signature.inputs.into_iter().map(|input| input.name);
                    Some((version, inputs.collect()))
                })
                .collect();
            for one in &pipeline.features {
                let Some(view) = config.views.iter().find(|view| view.name == one.view) else {
                    continue;
                };
                let names = match &one.feature {
                    Some(feature) => vec![feature.clone()],
                    None => view.feature_names(),
                };
                for name in names {
                    let input = format!("{}{name}", one.prefix);
                    let user = users.entry((view.name.clone(), name)).or_default();
                    for (version, inputs) in &versions {
                        let named = (pipeline.model.clone(), *version);
                        if inputs.contains(&input) && !user.versions.contains(&named) {
                            user.versions.push(named);
                        }
                    }
                    user.inputs.push(input);
                }
            }
        }
        Ok(users)
    }

    /// Inputs that drift in the newest window of a monitor of any pipeline's model.
    fn drifting(&self, services: &Services) -> Result<BTreeSet<String>> {
        let config = self.core.config();
        let models: BTreeSet<&ModelName> = config.pipelines.iter().map(|one| &one.model).collect();
        let mut drifting = BTreeSet::new();
        for model in models {
            for report in services.monitoring.newest_of(model)? {
                drifting.extend(
                    report
                        .columns
                        .into_iter()
                        .filter(|column| {
                            column.verdict == crate::domain::drift::DriftVerdict::Drift
                        })
                        .map(|column| column.column),
                );
            }
        }
        Ok(drifting)
    }

    /// One feature.
    pub fn feature(&self, services: &Services, view: &str, feature: &str) -> Result<FeatureDetail> {
        let definition = self.view(view)?;
        if !definition
            .feature_names()
            .iter()
            .any(|name| name == feature)
        {
            return Err(Error::not_found(format!(
                "feature view `{view}` has no feature `{feature}`; it has `{}`",
                definition.feature_names().join("`, `")
            )));
        }
        let made = self
            .core
            .store
            .read(|connection| rows::newest(connection, view))?;
        let users = self.users(services)?;
        let drifting = self.drifting(services)?;
        let now = self.core.now();
        let values = match &made {
            None => Vec::new(),
            Some(_) => self
                .online_store()?
                .some(view, 50)?
                .into_iter()
                .map(|row| {
                    let age = row.event_time.map_or(0, |at| now.0 - at.div_euclid(1000));
                    let value = match row.values.get(feature) {
                        Some(Value::String(text)) => text.clone(),
                        Some(Value::Number(number)) => number
                            .as_f64()
                            .map_or_else(|| number.to_string(), inputs::short),
                        Some(Value::Null) | None => "null".into(),
                        Some(other) => other.to_string(),
                    };
                    (readable(&row.key), value, age)
                })
                .collect(),
        };
        Ok(FeatureDetail {
            row: self.row(&definition, feature, made.as_ref(), &users, &drifting),
            meaning: meaning(&definition, feature),
            profile: made.as_ref().and_then(|made| {
                made.profile
                    .columns
                    .iter()
                    .find(|column| column.name == feature)
                    .cloned()
            }),
            event_time: made
                .as_ref()
                .and_then(|made| made.watermark)
                .map(|at| Timestamp(at.div_euclid(1000))),
            online_keys: made.as_ref().map_or(0, |made| made.rows),
            online_equal: made
                .as_ref()
                .and_then(|made| made.equality.get(feature).copied()),
            values,
            join_command: self.join_command(&definition, feature),
            view: definition,
        })
    }

    /// The rows of the first pipeline that uses the feature with their features; without one, its online values.
    fn join_command(&self, view: &FeatureView, feature: &str) -> String {
        let config = self.core.config();
        let user = config.pipelines.iter().find(|pipeline| {
            pipeline.features.iter().any(|one| {
                one.view == view.name && one.feature.as_deref().is_none_or(|name| name == feature)
            })
        });
        match user {
            Some(pipeline) => {
                format!("trainyard features join {} --out FILE", pipeline.name)
            }
            None => {
                let keys: Vec<String> = view
                    .entity
                    .keys
                    .iter()
                    .map(|key| format!(" --entity {key}=VALUE"))
                    .collect();
                format!(
                    "trainyard features get {}:{feature}{}",
                    view.name,
                    keys.concat()
                )
            }
        }
    }
}

/// View and feature -> who uses it.
type Users = BTreeMap<(String, String), User>;

#[derive(Default)]
struct User {
    versions: Vec<(ModelName, Version)>,
    inputs: Vec<String>,
}

/// The spec of the job whose folder holds `path`.
fn asked(path: &Path) -> Option<MaterializeSpec> {
    #[derive(serde::Deserialize)]
    struct Order {
        spec: JobSpec,
    }
    let text = std::fs::read(path.parent()?.join("spec.json")).ok()?;
    match serde_json::from_slice::<Order>(&text).ok()?.spec {
        JobSpec::Materialize(spec) => Some(spec),
        _ => None,
    }
}

fn freshness(view: &FeatureView, age_ms: Option<i64>) -> Freshness {
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
    for feature in view.feature_names() {
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
fn readable(key: &str) -> String {
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

/// "mean dep_delay of origin over 3h", "temp of the newest weather row".
fn meaning(view: &FeatureView, feature: &str) -> String {
    for window in &view.windows {
        for (text, _) in &window.over {
            for aggregate in &window.aggregates {
                if feature == format!("{}_{}_{text}", window.column, aggregate.as_str()) {
                    let how = match aggregate {
                        Aggregate::Count => "number of",
                        Aggregate::Sum => "sum of",
                        Aggregate::Mean => "mean",
                        Aggregate::Min => "smallest",
                        Aggregate::Max => "greatest",
                        Aggregate::Std => "standard deviation of",
                        Aggregate::Last => "last",
                    };
                    return format!(
                        "{how} {} of {} over {text}",
                        window.column, view.entity.name
                    );
                }
            }
        }
    }
    format!(
        "{feature} of {}, the newest row of {}",
        view.entity.name, view.dataset
    )
}
