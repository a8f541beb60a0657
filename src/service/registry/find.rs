//! Search over models and versions by MLflow's grammar.

use super::Registry;
use crate::domain::registry::RegisteredModel;
use crate::domain::{ModelName, Result};
use crate::store::model_versions::{self, VersionRecord};
use crate::store::registered_models;
use crate::store::search::{self, Dialect, Kind};

/// A model with the newest version of each of its stages.
#[derive(Clone, Debug)]
pub struct ModelRecord {
    /// The model.
    pub model: RegisteredModel,
    /// Oldest first; in searches by stage.
    pub latest: Vec<VersionRecord>,
}

fn orders(kind: Kind, clauses: &[String]) -> Result<Vec<search::Order>> {
    let mut orders: Vec<search::Order> = Vec::new();
    for clause in clauses {
        let order = search::parse_order_for(kind, clause)?;
        if orders.iter().any(|other| other.by == order.by) {
            return Err(crate::domain::Error::invalid(format!(
                "invalid order_by `{clause}`: the key is there twice"
            )));
        }
        orders.push(order);
    }
    Ok(orders)
}

impl Registry {
    /// A model as clients see it.
    pub fn model_record(&self, model: &ModelName) -> Result<ModelRecord> {
        Ok(ModelRecord {
            model: self.model(model)?,
            latest: self
                .core
                .store
                .read(|view| model_versions::newest_by_stage(view, model))?,
        })
    }

    /// Models by name and tags, from `offset`, at most `limit`; by name unless `order_by` says otherwise.
    pub fn search_models(
        &self,
        filter: &str,
        order_by: &[String],
        offset: u64,
        limit: u64,
    ) -> Result<Vec<ModelRecord>> {
        let filter = search::parse_for(Kind::Models, filter, Dialect::Mlflow)?;
        let orders = orders(Kind::Models, order_by)?;
        self.core.store.read(|view| {
            registered_models::find(view, filter, &orders, offset, limit)?
                .into_iter()
                .map(|model| {
                    let mut latest = model_versions::newest_by_stage(view, &model.name)?;
                    // The original's searches have them by stage, its single models by age.
                    latest.sort_by(|left, right| left.version.stage.cmp(&right.version.stage));
                    Ok(ModelRecord { model, latest })
                })
                .collect()
        })
    }

    /// Versions by model, number, run, source and tags, from `offset`, at most `limit`; changed last first unless
    /// `order_by` says otherwise.
    pub fn search_versions(
        &self,
        filter: &str,
        order_by: &[String],
        offset: u64,
        limit: u64,
    ) -> Result<Vec<VersionRecord>> {
        let filter = search::parse_for(Kind::Versions, filter, Dialect::Mlflow)?;
        let orders = orders(Kind::Versions, order_by)?;
        self.core
            .store
            .read(|view| model_versions::find(view, filter, &orders, offset, limit))
    }

    /// The newest version of each of the stages; without stages: of all.
    pub fn newest_versions(
        &self,
        model: &ModelName,
        stages: &[String],
    ) -> Result<Vec<VersionRecord>> {
        let wanted = stages
            .iter()
            .map(|name| super::versions::stage(name))
            .collect::<Result<Vec<_>>>()?;
        let mut latest = self.model_record(model)?.latest;
        if !wanted.is_empty() {
            latest.retain(|record| wanted.contains(&record.version.stage.as_str()));
        }
        Ok(latest)
    }
}
