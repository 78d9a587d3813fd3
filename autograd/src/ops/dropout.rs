//! Dropout: a part of the elements is left out at random.

use rand::Rng;

use crate::real::Real;
use crate::tape::Var;

impl<'t, R: Real> Var<'t, R> {
    /// Dropout (Srivastava et al., 2014): each element is 0 with probability `rate`, and otherwise x/(1 − rate), so that its
    /// expectation stays x. At a rate of 0 this is x itself, and nothing is drawn.
    ///
    /// `stream(i)` is the generator for example i, which is row i of the first axis. If it comes from a key of the example
    /// (a seed, an epoch, the number of the example in its data set) the draws depend neither on threads nor on how a batch is
    /// cut into tapes:
    ///
    /// ```
    /// use autograd::{Params, Tape};
    /// use rand::{SeedableRng, rngs::ChaCha8Rng};
    ///
    /// let params = Params::<f32>::new();
    /// let mut tape = Tape::new();
    /// let t = tape.begin(&params);
    /// let x = t.input([2, 1000], &[1.0; 2000]);
    /// let y = x.dropout(0.75, |example| ChaCha8Rng::seed_from_u64(example as u64));
    /// assert!(y.value().iter().all(|&y| y == 0.0 || y == 4.0));
    /// let kept = y.value().iter().filter(|&&y| y > 0.0).count();
    /// assert!(kept.abs_diff(500) < 100);
    /// ```
    ///
    /// A mask of one's own is a constant of the same shape: `x * t.constant(shape, &mask)`.
    ///
    /// # Panics
    /// If the rate is not in [0, 1).
    #[track_caller]
    pub fn dropout<G: Rng>(self, rate: f64, mut stream: impl FnMut(usize) -> G) -> Var<'t, R> {
        assert!((0.0..1.0).contains(&rate), "dropout: the rate must be at least 0 and below 1, not {rate}");
        if rate == 0.0 {
            return self;
        }
        let shape = self.shape();
        let examples = shape.axes().first().copied().unwrap_or(1);
        let kept = R::from_f64(1.0 / (1.0 - rate));
        let mask = self.recording().filled("dropout_mask", shape, |mask| {
            for (example, mask) in mask.chunks_mut((shape.len() / examples.max(1)).max(1)).enumerate() {
                let mut rng = stream(example);
                for m in mask {
                    // u = k/2³² is uniform on [0, 1).
                    let u = f64::from(rng.next_u32()) / (1_u64 << 32) as f64;
                    *m = if u < rate { R::ZERO } else { kept };
                }
            }
        });
        self * mask
    }
}
