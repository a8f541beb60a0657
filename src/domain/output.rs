//! What a command printed, as it travels: pieces of both streams in the order in which they came, each with its time.

use super::{JobId, Timestamp};
use serde::{Deserialize, Serialize};

/// Which of a command's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// What it prints.
    #[serde(rename = "o")]
    Stdout,
    /// What it complains about.
    #[serde(rename = "e")]
    Stderr,
}

/// A line of `output.jsonl` in a job's folder: what was read at once, at most one line. A line that was written over
/// (`\r`) is a piece of its own; one that was not ended for a while comes in several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// When it was read.
    #[serde(rename = "at")]
    pub at: Timestamp,
    /// Where it was written.
    #[serde(rename = "to")]
    pub channel: Channel,
    /// With its line's end, if it had one. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// A part of a job's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPage {
    /// Whose.
    pub job: JobId,
    /// Which attempt's; pieces of another one begin at 0 again.
    pub attempt: u32,
    /// The pieces, oldest first.
    pub pieces: Vec<Piece>,
    /// Where the next part begins.
    pub next: u64,
    /// The job has ended and there is no more.
    pub ended: bool,
}
