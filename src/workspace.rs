//! Finds the workspace, and is the one place that knows its paths.

use crate::domain::{Error, JobId, Result};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The configuration's file name; the folder that holds it is the workspace.
pub const CONFIG_FILE: &str = "trainyard.toml";

/// A workspace folder. Everything but `trainyard.toml` lies in `.trainyard/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace at `root`, which need not exist yet. Relative paths are made absolute.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)?;
        Ok(Self {
            root: root.canonicalize().unwrap_or(root),
        })
    }

    /// The nearest folder from `start` upwards that has a `trainyard.toml`.
    pub fn find(start: &Path) -> Result<Option<Self>> {
        let start = std::path::absolute(start)?;
        let start = start.canonicalize().unwrap_or(start);
        Ok(start
            .ancestors()
            .find(|folder| folder.join(CONFIG_FILE).is_file())
            .map(|folder| Self {
                root: folder.to_owned(),
            }))
    }

    /// The folder with `trainyard.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `trainyard.toml`.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// `.trainyard/`.
    pub fn state(&self) -> PathBuf {
        self.root.join(".trainyard")
    }

    /// The main database.
    pub fn store(&self) -> PathBuf {
        self.state().join("store.db")
    }

    /// The online feature values.
    pub fn online(&self) -> PathBuf {
        self.state().join("online.db")
    }

    /// Run artifacts and model files.
    pub fn artifacts(&self) -> PathBuf {
        self.state().join("artifacts")
    }

    /// Logged requests and predictions.
    pub fn inference(&self) -> PathBuf {
        self.state().join("inference")
    }

    /// Rows that were pushed, by dataset.
    pub fn pushed(&self) -> PathBuf {
        self.state().join("pushed")
    }

    /// A job's folder.
    pub fn job(&self, job: JobId) -> PathBuf {
        self.state().join("jobs").join(job.to_string())
    }

    /// The daemon's logs.
    pub fn logs(&self) -> PathBuf {
        self.state().join("logs")
    }

    /// The file whose lock the daemon holds for life.
    pub fn lock(&self) -> PathBuf {
        self.state().join("daemon.lock")
    }

    /// The file whose lock a client holds while it starts the daemon.
    pub fn start_lock(&self) -> PathBuf {
        self.state().join("start.lock")
    }

    /// Where the running daemon says who and where it is.
    pub fn daemon_file(&self) -> PathBuf {
        self.state().join("daemon.json")
    }

    /// Where the daemon listened last, kept when it ends: commands that it started go on asking there.
    pub fn last_address(&self) -> PathBuf {
        self.state().join("last-address.json")
    }

    /// The daemon's socket. The kernel's limit for its path is 107 bytes: a deeper workspace has it
    /// in the user's runtime directory, named by the workspace's hash.
    pub fn socket(&self) -> PathBuf {
        let near = self.state().join("daemon.sock");
        if near.as_os_str().len() <= 100 {
            return near;
        }
        let hash = Sha256::digest(self.root.as_os_str().as_encoded_bytes());
        let name: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        runtime_directory().join(format!("trainyard-{name}.sock"))
    }

    /// Makes `.trainyard/` and its folders, readable by the user alone.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in [
            self.state(),
            self.artifacts(),
            self.inference(),
            self.state().join("jobs"),
            self.logs(),
        ] {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(|error| {
                    Error::from(error).context(format!("making `{}`", folder.display()))
                })?;
        }
        Ok(())
    }
}

fn runtime_directory() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_dir() => PathBuf::from(folder),
        _ => std::env::temp_dir(),
    }
}
