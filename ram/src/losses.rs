//! The numbers of a training step: the terms of the loss apart, and what comes with them.

use serde::{Deserialize, Serialize};

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
    /// Each of them added to the other's.
    pub fn plus(&self, other: &Losses) -> Losses {
        zip(self, other, |a, b| a + b)
    }
}

pub(crate) fn zip(a: &Losses, b: &Losses, f: impl Fn(f64, f64) -> f64) -> Losses {
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
