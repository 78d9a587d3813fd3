//! The learning rule of Sec. 3.2: eq. (1), eq. (2), the baselines of eq. (2), and the squared error by which one is learned.
//!
//! **Why the score function.** The agent shall maximise the expected return `J(θ) = E_{p(s₁:T; θ)}[R]`. The choices u (where to
//! look, what to do) are drawn at random, so R has no derivative in θ; but their probabilities have one. With
//! ∇p = p ∇ log p,
//!
//! ```text
//! ∇J = Σ_s ∇p(s₁:T; θ) R = E[∇ log p(s₁:T; θ) R] = E[Σₜ ∇ log π(uₜ | s₁:ₜ; θ) R],
//! ```
//!
//! since the world's own part of p does not depend on θ. The mean over M episodes estimates it:
//!
//! ```text
//! ∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) Rⁱ                 (1)
//! ∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) (Rₜⁱ − bₜ)         (2)
//! ```
//!
//! **Why Rₜ.** A choice has no say in the rewards before it, so eq. (2) may leave them out: Rₜ is then the sum of the rewards from
//! step t on, "following the execution of action uₜ". The formula that the paper prints sums over the whole episode, so that Rₜ = R. A
//! configuration chooses (`loss.returns`). A classification is rewarded once, at the end; there every Rₜ is R. With a discount γ < 1,
//! the returns from step t on are discounted from step t and not from step 1, as is usual; the estimate is then biased.
//!
//! **What is not drawn.** The hybrid loss rewards the most likely class, which is no random choice: eq. (2) then estimates the gradient
//! with respect to the choices of locations, and cross entropy teaches the class.
//!
//! **Why a baseline leaves the mean alone.** Let bₜ depend on what was seen, s₁:ₜ, and not on the choice uₜ. Then
//!
//! ```text
//! E[∇ log π(uₜ | s₁:ₜ) bₜ | s₁:ₜ] = bₜ Σ_u π(u | s₁:ₜ) ∇ log π(u | s₁:ₜ) = bₜ ∇ Σ_u π(u | s₁:ₜ) = bₜ ∇1 = 0.
//! ```
//!
//! It does change the variance, which is small where bₜ is near E[Rₜ | s₁:ₜ].
//!
//! **Why T − 1 terms for locations.** l₀ is given and was not chosen by the policy. The location that would be drawn after the
//! last glimpse is never looked at: no reward depends on it, so its term has the mean 0 and would only add variance. T
//! glimpses have the T − 1 choices l₁, …, l_{T−1}. Actions of a game are all T of them choices.
//!
//! Each rule is written as a loss whose gradient is minus the estimate of ∇J, so that descending it ascends J. A batch may be
//! cut into pieces, each on a tape of its own: then `episodes` is M of the whole batch, and the losses of the pieces add up.

use autograd::{Real, Var};
use serde::{Deserialize, Serialize};

use crate::model::steps::Steps;

/// `loss.baseline`: the bₜ of eq. (2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineKind {
    /// bₜ = `E[Rₜ]`, which a network learns. Sec. 3.2.
    Learned,
    /// As `learned`, but the network also knows the probability of the true class at hₜ, as only training can.
    Informed,
    /// The mean return of the other samples of the same input; `train.samples` says how many samples there are.
    LeaveOneOut,
    /// bₜ = 0, which is eq. (1).
    None,
}

impl BaselineKind {
    /// Whether a network learns it.
    pub fn is_learned(self) -> bool {
        matches!(self, BaselineKind::Learned | BaselineKind::Informed)
    }
}

/// A term of the loss, as what each episode on a tape adds to it. The tape may hold a part of the batch: the terms of all parts add
/// up to that of the batch.
#[derive(Clone, Copy)]
pub struct Term<'t, R: Real> {
    /// A number for each episode, `[episodes]`.
    pub episodes: Var<'t, R>,
    /// What their sum is multiplied by, such as 1/M, where M counts the episodes of the whole batch.
    pub factor: f64,
}

impl<'t, R: Real> Term<'t, R> {
    /// factor · Σᵢ episodesᵢ, a scalar.
    pub fn mean(self) -> Var<'t, R> {
        self.episodes.sum().scale(R::from_f64(self.factor))
    }
}

/// Eq. (2), −1/M Σᵢ Σₜ log π(uₜⁱ)·(Rₜⁱ − bₜⁱ): choices' log-probabilities, returns and baselines, each T × `[batch]`. Returns and
/// baselines are constants here. With baselines of zeros it is eq. (1), in its form with Rₜ. M is `episodes`.
///
/// # Panics
/// Where there is no choice, or not one return and one baseline for each.
#[track_caller]
pub fn reinforce<'t, R: Real>(
    log_probs: &[Var<'t, R>],
    returns: &[Var<'t, R>],
    baselines: &[Var<'t, R>],
    episodes: usize,
) -> Term<'t, R> {
    let steps = [log_probs.len(), returns.len(), baselines.len()];
    assert!(
        steps == [steps[0]; 3],
        "reinforce: {steps:?} log-probabilities, returns and baselines, but as many are needed"
    );
    let terms = log_probs.iter().zip(returns).zip(baselines).map(|((&log_prob, &r), &b)| {
        // log π(uₜⁱ)·(Rₜⁱ − bₜⁱ)
        log_prob * (r - b).stop_gradient()
    });
    Term { episodes: sum(terms), factor: -1.0 / episodes as f64 }
}

/// The bₜ of eq. (2) for returns T × `[batch]`: what the network has learned, T × `[batch]`, or what `kind` puts in its place.
/// `samples` episodes of the same input stand next to each other.
///
/// # Panics
/// As [`leave_one_out`].
#[track_caller]
pub fn baselines<'t, R: Real>(
    kind: BaselineKind,
    learned: &[Var<'t, R>],
    returns: &[Var<'t, R>],
    samples: usize,
) -> Steps<'t, R> {
    match kind {
        BaselineKind::Learned | BaselineKind::Informed => learned.iter().copied().collect(),
        BaselineKind::LeaveOneOut => returns.iter().map(|&r| leave_one_out(r, samples)).collect(),
        BaselineKind::None => returns.iter().map(|&r| r.recording().zeros(r.shape())).collect(),
    }
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

/// The squared error by which bₜ learns `E[Rₜ]`: 1/(M·T) Σᵢ Σₜ (Rₜⁱ − bₜⁱ)², for returns and baselines T × `[batch]`.
///
/// # Panics
/// Where there is no baseline, or not one return for each.
#[track_caller]
pub fn baseline_error<'t, R: Real>(returns: &[Var<'t, R>], baselines: &[Var<'t, R>], episodes: usize) -> Term<'t, R> {
    assert_eq!(returns.len(), baselines.len(), "baseline_error: one return for each baseline is needed");
    let terms = returns.iter().zip(baselines).map(|(&r, &b)| (r.stop_gradient() - b).square());
    Term { episodes: sum(terms), factor: 1.0 / (episodes * baselines.len()) as f64 }
}

#[track_caller]
fn sum<'t, R: Real>(terms: impl Iterator<Item = Var<'t, R>>) -> Var<'t, R> {
    terms.reduce(|sum, term| sum + term).expect("at least one term")
}
