//! Dialogs over a pane: a question before something changes, a line of text, a choice, columns, a page to read.
//! The selected button is Cancel; `y` confirms, Enter presses the selected button. Keys within [`GUARD_MS`] of the
//! opening and pasted text never act; a failed gate asks for the version typed out and a reason.

mod draw;

use super::effect::{Effect, Then};
use super::field::Field;
use super::keymap::{Action, Key, Keymap};
use super::panes::{Answer, PaneId};
use crate::api::protocol::Command;
use crate::domain::registry::PromotionPage;
use crate::domain::{Seen, Timestamp};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Keys do not act for so long after a dialog opened.
pub const GUARD_MS: i64 = 300;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Yes or no, about something that changes.
    Confirm {
        /// Answered with [`Answer::Yes`] when there is no command.
        tag: &'static str,
        /// "Archive brave-otter?"
        title: String,
        /// What changes, and the way back.
        lines: Vec<String>,
        /// What the button says: "Archive".
        verb: String,
        /// Sent on yes.
        command: Option<Box<Command>>,
        /// What becomes of its reply.
        then: Then,
    },
    /// The page before a promotion or a roll-back; the shell opens it (`Then::Page`).
    Promotion {
        /// What changes.
        page: Box<PromotionPage>,
        /// It is a roll-back.
        back: bool,
    },
    /// A line of text; answered with [`Answer::Text`].
    Prompt {
        /// Comes back with the answer.
        tag: &'static str,
        /// "Note on brave-otter".
        title: String,
        /// Said above the field.
        lines: Vec<String>,
        /// What is in the field at first.
        text: String,
    },
    /// One of several; answered with [`Answer::Item`].
    Choice {
        /// Comes back with the answer.
        tag: &'static str,
        /// "Train which pipeline?"
        title: String,
        /// Item and remark.
        items: Vec<(String, String)>,
        /// Where the cursor is at first.
        cursor: usize,
    },
    /// Columns: `Space` shows, `<` and `>` move; answered with [`Answer::Columns`].
    Columns {
        /// Comes back with the answer.
        tag: &'static str,
        /// "Columns".
        title: String,
        /// Name and whether it is shown, in order.
        items: Vec<(String, bool)>,
    },
    /// Something to read; keys that move scroll.
    Page {
        /// Title.
        title: String,
        /// Lines, wrapped when drawn.
        lines: Vec<String>,
    },
}

/// A dialog that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// What is asked.
    pub dialog: Dialog,
    /// Whose question.
    pub pane: PaneId,
    /// Since when.
    pub since: Timestamp,
    /// Focus: 0 the Cancel button (or the only part), then the verb's button; with a failed gate: version, reason, Cancel, verb.
    pub focus: usize,
    /// Row under the cursor, or the first line shown.
    pub cursor: usize,
    /// The version, or the prompt's text.
    pub first: Field,
    /// The reason.
    pub second: Field,
    /// Why it does not go on yet.
    pub hint: String,
}

/// What a key did to a dialog.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays open.
    Stay,
    /// It closes and nothing happens.
    Cancelled,
    /// It closes, and this is to be done.
    Do(Vec<Effect>),
    /// It closes, and its pane gets the answer.
    Answered(&'static str, Answer),
}

impl Dialog {
    /// Everything it says, with the keys of `keymap` in the place of actions ([`Keymap::fill`]).
    pub fn fill(&mut self, keymap: &Keymap) {
        let (title, lines) = match self {
            Self::Confirm {
                title, lines, then, ..
            } => {
                then.fill(keymap);
                (title, Some(lines))
            }
            Self::Prompt { title, lines, .. } | Self::Page { title, lines } => (title, Some(lines)),
            Self::Choice { title, .. } | Self::Columns { title, .. } => (title, None),
            Self::Promotion { .. } => return,
        };
        for text in std::iter::once(title).chain(lines.into_iter().flatten()) {
            *text = keymap.fill(text);
        }
    }
}

impl Open {
    /// Opens `dialog` for `pane`.
    pub fn new(dialog: Dialog, pane: PaneId, now: Timestamp) -> Self {
        let first = match &dialog {
            Dialog::Prompt { text, .. } => Field::with(text),
            _ => Field::default(),
        };
        let cursor = match &dialog {
            Dialog::Choice { cursor, .. } => *cursor,
            _ => 0,
        };
        Self {
            dialog,
            pane,
            since: now,
            focus: 0,
            cursor,
            first,
            second: Field::default(),
            hint: String::new(),
        }
    }

    /// A gate said no: version and reason are asked for.
    fn held(&self) -> bool {
        match &self.dialog {
            Dialog::Promotion { page, back } => {
                !back && page.verdict.as_ref().is_some_and(|verdict| !verdict.passed)
            }
            _ => false,
        }
    }

    /// Takes pasted text: into a prompt or a reason; it never acts and never counts as a typed version.
    pub fn paste(&mut self, pasted: &str) {
        if matches!(self.dialog, Dialog::Prompt { .. }) {
            self.first.insert(pasted);
        } else if self.held() && self.focus == 1 {
            self.second.insert(pasted);
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: &KeyEvent, now: Timestamp, keymap: &Keymap) -> Outcome {
        let cancel = key.code == KeyCode::Esc
            || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL));
        if cancel {
            return Outcome::Cancelled;
        }
        let young = now.since(self.since) < GUARD_MS;
        match &self.dialog {
            Dialog::Prompt { tag, .. } => {
                if key.code == KeyCode::Enter {
                    if young {
                        return Outcome::Stay;
                    }
                    return Outcome::Answered(tag, Answer::Text(self.first.text.clone()));
                }
                self.first.key(key);
                Outcome::Stay
            }
            Dialog::Choice { tag, items, .. } => match key.code {
                KeyCode::Enter if !young && !items.is_empty() => {
                    Outcome::Answered(tag, Answer::Item(self.cursor))
                }
                _ => {
                    self.cursor = moved(self.cursor, items.len(), key, keymap);
                    Outcome::Stay
                }
            },
            Dialog::Columns { .. } => self.columns_key(key, keymap),
            Dialog::Page { lines, .. } => match key.code {
                KeyCode::Enter | KeyCode::Char('q') if !young => Outcome::Cancelled,
                _ => {
                    self.cursor = moved(self.cursor, lines.len(), key, keymap);
                    Outcome::Stay
                }
            },
            Dialog::Confirm { .. } | Dialog::Promotion { .. } => {
                if young {
                    return Outcome::Stay;
                }
                if self.held() {
                    self.held_key(key)
                } else {
                    self.button_key(key, keymap)
                }
            }
        }
    }

    fn button_key(&mut self, key: &KeyEvent, keymap: &Keymap) -> Outcome {
        let action = keymap.action(Key::of(key));
        match key.code {
            KeyCode::Char('y') if key.modifiers.is_empty() => self.confirmed(),
            KeyCode::Char('n') => Outcome::Cancelled,
            KeyCode::Enter if self.focus == 1 => self.confirmed(),
            KeyCode::Enter => Outcome::Cancelled,
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right => {
                self.focus = 1 - self.focus.min(1);
                Outcome::Stay
            }
            _ if matches!(action, Some(Action::Left | Action::Right)) => {
                self.focus = 1 - self.focus.min(1);
                Outcome::Stay
            }
            _ => Outcome::Stay,
        }
    }

    /// Version, reason, Cancel, verb.
    fn held_key(&mut self, key: &KeyEvent) -> Outcome {
        self.hint.clear();
        match (self.focus, key.code) {
            (_, KeyCode::Tab | KeyCode::Down) => self.focus = (self.focus + 1) % 4,
            (_, KeyCode::BackTab | KeyCode::Up) => self.focus = (self.focus + 3) % 4,
            (0 | 1, KeyCode::Enter) => self.focus += 1,
            (0, _) => {
                self.first.key(key);
            }
            (1, _) => {
                self.second.key(key);
            }
            (_, KeyCode::Left | KeyCode::Right) => self.focus = 5 - self.focus,
            (2, KeyCode::Enter) => return Outcome::Cancelled,
            (3, KeyCode::Enter) | (2 | 3, KeyCode::Char('y')) => {
                if let Dialog::Promotion { page, .. } = &self.dialog {
                    let wanted = page.then.version.to_string();
                    if self.first.text.trim() != wanted {
                        self.hint = format!("type {wanted} to promote against the gate");
                    } else if self.second.text.trim().is_empty() {
                        self.hint = "a reason is needed; it stays in the history".to_owned();
                    } else {
                        return self.confirmed();
                    }
                }
            }
            _ => {}
        }
        Outcome::Stay
    }

    fn confirmed(&self) -> Outcome {
        match &self.dialog {
            Dialog::Confirm {
                tag, command, then, ..
            } => match command {
                Some(command) => Outcome::Do(vec![Effect::Send {
                    command: (**command).clone(),
                    then: then.clone(),
                }]),
                None => Outcome::Answered(tag, Answer::Yes),
            },
            Dialog::Promotion { page, back } => {
                // what this dialog shows: another one may have moved it meanwhile
                let seen = Some(Seen::of(page.now.as_ref().map(|now| now.version)));
                let command = if *back {
                    Command::Rollback {
                        model: page.model.clone(),
                        to: Some(page.then.version),
                        seen,
                    }
                } else {
                    Command::Promote {
                        model: page.model.clone(),
                        version: page.then.version,
                        force: self.held(),
                        reason: self.second.text.trim().to_owned(),
                        seen,
                    }
                };
                Outcome::Do(vec![Effect::Send {
                    command,
                    then: Then::Moved,
                }])
            }
            _ => Outcome::Cancelled,
        }
    }

    fn columns_key(&mut self, key: &KeyEvent, keymap: &Keymap) -> Outcome {
        let (cursor, action) = (self.cursor, keymap.action(Key::of(key)));
        let Dialog::Columns { tag, items, .. } = &mut self.dialog else {
            return Outcome::Stay;
        };
        match key.code {
            _ if action == Some(Action::Mark) => {
                if let Some((_, shown)) = items.get_mut(cursor) {
                    *shown = !*shown;
                }
            }
            KeyCode::Char('<') if cursor > 0 && cursor < items.len() => {
                items.swap(cursor, cursor - 1);
                self.cursor -= 1;
            }
            KeyCode::Char('>') if cursor + 1 < items.len() => {
                items.swap(cursor, cursor + 1);
                self.cursor += 1;
            }
            KeyCode::Enter => return Outcome::Answered(tag, Answer::Columns(items.clone())),
            _ if action == Some(Action::Columns) => {
                return Outcome::Answered(tag, Answer::Columns(items.clone()));
            }
            _ => self.cursor = moved(cursor, items.len(), key, keymap),
        }
        Outcome::Stay
    }
}

/// A cursor after a key that moves, by the table of keys; arrows and pages always move.
fn moved(cursor: usize, count: usize, key: &KeyEvent, keymap: &Keymap) -> usize {
    let last = count.saturating_sub(1);
    match keymap.action(Key::of(key)) {
        Some(Action::Down) => (cursor + 1).min(last),
        Some(Action::Up) => cursor.saturating_sub(1),
        Some(Action::Top) => 0,
        Some(Action::Bottom) => last,
        Some(Action::PageDown | Action::HalfDown) => (cursor + 10).min(last),
        Some(Action::PageUp | Action::HalfUp) => cursor.saturating_sub(10),
        _ => match key.code {
            KeyCode::Down => (cursor + 1).min(last),
            KeyCode::Up => cursor.saturating_sub(1),
            KeyCode::Home => 0,
            KeyCode::End => last,
            KeyCode::PageDown => (cursor + 10).min(last),
            KeyCode::PageUp => cursor.saturating_sub(10),
            _ => cursor,
        },
    }
}
