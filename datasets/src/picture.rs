//! Pictures of any size, grey or in colour, read from PNG and JPEG files.
//!
//! The same file gives the same bytes on every machine: the decoders run without vector instructions.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::DataError;

/// The most pixels of a picture. A file that announces more is refused before memory is allocated.
pub const MAX_PIXELS: usize = 1 << 27;

/// The number of bytes at the beginning of a file in which [`Header::read`] looks for the size.
const HEADER: u64 = 1 << 18;

/// A picture as it was read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The number of channels: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The height, in pixels.
    pub height: usize,
    /// The width, in pixels.
    pub width: usize,
    /// The pixels, `[channels, height, width]`, from 0 (black) to 255.
    pub pixels: Vec<u8>,
    /// The opacity, `[height, width]`, from 0 (transparent) to 255 (opaque); `None` if the whole picture is opaque.
    pub alpha: Option<Vec<u8>>,
}

/// The channels and the size of a picture, which its file tells before the pixels begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of channels: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// The height, in pixels.
    pub height: usize,
    /// The width, in pixels.
    pub width: usize,
}

impl Header {
    /// Reads the beginning of a PNG or JPEG file.
    ///
    /// # Errors
    /// [`DataError::Read`] if the file cannot be read, [`DataError::Picture`] if it is not a sound PNG or JPEG file.
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
    /// Reads a PNG or JPEG file. The first bytes decide which of the two it is, not the name.
    ///
    /// # Errors
    /// [`DataError::Read`] if the file cannot be read; [`DataError::Picture`] if it has another format, is damaged or is cut
    /// short.
    pub fn read(path: &Path) -> Result<Picture, DataError> {
        let bytes = std::fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
        Picture::decode(&bytes).map_err(|found| DataError::Picture { path: path.to_owned(), found })
    }

    /// As [`Picture::read`], but from the bytes of a file.
    ///
    /// # Errors
    /// What the bytes are instead of a picture, such as "a GIF file".
    pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
        match Kind::of(bytes) {
            Some(Kind::Png) => png(bytes),
            Some(Kind::Jpeg) => jpeg(bytes),
            None => Err(Kind::neither(bytes)),
        }
    }

    /// Makes a picture from pixels `[height, width, samples]`. If there are 2 or 4 samples, the last one is the opacity.
    fn from_interleaved(bytes: &[u8], height: usize, width: usize, samples: usize) -> Picture {
        let channels = if samples >= 3 { 3 } else { 1 };
        let plane = |sample: usize| bytes.iter().skip(sample).step_by(samples).copied();
        let pixels = (0..channels).flat_map(plane).collect();
        let alpha = (samples > channels).then(|| plane(channels).collect::<Vec<u8>>());
        let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
        Picture { channels, height, width, pixels, alpha }
    }
}

/// The format of a file.
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

    /// What a file is that is neither PNG nor JPEG, for messages.
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
        _ => Err(format!("a picture of {width}×{height} pixels, but at most {MAX_PIXELS} pixels are read")),
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

/// A decoder that has read the headers of a JPEG file, the size that they tell, and the turn that makes the picture upright.
#[allow(clippy::type_complexity)]
fn jpeg_decoder(bytes: &[u8]) -> Result<(JpegDecoder<ZCursor<&[u8]>>, Header, Turn), String> {
    // In strict mode, missing parts are an error. Otherwise the decoder fills them with grey.
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

/// How a picture must be turned or mirrored to be upright: the orientation of EXIF, from 1 (not at all) to 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn(u16);

impl Default for Turn {
    fn default() -> Self {
        Turn(1)
    }
}

impl Turn {
    /// Reads tag 0x0112 of the first directory. Without this tag the picture is upright.
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

    /// Whether rows become columns, which exchanges height and width.
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
                    // The place of this pixel in the file.
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
