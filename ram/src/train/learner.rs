//! A training step, which improves the parameters with a batch.
//!
//! The batch is cut into pieces, each of which is recorded and swept on its own tape, in parallel. Then the gradients of all
//! pieces are added in one chain over all images, the norm is clipped and the optimiser makes its step. The reported losses are
//! chains over all images as well. So neither the parameters nor any figure shows how the batch was cut, and the cut
//! can follow the number of threads. From the second step on nothing is allocated.

use std::sync::Arc;

use autograd::optim::{self, Adam, Optimiser, Sgd};
use autograd::{Grads, NotFinite, ParamId, Params, Tape, gradients};
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
            OptimiserKind::Adam => {
                let adam = Adam::with_constants(&params, o.beta1, o.beta2, o.epsilon);
                Box::new(adam.with_weight_decay(o.weight_decay))
            }
            OptimiserKind::Sgd | OptimiserKind::Nesterov => {
                let sgd = Sgd::new(&params, o.momentum as f32, o.kind == OptimiserKind::Nesterov);
                Box::new(sgd.with_weight_decay(o.weight_decay))
            }
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

    /// Makes one step on a batch of `epoch` and returns the losses before the step. It runs on the current rayon pool. If a loss or
    /// the gradient's norm is not finite, the parameters and the moments stay as they are, and [`Learner::blame`] says why.
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
        // One chain over all episodes.
        let each = self.pieces[..count].iter().flat_map(|piece| &piece.losses);
        let losses = each.fold(Losses::default(), |sum, episode| sum.plus(episode));
        let losses = Losses { grad_norm: f64::from(norm), ..losses };
        if losses.not_finite().is_none() {
            self.optimiser.step(&mut self.params, &self.grads, learning_rate as f32);
        }
        losses
    }

    /// Where the last step computed a number that is not finite: the operation and its place, and the parameter with such a gradient.
    /// It is for steps whose losses are not finite.
    pub fn blame(&self) -> String {
        let bad = |values: &[f32]| values.iter().any(|x| !x.is_finite());
        let place = self.tapes.iter().find_map(Tape::first_not_finite).map(|found| {
            let what = if found.is_gradient { "the gradient of " } else { "" };
            let NotFinite { operation, shape, found, made_at, .. } = found;
            format!("first in {what}{operation} {shape}, which holds {found} ({made_at})")
        });
        let param = self.params.ids().find(|&id| bad(self.grads.get(id)));
        let param = param.map(|id| format!("the gradient of parameter {} is not finite", self.params.name(id)));
        [place, param].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The first parameter that holds a number which is not finite.
    pub fn broken_parameter(&self) -> Option<&str> {
        let broken = |id: &ParamId| self.params.get(*id).iter().any(|x| !x.is_finite());
        self.params.ids().find(broken).map(|id| self.params.name(id))
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
    use crate::config::Base;
    use crate::tasks;

    /// A broken weight makes a step's losses not finite. Then nothing is changed, and the fault is traced to where it began; a
    /// gradient alone that is not finite is traced as well.
    #[test]
    fn a_step_that_is_not_finite_changes_nothing_and_is_explained() {
        let sets = ["data.train=8", "data.validation=8", "train.batch=8", "optimiser.clip=0"].map(str::to_owned);
        let config = Config::load(Base::Preset("demo"), &sets).unwrap();
        let task = tasks::named(&config).unwrap();
        let mut data = task.training(&config, None).unwrap();
        let mut learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        data.batches.begin(0, 0);
        let batch = data.batches.next_batch().unwrap().unwrap();
        let rates = Rates { learning_rate: 1e-3, std: 0.1 };
        assert!(learner.step(batch, 0, rates).not_finite().is_none());
        assert_eq!((learner.blame(), learner.broken_parameter()), (String::new(), None));

        let before = learner.params.clone();
        let id = learner.params.find("action.weight").unwrap();
        learner.params.change(id, |w| w[0] = f32::NAN);
        assert_eq!(learner.broken_parameter(), Some("action.weight"));
        let losses = learner.step(batch, 0, rates);
        let (term, _) = losses.not_finite().unwrap();
        assert_eq!(term, "classification term of the loss", "{losses:?}");
        let blame = learner.blame();
        for part in
            ["first in linear [", ", 10], which holds NaN (ram/src/tasks/classify.rs:", "the gradient of parameter "]
        {
            assert!(blame.contains(part), "{blame}");
        }
        learner.params.change(id, |w| w[0] = before.get(id)[0]);
        for id in before.ids() {
            assert_eq!(before.get(id), learner.params.get(id), "{}", before.name(id));
        }
    }

    /// Every rule takes the weight decay of the configuration: after one step, η·λ·θ of a parameter is missing.
    #[test]
    fn the_weight_decay_is_that_of_the_configuration() {
        for kind in ["adam", "sgd", "nesterov"] {
            let step = |decay: f32| {
                let sets = ["data.train=8", "data.validation=8", "train.batch=8"].map(str::to_owned);
                let of_rule = [format!("optimiser.kind={kind}"), format!("optimiser.weight_decay={decay}")];
                let config = Config::load(Base::Preset("demo"), &[&sets[..], &of_rule].concat()).unwrap();
                let task = tasks::named(&config).unwrap();
                let mut data = task.training(&config, None).unwrap();
                let mut learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
                let start = learner.params.clone();
                data.batches.begin(0, 0);
                let batch = data.batches.next_batch().unwrap().unwrap();
                learner.step(batch, 0, Rates { learning_rate: 0.1, std: 0.1 });
                (start, learner.params)
            };
            let ((start, without), (_, with)) = (step(0.0), step(0.5));
            for id in start.ids() {
                for ((&theta, &without), &with) in start.get(id).iter().zip(without.get(id)).zip(with.get(id)) {
                    let missing = without - with;
                    assert!((missing - 0.05 * theta).abs() < 1e-6, "{kind}, {}: {missing} of {theta}", start.name(id));
                }
            }
        }
    }

    /// An image's reward is 1 for a right answer, and a game's is its share of the best return: what is missing is the error, also of
    /// several episodes of each input.
    #[test]
    fn the_error_is_what_the_reward_leaves() {
        let sets =
            ["data.train=60", "data.validation=8", "train.batch=60", "loss.reward=argmax", "loss.returns=episode"];
        for (base, more) in [
            (Base::Preset("demo"), &["loss.early_weight=0", "train.samples=1"][..]),
            (Base::Preset("demo"), &["train.samples=3"]),
            (Base::Experiment("catch"), &["data.test=8", "train.samples=1"]),
            (Base::Experiment("catch"), &["data.test=8", "train.samples=3"]),
        ] {
            let sets: Vec<String> = sets.iter().chain(more).map(|&set| set.to_owned()).collect();
            let config = Config::load(base, &sets).unwrap();
            let task = tasks::named(&config).unwrap();
            let mut data = task.training(&config, None).unwrap();
            let mut learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
            data.batches.begin(0, 0);
            let batch = data.batches.next_batch().unwrap().unwrap();
            let Losses { error, reward, .. } = learner.step(batch, 0, Rates { learning_rate: 1e-3, std: 0.1 });
            assert!(reward > 0.0 && (error + reward - 1.0).abs() < 1e-6, "{base:?}, {sets:?}: {error} and {reward}");
        }
    }

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
