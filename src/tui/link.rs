//! The way to the daemon: two threads that keep an event stream open each, ask anew when other topics are wanted, and come
//! back after a loss with growing pauses. One stream has what stays while a cursor moves (tables), the other what follows
//! it (details, curves): a step of the cursor neither computes nor sends the table again.

use super::message::{Link as State, Message};
use crate::api::client::Client;
use crate::api::protocol::{Topic, Update};
use crate::domain::Event;
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

    fn want(&self, topics: Vec<Topic>) {
        let mut wanted = self.lock();
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
        self.changed.notify_all();
    }

    /// Waits until anything is wanted; returns it, and how often was asked.
    fn next(&self) -> (Vec<Topic>, u64) {
        let mut wanted = self.lock();
        while wanted.topics.is_empty() {
            wanted = self
                .changed
                .wait(wanted)
                .unwrap_or_else(PoisonError::into_inner);
        }
        (wanted.topics.clone(), wanted.asked)
    }
}

/// Says what is wanted; the threads do the rest.
pub struct Subscription {
    staying: Arc<Shared>,
    following: Arc<Shared>,
}

/// Whether a topic changes with the row under a cursor.
pub(super) fn follows(topic: &Topic) -> bool {
    matches!(
        topic,
        Topic::Run { .. }
            | Topic::Series { .. }
            | Topic::Compare { .. }
            | Topic::Model { .. }
            | Topic::Feature { .. }
            | Topic::Dataset { .. }
            | Topic::DriftColumn { .. }
            | Topic::JobLog { .. }
    )
}

/// First and longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Subscription {
    /// Starts the threads; `send` gets every message and says whether anybody still listens.
    pub fn start(
        client: &Client,
        topics: Vec<Topic>,
        send: impl Fn(Message) -> bool + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let subscription = Self {
            staying: Arc::new(Shared::default()),
            following: Arc::new(Shared::default()),
        };
        let (following, staying) = topics.into_iter().partition(follows);
        subscription.staying.lock().topics = staying;
        subscription.following.lock().topics = following;
        let send = Arc::new(send);
        for (name, shared) in [
            ("events", &subscription.staying),
            ("details", &subscription.following),
        ] {
            let (client, shared, send) = (client.clone(), Arc::clone(shared), Arc::clone(&send));
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || follow(&client, &shared, &*send))?;
        }
        Ok(subscription)
    }

    /// From now on these topics.
    pub fn want(&self, topics: Vec<Topic>) {
        let (following, staying): (Vec<Topic>, Vec<Topic>) = topics.into_iter().partition(follows);
        self.staying.want(staying);
        self.following.want(following);
    }
}

fn follow(client: &Client, shared: &Shared, send: &impl Fn(Message) -> bool) {
    let mut pause = PAUSES.0;
    loop {
        let (topics, asked) = shared.next();
        // a notice comes on every stream: the one with the header's topic says it
        let notices = topics.contains(&Topic::Overview);
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
                        Ok(Some(Update::Event {
                            event: Event::Notice { .. },
                        })) if !notices => {}
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
