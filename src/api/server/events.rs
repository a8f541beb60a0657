//! `GET /events`: a task per client that sends snapshots when they change, and the events that touch its topics.
//! Every topic is looked at four times a second at most; what falls together becomes one look.

use super::topics::{period, snapshot, touches};
use super::{Context, blocking, failure, refused};
use crate::api::protocol::{PROTOCOL, Topic, Update};
use crate::domain::access::Actor;
use crate::domain::{Error, Event};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rustc_hash::FxHasher;
use serde::Deserialize;
use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// Time between two looks at a topic, and between two sendings of events.
const PACE: Duration = Duration::from_millis(250);
/// Silence after which a comment says that the daemon lives.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Topics of one stream at most.
const TOPICS: usize = 64;

/// The route's query.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// A JSON array of topics.
    topics: Option<String>,
    /// End after the first snapshots.
    #[serde(default)]
    once: bool,
}

pub(super) async fn answer(
    State(context): State<Arc<Context>>,
    actor: Option<Extension<Arc<Actor>>>,
    Query(asked): Query<Asked>,
) -> Response {
    let Some(Extension(actor)) = actor else {
        return refused(&Error::denied(
            "nobody is known to ask: this door lets nobody in",
        ));
    };
    let topics: Vec<Topic> = match serde_json::from_str(asked.topics.as_deref().unwrap_or("[]")) {
        Ok(topics) => topics,
        Err(error) => {
            return refused(&Error::invalid(format!(
                "`topics` is no JSON array of topics: {error}"
            )));
        }
    };
    if topics.len() > TOPICS {
        return refused(&Error::invalid(format!(
            "at most {TOPICS} topics in one stream, not {}",
            topics.len()
        )));
    }
    let (sender, receiver) = mpsc::channel(16);
    let follower = Follower {
        context,
        actor,
        sender,
        topics: topics.into_iter().map(Followed::new).collect(),
        events: Vec::new(),
        // The first of them waits a little too: what comes with the first snapshots goes together.
        events_sent: Instant::now(),
    };
    tokio::spawn(follower.run(asked.once));
    (
        [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        Body::from_stream(ReceiverStream::new(receiver)),
    )
        .into_response()
}

/// The client is gone, or the daemon stops.
struct Ended;

/// A topic and what its client has of it.
struct Followed {
    topic: Topic,
    /// Of the bytes that were sent last.
    hash: Option<u64>,
    looked: Option<Instant>,
    touched: bool,
    period: Option<Duration>,
}

impl Followed {
    fn new(topic: Topic) -> Self {
        Self {
            topic,
            hash: None,
            looked: None,
            touched: true,
            period: None,
        }
    }

    /// When to look again; none: when an event says so.
    fn due(&self) -> Option<Instant> {
        let looked = self.looked.unwrap_or_else(Instant::now);
        match (self.touched, self.period) {
            (true, _) => Some(looked + PACE),
            (false, Some(period)) => Some(looked + period),
            (false, None) => None,
        }
    }
}

struct Follower {
    context: Arc<Context>,
    /// Who looks: the stream ends when this one may no longer.
    actor: Arc<Actor>,
    sender: mpsc::Sender<Result<Bytes, Infallible>>,
    topics: Vec<Followed>,
    /// Events to be sent, each once.
    events: Vec<Event>,
    events_sent: Instant,
}

impl Follower {
    async fn run(mut self, once: bool) {
        // Whoever ends the stream needs no reason; the client has its own.
        let _ = self.follow(once).await;
    }

    async fn follow(&mut self, once: bool) -> Result<(), Ended> {
        let mut bus = self.context.services.core.bus.subscribe();
        let mut stop = self.context.stop.subscribe();
        let access = &self.context.services.access;
        let mut changes = access.changes();
        self.send(&Update::Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
        })
        .await?;
        for number in 0..self.topics.len() {
            self.look(number).await?;
        }
        if once {
            return Ok(());
        }
        let mut heartbeat = Instant::now() + HEARTBEAT;
        loop {
            if *stop.borrow() {
                return Ok(());
            }
            let due = self
                .topics
                .iter()
                .filter_map(Followed::due)
                .chain(self.events_due())
                .chain([heartbeat])
                .min()
                .unwrap_or(heartbeat);
            tokio::select! {
                event = bus.recv() => match event {
                    Ok(event) => self.hear(event),
                    // Events were lost: every topic is looked at again.
                    Err(RecvError::Lagged(_)) => {
                        for followed in &mut self.topics {
                            followed.touched = true;
                        }
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                () = tokio::time::sleep_until(due) => {}
                _ = stop.changed() => return Ok(()),
                // a token was made or taken back: the next turn looks whether it was this one
                _ = changes.changed() => {}
                () = self.sender.closed() => return Ok(()),
            }
            if !self.context.services.access.is_still_in(&self.actor) {
                return Ok(());
            }
            let now = Instant::now();
            if self.events_due().is_some_and(|due| due <= now) {
                self.events_sent = now;
                for event in std::mem::take(&mut self.events) {
                    self.send(&Update::Event { event }).await?;
                }
                heartbeat = now + HEARTBEAT;
            }
            for number in 0..self.topics.len() {
                if self.topics[number].due().is_some_and(|due| due <= now)
                    && self.look(number).await?
                {
                    heartbeat = now + HEARTBEAT;
                }
            }
            if heartbeat <= now {
                self.put(Bytes::from_static(b":\n\n")).await?;
                heartbeat = now + HEARTBEAT;
            }
        }
    }

    fn events_due(&self) -> Option<Instant> {
        (!self.events.is_empty()).then(|| self.events_sent + PACE)
    }

    fn hear(&mut self, event: Event) {
        // A notice is for everybody who looks at anything.
        let mut wanted = matches!(event, Event::Notice { .. });
        for followed in &mut self.topics {
            if touches(&event, &followed.topic) {
                followed.touched = true;
                wanted = true;
            }
        }
        if wanted && !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// Looks at a topic, and sends its state if that changed; says whether.
    async fn look(&mut self, number: usize) -> Result<bool, Ended> {
        let context = Arc::clone(&self.context);
        let topic = self.topics[number].topic.clone();
        self.topics[number].touched = false;
        let seen = blocking(move || snapshot(&context, &topic)).await;
        let followed = &mut self.topics[number];
        followed.looked = Some(Instant::now());
        followed.period = period(&followed.topic, seen.as_ref().ok());
        let topic = followed.topic.clone();
        let update = match seen {
            Ok(snapshot) => Update::Snapshot { topic, snapshot },
            Err(error) => Update::Refused {
                topic,
                failure: failure(&error),
            },
        };
        let bytes = encoded(&update)?;
        let mut hasher = FxHasher::default();
        bytes.hash(&mut hasher);
        let hash = Some(hasher.finish());
        if self.topics[number].hash == hash {
            return Ok(false);
        }
        self.topics[number].hash = hash;
        self.put(bytes).await?;
        Ok(true)
    }

    async fn send(&self, update: &Update) -> Result<(), Ended> {
        self.put(encoded(update)?).await
    }

    async fn put(&self, bytes: Bytes) -> Result<(), Ended> {
        self.sender.send(Ok(bytes)).await.map_err(|_| Ended)
    }
}

/// An update as one server-sent event. JSON has no raw line ends.
fn encoded(update: &Update) -> Result<Bytes, Ended> {
    let mut bytes = b"data: ".to_vec();
    serde_json::to_writer(&mut bytes, update).map_err(|error| {
        tracing::error!(%error, "an update cannot be written");
        Ended
    })?;
    bytes.extend_from_slice(b"\n\n");
    Ok(Bytes::from(bytes))
}
