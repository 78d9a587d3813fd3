//! The small vector trait over which every kernel is written once.
//!
//! A vector always has [`LANES`] = 16 elements, whatever registers the machine has: it is one AVX-512 register, two
//! AVX2 registers, four registers of NEON or simd128, or an array. So a sum over sixteen partial sums is the same sum
//! on every path and gives the same bits.
//!
//! The methods are safe to call: a value of an implementing type exists only if the processor was asked and has the
//! instructions (see [`super::arch`]).

use crate::number::Number;

/// The number of virtual lanes in a vector, on every path.
pub const LANES: usize = 16;

/// Arithmetic on one vector, or on one number in the case of [`super::scalar::Single`].
///
/// Every operation is correctly rounded as IEEE 754 defines it, so it gives the same bits on every path.
pub trait Lanes<R: Number>: Copy + Send + Sync + 'static {
    /// A vector.
    type V: Copy;

    /// A vector whose lanes are all `x`.
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
    /// `yes` in the lanes with a > b, `no` in the others; a lane in which a or b is NaN takes `no`.
    fn if_gt(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// a in the lanes with a < b, b in the others; a lane in which a or b is NaN takes b. (The x86 instruction does the
    /// same.)
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.if_gt(b, a, a, b)
    }
    /// a in the lanes with a > b, b in the others; a lane in which a or b is NaN takes b.
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.if_gt(a, b, a, b)
    }
    /// The nearest whole number; a tie goes to the even one.
    fn round(self, a: Self::V) -> Self::V;
    /// 2ⁿ for a whole n such that 2ⁿ is a normal number (for f32, n in −126..=127).
    fn exp2_whole(self, n: Self::V) -> Self::V;
    /// a · 2ⁿ, rounded once, for a whole n and ½ ≤ a ≤ 2. The result is exact unless it is subnormal, 0 or ∞. For f32,
    /// |n| ≤ 250. NaN stays NaN.
    #[inline(always)]
    fn scale(self, a: Self::V, n: Self::V) -> Self::V {
        // 2ⁿ is split into two factors, since n may lie beyond the exponents of normal numbers. The first product is
        // exact.
        let half = self.round(self.mul(n, self.splat(R::from_f64(0.5))));
        self.mul(self.mul(a, self.exp2_whole(half)), self.exp2_whole(self.sub(n, half)))
    }
    /// (m, e) with a = m · 2ᵉ and m in [⅔, 4⁄3), for positive normal a.
    fn split_near_one(self, a: Self::V) -> (Self::V, Self::V);
    /// Whether every lane is a positive normal number. An implementation may always answer "no", here and in the next
    /// method: the caller then takes a longer way to the same bits.
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

/// An instruction set: how it loads and stores sixteen lanes, and how large its register tile is.
pub trait Simd<R: Number>: Lanes<R> {
    /// The number of rows of the register tile in a matrix product.
    const TILE_ROWS: usize;
    /// The number of vectors in a row of that tile: 1 or 2.
    const TILE_VECTORS: usize;

    /// Loads sixteen elements.
    fn load(self, x: &[R; LANES]) -> Self::V;
    /// Stores the sixteen lanes in `y`.
    fn store(self, v: Self::V, y: &mut [R; LANES]);
    /// Loads up to sixteen elements into the first lanes; the other lanes are 0.
    #[inline(always)]
    fn load_part(self, x: &[R]) -> Self::V {
        let mut lanes = [R::ZERO; LANES];
        lanes[..x.len()].copy_from_slice(x);
        self.load(&lanes)
    }
    /// Stores the first lanes, as many as `y` has elements.
    #[inline(always)]
    fn store_part(self, v: Self::V, y: &mut [R]) {
        let mut lanes = [R::ZERO; LANES];
        self.store(v, &mut lanes);
        y.copy_from_slice(&lanes[..y.len()]);
    }
    /// Runs a kernel as a function of its own that is compiled for this path. It keeps large code with many variants
    /// from being compiled again at each place that calls it.
    fn outlined<K: Kernel<R>>(self, kernel: K) -> K::Out;
    /// Transposes a square: `rows[k][c] = columns[c][k]`.
    #[inline(always)]
    fn transpose(self, columns: [&[R; LANES]; LANES], rows: &mut [[R; LANES]; LANES]) {
        for (k, row) in rows.iter_mut().enumerate() {
            *row = columns.map(|column| column[k]);
        }
    }
}

/// A computation that is written once over [`Simd`]; `R::dispatch` runs it on the path of this machine.
///
/// Implementations mark `run` with `#[inline(always)]`, so that it is compiled inside each path's `#[target_feature]`
/// function.
pub trait Kernel<R: Number> {
    /// The result.
    type Out;
    /// Runs the kernel on one path.
    fn run<S: Simd<R>>(self, s: S) -> Self::Out;
}
