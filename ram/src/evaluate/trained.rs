//! A trained network from a checkpoint, with the task that it was trained for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autograd::Params;

use crate::config::Config;
use crate::error::RamError;
use crate::model::ModelKind;
use crate::network::Network;
use crate::runs::checkpoint::{Checkpoint, PARAMS};
use crate::split::SplitName;
use crate::tasks::{self, Examples, Task, check_classes};

/// A trained network.
pub struct Trained {
    /// The file of the checkpoint.
    pub path: PathBuf,
    /// The run's configuration.
    pub config: Config,
    /// The task that it was trained for.
    pub task: Arc<dyn Task>,
    /// The network.
    pub network: Network,
    /// The parameters of the network.
    pub params: Params<f32>,
    /// The names of the classes or actions.
    pub outputs: Vec<String>,
    /// The number of channels of the images.
    pub channels: usize,
}

impl Trained {
    /// Restores the network of a checkpoint, for the task that its configuration names.
    ///
    /// # Errors
    /// The checkpoint belongs to another model, or to a task that this program does not have.
    pub fn of(checkpoint: &Checkpoint) -> Result<Trained, RamError> {
        Trained::for_task(tasks::named(&checkpoint.config()?)?, checkpoint)
    }

    /// Restores the network of a checkpoint, for the given task.
    ///
    /// # Errors
    /// The checkpoint belongs to another model.
    pub fn for_task(task: Arc<dyn Task>, checkpoint: &Checkpoint) -> Result<Trained, RamError> {
        let config = checkpoint.config()?;
        let outputs = checkpoint.state.classes.clone();
        if !(1..=256).contains(&outputs.len()) {
            let message = format!("it names {} classes, expected 1 to 256; use another checkpoint", outputs.len());
            return Err(RamError::checkpoint(&checkpoint.path, message));
        }
        let channels = channels_of(checkpoint, &config);
        let mut params = Params::new();
        let network = Network::new(&mut params, &config, [channels, outputs.len()], task.decisions());
        checkpoint.restore(&mut params)?;
        Ok(Trained { path: checkpoint.path.clone(), config, task, network, params, outputs, channels })
    }

    /// The examples of the task in a part of the data.
    ///
    /// # Errors
    /// Data are missing or damaged, or have other classes than the training data.
    pub fn examples(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Examples, RamError> {
        let examples = self.task.examples(&self.config, split, data_dir)?;
        check_classes(&self.outputs, &examples.outputs)?;
        Ok(examples)
    }

    /// Parameter count, excluding the baseline, which only training needs.
    pub fn parameters(&self) -> usize {
        let params = &self.params;
        let counted = params.ids().filter(|&id| !params.name(id).starts_with("baseline"));
        counted.map(|id| params.get(id).len()).sum()
    }

    /// The task, the network and its parameters, for an evaluation.
    pub fn subject(&self) -> Subject<'_> {
        Subject { task: &*self.task, network: &self.network, params: &self.params }
    }
}

/// The subject of an evaluation: a network that was trained for a task.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// The network.
    pub network: &'a Network,
    /// The parameters of the network.
    pub params: &'a Params<f32>,
}

/// The number of channels of the images that a network was trained on. For the attention model it follows from the shape of
/// the weights, because ρ has k·g² numbers for each channel.
fn channels_of(checkpoint: &Checkpoint, config: &Config) -> usize {
    let model = &config.model;
    if model.kind != ModelKind::Ram {
        return config.data.channels;
    }
    let weights = checkpoint.tensors.get(&format!("{PARAMS}glimpse.retina.weight"));
    let rows = weights.and_then(|stored| stored.shape.first());
    rows.map_or(1, |rows| rows / (model.scales * model.patch * model.patch)).max(1)
}
