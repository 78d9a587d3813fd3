//! The one-line functions, on one thread, over numbers that fit in the L1 cache.

use std::hint::black_box;

use autograd::kernels::map::{Elementwise, map};
use autograd::kernels::math;
use autograd::kernels::simd::Lanes;
use benches::{numbers, run};
use criterion::{BenchmarkGroup, Throughput, measurement::WallTime};

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

fn main() {
    run("elementwise", |group| {
        group.throughput(Throughput::Elements(LEN as u64));
        let x: Vec<f32> = numbers(LEN).iter().map(|x| 4.0 * x).collect();
        let positive: Vec<f32> = x.iter().map(|x| x.abs() + 0.01).collect();
        function(group, "exp", Exp, &x);
        function(group, "ln", Ln, &positive);
        function(group, "tanh", Tanh, &x);
        function(group, "sigmoid", Sigmoid, &x);
        function(group, "relu", Relu, &x);
    });
}

fn function(group: &mut BenchmarkGroup<WallTime>, name: &str, f: impl Elementwise<f32, 1>, x: &[f32]) {
    let mut y = vec![0.0; x.len()];
    group.bench_function(name, |bencher| bencher.iter(|| map(f, [black_box(x)], black_box(&mut y))));
}
