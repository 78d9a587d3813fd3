//! The options of `ram reproduce`.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use ram::experiments::TABLES;
use ram::tables::plan::ALL;

use crate::cli::options::Machine;

/// Options of `ram reproduce`.
#[derive(clap::Args)]
#[command(
    after_help = "Without --status, --adopt, --keep or --report, the missing runs are trained and tested: of every experiment the first \
                  seed, then the other seeds, and at last the controls. The command can be stopped at any moment and run again. Several \
                  processes may do this in one folder at the same time; a run that another process is training is skipped, \
                  and so is one that begins with its weights."
)]
pub struct Args {
    /// The table.
    #[arg(value_parser = targets())]
    pub target: String,

    /// Train each experiment with the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub seeds: u16,

    /// Make a smoke run with built-in digits and a small budget.
    #[arg(long)]
    pub quick: bool,

    /// The folder of the runs [default: runs/reproduce, or runs/quick with --quick]
    #[arg(long, value_name = "DIR")]
    pub runs: Option<PathBuf>,

    /// Change a key of every experiment, such as train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Train N runs at the same time; --threads are those of each run [default: the cores shared among the N]
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "mode", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: u16,

    /// Only show how far each run is, and how long the rest will take.
    #[arg(long, group = "mode")]
    pub status: bool,

    /// With --status: print JSON, one object per line.
    #[arg(long, requires = "status")]
    pub json: bool,

    /// Only take over a finished run that `ram train` made with the settings of an experiment: copy it into --runs under its name
    /// there, and test it. May be given several times.
    #[arg(long, value_name = "RUN", group = "mode")]
    pub adopt: Vec<PathBuf>,

    /// Only copy the configuration, the metrics and the test result of each tested run into this folder of records, and write the
    /// summary there.
    #[arg(long, value_name = "DIR", group = "mode")]
    pub keep: Option<PathBuf>,

    /// Only print the tables from kept records.
    #[arg(long, group = "mode")]
    pub report: bool,

    /// With --report: the folder of records, as --keep made it [default: the records that the program carries]
    #[arg(long, value_name = "DIR", requires = "report")]
    pub records: Option<PathBuf>,

    /// With --report: leave out sizes, times and commands.
    #[arg(long, requires = "report")]
    pub compact: bool,

    /// With --report: write it into this file, between the lines `<!-- tables -->` and `<!-- /tables -->`.
    #[arg(long, value_name = "FILE", requires = "report")]
    pub into: Option<PathBuf>,

    /// With --report: also draw the tables, with a bar for each error.
    #[arg(long, value_name = "FILE.png|FILE.svg", requires = "report")]
    pub picture: Option<PathBuf>,

    #[command(flatten)]
    pub machine: Machine,
}

/// The possible targets: the name of each table, and [`ALL`].
fn targets() -> Vec<PossibleValue> {
    let tables = TABLES.iter().map(|table| PossibleValue::new(table.name).help(table.about));
    tables.chain([PossibleValue::new(ALL).help("All tables")]).collect()
}

impl Args {
    /// The folder of the runs.
    pub fn folder(&self) -> PathBuf {
        self.runs.clone().unwrap_or_else(|| PathBuf::from(if self.quick { "runs/quick" } else { "runs/reproduce" }))
    }
}
