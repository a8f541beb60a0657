//! The shell: messages in, effects out; what the furniture shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::app::{App, Overlay};
use super::effect::{Effect, Then};
use super::fixture::{app, overview, picture, press, settle, wait};
use super::message::{Link, Message};
use super::theme::Markers;
use super::update::update;
use crate::api::protocol::{Command, Failure, Reply, Snapshot, Topic, Update};
use crate::domain::registry::{AliasMove, MoveKind, PromotionPage, PromotionSide};
use crate::domain::trigger::{Check, Verdict};
use crate::domain::{ErrorKind, ModelName, Seen, Timestamp, Version};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

fn dashboard() -> App {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    app
}

fn page(passed: bool) -> PromotionPage {
    let side = |version, run_name: &str| PromotionSide {
        version: Version(version),
        run_name: run_name.to_owned(),
        metric: None,
        p95_ms: Some(3.1),
        serving_since: None,
        requests_per_s: None,
    };
    let check = |key: &str, name: &str, passed, detail: &str| Check {
        key: key.to_owned(),
        name: name.to_owned(),
        passed,
        detail: detail.to_owned(),
        pane: None,
    };
    PromotionPage {
        model: ModelName::from("delay"),
        alias: "champion".to_owned(),
        metric: Some("auc".to_owned()),
        now: Some(side(12, "quiet-fox")),
        then: side(13, "brave-otter"),
        changes: vec!["inputs none".to_owned(), "output none".to_owned()],
        verdict: Some(Verdict::of(vec![
            check(
                "better_on_holdout",
                "better on holdout",
                true,
                "auc 0.8011 → 0.8123",
            ),
            check(
                "data_like_production",
                "data like production",
                passed,
                "dep_delay PSI 0.31 > 0.25",
            ),
        ])),
        deployments: vec!["delay".to_owned()],
    }
}

fn replied(app: &mut App, command: Command, then: Then, reply: Reply) -> Vec<Effect> {
    update(
        app,
        Message::Replied {
            command: Box::new(command),
            then,
            result: Ok(Box::new(reply)),
        },
    )
}

fn open_page(app: &mut App, passed: bool) {
    let command = Command::PreviewPromotion {
        model: ModelName::from("delay"),
        version: Version(13),
    };
    let reply = Reply::Page(Box::new(page(passed)));
    replied(app, command, Then::Page { back: false }, reply);
}

#[test]
fn a_passed_gate_promotes_by_y_and_not_before_the_guard() {
    let mut app = dashboard();
    open_page(&mut app, true);
    assert_eq!(press(&mut app, "y"), []);
    wait(&mut app, 300);
    let effects = press(&mut app, "y");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send {
                command: Command::Promote { force: false, .. },
                then: Then::Moved
            }]
        ),
        "{effects:?}"
    );
}

#[test]
fn enter_presses_cancel_and_pasted_text_does_nothing() {
    let mut app = dashboard();
    open_page(&mut app, true);
    wait(&mut app, 300);
    assert_eq!(update(&mut app, Message::Paste("y".to_owned())), []);
    assert!(matches!(app.overlay, Overlay::Dialog(_)));
    assert_eq!(press(&mut app, "Enter"), []);
    assert!(matches!(app.overlay, Overlay::None));
}

#[test]
fn a_failed_gate_wants_the_version_typed_and_a_reason() {
    let mut app = dashboard();
    open_page(&mut app, false);
    wait(&mut app, 300);
    insta::assert_snapshot!(picture(&app));
    // y is a letter of the field here
    assert_eq!(
        press(&mut app, "y C-u v 1 2 Enter o k Enter Right Enter"),
        []
    );
    assert!(picture(&app).contains("type v13"));
    update(&mut app, Message::Paste("v13".to_owned()));
    let effects = press(&mut app, "S-Tab S-Tab S-Tab C-u v 1 3 Tab Tab Right Enter");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send { command: Command::Promote { force: true, reason, .. }, .. }] if reason == "ok"
        ),
        "{effects:?}"
    );
}

#[test]
fn a_promotion_can_be_taken_back_for_30_s() {
    let moved = || {
        Reply::Moved(AliasMove {
            id: 1,
            model: ModelName::from("delay"),
            alias: "champion".to_owned(),
            from: Some(Version(12)),
            to: Some(Version(13)),
            kind: MoveKind::Promoted,
            at: Timestamp(0),
            by: "ana".to_owned(),
            reason: String::new(),
        })
    };
    let mut app = dashboard();
    replied(&mut app, Command::Reload, Then::Moved, moved());
    assert!(picture(&app).contains("u takes it back"));
    let effects = press(&mut app, "u");
    assert!(matches!(
        &effects[..],
        [Effect::Send {
            command: Command::Rollback {
                to: Some(Version(12)),
                ..
            },
            ..
        }]
    ));
    replied(&mut app, Command::Reload, Then::Moved, moved());
    wait(&mut app, 30_000);
    assert_eq!(press(&mut app, "u"), []);
}

#[test]
fn a_champion_that_moved_meanwhile_opens_its_page_anew() {
    let mut app = dashboard();
    open_page(&mut app, true);
    wait(&mut app, 300);
    let effects = press(&mut app, "y");
    let [Effect::Send { command, then }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let seen = Some(Seen::of(Some(Version(12))));
    assert!(matches!(command, Command::Promote { seen: sent, .. } if *sent == seen));
    let effects = update(
        &mut app,
        Message::Replied {
            command: Box::new(command.clone()),
            then: then.clone(),
            result: Err(Failure {
                kind: ErrorKind::Conflict,
                message: "`champion` of `delay` names v9 now, moved by bo".to_owned(),
            }),
        },
    );
    assert!(picture(&app).contains("names v9 now, moved by bo"));
    assert!(
        matches!(
            &effects[..],
            [Effect::Send {
                command: Command::PreviewPromotion {
                    version: Version(13),
                    ..
                },
                then: Then::Page { back: false }
            }]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_refusal_is_shown() {
    let mut app = dashboard();
    update(
        &mut app,
        Message::Replied {
            command: Box::new(Command::Reload),
            then: Then::Nothing,
            result: Err(Failure {
                kind: ErrorKind::Conflict,
                message: "the gate says no".to_owned(),
            }),
        },
    );
    assert!(picture(&app).contains("✗ the gate says no"));
}

#[test]
fn a_lost_daemon_keeps_the_picture_and_says_so() {
    let mut app = dashboard();
    update(&mut app, Message::Link(Link::Lost("gone".to_owned())));
    wait(&mut app, 3_000);
    let shown = picture(&app);
    assert!(shown.contains("◌ reconnecting 3 s"), "{shown}");
    assert!(shown.contains("brave-otter"));
    update(&mut app, Message::Link(Link::Up));
    assert!(!picture(&app).contains("reconnecting"));
}

#[test]
fn read_only_shows_and_refuses() {
    let mut app = dashboard();
    app.setup.read_only = true;
    assert!(
        !press(&mut app, "j p x t")
            .iter()
            .any(|effect| matches!(effect, Effect::Send { .. }))
    );
    assert!(picture(&app).contains("READ ONLY"));
}

#[test]
fn keys_that_work_elsewhere_say_where() {
    let mut app = dashboard();
    press(&mut app, "f");
    assert!(picture(&app).contains("works in Jobs"), "{}", picture(&app));
}

#[test]
fn interrupt_says_how_to_leave() {
    let mut app = dashboard();
    assert_eq!(press(&mut app, "C-c"), []);
    assert!(picture(&app).contains("q leaves"));
    assert_eq!(press(&mut app, "q"), [Effect::Quit]);
}

#[test]
fn frozen_pictures_wait() {
    let mut app = dashboard();
    press(&mut app, ".");
    let mut table = super::fixture::runs();
    table.rows[0].name = "other-name".to_owned();
    let topic = app.topics()[1].clone();
    let snapshot = Snapshot::Runs(table);
    update(
        &mut app,
        Message::Daemon(Box::new(Update::Snapshot { topic, snapshot })),
    );
    assert!(!picture(&app).contains("other-name"));
    press(&mut app, ".");
    assert!(picture(&app).contains("other-name"));
}

#[test]
fn looks_are_there_again() {
    let mut app = dashboard();
    press(&mut app, "j Space } o 6");
    let looks = app.looks();
    let setup = super::app::Setup {
        remembered: Some(looks.clone()),
        ..app.setup.clone()
    };
    let again = App::new(setup, app.now, app.size);
    assert_eq!(again.looks(), looks);
    assert_eq!(again.current, super::panes::PaneId::Jobs);
}

#[test]
fn a_production_workspace_names_its_host_in_dialogs() {
    let mut app = dashboard();
    let snapshot = Snapshot::Overview(crate::api::protocol::Overview {
        production: true,
        ..overview()
    });
    let topic = Topic::Overview;
    update(
        &mut app,
        Message::Daemon(Box::new(Update::Snapshot { topic, snapshot })),
    );
    open_page(&mut app, true);
    assert!(
        picture(&app).contains("on gpu-7 (production)"),
        "{}",
        picture(&app)
    );
}

#[test]
fn clicks_choose_tabs_and_rows() {
    let mut app = dashboard();
    let click = |column, row| {
        Message::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(&mut app, click(10, 6));
    let shown = picture(&app);
    assert!(shown.lines().nth(6).unwrap().contains("▌"), "{shown}");
    let column = shown.lines().next().unwrap().find("6 Jobs").unwrap() as u16;
    update(&mut app, click(column + 1, 0));
    assert_eq!(app.current, super::panes::PaneId::Jobs);
}

#[test]
fn help_is_searched_by_typing() {
    let mut app = dashboard();
    press(&mut app, "? s m o o t h");
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn the_palette_says_what_it_will_run() {
    let mut app = dashboard();
    press(&mut app, ": t r a i");
    insta::assert_snapshot!(picture(&app));
    let effects = press(&mut app, "Tab d e l a y Enter");
    assert!(
        matches!(&effects[..], [Effect::Send { command: Command::Train { pipeline, .. }, .. }] if pipeline == "delay"),
        "{effects:?}"
    );
}

#[test]
fn a_small_terminal_says_what_it_needs() {
    let mut app = app(50, 10, "dark", Markers::Auto);
    settle(&mut app);
    assert!(picture(&app).contains("50x10 is too small: 60x15 at least"));
}

#[test]
fn an_empty_workspace_shows_three_ways_to_begin() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    settle(&mut app);
    let topic = app.topics()[1].clone();
    let snapshot = Snapshot::Runs(crate::domain::run::RunTable::default());
    update(
        &mut app,
        Message::Daemon(Box::new(Update::Snapshot { topic, snapshot })),
    );
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn dialogs_and_messages_name_remapped_keys() {
    let mut app = dashboard();
    let remap = std::collections::BTreeMap::from([
        ("rollback".to_owned(), vec!["F7".to_owned()]),
        ("down".to_owned(), vec!["J".to_owned()]),
    ]);
    app.setup.keymap = super::keymap::Keymap::remapped(&remap).0;
    open_page(&mut app, true);
    assert!(
        picture(&app).contains("F7 rolls back to v12 at any time"),
        "{}",
        picture(&app)
    );
    press(&mut app, "Esc");
    press(&mut app, "t");
    let shown = picture(&app);
    assert!(shown.contains("J/k move"), "{shown}");
    press(&mut app, "J Esc");
    update(
        &mut app,
        Message::Note(super::effect::Level::Info, "plain".to_owned()),
    );
    assert!(picture(&app).contains("plain"));
}
