//! Text as cells: cut and padded by display width; numbers, differences, ages, sizes and times as screens write them.

use crate::domain::Timestamp;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to `columns`, with `…` where something is missing.
pub fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let wide = letter.width().unwrap_or(0);
        if used + wide + 1 > columns {
            break;
        }
        used += wide;
        out.push(letter);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// `text` in exactly `columns`, at the left.
pub fn left(text: &str, columns: usize) -> String {
    let mut out = cut(text, columns);
    out.extend(std::iter::repeat_n(
        ' ',
        columns.saturating_sub(out.width()),
    ));
    out
}

/// `text` in exactly `columns`, at the right.
pub fn right(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(text.width()));
    out.push_str(&text);
    out
}

/// Words wrapped into lines of at most `columns`; long words are broken. A line that fits stays as it is.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        if paragraph.width() <= columns {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word = word.to_owned();
            while word.width() > columns {
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                let mut head = String::new();
                while let Some(letter) = word.chars().next() {
                    if head.width() + letter.width().unwrap_or(0) > columns && !head.is_empty() {
                        break;
                    }
                    head.push(letter);
                    word.remove(0);
                }
                lines.push(head);
            }
            if line.is_empty() {
                line = word;
            } else if line.width() + 1 + word.width() <= columns {
                line.push(' ');
                line.push_str(&word);
            } else {
                lines.push(std::mem::replace(&mut line, word));
            }
        }
        lines.push(line);
    }
    lines
}

/// A number in a few columns: four decimals for metrics, fewer for large ones, powers for extremes.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 1000.0 {
        format!("{value:.1}")
    } else if size >= 100.0 {
        format!("{value:.2}")
    } else if size >= 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.4}")
    }
}

/// A difference with its sign.
pub fn difference(value: f64) -> String {
    if value > 0.0 {
        format!("+{}", number(value))
    } else {
        number(value)
    }
}

/// Milliseconds as one short word: `4s`, `12m`, `3h`, `9d`, `2y`.
pub fn age(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400..63_072_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

/// Milliseconds as two words: `6m 12s`, `2h 5m`.
pub fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, milliseconds.max(0) % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Bytes: `512`, `1.1G`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["", "K", "M", "G", "T"] {
        if value < 1000.0 {
            return if unit.is_empty() || value >= 100.0 {
                format!("{value:.0}{unit}")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.0}P")
}

/// A count with spaces between thousands: `50 000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// The singular or the plural: `1 run`, `2 runs`.
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

fn local(at: Timestamp, offset_s: i32) -> chrono::DateTime<chrono::Utc> {
    Timestamp(at.0.saturating_add(i64::from(offset_s) * 1000)).utc()
}

/// `12:04`, local.
pub fn hour(at: Timestamp, offset_s: i32) -> String {
    local(at, offset_s).format("%H:%M").to_string()
}

/// `12:04:31`, local.
pub fn second(at: Timestamp, offset_s: i32) -> String {
    local(at, offset_s).format("%H:%M:%S").to_string()
}

/// `13 Nov`, local.
pub fn day(at: Timestamp, offset_s: i32) -> String {
    local(at, offset_s).format("%-d %b").to_string()
}

/// `13 Nov 09:12`, local.
pub fn moment(at: Timestamp, offset_s: i32) -> String {
    local(at, offset_s).format("%-d %b %H:%M").to_string()
}

/// `text` as one argument of a shell command.
pub fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@=,+%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// `cells` as a line of CSV (RFC 4180), with its line end.
pub fn csv_line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| {
            if cell.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        })
        .collect();
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_their_width() {
        assert_eq!(cut("brave-otter", 6), "brave…");
        assert_eq!(left("日本", 5), "日本 ");
        assert_eq!(right("7", 3), "  7");
        assert_eq!(width(&left("日本語", 4)), 4);
    }

    #[test]
    fn words_wrap() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(0.8123), "0.8123");
        assert_eq!(number(8.0), "8");
        assert_eq!(number(1234.56), "1234.6");
        assert_eq!(number(1e-7), "1.00e-7");
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(difference(0.0112), "+0.0112");
        assert_eq!(difference(-0.0017), "-0.0017");
        assert_eq!(count(50_000), "50 000");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(age(4 * 60_000), "4m");
        assert_eq!(duration(372_000), "6m 12s");
        assert_eq!(bytes(1_181_116_006), "1.1G");
        assert_eq!(moment(Timestamp(1_384_333_920_000), 0), "13 Nov 09:12");
    }
}
