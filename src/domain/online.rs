//! What a materialization knows of the one before it, and what it read.

use super::dataset::{ColumnKind, FileStamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A column as one file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileColumn {
    /// Its name.
    pub name: String,
    /// Its type; none when the file holds no value of it.
    pub kind: Option<ColumnKind>,
    /// Its times are instants.
    pub zoned: bool,
}

/// A file of a dataset and when its rows were known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSpan {
    /// The file.
    pub stamp: FileStamp,
    /// The first and the last instant at which a row of it was known, microseconds; none when no row has one.
    pub known: Option<(i64, i64)>,
    /// What its columns hold, where expressions are computed from them: what they come to hangs on the types of all files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<FileColumn>,
}

/// The generation of online values that a materialization goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// Its number.
    pub generation: i64,
    /// How often it was brought up to date.
    pub revision: i64,
    /// As of which instant; microseconds.
    pub as_of: i64,
    /// The watermark: when the newest fact in it was known, microseconds.
    pub known: Option<i64>,
    /// The files whose facts are in it.
    pub files: Vec<FileSpan>,
}

/// What a materialization read, and what it left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Whether it went on from a generation; else it read everything.
    pub incremental: bool,
    /// Why it could not go on from one, in words; none when it did, and when there was none or everything was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<String>,
    /// Facts read.
    pub facts: u64,
    /// Files read, and files that there are.
    pub files_read: u64,
    /// Facts that came after the watermark had passed them, and were taken in.
    pub late: u64,
    /// Facts that came later than the view's allowed lateness, and were left out.
    pub too_late: u64,
    /// The watermark now: when the newest fact was known, microseconds.
    pub known: Option<i64>,
    /// Every file of the dataset; sources of rows are places in this list.
    pub files: Vec<FileSpan>,
    /// Feature to (equal, checked): online values against the offline join; empty when that was not done.
    pub equality: BTreeMap<String, (u64, u64)>,
}

/// Where pushed rows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushTo {
    /// Into the online values, where they are newer.
    #[default]
    Online,
    /// Into the view's dataset.
    Offline,
    /// Both.
    OnlineAndOffline,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushAnswer {
    /// Rows that came.
    pub rows: u64,
    /// The dataset that has them now; none when they went online only.
    pub dataset: Option<String>,
    /// What became of them online, by view.
    pub online: Vec<ViewPushed>,
}

/// What a push did to the online values of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewPushed {
    /// The view.
    pub view: String,
    /// Entities whose values are the pushed ones now.
    pub taken: u64,
    /// Entities whose values there were newer.
    pub older: u64,
}
