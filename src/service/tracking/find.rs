//! Search over experiments: names, times and tags.

use super::Tracking;
use crate::domain::Result;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::store::experiments;
use crate::store::search::{self, Dialect, Kind};

impl Tracking {
    /// Experiments by MLflow's grammar over `name`, `experiment_id`, `creation_time`, `last_update_time` and `tags.…`,
    /// from `offset`, at most `limit`; newest first unless `order_by` says otherwise.
    pub fn search_experiments(
        &self,
        filter: &str,
        order_by: &[String],
        lifecycle: Option<Lifecycle>,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Experiment>> {
        let filter = search::parse_for(Kind::Experiments, filter, Dialect::Mlflow)?;
        search::check_orders(order_by.len())?;
        let orders = order_by
            .iter()
            .map(|clause| search::parse_order_for(Kind::Experiments, clause))
            .collect::<Result<Vec<_>>>()?;
        self.core
            .store
            .read(|view| experiments::find(view, &filter, &orders, lifecycle, offset, limit))
    }
}
