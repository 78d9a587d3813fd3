//! A probe of how fast the machine is at the moment.
//!
//! Other programs, and other machines on the same host, take a core away, lower its clock, or fill the caches that it shares
//! with them. The probe does work that meets each of these: multiply-adds on registers, on numbers from the L1 cache, and on
//! numbers from the L2 cache. It runs on as many threads as the row of a table that it stands beside, right before and right
//! after it. As in a row, its bursts begin on all threads at once, and the best one counts.

use std::array::from_fn;
use std::hint::black_box;
use std::time::{Duration, Instant};

use autograd::kernels::simd::{Kernel, LANES, Simd};

/// How long a burst takes. Whoever shares a core with another program has it for some milliseconds at a time.
const BURST: Duration = Duration::from_millis(5);

/// The probe takes the best of this many bursts.
const BURSTS: usize = 3;

/// Numbers that lie in the L1 cache: 16 KiB.
const L1: usize = 1 << 12;

/// Numbers that lie in the L2 cache: 192 KiB, more than an L1 cache has and less than an L2 cache has.
const L2: usize = 48 << 10;

/// About the multiply-adds of a piece of work. It takes tens of microseconds, which is much longer than reading the clock takes.
const PIECE: usize = 1 << 20;

/// Rates of multiply-adds of all threads of a pool together, in GFLOP/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// The peak: the best piece of work on registers.
    pub peak: f64,
    /// The rate on registers. This and the next two are the medians of the pieces, so that they tell the speed of a core while a
    /// thread has it.
    pub registers: f64,
    /// The rate on numbers from the L1 cache.
    pub l1: f64,
    /// The rate on numbers from the L2 cache.
    pub l2: f64,
    /// The mean rate of all pieces, which also tells whether a thread had its core all the time.
    pub mean: f64,
}

/// Probes the machine on the current rayon pool, on all of its threads at the same time.
pub fn probe() -> Probe {
    let bursts: [Probe; BURSTS] = from_fn(|_| {
        let threads = rayon::broadcast(|_| NUMBERS.with(|numbers| burst(numbers)));
        threads.into_iter().reduce(|a, b| a.with(b, |a, b| a + b)).expect("a pool has a thread")
    });
    bursts.into_iter().reduce(|a, b| a.with(b, f64::max)).expect("a burst")
}

/// A vector in a cache line of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([f32; LANES]);

thread_local! {
    /// What is loaded. A thread keeps it, since the speed of a cache depends on which pages of memory it holds.
    static NUMBERS: Vec<Line> = vec![Line([0.5; LANES]); L2 / LANES];
}

/// One thread takes turns with the three parts.
fn burst(numbers: &[Line]) -> Probe {
    let path = autograd::kernels::path();
    let parts: [&dyn Fn() -> usize; 3] =
        [&|| path.run(Registers), &|| path.run(Loads { numbers: &numbers[..L1 / LANES], passes: PIECE / L1 }), &|| {
            path.run(Loads { numbers, passes: PIECE / L2 })
        }];
    let mut rates: [Vec<f64>; 3] = Default::default();
    let (start, mut last, mut done) = (Instant::now(), Duration::ZERO, 0.0);
    while last < BURST {
        for (part, rates) in parts.iter().zip(&mut rates) {
            let gflop = 2.0 * part() as f64 / 1e9;
            let now = start.elapsed();
            rates.push(gflop / (now - last).as_secs_f64());
            (last, done) = (now, done + gflop);
        }
    }
    let peak = rates[0].iter().copied().fold(0.0, f64::max);
    let [registers, l1, l2] = rates.map(median);
    Probe { peak, registers, l1, l2, mean: done / last.as_secs_f64() }
}

/// The number in the middle; if the count is even, the upper one of the two in the middle.
///
/// # Panics
/// If there is no number.
pub fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

impl Probe {
    /// Joins each rate with that of another probe.
    fn with(self, other: Probe, join: impl Fn(f64, f64) -> f64) -> Probe {
        Probe {
            peak: join(self.peak, other.peak),
            registers: join(self.registers, other.registers),
            l1: join(self.l1, other.l1),
            l2: join(self.l2, other.l2),
            mean: join(self.mean, other.mean),
        }
    }
}

/// Runs independent chains on registers, as many as the register tile of the path's matrix product has vectors.
struct Registers;

impl Kernel<f32> for Registers {
    /// The number of multiply-adds.
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> usize {
        match const { chains_of::<S>() } {
            24 => chains::<S, 24>(s),
            6 => chains::<S, 6>(s),
            _ => chains::<S, 4>(s),
        }
    }
}

const fn chains_of<S: Simd<f32>>() -> usize {
    let vectors = <S as Simd<f32>>::TILE_ROWS * <S as Simd<f32>>::TILE_VECTORS;
    assert!(matches!(vectors, 24 | 6 | 4), "add the number of vectors of this register tile here and to `Registers`");
    vectors
}

#[inline(always)]
fn chains<S: Simd<f32>, const N: usize>(s: S) -> usize {
    let (x, y) = (s.splat(black_box(0.5)), s.splat(black_box(1e-3)));
    let mut sums: [S::V; N] = from_fn(|i| s.splat(i as f32));
    let steps = black_box(PIECE / LANES / N);
    for _ in 0..steps {
        // This loop touches no memory: x, y and the sums stay in registers.
        for sum in &mut sums {
            *sum = s.mul_add(x, y, *sum);
        }
    }
    use_all(s, sums);
    steps * N * LANES
}

/// Uses all lanes of all chains, so that the compiler cannot remove any.
#[inline(always)]
fn use_all<S: Simd<f32>, const N: usize>(s: S, sums: [S::V; N]) {
    let mut lanes = [0.0; LANES];
    s.store(sums.into_iter().reduce(|a, b| s.add(a, b)).expect("N > 0"), &mut lanes);
    black_box(lanes);
}

/// Runs chains on numbers that are loaded, one vector for each multiply-add.
struct Loads<'a> {
    numbers: &'a [Line],
    passes: usize,
}

impl Kernel<f32> for Loads<'_> {
    /// The number of multiply-adds.
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd<f32>>(self, s: S) -> usize {
        // Where a vector takes several registers, a chain of vectors is several chains.
        if const { chains_of::<S>() } == 24 { self.stream::<S, 8>(s) } else { self.stream::<S, 4>(s) }
    }
}

impl Loads<'_> {
    #[inline(always)]
    fn stream<S: Simd<f32>, const N: usize>(self, s: S) -> usize {
        let x = s.splat(black_box(0.5));
        let mut sums: [S::V; N] = from_fn(|i| s.splat(i as f32));
        for _ in 0..self.passes {
            for vectors in black_box(self.numbers).as_chunks::<N>().0 {
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = s.mul_add(x, s.load(&vector.0), *sum);
                }
            }
        }
        use_all(s, sums);
        self.passes * self.numbers.len() / N * N * LANES
    }
}

/// The probes right before and right after a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probes {
    /// The probe before it.
    pub before: Probe,
    /// The probe after it.
    pub after: Probe,
}

impl Probes {
    /// Does `work` between two probes on the current rayon pool.
    pub fn around<T>(work: impl FnOnce() -> T) -> (T, Probes) {
        let before = probe();
        let done = work();
        (done, Probes { before, after: probe() })
    }

    /// The peak of all threads of the pool together, in GFLOP/s: the mean of both probes.
    pub fn peak(&self) -> f64 {
        0.5 * (self.before.peak + self.after.peak)
    }

    /// Whether no rate of either probe is more than 10 % below that of the best probe.
    fn near(&self, best: Probe) -> bool {
        let near = |probe: Probe| {
            let share = probe.with(best, |rate, best| rate / best);
            // The peak is the best moment, and says nothing of the others.
            [share.registers, share.l1, share.l2, share.mean].iter().all(|&share| share >= 0.9)
        };
        near(self.before) && near(self.after)
    }
}

/// Whether each measurement was quiet. Each has its number of threads and its probes; it is quiet if no rate of them is more than
/// 10 % below the best one of all measurements on as many threads. So a disturbance that lasts longer than a measurement, and
/// slows both of its probes, is noticed too.
pub fn quiet(measurements: &[(usize, Probes)]) -> Vec<bool> {
    let best = |threads: usize| {
        let alike = measurements.iter().filter(|&&(others, _)| others == threads);
        alike.flat_map(|(_, probes)| [probes.before, probes.after]).reduce(|a, b| a.with(b, f64::max))
    };
    measurements.iter().map(|&(threads, probes)| best(threads).is_some_and(|best| probes.near(best))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Threads;

    const CALM: Probe = Probe { peak: 110.0, registers: 100.0, l1: 80.0, l2: 50.0, mean: 70.0 };

    #[test]
    fn a_probe_that_moved_in_any_part_is_noticed() {
        let calm = Probes { before: CALM, after: CALM };
        let is_quiet = |moved| {
            let (first, last) = (Probes { before: moved, after: CALM }, Probes { before: CALM, after: moved });
            let [first, last] = [first, last].map(|probes| quiet(&[(1, probes), (1, calm)])[0]);
            assert_eq!(first, last);
            first
        };
        assert!(is_quiet(CALM) && is_quiet(Probe { registers: 91.0, l1: 73.0, l2: 46.0, mean: 64.0, ..CALM }));
        assert!(!is_quiet(Probe { registers: 89.0, ..CALM }));
        assert!(!is_quiet(Probe { l1: 71.0, ..CALM }));
        assert!(!is_quiet(Probe { l2: 44.0, ..CALM }));
        assert!(!is_quiet(Probe { mean: 62.0, ..CALM }));
        assert!(is_quiet(Probe { peak: 50.0, ..CALM }));
        assert_eq!(Probes { before: CALM, after: Probe { peak: 100.0, ..CALM } }.peak(), 105.0);
    }

    #[test]
    fn a_disturbance_of_both_probes_is_noticed_by_those_on_as_many_threads() {
        let probes = |scale: f64| {
            let probe = CALM.with(CALM, |rate, _| scale * rate);
            Probes { before: probe, after: probe }
        };
        let measurements = [(1, probes(1.0)), (2, probes(2.0)), (2, probes(1.7)), (1, probes(0.8)), (2, probes(1.9))];
        assert_eq!(quiet(&measurements), [true, true, false, false, true]);
        assert_eq!(quiet(&[]), [false; 0]);
    }

    #[test]
    fn the_probe_runs_on_every_thread_of_the_pool() {
        let pool = Threads::new(Some(2)).unwrap();
        let (started, probes) = pool.install(|| Probes::around(rayon::current_num_threads));
        assert_eq!(started, 2);
        for probe in [probes.before, probes.after] {
            assert!(probe.peak >= probe.registers && probe.registers > 0.0, "{probe:?}");
            assert!(probe.l1 > 0.0 && probe.l2 > 0.0 && probe.mean > 0.0, "{probe:?}");
        }
        let kept = pool.install(|| rayon::broadcast(|_| NUMBERS.with(|numbers| numbers.as_ptr() as usize)));
        assert_ne!(kept[0], kept[1]);
    }

    #[test]
    fn rates_are_joined_one_by_one() {
        let a = Probe { peak: 1.0, registers: 2.0, l1: 3.0, l2: 4.0, mean: 5.0 };
        let b = Probe { peak: 50.0, registers: 40.0, l1: 30.0, l2: 20.0, mean: 10.0 };
        let sums = Probe { peak: 51.0, registers: 42.0, l1: 33.0, l2: 24.0, mean: 15.0 };
        assert_eq!(a.with(b, |a, b| a + b), sums);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([7.0]), 7.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 3.0);
    }

    #[test]
    fn every_path_counts_its_multiply_adds() {
        let numbers = vec![Line([1.0; LANES]); 100];
        for path in autograd::kernels::KernelPath::all() {
            let done = path.run(Registers);
            assert!(done <= PIECE && done > PIECE - 24 * LANES, "{}: {done}", path.name());
            let done = path.run(Loads { numbers: &numbers, passes: 3 });
            assert!(done <= 4800 && done > 4800 - 3 * 8 * LANES, "{}: {done}", path.name());
        }
    }
}
