//! Who starts a worker, and asks how it is. The job's folder is the truth about the work; an executor knows only
//! about the process.

pub mod local;

pub use local::Local;

use crate::domain::Result;
use crate::job_folder::JobFolder;

/// Starts workers and signals them.
pub trait Executor: Send + Sync {
    /// Starts a worker on the folder, whose `spec.json` is written; answers its process id.
    fn start(&self, folder: &JobFolder) -> Result<u32>;

    /// Whether a worker is at the folder, whoever started it.
    fn alive(&self, folder: &JobFolder) -> bool;

    /// Asks the worker to stop.
    fn terminate(&self, folder: &JobFolder) -> Result<()>;

    /// Ends the worker and everything it started. After it, and for a worker that is gone, nothing of it is left.
    fn kill(&self, folder: &JobFolder) -> Result<()>;

    /// How a worker that is gone ended, in words; what was kept about it is forgotten.
    fn obituary(&self, folder: &JobFolder) -> String;
}
