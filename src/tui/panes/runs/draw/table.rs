//! The table of the runs pane.

use super::super::columns::{self, Column};
use super::super::fold::{CHILDREN, Place};
use super::super::places::places;
use super::super::{LETTERS, Part, Runs};
use super::{groups, parts_title};
use crate::domain::run::RunRow;
use crate::tui::frame;
use crate::tui::layout::Room;
use crate::tui::panes::Context;
use crate::tui::panes::parts::{inside, waiting};
use crate::tui::text;
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
    if pane.group.is_some() {
        return groups::with_table(pane, context, with);
    }
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
            let (mut text, style) = columns::cell(column, run, table, champion, context.now, theme);
            if *column == Column::Name && !champion {
                text = family(pane, line, run, text);
            }
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
        empty: &context.keymap.fill(if !pane.filter.is_empty() {
            "no run matches the filter; ‹back› clears it"
        } else if pane.archived {
            "no run is archived; ‹experiment› shows the others"
        } else {
            "no run yet in this experiment; ‹experiment› shows the others"
        }),
    };
    Some(with(&table))
}

/// A name with its place in the family: a parent says how many children it has, a child stands below its parent.
fn family(pane: &Runs, line: usize, run: &RunRow, name: String) -> String {
    if let Place::Child(..) = pane.place(line) {
        return format!("└ {name}");
    }
    if run.children == 0 {
        return name;
    }
    let open = pane.nested() && pane.unfolded.iter().any(|known| known.run == run.id);
    let sign = if open { "▾" } else { "▸" };
    let shown = CHILDREN.min(run.children);
    if open && shown < run.children {
        format!("{sign} {name} ({shown} of {})", run.children)
    } else {
        format!("{sign} {name} ({})", run.children)
    }
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
    let name = match (&pane.group, pane.archived_now()) {
        (Some(by), _) => format!("Runs by {}", super::super::groups::name(by)),
        (None, true) => "Archived runs".to_owned(),
        (None, false) => "Runs".to_owned(),
    };
    let title = if Room::of(context.area) == Room::One || pane.zoomed {
        parts_title(pane, &name)
    } else {
        name
    };
    // the answer of the pane stands over its evidence
    let said = match (&pane.group, &pane.table) {
        (Some(_), _) => pane.groups.as_ref().map(|shown| shown.sentence.as_str()),
        (None, table) => table.as_ref().map(|table| table.sentence.as_str()),
    };
    let title = match said.filter(|said| !said.is_empty()) {
        Some(said) => format!("{title} ─ {said}"),
        None => title,
    };
    let title = text::cut(&title, usize::from(area.width.saturating_sub(6)));
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
