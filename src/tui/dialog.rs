//! Dialogs over a pane: a question before something changes, a line of text, a choice, columns, a page to read.
//! The selected button is Cancel; `y` confirms, Enter presses the selected button. Keys within [`GUARD_MS`] of the
//! opening and pasted text never act; a failed gate asks for the version typed out and a reason.

use super::effect::{Effect, Then};
use super::field::Field;
use super::layout;
use super::panes::{Answer, PaneId};
use super::text;
use super::theme::Theme;
use crate::api::protocol::{Command, Overview, SeenChampion};
use crate::domain::Timestamp;
use crate::domain::registry::{PromotionPage, PromotionSide};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

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
    /// Something to read; `j k` scroll.
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
    pub fn key(&mut self, key: &KeyEvent, now: Timestamp) -> Outcome {
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
                code => {
                    self.cursor = moved(self.cursor, items.len(), code);
                    Outcome::Stay
                }
            },
            Dialog::Columns { .. } => self.columns_key(key),
            Dialog::Page { lines, .. } => match key.code {
                KeyCode::Enter | KeyCode::Char('q') if !young => Outcome::Cancelled,
                code => {
                    self.cursor = moved(self.cursor, lines.len(), code);
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
                    self.button_key(key)
                }
            }
        }
    }

    fn button_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('y') if key.modifiers.is_empty() => self.confirmed(),
            KeyCode::Char('n') => Outcome::Cancelled,
            KeyCode::Enter if self.focus == 1 => self.confirmed(),
            KeyCode::Enter => Outcome::Cancelled,
            KeyCode::Tab
            | KeyCode::BackTab
            | KeyCode::Left
            | KeyCode::Right
            | KeyCode::Char('h' | 'l') => {
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
                let seen = Some(SeenChampion {
                    champion: page.now.as_ref().map(|now| now.version),
                });
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

    fn columns_key(&mut self, key: &KeyEvent) -> Outcome {
        let cursor = self.cursor;
        let Dialog::Columns { tag, items, .. } = &mut self.dialog else {
            return Outcome::Stay;
        };
        match key.code {
            KeyCode::Char(' ') => {
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
            KeyCode::Enter | KeyCode::Char('v') => {
                return Outcome::Answered(tag, Answer::Columns(items.clone()));
            }
            code => self.cursor = moved(cursor, items.len(), code),
        }
        Outcome::Stay
    }

    /// Draws it in the middle of `area`.
    pub fn render(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        theme: &Theme,
        overview: Option<&Overview>,
        offset_s: i32,
        now: Timestamp,
    ) {
        let room = usize::from(area.width.saturating_sub(4)).min(100);
        let mut lines: Vec<Line> = Vec::new();
        let mut fields: Vec<(usize, u16, &Field, bool)> = Vec::new();
        let mut width = 40;
        match &self.dialog {
            Dialog::Confirm {
                lines: said, verb, ..
            } => {
                for said in said {
                    lines.extend(text::wrap(said, room.min(76)).into_iter().map(Line::from));
                }
                lines.push(Line::default());
                lines.push(self.buttons(verb, theme, "Esc cancels · y confirms"));
            }
            Dialog::Promotion { page, back } => {
                width = 76;
                self.promotion_lines(page, *back, room.min(76), theme, offset_s, now, &mut lines);
                if self.held() {
                    let label = format!(
                        "To promote all the same, type the version {}: ",
                        page.then.version
                    );
                    let at = text::width(&label) as u16;
                    lines.push(Line::from(label));
                    fields.push((lines.len() - 1, at, &self.first, self.focus == 0));
                    lines.push(Line::from("reason: "));
                    fields.push((lines.len() - 1, 8, &self.second, self.focus == 1));
                    if !self.hint.is_empty() {
                        lines.push(Line::styled(self.hint.clone(), theme.warn));
                    }
                }
                let (verb, way_back) = match (back, &page.now) {
                    (true, Some(now)) => ("Roll back", format!("p promotes {} again", now.version)),
                    (true, None) => ("Roll back", String::new()),
                    (false, Some(now)) => (
                        "Promote",
                        format!("r rolls back to {} at any time", now.version),
                    ),
                    (false, None) => ("Promote", "nothing serves before it".to_owned()),
                };
                let confirm = if self.held() { "" } else { "y confirms · " };
                lines.push(self.buttons(
                    verb,
                    theme,
                    &format!("{confirm}Esc cancels · {way_back}"),
                ));
            }
            Dialog::Prompt { lines: said, .. } => {
                width = 60;
                for said in said {
                    lines.extend(text::wrap(said, room.min(76)).into_iter().map(Line::from));
                }
                lines.push(Line::default());
                fields.push((lines.len() - 1, 0, &self.first, true));
                lines.push(Line::styled("Enter keeps · Esc cancels", theme.dim));
            }
            Dialog::Choice { items, .. } => {
                let widest = items.iter().map(|(item, _)| text::width(item)).max();
                for (place, (item, remark)) in items.iter().enumerate() {
                    let item = text::left(item, widest.unwrap_or(0));
                    let mut line = Line::from(vec![
                        Span::raw(if place == self.cursor { "▌" } else { " " }),
                        Span::raw(item),
                        Span::raw("  "),
                        Span::styled(remark.clone(), theme.dim),
                    ]);
                    if place == self.cursor {
                        line = line.style(theme.selected);
                    }
                    lines.push(line);
                }
                lines.push(Line::styled(
                    "j/k move · Enter takes · Esc cancels",
                    theme.dim,
                ));
            }
            Dialog::Columns { items, .. } => {
                for (place, (name, shown)) in items.iter().enumerate() {
                    let mut line = Line::from(format!(
                        "{}{} {name}",
                        if place == self.cursor { "▌" } else { " " },
                        if *shown { "[x]" } else { "[ ]" },
                    ));
                    if place == self.cursor {
                        line = line.style(theme.selected);
                    }
                    lines.push(line);
                }
                lines.push(Line::styled(
                    "Space shows · < > move · Enter keeps · Esc cancels",
                    theme.dim,
                ));
            }
            Dialog::Page { lines: said, .. } => {
                width = 76;
                for said in said {
                    // what fits stays as it is: it may be a line of a table
                    if text::width(said) <= room.min(96) {
                        lines.push(Line::from(said.clone()));
                    } else {
                        lines.extend(text::wrap(said, room.min(96)).into_iter().map(Line::from));
                    }
                }
            }
        }
        self.draw(buffer, area, theme, overview, lines, &fields, width);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one private step of `render`, split for its length"
    )]
    fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        theme: &Theme,
        overview: Option<&Overview>,
        mut lines: Vec<Line>,
        fields: &[(usize, u16, &Field, bool)],
        least: usize,
    ) {
        let mut title = match &self.dialog {
            Dialog::Confirm { title, .. }
            | Dialog::Prompt { title, .. }
            | Dialog::Choice { title, .. }
            | Dialog::Columns { title, .. }
            | Dialog::Page { title, .. } => title.clone(),
            Dialog::Promotion { page, back } => {
                if *back {
                    format!("Roll {} back to {}", page.model, page.then.version)
                } else {
                    format!(
                        "Promote {} {} to {}",
                        page.model, page.then.version, page.alias
                    )
                }
            }
        };
        if let Some(overview) = overview.filter(|overview| overview.production) {
            title = format!("{title} on {} (production)", overview.host);
        }
        let widest = lines.iter().map(Line::width).max().unwrap_or(0);
        let width = widest.max(text::width(&title) + 2).max(least) as u16 + 4;
        let height = lines.len() as u16 + 2;
        let place = layout::middle(area, width, height);
        Clear.render(place, buffer);
        let inside = super::frame::part(buffer, place, title, true, theme);
        // a list or page longer than the screen scrolls with its cursor; its last line (the keys) stays
        let rows = usize::from(inside.height);
        let mut skipped = 0;
        if lines.len() > rows && rows > 1 {
            let keys = match self.dialog {
                Dialog::Page { .. } => None,
                _ => lines.pop(),
            };
            let room = rows - usize::from(keys.is_some());
            let top = match self.dialog {
                Dialog::Page { .. } => self.cursor.min(lines.len().saturating_sub(room)),
                _ => self.cursor.saturating_sub(room.saturating_sub(1)),
            };
            skipped = top;
            lines = lines.into_iter().skip(top).take(room).collect();
            lines.extend(keys);
        }
        for (row, line) in lines.iter().take(rows).enumerate() {
            let y = inside.y + row as u16;
            if line.style != Style::default() {
                buffer.set_style(Rect::new(inside.x, y, inside.width, 1), line.style);
            }
            buffer.set_line(inside.x + 1, y, line, inside.width.saturating_sub(1));
        }
        for (row, column, field, focused) in fields {
            if let Some(row) = row.checked_sub(skipped).filter(|row| *row < rows) {
                let column = (*column).min(inside.width.saturating_sub(3));
                let line = Rect::new(
                    inside.x + 1 + column,
                    inside.y + row as u16,
                    inside.width - column - 2,
                    1,
                );
                let style = theme
                    .text
                    .add_modifier(ratatui::style::Modifier::UNDERLINED);
                buffer.set_style(line, style);
                field.render(buffer, line, style, *focused);
            }
        }
    }

    fn buttons(&self, verb: &str, theme: &Theme, hint: &str) -> Line<'static> {
        let first = if self.held() { 2 } else { 0 };
        let button = |word: &str, selected: bool| {
            if selected {
                Span::styled(format!("[ {word} ]"), theme.selected)
            } else {
                Span::raw(format!("  {word}  "))
            }
        };
        Line::from(vec![
            button("Cancel", self.focus == first),
            Span::raw(" "),
            button(verb, self.focus == first + 1),
            Span::raw("    "),
            Span::styled(hint.to_owned(), theme.dim),
        ])
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one private step of `render`, split for its length"
    )]
    fn promotion_lines(
        &self,
        page: &PromotionPage,
        back: bool,
        room: usize,
        theme: &Theme,
        offset_s: i32,
        now: Timestamp,
        lines: &mut Vec<Line<'static>>,
    ) {
        let metric = page.metric.clone().unwrap_or_else(|| "metric".to_owned());
        let side = |word: &str, side: Option<&PromotionSide>| match side {
            None => format!("{word}  nothing serves"),
            Some(side) => {
                let mut out = format!(
                    "{word}  {:<5} {}",
                    side.version.to_string(),
                    text::left(&side.run_name, 14)
                );
                if let Some(value) = side.metric {
                    out.push_str(&format!("  {metric} {}", text::number(value.0)));
                }
                if let Some(p95) = side.p95_ms {
                    out.push_str(&format!("  p95 {p95:.1} ms"));
                }
                if let Some(since) = side.serving_since {
                    out.push_str(&format!("  serving {}", text::age(now.since(since))));
                }
                if let Some(rate) = side.requests_per_s {
                    out.push_str(&format!(", {rate:.0} req/s"));
                }
                out
            }
        };
        let _ = offset_s;
        lines.push(Line::from(side("now ", page.now.as_ref())));
        lines.push(Line::from(side("then", Some(&page.then))));
        let head = "changes for callers   ";
        let changes = if page.changes.is_empty() {
            "none known".to_owned()
        } else {
            page.changes.join(" · ")
        };
        let indent = text::width(head);
        for (row, line) in text::wrap(&changes, room.saturating_sub(indent).max(10))
            .into_iter()
            .enumerate()
        {
            let lead = if row == 0 {
                head.to_owned()
            } else {
                " ".repeat(indent)
            };
            lines.push(Line::from(format!("{lead}{line}")));
        }
        if !page.deployments.is_empty() {
            lines.push(Line::from(format!(
                "deployments that swap {}",
                page.deployments.join(", ")
            )));
        }
        if let Some(verdict) = page.verdict.as_ref().filter(|_| !back) {
            let failed: Vec<_> = verdict
                .checks
                .iter()
                .filter(|check| !check.passed)
                .collect();
            if failed.is_empty() {
                lines.push(Line::styled(
                    format!("✓ {}", verdict.sentence()),
                    theme.good,
                ));
            } else {
                for check in &failed {
                    let said = format!(
                        "✗ {} of {} checks failed: {}: {}",
                        failed.len(),
                        verdict.checks.len(),
                        check.name,
                        check.detail
                    );
                    for line in text::wrap(&said, room) {
                        lines.push(Line::styled(line, theme.bad));
                    }
                }
            }
        }
    }
}

fn moved(cursor: usize, count: usize, code: KeyCode) -> usize {
    let last = count.saturating_sub(1);
    match code {
        KeyCode::Char('j') | KeyCode::Down => (cursor + 1).min(last),
        KeyCode::Char('k') | KeyCode::Up => cursor.saturating_sub(1),
        KeyCode::Char('g') | KeyCode::Home => 0,
        KeyCode::Char('G') | KeyCode::End => last,
        KeyCode::PageDown => (cursor + 10).min(last),
        KeyCode::PageUp => cursor.saturating_sub(10),
        _ => cursor,
    }
}
