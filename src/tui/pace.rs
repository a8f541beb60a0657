//! When the next frame may be drawn: thirty a second at most, and while keys follow each other no more bytes than a slow
//! line carries. Frames are left out, keys never. Must not know what is drawn; time is an argument.
//!
//! Nothing is asked of the terminal, so nobody says how fast the line is: over SSH the bytes of a held key would pile up
//! in buffers on the way, and the picture would go on moving after the key was let go.

use std::time::{Duration, Instant};

/// At most thirty frames a second.
pub const FRAME: Duration = Duration::from_millis(33);
/// Keys that follow each other closer than this are a held key, or typing ahead.
const HELD: Duration = Duration::from_millis(70);
/// Bytes a millisecond that a slow line is trusted with.
const RATE: u64 = 17;
/// Bytes that may be under way.
const BURST: u64 = 2_000;
/// Longest wait for a frame.
const LONGEST: Duration = Duration::from_millis(200);

/// What was sent, and how keys came.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    drawn: Instant,
    /// Bytes that a slow line still carries, as of `drawn`.
    owed: u64,
    key: Option<Instant>,
    held: bool,
}

impl Pace {
    /// Nothing was sent yet.
    pub fn new(now: Instant) -> Self {
        Self {
            drawn: now,
            owed: 0,
            key: None,
            held: false,
        }
    }

    /// A key came.
    pub fn key(&mut self, now: Instant) {
        self.held = self
            .key
            .is_some_and(|before| now.saturating_duration_since(before) < HELD);
        self.key = Some(now);
    }

    /// A frame of so many bytes was sent.
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        self.owed = self.under_way(now) + bytes as u64;
        self.drawn = now;
    }

    /// How long the next frame has to wait.
    pub fn wait(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.drawn);
        let frame = FRAME.saturating_sub(since);
        if !self.held {
            return frame;
        }
        let over = self.under_way(now).saturating_sub(BURST);
        frame.max(Duration::from_millis(over / RATE).min(LONGEST.saturating_sub(since)))
    }

    fn under_way(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.drawn).as_millis() as u64;
        self.owed.saturating_sub(since.saturating_mul(RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of `bytes` each while a key is held for three seconds: how many, and what a line of 20 bytes a
    /// millisecond still carries at the end.
    fn hold(bytes: usize) -> (usize, f64) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let (mut frames, mut line, mut next_key) = (0, 0.0_f64, 0);
        let mut wanted = false;
        for millisecond in 0..3_000 {
            let now = start + Duration::from_millis(millisecond);
            line = (line - 20.0).max(0.0);
            if millisecond >= next_key {
                pace.key(now);
                next_key += 33;
                wanted = true;
            }
            if wanted && pace.wait(now).is_zero() {
                pace.sent(now, bytes);
                line += bytes as f64;
                frames += 1;
                wanted = false;
            }
        }
        (frames, line)
    }

    #[test]
    fn small_frames_follow_every_key() {
        assert!(hold(400).0 >= 85);
    }

    #[test]
    fn large_frames_of_a_held_key_never_pile_up() {
        for bytes in [800, 1_500, 3_000] {
            let (frames, line) = hold(bytes);
            assert!(frames >= 14, "{frames} frames of {bytes} bytes");
            assert!(line <= 5_000.0, "{line} bytes under way");
        }
    }

    #[test]
    fn a_single_key_waits_for_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.key(start);
        pace.sent(start, 8_000);
        let later = start + Duration::from_millis(150);
        pace.key(later);
        assert!(pace.wait(later).is_zero());
    }
}
