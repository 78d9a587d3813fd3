//! Elementwise functions, on one thread, over numbers that fit in the L1 cache. Rates are 10⁹ elements a second.

mod history;

use std::hint::black_box;

use autograd::kernels::map::{Elementwise, map};
use autograd::kernels::math;
use autograd::kernels::simd::Lanes;
use benches::{Mode, Table, numbers};
use criterion::{BenchmarkGroup, Throughput, measurement::WallTime};

use history::criterion;

const LEN: usize = 2048;

macro_rules! function {
    ($name:ident, $function:path) => {
        #[derive(Clone, Copy)]
        struct $name;

        impl Elementwise<f32, 1> for $name {
            #[inline(always)]
            fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
                $function(l, x)
            }
        }
    };
}

function!(Exp, math::exp);
function!(Ln, math::ln);
function!(Tanh, math::tanh);
function!(Sigmoid, math::sigmoid);
function!(Relu, math::relu);

// The peers are the platform's functions.
#[allow(clippy::disallowed_methods)]
fn main() {
    let Some(mode) = Mode::of("elementwise") else { return };
    let x: Vec<f32> = numbers(LEN).iter().map(|x| 4.0 * x).collect();
    let positive: Vec<f32> = x.iter().map(|x| x.abs() + 0.01).collect();
    criterion("elementwise", |group| {
        group.throughput(Throughput::Elements(LEN as u64));
        criterion_row(group, "exp", Exp, &x);
        criterion_row(group, "ln", Ln, &positive);
        criterion_row(group, "tanh", Tanh, &x);
        criterion_row(group, "sigmoid", Sigmoid, &x);
        criterion_row(group, "relu", Relu, &x);
    });
    let mut table = Table::new(mode, "Gelem/s");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    pool.install(|| {
        table_row(&mut table, "exp", Exp, f32::exp, &x);
        table_row(&mut table, "ln", Ln, f32::ln, &positive);
        table_row(&mut table, "tanh", Tanh, f32::tanh, &x);
        table_row(&mut table, "sigmoid", Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), &x);
        table_row(&mut table, "relu", Relu, |x| x.max(0.0), &x);
    });
    table.print();
}

fn criterion_row(group: &mut BenchmarkGroup<WallTime>, name: &str, f: impl Elementwise<f32, 1>, x: &[f32]) {
    let mut y = vec![0.0; x.len()];
    group.bench_function(name, |bencher| bencher.iter(|| map(f, [black_box(x)], black_box(&mut y))));
}

fn table_row(table: &mut Table, name: &str, f: impl Elementwise<f32, 1>, std: impl Fn(f32) -> f32, x: &[f32]) {
    let (mut y, mut z) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    let mut plain = || black_box(&mut z).iter_mut().zip(black_box(x)).for_each(|(z, &x)| *z = std(x));
    let mut ours = || map(f, [black_box(x)], black_box(&mut y));
    table.row(name, x.len() as f64 / 1e9, &mut [("ours", &mut ours), ("std", &mut plain)]);
}
