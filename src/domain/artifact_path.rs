//! The path of an artifact: the one rule for every way in. Built only by parsing, so that whoever holds one holds a
//! path that stays below its root. Knows nothing of disks; links are the affair of `store::artifacts`.

use super::{Error, Result};
use std::fmt;

/// Names that begin so belong to files that are not complete yet, and to folders about to vanish.
pub const RESERVED: &str = ".trainyard-partial";
/// Bytes of a whole path: with the root before it, it stays under the 4,096 of the kernel.
const LENGTH: usize = 2048;
/// Bytes of one name, as file systems have it.
const NAME: usize = 255;
/// Folders inside each other.
const DEPTH: usize = 64;

/// A relative path of one or more names with `/` between them. No name is empty, `.`, `..` or reserved; there are no
/// control characters and no backslashes. Percent signs, spaces, `#` and `?` are characters like others: whoever
/// reads a URL decodes it once, before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactPath(String);

impl ArtifactPath {
    /// The path that `text` is.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::Invalid`], with the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self> {
        let shown: String = text
            .chars()
            .take(120)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        let refused = |why: &str| Error::invalid(format!("invalid artifact path `{shown}`: {why}"));
        if text.is_empty() {
            return Err(refused("an artifact needs a name"));
        }
        if text.len() > LENGTH || text.split('/').count() > DEPTH {
            return Err(refused("it is too long"));
        }
        if text.chars().any(char::is_control) || text.contains('\\') {
            return Err(refused("control characters and `\\` are not allowed"));
        }
        for name in text.split('/') {
            match name {
                "" => return Err(refused("it begins or ends with `/` or has an empty part")),
                "." | ".." => return Err(refused("`.` and `..` are not allowed")),
                _ if name.starts_with(RESERVED) => return Err(refused("the name is reserved")),
                _ if name.len() > NAME => {
                    return Err(refused("a name is longer than 255 bytes"));
                }
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// A folder to look into: none is the root (empty text, `.` or `/`); one `/` at the end is allowed.
    ///
    /// # Errors
    /// As [`ArtifactPath::parse`].
    pub fn folder(text: &str) -> Result<Option<Self>> {
        match text.strip_suffix('/').unwrap_or(text) {
            "" | "." => Ok(None),
            text => Self::parse(text).map(Some),
        }
    }

    /// This path with `inner` below it.
    ///
    /// # Errors
    /// Both together are too long.
    pub fn join(&self, inner: &Self) -> Result<Self> {
        Self::parse(&format!("{}/{}", self.0, inner.0))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Its names, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_stay_inside() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(64) + "a";
        for wrong in [
            "",
            "/",
            ".",
            "..",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "a/./b",
            "a\\b",
            "a\nb",
            "a\0b",
            "\u{85}",
            ".trainyard-partial/x",
            "a/.trainyard-partial-7",
            &long,
            &deep,
        ] {
            assert!(ArtifactPath::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn odd_names_are_names() {
        for good in [
            "per%25cent ü.txt",
            "a b",
            "#1?.txt",
            "..a",
            "a..",
            "...",
            ".hidden",
            "%2e%2e",
            "x/%00",
            "-rf",
            "~",
        ] {
            assert_eq!(ArtifactPath::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn the_root_is_a_folder_and_no_artifact() {
        for root in ["", ".", "/"] {
            assert_eq!(ArtifactPath::folder(root).unwrap(), None);
        }
        let model = ArtifactPath::folder("a/model/").unwrap().unwrap();
        assert_eq!((model.as_str(), model.name()), ("a/model", "model"));
        assert!(ArtifactPath::folder("//").is_err());
        assert!(ArtifactPath::folder("../").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_parsed_stays_below_its_root(text in "(\\PC|[./\\\\%\\x00\\n ]){0,40}") {
            if let Ok(path) = ArtifactPath::parse(&text) {
                let joined = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(joined.starts_with("/root") && joined != std::path::Path::new("/root"));
                prop_assert!(joined.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
                prop_assert_eq!(joined.components().count(), 2 + path.parts().count());
            }
        }
    }
}
