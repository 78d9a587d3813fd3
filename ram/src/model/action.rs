//! The action network f_a of Sec. 4.1, which is a linear softmax classifier at the last step; and the reward.

use autograd::nn::{Init, Linear};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Params, Real, Shape, Var, math};
use rand::Rng;

/// When the action network decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decisions {
    /// It decides once, after the last glimpse, on the class of an image. Sec. 4.1.
    Last,
    /// It decides after each glimpse on an action, which changes what it sees next. Sec. 4.2.
    Each,
}

/// How locations and actions are chosen from the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are sampled from the policy, as in training.
    #[default]
    Sample,
    /// They are the most likely ones: the mean of the Gaussian, the largest probability. (The random policy stays random.)
    Best,
}

/// f_a(h) = exp(Linear(h))/Z
#[derive(Clone, Copy, Debug)]
pub struct ActionNetwork {
    linear: Linear,
}

impl ActionNetwork {
    /// A new network for a state of length `hidden` and `actions` classes or actions.
    ///
    /// # Panics
    /// If `actions` is not from 1 to 256.
    #[track_caller]
    pub fn new<R: Real>(params: &mut Params<R>, hidden: usize, actions: usize, rng: &mut impl Rng) -> Self {
        // A chosen action is converted to a byte.
        assert!((1..=256).contains(&actions), "action network: {actions} actions, but there must be from 1 to 256");
        ActionNetwork { linear: Linear::new(params, "action", [hidden, actions], Init::UniformFanIn, rng) }
    }

    /// The logits Linear(h) [batch, actions] of h [batch, hidden].
    #[track_caller]
    pub fn logits<'t, R: Real>(&self, h: Var<'t, R>) -> Var<'t, R> {
        h.linear(self.linear)
    }
}

/// The most likely action of each row of logits, the first one if several are equal: [batch, actions] → `[batch]`, whole
/// numbers without a gradient.
#[track_caller]
pub fn most_likely<'t, R: Real>(logits: Var<'t, R>) -> Var<'t, R> {
    let (rows, actions) = (logits.shape().rows(), logits.shape().columns());
    logits.recording().filled_from("most_likely", [rows], logits, |logits, y| {
        for (y, logits) in y.iter_mut().zip(logits.chunks_exact(actions)) {
            *y = R::from(argmax(logits) as u8);
        }
    })
}

/// The index of the largest number, the first one if several are equal.
pub fn argmax<R: Real>(numbers: &[R]) -> usize {
    (1..numbers.len()).fold(0, |best, i| if numbers[i] > numbers[best] { i } else { best })
}

/// An action a ∼ softmax(logits) for each row, drawn with one uniform number on [0, 1) per row: [batch, actions] → `[batch]`,
/// whole numbers without a gradient.
///
/// # Panics
/// If there is not one uniform number for each row.
#[track_caller]
pub fn sample<'t, R: Real>(logits: Var<'t, R>, uniforms: impl ExactSizeIterator<Item = R>) -> Var<'t, R> {
    let (rows, actions) = (logits.shape().rows(), logits.shape().columns());
    assert_eq!(uniforms.len(), rows, "sample: one uniform number is needed for each row of logits");
    logits.recording().filled_from("sample", [rows], logits, |logits, y| {
        for ((y, logits), u) in y.iter_mut().zip(logits.chunks_exact(actions)).zip(uniforms) {
            let best = argmax(logits);
            let weight = |&x: &R| math::exp((x - logits[best]).to_f64());
            let mut rest = u.to_f64() * logits.iter().map(weight).sum::<f64>();
            let chosen = logits.iter().position(|x| {
                rest -= weight(x);
                rest < 0.0
            });
            *y = R::from(chosen.unwrap_or(actions - 1) as u8);
        }
    })
}

/// The reward of Sec. 4.1: 1 if the chosen class is the label, else 0. `[batch]`, without a gradient.
///
/// # Panics
/// If there is not one label for each choice.
#[track_caller]
pub fn reward<'t, R: Real>(chosen: Var<'t, R>, labels: &[u32]) -> Var<'t, R> {
    assert_eq!(labels.len(), chosen.shape().len(), "reward: one label is needed for each choice");
    chosen.recording().filled_from("reward", chosen.shape(), chosen, |chosen, y| {
        for ((y, &chosen), &label) in y.iter_mut().zip(chosen).zip(labels) {
            *y = if chosen == R::from(label as u8) { R::ONE } else { R::ZERO };
        }
    })
}

/// π(a*|h), the probability of the true classes: logits [batch, classes] → `[batch]`, without a gradient.
#[track_caller]
pub fn belief<'t, R: Real>(logits: Var<'t, R>, labels: &[u32]) -> Var<'t, R> {
    // π(a*) = exp(−(−log π(a*)))
    logits.stop_gradient().cross_entropy(labels).scale(-R::ONE).exp()
}

/// log π(a) of the chosen actions: log-probabilities [batch, actions] and whole numbers `[batch]` → `[batch]`.
#[track_caller]
pub fn log_prob_of<'t, R: Real>(log_probs: Var<'t, R>, chosen: Var<'t, R>) -> Var<'t, R> {
    log_probs.recording().apply(Pick, &[log_probs, chosen])
}

/// y[r] = x[r, a(r)]
struct Pick;

impl Pick {
    fn index<R: Real>(row: usize, columns: usize, chosen: R) -> usize {
        row * columns + chosen.to_f64() as usize
    }
}

impl<R: Real> Op<R> for Pick {
    fn name(&self) -> &'static str {
        "log_prob_of"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        match setup.shapes {
            [x, chosen] if x.axes().len() == 2 && chosen.axes() == [x.rows()] => Ok(*chosen),
            _ => Err("log-probabilities [batch, actions] and choices [batch] are needed".to_owned()),
        }
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let columns = cx.shape(0).columns();
        for (r, (y, &chosen)) in y.iter_mut().zip(cx.x(1)).enumerate() {
            *y = cx.x(0)[Pick::index(r, columns, chosen)];
        }
    }
    // d_x[r, a(r)] += d_y[r]
    fn backward(&self, cx: &mut Backward<R>) {
        let (columns, chosen, d_y) = (cx.shape(0).columns(), cx.x(1), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            for (r, (&d_y, &chosen)) in d_y.iter().zip(chosen).enumerate() {
                d_x[Pick::index(r, columns, chosen)] += d_y;
            }
        }
    }
}
