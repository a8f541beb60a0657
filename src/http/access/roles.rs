//! Route -> role: the one table. A route that is not in it is refused to everybody where tokens are in force, and a test
//! that reads the router itself fails.

use crate::domain::access::Role;

/// What a run's token may do with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What its role allows.
    Any,
    /// Only with a run of its experiment: `run_id` or `run_uuid` in the body.
    Run,
    /// Only with its own experiment: `experiment_id` in the body.
    Experiment,
    /// Only with a logged model of its experiment: the id in the path.
    Model,
    /// Only under the folder of its experiment: the path's own end.
    Files,
    /// Nothing.
    Never,
}

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The least role; none: nobody has to say who they are.
    pub role: Option<Role>,
    /// What a run's token may do with it.
    pub reach: Reach,
}

type Line = (&'static str, &'static str, Rule);

const fn open(method: &'static str, path: &'static str) -> Line {
    let rule = Rule {
        role: None,
        reach: Reach::Any,
    };
    (method, path, rule)
}

const fn reads(method: &'static str, path: &'static str) -> Line {
    let rule = Rule {
        role: Some(Role::Viewer),
        reach: Reach::Any,
    };
    (method, path, rule)
}

const fn logs(method: &'static str, path: &'static str, reach: Reach) -> Line {
    let rule = Rule {
        role: Some(Role::Operator),
        reach,
    };
    (method, path, rule)
}

const fn moves(method: &'static str, path: &'static str) -> Line {
    let rule = Rule {
        role: Some(Role::Maintainer),
        reach: Reach::Never,
    };
    (method, path, rule)
}

/// Every route: method, path as the router knows it (parameters as `{}`, `/ajax-api` as `/api`), rule.
const ROUTES: &[Line] = &[
    // who is there, and since when: nothing of anybody's work
    open("GET", "/health"),
    open("GET", "/version"),
    open("GET", "/v2/health/live"),
    open("GET", "/v2/health/ready"),
    reads("GET", "/metrics"),
    // the dashboard's own; each topic and command has a role besides
    reads("GET", "/api/trainyard/v1/events"),
    reads("POST", "/api/trainyard/v1/command"),
    // inference and features
    reads("GET", "/v2"),
    reads("GET", "/v2/models/{}"),
    reads("GET", "/v2/models/{}/ready"),
    reads("GET", "/v2/models/{}/versions/{}"),
    reads("GET", "/v2/models/{}/versions/{}/ready"),
    logs("POST", "/v2/models/{}/infer", Reach::Any),
    logs("POST", "/v2/models/{}/versions/{}/infer", Reach::Any),
    logs("POST", "/models/{}/invocations", Reach::Any),
    logs("POST", "/get-online-features", Reach::Any),
    logs("POST", "/push", Reach::Never),
    logs("POST", "/write-to-online-store", Reach::Never),
    // MLflow: experiments
    reads("GET", "/api/2.0/mlflow/experiments/get"),
    reads("GET", "/api/2.0/mlflow/experiments/get-by-name"),
    reads("GET", "/api/2.0/mlflow/experiments/search"),
    reads("POST", "/api/2.0/mlflow/experiments/search"),
    reads("GET", "/api/2.0/mlflow/experiments/list"),
    logs("POST", "/api/2.0/mlflow/experiments/create", Reach::Never),
    logs("POST", "/api/2.0/mlflow/experiments/update", Reach::Never),
    logs(
        "POST",
        "/api/2.0/mlflow/experiments/set-experiment-tag",
        Reach::Experiment,
    ),
    logs(
        "POST",
        "/api/2.0/mlflow/experiments/delete-experiment-tag",
        Reach::Experiment,
    ),
    moves("POST", "/api/2.0/mlflow/experiments/delete"),
    moves("POST", "/api/2.0/mlflow/experiments/restore"),
    // MLflow: runs
    reads("GET", "/api/2.0/mlflow/runs/get"),
    reads("POST", "/api/2.0/mlflow/runs/search"),
    reads("GET", "/api/2.0/mlflow/metrics/get-history"),
    reads("GET", "/api/2.0/mlflow/metrics/get-history-bulk"),
    reads("GET", "/api/2.0/mlflow/metrics/get-history-bulk-interval"),
    logs("POST", "/api/2.0/mlflow/runs/create", Reach::Experiment),
    logs("POST", "/api/2.0/mlflow/runs/update", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/log-batch", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/log-metric", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/log-parameter", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/set-tag", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/delete-tag", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/log-inputs", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/log-model", Reach::Run),
    logs("POST", "/api/2.0/mlflow/runs/outputs", Reach::Run),
    moves("POST", "/api/2.0/mlflow/runs/delete"),
    moves("POST", "/api/2.0/mlflow/runs/restore"),
    // MLflow: artifacts
    reads("GET", "/api/2.0/mlflow/artifacts/list"),
    reads("GET", "/api/2.0/mlflow-artifacts/artifacts"),
    reads("GET", "/api/2.0/mlflow-artifacts/artifacts/{}"),
    logs(
        "PUT",
        "/api/2.0/mlflow-artifacts/artifacts/{}",
        Reach::Files,
    ),
    moves("DELETE", "/api/2.0/mlflow-artifacts/artifacts/{}"),
    logs(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/create/{}",
        Reach::Files,
    ),
    logs(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/complete/{}",
        Reach::Files,
    ),
    logs(
        "POST",
        "/api/2.0/mlflow-artifacts/mpu/abort/{}",
        Reach::Files,
    ),
    reads("GET", "/api/2.0/mlflow-artifacts/presigned/{}"),
    reads("GET", "/api/3.0/mlflow/server-info"),
    // MLflow: logged models
    reads("GET", "/api/2.0/mlflow/logged-models/{}"),
    reads("POST", "/api/2.0/mlflow/logged-models/search"),
    reads(
        "GET",
        "/api/2.0/mlflow/logged-models/{}/artifacts/directories",
    ),
    logs("POST", "/api/2.0/mlflow/logged-models", Reach::Experiment),
    logs("PATCH", "/api/2.0/mlflow/logged-models/{}", Reach::Model),
    logs(
        "PATCH",
        "/api/2.0/mlflow/logged-models/{}/tags",
        Reach::Model,
    ),
    logs(
        "DELETE",
        "/api/2.0/mlflow/logged-models/{}/tags/{}",
        Reach::Model,
    ),
    logs(
        "POST",
        "/api/2.0/mlflow/logged-models/{}/params",
        Reach::Model,
    ),
    moves("DELETE", "/api/2.0/mlflow/logged-models/{}"),
    // MLflow: traces, which nobody keeps here
    logs("POST", "/api/3.0/mlflow/traces", Reach::Never),
    logs("POST", "/v1/traces", Reach::Never),
    reads("POST", "/api/3.0/mlflow/traces/search"),
    reads("GET", "/api/3.0/mlflow/traces/batchGet"),
    // MLflow: registry
    reads("GET", "/api/2.0/mlflow/registered-models/get"),
    reads("GET", "/api/2.0/mlflow/registered-models/search"),
    reads("POST", "/api/2.0/mlflow/registered-models/search"),
    reads("GET", "/api/2.0/mlflow/registered-models/list"),
    reads(
        "POST",
        "/api/2.0/mlflow/registered-models/get-latest-versions",
    ),
    reads(
        "GET",
        "/api/2.0/mlflow/registered-models/get-latest-versions",
    ),
    reads("GET", "/api/2.0/mlflow/registered-models/alias"),
    moves("POST", "/api/2.0/mlflow/registered-models/create"),
    moves("PATCH", "/api/2.0/mlflow/registered-models/update"),
    moves("POST", "/api/2.0/mlflow/registered-models/update"),
    moves("POST", "/api/2.0/mlflow/registered-models/rename"),
    moves("DELETE", "/api/2.0/mlflow/registered-models/delete"),
    moves("POST", "/api/2.0/mlflow/registered-models/set-tag"),
    moves("DELETE", "/api/2.0/mlflow/registered-models/delete-tag"),
    moves("POST", "/api/2.0/mlflow/registered-models/alias"),
    moves("DELETE", "/api/2.0/mlflow/registered-models/alias"),
    reads("GET", "/api/2.0/mlflow/model-versions/get"),
    reads("GET", "/api/2.0/mlflow/model-versions/search"),
    reads("POST", "/api/2.0/mlflow/model-versions/search"),
    reads("GET", "/api/2.0/mlflow/model-versions/get-download-uri"),
    moves("POST", "/api/2.0/mlflow/model-versions/create"),
    moves("PATCH", "/api/2.0/mlflow/model-versions/update"),
    moves("DELETE", "/api/2.0/mlflow/model-versions/delete"),
    moves("POST", "/api/2.0/mlflow/model-versions/transition-stage"),
    moves("POST", "/api/2.0/mlflow/model-versions/set-tag"),
    moves("DELETE", "/api/2.0/mlflow/model-versions/delete-tag"),
];

/// A path as the table writes it: parameters without their names, `/ajax-api` as `/api`.
pub fn shape(pattern: &str) -> String {
    let pattern = match pattern.strip_prefix("/ajax-api/") {
        Some(rest) => format!("/api/{rest}"),
        None => pattern.to_owned(),
    };
    let segments: Vec<&str> = pattern
        .split('/')
        .map(|segment| match segment.starts_with('{') {
            true => "{}",
            false => segment,
        })
        .collect();
    segments.join("/")
}

/// The rule of a route; none: nobody may. `pattern` is the path as the router knows it.
pub fn rule(method: &str, pattern: &str) -> Option<Rule> {
    let shape = shape(pattern);
    // whoever may get something may ask how long it is
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES
        .iter()
        .find(|(of, path, _)| *of == method && *path == shape)
        .map(|(_, _, rule)| *rule)
}

/// The table, for tests.
#[cfg(test)]
pub(crate) fn all() -> &'static [Line] {
    ROUTES
}
