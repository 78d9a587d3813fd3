//! exp, ln, tanh and sigmoid, written once over the vector trait, so that they give the same bits on every path and
//! every machine. (The standard library calls the platform's functions, whose last bits differ.)
//!
//! The largest errors in f32, in units in the last place, are 1.02 for exp, 0.98 for ln, 1.73 for tanh and 1.70 for
//! sigmoid; `tests/tests/kernels.rs` measures them.

use super::simd::Lanes;
use crate::number::Number;

/// c₀ + c₁x + c₂x² + … for an odd number of coefficients, given x and x².
///
/// This is Horner's rule in x² over the pairs c₀ + c₁x, c₂ + c₃x, …. Its chain is half as long as that of Horner's rule
/// in x, and the pairs wait for nothing.
#[inline(always)]
fn polynomial<R: Number, L: Lanes<R>>(l: L, x: L::V, square: L::V, coefficients: &'static [R]) -> L::V {
    let (pairs, &[last]) = coefficients.as_chunks::<2>() else { panic!("an odd number of coefficients") };
    let mut sum = l.splat(last);
    for &[even, odd] in pairs.iter().rev() {
        sum = l.mul_add(sum, square, l.mul_add(l.splat(odd), x, l.splat(even)));
    }
    sum
}

/// The whole number nearest to x/ln 2, or one of two where x/ln 2 lies nearly half-way between them.
#[inline(always)]
fn exponent<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    // A sum this large has no digits after the point.
    let whole = l.splat(R::WHOLE_NUMBERS);
    l.sub(l.mul_add(x, l.splat(R::LOG2_E), whole), whole)
}

/// eʳ − 1 with r = x − n·ln 2, for n = [`exponent`] of x.
#[inline(always)]
fn exp_rest<R: Number, L: Lanes<R>>(l: L, x: L::V, n: L::V) -> L::V {
    // r = x − n·ln 2, subtracted in two parts so that r loses no digits.
    let r = l.mul_add(n, l.splat(-R::LN_2.0), x);
    let r = l.mul_add(n, l.splat(-R::LN_2.1), r);
    // eʳ − 1 = r + r²·P(r)
    let square = l.mul(r, r);
    l.mul_add(square, polynomial(l, r, square, R::EXP_POLYNOMIAL), r)
}

/// eˣ. The result is 0 or ∞ beyond the range of the type, and NaN for NaN.
#[inline(always)]
pub fn exp<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    // eˣ = 2ⁿ·eʳ = 2ⁿ(eʳ − 1) + 2ⁿ
    if l.all_within(x, R::EXP_NORMAL_BOUND) {
        let n = exponent(l, x);
        let power = l.exp2_whole(n);
        return l.mul_add(power, exp_rest(l, x, n), power);
    }
    // The same for an x whose 2ⁿ may not be a normal number. x is the second argument, so that NaN stays NaN.
    let x = l.min(l.splat(R::EXP_RANGE.1), l.max(l.splat(R::EXP_RANGE.0), x));
    let n = exponent(l, x);
    l.scale(l.add(exp_rest(l, x, n), l.splat(R::ONE)), n)
}

/// ln x. The result is −∞ for 0, and NaN below 0.
#[inline(always)]
pub fn ln<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    if l.all_normal(x) {
        let (m, e) = l.split_near_one(x);
        return ln_of_parts(l, m, e);
    }
    // This is seldom needed: subnormal numbers are made normal first, and special values are set at the end.
    let (one, zero) = (l.splat(R::ONE), l.splat(R::ZERO));
    let (scale, scale_exponent) = R::SUBNORMAL_SCALE;
    let normal = l.splat(R::NORMAL_RANGE.0);
    let (m, e) = l.split_near_one(l.if_gt(normal, x, l.mul(x, l.splat(scale)), x));
    let y = ln_of_parts(l, m, l.sub(e, l.if_gt(normal, x, l.splat(scale_exponent), zero)));
    // ln ∞ = ∞ and ln 0 = −∞; below 0 the result is NaN, which ∞ − ∞ gives.
    let infinity = l.splat(-R::NEG_INFINITY);
    let not_a_number = l.sub(infinity, infinity);
    let positive = l.if_gt(infinity, x, y, infinity);
    let negative = l.if_gt(zero, x, not_a_number, l.splat(R::NEG_INFINITY));
    // All comparisons with NaN are false, so NaN reaches the last branch, and x·−∞ keeps it.
    l.if_gt(x, zero, positive, l.if_gt(one, x, negative, l.mul(x, negative)))
}

/// ln(m·2ᵉ) for m in [⅔, 4⁄3)
#[inline(always)]
fn ln_of_parts<R: Number, L: Lanes<R>>(l: L, m: L::V, e: L::V) -> L::V {
    // ln(1 + f) = f + f²·P(f)
    let f = l.sub(m, l.splat(R::ONE));
    let square = l.mul(f, f);
    let y = l.mul_add(square, polynomial(l, f, square, R::LN_POLYNOMIAL), f);
    // ln(m·2ᵉ) = e·ln 2 + ln m. One constant for ln 2 is enough, since the product is not rounded.
    l.mul_add(e, l.splat(R::from_f64(std::f64::consts::LN_2)), y)
}

/// tanh x
#[inline(always)]
pub fn tanh<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let (zero, one, two) = (l.splat(R::ZERO), l.splat(R::ONE), l.splat(R::from_f64(2.0)));
    // a = |x|, limited to where tanh is certainly 1
    let a = l.min(l.splat(R::TANH_ONE_BOUND), l.max(x, l.sub(zero, x)));
    // tanh a = t/(t + 2) with t = e²ᵃ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1). This form keeps the digits of a small a.
    let double = l.add(a, a);
    let n = exponent(l, double);
    let power = l.exp2_whole(n);
    let t = l.mul_add(power, exp_rest(l, double, n), l.sub(power, one));
    let inverse = l.div(one, l.add(t, two));
    let y = l.mul(t, inverse);
    // The sum t + 2 was rounded, so one Newton step adds what y still lacks, (t − y·(t + 2))/(t + 2).
    let minus_y = l.sub(zero, y);
    let lacking = l.mul_add(minus_y, t, l.mul_add(minus_y, two, t));
    let y = l.mul_add(lacking, inverse, y);
    l.if_gt(zero, x, l.sub(zero, y), y)
}

/// The logistic function 1/(1 + e⁻ˣ). The result is 0 where e⁻ˣ is beyond the range of the type.
#[inline(always)]
pub fn sigmoid<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let (zero, one, half) = (l.splat(R::ZERO), l.splat(R::ONE), l.splat(R::from_f64(0.5)));
    // z = −x, limited from below to where eᶻ is negligible beside 1, and from above to where it is ∞. −x is the second
    // argument, so that NaN stays NaN.
    let high = l.splat(R::EXP_RANGE.1);
    let z = l.min(high, l.max(l.splat(R::from_f64(-40.0)), l.sub(zero, x)));
    // ½(1 + eᶻ) = h(eʳ − 1) + (h + ½) with h = 2ⁿ⁻¹, which is finite even where eᶻ is not.
    let n = exponent(l, z);
    let h = l.exp2_whole(l.sub(n, one));
    let sum = l.add(h, half);
    // What rounding has taken from the ½ in the sum matters where n is 24 (53 in f64). Elsewhere it is 0, and only the
    // last addition rounds.
    let lost = l.sub(half, l.sub(sum, h));
    let y = l.div(half, l.add(l.mul_add(h, exp_rest(l, z, n), lost), sum));
    l.if_gt(l.sub(zero, high), x, zero, y)
}

/// Rect(x) = max(x, 0). NaN stays NaN, and −0 becomes +0: the comparison 0 > x is false for both, so they take the
/// branch x + 0.
#[inline(always)]
pub fn relu<R: Number, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let zero = l.splat(R::ZERO);
    // x + 0 is NaN for NaN, and +0 for −0.
    l.if_gt(zero, x, zero, l.add(x, zero))
}
