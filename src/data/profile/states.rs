//! The states of a dataset's files, together in one file: what a profile job leaves for whoever keeps them.

use crate::data::sketch::bytes::{Reader, Writer};
use crate::data::{Error, Result};
use std::path::Path;

/// The state of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileState {
    /// Its path; empty for a dataset made by SQL.
    pub path: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// `2013-01-31`: of its newest instant, or of its last change.
    pub day: String,
    /// Its rows.
    pub rows: u64,
    /// Its newest instant, microseconds.
    pub newest: Option<i64>,
    /// As [`super::TableState::to_bytes`] makes it.
    pub state: Vec<u8>,
}

/// The states as bytes.
pub fn to_bytes(states: &[FileState]) -> Vec<u8> {
    let mut to = Writer::default();
    to.count(states.len() as u64);
    for one in states {
        to.text(&one.path);
        to.text(&one.sha256);
        to.text(&one.day);
        to.count(one.rows);
        to.flag(one.newest.is_some());
        to.word(one.newest.unwrap_or(0) as u64);
        to.count(one.state.len() as u64);
        to.bytes.extend(&one.state);
    }
    to.bytes
}

/// The states in `path`.
pub fn read(path: &Path) -> Result<Vec<FileState>> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::new(format!("reading `{}`: {error}", path.display())))?;
    let mut from = Reader::new(&bytes);
    let mut states = Vec::new();
    for _ in 0..from.length(14)? {
        let (file, sha256, day) = (
            from.text()?.to_owned(),
            from.text()?.to_owned(),
            from.text()?.to_owned(),
        );
        let rows = from.count()?;
        let known = from.flag()?;
        let newest = from.word()? as i64;
        let length = from.length(1)?;
        states.push(FileState {
            path: file,
            sha256,
            day,
            rows,
            newest: known.then_some(newest),
            state: from.take(length)?.to_vec(),
        });
    }
    Ok(states)
}
