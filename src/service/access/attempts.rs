//! Wrong tokens by address: each one in a minute is answered later than the one before, after some none is looked at any
//! more, and the log does not grow with them. A right token is never held up: many people may share an address.

use crate::domain::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a wrong token counts.
const WINDOW_MS: i64 = 60_000;
/// Wrong tokens of a minute that are still answered with 401.
const MOST: u32 = 20;
/// Wrong tokens of a minute that are logged one by one.
const LOGGED: u32 = 5;
/// What the first one waits; each further one twice as long.
const FIRST: Duration = Duration::from_millis(25);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);
/// Addresses that are counted at once.
const ADDRESSES: usize = 4096;

#[derive(Clone, Copy)]
struct Seen {
    since: Timestamp,
    count: u32,
}

/// See the module's text.
#[derive(Default)]
pub struct Attempts {
    seen: Mutex<HashMap<String, Seen>>,
}

/// What becomes of a wrong token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// How long its answer waits.
    pub wait: Duration,
    /// Too many: answered with 429.
    pub too_many: bool,
    /// Worth a line in the log.
    pub log: bool,
    /// How many there were from this address in this minute.
    pub count: u32,
}

impl Attempts {
    /// Notes a wrong token from `address`.
    pub fn wrong(&self, address: &str, now: Timestamp) -> Wrong {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |one: &Seen| now.0 - one.since.0 >= WINDOW_MS;
        if seen.len() >= ADDRESSES && !seen.contains_key(address) {
            seen.retain(|_, one| !over(one));
            if seen.len() >= ADDRESSES {
                // an attack from everywhere: everybody new is treated as the worst
                return Wrong {
                    wait: LONGEST,
                    too_many: true,
                    log: false,
                    count: MOST,
                };
            }
        }
        let one = seen.entry(address.to_owned()).or_insert(Seen {
            since: now,
            count: 0,
        });
        if over(one) {
            *one = Seen {
                since: now,
                count: 0,
            };
        }
        one.count = one.count.saturating_add(1);
        let doubled = 2_u32.saturating_pow((one.count - 1).min(16));
        Wrong {
            wait: FIRST.saturating_mul(doubled).min(LONGEST),
            too_many: one.count > MOST,
            log: one.count <= LOGGED || one.count == MOST + 1,
            count: one.count,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn wrong_tokens_wait_longer_and_longer_and_only_from_their_address() {
        let attempts = Attempts::default();
        let waits: Vec<Wrong> = (0..30)
            .map(|at| attempts.wrong("10.0.0.9", Timestamp(at)))
            .collect();
        assert_eq!(waits[0].wait, FIRST);
        assert!(waits.windows(2).all(|two| two[0].wait <= two[1].wait));
        assert_eq!(waits[29].wait, LONGEST);
        assert!(!waits[19].too_many && waits[20].too_many);
        assert!(waits.iter().filter(|one| one.log).count() <= 6);
        assert_eq!(attempts.wrong("10.0.0.8", Timestamp(31)).count, 1);
        assert_eq!(attempts.wrong("10.0.0.9", Timestamp(60_031)).count, 1);
    }

    #[test]
    fn many_addresses_take_no_more_room() {
        let attempts = Attempts::default();
        for number in 0..5000 {
            attempts.wrong(&format!("10.1.{number}"), Timestamp(number));
        }
        assert!(attempts.seen.lock().unwrap().len() <= ADDRESSES);
    }
}
