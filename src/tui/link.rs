//! The way to the daemon: a thread that keeps one event stream open, asks anew when other topics are wanted, and comes
//! back after a loss with growing pauses.

use super::message::{Link as State, Message};
use crate::api::client::Client;
use crate::api::protocol::Topic;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Closer = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Wanted {
    topics: Vec<Topic>,
    asked: u64,
    closer: Option<Closer>,
}

#[derive(Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what is wanted; the thread does the rest.
pub struct Subscription {
    shared: Arc<Shared>,
}

/// First and longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Subscription {
    /// Starts the thread; `send` gets every message and says whether anybody still listens.
    pub fn start(
        client: Client,
        topics: Vec<Topic>,
        send: impl Fn(Message) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.lock().topics = topics;
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || follow(&client, &theirs, &send))?;
        Ok(Self { shared })
    }

    /// From now on these topics.
    pub fn want(&self, topics: Vec<Topic>) {
        let mut wanted = self.shared.lock();
        if wanted.topics == topics {
            return;
        }
        wanted.topics = topics;
        wanted.asked += 1;
        let closer = wanted.closer.take();
        drop(wanted);
        if let Some(close) = closer {
            close();
        }
        self.shared.changed.notify_all();
    }
}

fn follow(client: &Client, shared: &Shared, send: &impl Fn(Message) -> bool) {
    let mut pause = PAUSES.0;
    loop {
        let (topics, asked) = {
            let wanted = shared.lock();
            (wanted.topics.clone(), wanted.asked)
        };
        let why = match client.events(&topics) {
            Err(error) => error.to_string(),
            Ok(mut stream) => {
                match stream.closer() {
                    Ok(closer) => {
                        let mut wanted = shared.lock();
                        if wanted.asked != asked {
                            continue;
                        }
                        wanted.closer = Some(closer);
                    }
                    Err(error) => {
                        let _ = send(Message::Link(State::Lost(error.to_string())));
                    }
                }
                let ended = loop {
                    match stream.next_update() {
                        Ok(Some(update)) => {
                            pause = PAUSES.0;
                            if !send(Message::Daemon(Box::new(update))) {
                                return;
                            }
                        }
                        Ok(None) => break "the daemon ended the stream".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                };
                let mut wanted = shared.lock();
                wanted.closer = None;
                if wanted.asked != asked {
                    // we closed it ourselves, to ask for something else
                    continue;
                }
                ended
            }
        };
        if !send(Message::Link(State::Lost(why))) {
            return;
        }
        let wanted = shared.lock();
        let waited = shared
            .changed
            .wait_timeout(wanted, pause)
            .unwrap_or_else(PoisonError::into_inner);
        drop(waited);
        pause = (pause * 2).min(PAUSES.1);
    }
}
