//! The built-in data set, which needs no files: digits of 28×28 pixels that look handwritten and are drawn from strokes.
//!
//! There are several ways to write each digit (a 7 with or without a bar). The strokes are moved, bent, slanted, stretched and
//! turned at random, and drawn with a pen of random width. As in MNIST, digits are white on black, and each fills a box of
//! 20×20 pixels around its centre of mass. The data set is easier than MNIST, but not for a linear classifier.

mod pen;
mod strokes;

use crate::error::DataError;
use crate::images::{Images, Labelled};
use crate::layout::Layout;
use crate::rng::{Key, Purpose, below};
use crate::source::{ReadSplit, Source, Split, Splits};
use pen::{LEN, Pen, SIDE};

/// A data set of built-in digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// The seed, which decides every digit.
    pub seed: u64,
    /// The number of training images.
    pub train: u32,
    /// The number of validation images.
    pub validation: u32,
    /// The number of test images.
    pub test: u32,
}

impl Source for Digits {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Ok(Splits {
            train: generate(self.seed, Split::Train, self.train).into(),
            validation: generate(self.seed, Split::Validation, self.validation).into(),
        })
    }

    fn test(&self) -> Result<ReadSplit, DataError> {
        Ok(generate(self.seed, Split::Test, self.test).into())
    }

    fn object_fills_image(&self) -> bool {
        true
    }
}

/// The first `count` digits of a split, each one grey channel of 28×28 pixels.
///
/// Digit i depends only on `seed`, `split` and i, so a longer set begins with the shorter one.
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
    let images = Images::from_parts(pixels, count as usize, Layout::rows([1, SIDE, SIDE]));
    Labelled { images, labels, classes: 10 }
}
