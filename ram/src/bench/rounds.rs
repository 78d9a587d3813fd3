//! Stopwatches for contenders that take turns.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use super::probe::{Probes, median, probe, quiet};
use crate::threads::Threads;

/// The shortest time that is measured in a [`race`]. It is much longer than reading the clock takes, and much shorter than the
/// time slice that an operating system gives to a program.
const BURST: Duration = Duration::from_millis(1);

/// The same in [`rounds`](fn@rounds). It is also much longer than it takes to wake the threads or processes of a contender.
const LONG_BURST: Duration = Duration::from_millis(20);

/// The time of a round is the shortest of this many bursts, because other programs on the machine can only make a burst longer.
const BURSTS: usize = 3;

/// The seconds that one call of each contender takes. The contenders take turns (ours, peer, ours, peer, …), so that a
/// disturbance of the machine affects all of them. The time of a round is the best of a few bursts; the time of a contender is
/// the median of its rounds.
///
/// The race takes about as long as `budget`, and has at least three rounds. If `budget` is zero, each contender is called once.
pub fn race(contenders: &mut [&mut dyn FnMut()], budget: Duration) -> Vec<f64> {
    let start = Instant::now();
    if budget.is_zero() {
        return contenders.iter_mut().map(|work| time(work, 1)).collect();
    }
    let timed = |work: &mut dyn FnMut(), calls| Ok::<f64, Infallible>(time(work, calls));
    let calls = contenders.iter_mut().map(|work| {
        let Ok(calls) = calls_in(BURST, |calls| timed(work, calls));
        calls
    });
    let calls: Vec<usize> = calls.collect();
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    while rounds.iter().any(|rounds| rounds.len() < 3) || start.elapsed() < budget {
        for ((work, &calls), rounds) in contenders.iter_mut().zip(&calls).zip(&mut rounds) {
            let Ok(seconds) = best_burst(calls, |calls| timed(work, calls));
            rounds.push(seconds);
        }
    }
    rounds.into_iter().map(median).collect()
}

/// The seconds that so many calls take.
fn time(work: &mut dyn FnMut(), calls: usize) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| work());
    start.elapsed().as_secs_f64()
}

/// The number of calls that take at least as long as a burst, found by doubling. This also warms up.
fn calls_in<E>(burst: Duration, mut run: impl FnMut(usize) -> Result<f64, E>) -> Result<usize, E> {
    let mut calls = 1;
    while run(calls)? < burst.as_secs_f64() {
        calls *= 2;
    }
    Ok(calls)
}

/// The seconds of a call in the shortest of a few bursts.
fn best_burst<E>(calls: usize, mut run: impl FnMut(usize) -> Result<f64, E>) -> Result<f64, E> {
    let best = (0..BURSTS).try_fold(f64::INFINITY, |best, _| Ok(best.min(run(calls)?)))?;
    Ok(best / calls as f64)
}

/// Work whose speed is measured in [`rounds`](fn@rounds).
pub struct Contender<'a> {
    /// The pool that the probes run on: it has as many threads as the work.
    pool: &'a Threads,
    /// Does the work so many times, and returns the seconds that it took.
    run: Box<dyn FnMut(usize) -> io::Result<f64> + 'a>,
}

impl<'a> Contender<'a> {
    /// Work that is done on a pool.
    pub fn new(pool: &'a Threads, mut work: impl FnMut() + Send + 'a) -> Contender<'a> {
        Contender { pool, run: Box::new(move |calls| Ok(pool.install(|| time(&mut work, calls)))) }
    }

    /// Work that is done elsewhere, by as many threads as the pool has. `run` does it so many times, and returns the seconds that
    /// it took.
    pub fn elsewhere(pool: &'a Threads, run: impl FnMut(usize) -> io::Result<f64> + 'a) -> Contender<'a> {
        Contender { pool, run: Box::new(run) }
    }
}

/// A contender's part of a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// The time of a call, in seconds.
    pub seconds: f64,
    /// The probes right before and right after it, on as many threads as the work.
    pub probes: Probes,
    /// Whether it was [`quiet`](fn@super::quiet).
    pub quiet: bool,
}

/// Measures the contenders in turns, `count` times, and returns the turns of each of them. A [`probe`](super::probe()) of the
/// machine comes right before and right after each turn, whose time is the best of a few bursts.
///
/// # Errors
/// Those of the contenders.
pub fn rounds(contenders: &mut [Contender], count: usize) -> io::Result<Vec<Vec<Turn>>> {
    let calls: Vec<usize> =
        contenders.iter_mut().map(|contender| calls_in(LONG_BURST, &mut contender.run)).collect::<Result<_, _>>()?;
    let mut turns: Vec<Vec<Turn>> = contenders.iter().map(|_| Vec::with_capacity(count)).collect();
    for _ in 0..count {
        for ((Contender { pool, run }, &calls), turns) in contenders.iter_mut().zip(&calls).zip(&mut turns) {
            let before = pool.install(probe);
            let seconds = best_burst(calls, run)?;
            turns.push(Turn { seconds, probes: Probes { before, after: pool.install(probe) }, quiet: false });
        }
    }
    let threads = contenders.iter().map(|contender| contender.pool.install(rayon::current_num_threads));
    let measurements =
        threads.zip(&turns).flat_map(|(threads, turns)| turns.iter().map(move |turn| (threads, turn.probes)));
    let judged = quiet(&measurements.collect::<Vec<_>>());
    turns.iter_mut().flatten().zip(judged).for_each(|(turn, quiet)| turn.quiet = quiet);
    Ok(turns)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn contenders_take_turns() {
        let order = RefCell::new(String::new());
        let (mut a, mut b) = (|| order.borrow_mut().push('a'), || order.borrow_mut().push('b'));
        race(&mut [&mut a, &mut b], Duration::ZERO);
        assert_eq!(order.take(), "ab");

        let sleep = |millis| move || std::thread::sleep(Duration::from_millis(millis));
        let seconds = race(&mut [&mut sleep(2), &mut sleep(8)], Duration::from_millis(1));
        assert!(seconds[0] >= 0.002 && seconds[1] >= 0.008, "{seconds:?}");
    }

    #[test]
    fn rounds_take_the_best_of_their_bursts_and_probe_around_them() {
        let pool = Threads::new(Some(1)).unwrap();
        let calls = RefCell::new(Vec::new());
        // A call takes 8 ms, so that a burst has four. Then the first two bursts of each turn are disturbed.
        let work = |count: usize| {
            calls.borrow_mut().push(count);
            let bursts = calls.borrow().len();
            Ok(count as f64 * if bursts > 3 && bursts % 3 != 0 { 0.016 } else { 0.008 })
        };
        let turns = rounds(&mut [Contender::elsewhere(&pool, work)], 2).unwrap();
        assert_eq!(calls.take(), [1, 2, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(turns[0].iter().map(|turn| turn.seconds).collect::<Vec<_>>(), [0.008; 2]);
        assert!(turns[0].iter().all(|turn| turn.probes.before.l2 > 0.0 && turn.probes.after.l2 > 0.0));
        let judged = quiet(&turns[0].iter().map(|turn| (1, turn.probes)).collect::<Vec<_>>());
        assert_eq!(turns[0].iter().map(|turn| turn.quiet).collect::<Vec<_>>(), judged);
    }

    #[test]
    fn work_on_a_pool_runs_on_its_threads() {
        let pool = Threads::new(Some(2)).unwrap();
        let mut threads = 0;
        let work = || {
            threads = rayon::current_num_threads();
            std::thread::sleep(Duration::from_millis(20));
        };
        let seconds = rounds(&mut [Contender::new(&pool, work)], 1).unwrap()[0][0].seconds;
        assert!(seconds >= 0.02, "{seconds}");
        assert_eq!(threads, 2);
    }

    #[test]
    fn a_contender_that_fails_ends_the_rounds() {
        let pool = Threads::new(Some(1)).unwrap();
        let fails = |_| Err(io::Error::other("it is gone"));
        assert_eq!(rounds(&mut [Contender::elsewhere(&pool, fails)], 2).unwrap_err().to_string(), "it is gone");
    }
}
