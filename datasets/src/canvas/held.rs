//! Sets of canvases that are the same for every run, to validate or test on.

use super::{Canvas, DigitBox};
use crate::error::DataError;
use crate::images::{Images, Labelled, zeros};
use crate::rng::{Key, Purpose};

/// Canvases that are drawn once, to validate or test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The canvases and their classes, in the order of the source.
    pub set: Labelled,
    /// Where the source image lies on each canvas.
    pub boxes: Vec<DigitBox>,
}

/// The seed of the validation and test canvases. It is the same for every run, whatever the seed of the run.
pub const EVALUATION_SEED: u64 = 2014;

/// Draws one canvas for each image of `source`, in order. Canvas i has the key (`seed`, `purpose`, 0, i).
///
/// Results are reported on the canvases of [`EVALUATION_SEED`] with [`Purpose::ValidationCanvas`] or [`Purpose::TestCanvas`].
///
/// # Errors
/// As [`Canvas::validate`]. [`DataError::Mismatch`] if there is not enough memory for the canvases.
pub fn fixed(source: &Labelled, canvas: &Canvas, seed: u64, purpose: Purpose) -> Result<Fixed, DataError> {
    canvas.validate(&source.images)?;
    let channels = source.images.channels();
    let mut pixels = zeros(source.len(), canvas.len(channels))?;
    let boxes = pixels.chunks_exact_mut(canvas.len(channels)).enumerate().map(|(index, out)| {
        let key = Key { seed, purpose, epoch: 0, sample: index as u64 };
        canvas.draw(source, index, key, out)
    });
    let boxes = boxes.collect();
    let images = Images::from_parts(pixels, source.len(), canvas.layout(channels));
    Ok(Fixed { set: Labelled { images, labels: source.labels.clone(), classes: source.classes }, boxes })
}
