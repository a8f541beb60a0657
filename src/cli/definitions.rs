//! `features list`, `show`, `apply`: what is defined, what is in force, and what would change.

use super::connect::{Connection, unexpected};
use super::output::{Output, age};
use super::{Exit, Result};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::Error;
use crate::domain::feature_version::{
    Change, FeaturesDiff, Reader, ViewChange, ViewPage, type_name,
};
use std::io::{BufRead as _, IsTerminal as _, Write as _};

pub(crate) fn list(connection: &Connection, output: &Output) -> Result<Exit> {
    let Snapshot::Features(page) = connection.snapshot(&Topic::Features)? else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&page)?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            let nulls = row
                .null_share
                .map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0));
            vec![
                row.view.clone(),
                row.feature.clone(),
                match (row.version, row.differs) {
                    (0, _) => "-".to_owned(),
                    (version, false) => format!("v{version}"),
                    (version, true) => format!("v{version} ≠ file"),
                },
                format!("{:?}", row.freshness).to_lowercase(),
                row.age_ms.map_or_else(|| "-".to_owned(), age),
                nulls,
                row.used_by.len().to_string(),
            ]
        })
        .collect();
    output.table(
        &["view", "feature", "version", "fresh", "age", "null", "used"],
        &rows,
    );
    output.line(format!(
        "{} features, {} views, {} late, {} drifting",
        page.rows.len(),
        page.views,
        page.late,
        page.drifting
    ));
    let mut differing: Vec<&str> = page
        .rows
        .iter()
        .filter(|row| row.differs)
        .map(|row| row.view.as_str())
        .collect();
    differing.dedup();
    if !differing.is_empty() {
        output.line(format!(
            "{}: the definition differs from what is applied: `trainyard features apply` shows it",
            differing.join(", ")
        ));
    }
    Ok(Exit::Done)
}

pub(crate) fn show(view: &str, connection: &Connection, output: &Output) -> Result<Exit> {
    // `view:feature` is a feature of it
    let name = view.split_once(':').map_or(view, |(view, _)| view);
    let Reply::FeatureView(page) = connection.command(&Command::FeatureView {
        view: name.to_owned(),
    })?
    else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&page)?;
        return Ok(Exit::Done);
    }
    page_lines(&page, output);
    Ok(Exit::Done)
}

fn page_lines(page: &ViewPage, output: &Output) {
    for line in page.text.lines() {
        output.line(line);
    }
    output.line("");
    let kinds: Vec<Vec<String>> = page
        .view
        .feature_names()
        .into_iter()
        .map(|name| {
            let kind = page
                .types
                .iter()
                .find(|one| one.name == name)
                .and_then(|one| one.kind);
            vec![name, type_name(kind).to_owned()]
        })
        .collect();
    output.table(&["feature", "type"], &kinds);
    output.line("");
    for line in &page.lineage {
        output.line(format!("{:<10}  {}", line.kind, line.value));
    }
    for line in &page.history {
        output.line(format!(
            "{:<10}  v{} applied {} by {}",
            "history",
            line.version,
            line.at.utc().format("%Y-%m-%d %H:%M"),
            line.by
        ));
    }
    if let Some(change) = &page.pending {
        output.line("");
        output.line("trainyard.toml says otherwise; `trainyard features apply` takes it:");
        change_lines(change, output);
    }
}

pub(crate) fn apply(
    dry_run: bool,
    yes: bool,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    let client = connection.client(true)?;
    let ask = |dry_run: bool, seen: Option<String>| -> Result<FeaturesDiff> {
        match client.command(&Command::ApplyFeatures { dry_run, seen })? {
            Reply::FeaturesDiff(diff) => Ok(*diff),
            _ => Err(unexpected()),
        }
    };
    let diff = ask(true, None)?;
    for change in &diff.changes {
        change_lines(change, output);
    }
    for waiting in &diff.waiting {
        output.line(format!("waits: {waiting}"));
    }
    if !diff.problems.is_empty() {
        return Err(Error::invalid(diff.problems.join("\n")).into());
    }
    if diff.changes.is_empty() {
        output.line("nothing to apply: what trainyard.toml says is in force");
    }
    if dry_run || diff.changes.is_empty() {
        if output.json {
            output.document(&diff)?;
        }
        return Ok(Exit::Done);
    }
    if !yes && !agreed(&diff)? {
        output.line("nothing was applied");
        return Ok(Exit::Failed);
    }
    let applied = ask(false, Some(diff.seen.clone()))?;
    if output.json {
        output.document(&applied)?;
        return Ok(Exit::Done);
    }
    let mut changed: Vec<String> = Vec::new();
    for change in &applied.changes {
        if matches!(change.change, Change::Added | Change::Changed) {
            changed.push(change.view.clone());
        }
        // what answers requests goes on with what it learned from
        let read = change.readers.iter().any(|reader| {
            !reader.deployments.is_empty() && Some(reader.view_version) == change.from
        });
        if let (Change::Changed, Some(from), true) = (change.change, change.from, read) {
            changed.push(format!("{}@{from}", change.view));
        }
    }
    output.line(match applied.changes.len() {
        1 => "applied: 1 view".to_owned(),
        many => format!("applied: {many} views"),
    });
    if !changed.is_empty() {
        output.line(format!(
            "their online values: `trainyard features materialize {}`",
            changed.join(" ")
        ));
    }
    Ok(Exit::Done)
}

/// Whether the person at the terminal says yes.
fn agreed(diff: &FeaturesDiff) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::invalid(
            "nobody is there to agree: say `--yes` to apply this, or `--dry-run` to only look",
        )
        .into());
    }
    let held = diff.changes.iter().filter(|one| one.is_held()).count();
    let warning = match held {
        0 => String::new(),
        1 => {
            "a model that answers requests reads 1 of these; it keeps what it learned from. ".into()
        }
        many => format!(
            "models that answer requests read {many} of these; they keep what they learned from. "
        ),
    };
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{warning}Apply? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn change_lines(change: &ViewChange, output: &Output) {
    let versions = match (change.from, change.to) {
        (Some(from), Some(to)) if from != to => format!("v{from} → v{to}"),
        (Some(from), None) => format!("v{from}"),
        (_, Some(to)) => format!("v{to}"),
        (None, None) => String::new(),
    };
    let what = match change.change {
        Change::Described => " (words only)",
        _ => "",
    };
    output.line(format!(
        "{} feature view {}  {versions}{what}",
        change.change.sign(),
        change.view
    ));
    let width = change
        .fields
        .iter()
        .map(|field| field.field.chars().count())
        .max()
        .unwrap_or(0);
    for field in &change.fields {
        let (sign, says) = match (&field.old, &field.new) {
            (Some(old), Some(new)) => ('~', format!("{old} → {new}")),
            (None, Some(new)) => ('+', new.clone()),
            (Some(old), None) => ('-', old.clone()),
            (None, None) => continue,
        };
        // what a definition says may have several lines
        let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
        output.line(format!("    {sign} {:<width$}  {says}", field.field));
    }
    if change.change == Change::Added {
        return;
    }
    for reader in &change.readers {
        output.line(format!("    read by {}", reader_text(reader)));
    }
    if !change.pipelines.is_empty() {
        output.line(format!(
            "    joined by pipeline {}",
            change.pipelines.join(", ")
        ));
    }
}

fn reader_text(reader: &Reader) -> String {
    let version = match reader.view_version {
        0 => String::new(),
        version => format!(", as v{version}"),
    };
    let serves = match reader.deployments.as_slice() {
        [] => String::new(),
        some => format!(", which answers for {}", some.join(", ")),
    };
    format!("{} {}{version}{serves}", reader.model, reader.version)
}
