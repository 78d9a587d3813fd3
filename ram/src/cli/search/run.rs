//! `ram search run`: one trial, or all of them on this machine.

use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ram::error::RamError;
use ram::losses::Losses;
use ram::runs::metrics::EpochMetrics;
use ram::search::folder::StudyFolder;
use ram::search::halving::Halving;
use ram::search::report::StudyReport;
use ram::search::result::{State, TrialResult};
use ram::search::space::value_text;
use ram::search::study::Study;
use ram::search::trial::{TrialMachine, TrialOutcome};
use ram::train::trainer::Progress;
use serde_json::json;

use super::report::fate;
use super::study::{StudyArgs, numbered};
use crate::cli::interrupt;
use crate::cli::options::{Machine, cores};
use crate::cli::output::{Ended, command_line, complain, percent, program, quoted, say};
use crate::cli::progress::Console;

/// The environment variables in which a scheduler gives the number of a task; the first that is set counts.
const VARIABLES: [&str; 4] = ["RAM_TRIAL", "SLURM_ARRAY_TASK_ID", "HQ_TASK_ID", "PARALLEL_SEQ"];

/// Options of `ram search run`.
#[derive(clap::Args)]
#[command(after_help = "\
With --trial one trial is run; without it, the first of the environment variables RAM_TRIAL, SLURM_ARRAY_TASK_ID, HQ_TASK_ID \
and PARALLEL_SEQ that is set gives its number. Trials are numbered from 1. A trial that is done returns at once, an unfinished one \
is resumed, and the last line on standard output is the result as JSON. With halving, a trial waits at the end of a rung for the \
others: run all of them again until none is waiting.

Without these, or with --trials or --jobs, all trials are run on this machine. Several processes may do this at the same time; a \
trial that another process is running is skipped.")]
pub struct Args {
    #[command(flatten)]
    study: StudyArgs,

    /// Run only this trial.
    #[arg(long, value_name = "N", conflicts_with_all = ["trials", "jobs"])]
    trial: Option<u32>,

    /// Run trials 1 to N on this machine [default: the number in the study]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    trials: Option<u32>,

    /// Run N trials at the same time on this machine [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,

    /// Give up trials early: after each rung, only the best one in ETA trials continues, up to ETA times as many epochs.
    #[arg(long, value_name = "ETA", value_parser = clap::value_parser!(u32).range(2..=1000))]
    halving: Option<u32>,

    #[command(flatten)]
    machine: Machine,

    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// The number of a trial that a scheduler gave, and the environment variable that holds it.
fn from_environment(get: impl Fn(&str) -> Option<OsString>) -> Result<Option<(u32, &'static str)>, RamError> {
    let Some((name, value)) = VARIABLES.iter().find_map(|name| Some((*name, get(name)?))) else { return Ok(None) };
    match value.to_str().and_then(|text| text.trim().parse().ok()) {
        Some(trial) => Ok(Some((trial, name))),
        None => Err(RamError::Config(format!(
            "the environment variable {name} is {value:?}, but must be the number of a trial, 1 or more; unset it to run all \
             trials on this machine, or give --trial"
        ))),
    }
}

/// Runs the trials.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    // This comes first, so that no signal is missed.
    let stop = interrupt::install()?;
    let mut study = Study::read(&args.study.file)?;
    if let Some(eta) = args.halving {
        study.halving = Some(Halving { eta, first: study.halving.and_then(|halving| halving.first) });
    }
    if let Some(trials) = args.trials {
        study.trials = trials;
    }
    study.check()?;
    let folder = StudyFolder::open(study, &args.study.folder())?;
    let here = args.trials.is_some() || args.jobs.is_some();
    let trial = match args.trial {
        Some(trial) => Some((trial, "--trial")),
        None if here => None,
        None => from_environment(|name| std::env::var_os(name))?,
    };
    match trial {
        Some((trial, origin)) => single(args, &folder, numbered(trial, &folder.study, origin)?, stop),
        None => all(args, &folder, stop),
    }
}

/// Runs one trial as far as it can go.
fn single(args: &Args, folder: &StudyFolder, trial: u32, stop: &AtomicBool) -> anyhow::Result<Ended> {
    let command = command_line();
    let machine = TrialMachine {
        data_dir: args.machine.data_dir.as_deref(),
        threads: args.machine.threads.count(),
        command: &command,
    };
    let rungs = folder.study.rungs().len();
    let mut label = format!("trial {trial}");
    if args.json {
        label.clear();
    }
    // Values that fit no configuration are a result of the trial, see `StudyFolder::run`.
    let epochs = folder.study.config(trial).unwrap_or_else(|_| folder.study.base.clone()).train.epochs;
    for rung in 1..=rungs {
        let mut console = Console::new(&label, epochs, args.json);
        let ended = folder.run(trial, rung, machine, stop, &mut console);
        console.finish();
        match ended? {
            TrialOutcome::Locked => {
                say(&json!({ "event": "trial", "trial": trial, "state": "locked" }).to_string())?;
                let message = "another process is running this trial, so this one leaves it alone";
                return Err(RamError::run(&folder.trial_path(trial), message).into());
            }
            TrialOutcome::Interrupted { epoch, step } => {
                say(&interrupted(trial, epoch, step))?;
                return Ok(Ended::Interrupted);
            }
            TrialOutcome::Result(result) => {
                let decision = if result.state == State::Paused { folder.decision(rung)? } else { None };
                match decision {
                    Some(decision) if decision.promoted.contains(&trial) => {}
                    decision => {
                        say(&line(&result, if decision.is_some() { "given-up" } else { "waiting" }))?;
                        return Ok(Ended::Done);
                    }
                }
            }
        }
    }
    Ok(Ended::Done)
}

fn interrupted(trial: u32, epoch: usize, step: usize) -> String {
    json!({ "event": "interrupted", "trial": trial, "epoch": epoch, "step": step }).to_string()
}

/// A result as a line of JSON; the state of a paused trial is called `paused`.
fn line(result: &TrialResult, paused: &str) -> String {
    let mut object = serde_json::to_value(result).expect("numbers and names");
    object["event"] = json!("trial");
    if result.state == State::Paused {
        object["state"] = json!(paused);
    }
    object.to_string()
}

/// Shows no progress: while several trials run, only their results are printed.
struct Quiet;

impl Progress for Quiet {
    fn step(&mut self, _: usize, _: usize, _: usize, _: usize, _: usize, _: &Losses) {}
    fn epoch(&mut self, _: &EpochMetrics, _: f64, _: f64) {}
}

/// Runs all trials, `--jobs` of them at the same time.
fn all(args: &Args, folder: &StudyFolder, stop: &AtomicBool) -> anyhow::Result<Ended> {
    let rungs = folder.study.rungs();
    let mut skipped = Vec::new();
    for rung in 1..=rungs.len() {
        let Some(mut left) = folder.entrants(rung)? else { break };
        if rungs.len() > 1 && !args.json {
            say(&format!("rung {rung} of {}: {} trials up to epoch {}", rungs.len(), left.len(), rungs[rung - 1]))?;
        }
        let mut announced = false;
        loop {
            let count = left.len();
            left = pass(args, folder, rung, left, stop)?;
            if stop.load(Ordering::Relaxed) {
                complain(&format!("resume with\n  {} {}", program(), arguments()));
                return Ok(Ended::Interrupted);
            }
            // Only halving needs the trials of other processes, since the next rung depends on all of them.
            if left.is_empty() || rungs.len() == 1 {
                break;
            }
            if !announced || left.len() < count {
                complain(&format!("waiting for {}, which another process is running", numbers(&left)));
                announced = true;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        skipped.extend(left);
        if rung < rungs.len() {
            let promoted = folder.decision(rung)?.map_or_else(Vec::new, |decision| decision.promoted);
            if args.json {
                say(&json!({ "event": "rung", "rung": rung, "epochs": rungs[rung - 1], "promoted": promoted })
                    .to_string())?;
            }
        }
    }
    if !skipped.is_empty() {
        complain(&format!("skipped {}, which another process is running", numbers(&skipped)));
    }
    let report = StudyReport::of(folder)?;
    if args.json {
        say(&json!({
            "event": "study", "study": folder.path().display().to_string(), "trials": report.trials, "done": report.done,
            "diverged": report.diverged, "failed": report.failed, "paused": report.paused, "skipped": skipped, "best": report.best(),
        })
        .to_string())?;
    } else if let Some(best) = report.best() {
        let mut command = format!("{} search report {}", program(), quoted(&args.study.file));
        if args.study.runs != Path::new("runs") {
            command += &format!(" --runs {}", quoted(&args.study.runs));
        }
        say(&format!(
            "best: trial {}, validation error {}; more with\n  {command}",
            best.trial,
            percent(best.error.unwrap_or(1.0))
        ))?;
    }
    Ok(Ended::Done)
}

/// Runs trials to the end of a rung; returns those that another process is running.
fn pass(
    args: &Args,
    folder: &StudyFolder,
    rung: usize,
    trials: Vec<u32>,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<u32>> {
    let jobs = usize::from(args.jobs.unwrap_or(1)).min(trials.len()).max(1);
    let threads = args.machine.threads.count().unwrap_or_else(|| (cores() / jobs).max(1));
    let command = command_line();
    let machine =
        TrialMachine { data_dir: args.machine.data_dir.as_deref(), threads: Some(threads), command: &command };
    let queue = Mutex::new(trials.into_iter());
    let next = || {
        if stop.load(Ordering::Relaxed) { None } else { queue.lock().unwrap_or_else(PoisonError::into_inner).next() }
    };
    let work = || -> anyhow::Result<Vec<u32>> {
        let mut locked = Vec::new();
        while let Some(trial) = next() {
            match folder.run(trial, rung, machine, stop, &mut Quiet)? {
                TrialOutcome::Locked => locked.push(trial),
                TrialOutcome::Interrupted { epoch, step } if args.json => say(&interrupted(trial, epoch, step))?,
                TrialOutcome::Interrupted { epoch, step } => {
                    say(&format!("trial {trial:>4}  interrupted in epoch {epoch} after step {step}; saved"))?;
                }
                TrialOutcome::Result(result) if args.json => say(&line(&result, "waiting"))?,
                TrialOutcome::Result(result) => say(&result_line(&result))?,
            }
        }
        Ok(locked)
    };
    // An error of one trial would be an error of the others too: they save their state, and all stop.
    let guarded = || {
        let result = work();
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        result
    };
    let results: Vec<anyhow::Result<Vec<u32>>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(guarded)).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker.join().unwrap_or_else(|_| Err(RamError::Training("a trial's thread failed".to_owned()).into()))
            })
            .collect()
    });
    let mut locked = results.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    locked.sort_unstable();
    Ok(locked)
}

/// `trial    7    1.52 % after epoch 9 of 10  optimiser.learning_rate=0.0013 …`
fn result_line(result: &TrialResult) -> String {
    let values: Vec<_> = result.values.iter().map(|(key, value)| format!("{key}={}", value_text(value))).collect();
    let error = match (result.error, result.best_epoch) {
        (Some(error), Some(epoch)) => format!("{:>9} after epoch {epoch} of {}", percent(error), result.epochs),
        _ => format!(" {}", fate(result)),
    };
    format!("trial {:>4}  {error}  {}", result.trial, values.join(" "))
}

fn numbers(trials: &[u32]) -> String {
    let list: Vec<_> = trials.iter().map(u32::to_string).collect();
    format!("trial{} {}", if trials.len() == 1 { "" } else { "s" }, list.join(", "))
}

fn arguments() -> String {
    command_line().iter().skip(1).map(|argument| quoted(Path::new(argument))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Result<Option<(u32, &'static str)>, RamError> {
        let map: BTreeMap<String, OsString> = pairs.iter().map(|(k, v)| (k.to_string(), OsString::from(v))).collect();
        from_environment(|name| map.get(name).cloned())
    }

    #[test]
    fn the_first_variable_that_is_set_gives_the_trial() {
        assert_eq!(environment(&[]).unwrap(), None);
        assert_eq!(environment(&[("PARALLEL_SEQ", "4")]).unwrap(), Some((4, "PARALLEL_SEQ")));
        let all = [("PARALLEL_SEQ", "4"), ("HQ_TASK_ID", "3"), ("SLURM_ARRAY_TASK_ID", "2"), ("RAM_TRIAL", "1")];
        for count in 1..=4 {
            let (name, value) = all[count - 1];
            assert_eq!(environment(&all[..count]).unwrap(), Some((value.parse().unwrap(), VARIABLES[4 - count])));
            assert_eq!(VARIABLES[4 - count], name);
        }
    }

    #[test]
    fn a_malformed_variable_is_named() {
        for value in ["x", "", "-1", "1.5", "99999999999"] {
            let text = environment(&[("SLURM_ARRAY_TASK_ID", value), ("HQ_TASK_ID", "3")]).unwrap_err().to_string();
            assert!(text.contains("SLURM_ARRAY_TASK_ID is \"") && text.contains("number of a trial"), "{text}");
        }
    }
}
