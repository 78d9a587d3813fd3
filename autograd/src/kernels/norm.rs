//! Norms that are finite where their numbers are.

use super::reduce::{Fold, FoldKernel, sum_of_squares};
use super::simd::Lanes;
use crate::real::Real;

/// Σ (xᵢ/m)²
#[derive(Clone, Copy)]
struct SumOfSquaresOver<R>(R);
impl<R: Real> Fold<R> for SumOfSquaresOver<R> {
    const IDENTITY: R = R::ZERO;
    #[inline(always)]
    fn step<L: Lanes<R>>(self, l: L, sum: L::V, x: L::V) -> L::V {
        let x = l.div(x, l.splat(self.0));
        l.mul_add(x, x, sum)
    }
    #[inline(always)]
    fn join(self, a: R, b: R) -> R {
        a + b
    }
}

/// The largest |xᵢ|; NaN is passed over.
#[derive(Clone, Copy)]
struct Largest;
impl<R: Real> Fold<R> for Largest {
    const IDENTITY: R = R::ZERO;
    #[inline(always)]
    fn step<L: Lanes<R>>(self, l: L, largest: L::V, x: L::V) -> L::V {
        let size = l.max(x, l.sub(l.splat(R::ZERO), x));
        l.if_gt(size, largest, size, largest)
    }
    #[inline(always)]
    fn join(self, a: R, b: R) -> R {
        if b > a { b } else { a }
    }
}

/// The largest |xᵢ|, or 0 if there is none; NaN is passed over.
pub fn largest<R: Real>(x: &[R]) -> R {
    R::dispatch(FoldKernel(Largest, x))
}

/// ‖x‖₂ = √Σ xᵢ². It is finite if and only if every xᵢ is; a norm beyond the type is its largest finite number.
pub fn norm<R: Real>(x: &[R]) -> R {
    let squares = sum_of_squares(x);
    if is_norm_squared(squares) { squares.sqrt() } else { norm_by_largest(x) }
}

/// Whether the norm is the root of this sum of squares: the sum neither overflowed nor fell below the normal numbers, or some
/// number was NaN.
pub(crate) fn is_norm_squared<R: Real>(squares: R) -> bool {
    let (low, high) = R::NORMAL_RANGE;
    !(squares < low || squares > high)
}

/// [`norm`] where the sum of squares overflows or vanishes: ‖x‖ = m·‖x/m‖, where m is the largest |xᵢ|.
pub(crate) fn norm_by_largest<R: Real>(x: &[R]) -> R {
    let m = largest(x);
    if m == R::ZERO || !m.is_finite() {
        return m;
    }
    let norm = m * R::dispatch(FoldKernel(SumOfSquaresOver(m), x)).sqrt();
    let (_, high) = R::NORMAL_RANGE;
    if norm > high { high } else { norm }
}
