//! Elementwise functions.

use autograd::kernels::map::{Elementwise, map};
use autograd::kernels::math;
use autograd::kernels::simd::Lanes;

use super::products::numbers;

/// A function over a slice.
pub type Function = fn(x: &[f32], y: &mut [f32]);

/// The functions whose speed is measured, by name.
pub const FUNCTIONS: [(&str, Function); 4] =
    [("exp", apply::<0>), ("ln", apply::<1>), ("tanh", apply::<2>), ("sigmoid", apply::<3>)];

/// The arguments of [`FUNCTIONS`]: positive numbers up to 4, so that ln is defined too.
pub fn arguments(len: usize) -> Vec<f32> {
    numbers(len).iter().map(|x| 2.0 * x + 2.001).collect()
}

fn apply<const WHICH: usize>(x: &[f32], y: &mut [f32]) {
    map(Which::<WHICH>, [x], y);
}

#[derive(Clone, Copy)]
struct Which<const WHICH: usize>;

impl<const WHICH: usize> Elementwise<f32, 1> for Which<WHICH> {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        match WHICH {
            0 => math::exp(l, x),
            1 => math::ln(l, x),
            2 => math::tanh(l, x),
            _ => math::sigmoid(l, x),
        }
    }
}
