//! Sets of canvases that are too large for memory, clips or large pictures: each canvas is drawn when it is asked for.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Canvas, DigitBox, Fixed, fixed};
use crate::batches::Batch;
use crate::error::DataError;
use crate::images::Labelled;
use crate::layout::Layout;
use crate::rng::{Key, Purpose};

/// The most bytes of canvases that are held in memory: 1 GiB.
pub const HELD: u64 = 1 << 30;

/// Canvases that are drawn anew whenever they are asked for, always with the same bytes. In memory are only the images of the
/// source. Canvas i has the key (`seed`, `purpose`, 0, i), as in [`fixed`].
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    source: Arc<Labelled>,
    canvas: Canvas,
    key: Key,
}

impl Drawn {
    /// One canvas for each image of `source`, in order.
    ///
    /// # Errors
    /// As [`Canvas::validate`]. [`DataError::Mismatch`] if there are 2³² images or more.
    pub fn new(source: Arc<Labelled>, canvas: Canvas, seed: u64, purpose: Purpose) -> Result<Drawn, DataError> {
        canvas.validate(&source.images)?;
        if u32::try_from(source.len()).is_err() {
            return Err(DataError::Mismatch {
                what: "there are too many images",
                found: format!("{} images", source.len()),
                expected: "fewer than 2³²".to_owned(),
            });
        }
        Ok(Drawn { source, canvas, key: Key { seed, purpose, epoch: 0, sample: 0 } })
    }

    /// How the canvases are drawn.
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// The images and classes that the canvases are drawn from.
    pub fn source(&self) -> &Labelled {
        &self.source
    }

    /// Draws consecutive canvases, in place of what the batch holds.
    ///
    /// # Panics
    /// If the range ends after the last canvas.
    pub fn draw(&self, range: Range<usize>, batch: &mut Batch) {
        assert!(range.end <= self.source.len(), "Drawn::draw: {range:?} of {} canvases", self.source.len());
        // There are fewer than 2³² canvases.
        batch.draw(&self.source, &self.canvas, self.key, range.start as u32..range.end as u32);
    }
}

/// A set of canvases, or of clips, to validate or test on.
#[derive(Clone, Debug, PartialEq)]
pub enum Canvases {
    /// All of them are in memory.
    Fixed(Fixed),
    /// Each is drawn when it is asked for.
    Drawn(Drawn),
}

impl Canvases {
    /// One canvas for each image of `source`, with the keys of [`fixed`]. Pictures are held in memory if all of them have at most
    /// [`HELD`] bytes. Other pictures, and clips, are drawn when they are asked for. The bytes are the same.
    ///
    /// # Errors
    /// As [`fixed`] and [`Drawn::new`].
    pub fn new(source: Labelled, canvas: &Canvas, seed: u64, purpose: Purpose) -> Result<Canvases, DataError> {
        Canvases::holding(HELD, source, canvas, seed, purpose)
    }

    /// As [`Canvases::new`], but holds at most so many bytes.
    pub(super) fn holding(
        most: u64,
        source: Labelled,
        canvas: &Canvas,
        seed: u64,
        purpose: Purpose,
    ) -> Result<Canvases, DataError> {
        // Before the size is computed, which might be anything.
        canvas.validate(&source.images)?;
        let size = canvas.len(source.images.channels()) as u64;
        if canvas.frames > 1 || size.saturating_mul(source.len() as u64) > most {
            Ok(Canvases::Drawn(Drawn::new(Arc::new(source), *canvas, seed, purpose)?))
        } else {
            Ok(Canvases::Fixed(fixed(&source, canvas, seed, purpose)?))
        }
    }

    /// The number of canvases, or of clips.
    pub fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there is no canvas.
    pub fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }

    /// The class of each canvas, `[len]`.
    pub fn labels(&self) -> &[u8] {
        match self {
            Canvases::Fixed(Fixed { set, .. }) => &set.labels,
            Canvases::Drawn(drawn) => &drawn.source.labels,
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Canvases::Fixed(Fixed { set, .. }) => set.classes,
            Canvases::Drawn(drawn) => drawn.source.classes,
        }
    }

    /// The size of a canvas, and how its pixels lie in memory.
    pub fn layout(&self) -> Layout {
        match self {
            Canvases::Fixed(Fixed { set, .. }) => set.images.layout(),
            Canvases::Drawn(drawn) => drawn.canvas.layout(drawn.source.images.channels()),
        }
    }

    /// The number of frames of each clip: 1 for pictures.
    pub fn frames(&self) -> usize {
        match self {
            Canvases::Fixed(_) => 1,
            Canvases::Drawn(drawn) => drawn.canvas.frames,
        }
    }

    /// The pixels and boxes of consecutive canvases, `[frames, range.len()]` canvases as in a [`Batch`]. What is not in memory is
    /// drawn into `buffer`.
    ///
    /// # Panics
    /// If the range ends after the last canvas.
    pub fn view<'a>(&'a self, range: Range<usize>, buffer: &'a mut Batch) -> (&'a [u8], &'a [DigitBox]) {
        match self {
            Canvases::Fixed(Fixed { set, boxes }) => (set.images.slice(range.clone()), &boxes[range]),
            Canvases::Drawn(drawn) => {
                drawn.draw(range, buffer);
                (&buffer.pixels, &buffer.boxes)
            }
        }
    }

    /// The rows of one canvas, `[channels, height, width]`. Of a clip, these are the rows of the first frame.
    ///
    /// # Panics
    /// If there is no canvas `index`.
    pub fn rows(&self, index: usize) -> Cow<'_, [u8]> {
        match self {
            Canvases::Fixed(Fixed { set, .. }) => set.images.rows(index),
            Canvases::Drawn(Drawn { source, canvas, key }) => {
                let mut pixels = vec![0; self.layout().len()];
                canvas.draw(source, index, Key { sample: index as u64, ..*key }, &mut pixels);
                Cow::Owned(self.layout().to_rows(&pixels).into_owned())
            }
        }
    }
}
