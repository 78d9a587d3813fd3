//! Optimisers, learning-rate schedules and gradient clipping. All are loops over the parallel slices of parameters,
//! gradients and moments.

use crate::kernels::map::padded;
use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};
use crate::math;
pub use crate::norm::clip;
use crate::params::{Grads, Params};
use crate::real::Real;

/// A rule that changes parameters by their gradients.
pub trait Optimiser<R: Real> {
    /// Makes one step with this learning rate.
    ///
    /// # Panics
    /// If the gradients or the moments belong to other parameters, if the learning rate is negative or not finite, or if its
    /// product with the weight decay is more than 1.
    #[track_caller]
    fn step(&mut self, params: &mut Params<R>, grads: &Grads<R>, learning_rate: R);

    /// The numbers that are kept from step to step, in the layout of the parameters, with their names for a checkpoint.
    fn moments(&mut self) -> Vec<(&'static str, &mut Grads<R>)>;

    /// The number of steps made so far.
    fn steps(&self) -> u64;

    /// Continues after this number of steps. The caller restores the moments.
    fn resume_at(&mut self, steps: u64);
}

/// Stochastic gradient descent with momentum.
///
/// ```text
/// m ← μ·m + g
/// θ ← (1 − η·λ)·θ − η·m           or, with Nesterov's momentum, θ ← (1 − η·λ)·θ − η·(g + μ·m)
/// ```
///
/// The weight decay λ is 0 unless [`Sgd::with_weight_decay`] sets it.
///
/// Its moment m has the name `velocity`. Where it overflows, the parameter becomes infinite in the same step.
pub struct Sgd<R> {
    momentum: R,
    nesterov: bool,
    weight_decay: f64,
    velocity: Grads<R>,
    steps: u64,
}

impl<R: Real> Sgd<R> {
    /// An optimiser with momentum μ, which may be 0; `nesterov` chooses Nesterov's momentum rather than the plain one.
    ///
    /// # Panics
    /// If the momentum is not in [0, 1].
    #[track_caller]
    pub fn new(params: &Params<R>, momentum: R, nesterov: bool) -> Self {
        assert!(momentum >= R::ZERO && momentum <= R::ONE, "the momentum must be from 0 to 1, not {momentum}");
        Sgd { momentum, nesterov, weight_decay: 0.0, velocity: params.zeros(), steps: 0 }
    }

    /// The same optimiser with the weight decay λ, which shrinks every parameter, biases too, whatever its gradient (Loshchilov and
    /// Hutter, 2019).
    ///
    /// # Panics
    /// If λ is negative or not finite.
    #[track_caller]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        check_decay(weight_decay);
        Sgd { weight_decay, ..self }
    }
}

#[track_caller]
fn check_decay(weight_decay: f64) {
    let is_decay = weight_decay >= 0.0 && weight_decay.is_finite();
    assert!(is_decay, "the weight decay must be at least 0 and finite, not {weight_decay}");
}

/// What is left of a parameter before its step: 1 − η·λ.
///
/// # Panics
/// If a step cannot be made with this learning rate.
#[track_caller]
fn left_by_decay<R: Real>(learning_rate: R, weight_decay: f64) -> R {
    let is_rate = learning_rate >= R::ZERO && learning_rate.is_finite();
    assert!(is_rate, "the learning rate must be at least 0 and finite, not {learning_rate}");
    let decayed = learning_rate.to_f64() * weight_decay;
    assert!(decayed <= 1.0, "the learning rate times the weight decay must be at most 1, not {decayed}");
    R::from_f64(1.0 - decayed)
}

impl<R: Real> Optimiser<R> for Sgd<R> {
    #[track_caller]
    fn step(&mut self, params: &mut Params<R>, grads: &Grads<R>, learning_rate: R) {
        let left = left_by_decay(learning_rate, self.weight_decay);
        self.steps += 1;
        let rule = SgdRule { momentum: self.momentum, rate: learning_rate, nesterov: self.nesterov, left };
        params.update(grads, [&mut self.velocity], |theta, g, moments| R::dispatch(Update { rule, theta, g, moments }));
    }
    fn moments(&mut self) -> Vec<(&'static str, &mut Grads<R>)> {
        vec![("velocity", &mut self.velocity)]
    }
    fn steps(&self) -> u64 {
        self.steps
    }
    fn resume_at(&mut self, steps: u64) {
        self.steps = steps;
    }
}

/// Adam (Kingma and Ba, 2015).
///
/// ```text
/// m ← β₁·m + (1 − β₁)·g        v ← β₂·v + (1 − β₂)·g²
/// θ ← (1 − η·λ)·θ − η/(1 − β₁ᵗ) · m / (√(v/(1 − β₂ᵗ)) + ε)
/// ```
///
/// The weight decay λ is 0 unless [`Adam::with_weight_decay`] sets it.
///
/// Its moments m and v have the names `first` and `second`.
///
/// A finite gradient beyond ±2⁶³ in f32, or ±2⁵¹¹ in f64, counts as that bound, since its square would overflow and v would
/// stay infinite for ever. A step then is about η long, as it is after any other large gradient. NaN and ±∞ make the parameter
/// NaN.
pub struct Adam<R> {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    first: Grads<R>,
    second: Grads<R>,
    steps: u64,
}

impl<R: Real> Adam<R> {
    /// An optimiser with the authors' constants β₁ = 0.9, β₂ = 0.999 and ε = 1e-8.
    pub fn new(params: &Params<R>) -> Self {
        Self::with_constants(params, 0.9, 0.999, 1e-8)
    }

    /// An optimiser with other constants.
    ///
    /// # Panics
    /// If β₁ or β₂ is not in [0, 1), or if ε is not positive and finite as a number of the type.
    #[track_caller]
    pub fn with_constants(params: &Params<R>, beta1: f64, beta2: f64, epsilon: f64) -> Self {
        for (name, beta) in [("β₁", beta1), ("β₂", beta2)] {
            assert!((0.0..1.0).contains(&beta), "{name} must be at least 0 and below 1, not {beta}");
        }
        let in_type = R::from_f64(epsilon);
        assert!(in_type > R::ZERO && in_type.is_finite(), "ε must be positive and finite, not {epsilon}");
        let (first, second) = (params.zeros(), params.zeros());
        Adam { beta1, beta2, epsilon, weight_decay: 0.0, first, second, steps: 0 }
    }

    /// The same optimiser with the weight decay λ, which shrinks every parameter, biases too, whatever its gradient. This is AdamW
    /// (Loshchilov and Hutter, 2019).
    ///
    /// # Panics
    /// If λ is negative or not finite.
    #[track_caller]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        check_decay(weight_decay);
        Adam { weight_decay, ..self }
    }
}

/// xⁿ by repeated squaring, which gives the same bits on every machine.
fn integer_power(x: f64, n: u64) -> f64 {
    match n {
        0 => 1.0,
        n if n % 2 == 0 => integer_power(x * x, n / 2),
        n => x * integer_power(x * x, n / 2),
    }
}

impl<R: Real> Optimiser<R> for Adam<R> {
    #[track_caller]
    fn step(&mut self, params: &mut Params<R>, grads: &Grads<R>, learning_rate: R) {
        let left = left_by_decay(learning_rate, self.weight_decay);
        self.steps += 1;
        let correction1 = 1.0 - integer_power(self.beta1, self.steps);
        let correction2 = 1.0 - integer_power(self.beta2, self.steps);
        let rule = AdamRule {
            beta1: R::from_f64(self.beta1),
            one_minus_beta1: R::from_f64(1.0 - self.beta1),
            beta2: R::from_f64(self.beta2),
            one_minus_beta2: R::from_f64(1.0 - self.beta2),
            epsilon: R::from_f64(self.epsilon),
            rate: R::from_f64(learning_rate.to_f64() / correction1),
            root_of_correction: R::from_f64(correction2.sqrt()),
            left,
        };
        let moments = [&mut self.first, &mut self.second];
        params.update(grads, moments, |theta, g, moments| R::dispatch(Update { rule, theta, g, moments }));
    }
    fn moments(&mut self) -> Vec<(&'static str, &mut Grads<R>)> {
        vec![("first", &mut self.first), ("second", &mut self.second)]
    }
    fn steps(&self) -> u64 {
        self.steps
    }
    fn resume_at(&mut self, steps: u64) {
        self.steps = steps;
    }
}

/// The update of one number, written over vectors.
trait Rule<R: Real, const N: usize>: Copy {
    /// Returns the new θ and changes the moments.
    fn apply<L: Lanes<R>>(self, l: L, theta: L::V, g: L::V, moments: &mut [L::V; N]) -> L::V;
}

#[derive(Clone, Copy)]
struct SgdRule<R> {
    momentum: R,
    rate: R,
    nesterov: bool,
    /// 1 − η·λ
    left: R,
}

impl<R: Real> Rule<R, 1> for SgdRule<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, theta: L::V, g: L::V, [m]: &mut [L::V; 1]) -> L::V {
        // m ← μ·m + g
        *m = l.mul_add(*m, l.splat(self.momentum), g);
        let direction = if self.nesterov { l.mul_add(*m, l.splat(self.momentum), g) } else { *m };
        // θ ← (1 − η·λ)·θ − η·m; without a decay the product is θ, to the last bit
        l.mul_add(direction, l.splat(-self.rate), l.mul(theta, l.splat(self.left)))
    }
}

#[derive(Clone, Copy)]
struct AdamRule<R> {
    beta1: R,
    one_minus_beta1: R,
    beta2: R,
    one_minus_beta2: R,
    epsilon: R,
    /// η/(1 − β₁ᵗ)
    rate: R,
    /// √(1 − β₂ᵗ)
    root_of_correction: R,
    /// 1 − η·λ
    left: R,
}

impl<R: Real> Rule<R, 2> for AdamRule<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, theta: L::V, g: L::V, [m, v]: &mut [L::V; 2]) -> L::V {
        let g = limited(l, g);
        // m ← β₁·m + (1 − β₁)·g;   v ← β₂·v + (1 − β₂)·g²
        *m = l.mul_add(*m, l.splat(self.beta1), l.mul(g, l.splat(self.one_minus_beta1)));
        *v = l.mul_add(*v, l.splat(self.beta2), l.mul(l.mul(g, g), l.splat(self.one_minus_beta2)));
        // θ ← (1 − η·λ)·θ − η̂·m / (√v/√(1 − β₂ᵗ) + ε)
        let denominator = l.add(l.div(l.sqrt(*v), l.splat(self.root_of_correction)), l.splat(self.epsilon));
        l.mul_add(l.div(*m, denominator), l.splat(-self.rate), l.mul(theta, l.splat(self.left)))
    }
}

/// g, but no finite number larger than the one whose square is still far from overflowing.
#[inline(always)]
fn limited<R: Real, L: Lanes<R>>(l: L, g: L::V) -> L::V {
    let (high, low) = (l.splat(R::LARGEST_TO_SQUARE), l.splat(-R::LARGEST_TO_SQUARE));
    let size = l.max(g, l.sub(l.splat(R::ZERO), g));
    let within = l.if_gt(g, high, high, l.if_gt(low, g, low, g));
    // The comparison is false for NaN and ∞, which stay.
    l.if_gt(l.splat(-R::NEG_INFINITY), size, within, g)
}

/// A rule applied to whole slices. They may include gaps between parameters: the gradient of a gap is 0, and so is its
/// update.
struct Update<'a, R, U, const N: usize> {
    rule: U,
    theta: &'a mut [R],
    g: &'a [R],
    moments: [&'a mut [R]; N],
}

impl<R: Real, U: Rule<R, N>, const N: usize> Kernel<R> for Update<'_, R, U, N> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Update { rule, theta, g, mut moments } = self;
        let lanes = |at: usize| at * LANES..(at + 1) * LANES;
        for i in 0..theta.len() / LANES {
            let theta: &mut [R; LANES] = (&mut theta[lanes(i)]).try_into().expect("sixteen lanes");
            let mut m = [s.splat(R::ZERO); N];
            for (m, moment) in m.iter_mut().zip(&moments) {
                *m = s.load(moment[lanes(i)].try_into().expect("sixteen lanes"));
            }
            let g = s.load(g[lanes(i)].try_into().expect("sixteen lanes"));
            s.store(rule.apply(s, s.load(theta), g, &mut m), theta);
            for (m, moment) in m.into_iter().zip(moments.iter_mut()) {
                s.store(m, (&mut moment[lanes(i)]).try_into().expect("sixteen lanes"));
            }
        }
        // A cache line of f64 is only half a vector.
        let rest = theta.len() / LANES * LANES..theta.len();
        if !rest.is_empty() {
            let pad = |x: &[R]| padded(x, R::ZERO);
            let mut all = [[R::ZERO; LANES]; N];
            for (all, moment) in all.iter_mut().zip(&moments) {
                *all = pad(&moment[rest.clone()]);
            }
            let mut m = [s.splat(R::ZERO); N];
            for (m, all) in m.iter_mut().zip(&all) {
                *m = s.load(all);
            }
            let mut wide = pad(&theta[rest.clone()]);
            let updated = rule.apply(s, s.load(&wide), s.load(&pad(&g[rest.clone()])), &mut m);
            s.store(updated, &mut wide);
            theta[rest.clone()].copy_from_slice(&wide[..rest.len()]);
            for ((m, all), moment) in m.into_iter().zip(&mut all).zip(moments) {
                s.store(m, all);
                moment[rest.clone()].copy_from_slice(&all[..rest.len()]);
            }
        }
    }
}

/// How the learning rate changes from step to step, as a factor of the highest learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The factor is always 1.
    Constant,
    /// The factor falls from 1 to `last` along a straight line.
    Linear {
        /// The factor at the last step.
        last: f64,
    },
    /// The factor is multiplied by `factor` after every `every` steps.
    Step {
        /// The ratio of two successive factors.
        factor: f64,
        /// The number of steps from one change to the next.
        every: u64,
    },
    /// The factor is `factor`^(step/`every`).
    Exponential {
        /// By how much the factor is multiplied over `every` steps.
        factor: f64,
        /// The number of steps over which it is multiplied once.
        every: u64,
    },
    /// The factor falls from 1 to `last` along half a period of a cosine.
    Cosine {
        /// The factor at the last step.
        last: f64,
    },
}

impl Schedule {
    /// The factor at `step`, counted from 0, of `total` steps. During the first `warmup` steps it rises linearly to 1;
    /// the schedule covers the remaining steps.
    pub fn factor(self, step: u64, total: u64, warmup: u64) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let (step, total) = (step - warmup, total.saturating_sub(warmup).max(1));
        let done = (step as f64 / total as f64).min(1.0);
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear { last } => 1.0 + (last - 1.0) * done,
            Schedule::Step { factor, every } => integer_power(factor, step / every.max(1)),
            Schedule::Exponential { factor, every } => math::pow(factor, step as f64 / every.max(1) as f64),
            // last + (1 − last)·(1 + cos π·done)/2
            Schedule::Cosine { last } => last + (1.0 - last) * 0.5 * (1.0 + math::sin_cos_turns(done / 2.0).1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_pass_through_their_closed_values() {
        let at = |schedule: Schedule, step| schedule.factor(step, 100, 0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        for step in [0, 50, 100, 1000] {
            assert_eq!(at(Schedule::Constant, step), 1.0);
        }
        for (step, expected) in [(0, 1.0), (25, 0.8), (50, 0.6), (100, 0.2), (500, 0.2)] {
            near(at(Schedule::Linear { last: 0.2 }, step), expected);
        }
        for (step, expected) in [(0, 1.0), (9, 1.0), (10, 0.5), (29, 0.25), (30, 0.125)] {
            near(at(Schedule::Step { factor: 0.5, every: 10 }, step), expected);
        }
        for (step, expected) in [(0, 1.0), (5, 0.5f64.sqrt()), (10, 0.5), (30, 0.125)] {
            near(at(Schedule::Exponential { factor: 0.5, every: 10 }, step), expected);
        }
        let quarter = 0.5 * (1.0 + 0.5f64.sqrt());
        for (step, expected) in [(0, 1.0), (25, quarter), (50, 0.5), (75, 1.0 - quarter), (100, 0.0), (200, 0.0)] {
            near(at(Schedule::Cosine { last: 0.0 }, step), expected);
        }
        near(at(Schedule::Cosine { last: 0.1 }, 50), 0.55);
        // The warm-up is a straight rise over its steps; then the schedule covers the rest.
        let warm = |step| Schedule::Linear { last: 0.0 }.factor(step, 104, 4);
        for (step, expected) in [(0, 0.25), (3, 1.0), (4, 1.0), (54, 0.5), (104, 0.0)] {
            near(warm(step), expected);
        }
    }
}
