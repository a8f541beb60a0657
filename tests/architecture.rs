//! The rules of the house: arrows between rooms only point down, SQL stays in `store`, every file
//! says on top what it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Every room, and the rooms it may use. What is not listed is an upward arrow or a sibling.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "api",
            "chart",
            "config",
            "daemon",
            "data",
            "domain",
            "drift",
            "ml",
            "report",
            "service",
            "transfer",
            "tui",
            "worker",
            "workspace",
        ],
    ),
    (
        "transfer",
        &["api::client", "api::protocol", "domain", "store::mlflow_db"],
    ),
    ("tui", &["api::protocol", "api::client", "chart", "domain"]),
    (
        "daemon",
        &[
            "api",
            "config",
            "domain",
            "http",
            "job_folder",
            "runtime",
            "service",
            "workspace",
        ],
    ),
    ("http", &["data", "domain", "ml", "service"]),
    (
        "runtime",
        &[
            "config",
            "data",
            "domain",
            "job_folder",
            "ml",
            "service",
            "workspace",
        ],
    ),
    ("api", &["config", "domain", "service", "workspace"]),
    (
        "service",
        &[
            "config",
            "data",
            "domain",
            "drift",
            "ml",
            "store",
            "workspace",
        ],
    ),
    ("store", &["data", "domain", "workspace"]),
    ("worker", &["domain", "job_folder", "jobs"]),
    ("jobs", &["data", "domain", "drift", "job_folder", "ml"]),
    ("job_folder", &["domain"]),
    ("report", &["chart", "domain"]),
    ("ml", &["data", "domain"]),
    ("drift", &["data", "domain"]),
    ("data", &["domain"]),
    ("chart", &["domain"]),
    ("workspace", &["domain"]),
    ("config", &["domain"]),
    ("domain", &[]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test(&path) {
            found.push(path);
        }
    }
    found
}

/// Files of tests alone may use what they like.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let is_folder = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
    name.ends_with("tests") || name == "fixture" || is_folder("fuzz_tests")
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// `src/tui/panes/runs.rs` -> `tui`.
fn room(path: &Path) -> String {
    let inside = path.strip_prefix(source_root()).unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Code without its tests: what follows `#[cfg(test)]` up to the end of the file is left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod ")
        .next()
        .unwrap_or("")
        .to_owned()
}

/// Paths behind `crate::` in the code: `service::jobs::NewJob`, …
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for piece in line.split("crate::").skip(1) {
            let end = piece
                .find(|c: char| {
                    !(c.is_alphanumeric()
                        || c == '_'
                        || c == ':'
                        || c == '{'
                        || c == ' '
                        || c == ',')
                })
                .unwrap_or(piece.len());
            found.push(piece[..end].to_owned());
        }
    }
    found
}

#[test]
fn arrows_only_point_down() {
    let mut wrong = Vec::new();
    for path in sources(&source_root()) {
        let room = room(&path);
        if ["lib", "build"].contains(&room.as_str()) {
            continue;
        }
        let allowed = ARROWS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("`{room}` is not on the map in tests/architecture.rs"))
            .1;
        for used in uses(&code(&path)) {
            let target = used
                .split("::")
                .next()
                .unwrap_or("")
                .trim_matches(|c: char| !c.is_alphanumeric())
                .to_owned();
            if target == room || target.is_empty() {
                continue;
            }
            let fits = allowed.iter().any(|allowed| {
                used.starts_with(allowed) || (!allowed.contains("::") && *allowed == target)
            });
            if !fits {
                wrong.push(format!("{}: `{room}` may not use `{used}`", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point up or sideways:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn sql_of_ours_stays_in_the_store() {
    let mut wrong = Vec::new();
    for path in sources(&source_root()) {
        let inside = path.strip_prefix(source_root()).unwrap();
        // `data/sql` runs a person's statements on a private database in memory.
        if inside.starts_with("store")
            || inside.starts_with("data/sql")
            || inside.ends_with("data/sql.rs")
        {
            continue;
        }
        let code = code(&path);
        if code.contains("rusqlite") {
            wrong.push(format!("{}: mentions rusqlite", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = sources(&source_root())
        .into_iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "no `//!` on top:\n{}", silent.join("\n"));
}

#[test]
fn only_the_known_stands_at_the_top() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "assets",
        "tests",
        "benches",
        "README.md",
        "target",
    ];
    let strange: Vec<_> = fs::read_dir(env!("CARGO_MANIFEST_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| {
            !name.starts_with('.') && !known.contains(&name.as_str()) && name != "shared"
        })
        .collect();
    assert!(strange.is_empty(), "at the top level: {strange:?}");
}
