//! Registered models, their versions, the aliases that name one of them, and every move of an alias;
//! and the read models of the registry pane.

use super::metric::Number;
use super::trigger::Verdict;
use super::{ModelName, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The alias that serves unless a deployment says otherwise.
pub const CHAMPION: &str = "champion";

/// A registered model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// Unique.
    pub name: ModelName,
    /// Free text.
    pub description: String,
    /// When it was registered.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Sorted by key.
    pub tags: Vec<(String, String)>,
    /// Alias to version, sorted.
    pub aliases: Vec<(String, Version)>,
}

/// One version of a registered model; its files never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Whose version.
    pub model: ModelName,
    /// Counted from 1.
    pub version: Version,
    /// Where it came from.
    pub run: Option<RunId>,
    /// URI of its files.
    pub source: String,
    /// `READY` unless its files are still being copied.
    pub status: String,
    /// MLflow's stage: `None`, `Staging`, `Production`, `Archived`.
    pub stage: String,
    /// Free text.
    pub description: String,
    /// Who registered it.
    pub user: String,
    /// When.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Sorted by key.
    pub tags: Vec<(String, String)>,
    /// Aliases that name it now.
    pub aliases: Vec<String>,
    /// What the gate last said, and when.
    pub gate: Option<(Verdict, Timestamp)>,
}

/// How an alias came to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// Forward, after the gate.
    Promoted,
    /// Forward against the gate, with a reason.
    Forced,
    /// Back to an earlier version.
    RolledBack,
    /// Set or removed by hand.
    Set,
}

/// One move of an alias: who, when, from, to, why. Never changed, never deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AliasMove {
    /// In order of happening.
    pub id: i64,
    /// Whose alias.
    pub model: ModelName,
    /// Which.
    pub alias: String,
    /// What it named before.
    pub from: Option<Version>,
    /// What it names since.
    pub to: Option<Version>,
    /// How.
    pub kind: MoveKind,
    /// When.
    pub at: Timestamp,
    /// Who: a person, or `auto`.
    pub by: String,
    /// Why, if it was said.
    pub reason: String,
}

/// A line of the models list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Its name.
    pub name: ModelName,
    /// The champion's version.
    pub champion: Option<Version>,
    /// The newest version.
    pub latest: Option<Version>,
    /// Whether a deployment answers with it.
    pub serving: bool,
}

/// What a gate counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateMark {
    /// All checks passed.
    pub clear: bool,
    /// How many did.
    pub passed: u32,
    /// Of how many.
    pub total: u32,
}

impl GateMark {
    /// "5 of 6 checks passed: HELD", as [`Verdict::sentence`] says it.
    pub fn sentence(self) -> String {
        super::trigger::sentence(
            self.clear,
            usize::try_from(self.passed).unwrap_or_default(),
            usize::try_from(self.total).unwrap_or_default(),
        )
    }
}

/// A line of a model's versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    /// The version itself. In a [`ModelPage`] without its tags and the gate's checks: [`VersionPage`] has them.
    pub version: ModelVersion,
    /// Its run's name.
    pub run_name: String,
    /// Its run's latest metrics; in a [`ModelPage`] those of [`ModelPage::metrics`].
    pub metrics: BTreeMap<String, Number>,
    /// It was champion once and is not now.
    pub was_champion: bool,
    /// What the gate last counted.
    pub gate: Option<GateMark>,
}

/// A fact about a version's origin: what it is and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageLine {
    /// `data`, `features`, `run`, `code`, `environment`, `serving`, …
    pub kind: String,
    /// In a line.
    pub value: String,
}

/// The registry pane's page of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPage {
    /// The model.
    pub model: RegisteredModel,
    /// The metric that its gate looks at.
    pub metric: Option<String>,
    /// The metrics that are in the rows: the gate's first, then those that most versions have.
    pub metrics: Vec<String>,
    /// Newest first.
    pub versions: Vec<VersionRow>,
    /// Newest first, at most 500.
    pub history: Vec<AliasMove>,
    /// How many moves there were.
    pub moves: u64,
}

/// Everything about one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionPage {
    /// The version, with all metrics of its run.
    pub row: VersionRow,
    /// The champion, when it is another version.
    pub champion: Option<VersionRow>,
    /// The metric that its gate looks at.
    pub metric: Option<String>,
    /// Of both versions' metrics those of which less is better.
    pub less_is_better: Vec<String>,
    /// Why the two versions' metrics are not comparable: their runs were judged on other rows; none: they are, as far as
    /// both say.
    #[serde(default)]
    pub unlike: Option<String>,
    /// Where it comes from, and who answers with it.
    pub lineage: Vec<LineageLine>,
    /// Deployments that answer with it now.
    pub serving: Vec<String>,
}

/// One side of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromotionSide {
    /// The version.
    pub version: Version,
    /// Its run's name.
    pub run_name: String,
    /// The gate's metric.
    pub metric: Option<Number>,
    /// Latency over the last served requests, or of the smoke test before it served.
    pub p95_ms: Option<f64>,
    /// Since when it serves.
    pub serving_since: Option<Timestamp>,
    /// Requests a second over the last minutes.
    pub requests_per_s: Option<f64>,
}

/// The page that says what a promotion or a roll-back changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromotionPage {
    /// Whose alias moves.
    pub model: ModelName,
    /// Which alias.
    pub alias: String,
    /// The metric's name.
    pub metric: Option<String>,
    /// What it names now.
    pub now: Option<PromotionSide>,
    /// What it will name.
    pub then: PromotionSide,
    /// What callers notice, in sentences: inputs added, removed or retyped; the output; answers that flip.
    pub changes: Vec<String>,
    /// The gate's checks; empty for a roll-back.
    pub verdict: Option<Verdict>,
    /// Deployments that will swap.
    pub deployments: Vec<String>,
}
