//! IDX, the file format of MNIST: a magic number, the sizes of the axes, and then the elements.
//!
//! ```text
//! 00 00 08 n     two zeros, the type (08: unsigned bytes), the number of axes
//! n × u32        the size of each axis, big-endian
//! …              one byte for each element; the last axis runs fastest
//! ```
//!
//! A file may be gzip-compressed, which its first two bytes show. The reader does not trust what a file says: it checks the
//! sizes against a limit before it allocates memory, and it then allocates only for bytes that are really there.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use byteorder::{BigEndian, ByteOrder, WriteBytesExt};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::files;

/// A compressed file may hold so many elements, as many as the largest file of MNIST, and [`ELEMENTS_FOR_A_BYTE`] times more for
/// each of its bytes: time and memory follow the size of the file.
const FREE_ELEMENTS: u64 = 60_000 * 28 * 28;

/// Compressed images rarely have more elements for a byte.
const ELEMENTS_FOR_A_BYTE: u64 = 32;

/// The most axes of an array: images with several channels have four.
const MAX_AXES: u8 = 4;

/// An array of bytes, as it is read from an IDX file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The sizes of the axes, one to four. The axis that runs slowest comes first.
    pub dims: Vec<u32>,
    /// The elements in row-major order, as many as the product of `dims`.
    pub data: Vec<u8>,
}

impl Idx {
    /// The SHA-256 of the uncompressed file, in hexadecimal. The file is not read again, since its header follows from the sizes.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(header(&self.dims));
        hash.update(&self.data);
        hex(&hash.finalize())
    }

    /// Writes the array as an uncompressed IDX file.
    ///
    /// # Errors
    /// The errors of the writer.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        to.write_all(&header(&self.dims))?;
        to.write_all(&self.data)
    }
}

/// Reads an IDX file of unsigned bytes, gzip-compressed or not, with at most `limit` elements. A compressed file may have no more
/// than 47 million elements and 32 for each of its bytes.
///
/// # Errors
/// [`DataError::Read`] if the file cannot be opened or read. [`DataError::Format`] if it is cut short, damaged, larger than
/// `limit` or of another type, or if more bytes follow its last element.
pub fn read(path: &Path, limit: u64) -> Result<Idx, DataError> {
    let file = files::open(path)?;
    let bytes = file.metadata().map_err(|source| DataError::Read { path: path.to_owned(), source })?.len();
    let packed = FREE_ELEMENTS.saturating_add(bytes.saturating_mul(ELEMENTS_FOR_A_BYTE)).min(limit);
    read_limited(BufReader::new(file), path, [limit, packed])
}

/// As [`read`], but from any reader. `path` is only the name in errors.
///
/// # Errors
/// As [`read`].
pub fn read_from(from: impl Read, path: &Path, limit: u64) -> Result<Idx, DataError> {
    read_limited(from, path, [limit; 2])
}

/// As [`read_from`], with a limit for plain files and one for compressed files.
fn read_limited(mut from: impl Read, path: &Path, [plain, packed]: [u64; 2]) -> Result<Idx, DataError> {
    let mut start = [0; 2];
    read_header(&mut from, &mut start, path)?;
    let whole = start.chain(from);
    if start == [0x1f, 0x8b] {
        // A gzip file may have several members. Anything else that follows the first member is an error.
        parse(
            MultiGzDecoder::new(whole),
            path,
            packed,
            if packed < plain { " (more if it is not compressed)" } else { "" },
        )
    } else {
        parse(whole, path, plain, "")
    }
}

fn parse(mut from: impl Read, path: &Path, limit: u64, advice: &str) -> Result<Idx, DataError> {
    let format = |found: String, expected: String| Err(DataError::Format { path: path.to_owned(), found, expected });

    let mut magic = [0; 4];
    read_header(&mut from, &mut magic, path)?;
    let axes = magic[3];
    if magic[..3] != [0, 0, 8] || axes == 0 || axes > MAX_AXES {
        return format(
            format!("the magic number {}", hex(&magic)),
            format!("00000801 to 000008{MAX_AXES:02x}, which mean unsigned bytes with 1 to {MAX_AXES} axes"),
        );
    }

    let mut sizes = [0; 4 * MAX_AXES as usize];
    let sizes = &mut sizes[..4 * usize::from(axes)];
    read_header(&mut from, sizes, path)?;
    let dims: Vec<u32> = sizes.chunks_exact(4).map(BigEndian::read_u32).collect();
    let elements = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(u64::from(dim)));
    let Some(elements) = elements.filter(|&elements| elements <= limit) else {
        return format(
            format!("a header that announces {dims:?} elements"),
            format!("at most {limit} in total{advice}"),
        );
    };

    // One byte more than announced, to notice a surplus. A gzip bomb is decompressed no further than that.
    let mut data = Vec::new();
    from.take(elements.saturating_add(1)).read_to_end(&mut data).map_err(|error| unreadable(error, path))?;
    let read = data.len() as u64;
    if read < elements {
        return format(
            format!("the file's end after {read} elements"),
            format!("{elements}, since the header announces {dims:?}"),
        );
    }
    if read > elements {
        return format(
            "more bytes after the last element".to_owned(),
            format!("the file's end after {elements} elements"),
        );
    }
    data.shrink_to_fit();
    Ok(Idx { dims, data })
}

fn read_header(from: &mut impl Read, into: &mut [u8], path: &Path) -> Result<(), DataError> {
    from.read_exact(into).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DataError::Format {
            path: path.to_owned(),
            found: "the file's end within the header".to_owned(),
            expected: "a complete IDX header".to_owned(),
        },
        _ => unreadable(error, path),
    })
}

/// Tells the errors of the decompressor, which mean a damaged file, from those of the operating system.
fn unreadable(error: io::Error, path: &Path) -> DataError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => DataError::Format {
            path: path.to_owned(),
            found: format!("compressed data that do not decompress ({error})"),
            expected: "a complete, undamaged gzip file".to_owned(),
        },
        _ => DataError::Read { path: path.to_owned(), source: error },
    }
}

fn header(dims: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    for &dim in dims {
        bytes.write_u32::<BigEndian>(dim).unwrap_or_default(); // writing to a Vec cannot fail
    }
    bytes
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
