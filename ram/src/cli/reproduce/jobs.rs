//! Trains and tests runs, several at the same time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ram::error::RamError;
use ram::evaluate::evaluator::evaluate;
use ram::evaluate::stopping::{Stopping, compare};
use ram::evaluate::trained::Trained;
use ram::experiments::Shows;
use ram::model::Decisions;
use ram::runs::atomic;
use ram::runs::checkpoint::Checkpoint;
use ram::runs::metrics::best;
use ram::runs::resume::Resumed;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::{InitFrom, RunInfo, read_info};
use ram::split::SplitName;
use ram::tables::keep::same_run;
use ram::tables::page::PASSES;
use ram::tables::plan::Planned;
use ram::tables::record::{RESULT, Tested, is_complete, losses};
use ram::tasks;
use ram::threads::Threads;
use ram::train::trainer::{Outcome, Progress, Trainer};

use crate::cli::options::{Machine, cores};
use crate::cli::output::{command_line, complain, percent, say};
use crate::cli::progress::Console;

/// What became of a run.
pub enum Ran {
    /// It has a result.
    Tested(Box<Tested>),
    /// It was asked to stop, and has saved.
    Interrupted,
    /// Another process is training it.
    Locked,
    /// The run with whose weights it begins has no result: it failed, or another process is training it.
    Waits,
}

/// What became of all runs.
#[derive(Default)]
pub struct Worked<'a> {
    /// Those with a result, in the order of the plan.
    pub tested: Vec<(&'a Planned, Tested)>,
    /// The names of those that another process is training.
    pub locked: Vec<String>,
    /// Those that have not begun, since the run with whose weights they begin has no result.
    pub waiting: Vec<&'a Planned>,
    /// Those that failed, and why.
    pub failed: Vec<(&'a Planned, RamError)>,
    /// Whether the work was asked to stop before its end.
    pub interrupted: bool,
}

/// The runs that are still to be made, as their places in the plan.
struct Queue {
    waiting: Vec<usize>,
    working: Vec<usize>,
}

/// What a job does next.
enum Next {
    Run(usize),
    /// The runs that are left begin with the weights of runs that other jobs are making.
    NotYet,
    None,
}

impl Queue {
    /// Takes the first run that need not wait for another of this queue.
    fn next(&mut self, runs: &[Planned]) -> Next {
        let Queue { waiting, working } = self;
        let ready = waiting.iter().position(|&at| {
            let earlier = runs[at].begins_with.as_deref();
            earlier
                .is_none_or(|earlier| !waiting.iter().chain(&*working).any(|&other| runs[other].name == earlier.name))
        });
        match ready {
            Some(place) => {
                let at = waiting.remove(place);
                working.push(at);
                Next::Run(at)
            }
            None if waiting.is_empty() => Next::None,
            None => Next::NotYet,
        }
    }
}

/// How runs are made.
pub struct Jobs<'a> {
    jobs: usize,
    runs: &'a Path,
    data_dir: Option<&'a Path>,
    threads: Option<usize>,
    stop: &'a AtomicBool,
    command: Vec<String>,
}

impl<'a> Jobs<'a> {
    /// So many runs at the same time, in the folder `runs`.
    pub fn new(jobs: u16, runs: &'a Path, machine: &'a Machine, stop: &'a AtomicBool) -> Jobs<'a> {
        let jobs = usize::from(jobs);
        let shared = (jobs > 1).then(|| (cores() / jobs).max(1));
        let threads = machine.threads.count().or(shared);
        Jobs { jobs, runs, data_dir: machine.data_dir.as_deref(), threads, stop, command: command_line() }
    }

    /// Makes the runs in their order. One that fails does not stop the others, unless its reason is missing or damaged data, which
    /// would stop them too.
    pub fn work<'p>(&self, runs: &'p [Planned]) -> anyhow::Result<Worked<'p>> {
        let queue = Mutex::new(Queue { waiting: (0..runs.len()).collect(), working: Vec::new() });
        let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        let ended: Mutex<Vec<(usize, Result<Ran, RamError>)>> = Mutex::new(Vec::new());
        let work = || {
            while !self.stop.load(Ordering::Relaxed) {
                let at = match queue().next(runs) {
                    Next::Run(at) => at,
                    Next::NotYet => {
                        std::thread::sleep(Duration::from_millis(100));
                        continue;
                    }
                    Next::None => break,
                };
                let planned = &runs[at];
                let fault = |_| Err(RamError::Training("the program failed in this run".to_owned()));
                let result = catch_unwind(AssertUnwindSafe(|| self.told(planned))).unwrap_or_else(fault);
                match &result {
                    Err(RamError::Data(_)) => self.stop.store(true, Ordering::Relaxed),
                    // It is told again at the end, which may be days away.
                    Err(error) => complain(&format!("{} failed: {error}", planned.name)),
                    Ok(_) => {}
                }
                ended.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                queue().working.retain(|&working| working != at);
            }
        };
        std::thread::scope(|scope| {
            (0..self.jobs.min(runs.len())).for_each(|_| _ = scope.spawn(work));
        });
        let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        ended.sort_by_key(|(at, _)| *at);
        let mut worked = Worked { interrupted: ended.len() < runs.len(), ..Worked::default() };
        for (at, result) in ended {
            match result {
                Ok(Ran::Tested(tested)) => worked.tested.push((&runs[at], *tested)),
                // By now it may have been trained to its end.
                Ok(Ran::Locked) => match Tested::read(&self.runs.join(&runs[at].name))? {
                    Some(tested) => worked.tested.push((&runs[at], tested)),
                    None => worked.locked.push(runs[at].name.clone()),
                },
                Ok(Ran::Waits) => worked.waiting.push(&runs[at]),
                Ok(Ran::Interrupted) => worked.interrupted = true,
                Err(error @ RamError::Data(_)) => return Err(error.into()),
                Err(error) => worked.failed.push((&runs[at], error)),
            }
        }
        Ok(worked)
    }

    /// Makes a run and says so: with one job by a line for each epoch, with several by a line at its beginning and its end.
    fn told(&self, planned: &Planned) -> Result<Ran, RamError> {
        let known = self.runs.join(&planned.name).join(RESULT).exists();
        let ran = if self.jobs == 1 {
            let mut console = Console::new(&planned.name, planned.config.train.epochs, false);
            let ran = self.make(planned, &mut console);
            console.finish();
            ran?
        } else {
            self.make(planned, &mut ())?
        };
        // Training goes on even if nobody reads the output any more.
        match &ran {
            Ran::Tested(tested) if !known => {
                let [validation, test] = [tested.validation_error, tested.error].map(percent);
                let known = if planned.config.data.train_on_validation { " (trained on)" } else { "" };
                _ = say(&format!("{} is done: validation error {validation}{known}, test error {test}", planned.name));
            }
            Ran::Interrupted => _ = say(&format!("{} is interrupted and saved", planned.name)),
            Ran::Tested(_) | Ran::Locked | Ran::Waits => {}
        }
        Ok(ran)
    }

    /// The result of a run. A run without a result is trained to its end and tested.
    pub fn make(&self, planned: &Planned, progress: &mut dyn Progress) -> Result<Ran, RamError> {
        let path = self.runs.join(&planned.name);
        let known = || match Tested::read(&path)? {
            Some(tested) => same_run(&path, planned, self.runs).map(|()| Some(tested)),
            None => Ok(None),
        };
        if let Some(tested) = known()? {
            return Ok(Ran::Tested(Box::new(tested)));
        }
        let Some(run) = self.claimed(&planned.name)? else { return Ok(Ran::Locked) };
        // Another process may have ended the run since: this looks again while it holds the lock.
        if let Some(tested) = known()? {
            return Ok(Ran::Tested(Box::new(tested)));
        }
        let config = &planned.config;
        let (mut run, trainer) = if run.has_checkpoint() {
            same_run(&path, planned, self.runs)?;
            let Resumed { run, checkpoint, config, notice } = run.go_on()?;
            notice.iter().for_each(|notice| complain(&format!("warning: {notice}")));
            let left = !is_complete(&config, &RunFolder::metrics(&path)?);
            let trainer = left.then(|| Trainer::resume(config, checkpoint, self.data_dir, self.threads));
            (run, trainer.transpose()?)
        } else {
            if let Some(earlier) = &planned.begins_with
                && !self.runs.join(&earlier.name).join(RESULT).exists()
            {
                return Ok(Ran::Waits);
            }
            let mut trainer = Trainer::new(config.clone(), self.data_dir, self.threads)?;
            let init_from =
                planned.begins_with.as_ref().map(|earlier| self.begin_from(&mut trainer, earlier)).transpose()?;
            let info = RunInfo::new("reproduce", self.command.clone(), config).with_data_dir(self.data_dir);
            let info = RunInfo { init_from, ..info };
            (run.begin(config, &info, Existing::ReplaceMadeBy("reproduce"))?, Some(trainer))
        };
        if let Some(mut trainer) = trainer {
            if self.jobs > 1 {
                _ = say(&format!("{} begins", planned.name));
            }
            match trainer.train(Some(&mut run), self.stop, progress)? {
                Outcome::Finished { .. } => {}
                Outcome::Interrupted { .. } => return Ok(Ran::Interrupted),
            }
            // Its images and tapes are dropped here: they need not stay in memory during the test.
        }
        let tested = self.test(planned, &path)?;
        let text = serde_json::to_string_pretty(&tested).expect("numbers and names") + "\n";
        let result = path.join(RESULT);
        atomic::write(&result, text.as_bytes()).map_err(|error| RamError::unwritable(&result, &error))?;
        Ok(Ran::Tested(Box::new(tested)))
    }

    /// Gives a new trainer the best weights of a run.
    fn begin_from(&self, trainer: &mut Trainer, earlier: &Planned) -> Result<InitFrom, RamError> {
        let checkpoint = RunFolder::read(&self.runs.join(&earlier.name), Which::Best)?;
        let drawn = trainer.begin_from(&checkpoint)?;
        let (epoch, weights) = (checkpoint.state.epoch, checkpoint.weights_hash());
        Ok(InitFrom { run: earlier.name.clone(), epoch, weights, drawn })
    }

    /// The folder of a run, locked; `None` where another process has it.
    fn claimed(&self, name: &str) -> Result<Option<RunFolder>, RamError> {
        let claim = || match RunFolder::claim(self.runs, Name::Given(name)) {
            Err(RamError::Locked { .. }) => Ok(None),
            run => run.map(Some),
        };
        if let Some(run) = claim()? {
            return Ok(Some(run));
        }
        // `--status` looks at the lock for a moment.
        std::thread::sleep(Duration::from_millis(200));
        claim()
    }

    /// Asks the test set, once.
    fn test(&self, planned: &Planned, path: &Path) -> Result<Tested, RamError> {
        let config = &planned.config;
        let checkpoint = RunFolder::read(path, Which::Best)?;
        let test = |passes| evaluate(&checkpoint, SplitName::Test, passes, self.data_dir, self.threads);
        let evaluation = test(1)?;
        let plays = tasks::named(config)?.decisions() == Decisions::Each;
        let chooses = !evaluation.fixation_spread.is_empty() && !plays;
        let metrics = RunFolder::metrics(path)?;
        let [first_loss, last_loss] = losses(config, &metrics);
        Ok(Tested {
            seed: config.seed,
            began_with: read_info(path)?.init_from.map(|init| init.weights),
            locations: config.policy.locations.name().to_owned(),
            error: evaluation.error,
            error_of_passes: if chooses { Some(test(PASSES)?.error) } else { None },
            count: evaluation.count,
            validation_error: best(&metrics).map_or(1.0, |line| line.validation.error),
            first_loss,
            last_loss,
            epochs: metrics.len(),
            weights: checkpoint.weights_hash(),
            glimpses: evaluation.mean_glimpses(),
            rules: if planned.experiment.shows() == Shows::Stopping { self.rules(&checkpoint)? } else { Vec::new() },
            by_size: evaluation.by_size,
            distance: if config.data.clip_frames() > 1 { evaluation.distance } else { Vec::new() },
        })
    }

    /// What rules for when to stop lead to on the test set.
    fn rules(&self, checkpoint: &Checkpoint) -> Result<Vec<Stopping>, RamError> {
        let trained = Trained::of(checkpoint)?;
        let examples = trained.examples(SplitName::Test, self.data_dir)?;
        Threads::new(self.threads)?.install(|| compare(&trained, &examples))
    }
}

#[cfg(test)]
mod tests {
    use ram::tables::plan::Plan;

    use super::*;

    #[test]
    fn what_begins_with_the_weights_of_another_waits_for_it_and_for_nothing_else() {
        let runs = Plan::new("large", 1, false, Vec::new()).unwrap().runs().unwrap();
        let at = |name: &str| runs.iter().position(|run| run.name == format!("large-{name}-seed1")).unwrap();
        let mut queue = Queue { waiting: (0..runs.len()).collect(), working: Vec::new() };
        let takes = |queue: &mut Queue| match queue.next(&runs) {
            Next::Run(at) => Some(at),
            Next::NotYet => None,
            Next::None => panic!("runs are left"),
        };
        assert_eq!(takes(&mut queue), Some(at("100")));
        assert_eq!(takes(&mut queue), Some(at("conv")), "it waits for no other, though it stands last");
        assert_eq!(takes(&mut queue), None, "all that are left wait");
        queue.working.clear();
        for name in ["200", "400", "800", "2048"] {
            assert_eq!(takes(&mut queue), Some(at(name)));
            queue.working.clear();
        }
        assert!(matches!(queue.next(&runs), Next::None));
    }
}
