//! The lowest parts of the wide screen: live, jobs and messages in a line each.

use super::super::Runs;
use crate::tui::panes::Context;
use crate::tui::panes::parts::put_lines;
use crate::tui::widgets::sparkline;
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Cells of a job's bar.
const BAR: usize = 15;

pub(super) fn strip(pane: &Runs, areas: &[Rect; 3], buffer: &mut Buffer, context: &Context) {
    if areas[0].is_empty() {
        return;
    }
    let theme = context.theme;
    let look = theme.look();
    let sentence = pane.live.as_ref().map_or_else(
        || "Live ─ nothing deployed".to_owned(),
        |page| format!("Live ─ {}", page.sentence),
    );
    let inside = frame::part(buffer, areas[0], sentence, false, theme);
    if let Some(page) = &pane.live {
        let version = page
            .deployment
            .version
            .map_or_else(String::new, |version| version.to_string());
        let mut line = format!("{} {version}", page.deployment.name);
        for limit in &page.limits {
            if let Some(value) = limit.value {
                let word = match limit.name.as_str() {
                    "traffic" => String::new(),
                    name => format!("{name} "),
                };
                line.push_str(&format!("  {word}{} {}", text::number(value), limit.unit));
                if limit.name == "traffic" {
                    let history = sparkline::text(&limit.history, 15, None, look.ascii);
                    line.push_str(&format!(" {history}"));
                }
            }
        }
        let style = if page.healthy { theme.text } else { theme.bad };
        put_lines(&[Line::styled(line, style)], inside, 0, buffer);
    }
    let title = pane.jobs.as_ref().map_or_else(
        || "Jobs".to_owned(),
        |page| format!("Jobs ─ {} running, {} waiting", page.running, page.waiting),
    );
    let inside = frame::part(buffer, areas[1], title, false, theme);
    if let Some(row) = pane.jobs.as_ref().and_then(|page| page.rows.first()) {
        let job = &row.job;
        let sign = if job.state.is_ended() { "" } else { "▶ " };
        let mut line = format!("{sign}{} {}", job.id, job.title);
        match (job.state.is_ended(), job.progress) {
            (false, Some(share)) => {
                let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
                let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
                line.push_str(&format!("  {bar} {:.0}%", share * 100.0));
            }
            (true, _) => line.push_str(&format!("  {}", job.state.as_str())),
            _ => {}
        }
        if let Some(left) = row.left_s {
            line.push_str(&format!("  {} left", text::age((left * 1000.0) as i64)));
        }
        put_lines(&[Line::styled(line, theme.text)], inside, 0, buffer);
    }
    let inside = frame::part(buffer, areas[2], "Messages", false, theme);
    if let Some(last) = context.messages.last() {
        put_lines(&[Line::raw(last.clone())], inside, 0, buffer);
    }
}
