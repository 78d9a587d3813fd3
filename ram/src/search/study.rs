//! A study: which values are drawn for each trial, and what is the same for all of them.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;

use super::halving::Halving;
use super::space::Space;
use crate::config::Config;
use crate::error::RamError;
use crate::files;

/// The configurations of this many trials are checked when a study is read; those of later trials when they are run.
const CHECKED: u32 = 1000;

/// The study that `ram search init` writes.
pub const TEMPLATE: &str = include_str!("template.toml");

/// A study, as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// The seed of the draws. The trainings have their own, the key `seed`.
    pub seed: u64,
    /// The number of trials; they are numbered from 1.
    pub trials: u32,
    /// How trials are given up early; `None` trains all of them to the end.
    pub halving: Option<Halving>,
    /// The configuration for the keys that are not drawn.
    pub base: Config,
    /// The keys that are drawn.
    pub space: Space,
}

impl Study {
    /// Reads a study's file.
    ///
    /// # Errors
    /// As [`Study::from_toml`], and where the file cannot be read.
    pub fn read(path: &Path) -> Result<Study, RamError> {
        let text = files::read_text(path, files::TEXT).map_err(|error| {
            RamError::Config(format!(
                "cannot read the study {}: {error}; `ram search init {0}` writes one",
                path.display()
            ))
        })?;
        Study::from_toml(&text, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    /// The values that trial `trial` draws; they depend only on the study's seed, its space and this number.
    pub fn values(&self, trial: u32) -> BTreeMap<String, Value> {
        self.space.draw(self.seed, trial)
    }

    /// The configuration of trial `trial`.
    ///
    /// # Errors
    /// [`RamError::Config`] where the values do not fit together.
    pub fn config(&self, trial: u32) -> Result<Config, RamError> {
        self.space.apply(&self.base, &self.values(trial))
    }

    /// Checks every value of the space, and the configurations of the first thousand trials.
    ///
    /// # Errors
    /// [`RamError::Config`] where a trial would have a configuration that is not valid.
    pub fn check(&self) -> Result<(), RamError> {
        self.space.check(&self.base)?;
        let held_out = "data.train_on_validation";
        if self.base.data.train_on_validation || self.space.dimensions().iter().any(|d| d.key == held_out) {
            return Err(RamError::Config(format!(
                "{held_out} is not for a search, which compares the errors on images that no trial trains on; leave it out"
            )));
        }
        if self.halving.is_some() && self.space.dimensions().iter().any(|d| d.key == "train.epochs") {
            return Err(RamError::Config(
                "train.epochs is drawn, but halving compares trials after equal numbers of epochs; leave one out"
                    .to_owned(),
            ));
        }
        (1..=self.trials.min(CHECKED)).try_for_each(|trial| self.config(trial).map(|_| ()))
    }

    /// The numbers of epochs after which the trials are compared; without halving only the full number.
    pub fn rungs(&self) -> Vec<usize> {
        let epochs = self.base.train.epochs;
        self.halving.map_or(vec![epochs], |halving| halving.rungs(epochs, self.trials))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Mean, Policy};

    pub(in crate::search) const TEXT: &str = "seed = 5\ntrials = 9\n[base]\npreset = \"demo\"\n[space]\n\
        optimiser.learning_rate = { log-uniform = [1e-4, 1.0] }\npolicy.std = { uniform = [0.05, 0.5] }\n\
        model.glimpses = { whole = [1, 4] }\npolicy.mean = { choice = [\"linear\", \"clamp\", \"tanh\"] }\n";

    pub(in crate::search) fn study(text: &str) -> Study {
        Study::from_toml(text, "search.toml", Path::new("")).unwrap()
    }

    /// These values are a promise: if they change, every recorded study changes.
    #[test]
    fn a_trials_configuration_is_a_function_of_seed_and_number() {
        let config = study(TEXT).config(3).unwrap();
        assert_eq!(config, study(TEXT).config(3).unwrap());
        assert_eq!(config.optimiser.learning_rate.to_bits(), 0.002_561_045_158_678_89_f64.to_bits());
        assert_eq!(config.policy.std.to_bits(), 0.129_004_302_654_643_5_f64.to_bits());
        assert_eq!((config.model.glimpses, config.policy.mean), (1, Mean::Tanh));
        let base = Config::preset("demo").unwrap();
        assert_eq!(base.differences(&config).len(), 4, "nothing else changes: {:?}", base.differences(&config));
        // A key less, and the others draw the same; another number of trials, too.
        let less = TEXT.replace("policy.std = { uniform = [0.05, 0.5] }\n", "").replace("trials = 9", "trials = 90");
        let config = Config { policy: Policy { std: 0.15, ..config.policy }, ..config };
        assert_eq!(study(&less).config(3).unwrap(), config);
    }
}
