//! Edits that carry what the person saw: refused, and told who was quicker and what is there now, when it is something
//! else. Whoever says nothing of what was seen (MLflow's clients) is not asked.

use crate::domain::{Error, Result, Seen};
use crate::store::{Transaction, audit};

/// Characters of a text in a message.
const SHOWN: usize = 200;

/// Something that persons edit, and the audit row by which its last change is found.
pub(super) struct Edited<'a> {
    /// How it is called: ``tag `owner` of v3 of `churn` ``.
    pub what: &'a str,
    /// The audit's object: `model:churn`.
    pub object: &'a str,
    /// The audit's action: `tag_version`.
    pub action: &'a str,
    /// The audit's detail: `v3 owner`.
    pub detail: &'a str,
}

/// Nothing, unless somebody `seen` something else than what is there `now`.
///
/// # Errors
/// [`crate::domain::ErrorKind::Conflict`], with who changed it, when, and to what.
pub(super) fn unchanged(
    transaction: &Transaction<'_>,
    edited: &Edited<'_>,
    seen: Option<&Seen<String>>,
    now: Option<&str>,
) -> Result<()> {
    let Some(seen) = seen.filter(|seen| seen.was.as_deref() != now) else {
        return Ok(());
    };
    let who = audit::last(transaction, edited.object, edited.action, edited.detail)?
        .map(|(by, at)| match by.as_str() {
            "" => format!(", changed at {at}"),
            by => format!(", changed by {by} at {at}"),
        })
        .unwrap_or_default();
    Err(Error::conflict(format!(
        "{} is {} now{who}; you saw {}: look at it again",
        edited.what,
        shown(now),
        shown(seen.was.as_deref())
    )))
}

fn shown(text: Option<&str>) -> String {
    match text {
        None => "not there".to_owned(),
        Some("") => "empty".to_owned(),
        Some(text) if text.chars().count() > SHOWN => {
            format!("`{}…`", text.chars().take(SHOWN).collect::<String>())
        }
        Some(text) => format!("`{text}`"),
    }
}
