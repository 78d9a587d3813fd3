//! `ram bench`

use std::hint::black_box;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use ram::bench::{FUNCTIONS, MatrixProduct, Peak, Product, STEPS, TrainingStep, arguments, cpu, peak, race};
use serde_json::{Value, json};

use super::options::Threads;
use super::output::{Ended, complain, say};

/// Options of `ram bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum What {
    /// The three matrix products of one layer Y = X·W, with X of M × K and W of K × N.
    Gemm(Gemm),
    /// exp, ln, tanh and sigmoid, on one thread.
    Functions(Functions),
}

#[derive(clap::Args)]
struct Functions {
    /// The number of arguments; 32768 arguments and their results fit into an L2 cache of 256 KiB.
    #[arg(long, default_value = "32768", value_parser = clap::value_parser!(u32).range(1..=1 << 26))]
    elements: u32,

    /// The duration of the measurement, in seconds.
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    seconds: Duration,

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

    #[command(flatten)]
    options: Options,
}

/// The edge of a matrix; a matrix has at most 256 MiB.
fn edge() -> clap::builder::RangedI64ValueParser<u16> {
    clap::value_parser!(u16).range(1..=8192)
}

#[derive(clap::Args)]
struct Options {
    /// The duration of the measurement, in seconds.
    #[arg(long, value_name = "S", default_value = "20", value_parser = seconds)]
    seconds: Duration,

    #[command(flatten)]
    threads: Threads,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected seconds, from 0.01 to 3600".to_owned()),
    }
}

/// Measures training steps, or the products of one layer, and prints a table.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let options = match &args.what {
        Some(What::Functions(args)) => return functions(args),
        Some(What::Gemm(gemm)) => &gemm.options,
        None => &args.options,
    };
    let threads = options.threads.resolved();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")?;
    if !options.json {
        complain(&format!(
            "measuring for {} seconds; other programs that run at the same time change the result",
            options.seconds.as_secs_f64()
        ));
    }
    let report = pool.install(|| match &args.what {
        Some(What::Gemm(gemm)) => products(gemm, options.seconds, threads),
        Some(What::Functions(_)) => unreachable!("done above"),
        None => training(options.seconds, threads),
    })?;
    say(&if options.json { report.json().to_string() } else { report.table() })?;
    Ok(Ended::Done)
}

/// The measurements, and the machine.
struct Report {
    cpu: String,
    kernels: &'static str,
    threads: usize,
    peak: Peak,
    /// The head of the first column, which says what the rows are.
    what: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    batch: usize,
    /// The rate of a training step; `None` for a matrix product.
    images_per_second: Option<f64>,
    gflops: f64,
}

impl Report {
    fn share(&self, row: &Row) -> f64 {
        row.gflops / (self.peak.mean() * self.threads as f64)
    }

    fn table(&self) -> String {
        let Report { cpu, kernels, threads, peak, what, rows } = self;
        let mut text = format!(
            "{cpu}, {kernels} kernels, {threads} {}\nFMA peak of a thread: {:.1} GFLOP/s before, {:.1} after\n",
            if *threads == 1 { "thread" } else { "threads" },
            peak.before,
            peak.after
        );
        if peak.moved() {
            text += "The peak moved by over 10 %; the machine was busy or throttled, so the shares mean little.\n";
        }
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(what.len());
        let images = rows.iter().any(|row| row.images_per_second.is_some());
        let images = |text: &str| if images { format!("{text:>10}") } else { String::new() };
        text += &format!("\n{what:width$}  batch{}  GFLOP/s  of the peak", images("images/s"));
        for row in rows {
            let rate = row.images_per_second.map_or(String::new(), |rate| format!("{rate:.0}"));
            let Row { name, batch, gflops, .. } = row;
            let share = 100.0 * self.share(row);
            text += &format!("\n{name:width$}  {batch:>5}{}  {gflops:>7.1}  {share:>9.1} %", images(&rate));
        }
        text
    }

    fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut value = json!({
                "name": row.name, "batch": row.batch, "gflops": row.gflops, "share_of_peak": self.share(row),
            });
            if let Some(rate) = row.images_per_second {
                value["images_per_second"] = rate.into();
            }
            value
        };
        json!({
            "cpu": self.cpu, "kernels": self.kernels, "threads": self.threads,
            "peak_gflops": { "before": self.peak.before, "after": self.peak.after, "moved": self.peak.moved() },
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// Measures the contenders between two probes of the peak. `row` makes the row of a contender from its index and its seconds.
fn report(
    what: &'static str,
    threads: usize,
    budget: Duration,
    contenders: &mut [&mut dyn FnMut()],
    row: impl Fn(usize, f64) -> Row,
) -> anyhow::Result<Report> {
    let before = peak().map_err(anyhow::Error::msg)?;
    let seconds = race(contenders, budget);
    let peak = Peak { before, after: peak().map_err(anyhow::Error::msg)? };
    let rows = seconds.iter().enumerate().map(|(i, &seconds)| row(i, seconds)).collect();
    Ok(Report { cpu: cpu(), kernels: ram::kernel_path(), threads, peak, what, rows })
}

fn training(budget: Duration, threads: usize) -> anyhow::Result<Report> {
    let mut steps = STEPS.iter().map(TrainingStep::new).collect::<Result<Vec<_>, _>>()?;
    let mut steps: Vec<_> = steps.iter_mut().map(|step| || step.run()).collect();
    let mut contenders: Vec<&mut dyn FnMut()> = steps.iter_mut().map(|step| step as &mut dyn FnMut()).collect();
    report("training step", threads, budget, &mut contenders, |i, seconds| {
        let rate = STEPS[i].batch as f64 / seconds;
        Row {
            name: STEPS[i].name.to_owned(),
            batch: STEPS[i].batch,
            images_per_second: Some(rate),
            gflops: rate * STEPS[i].flops / 1e9,
        }
    })
}

fn products(gemm: &Gemm, budget: Duration, threads: usize) -> anyhow::Result<Report> {
    let [m, k, n] = [gemm.m, gemm.k, gemm.n].map(usize::from);
    let mut products = Product::ALL.map(|product| MatrixProduct::new(product, [m, k, n]));
    let flops = products[0].flops();
    let mut products = products.each_mut().map(|product| || product.run());
    let mut contenders = products.each_mut().map(|product| product as &mut dyn FnMut());
    report("product", threads, budget, &mut contenders, |i, seconds| Row {
        name: format!("{} of {k}x{n}", Product::ALL[i].name()),
        batch: m,
        images_per_second: None,
        gflops: flops / seconds / 1e9,
    })
}

/// Measures each function and prints its speed in 10⁹ elements per second.
fn functions(args: &Functions) -> anyhow::Result<Ended> {
    let x = arguments(args.elements as usize);
    let mut calls = FUNCTIONS.map(|(_, function)| {
        let (x, mut y) = (&x, vec![0.0; x.len()]);
        move || function(black_box(x), black_box(&mut y))
    });
    let seconds = race(&mut calls.each_mut().map(|call| call as &mut dyn FnMut()), args.seconds);
    let rates = FUNCTIONS.iter().zip(seconds).map(|((name, _), seconds)| (*name, x.len() as f64 / seconds / 1e9));
    let text = if args.json {
        let rows: Vec<_> = rates.map(|(name, rate)| json!({ "name": name, "gigaelements_per_second": rate })).collect();
        json!({ "cpu": cpu(), "kernels": ram::kernel_path(), "elements": x.len(), "rows": rows }).to_string()
    } else {
        let head = format!("{}, {} kernels, {} numbers\n\nfunction  Gelem/s", cpu(), ram::kernel_path(), x.len());
        rates.fold(head, |text, (name, rate)| text + &format!("\n{name:8}  {rate:7.2}"))
    };
    say(&text)?;
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_in_range() {
        assert_eq!(seconds("0.2"), Ok(Duration::from_millis(200)));
        for wrong in ["", "x", "-1", "0", "1e9", "nan", "inf"] {
            assert!(seconds(wrong).unwrap_err().contains("from 0.01 to 3600"), "{wrong}");
        }
    }

    fn sample(after: f64) -> Report {
        let row = |name: &str, images_per_second| Row { name: name.into(), batch: 20, images_per_second, gflops: 50.0 };
        Report {
            cpu: "A CPU".into(),
            kernels: "scalar",
            threads: 2,
            peak: Peak { before: 100.0, after },
            what: "training step",
            rows: vec![row("28x28", Some(1234.4)), row("a longer name, 60x60", Some(99_999.6))],
        }
    }

    #[test]
    fn the_table_says_what_ran_where() {
        assert_eq!(
            sample(100.0).table(),
            "A CPU, scalar kernels, 2 threads\n\
             FMA peak of a thread: 100.0 GFLOP/s before, 100.0 after\n\
             \n\
             training step         batch  images/s  GFLOP/s  of the peak\n\
             28x28                    20      1234     50.0       25.0 %\n\
             a longer name, 60x60     20    100000     50.0       25.0 %"
        );
        assert!(sample(80.0).table().contains("moved by over 10 %"));
    }

    #[test]
    fn products_have_no_images() {
        let mut report = sample(100.0);
        report.rows.iter_mut().for_each(|row| row.images_per_second = None);
        assert!(!report.table().contains("images"));
        assert!(report.json()["rows"][0].get("images_per_second").is_none());
    }

    #[test]
    fn json_has_every_row_and_the_probe() {
        let json = sample(80.0).json();
        assert_eq!(json["peak_gflops"], json!({ "before": 100.0, "after": 80.0, "moved": true }));
        assert_eq!(json["rows"].as_array().unwrap().len(), 2);
        assert_eq!(json["rows"][1]["name"], "a longer name, 60x60");
    }
}
