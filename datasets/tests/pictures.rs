//! PNG and JPEG files: what becomes of each kind, and how folders of them are read, sound and damaged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::idx::Idx;
use datasets::picture::Header;
use datasets::{DataError, Fit, Folder, IdxPair, Picture, Preparation, Source, Split, Splits};
use proptest::prelude::*;

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn grey(edge: usize) -> Preparation {
    Preparation { channels: 1, height: edge, width: edge, fit: Fit::Pad, invert: false }
}

fn png(pixels: &[u8], [width, height]: [u32; 2], colour: png::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels).unwrap();
    writer.finish().unwrap();
    bytes
}

fn jpeg(pixels: &[u8], [width, height]: [u16; 2], colour: jpeg_encoder::ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 100).encode(pixels, width, height, colour).unwrap();
    bytes
}

/// A grey picture of one level.
fn plain(level: u8, [width, height]: [u32; 2]) -> Vec<u8> {
    png(&vec![level; (width * height) as usize], [width, height], png::ColorType::Grayscale)
}

fn write(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn folder(path: &Path) -> Folder {
    Folder { path: path.to_owned(), preparation: grey(4), seed: 1 }
}

/// What is in a split, by class and name.
fn listed(folder: &Folder, split: Split) -> Vec<String> {
    let files = folder.files(split).unwrap_or_default();
    files.iter().map(|file| file.path.strip_prefix(&folder.path).unwrap().display().to_string()).collect()
}

#[test]
fn colours_come_in_planes_and_grey_ones_are_their_luma() {
    // Red, green; blue, white.
    let rgb = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    let picture = Picture::decode(&png(&rgb, [2, 2], png::ColorType::Rgb)).unwrap();
    assert_eq!(picture.pixels, [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]].concat());
    assert_eq!((picture.channels, &picture.alpha), (3, &None));
    let colour = Preparation { channels: 3, ..grey(2) };
    assert_eq!(colour.apply(&picture), picture.pixels, "of the right size nothing changes");
    // ITU-R BT.601: 0.299, 0.587 and 0.114 of 255.
    assert_eq!(grey(2).apply(&picture), [76, 150, 29, 255]);
    let one = Picture::decode(&plain(9, [2, 2])).unwrap();
    assert_eq!(colour.apply(&one), [9; 12]);
}

#[test]
fn what_is_transparent_is_black_whether_inverted_or_not() {
    let picture = Picture::decode(&png(&[200, 0, 200, 255, 40, 255], [3, 1], png::ColorType::GrayscaleAlpha)).unwrap();
    let row = Preparation { height: 1, width: 3, ..grey(3) };
    assert_eq!(row.apply(&picture), [0, 200, 40]);
    assert_eq!(Preparation { invert: true, ..row }.apply(&picture), [0, 55, 215]);
    let half = Picture::decode(&png(&[255, 128, 0, 128], [1, 1], png::ColorType::Rgba)).unwrap();
    let colour = Preparation { channels: 3, ..grey(1) };
    assert_eq!(colour.apply(&half), [128, 64, 0]);
}

#[test]
fn sixteen_bits_palettes_and_greys_of_one_bit_are_read() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().unwrap().write_image_data(&[0b1010_0000]).unwrap();
    assert_eq!(Picture::decode(&bytes).unwrap().pixels, [255, 0, 255, 0, 0, 0, 0, 0]);

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
    encoder.write_header().unwrap().write_image_data(&[1, 0]).unwrap();
    assert_eq!(Picture::decode(&bytes).unwrap().pixels, [4, 1, 5, 2, 6, 3]);

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().unwrap().write_image_data(&[0x12, 0x34]).unwrap();
    assert_eq!(Picture::decode(&bytes).unwrap().pixels, [0x12]);
}

#[test]
fn jpegs_are_read_in_grey_and_colour() {
    let ramp: Vec<u8> = (0..64).map(|i| (i % 8 * 20 + 50) as u8).collect();
    let picture = Picture::decode(&jpeg(&ramp, [8, 8], jpeg_encoder::ColorType::Luma)).unwrap();
    assert_eq!((picture.channels, picture.height, picture.width), (1, 8, 8));
    assert!(picture.pixels.iter().zip(&ramp).all(|(a, b)| a.abs_diff(*b) <= 3), "{:?}", picture.pixels);
    let rgb: Vec<u8> = (0..16 * 24).flat_map(|_| [200, 60, 30]).collect();
    let picture = Picture::decode(&jpeg(&rgb, [24, 16], jpeg_encoder::ColorType::Rgb)).unwrap();
    assert_eq!((picture.channels, picture.height, picture.width), (3, 16, 24));
    let planes = picture.pixels.chunks(16 * 24).zip([200_u8, 60, 30]);
    assert!(planes.into_iter().all(|(plane, level)| plane.iter().all(|x| x.abs_diff(level) <= 3)));
}

/// A picture with a bright corner, and EXIF's eight ways to have held the camera: where the corner must end.
#[test]
fn a_photograph_stands_upright_as_its_camera_says() {
    let (width, height) = (32_usize, 16_usize);
    let bright = |x: usize, y: usize| x < 8 && y < 8;
    let pixels: Vec<u8> = (0..width * height).map(|i| if bright(i % width, i / width) { 250 } else { 10 }).collect();
    // Upper left, upper right, lower right, lower left.
    for (turn, corner) in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 0), (6, 1), (7, 2), (8, 3)] {
        for big in [false, true] {
            let short = |x: u16| if big { x.to_be_bytes() } else { x.to_le_bytes() };
            let long = |x: u32| if big { x.to_be_bytes() } else { x.to_le_bytes() };
            let mut exif = b"Exif\0\0".to_vec();
            exif.extend(if big { b"MM" } else { b"II" });
            exif.extend([short(42).as_slice(), &long(8), &short(1), &short(0x0112), &short(3), &long(1)].concat());
            exif.extend([short(turn).as_slice(), &short(0), &long(0)].concat());
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 100);
            encoder.add_app_segment(1, exif).unwrap();
            encoder.encode(&pixels, width as u16, height as u16, jpeg_encoder::ColorType::Luma).unwrap();
            let picture = Picture::decode(&bytes).unwrap();
            let expected = if turn >= 5 { (width, height) } else { (height, width) };
            assert_eq!((picture.height, picture.width), expected, "{turn}");
            let (right, low) = (picture.width - 4, picture.height - 4);
            let corners = [(3, 3), (right, 3), (right, low), (3, low)];
            let found = corners.map(|(x, y)| picture.pixels[y * picture.width + x] > 200);
            assert_eq!(found, std::array::from_fn(|i| i == corner), "{turn}");

            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.jpg");
            fs::write(&path, bytes).unwrap();
            assert_eq!(Header::read(&path).unwrap(), Header { channels: 1, height: expected.0, width: expected.1 });
        }
    }
}

#[test]
fn other_shapes_are_padded_cropped_or_stretched() {
    // Three columns of 2×2 pixels: 0, 100, 200.
    let row: Vec<u8> = [0, 0, 100, 100, 200, 200].repeat(2);
    let picture = Picture::decode(&png(&row, [6, 2], png::ColorType::Grayscale)).unwrap();
    let image = |fit, edge| Preparation { fit, ..grey(edge) }.apply(&picture);
    assert_eq!(image(Fit::Crop, 2), [100; 4]);
    let padded = image(Fit::Pad, 6);
    assert_eq!((&padded[..12], &padded[12..24], &padded[24..]), (&[0; 12][..], &row[..], &[0; 12][..]));
    let stretched = image(Fit::Stretch, 6);
    assert!(stretched.chunks(6).all(|line| line == &row[..6]), "{stretched:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A picture of one level stays so at any size; any other keeps within its levels, and its mean.
    #[test]
    fn resizing_keeps_levels(level: u8, from in (1_u32..40, 1_u32..40), to in 1_usize..40, pixels in prop::collection::vec(any::<u8>(), 1600)) {
        let stretch = Preparation { fit: Fit::Stretch, ..grey(to) };
        let picture = Picture::decode(&plain(level, [from.0, from.1])).unwrap();
        prop_assert_eq!(stretch.apply(&picture), vec![level; to * to]);

        let soft: Vec<u8> = pixels[..(from.0 * from.1) as usize].iter().map(|level| 100 + level % 50).collect();
        let picture = Picture::decode(&png(&soft, [from.0, from.1], png::ColorType::Grayscale)).unwrap();
        prop_assert!(stretch.apply(&picture).iter().all(|level| (100..150).contains(level)));
        if from.0 == from.1 {
            prop_assert_eq!(grey(from.0 as usize).apply(&picture), soft);
        }
    }

    /// The classes are the sorted names, and a split does not depend on the order in which files were made.
    #[test]
    fn a_folder_is_read_alike_whatever_the_order_on_disk(
        names in prop::collection::btree_map("[a-zA-Z0-9é_]{1,6}", prop::collection::btree_set("[a-z0-9]{1,8}", 8..20), 2..5),
        order in any::<u64>(),
        seed in 0_u64..5,
    ) {
        // File systems that do not tell upper from lower case.
        let lower: BTreeSet<_> = names.keys().map(|name| name.to_lowercase()).collect();
        prop_assume!(lower.len() == names.len());
        let all: Vec<(String, String)> = names.iter().flat_map(|(class, files)| files.iter().map(move |file| (class.clone(), file.clone()))).collect();
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (class, file) in &all {
            write(one.path().join(class).join(format!("{file}.png")), b"");
        }
        let mut shuffled = all.clone();
        shuffled.sort_by_key(|(class, file)| (class.len() as u64 * 31 + file.bytes().map(u64::from).sum::<u64>()).wrapping_mul(order | 1));
        for (class, file) in &shuffled {
            write(other.path().join(class).join(format!("{file}.png")), b"");
        }
        let [one, other] = [&one, &other].map(|place| Folder { seed, ..folder(place.path()) });
        prop_assert_eq!(one.class_names().unwrap(), names.keys().cloned().collect::<Vec<_>>());
        prop_assert_eq!(one.class_names().unwrap(), other.class_names().unwrap());
        let mut count = 0;
        for split in SPLITS {
            prop_assert_eq!(listed(&one, split), listed(&other, split));
            count += listed(&one, split).len();
        }
        prop_assert_eq!(count, all.len(), "each picture is in one split");
    }
}

/// 400 pictures in two classes.
fn many(place: &Path) {
    let bytes = plain(7, [3, 3]);
    for i in 0..400 {
        write(place.join(["cat", "dog"][i % 2]).join(format!("{i}.png")), &bytes);
    }
}

#[test]
fn names_alone_share_pictures_out_and_new_ones_move_none() {
    let place = tempfile::tempdir().unwrap();
    many(place.path());
    let folder = folder(place.path());
    let before = SPLITS.map(|split| listed(&folder, split));
    let sizes = before.each_ref().map(Vec::len);
    assert!(sizes[0] > 290 && sizes[1] > 20 && sizes[2] > 20 && sizes.iter().sum::<usize>() == 400, "{sizes:?}");
    for i in 400..500 {
        write(place.path().join("cat").join(format!("{i}.png")), b"");
    }
    for (split, before) in SPLITS.into_iter().zip(&before) {
        let after = listed(&folder, split);
        assert!(before.iter().all(|name| after.contains(name)) && after.len() > before.len());
    }
    let other = Folder { seed: 2, ..folder.clone() };
    assert_ne!(listed(&other, Split::Validation), listed(&folder, Split::Validation));
    // The order mixes the classes: the first pictures are a fair sample.
    let cats = before[0][..40].iter().filter(|name| name.starts_with("cat")).count();
    assert!((8..32).contains(&cats), "{cats}");
}

#[test]
fn folders_of_their_own_come_before_names() {
    let place = tempfile::tempdir().unwrap();
    many(&place.path().join("train"));
    let folder = folder(place.path());
    let shared = SPLITS.map(|split| listed(&folder, split).len());
    write(place.path().join("test/dog/x.jpg"), b"");
    let (train, validation) = (listed(&folder, Split::Train), listed(&folder, Split::Validation));
    assert_eq!(listed(&folder, Split::Test), ["test/dog/x.jpg"]);
    assert_eq!(
        (train.len(), validation.len()),
        (shared[0] + shared[2], shared[1]),
        "a tenth less is kept from training"
    );
    write(place.path().join("validation/dog/y.JPEG"), b"");
    assert_eq!(listed(&folder, Split::Validation), ["validation/dog/y.JPEG"]);
    assert_eq!(listed(&folder, Split::Train).len(), 400);
    write(place.path().join("test/horse/z.png"), b"");
    let error = folder.files(Split::Test).unwrap_err().to_string();
    assert!(error.contains("horse") && error.contains("cat, dog"), "{error}");
}

#[test]
fn damaged_pictures_are_named_and_counted_and_the_others_read() {
    let place = tempfile::tempdir().unwrap();
    let sound = plain(200, [5, 9]);
    let whole = png(&[1; 300], [10, 10], png::ColorType::Rgb);
    let photograph = jpeg(&[90; 3 * 32 * 32], [32, 32], jpeg_encoder::ColorType::Rgb);
    for class in ["a", "b"] {
        for i in 0..30 {
            write(place.path().join(class).join(format!("{i}.png")), &sound);
        }
    }
    let mut flipped = whole.clone();
    let middle = flipped.len() - 20;
    flipped[middle] ^= 0x55;
    let damaged: [(&str, &[u8], &str); 8] = [
        ("cut.png", &whole[..whole.len() / 2], "a damaged PNG"),
        ("flipped.png", &flipped, "a damaged PNG"),
        ("header.png", &whole[..20], "a damaged PNG"),
        ("cut.jpg", &photograph[..photograph.len() - 60], "a damaged JPEG"),
        ("header.jpg", &photograph[..30], "a damaged JPEG"),
        ("empty.png", b"", "an empty file"),
        ("text.jpeg", b"hello", "neither PNG nor JPEG"),
        ("moving.png", b"GIF89a..", "a GIF"),
    ];
    for (name, bytes, _) in damaged {
        write(place.path().join("a").join(name), bytes);
    }
    // Neither hidden files nor others count.
    write(place.path().join("a/notes.txt"), b"");
    write(place.path().join("a/.hidden.png"), b"");
    let folder = folder(place.path());
    let (mut bad, mut count) = (Vec::new(), 0);
    for split in SPLITS {
        let Ok(read) = folder.read(split) else { continue };
        assert_eq!(read.class_names, ["a", "b"]);
        count += read.set.len();
        // 5×9 lies upright in 4×4: two columns of 200 in the middle, as wide as 5·4/9 rounds to.
        assert!(read.set.images.pixels().chunks(4).all(|row| row == [0, 200, 200, 0]));
        bad.extend(read.unreadable.iter().map(|error| error.to_string()));
    }
    let Splits { train, validation } = folder.train_validation().unwrap();
    let of_source = [train, validation, folder.test().unwrap()].map(|read| read.set);
    assert_eq!(of_source, SPLITS.map(|split| folder.read(split).unwrap().set));
    assert_eq!(count, 60);
    assert_eq!(bad.len(), damaged.len(), "{bad:?}");
    for (name, _, what) in damaged {
        assert!(bad.iter().any(|line| line.contains(name) && line.contains(what)), "{name} in {bad:?}");
    }
}

#[test]
fn what_is_no_data_set_is_told() {
    let place = tempfile::tempdir().unwrap();
    let told = |parts: &[&str]| {
        let error = folder(place.path()).read(Split::Train).unwrap_err();
        assert!(matches!(error, DataError::Layout { .. }), "{error:?}");
        parts.iter().for_each(|part| assert!(error.to_string().contains(part), "no {part:?} in {error}"));
    };
    told(&["has no class folders", "make a folder for each class"]);
    fs::create_dir(place.path().join("cat")).unwrap();
    told(&["the one class `cat`", "at least two"]);
    fs::create_dir(place.path().join("dog")).unwrap();
    told(&["has no PNG or JPEG files"]);
    write(place.path().join("dog/a.png"), b"nothing");
    write(place.path().join("dog/b.png"), b"nothing");
    let error = folder(place.path()).read(Split::Train).unwrap_err().to_string();
    assert!(error.contains("none of which can be read") || error.contains("none of them belongs"), "{error}");
    let missing = Folder { path: place.path().join("none"), ..folder(place.path()) }.read(Split::Train).unwrap_err();
    assert!(matches!(missing, DataError::Read { .. }) && missing.to_string().contains("none"), "{missing}");
}

#[test]
fn a_pair_of_idx_files_is_split_resized_and_checked() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str, dims: &[u32], data: Vec<u8>| {
        let path = place.path().join(name);
        Idx { dims: dims.to_vec(), data }.write(fs::File::create(&path).unwrap()).unwrap();
        path
    };
    let images = file("images", &[100, 2, 2], (0..100).flat_map(|i| [i; 4]).collect());
    let labels = file("labels", &[100], (0..100).map(|i| i % 3).collect());
    let pair = IdxPair { images: images.clone(), labels, preparation: grey(4), seed: 1 };
    let mut seen = Vec::new();
    let Splits { train, validation } = pair.train_validation().unwrap();
    for read in [train, validation, pair.test().unwrap()] {
        assert_eq!(read.class_names, ["0", "1", "2"]);
        for (image, &label) in read.set.images.pixels().chunks(16).zip(&read.set.labels) {
            assert_eq!((image, label), (&[image[0]; 16][..], image[0] % 3));
            seen.push(image[0]);
        }
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..100));

    let labels = file("fewer", &[99], vec![1; 99]);
    let error = IdxPair { labels, ..pair.clone() }.read(Split::Train).unwrap_err().to_string();
    assert!(error.contains("fewer") && error.contains("100 images") && error.contains("a pair?"), "{error}");
    let flat = file("flat", &[100, 4], vec![0; 400]);
    let error = IdxPair { images: flat, ..pair.clone() }.read(Split::Train).unwrap_err().to_string();
    assert!(error.contains("[100, 4]") && error.contains("expected [count, height, width]"), "{error}");
    let colour = file("colour", &[100, 3, 1, 1], (0..300).map(|i| (i % 3) as u8).collect());
    let preparation = Preparation { channels: 3, ..grey(1) };
    let read = IdxPair { images: colour, preparation, ..pair }.read(Split::Train).unwrap();
    assert!(read.set.images.pixels().chunks(3).all(|pixel| pixel == [0, 1, 2]));
}

/// As large as a picture may be, in both formats and in colour.
#[test]
#[ignore = "takes several gigabytes of memory and half a minute"]
fn the_largest_pictures_are_read() {
    let (side, samples) = (1_usize << 14, 3);
    let level = |i: usize| (i / samples % side / 64 + i / samples / side / 64 * 7) as u8;
    let pixels: Vec<u8> = (0..side * side * samples).map(level).collect();
    let png = png(&pixels, [side as u32; 2], png::ColorType::Rgb);
    let jpeg = jpeg(&pixels, [side as u16; 2], jpeg_encoder::ColorType::Rgb);
    drop(pixels);
    for (bytes, tolerance) in [(png, 0), (jpeg, 3)] {
        let start = std::time::Instant::now();
        let picture = Picture::decode(&bytes).unwrap();
        println!("{} bytes in {:?}", bytes.len(), start.elapsed());
        assert_eq!((picture.channels, picture.height, picture.width), (3, side, side));
        // In the middle of squares of one level.
        for (y, x) in (0..256).flat_map(|y| (0..256).map(move |x| (64 * y + 32, 64 * x + 32))) {
            assert!(picture.pixels[y * side + x].abs_diff(level(samples * (y * side + x))) <= tolerance, "{y} {x}");
        }
        let small = Preparation { channels: 3, ..grey(64) }.apply(&picture);
        assert_eq!(small.len(), 3 * 64 * 64);
    }
}
