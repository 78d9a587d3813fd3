//! A training step, which improves the parameters with a batch.
//!
//! The batch is cut into pieces, whose number depends only on the size of the batch. Each piece is recorded and swept on its
//! own tape, in parallel. Then the gradients of all pieces are added in one chain over all images, the norm is clipped and the
//! optimiser makes its step. So the parameters are the same for any number of threads. From the second step on nothing is
//! allocated.

use std::sync::Arc;

use autograd::optim::{self, Adam, Optimiser, Sgd};
use autograd::{Grads, Params, Tape, gradients};
use datasets::Batch;
use rayon::prelude::*;

use crate::config::{Config, OptimiserKind};
use crate::losses::Losses;
use crate::network::Network;
use crate::schedule::Rates;
use crate::tasks::{Inputs, Recorder, Task};

/// The largest number of episodes in a piece of the batch, unless a single input has more.
const PIECE: usize = 32;

/// A network, its parameters, and everything that is needed to train them.
pub struct Learner {
    pub(super) task: Arc<dyn Task>,
    config: Config,
    network: Network,
    /// The parameters.
    pub params: Params<f32>,
    grads: Grads<f32>,
    /// The optimiser, whose moments are part of a checkpoint.
    pub optimiser: Box<dyn Optimiser<f32> + Send>,
    tapes: Vec<Tape<f32>>,
    pieces: Vec<Piece>,
}

/// The memory of a piece of the batch, which is kept from step to step.
struct Piece {
    recorder: Box<dyn Recorder>,
    losses: Losses,
}

impl Learner {
    /// A new network for a task, with weights from the configuration's seed; `sizes` are the number of channels of the images,
    /// and of classes or actions.
    pub fn new(config: &Config, task: Arc<dyn Task>, sizes: [usize; 2]) -> Learner {
        let mut params = Params::new();
        let network = Network::new(&mut params, config, sizes, task.decisions());
        let o = &config.optimiser;
        let optimiser: Box<dyn Optimiser<f32> + Send> = match o.kind {
            OptimiserKind::Adam => Box::new(Adam::with_constants(&params, o.beta1, o.beta2, o.epsilon)),
            OptimiserKind::Sgd => Box::new(Sgd::new(&params, o.momentum as f32, false)),
            OptimiserKind::Nesterov => Box::new(Sgd::new(&params, o.momentum as f32, true)),
        };
        Learner {
            task,
            config: config.clone(),
            network,
            grads: params.zeros(),
            params,
            optimiser,
            tapes: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Makes one step on a batch of `epoch` and returns the losses before the step. It runs on the current rayon pool.
    pub fn step(&mut self, batch: &Batch, epoch: u64, Rates { learning_rate, std }: Rates) -> Losses {
        self.network.set_std(std);
        let (seed, samples) = (self.config.seed, self.config.train.samples);
        let (count, episodes) = (pieces(batch.len(), samples), batch.len() * samples);
        self.tapes.resize_with(count.max(self.tapes.len()), Tape::new);
        let (tapes, pieces) = (&mut self.tapes[..count], &mut self.pieces);
        pieces.resize_with(count.max(pieces.len()), || Piece {
            recorder: self.task.recorder(&self.config),
            losses: Losses::default(),
        });
        let (network, params) = (&self.network, &self.params);
        tapes.par_iter_mut().zip(&mut pieces[..count]).enumerate().for_each(|(i, (tape, piece))| {
            let range = i * batch.len() / count..(i + 1) * batch.len() / count;
            let inputs = Inputs::of_batch(batch, range, seed, epoch, samples);
            let t = tape.begin(params);
            let recorded = piece.recorder.record(&t, network, &inputs, episodes);
            recorded.loss.total.sweep();
            piece.losses = Losses { error: recorded.errors, ..Losses::of(&recorded.loss) };
        });
        gradients(&self.params, &self.tapes[..count], &mut self.grads);
        let clip = self.config.optimiser.clip as f32;
        let norm = optim::clip(&mut self.grads, if clip > 0.0 { clip } else { f32::INFINITY });
        self.optimiser.step(&mut self.params, &self.grads, learning_rate as f32);

        // The losses of the pieces are added in the order of the pieces.
        let mut losses = self.pieces[..count].iter().fold(Losses::default(), |sum, piece| sum.plus(&piece.losses));
        losses.reward /= episodes as f64;
        losses.error /= episodes as f64;
        losses.grad_norm = f64::from(norm);
        losses
    }
}

/// The number of pieces of a batch: at least two, if there are two inputs. The samples of an input stay together.
fn pieces(batch: usize, samples: usize) -> usize {
    (batch * samples).div_ceil(PIECE).max(2).min(batch.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_at_most_32_episodes_and_keep_the_samples_of_an_image_together() {
        assert_eq!([0, 1, 2, 64, 65].map(|batch| pieces(batch, 1)), [1, 1, 2, 2, 3]);
        assert_eq!([(16, 4), (17, 4), (3, 64)].map(|(batch, samples)| pieces(batch, samples)), [2, 3, 3]);
    }
}
