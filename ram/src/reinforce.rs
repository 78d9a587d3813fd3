//! The learning rules of Sec. 3.2: eq. (1), eq. (2) and the hybrid supervised loss.
//!
//! Each is written as a loss whose gradient is minus the paper's estimate of ∇J, so that descending it ascends J. A
//! batch may be cut into pieces, each on a tape of its own: then `episodes` is the size of the whole batch, and the
//! losses of the pieces add up.

use autograd::{Real, Var};

use crate::config::{Baseline, Config, Loss, Returns};
use crate::model::action;
use crate::model::agent::{Episode, MAX_GLIMPSES, Play, Steps};

/// What the terms weigh, and what returns are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Weights {
    /// Of the location term, eq. (2).
    pub location: f64,
    /// Of the baseline's squared error.
    pub baseline: f64,
    /// The M episodes of an input, which stand next to each other, are compared among themselves: see [`leave_one_out`].
    /// Without it the baseline is the learned one.
    pub leave_one_out: Option<usize>,
}

impl Weights {
    /// Those of a configuration.
    pub fn new(config: &Config) -> Weights {
        let Loss { location_weight: location, baseline_weight: baseline, .. } = config.loss;
        let leave_one_out = (config.loss.baseline == Baseline::LeaveOneOut).then_some(config.train.samples);
        Weights { location, baseline, leave_one_out }
    }

    /// What the returns `[batch]` of each step are compared with.
    fn baselines<'t, R: Real>(&self, learned: &Steps<'t, R>, returns: Var<'t, R>) -> Steps<'t, R> {
        let Some(samples) = self.leave_one_out else { return *learned };
        let (mean, mut all) = (leave_one_out(returns, samples), Steps::new());
        learned.iter().for_each(|_| all.push(mean));
        all
    }
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

/// A baseline without a network: the mean return of the other M − 1 episodes of the same input, which stand next to each
/// other. `[batch]` → `[batch]`, without a gradient. No choice of an episode has a say in its own baseline, so the estimate
/// stays unbiased.
///
/// # Panics
/// Where `samples` is below 2 or does not divide the batch.
#[track_caller]
pub fn leave_one_out<'t, R: Real>(returns: Var<'t, R>, samples: usize) -> Var<'t, R> {
    let batch = returns.shape().len();
    assert!(
        samples > 1 && batch.is_multiple_of(samples),
        "leave_one_out: {samples} samples an input, but {batch} episodes: expected 2 or more, and a multiple"
    );
    let others = R::from_f64(1.0 / (samples - 1) as f64);
    returns.recording().filled_from("leave_one_out", returns.shape(), returns, |returns, b| {
        for (b, returns) in b.chunks_exact_mut(samples).zip(returns.chunks_exact(samples)) {
            let sum = returns.iter().fold(R::ZERO, |sum, &r| sum + r);
            // bⁱ = (Σⱼ Rʲ − Rⁱ)/(M − 1)
            b.iter_mut().zip(returns).for_each(|(b, &r)| *b = (sum - r) * others);
        }
    })
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
    let location = learns_locations.then(|| {
        let baselines = weights.baselines(&episode.baselines, reward);
        reinforce_with_baseline(&episode.log_probs, reward, &baselines, episodes)
    });
    let baseline = (learns_locations && weights.leave_one_out.is_none())
        .then(|| baseline_error(reward, &episode.baselines, episodes));
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
    let against = |learned: &Steps<'t, R>| weights.baselines(learned, reward);
    let classification =
        reinforce_with_baseline(&one(log_prob), reward, &against(&one(episode.last_baseline)), episodes);
    let location = (!episode.log_probs.is_empty())
        .then(|| reinforce_with_baseline(&episode.log_probs, reward, &against(&episode.baselines), episodes));
    let mut baselines = episode.baselines;
    baselines.push(episode.last_baseline);
    let baseline = weights.leave_one_out.is_none().then(|| baseline_error(reward, &baselines, episodes));
    weigh(classification, location, baseline, weights, reward)
}

/// Eq. (2) for the actions and the locations of games, by the rewards rₜ of their moves, [N, games]; the squared error for the
/// baseline; and the actions' entropy, rewarded by its weight.
#[track_caller]
pub fn play_loss<'t, R: Real>(
    play: &Play<'t, R>,
    rewards: &[R],
    weights: Weights,
    &Loss { returns, discount, entropy_weight, .. }: &Loss,
    games: usize,
) -> LossTerms<'t, R> {
    let t = play.baselines.iter().next().expect("a frame").recording();
    let steps = play.baselines.len();
    let batch = rewards.len() / steps;
    let gamma = R::from_f64(discount);
    // Rₜ = Σ_{s≥t} γˢ⁻ᵗ rₛ, from the last move to the first; R₁ is footnote 1's R.
    let mut to_go = [t.zeros([batch]); MAX_GLIMPSES];
    for step in (0..steps).rev() {
        let later = if step + 1 < steps { Some(to_go[step + 1]) } else { None };
        let now = &rewards[step * batch..(step + 1) * batch];
        to_go[step] = match later {
            None => t.constant([batch], now),
            Some(later) => t.filled_from("return", [batch], later, |later, y| {
                for ((y, &r), &later) in y.iter_mut().zip(now).zip(later) {
                    *y = gamma.mul_add(later, r);
                }
            }),
        };
    }
    let of = |step: usize| if returns == Returns::Episode { to_go[0] } else { to_go[step] };
    let scale = |sum: Var<'t, R>, by: f64| sum.scale(R::from_f64(by / games as f64));
    // log π(uₜⁱ)·(Rᵢ − bₜ)
    let mut against = play.baselines;
    if let Some(samples) = weights.leave_one_out {
        against = Steps::new();
        (0..steps).for_each(|step| against.push(leave_one_out(of(step), samples)));
    }
    let score = |log_probs: &Steps<'t, R>| {
        let steps = log_probs.iter().zip(against.iter()).enumerate();
        let terms = steps.map(|(step, (log_prob, b))| (log_prob * (of(step) - b).stop_gradient()).sum());
        scale(sum(terms), -1.0)
    };
    let mut actions = score(&play.action_log_probs);
    if entropy_weight > 0.0 {
        // −H = Σₐ π(a) ln π(a)
        let negative = sum(play.log_policies.iter().map(|x| (x.exp() * x).sum_axis(1).sum()));
        actions = actions + scale(negative, entropy_weight);
    }
    let location = (!play.location_log_probs.is_empty()).then(|| score(&play.location_log_probs));
    let baseline = weights.leave_one_out.is_none().then(|| {
        let errors = play.baselines.iter().enumerate().map(|(step, b)| (of(step) - b).square().sum());
        scale(sum(errors), 1.0 / steps as f64)
    });
    weigh(actions, location, baseline, weights, to_go[0])
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
