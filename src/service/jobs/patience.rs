//! How long a job whose worker was lost waits before its next attempt. Attempts are few: without a wait all of them would
//! be spent on one short trouble. On a full disk none is spent at all until there is room.

use crate::domain::Timestamp;
use crate::domain::job::Job;
use crate::domain::trigger::Cause;
use std::path::Path;

/// Milliseconds before the second attempt; each later one waits eight times as long as the one before.
const FIRST: i64 = 1_000;
/// The longest wait, milliseconds.
const LONGEST: i64 = 600_000;
/// Between two looks at a full disk, milliseconds.
pub(super) const LOOK: i64 = 5_000;
/// Bytes that a job's folder and the store's log need to begin with.
const ROOM: u64 = 16 * 1024 * 1024;

/// When the attempt after `attempt`, lost `now`, may begin.
pub(super) fn not_before(now: Timestamp, attempt: u32) -> Timestamp {
    let times = 8_i64.saturating_pow(attempt.saturating_sub(1));
    Timestamp(now.0 + FIRST.saturating_mul(times).min(LONGEST))
}

/// When a queued job may begin; none: at once. Jobs that are no second attempts wait for nothing here.
pub(super) fn due(job: &Job) -> Option<Timestamp> {
    match &job.cause {
        Cause::Retry { not_before, .. } => *not_before,
        _ => None,
    }
}

/// Whether there is no room for another attempt where the workspace lies. A disk that does not say has room.
pub(super) fn is_full(workspace: &Path) -> bool {
    rustix::fs::statvfs(workspace).is_ok_and(|disk| disk.f_bavail * disk.f_frsize < ROOM)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn each_attempt_waits_longer_but_never_for_hours() {
        let waits: Vec<i64> = [1, 2, 3, 4, 5, 90]
            .into_iter()
            .map(|attempt| not_before(Timestamp(7), attempt).0 - 7)
            .collect();
        assert_eq!(waits, [1_000, 8_000, 64_000, 512_000, 600_000, 600_000]);
    }
}
