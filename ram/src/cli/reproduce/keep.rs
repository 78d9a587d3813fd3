//! `ram reproduce --keep` and `--adopt`.

use std::path::Path;

use ram::error::RamError;
use ram::runs::run_info::read_info;
use ram::tables::keep::{self, Keeping};
use ram::tables::plan::{Plan, Planned};
use ram::tables::record::Tested;

use super::args::Args;
use super::jobs::{Jobs, Ran};
use crate::cli::chosen::find;
use crate::cli::interrupt;
use crate::cli::output::{Ended, complain, percent, say};
use crate::cli::progress::Console;

/// Keeps every tested run of the plan in the folder `runs`, and writes the summary of all records.
pub fn keep_all(plan: &Plan, runs: &Path, records: &Path) -> anyhow::Result<Ended> {
    let mut failed: Vec<(Planned, RamError)> = Vec::new();
    let (mut untested, mut others) = (Vec::new(), Vec::new());
    for name in names(runs)? {
        let path = runs.join(&name);
        let Some(planned) = plan.with_name(&name)? else {
            if read_info(&path).is_ok() {
                others.push(name);
            }
            continue;
        };
        let kept = match Tested::read(&path) {
            Ok(Some(tested)) => keep::keep(&path, &planned, tested, records),
            Ok(None) => {
                untested.push(name);
                continue;
            }
            Err(error) => Err(error),
        };
        match kept {
            Ok(Keeping::New) => say(&format!("{name} is kept"))?,
            Ok(Keeping::Completed) => say(&format!("the record of {name} is completed"))?,
            Ok(Keeping::Known) => say(&format!("{name} was kept before"))?,
            Err(error) => failed.push((planned, error)),
        }
    }
    if !untested.is_empty() {
        complain(&format!("left out, since they are not tested yet: {}", untested.join(", ")));
    }
    if !others.is_empty() {
        complain(&format!("left out, since their names are not those of runs of this target: {}", others.join(", ")));
    }
    let (summary, count) = keep::write_summary(records)?;
    say(&format!("{} has the lines of {count} records", summary.display()))?;
    if failed.is_empty() {
        return Ok(Ended::Done);
    }
    let lines: Vec<_> = failed.iter().map(|(planned, error)| format!("\n{}: {error}", planned.name)).collect();
    Err(anyhow::anyhow!("{} of the runs cannot be kept:{}", failed.len(), lines.concat()))
}

/// The names of the folders in a folder; none where there is no such folder.
fn names(runs: &Path) -> Result<Vec<String>, RamError> {
    if !runs.exists() {
        complain(&format!("there are no runs in {}; only the summary is written", runs.display()));
        return Ok(Vec::new());
    }
    let unlisted = |error| RamError::run(runs, format!("cannot be listed: {error}; choose another --runs"));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(runs).map_err(unlisted)? {
        let entry = entry.map_err(unlisted)?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Takes over the runs that `--adopt` names, and tests each.
pub fn adopt_all(args: &Args, plan: &Plan) -> anyhow::Result<Ended> {
    let stop = interrupt::install()?;
    let folder = args.folder();
    let jobs = Jobs::new(1, &folder, &args.machine, stop);
    for from in &args.adopt {
        let from = &find(from, Path::new("runs"));
        let planned = keep::adopt(plan, from, &folder)?;
        say(&format!("{} is now {}", from.display(), folder.join(&planned.name).display()))?;
        let mut console = Console::new(&planned.name, planned.config.train.epochs, false);
        let ran = jobs.make(&planned, &mut console);
        console.finish();
        match ran? {
            Ran::Tested(tested) => say(&format!("{}: test error {}", planned.name, percent(tested.error)))?,
            // What is adopted is complete, and waits for no other run.
            Ran::Interrupted | Ran::Waits => return Ok(Ended::Interrupted),
            Ran::Locked => return Err(RamError::Locked { path: folder.join(&planned.name) }.into()),
        }
    }
    Ok(Ended::Done)
}
