//! One line of eighth blocks: how a number went. Gaps stay gaps.

use super::{Look, put};
use ratatui::buffer::Buffer;
use ratatui::style::Style;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_LEVELS: [char; 4] = ['_', '.', '-', '^'];

/// The newest `width` values as characters, oldest first, right-aligned. Levels go from `range`, or
/// from zero (or the least value below it) to the greatest value; a missing value is a blank.
pub fn text(
    values: &[Option<f64>],
    width: usize,
    range: Option<(f64, f64)>,
    ascii: bool,
) -> String {
    let shown = &values[values.len().saturating_sub(width)..];
    let finite = || shown.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = range.unwrap_or_else(|| {
        (
            finite().fold(0.0, f64::min),
            finite().fold(f64::NEG_INFINITY, f64::max),
        )
    });
    let levels: &[char] = if ascii { &ASCII_LEVELS } else { &LEVELS };
    let mut line = " ".repeat(width - shown.len());
    line.extend(shown.iter().map(|value| match value {
        Some(value) if value.is_finite() => {
            let share = if high > low {
                ((value - low) / (high - low)).clamp(0.0, 1.0)
            } else {
                0.0
            };
            levels[(share * (levels.len() - 1) as f64).round() as usize]
        }
        Some(_) if ascii => 'x',
        Some(_) => '×',
        None => ' ',
    }));
    line
}

/// Puts the line at a place of the screen.
pub fn render(
    buf: &mut Buffer,
    at: (u16, u16),
    width: u16,
    values: &[Option<f64>],
    style: Style,
    look: &Look,
) {
    let line = text(values, usize::from(width), None, look.ascii);
    put(buf, at, &line, width, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_zero_to_the_greatest_value() {
        let values = [0.0, 1.0, 3.5, 7.0].map(Some);
        assert_eq!(text(&values, 6, None, false), "  ▁▂▅█");
        assert_eq!(text(&values, 2, None, true), "-^");
    }

    #[test]
    fn gaps_and_nan_are_not_zero() {
        let values = [Some(1.0), None, Some(f64::NAN), Some(1.0)];
        assert_eq!(text(&values, 4, None, false), "█ ×█");
    }

    #[test]
    fn a_range_of_its_own_holds_still() {
        let values = [Some(0.5)];
        assert_eq!(text(&values, 1, Some((0.0, 1.0)), false), "▅");
        assert_eq!(text(&[], 3, None, false), "   ");
    }
}
