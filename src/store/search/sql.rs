//! [`Filter`] and [`Order`] -> SQL over `runs as r` with bound values.

use super::{Filter, Operand, Operator, Order, Sql, Subject};
use rusqlite::types::Value;

/// `%` and `_` of LIKE as GLOB has them: GLOB counts case, SQLite's LIKE does not.
pub(super) fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => {
                glob.push('[');
                glob.push(character);
                glob.push(']');
            }
            other => glob.push(other),
        }
    }
    glob
}

impl Filter {
    /// The condition over `runs as r`.
    pub fn sql(&self) -> Sql {
        let mut sql = Sql::default();
        self.write(&mut sql);
        sql
    }

    fn write(&self, sql: &mut Sql) {
        match self {
            Self::All(parts) if parts.is_empty() => sql.text.push_str("true"),
            Self::All(parts) => join(parts, " and ", sql),
            Self::Any(parts) => join(parts, " or ", sql),
            Self::Word(word) => {
                sql.text
                    .push_str("(instr(lower(r.name), ?) > 0 or instr(lower(r.user), ?) > 0)");
                let word = Value::Text(word.to_lowercase());
                sql.values.extend([word.clone(), word]);
            }
            Self::Test(subject, operator, operand) => test(subject, *operator, operand, sql),
            Self::Root => {
                sql.text.push_str(
                    "not exists (select 1 from tags p join runs q on q.id = p.value where p.run = r.number and p.key = ? and q.lifecycle = r.lifecycle)",
                );
                sql.values
                    .push(Value::Text(crate::store::board::PARENT.to_owned()));
            }
        }
    }
}

fn join(parts: &[Filter], between: &str, sql: &mut Sql) {
    sql.text.push('(');
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            sql.text.push_str(between);
        }
        part.write(sql);
    }
    sql.text.push(')');
}

fn test(subject: &Subject, operator: Operator, operand: &Operand, sql: &mut Sql) {
    let absent = operator == Operator::IsNull;
    match subject {
        Subject::Metric(key) => {
            sql.text.push_str(
                "exists (select 1 from latest_metrics l where l.run = r.number and l.key = (select id from metric_keys where name = ?) and ",
            );
            sql.values.push(Value::Text(key.clone()));
            // NaN equals nothing and is neither less nor greater.
            sql.text.push_str(if operator == Operator::NotEqual {
                "(l.nan = 1 or "
            } else {
                "(l.nan = 0 and "
            });
            compare("l.value", operator, operand, sql);
            sql.text.push_str("))");
        }
        Subject::Param(key) | Subject::Tag(key) => {
            let table = if matches!(subject, Subject::Param(_)) {
                "params"
            } else {
                "tags"
            };
            sql.text.push_str(&format!(
                "{}exists (select 1 from {table} p where p.run = r.number and p.key = ?",
                if absent { "not " } else { "" }
            ));
            sql.values.push(Value::Text(key.clone()));
            if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
                sql.text.push_str(" and ");
                compare("p.value", operator, operand, sql);
            }
            sql.text.push(')');
        }
        Subject::Text(column) | Subject::Time(column) => compare(column, operator, operand, sql),
        Subject::Dataset(column) => {
            sql.text.push_str(
                "exists (select 1 from inputs i join logged_datasets d on d.id = i.dataset where i.run = r.number and ",
            );
            compare(column, operator, operand, sql);
            sql.text.push(')');
        }
    }
}

/// `column`, the operator's sign and the operand's marks.
pub(in crate::store) fn compare(
    column: &str,
    operator: Operator,
    operand: &Operand,
    sql: &mut Sql,
) {
    let sign = match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::AtMost => "<=",
        Operator::Greater => ">",
        Operator::AtLeast => ">=",
        Operator::Like => "glob",
        Operator::ILike => "like",
        Operator::In => "in",
        Operator::NotIn => "not in",
        Operator::IsNull => "is null",
        Operator::IsNotNull => "is not null",
    };
    sql.text.push_str(column);
    sql.text.push(' ');
    sql.text.push_str(sign);
    match operand {
        Operand::Null => {}
        Operand::Number(number) => {
            sql.text.push_str(" ?");
            sql.values.push(Value::Real(*number));
        }
        Operand::Text(text) => {
            sql.text.push_str(" ?");
            sql.values.push(Value::Text(if operator == Operator::Like {
                glob(text)
            } else {
                text.clone()
            }));
        }
        Operand::List(texts) => {
            sql.text.push_str(" (");
            for (number, text) in texts.iter().enumerate() {
                sql.text.push_str(if number == 0 { "?" } else { ", ?" });
                sql.values.push(Value::Text(text.clone()));
            }
            sql.text.push(')');
        }
    }
}

/// Joins that the orders need, and the `order by` list with MLflow's ties: start time descending, then id.
/// NaN comes after all numbers and the absent last, in both directions.
pub fn order_sql(orders: &[Order]) -> (Sql, String) {
    let mut joins = Sql::default();
    let mut list = String::new();
    for (number, order) in orders.iter().enumerate() {
        let direction = if order.descending { "desc" } else { "asc" };
        match &order.by {
            Subject::Metric(key) => {
                joins.text.push_str(&format!(
                    " left join latest_metrics o{number} on o{number}.run = r.number and o{number}.key = (select id from metric_keys where name = ?)"
                ));
                joins.values.push(Value::Text(key.clone()));
                list.push_str(&format!(
                    "case when o{number}.nan is null then 2 else o{number}.nan end, o{number}.value {direction}, "
                ));
            }
            Subject::Param(key) | Subject::Tag(key) => {
                let table = if matches!(order.by, Subject::Param(_)) {
                    "params"
                } else {
                    "tags"
                };
                joins.text.push_str(&format!(
                    " left join {table} o{number} on o{number}.run = r.number and o{number}.key = ?"
                ));
                joins.values.push(Value::Text(key.clone()));
                list.push_str(&format!("o{number}.value is null, "));
                if order.numeric {
                    let value = format!("o{number}.value");
                    list.push_str(&format!(
                        "{value} glob '*[^-+.0-9eE]*' or {value} not glob '*[0-9]*', cast({value} as real) {direction}, "
                    ));
                }
                list.push_str(&format!("o{number}.value {direction}, "));
            }
            Subject::Text(column) | Subject::Time(column) => {
                list.push_str(&format!("{column} is null, {column} {direction}, "));
            }
            Subject::Dataset(_) => {}
        }
    }
    // The ties alone are an index's own order: nothing is sorted.
    list.push_str("r.started desc, r.id");
    (joins, list)
}
