//! `KEY=VALUE` pairs over a pipeline's configuration, as `train --set` and the dashboard send them.

use crate::config::PipelineConfig;
use crate::domain::{Error, Result};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

const KEYS: &str =
    "`trainer.kind`, `trainer.PARAMETER`, `from`, `to`, `window`, `holdout`, `seed`, `name`";

/// The pipeline with `set` applied in order, and the run's name if one was given. Another `trainer.kind` starts from
/// that trainer's defaults: parameters of one are not parameters of the other.
pub fn apply(
    pipeline: &PipelineConfig,
    set: &[(String, String)],
) -> Result<(PipelineConfig, Option<String>)> {
    let mut pipeline = pipeline.clone();
    let mut name = None;
    for (_, kind) in set.iter().filter(|(key, _)| key == "trainer.kind") {
        if pipeline.trainer.kind != *kind {
            pipeline.trainer.params.clear();
            pipeline.trainer.kind.clone_from(kind);
        }
    }
    for (key, value) in set {
        let wrong = |expected: &str| {
            Error::invalid(format!(
                "`{key}={value}` is not understood: expected {expected}"
            ))
        };
        match key.as_str() {
            "trainer.kind" => {}
            "from" => {
                pipeline.from =
                    Some(instant(value).ok_or_else(|| wrong("a date or RFC 3339 instant"))?);
            }
            "to" => {
                pipeline.to =
                    Some(instant(value).ok_or_else(|| wrong("a date or RFC 3339 instant"))?);
            }
            "window" => {
                pipeline.window = Some(
                    duration(value).ok_or_else(|| wrong("a duration such as `60d` or `12h`"))?,
                );
            }
            "holdout" => {
                pipeline.holdout = value
                    .parse()
                    .ok()
                    .filter(|share| *share > 0.0 && *share < 1.0)
                    .ok_or_else(|| wrong("a share between 0 and 1"))?;
            }
            "seed" => {
                pipeline.seed = value.parse().map_err(|_| wrong("a whole number"))?;
            }
            "name" => name = Some(value.clone()),
            _ => match key.strip_prefix("trainer.") {
                Some(parameter) if !parameter.is_empty() => {
                    let value = serde_json::from_str(value)
                        .unwrap_or_else(|_| serde_json::Value::String(value.clone()));
                    pipeline.trainer.params.insert(parameter.to_owned(), value);
                }
                _ => {
                    return Err(Error::invalid(format!(
                        "`{key}` cannot be set; what can be: {KEYS}"
                    )));
                }
            },
        }
    }
    if let (Some(from), Some(to)) = (pipeline.from, pipeline.to)
        && from >= to
    {
        return Err(Error::invalid(format!(
            "no rows are from {} and before {}: `from` must be earlier than `to`",
            shown(from),
            shown(to)
        )));
    }
    Ok((pipeline, name))
}

fn shown(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || micros.to_string(),
        |instant| instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
    )
}

/// Microseconds of a date, a wall clock (taken as UTC) or an RFC 3339 instant.
fn instant(text: &str) -> Option<i64> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.timestamp_micros());
    }
    if let Ok(clock) = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
    {
        return Some(clock.and_utc().timestamp_micros());
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// Microseconds of `90s`, `30m`, `12h`, `60d`, `8w`.
fn duration(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    count
        .checked_mul(seconds)?
        .checked_mul(1_000_000)
        .filter(|micros| *micros > 0)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::job::TrainerSpec;
    use crate::domain::trigger::Gate;

    pub(in crate::runtime) fn pipeline() -> PipelineConfig {
        PipelineConfig {
            name: "churn".into(),
            dataset: "customers".into(),
            target: "churned".into(),
            task: None,
            row_key: None,
            target_known_at: None,
            features: Vec::new(),
            inputs: Vec::new(),
            exclude: Vec::new(),
            trainer: TrainerSpec {
                kind: "logistic".into(),
                params: [("alpha".to_owned(), serde_json::json!(1.0))].into(),
            },
            gate: Gate {
                metric: "roc_auc".into(),
                at_least: None,
                beat: None,
                by: 0.0,
                slices: Vec::new(),
                slice_drop: 0.0,
                max_psi: None,
                max_p95_ms: None,
            },
            holdout: 0.2,
            seed: 1,
            from: None,
            to: None,
            window: None,
            model: "churn".into(),
            experiment: "churn".into(),
            attempts: 1,
            line: 1,
        }
    }

    fn set(pairs: &[(&str, &str)]) -> Result<(PipelineConfig, Option<String>)> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        apply(&pipeline(), &pairs)
    }

    #[test]
    fn another_kind_starts_from_its_own_defaults_wherever_it_stands() {
        let (same, _) = set(&[("trainer.kind", "logistic")]).unwrap();
        assert_eq!(same.trainer.params.len(), 1);
        let (other, name) = set(&[
            ("trainer.trees", "50"),
            ("trainer.kind", "boosting"),
            ("trainer.loss", "log"),
            ("name", "brave-otter"),
        ])
        .unwrap();
        assert_eq!(other.trainer.kind, "boosting");
        assert_eq!(
            serde_json::to_string(&other.trainer.params).unwrap(),
            r#"{"loss":"log","trees":50}"#
        );
        assert_eq!(name.as_deref(), Some("brave-otter"));
    }

    #[test]
    fn instants_are_microseconds_of_utc() {
        let (changed, _) = set(&[
            ("from", "2025-03-01"),
            ("to", "2025-03-01T02:00:00+01:00"),
            ("window", "60d"),
        ])
        .unwrap();
        assert_eq!(changed.from, Some(1_740_787_200_000_000));
        assert_eq!(changed.to, Some(1_740_787_200_000_000 + 3_600_000_000));
        assert_eq!(changed.window, Some(60 * 86_400_000_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value, said) in [
            ("colour", "red", "cannot be set"),
            ("trainer.", "1", "cannot be set"),
            ("holdout", "1.5", "between 0 and 1"),
            ("from", "yesterday", "a date"),
            ("window", "12", "a duration"),
            ("seed", "-1", "a whole number"),
        ] {
            let error = set(&[(key, value)]).unwrap_err();
            assert!(error.message.contains(said), "{}", error.message);
        }
        let error = set(&[("from", "2025-03-01"), ("to", "2025-02-01")]).unwrap_err();
        assert!(error.message.contains("earlier than"), "{}", error.message);
    }
}
