//! The kernels' paths: every operation in f32, forward and backward, against f64; equal bits on all paths; and how
//! exact our exp, ln, tanh and sigmoid are.

use std::fmt::Write;

use autograd::kernels::gemm::{self, Left, Right};
use autograd::kernels::map::{Elementwise, Map};
use autograd::kernels::simd::Lanes;
use autograd::kernels::{KernelPath, math, reduce};
use autograd::nn::{Conv2d, Init, Linear, Lstm};
use autograd::ops::{Activation, linear_sum};
use autograd::{ParamId, Params, Real, Recording, Shape, Tape, Var};
use ram::model::action::log_prob_of;
use ram::model::location::gaussian_log_prob;
use ram::model::{Images, Retina, Sampling};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use rayon::prelude::*;
use tests::{bits, difference, kernel_paths, largest, on_path};

/// Sizes that no vector divides.
const ROWS: usize = 37;
const COLUMNS: usize = 83;

/// Parameters of the operations that have some.
struct Layers {
    wide: Linear,
    other: Linear,
    matrix: ParamId,
    cell: Lstm,
    conv: Conv2d,
    padded: Conv2d,
}

/// An operation, for any number type: the inputs' shapes and what it makes of them.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Numbers,
    Reciprocal,
    Sqrt,
    Abs,
    Softmax,
    Dropout,
    Negate,
    Scale,
    AddRow,
    Matmul,
    MatmulT,
    TMatmul,
    Linear(Activation),
    LinearSum(Activation),
    Relu,
    Tanh,
    Sigmoid,
    Exp,
    Ln,
    Square,
    Clamp,
    Sum,
    Mean,
    SumAxis(usize),
    MeanAxis(usize),
    LogSoftmax,
    Nll,
    CrossEntropy,
    Concat(usize),
    Narrow(usize),
    Slice,
    Reshape,
    StopGradient,
    Param,
    Lstm,
    Convolution,
    Padded,
    MaxPool,
    Permute,
    Retina(Sampling),
    GaussianLogProb,
    LogProbOf,
}

/// A number to the left of an operator, which the engine has for f32 and f64 each.
trait OnTheLeft: Real {
    fn over<'t>(self, x: Var<'t, Self>) -> Var<'t, Self>;
}

impl OnTheLeft for f32 {
    fn over<'t>(self, x: Var<'t, f32>) -> Var<'t, f32> {
        self / x
    }
}

impl OnTheLeft for f64 {
    fn over<'t>(self, x: Var<'t, f64>) -> Var<'t, f64> {
        self / x
    }
}

impl Operation {
    fn all() -> Vec<Operation> {
        use Operation::*;
        let activations = [Activation::None, Activation::Relu, Activation::Tanh, Activation::Sigmoid];
        let mut all = vec![
            Add,
            Subtract,
            Multiply,
            Divide,
            Numbers,
            Reciprocal,
            Sqrt,
            Abs,
            Softmax,
            Dropout,
            Negate,
            Scale,
            AddRow,
            Matmul,
            MatmulT,
            TMatmul,
            Relu,
            Tanh,
            Sigmoid,
            Exp,
            Ln,
            Square,
            Clamp,
            Sum,
            Mean,
            LogSoftmax,
            Nll,
            CrossEntropy,
            Slice,
            Reshape,
            StopGradient,
            Param,
            Lstm,
            Convolution,
            Padded,
            MaxPool,
            Permute,
            GaussianLogProb,
            LogProbOf,
        ];
        all.extend(activations.into_iter().flat_map(|activation| [Linear(activation), LinearSum(activation)]));
        all.extend([0, 1].into_iter().flat_map(|axis| [SumAxis(axis), MeanAxis(axis), Concat(axis), Narrow(axis)]));
        all.extend([Sampling::Crop, Sampling::Bilinear].map(Retina));
        all
    }

    fn shapes(self) -> Vec<Shape> {
        let s = |axes: &[usize]| Shape::new(axes);
        match self {
            Operation::Add | Operation::Subtract | Operation::Multiply | Operation::Divide => {
                vec![s(&[ROWS, COLUMNS]); 2]
            }
            Operation::AddRow => vec![s(&[ROWS, COLUMNS]), s(&[COLUMNS])],
            Operation::Matmul => vec![s(&[ROWS, COLUMNS]), s(&[COLUMNS, 45])],
            Operation::MatmulT => vec![s(&[ROWS, COLUMNS]), s(&[45, COLUMNS])],
            Operation::TMatmul => vec![s(&[COLUMNS, ROWS]), s(&[COLUMNS, 45])],
            Operation::LinearSum(_) => vec![s(&[ROWS, COLUMNS]), s(&[ROWS, 29])],
            Operation::Concat(axis) => {
                vec![s(&[ROWS, COLUMNS]), if axis == 0 { s(&[5, COLUMNS]) } else { s(&[ROWS, 5]) }]
            }
            Operation::Retina(_) => vec![s(&[3, 2, 19, 23]), s(&[3, 2])],
            Operation::Lstm => vec![s(&[ROWS, 7]), s(&[ROWS, 21]), s(&[ROWS, 21])],
            Operation::Convolution | Operation::Padded | Operation::MaxPool | Operation::Permute => {
                vec![s(&[3, 2, 13, 17])]
            }
            Operation::GaussianLogProb => vec![s(&[ROWS, 2]); 2],
            _ => vec![s(&[ROWS, COLUMNS])],
        }
    }

    fn build<'t, R: OnTheLeft>(self, t: &'t Recording<'t, R>, x: &[Var<'t, R>], layers: &Layers) -> Var<'t, R> {
        let labels = || (0..ROWS).map(|i| (i * 31 % COLUMNS) as u32).collect::<Vec<_>>();
        let r = R::from_f64;
        match self {
            Operation::Add => x[0] + x[1],
            Operation::Subtract => x[0] - x[1],
            Operation::Multiply => x[0] * x[1],
            // Inputs lie on (−1, 1), so divisors are moved away from 0.
            Operation::Divide => x[0] / (x[1] + r(1.5)),
            Operation::Numbers => (-x[0] + r(0.375)) / r(1.75) * r(-2.5) - r(0.625),
            Operation::Reciprocal => r(0.75).over(x[0] + r(1.5)),
            Operation::Sqrt => (x[0] + r(1.0625)).sqrt(),
            Operation::Abs => x[0].abs(),
            Operation::Softmax => x[0].scale(r(4.0)).softmax(),
            Operation::Dropout => x[0].dropout(0.25, |row| ChaCha8Rng::seed_from_u64(row as u64)),
            Operation::Negate => -x[0],
            Operation::Scale => x[0].scale(r(-1.75)),
            Operation::AddRow => x[0].add_row(x[1]),
            Operation::Matmul => x[0].matmul(x[1]),
            Operation::MatmulT => x[0].matmul_t(x[1]),
            Operation::TMatmul => x[0].t_matmul(x[1]),
            Operation::Linear(activation) => x[0].linear_then(layers.wide, activation),
            Operation::LinearSum(activation) => linear_sum(&[(x[0], layers.wide), (x[1], layers.other)], activation),
            Operation::Relu => x[0].relu(),
            Operation::Tanh => x[0].tanh(),
            Operation::Sigmoid => x[0].sigmoid(),
            Operation::Exp => x[0].exp(),
            // Inputs lie on (−1, 1): squared and moved away from 0.
            Operation::Ln => (x[0].square() + t.constant([ROWS, COLUMNS], &[r(0.0625); ROWS * COLUMNS])).ln(),
            Operation::Square => x[0].square(),
            Operation::Clamp => x[0].clamp(r(-0.5), r(0.25)),
            Operation::Sum => x[0].sum(),
            Operation::Mean => x[0].mean(),
            Operation::SumAxis(axis) => x[0].sum_axis(axis),
            Operation::MeanAxis(axis) => x[0].mean_axis(axis),
            Operation::LogSoftmax => x[0].scale(r(4.0)).log_softmax(),
            Operation::Nll => x[0].nll(&labels()),
            Operation::CrossEntropy => x[0].scale(r(4.0)).cross_entropy(&labels()),
            Operation::Concat(axis) => t.concat(axis, &[x[0], x[1]]),
            Operation::Narrow(axis) => x[0].narrow(axis, 3..31),
            Operation::Slice => x[0].slice(5..20),
            Operation::Reshape => x[0].reshape([COLUMNS, ROWS]),
            Operation::StopGradient => x[0].stop_gradient() * x[0],
            Operation::Param => x[0].matmul(t.param(layers.matrix)),
            Operation::Lstm => {
                let (h, c) = layers.cell.step(x[0], x[1], x[2]);
                t.concat(0, &[h, c])
            }
            Operation::Convolution => x[0].conv2d_then(layers.conv, Activation::Tanh),
            Operation::Padded => x[0].conv2d_then(layers.padded, Activation::Relu),
            Operation::MaxPool => x[0].max_pool2d(3),
            Operation::Permute => x[0].permute([2, 0, 3, 1]),
            Operation::Retina(sampling) => {
                Retina::new(6, 2, sampling).sense(t, Images::Var(x[0]), x[1]).scale(r(255.0))
            }
            Operation::GaussianLogProb => gaussian_log_prob(x[0], x[1], 0.25),
            Operation::LogProbOf => {
                let chosen: Vec<R> = labels().iter().map(|&label| R::from(label as u8)).collect();
                log_prob_of(x[0], t.constant([ROWS], &chosen))
            }
        }
    }

    /// Its output, and the gradients of Σ weights·output by inputs and parameters.
    fn run<R: OnTheLeft>(self) -> Vec<Vec<R>> {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut numbers = |len: usize| -> Vec<R> {
            // Multiples of 2⁻¹²: exact in f32, so that both types begin with the same numbers.
            (0..len).map(|_| R::from_f64(f64::from(rng.random_range(-4095..4096)) / 4096.0)).collect()
        };
        let mut params = Params::new();
        let mut add = |name: &str, shape: [usize; 2]| {
            let values = numbers(shape[0] * shape[1]);
            params.add(name, shape, |w| w.copy_from_slice(&values))
        };
        let [wide, other, matrix] = [("wide", [COLUMNS, 45]), ("other", [29, 45]), ("matrix", [COLUMNS, 21])]
            .map(|(name, shape)| add(name, shape));
        let mut bias = |name: &str| {
            let values = numbers(45);
            params.add(name, [45], |b| b.copy_from_slice(&values))
        };
        let [wide, other] =
            [(wide, "wide bias"), (other, "other bias")].map(|(weight, name)| Linear { weight, bias: bias(name) });
        // As f32 holds them, so that both types begin with the same numbers.
        let mut rng = ChaCha8Rng::seed_from_u64(10);
        let cell = Lstm::new(&mut params, "cell", [7, 21], &mut rng);
        let conv = Conv2d::new(&mut params, "conv", [2, 5], [4, 3], Init::UniformFanIn, &mut rng);
        let padded = Conv2d::new(&mut params, "padded", [2, 5], [3, 1], Init::UniformFanIn, &mut rng).padded(1);
        for id in [cell.input.weight, cell.hidden.weight, conv.linear.weight, padded.linear.weight] {
            params.change(id, |w| w.iter_mut().for_each(|w| *w = R::from_f64(f64::from(w.to_f64() as f32))));
        }
        let layers = Layers { wide, other, matrix, cell, conv, padded };

        let mut tape = Tape::new();
        let t = tape.begin(&params);
        let inputs: Vec<_> = self.shapes().into_iter().map(|shape| t.input(shape, &numbers(shape.len()))).collect();
        let y = self.build(&t, &inputs, &layers);
        let mut grads = params.zeros();
        (y * t.constant(y.shape(), &numbers(y.shape().len()))).sum().backward(&mut grads);
        let mut found = vec![y.value().to_vec()];
        found.extend(inputs.iter().map(|x| x.grad().to_vec()));
        found.extend(params.ids().map(|id| grads.get(id).to_vec()));
        found
    }
}

/// A hash for the eyes: FNV-1a of the bits, all NaN being one.
fn hash(numbers: &[f32]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bits(numbers).into_iter().flat_map(u32::to_le_bytes).fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
#[ignore = "runs in a process of its own, for each path"]
fn every_operation_on_this_path() {
    let mut told = String::new();
    let mut worst = (0.0, String::new());
    for operation in Operation::all() {
        let (single, double) = (operation.run::<f32>(), operation.run::<f64>());
        for (i, (single, double)) in single.iter().zip(&double).enumerate() {
            let wide: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
            let apart = difference(&wide, double, largest(double).max(f64::MIN_POSITIVE));
            let part = if i == 0 { "its value".to_owned() } else { format!("gradient {i}") };
            assert!(apart <= 3e-6, "{operation:?} on {}: {part} is {apart:e} from f64", ram::kernel_path());
            if apart > worst.0 {
                worst = (apart, format!("{operation:?}, {part}"));
            }
            write!(told, "{:x} ", hash(single)).unwrap();
        }
    }
    eprintln!("{}: at most {:.1e} from f64, {}", ram::kernel_path(), worst.0, worst.1);

    // What `dispatch` alone reaches: sums, rows of log-softmax, large products.
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut numbers = |len: usize| -> Vec<f32> {
        (0..len).map(|_| rng.random_range(-1.0f32..1.0) * [1.0, 1e-3, 1e3][rng.random_range(0..3)]).collect()
    };
    for len in (0..70).chain([255, 1000, 4099]) {
        let x = numbers(len);
        write!(told, "{:x} ", hash(&[reduce::sum(&x), reduce::sum_of_squares(&x)])).unwrap();
    }
    for columns in (1..40).chain([100]) {
        let (x, mut y) = (numbers(5 * columns), vec![0.0; 5 * columns]);
        reduce::log_softmax(&x, columns, &mut y);
        let mut sums = numbers(columns);
        reduce::add_rows(&x, &mut sums);
        write!(told, "{:x} {:x} ", hash(&y), hash(&sums)).unwrap();
    }
    for [m, n, k] in [[128, 256, 256], [1, 256, 64], [33, 70, 301], [301, 10, 77], [5, 3, 0]] {
        let (a, b, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
        let right = Right::Rows { data: &b, stride: n };
        gemm::gemm(Left::Rows { data: &a, stride: k }, right, &mut c, [m, n, k], true);
        gemm::gemm(Left::Columns { data: &a, stride: m }, right, &mut c, [m, n, k], true);
        write!(told, "{:x} ", hash(&c)).unwrap();
    }
    println!("RESULT {} {told}", ram::kernel_path());
}

#[test]
fn every_operation_is_exact_and_the_same_on_every_path() {
    let mut first = None;
    for path in kernel_paths() {
        let result = on_path(path, "every_operation_on_this_path");
        let told = result.strip_prefix(path).expect("the path that was forced").to_owned();
        let first = first.get_or_insert_with(|| told.clone());
        let same = first.split(' ').zip(told.split(' ')).position(|(a, b)| a != b);
        assert!(same.is_none() && first.len() == told.len(), "{path} differs from scalar in result {same:?}");
    }
}

/// A function of the kernels, to be run on a path of our choice.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Exp,
    Ln,
    Tanh,
    Sigmoid,
    Relu,
}

impl<R: Real> Elementwise<R, 1> for Function {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        match self {
            Function::Exp => math::exp(l, x),
            Function::Ln => math::ln(l, x),
            Function::Tanh => math::tanh(l, x),
            Function::Sigmoid => math::sigmoid(l, x),
            Function::Relu => math::relu(l, x),
        }
    }
}

impl Function {
    const ALL: [Function; 5] = [Function::Exp, Function::Ln, Function::Tanh, Function::Sigmoid, Function::Relu];

    /// The standard library's f64: right to the last bit of f32 and far beyond.
    #[allow(clippy::disallowed_methods)]
    fn exact(self, x: f64) -> f64 {
        match self {
            Function::Exp => x.exp(),
            Function::Ln => x.ln(),
            Function::Tanh => x.tanh(),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Relu if x.is_nan() => x,
            Function::Relu => x.max(0.0),
        }
    }

    /// Where each f32 is looked at, not one in 997.
    fn interesting(self) -> Vec<std::ops::Range<f32>> {
        match self {
            Function::Exp => vec![0.25..1.0, -1.0..-0.25, -7.0..-5.0, 86.5..89.0, -104.5..-86.5],
            Function::Ln => vec![0.5..4.0, 0.0..1e-44],
            Function::Tanh => vec![0.25..1.0, 8.0..9.5, 1e-4..1.2e-4],
            // −16.7 … −16.6: where 1 + e⁻ˣ passes 2²⁴.
            Function::Sigmoid => vec![0.5..2.0, -2.0..-0.5, -17.5..-15.5, -89.2..-86.0],
            Function::Relu => vec![],
        }
    }
}

fn values(function: Function, path: KernelPath, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    path.run(Map { f: function, x: [x], y: &mut y });
    y
}

/// Numbers at which functions turn.
fn special() -> Vec<f32> {
    let half = [
        0.0,
        1e-45,
        1e-40,
        f32::MIN_POSITIVE,
        f32::EPSILON,
        0.5,
        1.0,
        2.0,
        9.01,
        9.02,
        9.03,
        87.3,
        88.0,
        88.72,
        88.73,
        89.0,
        90.0,
        103.0,
        103.97,
        104.0,
        1e10,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    half.iter().flat_map(|&x| [x, -x]).flat_map(|x| [x, x.next_up(), x.next_down()]).collect()
}

/// Every 997th bit pattern there is, in pieces: both signs, all magnitudes, NaN.
fn sweep() -> impl ParallelIterator<Item = Vec<f32>> {
    const PIECE: u32 = 1 << 16;
    let count = u32::MAX / 997 + 1;
    let pieces = (0..count.div_ceil(PIECE)).into_par_iter();
    pieces.map(move |p| (p * PIECE..((p + 1) * PIECE).min(count)).map(|i| f32::from_bits(i * 997)).collect())
}

#[test]
fn functions_have_the_same_bits_on_every_path() {
    kernel_paths();
    let (first, others) = (KernelPath::Scalar, &KernelPath::all()[1..]);
    sweep().chain(rayon::iter::once(special())).for_each(|x| {
        for function in Function::ALL {
            let expected = bits(&values(function, first, &x));
            for &path in others {
                let found = bits(&values(function, path, &x));
                if let Some(i) = (0..x.len()).find(|&i| expected[i] != found[i]) {
                    panic!(
                        "{function:?}({:e}) is {:x} on scalar, {:x} on {}",
                        x[i],
                        expected[i],
                        found[i],
                        path.name()
                    );
                }
            }
        }
    });
}

/// The distance of y from the exact value, in units of the last place of an f32 of that size.
fn ulps(y: f32, exact: f64) -> f64 {
    if f64::from(y) == exact {
        return 0.0;
    }
    let near = exact.abs() as f32;
    let below = if f64::from(near) > exact.abs() { near.next_down() } else { near };
    (f64::from(y) - exact).abs() / f64::from(below.next_up() - below)
}

#[test]
fn functions_are_exact_but_for_the_last_place() {
    let path = autograd::kernels::path();
    for function in Function::ALL {
        let worst = |x: &[f32]| {
            let mut worst = (0.0, 0.0);
            for (&x, y) in x.iter().zip(values(function, path, x)) {
                let exact = function.exact(f64::from(x));
                let normal = (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&exact.abs());
                if exact.is_nan() {
                    assert!(y.is_nan(), "{function:?}({x:e}) = {y:e}");
                } else if normal {
                    let ulps = ulps(y, exact);
                    worst = if ulps > worst.0 { (ulps, x) } else { worst };
                } else {
                    // Beyond the normal numbers: the right limit, or among the subnormal ones right to 2 of their units
                    // (where e⁻ˣ is ∞ already, the logistic function is 0).
                    let apart = (f64::from(y) - exact).abs();
                    let zero = function == Function::Sigmoid && y == 0.0 && x < -88.7;
                    let limit = if exact.abs() > 1.0 { y.is_infinite() } else { apart < 3e-45 || zero };
                    assert!(limit && f64::from(y) * exact >= 0.0, "{function:?}({x:e}) = {y:e}, not {exact:e}");
                }
            }
            worst
        };
        let larger = |a: (f64, f32), b: (f64, f32)| if b.0 > a.0 { b } else { a };
        let mut all = sweep().map(|x| worst(&x)).reduce(|| (0.0, 0.0), larger);
        all = larger(all, worst(&special()));
        for range in function.interesting() {
            let (a, b) = (range.start.to_bits(), range.end.to_bits());
            let (a, b) = (a.min(b), a.max(b));
            let pieces = (a..b).into_par_iter().step_by(1 << 14);
            let piece = |start: u32| worst(&(start..b.min(start + (1 << 14))).map(f32::from_bits).collect::<Vec<_>>());
            all = larger(all, pieces.map(piece).reduce(|| (0.0, 0.0), larger));
        }
        println!("{function:?}: at most {:.3} ulp, at {:e}", all.0, all.1);
        assert!(all.0 <= 2.0, "{function:?}: {} ulp at {:e}", all.0, all.1);
    }
}
