//! Models: trainers behind one trait, metrics, the gate, the model directory. Pure: seeds are
//! arguments, no IO besides the model directory it is given; reads `data::Frame`, knows no store.

pub mod bayes;
pub mod elastic_net;
pub mod estimator;
pub mod gate;
pub mod importance;
pub mod linear;
pub mod logistic;
pub mod metrics;
pub mod model_file;
mod newton;
pub mod outlier;
pub mod preprocess;
pub mod target;
pub mod trainer;
pub mod trees;
pub mod weights;

pub use target::Target;
pub use trainer::{Parameter, ParameterKind, TRAINERS, Trainer};

use crate::data::Frame;
use crate::domain::job::TrainerSpec;
use crate::domain::model::{InputKind, Signature, Task};
use estimator::Estimator;
use trainer::{Lesson, Parameters};

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

/// Answers by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number (regression), probability of the positive class (binary), index of the likeliest class (multiclass).
    pub values: Vec<f64>,
    /// Row-major probabilities, one per class; empty for regression.
    pub probabilities: Vec<f64>,
}

/// A fitted model with everything it needs to answer from raw columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What goes in and out.
    pub signature: Signature,
    /// The trainer's name.
    pub trainer: String,
    parameters: Parameters,
    estimator: Estimator,
}

/// What a fit says while it learns: metric names with values, at a step. Without values it only says that it goes on.
pub type OnStep<'a> = dyn FnMut(i64, &[(&str, f64)]) -> Result<()> + 'a;

/// Fits `trainer` on `inputs` (all columns are inputs). `validation` feeds learning curves and early stopping.
/// Rows without target are left out.
pub fn fit(
    trainer: &TrainerSpec,
    inputs: &Frame,
    target: &Target,
    validation: Option<(&Frame, &Target)>,
    seed: u64,
    on_step: &mut OnStep<'_>,
) -> Result<Model> {
    let chosen = trainer::find(&trainer.kind)?;
    let parameters = Parameters::resolve(chosen, trainer)?;
    check_task(chosen, target)?;
    if inputs.names().is_empty() {
        return Err(Error::new("there is no input column to learn from"));
    }
    let (inputs, target) = with_target(inputs, target)?;
    check_target(&target)?;
    let validation = validation
        .map(|(inputs, target)| with_target(inputs, target))
        .transpose()?
        .filter(|(_, target)| !target.values.is_empty());
    let estimator = chosen.fit(
        &Lesson {
            inputs: &inputs,
            target: &target,
            validation: validation.as_ref().map(|(inputs, target)| (inputs, target)),
            parameters: &parameters,
            seed,
        },
        on_step,
    )?;
    Ok(Model {
        signature: Signature {
            inputs: preprocess::signature_inputs(&inputs)?,
            task: target.task,
            classes: target.classes,
        },
        trainer: chosen.name().to_owned(),
        parameters,
        estimator,
    })
}

fn check_task(chosen: &dyn Trainer, target: &Target) -> Result<()> {
    if chosen.tasks().contains(&target.task) {
        return Ok(());
    }
    let able = TRAINERS
        .iter()
        .filter(|other| other.tasks().contains(&target.task))
        .map(|other| other.name());
    let what = match target.task {
        Task::Binary => "two classes",
        Task::Multiclass => "more than two classes",
        Task::Regression => "numbers",
    };
    Err(Error::new(format!(
        "trainer `{}` cannot learn {what}; those that can are {}",
        chosen.name(),
        trainer::listed(able)
    )))
}

fn with_target(inputs: &Frame, target: &Target) -> Result<(Frame, Target)> {
    if inputs.rows() != target.values.len() {
        return Err(Error::new(format!(
            "{} rows of inputs and {} of target",
            inputs.rows(),
            target.values.len()
        )));
    }
    let known: Vec<u32> = (0..target.values.len() as u32)
        .filter(|row| target.values[*row as usize].is_finite())
        .collect();
    if known.len() == target.values.len() {
        return Ok((inputs.clone(), target.clone()));
    }
    Ok((inputs.take(&known)?, target.take(&known)))
}

fn check_target(target: &Target) -> Result<()> {
    let Some(first) = target.values.first() else {
        return Err(Error::new("there is no row with a target to learn from"));
    };
    if target.task != Task::Regression && target.values.iter().all(|value| value == first) {
        let class = target
            .classes
            .get(*first as usize)
            .map_or("?", String::as_str);
        return Err(Error::new(format!(
            "all {} rows have the target `{class}`; at least two classes are needed",
            target.values.len()
        )));
    }
    if target.task == Task::Regression && target.values.iter().any(|y| y.abs() > 1e100) {
        return Err(Error::new(
            "the target has numbers beyond 1e100; leave those rows out",
        ));
    }
    Ok(())
}

impl Model {
    /// Answers for every row of `inputs`: columns by name, extra ones ignored, missing ones an error that names them.
    pub fn predict(&self, inputs: &Frame) -> Result<Predictions> {
        self.check_inputs(inputs)?;
        let answers = self.estimator.answers(inputs)?;
        Ok(match self.signature.task {
            Task::Regression => Predictions {
                values: answers,
                probabilities: Vec::new(),
            },
            Task::Binary => Predictions {
                values: answers.chunks_exact(2).map(|row| row[1]).collect(),
                probabilities: answers,
            },
            Task::Multiclass => Predictions {
                values: answers
                    .chunks_exact(self.signature.classes.len())
                    .map(|row| likeliest(row) as f64)
                    .collect(),
                probabilities: answers,
            },
        })
    }

    /// Every parameter in force, defaults included, as text.
    pub fn parameters(&self) -> Vec<(String, String)> {
        self.parameters
            .0
            .iter()
            .map(|(name, value)| {
                let text = match value {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                (name.clone(), text)
            })
            .collect()
    }

    fn check_inputs(&self, inputs: &Frame) -> Result<()> {
        let schema = inputs.batch.schema_ref();
        let mut missing = self
            .signature
            .inputs
            .iter()
            .filter(|input| schema.column_with_name(&input.name).is_none())
            .map(|input| match input.kind {
                InputKind::Number => format!("`{}` (number)", input.name),
                InputKind::Text => format!("`{}` (text)", input.name),
            })
            .peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        Err(Error::new(format!(
            "missing inputs: {}",
            missing.collect::<Vec<_>>().join(", ")
        )))
    }
}

/// Index of the greatest probability; of equals the first.
fn likeliest(row: &[f64]) -> usize {
    let mut best = 0;
    for (index, probability) in row.iter().enumerate() {
        if *probability > row[best] {
            best = index;
        }
    }
    best
}

/// Names and descriptions of all trainers, and the parameters of each: for help, forms and checks.
pub fn trainer_names() -> Vec<(&'static str, &'static str)> {
    TRAINERS
        .iter()
        .map(|trainer| (trainer.name(), trainer.description()))
        .collect()
}

/// Checks a trainer's name and parameters without data, for the configuration.
pub fn check_trainer(trainer: &TrainerSpec) -> Result<()> {
    Parameters::resolve(trainer::find(&trainer.kind)?, trainer).map(|_| ())
}

#[cfg(test)]
mod tests;
