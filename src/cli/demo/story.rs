//! The steps of the year, in order, with the figures that decided each.

use super::super::init::{FLIGHTS_MONTHS, deliver};
use super::super::output::Output;
use super::super::train::{Trained, pipeline};
use super::super::{Failure, Result};
use super::replay::Replay;
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply};
use crate::domain::job::{Job, JobResult};
use crate::domain::{Error, JobId, ModelName, Timestamp, Version};
use crate::workspace::Workspace;

const PIPELINE: &str = "delay";

/// The year.
pub(super) fn live_through(workspace: &Workspace, client: &Client, output: &Output) -> Result<()> {
    let story = Story {
        workspace,
        client,
        output,
    };
    let mut replay = Replay::new(workspace, client, output)?;

    // March 1st: three families learn from January and February.
    story.say("January and February are in. Three families learn from them.");
    let winter = [("to", "2013-03-01T05:00:00Z")];
    story.train(
        &winter,
        &[("trainer.kind", "bayes"), ("name", "naive-bayes-winter")],
        false,
    )?;
    let first = story.train(&winter, &[("name", "logistic-winter")], true)?;
    story.expect_promoted(&first, 1)?;
    story.materialize("2013-03-01T05:00:00Z")?;

    for month in 3..=7 {
        story.month(&mut replay, month)?;
    }

    // August 1st: the metric has fallen, spring and summer are learned instead.
    story.say("Summer is not winter: a challenger learns from May and June, July judges both.");
    let second = story.train(
        &[
            ("from", "2013-05-01T04:00:00Z"),
            ("to", "2013-08-01T05:00:00Z"),
            ("holdout", "0.339"),
        ],
        &[("name", "logistic-summer")],
        true,
    )?;
    story.expect_promoted(&second, 2)?;
    for month in 8..=9 {
        story.month(&mut replay, month)?;
    }

    // October 1st: the routine challenger is worse, and the gate says so.
    story.say("A challenger from July and August meets the champion on September.");
    let held = story.train(
        &[
            ("from", "2013-07-01T04:00:00Z"),
            ("to", "2013-10-01T05:00:00Z"),
            ("holdout", "0.321"),
        ],
        &[("name", "logistic-late-summer")],
        true,
    )?;
    story.month(&mut replay, 10)?;

    // November 1st: somebody forces the held version; it does worse, and goes back.
    if let Some(version) = story.version_of(&held)? {
        story.say("Somebody promotes it all the same, sees the answers, and rolls back.");
        let forced = Command::Promote {
            model: ModelName::from(PIPELINE),
            version,
            force: true,
            reason: "newer data must be better".to_owned(),
            seen: None,
        };
        client.command(&forced)?;
        replay.some(10, 40)?;
        client.command(&Command::Rollback {
            model: ModelName::from(PIPELINE),
            to: None,
            seen: None,
        })?;
    }
    story.say("The whole year so far teaches a challenger, October judges.");
    story.train(
        &[("to", "2013-11-01T05:00:00Z"), ("holdout", "0.1035")],
        &[("name", "logistic-year")],
        true,
    )?;
    for month in 11..=12 {
        story.month(&mut replay, month)?;
    }
    story.materialize("2014-01-01T05:00:00Z")?;

    // The year's end: another family waits in the registry, for a person and the key `p`.
    story.say("Boosted trees learn from the year; they wait in the registry for a person.");
    story.train(
        &[("to", "2014-01-01T05:00:00Z"), ("holdout", "0.1")],
        &[("trainer.kind", "boosting"), ("name", "boosting-year")],
        false,
    )?;
    Ok(())
}

struct Story<'a> {
    workspace: &'a Workspace,
    client: &'a Client,
    output: &'a Output,
}

impl Story<'_> {
    fn say(&self, text: &str) {
        self.output.progress_done(text);
    }

    fn train(
        &self,
        window: &[(&str, &str)],
        rest: &[(&str, &str)],
        promote: bool,
    ) -> Result<Trained> {
        let set = window
            .iter()
            .chain(rest)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        match pipeline(
            self.client,
            &Command::Train {
                pipeline: PIPELINE.to_owned(),
                set,
                promote,
            },
            self.output,
        )? {
            Ok(trained) => Ok(trained),
            Err(job) => Err(failed(&job)),
        }
    }

    /// The version made from a training, if it was registered.
    fn version_of(&self, trained: &Trained) -> Result<Option<Version>> {
        let Some(run) = &trained.training.run else {
            return Ok(None);
        };
        match self.client.command(&Command::Register {
            run: run.clone(),
            model: Some(ModelName::from(PIPELINE)),
        })? {
            Reply::Version(version) => Ok(Some(version.version)),
            _ => Ok(None),
        }
    }

    /// The story stands on this promotion: without it the rest would be told about another model.
    fn expect_promoted(&self, trained: &Trained, nth: usize) -> Result<()> {
        let Reply::Moves(moves) = self.client.command(&Command::History {
            model: ModelName::from(PIPELINE),
        })?
        else {
            return Err(super::super::connect::unexpected());
        };
        if moves.len() >= nth {
            return Ok(());
        }
        let why = match &trained.evaluation {
            Some((
                _,
                Some(JobResult::Evaluate {
                    challenger,
                    champion,
                    ..
                }),
            )) => format!("challenger {challenger:?}, champion {champion:?}"),
            _ => "it was not judged".to_owned(),
        };
        Err(Error::internal(format!(
            "the gate held `{}`: {why}; `trainyard models show {PIPELINE}` tells more",
            trained.training.title
        ))
        .into())
    }

    fn materialize(&self, as_of: &str) -> Result<()> {
        let as_of = Some(super::super::monitor::instant(as_of)?);
        let Reply::Jobs(jobs) = self.client.command(&Command::Materialize {
            views: Vec::new(),
            as_of,
            from: None,
            full: false,
        })?
        else {
            return Err(super::super::connect::unexpected());
        };
        for job in jobs {
            let (ended, _) = super::super::wait::until_ended(self.client, job, self.output)?;
            if ended.state != crate::domain::job::JobState::Succeeded {
                return Err(failed(&ended));
            }
        }
        Ok(())
    }

    /// A month: its file arrives, its flights are asked about one hour before departure, labels come late, the monitor looks.
    fn month(&self, replay: &mut Replay<'_>, month: u32) -> Result<()> {
        let file = &FLIGHTS_MONTHS[month as usize - 1];
        deliver(&self.workspace.root().join("data"), file)?;
        let (from, to) = bounds(month);
        let served = replay.month(month, from, to)?;
        let look = Command::Monitor {
            monitor: PIPELINE.to_owned(),
            from,
            to,
            // Two days after the month every flight has landed.
            labels_until: Some(Timestamp(to.0 + 2 * 86_400_000)),
            label: format!("2013-{month:02}"),
        };
        let Reply::Report(report) = self.client.command(&look)? else {
            return Err(super::super::connect::unexpected());
        };
        let quality = report
            .performance
            .as_ref()
            .map_or_else(String::new, |performance| {
                let auc = performance
                    .metrics
                    .iter()
                    .find(|(name, _)| name == "roc_auc")
                    .map_or(f64::NAN, |(_, value)| *value);
                format!(
                    "AUC {auc:.3}, says {:.3}, is {:.3}",
                    performance.mean_prediction, performance.rate
                )
            });
        self.say(&format!(
            "2013-{month:02}  {served} flights  {}  {quality}  {} of {} columns drift",
            report.reference.1,
            report.drifted,
            report.columns.len()
        ));
        Ok(())
    }
}

/// A month by New York's clock, as instants of asking: the first flights leave at five, asked about at four.
fn bounds(month: u32) -> (Timestamp, Timestamp) {
    let first = |year: i32, month: u32| {
        let day = chrono::NaiveDate::from_ymd_opt(year, month, 1)
            .and_then(|day| day.and_hms_opt(5, 0, 0))
            .unwrap_or_default();
        Timestamp(day.and_utc().timestamp_millis())
    };
    (
        first(2013, month),
        if month == 12 {
            first(2014, 1)
        } else {
            first(2013, month + 1)
        },
    )
}

fn failed(job: &Job) -> Failure {
    let id: JobId = job.id;
    let why = job.error.as_deref().unwrap_or("no reason was left");
    Error::conflict(format!(
        "job {id} ({}) {}: {why}",
        job.title,
        job.state.as_str()
    ))
    .into()
}
