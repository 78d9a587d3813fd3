//! The built-in digits: the same on every machine, different from each other, too varied for a linear classifier.

use datasets::digits::generate;
use datasets::rng::{Key, Purpose, shuffle};
use datasets::{Canvas, Digits, Labelled, Placement, Source, Split, canvas};
use sha2::{Digest, Sha256};

fn hash(set: &Labelled) -> String {
    let mut hash = Sha256::new();
    hash.update(set.images.pixels());
    hash.update(&set.labels);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Recorded once: another machine, or another version, must draw the same bytes.
#[test]
fn every_byte_is_the_recorded_one() {
    let digits = generate(1, Split::Train, 5_000);
    assert_eq!(hash(&digits), "a3aa67f19b2279019554c3c56c9322c5a886fd39d0e5689fd0ec6dec26a0767b");
    let cluttered = Canvas { height: 60, width: 60, placement: Placement::Translated, clutter: 4, ..Canvas::MNIST };
    let test = generate(1, Split::Test, 500);
    let canvases = canvas::fixed(&test, &cluttered, canvas::EVALUATION_SEED, Purpose::TestCanvas).unwrap();
    assert_eq!(hash(&canvases.set), "f035dad8c28c26c3f452fd64c9188bd1b6e48e7b8df1acff5f7f9d2a3a0742db");
}

#[test]
fn a_longer_set_begins_with_the_shorter_one() {
    let (long, short) = (generate(7, Split::Validation, 300), generate(7, Split::Validation, 100));
    assert_eq!(long.slice(0..100), short.slice(0..100));
}

#[test]
fn no_digit_is_in_two_splits_or_of_two_seeds() {
    let sets = [Split::Train, Split::Validation, Split::Test].map(|split| generate(7, split, 2_000));
    let other = generate(8, Split::Train, 2_000);
    let mut all: Vec<&[u8]> = sets.iter().chain([&other]).flat_map(|set| set.images.pixels().chunks(784)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8_000);
}

#[test]
fn the_source_has_the_sizes_asked_for() {
    let digits = Digits { seed: 3, train: 30, validation: 20, test: 10 };
    let splits = digits.train_validation().unwrap();
    assert_eq!([splits.train.set.len(), splits.validation.set.len(), digits.test().unwrap().set.len()], [30, 20, 10]);
    assert!(splits.train.class_names.iter().eq("0 1 2 3 4 5 6 7 8 9".split(' ')) && digits.object_fills_image());
    assert!(generate(3, Split::Train, 0).is_empty());
}

/// White on black, in a box of about 20×20 pixels, with the centre of mass near the middle: as in MNIST.
#[test]
fn digits_lie_as_in_mnist() {
    let set = generate(1, Split::Train, 5_000);
    let mut counts = [0_u32; 10];
    let mut mean = 0.0;
    for (image, &label) in set.images.pixels().chunks(784).zip(&set.labels) {
        counts[usize::from(label)] += 1;
        let ink = || (0..784).filter(|&i| image[i] > 60);
        let mass: f64 = image.iter().map(|&pixel| f64::from(pixel)).sum();
        let centre = |of: fn(usize) -> usize| {
            (0..784).map(|i| f64::from(image[i]) * (of(i) as f64 + 0.5)).sum::<f64>() / mass - 14.0
        };
        let (x, y) = (centre(|i| i % 28), centre(|i| i / 28));
        assert!((x * x + y * y).sqrt() < 4.0);
        let extent = |of: fn(usize) -> usize| ink().map(of).max().unwrap() - ink().map(of).min().unwrap() + 1;
        let extents = (extent(|i| i % 28), extent(|i| i / 28));
        assert!((14..=22).contains(&extents.0.max(extents.1)), "{extents:?}");
        assert!(image.iter().any(|&pixel| pixel > 240));
        mean += mass / 784.0 / 5_000.0;
    }
    assert!((25.0..45.0).contains(&mean), "mean pixel {mean}; MNIST's is 33.3");
    assert!(counts.iter().all(|count| (395..=605).contains(count)), "{counts:?}"); // five standard deviations
}

/// Softmax regression by stochastic gradient descent; test error in percent.
fn linear_error(train: &Labelled, test: &Labelled, epochs: u64) -> f64 {
    let scores = |weights: &[[f32; 10]], image: &[u8]| {
        let mut scores = weights[784];
        for (row, &pixel) in weights.iter().zip(image).filter(|(_, pixel)| **pixel > 0) {
            for (score, weight) in scores.iter_mut().zip(row) {
                *score += weight * f32::from(pixel) / 255.0;
            }
        }
        scores
    };
    let mut weights = vec![[0_f32; 10]; 785];
    let mut order: Vec<u32> = (0..train.len() as u32).collect();
    for epoch in 0..epochs {
        let rate = 0.02 * (1.0 - epoch as f32 / epochs as f32);
        shuffle(&mut Key { seed: 1, purpose: Purpose::Shuffle, epoch, sample: 0 }.stream(), &mut order);
        for &sample in &order {
            let image = train.images.image(sample as usize);
            let scores = scores(&weights, image);
            let top = scores.iter().copied().fold(f32::MIN, f32::max);
            let mut delta = scores.map(|score| libm::expf(score - top));
            let sum: f32 = delta.iter().sum();
            delta.iter_mut().for_each(|p| *p /= sum);
            delta[usize::from(train.labels[sample as usize])] -= 1.0;
            for (row, &pixel) in weights.iter_mut().zip(image.iter().chain([&255])).filter(|(_, pixel)| **pixel > 0) {
                for (weight, delta) in row.iter_mut().zip(delta) {
                    *weight -= rate * delta * f32::from(pixel) / 255.0;
                }
            }
        }
    }
    let wrong = (0..test.len()).filter(|&i| {
        let scores = scores(&weights, test.images.image(i));
        (0..10).max_by(|&a, &b| scores[a].total_cmp(&scores[b])) != Some(usize::from(test.labels[i]))
    });
    100.0 * wrong.count() as f64 / test.len() as f64
}

#[test]
fn a_linear_classifier_does_not_suffice() {
    let error = linear_error(&generate(1, Split::Train, 10_000), &generate(1, Split::Test, 4_000), 15);
    eprintln!("a linear classifier errs on {error:.2} % of built-in digits");
    assert!((5.0..40.0).contains(&error), "{error} %");
}

/// With as many images as MNIST has: `cargo test --release -- --ignored linear`.
#[test]
#[ignore = "half a minute; the test above is its small form"]
fn a_linear_classifier_does_not_suffice_with_all_digits_either() {
    let error = linear_error(&generate(1, Split::Train, 50_000), &generate(1, Split::Test, 10_000), 40);
    eprintln!("trained on 50 000 built-in digits, a linear classifier errs on {error:.2} %");
    assert!((5.0..40.0).contains(&error), "{error} %");
}
