//! What keys and the mouse do among the datasets.

use super::{Datasets, ORDERS, Order, Part, draw};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::{Answer, Context, Pointer, moves, parts};
use crate::tui::widgets::table::Hit;

impl Datasets {
    /// A key.
    pub fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let height = draw::height(self, self.part, context);
        match self.part {
            Part::List => {
                let count = self.rows().len();
                if self.list.act(action, height, count) {
                    self.select();
                    return Vec::new();
                }
            }
            Part::Columns => {
                let count = self.profiled().len();
                if self.columns.act(action, height, count) {
                    self.select_column();
                    return Vec::new();
                }
            }
            Part::About | Part::Column => {
                if let Some(step) = parts::step(action, height) {
                    let most = draw::length(self, context);
                    self.scroll = moves::scrolled(self.scroll, step, most);
                    return Vec::new();
                }
            }
        }
        match action {
            Action::NextPart => self.turn(1, context),
            Action::PreviousPart => self.turn(-1, context),
            Action::Left => self.focus(if self.open { Part::Columns } else { Part::List }),
            Action::Right => self.focus(if self.open { Part::Column } else { Part::About }),
            Action::NextTab | Action::PreviousTab => self.on = false,
            Action::Open => return self.enter_profile(context),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => self.back(context),
            Action::Sort => {
                let place = ORDERS.iter().position(|order| *order == self.order);
                let mut next = ORDERS[(place.unwrap_or(0) + 1) % ORDERS.len()];
                let signal = self
                    .detail()
                    .and_then(|detail| detail.profile.as_ref())
                    .is_some_and(|profile| !profile.signal.is_empty());
                if next == Order::Signal && !signal {
                    next = Order::File;
                }
                self.order = next;
                self.keep_column(context);
            }
            Action::Reverse => {
                self.reversed = !self.reversed;
                self.keep_column(context);
            }
            Action::Train => return self.examine(),
            Action::Copy => return moves::offer_copies(self.copies()),
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    /// A dialog was answered.
    pub fn answer(&mut self, tag: &str, answer: &Answer) -> Vec<Effect> {
        match (tag, answer) {
            ("copy", Answer::Item(place)) if self.on => moves::copied(self.copies(), *place),
            _ => Vec::new(),
        }
    }

    fn focus(&mut self, part: Part) {
        if part != self.part {
            self.scroll = 0;
        }
        self.part = part;
    }

    /// The next part; before the first and behind the last are the features.
    fn turn(&mut self, by: isize, context: &Context) {
        let shown = draw::shown_parts(self, context.area);
        let end = if by > 0 { shown.last() } else { shown.first() };
        if end == Some(&self.part) {
            self.on = false;
        } else {
            self.focus(moves::turned(&shown, self.part, by));
        }
    }

    /// `Enter`: the profile of the dataset, then everything about a column.
    fn enter_profile(&mut self, context: &Context) -> Vec<Effect> {
        if self.open {
            self.focus(match self.part {
                Part::Columns => Part::Column,
                _ => Part::Columns,
            });
            return Vec::new();
        }
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if self.detail().is_some_and(|detail| detail.profile.is_none()) {
            return vec![Effect::say(format!(
                "{} is not profiled yet: ‹train› profiles it",
                row.name
            ))];
        }
        self.filter.clear();
        self.open = true;
        self.zoomed = false;
        self.focus(Part::Columns);
        self.keep_column(context);
        Vec::new()
    }

    /// One step back: from a zoomed part, to the columns, to the datasets, to the features.
    fn back(&mut self, context: &Context) {
        if self.zoomed {
            self.zoomed = false;
            return;
        }
        match self.part {
            Part::Column => self.focus(Part::Columns),
            _ if self.open => {
                self.open = false;
                self.focus(Part::List);
                self.keep(context);
            }
            Part::About => self.focus(Part::List),
            _ => self.on = false,
        }
    }

    /// The mouse.
    pub fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let at = moves::at(pointer);
        let Some(part) = draw::places(self, context.area).at(at) else {
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
                if let Some(Hit::Row(line)) = draw::hit(self, context, at) {
                    if part == Part::List {
                        self.list.line = line;
                        self.select();
                    } else {
                        self.columns.line = line;
                        self.select_column();
                    }
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    return self.enter_profile(context);
                }
            }
        }
        Vec::new()
    }
}
