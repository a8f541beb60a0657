//! Runs side by side: in what they differ, and which is better.

use super::Tracking;
use super::verdict::{self, Side};
use super::views::folds;
use crate::domain::run::{Comparison, Difference, Run};
use crate::domain::{Error, Result, RunId};
use crate::store::runs;

/// Runs in one comparison at most.
const RUNS: usize = 6;
/// Tags that say which code a run ran.
const CODE: [&str; 5] = [
    "mlflow.source.name",
    "mlflow.source.git.commit",
    "mlflow.source.type",
    "trainyard.code",
    "trainyard.version",
];

struct Compared {
    run: Run,
    name: String,
    folds: Vec<(i64, f64)>,
}

impl Compared {
    fn side(&self, metric: &str) -> Side<'_> {
        Side {
            name: &self.name,
            folds: &self.folds,
            value: self.run.metric(metric),
            params: &self.run.params,
        }
    }
}

impl Tracking {
    /// Runs side by side. The champion of the first run's experiment takes part as the last one, unless it was asked
    /// for itself; `runs` of the answer then has it last, and every difference has one value per run there.
    pub fn compare(&self, asked: &[RunId]) -> Result<Comparison> {
        let Some(first) = asked.first() else {
            return Err(Error::invalid("a comparison needs runs"));
        };
        if asked.len() > RUNS {
            return Err(Error::invalid(format!(
                "at most {RUNS} runs are compared, not {}",
                asked.len()
            )));
        }
        self.core.store.read(|view| {
            let (_, header) = runs::header(view, first)?;
            let standpoint = self.standpoint(view, Some(&header.experiment))?;
            let metric = standpoint.metric.as_deref();
            let mut compared = Vec::new();
            for (letter, id) in ('A'..='F').zip(asked) {
                let (number, header) = runs::header(view, id)?;
                compared.push(Compared {
                    run: runs::complete(view, number, header)?,
                    name: letter.to_string(),
                    folds: folds(view, number, metric)?,
                });
            }
            let champion = standpoint.champion.map(|leader| leader.run);
            if let Some(run) = &champion {
                match compared.iter_mut().find(|one| one.run.id == run.id) {
                    Some(one) => one.name = "champion".to_owned(),
                    None => {
                        let (number, _) = runs::header(view, &run.id)?;
                        compared.push(Compared {
                            run: run.clone(),
                            name: "champion".to_owned(),
                            folds: folds(view, number, metric)?,
                        });
                    }
                }
            }
            let verdicts = match metric {
                Some(metric) => verdicts(&compared, metric, standpoint.greater),
                None => Vec::new(),
            };
            Ok(Comparison {
                runs: compared
                    .iter()
                    .map(|one| (one.run.id.clone(), one.run.name.clone()))
                    .collect(),
                champion: champion.map(|run| run.id),
                metric: standpoint.metric.clone(),
                differences: differences(&compared),
                verdicts,
            })
        })
    }
}

/// Every run against the champion, then the best of the others against the rest.
fn verdicts(compared: &[Compared], metric: &str, greater: bool) -> Vec<String> {
    let sentence = |one: &Compared, other: &Compared| {
        verdict::sentence(&one.side(metric), &other.side(metric), metric, greater)
    };
    let champion = compared.iter().find(|one| one.name == "champion");
    let others: Vec<&Compared> = compared
        .iter()
        .filter(|one| one.name != "champion")
        .collect();
    let mut verdicts: Vec<String> = champion
        .iter()
        .flat_map(|champion| others.iter().map(|one| sentence(one, champion)))
        .collect();
    let score = |one: &Compared| {
        let value = one.run.metric(metric).filter(|value| value.is_finite());
        match value {
            Some(value) if greater => value,
            Some(value) => -value,
            None => f64::NEG_INFINITY,
        }
    };
    let best = others
        .iter()
        .copied()
        .reduce(|best, one| if score(one) > score(best) { one } else { best });
    if let Some(best) = best {
        for one in others.iter().filter(|one| one.run.id != best.run.id) {
            verdicts.push(sentence(best, one));
            verdicts.extend(cheaper(best, one, greater));
        }
    }
    verdicts
}

/// Where two runs differ by noise, the one that took clearly less time is the one to take.
fn cheaper(best: &Compared, one: &Compared, greater: bool) -> Option<String> {
    let paired = verdict::paired(&best.folds, &one.folds, greater)?;
    if !paired.is_equal() || verdict::other_rows(&best.run.params, &one.run.params).is_some() {
        return None;
    }
    let took = |run: &Run| Some(run.ended?.since(run.started)).filter(|took| *took > 0);
    let (first, second) = (took(&best.run)?, took(&one.run)?);
    let (name, less, more) = if first <= second {
        (&best.name, first, second)
    } else {
        (&one.name, second, first)
    };
    let saved = 100.0 * (1.0 - less as f64 / more as f64);
    (saved >= 10.0).then(|| format!("take {name}: it took {saved:.0} % less time"))
}

/// Keys of one kind with a value (or none) per run.
fn rows_of(
    kind: &str,
    compared: &[Compared],
    pairs: impl Fn(&Run) -> Vec<(String, String)>,
) -> Vec<Difference> {
    let all: Vec<Vec<(String, String)>> = compared.iter().map(|one| pairs(&one.run)).collect();
    let mut keys: Vec<&String> = all.iter().flatten().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            let values: Vec<Option<String>> = all
                .iter()
                .map(|pairs| {
                    pairs
                        .iter()
                        .find(|(other, _)| other == key)
                        .map(|(_, value)| value.clone())
                })
                .collect();
            Difference {
                kind: kind.to_owned(),
                key: key.clone(),
                equal: values.windows(2).all(|pair| pair[0] == pair[1]),
                values,
            }
        })
        .collect()
}

fn differences(compared: &[Compared]) -> Vec<Difference> {
    let pairs = |pairs: &[crate::domain::run::Pair], wanted: &dyn Fn(&str) -> bool| {
        pairs
            .iter()
            .filter(|pair| wanted(&pair.key))
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect::<Vec<_>>()
    };
    let is_code = |key: &str| CODE.contains(&key);
    let is_own = |key: &str| key.starts_with("mlflow.") || key.starts_with("trainyard.");
    let mut rows = rows_of("param", compared, |run| pairs(&run.params, &|_| true));
    rows.extend(rows_of("data", compared, |run| {
        run.inputs
            .iter()
            .map(|input| {
                let key = match &input.context {
                    Some(context) => format!("{} ({context})", input.name),
                    None => input.name.clone(),
                };
                (key, input.digest.clone())
            })
            .collect()
    }));
    rows.extend(rows_of("code", compared, |run| pairs(&run.tags, &is_code)));
    rows.extend(rows_of("metric", compared, |run| {
        run.metrics
            .iter()
            .map(|metric| (metric.key.clone(), verdict::short(metric.value)))
            .collect()
    }));
    rows.extend(rows_of("tag", compared, |run| {
        pairs(&run.tags, &|key| !is_own(key))
    }));
    // Stable: kinds keep their order within both halves.
    rows.sort_by_key(|row| row.equal);
    rows
}
