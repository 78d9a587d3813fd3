//! The trained model that a command line names: a run, a checkpoint file alone, or a pretrained model.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ram::config::Config;
use ram::error::RamError;
use ram::runs::checkpoint::Checkpoint;
use ram::runs::run_folder::{self, RunFolder};
use ram::runs::run_info;
use ram::zoo::{Facts, Number, Pretrained, Zoo};
use serde_json::{Value, json};

use super::output::percent;

/// Where a trained model is looked for.
#[derive(clap::Args)]
pub struct Places {
    /// Take a pretrained model instead of a run; `ram zoo` lists them.
    #[arg(long, value_name = "NAME")]
    pub pretrained: Option<String>,

    /// The folder of the pretrained models [default: $RAM_ZOO, else ram/zoo above the program, here, or in the sources]
    #[arg(long, value_name = "DIR", requires = "pretrained")]
    pub zoo: Option<PathBuf>,

    /// The folder of all runs.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// A checkpoint of a run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Which {
    /// The checkpoint of the lowest validation error; where glimpses have a price, of the lowest error and price together. Where
    /// the validation images were trained on too, the last one.
    Best,
    /// The newest checkpoint.
    Last,
}

impl Which {
    /// The checkpoint, and its name.
    pub fn named(self) -> (run_folder::Which, &'static str) {
        match self {
            Which::Best => (run_folder::Which::Best, "best"),
            Which::Last => (run_folder::Which::Last, "last"),
        }
    }
}

/// Where weights come from.
pub enum Origin {
    /// A checkpoint of the run in this folder.
    Run(PathBuf, Which),
    /// The file of a checkpoint.
    File(PathBuf),
    /// A pretrained model.
    Pretrained(Box<Facts>, Number),
}

/// A trained model that the command line named.
pub struct Chosen {
    /// Its weights and its configuration.
    pub checkpoint: Checkpoint,
    /// Where they come from.
    pub origin: Origin,
}

impl Chosen {
    /// Opens the run, the checkpoint file or the pretrained model that the options name. `run` is the name of a run, its folder, or a
    /// file; without `which`, the best checkpoint of a run is taken.
    pub fn open(run: Option<&Path>, places: &Places, which: Option<Which>) -> Result<Chosen, RamError> {
        match (run, &places.pretrained) {
            (None, Some(name)) => Ok(Chosen::pretrained(Zoo::find(places.zoo.as_deref())?.read(name)?)),
            (Some(run), _) if places.zoo.is_some() => {
                Err(RamError::Config(format!("--zoo is for --pretrained NAME, but {} is a run", run.display())))
            }
            (Some(run), _) => Chosen::named(run, &places.runs, which),
            (None, None) => Err(RamError::Config("name a run, or a pretrained model with --pretrained".to_owned())),
        }
    }

    /// As [`Chosen::open`], for a run or a file.
    fn named(run: &Path, runs: &Path, which: Option<Which>) -> Result<Chosen, RamError> {
        let path = find(run, runs);
        if !path.is_file() {
            let which = which.unwrap_or(Which::Best);
            let checkpoint = RunFolder::read(&path, which.named().0)?;
            return Ok(Chosen { checkpoint, origin: Origin::Run(path, which) });
        }
        if which.is_some() {
            let message = format!("--which: {} is a file and not a run, so there is nothing to choose", path.display());
            return Err(RamError::Config(message));
        }
        let bytes = std::fs::read(&path).map_err(|error| {
            RamError::checkpoint(&path, format!("cannot be read: {error}; name a run, or its file"))
        })?;
        if Pretrained::is(&bytes) {
            return Pretrained::decode(&path, &bytes).map(Chosen::pretrained);
        }
        let checkpoint = Checkpoint::decode(&path, &bytes)?;
        Ok(Chosen { checkpoint, origin: Origin::File(path) })
    }

    fn pretrained(model: Pretrained) -> Chosen {
        let Pretrained { facts, number, checkpoint, .. } = model;
        Chosen { checkpoint, origin: Origin::Pretrained(Box::new(facts), number) }
    }

    /// Its name: of a run or a file, the path that leads to it.
    pub fn path(&self) -> String {
        match &self.origin {
            Origin::Run(path, _) | Origin::File(path) => path.display().to_string(),
            Origin::Pretrained(facts, _) => facts.name.clone(),
        }
    }

    /// Its name alone, for titles and file names.
    pub fn name(&self) -> String {
        let name = match &self.origin {
            Origin::Run(path, _) => path.file_name().unwrap_or(path.as_os_str()),
            Origin::File(path) => path.file_stem().unwrap_or(path.as_os_str()),
            Origin::Pretrained(facts, _) => facts.name.as_ref(),
        };
        name.to_string_lossy().into_owned()
    }

    /// `best checkpoint`, `checkpoint file` or `pretrained, f16`.
    pub fn kind(&self) -> String {
        match self.origin {
            Origin::Run(_, which) => format!("{} checkpoint", which.named().1),
            Origin::File(_) => "checkpoint file".to_owned(),
            Origin::Pretrained(_, number) => format!("pretrained, {}", number.name()),
        }
    }

    /// The recorded error of a pretrained model on the test set, in words.
    pub fn recorded(&self) -> Option<String> {
        let Origin::Pretrained(facts, _) = &self.origin else { return None };
        let plays = self.config().is_ok_and(|config| config.data.source.game().is_some());
        let what = if plays { "games" } else { "images" };
        Some(format!("{} of {} {what}", percent(facts.test_error), facts.test_count))
    }

    /// Where it comes from, in a sentence.
    pub fn told(&self) -> String {
        match &self.origin {
            Origin::Pretrained(facts, number) => format!(
                "Pretrained model {}: weights stored as {}, from a run with seed {}. Its recorded test error is {}.",
                facts.name,
                number.name(),
                facts.seed,
                self.recorded().unwrap_or_default()
            ),
            _ => format!("The weights of {}, {}.", self.path(), self.kind()),
        }
    }

    /// The folder of its data: the `given` one, or else the one that its run remembers.
    pub fn data_dir(&self, given: Option<&Path>) -> Option<PathBuf> {
        match &self.origin {
            Origin::Run(path, _) => run_info::data_dir(path, given),
            _ => given.map(Path::to_owned),
        }
    }

    /// Says of missing data that they are those of this run.
    pub fn of_its_data<T>(&self, result: Result<T, RamError>) -> Result<T, RamError> {
        result.map_err(|error| match error {
            RamError::Data(message) => RamError::Data(format!("the data of {}: {message}", self.path())),
            error => error,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> Result<Config, RamError> {
        self.checkpoint.config()
    }

    /// The keys of a JSON object that tell which model it is about.
    pub fn facts(&self) -> Value {
        let (run, pretrained, which) = match &self.origin {
            Origin::Run(_, which) => (Some(self.path()), None, Some(which.named().1)),
            Origin::File(_) => (Some(self.path()), None, None),
            Origin::Pretrained(facts, _) => (None, Some(&facts.name), None),
        };
        json!({ "run": run, "pretrained": pretrained, "which": which, "epoch": self.checkpoint.state.epoch })
    }

    /// Adds [`Chosen::facts`] to a JSON object.
    pub fn add_facts(&self, mut object: Value) -> Value {
        if let (Some(object), Value::Object(facts)) = (object.as_object_mut(), self.facts()) {
            object.extend(facts);
        }
        object
    }
}

/// The folder of a run, which is given as a path or as a name in the folder of all runs.
pub fn find(run: &Path, runs: &Path) -> PathBuf {
    let named = runs.join(run);
    if !run.join("run.json").exists() && named.exists() { named } else { run.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_folder_or_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("a");
        std::fs::create_dir(&run).unwrap();
        assert_eq!(find(Path::new("a"), folder.path()), run);
        assert_eq!(find(&run, Path::new("runs")), run);
        assert_eq!(find(Path::new("no-such"), folder.path()), Path::new("no-such"));
    }
}
