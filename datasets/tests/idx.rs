//! IDX files: what is written is read, and no damage gets past the reader.

use std::io::Write;
use std::path::Path;

use datasets::DataError;
use datasets::idx::{Idx, read, read_from};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

const LIMIT: u64 = 1 << 20;

fn parse(bytes: &[u8]) -> Result<Idx, DataError> {
    read_from(bytes, Path::new("some-file"), LIMIT)
}

fn file(idx: &Idx) -> Vec<u8> {
    let mut bytes = vec![];
    idx.write(&mut bytes).unwrap();
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Two images of 3×4 pixels.
fn small() -> Idx {
    Idx { dims: vec![2, 3, 4], data: (100..124).collect() }
}

/// The error of a file that must not be read; it names the file.
fn refused(bytes: &[u8]) -> String {
    let error = parse(bytes).unwrap_err();
    assert!(matches!(error, DataError::Format { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with("some-file "), "{message}");
    message
}

fn any_idx() -> impl Strategy<Value = Idx> {
    prop::collection::vec(0_u32..6, 1..=4).prop_flat_map(|dims| {
        let elements = dims.iter().product::<u32>() as usize;
        prop::collection::vec(any::<u8>(), elements).prop_map(move |data| Idx { dims: dims.clone(), data })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(idx in any_idx()) {
        prop_assert_eq!(&parse(&file(&idx)).unwrap(), &idx);
        prop_assert_eq!(&parse(&gzip(&file(&idx))).unwrap(), &idx);
    }

    #[test]
    fn noise_is_no_idx_file(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        // Few random bytes are well formed; whatever happens, nothing panics.
        if let Ok(idx) = parse(&bytes) {
            prop_assert_eq!(file(&idx), bytes);
        }
    }

    #[test]
    fn noise_after_a_sound_magic_is_bounded(axes in 1_u8..=4, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let whole = [&[0, 0, 8, axes], bytes.as_slice()].concat();
        if let Ok(idx) = parse(&whole) {
            prop_assert_eq!(file(&idx), whole);
        }
    }

    #[test]
    fn noise_in_gzip_is_an_error(flips in prop::collection::vec((0_usize..1000, 1_u8..), 1..8)) {
        let mut bytes = gzip(&file(&small()));
        for (at, flip) in flips {
            let at = at % bytes.len();
            bytes[at] ^= flip;
        }
        if let Ok(idx) = parse(&bytes) {
            prop_assert_eq!(idx, small()); // the date or the operating system in gzip's header
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let plain = file(&small());
    let packed = gzip(&plain);
    for bytes in [plain, packed] {
        for length in 0..bytes.len() {
            let message = refused(&bytes[..length]);
            assert!(message.contains("end") || message.contains("decompress"), "{length}: {message}");
        }
    }
}

#[test]
fn trailing_bytes_are_an_error() {
    let plain = file(&small());
    let longer = [plain.as_slice(), &[0]].concat();
    assert!(refused(&longer).contains("more bytes after the last element"));
    assert!(refused(&gzip(&longer)).contains("more bytes after the last element"));
    refused(&[gzip(&plain).as_slice(), b"x"].concat());
    refused(&[gzip(&plain), gzip(&plain)].concat());
}

/// In the header a flipped bit shows at once; in the data it shows in the hash.
#[test]
fn every_bit_flip_is_noticed() {
    let plain = file(&small());
    for bit in 0..8 * plain.len() {
        let mut bytes = plain.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if bit < 8 * 16 {
            refused(&bytes);
        } else {
            assert_ne!(parse(&bytes).unwrap().sha256(), small().sha256());
        }
    }
    let packed = gzip(&plain);
    for bit in 0..8 * packed.len() {
        let mut bytes = packed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(idx) = parse(&bytes) {
            assert_eq!(idx, small()); // gzip's date and operating system, and the bits that fill up its last byte
        }
    }
}

#[test]
fn oversized_headers_are_refused_before_anything_is_allocated() {
    let header = |dims: &[u32]| file(&Idx { dims: dims.to_vec(), data: vec![] });
    for dims in [vec![u32::MAX; 4], vec![u32::MAX; 2], vec![1 << 31, 1 << 31, 4], vec![LIMIT as u32 + 1]] {
        assert!(refused(&header(&dims)).contains("at most 1048576"), "{dims:?}");
        refused(&gzip(&header(&dims)));
    }
    // A product that would come to 0 after wrapping, and one that is 0.
    refused(&header(&[1 << 31, 1 << 31, 4, 1]));
    assert!(parse(&header(&[0, u32::MAX])).unwrap().data.is_empty());
    // Within the limit, but the file ends: memory was taken for what is there alone, and the message says so.
    assert!(refused(&header(&[1024, 1024])).contains("the file's end after 0 elements"));
}

#[test]
fn a_gzip_bomb_is_cut_off() {
    struct Counted<'a>(&'a [u8], &'a std::cell::Cell<usize>);
    impl std::io::Read for Counted<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.read(into)?;
            self.1.set(self.1.get() + count);
            Ok(count)
        }
    }
    // 64 MiB of zeros behind a header that announces a thousand bytes
    let mut bytes = file(&Idx { dims: vec![1000], data: vec![] });
    bytes.resize(64 << 20, 0);
    let bomb = gzip(&bytes);
    let read = std::cell::Cell::new(0);
    let error = read_from(Counted(&bomb, &read), Path::new("bomb"), LIMIT).unwrap_err().to_string();
    assert!(error.contains("more bytes after the last element"), "{error}");
    assert!(
        read.get() <= 1 << 16 && bomb.len() > 1 << 17,
        "{} of {} compressed bytes were read",
        read.get(),
        bomb.len()
    );
}

#[test]
fn files_are_named_in_errors() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(read(&absent, LIMIT), Err(DataError::Read { path, .. }) if path == absent));
    assert!(matches!(read(dir.path(), LIMIT), Err(DataError::Read { .. })));
    let path = dir.path().join("sound");
    std::fs::write(&path, file(&small())).unwrap();
    assert_eq!(read(&path, LIMIT).unwrap(), small());
    std::fs::write(&path, b"PK\x03\x04").unwrap();
    let message = read(&path, LIMIT).unwrap_err().to_string();
    assert!(message.contains("sound") && message.contains("504b0304"), "{message}");
}

/// `printf '\0\0\10\1\0\0\0\3abc' | sha256sum`
#[test]
fn the_hash_is_that_of_the_file() {
    let idx = Idx { dims: vec![3], data: b"abc".to_vec() };
    assert_eq!(idx.sha256(), "379a7afbfd9f0de0a36184463dd209c260f4582821ea2e5e4c40c7eb713dbda2");
}

/// Zeros compress to a thousandth: what a small compressed file announces is believed only up to a bound.
#[test]
fn a_small_compressed_file_cannot_announce_a_large_array() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bomb.gz");
    let dims = [100_000_u32, 28, 28];
    let header = [&[0, 0, 8, 3][..], &dims.map(u32::to_be_bytes).concat()].concat();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&header).unwrap();
    packed.write_all(&vec![0; 100_000 * 28 * 28]).unwrap();
    std::fs::write(&path, packed.finish().unwrap()).unwrap();
    let error = read(&path, 1 << 33).unwrap_err().to_string();
    assert!(error.contains("[100000, 28, 28]") && error.contains("more if it is not compressed"), "{error}");

    let plain = place.path().join("plain");
    std::fs::write(&plain, [&header[..], &vec![0; 100_000 * 28 * 28]].concat()).unwrap();
    assert_eq!(read(&plain, 1 << 33).unwrap().dims, dims);
}
