//! A trial: it trains with drawn values in a run's folder and leaves a result there.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::folder::StudyFolder;
use super::result::{State, TrialResult, read_json, write_json};
use crate::config::Config;
use crate::error::RamError;
use crate::runs::metrics::best;
use crate::runs::resume::Resumed;
use crate::runs::run_folder::{Existing, Name, RunFolder, Which};
use crate::runs::run_info::RunInfo;
use crate::train::trainer::{Outcome, Progress, Trainer};

/// How the attempt to run a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialOutcome {
    /// The trial has a result.
    Result(TrialResult),
    /// It was asked to stop, and has saved its state.
    Interrupted {
        /// The epoch under way, from 1.
        epoch: usize,
        /// The number of steps of that epoch that are done.
        step: usize,
    },
    /// Another process is running this trial.
    Locked,
}

/// The machine's part in a trial; it does not change the result.
#[derive(Clone, Copy, Debug)]
pub struct TrialMachine<'a> {
    /// The folder of MNIST's files; `None` takes the environment variable `RAM_DATA_DIR`.
    pub data_dir: Option<&'a Path>,
    /// The number of threads; `None` takes one for each core.
    pub threads: Option<usize>,
    /// The command line, for `run.json`.
    pub command: &'a [String],
}

impl StudyFolder {
    /// Runs a trial to the end of a rung (from 1; without halving there is only one). It starts the training or resumes it, or, where
    /// there is a result already, only reads it.
    ///
    /// # Errors
    /// As [`Trainer`] and [`RunFolder`]; but a training that diverges, and values that cannot be trained, are results and not
    /// errors.
    pub fn run(
        &self,
        trial: u32,
        rung: usize,
        machine: TrialMachine,
        stop: &AtomicBool,
        progress: &mut dyn Progress,
    ) -> Result<TrialOutcome, RamError> {
        if let Some(result) = self.result(trial, rung)? {
            return Ok(TrialOutcome::Result(result));
        }
        let name = StudyFolder::trial_name(trial);
        let run = match RunFolder::claim(self.path(), Name::Given(&name)) {
            Err(RamError::Locked { .. }) => return Ok(TrialOutcome::Locked),
            run => run?,
        };
        // Another process may have ended the trial since: this looks again while it holds the lock.
        if let Some(result) = self.result(trial, rung)? {
            return Ok(TrialOutcome::Result(result));
        }
        let folder = run.path().to_owned();
        let config = match self.study.config(trial) {
            Err(RamError::Config(message)) => return self.failed(trial, message),
            config => config?,
        };
        let (mut run, mut trainer) = if run.has_checkpoint() {
            let Resumed { run, checkpoint, config: found, .. } = run.go_on()?;
            let differences = found.differences(&config);
            if !differences.is_empty() {
                return Err(RamError::run(
                    &folder,
                    format!(
                        "is another trial ({}); choose another folder with --runs, or remove it",
                        differences.join("; ")
                    ),
                ));
            }
            (run, Trainer::resume(found, checkpoint, machine.data_dir, machine.threads)?)
        } else {
            let trainer = match Trainer::new(config.clone(), machine.data_dir, machine.threads) {
                Err(RamError::Config(message)) => return self.failed(trial, message),
                trainer => trainer?,
            };
            let info = RunInfo::new("search", machine.command.to_vec(), &config).with_data_dir(machine.data_dir);
            (run.begin(&config, &info, Existing::ReplaceMadeBy("search"))?, trainer)
        };
        let epochs = self.study.rungs()[rung - 1];
        // Without halving the number of epochs may be drawn.
        let epochs = if rung == self.study.rungs().len() { config.train.epochs } else { epochs };
        let result = match trainer.train_until(epochs, Some(&mut run), stop, progress) {
            Ok(Outcome::Interrupted { epoch, step }) => return Ok(TrialOutcome::Interrupted { epoch, step }),
            Ok(Outcome::Finished { .. }) => self.finished(trial, &config, epochs)?,
            Err(RamError::Diverged(message)) => TrialResult {
                error: None,
                loss: None,
                best_epoch: None,
                state: State::Diverged,
                message: Some(message),
                ..self.so_far(trial, epochs)?
            },
            Err(error) => return Err(error),
        };
        let name = match result.state {
            State::Paused => TrialResult::at_rung(rung),
            State::Done | State::Diverged | State::Failed => TrialResult::FINAL.to_owned(),
        };
        recorded(&folder.join(name), result)
    }

    /// Records that the values of a trial cannot be trained.
    fn failed(&self, trial: u32, message: String) -> Result<TrialOutcome, RamError> {
        let result = TrialResult { state: State::Failed, message: Some(message), ..self.so_far(trial, 0)? };
        recorded(&self.trial_path(trial).join(TrialResult::FINAL), result)
    }

    /// The result after `epochs` epochs, or after fewer if patience ran out.
    fn finished(&self, trial: u32, config: &Config, epochs: usize) -> Result<TrialResult, RamError> {
        let mut result = self.so_far(trial, epochs)?;
        if epochs == config.train.epochs || result.epochs < epochs {
            result.state = State::Done;
            result.weights = Some(RunFolder::read(&self.trial_path(trial), Which::Best)?.weights_hash());
        }
        Ok(result)
    }

    /// The result of the first `epochs` epochs, as the metrics of the trial tell them.
    fn so_far(&self, trial: u32, epochs: usize) -> Result<TrialResult, RamError> {
        let mut lines = RunFolder::metrics(&self.trial_path(trial))?;
        lines.truncate(epochs);
        let best = best(&lines);
        Ok(TrialResult {
            trial,
            state: State::Paused,
            error: best.map(|line| line.validation.error),
            loss: best.map(|line| line.validation.loss),
            best_epoch: best.map(|line| line.epoch),
            epochs: lines.len(),
            values: self.study.values(trial),
            weights: None,
            message: None,
        })
    }
}

/// Writes a result. It is read back, so that this process reports the same bits as every later one.
fn recorded(path: &Path, result: TrialResult) -> Result<TrialOutcome, RamError> {
    write_json(path, &result)?;
    Ok(TrialOutcome::Result(read_json(path)?.unwrap_or(result)))
}
