//! What can be taken along from the runs pane: texts for the clipboard, the table and the chart as files.

use super::Runs;
use super::columns::{self, Column};
use crate::domain::Timestamp;
use crate::tui::effect::Effect;
use crate::tui::export;
use crate::tui::panes::Context;
use crate::tui::text;

impl Runs {
    /// What `y` offers: name and text.
    pub(super) fn copies(&self, context: &Context) -> Vec<(String, String)> {
        let (Some(row), Some(table)) = (self.current(), &self.table) else {
            return Vec::new();
        };
        let champion = self.is_champion(&row.id);
        let cell = |column: &Column| {
            let (text, _) = columns::cell(column, row, table, champion, context.now, context.theme);
            text.trim().trim_end_matches('★').trim().to_owned()
        };
        let mut offered = vec![("run id".to_owned(), row.id.0.clone())];
        if let Some((column, _)) = self.order() {
            offered.push((column.name(), cell(&column)));
        }
        let line: Vec<String> = self.visible(context).iter().map(cell).collect();
        offered.push(("row".to_owned(), line.join("\t")));
        offered.push((
            "shell command".to_owned(),
            format!("trainyard runs show {}", row.id),
        ));
        offered
    }

    pub(super) fn export(&self, context: &Context) -> Vec<Effect> {
        let Some(table) = &self.table else {
            return Vec::new();
        };
        let all = self.chosen.clone().unwrap_or_else(|| columns::all(table));
        let mut rows: Vec<Vec<String>> = vec![
            std::iter::once("id".to_owned())
                .chain(all.iter().map(Column::name))
                .collect(),
        ];
        for row in &self.rows {
            let champion = self.is_champion(&row.id);
            let cells = all.iter().map(|column| match column {
                // files get the numbers as they are, not as the screen cuts them
                Column::Metric(key) => row
                    .metrics
                    .get(key)
                    .map_or_else(String::new, |value| value.0.to_string()),
                Column::Param(key) => row.params.get(key).cloned().unwrap_or_default(),
                Column::Age => Timestamp(row.started.0).to_string(),
                Column::Name => row.name.clone(),
                other => columns::cell(other, row, table, champion, context.now, context.theme).0,
            });
            rows.push(std::iter::once(row.id.0.clone()).chain(cells).collect());
        }
        let mut effects = vec![export::csv("runs", &rows)];
        let shown = self.rows.len() as u64;
        if shown < table.total {
            effects.push(Effect::say(format!(
                "runs.csv has the {} rows around the cursor of {}; trainyard runs list --json writes all",
                text::count(shown),
                text::count(table.total)
            )));
        }
        if let Some(key) = self.metric() {
            let chart = self.view.chart(&key, self.series_for(&key), &self.drawn());
            effects.push(export::chart(&key, chart));
        }
        effects
    }
}
