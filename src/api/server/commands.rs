//! `POST /command`: each command is one call of a service.

use super::{Context, blocking, json, refused};
use crate::api::protocol::{Command, Reply};
use crate::domain::access::Actor;
use crate::domain::trigger::Cause;
use crate::domain::{Error, Result};
use crate::service::access::NewToken;
use crate::service::commands::CommandRequest;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// Bytes of a job's output in one reply.
const MOST_OUTPUT: u64 = 4 * 1024 * 1024;

/// Who asks, when nobody says.
const NOBODY: &str = "api";

pub(super) async fn answer(
    State(context): State<Arc<Context>>,
    actor: Option<Extension<Arc<Actor>>>,
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
    let Some(Extension(actor)) = actor else {
        return refused(&Error::denied(
            "nobody is known to ask: this door lets nobody in",
        ));
    };
    let may = match &actor.scope {
        None => actor.may(command.role(), "this command"),
        Some(_) => Err(Error::denied(
            "a run's token logs its run by the MLflow API: use a token of your own for commands",
        )),
    };
    if let Err(error) = may {
        return refused(&error);
    }
    let user = match actor.name.as_str() {
        "" => NOBODY.to_owned(),
        name => name.to_owned(),
    };
    match blocking(move || execute(&context, command, &user)).await {
        Ok(reply) => json(StatusCode::OK, &reply),
        Err(error) => refused(&error),
    }
}

/// Where a job on this machine finds the server: an address of all interfaces is reached by the loopback one. Callers
/// from the machine itself may do without TLS.
fn nearby(http: &str) -> String {
    match http.parse::<std::net::SocketAddr>() {
        Ok(mut address) if address.ip().is_unspecified() => {
            address.set_ip(match address {
                std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
            address.to_string()
        }
        _ => http.to_owned(),
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
            seen,
        } => Reply::Moved(
            services
                .registry
                .promote_as_seen(&model, version, by, force, &reason, seen)?,
        ),
        Command::Rollback { model, to, seen } => {
            Reply::Moved(services.registry.rollback_as_seen(&model, to, by, seen)?)
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
            seen,
        } => Reply::Moved(
            services
                .registry
                .set_alias(&model, &alias, version, by, seen)?,
        ),
        Command::SetStage {
            model,
            version,
            stage,
            seen,
        } => {
            services
                .registry
                .set_stage(&model, version, &stage, false, by, seen)?;
            Reply::Done
        }
        Command::DescribeVersion {
            model,
            version,
            text,
            seen,
        } => {
            services
                .registry
                .describe_version(&model, version, &text, by, seen)?;
            Reply::Done
        }
        Command::TagVersion {
            model,
            version,
            key,
            value,
            seen,
        } => {
            services
                .registry
                .tag_version(&model, version, &key, value, by, seen)?;
            Reply::Done
        }
        Command::DescribeModel { model, text, seen } => {
            services.registry.describe_model(&model, &text, by, seen)?;
            Reply::Done
        }
        Command::TagModel {
            model,
            key,
            value,
            seen,
        } => {
            services.registry.tag_model(&model, &key, value, by, seen)?;
            Reply::Done
        }
        Command::DeleteVersion { model, version } => {
            services.delete_version(&model, version, by)?;
            Reply::Done
        }
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
        Command::Materialize {
            views,
            as_of,
            from,
            full,
        } => Reply::Jobs(services.materialize(&views, from, as_of, full, by)?),
        Command::Push { source, df, to } => {
            Reply::Pushed(services.catalog.push(services, &source, df, to)?)
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
        Command::ApplyFeatures { dry_run, seen } => {
            let diff = services.apply_features(dry_run, seen.as_deref(), by)?;
            if diff.applied {
                // pipelines may name what is in force now
                context.pipelines.reload()?;
            }
            Reply::FeaturesDiff(Box::new(diff))
        }
        Command::FeatureView { view } => {
            Reply::FeatureView(Box::new(services.catalog.view_page(services, &view)?))
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
                tracking_uri: format!("http://{}", nearby(&context.http)),
            },
            by,
        )?]),
        Command::Examine { dataset } => Reply::Jobs(services.examine(&dataset, by)?),
        Command::Job { job } => {
            let (job, _, result) = services.jobs.job(job)?;
            Reply::Job(Box::new(job), result.map(Box::new))
        }
        Command::JobOutput {
            job,
            attempt,
            from,
            most,
        } => Reply::Output(Box::new(services.jobs.output(
            job,
            attempt,
            from,
            most.min(MOST_OUTPUT),
        )?)),
        Command::CancelJob { job } => {
            services.jobs.cancel(job, by)?;
            Reply::Done
        }
        Command::RetryJob { job } => {
            services.retry_job(job, by)?;
            Reply::Done
        }
        Command::Note { run, text, seen } => {
            services
                .tracking
                .note_as_seen(&run, &text, seen.as_deref())?;
            Reply::Done
        }
        Command::TagRun {
            run,
            key,
            value,
            seen,
        } => {
            services.tracking.tag_run(&run, &key, value, seen)?;
            Reply::Done
        }
        Command::Archive { run, restore } => {
            services.tracking.archive(&run, restore)?;
            Reply::Done
        }
        Command::PurgeRuns {
            runs,
            with_versions,
        } => Reply::Purged {
            runs: services.tracking.purge_runs(&runs, with_versions, by)?,
            experiments: 0,
        },
        Command::Experiments => Reply::Experiments(services.tracking.experiments()?),
        Command::ArchiveExperiment {
            experiment,
            restore,
        } => {
            services.tracking.archive_experiment(&experiment, restore)?;
            Reply::Done
        }
        Command::PurgeExperiment {
            experiment,
            with_versions,
        } => Reply::Purged {
            runs: services
                .tracking
                .purge_experiment(&experiment, with_versions, by)?,
            experiments: 1,
        },
        Command::PurgeDeleted { before } => {
            let (runs, experiments) = services.tracking.purge_deleted(before, by)?;
            Reply::Purged { runs, experiments }
        }
        Command::Import { parts } => Reply::Taken(services.tracking.take(parts, by)?),
        Command::Tallies { runs } => Reply::Tallies(services.tracking.tallies(&runs)?),
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
        Command::CreateToken {
            name,
            role,
            kind,
            lasts,
        } => {
            let new = NewToken {
                name,
                role,
                kind,
                lasts,
            };
            let (token, secret) = services.access.create(new, by)?;
            Reply::Secret {
                token: Box::new(token),
                secret,
            }
        }
        Command::Tokens => Reply::Tokens(services.access.list()),
        Command::RevokeToken { token } => {
            services.access.revoke(&token, by)?;
            Reply::Done
        }
        Command::Audit { object, limit } => {
            Reply::Audit(services.access.audit(object.as_deref(), limit)?)
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
