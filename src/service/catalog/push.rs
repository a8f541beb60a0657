//! Push: rows that somebody sends, checked as a whole, on disk before the answer. Offline they belong to the view's dataset
//! from then on; online each replaces what is there when it is as new. Sending the same rows again changes no value.

use super::Catalog;
use crate::config::Config;
use crate::data::online::{Column, Layout, OnlineColumn, OnlineRow, PUSHED, Scalar, key};
use crate::data::pushed::{self, PushColumn};
use crate::data::{self, Frame};
use crate::domain::dataset::{ColumnKind, FileStamp};
use crate::domain::feature::FeatureView;
use crate::domain::job::DataSource;
use crate::domain::online::{PushAnswer, PushTo, ViewPushed};
use crate::domain::{Error, Event, Result};
use crate::service::Services;
use crate::store::online::Meta;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::PoisonError;

/// How far ahead of our clock another one may be, microseconds.
const AHEAD: i64 = 60_000_000;
/// Rows of one push at most.
const MOST: usize = 1_000_000;

/// A dataset's columns, and the file that they were read from.
pub(super) struct Known {
    file: FileStamp,
    columns: Vec<PushColumn>,
}

/// Columns of values: `{"column": [value, …]}`.
pub type Columns = BTreeMap<String, Vec<Value>>;

/// Who gets the rows.
struct Target {
    /// The view that was named; none: a dataset was, and all its views get what they can.
    named: bool,
    views: Vec<FeatureView>,
    dataset: String,
}

impl Catalog {
    /// Takes rows in: `source` is a view, or a dataset and so all views over it.
    pub fn push(
        &self,
        services: &Services,
        source: &str,
        mut came: Columns,
        to: PushTo,
    ) -> Result<PushAnswer> {
        let target = self.target(source)?;
        let rows = came.values().map(Vec::len).max().unwrap_or(0);
        if rows == 0 {
            return Err(Error::invalid(format!(
                "a push to `{source}` has no rows: `df` is columns of values, {{\"column\": [value, …]}}"
            )));
        }
        if rows > MOST {
            return Err(Error::invalid(format!(
                "{rows} rows at once, and {MOST} are the most; push them in parts, or put a file into the dataset"
            )));
        }
        let config = self.core.config();
        let offline = to != PushTo::Online;
        let of_dataset = self.columns(services, &config, &target, offline)?;
        let mut columns = of_dataset.clone().unwrap_or_default();
        if to != PushTo::Offline {
            for view in &target.views {
                self.add_online_columns(view, &came, &mut columns)?;
            }
        }
        let now = self.core.now().0.saturating_mul(1000);
        for view in &target.views {
            stamp(view, &mut came, rows, now);
        }
        let about = |error: Error| error.context(format!("pushing to `{source}`"));
        let frame = pushed::check(&came, &columns)
            .map_err(Error::from)
            .map_err(about)?;
        let mut online = Vec::new();
        for view in &target.views {
            check(view, &came, &frame, now).map_err(about)?;
            if to == PushTo::Offline {
                continue;
            }
            match missing(view, &came) {
                None => online.push((view, online_rows(view, &frame).map_err(about)?)),
                // all views of a dataset: those that are counted from many rows wait for their materialization
                Some(_) if !target.named => {}
                Some(name) => {
                    let hint = if view.windows.is_empty() {
                        "send it (null where there is no value)"
                    } else {
                        "windows are counted from many rows: push them `offline` and materialize the view, or send what you counted"
                    };
                    return Err(about(Error::invalid(format!(
                        "feature view `{}` needs the column `{name}`; {hint}",
                        view.name
                    ))));
                }
            }
        }
        let mut metas = Vec::new();
        for (view, rows) in online {
            metas.push((self.layout_of(view, &frame)?, view, rows));
        }
        let mut answer = PushAnswer {
            rows: rows as u64,
            ..PushAnswer::default()
        };
        if let (true, Some(of_dataset)) = (offline, of_dataset) {
            let names: Vec<String> = of_dataset
                .iter()
                .map(|column| column.name.clone())
                .collect();
            let rows = frame.select(&names)?;
            self.core
                .pushed
                .append(&target.dataset, &of_dataset, &rows)?;
            answer.dataset = Some(target.dataset.clone());
        }
        for (meta, view, rows) in metas {
            let pushed = self.online_store()?.push(&view.name, meta, rows)?;
            answer.online.push(ViewPushed {
                view: view.name.clone(),
                taken: pushed.taken,
                older: pushed.older,
            });
            self.core.bus.emit(Event::FeaturesChanged {
                view: view.name.clone(),
            });
        }
        Ok(answer)
    }

    fn target(&self, source: &str) -> Result<Target> {
        let config = self.core.config();
        if config.view(source).is_some() {
            let view = self.view(source)?;
            return Ok(Target {
                named: true,
                dataset: view.dataset.clone(),
                views: vec![view],
            });
        }
        let views = config
            .views
            .iter()
            .filter(|view| view.dataset == source && view.sql.is_none())
            .map(|view| self.view(&view.name))
            .collect::<Result<Vec<_>>>()?;
        if views.is_empty() {
            let known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
            return Err(Error::not_found(format!(
                "there is no push source `{source}`: it is a feature view, or a dataset that views are made of; views are `{}`",
                known.join("`, `")
            )));
        }
        Ok(Target {
            named: false,
            views,
            dataset: source.to_owned(),
        })
    }

    /// The columns of the target's dataset; none when it is SQL, which is no place to put rows.
    fn columns(
        &self,
        services: &Services,
        config: &Config,
        target: &Target,
        offline: bool,
    ) -> Result<Option<Vec<PushColumn>>> {
        let name = &target.dataset;
        if config.dataset(name).is_none_or(|one| one.path.is_none()) {
            if offline {
                return Err(Error::invalid(format!(
                    "`{name}` is made by SQL and takes no rows: push into a dataset that it reads, or push `online` only"
                )));
            }
            return Ok(None);
        }
        let held = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = held.get(name)
            && pushed::is_unchanged(&known.file)
        {
            return Ok(Some(known.columns.clone()));
        }
        drop(held);
        let first = match services
            .datasets
            .known(name)?
            .into_iter()
            .find(pushed::is_unchanged)
        {
            Some(first) => Some(first),
            None => match services.datasets.resolve(name) {
                Ok(DataSource::Files(snapshot)) => snapshot.files.into_iter().next(),
                Ok(DataSource::Sql { .. }) => None,
                // nothing is there yet
                Err(error) if error.kind == crate::domain::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        let Some(file) = first else {
            let schema = services.datasets.schema(name)?.ok_or_else(|| {
                Error::invalid(format!(
                    "nobody knows the columns of dataset `{name}`: put a first file there, or write a schema for it"
                ))
            })?;
            let columns = schema.columns.into_iter().map(|column| PushColumn {
                zoned: true,
                name: column.column.name,
                kind: column.column.kind,
            });
            return Ok(Some(columns.collect()));
        };
        let frame = data::source::read(&[PathBuf::from(&file.path)], None)?;
        let columns = pushed::columns_of(&frame)?;
        let mut held = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(
            name.clone(),
            Known {
                file,
                columns: columns.clone(),
            },
        );
        Ok(Some(columns))
    }

    /// Columns that only the online values have: windows that the sender counted, and everything where there are no files.
    fn add_online_columns(
        &self,
        view: &FeatureView,
        came: &Columns,
        columns: &mut Vec<PushColumn>,
    ) -> Result<()> {
        let layout = self
            .generation(&view.name)?
            .map(|generation| generation.meta.layout.clone())
            .unwrap_or_default();
        let times = std::iter::once(&view.event_time).chain(&view.available_at);
        let keys = view.entity.keys.iter();
        let names: Vec<(String, Option<ColumnKind>)> = times
            .map(|name| (name.clone(), Some(ColumnKind::Time)))
            .chain(keys.map(|name| (name.clone(), None)))
            .chain(view.stored_names().into_iter().map(|name| {
                let kind = layout.place(&name).map(|at| layout.columns[at].kind);
                (name, kind)
            }))
            .collect();
        for (name, kind) in names {
            if columns.iter().any(|column| column.name == name) {
                continue;
            }
            let kind = kind.unwrap_or_else(|| kind_of(came.get(&name).map_or(&[], Vec::as_slice)));
            columns.push(PushColumn {
                name,
                kind,
                zoned: true,
            });
        }
        Ok(())
    }

    /// What a view that has no values yet begins with. Fails when what there is follows another definition.
    fn layout_of(&self, view: &FeatureView, frame: &Frame) -> Result<Meta> {
        let names = view.stored_names();
        if let Some(generation) = self.generation(&view.name)?
            && generation.meta.layout.names() != names
        {
            return Err(Error::conflict(format!(
                "the online values of feature view `{}` are of an older definition of it: materialize it first",
                view.name
            )));
        }
        let columns = names.into_iter().map(|name| {
            Ok(OnlineColumn {
                kind: frame.kind(&name)?,
                name,
            })
        });
        Ok(Meta {
            layout: Layout {
                columns: columns.collect::<Result<_>>()?,
            },
            ..Meta::default()
        })
    }
}

/// The type of values whose column nobody knows.
fn kind_of(values: &[Value]) -> ColumnKind {
    let first = values.iter().find(|value| !value.is_null());
    match first {
        Some(Value::String(_)) => ColumnKind::Text,
        Some(Value::Bool(_)) => ColumnKind::Boolean,
        Some(Value::Number(number)) if number.is_i64() => ColumnKind::Integer,
        _ => ColumnKind::Number,
    }
}

/// Rows that do not say when they became known became known now.
fn stamp(view: &FeatureView, came: &mut Columns, rows: usize, now: i64) {
    let Some(column) = &view.available_at else {
        return;
    };
    let values = came
        .entry(column.clone())
        .or_insert_with(|| vec![Value::Null; rows]);
    for value in values.iter_mut().filter(|value| value.is_null()) {
        *value = Value::String(data::instant::format(now, true));
    }
}

/// Every row has its keys and an event time that is not ahead.
fn check(view: &FeatureView, came: &Columns, frame: &Frame, now: i64) -> Result<()> {
    for name in view.entity.keys.iter().chain([&view.event_time]) {
        if !came.contains_key(name) {
            return Err(Error::invalid(format!(
                "feature view `{}` needs the column `{name}`",
                view.name
            )));
        }
    }
    for name in &view.entity.keys {
        let column = Column::of(frame.column(name)?)?;
        if let Some(row) = (0..frame.rows()).find(|row| column.value(*row) == Scalar::Null) {
            return Err(Error::invalid(format!(
                "row {}, column `{name}`: it is null, and a key of feature view `{}`",
                row + 1,
                view.name
            )));
        }
    }
    for name in std::iter::once(&view.event_time).chain(&view.available_at) {
        for (row, at) in frame.times(name)?.into_iter().enumerate() {
            let wrong = match at {
                None => "it is null, and says when the row was true".to_owned(),
                Some(at) if at > now.saturating_add(AHEAD) => {
                    format!("`{}` has not come yet", data::instant::format(at, true))
                }
                Some(_) => continue,
            };
            return Err(Error::invalid(format!(
                "row {}, column `{name}`: {wrong}",
                row + 1
            )));
        }
    }
    Ok(())
}

/// A stored feature that did not come.
fn missing(view: &FeatureView, came: &Columns) -> Option<String> {
    view.stored_names()
        .into_iter()
        .find(|name| !came.contains_key(name))
}

/// The rows as the online store has them: the newest of each entity.
fn online_rows(view: &FeatureView, frame: &Frame) -> Result<Vec<OnlineRow>> {
    let columns = |names: &[String]| {
        names
            .iter()
            .map(|name| Ok(Column::of(frame.column(name)?)?))
            .collect::<Result<Vec<_>>>()
    };
    let (keys, values) = (columns(&view.entity.keys)?, columns(&view.stored_names())?);
    let event = frame.times(&view.event_time)?;
    let created = match &view.available_at {
        Some(name) => Some(frame.times(name)?),
        None => None,
    };
    let mut newest: HashMap<Vec<u8>, OnlineRow> = HashMap::new();
    for row in 0..frame.rows() {
        let Some(key) = key::of(keys.iter().map(|column| column.value(row))) else {
            continue;
        };
        let mut body = Vec::with_capacity(9 * values.len());
        for column in &values {
            column.value(row).store(&mut body);
        }
        let made = OnlineRow {
            key: key.clone(),
            event: event[row],
            created: created.as_ref().and_then(|created| created[row]),
            source: PUSHED,
            body,
        };
        let is_newer = newest
            .get(&key)
            .is_none_or(|there| (there.event, there.created) <= (made.event, made.created));
        if is_newer {
            newest.insert(key, made);
        }
    }
    Ok(newest.into_values().collect())
}
