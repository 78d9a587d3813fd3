//! Sums and maxima. They run over sixteen lanes, which one fixed tree then combines, so that they are the same on every
//! path. Softmax and cross entropy are built on them.

use super::map::{AddScaled, Map, padded};
use super::math;
use super::simd::{Kernel, LANES, Lanes, Simd};
use crate::real::Real;

/// A sum or a maximum over a slice.
pub(super) trait Fold<R: Real>: Copy {
    /// The result for an empty slice, which also fills up the last vector.
    const IDENTITY: R;
    fn step<L: Lanes<R>>(self, l: L, sum: L::V, x: L::V) -> L::V;
    fn join(self, a: R, b: R) -> R;
}

pub(super) struct FoldKernel<'a, R, F>(pub(super) F, pub(super) &'a [R]);

impl<R: Real, F: Fold<R>> Kernel<R> for FoldKernel<'_, R, F> {
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
    // The tree: lane i is combined with lane i + 8, then with i + 4, i + 2 and i + 1.
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
    R::dispatch(FoldKernel(Sum, x))
}

/// Σ xᵢ²
pub fn sum_of_squares<R: Real>(x: &[R]) -> R {
    R::dispatch(FoldKernel(SumOfSquares, x))
}

/// `y[c] += Σᵣ x[r, c]`: one chain over the rows in order, which starts from what y holds. x is [rows, y.len()].
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
        // Four vectors of columns at a time, so that their additions overlap; then one vector; then single elements.
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

/// Adds up N vectors of columns, from column `c` on.
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

/// y = eˣ/Σ eˣ for each row of x [rows, columns]. The largest element is subtracted first, so that nothing overflows.
pub fn softmax<R: Real>(x: &[R], columns: usize, y: &mut [R]) {
    R::dispatch(Softmax { x, columns, y });
}

struct Softmax<'a, R> {
    x: &'a [R],
    columns: usize,
    y: &'a mut [R],
}

impl<R: Real> Kernel<R> for Softmax<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Softmax { x, columns, y } = self;
        for (x, y) in x.chunks(LANES * columns).zip(y.chunks_mut(LANES * columns)) {
            let block = exp_rows(s, x, columns, y);
            for (y, inverse_sum) in y.chunks_exact_mut(columns).zip(block.inverse_sum) {
                for y in y {
                    *y *= inverse_sum;
                }
            }
        }
    }
}

/// y = x − ln Σ eˣ for each row of x [rows, columns]. The largest element is subtracted first, so that nothing
/// overflows.
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

/// The cross entropy `y[r] = ln Σ eˣ − x[r, label(r)]` of each row of x [rows, columns], and its softmax p = eˣ/Σ eˣ.
/// The gradient is computed from p, so that forward and backward together take one exponential for each element.
///
/// # Panics
/// If a label is not below `columns`.
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

/// One number of each kind for each row of a block.
struct RowStatistics<R> {
    /// m = max x
    max: [R; LANES],
    /// ln Σ e^(x − m)
    log_sum: [R; LANES],
    /// 1/Σ e^(x − m)
    inverse_sum: [R; LANES],
}

/// e^(x − max x) for up to sixteen rows of x: one logarithm of a vector serves sixteen rows.
#[inline(always)]
fn exp_rows<R: Real, S: Simd<R>>(s: S, x: &[R], columns: usize, e: &mut [R]) -> RowStatistics<R> {
    let (mut max, mut sum) = ([R::ZERO; LANES], [R::ONE; LANES]);
    for (r, (x, e)) in x.chunks_exact(columns).zip(e.chunks_exact_mut(columns)).enumerate() {
        max[r] = fold(s, Max, x);
        let mut sums = s.splat(R::ZERO);
        let mut lanes = [R::ZERO; LANES];
        for (x, e) in x.chunks(LANES).zip(e.chunks_mut(LANES)) {
            // The last vector is filled up with −∞, since e^−∞ = 0.
            let power = math::exp(s, s.sub(s.load(&padded(x, R::NEG_INFINITY)), s.splat(max[r])));
            sums = s.add(sums, power);
            s.store(power, &mut lanes);
            e.copy_from_slice(&lanes[..e.len()]);
        }
        s.store(sums, &mut lanes);
        sum[r] = fold(s, Sum, &lanes);
    }
    let sums = s.load(&sum);
    let mut rows = RowStatistics { max, log_sum: sum, inverse_sum: sum };
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
