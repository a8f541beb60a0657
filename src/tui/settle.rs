//! When the daemon is asked for other topics. A single key, or another pane, asks at once; keys that follow each other
//! ask once, a short moment after the last: details that nobody reads are neither computed nor sent.
//! Time is an argument.

use super::panes::PaneId;
use crate::api::protocol::Topic;
use std::time::{Duration, Instant};

/// Changes that follow each other closer than this are one movement.
const MOVEMENT: Duration = Duration::from_millis(400);
/// A movement has ended when nothing changed for so long.
const SETTLE: Duration = Duration::from_millis(150);

/// What was asked for, and what is wanted instead.
#[derive(Clone, Debug)]
pub struct Settle {
    pane: PaneId,
    asked: Vec<Topic>,
    wanted: Option<(Instant, Vec<Topic>)>,
    changed: Option<Instant>,
}

impl Settle {
    /// These topics were asked for when the dashboard began.
    pub fn new(pane: PaneId, asked: Vec<Topic>) -> Self {
        Self {
            pane,
            asked,
            wanted: None,
            changed: None,
        }
    }

    /// These topics are wanted now, in this pane. Returns them when they are to be asked for now.
    pub fn want(&mut self, now: Instant, pane: PaneId, topics: Vec<Topic>) -> Option<Vec<Topic>> {
        if topics == self.asked {
            self.wanted = None;
            return None;
        }
        let known = self.wanted.as_ref().map(|(_, known)| known);
        if known != Some(&topics) {
            let moving = pane == self.pane
                && self
                    .changed
                    .is_some_and(|before| now.saturating_duration_since(before) < MOVEMENT);
            let due = if moving { now + SETTLE } else { now };
            self.changed = Some(now);
            self.pane = pane;
            self.wanted = Some((due, topics));
        }
        let (due, topics) = self.wanted.take()?;
        if due > now {
            self.wanted = Some((due, topics));
            return None;
        }
        self.asked.clone_from(&topics);
        Some(topics)
    }

    /// How long until something is to be asked for, if anything is wanted.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        self.wanted
            .as_ref()
            .map(|(due, _)| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(job: i64) -> Vec<Topic> {
        vec![Topic::JobLog {
            job: crate::domain::JobId(job),
            lines: 1,
        }]
    }

    #[test]
    fn a_single_key_asks_at_once_and_a_held_one_once_after_its_end() {
        let start = Instant::now();
        let mut settle = Settle::new(PaneId::Jobs, topic(0));
        let mut asked = Vec::new();
        for key in 1..=30 {
            let now = start + Duration::from_millis(33 * key);
            asked.extend(settle.want(now, PaneId::Jobs, topic(key as i64)));
        }
        assert_eq!(asked, [topic(1)], "the first key of the movement");
        let end = start + Duration::from_millis(33 * 30);
        assert_eq!(settle.wait(end), Some(SETTLE));
        let later = end + SETTLE;
        assert_eq!(settle.want(later, PaneId::Jobs, topic(30)), Some(topic(30)));
        assert_eq!(settle.wait(later), None);
        let again = later + MOVEMENT;
        assert_eq!(settle.want(again, PaneId::Jobs, topic(31)), Some(topic(31)));
    }

    #[test]
    fn another_pane_asks_at_once_and_what_is_known_again_is_not_asked() {
        let start = Instant::now();
        let mut settle = Settle::new(PaneId::Jobs, topic(0));
        assert!(settle.want(start, PaneId::Jobs, topic(1)).is_some());
        let soon = start + Duration::from_millis(20);
        assert!(settle.want(soon, PaneId::Jobs, topic(2)).is_none());
        assert!(settle.want(soon, PaneId::Jobs, topic(1)).is_none());
        assert_eq!(settle.wait(soon), None);
        assert!(settle.want(soon, PaneId::Live, topic(3)).is_some());
    }
}
