//! Text from outside (names of files, values, answers) as it may be shown: what a terminal would obey or a reader could
//! not see is written out. The one place that decides this; knows no screen.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// The longest value that a message quotes, in characters.
const QUOTED: usize = 60;

/// `text` with control characters, line separators and marks that turn the direction of writing as escapes:
/// `\n`, `\t`, `\u{1b}`.
///
/// ```
/// assert_eq!(trainyard::domain::printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(unseen) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if unseen(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// A path as it may be shown; bytes that are no UTF-8 as `\xff`.
pub fn printable_path(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        shown.push_str(&printable(chunk.valid()));
        for byte in chunk.invalid() {
            // writing to a string never fails
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// A value as a message quotes it: printable, and cut when it is long.
pub fn quotable(value: &str) -> String {
    let mut cut: String = value.chars().take(QUOTED).collect();
    if cut.len() < value.len() {
        cut.push('…');
    }
    printable(&cut).into_owned()
}

/// Obeyed by a terminal, or turning what is read: controls, separators, bidirectional marks, the byte order mark.
fn unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(printable("plain ünï 表"), "plain ünï 表");
        assert_eq!(
            printable("a\nb\t\u{1b}]0;x\u{7}\u{9b}"),
            "a\\nb\\t\\u{1b}]0;x\\u{7}\\u{9b}"
        );
        assert_eq!(printable("gnp\u{202e}.csv"), "gnp\\u{202e}.csv");
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff\nb"));
        assert_eq!(printable_path(path), "a\\xff\\nb");
        assert_eq!(quotable(&"x".repeat(61)).chars().count(), 61);
        assert_eq!(quotable("x"), "x");
    }
}
