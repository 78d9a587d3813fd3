//! Measures training steps and matrix products, and compares them with the peak of this processor.
//!
//! `ram bench` and the crate `benches` share this module: a probe of the peak ([`peak`]), a stopwatch for contenders that
//! take turns ([`race`]), and the work itself ([`TrainingStep`], [`MatrixProduct`]).

use std::hint::black_box;
use std::time::{Duration, Instant};

use autograd::kernels::gemm::{Left, Right, gemm, pack, pack_transposed, packed_len};
use autograd::kernels::map::{Elementwise, map};
use autograd::kernels::math;
use autograd::kernels::simd::{Kernel, LANES, Lanes, Simd};
use datasets::Batch;

use crate::config::{Base, Config};
use crate::error::RamError;
use crate::schedule::Rates;
use crate::tasks;
use crate::train::learner::Learner;

/// The shortest time that is measured. It is much longer than reading the clock takes, and much shorter than the time slice
/// that an operating system gives to a program.
const BURST: Duration = Duration::from_millis(1);

/// The time of a round is the shortest of this many bursts, because other programs on the machine can only make a burst longer.
const BURSTS: usize = 3;

/// The name of this processor, if the system gives one.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_name(&info).map_or_else(|| format!("unnamed {} processor", std::env::consts::ARCH), str::to_owned)
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let names = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    names.map(|(key, value)| (key.trim(), value.trim())).find(|&(key, _)| key == "model name").map(|(_, name)| name)
}

/// The highest rate of multiply-adds of one thread on this machine's kernel path, in GFLOP/s. It is measured with chains of
/// multiply-adds that stay in registers.
///
/// # Errors
/// The probe does not know how many chains keep the units of this instruction set busy.
pub fn peak() -> Result<f64, String> {
    const STEPS: usize = 1 << 15;
    let path = autograd::kernels::path();
    let mut seconds = f64::INFINITY;
    let mut chains = 0;
    for _ in 0..30 {
        let start = Instant::now();
        chains = path.run(Probe { steps: black_box(STEPS) }).map_err(|vectors| {
            let name = path.name();
            format!(
                "cannot measure the peak of the {name} kernels: their register tile has {vectors} vectors, and the probe has \
                 no such number of chains; add it to `Probe` in ram/src/bench.rs"
            )
        })?;
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    Ok((2 * STEPS * chains * LANES) as f64 / seconds / 1e9)
}

/// Runs independent chains, as many as the register tile of the path's matrix product has vectors.
struct Probe {
    steps: usize,
}

impl Kernel<f32> for Probe {
    /// The number of chains, or, as an error, the number of vectors of a tile that the probe does not know.
    type Out = Result<usize, usize>;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> Result<usize, usize> {
        match <S as Simd<f32>>::TILE_ROWS * <S as Simd<f32>>::TILE_VECTORS {
            24 => Ok(chains::<S, 24>(s, self.steps)),
            6 => Ok(chains::<S, 6>(s, self.steps)),
            4 => Ok(chains::<S, 4>(s, self.steps)),
            vectors => Err(vectors),
        }
    }
}

#[inline(always)]
fn chains<S: Simd<f32>, const N: usize>(s: S, steps: usize) -> usize {
    let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(1e-3)));
    let mut sums: [S::V; N] = std::array::from_fn(|i| s.splat(i as f32));
    for _ in 0..steps {
        // This loop touches no memory: x, y and the sums stay in registers.
        for sum in &mut sums {
            *sum = s.mul_add(x, y, *sum);
        }
    }
    // All lanes of all chains are used here, so that the compiler cannot remove any.
    let mut lanes = [0.0; LANES];
    s.store(sums.into_iter().reduce(|a, b| s.add(a, b)).expect("N > 0"), &mut lanes);
    black_box(lanes);
    N
}

/// The peak before and after a measurement, in GFLOP/s of one thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The peak before the measurement.
    pub before: f64,
    /// The peak after it.
    pub after: f64,
}

impl Peak {
    /// The mean of the two.
    pub fn mean(self) -> f64 {
        0.5 * (self.before + self.after)
    }

    /// Whether they differ by more than 10 %. Then the speed of the machine changed during the measurement, and shares of the
    /// peak mean little.
    pub fn moved(self) -> bool {
        (self.before - self.after).abs() > 0.1 * self.before.max(self.after)
    }
}

/// The seconds that one call of each contender takes. The contenders take turns (ours, peer, ours, peer, …), so that a
/// disturbance of the machine affects all of them. The time of a round is the best of a few bursts; the time of a contender is
/// the median of its rounds.
///
/// The race takes about as long as `budget`, and has at least three rounds. If `budget` is zero, each contender is called once.
pub fn race(contenders: &mut [&mut dyn FnMut()], budget: Duration) -> Vec<f64> {
    let start = Instant::now();
    let time = |work: &mut dyn FnMut(), calls: usize| {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed().as_secs_f64()
    };
    if budget.is_zero() {
        return contenders.iter_mut().map(|work| time(work, 1)).collect();
    }
    // The number of calls in a burst, found by doubling. This also warms up.
    let calls: Vec<usize> = contenders
        .iter_mut()
        .map(|work| {
            let mut calls = 1;
            while time(work, calls) < BURST.as_secs_f64() {
                calls *= 2;
            }
            calls
        })
        .collect();
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    while rounds.iter().any(|rounds| rounds.len() < 3) || start.elapsed() < budget {
        for ((work, &calls), rounds) in contenders.iter_mut().zip(&calls).zip(&mut rounds) {
            let best = (0..BURSTS).map(|_| time(work, calls)).fold(f64::INFINITY, f64::min);
            rounds.push(best / calls as f64);
        }
    }
    rounds.iter_mut().map(|rounds| median(rounds)).collect()
}

/// The number in the middle; if the count is even, the upper one of the two in the middle.
fn median(x: &mut [f64]) -> f64 {
    x.sort_by(f64::total_cmp);
    x[x.len() / 2]
}

/// Numbers spread evenly over [−1, 1), the same in every call: the fractional parts of multiples of the golden ratio, scaled.
///
/// ```
/// let x = ram::bench::numbers(1000);
/// assert!(x.iter().all(|x| (-1.0..1.0).contains(x)) && x.iter().sum::<f32>().abs() < 2.0);
/// ```
pub fn numbers(len: usize) -> Vec<f32> {
    const PHI: f64 = 0.618_033_988_749_894_8;
    (0..len).map(|i| (2.0 * (i as f64 * PHI).fract() - 1.0) as f32).collect()
}

/// A function over a slice.
pub type Function = fn(x: &[f32], y: &mut [f32]);

/// The functions whose speed is measured, by name.
pub const FUNCTIONS: [(&str, Function); 4] =
    [("exp", apply::<0>), ("ln", apply::<1>), ("tanh", apply::<2>), ("sigmoid", apply::<3>)];

/// The arguments of [`FUNCTIONS`]: positive numbers up to 4, so that ln is defined too.
pub fn arguments(len: usize) -> Vec<f32> {
    numbers(len).iter().map(|x| 2.0 * x + 2.001).collect()
}

fn apply<const WHICH: usize>(x: &[f32], y: &mut [f32]) {
    map(Which::<WHICH>, [x], y);
}

#[derive(Clone, Copy)]
struct Which<const WHICH: usize>;

impl<const WHICH: usize> Elementwise<f32, 1> for Which<WHICH> {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        match WHICH {
            0 => math::exp(l, x),
            1 => math::ln(l, x),
            2 => math::tanh(l, x),
            _ => math::sigmoid(l, x),
        }
    }
}

/// A model and a batch size whose training step is timed.
#[derive(Clone, Copy, Debug)]
pub struct StepCase {
    /// The images or the game, and the glimpses.
    pub name: &'static str,
    /// The preset or experiment.
    base: Base<'static>,
    /// Images or games in a step.
    pub batch: usize,
    /// Floating-point operations for one image or game, forward and backward. Only matrix products are counted, without the
    /// gradients that nothing needs (those of ρ, of the locations and of h₀).
    pub flops: f64,
}

const fn step_case(name: &'static str, base: Base<'static>, batch: usize, flops: f64) -> StepCase {
    StepCase { name, base, batch, flops }
}

/// The training steps that the project measures.
pub const STEPS: [StepCase; 6] = [
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 20, 7.18e6),
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 128, 7.18e6),
    step_case("28x28, 6 glimpses of 8x8x1", Base::Preset("mnist"), 512, 7.18e6),
    step_case("translated 60x60, 8 glimpses of 12x12x3", Base::Preset("translated"), 128, 11.12e6),
    step_case("cluttered 100x100, 8 glimpses of 12x12x4", Base::Preset("cluttered-100"), 128, 11.71e6),
    step_case("Catch, 23 frames, LSTM, 6x6x3", Base::Experiment("catch"), 256, 82.4e6),
];

/// A training step that can be repeated: glimpses, backward, and the paper's gradient descent with momentum.
pub struct TrainingStep {
    learner: Learner,
    std: f64,
    batches: Vec<Batch>,
    turn: usize,
}

impl TrainingStep {
    /// The number of different batches, which are used in turn.
    const BATCHES: usize = 4;

    /// Draws the images or games, and the weights.
    ///
    /// # Errors
    /// The built-in configuration or its data are faulty; a user cannot cause this.
    pub fn new(case: &StepCase) -> Result<TrainingStep, RamError> {
        let mut sets = vec![
            format!("data.train={}", Self::BATCHES * case.batch),
            "data.validation=1".to_owned(),
            "data.test=1".to_owned(),
            format!("train.batch={}", case.batch),
            "optimiser.kind=sgd".to_owned(),
            "optimiser.clip=0".to_owned(),
        ];
        // Games need no data; images are built-in digits.
        if matches!(case.base, Base::Preset(_)) {
            sets.push("data.source=digits".to_owned());
        }
        let config = Config::load(case.base, &sets)?;
        let task = tasks::named(&config)?;
        let mut data = task.training(&config, None)?;
        let learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        let mut batches = Vec::new();
        data.batches.begin(0, 0);
        while let Some(batch) = data.batches.next_batch()? {
            batches.push(batch.clone());
        }
        Ok(TrainingStep { learner, std: config.policy.std, batches, turn: 0 })
    }

    /// Runs one step on the current rayon pool.
    ///
    /// The learning rate is 0, so that the last step is as much work as the first. A network that had learned its few batches
    /// would have subnormal gradients, and processors are slow with subnormal numbers.
    pub fn run(&mut self) {
        self.turn = (self.turn + 1) % self.batches.len();
        black_box(self.learner.step(&self.batches[self.turn], 0, Rates { learning_rate: 0.0, std: self.std }));
    }
}

/// The three products of a layer Y = X·W, with X [batch, K] and W [K, N].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Y = X·W
    Forward,
    /// d_W += Xᵀ·d_Y
    WeightGradient,
    /// d_X = d_Y·Wᵀ
    InputGradient,
}

impl Product {
    /// All three products.
    pub const ALL: [Product; 3] = [Product::Forward, Product::WeightGradient, Product::InputGradient];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Product::Forward => "forward",
            Product::WeightGradient => "weight gradient",
            Product::InputGradient => "input gradient",
        }
    }
}

/// A matrix product A·B of a layer. Its operands have the memory layout that they have in a training step.
#[derive(Clone, Debug)]
pub struct MatrixProduct {
    /// [m, n, k]: A is [m, k] and B [k, n].
    pub shape: [usize; 3],
    /// A, and the strides of its rows and of its columns.
    pub a: (Vec<f32>, [usize; 2]),
    /// B, and the strides of its rows and of its columns.
    pub b: (Vec<f32>, [usize; 2]),
    /// Whether it computes C += A·B instead of C = A·B.
    pub accumulate: bool,
    /// The result of [`MatrixProduct::run`].
    pub c: Vec<f32>,
    /// The packed weights. A step uses weights in every glimpse but packs them once, so packing is not part of the product.
    packed: Option<Vec<f32>>,
}

impl MatrixProduct {
    /// A product of a layer; C starts as zeros.
    pub fn new(product: Product, [batch, k, n]: [usize; 3]) -> MatrixProduct {
        let (x, w, d_y) = (|| numbers(batch * k), || numbers(k * n), || numbers(batch * n));
        let (shape, a, b, packed) = match product {
            Product::Forward => {
                let (w, mut packed) = (w(), vec![0.0; packed_len(k, n)]);
                pack(&w, k, n, &mut packed);
                ([batch, n, k], (x(), [k, 1]), (w, [n, 1]), Some(packed))
            }
            Product::WeightGradient => ([k, n, batch], (x(), [1, k]), (d_y(), [n, 1]), None),
            Product::InputGradient => {
                let (w, mut packed) = (w(), vec![0.0; packed_len(n, k)]);
                pack_transposed(&w, k, n, &mut packed);
                ([batch, k, n], (d_y(), [n, 1]), (w, [1, n]), Some(packed))
            }
        };
        let accumulate = product == Product::WeightGradient;
        MatrixProduct { shape, a, b, accumulate, c: vec![0.0; shape[0] * shape[1]], packed }
    }

    /// Computes the product on the current rayon pool.
    pub fn run(&mut self) {
        let (a, [row, column]) = (black_box(&self.a.0), self.a.1);
        let a =
            if column == 1 { Left::Rows { data: a, stride: row } } else { Left::Columns { data: a, stride: column } };
        let b = match &self.packed {
            Some(packed) => Right::Packed(black_box(packed)),
            None => Right::Rows { data: black_box(&self.b.0), stride: self.b.1[0] },
        };
        gemm(a, b, &mut self.c, self.shape, self.accumulate);
    }

    /// Floating-point operations: 2·m·n·k.
    pub fn flops(&self) -> f64 {
        2.0 * self.shape.iter().map(|&x| x as f64).product::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        let info = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: A CPU: 3 GHz\nflags\t\t: fpu\n";
        assert_eq!(model_name(info), Some("A CPU: 3 GHz"));
        assert_eq!(model_name("processor\t: 0\nBogoMIPS: 50.00"), None);
        assert!(!cpu().is_empty());
    }

    #[test]
    fn a_probe_that_moved_is_noticed() {
        assert!(!Peak { before: 100.0, after: 91.0 }.moved());
        assert!(Peak { before: 100.0, after: 89.0 }.moved() && Peak { before: 89.0, after: 100.0 }.moved());
        assert_eq!(Peak { before: 100.0, after: 90.0 }.mean(), 95.0);
        assert!(peak().unwrap() > 0.0);
    }

    #[test]
    fn the_probe_knows_every_path() {
        for path in autograd::kernels::KernelPath::all() {
            assert!(path.run(Probe { steps: 1 }).is_ok(), "{}", path.name());
        }
    }

    #[test]
    fn contenders_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let (mut a, mut b) = (|| order.borrow_mut().push('a'), || order.borrow_mut().push('b'));
        race(&mut [&mut a, &mut b], Duration::ZERO);
        assert_eq!(order.take(), "ab");

        let sleep = |millis| move || std::thread::sleep(Duration::from_millis(millis));
        let seconds = race(&mut [&mut sleep(2), &mut sleep(8)], Duration::from_millis(1));
        assert!(seconds[0] >= 0.002 && seconds[1] >= 0.008, "{seconds:?}");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [7.0]), 7.0);
    }

    /// The strides, which other libraries are given, describe the product that our kernels compute.
    #[test]
    fn strides_describe_the_product() {
        for product in Product::ALL {
            let mut ours = MatrixProduct::new(product, [5, 7, 18]);
            ours.run();
            let ([m, n, k], (a, [a_row, a_column]), (b, [b_row, b_column])) = (ours.shape, &ours.a, &ours.b);
            let mut expected = vec![0.0; m * n];
            let (a, b) = (|i, p| a[i * a_row + p * a_column], |p, j| b[p * b_row + j * b_column]);
            autograd::kernels::gemm::oracle(a, b, &mut expected, [m, n, k], false);
            assert_eq!(ours.c, expected, "{}", product.name());
            assert_eq!(ours.flops(), 1260.0);
        }
    }

    #[test]
    fn every_step_is_a_preset() {
        for case in STEPS {
            TrainingStep::new(&StepCase { batch: 2, ..case }).unwrap().run();
        }
    }
}
