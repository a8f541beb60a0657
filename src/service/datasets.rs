//! Datasets: names of the configuration -> files with their hashes; what their last validation said; frozen schemas.

mod page;
mod profiles;

use super::Core;
use crate::config::{Config, DatasetConfig, FeatureUse, PipelineConfig};
use crate::data::row_wise::RowWise;
use crate::data::{self, Frame};
use crate::domain::dataset::{ColumnKind, FileStamp, Schema, Snapshot, Violation};
use crate::domain::feature::{FeatureView, Known};
use crate::domain::feature_version::ViewVersion;
use crate::domain::job::{DataSource, LeakCheck, TableSpec, ViewUse};
use crate::domain::{Error, Event, Result, Timestamp};
use crate::store::files::{self as rows, DatasetCheck};
use crate::store::push_log::{PushLog, Unsealed};
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A new file that was written less than this ago is looked at again, milliseconds.
const QUIET: i64 = 300;
/// How often, before it is told.
const LOOKS: usize = 40;

/// See the module's text.
pub struct Datasets {
    core: Arc<Core>,
}

impl Datasets {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// A configured dataset, resolved to files and hashes (known stamps are kept in the store).
    pub fn resolve(&self, name: &str) -> Result<DataSource> {
        let config = self.core.config();
        resolve_in(&config, name, &mut Vec::new(), &mut |name, pattern| {
            self.snap(name, pattern)
        })
    }

    fn snap(&self, name: &str, pattern: &str) -> Result<Snapshot> {
        let known = self.known(name)?;
        let given = self.settled(name, pattern, &known)?;
        self.core.pushed.seal(name)?;
        let pushed = data::source::stamped(name, self.core.pushed.segments(name)?, &known)?;
        let snapshot = data::pushed::joined(given, pushed);
        if !snapshot.files.is_empty() && snapshot.files != known {
            let (name, stamps) = (name.to_owned(), snapshot.files.clone());
            self.core
                .store
                .write(move |transaction| rows::keep(transaction, &name, &stamps))?;
        }
        Ok(snapshot)
    }

    /// The rows of a feature view: its dataset, or its own SQL, as they were defined when it was applied, with its derived
    /// columns.
    pub fn source_of(&self, made: &ViewVersion) -> Result<DataSource> {
        rows_of(&kept(made), &made.view, &mut |name, pattern| {
            self.snap(name, pattern)
        })
    }

    /// The files of a dataset once no new one was written a moment ago: who writes without renaming may still be at it.
    fn settled(&self, name: &str, pattern: &str, known: &[FileStamp]) -> Result<Snapshot> {
        let root = self.core.workspace.root();
        let mut snapshot = data::source::snapshot(name, root, pattern, known)?;
        for _ in 0..LOOKS {
            let newest = (snapshot.files.iter())
                .filter(|file| !known.contains(file))
                .map(|file| file.modified)
                .max();
            let age = newest.map(|at| self.core.now().since(Timestamp(at)));
            match age.and_then(|age| u64::try_from(QUIET - age).ok()) {
                Some(rest) if rest <= QUIET.unsigned_abs() => {
                    std::thread::sleep(std::time::Duration::from_millis(rest));
                }
                _ => return Ok(snapshot),
            }
            let again = data::source::snapshot(name, root, pattern, &snapshot.files)?;
            if again == snapshot {
                return Ok(snapshot);
            }
            snapshot = again;
        }
        Err(Error::invalid(format!(
            "dataset `{name}`: its files are still being written; let their writer use a name that ends in `.tmp` and rename it"
        )))
    }

    /// Its files changed, and have settled: who shows it looks again.
    pub fn files_changed(&self, name: &str) {
        self.core.bus.emit(Event::DatasetChanged {
            dataset: name.to_owned(),
        });
    }

    /// The stamps of a dataset's files when they were last hashed.
    pub fn known(&self, name: &str) -> Result<Vec<FileStamp>> {
        self.core
            .store
            .read(|connection| rows::known(connection, name))
    }

    /// A pipeline's rows, views and inputs, resolved; `from` and `to` override the pipeline's.
    pub fn table(
        &self,
        pipeline: &PipelineConfig,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<TableSpec> {
        let config = self.core.config();
        let dataset = named(&config, &pipeline.dataset)?;
        let source = self.resolve(&pipeline.dataset)?;
        let views = self.views(&pipeline.features)?;
        let mut inputs = pipeline.inputs.clone();
        if inputs.is_empty() && !pipeline.exclude.is_empty() {
            inputs = all_inputs(pipeline, dataset, &source, &views)?;
        }
        inputs.retain(|input| !pipeline.exclude.contains(input));
        let to = to.or(pipeline.to);
        let mut from = from.or(pipeline.from);
        if from.is_none()
            && let (Some(window), Some(timestamp)) = (pipeline.window, &dataset.timestamp)
        {
            from = newest(&source, timestamp, to)?.map(|newest| newest - window);
        }
        Ok(TableSpec {
            rows: source,
            timestamp: dataset.timestamp.clone(),
            row_key: pipeline.row_key.clone(),
            views,
            inputs,
            target: Some(pipeline.target.clone()),
            target_known_at: pipeline.target_known_at.clone(),
            from,
            to,
        })
    }

    /// Uses of feature views, resolved by the definitions in force; uses of one view in one role are taken together.
    pub fn views(&self, uses: &[FeatureUse]) -> Result<Vec<ViewUse>> {
        let mut views: Vec<ViewUse> = Vec::new();
        for one in uses {
            let made = self.core.view(&one.view)?;
            let view = &made.view;
            let features = match &one.feature {
                None => view.feature_names(),
                Some(feature) if view.feature_names().contains(feature) => vec![feature.clone()],
                Some(feature) => {
                    let newer = match view.version {
                        0 => String::new(),
                        version => format!(
                            "; v{version} is in force, `trainyard features apply` takes what the file says"
                        ),
                    };
                    return Err(Error::not_found(format!(
                        "feature view `{}` has no feature `{feature}`; it has `{}`{newer}",
                        view.name,
                        view.feature_names().join("`, `")
                    )));
                }
            };
            let keys = if one.keys.is_empty() {
                view.entity.keys.clone()
            } else {
                one.keys.clone()
            };
            let same = views.iter_mut().find(|there| {
                there.view.name == view.name && there.keys == keys && there.prefix == one.prefix
            });
            match same {
                Some(there) => {
                    for feature in features {
                        if !there.features.contains(&feature) {
                            there.features.push(feature);
                        }
                    }
                }
                None => views.push(ViewUse {
                    view: view.clone(),
                    source: self.source_of(&made)?,
                    features,
                    keys,
                    prefix: one.prefix.clone(),
                }),
            }
        }
        Ok(views)
    }

    /// The features of `views`, to be held against what was known at some instants; none where there is none.
    pub fn leak_check(&self, views: &[ViewUse]) -> Option<LeakCheck> {
        (!views.is_empty()).then(|| LeakCheck {
            views: views.to_vec(),
            known: known_from(&self.core.config()),
        })
    }

    /// Keeps what a validation of `source` found.
    pub fn record_violations(
        &self,
        source: &DataSource,
        violations: &[Violation],
        rows: u64,
    ) -> Result<()> {
        let name = source.name().to_owned();
        let check = DatasetCheck {
            rows,
            violations: violations.to_vec(),
            digest: Some(profiles::digest(source)),
            at: self.core.now(),
        };
        let event = Event::DatasetChanged {
            dataset: name.clone(),
        };
        self.core
            .store
            .write(move |transaction| rows::record_check(transaction, &name, &check))?;
        self.core.bus.emit(event);
        Ok(())
    }

    /// What the last validation of a dataset found.
    pub fn last_check(&self, name: &str) -> Result<Option<DatasetCheck>> {
        self.core
            .store
            .read(|connection| rows::last_check(connection, name))
    }

    /// What is expected of a dataset: its schema file (TOML, one `[[columns]]` a column), else what was frozen on
    /// first use; none before that.
    pub fn schema(&self, name: &str) -> Result<Option<Schema>> {
        let config = self.core.config();
        let Some(file) = &named(&config, name)?.schema else {
            return self.frozen_schema(name);
        };
        let path = self.core.workspace.root().join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::from(error).context(format!("reading the schema `{file}` of dataset `{name}`"))
        })?;
        data::schema::parse(&text).map(Some).map_err(|error| {
            Error::invalid(format!("the schema `{file}` of dataset `{name}`: {error}"))
        })
    }

    /// Where that comes from, for people.
    pub fn schema_from(&self, name: &str) -> Result<String> {
        let config = self.core.config();
        let file = named(&config, name)?.schema.clone();
        Ok(file.unwrap_or_else(|| data::schema::FROZEN.to_owned()))
    }

    /// What was frozen on first use; none before that.
    pub fn frozen_schema(&self, name: &str) -> Result<Option<Schema>> {
        self.core
            .store
            .read(|connection| rows::frozen_schema(connection, name))
    }

    /// Freezes a dataset's inferred schema.
    pub fn freeze_schema(&self, name: &str, schema: &Schema) -> Result<()> {
        let at = self.core.now();
        let (name, schema) = (name.to_owned(), schema.clone());
        self.core
            .store
            .write(move |transaction| rows::freeze_schema(transaction, &name, &schema, at))
    }
}

/// Takes the files that a pattern names now.
type Snap<'a> = dyn FnMut(&str, &str) -> Result<Snapshot> + 'a;

fn resolve_in(
    config: &Config,
    name: &str,
    above: &mut Vec<String>,
    snap: &mut Snap<'_>,
) -> Result<DataSource> {
    let dataset = named(config, name)?;
    if above.iter().any(|other| other == name) {
        return Err(Error::invalid(format!(
            "dataset `{name}` is made from itself: `{}`",
            above.join("` from `")
        )));
    }
    if let Some(sql) = &dataset.sql {
        above.push(name.to_owned());
        let from = names_in(sql, config, name)
            .into_iter()
            .map(|used| resolve_in(config, &used, above, snap))
            .collect::<Result<Vec<_>>>()?;
        above.pop();
        return Ok(DataSource::Sql {
            name: name.to_owned(),
            sql: sql.clone(),
            from,
        });
    }
    let pattern = dataset
        .path
        .as_deref()
        .ok_or_else(|| Error::invalid(format!("dataset `{name}` has neither `path` nor `sql`")))?;
    let snapshot = snap(name, pattern)?;
    if snapshot.files.is_empty() {
        return Err(Error::not_found(format!(
            "dataset `{name}` has no files: nothing matches `{pattern}`"
        )));
    }
    Ok(DataSource::Files(snapshot))
}

/// Datasets resolved without a store: every file is hashed, and what was pushed and is in no file yet is copied into
/// files, which go with this.
pub struct Alone<'a> {
    workspace: &'a Workspace,
    unsealed: Unsealed,
}

impl<'a> Alone<'a> {
    /// In this workspace; its daemon may be up or down.
    pub fn new(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            unsealed: Unsealed::default(),
        }
    }

    /// The datasets that a statement names.
    pub fn sources_of(&mut self, config: &Config, sql: &str) -> Result<Vec<DataSource>> {
        names_in(sql, config, "")
            .into_iter()
            .map(|name| {
                resolve_in(config, &name, &mut Vec::new(), &mut |name, pattern| {
                    self.snap(name, pattern)
                })
            })
            .collect()
    }

    /// The rows of a feature view as the configuration defines it.
    pub fn view_rows(&mut self, config: &Config, view: &FeatureView) -> Result<DataSource> {
        rows_of(config, view, &mut |name, pattern| self.snap(name, pattern))
    }

    /// The same of a definition in force, with its datasets as they were when it was applied.
    pub fn version_rows(&mut self, made: &ViewVersion) -> Result<DataSource> {
        self.view_rows(&kept(made), &made.view)
    }

    /// The files of a dataset and what was pushed into it.
    fn snap(&mut self, name: &str, pattern: &str) -> Result<Snapshot> {
        let given = data::source::snapshot(name, self.workspace.root(), pattern, &[])?;
        let pushed = PushLog::new(self.workspace.pushed()).look(name, &mut self.unsealed)?;
        let pushed = data::source::stamped(name, pushed, &[])?;
        Ok(data::pushed::joined(given, pushed))
    }
}

/// When what is in each dataset became known, as the configuration says.
pub fn known_from(config: &Config) -> Vec<Known> {
    config
        .datasets
        .iter()
        .filter(|dataset| dataset.available_at.is_some() || !dataset.known.is_empty())
        .map(|dataset| Known {
            dataset: dataset.name.clone(),
            rows: dataset.available_at.clone(),
            columns: dataset.known.clone(),
        })
        .collect()
}

/// The dataset of files that a view looks at, one row at a time, and how; known without any file.
pub struct Base {
    /// Its name.
    pub dataset: String,
    source: DataSource,
}

impl Base {
    /// Of a definition; else why it has none, in words.
    pub fn of(made: &ViewVersion) -> std::result::Result<Self, String> {
        let source = rows_of(&kept(made), &made.view, &mut |name, _| {
            Ok(Snapshot {
                dataset: name.to_owned(),
                files: vec![FileStamp {
                    path: String::new(),
                    bytes: 0,
                    sha256: String::new(),
                    modified: 0,
                }],
                digest: String::new(),
            })
        });
        let source = source.map_err(|error| error.to_string())?;
        let dataset = RowWise::of(&source)?.snapshot.dataset.clone();
        Ok(Self { dataset, source })
    }

    /// Which of the files' `columns` the view's values may hang on.
    pub fn wanted(&self, view: &FeatureView, columns: &[String]) -> Vec<String> {
        let names = data::online::recent::needed(view);
        RowWise::of(&self.source).map_or_else(|_| Vec::new(), |rows| rows.wanted(&names, columns))
    }
}

/// A configuration of the datasets that a definition was applied with.
fn kept(made: &ViewVersion) -> Config {
    Config {
        datasets: made
            .datasets
            .iter()
            .map(|one| DatasetConfig {
                name: one.name.clone(),
                path: one.path.clone(),
                sql: one.sql.clone(),
                ..DatasetConfig::default()
            })
            .collect(),
        ..Config::default()
    }
}

/// A view's dataset, or its own SQL over datasets, with its derived columns.
fn rows_of(config: &Config, view: &FeatureView, snap: &mut Snap<'_>) -> Result<DataSource> {
    let about = |error: Error| error.context(format!("feature view `{}`", view.name));
    let rows = match &view.sql {
        None => resolve_in(config, &view.dataset, &mut Vec::new(), snap).map_err(about)?,
        Some(sql) => DataSource::Sql {
            name: view.source_name(),
            from: names_in(sql, config, "")
                .into_iter()
                .map(|used| resolve_in(config, &used, &mut Vec::new(), snap))
                .collect::<Result<Vec<_>>>()
                .map_err(about)?,
            sql: sql.clone(),
        },
    };
    if view.derive.is_empty() {
        return Ok(rows);
    }
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = view
        .derive
        .iter()
        .map(|one| format!("({}\n) as {}", one.expression, quoted(&one.name)))
        .collect();
    Ok(DataSource::Sql {
        name: format!("{} with derived columns", rows.name()),
        sql: format!(
            "select *, {} from {}",
            columns.join(", "),
            quoted(rows.name())
        ),
        from: vec![rows],
    })
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a DatasetConfig> {
    config
        .datasets
        .iter()
        .find(|dataset| dataset.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = config
                .datasets
                .iter()
                .map(|dataset| dataset.name.as_str())
                .collect();
            Error::not_found(format!(
                "there is no dataset `{name}`; there are {}",
                if known.is_empty() {
                    "none".into()
                } else {
                    format!("`{}`", known.join("`, `"))
                }
            ))
        })
}

/// The datasets that a statement names, in order of the configuration. Comments and quoted texts do not count;
/// quoted identifiers do.
pub(super) fn names_in(sql: &str, config: &Config, own: &str) -> Vec<String> {
    let words = data::sql::words(sql);
    config
        .datasets
        .iter()
        .map(|dataset| &dataset.name)
        .filter(|name| {
            *name != own
                && words
                    .iter()
                    .any(|word| word.text.eq_ignore_ascii_case(name))
        })
        .cloned()
        .collect()
}

/// Every column that may be an input when the pipeline names none: all of the rows and features but target, row key,
/// timestamps and other times.
fn all_inputs(
    pipeline: &PipelineConfig,
    dataset: &DatasetConfig,
    source: &DataSource,
    views: &[ViewUse],
) -> Result<Vec<String>> {
    let frame = data::table::load(source)?;
    let apart = [
        Some(&pipeline.target),
        pipeline.row_key.as_ref(),
        pipeline.target_known_at.as_ref(),
        dataset.timestamp.as_ref(),
        dataset.available_at.as_ref(),
    ];
    let mut inputs = Vec::new();
    for name in frame.names() {
        if !apart.contains(&Some(&name)) && frame.kind(&name)? != ColumnKind::Time {
            inputs.push(name);
        }
    }
    for one in views {
        inputs.extend(
            one.features
                .iter()
                .map(|feature| format!("{}{feature}", one.prefix)),
        );
    }
    Ok(inputs)
}

/// The columns of a resolved dataset: read from the files alone where it is files.
pub fn columns(source: &DataSource, names: &[String]) -> Result<Frame> {
    match source {
        DataSource::Files(snapshot) => {
            let files: Vec<PathBuf> = snapshot
                .files
                .iter()
                .map(|file| PathBuf::from(&file.path))
                .collect();
            Ok(data::source::read(&files, Some(names))?)
        }
        DataSource::Sql { .. } => Ok(data::table::load(source)?.select(names)?),
    }
}

fn newest(source: &DataSource, timestamp: &str, before: Option<i64>) -> Result<Option<i64>> {
    let frame = columns(source, &[timestamp.to_owned()])?;
    Ok(frame
        .times(timestamp)?
        .into_iter()
        .flatten()
        .filter(|at| before.is_none_or(|before| *at < before))
        .max())
}

/// Files that a pattern names now, without those that are being written.
pub(super) fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = root.join(pattern);
    let Ok(paths) = glob::glob(&pattern.to_string_lossy()) else {
        return Vec::new();
    };
    paths
        .flatten()
        .filter(|path| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            path.is_file()
                && !name.starts_with('.')
                && !name.ends_with(".part")
                && !name.ends_with(".tmp")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn config(names: &[&str]) -> Config {
        Config {
            datasets: names
                .iter()
                .map(|name| DatasetConfig {
                    name: (*name).into(),
                    ..DatasetConfig::default()
                })
                .collect(),
            ..Config::default()
        }
    }

    #[test]
    fn a_statement_names_its_datasets_outside_of_texts_and_comments() {
        let config = config(&["flights", "weather", "planes", "late", "odd name"]);
        let sql =
            "select 'planes' as x from Flights f -- late\n join \"odd name\" /* weather */ on 1";
        assert_eq!(names_in(sql, &config, "late"), ["flights", "odd name"]);
    }
}
