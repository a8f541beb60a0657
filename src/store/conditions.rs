//! SQL of filters and orders over experiments, registered models, versions and logged models. Runs, of which there
//! are many more, have their own in `search`.

use super::search::{Filter, Kind, Operand, Operator, Order, Sql, Subject, compare};
use rusqlite::types::Value;

/// The tables that hold a row's keyed values, each joined to it.
fn tags_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Runs => "tags t where t.run = r.number",
        Kind::Experiments => "experiment_tags t where t.experiment = e.id",
        Kind::Models => "model_tags t where t.model = m.name",
        Kind::Versions => "version_tags t where t.model = v.model and t.version = v.version",
        Kind::LoggedModels => "logged_model_tags t where t.model = l.id",
    }
}

/// A dataset that a logged model's metrics must come from: its name, and its digest if that matters.
pub type OnDataset = (String, Option<String>);

/// The condition over the rows of `kind`. `datasets` restricts the metrics of logged models that are looked at; empty: all.
pub fn condition(kind: Kind, filter: &Filter, datasets: &[OnDataset]) -> Sql {
    let mut sql = Sql::default();
    write(kind, filter, datasets, &mut sql);
    sql
}

fn write(kind: Kind, filter: &Filter, datasets: &[OnDataset], sql: &mut Sql) {
    let (parts, between) = match filter {
        Filter::All(parts) if parts.is_empty() => {
            sql.text.push_str("true");
            return;
        }
        Filter::All(parts) => (parts, " and "),
        Filter::Any(parts) => (parts, " or "),
        // Only the dashboard's dialect has words, and it asks for runs alone.
        Filter::Word(_) | Filter::Root => {
            sql.text.push_str("false");
            return;
        }
        Filter::Test(subject, operator, operand) => {
            test(kind, subject, *operator, operand, datasets, sql);
            return;
        }
    };
    sql.text.push('(');
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            sql.text.push_str(between);
        }
        write(kind, part, datasets, sql);
    }
    sql.text.push(')');
}

fn test(
    kind: Kind,
    subject: &Subject,
    operator: Operator,
    operand: &Operand,
    datasets: &[OnDataset],
    sql: &mut Sql,
) {
    let (rows, key) = match subject {
        Subject::Text(column) | Subject::Time(column) => {
            compare(column, operator, operand, sql);
            return;
        }
        Subject::Tag(key) => (tags_of(kind), key),
        Subject::Param(key) => ("logged_model_params t where t.model = l.id", key),
        Subject::Metric(key) => ("logged_model_metrics t where t.model = l.id", key),
        Subject::Dataset(_) => {
            sql.text.push_str("false");
            return;
        }
    };
    if operator == Operator::IsNull {
        sql.text.push_str("not ");
    }
    sql.text
        .push_str(&format!("exists (select 1 from {rows} and t.key = ?"));
    sql.values.push(Value::Text(key.clone()));
    if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
        sql.text.push_str(" and ");
        if matches!(subject, Subject::Metric(_)) {
            // NaN equals nothing and is neither less nor greater.
            sql.text.push_str(match operator {
                Operator::NotEqual => "(t.nan = 1 or ",
                _ => "(t.nan = 0 and ",
            });
            compare("t.value", operator, operand, sql);
            sql.text.push(')');
            on_datasets(datasets, sql);
        } else {
            compare("t.value", operator, operand, sql);
        }
    }
    sql.text.push(')');
}

/// ` and (…)`: a metric's row comes from one of the datasets; nothing when there are none.
pub fn on_datasets(datasets: &[OnDataset], sql: &mut Sql) {
    for (number, (name, digest)) in datasets.iter().enumerate() {
        sql.text
            .push_str(if number == 0 { " and (" } else { " or " });
        sql.text.push_str("(t.dataset_name = ?");
        sql.values.push(Value::Text(name.clone()));
        if let Some(digest) = digest {
            sql.text.push_str(" and t.dataset_digest = ?");
            sql.values.push(Value::Text(digest.clone()));
        }
        sql.text.push(')');
    }
    if !datasets.is_empty() {
        sql.text.push(')');
    }
}

/// `a desc, b asc`: attributes only.
pub fn order(orders: &[Order]) -> String {
    let clauses: Vec<String> = orders
        .iter()
        .filter_map(|order| match order.by {
            Subject::Text(column) | Subject::Time(column) => Some(format!(
                "{column} {}",
                if order.descending { "desc" } else { "asc" }
            )),
            _ => None,
        })
        .collect();
    clauses.join(", ")
}

/// The tag of prompts: MLflow keeps them as models, and leaves them out of a search that does not ask for them.
pub const PROMPT: &str = "mlflow.prompt.is_prompt";

/// The filter without its comparisons with the tag of prompts, and whether prompts are wanted.
pub fn without_prompts(filter: Filter) -> (Filter, bool) {
    if let Filter::Test(Subject::Tag(key), operator, operand) = &filter
        && key == PROMPT
    {
        let wanted = match (operator, operand) {
            (Operator::Equal, Operand::Text(text)) => text.eq_ignore_ascii_case("true"),
            (Operator::NotEqual, Operand::Text(text)) => text.eq_ignore_ascii_case("false"),
            _ => false,
        };
        return if wanted {
            (filter, true)
        } else {
            (Filter::All(Vec::new()), false)
        };
    }
    match filter {
        Filter::All(parts) => {
            let mut wanted = false;
            let parts = parts
                .into_iter()
                .map(|part| {
                    let (part, prompts) = without_prompts(part);
                    wanted |= prompts;
                    part
                })
                .collect();
            (Filter::All(parts), wanted)
        }
        other => (other, false),
    }
}
