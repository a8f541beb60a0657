//! Rect -> named areas, pure: `update` and `render` call the same functions, so nothing is learned by drawing.

use ratatui::layout::Rect;

/// The shell's areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Tabs and badges: one line.
    pub header: Rect,
    /// What is shown and how: one line; the filter is typed here.
    pub status: Rect,
    /// The pane.
    pub body: Rect,
    /// Six keys, or a message: one line.
    pub footer: Rect,
}

/// The smallest terminal that shows a pane.
pub const SMALLEST: (u16, u16) = (60, 15);

/// How much room a pane has. Breakpoints of the terminal: 80, 120, 160 columns; 24, 35, 45 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Below 80x24: one part at a time.
    One,
    /// From 80x24.
    Normal,
    /// From 120x35.
    Large,
    /// From 160x45: side by side, with strips.
    Wide,
}

impl Shell {
    /// The areas of a terminal of this size.
    pub fn of(area: Rect) -> Self {
        let line = |y: u16| Rect::new(area.x, area.y + y, area.width, 1.min(area.height));
        let body = area.height.saturating_sub(3);
        Self {
            header: line(0),
            status: line(1.min(area.height.saturating_sub(1))),
            body: Rect::new(area.x, area.y + 2.min(area.height), area.width, body),
            footer: line(area.height.saturating_sub(1)),
        }
    }
}

impl Room {
    /// The room in a pane's body, as [`Shell::of`] made it.
    pub fn of(body: Rect) -> Self {
        let (width, height) = (body.width, body.height + 3);
        if width >= 160 && height >= 45 {
            Self::Wide
        } else if width >= 120 && height >= 35 {
            Self::Large
        } else if width >= 80 && height >= 24 {
            Self::Normal
        } else {
            Self::One
        }
    }
}

/// Two parts side by side that share the border between them; the left one is `width` wide, both borders counted.
pub fn beside(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.clamp(1, area.width.max(1));
    let left = Rect { width, ..area };
    let right = Rect {
        x: area.x + width - 1,
        width: area.width - width + 1,
        ..area
    };
    (left, right)
}

/// Two parts one above the other that share the border between them; the upper one is `height` high, both borders counted.
pub fn above(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.clamp(1, area.height.max(1));
    let upper = Rect { height, ..area };
    let lower = Rect {
        y: area.y + height - 1,
        height: area.height - height + 1,
        ..area
    };
    (upper, lower)
}

/// A box of this size in the middle of `area`, as far as there is room.
pub fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(
        area.x + (area.width - width) / 2,
        area.y + (area.height - height) / 2,
        width,
        height,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_lines_of_furniture_at_most() {
        let shell = Shell::of(Rect::new(0, 0, 80, 24));
        assert_eq!(shell.body, Rect::new(0, 2, 80, 21));
        assert_eq!(shell.footer.y, 23);
    }

    #[test]
    fn breakpoints() {
        let room = |width, height| Room::of(Shell::of(Rect::new(0, 0, width, height)).body);
        assert_eq!(room(60, 15), Room::One);
        assert_eq!(room(80, 24), Room::Normal);
        assert_eq!(room(120, 35), Room::Large);
        assert_eq!(room(160, 44), Room::Large);
        assert_eq!(room(160, 45), Room::Wide);
    }

    #[test]
    fn parts_share_their_border() {
        let (left, right) = beside(Rect::new(0, 0, 80, 10), 50);
        assert_eq!(left.right() - 1, right.x);
        assert_eq!(right.right(), 80);
    }
}
