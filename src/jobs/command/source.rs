//! Where a command comes from: its code, its Python environment, the machine. Looked up beside the command, which does
//! not wait for it; becomes tags of the run under MLflow's names, and files among its artifacts.

use super::{git, python};
use crate::domain::job::CommandSpec;
use crate::jobs::JobCtx;
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

/// A look at where a command comes from; takes its time.
type Look = fn(&CommandSpec, &Path) -> Facts;

/// Characters of a tag's value that the store takes.
const TAG: usize = 8000;

/// What was found out: tags, and files with their content.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    tags: Vec<(String, String)>,
    /// Path among the artifacts, content.
    files: Vec<(String, Vec<u8>)>,
    /// Lines for people.
    lines: Vec<String>,
}

impl Facts {
    fn tag(&mut self, key: &str, value: impl Into<String>) {
        let value: String = value.into();
        self.tags
            .push((key.to_owned(), value.chars().take(TAG).collect()));
    }
}

/// The look that is under way.
pub(super) struct Source {
    facts: Receiver<Facts>,
    /// How many answers are still to come.
    missing: usize,
}

impl Source {
    /// Begins to look; says at once what needs no look. Nothing that goes wrong here may stop the command.
    pub(super) fn look(spec: &CommandSpec, ctx: &mut JobCtx) -> Self {
        let mut facts = Facts::default();
        facts.tag("trainyard.host", host());
        facts.tag("trainyard.directory", spec.directory.clone());
        facts.tag("trainyard.command", quoted(&spec.command));
        keep(facts, ctx);
        let (sender, receiver) = channel();
        let mut missing = 0;
        let looks: [(&str, Look); 2] = [("git", of_code), ("python", of_environment)];
        for (name, look) in looks {
            let (sender, spec, folder) = (sender.clone(), spec.clone(), ctx.folder().to_owned());
            let begun = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    // nobody waits any more
                    let _ = sender.send(look(&spec, &folder));
                });
            missing += usize::from(begun.is_ok());
        }
        Self {
            facts: receiver,
            missing,
        }
    }

    /// Keeps what has been found by now.
    pub(super) fn take(&mut self, ctx: &mut JobCtx) {
        while self.missing > 0 {
            match self.facts.try_recv() {
                Ok(facts) => {
                    self.missing -= 1;
                    keep(facts, ctx);
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.missing = 0,
            }
        }
    }

    /// Waits for the rest, each look for `patience` at most.
    pub(super) fn finish(mut self, ctx: &mut JobCtx, patience: Duration) {
        while self.missing > 0 {
            match self.facts.recv_timeout(patience) {
                Ok(facts) => {
                    self.missing -= 1;
                    keep(facts, ctx);
                }
                Err(_) => return,
            }
        }
    }
}

/// Tags to the run, files into the job's folder and from there to the run's artifacts.
fn keep(facts: Facts, ctx: &mut JobCtx) {
    for line in facts.lines {
        let _ = ctx.log("info", line);
    }
    if !facts.tags.is_empty() {
        let _ = ctx.tags(facts.tags);
    }
    for (path, content) in facts.files {
        let file = format!("kept/{path}");
        let place = ctx.folder().join(&file);
        let written = place
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&place, content));
        match written {
            Ok(()) => {
                let _ = ctx.artifact(&file, &path);
            }
            Err(error) => {
                let _ = ctx.log("warn", format!("`{path}` is not kept: {error}"));
            }
        }
    }
}

fn of_code(spec: &CommandSpec, _: &Path) -> Facts {
    let path = spec.environment.get("PATH").map(String::as_str);
    let mut facts = Facts::default();
    let Some(code) = git::code(spec.directory.as_ref(), path) else {
        return facts;
    };
    if let Some(commit) = &code.commit {
        facts.tag("mlflow.source.git.commit", commit.clone());
    }
    if let Some(branch) = &code.branch {
        facts.tag("mlflow.source.git.branch", branch.clone());
    }
    if let Some(remote) = &code.remote {
        facts.tag("mlflow.source.git.repoURL", remote.clone());
    }
    if let Some(changed) = &code.changed {
        facts.tag("mlflow.source.git.dirty", (!changed.is_empty()).to_string());
        if !changed.is_empty() {
            let mut list = changed.join("\n");
            list.push('\n');
            facts
                .files
                .push(("source/uncommitted.txt".to_owned(), list.into_bytes()));
            let few = if changed.len() == 1 {
                "1 file is".to_owned()
            } else {
                format!("{} files are", changed.len())
            };
            facts.lines.push(match &code.patch {
                Some(_) => {
                    format!("{few} not as committed: kept as source/uncommitted.diff and .txt")
                }
                None => format!("{few} not as committed: named in source/uncommitted.txt"),
            });
        }
    }
    if let Some(patch) = code.patch {
        facts
            .files
            .push(("source/uncommitted.diff".to_owned(), patch));
    }
    facts
}

fn of_environment(spec: &CommandSpec, folder: &Path) -> Facts {
    let mut facts = Facts::default();
    let found = python::python(
        &spec.command,
        spec.directory.as_ref(),
        &spec.environment,
        folder,
    );
    let Some(python) = found else {
        return facts;
    };
    facts.tag("trainyard.environment", python.words(&spec.environment));
    facts.tag(
        "trainyard.environment.packages",
        format!("{} in environment/requirements.txt", python.count()),
    );
    facts.files.push((
        "environment/requirements.txt".to_owned(),
        python.requirements().into_bytes(),
    ));
    facts
}

fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// A command as a shell reads it back.
pub(super) fn quoted(command: &[String]) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./=:,@%+".contains(letter);
    let words: Vec<String> = command
        .iter()
        .map(|word| {
            if !word.is_empty() && word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_command_reads_back_as_it_was() {
        let command = ["sh", "-c", "echo it's $HOME", ""].map(str::to_owned);
        assert_eq!(quoted(&command), r"sh -c 'echo it'\''s $HOME' ''");
    }
}
