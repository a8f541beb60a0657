//! The jobs pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Snapshot, Topic, Update};
use crate::domain::JobId;
use crate::domain::job::JobLog;
use crate::tui::effect::Effect;
use crate::tui::fixture::{app, picture, press, settle, wait};
use crate::tui::message::Message;
use crate::tui::theme::Markers;
use crate::tui::update::update;

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

#[test]
fn a_log_without_lines_says_why() {
    let mut app = app(80, 24, "dark", Markers::Auto);
    press(&mut app, "6");
    settle(&mut app);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let asked = app.topics().into_iter().find_map(|topic| match topic {
            Topic::JobLog { job, .. } => Some((topic, job)),
            _ => None,
        });
        let (topic, job) = asked.unwrap();
        let snapshot = Snapshot::JobLog(JobLog {
            job,
            lines: Vec::new(),
            total: 0,
        });
        let message = Message::Daemon(Box::new(Update::Snapshot { topic, snapshot }));
        update(&mut app, message);
        let shown = picture(&app);
        assert!(!shown.contains("no line yet"), "{shown}");
        seen.push((job, shown));
        press(&mut app, "j");
    }
    let said = |job: i64, words: &str| {
        let (_, shown) = seen.iter().find(|(one, _)| *one == JobId(job)).unwrap();
        assert!(shown.contains(words), "{words} in {shown}");
    };
    said(482, "has logged nothing so far");
    said(483, "waits for job 482 to end");
    said(479, "failed");
}
