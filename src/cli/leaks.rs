//! `features check`: whether a feature knows what could not be known at its instant. Reads the workspace's files; no
//! daemon needed.

use super::connect::Connection;
use super::output::Output;
use super::{Exit, Result};
use crate::config::instant_us;
use crate::data::leak::{self, Known};
use crate::domain::{Error, Timestamp};
use crate::service::datasets::Alone;
use clap::Args;

/// Arguments of `features check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Only these views
    views: Vec<String>,
    /// From when on the values of a column were known: `flights.arr_delay=arr_utc`; of whole rows: `weather=available_at`
    /// (what a dataset's `available_at` and `known` say need not be said again)
    #[arg(long, value_name = "DATASET[.COLUMN]=COLUMN", value_parser = super::train::pair)]
    known: Vec<(String, String)>,
    /// Check as of this instant; may be given again [default: five spread over the view's rows]
    #[arg(long, value_name = "INSTANT")]
    as_of: Vec<String>,
}

pub(crate) fn run(args: &CheckArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let workspace = connection.configured()?;
    let config = crate::service::configuration::load(&workspace)?;
    if let Some(name) = args
        .views
        .iter()
        .find(|name| !config.views.iter().any(|view| view.name == **name))
    {
        return Err(Error::invalid(format!("there is no feature view `{name}`")).into());
    }
    let mut known = crate::service::datasets::known_from(&config);
    for (what, instant) in &args.known {
        let (name, column) = match what.split_once('.') {
            Some((name, column)) => (name, Some(column)),
            None => (what.as_str(), None),
        };
        if !config.datasets.iter().any(|dataset| dataset.name == name) {
            return Err(Error::invalid(format!("there is no dataset `{name}`")).into());
        }
        let place = match known.iter().position(|one| one.dataset == name) {
            Some(place) => place,
            None => {
                known.push(Known {
                    dataset: name.to_owned(),
                    ..Known::default()
                });
                known.len() - 1
            }
        };
        match column {
            Some(column) => known[place]
                .columns
                .push((column.to_owned(), instant.clone())),
            None => known[place].rows = Some(instant.clone()),
        }
    }
    let as_of = args
        .as_of
        .iter()
        .map(|text| {
            instant_us(text).ok_or_else(|| Error::invalid(format!("`{text}` is no instant")))
        })
        .collect::<std::result::Result<Vec<i64>, Error>>()?;
    let mut alone = Alone::new(&workspace);
    let mut leaks = Vec::new();
    let mut checked = 0;
    let mut untold: Vec<&str> = Vec::new();
    for view in &config.views {
        if !args.views.is_empty() && !args.views.contains(&view.name) {
            continue;
        }
        output.tick(format!("checking {}", view.name));
        let source = alone.view_rows(&config, view)?;
        // a view that was asked for by name is told why it cannot be checked
        if args.views.is_empty() && !leak::is_told(&source, &known) {
            untold.push(view.name.as_str());
            continue;
        }
        let instants = match as_of.is_empty() {
            true => leak::instants(view, &source, 5)?,
            false => as_of.clone(),
        };
        leaks.extend(leak::check(view, &source, &known, &instants)?);
        checked += 1;
    }
    output.progress_done(format!("{checked} views checked"));
    if output.json {
        output.document(&leaks)?;
    }
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for leak in &leaks {
        let (key, now, then) = &leak.example;
        output.line(format!(
            "✗ {} leaks: as of {} it differs for {} of {} entities from what was known; {key}: {} now, {} then",
            leak.feature,
            Timestamp(leak.as_of.div_euclid(1000)),
            leak.differing,
            leak.entities,
            value(now),
            value(then),
        ));
    }
    if !untold.is_empty() {
        output.line(format!(
            "not checked: {}; neither `available_at` nor `known` of a dataset behind says when the data became known",
            untold.join(", ")
        ));
    }
    if leaks.is_empty() && checked > 0 {
        output.line("no feature knows what was not known at its instant");
    }
    Ok(match leaks.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}
