//! What keys and the mouse do in the registry pane: moving, going to a part, opening. What changes a model is in `acts`.

use super::{PARTS, Part, Registry, TABS, draw, is_champion, tables};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::layout::Room;
use crate::tui::panes::{Context, PaneId, Pointer, Target};
use crate::tui::panes::{moves, parts};
use crate::tui::widgets::table::Hit;

impl Registry {
    pub(super) fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let (list, versions) = self.heights(context);
        match self.part {
            Part::Models => {
                let count = self.listed().len();
                if self.list.act(action, list, count) {
                    let model = self
                        .listed()
                        .get(self.list.line)
                        .map(|row| row.name.clone());
                    self.choose(model, context);
                    return Vec::new();
                }
            }
            Part::Versions => {
                let count = self.shown().map_or(0, |page| page.versions.len());
                if self.versions.act(action, versions, count) {
                    self.version = self.current().map(|row| row.version.version);
                    (self.check, self.scroll) = (0, 0);
                    return Vec::new();
                }
            }
            Part::Checks => {
                let count = self.verdict().map_or(0, |verdict| verdict.checks.len());
                if let Some(step) = parts::step(action, list) {
                    let check = self.check.saturating_add_signed(step);
                    self.check = check.min(count.saturating_sub(1));
                    return Vec::new();
                }
            }
            Part::Against | Part::Lineage | Part::History => {
                if let Some(step) = parts::step(action, list) {
                    let most = draw::length(self, context);
                    self.scroll = moves::scrolled(self.scroll, step, most);
                    return Vec::new();
                }
            }
        }
        match action {
            Action::NextPart => self.turn(1, context),
            Action::PreviousPart => self.turn(-1, context),
            Action::Left => {
                self.focus(match self.part {
                    Part::Checks | Part::Against | Part::Lineage => Part::Versions,
                    _ => Part::Models,
                });
            }
            Action::Right => {
                self.focus(match self.part {
                    Part::Models => Part::Versions,
                    _ => TABS[self.tab],
                });
            }
            Action::NextTab | Action::PreviousTab => {
                let by = if action == Action::NextTab { 1 } else { 2 };
                self.focus(TABS[(self.tab + by) % TABS.len()]);
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => {
                self.zoomed = false;
                self.focus(Part::Versions);
            }
            Action::Open => return self.open(),
            Action::Compare => return self.compare(),
            Action::Promote => return self.promote(),
            Action::Rollback => return self.roll_back(),
            Action::Register => return self.manage(),
            Action::Note => return self.note(),
            Action::Cancel => return self.put_away(),
            Action::Copy => return moves::offer_copies(self.copies()),
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn focus(&mut self, part: Part) {
        if part != self.part {
            self.scroll = 0;
        }
        self.part = part;
        if let Some(tab) = TABS.iter().position(|tab| *tab == part) {
            self.tab = tab;
        }
    }

    /// The next part (or the one before) that is on the screen.
    fn turn(&mut self, by: isize, context: &Context) {
        let together = matches!(Room::of(context.area), Room::Normal) && !self.zoomed;
        let shown: Vec<Part> = PARTS
            .into_iter()
            .filter(|part| !together || !TABS.contains(part) || *part == TABS[self.tab])
            .collect();
        self.focus(moves::turned(&shown, self.part, by));
    }

    fn open(&mut self) -> Vec<Effect> {
        match self.part {
            Part::Models => self.focus(Part::Versions),
            Part::Versions | Part::Against | Part::History => self.focus(Part::Lineage),
            Part::Checks => {
                let pane = self
                    .verdict()
                    .and_then(|verdict| verdict.checks.get(self.check))
                    .and_then(|check| check.pane)
                    .and_then(|pane| PaneId::ALL.get(usize::from(pane).saturating_sub(1)));
                return match pane {
                    Some(pane) => vec![Effect::Go(*pane, Target::Last)],
                    None => vec![Effect::say("this check has all its evidence here")],
                };
            }
            Part::Lineage => {
                let run = self.current().and_then(|row| row.version.run.clone());
                return match run {
                    Some(run) => vec![Effect::Go(PaneId::Runs, Target::Run(run))],
                    None => vec![Effect::say("this version came from no run")],
                };
            }
        }
        Vec::new()
    }

    pub(super) fn compare(&mut self) -> Vec<Effect> {
        let same = self.current().is_some_and(is_champion);
        let none = self.champion().is_none();
        self.focus(Part::Against);
        if same {
            vec![Effect::say("this is the champion: choose another version")]
        } else if none {
            vec![Effect::say("there is no champion yet to compare with")]
        } else {
            Vec::new()
        }
    }

    pub(super) fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let at = moves::at(pointer);
        let Some(part) = places.at(at) else {
            return Vec::new();
        };
        self.focus(part);
        match pointer {
            Pointer::Wheel(_, rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                for _ in 0..rows.unsigned_abs() {
                    self.act(action, context);
                }
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) => {
                match (part, tables::hit(self, context, at)) {
                    (Part::Models, Some(Hit::Row(line))) => {
                        self.list.line = line;
                        let model = self.listed().get(line).map(|row| row.name.clone());
                        self.choose(model, context);
                    }
                    (Part::Versions, Some(Hit::Row(line))) => {
                        self.versions.line = line;
                        self.version = self.current().map(|row| row.version.version);
                        (self.check, self.scroll) = (0, 0);
                    }
                    _ => {}
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    return self.open();
                }
            }
        }
        Vec::new()
    }
}
