//! How far a run's token reaches: the run, experiment or folder that a request names must be of its own experiment.

use super::roles::Reach;
use crate::domain::access::RunScope;
use crate::domain::{Error, Result, RunId};
use crate::http::error::blocking;
use crate::service::Services;
use axum::body::Body;
use axum::extract::Request;
use serde::Deserialize;
use std::sync::Arc;

/// Bodies above this are refused: as the routes themselves do.
const BODY: usize = 16 * 1024 * 1024;

/// What a body may name; everything else in it is passed over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    run_id: Option<String>,
    run_uuid: Option<String>,
    experiment_id: Option<String>,
}

/// The request again, when it stays within the token's experiment.
///
/// # Errors
/// [`crate::domain::ErrorKind::Denied`] when it does not, [`crate::domain::ErrorKind::Invalid`] when the body cannot be read.
pub(super) async fn within(
    services: &Arc<Services>,
    scope: &RunScope,
    reach: Reach,
    request: Request,
) -> Result<Request> {
    let outside = || {
        Error::denied(format!(
            "a run's token writes to runs of its own experiment `{}` only",
            scope.experiment
        ))
    };
    match reach {
        Reach::Any => Ok(request),
        Reach::Never => Err(Error::denied(
            "a run's token cannot do this: use a token of your own",
        )),
        Reach::Files => {
            let path = request.uri().path();
            let folder = ["/artifacts/", "/create/", "/complete/", "/abort/"]
                .iter()
                .find_map(|before| path.split_once(before))
                .map(|(_, inside)| inside.split('/').next().unwrap_or_default());
            match folder == Some(scope.experiment.as_str()) && !steps_out(path) {
                true => Ok(request),
                false => Err(outside()),
            }
        }
        Reach::Model => {
            let path = request.uri().path();
            let model = path
                .split_once("/logged-models/")
                .and_then(|(_, rest)| rest.split('/').next())
                .unwrap_or_default()
                .to_owned();
            let (services, scope) = (Arc::clone(services), scope.clone());
            let reaches = blocking(move || Ok(services.access.reaches_model(&scope, &model)));
            match reaches.await.map_err(|error| error.0)? {
                true => Ok(request),
                false => Err(outside()),
            }
        }
        Reach::Run | Reach::Experiment => {
            let (parts, body) = request.into_parts();
            let bytes = axum::body::to_bytes(body, BODY).await.map_err(|error| {
                Error::invalid("the body cannot be read, or is above 16 MiB").because(error)
            })?;
            let named: Named = serde_json::from_slice(&bytes)
                .map_err(|error| Error::invalid(format!("invalid request: {error}")))?;
            let is_within = if reach == Reach::Experiment {
                named.experiment_id.as_deref() == Some(scope.experiment.as_str())
            } else {
                let runs: Vec<RunId> = [named.run_id, named.run_uuid]
                    .into_iter()
                    .flatten()
                    .filter(|id| !id.is_empty())
                    .map(RunId)
                    .collect();
                let (services, scope) = (Arc::clone(services), scope.clone());
                let reaches = blocking(move || {
                    Ok(!runs.is_empty()
                        && runs
                            .iter()
                            .all(|run| services.access.reaches_run(&scope, run)))
                });
                reaches.await.map_err(|error| error.0)?
            };
            match is_within {
                true => Ok(Request::from_parts(parts, Body::from(bytes))),
                false => Err(outside()),
            }
        }
    }
}

/// Whether a path could leave the folder it names, written plainly or with `%2e`.
fn steps_out(path: &str) -> bool {
    path.split('/').any(|part| {
        let plain = part.replace("%2e", ".").replace("%2E", ".");
        plain == ".." || plain == "." || part.contains("%2f") || part.contains("%2F")
    })
}
