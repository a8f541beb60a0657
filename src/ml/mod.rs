//! Models: trainers behind one trait, metrics, the gate, the model directory. Pure: seeds are
//! arguments, no IO besides the model directory it is given; reads `data::Frame`, knows no store.

pub mod bayes;
pub mod elastic_net;
pub mod gate;
pub mod importance;
pub mod linear;
pub mod logistic;
pub mod metrics;
pub mod model_file;
pub mod outlier;
pub mod preprocess;
pub mod trees;

use crate::data::Frame;
use crate::domain::job::TrainerSpec;
use crate::domain::model::{Signature, Task};

/// What went wrong with a model: names the trainer or parameter, and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The result of everything in this room.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<Error> for crate::domain::Error {
    fn from(error: Error) -> Self {
        Self::invalid(error.0)
    }
}

impl From<crate::data::Error> for Error {
    fn from(error: crate::data::Error) -> Self {
        Self(error.0)
    }
}

/// What is predicted, by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Two classes, more, or a number.
    pub task: Task,
    /// Class labels, sorted as text (numbers by value); empty for regression. Of two, the last is the positive one.
    pub classes: Vec<String>,
    /// Class index or number by row; NaN where there is none.
    pub values: Vec<f64>,
}

impl Target {
    /// The target in `column`. Without `task`: numbers with more than 20 distinct values (or any fraction) are a
    /// regression, two distinct values are binary, others multiclass.
    pub fn from_frame(frame: &Frame, column: &str, task: Option<Task>) -> Result<Self> {
        let _ = (frame, column, task);
        Err(Error::new("not there yet"))
    }

    /// The target in `column` in terms of the classes that a model knows.
    pub fn for_signature(frame: &Frame, column: &str, signature: &Signature) -> Result<Self> {
        let _ = (frame, column, signature);
        Err(Error::new("not there yet"))
    }

    /// These rows.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        Self {
            task: self.task,
            classes: self.classes.clone(),
            values: rows.iter().map(|row| self.values[*row as usize]).collect(),
        }
    }
}

/// Answers by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number (regression), probability of the positive class (binary), index of the likeliest class (multiclass).
    pub values: Vec<f64>,
    /// Row-major probabilities, one per class; empty for regression.
    pub probabilities: Vec<f64>,
}

/// A fitted model with everything it needs to answer from raw columns.
pub struct Model {
    /// What goes in and out.
    pub signature: Signature,
    /// The trainer's name.
    pub trainer: String,
}

/// What a fit says while it learns: metric names with values, at a step.
pub type OnStep<'a> = dyn FnMut(i64, &[(&str, f64)]) -> Result<()> + 'a;

/// Fits `trainer` on `inputs` (all columns are inputs). `validation` feeds learning curves and early stopping.
pub fn fit(
    trainer: &TrainerSpec,
    inputs: &Frame,
    target: &Target,
    validation: Option<(&Frame, &Target)>,
    seed: u64,
    on_step: &mut OnStep<'_>,
) -> Result<Model> {
    let _ = (trainer, inputs, target, validation, seed, on_step);
    Err(Error::new("not there yet"))
}

impl Model {
    /// Answers for every row of `inputs`: columns by name, extra ones ignored, missing ones an error that names them.
    pub fn predict(&self, inputs: &Frame) -> Result<Predictions> {
        let _ = inputs;
        Err(Error::new("not there yet"))
    }

    /// Every parameter in force, defaults included, as text.
    pub fn parameters(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// Names and descriptions of all trainers, and the parameters of each: for help, forms and checks.
pub fn trainer_names() -> Vec<(&'static str, &'static str)> {
    Vec::new()
}

/// Checks a trainer's name and parameters without data, for the configuration.
pub fn check_trainer(trainer: &TrainerSpec) -> Result<()> {
    let _ = trainer;
    Ok(())
}
