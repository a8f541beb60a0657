//! The code that a command runs: commit, branch and remote of the repository around its folder, what is not committed,
//! and that as a patch. Asks `git`, which must be there; runs nothing that the repository configures (external diffs,
//! hooks, file-system monitors).

use super::bounded;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long one question may take: a large tree on a cold disk.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an answer in words.
const WORDS: usize = 4 * 1024 * 1024;
/// Bytes of a patch that is kept.
const PATCH: usize = 16 * 1024 * 1024;

/// What is known of the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) commit: Option<String>,
    /// None on a detached head.
    pub(super) branch: Option<String>,
    /// Where it was cloned from, without a password.
    pub(super) remote: Option<String>,
    /// Files that are not as committed, with git's two letters before each; none when git did not say.
    pub(super) changed: Option<Vec<String>>,
    /// The changes of known files; none when there are none, or too many.
    pub(super) patch: Option<Vec<u8>>,
}

/// The code around `directory`; none outside a repository or without git.
pub(super) fn code(directory: &Path, path: Option<&str>) -> Option<Code> {
    let ask = |arguments: &[&str], most: usize| {
        let mut command = Command::new("git");
        if let Some(path) = path {
            command.env("PATH", path);
        }
        for inherited in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(inherited);
        }
        command
            .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
            .args(arguments)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            .current_dir(directory);
        bounded::output(&mut command, PATIENCE, most)
    };
    let word = |arguments: &[&str]| {
        let text = String::from_utf8(ask(arguments, WORDS)?).ok()?;
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    word(&["rev-parse", "--show-toplevel"])?;
    let commit = word(&["rev-parse", "--verify", "-q", "HEAD"]);
    let changed: Option<Vec<String>> = ask(&["status", "--porcelain", "-z"], WORDS).map(|bytes| {
        bytes
            .split(|byte| *byte == 0)
            .filter(|entry| !entry.is_empty())
            .map(|entry| String::from_utf8_lossy(entry).into_owned())
            .collect()
    });
    let dirty = changed.as_ref().is_none_or(|changed| !changed.is_empty());
    let patch = if dirty && commit.is_some() {
        ask(
            &["diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"],
            PATCH,
        )
        .filter(|patch| !patch.is_empty())
    } else {
        None
    };
    Some(Code {
        commit,
        branch: word(&["symbolic-ref", "-q", "--short", "HEAD"]),
        remote: word(&["config", "--get", "remote.origin.url"]).map(|url| without_password(&url)),
        changed,
        patch,
    })
}

/// `https://user:secret@host/x` without what stands before `@`.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            match host.rsplit_once('@') {
                Some((_, host)) => format!("{scheme}://{host}/{path}"),
                None => url.to_owned(),
            }
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_remote_is_kept_without_its_password() {
        assert_eq!(
            without_password("https://ana:secret@git.example/a/b.git"),
            "https://git.example/a/b.git"
        );
        assert_eq!(
            without_password("git@git.example:a/b.git"),
            "git@git.example:a/b.git"
        );
        assert_eq!(without_password("/srv/code@2.git"), "/srv/code@2.git");
    }

    #[test]
    fn outside_a_repository_there_is_no_code() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(code(root.path(), None), None);
    }
}
