//! Trains a small agent on built-in digits, about half a minute, and shows where it looks:
//! `cargo run --release --example where_it_looks`.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use ram::RamError;
use ram::config::{Base, Config};
use ram::evaluate::trace::{Trace, Tracer};
use ram::evaluate::trained::Trained;
use ram::losses::Losses;
use ram::runs::metrics::EpochMetrics;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::train::trainer::{Progress, Trainer};

/// Prints a line after each epoch.
struct Lines;

impl Progress for Lines {
    fn step(&mut self, _: usize, _: usize, _: usize, _: usize, _: usize, _: &Losses) {}
    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, _: f64) {
        println!("epoch {}: validation error {:.1} %, {seconds:.0} s", metrics.epoch, 100.0 * metrics.validation.error);
    }
}

/// Trains with the preset `demo` and these changes in the folder `example` of `runs`. Returns the weights with the lowest
/// validation error.
pub fn train(runs: &Path, changes: &[&str]) -> Result<Trained, RamError> {
    let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
    let config = Config::load(Base::Preset("demo"), &changes)?;
    let info = RunInfo::new("where_it_looks", Vec::new(), &config);
    let mut run = RunFolder::create(runs, Name::Given("example"), &config, &info, Existing::Replace)?;
    Trainer::new(config, None, None)?.train(Some(&mut run), &AtomicBool::new(false), &mut Lines)?;
    Trained::of(&RunFolder::read(run.path(), Which::Best)?)
}

/// The image, two rows of pixels to a line, and on it the numbers of the glimpses.
pub fn draw(trace: &Trace) -> String {
    let (width, lines) = (trace.width, trace.height / 2);
    let brightness = |line: usize, column: usize| {
        let pixel = |row: usize| trace.picture(0)[row * width + column];
        [' ', '·', '▒', '█'][usize::from(pixel(2 * line).max(pixel(2 * line + 1)) / 64)]
    };
    let mut text: Vec<Vec<char>> = (0..lines).map(|line| (0..width).map(|x| brightness(line, x)).collect()).collect();
    for (glimpse, number) in trace.glimpses.iter().zip('1'..) {
        // −1 and 1 are the outer edges.
        let at = |l: f64, len: usize| (((l + 1.0) / 2.0 * len as f64) as usize).min(len - 1);
        text[at(glimpse.location[1], lines)][at(glimpse.location[0], width)] = number;
    }
    text.into_iter().flat_map(|line| line.into_iter().chain(['\n'])).collect()
}

/// Trains, tests, and draws a few test images.
pub fn main() -> Result<(), RamError> {
    let trained = train(Path::new("runs"), &["train.epochs=12"])?;
    let tracer = Tracer::new(&trained)?;
    let examples = tracer.examples(SplitName::Test, None)?;
    println!("test error {:.2} %", 100.0 * tracer.evaluate(&examples).error);
    for trace in tracer.trace(&examples, 0..3) {
        println!("{}it says {}, and it is {:?}\n", draw(&trace), trace.answer(), trace.label.unwrap_or_default());
    }
    Ok(())
}
