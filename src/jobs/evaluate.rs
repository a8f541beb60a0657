//! Challenger and champion on the rows that training kept out, each with the features that it learned from.

use super::rows::{self, Rows};
use super::{Job, JobCtx};
use crate::data::Frame;
use crate::domain::job::{ChampionRows, EvaluateSpec, JobResult, TableSpec};
use crate::domain::{Error, Result};
use crate::ml::{Model, Target, gate, model_file};
use std::path::Path;

impl Job for EvaluateSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, "loading the models");
        let challenger = model_file::load(Path::new(&self.challenger))?;
        let champion = match &self.champion {
            Some(directory) => Some(model_file::load(Path::new(directory))?),
            None => None,
        };
        let frame = rows::build(&self.table, ctx, 0.05, 0.4)?;
        let divided = self.divided(&self.table, &frame, &challenger)?;
        drop(frame);
        let held_out = divided.frame.take(&divided.split.held_out)?;
        let target = divided.target.take(&divided.split.held_out);
        let own = match (&champion, &self.champion_rows) {
            (None, _) | (_, ChampionRows::Same) => Ok(None),
            (_, ChampionRows::Gone(why)) => Err(why.clone()),
            (_, ChampionRows::Own(table)) => self.own(table, &divided, &challenger, ctx)?,
        };
        ctx.progress(0.7, &format!("judging on {} rows", held_out.rows()));
        let rival = match &own {
            Ok(own) => champion
                .as_ref()
                .map(|champion| (champion, own.as_ref().unwrap_or(&held_out))),
            Err(_) => None,
        };
        let mut result =
            gate::compare(&held_out, &target, &challenger, rival, &self.gate, self.seed)?;
        if let JobResult::Evaluate {
            champion_gone,
            input_changes,
            ..
        } = &mut result
            && let (Some(champion), Err(why)) = (&champion, own)
        {
            ctx.log("warn", format!("the champion is not judged: {why}"))?;
            *input_changes = gate::changes(champion, &challenger);
            *champion_gone = Some(why);
        }
        ctx.check()?;
        Ok(result)
    }
}

impl EvaluateSpec {
    fn divided(&self, table: &TableSpec, frame: &Frame, challenger: &Model) -> Result<Rows> {
        rows::split(
            table,
            frame,
            |frame, column| Target::for_signature(frame, column, &challenger.signature),
            self.holdout,
            self.seed,
        )
    }

    /// The rows that were kept out as the champion's features have them; or why they cannot be made any more.
    fn own(
        &self,
        table: &TableSpec,
        divided: &Rows,
        challenger: &Model,
        ctx: &mut JobCtx,
    ) -> Result<std::result::Result<Option<Frame>, String>> {
        let built = rows::build(table, ctx, 0.4, 0.7);
        ctx.check()?;
        let frame = match built {
            Ok(frame) => frame,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let own = self.divided(table, &frame, challenger)?;
        if own.split != divided.split || own.times != divided.times {
            return Err(Error::internal(
                "the champion's features do not come with the same rows",
            ));
        }
        Ok(Ok(Some(own.frame.take(&own.split.held_out)?)))
    }
}
