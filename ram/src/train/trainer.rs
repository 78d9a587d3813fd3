//! The training loop: epochs of steps, validation after each, checkpoints from which a run goes on bit for bit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use autograd::Params;

use super::learner::Learner;
use crate::config::Config;
use crate::error::RamError;
use crate::evaluate::evaluator::evaluate_on;
use crate::evaluate::trained::Subject;
use crate::evaluation::Evaluation;
use crate::losses::Losses;
use crate::runs::checkpoint::{self, Checkpoint, PARAMS, Tensor, TrainState};
use crate::runs::metrics::{EpochMetrics, Timing};
use crate::runs::run_folder::RunFolder;
use crate::schedule::{Rates, rates};
use crate::split::SplitName;
use crate::tasks::{self, Task, Training, check_classes};
use crate::threads::Threads;

/// Is told how the training goes on.
pub trait Progress: Send {
    /// After a step: `epoch` of `epochs` and `step` of `steps`, from 1, over so many images.
    fn step(&mut self, epoch: usize, epochs: usize, step: usize, steps: usize, images: usize, losses: &Losses);
    /// After an epoch and its validation: how many seconds it took, and training images a second.
    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, images_per_second: f64);
}

/// Nobody is told.
impl Progress for () {
    fn step(&mut self, _: usize, _: usize, _: usize, _: usize, _: usize, _: &Losses) {}
    fn epoch(&mut self, _: &EpochMetrics, _: f64, _: f64) {}
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs that were asked for are done, or patience ran out.
    Finished {
        /// The lowest validation error.
        best_error: f64,
        /// After which epoch, from 1.
        best_epoch: usize,
    },
    /// It was stopped, and saved.
    Interrupted {
        /// The epoch under way, from 1.
        epoch: usize,
        /// The steps of it that are done.
        step: usize,
    },
}

/// Trains a network as a configuration says.
pub struct Trainer {
    config: Config,
    data: Training,
    learner: Learner,
    state: TrainState,
    threads: Threads,
}

impl Trainer {
    /// A new network for the task that the configuration names. `data_dir` is where MNIST lies (else `RAM_DATA_DIR` says);
    /// `threads` is how many threads take part (else one for each core).
    ///
    /// # Errors
    /// A faulty configuration, missing or damaged data, or threads that cannot be started.
    pub fn new(config: Config, data_dir: Option<&Path>, threads: Option<usize>) -> Result<Trainer, RamError> {
        config.validate()?;
        let task = tasks::named(&config)?;
        Trainer::of(task, config, data_dir, threads)
    }

    /// A new network for a task of the caller's own, such as a [`Play`](crate::tasks::Play) of its own game.
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
        let data = task.training(&config, data_dir)?;
        let learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        let state = TrainState { config: config.to_toml(), classes: data.outputs.clone(), ..TrainState::default() };
        Ok(Trainer { config, data, learner, state, threads: Threads::new(threads)? })
    }

    /// Goes on from a checkpoint, to the same bits as if it had never stopped.
    ///
    /// # Errors
    /// As [`Trainer::new`], or a checkpoint of another model.
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

    /// Takes the weights of another run for the new ones; the optimiser and the schedule begin anew. Where the classes differ, by
    /// name or number, the action network stays as it was drawn: the names of its parameters are returned.
    ///
    /// # Errors
    /// [`RamError::Checkpoint`] where another parameter is missing, or of another shape.
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

    /// What was left out of the data, one line each.
    pub fn notes(&self) -> &[String] {
        &self.data.notes
    }

    /// The data at a glance: `1600 training images, 4 classes`.
    pub fn summary(&self) -> &str {
        &self.data.summary
    }

    /// Trains until all epochs are done, patience runs out or `stop` is set; writes into `run`, where there is one.
    ///
    /// # Errors
    /// A loss that is not finite, or a run folder that cannot be written.
    pub fn train(
        &mut self,
        run: Option<&mut RunFolder>,
        stop: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<Outcome, RamError> {
        self.train_until(self.config.train.epochs, run, stop, progress)
    }

    /// As [`Trainer::train`], but pauses after `epochs` epochs, all schedules being those of the whole training: whoever goes on
    /// from there ends in the bits of a training that never paused.
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
        let Trainer { config, data, learner, state, threads } = self;
        let mut training = Loop { config, data, learner, state, run, stop, progress };
        // On the pool from here on: a step's work is then handed out without a lock or an allocation.
        threads.install(|| training.until(epochs))
    }

    /// How the network fares as it is now. A run's best checkpoint is evaluated by
    /// [`evaluate`](crate::evaluate::evaluator::evaluate).
    ///
    /// # Errors
    /// Missing or damaged data.
    pub fn evaluate(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Evaluation, RamError> {
        let Learner { task, params, .. } = &self.learner;
        let examples = task.examples(&self.config, split, data_dir)?;
        check_classes(&self.state.classes, &examples.outputs)?;
        let (config, subject) = (&self.config, Subject { task: &**task, network: self.learner.network(), params });
        Ok(self.threads.install(|| evaluate_on(config, subject, &examples, 1)))
    }

    /// The SHA-256 of the parameters: equal weights, equal hash.
    pub fn weights_hash(&self) -> String {
        let params = &self.learner.params;
        let names = names(PARAMS.trim_end_matches('/'), params);
        checkpoint::weights_hash(tensors(&names, params))
    }
}

/// A training under way.
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
    /// Trains until so many epochs are done, patience runs out, or it is to stop.
    fn until(&mut self, epochs: usize) -> Result<Outcome, RamError> {
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

    /// The rest of an epoch's steps: how many images they had, and the rates of the last one. `None` where it is to stop.
    fn steps(&mut self) -> Result<Option<(usize, Rates)>, RamError> {
        let Loop { config, data, learner, state, stop, progress, .. } = self;
        let (epochs, steps) = (config.train.epochs, data.batches.steps());
        let mut images = 0;
        let mut rate = rates(config, state.optimiser_steps.saturating_sub(1), steps);
        data.batches.begin(state.epoch as u64, state.step);
        while let Some(batch) = data.batches.next_batch()? {
            rate = rates(config, state.optimiser_steps, steps);
            let losses = learner.step(batch, state.epoch as u64, rate);
            check_finite(config, state, &losses)?;
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

    /// Validates after an epoch, and writes down what was found.
    fn end_epoch(&mut self, rates: Rates, begun: Instant, images_per_second: f64) -> Result<(), RamError> {
        let Loop { config, data, learner, state, .. } = self;
        let subject = Subject { task: &*learner.task, network: learner.network(), params: &learner.params };
        let found = evaluate_on(config, subject, &data.validation, 1);
        let seconds = begun.elapsed().as_secs_f64();

        state.epoch += 1;
        state.step = 0;
        let train = std::mem::take(&mut state.running).mean();
        let metrics = EpochMetrics::new(config, state.epoch, state.optimiser_steps, rates, train, &found);
        let is_better = state.best_error.is_none_or(|best| found.error < best);
        if is_better {
            (state.best_error, state.best_epoch, state.epochs_since_best) = (Some(found.error), Some(state.epoch), 0);
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

    /// Saves a checkpoint, as the best one too if `is_best`.
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

/// # Errors
/// [`RamError::Diverged`] where the loss or the gradient is not finite.
fn check_finite(config: &Config, state: &TrainState, losses: &Losses) -> Result<(), RamError> {
    if losses.total.is_finite() && losses.grad_norm.is_finite() {
        return Ok(());
    }
    let clip = match config.optimiser.clip {
        0.0 => "optimiser.clip=1".to_owned(),
        clip => format!("a lower optimiser.clip (it is {clip})"),
    };
    Err(RamError::Diverged(format!(
        "epoch {}, step {}: the loss is {} and the gradient's norm {}; try a lower optimiser.learning_rate (it is {}) or {clip}",
        state.epoch + 1,
        state.step + 1,
        losses.total,
        losses.grad_norm,
        config.optimiser.learning_rate,
    )))
}

fn names(kind: &str, params: &Params<f32>) -> Vec<String> {
    params.ids().map(|id| format!("{kind}/{}", params.name(id))).collect()
}

fn tensors<'a>(names: &'a [String], params: &'a Params<f32>) -> impl Iterator<Item = Tensor<'a>> {
    names.iter().zip(params.ids()).map(|(name, id)| Tensor { name, shape: params.axes(id), data: params.get(id) })
}

/// Hands all tensors of a checkpoint — parameters and moments — to `write`.
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
