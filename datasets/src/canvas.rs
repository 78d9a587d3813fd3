//! Canvases: an image such as a digit lies somewhere on a larger black image, among pieces of other images.
//!
//! This is the published procedure of "Translated" and "Cluttered Translated MNIST" (the paper's Sec. 4.1). The digit is put on
//! a canvas of zeros, at an offset that is uniform over all places where it fits. The pieces of clutter are windows of 8×8
//! pixels. Each is cut at a uniform offset from a uniformly chosen image of the same split, and put at a uniform offset. Pixels
//! that overlap are added and clamped to white. A piece may be empty or lie on the digit; it stays as it is.
//!
//! Beyond the paper, the digit may have another size on each canvas: see [`Scale`].

mod fixed;
mod resample;
mod scale;

pub use fixed::{EVALUATION_SEED, Fixed, fixed};
pub use scale::Scale;

use self::resample::Resampled;
use crate::error::DataError;
use crate::images::{Images, Labelled};
use crate::layout::Layout;
use crate::rng::{Key, below};

/// The height and width of a piece of clutter, in pixels.
pub const PIECE: usize = 8;

/// The longest side of a canvas, in pixels. The limit is generous, but a typing mistake cannot take all memory.
const MAX_SIDE: usize = 4096;

/// The most pieces of clutter.
const MAX_CLUTTER: usize = 4096;

/// Where on the canvas the source image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the middle. If the margin is odd, the image is half a pixel farther to the upper left.
    Centred,
    /// Anywhere: all places where the image fits are equally likely.
    Translated,
}

/// How to draw a canvas from a source image.
///
/// | the paper's task | `height`, `width` | `placement` | `clutter` |
/// |---|---|---|---|
/// | MNIST | 28 | `Centred` | 0 |
/// | 60×60 Translated MNIST | 60 | `Translated` | 0 |
/// | 60×60 Cluttered Translated MNIST | 60 | `Translated` | 4 |
/// | 100×100 Cluttered Translated MNIST | 100 | `Translated` | 8 |
///
/// `Canvas { clutter: 4, ..Canvas::MNIST }` says what differs from the paper's MNIST.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canvas {
    /// The height of the canvas, in pixels.
    pub height: usize,
    /// The width of the canvas, in pixels.
    pub width: usize,
    /// Where the source image lies.
    pub placement: Placement,
    /// The number of pieces of clutter.
    pub clutter: usize,
    /// How large the source image is drawn. Pieces of clutter are cut from images in their own size.
    pub scale: Scale,
}

/// Where a source image lies on its canvas, in pixels: columns `x .. x + width`, rows `y .. y + height`.
///
/// The box contains the whole source image, in the size in which it is drawn, and not only its ink: 28×28 pixels for MNIST, where
/// the ink fills the inner 20×20.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigitBox {
    /// The leftmost column.
    pub x: u32,
    /// The topmost row.
    pub y: u32,
    /// The number of columns.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
}

/// A rectangle to copy from an image to a canvas. Each pair is (rows, columns).
struct Window {
    /// The upper left corner in the image.
    from: (usize, usize),
    /// The upper left corner on the canvas.
    to: (usize, usize),
    size: (usize, usize),
}

impl Canvas {
    /// The paper's MNIST: the image alone, 28×28 pixels.
    pub const MNIST: Canvas =
        Canvas { height: 28, width: 28, placement: Placement::Centred, clutter: 0, scale: Scale::ONE };

    /// Checks that canvases can be drawn from these images.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there are no images, if they do not fit on the canvas at the largest [`Scale`], if there shall be
    /// clutter but the images are smaller than a piece, or if the canvas has a side of more than 4096 pixels or more than 4096
    /// pieces. Also as [`Scale::validate`].
    pub fn validate(&self, source: &Images) -> Result<(), DataError> {
        let size = |height: usize, width: usize| format!("{height}×{width}");
        let mismatch = |what, found, expected| Err(DataError::Mismatch { what, found, expected });
        let (height, width) = (source.height(), source.width());
        if source.is_empty() {
            return mismatch("the data set is empty", "0 images".into(), "at least 1".into());
        }
        if self.height.max(self.width) > MAX_SIDE {
            return mismatch(
                "the canvas is too large",
                size(self.height, self.width),
                format!("sides of at most {MAX_SIDE}"),
            );
        }
        self.scale.validate()?;
        let largest = self.scale.largest([height, width]);
        if self.height < largest[0] || self.width < largest[1] {
            let images = if self.scale.high == 1.0 { "the images" } else { "the images at their largest scale" };
            let expected = format!("at least {}, the size of {images}", size(largest[0], largest[1]));
            return mismatch("the canvas is too small", size(self.height, self.width), expected);
        }
        if self.clutter > MAX_CLUTTER {
            return mismatch(
                "there is too much clutter",
                format!("{} pieces", self.clutter),
                format!("at most {MAX_CLUTTER}"),
            );
        }
        if self.clutter > 0 && height.min(width) < PIECE {
            let expected = format!("at least {}, or no clutter", size(PIECE, PIECE));
            return mismatch("the images are too small to cut clutter from", size(height, width), expected);
        }
        Ok(())
    }

    /// How the pixels of a canvas with this number of channels lie in memory.
    pub fn layout(&self, channels: usize) -> Layout {
        Layout::of([channels, self.height, self.width])
    }

    /// The number of bytes of a canvas with this number of channels.
    pub fn len(&self, channels: usize) -> usize {
        self.layout(channels).len()
    }

    /// Draws image `index` of `source` on the canvas `out`, which has the [`layout`](Canvas::layout) of a canvas, and returns where the image lies.
    ///
    /// The canvas depends only on the source, the index and the key. The place of the image is drawn before the clutter, so the
    /// same key gives the same place for any number of pieces. The size is drawn from a part of the key's stream of its own.
    /// Nothing is allocated.
    ///
    /// # Panics
    /// If there is no such image, if `out` does not have the length of the canvas, or if [`validate`](Canvas::validate) refuses
    /// the source.
    pub fn draw(&self, source: &Labelled, index: usize, key: Key, out: &mut [u8]) -> DigitBox {
        let images = &source.images;
        assert_eq!(out.len(), self.len(images.channels()), "Canvas::draw: the length of `out`");
        out.fill(0);

        let [height, width] = self.scale.draw([images.height(), images.width()], key);
        let rng = &mut key.stream();
        let (room_y, room_x) = (self.height - height, self.width - width);
        let mut offset = |room: usize| below(rng, room as u32 + 1) as usize; // uniform on {0, …, room}
        let (y, x) = match self.placement {
            Placement::Centred => (room_y / 2, room_x / 2),
            Placement::Translated => (offset(room_y), offset(room_x)),
        };
        let place = DigitBox { x: x as u32, y: y as u32, width: width as u32, height: height as u32 };
        self.add_scaled(images, index, place, out);

        for _ in 0..self.clutter {
            let other = offset(images.len() - 1);
            let from = (offset(images.height() - PIECE), offset(images.width() - PIECE));
            let to = (offset(self.height - PIECE), offset(self.width - PIECE));
            self.add(images, other, &Window { from, to, size: (PIECE, PIECE) }, out);
        }
        place
    }

    /// Adds a whole image to the canvas, in the size and at the place of the box.
    fn add_scaled(&self, images: &Images, index: usize, place: DigitBox, out: &mut [u8]) {
        let from = [images.height(), images.width()];
        let [y, x, height, width] = [place.y, place.x, place.height, place.width].map(|n| n as usize);
        if from == [height, width] {
            return self.add(images, index, &Window { from: (0, 0), to: (y, x), size: (height, width) }, out);
        }
        let (image, canvas) = (images.rows(index), self.layout(images.channels()));
        for (channel, plane) in image.chunks_exact(from[0] * from[1]).enumerate() {
            let resampled = Resampled::new(plane, from, [height, width]);
            for row in 0..height {
                let mut column = 0;
                for run in canvas.runs(channel, y + row, x..x + width) {
                    let line = &mut out[run];
                    resampled.each(row, column, line, |pixel, level| *pixel = pixel.saturating_add(level));
                    column += line.len();
                }
            }
        }
    }

    /// Adds a window of an image to the canvas. Sums are clamped to white, so the order of the windows does not matter.
    fn add(&self, images: &Images, index: usize, window: &Window, out: &mut [u8]) {
        let (image, canvas) = (images.image(index), self.layout(images.channels()));
        let Window { from, to, size: (height, width) } = *window;
        for (channel, row) in (0..images.channels()).flat_map(|c| (0..height).map(move |row| (c, row))) {
            let mut x = to.1;
            for run in images.layout().runs(channel, from.0 + row, from.1..from.1 + width) {
                let mut line = &image[run];
                for run in canvas.runs(channel, to.0 + row, x..x + line.len()) {
                    let (part, rest) = line.split_at(run.len());
                    (x, line) = (x + part.len(), rest);
                    for (pixel, add) in out[run].iter_mut().zip(part) {
                        *pixel = pixel.saturating_add(*add);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
