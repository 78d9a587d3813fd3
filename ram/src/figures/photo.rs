//! An image of the user's, made one that a run's agent can look at.

use std::io::{BufReader, Cursor};
use std::path::Path;

use super::scene::Bitmap;
use crate::error::RamError;

/// Pixels of the largest image that is read.
const LARGEST: u64 = 100_000_000;

/// An image made to fit, and what was done to it, for the user to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The image, [channels, size, size].
    pub image: Bitmap,
    /// How it came about, `a; b; c`.
    pub how: String,
}

/// Reads a PNG file: grey or colour, with or without transparency, of any depth; transparent parts are laid on white. The
/// image, [channels, height, width] with 1 or 3 channels, and what it was.
///
/// # Errors
/// [`RamError::Io`] where it cannot be read, [`RamError::Data`] where it is not a PNG file, damaged or too large.
pub fn read(path: &Path) -> Result<(Bitmap, String), RamError> {
    let bytes = std::fs::read(path).map_err(|source| RamError::Io { action: "read", path: path.to_owned(), source })?;
    decode(&bytes).map_err(|message| RamError::Data(format!("{}: {message}", path.display())))
}

fn decode(bytes: &[u8]) -> Result<(Bitmap, String), String> {
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Err("not a PNG file; save the image as PNG".to_owned());
    }
    let damaged = |error: png::DecodingError| format!("a PNG file that cannot be decoded: {error}; save it again");
    let mut decoder = png::Decoder::new(BufReader::new(Cursor::new(bytes)));
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(damaged)?;
    let (width, height) = (header.width, header.height);
    if u64::from(width) * u64::from(height) > LARGEST {
        return Err(format!("{width}×{height} pixels, but at most {LARGEST} are read; shrink it first"));
    }
    decoder.set_limits(png::Limits { bytes: 1 << 30 });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large to be read; shrink it first")?];
    let info = reader.next_frame(&mut pixels).map_err(damaged)?;
    let (samples, kind) = match info.color_type {
        png::ColorType::Grayscale => (1, "grey"),
        png::ColorType::GrayscaleAlpha => (2, "grey with transparency, laid on white"),
        png::ColorType::Rgb => (3, "colour"),
        png::ColorType::Rgba => (4, "colour with transparency, laid on white"),
        png::ColorType::Indexed => return Err("a palette that cannot be read; save it without one".to_owned()),
    };
    let (width, height) = (width as usize, height as usize);
    let channels = if samples < 3 { 1 } else { 3 };
    let mut planes = Vec::with_capacity(channels * width * height);
    for channel in 0..channels {
        planes.extend(pixels[..info.buffer_size()].chunks_exact(samples).map(|pixel| {
            let alpha = if samples % 2 == 0 { u32::from(pixel[samples - 1]) } else { 255 };
            // Over white.
            ((u32::from(pixel[channel]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        }));
    }
    Ok((Bitmap { pixels: planes, channels, height, width }, format!("{width}×{height} pixels, {kind}")))
}

/// Makes an image one of `channels` channels and `size` × `size` pixels: made grey or grey repeated, inverted where `invert`
/// says or else where its border is bright (the runs' digits are bright on black), shrunk by averages if it is larger, and
/// centred on black.
pub fn fit(source: &Bitmap, what: &str, channels: usize, size: usize, invert: Option<bool>) -> Fitted {
    let mut how = vec![what.to_owned()];
    let mut image = match (source.channels, channels) {
        (3, 1) => {
            how.push("made grey".to_owned());
            grey(source)
        }
        (1, n) if n > 1 => {
            how.push(format!("grey taken for all {n} channels"));
            Bitmap { pixels: source.pixels.repeat(n), channels: n, ..*source }
        }
        _ => source.clone(),
    };
    let bright = border(&image) > 127.5;
    if invert.unwrap_or(bright) {
        image.pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
        let because =
            if invert.is_none() { ", since its border is bright and the run's images are bright on black" } else { "" };
        how.push(format!("inverted{because}"));
    }
    let longer = image.width.max(image.height).max(1);
    if longer > size {
        let along = |length: usize| (length * size).div_ceil(longer).clamp(1, size);
        let (width, height) = (along(image.width), along(image.height));
        how.push(format!("shrunk to {width}×{height}"));
        image = shrunk(&image, width, height);
    }
    if [image.width, image.height] != [size; 2] {
        how.push(format!("centred on {size}×{size} black pixels"));
        image = centred(&image, size);
    }
    Fitted { image, how: how.join("; ") }
}

/// Luma by Rec. 601, in 256ths.
fn grey(image: &Bitmap) -> Bitmap {
    let plane = image.width * image.height;
    let level = |at: usize| {
        let [r, g, b] = [0, 1, 2].map(|channel| u32::from(image.pixels[channel * plane + at]));
        ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
    };
    Bitmap { pixels: (0..plane).map(level).collect(), channels: 1, ..*image }
}

/// The mean level of the outermost pixels.
fn border(image: &Bitmap) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for plane in image.pixels.chunks_exact((image.width * image.height).max(1)) {
        for (at, &level) in plane.iter().enumerate() {
            let (x, y) = (at % image.width, at / image.width);
            if x == 0 || y == 0 || x + 1 == image.width || y + 1 == image.height {
                sum += f64::from(level);
                count += 1.0;
            }
        }
    }
    sum / f64::max(count, 1.0)
}

/// Every pixel is the mean of the part of the image that it covers, weighted by how much of each pixel.
fn shrunk(image: &Bitmap, width: usize, height: usize) -> Bitmap {
    let weights = |to: usize, from: usize| -> Vec<Vec<(usize, f64)>> {
        let step = from as f64 / to as f64;
        let of = |i: usize| {
            let (start, end) = (i as f64 * step, ((i + 1) as f64 * step).min(from as f64));
            let parts = (start as usize..(end.ceil() as usize).min(from)).map(|at| {
                let covered = end.min((at + 1) as f64) - start.max(at as f64);
                (at, covered / step)
            });
            parts.collect()
        };
        (0..to).map(of).collect()
    };
    let (columns, rows) = (weights(width, image.width), weights(height, image.height));
    let mut pixels = Vec::with_capacity(image.channels * width * height);
    for plane in image.pixels.chunks_exact(image.width * image.height) {
        for row in &rows {
            for column in &columns {
                let mut mean = 0.0;
                for &(y, wy) in row {
                    let line = &plane[y * image.width..][..image.width];
                    mean += wy * column.iter().map(|&(x, wx)| wx * f64::from(line[x])).sum::<f64>();
                }
                pixels.push(mean.round() as u8);
            }
        }
    }
    Bitmap { pixels, channels: image.channels, height, width }
}

fn centred(image: &Bitmap, size: usize) -> Bitmap {
    let (left, top) = ((size - image.width) / 2, (size - image.height) / 2);
    let mut pixels = vec![0; image.channels * size * size];
    for (to, from) in pixels.chunks_exact_mut(size * size).zip(image.pixels.chunks_exact(image.width * image.height)) {
        for (y, line) in from.chunks_exact(image.width).enumerate() {
            to[(top + y) * size + left..][..image.width].copy_from_slice(line);
        }
    }
    Bitmap { pixels, channels: image.channels, height: size, width: size }
}
