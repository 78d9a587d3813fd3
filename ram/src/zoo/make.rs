//! Makes a pretrained model from the best checkpoint of a run: measures it, and chooses how its weights are stored.
//!
//! f16 is taken where it changes no answer: the same validation images are wrong as with f32, and, where the run has been tested
//! before, the test error is the same. Otherwise it is f32. If that file would be too large, f16 is taken all the same. The errors
//! in the file are always those of the weights in it.

use std::path::Path;

use serde_json::Value;

use super::file::{Facts, Number, encode, kibibytes, rounded};
use crate::config::{Config, Source};
use crate::error::RamError;
use crate::evaluate::evaluator::evaluate_on;
use crate::evaluate::trained::Trained;
use crate::evaluation::Evaluation;
use crate::experiments::Experiment;
use crate::runs::checkpoint::Checkpoint;
use crate::split::SplitName;
use crate::threads::Threads;

/// The largest file of a pretrained model, in bytes: 1.2 MiB.
pub const LARGEST: usize = 12 * 1024 * 1024 / 10;

/// The result of a run on the test set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// The test error, 0 to 1.
    pub error: f64,
    /// The number of test images or games.
    pub count: usize,
}

/// A pretrained model, made but not written.
#[derive(Clone, Debug)]
pub struct Made {
    /// What is told of it.
    pub facts: Facts,
    /// How its weights are stored.
    pub number: Number,
    /// Why they are stored so.
    pub reason: String,
    /// The bytes of its file.
    pub bytes: Vec<u8>,
}

/// The result that `test.json` in the folder of a run has for the weights with this hash; `None` where there is no such file.
///
/// # Errors
/// [`RamError::Run`] where the file cannot be read, lacks `error` or `count`, or is about other weights.
pub fn tested(run: &Path, weights: &str) -> Result<Option<Tested>, RamError> {
    let path = run.join("test.json");
    let fail = |message: String| RamError::run(&path, format!("{message}; remove the file to test the run again"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(format!("cannot be read: {error}"))),
    };
    let json: Value = serde_json::from_str(&text).map_err(|error| fail(format!("not JSON: {error}")))?;
    if let Some(other) = json["weights"].as_str().filter(|other| *other != weights) {
        return Err(fail(format!("it is about the weights {other}, but best.safetensors has {weights}")));
    }
    match (json["error"].as_f64(), json["count"].as_u64()) {
        (Some(error), Some(count)) if (0.0..=1.0).contains(&error) => Ok(Some(Tested { error, count: count as usize })),
        _ => Err(fail("expected the numbers `error`, 0 to 1, and `count`".to_owned())),
    }
}

/// The experiment with this configuration, whatever its seed.
pub fn experiment_of(config: &Config) -> Option<&'static str> {
    let alike = |experiment: &Experiment| {
        experiment.config(&[]).is_ok_and(|row| row.differences(config).iter().all(|key| key.starts_with("seed:")))
    };
    Experiment::all().into_iter().find(alike).map(|experiment| experiment.name)
}

/// The keys in which a configuration differs from the experiment with this name, apart from the seed. It is empty if no
/// experiment has the name.
///
/// # Errors
/// [`RamError::Config`] where the data, the network or the policy differ, so that it is another row.
pub fn differences(name: &str, config: &Config) -> Result<Vec<String>, RamError> {
    let Some(experiment) = Experiment::all().into_iter().find(|experiment| experiment.name == name) else {
        return Ok(Vec::new());
    };
    let mut keys = experiment.config(&[])?.differences(config);
    keys.retain(|key| !key.starts_with("seed:"));
    let of_row =
        |key: &&String| ["data.", "model.", "policy.locations", "policy.grid"].iter().any(|s| key.starts_with(s));
    let others: Vec<_> = keys.iter().filter(of_row).map(String::as_str).collect();
    if others.is_empty() {
        return Ok(keys);
    }
    Err(RamError::Config(format!(
        "--name {name}: this run is not the experiment {name}, since these keys differ (the experiment's value, the run's): \
         {}; choose another --name",
        others.join("; ")
    )))
}

/// Makes the pretrained model `name` from the best checkpoint of a run. `known` is the run's own test result; without it the test
/// set is asked once.
///
/// # Errors
/// The checkpoint belongs to another model; data are missing, damaged, not everyone's, or were all trained on; the validation error is not the one of
/// the training; the file would be larger than [`LARGEST`].
pub fn make(
    checkpoint: &Checkpoint,
    name: &str,
    known: Option<Tested>,
    data_dir: Option<&Path>,
    threads: Option<usize>,
) -> Result<Made, RamError> {
    let fail = |message: String| RamError::checkpoint(&checkpoint.path, message);
    let whole = Measured::new(checkpoint, data_dir, threads)?;
    let config = &whole.trained.config;
    if config.data.source.is_user_pictures() || config.data.source == Source::Own {
        let message = "trained on data that others do not have; a pretrained model is of a built-in game or data set";
        return Err(fail(message.to_owned()));
    }
    if config.data.train_on_validation {
        let message = "trained on the validation images too (data.train_on_validation), so it has no validation error to be known by";
        return Err(fail(message.to_owned()));
    }
    let facts = Facts {
        name: name.to_owned(),
        seed: config.seed,
        config: checkpoint.state.config.clone(),
        classes: checkpoint.state.classes.clone(),
        epoch: checkpoint.state.best_epoch.unwrap_or(checkpoint.state.epoch),
        run_weights: checkpoint.weights_hash(),
        // As many digits as errors can have, so that the sizes below are the largest ones.
        validation_error: 0.012_345_678_901_234_567,
        test_error: 0.012_345_678_901_234_567,
        test_count: 10_000,
    };
    let half = rounded(checkpoint);
    let large = encode(checkpoint, &facts, Number::F32)?.len();
    let smallest = if half.is_ok() { encode(checkpoint, &facts, Number::F16)?.len() } else { large };
    let limit = format!("more than the {} that a pretrained model may have", kibibytes(LARGEST));
    if smallest > LARGEST {
        let why = half.err().map_or(String::new(), |error| format!(", and f16 is not possible: {error}"));
        return Err(fail(format!("its weights take {}, {limit}{why}; leave it out", kibibytes(smallest))));
    }

    let validation = whole.evaluate(SplitName::Validation)?;
    if let Some(best) = checkpoint.state.best_error.filter(|best| *best != validation.error) {
        let [here, then] = [validation.error, best].map(|error| 100.0 * error);
        return Err(fail(format!(
            "its validation error is {here:.2} % here, but {then:.2} % after its training; are these the same data?"
        )));
    }
    let made = |error: f64, test: Tested, number: Number, reason: String| {
        let facts = Facts { validation_error: error, test_error: test.error, test_count: test.count, ..facts.clone() };
        Ok(Made { bytes: encode(checkpoint, &facts, number)?, facts, number, reason })
    };
    let whole_test = || known.map_or_else(|| whole.test(), Ok);
    let half = match &half {
        Ok(half) => Measured::new(half, data_dir, threads)?,
        Err(error) => {
            return made(validation.error, whole_test()?, Number::F32, format!("f16 is not possible: {error}"));
        }
    };
    let rounded = half.evaluate(SplitName::Validation)?;
    let (count, others) = (validation.count, differing(&validation.wrong, &rounded.wrong));
    let changed = if others > 0 {
        format!("f16 changes whether the validation answer is right in {others} of {count} cases")
    } else {
        let test = half.test()?;
        if known.is_none_or(|known| known == test) {
            let reason = format!("each of the {count} validation answers is as right or wrong as with f32");
            return made(rounded.error, test, Number::F16, reason);
        }
        format!("f16 changes the test error to {:.2} %", 100.0 * test.error)
    };
    if large <= LARGEST {
        return made(validation.error, whole_test()?, Number::F32, changed);
    }
    let of_run = known.map_or(String::new(), |known| format!(" (the run's own: {:.2} %)", 100.0 * known.error));
    let reason = format!(
        "f32 takes {}, {limit}. But {changed}, so the errors told here are those of the f16 weights{of_run}",
        kibibytes(large)
    );
    made(rounded.error, half.test()?, Number::F16, reason)
}

/// The number of elements that only one of two ascending lists has.
fn differing(a: &[u32], b: &[u32]) -> usize {
    let only = |a: &[u32], b: &[u32]| a.iter().filter(|x| b.binary_search(x).is_err()).count();
    only(a, b) + only(b, a)
}

/// A network, and where its examples are.
struct Measured<'a> {
    trained: Trained,
    data_dir: Option<&'a Path>,
    threads: Option<usize>,
}

impl<'a> Measured<'a> {
    fn new(checkpoint: &Checkpoint, data_dir: Option<&'a Path>, threads: Option<usize>) -> Result<Self, RamError> {
        Ok(Measured { trained: Trained::of(checkpoint)?, data_dir, threads })
    }

    fn evaluate(&self, split: SplitName) -> Result<Evaluation, RamError> {
        let examples = self.trained.examples(split, self.data_dir)?;
        let evaluate = || evaluate_on(&self.trained.config, self.trained.subject(), &examples, 1);
        Ok(Threads::new(self.threads)?.install(evaluate))
    }

    fn test(&self) -> Result<Tested, RamError> {
        let Evaluation { error, count, .. } = self.evaluate(SplitName::Test)?;
        Ok(Tested { error, count })
    }
}

#[cfg(test)]
mod tests;
