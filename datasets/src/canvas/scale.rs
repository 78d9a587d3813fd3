//! How large the source image is drawn: a factor that is log-uniform, so that half and twice the size are equally likely.

use crate::error::DataError;
use crate::rng::{Key, uniform};

/// The block of a key's stream from which the factor is drawn. The place and the clutter are drawn from the first blocks and
/// never come so far, so a scale changes nothing that is drawn there.
const BLOCK: u64 = 1 << 40;

/// The factors that can be asked for. The limits are generous, but a typing mistake cannot take all memory.
const LIMITS: [f64; 2] = [0.125, 64.0];

/// The factors by which the source image is enlarged or made smaller before it is put on its canvas.
///
/// Each canvas has its own factor s from `low` to `high`. It is log-uniform: s = low·(high/low)ᵘ, where u is uniform on [0, 1).
/// An image of h×w pixels is drawn with round(s·h) × round(s·w) pixels, and at least one. Shrinking averages areas, and enlarging
/// is bicubic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The smallest factor.
    pub low: f64,
    /// The largest factor.
    pub high: f64,
}

impl Scale {
    /// The source image as it is: nothing is drawn at random, and nothing is resampled.
    pub const ONE: Scale = Scale { low: 1.0, high: 1.0 };

    /// Checks the factors.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if a factor is not a number from 1/8 to 64, or if `low` is above `high`.
    pub fn validate(self) -> Result<(), DataError> {
        let Scale { low, high } = self;
        // A NaN is in no range.
        if [low, high].iter().all(|factor| (LIMITS[0]..=LIMITS[1]).contains(factor)) && low <= high {
            return Ok(());
        }
        Err(DataError::Mismatch {
            what: "the scale is out of range",
            found: format!("[{low}, {high}]"),
            expected: "two factors [low, high] from 0.125 to 64, where low is at most high".to_owned(),
        })
    }

    /// The largest `[height, width]` at which an image of this `[height, width]` is drawn, in pixels.
    pub fn largest(self, size: [usize; 2]) -> [usize; 2] {
        scaled(size, self.high)
    }

    /// The `[height, width]` at which the canvas of this key shows an image of this `[height, width]`, in pixels.
    pub(super) fn draw(self, size: [usize; 2], key: Key) -> [usize; 2] {
        let Scale { low, high } = self;
        if low == high {
            return scaled(size, low);
        }
        let u = uniform(&mut key.stream_at(BLOCK));
        // libm is written in Rust: its last bit is the same on every machine. A rounding error must not leave the range.
        let factor = low * libm::exp(u * libm::log(high / low));
        scaled(size, factor.clamp(low, high))
    }
}

/// Each side times a factor, rounded, and at least 1.
fn scaled(size: [usize; 2], factor: f64) -> [usize; 2] {
    size.map(|side| ((side as f64 * factor).round() as usize).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    const HALF_TO_TWICE: Scale = Scale { low: 0.5, high: 2.0 };

    fn sides(scale: Scale, count: u64) -> Vec<usize> {
        let key = |sample| Key { seed: 1, purpose: Purpose::Canvas, epoch: 0, sample };
        (0..count).map(|sample| scale.draw([28, 28], key(sample))[0]).collect()
    }

    /// Recorded once: another machine must draw the same sizes.
    #[test]
    fn sizes_are_stable() {
        assert_eq!(sides(HALF_TO_TWICE, 12), [25, 46, 42, 42, 21, 51, 43, 30, 40, 15, 19, 17]);
        assert_eq!(sides(Scale::ONE, 3), [28; 3]);
        assert_eq!(sides(Scale { low: 1.5, high: 1.5 }, 3), [42; 3]);
    }

    /// Each octave is as likely as the other, and so is each half of an octave.
    #[test]
    fn sizes_are_log_uniform() {
        let sides = sides(HALF_TO_TWICE, 40_000);
        assert_eq!((sides.iter().min(), sides.iter().max()), (Some(&14), Some(&56)));
        // Borders at 14·√2 = 19.8, 28 and 14·√8 = 39.6. Half of the sides that are rounded to 28 lie below it.
        let below = |border: usize| sides.iter().filter(|&&side| side < border).count();
        let half = (below(28) + below(29)) / 2;
        let counts = [below(20), half - below(20), below(40) - half, sides.len() - below(40)];
        // Five standard deviations are 433; a border that is 0.3 pixels off moves another 430 sides of 20 pixels.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 900), "{counts:?}");
    }

    #[test]
    fn sides_are_rounded_each() {
        let scale = Scale { low: 0.3, high: 0.3 };
        assert_eq!(scale.largest([10, 28]), [3, 8]);
        assert_eq!(scale.largest([1, 1]), [1, 1]);
    }

    #[test]
    fn factors_out_of_range_are_refused() {
        for (low, high) in [(0.0, 1.0), (0.1, 1.0), (2.0, 1.0), (1.0, 65.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
            let error = Scale { low, high }.validate().unwrap_err().to_string();
            assert!(error.contains("the scale is out of range: found [") && error.contains("0.125 to 64"), "{error}");
        }
        assert!(Scale::ONE.validate().is_ok() && HALF_TO_TWICE.validate().is_ok());
    }
}
