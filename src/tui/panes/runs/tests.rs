//! The runs pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Topic};
use crate::tui::effect::{Effect, Then};
use crate::tui::fixture::{app, picture, press, settle, wait};
use crate::tui::theme::Markers;

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
    assert_eq!(query(&app).order_by, "metrics.val_auc DESC");
    press(&mut app, "S");
    assert_eq!(query(&app).order_by, "metrics.val_auc ASC");
    press(&mut app, "/ a u c > 0 . 8");
    assert_eq!(query(&app).filter, "metrics.auc > 0.8");
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
