//! `ram compare`: the training curves of several runs in one picture.

use std::path::{Path, PathBuf};

use ram::error::RamError;
use ram::figures::palette::BLACK;
use ram::figures::plot::{Curve, Plot, STYLES, legend};
use ram::figures::scene::{Align, Rect, Type};
use ram::figures::text::{Weight, font};
use ram::figures::{Format, Scene};
use ram::runs::atomic;
use ram::runs::metrics::{EpochMetrics, best};
use ram::runs::run_folder::RunFolder;
use ram::tables::record::is_complete;
use serde_json::json;

use super::chosen::find;
use super::output::{Ended, percent, say};
use super::terminal::{width, wrapped};

/// Options of `ram compare`.
#[derive(clap::Args)]
pub struct Args {
    /// The runs, 2 to 12 of them: their folders, or their names in --runs.
    #[arg(num_args = 2.., required = true)]
    run: Vec<PathBuf>,

    /// The file of the picture; its extension chooses the format.
    #[arg(long, value_name = "FILE.png|FILE.svg", default_value = "compare.svg")]
    out: PathBuf,

    /// Draw logarithmic axes where all numbers are above 0.
    #[arg(long)]
    log: bool,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A panel of the picture: its title, and the number of an epoch that it shows.
type Panel = (&'static str, fn(&EpochMetrics) -> Option<f64>);

const PANELS: [Panel; 9] = [
    ("validation error, %", |line| Some(100.0 * line.validation.error)),
    ("training error, %", |line| Some(100.0 * line.train.error)),
    ("loss of the class, training", |line| Some(line.train.classification)),
    ("reward", |line| Some(line.train.reward)),
    // It is 0 if no location is chosen, because then no baseline is learned.
    ("baseline's squared error", |line| Some(line.train.baseline).filter(|&error| error != 0.0)),
    ("norm of the gradient", |line| Some(line.train.grad_norm)),
    ("spread of the fixations after the first", |line| {
        let later = line.fixation_spread.get(1..).filter(|later| !later.is_empty())?;
        Some(later.iter().sum::<f64>() / later.len() as f64)
    }),
    ("glimpses on the digit or the target, %", |line| line.on_digit.map(|share| 100.0 * share)),
    ("learning rate", |line| Some(line.learning_rate)),
];

/// Reads the metrics of the runs, draws them, and prints a line for each run.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let format = Format::of(&args.out)?;
    if args.run.len() > STYLES {
        let found = args.run.len();
        return Err(RamError::Config(format!(
            "{found} runs are too many: more than {STYLES} curves cannot be told apart"
        ))
        .into());
    }
    let mut runs = Vec::new();
    for run in &args.run {
        let path = find(run, &args.runs);
        let config = RunFolder::config(&path)?;
        let lines = RunFolder::curves(&path)?;
        if lines.is_empty() {
            return Err(RamError::run(&path, "the run has no curves yet, because it has not completed an epoch").into());
        }
        runs.push((name(run, &args.run), path, lines, config));
    }
    let names: Vec<String> = runs.iter().map(|(name, ..)| name.clone()).collect();
    let lines: Vec<&[EpochMetrics]> = runs.iter().map(|(_, _, lines, _)| lines.as_slice()).collect();
    let picture = format.write(&draw(&names, &lines, args.log));
    atomic::write(&args.out, &picture).map_err(|source| RamError::Io {
        action: "write",
        path: args.out.clone(),
        source,
    })?;

    let best = |lines: &[EpochMetrics]| {
        let best = best(lines).expect("a line");
        (best.validation.error, best.epoch, lines.len())
    };
    if args.json {
        let rows = runs.iter().map(|(_, path, lines, config)| {
            let (error, epoch, epochs) = best(lines);
            let path = path.display().to_string();
            let planned = config.train.epochs;
            json!({
                "run": path, "best_error": error, "best_epoch": epoch, "epochs": epochs, "planned_epochs": planned,
                "trained_on_validation": config.data.train_on_validation,
            })
        });
        let rows: Vec<_> = rows.collect();
        say(&json!({ "picture": args.out.display().to_string(), "runs": rows }).to_string())?;
        return Ok(Ended::Done);
    }
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, _, lines, config) in &runs {
        let (error, epoch, epochs) = best(lines);
        let error = percent(error);
        // With patience, a run may be complete before its last planned epoch.
        let so_far = if is_complete(config, lines) { String::new() } else { format!("; {epochs} are done") };
        let planned = config.train.epochs;
        // Where the validation images were trained on too, nothing is the best.
        let which =
            if config.data.train_on_validation { "last error, on images trained on," } else { "best validation error" };
        let line = format!("{name:<widest$}  {which} {error:>8} after epoch {epoch} of {planned}{so_far}");
        say(&wrapped(&line, width(), 4))?;
    }
    say(&format!("wrote {}", args.out.display()))?;
    Ok(Ended::Done)
}

/// The last part of a run's path, or the whole path where another run has the same last part.
fn name(run: &Path, all: &[PathBuf]) -> String {
    let alike = all.iter().filter(|other| other.file_name() == run.file_name()).count();
    match run.file_name() {
        Some(last) if alike == 1 => last.to_string_lossy().into_owned(),
        _ => run.display().to_string(),
    }
}

/// Draws the panels in which at least one run has numbers, three in a row.
fn draw(names: &[String], runs: &[&[EpochMetrics]], log: bool) -> Scene {
    const WIDTH: f64 = 300.0;
    const HEIGHT: f64 = 210.0;
    const MARGIN: f64 = 16.0;
    let panels: Vec<_> = PANELS
        .iter()
        .map(|(title, number)| {
            let curves = runs.iter().enumerate().map(|(style, lines)| {
                let point = |line: &EpochMetrics| [line.epoch as f64, number(line).unwrap_or(f64::NAN)];
                Curve { style, points: lines.iter().map(point).collect() }
            });
            (title, curves.collect::<Vec<_>>())
        })
        .filter(|(_, curves)| curves.iter().flat_map(|curve| &curve.points).any(|[_, y]| y.is_finite()))
        .collect();
    let columns = panels.len().clamp(1, 3);
    let width = columns as f64 * WIDTH + (columns + 1) as f64 * MARGIN;
    let title = format!("Training curves of {}", names.join(", "));
    let mut scene = Scene::new(width, 0.0, &title);
    let lowest = |lines: &[EpochMetrics]| match lines.last() {
        Some(last) if last.validation.trained_on => format!("{} on images trained on", percent(last.validation.error)),
        _ => {
            let errors = lines.iter().map(|line| line.validation.error);
            format!("lowest {}", percent(errors.fold(f64::INFINITY, f64::min)))
        }
    };
    let errors: Vec<_> = names.iter().zip(runs).map(|(name, lines)| format!("{name}, {}", lowest(lines))).collect();
    let head = Type { size: 11.0, weight: Weight::Bold, colour: BLACK };
    let inside = width - 2.0 * MARGIN;
    let mut below = MARGIN - 10.0;
    for line in font(head.weight).wrapped(&title, head.size, inside) {
        below += 16.0;
        scene.text([MARGIN, below], Align::Left, &font(head.weight).squeezed(&line, head.size, inside), head);
    }
    let top = below + 10.0 + legend(&mut scene, [MARGIN, below + 2.0], inside, &errors);
    for (i, (title, curves)) in panels.iter().enumerate() {
        let [column, row] = [(i % columns) as f64, (i / columns) as f64];
        let rect = Rect::new(MARGIN + column * (WIDTH + MARGIN), top + row * (HEIGHT + MARGIN), WIDTH, HEIGHT);
        // Every panel that is drawn has a number.
        if let Some(plot) = Plot::around(Plot::frame_in(rect), curves, log) {
            plot.draw_titled(&mut scene, rect, title, "epoch");
            curves.iter().for_each(|curve| plot.curve(&mut scene, curve));
        }
    }
    scene.height = top + panels.len().div_ceil(columns) as f64 * (HEIGHT + MARGIN);
    scene
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_where_they_can_be() {
        let runs = ["runs/a", "runs/b", "old/b"].map(PathBuf::from);
        assert_eq!([0, 1, 2].map(|i| name(&runs[i], &runs)), ["a", "runs/b", "old/b"]);
    }
}
