//! A thread that fills buffers before they are needed, and takes them back after use.
//!
//! It works with a mutex and two condition variables instead of a pair of channels. A channel allocates memory when a thread
//! waits on it for the first time, which may happen at any time, and training must not allocate after its first steps.
//!
//! A buffer is always in one of four states: `free`, being filled, `ready`, or `lent` to the caller.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::DataError;

/// Fills a buffer for an epoch and a step.
trait Fill<B>: FnMut(u64, usize, &mut B) + Send + 'static {}
impl<B, F: FnMut(u64, usize, &mut B) + Send + 'static> Fill<B> for F {}

/// Fills buffers in the order of the steps, before they are needed.
pub(crate) struct Prefetch<B> {
    shared: Arc<Shared<B>>,
    /// The buffer that the caller holds.
    lent: Option<B>,
    filler: Filler<B>,
}

/// What fills the buffers.
enum Filler<B> {
    /// The caller's own thread, when it asks for a buffer.
    Inline(Box<dyn Fill<B>>),
    /// A separate thread; `None` after it has been joined.
    Thread(Option<std::thread::JoinHandle<()>>),
}

struct Shared<B> {
    state: Mutex<State<B>>,
    /// Wakes the thread: there may be a buffer to fill, or the thread shall end.
    work: Condvar,
    /// Wakes the caller: a buffer is ready, or the thread has failed.
    full: Condvar,
}

struct State<B> {
    epoch: u64,
    /// The steps of the epoch that are still to be filled.
    steps: Range<usize>,
    /// How often an epoch was started. A buffer that was filled for an earlier start is dropped.
    started: u64,
    free: Vec<B>,
    ready: VecDeque<B>,
    /// The number of buffers that are being filled for this epoch, 0 or 1.
    filling: usize,
    /// The message of a panic in the thread.
    failed: Option<String>,
    /// Whether the thread shall end.
    closed: bool,
}

impl<B> State<B> {
    /// Takes the next step and a free buffer for it, if there are both.
    fn begin(&mut self) -> Option<(usize, B)> {
        if self.steps.is_empty() {
            return None;
        }
        let buffer = self.free.pop()?;
        Some((self.steps.next()?, buffer))
    }
}

impl<B> Shared<B> {
    /// Locks the state. A poisoned lock can be used like any other, since the state is consistent whenever code may panic.
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

impl<B: Send + 'static> Prefetch<B> {
    /// Fills `buffers` with `fill(epoch, step, buffer)`, in a thread if `threaded` and the platform has threads. The caller may hold
    /// one buffer while the others are filled.
    pub(crate) fn new(
        buffers: Vec<B>,
        threaded: bool,
        fill: impl FnMut(u64, usize, &mut B) + Send + 'static,
    ) -> Result<Self, DataError> {
        let ready = VecDeque::with_capacity(buffers.len());
        let state =
            State { epoch: 0, steps: 0..0, started: 0, free: buffers, ready, filling: 0, failed: None, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), full: Condvar::new() });
        let filler = filler(threaded, fill, &shared)?;
        Ok(Prefetch { shared, lent: None, filler })
    }

    /// Begins an epoch and drops what was filled for the one before.
    pub(crate) fn start(&mut self, epoch: u64, steps: Range<usize>) {
        let mut state = self.shared.lock();
        let state = &mut *state;
        state.free.extend(self.lent.take());
        state.free.extend(state.ready.drain(..));
        state.filling = 0;
        (state.epoch, state.steps) = (epoch, steps);
        state.started += 1;
        self.shared.work.notify_one();
    }

    /// The buffer of the next step, or `None` at the end of the epoch. The buffer that was lent before is taken back.
    pub(crate) fn next(&mut self) -> Result<Option<&B>, DataError> {
        let mut state = self.shared.lock();
        if let Some(buffer) = self.lent.take() {
            state.free.push(buffer);
            self.shared.work.notify_one();
        }
        self.lent = match &mut self.filler {
            Filler::Inline(fill) => match state.begin() {
                Some((step, mut buffer)) => {
                    fill(state.epoch, step, &mut buffer);
                    Some(buffer)
                }
                None => None,
            },
            Filler::Thread(_) => loop {
                if let Some(message) = &state.failed {
                    return Err(DataError::Worker(message.clone()));
                }
                if let Some(buffer) = state.ready.pop_front() {
                    break Some(buffer);
                }
                if state.steps.is_empty() && state.filling == 0 {
                    break None;
                }
                state = wait(&self.shared.full, state);
            },
        };
        Ok(self.lent.as_ref())
    }
}

/// Starts the thread, if there shall be one.
fn filler<B: Send + 'static>(
    threaded: bool,
    fill: impl Fill<B>,
    shared: &Arc<Shared<B>>,
) -> Result<Filler<B>, DataError> {
    // On wasm, code with threads compiles, but starting a thread fails.
    if !threaded || cfg!(target_family = "wasm") {
        return Ok(Filler::Inline(Box::new(fill)));
    }
    let shared = Arc::clone(shared);
    let builder = std::thread::Builder::new().name("datasets-prefetch".to_owned());
    let thread = builder.spawn(move || work(&shared, fill));
    thread.map(|handle| Filler::Thread(Some(handle))).map_err(|error| DataError::Worker(error.to_string()))
}

/// What the thread does: it fills free buffers in the order of the steps until the state is `closed`.
fn work<B>(shared: &Shared<B>, mut fill: impl Fill<B>) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let mut state = shared.lock();
    while !state.closed {
        let Some((step, mut buffer)) = state.begin() else {
            state = wait(&shared.work, state);
            continue;
        };
        let (epoch, started) = (state.epoch, state.started);
        state.filling += 1;
        drop(state);

        // Unwind safety: after a panic, `fill` is not called again.
        let outcome = catch_unwind(AssertUnwindSafe(|| fill(epoch, step, &mut buffer)));

        state = shared.lock();
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            state.failed = Some(text.unwrap_or("panicked").to_owned());
            shared.full.notify_one();
            return;
        }
        if state.started == started {
            state.filling -= 1;
            state.ready.push_back(buffer);
            shared.full.notify_one();
        } else {
            state.free.push(buffer);
        }
    }
}

impl<B> Drop for Prefetch<B> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        if let Filler::Thread(handle) = &mut self.filler
            && let Some(handle) = handle.take()
        {
            // A panic of the thread was caught and is reported by `next`.
            let _ = handle.join();
        }
    }
}

impl<B> std::fmt::Debug for Prefetch<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefetch").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;

    fn counting(buffers: usize, threaded: bool) -> Prefetch<(u64, usize)> {
        Prefetch::new(vec![(0, 0); buffers], threaded, |epoch, step, buffer| *buffer = (epoch, step)).unwrap()
    }

    #[test]
    fn steps_come_in_order_for_any_number_of_buffers() {
        for (buffers, threaded) in [(1, false), (1, true), (2, true), (5, true)] {
            let mut prefetch = counting(buffers, threaded);
            for epoch in 0..50 {
                prefetch.start(epoch, 3..20);
                for step in 3..20 {
                    assert_eq!(prefetch.next().unwrap(), Some(&(epoch, step)));
                }
                assert_eq!(prefetch.next().unwrap(), None);
                assert_eq!(prefetch.next().unwrap(), None);
            }
        }
    }

    #[test]
    fn an_epoch_left_early_leaves_nothing_behind() {
        let mut prefetch = counting(3, true);
        for epoch in 0..2000 {
            prefetch.start(epoch, 0..10);
            for step in 0..epoch as usize % 11 {
                assert_eq!(prefetch.next().unwrap(), Some(&(epoch, step)));
            }
        }
    }

    #[test]
    fn dropping_it_at_any_moment_ends_the_thread() {
        for taken in 0..200 {
            let alive = Arc::new(());
            let inside = Arc::clone(&alive);
            let mut prefetch = Prefetch::new(vec![0; 3], true, move |_, step, buffer| {
                let _held = &inside;
                *buffer = step;
            })
            .unwrap();
            prefetch.start(0, 0..1000);
            for _ in 0..taken % 7 {
                prefetch.next().unwrap();
            }
            drop(prefetch);
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    }

    #[test]
    fn a_panic_in_the_thread_becomes_an_error() {
        let mut prefetch = Prefetch::new(vec![0; 3], true, |_, step, _: &mut i32| assert!(step < 5, "no step {step}"));
        let prefetch = prefetch.as_mut().unwrap();
        prefetch.start(0, 0..10);
        let error = loop {
            match prefetch.next() {
                Ok(batch) => assert!(batch.is_some(), "the epoch ended as if nothing had happened"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("no step 5"), "{error}");
        prefetch.start(1, 0..3);
        assert!(prefetch.next().is_err());
    }
}
