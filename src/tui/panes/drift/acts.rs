//! What keys do in the drift pane beyond moving: choose a window, explain the reference, copy, export.

use super::{Drift, column, quality, retrain};
use crate::domain::drift::Reference;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::panes::parts::Cursor;
use crate::tui::panes::{Answer, Context, moves};
use crate::tui::{export, text};

impl Drift {
    pub(super) fn ask_window(&self) -> Vec<Effect> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        if page.windows.is_empty() {
            return vec![Effect::say(page.sentence.clone())];
        }
        let mut items: Vec<(String, String)> = page
            .windows
            .iter()
            .rev()
            .map(|window| (window.label.clone(), quality::remark(window)))
            .collect();
        for monitor in &page.monitors {
            if *monitor != page.monitor {
                items.push((format!("monitor {monitor}"), "its windows".to_owned()));
            }
        }
        let cursor = page.windows.len().saturating_sub(self.windows.line + 1);
        vec![Effect::Dialog(Dialog::Choice {
            tag: "window",
            title: format!("Which window of {}?", page.monitor),
            items,
            cursor,
        })]
    }

    /// What the window can be held against: first the training of the version that answered, then what else there is.
    fn choices(&self) -> Vec<(Option<Reference>, String, String)> {
        let (Some(page), Some(window)) = (self.shown(), self.window()) else {
            return Vec::new();
        };
        let own = window.version.map(Reference::Version);
        let mut choices = vec![(
            None,
            window.version.map_or_else(
                || "training of the version that answered".to_owned(),
                |version| format!("training of {version}"),
            ),
            "the version that answered then".to_owned(),
        )];
        for (reference, said) in &page.references {
            if Some(reference) == own.as_ref() {
                continue;
            }
            let remark = match reference {
                Reference::Version(_) => String::new(),
                Reference::Window(id) => page
                    .windows
                    .iter()
                    .find(|window| window.id == *id)
                    .map_or_else(String::new, quality::remark),
            };
            choices.push((Some(reference.clone()), said.clone(), remark));
        }
        choices
    }

    pub(super) fn reference(&self) -> Vec<Effect> {
        let choices = self.choices();
        let (Some(page), Some(window)) = (self.shown(), self.window()) else {
            return vec![Effect::say("there is no window yet to compare")];
        };
        let cursor = choices
            .iter()
            .position(|(reference, ..)| *reference == page.against)
            .unwrap_or(0);
        vec![Effect::Dialog(Dialog::Choice {
            tag: "reference",
            title: format!("Hold {} against what?", window.label),
            items: choices
                .into_iter()
                .map(|(_, said, remark)| (said, remark))
                .collect(),
            cursor,
        })]
    }

    pub(super) fn answer(&mut self, tag: &str, answer: &Answer, context: &Context) -> Vec<Effect> {
        match (tag, answer) {
            ("window", Answer::Item(place)) => {
                let Some(page) = self.shown() else {
                    return Vec::new();
                };
                let count = page.windows.len();
                if let Some(line) = count.checked_sub(place + 1) {
                    self.choose(line, context);
                } else {
                    let others: Vec<String> = page
                        .monitors
                        .iter()
                        .filter(|monitor| **monitor != page.monitor)
                        .cloned()
                        .collect();
                    self.monitor = others.into_iter().nth(place - count);
                    (self.report, self.against, self.column) = (None, None, None);
                    (self.cursor, self.windows) = (Cursor::default(), Cursor::default());
                }
                Vec::new()
            }
            ("reference", Answer::Item(place)) => {
                if let Some((reference, ..)) = self.choices().into_iter().nth(*place) {
                    self.against = reference;
                }
                Vec::new()
            }
            ("pipeline", Answer::Item(place)) => {
                let pipeline = context
                    .overview
                    .and_then(|overview| overview.pipelines.get(*place).cloned());
                retrain::ask_rows(self, pipeline)
            }
            ("rows", Answer::Item(place)) => retrain::confirm(self, *place),
            ("copy", Answer::Item(place)) => moves::copied(self.copies(), *place),
            _ => Vec::new(),
        }
    }

    /// What `y` offers: name and text.
    pub(super) fn copies(&self) -> Vec<(String, String)> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        let mut offered = vec![("sentence".to_owned(), page.sentence.clone())];
        if let Some(row) = self.current() {
            offered.push((
                "row".to_owned(),
                format!(
                    "{} {} {} (limit {})",
                    row.column,
                    row.method,
                    row.score
                        .map_or_else(|| "no value".to_owned(), text::number),
                    text::number(row.limit)
                ),
            ));
        }
        if let Some(detail) = self.detail() {
            offered.push(("changes".to_owned(), detail.column.changes.join("; ")));
        }
        offered
    }

    pub(super) fn export(&self) -> Vec<Effect> {
        let (Some(page), Some(window)) = (self.shown(), self.window()) else {
            return Vec::new();
        };
        let mut name = format!("drift-{}-{}", page.monitor, window.label);
        if page.against.is_some() {
            name.push_str(&format!("-against-{}", page.reference.replace(' ', "-")));
        }
        let head = ["column", "test", "score", "p_value", "limit", "verdict"];
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        rows.extend(page.rows.iter().map(|row| {
            vec![
                row.column.clone(),
                row.method.clone(),
                number(row.score),
                number(row.p_value),
                row.limit.to_string(),
                format!("{:?}", row.verdict),
            ]
        }));
        let mut effects = vec![
            export::csv(&name, &rows),
            export::csv(
                &format!("windows-{}", page.monitor),
                &quality::table(page, context_free),
            ),
        ];
        effects.extend(self.detail().map(|detail| {
            export::chart(
                &format!("{name}-{}", detail.column.column),
                column::chart_of(detail),
            )
        }));
        effects.extend(
            quality::chart(page, self.metric().as_deref())
                .map(|spec| export::chart(&format!("quality-{}", page.monitor), spec)),
        );
        effects
    }
}

/// A number as files hold it: whole precision.
fn context_free(value: f64) -> String {
    value.to_string()
}
