//! Two distributions in eighth blocks: reference `█`, current `▓`, both `▒` (`#`, `+`, `%` in ASCII).

use super::backend::Grid;
use super::{Look, chart};
use crate::chart::{Histogram, histogram};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the histogram with its legend above and its edges or categories below.
pub fn render(area: Rect, buf: &mut Buffer, spec: &Histogram, look: &Look) {
    let grid = Grid::Standing { ascii: look.ascii };
    chart::canvas(area, buf, grid, look, |pen, whole| {
        histogram::draw(pen, whole, spec)
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    #[test]
    fn categories_stand_under_their_bars() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 24, 5));
        let histogram = Histogram {
            categories: ["EWR", "JFK", "LGA"].map(String::from).to_vec(),
            reference: vec![0.5, 0.3, 0.2],
            current: vec![0.25, 0.5, 0.25],
            reference_name: "training".to_owned(),
            current_name: "now".to_owned(),
            ..Histogram::default()
        };
        render(*buf.area(), &mut buf, &histogram, &Look::mono());
        insta::assert_snapshot!(text(&buf));
    }
}
