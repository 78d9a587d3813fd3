//! Pictures: a PNG or JPEG file, grey or in colour, of any size, made into an image of the size that a network wants.
//!
//! The same file gives the same bytes on every machine: the decoders run without vector code, and sizes are changed in
//! plain IEEE arithmetic, in a fixed order.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::DataError;

/// The most pixels of a picture; a file that announces more is refused before memory is taken.
pub const MAX_PIXELS: usize = 1 << 27;

/// Bytes of a file within which its size is told, for [`Header::read`].
const HEADER: u64 = 1 << 18;

/// A picture as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// 1 for grey, 3 for red, green, blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[channels, height, width]`, from 0 (black) to 255.
    pub pixels: Vec<u8>,
    /// `[height, width]`, from 0 (transparent) to 255 (opaque); `None` where all is opaque.
    pub alpha: Option<Vec<u8>>,
}

/// What a file says of its picture before the pixels begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// How a picture of another shape becomes an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// The whole of it, in the middle, the rest black.
    Pad,
    /// Its middle, cut to the image's shape.
    Crop,
    /// The whole of it, its sides changed each on its own.
    Stretch,
}

/// What becomes of a picture before a network sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// 1 makes it grey (luma of ITU-R BT.601), 3 gives it colours, if only grey ones.
    pub channels: usize,
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// How it comes to that shape.
    pub fit: Fit,
    /// Black for white and white for black, as ink on paper needs: around an image, the world is black.
    pub invert: bool,
}

impl Preparation {
    /// The image, `[channels, height, width]`. What is transparent becomes black, inverted or not.
    ///
    /// A picture of the right size and channels, opaque and not inverted, stays as it is.
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
        let mut image = vec![0; self.channels * self.height * self.width];
        let planes = pixels.chunks_exact((from[0] * from[1]).max(1));
        for (plane, out) in planes.zip(image.chunks_exact_mut((self.height * self.width).max(1))) {
            self.place(plane, from, out);
        }
        image
    }

    /// One channel of `[height, width]` = `from` into one of the image.
    fn place(&self, plane: &[u8], from: [usize; 2], out: &mut [u8]) {
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

/// The pixels with another number of channels.
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

/// A plane `[height, width]` at another size: each pixel the mean of those it covers, weighted by a triangle.
fn resized(plane: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    if from == to {
        return plane.to_vec();
    }
    let across = taps(from[1], to[1]);
    let mut wide = Vec::with_capacity(from[0] * to[1]);
    for row in plane.chunks_exact(from[1]) {
        wide.extend(across.iter().map(|(first, weights)| {
            weights.iter().zip(&row[*first..]).fold(0.0, |sum, (&weight, &level)| sum + weight * f64::from(level))
        }));
    }
    let mut out = Vec::with_capacity(to[0] * to[1]);
    for (first, weights) in taps(from[0], to[0]) {
        for column in 0..to[1] {
            let levels = wide[first * to[1] + column..].iter().step_by(to[1]);
            let sum = weights.iter().zip(levels).fold(0.0, |sum, (&weight, &level)| sum + weight * level);
            out.push((sum + 0.5) as u8);
        }
    }
    out
}

/// For each of `to` places along an axis, the first of `from` pixels that it takes from and their weights, of sum 1.
fn taps(from: usize, to: usize) -> Vec<(usize, Vec<f64>)> {
    let ratio = from as f64 / to as f64;
    // A triangle of at least one pixel to each side, so that enlarging interpolates.
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

impl Header {
    /// Reads the beginning of a file.
    ///
    /// # Errors
    /// [`DataError::Read`], or [`DataError::Picture`] for what is no PNG or JPEG.
    pub fn read(path: &Path) -> Result<Header, DataError> {
        let unreadable = |source| DataError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(unreadable)?.take(HEADER).read_to_end(&mut bytes).map_err(unreadable)?;
        let header = match Kind::of(&bytes) {
            Some(Kind::Png) => png_reader(&bytes).map(|reader| header_of_png(&reader)),
            Some(Kind::Jpeg) => jpeg_decoder(&bytes).map(|(_, header, turn)| turn.header(header)),
            None => Err(Kind::neither(&bytes)),
        };
        header.map_err(|found| DataError::Picture { path: path.to_owned(), found })
    }
}

impl Picture {
    /// Reads a PNG or JPEG file; which, its bytes tell, not its name.
    ///
    /// # Errors
    /// [`DataError::Read`] if it cannot be read; [`DataError::Picture`] if it is something else, damaged or cut short.
    pub fn read(path: &Path) -> Result<Picture, DataError> {
        let bytes = std::fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        Picture::decode(&bytes).map_err(|found| DataError::Picture { path: path.to_owned(), found })
    }

    /// As [`Picture::read`], from bytes.
    ///
    /// # Errors
    /// What was found instead of a picture.
    pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
        match Kind::of(bytes) {
            Some(Kind::Png) => png(bytes),
            Some(Kind::Jpeg) => jpeg(bytes),
            None => Err(Kind::neither(bytes)),
        }
    }

    /// From pixels that lie side by side, `[height, width, samples]`; of 2 or 4 samples the last is alpha.
    fn from_interleaved(bytes: &[u8], height: usize, width: usize, samples: usize) -> Picture {
        let channels = if samples >= 3 { 3 } else { 1 };
        let plane = |sample: usize| bytes.iter().skip(sample).step_by(samples).copied();
        let pixels = (0..channels).flat_map(plane).collect();
        let alpha = (samples > channels).then(|| plane(channels).collect::<Vec<u8>>());
        let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
        Picture { channels, height, width, pixels, alpha }
    }
}

enum Kind {
    Png,
    Jpeg,
}

impl Kind {
    fn of(bytes: &[u8]) -> Option<Kind> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Kind::Png)
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Kind::Jpeg)
        } else {
            None
        }
    }

    /// What is said of a file that is neither.
    fn neither(bytes: &[u8]) -> String {
        let known: [(&[u8], &str); 6] = [
            (b"GIF8", "a GIF"),
            (b"RIFF", "a WebP"),
            (b"BM", "a BMP"),
            (b"II*\0", "a TIFF"),
            (b"MM\0*", "a TIFF"),
            (b"<svg", "an SVG"),
        ];
        match known.iter().find(|(start, _)| bytes.starts_with(start)) {
            _ if bytes.is_empty() => "an empty file".to_owned(),
            Some((_, name)) => format!("{name} file"),
            None => "neither PNG nor JPEG".to_owned(),
        }
    }
}

fn check_size(height: usize, width: usize) -> Result<(), String> {
    match height.checked_mul(width) {
        Some(1..=MAX_PIXELS) => Ok(()),
        _ => Err(format!("{width}×{height} pixels, where up to {MAX_PIXELS} are read")),
    }
}

fn png_reader(bytes: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>, String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let reader = decoder.read_info().map_err(|error| format!("a damaged PNG ({error})"))?;
    check_size(reader.info().height as usize, reader.info().width as usize)?;
    Ok(reader)
}

fn header_of_png(reader: &png::Reader<Cursor<&[u8]>>) -> Header {
    let colour = matches!(reader.output_color_type().0, png::ColorType::Rgb | png::ColorType::Rgba);
    let info = reader.info();
    Header { channels: if colour { 3 } else { 1 }, height: info.height as usize, width: info.width as usize }
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |error: png::DecodingError| format!("a damaged PNG ({error})");
    let mut reader = png_reader(bytes)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("a PNG too large for this machine")?];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    let samples = frame.color_type.samples();
    let (height, width) = (frame.height as usize, frame.width as usize);
    Ok(Picture::from_interleaved(&pixels[..height * width * samples], height, width, samples))
}

/// The decoder with its headers read, the size that they tell, and how the camera was held.
#[allow(clippy::type_complexity)]
fn jpeg_decoder(bytes: &[u8]) -> Result<(JpegDecoder<ZCursor<&[u8]>>, Header, Turn), String> {
    // Strict: else what is missing is filled in with grey.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| format!("a damaged JPEG ({error})"))?;
    let info = decoder.info().ok_or("a JPEG without a size")?;
    let channels = if decoder.input_colorspace() == Some(ColorSpace::Luma) { 1 } else { 3 };
    let header = Header { channels, height: info.height.into(), width: info.width.into() };
    check_size(header.height, header.width)?;
    let turn = decoder.exif().map_or(Turn::default(), |exif| Turn::of_exif(exif));
    Ok((decoder, header, turn))
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let (mut decoder, header, turn) = jpeg_decoder(bytes)?;
    let wanted = if header.channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| format!("a damaged JPEG ({error})"))?;
    let Header { channels, height, width } = header;
    if pixels.len() != channels * height * width {
        return Err(format!("a JPEG of {} bytes for {width}×{height} pixels", pixels.len()));
    }
    Ok(turn.apply(Picture::from_interleaved(&pixels, height, width, channels)))
}

/// How a picture is turned to stand upright: EXIF's orientation, from 1 to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn(u16);

impl Default for Turn {
    fn default() -> Self {
        Turn(1)
    }
}

impl Turn {
    /// Tag 0x0112 of the first directory; upright where there is none.
    fn of_exif(exif: &[u8]) -> Turn {
        let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        let big = exif.starts_with(b"MM");
        let number = |at: usize, bytes: usize| -> Option<usize> {
            let bytes = exif.get(at..at.checked_add(bytes)?)?;
            let add = |sum: usize, &byte: &u8| sum << 8 | usize::from(byte);
            Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
        };
        let find = || {
            let directory = number(4, 4)?;
            let entries = number(directory, 2)?;
            let at = (0..entries).map(|i| directory + 2 + 12 * i).find(|&at| number(at, 2) == Some(0x0112))?;
            number(at + 8, 2).filter(|turn| (1..=8).contains(turn))
        };
        find().map_or(Turn::default(), |turn| Turn(turn as u16))
    }

    /// Whether rows become columns.
    fn transposes(self) -> bool {
        self.0 >= 5
    }

    fn header(self, header: Header) -> Header {
        if self.transposes() { Header { height: header.width, width: header.height, ..header } } else { header }
    }

    fn apply(self, picture: Picture) -> Picture {
        if self == Turn::default() {
            return picture;
        }
        let Picture { channels, height, width, pixels, alpha } = picture;
        let (rows, columns) = if self.transposes() { (width, height) } else { (height, width) };
        let turned = |plane: &[u8]| -> Vec<u8> {
            let mut out = Vec::with_capacity(plane.len());
            for row in 0..rows {
                for column in 0..columns {
                    // Where it lies as it was taken.
                    let (y, x) = match self.0 {
                        2 => (row, width - 1 - column),
                        3 => (height - 1 - row, width - 1 - column),
                        4 => (height - 1 - row, column),
                        5 => (column, row),
                        6 => (height - 1 - column, row),
                        7 => (height - 1 - column, width - 1 - row),
                        8 => (column, width - 1 - row),
                        _ => (row, column),
                    };
                    out.push(plane[y * width + x]);
                }
            }
            out
        };
        let pixels = pixels.chunks_exact((height * width).max(1)).flat_map(turned).collect();
        Picture { channels, height: rows, width: columns, pixels, alpha }
    }
}
