//! The runs pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Failure, Snapshot, Topic};
use crate::domain::ErrorKind;
use crate::domain::run::Pair;
use crate::tui::effect::{Effect, Then};
use crate::tui::fixture::{answer, app, picture, press, settle, wait};
use crate::tui::message::Message;
use crate::tui::theme::Markers;
use crate::tui::update::update;

#[test]
fn at_80x24() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j Space Space j Space k k k");
    settle(&mut app);
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn at_160x45() {
    let mut app = app(160, 45, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j Space Space j Space k k k");
    settle(&mut app);
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn at_60x15_one_part_at_a_time() {
    let mut app = app(60, 15, "mono", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j");
    settle(&mut app);
    let table = picture(&app);
    press(&mut app, "Tab");
    settle(&mut app);
    let chart = picture(&app);
    insta::assert_snapshot!(format!("{table}\n\n{chart}"));
}

#[test]
fn in_ascii() {
    let mut app = app(80, 24, "mono", Markers::Ascii);
    settle(&mut app);
    press(&mut app, "j Space Space");
    settle(&mut app);
    let shown = picture(&app);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn the_order_is_asked_of_the_daemon() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    let query = |app: &crate::tui::app::App| match &app.topics()[1] {
        Topic::Runs(query) => query.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        query(&app).order_by,
        "best",
        "the daemon knows which metric decides"
    );
    press(&mut app, "S");
    assert_eq!(query(&app).order_by, "metrics.val_auc ASC");
    press(&mut app, "/ v a l _ a u c > 0 . 8");
    assert_eq!(query(&app).filter, "metrics.val_auc > 0.8");
    press(&mut app, "Esc");
    assert_eq!(query(&app).filter, "");
}

#[test]
fn promoting_a_run_registers_it_first() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    let effects = press(&mut app, "j p");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send { command: Command::Register { run, model: None }, then: Then::Promote }]
                if run.as_str() == "brave-otter-id"
        ),
        "{effects:?}"
    );
}

#[test]
fn archiving_asks_first_and_can_be_undone() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    assert_eq!(press(&mut app, "j x y"), []);
    wait(&mut app, 400);
    let effects = press(&mut app, "y");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send {
                command: Command::Archive { restore: false, .. },
                then: Then::Undo { .. }
            }]
        ),
        "{effects:?}"
    );
}

#[test]
fn new_runs_are_counted_and_the_cursor_stays() {
    use crate::api::protocol::{Snapshot, Update};
    use crate::tui::message::Message;
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j j");
    let before = picture(&app);
    let mut table = crate::tui::fixture::runs();
    let mut new = table.rows[0].clone();
    new.id = "new-id".into();
    new.name = "new-newt".to_owned();
    table.rows.insert(0, new);
    table.total += 1;
    let topic = app.topics()[1].clone();
    let snapshot = Snapshot::Runs(table);
    let message = Message::Daemon(Box::new(Update::Snapshot { topic, snapshot }));
    crate::tui::update::update(&mut app, message);
    let after = picture(&app);
    assert!(after.contains("1 new, Home"), "{after}");
    assert!(!after.contains("new-newt"));
    let row = |text: &str| {
        text.lines()
            .find(|line| line.contains('▌'))
            .map(str::to_owned)
    };
    assert_eq!(row(&before), row(&after));
    press(&mut app, "g");
    assert!(picture(&app).contains("new-newt"));
}

fn query(app: &crate::tui::app::App) -> crate::domain::run::RunQuery {
    match &app.topics()[1] {
        Topic::Runs(query) => query.clone(),
        other => panic!("{other:?}"),
    }
}

/// Answers the pane's topic of runs with this table.
fn give(app: &mut crate::tui::app::App, table: crate::domain::run::RunTable) {
    use crate::api::protocol::{Snapshot, Update};
    let topic = app.topics()[1].clone();
    let snapshot = Snapshot::Runs(table);
    let update = Update::Snapshot { topic, snapshot };
    crate::tui::update::update(app, crate::tui::message::Message::Daemon(Box::new(update)));
}

/// Rows `offset` to `offset + 160` of a hundred thousand.
fn window(offset: u64) -> crate::domain::run::RunTable {
    let mut table = crate::tui::fixture::runs();
    let row = table.rows[0].clone();
    table.rows = (offset..(offset + 160).min(100_000))
        .map(|place| crate::domain::run::RunRow {
            id: format!("run-{place}").as_str().into(),
            name: format!("name-{place}"),
            ..row.clone()
        })
        .collect();
    (table.total, table.unfiltered, table.offset) = (100_000, 100_000, offset);
    table
}

#[test]
fn a_hundred_thousand_rows_come_in_windows_and_marks_survive_them() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    give(&mut app, window(0));
    press(&mut app, "j Space");
    assert_eq!(query(&app).offset, 0);
    press(&mut app, "G");
    let asked = query(&app);
    assert_eq!((asked.offset, asked.limit), (99_920, 160));
    assert!(picture(&app).contains('…'), "rows that are on their way");
    give(&mut app, window(asked.offset));
    let shown = picture(&app);
    assert!(shown.contains("name-99999"), "{shown}");
    assert!(
        shown.contains("◆ champion v12") || shown.contains("above"),
        "{shown}"
    );
    assert_eq!(
        query(&app).offset,
        asked.offset,
        "the answer asks for nothing more"
    );
    press(&mut app, "g");
    give(&mut app, window(0));
    let shown = picture(&app);
    assert!(
        shown.contains(" A name-0") || shown.contains("A name-0"),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_with_a_filter_stands_beside_it() {
    let mut app = app(120, 35, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "/ v a l _ a u c > h");
    let shown = picture(&app);
    let line = shown.lines().nth(1).unwrap_or_default().to_owned();
    assert!(
        line.contains("/val_auc>h") && line.contains("compare it with a number"),
        "{line}"
    );
    press(&mut app, "Esc / o t t e r");
    let line = picture(&app).lines().nth(1).unwrap_or_default().to_owned();
    assert!(line.contains("312 of 312 runs"), "{line}");
}

#[test]
fn a_difference_stands_only_where_both_were_judged_on_the_same_rows() {
    let mut app = app(120, 35, "dark", Markers::Auto);
    settle(&mut app);
    let mut table = crate::tui::fixture::runs();
    table.rows[1].unlike =
        Some("judged on other rows than the champion: `rows` 10, not 20".to_owned());
    give(&mut app, table);
    press(&mut app, "j j");
    settle(&mut app);
    let mut table = crate::tui::fixture::runs();
    table.rows[1].unlike =
        Some("judged on other rows than the champion: `rows` 10, not 20".to_owned());
    give(&mut app, table);
    let shown = picture(&app);
    let row = shown.lines().find(|line| line.contains('▌')).unwrap();
    assert!(
        row.contains("calm-heron") && !row.contains("+0.0108"),
        "{row}"
    );
    assert!(shown.contains("judged on other rows"), "{shown}");
}

#[test]
fn runs_by_user_say_whose_is_best() {
    let mut app = app(120, 35, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "B");
    wait(&mut app, 400);
    press(&mut app, "j Enter");
    settle(&mut app);
    insta::assert_snapshot!(picture(&app));
    press(&mut app, "Space");
    assert!(picture(&app).contains("1 marked: A brave-otter"));
    press(&mut app, "Enter");
    assert_eq!(query(&app).filter, "attributes.user_id = 'bo'");
    assert!(picture(&app).contains("filter attributes.user_id"));
}

#[test]
fn parameters_against_the_metric() {
    let mut app = app(120, 35, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j Space Space Tab ]");
    settle(&mut app);
    let scatter = picture(&app);
    press(&mut app, "w");
    assert!(picture(&app).contains("max_depth × val_auc"));
    press(&mut app, "] z");
    settle(&mut app);
    insta::assert_snapshot!(format!("{scatter}\n\n{}", picture(&app)));
}

#[test]
fn parents_unfold_while_the_newest_come_first() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "s s s s s s s s s");
    while query(&app).order_by != "attributes.start_time DESC" {
        press(&mut app, "s");
    }
    assert!(query(&app).roots, "children stand below their parents");
    let mut table = crate::tui::fixture::runs();
    table.rows[0].children = 2;
    give(&mut app, table);
    press(&mut app, "j");
    assert!(
        picture(&app).contains("▸ brave-otter (2)"),
        "{}",
        picture(&app)
    );
    press(&mut app, "+");
    let mut asked = app.topics();
    asked.retain(|topic| matches!(topic, Topic::Runs(query) if query.parent.is_some()));
    let snapshot = crate::tui::fixture::answer(&asked[0]).unwrap();
    crate::tui::update::update(
        &mut app,
        crate::tui::message::Message::Daemon(Box::new(crate::api::protocol::Update::Snapshot {
            topic: asked[0].clone(),
            snapshot,
        })),
    );
    let shown = picture(&app);
    assert!(
        shown.contains("▾ brave-otter (2)") && shown.contains("└ trial-1"),
        "{shown}"
    );
    press(&mut app, "j j");
    assert!(
        picture(&app)
            .lines()
            .any(|line| line.contains('▌') && line.contains("trial-1")),
        "{}",
        picture(&app)
    );
    press(&mut app, "-");
    let shown = picture(&app);
    assert!(!shown.contains("trial-1"), "{shown}");
    assert!(
        shown
            .lines()
            .any(|line| line.contains('▌') && line.contains("brave-otter"))
    );
}

#[test]
fn children_fold_in_every_order() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    let mut table = crate::tui::fixture::runs();
    table.rows[0].children = 2;
    give(&mut app, table.clone());
    press(&mut app, "j");
    assert!(!query(&app).roots, "by the metric every run stands alone");
    press(&mut app, "-");
    let asked = query(&app);
    assert!(asked.roots && asked.order_by == "best", "{asked:?}");
    give(&mut app, table);
    press(&mut app, "+");
    let below = app.topics().into_iter().find_map(|topic| match topic {
        Topic::Runs(query) if query.parent.is_some() => Some(query),
        _ => None,
    });
    assert_eq!(below.map(|query| query.order_by).as_deref(), Some("best"));
    press(&mut app, "+");
    assert!(!query(&app).roots);
    assert!(
        picture(&app).contains("every run stands alone; - folds children again"),
        "{}",
        picture(&app)
    );
}

#[test]
fn a_tag_is_set_as_it_was_seen_and_can_be_taken_back() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j m");
    wait(&mut app, 400);
    assert!(
        picture(&app).contains("Change brave-otter"),
        "{}",
        picture(&app)
    );
    press(&mut app, "j Enter");
    wait(&mut app, 400);
    let effects = press(&mut app, "t e a m = r e d Enter");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send { command: Command::TagRun { key, value: Some(value), seen: Some(seen), .. }, then: Then::Undo { undo, .. } }, ..]
                if key == "team" && value == "red" && seen.was.is_none()
                    && matches!(&**undo, Command::TagRun { value: None, seen: Some(seen), .. } if seen.was.as_deref() == Some("red"))
        ),
        "{effects:?}"
    );
    for own in ["m l f l o w . x = 1", "n o n e"] {
        press(&mut app, "m");
        wait(&mut app, 400);
        press(&mut app, "j Enter");
        wait(&mut app, 400);
        let effects = press(&mut app, &format!("{own} Enter"));
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::Send { .. })),
            "{effects:?}"
        );
    }
}

#[test]
fn archived_runs_are_seen_and_restored() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "E");
    wait(&mut app, 400);
    press(&mut app, "G Enter");
    assert!(query(&app).archived);
    settle(&mut app);
    let shown = picture(&app);
    assert!(shown.contains("archived runs of delay"), "{shown}");
    // the champion is not archived: it neither leads this list nor can be "restored", and then archived by undo
    let effects = press(&mut app, "x");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send {
                command: Command::Archive { restore: true, run },
                then: Then::Undo { .. }
            }] if run.as_str() == "brave-otter-id"
        ),
        "{effects:?}"
    );
}

#[test]
fn a_note_that_changed_meanwhile_is_shown_and_not_written_over() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    press(&mut app, "j");
    settle(&mut app);
    let Some((topic, Snapshot::Run(mut detail))) = app
        .topics()
        .into_iter()
        .find(|topic| matches!(topic, Topic::Run { .. }))
        .and_then(|topic| Some((topic.clone(), answer(&topic)?)))
    else {
        panic!("the run under the cursor is looked at");
    };
    let before = detail
        .run
        .tag("mlflow.note.content")
        .unwrap_or_default()
        .to_owned();
    press(&mut app, "a");
    wait(&mut app, 300);
    let effects = press(&mut app, "C-u m i n e Enter");
    let [Effect::Send { command, then }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert!(
        matches!(command, Command::Note { text, seen: Some(seen), .. } if text == "mine" && *seen == before),
        "{command:?}"
    );
    let refused = Message::Replied {
        command: Box::new(command.clone()),
        then: then.clone(),
        result: Err(Failure {
            kind: ErrorKind::Conflict,
            message: "the note was changed meanwhile".to_owned(),
        }),
    };
    update(&mut app, refused);
    detail
        .run
        .tags
        .retain(|tag| tag.key != "mlflow.note.content");
    detail.run.tags.push(Pair {
        key: "mlflow.note.content".to_owned(),
        value: "theirs".to_owned(),
    });
    crate::tui::panes::fixture::give(&mut app, topic, Snapshot::Run(detail));
    let shown = picture(&app);
    assert!(shown.contains("it says now: theirs"), "{shown}");
    wait(&mut app, 300);
    let effects = press(&mut app, "Enter");
    assert!(
        matches!(
        &effects[..],
        [Effect::Send { command: Command::Note { text, seen: Some(seen), .. }, .. }]
            if text == "mine" && seen == "theirs"
            ),
        "{effects:?}"
    );
}

#[test]
fn looks_of_the_runs_pane_are_there_again() {
    let mut first = app(120, 35, "dark", Markers::Auto);
    settle(&mut first);
    press(&mut first, "S j Space w } o");
    let looks = first.looks();
    let setup = crate::tui::app::Setup {
        remembered: Some(looks.clone()),
        ..crate::tui::app::Setup::default()
    };
    let again = crate::tui::app::App::new(setup, crate::tui::fixture::NOW, (120, 35));
    assert_eq!(query(&again).order_by, query(&first).order_by);
    let panes = |looks: &str| {
        serde_json::from_str::<serde_json::Value>(looks).unwrap()["panes"]["Runs"].clone()
    };
    assert_eq!(panes(&again.looks()), panes(&looks));
}
