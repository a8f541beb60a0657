//! What a client can ask for, the least role that may, and what is answered.

use crate::domain::access::{AuditEntry, Role, Token, TokenKind};
use crate::domain::alert::Alert;
use crate::domain::deployment::{Deployment, Explanation};
use crate::domain::drift::DriftReport;
use crate::domain::experiment::Experiment;
use crate::domain::feature_version::{FeaturesDiff, ViewPage};
use crate::domain::job::{Job, JobResult, PipelineRunState};
use crate::domain::metric::Metric;
use crate::domain::online::{PushAnswer, PushTo};
use crate::domain::output::OutputPage;
use crate::domain::profile::Profile;
use crate::domain::registry::{AliasMove, ModelVersion, PromotionPage};
use crate::domain::run::Run;
use crate::domain::transfer::{Part, Taken, Tally};
use crate::domain::{
    DeploymentName, ExperimentId, JobId, ModelName, RunId, Seen, Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a client asks for. Who asks travels beside it, in the header `x-trainyard-user`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// Move the champion alias forward, after the gate.
    Promote {
        /// Which model.
        model: ModelName,
        /// To which version.
        version: Version,
        /// Against the gate.
        force: bool,
        /// Why; must not be empty with `force`.
        reason: String,
        /// What the person saw; refused when it moved meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<Version>>,
    },
    /// Move the champion alias back.
    Rollback {
        /// Which model.
        model: ModelName,
        /// To which version; none: the one before the last move.
        to: Option<Version>,
        /// What the person saw; refused when it moved meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<Version>>,
    },
    /// The page that says what [`Command::Promote`] would change.
    PreviewPromotion {
        /// Which model.
        model: ModelName,
        /// To which version.
        version: Version,
    },
    /// The page that says what [`Command::Rollback`] would change.
    PreviewRollback {
        /// Which model.
        model: ModelName,
        /// To which version; none: the one before the last move.
        to: Option<Version>,
    },
    /// Make a version from a run's model.
    Register {
        /// Which run.
        run: RunId,
        /// Under which name; none: its pipeline's.
        model: Option<ModelName>,
    },
    /// Point an alias at a version, or remove it.
    SetAlias {
        /// Which model.
        model: ModelName,
        /// Which alias; `champion` goes through [`Command::Promote`].
        alias: String,
        /// Where to; none removes it.
        version: Option<Version>,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<Version>>,
    },
    /// Move a version to one of MLflow's stages.
    SetStage {
        /// Of which model.
        model: ModelName,
        /// Which.
        version: Version,
        /// `None`, `Staging`, `Production` or `Archived`.
        stage: String,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Write a version's description.
    DescribeVersion {
        /// Of which model.
        model: ModelName,
        /// Which.
        version: Version,
        /// The text; empty removes it.
        text: String,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Set or remove a version's tag.
    TagVersion {
        /// Of which model.
        model: ModelName,
        /// Which.
        version: Version,
        /// The tag.
        key: String,
        /// Its value; none removes it.
        value: Option<String>,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Write a model's description.
    DescribeModel {
        /// Which.
        model: ModelName,
        /// The text; empty removes it.
        text: String,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Set or remove a model's tag.
    TagModel {
        /// Which.
        model: ModelName,
        /// The tag.
        key: String,
        /// Its value; none removes it.
        value: Option<String>,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Delete a version for good. One that an alias names, or that a deployment answers with, stays.
    DeleteVersion {
        /// Of which model.
        model: ModelName,
        /// Which.
        version: Version,
    },
    /// Moves of a model's aliases, newest first.
    History {
        /// Which model.
        model: ModelName,
    },
    /// Run a pipeline, whole or its training only.
    Train {
        /// Which.
        pipeline: String,
        /// `KEY=VALUE` pairs over its parameters (`trainer.kind`, `trainer.alpha`, `from`, `to`, …).
        set: Vec<(String, String)>,
        /// All five steps: validate, train, evaluate, gate, promote. Otherwise it stops after evaluation and registration.
        promote: bool,
    },
    /// How a pipeline's run stands.
    PipelineRun {
        /// Which.
        run: i64,
    },
    /// Materialize views into the online store; empty: all.
    Materialize {
        /// Which.
        views: Vec<String>,
        /// As of this instant; none: now.
        as_of: Option<Timestamp>,
        /// Only facts whose event is not before this; none: what is new since the last time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Everything is read again.
        #[serde(default)]
        full: bool,
    },
    /// Join features to a pipeline's rows and write them.
    JoinFeatures {
        /// Which pipeline's rows and views.
        pipeline: String,
        /// From (inclusive).
        from: Option<Timestamp>,
        /// To (exclusive).
        to: Option<Timestamp>,
        /// Absolute path.
        output: String,
    },
    /// Rows for a view's dataset, its online values, or both; all of them or none.
    Push {
        /// A view, or a dataset and so all views over it.
        source: String,
        /// Columns of values.
        df: BTreeMap<String, Vec<serde_json::Value>>,
        /// Where to.
        #[serde(default)]
        to: PushTo,
    },
    /// Values of features for entities, from the online store.
    OnlineFeatures {
        /// `view:feature`.
        features: Vec<String>,
        /// Key column to values.
        entities: std::collections::BTreeMap<String, Vec<serde_json::Value>>,
    },
    /// Put the definitions of `trainyard.toml` in force, or say what that would change.
    ApplyFeatures {
        /// Only say it.
        dry_run: bool,
        /// The difference that was looked at; refused when it is another one by now. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<String>,
    },
    /// Everything about a view's definition.
    FeatureView {
        /// `name`, or `name@2` of that version.
        view: String,
    },
    /// Score a file.
    Predict {
        /// `name`, `name@alias` or `name/3`.
        model: String,
        /// Absolute path.
        input: String,
        /// Absolute path.
        output: String,
    },
    /// Look at a monitor's window now.
    Monitor {
        /// Which.
        monitor: String,
        /// From (inclusive).
        from: Timestamp,
        /// To (exclusive).
        to: Timestamp,
        /// Labels known until then count; none: all that are there.
        labels_until: Option<Timestamp>,
        /// What to call the window.
        label: String,
    },
    /// All reports of a monitor, oldest first.
    Reports {
        /// Which.
        monitor: String,
    },
    /// Any command as a tracked job.
    Run {
        /// Experiment name.
        experiment: Option<String>,
        /// Run name.
        name: Option<String>,
        /// Program and arguments.
        command: Vec<String>,
        /// Where it runs.
        directory: String,
        /// Added to its environment.
        environment: std::collections::BTreeMap<String, String>,
    },
    /// Validate or profile a configured dataset.
    Examine {
        /// Which.
        dataset: String,
    },
    /// One job, with its result once it has one.
    Job {
        /// Which.
        job: JobId,
    },
    /// What a command printed, piece by piece.
    JobOutput {
        /// Which.
        job: JobId,
        /// Of this attempt; none, or one that is not the newest any more: the newest, from its beginning.
        attempt: Option<u32>,
        /// From [`OutputPage::next`] of the part before; 0: from the beginning.
        from: u64,
        /// About as many bytes at most.
        most: u64,
    },
    /// Stop a job.
    CancelJob {
        /// Which.
        job: JobId,
    },
    /// Try a job again.
    RetryJob {
        /// Which.
        job: JobId,
    },
    /// Write a note on a run.
    Note {
        /// Which.
        run: RunId,
        /// The text; empty removes it.
        text: String,
        /// The text that was there when the person began to write, empty for none; refused when it changed meanwhile.
        /// None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<String>,
    },
    /// Set or remove a run's tag; `mlflow.runName` renames it.
    TagRun {
        /// Which.
        run: RunId,
        /// The tag.
        key: String,
        /// Its value; none removes it.
        value: Option<String>,
        /// What the person saw; refused when it changed meanwhile. None: whatever it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen<String>>,
    },
    /// Delete (archive) or restore a run.
    Archive {
        /// Which.
        run: RunId,
        /// Back again.
        restore: bool,
    },
    /// Delete runs for good, with their files.
    PurgeRuns {
        /// Which.
        runs: Vec<RunId>,
        /// Also the model versions that stand on them.
        with_versions: bool,
    },
    /// All experiments, deleted ones too.
    Experiments,
    /// Delete (archive) or restore an experiment with its runs.
    ArchiveExperiment {
        /// Which.
        experiment: ExperimentId,
        /// Back again.
        restore: bool,
    },
    /// Delete an experiment for good, with its runs and their files.
    PurgeExperiment {
        /// Which; it must be deleted.
        experiment: ExperimentId,
        /// Also the model versions that stand on its runs.
        with_versions: bool,
    },
    /// Delete for good what is deleted and free: runs without model versions, experiments without runs.
    PurgeDeleted {
        /// What ended before.
        before: Timestamp,
    },
    /// Take in parts of another tracking server, all or none of them; what is there already changes nothing.
    Import {
        /// In order: an experiment before its runs, a model before its versions.
        parts: Vec<Part>,
    },
    /// How much of these runs is there.
    Tallies {
        /// Which.
        runs: Vec<RunId>,
    },
    /// The whole history of a metric, not downsampled.
    MetricHistory {
        /// Which run.
        run: RunId,
        /// Which metric.
        key: String,
    },
    /// Why a request was answered as it was.
    Explain {
        /// Which deployment.
        deployment: DeploymentName,
        /// The request's id.
        request: String,
    },
    /// Why a model answers these rows as it does: nothing is served or logged.
    ExplainRows {
        /// `name`, `name@alias` or `name/3`.
        model: String,
        /// JSON objects, one a row.
        rows: Vec<serde_json::Map<String, serde_json::Value>>,
    },
    /// Make a token; its secret is answered once.
    CreateToken {
        /// Whose it is.
        name: String,
        /// What it allows.
        role: Role,
        /// For whom.
        kind: TokenKind,
        /// For how long, milliseconds; none: until it is revoked.
        lasts: Option<i64>,
    },
    /// All tokens, without their secrets.
    Tokens,
    /// Take a token back, at once.
    RevokeToken {
        /// Its name or prefix.
        token: String,
    },
    /// The newest lines of the audit.
    Audit {
        /// Of one object (`model:churn`, `run:ID`, `token:NAME`); none: of all.
        object: Option<String>,
        /// Lines at most.
        limit: u32,
    },
    /// Alerts, newest first.
    Alerts,
    /// Somebody knows of an alert.
    AcknowledgeAlert {
        /// Which.
        alert: i64,
    },
    /// Read `trainyard.toml` again.
    Reload,
    /// Stop the daemon, jobs go on.
    Shutdown,
}

impl Command {
    /// The least role that may ask for it. Reading is for viewers; what the machine works at is for operators; what serves,
    /// and what is deleted, for maintainers; who may come in, and the daemon itself, for admins.
    pub fn role(&self) -> Role {
        match self {
            Self::PreviewPromotion { .. }
            | Self::PreviewRollback { .. }
            | Self::History { .. }
            | Self::PipelineRun { .. }
            | Self::Reports { .. }
            | Self::Job { .. }
            | Self::JobOutput { .. }
            | Self::Alerts
            | Self::Experiments
            | Self::Tallies { .. }
            | Self::FeatureView { .. }
            | Self::ApplyFeatures { dry_run: true, .. }
            | Self::MetricHistory { .. }
            | Self::Explain { .. } => Role::Viewer,
            Self::Train { promote: false, .. }
            | Self::Materialize { .. }
            | Self::JoinFeatures { .. }
            | Self::OnlineFeatures { .. }
            | Self::Push { .. }
            | Self::Predict { .. }
            | Self::Monitor { .. }
            | Self::Run { .. }
            | Self::Examine { .. }
            | Self::CancelJob { .. }
            | Self::RetryJob { .. }
            | Self::Note { .. }
            | Self::TagRun { .. }
            | Self::AcknowledgeAlert { .. }
            | Self::ExplainRows { .. } => Role::Operator,
            Self::Train { promote: true, .. }
            | Self::ApplyFeatures { dry_run: false, .. }
            | Self::Promote { .. }
            | Self::Rollback { .. }
            | Self::Register { .. }
            | Self::SetAlias { .. }
            | Self::SetStage { .. }
            | Self::DeleteVersion { .. }
            | Self::Archive { .. }
            | Self::DescribeVersion { .. }
            | Self::TagVersion { .. }
            | Self::DescribeModel { .. }
            | Self::TagModel { .. }
            | Self::ArchiveExperiment { .. }
            | Self::Import { .. }
            | Self::Audit { .. } => Role::Maintainer,
            Self::CreateToken { .. }
            | Self::Tokens
            | Self::PurgeRuns { .. }
            | Self::PurgeExperiment { .. }
            | Self::PurgeDeleted { .. }
            | Self::RevokeToken { .. }
            | Self::Reload
            | Self::Shutdown => Role::Admin,
        }
    }
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done,
    /// An alias moved.
    Moved(AliasMove),
    /// Moves of aliases.
    Moves(Vec<AliasMove>),
    /// What a promotion or roll-back changes.
    Page(Box<PromotionPage>),
    /// A version was made.
    Version(Box<ModelVersion>),
    /// Jobs were queued: the job to wait for first.
    Jobs(Vec<JobId>),
    /// A pipeline run began, and its first job.
    Pipeline {
        /// Its id.
        run: i64,
        /// Its first job.
        job: JobId,
    },
    /// How a pipeline's run stands.
    PipelineRun(PipelineRunState),
    /// Why each row is answered as it is, in the rows' order.
    Explanations(Vec<Explanation>),
    /// A token was made: its secret, shown this once.
    Secret {
        /// The token.
        token: Box<Token>,
        /// What to keep: nobody can ask for it again.
        secret: String,
    },
    /// Tokens, oldest first.
    Tokens(Vec<Token>),
    /// Lines of the audit, newest first.
    Audit(Vec<AuditEntry>),
    /// A part of a command's output.
    Output(Box<OutputPage>),
    /// A job and its result.
    Job(Box<Job>, Option<Box<JobResult>>),
    /// A run.
    Run(Box<Run>),
    /// An experiment.
    Experiment(Experiment),
    /// Experiments.
    Experiments(Vec<Experiment>),
    /// What was deleted for good.
    Purged {
        /// How many runs.
        runs: u64,
        /// How many experiments.
        experiments: u64,
    },
    /// What became of each part, in their order.
    Taken(Vec<Taken>),
    /// How much of each run is there, in the order asked; none of a run that is not.
    Tallies(Vec<Option<Tally>>),
    /// Points.
    Points(Vec<Metric>),
    /// A drift report.
    Report(Box<DriftReport>),
    /// Drift reports.
    Reports(Vec<DriftReport>),
    /// Alerts, newest first.
    Alerts(Vec<Alert>),
    /// A profile.
    Profile(Box<Profile>),
    /// A deployment.
    Deployment(Deployment),
    /// Online features: one object per entity.
    Features(Vec<serde_json::Value>),
    /// What applying definitions changes, or changed.
    FeaturesDiff(Box<FeaturesDiff>),
    /// A view's definition.
    FeatureView(Box<ViewPage>),
    /// What became of pushed rows.
    Pushed(PushAnswer),
    /// Why.
    Explanation(Box<Explanation>),
}
