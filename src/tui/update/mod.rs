//! The only mutation: a message in, effects out. No IO, no clock.

mod daemon;
mod keys;

use super::app::{App, Overlay};
use super::command;
use super::dialog::Open;
use super::effect::{Effect, Level, Then};
use super::export;
use super::field::Field;
use super::help::Help;
use super::keymap::Action;
use super::message::Message;
use super::palette::Palette;
use super::panes::{Input, PaneId, Target};
use crate::api::protocol::Topic;
use daemon::{on_daemon, on_link, on_reply, take_snapshot};
use keys::{on_key, on_mouse, on_paste};

/// Takes a message; returns what is to be done outside.
pub fn update(app: &mut App, message: Message) -> Vec<Effect> {
    let by_hand = matches!(
        message,
        Message::Key(_) | Message::Mouse(_) | Message::Paste(_)
    );
    let asked = match message {
        Message::Tick(now) => {
            app.now = now;
            if app.toast.as_ref().is_some_and(|(_, until)| now >= *until) {
                app.toast = None;
            }
            if app.undo.as_ref().is_some_and(|undo| now >= undo.until) {
                app.undo = None;
            }
            Vec::new()
        }
        Message::Resize(columns, rows) => {
            app.size = (columns, rows);
            Vec::new()
        }
        Message::Key(key) => on_key(app, &key),
        Message::Paste(text) => on_paste(app, &text),
        Message::Mouse(mouse) => on_mouse(app, mouse),
        Message::Daemon(update) => on_daemon(app, *update),
        Message::Link(link) => {
            on_link(app, link);
            Vec::new()
        }
        Message::Replied {
            command,
            then,
            result,
        } => on_reply(app, &command, then, &result),
        Message::Note(level, text) => {
            app.say(level, text);
            Vec::new()
        }
    };
    let mut effects = carry_out(app, asked);
    if by_hand {
        let looks = app.looks();
        if looks != app.remembered {
            app.remembered.clone_from(&looks);
            effects.push(Effect::Remember(looks));
        }
    }
    effects
}

/// Does what the shell itself answers; the rest goes out.
fn carry_out(app: &mut App, asked: Vec<Effect>) -> Vec<Effect> {
    let mut out = Vec::new();
    for effect in export::together(asked) {
        match effect {
            Effect::Toast { level, text } => app.say(level, app.setup.keymap.fill(&text)),
            Effect::Dialog(mut dialog) => {
                dialog.fill(&app.setup.keymap);
                app.overlay = Overlay::Dialog(Box::new(Open::new(dialog, app.current, app.now)));
            }
            Effect::Go(id, target) => {
                app.typing = None;
                app.current = id;
                if target != Target::Last {
                    let more = to_pane(app, id, &Input::Show(&target));
                    out.extend(carry_out(app, more));
                }
            }
            Effect::Send { command, mut then } => {
                then.fill(&app.setup.keymap);
                if let Some(text) = command::shell(&command) {
                    app.last_command = Some(text);
                }
                out.push(Effect::Send { command, then });
            }
            other => out.push(other),
        }
    }
    out
}

/// Hands an input to a pane.
fn to_pane(app: &mut App, id: PaneId, input: &Input) -> Vec<Effect> {
    let mut pane = std::mem::replace(&mut app.panes[id.index()], Box::new(Nobody));
    let effects = pane.update(input, &app.context());
    app.panes[id.index()] = pane;
    effects
}

/// Stands in for a pane while it updates.
struct Nobody;

impl super::panes::Pane for Nobody {
    fn bindings(&self) -> &'static [super::keymap::Binding] {
        &[]
    }
    fn topics(&self) -> Vec<Topic> {
        Vec::new()
    }
    fn update(&mut self, _: &Input, _: &super::panes::Context) -> Vec<Effect> {
        Vec::new()
    }
    fn render(&self, _: &mut ratatui::buffer::Buffer, _: &super::panes::Context) {}
    fn status(&self, _: &super::panes::Context) -> Vec<String> {
        Vec::new()
    }
}

/// Does an action: the shell's own, or the pane's.
pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    if app.setup.read_only && action.changes() {
        app.say(
            Level::Warn,
            format!("read only: `{}` is off", action.meaning().name),
        );
        return Vec::new();
    }
    let bound = app
        .pane()
        .bindings()
        .iter()
        .any(|binding| binding.action == action);
    match action {
        Action::Pane(number) => {
            if let Some(id) = PaneId::ALL.get(usize::from(number).saturating_sub(1)) {
                app.current = *id;
            }
            Vec::new()
        }
        Action::Quit => vec![Effect::Quit],
        Action::Help => {
            app.overlay = Overlay::Help(Help::default());
            Vec::new()
        }
        Action::Messages => {
            app.overlay = Overlay::Messages(0);
            Vec::new()
        }
        Action::Palette => {
            app.overlay = Overlay::Palette(Palette::default());
            Vec::new()
        }
        Action::Theme => {
            next_theme(app);
            Vec::new()
        }
        Action::Mouse => {
            app.mouse = !app.mouse;
            let word = if app.mouse { "on" } else { "off" };
            app.say(Level::Info, format!("mouse {word}"));
            vec![Effect::Mouse(app.mouse)]
        }
        Action::Freeze => freeze(app),
        Action::Undo => undo(app),
        Action::Filter if bound => {
            app.typing = Some(Field::with(app.pane().filter()));
            Vec::new()
        }
        Action::Back if !app.pane().filter().is_empty() => {
            let id = app.current;
            to_pane(app, id, &Input::Filter(""))
        }
        Action::Back if !bound => Vec::new(),
        _ if bound => {
            let id = app.current;
            to_pane(app, id, &Input::Act(action))
        }
        _ => {
            let panes: Vec<&str> = PaneId::ALL
                .iter()
                .filter(|id| {
                    app.panes[id.index()]
                        .bindings()
                        .iter()
                        .any(|binding| binding.action == action)
                })
                .map(|id| id.name())
                .collect();
            let key = app.setup.keymap.label(action);
            let said = if panes.is_empty() {
                format!("{key} ({}) works in no pane yet", action.meaning().does)
            } else {
                format!(
                    "{key} ({}) works in {}",
                    action.meaning().does,
                    panes.join(", ")
                )
            };
            app.say(Level::Info, said);
            Vec::new()
        }
    }
}

fn next_theme(app: &mut App) {
    let mut names: Vec<String> = super::theme::NAMES
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    names.extend(app.setup.own_theme.as_ref().map(|own| own.name.clone()));
    let place = names.iter().position(|name| *name == app.theme.name);
    let next = names[place.map_or(0, |place| (place + 1) % names.len())].clone();
    app.take_theme(&next);
    app.say(Level::Info, format!("theme {next}"));
}

fn freeze(app: &mut App) -> Vec<Effect> {
    let Some(held) = app.frozen.take() else {
        app.frozen = Some(Vec::new());
        let key = app.setup.keymap.label(Action::Freeze);
        app.say(Level::Info, format!("frozen; {key} goes on"));
        return Vec::new();
    };
    app.say(Level::Info, "live again");
    held.into_iter()
        .flat_map(|(topic, snapshot)| take_snapshot(app, &topic, snapshot))
        .collect()
}

fn undo(app: &mut App) -> Vec<Effect> {
    match app.undo.take() {
        Some(undo) => vec![Effect::Send {
            command: undo.command,
            then: Then::Say("taken back".to_owned()),
        }],
        None => {
            app.say(Level::Info, "nothing to take back");
            Vec::new()
        }
    }
}
