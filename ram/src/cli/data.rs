//! `ram data`

use std::path::PathBuf;

use ram::data::TrainingData;
use ram::figures::Format;
use ram::figures::scene::Bitmap;
use ram::figures::sheet::sheet;
use serde_json::json;

use super::look::{data, write};
use super::options::{Configuration, DATA_DIR};
use super::output::{Ended, complain, say};
use super::{fetch, shapes};

/// Subcommands of `ram data`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a contact sheet of the training images, as the model sees them.
    Show(Show),
    /// Fetch MNIST or Fashion-MNIST into the folder where `ram train` looks for it.
    Fetch(fetch::Args),
    /// Make a small data set of pictures in folders: coloured shapes at random places in a scene.
    Shapes(shapes::Args),
}

/// Options of `ram data show`.
#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    configuration: Configuration,

    #[arg(long, value_name = "DIR", help = DATA_DIR)]
    data_dir: Option<PathBuf>,

    /// The number of images.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,

    /// The file of the picture; its extension chooses the format.
    #[arg(long, value_name = "FILE.png|FILE.svg", default_value = "contact-sheet.png")]
    out: PathBuf,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand of `ram data`.
pub fn run(command: &Command) -> anyhow::Result<Ended> {
    match command {
        Command::Show(args) => show(args),
        Command::Fetch(args) => fetch::run(args),
        Command::Shapes(args) => shapes::run(args),
    }
}

fn show(args: &Show) -> anyhow::Result<Ended> {
    let config = args.configuration.load(args.data_dir.as_deref())?;
    let format = Format::of(&args.out)?;
    let training = TrainingData::open(&config, args.data_dir.as_deref())?;
    training.notes.iter().for_each(|note| complain(&format!("warning: {note}")));
    let canvases = training.first_canvases(args.count as usize, config.seed);
    let channels = training.train.images.channels();
    let (height, width) = (training.canvas.height, training.canvas.width);
    let images: Vec<_> = canvases
        .into_iter()
        .zip(&training.train.labels)
        .map(|(pixels, label)| {
            (Bitmap { pixels, channels, height, width }, training.classes[usize::from(*label)].clone())
        })
        .collect();
    let count = images.len();
    let subtitle = format!("the first {count} training images of seed {}, and their classes", config.seed);
    write(&args.out, &format.write(&sheet(images, &data(&config), &subtitle)))?;
    let (out, size) = (args.out.display(), config.data.size);
    say(&if args.json {
        json!({ "out": out.to_string(), "count": count, "size": size }).to_string()
    } else {
        format!("{count} images of {size}×{size} in {out}")
    })?;
    Ok(Ended::Done)
}
