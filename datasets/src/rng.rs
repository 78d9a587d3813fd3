//! Random numbers with keys: the same numbers on every machine, for any number of threads.
//!
//! If one generator were passed from each use to the next, each draw would depend on all draws before it, and so on the order in
//! which threads run. Here every draw has a [`Key`] instead, and only the key decides what is drawn. To resume a run, no state of
//! a generator is needed: the seed, the epoch and the sample are enough.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What a stream of random numbers is for. The numbers of the variants never change; new ones may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
#[non_exhaustive]
pub enum Purpose {
    /// The order of the samples in an epoch.
    Shuffle = 1,
    /// A training canvas: the place of the image and the clutter.
    Canvas = 2,
    /// The strokes of a built-in digit.
    Digit = 3,
    /// The initial weights.
    Weights = 4,
    /// The first location of an episode, l₀.
    FirstLocation = 5,
    /// The locations (or actions) sampled from the policy.
    Policy = 6,
    /// The class, if it is sampled instead of taken by argmax.
    Class = 7,
    /// A validation canvas, which is drawn once.
    ValidationCanvas = 8,
    /// A test canvas, which is drawn once.
    TestCanvas = 9,
    /// The random events of a game: where the ball starts and how it moves.
    Game = 10,
    /// The random search over hyperparameters.
    Search = 11,
    /// A picture that a program draws, such as a scene of [`shapes`](crate::shapes).
    Shape = 12,
    /// Whether an episode stops after a glimpse.
    Stop = 13,
    /// The zoom of a glimpse.
    Zoom = 14,
}

/// Identifies a stream of random numbers.
///
/// Two keys that differ in any field give independent streams.
///
/// ```
/// use datasets::rng::{Key, Purpose, uniform};
/// let key = Key { seed: 1, purpose: Purpose::Policy, epoch: 0, sample: 7 };
/// assert_eq!(uniform(&mut key.stream()), uniform(&mut key.stream()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The seed of the run or of the data set.
    pub seed: u64,
    /// What the numbers are for.
    pub purpose: Purpose,
    /// The epoch, or the number of a split, or 0 if there is neither.
    pub epoch: u64,
    /// The index of the sample in its split, the number of the game, or the index of the tensor.
    pub sample: u64,
}

impl Key {
    /// The stream of this key, from its beginning.
    ///
    /// The 256-bit key of ChaCha8 consists of the four fields as little-endian `u64`s, in the order seed, purpose, epoch, sample.
    /// There is no hash, so there are no collisions.
    pub fn stream(self) -> ChaCha8Rng {
        let mut seed = [0; 32];
        let words = [self.seed, self.purpose as u64, self.epoch, self.sample];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }

    /// The stream of this key from its 32-bit word 16·`index` on, which is where ChaCha block `index` begins.
    ///
    /// The index is that of a glimpse, or of a move in a game. As long as no more than sixteen words are drawn at each index,
    /// nothing is drawn twice.
    pub fn stream_at(self, index: u64) -> ChaCha8Rng {
        let mut stream = self.stream();
        stream.set_word_pos(16 * u128::from(index));
        stream
    }
}

/// A number that is uniform on [0, 1): the upper 53 bits of a `u64` times 2⁻⁵³, without rounding.
pub fn uniform(rng: &mut impl Rng) -> f64 {
    const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * UNIT
}

/// An integer that is uniform on {0, …, n−1}, without bias; 0 if `n` is 0.
///
/// This is Lemire's method: the upper half of the product of 32 random bits and n is the result. If the lower half is one of the
/// few values that would make some results more frequent, the bits are drawn again.
pub fn below(rng: &mut impl Rng, n: u32) -> u32 {
    let surplus = n.wrapping_neg().checked_rem(n).unwrap_or(0); // 2³² mod n
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(n);
        if product as u32 >= surplus {
            return (product >> 32) as u32;
        }
    }
}

/// Puts `items` in random order (Fisher and Yates, from the back). Each order is equally likely.
///
/// Only the first 2³² − 1 items are shuffled.
pub fn shuffle(rng: &mut impl Rng, items: &mut [u32]) {
    let n = u32::try_from(items.len()).unwrap_or(u32::MAX);
    for last in (1..n).rev() {
        let other = below(rng, last + 1);
        items.swap(last as usize, other as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { seed: 1, purpose: Purpose::Canvas, epoch: 2, sample: 3 };

    /// These values must never change: if they did, every recorded run would change.
    #[test]
    fn values_are_stable() {
        let mut rng = KEY.stream();
        assert_eq!([rng.next_u64(), rng.next_u64()], [7721313440808763356, 4010224085778835155]);
        let mut rng = KEY.stream();
        assert_eq!([0; 8].map(|_| below(&mut rng, 33)), [9, 13, 2, 7, 26, 3, 15, 19]);
        let mut rng = KEY.stream();
        assert_eq!([0; 2].map(|_| uniform(&mut rng).to_bits()), [4601211965074945726, 4597000489208072208]);
        let mut order: Vec<u32> = (0..10).collect();
        shuffle(&mut KEY.stream(), &mut order);
        assert_eq!(order, [9, 5, 8, 6, 7, 4, 1, 0, 3, 2]);
    }

    /// Words computed from RFC 8439's block function with 8 rounds, written out here on its own.
    #[test]
    fn a_stream_is_chacha8_under_the_key_itself() {
        fn block(key: &Key, counter: u64) -> [u32; 16] {
            let mut input = [0_u32; 16];
            input[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
            for (i, word) in [key.seed, key.purpose as u64, key.epoch, key.sample].into_iter().enumerate() {
                input[4 + 2 * i] = word as u32;
                input[5 + 2 * i] = (word >> 32) as u32;
            }
            input[12] = counter as u32;
            input[13] = (counter >> 32) as u32;
            let mut s = input;
            let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
                for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
                    s[x] = s[x].wrapping_add(s[y]);
                    s[z] = (s[z] ^ s[x]).rotate_left(turn);
                }
            };
            for _ in 0..4 {
                (0..4).for_each(|i| quarter(i, 4 + i, 8 + i, 12 + i));
                (0..4).for_each(|i| quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4));
            }
            std::array::from_fn(|i| s[i].wrapping_add(input[i]))
        }
        let key = Key { seed: 0x0123_4567_89ab_cdef, purpose: Purpose::Policy, epoch: 5 << 40, sample: 99 };
        for index in [0, 1, 7, 1 << 33] {
            let mut rng = key.stream_at(index);
            assert_eq!([0; 16].map(|_| rng.next_u32()), block(&key, index), "block {index}");
        }
    }

    #[test]
    fn streams_of_different_keys_differ() {
        let first = |key: Key| key.stream().next_u64();
        let others = [
            Key { seed: 2, ..KEY },
            Key { purpose: Purpose::Shuffle, ..KEY },
            Key { epoch: 3, ..KEY },
            Key { sample: 4, ..KEY },
        ];
        assert!(others.into_iter().all(|other| first(other) != first(KEY)));
    }

    #[test]
    fn below_is_within_bounds_and_even() {
        let mut rng = KEY.stream();
        assert_eq!((below(&mut rng, 0), below(&mut rng, 1)), (0, 0));
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[below(&mut rng, 7) as usize] += 1;
        }
        // Five standard deviations of a binomial count: 5·√(70 000 · 1/7 · 6/7) ≈ 463.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 463), "{counts:?}");
    }

    /// For n = 3·2³⁰ a method without rejection would draw every third value twice as often as the others.
    #[test]
    fn below_rejects_what_would_bias_it() {
        let mut rng = KEY.stream();
        let n = 3 << 30;
        let thirds = (0..30_000).filter(|_| below(&mut rng, n) % 3 == 0).count();
        assert!(thirds.abs_diff(10_000) < 410, "{thirds}");
    }

    #[test]
    fn uniform_covers_the_unit_interval() {
        let mut rng = KEY.stream();
        let draws: Vec<f64> = (0..10_000).map(|_| uniform(&mut rng)).collect();
        assert!(draws.iter().all(|u| (0.0..1.0).contains(u)));
        let mean = draws.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}"); // five standard errors
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        shuffle(&mut KEY.stream(), &mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1000));
    }
}
