//! Batches: the samples of an epoch in random order, each drawn on its canvas, prepared before they are needed.
//!
//! The content of a batch depends only on the seed, the epoch and the step. The samples are shuffled with the key (seed,
//! [`Purpose::Shuffle`], epoch, 0), and sample i of the set is drawn on its canvas with the key (seed, [`Purpose::Canvas`],
//! epoch, i). Training can therefore resume at any step, and threads cannot change what it sees.

use std::sync::Arc;

use crate::canvas::{Canvas, DigitBox};
use crate::error::DataError;
use crate::images::{Labelled, zeros};
use crate::layout::Layout;
use crate::prefetch::Prefetch;
use crate::rng::{Key, Purpose, shuffle};

/// The number of batches that are prepared ahead.
const AHEAD: usize = 3;

/// Samples on their canvases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The pixels, `[frames, len]` canvases, each in its layout. First come the first frames of all clips, then all second frames,
    /// and so on; with one frame this is canvas after canvas, `[len, channels, height, width]` if the layout is rows.
    pub pixels: Vec<u8>,
    /// The classes, `[len]`.
    pub labels: Vec<u32>,
    /// The index of each sample in its split, `[len]`.
    pub samples: Vec<u32>,
    /// Where the source image lies on each canvas, `[frames, len]`.
    pub boxes: Vec<DigitBox>,
    /// The size of a canvas, and how its pixels lie in memory.
    pub layout: Layout,
    /// The number of frames of each clip: 1 for pictures.
    pub frames: usize,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Frame `frame` of all clips, one after the other, each in its layout.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn frame(&self, frame: usize) -> &[u8] {
        let size = self.len() * self.layout.len();
        &self.pixels[frame * size..][..size]
    }

    /// Where the source images lie in frame `frame`, `[len]`.
    ///
    /// # Panics
    /// If there is no such frame.
    pub fn frame_boxes(&self, frame: usize) -> &[DigitBox] {
        &self.boxes[frame * self.len()..][..self.len()]
    }

    /// Draws samples of a source on their canvases, in place of what the batch holds. Sample i has the key `key` with i in the
    /// place of its sample. Nothing is allocated if the batch has held as many canvases before.
    pub(crate) fn draw(
        &mut self,
        source: &Labelled,
        canvas: &Canvas,
        key: Key,
        samples: impl ExactSizeIterator<Item = u32>,
    ) {
        let (len, frames) = (samples.len(), canvas.frames);
        (self.layout, self.frames) = (canvas.layout(source.images.channels()), frames);
        let size = self.layout.len();
        self.pixels.resize(frames * len * size, 0);
        self.boxes.resize(frames * len, DigitBox::default());
        self.labels.clear();
        self.samples.clear();
        for (i, sample) in samples.enumerate() {
            let key = Key { sample: u64::from(sample), ..key };
            for at in (0..frames).map(|frame| frame * len + i) {
                let out = &mut self.pixels[at * size..][..size];
                self.boxes[at] = canvas.draw_frame(source, sample as usize, key, at / len, out);
            }
            self.labels.push(u32::from(source.labels[sample as usize]));
            self.samples.push(sample);
        }
    }
}

/// Prepares the shuffled batches of an epoch in a thread of its own. On wasm, which has no threads, it prepares each batch when
/// the caller asks for it.
///
/// The thread lives as long as the loader and fills the same few buffers again and again, so neither the thread nor the caller
/// allocates memory after the beginning.
#[derive(Debug)]
pub struct Loader {
    prefetch: Prefetch<Batch>,
    steps: usize,
}

impl Loader {
    /// Makes a loader of batches of `batch_size` samples. The last batch of an epoch has the samples that are left.
    ///
    /// # Errors
    /// As [`Canvas::validate`]. [`DataError::Mismatch`] if `batch_size` is 0, if the set has 2³² samples or more, or if there is not
    /// enough memory for the batches. [`DataError::Worker`] if the operating system cannot start a thread.
    pub fn new(source: Arc<Labelled>, canvas: Canvas, batch_size: usize, seed: u64) -> Result<Self, DataError> {
        Self::with_prefetch(source, canvas, batch_size, seed, AHEAD)
    }

    /// As [`Loader::new`], but prepares `ahead` batches ahead; 0 means that there is no thread. The batches are the same.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn with_prefetch(
        source: Arc<Labelled>,
        canvas: Canvas,
        batch_size: usize,
        seed: u64,
        ahead: usize,
    ) -> Result<Self, DataError> {
        canvas.validate(&source.images)?;
        let samples = u32::try_from(source.len()).unwrap_or(0);
        if batch_size == 0 || samples == 0 {
            return Err(DataError::Mismatch {
                what: "no batches can be made",
                found: format!("batch size {batch_size} for {} samples", source.len()),
                expected: "a batch size of at least 1, and fewer than 2³² samples".to_owned(),
            });
        }
        let batch_size = batch_size.min(source.len());
        let layout = canvas.layout(source.images.channels());
        // The caller may hold one batch while the others are ready.
        let buffers = (0..=ahead).map(|_| {
            Ok(Batch {
                pixels: zeros(batch_size.saturating_mul(canvas.frames), layout.len())?,
                labels: vec![0; batch_size],
                samples: vec![0; batch_size],
                boxes: vec![DigitBox::default(); batch_size * canvas.frames],
                layout,
                frames: canvas.frames,
            })
        });
        let buffers = buffers.collect::<Result<Vec<Batch>, DataError>>()?;
        let steps = source.len().div_ceil(batch_size);
        let mut order: Vec<u32> = (0..samples).collect();
        let mut ordered = None;
        let fill = move |epoch: u64, step: usize, batch: &mut Batch| {
            if ordered != Some(epoch) {
                order.iter_mut().zip(0..).for_each(|(sample, index)| *sample = index);
                shuffle(&mut Key { seed, purpose: Purpose::Shuffle, epoch, sample: 0 }.stream(), &mut order);
                ordered = Some(epoch);
            }
            let samples = &order[step * batch_size..];
            let key = Key { seed, purpose: Purpose::Canvas, epoch, sample: 0 };
            batch.draw(&source, &canvas, key, samples.iter().take(batch_size).copied());
        };
        Ok(Loader { prefetch: Prefetch::new(buffers, ahead > 0, fill)?, steps })
    }

    /// The number of batches in an epoch.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The batches of an epoch from step `first_step` on. There are none if the epoch has no more steps.
    ///
    /// Batches that were prepared for an earlier epoch and not asked for are dropped.
    pub fn epoch(&mut self, epoch: u64, first_step: usize) -> Epoch<'_> {
        self.begin(epoch, first_step);
        Epoch { loader: self, failed: false }
    }

    /// Begins an epoch at step `first_step`, as [`Loader::epoch`] does; [`Loader::next_batch`] then gives its batches.
    pub fn begin(&mut self, epoch: u64, first_step: usize) {
        self.prefetch.start(epoch, first_step..self.steps);
    }

    /// The next batch of the epoch that was begun, or `None` at its end. It is lent until the next one is asked for.
    ///
    /// # Errors
    /// [`DataError::Worker`] if the thread that prepares batches panicked; so does every later call.
    pub fn next_batch(&mut self) -> Result<Option<&Batch>, DataError> {
        self.prefetch.next()
    }
}

/// The batches of an epoch, one after the other.
///
/// `for batch in loader.epoch(0, 0)` gives each batch as a copy of its own. [`Epoch::next_batch`] lends it instead until the next
/// call, which uses its buffer again, and so allocates nothing:
///
/// ```
/// # use std::sync::Arc;
/// # use datasets::{Canvas, Digits, Loader, Placement, Source};
/// # let source = Digits { seed: 1, train: 30, validation: 10, test: 10 };
/// # let canvas = Canvas { height: 28, width: 28, ..Canvas::MNIST };
/// # let mut loader = Loader::new(Arc::new(source.train_validation()?.train.set), canvas, 8, 1)?;
/// let mut epoch = loader.epoch(0, 0);
/// let mut samples = 0;
/// while let Some(batch) = epoch.next_batch()? {
///     samples += batch.len();
/// }
/// assert_eq!(samples, 30);
/// # Ok::<(), datasets::DataError>(())
/// ```
#[derive(Debug)]
pub struct Epoch<'a> {
    loader: &'a mut Loader,
    failed: bool,
}

impl Epoch<'_> {
    /// The next batch, or `None` at the end of the epoch.
    ///
    /// # Errors
    /// [`DataError::Worker`] if the thread that prepares batches panicked. Every later call then returns this error too.
    pub fn next_batch(&mut self) -> Result<Option<&Batch>, DataError> {
        self.loader.next_batch()
    }
}

/// The errors are those of [`Epoch::next_batch`]; after one, the iterator ends.
impl Iterator for Epoch<'_> {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Result<Batch, DataError>> {
        if self.failed {
            return None;
        }
        let next = self.loader.next_batch().map(|batch| batch.cloned()).transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_ends_after_an_error() {
        let fill = |_: u64, step: usize, _: &mut Batch| assert!(step < 2, "no step {step}");
        let prefetch = Prefetch::new(vec![Batch::default(); 2], true, fill).unwrap();
        let mut loader = Loader { prefetch, steps: 10 };
        let results: Vec<bool> = loader.epoch(0, 0).map(|batch| batch.is_ok()).collect();
        assert!(matches!(results[..], [false] | [true, false] | [true, true, false]), "{results:?}");
    }
}
