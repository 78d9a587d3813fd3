//! Training steps.

use std::hint::black_box;

use datasets::Batch;

use crate::config::{Base, Config};
use crate::error::RamError;
use crate::schedule::Rates;
use crate::tasks;
use crate::train::learner::Learner;

/// A model and a batch size whose training step is timed.
#[derive(Clone, Copy, Debug)]
pub struct StepCase {
    /// The images or the game, and the glimpses.
    pub name: &'static str,
    /// The preset or experiment.
    base: Base<'static>,
    /// Images or games in a step.
    pub batch: usize,
    /// Floating-point operations for one image or game, forward and backward. Only matrix products are counted, without the
    /// gradients that nothing needs (those of ρ, of the locations and of h₀).
    pub flops: f64,
}

const fn step_case(name: &'static str, base: Base<'static>, batch: usize, flops: f64) -> StepCase {
    StepCase { name, base, batch, flops }
}

/// The training steps that the project measures.
pub const STEPS: [StepCase; 6] = [
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 20, 7.18e6),
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 128, 7.18e6),
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 512, 7.18e6),
    step_case("translated 60x60, 8 glimpses of 12x12x3", Base::Preset("translated"), 128, 11.12e6),
    step_case("cluttered 100x100, 8 glimpses of 12x12x4", Base::Preset("cluttered-100"), 128, 11.71e6),
    step_case("Catch, 23 frames, LSTM, 6x6x3", Base::Experiment("catch"), 256, 82.4e6),
];

/// A training step that can be repeated: glimpses, backward, and the paper's gradient descent with momentum.
pub struct TrainingStep {
    learner: Learner,
    std: f64,
    batches: Vec<Batch>,
    turn: usize,
}

impl TrainingStep {
    /// The number of different batches, which are used in turn.
    const BATCHES: usize = 4;

    /// Draws the images or games, and the weights.
    ///
    /// # Errors
    /// The built-in configuration or its data are faulty; a user cannot cause this.
    pub fn new(case: &StepCase) -> Result<TrainingStep, RamError> {
        let mut sets = vec![
            format!("data.train={}", Self::BATCHES * case.batch),
            "data.validation=1".to_owned(),
            "data.test=1".to_owned(),
            format!("train.batch={}", case.batch),
            "optimiser.kind=sgd".to_owned(),
            "optimiser.clip=0".to_owned(),
        ];
        // Games need no data; images are built-in digits.
        if matches!(case.base, Base::Preset(_)) {
            sets.push("data.source=digits".to_owned());
        }
        let config = Config::load(case.base, &sets)?;
        let task = tasks::named(&config)?;
        let mut data = task.training(&config, None)?;
        let learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        let mut batches = Vec::new();
        data.batches.begin(0, 0);
        while let Some(batch) = data.batches.next_batch()? {
            batches.push(batch.clone());
        }
        Ok(TrainingStep { learner, std: config.policy.std, batches, turn: 0 })
    }

    /// Runs one step on the current rayon pool.
    ///
    /// The learning rate is 0, so that the last step is as much work as the first. A network that had learned its few batches
    /// would have subnormal gradients, and processors are slow with subnormal numbers.
    pub fn run(&mut self) {
        self.turn = (self.turn + 1) % self.batches.len();
        black_box(self.learner.step(&self.batches[self.turn], 0, Rates { learning_rate: 0.0, std: self.std }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_preset() {
        for case in STEPS {
            TrainingStep::new(&StepCase { batch: 2, ..case }).unwrap().run();
        }
    }
}
