//! Processes that run training steps side by side.
//!
//! A worker is this program, called as `ram bench worker`. It reads a request from each line of its standard input and answers
//! with a line: `step INDEX CALLS` runs a step of [`STEPS`] so many times and answers with the seconds that they took; `probe`
//! answers with the rates of the probe, and `machine` with the processor and the names of all steps, as JSON. It ends with its
//! input. A step is made when it is first asked for, which is not
//! timed. Since workers wait for their next line, they start together.

use std::io::{self, BufRead, BufReader, Error, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::Context;
use ram::bench::{Probe, STEPS, TrainingStep, cpu, probe};
use ram::error::RamError;
use ram::threads::Threads as Pool;
use serde_json::{Value, json};

use crate::cli::options::Threads;
use crate::cli::output::{Ended, say};

/// Options of `ram bench worker`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    threads: Threads,
}

/// Answers the lines of standard input.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let pool = Pool::new(Some(args.threads.resolved()))?;
    let mut steps: [Option<TrainingStep>; STEPS.len()] = Default::default();
    for line in io::stdin().lock().lines() {
        let line = line.context("cannot read from standard input")?;
        let answer = match request(&line)? {
            Request::Machine => machine().to_string(),
            Request::Probe => rates(&pool.install(probe)).to_string(),
            Request::Step { index, calls } => {
                let step = match &mut steps[index] {
                    Some(step) => step,
                    none => none.insert(TrainingStep::new(&STEPS[index])?),
                };
                pool.install(|| {
                    let start = Instant::now();
                    (0..calls).for_each(|_| step.run());
                    start.elapsed().as_secs_f64().to_string()
                })
            }
        };
        say(&answer)?;
    }
    Ok(Ended::Done)
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Machine,
    Probe,
    Step { index: usize, calls: usize },
}

fn request(line: &str) -> Result<Request, RamError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let step = |index: &str, calls: &str| Some([index.parse().ok().filter(|&i| i < STEPS.len())?, calls.parse().ok()?]);
    match words[..] {
        ["machine"] => Some(Request::Machine),
        ["probe"] => Some(Request::Probe),
        ["step", index, calls] => step(index, calls).map(|[index, calls]| Request::Step { index, calls }),
        _ => None,
    }
    .ok_or_else(|| {
        let last = STEPS.len() - 1;
        RamError::Config(format!(
            "found the line {line:?}, expected `machine`, `probe` or `step INDEX CALLS`, INDEX up to {last}"
        ))
    })
}

fn machine() -> Value {
    let steps = STEPS.map(|case| json!([case.name, case.batch]));
    json!({ "cpu": cpu(), "kernels": ram::kernel_path(), "steps": steps })
}

/// The rates of a probe, in GFLOP/s.
pub fn rates(probe: &Probe) -> Value {
    let Probe { peak, registers, l1, l2, mean } = probe;
    json!({ "peak": peak, "registers": registers, "l1": l1, "l2": l2, "mean": mean })
}

/// Workers of one thread each.
pub struct Workers(Vec<Worker>);

struct Worker {
    child: Child,
    /// Taken when the worker shall end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Workers {
    /// Starts so many workers.
    pub fn start(count: usize) -> io::Result<Workers> {
        (0..count).map(|_| Worker::start()).collect::<io::Result<_>>().map(Workers)
    }

    /// Every worker runs a step of [`STEPS`] so many times, all of them at the same time. Returns the seconds in which one worker
    /// of their mean rate would have done this.
    pub fn run(&mut self, index: usize, calls: usize) -> io::Result<f64> {
        for worker in &mut self.0 {
            worker.ask(&format!("step {index} {calls}\n"))?;
        }
        let seconds = self.0.iter_mut().map(Worker::seconds).collect::<io::Result<Vec<f64>>>()?;
        Ok(of_mean_rate(&seconds))
    }
}

/// The harmonic mean: where all do the same work, the time of one that has the mean of their rates.
fn of_mean_rate(seconds: &[f64]) -> f64 {
    seconds.len() as f64 / seconds.iter().map(|seconds| 1.0 / seconds).sum::<f64>()
}

impl Worker {
    fn start() -> io::Result<Worker> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "worker", "--threads", "1"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Ok(Worker { child, requests, answers })
    }

    fn ask(&mut self, request: &str) -> io::Result<()> {
        self.requests.as_mut().expect("open until dropped").write_all(request.as_bytes())
    }

    fn seconds(&mut self) -> io::Result<f64> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().map_err(|_| Error::other(format!("a worker ended early; its last line was {line:?}")))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without input a worker ends.
        self.requests = None;
        _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        assert_eq!(request("machine").unwrap(), Request::Machine);
        assert_eq!(request("probe").unwrap(), Request::Probe);
        assert_eq!(request("step 2 30\n").unwrap(), Request::Step { index: 2, calls: 30 });
        for wrong in ["", "step", "step 1", "step 1 2 3", "step 99 1", "step 1 -1", "probe 1"] {
            let error = request(wrong).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("expected `machine`, `probe` or"), "{error}");
        }
    }

    #[test]
    fn rates_are_added_and_not_times() {
        // One does 1 in a second, the other 1/3: together 4/3, or 2/3 each.
        assert!((of_mean_rate(&[1.0, 3.0]) - 1.5).abs() < 1e-12);
        assert_eq!(of_mean_rate(&[2.0, 2.0]), 2.0);
    }
}
