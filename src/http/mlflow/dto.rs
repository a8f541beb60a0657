//! MLflow's JSON, as its clients write and read it. Unknown fields are ignored; 64-bit integers are numbers, and are
//! also taken as text; NaN is the text `NaN`, infinities come back as the greatest finite numbers.

use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::metric::{Metric, Points};
use crate::domain::run::{DatasetInput, Pair, Run};
use crate::domain::{Error, LoggedModelId, Result, RunId, Timestamp};
use crate::service::tracking::Entry;
use crate::service::tracking::logged_models::ModelPoint;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The tag of a dataset input that says what it was used for.
const CONTEXT: &str = "mlflow.data.context";

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(WholeVisitor)
}

/// Takes what comes without keeping a copy of it first.
struct WholeVisitor;

impl<'de> Visitor<'de> for WholeVisitor {
    type Value = Option<i64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        i64::try_from(number)
            .map(Some)
            .map_err(|_| E::custom(format!("`{number}` is no integer of 64 bits")))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() == 0.0 && number.abs() < 9.0e18 {
            Ok(Some(number as i64))
        } else {
            Err(E::custom(format!("`{number}` is no integer")))
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse()
            .map(Some)
            .map_err(|_| E::custom(format!("`{text}` is no integer")))
    }
}

fn value<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else {
        serializer.serialize_f64(value.clamp(f64::MIN, f64::MAX))
    }
}

/// A metric's value as [`MetricOut`] has it, written after `json`.
pub fn write_value(json: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        json.extend_from_slice(b"\"NaN\"");
    } else {
        // A finite number in a vector: this cannot fail.
        let _ = serde_json::to_writer(json, &value.clamp(f64::MIN, f64::MAX));
    }
}

/// A key and a value; an absent value is empty text.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct KeyValue {
    /// The key.
    #[serde(default)]
    pub key: String,
    /// The value.
    #[serde(default)]
    pub value: String,
}

impl From<KeyValue> for Pair {
    fn from(pair: KeyValue) -> Self {
        Self {
            key: pair.key,
            value: pair.value,
        }
    }
}

impl From<&Pair> for KeyValue {
    fn from(pair: &Pair) -> Self {
        Self {
            key: pair.key.clone(),
            value: pair.value.clone(),
        }
    }
}

/// Pairs on the wire.
pub fn key_values(pairs: &[Pair]) -> Vec<KeyValue> {
    pairs.iter().map(KeyValue::from).collect()
}

/// A metric as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub struct MetricIn<'a> {
    /// The key.
    #[serde(default, borrow)]
    pub key: Cow<'a, str>,
    /// A number, or `NaN`, `Infinity`, `-Infinity`.
    #[serde(with = "crate::domain::metric::number")]
    pub value: f64,
    /// Milliseconds.
    #[serde(default, deserialize_with = "whole")]
    pub timestamp: Option<i64>,
    /// The step.
    #[serde(default, deserialize_with = "whole")]
    pub step: Option<i64>,
    /// The logged model that it belongs to as well.
    #[serde(default)]
    pub model_id: Option<String>,
    /// Name of the data it was measured on.
    #[serde(default)]
    pub dataset_name: Option<String>,
    /// Digest of that data.
    #[serde(default)]
    pub dataset_digest: Option<String>,
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl MetricIn<'_> {
    /// Adds the metric to `points`, and to `of_models` what the logged model that it names gets of it.
    fn take(self, points: &mut Points, of_models: &mut Vec<ModelPoint>) -> Result<()> {
        let Some(timestamp) = self.timestamp.map(Timestamp) else {
            return Err(Error::invalid(format!(
                "missing value for required parameter `timestamp` of metric `{}`",
                self.key
            )));
        };
        let step = self.step.unwrap_or(0);
        points.push(&self.key, step, timestamp, self.value);
        of_models.extend(given(self.model_id).map(|model| ModelPoint {
            metric: Metric {
                key: self.key.into_owned(),
                value: self.value,
                timestamp,
                step,
            },
            model: LoggedModelId(model),
            dataset_name: given(self.dataset_name),
            dataset_digest: given(self.dataset_digest),
        }));
        Ok(())
    }
}

/// The metrics of a batch, each taken as it is read: a list of a thousand as they were sent would be the largest piece of
/// memory of a request.
#[derive(Debug, Default)]
pub struct MetricsIn {
    points: Points,
    of_models: Vec<ModelPoint>,
    refused: Option<Error>,
}

impl MetricsIn {
    /// One metric alone.
    pub fn one(metric: MetricIn<'_>) -> Self {
        let mut taken = Self::default();
        taken.add(metric);
        taken
    }

    fn add(&mut self, metric: MetricIn<'_>) {
        let added = metric.take(&mut self.points, &mut self.of_models);
        self.refused = self.refused.take().or(added.err());
    }

    /// The points, and what of them logged models get; or why the first bad one was refused.
    pub fn taken(self) -> Result<(Points, Vec<ModelPoint>)> {
        match self.refused {
            Some(error) => Err(error),
            None => Ok((self.points, self.of_models)),
        }
    }
}

impl<'de> Deserialize<'de> for MetricsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(MetricsVisitor)
    }
}

struct MetricsVisitor;

impl<'de> Visitor<'de> for MetricsVisitor {
    type Value = MetricsIn;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of metrics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut taken = MetricsIn::default();
        while let Some(metric) = list.next_element::<MetricIn<'de>>()? {
            taken.add(metric);
        }
        Ok(taken)
    }
}

/// A metric as it is answered.
#[derive(Clone, Debug, Serialize)]
pub struct MetricOut {
    key: String,
    #[serde(serialize_with = "value")]
    value: f64,
    timestamp: i64,
    step: i64,
}

impl From<&Metric> for MetricOut {
    fn from(metric: &Metric) -> Self {
        Self {
            key: metric.key.clone(),
            value: metric.value,
            timestamp: metric.timestamp.0,
            step: metric.step,
        }
    }
}

/// Which run: clients send both names, old ones only the second.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Which {
    #[serde(default)]
    run_id: Option<String>,
    #[serde(default)]
    run_uuid: Option<String>,
}

impl Which {
    /// From the two fields that name a run.
    pub fn of(run_id: Option<String>, run_uuid: Option<String>) -> Self {
        Self { run_id, run_uuid }
    }

    /// The run.
    pub fn run(&self) -> Result<RunId> {
        [&self.run_id, &self.run_uuid]
            .into_iter()
            .flatten()
            .find(|id| !id.is_empty())
            .map(|id| RunId(id.clone()))
            .ok_or_else(|| Error::invalid("missing value for required parameter `run_id`"))
    }
}

/// A dataset input as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub struct DatasetInputIn {
    #[serde(default)]
    tags: Vec<KeyValue>,
    dataset: DatasetDto,
}

/// A dataset on the wire.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DatasetDto {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    source_type: String,
    #[serde(default)]
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

impl From<DatasetInputIn> for DatasetInput {
    fn from(input: DatasetInputIn) -> Self {
        let (context, tags): (Vec<KeyValue>, Vec<KeyValue>) =
            input.tags.into_iter().partition(|tag| tag.key == CONTEXT);
        Self {
            context: context.into_iter().next().map(|tag| tag.value),
            tags: tags.into_iter().map(Pair::from).collect(),
            name: input.dataset.name,
            digest: input.dataset.digest,
            source_type: input.dataset.source_type,
            source: input.dataset.source,
            schema: input.dataset.schema,
            profile: input.dataset.profile,
        }
    }
}

fn stage(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Active => "active",
        Lifecycle::Deleted => "deleted",
    }
}

/// Which lifecycle a `view_type` wants; none: both.
pub fn view_type(text: Option<&str>) -> Result<Option<Lifecycle>> {
    match text.unwrap_or_default() {
        "" | "ACTIVE_ONLY" => Ok(Some(Lifecycle::Active)),
        "DELETED_ONLY" => Ok(Some(Lifecycle::Deleted)),
        "ALL" => Ok(None),
        other => Err(Error::invalid(format!(
            "`{other}` is no view type: ACTIVE_ONLY, DELETED_ONLY, ALL"
        ))),
    }
}

/// An experiment on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct ExperimentDto {
    experiment_id: String,
    name: String,
    artifact_location: String,
    lifecycle_stage: &'static str,
    creation_time: i64,
    last_update_time: i64,
    tags: Vec<KeyValue>,
    /// There is one.
    workspace: &'static str,
}

impl From<Experiment> for ExperimentDto {
    fn from(experiment: Experiment) -> Self {
        Self {
            experiment_id: experiment.id.0,
            name: experiment.name,
            artifact_location: experiment.artifact_location,
            lifecycle_stage: stage(experiment.lifecycle),
            creation_time: experiment.created.0,
            last_update_time: experiment.updated.0,
            workspace: "default",
            tags: experiment
                .tags
                .into_iter()
                .map(|(key, value)| KeyValue { key, value })
                .collect(),
        }
    }
}

/// A run's own row on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct RunInfo {
    run_id: String,
    run_uuid: String,
    run_name: String,
    experiment_id: String,
    user_id: String,
    status: &'static str,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: String,
    lifecycle_stage: &'static str,
}

impl From<&Run> for RunInfo {
    fn from(run: &Run) -> Self {
        Self {
            run_id: run.id.to_string(),
            run_uuid: run.id.to_string(),
            run_name: run.name.clone(),
            experiment_id: run.experiment.to_string(),
            user_id: run.user.clone(),
            status: run.status.as_str(),
            start_time: run.started.0,
            end_time: run.ended.map(|ended| ended.0),
            artifact_uri: run.artifact_uri.clone(),
            lifecycle_stage: stage(run.lifecycle),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct RunData {
    metrics: Vec<MetricOut>,
    params: Vec<KeyValue>,
    tags: Vec<KeyValue>,
}

#[derive(Clone, Debug, Serialize)]
struct DatasetInputOut {
    tags: Vec<KeyValue>,
    dataset: DatasetDto,
}

#[derive(Clone, Debug, Serialize)]
struct RunInputs {
    dataset_inputs: Vec<DatasetInputOut>,
    model_inputs: Vec<ModelInput>,
}

/// A logged model that a run read.
#[derive(Clone, Debug, Serialize)]
struct ModelInput {
    model_id: LoggedModelId,
}

/// A logged model that a run made, and at which step.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ModelOutput {
    /// Which.
    #[serde(default)]
    pub model_id: String,
    /// When, in steps.
    #[serde(default)]
    pub step: Whole,
}

#[derive(Clone, Debug, Serialize)]
struct RunOutputs {
    model_outputs: Vec<ModelOutput>,
}

/// A run on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct RunDto {
    info: RunInfo,
    data: RunData,
    inputs: RunInputs,
    outputs: RunOutputs,
}

impl From<&Run> for RunDto {
    fn from(run: &Run) -> Self {
        Self {
            info: RunInfo::from(run),
            data: RunData {
                metrics: run.metrics.iter().map(MetricOut::from).collect(),
                params: key_values(&run.params),
                tags: key_values(&run.tags),
            },
            inputs: RunInputs {
                dataset_inputs: run
                    .inputs
                    .iter()
                    .map(|input| DatasetInputOut {
                        tags: input
                            .context
                            .iter()
                            .map(|context| KeyValue {
                                key: CONTEXT.to_owned(),
                                value: context.clone(),
                            })
                            .chain(input.tags.iter().map(KeyValue::from))
                            .collect(),
                        dataset: DatasetDto {
                            name: input.name.clone(),
                            digest: input.digest.clone(),
                            source_type: input.source_type.clone(),
                            source: input.source.clone(),
                            schema: input.schema.clone(),
                            profile: input.profile.clone(),
                        },
                    })
                    .collect(),
                model_inputs: run
                    .models
                    .inputs
                    .iter()
                    .map(|id| ModelInput {
                        model_id: id.clone(),
                    })
                    .collect(),
            },
            outputs: RunOutputs {
                model_outputs: run
                    .models
                    .outputs
                    .iter()
                    .map(|(id, step)| ModelOutput {
                        model_id: id.as_str().to_owned(),
                        step: Whole(Some(*step)),
                    })
                    .collect(),
            },
        }
    }
}

/// `{"run": …}`.
#[derive(Clone, Debug, Serialize)]
pub struct OneRun {
    run: RunDto,
}

impl From<&Run> for OneRun {
    fn from(run: &Run) -> Self {
        Self {
            run: RunDto::from(run),
        }
    }
}

/// A file or folder on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct FileDto {
    path: String,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

impl From<Entry> for FileDto {
    fn from(entry: Entry) -> Self {
        Self {
            path: entry.path,
            is_dir: entry.folder,
            file_size: (!entry.folder).then_some(entry.bytes),
        }
    }
}

/// An optional 64-bit integer, as number or text.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Whole(#[serde(deserialize_with = "whole")] pub Option<i64>);
