//! Colours, signs and frames; monochrome and ASCII too. State is a sign and a word before it is a colour, so
//! panes write signs and words, take styles from here, and lose nothing where colours are missing.
//! Panes write Unicode signs; [`Theme::finish`] replaces them where the terminal has only ASCII.

use super::widgets::{Look, Marker};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use std::collections::BTreeMap;

/// How charts are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Markers {
    /// Braille for lines, eighth blocks for histograms.
    #[default]
    Auto,
    /// Braille.
    Braille,
    /// Sextants.
    Sextant,
    /// Blocks.
    Block,
    /// ASCII only, everywhere: frames and signs too.
    Ascii,
}

impl Markers {
    /// The kind called `name` in `chart = …`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "auto" => Self::Auto,
            "braille" => Self::Braille,
            "sextant" => Self::Sextant,
            "block" => Self::Block,
            "ascii" => Self::Ascii,
            _ => return None,
        })
    }
}

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None (`NO_COLOR`, `TERM=vt100`).
    None,
    /// The sixteen with names.
    #[default]
    Named,
    /// All.
    True,
}

/// The styles of the dashboard, by what they mean. The background is the terminal's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// `auto`, `dark`, `light`, `mono`, or the file's.
    pub name: String,
    /// Colours there are.
    pub depth: Depth,
    /// How charts are drawn.
    pub markers: Markers,
    /// Ordinary text.
    pub text: Style,
    /// Beside the point: units, ages, what is stale.
    pub dim: Style,
    /// Headings of tables, keys in the footer.
    pub strong: Style,
    /// What the eye should find: the active tab, the focused frame.
    pub accent: Style,
    /// Frames.
    pub border: Style,
    /// The row under the cursor in the focused part.
    pub selected: Style,
    /// The row under the cursor in another part.
    pub chosen: Style,
    /// Done, healthy, better.
    pub good: Style,
    /// Needs a look.
    pub warn: Style,
    /// Failed, worse.
    pub bad: Style,
    /// Running, live.
    pub busy: Style,
    /// The champion.
    pub champion: Style,
    /// The marks A to F, and their curves.
    pub marks: [Style; 6],
    /// The header of a production workspace.
    pub production: Style,
}

/// Safe for colour-blind eyes: blue, orange, teal, pink, violet, grey. On dark paper, on light paper, by name on dark and
/// on light paper: bright names and white-grey cannot be read on white.
const MARKS: [(u32, u32, Color, Color); 6] = [
    (0x005f_afff, 0x0000_5faf, Color::LightBlue, Color::Blue),
    (0x00ff_af5f, 0x00af_5f00, Color::Yellow, Color::Yellow),
    (0x005f_d7af, 0x0000_7a5f, Color::Cyan, Color::Cyan),
    (
        0x00ff_87d7,
        0x00af_0087,
        Color::LightMagenta,
        Color::LightMagenta,
    ),
    (0x00af_87ff, 0x005f_00af, Color::Magenta, Color::Magenta),
    (0x00a8_a8a8, 0x0060_6060, Color::Gray, Color::DarkGray),
];

impl Default for Theme {
    fn default() -> Self {
        Self::named("auto", Depth::Named, Markers::Auto)
    }
}

/// The themes that `T` goes through.
pub const NAMES: [&str; 4] = ["auto", "dark", "light", "mono"];

impl Theme {
    /// The theme called `name` (one of [`NAMES`]; others are `auto`).
    pub fn named(name: &str, depth: Depth, markers: Markers) -> Self {
        let plain = Style::new();
        if name == "mono" || depth == Depth::None {
            // the name that was asked for is kept: the same looks elsewhere have their colours
            return Self {
                name: name.to_owned(),
                ..Self::mono(markers, depth)
            };
        }
        let light = name == "light";
        let pick = |dark: u32, paper: u32, named: Color| {
            let color = if depth == Depth::True && name != "auto" {
                Color::from_u32(if light { paper } else { dark })
            } else {
                named
            };
            Style::new().fg(color)
        };
        let marks = MARKS.map(|(dark, paper, named, on_light)| {
            pick(dark, paper, if light { on_light } else { named })
        });
        Self {
            name: name.to_owned(),
            depth,
            markers,
            text: plain,
            dim: pick(0x008a_8a8a, 0x0070_7070, Color::DarkGray),
            strong: plain.add_modifier(Modifier::BOLD),
            accent: pick(0x005f_d7ff, 0x0000_5f87, Color::Cyan).add_modifier(Modifier::BOLD),
            border: pick(0x0060_6060, 0x00a8_a8a8, Color::DarkGray),
            selected: plain.add_modifier(Modifier::REVERSED),
            chosen: plain.add_modifier(Modifier::BOLD),
            good: pick(0x0087_d787, 0x0000_7000, Color::Green),
            warn: pick(0x00ff_d75f, 0x0087_5f00, Color::Yellow),
            bad: pick(0x00ff_8787, 0x00af_0000, Color::Red),
            busy: pick(0x005f_d7ff, 0x0000_5f87, Color::Cyan),
            champion: pick(0x00ff_ffff, 0x0000_0000, Color::Reset).add_modifier(Modifier::BOLD),
            marks,
            production: Style::new()
                .fg(Color::White)
                .bg(Color::Red)
                .add_modifier(Modifier::BOLD),
        }
    }

    fn mono(markers: Markers, depth: Depth) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let faint = plain.add_modifier(Modifier::DIM);
        Self {
            name: "mono".to_owned(),
            depth,
            markers,
            text: plain,
            dim: faint,
            strong: bold,
            accent: bold,
            border: faint,
            selected: plain.add_modifier(Modifier::REVERSED),
            chosen: bold,
            good: plain,
            warn: bold,
            bad: bold,
            busy: plain,
            champion: bold,
            marks: [plain; 6],
            production: plain.add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// This theme with styles from a file: `name = "colour"` or `name = { fg, bg, bold, dim, reversed }`-like lines
    /// already read into pairs of a style's name and its words (`"#ffaf5f bold"`, `"yellow"`). Says what it did not understand.
    pub fn with(mut self, file: &str, styles: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        if self.depth == Depth::None {
            return (self, problems);
        }
        file.clone_into(&mut self.name);
        for (name, words) in styles {
            let style = match parse_style(words, self.depth) {
                Ok(style) => style,
                Err(word) => {
                    problems.push(format!(
                        "theme `{file}`: `{name}` has `{word}`, which is no colour and no attribute"
                    ));
                    continue;
                }
            };
            match name.as_str() {
                "text" => self.text = style,
                "dim" => self.dim = style,
                "strong" => self.strong = style,
                "accent" => self.accent = style,
                "border" => self.border = style,
                "selected" => self.selected = style,
                "chosen" => self.chosen = style,
                "good" => self.good = style,
                "warn" => self.warn = style,
                "bad" => self.bad = style,
                "busy" => self.busy = style,
                "champion" => self.champion = style,
                "production" => self.production = style,
                "mark_a" => self.marks[0] = style,
                "mark_b" => self.marks[1] = style,
                "mark_c" => self.marks[2] = style,
                "mark_d" => self.marks[3] = style,
                "mark_e" => self.marks[4] = style,
                "mark_f" => self.marks[5] = style,
                _ => problems.push(format!("theme `{file}` has no style `{name}`")),
            }
        }
        (self, problems)
    }

    /// What widgets draw with.
    pub fn look(&self) -> Look {
        let colour = |style: Style| style.fg.unwrap_or(Color::Reset);
        Look {
            text: self.text,
            accent: self.accent,
            dim: self.dim,
            good: self.good,
            warn: self.warn,
            bad: self.bad,
            selected: self.selected,
            series: self.marks.map(colour),
            reference: colour(self.champion),
            overlap: colour(self.dim),
            ascii: self.ascii(),
            marker: match self.markers {
                Markers::Auto | Markers::Braille => Marker::Braille,
                Markers::Sextant => Marker::Sextant,
                Markers::Block => Marker::Block,
                Markers::Ascii => Marker::Ascii,
            },
        }
    }

    /// Whether only ASCII may be written.
    pub fn ascii(&self) -> bool {
        self.markers == Markers::Ascii
    }

    /// The last touch on a drawn picture: no colours where there are none, no signs beyond ASCII where there are none.
    pub fn finish(&self, buffer: &mut Buffer) {
        let (colourless, ascii) = (self.depth == Depth::None, self.ascii());
        if !colourless && !ascii {
            return;
        }
        for cell in &mut buffer.content {
            if colourless {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            if ascii && !cell.symbol().is_ascii() {
                let replacement = cell.symbol().chars().next().map_or(' ', ascii_for);
                cell.set_char(replacement);
            }
        }
    }
}

/// `"#rrggbb bold"`, `"yellow"`, `"dim"`, `"reversed"`, `"on red"`.
fn parse_style(words: &str, depth: Depth) -> Result<Style, String> {
    let mut style = Style::new();
    let mut background = false;
    for word in words.split_whitespace() {
        match word {
            "bold" => style = style.add_modifier(Modifier::BOLD),
            "dim" => style = style.add_modifier(Modifier::DIM),
            "italic" => style = style.add_modifier(Modifier::ITALIC),
            "underlined" => style = style.add_modifier(Modifier::UNDERLINED),
            "reversed" => style = style.add_modifier(Modifier::REVERSED),
            "on" => background = true,
            name => {
                let color: Color = name.parse().map_err(|_| name.to_owned())?;
                // a colour beyond the sixteen is left to the terminal that has it
                if depth == Depth::True || !matches!(color, Color::Rgb(..)) {
                    style = if background {
                        style.bg(color)
                    } else {
                        style.fg(color)
                    };
                }
                background = false;
            }
        }
    }
    Ok(style)
}

/// The ASCII character that stands for a sign: one column for one column.
pub fn ascii_for(sign: char) -> char {
    match sign {
        '─' | '━' | '┄' | '┈' | '╌' | '—' | '–' | '⠤' | '⣀' => '-',
        '│' | '┃' | '┆' | '┊' | '╎' | '⡇' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' | '⠧' => {
            '+'
        }
        '▌' | '▶' | '▸' | '→' | '⇥' => '>',
        '←' | '◀' | '◂' => '<',
        '↑' => '^',
        '↓' | '▾' => 'v',
        '✓' | '≥' => '+',
        '✗' | '×' => 'x',
        '▲' => '!',
        '◆' => '#',
        '●' => 'o',
        '○' | '◌' => '.',
        '★' => '*',
        '·' | '…' | '▁' => '.',
        'Δ' => 'd',
        '≤' => '<',
        '≠' => '!',
        '±' => '~',
        '▂' | '▃' => '-',
        '▄' | '▅' => '=',
        '░' => '.',
        '▒' => '%',
        '▓' => '=',
        '█' | '▇' | '▆' => '#',
        '▏' | '▎' | '▍' => '|',
        '▋' | '▊' | '▉' => '#',
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => '*',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn ascii_leaves_nothing_else() {
        let theme = Theme::named("auto", Depth::Named, Markers::Ascii);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        buffer.set_string(0, 0, "┌─ ✓ ▲ ⣀ é Δ", theme.accent);
        theme.finish(&mut buffer);
        assert!(buffer.content.iter().all(|cell| cell.symbol().is_ascii()));
    }

    #[test]
    fn a_terminal_without_colours_does_not_rename_the_theme() {
        let theme = Theme::named("light", Depth::None, Markers::Auto);
        assert_eq!((theme.name.as_str(), theme.good.fg), ("light", None));
    }

    #[test]
    fn curves_are_seen_on_light_paper_with_sixteen_colours() {
        let light = Theme::named("light", Depth::Named, Markers::Auto);
        for mark in light.marks {
            assert!(!matches!(
                mark.fg,
                Some(Color::White | Color::Gray | Color::LightBlue | Color::LightYellow)
            ));
        }
    }

    #[test]
    fn no_colour_leaves_modifiers() {
        let theme = Theme::named("dark", Depth::None, Markers::Auto);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        buffer.set_string(
            0,
            0,
            "abc",
            Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        );
        theme.finish(&mut buffer);
        assert_eq!(buffer.content[0].fg, Color::Reset);
        assert!(buffer.content[0].modifier.contains(Modifier::BOLD));
    }

    #[test]
    fn a_file_changes_styles_and_says_what_it_is_not() {
        let styles = BTreeMap::from([
            ("mark_a".to_owned(), "#ff0000 bold".to_owned()),
            ("sky".to_owned(), "blue".to_owned()),
            ("good".to_owned(), "greenish".to_owned()),
        ]);
        let (theme, problems) =
            Theme::named("dark", Depth::True, Markers::Auto).with("mine.toml", &styles);
        assert_eq!(theme.marks[0].fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(problems.len(), 2);
    }
}
