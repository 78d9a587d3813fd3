//! The location network f_l and the Gaussian policy of locations: Sec. 4, "Location network".

use autograd::nn::{Init, Linear};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Params, Real, Recording, Shape, Var, math};
use rand::Rng;

use crate::config::Mean;

/// μₜ = fₗ(hₜ), the mean of a two-component Gaussian with a fixed standard deviation.
#[derive(Clone, Copy, Debug)]
pub struct LocationNetwork {
    linear: Linear,
    mean: Mean,
    /// σ, where the image's edges are ±1.
    std: f64,
}

impl LocationNetwork {
    /// For a state of length `hidden`; weights start from N(0, init_std²).
    pub fn new<R: Real>(
        params: &mut Params<R>,
        hidden: usize,
        mean: Mean,
        std: f64,
        init_std: f64,
        rng: &mut impl Rng,
    ) -> Self {
        LocationNetwork { linear: Linear::new(params, "location", [hidden, 2], Init::Normal(init_std), rng), mean, std }
    }

    /// μₜ [batch, 2] of hₜ [batch, hidden].
    #[track_caller]
    pub fn mean<'t, R: Real>(&self, h: Var<'t, R>) -> Var<'t, R> {
        // fₗ(h) = Linear(h), unbounded in the paper
        let mean = h.linear(self.linear);
        match self.mean {
            Mean::Linear => mean,
            Mean::Clamp => mean.clamp(-R::ONE, R::ONE),
            Mean::Tanh => mean.tanh(),
        }
    }

    /// lₜ = μₜ + σ·noise as drawn, [batch, 2]: a constant, through which no gradient flows.
    ///
    /// # Panics
    /// Where there are not as many numbers of noise as μₜ has.
    #[track_caller]
    pub fn sample<'t, R: Real>(&self, t: &'t Recording<'t, R>, mean: Var<'t, R>, noise: &[R]) -> Var<'t, R> {
        assert_eq!(noise.len(), mean.shape().len(), "location: noise for a mean {}", mean.shape());
        let std = R::from_f64(self.std);
        t.filled_from("location", mean.shape(), mean, |mean, l| {
            for ((l, &mean), &noise) in l.iter_mut().zip(mean).zip(noise) {
                *l = noise.mul_add(std, mean);
            }
        })
    }

    /// ln p(lₜ; μₜ, σ²) `[batch]` of the sample as drawn, before any clamping.
    #[track_caller]
    pub fn log_prob<'t, R: Real>(&self, sample: Var<'t, R>, mean: Var<'t, R>) -> Var<'t, R> {
        gaussian_log_prob(sample, mean, self.std)
    }
}

/// ln N(x; μ, σ²) summed over the components: x and μ [batch, components] → `[batch]`. Gradients to both.
///
/// # Panics
/// Where the shapes differ, are no matrices or have no columns.
#[track_caller]
pub fn gaussian_log_prob<'t, R: Real>(x: Var<'t, R>, mean: Var<'t, R>, std: f64) -> Var<'t, R> {
    x.recording().apply(GaussianLogProb { std }, &[x, mean])
}

/// y = Σ_c −½((x_c − μ_c)/σ)² − ln σ − ½ ln 2π
#[derive(Clone, Copy, Debug)]
struct GaussianLogProb {
    std: f64,
}

impl<R: Real> Op<R> for GaussianLogProb {
    fn name(&self) -> &'static str {
        "gaussian_log_prob"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        match setup.shapes {
            [x, mean] if x == mean && x.axes().len() == 2 && x.columns() > 0 => Ok(Shape::new(&[x.rows()])),
            _ => Err("the sample and its mean are both [batch, components], with a component or more".to_owned()),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let components = cx.shape(0).columns();
        let inverse = R::from_f64(1.0 / self.std);
        let constant = R::from_f64(-math::ln(self.std) - 0.5 * math::ln(std::f64::consts::TAU));
        let rows = cx.x(0).chunks_exact(components).zip(cx.x(1).chunks_exact(components));
        for (y, (x, mean)) in y.iter_mut().zip(rows) {
            *y = x.iter().zip(mean).fold(R::ZERO, |sum, (&x, &mean)| {
                let z = (x - mean) * inverse;
                // −½z² − ln σ − ½ ln 2π
                sum + (constant - R::from_f64(0.5) * z * z)
            });
        }
    }

    // d_μ += d_y·(x − μ)/σ²;   d_x −= d_y·(x − μ)/σ²
    fn backward(&self, cx: &mut Backward<R>) {
        let (x, mean, d_y, components) = (cx.x(0), cx.x(1), cx.d_y(), cx.shape(0).columns());
        let precision = R::from_f64(1.0 / (self.std * self.std));
        for (input, sign) in [(0, -precision), (1, precision)] {
            if let Some(d) = cx.d_x(input) {
                for (i, d) in d.iter_mut().enumerate() {
                    *d += d_y[i / components] * (x[i] - mean[i]) * sign;
                }
            }
        }
    }
}
