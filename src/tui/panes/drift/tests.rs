//! The drift pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Snapshot, Topic};
use crate::domain::drift::Reference;
use crate::tui::effect::Effect;
use crate::tui::fixture::{picture, press, wait};
use crate::tui::panes::fixture::{drift, give, open, pictures, settle};
use crate::tui::theme::Markers;

#[test]
fn at_every_size() {
    insta::assert_snapshot!(pictures("4", ""));
}

#[test]
fn quality_by_window() {
    insta::assert_snapshot!(pictures("4", "Tab Tab"));
}

#[test]
fn the_column_with_all_its_words() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    press(&mut app, "Enter");
    let shown = picture(&app);
    for words in [
        "median 14 → 22",
        "no value 0.0% → 2.0%",
        "● jensen_shannon 0.08",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

#[test]
fn another_window_is_asked_for_and_the_newest_is_followed() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    let asked = |app: &crate::tui::app::App| {
        app.topics()
            .into_iter()
            .find_map(|topic| match topic {
                Topic::Drift { report, .. } => Some(report),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(asked(&app), None);
    press(&mut app, "[");
    assert_eq!(asked(&app), Some(6));
    settle(&mut app);
    assert!(
        picture(&app).contains("Drift: 2013-10 against"),
        "{}",
        picture(&app)
    );
    press(&mut app, "]");
    assert_eq!(asked(&app), None);
    press(&mut app, "w");
    wait(&mut app, 400);
    press(&mut app, "j j j Enter");
    assert_eq!(asked(&app), Some(4));
}

#[test]
fn another_reference_is_chosen_and_named() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    press(&mut app, "b");
    let shown = picture(&app);
    for words in [
        "Hold 2013-11 against what?",
        "the version that answered then",
        "training of v11",
        "2013-05 as served",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    wait(&mut app, 400);
    press(&mut app, "j j Enter");
    let asked = app.topics().into_iter().any(|topic| {
        matches!(
            topic,
            Topic::Drift {
                against: Some(Reference::Window(1)),
                ..
            }
        )
    });
    assert!(asked, "{:?}", app.topics());
    settle(&mut app);
    assert!(
        picture(&app).contains("Drift: 2013-11 against 2013-05 as served"),
        "{}",
        picture(&app)
    );
}

#[test]
fn retraining_says_what_it_will_do() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    press(&mut app, "t");
    wait(&mut app, 400);
    // the fixture has two pipelines: the first, then the recent windows
    press(&mut app, "Enter");
    wait(&mut app, 400);
    press(&mut app, "Enter");
    let shown = picture(&app);
    assert!(
        shown.contains("Retrain delay?") && shown.contains("the champion goes on answering"),
        "{shown}"
    );
    wait(&mut app, 400);
    let effects = press(&mut app, "y");
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::Send { command: Command::Train { pipeline, set, promote: false }, .. }
                if pipeline == "delay" && set.len() == 2 && set[0].0 == "from"
        )),
        "{effects:?}"
    );
}

#[test]
fn the_report_is_written() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    let names: Vec<String> = press(&mut app, "e")
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Write(files) => Some(files),
            _ => None,
        })
        .flatten()
        .flat_map(|file| file.names())
        .collect();
    assert_eq!(
        names,
        [
            "drift-delay-2013-11.csv",
            "windows-delay.csv",
            "drift-delay-2013-11-dep_delay.svg",
            "drift-delay-2013-11-dep_delay.png",
            "quality-delay.svg",
            "quality-delay.png"
        ]
    );
}

#[test]
fn without_monitor_or_window_it_says_what_fills_it() {
    let mut app = open("4", 80, 24, "dark", Markers::Auto);
    let topic = || Topic::Drift {
        monitor: None,
        report: None,
        against: None,
    };
    give(&mut app, topic(), Snapshot::Drift(None));
    assert!(
        picture(&app).contains("[monitor.NAME]"),
        "{}",
        picture(&app)
    );
    let mut page = drift(None, None);
    (page.windows, page.rows, page.shown) = (Vec::new(), Vec::new(), None);
    page.sentence = "no window of `delay` has been looked at yet".to_owned();
    give(&mut app, topic(), Snapshot::Drift(Some(page)));
    assert!(
        picture(&app).contains("no window of `delay` has been looked at yet"),
        "{}",
        picture(&app)
    );
}
