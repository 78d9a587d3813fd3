//! Criterion, which keeps the history of a few rows. It is not a part of the package's library: `cargo run` builds the libraries of
//! all packages, and would build criterion too.

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};

/// Runs a criterion group of this name as the command line asks.
pub fn criterion(name: &str, bench: impl FnOnce(&mut BenchmarkGroup<WallTime>)) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(50);
    bench(&mut group);
    group.finish();
    criterion.final_summary();
}
