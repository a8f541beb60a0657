//! The broadcast of events inside the daemon. Emitting never blocks and never fails; a receiver
//! that falls behind is told so and reads its tables again.

use crate::domain::Event;
use tokio::sync::broadcast;

/// See the module's text.
pub struct Bus {
    sender: broadcast::Sender<Event>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(1024).0,
        }
    }
}

impl Bus {
    /// Says what just became true.
    pub fn emit(&self, event: Event) {
        // An error means that nobody listens now, which is fine: tables are the truth.
        let _ = self.sender.send(event);
    }

    /// Hears everything emitted from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }
}
