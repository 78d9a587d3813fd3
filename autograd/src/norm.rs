//! The norm of all gradients, and clipping by it.

use std::ops::Range;

use crate::kernels::map::{Elementwise, map};
use crate::kernels::simd::Lanes;
use crate::kernels::{norm, reduce};
use crate::parallel::join_if;
use crate::params::{Grads, PARALLEL_FROM};
use crate::real::Real;

impl<R: Real> Grads<R> {
    /// ‖g‖₂ over all parameters. The sums of the parameters are computed in parallel and then added in order.
    ///
    /// It is finite if and only if all gradients are. Where the sum of their squares overflows or vanishes, they are divided
    /// by the largest of them first; a norm that lies beyond the type is the largest finite number.
    pub fn norm(&self) -> R {
        let squares = self.sum_of_squares();
        if norm::is_norm_squared(squares) { squares.sqrt() } else { norm::norm_by_largest(self.as_slice()) }
    }

    fn sum_of_squares(&self) -> R {
        fn squares<R: Real>(all: &[R], entries: &[Range<usize>], sums: &mut [R], parallel: bool) {
            match entries {
                [] => {}
                [entry] => sums[0] = reduce::sum_of_squares(&all[entry.clone()]),
                _ => {
                    let (first, second) = entries.split_at(entries.len() / 2);
                    let (sums_1, sums_2) = sums.split_at_mut(first.len());
                    join_if(
                        parallel,
                        || squares(all, first, sums_1, parallel),
                        || squares(all, second, sums_2, parallel),
                    );
                }
            }
        }
        let all = self.as_slice();
        let mut total = R::ZERO;
        // The sums go to an array, so parameters are taken 64 at a time.
        for entries in self.entries.chunks(64) {
            let mut sums = [R::ZERO; 64];
            squares(all, entries, &mut sums[..entries.len()], all.len() >= PARALLEL_FROM);
            total = sums[..entries.len()].iter().fold(total, |total, &sum| total + sum);
        }
        total
    }
}

/// y ← factor·y
#[derive(Clone, Copy)]
struct ScaleBy<R>(R);

impl<R: Real> Elementwise<R, 0> for ScaleBy<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, _: [L::V; 0]) -> L::V {
        l.mul(y, l.splat(self.0))
    }
}

/// y ← y/divisor
#[derive(Clone, Copy)]
struct DivideBy<R>(R);

impl<R: Real> Elementwise<R, 0> for DivideBy<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, _: [L::V; 0]) -> L::V {
        l.div(y, l.splat(self.0))
    }
}

/// Scales the gradients so that ‖g‖₂ ≤ `max` over all parameters, and returns the norm before scaling. Finite gradients keep
/// their direction, however large they are.
///
/// Two things are not clipped, and the result says so, since it is then not finite: gradients that hold NaN or ±∞ stay as they
/// are, and the result is their norm. A bound that is not positive and finite is refused: the gradients stay as they are, and
/// the result is NaN.
pub fn clip<R: Real>(grads: &mut Grads<R>, max: R) -> R {
    if !(max > R::ZERO && max.is_finite()) {
        return R::NAN;
    }
    let length = grads.norm();
    if !(length > max && length.is_finite()) {
        return length;
    }
    let factor = max / length;
    let (smallest, largest) = R::NORMAL_RANGE;
    if factor >= smallest && length < largest {
        map(ScaleBy(factor), [], grads.as_mut_slice());
    } else {
        // The norm lies beyond the type, or the factor below it: g/m has neither, where m is the largest |g|.
        let m = norm::largest(grads.as_slice());
        map(DivideBy(m), [], grads.as_mut_slice());
        map(ScaleBy(max / grads.norm()), [], grads.as_mut_slice());
    }
    length
}
