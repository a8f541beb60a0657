//! Axes: round ranges, ticks on round numbers, and the words at the ticks.
//!
//! Numbers get only as many decimals as their step needs; times and durations step by what a clock
//! knows. Nothing here draws.

use chrono::{DateTime, Timelike};

/// One axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What it counts: "step". Shown in pictures.
    pub label: String,
    /// Put behind every number: "ms", "%".
    pub unit: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// What the numbers are.
    pub kind: Kind,
}

/// How values become places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps.
    #[default]
    Linear,
    /// Equal factors; values of 0 and below have no place.
    Log,
}

/// What the numbers of an axis are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Plain numbers.
    #[default]
    Number,
    /// Seconds since something began.
    Duration,
    /// Milliseconds since 1970 (UTC), shown with this offset from UTC in seconds.
    Time {
        /// Seconds east of UTC.
        offset: i32,
    },
    /// Value 0 is the first name: months, categories.
    Names(Vec<String>),
}

/// A place on an axis with its word.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where.
    pub value: f64,
    /// What stands there.
    pub text: String,
}

impl Axis {
    /// A plain axis with a label.
    pub fn named(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..Self::default()
        }
    }

    /// The smallest round range around `low..high` that has at most `most` ticks, and their step;
    /// no step where ticks are not equally far apart.
    pub fn round(&self, low: f64, high: f64, most: usize) -> (f64, f64, Option<f64>) {
        if self.kind != Kind::Number {
            let (low, high) = widen(low, high);
            return (low, high, None);
        }
        match self.scale {
            Scale::Linear => {
                let (low, high, step) = round_range(low, high, most);
                (low, high, Some(step))
            }
            Scale::Log => {
                let (low, high) = round_log(low, high);
                (low, high, None)
            }
        }
    }

    /// The ticks of a range that [`Axis::round`] gave.
    pub fn stepped(&self, low: f64, high: f64, step: f64) -> Vec<Tick> {
        let largest = low.abs().max(high.abs());
        spaced(low, high, step, 0.0)
            .map(|value| Tick {
                value,
                text: self.with_unit(&number(value, step, largest)),
            })
            .collect()
    }

    /// At most `most` ticks on round numbers inside `low..=high`.
    pub fn ticks(&self, low: f64, high: f64, most: usize) -> Vec<Tick> {
        if !(low.is_finite() && high.is_finite()) || high < low || most == 0 {
            return Vec::new();
        }
        match &self.kind {
            Kind::Names(names) => named_ticks(names, low, high, most),
            Kind::Duration => {
                let step = clock_step(high - low, most);
                spaced(low, high, step, 0.0)
                    .map(|value| Tick {
                        value,
                        text: duration(value),
                    })
                    .collect()
            }
            Kind::Time { offset } => {
                let step = clock_step((high - low) / 1000.0, most) * 1000.0;
                spaced(low, high, step, f64::from(*offset) * 1000.0)
                    .map(|value| Tick {
                        value,
                        text: clock(value, *offset, step),
                    })
                    .collect()
            }
            Kind::Number => match self.scale {
                Scale::Log => self.log_ticks(low, high, most),
                Scale::Linear => self.stepped(low, high, inner_step(low, high, most)),
            },
        }
    }

    /// The word for any value, precise enough for a range of this width: the cursor's label.
    pub fn word(&self, value: f64, range: f64) -> String {
        match &self.kind {
            Kind::Names(names) => names
                .get(value.round().max(0.0) as usize)
                .cloned()
                .unwrap_or_default(),
            Kind::Duration => duration(value.round()),
            Kind::Time { offset } => clock(value, *offset, range / 200.0),
            Kind::Number if value == value.round() && value.abs() < 1e9 => {
                self.with_unit(&format!("{value:.0}"))
            }
            Kind::Number => self.with_unit(&short(value)),
        }
    }

    fn with_unit(&self, text: &str) -> String {
        format!("{text}{}", self.unit)
    }

    fn log_ticks(&self, low: f64, high: f64, most: usize) -> Vec<Tick> {
        if low <= 0.0 {
            return Vec::new();
        }
        let (first, last) = (
            low.log10().floor() as i32 - 1,
            high.log10().ceil() as i32 + 1,
        );
        let inside = |factors: &[f64]| -> Vec<f64> {
            (first..=last)
                .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)))
                .filter(|value| *value >= low * (1.0 - 1e-9) && *value <= high * (1.0 + 1e-9))
                .collect()
        };
        let fine = inside(&[1.0, 2.0, 5.0]);
        let powers = inside(&[1.0]);
        let mut values = if fine.len() <= most || powers.len() < 2 {
            fine
        } else {
            powers
        };
        let every = values.len().div_ceil(most).max(1);
        values = values.into_iter().step_by(every).collect();
        values
            .into_iter()
            .map(|value| Tick {
                value,
                text: self.with_unit(&short(value)),
            })
            .collect()
    }
}

fn widen(low: f64, high: f64) -> (f64, f64) {
    if high > low {
        (low, high)
    } else {
        (low - 0.5, low + 0.5)
    }
}

const FACTORS: [f64; 4] = [1.0, 2.0, 2.5, 5.0];

/// Factors for ranges with few ticks, where 0, 6, 12 wastes less than 0, 10, 20; and what the less
/// usual ones cost in coverage.
const RANGE_FACTORS: [(f64, f64); 7] = [
    (1.0, 0.0),
    (2.0, 0.0),
    (5.0, 0.0),
    (2.5, 0.0),
    (4.0, 0.08),
    (3.0, 0.1),
    (6.0, 0.12),
];

/// The range that covers `low..high`, ends on multiples of a round step (1, 2, 2.5, 5, less gladly
/// 4, 3 or 6 times a power of ten) with 2 to `most` ticks (at least 3), and leaves the least of it empty; among equals the one with most
/// ticks. Returns (low, high, step). The idea of scoring candidates is Talbot, Lin and Hanrahan's (2010).
pub fn round_range(low: f64, high: f64, most: usize) -> (f64, f64, f64) {
    let most = most.max(3);
    let (low, high) = if high > low {
        (low, high)
    } else if low == 0.0 {
        (0.0, 1.0)
    } else {
        let room = low.abs() * 0.05;
        (low - room, low + room)
    };
    let span = high - low;
    let base = (span / most as f64).log10().floor() as i32;
    let mut best: Option<(f64, usize, (f64, f64, f64))> = None;
    for power in base - 1..=base + 3 {
        for (factor, cost) in RANGE_FACTORS {
            let step = factor * 10f64.powi(power);
            let first = (low / step + 1e-9).floor();
            let last = (high / step - 1e-9).ceil();
            let count = (last - first) as usize + 1;
            if count < 2 || count > most {
                continue;
            }
            let coverage = span / ((last - first) * step) - cost;
            let better = match &best {
                None => true,
                Some((score, ticks, _)) => {
                    coverage > score + 1e-9 || (coverage > score - 1e-9 && count > *ticks)
                }
            };
            if better {
                best = Some((coverage, count, (tidy(first, step), tidy(last, step), step)));
            }
        }
    }
    best.map_or((low, high, span), |(_, _, range)| range)
}

/// `count * step` without the dust of binary fractions.
fn tidy(count: f64, step: f64) -> f64 {
    let decimals = decimals(step) as i32;
    let scale = 10f64.powi(decimals);
    if decimals < 12 && scale.is_finite() && (count * step).abs() < 1e15 {
        (count * (step * scale).round()) / scale
    } else {
        count * step
    }
}

fn round_log(low: f64, high: f64) -> (f64, f64) {
    let down = |value: f64| -> f64 {
        let power = 10f64.powf(value.log10().floor());
        [5.0, 2.0, 1.0]
            .iter()
            .map(|factor| factor * power)
            .find(|round| *round <= value * (1.0 + 1e-9))
            .unwrap_or(power)
    };
    let up = |value: f64| -> f64 {
        let power = 10f64.powf(value.log10().floor());
        [1.0, 2.0, 5.0, 10.0]
            .iter()
            .map(|factor| factor * power)
            .find(|round| *round >= value * (1.0 - 1e-9))
            .unwrap_or(power * 10.0)
    };
    let (low, high) = (down(low), up(high));
    if high > low {
        (low, high)
    } else {
        (low / 2.0, high * 2.0)
    }
}

/// The smallest round step that puts at most `most` multiples inside `low..=high`.
fn inner_step(low: f64, high: f64, most: usize) -> f64 {
    let span = high - low;
    if span <= 0.0 {
        return 1.0;
    }
    let base = (span / most as f64).log10().floor() as i32 - 1;
    for power in base..=base + 4 {
        for factor in FACTORS {
            let step = factor * 10f64.powi(power);
            let count = (high / step + 1e-9).floor() - (low / step - 1e-9).ceil() + 1.0;
            if count <= most as f64 {
                return step;
            }
        }
    }
    span
}

/// Multiples of `step` inside `low..=high`, counted from `-offset`.
fn spaced(low: f64, high: f64, step: f64, offset: f64) -> impl Iterator<Item = f64> {
    let first = ((low + offset) / step - 1e-9).ceil();
    let last = ((high + offset) / step + 1e-9).floor();
    let count = (last - first).clamp(-1.0, 1000.0);
    (0..=count as i64)
        .filter(move |_| count >= 0.0)
        .map(move |place| tidy(first + place as f64, step) - offset)
}

fn named_ticks(names: &[String], low: f64, high: f64, most: usize) -> Vec<Tick> {
    let first = low.ceil().max(0.0) as usize;
    let last = (high.floor().max(-1.0) + 1.0) as usize;
    let count = last.min(names.len()).saturating_sub(first);
    let every = count.div_ceil(most).max(1);
    (first..first + count)
        .step_by(every)
        .map(|place| Tick {
            value: place as f64,
            text: names[place].clone(),
        })
        .collect()
}

const CLOCK_STEPS: [f64; 27] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1800.0,
    3600.0,
    7200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    1_209_600.0,
    2_419_200.0,
    4_838_400.0,
    7_257_600.0,
    15_724_800.0,
    31_449_600.0,
    314_496_000.0,
];

/// A step in seconds that a clock or calendar knows, for a span of seconds.
fn clock_step(span: f64, most: usize) -> f64 {
    CLOCK_STEPS
        .into_iter()
        .find(|step| (span / step).floor() < most as f64)
        .unwrap_or_else(|| inner_step(0.0, span, most))
}

/// "45s", "2m", "1h30m", "3d".
pub fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let total = seconds.abs().round() as u64;
    let pair = |big: u64, unit: &str, small: u64, under: &str| {
        if small == 0 {
            format!("{sign}{big}{unit}")
        } else {
            format!("{sign}{big}{unit}{small}{under}")
        }
    };
    match total {
        0 => "0".to_owned(),
        1..60 => format!("{sign}{total}s"),
        60..3600 => pair(total / 60, "m", total % 60, "s"),
        3600..86_400 => pair(total / 3600, "h", total % 3600 / 60, "m"),
        _ => pair(total / 86_400, "d", total % 86_400 / 3600, "h"),
    }
}

/// The words for an instant in milliseconds, as fine as the step in milliseconds asks for.
fn clock(value: f64, offset: i32, step: f64) -> String {
    let local = value as i64 + i64::from(offset) * 1000;
    let Some(time) = DateTime::from_timestamp_millis(local) else {
        return String::new();
    };
    if step >= 86_400_000.0 {
        time.format("%-d %b").to_string()
    } else if step >= 60_000.0 {
        if time.hour() == 0 && time.minute() == 0 {
            time.format("%-d %b").to_string()
        } else {
            time.format("%H:%M").to_string()
        }
    } else {
        time.format("%H:%M:%S").to_string()
    }
}

/// Decimals that a multiple of `step` needs, at most 12.
fn decimals(step: f64) -> usize {
    (0..12)
        .find(|count| {
            let scaled = step * 10f64.powi(*count as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-9) && scaled.round() >= 1.0
        })
        .unwrap_or(12)
}

/// A tick's number: decimals by its step; from ten thousand on with k, M, G; tiny ones as `2e-5`.
fn number(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if largest >= limit {
            let by = if unit == "k" { 1e3 } else { limit };
            return format!("{:.*}{unit}", decimals(step / by).min(3), value / by);
        }
    }
    if step < 0.9e-4 {
        return format!("{value:e}");
    }
    format!("{value:.*}", decimals(step))
}

/// A number in at most about seven letters, without needless zeros: `0.05`, `1500`, `12.5k`, `2e-5`.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "∞".to_owned()
        } else {
            "-∞".to_owned()
        };
    }
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if size < 1e-3 {
        let text = format!("{value:.1e}");
        return text.replace(".0e", "e");
    }
    let (scaled, unit) = match size {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let whole = scaled.abs().log10().floor().max(0.0) as usize;
    let text = format!("{scaled:.*}", 3usize.saturating_sub(whole));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis, low: f64, high: f64, most: usize) -> Vec<String> {
        axis.ticks(low, high, most)
            .into_iter()
            .map(|tick| tick.text)
            .collect()
    }

    #[test]
    fn ranges_end_on_round_numbers_and_waste_little() {
        assert_eq!(round_range(0.412, 0.88, 6), (0.4, 0.9, 0.1));
        assert_eq!(round_range(0.0, 97.0, 5), (0.0, 100.0, 25.0));
        assert_eq!(round_range(0.7612, 0.8123, 4), (0.76, 0.82, 0.02));
        assert_eq!(round_range(-3.0, 4.0, 3), (-4.0, 4.0, 4.0));
        assert_eq!(round_range(0.0, 10.2, 3), (0.0, 12.0, 6.0));
    }

    #[test]
    fn a_single_value_gets_room_around_it() {
        let (low, high, _) = round_range(0.5, 0.5, 4);
        assert!(low < 0.5 && high > 0.5);
        assert_eq!(round_range(0.0, 0.0, 4).0, 0.0);
    }

    #[test]
    fn numbers_have_the_decimals_their_step_needs() {
        let axis = Axis::default();
        assert_eq!(
            words(&axis, 0.0, 1.0, 5),
            ["0", "0.25", "0.50", "0.75", "1.00"]
        );
        assert_eq!(words(&axis, 0.0, 1600.0, 5), ["0", "500", "1000", "1500"]);
        assert_eq!(words(&axis, 0.0, 60_000.0, 4), ["0", "20k", "40k", "60k"]);
        assert_eq!(words(&axis, 0.0, 5e-5, 3), ["0", "2e-5", "4e-5"]);
        let axis = Axis {
            unit: "ms".into(),
            ..Axis::default()
        };
        assert_eq!(words(&axis, 3.0, 9.0, 3), ["4ms", "6ms", "8ms"]);
    }

    #[test]
    fn log_axes_tick_on_decades_or_on_one_two_five() {
        let axis = Axis {
            scale: Scale::Log,
            ..Axis::default()
        };
        assert_eq!(axis.round(0.03, 700.0, 5), (0.02, 1000.0, None));
        assert_eq!(
            words(&axis, 0.01, 1000.0, 6),
            ["0.01", "0.1", "1", "10", "100", "1000"]
        );
        assert_eq!(words(&axis, 1.0, 10.0, 5), ["1", "2", "5", "10"]);
        assert!(words(&axis, 0.0, 10.0, 5).is_empty());
    }

    #[test]
    fn time_steps_by_what_a_clock_knows() {
        let axis = Axis {
            kind: Kind::Duration,
            ..Axis::default()
        };
        assert_eq!(
            words(&axis, 0.0, 3600.0, 5),
            ["0", "15m", "30m", "45m", "1h"]
        );
        let axis = Axis {
            kind: Kind::Time { offset: 3600 },
            ..Axis::default()
        };
        // 2013-03-01 11:00 UTC is noon one hour east
        let noon = 1_362_135_600_000.0;
        assert_eq!(
            words(&axis, noon, noon + 3_600_000.0, 3),
            ["12:00", "12:30", "13:00"]
        );
    }

    #[test]
    fn names_thin_out_evenly() {
        let axis = Axis {
            kind: Kind::Names(
                ["Jan", "Feb", "Mar", "Apr", "May"]
                    .map(String::from)
                    .to_vec(),
            ),
            ..Axis::default()
        };
        assert_eq!(words(&axis, -0.5, 4.5, 3), ["Jan", "Mar", "May"]);
    }

    #[test]
    fn short_numbers_lose_needless_zeros() {
        assert_eq!(short(0.05), "0.05");
        assert_eq!(short(1500.0), "1500");
        assert_eq!(short(12_500.0), "12.5k");
        assert_eq!(short(0.000_02), "2e-5");
        assert_eq!(short(-0.25), "-0.25");
        assert_eq!(short(f64::NAN), "NaN");
    }
}
