//! How images that come without splits are shared out among them.

use sha2::{Digest, Sha256};

use crate::source::Split;

/// One image in so many goes to the validation split, and one to the test split.
const SHARE: u64 = 10;

/// A number that sends an image to a split and gives its place in the order of that split.
///
/// It depends only on a seed and on the name of the image, so images that are added later do not move the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u64);

impl Rank {
    /// The first eight bytes of a SHA-256 over the seed, the class (or nothing) and the name, read as a big-endian number.
    pub(crate) fn new(seed: u64, class: &[u8], name: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(seed.to_le_bytes());
        hash.update(class);
        hash.update([0]);
        hash.update(name);
        let digest = hash.finalize();
        Rank(digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The split of the image: a tenth of all images are validated on, a tenth are tested on.
    pub(crate) fn split(self) -> Split {
        match self.0 % SHARE {
            0 => Split::Validation,
            1 => Split::Test,
            _ => Split::Train,
        }
    }
}
