//! A training step: a batch in, better parameters out.
//!
//! The batch is cut into pieces, as many as its size alone decides; each is recorded and swept on a tape of its own, in
//! parallel; then the gradients of all are added in one chain over all images, the norm is clipped and the optimiser
//! steps. So the parameters are the same for any number of threads. From the second step on nothing is allocated.

use std::ops::Range;

use autograd::optim::{self, Adam, Optimiser, Sgd};
use autograd::{Grads, Params, Shape, Tape, gradients};
use datasets::Batch;
use datasets::rng::{Key, Purpose};
use rayon::prelude::*;

use crate::comparators::Comparator;
use crate::config::{Config, LossKind, ModelKind, OptimiserKind, Reward, Source};
use crate::environments::{Catch, Environment};
use crate::losses::Losses;
use crate::model::agent::{Draws, Mode, Screens};
use crate::model::{Agent, Images};
use crate::reinforce::{self, LossTerms, Weights};
use crate::schedule::Rates;

/// Episodes in a piece of the batch, at most, unless one image has more.
const PIECE: usize = 32;

/// What learns to classify.
#[derive(Clone, Debug)]
pub enum Network {
    /// The recurrent attention model.
    Agent(Box<Agent>),
    /// A network that sees the whole image.
    Comparator(Comparator),
    /// The recurrent attention model as a player of Catch, and its action network's choices.
    Player(Box<Agent>),
}

impl Network {
    /// A new network of the configuration's kind, weights drawn from its seed.
    pub fn new(params: &mut Params<f32>, config: &Config, channels: usize, classes: usize) -> Network {
        let mut rng = Key { seed: config.seed, purpose: Purpose::Weights, epoch: 0, sample: 0 }.stream();
        match config.model.kind {
            ModelKind::Ram if config.data.source == Source::Catch => {
                Network::Player(Box::new(Agent::new(params, config, channels, classes, &mut rng)))
            }
            ModelKind::Ram => Network::Agent(Box::new(Agent::new(params, config, channels, classes, &mut rng))),
            _ => Network::Comparator(Comparator::new(params, config, channels, classes, &mut rng)),
        }
    }
}

/// A network, its parameters, and what is needed to improve them.
pub struct Learner {
    config: Config,
    network: Network,
    /// The parameters.
    pub params: Params<f32>,
    grads: Grads<f32>,
    /// Its moments are the rest of a checkpoint.
    pub optimiser: Box<dyn Optimiser<f32> + Send>,
    tapes: Vec<Tape<f32>>,
    pieces: Vec<Piece>,
}

/// What a piece of the batch keeps from step to step.
#[derive(Default)]
struct Piece {
    draws: Draws<f32>,
    games: Vec<Catch>,
    screens: Screens<f32>,
    /// The images and labels of several samples an image.
    pixels: Vec<u8>,
    labels: Vec<u32>,
    found: Losses,
}

impl Learner {
    /// A new network with weights from the configuration's seed.
    pub fn new(config: &Config, channels: usize, classes: usize) -> Learner {
        let mut params = Params::new();
        let network = Network::new(&mut params, config, channels, classes);
        let o = &config.optimiser;
        let optimiser: Box<dyn Optimiser<f32> + Send> = match o.kind {
            OptimiserKind::Adam => Box::new(Adam::with_constants(&params, o.beta1, o.beta2, o.epsilon)),
            OptimiserKind::Sgd => Box::new(Sgd::new(&params, o.momentum as f32, false)),
            OptimiserKind::Nesterov => Box::new(Sgd::new(&params, o.momentum as f32, true)),
        };
        let grads = params.zeros();
        Learner { config: config.clone(), network, params, grads, optimiser, tapes: Vec::new(), pieces: Vec::new() }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// One step on a batch of `epoch`, with this learning rate; the losses before it. Runs on the current rayon pool.
    pub fn step(&mut self, batch: &Batch, epoch: u64, Rates { learning_rate, std }: Rates) -> Losses {
        if let Network::Agent(agent) | Network::Player(agent) = &mut self.network {
            agent.set_std(std);
        }
        let samples = self.config.train.samples;
        let count = pieces(batch.len(), samples);
        if self.tapes.len() < count {
            self.tapes.resize_with(count, Tape::new);
            self.pieces.resize_with(count, Piece::default);
        }
        let (config, network, params) = (&self.config, &self.network, &self.params);
        let work = self.tapes[..count].par_iter_mut().zip(&mut self.pieces[..count]).enumerate();
        work.for_each(|(i, (tape, piece))| {
            let range = i * batch.len() / count..(i + 1) * batch.len() / count;
            sweep(config, network, params, tape, piece, batch, range, epoch);
        });
        gradients(&self.params, &self.tapes[..count], &mut self.grads);
        let max = if config.optimiser.clip > 0.0 { config.optimiser.clip as f32 } else { f32::INFINITY };
        let norm = optim::clip(&mut self.grads, max);
        self.optimiser.step(&mut self.params, &self.grads, learning_rate as f32);

        // Sums of pieces, in their order.
        let mut losses = self.pieces[..count].iter().fold(Losses::default(), |sum, piece| sum.plus(&piece.found));
        let episodes = (batch.len() * samples) as f64;
        losses.reward /= episodes;
        losses.error /= episodes;
        losses.grad_norm = f64::from(norm);
        losses
    }
}

/// How many pieces a batch is cut into: two at least, where there are two images. The samples of an image stay together.
fn pieces(batch: usize, samples: usize) -> usize {
    (batch * samples).div_ceil(PIECE).max(2).min(batch.max(1))
}

/// Records a piece of the batch, finds its loss and sweeps its tape.
#[allow(clippy::too_many_arguments)]
fn sweep(
    config: &Config,
    network: &Network,
    params: &Params<f32>,
    tape: &mut Tape<f32>,
    Piece { draws, games, screens, pixels, labels: copied, found }: &mut Piece,
    batch: &Batch,
    range: Range<usize>,
    epoch: u64,
) {
    let (samples, mut labels) = (&batch.samples[range.clone()], &batch.labels[range.clone()]);
    let weights = Weights::new(config);
    // M of eqs. (1) and (2): each image is looked at so many times.
    let copies = config.train.samples;
    let (here, all) = (copies * range.len(), copies * batch.len());
    if let Network::Agent(agent) | Network::Player(agent) = network {
        draws.draw_copies(agent, config.policy.first, Mode::Train, config.seed, epoch, samples, copies);
    }
    let t = tape.begin(params);
    if let Network::Player(agent) = network {
        begin_games(games, config.data.size, config.seed, epoch, samples, copies);
        let play = agent.play(&t, games, draws, screens, |_, _| {});
        let loss = reinforce::play_loss(&play, &screens.rewards, weights, &config.loss, all);
        loss.total.sweep();
        let caught: f64 = screens.rewards.iter().map(|&r| f64::from(r)).sum();
        *found = Losses { error: here as f64 - caught, ..losses(&loss) };
        return;
    }
    let image = batch.channels * batch.height * batch.width;
    let mut data = &batch.pixels[range.start * image..range.end * image];
    if copies > 1 {
        pixels.clear();
        data.chunks_exact(image).for_each(|x| (0..copies).for_each(|_| pixels.extend_from_slice(x)));
        copied.clear();
        copied.extend(labels.iter().flat_map(|&label| std::iter::repeat_n(label, copies)));
        (data, labels) = (pixels, copied);
    }
    let images = Images::Pixels { data, shape: Shape::new(&[here, batch.channels, batch.height, batch.width]) };
    let (logits, loss) = match network {
        Network::Agent(agent) => {
            let episode = agent.look(&t, images, draws);
            let loss = match config.loss.kind {
                LossKind::Hybrid => {
                    let sampled = (config.loss.reward == Reward::Sampled).then_some(&*draws.class);
                    reinforce::hybrid_loss(&episode, labels, weights, sampled, all)
                }
                LossKind::Reinforce => reinforce::reinforce_loss(&episode, labels, weights, &draws.class, all),
            };
            (episode.logits, loss)
        }
        Network::Comparator(comparator) => {
            let logits = comparator.logits(&t, images);
            (logits, reinforce::supervised_loss(logits, labels, all))
        }
        Network::Player(_) => unreachable!("it plays games"),
    };
    loss.total.sweep();

    let classes = logits.shape().columns();
    let wrong = |(logits, &label): (&[f32], &u32)| crate::model::action::argmax_of(logits) != label as usize;
    let error = logits.value().chunks_exact(classes).zip(labels).filter(|&pair| wrong(pair)).count() as f64;
    *found = Losses { error, ..losses(&loss) };
}

/// The terms of a loss, and the sum of the rewards.
fn losses(loss: &LossTerms<f32>) -> Losses {
    let item = |term: Option<autograd::Var<f32>>| term.map_or(0.0, |term| f64::from(term.item()));
    Losses {
        classification: item(Some(loss.classification)),
        location: item(loss.location),
        baseline: item(loss.baseline),
        total: item(Some(loss.total)),
        reward: loss.reward.value().iter().map(|&r| f64::from(r)).sum(),
        ..Losses::default()
    }
}

/// New games, by (seed, epoch, number); so many copies of each, next to each other.
pub(crate) fn begin_games(games: &mut Vec<Catch>, size: usize, seed: u64, epoch: u64, samples: &[u32], copies: usize) {
    games.resize_with(samples.len() * copies, || Catch::new(size).expect("a checked size"));
    for (i, game) in games.iter_mut().enumerate() {
        let sample = samples[i / copies];
        game.reset(&mut Key { seed, purpose: Purpose::Game, epoch, sample: u64::from(sample) }.stream());
    }
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
