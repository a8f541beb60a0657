//! From the URL of an artifact to its name. A proper client encodes a name once, and it is decoded once. The Python
//! client of MLflow encodes nothing: it puts the bare name behind the address and leaves the rest to its HTTP library,
//! which keeps whatever looks encoded already, and cuts at `?`. Pure.
//!
//! What that library (requests over urllib3) does to a bare path: when every `%` begins a valid escape, all of them
//! stay and their digits become capitals; otherwise every `%` becomes `%25`. Then characters that no URL may hold
//! are encoded, and escapes of letters, digits and `-._~` are decoded. This file goes the way back. What cannot be known: a name with `%41` arrives as `A`, one with
//! `%20` like one with a space, and what follows a `#` is never sent.

use crate::domain::{ArtifactPath, Result};

/// How the Python client calls itself, before its version.
const PYTHON: &str = "mlflow-python-client/";

/// Whether the client that sends this `User-Agent` sends bare names.
pub(super) fn sends_bare_names(agent: &str) -> bool {
    agent.starts_with(PYTHON)
}

/// The name for a file to be written: `path` and `query` as they stand in the request's line.
///
/// # Errors
/// The name is no artifact's.
pub(super) fn written(path: &str, query: Option<&str>, bare: bool) -> Result<ArtifactPath> {
    let name = match bare {
        true => unbared(path, query),
        false => decoded(path)?,
    };
    ArtifactPath::parse(&name)
}

/// The names that a file to be read may have, the most probable first: a bare name is not always known for sure.
///
/// # Errors
/// None of them is an artifact's name.
pub(super) fn read(path: &str, query: Option<&str>, bare: bool) -> Result<Vec<ArtifactPath>> {
    let first = written(path, query, bare)?;
    let mut names = vec![first];
    if bare {
        let others = [decoded(path).ok(), Some(path.to_owned())];
        for other in others.into_iter().flatten() {
            // Another reading that is no path is no reading.
            if let Ok(other) = ArtifactPath::parse(&other)
                && !names.contains(&other)
            {
                names.push(other);
            }
        }
    }
    Ok(names)
}

/// The byte behind the escape at `at`, if there is one.
fn escape(text: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    (text.get(at) == Some(&b'%')).then_some(())?;
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

/// `text` with every escape that `wanted` decoded; what is no UTF-8 then, stays encoded.
fn unescaped(text: &str, wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let text = text.as_bytes();
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match escape(text, at).filter(|byte| wanted(*byte)) {
            Some(byte) => {
                bytes.push(byte);
                at += 3;
            }
            None => {
                bytes.push(text[at]);
                at += 1;
            }
        }
    }
    bytes
}

/// A path decoded once.
fn decoded(path: &str) -> Result<String> {
    String::from_utf8(unescaped(path, |_| true)).map_err(|_| {
        crate::domain::Error::invalid(format!(
            "invalid artifact path `{path}`: it is not UTF-8 once decoded"
        ))
    })
}

/// Whether every `%` begins an escape.
fn looks_encoded(text: &[u8]) -> bool {
    (0..text.len()).all(|at| text[at] != b'%' || escape(text, at).is_some())
}

/// Characters that the library encodes in a path, beside what is not ASCII.
fn is_encoded_by_library(byte: u8) -> bool {
    byte <= b' ' || byte >= 0x7f || b"\"<>\\^`{|}[]".contains(&byte)
}

/// The bare name behind what the library made of it.
fn unbared(path: &str, query: Option<&str>) -> String {
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // Did the library encode every `%`? It did when the name had one that begins no escape.
    if let Ok(name) = String::from_utf8(unescaped(&text, |_| true))
        && !looks_encoded(name.as_bytes())
    {
        return name;
    }
    // It kept what looked encoded: decode what it alone encodes. Sequences that are no UTF-8 were the name's own, and
    // their letters were small before the library made them capitals, as in `50%cent`.
    let mut name = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('%') {
        name.push_str(&rest[..at]);
        rest = &rest[at..];
        let run: Vec<u8> = (0..)
            .map_while(|number| escape(rest.as_bytes(), number * 3))
            .take_while(|byte| is_encoded_by_library(*byte))
            .collect();
        let valid = match std::str::from_utf8(&run) {
            Ok(valid) => valid,
            Err(error) => std::str::from_utf8(&run[..error.valid_up_to()]).unwrap_or(""),
        };
        if valid.is_empty() {
            let end = rest.len().min(if escape(rest.as_bytes(), 0).is_some() {
                3
            } else {
                1
            });
            let own = &rest[..end];
            if run.is_empty() {
                name.push_str(own);
            } else {
                name.push_str(&own.to_ascii_lowercase());
            }
            rest = &rest[end..];
        } else {
            name.push_str(valid);
            rest = &rest[valid.len() * 3..];
        }
    }
    name.push_str(rest);
    name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    /// What urllib3's `parse_url` and then requests' `requote_uri` make of a path without `#` and `?`.
    fn library(name: &str) -> String {
        let encode = |bytes: &[u8], keep: &dyn Fn(u8) -> bool| -> String {
            bytes
                .iter()
                .map(|byte| match keep(*byte) {
                    true => char::from(*byte).to_string(),
                    false => format!("%{byte:02X}"),
                })
                .collect()
        };
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}[]#?%".contains(&byte);
        let bytes = name.as_bytes();
        let kept = looks_encoded(bytes);
        let mut upper = bytes.to_vec();
        if kept {
            for at in 0..bytes.len() {
                if escape(bytes, at).is_some() {
                    upper[at + 1..at + 3].make_ascii_uppercase();
                }
            }
        }
        let quoted = encode(&upper, &|byte| allowed(byte) || (kept && byte == b'%'));
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        String::from_utf8(unescaped(&quoted, unreserved)).unwrap()
    }

    fn parsed(path: &str, query: Option<&str>, bare: bool) -> String {
        written(path, query, bare).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_proper_client_is_decoded_once() {
        assert_eq!(
            parsed("1/per%2525cent.txt", None, false),
            "1/per%25cent.txt"
        );
        assert_eq!(parsed("1/a%20b%23c%3Fd", None, false), "1/a b#c?d");
        assert_eq!(parsed("1/%C3%BC", None, false), "1/ü");
        assert_eq!(parsed("1/100%", None, false), "1/100%");
        for wrong in [
            "1/%2e%2e/x",
            "%2fetc",
            "1/%00",
            "1/a%5Cb",
            "1/%ff",
            "%2e",
            "",
        ] {
            assert!(written(wrong, None, false).is_err(), "{wrong}");
        }
        // Twice decoded it would leave the root; once decoded it is a name.
        assert_eq!(parsed("1/%252e%252e", None, false), "1/%2e%2e");
    }

    #[test]
    fn bare_names_survive_the_python_client() {
        for name in [
            "per%25cent.txt",
            "100%.txt",
            "50% of %zz",
            "50%cent",
            "per%cent.txt",
            "a b",
            "ümlaut 日本.txt",
            "a+b&c=d;e,f@g:h!$'()*",
            "[x]{y}|^`\"<>",
            "a%2Fb",
            "%",
            "%%",
            "~tilde",
        ] {
            let sent = library(&format!("1/r/{name}"));
            assert_eq!(parsed(&sent, None, true), format!("1/r/{name}"), "{sent}");
        }
        assert_eq!(
            parsed("1/r/what", Some("now.txt"), true),
            "1/r/what?now.txt"
        );
        // These two are sent alike: the likelier one is meant.
        assert_eq!(library("1/100%.txt"), library("1/100%25.txt"));
        assert_eq!(parsed("1/100%25.txt", None, true), "1/100%.txt");
    }

    #[test]
    fn what_was_stored_otherwise_is_still_found() {
        let names = |sent: &str| -> Vec<String> {
            read(sent, None, true)
                .unwrap()
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect()
        };
        assert_eq!(names("1/a%20b"), ["1/a b", "1/a%20b"]);
        assert_eq!(names("1/100%25.txt"), ["1/100%.txt", "1/100%25.txt"]);
        assert_eq!(names("1/plain"), ["1/plain"]);
        assert_eq!(read("1/a%20b", None, false).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_request_line_is_too_odd(path in "[!-~]{0,40}", query in proptest::option::of("[!-~]{0,10}"), bare: bool) {
            if let Ok(name) = written(&path, query.as_deref(), bare) {
                let found = read(&path, query.as_deref(), bare).unwrap();
                prop_assert_eq!(&found[0], &name);
            }
        }

        /// Whatever a name may hold short of what the client loses: the way there and back ends where it began.
        #[test]
        fn names_go_there_and_back(name in "[a-z ü日\\[{+&%]{1,12}") {
            let sent = library(&name);
            let back = unbared(&sent, None);
            // `%dd` and the like may be an escape of a library's own character: those are known to be lost.
            let lost = (0..name.len()).any(|at| escape(name.as_bytes(), at).is_some());
            if !lost && name.trim() == name {
                prop_assert_eq!(back, name);
            }
        }
    }
}
