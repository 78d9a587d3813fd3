//! `ram report`

use std::path::PathBuf;

use ram::report::{self, Options};

use super::eval::{self, find};
use super::options::Machine;
use super::output::{Ended, say};

/// Options of `ram report`.
#[derive(clap::Args)]
pub struct Args {
    /// The run: its folder, or its name in --runs.
    run: PathBuf,

    /// The part of the data; the test part is used only if you name it.
    #[arg(long, value_enum, default_value_t = eval::Split::Validation)]
    split: eval::Split,

    /// The checkpoint: the one with the lowest validation error, or the newest.
    #[arg(long, value_enum, default_value_t = eval::Checkpoint::Best)]
    which: eval::Checkpoint,

    /// The file of the report [default: report.html in the run's folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The largest number of images or games in the player; the wrong ones come first.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
    count: u16,

    /// Show the image or game with this number in the split before the others; may be given several times.
    #[arg(long, value_name = "NUMBER")]
    image: Vec<usize>,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,

    #[command(flatten)]
    machine: Machine,
}

/// Evaluates the run and writes the page.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let options = Options {
        task: None,
        split: args.split.named().0,
        which: args.which.which().0,
        count: usize::from(args.count),
        chosen: args.image.clone(),
        data_dir: args.machine.data_dir.as_deref(),
        threads: args.machine.threads.count(),
    };
    let out = report::write(&find(&args.run, &args.runs), args.out.as_deref(), &options)?;
    say(&format!("{}", out.display()))?;
    Ok(Ended::Done)
}
