//! What is online of a feature: the values of its first entities, or, asked for by its key, everything that one entity has.

use super::Features;
use crate::api::protocol::{Command, Failure, Reply};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Level, Then};
use crate::tui::panes::{Context, PaneId, parts};
use crate::tui::text;
use ratatui::text::{Line, Span};
use serde_json::Value;
use std::collections::BTreeMap;

/// Of the question and of its reply.
pub(super) const TAG: &str = "entity";

/// What is online of one entity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entity {
    /// Of which view.
    view: String,
    /// Its key, as it was typed.
    key: String,
    /// Feature, value, state, age; none while they are on their way.
    values: Option<Vec<Found>>,
}

/// A value of the entity.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    feature: String,
    value: String,
    status: String,
    age_ms: Option<i64>,
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), text::number),
        other => other.to_string(),
    }
}

impl Features {
    /// `Enter` on the values: which entity?
    pub(super) fn ask_entity(&self) -> Vec<Effect> {
        let Some(detail) = self.detail() else {
            return vec![Effect::say("the feature's detail is on its way")];
        };
        let entity = &detail.view.entity;
        if entity.keys.is_empty() {
            return self.look_up("");
        }
        let keys = entity.keys.join(", ");
        let example = detail
            .values
            .first()
            .map_or_else(String::new, |(key, ..)| key.clone());
        let line = if entity.keys.len() > 1 {
            format!("{keys}: with a comma between them.")
        } else {
            format!("Its {keys}.")
        };
        vec![Effect::Dialog(Dialog::Prompt {
            tag: TAG,
            title: format!("Values of which {}?", entity.name),
            lines: vec![line],
            text: if entity.keys.len() == 1 {
                example
            } else {
                String::new()
            },
        })]
    }

    /// The question was answered: everything that the view has of the entity.
    pub(super) fn look_up(&self, typed: &str) -> Vec<Effect> {
        let Some(detail) = self.detail() else {
            return Vec::new();
        };
        let view = &detail.view;
        let keys = &view.entity.keys;
        let parts: Vec<&str> = match keys.len() {
            0 => Vec::new(),
            1 => vec![typed.trim()],
            _ => typed.split(',').map(str::trim).collect(),
        };
        if parts.len() != keys.len() || parts.iter().any(|part| part.is_empty()) {
            return vec![Effect::warn(format!(
                "the key is {}: {} expected, not `{typed}`",
                keys.join(", "),
                text::counted(keys.len() as u64, "value is", "values are")
            ))];
        }
        let entities: BTreeMap<String, Vec<Value>> = keys
            .iter()
            .zip(parts)
            .map(|(key, part)| (key.clone(), vec![Value::from(part)]))
            .collect();
        vec![Effect::Send {
            command: Command::OnlineFeatures {
                features: view
                    .stored_names()
                    .into_iter()
                    .map(|name| format!("{}:{name}", view.name))
                    .collect(),
                entities,
            },
            then: Then::Tell(PaneId::Features, TAG),
        }]
    }

    /// The daemon answered.
    pub(super) fn looked_up(&mut self, result: &Result<Box<Reply>, Failure>) -> Vec<Effect> {
        let reply = match result {
            Ok(reply) => &**reply,
            Err(failure) => {
                return vec![Effect::Toast {
                    level: Level::Error,
                    text: failure.message.clone(),
                }];
            }
        };
        let Reply::Features(rows) = reply else {
            return Vec::new();
        };
        let Some((row, view)) = rows
            .first()
            .and_then(Value::as_object)
            .zip(self.selected.as_ref().map(|(view, _)| view.clone()))
        else {
            return Vec::new();
        };
        let mut key = Vec::new();
        let mut values = Vec::new();
        for (name, value) in row {
            match name.split_once(':') {
                Some((of, feature)) if of == view => values.push(Found {
                    feature: feature.to_owned(),
                    value: shown(&value["value"]),
                    status: value["status"].as_str().unwrap_or("MISSING").to_owned(),
                    age_ms: value["age_ms"].as_i64(),
                }),
                Some(_) => {}
                None => key.push(shown(value)),
            }
        }
        self.entity = Some(Entity {
            view,
            key: key.join(" "),
            values: Some(values),
        });
        self.scroll = 0;
        Vec::new()
    }

    /// What is online of the chosen entity, while its view is looked at.
    fn shown_entity(&self) -> Option<&Entity> {
        let (view, _) = self.selected.as_ref()?;
        self.entity.as_ref().filter(|entity| entity.view == *view)
    }
}

/// The title of the part.
pub(super) fn title(pane: &Features) -> String {
    match pane.shown_entity() {
        Some(entity) if !entity.key.is_empty() => format!("Online: {}", entity.key),
        _ => "Online values".to_owned(),
    }
}

/// Everything about one entity.
fn entity_lines(
    entity: &Entity,
    chosen: Option<&str>,
    width: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(values) = &entity.values else {
        return vec![Line::styled(parts::waiting("values", context), theme.dim)];
    };
    let name = values
        .iter()
        .map(|found| text::width(&found.feature))
        .max()
        .unwrap_or(0);
    let value = values
        .iter()
        .map(|found| text::width(&found.value))
        .max()
        .unwrap_or(0)
        .clamp(5, (width / 3).max(5));
    let state = 12;
    let name = name.clamp(6, width.saturating_sub(value + state + 2).max(6));
    let mut lines: Vec<Line<'static>> = values
        .iter()
        .map(|found| {
            let age = found.age_ms.map_or_else(String::new, text::age);
            let (word, style) = match found.status.as_str() {
                "FRESH" => (format!("● {age}"), theme.good),
                "STALE" => (format!("✗ {age} late"), theme.bad),
                _ => ("○ none".to_owned(), theme.dim),
            };
            let plain = if chosen == Some(found.feature.as_str()) {
                theme.strong
            } else {
                theme.text
            };
            Line::from(vec![
                Span::styled(
                    text::left(&parts::middle(&found.feature, name), name),
                    plain,
                ),
                Span::raw(" "),
                Span::styled(text::right(&found.value, value), plain),
                Span::raw(" "),
                Span::styled(word, style),
            ])
        })
        .collect();
    if values.iter().all(|found| found.status == "MISSING") {
        let said = format!("nothing is online of `{}`", entity.key);
        lines.extend(parts::wrapped(&[said], width, theme.warn));
    }
    let hint = context
        .keymap
        .fill("‹open› another entity, ‹back› the first ones");
    lines.extend(parts::wrapped(&[hint], width, theme.dim));
    lines
}

/// The part, as lines.
pub(super) fn lines(pane: &Features, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.pictured() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    if let Some(entity) = pane.shown_entity() {
        let chosen = pane.selected.as_ref().map(|(_, feature)| feature.as_str());
        return entity_lines(entity, chosen, width, context);
    }
    if detail.view.demanded(&detail.row.feature).is_some() {
        let said = ["Computed when it is asked for: nothing is kept online."];
        return parts::wrapped(&said, width, theme.dim);
    }
    if detail.values.is_empty() {
        let said = [context
            .keymap
            .fill("No value is online yet: ‹train› materializes the view.")];
        return parts::wrapped(&said, width, theme.dim);
    }
    let room = width.saturating_sub(5);
    let widest = |of: fn(&(String, String, i64)) -> &str| {
        detail
            .values
            .iter()
            .map(|row| text::width(of(row)))
            .max()
            .unwrap_or(0)
    };
    let value = widest(|row| &row.1).clamp(5, (room / 2).max(5));
    let key = room.saturating_sub(value + 1);
    let mut lines = vec![Line::styled(
        format!(
            "{} {} {}",
            text::left("KEY", key),
            text::right("VALUE", value),
            text::right("AGE", 4)
        ),
        theme.dim,
    )];
    lines.extend(detail.values.iter().map(|(name, shown, age)| {
        Line::raw(format!(
            "{} {} {}",
            text::left(name, key),
            text::right(shown, value),
            text::right(&text::age(*age), 4)
        ))
    }));
    let more = detail
        .online_keys
        .saturating_sub(detail.values.len() as u64);
    if more > 0 {
        let said = context.keymap.fill(&format!(
            "{} more: ‹open› looks one up by its key",
            text::count(more)
        ));
        lines.extend(parts::wrapped(&[said], width, theme.dim));
    }
    lines
}
