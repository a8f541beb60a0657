//! Registered models, versions, aliases. A server counts versions itself and never uses a number again: what is missing
//! between two of them here is made there and deleted again, so that `models:/NAME/3` means the same on both sides.

use super::super::nouns::{list, number};
use super::runs::own_tags;
use super::{
    Error, ErrorKind, Filled, ModelName, ModelVersion, ORIGIN, RegisteredModel, Result, RunId,
    Value, Version, is_taken, json, tag, tags, text,
};

/// Numbers passed over at most to reach a version's own.
const GAP: u32 = 1_000;
/// The origin of a version that only stands for a number.
const GAP_MARK: &str = "none";

fn version_of(value: &Value) -> Option<u32> {
    u32::try_from(number(value, "version")?).ok()
}

impl Filled {
    pub(super) fn take_model(&mut self, model: &RegisteredModel, last: u32) -> Result<()> {
        let body = json!({
            "name": model.name,
            "description": model.description,
            "tags": tags(&model.tags),
        });
        match self.server.post("registered-models/create", &body) {
            Ok(_) => {
                self.new.models += 1;
                // numbers of deleted versions are not given to others
                self.reach(&model.name, last, None)?;
                return Ok(());
            }
            Err(error) if is_taken(&error) => {}
            Err(error) => return Err(error),
        }
        let asked = [("name", model.name.as_str())];
        let found =
            self.server.get("mlflow/registered-models/get", &asked)?["registered_model"].take();
        let there = own_tags(&found);
        for (key, value) in &model.tags {
            match there.iter().find(|(known, _)| known == key) {
                Some((_, known)) if known != value => self.differences.push(format!(
                    "tag `{key}` of model `{}` is `{known:.80}` there and `{value:.80}` here",
                    model.name
                )),
                Some(_) => {}
                None => {
                    let body = json!({"name": model.name, "key": key, "value": value});
                    self.server.post("registered-models/set-tag", &body)?;
                }
            }
        }
        let said = text(&found, "description");
        if said.is_empty() && !model.description.is_empty() {
            let body = json!({"name": model.name, "description": model.description});
            self.server
                .change("PATCH", "registered-models/update", &body)?;
        } else if said != model.description {
            self.differences.push(format!(
                "model `{}` is described otherwise there",
                model.name
            ));
        }
        Ok(())
    }

    /// A version there.
    fn version_there(&mut self, model: &ModelName, version: u32) -> Result<Option<Value>> {
        let version = version.to_string();
        let asked = [("name", model.as_str()), ("version", version.as_str())];
        match self.server.get("mlflow/model-versions/get", &asked) {
            Ok(mut found) => Ok(Some(found["model_version"].take())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes versions until the number is the wanted one; those before it only stand for their numbers and go again. `body`
    /// none: the wanted one goes as well.
    fn reach(&mut self, model: &ModelName, wanted: u32, body: Option<&Value>) -> Result<bool> {
        if wanted == 0 {
            return Ok(true);
        }
        let stand_in = json!({
            "name": model,
            "source": "mlflow-artifacts:/none",
            "tags": [tag(ORIGIN, GAP_MARK)],
        });
        for _ in 0..=GAP {
            let next = body.unwrap_or(&stand_in);
            let made = self.server.post("model-versions/create", next)?;
            let made = version_of(&made["model_version"]).ok_or_else(|| {
                Error::invalid(format!("a new version of `{model}` has no number"))
            })?;
            if made == wanted && body.is_some() {
                return Ok(true);
            }
            let gone = json!({"name": model, "version": made.to_string()});
            self.server
                .change("DELETE", "model-versions/delete", &gone)?;
            if made >= wanted {
                return Ok(made == wanted);
            }
        }
        Ok(false)
    }

    /// The source of a version there, and its run.
    fn origin(&self, version: &ModelVersion) -> (String, Option<RunId>) {
        let source = match version.source.strip_prefix("models:/") {
            Some(id) => self.models.get(id).map_or_else(
                || version.source.clone(),
                |there| format!("models:/{there}"),
            ),
            None => version.source.clone(),
        };
        let run = version.run.as_ref().and_then(|run| self.runs.get(run));
        (source, run.cloned())
    }

    pub(super) fn take_version(&mut self, version: &ModelVersion) -> Result<()> {
        let (model, wanted) = (&version.model, version.version.0);
        let origin = format!("{model}/{wanted}");
        let (source, run) = self.origin(version);
        let mut found = self.version_there(model, wanted)?;
        let mark = found.as_ref().and_then(|found| {
            super::pairs(found, "tags")
                .into_iter()
                .find(|tag| tag.key == ORIGIN)
        });
        if mark.is_some_and(|mark| mark.value == GAP_MARK) {
            // an export that broke off left it
            let gone = json!({"name": model, "version": wanted.to_string()});
            self.server
                .change("DELETE", "model-versions/delete", &gone)?;
            found = None;
        }
        if let Some(found) = found {
            let there = text(&found, "source");
            if there != source {
                self.differences.push(format!(
                    "{} of `{model}` is another one there: of `{there}`, here of `{source}`",
                    version.version
                ));
            }
            return Ok(());
        }
        let mut own = tags(&version.tags);
        own.push(tag(ORIGIN, &origin));
        let mut body = json!({
            "name": model,
            "source": source,
            "description": version.description,
            "tags": own,
        });
        if let Some(run) = run {
            body["run_id"] = json!(run);
        }
        if let Some(id) = source.strip_prefix("models:/") {
            body["model_id"] = json!(id);
        }
        let reached = self.reach(model, wanted, Some(&body));
        let outcome = reached.map(|reached| json!(reached));
        let said = outcome.as_ref().ok() == Some(&json!(true));
        if !self.attempt(&format!("{} of `{model}`", version.version), outcome)? {
            return Ok(());
        }
        if !said {
            self.differences.push(format!(
                "{} of `{model}` cannot have its number there: greater ones were given already",
                version.version
            ));
            return Ok(());
        }
        self.new.versions += 1;
        if !["", "None"].contains(&version.stage.as_str()) {
            let body = json!({
                "name": model,
                "version": wanted.to_string(),
                "stage": version.stage,
                "archive_existing_versions": false,
            });
            let outcome = self.server.post("model-versions/transition-stage", &body);
            self.attempt(
                &format!("the stage of {} of `{model}`", version.version),
                outcome,
            )?;
        }
        Ok(())
    }

    pub(super) fn take_alias(
        &mut self,
        model: &ModelName,
        alias: &str,
        version: Version,
    ) -> Result<()> {
        let asked = [("name", model.as_str())];
        let found = self.server.get("mlflow/registered-models/get", &asked)?;
        let known = list(&found["registered_model"], "aliases")
            .iter()
            .find(|one| text(one, "alias") == alias)
            .and_then(version_of);
        match known {
            Some(known) if known == version.0 => Ok(()),
            Some(known) => {
                self.differences.push(format!(
                    "alias `{alias}` of `{model}` names v{known} there and {version} here"
                ));
                Ok(())
            }
            None => {
                let body = json!({
                    "name": model,
                    "alias": alias,
                    "version": version.0.to_string(),
                });
                let outcome = self.server.post("registered-models/alias", &body);
                if self.attempt(&format!("alias `{alias}` of `{model}`"), outcome)? {
                    self.new.aliases += 1;
                }
                Ok(())
            }
        }
    }
}
