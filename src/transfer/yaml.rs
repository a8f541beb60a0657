//! The YAML that MLflow writes (PyYAML's block style): mappings, lists, scalars plain or quoted, over several lines.
//! No anchors, no tags, no block scalars: those it never writes. Pure.

use crate::domain::{Error, Result};

/// A value. Numbers and truth are text: whoever asks knows what a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// `null`, `~` or nothing.
    Null,
    /// A scalar.
    Text(String),
    /// In its order.
    Map(Vec<(String, Yaml)>),
    /// In its order.
    List(Vec<Yaml>),
}

impl Yaml {
    /// The document in `text`.
    ///
    /// # Errors
    /// The line that is not understood.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut lines = Lines {
            lines: text.lines().collect(),
            at: 0,
        };
        let value = match lines.peek() {
            Some((indent, _)) => lines.block(indent, 0)?,
            None => Self::Null,
        };
        match lines.peek() {
            None => Ok(value),
            Some(_) => Err(lines.wrong("indented otherwise than the lines before it")),
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text behind `key`; none when it is absent or null.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Self::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The whole number behind `key`.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    /// The texts of the mapping behind `key`.
    pub(super) fn pairs(&self, key: &str) -> Vec<(String, String)> {
        match self.get(key) {
            Some(Self::Map(pairs)) => pairs
                .iter()
                .filter_map(|(key, value)| match value {
                    Self::Text(text) => Some((key.clone(), text.clone())),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

/// Mappings inside each other; MLflow has two.
const DEPTH: usize = 16;

impl<'a> Lines<'a> {
    /// The next line that says something: its indent and the rest.
    fn peek(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let line = *self.lines.get(self.at)?;
            let text = line.trim_start_matches(' ');
            if text.is_empty() || text.starts_with('#') || line == "---" || line == "..." {
                self.at += 1;
                continue;
            }
            return Some((line.len() - text.len(), text));
        }
    }

    fn wrong(&self, what: &str) -> Error {
        Error::invalid(format!("line {}: {what}", self.at + 1))
    }

    /// A mapping or a list, all of whose lines begin at `indent`.
    fn block(&mut self, indent: usize, depth: usize) -> Result<Yaml> {
        if depth > DEPTH {
            return Err(self.wrong("nested too deep"));
        }
        match self.peek() {
            Some((_, text)) if text == "-" || text.starts_with("- ") => {
                let mut items = Vec::new();
                while let Some((at, text)) = self.peek() {
                    if at != indent || !(text == "-" || text.starts_with("- ")) {
                        break;
                    }
                    let rest = text[1..].trim_start();
                    items.push(self.value(rest, indent, depth)?);
                }
                Ok(Yaml::List(items))
            }
            _ => {
                let mut pairs = Vec::new();
                while let Some((at, text)) = self.peek() {
                    if at != indent {
                        break;
                    }
                    let (key, rest) = self.key(text)?;
                    pairs.push((key, self.value(rest, indent, depth)?));
                }
                Ok(Yaml::Map(pairs))
            }
        }
    }

    /// `key: rest`, the key plain or quoted.
    fn key(&self, text: &'a str) -> Result<(String, &'a str)> {
        let (key, rest) = match text.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let end = closing(&text[1..], quote)
                    .ok_or_else(|| self.wrong("a key's quote is not closed"))?;
                (unquoted(&text[1..=end], quote), &text[end + 2..])
            }
            _ => {
                let end = text
                    .find(": ")
                    .or_else(|| text.strip_suffix(':').map(str::len))
                    .ok_or_else(|| self.wrong("`key: value` is expected"))?;
                (text[..end].to_owned(), &text[end..])
            }
        };
        let rest = rest
            .strip_prefix(':')
            .ok_or_else(|| self.wrong("`:` is expected after a key"))?;
        Ok((key, rest.trim_start()))
    }

    /// What follows a key or a dash on its line, and on the lines below.
    fn value(&mut self, rest: &'a str, indent: usize, depth: usize) -> Result<Yaml> {
        self.at += 1;
        match rest.chars().next() {
            None => match self.peek() {
                Some((below, text))
                    if below > indent || (below == indent && text.starts_with("- ")) =>
                {
                    self.block(below, depth + 1)
                }
                _ => Ok(Yaml::Null),
            },
            Some(quote @ ('\'' | '"')) => {
                let mut raw = rest[1..].to_owned();
                loop {
                    if let Some(end) = closing(&raw, quote) {
                        raw.truncate(end);
                        return Ok(Yaml::Text(unquoted(&raw, quote)));
                    }
                    let next = self
                        .lines
                        .get(self.at)
                        .ok_or_else(|| self.wrong("a quote is not closed"))?;
                    raw.push('\n');
                    raw.push_str(next);
                    self.at += 1;
                }
            }
            Some('[') if rest == "[]" => Ok(Yaml::List(Vec::new())),
            Some('{') if rest == "{}" => Ok(Yaml::Map(Vec::new())),
            Some('[' | '{' | '|' | '>' | '&' | '*' | '!') => {
                self.at -= 1;
                Err(self.wrong("this form of YAML is not one that MLflow writes"))
            }
            Some(_) => {
                let mut raw = rest.to_owned();
                while let Some(line) = self.lines.get(self.at) {
                    let text = line.trim_start_matches(' ');
                    let goes_on = if text.is_empty() {
                        // Blank lines belong to the text when it goes on after them.
                        self.lines[self.at..]
                            .iter()
                            .find(|line| !line.trim().is_empty())
                            .is_some_and(|line| {
                                line.len() - line.trim_start_matches(' ').len() > indent
                            })
                    } else {
                        line.len() - text.len() > indent
                    };
                    if !goes_on {
                        break;
                    }
                    raw.push('\n');
                    raw.push_str(line);
                    self.at += 1;
                }
                Ok(match raw.as_str() {
                    "null" | "~" => Yaml::Null,
                    _ => Yaml::Text(folded(&raw)),
                })
            }
        }
    }
}

/// Where the quote closes in what follows the opening one.
fn closing(text: &str, quote: char) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == '"' => at += 2,
            b'\'' if quote == '\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            byte if char::from(byte) == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Lines folded: one break is a space, each further one is a break.
fn folded(raw: &str) -> String {
    let mut text = String::new();
    let mut breaks = 0;
    for (number, line) in raw.split('\n').enumerate() {
        let line = match number {
            0 => line.trim_end_matches(' '),
            _ => line.trim_matches(' '),
        };
        if number > 0 {
            breaks += 1;
        }
        if line.is_empty() && number > 0 {
            continue;
        }
        match breaks {
            0 => {}
            1 => text.push(' '),
            more => text.push_str(&"\n".repeat(more - 1)),
        }
        breaks = 0;
        text.push_str(line);
    }
    if breaks > 0 && raw.contains('\n') {
        // The closing quote stands on a line of its own.
        text.push_str(&match breaks {
            1 => " ".to_owned(),
            more => "\n".repeat(more - 1),
        });
    }
    text
}

/// The text between quotes.
fn unquoted(raw: &str, quote: char) -> String {
    if quote == '\'' {
        let text = match raw.contains('\n') {
            true => folded(raw),
            false => raw.to_owned(),
        };
        return text.replace("''", "'");
    }
    // Escaped breaks join lines without a space; `\ ` keeps a space at a line's beginning or end.
    let mut joined = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find("\\\n") {
        // An even number of backslashes before it means that it is one of a pair.
        let before = rest[..at].bytes().rev().take_while(|b| *b == b'\\').count();
        if before % 2 == 1 {
            joined.push_str(&rest[..at + 1]);
            rest = &rest[at + 1..];
            continue;
        }
        joined.push_str(&rest[..at]);
        rest = rest[at + 2..].trim_start_matches(' ');
    }
    joined.push_str(rest);
    let text = match joined.contains('\n') {
        true => folded(&joined),
        false => joined,
    };
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let code = |characters: &mut std::str::Chars<'_>, digits: usize| {
            let hex: String = characters.by_ref().take(digits).collect();
            u32::from_str_radix(&hex, 16)
                .ok()
                .and_then(char::from_u32)
                .unwrap_or('\u{fffd}')
        };
        match characters.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('e') => out.push('\u{1b}'),
            Some('f') => out.push('\u{c}'),
            Some('v') => out.push('\u{b}'),
            Some('N') => out.push('\u{85}'),
            Some('_') => out.push('\u{a0}'),
            Some('L') => out.push('\u{2028}'),
            Some('P') => out.push('\u{2029}'),
            Some('x') => out.push(code(&mut characters, 2)),
            Some('u') => out.push(code(&mut characters, 4)),
            Some('U') => out.push(code(&mut characters, 8)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_pyyaml_writes_is_read() {
        // yaml.safe_dump of the values beside it, width 80.
        let text = concat!(
            "aliases:\n  champion: '1'\n",
            "description: 'first line\n\n  second: it''s \"quoted\" # and long word word word word word word word word word\n  word word'\n",
            "double: \"tab\\there \\xE4 \\u2028 and a long tail word word word word word word\\\n  \\ word word\"\n",
            "empty: ''\n",
            "plain: one two three four five six seven eight nine ten eleven twelve thirteen\n  fourteen fifteen\n",
            "'key: odd': 5\n",
            "list:\n- a\n- 'b'\n",
            "none: null\ntags: {}\nmore: []\nnothing:\nlast: -3\n",
        );
        let yaml = Yaml::parse(text).unwrap();
        assert_eq!(
            yaml.pairs("aliases"),
            [("champion".to_owned(), "1".to_owned())]
        );
        assert_eq!(
            yaml.text("description").unwrap(),
            "first line\nsecond: it's \"quoted\" # and long word word word word word word word word word word word"
        );
        assert_eq!(
            yaml.text("double").unwrap(),
            "tab\there ä \u{2028} and a long tail word word word word word word word word"
        );
        assert_eq!(yaml.text("empty"), Some(""));
        assert!(
            yaml.text("plain")
                .unwrap()
                .ends_with("thirteen fourteen fifteen")
        );
        assert_eq!(yaml.number("key: odd"), Some(5));
        assert_eq!(
            yaml.get("list"),
            Some(&Yaml::List(vec![
                Yaml::Text("a".into()),
                Yaml::Text("b".into())
            ]))
        );
        assert_eq!(yaml.text("none"), None);
        assert_eq!(yaml.text("nothing"), None);
        assert_eq!(yaml.number("last"), Some(-3));
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_line() {
        for (text, line) in [
            ("a: 1\nb\n", "line 2"),
            ("a: |\n  x\n", "line 1"),
            ("a: 'x\n", "quote"),
            ("a: 1\n  b: 2\n", ""),
        ] {
            match Yaml::parse(text) {
                Err(error) => assert!(error.to_string().contains(line), "{error}"),
                Ok(_) => assert!(line.is_empty(), "{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[a-z:'\"\\\\\\[\\]{}|>&\\- #\n\u{e4}]{0,60}") {
            let _ = Yaml::parse(&text);
        }
    }
}
