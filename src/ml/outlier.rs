//! Which inputs of a row are unusual against the reference, and what each did to the answer.

use super::{Model, Result};
use crate::data::Frame;
use crate::domain::deployment::InputShare;

/// Every input of row `row` of `rows`: surprise against `reference`, effect of replacing it by its ordinary value; strongest cause first.
pub fn explain(
    model: &Model,
    reference: &Frame,
    rows: &Frame,
    row: usize,
) -> Result<Vec<InputShare>> {
    let _ = (model, reference, rows, row);
    Err(super::Error::new("not there yet"))
}
