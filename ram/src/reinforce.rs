//! The learning rules of Sec. 3.2: eq. (1), eq. (2) and the hybrid supervised loss.
//!
//! Each is written as a loss whose gradient is minus the paper's estimate of ∇J, so that descending it ascends J. A
//! batch may be cut into pieces, each on a tape of its own: then `episodes` is the size of the whole batch, and the
//! losses of the pieces add up.

use autograd::{Real, Var};

use crate::model::action;
use crate::model::agent::{Episode, Steps};

/// What the terms weigh.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Of the location term, eq. (2).
    pub location: f64,
    /// Of the baseline's squared error.
    pub baseline: f64,
}

/// The loss, its terms before weighing, and the reward.
pub struct LossTerms<'t, R: Real> {
    /// −log π(a*_T), averaged over episodes; or the classes' share of eq. (2).
    pub classification: Var<'t, R>,
    /// −Σₜ log π(lₜ)(R − bₜ), averaged over episodes. Its value means nothing, only its gradient does.
    pub location: Option<Var<'t, R>>,
    /// (R − bₜ)², averaged over steps and episodes.
    pub baseline: Option<Var<'t, R>>,
    /// The weighted sum.
    pub total: Var<'t, R>,
    /// R of each episode, `[batch]`.
    pub reward: Var<'t, R>,
}

/// Eq. (1): −1/M Σᵢ Σₜ log π(uₜⁱ)·Rⁱ, for actions' log-probabilities T × `[batch]` and returns `[batch]`.
///
/// # Panics
/// Where there is no log-probability.
#[track_caller]
pub fn reinforce<'t, R: Real>(log_probs: &Steps<'t, R>, returns: Var<'t, R>, episodes: usize) -> Var<'t, R> {
    let returns = returns.stop_gradient();
    let terms = log_probs.iter().map(|log_prob| (log_prob * returns).sum());
    // ∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ)·Rⁱ
    sum(terms).scale(R::from_f64(-1.0 / episodes as f64))
}

/// Eq. (2): −1/M Σᵢ Σₜ log π(uₜⁱ)·(Rⁱ − bₜⁱ), the baselines T × `[batch]` being constants here.
///
/// # Panics
/// Where there is no log-probability.
#[track_caller]
pub fn reinforce_with_baseline<'t, R: Real>(
    log_probs: &Steps<'t, R>,
    returns: Var<'t, R>,
    baselines: &Steps<'t, R>,
    episodes: usize,
) -> Var<'t, R> {
    let terms = log_probs.iter().zip(baselines.iter()).map(|(log_prob, b)| {
        // log π(uₜⁱ)·(Rᵢ − bₜ)
        (log_prob * (returns - b).stop_gradient()).sum()
    });
    sum(terms).scale(R::from_f64(-1.0 / episodes as f64))
}

/// The squared error by which bₜ learns `E[Rₜ]`: 1/(M·T) Σᵢ Σₜ (Rⁱ − bₜⁱ)².
///
/// # Panics
/// Where there is no baseline.
#[track_caller]
pub fn baseline_error<'t, R: Real>(returns: Var<'t, R>, baselines: &Steps<'t, R>, episodes: usize) -> Var<'t, R> {
    let returns = returns.stop_gradient();
    sum(baselines.iter().map(|b| (returns - b).square().sum()))
        .scale(R::from_f64(1.0 / (episodes * baselines.len()) as f64))
}

/// The hybrid loss of Sec. 3.2: cross entropy for the class, whose gradient passes the core and the glimpse network;
/// eq. (2) for the locations; the squared error for the baseline. The reward is 1 where the most likely class, or with
/// `sampled` one drawn from the policy by these uniform numbers `[batch]`, is right.
#[track_caller]
pub fn hybrid_loss<'t, R: Real>(
    episode: &Episode<'t, R>,
    labels: &[u32],
    weights: Weights,
    sampled: Option<&[R]>,
    episodes: usize,
) -> LossTerms<'t, R> {
    let chosen = match sampled {
        Some(uniforms) => action::sample(episode.logits, uniforms),
        None => action::argmax(episode.logits),
    };
    let reward = action::reward(chosen, labels);
    // −log π(a*_T | s₁:_T)
    let classification = episode.logits.cross_entropy(labels).sum().scale(R::from_f64(1.0 / episodes as f64));
    // One glimpse chooses no location: it has neither term.
    let learns_locations = !episode.log_probs.is_empty();
    let location =
        learns_locations.then(|| reinforce_with_baseline(&episode.log_probs, reward, &episode.baselines, episodes));
    let baseline = learns_locations.then(|| baseline_error(reward, &episode.baselines, episodes));
    weigh(classification, location, baseline, weights, reward)
}

/// Cross entropy alone, for a network that chooses nothing but the class.
#[track_caller]
pub fn supervised_loss<'t, R: Real>(logits: Var<'t, R>, labels: &[u32], images: usize) -> LossTerms<'t, R> {
    let reward = action::reward(action::argmax(logits), labels);
    let classification = logits.cross_entropy(labels).sum().scale(R::from_f64(1.0 / images as f64));
    LossTerms { classification, location: None, baseline: None, total: classification, reward }
}

/// Pure REINFORCE: eq. (2) for the locations and for the class too, a ∼ π(a), drawn by these uniform numbers `[batch]`.
/// No label is used but for the reward.
#[track_caller]
pub fn reinforce_loss<'t, R: Real>(
    episode: &Episode<'t, R>,
    labels: &[u32],
    weights: Weights,
    uniforms: &[R],
    episodes: usize,
) -> LossTerms<'t, R> {
    let chosen = action::sample(episode.logits, uniforms);
    let reward = action::reward(chosen, labels);
    let log_prob = action::log_prob_of(episode.logits.log_softmax(), chosen);
    let classification = reinforce_with_baseline(&one(log_prob), reward, &one(episode.last_baseline), episodes);
    let location = (!episode.log_probs.is_empty())
        .then(|| reinforce_with_baseline(&episode.log_probs, reward, &episode.baselines, episodes));
    let mut baselines = episode.baselines;
    baselines.push(episode.last_baseline);
    let baseline = Some(baseline_error(reward, &baselines, episodes));
    weigh(classification, location, baseline, weights, reward)
}

fn weigh<'t, R: Real>(
    classification: Var<'t, R>,
    location: Option<Var<'t, R>>,
    baseline: Option<Var<'t, R>>,
    weights: Weights,
    reward: Var<'t, R>,
) -> LossTerms<'t, R> {
    let weighted = [(location, weights.location), (baseline, weights.baseline)];
    let total = weighted.into_iter().fold(classification, |total, (term, weight)| match term {
        Some(term) => total + term.scale(R::from_f64(weight)),
        None => total,
    });
    LossTerms { classification, location, baseline, total, reward }
}

fn one<'t, R: Real>(var: Var<'t, R>) -> Steps<'t, R> {
    let mut steps = Steps::new();
    steps.push(var);
    steps
}

#[track_caller]
fn sum<'t, R: Real>(terms: impl Iterator<Item = Var<'t, R>>) -> Var<'t, R> {
    terms.reduce(|sum, term| sum + term).expect("at least one term")
}
