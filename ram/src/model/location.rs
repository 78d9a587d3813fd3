//! The location network f_l and the Gaussian policy of locations: Sec. 4, "Location network".

use autograd::nn::{Init, Linear};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Params, Real, Recording, Shape, Var, math};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::action::{self, Mode};

/// `policy.locations`: how the locations are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locations {
    /// Learned by REINFORCE from the core's state.
    Learned,
    /// Control: uniform on the image, or with `policy.first = "inside"` where the finest patch lies inside it.
    Random,
    /// Control: always the centre.
    Centre,
    /// Control: stays at the first location.
    Still,
    /// Control: learned, but the same for every input.
    Blind,
    /// Control: near the middle of the digit, wherever that lies; see [`Draws::aim`](super::draws::Draws::aim). It shows what a
    /// policy could win that knew from the second glimpse on where to look.
    Oracle,
}

impl Locations {
    /// Every policy, the learned one first.
    pub const ALL: [Locations; 6] = [
        Locations::Learned,
        Locations::Random,
        Locations::Centre,
        Locations::Still,
        Locations::Blind,
        Locations::Oracle,
    ];

    /// Those that are compared where images stay the same, so that to stay at one place shows nothing new.
    pub const FOR_IMAGES: [Locations; 5] =
        [Locations::Learned, Locations::Random, Locations::Centre, Locations::Blind, Locations::Oracle];

    /// Those that know no more than the network sees.
    pub const WITHOUT_ORACLE: [Locations; 4] =
        [Locations::Learned, Locations::Random, Locations::Centre, Locations::Blind];

    /// The name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Locations::Learned => "learned",
            Locations::Random => "random",
            Locations::Centre => "centre",
            Locations::Still => "still",
            Locations::Blind => "blind",
            Locations::Oracle => "oracle",
        }
    }

    /// Whether a location network is trained, which then needs a baseline too.
    pub fn are_learned(self) -> bool {
        matches!(self, Locations::Learned | Locations::Blind)
    }
}

/// `policy.mean`: how the output of the location network becomes the mean of the Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The output is the mean; it is unbounded, as in the paper.
    Linear,
    /// The output is clamped to [−1, 1].
    Clamp,
    /// The output is clamped to ±(1 − g/W), where the finest patch lies inside the image.
    Inside,
    /// The mean is tanh of the output.
    Tanh,
}

/// The policy of locations, given the state hₜ.
#[derive(Clone, Copy, Debug)]
pub struct LocationNetwork {
    linear: Linear,
    mean: Mean,
    /// 1 − g/W
    inside: f64,
    /// σ; the edges of the image are ±1.
    std: f64,
    /// The number of points along an axis of a discrete policy's grid; 0 for the Gaussian.
    grid: usize,
}

/// A location that the policy chose, with its log-probability.
#[derive(Clone, Copy)]
pub struct Chosen<'t, R: Real> {
    /// lₜ [batch, 2] as drawn: a constant, through which no gradient flows.
    pub location: Var<'t, R>,
    /// The policy's parameters: μₜ [batch, 2], or the logits of a grid's points.
    pub mean: Var<'t, R>,
    /// ln π(lₜ) `[batch]` of the location as drawn, before any clamping.
    pub log_prob: Var<'t, R>,
}

impl LocationNetwork {
    /// A new network for a state of length `hidden`. The weights start from N(0, `init_std`²). `grid` is the number of points
    /// along an axis of a discrete policy, or 0 for the Gaussian, whose σ is set by [`LocationNetwork::set_std`].
    pub fn new<R: Real>(
        params: &mut Params<R>,
        hidden: usize,
        mean: Mean,
        grid: usize,
        init_std: f64,
        rng: &mut impl Rng,
    ) -> Self {
        let outputs = if grid == 0 { 2 } else { grid * grid };
        let linear = Linear::new(params, "location", [hidden, outputs], Init::Normal(init_std), rng);
        LocationNetwork { linear, mean, inside: 1.0, std: 1.0, grid }
    }

    /// Sets 1 − g/W, the bound of [`Mean::Inside`].
    pub fn set_inside(&mut self, inside: f64) {
        self.inside = inside;
    }

    /// Sets σ.
    pub fn set_std(&mut self, std: f64) {
        self.std = std;
    }

    /// lₜ ∼ π(· | hₜ), drawn with `noise` [batch, 2]. The Gaussian needs standard normal numbers (zeros give its mean). A grid
    /// needs a number on [0, 1) and does not use the other one; with [`Mode::Best`] it chooses its most likely point.
    ///
    /// # Panics
    /// If there are not two numbers of noise for each image.
    #[track_caller]
    pub fn choose<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        h: Var<'t, R>,
        noise: &[R],
        mode: Mode,
    ) -> Chosen<'t, R> {
        if self.grid > 0 {
            return self.choose_point(t, h, noise, mode);
        }
        let mean = self.mean(h);
        assert_eq!(noise.len(), mean.shape().len(), "location: noise for a mean {}", mean.shape());
        let std = R::from_f64(self.std);
        // lₜ = μₜ + σ·noise
        let location = t.filled_from("location", mean.shape(), mean, |mean, l| {
            for ((l, &mean), &noise) in l.iter_mut().zip(mean).zip(noise) {
                *l = noise.mul_add(std, mean);
            }
        });
        Chosen { location, mean, log_prob: gaussian_log_prob(location, mean, self.std) }
    }

    /// μₜ = fₗ(hₜ), the mean of a two-component Gaussian, [batch, 2].
    #[track_caller]
    fn mean<'t, R: Real>(&self, h: Var<'t, R>) -> Var<'t, R> {
        // fₗ(h) = Linear(h), unbounded in the paper
        let mean = h.linear(self.linear);
        match self.mean {
            Mean::Linear => mean,
            Mean::Clamp => mean.clamp(-R::ONE, R::ONE),
            Mean::Inside => mean.clamp(R::from_f64(-self.inside), R::from_f64(self.inside)),
            Mean::Tanh => mean.tanh(),
        }
    }

    /// Chooses a point of the grid. Its k × k points are the centres of equal parts of the image, row after row. Footnote 2.
    #[track_caller]
    fn choose_point<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        h: Var<'t, R>,
        noise: &[R],
        mode: Mode,
    ) -> Chosen<'t, R> {
        let (k, logits) = (self.grid, h.linear(self.linear));
        let chosen = match mode {
            Mode::Sample => action::sample(logits, noise.chunks_exact(2).map(|noise| noise[0])),
            Mode::Best => action::most_likely(logits),
        };
        let location = t.filled_from("location", [logits.shape().rows(), 2], chosen, |chosen, l| {
            for (l, point) in l.chunks_exact_mut(2).zip(chosen) {
                let point = point.to_f64() as usize;
                // (2i + 1)/k − 1
                let along = |i: usize| R::from_f64((2 * i + 1) as f64 / k as f64 - 1.0);
                (l[0], l[1]) = (along(point % k), along(point / k));
            }
        });
        Chosen { location, mean: logits, log_prob: action::log_prob_of(logits.log_softmax(), chosen) }
    }
}

/// ln N(x; μ, σ²) summed over the components: x and μ [batch, components] → `[batch]`. Both get gradients.
///
/// # Panics
/// If the shapes differ, are not matrices or have no columns.
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
            _ => Err("the sample and its mean must both be [batch, components], with one component or more".to_owned()),
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
