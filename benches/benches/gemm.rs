//! Matrix products at the shapes of RAM, on one thread. Throughput is in floating-point operations: 2·m·n·k a product.

use std::hint::black_box;

use autograd::kernels;
use autograd::kernels::gemm::{Gemm, Left, Right, pack, pack_transposed, packed_len};
use benches::{numbers, run};
use criterion::{BenchmarkGroup, Throughput, measurement::WallTime};

/// (K, N) of the layers of RAM for 8×8×1 glimpses: h_g, half of g, the core, the classes.
const LAYERS: [(usize, usize); 4] = [(64, 128), (128, 256), (256, 256), (256, 10)];

/// The paper's batch, and the presets'.
const BATCHES: [usize; 2] = [20, 128];

fn main() {
    run("gemm", |group| {
        for (k, n) in LAYERS {
            for rows in BATCHES {
                forward(group, rows, k, n);
            }
        }
        forward(group, 512, 512, 512);
        for rows in BATCHES {
            weight_gradient(group, rows, 256, 256);
            input_gradient(group, rows, 256, 256);
        }
    });
}

/// Y = X·W, W packed once a step.
fn forward(group: &mut BenchmarkGroup<WallTime>, rows: usize, k: usize, n: usize) {
    let (x, mut w) = (numbers(rows * k), vec![0.0; packed_len(k, n)]);
    pack(&numbers(k * n), k, n, &mut w);
    product(group, "forward", Left::Rows { data: &x, stride: k }, Right::Packed(&w), [rows, n, k], false);
}

/// d_W += Xᵀ·d_Y
fn weight_gradient(group: &mut BenchmarkGroup<WallTime>, rows: usize, k: usize, n: usize) {
    let (x, d_y) = (numbers(rows * k), numbers(rows * n));
    let (x, d_y) = (Left::Columns { data: &x, stride: k }, Right::Rows { data: &d_y, stride: n });
    product(group, "weight-gradient", x, d_y, [k, n, rows], true);
}

/// d_X = d_Y·Wᵀ, Wᵀ packed once a step.
fn input_gradient(group: &mut BenchmarkGroup<WallTime>, rows: usize, k: usize, n: usize) {
    let (d_y, mut w) = (numbers(rows * n), vec![0.0; packed_len(n, k)]);
    pack_transposed(&numbers(k * n), k, n, &mut w);
    product(group, "input-gradient", Left::Rows { data: &d_y, stride: n }, Right::Packed(&w), [rows, k, n], false);
}

fn product(
    group: &mut BenchmarkGroup<WallTime>,
    name: &str,
    a: Left<f32>,
    b: Right<f32>,
    shape: [usize; 3],
    accumulate: bool,
) {
    let [m, n, k] = shape;
    let mut c = vec![0.0; m * n];
    let path = kernels::path();
    group.throughput(Throughput::Elements((2 * m * n * k) as u64));
    group.bench_function(format!("{name}/{m}x{k}x{n}"), |bencher| {
        bencher.iter(|| path.run(Gemm { a: black_box(a), b: black_box(b), c: &mut c, shape, accumulate }));
    });
    black_box(c);
}
