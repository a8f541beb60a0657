//! The features pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::feature::FeaturesPage;
use crate::tui::effect::Effect;
use crate::tui::fixture::{picture, press, wait};
use crate::tui::message::Message;
use crate::tui::panes::fixture::{give, open, pictures, settle};
use crate::tui::theme::Markers;
use crate::tui::update::update;

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

#[test]
fn lineage_leads_to_the_model_versions() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    press(&mut app, "Enter ] ]");
    let shown = picture(&app);
    assert!(
        shown.contains("dataset") && shown.contains("delay v12") && shown.contains("◆ delay"),
        "{shown}"
    );
    assert!(shown.contains("learned from carrier v2,"), "{shown}");
    press(&mut app, "j Enter");
    settle(&mut app);
    let shown = picture(&app);
    assert!(shown.contains("delay ─ v13"), "{shown}");
}

#[test]
fn a_definition_that_differs_says_what_changes_and_for_whom() {
    let mut app = open("3", 120, 35, "dark", Markers::Auto);
    press(&mut app, "j j j");
    settle(&mut app);
    press(&mut app, "Enter [");
    let shown = picture(&app);
    for said in [
        "version 3 → 4",
        "- 3h",
        "+ 4h",
        "delay v12",
        "[feature_view.weather]",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn an_entity_is_looked_up_by_its_key() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    press(&mut app, "Enter Enter Enter");
    wait(&mut app, 400);
    let effects = press(&mut app, "C-u U A Enter");
    let Some(Effect::Send { command, then }) = effects.into_iter().next() else {
        panic!("{}", picture(&app));
    };
    let Command::OnlineFeatures { entities, .. } = &command else {
        panic!("{command:?}");
    };
    assert_eq!(entities["carrier"], ["UA"]);
    let reply = Reply::Features(vec![serde_json::json!({
        "carrier": "UA",
        "carrier:delay_mean_7d": { "value": 31.5, "status": "STALE", "age_ms": 7_200_000 },
    })]);
    update(
        &mut app,
        Message::Replied {
            command: Box::new(command),
            then,
            result: Ok(Box::new(reply)),
        },
    );
    let shown = picture(&app);
    assert!(
        shown.contains("Online: UA") && shown.contains("31.5") && shown.contains("✗ 2h late"),
        "{shown}"
    );
    press(&mut app, "Esc");
    assert!(picture(&app).contains("12.5"), "{}", picture(&app));
}

#[test]
fn datasets_are_beside_the_features() {
    insta::assert_snapshot!(pictures("3", "]"));
}

#[test]
fn a_profile_is_opened_column_by_column() {
    let mut shown = String::new();
    for (columns, rows, theme, markers) in [
        (80, 24, "dark", Markers::Auto),
        (120, 35, "dark", Markers::Auto),
        (160, 45, "dark", Markers::Auto),
        (60, 15, "mono", Markers::Ascii),
    ] {
        let mut app = open("3", columns, rows, theme, markers);
        press(&mut app, "]");
        settle(&mut app);
        press(&mut app, "Enter j");
        settle(&mut app);
        shown.push_str(&format!("{columns}x{rows}\n{}\n\n", picture(&app)));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_dataset_says_what_is_odd_and_is_profiled_anew() {
    let mut app = open("3", 80, 24, "dark", Markers::Auto);
    press(&mut app, "]");
    settle(&mut app);
    let shown = picture(&app);
    assert!(
        shown.contains("3 datasets; 1 with anomalies, 1 not profiled, 1 with new files"),
        "{shown}"
    );
    assert!(shown.contains("✗ carrier: `ZZ` is none of"), "{shown}");
    press(&mut app, "j j");
    settle(&mut app);
    press(&mut app, "Enter");
    assert!(
        picture(&app).contains("scheduled is not profiled yet: t profiles it"),
        "{}",
        picture(&app)
    );
    let effects = press(&mut app, "t");
    assert!(
        matches!(&effects[..], [Effect::Send { command: Command::Examine { dataset }, .. }, ..] if dataset == "scheduled"),
        "{effects:?}"
    );
    press(&mut app, "Esc");
    assert!(picture(&app).contains("carrier_delay_7d"));
}
