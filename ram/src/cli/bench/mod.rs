//! `ram bench`

mod edges;
mod report;
mod worker;

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Mutex;

use anyhow::Context;
use clap::Subcommand;
use ram::bench::{Contender, FUNCTIONS, MatrixProduct, Product, STEPS, StepCase, TrainingStep, arguments};
use ram::error::RamError;
use ram::threads::Threads as Pool;

use self::edges::{Edges, edges};
use self::report::{GFLOP, GIGAELEMENTS, IMAGES, Report, Row, measured};
use self::worker::Workers;
use super::options::{Threads, cores};
use super::output::{Ended, complain, say};

/// Options of `ram bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    steps: Steps,
}

#[derive(Subcommand)]
enum What {
    /// The three matrix products of one layer Y = X·W, with X of M × K and W of K × N.
    Gemm(Gemm),
    /// exp, ln, tanh and sigmoid, on one thread.
    Functions(Functions),
    /// The answer to one image, by the edge of the image, beside a convolution and a fully connected network; on one thread.
    Edges(Edges),
    /// Run training steps and probes as the lines of standard input ask (see benches/compare).
    #[command(hide = true)]
    Worker(worker::Args),
}

/// Training steps: on one thread, on N threads, and in N processes of one thread each, in turns.
#[derive(clap::Args)]
struct Steps {
    /// The number of rounds; in each one, every step is measured on one thread, on N threads and in N processes.
    #[arg(long, value_name = "R", default_value = "9", value_parser = round_count())]
    rounds: u16,

    /// Only the steps whose name contains this text, such as 60x60.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,

    #[command(flatten)]
    threads: Threads,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Gemm {
    /// The number of rows of X: the batch size.
    #[arg(value_parser = edge())]
    m: u16,
    /// The number of columns of X: the inputs of the layer.
    #[arg(value_parser = edge())]
    k: u16,
    /// The number of columns of W: the outputs of the layer.
    #[arg(value_parser = edge())]
    n: u16,

    /// The number of rounds, in each of which every product is measured.
    #[arg(long, value_name = "R", default_value = "25", value_parser = round_count())]
    rounds: u16,

    #[command(flatten)]
    threads: Threads,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Functions {
    /// The number of arguments; 32768 arguments and their results fit into an L2 cache of 256 KiB.
    #[arg(long, default_value = "32768", value_parser = clap::value_parser!(u32).range(1..=1 << 26))]
    elements: u32,

    /// The number of rounds, in each of which every function is measured.
    #[arg(long, value_name = "R", default_value = "9", value_parser = round_count())]
    rounds: u16,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The edge of a matrix; a matrix has at most 256 MiB.
fn edge() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=8192)
}

fn round_count() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=9999)
}

/// Measures what is asked for, and prints a table.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let (json, rounds) = match &args.what {
        Some(What::Worker(args)) => return worker::run(args),
        Some(What::Gemm(args)) => (args.json, args.rounds),
        Some(What::Functions(args)) => (args.json, args.rounds),
        Some(What::Edges(args)) => (args.json, args.rounds),
        None => (args.steps.json, args.steps.rounds),
    };
    if !json {
        let plural = if rounds == 1 { "" } else { "s" };
        complain(&format!(
            "measuring {rounds} round{plural}; other programs that run at the same time change the result"
        ));
    }
    let report = match &args.what {
        Some(What::Gemm(args)) => products(args)?,
        Some(What::Functions(args)) => functions(args)?,
        Some(What::Edges(args)) => edges(args)?,
        _ => training(&args.steps)?,
    };
    say(&if json { report.json().to_string() } else { report.table() })?;
    Ok(Ended::Done)
}

fn training(args: &Steps) -> anyhow::Result<Report> {
    let threads = args.threads.resolved();
    if threads > cores() {
        let text = format!(
            "--threads {threads}: this machine has {} cores; here each thread needs a core of its own",
            cores()
        );
        return Err(RamError::Config(text).into());
    }
    let wanted = |case: &StepCase| args.only.as_ref().is_none_or(|text| case.name.contains(text));
    let indices: Vec<usize> = (0..STEPS.len()).filter(|&index| wanted(&STEPS[index])).collect();
    if indices.is_empty() {
        let mut names = STEPS.map(|case| format!("\n  {}", case.name)).to_vec();
        names.dedup();
        let text = args.only.as_deref().unwrap_or_default();
        return Err(RamError::Config(format!("--only {text}: no step has this in its name:{}", names.concat())).into());
    }

    let (one, all) = (Pool::new(Some(1))?, Pool::new(Some(threads))?);
    let workers = RefCell::new(Workers::start(if threads > 1 { threads } else { 0 }).context("cannot start workers")?);
    // One thread and all threads take turns with the same step.
    let steps = indices.iter().map(|&index| TrainingStep::new(&STEPS[index]).map(Mutex::new));
    let steps = steps.collect::<Result<Vec<_>, _>>()?;
    let (mut contenders, mut rows) = (Vec::new(), Vec::new());
    for (&index, step) in indices.iter().zip(&steps) {
        let run = || step.lock().expect("no step has panicked").run();
        contenders.push(Contender::new(&one, run));
        rows.push(step_row(index, 1, false));
        if threads > 1 {
            contenders.push(Contender::new(&all, run));
            rows.push(Row { beside: Some(rows.len() + 1), ..step_row(index, threads, false) });
            let workers = &workers;
            contenders.push(Contender::elsewhere(&all, move |calls| workers.borrow_mut().run(index, calls)));
            rows.push(step_row(index, threads, true));
        }
    }
    Ok(Report::new("training step", threads, measured(&mut contenders, args.rounds, rows)?))
}

fn step_row(index: usize, threads: usize, processes: bool) -> Row {
    let StepCase { name, batch, flops, .. } = STEPS[index];
    // Each process does a step of its own.
    let images = (batch * if processes { threads } else { 1 }) as f64;
    Row {
        name: name.to_owned(),
        batch: Some(batch),
        threads,
        processes,
        work: vec![(IMAGES, images), (GFLOP, images * flops / 1e9)],
        turns: Vec::new(),
        beside: None,
    }
}

fn products(args: &Gemm) -> anyhow::Result<Report> {
    let (threads, [m, k, n]) = (args.threads.resolved(), [args.m, args.k, args.n].map(usize::from));
    let pool = Pool::new(Some(threads))?;
    let mut products = Product::ALL.map(|product| MatrixProduct::new(product, [m, k, n]));
    let rows = Product::ALL.iter().zip(&products).map(|(product, problem)| Row {
        name: format!("{} of {k}x{n}", product.name()),
        batch: Some(m),
        threads,
        processes: false,
        work: vec![(GFLOP, problem.flops() / 1e9)],
        turns: Vec::new(),
        beside: None,
    });
    let rows = rows.collect();
    let mut contenders = products.each_mut().map(|product| Contender::new(&pool, || product.run()));
    Ok(Report::new("product", threads, measured(&mut contenders, args.rounds, rows)?))
}

fn functions(args: &Functions) -> anyhow::Result<Report> {
    let pool = Pool::new(Some(1))?;
    let x = arguments(args.elements as usize);
    let row = |(name, _): (&str, _)| Row {
        name: name.to_owned(),
        batch: None,
        threads: 1,
        processes: false,
        work: vec![(GIGAELEMENTS, x.len() as f64 / 1e9)],
        turns: Vec::new(),
        beside: None,
    };
    let rows = FUNCTIONS.map(row).into();
    let mut contenders = FUNCTIONS.map(|(_, function)| {
        let (x, mut y) = (&x, vec![0.0; x.len()]);
        Contender::new(&pool, move || function(black_box(x), black_box(&mut y)))
    });
    Ok(Report::new("function", 1, measured(&mut contenders, args.rounds, rows)?))
}
