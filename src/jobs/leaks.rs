//! The features that a pipeline learns from, held against what was known at some instants: one that knows more is a
//! violation, with the feature, an entity and the instant. Of large data a sample of entities is looked at.

use super::JobCtx;
use crate::data::leak::{self, Bounds, Checked, Leak};
use crate::domain::dataset::{Severity, Violation};
use crate::domain::job::{ValidateSpec, ViewUse};
use crate::domain::{Result, Timestamp};

/// What is looked at of each view.
const BOUNDS: Bounds = Bounds {
    instants: 3,
    entities: 2_000,
};

/// The features of the spec that know what could not be known in time. Views of which nothing says when their data became
/// known are named in the log.
pub fn violations(spec: &ValidateSpec, ctx: &mut JobCtx) -> Result<Vec<Violation>> {
    let Some(check) = &spec.leaks else {
        return Ok(Vec::new());
    };
    let schema = spec.schema.as_ref();
    let severity = schema
        .and_then(|schema| schema.leaks)
        .unwrap_or(Severity::Error);
    let mut found = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for used in &check.views {
        let name = used.view.name.as_str();
        // a view used in two roles is one view
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        ctx.check()?;
        if !leak::is_told(&used.source, &check.known) {
            ctx.log(
                "info",
                format!(
                    "feature view `{name}` is not looked at for leaks: neither `available_at` nor `known` of a dataset behind it says when its data became known"
                ),
            )?;
            continue;
        }
        ctx.progress(0.95, &format!("checking feature view {name} for leaks"));
        let checked = leak::check_some(&used.view, &used.source, &check.known, BOUNDS)?;
        let entities = entities(&checked);
        ctx.log(
            "info",
            format!(
                "feature view `{name}` was held against what was known at {} instants, for {entities}",
                checked.instants
            ),
        )?;
        let roles: Vec<&ViewUse> = (check.views.iter())
            .filter(|one| one.view.name == name)
            .collect();
        found.extend(of_view(&roles, &checked, severity));
    }
    Ok(found)
}

/// How many entities were looked at, in words.
fn entities(checked: &Checked) -> String {
    if checked.entities < checked.of {
        format!(
            "a sample of {} of {} entities",
            checked.entities, checked.of
        )
    } else {
        format!("{} entities", checked.of)
    }
}

/// One violation a feature that is used: of the instant where most entities differ.
fn of_view(roles: &[&ViewUse], checked: &Checked, severity: Severity) -> Vec<Violation> {
    let Some(view) = roles.first().map(|used| &used.view) else {
        return Vec::new();
    };
    let names = roles.iter().flat_map(|used| &used.features);
    let names: Vec<&String> = names.collect();
    // a feature on demand is made of others of its view
    let demanded = names.iter().any(|name| view.demanded(name).is_some());
    let mut found = Vec::new();
    for feature in view.stored_names() {
        if !demanded && !names.contains(&&feature) {
            continue;
        }
        let full = format!("{}:{feature}", view.name);
        let leaks = checked.leaks.iter().filter(|leak| leak.feature == full);
        if let Some(worst) = leaks.max_by_key(|leak| leak.differing) {
            found.push(violation(worst, checked, severity));
        }
    }
    found
}

fn violation(leak: &Leak, checked: &Checked, severity: Severity) -> Violation {
    let (entity, now, then) = &leak.example;
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    Violation {
        column: Some(leak.feature.clone()),
        rule: "leaks".to_owned(),
        severity,
        detail: format!(
            "it knows what nobody could know: as of {} it is {} for entity `{entity}`, and {} from what was known by then; {} of {} entities differ ({} looked at)",
            Timestamp(leak.as_of.div_euclid(1_000)),
            value(now),
            value(then),
            leak.differing,
            leak.entities,
            entities(checked),
        ),
        count: leak.differing,
        of: leak.entities,
        share: leak.differing as f64 / leak.entities.max(1) as f64,
        sample_rows: Vec::new(),
        samples: Vec::new(),
        limit: Some("what was known by the instant".to_owned()),
        limit_from: Some("`available_at` and `known` of the datasets behind the view".to_owned()),
        slice: None,
    }
}
