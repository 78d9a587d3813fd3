//! The gradient of every operation is compared with finite differences in f64, on shapes that proptest draws. Negative
//! controls show that the check finds a wrong gradient.

use autograd::gradcheck::{CheckResult, check_at, gradcheck, gradcheck_from};
use autograd::math::{exp, normal_pair};
use autograd::nn::{Conv2d, Init, Linear, Lstm};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::ops::{Activation, linear_sum};
use autograd::{Params, Real, Shape};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::ChaCha8Rng};

fn s(axes: &[usize]) -> Shape {
    Shape::new(axes)
}

fn shape() -> impl Strategy<Value = Shape> {
    prop::collection::vec(1usize..5, 0..=4).prop_map(|axes| Shape::new(&axes))
}

/// A number of either sign by which one can divide.
fn away_from_zero(rng: &mut ChaCha8Rng) -> f64 {
    let [x, sign] = normal_pair(rng);
    (0.5 + x.abs()) * sign.signum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unary(shape in shape()) {
        let none = Params::new();
        gradcheck(|_, x| x[0].relu(), &none, &[shape], 3);
        gradcheck(|_, x| x[0].tanh(), &none, &[shape], 3);
        gradcheck(|_, x| x[0].sigmoid(), &none, &[shape], 3);
        gradcheck(|_, x| x[0].exp(), &none, &[shape], 3);
        gradcheck(|_, x| x[0].square(), &none, &[shape], 3);
        gradcheck(|_, x| x[0].scale(-1.7), &none, &[shape], 3);
        gradcheck(|_, x| x[0].clamp(-0.5, 0.8), &none, &[shape], 3);
        gradcheck(|_, x| -x[0], &none, &[shape], 3);
        gradcheck(|_, x| x[0].abs(), &none, &[shape], 3);
        let positive = |rng: &mut ChaCha8Rng| exp(normal_pair(rng)[0]);
        gradcheck_from(|_, x| x[0].ln(), &none, &[shape], 3, positive);
        gradcheck_from(|_, x| x[0].sqrt(), &none, &[shape], 3, positive);
    }

    #[test]
    fn numbers_beside_variables(shape in shape()) {
        let none = Params::new();
        gradcheck(|_, x| (x[0] + 0.7).square() + (0.7 + x[0]).tanh(), &none, &[shape], 2);
        gradcheck(|_, x| (x[0] - 0.7).square() + (0.7 - x[0]).tanh(), &none, &[shape], 2);
        gradcheck(|_, x| (x[0] * 0.7).square() + (-0.7 * x[0]).tanh(), &none, &[shape], 2);
        gradcheck(|_, x| (x[0] / -0.7).square(), &none, &[shape], 2);
        gradcheck_from(|_, x| 0.7 / x[0], &none, &[shape], 2, away_from_zero);
    }

    #[test]
    fn binary(shape in shape()) {
        let none = Params::new();
        gradcheck(|_, x| x[0] + x[1], &none, &[shape; 2], 2);
        gradcheck(|_, x| x[0] - x[1], &none, &[shape; 2], 2);
        gradcheck(|_, x| x[0] * x[1], &none, &[shape; 2], 2);
        gradcheck_from(|_, x| x[0] / x[1], &none, &[shape; 2], 2, away_from_zero);
        // The same variable is used twice, so both parts of its gradient must be added.
        gradcheck(|_, x| x[0] * x[0] + x[0], &none, &[shape], 2);
        gradcheck(|_, x| x[0].add_row(x[1]), &none, &[s(&[3, shape.len()]), s(&[shape.len()])], 2);
    }

    #[test]
    fn products(m in 1usize..6, n in 1usize..36, k in 1usize..6) {
        let none = Params::new();
        gradcheck(|_, x| x[0].matmul(x[1]), &none, &[s(&[m, k]), s(&[k, n])], 1);
        gradcheck(|_, x| x[0].matmul_t(x[1]), &none, &[s(&[m, k]), s(&[n, k])], 1);
        gradcheck(|_, x| x[0].t_matmul(x[1]), &none, &[s(&[k, m]), s(&[k, n])], 1);
        gradcheck(|_, x| x[0].matmul(x[0]), &none, &[s(&[k, k])], 1);
    }

    #[test]
    fn linear(rows in 1usize..4, inputs in 1usize..5, others in 1usize..4, out in 1usize..19) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut params = Params::new();
        let first = Linear::new(&mut params, "first", [inputs, out], Init::Normal(0.7), &mut rng);
        let second = Linear::new(&mut params, "second", [others, out], Init::Normal(0.7), &mut rng);
        params.change(first.bias, |b| Init::Normal(0.5).fill(b, [1, out], &mut rng));
        for activation in [Activation::None, Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            gradcheck(|_, x| linear_sum(&[(x[0], first), (x[1], second)], activation), &params, &[s(&[rows, inputs]), s(&[rows, others])], 1);
            // A layer is used twice, so both parts of its gradient must be added.
            gradcheck(|_, x| x[0].linear_then(first, activation) * x[0].square().linear(first), &params, &[s(&[rows, inputs])], 1);
        }
    }

    #[test]
    fn lstm(rows in 1usize..4, inputs in 1usize..4, n in 1usize..19) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut params = Params::new();
        let cell = Lstm::new(&mut params, "lstm", [inputs, n], &mut rng);
        for id in [cell.input.weight, cell.hidden.weight, cell.input.bias, cell.hidden.bias] {
            params.change(id, |w| { let len = w.len(); Init::Normal(0.8).fill(w, [1, len], &mut rng) });
        }
        let shapes = [s(&[rows, inputs]), s(&[rows, n]), s(&[rows, n])];
        // Each half of the result alone, and both after two steps.
        gradcheck(|_, x| cell.step(x[0], x[1], x[2]).0, &params, &shapes, 1);
        gradcheck(|_, x| cell.step(x[0], x[1], x[2]).1, &params, &shapes, 1);
        gradcheck(|_, x| {
            let (h, c) = cell.step(x[0], x[1], x[2]);
            let (h2, c2) = cell.step(x[0].square(), h, c);
            h + h2 * c2.scale(1.3)
        }, &params, &shapes, 1);
    }

    #[test]
    fn convolution(batch in 1usize..3, channels in 1usize..3, size in 1usize..4, stride in 1usize..4, padding in 0usize..4, extra in (0usize..5, 0usize..5), filters in 1usize..4) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut params = Params::new();
        let layer = Conv2d::new(&mut params, "conv", [channels, filters], [size, stride], Init::Normal(0.7), &mut rng).padded(padding);
        let shape = s(&[batch, channels, size + extra.0, size + extra.1]);
        gradcheck(|_, x| x[0].conv2d_then(layer, Activation::None), &params, &[shape], 1);
        gradcheck(|_, x| x[0].conv2d_then(layer, Activation::Tanh), &params, &[shape], 1);
    }

    #[test]
    fn pooling_and_the_order_of_axes(sizes in (1usize..3, 1usize..4, 2usize..8, 2usize..8), size in 1usize..3, rank in 0usize..24) {
        let (none, shape) = (Params::new(), s(&[sizes.0, sizes.1, sizes.2, sizes.3]));
        // Numbers that lie far apart, so that no step of the check changes which one is the largest.
        let apart: Vec<f64> = (0..shape.len()).map(|i| (i * 37 % 101) as f64).collect();
        gradcheck(|t, x| (x[0].scale(0.01) + t.constant(shape, &apart)).max_pool2d(size), &none, &[shape], 1);
        let (mut axes, mut rank) = (vec![0, 1, 2, 3], rank);
        let order = [4, 3, 2, 1].map(|left| {
            let axis = axes.remove(rank % left);
            rank /= left;
            axis
        });
        gradcheck(|_, x| x[0].square().permute(order), &none, &[shape], 2);
    }

    #[test]
    fn reductions(shape in shape()) {
        let none = Params::new();
        gradcheck(|_, x| x[0].square().sum(), &none, &[shape], 2);
        gradcheck(|_, x| x[0].square().mean(), &none, &[shape], 2);
        for axis in 0..shape.axes().len() {
            gradcheck(|_, x| x[0].square().sum_axis(axis), &none, &[shape], 1);
            gradcheck(|_, x| x[0].square().mean_axis(axis), &none, &[shape], 1);
        }
    }

    #[test]
    fn softmax(rows in 1usize..5, classes in 1usize..20) {
        let none = Params::new();
        let labels: Vec<u32> = (0..rows).map(|r| (r * 7 % classes) as u32).collect();
        gradcheck(|_, x| x[0].softmax(), &none, &[s(&[rows, classes])], 2);
        gradcheck(|_, x| x[0].log_softmax(), &none, &[s(&[rows, classes])], 2);
        gradcheck(|_, x| x[0].log_softmax().nll(&labels), &none, &[s(&[rows, classes])], 2);
        gradcheck(|_, x| x[0].cross_entropy(&labels), &none, &[s(&[rows, classes])], 2);
    }

    #[test]
    fn rows(n in 1usize..6, b in 1usize..4, which in prop::collection::vec(any::<bool>(), 6)) {
        let none = Params::new();
        let rows: Vec<u32> = (0..n as u32).filter(|&i| which[i as usize]).collect();
        let len = rows.len();
        gradcheck(|t, x| x[0].take_rows(t.indices(&[0, n as u32 - 1, 0])).square(), &none, &[s(&[n, b, 2])], 1);
        gradcheck(|t, x| x[0].put_rows(t.indices(&rows), x[1]).square(), &none, &[s(&[n, b]), s(&[len, b])], 1);
        // What is taken, changed and put back; the rest goes its own way.
        let part = |t: &autograd::Recording<f64>| t.indices(&rows);
        gradcheck(|t, x| x[0].tanh().put_rows(part(t), x[0].take_rows(part(t)).square()).square(), &none, &[s(&[n])], 1);
    }

    #[test]
    fn parts(a in 1usize..4, b in 1usize..4, c in 1usize..4, other in 1usize..4) {
        let none = Params::new();
        for axis in 0..3 {
            let first = [a, b, c];
            let mut second = first;
            second[axis] = other;
            let total = first[axis] + other;
            gradcheck(move |t, x| t.concat(axis, &[x[0], x[1]]).square(), &none, &[s(&first), s(&second)], 1);
            gradcheck(move |t, x| t.concat(axis, &[x[0], x[1]]).narrow(axis, 1..total).square(), &none, &[s(&first), s(&second)], 1);
        }
        gradcheck(|_, x| x[0].slice(a / 2..a).square().reshape([(a - a / 2) * b, c]), &none, &[s(&[a, b, c])], 1);
        // A view and its origin are both used, so their gradients must be added in the same span.
        gradcheck(|_, x| x[0].reshape([a * b * c]).square().sum() * x[0].tanh().sum(), &none, &[s(&[a, b, c])], 1);
    }
}

/// Cells beyond the sixteenth of a vector, which the draws of `lstm` may lack.
#[test]
fn an_lstm_of_more_cells_than_a_vector_holds() {
    let mut params = Params::new();
    let cell = Lstm::new(&mut params, "lstm", [2, 18], &mut ChaCha8Rng::seed_from_u64(3));
    let shapes = [s(&[2, 2]), s(&[2, 18]), s(&[2, 18])];
    gradcheck(
        |t, x| {
            let (h, c) = cell.step(x[0], x[1], x[2]);
            t.concat(0, &[h, c])
        },
        &params,
        &shapes,
        1,
    );
}

/// Parameters are checked through ordinary operations.
#[test]
fn parameters_as_variables() {
    let mut params = Params::new();
    let p = params.add("p", [2, 3], |p| p.copy_from_slice(&[0.3, -1.0, 2.0, 0.7, 0.1, -0.4]));
    gradcheck(|t, x| t.param(p).matmul(x[0]).tanh() * t.param(p).matmul(x[0]), &params, &[s(&[3, 2])], 5);
}

/// A stop lets the value pass but not the gradient. Calling backward twice adds the gradient twice. The gradient of
/// what the sweep does not reach is zero.
#[test]
fn stops_and_repeats() {
    let mut params = Params::<f64>::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let layer = Linear::new(&mut params, "layer", [2, 2], Init::He, &mut rng);
    let mut tape = autograd::Tape::new();
    let t = tape.begin(&params);
    let x = t.input([1, 2], &[1.0, 2.0]);
    let idle = x.ln().scale(0.0);
    let stopped = x.square().stop_gradient();
    let y = (x * stopped).sum() + stopped.linear(layer).sum();
    assert_eq!(y.item(), 1.0 + 8.0 + stopped.linear(layer).sum().item());
    let mut grads = params.zeros();
    y.backward(&mut grads);
    assert_eq!(x.grad().to_vec(), [1.0, 4.0], "x²'s own derivative is not in it");
    assert_eq!(idle.grad().to_vec(), [0.0, 0.0]);
    assert_eq!(grads.get(layer.weight), [1.0, 1.0, 4.0, 4.0], "the layer learns from a stopped input");
    y.backward(&mut grads);
    assert_eq!(grads.get(layer.weight), [2.0, 2.0, 8.0, 8.0]);
    assert_eq!(x.grad().to_vec(), [1.0, 4.0]);
}

/// y = x² with a wrong derivative: multiplied by a factor, or without its first element.
#[derive(Clone, Copy)]
struct Wrong(f64, bool);

impl<R: Real> Op<R> for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        Ok(setup.shapes[0])
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        y.iter_mut().zip(cx.x(0)).for_each(|(y, &x)| *y = x * x);
    }
    fn backward(&self, cx: &mut Backward<R>) {
        let (x, d_y) = (cx.x(0), cx.d_y());
        let d_x = cx.d_x(0).unwrap();
        for i in usize::from(self.1)..x.len() {
            d_x[i] += R::from_f64(2.0 * self.0) * x[i] * d_y[i];
        }
    }
}

#[test]
fn a_wrong_backward_is_found() {
    let none = Params::new();
    let point = [(s(&[3]), vec![0.4, -0.9, 1.3])];
    let at = |wrong: Wrong| check_at(&move |t: &_, x: &[_]| -> _ { apply(t, wrong, x) }, &none, &point, 1e-6, 1);
    assert_eq!(at(Wrong(1.0, false)), CheckResult::Agree);
    for wrong in [Wrong(-1.0, false), Wrong(1.001, false), Wrong(1.0, true)] {
        let CheckResult::Disagree(list) = at(wrong) else { panic!("a wrong gradient passed") };
        assert!(list.iter().any(|m| m.at == "input 0[0]") && list.iter().any(|m| m.at.starts_with("random direction")));
        assert!(list[0].to_string().contains("analytic") && list[0].to_string().contains("numeric"));
    }
}

fn apply<'t>(t: &'t autograd::Recording<'t, f64>, op: Wrong, x: &[autograd::Var<'t, f64>]) -> autograd::Var<'t, f64> {
    t.apply(op, x)
}

#[test]
fn a_kink_is_seen() {
    let none = Params::new();
    assert_eq!(check_at(&|_: &_, x: &[_]| relu(x), &none, &[(s(&[2]), vec![1e-7, 1.0])], 1e-6, 1), CheckResult::Kink);
    let always = std::panic::catch_unwind(|| gradcheck_from(|_, x| x[0].relu(), &none, &[s(&[1])], 10, |_| 0.0));
    assert!(always.is_err(), "a check that meets nothing but kinks fails");
}

fn relu<'t>(x: &[autograd::Var<'t, f64>]) -> autograd::Var<'t, f64> {
    x[0].relu()
}
