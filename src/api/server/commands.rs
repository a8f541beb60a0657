//! `POST /command`: each command is one call of a service.

use super::{Context, blocking, json, refused};
use crate::api::protocol::{Command, Reply};
use crate::domain::trigger::Cause;
use crate::domain::{Error, Result};
use crate::service::requests::CommandRequest;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// Who asks, when nobody says.
const NOBODY: &str = "api";

pub(super) async fn answer(
    State(context): State<Arc<Context>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // A page of a foreign site can send forms to this address, but no JSON without asking first.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return refused(&Error::invalid(
            "a command is JSON: send it with `content-type: application/json`",
        ));
    }
    let command: Command = match serde_json::from_slice(&body) {
        Ok(command) => command,
        Err(error) => return refused(&Error::invalid(format!("not a command: {error}"))),
    };
    let user = headers
        .get("x-trainyard-user")
        .map(|user| String::from_utf8_lossy(user.as_bytes()).into_owned())
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| NOBODY.to_owned());
    match blocking(move || execute(&context, command, &user)).await {
        Ok(reply) => json(StatusCode::OK, &reply),
        Err(error) => refused(&error),
    }
}

fn execute(context: &Context, command: Command, by: &str) -> Result<Reply> {
    let services = &*context.services;
    Ok(match command {
        Command::Promote {
            model,
            version,
            force,
            reason,
        } => Reply::Moved(
            services
                .registry
                .promote(&model, version, by, force, &reason)?,
        ),
        Command::Rollback { model, to } => {
            Reply::Moved(services.registry.rollback(&model, to, by)?)
        }
        Command::PreviewPromotion { model, version } => Reply::Page(Box::new(
            services
                .registry
                .preview(services, &model, Some(version), false)?,
        )),
        Command::PreviewRollback { model, to } => Reply::Page(Box::new(
            services.registry.preview(services, &model, to, true)?,
        )),
        Command::Register { run, model } => {
            Reply::Version(Box::new(services.register_run(&run, model, by)?))
        }
        Command::SetAlias {
            model,
            alias,
            version,
        } => Reply::Moved(services.registry.set_alias(&model, &alias, version, by)?),
        Command::History { model } => Reply::Moves(services.registry.history(&model)?),
        Command::Train {
            pipeline,
            set,
            promote,
        } => {
            let cause = Cause::Request { by: by.to_owned() };
            let (run, job) = context.pipelines.train(&pipeline, &set, promote, cause)?;
            Reply::Pipeline { run, job }
        }
        Command::PipelineRun { run } => Reply::PipelineRun(services.pipelines.state(run)?),
        Command::Materialize { views, as_of } => {
            Reply::Jobs(services.materialize(&views, as_of, by)?)
        }
        Command::JoinFeatures {
            pipeline,
            from,
            to,
            output,
        } => Reply::Jobs(vec![
            services.join_features(&pipeline, from, to, output, by)?,
        ]),
        Command::OnlineFeatures { features, entities } => {
            Reply::Features(services.catalog.online(&features, &entities)?)
        }
        Command::Predict {
            model,
            input,
            output,
        } => Reply::Jobs(vec![services.predict_file(&model, &input, output, by)?]),
        Command::Monitor {
            monitor,
            from,
            to,
            labels_until,
            label,
        } => Reply::Report(Box::new(services.monitoring.evaluate(
            services,
            &monitor,
            from,
            to,
            labels_until,
            &label,
        )?)),
        Command::Reports { monitor } => Reply::Reports(services.monitoring.reports(&monitor)?),
        Command::Run {
            experiment,
            name,
            command,
            directory,
            environment,
        } => Reply::Jobs(vec![services.run_command(
            CommandRequest {
                experiment,
                name,
                command,
                directory,
                environment,
                tracking_uri: format!("http://{}", context.http),
            },
            by,
        )?]),
        Command::Examine { dataset } => Reply::Jobs(services.examine(&dataset, by)?),
        Command::Job { job } => {
            let (job, _, result) = services.jobs.job(job)?;
            Reply::Job(Box::new(job), result.map(Box::new))
        }
        Command::CancelJob { job } => {
            services.jobs.cancel(job, by)?;
            Reply::Done
        }
        Command::RetryJob { job } => {
            services.jobs.retry(job, by)?;
            Reply::Done
        }
        Command::Note { run, text } => {
            services.tracking.note(&run, &text)?;
            Reply::Done
        }
        Command::Archive { run, restore } => {
            services.tracking.archive(&run, restore)?;
            Reply::Done
        }
        Command::MetricHistory { run, key } => {
            Reply::Points(services.tracking.history(&run, &key)?)
        }
        Command::Explain {
            deployment,
            request,
        } => Reply::Explanation(Box::new(services.serving.explain(
            services,
            &deployment,
            &request,
        )?)),
        Command::ExplainRows { model, rows } => {
            Reply::Explanations(services.explain_rows(&model, &rows)?)
        }
        Command::Alerts => Reply::Alerts(services.monitoring.alerts().list()?),
        Command::AcknowledgeAlert { alert } => {
            services.monitoring.alerts().acknowledge(alert, by)?;
            Reply::Done
        }
        Command::Reload => {
            context.pipelines.reload()?;
            Reply::Done
        }
        Command::Shutdown => {
            // The answer to this request is still sent: the server ends when its requests have.
            context.stop.send_replace(true);
            Reply::Done
        }
    })
}
