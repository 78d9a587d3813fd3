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
    /// Where a < b, a; elsewhere, also where a or b is NaN, b. (As the x86 instruction does.)
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.if_gt(b, a, a, b)
    }
    /// Where a > b, a; elsewhere, also where a or b is NaN, b.
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.if_gt(a, b, a, b)
    }
    /// The nearest whole number, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// 2ⁿ for whole n in the range of normal numbers (f32: −126..=127).
    fn exp2_whole(self, n: Self::V) -> Self::V;
    /// a · 2ⁿ, rounded once, for whole n and ½ ≤ a ≤ 2: exact, or subnormal, 0 or ∞. f32: |n| ≤ 250. NaN stays NaN.
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // 2ⁿ in two factors, since n may lie beyond the exponents of normal numbers. The first product is exact.
        let half = self.round(self.mul(n, self.splat(R::from_f64(0.5))));
        self.mul(self.mul(a, self.exp2_whole(half)), self.exp2_whole(self.sub(n, half)))
    }
    /// (m, e) with a = m · 2ᵉ and m in [⅔, 4⁄3), as near 1 as can be, for normal positive a.
    fn split_near_one(self, a: Self::V) -> (Self::V, Self::V);
    /// Whether every lane is a normal positive number. "No" is always allowed, here and below: whoever asks has a longer
    /// way with the same bits.
    #[inline(always)]
    fn all_normal(self, _a: Self::V) -> bool {
        false
    }
    /// Whether |a| < limit in every lane.
    #[inline(always)]
    fn all_within(self, _a: Self::V, _limit: R) -> bool {
        false
    }
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
    /// Up to sixteen elements as a vector's first lanes, zeros behind them.
    #[inline(always)]
    fn load_part(self, x: &[R]) -> Self::V {
        let mut lanes = [R::ZERO; LANES];
        lanes[..x.len()].copy_from_slice(x);
        self.load(&lanes)
    }
    /// The vector's first lanes, up to sixteen, into `y`.
    #[inline(always)]
    fn store_part(self, v: Self::V, y: &mut [R]) {
        let mut lanes = [R::ZERO; LANES];
        self.store(v, &mut lanes);
        y.copy_from_slice(&lanes[..y.len()]);
    }
    /// Runs a kernel as a function of its own, compiled for this path. What is large and has many variants is compiled
    /// apart by this, rather than anew at each place that calls it.
    fn outlined<K: Kernel<R>>(self, kernel: K) -> K::Out;
    /// The columns of a square as its rows: `rows[k][c] = columns[c][k]`.
    #[inline(always)]
    fn transpose(self, columns: [&[R; LANES]; LANES], rows: &mut [[R; LANES]; LANES]) {
        for (k, row) in rows.iter_mut().enumerate() {
            *row = columns.map(|column| column[k]);
        }
    }
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
