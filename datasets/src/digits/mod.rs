//! The built-in data set: digits 28×28 that look handwritten, drawn from strokes, for which no file is needed.
//!
//! Each digit is one of several ways to write it (a 7 with or without a bar), written by an unsteady hand, bent, slanted,
//! stretched and turned at random, with a pen of random width, white on black in a box of 20×20 pixels around its centre
//! of mass, as in MNIST. It is easier than MNIST, but not for a linear classifier.

mod pen;
mod strokes;

use crate::rng::{Key, Purpose, below};
use crate::{DataError, Images, Labelled, Source, Splits};
use pen::Pen;

/// Images are SIDE × SIDE pixels.
const SIDE: usize = 28;
const LEN: usize = SIDE * SIDE;

/// The built-in digits as a data set of the given sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Decides every digit.
    pub seed: u64,
    /// Images to train on.
    pub train: u32,
    /// Images to validate on.
    pub validation: u32,
    /// Images to test on.
    pub test: u32,
}

impl Default for Digits {
    /// As many as MNIST has: 50 000, 10 000 and 10 000.
    fn default() -> Self {
        Digits { seed: 1, train: 50_000, validation: 10_000, test: 10_000 }
    }
}

impl Source for Digits {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Ok(Splits {
            train: generate(self.seed, Split::Train, self.train),
            validation: generate(self.seed, Split::Validation, self.validation),
        })
    }

    fn test(&self) -> Result<Labelled, DataError> {
        Ok(generate(self.seed, Split::Test, self.test))
    }
}

/// Which of three sets without a common digit; the number is the epoch of the digits' keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Split {
    /// To train on.
    Train = 0,
    /// To choose hyperparameters by.
    Validation = 1,
    /// To report once.
    Test = 2,
}

/// The first `count` digits of a split, one grey channel of 28×28.
///
/// Digit i is a function of (`seed`, `split`, i) alone: a longer set begins with the shorter one.
pub fn generate(seed: u64, split: Split, count: u32) -> Labelled {
    let mut pen = Pen::default();
    let mut pixels = vec![0; LEN * count as usize];
    let (images, _) = pixels.as_chunks_mut::<LEN>();
    let labels = (0..).zip(images).map(|(sample, image)| {
        let key = Key { seed, purpose: Purpose::Digit, epoch: split as u64, sample };
        let mut rng = key.stream();
        let digit = below(&mut rng, 10);
        let allographs = strokes::DIGITS[digit as usize];
        let mut share = below(&mut rng, 100);
        let chosen = allographs.iter().find(|(weight, _)| match share.checked_sub(*weight) {
            Some(rest) => {
                share = rest;
                false
            }
            None => true,
        });
        pen.write(chosen.unwrap_or(&allographs[0]), &mut rng, image);
        digit as u8
    });
    let labels = labels.collect();
    let images = Images::from_parts(pixels, count as usize, 1, SIDE, SIDE);
    Labelled { images, labels, classes: 10 }
}
