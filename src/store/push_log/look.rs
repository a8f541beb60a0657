//! Pushed rows as somebody sees them who does not hold the workspace, while a daemon may be at work on them: the segments,
//! and what is in logs that were not sealed yet, each row once.

use super::log::log_number;
use super::{PushLog, listed, records};
use crate::data::pushed;
use crate::data::segment::{self, Segment};
use crate::domain::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// How often a log that is sealed under our eyes is looked for anew.
const TRIES: usize = 100;

/// Copies of unsealed rows, as files; they go with this.
#[derive(Debug, Default)]
pub struct Unsealed {
    folder: Option<PathBuf>,
    copies: u32,
}

impl PushLog {
    /// The files of a dataset's pushed rows, in order: segments, then the rows of logs, which are copied into `unsealed`.
    pub fn look(&self, dataset: &str, unsealed: &mut Unsealed) -> Result<Vec<PathBuf>> {
        let folder = self.root.join(dataset);
        if dataset.is_empty() || !folder.is_dir() {
            return Ok(Vec::new());
        }
        for _ in 0..TRIES {
            // Segments first: a log that becomes one meanwhile is gone when it is looked for, and all begins again.
            let (mut files, _) = segment::in_force(listed(&folder)?);
            let is_sealed = |number: u32| {
                let mut held = files.iter().filter_map(|path| Segment::of(path));
                held.any(|held| (held.first..=held.last).contains(&number))
            };
            let mut logs: Vec<(u32, PathBuf)> = listed(&folder)?
                .into_iter()
                .filter_map(|path| Some((log_number(&path)?, path)))
                .filter(|(number, _)| !is_sealed(*number))
                .collect();
            logs.sort_unstable();
            let read: std::io::Result<Vec<_>> = logs
                .iter()
                .map(|(number, path)| Ok((*number, std::fs::read(path)?)))
                .collect();
            let read = match read {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(
                        Error::from(error).context(format!("reading `{}`", folder.display()))
                    );
                }
            };
            // sealed between the two looks: the segment was not seen, and the log not any more
            if segment::in_force(listed(&folder)?).0 != files {
                continue;
            }
            for (number, bytes) in read {
                let (columns, rows) = records::read(&bytes)?;
                if rows.is_empty() {
                    continue;
                }
                let path = unsealed.path(dataset, number)?;
                pushed::from_records(&rows, &columns)?.write(&path)?;
                files.push(path);
            }
            return Ok(files);
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "rows are pushed into dataset `{dataset}` faster than they can be looked at; try again"
            ),
        ))
    }
}

impl Unsealed {
    fn path(&mut self, dataset: &str, number: u32) -> Result<PathBuf> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => {
                let folder =
                    std::env::temp_dir().join(format!("trainyard-{}", uuid::Uuid::new_v4()));
                make(&folder)?;
                self.folder = Some(folder.clone());
                folder
            }
        };
        // looked at again there may be more rows, and what was looked at before is being read
        self.copies += 1;
        let folder = folder.join(self.copies.to_string()).join(dataset);
        make(&folder)?;
        Ok(folder.join(format!("{number:06}.parquet")))
    }
}

fn make(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    // nobody else's business
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Error::from(error).context(format!("making `{}`", folder.display())))
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // what is left is in the machine's folder for such things
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
