//! The path that every machine has: plain Rust, one lane after the other. It is the only path of f64.

use super::simd::{Kernel, LANES, Lanes, Simd};
use crate::number::Number;

/// One number at a time, for single values outside of a kernel such as a normal variate.
#[derive(Clone, Copy, Debug)]
pub struct Single;

impl<R: Number> Lanes<R> for Single {
    type V = R;

    #[inline(always)]
    fn splat(self, x: R) -> R {
        x
    }
    #[inline(always)]
    fn add(self, a: R, b: R) -> R {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: R, b: R) -> R {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: R, b: R) -> R {
        a * b
    }
    #[inline(always)]
    fn div(self, a: R, b: R) -> R {
        a / b
    }
    #[inline(always)]
    fn sqrt(self, a: R) -> R {
        a.sqrt()
    }
    #[inline(always)]
    fn mul_add(self, a: R, b: R, c: R) -> R {
        a.mul_add(b, c)
    }
    #[inline(always)]
    fn if_gt(self, a: R, b: R, yes: R, no: R) -> R {
        if a > b { yes } else { no }
    }
    #[inline(always)]
    fn round(self, a: R) -> R {
        a.round_ties_even()
    }
    #[inline(always)]
    fn exp2_whole(self, n: R) -> R {
        n.exp2_whole()
    }
    #[inline(always)]
    fn split_near_one(self, a: R) -> (R, R) {
        a.split_near_one()
    }
    #[inline(always)]
    fn all_normal(self, a: R) -> bool {
        a >= R::NORMAL_RANGE.0 && a <= R::NORMAL_RANGE.1
    }
    #[inline(always)]
    fn all_within(self, a: R, limit: R) -> bool {
        a.abs() < limit
    }
}

/// Sixteen lanes as an array.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl<R: Number> Lanes<R> for Scalar {
    type V = [R; LANES];

    #[inline(always)]
    fn splat(self, x: R) -> Self::V {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn sqrt(self, a: Self::V) -> Self::V {
        a.map(R::sqrt)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn if_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        a.map(R::round_ties_even)
    }
    #[inline(always)]
    fn exp2_whole(self, n: Self::V) -> Self::V {
        n.map(R::exp2_whole)
    }
    #[inline(always)]
    fn split_near_one(self, a: Self::V) -> (Self::V, Self::V) {
        (a.map(|a| a.split_near_one().0), a.map(|a| a.split_near_one().1))
    }
    #[inline(always)]
    fn all_normal(self, a: Self::V) -> bool {
        a.into_iter().all(|a| Single.all_normal(a))
    }
    #[inline(always)]
    fn all_within(self, a: Self::V, limit: R) -> bool {
        a.into_iter().all(|a| Single.all_within(a, limit))
    }
}

impl<R: Number> Simd<R> for Scalar {
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 1;

    #[inline(never)]
    fn outlined<K: Kernel<R>>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
    #[inline(always)]
    fn load(self, x: &[R; LANES]) -> Self::V {
        *x
    }
    #[inline(always)]
    fn store(self, v: Self::V, y: &mut [R; LANES]) {
        *y = v;
    }
}
