//! The header: tabs with badges, so that one look says where to go; workspace, host, link, clock.

use super::app::{App, LinkState};
use super::panes::PaneId;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// What a tab says beside its name: counts and signs from the overview.
fn badge(app: &App, id: PaneId) -> String {
    let Some(overview) = &app.overview else {
        return String::new();
    };
    match id {
        PaneId::Drift if overview.drifting > 0 => format!("!{}", overview.drifting),
        PaneId::Live if overview.healthy == Some(false) => "✗".to_owned(),
        PaneId::Jobs => {
            let mut parts = Vec::new();
            if overview.running > 0 {
                parts.push(format!("{}▶", overview.running));
            }
            if overview.failed > 0 {
                parts.push(format!("{}✗", overview.failed));
            }
            parts.join(" ")
        }
        _ => String::new(),
    }
}

/// Each tab with its first column and its text: with names where they leave room for the state of the link.
fn tabs(app: &App) -> Vec<(PaneId, u16, String)> {
    let least = ends(app)
        .iter()
        .rev()
        .nth(1)
        .map_or(0, |form| end_line(form.clone()).width());
    let named = tabs_with(app, true);
    let used = named.last().map_or(0, |(_, start, word)| {
        usize::from(*start) + text::width(word)
    });
    if used + 2 + least <= usize::from(app.size.0) {
        named
    } else {
        tabs_with(app, false)
    }
}

fn tabs_with(app: &App, names: bool) -> Vec<(PaneId, u16, String)> {
    let mut column = 1;
    PaneId::ALL
        .into_iter()
        .enumerate()
        .map(|(place, id)| {
            let mut words = vec![(place + 1).to_string()];
            if names || id == app.current {
                words.push(id.name().to_owned());
            }
            words.push(badge(app, id));
            words.retain(|word| !word.is_empty());
            let word = words.join(" ");
            let start = column;
            column += text::width(&word) as u16 + 2;
            (id, start, word)
        })
        .collect()
}

/// The parts of the right end with their gaps.
fn end_line(form: Vec<(String, Style)>) -> Line<'static> {
    let spans: Vec<Span> = form
        .into_iter()
        .enumerate()
        .flat_map(|(place, (word, style))| {
            // the sign of the link belongs to the host before it
            let gap = match (place, word.chars().count()) {
                (0, _) => "",
                (_, 1) => " ",
                _ => "  ",
            };
            [Span::raw(gap), Span::styled(word, style)]
        })
        .collect();
    Line::from(spans)
}

/// The tab at a column of the header.
pub fn tab_at(app: &App, column: u16) -> Option<PaneId> {
    tabs(app)
        .into_iter()
        .find(|(_, start, word)| (*start..*start + text::width(word) as u16).contains(&column))
        .map(|(id, _, _)| id)
}

/// What the right end says, longest form first; the first that fits is shown.
fn ends(app: &App) -> Vec<Vec<(String, Style)>> {
    let theme = &app.theme;
    let place = match &app.overview {
        Some(overview) => format!("{}@{}", overview.workspace, overview.host),
        None => app.setup.workspace.clone(),
    };
    let link = match &app.link {
        LinkState::Up => ("●".to_owned(), theme.good),
        LinkState::Opening(since) => {
            let waited = app.now.since(*since);
            if waited < 1000 {
                ("◌ connecting".to_owned(), theme.dim)
            } else {
                (format!("◌ connecting {} s", waited / 1000), theme.warn)
            }
        }
        LinkState::Lost(since, _) => (
            format!("◌ reconnecting {} s", app.now.since(*since) / 1000),
            theme.warn,
        ),
    };
    let mut flags: Vec<(String, Style)> = Vec::new();
    if app.setup.read_only {
        flags.push(("READ ONLY".to_owned(), theme.warn));
    }
    if app.frozen.is_some() {
        flags.push(("FROZEN".to_owned(), theme.warn));
    }
    let clock = (text::hour(app.now, app.setup.offset_s), theme.text);
    let up = app.overview.as_ref().map(|overview| {
        (
            format!("daemon up {}", text::age(app.now.since(overview.started))),
            theme.dim,
        )
    });
    let place = (place, theme.text);
    let mut forms = Vec::new();
    let mut full = flags.clone();
    full.extend([place.clone(), link.clone()]);
    full.extend(up);
    full.push(clock.clone());
    forms.push(full);
    let mut short = flags.clone();
    short.extend([place, link.clone()]);
    forms.push(short);
    let mut least = flags.clone();
    least.push(link.clone());
    forms.push(least);
    forms.push(vec![link]);
    forms
}

/// Draws it.
pub fn render(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let production = app
        .overview
        .as_ref()
        .is_some_and(|overview| overview.production);
    let base = if production {
        theme.production
    } else {
        Style::new()
    };
    buffer.set_style(area, base);
    let mut used = 0;
    for (id, start, word) in tabs(app) {
        let style = if id == app.current {
            if production {
                base.patch(theme.selected)
            } else {
                theme.accent.patch(theme.selected)
            }
        } else if production {
            base
        } else {
            theme.text
        };
        if start >= area.width {
            break;
        }
        buffer.set_stringn(
            area.x + start,
            area.y,
            &word,
            usize::from(area.width - start),
            style,
        );
        used = start + text::width(&word) as u16;
    }
    for form in ends(app) {
        let form = form
            .into_iter()
            .map(|(word, style)| (word, if production { base } else { style }))
            .collect();
        let line = end_line(form);
        let width = line.width() as u16;
        if used + 2 + width <= area.width {
            let margin = u16::from(used + 3 + width <= area.width);
            buffer.set_line(area.right() - width - margin, area.y, &line, width);
            return;
        }
    }
}
