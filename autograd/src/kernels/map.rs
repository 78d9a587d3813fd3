//! Elementwise kernels: any function of a few vectors, over slices of any length.

use super::simd::{Kernel, LANES, Lanes, Simd};
use crate::real::Real;

/// A function of one element of the output and one element of each of N inputs.
pub trait Elementwise<R: Real, const N: usize>: Copy {
    /// The new output, computed from the old output `y` and the inputs `x`. If a function ignores `y`, the compiler
    /// leaves out the load.
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, x: [L::V; N]) -> L::V;
}

/// yᵢ = f(yᵢ, x₀ᵢ, x₁ᵢ, …)
///
/// # Panics
/// If the lengths differ.
pub fn map<R: Real, const N: usize>(f: impl Elementwise<R, N>, x: [&[R]; N], y: &mut [R]) {
    for x in x {
        assert_eq!(x.len(), y.len(), "elementwise slices of one length");
    }
    R::dispatch(Map { f, x, y });
}

/// y + factor·x, for sums, differences and the gradients of both.
#[derive(Clone, Copy)]
pub(crate) struct AddScaled<R>(pub(crate) R);

impl<R: Real> Elementwise<R, 1> for AddScaled<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, [x]: [L::V; 1]) -> L::V {
        l.mul_add(x, l.splat(self.0), y)
    }
}

/// y += x
pub(crate) fn add_to<R: Real>(x: &[R], y: &mut [R]) {
    map(AddScaled(R::ONE), [x], y);
}

/// [`map`] as a kernel, for callers that choose the path.
pub struct Map<'a, R, F, const N: usize> {
    /// The function.
    pub f: F,
    /// The inputs; each is as long as `y`.
    pub x: [&'a [R]; N],
    /// The output.
    pub y: &'a mut [R],
}

impl<R: Real, F: Elementwise<R, N>, const N: usize> Kernel<R> for Map<'_, R, F, N> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Map { f, x, y } = self;
        let whole = y.len() / LANES * LANES;
        let (chunks, tail) = y.as_chunks_mut::<LANES>();
        let mut inputs = [s.splat(R::ZERO); N];
        // These are loops because a closure may stay a function of its own, which lacks the path's instructions.
        for (i, y) in chunks.iter_mut().enumerate() {
            for (input, x) in inputs.iter_mut().zip(&x) {
                *input = s.load(&x.as_chunks::<LANES>().0[i]);
            }
            s.store(f.apply(s, s.load(y), inputs), y);
        }
        if !tail.is_empty() {
            for (input, x) in inputs.iter_mut().zip(&x) {
                *input = s.load(&padded(&x[whole..], R::ZERO));
            }
            let mut y = padded(tail, R::ZERO);
            s.store(f.apply(s, s.load(&y), inputs), &mut y);
            tail.copy_from_slice(&y[..tail.len()]);
        }
    }
}

/// Up to sixteen elements, followed by copies of `fill`.
#[inline(always)]
pub(crate) fn padded<R: Real>(x: &[R], fill: R) -> [R; LANES] {
    let mut all = [fill; LANES];
    all[..x.len()].copy_from_slice(x);
    all
}
