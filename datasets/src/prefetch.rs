//! A thread that fills buffers ahead of their use, and takes them back.
//!
//! A mutex and two condition variables rather than a pair of channels: a channel allocates when a thread first has to
//! wait on it, which may be at any time, and training must not allocate once it is under way.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::DataError;

/// Fills a buffer for a step of an epoch.
trait Fill<B>: FnMut(u64, usize, &mut B) + Send + 'static {}
impl<B, F: FnMut(u64, usize, &mut B) + Send + 'static> Fill<B> for F {}

/// Buffers filled in order, ahead of their use.
pub(crate) struct Prefetch<B> {
    shared: Arc<Shared<B>>,
    /// What the caller has in hands.
    lent: Option<B>,
    filler: Filler<B>,
}

/// Who fills the buffers.
enum Filler<B> {
    /// The caller, when it asks for one.
    Inline(Box<dyn Fill<B>>),
    /// A thread of its own; `None` once it was waited for.
    Thread(Option<std::thread::JoinHandle<()>>),
}

struct Shared<B> {
    state: Mutex<State<B>>,
    /// There may be something to fill, or the end has come.
    work: Condvar,
    /// A buffer is full, or the worker failed.
    full: Condvar,
}

struct State<B> {
    epoch: u64,
    /// The steps of the epoch that nobody has begun to fill.
    steps: Range<usize>,
    /// How many epochs were started: what was filled for an earlier one is dropped.
    started: u64,
    free: Vec<B>,
    ready: VecDeque<B>,
    /// Steps being filled.
    filling: usize,
    failed: Option<String>,
    closed: bool,
}

impl<B> State<B> {
    /// The next step and a buffer for it, if there are both.
    fn begin(&mut self) -> Option<(usize, B)> {
        if self.steps.is_empty() {
            return None;
        }
        let buffer = self.free.pop()?;
        Some((self.steps.next()?, buffer))
    }
}

impl<B> Shared<B> {
    /// No invariant is ever broken half-way under the lock, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a, T>(condition: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condition.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

impl<B: Send + 'static> Prefetch<B> {
    /// Fills `buffers`, one of which the caller may hold while the others are prepared, in a thread or else inline.
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

    /// Begins an epoch and forgets the one before.
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

    /// The next step's buffer, or `None` at the epoch's end. The one lent before is taken back.
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

fn filler<B: Send + 'static>(
    threaded: bool,
    fill: impl Fill<B>,
    shared: &Arc<Shared<B>>,
) -> Result<Filler<B>, DataError> {
    // wasm can compile threads, but not start them.
    if !threaded || cfg!(target_family = "wasm") {
        return Ok(Filler::Inline(Box::new(fill)));
    }
    let shared = Arc::clone(shared);
    let builder = std::thread::Builder::new().name("datasets-prefetch".to_owned());
    let thread = builder.spawn(move || work(&shared, fill));
    thread.map(|handle| Filler::Thread(Some(handle))).map_err(|error| DataError::Worker(error.to_string()))
}

/// The life of the thread: fill what is free, in the order of steps, until the end.
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

        // After a panic nothing that `fill` holds is used again.
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
            // Its panics are caught and reported where batches are asked for.
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
