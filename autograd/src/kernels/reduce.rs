//! Sums and maxima over sixteen virtual lanes, folded by one fixed tree, so that they are the same on every path.

use super::map::padded;
use super::math;
use super::simd::{Kernel, LANES, Lanes, Simd};
use crate::real::Real;

/// What is summed (or maximised) over a slice.
trait Fold<R: Real>: Copy {
    /// What an empty slice gives, and what fills up the last vector.
    const IDENTITY: R;
    fn step<L: Lanes<R>>(self, l: L, sum: L::V, x: L::V) -> L::V;
    fn join(self, a: R, b: R) -> R;
}

struct Run<'a, R, F>(F, &'a [R]);

impl<R: Real, F: Fold<R>> Kernel<R> for Run<'_, R, F> {
    type Out = R;

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) -> R {
        fold(s, self.0, self.1)
    }
}

#[inline(always)]
fn fold<R: Real, F: Fold<R>, S: Simd<R>>(s: S, f: F, x: &[R]) -> R {
    let (chunks, tail) = x.as_chunks::<LANES>();
    let mut sum = s.splat(F::IDENTITY);
    for chunk in chunks {
        sum = f.step(s, sum, s.load(chunk));
    }
    if !tail.is_empty() {
        sum = f.step(s, sum, s.load(&padded(tail, F::IDENTITY)));
    }
    let mut lanes = [R::ZERO; LANES];
    s.store(sum, &mut lanes);
    // The tree: lane i takes lane i + 8, then i + 4, i + 2, i + 1.
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = f.join(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

#[derive(Clone, Copy)]
struct Sum;
impl<R: Real> Fold<R> for Sum {
    const IDENTITY: R = R::ZERO;
    #[inline(always)]
    fn step<L: Lanes<R>>(self, l: L, sum: L::V, x: L::V) -> L::V {
        l.add(sum, x)
    }
    #[inline(always)]
    fn join(self, a: R, b: R) -> R {
        a + b
    }
}

#[derive(Clone, Copy)]
struct SumOfSquares;
impl<R: Real> Fold<R> for SumOfSquares {
    const IDENTITY: R = R::ZERO;
    #[inline(always)]
    fn step<L: Lanes<R>>(self, l: L, sum: L::V, x: L::V) -> L::V {
        l.mul_add(x, x, sum)
    }
    #[inline(always)]
    fn join(self, a: R, b: R) -> R {
        a + b
    }
}

#[derive(Clone, Copy)]
struct Max;
impl<R: Real> Fold<R> for Max {
    const IDENTITY: R = R::NEG_INFINITY;
    #[inline(always)]
    fn step<L: Lanes<R>>(self, l: L, max: L::V, x: L::V) -> L::V {
        l.if_gt(x, max, x, max)
    }
    #[inline(always)]
    fn join(self, a: R, b: R) -> R {
        if b > a { b } else { a }
    }
}

/// Σ xᵢ
pub fn sum<R: Real>(x: &[R]) -> R {
    R::dispatch(Run(Sum, x))
}

/// Σ xᵢ²
pub fn sum_of_squares<R: Real>(x: &[R]) -> R {
    R::dispatch(Run(SumOfSquares, x))
}

/// `y[c] += Σᵣ x[r, c]`: a chain over the rows, in order, from what y holds. x is [rows, y.len()].
pub fn add_rows<R: Real>(x: &[R], y: &mut [R]) {
    R::dispatch(AddRows(x, y));
}

struct AddRows<'a, R>(&'a [R], &'a mut [R]);

impl<R: Real> Kernel<R> for AddRows<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let AddRows(x, y) = self;
        if y.is_empty() {
            return;
        }
        let columns = y.len();
        let (chunks, tail) = y.as_chunks_mut::<LANES>();
        for (c, y) in chunks.iter_mut().enumerate() {
            let mut sum = s.load(y);
            for row in x.chunks_exact(columns) {
                sum = s.add(sum, s.load(row[c * LANES..][..LANES].try_into().expect("a vector's length")));
            }
            s.store(sum, y);
        }
        let start = chunks.len() * LANES;
        for row in x.chunks_exact(columns) {
            for (y, x) in tail.iter_mut().zip(&row[start..]) {
                *y += *x;
            }
        }
    }
}

/// For each row of x [rows, columns]: y = x − ln Σ eˣ. The largest element is subtracted first, so nothing overflows.
pub fn log_softmax<R: Real>(x: &[R], columns: usize, y: &mut [R]) {
    R::dispatch(LogSoftmax { x, columns, y });
}

struct LogSoftmax<'a, R> {
    x: &'a [R],
    columns: usize,
    y: &'a mut [R],
}

impl<R: Real> Kernel<R> for LogSoftmax<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let rows = self.x.chunks_exact(self.columns).zip(self.y.chunks_exact_mut(self.columns));
        for (x, y) in rows {
            let max = fold(s, Max, x);
            let mut padded_exp = [R::ZERO; LANES];
            let mut sum = s.splat(R::ZERO);
            for (x, y) in x.chunks(LANES).zip(y.chunks_mut(LANES)) {
                let shifted = s.sub(s.load(&padded(x, R::NEG_INFINITY)), s.splat(max));
                sum = s.add(sum, math::exp(s, shifted));
                s.store(shifted, &mut padded_exp);
                y.copy_from_slice(&padded_exp[..y.len()]);
            }
            let mut lanes = [R::ZERO; LANES];
            s.store(sum, &mut lanes);
            let log_sum = math::ln(s, s.splat(fold(s, Sum, &lanes)));
            for y in y.chunks_mut(LANES) {
                s.store(s.sub(s.load(&padded(y, R::ZERO)), log_sum), &mut padded_exp);
                y.copy_from_slice(&padded_exp[..y.len()]);
            }
        }
    }
}
