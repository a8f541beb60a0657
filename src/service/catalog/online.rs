//! Values of entities from the online store, each with how fresh it is (contract R11), and the sets of features that models
//! read (feature services). Features on demand are computed from what is found and what the request brings.

use super::lookup::LookUp;
use super::{Catalog, demand};
use crate::data::on_demand;
use crate::data::online::{Scalar, Scalars, key};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{FeatureView, Freshness};
use crate::domain::feature_version::ViewVersion;
use crate::domain::{Error, Result, Timestamp};
use crate::service::{Services, inputs};
use crate::store::online::{Asked, Found, Generation};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// Features of one view that are asked for together.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What the view was called in the request: `name`, or `name@2`.
    pub asked: String,
    /// The view's definition.
    pub made: Arc<ViewVersion>,
    /// The keys of the request that name the entity, in the order of the view's.
    pub keys: Vec<String>,
    /// Feature, and what it is called in the answer.
    pub features: Vec<(String, String)>,
    /// How old each may be, microseconds.
    pub limits: Vec<Option<i64>>,
}

impl Wanted {
    /// Of a view, nothing yet.
    fn of(asked: &str, made: Arc<ViewVersion>, keys: Vec<String>) -> Self {
        Self {
            asked: asked.to_owned(),
            keys: if keys.is_empty() {
                made.view.entity.keys.clone()
            } else {
                keys
            },
            made,
            features: Vec::new(),
            limits: Vec::new(),
        }
    }

    fn limited(mut self) -> Self {
        self.limits = limits(&self.made.view, &self.features);
        self
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineCell {
    /// The value; null where there is none.
    pub value: Value,
    /// Whether there is a row of the entity at all.
    pub found: bool,
    /// Event time of the fact behind it, microseconds.
    pub event: Option<i64>,
    /// Since then, milliseconds.
    pub age_ms: Option<i64>,
    /// What that means.
    pub status: Freshness,
}

impl OnlineCell {
    const NONE: Self = Self {
        value: Value::Null,
        found: false,
        event: None,
        age_ms: None,
        status: Freshness::Missing,
    };
}

/// A feature's cells: a value for each entity, in the order of the request.
pub type Cells = Vec<OnlineCell>;

/// The entities of a request: key to values, one for each entity.
pub type Entities = BTreeMap<String, Vec<Value>>;

impl Catalog {
    /// `view:feature` texts, by view in the order in which they are first named.
    pub fn wanted(&self, features: &[String]) -> Result<Vec<Wanted>> {
        let mut wanted: Vec<(Wanted, Vec<String>)> = Vec::new();
        for text in features {
            let (view, name) = text.split_once(':').ok_or_else(|| {
                Error::invalid(format!("`{text}` is no feature: write `view:feature`"))
            })?;
            let at = match wanted.iter().position(|(one, _)| one.asked == view) {
                Some(at) => at,
                None => {
                    let made = self.definition(view)?;
                    let known = made.view.feature_names();
                    wanted.push((Wanted::of(view, made, Vec::new()), known));
                    wanted.len() - 1
                }
            };
            let (one, known) = &mut wanted[at];
            if !known.iter().any(|known| known == name) {
                return Err(Error::not_found(format!(
                    "feature view `{view}` has no feature `{name}`; it has `{}`",
                    known.join("`, `")
                )));
            }
            one.features.push((name.to_owned(), name.to_owned()));
        }
        Ok(wanted.into_iter().map(|(one, _)| one.limited()).collect())
    }

    /// The features that a model reads (`name`, `name@alias`, `name/3`), in the versions that it was trained on; or those
    /// that a pipeline gives its model, before there is one. They are called as the model's inputs.
    pub fn features_of(&self, services: &Services, name: &str) -> Result<Vec<Wanted>> {
        let config = self.core.config();
        // view, feature, input, keys
        let mut uses: Vec<(String, String, String, Vec<String>)> = Vec::new();
        let model = services.registry.parse(name).ok();
        let pins = match &model {
            Some((model, version)) => self.service(services, model, *version)?,
            None => Vec::new(),
        };
        let pipeline = match &model {
            Some((model, _)) => config.pipeline_of(model),
            None => config.pipeline(name),
        };
        if !pins.is_empty() {
            for pin in pins {
                let view = match pin.version {
                    0 => pin.view,
                    number => format!("{}@{number}", pin.view),
                };
                uses.push((view, pin.feature, pin.input, pin.keys));
            }
        } else if let Some(pipeline) = pipeline {
            for used in &pipeline.features {
                let names = match &used.feature {
                    Some(feature) => vec![feature.clone()],
                    None => self.definition(&used.view)?.view.feature_names(),
                };
                for feature in names {
                    let input = format!("{}{feature}", used.prefix);
                    uses.push((used.view.clone(), feature, input, used.keys.clone()));
                }
            }
        } else {
            let known: Vec<&str> = config
                .pipelines
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            return Err(Error::not_found(format!(
                "there is no feature service `{name}`: it is a model's inputs, called by its model or pipeline; there are `{}`",
                known.join("`, `")
            )));
        }
        // what was trained on and is no input of the model is not asked for
        if let Some((model, version)) = &model
            && let Ok(signature) = services.registry.signature(model, *version)
        {
            uses.retain(|(_, _, input, _)| signature.inputs.iter().any(|one| one.name == *input));
        }
        let mut wanted: Vec<Wanted> = Vec::new();
        for (view, feature, input, keys) in uses {
            let one = Wanted::of(&view, self.definition(&view)?, keys);
            let same = wanted
                .iter_mut()
                .find(|there| there.asked == one.asked && there.keys == one.keys);
            if let Some(there) = same {
                there.features.push((feature, input));
                continue;
            }
            let mut one = one;
            one.features.push((feature, input));
            wanted.push(one);
        }
        Ok(wanted.into_iter().map(Wanted::limited).collect())
    }

    /// Looks up entities, all features as of one moment: the features view by view, as they were resolved.
    pub fn look_up(&self, resolved: &LookUp, entities: &Entities) -> Result<Vec<Cells>> {
        let wanted = resolved.wanted();
        let count = entities.values().map(Vec::len).max().unwrap_or(1);
        if let Some((key, values)) = entities.iter().find(|(_, values)| values.len() != count) {
            return Err(Error::invalid(format!(
                "entity key `{key}` has {} values where others have {count}",
                values.len()
            )));
        }
        let named = wanted
            .iter()
            .map(|one| {
                (0..count)
                    .map(|row| entity(one, entities, row))
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<Vec<_>>>()?;
        let asked: Vec<Asked<'_>> = wanted
            .iter()
            .zip(&named)
            .map(|(one, keys)| Asked {
                view: &one.made.view.name,
                keys,
            })
            .collect();
        let now = self.core.now();
        let mut starts = Vec::with_capacity(wanted.len());
        let mut answer: Vec<Cells> = Vec::with_capacity(resolved.order().len());
        for one in wanted {
            starts.push(answer.len());
            answer.extend(one.features.iter().map(|_| Vec::with_capacity(count)));
        }
        let demands = wanted
            .iter()
            .map(Demand::of)
            .collect::<Result<Vec<Option<Demand>>>>()?;
        let mut placed: Option<(usize, Arc<[Place]>)> = None;
        self.online_store()?
            .look_up(&asked, &mut |at, generation, row, found| {
                let one = &wanted[at];
                if placed.as_ref().is_none_or(|(of, _)| *of != at) {
                    placed = Some((at, resolved.places(at, generation)));
                }
                let Some((_, places)) = &placed else {
                    return Ok(());
                };
                let computed = match (&demands[at], &found) {
                    (Some(demand), Some(found)) => {
                        demand.values(one, generation, found, entities, row)?
                    }
                    _ => Vec::new(),
                };
                let of_view = starts[at]..starts[at] + one.features.len();
                cells(one, places, &computed, found, now, &mut answer[of_view])
            })?;
        for cells in &mut answer {
            // never materialized
            cells.resize(count, OnlineCell::NONE);
        }
        Ok(answer)
    }

    /// Online values for entities: one JSON object per entity with its keys, and for each `view:feature` an object
    /// of `value`, `status` (`FRESH`, `STALE`, `MISSING`), `age_ms`, `event_time` and `ttl_ms`.
    pub fn online(&self, features: &[String], entities: &Entities) -> Result<Vec<Value>> {
        let resolved = self.resolved(features)?;
        let found = self.look_up(&resolved, entities)?;
        let count = found.first().map_or(0, Vec::len);
        let mut answers: Vec<Map<String, Value>> = (0..count)
            .map(|row| {
                entities
                    .iter()
                    .filter_map(|(key, values)| Some((key.clone(), values.get(row)?.clone())))
                    .collect()
            })
            .collect();
        let features = resolved.wanted().iter().flat_map(|one| {
            let limited = one.features.iter().zip(&one.limits);
            limited.map(|((feature, _), limit)| (&one.asked, feature, limit))
        });
        for ((view, feature, limit), cells) in features.zip(found) {
            let ttl = limit.map(|limit| limit.div_euclid(1000));
            for (answer, cell) in answers.iter_mut().zip(cells) {
                answer.insert(
                    format!("{view}:{feature}"),
                    json!({
                        "value": cell.value,
                        "status": cell.status,
                        "age_ms": cell.age_ms,
                        "event_time": cell.event.map(|at| Timestamp(at.div_euclid(1000)).to_string()),
                        "ttl_ms": ttl,
                    }),
                );
            }
        }
        Ok(answers.into_iter().map(Value::Object).collect())
    }

    /// Values of a feature for the features pane: entity, value, age in milliseconds.
    pub(super) fn some_values(
        &self,
        view: &FeatureView,
        feature: &str,
        limit: u32,
    ) -> Result<Vec<(String, String, i64)>> {
        let Some((generation, rows)) = self.online_store()?.some(&view.name, limit)? else {
            return Ok(Vec::new());
        };
        let Some(place) = generation.meta.layout.place(feature) else {
            return Ok(Vec::new());
        };
        let kind = generation.meta.layout.columns[place].kind;
        let now = self.core.now();
        rows.iter()
            .map(|row| {
                let value = Scalars::of(&row.body).nth(place).transpose()?;
                let value = match value.unwrap_or(Scalar::Null).of(kind) {
                    Scalar::Null => "null".to_owned(),
                    Scalar::Number(value) => inputs::short(value),
                    other => other.text().unwrap_or_default(),
                };
                let age = row.event.map_or(0, |at| now.0 - at.div_euclid(1000));
                Ok((key::parts(&row.key).join(" "), value, age))
            })
            .collect()
    }
}

/// Where a wanted feature's value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A column of the stored row.
    Stored(usize, ColumnKind),
    /// A result of the expressions.
    Demanded(usize),
    /// The generation is older than the feature.
    Nowhere,
}

/// Features on demand of a request, ready to be computed.
struct Demand {
    compiled: Rc<demand::Demanded>,
}

impl Demand {
    fn of(wanted: &Wanted) -> Result<Option<Self>> {
        let view = &wanted.made.view;
        let names: Vec<String> = wanted
            .features
            .iter()
            .filter(|(name, _)| view.demanded(name).is_some())
            .map(|(name, _)| name.clone())
            .collect();
        if names.is_empty() {
            return Ok(None);
        }
        let compiled = demand::compiled(&wanted.made, &names)?;
        Ok(Some(Self { compiled }))
    }

    fn values(
        &self,
        wanted: &Wanted,
        generation: &Generation,
        found: &Found<'_>,
        entities: &Entities,
        row: usize,
    ) -> Result<Vec<Value>> {
        let view = &wanted.made.view;
        let layout = &generation.meta.layout;
        let stored = Scalars::of(found.body).collect::<crate::data::Result<Vec<_>>>()?;
        let mut values: Vec<Value> = self
            .compiled
            .features()
            .map(|name| {
                let place = layout.place(name);
                let value = place.and_then(|place| {
                    Some(stored.get(place)?.of(layout.columns[place].kind).json())
                });
                value.unwrap_or(Value::Null)
            })
            .collect();
        for name in self.compiled.request() {
            let value = entities.get(name).and_then(|values| values.get(row));
            values.push(value.cloned().ok_or_else(|| {
                Error::invalid(format!(
                    "feature view `{}` computes on demand from `{name}`: add it to `entities`",
                    view.name
                ))
            })?);
        }
        self.compiled.values(&values).map_err(|error| {
            error.context(format!("row {}, feature view `{}`", row + 1, view.name))
        })
    }
}

/// Where the features are in the rows of `generation`.
pub(super) fn places(wanted: &Wanted, generation: &Generation) -> Vec<Place> {
    let layout = &generation.meta.layout;
    let mut demanded = 0..;
    wanted
        .features
        .iter()
        .map(|(feature, _)| {
            if wanted.made.view.demanded(feature).is_some() {
                return Place::Demanded(demanded.next().unwrap_or(0));
            }
            match layout.place(feature) {
                Some(place) => Place::Stored(place, layout.columns[place].kind),
                None => Place::Nowhere,
            }
        })
        .collect()
}

/// Adds a cell to each of the features for one entity.
fn cells(
    wanted: &Wanted,
    places: &[Place],
    computed: &[Value],
    found: Option<Found<'_>>,
    now: Timestamp,
    features: &mut [Cells],
) -> Result<()> {
    let Some(found) = found else {
        for cells in features {
            cells.push(OnlineCell::NONE);
        }
        return Ok(());
    };
    let stored = Scalars::of(found.body).collect::<crate::data::Result<Vec<_>>>()?;
    let age = found.event.map(|at| now.0 - at.div_euclid(1000));
    for ((cells, place), limit) in features.iter_mut().zip(places).zip(&wanted.limits) {
        let value = match place {
            Place::Nowhere => {
                cells.push(OnlineCell::NONE);
                continue;
            }
            Place::Stored(place, kind) => stored
                .get(*place)
                .copied()
                .unwrap_or(Scalar::Null)
                .of(*kind)
                .json(),
            Place::Demanded(at) => computed.get(*at).cloned().unwrap_or(Value::Null),
        };
        cells.push(OnlineCell {
            value,
            found: true,
            event: found.event,
            age_ms: age,
            // one without an event time is as fresh as can be
            status: judged(age.or(Some(0)), *limit),
        });
    }
    Ok(())
}

/// The name of a row's entity; none when a key is null.
fn entity(wanted: &Wanted, entities: &Entities, row: usize) -> Result<Option<Vec<u8>>> {
    let mut parts = Vec::with_capacity(wanted.keys.len());
    for key in &wanted.keys {
        let value = entities
            .get(key)
            .and_then(|values| values.get(row))
            .ok_or_else(|| {
                Error::invalid(format!(
                    "feature view `{}` needs the entity key `{key}`",
                    wanted.made.view.name
                ))
            })?;
        parts.push(key::json(value).ok_or_else(|| {
            Error::invalid(format!(
                "row {}, entity key `{key}`: lists and objects are no keys",
                row + 1
            ))
        })?);
    }
    Ok(key::of(parts))
}

/// How old the newest fact may be for a value to count, microseconds: the view's time to live, and no more than a window,
/// which has nothing in it any more when its newest event is older than that. A feature on demand is as old as what it is
/// computed from.
pub(super) fn max_age(view: &FeatureView, feature: &str) -> Option<i64> {
    let named = [(feature.to_owned(), String::new())];
    limits(view, &named).into_iter().next().flatten()
}

/// The same of several features, by name and whatever else.
fn limits(view: &FeatureView, features: &[(String, String)]) -> Vec<Option<i64>> {
    let ttl = view.ttl.filter(|ttl| *ttl > 0);
    let windows: HashMap<String, i64> = view
        .windows
        .iter()
        .flat_map(|window| window.feature_names())
        .map(|(name, _, length)| (name, length))
        .collect();
    let of_window = |name: &String| windows.get(name).copied();
    features
        .iter()
        .map(|(feature, _)| {
            let window = match view.demanded(feature) {
                None => of_window(feature),
                Some(_) => {
                    let used = on_demand::needs(view, std::slice::from_ref(feature)).0;
                    used.iter().filter_map(of_window).min()
                }
            };
            [ttl, window].into_iter().flatten().min()
        })
        .collect()
}

/// How fresh a value of this age is, milliseconds.
pub(super) fn freshness(view: &FeatureView, feature: &str, age_ms: Option<i64>) -> Freshness {
    judged(age_ms, max_age(view, feature))
}

fn judged(age_ms: Option<i64>, limit: Option<i64>) -> Freshness {
    match (age_ms, limit) {
        (None, _) => Freshness::Missing,
        (Some(age), Some(limit)) if age > limit.div_euclid(1000) => Freshness::Stale,
        (Some(_), _) => Freshness::Fresh,
    }
}
