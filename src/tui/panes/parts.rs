//! What several panes do alike: a cursor that stays on its row, text in parts, names cut in their middle, tests'
//! short names. Must not know what any pane shows.

use super::Context;
use crate::tui::keymap::Action;
use crate::tui::text;
use crate::tui::widgets::table;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A row under the cursor, and the first row shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The row.
    pub line: usize,
    /// The first row shown.
    pub top: usize,
}

impl Cursor {
    /// To a row of `count`, shown in a table that is `height` high, heading included.
    pub fn go(&mut self, line: usize, height: u16, count: usize) {
        self.line = line.min(count.saturating_sub(1));
        self.top = table::scrolled(self.line, self.top, height, count);
    }

    /// The first row shown in a table that is `height` high, heading included: the cursor is seen whatever the height.
    pub fn first(&self, height: u16, count: usize) -> usize {
        table::scrolled(self.line, self.top, height, count)
    }

    /// By a key that moves; false: it is none.
    pub fn act(&mut self, action: Action, height: u16, count: usize) -> bool {
        let Some(step) = step(action, height) else {
            return false;
        };
        self.go(self.line.saturating_add_signed(step), height, count);
        true
    }

    /// The rows are new ones and the one under the cursor now is row `line`: it keeps its line of the screen.
    pub fn keep(&mut self, line: usize, height: u16, count: usize) {
        self.top = (self.top + line).saturating_sub(self.line);
        self.line = line;
        self.go(line, height, count);
    }
}

/// Rows that a moving key goes down (negative: up) in a part of this height.
pub fn step(action: Action, height: u16) -> Option<isize> {
    let page = isize::try_from(height.saturating_sub(2))
        .unwrap_or(1)
        .max(1);
    Some(match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfDown => (page / 2).max(1),
        Action::HalfUp => -(page / 2).max(1),
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::Top => isize::MIN,
        Action::Bottom => isize::MAX,
        _ => return None,
    })
}

/// What is inside the frame of `area`.
pub fn inside(area: Rect) -> Rect {
    Rect::new(
        area.x + 1,
        area.y + 1,
        area.width.saturating_sub(2),
        area.height.saturating_sub(2),
    )
}

/// Lines into the inside of a part, from line `scroll` on.
pub fn put_lines(lines: &[Line], inside: Rect, scroll: usize, buffer: &mut Buffer) {
    let rows = usize::from(inside.height);
    let top = scroll.min(lines.len().saturating_sub(rows));
    for (row, line) in lines.iter().skip(top).take(rows).enumerate() {
        buffer.set_line(
            inside.x + 1,
            inside.y + row as u16,
            line,
            inside.width.saturating_sub(1),
        );
    }
}

/// Sentences wrapped to the inside of a part.
pub fn wrapped<T: AsRef<str>>(said: &[T], width: usize, style: Style) -> Vec<Line<'static>> {
    said.iter()
        .flat_map(|said| text::wrap(said.as_ref(), width))
        .map(|line| Line::styled(line, style))
        .collect()
}

/// Commands and remarks one a line, not wrapped: what fills an empty pane.
pub fn put_words(words: &[&str], inside: Rect, buffer: &mut Buffer, context: &Context) {
    let style = context.theme.text;
    let width = usize::from(inside.width.saturating_sub(2));
    let lines: Vec<Line> = words
        .iter()
        .flat_map(|line| {
            let line = context.keymap.fill(line);
            if text::width(&line) <= width {
                vec![line]
            } else {
                text::wrap(&line, width)
            }
        })
        .map(|line| Line::styled(line, style))
        .collect();
    put_lines(&lines, inside, 0, buffer);
}

/// What a part says while its snapshot is on its way.
pub fn waiting(what: &str, context: &Context) -> String {
    match context.lost {
        Some(since) => format!(
            "the daemon is out of reach for {}",
            text::age(context.now.since(since))
        ),
        None => format!("asking for {what}"),
    }
}

/// A word of `head` columns and what belongs to it, wrapped.
pub fn pair(
    (word, head): (&str, usize),
    value: &str,
    width: usize,
    style: Style,
    dim: Style,
) -> Vec<Line<'static>> {
    text::wrap(value, width.saturating_sub(head).max(8))
        .into_iter()
        .enumerate()
        .map(|(row, part)| {
            let word = if row == 0 { word } else { "" };
            Line::from(vec![
                Span::styled(text::left(word, head), dim),
                Span::styled(part, style),
            ])
        })
        .collect()
}

/// A name in at most `columns`, with `…` in its middle: both ends of a feature's name tell it from others.
pub fn middle(name: &str, columns: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if text::width(name) <= columns || columns < 5 || letters.len() != text::width(name) {
        return text::cut(name, columns);
    }
    let back = (columns - 1) / 2;
    let front = columns - 1 - back;
    let mut out: String = letters[..front].iter().collect();
    out.push('…');
    out.extend(&letters[letters.len() - back..]);
    out
}

/// A drift test's name in at most four columns, where it is a known one.
pub fn test(method: &str) -> &str {
    match method {
        "jensen_shannon" => "js",
        "wasserstein" => "wass",
        "chi_square" | "chi_square_contingency" => "chi2",
        "null_share" => "null",
        psi if psi.starts_with("psi") => "psi",
        "kolmogorov_smirnov" => "ks",
        "total_variation" => "tv",
        "hellinger" => "hell",
        "z_proportions" | "mean_z" => "z",
        "l_infinity" => "linf",
        "new_category_share" => "new",
        "infinities" => "inf",
        other => other,
    }
}

/// A number as a limit or score is written: three significant decimals, `0.00042` as such.
pub fn score(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        text::number(value)
    } else if size == 0.0 || (0.01..1000.0).contains(&size) {
        let decimals = if size >= 100.0 {
            0
        } else if size >= 10.0 {
            1
        } else {
            2
        };
        format!("{value:.decimals$}")
    } else if (0.0001..0.01).contains(&size) {
        format!("{value:.4}")
    } else {
        format!("{value:.0e}")
    }
}

/// A share as per cent: `0.1%`, `12%`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value != 0.0 && value.abs() < 0.05 {
        "<0.1%".to_owned()
    } else if value.abs() < 9.95 {
        format!("{value:.1}%")
    } else {
        format!("{value:.0}%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_both_ends() {
        assert_eq!(middle("airport_dep_delay_mean_3h", 15), "airport…mean_3h");
        assert_eq!(middle("origin", 15), "origin");
    }

    #[test]
    fn a_row_keeps_its_line_of_the_screen() {
        let mut cursor = Cursor { line: 5, top: 3 };
        cursor.keep(7, 6, 20);
        assert_eq!(cursor, Cursor { line: 7, top: 5 });
        cursor.go(0, 6, 20);
        assert_eq!(cursor, Cursor { line: 0, top: 0 });
    }

    #[test]
    fn scores_and_shares_are_short() {
        assert_eq!(score(0.31234), "0.31");
        assert_eq!(score(0.00042), "0.0004");
        assert_eq!(score(3e-9), "3e-9");
        assert_eq!(score(120.4), "120");
        assert_eq!(percent(0.024), "2.4%");
        assert_eq!(percent(0.0), "0.0%");
        assert_eq!(percent(0.31), "31%");
    }
}
