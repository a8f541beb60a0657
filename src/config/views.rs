//! `[feature_view.NAME]` -> [`FeatureView`], with what can be said of it without looking at data.

use super::read::{Section, shown};
use super::words::{closest, duration_ms};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{Aggregate, Derived, Entity, FeatureView, RequestInput, WindowSpec};
use std::collections::BTreeMap;

/// What a value that comes with a request may be.
const KINDS: [(&str, ColumnKind); 5] = [
    ("integer", ColumnKind::Integer),
    ("number", ColumnKind::Number),
    ("text", ColumnKind::Text),
    ("boolean", ColumnKind::Boolean),
    ("time", ColumnKind::Time),
];

/// Where the parts of a view stand in the file: `feature_view.NAME`, `feature_view.NAME.derive.x`, … to a line.
pub(super) type Lines = BTreeMap<String, usize>;

pub(super) fn read_view(name: String, section: Section<'_, '_>, lines: &mut Lines) -> FeatureView {
    let line = |place: usize| section.problems.place(place).0;
    lines.insert(section.name.clone(), line(section.offset));
    for key in ["sql", "dataset"] {
        lines.insert(section.full(key), line(section.place_of(key)));
    }
    let entity = section.section("entity").map(read_entity);
    let windows: Vec<WindowSpec> = section
        .list("windows")
        .into_iter()
        .map(|window| read_window(&name, window))
        .collect();
    let derive = read_expressions(&section, "derive", lines);
    let on_demand = read_expressions(&section, "on_demand", lines);
    let request = read_request(&section);
    let sql = section.text("sql");
    let dataset = match &sql {
        None => section.need_text("dataset", "name the [dataset.…] it reads, or give `sql`"),
        Some(_) => section.text("dataset").unwrap_or_default(),
    };
    if sql.is_some() && !dataset.is_empty() {
        section.problems.add(
            section.place_of("sql"),
            format!("`{}` has both `dataset` and `sql`", section.name),
            "keep one: the sql names the datasets that it reads",
        );
    }
    let mut columns = section.texts("features").unwrap_or_default();
    for one in &derive {
        // what only windows count is no feature by itself
        let counted = windows.iter().any(|window| window.column == one.name);
        if !counted && !columns.contains(&one.name) {
            columns.push(one.name.clone());
        }
    }
    let view = FeatureView {
        version: 0,
        description: section.text("description").unwrap_or_default(),
        owner: section.text("owner").unwrap_or_default(),
        tags: read_tags(&section),
        entity: entity.unwrap_or_else(|| Entity {
            name: "all".to_owned(),
            keys: Vec::new(),
        }),
        dataset,
        sql,
        event_time: section.text("timestamp").unwrap_or_default(),
        available_at: section.text("available_at"),
        known_as_of: Some(section.flag("known_as_of", true)).filter(|known| !known),
        derive,
        columns,
        windows,
        on_demand,
        request,
        ttl: section.duration("ttl").map(|ms| ms * 1000),
        allowed_lateness: section.duration("allowed_lateness").map(|ms| ms * 1000),
        name,
    };
    check(&view, &section);
    section.finish();
    view
}

/// What is wrong with the names of a view's features.
fn check(view: &FeatureView, section: &Section<'_, '_>) {
    let add = |key: &str, message: String, hint: &str| {
        section
            .problems
            .add(section.place_of(key), message, hint.to_owned());
    };
    if view.name.contains(['@', ':']) {
        add(
            "",
            format!("`{}` has `@` or `:` in its name", section.name),
            "features are called `view:feature`, versions `view@2`: choose another name",
        );
    }
    if view.sql.is_some() && view.event_time.is_empty() {
        add(
            "sql",
            format!("`{}` has `sql` and no `timestamp`", section.name),
            "name the column of its rows with the instant",
        );
    }
    if view.columns.is_empty() && view.windows.is_empty() {
        let hint = if view.on_demand.is_empty() {
            "give `features = [\"column\"]`, `[feature_view.NAME.derive]` or `[[feature_view.NAME.windows]]`"
        } else {
            "features on demand are computed from others: give `features = [\"column\"]`"
        };
        add("", format!("`{}` has no features", section.name), hint);
    }
    let names = view.feature_names();
    for (place, name) in names.iter().enumerate() {
        if names[..place].contains(name) {
            add(
                if view.demanded(name).is_some() {
                    "on_demand"
                } else {
                    "features"
                },
                format!("`{}` has two features called `{name}`", section.name),
                "give each a name of its own",
            );
        }
        if view.entity.keys.contains(name) {
            add(
                "features",
                format!(
                    "`{}`: `{name}` is a key of its entity and no feature",
                    section.name
                ),
                "leave it out of the features",
            );
        }
    }
    for input in &view.request {
        if names.contains(&input.name) {
            add(
                "request",
                format!(
                    "`{}`: `{}` comes with the request and is a feature as well",
                    section.name, input.name
                ),
                "give one of them another name",
            );
        }
    }
    if !view.request.is_empty() && view.on_demand.is_empty() {
        add(
            "request",
            format!(
                "`{}` asks requests for values that nothing uses",
                section.name
            ),
            "they are for `[feature_view.NAME.on_demand]`",
        );
    }
}

fn read_entity(entity: Section<'_, '_>) -> Entity {
    let read = Entity {
        name: entity.need_text(
            "name",
            "write entity = { name = \"airport\", key = \"origin\" }",
        ),
        keys: entity.texts("key").unwrap_or_default(),
    };
    for (place, key) in read.keys.iter().enumerate() {
        if read.keys[..place].contains(key) {
            entity.problems.add(
                entity.place_of("key"),
                format!("`{}` names the key `{key}` twice", entity.name),
                "one column per key",
            );
        }
    }
    entity.finish();
    read
}

/// `["pii", "ops"]` or `{ team = "ops" }`.
fn read_tags(section: &Section<'_, '_>) -> BTreeMap<String, String> {
    let Some(value) = section.value("tags") else {
        return BTreeMap::new();
    };
    if value.as_table().is_none() {
        let words = section.texts("tags").unwrap_or_default();
        return words.into_iter().map(|tag| (tag, String::new())).collect();
    }
    let Some(table) = section.section("tags") else {
        return BTreeMap::new();
    };
    let mut tags = BTreeMap::new();
    for (key, value) in table.entries() {
        match value.as_str() {
            Some(text) => drop(tags.insert(key, text.to_owned())),
            None => table.problems.add(
                value.span.start,
                format!("the tag `{}` must be text in quotes", table.full(&key)),
                "write tags = { team = \"ops\" }",
            ),
        }
    }
    tags
}

/// `[feature_view.x.derive]`, `[feature_view.x.on_demand]`: name to expression, in the file's order.
fn read_expressions(
    section: &Section<'_, '_>,
    key: &'static str,
    lines: &mut Lines,
) -> Vec<Derived> {
    let Some(table) = section.section(key) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in table.entries() {
        lines.insert(table.full(&name), table.problems.place(value.span.start).0);
        match value.as_str().map(str::trim) {
            Some("") => table.problems.add(
                value.span.start,
                format!("`{}` is empty", table.full(&name)),
                "write an SQL expression such as \"distance / air_time\"",
            ),
            Some(expression) => found.push(Derived {
                name,
                expression: expression.to_owned(),
            }),
            None => table.problems.add(
                value.span.start,
                format!(
                    "`{}` must be an SQL expression in quotes",
                    table.full(&name)
                ),
                "write name = \"distance / air_time\"",
            ),
        }
    }
    found
}

/// `request = { distance = "number" }`.
fn read_request(section: &Section<'_, '_>) -> Vec<RequestInput> {
    let Some(table) = section.section("request") else {
        return Vec::new();
    };
    let mut inputs = Vec::new();
    for (name, value) in table.entries() {
        let said = value.as_str().unwrap_or_default();
        match KINDS.iter().find(|(word, _)| *word == said) {
            Some((_, kind)) => inputs.push(RequestInput { name, kind: *kind }),
            None => {
                let known: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
                table.problems.add(
                    value.span.start,
                    format!("`{}` names no type", table.full(&name)),
                    match closest(said, known.iter().copied()) {
                        Some(near) if !said.is_empty() => format!("did you mean \"{near}\"?"),
                        _ => format!("known: {}", known.join(", ")),
                    },
                );
            }
        }
    }
    inputs
}

fn read_window(view: &str, section: Section<'_, '_>) -> WindowSpec {
    let mut aggregates = Vec::new();
    for name in section.texts("aggregates").unwrap_or_default() {
        let known = Aggregate::ALL.map(Aggregate::as_str);
        match Aggregate::ALL
            .into_iter()
            .find(|aggregate| aggregate.as_str() == name)
        {
            Some(aggregate) if aggregates.contains(&aggregate) => section.problems.add(
                section.place_of("aggregates"),
                format!("a window of `{view}` has `{name}` twice"),
                "once is enough",
            ),
            Some(aggregate) => aggregates.push(aggregate),
            None => section.problems.add(
                section.place_of("aggregates"),
                format!("there is no aggregate `{name}`"),
                match closest(&name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", known.join(", ")),
                },
            ),
        }
    }
    let mut over = Vec::new();
    for text in section.texts("over").unwrap_or_default() {
        match duration_ms(&text) {
            Some(length) if length > 0 => over.push((text, length * 1000)),
            _ => section.problems.add(
                section.place_of("over"),
                format!("`{text}` is no length of time"),
                "write \"3h\" or \"7d\"",
            ),
        }
    }
    if aggregates.is_empty() || over.is_empty() {
        section.problems.add(
            section.offset,
            format!("a window of `{view}` needs `column`, `aggregates` and `over`"),
            "for example { column = \"delay\", aggregates = [\"mean\"], over = [\"3h\"] }",
        );
    }
    let value = section.value("value").map(shown);
    if value.is_some() && !aggregates.contains(&Aggregate::Share) {
        section.problems.add(
            section.place_of("value"),
            format!("a window of `{view}` has a `value` that no aggregate counts"),
            "it is for aggregates = [\"share\"]",
        );
    }
    let window = WindowSpec {
        column: section.need_text("column", "name the column to aggregate"),
        aggregates,
        over,
        value,
    };
    section.finish();
    window
}
