//! Kept profiles: what is to be looked at, and what was seen.

use super::Datasets;
use crate::domain::job::{DataSource, ProfileSpec};
use crate::domain::profile::Profile;
use crate::domain::{Event, Result};
use crate::store::profiles::{self as kept, DatasetProfile};
use sha2::{Digest, Sha256};

impl Datasets {
    /// What a profile of `source` is to look at.
    pub fn to_profile(&self, source: DataSource) -> Result<ProfileSpec> {
        let config = self.core.config();
        let name = source.name().to_owned();
        let target = config
            .pipelines
            .iter()
            .find(|pipeline| pipeline.dataset == name)
            .map(|pipeline| pipeline.target.clone());
        Ok(ProfileSpec {
            timestamp: config
                .dataset(&name)
                .and_then(|dataset| dataset.timestamp.clone()),
            target,
            only: None,
            source,
        })
    }

    /// Takes in what a profile job saw.
    pub fn take_in_profile(&self, spec: &ProfileSpec, profile: &Profile) -> Result<()> {
        let name = spec.source.name().to_owned();
        let made = DatasetProfile {
            digest: digest(&spec.source),
            profile: profile.clone(),
            days: Vec::new(),
            newest: None,
            at: self.core.now(),
        };
        let event = Event::DatasetChanged {
            dataset: name.clone(),
        };
        self.core
            .store
            .write(move |transaction| kept::keep(transaction, &name, &made))?;
        self.core.bus.emit(event);
        Ok(())
    }
}

/// What a dataset's rows are known by: the snapshot's digest, or for SQL that of the statement and all it reads.
pub fn digest(source: &DataSource) -> String {
    match source {
        DataSource::Files(snapshot) => snapshot.digest.clone(),
        DataSource::Sql { sql, from, .. } => {
            let mut hash = Sha256::new();
            hash.update(sql.as_bytes());
            for one in from {
                hash.update(digest(one).as_bytes());
            }
            hash.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }
    }
}
