//! Variables as their users handle them: operators with numbers, dropout, softmax, what `{:?}` shows, and what is said where a
//! value is held for too long.

use std::panic::{AssertUnwindSafe, catch_unwind};

use autograd::nn::{Conv2d, Init, Linear, Lstm};
use autograd::ops::{Activation, linear_sum};
use autograd::{Params, Real, Recording, Tape, Var};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// Runs `f` on a tape of its own.
fn on_tape<T>(f: impl for<'t> FnOnce(&'t Recording<'t, f64>) -> T) -> T {
    let params = Params::new();
    let mut tape = Tape::new();
    f(&tape.begin(&params))
}

/// The message with which `f` panics.
#[track_caller]
fn message(f: impl FnOnce()) -> String {
    let error = catch_unwind(AssertUnwindSafe(f)).expect_err("it is refused");
    let said = error.downcast_ref::<String>().cloned();
    said.or_else(|| error.downcast_ref::<&str>().map(|&s| s.to_owned())).expect("a message")
}

#[test]
fn numbers_stand_on_both_sides_of_every_operator() {
    on_tape(|t| {
        let x = t.input([3], &[1.0, -2.0, 4.0]);
        for (found, expected) in [
            (x + 0.5, [1.5, -1.5, 4.5]),
            (0.5 + x, [1.5, -1.5, 4.5]),
            (x - 0.5, [0.5, -2.5, 3.5]),
            (0.5 - x, [-0.5, 2.5, -3.5]),
            (x * 0.5, [0.5, -1.0, 2.0]),
            (0.5 * x, [0.5, -1.0, 2.0]),
            (x / 0.5, [2.0, -4.0, 8.0]),
            (0.5 / x, [0.5, -0.25, 0.125]),
            (x / (x * x), [1.0, -0.5, 0.25]),
            ((x * x).sqrt(), [1.0, 2.0, 4.0]),
            (x.abs(), [1.0, 2.0, 4.0]),
        ] {
            assert_eq!(found.to_vec(), expected, "{found:?}");
        }
        let y = 2.0 - x * 3.0;
        y.square().sum().backward(&mut Params::new().zeros());
        assert_eq!(x.grad().to_vec(), [6.0, -48.0, 60.0], "d(2 − 3x)²/dx = −6(2 − 3x)");
    });
    // In f32, too.
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.input([2], &[1.0, 2.0]);
    assert_eq!((1.0 - x / 2.0 + 3.0 / x * 1.5).to_vec(), [5.0, 2.25]);
}

#[test]
fn a_kink_or_a_pole_has_the_gradient_that_the_documentation_says() {
    on_tape(|t| {
        let x = t.input([3], &[0.0, -0.0, f64::NAN]);
        let y = x.abs();
        assert!(y.to_vec()[..2] == [0.0; 2] && y.value()[1].is_sign_positive() && y.value()[2].is_nan());
        y.sum().backward(&mut Params::new().zeros());
        assert_eq!(x.grad()[..2], [0.0; 2]);
        let x = t.input([2], &[0.0, -1.0]);
        let y = x.sqrt();
        assert!(y.value()[0] == 0.0 && y.value()[1].is_nan());
        y.sum().backward(&mut Params::new().zeros());
        assert_eq!(x.grad()[0], f64::INFINITY);
    });
}

#[test]
fn softmax_is_that_of_log_softmax_and_sums_to_one() {
    on_tape(|t| {
        let numbers: Vec<f64> = (0..20 * 7).map(|i| f64::from(i * 37 % 101) / 10.0 - 5.0).collect();
        let x = t.input([20, 7], &numbers);
        let (p, log_p) = (x.softmax(), x.log_softmax().exp());
        for (p, other) in p.value().iter().zip(log_p.value().iter()) {
            assert!((p - other).abs() < 1e-14);
        }
        assert!(p.sum_axis(1).value().iter().all(|sum| (sum - 1.0).abs() < 1e-14));
        let extreme = t.input([2, 2], &[1000.0, 1001.0, -1e300, 1e300]).softmax().to_vec();
        assert!((extreme[1] - Real::sigmoid(1.0)).abs() < 1e-14 && extreme[2..] == [0.0, 1.0], "{extreme:?}");
    });
}

#[test]
fn dropout_keeps_the_expectation_and_depends_on_the_key_alone() {
    on_tape(|t| {
        let stream = |example: usize| ChaCha8Rng::seed_from_u64(example as u64);
        let numbers: Vec<f64> = (0..8 * 1000).map(|i| 1.0 + f64::from(i % 7)).collect();
        let x = t.input([8, 10, 100], &numbers);
        let y = x.dropout(0.3, stream);
        for (y, x) in y.value().iter().zip(&numbers) {
            assert!(*y == 0.0 || (y - x / 0.7).abs() < 1e-14, "{y} of {x}");
        }
        let kept = y.value().iter().filter(|&&y| y != 0.0).count();
        // Five standard deviations of a binomial count: 5·√(8000 · 0.3 · 0.7) ≈ 205.
        assert!(kept.abs_diff(5600) < 205, "{kept} of 8000");
        // The gradient goes where the value went.
        y.sum().backward(&mut Params::new().zeros());
        for (d, y) in x.grad().iter().zip(y.value().iter()) {
            assert!(if *y == 0.0 { *d == 0.0 } else { (d - 1.0 / 0.7).abs() < 1e-14 });
        }
        // A batch that is cut in two.
        let halves = [0..3, 3..8].map(|examples| {
            let first = examples.start;
            x.slice(examples).dropout(0.3, |example| stream(first + example)).to_vec()
        });
        assert_eq!(halves.concat(), y.to_vec());
        assert_eq!(x.dropout(0.0, |_| -> ChaCha8Rng { panic!("nothing is drawn") }).to_vec(), numbers);
        assert_ne!(x.dropout(0.3, |example| stream(example + 8)).to_vec(), y.to_vec());
        for wrong in [-0.1, 1.0, f64::NAN] {
            assert!(message(|| _ = x.dropout(wrong, stream)).contains("dropout: the rate"));
        }
        for shape in [&[][..], &[0], &[0, 3], &[3, 0]] {
            let x = t.zeros(shape);
            assert_eq!(x.dropout(0.5, stream).shape(), x.shape());
        }
    });
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    on_tape(|t| {
        let (a, b) = (t.zeros([2, 3]), t.zeros([3, 2]));
        let images = |edge: usize| t.zeros([1, 1, edge, 4]);
        let rows = t.indices(&[0, 1]);
        for (said, parts) in [
            (message(|| _ = a / b), ["div", "[2, 3]", "[3, 2]"]),
            (message(|| _ = t.zeros([3]).softmax()), ["softmax", "[3]", "[rows, classes]"]),
            (message(|| _ = t.zeros([3, 0]).softmax()), ["softmax", "[3, 0]", "[rows, classes]"]),
            (message(|| _ = images(3).max_pool2d(4)), ["max_pool2d", "[1, 1, 3, 4]", "at least 4×4 pixels"]),
            (message(|| _ = images(3).max_pool2d(0)), ["max_pool2d", "[1, 1, 3, 4]", "at least one pixel"]),
            (message(|| _ = images(3).permute([0, 1, 1, 3])), ["permute", "[1, 1, 3, 4]", "[0, 1, 1, 3]"]),
            (message(|| _ = a.put_rows(rows, b)), ["put_rows", "[3, 2]", "2 rows of the first"]),
        ] {
            assert!(parts.iter().all(|part| said.contains(part)) && said.contains(file!()), "{said}");
        }
    });
    // With parameters.
    let (mut params, mut rng) = (Params::<f64>::new(), ChaCha8Rng::seed_from_u64(1));
    let [narrow, wide] = [2, 3].map(|out| Linear::new(&mut params, &format!("{out}"), [4, out], Init::He, &mut rng));
    let cell = Lstm::new(&mut params, "cell", [4, 4], &mut rng);
    let conv = Conv2d::new(&mut params, "conv", [1, 2], [4, 1], Init::He, &mut rng);
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let [x, other] = [2, 3].map(|rows| t.zeros([rows, 4]));
    let sum = |terms: &[(Var<f64>, Linear)]| message(|| _ = linear_sum(terms, Activation::None));
    for (said, parts) in [
        (sum(&[(x, wide), (x, narrow)]), ["\"2.weight\"", "[2, 2]", "[2, 3]"]),
        (sum(&[(x, wide), (other, wide)]), ["\"3.weight\"", "[3, 3]", "[2, 3]"]),
        (message(|| _ = cell.step(x, x, other)), ["lstm", "[2, 16]", "[3, 4]"]),
        (message(|| _ = cell.step(x, x, t.zeros([2, 3]))), ["lstm", "[2, 16]", "[2, 3]"]),
        (message(|| _ = t.zeros([1, 1, 3, 5]).conv2d_then(conv, Activation::None)), ["windows", "4×4", "[1, 1, 3, 5]"]),
    ] {
        assert!(parts.iter().all(|part| said.contains(part)) && said.contains(file!()), "{said}");
    }
}

#[test]
fn debug_shows_the_operation_the_shape_and_the_first_elements() {
    on_tape(|t| {
        let x = t.input([2, 2], &[0.5, -1.0, 2.0, 1e-9]);
        assert_eq!(format!("{x:?}"), "input [2, 2]: [0.5, -1.0, 2.0, 1e-9]");
        assert_eq!(format!("{:?}", x.square().sum()), format!("sum []: [{:?}]", x.square().sum().item()));
        assert_eq!(format!("{:?}", t.zeros([7])), "zeros [7]: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, …]");
        assert_eq!(format!("{:?}", t.zeros([0])), "zeros [0]: []");
        assert_eq!(format!("{:?}", x.slice(1..2)), "slice [1, 2]: [2.0, 1e-9]");
        // It can be written while the tape is at work.
        let mut said = String::new();
        t.filled("filled", [1], |y| {
            y.fill(0.0);
            said = format!("{x:?}");
        });
        assert_eq!(said, "variable 0 of a tape at work");
    });
}

/// The sentence says what to do.
#[test]
fn a_value_that_is_held_over_an_operation_is_named() {
    on_tape(|t| {
        let x = t.input([2], &[1.0, 2.0]);
        let y = x.square().sum();
        y.backward(&mut Params::new().zeros());
        let held = x.value();
        let attempts: [&dyn Fn(); 7] = [
            &|| _ = x + x,
            &|| _ = x.exp(),
            &|| _ = x.reshape([1, 2]),
            &|| _ = x.stop_gradient(),
            &|| _ = t.constant([1], &[1.0]),
            &|| _ = t.indices(&[1]),
            &|| y.sweep(),
        ];
        for attempt in attempts {
            let said = message(attempt);
            assert!(said.contains("still borrowed") && said.contains("to_vec()"), "{said}");
        }
        assert_eq!(held.to_vec(), [1.0, 2.0], "reading beside it is allowed: {:?}", x.value());
        drop(held);
        let held = x.grad();
        assert!(message(|| _ = x * x).contains("still borrowed"));
        drop(held);
        assert_eq!((x * x).to_vec(), [1.0, 4.0]);

        let said = message(|| _ = t.filled("filled", [2], |y| y.copy_from_slice(&x.value())));
        assert!(said.contains("filled_from"), "{said}");
    });
}

/// The functions of one number are the kernels' functions.
#[test]
fn functions_of_one_number_are_those_of_the_operations() {
    let numbers = [-3.0_f32, -0.5, 0.25, 1.0, 7.5];
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.constant([5], &numbers);
    let one_by_one = |f: fn(f32) -> f32| numbers.map(f).map(f32::to_bits);
    let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(x.exp().to_vec()), one_by_one(Real::exp));
    assert_eq!(bits(x.tanh().to_vec()), one_by_one(Real::tanh));
    assert_eq!(bits(x.sigmoid().to_vec()), one_by_one(Real::sigmoid));
    assert_eq!(bits(x.square().ln().to_vec()), one_by_one(|x| Real::ln(x * x)));
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-13, "{a} {b}");
    for x in [-10.0, -0.3, 0.0, 1.0, 100.0] {
        let (sin, cos) = Real::sin_cos(x);
        near(sin * sin + cos * cos, 1.0);
        near(Real::sin_cos(x + std::f64::consts::FRAC_PI_2).0, cos);
    }
    near(Real::sin_cos(std::f64::consts::FRAC_PI_6).0, 0.5);
    near(Real::pow(2.0, 0.5), 2.0_f64.sqrt());
    assert_eq!(Real::pow(2.0_f32, 3.0), 8.0);
}
