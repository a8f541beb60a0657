//! The features pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Snapshot, Topic};
use crate::domain::feature::FeaturesPage;
use crate::tui::effect::Effect;
use crate::tui::fixture::{picture, press, wait};
use crate::tui::panes::fixture::{give, open, pictures, settle};
use crate::tui::theme::Markers;

#[test]
fn at_every_size() {
    insta::assert_snapshot!(pictures("3", ""));
}

#[test]
fn values_are_one_key_away() {
    insta::assert_snapshot!(pictures("3", "Enter Enter"));
}

#[test]
fn a_late_feature_says_so_and_is_materialized_after_a_question() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    press(&mut app, "j j j");
    settle(&mut app);
    assert!(
        picture(&app).contains("✗ late: 9h old (limit"),
        "{}",
        picture(&app)
    );
    press(&mut app, "t");
    wait(&mut app, 400);
    press(&mut app, "Enter");
    assert!(
        picture(&app).contains("Materialize view weather?"),
        "{}",
        picture(&app)
    );
    wait(&mut app, 400);
    let effects = press(&mut app, "y");
    assert!(
        effects.iter().any(|effect| matches!(
            effect,
            Effect::Send { command: Command::Materialize { views, as_of: None, .. }, .. } if views == &["weather".to_owned()]
        )),
        "{effects:?}"
    );
}

#[test]
fn the_join_is_copied() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    let effects = press(&mut app, "y");
    assert!(
        matches!(&effects[..], [Effect::Copy { text, .. }, ..] if text == "trainyard features join delay --out FILE"),
        "{effects:?}"
    );
}

#[test]
fn the_filter_knows_states_and_names() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    press(&mut app, "/ l a t e Enter");
    let shown = picture(&app);
    assert!(
        shown.contains("wind_gust") && !shown.contains("seat_load"),
        "{shown}"
    );
    press(&mut app, "Esc s s");
    let shown = picture(&app);
    let first = shown.lines().nth(4).unwrap_or_default();
    assert!(
        first.contains("seat_load"),
        "never materialized is oldest: {shown}"
    );
}

#[test]
fn without_views_it_says_how_to_make_one() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    give(
        &mut app,
        Topic::Features,
        Snapshot::Features(FeaturesPage::default()),
    );
    assert!(
        picture(&app).contains("[feature_view.NAME]"),
        "{}",
        picture(&app)
    );
}
