//! What keys and the mouse do alike in all panes: from part to part, along a text, through the words of a filter, and what
//! `y` offers to copy. Must not know what any pane shows.

use super::Pointer;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use ratatui::layout::Position;

/// The part `by` places after `part`; behind the last comes the first.
pub fn turned<T: Copy + PartialEq>(parts: &[T], part: T, by: isize) -> T {
    let place = parts.iter().position(|one| *one == part);
    let count = parts.len().max(1) as isize;
    let next = place.map_or(0, |place| (place as isize + by).rem_euclid(count));
    parts.get(next as usize).copied().unwrap_or(part)
}

/// The neighbour to the left (`by` -1) or right of `part`; the ends stay.
pub fn beside<T: Copy + PartialEq>(parts: &[T], part: T, by: isize) -> T {
    let place = parts.iter().position(|one| *one == part).unwrap_or(0);
    let last = parts.len().saturating_sub(1);
    let next = place.saturating_add_signed(by).min(last);
    parts.get(next).copied().unwrap_or(part)
}

/// The first line shown of a text after a step; `most` is the greatest there is.
pub fn scrolled(scroll: usize, step: isize, most: usize) -> usize {
    scroll.min(most).saturating_add_signed(step).min(most)
}

/// The words of a filter: every one of them must be somewhere in a row.
pub struct Words(Vec<String>);

impl Words {
    /// Of what was typed.
    pub fn of(filter: &str) -> Self {
        Self(
            filter
                .to_lowercase()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether all are in `text`.
    pub fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|word| text.contains(word))
    }
}

/// Where the mouse is.
pub fn at(pointer: Pointer) -> Position {
    match pointer {
        Pointer::Click(at) | Pointer::DoubleClick(at) | Pointer::Wheel(at, _) => at,
    }
}

/// `y`: asks which of `items` (name and text); the answer comes with the tag `copy`.
pub fn offer_copies(items: Vec<(String, String)>) -> Vec<Effect> {
    if items.is_empty() {
        return Vec::new();
    }
    vec![Effect::Dialog(Dialog::Choice {
        tag: "copy",
        title: "Copy what?".to_owned(),
        items,
        cursor: 0,
    })]
}

/// The chosen one of what was offered.
pub fn copied(items: Vec<(String, String)>, place: usize) -> Vec<Effect> {
    items
        .into_iter()
        .nth(place)
        .map(|(what, text)| Effect::Copy { what, text })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_go_round_and_neighbours_end() {
        let parts = ["table", "detail", "log"];
        assert_eq!(turned(&parts, "log", 1), "table");
        assert_eq!(turned(&parts, "table", -1), "log");
        assert_eq!(beside(&parts, "log", 1), "log");
        assert_eq!(beside(&parts, "log", -1), "detail");
    }

    #[test]
    fn every_word_counts() {
        assert!(Words::of("LATE del").are_in("carrier:delay late"));
        assert!(!Words::of("late x").are_in("carrier:delay late"));
        assert!(Words::of("").are_in(""));
    }
}
