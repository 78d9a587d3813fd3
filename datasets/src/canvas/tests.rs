mod moving;

use proptest::prelude::*;

use super::*;
use crate::rng::Purpose;

const KEY: Key = Key { seed: 3, purpose: Purpose::Canvas, epoch: 0, sample: 0 };
const CLUTTERED: Canvas =
    Canvas { height: 15, width: 13, placement: Placement::Translated, clutter: 3, ..Canvas::MNIST };

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
    let canvas = Canvas { height: 12, width: 11, ..Canvas::MNIST };
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
                rows.len() == sums.len() && rows.iter().zip(sums).all(|(&pixel, sum)| u32::from(pixel) == sum.min(255))
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

/// A digit of 28×28 pixels whose ink fills the inner 20×20, as in MNIST, and one of another level for clutter.
fn digits() -> Labelled {
    let ink = |i: usize| (4..24).contains(&(i / 28)) && (4..24).contains(&(i % 28));
    let level = |i: usize| if ink(i % 784) { 100 + (i % 100) as u8 } else { 0 };
    Labelled::new(Images::new((0..3 * 784).map(level).collect(), 1, 28, 28).unwrap(), vec![0; 3], 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// The ink lies in the box, and the clutter is that of the key, whatever the scale.
    #[test]
    fn a_scaled_digit_lies_in_its_box(
        seed: u64, low in 0.25f64..1.0, high in 1.0f64..2.0, room in 0usize..80, centred: bool, channels in 1usize..4
    ) {
        let placement = if centred { Placement::Centred } else { Placement::Translated };
        let scale = Scale { low, high };
        let [side, _] = scale.largest([28, 28]);
        // Wider than high, and in tiles if there is much room.
        let canvas = Canvas { height: side + room, width: side + 3 * room, placement, clutter: 0, scale, frames: 1 };
        let one = digits().images;
        let pixels: Vec<u8> = (0..3).flat_map(|i| one.image(i).repeat(channels)).collect();
        let source = Labelled::new(Images::new(pixels, channels, 28, 28).unwrap(), vec![0; 3], 1).unwrap();
        canvas.validate(&source.images).unwrap();
        let key = Key { seed, ..KEY };
        let mut out = vec![1; canvas.len(channels)];
        let place = canvas.draw(&source, 1, key, &mut out);
        let [x, y, width, height] = [place.x, place.y, place.width, place.height].map(|n| n as usize);
        prop_assert!(x + width <= canvas.width && y + height <= canvas.height && width == height);
        prop_assert!((28.0 * low - 0.5..=28.0 * high + 0.5).contains(&(width as f64)));
        if centred {
            prop_assert_eq!((x, y), ((canvas.width - width) / 2, (canvas.height - height) / 2));
        }
        let rows = canvas.layout(channels).to_rows(&out).into_owned();
        let (plane, mut ink) = (canvas.height * canvas.width, 0.0);
        for (i, &pixel) in rows.iter().enumerate() {
            let (row, column) = (i % plane / canvas.width, i % canvas.width);
            prop_assert!(pixel == 0 || (y..y + height).contains(&row) && (x..x + width).contains(&column));
            prop_assert_eq!(pixel, rows[i % plane], "all channels are alike");
            ink += f64::from(pixel) / (width * height * channels) as f64;
        }
        let before = one.image(1).iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / 784.0;
        prop_assert!((ink / before - 1.0).abs() < 0.03, "mean level {before} became {ink}");

        // The clutter of the same key is the same, whatever the scale, as long as the digit has one place only.
        if centred {
            let clutter = |scale| {
                let cluttered = Canvas { clutter: 3, scale, ..canvas };
                let (mut with, mut without) = (vec![0; canvas.len(channels)], vec![0; canvas.len(channels)]);
                cluttered.draw(&source, 1, key, &mut with);
                Canvas { clutter: 0, ..cluttered }.draw(&source, 1, key, &mut without);
                // Where the digit is black, only clutter is seen.
                (with, without)
            };
            let [one, other] = [Scale::ONE, scale].map(clutter);
            for i in 0..one.0.len() {
                prop_assert!(one.1[i] > 0 || other.1[i] > 0 || one.0[i] == other.0[i]);
            }
        }
    }
}

#[test]
fn every_place_of_a_scaled_digit_is_equally_likely() {
    let source = plain(&[200], 1, 10, 10);
    let scale = Scale { low: 0.5, high: 0.5 };
    let canvas = Canvas { height: 8, width: 9, placement: Placement::Translated, clutter: 0, scale, frames: 1 };
    let mut seen = [[0_u32; 5]; 4];
    for key in keys(2000) {
        let place = canvas.draw(&source, 0, key, &mut [0; 72]);
        seen[place.y as usize][place.x as usize] += 1;
    }
    // 20 places, 100 expected at each: five standard deviations.
    assert!(seen.iter().flatten().all(|count| (50..=150).contains(count)), "{seen:?}");
}

/// Recorded once: another machine, or another version, must draw the same bytes.
#[test]
fn scaled_canvases_are_the_recorded_ones() {
    use sha2::{Digest, Sha256};
    let canvas = Canvas {
        height: 64,
        width: 64,
        placement: Placement::Translated,
        clutter: 4,
        scale: Scale { low: 0.5, high: 2.0 },
        frames: 1,
    };
    let set = fixed(&crate::digits::generate(1, crate::Split::Test, 200), &canvas, 5, Purpose::TestCanvas).unwrap();
    let mut hash = Sha256::new_with_prefix(set.set.images.pixels());
    let number = |place: &DigitBox| [place.x, place.y, place.width, place.height].map(|n| n as u8);
    set.boxes.iter().for_each(|place| hash.update(number(place)));
    assert_eq!(crate::idx::hex(&hash.finalize()), "6fc42adf30d71c2cd58fe7786008f81f0ec394f71c2739f5b41e6791a80fcbaf");
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let source = plain(&[1], 1, 28, 28).images;
    let refuse = |canvas: Canvas| canvas.validate(&source).unwrap_err().to_string();
    let scale = Scale { low: 0.5, high: 2.0 };
    assert!(refuse(Canvas { height: 56, width: 55, scale, ..Canvas::MNIST }).contains("at least 56×56"));
    assert!(Canvas { height: 56, width: 56, scale, ..Canvas::MNIST }.validate(&source).is_ok());
    assert!(refuse(Canvas { scale: Scale { low: 2.0, high: 1.0 }, ..Canvas::MNIST }).contains("scale is out of range"));
}

#[test]
fn a_set_is_the_same_in_memory_and_drawn() {
    let source = plain(&[10, 20, 30, 40], 3, 10, 10);
    let set = |most| Canvases::holding(most, source.clone(), &CLUTTERED, 5, Purpose::TestCanvas).unwrap();
    let bytes = 4 * CLUTTERED.len(3) as u64;
    let [held, drawn] = [set(bytes), set(bytes - 1)];
    assert!(matches!((&held, &drawn), (Canvases::Fixed(_), Canvases::Drawn(_))));
    let mut buffers = [crate::Batch::default(), crate::Batch::default()];
    let [one, other] = &mut buffers;
    for range in [0..4, 1..3, 2..2] {
        assert_eq!(held.view(range.clone(), one), drawn.view(range, other));
    }
    assert_eq!((held.rows(3), held.labels()), (drawn.rows(3), drawn.labels()));
    assert_eq!((held.layout(), held.classes(), held.frames()), (drawn.layout(), drawn.classes(), drawn.frames()));
    assert_eq!((held.len(), held.is_empty(), drawn.len()), (4, false, 4));
}

/// The largest canvas that there may be, as high as it is narrow: places and clutter reach its end.
#[test]
fn large_canvases_are_drawn_to_their_edges() {
    let source = plain(&[10, 20], 1, 10, 10);
    let canvas = Canvas { height: MAX_SIDE, width: 16, clutter: 3000, ..CLUTTERED };
    canvas.validate(&source.images).unwrap();
    let mut out = vec![0; canvas.len(1)];
    let place = canvas.draw(&source, 0, KEY, &mut out);
    assert!(place.y as usize + 10 <= MAX_SIDE);
    let rows = canvas.layout(1).to_rows(&out).into_owned();
    let lit: Vec<usize> = (0..MAX_SIDE).filter(|y| rows[16 * y..][..16].iter().any(|&pixel| pixel > 0)).collect();
    // 3000 pieces of 8 rows: an end that is empty for 100 rows is very unlikely.
    assert!(lit[0] < 100 && lit[lit.len() - 1] > MAX_SIDE - 100, "{} to {}", lit[0], lit[lit.len() - 1]);
    let refuse = |canvas: Canvas| canvas.validate(&source.images).unwrap_err().to_string();
    assert!(refuse(Canvas { width: MAX_SIDE + 1, ..canvas }).contains("sides of at most 16384"));
    assert!(refuse(Canvas { clutter: MAX_CLUTTER + 1, ..canvas }).contains("at most 100000"));
}
