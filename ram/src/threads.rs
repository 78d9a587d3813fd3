//! The threads that take part in a computation.

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
