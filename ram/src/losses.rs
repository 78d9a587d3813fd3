//! The loss of a training step: its terms as variables of the tape, their weights, and their values.

use autograd::{Real, Var};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Returns};
use crate::reinforce::{BaselineKind, Term};

/// The weights of the loss terms, and the baseline that is subtracted from returns.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    /// Weight of the location term, eq. (2).
    pub location_weight: f64,
    /// Weight of the baseline's squared error.
    pub baseline_weight: f64,
    /// What is subtracted from returns.
    pub baseline: BaselineKind,
    /// What a choice is blamed for.
    pub returns: Returns,
    /// γ, by which later rewards count less.
    pub discount: f64,
    /// Weight of the cross entropy after each glimpse but the last.
    pub early_weight: f64,
    /// Weight of the entropy of zooms that are learned. (That of a game's actions is the game's own affair.)
    pub entropy_weight: f64,
    /// What each glimpse costs, where the agent may stop.
    pub glimpse_price: f64,
    /// M of eq. (2): the number of episodes of each input. The episodes of an input are neighbours in the batch.
    pub samples: usize,
}

/// The objective of the default configuration.
impl Default for Objective {
    fn default() -> Self {
        Objective::new(&Config::default())
    }
}

impl Objective {
    /// The objective of a configuration.
    pub fn new(config: &Config) -> Objective {
        let loss = &config.loss;
        Objective {
            location_weight: loss.location_weight,
            baseline_weight: loss.baseline_weight,
            baseline: loss.baseline,
            returns: loss.returns,
            discount: loss.discount,
            early_weight: loss.early_weight,
            entropy_weight: loss.entropy_weight,
            glimpse_price: loss.glimpse_price,
            samples: config.train.samples,
        }
    }

    /// Whether a baseline is learned.
    pub fn learns_baseline(&self) -> bool {
        self.baseline.is_learned()
    }

    /// Multiplies the terms by their weights and adds them up. `beside` joins the term of the decisions.
    pub fn weigh<'t, R: Real>(&self, terms: Terms<'t, R>, reward: Var<'t, R>) -> LossTerms<'t, R> {
        let Terms { decisions, beside, location, baseline } = terms;
        let classification = match beside {
            Some(beside) => decisions.mean() + beside.mean(),
            None => decisions.mean(),
        };
        let (location, baseline) = (location.map(Term::mean), baseline.map(Term::mean));
        let weights = [self.location_weight, self.baseline_weight];
        let total =
            [location, baseline].into_iter().zip(weights).fold(classification, |total, (term, weight)| match term {
                Some(term) => total + term.scale(R::from_f64(weight)),
                None => total,
            });
        LossTerms { classification, location, baseline, total, reward, terms, weights }
    }
}

/// The terms of the loss before they are weighed.
#[derive(Clone, Copy)]
pub struct Terms<'t, R: Real> {
    /// −log π(a*_T), or the term of eq. (2) for the decisions.
    pub decisions: Term<'t, R>,
    /// What joins it, by its weight: minus the entropy of a game's decisions or of an agent's zooms, and the cross entropy after
    /// earlier glimpses.
    pub beside: Option<Term<'t, R>>,
    /// The term of eq. (2) for the locations.
    pub location: Option<Term<'t, R>>,
    /// The squared error of the baseline.
    pub baseline: Option<Term<'t, R>>,
}

/// The loss, its terms without their weights, and the reward.
pub struct LossTerms<'t, R: Real> {
    /// −log π(a*_T), averaged over episodes; or the term of eq. (2) for the decisions.
    pub classification: Var<'t, R>,
    /// −Σₜ log π(lₜ)(Rₜ − bₜ), averaged over episodes. Its gradient has a meaning, its value has none.
    pub location: Option<Var<'t, R>>,
    /// (Rₜ − bₜ)², averaged over steps and episodes.
    pub baseline: Option<Var<'t, R>>,
    /// The weighted sum of the terms, which training minimises.
    pub total: Var<'t, R>,
    /// The return R of each episode, `[batch]`.
    pub reward: Var<'t, R>,
    /// What each episode adds to the terms.
    terms: Terms<'t, R>,
    /// The weights of the location term and of the baseline.
    weights: [f64; 2],
}

impl<R: Real> LossTerms<'_, R> {
    /// The number of steps whose baselines the baseline's term compares with returns: T for a game, and T − 1 for images, where l₀
    /// is not chosen and the class does not count, unless they are. 0 without that term.
    pub fn baseline_steps(&self) -> usize {
        let per_episode =
            |term: Term<'_, R>| (1.0 / (term.factor * term.episodes.shape().len() as f64)).round() as usize;
        self.terms.baseline.map_or(0, per_episode)
    }
}

impl LossTerms<'_, f32> {
    /// What each episode adds to the losses of a batch of `episodes` episodes, in the order of the episodes. `error` and
    /// `grad_norm` are 0. `add` is called once for each.
    pub fn each(&self, episodes: usize, mut add: impl FnMut(usize, Losses)) {
        let Terms { decisions, beside, location, baseline } = self.terms;
        let [location_weight, baseline_weight] = self.weights;
        let rewards = self.reward.value();
        let values = [Some(decisions), beside, location, baseline]
            .map(|term| term.map(|term| (term.episodes.value(), term.factor)));
        for (i, &reward) in rewards.iter().enumerate() {
            let [decision, beside, location, baseline] = [0, 1, 2, 3]
                .map(|term: usize| values[term].as_ref().map_or(0.0, |(values, factor)| f64::from(values[i]) * factor));
            let classification = decision + beside;
            let total = classification + location_weight * location + baseline_weight * baseline;
            let reward = f64::from(reward) / episodes as f64;
            add(i, Losses { classification, location, baseline, total, reward, ..Losses::default() });
        }
    }
}

/// The values of the loss terms and related numbers, of one step or as means over the images of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// Cross-entropy of the class in nats per image, or the REINFORCE term of the decisions.
    pub classification: f64,
    /// The location term of eq. (2), summed over glimpses.
    pub location: f64,
    /// Squared error of the baseline.
    pub baseline: f64,
    /// The weighted sum of the terms, which training minimises.
    pub total: f64,
    /// Mean reward, 0 to 1.
    pub reward: f64,
    /// Share of images whose most probable class is wrong, 0 to 1.
    pub error: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
}

impl Losses {
    /// Adds each number to the same number of `other`.
    pub fn plus(&self, other: &Losses) -> Losses {
        zip(self, other, |a, b| a + b)
    }

    /// The first number that is infinite or not a number, with its name. The terms come before their sum, to name the cause.
    pub fn not_finite(&self) -> Option<(&'static str, f64)> {
        let named = [
            ("classification term of the loss", self.classification),
            ("location term of the loss", self.location),
            ("baseline's term of the loss", self.baseline),
            ("loss", self.total),
            ("reward", self.reward),
            ("error", self.error),
            ("norm of the gradient", self.grad_norm),
        ];
        named.into_iter().find(|(_, x)| !x.is_finite())
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

/// The sums of [`Losses`] in the current epoch. They are part of a checkpoint, so that a run that is resumed in the middle of
/// an epoch writes the same line as without the interruption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// The number of images so far.
    pub images: u64,
    /// The losses of each step times its number of images, added in the order of the steps.
    pub sums: Losses,
}

impl Running {
    /// Adds the losses of a step over `images` images.
    pub fn add(&mut self, step: &Losses, images: usize) {
        self.images += images as u64;
        self.sums = zip(&self.sums, step, |sum, x| sum + x * images as f64);
    }

    /// The mean over the images so far; zeros if there are none.
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
