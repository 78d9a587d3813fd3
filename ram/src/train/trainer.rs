//! The training loop: epochs of steps, validation after each, checkpoints from which a run goes on bit for bit.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use autograd::Params;

use super::learner::Learner;
use crate::config::Config;
use crate::error::RamError;
use crate::evaluate::evaluation::Evaluation;
use crate::losses::Losses;
use crate::runs::checkpoint::{self, Checkpoint, PARAMS, Tensor, TrainState};
use crate::runs::metrics::{EpochMetrics, Timing};
use crate::runs::run_folder::RunFolder;
use crate::schedule::rates;
use crate::split::SplitName;
use crate::tasks::{self as task, Task};

/// Is told how the training goes on.
pub trait Progress: Send {
    /// After a step: `epoch` of `epochs` and `step` of `steps`, from 1, over so many images.
    fn step(&mut self, epoch: usize, epochs: usize, step: usize, steps: usize, images: usize, losses: &Losses);
    /// After an epoch and its validation: how many seconds it took, and training images a second.
    fn epoch(&mut self, metrics: &EpochMetrics, seconds: f64, images_per_second: f64);
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

/// Trains an agent as a configuration says.
pub struct Trainer {
    config: Config,
    task: Task,
    learner: Learner,
    state: TrainState,
    threads: Threads,
}

impl Trainer {
    /// A new agent. `data_dir` is where MNIST lies (else `RAM_DATA_DIR` says); `threads` is how many threads take part
    /// (else one a core).
    ///
    /// # Errors
    /// A configuration that cannot be, missing or damaged data, or no threads to be had.
    pub fn new(config: Config, data_dir: Option<&Path>, threads: Option<usize>) -> Result<Trainer, RamError> {
        config.validate()?;
        let task = Task::open(&config, data_dir)?;
        let [channels, classes] = task.sizes();
        let learner = Learner::new(&config, channels, classes);
        let state = TrainState { config: config.to_toml(), classes: task.classes(), ..TrainState::default() };
        Ok(Trainer { config, task, learner, state, threads: Threads::new(threads)? })
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
        task::check_classes(&checkpoint.state.classes, &trainer.state.classes)?;
        let Learner { params, optimiser, .. } = &mut trainer.learner;
        let moments: Vec<&str> = optimiser.moments().iter().map(|(name, _)| *name).collect();
        let all: Vec<(String, Vec<usize>)> = std::iter::once("params")
            .chain(moments.iter().copied())
            .flat_map(|kind| params.ids().map(move |id| (kind, id)))
            .map(|(kind, id)| (format!("{kind}/{}", params.name(id)), params.axes(id).to_vec()))
            .collect();
        checkpoint.expect(all.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())))?;
        restore(params, &checkpoint)?;
        for (kind, moment) in optimiser.moments() {
            for id in params.ids() {
                let name = format!("{kind}/{}", params.name(id));
                moment.get_mut(id).copy_from_slice(checkpoint.tensor(&name, params.axes(id))?);
            }
        }
        optimiser.resume_at(checkpoint.state.optimiser_steps);
        trainer.state = checkpoint.state;
        Ok(trainer)
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

    /// What was wrong with pictures of one's own that are left out, a line each.
    pub fn notes(&self) -> &[String] {
        self.task.notes()
    }

    /// The data at a glance: `1600 training images, 4 classes`.
    pub fn summary(&self) -> String {
        let [channels, classes] = self.task.sizes();
        match &self.task {
            Task::Images { data, .. } => format!(
                "{} training and {} validation images {size}×{size}, {}, {classes} classes",
                data.train.len(),
                data.validation.set.len(),
                if channels == 3 { "in colour" } else { "grey" },
                size = self.config.data.size,
            ),
            Task::Games { count, .. } => format!("{count} games an epoch"),
        }
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
        let Trainer { config, task, learner, state, threads } = self;
        // On the pool from here on: a step's work is then handed out without a lock or an allocation.
        threads.install(|| train(config, epochs, task, learner, state, run, stop, progress))
    }

    /// The SHA-256 of the parameters: equal weights, equal hash.
    pub fn weights_hash(&self) -> String {
        let params = &self.learner.params;
        let names = names(PARAMS.trim_end_matches('/'), params);
        checkpoint::weights_hash(tensors(&names, params))
    }
}

#[allow(clippy::too_many_arguments)]
fn train(
    config: &Config,
    until: usize,
    task: &mut Task,
    learner: &mut Learner,
    state: &mut TrainState,
    mut run: Option<&mut RunFolder>,
    stop: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Outcome, RamError> {
    let (epochs, steps) = (config.train.epochs, task.steps());
    let out_of_patience =
        |state: &TrainState| config.train.patience > 0 && state.epochs_since_best >= config.train.patience;
    while state.epoch < epochs.min(until) && !out_of_patience(state) {
        let begun = Instant::now();
        let first_step = state.step;
        let mut images = 0;
        let mut rate = rates(config, state.optimiser_steps.saturating_sub(1), steps);
        let mut batches = task.epoch(state.epoch as u64, first_step);
        while let Some(batch) = batches.next_batch()? {
            rate = rates(config, state.optimiser_steps, steps);
            let losses = learner.step(batch, state.epoch as u64, rate);
            if !losses.total.is_finite() || !losses.grad_norm.is_finite() {
                let clip = match config.optimiser.clip {
                    0.0 => "optimiser.clip=1".to_owned(),
                    clip => format!("a lower optimiser.clip (it is {clip})"),
                };
                return Err(RamError::Diverged(format!(
                    "epoch {}, step {}: the loss is {} and the gradient's norm {}; try a lower optimiser.learning_rate (it is {}) or {clip}",
                    state.epoch + 1,
                    state.step + 1,
                    losses.total,
                    losses.grad_norm,
                    config.optimiser.learning_rate,
                )));
            }
            state.step += 1;
            state.optimiser_steps += 1;
            state.running.add(&losses, batch.len());
            images += batch.len();
            progress.step(state.epoch + 1, epochs, state.step, steps, batch.len(), &losses);
            if stop.load(Ordering::Relaxed) {
                if let Some(run) = &mut run {
                    save(learner, |tensors| run.save_last(tensors, state))?;
                }
                return Ok(Outcome::Interrupted { epoch: state.epoch + 1, step: state.step });
            }
        }
        let images_per_second = images as f64 / begun.elapsed().as_secs_f64();
        let found = task.validate(config, learner.network(), &learner.params);
        let seconds = begun.elapsed().as_secs_f64();

        state.epoch += 1;
        state.step = 0;
        let train = std::mem::take(&mut state.running).mean();
        let metrics = EpochMetrics::new(config, state.epoch, state.optimiser_steps, rate, train, &found);
        let better = state.best_error.is_none_or(|best| found.error < best);
        if better {
            (state.best_error, state.best_epoch, state.epochs_since_best) = (Some(found.error), Some(state.epoch), 0);
        } else {
            state.epochs_since_best += 1;
        }
        if let Some(run) = &mut run {
            run.append_metrics(&metrics)?;
            let (threads, kernel) = (rayon::current_num_threads(), crate::kernel_path().to_owned());
            run.append_timing(&Timing { epoch: state.epoch, seconds, images_per_second, threads, kernel })?;
            save(learner, |tensors| {
                if better {
                    run.save_best(tensors, state)?;
                }
                run.save_last(tensors, state)
            })?;
        }
        progress.epoch(&metrics, seconds, images_per_second);
    }
    let (best_error, best_epoch) = (state.best_error.unwrap_or(1.0), state.best_epoch.unwrap_or(0));
    Ok(Outcome::Finished { best_error, best_epoch })
}

/// The threads that take part. WebAssembly can start none: there rayon's global pool is the caller's thread.
pub(crate) struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    pub(crate) fn new(threads: Option<usize>) -> Result<Threads, RamError> {
        if cfg!(target_family = "wasm") {
            return Ok(Threads(None));
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
        let pool = builder.thread_name(|i| format!("ram {i}")).build();
        pool.map(|pool| Threads(Some(pool)))
            .map_err(|error| RamError::Training(format!("cannot start {threads:?} threads: {error}; try --threads 1")))
    }

    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
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

pub(crate) fn restore(params: &mut Params<f32>, checkpoint: &Checkpoint) -> Result<(), RamError> {
    for id in params.ids() {
        let values = checkpoint.tensor(&format!("{PARAMS}{}", params.name(id)), params.axes(id))?;
        params.change(id, |theta| theta.copy_from_slice(values));
    }
    Ok(())
}

/// Evaluates the network of a checkpoint on the validation or the test set, in so many passes (see [`Evaluation`]).
///
/// # Errors
/// A checkpoint of another model, or missing or damaged data.
pub fn evaluate(
    checkpoint: &Checkpoint,
    split: SplitName,
    passes: usize,
    data_dir: Option<&Path>,
    threads: Option<usize>,
) -> Result<Evaluation, RamError> {
    evaluate_noting(checkpoint, split, passes, data_dir, threads, &mut Vec::new())
}

/// As [`evaluate`]; what was wrong with pictures of one's own that are left out is added to `notes`, a line each.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_noting(
    checkpoint: &Checkpoint,
    split: SplitName,
    passes: usize,
    data_dir: Option<&Path>,
    threads: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Evaluation, RamError> {
    let config = checkpoint.config()?;
    let restore = |params: &mut Params<f32>| restore(params, checkpoint);
    let classes = &checkpoint.state.classes;
    Threads::new(threads)?.install(|| task::evaluate(&config, split, passes, data_dir, classes, notes, restore))
}
