//! The only mutation: a message in, effects out. No IO, no clock.

use super::app::{App, LinkState, Overlay, Said, UNDO_MS, Undo};
use super::command;
use super::dialog::{Dialog, Open, Outcome};
use super::effect::{Effect, Level, Then};
use super::export;
use super::field::Field;
use super::help::Help;
use super::keymap::{Action, Key};
use super::layout::Shell;
use super::message::{Link, Message};
use super::palette::{self, Palette};
use super::panes::{Input, PaneId, Pointer, Target};
use crate::api::protocol::{Command, Failure, Reply, SeenChampion, Snapshot, Topic, Update};
use crate::domain::registry::MoveKind;
use crate::domain::{Event, Timestamp};
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

/// Two clicks on one cell within so long are one double click.
const DOUBLE_CLICK_MS: i64 = 400;

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

fn on_key(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let pressed = Key::of(key);
    // these two work wherever they are pressed
    match app.setup.keymap.action(pressed) {
        Some(Action::Redraw) => return vec![Effect::Redraw],
        Some(Action::Suspend) => return vec![Effect::Suspend],
        _ => {}
    }
    match &app.overlay {
        Overlay::None => {}
        Overlay::Dialog(_) => return dialog_key(app, key),
        Overlay::Help(_) => {
            if let Overlay::Help(help) = &mut app.overlay
                && !help.key(key)
            {
                app.overlay = Overlay::None;
            }
            return Vec::new();
        }
        Overlay::Palette(_) => return palette_key(app, key),
        Overlay::Messages(_) => {
            messages_key(app, key);
            return Vec::new();
        }
    }
    if app.typing.is_some() {
        return filter_key(app, key);
    }
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if interrupt {
        let leave = app.setup.keymap.label(Action::Quit);
        app.say(Level::Info, format!("{leave} leaves; the daemon goes on"));
        return Vec::new();
    }
    match app.setup.keymap.action(pressed) {
        Some(action) => act(app, action),
        None => {
            let help = app.setup.keymap.label(Action::Help);
            app.say(
                Level::Info,
                format!("{} does nothing; {help} shows all keys", pressed.name()),
            );
            Vec::new()
        }
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

fn dialog_key(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    let now = app.now;
    let Overlay::Dialog(open) = &mut app.overlay else {
        return Vec::new();
    };
    let pane = open.pane;
    let outcome = open.key(key, now, &app.setup.keymap);
    if outcome != Outcome::Stay {
        app.overlay = Overlay::None;
    }
    match outcome {
        Outcome::Stay => Vec::new(),
        Outcome::Cancelled => Vec::new(),
        Outcome::Do(effects) => effects,
        Outcome::Answered(tag, answer) => to_pane(app, pane, &Input::Answer(tag, answer)),
    }
}

fn palette_key(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    let overview = app.overview.clone();
    let Overlay::Palette(palette) = &mut app.overlay else {
        return Vec::new();
    };
    match palette.key(key, overview.as_ref()) {
        palette::Outcome::Stay => Vec::new(),
        palette::Outcome::Cancelled => {
            app.overlay = Overlay::None;
            Vec::new()
        }
        palette::Outcome::Run(line) => {
            app.overlay = Overlay::None;
            match palette::run(&line, app.overview.as_ref(), app.setup.read_only) {
                Ok(effects) => effects,
                Err(problem) => {
                    app.say(Level::Warn, problem);
                    Vec::new()
                }
            }
        }
    }
}

fn messages_key(app: &mut App, key: &KeyEvent) {
    let last = app.messages.len().saturating_sub(1);
    let action = app.setup.keymap.action(Key::of(key));
    let Overlay::Messages(back) = &mut app.overlay else {
        return;
    };
    match action {
        Some(Action::Up) => *back = (*back + 1).min(last),
        Some(Action::Down) => *back = back.saturating_sub(1),
        Some(Action::PageUp | Action::HalfUp) => *back = (*back + 10).min(last),
        Some(Action::PageDown | Action::HalfDown) => *back = back.saturating_sub(10),
        Some(Action::Top) => *back = last,
        Some(Action::Bottom) => *back = 0,
        _ => app.overlay = Overlay::None,
    }
}

fn filter_key(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
    let Some(field) = &mut app.typing else {
        return Vec::new();
    };
    let id = app.current;
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if key.code == KeyCode::Esc || interrupt {
        app.typing = None;
        return to_pane(app, id, &Input::Filter(""));
    }
    if matches!(key.code, KeyCode::Enter | KeyCode::Tab) {
        app.typing = None;
        return Vec::new();
    }
    let before = field.text.clone();
    field.key(key);
    let after = field.text.clone();
    if after == before {
        return Vec::new();
    }
    to_pane(app, id, &Input::Filter(&after))
}

fn on_paste(app: &mut App, text: &str) -> Vec<Effect> {
    match &mut app.overlay {
        Overlay::Dialog(open) => open.paste(text),
        Overlay::Palette(palette) => palette.paste(text),
        Overlay::Help(help) => help.field.insert(text),
        Overlay::Messages(_) => {}
        Overlay::None => {
            if let Some(field) = &mut app.typing {
                field.insert(text);
                let (id, after) = (app.current, field.text.clone());
                return to_pane(app, id, &Input::Filter(&after));
            }
            let key = app.setup.keymap.label(Action::Filter);
            app.say(
                Level::Info,
                format!("pasted text does nothing here; {key} opens a field for it"),
            );
        }
    }
    Vec::new()
}

fn on_mouse(app: &mut App, mouse: MouseEvent) -> Vec<Effect> {
    let position = Position::new(mouse.column, mouse.row);
    let wheel = match mouse.kind {
        MouseEventKind::ScrollDown => 3,
        MouseEventKind::ScrollUp => -3,
        _ => 0,
    };
    if !matches!(app.overlay, Overlay::None) {
        let code = match wheel {
            0 => return Vec::new(),
            3 => KeyCode::Down,
            _ => KeyCode::Up,
        };
        return on_key(app, &KeyEvent::new(code, KeyModifiers::NONE));
    }
    let shell = Shell::of(app.area());
    let id = app.current;
    if wheel != 0 {
        return to_pane(app, id, &Input::Pointer(Pointer::Wheel(position, wheel)));
    }
    if mouse.kind != MouseEventKind::Down(MouseButton::Left) {
        return Vec::new();
    }
    if shell.header.contains(position) {
        if let Some(id) = super::header::tab_at(app, position.x) {
            app.typing = None;
            app.current = id;
        }
        return Vec::new();
    }
    if !shell.body.contains(position) {
        return Vec::new();
    }
    let double = app
        .clicked
        .is_some_and(|(at, place)| place == position && app.now.since(at) <= DOUBLE_CLICK_MS);
    app.clicked = if double {
        None
    } else {
        Some((app.now, position))
    };
    let pointer = if double {
        Pointer::DoubleClick(position)
    } else {
        Pointer::Click(position)
    };
    to_pane(app, id, &Input::Pointer(pointer))
}

fn on_link(app: &mut App, link: Link) {
    match link {
        Link::Up => {
            if let LinkState::Lost(since, _) = &app.link {
                let gone = super::text::age(app.now.since(*since));
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

fn on_daemon(app: &mut App, update: Update) -> Vec<Effect> {
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

fn take_snapshot(app: &mut App, topic: &Topic, snapshot: Snapshot) -> Vec<Effect> {
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

fn on_reply(
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
            return Vec::new();
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
                        seen: Some(SeenChampion { champion: moved.to }),
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
