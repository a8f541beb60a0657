//! Frames of parts: boxes that share their borders, with a title in the upper one and a word in the lower one.

use super::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::merge::MergeStrategy;
use ratatui::text::Line;
use ratatui::widgets::{Block, Widget};

/// Draws the frame of a part (borders belong to `area`; a border that a neighbour drew is joined) and returns its inside.
pub fn part<'a>(
    buffer: &mut Buffer,
    area: Rect,
    title: impl Into<Line<'a>>,
    focused: bool,
    theme: &Theme,
) -> Rect {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return area;
    }
    let block = Block::bordered()
        .merge_borders(MergeStrategy::Exact)
        .border_style(theme.border);
    let inside = block.inner(area);
    block.render(area, buffer);
    let style = if focused { theme.accent } else { theme.strong };
    put_title(buffer, area, area.y, title.into(), style);
    inside
}

/// Writes a word into the lower border of a part.
pub fn foot<'a>(buffer: &mut Buffer, area: Rect, word: impl Into<Line<'a>>, theme: &Theme) {
    let area = area.intersection(buffer.area);
    if area.height > 0 {
        put_title(buffer, area, area.bottom() - 1, word.into(), theme.text);
    }
}

fn put_title(buffer: &mut Buffer, area: Rect, y: u16, line: Line, style: Style) {
    let width = line.width() as u16;
    if width == 0 || area.width < 5 {
        return;
    }
    let room = area.width - 4;
    let shown = width.min(room);
    let mut line = line;
    line.style = style.patch(line.style);
    buffer.set_string(area.x + 1, y, " ", Style::new());
    buffer.set_line(area.x + 2, y, &line, shown);
    buffer.set_string(area.x + 2 + shown, y, " ", Style::new());
}
