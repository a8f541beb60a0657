//! The filter as a person types it: MLflow's grammar, short conditions (`val_auc>0.8`, `depth=8`, `state:done`,
//! `user:ana`, `tag.team:fraud`) and plain words, side by side. What a screen can know to be wrong is said while it
//! is typed; the rest the daemon refuses.

use super::columns::quoted;
use crate::domain::run::RunTable;

/// What a typed filter asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The condition, in the daemon's grammar.
    pub grammar: String,
    /// The archived runs (`state:archived`).
    pub archived: bool,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

/// Reads what is typed. A condition without its value is still being typed and left out. `table` knows which keys
/// there are; without it every key is believed.
pub fn read(typed: &str, table: Option<&RunTable>) -> Asked {
    let typed = typed.trim();
    let mut asked = Asked::default();
    if ["metrics.", "params.", "tags.", "attributes.", "datasets."]
        .iter()
        .any(|word| typed.contains(word))
        || typed.contains(['(', '\'', '"', '`'])
    {
        let words: Vec<&str> = typed.split(' ').collect();
        asked.archived = words.contains(&ARCHIVED);
        asked.grammar = words
            .into_iter()
            .filter(|word| *word != ARCHIVED)
            .collect::<Vec<_>>()
            .join(" ");
        return asked;
    }
    let mut parts: Vec<String> = Vec::new();
    for word in typed.split_whitespace() {
        if word == ARCHIVED {
            asked.archived = true;
        } else if let Some((key, sign, value)) = split(word) {
            if key.is_empty() || value.is_empty() {
                continue;
            }
            match condition(key, sign, value, table) {
                Ok(part) => parts.push(part),
                Err(wrong) => asked.wrong = asked.wrong.or(Some(wrong)),
            }
        } else if let Some((key, value)) = word.split_once(':') {
            if value.is_empty() {
                continue;
            }
            match short(key, value, table) {
                Ok(part) => parts.push(part),
                Err(wrong) => asked.wrong = asked.wrong.or(Some(wrong)),
            }
        } else if ["and", "or"].contains(&word.to_lowercase().as_str()) {
            parts.push(word.to_uppercase());
        } else {
            parts.push(format!("'{word}'"));
        }
    }
    // a joining word at the end is still being typed
    while parts
        .last()
        .is_some_and(|part| part == "AND" || part == "OR")
    {
        parts.pop();
    }
    asked.grammar = parts.join(" ");
    asked
}

/// Asks for archived runs.
pub const ARCHIVED: &str = "state:archived";

fn knows(keys: Option<&Vec<String>>, key: &str) -> bool {
    keys.is_some_and(|keys| keys.iter().any(|known| known == key))
}

/// `val_auc>0.8`, `depth=8`.
fn condition(
    key: &str,
    sign: &str,
    value: &str,
    table: Option<&RunTable>,
) -> Result<String, String> {
    let metric = knows(table.map(|table| &table.metric_keys), key);
    let param = knows(table.map(|table| &table.param_keys), key);
    if !metric && !param && table.is_some() && !ATTRIBUTES.contains(&key) {
        return Err(format!("no metric or parameter is called `{key}`"));
    }
    if ATTRIBUTES.contains(&key) {
        return Ok(if ["start_time", "end_time", "created"].contains(&key) {
            format!("attributes.{key} {sign} {value}")
        } else {
            format!("attributes.{key} {sign} '{value}'")
        });
    }
    if param && !metric {
        if !["=", "!="].contains(&sign) {
            return Err(format!(
                "`{key}` is a parameter, which is text: compare it with = or !="
            ));
        }
        return Ok(format!("params.{} {sign} '{value}'", quoted(key)));
    }
    match value.parse::<f64>() {
        Ok(_) => Ok(format!("metrics.{} {sign} {value}", quoted(key))),
        Err(_) => Err(format!(
            "`{key}` is a metric: compare it with a number, not `{value}`"
        )),
    }
}

const ATTRIBUTES: [&str; 7] = [
    "status",
    "run_name",
    "run_id",
    "user_id",
    "start_time",
    "end_time",
    "created",
];

/// `state:done`, `user:ana`, `tag.team:fraud`, `depth:8`.
fn short(key: &str, value: &str, table: Option<&RunTable>) -> Result<String, String> {
    match key {
        "state" | "status" => {
            let status = match value.to_lowercase().as_str() {
                "done" | "finished" | "ok" => "FINISHED",
                "failed" => "FAILED",
                "running" => "RUNNING",
                "waiting" | "queued" | "scheduled" => "SCHEDULED",
                "stopped" | "killed" | "cancelled" => "KILLED",
                // all of these begin a state
                part if [
                    "done", "finished", "failed", "running", "waiting", "stopped",
                ]
                .iter()
                .chain(["archived", "killed"].iter())
                .any(|whole| whole.starts_with(part)) =>
                {
                    return Ok(String::new());
                }
                _ => {
                    return Err(format!(
                        "no state `{value}`: done, failed, running, waiting, stopped, archived"
                    ));
                }
            };
            Ok(format!("attributes.status = '{status}'"))
        }
        "user" | "by" => Ok(format!("attributes.user_id = '{value}'")),
        _ => match key.strip_prefix("tag.") {
            Some(tag) if !tag.is_empty() => Ok(format!("tags.{} = '{value}'", quoted(tag))),
            _ => condition(key, "=", value, table),
        },
    }
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

    fn table() -> RunTable {
        RunTable {
            metric_keys: vec!["val_auc".to_owned()],
            param_keys: vec!["max depth".to_owned(), "depth".to_owned()],
            ..RunTable::default()
        }
    }

    #[test]
    fn typed_filters_become_conditions() {
        let check =
            |typed: &str, wanted: &str| assert_eq!(read(typed, Some(&table())).grammar, wanted);
        check("otter", "'otter'");
        check("val_auc>0.8", "metrics.val_auc > 0.8");
        check("val_auc>", "");
        check(
            "val_auc>=0.8 state:done",
            "metrics.val_auc >= 0.8 attributes.status = 'FINISHED'",
        );
        check("depth=8 otter", "params.depth = '8' 'otter'");
        check(
            "depth:8 or user:ana",
            "params.depth = '8' OR attributes.user_id = 'ana'",
        );
        check("tag.team:fraud and", "tags.team = 'fraud'");
        check("metrics.val_auc > 0.8", "metrics.val_auc > 0.8");
        assert!(read("state:archived otter", None).archived);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |typed: &str, wanted: &str| {
            let wrong = read(typed, Some(&table())).wrong.unwrap_or_default();
            assert!(wrong.contains(wanted), "{typed}: {wrong}");
        };
        check("vl_auc>0.8", "no metric or parameter is called `vl_auc`");
        check("val_auc>high", "compare it with a number");
        check("depth>8", "which is text");
        check("state:gone", "no state `gone`");
        assert_eq!(read("state:fail", Some(&table())).wrong, None);
    }
}
