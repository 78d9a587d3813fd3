//! `ram reproduce`: trains the missing runs of a table, tests each once, and compares our figures with the paper's.

mod jobs;
mod keep;
mod report;
mod status;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use ram::error::RamError;
use ram::experiments::TABLES;
use ram::runs::atomic;
use ram::tables::keep::{same_configuration, unwritable};
use ram::tables::page::{Form, page};
use ram::tables::plan::{ALL, Plan, Planned};
use ram::tables::record::{RESULT, Record};
use ram::tables::rows::rows;

use self::jobs::{Jobs, Worked};
use super::interrupt;
use super::options::Machine;
use super::output::{Ended, command_line, complain, program, quoted, say};

/// Options of `ram reproduce`.
#[derive(clap::Args)]
#[command(after_help = "\
Without --status, --adopt, --keep or --report, the missing runs are trained and tested: of every experiment the first seed, then the
other seeds, and at last the controls. The command can be stopped at any moment and run again. Several processes may do this in one
folder at the same time; a run that another process is training is skipped.")]
pub struct Args {
    /// The table.
    #[arg(value_parser = targets())]
    target: String,

    /// Train each experiment with the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    seeds: u16,

    /// Make a smoke run with built-in digits and a small budget.
    #[arg(long)]
    quick: bool,

    /// The folder of the runs [default: runs/reproduce, or runs/quick with --quick]
    #[arg(long, value_name = "DIR")]
    runs: Option<PathBuf>,

    /// Change a key of every experiment, such as train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Train N runs at the same time; --threads are those of each run [default: the cores shared among the N]
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "mode", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,

    /// Only show how far each run is, and how long the rest will take.
    #[arg(long, group = "mode")]
    status: bool,

    /// With --status: print JSON, one object per line.
    #[arg(long, requires = "status")]
    json: bool,

    /// Only take over a finished run that `ram train` made with the settings of an experiment: copy it into --runs under its name
    /// there, and test it. May be given several times.
    #[arg(long, value_name = "RUN", group = "mode")]
    adopt: Vec<PathBuf>,

    /// Only copy what each tested run proved into this folder of records, and write the summary there.
    #[arg(long, value_name = "DIR", group = "mode")]
    keep: Option<PathBuf>,

    /// Only print the tables from kept records.
    #[arg(long, group = "mode")]
    report: bool,

    /// With --report: the folder of records, as --keep made it [default: the records that the program carries]
    #[arg(long, value_name = "DIR", requires = "report")]
    records: Option<PathBuf>,

    /// With --report: leave out sizes, times and commands.
    #[arg(long, requires = "report")]
    compact: bool,

    /// With --report: write it into this file, between the lines `<!-- tables -->` and `<!-- /tables -->`.
    #[arg(long, value_name = "FILE", requires = "report")]
    into: Option<PathBuf>,

    #[command(flatten)]
    machine: Machine,
}

/// The possible targets: the name of each table, and [`ALL`].
fn targets() -> Vec<PossibleValue> {
    let tables = TABLES.iter().map(|table| PossibleValue::new(table.name).help(table.about));
    tables.chain([PossibleValue::new(ALL).help("All tables")]).collect()
}

impl Args {
    fn folder(&self) -> PathBuf {
        self.runs.clone().unwrap_or_else(|| PathBuf::from(if self.quick { "runs/quick" } else { "runs/reproduce" }))
    }
}

/// Does what the options ask for.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let plan = Plan::new(&args.target, u64::from(args.seeds), args.quick, args.set.clone())?;
    if args.status {
        return status::run(&plan, &args.folder(), args.json);
    }
    if args.report {
        return report::run(args, &plan);
    }
    if let Some(records) = &args.keep {
        return keep::keep_all(&plan, &args.folder(), records);
    }
    if !args.adopt.is_empty() {
        return keep::adopt_all(args, &plan);
    }
    train(args, &plan)
}

/// Trains, tests and writes the page.
fn train(args: &Args, plan: &Plan) -> anyhow::Result<Ended> {
    // This comes first, so that no signal is missed.
    let stop = interrupt::install()?;
    let (folder, runs) = (args.folder(), plan.runs()?);
    // Days of training must not end with an error that could have been told at once.
    for planned in &runs {
        let path = folder.join(&planned.name);
        if [RESULT, "last.safetensors"].iter().any(|name| path.join(name).exists()) {
            same_configuration(&path, planned)?;
        }
    }
    let jobs = Jobs::new(args.jobs, &folder, &args.machine, stop);
    let Worked { tested, locked, failed, interrupted } = jobs.work(&runs)?;
    if interrupted {
        complain(&format!("interrupted; continue with\n  {} {}", program(), arguments()));
        return Ok(Ended::Interrupted);
    }
    let records: Vec<Record> = tested
        .into_iter()
        .map(|(planned, tested)| Record::of_run(&folder.join(&planned.name), planned, tested))
        .collect::<Result<_, _>>()?;
    let rows = rows(plan, records)?;
    let text = page(&rows, &[], Form::Full, args.quick);
    let name = &args.target;
    let (json, page) = (folder.join(format!("{name}.json")), folder.join(format!("{name}.md")));
    write(&json, &(serde_json::to_string_pretty(&rows)? + "\n"))?;
    write(&page, &text)?;
    say(&format!("{text}\n{}\n{}", page.display(), json.display()))?;
    if !locked.is_empty() {
        let runs = if locked.len() == 1 { "a run" } else { "runs" };
        complain(&format!("skipped {runs} that another process is training: {}", locked.join(", ")));
    }
    if failed.is_empty() { Ok(Ended::Done) } else { Err(failure(&failed, runs.len())) }
}

fn write(path: &Path, text: &str) -> Result<(), RamError> {
    atomic::write(path, text.as_bytes()).map_err(|error| unwritable(path, &error))
}

/// The error of some runs, which the others survived.
fn failure(failed: &[(&Planned, RamError)], all: usize) -> anyhow::Error {
    let lines: Vec<_> = failed.iter().map(|(planned, error)| format!("\n{}: {error}", planned.name)).collect();
    anyhow::anyhow!("{} of {all} runs failed:{}", failed.len(), lines.concat())
}

fn arguments() -> String {
    command_line().iter().skip(1).map(|argument| quoted(Path::new(argument))).collect::<Vec<_>>().join(" ")
}
