//! A logged number, and a series of them as a screen can show it.

use super::{RunId, Timestamp};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// One logged point. NaN and infinities are legal values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Up to 250 characters.
    pub key: String,
    /// See [`crate::domain::metric::number`] for its JSON form.
    #[serde(with = "number")]
    pub value: f64,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// May be negative.
    pub step: i64,
}

/// Points of one run, in the order given; each key is kept once, because a thousand points have a dozen.
#[derive(Clone, Debug, Default)]
pub struct Points {
    keys: Vec<String>,
    numbers: FxHashMap<String, u32>,
    points: Vec<Point>,
}

/// One of [`Points`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The place of its key among [`Points::keys`].
    pub key: u32,
    /// May be negative.
    pub step: i64,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// NaN and infinities are legal values.
    pub value: f64,
}

impl Points {
    /// One more.
    pub fn push(&mut self, key: &str, step: i64, timestamp: Timestamp, value: f64) {
        let key = match self.numbers.get(key) {
            Some(number) => *number,
            None => {
                let number = self.keys.len() as u32;
                self.keys.push(key.to_owned());
                self.numbers.insert(key.to_owned(), number);
                number
            }
        };
        self.points.push(Point {
            key,
            step,
            timestamp,
            value,
        });
    }

    /// The keys, each once, in their order.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The points, in their order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

impl<'a> FromIterator<&'a Metric> for Points {
    fn from_iter<I: IntoIterator<Item = &'a Metric>>(metrics: I) -> Self {
        let mut points = Self::default();
        for metric in metrics {
            points.push(&metric.key, metric.step, metric.timestamp, metric.value);
        }
        points
    }
}

/// All points of a metric that fell into one bucket of the x axis. A spike survives as `max`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Step of the bucket's last point.
    pub step: i64,
    /// Time of the bucket's last point.
    pub time: Timestamp,
    /// Smallest finite value; NaN when the bucket has none.
    #[serde(with = "number")]
    pub min: f64,
    /// Greatest finite value; NaN when the bucket has none.
    #[serde(with = "number")]
    pub max: f64,
    /// Last value as logged.
    #[serde(with = "number")]
    pub last: f64,
    /// How many of the bucket's points were not finite.
    pub odd: u32,
}

/// A metric's history, downsampled to at most as many buckets as were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whose.
    pub run: RunId,
    /// Of which metric.
    pub key: String,
    /// In order of step, then time.
    pub buckets: Vec<Bucket>,
    /// Points behind the buckets.
    pub points: u64,
}

/// JSON has no NaN and no infinities: they travel as the strings MLflow uses.
pub mod number {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    /// Writes a finite number as a number, others as `"NaN"`, `"Infinity"`, `"-Infinity"`.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            serializer.serialize_f64(*value)
        } else if value.is_nan() {
            serializer.serialize_str("NaN")
        } else if *value > 0.0 {
            serializer.serialize_str("Infinity")
        } else {
            serializer.serialize_str("-Infinity")
        }
    }

    /// Reads what [`serialize`] writes, and numbers written as text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }

    /// Takes what comes without keeping a copy of it first.
    struct NumberVisitor;

    impl Visitor<'_> for NumberVisitor {
        type Value = f64;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a number, or `NaN`, `Infinity`, `-Infinity`")
        }

        fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
            match text {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                other => other
                    .parse()
                    .map_err(|_| E::custom(format!("`{other}` is not a number"))),
            }
        }
    }
}

/// A finite-or-not number inside collections, with the JSON form of [`number`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(#[serde(with = "number")] pub f64);
