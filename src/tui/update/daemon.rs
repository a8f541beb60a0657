//! What the daemon says: snapshots, events, the state of the link, replies to commands.

use super::to_pane;
use crate::api::protocol::{Command, Failure, Reply, Snapshot, Topic, Update};
use crate::domain::registry::MoveKind;
use crate::domain::{ErrorKind, Event, Seen, Timestamp};
use crate::tui::app::{App, LinkState, Said, UNDO_MS, Undo};
use crate::tui::command;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Level, Then};
use crate::tui::keymap::Action;
use crate::tui::message::Link;
use crate::tui::panes::{Input, PaneId};

pub fn on_link(app: &mut App, link: Link) {
    match link {
        Link::Up => {
            if let LinkState::Lost(since, _) = &app.link {
                let gone = crate::tui::text::age(app.now.since(*since));
                app.say(Level::Info, format!("connected again after {gone}"));
            }
            app.link = LinkState::Up;
        }
        Link::Lost(why) => {
            app.link = match &app.link {
                LinkState::Lost(since, _) => LinkState::Lost(*since, why),
                _ => LinkState::Lost(app.now, why),
            };
        }
    }
}

pub fn on_daemon(app: &mut App, update: Update) -> Vec<Effect> {
    match update {
        Update::Hello { .. } => {
            on_link(app, Link::Up);
            Vec::new()
        }
        Update::Snapshot { topic, snapshot } => {
            if let Some(held) = &mut app.frozen
                && topic != Topic::Overview
            {
                held.retain(|(known, _)| *known != topic);
                held.push((topic, snapshot));
                return Vec::new();
            }
            take_snapshot(app, &topic, snapshot)
        }
        Update::Refused { topic, failure } => {
            let id = app.current;
            to_pane(app, id, &Input::Refused(&topic, &failure))
        }
        Update::Event { event } => {
            if let Event::Notice { at, level, text } = &event {
                let level = match level.as_str() {
                    "error" => Level::Error,
                    "warn" => Level::Warn,
                    _ => Level::Info,
                };
                if level == Level::Info {
                    app.note(Said {
                        at: *at,
                        level,
                        text: text.clone(),
                    });
                } else {
                    app.say(level, text.clone());
                }
            }
            let id = app.current;
            to_pane(app, id, &Input::Event(&event))
        }
    }
}

pub fn take_snapshot(app: &mut App, topic: &Topic, snapshot: Snapshot) -> Vec<Effect> {
    let mut effects = Vec::new();
    if let Snapshot::Overview(overview) = snapshot {
        let news: Vec<String> = overview
            .problems
            .iter()
            .filter(|problem| {
                app.overview
                    .as_ref()
                    .is_none_or(|known| !known.problems.contains(problem))
            })
            .cloned()
            .collect();
        for problem in news {
            app.say(Level::Warn, problem);
        }
        app.overview = Some(overview);
        return effects;
    }
    for id in PaneId::ALL {
        effects.extend(to_pane(app, id, &Input::Snapshot(topic, &snapshot)));
    }
    effects
}

pub fn on_reply(
    app: &mut App,
    command: &Command,
    then: Then,
    result: &Result<Box<Reply>, Failure>,
) -> Vec<Effect> {
    if let Then::Tell(pane, tag) = then {
        return to_pane(app, pane, &Input::Reply(tag, result));
    }
    let reply = match result {
        Ok(reply) => &**reply,
        Err(failure) => {
            app.say(Level::Error, failure.message.clone());
            return look_again(command, failure);
        }
    };
    match (then, reply) {
        (Then::Say(text), _) => app.say(Level::Info, text),
        (Then::Undo { say, undo }, _) => offer_undo(app, &say, *undo),
        (Then::Page { back }, Reply::Page(page)) => {
            return vec![Effect::Dialog(Dialog::Promotion {
                page: page.clone(),
                back,
            })];
        }
        (Then::Promote, Reply::Version(version)) => {
            app.say(
                Level::Info,
                format!("registered {} {}", version.model, version.version),
            );
            return vec![Effect::Send {
                command: Command::PreviewPromotion {
                    model: version.model.clone(),
                    version: version.version,
                },
                then: Then::Page { back: false },
            }];
        }
        (Then::Registered, Reply::Version(version)) => app.say(
            Level::Info,
            format!("registered {} of {}", version.version, version.model),
        ),
        (Then::Moved, Reply::Moved(moved)) => {
            let to = moved
                .to
                .map_or_else(|| "nothing".to_owned(), |version| version.to_string());
            let word = match moved.kind {
                MoveKind::Promoted => "promoted",
                MoveKind::Forced => "promoted against the gate",
                MoveKind::RolledBack => "rolled back",
                MoveKind::Set => "set",
            };
            let say = format!("{} {} {word} to {to}", moved.model, moved.alias);
            match moved.from {
                Some(from) => {
                    let undo = Command::Rollback {
                        model: moved.model.clone(),
                        to: Some(from),
                        seen: Some(Seen::of(moved.to)),
                    };
                    offer_undo(app, &say, undo);
                }
                None => app.say(Level::Info, say),
            }
        }
        (Then::Nothing | Then::Tell(..), _) => {}
        (_, reply) => {
            if let Some(text) = command::said(command, reply) {
                app.say(Level::Info, text);
            }
        }
    }
    Vec::new()
}

/// A move that was refused because somebody else moved the alias meanwhile: its page as it is now.
fn look_again(command: &Command, failure: &Failure) -> Vec<Effect> {
    if failure.kind != ErrorKind::Conflict {
        return Vec::new();
    }
    let (command, back) = match command {
        Command::Promote {
            model,
            version,
            seen: Some(_),
            ..
        } => (
            Command::PreviewPromotion {
                model: model.clone(),
                version: *version,
            },
            false,
        ),
        Command::Rollback {
            model,
            to,
            seen: Some(_),
        } => (
            Command::PreviewRollback {
                model: model.clone(),
                to: *to,
            },
            true,
        ),
        _ => return Vec::new(),
    };
    vec![Effect::Send {
        command,
        then: Then::Page { back },
    }]
}

fn offer_undo(app: &mut App, say: &str, undo: Command) {
    let key = app.setup.keymap.label(Action::Undo);
    app.say(Level::Info, format!("{say} · {key} takes it back for 30 s"));
    let until = Timestamp(app.now.0 + UNDO_MS);
    if let Some((_, shown)) = &mut app.toast {
        *shown = until;
    }
    app.undo = Some(Undo {
        command: undo,
        until,
    });
}
