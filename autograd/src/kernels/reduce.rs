//! Sums and maxima over sixteen virtual lanes, folded by one fixed tree, so that they are the same on every path.

use super::map::{AddScaled, Map, padded};
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
        // Chains of four vectors at a time, so that their additions overlap; then of one; then of single elements.
        let wide = y.len() / (4 * LANES) * 4 * LANES;
        let whole = y.len() / LANES * LANES;
        for c in (0..wide).step_by(4 * LANES) {
            add_columns::<R, S, 4>(s, x, columns, c, y);
        }
        for c in (wide..whole).step_by(LANES) {
            add_columns::<R, S, 1>(s, x, columns, c, y);
        }
        for row in x.chunks_exact(columns) {
            for (y, x) in y[whole..].iter_mut().zip(&row[whole..]) {
                *y += *x;
            }
        }
    }
}

/// N vectors of columns from `c` on.
#[inline(always)]
fn add_columns<R: Real, S: Simd<R>, const N: usize>(s: S, x: &[R], columns: usize, c: usize, y: &mut [R]) {
    let y = &mut y[c..][..N * LANES].as_chunks_mut::<LANES>().0[..N];
    let mut sums = [s.splat(R::ZERO); N];
    for i in 0..N {
        sums[i] = s.load(&y[i]);
    }
    for row in x.chunks_exact(columns) {
        let row = &row[c..][..N * LANES].as_chunks::<LANES>().0[..N];
        for i in 0..N {
            sums[i] = s.add(sums[i], s.load(&row[i]));
        }
    }
    for i in 0..N {
        s.store(sums[i], &mut y[i]);
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
        let LogSoftmax { x, columns, y } = self;
        for (x, y) in x.chunks(LANES * columns).zip(y.chunks_mut(LANES * columns)) {
            let block = exp_rows(s, x, columns, y);
            let rows = x.chunks_exact(columns).zip(y.chunks_exact_mut(columns));
            for ((x, y), (max, log_sum)) in rows.zip(block.max.into_iter().zip(block.log_sum)) {
                for (x, y) in x.iter().zip(y) {
                    *y = (*x - max) - log_sum;
                }
            }
        }
    }
}

/// The cross entropy `y[r] = ln Σ eˣ − x[r, label(r)]` of each row of x [rows, columns], and its softmax p = eˣ/Σ eˣ, of
/// which the gradient is made: one exponential an element, forward and backward.
///
/// # Panics
/// Where a label is no column.
pub fn cross_entropy<R: Real>(x: &[R], columns: usize, labels: &[u32], p: &mut [R], y: &mut [R]) {
    R::dispatch(CrossEntropy { x, columns, labels, p, y });
}

struct CrossEntropy<'a, R> {
    x: &'a [R],
    columns: usize,
    labels: &'a [u32],
    p: &'a mut [R],
    y: &'a mut [R],
}

impl<R: Real> Kernel<R> for CrossEntropy<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let CrossEntropy { x, columns, labels, p, y } = self;
        let blocks = x.chunks(LANES * columns).zip(p.chunks_mut(LANES * columns));
        for ((x, p), (labels, y)) in blocks.zip(labels.chunks(LANES).zip(y.chunks_mut(LANES))) {
            let block = exp_rows(s, x, columns, p);
            for (r, p) in p.chunks_exact_mut(columns).enumerate() {
                y[r] = block.log_sum[r] - (x[r * columns..][..columns][labels[r] as usize] - block.max[r]);
                for p in p {
                    *p *= block.inverse_sum[r];
                }
            }
        }
    }
}

/// What [`exp_rows`] finds, one number a row.
struct Rows<R> {
    /// m = max x
    max: [R; LANES],
    /// ln Σ e^(x − m)
    log_sum: [R; LANES],
    /// 1/Σ e^(x − m)
    inverse_sum: [R; LANES],
}

/// e^(x − max x) of up to sixteen rows of x, which is as many as one logarithm of a vector serves.
#[inline(always)]
fn exp_rows<R: Real, S: Simd<R>>(s: S, x: &[R], columns: usize, e: &mut [R]) -> Rows<R> {
    let (mut max, mut sum) = ([R::ZERO; LANES], [R::ONE; LANES]);
    for (r, (x, e)) in x.chunks_exact(columns).zip(e.chunks_exact_mut(columns)).enumerate() {
        max[r] = fold(s, Max, x);
        let mut sums = s.splat(R::ZERO);
        let mut lanes = [R::ZERO; LANES];
        for (x, e) in x.chunks(LANES).zip(e.chunks_mut(LANES)) {
            // e^−∞ = 0 fills up.
            let power = math::exp(s, s.sub(s.load(&padded(x, R::NEG_INFINITY)), s.splat(max[r])));
            sums = s.add(sums, power);
            s.store(power, &mut lanes);
            e.copy_from_slice(&lanes[..e.len()]);
        }
        s.store(sums, &mut lanes);
        sum[r] = fold(s, Sum, &lanes);
    }
    let sums = s.load(&sum);
    let mut rows = Rows { max, log_sum: sum, inverse_sum: sum };
    s.store(math::ln(s, sums), &mut rows.log_sum);
    s.store(s.div(s.splat(R::ONE), sums), &mut rows.inverse_sum);
    rows
}

/// `y[r, c] += factor[r]·x[r, c]`
pub(crate) fn add_scaled_rows<R: Real>(factors: &[R], x: &[R], y: &mut [R]) {
    R::dispatch(AddScaledRows { factors, x, y });
}

struct AddScaledRows<'a, R> {
    factors: &'a [R],
    x: &'a [R],
    y: &'a mut [R],
}

impl<R: Real> Kernel<R> for AddScaledRows<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        if self.factors.is_empty() {
            return;
        }
        let columns = self.x.len() / self.factors.len();
        let rows = self.x.chunks_exact(columns).zip(self.y.chunks_exact_mut(columns));
        for (&factor, (x, y)) in self.factors.iter().zip(rows) {
            Map { f: AddScaled(factor), x: [x], y }.run(s);
        }
    }
}
