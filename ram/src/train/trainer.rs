//! The training loop: epochs of steps, a validation after each epoch, and checkpoints from which a run continues bit for bit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use autograd::Params;

use super::learner::Learner;
use crate::config::Config;
use crate::error::RamError;
use crate::evaluate::evaluator::evaluate_on;
use crate::evaluate::trained::Subject;
use crate::evaluation::Evaluation;
use crate::losses::Losses;
use crate::memory;
use crate::runs::checkpoint::{self, Checkpoint, PARAMS, Tensor, TrainState};
use crate::runs::metrics::{EpochMetrics, Timing};
use crate::runs::run_folder::RunFolder;
use crate::schedule::{Rates, rates};
use crate::split::SplitName;
use crate::tasks::{self, Task, Training, check_classes};
use crate::threads::Threads;

/// How many trainings of this process are under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Whether a training of this process is under way, which means that it would save its state if it were asked to stop. A program
/// that is told to end need not wait otherwise, for example while data are made.
pub fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::SeqCst) > 0
}

/// Counts a training as long as it lives.
struct UnderWay;

impl UnderWay {
    fn new() -> UnderWay {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        UnderWay
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Observes the progress of a training.
pub trait Progress: Send {
    /// Is called after a step over `images` images: `epoch` of `epochs` and `step` of `steps`, both counted from 1.
    fn step(&mut self, epoch: usize, epochs: usize, step: usize, steps: usize, images: usize, losses: &Losses);
    /// Is called after an epoch and its validation, with the seconds that it took and the training images per second.
    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, images_per_second: f64);
}

/// Ignores the progress.
impl Progress for () {
    fn step(&mut self, _: usize, _: usize, _: usize, _: usize, _: usize, _: &Losses) {}
    fn epoch(&mut self, _: &EpochMetrics, _: f64, _: f64) {}
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// All requested epochs are done, or patience ran out.
    Finished {
        /// The validation error of the best epoch; with `data.train_on_validation`, of the last one.
        best_error: f64,
        /// That epoch, from 1.
        best_epoch: usize,
    },
    /// The training was stopped and saved.
    Interrupted {
        /// The current epoch, from 1.
        epoch: usize,
        /// The number of steps in this epoch that are done.
        step: usize,
    },
}

/// Trains the network of a configuration.
pub struct Trainer {
    config: Config,
    data: Training,
    learner: Learner,
    state: TrainState,
    threads: Threads,
}

impl Trainer {
    /// A new network for the task that the configuration names. `data_dir` is the folder of MNIST's files (default:
    /// `RAM_DATA_DIR`); `threads` is the number of threads (default: one for each core).
    ///
    /// # Errors
    /// The configuration is faulty or needs more memory than there is, data are missing or damaged, or threads cannot be started.
    pub fn new(config: Config, data_dir: Option<&Path>, threads: Option<usize>) -> Result<Trainer, RamError> {
        config.validate()?;
        let task = tasks::named(&config)?;
        Trainer::of(task, config, data_dir, threads)
    }

    /// A new network for the caller's own task, such as a [`Play`](crate::tasks::Play) of another game.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn of(
        task: Arc<dyn Task>,
        config: Config,
        data_dir: Option<&Path>,
        threads: Option<usize>,
    ) -> Result<Trainer, RamError> {
        config.validate()?;
        memory::check_images(&config)?;
        let data = task.training(&config, data_dir)?;
        memory::check_network(&config, [data.channels, data.outputs.len()], task.decisions())?;
        let learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        let state = TrainState { config: config.to_toml(), classes: data.outputs.clone(), ..TrainState::default() };
        Ok(Trainer { config, data, learner, state, threads: Threads::new(threads)? })
    }

    /// Continues from a checkpoint, with the same bits as a training that never stopped.
    ///
    /// # Errors
    /// As [`Trainer::new`], or the checkpoint belongs to another model.
    pub fn resume(
        config: Config,
        checkpoint: Checkpoint,
        data_dir: Option<&Path>,
        threads: Option<usize>,
    ) -> Result<Trainer, RamError> {
        let mut trainer = Trainer::new(config, data_dir, threads)?;
        trainer.restore(checkpoint)?;
        Ok(trainer)
    }

    /// Takes weights, moments and progress of a checkpoint of the same configuration, to go on from there. This is how the
    /// training of a task of the caller's own is resumed.
    ///
    /// # Errors
    /// [`RamError::Data`] where the classes differ, or [`RamError::Checkpoint`] where a parameter is missing or of another shape.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), RamError> {
        check_classes(&checkpoint.state.classes, &self.state.classes)?;
        let Learner { params, optimiser, .. } = &mut self.learner;
        let moments: Vec<&str> = optimiser.moments().iter().map(|(name, _)| *name).collect();
        let all: Vec<(String, Vec<usize>)> = std::iter::once("params")
            .chain(moments.iter().copied())
            .flat_map(|kind| params.ids().map(move |id| (kind, id)))
            .map(|(kind, id)| (format!("{kind}/{}", params.name(id)), params.axes(id).to_vec()))
            .collect();
        checkpoint.expect(all.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))?;
        checkpoint.restore(params)?;
        for (kind, moment) in optimiser.moments() {
            for id in params.ids() {
                let name = format!("{kind}/{}", params.name(id));
                moment.get_mut(id).copy_from_slice(checkpoint.tensor(&name, params.axes(id))?);
            }
        }
        optimiser.resume_at(checkpoint.state.optimiser_steps);
        self.state = checkpoint.state;
        Ok(())
    }

    /// Takes the weights of another run as initial weights; the optimiser and the schedule start from the beginning. If the names
    /// or the number of the classes differ, the action network keeps its random weights, and the names of its parameters are
    /// returned.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] if any other parameter is missing or has another shape.
    pub fn begin_from(&mut self, checkpoint: &Checkpoint) -> Result<Vec<String>, RamError> {
        let params = &mut self.learner.params;
        let same = checkpoint.state.classes == self.state.classes;
        let (drawn, taken): (Vec<_>, Vec<_>) =
            params.ids().partition(|&id| !same && params.name(id).starts_with("action."));
        for &id in &taken {
            let name = params.name(id).to_owned();
            let values = checkpoint.tensor(&format!("{PARAMS}{name}"), params.axes(id)).map_err(|_| {
                let stored = checkpoint.tensors.get(&format!("{PARAMS}{name}"));
                let found = stored.map_or("is not there".to_owned(), |stored| format!("is {:?}", stored.shape));
                let keys = checkpoint.config().map(|other| other.differences(&self.config)).unwrap_or_default();
                let keys: Vec<_> = keys.into_iter().filter(|key| key.starts_with("model.") || key.starts_with("data.")).collect();
                RamError::checkpoint(
                    &checkpoint.path,
                    format!(
                        "cannot be begun from: {name} {found}, expected {:?}, and only the action network may differ; the \
                         configurations (its, this one's) differ in {}",
                        params.axes(id),
                        keys.join("; ")
                    ),
                )
            })?;
            params.change(id, |theta| theta.copy_from_slice(values));
        }
        Ok(drawn.into_iter().map(|id| params.name(id).to_owned()).collect())
    }

    /// Cuts each batch into pieces of at most so many episodes, or as the trainer thinks best if it is `None`; see [`Learner::cut`].
    pub fn cut(&mut self, episodes_in_piece: Option<usize>) {
        self.learner.cut(episodes_in_piece);
    }

    /// What was left out of the data, with one line for each item.
    pub fn notes(&self) -> &[String] {
        &self.data.notes
    }

    /// The data at a glance: `1600 training images, 4 classes`.
    pub fn summary(&self) -> &str {
        &self.data.summary
    }

    /// Trains until all epochs are done, patience runs out or `stop` is set. Writes metrics and checkpoints into `run`, if given.
    ///
    /// # Errors
    /// The loss is not finite, or the run folder cannot be written.
    pub fn train(
        &mut self,
        run: Option<&mut RunFolder>,
        stop: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<Outcome, RamError> {
        self.train_until(self.config.train.epochs, run, stop, progress)
    }

    /// As [`Trainer::train`], but pauses after `epochs` epochs. The schedules are those of the whole training, so a training that
    /// continues after the pause ends with the same bits as one without a pause.
    ///
    /// # Errors
    /// As [`Trainer::train`].
    pub fn train_until(
        &mut self,
        epochs: usize,
        run: Option<&mut RunFolder>,
        stop: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<Outcome, RamError> {
        let _under_way = UnderWay::new();
        let Trainer { config, data, learner, state, threads } = self;
        let mut training = Loop { config, data, learner, state, run, stop, progress };
        // The loop itself runs on the pool, so that a step distributes its work without a lock or an allocation.
        threads.install(|| training.until(epochs))
    }

    /// Evaluates the network with its current weights. The function [`evaluate`](crate::evaluate::evaluator::evaluate) does this
    /// for a checkpoint.
    ///
    /// # Errors
    /// Data are missing or damaged.
    pub fn evaluate(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Evaluation, RamError> {
        let Learner { task, params, .. } = &self.learner;
        let examples = task.examples(&self.config, split, data_dir)?;
        check_classes(&self.state.classes, &examples.outputs)?;
        let (config, subject) = (&self.config, Subject { task: &**task, network: self.learner.network(), params });
        Ok(self.threads.install(|| evaluate_on(config, subject, &examples, 1)))
    }

    /// The SHA-256 of the parameters; equal weights have equal hashes.
    pub fn weights_hash(&self) -> String {
        let params = &self.learner.params;
        let names = names(PARAMS.trim_end_matches('/'), params);
        checkpoint::weights_hash(tensors(&names, params))
    }
}

/// A running training.
struct Loop<'a> {
    config: &'a Config,
    data: &'a mut Training,
    learner: &'a mut Learner,
    state: &'a mut TrainState,
    run: Option<&'a mut RunFolder>,
    stop: &'a AtomicBool,
    progress: &'a mut dyn Progress,
}

impl Loop<'_> {
    /// Trains until `epochs` epochs are done, patience runs out, or `stop` is set.
    fn until(&mut self, epochs: usize) -> Result<Outcome, RamError> {
        self.save_first()?;
        let patience = self.config.train.patience;
        let out_of_patience = |state: &TrainState| patience > 0 && state.epochs_since_best >= patience;
        while self.state.epoch < self.config.train.epochs.min(epochs) && !out_of_patience(self.state) {
            let begun = Instant::now();
            let Some((images, last_rates)) = self.steps()? else {
                self.save(false)?;
                return Ok(Outcome::Interrupted { epoch: self.state.epoch + 1, step: self.state.step });
            };
            let images_per_second = images as f64 / begun.elapsed().as_secs_f64();
            self.end_epoch(last_rates, begun, images_per_second)?;
        }
        let (best_error, best_epoch) = (self.state.best_error.unwrap_or(1.0), self.state.best_epoch.unwrap_or(0));
        Ok(Outcome::Finished { best_error, best_epoch })
    }

    /// Makes the remaining steps of an epoch. Returns their number of images and the rates of the last step, or `None` if `stop`
    /// was set.
    fn steps(&mut self) -> Result<Option<(usize, Rates)>, RamError> {
        let Loop { config, data, learner, state, stop, progress, .. } = self;
        let (epochs, steps) = (config.train.epochs, data.batches.steps());
        let mut images = 0;
        let mut rate = rates(config, state.optimiser_steps.saturating_sub(1), steps);
        data.batches.begin(state.epoch as u64, state.step);
        while let Some(batch) = data.batches.next_batch()? {
            rate = rates(config, state.optimiser_steps, steps);
            let losses = learner.step(batch, state.epoch as u64, rate);
            if let Some((term, found)) = losses.not_finite() {
                let when = format!("epoch {}, step {}", state.epoch + 1, state.step + 1);
                return Err(diverged(config, &when, &format!("the {term} is {found}: {}", learner.blame())));
            }
            state.step += 1;
            state.optimiser_steps += 1;
            state.running.add(&losses, batch.len());
            images += batch.len();
            progress.step(state.epoch + 1, epochs, state.step, steps, batch.len(), &losses);
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        Ok(Some((images, rate)))
    }

    /// Validates after an epoch, and saves the metrics and a checkpoint.
    fn end_epoch(&mut self, rates: Rates, begun: Instant, images_per_second: f64) -> Result<(), RamError> {
        let Loop { config, data, learner, state, .. } = self;
        let subject = Subject { task: &*learner.task, network: learner.network(), params: &learner.params };
        let evaluation = evaluate_on(config, subject, &data.validation, 1);
        let seconds = begun.elapsed().as_secs_f64();

        state.epoch += 1;
        state.step = 0;
        let train = std::mem::take(&mut state.running).mean();
        let metrics = EpochMetrics::new(config, state.epoch, state.optimiser_steps, rates, train, &evaluation);
        // Nothing is written or compared before this: a number that is not finite would count as the best, or break the files.
        let when = format!("after epoch {}", state.epoch);
        if let Some(name) = learner.broken_parameter() {
            return Err(diverged(config, &when, &format!("parameter {name} holds numbers that are not finite")));
        }
        if let Some((name, found)) = metrics.not_finite() {
            return Err(diverged(config, &when, &format!("{name} is {found}")));
        }
        let is_better = metrics.validation.trained_on
            || state.best_cost.or(state.best_error).is_none_or(|best| metrics.cost() < best);
        if is_better {
            (state.best_error, state.best_cost, state.best_epoch, state.epochs_since_best) =
                (Some(evaluation.error), metrics.cost, Some(state.epoch), 0);
        } else {
            state.epochs_since_best += 1;
        }
        if let Some(run) = &mut self.run {
            run.append_metrics(&metrics)?;
            let (threads, kernel) = (rayon::current_num_threads(), autograd::kernels::path().name().to_owned());
            run.append_timing(&Timing { epoch: state.epoch, seconds, images_per_second, threads, kernel })?;
        }
        self.save(is_better)?;
        self.progress.epoch(&metrics, seconds, images_per_second);
        Ok(())
    }

    /// Saves the initial weights of a new run. This shows before the first epoch whether a checkpoint can be written, and a training
    /// that is killed in its first epoch can be resumed.
    fn save_first(&mut self) -> Result<(), RamError> {
        match &self.run {
            Some(run) if !run.has_checkpoint() => self.save(false),
            _ => Ok(()),
        }
    }

    /// Saves a checkpoint, and if `is_best`, also as the best one.
    fn save(&mut self, is_best: bool) -> Result<(), RamError> {
        let Loop { learner, state, run, .. } = self;
        let Some(run) = run else { return Ok(()) };
        save(learner, |tensors| {
            if is_best {
                run.save_best(tensors, state)?;
            }
            run.save_last(tensors, state)
        })
    }
}

/// The error of a training with numbers that are not finite: when, what, and what to do.
fn diverged(config: &Config, when: &str, what: &str) -> RamError {
    let clip = match config.optimiser.clip {
        0.0 => "optimiser.clip=1".to_owned(),
        clip => format!("a lower optimiser.clip (it is {clip})"),
    };
    let rate = config.optimiser.learning_rate;
    RamError::Diverged(format!(
        "{when}: the training diverged, {what}; try a lower optimiser.learning_rate (it is {rate}) or {clip}"
    ))
}

fn names(kind: &str, params: &Params<f32>) -> Vec<String> {
    params.ids().map(|id| format!("{kind}/{}", params.name(id))).collect()
}

fn tensors<'a>(names: &'a [String], params: &'a Params<f32>) -> impl Iterator<Item = Tensor<'a>> {
    names.iter().zip(params.ids()).map(|(name, id)| Tensor { name, shape: params.axes(id), data: params.get(id) })
}

/// Passes all tensors of a checkpoint (parameters and moments) to `write`.
fn save(learner: &mut Learner, write: impl FnOnce(&[Tensor]) -> Result<(), RamError>) -> Result<(), RamError> {
    let Learner { params, optimiser, .. } = learner;
    let params = &*params;
    let moments = optimiser.moments();
    let all: Vec<Vec<String>> = std::iter::once("params")
        .chain(moments.iter().map(|(kind, _)| *kind))
        .map(|kind| names(kind, params))
        .collect();
    let mut list: Vec<Tensor> = tensors(&all[0], params).collect();
    for (names, (_, moment)) in all[1..].iter().zip(&moments) {
        let of_moment = names.iter().zip(params.ids());
        list.extend(of_moment.map(|(name, id)| Tensor { name, shape: params.axes(id), data: moment.get(id) }));
    }
    write(&list)
}
