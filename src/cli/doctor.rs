//! `doctor`: what is wrong with the workspace, and how to mend it.

use super::connect::Connection;
use super::output::Output;
use super::{Exit, Result};
use crate::api::client::Client;
use crate::workspace::Workspace;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::Path;

/// One look.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    fine: bool,
    detail: String,
    hint: String,
}

fn fine(what: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        what,
        fine: true,
        detail: detail.into(),
        hint: String::new(),
    }
}

fn wrong(what: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding {
        what,
        fine: false,
        detail: detail.into(),
        hint: hint.into(),
    }
}

pub(crate) fn run(connection: &Connection, output: &Output) -> Result<Exit> {
    let workspace = connection.workspace()?;
    let mut findings = vec![
        configuration(&workspace),
        disk(workspace.root()),
        daemon(&workspace),
        socket(&workspace),
    ];
    findings.extend(datasets(&workspace));
    findings.extend(terminal());
    if output.json {
        output.document(&findings)?;
    }
    for finding in &findings {
        output.line(format!(
            "{} {:<14} {}",
            if finding.fine { "✓" } else { "✗" },
            finding.what,
            finding.detail
        ));
        if !finding.hint.is_empty() {
            output.line(format!("  {:<14} → {}", "", finding.hint));
        }
    }
    Ok(if findings.iter().all(|finding| finding.fine) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn configuration(workspace: &Workspace) -> Finding {
    if !workspace.config().is_file() {
        return wrong(
            "configuration",
            format!("`{}` has no trainyard.toml", workspace.root().display()),
            "`trainyard init` writes one",
        );
    }
    match crate::service::configuration::load(workspace) {
        Ok(config) => fine(
            "configuration",
            format!(
                "{} datasets, {} views, {} pipelines, {} deployments",
                config.datasets.len(),
                config.views.len(),
                config.pipelines.len(),
                config.deployments.len()
            ),
        ),
        Err(error) => wrong(
            "configuration",
            error.to_string().replace('\n', " · "),
            "mend the lines named",
        ),
    }
}

fn datasets(workspace: &Workspace) -> Vec<Finding> {
    let Ok(config) = crate::service::configuration::load(workspace) else {
        return Vec::new();
    };
    config
        .datasets
        .iter()
        .filter_map(|dataset| {
            let pattern = dataset.path.as_ref()?;
            Some(
                match crate::data::source::snapshot(&dataset.name, workspace.root(), pattern, &[]) {
                    Ok(snapshot) => {
                        let bytes: u64 = snapshot.files.iter().map(|file| file.bytes).sum();
                        fine(
                            "dataset",
                            format!(
                                "{}: {} files, {} KiB",
                                dataset.name,
                                snapshot.files.len(),
                                bytes / 1024
                            ),
                        )
                    }
                    Err(error) => wrong(
                        "dataset",
                        format!("{}: {error}", dataset.name),
                        format!("look at path = \"{pattern}\""),
                    ),
                },
            )
        })
        .collect()
}

fn daemon(workspace: &Workspace) -> Finding {
    match Client::connect(workspace, super::connect::user(), false) {
        Ok(client) => match client.hello() {
            Ok((_, version, pid)) => fine("daemon", format!("{version} runs, pid {pid}")),
            Err(error) => wrong(
                "daemon",
                error.to_string(),
                "`trainyard down`, then `trainyard up`",
            ),
        },
        Err(_) => fine(
            "daemon",
            "does not run; any command that needs it starts it",
        ),
    }
}

fn socket(workspace: &Workspace) -> Finding {
    let path = workspace.socket();
    if path.starts_with(workspace.root()) {
        fine("socket", path.display().to_string())
    } else {
        fine(
            "socket",
            format!(
                "{} (the workspace's path is too long for one)",
                path.display()
            ),
        )
    }
}

fn disk(root: &Path) -> Finding {
    let existing = root
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(root);
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free = stat.f_bavail * stat.f_frsize / (1 << 20);
            if free < 500 {
                wrong(
                    "disk",
                    format!("{free} MiB free"),
                    "free some space: a full disk stops all writing",
                )
            } else {
                fine("disk", format!("{free} MiB free"))
            }
        }
        Err(error) => wrong("disk", error.to_string(), "is the folder there?"),
    }
}

fn terminal() -> Vec<Finding> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    let colours = match variable("COLORTERM").as_str() {
        "truecolor" | "24bit" => "16 million",
        _ if term.contains("256color") => "256",
        _ => "16",
    };
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .map(variable)
        .find(|value| !value.is_empty())
        .is_some_and(|value| value.to_lowercase().replace('-', "").contains("utf8"));
    let size = rustix::termios::tcgetwinsize(std::io::stdout())
        .map(|size| (size.ws_col, size.ws_row))
        .ok();
    let mut findings = vec![fine(
        "terminal",
        format!(
            "{term}, {colours} colours{}",
            if std::io::stdout().is_terminal() {
                ""
            } else {
                ", stdout is no terminal"
            }
        ),
    )];
    match size {
        Some((columns, rows)) if columns >= 60 && rows >= 15 => {
            findings.push(fine("size", format!("{columns}x{rows}")))
        }
        Some((columns, rows)) => findings.push(wrong(
            "size",
            format!("{columns}x{rows}"),
            "the dashboard needs 60x15",
        )),
        None => {}
    }
    findings.push(if utf8 {
        fine("characters", "UTF-8")
    } else {
        fine(
            "characters",
            "the locale is not UTF-8: the dashboard draws in ASCII",
        )
    });
    if !variable("TMUX").is_empty() {
        findings.push(fine("tmux", "copying needs `set -g set-clipboard on`, and `set -g allow-passthrough on` from tmux 3.3"));
    }
    findings
}
