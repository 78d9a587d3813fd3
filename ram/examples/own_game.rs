//! A game of one's own, and an agent that learns it from its reward alone: `cargo run --release --example own_game`.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datasets::rng::below;
use ram::RamError;
use ram::config::{Config, LossKind, Returns, Source};
use ram::environments::Environment;
use ram::rand::rngs::ChaCha8Rng;
use ram::split::SplitName;
use ram::tasks::{Play, Task};
use ram::train::trainer::Trainer;

/// A mole looks out of one of three holes in each frame. To hit it there is worth a point.
#[derive(Clone, Default)]
struct Moles {
    holes: [usize; 6],
    frame: usize,
}

impl Environment for Moles {
    /// Rows and columns of the screen.
    fn size(&self) -> [usize; 2] {
        [5, 15]
    }
    fn actions(&self) -> &[&str] {
        &["left", "middle", "right"]
    }
    fn frames(&self) -> usize {
        self.holes.len()
    }
    /// All randomness comes from the generator, so a game can be played again.
    fn reset(&mut self, rng: &mut ChaCha8Rng) {
        *self = Moles { holes: [(); 6].map(|()| below(rng, 3) as usize), frame: 0 };
    }
    /// The mole is a square of 3×3 pixels.
    fn screen(&self, pixels: &mut [u8]) {
        pixels.fill(0);
        if let Some(hole) = self.holes.get(self.frame) {
            (0..9).for_each(|i| pixels[15 * (1 + i / 3) + 5 * hole + 1 + i % 3] = 255);
        }
    }
    fn step(&mut self, action: usize) -> f64 {
        let hit = self.holes.get(self.frame) == Some(&action);
        self.frame += usize::from(!self.done());
        f64::from(hit)
    }
    fn done(&self) -> bool {
        self.frame == self.holes.len()
    }
    fn best_return(&self) -> f64 {
        self.holes.len() as f64
    }
}

/// The share of moles that are missed: by one who guesses, and by an agent after so many epochs.
pub fn missed(epochs: usize) -> Result<[f64; 2], RamError> {
    let mut config = Config::default();
    config.data.source = Source::Own;
    (config.data.train, config.data.validation, config.data.test) = (800, 100, 300);
    (config.model.patch, config.model.scales, config.model.glimpses) = (4, 3, 6);
    (config.model.features, config.model.glimpse_features, config.model.hidden) = (32, 64, 64);
    (config.loss.kind, config.loss.returns, config.loss.discount) = (LossKind::Reinforce, Returns::ToGo, 0.1);
    (config.loss.entropy_weight, config.policy.std) = (0.05, 0.3);
    (config.optimiser.learning_rate, config.train.epochs, config.train.batch) = (3e-3, epochs, 20);

    let task = Arc::new(Play::new(Moles::default()));
    let guesses = task.scripted(&config).map_or(1.0, |players| players.random);
    let mut trainer = Trainer::of(task, config, None, None)?;
    trainer.train(None, &AtomicBool::new(false), &mut ())?;
    Ok([guesses, trainer.evaluate(SplitName::Test, None)?.error])
}

/// Trains, and compares the agent with one who guesses.
pub fn main() -> Result<(), RamError> {
    let [guesses, agent] = missed(30)?.map(|share| 100.0 * share);
    println!("guesses miss {guesses:.1} % of the moles, the agent {agent:.1} %");
    Ok(())
}
