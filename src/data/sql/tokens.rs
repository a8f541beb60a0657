//! A statement in pieces: words, names, values, signs. Whatever is not understood makes no tokens at all, and the statement
//! is left to SQLite. Knows no grammar.

/// One piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A bare word: a keyword, a name or a function.
    Word(String),
    /// A name in double quotes, backticks or brackets.
    Name(String),
    /// A text in single quotes.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// Any other number; not one with more digits than every reader of numbers rounds alike.
    Real(f64),
    /// Anything else.
    Sign(&'static str),
}

impl Token {
    /// Whether it is this keyword, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own.eq_ignore_ascii_case(word))
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(own) if *own == sign)
    }
}

/// Longer ones first.
const SIGNS: [&str; 27] = [
    "->>", "->", "||", "<<", ">>", "<=", ">=", "<>", "!=", "==", "=", "<", ">", "+", "-", "*", "/",
    "%", "(", ")", ",", ".", ";", "&", "|", "~", "[",
];

/// Digits that a double always keeps.
const DIGITS: usize = 15;

/// The tokens of `statement`, comments left out.
pub(super) fn tokens(statement: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut rest = statement;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Some(found);
        };
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else if let Some(end) = closing(first) {
            let (text, after) = quoted(&rest[1..], end)?;
            rest = after;
            found.push(if first == '\'' {
                Token::Text(text)
            } else {
                Token::Name(text)
            });
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit()))
        {
            let (token, after) = number(rest)?;
            found.push(token);
            rest = after;
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '$')
                .unwrap_or(rest.len());
            found.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
            found.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        }
    }
}

fn closing(first: char) -> Option<char> {
    match first {
        '\'' | '"' | '`' => Some(first),
        '[' => Some(']'),
        _ => None,
    }
}

/// Text up to `end`, which stands for itself when it is doubled (but for brackets), and what follows.
fn quoted(rest: &str, end: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter != end {
            text.push(letter);
        } else if end != ']' && rest[at + 1..].starts_with(end) {
            text.push(end);
            letters.next();
        } else {
            return Some((text, &rest[at + 1..]));
        }
    }
    None
}

fn number(rest: &str) -> Option<(Token, &str)> {
    let bytes = rest.as_bytes();
    let run = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let mut end = run(0);
    let mut is_whole = true;
    if bytes.get(end) == Some(&b'.') {
        is_whole = false;
        end += 1 + run(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let digits = run((end + 1 + sign).min(bytes.len()));
        if digits == 0 {
            return None;
        }
        is_whole = false;
        end += 1 + sign + digits;
    }
    let (text, after) = rest.split_at(end);
    if after.starts_with(|next: char| next.is_alphanumeric() || next == '_') {
        return None;
    }
    let token = if is_whole {
        Token::Integer(text.parse().ok()?)
    } else {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        if mantissa.bytes().filter(u8::is_ascii_digit).count() > DIGITS {
            return None;
        }
        Token::Real(text.parse().ok()?)
    };
    Some((token, after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_statement_falls_into_its_pieces() {
        use Token::{Integer, Name, Real, Sign, Text, Word};
        assert_eq!(
            tokens("select \"a b\", 'it''s' -- x\n, 1.5e3<>.5 /* y */ [c]").unwrap(),
            [
                Word("select".into()),
                Name("a b".into()),
                Sign(","),
                Text("it's".into()),
                Sign(","),
                Real(1500.0),
                Sign("<>"),
                Real(0.5),
                Name("c".into())
            ]
        );
        assert_eq!(tokens("12").unwrap(), [Integer(12)]);
        for odd in [
            "?1",
            "0x1F",
            "1_000",
            "9223372036854775808",
            "0.1234567890123456",
            "'open",
            "a @ b",
        ] {
            assert_eq!(tokens(odd), None, "{odd}");
        }
    }
}
