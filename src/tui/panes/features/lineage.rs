//! Where a feature comes from and whom it feeds: data, view, pipelines, model versions, deployments. `Enter` goes to a model
//! version.

use super::{Features, Part};
use crate::domain::feature::FeatureDetail;
use crate::domain::{ModelName, Version};
use crate::tui::effect::Effect;
use crate::tui::panes::{Context, PaneId, Target, parts};
use ratatui::text::{Line, Span};

/// A model version that reads the feature.
struct Reads {
    model: ModelName,
    version: Version,
    /// Of the view, when it learned; none: nobody noted it.
    view_version: Option<u32>,
    deployments: Vec<String>,
}

/// Those that use the feature, the ones that answer requests first, then the newest.
fn readers(detail: &FeatureDetail) -> Vec<Reads> {
    let mut readers: Vec<Reads> = detail
        .row
        .used_by
        .iter()
        .map(|(model, version)| {
            let known = detail
                .definition
                .readers
                .iter()
                .find(|reader| reader.model == *model && reader.version == *version);
            Reads {
                model: model.clone(),
                version: *version,
                view_version: known
                    .map(|reader| reader.view_version)
                    .filter(|one| *one > 0),
                deployments: known.map_or_else(Vec::new, |reader| reader.deployments.clone()),
            }
        })
        .collect();
    readers.sort_by(|a, b| {
        let of = |one: &Reads| (one.deployments.is_empty(), one.model.clone());
        of(a).cmp(&of(b)).then(b.version.cmp(&a.version))
    });
    readers
}

impl Features {
    /// How many model versions the lineage lists.
    pub(super) fn readers(&self) -> usize {
        self.pictured().map_or(0, |detail| detail.row.used_by.len())
    }

    /// `Enter` in the lineage.
    pub(super) fn follow_lineage(&self) -> Vec<Effect> {
        let Some(detail) = self.detail() else {
            return vec![Effect::say("the feature's detail is on its way")];
        };
        match readers(detail).into_iter().nth(self.reader) {
            Some(reader) => vec![Effect::Go(
                PaneId::Registry,
                Target::Version(reader.model, reader.version),
            )],
            None => vec![Effect::say("no model version uses this feature yet")],
        }
    }
}

/// The part, as lines.
pub(super) fn lines(pane: &Features, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.pictured() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    let view = &detail.view;
    let mut lines = Vec::new();
    let known = &detail.definition.lineage;
    if known.is_empty() {
        let word =
            |word: &str, value: &str| parts::pair((word, 9), value, width, theme.text, theme.dim);
        lines.extend(word("data", &view.source_name()));
        lines.extend(word("view", &view.name));
    } else {
        let head = known
            .iter()
            .map(|fact| fact.kind.chars().count() + 1)
            .max()
            .unwrap_or(0)
            .clamp(8, 13);
        for fact in known.iter().filter(|fact| fact.kind != "model") {
            lines.extend(parts::pair(
                (&fact.kind, head),
                &fact.value,
                width,
                theme.text,
                theme.dim,
            ));
        }
    }
    let readers = readers(detail);
    if readers.is_empty() {
        lines.push(Line::styled("feeds no model version", theme.dim));
        return lines;
    }
    lines.push(Line::styled("feeds", theme.dim));
    let focused = pane.part == Part::Lineage;
    for (place, reader) in readers.iter().enumerate() {
        let said = format!("{} {}", reader.model, reader.version);
        let here = focused && place == pane.reader;
        let sign = if here { "▌" } else { " " };
        let mut spans = vec![
            Span::styled(sign, theme.accent),
            Span::styled(said, theme.text),
        ];
        if !reader.deployments.is_empty() {
            spans.push(Span::styled(
                format!("  ◆ {}", reader.deployments.join(", ")),
                theme.champion,
            ));
        }
        let mut line = Line::from(spans);
        if here {
            line = line.style(theme.selected);
        }
        lines.push(line);
        if let Some(of) = reader.view_version.filter(|of| *of != view.version) {
            let said = format!("   learned from {} v{of}, now v{}", view.name, view.version);
            lines.extend(parts::wrapped(&[said], width, theme.warn));
        }
    }
    if focused {
        let hint = context.keymap.fill("‹open› shows it in Registry");
        lines.push(Line::styled(hint, theme.dim));
    }
    lines
}
