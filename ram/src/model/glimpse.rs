//! The glimpse network f_g: Fig. 1B and Sec. 4, "Glimpse network".

use autograd::nn::{Init, Linear};
use autograd::ops::{Activation, linear_sum};
use autograd::{Params, Real, Var};
use rand::Rng;

/// g = Rect(Linear(h_g) + Linear(h_l)), h_g = Rect(Linear(ρ(x, l))), h_l = Rect(Linear(l)). Where there are several zooms, the one-hot
/// zoom stands beside l.
#[derive(Clone, Copy, Debug)]
pub struct GlimpseNetwork {
    retina: Linear,
    location: Linear,
    from_retina: Linear,
    from_location: Linear,
}

impl GlimpseNetwork {
    /// A new network for ρ of length `rho` and l of length `place` (2, and with zooms one more for each of them), h_g and h_l of
    /// length `features` (128 in the paper), and g of length `glimpse` (256).
    pub fn new<R: Real>(
        params: &mut Params<R>,
        [rho, place]: [usize; 2],
        features: usize,
        glimpse: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let init = Init::UniformFanIn;
        GlimpseNetwork {
            retina: Linear::new(params, "glimpse.retina", [rho, features], init, rng),
            location: Linear::new(params, "glimpse.location", [place, features], init, rng),
            from_retina: Linear::new(params, "glimpse.hg", [features, glimpse], init, rng),
            from_location: Linear::new(params, "glimpse.hl", [features, glimpse], init, rng),
        }
    }

    /// gₜ [batch, glimpse] from ρ(x, lₜ₋₁) [batch, rho] and lₜ₋₁ [batch, place].
    #[track_caller]
    pub fn see<'t, R: Real>(&self, rho: Var<'t, R>, location: Var<'t, R>) -> Var<'t, R> {
        // h_g = Rect(Linear(ρ(x, l)))
        let hg = rho.linear_then(self.retina, Activation::Relu);
        // h_l = Rect(Linear(l))
        let hl = location.linear_then(self.location, Activation::Relu);
        // g = Rect(Linear(h_g) + Linear(h_l))
        linear_sum(&[(hg, self.from_retina), (hl, self.from_location)], Activation::Relu)
    }
}
