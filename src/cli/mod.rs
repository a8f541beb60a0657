//! The command line: one file per group of subcommands; parses, asks the daemon, prints, exit code.
//! Holds no rule: what a subcommand does is a service method behind the API, or a pure function.

mod alerts;
mod connect;
mod daemon;
mod dashboard;
mod data;
mod definitions;
mod demo;
mod doctor;
mod experiments;
mod features;
mod follow;
mod import;
mod init;
mod interrupt;
mod jobs;
mod join;
mod leaks;
mod models;
mod monitor;
mod output;
mod predict;
mod profile;
mod run;
mod runs;
mod shell;
mod sql;
mod tokens;
mod train;
mod validate;
mod wait;

use crate::domain::{Error, ErrorKind};
use clap::{Args, Parser, Subcommand};
use connect::Connection;
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;

/// The whole life of a machine-learning model, in the terminal.
///
/// Without a command: the dashboard. It starts the workspace's daemon when none runs, and leaves it running.
#[derive(Parser, Debug)]
#[command(
    name = "trainyard",
    version,
    disable_version_flag = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    dashboard: dashboard::DashboardArgs,
    #[command(subcommand)]
    command: Option<Command>,
    /// Print version (with --json: version, commit, features)
    #[arg(long, short = 'V')]
    version: bool,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
struct Global {
    /// The workspace [default: the nearest folder upwards with a trainyard.toml, else this one]
    #[arg(long, global = true, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Attach to a daemon elsewhere
    #[arg(long, global = true, value_name = "URL", env = "TRAINYARD_SERVER")]
    server: Option<String>,
    /// Token for --server
    #[arg(
        long,
        global = true,
        env = "TRAINYARD_TOKEN",
        hide = true,
        hide_env_values = true
    )]
    token: Option<String>,
    /// Trust the certificates in this PEM file when attaching by https://
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TRAINYARD_SERVER_CA",
        conflicts_with = "server_fingerprint"
    )]
    server_ca: Option<PathBuf>,
    /// Trust the one certificate with this SHA-256, as `status` prints it on the server
    #[arg(
        long,
        global = true,
        value_name = "sha256:HEX",
        env = "TRAINYARD_SERVER_FINGERPRINT"
    )]
    server_fingerprint: Option<String>,
    /// One JSON document on stdout
    #[arg(long, global = true)]
    json: bool,
    /// No progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// More detail
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// The flights example: trains, serves and watches a year, then the dashboard
    Demo(demo::DemoArgs),
    /// Write a commented trainyard.toml
    Init(init::InitArgs),
    /// Start the daemon
    Up(daemon::UpArgs),
    /// Stop the daemon; jobs go on
    Down,
    /// How the daemon stands
    Status,
    /// Run any training command as a tracked job
    Run(run::RunArgs),
    /// One training run of a pipeline
    Train(train::TrainArgs),
    /// Per-column statistics of a file
    Profile(profile::ProfileArgs),
    /// Anomalies of a file against a schema
    Validate(validate::ValidateArgs),
    /// Per-column drift between two files, or a streaming detector over one
    Drift(data::DriftArgs),
    /// SQL over the workspace's datasets, runs, models, features, drift and jobs
    Sql(sql::SqlArgs),
    /// The feature store
    #[command(subcommand)]
    Features(features::FeaturesCommand),
    /// Score a file with a model
    Predict(predict::PredictArgs),
    /// Which inputs are unusual, and what each contributed
    Explain(predict::ExplainArgs),
    /// Tracked runs
    #[command(subcommand)]
    Runs(runs::RunsCommand),
    /// What runs are filed under
    #[command(subcommand)]
    Experiments(experiments::ExperimentsCommand),
    /// Take in an mlruns folder, an mlflow.db, a live MLflow server, or an export
    Import(import::ImportArgs),
    /// Registered models
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Drift and quality by window
    #[command(subcommand)]
    Monitor(monitor::MonitorCommand),
    /// Who may come in
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Who changed what, newest first
    Audit(tokens::AuditArgs),
    /// What a person should look at
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Background work
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// What is wrong with the workspace, and how to mend it
    Doctor,
    /// A completion script for a shell
    Completions(shell::CompletionsArgs),
    /// The manual page
    Man,
    /// Run one job in its folder
    #[command(hide = true)]
    Worker {
        /// The job's folder
        dir: PathBuf,
    },
}

/// How a command ends when it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// What was asked for failed: a job, a gate, anomalies found.
    Failed,
}

/// A failure with its exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    pub(crate) error: Error,
}

impl Failure {
    /// No daemon in reach.
    pub(crate) fn unreachable(error: Error) -> Self {
        Self { code: 3, error }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Denied => 2,
            ErrorKind::Conflict
            | ErrorKind::Cancelled
            | ErrorKind::Unavailable
            | ErrorKind::Internal => 1,
        };
        Self { code, error }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Error::from(error).into()
    }
}

impl From<crate::data::Error> for Failure {
    fn from(error: crate::data::Error) -> Self {
        Error::from(error).into()
    }
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Parses the arguments, runs the command, answers the exit code of `interface.md`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let output = Output::new(cli.global.json, cli.global.quiet);
    match run(cli, &output) {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::from(1),
        Err(failure) => {
            output.error(&failure.error);
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: Cli, output: &Output) -> Result<Exit> {
    let global = &cli.global;
    if cli.version {
        return shell::version(output);
    }
    let connection = Connection::new(global);
    let Some(command) = cli.command else {
        return dashboard::run(&connection, &cli.dashboard);
    };
    match command {
        Command::Demo(args) => demo::run(&args, &cli.dashboard, global, output),
        Command::Init(args) => init::run(&args, output),
        Command::Up(args) => daemon::up(&args, &connection, output),
        Command::Down => daemon::down(&connection, output),
        Command::Status => daemon::status(&connection, output),
        Command::Run(args) => run::run(&args, &connection, output),
        Command::Train(args) => train::run(&args, &connection, output),
        Command::Profile(args) => profile::run(&args, &connection, output),
        Command::Validate(args) => validate::run(&args, output),
        Command::Drift(args) => data::drift(&args, output),
        Command::Sql(args) => sql::run(&args, &connection, output),
        Command::Features(command) => features::run(&command, &connection, output),
        Command::Predict(args) => predict::predict(&args, &connection, output),
        Command::Explain(args) => predict::explain(&args, &connection, output),
        Command::Runs(command) => runs::run(&command, &connection, output),
        Command::Experiments(command) => experiments::run(&command, &connection, output),
        Command::Import(args) => import::run(&args, &connection, output),
        Command::Models(command) => models::run(&command, &connection, output),
        Command::Monitor(command) => monitor::run(&command, &connection, output),
        Command::Alerts(command) => alerts::run(&command, &connection, output),
        Command::Jobs(command) => jobs::run(&command, &connection, output),
        Command::Tokens(command) => tokens::run(&command, &connection, output),
        Command::Audit(args) => tokens::audit(&args, &connection, output),
        Command::Doctor => doctor::run(&connection, output),
        Command::Completions(args) => shell::completions(&args),
        Command::Man => shell::man(),
        Command::Worker { dir } => Ok(worker(&dir)),
    }
}

fn worker(dir: &std::path::Path) -> Exit {
    if crate::worker::run(dir) == ExitCode::SUCCESS {
        Exit::Done
    } else {
        Exit::Failed
    }
}
