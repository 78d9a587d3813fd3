//! Batches: the same for any prefetch, resumable anywhere, each sample once an epoch.

use std::sync::Arc;

use datasets::digits::generate;
use datasets::rng::{Key, Purpose};
use datasets::{Batch, Canvas, DigitBox, Labelled, Loader, Placement, Split};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const CLUTTERED: Canvas =
    Canvas { height: 36, width: 40, placement: Placement::Translated, clutter: 2, ..Canvas::MNIST };

fn digits(count: u32) -> Arc<Labelled> {
    Arc::new(generate(1, Split::Train, count))
}

fn collect(loader: &mut Loader, epoch: u64, first_step: usize) -> Vec<Batch> {
    let mut batches = vec![];
    let mut epoch = loader.epoch(epoch, first_step);
    while let Some(batch) = epoch.next_batch().unwrap() {
        batches.push(batch.clone());
    }
    assert!(epoch.next_batch().unwrap().is_none());
    batches
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn batches_depend_on_seed_epoch_and_step_alone(
        count in 1_u32..60, size in 1_usize..70, ahead in 0_usize..6, seed: u64, epoch: u64, skip in 0_usize..70
    ) {
        let source = digits(count);
        let mut plain = Loader::with_prefetch(Arc::clone(&source), CLUTTERED, size, seed, 0).unwrap();
        let mut ahead = Loader::with_prefetch(Arc::clone(&source), CLUTTERED, size, seed, ahead).unwrap();
        let all = collect(&mut plain, epoch, 0);
        prop_assert_eq!(all.len(), plain.steps());
        let by_iterator: Vec<Batch> = plain.epoch(epoch, 0).map(Result::unwrap).collect();
        prop_assert_eq!(&by_iterator, &all);
        // What was done before does not show: another epoch, this one left early.
        ahead.epoch(epoch ^ 1, 0).next_batch().unwrap();
        ahead.epoch(epoch, 0).next_batch().unwrap();
        prop_assert_eq!(&collect(&mut ahead, epoch, 0), &all);
        // Resumed in the middle it goes on as if it had never stopped, also past the end.
        prop_assert_eq!(&collect(&mut ahead, epoch, skip)[..], &all[skip.min(all.len())..]);

        // Each sample once, all batches full but the last.
        let mut samples: Vec<u32> = all.iter().flat_map(|batch| batch.samples.clone()).collect();
        samples.sort_unstable();
        prop_assert!(samples.into_iter().eq(0..count));
        let size = size.min(count as usize);
        prop_assert!(all[..all.len() - 1].iter().all(|batch| batch.len() == size));
        prop_assert_eq!(all.last().unwrap().len(), (count as usize - 1) % size + 1);

        // And each canvas is the one of its key.
        let mut out = vec![0; 36 * 40];
        for batch in &all {
            prop_assert_eq!(batch.layout.size(), [1, 36, 40]);
            prop_assert_eq!(batch.pixels.len(), batch.len() * 36 * 40);
            for (i, &sample) in batch.samples.iter().enumerate() {
                let key = Key { seed, purpose: Purpose::Canvas, epoch, sample: u64::from(sample) };
                prop_assert_eq!(CLUTTERED.draw(&source, sample as usize, key, &mut out), batch.boxes[i]);
                prop_assert_eq!(&batch.pixels[i * 36 * 40..][..36 * 40], &out[..]);
                prop_assert_eq!(batch.labels[i], u32::from(source.labels[sample as usize]));
            }
        }
    }
}

/// Clips come frame by frame, so that a frame of all clips is one slice; the last batch is smaller.
#[test]
fn batches_of_clips_have_their_frames_one_after_the_other() {
    let (source, frames) = (digits(50), 6);
    let canvas = Canvas { placement: Placement::Moving, frames, ..CLUTTERED };
    let mut loaders = [0, 3].map(|ahead| Loader::with_prefetch(Arc::clone(&source), canvas, 16, 9, ahead).unwrap());
    let [plain, ahead] = loaders.each_mut().map(|loader| collect(loader, 2, 0));
    assert!(plain == ahead && plain.len() == 4);
    let (mut clip, mut boxes) = (vec![0; frames * 36 * 40], vec![DigitBox::default(); frames]);
    for batch in &plain {
        assert_eq!(batch.pixels.len(), frames * batch.len() * 36 * 40);
        assert_eq!((batch.frames, batch.boxes.len()), (frames, frames * batch.len()));
        for (i, &sample) in batch.samples.iter().enumerate() {
            let key = Key { seed: 9, purpose: Purpose::Canvas, epoch: 2, sample: u64::from(sample) };
            canvas.draw_frames(&source, sample as usize, key, &mut clip, &mut boxes);
            for (frame, pixels) in clip.chunks_exact(36 * 40).enumerate() {
                assert_eq!(&batch.frame(frame)[i * 36 * 40..][..36 * 40], pixels);
                assert_eq!(batch.frame_boxes(frame)[i], boxes[frame]);
            }
        }
    }
}

/// Recorded once: another machine, or another version, must train on the same bytes.
#[test]
fn every_byte_is_the_recorded_one() {
    let mut loader = Loader::new(digits(1000), CLUTTERED, 128, 42).unwrap();
    let mut hash = Sha256::new();
    for batch in collect(&mut loader, 3, 0) {
        hash.update(&batch.pixels);
        batch.samples.iter().chain(&batch.labels).for_each(|word| hash.update(word.to_le_bytes()));
        batch.boxes.iter().for_each(|place| hash.update([place.x as u8, place.y as u8]));
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "ee8329f29cea06dad8c728b2260cf5d358ae7237f81799e0d1b335931e2379bc");
}

#[test]
fn epochs_and_seeds_differ() {
    let order = |seed, epoch| collect(&mut Loader::new(digits(50), CLUTTERED, 50, seed).unwrap(), epoch, 0).remove(0);
    let (one, next, other) = (order(1, 0), order(1, 1), order(2, 0));
    assert_ne!(one.samples, next.samples);
    assert_ne!(one.samples, other.samples);
    let pixels = |batch: &Batch| {
        let at = batch.samples.iter().position(|&sample| sample == 7).unwrap();
        batch.pixels[at * 36 * 40..][..36 * 40].to_vec()
    };
    assert_ne!(pixels(&one), pixels(&next), "a canvas is drawn anew in each epoch");
}

#[test]
fn what_makes_no_batches_is_refused() {
    let refuse = |count, canvas, size| Loader::new(digits(count), canvas, size, 1).unwrap_err().to_string();
    assert!(refuse(10, CLUTTERED, 0).contains("batch size 0"));
    assert!(refuse(0, CLUTTERED, 8).contains("data set is empty"));
    assert!(refuse(10, Canvas { width: 27, ..CLUTTERED }, 8).contains("at least 28×28"));
    let whole = Loader::new(digits(10), CLUTTERED, usize::MAX, 1).unwrap();
    assert_eq!(whole.steps(), 1);
}
