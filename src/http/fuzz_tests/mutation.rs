//! What becomes of a valid request: types swapped, keys dropped, doubled and renamed, numbers beyond every type, texts of
//! every odd kind, nesting, bytes that are no text. All of it follows from a seed, so that a case can be had again.

use rand::{RngCore as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;

/// Chance from a seed.
pub struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Of one case of a seed.
    pub fn of(seed: u64, case: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(
            seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// From 0 to below `end`; 0 of an empty range.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => (self.0.next_u64() % end as u64) as usize,
        }
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Texts that something somewhere takes for something else.
const TEXTS: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "1",
    "1.5",
    "1e400",
    "999999999999999999999999",
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "null",
    "true",
    "v1",
    "v999999999999",
    "latest",
    "champion",
    "@",
    "a@b",
    "late@champion",
    "late/1",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../b",
    "a//b",
    "a\\b",
    "%2e%2e%2f",
    "%",
    "%00",
    "a\u{0}b",
    "\u{7f}\u{1b}[2J",
    "\r\nx: y",
    "\u{202e}abc",
    "\u{feff}a",
    "\u{fffd}",
    "é",
    "e\u{301}",
    "😀",
    "ﬁ",
    "İ",
    "ß",
    "'; drop table runs; --",
    "' or ''='",
    "\"",
    "`",
    "``",
    "metrics.`a``b` > 1",
    "*[a-",
    "[",
    "%_%",
    "runs:/x/model",
    "models:/late@champion",
    "models:/late/1",
    "models:/m-1",
    "mlflow-artifacts:/0/../1",
    "mlflow-artifacts:/",
    "file:///etc",
    "s3://bucket/x",
    "http://127.0.0.1:1/",
    "mlflow.runName",
    "mlflow.note.content",
    "mlflow.parentRunId",
    "mlflow.user",
    "mlflow.prompt.is_prompt",
    "FINISHED",
    "ALL",
    "DELETED_ONLY",
    "2013-11-01",
    "2013-11-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "-999999-01-01",
    "late",
    "rows",
    "watch",
    "color_x:x",
    "x",
    "color",
    "b2Zmc2V0IDE4NDQ2NzQ0MDczNzA5NTUxNjE1",
    "b2Zmc2V0IDk5OTk5OTk5OTk5OTk5OTk5OTk",
    "YWZ0ZXIgMSAyIDdmZjgwMDAwMDAwMDAwMDA",
];

/// Numbers, as they stand in JSON; some are none.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "64",
    "1000",
    "50001",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "1e308",
    "-1e308",
    "1e400",
    "1.5",
    "1e-400",
    "4.9e-324",
    "0.1e1",
    "253402300800000",
    "8640000000000001",
    "01",
    "NaN",
    "+1",
    "1.",
    "0x10",
];

/// A text that is long, or odd.
pub fn text(dice: &mut Dice) -> String {
    match dice.below(24) {
        0 => "x".repeat(251),
        1 => "é".repeat(501),
        2 => "y".repeat(8001),
        3 if dice.once_in(12) => "z".repeat(120_000),
        4 => "a/".repeat(40 + dice.below(40)) + "b",
        5 => (0..dice.below(12))
            .map(|_| char::from_u32(dice.below(0x11_0000) as u32).unwrap_or('\u{fffd}'))
            .collect(),
        6 => (0..dice.below(8))
            .map(|_| char::from(dice.below(128) as u8))
            .collect(),
        7 => format!("{}{}", dice.pick(TEXTS), dice.pick(TEXTS)),
        _ => dice.pick(TEXTS).to_owned(),
    }
}

/// JSON that may hold a key twice, and things that are no JSON.
#[derive(Clone, Debug)]
pub enum Node {
    /// As it stands: a number, a text with its quotes, nonsense.
    Leaf(String),
    /// In order.
    List(Vec<Node>),
    /// In order, keys any number of times.
    Object(Vec<(String, Node)>),
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::from(value)))
                    .collect(),
            ),
            leaf => Self::Leaf(leaf.to_string()),
        }
    }
}

impl Node {
    /// As text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Leaf(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (number, (key, value)) in fields.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    fn count(&self) -> usize {
        1 + match self {
            Self::Leaf(_) => 0,
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The node with this number, counted from outside in.
    fn at(&mut self, number: usize) -> Option<&mut Self> {
        if number == 0 {
            return Some(self);
        }
        let mut left = number - 1;
        let inner: Vec<&mut Self> = match self {
            Self::Leaf(_) => return None,
            Self::List(items) => items.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, value)| value).collect(),
        };
        for node in inner {
            let count = node.count();
            if left < count {
                return node.at(left);
            }
            left -= count;
        }
        None
    }
}

/// Anything at all in the place of a value.
fn anything(dice: &mut Dice, ids: &[String]) -> Node {
    match dice.below(20) {
        0 => Node::Leaf("null".to_owned()),
        1 => Node::Leaf(dice.pick(&["true", "false", "tru", "undefined"]).to_owned()),
        2..=6 => Node::Leaf(dice.pick(NUMBERS).to_owned()),
        7 => Node::List(Vec::new()),
        8 => Node::Object(Vec::new()),
        9 => {
            let depth = [3, 50, 126, 128, 400, 20_000][dice.below(6)];
            let inner = if dice.once_in(2) { "1" } else { "" };
            let (open, close) = if dice.once_in(2) {
                ("[", "]")
            } else {
                ("{\"a\":", "}")
            };
            let inner = if open == "[" { inner } else { "1" };
            Node::Leaf(open.repeat(depth) + inner + &close.repeat(depth))
        }
        10 => {
            let many = [2, 7, 101, 1001][dice.below(4)];
            let one = anything(dice, &[]);
            let short = matches!(&one, Node::Leaf(text) if text.len() < 40);
            Node::List(vec![one; if short { many } else { 2 }])
        }
        11 => Node::Leaf("\"\\ud800\"".to_owned()),
        12 => Node::Leaf("\"\\u0000\"".to_owned()),
        13 if !ids.is_empty() => Node::Leaf(quoted(&ids[dice.below(ids.len())])),
        _ => Node::Leaf(quoted(&text(dice))),
    }
}

/// One change of a body.
fn change(node: &mut Node, dice: &mut Dice, ids: &[String]) {
    let number = dice.below(node.count());
    let Some(node) = node.at(number) else {
        return;
    };
    if dice.once_in(3) {
        *node = anything(dice, ids);
        return;
    }
    match node {
        Node::Leaf(leaf) => match dice.below(5) {
            0 => *node = Node::List(vec![node.clone()]),
            1 => *node = Node::Object(vec![("value".to_owned(), node.clone())]),
            // a number as text, a text as what it says
            2 => match serde_json::from_str::<Value>(leaf) {
                Ok(Value::String(text)) => *leaf = text,
                _ => *leaf = quoted(leaf),
            },
            3 => *leaf = dice.pick(NUMBERS).to_owned(),
            _ => {
                let mut said: String = serde_json::from_str(leaf).unwrap_or_default();
                let at = said
                    .char_indices()
                    .map(|(at, _)| at)
                    .nth(dice.below(said.chars().count()))
                    .unwrap_or(0);
                said.insert_str(at, &text(dice));
                *leaf = quoted(&said);
            }
        },
        Node::List(items) => match dice.below(4) {
            0 => items.clear(),
            1 => {
                let at = dice.below(items.len());
                if at < items.len() {
                    items.remove(at);
                }
            }
            2 => items.push(anything(dice, ids)),
            _ => {
                if let Some(one) = items.get(dice.below(items.len())).cloned() {
                    let many = [1, 2, 101, 1001][dice.below(4)];
                    items.extend(std::iter::repeat_n(one, many));
                }
            }
        },
        Node::Object(fields) => {
            let at = dice.below(fields.len());
            match dice.below(5) {
                0 if at < fields.len() => {
                    fields.remove(at);
                }
                1 if at < fields.len() => {
                    let mut twice = fields[at].clone();
                    if dice.once_in(2) {
                        twice.1 = anything(dice, ids);
                    }
                    fields.push(twice);
                }
                2 if at < fields.len() => fields[at].0 = text(dice),
                3 if fields.len() > 1 => {
                    let other = dice.below(fields.len());
                    let value = fields[other].1.clone();
                    fields[at].1 = value;
                }
                _ => fields.push((text(dice), anything(dice, ids))),
            }
        }
    }
}

/// A body after some changes, and in the end perhaps no JSON, or no text.
pub fn body(example: &str, dice: &mut Dice, ids: &[String]) -> Vec<u8> {
    let mut bytes = match serde_json::from_str::<Value>(example) {
        Ok(value) => {
            let mut node = Node::from(&value);
            for _ in 0..dice.below(4) {
                change(&mut node, dice, ids);
            }
            let mut out = String::new();
            node.write(&mut out);
            out.into_bytes()
        }
        Err(_) => example.as_bytes().to_vec(),
    };
    if dice.once_in(8) {
        let at = dice.below(bytes.len());
        match dice.below(9) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), 0xff),
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 => bytes.extend_from_slice(b" x"),
            4 => bytes = [&[0xef, 0xbb, 0xbf], &bytes[..]].concat(),
            5 => bytes.clear(),
            6 => bytes = b"null".to_vec(),
            7 => bytes = [b"[", &bytes[..], b"]"].concat(),
            _ => {
                bytes = (0..dice.below(64)).map(|_| dice.below(256) as u8).collect();
            }
        }
    }
    bytes
}

/// Pairs of a query after some changes.
pub fn pairs(pairs: &mut Vec<(String, String)>, dice: &mut Dice, ids: &[String]) {
    for _ in 0..dice.below(3) {
        let at = dice.below(pairs.len());
        match dice.below(6) {
            0 if at < pairs.len() => {
                pairs.remove(at);
            }
            1 if at < pairs.len() => pairs.push(pairs[at].clone()),
            2 if at < pairs.len() => pairs[at].0 = text(dice),
            3 if at < pairs.len() && !ids.is_empty() => {
                pairs[at].1.clone_from(&ids[dice.below(ids.len())]);
            }
            4 if at < pairs.len() => pairs[at].1 = dice.pick(NUMBERS).to_owned(),
            _ if at < pairs.len() => pairs[at].1 = text(dice),
            _ => pairs.push((text(dice), text(dice))),
        }
    }
}

/// Text as a part of a URL; now and then not quite as it should be.
pub fn encoded(text: &str, dice: &mut Dice) -> String {
    let odd = dice.once_in(12);
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' if odd => out.push('+'),
            byte if odd && dice.once_in(4) => out.push_str(&format!("%25{byte:02x}")),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    if odd {
        out.push_str(dice.pick(&["%", "%f", "%ff", "%c3%28", "%zz", "%00", ";", "/"]));
    }
    out
}
