//! JPEG files that are not whole, that promise too much, or that leave out what readers know anyway; and the orientation of pictures.

use std::time::Instant;

use datasets::Picture;
use datasets::picture::Header;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

const END: [u8; 2] = [0xff, 0xd9];

/// What an encoder can do.
#[derive(Clone, Copy, Debug)]
struct Way {
    size: [u16; 2],
    colour: ColorType,
    sampling: SamplingFactor,
    is_progressive: bool,
    restart: u16,
    quality: u8,
}

fn encoded(way: Way, noise: u32) -> Vec<u8> {
    let [width, height] = way.size;
    let samples = if way.colour == ColorType::Luma { 1 } else { 3 };
    let level = |i: u32| (i.wrapping_mul(2_654_435_761) >> 24).wrapping_mul(noise) / 256 + i / 7 % 100;
    let pixels: Vec<u8> = (0..u32::from(width) * u32::from(height) * samples).map(|i| level(i) as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, way.quality);
    encoder.set_sampling_factor(way.sampling);
    encoder.set_progressive(way.is_progressive);
    encoder.set_restart_interval(way.restart);
    encoder.encode(&pixels, width, height, way.colour).unwrap();
    bytes
}

fn ways() -> impl Strategy<Value = Way> {
    use SamplingFactor::{F_1_1, F_2_1, F_2_2, F_4_1};
    let sampling = prop::sample::select(vec![F_1_1, F_2_1, F_2_2, F_4_1]);
    let colour = prop::sample::select(vec![ColorType::Luma, ColorType::Rgb]);
    let size = (1_u16..80, 1_u16..80);
    let restart = prop::sample::select(vec![0_u16, 1, 3]);
    (size, colour, sampling, any::<bool>(), restart, 10_u8..100).prop_map(
        |(size, colour, sampling, is_progressive, restart, quality)| Way {
            size: [size.0, size.1],
            colour,
            sampling,
            is_progressive,
            restart,
            quality,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every whole file is read. Cut at any byte and closed with an end marker, it is refused.
    #[test]
    fn a_jpeg_is_read_whole_or_not_at_all(way in ways(), noise in 0_u32..256, at in prop::collection::vec(0.0_f64..1.0, 30)) {
        let bytes = encoded(way, noise);
        let picture = Picture::decode(&bytes).map_err(TestCaseError::fail)?;
        prop_assert_eq!([picture.width, picture.height], way.size.map(usize::from));
        let end = bytes.len() - END.len();
        let cuts = at.iter().map(|share| 2 + (share * (end - 2) as f64) as usize);
        for cut in cuts.chain(end - 4..end) {
            let closed = [&bytes[..cut], &END].concat();
            prop_assert!(Picture::decode(&closed).is_err(), "cut at {} of {}", cut, end);
        }
    }

    /// Whatever a byte is changed to, there is an answer.
    #[test]
    fn a_changed_byte_is_survived(way in ways(), at in 0.0_f64..1.0, value: u8) {
        let mut bytes = encoded(way, 200);
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = value;
        _ = Picture::decode(&bytes);
    }
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &((data.len() + 2) as u16).to_be_bytes(), data].concat()
}

/// A progressive grey JPEG of one-bit codes: blocks of DC, then so many scans that say of all blocks at once that they have no AC.
fn promise([width, height]: [u16; 2], dc: usize, scans: usize) -> Vec<u8> {
    let [h, w] = [height, width].map(u16::to_be_bytes);
    let table = |id: u8, value: u8| [&[id, 1][..], &[0; 15], &[value]].concat();
    let mut bytes = [
        &[0xff, 0xd8][..],
        &segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        &segment(0xc2, &[8, h[0], h[1], w[0], w[1], 1, 1, 0x11, 0]),
        &segment(0xc4, &[table(0x00, 0), table(0x10, 0xe0)].concat()),
        &segment(0xda, &[1, 1, 0, 0, 0, 0]),
        &vec![0; dc],
    ]
    .concat();
    for _ in 0..scans {
        bytes.extend(segment(0xda, &[1, 1, 0, 1, 63, 0]));
        bytes.extend([0; 30]);
    }
    [bytes, END.to_vec()].concat()
}

#[test]
fn a_small_file_cannot_promise_a_large_picture() {
    let begin = Instant::now();
    let error = Picture::decode(&promise([11_000; 2], 20, 40)).unwrap_err();
    assert!(error.contains("11000×11000 pixels in 1756 bytes, which cannot hold so many"), "{error}");
    // As many pixels as any file may have, but not the blocks.
    let error = Picture::decode(&promise([4000; 2], 20, 40)).unwrap_err();
    assert!(error.contains("ends before its last block"), "{error}");
    // All blocks of DC, and then scan after scan at no cost.
    let error = Picture::decode(&promise([4000; 2], 250_000 / 8, 3000)).unwrap_err();
    assert!(error.contains("far more scans than bytes"), "{error}");
    let seconds = begin.elapsed().as_secs_f64();
    assert!(seconds < 10.0, "{seconds} s");
}

#[test]
fn a_small_png_cannot_promise_a_large_picture() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 11_000, 11_000);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![0; 11_000 / 8 * 11_000]).unwrap();
    writer.finish().unwrap();
    let error = Picture::decode(&bytes).unwrap_err();
    assert!(error.contains("which cannot hold so many"), "{error}");
}

#[test]
fn tables_that_are_left_out_are_those_of_the_standard() {
    let picture = Picture::decode(include_bytes!("files/no_dht.jpg")).unwrap();
    assert_eq!([picture.channels, picture.width, picture.height], [3, 64, 48]);
    // An encoder that uses the standard's tables: the file without them is the same picture.
    let way = Way {
        size: [40, 30],
        colour: ColorType::Rgb,
        sampling: SamplingFactor::F_2_2,
        is_progressive: false,
        restart: 0,
        quality: 90,
    };
    let whole = encoded(way, 100);
    let mut without = Vec::new();
    let mut at = 2;
    while whole[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xc4 {
            without.extend(&whole[at..end]);
        }
        at = end;
    }
    let without = [&whole[..2], &without, &whole[at..]].concat();
    assert!(without.len() + 400 < whole.len(), "{} {}", without.len(), whole.len());
    assert_eq!(Picture::decode(&without).unwrap(), Picture::decode(&whole).unwrap());
}

#[test]
fn what_is_wrong_is_told_on_one_line() {
    let error = Picture::decode(include_bytes!("files/cut.jpg")).unwrap_err();
    assert!(error.starts_with("a damaged JPEG (") && !error.contains('\n'), "{error:?}");
}

/// A chunk of a PNG file.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&kind[..], data].concat();
    let crc = named.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    [&(data.len() as u32).to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

#[test]
fn a_png_stands_upright_wherever_and_however_that_is_said() {
    let picture = Picture::decode(include_bytes!("files/exif6.png")).unwrap();
    assert_eq!([picture.width, picture.height], [48, 64]);

    // Two rows of three: turned to the right, the lower left pixel is the upper left one.
    let (pixels, upright) = ([1, 2, 3, 4, 5, 6], [4, 1, 5, 2, 6, 3]);
    let alpha: Vec<u8> = pixels.iter().flat_map(|&level| [level, 100 + level]).collect();
    for (colour, data) in [(png::ColorType::Grayscale, pixels.to_vec()), (png::ColorType::GrayscaleAlpha, alpha)] {
        let mut plain = Vec::new();
        let mut encoder = png::Encoder::new(&mut plain, 3, 2);
        encoder.set_color(colour);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&data).unwrap();
        writer.finish().unwrap();
        // Behind the header, and before the end: bytes, shorts and longs.
        for (at, kind, value) in [
            (33, 1_u16, [6, 0, 0, 0]),
            (33, 3, [0, 6, 0, 0]),
            (plain.len() - 12, 4, [0, 0, 0, 6]),
            (plain.len() - 12, 8, [0, 6, 0, 0]),
        ] {
            let kind = kind.to_be_bytes();
            let exif = [b"MM\0*\0\0\0\x08\0\x01\x01\x12", &kind[..], &[0, 0, 0, 1], &value, &[0; 4]].concat();
            let bytes = [&plain[..at], &chunk(b"eXIf", &exif), &plain[at..]].concat();
            let picture = Picture::decode(&bytes).unwrap();
            assert_eq!(([picture.width, picture.height], &picture.pixels[..]), ([2, 3], &upright[..]));
            if colour == png::ColorType::GrayscaleAlpha {
                assert_eq!(picture.alpha.unwrap(), upright.map(|level| 100 + level));
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.png");
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Header::read(&path).unwrap(), Header { channels: 1, height: 3, width: 2 });
        }
    }
}

/// Whatever stands before the header: here five segments of metadata, 325 kB.
#[test]
fn a_header_is_found_behind_any_length_of_metadata() {
    let way = Way {
        size: [120, 90],
        colour: ColorType::Rgb,
        sampling: SamplingFactor::F_1_1,
        is_progressive: false,
        restart: 0,
        quality: 90,
    };
    let bytes = encoded(way, 10);
    let metadata = segment(0xe1, &[&b"http://ns.adobe.com/xmp/extension/\0"[..], &[0; 65_000]].concat()).repeat(5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    std::fs::write(&path, [&bytes[..2], &metadata, &bytes[2..]].concat()).unwrap();
    assert_eq!(Header::read(&path).unwrap(), Header { channels: 3, height: 90, width: 120 });
}
