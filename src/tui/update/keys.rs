//! Keys, pasted text and the mouse: to what is open over the pane, to the field, or as an action.

use super::{act, to_pane};
use crate::tui::app::{App, Overlay};
use crate::tui::dialog::Outcome;
use crate::tui::effect::{Effect, Level};
use crate::tui::keymap::{Action, Key};
use crate::tui::layout::Shell;
use crate::tui::palette;
use crate::tui::panes::{Input, Pointer};
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::Position;

/// Two clicks on one cell within so long are one double click.
const DOUBLE_CLICK_MS: i64 = 400;

pub fn on_key(app: &mut App, key: &KeyEvent) -> Vec<Effect> {
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

pub fn on_paste(app: &mut App, text: &str) -> Vec<Effect> {
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

pub fn on_mouse(app: &mut App, mouse: MouseEvent) -> Vec<Effect> {
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
        if let Some(id) = crate::tui::header::tab_at(app, position.x) {
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
