//! Search over experiments: names and tags. There are few of them, so this looks at each.

use super::Tracking;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::{Error, Result};
use crate::store::search::{self, Dialect, Filter, Operand, Operator, Subject};

impl Tracking {
    /// Experiments by MLflow's grammar over `name` and `tags.…`; newest first unless `order_by` (`name`, `experiment_id`,
    /// `creation_time`, `last_update_time`) says otherwise.
    pub fn search_experiments(
        &self,
        filter: &str,
        order_by: &[String],
        lifecycle: Option<Lifecycle>,
    ) -> Result<Vec<Experiment>> {
        let filter = search::parse(filter, Dialect::Mlflow)?;
        let mut found = Vec::new();
        for experiment in self.experiments()? {
            if lifecycle.is_none_or(|wanted| wanted == experiment.lifecycle)
                && matches(&filter, &experiment)?
            {
                found.push(experiment);
            }
        }
        // The last clause first: sorting is stable.
        for clause in order_by.iter().rev() {
            sort(&mut found, clause)?;
        }
        Ok(found)
    }
}

fn sort(experiments: &mut [Experiment], clause: &str) -> Result<()> {
    let wrong = || {
        Error::invalid(format!(
            "invalid order_by `{clause}`: name, experiment_id, creation_time or last_update_time, then ASC or DESC"
        ))
    };
    let mut words = clause.split_whitespace();
    let key = words.next().ok_or_else(wrong)?;
    let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(wrong()),
    };
    let id = |experiment: &Experiment| experiment.id.as_str().parse::<i64>().unwrap_or_default();
    match key.strip_prefix("attributes.").unwrap_or(key) {
        "name" => experiments.sort_by(|a, b| a.name.cmp(&b.name)),
        "experiment_id" => experiments.sort_by_key(id),
        "creation_time" => experiments.sort_by_key(|experiment| experiment.created),
        "last_update_time" => experiments.sort_by_key(|experiment| experiment.updated),
        _ => return Err(wrong()),
    }
    if descending {
        experiments.reverse();
    }
    Ok(())
}

fn matches(filter: &Filter, experiment: &Experiment) -> Result<bool> {
    Ok(match filter {
        Filter::All(parts) => {
            for part in parts {
                if !matches(part, experiment)? {
                    return Ok(false);
                }
            }
            true
        }
        Filter::Any(parts) => {
            for part in parts {
                if matches(part, experiment)? {
                    return Ok(true);
                }
            }
            false
        }
        Filter::Word(word) => experiment.name.contains(word),
        Filter::Root => true,
        Filter::Test(subject, operator, operand) => {
            let value = match subject {
                Subject::Text("r.name") => Some(experiment.name.as_str()),
                Subject::Tag(key) => experiment
                    .tags
                    .iter()
                    .find(|(other, _)| other == key)
                    .map(|(_, value)| value.as_str()),
                _ => {
                    return Err(Error::invalid(
                        "experiments are searched by `name` and `tags.…`",
                    ));
                }
            };
            match (value, operand) {
                (value, Operand::Null) => value.is_none() == (*operator == Operator::IsNull),
                (None, _) => false,
                (Some(value), Operand::Text(text)) => match operator {
                    Operator::Equal => value == text,
                    Operator::NotEqual => value != text,
                    Operator::Like => like(text, value),
                    Operator::ILike => like(&text.to_lowercase(), &value.to_lowercase()),
                    _ => false,
                },
                (Some(value), Operand::List(texts)) => {
                    texts.iter().any(|text| text == value) == (*operator == Operator::In)
                }
                (Some(_), Operand::Number(_)) => false,
            }
        }
    })
}

/// SQL's LIKE: `%` any text, `_` one character.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // Which lengths of the pattern match the text so far.
    let mut states = vec![false; pattern.len() + 1];
    states[0] = true;
    let spread = |states: &mut Vec<bool>| {
        for at in 0..pattern.len() {
            if pattern[at] == '%' && states[at] {
                states[at + 1] = true;
            }
        }
    };
    spread(&mut states);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for at in 0..pattern.len() {
            if states[at] {
                match pattern[at] {
                    '%' => next[at] = true,
                    '_' => next[at + 1] = true,
                    other if other == character => next[at + 1] = true,
                    _ => {}
                }
            }
        }
        states = next;
        spread(&mut states);
    }
    states[pattern.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn like_is_sqls() {
        for (pattern, text, expected) in [
            ("%", "", true),
            ("a%", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "ac", false),
            ("abc", "ab", false),
            ("%%x", "aax", true),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
