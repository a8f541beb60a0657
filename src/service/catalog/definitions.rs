//! What a feature view is, by its name; what a materialization of it has to do.

use super::Catalog;
use crate::domain::feature::FeatureView;
use crate::domain::job::MaterializeSpec;
use crate::domain::{Error, Result, Timestamp};
use crate::service::Services;

impl Catalog {
    pub(super) fn view(&self, name: &str) -> Result<FeatureView> {
        let config = self.core.config();
        config
            .views
            .iter()
            .find(|view| view.name == name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
                Error::not_found(format!(
                    "there is no feature view `{name}`; there are {}",
                    if known.is_empty() {
                        "none".into()
                    } else {
                        format!("`{}`", known.join("`, `"))
                    }
                ))
            })
    }

    /// What a materialization of `view` has to do, resolved.
    pub fn materialize_spec(
        &self,
        services: &Services,
        view: &str,
        as_of: Timestamp,
    ) -> Result<MaterializeSpec> {
        let view = self.view(view)?;
        Ok(MaterializeSpec {
            source: services.datasets.resolve(&view.dataset)?,
            view,
            as_of: as_of.0.saturating_mul(1000),
        })
    }
}
