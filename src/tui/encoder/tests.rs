//! What a terminal shows after frames, by a terminal's own parser; how short frames are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::pen::WEIGHT;
use super::*;
use proptest::prelude::*;
use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

const AREA: Rect = Rect::new(0, 0, 40, 6);

/// A terminal that shows nothing that any picture has.
fn terminal() -> (vt100::Parser, Buffer) {
    let mut parser = vt100::Parser::new(AREA.height, AREA.width, 0);
    // what was there before must not shine through
    parser.process("\x1b[7;31m".as_bytes());
    for _ in 0..AREA.height {
        parser.process("#".repeat(usize::from(AREA.width)).as_bytes());
    }
    parser.process("\x1b[m".as_bytes());
    (parser, Buffer::filled(AREA, Cell::new("\u{e000}")))
}

fn colour(colour: Color) -> vt100::Color {
    match colour {
        Color::Reset => vt100::Color::Default,
        Color::Red => vt100::Color::Idx(1),
        Color::Cyan => vt100::Color::Idx(6),
        Color::DarkGray => vt100::Color::Idx(8),
        Color::LightBlue => vt100::Color::Idx(12),
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
        other => panic!("{other} is not drawn here"),
    }
}

/// Every cell of the terminal looks as the picture's.
fn same(parser: &vt100::Parser, picture: &Buffer) -> Result<(), String> {
    for y in 0..AREA.height {
        for (x, seen) in row(picture, y).into_iter().enumerate() {
            let shown = parser.screen().cell(y, x as u16).unwrap();
            let Some((letter, pen)) = seen else {
                continue;
            };
            let there = match shown.contents() {
                "" => " ",
                letter => letter,
            };
            let blank = letter == " ";
            let fine = there == letter
                && shown.bgcolor() == colour(pen.background)
                && shown.inverse() == pen.attributes.contains(Modifier::REVERSED)
                && shown.underline() == pen.attributes.contains(Modifier::UNDERLINED)
                && ((blank && !pen.attributes.intersects(ON_BLANKS))
                    || (shown.fgcolor() == colour(pen.foreground)
                        && shown.bold() == pen.attributes.contains(Modifier::BOLD)
                        && shown.dim() == pen.attributes.contains(Modifier::DIM)));
            if !fine {
                return Err(format!(
                    "({x}, {y}): `{there}` for `{letter}` by {pen:?}; {shown:?}"
                ));
            }
        }
    }
    Ok(())
}

fn words() -> impl Strategy<Value = Vec<(u16, u16, String, Style)>> {
    let colours = prop_oneof![
        Just(Color::Reset),
        Just(Color::Red),
        Just(Color::Cyan),
        Just(Color::DarkGray),
        Just(Color::LightBlue),
        Just(Color::Indexed(120)),
        Just(Color::Rgb(95, 175, 255)),
    ];
    let backgrounds = prop_oneof![4 => Just(Color::Reset), 1 => Just(Color::Red)];
    let attributes = prop_oneof![
        4 => Just(Modifier::empty()),
        1 => Just(Modifier::BOLD),
        1 => Just(Modifier::DIM),
        1 => Just(Modifier::REVERSED),
        1 => Just(Modifier::UNDERLINED | Modifier::BOLD),
        1 => Just(Modifier::REVERSED | Modifier::DIM),
    ];
    let style = (colours, backgrounds, attributes)
        .prop_map(|(fg, bg, attributes)| Style::new().fg(fg).bg(bg).add_modifier(attributes));
    let word = (
        0..AREA.width,
        0..AREA.height,
        "[ab ]{0,3}([a-z]| {1,14}|│|⣀|日本|…){0,12}",
        style,
    );
    prop::collection::vec(word, 0..14)
}

fn picture(words: &[(u16, u16, String, Style)]) -> Buffer {
    let mut buffer = Buffer::empty(AREA);
    for (x, y, word, style) in words {
        let room = usize::from(AREA.width - x);
        buffer.set_stringn(*x, *y, word, room, *style);
    }
    // the parser knows one weight a cell
    for cell in &mut buffer.content {
        if cell.modifier.contains(WEIGHT) {
            cell.modifier -= Modifier::DIM;
        }
    }
    buffer
}

proptest! {
    #[test]
    fn a_terminal_shows_every_picture_after_every_other(
        pictures in prop::collection::vec(words(), 1..5),
        erases in any::<bool>(),
    ) {
        let (mut parser, mut shown) = terminal();
        for words in &pictures {
            let next = picture(words);
            let bytes = encode(&shown, &next, erases);
            parser.process(bytes.as_bytes());
            prop_assert_eq!(same(&parser, &next), Ok(()), "{:?}", bytes);
            prop_assert_eq!(encode(&next, &next, erases), "");
            shown = next;
        }
    }
}

#[test]
fn what_looks_the_same_is_not_sent() {
    let mut before = Buffer::empty(AREA);
    before.set_string(0, 0, "a b", Style::new().fg(Color::Red));
    let mut after = Buffer::empty(AREA);
    after.set_string(0, 0, "a", Style::new().fg(Color::Red));
    after.set_string(2, 0, "b", Style::new().fg(Color::Red));
    // a blank has no colour of its own
    assert_eq!(encode(&before, &after, true), "");
}

#[test]
fn one_letter_costs_one_jump_and_one_attribute() {
    let before = Buffer::empty(AREA);
    let mut after = before.clone();
    after.set_string(8, 1, "x", Style::new().fg(Color::DarkGray));
    assert_eq!(encode(&before, &after, true), "\x1b[2;9H\x1b[90mx\x1b[m");
}

#[test]
fn short_gaps_are_written_over_and_long_ones_jumped() {
    let mut before = Buffer::empty(AREA);
    before.set_string(0, 0, "0.8123 8119", Style::new());
    before.set_string(0, 1, "one              two", Style::new());
    let mut after = before.clone();
    after.set_string(0, 0, "0.7123 7119", Style::new());
    after.set_string(0, 1, "One              Two", Style::new());
    assert_eq!(
        encode(&before, &after, true),
        "\x1b[1;3H7123 7\r\nO\x1b[18GT"
    );
}

#[test]
fn the_rest_of_a_line_is_erased() {
    let mut before = Buffer::empty(AREA);
    before.set_string(0, 0, "a longer sentence than the next", Style::new());
    before.set_string(0, 1, "│ a longer sentence than it  │", Style::new());
    let mut after = Buffer::empty(AREA);
    after.set_string(0, 0, "a short one", Style::new());
    after.set_string(0, 1, "│ a short one                │", Style::new());
    let bytes = encode(&before, &after, true);
    assert_eq!(bytes, "\x1b[1;3Hshort one\x1b[K\x1b[2;5Hshort one\x1b[14X");
    let old = encode(&before, &after, false);
    assert!(!old.contains('X') && old.len() > bytes.len());
}

#[test]
fn a_frame_is_shorter_than_by_cells() {
    use ratatui::backend::{Backend, CrosstermBackend};
    let row = |buffer: &mut Buffer, y: u16, selected: bool| {
        let style = if selected {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        buffer.set_string(
            0,
            y,
            if selected { "▌" } else { " " },
            style.fg(Color::Cyan),
        );
        buffer.set_string(1, y, format!("brave-otter-{y}         "), style);
        buffer.set_string(22, y, "✓ done ", style.fg(Color::Green));
        buffer.set_string(29, y, "0.8123   2h", style);
    };
    let (mut before, mut after) = (Buffer::empty(AREA), Buffer::empty(AREA));
    for y in 0..AREA.height {
        row(&mut before, y, y == 1);
        row(&mut after, y, y == 2);
    }
    let mut by_cells = Vec::new();
    let changes = before.diff(&after);
    CrosstermBackend::new(&mut by_cells)
        .draw(changes.into_iter())
        .unwrap();
    let bytes = encode(&before, &after, true).len();
    assert!(
        bytes * 4 < by_cells.len() * 3,
        "{bytes} of {}",
        by_cells.len()
    );
}
