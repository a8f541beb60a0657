//! Server and client together, over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Context, router};
use crate::api::client::{Address, Client};
use crate::api::protocol::{Command, Reply, Snapshot, Topic, Update};
use crate::config::Config;
use crate::domain::host::HostSample;
use crate::domain::job::JobSpec;
use crate::domain::run::RunQuery;
use crate::domain::trigger::Cause;
use crate::domain::{Error, ErrorKind, JobId, Result, SystemClock, Timestamp};
use crate::service::tracking::NewRun;
use crate::service::{Pipelines, Services};
use crate::workspace::Workspace;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

struct NoPipelines;

impl Pipelines for NoPipelines {
    fn train(
        &self,
        pipeline: &str,
        _: &[(String, String)],
        _: bool,
        _: Cause,
    ) -> Result<(i64, JobId)> {
        Err(Error::not_found(format!(
            "there is no pipeline `{pipeline}`"
        )))
    }
    fn reload(&self) -> Result<()> {
        Ok(())
    }
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
    fn usage(&self) -> Vec<(JobId, f32, u64)> {
        Vec::new()
    }
    fn host(&self) -> HostSample {
        HostSample::default()
    }
}

struct House {
    services: Arc<Services>,
    client: Client,
    stop: watch::Receiver<bool>,
    folder: tempfile::TempDir,
    _edge: tokio::runtime::Runtime,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path()).unwrap();
    let services =
        Services::open(workspace.clone(), Config::default(), Arc::new(SystemClock)).unwrap();
    let edge = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (sender, stop) = watch::channel(false);
    let context = Context::new(
        Arc::clone(&services),
        Arc::new(NoPipelines),
        Timestamp(1),
        "127.0.0.1:1".to_owned(),
        sender,
    );
    let listener = {
        let _inside = edge.enter();
        tokio::net::UnixListener::bind(workspace.socket()).unwrap()
    };
    let app =
        crate::http::access::protect(router(Arc::new(context)), &services).layer(axum::Extension(
            axum::extract::ConnectInfo(crate::http::access::Peer::Socket(None)),
        ));
    edge.spawn(async move { axum::serve(listener, app).await });
    House {
        client: Client {
            address: Address::Socket(workspace.socket()),
            user: "ana".to_owned(),
        },
        services,
        stop,
        folder,
        _edge: edge,
    }
}

fn runs() -> Topic {
    Topic::Runs(RunQuery {
        limit: 10,
        ..RunQuery::default()
    })
}

#[test]
fn a_change_reaches_an_open_stream() {
    let house = house();
    let mut stream = house.client.events(&[runs()]).unwrap();
    assert!(matches!(
        stream.next_update().unwrap(),
        Some(Update::Hello { .. })
    ));
    let Some(Update::Snapshot {
        snapshot: Snapshot::Runs(table),
        ..
    }) = stream.next_update().unwrap()
    else {
        panic!("a snapshot comes first");
    };
    assert_eq!(table.total, 0);
    let run = house
        .services
        .tracking
        .create_run(NewRun::default())
        .unwrap();
    let (mut event, mut row) = (false, false);
    while !(event && row) {
        match stream.next_update().unwrap().unwrap() {
            Update::Event { .. } => event = true,
            Update::Snapshot {
                snapshot: Snapshot::Runs(table),
                ..
            } => {
                row = table.rows[0].id == run.id;
            }
            other => panic!("{other:?}"),
        }
    }
    let closer = stream.closer().unwrap();
    std::thread::spawn(closer).join().unwrap();
    while let Ok(Some(_)) = stream.next_update() {}
}

#[test]
fn snapshots_come_in_order_and_say_why_when_they_cannot() {
    let house = house();
    let absent = Topic::JobLog {
        job: JobId(9),
        lines: 5,
    };
    let updates = house
        .client
        .snapshots(&[
            Topic::Jobs,
            absent.clone(),
            Topic::Messages,
            Topic::Overview,
        ])
        .unwrap();
    assert!(matches!(
        updates[0],
        Update::Snapshot {
            topic: Topic::Jobs,
            ..
        }
    ));
    assert!(matches!(&updates[1], Update::Refused { topic, failure }
        if *topic == absent && failure.kind == ErrorKind::NotFound));
    assert!(matches!(
        updates[2],
        Update::Snapshot {
            topic: Topic::Messages,
            ..
        }
    ));
    assert_eq!(updates.len(), 4);
}

#[test]
fn commands_answer_or_fail_with_their_kind() {
    let house = house();
    let reply = house
        .client
        .command(&Command::Run {
            experiment: Some("scripts".to_owned()),
            name: None,
            command: vec!["true".to_owned()],
            directory: house.folder.path().display().to_string(),
            environment: BTreeMap::new(),
        })
        .unwrap();
    let Reply::Jobs(jobs) = reply else {
        panic!("{reply:?}");
    };
    let (job, spec, _) = house.services.jobs.job(jobs[0]).unwrap();
    let JobSpec::Command(spec) = spec else {
        panic!("{spec:?}");
    };
    assert_eq!(
        job.cause,
        Cause::Request {
            by: "ana".to_owned()
        }
    );
    assert_eq!(
        spec.environment["MLFLOW_TRACKING_URI"],
        "http://127.0.0.1:1"
    );
    let note = Command::Note {
        run: spec.run.clone(),
        text: "why".to_owned(),
        seen: Some(String::new()),
    };
    assert_eq!(house.client.command(&note).unwrap(), Reply::Done);
    let train = Command::Train {
        pipeline: "absent".to_owned(),
        set: Vec::new(),
        promote: true,
    };
    let error = house.client.command(&train).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(!*house.stop.borrow());
    house.client.command(&Command::Shutdown).unwrap();
    assert!(*house.stop.borrow());
}

#[test]
fn nobody_there_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path()).unwrap();
    let error = Client::connect(&workspace, "ana".to_owned(), false).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}
