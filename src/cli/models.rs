//! `models`: versions, promotion, roll-back.

use super::connect::{Connection, unexpected};
use super::output::{Output, age, number};
use super::{Exit, Result};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::registry::{AliasMove, CHAMPION, ModelPage, MoveKind, VersionRow};
use crate::domain::{Error, ModelName, Version};
use clap::Subcommand;

/// Subcommands of `models`.
#[derive(Subcommand, Debug)]
pub(crate) enum ModelsCommand {
    /// All registered models
    List,
    /// Versions, aliases, gate and history of one
    Show {
        /// Which
        name: String,
    },
    /// Make a version from a run's model
    Register {
        /// The run
        run: String,
        /// The model
        name: String,
    },
    /// Move `champion` to a version, if its gate allows it
    Promote {
        /// Which model
        name: String,
        /// Which version
        version: String,
        /// Against the gate
        #[arg(long, requires = "reason")]
        force: bool,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Move `champion` back
    Rollback {
        /// Which model
        name: String,
        /// To this version instead of the one before
        #[arg(long)]
        to: Option<String>,
    },
    /// Point an alias at a version, or remove it (`champion` moves by promote and rollback)
    Alias {
        /// Which model
        name: String,
        /// Which alias
        alias: String,
        /// Which version; none: the alias is removed
        version: Option<String>,
    },
    /// Move a version to one of MLflow's stages
    Stage {
        /// Which model
        name: String,
        /// Which version
        version: String,
        /// None, Staging, Production or Archived
        stage: String,
    },
    /// Delete a version for good; one that an alias names or a deployment answers with stays
    Delete {
        /// Which model
        name: String,
        /// Which version
        version: String,
    },
    /// Every move of its aliases
    History {
        /// Which model
        name: String,
    },
}

pub(crate) fn run(
    command: &ModelsCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    match command {
        ModelsCommand::List => {
            let Snapshot::Models(models) = connection.snapshot(&Topic::Models)? else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&models)?;
            }
            let version = |version: Option<Version>| {
                version.map_or_else(|| "-".to_owned(), |version| version.to_string())
            };
            let rows: Vec<_> = models
                .iter()
                .map(|model| {
                    vec![
                        model.name.to_string(),
                        version(model.champion),
                        version(model.latest),
                        if model.serving {
                            "serving".into()
                        } else {
                            String::new()
                        },
                    ]
                })
                .collect();
            output.table(&["model", "champion", "newest", ""], &rows);
            Ok(Exit::Done)
        }
        ModelsCommand::Show { name } => {
            let Snapshot::Model(page) = connection.snapshot(&Topic::Model {
                model: ModelName(name.clone()),
            })?
            else {
                return Err(unexpected());
            };
            show(&page, connection, output)
        }
        ModelsCommand::Register { run, name } => {
            let run = super::runs::find(connection, run)?;
            let Reply::Version(version) = connection.command(&Command::Register {
                run,
                model: Some(ModelName(name.clone())),
            })?
            else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&version)?;
            }
            output.line(format!(
                "registered {} of {}",
                version.version, version.model
            ));
            Ok(Exit::Done)
        }
        ModelsCommand::Promote {
            name,
            version,
            force,
            reason,
        } => {
            let command = Command::Promote {
                model: ModelName(name.clone()),
                version: parse_version(version)?,
                force: *force,
                reason: reason.clone(),
                seen: None,
            };
            moved(&connection.command(&command)?, output)
        }
        ModelsCommand::Rollback { name, to } => {
            let to = to.as_deref().map(parse_version).transpose()?;
            moved(
                &connection.command(&Command::Rollback {
                    model: ModelName(name.clone()),
                    to,
                    seen: None,
                })?,
                output,
            )
        }
        ModelsCommand::Alias {
            name,
            alias,
            version,
        } => moved(
            &connection.command(&Command::SetAlias {
                model: ModelName(name.clone()),
                alias: alias.clone(),
                version: version.as_deref().map(parse_version).transpose()?,
                seen: None,
            })?,
            output,
        ),
        ModelsCommand::Stage {
            name,
            version,
            stage,
        } => {
            let version = parse_version(version)?;
            connection.command(&Command::SetStage {
                model: ModelName(name.clone()),
                version,
                stage: stage.clone(),
                seen: None,
            })?;
            done(output, &format!("{version} of {name} is in stage {stage}"))
        }
        ModelsCommand::Delete { name, version } => {
            let version = parse_version(version)?;
            connection.command(&Command::DeleteVersion {
                model: ModelName(name.clone()),
                version,
            })?;
            done(output, &format!("{version} of {name} is deleted"))
        }
        ModelsCommand::History { name } => {
            let Reply::Moves(moves) = connection.command(&Command::History {
                model: ModelName(name.clone()),
            })?
            else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&moves)?;
            }
            for one in &moves {
                output.line(move_sentence(one));
            }
            Ok(Exit::Done)
        }
    }
}

/// `3`, `v3` -> version 3.
pub(crate) fn parse_version(text: &str) -> Result<Version> {
    text.trim_start_matches('v')
        .parse()
        .map(Version)
        .map_err(|_| Error::invalid(format!("`{text}` is no version: write 3 or v3")).into())
}

fn done(output: &Output, said: &str) -> Result<Exit> {
    if output.json {
        output.document(&serde_json::json!({ "done": true }))?;
    }
    output.line(said);
    Ok(Exit::Done)
}

fn moved(reply: &Reply, output: &Output) -> Result<Exit> {
    let Reply::Moved(one) = reply else {
        return Err(unexpected());
    };
    if output.json {
        output.document(one)?;
    }
    output.line(move_sentence(one));
    Ok(Exit::Done)
}

/// "2013-08-01 09:12  delay champion v1 → v2  promoted by ana".
pub(crate) fn move_sentence(one: &AliasMove) -> String {
    let version = |version: Option<Version>| {
        version.map_or_else(|| "nothing".to_owned(), |version| version.to_string())
    };
    let kind = match one.kind {
        MoveKind::Promoted => "promoted",
        MoveKind::Forced => "promoted against the gate",
        MoveKind::RolledBack => "rolled back",
        MoveKind::Set => "set",
    };
    let reason = if one.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", one.reason)
    };
    format!(
        "{}  {} {} {} → {}  {kind} by {}{reason}",
        one.at.utc().format("%Y-%m-%d %H:%M:%S"),
        one.model,
        one.alias,
        version(one.from),
        version(one.to),
        one.by
    )
}

fn show(page: &ModelPage, connection: &Connection, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(page)?;
        return Ok(Exit::Done);
    }
    let now = chrono::Utc::now().timestamp_millis();
    let metric = page.metric.as_deref().unwrap_or("metric");
    let rows: Vec<_> = page
        .versions
        .iter()
        .map(|row| {
            let value = page
                .metric
                .as_ref()
                .and_then(|metric| row.metrics.get(metric))
                .map_or_else(|| "-".to_owned(), |value| number(value.0));
            let gate = row
                .gate
                .map_or_else(|| "not judged".to_owned(), |gate| gate.sentence());
            vec![
                row.version.version.to_string(),
                row.version.aliases.join(" "),
                value,
                row.run_name.clone(),
                age(now - row.version.created.0),
                row.version.user.clone(),
                gate,
            ]
        })
        .collect();
    output.table(
        &["version", "alias", metric, "from run", "age", "by", "gate"],
        &rows,
    );
    // the checks of the newest version that has some
    if let Some(row) = page.versions.iter().find(|row| row.gate.is_some())
        && let Snapshot::Version(detail) = connection.snapshot(&Topic::Version {
            model: page.model.name.clone(),
            version: row.version.version,
        })?
        && let Some((verdict, _)) = &detail.row.version.gate
    {
        output.line("");
        output.line(format!("{}: {}", row.version.version, verdict.sentence()));
        for check in &verdict.checks {
            output.line(format!(
                "  {} {:<22} {}",
                if check.passed { "✓" } else { "✗" },
                check.name,
                check.detail
            ));
        }
    }
    reads(page, connection, output)?;
    output.line("");
    for one in page.history.iter().take(10) {
        output.line(move_sentence(one));
    }
    Ok(Exit::Done)
}

/// Which version of which feature view the champion reads; without one: the newest version.
fn reads(page: &ModelPage, connection: &Connection, output: &Output) -> Result<()> {
    let champion = |row: &&VersionRow| row.version.aliases.iter().any(|alias| alias == CHAMPION);
    let Some(row) = page
        .versions
        .iter()
        .find(champion)
        .or_else(|| page.versions.first())
    else {
        return Ok(());
    };
    let Snapshot::Version(detail) = connection.snapshot(&Topic::Version {
        model: page.model.name.clone(),
        version: row.version.version,
    })?
    else {
        return Ok(());
    };
    let views: Vec<&str> = detail
        .lineage
        .iter()
        .filter(|line| line.kind == "view")
        .map(|line| line.value.as_str())
        .collect();
    if !views.is_empty() {
        output.line("");
        output.line(format!("{} reads", row.version.version));
    }
    for view in views {
        output.line(format!("  {view}"));
    }
    Ok(())
}
