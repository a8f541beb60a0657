//! The filter as a person types it, in MLflow's search grammar.

use super::columns::quoted;
use crate::domain::run::RunTable;

/// What is typed, in MLflow's search grammar. `val_auc>0.8`, `state:done`, `user:ana`, `depth=8` become conditions; plain
/// words stay words as long as they are alone. Half-typed conditions are left out; grammar that is already there stays.
pub fn filter(typed: &str, table: Option<&RunTable>) -> String {
    let typed = typed.trim();
    if ["metrics.", "params.", "tags.", "attributes."]
        .iter()
        .any(|word| typed.contains(word))
    {
        return typed.to_owned();
    }
    let mut conditions = Vec::new();
    let mut words = Vec::new();
    for word in typed.split_whitespace() {
        if let Some(state) = word.strip_prefix("state:") {
            let status = match state {
                "done" | "finished" => "FINISHED",
                "failed" => "FAILED",
                "running" => "RUNNING",
                "waiting" | "scheduled" => "SCHEDULED",
                "stopped" | "killed" => "KILLED",
                _ => continue,
            };
            conditions.push(format!("attributes.status = '{status}'"));
        } else if let Some(user) = word.strip_prefix("user:") {
            if !user.is_empty() {
                conditions.push(format!("attributes.user_id = '{}'", user.replace('\'', "")));
            }
        } else if let Some((key, sign, value)) = split(word) {
            if key.is_empty() || value.is_empty() {
                continue;
            }
            let is_param = table.is_some_and(|table| {
                table.param_keys.iter().any(|known| known == key)
                    && !table.metric_keys.iter().any(|known| known == key)
            });
            if is_param {
                let value = value.replace('\'', "");
                conditions.push(format!("params.{} {sign} '{value}'", quoted(key)));
            } else if value.parse::<f64>().is_ok() {
                conditions.push(format!("metrics.{} {sign} {value}", quoted(key)));
            }
        } else {
            words.push(word);
        }
    }
    if conditions.is_empty() {
        return words.join(" ");
    }
    conditions.extend(
        words
            .iter()
            .map(|word| format!("attributes.run_name ILIKE '%{}%'", word.replace('\'', ""))),
    );
    conditions.join(" AND ")
}

fn split(word: &str) -> Option<(&str, &str, &str)> {
    [">=", "<=", "!=", ">", "<", "="].iter().find_map(|sign| {
        word.split_once(sign)
            .map(|(key, value)| (key, *sign, value))
    })
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_filters_become_conditions() {
        let table = RunTable {
            metric_keys: vec!["val_auc".to_owned()],
            param_keys: vec!["max depth".to_owned(), "depth".to_owned()],
            ..RunTable::default()
        };
        let check = |typed: &str, wanted: &str| assert_eq!(filter(typed, Some(&table)), wanted);
        check("otter", "otter");
        check("val_auc>0.8", "metrics.val_auc > 0.8");
        check("val_auc>", "");
        check(
            "val_auc>=0.8 state:done",
            "metrics.val_auc >= 0.8 AND attributes.status = 'FINISHED'",
        );
        check(
            "depth=8 otter",
            "params.depth = '8' AND attributes.run_name ILIKE '%otter%'",
        );
        check("metrics.val_auc > 0.8", "metrics.val_auc > 0.8");
    }
}
