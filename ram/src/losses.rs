//! The loss of a training step: its terms as variables of the tape, what they weigh, and their numbers.

use autograd::{Real, Var};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::reinforce::BaselineKind;

/// What the terms of a loss weigh, and what returns are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// Weight of the location term, eq. (2).
    pub location_weight: f64,
    /// Weight of the baseline's squared error.
    pub baseline_weight: f64,
    /// What returns are compared with.
    pub baseline: BaselineKind,
    /// M of eq. (2): episodes of each input, which stand next to each other.
    pub samples: usize,
}

impl Objective {
    /// The objective of a configuration.
    pub fn new(config: &Config) -> Objective {
        let loss = &config.loss;
        Objective {
            location_weight: loss.location_weight,
            baseline_weight: loss.baseline_weight,
            baseline: loss.baseline,
            samples: config.train.samples,
        }
    }

    /// Whether a baseline is learned.
    pub fn learns_baseline(&self) -> bool {
        self.baseline == BaselineKind::Learned
    }

    /// The loss of these terms, weighed and added up.
    pub fn weigh<'t, R: Real>(
        &self,
        classification: Var<'t, R>,
        location: Option<Var<'t, R>>,
        baseline: Option<Var<'t, R>>,
        reward: Var<'t, R>,
    ) -> LossTerms<'t, R> {
        let weighted = [(location, self.location_weight), (baseline, self.baseline_weight)];
        let total = weighted.into_iter().fold(classification, |total, (term, weight)| match term {
            Some(term) => total + term.scale(R::from_f64(weight)),
            None => total,
        });
        LossTerms { classification, location, baseline, total, reward }
    }
}

/// The loss, its terms before weighing, and the reward.
pub struct LossTerms<'t, R: Real> {
    /// −log π(a*_T), averaged over episodes; or the decisions' share of eq. (2).
    pub classification: Var<'t, R>,
    /// −Σₜ log π(lₜ)(Rₜ − bₜ), averaged over episodes. Only its gradient has a meaning, not its value.
    pub location: Option<Var<'t, R>>,
    /// (Rₜ − bₜ)², averaged over steps and episodes.
    pub baseline: Option<Var<'t, R>>,
    /// The weighted sum, which is minimised.
    pub total: Var<'t, R>,
    /// The return R of each episode, `[batch]`.
    pub reward: Var<'t, R>,
}

/// The loss terms apart, and what comes with them: of one step, or the mean over an epoch's images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Cross-entropy of the class (or REINFORCE's term for it), nats an image.
    pub classification: f64,
    /// The location term of eq. (2), summed over glimpses.
    pub location: f64,
    /// Squared error of the baseline.
    pub baseline: f64,
    /// What is minimised: the terms with their weights.
    pub total: f64,
    /// Mean reward, 0 to 1.
    pub reward: f64,
    /// Share of images whose most probable class is wrong, 0 to 1.
    pub error: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
}

impl Losses {
    /// The values of the terms; the reward is added up over the episodes, and `error` and `grad_norm` are 0.
    pub fn of(loss: &LossTerms<f32>) -> Losses {
        let item = |term: Option<Var<f32>>| term.map_or(0.0, |term| f64::from(term.item()));
        Losses {
            classification: item(Some(loss.classification)),
            location: item(loss.location),
            baseline: item(loss.baseline),
            total: item(Some(loss.total)),
            reward: loss.reward.value().iter().map(|&r| f64::from(r)).sum(),
            ..Losses::default()
        }
    }

    /// Each of them added to the other's.
    pub fn plus(&self, other: &Losses) -> Losses {
        zip(self, other, |a, b| a + b)
    }
}

fn zip(a: &Losses, b: &Losses, f: impl Fn(f64, f64) -> f64) -> Losses {
    Losses {
        classification: f(a.classification, b.classification),
        location: f(a.location, b.location),
        baseline: f(a.baseline, b.baseline),
        total: f(a.total, b.total),
        reward: f(a.reward, b.reward),
        error: f(a.error, b.error),
        grad_norm: f(a.grad_norm, b.grad_norm),
    }
}

/// [`Losses`] gathered over the epoch under way. Part of a checkpoint, so that a run resumed in the middle of an epoch writes
/// the line it would have written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Images so far.
    pub images: u64,
    /// Each step's losses times its images, added in the order of the steps.
    pub sums: Losses,
}

impl Running {
    /// Adds a step over `images` images.
    pub fn add(&mut self, step: &Losses, images: usize) {
        self.images += images as u64;
        self.sums = zip(&self.sums, step, |sum, x| sum + x * images as f64);
    }

    /// The mean over the images so far; zeros before the first.
    pub fn mean(&self) -> Losses {
        let images = self.images.max(1) as f64;
        zip(&self.sums, &self.sums, |sum, _| sum / images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_mean_weighs_steps_by_their_images() {
        let mut running = Running::default();
        assert_eq!(running.mean(), Losses::default());
        running.add(&Losses { total: 1.0, ..Losses::default() }, 3);
        running.add(&Losses { total: 5.0, ..Losses::default() }, 1);
        assert_eq!(running.mean().total, 2.0);
    }
}
