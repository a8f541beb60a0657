//! Names that must exist: a pipeline's dataset, a view's columns' windows, a monitor's deployment.

use super::Config;
use super::read::Problems;
use super::words::closest;
use toml_span::Value;

/// Adds a problem for every name that nothing answers to.
pub(super) fn check(config: &Config, root: &Value<'_>, problems: &Problems<'_>) {
    let datasets: Vec<&str> = config
        .datasets
        .iter()
        .map(|dataset| dataset.name.as_str())
        .collect();
    let views: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
    let pipelines: Vec<&str> = config
        .pipelines
        .iter()
        .map(|pipeline| pipeline.name.as_str())
        .collect();
    let deployments: Vec<&str> = config
        .deployments
        .iter()
        .map(|deployment| deployment.name.as_str())
        .collect();
    let monitors: Vec<&str> = config
        .monitors
        .iter()
        .map(|monitor| monitor.name.as_str())
        .collect();
    let known = |place: String, kind: &str, name: &str, names: &[&str]| {
        if name.is_empty() || names.contains(&name) {
            return;
        }
        let hint = match closest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("there is no [{kind}.…] in the file"),
            None => format!("known: {}", names.join(", ")),
        };
        problems.add(
            offset(root, &place),
            format!("there is no {kind} `{name}`"),
            hint,
        );
    };
    for view in &config.views {
        known(
            format!("/feature_view/{}/dataset", view.name),
            "dataset",
            &view.dataset,
            &datasets,
        );
        if view.event_time.is_empty() && !view.windows.is_empty() {
            problems.add(
                offset(root, &format!("/feature_view/{}", view.name)),
                format!("`feature_view.{}` counts events by time, but neither it nor its dataset has a `timestamp`", view.name),
                "name the column with the instant",
            );
        }
    }
    for pipeline in &config.pipelines {
        known(
            format!("/pipeline/{}/dataset", pipeline.name),
            "dataset",
            &pipeline.dataset,
            &datasets,
        );
        let dataset = config.dataset(&pipeline.dataset);
        for used in &pipeline.features {
            let place = format!("/pipeline/{}/features", pipeline.name);
            known(place.clone(), "feature_view", &used.view, &views);
            let Some(view) = config.view(&used.view) else {
                continue;
            };
            if let Some(feature) = &used.feature {
                let names = view.feature_names();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                known(
                    place.clone(),
                    &format!("feature in `{}`", view.name),
                    feature,
                    &names,
                );
            }
            if !used.keys.is_empty() && used.keys.len() != view.entity.keys.len() {
                problems.add(
                    offset(root, &place),
                    format!(
                        "`{}` has {} keys, {} given",
                        view.name,
                        view.entity.keys.len(),
                        used.keys.len()
                    ),
                    "one row column per key",
                );
            }
        }
        if !pipeline.features.is_empty()
            && dataset.is_some_and(|dataset| dataset.timestamp.is_none())
        {
            problems.add(
                offset(root, &format!("/dataset/{}", pipeline.dataset)),
                format!("`dataset.{}` has no `timestamp`, so features of `{}` cannot be looked up as of a row's instant", pipeline.dataset, pipeline.name),
                "name the column with the instant",
            );
        }
    }
    for monitor in &config.monitors {
        known(
            format!("/monitor/{}/deployment", monitor.name),
            "deployment",
            monitor.deployment.as_str(),
            &deployments,
        );
        if let Some(labels) = &monitor.labels {
            known(
                format!("/monitor/{}/labels", monitor.name),
                "dataset",
                &labels.dataset,
                &datasets,
            );
        }
    }
    for trigger in &config.triggers {
        known(
            "/trigger".to_owned(),
            "pipeline",
            &trigger.pipeline,
            &pipelines,
        );
        if let super::TriggerOn::Drift { monitor } | super::TriggerOn::Metric { monitor } =
            &trigger.on
        {
            known("/trigger".to_owned(), "monitor", monitor, &monitors);
        }
    }
    if let Some(chart) = &config.chart {
        known(
            "/chart".to_owned(),
            "chart marker",
            chart,
            &["auto", "braille", "sextant", "block", "ascii"],
        );
    }
}

/// Where the value at a path such as `/pipeline/delay/dataset` stands.
fn offset(root: &Value<'_>, path: &str) -> usize {
    root.pointer(path).map_or(0, |value| value.span.start)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::{TriggerOn, parse};

    const GOOD: &str = r#"
name = "flights"
server = { listen = "127.0.0.1:0" }
trigger = [{ pipeline = "delay", on = "file", debounce = "5s" }]
deployment.delay = { model = "delay", alias = "champion" }
monitor.delay = { deployment = "delay", every = "1h", tests = { psi = 0.2 } }
[dataset.flights]
path = "data/*.parquet"
timestamp = "at"
[feature_view.traffic]
entity = { name = "airport", key = "origin" }
dataset = "flights"
windows = [{ column = "delay", aggregates = ["mean", "count"], over = ["1h", "3h"] }]
[pipeline.delay]
dataset = "flights"
target = "late"
features = ["traffic:*", { view = "traffic", features = ["delay_mean_1h"], keys = ["dest"], prefix = "dest_" }]
trainer = { kind = "logistic", c = 1.0 }
gate = { metric = "roc_auc", at_least = 0.6, by = 0.005 }
"#;

    #[test]
    fn a_good_file_is_taken() {
        let config = parse(GOOD).unwrap();
        assert_eq!(
            config.views[0].feature_names(),
            [
                "delay_mean_1h",
                "delay_count_1h",
                "delay_mean_3h",
                "delay_count_3h"
            ]
        );
        assert_eq!(config.pipelines[0].features[1].prefix, "dest_");
        assert_eq!(config.triggers[0].on, TriggerOn::File { debounce: 5_000 });
        assert_eq!(config.pipelines[0].model.as_str(), "delay");
    }

    #[test]
    fn every_problem_is_reported_with_its_line() {
        let text = "prodution = true\n[dataset.a]\npath = 3\n[pipeline.p]\ndatset = \"a\"\ntarget = \"y\"\ntrainer = { kind = \"logistic\" }\nholdout = 2\n";
        let problems = parse(text).unwrap_err();
        let sentences: Vec<String> = problems
            .iter()
            .map(|problem| problem.sentence("trainyard.toml"))
            .collect();
        let all = sentences.join("\n");
        assert!(all.contains("trainyard.toml:1:1: the top level has no key `prodution`; did you mean `production`?"), "{all}");
        assert!(
            all.contains(
                "trainyard.toml:3:8: `dataset.a.path` must be text in quotes, it is the number 3"
            ),
            "{all}"
        );
        assert!(all.contains("did you mean `dataset`?"), "{all}");
        assert!(all.contains("`pipeline.p.holdout` is 2"), "{all}");
    }

    #[test]
    fn a_dataset_says_from_when_on_its_columns_were_known() {
        let said = "timestamp = \"at\"\nknown = { delay = \"arrived\" }\n";
        let config = parse(&GOOD.replace("timestamp = \"at\"\n", said)).unwrap();
        let known = [("delay".to_owned(), "arrived".to_owned())];
        assert_eq!(config.datasets[0].known, known);
        let text = "[dataset.a]\nsql = \"select 1\"\nknown = { x = \"y\" }\n[dataset.b]\npath = \"b\"\nknown = { x = 3 }\n";
        let problems = parse(text).unwrap_err();
        let all: Vec<String> = problems.iter().map(|one| one.sentence("t")).collect();
        for part in [
            "t:3:9: `dataset.a.known` is about a dataset of files",
            "t:6:15: `dataset.b.known.x` is no column's name",
        ] {
            assert!(
                all.iter().any(|line| line.contains(part)),
                "{part} in {all:?}"
            );
        }
    }

    #[test]
    fn text_that_is_no_toml_names_the_place() {
        let problems = parse("[dataset\n").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, 1);
        assert!(problems[0].message.starts_with("not valid TOML"));
    }

    #[test]
    fn names_that_nothing_answers_to_are_problems() {
        let text = GOOD.replace("traffic:*", "trafic:*").replace(
            "deployment = \"delay\", every",
            "deployment = \"dely\", every",
        );
        let all: Vec<String> = parse(&text)
            .unwrap_err()
            .iter()
            .map(|problem| problem.sentence("t"))
            .collect();
        assert!(
            all.iter()
                .any(|line| line
                    .contains("there is no feature_view `trafic`; did you mean `traffic`?")),
            "{all:?}"
        );
        assert!(
            all.iter()
                .any(|line| line.contains("there is no deployment `dely`; did you mean `delay`?")),
            "{all:?}"
        );
    }

    #[test]
    fn a_view_says_everything_that_features_may_be() {
        let text = r#"
[dataset.flights]
path = "data/*.parquet"
[feature_view.airport]
sql = "select *, 1 as one from flights"
timestamp = "at"
description = "of the airport"
owner = "ana"
tags = ["pii", "ops"]
entity = { name = "airport and carrier", key = ["origin", "carrier"] }
features = ["gate"]
windows = [
  { column = "pace", aggregates = ["mean", "distinct"], over = ["1h", "3h"] },
  { column = "carrier", aggregates = ["share"], over = ["24h"], value = "AA" },
]
request = { distance = "number" }
[feature_view.airport.derive]
pace = "distance / air_time"
slow = "air_time > 300"
[feature_view.airport.on_demand]
left = "distance * gate"
"#;
        let config = parse(text).unwrap();
        let view = &config.views[0];
        assert_eq!(
            view.feature_names(),
            [
                "gate",
                "slow",
                "pace_mean_1h",
                "pace_distinct_1h",
                "pace_mean_3h",
                "pace_distinct_3h",
                "carrier_share_AA_24h",
                "left"
            ]
        );
        assert_eq!((view.tags.len(), view.dataset.as_str()), (2, ""));
        assert_eq!(config.lines["feature_view.airport.on_demand.left"], 21);
    }

    #[test]
    fn every_mistake_in_a_view_is_reported() {
        let text = r#"
[dataset.flights]
path = "data/*.parquet"
[feature_view.a]
sql = "select 1"
dataset = "flights"
entity = { name = "airport", key = ["origin", "origin"] }
features = ["origin", "x", "x"]
windows = [{ column = "x", aggregates = ["mena", "count", "count"], over = ["3 parsecs"], value = 3 }]
tags = { team = 3 }
request = { y = "nubmer" }
[feature_view.a.derive]
z = 3
w = " "
[feature_view."b:c"]
dataset = "flights"
request = { x = "text" }
"#;
        let all: Vec<String> = parse(text)
            .unwrap_err()
            .iter()
            .map(|problem| problem.sentence("t"))
            .collect();
        for part in [
            "t:5:8: `feature_view.a` has both `dataset` and `sql`",
            "t:5:8: `feature_view.a` has `sql` and no `timestamp`",
            "names the key `origin` twice",
            "two features called `x`",
            "`origin` is a key of its entity",
            "there is no aggregate `mena`; did you mean `mean`?",
            "has `count` twice",
            "`3 parsecs` is no length of time",
            "has a `value` that no aggregate counts",
            "the tag `feature_view.a.tags.team` must be text",
            "t:11:18: `feature_view.a.request.y` names no type; did you mean \"number\"?",
            "`feature_view.a.derive.z` must be an SQL expression",
            "`feature_view.a.derive.w` is empty",
            "`feature_view.b:c` has `@` or `:` in its name",
            "`feature_view.b:c` has no features",
            "asks requests for values that nothing uses",
        ] {
            assert!(
                all.iter().any(|line| line.contains(part)),
                "{part} in {all:#?}"
            );
        }
    }
}
