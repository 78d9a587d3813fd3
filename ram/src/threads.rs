//! The threads that take part in a computation.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Yield;

use crate::error::RamError;

/// A pool of threads. WebAssembly can start none: there rayon's global pool is the caller's thread.
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// A pool of so many threads, or of one for each core.
    ///
    /// # Errors
    /// [`RamError::Training`] where the system refuses them.
    pub fn new(threads: Option<usize>) -> Result<Threads, RamError> {
        if cfg!(target_family = "wasm") {
            return Ok(Threads(None));
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
        let pool = builder.thread_name(|i| format!("ram {i}")).build();
        pool.map(|pool| Threads(Some(pool)))
            .map_err(|error| RamError::Training(format!("cannot start {threads:?} threads: {error}; try --threads 1")))
    }

    /// Runs `work` on the pool.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// Runs `work` on a thread of the current rayon pool, whose other threads wait for parts of it without falling asleep. To wake
/// one takes as long as many a part of a training step. If there are more threads than cores, they sleep as usual, since a
/// thread that waits would take the core of one that works.
pub(crate) fn awake<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    let threads = rayon::current_num_threads();
    if threads == 1 || threads > cores {
        return work();
    }
    let done = AtomicBool::new(false);
    let work = || {
        // Also if `work` panics.
        let _end = SetOnDrop(&done);
        work()
    };
    rayon::join(work, || wait_on(threads - 1, &done)).0
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Has so many threads wait for work until `done` is set.
fn wait_on(threads: usize, done: &AtomicBool) {
    match threads {
        0 | 1 => wait(done),
        _ => _ = rayon::join(|| wait(done), || wait_on(threads - 1, done)),
    }
}

fn wait(done: &AtomicBool) {
    while !done.load(Ordering::Acquire) {
        if rayon::yield_now() != Some(Yield::Executed) {
            (0..32).for_each(|_| std::hint::spin_loop());
            // Another program may need the core.
            std::thread::yield_now();
        }
    }
}
