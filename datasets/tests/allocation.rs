//! Batches are prepared without allocation, counted over all threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datasets::digits::generate;
use datasets::{Canvas, Loader, Placement, Scale, Split};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The one test of this file: another one in parallel would be counted too.
#[test]
fn nothing_is_allocated_once_batches_flow() {
    let cluttered = Canvas { height: 60, width: 60, placement: Placement::Translated, clutter: 4, ..Canvas::MNIST };
    let scale = Scale { low: 0.5, high: 2.0 };
    for canvas in [cluttered, Canvas { placement: Placement::Moving, frames: 3, scale, ..cluttered }] {
        let source = Arc::new(generate(1, Split::Train, 1000));
        let mut loader = Loader::new(source, canvas, 64, 1).unwrap();
        let mut before = 0;
        for epoch in 0..4 {
            let mut batches = loader.epoch(epoch, 0);
            let mut step = 0;
            while let Some(batch) = batches.next_batch().unwrap() {
                assert_eq!(batch.len(), if step == 15 { 40 } else { 64 });
                if (epoch, step) == (0, 1) {
                    before = COUNT.load(Ordering::SeqCst);
                }
                if step % 5 == 0 {
                    // A slow consumer, so that the worker waits as well as the caller.
                    std::thread::sleep(std::time::Duration::from_millis(3));
                }
                step += 1;
            }
        }
        assert_eq!(COUNT.load(Ordering::SeqCst), before);
    }
}
