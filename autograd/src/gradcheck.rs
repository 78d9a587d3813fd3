//! Gradient checks by finite differences, for every operation of this crate and for those of its users.
//!
//! The gradient that backward gives is compared, in f64, with the central difference (f(x + εv) − f(x − εv))/2ε, for v
//! each unit vector and for random directions. A point at a kink (of Rect, of clamp) has no gradient: there the two
//! one-sided differences part, the point is drawn anew, and a check that draws more than one in a hundred anew fails.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::math::normal_pair;
use crate::params::Params;
use crate::shape::Shape;
use crate::tape::{Recording, Tape, Var};

/// How far x is moved: the error of a central difference is about ε² + 1e-16/ε.
const EPSILON: f64 = 1e-5;

/// Where analytic and numeric gradient part.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// Which number: of which input, or "a random direction".
    pub at: String,
    /// What backward gives.
    pub analytic: f64,
    /// What the finite difference gives.
    pub numeric: f64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Mismatch { at, analytic, numeric } = self;
        write!(f, "{at}: analytic {analytic:.9e}, numeric {numeric:.9e}, apart by {:.3e}", (analytic - numeric).abs())
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// The gradients agree.
    Agree,
    /// They part.
    Parts(Vec<Mismatch>),
    /// The point lies at a kink: there is no gradient to compare.
    Kink,
}

/// A function to check: builds any variable from its inputs. (It is contracted with fixed random weights to a scalar.)
pub trait Function: for<'t> Fn(&'t Recording<'t, f64>, &[Var<'t, f64>]) -> Var<'t, f64> {}
impl<F: for<'t> Fn(&'t Recording<'t, f64>, &[Var<'t, f64>]) -> Var<'t, f64>> Function for F {}

/// A function, its parameters and the point at which it is looked at.
struct Problem<'a, F> {
    f: &'a F,
    params: &'a Params<f64>,
    shapes: &'a [Shape],
}

impl<F: Function> Problem<'_, F> {
    /// Σ weights·f(x) with its gradient: (value, ∂/∂ inputs, ∂/∂ parameters), one vector.
    fn value_and_gradient(&self, tape: &mut Tape<f64>, params: &Params<f64>, x: &[Vec<f64>]) -> (f64, Vec<f64>) {
        let t = tape.begin(params);
        let inputs: Vec<_> = self.shapes.iter().zip(x).map(|(&shape, x)| t.input(shape, x)).collect();
        let y = (self.f)(&t, &inputs);
        let weights: Vec<f64> = weights(y.shape().len());
        let value = (y * t.constant(y.shape(), &weights)).sum();
        let mut grads = params.zeros();
        value.backward(&mut grads);
        let mut gradient: Vec<f64> = inputs.iter().flat_map(|x| x.grad().to_vec()).collect();
        gradient.extend(params.ids().flat_map(|id| grads.get(id).to_vec()));
        (value.item(), gradient)
    }

    /// Σ weights·f at the point moved by `step` along `direction`.
    fn moved(&self, tape: &mut Tape<f64>, x: &[Vec<f64>], direction: &[f64], step: f64) -> f64 {
        let mut rest = direction;
        let mut take = |values: &mut [f64]| {
            let (part, tail) = rest.split_at(values.len());
            rest = tail;
            values.iter_mut().zip(part).for_each(|(x, d)| *x += step * d);
        };
        let mut x = x.to_vec();
        x.iter_mut().for_each(|x| take(x));
        let mut params = self.params.clone();
        for id in self.params.ids() {
            params.change(id, &mut take);
        }
        let t = tape.begin(&params);
        let inputs: Vec<_> = self.shapes.iter().zip(&x).map(|(&shape, x)| t.input(shape, x)).collect();
        let y = (self.f)(&t, &inputs);
        let weights: Vec<f64> = weights(y.shape().len());
        y.value().iter().zip(&weights).map(|(y, w)| y * w).sum()
    }
}

/// The weights of the scalar: fixed, of both signs, no two alike.
fn weights(len: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..len).map(|_| normal_pair(&mut rng)[0]).collect()
}

/// Compares backward with finite differences at one point: at every number of every input and every parameter, and
/// along three random directions. `tolerance` is relative to the size of the gradient, and absolute below 1.
pub fn check_at(
    f: &impl Function,
    params: &Params<f64>,
    inputs: &[(Shape, Vec<f64>)],
    tolerance: f64,
    seed: u64,
) -> Found {
    let shapes: Vec<Shape> = inputs.iter().map(|(shape, _)| *shape).collect();
    let x: Vec<Vec<f64>> = inputs.iter().map(|(_, x)| x.clone()).collect();
    let problem = Problem { f, params, shapes: &shapes };
    let mut tape = Tape::new();
    let (middle, gradient) = problem.value_and_gradient(&mut tape, params, &x);
    let names = names(params, inputs);

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let unit = |i: usize| (0..gradient.len()).map(|j| if i == j { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let mut directions: Vec<(String, Vec<f64>)> =
        names.into_iter().enumerate().map(|(i, name)| (name, unit(i))).collect();
    for k in 1..=3 {
        let random: Vec<f64> = gradient.iter().map(|_| normal_pair(&mut rng)[0]).collect();
        let norm = random.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-300);
        directions.push((format!("random direction {k}"), random.iter().map(|x| x / norm).collect()));
    }

    let mut mismatches = Vec::new();
    for (at, direction) in directions {
        let analytic: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let above = problem.moved(&mut tape, &x, &direction, EPSILON);
        let below = problem.moved(&mut tape, &x, &direction, -EPSILON);
        let numeric = (above - below) / (2.0 * EPSILON);
        let scale = analytic.abs().max(numeric.abs()).max(1.0);
        if (analytic - numeric).abs() <= tolerance * scale {
            continue;
        }
        // Smooth: the two one-sided slopes differ by ε·f″. At a kink they differ by a step that ε does not shrink.
        let (right, left) = ((above - middle) / EPSILON, (middle - below) / EPSILON);
        let nearer = EPSILON / 16.0;
        let right_nearer = (problem.moved(&mut tape, &x, &direction, nearer) - middle) / nearer;
        let left_nearer = (middle - problem.moved(&mut tape, &x, &direction, -nearer)) / nearer;
        let far = (right - left).abs();
        if far > 100.0 * EPSILON * scale
            && ((right_nearer - left_nearer).abs() > far / 4.0 || (right_nearer - analytic).abs() <= 1e-3 * scale)
        {
            return Found::Kink;
        }
        mismatches.push(Mismatch { at, analytic, numeric });
    }
    if mismatches.is_empty() { Found::Agree } else { Found::Parts(mismatches) }
}

fn names(params: &Params<f64>, inputs: &[(Shape, Vec<f64>)]) -> Vec<String> {
    let element = |shape: Shape, i: usize| {
        let mut index = Vec::new();
        let mut rest = i;
        for &len in shape.axes().iter().rev() {
            index.insert(0, rest % len);
            rest /= len;
        }
        format!("{index:?}")
    };
    let of_inputs = inputs
        .iter()
        .enumerate()
        .flat_map(|(k, (shape, x))| (0..x.len()).map(move |i| format!("input {k}{}", element(*shape, i))));
    let of_params = params.ids().flat_map(|id| {
        (0..params.shape(id).len()).map(move |i| format!("{}{}", params.name(id), element(params.shape(id), i)))
    });
    of_inputs.chain(of_params).collect()
}

/// Checks a function at `points` random points: inputs of these shapes, normally distributed.
///
/// # Panics
/// Where the gradients part, printing analytic and numeric, or where more than one point in a hundred (and more than
/// one) lies at a kink.
#[track_caller]
pub fn gradcheck(f: impl Function, params: &Params<f64>, shapes: &[Shape], points: usize) {
    gradcheck_from(f, params, shapes, points, |rng| normal_pair(rng)[0]);
}

/// [`gradcheck`] with inputs from a distribution of one's own: for ln, say, positive ones.
///
/// # Panics
/// As [`gradcheck`].
#[track_caller]
pub fn gradcheck_from(
    f: impl Function,
    params: &Params<f64>,
    shapes: &[Shape],
    points: usize,
    mut draw: impl FnMut(&mut ChaCha8Rng) -> f64,
) {
    let mut rng = ChaCha8Rng::seed_from_u64(20140624);
    let mut kinks = 0;
    let mut done = 0;
    while done < points {
        let inputs: Vec<_> =
            shapes.iter().map(|&shape| (shape, (0..shape.len()).map(|_| draw(&mut rng)).collect::<Vec<_>>())).collect();
        match check_at(&f, params, &inputs, 1e-6, rng.next_u64()) {
            Found::Agree => done += 1,
            Found::Kink => {
                kinks += 1;
                assert!(
                    kinks * 100 <= points.max(100),
                    "{kinks} of {points} points lie at a kink: too many to believe the rest"
                );
            }
            Found::Parts(mismatches) => {
                let list: Vec<String> = mismatches.iter().map(Mismatch::to_string).collect();
                panic!(
                    "the gradients part at {} of the numbers checked, inputs {inputs:?}:\n  {}",
                    list.len(),
                    list.join("\n  ")
                );
            }
        }
    }
}
