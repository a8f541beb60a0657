//! The types of a view's features, found on a sample of its data, and whether its columns are there at all.

use super::definitions::defined;
use crate::config::{Config, closest};
use crate::data::sql::{self, expressions};
use crate::data::{Frame, on_demand, source};
use crate::domain::Result;
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{Aggregate, FeatureView, WindowSpec};
use crate::domain::feature_version::{SourceDataset, TypedFeature, ViewVersion};
use crate::service::Core;
use crate::service::datasets::{matching, names_in};
use arrow_array::Array as _;
use std::collections::BTreeMap;
use std::path::Path;

/// Rows of a file that are looked at.
const SAMPLE: usize = 10_000;

/// What is known of a view's features.
pub(super) enum Typed {
    /// Every column is there.
    Known(Vec<TypedFeature>),
    /// A dataset has no files yet.
    Waiting(String),
    /// What is wrong, every bit of it.
    Wrong(Vec<String>),
}

enum Sample {
    Rows(Frame),
    Waiting(String),
    Wrong(String),
}

/// Samples of datasets, each taken once.
pub(super) struct Typing<'a> {
    core: &'a Core,
    taken: BTreeMap<String, Sample>,
}

impl<'a> Typing<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self {
            core,
            taken: BTreeMap::new(),
        }
    }

    /// A view as the configuration defines it, with its types.
    pub(super) fn typed(
        &mut self,
        config: &Config,
        view: &FeatureView,
    ) -> Result<(ViewVersion, Typed)> {
        let mut made = defined(config, view);
        let typed = self.types(&made)?;
        if let Typed::Known(types) = &typed {
            made.types.clone_from(types);
        }
        Ok((made, typed))
    }

    fn types(&mut self, made: &ViewVersion) -> Result<Typed> {
        let view = &made.view;
        let about = |what: String| format!("feature view `{}`: {what}", view.name);
        let mut tables: Vec<(String, Frame)> = Vec::new();
        for dataset in &made.datasets {
            match self.sample(dataset, &tables)? {
                Sample::Rows(frame) => tables.push((dataset.name.clone(), frame.clone())),
                Sample::Waiting(why) => return Ok(Typed::Waiting(about(why.clone()))),
                Sample::Wrong(why) => return Ok(Typed::Wrong(vec![about(why.clone())])),
            }
        }
        let rows = match &view.sql {
            None => tables
                .iter()
                .find(|(name, _)| *name == view.dataset)
                .map(|(_, frame)| frame.clone())
                .ok_or_else(|| format!("there is no dataset `{}`", view.dataset)),
            Some(sql) => sql::query(&tables, sql).map_err(|error| error.to_string()),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(why) => return Ok(Typed::Wrong(vec![about(why)])),
        };
        let mut wrong = Vec::new();
        let found = features(view, &rows, &mut wrong);
        Ok(if wrong.is_empty() {
            Typed::Known(found)
        } else {
            Typed::Wrong(wrong.into_iter().map(about).collect())
        })
    }

    /// The first rows of a dataset's first file, or what its statement makes of samples.
    fn sample(&mut self, dataset: &SourceDataset, tables: &[(String, Frame)]) -> Result<&Sample> {
        let key = format!("{}\0{:?}\0{:?}", dataset.name, dataset.path, dataset.sql);
        if !self.taken.contains_key(&key) {
            let sample = match (&dataset.path, &dataset.sql) {
                (_, Some(sql)) => {
                    let config = Config {
                        datasets: tables
                            .iter()
                            .map(|(name, _)| crate::config::DatasetConfig {
                                name: name.clone(),
                                ..Default::default()
                            })
                            .collect(),
                        ..Config::default()
                    };
                    let named = names_in(sql, &config, &dataset.name);
                    let used: Vec<(String, Frame)> = tables
                        .iter()
                        .filter(|(name, _)| named.contains(name))
                        .cloned()
                        .collect();
                    match sql::query(&used, sql) {
                        Ok(frame) => Sample::Rows(frame),
                        Err(error) => Sample::Wrong(format!("dataset `{}`: {error}", dataset.name)),
                    }
                }
                (Some(pattern), None) => {
                    match matching(self.core.workspace.root(), pattern).first() {
                        None => Sample::Waiting(format!(
                            "dataset `{}` has no files yet: nothing matches `{pattern}`",
                            dataset.name
                        )),
                        Some(file) => match first_rows(file) {
                            Ok(frame) => Sample::Rows(frame),
                            Err(error) => {
                                Sample::Wrong(format!("dataset `{}`: {error}", dataset.name))
                            }
                        },
                    }
                }
                (None, None) => Sample::Wrong(format!(
                    "dataset `{}` has neither `path` nor `sql`",
                    dataset.name
                )),
            };
            self.taken.insert(key.clone(), sample);
        }
        Ok(&self.taken[&key])
    }
}

fn first_rows(file: &Path) -> Result<Frame> {
    let mut pieces = source::scan(&[file.to_owned()], None, SAMPLE)?;
    match pieces.next() {
        Some(piece) => Ok(piece?),
        // no rows: columns alone
        None => Ok(source::read(&[file.to_owned()], None)?),
    }
}

/// The kind of a column; none: it has no values in the sample and no type of its own.
fn kind(rows: &Frame, name: &str) -> Option<ColumnKind> {
    let column = rows.column(name).ok()?;
    let found = rows.kind(name).ok()?;
    // what SQL computes is a number until a value says otherwise
    (found != ColumnKind::Number || column.null_count() < column.len()).then_some(found)
}

fn missing(
    name: &str,
    what: &str,
    known: &[(String, Option<ColumnKind>)],
    view: &FeatureView,
) -> String {
    let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
    let near = closest(name, names.iter().copied())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    format!(
        "{what} `{name}` is no column of {}; its columns are `{}`{near}",
        match &view.sql {
            Some(_) => "its sql".to_owned(),
            None => format!("dataset `{}`", view.dataset),
        },
        names.join("`, `")
    )
}

fn features(view: &FeatureView, rows: &Frame, wrong: &mut Vec<String>) -> Vec<TypedFeature> {
    let mut columns: Vec<(String, Option<ColumnKind>)> = rows
        .names()
        .into_iter()
        .map(|name| {
            let kind = kind(rows, &name);
            (name, kind)
        })
        .collect();
    derive(view, rows, &mut columns, wrong);
    let of = |name: &str| {
        columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, kind)| *kind)
    };
    let mut wants = |name: &str, what: &str| -> Option<ColumnKind> {
        let found = of(name);
        if found.is_none() {
            wrong.push(missing(name, what, &columns, view));
        }
        found.flatten()
    };
    for key in &view.entity.keys {
        wants(key, "the key");
    }
    let mut times = Vec::new();
    if view.event_time.is_empty() {
        times.push(
            "it has no `timestamp`, nor has its dataset: name the column that says when a row was true".to_owned(),
        );
    } else {
        wants(&view.event_time, "the timestamp");
    }
    if let Some(column) = &view.available_at {
        wants(column, "`available_at`");
    }
    let mut found = Vec::new();
    for column in &view.columns {
        found.push(TypedFeature {
            name: column.clone(),
            kind: wants(column, "the feature"),
        });
    }
    let mut refused = Vec::new();
    for window in &view.windows {
        let kind = wants(&window.column, "the window's column");
        refused.extend(
            window
                .aggregates
                .iter()
                .filter_map(|one| refusal(window, *one, kind)),
        );
        for (name, aggregate, _) in window.feature_names() {
            found.push(TypedFeature {
                name,
                kind: aggregated(aggregate, kind),
            });
        }
    }
    for column in [Some(&view.event_time), view.available_at.as_ref()]
        .into_iter()
        .flatten()
    {
        if rows.has(column)
            && let Err(error) = rows.times(column)
        {
            times.push(error.to_string());
        }
    }
    wrong.extend(times);
    wrong.extend(refused);
    match demanded(view, &found) {
        Ok(demanded) => found.extend(demanded),
        // without its columns nothing can be said of what is computed from them
        Err(_) if !wrong.is_empty() => {}
        Err(why) => wrong.push(why),
    }
    found
}

/// Adds the derived columns, their types by the sample.
fn derive(
    view: &FeatureView,
    rows: &Frame,
    columns: &mut Vec<(String, Option<ColumnKind>)>,
    wrong: &mut Vec<String>,
) {
    let inputs: Vec<(String, ColumnKind)> = columns
        .iter()
        .map(|(name, kind)| (name.clone(), kind.unwrap_or(ColumnKind::Number)))
        .collect();
    for one in &view.derive {
        if inputs.iter().any(|(name, _)| *name == one.name) {
            wrong.push(format!(
                "`derive.{}` has the name of a column of its rows: give it another one",
                one.name
            ));
            continue;
        }
        if let Err(error) = expressions::check(&one.expression, Some(&inputs)) {
            wrong.push(format!(
                "`derive.{}` = `{}`: {error}",
                one.name, one.expression
            ));
            continue;
        }
        let list = [(one.name.clone(), one.expression.clone())];
        let computed =
            expressions::Expressions::new(&list, &inputs).and_then(|made| made.rows(rows));
        match computed {
            Ok(frame) => columns.push((one.name.clone(), kind(&frame, &one.name))),
            Err(error) => wrong.push(format!(
                "`derive.{}` = `{}`: {error}",
                one.name, one.expression
            )),
        }
    }
}

/// Why a column of this kind cannot be aggregated so.
fn refusal(window: &WindowSpec, aggregate: Aggregate, kind: Option<ColumnKind>) -> Option<String> {
    use Aggregate as A;
    let kind = kind?;
    let takes: &[Aggregate] = match kind {
        ColumnKind::Text => &[A::Count, A::Last, A::Distinct, A::Share],
        ColumnKind::Time => &[A::Count, A::Min, A::Max, A::Last, A::Distinct],
        _ => &A::ALL,
    };
    if !takes.contains(&aggregate) {
        let names: Vec<&str> = takes.iter().map(|one| one.as_str()).collect();
        return Some(format!(
            "the {} of `{}`, a {kind} column, is nothing; such a column has {}",
            aggregate.as_str(),
            window.column,
            names.join(", ")
        ));
    }
    if aggregate == A::Share && window.value.is_none() && kind == ColumnKind::Text {
        return Some(format!(
            "the share of `{}`, a text column, needs the `value` whose share it is",
            window.column
        ));
    }
    None
}

fn aggregated(aggregate: Aggregate, column: Option<ColumnKind>) -> Option<ColumnKind> {
    match aggregate {
        Aggregate::Count | Aggregate::Distinct => Some(ColumnKind::Integer),
        Aggregate::Mean | Aggregate::Std | Aggregate::Share => Some(ColumnKind::Number),
        Aggregate::Sum | Aggregate::Min | Aggregate::Max => match column? {
            ColumnKind::Boolean => Some(ColumnKind::Integer),
            other => Some(other),
        },
        Aggregate::Last => column,
    }
}

/// The features on demand; their types are those of their values for a few plain inputs.
fn demanded(
    view: &FeatureView,
    stored: &[TypedFeature],
) -> std::result::Result<Vec<TypedFeature>, String> {
    if view.on_demand.is_empty() {
        return Ok(Vec::new());
    }
    let kind = |name: &str| {
        stored
            .iter()
            .find(|one| one.name == name)
            .and_then(|one| one.kind)
            .unwrap_or(ColumnKind::Number)
    };
    let mut found = Vec::new();
    for one in &view.on_demand {
        let names = [one.name.clone()];
        let made = on_demand::compile(view, &names, &kind).map_err(|error| {
            let said = error.to_string();
            // the view is named by the caller
            said.split_once(": ")
                .map_or(said.clone(), |(_, rest)| format!("on demand {rest}"))
        })?;
        // an input that is not used is none of the compiled ones: the expression said what it uses
        let mut seen = None;
        for (whole, real, text) in [(1, 1.5, "a"), (0, -0.5, ""), (1000, 1e6, "z")] {
            let values: Vec<serde_json::Value> = made
                .inputs()
                .iter()
                .map(|(_, kind)| match kind {
                    ColumnKind::Integer | ColumnKind::Time => whole.into(),
                    ColumnKind::Number => real.into(),
                    ColumnKind::Text => text.into(),
                    ColumnKind::Boolean => (whole == 1).into(),
                })
                .collect();
            let values = made.json_row(&values).unwrap_or_default();
            let now = match values.first() {
                Some(serde_json::Value::String(_)) => Some(ColumnKind::Text),
                Some(serde_json::Value::Number(number)) if number.is_i64() => {
                    Some(ColumnKind::Integer)
                }
                Some(serde_json::Value::Number(_)) => Some(ColumnKind::Number),
                _ => None,
            };
            seen = match (seen, now) {
                (Some(ColumnKind::Integer), Some(ColumnKind::Number)) => now,
                (None, now) => now,
                (seen, _) => seen,
            };
        }
        found.push(TypedFeature {
            name: one.name.clone(),
            kind: seen,
        });
    }
    Ok(found)
}
