//! The folder of a study, where the results of its trials lie.
//!
//! | in the study's folder | |
//! |---|---|
//! | `study.json` | what decides the trials: seed, base, space; a study with other settings is refused |
//! | `trial-0001/` | a run's folder, see [`crate::runs::run_folder`], with `result.json` when it is done |
//! | `trial-0001/rung-1.json` | with halving: its result so far at the end of a rung |
//! | `rung-1.json` | with halving: which trials go on |

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::halving::{Decision, Halving, Standing};
use super::result::{TrialResult, read_json, write_json};
use super::space::Distribution;
use super::study::Study;
use crate::config::Config;
use crate::error::RamError;

/// The format version of a study's folder.
const FORMAT: u32 = 1;
const RECORD: &str = "study.json";

/// The content of `study.json`: everything that the trials depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    seed: u64,
    base: Config,
    space: BTreeMap<String, Distribution>,
    /// With halving also the number of trials, since it decides which of them go on.
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
        let keys: BTreeSet<&String> = self.space.keys().chain(other.space.keys()).collect();
        for key in keys {
            let show = |record: &Record| record.space.get(key).map_or("not drawn".into(), |d| format!("{d:?}"));
            compare(key, show(self), show(other));
        }
        list.extend(self.base.differences(&other.base));
        list
    }
}

/// A study together with its folder.
#[derive(Clone, Debug)]
pub struct StudyFolder {
    /// The study.
    pub study: Study,
    path: PathBuf,
}

impl StudyFolder {
    /// Opens the folder of a study, and makes it if it does not exist. If `study` has no halving, the folder's halving is taken.
    ///
    /// # Errors
    /// [`RamError::Run`] where the folder belongs to a study with other settings or cannot be written.
    pub fn open(study: Study, path: &Path) -> Result<StudyFolder, RamError> {
        let mut folder = StudyFolder { study, path: path.to_owned() };
        let file = path.join(RECORD);
        match read_json::<Record>(&file)? {
            Some(record) => folder.check_record(record)?,
            None => {
                std::fs::create_dir_all(path).map_err(|error| {
                    RamError::run(path, format!("cannot create the folder: {error}; choose another with --runs"))
                })?;
                write_json(&file, &Record::of(&folder.study))?;
            }
        }
        Ok(folder)
    }

    /// Opens the folder of a study that was begun.
    ///
    /// # Errors
    /// As [`StudyFolder::open`], and where there is no such folder.
    pub fn open_existing(study: Study, path: &Path) -> Result<StudyFolder, RamError> {
        let mut folder = StudyFolder { study, path: path.to_owned() };
        let record = read_json::<Record>(&path.join(RECORD))?
            .ok_or_else(|| RamError::run(path, "has no trials yet; `ram search run` makes them"))?;
        folder.check_record(record)?;
        Ok(folder)
    }

    /// Takes the halving that was recorded, and refuses a study with other settings than the recorded ones.
    fn check_record(&mut self, record: Record) -> Result<(), RamError> {
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
                    "was begun with other settings ({}); put them back, choose another folder with --runs, or remove it",
                    differences.join("; ")
                ),
            ));
        }
        Ok(())
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of a trial's folder.
    pub fn trial_name(trial: u32) -> String {
        format!("trial-{trial:04}")
    }

    /// The path of a trial's folder.
    pub fn trial_path(&self, trial: u32) -> PathBuf {
        self.path.join(StudyFolder::trial_name(trial))
    }

    /// The result of a trial at the end of rung `rung` (from 1). It is the final result if the trial ended earlier or if this is the
    /// last rung; `None` if the trial has not come so far.
    ///
    /// # Errors
    /// [`RamError::Run`] where a file is damaged.
    pub fn result(&self, trial: u32, rung: usize) -> Result<Option<TrialResult>, RamError> {
        let folder = self.trial_path(trial);
        match read_json(&folder.join(TrialResult::FINAL))? {
            None if rung < self.study.rungs().len() => read_json(&folder.join(TrialResult::at_rung(rung))),
            result => Ok(result),
        }
    }

    /// The newest result of every trial that has one, in the order of their numbers; trials beyond the study's present number of
    /// trials are included.
    ///
    /// # Errors
    /// [`RamError::Run`] where the folder cannot be read or a file is damaged.
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

    /// The trials that take part in a rung (from 1); `None` while the rung before it is not decided.
    ///
    /// # Errors
    /// As [`StudyFolder::decision`].
    pub fn entrants(&self, rung: usize) -> Result<Option<Vec<u32>>, RamError> {
        if rung == 1 {
            return Ok(Some((1..=self.study.trials).collect()));
        }
        Ok(self.decision(rung - 1)?.map(|decision| decision.promoted))
    }

    /// Which trials go on after a rung. This is decided and recorded when all trials have ended the rung; before, it is `None`.
    ///
    /// # Errors
    /// [`RamError::Run`] where a file is damaged or cannot be written.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::result::State;
    use crate::search::study::tests::{TEXT, study};

    #[test]
    fn a_folder_belongs_to_one_study() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("search");
        let message = StudyFolder::open_existing(study(TEXT), &path).unwrap_err().to_string();
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
