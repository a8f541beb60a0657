//! Where the files of a version may lie: inside this workspace's artifacts and nowhere else, whichever way a client
//! names the place: a run's or a logged model's artifacts, `runs:/…`, another version, a logged model's id.

use super::Registry;
use crate::domain::run::Pair;
use crate::domain::{Error, LoggedModelId, ModelName, Result, RunId, Version};
use crate::store::conditions::PROMPT;
use crate::store::{artifacts, model_versions};

/// What clients give as the source of a prompt, which has no files.
const PLACEHOLDERS: [&str; 2] = ["dummy-source", "prompt-template"];
/// Files beyond this are not read at registration: a client waits for the answer.
const HASHED: u64 = 256 * 1024 * 1024;

/// What a client says of a version's origin.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// URI of the files.
    pub source: String,
    /// The run; none: not said.
    pub run: Option<String>,
    /// The logged model; none: not said.
    pub logged_model: Option<String>,
}

/// The same, checked.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The source that is kept.
    pub source: String,
    /// The run behind it.
    pub run: Option<RunId>,
    /// The logged model behind it.
    pub logged_model: Option<LoggedModelId>,
    /// URI of the files where the source only points to them; empty: the source.
    pub location: String,
}

/// What `models:/…` names.
enum Named {
    Logged(LoggedModelId),
    Version(ModelName, u32),
    Latest(ModelName),
    Stage(ModelName, String),
    Alias(ModelName, String),
}

fn refused(source: &str, why: &str) -> Error {
    Error::invalid(format!("invalid model version source `{source}`: {why}"))
}

/// Escapes resolved as often as there are any: what is hidden twice is found too.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..8 {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            let escaped = tail
                .get(..2)
                .filter(|_| *first == b'%')
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match escaped {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        let next = String::from_utf8_lossy(&bytes).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// No step upwards, no control characters, however they are written.
fn check_plain(source: &str) -> Result<()> {
    let plain = plain(source);
    if plain.chars().any(char::is_control) || plain.split(['/', '\\']).any(|part| part == "..") {
        return Err(refused(
            source,
            "it must be an absolute place, without `..` or control characters",
        ));
    }
    Ok(())
}

/// Parts of a URI's path after its scheme; a host is refused.
fn path_of<'a>(source: &str, rest: &'a str) -> Result<Vec<&'a str>> {
    if rest.starts_with("//") && !rest.starts_with("///") {
        return Err(refused(source, "it names another server"));
    }
    if !rest.starts_with('/') {
        return Err(refused(source, "after the scheme comes `/`"));
    }
    Ok(rest.split('/').filter(|part| !part.is_empty()).collect())
}

fn named(source: &str, rest: &str) -> Result<Named> {
    let parts = path_of(source, rest)?;
    match parts.as_slice() {
        [name, suffix] => {
            let model = ModelName::from(*name);
            if suffix.chars().all(|digit| digit.is_ascii_digit()) {
                let version = suffix
                    .parse()
                    .map_err(|_| refused(source, "there is no such version"))?;
                Ok(Named::Version(model, version))
            } else if suffix.eq_ignore_ascii_case("latest") {
                Ok(Named::Latest(model))
            } else {
                Ok(Named::Stage(model, (*suffix).to_owned()))
            }
        }
        [one] => Ok(match one.rsplit_once('@') {
            Some((name, alias)) if !alias.is_empty() => {
                Named::Alias(ModelName::from(name), alias.to_owned())
            }
            _ => Named::Logged(LoggedModelId::from(*one)),
        }),
        _ => Err(refused(
            source,
            "write `models:/name/3`, `models:/name@alias` or `models:/m-…`",
        )),
    }
}

/// Whether `source` lies in `root`; both are URIs of this workspace's artifacts.
fn inside(source: &str, root: &str) -> bool {
    let parts = |uri: &str| -> Vec<String> {
        uri.split_once(':')
            .map_or("", |(_, path)| path)
            .split('/')
            .filter(|part| !part.is_empty())
            .map(plain)
            .collect()
    };
    let (source, root) = (parts(source), parts(root));
    !root.is_empty() && source.starts_with(&root)
}

impl Registry {
    /// Checks where a version comes from. A source outside is refused, whatever else is right.
    pub(super) fn resolve_origin(&self, origin: &Origin, tags: &[Pair]) -> Result<Resolved> {
        let source = origin.source.as_str();
        if super::changes::is_prompt(tags) {
            if !PLACEHOLDERS.contains(&source) {
                return Err(refused(source, "a prompt has no files"));
            }
            return Ok(Resolved {
                source: source.to_owned(),
                run: None,
                logged_model: None,
                location: String::new(),
            });
        }
        check_plain(source)?;
        let run = origin
            .run
            .as_deref()
            .filter(|run| !run.is_empty())
            .map(RunId::from);
        let logged_model = origin
            .logged_model
            .as_deref()
            .filter(|id| !id.is_empty())
            .map(LoggedModelId::from);
        let (scheme, rest) = source.split_once(':').unwrap_or(("", source));
        match scheme {
            "models" => self.of_models(origin, rest, run, logged_model.as_ref()),
            "runs" => {
                let parts = path_of(source, rest)?;
                let named = parts.first().copied().unwrap_or_default();
                match run {
                    Some(run) if run.as_str() == named && logged_model.is_none() => {
                        self.tracking
                            .run(&run)
                            .map_err(|_| refused(source, "there is no such run"))?;
                        Ok(Resolved {
                            source: source.to_owned(),
                            run: Some(run),
                            logged_model: None,
                            location: String::new(),
                        })
                    }
                    _ => Err(refused(source, "`run_id` must name the run in it")),
                }
            }
            "mlflow-artifacts" => {
                let (run, root) = match (&logged_model, run) {
                    (Some(id), run) => {
                        let model = self
                            .tracking
                            .logged_model(id, false)
                            .map_err(|_| refused(source, "there is no such `model_id`"))?;
                        (run.or(model.source_run), model.artifact_uri)
                    }
                    (None, Some(run)) => {
                        let record = self
                            .tracking
                            .run(&run)
                            .map_err(|_| refused(source, "there is no such `run_id`"))?;
                        (Some(run), record.artifact_uri)
                    }
                    (None, None) => {
                        return Err(refused(
                            source,
                            "`run_id` or `model_id` must name what it belongs to",
                        ));
                    }
                };
                if !inside(source, &root) {
                    return Err(refused(source, &format!("it does not lie in `{root}`")));
                }
                self.tracking.artifact_folder(source)?;
                Ok(Resolved {
                    source: source.to_owned(),
                    run,
                    logged_model,
                    location: String::new(),
                })
            }
            _ => Err(refused(
                source,
                "versions are made of files in this server's artifacts: `mlflow-artifacts:/…`, `runs:/…` or `models:/…`",
            )),
        }
    }

    fn of_models(
        &self,
        origin: &Origin,
        rest: &str,
        run: Option<RunId>,
        logged_model: Option<&LoggedModelId>,
    ) -> Result<Resolved> {
        let source = origin.source.as_str();
        let (model, version) = match named(source, rest)? {
            Named::Logged(id) => {
                if logged_model != Some(&id) {
                    return Err(refused(source, "`model_id` must name the model in it"));
                }
                let model = self.tracking.logged_model(&id, false)?;
                return Ok(Resolved {
                    source: source.to_owned(),
                    run: run.or(model.source_run),
                    logged_model: Some(id),
                    location: model.artifact_uri,
                });
            }
            Named::Version(model, version) => (model, Version(version)),
            Named::Latest(model) => {
                let newest = self
                    .core
                    .store
                    .read(|view| crate::store::registry::latest(view, &model))?
                    .ok_or_else(|| Error::not_found(format!("model `{model}` has no version")))?;
                (model, newest)
            }
            Named::Stage(model, stage) => {
                let stage = super::versions::stage(&stage)?;
                let newest = self
                    .core
                    .store
                    .read(|view| model_versions::newest_by_stage(view, &model))?
                    .into_iter()
                    .find(|record| record.version.stage == stage)
                    .ok_or_else(|| {
                        Error::not_found(format!("model `{model}` has no version in `{stage}`"))
                    })?;
                (model, newest.version.version)
            }
            Named::Alias(model, alias) => {
                let version = self.resolve(&model, &alias)?.ok_or_else(|| {
                    Error::invalid(format!("model `{model}` has no alias `{alias}`"))
                })?;
                (model, version)
            }
        };
        let whole = self.model(&model)?;
        if whole
            .tags
            .iter()
            .any(|(key, value)| key == PROMPT && value.eq_ignore_ascii_case("true"))
        {
            return Err(refused(source, "it is a prompt, which has no files"));
        }
        let other = self.version(&model, version)?;
        let same_run = origin.run.is_none() || run == other.run;
        if !same_run || logged_model.is_some() {
            return Err(refused(
                source,
                "`run_id` and `model_id` must be those of the version that it names",
            ));
        }
        Ok(Resolved {
            source: format!("models:/{model}/{}", version.0),
            run: other.run,
            logged_model: None,
            location: self.download_uri(&model, version)?,
        })
    }

    /// URI of a version's files, as clients are told it.
    pub fn download_uri(&self, model: &ModelName, version: Version) -> Result<String> {
        self.version(model, version)?;
        let location = self
            .core
            .store
            .read(|view| model_versions::location(view, model, version))?;
        Ok(location.unwrap_or_default())
    }

    /// URI of a version's files in the artifact space.
    pub(super) fn files_uri(&self, model: &ModelName, version: Version) -> Result<String> {
        let location = self.download_uri(model, version)?;
        self.artifact_uri(&location)
    }

    /// `runs:/ID/path` as the place among the run's artifacts; any other URI as it is.
    fn artifact_uri(&self, location: &str) -> Result<String> {
        let Some(rest) = location.strip_prefix("runs:") else {
            return Ok(location.to_owned());
        };
        let parts = path_of(location, rest)?;
        let (run, path) = parts
            .split_first()
            .ok_or_else(|| refused(location, "it names no run"))?;
        let root = self.tracking.run(&RunId::from(*run))?.artifact_uri;
        Ok(format!("{root}/{}", path.join("/")))
    }

    /// SHA-256 over the files of a new version; empty when there are none, or too many to wait for.
    pub(super) fn digest_of(&self, resolved: &Resolved) -> String {
        let uri = if resolved.location.is_empty() {
            &resolved.source
        } else {
            &resolved.location
        };
        let digest = || -> Result<String> {
            let folder = self.tracking.artifact_folder(&self.artifact_uri(uri)?)?;
            let files = artifacts::tree(&folder, 10_000)?;
            let bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
            if files.is_empty() || files.len() == 10_000 || bytes > HASHED {
                return Ok(String::new());
            }
            super::directory_digest(&folder)
        };
        // A digest is a help to people, and its absence says that nobody looked.
        digest().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn hidden_steps_upwards_are_found() {
        for bad in [
            "mlflow-artifacts:/1/../2",
            "mlflow-artifacts:/1/%2e%2e/2",
            "mlflow-artifacts:/1/%252e%252e/2",
            "mlflow-artifacts:/1/a%00",
            "runs:/a/..\\b",
        ] {
            assert!(check_plain(bad).is_err(), "{bad}");
        }
        assert!(check_plain("mlflow-artifacts:/1/a..b/per%25cent").is_ok());
    }

    #[test]
    fn a_source_lies_in_a_root_by_whole_parts() {
        let root = "mlflow-artifacts:/1/ab/artifacts";
        assert!(inside("mlflow-artifacts:/1/ab/artifacts/model", root));
        assert!(inside(root, root));
        assert!(!inside("mlflow-artifacts:/1/ab/artifacts2", root));
        assert!(!inside("mlflow-artifacts:/1/abc/artifacts/model", root));
    }
}
