//! What each key does in the runs pane.

use super::curves::Kind;
use super::{PARTS, Part, Runs, TABS};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::Context;
use crate::tui::panes::{moves, parts};

impl Runs {
    pub(super) fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        match action {
            Action::Down
            | Action::Up
            | Action::HalfDown
            | Action::HalfUp
            | Action::PageDown
            | Action::PageUp => {
                let step = parts::step(action, self.table_height(context)).unwrap_or(0);
                if matches!(self.part, Part::Differences | Part::Detail) {
                    self.scroll = self.scroll.saturating_add_signed(step);
                } else {
                    self.go_to(self.cursor.saturating_add_signed(step), context);
                }
            }
            Action::Top => {
                self.scroll = 0;
                self.show_fresh();
                self.go_to(0, context);
            }
            Action::Bottom => self.go_to(self.count().saturating_sub(1), context),
            Action::NextPart | Action::PreviousPart => self.next_part(action == Action::NextPart),
            Action::Left if self.part != Part::Chart => self.next_part(false),
            Action::Right if self.part != Part::Chart => self.next_part(true),
            Action::PreviousTab | Action::NextTab if self.part == Part::Chart => {
                self.view.kind = self.view.kind.next(action == Action::NextTab);
            }
            Action::PreviousTab => {
                self.tab = (self.tab + TABS.len() - 1) % TABS.len();
                self.scroll = 0;
            }
            Action::NextTab => {
                self.tab = (self.tab + 1) % TABS.len();
                self.scroll = 0;
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Open if self.group.is_some() && self.part == Part::Table => {
                return self.open_group();
            }
            Action::Open => {
                (self.part, self.zoomed, self.scroll) = (Part::Detail, true, 0);
            }
            Action::Back => self.back(context),
            Action::Sort | Action::Reverse if self.group.is_some() => {
                return vec![Effect::say(
                    "groups stand by their best run; ‹back› shows every run alone",
                )];
            }
            Action::Sort | Action::Reverse => self.sort_by(action, context),
            Action::Columns => return vec![self.columns_dialog()],
            Action::Differences => self.all_rows = !self.all_rows,
            Action::Mark => return self.mark(context),
            Action::ClearMarks => self.marks.clear(),
            Action::Compare => {
                (self.part, self.zoomed, self.scroll) = (Part::Differences, true, 0);
            }
            Action::Group => return self.group_dialog(),
            Action::Experiment => return self.experiment_dialog(),
            Action::Promote => return self.promote(),
            Action::Register => return self.manage(),
            Action::Train => return self.train(context),
            Action::Cancel => return self.cancel(),
            Action::Note => return self.note(),
            Action::Copy => return moves::offer_copies(self.copies(context)),
            Action::Export => return self.export(context),
            Action::ZoomIn | Action::ZoomOut => {
                if let Some(effects) = self.fold(action == Action::ZoomIn, context) {
                    return effects;
                }
                self.chart(action);
            }
            other => self.chart(other),
        }
        Vec::new()
    }

    /// One step back: from a zoomed part, to the table, from groups to runs.
    fn back(&mut self, context: &Context) {
        if self.zoomed {
            self.zoomed = false;
            if self.part == Part::Detail {
                self.part = Part::Table;
            }
        } else if self.part == Part::Table && self.group.is_some() {
            self.group = None;
            self.groups = None;
            self.home();
        } else {
            self.part = Part::Table;
        }
        // a run shown for another pane may be in no row
        if self.current().is_some() {
            self.selected = self.current().map(|row| row.id.clone());
        }
        self.scroll_to_cursor(context);
    }

    /// A chart's key.
    fn chart(&mut self, action: Action) {
        let keys = self.keys();
        let current = self.metric();
        if self.view.kind == Kind::Curves {
            let places = self.places();
            self.view.act(action, &places, &keys, current.as_deref());
            return;
        }
        if action == Action::Window {
            let params = self
                .sweep
                .as_ref()
                .map(|sweep| sweep.params.clone())
                .unwrap_or_default();
            let place = params
                .iter()
                .position(|key| Some(key) == self.view.param.as_ref())
                .unwrap_or(0);
            self.view.param = params.get((place + 1) % params.len().max(1)).cloned();
        } else {
            self.view.act(action, &[], &keys, current.as_deref());
        }
    }

    fn next_part(&mut self, forward: bool) {
        self.part = moves::turned(&PARTS, self.part, if forward { 1 } else { -1 });
        self.scroll = 0;
    }
}
