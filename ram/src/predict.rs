//! What a trained network says of a picture that belongs to no data set.

use autograd::{Params, Shape, Tape, math};
use datasets::Picture;

use crate::comparators::Comparator;
use crate::config::{Config, ModelKind, Source};
use crate::error::RamError;
use crate::model::Images;
use crate::model::action::argmax_of;
use crate::trace::{Trace, Tracer};
use crate::train::checkpoint::Checkpoint;
use crate::train::data::canvas_of;
use crate::train::learner::Network;
use crate::train::trainer::restore;

/// The network of a checkpoint, to be asked.
pub struct Predictor {
    config: Config,
    classes: Vec<String>,
    network: Asked,
}

enum Asked {
    Agent(Box<Tracer>),
    Comparator(Comparator, Box<Params<f32>>),
}

/// What it said.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The probability of each class after each glimpse; the last decides. A network that sees all at once has one row.
    pub probabilities: Vec<Vec<f64>>,
    /// The episode, for a picture of it; of the attention model alone.
    pub trace: Option<Trace>,
}

impl Prediction {
    /// The class that it decides for, its index.
    pub fn class(&self) -> usize {
        argmax_of(self.last())
    }

    /// The probabilities at the decision.
    pub fn last(&self) -> &[f64] {
        self.probabilities.last().map_or(&[], Vec::as_slice)
    }
}

impl Predictor {
    /// Restores the network of a checkpoint.
    ///
    /// # Errors
    /// [`RamError::Config`] for one that plays games; a checkpoint of another model.
    pub fn new(checkpoint: &Checkpoint) -> Result<Predictor, RamError> {
        let config = checkpoint.config()?;
        let classes = checkpoint.state.classes.clone();
        if config.data.source == Source::Catch {
            return Err(RamError::Config(format!(
                "{}: a run that plays games says nothing of pictures; name one that was trained on images",
                checkpoint.path.display()
            )));
        }
        let network = if config.model.kind == ModelKind::Ram {
            Asked::Agent(Box::new(Tracer::new(checkpoint)?))
        } else {
            let mut params = Params::new();
            let network = Network::new(&mut params, &config, config.data.channels, classes.len());
            let Network::Comparator(comparator) = network else { unreachable!("model.kind is fc or conv") };
            restore(&mut params, checkpoint)?;
            Asked::Comparator(comparator, Box::new(params))
        };
        Ok(Predictor { config, classes, network })
    }

    /// The run's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Looks at a picture, prepared as [`canvas_of`] says.
    ///
    /// # Errors
    /// [`RamError::Config`] where the checkpoint and its configuration disagree on the channels.
    pub fn predict(&self, picture: &Picture, invert: bool) -> Result<Prediction, RamError> {
        let (canvas, size) = (canvas_of(&self.config, picture, invert), self.config.data.size);
        let channels = self.config.data.channels;
        match &self.network {
            Asked::Agent(tracer) => {
                let trace = tracer.trace_image(&canvas, [channels, size, size])?;
                let probabilities = trace.glimpses.iter().map(|glimpse| glimpse.probabilities.clone()).collect();
                Ok(Prediction { probabilities, trace: Some(trace) })
            }
            Asked::Comparator(comparator, params) => {
                let mut tape = Tape::new();
                let t = tape.begin(params);
                let shape = Shape::new(&[1, channels, size, size]);
                let logits = comparator.logits(&t, Images::Pixels { data: &canvas, shape }).log_softmax();
                let probabilities = logits.value().iter().map(|&x| math::exp(f64::from(x))).collect();
                Ok(Prediction { probabilities: vec![probabilities], trace: None })
            }
        }
    }
}
