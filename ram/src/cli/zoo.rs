//! `ram zoo`: lists the pretrained models, and makes one from a run.

use std::path::{Path, PathBuf};

use ram::error::RamError;
use ram::experiments::Experiment;
use ram::runs::run_folder::{RunFolder, Which, check_name};
use ram::runs::run_info::data_dir;
use ram::zoo::file::kibibytes;
use ram::zoo::make::{self, LARGEST, Made};
use ram::zoo::{Pretrained, Zoo};
use serde_json::json;

use super::chosen::find;
use super::options::Machine;
use super::output::{Ended, complain, percent, say};
use super::table::{Column, Table};
use super::terminal::{width, wrapped};

/// Options of `ram zoo`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    list: List,
}

/// Options of the list.
#[derive(clap::Args)]
struct List {
    /// The folder of the pretrained models [default: $RAM_ZOO, else ram/zoo above the program, here, or in the sources]
    #[arg(long, value_name = "DIR")]
    zoo: Option<PathBuf>,

    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Subcommands of `ram zoo`.
#[derive(clap::Subcommand)]
enum Command {
    /// Make a pretrained model from the best checkpoint of a finished run.
    Add(Add),
}

/// Options of `ram zoo add`.
#[derive(clap::Args)]
struct Add {
    /// The run: its folder, or its name in --runs. If it has a test.json, the test error is taken from there; otherwise the test set
    /// is used once.
    run: PathBuf,

    /// The model's name [default: the experiment with the run's configuration]
    #[arg(long)]
    name: Option<String>,

    /// The folder of the pretrained models, which is made if it does not exist [default: $RAM_ZOO, else ram/zoo above the program, here, or in the sources]
    #[arg(long, value_name = "DIR")]
    zoo: Option<PathBuf>,

    /// Replace the model of this name if there is one.
    #[arg(long)]
    force: bool,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    #[command(flatten)]
    machine: Machine,
}

/// Lists the models, or makes one.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    match &args.command {
        Some(Command::Add(add)) => self::add(add),
        None => list(&args.list),
    }
}

/// Prints a line for each model. A model that cannot be read is told, and is an error after the others.
fn list(args: &List) -> anyhow::Result<Ended> {
    let zoo = Zoo::find(args.zoo.as_deref())?;
    let names = zoo.names()?;
    let numbers = ["test error", "of", "size", "numbers"].map(|head| (head, Column::Right));
    let mut table = Table::new([&[("name", Column::Left), ("row", Column::Long)][..], &numbers].concat());
    let mut failed: Option<RamError> = None;
    let mut readable = 0;
    for name in &names {
        let model = match zoo.read(name) {
            Ok(model) => model,
            Err(error) => {
                // The last error is returned, and the caller prints it.
                if let Some(earlier) = failed.replace(error) {
                    complain(&format!("error: {earlier}"));
                }
                continue;
            }
        };
        readable += 1;
        let row = row(name);
        let Pretrained { facts, number, size, .. } = &model;
        if args.json {
            let object = json!({
                "name": name, "row": row, "test_error": facts.test_error, "test_count": facts.test_count,
                "validation_error": facts.validation_error, "seed": facts.seed, "epoch": facts.epoch, "size": size,
                "numbers": number.name(), "weights": model.checkpoint.weights_hash(), "run_weights": facts.run_weights,
            });
            say(&object.to_string())?;
        } else {
            table.row(vec![
                name.clone(),
                row.unwrap_or_else(|| "no row of the paper".to_owned()),
                percent(facts.test_error),
                facts.test_count.to_string(),
                model.size().to_string(),
                number.name().to_owned(),
            ]);
        }
    }
    if !args.json {
        if readable > 0 {
            say(&table.text(width()))?;
        }
        let word = if readable == 1 { "model" } else { "models" };
        if names.is_empty() {
            say(&format!("\nThere is no model in {}; `ram zoo add RUN` makes one.", zoo.path().display()))?;
            return Ok(Ended::Done);
        }
        let note = format!(
            "\n{readable} {word} in {}. Use one with --pretrained NAME in `ram eval`, `look`, `report`, `predict`, `play` and `train`.",
            zoo.path().display()
        );
        if readable > 0 {
            say(&wrapped(&note, width(), 0))?;
        }
    }
    failed.map_or(Ok(Ended::Done), |error| Err(error.into()))
}

/// `1a: RAM, 6 glimpses, 8×8, 1 scale`, for the name of an experiment.
fn row(name: &str) -> Option<String> {
    let experiment = Experiment::all().into_iter().find(|experiment| experiment.name == name)?;
    Some(format!("{}: {}", experiment.table, experiment.row))
}

/// Makes a model from a run and writes it.
fn add(args: &Add) -> anyhow::Result<Ended> {
    let path = find(&args.run, &args.runs);
    let checkpoint = RunFolder::read(&path, Which::Best)?;
    let config = checkpoint.config()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => make::experiment_of(&config).map(str::to_owned).ok_or_else(|| {
            let message = format!("{}: no experiment has the configuration of this run; give --name", path.display());
            RamError::Config(message)
        })?,
    };
    check_name(&name)?;
    let differences = make::differences(&name, &config)?;
    if !differences.is_empty() {
        complain(&format!(
            "warning: the training differs from that of the experiment {name} (its value, the run's): {}",
            differences.join("; ")
        ));
    }
    let zoo = place(args.zoo.as_deref())?;
    // This comes before the evaluation, so that no time is lost.
    zoo.check_free(&name, args.force)?;
    let known = make::tested(&path, &checkpoint.weights_hash())?;
    let (data_dir, threads) = (data_dir(&path, args.machine.data_dir.as_deref()), args.machine.threads.count());
    let made = make::make(&checkpoint, &name, known, data_dir.as_deref(), threads)?;
    let Made { facts, number, reason, bytes } = made;
    let file = zoo.write(&name, &bytes, args.force)?;
    say(&format!(
        "{name}: stored as {}: {reason}.\n\
         validation error {}, test error {} of {}{}\n\
         wrote {}, {} of at most {}",
        number.name(),
        percent(facts.validation_error),
        percent(facts.test_error),
        facts.test_count,
        if known.is_some_and(|known| known.error == facts.test_error) { ", as in test.json" } else { ", measured now" },
        file.display(),
        kibibytes(bytes.len()),
        kibibytes(LARGEST)
    ))?;
    Ok(Ended::Done)
}

/// The folder to write to: the named one even if it does not exist yet.
fn place(given: Option<&Path>) -> Result<Zoo, RamError> {
    given.map_or_else(|| Zoo::find(None), |path| Ok(Zoo::at(path)))
}
