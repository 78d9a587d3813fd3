//! The retina as geometry: which pixels it reads, what it makes of them, what it costs; and the gradients of `ram`'s
//! operations.

use std::collections::BTreeSet;
use std::time::Instant;

use autograd::gradcheck::{gradcheck, gradcheck_from};
use autograd::{Params, Real, Shape, Tape};
use datasets::Layout;
use proptest::prelude::*;
use ram::config::Config;
use ram::model::action::log_prob_of;
use ram::model::location::gaussian_log_prob;
use ram::model::{Agent, Decisions, Draws, Images, Labelled, Retina, Sampling};
use ram::network::agent_options;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

const BOTH: [Sampling; 2] = [Sampling::Crop, Sampling::Bilinear];

fn s(axes: &[usize]) -> Shape {
    Shape::new(axes)
}

/// ρ of images of bytes.
fn see<R: Real>(retina: Retina, data: &[u8], shape: Shape, locations: &[R]) -> Vec<R> {
    let params = Params::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let batch = shape.axes()[0];
    let l = t.constant([batch, locations.len() / batch], locations);
    retina.sense(&t, Images::Pixels { data, shape }, l).value().to_vec()
}

/// ρ of images of bytes in tiles, and their grey levels as numbers.
fn see_tiles<R: Real>(retina: Retina, data: &[u8], shape: Shape, locations: &[R]) -> [Vec<R>; 2] {
    let &[batch, channels, height, width] = shape.axes() else { unreachable!() };
    let layout = Layout::tiled([channels, height, width]);
    let mut tiles = vec![0; batch * layout.len()];
    let mut pixels = data.iter();
    for image in tiles.chunks_exact_mut(layout.len()) {
        for (c, y) in (0..channels).flat_map(|c| (0..height).map(move |y| (c, y))) {
            (0..width).for_each(|x| image[layout.index(c, y, x)] = *pixels.next().unwrap());
        }
    }
    let params = Params::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let images = Images::stored(&tiles, batch, layout);
    assert_eq!((images.shape(), matches!(images, Images::Tiles { .. })), (shape, true));
    let l = t.constant([batch, locations.len() / batch], locations);
    let (rho, levels) = (retina.sense(&t, images, l), images.levels(&t));
    [rho.value().to_vec(), levels.value().to_vec()]
}

/// ρ of images that are a variable.
fn see_variable<R: Real>(retina: Retina, data: &[u8], shape: Shape, locations: &[R]) -> Vec<R> {
    let params = Params::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let l = t.constant([shape.axes()[0], locations.len() / shape.axes()[0]], locations);
    let levels: Vec<R> = data.iter().map(|&x| R::from(x)).collect();
    retina.sense(&t, Images::Var(t.input(shape, &levels)), l).value().to_vec()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random()).collect()
}

/// Where patch `scale` begins along an axis, in pixels: c − g·2ˢ/2 with c = (l + 1)/2 · extent.
fn start(retina: Retina, l: f64, scale: usize, extent: usize) -> f64 {
    (l + 1.0) / 2.0 * extent as f64 - (retina.patch << scale) as f64 / 2.0
}

/// The cells of patch `scale` along an axis in which pixel `u` has a share.
fn cells(retina: Retina, l: f64, scale: usize, extent: usize, u: usize) -> BTreeSet<usize> {
    let start = start(retina, l, scale, extent);
    let samples = 0..retina.patch << scale;
    let reads = |j: &usize| match retina.sampling {
        // Sample j is a pixel,
        Sampling::Crop => start.round_ties_even() + *j as f64 == u as f64,
        // or lies at start + j + ½, between pixels whose centres are at + ½: it has a share of those nearer than 1.
        Sampling::Bilinear => (start + *j as f64 - u as f64).abs() < 1.0,
    };
    samples.filter(reads).map(|j| j >> scale).collect()
}

#[test]
fn the_pixels_that_change_a_glimpse_are_exactly_its_window() {
    let (channels, height, width) = (2, 9, 7);
    let base = noise(channels * height * width, 1);
    for sampling in BOTH {
        let retina = Retina::new(4, 2, sampling);
        // The middle, the edges and corners, ties of rounding (7·9/16 − … = n + ½), and somewhere.
        let mut seen = BTreeSet::new();
        for l in [[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -0.3], [1.0 / 7.0, 2.0 / 9.0], [-0.61, 0.42]] {
            let shape = s(&[1, channels, height, width]);
            let before = see::<f64>(retina, &base, shape, &l);
            for (pixel, _) in base.iter().enumerate() {
                let mut image = base.clone();
                image[pixel] = image[pixel].wrapping_add(100);
                let after = see::<f64>(retina, &image, shape, &l);
                let changed: BTreeSet<usize> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();

                let (channel, y, x) = (pixel / (height * width), pixel / width % height, pixel % width);
                let mut window = BTreeSet::new();
                for scale in 0..retina.scales {
                    for row in cells(retina, l[1], scale, height, y) {
                        for column in cells(retina, l[0], scale, width, x) {
                            window.insert(((channel * retina.scales + scale) * 4 + row) * 4 + column);
                        }
                    }
                }
                assert_eq!(changed, window, "{sampling:?} at {l:?}, pixel {x}, {y} of channel {channel}");
                seen.extend(changed);
            }
        }
        assert_eq!(seen.len(), retina.len(channels), "every cell has been seen to change");
    }
}

/// ρ again, a pixel at a time.
fn oracle(retina: Retina, image: &[u8], [channels, height, width]: [usize; 3], l: [f64; 2]) -> Vec<f64> {
    let g = retina.patch;
    let mut y = vec![0.0; retina.len(channels)];
    for channel in 0..channels {
        for scale in 0..retina.scales {
            let block = 1 << scale;
            let [x0, y0] = [start(retina, l[0], scale, width), start(retina, l[1], scale, height)];
            for v in 0..g * block {
                for u in 0..g * block {
                    let (column, row) = (x0.round_ties_even() + u as f64, y0.round_ties_even() + v as f64);
                    if (0.0..width as f64).contains(&column) && (0.0..height as f64).contains(&row) {
                        let level = image[(channel * height + row as usize) * width + column as usize];
                        let cell = ((channel * retina.scales + scale) * g + v / block) * g + u / block;
                        y[cell] += f64::from(level) / 255.0 / (block * block) as f64;
                    }
                }
            }
        }
    }
    y
}

/// Whether ρ of a batch is what the oracle makes of its images.
fn is_the_oracles(retina: Retina, rho: &[f64], data: &[u8], shape: Shape, locations: &[f64]) -> bool {
    let &[batch, channels, height, width] = shape.axes() else { unreachable!() };
    let images = data.chunks_exact(shape.len() / batch).zip(locations.as_chunks().0);
    let expected = images.flat_map(|(image, &l)| oracle(retina, image, [channels, height, width], l));
    rho.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes and a variable give the same bits; whole-pixel glimpses are the oracle's.
    #[test]
    fn any_geometry(
        half in 1usize..10, scales in 1usize..5, channels in 1usize..4, height in 1usize..40, width in 1usize..40,
        l in prop::collection::vec(-1.0f32..=1.0, 4), seed: u64,
    ) {
        let shape = s(&[2, channels, height, width]);
        let data = noise(shape.len(), seed);
        let exact: Vec<f64> = l.iter().map(|&l| f64::from(l)).collect();
        for sampling in BOTH {
            let retina = Retina::new(2 * half, scales, sampling);
            let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(see(retina, &data, shape, &l)), bits(see_variable(retina, &data, shape, &l)));
            let found = see::<f64>(retina, &data, shape, &exact);
            prop_assert_eq!(&found, &see_variable::<f64>(retina, &data, shape, &exact));
            if sampling == Sampling::Crop {
                prop_assert!(is_the_oracles(retina, &found, &data, shape, &exact));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Tiles and rows give the same bits, and whole-pixel glimpses are the oracle's. The largest patches are wider than the image, and
    /// than the strips and tiles in which they are summed.
    #[test]
    fn tiles_are_as_good_as_rows(
        half in 1usize..20, scales in 1usize..7, channels in 1usize..4, height in 1usize..300, width in 1usize..300,
        l in prop::collection::vec(-1.0f32..=1.0, 4), seed: u64,
    ) {
        let shape = s(&[2, channels, height, width]);
        let data = noise(shape.len(), seed);
        for sampling in BOTH {
            let retina = Retina::new(2 * half, if sampling == Sampling::Crop { scales } else { 1 }, sampling);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let [rho, levels] = see_tiles(retina, &data, shape, &l);
            prop_assert_eq!(bits(&rho), bits(&see(retina, &data, shape, &l)));
            prop_assert!(levels.iter().zip(&data).all(|(&y, &x)| y == f32::from(x) * (1.0 / 255.0)) && levels.len() == data.len());
            let exact: Vec<f64> = l.iter().map(|&l| f64::from(l)).collect();
            let found = see::<f64>(retina, &data, shape, &exact);
            prop_assert_eq!(&see_tiles::<f64>(retina, &data, shape, &exact)[0], &found);
            prop_assert!(sampling != Sampling::Crop || is_the_oracles(retina, &found, &data, shape, &exact));
        }
    }
}

/// A 28×28 image, and the same pixels in a canvas 16 384 times as large: the same glimpse, at the same cost.
#[test]
fn the_cost_does_not_depend_on_the_image() {
    let (small, large) = (28, 28 * 128);
    let image = noise(small * small, 3);
    let mut canvas = vec![0; large * large];
    let (left, top) = (1000, 2000);
    for (row, pixels) in image.chunks_exact(small).enumerate() {
        canvas[(top + row) * large + left..][..small].copy_from_slice(pixels);
    }
    for sampling in BOTH {
        let retina = Retina::new(8, 3, sampling);
        for [x, y] in [[14.0, 14.0], [3.0, 22.0], [0.0, 28.0]] {
            let at = |x: f64, side: usize| 2.0 * x / side as f64 - 1.0;
            let near = [at(x, small), at(y, small)];
            let far = [at(x + left as f64, large), at(y + top as f64, large)];
            let (a, b) = (
                see::<f64>(retina, &image, s(&[1, 1, small, small]), &near),
                see::<f64>(retina, &canvas, s(&[1, 1, large, large]), &far),
            );
            assert!(a.iter().any(|&x| x > 0.0));
            // The location's last bit moves a bilinear glimpse by as little.
            let most = if sampling == Sampling::Crop { 0.0 } else { 1e-9 };
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= most), "{sampling:?} at {x}, {y}");
        }
        // The fastest of many: whatever else runs on the machine, reading 16 384 times as much would show.
        let time = |data: &[u8], side: usize| {
            let once = |_| {
                let begun = Instant::now();
                see::<f32>(retina, data, s(&[1, 1, side, side]), &[0.1, 0.2]);
                begun.elapsed()
            };
            (0..200).map(once).min().unwrap().as_secs_f64()
        };
        let (near, far) = (time(&image, small), time(&canvas, large));
        assert!(far < 20.0 * near, "{sampling:?}: {far} s instead of {near} s");
    }
}

/// Grey levels and locations on (−0.95, 0.95).
fn within(rng: &mut ChaCha8Rng) -> f64 {
    rng.random_range(-0.95..0.95)
}

#[test]
fn gradients_of_the_whole_pixel_retina() {
    for (patch, scales, [channels, height, width]) in [(2, 3, [1, 7, 6]), (4, 2, [2, 5, 8])] {
        let retina = Retina::new(patch, scales, Sampling::Crop);
        for l in [[0.1, -0.2], [-1.0, 1.0], [0.9, 0.33]] {
            // Times 255: gradients of the size of 1, which the check's tolerance is relative to.
            gradcheck(
                move |t, x| retina.sense(t, Images::Var(x[0]), t.constant([1, 2], &l)).scale(255.0),
                &Params::new(),
                &[s(&[1, channels, height, width])],
                1,
            );
        }
    }
}

#[test]
fn gradients_of_the_bilinear_retina_by_image_and_location() {
    for (patch, scales, [channels, height, width]) in [(2, 3, [1, 7, 6]), (4, 2, [2, 5, 8])] {
        let retina = Retina::new(patch, scales, Sampling::Bilinear);
        gradcheck_from(
            move |t, x| retina.sense(t, Images::Var(x[0]), x[1]).scale(255.0),
            &Params::new(),
            &[s(&[2, channels, height, width]), s(&[2, 2])],
            6,
            within,
        );
    }
}

#[test]
fn gradients_of_log_probabilities() {
    let none = Params::new();
    for std in [0.1, 0.7] {
        for components in [1, 2, 3] {
            let shape = s(&[4, components]);
            // By the sample and by the mean.
            gradcheck_from(move |_, x| gaussian_log_prob(x[0], x[1], std), &none, &[shape; 2], 3, within);
        }
    }
    let chosen = [3.0, 0.0, 1.0, 3.0];
    gradcheck(move |t, x| log_prob_of(x[0], t.constant([4], &chosen)), &none, &[s(&[4, 4])], 3);
    gradcheck(move |t, x| log_prob_of(x[0].log_softmax(), t.constant([4], &chosen)), &none, &[s(&[4, 4])], 3);
}

/// ln N(x; μ, σ²) integrates to 1, and is greatest at the mean.
#[test]
fn the_gaussian_is_a_density() {
    let params = Params::<f64>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let (std, step) = (0.3, 0.01);
    let at: Vec<f64> = (-300..=300).map(|i| i as f64 * step).collect();
    let mean = 0.2;
    let x = t.constant([at.len(), 1], &at);
    let means = t.constant([at.len(), 1], &vec![mean; at.len()]);
    let density = gaussian_log_prob(x, means, std).exp();
    assert!((density.sum().item() * step - 1.0).abs() < 1e-9);
    let density = density.value();
    let top = (0..at.len()).max_by(|&i, &j| density[i].total_cmp(&density[j])).unwrap();
    assert!((at[top] - mean).abs() < 1e-9);
}

/// A zoom is a scale: patch s of a retina at zoom z is patch s + z of one at zoom 0, also if each image has a zoom of its own.
#[test]
fn a_zoom_is_the_same_as_a_coarser_scale() {
    let (channels, batch) = (2, 6);
    let shape = s(&[batch, channels, 50, 70]);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let data: Vec<u8> = (0..shape.len()).map(|_| rng.random()).collect();
    for sampling in BOTH {
        let locations: Vec<[f32; 2]> = (0..batch).map(|_| [0; 2].map(|_| rng.random_range(-1.2..1.2))).collect();
        let (all, retina) = (Retina::new(6, 4, sampling), Retina::new(6, 2, sampling).zoomed(1));
        let expected = see(all, &data, shape, locations.as_flattened());
        // The retina's own zoom of 1, and 0 or 1 on top.
        let zooms: Vec<usize> = (0..batch).map(|i| i % 2).collect();
        let places: Vec<f32> = locations.iter().zip(&zooms).flat_map(|(l, &z)| [l[0], l[1], z as f32]).collect();
        let found = see(retina, &data, shape, &places);
        assert_eq!(found, see_variable(retina, &data, shape, &places));
        assert_eq!(found, see_tiles(retina, &data, shape, &places)[0]);
        for (i, zoom) in zooms.iter().enumerate() {
            for (channel, scale) in (0..channels).flat_map(|c| (0..2).map(move |scale| (c, scale))) {
                let patch = |values: &[f32], scales: usize, scale: usize| {
                    values[((i * channels + channel) * scales + scale) * 36..][..36].to_vec()
                };
                let from_all = patch(&expected, 4, scale + 1 + zoom);
                assert_eq!(patch(&found, 2, scale), from_all, "image {i}, scale {scale}, zoom {zoom}, {sampling:?}");
                assert_eq!(retina.zoomed(*zoom).side(scale), all.side(scale + 1 + zoom));
            }
        }
    }
}

/// Each image has a location, or nothing is seen: of bytes and of a variable.
#[test]
fn what_does_not_fit_a_retina_is_told() {
    let told = |is_variable: bool, locations: &[usize]| {
        let seen = std::panic::catch_unwind(|| {
            let (mut tape, none) = (Tape::<f64>::new(), Params::new());
            let t = tape.begin(&none);
            let (shape, data) = (s(&[2, 1, 4, 4]), [7; 32]);
            let images = if is_variable { Images::Var(t.zeros(shape)) } else { Images::Pixels { data: &data, shape } };
            Retina::new(2, 1, Sampling::Crop).sense(&t, images, t.zeros(locations)).to_vec()
        });
        seen.map_or_else(|message| *message.downcast::<String>().unwrap(), |rho| format!("{} numbers", rho.len()))
    };
    for is_variable in [false, true] {
        assert_eq!([told(is_variable, &[2, 2]), told(is_variable, &[2, 3])], ["8 numbers"; 2]);
        for locations in [&[3, 2][..], &[1, 2], &[2, 1], &[2, 4], &[4]] {
            let told = told(is_variable, locations);
            assert!(told.starts_with("retina: images [batch, channels, height, width] and locations"), "{told}");
        }
    }
}

/// A block of the widest patch has at most 128 rows, so that the sum of a column of bytes is exact: 8 scales and zooms together.
#[test]
fn zooms_and_scales_are_at_most_8_together() {
    let widest = |scales: usize, zooms: &[usize]| {
        let zoomed = || zooms.iter().fold(Retina::new(2, scales, Sampling::Crop), |retina, &zoom| retina.zoomed(zoom));
        std::panic::catch_unwind(zoomed).ok().map(|retina| retina.side(scales - 1))
    };
    assert_eq!([widest(8, &[0]), widest(6, &[2]), widest(5, &[1, 2])], [Some(2 << 7); 3]);
    assert_eq!([widest(8, &[1]), widest(6, &[3]), widest(5, &[1, 3]), widest(5, &[2, 2])], [None; 4]);
}

/// The gradients of image and location at the zooms of a batch. The zoom itself has none.
#[test]
fn gradients_at_a_zoom() {
    let none = Params::new();
    for zooms in [[0.0, 1.0], [2.0, 0.0]] {
        let (images, locations) = (s(&[2, 1, 9, 12]), s(&[2, 2]));
        gradcheck(
            move |t, x| {
                let places = t.concat(1, &[x[1], t.constant([2, 1], &zooms)]);
                Retina::new(2, 2, Sampling::Bilinear).sense(t, Images::Var(x[0]), places)
            },
            &none,
            &[images, locations],
            8,
        );
    }
}

/// An agent whose patches have gains sees what one sees whose weights have them: factors of 2 change no bit but the exponent.
#[test]
fn a_gain_of_a_patch_is_a_gain_of_its_weights() {
    const SIDE: usize = 40;
    let states_of = |zoom: usize, zooms: usize, [gain, coarse_gain]: [f64; 2], weights: [f64; 3]| -> Vec<f32> {
        let mut config = Config::default();
        (config.model.patch, config.model.scales, config.model.glimpses, config.model.zoom) = (4, 3, 2, zoom);
        (config.model.gain, config.model.coarse_gain, config.policy.zooms) = (gain, coarse_gain, zooms);
        let mut params = Params::<f32>::new();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let agent = Agent::new(&mut params, agent_options(&config, Decisions::Last), 2, 10, &mut rng);
        let rows = params.ids().find(|&id| params.name(id) == "glimpse.retina.weight").expect("weights of the glimpse");
        let rho = params.shape(rows).rows();
        assert_eq!(rho, 2 * 3 * 4 * 4, "a row for each number of the glimpse");
        params.change(rows, |w| {
            let columns = w.len() / rho;
            for (row, w) in w.chunks_exact_mut(columns).enumerate() {
                w.iter_mut().for_each(|w| *w *= weights[row / 16 % 3] as f32);
            }
        });
        let pixels: Vec<u8> = (0..2 * 2 * SIDE * SIDE).map(|_| rng.random()).collect();
        let shape = Shape::new(&[2, 2, SIDE, SIDE]);
        let (first, zoom) = (vec![0.3, -0.2, 0.1, 0.5], vec![0.5; 2]);
        let draws = Draws { first, noise: vec![0.0; 4], zoom, ..Draws::default() };
        let mut tape = Tape::new();
        let t = tape.begin(&params);
        let images = Images::Pixels { data: &pixels, shape };
        let episode = agent.look(&t, Labelled { images, labels: &[0, 1] }, &draws);
        // The first of several zooms is always the widest; later ones may differ.
        episode.states[usize::from(zooms == 1)].value().to_vec()
    };
    let states = |zoom, gains, weights| states_of(zoom, 1, gains, weights);
    let plain = states(0, [1.0, 1.0], [1.0; 3]);
    assert_eq!(states(0, [1.0, 2.0], [1.0; 3]), states(0, [1.0, 1.0], [1.0, 2.0, 4.0]));
    assert_eq!(states(0, [0.5, 4.0], [1.0; 3]), states(0, [1.0, 1.0], [0.5, 2.0, 8.0]));
    // A zoom of 1 makes all patches twice as wide.
    assert_eq!(states(1, [1.0, 2.0], [1.0; 3]), states(1, [1.0, 1.0], [2.0, 4.0, 8.0]));
    assert_ne!(states(0, [1.0, 2.0], [1.0; 3]), plain);
    // So does a zoom that the agent takes.
    assert_eq!(states_of(0, 2, [1.0, 2.0], [1.0; 3]), states_of(0, 2, [1.0, 1.0], [2.0, 4.0, 8.0]));
}
