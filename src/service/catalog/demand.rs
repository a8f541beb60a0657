//! Features on demand for one entity: compiled once per definition and thread, then microseconds a row.

use crate::data::on_demand;
use crate::data::sql::Expressions;
use crate::domain::Result;
use crate::domain::dataset::ColumnKind;
use crate::domain::feature_version::ViewVersion;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Definitions kept compiled by a thread; beyond that all are compiled anew.
const KEPT: usize = 64;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Rc<Demanded>>> = RefCell::new(HashMap::new());
}

/// Features on demand, compiled.
pub(super) struct Demanded {
    expressions: Expressions,
    /// How many of the inputs are features; the others come with the request.
    features: usize,
    /// Types of the results, where they are known.
    kinds: Vec<Option<ColumnKind>>,
}

/// The features on demand called `names`, compiled on this thread; compiled before when nothing changed.
pub(super) fn compiled(made: &ViewVersion, names: &[String]) -> Result<Rc<Demanded>> {
    let key = format!("{}\0{}\0{}", made.view.name, made.digest, names.join("\0"));
    if let Some(known) = COMPILED.with_borrow(|kept| kept.get(&key).cloned()) {
        return Ok(known);
    }
    let kind = |name: &str| made.kind(name).unwrap_or(ColumnKind::Number);
    let expressions = on_demand::compile(&made.view, names, &kind)?;
    let (features, _) = on_demand::needs(&made.view, names);
    let fresh = Rc::new(Demanded {
        kinds: names.iter().map(|name| made.kind(name)).collect(),
        features: features.len(),
        expressions,
    });
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Rc::clone(&fresh));
    });
    Ok(fresh)
}

impl Demanded {
    /// The features that have to be looked up first, in order.
    pub(super) fn features(&self) -> impl Iterator<Item = &str> {
        self.expressions.inputs()[..self.features]
            .iter()
            .map(|(name, _)| name.as_str())
    }

    /// What the request has to bring, in order.
    pub(super) fn request(&self) -> impl Iterator<Item = &str> {
        self.expressions.inputs()[self.features..]
            .iter()
            .map(|(name, _)| name.as_str())
    }

    /// Their values; `values`: the features, then what the request brings, in order.
    pub(super) fn values(&self, values: &[Value]) -> Result<Vec<Value>> {
        let mut found = self.expressions.json_row(values)?;
        for (value, kind) in found.iter_mut().zip(&self.kinds) {
            // a column of numbers has no whole ones
            if *kind == Some(ColumnKind::Number)
                && let Some(number) = value.as_i64()
            {
                *value = (number as f64).into();
            }
        }
        Ok(found)
    }
}
