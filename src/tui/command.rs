//! Commands in words: the shell command that does the same (everything here can be scripted), and what a reply says.

use super::text::quoted;
use crate::api::protocol::{Command, Reply};

/// The `trainyard` subcommand that does the same; none where there is none.
pub fn shell(command: &Command) -> Option<String> {
    Some(match command {
        Command::Promote {
            model,
            version,
            force,
            reason,
            ..
        } => {
            let mut line = format!(
                "trainyard models promote {} {}",
                quoted(model.as_str()),
                version.0
            );
            if *force {
                line.push_str(&format!(" --force --reason {}", quoted(reason)));
            }
            line
        }
        Command::Rollback { model, to, .. } => match to {
            Some(version) => format!(
                "trainyard models rollback {} --to {}",
                quoted(model.as_str()),
                version.0
            ),
            None => format!("trainyard models rollback {}", quoted(model.as_str())),
        },
        Command::Register { run, model } => {
            let name = model.as_ref().map_or("NAME", |model| model.as_str());
            format!("trainyard models register {run} {}", quoted(name))
        }
        Command::History { model } => {
            format!("trainyard models history {}", quoted(model.as_str()))
        }
        Command::Train { pipeline, set, .. } => {
            let mut line = format!("trainyard train {}", quoted(pipeline));
            for (key, value) in set {
                line.push_str(&format!(" --set {}", quoted(&format!("{key}={value}"))));
            }
            line
        }
        Command::Materialize { views, .. } => {
            let mut line = "trainyard features materialize".to_owned();
            for view in views {
                line.push_str(&format!(" {}", quoted(view)));
            }
            line
        }
        Command::Predict {
            model,
            input,
            output,
        } => format!(
            "trainyard predict {} {} --out {}",
            quoted(model),
            quoted(input),
            quoted(output)
        ),
        Command::CancelJob { job } => format!("trainyard jobs cancel {job}"),
        Command::RetryJob { job } => format!("trainyard jobs retry {job}"),
        Command::Job { job } => format!("trainyard jobs show {job}"),
        Command::Shutdown => "trainyard down".to_owned(),
        _ => return None,
    })
}

/// What a reply says, when nothing better is known.
pub fn said(command: &Command, reply: &Reply) -> Option<String> {
    Some(match reply {
        Reply::Jobs(jobs) if jobs.is_empty() => "nothing to do".to_owned(),
        Reply::Jobs(jobs) => {
            let ids: Vec<String> = jobs.iter().map(ToString::to_string).collect();
            format!("queued: job {}", ids.join(", "))
        }
        Reply::Pipeline { run, job } => format!("pipeline run {run} began with job {job}"),
        Reply::Version(version) => format!("registered {} of {}", version.version, version.model),
        Reply::Moved(moved) => format!(
            "{} {} is now {}",
            moved.model,
            moved.alias,
            moved
                .to
                .map_or_else(|| "nothing".to_owned(), |version| version.to_string())
        ),
        Reply::Run(run) => format!("run {}", run.name),
        Reply::Done => match command {
            Command::Reload => "trainyard.toml read again".to_owned(),
            Command::Shutdown => "the daemon stops; jobs go on".to_owned(),
            _ => "done".to_owned(),
        },
        _ => return None,
    })
}
