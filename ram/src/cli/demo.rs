//! `ram demo`: compares the learned policy with random, centre and blind ones, each trained with the same budget.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use ram::config::{Base, Config};
use ram::error::RamError;
use ram::evaluate::evaluator::evaluate;
use ram::evaluation::Evaluation;
use ram::model::Locations;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::train::trainer::{Outcome, Trainer};
use serde_json::json;

use super::eval::standard_error;
use super::interrupt;
use super::options::Threads;
use super::output::{Ended, command_line, complain, percent, program, quoted, say};
use super::progress::Console;

/// Options of `ram demo`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder of all runs; the four runs of the demo are in DIR/demo.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    /// The seed of every random draw.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Change a key of the demo preset, such as train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    #[command(flatten)]
    threads: Threads,

    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Trains the four policies and prints a table of their test errors.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let sets: Vec<_> = args.set.iter().cloned().chain([format!("seed={}", args.seed)]).collect();
    let config = Config::load(Base::Preset("demo"), &sets)?;
    let folder = args.runs.join("demo");
    if folder.join("run.json").exists() {
        return Err(RamError::run(
            &folder,
            "this is a run, but the demo needs a folder with this name; choose another --runs",
        )
        .into());
    }
    if !args.json {
        say(&format!(
            "Four policies choose where to look, {} glimpses of {} pixels on a {}×{} canvas; {} kernels, {} threads.",
            config.model.glimpses,
            config.model.patch,
            config.data.size,
            config.data.size,
            ram::kernel_path(),
            args.threads.resolved()
        ))?;
    }

    let stop = interrupt::install()?;
    let mut rows = Vec::new();
    for locations in Locations::WITHOUT_ORACLE {
        let mut config = config.clone();
        config.policy.locations = locations;
        match train(args, &folder, &config, stop)? {
            Some(evaluation) => rows.push((locations, evaluation)),
            None => {
                complain(&format!("interrupted; start the demo again with\n  {}", repeated(&command_line())));
                return Ok(Ended::Interrupted);
            }
        }
    }
    if args.json {
        let results: Vec<_> = rows.iter().map(|(locations, result)| row_json(&folder, *locations, result)).collect();
        say(&json!({ "event": "finished", "seed": config.seed, "results": results }).to_string())?;
    } else {
        let longer = 3 * Config::preset("demo")?.train.epochs;
        say(&format!("\n{}\n\n{}", table(&rows), next_commands(&folder, longer)))?;
    }
    Ok(Ended::Done)
}

/// Trains one policy and tests its best checkpoint; returns `None` if it was interrupted.
fn train(args: &Args, folder: &Path, config: &Config, stop: &AtomicBool) -> anyhow::Result<Option<Evaluation>> {
    let (name, threads) = (config.policy.locations.name(), args.threads.count());
    // This comes before the folder is made, so that missing data cannot leave an empty run or replace a run.
    let mut trainer = Trainer::new(config.clone(), None, threads)?;
    let info = RunInfo::new("demo", command_line(), config);
    let mut run = RunFolder::create(folder, Name::Given(name), config, &info, Existing::ReplaceMadeBy("demo"))?;
    let mut console = Console::new(name, config.train.epochs, args.json);
    let outcome = trainer.train(Some(&mut run), stop, &mut console);
    console.finish();
    if let Outcome::Interrupted { .. } = outcome? {
        return Ok(None);
    }
    let checkpoint = RunFolder::read(run.path(), Which::Best)?;
    Ok(Some(evaluate(&checkpoint, SplitName::Test, 1, None, threads)?))
}

fn table(rows: &[(Locations, Evaluation)]) -> String {
    let mut lines =
        vec![format!("{:<10}{:>12}{:>18}{:>14}", "locations", "test error", "standard error", "on the digit")];
    for (locations, result) in rows {
        lines.push(format!(
            "{:<10}{:>12}{:>18}{:>14}",
            locations.name(),
            percent(result.error),
            percent(standard_error(result.error, result.count)),
            result.on_digit.map_or("-".to_owned(), percent)
        ));
    }
    lines.join("\n")
}

fn row_json(folder: &Path, locations: Locations, result: &Evaluation) -> serde_json::Value {
    json!({
        "locations": locations.name(), "run": folder.join(locations.name()).display().to_string(), "error": result.error,
        "standard_error": standard_error(result.error, result.count), "loss": result.loss, "count": result.count,
        "on_digit": result.on_digit, "fixation_spread": result.fixation_spread,
    })
}

/// The command line, quoted for a shell.
fn repeated(command: &[String]) -> String {
    let options = command.iter().skip(1).map(|option| quoted(Path::new(option)));
    std::iter::once(program()).chain(options).collect::<Vec<_>>().join(" ")
}

/// Commands to try next; `longer` is the number of epochs of a longer training.
fn next_commands(folder: &Path, longer: usize) -> String {
    let (program, path) = (program(), quoted(&folder.join("learned")));
    let runs =
        Locations::WITHOUT_ORACLE.map(|locations| folder.join(locations.name()).display().to_string()).join("\n  ");
    format!(
        "The runs, with their configurations, metrics and weights:\n  {runs}\n\
         Next:\n  \
         {program} eval {path} --split validation\n  \
         {program} look {path} --gif look.gif    # where it looks\n  \
         {program} report {path}    # curves, tables, a player: {path}/report.html\n  \
         {program} data show --preset demo --out demo.png\n  \
         {program} train --preset demo --set train.epochs={longer} --name longer\n  \
         {program} train --preset mnist --data-dir DIR    # DIR: the folder of MNIST's four files"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_has_a_line_for_each_policy() {
        let rows = Locations::WITHOUT_ORACLE.map(|locations| {
            let result =
                Evaluation { error: 0.05, loss: 0.2, count: 2000, on_digit: Some(0.5), ..Evaluation::default() };
            (locations, result)
        });
        let text = table(&rows);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        assert!(
            lines[1].starts_with("learned") && lines[1].contains("5.00 %") && lines[1].contains("0.49 %"),
            "{text}"
        );
    }

    #[test]
    fn what_comes_next_names_the_runs() {
        let text = next_commands(Path::new("runs/demo"), 120);
        assert!(text.contains("\n  runs/demo/blind\n") && text.contains("eval runs/demo/learned"), "{text}");
        assert!(text.contains("--set train.epochs=120 "), "{text}");
    }

    #[test]
    fn the_command_line_is_repeated_with_its_options() {
        let command = ["ram", "demo", "--seed", "3", "--runs", "my runs"].map(String::from);
        let text = repeated(&command);
        assert!(text.ends_with(" demo --seed 3 --runs 'my runs'"), "{text}");
    }
}
