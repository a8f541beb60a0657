//! The year in one document, read back from the daemon: nothing in it is remembered by the demo but what its caller measured.

use super::super::connect::{Connection, unexpected};
use super::super::models::move_sentence;
use super::super::output::{Output, number};
use super::super::runs::table;
use super::super::{Exit, Result};
use super::replay;
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::drift::DriftReport;
use crate::domain::registry::AliasMove;
use crate::domain::run::RunQuery;
use crate::domain::{ModelName, RunId, Version};
use serde::Serialize;
use std::collections::BTreeMap;

/// The summary's document.
#[derive(Serialize)]
pub(super) struct Summary {
    workspace: String,
    runs: Vec<RunLine>,
    months: Vec<Month>,
    champion: Champion,
    history: Vec<AliasMove>,
    requests: Requests,
}

#[derive(Serialize)]
struct RunLine {
    id: RunId,
    name: String,
    family: String,
    version: Option<Version>,
    metrics: BTreeMap<String, f64>,
    params: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Month {
    month: String,
    version: Version,
    n: u64,
    labelled: u64,
    auc: Option<f64>,
    brier: Option<f64>,
    mean_prediction: Option<f64>,
    rate: Option<f64>,
    drift: crate::domain::drift::DriftVerdict,
    drifted: u64,
}

#[derive(Serialize)]
struct Champion {
    name: ModelName,
    version: Option<Version>,
}

#[derive(Serialize)]
struct Requests {
    n: u64,
    failed: u64,
    rows: u64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn gather(connection: &Connection) -> Result<Summary> {
    let runs = table(
        connection,
        &RunQuery {
            limit: 1_000,
            order_by: "attributes.start_time ASC".to_owned(),
            ..Default::default()
        },
    )?;
    let Reply::Reports(reports) = connection.command(&Command::Reports {
        monitor: "delay".to_owned(),
    })?
    else {
        return Err(unexpected());
    };
    let Reply::Moves(history) = connection.command(&Command::History {
        model: ModelName::from("delay"),
    })?
    else {
        return Err(unexpected());
    };
    let Snapshot::Models(models) = connection.snapshot(&Topic::Models)? else {
        return Err(unexpected());
    };
    let workspace = connection.workspace()?;
    let sent = replay::sent(&workspace)?;
    let mut single = sent.single_ms;
    single.sort_by(f64::total_cmp);
    let at = |share: f64| {
        single
            .get(((single.len() as f64 * share) as usize).min(single.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    };
    Ok(Summary {
        workspace: workspace.root().display().to_string(),
        runs: runs
            .rows
            .into_iter()
            .map(|row| RunLine {
                family: row.params.get("trainer.kind").cloned().unwrap_or_default(),
                metrics: row
                    .metrics
                    .iter()
                    .filter(|(key, _)| !key.contains('/'))
                    .map(|(key, value)| (key.clone(), value.0))
                    .collect(),
                version: row.version.map(|(_, version)| version),
                params: row.params,
                id: row.id,
                name: row.name,
            })
            .collect(),
        months: reports.iter().map(month).collect(),
        champion: Champion {
            name: ModelName::from("delay"),
            version: models
                .iter()
                .find(|model| model.name.as_str() == "delay")
                .and_then(|model| model.champion),
        },
        history,
        requests: Requests {
            n: sent.n,
            failed: sent.failed,
            rows: sent.rows,
            p50_ms: at(0.50),
            p99_ms: at(0.99),
        },
    })
}

fn month(report: &DriftReport) -> Month {
    let performance = report.performance.as_ref();
    let metric = |name: &str| {
        performance
            .and_then(|performance| {
                performance
                    .metrics
                    .iter()
                    .find(|(metric, _)| metric == name)
            })
            .map(|(_, value)| *value)
    };
    Month {
        month: report.label.clone(),
        version: report.reference.1,
        n: report.rows,
        labelled: performance.map_or(0, |performance| performance.labelled),
        auc: metric("roc_auc"),
        brier: metric("brier_score"),
        mean_prediction: performance.map(|performance| performance.mean_prediction),
        rate: performance.map(|performance| performance.rate),
        drift: report.verdict,
        drifted: report.drifted,
    }
}

pub(super) fn say(summary: &Summary, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(summary)?;
        return Ok(Exit::Done);
    }
    let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    output.table(
        &["run", "family", "roc_auc", "brier"],
        &summary
            .runs
            .iter()
            .map(|run| {
                vec![
                    run.name.clone(),
                    run.family.clone(),
                    text(run.metrics.get("roc_auc").copied()),
                    text(run.metrics.get("brier_score").copied()),
                ]
            })
            .collect::<Vec<_>>(),
    );
    output.line("");
    output.table(
        &[
            "month", "version", "flights", "auc", "brier", "says", "is", "drifting",
        ],
        &summary
            .months
            .iter()
            .map(|month| {
                vec![
                    month.month.clone(),
                    month.version.to_string(),
                    month.n.to_string(),
                    text(month.auc),
                    text(month.brier),
                    text(month.mean_prediction),
                    text(month.rate),
                    month.drifted.to_string(),
                ]
            })
            .collect::<Vec<_>>(),
    );
    output.line("");
    for one in summary.history.iter().rev() {
        output.line(move_sentence(one));
    }
    let version = summary
        .champion
        .version
        .map_or_else(|| "none".to_owned(), |version| version.to_string());
    output.line("");
    output.line(format!("champion {} {version}", summary.champion.name));
    output.line(format!(
        "{} requests, {} failed, one row in {:.2} ms (p50), {:.2} ms (p99)",
        summary.requests.n,
        summary.requests.failed,
        summary.requests.p50_ms,
        summary.requests.p99_ms
    ));
    output.line(format!("look at it: cd {} && trainyard", summary.workspace));
    Ok(Exit::Done)
}
