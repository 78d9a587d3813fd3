//! Numbers of 16 bits (IEEE 754 binary16, `F16` in a safetensors file): a sign, 5 bits of exponent, 10 bits of fraction.

/// Rounds to the nearest f16, and between two of them to the even one. `None` where that is beyond ±65504, or where `x` is not
/// finite.
pub fn to_f16(x: f32) -> Option<u16> {
    let bits = x.to_bits();
    let (sign, size) = ((bits >> 16 & 0x8000) as u16, bits & 0x7fff_ffff);
    // 65520 lies in the middle between 65504 and 65536, the next power of two.
    if size >= 65520f32.to_bits() {
        return None;
    }
    let exponent = size >> 23;
    let rounded = if exponent >= 127 - 14 {
        // The exponent is counted from 15 instead of 127; the fraction loses 13 bits. A carry goes into the exponent.
        without_low_bits(size - ((127 - 15) << 23), 13)
    } else {
        // Below 2⁻¹⁴ the numbers are multiples of 2⁻²⁴; `significand`·2^(exponent − 150) is `significand`·2^(exponent − 126) of them.
        let significand = size & 0x007f_ffff | 0x0080_0000;
        match 126 - exponent {
            shift @ ..=24 => without_low_bits(significand, shift),
            _ => 0,
        }
    };
    Some(sign | rounded as u16)
}

/// The number that an f16 stands for; f32 holds all of them exactly.
pub fn from_f16(half: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(half >> 15) << 31, u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    match exponent {
        // 2⁻²⁴ has the exponent 127 − 24 in an f32.
        0 => f32::from_bits((fraction as f32 * f32::from_bits((127 - 24) << 23)).to_bits() | sign),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13),
    }
}

/// x/2ⁿ, rounded to the nearest whole number, ties to even.
fn without_low_bits(x: u32, n: u32) -> u32 {
    let (whole, rest, middle) = (x >> n, x & ((1 << n) - 1), 1 << (n - 1));
    whole + u32::from(rest > middle || rest == middle && whole & 1 == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the bits of a finite f16 mean, by the definition.
    fn meaning(half: u16) -> f64 {
        let (exponent, fraction) = (i32::from(half >> 10 & 0x1f), f64::from(half & 0x3ff));
        let power = |n: i32| if n < 0 { 1.0 / (1u64 << -n) as f64 } else { (1u64 << n) as f64 };
        let size = match exponent {
            0 => fraction * power(-24),
            _ => (1024.0 + fraction) * power(exponent - 25),
        };
        if half >> 15 == 1 { -size } else { size }
    }

    #[test]
    fn every_f16_is_read_as_what_it_means_and_comes_back() {
        for half in 0..=u16::MAX {
            let x = from_f16(half);
            if half >> 10 & 0x1f == 31 {
                assert!(!x.is_finite() && x.is_nan() == (half & 0x3ff != 0), "{half:#x}");
                assert_eq!(to_f16(x), None, "{half:#x}");
            } else {
                assert_eq!(f64::from(x), meaning(half), "{half:#x}");
                assert_eq!(x.is_sign_negative(), half >> 15 == 1);
                assert_eq!(to_f16(x), Some(half), "{half:#x}");
            }
        }
    }

    /// All middles between neighbours, and the f32 beside each of them.
    #[test]
    fn between_two_neighbours_the_nearer_is_taken_and_in_the_middle_the_even_one() {
        for low in 0..0x7bff_u16 {
            let middle = ((meaning(low) + meaning(low + 1)) / 2.0) as f32;
            assert_eq!(f64::from(middle) * 2.0, meaning(low) + meaning(low + 1), "the middle is an f32");
            let [below, above] = [-1, 1].map(|by| f32::from_bits(middle.to_bits().wrapping_add_signed(by)));
            for (x, expected) in [(below, low), (middle, low + (low & 1)), (above, low + 1)] {
                assert_eq!((to_f16(x), to_f16(-x)), (Some(expected), Some(expected | 0x8000)), "{x:e}");
            }
        }
        assert_eq!((to_f16(65519.996), to_f16(-65519.996)), (Some(0x7bff), Some(0xfbff)));
        for x in [65520.0, -65520.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
            assert_eq!(to_f16(x), None, "{x}");
        }
        assert_eq!((to_f16(f32::from_bits(1)), to_f16(-f32::MIN_POSITIVE)), (Some(0), Some(0x8000)));
    }

    proptest! {
        /// No other f16 is nearer.
        #[test]
        fn the_nearest_is_taken(bits in any::<u32>(), exponent in 90u32..145) {
            let x = f32::from_bits(bits & 0x807f_ffff | exponent << 23);
            if let Some(half) = to_f16(x) {
                let far = |half: u16| (meaning(half) - f64::from(x)).abs();
                let beside = [half.wrapping_sub(1), half + 1].into_iter().filter(|other| other & 0x7fff < 0x7c00);
                prop_assert!(beside.into_iter().all(|other| far(other) >= far(half)), "{x:e}");
            } else {
                prop_assert!(x.abs() >= 65520.0);
            }
        }
    }
}
