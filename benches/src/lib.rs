//! What the benches have in common. The benches themselves are in `benches/benches/`, one file for each group:
//!
//! | group | what it times | compared with |
//! |---|---|---|
//! | `gemm` | the matrix products of the model's layers, on one thread and on two | `gemm`, `faer`, `matrixmultiply` |
//! | `elementwise` | exp, ln, tanh, sigmoid, Rect, on one thread | plain loops over the standard library |
//! | `retina` | ρ(x, l) on images from 28×28 to 16384×16384 | the same on 28×28, and a convolution |
//! | `step` | a whole training step, on all threads | `benches/compare/pytorch.py` |
//! | `data` | drawing the canvases to train on, on one thread | the training step that uses them |
//!
//! `cargo bench` runs all groups and `cargo bench -- gemm` runs one; with `RAM_BENCH=full` they measure every shape.
//! Each group prints a table. We and our peers take turns ([`ram::bench::race`]), and a probe of the machine's speed
//! ([`fn@ram::bench::probe`]) runs before and after each row. Criterion keeps the history of a few rows.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::time::Duration;

use ram::bench::{Probes, cpu, median, quiet, race};

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

/// A contender: its name, and the function that is timed.
pub type Contender<'a> = (&'a str, &'a mut dyn FnMut());

/// A table of our rates beside those of the best peers.
pub struct Table {
    mode: Mode,
    unit: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    threads: usize,
    /// The probes before and after the row; in [`Mode::Test`], where nothing is measured, there are none.
    probes: Option<Probes>,
    ours: f64,
    peer: Option<(String, f64)>,
}

impl Table {
    /// A table of rates in `unit`. For GFLOP/s it also shows the share of the processor's peak.
    pub fn new(mode: Mode, unit: &'static str) -> Table {
        Table { mode, unit, rows: Vec::new() }
    }

    /// Measures a row on the current rayon pool, between two probes on all threads of it. `work` is the work of one call, in
    /// 10⁹ FLOP if the rate is in GFLOP/s. The first contender is ours.
    pub fn row(&mut self, name: impl Into<String>, work: f64, contenders: &mut [Contender]) {
        let mut calls: Vec<&mut dyn FnMut()> = contenders.iter_mut().map(|(_, call)| &mut **call as _).collect();
        let time = self.mode.row_time();
        let (seconds, probes) = match self.mode {
            Mode::Test => (race(&mut calls, time), None),
            _ => {
                let (seconds, probes) = Probes::around(|| race(&mut calls, time));
                (seconds, Some(probes))
            }
        };
        let rates: Vec<f64> = seconds.iter().map(|seconds| work / seconds).collect();
        let best = (1..rates.len()).max_by(|&i, &j| rates[i].total_cmp(&rates[j]));
        self.rows.push(Row {
            name: name.into(),
            threads: rayon::current_num_threads(),
            probes,
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
        let flops = self.unit.contains("FLOP");
        let share = |row: &Row| Some(100.0 * row.ours / row.probes.filter(|_| flops)?.peak());
        let probes: Vec<_> = self.rows.iter().filter_map(|row| Some((row.threads, row.probes?))).collect();
        let quiet = quiet(&probes);
        println!("\n{}, {} kernels", cpu(), ram::kernel_path());
        if flops {
            let peaks = self.rows.iter().filter_map(|row| Some(row.probes?.peak() / row.threads as f64));
            println!("FMA peak of a thread: {:.1} GFLOP/s, the median of the rows", median(peaks));
        }
        let (count, all) = (quiet.iter().filter(|&&quiet| quiet).count(), self.rows.len());
        println!("{count} of {all} rows were quiet; the others had a probe more than 10 % below the best one");
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let share_head = if flops { "  of the peak" } else { "" };
        println!("\n{:width$}  threads  {:>10}  {:<28}  ratio{share_head}", "", self.unit, "best peer");
        for (row, quiet) in self.rows.iter().zip(quiet) {
            let Row { name, threads, ours, peer, .. } = row;
            let (peer, ratio) = match peer {
                Some((name, rate)) => (format!("{rate:.2} {name}"), format!("{:.2}", ours / rate)),
                None => Default::default(),
            };
            let share = share(row).map_or(String::new(), |share| format!("  {share:>9.1} %"));
            let mark = if quiet { "" } else { "  disturbed" };
            println!("{name:width$}  {threads:>7}  {ours:>10.2}  {peer:<28}  {ratio:>5}{share}{mark}");
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
