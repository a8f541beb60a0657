//! The registry pane: what it shows at each size, what keys do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::protocol::{Command, Snapshot, Topic};
use crate::domain::{ModelName, Version};
use crate::tui::effect::{Effect, Then};
use crate::tui::fixture::{picture, press, wait};
use crate::tui::panes::fixture::{give, open, pictures, settle, version};
use crate::tui::theme::Markers;

#[test]
fn at_every_size() {
    insta::assert_snapshot!(pictures("2", ""));
}

#[test]
fn compared_with_the_champion() {
    insta::assert_snapshot!(pictures("2", "c"));
}

#[test]
fn metrics_of_other_rows_are_no_verdict() {
    let mut app = open("2", 120, 35, "dark", Markers::Auto);
    press(&mut app, "c");
    settle(&mut app);
    assert!(picture(&app).contains("✓ +0.0112"), "{}", picture(&app));
    let name = ModelName::from("delay");
    let mut page = version(&name, Version(13));
    page.unlike =
        Some("judged on other rows than champion v12: `holdout_rows` 900, not 400".to_owned());
    let topic = Topic::Version {
        model: name,
        version: Version(13),
    };
    give(&mut app, topic, Snapshot::Version(Box::new(page)));
    let shown = picture(&app);
    assert!(
        shown.contains("▲ judged on other rows than") && shown.contains("+0.0112"),
        "{shown}"
    );
    assert!(!shown.contains("✓ +0.0112"), "{shown}");
}

#[test]
fn lineage() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "Enter");
    let shown = picture(&app);
    assert!(shown.contains("Lineage of v13"), "{shown}");
    assert!(shown.contains("flights sha256 9c1e03ab77d1…"), "{shown}");
    let effects = press(&mut app, "Enter");
    assert!(
        picture(&app).contains("Runs")
            && effects
                .iter()
                .all(|effect| !matches!(effect, Effect::Send { .. })),
        "{effects:?}"
    );
}

#[test]
fn promoting_asks_for_the_page_first() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    let effects = press(&mut app, "p");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send { command: Command::PreviewPromotion { model, version: Version(13) }, then: Then::Page { back: false } }, ..]
                if model.as_str() == "delay"
        ),
        "{effects:?}"
    );
    // the champion cannot take over from itself
    assert!(
        press(&mut app, "j p")
            .iter()
            .all(|effect| !matches!(effect, Effect::Send { .. }))
    );
    assert!(picture(&app).contains("v12 is the champion; r rolls back"));
}

#[test]
fn rolling_back_goes_to_a_former_champion_under_the_cursor() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    let to = |effects: Vec<Effect>| match effects.into_iter().next() {
        Some(Effect::Send {
            command: Command::PreviewRollback { to, .. },
            ..
        }) => to,
        other => panic!("{other:?}"),
    };
    assert_eq!(to(press(&mut app, "r")), None);
    let effects = press(&mut app, "j j r");
    assert_eq!(
        to(effects
            .into_iter()
            .filter(|effect| matches!(effect, Effect::Send { .. }))
            .collect()),
        Some(Version(11))
    );
}

#[test]
fn an_alias_is_set_and_can_be_taken_back() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "m");
    wait(&mut app, 400);
    press(&mut app, "Enter");
    wait(&mut app, 400);
    let effects = press(&mut app, "b l u e Enter");
    assert!(
        matches!(
            &effects[..],
            [Effect::Send { command: Command::SetAlias { alias, version: Some(Version(13)), .. }, then: Then::Undo { undo, .. } }, ..]
                if alias == "blue" && matches!(&**undo, Command::SetAlias { version: None, .. })
        ),
        "{effects:?}"
    );
    for reserved in ["c h a m p i o n", "l a t e s t", "v 1 2"] {
        press(&mut app, "m");
        wait(&mut app, 400);
        press(&mut app, "Enter");
        wait(&mut app, 400);
        let effects = press(&mut app, &format!("{reserved} Enter"));
        assert!(
            effects
                .iter()
                .all(|effect| !matches!(effect, Effect::Send { .. })),
            "{effects:?}"
        );
    }
}

#[test]
fn a_failed_check_leads_to_its_pane() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "Tab j j j Enter");
    settle(&mut app);
    assert!(
        picture(&app).contains("Drift: 2013-11 against training of v12"),
        "{}",
        picture(&app)
    );
}

#[test]
fn the_cursor_stays_on_its_version_when_another_comes() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "j");
    let name = ModelName::from("delay");
    let mut page = crate::tui::panes::fixture::model(&name);
    let mut newer = page.versions[0].clone();
    newer.version.version = Version(14);
    page.versions.insert(0, newer);
    give(
        &mut app,
        Topic::Model { model: name },
        Snapshot::Model(Box::new(page)),
    );
    assert!(picture(&app).contains("▌v12"), "{}", picture(&app));
}

#[test]
fn without_models_it_says_what_makes_one() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    give(&mut app, Topic::Models, Snapshot::Models(Vec::new()));
    assert!(
        picture(&app).contains("trainyard train PIPELINE"),
        "{}",
        picture(&app)
    );
}

/// The first command among the effects.
fn sent(effects: Vec<Effect>) -> Option<(Command, Then)> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::Send { command, then } => Some((command, then)),
        _ => None,
    })
}

#[test]
fn a_stage_is_set_from_the_list_and_can_be_taken_back() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "m");
    assert!(picture(&app).contains("take challenger away"));
    wait(&mut app, 400);
    let (command, then) = sent(press(&mut app, "j j Enter")).unwrap();
    assert!(
        matches!(&command, Command::SetStage { version: Version(13), stage, .. } if stage == "Staging"),
        "{command:?}"
    );
    assert!(
        matches!(&then, Then::Undo { undo, .. } if matches!(&**undo, Command::SetStage { stage, .. } if stage == "None")),
        "{then:?}"
    );
}

#[test]
fn a_description_is_written_and_can_be_taken_back() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "a");
    wait(&mut app, 400);
    let (command, _) = sent(press(&mut app, "o k Enter")).unwrap();
    assert!(
        matches!(&command, Command::DescribeVersion { version: Version(13), text, .. } if text == "ok"),
        "{command:?}"
    );
}

#[test]
fn a_version_that_an_alias_names_is_not_deleted_and_another_only_after_a_yes() {
    let mut app = open("2", 80, 24, "dark", Markers::Auto);
    press(&mut app, "x");
    wait(&mut app, 400);
    assert_eq!(sent(press(&mut app, "j Enter")), None);
    assert!(
        picture(&app).contains("named by challenger"),
        "{}",
        picture(&app)
    );
    press(&mut app, "j j");
    settle(&mut app);
    press(&mut app, "x");
    wait(&mut app, 400);
    assert_eq!(sent(press(&mut app, "j Enter")), None);
    assert!(
        picture(&app).contains("Delete delay v11 for good?"),
        "{}",
        picture(&app)
    );
    wait(&mut app, 400);
    let (command, _) = sent(press(&mut app, "y")).unwrap();
    assert!(
        matches!(
            &command,
            Command::DeleteVersion {
                version: Version(11),
                ..
            }
        ),
        "{command:?}"
    );
}
