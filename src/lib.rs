//! trainyard: the whole life of a machine-learning model, in the terminal.
//!
//! # The map of the house
//!
//! ```text
//!  main ─ cli                                                     pick a mode, print, exit code
//!    │
//!    ├── tui ── api::client ┄┄ socket or TCP ┄┄ api::server ┐       the dashboard process ┄┄ the daemon process
//!    │                                                     │
//!    ├── daemon (composition root: builds, wires, stops)   │
//!    │      ├───────────────┬────────────────┬─────────────┘
//!    │    http           runtime            api                    three clients of the services; they translate, never decide
//!    │      └───────────────┼────────────────┘
//!    │                   service                                   every rule of the product; emits events after commit
//!    │                      │
//!    │                    store                                    SQL and artifact files
//!    │                      ┆
//!    └── worker ── jobs ┄┄ the job's folder                        the worker process: files in, files out; no store, no network
//!                   │
//!           data · ml · drift                                      pure; `service` uses them too
//!                   │
//!                domain                                            plain types, ids, Event, Error; no IO, no clock, no SQL
//! ```
//!
//! Arrows only point down; siblings do not import each other (except: `ml` and `drift` read
//! [`data::Frame`]). [`tui`] sees [`domain`] and [`api::protocol`] and [`api::client`], nothing more;
//! [`jobs`] sees [`data`], [`ml`], [`drift`], [`domain`], nothing more. `tests/architecture.rs` reads every `use`
//! line and fails on an upward arrow. [`chart`] stands beside [`domain`]: pure, used by [`tui`] and [`report`].
//!
//! | room | what is in it |
//! | --- | --- |
//! | [`cli`] [`config`] [`workspace`] | subcommands · `trainyard.toml` · paths |
//! | [`domain`] | the nouns: runs, models, jobs, drift reports, events, errors |
//! | [`store`] | all SQL, migrations, artifact files, online values and pushed rows, the log of served rows |
//! | [`data`] [`ml`] [`drift`] [`report`] | files to columns, SQL over them, profiles, schemas, joins, windows · trainers, metrics, gate · tests · charts to SVG and PNG |
//! | [`chart`] | what a chart shows and how it is drawn on any plotters backend; `tui` and `report` use it |
//! | [`service`] | tracking, registry, catalog, datasets, monitoring, serving, jobs: every rule |
//! | [`worker`] [`jobs`] [`job_folder`] | one job in its folder · the folder itself, shared with the runtime |
//! | [`runtime`] [`http`] [`api`] [`daemon`] | scheduler, pipelines, triggers · MLflow and inference · events and commands · wiring |
//! | [`transfer`] | import and export: MLflow's folders, databases and servers, through the daemon's API |
//! | [`tui`] | the dashboard |

pub mod api;
pub mod chart;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod data;
pub mod domain;
pub mod drift;
pub mod http;
pub mod job_folder;
pub mod jobs;
pub mod ml;
pub mod report;
pub mod runtime;
pub mod service;
pub mod store;
pub mod transfer;
pub mod tui;
pub mod worker;
pub mod workspace;
