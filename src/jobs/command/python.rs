//! The Python environment that a command runs in, when it runs in one: interpreter, version, packages. One question to
//! the interpreter, in the environment that the command has; `pip` is not needed.

use super::bounded;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long the interpreter may think.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of its answer.
const ANSWER: usize = 16 * 1024 * 1024;

/// Prints what is asked for as one JSON document.
const QUESTION: &str = "
import json, platform, sys
from importlib import metadata
packages = []
for one in metadata.distributions():
    name = one.metadata['Name']
    if name:
        packages.append([name, one.version or '', one.read_text('direct_url.json') or ''])
print(json.dumps({'version': platform.python_version(), 'implementation': platform.python_implementation(),
                  'executable': sys.executable or '', 'prefix': sys.prefix, 'base': sys.base_prefix,
                  'packages': packages}))
";

/// What the interpreter says of itself.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Python {
    version: String,
    implementation: String,
    executable: String,
    prefix: String,
    base: String,
    /// Name, version, and where it came from when that is no package index (JSON, PEP 610).
    packages: Vec<(String, String, String)>,
}

impl Python {
    /// In a line: "CPython 3.12.3 in /home/ana/.venv".
    pub(super) fn words(&self, environment: &BTreeMap<String, String>) -> String {
        let place = match environment.get("CONDA_PREFIX") {
            Some(conda) if *conda == self.prefix => format!(
                "conda environment {}",
                environment
                    .get("CONDA_DEFAULT_ENV")
                    .map_or(self.prefix.as_str(), String::as_str)
            ),
            _ if self.prefix != self.base => self.prefix.clone(),
            _ => self.executable.clone(),
        };
        format!("{} {} in {place}", self.implementation, self.version)
    }

    /// How many packages there are.
    pub(super) fn count(&self) -> usize {
        self.requirements().lines().count() - 1
    }

    /// The packages as `pip freeze` writes them, sorted, the version of the interpreter on top.
    pub(super) fn requirements(&self) -> String {
        let mut lines: Vec<(String, String)> = self
            .packages
            .iter()
            .map(|(name, version, origin)| {
                let line = match origin_of(origin) {
                    Some(url) => format!("{name} @ {url}"),
                    None => format!("{name}=={version}"),
                };
                (name.to_lowercase().replace(['_', '.'], "-"), line)
            })
            .collect();
        lines.sort();
        // the same package seen twice on the path: the first is the one that is imported, pip names one
        lines.dedup_by(|later, earlier| later.0 == earlier.0);
        let mut text = format!("# {} {}\n", self.implementation, self.version);
        for (_, line) in lines {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// The URL of a package that came from no index, as `pip freeze` writes it.
fn origin_of(direct: &str) -> Option<String> {
    let direct: serde_json::Value = serde_json::from_str(direct).ok()?;
    let url = direct["url"].as_str()?;
    let version_control = &direct["vcs_info"];
    Some(
        match (
            version_control["vcs"].as_str(),
            version_control["commit_id"].as_str(),
        ) {
            (Some(system), Some(commit)) => format!("{system}+{url}@{commit}"),
            _ => url.to_owned(),
        },
    )
}

/// Asks the interpreter of `command`; none when it uses no Python that can be told from outside, or it does not answer.
pub(super) fn python(
    command: &[String],
    directory: &Path,
    environment: &BTreeMap<String, String>,
    folder: &Path,
) -> Option<Python> {
    let interpreter = interpreter(command, directory, environment)?;
    let mut question = Command::new(interpreter);
    question
        .args(["-c", QUESTION])
        .envs(environment)
        // not the command's folder: a file there may carry the name of a module
        .current_dir(folder);
    let answer = bounded::output(&mut question, PATIENCE, ANSWER)?;
    // a site that prints when it starts prints before the answer
    let answer = String::from_utf8(answer).ok()?;
    serde_json::from_str(answer.lines().rfind(|line| line.starts_with('{'))?).ok()
}

/// The interpreter behind a command: itself, the one in the first line of a script, or the one of the environment
/// that is active.
fn interpreter(
    command: &[String],
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Option<PathBuf> {
    let path = environment.get("PATH").map_or("", String::as_str);
    let program = found(command.first()?, directory, path)?;
    if is_python(&program) {
        return Some(program);
    }
    if let Some(words) = first_line(&program) {
        let mut words = words.split_whitespace();
        let named = match words.next().map(Path::new) {
            Some(env) if env.file_name().is_some_and(|name| name == "env") => words
                .find(|word| !word.starts_with('-') && !word.contains('='))
                .and_then(|word| found(word, directory, path)),
            other => other.map(Path::to_path_buf),
        };
        if let Some(named) = named.filter(|named| is_python(named)) {
            return Some(named);
        }
    }
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .iter()
        .filter_map(|name| environment.get(*name))
        .map(|prefix| Path::new(prefix).join("bin/python"));
    // what these start runs in the project's own environment
    let project = ["uv", "poetry", "pdm"]
        .iter()
        .any(|tool| program.file_name().is_some_and(|name| name == *tool))
        .then(|| directory.join(".venv/bin/python"));
    project
        .into_iter()
        .chain(active)
        .find(|python| python.is_file())
}

/// Where a program is, as `execvp` finds it.
fn found(program: &str, directory: &Path, path: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(directory.join(program)).filter(|path| path.is_file());
    }
    std::env::split_paths(path)
        .map(|folder| directory.join(folder).join(program))
        .find(|path| path.is_file())
}

/// `python`, `python3.12`, `pypy3`, …
fn is_python(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    ["python", "pypy"].iter().any(|kind| {
        name.strip_prefix(kind).is_some_and(|rest| {
            rest.chars()
                .all(|letter| letter.is_ascii_digit() || letter == '.')
        })
    })
}

/// What stands behind `#!`.
fn first_line(program: &Path) -> Option<String> {
    let mut start = Vec::new();
    std::fs::File::open(program)
        .ok()?
        .take(512)
        .read_to_end(&mut start)
        .ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn program(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn looked_up(root: &Path, command: &str, more: &[(&str, &str)]) -> Option<PathBuf> {
        let mut environment: BTreeMap<String, String> = more
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        environment.insert("PATH".into(), root.join("bin").display().to_string());
        interpreter(&[command.to_owned()], root, &environment)
    }

    #[test]
    fn an_interpreter_is_found_by_name_by_its_script_and_by_what_is_active() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        program(&root.join("bin/python3.12"), "");
        program(&root.join("bin/torchrun"), "#!/usr/bin/env -S python3.12 -u\n");
        program(&root.join("bin/make"), "\u{7f}ELF");
        program(&root.join("venv/bin/python"), "");
        let python = Some(root.join("bin/python3.12"));
        assert_eq!(looked_up(root, "python3.12", &[]), python);
        assert_eq!(looked_up(root, "torchrun", &[]), python);
        assert_eq!(looked_up(root, "make", &[]), None);
        let venv = root.join("venv").display().to_string();
        assert_eq!(
            looked_up(root, "make", &[("VIRTUAL_ENV", &venv)]),
            Some(root.join("venv/bin/python"))
        );
        assert_eq!(looked_up(root, "no-such-program", &[]), None);
    }

    #[test]
    fn packages_are_written_as_pip_writes_them() {
        let python = Python {
            version: "3.12.3".into(),
            implementation: "CPython".into(),
            executable: "/v/bin/python".into(),
            prefix: "/v".into(),
            base: "/usr".into(),
            packages: vec![
                ("scikit-learn".into(), "1.7.0".into(), String::new()),
                ("NumPy".into(), "2.0".into(), String::new()),
                (
                    "mine".into(),
                    "0".into(),
                    r#"{"url":"https://g/m","vcs_info":{"vcs":"git","commit_id":"ab"}}"#.into(),
                ),
            ],
        };
        assert_eq!(
            python.requirements(),
            "# CPython 3.12.3\nmine @ git+https://g/m@ab\nNumPy==2.0\nscikit-learn==1.7.0\n"
        );
        assert_eq!(python.count(), 3);
        let mut environment = BTreeMap::new();
        assert_eq!(python.words(&environment), "CPython 3.12.3 in /v");
        environment.insert("CONDA_PREFIX".to_owned(), "/v".to_owned());
        environment.insert("CONDA_DEFAULT_ENV".to_owned(), "torch".to_owned());
        assert_eq!(
            python.words(&environment),
            "CPython 3.12.3 in conda environment torch"
        );
    }

    #[test]
    fn the_interpreter_answers_in_the_commands_environment() {
        let root = tempfile::tempdir().unwrap();
        program(
            &root.path().join("python3"),
            "#!/bin/sh\necho hello from site\necho \"{\\\"version\\\":\\\"$V\\\",\\\"implementation\\\":\\\"C\\\",\\\"executable\\\":\\\"\\\",\\\"prefix\\\":\\\"\\\",\\\"base\\\":\\\"\\\",\\\"packages\\\":[]}\"\n",
        );
        let environment = [("V".to_owned(), "3.9".to_owned())].into();
        let python = python(
            &["./python3".to_owned()],
            root.path(),
            &environment,
            root.path(),
        )
        .unwrap();
        assert_eq!(python.version, "3.9");
    }
}
