//! A study: what is drawn for each trial, and the folder where their results lie.
//!
//! | in the study's folder | |
//! |---|---|
//! | `study.json` | what decides the trials: seed, base, space; other settings are refused there |
//! | `trial-0001/` | a run's folder, see [`crate::runs::run_folder`], with `result.json` when it is done |
//! | `trial-0001/rung-1.json` | with halving: its result so far at the end of a rung |
//! | `rung-1.json` | with halving: who goes on |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::halving::{Decision, Halving, Standing};
use super::space::{Distribution, Space};
use super::trial::TrialResult;
use crate::config::Config;
use crate::error::RamError;
use crate::runs::atomic;

/// The format version of a study's folder.
const FORMAT: u32 = 1;
const RECORD: &str = "study.json";

/// So many trials are tried out when a study is read; the others when their turn comes.
const TRIED: u32 = 1000;

/// What `ram search init` writes.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A study, as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// The seed of the draws. The trainings have their own, the key `seed`.
    pub seed: u64,
    /// Trials are numbered from 1 to this.
    pub trials: u32,
    /// Whether, and how, trials are given up early.
    pub halving: Option<Halving>,
    /// What is not drawn.
    pub base: Config,
    /// What is drawn.
    pub space: Space,
}

impl Study {
    /// Reads a study's file.
    ///
    /// # Errors
    /// As [`Study::from_toml`], or a file that cannot be read.
    pub fn read(path: &Path) -> Result<Study, RamError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            RamError::Config(format!(
                "cannot read the study {}: {error}; `ram search init {0}` writes one",
                path.display()
            ))
        })?;
        Study::from_toml(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    /// What trial `trial` draws: a function of the study's seed, its space and the number alone.
    pub fn values(&self, trial: u32) -> BTreeMap<String, Value> {
        self.space.draw(self.seed, trial)
    }

    /// The configuration of trial `trial`.
    ///
    /// # Errors
    /// Values that do not fit together.
    pub fn config(&self, trial: u32) -> Result<Config, RamError> {
        self.space.apply(&self.base, &self.values(trial))
    }

    /// Checks that every value of the space, and the configurations of the first thousand trials, are configurations.
    ///
    /// # Errors
    /// [`RamError::Config`]
    pub fn check(&self) -> Result<(), RamError> {
        self.space.check(&self.base)?;
        if self.halving.is_some() && self.space.dimensions().iter().any(|d| d.key == "train.epochs") {
            return Err(RamError::Config(
                "train.epochs is drawn, but halving compares trials after equal numbers of epochs; leave one out"
                    .to_owned(),
            ));
        }
        (1..=self.trials.min(TRIED)).try_for_each(|trial| self.config(trial).map(|_| ()))
    }

    /// The epochs after which trials are compared or, without halving, all epochs.
    pub fn rungs(&self) -> Vec<usize> {
        let epochs = self.base.train.epochs;
        self.halving.map_or(vec![epochs], |halving| halving.rungs(epochs, self.trials))
    }
}

/// `study.json`: what decides the trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    seed: u64,
    base: Config,
    space: BTreeMap<String, Distribution>,
    /// With halving also how many trials there are: it decides who goes on.
    halving: Option<(Halving, u32)>,
}

impl Record {
    fn of(study: &Study) -> Record {
        let dimensions = study.space.dimensions().iter();
        Record {
            format: FORMAT,
            seed: study.seed,
            base: study.base.clone(),
            space: dimensions.map(|d| (d.key.clone(), d.distribution.clone())).collect(),
            halving: study.halving.map(|halving| (halving, study.trials)),
        }
    }

    fn differences(&self, other: &Record) -> Vec<String> {
        let mut list = Vec::new();
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                list.push(format!("{what}: {ours}, {theirs}"));
            }
        };
        compare("seed", self.seed.to_string(), other.seed.to_string());
        let show = |halving: &Option<(Halving, u32)>| match halving {
            None => "off".to_owned(),
            Some((Halving { eta, first }, trials)) => {
                let first = first.map_or("automatic".to_owned(), |first| first.to_string());
                format!("eta {eta}, first {first}, {trials} trials")
            }
        };
        compare("halving", show(&self.halving), show(&other.halving));
        let keys: std::collections::BTreeSet<&String> = self.space.keys().chain(other.space.keys()).collect();
        for key in keys {
            let show = |record: &Record| record.space.get(key).map_or("not drawn".into(), |d| format!("{d:?}"));
            compare(key, show(self), show(other));
        }
        list.extend(self.base.differences(&other.base));
        list
    }
}

/// A study with its folder.
#[derive(Clone, Debug)]
pub struct StudyFolder {
    /// What is drawn.
    pub study: Study,
    path: PathBuf,
}

impl StudyFolder {
    /// Opens the folder of a study, and makes it if it is not there. Halving that `study` does not mention is what the folder says.
    ///
    /// # Errors
    /// [`RamError::Run`] where the folder belongs to a study with other settings or cannot be written.
    pub fn open(study: Study, path: &Path) -> Result<StudyFolder, RamError> {
        let mut folder = StudyFolder { study, path: path.to_owned() };
        let file = path.join(RECORD);
        match read_json::<Record>(&file)? {
            Some(record) => folder.expect(record)?,
            None => {
                std::fs::create_dir_all(path).map_err(|error| {
                    RamError::run(path, format!("cannot make the folder: {error}; name another with --runs"))
                })?;
                write_json(&file, &Record::of(&folder.study))?;
            }
        }
        Ok(folder)
    }

    /// Opens the folder of a study that was begun, to look at it.
    ///
    /// # Errors
    /// As [`StudyFolder::open`], or there is none.
    pub fn look(study: Study, path: &Path) -> Result<StudyFolder, RamError> {
        let mut folder = StudyFolder { study, path: path.to_owned() };
        let record = read_json::<Record>(&path.join(RECORD))?
            .ok_or_else(|| RamError::run(path, "has no trials yet; `ram search run` makes them"))?;
        folder.expect(record)?;
        Ok(folder)
    }

    fn expect(&mut self, record: Record) -> Result<(), RamError> {
        if self.study.halving.is_none()
            && let Some((halving, trials)) = record.halving
        {
            (self.study.halving, self.study.trials) = (Some(halving), trials);
            self.study.check()?;
        }
        let differences = record.differences(&Record::of(&self.study));
        if record.format != FORMAT || !differences.is_empty() {
            return Err(RamError::run(
                &self.path,
                format!(
                    "was begun with other settings ({}); put them back, name another folder with --runs, or remove it",
                    differences.join("; ")
                ),
            ));
        }
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's name of a trial.
    pub fn trial_name(trial: u32) -> String {
        format!("trial-{trial:04}")
    }

    /// The folder of a trial.
    pub fn trial_path(&self, trial: u32) -> PathBuf {
        self.path.join(StudyFolder::trial_name(trial))
    }

    /// The result of a trial at the end of rung `rung`, from 1, or the final one where it has ended before or this is the last.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn result(&self, trial: u32, rung: usize) -> Result<Option<TrialResult>, RamError> {
        let folder = self.trial_path(trial);
        match read_json(&folder.join(TrialResult::FINAL))? {
            None if rung < self.study.rungs().len() => read_json(&folder.join(TrialResult::at_rung(rung))),
            result => Ok(result),
        }
    }

    /// The newest result of every trial that has one, by number: also of trials beyond the study's present number.
    ///
    /// # Errors
    /// A folder that cannot be read, or a file that is damaged.
    pub fn results(&self) -> Result<Vec<TrialResult>, RamError> {
        let unreadable = |error| RamError::run(&self.path, format!("cannot be listed: {error}"));
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("trial-")?.parse::<u32>().ok());
            numbers.extend(number.filter(|&number| name.to_str() == Some(&StudyFolder::trial_name(number))));
        }
        numbers.sort_unstable();
        let rungs = self.study.rungs().len();
        let newest = |trial| (1..=rungs).rev().find_map(|rung| self.result(trial, rung).transpose()).transpose();
        numbers.into_iter().filter_map(|trial| newest(trial).transpose()).collect()
    }

    /// The trials of a rung, from 1; nothing while the one before it is not decided.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn entrants(&self, rung: usize) -> Result<Option<Vec<u32>>, RamError> {
        if rung == 1 {
            return Ok(Some((1..=self.study.trials).collect()));
        }
        Ok(self.decision(rung - 1)?.map(|decision| decision.promoted))
    }

    /// Who goes on after a rung. It is decided, and recorded, when all of its trials have ended it; before, there is nothing.
    ///
    /// # Errors
    /// A file that is damaged or cannot be written.
    pub fn decision(&self, rung: usize) -> Result<Option<Decision>, RamError> {
        let file = self.path.join(TrialResult::at_rung(rung));
        if let Some(decision) = read_json(&file)? {
            return Ok(Some(decision));
        }
        let (Some(halving), Some(entrants)) = (self.study.halving, self.entrants(rung)?) else { return Ok(None) };
        let mut standings = Vec::new();
        for trial in entrants {
            let Some(result) = self.result(trial, rung)? else { return Ok(None) };
            standings.push(Standing { trial, error: result.error });
        }
        let decision = Decision::of(rung, self.study.rungs()[rung - 1], halving.eta, standings);
        write_json(&file, &decision)?;
        Ok(Some(decision))
    }
}

/// The value in a file; `None` where there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RamError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RamError::run(path, format!("cannot be read: {error}"))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        RamError::run(path, format!("is damaged: {error}; put it back, or remove it to have it made anew"))
    })
}

/// Writes a value by atomic rename.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RamError> {
    let text = serde_json::to_string_pretty(value).expect("numbers and names") + "\n";
    atomic::write(path, text.as_bytes()).map_err(|error| {
        RamError::run(path, format!("cannot be written: {error}; make room or allow writing there, then run it again"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::trial::State;

    const TEXT: &str = "seed = 5\ntrials = 9\n[base]\npreset = \"demo\"\n[space]\n\
        optimiser.learning_rate = { log-uniform = [1e-4, 1.0] }\npolicy.std = { uniform = [0.05, 0.5] }\n\
        model.glimpses = { whole = [1, 4] }\npolicy.mean = { choice = [\"linear\", \"clamp\", \"tanh\"] }\n";

    fn study(text: &str) -> Study {
        Study::from_toml(text, "search.toml", Path::new("")).unwrap()
    }

    /// These values are a promise: if they change, every recorded study changes.
    #[test]
    fn a_trials_configuration_is_a_function_of_seed_and_number() {
        let config = study(TEXT).config(3).unwrap();
        assert_eq!(config, study(TEXT).config(3).unwrap());
        assert_eq!(config.optimiser.learning_rate.to_bits(), 0.002_561_045_158_678_89_f64.to_bits());
        assert_eq!(config.policy.std.to_bits(), 0.129_004_302_654_643_5_f64.to_bits());
        assert_eq!((config.model.glimpses, config.policy.mean), (1, crate::model::Mean::Tanh));
        let base = Config::preset("demo").unwrap();
        assert_eq!(base.differences(&config).len(), 4, "nothing else changes: {:?}", base.differences(&config));
        // A key less, and the others draw the same; another number of trials, too.
        let less = TEXT.replace("policy.std = { uniform = [0.05, 0.5] }\n", "").replace("trials = 9", "trials = 90");
        let config = Config { policy: crate::model::Policy { std: 0.15, ..config.policy }, ..config };
        assert_eq!(study(&less).config(3).unwrap(), config);
    }

    #[test]
    fn a_folder_belongs_to_one_study() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("search");
        let message = StudyFolder::look(study(TEXT), &path).unwrap_err().to_string();
        assert!(message.contains("no trials yet"), "{message}");
        StudyFolder::open(study(TEXT), &path).unwrap();
        let record = std::fs::read(path.join(RECORD)).unwrap();
        StudyFolder::open(study(&TEXT.replace("trials = 9", "trials = 90")), &path).unwrap();
        assert_eq!(std::fs::read(path.join(RECORD)).unwrap(), record, "more trials are no other study");
        for (from, to, part) in [
            ("seed = 5", "seed = 6", "seed: 5, 6"),
            ("0.5", "0.6", "policy.std: Uniform([0.05, 0.5]), Uniform([0.05, 0.6])"),
            ("preset = \"demo\"", "preset = \"demo\"\nset = [\"train.epochs=3\"]", "train.epochs: 40, 3"),
            ("trials = 9", "trials = 9\nhalving = { eta = 2 }", "halving: off, eta 2"),
        ] {
            let error = StudyFolder::open(study(&TEXT.replace(from, to)), &path).unwrap_err();
            assert!(error.to_string().contains(part) && error.exit_code() == 4, "{error}");
        }
        std::fs::write(path.join(RECORD), "{").unwrap();
        assert!(StudyFolder::open(study(TEXT), &path).unwrap_err().to_string().contains("damaged"));
    }

    /// Puts down what a trial would.
    fn put(folder: &StudyFolder, trial: u32, rung: usize, error: Option<f64>) {
        let path = folder.trial_path(trial);
        std::fs::create_dir_all(&path).unwrap();
        let rungs = folder.study.rungs();
        let (state, name) = match error {
            None => (State::Diverged, TrialResult::FINAL.to_owned()),
            Some(_) if rung == rungs.len() => (State::Done, TrialResult::FINAL.to_owned()),
            Some(_) => (State::Paused, TrialResult::at_rung(rung)),
        };
        let result = TrialResult {
            trial,
            state,
            error,
            loss: error,
            best_epoch: error.map(|_| 1),
            epochs: rungs[rung - 1],
            values: folder.study.values(trial),
            weights: None,
            message: None,
        };
        write_json(&path.join(&name), &result).unwrap();
        let found: TrialResult = read_json(&path.join(name)).unwrap().unwrap();
        assert_eq!(found, result, "what is written is read back to the bit");
    }

    #[test]
    fn halving_decides_when_all_are_there_and_keeps_to_it() {
        let place = tempfile::tempdir().unwrap();
        let text = TEXT.replace("trials = 9", "trials = 4\nhalving = { eta = 2, first = 10 }");
        let folder = StudyFolder::open(study(&text), place.path()).unwrap();
        assert_eq!(folder.study.rungs(), [10, 20, 40]);
        assert_eq!(folder.entrants(1).unwrap(), Some(vec![1, 2, 3, 4]));
        for (trial, error) in [(4, Some(0.5)), (2, None), (1, Some(0.3))] {
            put(&folder, trial, 1, error);
            assert!(folder.decision(1).unwrap().is_none() && folder.entrants(2).unwrap().is_none());
        }
        put(&folder, 3, 1, Some(0.4));
        assert_eq!(folder.entrants(2).unwrap(), Some(vec![1, 3]));
        let recorded = std::fs::read(place.path().join("rung-1.json")).unwrap();
        // Whoever comes without its result or halving in the file: what is recorded holds.
        let other = StudyFolder::open(study(TEXT), place.path()).unwrap();
        assert_eq!((other.study.trials, other.study.rungs()), (4, vec![10, 20, 40]));
        std::fs::remove_file(place.path().join("rung-1.json")).unwrap();
        assert_eq!(other.entrants(2).unwrap(), Some(vec![1, 3]));
        assert_eq!(std::fs::read(place.path().join("rung-1.json")).unwrap(), recorded, "decided again, the same");

        put(&folder, 1, 2, Some(0.3));
        put(&folder, 3, 2, Some(0.2));
        assert_eq!(folder.entrants(3).unwrap(), Some(vec![3]));
        put(&folder, 3, 3, Some(0.1));
        let newest: Vec<_> = folder.results().unwrap().iter().map(|r| (r.trial, r.state, r.epochs)).collect();
        let expected = [(1, State::Paused, 20), (2, State::Diverged, 10), (3, State::Done, 40), (4, State::Paused, 10)];
        assert_eq!(newest, expected);
    }
}
