//! The live pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::tui::effect::{Effect, Then};
use crate::tui::fixture::{picture, press};
use crate::tui::message::Message;
use crate::tui::panes::fixture::{explanation, give, live, open, pictures, settle};
use crate::tui::theme::Markers;
use crate::tui::update::update;

#[test]
fn at_every_size() {
    insta::assert_snapshot!(pictures("5", ""));
}

#[test]
fn a_broken_limit_is_said_whole() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    let topic = Topic::Live {
        deployment: None,
        window_s: 900,
    };
    let page = live("delay", 900, false);
    give(&mut app, topic, Snapshot::Live(Some(Box::new(page))));
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn a_request_is_explained() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    let effects = press(&mut app, "Enter");
    let Some(Effect::Send { command, then }) = effects.into_iter().next() else {
        panic!("nothing was asked");
    };
    assert!(matches!(&command, Command::Explain { request, .. } if request == "r1"));
    assert!(matches!(then, Then::Tell(..)));
    let result = Ok(Box::new(Reply::Explanation(Box::new(explanation()))));
    update(
        &mut app,
        Message::Replied {
            command: Box::new(command),
            then,
            result,
        },
    );
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn a_refused_request_says_why_by_itself() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    let effects = press(&mut app, "j j Enter");
    assert!(
        effects
            .iter()
            .all(|effect| !matches!(effect, Effect::Send { .. }))
    );
    assert!(picture(&app).contains("answered 400"), "{}", picture(&app));
}

#[test]
fn windows_and_deployments_are_asked_for() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    press(&mut app, "w");
    assert!(app.topics().contains(&Topic::Live {
        deployment: None,
        window_s: 3_600
    }));
    settle(&mut app);
    assert!(picture(&app).contains("last 1 h"), "{}", picture(&app));
    press(&mut app, "]");
    settle(&mut app);
    assert!(picture(&app).contains("fare v12 ◆"), "{}", picture(&app));
}

#[test]
fn rolling_back_shows_its_page_first() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    let effects = press(&mut app, "r");
    assert!(
        matches!(
            &effects[..],
            [
                Effect::Send {
                    command: Command::PreviewRollback { to: None, .. },
                    then: Then::Page { back: true }
                },
                ..
            ]
        ),
        "{effects:?}"
    );
}

#[test]
fn the_cursor_stays_on_its_request_while_others_come() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    press(&mut app, "j");
    let mut page = live("delay", 900, true);
    let mut newer = page.requests[0].clone();
    newer.id = "r0".to_owned();
    page.requests.insert(0, newer);
    let topic = Topic::Live {
        deployment: None,
        window_s: 900,
    };
    give(&mut app, topic, Snapshot::Live(Some(Box::new(page))));
    let effects = press(&mut app, "Enter");
    assert!(
        matches!(&effects[..], [Effect::Send { command: Command::Explain { request, .. }, .. }, ..] if request == "r2"),
        "{effects:?}"
    );
}

#[test]
fn without_deployment_it_says_how_to_make_one() {
    let mut app = open("5", 80, 24, "dark", Markers::Auto);
    let topic = Topic::Live {
        deployment: None,
        window_s: 900,
    };
    give(&mut app, topic, Snapshot::Live(None));
    assert!(
        picture(&app).contains("[deployment.NAME]"),
        "{}",
        picture(&app)
    );
}
