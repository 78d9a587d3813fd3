//! The number type: f32 to train, f64 to check gradients, both through the same code.

use std::fmt::{Debug, Display, LowerExp};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::kernels::gemm::Sum;
use crate::kernels::simd::Kernel;
use crate::kernels::{self, arch::scalar::Scalar};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A real number: [`f32`] or [`f64`].
///
/// f32 kernels run on the fastest path of the machine and give the same bits on each; f64 takes the scalar path, with
/// the same algorithms, and is there to check gradients.
pub trait Real:
    sealed::Sealed
    + bytemuck::Pod
    + From<u8>
    + From<u16>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + PartialOrd
    + Default
    + Debug
    + Display
    + LowerExp
    + Send
    + Sync
    + 'static
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// −∞
    const NEG_INFINITY: Self;
    /// The smallest and the largest positive normal number.
    const NORMAL: (Self, Self);
    /// A power of two that makes a subnormal normal, and its exponent.
    const SUBNORMAL_SCALE: (Self, Self);
    /// 1 / ln 2
    const LOG2_E: Self;
    /// ln 2 in two parts: the first with so few digits that n · LN_2.0 is exact for every exponent n of eˣ.
    const LN_2: (Self, Self);
    /// eˣ is a normal number up to this |x| at least.
    const EXP_NORMAL: Self;
    /// Bounds beyond which eˣ is 0 or ∞.
    const EXP_RANGE: (Self, Self);
    /// |x| from which tanh x rounds to ±1, and a little more.
    const TANH_ONE: Self;
    /// 1½ times the power of two from which on all numbers are whole: x + WHOLE − WHOLE is the whole number nearest to x.
    const WHOLE: Self;
    /// P with eʳ ≈ 1 + r + r²·P(r) on |r| ≤ ½ ln 2, of least relative error (`autograd/minimax.py`); nearly 1/2!, 1/3!, ….
    /// f32: 3.1e-9. f64: 5.3e-20.
    const EXP_POLYNOMIAL: &'static [Self];
    /// P with ln(1 + f) ≈ f + f²·P(f) on |f| ≤ ⅓, of least relative error (`autograd/minimax.py`); nearly −1/2, 1/3, −1/4, ….
    /// f32: 4.5e-9. f64: 1.3e-18.
    const LN_POLYNOMIAL: &'static [Self];

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
    /// The number as f64, exactly.
    fn to_f64(self) -> f64;
    /// self · b + c, rounded once, on every machine.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// √self
    fn sqrt(self) -> Self;
    /// |self|
    fn abs(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// The nearest whole number, ties to even.
    fn round_ties_even(self) -> Self;
    /// 2^self for whole self in the range of normal numbers.
    fn exp2_whole(self) -> Self;
    /// (m, e) with self = m · 2ᵉ, m in [⅔, 4⁄3), for normal positive self.
    fn split_near_one(self) -> (Self, Self);
    /// Runs a kernel on this machine's path.
    fn dispatch<K: Kernel<Self>>(kernel: K) -> K::Out;
    /// As [`Real::dispatch`], for the one kernel that is large: no generic function, so that it is compiled in this crate and
    /// not anew in each that multiplies matrices.
    fn dispatch_sum(sum: Sum<Self>);
}

/// a · b + c in f32, rounded once, from f64 arithmetic alone.
///
/// The product of two f32 is exact in f64. The sum with c is not, and rounding it to f32 would round twice; so the f64
/// sum is first rounded *to odd*: where it was inexact (its TwoSum error is not 0) and its last bit is even, it is
/// moved one step towards the exact value. A number rounded to odd with two spare bits rounds on as the exact one
/// would (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
#[inline(always)]
pub(crate) fn fused_mul_add(a: f32, b: f32, c: f32) -> f32 {
    let (p, c) = (a as f64 * b as f64, c as f64);
    let s = p + c;
    // TwoSum: p + c = s + e exactly.
    let c_part = s - p;
    let e = (p - (s - c_part)) + (c - c_part);
    let bits = s.to_bits();
    // One step away from zero where e has the sign of s, towards zero otherwise.
    let step = if (e > 0.0) == (s > 0.0) { 1u64 } else { u64::MAX };
    // NaN and infinity leave e NaN, and neither comparison holds.
    let inexact = (e > 0.0) | (e < 0.0);
    let odd = bits.wrapping_add(if inexact & (bits & 1 == 0) { step } else { 0 });
    f64::from_bits(odd) as f32
}

impl Real for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;
    const NORMAL: (f32, f32) = (f32::MIN_POSITIVE, f32::MAX);
    const SUBNORMAL_SCALE: (f32, f32) = (16_777_216.0, 24.0);
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    const EXP_NORMAL: f32 = 87.0;
    const EXP_RANGE: (f32, f32) = (-104.0, 89.0);
    const TANH_ONE: f32 = 9.1;
    const WHOLE: f32 = 12_582_912.0;
    const EXP_POLYNOMIAL: &'static [f32] = &[0.49999994, 0.16666521, 0.041668385, 0.008368715, 0.0013814648];
    const LN_POLYNOMIAL: &'static [f32] =
        &[-0.5, 0.3333321, -0.24999717, 0.20010747, -0.16682306, 0.14001171, -0.12167154, 0.14004703, -0.12948963];

    fn from_f64(x: f64) -> f32 {
        x as f32
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn mul_add(self, b: f32, c: f32) -> f32 {
        fused_mul_add(self, b, c)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
    #[inline(always)]
    fn round_ties_even(self) -> f32 {
        f32::round_ties_even(self)
    }
    #[inline(always)]
    fn exp2_whole(self) -> f32 {
        f32::from_bits(((self as i32 + 127) as u32) << 23)
    }
    #[inline(always)]
    fn split_near_one(self) -> (f32, f32) {
        let bits = self.to_bits() as i32;
        // How many powers of two lie between ⅔ and the number.
        let e = bits.wrapping_sub((2.0f32 / 3.0).to_bits() as i32) >> 23;
        (f32::from_bits(bits.wrapping_sub(e << 23) as u32), e as f32)
    }
    #[inline(always)]
    fn dispatch<K: Kernel<f32>>(kernel: K) -> K::Out {
        kernels::path().run(kernel)
    }
    fn dispatch_sum(sum: Sum<f32>) {
        kernels::path().run(sum);
    }
}

impl Real for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;
    const NORMAL: (f64, f64) = (f64::MIN_POSITIVE, f64::MAX);
    const SUBNORMAL_SCALE: (f64, f64) = (18_014_398_509_481_984.0, 54.0);
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    const EXP_NORMAL: f64 = 708.0;
    const EXP_RANGE: (f64, f64) = (-746.0, 710.0);
    const TANH_ONE: f64 = 19.2;
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    const EXP_POLYNOMIAL: &'static [f64] = &[
        0.5,
        0.16666666666666682,
        0.041666666666666095,
        0.008333333333317035,
        0.0013888888889115514,
        0.0001984126989638248,
        2.4801586926785993e-05,
        2.755723486323578e-06,
        2.7557581754111075e-07,
        2.5112036382794063e-08,
        2.0826648932148317e-09,
    ];
    const LN_POLYNOMIAL: &'static [f64] = &[
        -0.5,
        0.33333333333333154,
        -0.2499999999999916,
        0.20000000000077311,
        -0.16666666666880525,
        0.1428571427409146,
        -0.12499999975925864,
        0.11111111974771465,
        -0.10000001476852977,
        0.09090872312069302,
        -0.08333278640621493,
        0.07693272658414216,
        -0.07144145557362752,
        0.06650580687105276,
        -0.06230300070402747,
        0.0605231627008138,
        -0.05749347600728049,
        0.04173158217638165,
        -0.03830583342755513,
        0.08503651513289853,
        -0.08347874924344925,
    ];

    fn from_f64(x: f64) -> f64 {
        x
    }
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn mul_add(self, b: f64, c: f64) -> f64 {
        f64::mul_add(self, b, c)
    }
    #[inline(always)]
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::abs(self)
    }
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn round_ties_even(self) -> f64 {
        f64::round_ties_even(self)
    }
    #[inline(always)]
    fn exp2_whole(self) -> f64 {
        f64::from_bits(((self as i64 + 1023) as u64) << 52)
    }
    #[inline(always)]
    fn split_near_one(self) -> (f64, f64) {
        let bits = self.to_bits() as i64;
        let e = bits.wrapping_sub((2.0f64 / 3.0).to_bits() as i64) >> 52;
        (f64::from_bits(bits.wrapping_sub(e << 52) as u64), e as f64)
    }
    #[inline(always)]
    fn dispatch<K: Kernel<f64>>(kernel: K) -> K::Out {
        kernel.run(Scalar)
    }
    fn dispatch_sum(sum: Sum<f64>) {
        sum.run(Scalar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Path;
    use crate::kernels::map::{Elementwise, Map};
    use crate::kernels::simd::Lanes;
    use proptest::prelude::*;

    /// y ← a·b + y
    #[derive(Clone, Copy)]
    struct MulAdd;
    impl Elementwise<f32, 2> for MulAdd {
        #[inline(always)]
        fn apply<L: Lanes<f32>>(self, l: L, y: L::V, [a, b]: [L::V; 2]) -> L::V {
            l.mul_add(a, b, y)
        }
    }

    /// The emulation, and `mul_add` on every path, give the bits of the standard library's; NaNs are one.
    fn check(triples: &[[f32; 3]]) {
        let [a, b, c] = [0, 1, 2].map(|i| triples.iter().map(|triple| triple[i]).collect::<Vec<_>>());
        let emulated = triples.iter().map(|&[a, b, c]| fused_mul_add(a, b, c)).collect();
        let mut all = vec![("emulated", emulated)];
        for path in Path::all() {
            let mut y = c.clone();
            path.run(Map { f: MulAdd, x: [&a, &b], y: &mut y });
            all.push((path.name(), y));
        }
        for (name, found) in all {
            for (&[a, b, c], ours) in triples.iter().zip(found) {
                let fused = f32::mul_add(a, b, c);
                let same = ours.to_bits() == fused.to_bits() || ours.is_nan() && fused.is_nan();
                assert!(same, "{name}: {a:e}·{b:e} + {c:e} is {ours:e}, not {fused:e}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 16 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]
        /// Special values included.
        #[test]
        fn emulated_fma_is_the_fused_one(a in any::<u32>(), b in any::<u32>(), c in any::<u32>(), near in -3i32..4) {
            let (a, b) = (f32::from_bits(a), f32::from_bits(b));
            // Addends near −a·b meet cancellation; other ones meet everything else.
            let cancelling = f32::from_bits(((-a * b).to_bits() as i32).wrapping_add(near) as u32);
            check(&[f32::from_bits(c), cancelling, 0.0, -0.0].map(|c| [a, b, c]));
        }
    }

    /// Sums that lie on the middle between two f32, or beside it by less than an f64 can hold.
    #[test]
    fn emulated_fma_on_ties() {
        let ulp = f32::EPSILON;
        let mut triples = Vec::new();
        for k in 0..64 {
            let c = 1.0 + k as f32 * ulp;
            for half in [ulp / 2.0, -ulp / 2.0, ulp / 4.0] {
                triples.push([half, 1.0, c]);
                // (1 + n·ulp)(1 − n·ulp) = 1 − n²·ulp²: beside the middle by 2⁻¹⁸ of an f64's last bit, and by ¾ of it.
                for near in [ulp, 443.0 * ulp] {
                    triples.push([half * (1.0 + near), 1.0 - near, c]);
                }
                triples.push([half * (1.0 + ulp), 1.0 - ulp / 2.0, c]);
            }
        }
        triples.extend(triples.clone().into_iter().map(|[a, b, c]| [a, -b, -c]));
        check(&triples);
        let twice = |&[a, b, c]: &[f32; 3]| (a as f64 * b as f64 + c as f64) as f32;
        let wrong = triples.iter().filter(|&triple| twice(triple) != fused_mul_add(triple[0], triple[1], triple[2]));
        assert_eq!(wrong.count(), 128, "where rounding twice would show");
    }
}
