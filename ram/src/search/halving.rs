//! Successive halving (Jamieson and Talwalkar, 2016): all trials train for a few epochs, the best 1/η of them train for η times as
//! many, and so on, until a few trials have trained all epochs. Each such stage is called a rung.
//!
//! A trial that goes on resumes from its checkpoint, with the schedules of the whole training, so that it ends with the same bits
//! as a trial that never paused. When all trials of a rung have ended it, their validation errors alone decide which of them go
//! on; so every process decides the same.

use serde::{Deserialize, Serialize};

/// The key `halving` of a study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// η: one in η trials goes on.
    pub eta: u32,
    /// Epochs of the first rung. If absent, it is chosen so that about one trial is left for the last rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<usize>,
}

impl Halving {
    /// The numbers of epochs after which the trials are compared; the last one is `epochs`.
    pub fn rungs(&self, epochs: usize, trials: u32) -> Vec<usize> {
        let eta = self.eta as usize;
        let first = self.first.unwrap_or_else(|| {
            let (mut first, mut left) = (epochs, trials as usize);
            while left >= eta && first >= eta {
                (first, left) = (first / eta, left / eta);
            }
            first
        });
        let mut rungs: Vec<usize> = std::iter::successors(Some(first), |rung| rung.checked_mul(eta))
            .take_while(|&rung| rung < epochs)
            .collect();
        rungs.push(epochs);
        rungs
    }
}

/// The error of a trial at the end of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The number of the trial.
    pub trial: u32,
    /// The validation error of its best epoch so far, 0 to 1; `None` where the training diverged.
    pub error: Option<f64>,
}

/// Which trials go on after a rung. It is written into the study's folder once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The rung, from 1.
    pub rung: usize,
    /// How many epochs the trials had trained.
    pub epochs: usize,
    /// All trials of the rung, from the best to the worst.
    pub standings: Vec<Standing>,
    /// The numbers of the trials that go on, in increasing order.
    pub promoted: Vec<u32>,
}

impl Decision {
    /// Lets the best ⌈n/η⌉ of n trials go on. Of trials with equal errors the lower number is better; a trial that diverged never
    /// goes on.
    pub fn of(rung: usize, epochs: usize, eta: u32, mut standings: Vec<Standing>) -> Decision {
        let rank = |standing: &Standing| (standing.error.unwrap_or(f64::INFINITY), standing.trial);
        standings.sort_by(|a, b| rank(a).0.total_cmp(&rank(b).0).then(a.trial.cmp(&b.trial)));
        let places = standings.len().div_ceil(eta as usize);
        let good = standings.iter().filter(|standing| standing.error.is_some());
        let mut promoted: Vec<u32> = good.take(places).map(|standing| standing.trial).collect();
        promoted.sort_unstable();
        Decision { rung, epochs, standings, promoted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_grow_by_eta_and_end_with_all_epochs() {
        let rungs = |eta, first, epochs, trials| Halving { eta, first }.rungs(epochs, trials);
        assert_eq!(rungs(3, Some(2), 60, 40), [2, 6, 18, 54, 60]);
        assert_eq!(rungs(3, Some(1), 9, 40), [1, 3, 9]);
        assert_eq!(rungs(2, Some(9), 9, 40), [9]);
        assert_eq!(rungs(2, Some(10), 9, 40), [9]);
        // 27 trials: 27 → 9 → 3 → 1.
        assert_eq!(rungs(3, None, 81, 27), [3, 9, 27, 81]);
        assert_eq!(rungs(3, None, 4, 27), [1, 3, 4]);
        assert_eq!(rungs(3, None, 81, 2), [81]);
        assert_eq!(rungs(1000, None, 1_000_000, 1_000_000), [1, 1_000, 1_000_000]);
    }

    fn standings(errors: &[Option<f64>]) -> Vec<Standing> {
        (1..).zip(errors).map(|(trial, &error)| Standing { trial, error }).collect()
    }

    #[test]
    fn the_best_go_on_and_equal_ones_by_their_number() {
        let errors = [Some(0.3), Some(0.1), None, Some(0.1), Some(0.2), Some(0.1), Some(0.9)];
        let decision = Decision::of(1, 2, 3, standings(&errors));
        assert_eq!(decision.promoted, [2, 4, 6], "seven of which a third, rounded up, goes on");
        assert_eq!(decision.standings.iter().map(|s| s.trial).collect::<Vec<_>>(), [2, 4, 6, 5, 1, 7, 3]);
        let mut shuffled = standings(&errors);
        shuffled.reverse();
        assert_eq!(Decision::of(1, 2, 3, shuffled), decision, "the order of arrival does not matter");
    }

    #[test]
    fn what_diverged_never_goes_on() {
        assert_eq!(Decision::of(1, 1, 2, standings(&[None, Some(0.5), None, None])).promoted, [2]);
        assert!(Decision::of(1, 1, 2, standings(&[None, None])).promoted.is_empty());
    }
}
