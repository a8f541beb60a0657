//! The terminal: taken over at the start, given back at every kind of end. Frames are differences, each inside one
//! synchronized update (DEC 2026) and one write. Nothing is asked of the terminal, so nothing waits for an answer.

use super::encoder;
use super::theme::{Depth, Markers};
use crate::domain::Result;
use base64::Engine as _;
use crossterm::style::{Attribute, Color, Colors, Print, SetAttribute, SetColors};
use crossterm::{cursor, queue, terminal};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use std::io::{self, Write};

const BEGIN_FRAME: &[u8] = b"\x1b[?2026h";
const END_FRAME: &[u8] = b"\x1b[?2026l";
/// Clicks and wheel with wide coordinates; no movement, which would wake the program for nothing.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l";
/// Longest text sent to the clipboard: terminals drop longer sequences silently.
const CLIPBOARD_LIMIT: usize = 74_994;

/// A screen that is ours.
pub struct Screen {
    shown: Buffer,
    mouse: bool,
    /// The terminal can erase within a line (ECH): all but those before the VT220.
    erases: bool,
}

impl Screen {
    /// Takes the terminal over.
    pub fn open(mouse: bool) -> Result<Self> {
        let (columns, rows) = terminal::size()?;
        let screen = Self {
            shown: unknown(Rect::new(0, 0, columns, rows)),
            mouse,
            erases: !std::env::var("TERM").is_ok_and(|term| term.starts_with("vt1")),
        };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&self) -> io::Result<()> {
        terminal::enable_raw_mode()?;
        let mut out = Vec::new();
        queue!(out, terminal::EnterAlternateScreen, cursor::Hide)?;
        out.extend_from_slice(PASTE_ON);
        if self.mouse {
            out.extend_from_slice(MOUSE_ON);
        }
        send(&out)
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        (self.shown.area.width, self.shown.area.height)
    }

    /// Draws what `draw` paints, as the difference to what is shown: nothing when nothing changed. Returns the bytes sent.
    pub fn draw(&mut self, area: Rect, draw: impl FnOnce(&mut Buffer)) -> io::Result<usize> {
        if area != self.shown.area {
            self.shown = unknown(area);
        }
        let mut next = Buffer::empty(area);
        draw(&mut next);
        let changes = encoder::encode(&self.shown, &next, self.erases);
        self.shown = next;
        if changes.is_empty() {
            return Ok(0);
        }
        let frame = [BEGIN_FRAME, changes.as_bytes(), END_FRAME].concat();
        send(&frame)?;
        Ok(frame.len())
    }

    /// The next frame is written whole, over a cleared screen.
    pub fn forget(&mut self) -> io::Result<()> {
        self.shown = unknown(self.shown.area);
        let mut out = Vec::new();
        out.extend_from_slice(BEGIN_FRAME);
        queue!(out, terminal::Clear(terminal::ClearType::All))?;
        out.extend_from_slice(END_FRAME);
        send(&out)
    }

    /// Mouse reporting on or off.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        send(if on { MOUSE_ON } else { MOUSE_OFF })
    }

    /// Gives the terminal back, stops the process as `C-z` would, and takes it over again afterwards.
    pub fn suspend(&mut self) -> Result<()> {
        restore();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)
            .map_err(io::Error::from)?;
        self.resume()
    }

    /// Takes the terminal over again, and forgets what it showed.
    pub fn resume(&mut self) -> Result<()> {
        self.enter()?;
        self.forget()?;
        Ok(())
    }

    /// Puts `text` on the clipboard of the terminal (OSC 52); says what to check when nothing arrives.
    pub fn copy(
        &mut self,
        what: &str,
        text: &str,
    ) -> io::Result<std::result::Result<String, String>> {
        if text.len() > CLIPBOARD_LIMIT {
            return Ok(Err(format!(
                "{what} has {} bytes; terminals take {CLIPBOARD_LIMIT} at most; `e` writes a file",
                text.len()
            )));
        }
        let tmux = std::env::var_os("TMUX").is_some();
        send(clipboard(text, tmux).as_bytes())?;
        let hint = if tmux {
            "tmux needs set-clipboard on, or allow-passthrough on"
        } else {
            "not there? allow OSC 52"
        };
        let length = text.chars().count();
        Ok(Ok(format!(
            "sent {what} to the clipboard ({length} characters; {hint})"
        )))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; what fails is left, since the terminal may be gone.
pub fn restore() {
    let mut out = Vec::new();
    out.extend_from_slice(END_FRAME);
    out.extend_from_slice(MOUSE_OFF);
    out.extend_from_slice(PASTE_OFF);
    let plain = Colors::new(Color::Reset, Color::Reset);
    let queued = queue!(
        out,
        SetAttribute(Attribute::Reset),
        SetColors(plain),
        terminal::LeaveAlternateScreen,
        cursor::Show,
        Print("")
    );
    if queued.is_ok() {
        let _ = send(&out);
    }
    let _ = terminal::disable_raw_mode();
}

/// The terminal is gone: its settings cannot be read any more.
pub fn hung_up() -> bool {
    rustix::termios::tcgetattr(io::stdin()).is_err()
}

fn send(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A buffer that differs from every picture in every cell, so that the next frame is written whole: full of a
/// character for private use, which nothing here draws.
fn unknown(area: Rect) -> Buffer {
    Buffer::filled(area, Cell::new("\u{e000}"))
}

/// OSC 52; in tmux plain for `set-clipboard on`, and wrapped for `allow-passthrough on`: either lets it through.
fn clipboard(text: &str, tmux: bool) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    let sequence = format!("\x1b]52;c;{encoded}\x07");
    if tmux {
        let wrapped = sequence.replace('\x1b', "\x1b\x1b");
        format!("{sequence}\x1bPtmux;{wrapped}\x1b\\")
    } else {
        sequence
    }
}

/// How many colours the environment promises: `NO_COLOR` (non-empty) none, `COLORTERM` all, else the sixteen.
pub fn depth(no_color: bool, variable: impl Fn(&str) -> Option<String>) -> Depth {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let term = set("TERM").unwrap_or_default();
    if no_color
        || set("NO_COLOR").is_some()
        || term == "dumb"
        || term.starts_with("vt1")
        || term.starts_with("vt2")
    {
        Depth::None
    } else if set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit") {
        Depth::True
    } else {
        Depth::Named
    }
}

/// The markers: as configured, or ASCII where the locale is not UTF-8.
pub fn markers(configured: Option<Markers>, variable: impl Fn(&str) -> Option<String>) -> Markers {
    match configured {
        None | Some(Markers::Auto) => {
            let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
                .iter()
                .find_map(|name| variable(name).filter(|value| !value.is_empty()))
                .unwrap_or_default()
                .to_lowercase();
            if locale.contains("utf-8") || locale.contains("utf8") {
                Markers::Auto
            } else {
                Markers::Ascii
            }
        }
        Some(markers) => markers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_frame_writes_every_cell() {
        let area = Rect::new(0, 0, 5, 2);
        let next = Buffer::filled(area, Cell::new("x"));
        let bytes = encoder::encode(&unknown(area), &next, true);
        assert_eq!(bytes.matches('x').count(), 10);
    }

    #[test]
    fn the_clipboard_is_wrapped_for_tmux() {
        assert_eq!(clipboard("run", false), "\x1b]52;c;cnVu\x07");
        assert_eq!(
            clipboard("run", true),
            "\x1b]52;c;cnVu\x07\x1bPtmux;\x1b\x1b]52;c;cnVu\x07\x1b\\"
        );
    }

    #[test]
    fn colours_follow_the_environment() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert_eq!(depth(false, with("NO_COLOR", "1")), Depth::None);
        assert_eq!(depth(false, with("NO_COLOR", "")), Depth::Named);
        assert_eq!(depth(false, with("COLORTERM", "truecolor")), Depth::True);
        assert_eq!(depth(true, with("COLORTERM", "truecolor")), Depth::None);
        assert_eq!(depth(false, with("TERM", "vt100")), Depth::None);
    }

    #[test]
    fn a_locale_without_utf8_gets_ascii() {
        let locale =
            |value: &'static str| move |name: &str| (name == "LANG").then(|| value.to_owned());
        assert_eq!(markers(None, locale("C")), Markers::Ascii);
        assert_eq!(markers(None, locale("de_DE.UTF-8")), Markers::Auto);
        assert_eq!(markers(Some(Markers::Block), locale("C")), Markers::Block);
    }
}
