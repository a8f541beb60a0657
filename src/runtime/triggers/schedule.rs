//! A period began. Periods are counted from 1970 UTC, so that they need no cursor: each has a number, and a number
//! is started once. Periods that passed while no daemon ran are caught up with one run, the present one's.

use super::Occasion;
use crate::domain::trigger::Cause;
use crate::domain::{Result, Timestamp};
use crate::service::Services;
use std::time::Duration;

/// The period that an instant lies in.
pub(super) struct Slot {
    pipeline: String,
    every: i64,
    number: i64,
}

impl Slot {
    /// The period of `every` milliseconds around `now`.
    pub(super) fn of(pipeline: &str, every: i64, now: Timestamp) -> Self {
        let every = every.max(1000);
        Self {
            pipeline: pipeline.to_owned(),
            every,
            number: now.0.div_euclid(every),
        }
    }

    /// Until the next period.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        let left = (self.number + 1) * self.every - now.0;
        Duration::from_millis(u64::try_from(left).unwrap_or_default().max(1))
    }

    /// The occasion that the period is, if it was not taken yet. The first look at a new trigger takes none: its first
    /// period began before the trigger was there.
    pub(super) fn look(&self, services: &Services, now: Timestamp) -> Result<Option<Occasion>> {
        let prefix = format!("schedule:{}:{}:", self.pipeline, self.every);
        let key = format!("{prefix}{}", self.number);
        let rule = format!("every {}", words(self.every));
        let cause = Cause::Schedule { rule };
        if services
            .pipelines
            .newest(&self.pipeline, &prefix)?
            .is_none()
        {
            let next = Timestamp(now.0 + self.left(now).as_millis() as i64);
            let reason = format!("the schedule is new: its first period begins {next}");
            services
                .pipelines
                .skip(&self.pipeline, cause, &key, &reason)?;
            return Ok(None);
        }
        if services.pipelines.has_key(&key)? {
            return Ok(None);
        }
        Ok(Some(Occasion {
            pipeline: self.pipeline.clone(),
            cause,
            key,
        }))
    }
}

/// Milliseconds as people write them: `1d`, `90s`.
fn words(milliseconds: i64) -> String {
    let seconds = milliseconds / 1000;
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds % length == 0 {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_slot_ends_where_the_next_begins() {
        let hour = 3_600_000;
        let slot = Slot::of("churn", hour, Timestamp(10 * hour + 1));
        assert_eq!(slot.number, 10);
        assert_eq!(
            slot.left(Timestamp(10 * hour + 1)),
            Duration::from_millis(3_599_999)
        );
        assert_eq!(Slot::of("churn", hour, Timestamp(11 * hour)).number, 11);
        assert_eq!(words(hour), "1h");
        assert_eq!(words(90_000), "90s");
    }
}
