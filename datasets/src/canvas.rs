//! Canvases: an image such as a digit lies somewhere on a larger black image, among pieces of other images.
//!
//! This is the published procedure of "Translated" and "Cluttered Translated MNIST" (the paper's Sec. 4.1). The digit is put on
//! a canvas of zeros, at an offset that is uniform over all places where it fits. The pieces of clutter are windows of 8×8
//! pixels. Each is cut at a uniform offset from a uniformly chosen image of the same split, and put at a uniform offset. Pixels
//! that overlap are added and clamped to white. A piece may be empty or lie on the digit; it stays as it is.
//!
//! Beyond the paper, the digit may have another size on each canvas (see [`Scale`]), and a canvas may be a clip of several frames
//! in which the digit and the pieces move (see [`Placement::Moving`]).

mod drawn;
mod held;
mod motion;
mod resample;
mod scale;

pub use drawn::{Canvases, Drawn, HELD};
pub use held::{EVALUATION_SEED, Fixed, fixed};
pub use scale::Scale;

use self::motion::Motion;
use self::resample::Resampled;
use crate::error::DataError;
use crate::images::{Images, Labelled};
use crate::layout::Layout;
use crate::rng::{Key, below};

/// The height and width of a piece of clutter, in pixels.
pub const PIECE: usize = 8;

/// The longest side of a canvas, in pixels, so that a canvas has at most 2²⁸ pixels: a typing mistake cannot take all memory.
pub const MAX_SIDE: usize = 1 << 14;

/// The most pieces of clutter.
pub const MAX_CLUTTER: usize = 100_000;

/// The most frames of a clip.
pub const MAX_FRAMES: usize = 4096;

/// Where on the canvas the source image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the middle. If the margin is odd, the image is half a pixel farther to the upper left.
    Centred,
    /// Anywhere: all places where the image fits are equally likely.
    Translated,
    /// Anywhere in the first frame, as if it were [`Translated`](Placement::Translated), and moving from there on.
    ///
    /// The image and the pieces of clutter move by 1 to 4 pixels from frame to frame, each with a constant velocity of its own,
    /// and bounce off the edges of the canvas. All directions are equally likely.
    Moving,
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
/// If the source images are clips, frame t of the canvas shows frame t of the source.
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
    /// The number of frames: 1 for a picture, more for a clip.
    pub frames: usize,
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

/// A rectangle to copy from an image to a canvas. Each pair is [rows, columns].
struct Window {
    /// The upper left corner in the image.
    from: [usize; 2],
    /// The upper left corner on the canvas.
    to: [usize; 2],
    size: [usize; 2],
}

impl Canvas {
    /// The paper's MNIST: the image alone, 28×28 pixels.
    pub const MNIST: Canvas =
        Canvas { height: 28, width: 28, placement: Placement::Centred, clutter: 0, scale: Scale::ONE, frames: 1 };

    /// Checks that canvases can be drawn from these images.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there are no images, if they do not fit on the canvas at the largest [`Scale`], if there shall be
    /// clutter but the images are smaller than a piece, or if the canvas has a side of more than [`MAX_SIDE`] pixels, more than
    /// [`MAX_CLUTTER`] pieces, or 0 or more than [`MAX_FRAMES`] frames. Also if the images are clips of another number of frames, and as
    /// [`Scale::validate`].
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
        if !(1..=MAX_FRAMES).contains(&self.frames) {
            let expected = format!("from 1 to {MAX_FRAMES}");
            return mismatch("the number of frames is out of range", format!("{} frames", self.frames), expected);
        }
        if ![1, self.frames].contains(&source.frames()) {
            let expected = format!("{}, as many as the clips of the source have", source.frames());
            return mismatch("the canvas has another number of frames", format!("{} frames", self.frames), expected);
        }
        if self.clutter > MAX_CLUTTER {
            return mismatch(
                "there is too much clutter",
                format!("{} pieces", self.clutter),
                format!("at most {MAX_CLUTTER}"),
            );
        }
        if self.clutter > 0 && self.height.min(self.width) < PIECE {
            let found = size(self.height, self.width);
            return mismatch(
                "the canvas is too small for clutter",
                found,
                format!("at least {}, or no clutter", size(PIECE, PIECE)),
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

    /// Draws image `index` of `source` on the canvas `out`, which has the [`layout`](Canvas::layout) of a canvas, and returns where the
    /// image lies. Of a clip, this is the first frame.
    ///
    /// The canvas depends only on the source, the index and the key. The place of the image is drawn before the clutter, so the
    /// same key gives the same place for any number of pieces. The size and the velocities are drawn from parts of the key's
    /// stream of their own. Nothing is allocated.
    ///
    /// # Panics
    /// If there is no such image, if `out` does not have the length of the canvas, or if [`validate`](Canvas::validate) refuses
    /// the source.
    pub fn draw(&self, source: &Labelled, index: usize, key: Key, out: &mut [u8]) -> DigitBox {
        self.draw_frame(source, index, key, 0, out)
    }

    /// Draws all frames of a clip, one after the other, and where the image lies in each: `out` is `[frames, canvas]` and `boxes`
    /// is `[frames]`.
    ///
    /// # Panics
    /// As [`Canvas::draw`].
    pub fn draw_frames(&self, source: &Labelled, index: usize, key: Key, out: &mut [u8], boxes: &mut [DigitBox]) {
        let canvas = self.len(source.images.channels());
        assert_eq!(out.len(), self.frames * canvas, "Canvas::draw_frames: the length of `out`");
        assert_eq!(boxes.len(), self.frames, "Canvas::draw_frames: the number of boxes");
        for (frame, (out, place)) in out.chunks_exact_mut(canvas).zip(boxes).enumerate() {
            *place = self.draw_frame(source, index, key, frame, out);
        }
    }

    /// As [`Canvas::draw`], but draws frame `frame` of a clip, from 0. The other frames are not drawn.
    ///
    /// # Panics
    /// As [`Canvas::draw`], and if there is no such frame.
    pub fn draw_frame(&self, source: &Labelled, index: usize, key: Key, frame: usize, out: &mut [u8]) -> DigitBox {
        let images = &source.images;
        assert!(frame < self.frames, "Canvas::draw_frame: there is no frame {frame} of {}", self.frames);
        assert_eq!(out.len(), self.len(images.channels()), "Canvas::draw: the length of `out`");
        out.fill(0);
        let of_source = if images.frames() == 1 { 0 } else { frame };
        let mut motion = match self.placement {
            Placement::Moving => Motion::until(frame, key),
            Placement::Centred | Placement::Translated => Motion::NONE,
        };

        let [height, width] = self.scale.draw([images.height(), images.width()], key);
        let rng = &mut key.stream();
        let room = [self.height - height, self.width - width];
        let mut offset = |room: usize| below(rng, room as u32 + 1) as usize; // uniform on {0, …, room}
        let start = match self.placement {
            Placement::Centred => room.map(|room| room / 2),
            Placement::Translated | Placement::Moving => room.map(&mut offset),
        };
        let [y, x] = motion.of(start, room);
        let place = DigitBox { x: x as u32, y: y as u32, width: width as u32, height: height as u32 };
        self.add_scaled(images, images.frame(index, of_source), place, out);

        let sizes = [images.height(), images.width()].map(|side| side.saturating_sub(PIECE));
        let room = [self.height, self.width].map(|side| side.saturating_sub(PIECE));
        for _ in 0..self.clutter {
            let other = offset(images.len() - 1);
            let from = sizes.map(&mut offset);
            let to = motion.of(room.map(&mut offset), room);
            let window = Window { from, to, size: [PIECE; 2] };
            self.add(images.layout(), images.frame(other, of_source), &window, out);
        }
        place
    }

    /// Adds a whole image to the canvas, in the size and at the place of the box.
    fn add_scaled(&self, images: &Images, image: &[u8], place: DigitBox, out: &mut [u8]) {
        let from = [images.height(), images.width()];
        let [y, x, height, width] = [place.y, place.x, place.height, place.width].map(|n| n as usize);
        if from == [height, width] {
            return self.add(images.layout(), image, &Window { from: [0; 2], to: [y, x], size: from }, out);
        }
        let (image, canvas) = (images.layout().to_rows(image), self.layout(images.channels()));
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
    fn add(&self, layout: Layout, image: &[u8], window: &Window, out: &mut [u8]) {
        let canvas = self.layout(layout.channels);
        let Window { from, to, size: [height, width] } = *window;
        for (channel, row) in (0..layout.channels).flat_map(|c| (0..height).map(move |row| (c, row))) {
            let mut x = to[1];
            for run in layout.runs(channel, from[0] + row, from[1]..from[1] + width) {
                let mut line = &image[run];
                for run in canvas.runs(channel, to[0] + row, x..x + line.len()) {
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
