//! Push: rows that somebody sends, checked as a whole, on disk before the answer. Offline they belong to the view's dataset
//! from then on; online each replaces what is there when it is as new. Sending the same rows again changes no value.

use super::Catalog;
use crate::config::Config;
use crate::data::online::{Column, Layout, OnlineColumn, OnlineRow, PUSHED, Scalar, key};
use crate::data::pushed::{self, PushColumn};
use crate::data::{self, Frame};
use crate::domain::dataset::{ColumnKind, FileStamp};
use crate::domain::feature::FeatureView;
use crate::domain::feature_version::ViewVersion;
use crate::domain::job::DataSource;
use crate::domain::online::{PushAnswer, PushTo, ViewPushed};
use crate::domain::{Error, Event, Result};
use crate::service::Services;
use crate::service::datasets::Base;
use crate::store::online::Meta;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, PoisonError};

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
    views: Vec<Arc<ViewVersion>>,
    /// The dataset of files behind it, or why there is none.
    dataset: std::result::Result<String, String>,
}

/// A push that was looked at.
struct Looked<'a> {
    /// A view was named.
    named: bool,
    came: &'a Columns,
    frame: &'a Frame,
    /// All that came are columns of the dataset of files.
    are_rows: bool,
    /// Those columns.
    columns: &'a [String],
    to: PushTo,
    now: i64,
}

/// How a view's online values come from the rows.
enum Online {
    /// They were sent as they are.
    Sent(Meta, Vec<OnlineRow>),
    /// They are computed from these facts, and from what there is of their entities.
    Counted(Frame),
}

impl Catalog {
    /// Takes rows in: `source` is a view, or a dataset and so all views over it. They are rows of the dataset of files behind
    /// it, from which the views' values are computed as a materialization does; or, online alone, the views' values.
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
        let of_dataset = self.columns(services, &config, source, &target, offline)?;
        let mut columns = of_dataset.clone().unwrap_or_default();
        if to != PushTo::Offline {
            for made in &target.views {
                self.add_online_columns(&made.view, &came, &mut columns)?;
            }
        }
        let now = self.core.now().0.saturating_mul(1000);
        for made in &target.views {
            stamp(&made.view, &mut came, rows, now, &columns);
        }
        let about = |error: Error| error.context(format!("pushing to `{source}`"));
        let frame = pushed::check(&came, &columns)
            .map_err(Error::from)
            .map_err(about)?;
        let names: Vec<String> = of_dataset
            .iter()
            .flatten()
            .map(|column| column.name.clone())
            .collect();
        let looked = Looked {
            named: target.named,
            came: &came,
            frame: &frame,
            are_rows: came.keys().all(|name| names.contains(name)),
            columns: &names,
            to,
            now,
        };
        let mut online = Vec::new();
        for made in &target.views {
            let one = self.prepared(made, &looked);
            if let Some(one) = one.map_err(about)? {
                online.push((made, one));
            }
        }
        let mut answer = PushAnswer {
            rows: rows as u64,
            ..PushAnswer::default()
        };
        let mut number = 0;
        if let (true, Some(of_dataset), Ok(dataset)) = (offline, of_dataset, &target.dataset) {
            let rows = frame.select(&names)?;
            number = self.core.pushed.append(dataset, &of_dataset, &rows)?;
            answer.dataset = Some(dataset.clone());
            let counted: Vec<&str> = online
                .iter()
                .filter(|(_, one)| matches!(one, Online::Counted(_)))
                .map(|(made, _)| made.view.name.as_str())
                .collect();
            self.remember_for_others(dataset, &rows, number, &counted);
        }
        for (made, one) in online {
            let view = &made.view.name;
            let pushed = match one {
                Online::Sent(begin, rows) => self.online_store()?.push(view, begin, rows)?,
                Online::Counted(facts) => {
                    let base = target.dataset.as_deref().unwrap_or_default();
                    self.recount(made, base, facts, number)?
                }
            };
            answer.online.push(ViewPushed {
                view: view.clone(),
                taken: pushed.taken,
                older: pushed.older,
            });
            self.core
                .bus
                .emit(Event::FeaturesChanged { view: view.clone() });
        }
        Ok(answer)
    }

    /// What becomes of the rows in a view's online values; none when it gets nothing.
    fn prepared(&self, made: &ViewVersion, push: &Looked<'_>) -> Result<Option<Online>> {
        let view = &made.view;
        let base = Base::of(made);
        let is_computed = !view.derive.is_empty()
            || base.as_ref().map(|base| base.dataset.as_str()) != Ok(view.dataset.as_str());
        let lacks = match &base {
            Ok(base) => base.wanted(view, push.columns),
            Err(_) => Vec::new(),
        };
        let lacks = lacks.into_iter().find(|name| !push.came.contains_key(name));
        let is_sent = missing(view, push.came).is_none() && !(is_computed && push.are_rows);
        if !is_computed || is_sent {
            check(view, push.came, push.frame, push.now)?;
        }
        if is_sent {
            if let (true, Some(name)) = (is_computed && push.to != PushTo::Online, lacks) {
                return Err(Error::invalid(format!(
                    "the values of feature view `{}` are computed from rows of `{}`: push those, with `{name}`, or what you computed \
                     `online` alone",
                    view.name,
                    base.map(|base| base.dataset).unwrap_or_default(),
                )));
            }
            if push.to == PushTo::Offline {
                return Ok(None);
            }
            let begin = self.layout_of(view, push.frame)?;
            return Ok(Some(Online::Sent(begin, online_rows(view, push.frame)?)));
        }
        if push.to == PushTo::Offline {
            return Ok(None);
        }
        let counts = !view.windows.is_empty();
        // of all views of a dataset, those whose values the rows do not tell wait for their materialization
        let refused = |why: String| match push.named {
            true => Err(Error::invalid(why)),
            false => Ok(None),
        };
        let needs = |name: String, hint: &str| {
            refused(format!(
                "feature view `{}` needs the column `{name}`; {hint}",
                view.name
            ))
        };
        let base = match base {
            Ok(base) if push.are_rows && (is_computed || counts) => base,
            Err(why) if is_computed => {
                return needs(
                    missing(view, push.came).unwrap_or_default(),
                    &format!(
                        "rows alone do not tell its values, as {why}: send what you computed, `online`"
                    ),
                );
            }
            _ => {
                let hint = "send it (null where there is no value)";
                return needs(missing(view, push.came).unwrap_or_default(), hint);
            }
        };
        if let Some(name) = lacks {
            return needs(name, "send it (null where there is no value)");
        }
        if counts && push.to == PushTo::Online {
            return refused(format!(
                "the windows of feature view `{}` are counted from the rows of `{}`, which `online` alone does not keep: push \
                 `online_and_offline`, or send what you counted",
                view.name, base.dataset
            ));
        }
        self.same_layout(view)?;
        let facts = self.facts_of(made, &base.dataset, push.frame)?;
        check_facts(view, &facts, push.now)?;
        Ok(Some(if counts {
            Online::Counted(facts)
        } else {
            Online::Sent(self.layout_of(view, &facts)?, online_rows(view, &facts)?)
        }))
    }

    fn target(&self, source: &str) -> Result<Target> {
        let config = self.core.config();
        if config.view(source).is_some() {
            let made = self.definition(source)?;
            return Ok(Target {
                named: true,
                dataset: Base::of(&made).map(|base| base.dataset),
                views: vec![made],
            });
        }
        let views = config
            .views
            .iter()
            .map(|view| self.definition(&view.name))
            .collect::<Result<Vec<_>>>()?;
        let (mut over, mut dataset) = (Vec::new(), Ok(source.to_owned()));
        for made in views {
            let named = made.view.sql.is_none() && made.view.dataset == source;
            let behind = Base::of(&made).map(|base| base.dataset);
            if named && behind.as_deref() != Ok(source) {
                dataset = behind.clone();
            }
            if named || behind.as_deref() == Ok(source) {
                over.push(made);
            }
        }
        if over.is_empty() {
            let known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
            return Err(Error::not_found(format!(
                "there is no push source `{source}`: it is a feature view, or a dataset that views are made of; views are `{}`",
                known.join("`, `")
            )));
        }
        if config.dataset(source).is_some_and(|one| one.path.is_some()) {
            dataset = Ok(source.to_owned());
        }
        Ok(Target {
            named: false,
            views: over,
            dataset,
        })
    }

    /// The columns of the target's dataset of files; none where there is none, which is no place to put rows.
    fn columns(
        &self,
        services: &Services,
        config: &Config,
        source: &str,
        target: &Target,
        offline: bool,
    ) -> Result<Option<Vec<PushColumn>>> {
        let name = match &target.dataset {
            Ok(name) if config.dataset(name).is_some_and(|one| one.path.is_some()) => name,
            behind => {
                if offline {
                    let why = behind.as_ref().err().map_or_else(
                        || "nobody knows its files".to_owned(),
                        |why| format!("{why}, so that its rows are made of several"),
                    );
                    return Err(Error::invalid(format!(
                        "`{source}` takes no rows: {why}; push into a dataset of files that it reads, or push `online` only"
                    )));
                }
                return Ok(None);
            }
        };
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
        let columns = pushed::columns_of(Path::new(&file.path))?;
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
        self.same_layout(view)?;
        let columns = view.stored_names().into_iter().map(|name| {
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

    /// That what there is follows the definition in force.
    fn same_layout(&self, view: &FeatureView) -> Result<()> {
        match self.generation(&view.name)? {
            Some(generation) if generation.meta.layout.names() != view.stored_names() => {
                Err(Error::conflict(format!(
                    "the online values of feature view `{}` are of an older definition of it: materialize it first",
                    view.name
                )))
            }
            _ => Ok(()),
        }
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
fn stamp(view: &FeatureView, came: &mut Columns, rows: usize, now: i64, known: &[PushColumn]) {
    let there = view.available_at.as_ref();
    let Some(column) = there.filter(|name| known.iter().any(|column| column.name == **name)) else {
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
    check_facts(view, frame, now)
}

/// The same of what they are as facts of the view.
fn check_facts(view: &FeatureView, frame: &Frame, now: i64) -> Result<()> {
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
