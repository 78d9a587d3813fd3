//! The two types of numbers, f32 and f64: constants, conversions and the arithmetic that the kernels need of one
//! number.

use std::fmt::{Debug, Display, LowerExp};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type: [`f32`] or [`f64`].
pub trait Number:
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
    /// Not a number
    const NAN: Self;
    /// The smallest and the largest positive normal number.
    const NORMAL_RANGE: (Self, Self);
    /// The largest power of two whose square is below an eighth of the largest finite number: 2⁶³ in f32, 2⁵¹¹ in f64.
    const LARGEST_TO_SQUARE: Self;
    /// A power of two that makes every subnormal number normal, and its exponent.
    const SUBNORMAL_SCALE: (Self, Self);
    /// 1 / ln 2
    const LOG2_E: Self;
    /// ln 2 as a sum of two numbers. The first has so few digits that n · LN_2.0 is exact for every exponent n of eˣ.
    const LN_2: (Self, Self);
    /// eˣ is a normal number wherever |x| is below this bound.
    const EXP_NORMAL_BOUND: Self;
    /// Below the first bound eˣ is 0, and above the second it is ∞.
    const EXP_RANGE: (Self, Self);
    /// tanh x is ±1 after rounding wherever |x| is above this bound.
    const TANH_ONE_BOUND: Self;
    /// 1½ times the power of two above which every number is whole. Adding this constant to x and subtracting it again
    /// gives the whole number nearest to x.
    const WHOLE_NUMBERS: Self;
    /// The coefficients of a polynomial P with eʳ ≈ 1 + r + r²·P(r) for |r| ≤ ½ ln 2; they are nearly 1/2!, 1/3!, ….
    /// `autograd/minimax.py` finds those with the least relative error, which is 3.1e-9 in f32 and 5.3e-20 in f64.
    const EXP_POLYNOMIAL: &'static [Self];
    /// The coefficients of a polynomial P with ln(1 + f) ≈ f + f²·P(f) for |f| ≤ ⅓; they are nearly −1/2, 1/3, −1/4, ….
    /// `autograd/minimax.py` finds those with the least relative error, which is 4.5e-9 in f32 and 1.3e-18 in f64.
    const LN_POLYNOMIAL: &'static [Self];

    /// The number of this type that is nearest to x.
    fn from_f64(x: f64) -> Self;
    /// The same number as f64, exactly.
    fn to_f64(self) -> f64;
    /// self · b + c, rounded once, on every machine.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// √self
    fn sqrt(self) -> Self;
    /// |self|
    fn abs(self) -> Self;
    /// Whether the number is neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// The nearest whole number; a tie goes to the even one.
    fn round_ties_even(self) -> Self;
    /// 2^self, where self is a whole number and the result a normal one.
    fn exp2_whole(self) -> Self;
    /// (m, e) with self = m · 2ᵉ and m in [⅔, 4⁄3), for a positive normal number.
    fn split_near_one(self) -> (Self, Self);
}

/// a · b + c in f32, rounded once, computed with f64 arithmetic alone.
///
/// The product of two f32 is exact in f64. The sum with c is not, and rounding it again to f32 would round twice. So
/// the f64 sum is first rounded *to odd*: where it is inexact (its TwoSum error is not 0) and its last bit is even, it
/// is moved one step towards the exact value. A number that was rounded to odd with two spare bits then rounds to f32
/// as the exact value would (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
#[inline(always)]
pub(crate) fn fused_mul_add(a: f32, b: f32, c: f32) -> f32 {
    let (p, c) = (a as f64 * b as f64, c as f64);
    let s = p + c;
    // TwoSum: p + c = s + e exactly.
    let c_part = s - p;
    let e = (p - (s - c_part)) + (c - c_part);
    let bits = s.to_bits();
    // The step leads away from zero where e has the sign of s, and towards zero otherwise.
    let step = if (e > 0.0) == (s > 0.0) { 1u64 } else { u64::MAX };
    // For NaN and infinity e is NaN, and neither comparison holds.
    let inexact = (e > 0.0) | (e < 0.0);
    let odd = bits.wrapping_add(if inexact & (bits & 1 == 0) { step } else { 0 });
    f64::from_bits(odd) as f32
}

impl Number for f32 {
    const ZERO: f32 = 0.0;
    const ONE: f32 = 1.0;
    const NEG_INFINITY: f32 = f32::NEG_INFINITY;
    const NAN: f32 = f32::NAN;
    const NORMAL_RANGE: (f32, f32) = (f32::MIN_POSITIVE, f32::MAX);
    const LARGEST_TO_SQUARE: f32 = (1_u64 << 63) as f32;
    const SUBNORMAL_SCALE: (f32, f32) = (16_777_216.0, 24.0);
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    const EXP_NORMAL_BOUND: f32 = 87.0;
    const EXP_RANGE: (f32, f32) = (-104.0, 89.0);
    const TANH_ONE_BOUND: f32 = 9.1;
    const WHOLE_NUMBERS: f32 = 12_582_912.0;
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
        // The number of powers of two between ⅔ and the number.
        let e = bits.wrapping_sub((2.0f32 / 3.0).to_bits() as i32) >> 23;
        (f32::from_bits(bits.wrapping_sub(e << 23) as u32), e as f32)
    }
}

impl Number for f64 {
    const ZERO: f64 = 0.0;
    const ONE: f64 = 1.0;
    const NEG_INFINITY: f64 = f64::NEG_INFINITY;
    const NAN: f64 = f64::NAN;
    const NORMAL_RANGE: (f64, f64) = (f64::MIN_POSITIVE, f64::MAX);
    const LARGEST_TO_SQUARE: f64 = f64::from_bits((1023 + 511) << 52);
    const SUBNORMAL_SCALE: (f64, f64) = (18_014_398_509_481_984.0, 54.0);
    const LOG2_E: f64 = std::f64::consts::LOG2_E;
    const LN_2: (f64, f64) = (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10);
    const EXP_NORMAL_BOUND: f64 = 708.0;
    const EXP_RANGE: (f64, f64) = (-746.0, 710.0);
    const TANH_ONE_BOUND: f64 = 19.2;
    const WHOLE_NUMBERS: f64 = 6_755_399_441_055_744.0;
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
}
