//! Draws the jobs pane: the table above, the log below. Changes nothing.

use super::{Jobs, Part};
use crate::domain::job::{Job, JobRow, JobState};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, ways_to_begin};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{self as table_widget, Hit, Row, Table};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub table: Rect,
    pub log: Rect,
}

/// Where everything is in `area`.
pub fn places(pane: &Jobs, area: Rect) -> Places {
    if Room::of(area) == Room::One || pane.zoomed || area.height < 12 {
        return match pane.part {
            Part::Table => Places {
                table: area,
                log: Rect::default(),
            },
            Part::Log => Places {
                table: Rect::default(),
                log: area,
            },
        };
    }
    let (table, log) = layout::above(area, area.height.div_ceil(2));
    Places { table, log }
}

fn summary(pane: &Jobs, context: &Context) -> String {
    match &pane.page {
        None => "Jobs".to_owned(),
        Some(page) => format!(
            "Jobs ─ {} running, {} waiting, daemon up {}",
            page.running,
            page.waiting,
            text::age(context.now.since(page.daemon_started))
        ),
    }
}

/// The status line.
pub fn status(pane: &Jobs, context: &Context) -> Vec<String> {
    let Some(page) = &pane.page else {
        return vec!["jobs are on their way".to_owned()];
    };
    let mut parts = vec![format!(
        "{} running, {} waiting",
        page.running, page.waiting
    )];
    let shown = pane.rows().len();
    parts.push(if pane.filter.is_empty() {
        text::counted(shown as u64, "job", "jobs")
    } else {
        format!(
            "{shown} of {} jobs │ filter {}",
            page.rows.len(),
            pane.filter
        )
    });
    if let Some(job) = pane.current() {
        parts.push(job.cause.to_string());
        if job.max_attempts > 1 {
            parts.push(format!("attempt {} of {}", job.attempt, job.max_attempts));
        }
    }
    if let Some(since) = context.lost {
        parts.push(format!("as of {} ago", text::age(context.now.since(since))));
    }
    parts
}

/// Draws the pane.
pub fn render(pane: &Jobs, buffer: &mut Buffer, context: &Context) {
    let places = places(pane, context.area);
    table(pane, places.table, buffer, context);
    log(pane, places.log, buffer, context);
}

fn heads() -> Vec<table_widget::Column> {
    use table_widget::Column as C;
    vec![
        C::text("", 1),
        C::number("ID", 4),
        C::text("WHAT", 24),
        C::text("STATE", 14).growing(),
        C::number("LEFT", 5),
        C::number("CPU", 5),
        C::number("MEM", 5),
    ]
}

fn sign(state: JobState, theme: &Theme) -> (&'static str, Style) {
    match state {
        JobState::Queued => ("…", theme.dim),
        JobState::Running => ("▶", theme.busy),
        JobState::Succeeded => ("✓", theme.good),
        JobState::Failed | JobState::Lost => ("✗", theme.bad),
        JobState::Cancelled => ("✗", theme.warn),
    }
}

/// The state column: a bar with what is done, or words. The second says that it may go to the end of the line.
fn state(row: &JobRow, context: &Context, room: usize) -> (String, bool) {
    let job = &row.job;
    let ago = |at: Option<crate::domain::Timestamp>| {
        at.map_or_else(String::new, |at| {
            format!(" {} ago", text::age(context.now.since(at)))
        })
    };
    match job.state {
        JobState::Running => match job.progress {
            Some(share) => {
                let width = room.saturating_sub(5).min(24);
                let full = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
                let bar = "█".repeat(full) + &"░".repeat(width - full);
                (format!("{bar} {:>3.0}%", share * 100.0), false)
            }
            None => (
                job.doing.clone().unwrap_or_else(|| "running".to_owned()),
                false,
            ),
        },
        JobState::Queued => match job.after {
            Some(after) => (format!("after {after}"), true),
            None => ("waiting for a slot".to_owned(), true),
        },
        JobState::Succeeded => {
            let took = match (job.started, job.ended) {
                (Some(started), Some(ended)) => {
                    format!(", took {}", text::duration(ended.since(started)))
                }
                _ => String::new(),
            };
            (format!("done{}{took}", ago(job.ended)), true)
        }
        ended => {
            let why = job
                .error
                .as_ref()
                .map_or_else(String::new, |error| format!(": {error}"));
            (format!("{}{}{why}", ended.as_str(), ago(job.ended)), true)
        }
    }
}

fn with_table<T>(pane: &Jobs, area: Rect, context: &Context, with: impl FnOnce(&Table) -> T) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let heads = heads();
    let room = table_widget::widths(&heads, area.width)
        .get(3)
        .map_or(0, |(_, width)| usize::from(*width));
    let row = |line: usize| {
        let Some(row) = rows.get(line) else {
            return Row::default();
        };
        let (sign, style) = sign(row.job.state, theme);
        let plain = if row.job.state.is_ended() {
            theme.dim
        } else {
            theme.text
        };
        let (state, spans) = state(row, context, room);
        let state = if spans { String::new() } else { state };
        let left = row
            .left_s
            .map_or_else(String::new, |left| text::age((left * 1000.0) as i64));
        let cpu = row
            .cpu_percent
            .map_or_else(String::new, |cpu| format!("{cpu:.0}%"));
        let memory = row.memory.map_or_else(String::new, text::bytes);
        Row {
            cells: vec![
                (sign.to_owned(), style),
                (row.job.id.to_string(), plain),
                (row.job.title.clone(), theme.text),
                (state, style),
                (left, plain),
                (cpu, plain),
                (memory, plain),
            ],
        }
    };
    with(&Table {
        columns: &heads,
        count: rows.len(),
        row: &row,
        offset: pane.top,
        selected: Some(pane.cursor),
        focused: pane.part == Part::Table,
        sort: None,
        empty: &context
            .keymap
            .fill("no job matches the filter; ‹back› clears it"),
    })
}

fn inside(area: Rect) -> Rect {
    Rect::new(
        area.x + 1,
        area.y + 1,
        area.width.saturating_sub(2),
        area.height.saturating_sub(2),
    )
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Jobs, context: &Context, position: Position) -> Option<Hit> {
    let area = inside(places(pane, context.area).table);
    with_table(pane, area, context, |table| {
        table.hit(area, position.x, position.y)
    })
}

fn table(pane: &Jobs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Table;
    let inside = frame::part(buffer, area, summary(pane, context), focused, theme);
    let none = pane.page.as_ref().is_none_or(|page| page.rows.is_empty());
    if none {
        if pane.page.is_some() {
            ways_to_begin(inside, buffer, context);
        } else {
            buffer.set_stringn(
                inside.x + 1,
                inside.y,
                "asking for jobs",
                usize::from(inside.width.saturating_sub(1)),
                theme.dim,
            );
        }
        return;
    }
    let look = theme.look();
    with_table(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    // what has no numbers to the right may say more
    let rows = pane.rows();
    let places = table_widget::widths(&heads(), inside.width);
    let Some((left, _)) = places.get(3).copied() else {
        return;
    };
    let shown = table_widget::visible(inside.height, rows.len());
    for (place, row) in rows.iter().enumerate().skip(pane.top).take(shown) {
        let (said, spans) = state(row, context, 0);
        if !spans {
            continue;
        }
        let (_, style) = sign(row.job.state, theme);
        let room = usize::from(inside.width.saturating_sub(left));
        let y = inside.y + 1 + (place - pane.top) as u16;
        let style = if place == pane.cursor && focused {
            theme.selected
        } else {
            style
        };
        buffer.set_stringn(inside.x + left, y, text::cut(&said, room), room, style);
    }
}

/// What the log of a job says while it has no line: what the job waits for, or what it did without a word.
fn without_lines(job: Option<&Job>, context: &Context) -> String {
    let Some(job) = job else {
        return "the job is not in the list any more".to_owned();
    };
    let took = match (job.started, job.ended) {
        (Some(started), Some(ended)) => format!(" in {}", text::duration(ended.since(started))),
        _ => String::new(),
    };
    match job.state {
        JobState::Queued => match job.after {
            Some(after) => format!("waits for job {after} to end; its log begins when it starts"),
            None => "waits for a slot; its log begins when it starts".to_owned(),
        },
        JobState::Running => {
            let since = job.started.map_or_else(String::new, |started| {
                format!(" for {}", text::age(context.now.since(started)))
            });
            format!("running{since}, and has logged nothing so far")
        }
        JobState::Succeeded => format!("done{took}, without a line in its log"),
        JobState::Failed | JobState::Lost | JobState::Cancelled => {
            format!("{}{took}, without a line in its log", job.state.as_str())
        }
    }
}

fn log(pane: &Jobs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Log;
    let pictured = pane.pictured();
    let lines: &[String] = pictured.map_or(&[], |(log, _)| &log.lines);
    let title = match pictured.map(|(log, _)| log.job).or(pane.selected) {
        None => "Log".to_owned(),
        Some(job) => {
            let ended = pictured
                .and_then(|(_, job)| job)
                .is_some_and(|job| job.state.is_ended());
            let state = if pane.follow && ended {
                text::counted(lines.len() as u64, "line", "lines")
            } else if pane.follow {
                "following".to_owned()
            } else {
                format!("{} lines from the end (‹follow› follows)", pane.back)
            };
            let search = if pane.search.is_empty() {
                String::new()
            } else {
                let wanted = pane.search.to_lowercase();
                let hits = lines
                    .iter()
                    .filter(|line| line.to_lowercase().contains(&wanted))
                    .count();
                format!(
                    " ─ {hits} hits for {} (‹next_match› ‹previous_match›)",
                    pane.search
                )
            };
            context.keymap.fill(&format!("{job} log ─ {state}{search}"))
        }
    };
    let mut inside = frame::part(buffer, area, title, focused, theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let job = pictured.and_then(|(_, job)| job);
    if let Some(error) = job.and_then(|job| job.error.as_ref()) {
        for line in text::wrap(&format!("✗ {error}"), width).into_iter().take(3) {
            if inside.height < 2 {
                break;
            }
            buffer.set_stringn(inside.x + 1, inside.y, line, width, theme.bad);
            inside.y += 1;
            inside.height -= 1;
        }
    }
    if lines.is_empty() {
        let said = match (pane.selected, pictured) {
            (None, _) => "no job is selected".to_owned(),
            (Some(_), Some((_, job))) => without_lines(job, context),
            _ => "asking for the log".to_owned(),
        };
        let said = text::cut(&said, width);
        buffer.set_stringn(inside.x + 1, inside.y, said, width, theme.dim);
        return;
    }
    let rows = usize::from(inside.height);
    let end = lines
        .len()
        .saturating_sub(pane.back)
        .max(rows.min(lines.len()));
    let start = end.saturating_sub(rows);
    let wanted = pane.search.to_lowercase();
    for (row, line) in lines[start..end].iter().enumerate() {
        let hit = !wanted.is_empty() && line.to_lowercase().contains(&wanted);
        let here = focused && !wanted.is_empty() && start + row + 1 + pane.back == lines.len();
        let style = match (hit, here) {
            (true, true) => theme.selected,
            (true, false) => theme.accent,
            _ => theme.text,
        };
        let line: String = line
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        buffer.set_stringn(
            inside.x + 1,
            inside.y + row as u16,
            text::cut(&line, width),
            width,
            style,
        );
    }
}
