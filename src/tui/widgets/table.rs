//! A table: headings with a sort arrow, rows with a cursor, columns that keep their width.
//!
//! Rows come from a function, so that only visible ones are made. What is where is a pure function of
//! the area ([`Table::hit`]), so that a mouse click needs nothing learned while drawing.

use super::{Look, paint, put, truncate};
use crate::tui::text::wrap;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use unicode_width::UnicodeWidthStr;

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// In the heading.
    pub title: String,
    /// Columns of the screen; the first column with `grow` gets what is left as well.
    pub width: u16,
    /// Numbers: text ends at the right.
    pub right: bool,
    /// Takes the room that is left.
    pub grow: bool,
}

impl Column {
    /// A column of text.
    pub fn text(title: impl Into<String>, width: u16) -> Self {
        Self {
            title: title.into(),
            width,
            right: false,
            grow: false,
        }
    }

    /// A column of numbers.
    pub fn number(title: impl Into<String>, width: u16) -> Self {
        Self {
            right: true,
            ..Self::text(title, width)
        }
    }

    /// The same column, taking the room that is left.
    #[must_use]
    pub fn growing(mut self) -> Self {
        self.grow = true;
        self
    }
}

/// One row, made when it is visible.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Text and style of each column; missing ones are blank.
    pub cells: Vec<(String, Style)>,
}

impl Row {
    /// A row in one style.
    pub fn plain<T: Into<String>>(cells: impl IntoIterator<Item = T>, style: Style) -> Self {
        Self {
            cells: cells.into_iter().map(|text| (text.into(), style)).collect(),
        }
    }
}

/// What a place of the screen belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The heading of a column.
    Heading(usize),
    /// A row.
    Row(usize),
}

/// A table as it is drawn.
pub struct Table<'a> {
    /// The columns; those that do not fit are left out from the right.
    pub columns: &'a [Column],
    /// Rows there are.
    pub count: usize,
    /// Makes a row.
    pub row: &'a dyn Fn(usize) -> Row,
    /// The first row shown: [`scrolled`] keeps the cursor in view.
    pub offset: usize,
    /// The row with the cursor.
    pub selected: Option<usize>,
    /// Whether this part of the screen has the focus.
    pub focused: bool,
    /// The column sorted by, and whether downwards.
    pub sort: Option<(usize, bool)>,
    /// Said when there is no row.
    pub empty: &'a str,
}

/// Rows that an area of this height shows of `count`: below the heading, and above the line "… more"
/// that long tables have.
pub fn visible(height: u16, count: usize) -> usize {
    let body = usize::from(height).saturating_sub(1);
    if count > body {
        body.saturating_sub(1).max(usize::from(body > 0))
    } else {
        body
    }
}

/// The offset nearest to `offset` that shows row `selected`. A cursor that goes one row over the edge takes a third of the
/// page along: then only every few keys redraw all rows, which a slow line feels.
pub fn scrolled(selected: usize, offset: usize, height: u16, count: usize) -> usize {
    let shown = visible(height, count).max(1);
    let last = count.saturating_sub(shown);
    let offset = offset.min(last);
    let leap = (shown / 3).max(1);
    if selected + 1 == offset {
        offset.saturating_sub(leap)
    } else if selected < offset {
        selected
    } else if selected == offset + shown {
        (offset + leap).min(last)
    } else if selected > offset + shown {
        selected + 1 - shown
    } else {
        offset
    }
}

/// Left edge and width of each column that fits, counted from the table's left edge. The first cell
/// of a line belongs to the cursor.
pub fn widths(columns: &[Column], width: u16) -> Vec<(u16, u16)> {
    let mut fitting = 0;
    let mut used = 1;
    for column in columns {
        let gap = u16::from(fitting > 0);
        if fitting > 0 && used + gap + column.width > width {
            break;
        }
        used += gap + column.width;
        fitting += 1;
    }
    let spare = width.saturating_sub(used);
    let growing = columns[..fitting].iter().position(|column| column.grow);
    let mut left = 1;
    columns[..fitting]
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let extra = if growing == Some(place) { spare } else { 0 };
            let wide = (column.width + extra).min(width.saturating_sub(left));
            let here = (left, wide);
            left += column.width + extra + 1;
            here
        })
        .collect()
}

impl Table<'_> {
    /// What `(x, y)` belongs to when the table is drawn into `area`.
    pub fn hit(&self, area: Rect, x: u16, y: u16) -> Option<Hit> {
        if !area.contains((x, y).into()) {
            return None;
        }
        if y == area.y {
            let places = widths(self.columns, area.width);
            let x = x - area.x;
            return places
                .iter()
                .position(|(left, width)| x >= *left && x < left + width)
                .map(Hit::Heading);
        }
        let line = usize::from(y - area.y - 1);
        let row = self.offset + line;
        (line < visible(area.height, self.count) && row < self.count).then_some(Hit::Row(row))
    }

    /// Draws headings, rows, and how many more there are.
    pub fn render(&self, area: Rect, buf: &mut Buffer, look: &Look) {
        let area = area.intersection(*buf.area());
        if area.is_empty() {
            return;
        }
        let places = widths(self.columns, area.width);
        for (place, (column, (left, width))) in self.columns.iter().zip(&places).enumerate() {
            let arrow = match self.sort {
                Some((by, true)) if by == place => look.sign("↓", "v"),
                Some((by, false)) if by == place => look.sign("↑", "^"),
                _ => "",
            };
            let title = truncate(
                &column.title,
                usize::from(*width).saturating_sub(arrow.width()),
                look.ascii,
            );
            let title = format!("{title}{arrow}");
            let at = (area.x + left, area.y);
            let style = if arrow.is_empty() {
                look.dim
            } else {
                look.accent
            };
            cell(buf, at, *width, &title, column.right, style, look);
        }
        if self.count == 0 {
            let width = usize::from(area.width).saturating_sub(1);
            for (row, line) in wrap(self.empty, width).iter().enumerate() {
                let text = truncate(line, width, look.ascii);
                let at = (area.x + 1, area.y + 1 + row as u16);
                if at.1 < area.bottom() {
                    put(buf, at, &text, area.width, look.dim);
                }
            }
            return;
        }
        let shown = visible(area.height, self.count);
        let last = (self.offset + shown).min(self.count);
        for index in self.offset..last {
            let y = area.y + 1 + (index - self.offset) as u16;
            let row = (self.row)(index);
            // one bar: a colour of a letter would become a patch of it (signs and words say the same)
            let bar = self.focused && self.selected == Some(index);
            for ((column, (left, width)), (text, style)) in
                self.columns.iter().zip(&places).zip(&row.cells)
            {
                let at = (area.x + left, y);
                let style = if bar { style.fg(Color::Reset) } else { *style };
                cell(buf, at, *width, text, column.right, style, look);
            }
            if self.selected == Some(index) {
                let line = Rect {
                    y,
                    height: 1,
                    ..area
                };
                let sign = look.sign("▌", ">");
                put(buf, (area.x, y), sign, 1, look.accent);
                if self.focused {
                    paint(buf, line, look.selected);
                }
            }
        }
        let hidden = self.count - shown.min(self.count);
        let y = area.y + 1 + shown as u16;
        if hidden > 0 && y < area.bottom() {
            let below = self.count - last;
            let dots = look.sign("…", "...");
            let text = if below > 0 {
                format!("{dots} {below} more")
            } else {
                format!("{dots} {} above", self.offset)
            };
            put(buf, (area.x + 1, y), &text, area.width - 1, look.dim);
        }
    }
}

fn cell(
    buf: &mut Buffer,
    (x, y): (u16, u16),
    width: u16,
    text: &str,
    right: bool,
    style: Style,
    look: &Look,
) {
    let text = truncate(text, usize::from(width), look.ascii);
    let used = text.width() as u16;
    let x = if right {
        x + width.saturating_sub(used)
    } else {
        x
    };
    put(buf, (x, y), &text, used, style);
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    fn columns() -> Vec<Column> {
        vec![
            Column::text("NAME", 10).growing(),
            Column::text("STATE", 8),
            Column::number("VAL_AUC", 8),
            Column::number("AGE", 4),
        ]
    }

    fn runs(index: usize) -> Row {
        let names = ["brave-otter", "calm-heron", "a-name-that-is-far-too-long"];
        let auc = format!("{:.4}", 0.8123 - index as f64 / 100.0);
        Row::plain(
            [names[index % 3], "done", &auc, &format!("{index}h")],
            Style::new(),
        )
    }

    fn table<'a>(columns: &'a [Column], row: &'a dyn Fn(usize) -> Row) -> Table<'a> {
        Table {
            columns,
            count: 9,
            row,
            offset: 0,
            selected: Some(1),
            focused: true,
            sort: Some((2, true)),
            empty: "no runs yet: trainyard train",
        }
    }

    fn screen(width: u16, height: u16, table: &Table<'_>, look: &Look) -> String {
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        table.render(*buf.area(), &mut buf, look);
        text(&buf)
    }

    #[test]
    fn numbers_end_at_the_right_and_the_sorted_heading_has_an_arrow() {
        let columns = columns();
        insta::assert_snapshot!(screen(40, 6, &table(&columns, &runs), &Look::mono()), @r"
         NAME             STATE    VAL_AUC↓  AGE
         brave-otter      done       0.8123   0h
        ▌calm-heron       done       0.8023   1h
         a-name-that-is-… done       0.7923   2h
         brave-otter      done       0.7823   3h
         … 5 more
        ");
    }

    #[test]
    fn columns_that_do_not_fit_are_left_out() {
        let columns = columns();
        let look = Look {
            ascii: true,
            ..Look::mono()
        };
        insta::assert_snapshot!(screen(22, 4, &table(&columns, &runs), &look), @r"
         NAME         STATE
         brave-otter  done
        >calm-heron   done
         ... 7 more
        ");
    }

    #[test]
    fn a_click_finds_its_row_and_its_heading() {
        let columns = columns();
        let area = Rect::new(5, 3, 40, 6);
        let mut table = table(&columns, &runs);
        table.offset = 4;
        assert_eq!(table.hit(area, 7, 5), Some(Hit::Row(5)));
        assert_eq!(table.hit(area, 35, 3), Some(Hit::Heading(2)));
        assert_eq!(table.hit(area, 7, 8), None, "the line that counts the rest");
        assert_eq!(table.hit(area, 2, 5), None);
    }

    #[test]
    fn scrolling_keeps_the_cursor_in_view_and_moves_as_little_as_possible() {
        assert_eq!(visible(6, 9), 4);
        assert_eq!(visible(6, 5), 5);
        assert_eq!(scrolled(3, 0, 6, 9), 0);
        assert_eq!(scrolled(4, 0, 6, 9), 1);
        assert_eq!(scrolled(8, 0, 6, 9), 5);
        assert_eq!(scrolled(2, 5, 6, 9), 2);
        assert_eq!(scrolled(0, 7, 6, 3), 0);
    }

    #[test]
    fn one_row_over_the_edge_takes_a_third_of_the_page_along() {
        // of 20 rows 9 are shown
        assert_eq!(scrolled(9, 0, 11, 20), 3);
        assert_eq!(scrolled(2, 3, 11, 20), 0);
        assert_eq!(scrolled(18, 9, 11, 20), 11, "the last page");
    }

    #[test]
    fn an_empty_table_says_what_would_fill_it() {
        let columns = columns();
        let mut table = table(&columns, &runs);
        table.count = 0;
        assert!(screen(40, 3, &table, &Look::mono()).contains("no runs yet: trainyard train"));
        let narrow = screen(16, 4, &table, &Look::mono());
        assert!(
            narrow.contains("no runs yet:\n") && narrow.contains(" trainyard train"),
            "{narrow}"
        );
    }
}
