//! A training step, which improves the parameters with a batch.
//!
//! The batch is cut into pieces, each of which is recorded and swept on its own tape, in parallel. Then the gradients of all
//! pieces are added in one chain over all images, the norm is clipped and the optimiser makes its step. The reported losses are
//! chains over all images as well. So neither the parameters nor any figure shows how the batch was cut, and the cut
//! can follow the number of threads. From the second step on nothing is allocated.

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
use crate::threads::awake;

/// The largest number of episodes in a piece of the batch, unless a single input has more. The variables of more episodes would
/// leave the cache between forward and backward.
const LARGEST_PIECE: usize = 128;

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
    /// The number of episodes in a piece, if it is not left to the learner.
    episodes_in_piece: Option<usize>,
}

/// The memory of a piece of the batch, which is kept from step to step.
struct Piece {
    recorder: Box<dyn Recorder>,
    /// What each episode adds to the losses.
    losses: Vec<Losses>,
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
            episodes_in_piece: None,
        }
    }

    /// Cuts batches into pieces of at most so many episodes, or as the learner thinks best if it is `None`. This changes speed and
    /// memory, but no bit of the parameters or the losses.
    pub fn cut(&mut self, episodes_in_piece: Option<usize>) {
        self.episodes_in_piece = episodes_in_piece;
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Makes one step on a batch of `epoch` and returns the losses before the step. It runs on the current rayon pool.
    pub fn step(&mut self, batch: &Batch, epoch: u64, rates: Rates) -> Losses {
        awake(|| self.step_awake(batch, epoch, rates))
    }

    fn step_awake(&mut self, batch: &Batch, epoch: u64, Rates { learning_rate, std }: Rates) -> Losses {
        self.network.set_std(std);
        let (seed, samples) = (self.config.seed, self.config.train.samples);
        let count = match self.episodes_in_piece {
            Some(most) => pieces(batch.len(), samples, most, 1),
            None => pieces(batch.len(), samples, LARGEST_PIECE, rayon::current_num_threads()),
        };
        let episodes = batch.len() * samples;
        self.tapes.resize_with(count.max(self.tapes.len()), Tape::new);
        let (tapes, pieces) = (&mut self.tapes[..count], &mut self.pieces);
        pieces.resize_with(count.max(pieces.len()), || Piece {
            recorder: self.task.recorder(&self.config),
            losses: Vec::new(),
        });
        let (network, params) = (&self.network, &self.params);
        tapes.par_iter_mut().zip(&mut pieces[..count]).enumerate().for_each(|(i, (tape, piece))| {
            let range = i * batch.len() / count..(i + 1) * batch.len() / count;
            let inputs = Inputs::of_batch(batch, range, seed, epoch, samples);
            let t = tape.begin(params);
            let recorded = piece.recorder.record(&t, network, &inputs, episodes);
            recorded.loss.total.sweep();
            piece.losses.clear();
            recorded.loss.each(episodes, |i, losses| {
                let error = piece.recorder.error(&recorded.observed, i) / episodes as f64;
                piece.losses.push(Losses { error, ..losses });
            });
        });
        gradients(&self.params, &self.tapes[..count], &mut self.grads);
        let clip = self.config.optimiser.clip.min(f64::from(f32::MAX)) as f32;
        let norm = if clip > 0.0 { optim::clip(&mut self.grads, clip) } else { self.grads.norm() };
        self.optimiser.step(&mut self.params, &self.grads, learning_rate as f32);

        // One chain over all episodes.
        let each = self.pieces[..count].iter().flat_map(|piece| &piece.losses);
        let losses = each.fold(Losses::default(), |sum, episode| sum.plus(episode));
        Losses { grad_norm: f64::from(norm), ..losses }
    }
}

/// Into how many pieces of at most `most` episodes a batch is cut: as many for each thread, if there are enough inputs. The
/// samples of an input stay together.
fn pieces(inputs: usize, samples: usize, most: usize, threads: usize) -> usize {
    (inputs * samples).div_ceil(most).next_multiple_of(threads).min(inputs.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_has_as_many_pieces_and_the_samples_of_an_image_stay_together() {
        assert_eq!([0, 1, 2, 64, 65, 129].map(|batch| pieces(batch, 1, 64, 2)), [0, 1, 2, 2, 2, 4]);
        assert_eq!(
            [(20, 1), (20, 16), (128, 16), (512, 2)].map(|(batch, threads)| pieces(batch, 1, 64, threads)),
            [1, 16, 16, 8]
        );
        assert_eq!([(16, 4), (17, 4), (3, 64)].map(|(batch, samples)| pieces(batch, samples, 64, 1)), [1, 2, 3]);
    }
}
