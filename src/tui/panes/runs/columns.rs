//! Columns of the runs table: what there is, what fits, what a cell says, and how rows are asked for.

use crate::domain::Timestamp;
use crate::domain::metric::Number;
use crate::domain::run::{RunRow, RunStatus, RunTable};
use crate::tui::text;
use crate::tui::theme::Theme;
use ratatui::style::Style;

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The run's name.
    Name,
    /// Its state, as a sign and a word.
    State,
    /// A metric's latest value.
    Metric(String),
    /// Difference of the primary metric to the champion's.
    Difference,
    /// Folds in which it beats the champion.
    Folds,
    /// A parameter.
    Param(String),
    /// A tag.
    Tag(String),
    /// Since it began.
    Age,
    /// How long it took.
    Took,
    /// Who started it.
    By,
}

impl Column {
    /// Its name: in the heading (upper case), in the columns dialog and in remembered looks.
    pub fn name(&self) -> String {
        match self {
            Self::Name => "name".to_owned(),
            Self::State => "state".to_owned(),
            Self::Metric(key) | Self::Param(key) | Self::Tag(key) => key.clone(),
            Self::Difference => "Δ champ".to_owned(),
            Self::Folds => "folds".to_owned(),
            Self::Age => "age".to_owned(),
            Self::Took => "took".to_owned(),
            Self::By => "by".to_owned(),
        }
    }

    /// Unambiguous, for remembered looks and dialogs: `metric:auc`, `param:depth`, `age`.
    pub fn id(&self) -> String {
        match self {
            Self::Metric(key) => format!("metric:{key}"),
            Self::Param(key) => format!("param:{key}"),
            Self::Tag(key) => format!("tag:{key}"),
            Self::Difference => "difference".to_owned(),
            other => other.name(),
        }
    }

    /// The column with this [`Column::id`].
    pub fn of(id: &str) -> Option<Self> {
        Some(match id {
            "name" => Self::Name,
            "state" => Self::State,
            "difference" => Self::Difference,
            "folds" => Self::Folds,
            "age" => Self::Age,
            "took" => Self::Took,
            "by" => Self::By,
            other => match other.split_once(':')? {
                ("metric", key) => Self::Metric(key.to_owned()),
                ("param", key) => Self::Param(key.to_owned()),
                ("tag", key) => Self::Tag(key.to_owned()),
                _ => return None,
            },
        })
    }

    /// Cells it takes.
    pub fn width(&self, primary: Option<&str>) -> usize {
        match self {
            Self::Name => 15,
            Self::State => 9,
            // a star for the best, an arrow for the order
            Self::Metric(key) if Some(key.as_str()) == primary => text::width(key).clamp(7, 12) + 2,
            Self::Metric(key) => text::width(key).clamp(7, 11) + 1,
            Self::Difference => 8,
            Self::Folds => 5,
            Self::Param(key) => text::width(key).clamp(5, 11),
            Self::Tag(key) => text::width(key).clamp(6, 12),
            Self::Age => 4,
            Self::Took => 7,
            Self::By => 6,
        }
    }

    /// Numbers stand at the right.
    pub fn at_right(&self) -> bool {
        !matches!(self, Self::Name | Self::State | Self::By | Self::Tag(_))
    }

    /// How the daemon orders by it; none where it cannot.
    pub fn order(&self, primary: Option<&str>) -> Option<String> {
        Some(match self {
            Self::Name => "attributes.run_name".to_owned(),
            Self::State => "attributes.status".to_owned(),
            Self::Metric(key) => format!("metrics.{}", quoted(key)),
            Self::Difference => format!("metrics.{}", quoted(primary?)),
            Self::Param(key) => format!("params.{}", quoted(key)),
            Self::Tag(key) => format!("tags.{}", quoted(key)),
            Self::Age => "attributes.start_time".to_owned(),
            Self::By => "attributes.user_id".to_owned(),
            Self::Folds | Self::Took => return None,
        })
    }
}

/// A key in MLflow's search grammar: in backticks where it is not a plain word.
pub fn quoted(key: &str) -> String {
    if !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    {
        key.to_owned()
    } else {
        format!("`{key}`")
    }
}

/// Every column there is, the default ones in their order first.
pub fn all(table: &RunTable) -> Vec<Column> {
    let primary = table
        .primary_metric
        .clone()
        .or_else(|| table.metric_keys.first().cloned());
    let mut columns = vec![Column::Name, Column::State];
    columns.extend(primary.clone().map(Column::Metric));
    columns.push(Column::Difference);
    columns.push(Column::Folds);
    // what a machine does is no result: it comes after all that is
    let (system, others): (Vec<&String>, Vec<&String>) = table
        .metric_keys
        .iter()
        .filter(|key| Some(*key) != primary.as_ref())
        .partition(|key| key.starts_with("system/"));
    let metric = |key: &String| Column::Metric(key.clone());
    let others: Vec<Column> = others.into_iter().map(metric).collect();
    let params: Vec<Column> = table
        .param_keys
        .iter()
        .cloned()
        .map(Column::Param)
        .collect();
    // one metric, then two parameters, as long as there are any
    let (mut others, mut params) = (others.into_iter(), params.into_iter());
    loop {
        let before = columns.len();
        columns.extend(others.next());
        columns.extend(params.by_ref().take(2));
        if columns.len() == before {
            break;
        }
    }
    columns.extend([Column::Took, Column::By, Column::Age]);
    columns.extend(system.into_iter().map(metric));
    columns
}

/// The columns that fit into `width` cells: the chosen ones in their order, or the default ones with the age at the end.
pub fn fitting(table: &RunTable, chosen: Option<&[Column]>, width: usize) -> Vec<Column> {
    let primary = table.primary_metric.as_deref();
    let mut left = width.saturating_sub(3);
    let mut shown = Vec::new();
    let mut take = |column: Column, left: &mut usize| {
        let wanted = column.width(primary) + 1;
        if wanted <= *left {
            *left -= wanted;
            shown.push(column);
        }
    };
    match chosen {
        Some(chosen) => {
            for column in chosen {
                take(column.clone(), &mut left);
            }
        }
        None => {
            let wide = width >= 100;
            let champion = table.champion.is_some();
            let age = Column::Age;
            let mut tail = vec![age];
            if wide {
                tail.extend([Column::Took, Column::By]);
            }
            let reserved: usize = tail.iter().map(|column| column.width(primary) + 1).sum();
            left = left.saturating_sub(reserved);
            for column in all(table) {
                let later = matches!(column, Column::Age | Column::Took | Column::By);
                let idle = matches!(column, Column::Difference | Column::Folds) && !champion;
                // a fold's and a machine's numbers are shown when asked for
                let aside = matches!(&column, Column::Metric(key) if key.starts_with("system/") || key.starts_with("fold/"));
                if later || idle || aside || (column == Column::Folds && !wide) {
                    continue;
                }
                take(column, &mut left);
            }
            shown.extend(tail);
        }
    }
    shown
}

/// What a cell says, and how.
pub fn cell(
    column: &Column,
    row: &RunRow,
    table: &RunTable,
    is_champion: bool,
    now: Timestamp,
    theme: &Theme,
) -> (String, Style) {
    let plain = theme.text;
    let champion = table.champion.as_ref().map(|(row, ..)| row);
    match column {
        Column::Name => match (&table.champion, is_champion) {
            (Some((_, _, version)), true) => (format!("champion {version}"), theme.champion),
            _ => (row.name.clone(), plain),
        },
        Column::State => state(row, is_champion, theme),
        Column::Metric(key) => {
            let value = row.metrics.get(key).map(|value| text::number(value.0));
            let best =
                table.best.as_ref() == Some(&row.id) && table.primary_metric.as_ref() == Some(key);
            // the primary metric's column has room for a star behind every number
            let sign = match (best, table.primary_metric.as_ref() == Some(key)) {
                (true, _) => " ★",
                (_, true) => "  ",
                _ => "",
            };
            match value {
                Some(value) => (format!("{value}{sign}"), plain),
                None => (format!("—{sign}"), theme.dim),
            }
        }
        Column::Difference => {
            // other rows, another yardstick: the detail says which
            if is_champion || row.unlike.is_some() {
                return ("·".to_owned(), theme.dim);
            }
            let key = table.primary_metric.as_deref().unwrap_or_default();
            let value = |row: &RunRow| row.metrics.get(key).map(|Number(value)| *value);
            match (value(row), champion.and_then(value)) {
                (Some(mine), Some(theirs)) => {
                    let difference = mine - theirs;
                    let better = (difference > 0.0) == table.greater_is_better;
                    let style = if difference == 0.0 || difference.is_nan() {
                        plain
                    } else if better {
                        theme.good
                    } else {
                        theme.bad
                    };
                    (text::difference(difference), style)
                }
                _ => ("—".to_owned(), theme.dim),
            }
        }
        Column::Folds => match row.folds {
            Some((better, of)) => (format!("{better}/{of}"), plain),
            None => ("·".to_owned(), theme.dim),
        },
        Column::Param(key) => match row.params.get(key) {
            Some(value) => (value.clone(), plain),
            None => ("—".to_owned(), theme.dim),
        },
        Column::Tag(key) => match row.tags.get(key) {
            Some(value) => (value.clone(), plain),
            None => ("—".to_owned(), theme.dim),
        },
        Column::Age => (text::age(now.since(row.started)), theme.dim),
        Column::Took => {
            let took = row.ended.unwrap_or(now).since(row.started);
            (text::duration(took), theme.dim)
        }
        Column::By => (row.user.clone(), theme.dim),
    }
}

/// A run's state as a sign and a word.
pub fn state(row: &RunRow, is_champion: bool, theme: &Theme) -> (String, Style) {
    if is_champion {
        return ("serving".to_owned(), theme.champion);
    }
    match row.status {
        RunStatus::Finished => ("✓ done".to_owned(), theme.good),
        RunStatus::Failed => ("✗ failed".to_owned(), theme.bad),
        RunStatus::Killed => ("✗ stopped".to_owned(), theme.warn),
        RunStatus::Scheduled => ("… waiting".to_owned(), theme.dim),
        RunStatus::Running => match row.progress {
            Some(share) => (format!("▶ {:.0}%", share * 100.0), theme.busy),
            None => ("▶ running".to_owned(), theme.busy),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_read_back() {
        for column in [
            Column::Name,
            Column::Difference,
            Column::Metric("a:b".to_owned()),
        ] {
            assert_eq!(Column::of(&column.id()), Some(column));
        }
    }
}
