//! The jobs pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::Command;
use crate::tui::effect::Effect;
use crate::tui::fixture::{app, picture, press, settle, wait};
use crate::tui::theme::Markers;

#[test]
fn at_80x24() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    press(&mut app, "6");
    settle(&mut app);
    insta::assert_snapshot!(picture(&app));
}

#[test]
fn at_60x15_in_ascii() {
    let mut app = app(60, 15, "mono", Markers::Ascii);
    press(&mut app, "6");
    settle(&mut app);
    let shown = picture(&app);
    assert!(shown.is_ascii(), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_failed_job_says_why_and_runs_again() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    press(&mut app, "6");
    settle(&mut app);
    let effects = press(&mut app, "j j j t");
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::Send { command: Command::RetryJob { job }, .. } if job.0 == 479
        )),
        "{effects:?}"
    );
    assert!(picture(&app).contains("loss became NaN at step 212"));
}

#[test]
fn cancelling_asks_first() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    press(&mut app, "6");
    settle(&mut app);
    press(&mut app, "x");
    assert!(picture(&app).contains("Cancel job 482?"));
    wait(&mut app, 400);
    // the selected button is Cancel: Enter changes nothing
    let effects = press(&mut app, "Enter");
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { .. }))
    );
}

#[test]
fn reading_up_stops_following_and_searching_finds() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    press(&mut app, "6");
    settle(&mut app);
    press(&mut app, "Tab k k");
    assert!(picture(&app).contains("2 lines from the end"));
    press(&mut app, "/ e p o c h Space 7 Space Enter");
    assert!(
        picture(&app).contains("1 hits for epoch 7"),
        "{}",
        picture(&app)
    );
    press(&mut app, "f");
    assert!(picture(&app).contains("following"));
}
