//! What is learned from: images of a data set, or games of Catch.

use std::path::Path;

use autograd::Params;
use datasets::{Batch, Epoch, Loader};

use crate::config::{Config, Source};
use crate::data::{TestData, TrainingData};
use crate::environments::{Catch, Environment};
use crate::error::RamError;
use crate::evaluate::evaluation::{Evaluation, TEST_GAMES, VALIDATION_GAMES, evaluate_on, play_games};
use crate::split::SplitName;
use crate::train::learner::Network;

/// A task, its training and its validation part. The test part stays closed.
pub enum Task {
    /// To classify images.
    Images {
        /// The images.
        data: Box<TrainingData>,
        /// Their batches.
        loader: Loader,
    },
    /// To play Catch.
    Games {
        /// Games in an epoch.
        count: usize,
        /// Games at a time.
        batch: usize,
        /// Their numbers; games have no pixels before they are played.
        numbers: Batch,
    },
}

impl Task {
    /// The task of a configuration.
    ///
    /// # Errors
    /// As [`TrainingData::open`].
    pub fn open(config: &Config, dir: Option<&Path>) -> Result<Task, RamError> {
        if config.data.source == Source::Catch {
            let [count, ..] = config.data.counts();
            return Ok(Task::Games { count, batch: config.train.batch, numbers: Batch::default() });
        }
        let data = TrainingData::open(config, dir)?;
        let loader = data.loader(config)?;
        Ok(Task::Images { data: Box::new(data), loader })
    }

    /// Channels of an image, and how many classes or actions there are.
    pub fn sizes(&self) -> [usize; 2] {
        match self {
            Task::Images { data, .. } => [data.train.images.channels(), data.train.classes],
            Task::Games { .. } => [1, Catch::default().actions()],
        }
    }

    /// The names of the classes or actions.
    pub fn classes(&self) -> Vec<String> {
        match self {
            Task::Images { data, .. } => data.classes.clone(),
            Task::Games { .. } => ["left", "stay", "right"].map(str::to_owned).to_vec(),
        }
    }

    /// What was wrong with pictures that are left out, a line each.
    pub fn notes(&self) -> &[String] {
        match self {
            Task::Images { data, .. } => &data.notes,
            Task::Games { .. } => &[],
        }
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        match self {
            Task::Images { loader, .. } => loader.steps(),
            Task::Games { count, batch, .. } => count.div_ceil(*batch),
        }
    }

    /// The batches of an epoch from step `first` on.
    pub fn epoch(&mut self, epoch: u64, first: usize) -> Batches<'_> {
        match self {
            Task::Images { loader, .. } => Batches::Images(loader.epoch(epoch, first)),
            Task::Games { count, batch, numbers } => {
                Batches::Games { next: first * *batch, count: *count, batch: *batch, numbers }
            }
        }
    }

    /// How a network fares on the validation part.
    pub fn validate(&self, config: &Config, network: &Network, params: &Params<f32>) -> Evaluation {
        match (self, network) {
            (Task::Images { data, .. }, _) => evaluate_on(config, network, params, &data.validation, 1),
            (Task::Games { .. }, Network::Player(agent)) => {
                evaluate_games(config, agent, params, SplitName::Validation)
            }
            (Task::Games { .. }, _) => unreachable!("games are played by a player"),
        }
    }
}

fn evaluate_games(config: &Config, agent: &crate::model::Agent, params: &Params<f32>, split: SplitName) -> Evaluation {
    let [_, validation, test] = config.data.counts();
    match split {
        SplitName::Validation => play_games(config, agent, params, VALIDATION_GAMES, validation),
        SplitName::Test => play_games(config, agent, params, TEST_GAMES, test),
    }
}

/// The batches of an epoch.
pub enum Batches<'a> {
    /// Of images.
    Images(Epoch<'a>),
    /// Of games.
    Games {
        /// The next game's number.
        next: usize,
        /// How many there are.
        count: usize,
        /// How many at a time.
        batch: usize,
        /// The games at hand.
        numbers: &'a mut Batch,
    },
}

impl Batches<'_> {
    /// The next batch, or `None` at the epoch's end.
    ///
    /// # Errors
    /// As [`Epoch::next_batch`].
    pub fn next_batch(&mut self) -> Result<Option<&Batch>, RamError> {
        match self {
            Batches::Images(epoch) => Ok(epoch.next_batch()?),
            Batches::Games { next, count, batch, numbers } => {
                let range = *next..(*next + *batch).min(*count);
                *next = range.end;
                numbers.samples.clear();
                numbers.samples.extend(range.clone().map(|number| number as u32));
                numbers.labels.resize(range.len(), 0);
                Ok(if range.is_empty() { None } else { Some(numbers) })
            }
        }
    }
}

/// Whether the data still have the classes that a network was trained on.
///
/// # Errors
/// [`RamError::Data`] with both lists.
pub fn check_classes(trained: &[String], found: &[String]) -> Result<(), RamError> {
    if trained == found {
        return Ok(());
    }
    Err(RamError::Data(format!(
        "the data have the classes {}, but the run was trained on {}; put the folders back as they were, or train anew",
        found.join(", "),
        trained.join(", ")
    )))
}

/// Evaluates a network of these classes on a part of its task, with parameters that `restore` fills in; what was wrong with
/// pictures that are left out is added to `notes`.
///
/// # Errors
/// Those of `restore`, data that are missing, damaged or of other classes.
pub fn evaluate(
    config: &Config,
    split: SplitName,
    passes: usize,
    dir: Option<&Path>,
    classes: &[String],
    notes: &mut Vec<String>,
    restore: impl FnOnce(&mut Params<f32>) -> Result<(), RamError>,
) -> Result<Evaluation, RamError> {
    let mut params = Params::new();
    if config.data.source == Source::Catch {
        let Network::Player(agent) = Network::new(&mut params, config, 1, Catch::default().actions()) else {
            unreachable!("games are played by a player");
        };
        restore(&mut params)?;
        return Ok(evaluate_games(config, &agent, &params, split));
    }
    let (set, found, bad) = match split {
        SplitName::Validation => {
            let TrainingData { validation, classes, notes, .. } = TrainingData::open(config, dir)?;
            (validation, classes, notes)
        }
        SplitName::Test => {
            let TestData { test, classes, notes, .. } = TestData::open(config, dir)?;
            (test, classes, notes)
        }
    };
    check_classes(classes, &found)?;
    notes.extend(bad);
    let network = Network::new(&mut params, config, set.set.images.channels(), set.set.classes);
    restore(&mut params)?;
    Ok(evaluate_on(config, &network, &params, &set, passes))
}
