//! What type the texts of a column are of: the narrowest that holds them all. Guesses of parts of a column put
//! together are the guess of the whole, in whatever parts it came. Knows no files.

use super::instant;
use crate::domain::dataset::ColumnKind;
use crate::domain::quotable;

/// Fields that say that there is no value, in a column of any type.
const NULLS: [&str; 9] = [
    "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none",
];

/// The text, unless it says that there is no value.
pub(super) fn value(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !NULLS.contains(&text.trim_ascii()))
}

/// `true` or `false`, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A number; not one that is too great for 64 bits, which would become infinite.
pub(super) fn number(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let overflows = value.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit());
    (!overflows).then_some(value)
}

/// What a column may still be, after the values seen.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    seen: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    time: bool,
    /// Whole numbers with more digits than 64 bits hold: identifiers, when nothing has a fraction.
    long: bool,
    fraction: bool,
    /// A time had an offset: the column holds instants.
    pub(super) zoned: bool,
    /// Values that were numbers before the first that was none.
    numbers: u64,
    /// The line and text of the first value that is no number, when numbers came before it.
    odd: Option<(u64, String)>,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            integer: true,
            number: true,
            boolean: true,
            time: true,
            long: false,
            fraction: false,
            zoned: false,
            numbers: 0,
            odd: None,
        }
    }
}

impl Guess {
    /// Takes one value into account; `line` says where it stands, if that is asked.
    pub(super) fn look(&mut self, text: Option<&str>, line: impl FnOnce() -> u64) {
        let Some(text) = text.map(str::trim_ascii) else {
            return;
        };
        self.seen = true;
        if self.boolean && boolean(text).is_none() {
            self.boolean = false;
        }
        if self.number {
            let is_whole = text.parse::<i64>().is_ok();
            if !is_whole {
                self.integer = false;
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    self.long = true;
                } else if number(text).is_some() {
                    self.fraction = true;
                } else {
                    self.number = false;
                    self.odd = Some((line(), quotable(text)));
                }
            }
            self.numbers += u64::from(self.number);
        }
        if self.time {
            match instant::parse(text) {
                Some((_, zoned)) => self.zoned |= zoned,
                None => self.time = false,
            }
        }
    }

    /// With what was seen of later values of the column.
    pub(super) fn and(&mut self, later: Self) {
        if self.number {
            self.numbers += later.numbers;
            self.odd = later.odd;
        }
        self.seen |= later.seen;
        self.integer &= later.integer;
        self.number &= later.number;
        self.boolean &= later.boolean;
        self.time &= later.time;
        self.long |= later.long;
        self.fraction |= later.fraction;
        self.zoned |= later.zoned;
    }

    /// The narrowest type that holds all; none when there was no value.
    pub(super) fn kind(&self) -> Option<ColumnKind> {
        if !self.seen {
            None
        } else if self.boolean {
            Some(ColumnKind::Boolean)
        } else if self.integer {
            Some(ColumnKind::Integer)
        } else if self.number && (self.fraction || !self.long) {
            Some(ColumnKind::Number)
        } else if self.time {
            Some(ColumnKind::Time)
        } else {
            Some(ColumnKind::Text)
        }
    }

    /// Why a column of text holds text though numbers came first: "line 7: `abc`, after 5 numbers".
    pub(super) fn odd(&self) -> Option<String> {
        let (line, text) = self.odd.as_ref()?;
        (self.kind() == Some(ColumnKind::Text) && self.numbers > 0)
            .then(|| format!("line {line}: `{text}`, after {} numbers", self.numbers))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn guess(values: &[&str]) -> Guess {
        let mut guess = Guess::default();
        for (at, text) in values.iter().enumerate() {
            guess.look(value(Some(text)), || at as u64 + 1);
        }
        guess
    }

    #[test]
    fn the_narrowest_type_is_found_in_any_parts() {
        use ColumnKind::{Boolean, Integer, Number, Text, Time};
        for (values, expected) in [
            (&["1", "NA", " -3 "][..], Some(Integer)),
            (&["1", "inf", "2.5"], Some(Number)),
            (&["12345678901234567890", "1"], Some(Text)),
            (&["12345678901234567890", "0.5"], Some(Number)),
            (&["0.5", "12345678901234567890"], Some(Number)),
            (&["1", "1e999"], Some(Text)),
            (&["TRUE", "false"], Some(Boolean)),
            (&["2013-01-01", "2013-01-01T10:00Z"], Some(Time)),
            (&["1", "2", "x", "3"], Some(Text)),
            (&["", "null"], None),
        ] {
            assert_eq!(guess(values).kind(), expected, "{values:?}");
            for cut in 0..=values.len() {
                let mut parts = guess(&values[..cut]);
                parts.and(guess(&values[cut..]));
                assert_eq!(parts.kind(), expected, "{values:?} cut at {cut}");
            }
        }
        let odd = guess(&["1", "2", "x\n", "3"]).odd().unwrap();
        assert_eq!(odd, "line 3: `x`, after 2 numbers");
        assert_eq!(guess(&["a", "1"]).odd(), None);
    }
}
