//! Tokens from their making to their end, and what the audit says of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::config::Config;
use crate::domain::ErrorKind;
use crate::service::Services;
use crate::service::tracking::NewRun;
use crate::workspace::Workspace;
use std::sync::atomic::AtomicI64;

struct Clock(AtomicI64);

impl crate::domain::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct House {
    folder: tempfile::TempDir,
    clock: Arc<Clock>,
    services: Arc<Services>,
}

fn house_with(config: Config) -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Clock(AtomicI64::new(1_000_000)));
    let services = Services::open(
        Workspace::at(folder.path()).unwrap(),
        config,
        Arc::clone(&clock) as _,
    )
    .unwrap();
    House {
        folder,
        clock,
        services,
    }
}

fn house() -> House {
    house_with(Config::default())
}

impl House {
    fn access(&self) -> &Access {
        &self.services.access
    }

    fn make(&self, name: &str, role: Role, lasts: Option<i64>) -> String {
        let new = NewToken {
            name: name.to_owned(),
            role,
            kind: TokenKind::Person,
            lasts,
        };
        self.access().create(new, "root").unwrap().1
    }

    fn pass(&self, milliseconds: i64) {
        self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

#[test]
fn a_token_is_shown_once_and_kept_as_a_hash() {
    let house = house();
    let secret = house.make("ana", Role::Operator, None);
    assert!(secret.starts_with(PREFIX), "{secret}");
    assert!(secret.len() > 43 + PREFIX.len());
    let token = house.access().identify(&secret).unwrap();
    assert_eq!((token.name.as_str(), token.role), ("ana", Role::Operator));
    assert!(secret.starts_with(&token.prefix));
    let base = house.folder.path().join(".trainyard");
    for file in ["store.db", "store.db-wal"] {
        let bytes = std::fs::read(base.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&secret[12..]), "{file}");
    }
    let other = house.make("bo", Role::Operator, None);
    assert_ne!(secret, other);
    // the prefix of one with the secret of the other is neither
    let mixed = format!("{}{}", &secret[..11], &other[11..]);
    assert_eq!(house.access().identify(&mixed), Err(Refused::Unknown));
    for guess in ["", "ty_", "ty__", "nonsense", &secret[..secret.len() - 1]] {
        assert_eq!(house.access().identify(guess), Err(Refused::Unknown));
    }
}

#[test]
fn revocation_is_instant_and_expiry_is_kept() {
    let house = house();
    let short = house.make("short", Role::Viewer, Some(60_000));
    let long = house.make("long", Role::Viewer, None);
    let mut changes = house.access().changes();
    changes.borrow_and_update();
    assert!(house.access().identify(&short).is_ok());
    house.pass(60_000);
    assert!(matches!(
        house.access().identify(&short),
        Err(Refused::Expired { .. })
    ));
    house.access().revoke("long", "root").unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(matches!(
        house.access().identify(&long),
        Err(Refused::Revoked { .. })
    ));
    let again = house.access().revoke("long", "root").unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict);
    let absent = house.access().revoke("nobody", "root").unwrap_err();
    assert_eq!(absent.kind, ErrorKind::NotFound);
    // the name is free again, and the old secret stays out
    let new = house.make("long", Role::Viewer, None);
    assert!(house.access().identify(&new).is_ok());
    assert!(house.access().identify(&long).is_err());
    let error = house
        .access()
        .create(
            NewToken {
                name: "long".to_owned(),
                role: Role::Viewer,
                kind: TokenKind::Service,
                lasts: None,
            },
            "root",
        )
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
}

#[test]
fn tokens_and_their_uses_outlive_the_daemon() {
    let house = house();
    let secret = house.make("ana", Role::Admin, None);
    let gone = house.make("gone", Role::Admin, None);
    house.access().revoke("gone", "root").unwrap();
    house.access().identify(&secret).unwrap();
    assert!(!house.access().has_uses_to_write());
    house.pass(60_000);
    assert!(house.access().has_uses_to_write());
    house.access().write_uses().unwrap();
    assert!(!house.access().has_uses_to_write());
    let House {
        folder,
        clock,
        services,
    } = house;
    drop(services);
    let services = Services::open(
        Workspace::at(folder.path()).unwrap(),
        Config::default(),
        clock as _,
    )
    .unwrap();
    let tokens = services.access.list();
    let ana = tokens.iter().find(|token| token.name == "ana").unwrap();
    assert_eq!(ana.last_used, Some(Timestamp(1_000_000)));
    assert_eq!(services.access.identify(&secret).unwrap().name, "ana");
    assert!(matches!(
        services.access.identify(&gone),
        Err(Refused::Revoked { .. })
    ));
}

#[test]
fn loopback_is_open_until_the_first_token_and_never_behind_a_proxy() {
    let first = house();
    assert!(!first.access().demands_token(true));
    assert!(first.access().demands_token(false));
    first.make("ana", Role::Admin, None);
    assert!(first.access().demands_token(true));
    first.access().revoke("ana", "root").unwrap();
    assert!(first.access().demands_token(true), "revoking opens nothing");
    assert!(!first.access().is_reachable());
    let open = house_with(Config {
        open_loopback: true,
        ..Config::default()
    });
    open.make("ana", Role::Admin, None);
    assert!(!open.access().demands_token(true));
    assert!(open.access().demands_token(false));
    open.access().set_behind_proxy();
    assert!(open.access().demands_token(true));
}

#[test]
fn a_runs_token_ends_with_its_job_and_reaches_its_experiment_only() {
    let house = house();
    let tracking = &house.services.tracking;
    let experiment = tracking
        .create_experiment("mine", None, Vec::new())
        .unwrap();
    let mine = |experiment: Option<crate::domain::ExperimentId>| {
        let new = NewRun {
            experiment,
            ..NewRun::default()
        };
        tracking.create_run(new).unwrap().id
    };
    let run = mine(Some(experiment.clone()));
    assert_eq!(house.access().issue_for_run(&run).unwrap(), None);
    house.make("ana", Role::Admin, None);
    let first = house.access().issue_for_run(&run).unwrap().unwrap();
    let second = house.access().issue_for_run(&run).unwrap().unwrap();
    assert_eq!(house.access().identify(&first), Err(Refused::Unknown));
    let token = house.access().identify(&second).unwrap();
    assert_eq!((token.kind, token.role), (TokenKind::Run, Role::Operator));
    let scope = token.scope.unwrap();
    assert_eq!(scope.experiment, experiment);
    assert!(house.access().reaches_run(&scope, &run));
    assert!(house.access().reaches_run(&scope, &mine(Some(experiment))));
    assert!(!house.access().reaches_run(&scope, &mine(None)));
    assert!(!house.access().reaches_run(&scope, &RunId::from("absent")));
    house.access().end_for_run(&run).unwrap();
    assert_eq!(house.access().identify(&second), Err(Refused::Unknown));
    assert_eq!(house.access().list().len(), 1);
}

#[test]
fn the_audit_says_who_from_where_and_what_was_before() {
    let house = house();
    let actor = Arc::new(Actor {
        name: "ana".to_owned(),
        from: "10.0.0.7".to_owned(),
        role: Role::Admin,
        token: Some("ty_00000000".to_owned()),
        scope: None,
    });
    let id = on_behalf(Some(actor), || {
        let tracking = &house.services.tracking;
        let id = tracking.create_experiment("old", None, Vec::new()).unwrap();
        tracking.rename_experiment(&id, "new").unwrap();
        let run = tracking
            .create_run(NewRun {
                user: "somebody".to_owned(),
                ..NewRun::default()
            })
            .unwrap();
        assert_eq!(run.user, "somebody");
        tracking.note(&run.id, "why").unwrap();
        tracking.archive(&run.id, false).unwrap();
        id
    });
    let renamed = house
        .access()
        .audit(Some(&format!("experiment:{id}")), 1)
        .unwrap();
    assert_eq!(renamed[0].by, "ana");
    assert_eq!(renamed[0].from, "10.0.0.7");
    assert_eq!(renamed[0].old.as_deref(), Some("old"));
    assert_eq!(renamed[0].new.as_deref(), Some("new"));
    let all = house.access().audit(None, 100).unwrap();
    let actions: Vec<&str> = all.iter().map(|line| line.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "delete_run",
            "note",
            "create_run",
            "rename_experiment",
            "create_experiment"
        ]
    );
    assert!(all.iter().all(|line| line.by == "ana"));
    // what the daemon does by itself has no whence
    house
        .services
        .tracking
        .rename_experiment(&id, "newer")
        .unwrap();
    let by_itself = &house.access().audit(None, 1).unwrap()[0];
    assert_eq!(
        (by_itself.by.as_str(), by_itself.from.as_str()),
        ("auto", "")
    );
}

#[test]
fn a_note_that_changed_meanwhile_is_not_written_over() {
    let house = house();
    let tracking = &house.services.tracking;
    let run = tracking.create_run(NewRun::default()).unwrap().id;
    tracking.note_as_seen(&run, "mine", Some("")).unwrap();
    let refused = tracking.note_as_seen(&run, "yours", Some("")).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(refused.message.contains("mine"), "{refused}");
    tracking.note_as_seen(&run, "ours", Some("mine")).unwrap();
    let refused = tracking.note_as_seen(&run, "", Some("mine")).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    tracking.note(&run, "whatever it is").unwrap();
}
