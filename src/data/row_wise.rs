//! Sources that look at one row of one dataset of files at a time: columns, expressions and conditions over it, derived
//! columns, and such SQL over such SQL. What they hold is what each file makes, one under the other, so that a file can be
//! read alone; sources that join, group, order or number their rows cannot, and it is said why.

use super::frame::quoted;
use super::{Error, Frame, Result, sql};
use crate::domain::dataset::Snapshot;
use crate::domain::job::DataSource;

/// See the module's text.
#[derive(Debug)]
pub struct RowWise<'a> {
    /// The files.
    pub snapshot: &'a Snapshot,
    /// What is asked of their rows, in order: the table's name, and the statement.
    steps: Vec<(&'a str, &'a str)>,
}

impl<'a> RowWise<'a> {
    /// The parts of a source of this kind; of another one, why it is none.
    pub fn of(source: &'a DataSource) -> std::result::Result<Self, String> {
        match source {
            DataSource::Files(snapshot) => Ok(Self {
                snapshot,
                steps: Vec::new(),
            }),
            DataSource::Sql { name, sql, from } => {
                let [below] = from.as_slice() else {
                    let names: Vec<String> = from.iter().map(|one| one.name().to_owned()).collect();
                    return Err(match names.len() {
                        0 => format!("`{name}` reads no dataset"),
                        _ => format!("`{name}` reads several datasets, {}", quoted(&names)),
                    });
                };
                if let Some(why) = sql::past_row(sql, below.name()) {
                    return Err(format!("the SQL of `{name}` {why}"));
                }
                let mut rows = Self::of(below)?;
                rows.steps.push((below.name(), sql));
                Ok(rows)
            }
        }
    }

    /// The files as they are.
    pub fn is_plain(&self) -> bool {
        self.steps.is_empty()
    }

    /// Of the files' `columns`, those that `names` of what is made may hang on, whatever `*` stands for.
    pub fn wanted(&self, names: &[String], columns: &[String]) -> Vec<String> {
        let mut words: Vec<String> = names.to_vec();
        for (_, statement) in &self.steps {
            words.extend(sql::words(statement).into_iter().map(|word| word.text));
        }
        let is_named =
            |column: &&String| words.iter().any(|word| word.eq_ignore_ascii_case(column));
        let wanted: Vec<String> = columns.iter().filter(is_named).cloned().collect();
        if wanted.is_empty() {
            // constants alone: the rows still count
            return columns.iter().take(1).cloned().collect();
        }
        wanted
    }

    /// What becomes of rows of the files.
    pub fn made(&self, rows: Frame) -> Result<Frame> {
        let mut frame = rows;
        for (table, statement) in &self.steps {
            frame = sql::query(&[((*table).to_owned(), frame)], statement)
                .map_err(|error| Error::new(format!("dataset `{table}`: {error}")))?;
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn files(name: &str) -> DataSource {
        DataSource::Files(Snapshot {
            dataset: name.into(),
            files: Vec::new(),
            digest: String::new(),
        })
    }

    fn over(sql: &str, from: Vec<DataSource>) -> DataSource {
        DataSource::Sql {
            name: "made".into(),
            sql: sql.into(),
            from,
        }
    }

    #[test]
    fn only_sources_that_look_at_one_row_of_files_are_taken_apart() {
        let below = over(
            "select a, b + 1 as c, at from t where a > 0",
            vec![files("t")],
        );
        let source = over("select *, (c * 2\n) as \"d\" from \"made\"", vec![below]);
        let rows = RowWise::of(&source).unwrap();
        assert_eq!((rows.snapshot.dataset.as_str(), rows.steps.len()), ("t", 2));
        assert!(!rows.is_plain() && RowWise::of(&files("t")).unwrap().is_plain());
        let columns = ["a", "B", "at", "x", "who"].map(str::to_owned);
        assert_eq!(
            rows.wanted(&["who".into()], &columns),
            ["a", "B", "at", "who"]
        );

        let why = |source: &DataSource| RowWise::of(source).unwrap_err();
        let grouped = over("select a, max(b) as b from t group by a", vec![files("t")]);
        assert!(
            why(&grouped).contains("the SQL of `made` calls `max`"),
            "{}",
            why(&grouped)
        );
        let above = over("select * from made", vec![grouped]);
        assert!(why(&above).contains("`max`"));
        let joined = over("select * from t, u", vec![files("t"), files("u")]);
        assert!(why(&joined).contains("`t`, `u`"), "{}", why(&joined));
    }
}
