//! The last requests, newest first.

use super::{Live, Part, draw};
use crate::tui::layout::Room;
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::table::{Column, Hit, Row, Table};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

fn heads(width: u16) -> Vec<Column> {
    let mut heads = vec![
        Column::text("TIME", 8),
        Column::number("CODE", 4),
        Column::number("MS", 7),
        Column::text("ANSWER", if width > 100 { 20 } else { 12 }),
    ];
    if width > 100 {
        heads.push(Column::number("ROWS", 5));
        heads.push(Column::text("BY", 4));
    }
    heads.push(Column::text("OF", 20).growing());
    heads
}

fn with_requests<T>(
    pane: &Live,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let width = area.width;
    let heads = heads(width);
    let row = |line: usize| {
        let Some(row) = rows.get(line) else {
            return Row::default();
        };
        let failed = row.status >= 400;
        let style = if failed { theme.bad } else { theme.text };
        let mut cells = vec![
            (text::second(row.at, context.offset_s), theme.text),
            (row.status.to_string(), style),
            (format!("{:.1}", row.ms), theme.text),
            (row.answer.clone(), style),
        ];
        if width > 100 {
            let version = row.version.map(|version| version.to_string());
            cells.push((text::count(u64::from(row.rows)), theme.text));
            cells.push((version.unwrap_or_else(|| "—".to_owned()), theme.text));
        }
        cells.push((
            row.detail.clone(),
            if failed { theme.bad } else { theme.dim },
        ));
        Row { cells }
    };
    with(&Table {
        columns: &heads,
        count: rows.len(),
        row: &row,
        offset: pane.cursor.first(area.height, rows.len()),
        selected: Some(pane.cursor.line),
        focused: pane.part == Part::Requests,
        sort: None,
        empty: &context.keymap.fill(if pane.filter.is_empty() {
            "no request in this window: trainyard predict, or POST /invocations"
        } else {
            "no request matches the filter; ‹back› clears it"
        }),
    })
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Live, context: &Context, at: Position) -> Option<Hit> {
    let inside = parts::inside(draw::places(pane, context.area).requests);
    with_requests(pane, inside, context, |table| table.hit(inside, at.x, at.y))
}

/// "gpu-7: cpu 41 % of 8 · mem 5.2G of 32G · disk 120G free · H100 12 % 3.1G".
pub fn host(pane: &Live, room: usize) -> Option<String> {
    let host = pane.host.as_ref()?;
    let mut parts = vec![
        format!("cpu {:.0} % of {}", host.cpu_percent, host.cores),
        format!(
            "memory {} of {}",
            text::bytes(host.memory_used),
            text::bytes(host.memory_total)
        ),
        format!("disk {} free", text::bytes(host.disk_free)),
    ];
    for gpu in &host.gpus {
        let heat = gpu
            .temperature
            .map_or_else(String::new, |degrees| format!(" {degrees} °C"));
        parts.push(format!(
            "{} {} % {} of {}{heat}",
            gpu.name,
            gpu.percent,
            text::bytes(gpu.memory_used),
            text::bytes(gpu.memory_total)
        ));
    }
    if host.gpus.is_empty() {
        parts.push("no GPU".to_owned());
    }
    parts.push(format!("daemon {}", text::bytes(host.daemon_resident)));
    let mut said = String::new();
    for part in parts {
        let next = if said.is_empty() {
            part
        } else {
            format!("{said} · {part}")
        };
        if text::width(&next) > room {
            break;
        }
        said = next;
    }
    (!said.is_empty()).then_some(said)
}

/// Draws the table, and the machine in its lower border.
pub fn draw(pane: &Live, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Requests;
    let mut name = "last requests".to_owned();
    if let Some(page) = pane.shown() {
        let (served, failed) = page.total;
        name = format!(
            "last requests ─ {} served, {} failed",
            text::count(served),
            text::count(failed)
        );
        if area.width >= 80 {
            name.push_str(" since the daemon started");
        }
        if page.dropped > 0 {
            name.push_str(&format!(", {} not logged", text::count(page.dropped)));
        }
    }
    let name = draw::title(pane, Part::Requests, name, context);
    let room = usize::from(area.width.saturating_sub(4));
    let inside = frame::part(buffer, area, text::cut(&name, room), focused, theme);
    let look = theme.look();
    with_requests(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    if Room::of(context.area) >= Room::Normal
        && let Some(said) = host(pane, room)
    {
        frame::foot(buffer, area, Line::styled(said, theme.dim), theme);
    }
}
