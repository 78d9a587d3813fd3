//! `ram search`: random search of hyperparameters, on this machine or with any scheduler that numbers its tasks.

mod report;
mod run;
mod study;

use std::path::PathBuf;

use ram::error::RamError;
use ram::search::study::{Study, TEMPLATE};

use super::output::{Ended, program, quoted, say};

/// Subcommands of `ram search`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a study with comments, as a start for your own.
    Init(Init),
    /// Run one trial, or run all trials on this machine.
    Run(run::Args),
    /// Print the configuration of a trial.
    Show(Show),
    /// Show the best configuration and how much each key mattered, and draw a picture.
    Report(report::Args),
}

/// Options of `ram search init`.
#[derive(clap::Args)]
pub struct Init {
    /// The file to write.
    #[arg(default_value = "search.toml")]
    file: PathBuf,

    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// Options of `ram search show`.
#[derive(clap::Args)]
pub struct Show {
    /// The study's file.
    study: PathBuf,

    /// The trial's number, from 1.
    #[arg(long, value_name = "N")]
    trial: u32,

    /// Print only the keys that are drawn, as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand.
pub fn run(command: &Command) -> anyhow::Result<Ended> {
    match command {
        Command::Init(args) => init(args),
        Command::Run(args) => run::run(args),
        Command::Show(args) => show(args),
        Command::Report(args) => report::run(args),
    }
}

fn init(args: &Init) -> anyhow::Result<Ended> {
    if args.file.exists() && !args.force {
        let text = format!("{} exists already; name another file, or replace it with --force", args.file.display());
        return Err(RamError::Config(text).into());
    }
    study::write(&args.file, TEMPLATE.as_bytes())?;
    let file = quoted(&args.file);
    say(&format!(
        "wrote the study {}; change it as you need, then run it with\n  {} search run {file}",
        file,
        program()
    ))?;
    Ok(Ended::Done)
}

fn show(args: &Show) -> anyhow::Result<Ended> {
    let study = Study::read(&args.study)?;
    let trial = study::numbered(args.trial, &study, "--trial")?;
    if args.json {
        study.config(trial)?;
        say(&serde_json::to_string(&study.values(trial))?)?;
    } else {
        say(study.config(trial)?.to_toml().trim_end())?;
    }
    Ok(Ended::Done)
}
