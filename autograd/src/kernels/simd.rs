//! The small vector trait over which every kernel is written once.
//!
//! A vector is always [`LANES`] = 16 elements wide, whatever the registers of the machine are: one AVX-512 register,
//! two of AVX2, four of NEON or of simd128, or an array. So a sum over "16 partial sums" is the same sum on every path,
//! and the same bits come out everywhere.
//!
//! The methods are safe to call: a value of an implementing type exists only where the processor has been asked
//! whether it knows the instructions (see [`super::arch`]).

use crate::real::Real;

/// The number of virtual lanes in a vector, on every path.
pub const LANES: usize = 16;

/// Arithmetic on one vector (or, for [`super::arch::scalar::Single`], on one number).
///
/// Every operation is the correctly rounded IEEE 754 one, so it gives the same bits on every path.
pub trait Lanes<R: Real>: Copy + Send + Sync + 'static {
    /// The vector.
    type V: Copy;

    /// All lanes equal to `x`.
    fn splat(self, x: R) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// √a
    fn sqrt(self, a: Self::V) -> Self::V;
    /// a · b + c, rounded once.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Where a > b, `yes`; elsewhere, also where a or b is NaN, `no`.
    fn if_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// The nearest whole number, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// 2ⁿ for whole n in the range of normal numbers (f32: −126..=127).
    fn exp2_whole(self, n: Self::V) -> Self::V;
    /// (m, e) with a = m · 2ᵉ and m in [1, 2), for normal positive a.
    fn mantissa_exponent(self, a: Self::V) -> (Self::V, Self::V);
}

/// A path of the machine: how sixteen lanes are loaded and stored, and how large its register tile is.
pub trait Simd<R: Real>: Lanes<R> {
    /// Rows of the GEMM's register tile.
    const TILE_ROWS: usize;
    /// Vectors in a row of the GEMM's register tile: 1 or 2.
    const TILE_VECTORS: usize;

    /// The sixteen elements as a vector.
    fn load(self, x: &[R; LANES]) -> Self::V;
    /// The vector's lanes into `y`.
    fn store(self, v: Self::V, y: &mut [R; LANES]);
}

/// A computation written once over [`Simd`]; `R::dispatch` runs it on the path of this machine.
///
/// Implementations mark `run` with `#[inline(always)]`, so that it is compiled anew inside each path's
/// `#[target_feature]` shell.
pub trait Kernel<R: Real> {
    /// What it returns.
    type Out;
    /// Runs on one path.
    fn run<S: Simd<R>>(self, s: S) -> Self::Out;
}
