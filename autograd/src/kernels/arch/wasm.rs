//! WebAssembly's simd128: sixteen lanes are four registers. An engine without simd128 does not load a module that uses
//! it. So it is never detected: it is compiled in with `-C target-feature=+simd128`, or else absent.
//!
//! The only fused multiply-add of WebAssembly is the relaxed one, which may round once or twice. So the one here is
//! that of `fused_mul_add` in `number.rs`, two lanes at a time.

use std::arch::wasm32::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this module has simd128: only [`Simd128::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Simd128(());

impl Simd128 {
    /// Returns the proof: this file is only compiled if the whole module has the instructions.
    pub fn detect() -> Option<Self> {
        Some(Simd128(()))
    }

    /// Runs a kernel that is compiled for these instructions.
    #[inline(never)]
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
}

/// Four registers of four lanes.
type Quad = [v128; 4];

/// a · b + c in two lanes of f64 that hold f32, rounded to odd, so that it then rounds to f32 as the exact value would.
#[inline(always)]
fn mul_add_to_odd(a: v128, b: v128, c: v128) -> v128 {
    let p = f64x2_mul(a, b);
    let s = f64x2_add(p, c);
    // TwoSum: p + c = s + e exactly.
    let c_part = f64x2_sub(s, p);
    let e = f64x2_add(f64x2_sub(p, f64x2_sub(s, c_part)), f64x2_sub(c, c_part));
    let (zero, one) = (f64x2_splat(0.0), i64x2_splat(1));
    // The step is 1 where e has the sign of s, and −1 elsewhere.
    let step = v128_or(v128_xor(f64x2_gt(e, zero), f64x2_gt(s, zero)), one);
    // For NaN and infinity e is NaN, and the comparison is false.
    let inexact = f64x2_gt(f64x2_abs(e), zero);
    let even = i64x2_eq(v128_and(s, one), zero);
    i64x2_add(s, v128_and(step, v128_and(inexact, even)))
}

/// a · b + c, rounded once.
#[inline(always)]
fn fused_mul_add(a: v128, b: v128, c: v128) -> v128 {
    let low = |x| f64x2_promote_low_f32x4(x);
    let high = |x| f64x2_promote_low_f32x4(i64x2_shuffle::<1, 1>(x, x));
    let [low, high] = [mul_add_to_odd(low(a), low(b), low(c)), mul_add_to_odd(high(a), high(b), high(c))];
    i64x2_shuffle::<0, 2>(f32x4_demote_f64x2_zero(low), f32x4_demote_f64x2_zero(high))
}

impl Lanes<f32> for Simd128 {
    type V = Quad;

    #[inline(always)]
    fn splat(self, x: f32) -> Quad {
        [f32x4_splat(x); 4]
    }
    #[inline(always)]
    fn add(self, a: Quad, b: Quad) -> Quad {
        std::array::from_fn(|i| f32x4_add(a[i], b[i]))
    }
    #[inline(always)]
    fn sub(self, a: Quad, b: Quad) -> Quad {
        std::array::from_fn(|i| f32x4_sub(a[i], b[i]))
    }
    #[inline(always)]
    fn mul(self, a: Quad, b: Quad) -> Quad {
        std::array::from_fn(|i| f32x4_mul(a[i], b[i]))
    }
    #[inline(always)]
    fn div(self, a: Quad, b: Quad) -> Quad {
        std::array::from_fn(|i| f32x4_div(a[i], b[i]))
    }
    #[inline(always)]
    fn sqrt(self, a: Quad) -> Quad {
        a.map(|a| f32x4_sqrt(a))
    }
    #[inline(always)]
    fn mul_add(self, a: Quad, b: Quad, c: Quad) -> Quad {
        std::array::from_fn(|i| fused_mul_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn if_gt(self, a: Quad, b: Quad, yes: Quad, no: Quad) -> Quad {
        std::array::from_fn(|i| v128_bitselect(yes[i], no[i], f32x4_gt(a[i], b[i])))
    }
    #[inline(always)]
    fn round(self, a: Quad) -> Quad {
        a.map(|a| f32x4_nearest(a))
    }
    #[inline(always)]
    fn exp2_whole(self, n: Quad) -> Quad {
        n.map(|n| i32x4_shl(i32x4_add(i32x4_trunc_sat_f32x4(n), i32x4_splat(127)), 23))
    }
    #[inline(always)]
    fn split_near_one(self, a: Quad) -> (Quad, Quad) {
        // The number of powers of two between ⅔ and a.
        let e = a.map(|a| i32x4_shr(i32x4_sub(a, f32x4_splat(2.0 / 3.0)), 23));
        let m = std::array::from_fn(|i| i32x4_sub(a[i], i32x4_shl(e[i], 23)));
        (m, e.map(|e| f32x4_convert_i32x4(e)))
    }
}

impl Simd<f32> for Simd128 {
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn outlined<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        self.run(kernel)
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Quad {
        // SAFETY: x holds 16 elements, and 4·i + 4 ≤ 16; the loads need no alignment.
        std::array::from_fn(|i| unsafe { v128_load(x.as_ptr().add(4 * i).cast()) })
    }
    #[inline(always)]
    fn store(self, v: Quad, y: &mut [f32; LANES]) {
        for i in 0..4 {
            // SAFETY: y holds 16 elements, and 4·i + 4 ≤ 16; the stores need no alignment.
            unsafe { v128_store(y.as_mut_ptr().add(4 * i).cast(), v[i]) }
        }
    }
}
