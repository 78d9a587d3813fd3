//! What the benches share. The benches themselves are in `benches/benches/`, one file for each criterion group:
//!
//! | group | what it times | a unit of its throughput |
//! |---|---|---|
//! | `gemm` | a matrix product at the shapes of RAM, on one thread | a floating-point operation |
//! | `elementwise` | exp, ln, tanh, sigmoid, Rect | a number |
//! | `retina` | ρ(x, l) | a glimpse |
//! | `step` | a whole training step, on all threads | an image |
//! | `data` | the canvases to train on | a canvas |
//!
//! `cargo bench` runs all of them, `cargo bench -- gemm` a group. Criterion writes its units as `elem/s`: in `gemm`,
//! `Gelem/s` are GFLOP/s.
#![forbid(unsafe_code)]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

/// Runs the criterion group `name` as the program's command line asks, and tells, on the error stream, what it runs on.
pub fn run(name: &str, bench: impl FnOnce(&mut BenchmarkGroup<WallTime>)) {
    eprintln!("{name}: {} kernels, {} threads", autograd::kernels::path().name(), rayon::current_num_threads());
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(50);
    bench(&mut group);
    group.finish();
    criterion.final_summary();
}

/// Numbers spread evenly over [−1, 1), the same every time: multiples of the golden ratio, without their whole part.
///
/// ```
/// let x = benches::numbers(1000);
/// assert!(x.iter().all(|x| (-1.0..1.0).contains(x)) && x.iter().sum::<f32>().abs() < 2.0);
/// ```
pub fn numbers(len: usize) -> Vec<f32> {
    const PHI: f64 = 0.618_033_988_749_894_8;
    (0..len).map(|i| (2.0 * (i as f64 * PHI).fract() - 1.0) as f32).collect()
}
