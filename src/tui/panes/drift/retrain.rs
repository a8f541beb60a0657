//! Retraining from the drift pane: which pipeline, on which rows, and the page that says what will happen.

use super::Drift;
use crate::api::protocol::Command;
use crate::domain::Timestamp;
use crate::domain::drift::{DriftPage, WindowRow};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::panes::Context;

/// Windows that "recent" means.
const RECENT: usize = 3;

/// Which rows to train on: said, remark, `from` and `to` over the pipeline's.
struct Rows {
    said: String,
    remark: String,
    set: Vec<(String, String)>,
}

fn day(at: Timestamp) -> String {
    at.utc().format("%Y-%m-%d").to_string()
}

fn choices(page: &DriftPage, shown: &WindowRow) -> Vec<Rows> {
    let pair = |key: &str, at: Timestamp| {
        (
            key.to_owned(),
            at.utc().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
    };
    let place = page
        .windows
        .iter()
        .position(|window| window.id == shown.id)
        .unwrap_or(0);
    let recent = &page.windows[(place + 1).saturating_sub(RECENT)..=place];
    let mut choices = Vec::new();
    if let [first, .., last] = recent {
        choices.push(Rows {
            said: format!("{} to {}", first.label, last.label),
            remark: format!(
                "{} windows: {} to {}",
                recent.len(),
                day(first.from),
                day(last.to)
            ),
            set: vec![pair("from", first.from), pair("to", last.to)],
        });
    }
    choices.push(Rows {
        said: format!("{} only", shown.label),
        remark: format!("{} to {}", day(shown.from), day(shown.to)),
        set: vec![pair("from", shown.from), pair("to", shown.to)],
    });
    choices.push(Rows {
        said: format!("all until {}", shown.label),
        remark: format!("the pipeline's start to {}", day(shown.to)),
        set: vec![pair("to", shown.to)],
    });
    choices.push(Rows {
        said: "as configured".to_owned(),
        remark: "the pipeline's own rows".to_owned(),
        set: Vec::new(),
    });
    choices
}

/// `t`: the pipeline first, when there are several.
pub fn ask(pane: &mut Drift, context: &Context) -> Vec<Effect> {
    let pipelines = context
        .overview
        .map_or(&[][..], |overview| overview.pipelines.as_slice());
    match pipelines {
        [] => vec![Effect::warn(
            "no pipeline is configured: [pipeline.NAME] in trainyard.toml",
        )],
        [one] => ask_rows(pane, Some(one.clone())),
        several => vec![Effect::Dialog(Dialog::Choice {
            tag: "pipeline",
            title: "Retrain which pipeline?".to_owned(),
            items: several
                .iter()
                .map(|name| (name.clone(), String::new()))
                .collect(),
            cursor: 0,
        })],
    }
}

/// Which rows.
pub fn ask_rows(pane: &mut Drift, pipeline: Option<String>) -> Vec<Effect> {
    let Some(pipeline) = pipeline else {
        return Vec::new();
    };
    let (Some(page), Some(shown)) = (pane.shown(), pane.window()) else {
        return vec![Effect::say("there is no window yet to train on")];
    };
    let items = choices(page, shown)
        .into_iter()
        .map(|rows| (rows.said, rows.remark))
        .collect();
    let title = format!("Retrain {pipeline} on which rows?");
    pane.pipeline = Some(pipeline);
    vec![Effect::Dialog(Dialog::Choice {
        tag: "rows",
        title,
        items,
        cursor: 0,
    })]
}

/// What will happen.
pub fn confirm(pane: &Drift, place: usize) -> Vec<Effect> {
    let (Some(page), Some(shown), Some(pipeline)) = (pane.shown(), pane.window(), &pane.pipeline)
    else {
        return Vec::new();
    };
    let Some(rows) = choices(page, shown).into_iter().nth(place) else {
        return Vec::new();
    };
    let mut lines = vec![
        format!("rows      {}: {}", rows.said, rows.remark),
        "steps     validate, train, evaluate, register a new version".to_owned(),
        "callers   notice nothing: the champion goes on answering".to_owned(),
        "next      pane ‹pane_2› shows its checks; ‹promote› there promotes it".to_owned(),
        "stop      ‹cancel› on its job in pane ‹pane_6›".to_owned(),
    ];
    if !rows.set.is_empty() {
        let set: Vec<String> = rows
            .set
            .iter()
            .map(|(key, value)| format!("--set {key}={value}"))
            .collect();
        lines.push(format!(
            "the same  trainyard train {pipeline} {}",
            set.join(" ")
        ));
    }
    vec![Effect::Dialog(Dialog::Confirm {
        tag: "retrain",
        title: format!("Retrain {pipeline}?"),
        lines,
        verb: "Train".to_owned(),
        command: Some(Box::new(Command::Train {
            pipeline: pipeline.clone(),
            set: rows.set,
            promote: false,
        })),
        then: Then::Say(format!("training {pipeline}: ‹pane_6› shows the job")),
    })]
}
