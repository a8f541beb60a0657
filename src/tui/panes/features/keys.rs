//! What keys and the mouse do in the features pane: moving, from part to part, opening. What changes something is in `acts`.

use super::{Features, ORDERS, Part, TABS, draw};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::{Context, Pointer, moves, parts};
use crate::tui::widgets::table::Hit;

impl Features {
    pub(super) fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        if self.datasets.on {
            return self.datasets.act(action, context);
        }
        let height = self.height(context);
        if self.part == Part::Table {
            let count = self.rows().len();
            if self.cursor.act(action, height, count) {
                self.select();
                return Vec::new();
            }
        } else if let Some(step) = parts::step(action, height) {
            let readers = self.readers();
            if self.part == Part::Lineage && readers > 0 {
                self.reader = moves::scrolled(self.reader, step, readers - 1);
            } else {
                self.scroll = moves::scrolled(self.scroll, step, draw::length(self, context));
            }
            return Vec::new();
        }
        match action {
            Action::NextPart => self.turn(1, context),
            Action::PreviousPart => self.turn(-1, context),
            Action::Left => self.focus(Part::Table),
            Action::Right => self.focus(TABS[self.tab]),
            Action::Open => return self.open(),
            Action::PreviousTab | Action::NextTab if self.part == Part::Table => {
                self.datasets.on = true;
            }
            Action::NextTab => self.focus(moves::turned(&TABS, self.part, 1)),
            Action::PreviousTab => self.focus(moves::turned(&TABS, self.part, -1)),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back if self.part == Part::Values && self.entity.is_some() => {
                (self.entity, self.scroll) = (None, 0);
            }
            Action::Back => {
                self.zoomed = false;
                self.focus(Part::Table);
            }
            Action::Sort => {
                let place = ORDERS.iter().position(|order| *order == self.order);
                self.order = ORDERS[(place.unwrap_or(0) + 1) % ORDERS.len()];
                self.keep(context);
            }
            Action::Reverse => {
                self.reversed = !self.reversed;
                self.keep(context);
            }
            Action::Train => return self.ask_materialize(),
            Action::Copy => return self.copy(),
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

    /// The next part (or the one before) that is on the screen; behind the last come the datasets.
    fn turn(&mut self, by: isize, context: &Context) {
        let shown = draw::shown_parts(self, context.area);
        let last = shown.last() == Some(&self.part);
        let first = shown.first() == Some(&self.part);
        if (by > 0 && last) || (by < 0 && first) {
            self.datasets.on = true;
            self.datasets.enter(by > 0);
            self.focus(Part::Table);
        } else {
            self.focus(moves::turned(&shown, self.part, by));
        }
    }

    fn open(&mut self) -> Vec<Effect> {
        match self.part {
            Part::Table => self.focus(Part::Detail),
            Part::Detail => self.focus(Part::Values),
            Part::Values => return self.ask_entity(),
            Part::Lineage => return self.follow_lineage(),
            Part::Definition => self.focus(Part::Table),
        }
        Vec::new()
    }

    pub(super) fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        if self.datasets.on {
            return self.datasets.point(pointer, context);
        }
        let places = draw::places(self, context.area);
        let at = moves::at(pointer);
        let part = places.at(at).unwrap_or(Part::Detail);
        self.focus(part);
        match pointer {
            Pointer::Wheel(_, rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                for _ in 0..rows.unsigned_abs() {
                    self.act(action, context);
                }
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) if part == Part::Table => {
                match draw::hit(self, context, at) {
                    Some(Hit::Row(line)) => {
                        self.cursor.line = line;
                        self.select();
                    }
                    Some(Hit::Heading(column)) => {
                        if let Some(order) = draw::ordered_by(column) {
                            self.reversed = self.order == order && !self.reversed;
                            self.order = order;
                            self.keep(context);
                        }
                    }
                    None => {}
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    self.focus(Part::Detail);
                }
            }
            Pointer::DoubleClick(_) => return self.open(),
            Pointer::Click(_) => {}
        }
        Vec::new()
    }
}
