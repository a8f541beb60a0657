//! Puts the commit that is built, and the compiler's version, into the binary: `trainyard --version --json` and the
//! environment of models name them.

use std::process::Command;

fn main() {
    let commit = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned());
    println!("cargo::rustc-env=TRAINYARD_COMMIT={commit}");
    // `rustc 1.89.0 (29483883e 2025-08-04)`: what a model's environment names is the version
    let rustc = std::env::var_os("RUSTC")
        .and_then(|rustc| Command::new(rustc).arg("--version").output().ok())
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    if let Some(version) = rustc.as_deref().and_then(|text| text.split(' ').nth(1)) {
        println!("cargo::rustc-env=TRAINYARD_RUSTC={version}");
    }
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=src/build.rs");
}
