//! Pictures of any size, grey or in colour, read from PNG and JPEG files.
//!
//! The same file gives the same bytes on every machine: the decoders run without vector instructions.

mod jpeg;
mod scan;
mod turn;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::turn::Turn;
use crate::error::DataError;
use crate::files;

/// The most pixels of a picture: 16384×16384. A file that announces more is refused before memory is allocated.
pub const MAX_PIXELS: usize = 1 << 28;

/// A file may announce so many pixels, and [`PIXELS_FOR_A_BYTE`] times more for each of its bytes: time and memory follow the
/// size of the file.
const FREE_PIXELS: usize = 1 << 24;

/// What deflate reaches at most, in bytes for a byte. JPEG reaches 512.
const PIXELS_FOR_A_BYTE: usize = 1032;

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 30;

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
    /// Reads the channels and the size of a PNG or JPEG file, however much stands before them.
    ///
    /// # Errors
    /// [`DataError::Read`] if the file cannot be read, [`DataError::Picture`] if it does not begin like a PNG or JPEG file.
    pub fn read(path: &Path) -> Result<Header, DataError> {
        let bytes = files::read(path, MAX_BYTES)?;
        let header = match Kind::of(&bytes) {
            Some(Kind::Png) => png_reader(&bytes).map(|reader| turned(Turn::of_png(&bytes), header_of_png(&reader))),
            Some(Kind::Jpeg) => jpeg_decoder(&bytes).map(|(_, header)| turned(turn_of_jpeg(&bytes), header)),
            None => Err(Kind::neither(&bytes)),
        };
        header.map_err(|found| DataError::Picture { path: path.to_owned(), found })
    }
}

impl Picture {
    /// Reads a PNG or JPEG file, and turns the picture upright as its EXIF data say. The first bytes decide which of the two
    /// formats it is, not the name.
    ///
    /// # Errors
    /// [`DataError::Read`] if the file cannot be read; [`DataError::Picture`] if it has another format, is damaged, is cut
    /// short, or announces far more pixels than its bytes can hold.
    pub fn read(path: &Path) -> Result<Picture, DataError> {
        let bytes = files::read(path, MAX_BYTES)?;
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
        let plane = |sample: usize| bytes.chunks_exact(samples).map(move |pixel| pixel[sample]);
        let mut pixels = Vec::with_capacity(channels * height * width);
        (0..channels).for_each(|channel| pixels.extend(plane(channel)));
        let alpha = (samples > channels).then(|| plane(channels).collect::<Vec<u8>>());
        let alpha = alpha.filter(|alpha| alpha.iter().any(|&alpha| alpha != 255));
        Picture { channels, height, width, pixels, alpha }
    }

    fn turned(self, turn: Turn) -> Picture {
        if turn == Turn::default() {
            return self;
        }
        let size = [self.height, self.width];
        let [height, width] = turn.size(size);
        let pixels = turn.planes(&self.pixels, size);
        let alpha = self.alpha.map(|alpha| turn.planes(&alpha, size));
        Picture { channels: self.channels, height, width, pixels, alpha }
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

/// Checks the size that a file of so many bytes announces.
fn check_size(height: usize, width: usize, bytes: usize) -> Result<(), String> {
    let Some(pixels @ 1..=MAX_PIXELS) = height.checked_mul(width) else {
        return Err(format!("a picture of {width}×{height} pixels, but at most {MAX_PIXELS} pixels are read"));
    };
    if pixels.saturating_sub(FREE_PIXELS) / PIXELS_FOR_A_BYTE > bytes {
        return Err(format!("a picture of {width}×{height} pixels in {bytes} bytes, which cannot hold so many"));
    }
    Ok(())
}

/// What a decoder found wrong, on one line.
fn damaged(kind: &str, error: impl Display) -> String {
    let error = error.to_string();
    let line: Vec<&str> = error.split_whitespace().collect();
    format!("a damaged {kind} ({})", line.join(" ").trim_end_matches('.'))
}

fn png_reader(bytes: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>, String> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let reader = decoder.read_info().map_err(|error| damaged("PNG", error))?;
    check_size(reader.info().height as usize, reader.info().width as usize, bytes.len())?;
    Ok(reader)
}

fn header_of_png(reader: &png::Reader<Cursor<&[u8]>>) -> Header {
    let colour = matches!(reader.output_color_type().0, png::ColorType::Rgb | png::ColorType::Rgba);
    let info = reader.info();
    Header { channels: if colour { 3 } else { 1 }, height: info.height as usize, width: info.width as usize }
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |error: png::DecodingError| damaged("PNG", error);
    let mut reader = png_reader(bytes)?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("a PNG too large for this machine")?];
    let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    let samples = frame.color_type.samples();
    let (height, width) = (frame.height as usize, frame.width as usize);
    let picture = Picture::from_interleaved(&pixels[..height * width * samples], height, width, samples);
    Ok(picture.turned(Turn::of_png(bytes)))
}

fn turned(turn: Turn, header: Header) -> Header {
    let [height, width] = turn.size([header.height, header.width]);
    Header { height, width, ..header }
}

fn turn_of_jpeg(bytes: &[u8]) -> Turn {
    jpeg::exif(bytes).map_or(Turn::default(), Turn::of_exif)
}

type Jpeg<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// A decoder that has read the headers of a JPEG file, and the size that they tell, before the turn.
fn jpeg_decoder(bytes: &[u8]) -> Result<(Jpeg<'_>, Header), String> {
    // In strict mode, missing parts are an error. Otherwise the decoder fills them with grey.
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged("JPEG", error))?;
    let info = decoder.info().ok_or("a JPEG without a size")?;
    let channels = if decoder.input_colorspace() == Some(ColorSpace::Luma) { 1 } else { 3 };
    let header = Header { channels, height: info.height.into(), width: info.width.into() };
    check_size(header.height, header.width, bytes.len())?;
    Ok((decoder, header))
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let bytes: Cow<[u8]> = jpeg::with_tables(bytes);
    let (mut decoder, header) = jpeg_decoder(&bytes)?;
    // Even in strict mode, an end marker in the place of a block is taken for grey.
    jpeg::check(&bytes).map_err(|error| damaged("JPEG", error))?;
    let wanted = if header.channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| damaged("JPEG", error))?;
    let Header { channels, height, width } = header;
    if pixels.len() != channels * height * width {
        return Err(format!("a JPEG of {} bytes for {width}×{height} pixels", pixels.len()));
    }
    Ok(Picture::from_interleaved(&pixels, height, width, channels).turned(turn_of_jpeg(&bytes)))
}
