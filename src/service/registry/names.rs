//! What may name a model or an alias.

use crate::domain::registry::CHAMPION;
use crate::domain::{Error, ModelName, Result};

/// A model's name is a folder's name and part of URLs.
pub(super) fn check_name(model: &ModelName) -> Result<()> {
    let name = model.as_str();
    if name.trim().is_empty()
        || name.starts_with('.')
        || name.contains(['/', ':', '\\', '@'])
        || name.chars().any(char::is_control)
    {
        return Err(Error::invalid(format!(
            "`{name}` cannot name a model: it must not be empty, begin with `.`, or contain `/`, `:`, `\\` or `@`"
        )));
    }
    Ok(())
}

pub(super) fn check_alias(alias: &str) -> Result<()> {
    if alias == CHAMPION {
        return Err(Error::conflict(format!(
            "`{CHAMPION}` moves by promotion and roll-back only"
        )));
    }
    let reserved = alias == "latest"
        || alias.strip_prefix('v').is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit())
        });
    let fits = !alias.is_empty()
        && alias
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    if reserved || !fits {
        return Err(Error::invalid(format!(
            "`{alias}` cannot be an alias: letters, digits, `_` and `-`, but not `latest` and not `v1`"
        )));
    }
    Ok(())
}
