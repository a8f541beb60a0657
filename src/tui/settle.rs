//! When the daemon is asked for other topics. A single key, or another pane, asks at once; keys that follow each other
//! ask once, a short moment after the last: details that nobody reads are neither computed nor sent. Rows that a
//! movement runs into are needed while it lasts: they are asked for at once, as soon as those asked for before are there.
//! Time is an argument.

use super::link::follows;
use super::panes::PaneId;
use crate::api::protocol::Topic;
use std::time::{Duration, Instant};

/// Changes that follow each other closer than this are one movement.
const MOVEMENT: Duration = Duration::from_millis(400);
/// A movement has ended when nothing changed for so long.
const SETTLE: Duration = Duration::from_millis(150);
/// Rows that did not come for so long are asked for anew.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was asked for, and what is wanted instead.
#[derive(Clone, Debug)]
pub struct Settle {
    pane: PaneId,
    asked: Vec<Topic>,
    wanted: Option<(Instant, Vec<Topic>)>,
    changed: Option<Instant>,
    /// Since when rows are on their way.
    rows: Option<Instant>,
}

impl Settle {
    /// These topics were asked for when the dashboard began.
    pub fn new(pane: PaneId, asked: Vec<Topic>) -> Self {
        Self {
            pane,
            asked,
            wanted: None,
            changed: None,
            rows: None,
        }
    }

    /// A topic's state came.
    pub fn came(&mut self, topic: &Topic) {
        if matches!(topic, Topic::Runs(_)) {
            self.rows = None;
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
            let rows = self.rows_of(now, &topics);
            self.wanted = Some((due, topics));
            self.asked.clone_from(rows.as_ref()?);
            self.rows = Some(now);
            return rows;
        }
        if topics.iter().any(|topic| self.is_new_rows(topic)) {
            self.rows = Some(now);
        }
        self.asked.clone_from(&topics);
        Some(topics)
    }

    fn is_new_rows(&self, topic: &Topic) -> bool {
        matches!(topic, Topic::Runs(_)) && !self.asked.contains(topic)
    }

    /// What is asked for while a movement lasts: other rows than those that are there, with the details of before.
    fn rows_of(&self, now: Instant, topics: &[Topic]) -> Option<Vec<Topic>> {
        let waiting = self
            .rows
            .is_some_and(|asked| now.saturating_duration_since(asked) < PATIENCE);
        if waiting || !topics.iter().any(|topic| self.is_new_rows(topic)) {
            return None;
        }
        let details = self.asked.iter().filter(|topic| follows(topic));
        Some(
            topics
                .iter()
                .filter(|topic| !follows(topic))
                .chain(details)
                .cloned()
                .collect(),
        )
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
    fn rows_that_a_movement_runs_into_are_asked_for_while_it_lasts() {
        use crate::domain::RunId;
        use crate::domain::run::RunQuery;
        let page = |offset| {
            Topic::Runs(RunQuery {
                offset,
                ..RunQuery::default()
            })
        };
        let run = |number: u64| Topic::Run {
            run: RunId::from(format!("r{number}")),
        };
        let start = Instant::now();
        let mut settle = Settle::new(PaneId::Runs, vec![page(0), run(0)]);
        let at = |key: u64| start + Duration::from_millis(33 * key);
        let first = vec![page(0), run(32)];
        assert_eq!(
            settle.want(at(1), PaneId::Runs, first.clone()),
            Some(first),
            "a first key asks for everything"
        );
        assert_eq!(
            settle.want(at(2), PaneId::Runs, vec![page(40), run(64)]),
            Some(vec![page(40), run(32)]),
            "the rows now, the details of before"
        );
        let on = vec![page(80), run(96)];
        assert_eq!(settle.want(at(3), PaneId::Runs, on.clone()), None);
        settle.came(&page(40));
        assert_eq!(
            settle.want(at(3), PaneId::Runs, on.clone()),
            Some(vec![page(80), run(32)]),
            "as soon as the ones before are there"
        );
        let end = at(3) + SETTLE;
        assert_eq!(settle.want(end, PaneId::Runs, on.clone()), Some(on));
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
