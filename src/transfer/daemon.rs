//! The workspace's daemon as the sink of an import: parts in batches through its API, files through its artifact routes.

use super::server::encoded;
use super::{BLOCK, New, Sink};
use crate::api::client::{Client, Http};
use crate::api::protocol::{Command, Reply};
use crate::domain::experiment::Experiment;
use crate::domain::logged_model::LoggedModel;
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::Run;
use crate::domain::transfer::{Part, Taken, Tally};
use crate::domain::{Error, ErrorKind, ExperimentId, ModelName, Result, RunId, Version};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::time::Duration;

/// Parts sent at once.
const PARTS: usize = 200;
/// Characters of parameters and tags sent at once: a command has 16 MB at most.
const TEXT: usize = 4 * 1024 * 1024;
/// How long a file may take to be on disk after its last byte.
const PATIENCE: Duration = Duration::from_secs(600);

/// See the module's text.
pub struct Daemon {
    client: Client,
    http: Http,
    waiting: Vec<Part>,
    points: usize,
    text: usize,
    /// Where files belong, and whether their run was made by this import.
    homes: HashMap<String, (String, bool)>,
    /// The home that was asked for last, when it is a new one.
    asked: Option<String>,
    new: New,
    differences: Vec<String>,
}

impl Daemon {
    /// Through this client.
    pub fn new(client: Client) -> Result<Self> {
        let mut http = Http::connect(&client.address)?;
        http.patience(PATIENCE)?;
        Ok(Self {
            client,
            http,
            waiting: Vec::new(),
            points: 0,
            text: 0,
            homes: HashMap::new(),
            asked: None,
            new: New::default(),
            differences: Vec::new(),
        })
    }

    fn push(&mut self, part: Part, points: usize, text: usize) -> Result<()> {
        self.waiting.push(part);
        self.points += points;
        self.text += text;
        if self.waiting.len() >= PARTS || self.points >= BLOCK || self.text >= TEXT {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what waits; answers what became of the last part.
    fn flush(&mut self) -> Result<Option<Taken>> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let parts = std::mem::take(&mut self.waiting);
        (self.points, self.text) = (0, 0);
        let command = Command::Import { parts };
        let Reply::Taken(mut taken) = self.client.command(&command)? else {
            return Err(unexpected());
        };
        let Command::Import { parts } = command else {
            return Err(unexpected());
        };
        for (part, taken) in parts.iter().zip(&mut taken) {
            self.differences.append(&mut taken.differences);
            let count = match part {
                Part::Experiment { .. } => &mut self.new.experiments,
                Part::Run { run } => {
                    if let Some(uri) = &taken.artifact_uri {
                        self.homes
                            .insert(run.id.to_string(), (uri.clone(), taken.new));
                    }
                    &mut self.new.runs
                }
                Part::LoggedModel { model } => {
                    if let Some(uri) = &taken.artifact_uri {
                        self.homes
                            .insert(model.id.to_string(), (uri.clone(), taken.new));
                    }
                    &mut self.new.logged_models
                }
                Part::Model { .. } => &mut self.new.models,
                Part::Version { .. } => &mut self.new.versions,
                Part::Alias { .. } => &mut self.new.aliases,
                Part::Points { .. } => continue,
            };
            *count += u64::from(taken.new);
        }
        Ok(taken.pop())
    }

    fn ask(&mut self, path: &str) -> Result<serde_json::Value> {
        let answer = self.http.request("GET", path, &self.headers(), b"")?;
        if answer.status != 200 {
            return Err(refused(answer.status, &answer.body));
        }
        Ok(serde_json::from_slice(&answer.body)?)
    }

    fn headers(&self) -> [(&'static str, &'static str); 1] {
        [("accept", "application/json")]
    }
}

fn unexpected() -> Error {
    Error::internal(
        "the daemon answered something else than was asked: restart it with `trainyard down`",
    )
}

fn refused(status: u16, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|said| Some(said["message"].as_str()?.to_owned()))
        .unwrap_or_else(|| format!("the daemon answers {status}"));
    let kind = match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        400..500 => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, said)
}

/// The path of the proxied space behind an artifact URI of here.
fn inside(home: &str) -> Result<&str> {
    home.strip_prefix("mlflow-artifacts:")
        .map(|path| path.trim_start_matches('/'))
        .ok_or_else(|| {
            Error::invalid(format!(
                "`{home}` does not lie in this workspace: its files were not copied"
            ))
        })
}

impl Sink for Daemon {
    fn experiment(&mut self, experiment: &Experiment) -> Result<ExperimentId> {
        self.flush()?;
        self.waiting.push(Part::Experiment {
            experiment: experiment.clone(),
        });
        self.flush()?
            .and_then(|taken| taken.experiment)
            .ok_or_else(unexpected)
    }

    fn run(&mut self, run: Run) -> Result<()> {
        let text = run
            .params
            .iter()
            .chain(&run.tags)
            .map(|pair| pair.key.len() + pair.value.len())
            .sum::<usize>()
            + run
                .inputs
                .iter()
                .map(|input| {
                    input.source.len()
                        + input.schema.as_ref().map_or(0, String::len)
                        + input.profile.as_ref().map_or(0, String::len)
                })
                .sum::<usize>();
        self.push(Part::Run { run: Box::new(run) }, 0, text)
    }

    fn points(&mut self, run: &RunId, points: Vec<Metric>) -> Result<()> {
        let count = points.len();
        self.push(
            Part::Points {
                run: run.clone(),
                points,
            },
            count,
            0,
        )
    }

    fn logged_model(&mut self, model: LoggedModel) -> Result<()> {
        let points = model.metrics.len();
        let part = Part::LoggedModel {
            model: Box::new(model),
        };
        self.push(part, points, 0)
    }

    fn home(&mut self, id: &str) -> Result<String> {
        if !self.homes.contains_key(id) {
            self.flush()?;
        }
        let (home, new) = self.homes.get(id).ok_or_else(unexpected)?;
        self.asked = new.then(|| home.clone());
        Ok(home.clone())
    }

    fn present(&mut self, home: &str) -> Result<BTreeMap<String, u64>> {
        let mut present = BTreeMap::new();
        // What was made just now has no files yet.
        if self.asked.as_deref() == Some(home) {
            return Ok(present);
        }
        let root = inside(home)?.to_owned();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = match folder.as_str() {
                "" => root.clone(),
                folder => format!("{root}/{folder}"),
            };
            let listed = self.ask(&format!(
                "/api/2.0/mlflow-artifacts/artifacts?path={}",
                encoded(&path)
            ))?;
            for entry in listed["files"].as_array().into_iter().flatten() {
                let name = entry["path"].as_str().unwrap_or_default();
                let path = match folder.as_str() {
                    "" => name.to_owned(),
                    folder => format!("{folder}/{name}"),
                };
                if entry["is_dir"].as_bool() == Some(true) {
                    folders.push(path);
                } else {
                    present.insert(path, entry["file_size"].as_u64().unwrap_or(0));
                }
            }
        }
        Ok(present)
    }

    fn file(&mut self, home: &str, path: &str, length: u64, content: &mut dyn Read) -> Result<()> {
        let target = format!(
            "/api/2.0/mlflow-artifacts/artifacts/{}",
            encoded(&format!("{}/{path}", inside(home)?))
        );
        let headers = [("content-type", "application/octet-stream")];
        let answer = self.http.send("PUT", &target, &headers, length, content)?;
        match answer.status {
            200 => Ok(()),
            status => Err(refused(status, &answer.body)),
        }
    }

    fn model(&mut self, model: &RegisteredModel, last: u32) -> Result<()> {
        let part = Part::Model {
            model: model.clone(),
            last,
        };
        self.push(part, 0, 0)
    }

    fn version(&mut self, version: ModelVersion) -> Result<()> {
        let part = Part::Version {
            version: Box::new(version),
        };
        self.push(part, 0, 0)
    }

    fn alias(&mut self, model: &ModelName, alias: &str, version: Version) -> Result<()> {
        let part = Part::Alias {
            model: model.clone(),
            alias: alias.to_owned(),
            version,
        };
        self.push(part, 0, 0)
    }

    fn tallies(&mut self, runs: &[RunId]) -> Result<Vec<Option<Tally>>> {
        let command = Command::Tallies {
            runs: runs.to_vec(),
        };
        match self.client.command(&command)? {
            Reply::Tallies(tallies) => Ok(tallies),
            _ => Err(unexpected()),
        }
    }

    fn finish(&mut self) -> Result<(New, Vec<String>)> {
        self.flush()?;
        Ok((self.new, std::mem::take(&mut self.differences)))
    }
}
