//! The contract as plain loops. Every kernel is compared with it, and f64, which is there to check gradients, runs on it:
//! tiles for f64 would take half as long to compile as those for f32.

use arrayvec::ArrayVec;

use super::loops::Sum;
use super::shared::{Member, SharedSum};
use super::terms::{Epilogue, Left, MAX_TERMS, PANEL_WIDTH, Right, Term, check};
use crate::kernels::math;
use crate::kernels::scalar::Single;
use crate::number::Number;

/// The contract as three loops, with the elements a(i, k) and b(k, j). Every kernel is compared with it.
pub fn oracle<R: Number>(
    a: impl Fn(usize, usize) -> R,
    b: impl Fn(usize, usize) -> R,
    c: &mut [R],
    [m, n, depth]: [usize; 3],
    accumulate: bool,
) {
    for i in 0..m {
        for j in 0..n {
            let start = if accumulate { c[i * n + j] } else { R::ZERO };
            c[i * n + j] = (0..depth).fold(start, |sum, k| a(i, k).mul_add(b(k, j), sum));
        }
    }
}

impl<R: Number> Sum<'_, R> {
    /// [`sum`](super::sum()) on one thread, without tiles and without copies.
    pub(crate) fn run_plainly(self) {
        let Sum { terms, c, shape, accumulate, epilogue, .. } = self;
        check(terms, c.len(), shape, epilogue);
        add_products(terms, c, shape, accumulate);
        for bias in epilogue.biases {
            for (c, &b) in c.iter_mut().zip(bias.iter().cycle()) {
                *c += b;
            }
        }
        if epilogue.relu {
            c.iter_mut().for_each(|c| *c = math::relu(Single, *c));
        }
    }
}

impl<R: Number> SharedSum<'_, '_, '_, R> {
    /// [`sum_shared`](super::sum_shared) without tiles and without copies.
    pub(crate) fn run_plainly(self) {
        let SharedSum { rights, n, members, sums_of_rows, .. } = self;
        for Member { left, c, rows, accumulate } in members {
            let terms = left.iter().zip(rights).map(|(&a, &(b, k))| Term { a, b, k });
            let terms: ArrayVec<_, MAX_TERMS> = terms.collect();
            check(&terms, c.len(), [rows, n], Epilogue::NONE);
            add_products(&terms, c, [rows, n], accumulate);
        }
        for &(b, rows) in rights {
            for sums in &mut *sums_of_rows {
                for k in 0..rows {
                    sums.iter_mut().enumerate().for_each(|(j, sum)| *sum += b.at(k, j, rows));
                }
            }
        }
    }
}

/// C = Σ A·B, or C += Σ A·B with `accumulate`.
fn add_products<R: Number>(terms: &[Term<R>], c: &mut [R], [m, n]: [usize; 2], accumulate: bool) {
    if !accumulate {
        c.fill(R::ZERO);
    }
    for term in terms {
        oracle(|i, k| term.a.at(i, k), |k, j| term.b.at(k, j, term.k), c, [m, n, term.k], true);
    }
}

impl<R: Copy> Left<'_, R> {
    /// `a[i, k]`
    fn at(&self, i: usize, k: usize) -> R {
        match *self {
            Left::Rows { data, stride } => data[i * stride + k],
            Left::Columns { data, stride } => data[k * stride + i],
        }
    }
}

impl<R: Copy> Right<'_, R> {
    /// `b[k, j]` of a matrix of `rows` rows.
    fn at(&self, k: usize, j: usize, rows: usize) -> R {
        match *self {
            Right::Rows { data, stride } => data[k * stride + j],
            Right::Columns { data, stride } => data[j * stride + k],
            Right::Packed(data) => data[j / PANEL_WIDTH * (PANEL_WIDTH * rows) + k * PANEL_WIDTH + j % PANEL_WIDTH],
        }
    }
}
