//! A definition taken apart into named lines: what of it decides values (its digest), what two of them differ in, and the
//! text that defines it.

use crate::data::sql::words;
use crate::domain::feature::{Aggregate, FeatureView};
use crate::domain::feature_version::{FieldChange, ViewVersion, type_name};
use sha2::{Digest as _, Sha256};

/// One line of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Facet {
    /// `ttl`, `feature dep_delay_mean_3h`, …
    field: String,
    /// What it says.
    says: String,
    /// Its feature's type, where it is a feature.
    kind: Option<&'static str>,
    /// Whether values depend on it; else it is words about the view.
    counts: bool,
}

impl Facet {
    fn shown(&self) -> String {
        match self.kind {
            Some(kind) => format!("{kind}, {}", self.says),
            None => self.says.clone(),
        }
    }
}

/// SQL with single blanks: how it is broken into lines changes nothing.
fn plain(sql: &str) -> String {
    // a text in quotes or a comment may hold blanks and line ends that count
    if sql.contains('\'') || sql.contains("--") || words(sql).iter().any(|word| word.quoted) {
        return sql.trim().to_owned();
    }
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn facets(made: &ViewVersion) -> Vec<Facet> {
    let view = &made.view;
    let mut found = Vec::new();
    let mut add = |field: String, says: String, counts: bool| {
        if !says.is_empty() {
            found.push(Facet {
                field,
                says,
                kind: None,
                counts,
            });
        }
    };
    add("description".into(), view.description.clone(), false);
    add("owner".into(), view.owner.clone(), false);
    add("tags".into(), tags(view), false);
    add("entity".into(), view.entity.name.clone(), false);
    add("keys".into(), view.entity.keys.join(", "), true);
    add("dataset".into(), view.dataset.clone(), true);
    add(
        "sql".into(),
        view.sql.as_deref().map(plain).unwrap_or_default(),
        true,
    );
    for dataset in &made.datasets {
        let says = match (&dataset.path, &dataset.sql) {
            (_, Some(sql)) => format!("sql {}", plain(sql)),
            (Some(path), None) => format!("path {path}"),
            (None, None) => String::new(),
        };
        add(format!("dataset {}", dataset.name), says, true);
    }
    add("timestamp".into(), view.event_time.clone(), true);
    add(
        "available_at".into(),
        view.available_at.clone().unwrap_or_default(),
        true,
    );
    add("ttl".into(), view.ttl.map(length).unwrap_or_default(), true);
    let allowed = view.allowed_lateness.map(length).unwrap_or_default();
    add("allowed_lateness".into(), allowed, false);
    for one in &view.derive {
        add(format!("derive {}", one.name), plain(&one.expression), true);
    }
    for one in &view.request {
        add(
            format!("request {}", one.name),
            type_name(Some(one.kind)).to_owned(),
            true,
        );
    }
    for (name, says) in features(view) {
        found.push(Facet {
            kind: (!made.types.is_empty()).then(|| type_name(made.kind(&name))),
            field: format!("feature {name}"),
            says,
            counts: true,
        });
    }
    found
}

/// Each feature and how its value comes about.
fn features(view: &FeatureView) -> Vec<(String, String)> {
    let columns = view.columns.iter().map(|column| {
        let derived = view.derive.iter().any(|one| one.name == *column);
        let says = if derived { "derived" } else { "column" };
        (column.clone(), says.to_owned())
    });
    let windows = view.windows.iter().flat_map(|window| {
        window
            .feature_names()
            .into_iter()
            .map(|(name, aggregate, over)| {
                let value = match (aggregate, &window.value) {
                    (Aggregate::Share, Some(value)) => format!(" {value}"),
                    _ => String::new(),
                };
                let says = format!(
                    "{} of {}{value} over {}",
                    aggregate.as_str(),
                    window.column,
                    length(over)
                );
                (name, says)
            })
    });
    let on_demand = view.on_demand.iter().map(|one| {
        (
            one.name.clone(),
            format!("on demand {}", plain(&one.expression)),
        )
    });
    columns.chain(windows).chain(on_demand).collect()
}

fn tags(view: &FeatureView) -> String {
    let each: Vec<String> = view
        .tags
        .iter()
        .map(|(key, value)| match value.as_str() {
            "" => key.clone(),
            value => format!("{key} = {value}"),
        })
        .collect();
    each.join(", ")
}

/// Microseconds as a person writes them: `4h`, `7d`, `90s`.
pub(super) fn length(us: i64) -> String {
    for (unit, size) in [
        ("w", 604_800_000_000),
        ("d", 86_400_000_000),
        ("h", 3_600_000_000),
        ("m", 60_000_000),
        ("s", 1_000_000),
    ] {
        // three days are no weeks, and a day is a day
        if us != 0 && us % size == 0 && (unit != "w" || us / size > 1) {
            return format!("{}{unit}", us / size);
        }
    }
    format!("{}ms", us / 1000)
}

/// SHA-256 of what decides values: the order of lines and words about the view do not count.
pub(super) fn digest(made: &ViewVersion) -> String {
    let mut lines: Vec<String> = facets(made)
        .into_iter()
        .filter(|facet| facet.counts)
        .map(|facet| format!("{}\0{}\n", facet.field, facet.says))
        .collect();
    lines.sort();
    hexadecimal(lines.concat().as_bytes())
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What two definitions differ in, field by field; none: all of the other one.
pub(super) fn changes(old: Option<&ViewVersion>, new: Option<&ViewVersion>) -> Vec<FieldChange> {
    let (old, new) = (
        old.map(facets).unwrap_or_default(),
        new.map(facets).unwrap_or_default(),
    );
    let mut changes = Vec::new();
    let find =
        |facets: &[Facet], field: &str| facets.iter().find(|one| one.field == field).cloned();
    let gone = old
        .iter()
        .filter(|facet| find(&new, &facet.field).is_none());
    for facet in new.iter().chain(gone) {
        let (was, is) = (find(&old, &facet.field), find(&new, &facet.field));
        let same = match (&was, &is) {
            // a type that is not known (yet) is no other type
            (Some(was), Some(is)) => {
                let known = |kind: Option<&'static str>| kind.filter(|kind| *kind != "unknown");
                was.says == is.says
                    && (known(was.kind).is_none()
                        || known(is.kind).is_none()
                        || was.kind == is.kind)
            }
            _ => false,
        };
        if !same {
            changes.push(FieldChange {
                field: facet.field.clone(),
                old: was.map(|one| one.shown()),
                new: is.map(|one| one.shown()),
            });
        }
    }
    changes
}

/// Whether words about the view are the same.
pub(super) fn same_words(old: &ViewVersion, new: &ViewVersion) -> bool {
    let words = |made: &ViewVersion| -> Vec<Facet> {
        facets(made)
            .into_iter()
            .filter(|facet| !facet.counts)
            .collect()
    };
    words(old) == words(new)
}

/// The lines of `trainyard.toml` that define the view.
pub(super) fn text(view: &FeatureView) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |texts: &[String]| {
        let each: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        format!("[{}]", each.join(", "))
    };
    let key = |name: &str| {
        let bare = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
        if bare && !name.is_empty() {
            name.to_owned()
        } else {
            quoted(name)
        }
    };
    let name = view.name.split('@').next().unwrap_or(&view.name);
    let mut lines = vec![format!("[feature_view.{}]", key(name))];
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{key} = {}", quoted(value)));
        }
    };
    put("description", &view.description);
    put("owner", &view.owner);
    put("dataset", &view.dataset);
    put("timestamp", &view.event_time);
    put(
        "available_at",
        view.available_at.as_deref().unwrap_or_default(),
    );
    put("ttl", &view.ttl.map(length).unwrap_or_default());
    let allowed = view.allowed_lateness.map(length).unwrap_or_default();
    put("allowed_lateness", &allowed);
    if let Some(sql) = &view.sql {
        lines.push(format!("sql = {}", quoted(sql)));
    }
    if !view.tags.is_empty() {
        let each: Vec<String> = view
            .tags
            .iter()
            .map(|(tag, value)| format!("{} = {}", key(tag), quoted(value)))
            .collect();
        lines.push(format!("tags = {{ {} }}", each.join(", ")));
    }
    if !view.entity.keys.is_empty() {
        lines.push(format!(
            "entity = {{ name = {}, key = {} }}",
            quoted(&view.entity.name),
            list(&view.entity.keys)
        ));
    }
    let columns: Vec<String> = view
        .columns
        .iter()
        .filter(|column| !view.derive.iter().any(|one| one.name == **column))
        .cloned()
        .collect();
    if !columns.is_empty() {
        lines.push(format!("features = {}", list(&columns)));
    }
    if !view.windows.is_empty() {
        lines.push("windows = [".to_owned());
        for window in &view.windows {
            let aggregates: Vec<String> = window
                .aggregates
                .iter()
                .map(|one| one.as_str().to_owned())
                .collect();
            let over: Vec<String> = window.over.iter().map(|(text, _)| text.clone()).collect();
            let value = window
                .value
                .as_ref()
                .map(|value| format!(", value = {}", quoted(value)))
                .unwrap_or_default();
            lines.push(format!(
                "  {{ column = {}, aggregates = {}, over = {}{value} }},",
                quoted(&window.column),
                list(&aggregates),
                list(&over)
            ));
        }
        lines.push("]".to_owned());
    }
    if !view.request.is_empty() {
        let each: Vec<String> = view
            .request
            .iter()
            .map(|one| format!("{} = {}", key(&one.name), quoted(&one.kind.to_string())))
            .collect();
        lines.push(format!("request = {{ {} }}", each.join(", ")));
    }
    for (table, list) in [("derive", &view.derive), ("on_demand", &view.on_demand)] {
        if !list.is_empty() {
            lines.push(format!("[feature_view.{}.{table}]", key(name)));
            for one in list {
                lines.push(format!("{} = {}", key(&one.name), quoted(&one.expression)));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::definitions::defined;
    use super::*;
    use crate::config;
    use crate::domain::dataset::ColumnKind;
    use crate::domain::feature_version::TypedFeature;

    const FILE: &str = r#"
[dataset.flights]
path = "flights.csv"
timestamp = "at"
[dataset.late]
sql = "select *, delay > 15 as late from flights"
timestamp = "at"
[feature_view.airport]
description = "of the airport"
owner = "ana"
tags = { team = "ops" }
entity = { name = "airport", key = ["origin"] }
dataset = "late"
features = ["delay"]
ttl = "2w"
windows = [
  { column = "late", aggregates = ["share"], over = ["3h"] },
  { column = "carrier", aggregates = ["share", "distinct"], over = ["90s"], value = "AA" },
]
request = { distance = "number" }
[feature_view.airport.derive]
pace = "distance / delay"
[feature_view.airport.on_demand]
far = "distance > 1000 and delay > 3"
"#;

    fn made(text: &str) -> ViewVersion {
        let config = config::parse(text).unwrap();
        defined(&config, &config.views[0])
    }

    #[test]
    fn the_text_of_a_definition_defines_the_same_view() {
        let one = made(FILE);
        let from = FILE.find("[feature_view").unwrap();
        let again = format!("{}{}", &FILE[..from], text(&one.view));
        assert_eq!(made(&again), one, "{again}");
    }

    #[test]
    fn words_do_not_make_a_version_and_everything_else_does() {
        let one = made(FILE);
        for (from, to) in [
            ("of the airport", "departures"),
            ("\"ana\"", "\"bo\""),
            ("team", "squad"),
        ] {
            let other = made(&FILE.replace(from, to));
            assert_eq!(other.digest, one.digest, "{to}");
            assert!(!same_words(&one, &other), "{to}");
        }
        for (from, to) in [
            ("> 15", "> 20"),
            ("2w", "1w"),
            ("flights.csv", "*.csv"),
            ("\"AA\"", "\"UA\""),
            ("90s", "2m"),
            ("> 1000", "> 2000"),
            ("\"number\"", "\"integer\""),
            ("[\"origin\"]", "[\"origin\", \"carrier\"]"),
        ] {
            assert_ne!(made(&FILE.replace(from, to)).digest, one.digest, "{to}");
        }
        assert_eq!(
            made(&FILE.replace("delay > 15", "delay  >\t15")).digest,
            one.digest
        );
    }

    #[test]
    fn changes_are_typed() {
        let mut one = made(FILE);
        let mut other = made(
            &FILE
                .replace("2w", "36h")
                .replace("features = [\"delay\"]", "features = [\"gate\"]"),
        );
        let typed = |name: &str, kind| TypedFeature {
            name: name.into(),
            kind,
        };
        one.types = vec![
            typed("delay", Some(ColumnKind::Integer)),
            typed("pace", Some(ColumnKind::Number)),
        ];
        other.types = vec![
            typed("gate", Some(ColumnKind::Text)),
            typed("pace", Some(ColumnKind::Text)),
        ];
        let said: Vec<String> = changes(Some(&one), Some(&other))
            .into_iter()
            .map(|one| {
                format!(
                    "{}: {:?} {:?}",
                    one.field,
                    one.old.unwrap_or_default(),
                    one.new.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                "ttl: \"2w\" \"36h\"",
                "feature gate: \"\" \"text, column\"",
                "feature pace: \"float64, derived\" \"text, derived\"",
                "feature delay: \"int64, column\" \"\"",
            ]
        );
    }
}
