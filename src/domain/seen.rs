//! What a person saw when deciding to change something. It travels with the change, which is refused when somebody else
//! was quicker. No IO.

use serde::{Deserialize, Serialize};

/// What was there when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen<T> {
    /// The value; none: nothing was there.
    pub was: Option<T>,
}

impl<T> Seen<T> {
    /// Somebody saw this, or that nothing was there.
    pub fn of(was: Option<T>) -> Self {
        Self { was }
    }
}
