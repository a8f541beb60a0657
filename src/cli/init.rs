//! `init`: a commented `trainyard.toml`, or the flights example.

use super::output::Output;
use super::{Exit, Result};
use crate::domain::Error;
use crate::workspace::CONFIG_FILE;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Where [default: this folder]
    dir: Option<PathBuf>,
    /// With data and a whole configuration
    #[arg(long, value_parser = ["flights"])]
    example: Option<String>,
}

/// A file of the example, embedded in the binary.
pub(crate) struct ExampleFile {
    pub(crate) name: &'static str,
    pub(crate) bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(ExampleFile { name: $name, bytes: include_bytes!(concat!("../../assets/flights/", $name)) }),*]
    };
}

/// What the flights example ships besides the months.
pub(crate) static FLIGHTS_TABLES: [ExampleFile; 5] = files![
    "weather.parquet",
    "planes.parquet",
    "airports.parquet",
    "airlines.parquet",
    "README.md"
];

/// The months, January first.
pub(crate) static FLIGHTS_MONTHS: [ExampleFile; 12] = files![
    "flights_2013-01.parquet",
    "flights_2013-02.parquet",
    "flights_2013-03.parquet",
    "flights_2013-04.parquet",
    "flights_2013-05.parquet",
    "flights_2013-06.parquet",
    "flights_2013-07.parquet",
    "flights_2013-08.parquet",
    "flights_2013-09.parquet",
    "flights_2013-10.parquet",
    "flights_2013-11.parquet",
    "flights_2013-12.parquet",
];

const FLIGHTS_CONFIG: &str = include_str!("../../assets/flights/trainyard.toml");
const TEMPLATE: &str = include_str!("../../assets/init/trainyard.toml");

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit> {
    let dir = std::path::absolute(args.dir.clone().unwrap_or_else(|| PathBuf::from(".")))?;
    if args.example.is_some() {
        write_flights(&dir, FLIGHTS_MONTHS.len())?;
    } else {
        write_template(&dir)?;
    }
    if output.json {
        output.document(&serde_json::json!({ "workspace": dir }))?;
    }
    output.line(format!("wrote {}", dir.join(CONFIG_FILE).display()));
    Ok(Exit::Done)
}

/// Writes the commented template; never over a file that is there.
pub(crate) fn write_template(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    Ok(write_new(&dir.join(CONFIG_FILE), TEMPLATE.as_bytes())?)
}

/// Writes the example's configuration, its tables and its first `months`.
pub(crate) fn write_flights(dir: &Path, months: usize) -> Result<()> {
    let data = dir.join("data");
    std::fs::create_dir_all(&data)?;
    write_new(&dir.join(CONFIG_FILE), FLIGHTS_CONFIG.as_bytes())?;
    for file in FLIGHTS_TABLES.iter().chain(&FLIGHTS_MONTHS[..months]) {
        deliver(&data, file)?;
    }
    Ok(())
}

/// Puts a file of the example in place as a careful sender does: under a temporary name first.
pub(crate) fn deliver(folder: &Path, file: &ExampleFile) -> crate::domain::Result<()> {
    let part = folder.join(format!("{}.part", file.name));
    let mut out = std::fs::File::create(&part)?;
    out.write_all(file.bytes)
        .map_err(|error| Error::from(error).context(format!("writing `{}`", part.display())))?;
    out.sync_all()?;
    Ok(std::fs::rename(&part, folder.join(file.name))?)
}

fn write_new(path: &Path, bytes: &[u8]) -> crate::domain::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Error::already_exists(format!(
                    "`{}` is there already; it is not written over",
                    path.display()
                ))
            } else {
                Error::from(error).context(format!("writing `{}`", path.display()))
            }
        })?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}
