//! The stop action of Sec. 5: after each glimpse the network may also choose to look no further and to answer.
//!
//! The N glimpses of a configuration are then the most that there can be. The choice after glimpse t < N is sₜ ∈ {0, 1}, drawn
//! with the probability π(sₜ = 1 | hₜ) = σ(f_s(hₜ)); after glimpse N there is nothing to choose. The inputs of a batch stop at
//! different glimpses: what has stopped is looked at no more, and its state stays as it was.

use autograd::nn::{Init, Linear};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::ops::Activation;
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

/// f_s(h) = Linear(Rect(Linear(h)), u), the log-odds of stopping. u = ln π(a)/(1 − π(a)) are the log-odds of the most likely class a:
/// a linear unit could not tell from hₜ how sure the answer is, since that depends on how far the best of the classes is ahead.
#[derive(Clone, Copy, Debug)]
pub struct StopNetwork {
    features: Linear,
    logit: Linear,
}

/// At first, f_s(h) = u − 3: the agent stops with a probability of ½ where the odds of its answer are 20 to 1, and hardly ever before it
/// has learned to look.
const FIRST_LOGIT: f64 = -3.0;

impl StopNetwork {
    /// A new network for a state of length `hidden`, with `features` rectifiers.
    pub fn new<R: Real>(params: &mut Params<R>, hidden: usize, features: usize, rng: &mut impl Rng) -> StopNetwork {
        let layer = Linear::new(params, "stop.features", [hidden, features], Init::UniformFanIn, rng);
        let logit = Linear::new(params, "stop.logit", [features + 1, 1], Init::Zeros, rng);
        params.change(logit.weight, |w| w[features] = R::ONE);
        params.change(logit.bias, |b| b.fill(R::from_f64(FIRST_LOGIT)));
        StopNetwork { features: layer, logit }
    }

    /// f_s(hₜ) `[batch]`, from hₜ [batch, hidden] and the logits of the classes [batch, classes].
    #[track_caller]
    fn logit<'t, R: Real>(&self, h: Var<'t, R>, classes: Var<'t, R>) -> Var<'t, R> {
        let (t, batch) = (h.recording(), h.shape().rows());
        let features = h.linear_then(self.features, Activation::Relu);
        t.concat(1, &[features, log_odds(classes).reshape([batch, 1])]).linear(self.logit).reshape([batch])
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

    /// Chooses, after a glimpse, which inputs are looked at again, and returns them. `h` [batch, hidden] and the logits of the classes
    /// [batch, classes] are what f_s sees; the uniform numbers `[batch]` draw its choices.
    #[track_caller]
    pub(super) fn choose(
        &mut self,
        rule: StopRule,
        h: Var<'t, R>,
        classes: Var<'t, R>,
        (mode, uniforms): (Mode, &[R]),
    ) -> Indices {
        let (t, looks) = (h.recording(), *self.looks.last().expect("a glimpse comes before the choice"));
        let stop = match rule {
            StopRule::Learned(network) => {
                let logit = network.logit(h, classes);
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
            StopRule::Threshold(least) => t.filled_from("stop", looks.shape(), classes, |logits, y| {
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

/// u = ln π(a)/(1 − π(a)) of the most likely class a of each row: logits [batch, classes] → `[batch]`, which is 0 for a single class.
#[track_caller]
pub fn log_odds<'t, R: Real>(logits: Var<'t, R>) -> Var<'t, R> {
    logits.recording().apply(LogOdds, &[logits])
}

/// u = z_a − ln Σ_{j≠a} exp(z_j), where a is the largest
struct LogOdds;

impl LogOdds {
    /// a, the largest of the others, and Σ_{j≠a} exp(z_j − that one); `None` for a single class.
    fn others<R: Real>(z: &[R]) -> Option<(usize, f64, f64)> {
        let best = argmax(z);
        let others = || z.iter().enumerate().filter(|(j, _)| *j != best).map(|(_, z)| z.to_f64());
        let second = others().reduce(f64::max)?;
        Some((best, second, others().map(|z| math::exp(z - second)).sum()))
    }
}

impl<R: Real> Op<R> for LogOdds {
    fn name(&self) -> &'static str {
        "log_odds"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        match setup.shapes {
            [z] if z.axes().len() == 2 && z.columns() > 0 => Ok(Shape::new(&[z.rows()])),
            _ => Err("logits [batch, classes] are needed".to_owned()),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        for (y, z) in y.iter_mut().zip(cx.x(0).chunks_exact(cx.shape(0).columns())) {
            *y = LogOdds::others(z)
                .map_or(R::ZERO, |(best, second, sum)| R::from_f64(z[best].to_f64() - second - math::ln(sum)));
        }
    }

    // d_z[a] += d_u;   d_z[j] −= d_u·exp(z_j)/Σ_{i≠a} exp(z_i)
    fn backward(&self, cx: &mut Backward<R>) {
        let (z, classes, d_u) = (cx.x(0), cx.shape(0).columns(), cx.d_y());
        let Some(d_z) = cx.d_x(0) else { return };
        for ((d_z, z), &d_u) in d_z.chunks_exact_mut(classes).zip(z.chunks_exact(classes)).zip(d_u) {
            let Some((best, second, sum)) = LogOdds::others(z) else { continue };
            for (j, (d_z, z)) in d_z.iter_mut().zip(z).enumerate() {
                let slope = if j == best { 1.0 } else { -math::exp(z.to_f64() - second) / sum };
                *d_z += d_u * R::from_f64(slope);
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use autograd::Tape;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    /// What has the probability 0 is not drawn; where both are as likely, the most likely choice is to go on; and a threshold is
    /// reached by as much.
    #[test]
    fn on_the_edge_each_rule_keeps_to_its_side() {
        let mut params = Params::<f64>::new();
        let network = StopNetwork::new(&mut params, 1, 2, &mut ChaCha8Rng::seed_from_u64(1));
        for id in [network.logit.weight, network.logit.bias] {
            params.change(id, |w| w.fill(0.0));
        }
        let mut tape = Tape::new();
        let t = tape.begin(&params);
        // σ(−800) = 0, σ(0) = ½, σ(800) = 1
        let drawn = sample(t.constant([4], &[-800.0, 0.0, 0.0, 800.0]), &[0.0, 0.5, 0.49, 0.99]);
        assert_eq!(drawn.to_vec(), [0.0, 0.0, 1.0, 1.0]);

        let (h, classes) = (t.zeros([3, 1]), t.constant([3, 2], &[1.0, 1.0, 0.0, 2.0, -1.0, -1.0]));
        let sure = highest_probability(&[0.0, 2.0]);
        for (rule, looks) in [
            (StopRule::Learned(network), [1.0; 3]),
            (StopRule::Threshold(0.5), [0.0; 3]),
            (StopRule::Threshold(sure), [1.0, 0.0, 1.0]),
            (StopRule::Threshold(sure + 1e-9), [1.0; 3]),
        ] {
            let mut stops = Stops::begin(&t, 3);
            stops.choose(rule, h, classes, (Mode::Best, &[]));
            assert_eq!(stops.looks[1].to_vec(), looks, "{rule:?}");
        }
    }
}
