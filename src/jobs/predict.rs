//! Score a file: its columns, then `prediction`, and for classes the probability of each.

use super::{Job, JobCtx, rows};
use crate::domain::Result;
use crate::domain::job::{JobResult, PredictSpec};
use crate::domain::model::Task;
use crate::ml::model_file;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use std::path::Path;
use std::sync::Arc;

impl Job for PredictSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, "loading the model");
        let model = model_file::load(Path::new(&self.model))?;
        let mut frame = rows::build(&self.input, ctx, 0.05, 0.5)?;
        ctx.progress(0.5, &format!("scoring {} rows", frame.rows()));
        let answers = model.predict(&frame)?;
        ctx.check()?;
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
        frame = frame.with("prediction", predictions)?;
        for (class, name) in classes.iter().enumerate() {
            let column: Float64Array = answers
                .probabilities
                .iter()
                .skip(class)
                .step_by(width)
                .copied()
                .map(Some)
                .collect();
            frame = frame.with(&format!("probability_{name}"), Arc::new(column))?;
        }
        ctx.progress(0.9, "writing");
        frame.write(Path::new(&self.output))?;
        Ok(JobResult::Predict {
            path: self.output.clone(),
            rows: frame.rows() as u64,
        })
    }
}
