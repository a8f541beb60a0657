//! What a stroke means ([`Ink`]) and the colour it gets ([`Palette`]).
//!
//! Charts only speak in inks. A picture maps them to paper colours, the terminal to keys that it
//! translates to its theme, so no chart knows a theme.

use plotters_backend::BackendColor;

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

/// How many series have a colour of their own.
pub const SERIES: usize = 6;

/// The meaning of a stroke, fill or text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The main text.
    Text,
    /// Labels of axes and remarks.
    Muted,
    /// Axis lines.
    Axis,
    /// Lines behind the chart, in pictures only.
    Grid,
    /// A vertical mark: something happened here.
    Mark,
    /// The cursor.
    Cursor,
    /// A limit that must hold.
    Limit,
    /// A series, by its place; the seventh has the first colour again.
    Series(usize),
    /// The raw line behind a smoothed series.
    Faint(usize),
    /// The champion's line; the reference distribution.
    Reference,
    /// The distribution that is compared with the reference.
    Current,
    /// Where both distributions are.
    Overlap,
}

impl Ink {
    /// A number for each ink; [`Ink::from_key`] is its inverse.
    pub fn key(self) -> u8 {
        match self {
            Ink::Text => 0,
            Ink::Muted => 1,
            Ink::Axis => 2,
            Ink::Grid => 3,
            Ink::Mark => 4,
            Ink::Cursor => 5,
            Ink::Limit => 6,
            Ink::Reference => 7,
            Ink::Current => 8,
            Ink::Overlap => 9,
            Ink::Series(place) => 16 + (place % SERIES) as u8,
            Ink::Faint(place) => 32 + (place % SERIES) as u8,
        }
    }

    /// The ink of a key.
    pub fn from_key(key: u8) -> Option<Ink> {
        Some(match key {
            0 => Ink::Text,
            1 => Ink::Muted,
            2 => Ink::Axis,
            3 => Ink::Grid,
            4 => Ink::Mark,
            5 => Ink::Cursor,
            6 => Ink::Limit,
            7 => Ink::Reference,
            8 => Ink::Current,
            9 => Ink::Overlap,
            16..=21 => Ink::Series(usize::from(key - 16)),
            32..=37 => Ink::Faint(usize::from(key - 32)),
            _ => return None,
        })
    }
}

/// A colour for each ink.
#[derive(Clone, Debug, PartialEq)]
pub struct Palette {
    /// Behind everything; none leaves what is there.
    pub background: Option<Rgb>,
    /// See [`Ink::Text`].
    pub text: Rgb,
    /// See [`Ink::Muted`].
    pub muted: Rgb,
    /// See [`Ink::Axis`].
    pub axis: Rgb,
    /// See [`Ink::Grid`].
    pub grid: Rgb,
    /// See [`Ink::Mark`].
    pub mark: Rgb,
    /// See [`Ink::Cursor`].
    pub cursor: Rgb,
    /// See [`Ink::Limit`].
    pub limit: Rgb,
    /// See [`Ink::Series`].
    pub series: [Rgb; SERIES],
    /// See [`Ink::Faint`].
    pub faint: [Rgb; SERIES],
    /// See [`Ink::Reference`].
    pub reference: Rgb,
    /// See [`Ink::Current`].
    pub current: Rgb,
    /// See [`Ink::Overlap`].
    pub overlap: Rgb,
}

impl Palette {
    /// Colours for white paper, safe for colour-blind eyes: blue, orange, teal, pink, violet, grey.
    pub fn paper() -> Self {
        let series = [
            (0x0b, 0x66, 0xb5),
            (0xe0, 0x7b, 0x00),
            (0x00, 0x96, 0x80),
            (0xd6, 0x4d, 0x94),
            (0x70, 0x4f, 0xc4),
            (0x6b, 0x72, 0x80),
        ];
        Self {
            background: Some((255, 255, 255)),
            text: (0x1f, 0x23, 0x28),
            muted: (0x59, 0x63, 0x6e),
            axis: (0x8c, 0x95, 0x9f),
            grid: (0xe8, 0xeb, 0xef),
            mark: (0x82, 0x50, 0x1f),
            cursor: (0x59, 0x63, 0x6e),
            limit: (0xb3, 0x26, 0x1e),
            faint: series.map(|colour| mix(colour, (255, 255, 255), 0.68)),
            series,
            reference: (0x3d, 0x44, 0x4d),
            current: (0xe0, 0x7b, 0x00),
            overlap: (0xb0, 0x9a, 0x7a),
        }
    }

    /// Each colour is the key of its ink, for backends that translate inks themselves.
    pub fn keys() -> Self {
        let key = |ink: Ink| (ink.key(), 0, 0);
        Self {
            background: None,
            text: key(Ink::Text),
            muted: key(Ink::Muted),
            axis: key(Ink::Axis),
            grid: key(Ink::Grid),
            mark: key(Ink::Mark),
            cursor: key(Ink::Cursor),
            limit: key(Ink::Limit),
            series: [0, 1, 2, 3, 4, 5].map(|place| key(Ink::Series(place))),
            faint: [0, 1, 2, 3, 4, 5].map(|place| key(Ink::Faint(place))),
            reference: key(Ink::Reference),
            current: key(Ink::Current),
            overlap: key(Ink::Overlap),
        }
    }

    /// The colour of an ink, opaque.
    pub fn colour(&self, ink: Ink) -> BackendColor {
        let rgb = match ink {
            Ink::Text => self.text,
            Ink::Muted => self.muted,
            Ink::Axis => self.axis,
            Ink::Grid => self.grid,
            Ink::Mark => self.mark,
            Ink::Cursor => self.cursor,
            Ink::Limit => self.limit,
            Ink::Series(place) => self.series[place % SERIES],
            Ink::Faint(place) => self.faint[place % SERIES],
            Ink::Reference => self.reference,
            Ink::Current => self.current,
            Ink::Overlap => self.overlap,
        };
        BackendColor { alpha: 1.0, rgb }
    }
}

/// `share` of the way from one colour to another.
fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let between = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8
    };
    (
        between(from.0, to.0),
        between(from.1, to.1),
        between(from.2, to.2),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_ink_and_the_key_palette_holds_it() {
        let keys = Palette::keys();
        for ink in [
            Ink::Text,
            Ink::Limit,
            Ink::Series(5),
            Ink::Faint(2),
            Ink::Overlap,
        ] {
            assert_eq!(Ink::from_key(ink.key()), Some(ink));
            assert_eq!(keys.colour(ink).rgb.0, ink.key());
        }
        assert_eq!(Ink::from_key(200), None);
    }
}
