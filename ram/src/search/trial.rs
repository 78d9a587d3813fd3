//! A trial: a training with drawn values, in a run's folder, that leaves a result.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::folder::StudyFolder;
use super::result::{State, TrialResult, read_json, write_json};
use crate::config::Config;
use crate::error::RamError;
use crate::runs::resume::Resumed;
use crate::runs::run_folder::{Existing, Name, RunFolder, Which};
use crate::runs::run_info::RunInfo;
use crate::train::trainer::{Outcome, Progress, Trainer};

/// How far a trial was brought.
#[derive(Clone, Debug, PartialEq)]
pub enum TrialOutcome {
    /// To its result.
    Result(TrialResult),
    /// It was stopped, and saved.
    Interrupted {
        /// The epoch under way, from 1.
        epoch: usize,
        /// The steps of it that are done.
        step: usize,
    },
    /// Another process is at it.
    Locked,
}

/// On what a trial runs.
#[derive(Clone, Copy, Debug)]
pub struct TrialMachine<'a> {
    /// Where MNIST lies, else `RAM_DATA_DIR` says.
    pub data_dir: Option<&'a Path>,
    /// Threads, else one a core.
    pub threads: Option<usize>,
    /// The command line, for the record.
    pub command: &'a [String],
}

impl StudyFolder {
    /// Brings a trial to the end of a rung (from 1; without halving there is one): trains it, goes on with it, or only reads the
    /// result that is there.
    ///
    /// # Errors
    /// What [`Trainer`] and [`RunFolder`] say; not divergence, which is a result.
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
        let config = self.study.config(trial)?;
        let name = StudyFolder::trial_name(trial);
        let run = match RunFolder::claim(self.path(), Name::Given(&name)) {
            Err(RamError::Locked { .. }) => return Ok(TrialOutcome::Locked),
            run => run?,
        };
        // Another process may have ended it just now: looked at once more, under the lock.
        if let Some(result) = self.result(trial, rung)? {
            return Ok(TrialOutcome::Result(result));
        }
        let folder = run.path().to_owned();
        let (mut run, mut trainer) = if run.has_checkpoint() {
            let Resumed { run, checkpoint, config: found, .. } = run.go_on()?;
            let differences = found.differences(&config);
            if !differences.is_empty() {
                return Err(RamError::run(
                    &folder,
                    format!(
                        "is another trial ({}); name another folder with --runs, or remove it",
                        differences.join("; ")
                    ),
                ));
            }
            (run, Trainer::resume(found, checkpoint, machine.data_dir, machine.threads)?)
        } else {
            let trainer = Trainer::new(config.clone(), machine.data_dir, machine.threads)?;
            let info = RunInfo::new("search", machine.command.to_vec(), &config);
            (run.begin(&config, &info, Existing::ReplaceMadeBy("search"))?, trainer)
        };
        let epochs = self.study.rungs()[rung - 1];
        // Without halving the epochs may be drawn.
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
            State::Done | State::Diverged => TrialResult::FINAL.to_owned(),
        };
        write_json(&folder.join(&name), &result)?;
        // What was written is what everybody reads, to the bit.
        Ok(TrialOutcome::Result(read_json(&folder.join(&name))?.unwrap_or(result)))
    }

    /// The result after `epochs` epochs, or fewer if patience ran out.
    fn finished(&self, trial: u32, config: &Config, epochs: usize) -> Result<TrialResult, RamError> {
        let mut result = self.so_far(trial, epochs)?;
        if epochs == config.train.epochs || result.epochs < epochs {
            result.state = State::Done;
            result.weights = Some(RunFolder::read(&self.trial_path(trial), Which::Best)?.weights_hash());
        }
        Ok(result)
    }

    /// What the first `epochs` epochs of a trial say.
    fn so_far(&self, trial: u32, epochs: usize) -> Result<TrialResult, RamError> {
        let mut lines = RunFolder::metrics(&self.trial_path(trial))?;
        lines.truncate(epochs);
        // The first of equal ones, as the trainer has it.
        let best = lines.iter().reduce(|a, b| if b.validation.error < a.validation.error { b } else { a });
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
