//! The mouse in the runs pane.

use super::{Part, Runs, draw, places};
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::{Context, Pointer, moves};
use crate::tui::widgets::table::Hit;

impl Runs {
    pub(super) fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = places::places(self, context.area);
        let position = moves::at(pointer);
        let Some(part) = places.at(position) else {
            return Vec::new();
        };
        match pointer {
            Pointer::Wheel(_, rows) if part == Part::Table || part == Part::Chart => {
                let line = self.cursor.saturating_add_signed(rows as isize);
                self.go_to(line, context);
            }
            Pointer::Wheel(_, rows) => {
                self.scroll = self.scroll.saturating_add_signed(rows as isize);
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) => {
                self.part = part;
                if part == Part::Table {
                    let hit = draw::hit(self, context, position);
                    match hit {
                        Some(Hit::Row(line)) => {
                            self.go_to(line, context);
                            if matches!(pointer, Pointer::DoubleClick(_)) {
                                return self.act(Action::Open, context);
                            }
                        }
                        Some(Hit::Heading(place)) => {
                            // the first heading is the mark's
                            let column = place
                                .checked_sub(1)
                                .and_then(|place| self.visible(context).get(place).cloned());
                            if let Some(column) = column {
                                self.head(column);
                            }
                        }
                        None => {}
                    }
                }
            }
        }
        Vec::new()
    }
}
