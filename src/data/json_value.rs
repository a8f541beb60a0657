//! One line of JSON lines as its keys and plain values, without a tree between: what the reader of JSON lines takes up.
//! Knows no columns and no files.

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::borrow::Cow;

/// A value of a row.
#[derive(Debug, PartialEq)]
pub(super) enum Json<'a> {
    /// Nothing there.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number of 64 bits with sign.
    Integer(i64),
    /// A greater whole number.
    Long,
    /// Any other number.
    Number(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A list or an object, which is no value of a column.
    Nested,
}

/// Reads one object; `each` hears its keys and values in order, and may refuse one in words.
pub(super) fn object<'a>(
    line: &'a str,
    each: &mut dyn FnMut(&str, Json<'a>) -> Result<(), String>,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    deserializer.deserialize_map(Row(each))?;
    deserializer.end()
}

struct Row<'a, 'f>(&'f mut dyn FnMut(&str, Json<'a>) -> Result<(), String>);

impl<'a> Visitor<'a> for Row<'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("one JSON object in each line")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let value = map.next_value_seed(Value)?;
            (self.0)(&key, value).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct Value;

impl<'a> DeserializeSeed<'a> for Value {
    type Value = Json<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Json<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Value {
    type Value = Json<'a>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json<'a>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'a>, E> {
        Ok(Json::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'a>, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'a>, E> {
        Ok(i64::try_from(value).map_or(Json::Long, Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'a>, E> {
        Ok(Json::Number(value))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'a>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Json<'a>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Json::Nested)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Json<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json::Nested)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn values_are_plain_and_in_order() {
        let line = r#"{"a": 1, "b\n": -2.5, "c": "x", "d": "\u00e9", "e": null, "f": [1, {"g": 2}], "h": 9223372036854775808, "i": true}"#;
        let mut seen = Vec::new();
        object(line, &mut |key, value| {
            seen.push(format!("{key:?} {value:?}"));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            seen,
            [
                r#""a" Integer(1)"#,
                r#""b\n" Number(-2.5)"#,
                r#""c" Text("x")"#,
                r#""d" Text("é")"#,
                r#""e" Null"#,
                r#""f" Nested"#,
                r#""h" Long"#,
                r#""i" Boolean(true)"#
            ]
        );
        for bad in ["[1]", "1", "{\"a\": 1} x", "{\"a\": ", "{\"a\": NaN}"] {
            assert!(object(bad, &mut |_, _| Ok(())).is_err(), "{bad}");
        }
    }
}
