//! The table of the runs pane.

use super::super::columns::{self, Column};
use super::super::places::places;
use super::super::{LETTERS, Part, Runs};
use super::parts_title;
use crate::tui::frame;
use crate::tui::layout::Room;
use crate::tui::panes::Context;
use crate::tui::panes::parts::{inside, waiting};
use crate::tui::widgets::table::{self as table_widget, Hit, Row, Table};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

fn heads(shown: &[Column], primary: Option<&str>) -> Vec<table_widget::Column> {
    let mut heads = vec![table_widget::Column::text("", 1)];
    let grows = shown.iter().position(|column| *column == Column::Name);
    heads.extend(shown.iter().enumerate().map(|(place, column)| {
        let title = column.name().to_uppercase();
        let width = column.width(primary) as u16;
        let head = if column.at_right() {
            table_widget::Column::number(title, width)
        } else {
            table_widget::Column::text(title, width)
        };
        if grows == Some(place) {
            head.growing()
        } else {
            head
        }
    }));
    heads
}

/// Calls `with` with the table as it is drawn.
pub(super) fn with_table<T>(
    pane: &Runs,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> Option<T> {
    let table = pane.table.as_ref()?;
    let theme = context.theme;
    let shown = columns::fitting(table, pane.chosen.as_deref(), usize::from(area.width));
    let heads = heads(&shown, table.primary_metric.as_deref());
    let order = pane.order();
    let sort = order.and_then(|(by, down)| {
        let place = shown.iter().position(|column| *column == by)?;
        Some((place + 1, down))
    });
    let asked = pane.query();
    let stale = pane
        .answered
        .as_ref()
        .is_none_or(|known| known.filter != asked.filter || known.order_by != asked.order_by);
    let row = |line: usize| {
        let Some(run) = pane.line(line) else {
            return Row::plain(["", "…"], theme.dim);
        };
        let champion = pane.is_champion(&run.id) && line < pane.lead();
        let mark = pane.marks.iter().position(|(marked, _)| *marked == run.id);
        let sign = match (champion, mark) {
            (true, _) => ("◆".to_owned(), theme.champion),
            (_, Some(place)) => (LETTERS[place].to_owned(), theme.marks[place]),
            _ if pane.is_champion(&run.id) => ("◆".to_owned(), theme.dim),
            _ => (" ".to_owned(), theme.text),
        };
        let mut cells = vec![sign];
        cells.extend(shown.iter().map(|column| {
            let (text, style) = columns::cell(column, run, table, champion, context.now, theme);
            match mark {
                _ if stale => (text, theme.dim),
                Some(place) if *column == Column::Name => (text, theme.marks[place]),
                _ => (text, style),
            }
        }));
        Row { cells }
    };
    let table = Table {
        columns: &heads,
        count: pane.count(),
        row: &row,
        offset: pane.top,
        selected: Some(pane.cursor),
        focused: pane.part == Part::Table,
        sort,
        empty: "no run matches the filter; Esc clears it",
    };
    Some(with(&table))
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Runs, context: &Context, position: Position) -> Option<Hit> {
    let area = inside(places(pane, context.area).table);
    with_table(pane, area, context, |table| {
        table.hit(area, position.x, position.y)
    })
    .flatten()
}

pub(super) fn runs(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Table;
    let title = if Room::of(context.area) == Room::One || pane.zoomed {
        parts_title(pane, "Runs")
    } else {
        "Runs".to_owned()
    };
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let look = context.theme.look();
    let drawn = with_table(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    if drawn.is_none() {
        let said = waiting("runs", context);
        buffer.set_stringn(
            inside.x + 1,
            inside.y,
            said,
            usize::from(inside.width.saturating_sub(1)),
            context.theme.dim,
        );
    }
}
