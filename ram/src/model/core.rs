//! The core network f_h: Fig. 1C and Sec. 4, "Core network".

use autograd::nn::{Init, Linear};
use autograd::ops::{Activation, linear_sum};
use autograd::{Params, Real, Var};
use rand::Rng;

/// hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ)).
#[derive(Clone, Copy, Debug)]
pub struct Core {
    hidden: Linear,
    glimpse: Linear,
}

impl Core {
    /// For gₜ of length `glimpse` and a state of length `hidden` (the paper: 256 and 256); `init` is that of the
    /// weights from hₜ₋₁ to hₜ.
    pub fn new<R: Real>(params: &mut Params<R>, glimpse: usize, hidden: usize, init: Init, rng: &mut impl Rng) -> Self {
        Core {
            hidden: Linear::new(params, "core.hidden", [hidden, hidden], init, rng),
            glimpse: Linear::new(params, "core.glimpse", [glimpse, hidden], Init::UniformFanIn, rng),
        }
    }

    /// hₜ [batch, hidden] of hₜ₋₁ [batch, hidden] and gₜ [batch, glimpse].
    #[track_caller]
    pub fn step<'t, R: Real>(&self, h: Var<'t, R>, g: Var<'t, R>) -> Var<'t, R> {
        // hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ))
        linear_sum(&[(h, self.hidden), (g, self.glimpse)], Activation::Relu)
    }
}
