//! How an entity is named in the online store: the values of its keys as people write them, each with its length in
//! front, so that `1001` in a file, `1001` in a request and `"1001"` on a command line are one entity. A null key is
//! nobody (contract R6).

use super::{Scalar, put_count, take_bytes, take_count};
use std::io::Write;

/// The name of the entity with these key values; none when one is null.
pub fn of<'a>(parts: impl IntoIterator<Item = Scalar<'a>>) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    put(&mut key, parts).then_some(key)
}

/// Adds the name of the entity with these key values to `out`; nothing, and false, when one is null.
pub fn put<'a>(out: &mut Vec<u8>, parts: impl IntoIterator<Item = Scalar<'a>>) -> bool {
    let from = out.len();
    for part in parts {
        match part {
            Scalar::Null => {
                out.truncate(from);
                return false;
            }
            Scalar::Text(text) => add(out, text),
            Scalar::Integer(value) => {
                let at = out.len();
                out.push(0);
                // a vector takes all that is written to it; twenty characters are the most, whose count is one byte
                drop(write!(out, "{value}"));
                out[at] = (out.len() - at - 1) as u8;
            }
            other => add(out, &other.text().unwrap_or_default()),
        }
    }
    true
}

fn add(key: &mut Vec<u8>, text: &str) {
    put_count(key, text.len() as u64);
    key.extend(text.as_bytes());
}

/// The key values of a name; what cannot be read is left out.
pub fn parts(mut key: &[u8]) -> Vec<String> {
    let mut parts = Vec::new();
    while let Some(length) = take_count(&mut key)
        && let Some(text) = usize::try_from(length)
            .ok()
            .and_then(|length| take_bytes(&mut key, length))
    {
        parts.push(String::from_utf8_lossy(text).into_owned());
    }
    parts
}

/// A JSON value as a key; none when it is a list or an object.
pub fn json(value: &serde_json::Value) -> Option<Scalar<'_>> {
    use serde_json::Value;
    Some(match value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Scalar::Integer(value),
            None => Scalar::Number(number.as_f64()?),
        },
        Value::String(text) => Scalar::Text(text),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json as value;

    #[test]
    fn a_number_and_its_text_are_one_entity() {
        let named = |value: serde_json::Value| of([json(&value).unwrap()]);
        assert_eq!(named(value!(1001)), named(value!("1001")));
        assert_eq!(named(value!(1001.0)), named(value!(1001)));
        assert_ne!(named(value!("01001")), named(value!(1001)));
        assert_eq!(named(value!(null)), None);
        assert_eq!(json(&value!([1])), None);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let two = |a, b| of([Scalar::Text(a), Scalar::Text(b)]).unwrap();
        assert_ne!(two("ab", "c"), two("a", "bc"));
        let mut out = vec![7];
        assert!(!put(&mut out, [Scalar::Integer(1), Scalar::Null]));
        assert!(put(
            &mut out,
            [Scalar::Integer(i64::MIN), Scalar::Text("x")]
        ));
        assert_eq!(parts(&out[1..]), ["-9223372036854775808", "x"]);
        assert_eq!(parts(&two("AA", "JFK")), ["AA", "JFK"]);
        assert_eq!(parts(&of([]).unwrap()), Vec::<String>::new());
    }
}
