//! Puts the commit that is built, and the compiler's version, into the binary: `trainyard --version --json` and the
//! environment of models name them.

use std::process::Command;

/// What git answers to `rev-parse`; none without git, or outside of a repository.
fn git(asked: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("rev-parse")
        .args(asked)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}

fn main() {
    let commit = git(&["--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=TRAINYARD_COMMIT={commit}");
    // `rustc 1.89.0 (29483883e 2025-08-04)`: what a model's environment names is the version
    let rustc = std::env::var_os("RUSTC")
        .and_then(|rustc| Command::new(rustc).arg("--version").output().ok())
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if let Some(version) = rustc.as_deref().and_then(|text| text.split(' ').nth(1)) {
        println!("cargo::rustc-env=TRAINYARD_RUSTC={version}");
    }
    // In a worktree `HEAD` lies elsewhere; to watch a file that is not there would build everything anew every time.
    if let Some(head) = git(&["--git-path", "HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
    println!("cargo::rerun-if-changed=src/build.rs");
}
