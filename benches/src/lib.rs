//! What the benches have in common. The benches themselves are in `benches/benches/`, one file for each group:
//!
//! | group | what it times | compared with |
//! |---|---|---|
//! | `gemm` | the matrix products of the model's layers, on one thread and on two | `gemm`, `faer`, `matrixmultiply` |
//! | `elementwise` | exp, ln, tanh, sigmoid, Rect, on one thread | plain loops over the standard library |
//! | `retina` | ρ(x, l) on images from 28×28 to 8192×8192 | the same on 28×28 |
//! | `step` | a whole training step, on all threads | `benches/compare/pytorch.py` |
//! | `data` | drawing the canvases to train on, on one thread | the training step that uses them |
//!
//! `cargo bench` runs all groups and `cargo bench -- gemm` runs one; with `RAM_BENCH=full` they measure every shape.
//! Each group prints a table. We and our peers take turns ([`ram::bench::race`]), and the peak of the processor
//! ([`ram::bench::peak`]) is measured before and after. Criterion keeps the history of a few rows.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use ram::bench::{Peak, cpu, peak, race};

pub use ram::bench::numbers;

/// The time for which a row of a table is measured.
const ROW_TIME: Duration = Duration::from_millis(500);

const GROUPS: [&str; 5] = ["gemm", "elementwise", "retina", "step", "data"];

/// How a bench is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything runs once, to see that it works: `cargo bench -- --test`.
    Test,
    /// A table of some rows.
    Some,
    /// A table of all rows: `RAM_BENCH=full`.
    Full,
}

impl Mode {
    /// The mode in which the command line asks for a group; `None` if it only names other groups.
    pub fn of(group: &str) -> Option<Mode> {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let mut named = arguments.iter().filter(|argument| GROUPS.iter().any(|group| argument.starts_with(group)));
        let others = named.clone().next().is_some() && !named.any(|argument| argument.starts_with(group));
        if others || has("--list") {
            return None;
        }
        // `cargo bench` passes --bench; `cargo test --benches` does not.
        Some(match std::env::var("RAM_BENCH") {
            _ if has("--test") || !has("--bench") => Mode::Test,
            Ok(all) if all == "full" => Mode::Full,
            _ => Mode::Some,
        })
    }

    /// The time for which a row is measured.
    fn row_time(self) -> Duration {
        if self == Mode::Test { Duration::ZERO } else { ROW_TIME }
    }
}

/// Runs a criterion group of this name as the command line asks.
pub fn criterion(name: &str, bench: impl FnOnce(&mut BenchmarkGroup<WallTime>)) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).sample_size(50);
    bench(&mut group);
    group.finish();
    criterion.final_summary();
}

/// A contender: its name, and the function that is timed.
pub type Contender<'a> = (&'a str, &'a mut dyn FnMut());

/// A table of our rates beside those of the best peers.
pub struct Table {
    mode: Mode,
    unit: &'static str,
    /// The peak before the measurements; `None` if the unit does not count floating-point operations.
    peak: Option<f64>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    threads: usize,
    ours: f64,
    peer: Option<(String, f64)>,
}

fn known_peak() -> f64 {
    peak().unwrap_or_else(|error| panic!("{error}"))
}

impl Table {
    /// A table of rates in `unit`. For GFLOP/s the peak of the processor is measured too.
    ///
    /// # Panics
    /// If [`peak`] does not know the kernel path.
    pub fn new(mode: Mode, unit: &'static str) -> Table {
        Table { mode, unit, peak: unit.contains("FLOP").then(known_peak), rows: Vec::new() }
    }

    /// Measures a row on the current rayon pool. `work` is the work of one call, in 10⁹ FLOP if the rate is in GFLOP/s.
    /// The first contender is ours.
    pub fn row(&mut self, name: impl Into<String>, work: f64, contenders: &mut [Contender]) {
        let mut calls: Vec<&mut dyn FnMut()> = contenders.iter_mut().map(|(_, call)| &mut **call as _).collect();
        let rates: Vec<f64> = race(&mut calls, self.mode.row_time()).iter().map(|seconds| work / seconds).collect();
        let best = (1..rates.len()).max_by(|&i, &j| rates[i].total_cmp(&rates[j]));
        self.rows.push(Row {
            name: name.into(),
            threads: rayon::current_num_threads(),
            ours: rates[0],
            peer: best.map(|i| (contenders[i].0.to_owned(), rates[i])),
        });
    }

    /// Prints the table, and the geometric mean and the worst of its ratios. In [`Mode::Test`], which measures nothing,
    /// it only prints the number of rows.
    pub fn print(self) {
        if self.mode == Mode::Test {
            return println!("{} rows ran once", self.rows.len());
        }
        let peak = self.peak.map(|before| Peak { before, after: known_peak() });
        println!("\n{}, {} kernels", cpu(), ram::kernel_path());
        if let Some(peak) = peak {
            println!("FMA peak of a thread: {:.1} GFLOP/s before, {:.1} after", peak.before, peak.after);
            if peak.moved() {
                println!("The peak moved by over 10 %: the machine was busy or throttled, and the shares mean little.");
            }
        }
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let share_head = if peak.is_some() { "  of the peak" } else { "" };
        println!("\n{:width$}  threads  {:>10}  {:<28}  ratio{share_head}", "", self.unit, "best peer");
        for Row { name, threads, ours, peer } in &self.rows {
            let (peer, ratio) = match peer {
                Some((name, rate)) => (format!("{rate:.2} {name}"), format!("{:.2}", ours / rate)),
                None => Default::default(),
            };
            let share = peak
                .map_or(String::new(), |peak| format!("  {:>9.1} %", 100.0 * ours / (peak.mean() * *threads as f64)));
            println!("{name:width$}  {threads:>7}  {ours:>10.2}  {peer:<28}  {ratio:>5}{share}");
        }
        let mut threads: Vec<_> = self.rows.iter().map(|row| row.threads).collect();
        threads.dedup();
        for threads in threads {
            let rows = self.rows.iter().filter(|row| row.threads == threads);
            let ratios: Vec<_> = rows.filter_map(|row| Some((row.ours / row.peer.as_ref()?.1, &row.name))).collect();
            let Some((worst, name)) = ratios.iter().min_by(|(a, _), (b, _)| a.total_cmp(b)) else { continue };
            let logarithms: f64 = ratios.iter().map(|&(ratio, _)| autograd::math::ln(ratio)).sum();
            let mean = autograd::math::exp(logarithms / ratios.len() as f64);
            println!("\nthreads {threads}: geometric mean of the ratios {mean:.2}, worst {worst:.2} ({name})");
        }
    }
}
