//! The options that several subcommands share.

use std::path::{Path, PathBuf};

use ram::config::{Base, Config, old_names};
use ram::error::RamError;
use ram::evaluate::predict;

use super::output::complain;
use super::sources;

/// The help of `--data-dir`, in every command that reads data.
pub const DATA_DIR: &str = "The folder of MNIST's files, or where relative paths of your data begin \
    [default: that of the run, else $RAM_DATA_DIR, else the files that `ram data fetch` fetched]";

/// Where a configuration comes from.
#[derive(clap::Args, Default)]
pub struct Configuration {
    /// A built-in configuration: demo, mnist, translated, cluttered, cluttered-100, pictures [default: mnist]
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub preset: Option<String>,

    /// A row of the paper's tables, as `ram experiments` lists them.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["config", "preset"])]
    pub experiment: Option<String>,

    /// A TOML file; absent keys have the values of the mnist preset.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The images: mnist, fashion-mnist, digits, folder:PATH (PATH has a folder of PNG or JPEG files for each class),
    /// idx:IMAGES,LABELS or frames:PATH (PATH has a folder for each class, with a folder of PNG or JPEG files for each clip). It
    /// sets data.source and data.path; with a preset, your own files also set data.channels and, on a centred canvas, data.size
    /// (up to 256) to match the images.
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,

    /// Stop with an error if a picture cannot be read or is not used, or if a class has no training picture; short for
    /// --set data.strict=true.
    #[arg(long)]
    pub strict: bool,

    /// Change a key, such as train.epochs=3; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Configuration {
    /// The configuration. Relative paths of user pictures begin at `data_dir`, if it is given.
    pub fn load(&self, data_dir: Option<&Path>) -> Result<Config, RamError> {
        let base = match (&self.experiment, &self.config) {
            (Some(name), _) => Base::Experiment(name),
            (_, Some(path)) => Base::File(path),
            _ => Base::Preset(self.preset()),
        };
        self.load_from(base, data_dir)
    }

    /// As [`Configuration::load`], with another base.
    pub fn load_from(&self, base: Base, data_dir: Option<&Path>) -> Result<Config, RamError> {
        let mut sets = match &self.data {
            Some(data) => sources::sets(data)?,
            None => Vec::new(),
        };
        sets.extend(self.strict.then(|| "data.strict=true".to_owned()));
        let with = |more: Vec<String>| [&sets[..], &more, &self.set].concat();
        old_names(base, &self.set).iter().for_each(|line| complain(&format!("warning: {line}")));
        let config = Config::load(base, &with(Vec::new()))?;
        // A whole configuration sets the size and the channels itself.
        if self.data.is_none() || matches!(base, Base::File(_) | Base::Text { .. }) {
            return Ok(config);
        }
        Config::load(base, &with(sources::sets_of_files(&config, data_dir)?))
    }

    /// The name of the experiment or preset.
    pub fn preset(&self) -> &str {
        self.experiment.as_deref().or(self.preset.as_deref()).unwrap_or("mnist")
    }
}

/// Options for the machine that the command runs on.
#[derive(clap::Args)]
pub struct Machine {
    #[arg(long, value_name = "DIR", help = DATA_DIR)]
    pub data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub threads: Threads,
}

/// How the user's pictures are converted.
#[derive(clap::Args)]
pub struct Handling {
    /// Whether to invert a picture first [default: true if it is dark on bright and the run's images are digits]
    #[arg(long, value_name = "true|false")]
    invert: Option<bool>,

    /// Scale and centre the ink of a picture as MNIST does [default for runs on MNIST and built-in digits, unless the picture has the
    /// size of their images]
    #[arg(long, conflicts_with = "as_is")]
    like_mnist: bool,

    /// Do not scale and centre the ink of a picture as MNIST does.
    #[arg(long)]
    as_is: bool,
}

impl Handling {
    /// What is asked for.
    pub fn of(&self) -> predict::Handling {
        let like_mnist = (self.like_mnist || self.as_is).then_some(self.like_mnist);
        predict::Handling { invert: self.invert, like_mnist }
    }

    /// The first option that was given.
    pub fn given(&self) -> Option<&'static str> {
        let options = [(self.invert.is_some(), "--invert"), (self.like_mnist, "--like-mnist"), (self.as_is, "--as-is")];
        options.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }
}

/// The number of threads.
#[derive(clap::Args)]
pub struct Threads {
    /// The number of threads; it changes the time, and no result [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl Threads {
    /// The number that the user gave.
    pub fn count(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// The number that is used.
    pub fn resolved(&self) -> usize {
        self.count().unwrap_or_else(cores)
    }
}

/// The number of cores of this machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}
