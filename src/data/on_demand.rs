//! Features on demand: computed from a view's other features and what the request brings, offline on all rows of a join,
//! online on one. Knows no files.

use super::sql::{Expressions, words};
use super::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::{Derived, FeatureView};
use arrow_array::{ArrayRef, Float64Array, TimestampMicrosecondArray};
use std::sync::Arc;

/// The features of `view` that the features on demand called `names` are computed from, and what requests have to bring
/// for them: (features, request inputs with their types), each in the view's order.
pub fn needs(view: &FeatureView, names: &[String]) -> (Vec<String>, Vec<(String, ColumnKind)>) {
    let used: Vec<String> = names
        .iter()
        .filter_map(|name| view.demanded(name))
        .flat_map(|one| words(&one.expression))
        .map(|word| word.text)
        .collect();
    let is_used = |name: &str| used.iter().any(|word| word.eq_ignore_ascii_case(name));
    let mut features = view.stored_names();
    features.retain(|name| is_used(name));
    let request = view
        .request
        .iter()
        .filter(|input| is_used(&input.name))
        .map(|input| (input.name.clone(), input.kind))
        .collect();
    (features, request)
}

/// The features on demand called `names`, ready to be evaluated; `kind` tells the type of a feature that they are computed
/// from. Inputs: first those features, then what the request brings, as [`needs`] lists them.
pub fn compile(
    view: &FeatureView,
    names: &[String],
    kind: &dyn Fn(&str) -> ColumnKind,
) -> Result<Expressions> {
    let (features, request) = needs(view, names);
    let mut inputs: Vec<(String, ColumnKind)> = features
        .into_iter()
        .map(|name| {
            let kind = kind(&name);
            (name, kind)
        })
        .collect();
    inputs.extend(request);
    let expressions: Vec<(String, String)> = names
        .iter()
        .filter_map(|name| view.demanded(name))
        .map(|Derived { name, expression }| (name.clone(), expression.clone()))
        .collect();
    Expressions::new(&expressions, &inputs).map_err(|error| about(view, &error))
}

fn about(view: &FeatureView, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("feature view `{}`: {error}", view.name))
}

/// The features `names` of `view` for `rows`, some of them on demand; `stored` looks up the others.
pub(super) fn join(
    view: &FeatureView,
    names: &[String],
    rows: &Frame,
    stored: &mut dyn FnMut(&[String]) -> Result<Vec<ArrayRef>>,
) -> Result<Vec<ArrayRef>> {
    let demanded: Vec<String> = names
        .iter()
        .filter(|name| view.demanded(name).is_some())
        .cloned()
        .collect();
    let (features, request) = needs(view, &demanded);
    let mut wanted: Vec<String> = names
        .iter()
        .filter(|name| view.demanded(name).is_none())
        .cloned()
        .collect();
    for feature in features.iter().cloned() {
        if !wanted.contains(&feature) {
            wanted.push(feature);
        }
    }
    let found: Vec<(String, ArrayRef)> = if wanted.is_empty() {
        Vec::new()
    } else {
        let arrays = stored(&wanted)?;
        wanted.into_iter().zip(arrays).collect()
    };
    let mut columns: Vec<(String, ArrayRef)> = found
        .iter()
        .filter(|(name, _)| features.contains(name))
        .cloned()
        .collect();
    for (name, kind) in &request {
        let column = brought(rows, name, *kind).map_err(|error| about(view, &error))?;
        columns.push((name.clone(), column));
    }
    let inputs = Frame::from_columns_of(columns, rows.rows())?;
    let kinds: Vec<(String, ColumnKind)> = features
        .iter()
        .map(|name| Ok((name.clone(), inputs.kind(name)?)))
        .collect::<Result<_>>()?;
    let kind = |name: &str| {
        kinds
            .iter()
            .find(|(feature, _)| feature == name)
            .map_or(ColumnKind::Number, |(_, kind)| *kind)
    };
    let computed = compile(view, &demanded, &kind)?
        .rows(&inputs)
        .map_err(|error| about(view, &error))?;
    names
        .iter()
        .map(|name| match found.iter().find(|(there, _)| there == name) {
            Some((_, array)) => Ok(array.clone()),
            None => computed.column(name).cloned(),
        })
        .collect()
}

/// A column of the rows as the request would bring it.
fn brought(rows: &Frame, name: &str, kind: ColumnKind) -> Result<ArrayRef> {
    if !rows.has(name) {
        return Err(Error::new(format!(
            "the rows have no column `{name}`, which its features on demand need; they have {}",
            super::frame::quoted(&rows.names())
        )));
    }
    let there = rows.kind(name)?;
    Ok(match (kind, there) {
        (ColumnKind::Number, ColumnKind::Integer) => Arc::new(
            rows.numbers(name)?
                .into_iter()
                .map(|value| (!value.is_nan()).then_some(value))
                .collect::<Float64Array>(),
        ),
        (ColumnKind::Time, _) if there != ColumnKind::Time => {
            let times: TimestampMicrosecondArray = rows.times(name)?.into_iter().collect();
            Arc::new(times.with_timezone("UTC"))
        }
        _ if kind == there => rows.column(name)?.clone(),
        _ => {
            return Err(Error::new(format!(
                "the rows' column `{name}` is {there}, the request's `{name}` {kind}"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::feature::{Entity, RequestInput};
    use arrow_array::{Int64Array, StringArray};

    fn view() -> FeatureView {
        let one = |name: &str, expression: &str| Derived {
            name: name.into(),
            expression: expression.into(),
        };
        FeatureView {
            name: "weather".into(),
            entity: Entity {
                name: "airport".into(),
                keys: vec!["faa".into()],
            },
            event_time: "at".into(),
            columns: vec!["temp".into(), "wind".into(), "sky".into()],
            on_demand: vec![
                one("chill", "temp - wind * exposure"),
                one("grim", "sky = 'OVC' and temp < 5"),
            ],
            request: vec![RequestInput {
                name: "exposure".into(),
                kind: ColumnKind::Number,
            }],
            ..FeatureView::default()
        }
    }

    fn facts() -> Frame {
        let times: TimestampMicrosecondArray = vec![Some(10), Some(20)].into_iter().collect();
        Frame::from_columns(vec![
            (
                "faa".into(),
                Arc::new(StringArray::from(vec!["JFK", "JFK"])) as ArrayRef,
            ),
            ("at".into(), Arc::new(times)),
            ("temp".into(), Arc::new(Float64Array::from(vec![3.0, 9.5]))),
            (
                "wind".into(),
                Arc::new(Float64Array::from(vec![Some(2.0), None])),
            ),
            (
                "sky".into(),
                Arc::new(StringArray::from(vec!["OVC", "CLR"])),
            ),
        ])
        .unwrap()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_computed_on_demand_is_the_same_on_rows_and_on_one() {
        let rows = Frame::from_columns(vec![
            (
                "airport".into(),
                Arc::new(StringArray::from(vec!["JFK", "JFK", "EWR"])) as ArrayRef,
            ),
            ("exposure".into(), Arc::new(Int64Array::from(vec![2, 3, 4]))),
        ])
        .unwrap();
        let at = Int64Array::from(vec![15, 25, 25]);
        let wanted = names(&["chill", "temp", "grim"]);
        let found = super::super::features::join(
            &view(),
            &facts(),
            &wanted,
            &rows,
            &names(&["airport"]),
            &at,
        )
        .unwrap();
        let frame = Frame::from_columns(wanted.iter().cloned().zip(found).collect()).unwrap();
        let all = |name: &str| frame.numbers(name).unwrap();
        assert_eq!(all("chill")[0], -1.0);
        assert!(all("chill")[1].is_nan() && all("chill")[2].is_nan());
        assert_eq!(all("grim")[..2], [1.0, 0.0]);
        assert_eq!(all("temp")[1], 9.5);

        let (features, request) = needs(&view(), &names(&["chill"]));
        assert_eq!(features, ["temp", "wind"]);
        assert_eq!(request, [("exposure".to_owned(), ColumnKind::Number)]);
        let one = compile(&view(), &names(&["chill"]), &|_| ColumnKind::Number).unwrap();
        let alone = one.json_row(&[3.0.into(), 2.0.into(), 2.into()]).unwrap();
        assert_eq!(alone, [serde_json::Value::from(-1.0)]);
    }

    #[test]
    fn rows_without_what_requests_bring_are_told() {
        let rows = Frame::from_columns(vec![(
            "faa".into(),
            Arc::new(StringArray::from(vec!["JFK"])) as ArrayRef,
        )])
        .unwrap();
        let error = super::super::features::join(
            &view(),
            &facts(),
            &names(&["chill"]),
            &rows,
            &names(&["faa"]),
            &Int64Array::from(vec![15]),
        )
        .unwrap_err()
        .0;
        assert!(
            error.contains("`weather`") && error.contains("`exposure`"),
            "{error}"
        );
    }
}
