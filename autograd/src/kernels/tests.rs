//! Tests of the vector functions on every path of this processor.

use proptest::prelude::*;

use super::dispatch::KernelPath;
use super::map::{Elementwise, Map};
use super::math;
use super::simd::Lanes;
use crate::number::fused_mul_add;

/// One of the functions of [`math`], by its index.
#[derive(Clone, Copy)]
struct Function(usize);

impl Elementwise<f32, 1> for Function {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        [math::exp(l, x), math::ln(l, x), math::tanh(l, x), math::sigmoid(l, x), math::relu(l, x)][self.0]
    }
}

/// On all paths, vectors that take the short way and vectors that take the long way give the same bits as single
/// numbers on the scalar path. (`tests/tests/kernels.rs` looks at many more numbers.)
#[test]
#[cfg_attr(miri, ignore = "slow, and Miri does not know how AVX-512 compares")]
fn neighbours_and_paths_do_not_show() {
    let usual: Vec<f32> = (-800..800).map(|i| i as f32 * 0.11).collect();
    // Every 99 991st pattern of bits: all magnitudes, both signs, NaN.
    let all = (0..u32::MAX / 99_991).map(|i| f32::from_bits(i * 99_991));
    let special = [0.0, -0.0, 1e-45, -1e-45, 88.72, 88.73, -87.4, -103.9, f32::INFINITY, -f32::INFINITY, f32::NAN];
    let x: Vec<f32> =
        usual.iter().copied().chain(usual.iter().map(|x| x.abs() + 0.1)).chain(all).chain(special).collect();
    let run = |path: KernelPath, f, x: &[f32]| {
        let mut y = vec![0.0; x.len()];
        path.run(Map { f, x: [x], y: &mut y });
        y.into_iter().map(|y| if y.is_nan() { u32::MAX } else { y.to_bits() }).collect::<Vec<_>>()
    };
    for f in (0..5).map(Function) {
        let alone: Vec<u32> = x.iter().flat_map(|x| run(KernelPath::Scalar, f, std::slice::from_ref(x))).collect();
        for path in KernelPath::all() {
            let found = run(path, f, &x);
            let differs = (0..x.len()).find(|&i| found[i] != alone[i]);
            assert!(differs.is_none(), "function {}, {}: {:?}", f.0, path.name(), differs.map(|i| x[i]));
        }
    }
}

/// y ← a·b + y
#[derive(Clone, Copy)]
struct MulAdd;
impl Elementwise<f32, 2> for MulAdd {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, y: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.mul_add(a, b, y)
    }
}

/// The emulation and `mul_add` on every path give the same bits as the standard library; all NaNs count as equal.
fn check_mul_add(triples: &[[f32; 3]]) {
    let [a, b, c] = [0, 1, 2].map(|i| triples.iter().map(|triple| triple[i]).collect::<Vec<_>>());
    let emulated = triples.iter().map(|&[a, b, c]| fused_mul_add(a, b, c)).collect();
    let mut all = vec![("emulated", emulated)];
    for path in KernelPath::all() {
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
    /// The numbers include special values.
    #[test]
    fn emulated_fma_is_the_fused_one(a in any::<u32>(), b in any::<u32>(), c in any::<u32>(), near in -3i32..4) {
        let (a, b) = (f32::from_bits(a), f32::from_bits(b));
        // Addends near −a·b cancel most digits; other addends cover everything else.
        let cancelling = f32::from_bits(((-a * b).to_bits() as i32).wrapping_add(near) as u32);
        check_mul_add(&[f32::from_bits(c), cancelling, 0.0, -0.0].map(|c| [a, b, c]));
    }
}

/// Sums that lie exactly in the middle between two f32, or beside it by less than an f64 can hold.
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
    check_mul_add(&triples);
    let twice = |&[a, b, c]: &[f32; 3]| (a as f64 * b as f64 + c as f64) as f32;
    let wrong = triples.iter().filter(|&triple| twice(triple) != fused_mul_add(triple[0], triple[1], triple[2]));
    assert_eq!(wrong.count(), 128, "where rounding twice would show");
}
