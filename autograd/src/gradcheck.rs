//! Gradient checks by finite differences, for the operations of this crate and for those of its users.
//!
//! The gradient that backward computes is compared, in f64, with the central difference (f(x + εv) − f(x − εv))/2ε,
//! where v is each unit vector and then a few random directions. At a kink, such as that of Rect or of clamp, there is
//! no gradient and the two one-sided differences disagree. Such a point is replaced by a new random point; a check that
//! replaces more than one point in a hundred fails.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::math::normal_pair;
use crate::params::Params;
use crate::shape::Shape;
use crate::tape::{Recording, Tape, Var};

/// The distance ε by which x is moved. The error of a central difference is about ε² + 1e-16/ε.
const EPSILON: f64 = 1e-5;

/// A direction in which the analytic and the numeric gradient disagree.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The direction: the name and index of an element, or "random direction" and a number.
    pub at: String,
    /// The slope that backward computes.
    pub analytic: f64,
    /// The slope by finite differences.
    pub numeric: f64,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Mismatch { at, analytic, numeric } = self;
        write!(f, "{at}: analytic {analytic:.9e}, numeric {numeric:.9e}, apart by {:.3e}", (analytic - numeric).abs())
    }
}

/// The result of a check at one point.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckResult {
    /// The gradients agree.
    Agree,
    /// The gradients disagree in these directions.
    Disagree(Vec<Mismatch>),
    /// The point lies at a kink, so there is no gradient to compare.
    Kink,
}

/// A function to check, which computes a variable of any shape from its inputs. (Fixed random weights turn its elements
/// into a scalar.)
pub trait Function: for<'t> Fn(&'t Recording<'t, f64>, &[Var<'t, f64>]) -> Var<'t, f64> {}
impl<F: for<'t> Fn(&'t Recording<'t, f64>, &[Var<'t, f64>]) -> Var<'t, f64>> Function for F {}

/// A function, its parameters and the shapes of its inputs.
struct Problem<'a, F> {
    f: &'a F,
    params: &'a Params<f64>,
    shapes: &'a [Shape],
}

impl<F: Function> Problem<'_, F> {
    /// Σ weights·f(x), and its gradient: the elements of all inputs and then of all parameters, as one vector.
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

    /// Σ weights·f at the point that lies `step` away from x along `direction`.
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

/// The weights that turn the elements into a scalar: they never change, have both signs, and all differ.
fn weights(len: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..len).map(|_| normal_pair(&mut rng)[0]).collect()
}

/// Compares backward with finite differences at one point: for every element of every input and every parameter, and
/// along three random directions. `tolerance` is relative to the slope, or absolute for slopes below 1.
pub fn check_at(
    f: &impl Function,
    params: &Params<f64>,
    inputs: &[(Shape, Vec<f64>)],
    tolerance: f64,
    seed: u64,
) -> CheckResult {
    let shapes: Vec<Shape> = inputs.iter().map(|(shape, _)| *shape).collect();
    let x: Vec<Vec<f64>> = inputs.iter().map(|(_, x)| x.clone()).collect();
    let problem = Problem { f, params, shapes: &shapes };
    let mut tape = Tape::new();
    let (middle, gradient) = problem.value_and_gradient(&mut tape, params, &x);
    let names = element_names(params, inputs);

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
        // Where f is smooth, the two one-sided slopes differ by ε·f″. At a kink they differ by an amount that does not
        // shrink with ε.
        let (right, left) = ((above - middle) / EPSILON, (middle - below) / EPSILON);
        let nearer = EPSILON / 16.0;
        let right_nearer = (problem.moved(&mut tape, &x, &direction, nearer) - middle) / nearer;
        let left_nearer = (middle - problem.moved(&mut tape, &x, &direction, -nearer)) / nearer;
        let far = (right - left).abs();
        if far > 100.0 * EPSILON * scale
            && ((right_nearer - left_nearer).abs() > far / 4.0 || (right_nearer - analytic).abs() <= 1e-3 * scale)
        {
            return CheckResult::Kink;
        }
        mismatches.push(Mismatch { at, analytic, numeric });
    }
    if mismatches.is_empty() { CheckResult::Agree } else { CheckResult::Disagree(mismatches) }
}

/// The names of all elements of inputs and parameters, in the order of the gradient.
fn element_names(params: &Params<f64>, inputs: &[(Shape, Vec<f64>)]) -> Vec<String> {
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

/// Checks a function at `points` random points. The inputs have these shapes, and their elements are standard normal.
///
/// # Panics
/// If the gradients disagree, with the analytic and the numeric slopes, or if more than one point and more than one in
/// a hundred lie at a kink.
#[track_caller]
pub fn gradcheck(f: impl Function, params: &Params<f64>, shapes: &[Shape], points: usize) {
    gradcheck_from(f, params, shapes, points, |rng| normal_pair(rng)[0]);
}

/// [`gradcheck`] with inputs from another distribution, for example positive ones for ln.
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
            CheckResult::Agree => done += 1,
            CheckResult::Kink => {
                kinks += 1;
                assert!(
                    kinks * 100 <= points.max(100),
                    "{kinks} points lie at a kink, which is too many for a check of {points} points"
                );
            }
            CheckResult::Disagree(mismatches) => {
                let list: Vec<String> = mismatches.iter().map(Mismatch::to_string).collect();
                panic!(
                    "the gradients disagree in {} directions, for the inputs {inputs:?}:\n  {}",
                    list.len(),
                    list.join("\n  ")
                );
            }
        }
    }
}
