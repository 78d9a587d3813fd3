//! The stop action of Sec. 5: after each glimpse the network may also choose to look no further and to answer.
//!
//! The N glimpses of a configuration are then the most that there can be. The choice after glimpse t < N is sₜ ∈ {0, 1}, drawn
//! with the probability π(sₜ = 1 | hₜ) = σ(f_s(hₜ)); after glimpse N there is nothing to choose. The inputs of a batch stop at
//! different glimpses: what has stopped is looked at no more, and its state stays as it was.

use autograd::nn::{Init, Linear};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Indices, Params, Real, Recording, Shape, Var, math};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::action::{Mode, argmax};
use super::steps::Steps;

/// `policy.stop`: when the agent looks no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// After all its glimpses.
    Never,
    /// When it chooses to, which it learns by REINFORCE. Sec. 5.
    Learned,
}

/// What decides when to stop.
#[derive(Clone, Copy, Debug)]
pub enum StopRule {
    /// The network f_s, trained with the agent.
    Learned(StopNetwork),
    /// A control without any training: as soon as the most likely class has this probability.
    Threshold(f64),
}

/// f_s(h) = Linear(Rect(Linear(h))), the log-odds of stopping. A linear unit alone could not tell from hₜ how sure the answer is:
/// that depends on how far the best of the classes is ahead.
#[derive(Clone, Copy, Debug)]
pub struct StopNetwork {
    features: Linear,
    logit: Linear,
}

/// At first, f_s(h) is this for every h: the agent stops after 5 of 100 glimpses, so that it first learns to look.
const FIRST_LOGIT: f64 = -3.0;

impl StopNetwork {
    /// A new network for a state of length `hidden`, with `features` rectifiers.
    pub fn new<R: Real>(params: &mut Params<R>, hidden: usize, features: usize, rng: &mut impl Rng) -> StopNetwork {
        let layer = Linear::new(params, "stop.features", [hidden, features], Init::UniformFanIn, rng);
        let logit = Linear::new(params, "stop.logit", [features, 1], Init::Zeros, rng);
        params.change(logit.bias, |b| b.fill(R::from_f64(FIRST_LOGIT)));
        StopNetwork { features: layer, logit }
    }

    /// f_s(hₜ) `[batch]`.
    #[track_caller]
    fn logit<'t, R: Real>(&self, h: Var<'t, R>) -> Var<'t, R> {
        h.linear_then(self.features, autograd::ops::Activation::Relu).linear(self.logit).reshape([h.shape().rows()])
    }
}

/// When the inputs of a batch stopped, and how that was chosen.
pub struct Stops<'t, R: Real> {
    /// 1 for each input that took glimpse t, else 0: N × `[batch]`. They are constants.
    pub looks: Steps<'t, R>,
    /// f_s(hₜ) `[batch]` after glimpses 1 to N − 1; empty if stopping is not learned.
    pub logits: Steps<'t, R>,
    /// ln π(sₜ | hₜ) `[batch]` of the choices after glimpses 1 to N − 1, and 0 for what had stopped before; empty if stopping is not
    /// learned.
    pub log_probs: Steps<'t, R>,
}

impl<'t, R: Real> Stops<'t, R> {
    /// Before the first glimpse, which every input takes.
    pub(super) fn begin(t: &'t Recording<'t, R>, batch: usize) -> Self {
        let mut looks = Steps::new();
        looks.push(t.filled("looks", [batch], |y| y.fill(R::ONE)));
        Stops { looks, logits: Steps::new(), log_probs: Steps::new() }
    }

    /// Chooses, after a glimpse, which inputs are looked at again, and returns them. `h` [batch, hidden] is what f_s sees, the uniform
    /// numbers `[batch]` draw its choices, and `logits` are those of the classes [batch, classes].
    #[track_caller]
    pub(super) fn choose(
        &mut self,
        rule: StopRule,
        h: Var<'t, R>,
        logits: impl FnOnce() -> Var<'t, R>,
        (mode, uniforms): (Mode, &[R]),
    ) -> Indices {
        let (t, looks) = (h.recording(), *self.looks.last().expect("a glimpse comes before the choice"));
        let stop = match rule {
            StopRule::Learned(network) => {
                let logit = network.logit(h);
                let stop = match mode {
                    Mode::Sample => sample(logit, uniforms),
                    // π(s = 1) > ½
                    Mode::Best => t.filled_from("stop", logit.shape(), logit, |logit, y| {
                        y.iter_mut().zip(logit).for_each(|(y, &z)| *y = truth(z > R::ZERO));
                    }),
                };
                self.logits.push(logit);
                self.log_probs.push(bernoulli_log_prob(stop, logit) * looks);
                stop
            }
            StopRule::Threshold(least) => t.filled_from("stop", looks.shape(), logits(), |logits, y| {
                let classes = logits.len() / y.len().max(1);
                for (y, row) in y.iter_mut().zip(logits.chunks_exact(classes.max(1))) {
                    *y = truth(highest_probability(row) >= least);
                }
            }),
        };
        let still = t.filled_from("looks", looks.shape(), t.concat(0, &[looks, stop]), |both, y| {
            let (looks, stop) = both.split_at(y.len());
            for ((y, &looks), &stop) in y.iter_mut().zip(looks).zip(stop) {
                *y = looks * (R::ONE - stop);
            }
        });
        self.looks.push(still);
        t.indices_where(still, |x| x == R::ONE)
    }

    /// T `[batch]`, the number of glimpses that each input took, without a gradient.
    #[track_caller]
    pub fn count(&self) -> Var<'t, R> {
        let sum = self.looks.iter().copied().reduce(|sum, looks| sum + looks);
        sum.expect("an episode has a glimpse").stop_gradient()
    }

    /// π(sₜ = 1 | hₜ) of input `i` after glimpse `step`, from 0; `None` where nothing was chosen.
    pub fn probability(&self, step: usize, i: usize) -> Option<f64> {
        self.logits.get(step).map(|logit| sigmoid(logit.value()[i].to_f64()))
    }
}

fn truth<R: Real>(holds: bool) -> R {
    if holds { R::ONE } else { R::ZERO }
}

/// The probability of the most likely class.
pub fn highest_probability<R: Real>(logits: &[R]) -> f64 {
    let best = logits[argmax(logits)].to_f64();
    // 1/Σ exp(xⱼ − x_best)
    1.0 / logits.iter().map(|x| math::exp(x.to_f64() - best)).sum::<f64>()
}

/// s ∼ Bernoulli(σ(z)) by uniform numbers on [0, 1): `[batch]` → `[batch]`, 1 or 0 without a gradient.
#[track_caller]
fn sample<'t, R: Real>(logit: Var<'t, R>, uniforms: &[R]) -> Var<'t, R> {
    assert_eq!(uniforms.len(), logit.shape().len(), "stop: one uniform number is needed for each input");
    logit.recording().filled_from("stop", logit.shape(), logit, |logit, y| {
        for ((y, &z), u) in y.iter_mut().zip(logit).zip(uniforms) {
            *y = truth(u.to_f64() < sigmoid(z.to_f64()));
        }
    })
}

/// σ(z) = 1/(1 + exp(−z))
fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + math::exp(-z))
}

/// ln π(s) of choices s ∈ {0, 1} that are 1 with the probability σ(z): s and z `[batch]` → `[batch]`. Only z gets a gradient.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn bernoulli_log_prob<'t, R: Real>(s: Var<'t, R>, z: Var<'t, R>) -> Var<'t, R> {
    z.recording().apply(BernoulliLogProb, &[s, z])
}

/// y = ln σ(z) if s = 1, and ln σ(−z) = ln(1 − σ(z)) if s = 0
struct BernoulliLogProb;

impl<R: Real> Op<R> for BernoulliLogProb {
    fn name(&self) -> &'static str {
        "bernoulli_log_prob"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        match setup.shapes {
            [s, z] if s == z => Ok(*z),
            _ => Err("a choice is needed for each of the log-odds".to_owned()),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        for ((y, s), z) in y.iter_mut().zip(cx.x(0)).zip(cx.x(1)) {
            let z = if *s == R::ONE { z.to_f64() } else { -z.to_f64() };
            // ln σ(z) = min(z, 0) − ln(1 + exp(−|z|))
            *y = R::from_f64(z.min(0.0) - math::ln(1.0 + math::exp(-z.abs())));
        }
    }

    // d_z += d_y·(s − σ(z))
    fn backward(&self, cx: &mut Backward<R>) {
        let (s, z, d_y) = (cx.x(0), cx.x(1), cx.d_y());
        if let Some(d_z) = cx.d_x(1) {
            for (((d_z, &s), z), &d_y) in d_z.iter_mut().zip(s).zip(z).zip(d_y) {
                *d_z += d_y * (s - R::from_f64(sigmoid(z.to_f64())));
            }
        }
    }
}
