//! `ram reproduce --status`: how far each run is, and how long the rest will take. It only reads.

use std::path::Path;

use ram::error::RamError;
use ram::runs::metrics::best;
use ram::runs::run_folder::RunFolder;
use ram::tables::plan::{Plan, Planned};
use ram::tables::record::{Tested, is_complete};
use serde::Serialize;
use serde_json::json;

use crate::cli::output::{Ended, percent, say};
use crate::cli::table::{Column, Table};
use crate::cli::terminal::{width, wrapped};

/// How many of the newest epochs tell how long the next ones take.
const NEWEST: usize = 10;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is trained and tested.
    Done,
    /// It is trained, but not tested yet.
    Trained,
    /// A process is training or testing it.
    Running,
    /// It was begun, and no process is training it.
    Interrupted,
    /// It has not begun.
    Waiting,
    /// Its folder holds a run of other settings.
    Differs,
}

/// All states with their names, in the order in which they are counted.
const STATES: [(State, &str); 6] = [
    (State::Done, "done"),
    (State::Trained, "trained"),
    (State::Running, "running"),
    (State::Interrupted, "interrupted"),
    (State::Waiting, "waiting"),
    (State::Differs, "differs"),
];

/// A run and how far it is.
#[derive(Debug, Serialize)]
struct Status {
    run: String,
    state: State,
    epoch: usize,
    epochs: usize,
    /// The validation error of the best epoch so far.
    validation_error: Option<f64>,
    test_error: Option<f64>,
    seconds_per_epoch: Option<f64>,
    minutes_left: f64,
}

/// Prints the state of every run of the plan, and the sums.
pub fn run(plan: &Plan, runs: &Path, json: bool) -> anyhow::Result<Ended> {
    let all = plan.runs()?.iter().map(|planned| status(planned, runs)).collect::<Result<Vec<_>, _>>()?;
    let count = |state| all.iter().filter(|status| status.state == state).count();
    let left: f64 = all.iter().map(|status| status.minutes_left).sum();
    if json {
        for status in &all {
            let mut object = serde_json::to_value(status)?;
            object["event"] = json!("run");
            say(&object.to_string())?;
        }
        let mut sums = json!({ "event": "sums", "runs": all.len(), "minutes_left": left });
        STATES.iter().for_each(|&(state, name)| sums[name] = json!(count(state)));
        say(&sums.to_string())?;
        return Ok(Ended::Done);
    }
    let numbers = ["epoch", "validation", "test", "s/epoch", "minutes left"].map(|head| (head, Column::Right));
    let mut table = Table::new([&[("run", Column::Left), ("state", Column::Left)][..], &numbers].concat());
    for status in &all {
        let share = |x: Option<f64>| x.map_or("-".to_owned(), percent);
        table.row(vec![
            status.run.clone(),
            name(status.state).to_owned(),
            format!("{}/{}", status.epoch, status.epochs),
            share(status.validation_error),
            share(status.test_error),
            status.seconds_per_epoch.map_or("-".to_owned(), |seconds| format!("{seconds:.1}")),
            format!("{:.0}", status.minutes_left),
        ]);
    }
    say(&table.text(width()))?;
    let counts = STATES.iter().map(|&(state, name)| (count(state), name)).filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    let mut sums = format!(
        "{} runs: {}; {left:.0} minutes of training are left, one run after the other",
        all.len(),
        counts.join(", ")
    );
    if count(State::Differs) > 0 {
        sums +=
            "\nA run that differs has other settings than its experiment has now: choose another --runs, or remove it.";
    }
    say(&wrapped(&sums, width(), 0))?;
    Ok(Ended::Done)
}

fn name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

/// How far a run is.
fn status(planned: &Planned, runs: &Path) -> Result<Status, RamError> {
    let path = runs.join(&planned.name);
    let epochs = planned.config.train.epochs;
    // The experiment's own minutes, for as many epochs as the plan has.
    let expected = || -> Result<f64, RamError> {
        let full = planned.experiment.config(&[])?.train.epochs;
        Ok(f64::from(planned.experiment.minutes) * epochs as f64 / full as f64)
    };
    let mut status = Status {
        run: planned.name.clone(),
        state: State::Waiting,
        epoch: 0,
        epochs,
        validation_error: None,
        test_error: None,
        seconds_per_epoch: None,
        minutes_left: 0.0,
    };
    let locked = RunFolder::is_locked(&path);
    // A folder without a configuration was only claimed, or is just being filled.
    if !path.join("config.toml").exists() {
        status.state = if locked { State::Running } else { State::Waiting };
        status.minutes_left = expected()?;
        return Ok(status);
    }
    if !RunFolder::config(&path)?.differences(&planned.config).is_empty() {
        status.state = State::Differs;
        return Ok(status);
    }
    let (metrics, timings) = (RunFolder::metrics(&path)?, RunFolder::timings(&path)?);
    let newest = &timings[timings.len().saturating_sub(NEWEST)..];
    let seconds = newest.iter().map(|line| line.seconds).sum::<f64>() / newest.len() as f64;
    status.epoch = metrics.len();
    let held_out = best(&metrics).filter(|line| !line.validation.trained_on);
    status.validation_error = held_out.map(|line| line.validation.error);
    status.seconds_per_epoch = (!newest.is_empty()).then_some(seconds);
    let tested = Tested::read(&path)?;
    status.test_error = tested.map(|tested| tested.error);
    let complete = is_complete(&planned.config, &metrics);
    status.state = match (status.test_error.is_some(), locked, complete) {
        (true, ..) => State::Done,
        (_, true, _) => State::Running,
        (_, _, true) => State::Trained,
        _ => State::Interrupted,
    };
    let left = if complete { 0 } else { epochs.saturating_sub(metrics.len()) };
    status.minutes_left = match status.seconds_per_epoch {
        _ if status.state == State::Done => 0.0,
        Some(seconds) => seconds * left as f64 / 60.0,
        None => expected()? * left as f64 / epochs as f64,
    };
    Ok(status)
}
