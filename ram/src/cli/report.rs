//! `ram report`

use std::path::PathBuf;

use ram::report::{self, Alone, Options};

use super::chosen::{Chosen, Origin, Places, Which};
use super::eval;
use super::options::Machine;
use super::output::{Ended, say};

/// Options of `ram report`.
#[derive(clap::Args)]
pub struct Args {
    /// The run: its folder, or its name in --runs. It may also be a checkpoint file.
    #[arg(required_unless_present = "pretrained", conflicts_with = "pretrained")]
    run: Option<PathBuf>,

    /// The part of the data; the test part is used only if you name it.
    #[arg(long, value_enum, default_value_t = eval::Split::Validation)]
    split: eval::Split,

    /// The checkpoint: the best one by validation, or the newest [default: best]
    #[arg(long, value_enum, conflicts_with = "pretrained")]
    which: Option<Which>,

    /// The file of the report [default: report.html in the run's folder; of weights without a run, NAME.html here]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The largest number of images or games in the player; the wrong ones come first.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=200))]
    count: u16,

    /// Show the image or game with this number in the split before the others; may be given several times.
    #[arg(long, value_name = "NUMBER")]
    image: Vec<usize>,

    #[command(flatten)]
    places: Places,

    #[command(flatten)]
    machine: Machine,
}

/// Evaluates the run and writes the page.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let chosen = Chosen::open(args.run.as_deref(), &args.places, args.which)?;
    let data_dir = chosen.data_dir(args.machine.data_dir.as_deref());
    let options = Options {
        task: None,
        split: args.split.named().0,
        which: args.which.unwrap_or(Which::Best).named().0,
        count: usize::from(args.count),
        chosen: args.image.clone(),
        data_dir: data_dir.as_deref(),
        threads: args.machine.threads.count(),
    };
    let out = match &chosen.origin {
        Origin::Run(path, _) => chosen.of_its_data(report::write(path, args.out.as_deref(), &options))?,
        origin => {
            let out = args.out.clone().unwrap_or_else(|| format!("{}.html", chosen.name()).into());
            let test = if let Origin::Pretrained(facts, _) = origin { Some(facts.test_error) } else { None };
            let (name, origin) = (chosen.name(), chosen.told());
            let alone = Alone { checkpoint: &chosen.checkpoint, name: &name, origin: &origin, test };
            report::save(&report::gather_alone(&alone, &options)?, &out)?;
            out
        }
    };
    say(&format!("{}", out.display()))?;
    Ok(Ended::Done)
}
