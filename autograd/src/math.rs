//! Elementary functions of one f64 that give the same bits on every machine, since they use IEEE arithmetic only.
//!
//! exp, ln and tanh are the kernels' functions, applied to one number at a time. Sine and cosine take their angle in
//! turns (1 turn = 2π), which makes the reduction of the angle exact.

use rand::{Rng, RngExt};

use crate::kernels::math;
use crate::kernels::scalar::Single;

/// eˣ
pub fn exp(x: f64) -> f64 {
    math::exp(Single, x)
}

/// ln x
pub fn ln(x: f64) -> f64 {
    math::ln(Single, x)
}

/// tanh x
pub fn tanh(x: f64) -> f64 {
    math::tanh(Single, x)
}

/// xʸ for x > 0, computed as e^(y·ln x). The relative error is below 1e-13 if |y·ln x| < 100.
pub fn pow(x: f64, y: f64) -> f64 {
    exp(y * ln(x))
}

/// (sin 2πu, cos 2πu) for |u| < 2⁵⁰, with an error below 1e-15.
pub fn sin_cos_turns(u: f64) -> (f64, f64) {
    let quarter = (4.0 * u).round_ties_even();
    // Now |x| ≤ π/4, where the Taylor series converge fast.
    let x = (4.0 * u - quarter) * std::f64::consts::FRAC_PI_2;
    let z = x * x;
    let series = |first: f64, start: f64| {
        // Σ (−1)ᵏ zᵏ·first/((start + 1)(start + 2)…), summed from the smallest term.
        let mut sum = 0.0;
        for k in (0..9).rev() {
            let n = start + 2.0 * k as f64;
            sum = first - z / ((n + 1.0) * (n + 2.0)) * if k == 8 { first } else { sum };
        }
        sum
    };
    let (sin, cos) = (x * series(1.0, 1.0), series(1.0, 0.0));
    match quarter as i64 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// A uniform variate on (0, 1]: (k + 1)/2⁵³, where k is the 53 high bits of one `u64`.
pub fn uniform_above_zero(rng: &mut impl Rng) -> f64 {
    ((rng.random::<u64>() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Two independent standard normal variates by the method of Box and Muller, √(−2 ln u₁)·(cos 2πu₂, sin 2πu₂). It draws
/// two `u64`.
pub fn normal_pair(rng: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * ln(uniform_above_zero(rng))).sqrt();
    let (sin, cos) = sin_cos_turns(uniform_above_zero(rng));
    [radius * cos, radius * sin]
}

#[allow(clippy::disallowed_methods)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri draws the last bits of the platform's functions at random")]
    fn agree_with_the_platform() {
        for i in -4000..4000 {
            let x = i as f64 * 0.0173;
            assert!((exp(x) / x.exp() - 1.0).abs() < 4e-16, "exp {x}");
            assert!((tanh(x) - x.tanh()).abs() <= 4e-16 * x.tanh().abs(), "tanh {x}");
            let (sin, cos) = sin_cos_turns(x);
            let angle = (x - x.round()) * std::f64::consts::TAU;
            assert!((sin - angle.sin()).abs() < 1e-15 && (cos - angle.cos()).abs() < 1e-15, "sin, cos {x}");
            let x = exp(x / 3.0);
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1e-3), "ln {x}");
        }
        assert_eq!(ln(0.0), f64::NEG_INFINITY);
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan() && ln(f64::INFINITY) == f64::INFINITY);
        assert!((ln(5e-324) - 5e-324f64.ln()).abs() < 1e-12);
        assert!((pow(0.98, 137.0) - 0.98f64.powi(137)).abs() < 1e-14);
    }

    /// The distribution agrees with that of the sampler of `rand_distr`.
    #[test]
    #[cfg_attr(miri, ignore = "slow: statistics need many draws")]
    fn normals_are_normal() {
        use rand::{SeedableRng, rngs::ChaCha8Rng};
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let ours: Vec<f64> = (0..50_000).flat_map(|_| normal_pair(&mut rng)).collect();
        let oracle: Vec<f64> = (0..100_000).map(|_| StandardNormal.sample(&mut rng)).collect();
        let share = |x: &[f64], at: f64| x.iter().filter(|&&x| x < at).count() as f64 / x.len() as f64;
        for at in [-3.0, -2.0, -1.0, -0.3, 0.0, 0.5, 1.5, 2.5] {
            assert!((share(&ours, at) - share(&oracle, at)).abs() < 0.008, "below {at}");
        }
        let pairs = ours.chunks(2).map(|p| p[0] * p[1]).sum::<f64>() / 50_000.0;
        assert!(pairs.abs() < 0.02, "the two variates of a pair are correlated: {pairs}");
    }
}
