//! What a request for online features comes to: resolved once for each list of names, and used again as long as the
//! definitions behind it are the same.

use super::Catalog;
use super::online::{Place, Wanted, places};
use crate::domain::{Error, Result};
use crate::store::online::Generation;
use rustc_hash::FxHashMap;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Lists of names remembered; more than that, and all are forgotten.
const KEPT: usize = 256;

/// Where each feature of a view is in the rows of one generation.
type Placed = (i64, i64, Arc<[Place]>);

/// Features to look up, and what they are called in the answer.
pub struct LookUp {
    asked: Vec<String>,
    wanted: Vec<Wanted>,
    placed: Vec<Mutex<Option<Placed>>>,
    order: Vec<usize>,
    /// As they are asked for, and in full; or the name that two of them would have.
    names: [std::result::Result<Vec<String>, String>; 2],
}

impl LookUp {
    /// Of what is wanted; the answer's order is that of the texts `asked`, or their own when there are none.
    pub fn of(wanted: Vec<Wanted>, asked: Vec<String>) -> Self {
        // view, feature, name
        let known: Vec<[&str; 3]> = wanted
            .iter()
            .flat_map(|one| {
                let features = one.features.iter();
                features.map(|(feature, name)| [one.asked.as_str(), feature, name])
            })
            .collect();
        let order: Vec<usize> = if asked.is_empty() {
            (0..known.len()).collect()
        } else {
            asked
                .iter()
                .filter_map(|text| {
                    let (view, feature) = text.split_once(':')?;
                    known
                        .iter()
                        .position(|one| one[0] == view && one[1] == feature)
                })
                .collect()
        };
        let called = |full: bool| {
            let names: Vec<String> = order
                .iter()
                .map(|at| match known[*at] {
                    [view, feature, _] if full => format!("{view}__{feature}"),
                    [_, _, name] => name.to_owned(),
                })
                .collect();
            match (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
                None => Ok(names),
                Some(twice) => Err(names[twice].clone()),
            }
        };
        let names = [called(false), called(true)];
        Self {
            asked,
            placed: wanted.iter().map(|_| Mutex::default()).collect(),
            names,
            order,
            wanted,
        }
    }

    /// By view.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// For each feature of the answer, its place among those of all the views.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What the features of the answer are called: as they are asked for, or in `full` with their views.
    ///
    /// # Errors
    /// Two would be called the same.
    pub fn names(&self, full: bool) -> Result<&[String]> {
        self.names[usize::from(full)].as_deref().map_err(|name| {
            Error::invalid(format!(
                "two features would be called `{name}`; ask with `full_feature_names`"
            ))
        })
    }

    /// Where the features of the view at `place` are in the rows of `generation`.
    pub(super) fn places(&self, place: usize, generation: &Generation) -> Arc<[Place]> {
        let mut kept = self.placed[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((id, revision, places))
                if (*id, *revision) == (generation.id, generation.revision) =>
            {
                Arc::clone(places)
            }
            _ => {
                let places: Arc<[Place]> = places(&self.wanted[place], generation).into();
                *kept = Some((generation.id, generation.revision, Arc::clone(&places)));
                places
            }
        }
    }
}

/// LookUps by the hash of their names.
#[derive(Default)]
pub(super) struct LookUps(RwLock<FxHashMap<u64, Arc<LookUp>>>);

impl Catalog {
    /// What `view:feature` texts come to.
    pub fn resolved<T: AsRef<str>>(&self, features: &[T]) -> Result<Arc<LookUp>> {
        let mut hasher = rustc_hash::FxHasher::default();
        for text in features {
            text.as_ref().hash(&mut hasher);
        }
        let hash = hasher.finish();
        let known = {
            let known = self
                .look_ups
                .0
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            known.get(&hash).cloned()
        };
        if let Some(look_up) = known
            && look_up.asked.len() == features.len()
            && look_up
                .asked
                .iter()
                .zip(features)
                .all(|(left, right)| left == right.as_ref())
            && look_up
                .wanted
                .iter()
                .all(|one| matches!(self.definition(&one.asked), Ok(made) if Arc::ptr_eq(&made, &one.made)))
        {
            return Ok(look_up);
        }
        let asked: Vec<String> = features
            .iter()
            .map(|text| text.as_ref().to_owned())
            .collect();
        let look_up = Arc::new(LookUp::of(self.wanted(&asked)?, asked));
        let mut known = self
            .look_ups
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(hash, Arc::clone(&look_up));
        Ok(look_up)
    }
}
