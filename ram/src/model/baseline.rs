//! The baseline bₜ of eq. (2): the return that the agent expects, given what it has seen.

use autograd::nn::{Init, Linear};
use autograd::{Params, Real, Var};
use rand::Rng;

/// bₜ = Linear(hₜ). The paper says only that it may depend on s₁:ₜ, "e.g. via hₜ"; one linear unit is our choice. The gradient
/// of its error does not reach the core, because it is stopped at hₜ.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    linear: Linear,
}

impl Baseline {
    /// A new baseline for a state of length `hidden`. Its weights start at 0.
    pub fn new<R: Real>(params: &mut Params<R>, hidden: usize, rng: &mut impl Rng) -> Self {
        Baseline { linear: Linear::new(params, "baseline", [hidden, 1], Init::Zeros, rng) }
    }

    /// bₜ `[batch]` from hₜ [batch, hidden].
    #[track_caller]
    pub fn value<'t, R: Real>(&self, h: Var<'t, R>) -> Var<'t, R> {
        h.stop_gradient().linear(self.linear).reshape([h.shape().rows()])
    }
}
