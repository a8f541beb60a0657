//! Bringing a generation up to date gives what reading everything again gives: random facts in random files, some of them
//! late, with and without an availability time.

use super::batch::Batch;
use super::merge::{self, Rules};
use super::newest::newest;
use super::*;
use crate::data::source;
use crate::domain::feature::{Aggregate, Entity, FeatureView, WindowSpec};
use crate::domain::job::{DataSource, MaterializeSpec};
use crate::domain::online::{Reading, Since};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const MINUTE: i64 = 60_000_000;

/// Entity, event time, how much later it was known, value in halves; all times in minutes.
type Fact = (Option<u8>, i64, i64, Option<i64>);

fn fact() -> impl Strategy<Value = Fact> {
    (
        prop_oneof![9 => (0u8..4).prop_map(Some), 1 => Just(None)],
        0i64..60,
        0i64..15,
        prop_oneof![5 => (-20i64..20).prop_map(Some), 1 => Just(None)],
    )
}

fn write(folder: &Path, name: &str, facts: &[Fact]) {
    let mut text = String::from("who,at,known,value\n");
    for (who, at, later, value) in facts {
        let time = |minutes: i64| instant::format(minutes * MINUTE, true);
        let who = who.map_or(String::new(), |who| format!("e{who}"));
        let value = value.map_or(String::new(), |value| (value as f64 / 2.0).to_string());
        text.push_str(&format!(
            "{who},{},{},{value}\n",
            time(*at),
            time(at + later)
        ));
    }
    let Some(stem) = name.strip_suffix(".parquet") else {
        return std::fs::write(folder.join(name), text).unwrap();
    };
    let csv = folder.join(format!("{stem}.csv"));
    std::fs::write(&csv, text).unwrap();
    // another order than that of the view
    let names = ["value", "known", "who", "at"].map(str::to_owned);
    let frame = source::read(std::slice::from_ref(&csv), None).unwrap();
    let frame = frame.select(&names).unwrap();
    frame.write(&folder.join(name)).unwrap();
    std::fs::remove_file(csv).unwrap();
}

/// Every other file is Parquet.
fn named(number: usize) -> String {
    format!(
        "{number}.{}",
        if number.is_multiple_of(2) {
            "csv"
        } else {
            "parquet"
        }
    )
}

fn view(known: bool, windows: bool) -> FeatureView {
    let window = |column: &str, aggregates: &[Aggregate]| WindowSpec {
        column: column.into(),
        aggregates: aggregates.to_vec(),
        over: vec![("5m".into(), 5 * MINUTE), ("20m".into(), 20 * MINUTE)],
        ..WindowSpec::default()
    };
    use Aggregate::{Count, Last, Max, Mean, Sum};
    FeatureView {
        name: "v".into(),
        entity: Entity {
            name: "who".into(),
            keys: vec!["who".into()],
        },
        dataset: "facts".into(),
        event_time: "at".into(),
        available_at: known.then(|| "known".into()),
        columns: vec!["value".into()],
        windows: if windows {
            vec![window("value", &[Count, Sum, Mean, Max, Last])]
        } else {
            Vec::new()
        },
        ..FeatureView::default()
    }
}

fn spec(folder: &Path, view: &FeatureView, as_of: i64, since: Option<Since>) -> MaterializeSpec {
    MaterializeSpec {
        view: view.clone(),
        source: DataSource::Files(source::snapshot("facts", folder, "*", &[]).unwrap()),
        as_of: as_of * MINUTE,
        from: None,
        since,
    }
}

/// The same view over expressions of the files' rows: one statement, or derived columns over a statement. What halves come
/// to hangs on whether all files hold whole numbers.
fn over_sql(mut spec: MaterializeSpec, steps: usize) -> MaterializeSpec {
    let statements = [
        "select who, at, known, value, value / 2 as half from facts where value is null or value <> -3",
        "select *, (half * 2\n) as \"double\" from \"made\"",
    ];
    for (statement, name) in statements.iter().zip(["made", "derived"]).take(steps) {
        spec.source = DataSource::Sql {
            name: name.into(),
            sql: (*statement).into(),
            from: vec![spec.source],
        };
    }
    spec.view.columns.extend(
        ["half", "double"]
            .map(str::to_owned)
            .into_iter()
            .take(steps),
    );
    spec
}

fn since(reading: &Reading, as_of: i64) -> Since {
    Since {
        generation: 1,
        revision: 1,
        as_of: as_of * MINUTE,
        known: reading.known,
        files: reading.files.clone(),
    }
}

/// By entity: event time, when known, and values as the layout has them.
type Shown = BTreeMap<Vec<u8>, (Option<i64>, Option<i64>, Vec<String>)>;

fn shown(layout: &Layout, rows: &[OnlineRow]) -> Shown {
    rows.iter()
        .map(|row| {
            let values = Scalars::of(&row.body)
                .zip(&layout.columns)
                .map(|(value, column)| format!("{:?}", value.unwrap().of(column.kind)))
                .collect();
            (row.key.clone(), (row.event, row.created, values))
        })
        .collect()
}

/// What the store does: rows that were there meet rows that came.
fn met(before: &Batch, came: &Batch, reading: &Reading) -> (Layout, Vec<OnlineRow>) {
    let mut places: Vec<usize> = (0..reading.files.len()).collect();
    places.sort_by_key(|at| &reading.files[*at].stamp.path);
    let mut order = vec![0; places.len()];
    for (rank, at) in places.into_iter().enumerate() {
        order[at] = rank as u32;
    }
    let rules = Rules {
        order,
        windows: before.header.windows.clone(),
        empty: [&came.header.empty, &before.header.empty]
            .into_iter()
            .find(|empty| !empty.is_empty())
            .cloned()
            .unwrap_or_default(),
    };
    let rows = before.rows().unwrap().into_iter();
    let mut there: BTreeMap<Vec<u8>, OnlineRow> = rows.map(|row| (row.key.clone(), row)).collect();
    let mut rows = Vec::new();
    for row in came.rows().unwrap() {
        rows.push(match there.remove(&row.key) {
            Some(old) => merge::meet(old, row, &rules).unwrap(),
            None => row,
        });
    }
    for row in there.into_values() {
        rows.push(merge::alone(row, &rules).unwrap());
    }
    let layout = if before.header.layout.columns.is_empty() {
        came.header.layout.clone()
    } else {
        before.header.layout.widened(&came.header.layout)
    };
    (layout, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn a_generation_brought_up_to_date_is_what_everything_read_again_gives(
        files in prop::collection::vec((prop::collection::vec(fact(), 1..12), any::<bool>()), 1..6),
        first in 0i64..70,
        then in 0i64..40,
        known: bool,
        windows: bool,
        steps in 0usize..3,
        whole_numbers: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let view = view(known, windows);
        let spec = |as_of, since| over_sql(spec(folder.path(), &view, as_of, since), steps);
        let put = |number: usize, facts: &[Fact]| {
            let mut facts = facts.to_vec();
            if whole_numbers && number > 0 {
                facts.iter_mut().for_each(|fact| fact.3 = fact.3.map(|value| value * 2));
            }
            write(folder.path(), &named(number), &facts);
        };
        // files of either half lie between each other by name
        for (number, (facts, _)) in files.iter().enumerate().filter(|(at, (_, early))| *early || *at == 0) {
            put(number, facts);
        }
        let before = newest(&spec(first, None), &mut |_, _| {}).unwrap();
        for (number, (facts, _)) in files.iter().enumerate() {
            put(number, facts);
        }
        let now = first + then;
        let came = newest(&spec(now, Some(since(&before.reading, first))), &mut |_, _| {}).unwrap();
        // what new files do to types is done to all rows
        prop_assert!(came.reading.incremental || (steps > 0 && came.reading.whole.is_some()));
        let (layout, rows) = if came.reading.incremental {
            met(&before.batch, &came.batch, &came.reading)
        } else {
            (came.batch.header.layout.clone(), came.batch.rows().unwrap())
        };
        let whole = newest(&spec(now, None), &mut |_, _| {}).unwrap();
        // whole numbers and numbers of one column may have been of two minds
        let layout = layout.widened(&whole.batch.header.layout);
        let whole_layout = whole.batch.header.layout.widened(&layout);
        prop_assert_eq!(shown(&layout, &rows), shown(&whole_layout, &whole.batch.rows().unwrap()));
        prop_assert_eq!(came.reading.known, whole.reading.known);
        prop_assert!(whole.reading.equality.values().all(|(equal, checked)| equal == checked));
        // and that is what SQLite makes of all rows at once
        let at_once = crate::data::table::newest(&spec(now, None)).unwrap();
        for name in whole.table.names() {
            prop_assert_eq!(whole.table.texts(&name).unwrap(), at_once.texts(&name).unwrap());
        }
    }
}

/// The windows of a row, as numbers.
fn windows_of(batch: &Batch, row: &OnlineRow) -> Vec<Option<f64>> {
    let values: Vec<Scalar<'_>> = Scalars::of(&row.body).collect::<Result<_>>().unwrap();
    let number = |value: &Scalar<'_>| match value.of(crate::domain::dataset::ColumnKind::Number) {
        Scalar::Number(number) => Some(number),
        _ => None,
    };
    batch
        .header
        .windows
        .iter()
        .map(|at| number(&values[*at]))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_a_push_counts_is_what_reading_everything_gives(
        files in prop::collection::vec(prop::collection::vec(fact(), 1..12), 1..4),
        pushes in prop::collection::vec((prop::collection::vec(fact(), 1..5), 0i64..10), 1..6),
        first in 0i64..70,
        known: bool,
        materialized: bool,
        steps in 0usize..3,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let view = view(known, true);
        let spec = |as_of| over_sql(spec(folder.path(), &view, as_of, None), steps);
        for (number, facts) in files.iter().enumerate() {
            let mut facts = facts.clone();
            // entities and numbers from the start, as no push changes a type
            facts.push((Some(0), 0, 0, Some(1)));
            write(folder.path(), &named(number), &facts);
        }
        let begun = spec(first);
        let before = newest(&begun, &mut |_, _| {}).unwrap();
        let had = materialized.then_some(before.reading.files.as_slice());
        let mut recent = recent::Recent::load(&begun.view, &begun.source, had, None, first * MINUTE).unwrap();
        let mut now = first;
        for (number, (facts, later)) in pushes.iter().enumerate() {
            now += later;
            let name = format!("9{number}.csv");
            write(folder.path(), &name, facts);
            let came = source::read(&[folder.path().join(&name)], None).unwrap();
            let facts = recent.facts(&came).unwrap();
            let entities = recent.entities(&facts).unwrap();
            recent.add(facts, now * MINUTE).unwrap();
            let counted = recent.values(&entities, now * MINUTE).unwrap();
            let whole = newest(&spec(now), &mut |_, _| {}).unwrap().batch;
            let of_counted = counted.rows().unwrap();
            for row in &whole.rows().unwrap() {
                let Some(own) = of_counted.iter().find(|own| own.key == row.key) else {
                    prop_assert!(!entities.contains(&row.key) || row.event.is_none() || materialized);
                    continue;
                };
                prop_assert_eq!(windows_of(&counted, own), windows_of(&whole, row));
                // what no window reaches is in the store already
                prop_assert!(own.event <= row.event && (materialized || own.event == row.event));
            }
        }
    }
}

#[test]
fn only_what_is_new_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let plain = view(false, false);
    write(folder.path(), "1.csv", &[(Some(1), 1, 0, Some(2))]);
    write(folder.path(), "2.csv", &[(Some(2), 30, 0, Some(4))]);
    let before = newest(&spec(folder.path(), &plain, 40, None), &mut |_, _| {}).unwrap();
    assert_eq!(
        (before.reading.files_read, before.watermark),
        (2, Some(30 * MINUTE))
    );
    let again = |view: &FeatureView, as_of| {
        let since = since(&before.reading, 40);
        newest(
            &spec(folder.path(), view, as_of, Some(since)),
            &mut |_, _| {},
        )
        .unwrap()
    };
    assert_eq!(again(&plain, 45).reading.files_read, 0);
    // a window of 20 minutes reaches back into the second file alone
    assert_eq!(again(&view(false, true), 45).reading.files_read, 1);
    assert_eq!(again(&view(false, true), 55).reading.files_read, 0);
    write(folder.path(), "3.csv", &[(Some(1), 41, 0, Some(6))]);
    let after = again(&plain, 45);
    assert_eq!(
        (after.reading.files_read, after.batch.header.rows as usize),
        (1, 1)
    );
    assert_eq!(after.batch.rows().unwrap()[0].source, 2);
    // a file that changed took its facts with it
    write(folder.path(), "1.csv", &[(Some(1), 2, 0, Some(2))]);
    let whole = again(&plain, 45);
    assert!(!whole.reading.incremental);
    assert_eq!(whole.reading.files_read, 3);
}

#[test]
fn sql_that_looks_at_one_row_is_read_file_by_file_and_other_sql_whole() {
    let folder = tempfile::tempdir().unwrap();
    let plain = view(false, false);
    write(folder.path(), "1.csv", &[(Some(1), 1, 0, Some(2))]);
    let made = |since| over_sql(spec(folder.path(), &plain, 45, since), 2);
    let before = newest(&made(None), &mut |_, _| {}).unwrap();
    assert_eq!(before.reading.whole, None);
    let again = || newest(&made(Some(since(&before.reading, 45))), &mut |_, _| {}).unwrap();
    write(folder.path(), "2.csv", &[(Some(2), 30, 0, Some(4))]);
    let after = again();
    assert_eq!(
        (
            after.reading.files_read,
            after.reading.files.len(),
            after.batch.header.rows as usize
        ),
        (1, 2, 1)
    );
    // a number among whole ones changes what `/` means for all of them
    write(folder.path(), "3.csv", &[(Some(3), 30, 0, Some(5))]);
    let whole = again();
    assert_eq!(
        (whole.reading.files_read, whole.reading.incremental),
        (3, false)
    );
    let why = whole.reading.whole.unwrap();
    assert!(why.contains("`value`") && why.contains("integer"), "{why}");
    // SQL that groups says so
    let mut grouped = spec(folder.path(), &plain, 45, None);
    grouped.source = DataSource::Sql {
        name: "grouped".into(),
        sql: "select who, at, sum(value) as value from facts group by who, at".into(),
        from: vec![grouped.source],
    };
    let mut told = Vec::new();
    let whole = newest(&grouped, &mut |_, doing| told.push(doing.to_owned())).unwrap();
    assert!(whole.reading.whole.unwrap().contains("calls `sum`"));
    assert!(
        told[0].contains("reading all of grouped") && told[0].contains("`sum`"),
        "{told:?}"
    );
}

#[test]
fn pushed_rows_that_were_put_together_are_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let pushed = folder.path().join(".trainyard/pushed/facts");
    std::fs::create_dir_all(&pushed).unwrap();
    for number in 1..4 {
        let fact = (Some(number), i64::from(number), 0, Some(i64::from(number)));
        write(&pushed, &format!("{number:06}.parquet"), &[fact]);
    }
    let plain = view(false, false);
    let spec = |since| {
        let mut made = spec(&pushed, &plain, 45, since);
        if let DataSource::Files(snapshot) = &mut made.source {
            let paths = snapshot.files.iter().map(|file| file.path.clone().into());
            let (kept, _) = crate::data::segment::in_force(paths);
            snapshot
                .files
                .retain(|file| kept.contains(&file.path.clone().into()));
        }
        made
    };
    let before = newest(&spec(None), &mut |_, _| {}).unwrap();
    let again = || newest(&spec(Some(since(&before.reading, 45))), &mut |_, _| {}).unwrap();
    let all: Vec<Fact> = (1..4)
        .map(|number| (Some(number), i64::from(number), 0, Some(i64::from(number))))
        .collect();
    write(&pushed, "000001-000003.parquet", &all);
    let after = again();
    assert!(after.reading.incremental, "{:?}", after.reading.whole);
    assert_eq!(
        (after.reading.files_read, after.batch.header.rows as usize),
        (0, 0)
    );
    assert!(
        after.reading.files[2]
            .stamp
            .path
            .ends_with("000001-000003.parquet")
    );
    // with rows that were not read before it is told, and everything is read
    std::fs::rename(
        pushed.join("000001-000003.parquet"),
        pushed.join("000001-000004.parquet"),
    )
    .unwrap();
    let whole = again();
    assert!(!whole.reading.incremental && whole.reading.files_read == 1);
    assert!(whole.reading.whole.unwrap().contains("000001-000004"));
}

#[test]
fn late_facts_are_taken_in_as_far_as_they_are_allowed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let strict = FeatureView {
        allowed_lateness: Some(10 * MINUTE),
        ..view(false, false)
    };
    write(folder.path(), "1.csv", &[(Some(1), 30, 0, Some(2))]);
    let before = newest(&spec(folder.path(), &strict, 40, None), &mut |_, _| {}).unwrap();
    let facts = [
        (Some(2), 19, 0, Some(4)),
        (Some(3), 20, 0, Some(4)),
        (Some(4), 31, 0, Some(4)),
    ];
    write(folder.path(), "2.csv", &facts);
    let going_on = spec(folder.path(), &strict, 40, Some(since(&before.reading, 40)));
    let after = newest(&going_on, &mut |_, _| {}).unwrap();
    assert_eq!((after.reading.late, after.reading.too_late), (1, 1));
    assert_eq!(after.batch.header.rows as usize, 2);
    // a push leaves the same fact out of the windows
    let counting = FeatureView {
        allowed_lateness: Some(10 * MINUTE),
        ..view(false, true)
    };
    let had = Some(before.reading.files.as_slice());
    for (watermark, expected) in [(before.reading.known, 2), (None, 3)] {
        let recent = recent::Recent::load(&counting, &going_on.source, had, watermark, 40 * MINUTE);
        let mut recent = recent.unwrap();
        let came = source::read(&[folder.path().join("2.csv")], None).unwrap();
        let facts = recent.facts(&came).unwrap();
        let entities = recent.entities(&facts).unwrap();
        recent.add(facts, 40 * MINUTE).unwrap();
        let counted = recent.values(&entities, 40 * MINUTE).unwrap();
        assert_eq!(counted.header.rows, expected);
    }
    let from = MaterializeSpec {
        from: Some(25 * MINUTE),
        ..spec(folder.path(), &strict, 40, None)
    };
    assert_eq!(
        newest(&from, &mut |_, _| {}).unwrap().batch.header.rows as usize,
        2
    );
}
