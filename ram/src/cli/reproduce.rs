//! `ram reproduce`: trains the missing rows of a table, tests each once, and compares our figures with the paper's.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::builder::PossibleValue;
use ram::config::Config;
use ram::error::RamError;
use ram::evaluate::evaluator::evaluate;
use ram::experiments::{Experiment, TABLES, flops, parameters};
use ram::model::{Decisions, Locations};
use ram::runs::atomic;
use ram::runs::resume::Resumed;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::tasks::{self, Scripted};
use ram::train::trainer::{Outcome, Trainer};
use serde::{Deserialize, Serialize};

use super::interrupt;
use super::options::Machine;
use super::output::{Ended, command_line, complain, percent, program, say};
use super::progress::Console;

/// Options of `ram reproduce`.
#[derive(clap::Args)]
pub struct Args {
    /// The table.
    #[arg(value_parser = targets())]
    target: String,

    /// Train each row with the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,

    /// Make a smoke run with built-in digits and a small budget.
    #[arg(long)]
    quick: bool,

    /// The folder of the runs [default: runs/reproduce, or runs/quick with --quick]
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,

    /// Change a key of every row, such as train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    #[command(flatten)]
    machine: Machine,
}

/// The target that means all tables.
const ALL: &str = "all";

/// The possible targets: the name of each table, and [`ALL`].
fn targets() -> Vec<PossibleValue> {
    let tables = TABLES.iter().map(|table| PossibleValue::new(table.name).help(table.about));
    tables.chain([PossibleValue::new(ALL).help("All tables")]).collect()
}

/// The number of first locations over which the other protocol averages.
const PASSES: usize = 10;

/// `test.json` in a run's folder: the result of its only evaluation on the test set.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tested {
    seed: u64,
    locations: String,
    /// The share of wrong answers in a single pass.
    error: f64,
    /// The same with the probabilities averaged over several first locations; `None` for games and networks without locations.
    error_of_passes: Option<f64>,
    count: usize,
    validation_error: f64,
    /// The mean training loss of the class in the first epoch; for games, minus the mean reward.
    first_loss: f64,
    /// The same in the last epoch.
    last_loss: f64,
    epochs: usize,
    weights: String,
}

/// A row of the page.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    table: String,
    row: String,
    paper: Option<f64>,
    later: Option<f64>,
    parameters: usize,
    flops: f64,
    command: String,
    runs: Vec<Tested>,
    /// The same network with locations that are not learned: random, centre, blind.
    controls: Vec<Tested>,
    /// Players of a game without a network.
    #[serde(skip)]
    scripted: Option<Scripted>,
}

/// Trains, tests and writes the page.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let folder =
        args.runs.clone().unwrap_or_else(|| PathBuf::from(if args.quick { "runs/quick" } else { "runs/reproduce" }));
    let stop = interrupt::install()?;
    let mut rows = Vec::new();
    for table in TABLES.iter().filter(|table| [ALL, table.name].contains(&args.target.as_str())) {
        let experiments: Vec<_> = Experiment::all().into_iter().filter(|e| e.table == table.id).collect();
        let last_agent = experiments.iter().rposition(Experiment::chooses_locations);
        for (i, experiment) in experiments.into_iter().enumerate() {
            let full = experiment.config(&[])?;
            let config = experiment.config(&sets(args, &experiment, full.data.source.game().is_some()))?;
            let mut row = Row {
                command: format!("ram train --experiment {}", experiment.name),
                parameters: parameters(&config),
                flops: flops(&config),
                name: experiment.name,
                table: experiment.table,
                row: experiment.row,
                paper: experiment.paper,
                later: experiment.later,
                runs: Vec::new(),
                controls: Vec::new(),
                scripted: tasks::named(&full)?.scripted(&full),
            };
            // A table has controls once, for its largest agent.
            let controlled = Some(i) == last_agent && table.has_controls;
            let policies = if controlled { &Locations::WITHOUT_ORACLE[..] } else { &Locations::WITHOUT_ORACLE[..1] };
            for &locations in policies {
                for seed in 1..=u64::from(args.seeds) {
                    let mut config = Config { seed, ..config.clone() };
                    config.policy.locations = locations;
                    let Some(tested) = tested_run(args, &folder, row.name, &config, stop)? else {
                        complain(&format!(
                            "interrupted; continue with\n  {} {}",
                            program(),
                            arguments(&command_line())
                        ));
                        return Ok(Ended::Interrupted);
                    };
                    match locations {
                        Locations::Learned => row.runs.push(tested),
                        _ => row.controls.push(tested),
                    }
                }
            }
            rows.push(row);
        }
    }
    let name = &args.target;
    let (json, page) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.md")));
    let text = self::page(&rows, args);
    for (path, bytes) in [(&json, serde_json::to_string_pretty(&rows)? + "\n"), (&page, text.clone())] {
        atomic::write(path, bytes.as_bytes()).map_err(|error| unwritable(path, &error))?;
    }
    say(&format!("{text}\n{}\n{}", page.display(), json.display()))?;
    Ok(Ended::Done)
}

/// The settings that change a row's own configuration.
fn sets(args: &Args, experiment: &Experiment, plays: bool) -> Vec<String> {
    let quick: &[&str] = match (args.quick, experiment.name) {
        (false, _) => &[],
        _ if plays => &["data.train=2048", "data.validation=200", "data.test=500", "train.epochs=2", "train.batch=64"],
        // This is long enough for the learned policy to be better than its controls.
        (true, "translated-60-ram-8") => {
            &["data.train=10000", "data.validation=500", "data.test=2000", "train.epochs=10", "train.batch=32"]
        }
        // Their eight samples an image would take most of the time.
        (true, name) if name.starts_with("cluttered-100-ram") => {
            &["data.train=2000", "data.validation=400", "data.test=400", "train.epochs=3", "train.samples=2"]
        }
        (true, _) => &["data.train=1200", "data.validation=400", "data.test=400", "train.epochs=3", "train.batch=32"],
    };
    let digits = (args.quick && !plays).then_some("data.source=digits");
    digits.iter().chain(quick).map(|&set| set.to_owned()).chain(args.set.iter().cloned()).collect()
}

/// The result of one run. A run without a result is trained to its end and tested. Returns `None` if it was interrupted.
fn tested_run(
    args: &Args,
    folder: &Path,
    name: &str,
    config: &Config,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Tested>> {
    let locations = config.policy.locations;
    let control = if locations == Locations::Learned { String::new() } else { format!("-{}", locations.name()) };
    let name = format!("{name}{control}-seed{}", config.seed);
    let path = folder.join(&name);
    let result = path.join("test.json");
    if let Ok(text) = std::fs::read_to_string(&result) {
        same_configuration(&path, config)?;
        return serde_json::from_str(&text).map(Some).map_err(|error| {
            RamError::run(&result, format!("this file is damaged: {error}; remove it to test the run again")).into()
        });
    }

    let (data_dir, threads) = (args.machine.data_dir.as_deref(), args.machine.threads.count());
    let has_checkpoint = ["last.safetensors", "previous.safetensors"].iter().any(|file| path.join(file).exists());
    let (mut run, mut trainer) = if has_checkpoint {
        same_configuration(&path, config)?;
        let Resumed { run, checkpoint, config, notice } = RunFolder::resume(&path)?;
        notice.iter().for_each(|notice| complain(&format!("warning: {notice}")));
        (run, Trainer::resume(config, checkpoint, data_dir, threads)?)
    } else {
        let trainer = Trainer::new(config.clone(), data_dir, threads)?;
        let info = RunInfo::new("reproduce", command_line(), config);
        let run = RunFolder::create(folder, Name::Given(&name), config, &info, Existing::ReplaceMadeBy("reproduce"))?;
        (run, trainer)
    };
    let mut console = Console::new(&name, config.train.epochs, false);
    let outcome = trainer.train(Some(&mut run), stop, &mut console);
    console.finish();
    let Outcome::Finished { best_error, .. } = outcome? else { return Ok(None) };
    // Its images and tapes need not stay in memory during the test.
    drop(trainer);

    let checkpoint = RunFolder::read(&path, Which::Best)?;
    let test = |passes| evaluate(&checkpoint, SplitName::Test, passes, data_dir, threads);
    let evaluation = test(1)?;
    let plays = tasks::named(config)?.decisions() == Decisions::Each;
    let chooses = !evaluation.fixation_spread.is_empty() && !plays;
    let metrics = RunFolder::metrics(&path)?;
    let loss = |losses: &ram::losses::Losses| if plays { -losses.reward } else { losses.classification };
    let tested = Tested {
        seed: config.seed,
        locations: locations.name().to_owned(),
        error: evaluation.error,
        error_of_passes: if chooses { Some(test(PASSES)?.error) } else { None },
        count: evaluation.count,
        validation_error: best_error,
        first_loss: metrics.first().map_or(0.0, |line| loss(&line.train)),
        last_loss: metrics.last().map_or(0.0, |line| loss(&line.train)),
        epochs: metrics.len(),
        weights: checkpoint.weights_hash(),
    };
    let text = serde_json::to_string_pretty(&tested)? + "\n";
    atomic::write(&result, text.as_bytes()).map_err(|error| unwritable(&result, &error))?;
    Ok(Some(tested))
}

/// Checks that a run that exists has the requested configuration.
fn same_configuration(path: &Path, config: &Config) -> Result<(), RamError> {
    let differences = RunFolder::config(path)?.differences(config);
    if differences.is_empty() {
        return Ok(());
    }
    Err(RamError::run(
        path,
        format!("this run has other settings ({}); choose another --runs, or remove it", differences.join("; ")),
    ))
}

fn unwritable(path: &Path, error: &std::io::Error) -> RamError {
    RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then run it again"))
}

fn arguments(command: &[String]) -> String {
    command.iter().skip(1).cloned().collect::<Vec<_>>().join(" ")
}

/// The mean in per cent, with the standard deviation if there are several runs: `1.23 ± 0.05`.
fn mean(errors: &[f64]) -> String {
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let variance = errors.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    match errors.len() {
        0 => "–".to_owned(),
        1 => format!("{:.2}", 100.0 * mean),
        _ => format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * variance.sqrt()),
    }
}

/// The page in Markdown.
fn page(rows: &[Row], args: &Args) -> String {
    let mut text = String::from("# Recurrent Models of Visual Attention: our figures beside the paper's\n\n");
    let seeds = args.seeds;
    _ = writeln!(
        text,
        "Test error in per cent (for games, the share of lost games), {seeds} seed{}, ± the standard deviation over seeds. The \
         checkpoint is chosen by its validation error. The test set is used once, in one pass: the first location is drawn as in \
         training, the others are at the policy's mean. \"{PASSES} passes\" is another protocol, in which the probabilities are \
         averaged over {PASSES} first locations. \"Later\" is what other authors quote from the paper's published version. Random, \
         centre and blind are the same network, trained in the same way, with locations that are random, at the centre, or \
         learned but the same for every input.{}\n",
        if seeds == 1 { "" } else { "s" },
        if args.quick {
            "\n\n**A smoke run: built-in digits and a small budget. These figures mean nothing.**"
        } else {
            ""
        }
    );
    let mut table = "";
    for row in rows {
        if table != row.table {
            let title = TABLES.iter().find(|table| table.id == row.table).map_or("", |table| table.title);
            _ = writeln!(
                text,
                "\n## {title}\n\n| | ours | {PASSES} passes | paper | later | random | centre | blind | parameters | \
                 MFLOP | command |\n|---|---|---|---|---|---|---|---|---|---|---|"
            );
            table = &row.table;
        }
        let errors = |runs: &[Tested], of: &str| -> Vec<f64> {
            runs.iter().filter(|run| run.locations == of).map(|run| run.error).collect()
        };
        let passes: Vec<f64> = row.runs.iter().filter_map(|run| run.error_of_passes).collect();
        let number = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.2}"));
        _ = writeln!(
            text,
            "| {} | **{}** | {} | {} | {} | {} | {} | {} | {} | {:.2} | `{}` |",
            row.row,
            mean(&errors(&row.runs, "learned")),
            mean(&passes),
            number(row.paper),
            number(row.later),
            mean(&errors(&row.controls, "random")),
            mean(&errors(&row.controls, "centre")),
            mean(&errors(&row.controls, "blind")),
            row.parameters,
            row.flops / 1e6,
            row.command,
        );
        if let Some(Scripted { random, oracle }) = row.scripted {
            let players = [("random actions", Some(random)), ("an oracle that sees the whole screen", oracle)];
            for (player, error) in players.into_iter().filter_map(|(player, error)| Some((player, error?))) {
                _ = writeln!(text, "| {player} | {} | | | | | | | | | |", percent(error));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_has_a_deviation_from_two_runs_on() {
        assert_eq!(mean(&[]), "–");
        assert_eq!(mean(&[0.0123]), "1.23");
        assert_eq!(mean(&[0.01, 0.03]), "2.00 ± 1.41");
    }

    #[test]
    fn every_experiment_belongs_to_a_table() {
        for experiment in Experiment::all() {
            assert!(TABLES.iter().any(|table| table.id == experiment.table), "{}", experiment.name);
        }
    }
}
