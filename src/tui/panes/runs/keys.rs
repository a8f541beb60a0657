//! What each key does in the runs pane.

use super::{PARTS, Part, Runs, TABS};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::Context;

impl Runs {
    pub(super) fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let page = usize::from(self.table_height(context))
            .saturating_sub(2)
            .max(1);
        match action {
            Action::Down
            | Action::Up
            | Action::HalfDown
            | Action::HalfUp
            | Action::PageDown
            | Action::PageUp => {
                let step = match action {
                    Action::Down | Action::Up => 1,
                    Action::HalfDown | Action::HalfUp => (page / 2).max(1),
                    _ => page,
                };
                let down = matches!(action, Action::Down | Action::HalfDown | Action::PageDown);
                if matches!(self.part, Part::Differences | Part::Detail) {
                    self.scroll = if down {
                        self.scroll + step
                    } else {
                        self.scroll.saturating_sub(step)
                    };
                } else {
                    let line = if down {
                        self.cursor + step
                    } else {
                        self.cursor.saturating_sub(step)
                    };
                    self.go_to(line, context);
                }
            }
            Action::Top => {
                self.scroll = 0;
                if self.fresh > 0
                    && let Some(table) = &self.table
                {
                    self.rows.clone_from(&table.rows);
                    self.fresh = 0;
                }
                self.go_to(0, context);
            }
            Action::Bottom => self.go_to(self.count().saturating_sub(1), context),
            Action::NextPart | Action::PreviousPart => self.next_part(action == Action::NextPart),
            Action::Left if self.part != Part::Chart => self.next_part(false),
            Action::Right if self.part != Part::Chart => self.next_part(true),
            Action::PreviousTab => {
                self.tab = (self.tab + TABS.len() - 1) % TABS.len();
                self.scroll = 0;
            }
            Action::NextTab => {
                self.tab = (self.tab + 1) % TABS.len();
                self.scroll = 0;
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Open => {
                (self.part, self.zoomed, self.scroll) = (Part::Detail, true, 0);
            }
            Action::Back => {
                if self.zoomed {
                    self.zoomed = false;
                    if self.part == Part::Detail {
                        self.part = Part::Table;
                    }
                } else {
                    self.part = Part::Table;
                }
                // a run shown for another pane may be in no row
                if self.current().is_some() {
                    self.selected = self.current().map(|row| row.id.clone());
                }
            }
            Action::Sort | Action::Reverse => self.sort_by(action, context),
            Action::Columns => return vec![self.columns_dialog()],
            Action::Differences => self.all_rows = !self.all_rows,
            Action::Mark => return self.mark(context),
            Action::ClearMarks => self.marks.clear(),
            Action::Compare => {
                (self.part, self.zoomed, self.scroll) = (Part::Differences, true, 0);
            }
            Action::Promote => return self.promote(),
            Action::Register => return self.register(),
            Action::Train => return self.train(context),
            Action::Cancel => return self.cancel(),
            Action::Note => return self.note(),
            Action::Copy => return self.copy(context),
            Action::Export => return self.export(context),
            chart => {
                let places = self.places();
                let keys = self.keys();
                let current = self.metric();
                self.view.act(chart, &places, &keys, current.as_deref());
            }
        }
        Vec::new()
    }

    pub(super) fn next_part(&mut self, forward: bool) {
        let place = PARTS
            .iter()
            .position(|part| *part == self.part)
            .unwrap_or(0);
        let step = if forward { 1 } else { PARTS.len() - 1 };
        self.part = PARTS[(place + step) % PARTS.len()];
        self.scroll = 0;
    }
}
