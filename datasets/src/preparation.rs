//! How a picture of any size is made into an image of the size that a network needs.
//!
//! The result is the same on every machine: sizes are changed in plain IEEE arithmetic, in a fixed order.

use serde::{Deserialize, Serialize};

use crate::picture::Picture;

/// How a picture is fitted into an image of another shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The whole picture is scaled to fit into the image; the rest of the image is black.
    Pad,
    /// The picture is cut to the shape of the image around its middle, then scaled.
    Crop,
    /// The whole picture fills the image; its height and its width are scaled separately.
    Stretch,
}

/// How a picture is made into an image for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// The channels of the image: 1 for grey (a colour picture becomes its luma, ITU-R BT.601), 3 for red, green and blue (a grey
    /// picture is repeated in each).
    pub channels: usize,
    /// The height of the image, in pixels.
    pub height: usize,
    /// The width of the image, in pixels.
    pub width: usize,
    /// How a picture of another shape is fitted into the image.
    pub fit: Fit,
    /// Whether black and white are exchanged. Pictures of ink on paper need this, since everything around an image is black.
    pub invert: bool,
}

impl Preparation {
    /// The number of bytes of an image: channels · height · width.
    pub(crate) fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Makes a picture into an image, `[channels, height, width]`. Transparent pixels become black, also if `invert` is set.
    ///
    /// An opaque picture that has the size and the channels of the image stays as it is, unless `invert` is set.
    pub fn apply(&self, picture: &Picture) -> Vec<u8> {
        let mut pixels = recoloured(picture, self.channels);
        if self.invert {
            pixels.iter_mut().for_each(|level| *level = 255 - *level);
        }
        if let Some(alpha) = &picture.alpha {
            for plane in pixels.chunks_exact_mut(alpha.len().max(1)) {
                for (level, &alpha) in plane.iter_mut().zip(alpha) {
                    *level = ((u32::from(*level) * u32::from(alpha) + 127) / 255) as u8;
                }
            }
        }
        let from = [picture.height, picture.width];
        let mut image = vec![0; self.image_len()];
        let planes = pixels.chunks_exact((from[0] * from[1]).max(1));
        for (plane, out) in planes.zip(image.chunks_exact_mut((self.height * self.width).max(1))) {
            self.fit(plane, from, out);
        }
        image
    }

    /// Fits one channel of a picture, whose `[height, width]` is `from`, into one channel of the image.
    fn fit(&self, plane: &[u8], from: [usize; 2], out: &mut [u8]) {
        let to = [self.height, self.width];
        let ratios = [0, 1].map(|axis| to[axis] as f64 / from[axis] as f64);
        match self.fit {
            Fit::Stretch => out.copy_from_slice(&resized(plane, from, to)),
            Fit::Pad => {
                let ratio = ratios[0].min(ratios[1]);
                let size = [0, 1].map(|axis| scaled(from[axis], ratio).clamp(1, to[axis].max(1)));
                let [top, left] = [0, 1].map(|axis| (to[axis] - size[axis]) / 2);
                let small = resized(plane, from, size);
                for (line, row) in small.chunks_exact(size[1]).zip(top..) {
                    out[row * to[1] + left..][..size[1]].copy_from_slice(line);
                }
            }
            Fit::Crop => {
                let ratio = ratios[0].max(ratios[1]);
                let size = [0, 1].map(|axis| scaled(to[axis], 1.0 / ratio).clamp(1, from[axis]));
                let [top, left] = [0, 1].map(|axis| (from[axis] - size[axis]) / 2);
                let rows = plane.chunks_exact(from[1]).skip(top).take(size[0]);
                let middle: Vec<u8> = rows.flat_map(|row| &row[left..left + size[1]]).copied().collect();
                out.copy_from_slice(&resized(&middle, size, to));
            }
        }
    }
}

fn scaled(length: usize, ratio: f64) -> usize {
    (length as f64 * ratio + 0.5) as usize
}

/// The pixels of a picture with another number of channels.
fn recoloured(picture: &Picture, channels: usize) -> Vec<u8> {
    match (picture.channels, channels) {
        (3, 1) => {
            let [red, green, blue]: [&[u8]; 3] = {
                let mut planes = picture.pixels.chunks_exact((picture.height * picture.width).max(1));
                std::array::from_fn(|_| planes.next().unwrap_or_default())
            };
            let luma = |((&r, &g), &b): ((&u8, &u8), &u8)| {
                ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000) as u8
            };
            red.iter().zip(green).zip(blue).map(luma).collect()
        }
        (1, 3) => picture.pixels.repeat(3),
        _ => picture.pixels.clone(),
    }
}

/// The number of columns that are resized at a time.
const STRIP: usize = 256;

/// A plane at another `[height, width]`. Each new pixel is the mean of the pixels it covers, weighted by a triangle.
fn resized(plane: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    if from == to {
        return plane.to_vec();
    }
    let (across, down) = (taps(from[1], to[1]), taps(from[0], to[0]));
    let mut out = vec![0; to[0] * to[1]];
    let mut wide = Vec::new();
    // In strips of columns: the numbers between the two steps would take eight times the memory of a large picture.
    for (strip, across) in across.chunks(STRIP).enumerate() {
        wide.clear();
        for row in plane.chunks_exact(from[1]) {
            wide.extend(across.iter().map(|(first, weights)| {
                weights.iter().zip(&row[*first..]).fold(0.0, |sum, (&weight, &level)| sum + weight * f64::from(level))
            }));
        }
        for ((first, weights), line) in down.iter().zip(out.chunks_exact_mut(to[1])) {
            for (column, pixel) in line[strip * STRIP..][..across.len()].iter_mut().enumerate() {
                let levels = wide[first * across.len() + column..].iter().step_by(across.len());
                let sum = weights.iter().zip(levels).fold(0.0, |sum, (&weight, &level)| sum + weight * level);
                *pixel = (sum + 0.5) as u8;
            }
        }
    }
    out
}

/// For each of the `to` new pixels along an axis: the first of the `from` old pixels that it is made of, and the weights of
/// the old pixels from there on. The weights add up to 1.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f64>)> {
    let ratio = from as f64 / to as f64;
    // The triangle reaches at least one pixel to each side, so that enlarging interpolates.
    let reach = ratio.max(1.0);
    let tap = |place: usize| {
        let centre = (place as f64 + 0.5) * ratio - 0.5;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(from - 1);
        let weights: Vec<f64> = (first..=last).map(|i| (1.0 - (i as f64 - centre).abs() / reach).max(0.0)).collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.into_iter().map(|weight| weight / sum).collect())
    };
    (0..to).map(tap).collect()
}
