//! What moves between tracking servers: an import's parts, what became of each, and the counts that are compared in the
//! end. No IO.

use super::experiment::Experiment;
use super::logged_model::LoggedModel;
use super::metric::Metric;
use super::registry::{ModelVersion, RegisteredModel};
use super::run::Run;
use super::{ExperimentId, ModelName, RunId, Version};
use serde::{Deserialize, Serialize};

/// One thing that is taken in. Taking the same in again changes nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// Found by its name, else made, with its own id when that is free and small.
    Experiment {
        /// Its id is the one it has where it comes from.
        experiment: Experiment,
    },
    /// Its experiment is one of here; its artifacts will lie here; its metrics come as points.
    Run {
        /// Everything else about it.
        run: Box<Run>,
    },
    /// Points of a run that is here.
    Points {
        /// Whose.
        run: RunId,
        /// Any number of them.
        points: Vec<Metric>,
    },
    /// A logged model (MLflow 3); its experiment is one of here, its files will lie here.
    LoggedModel {
        /// The model, with its metrics.
        model: Box<LoggedModel>,
    },
    /// Its aliases come after its versions.
    Model {
        /// The model.
        model: RegisteredModel,
        /// The greatest number that a version of it ever had; 0: that of the versions that come.
        last: u32,
    },
    /// Keeps its number; its source is where its files lie here.
    Version {
        /// The version.
        version: Box<ModelVersion>,
    },
    /// Set unless it names another version here.
    Alias {
        /// Whose.
        model: ModelName,
        /// Which.
        alias: String,
        /// What it names.
        version: Version,
    },
}

/// What became of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// It was not here before.
    pub new: bool,
    /// The id here, of an experiment.
    pub experiment: Option<ExperimentId>,
    /// Where its files belong here, of a run or a logged model.
    pub artifact_uri: Option<String>,
    /// What is otherwise here and stays so, in sentences.
    pub differences: Vec<String>,
}

/// How much of a run there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Parameters.
    pub params: u64,
    /// Tags.
    pub tags: u64,
    /// Points of all metrics.
    pub points: u64,
    /// Datasets read.
    pub inputs: u64,
    /// Artifact files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    /// What of `self` is missing in `here`: name, how many there are, how many are here.
    pub fn missing(&self, here: &Self) -> Vec<(&'static str, u64, u64)> {
        [
            ("parameters", self.params, here.params),
            ("tags", self.tags, here.tags),
            ("points", self.points, here.points),
            ("inputs", self.inputs, here.inputs),
            ("files", self.files, here.files),
            ("bytes of files", self.bytes, here.bytes),
        ]
        .into_iter()
        .filter(|(_, there, here)| here < there)
        .collect()
    }
}
