//! What the registry pane says about a version, as lines: checks, comparison with the champion, lineage, history.

use super::{Registry, is_champion};
use crate::chart::{Bar, Bars, Chart, ChartSpec};
use crate::domain::Version;
use crate::domain::registry::{AliasMove, CHAMPION, MoveKind, VersionPage, VersionRow};
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Names of the metrics of both versions: the gate's first, then by name.
fn metrics(page: &VersionPage) -> Vec<String> {
    let both = page.row.metrics.keys().chain(
        page.champion
            .iter()
            .flat_map(|champion| champion.metrics.keys()),
    );
    let mut rest: Vec<&String> = both
        .filter(|name| Some(*name) != page.metric.as_ref())
        .collect();
    rest.sort();
    rest.dedup();
    page.metric
        .iter()
        .filter(|name| {
            let has = |row: &VersionRow| row.metrics.contains_key(*name);
            has(&page.row) || page.champion.as_ref().is_some_and(has)
        })
        .chain(rest)
        .cloned()
        .collect()
}

/// "champion ◆", "challenger, staging", "was champion".
pub fn alias(row: &VersionRow) -> String {
    let mut names: Vec<String> = row
        .version
        .aliases
        .iter()
        .filter(|alias| *alias != CHAMPION)
        .cloned()
        .collect();
    if is_champion(row) {
        names.insert(0, "champion ◆".to_owned());
    } else if names.is_empty() && row.was_champion {
        names.push("was champion".to_owned());
    }
    names.join(", ")
}

/// The question in the frame of the checks.
pub fn question(pane: &Registry) -> String {
    let Some(row) = pane.current() else {
        return "Checks".to_owned();
    };
    let version = row.version.version;
    let asked = if is_champion(row) {
        format!("{version} is the champion")
    } else {
        format!("May {version} take over?")
    };
    match row.gate {
        Some(gate) => format!("{asked} ── {}", gate.sentence()),
        None => format!("{asked} ── not checked yet"),
    }
}

/// The checks, each with its evidence and the pane to look at; the line of the chosen one.
pub fn checks(
    pane: &Registry,
    width: usize,
    focused: bool,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(row) = pane.current() else {
        return Vec::new();
    };
    if row.gate.is_some() && pane.detail().is_none() {
        return vec![Line::styled(
            parts::waiting("the checks", context),
            theme.dim,
        )];
    }
    let gate = pane
        .detail()
        .and_then(|page| page.row.version.gate.as_ref());
    let Some((verdict, at)) = gate else {
        let said = [
            "The gate has not looked at this version.".to_owned(),
            context.keymap.fill("‹promote› runs its checks and shows what a promotion would change; nothing moves before you confirm."),
        ];
        return parts::wrapped(&said, width, theme.dim);
    };
    let head = verdict
        .checks
        .iter()
        .map(|check| text::width(&check.name))
        .max()
        .unwrap_or(0)
        .min(width / 2);
    let room = width.saturating_sub(head + 4).max(8);
    let mut lines = Vec::new();
    for (place, check) in verdict.checks.iter().enumerate() {
        let (sign, style) = if check.passed {
            ("✓", theme.good)
        } else {
            ("✗", theme.bad)
        };
        let arrow = match check.pane {
            Some(pane) if !check.passed || room > 40 => format!("→ {pane}"),
            _ => String::new(),
        };
        let said = room.saturating_sub(if arrow.is_empty() { 0 } else { 4 });
        let detail = text::wrap(&check.detail, said.max(8));
        let plain = if check.passed { theme.text } else { theme.bad };
        for (row, part) in detail.iter().enumerate() {
            let first = row == 0;
            let mut line = Line::from(vec![
                Span::styled(if first { sign } else { " " }, style),
                Span::raw(" "),
                Span::styled(
                    text::left(if first { &check.name } else { "" }, head),
                    plain,
                ),
                Span::raw("  "),
                Span::styled(text::left(part, said), plain),
                Span::styled(
                    if first && !arrow.is_empty() {
                        format!(" {arrow}")
                    } else {
                        String::new()
                    },
                    theme.accent,
                ),
            ]);
            if focused && place == pane.check {
                line = line.style(theme.selected);
            }
            lines.push(line);
        }
    }
    let ago = text::age(context.now.since(*at));
    let looks = verdict
        .checks
        .iter()
        .any(|check| !check.passed && check.pane.is_some());
    let hint = if looks {
        "; ‹open› on a check goes to its pane"
    } else {
        ""
    };
    let said = context.keymap.fill(&format!("checked {ago} ago{hint}"));
    lines.push(Line::styled(said, theme.dim));
    lines
}

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS[eighths % 8]);
    bar
}

/// The version under the cursor, and its metrics as bars, each with the champion's below it: what `e` draws.
pub fn metric_bars(pane: &Registry) -> Option<(Version, ChartSpec)> {
    let page = pane.detail()?;
    let row = &page.row;
    let champion = page.champion.as_ref().filter(|_| !is_champion(row));
    let version = row.version.version;
    let mut bars = Vec::new();
    for key in metrics(page) {
        let sides = std::iter::once(row).chain(champion);
        for (colour, side) in sides.enumerate() {
            if let Some(value) = side.metrics.get(&key).filter(|value| value.0.is_finite()) {
                bars.push(Bar {
                    label: format!("{key} {}", side.version.version),
                    value: value.0,
                    note: text::number(value.0),
                    colour,
                });
            }
        }
    }
    let title = match champion {
        Some(champion) => format!(
            "{} {version} against champion {}",
            row.version.model, champion.version.version
        ),
        None => format!("{} {version}", row.version.model),
    };
    (!bars.is_empty()).then(|| (version, ChartSpec::new(title, Chart::Bars(Bars { bars }))))
}

/// Metrics of the version as bars beside the champion's, each metric on its own scale.
pub fn against(pane: &Registry, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(page) = pane.detail() else {
        return vec![Line::styled(parts::waiting("metrics", context), theme.dim)];
    };
    let row = &page.row;
    let champion = page.champion.as_ref();
    let keys = metrics(page);
    if keys.is_empty() {
        let said = ["Neither version's run has logged a metric."];
        return parts::wrapped(&said, width, theme.dim);
    }
    let head = keys
        .iter()
        .map(|key| text::width(key))
        .max()
        .unwrap_or(0)
        .min(width * 2 / 5);
    // name (below it the difference), version, bar, value
    let head = head.max(10);
    let room = width.saturating_sub(head + 5 + 8).max(4);
    let mut lines = Vec::new();
    let mut alike = 0;
    // other rows, another yardstick: neither better nor worse
    let unlike = page.unlike.as_deref().filter(|_| champion.is_some());
    if let Some(unlike) = unlike {
        let said = [format!(
            "▲ {unlike}. No verdict here: only the gate has held both to the same rows (Checks)."
        )];
        lines.extend(parts::wrapped(&said, width, theme.warn));
    }
    for key in &keys {
        let of = |row: &VersionRow| row.metrics.get(key).map(|value| value.0);
        let mine = of(row);
        let theirs = champion.and_then(of);
        if mine.is_some() && mine == theirs && page.metric.as_ref() != Some(key) {
            alike += 1;
            continue;
        }
        let most = [mine, theirs]
            .into_iter()
            .flatten()
            .filter(|value| value.is_finite())
            .map(f64::abs)
            .fold(0.0, f64::max);
        let mut line = |said: String, version: String, value: Option<f64>, style: Style| {
            let shown = value.map_or_else(|| "—".to_owned(), text::number);
            let share = match value {
                Some(value) if value.is_finite() && most > 0.0 => value.abs() / most,
                _ => 0.0,
            };
            lines.push(Line::from(vec![
                Span::styled(said, theme.text),
                Span::raw(" "),
                Span::styled(text::right(&version, 3), style),
                Span::raw(" "),
                Span::styled(text::left(&bar(share, room), room), style),
                Span::styled(text::right(&shown, 8), theme.text),
            ]));
        };
        let name = text::left(&parts::middle(key, head), head);
        let version = row.version.version.to_string();
        // the champion is what it is measured by: better is good, worse is bad, by the metric's own direction
        let less = page.less_is_better.contains(key);
        let style = match (mine, theirs) {
            (Some(mine), Some(theirs)) if mine == theirs => theme.text,
            (Some(_), Some(_)) if unlike.is_some() => theme.marks[0],
            (Some(mine), Some(theirs)) if (mine < theirs) == less => theme.good,
            (Some(_), Some(_)) => theme.bad,
            _ => theme.marks[0],
        };
        line(name, version, mine, style);
        if let Some(champion) = champion {
            let difference = match (mine, theirs) {
                (Some(mine), Some(theirs)) if mine == theirs => "equal".to_owned(),
                (Some(mine), Some(theirs)) if unlike.is_some() => text::difference(mine - theirs),
                (Some(mine), Some(theirs)) => {
                    // a sign before the colour: better or worse
                    let sign = if (mine < theirs) == less {
                        "✓"
                    } else {
                        "✗"
                    };
                    format!("{sign} {}", text::difference(mine - theirs))
                }
                _ => String::new(),
            };
            let version = champion.version.version.to_string();
            let difference = text::right(&difference, head);
            line(difference, version, theirs, theme.champion);
        }
    }
    if alike > 0 {
        let said = text::counted(alike, "metric is equal", "metrics are equal");
        lines.push(Line::styled(said, theme.dim));
    }
    if champion.is_none() {
        let said = if is_champion(row) {
            "this is the champion: another version shows both"
        } else {
            "no champion yet: ‹promote› promotes the first"
        };
        lines.push(Line::styled(context.keymap.fill(said), theme.dim));
    }
    lines
}

/// Data, features, run, code, environment, files, where it serves.
pub fn lineage(pane: &Registry, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(row) = pane.current() else {
        return Vec::new();
    };
    let facts = pane.lineage();
    let head = facts
        .iter()
        .map(|fact| text::width(&fact.kind) + 1)
        .max()
        .unwrap_or(0)
        .clamp(9, 13);
    let mut lines: Vec<Line<'static>> = facts
        .iter()
        .flat_map(|fact| {
            parts::pair(
                (&fact.kind, head),
                &fact.value,
                width,
                theme.text,
                theme.dim,
            )
        })
        .collect();
    let aliases = alias(row);
    if !aliases.is_empty() {
        lines.extend(parts::pair(
            ("aliases", head),
            &aliases,
            width,
            theme.text,
            theme.dim,
        ));
    }
    let made = format!(
        "{} by {}",
        text::moment(row.version.created, context.offset_s),
        row.version.user
    );
    lines.extend(parts::pair(
        ("made", head),
        &made,
        width,
        theme.text,
        theme.dim,
    ));
    if !matches!(row.version.stage.as_str(), "" | "None") {
        lines.extend(parts::pair(
            ("stage", head),
            &row.version.stage,
            width,
            theme.text,
            theme.dim,
        ));
    }
    let tags = pane
        .detail()
        .map_or(&[][..], |page| page.row.version.tags.as_slice());
    for (key, value) in tags {
        let tag = format!("{key} {value}");
        lines.extend(parts::pair(
            ("tag", head),
            &tag,
            width,
            theme.text,
            theme.dim,
        ));
    }
    if !row.version.description.is_empty() {
        lines.extend(parts::pair(
            ("note", head),
            &row.version.description,
            width,
            theme.text,
            theme.dim,
        ));
    }
    lines
}

/// "13 Nov 09:12 promoted v12 (ana)", and why when it was said.
pub fn moved(moved: &AliasMove, why: bool, context: &Context) -> String {
    let at = text::moment(moved.at, context.offset_s);
    let version = |version: Option<crate::domain::Version>| {
        version.map_or_else(|| "nothing".to_owned(), |version| version.to_string())
    };
    let (from, to) = (version(moved.from), version(moved.to));
    let what = match moved.kind {
        MoveKind::Promoted if moved.alias == CHAMPION => format!("promoted {to}"),
        MoveKind::Forced if moved.alias == CHAMPION => format!("forced {to} against the gate"),
        MoveKind::RolledBack => format!("rolled back {from} → {to}"),
        _ if moved.to.is_none() => format!("took {} from {from}", moved.alias),
        _ => format!("set {} to {to}", moved.alias),
    };
    let said = format!("asked for by {}", moved.by);
    let reason = if why && !moved.reason.is_empty() && moved.reason != said {
        format!(": {}", moved.reason)
    } else {
        String::new()
    };
    format!("{at} {what} ({}){reason}", moved.by)
}

/// The moves: side by side in one line, or one a line with their reasons.
pub fn history(
    pane: &Registry,
    width: usize,
    rows: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let moves = pane.shown().map_or(&[][..], |page| page.history.as_slice());
    if moves.is_empty() {
        let said = context
            .keymap
            .fill("no alias has moved yet: ‹promote› promotes the first champion");
        return vec![Line::styled(said, theme.dim)];
    }
    if rows > 2 {
        let mut lines: Vec<Line<'static>> = moves
            .iter()
            .flat_map(|one| {
                // a reason that does not fit goes on below itself
                text::wrap(&moved(one, true, context), width.max(20))
                    .into_iter()
                    .enumerate()
                    .map(|(row, part)| {
                        let lead = if row == 0 { "" } else { "             " };
                        Line::raw(text::cut(&format!("{lead}{part}"), width))
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        let (all, model) = pane
            .shown()
            .map_or((0, ""), |page| (page.moves, page.model.name.as_str()));
        if all > moves.len() as u64 {
            let said = format!(
                "{} earlier ones: trainyard models history {}",
                all - moves.len() as u64,
                text::quoted(model)
            );
            lines.push(Line::styled(said, theme.dim));
        }
        return lines;
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    for one in moves {
        let said = moved(one, false, context);
        if line.is_empty() {
            line = said;
        } else if text::width(&line) + 3 + text::width(&said) <= width {
            line = format!("{line} · {said}");
        } else {
            lines.push(Line::raw(std::mem::replace(&mut line, said)));
        }
    }
    lines.push(Line::raw(text::cut(&line, width)));
    lines
}
