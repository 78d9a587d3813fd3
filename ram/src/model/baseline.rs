//! The baseline bₜ of eq. (2): the return that the agent expects, given what it has seen.

use autograd::nn::{Init, Linear};
use autograd::{Params, Real, Var};
use rand::Rng;

use super::action;

/// bₜ = Linear(hₜ). The paper says only that it may depend on s₁:ₜ, "e.g. via hₜ"; one linear unit is our choice. The gradient
/// of its error does not reach the core, because it is stopped at hₜ.
///
/// An informed baseline knows one thing more, which only training can know: what the network believes of the true class a*,
/// bₜ = Linear(hₜ, π(a*|hₜ)). That predicts the reward far better than hₜ, from which a linear unit cannot read whether the
/// class is right. It does not depend on the location that is chosen next, so eq. (2) stays unbiased.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    linear: Linear,
    is_informed: bool,
}

impl Baseline {
    /// A new baseline for a state of length `hidden`. Its weights start at 0.
    pub fn new<R: Real>(params: &mut Params<R>, hidden: usize, is_informed: bool, rng: &mut impl Rng) -> Self {
        let inputs = hidden + usize::from(is_informed);
        Baseline { linear: Linear::new(params, "baseline", [inputs, 1], Init::Zeros, rng), is_informed }
    }

    /// bₜ `[batch]` from hₜ [batch, hidden]. An informed baseline needs the logits at hₜ [batch, classes] and the classes of the
    /// images; where these are not known, it takes π(a*|hₜ) as 0.
    #[track_caller]
    pub fn value<'t, R: Real>(
        &self,
        h: Var<'t, R>,
        logits: impl FnOnce(Var<'t, R>) -> Var<'t, R>,
        labels: Option<&[u32]>,
    ) -> Var<'t, R> {
        let (h, rows) = (h.stop_gradient(), h.shape().rows());
        let known = match labels {
            _ if !self.is_informed => h,
            Some(labels) => {
                let belief = action::belief(logits(h), labels).reshape([rows, 1]);
                h.recording().concat(1, &[h, belief])
            }
            None => h.recording().concat(1, &[h, h.recording().zeros([rows, 1])]),
        };
        known.linear(self.linear).reshape([rows])
    }
}
