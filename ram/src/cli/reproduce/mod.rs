//! `ram reproduce`: trains the missing runs of a table, tests each once, and compares our figures with the paper's.

mod args;
mod jobs;
mod keep;
mod report;
mod status;

use std::path::Path;

use ram::error::RamError;
use ram::runs::atomic;
use ram::runs::run_folder::make_folder_of_runs;
use ram::tables::keep::same_configuration;
use ram::tables::page::{Form, page};
use ram::tables::plan::{Plan, Planned};
use ram::tables::record::{RESULT, Record};
use ram::tables::rows::rows;

pub use self::args::Args;
use self::jobs::{Jobs, Worked};
use super::interrupt;
use super::output::{Ended, command_line, complain, program, quoted, say};

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
    make_folder_of_runs(&folder)?;
    let jobs = Jobs::new(args.jobs, &folder, &args.machine, stop);
    let Worked { tested, locked, waiting, failed, interrupted } = jobs.work(&runs)?;
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
    for planned in waiting {
        let earlier = planned.begins_with.as_deref().map_or("", |earlier| &earlier.name);
        complain(&format!(
            "{} has not begun, since {earlier}, with whose weights it begins, has no result",
            planned.name
        ));
    }
    if failed.is_empty() { Ok(Ended::Done) } else { Err(failure(&failed, runs.len())) }
}

fn write(path: &Path, text: &str) -> Result<(), RamError> {
    atomic::write(path, text.as_bytes()).map_err(|error| RamError::unwritable(path, &error))
}

/// The error of some runs, which the others survived.
fn failure(failed: &[(&Planned, RamError)], all: usize) -> anyhow::Error {
    let lines: Vec<_> = failed.iter().map(|(planned, error)| format!("\n{}: {error}", planned.name)).collect();
    anyhow::anyhow!("{} of {all} runs failed:{}", failed.len(), lines.concat())
}

fn arguments() -> String {
    command_line().iter().skip(1).map(|argument| quoted(Path::new(argument))).collect::<Vec<_>>().join(" ")
}
