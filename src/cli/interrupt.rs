//! C-c and TERM while a command waits for a job: counted, so that the command decides what each press means. Without this the
//! first would end the command in the middle of a line.

use super::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What was pressed since the program began to hear.
#[derive(Clone, Default)]
pub(crate) struct Presses {
    count: Arc<AtomicUsize>,
    terminated: Arc<AtomicBool>,
}

impl Presses {
    /// Hears from now on.
    pub(crate) fn heard() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        let presses = Self::default();
        let heard = presses.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupt.recv() => {
                                heard.count.fetch_add(1, Ordering::Relaxed);
                            }
                            _ = terminate.recv() => heard.terminated.store(true, Ordering::Relaxed),
                        }
                    }
                });
            })?;
        Ok(presses)
    }

    /// How often C-c was pressed.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Somebody wants this program to end; that says nothing about the job.
    pub(crate) fn terminated(&self) -> bool {
        self.terminated.load(Ordering::Relaxed)
    }
}
