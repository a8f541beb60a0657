//! What a command prints: a table or sentences for people, one JSON document for programs, progress
//! on stderr. Control characters in data never reach the terminal.

use crate::domain::{Error, printable};
use serde::Serialize;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use unicode_width::UnicodeWidthStr;

/// Where a command's words go.
pub(crate) struct Output {
    pub(crate) json: bool,
    quiet: bool,
    live: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self {
            json,
            quiet,
            live: std::io::stderr().is_terminal(),
        }
    }

    /// The one document of `--json`.
    pub(crate) fn document(&self, value: &impl Serialize) -> super::Result<()> {
        let mut text = serde_json::to_string_pretty(value).map_err(Error::from)?;
        text.push('\n');
        write_out(&inert(text));
        Ok(())
    }

    /// A line for people; nothing with `--json`.
    pub(crate) fn line(&self, text: impl Display) {
        if !self.json {
            write_out(&format!("{}\n", clean(&text.to_string())));
        }
    }

    /// Text that is the answer itself (a script, a page), as it is.
    pub(crate) fn raw(text: &str) {
        write_out(text);
    }

    /// Rows under headings; numbers to the right.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        if self.json {
            return;
        }
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| clean(cell)).collect())
            .collect();
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.width())
                .chain([headings[column].width()])
                .max()
                .unwrap_or(0)
        };
        let right = |column: usize| {
            let mut cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .filter(|cell| !cell.is_empty() && *cell != "-")
                .peekable();
            cells.peek().is_some()
                && cells.all(|cell| {
                    cell.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
                })
        };
        let columns: Vec<(usize, bool)> = (0..headings.len())
            .map(|column| (width(column), right(column)))
            .collect();
        let mut text = String::new();
        let mut push = |cells: &mut dyn Iterator<Item = &str>| {
            let mut line = String::new();
            for (cell, (width, right)) in cells.zip(&columns) {
                let gap = " ".repeat(width.saturating_sub(cell.width()));
                if *right {
                    line.extend([gap.as_str(), cell])
                } else {
                    line.extend([cell, gap.as_str()])
                }
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        push(&mut headings.iter().copied());
        for row in &rows {
            push(&mut row.iter().map(String::as_str));
        }
        write_out(&text);
    }

    /// Progress on stderr: one line that is written over on a terminal, a line each elsewhere.
    pub(crate) fn progress(&self, text: impl Display) {
        if self.quiet {
            return;
        }
        let text = clean(&text.to_string());
        let mut stderr = std::io::stderr().lock();
        let _ = if self.live {
            write!(stderr, "\r\x1b[K{text}")
        } else {
            writeln!(stderr, "{text}")
        };
        let _ = stderr.flush();
    }

    /// Progress that changes often: only on a terminal.
    pub(crate) fn tick(&self, text: impl Display) {
        if self.live {
            self.progress(text);
        }
    }

    /// Ends the progress line.
    pub(crate) fn progress_done(&self, text: impl Display) {
        if self.quiet {
            return;
        }
        let text = clean(&text.to_string());
        let mut stderr = std::io::stderr().lock();
        let _ = if self.live {
            writeln!(stderr, "\r\x1b[K{text}")
        } else {
            writeln!(stderr, "{text}")
        };
    }

    /// What went wrong, on stderr; with `--json` also as the document.
    pub(crate) fn error(&self, error: &Error) {
        let mut stderr = std::io::stderr().lock();
        let start = if self.live && !self.quiet {
            "\r\x1b[K"
        } else {
            ""
        };
        let lines: Vec<String> = error.to_string().lines().map(clean).collect();
        let _ = writeln!(stderr, "{start}trainyard: {}", lines.join("\n"));
        if self.json {
            write_out(&inert(format!(
                "{}\n",
                serde_json::json!({ "error": { "kind": error.kind, "message": error.to_string() } })
            )));
        }
    }
}

/// A reader that went away (`| head`) is no error of ours.
fn write_out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// `text` with what a terminal would obey written out.
pub(crate) fn clean(text: &str) -> String {
    printable(text).into_owned()
}

/// A document as it may be printed: JSON leaves some characters as they are that a terminal obeys.
fn inert(document: String) -> String {
    let is_inert = |line: &str| matches!(printable(line), std::borrow::Cow::Borrowed(_));
    if document.lines().all(is_inert) {
        return document;
    }
    let mut shown = String::with_capacity(document.len() + 16);
    for letter in document.chars() {
        if letter != '\n' && printable(letter.encode_utf8(&mut [0; 4])).len() != letter.len_utf8() {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Four significant places, without noise: `0.8011`, `12.3`, `41 200`.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == value.trunc() && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size >= 0.0001 => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

/// `4m`, `2h`, `9d`.
pub(crate) fn age(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
