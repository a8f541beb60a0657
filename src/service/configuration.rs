//! The configuration of a workspace, checked also against what the pure rooms know: trainers and drift tests.

use crate::config::{Config, Problem};
use crate::data::sql::expressions;
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::FeatureView;
use crate::domain::model::Task;
use crate::domain::{Error, Result};
use crate::ml::{self, metrics};
use crate::workspace::{CONFIG_FILE, Workspace};

/// Reads and checks `trainyard.toml`.
///
/// # Errors
/// Every problem, a line each, with its place in the file.
pub fn load(workspace: &Workspace) -> Result<Config> {
    let (config, mut problems) = Config::read(&workspace.config())?;
    for pipeline in &config.pipelines {
        let mut add = |message: String, hint: String| {
            problems.push(Problem {
                line: pipeline.line,
                column: 1,
                message: format!("pipeline `{}`: {message}", pipeline.name),
                hint,
            });
        };
        // an empty kind is a problem that was named already
        if !pipeline.trainer.kind.is_empty()
            && let Err(error) = ml::check_trainer(&pipeline.trainer)
        {
            add(error.to_string(), String::new());
        }
        let metric = pipeline.gate.metric.as_str();
        let known = || {
            [Task::Binary, Task::Multiclass, Task::Regression]
                .into_iter()
                .flat_map(|task| metrics::names(task).iter().copied())
        };
        if !metric.is_empty() && !known().any(|name| name == metric) {
            let mut names: Vec<&str> = known().collect();
            names.sort_unstable();
            names.dedup();
            add(
                format!("its gate looks at `{metric}`, which is not measured"),
                format!("known: {}", names.join(", ")),
            );
        }
    }
    for view in &config.views {
        check_expressions(view, &config, &mut problems);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    if problems.is_empty() {
        return Ok(config);
    }
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| problem.sentence(CONFIG_FILE))
        .collect();
    Err(Error::invalid(lines.join("\n")))
}

/// What can be said of a view's expressions without its data: all of those on demand, for what they may use is known; of
/// the others whether they are expressions.
fn check_expressions(view: &FeatureView, config: &Config, problems: &mut Vec<Problem>) {
    let mut inputs: Vec<(String, ColumnKind)> = view
        .stored_names()
        .into_iter()
        .map(|name| (name, ColumnKind::Number))
        .collect();
    inputs.extend(view.request.iter().map(|one| (one.name.clone(), one.kind)));
    let derived = view.derive.iter().map(|one| ("derive", one, None));
    let demanded = view
        .on_demand
        .iter()
        .map(|one| ("on_demand", one, Some(inputs.as_slice())));
    for (table, one, inputs) in derived.chain(demanded) {
        let Err(error) = expressions::check(&one.expression, inputs) else {
            continue;
        };
        let name = format!("feature_view.{}.{table}.{}", view.name, one.name);
        problems.push(Problem {
            line: config.lines.get(&name).copied().unwrap_or(1),
            column: 1,
            message: format!("`{name}` = `{}`: {error}", one.expression),
            hint: match inputs {
                Some(_) => "values that come with the request are named in `request = { name = \"number\" }`".to_owned(),
                None => String::new(),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn refusal(text: &str) -> String {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(CONFIG_FILE), text).unwrap();
        let workspace = Workspace::at(root.path()).unwrap();
        load(&workspace).unwrap_err().to_string()
    }

    #[test]
    fn what_the_file_and_what_the_trainers_refuse_is_said_at_once() {
        let said = refusal(
            "[dataset.d]\npth = \"d.csv\"\n[pipeline.p]\ndataset = \"d\"\ntarget = \"y\"\n\
             trainer = { kind = \"boostng\" }\ngate = { metric = \"acuracy\" }\n",
        );
        for part in [
            "2:1: `dataset.d` has no key `pth`",
            "`boostng`",
            "`acuracy`",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(
            said.lines().all(|line| line.starts_with("trainyard.toml:")),
            "{said}"
        );
    }

    #[test]
    fn a_slip_in_an_expression_is_said_with_its_line() {
        let said = refusal(
            "[dataset.d]\npath = \"d.csv\"\ntimestamp = \"t\"\n[feature_view.v]\ndataset = \"d\"\nfeatures = [\"x\"]\n\
             [feature_view.v.derive]\nhalf = \"(y / 2\"\n[feature_view.v.on_demand]\nfar = \"x > distance\"\nlate = \"sum(x)\"\n",
        );
        for part in [
            "trainyard.toml:8:1: `feature_view.v.derive.half` = `(y / 2`",
            "trainyard.toml:10:1: `feature_view.v.on_demand.far` = `x > distance`: no such column: distance; there are `x`, `half`; values that come with the request",
            "trainyard.toml:11:1: `feature_view.v.on_demand.late` = `sum(x)`: it puts rows together",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }

    #[test]
    fn a_slip_in_toml_says_what_was_found_there() {
        let said = refusal("name = = 3\n");
        assert!(
            said.starts_with("trainyard.toml:1:8: not valid TOML: expected"),
            "{said}"
        );
    }
}
