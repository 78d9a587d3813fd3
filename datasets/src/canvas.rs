//! Canvases: an image such as a digit lies somewhere on a larger black image, among pieces of other images.
//!
//! This is the published procedure of "Translated" and "Cluttered Translated MNIST" (the paper's Sec. 4.1). The digit is put on
//! a canvas of zeros, at an offset that is uniform over all places where it fits. The pieces of clutter are windows of 8×8
//! pixels. Each is cut at a uniform offset from a uniformly chosen image of the same split, and put at a uniform offset. Pixels
//! that overlap are added and clamped to white. A piece may be empty or lie on the digit; it stays as it is.

use crate::error::DataError;
use crate::images::{Images, Labelled, zeros};
use crate::layout::Layout;
use crate::rng::{Key, Purpose, below};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// The height of the canvas, in pixels.
    pub height: usize,
    /// The width of the canvas, in pixels.
    pub width: usize,
    /// Where the source image lies.
    pub placement: Placement,
    /// The number of pieces of clutter.
    pub clutter: usize,
}

/// Where a source image lies on its canvas, in pixels: columns `x .. x + width`, rows `y .. y + height`.
///
/// The box contains the whole source image and not only its ink: 28×28 pixels for MNIST, where the ink fills the inner 20×20.
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
    /// Checks that canvases can be drawn from these images.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there are no images, if they do not fit on the canvas, if there shall be clutter but the images
    /// are smaller than a piece, or if the canvas has a side of more than 4096 pixels or more than 4096 pieces.
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
        if self.height < height || self.width < width {
            let expected = format!("at least {}, the size of the images", size(height, width));
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
    /// same key gives the same place for any number of pieces. Nothing is allocated.
    ///
    /// # Panics
    /// If there is no such image, if `out` does not have the length of the canvas, or if [`validate`](Canvas::validate) refuses
    /// the source.
    pub fn draw(&self, source: &Labelled, index: usize, key: Key, out: &mut [u8]) -> DigitBox {
        let images = &source.images;
        let (height, width) = (images.height(), images.width());
        assert_eq!(out.len(), self.len(images.channels()), "Canvas::draw: the length of `out`");
        out.fill(0);

        let rng = &mut key.stream();
        let (room_y, room_x) = (self.height - height, self.width - width);
        let mut offset = |room: usize| below(rng, room as u32 + 1) as usize; // uniform on {0, …, room}
        let (y, x) = match self.placement {
            Placement::Centred => (room_y / 2, room_x / 2),
            Placement::Translated => (offset(room_y), offset(room_x)),
        };
        self.add(images, index, &Window { from: (0, 0), to: (y, x), size: (height, width) }, out);

        for _ in 0..self.clutter {
            let other = offset(images.len() - 1);
            let from = (offset(height - PIECE), offset(width - PIECE));
            let to = (offset(self.height - PIECE), offset(self.width - PIECE));
            self.add(images, other, &Window { from, to, size: (PIECE, PIECE) }, out);
        }
        DigitBox { x: x as u32, y: y as u32, width: width as u32, height: height as u32 }
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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { seed: 3, purpose: Purpose::Canvas, epoch: 0, sample: 0 };
    const CLUTTERED: Canvas = Canvas { height: 15, width: 13, placement: Placement::Translated, clutter: 3 };

    /// Images of one value each, without black, so that offsets can be read off the canvas.
    fn plain(values: &[u8], channels: usize, height: usize, width: usize) -> Labelled {
        let pixels = values.iter().flat_map(|&value| vec![value; channels * height * width]).collect();
        let images = Images::new(pixels, channels, height, width).unwrap();
        Labelled::new(images, vec![0; values.len()], 1).unwrap()
    }

    fn keys(n: u64) -> impl Iterator<Item = Key> {
        (0..n).map(|sample| Key { sample, ..KEY })
    }

    #[test]
    fn every_offset_is_reached_and_reported() {
        let source = plain(&[200], 1, 9, 10);
        let canvas = Canvas { clutter: 0, ..CLUTTERED };
        let mut out = vec![1; canvas.len(1)];
        let mut seen = [[0_u32; 4]; 7];
        for key in keys(2800) {
            let place = canvas.draw(&source, 0, key, &mut out);
            assert_eq!((place.width, place.height), (10, 9));
            let (x, y) = (place.x as usize, place.y as usize);
            for (i, &pixel) in out.iter().enumerate() {
                let inside = (y..y + 9).contains(&(i / 13)) && (x..x + 10).contains(&(i % 13));
                assert_eq!(pixel, if inside { 200 } else { 0 });
            }
            seen[y][x] += 1;
        }
        // 28 places, 100 expected at each: five standard deviations.
        assert!(seen.iter().flatten().all(|count| (50..=150).contains(count)), "{seen:?}");
    }

    #[test]
    fn centred_is_the_middle() {
        let source = plain(&[200], 1, 8, 8);
        let canvas = Canvas { height: 12, width: 11, placement: Placement::Centred, clutter: 0 };
        let place = canvas.draw(&source, 0, KEY, &mut vec![0; canvas.len(1)]);
        assert_eq!(place, DigitBox { x: 1, y: 2, width: 8, height: 8 });
        let same = Canvas { height: 8, width: 8, ..canvas };
        let mut out = vec![0; 64];
        same.draw(&source, 0, KEY, &mut out);
        assert_eq!(out, source.images.pixels());
    }

    /// The same procedure, written in another way: sums without clamping over a list of windows that are drawn from the same stream.
    #[test]
    fn canvases_are_sums_clamped_to_white() {
        let pixels = (0..5 * 3 * 100).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let source = Labelled::new(Images::new(pixels, 3, 10, 10).unwrap(), vec![0; 5], 1).unwrap();
        // One canvas is stored in rows, the other one in tiles.
        for canvas in [CLUTTERED, Canvas { height: 150, width: 270, clutter: 50, ..CLUTTERED }] {
            let [height, width] = [canvas.height, canvas.width].map(|side| side as u32);
            let (plane, mut out) = (height * width, vec![0; canvas.len(3)]);
            let mut clamped = 0;
            for key in keys(200) {
                let place = canvas.draw(&source, 2, key, &mut out);
                let mut rng = key.stream();
                let mut windows = vec![];
                let (y, x) = (below(&mut rng, height - 9), below(&mut rng, width - 9));
                assert_eq!((place.y, place.x), (y, x));
                windows.push((2, [0, 0, y, x], 10));
                for _ in 0..canvas.clutter {
                    let other = below(&mut rng, 5);
                    let offsets = [3, 3, height - 7, width - 7].map(|n| below(&mut rng, n));
                    windows.push((other, offsets, 8));
                }
                let mut sums = vec![0_u32; 3 * plane as usize];
                for (image, [from_y, from_x, to_y, to_x], side) in windows {
                    for (c, dy, dx) in (0..3).flat_map(|c| (0..side * side).map(move |i| (c, i / side, i % side))) {
                        let from = c * 100 + (from_y + dy) * 10 + from_x + dx;
                        let to = c * plane + (to_y + dy) * width + to_x + dx;
                        sums[to as usize] += u32::from(source.images.image(image as usize)[from as usize]);
                    }
                }
                clamped += sums.iter().filter(|&&sum| sum > 255).count();
                let rows = canvas.layout(3).to_rows(&out);
                assert!(
                    rows.len() == sums.len()
                        && rows.iter().zip(sums).all(|(&pixel, sum)| u32::from(pixel) == sum.min(255))
                );
            }
            assert!(clamped > 1000, "{clamped}");
        }
    }

    /// The value of a pixel tells the image that it comes from: each of images 1 to 3, and nothing else, appears as clutter.
    #[test]
    fn clutter_is_cut_everywhere_from_every_image_of_the_split() {
        let mut source = plain(&[0, 1, 2, 3], 1, 10, 10);
        let canvas = Canvas { clutter: 1, ..CLUTTERED };
        let mut out = vec![0; canvas.len(1)];
        let (mut values, mut corners) = ([0; 4], [[false; 6]; 8]);
        for key in keys(2000) {
            canvas.draw(&source, 0, key, &mut out);
            let value = out.iter().copied().max().unwrap();
            values[usize::from(value)] += 1;
            if let Some(first) = out.iter().position(|&pixel| pixel > 0) {
                corners[first / 13][first % 13] = true;
                assert_eq!(out.iter().filter(|&&pixel| pixel == value).count(), 64);
            }
        }
        assert!(values.iter().all(|n| (400..600).contains(n)), "{values:?}");
        assert!(corners.iter().flatten().all(|&reached| reached), "{corners:?}");

        // The value of a pixel is its own place, which shows where a window was cut: at every offset, also at the last.
        source = Labelled::new(Images::new((0..100).collect(), 1, 10, 10).unwrap(), vec![0], 1).unwrap();
        let mut cut = [[false; 3]; 3];
        for key in keys(500) {
            let mut rng = key.stream();
            let digit = (below(&mut rng, 6), below(&mut rng, 4)); // subtracted below
            canvas.draw(&source, 0, key, &mut out);
            for i in 0..100_u32 {
                let at = (digit.0 + i / 10) * 13 + digit.1 + i % 10;
                out[at as usize] -= i as u8; // sums stay below 200: nothing was clamped
            }
            let last = out.iter().copied().max().unwrap();
            cut[usize::from(last) / 10 - 7][usize::from(last) % 10 - 7] = true;
        }
        assert_eq!(cut, [[true; 3]; 3]);
    }

    #[test]
    fn the_digit_stays_where_it_is_whatever_the_clutter() {
        let source = plain(&[10, 20], 1, 10, 10);
        for key in keys(20) {
            let draw = |clutter| Canvas { clutter, ..CLUTTERED }.draw(&source, 0, key, &mut [0; 195]);
            assert_eq!(draw(0), draw(7));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let source = plain(&[1], 1, 7, 10).images;
        let refuse = |canvas: Canvas| canvas.validate(&source).unwrap_err().to_string();
        assert!(refuse(CLUTTERED).contains("clutter"));
        let translated = Canvas { clutter: 0, ..CLUTTERED };
        assert!(translated.validate(&source).is_ok());
        assert!(refuse(Canvas { width: 9, ..translated }).contains("canvas is too small: found 15×9"));
        assert!(refuse(Canvas { width: usize::MAX, ..translated }).contains("canvas is too large"));
        assert!(refuse(Canvas { clutter: usize::MAX, ..translated }).contains("too much clutter"));
        let none = Images::new(vec![], 1, 28, 28).unwrap();
        assert!(translated.validate(&none).is_err());
    }

    #[test]
    fn fixed_sets_are_drawn_by_their_keys() {
        let source = plain(&[10, 20, 30], 3, 10, 10);
        let Fixed { set, boxes } = fixed(&source, &CLUTTERED, 5, Purpose::TestCanvas).unwrap();
        assert_eq!((set.len(), set.images.channels(), set.images.height(), set.images.width()), (3, 3, 15, 13));
        let key = Key { seed: 5, purpose: Purpose::TestCanvas, epoch: 0, sample: 2 };
        let mut out = vec![0; CLUTTERED.len(3)];
        assert_eq!(CLUTTERED.draw(&source, 2, key, &mut out), boxes[2]);
        assert_eq!(out, set.images.image(2));
        assert_ne!(fixed(&source, &CLUTTERED, 5, Purpose::ValidationCanvas).unwrap().set, set);
    }
}
