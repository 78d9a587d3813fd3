//! From batch received to parameters updated nothing is allocated, from the second step of each batch's size on.
//! Counted over all threads: this one, those of the pool, and the loader's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ram::config::{Base, Canvas, Config, LossKind, OptimiserKind, Returns, Reward, Source};
use ram::model::{First, Locations};
use ram::reinforce::BaselineKind;
use ram::schedule::Rates;
use ram::tasks;
use ram::train::learner::Learner;

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

/// The allocations of each step and of the wait for its batch.
fn allocations(config: &Config, epochs: u64) -> Vec<usize> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    // A thread that looks for work the first time registers with crossbeam, which allocates once in its life. Both do
    // so here.
    pool.install(|| {
        let both = std::sync::Barrier::new(2);
        rayon::join(|| both.wait(), || both.wait());
    });
    config.validate().unwrap();
    let task = tasks::named(config).unwrap();
    let mut data = task.training(config, None).unwrap();
    let mut learner = Learner::new(config, task, [data.channels, data.outputs.len()]);
    let mut counts = Vec::with_capacity(1000);
    pool.install(|| {
        for epoch in 0..epochs {
            data.batches.begin(epoch, 0);
            let mut before = COUNT.load(Ordering::SeqCst);
            while let Some(batch) = data.batches.next_batch().unwrap() {
                learner.step(batch, epoch, Rates { learning_rate: 1e-3, std: 0.1 });
                let now = COUNT.load(Ordering::SeqCst);
                counts.push(now - before);
                before = now;
            }
        }
    });
    counts
}

/// The one test of this file: another one in parallel would be counted too.
#[test]
fn nothing_is_allocated_from_the_second_step_on() {
    let mut config = Config::default();
    (config.data.source, config.data.canvas, config.data.size) = (Source::Digits, Canvas::Translated, 40);
    (config.data.train, config.data.validation, config.data.test) = (128 * 7 + 50, 50, 50);
    (config.model.glimpses, config.model.scales) = (3, 2);
    for policy in Locations::ALL {
        for (kind, optimiser) in [(LossKind::Hybrid, OptimiserKind::Adam), (LossKind::Reinforce, OptimiserKind::Sgd)] {
            config.policy.locations = policy;
            (config.loss.kind, config.optimiser.kind) = (kind, optimiser);
            let counts = allocations(&config, 3);
            assert_eq!(counts.len(), 24);
            // The first step of all makes the memory; the first ragged batch fits into it.
            assert!(counts[0] > 0, "the counter counts");
            assert_eq!(counts[1..].iter().sum::<usize>(), 0, "{policy:?}, {kind:?}: by step {counts:?}");
        }
    }

    // Several samples an image, each compared with the others.
    (config.policy.locations, config.loss.kind) = (Locations::Learned, LossKind::Hybrid);
    (config.train.batch, config.train.samples, config.loss.baseline) = (32, 4, BaselineKind::LeaveOneOut);
    let counts = allocations(&config, 2);
    assert_eq!(counts[1..].iter().sum::<usize>(), 0, "samples: by step {counts:?}");

    // An informed baseline, gains to go, early answers, and a chosen first location.
    (config.train.batch, config.train.samples, config.loss.baseline) = (128, 1, BaselineKind::Informed);
    (config.loss.reward, config.loss.returns, config.loss.early_weight) = (Reward::Probability, Returns::ToGo, 0.3);
    config.policy.first = First::Learned;
    let counts = allocations(&config, 2);
    assert_eq!(counts[1..].iter().sum::<usize>(), 0, "informed: by step {counts:?}");

    // Clips, and several zooms.
    let mut clips = config.clone();
    (clips.data.canvas, clips.data.frames, clips.data.clutter) = (Canvas::Moving, 3, 2);
    (clips.policy.zooms, clips.policy.first) = (2, First::Random);
    let counts = allocations(&clips, 2);
    assert_eq!(counts[1..].iter().sum::<usize>(), 0, "clips: by step {counts:?}");

    // Games.
    let sets = ["data.train=150", "train.batch=64"].map(str::to_owned);
    let counts = allocations(&Config::load(Base::Experiment("catch"), &sets).unwrap(), 2);
    assert_eq!(counts.len(), 6);
    assert_eq!(counts[1..].iter().sum::<usize>(), 0, "games: by step {counts:?}");
}
