//! The workspace that is asked: a champion that answers, runs with everything a run has, the whole router of the daemon
//! before it, in this process. Jobs are queued and never started: no scheduler runs here.

use crate::api::server;
use crate::domain::access::Role;
use crate::domain::experiment::Lifecycle;
use crate::domain::host::HostSample;
use crate::domain::metric::Metric;
use crate::domain::run::Pair;
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, Result, RunId, Timestamp};
use crate::http::access::{Peer, protect};
use crate::http::guard::{self, Guard};
use crate::service::tracking::logged_models::NewLoggedModel;
use crate::service::tracking::{NewRun, RunSearch};
use crate::service::{Pipelines, Services, fixture};
use axum::Router;
use axum::extract::ConnectInfo;
use std::sync::Arc;

struct NoPipelines;

impl Pipelines for NoPipelines {
    fn train(&self, name: &str, _: &[(String, String)], _: bool, _: Cause) -> Result<(i64, JobId)> {
        Err(Error::not_found(format!("there is no pipeline `{name}`")))
    }
    fn reload(&self) -> Result<()> {
        Ok(())
    }
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
    fn usage(&self) -> Vec<(JobId, f32, u64)> {
        Vec::new()
    }
    fn host(&self) -> HostSample {
        HostSample::default()
    }
}

/// See the module's text.
pub struct Asked {
    house: fixture::House,
    pub router: Router,
    /// What the words with a `$` of the examples stand for.
    pub words: Vec<(&'static str, String)>,
    /// Ids that are there, for places where they do not belong.
    pub ids: Vec<String>,
}

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

impl Asked {
    pub fn new() -> Self {
        let house = fixture::House::new();
        house.champion("logistic", &["x", "color"]);
        let services = &house.services;
        let job = services.examine("rows", "ana").unwrap()[0];
        let (stop, _) = tokio::sync::watch::channel(false);
        let context = server::Context::new(
            Arc::clone(services),
            Arc::new(NoPipelines),
            Timestamp(1),
            "127.0.0.1:1".to_owned(),
            stop,
        );
        let router = Router::new()
            .merge(server::router(Arc::new(context)))
            .merge(crate::http::router(services));
        let router = guard::guarded(protect(router, services), Guard::new("127.0.0.1:1", &[]))
            .layer(axum::Extension(ConnectInfo(Peer::Socket(Some(
                "fuzz".to_owned(),
            )))));
        let mut asked = Self {
            router,
            words: vec![("$job", job.to_string())],
            ids: Vec::new(),
            house,
        };
        asked.fill();
        asked
    }

    pub fn services(&self) -> &Arc<Services> {
        &self.house.services
    }

    /// A new run with everything, for the examples: the last one may have been deleted by what was asked.
    pub fn fill(&mut self) {
        let services = &self.house.services;
        let tracking = &services.tracking;
        let name = uuid::Uuid::new_v4().simple().to_string();
        let experiment = tracking.create_experiment(&name, None, Vec::new()).unwrap();
        let run = self.run(&experiment);
        let parent = run.as_str().to_owned();
        let child = tracking
            .create_run(NewRun {
                experiment: Some(experiment.clone()),
                tags: vec![pair("mlflow.parentRunId", &parent)],
                ..NewRun::default()
            })
            .unwrap();
        let logged = tracking
            .create_logged_model(NewLoggedModel {
                experiment: experiment.to_string(),
                source_run: Some(run.clone()),
                params: vec![pair("depth", "3")],
                tags: vec![pair("team", "a")],
                ..NewLoggedModel::default()
            })
            .unwrap();
        let token = services
            .access
            .create(
                crate::service::access::NewToken {
                    name: name.clone(),
                    role: Role::Viewer,
                    kind: crate::domain::access::TokenKind::Service,
                    lasts: None,
                },
                "ana",
            )
            .unwrap()
            .0;
        let found = tracking
            .search_runs(&RunSearch {
                experiments: tracking
                    .experiments()
                    .unwrap()
                    .into_iter()
                    .map(|one| one.id)
                    .collect(),
                lifecycle: Some(Lifecycle::Active),
                limit: 8,
                ..RunSearch::default()
            })
            .unwrap();
        let job = self
            .words
            .iter()
            .find(|(word, _)| *word == "$job")
            .map(|(_, job)| job.clone())
            .unwrap_or_default();
        let json = |value: serde_json::Value| value.to_string();
        let model = fixture::model_name();
        let version = services.registry.version(&model, crate::domain::Version(1));
        let whole = (
            tracking.experiment(&experiment).unwrap(),
            tracking.run(&run).unwrap(),
            tracking.logged_model(&logged.id, true).unwrap(),
        );
        self.words = vec![
            (
                "$experiment_json",
                json(serde_json::to_value(whole.0).unwrap()),
            ),
            ("$run_json", json(serde_json::to_value(whole.1).unwrap())),
            ("$logged_json", json(serde_json::to_value(whole.2).unwrap())),
            (
                "$model_json",
                json(serde_json::to_value(services.registry.model(&model).ok()).unwrap()),
            ),
            (
                "$version_json",
                json(serde_json::to_value(version.ok()).unwrap()),
            ),
            ("$experiment_name", name.clone()),
            ("$experiment", experiment.to_string()),
            ("$logged", logged.id.as_str().to_owned()),
            ("$run", run.to_string()),
            ("$child", child.id.to_string()),
            ("$token", token.name),
            ("$job", job),
            ("$fresh", uuid::Uuid::new_v4().simple().to_string()),
        ];
        self.ids = self
            .words
            .iter()
            .map(|(_, id)| id.clone())
            .filter(|id| id.len() < 40)
            .chain(found.into_iter().map(|run| run.id.0))
            .chain(["late", "late@champion", "1", "0", "watch", "rows"].map(str::to_owned))
            .collect();
    }

    fn run(&self, experiment: &crate::domain::ExperimentId) -> RunId {
        let tracking = &self.house.services.tracking;
        let run = tracking
            .create_run(NewRun {
                experiment: Some(experiment.clone()),
                name: Some("first".to_owned()),
                user: "ana".to_owned(),
                tags: vec![pair("team", "a")],
                ..NewRun::default()
            })
            .unwrap()
            .id;
        let points: Vec<_> = (0..20)
            .map(|step| Metric {
                key: "loss".to_owned(),
                value: [f64::NAN, f64::INFINITY, 0.5, -1.5][step % 4],
                timestamp: Timestamp(step as i64),
                step: step as i64,
            })
            .collect();
        tracking
            .log_batch(&run, &points, vec![pair("depth", "3")], Vec::new())
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        tracking.log_artifact(&run, "files", folder.path()).unwrap();
        run
    }

    /// An example with its words filled in.
    pub fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, meaning) in &self.words {
            text = text.replace(word, meaning);
        }
        text
    }
}
