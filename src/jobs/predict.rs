//! Score a file a piece at a time: its columns, then `prediction`, and for classes the probability of each.

use super::{Job, JobCtx};
use crate::data::write::Writer;
use crate::data::{Frame, source};
use crate::domain::job::{DataSource, JobResult, PredictSpec};
use crate::domain::model::Task;
use crate::domain::{Error, Result};
use crate::ml::{Model, model_file};
use arrow_array::{ArrayRef, Float64Array, StringArray};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are scored at once.
const PIECE: usize = 65_536;

impl Job for PredictSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, "loading the model");
        let model = model_file::load(Path::new(&self.model))?;
        let DataSource::Files(snapshot) = &self.input.rows else {
            return Err(Error::invalid(format!(
                "`{}` is no file: files are scored",
                self.input.rows.name()
            )));
        };
        snapshot.files.iter().try_for_each(source::verify)?;
        let files: Vec<PathBuf> = (snapshot.files.iter())
            .map(|stamp| PathBuf::from(&stamp.path))
            .collect();
        ctx.progress(0.0, "looking at the rows");
        let pieces = source::scan(&files, None, PIECE)?;
        let total = pieces.rows();
        let mut rows = 0;
        let mut writer = None;
        for piece in pieces {
            ctx.check()?;
            let share = rows as f64 / total.max(1) as f64;
            ctx.progress(share, &format!("scoring {total} rows"));
            rows += self.write(&model, &piece?, &mut writer)?;
        }
        if writer.is_none() {
            // no rows: columns alone
            self.write(&model, &source::read(&files, None)?, &mut writer)?;
        }
        writer.map_or(Ok(()), Writer::finish)?;
        Ok(JobResult::Predict {
            path: self.output.clone(),
            rows,
        })
    }
}

impl PredictSpec {
    /// Scores rows and writes them; how many they were. The first begins the file.
    fn write(&self, model: &Model, rows: &Frame, writer: &mut Option<Writer>) -> Result<u64> {
        let scored = scored(model, rows)?;
        let writer = match writer {
            Some(writer) => writer,
            none => none.insert(Writer::create(Path::new(&self.output), &scored)?),
        };
        writer.write(&scored)?;
        Ok(scored.rows() as u64)
    }
}

/// The rows with what the model says of each.
fn scored(model: &Model, rows: &Frame) -> Result<Frame> {
    let answers = model.predict(rows)?;
    let classes = &model.signature.classes;
    let label = |class: usize| classes.get(class).map(String::as_str);
    let width = classes.len();
    let predictions: ArrayRef = match model.signature.task {
        Task::Regression => Arc::new(Float64Array::from(answers.values)),
        // a half is the positive class, as in the gate's decisions
        Task::Binary => Arc::new(StringArray::from_iter(
            answers
                .values
                .iter()
                .map(|probability| label(usize::from(*probability >= 0.5))),
        )),
        Task::Multiclass => Arc::new(StringArray::from_iter(
            answers.values.iter().map(|class| label(*class as usize)),
        )),
    };
    let mut scored = rows.with("prediction", predictions)?;
    for (class, name) in classes.iter().enumerate() {
        let column: Float64Array = answers
            .probabilities
            .iter()
            .skip(class)
            .step_by(width)
            .copied()
            .map(Some)
            .collect();
        scored = scored.with(&format!("probability_{name}"), Arc::new(column))?;
    }
    Ok(scored)
}
