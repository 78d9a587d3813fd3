//! exp, ln, tanh and sigmoid, written once over the vector trait, so that they give the same bits on every path and
//! every machine (the standard library takes the platform's, whose last bit differs).
//!
//! Largest errors in f32, in units in the last place, measured by `tests/tests/kernels.rs`: exp 1.02, ln 0.98, tanh 1.73,
//! sigmoid 1.70.

use super::simd::Lanes;
use crate::real::Real;

/// c₀ + c₁x + c₂x² + …, an odd number of coefficients, given x and x².
///
/// Horner's rule in x² over c₀ + c₁x, c₂ + c₃x, …: a chain half as long as by Horner's rule in x, and beside it work that
/// waits for nothing.
#[inline(always)]
fn polynomial<R: Real, L: Lanes<R>>(l: L, x: L::V, square: L::V, coefficients: &'static [R]) -> L::V {
    let (pairs, &[last]) = coefficients.as_chunks::<2>() else { panic!("an odd number of coefficients") };
    let mut sum = l.splat(last);
    for &[even, odd] in pairs.iter().rev() {
        sum = l.mul_add(sum, square, l.mul_add(l.splat(odd), x, l.splat(even)));
    }
    sum
}

/// The whole number nearest to x/ln 2 (or beside it, where that lies half-way between two).
#[inline(always)]
fn exponent<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    // There are no digits behind the point in a sum this large.
    let whole = l.splat(R::WHOLE);
    l.sub(l.mul_add(x, l.splat(R::LOG2_E), whole), whole)
}

/// eʳ − 1 with r = x − n·ln 2, for n = [`exponent`] of x.
#[inline(always)]
fn exp_rest<R: Real, L: Lanes<R>>(l: L, x: L::V, n: L::V) -> L::V {
    // r = x − n·ln 2, in two parts so that no digit of r is lost.
    let r = l.mul_add(n, l.splat(-R::LN_2.0), x);
    let r = l.mul_add(n, l.splat(-R::LN_2.1), r);
    // eʳ − 1 = r + r²·P(r)
    let square = l.mul(r, r);
    l.mul_add(square, polynomial(l, r, square, R::EXP_POLYNOMIAL), r)
}

/// eˣ; 0 and ∞ beyond the range of the type, NaN for NaN.
#[inline(always)]
pub fn exp<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    // eˣ = 2ⁿ·eʳ = 2ⁿ(eʳ − 1) + 2ⁿ
    if l.all_within(x, R::EXP_NORMAL) {
        let n = exponent(l, x);
        let power = l.exp2_whole(n);
        return l.mul_add(power, exp_rest(l, x, n), power);
    }
    // The same where 2ⁿ may be no normal number. x comes second, so that NaN stays.
    let x = l.min(l.splat(R::EXP_RANGE.1), l.max(l.splat(R::EXP_RANGE.0), x));
    let n = exponent(l, x);
    l.scale(l.add(exp_rest(l, x, n), l.splat(R::ONE)), n)
}

/// ln x; −∞ for 0, NaN below 0.
#[inline(always)]
pub fn ln<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    if l.all_normal(x) {
        let (m, e) = l.split_near_one(x);
        return ln_of_parts(l, m, e);
    }
    // Seldom needed: the same with subnormal numbers made normal, and the special values.
    let (one, zero) = (l.splat(R::ONE), l.splat(R::ZERO));
    let (scale, scale_exponent) = R::SUBNORMAL_SCALE;
    let normal = l.splat(R::NORMAL.0);
    let (m, e) = l.split_near_one(l.if_gt(normal, x, l.mul(x, l.splat(scale)), x));
    let y = ln_of_parts(l, m, l.sub(e, l.if_gt(normal, x, l.splat(scale_exponent), zero)));
    // ln ∞ = ∞, ln 0 = −∞, NaN elsewhere (∞ − ∞ makes one).
    let infinity = l.splat(-R::NEG_INFINITY);
    let not_a_number = l.sub(infinity, infinity);
    let positive = l.if_gt(infinity, x, y, infinity);
    let negative = l.if_gt(zero, x, not_a_number, l.splat(R::NEG_INFINITY));
    // NaN compares with nothing, so it falls through every test to here; x·−∞ keeps it.
    l.if_gt(x, zero, positive, l.if_gt(one, x, negative, l.mul(x, negative)))
}

/// ln(m·2ᵉ) for m in [⅔, 4⁄3)
#[inline(always)]
fn ln_of_parts<R: Real, L: Lanes<R>>(l: L, m: L::V, e: L::V) -> L::V {
    // ln(1 + f) = f + f²·P(f)
    let f = l.sub(m, l.splat(R::ONE));
    let square = l.mul(f, f);
    let y = l.mul_add(square, polynomial(l, f, square, R::LN_POLYNOMIAL), f);
    // ln(m·2ᵉ) = e·ln 2 + ln m; one constant is enough, since the product is not rounded.
    l.mul_add(e, l.splat(R::from_f64(std::f64::consts::LN_2)), y)
}

/// tanh x
#[inline(always)]
pub fn tanh<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let (zero, one, two) = (l.splat(R::ZERO), l.splat(R::ONE), l.splat(R::from_f64(2.0)));
    // a = |x|, up to where tanh is 1 for certain
    let a = l.min(l.splat(R::TANH_ONE), l.max(x, l.sub(zero, x)));
    // tanh a = t/(t + 2) with t = e²ᵃ − 1 = 2ⁿ(eʳ − 1) + (2ⁿ − 1), which keeps the digits of a small a.
    let double = l.add(a, a);
    let n = exponent(l, double);
    let power = l.exp2_whole(n);
    let t = l.mul_add(power, exp_rest(l, double, n), l.sub(power, one));
    let inverse = l.div(one, l.add(t, two));
    let y = l.mul(t, inverse);
    // One Newton step from what y still lacks, t − y·(t + 2): the sum t + 2 was rounded.
    let minus_y = l.sub(zero, y);
    let lacking = l.mul_add(minus_y, t, l.mul_add(minus_y, two, t));
    let y = l.mul_add(lacking, inverse, y);
    l.if_gt(zero, x, l.sub(zero, y), y)
}

/// The logistic function 1/(1 + e⁻ˣ); 0 where e⁻ˣ is beyond the range of the type.
#[inline(always)]
pub fn sigmoid<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let (zero, one, half) = (l.splat(R::ZERO), l.splat(R::ONE), l.splat(R::from_f64(0.5)));
    // z = −x, but for such z that eᶻ is nothing beside 1, or ∞. It comes second, so that NaN stays.
    let high = l.splat(R::EXP_RANGE.1);
    let z = l.min(high, l.max(l.splat(R::from_f64(-40.0)), l.sub(zero, x)));
    // ½(1 + eᶻ) = h(eʳ − 1) + (h + ½) with h = 2ⁿ⁻¹, which is finite where eᶻ is not.
    let n = exponent(l, z);
    let h = l.exp2_whole(l.sub(n, one));
    let sum = l.add(h, half);
    // What the sum has lost of ½ counts where n is 24 (53 in f64). Elsewhere it is 0, and only the last addition rounds.
    let lost = l.sub(half, l.sub(sum, h));
    let y = l.div(half, l.add(l.mul_add(h, exp_rest(l, z, n), lost), sum));
    l.if_gt(l.sub(zero, high), x, zero, y)
}

/// Rect(x) = max(x, 0): NaN stays NaN, and −0 becomes +0 (comparing "x > 0" leaves both to the other branch).
#[inline(always)]
pub fn relu<R: Real, L: Lanes<R>>(l: L, x: L::V) -> L::V {
    let zero = l.splat(R::ZERO);
    // x + 0 is NaN for NaN, and +0 for −0.
    l.if_gt(zero, x, zero, l.add(x, zero))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Path;
    use crate::kernels::map::{Elementwise, Map};

    /// One of the functions.
    #[derive(Clone, Copy)]
    struct Nth(usize);

    impl Elementwise<f32, 1> for Nth {
        #[inline(always)]
        fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
            [exp(l, x), ln(l, x), tanh(l, x), sigmoid(l, x), relu(l, x)][self.0]
        }
    }

    /// Vectors that take the short way and vectors that take the long one, on all paths, give the bits of one number at
    /// a time on the scalar path. (`tests/tests/kernels.rs` looks at many more numbers.)
    #[test]
    #[cfg_attr(miri, ignore = "slow, and Miri does not know how AVX-512 compares")]
    fn neighbours_and_paths_do_not_show() {
        let usual: Vec<f32> = (-800..800).map(|i| i as f32 * 0.11).collect();
        // Every 99 991st pattern of bits: all magnitudes, both signs, NaN.
        let all = (0..u32::MAX / 99_991).map(|i| f32::from_bits(i * 99_991));
        let special = [0.0, -0.0, 1e-45, -1e-45, 88.72, 88.73, -87.4, -103.9, f32::INFINITY, -f32::INFINITY, f32::NAN];
        let x: Vec<f32> =
            usual.iter().copied().chain(usual.iter().map(|x| x.abs() + 0.1)).chain(all).chain(special).collect();
        let run = |path: Path, f, x: &[f32]| {
            let mut y = vec![0.0; x.len()];
            path.run(Map { f, x: [x], y: &mut y });
            y.into_iter().map(|y| if y.is_nan() { u32::MAX } else { y.to_bits() }).collect::<Vec<_>>()
        };
        for f in (0..5).map(Nth) {
            let alone: Vec<u32> = x.iter().flat_map(|x| run(Path::Scalar, f, std::slice::from_ref(x))).collect();
            for path in Path::all() {
                let found = run(path, f, &x);
                let differs = (0..x.len()).find(|&i| found[i] != alone[i]);
                assert!(differs.is_none(), "function {}, {}: {:?}", f.0, path.name(), differs.map(|i| x[i]));
            }
        }
    }
}
