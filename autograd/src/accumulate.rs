//! From what the sweeps of any number of tapes found to the gradients of the parameters.
//!
//! A sweep computes the gradients of variables; for parameters it only notes which products and sums are owed. They are
//! paid here, all at once: a weight's gradient is one long chain over all rows of all tapes rather than many short ones,
//! its rows can be shared between threads, and the bits do not depend on how the batch was cut.

use std::ops::Range;

use crate::kernels::gemm::{self, Epilogue, Left, MAX_TERMS, Right, Term};
use crate::kernels::map::add_to;
use crate::kernels::reduce;
use crate::params::{Grads, ParamId, Params, both};
use crate::real::Real;
use crate::tape::{Inner, Tape};

/// A gradient of a parameter that a sweep found, as places in the slabs: added up by [`accumulate`].
pub(crate) struct Contribution {
    pub(crate) param: ParamId,
    pub(crate) source: Source,
    pub(crate) d: Place,
}

#[derive(Clone, Copy)]
pub(crate) enum Source {
    /// d_W += xᵀ·d
    Product { x: usize, rows: usize },
    /// d_b += Σ_rows d
    Rows { rows: usize },
    /// d_p += d
    Whole,
}

#[derive(Clone, Copy)]
pub(crate) enum Place {
    Grad(usize),
    Saved(usize),
}

/// Adds to `grads` what the last sweep of each tape found, in parallel over the parameters.
///
/// The gradient of a linear layer is one chain of multiply-adds over (operation, tape, row): so a batch split into any
/// number of tapes gives the bits that one tape would. (A parameter taken by [`crate::Recording::param`] is summed on each
/// tape and then over the tapes, in their order.)
///
/// # Panics
/// Where `grads` are not laid out as `params`.
pub fn accumulate<R: Real>(params: &Params<R>, tapes: &[Tape<R>], grads: &mut Grads<R>) {
    add_up(params, tapes.len(), &|i| &tapes[i].inner, grads, true);
}

/// Sets `grads` to what the last sweep of each tape found: [`accumulate`] from 0, without a pass to clear them.
///
/// # Panics
/// Where `grads` are not laid out as `params`.
pub fn gradients<R: Real>(params: &Params<R>, tapes: &[Tape<R>], grads: &mut Grads<R>) {
    add_up(params, tapes.len(), &|i| &tapes[i].inner, grads, false);
}

/// Multiply-adds from which another thread is worth waking.
const PARALLEL_FROM: usize = 1 << 20;

/// Rows of a weight, and multiply-adds, from which its rows are shared: fewer would pack each panel of d too often.
const SHARED_FROM: (usize, usize) = (192, 1 << 22);

pub(crate) fn add_up<'a, R: Real>(
    params: &Params<R>,
    tapes: usize,
    inner: &(impl Fn(usize) -> &'a Inner<R> + Sync),
    grads: &mut Grads<R>,
    add: bool,
) {
    grads.check(params);
    let rows = |c: &Contribution| match c.source {
        Source::Product { rows, .. } => rows * params.shape(c.param).len(),
        Source::Rows { .. } | Source::Whole => 0,
    };
    let work: usize = (0..tapes).map(|i| inner(i).contributions.iter().map(rows).sum::<usize>()).sum();
    let sum = ParameterSum {
        params,
        tapes,
        inner,
        add,
        parallel: work >= PARALLEL_FROM,
        work_per_number: work / params.count().max(1),
    };
    sum.over(0..params.entries.len(), grads.all_mut());
}

/// The sum of all tapes' contributions, parameter by parameter.
struct ParameterSum<'p, R, F> {
    params: &'p Params<R>,
    tapes: usize,
    inner: &'p F,
    /// To what the gradients hold, rather than in its place.
    add: bool,
    parallel: bool,
    work_per_number: usize,
}

impl<'a, R: Real, F: Fn(usize) -> &'a Inner<R> + Sync> ParameterSum<'_, R, F> {
    /// Parameters `range`, whose gradients lie in `slab`. Halved between threads; what is summed is never split.
    fn over(&self, range: Range<usize>, slab: &mut [R]) {
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            let entries = &self.params.entries;
            let (left, right) = slab.split_at_mut(entries[middle].start - entries[range.start].start);
            both(self.parallel, || self.over(range.start..middle, left), || self.over(middle..range.end, right));
        } else if let Some(entry) = self.params.entries.get(range.start).filter(|_| !range.is_empty()) {
            self.rows(ParamId(range.start), 0, &mut slab[..entry.shape.len()]);
        }
    }

    /// Rows `first..` of one parameter.
    fn rows(&self, param: ParamId, first: usize, d: &mut [R]) {
        let columns = self.params.shape(param).columns();
        let rows = d.len() / columns.max(1);
        if self.parallel && rows >= SHARED_FROM.0 && d.len() * self.work_per_number >= SHARED_FROM.1 {
            let half = rows / 2;
            let (upper, lower) = d.split_at_mut(half * columns);
            both(self.parallel, || self.rows(param, first, upper), || self.rows(param, first + half, lower));
            return;
        }
        // d_W += Σ xᵀ·d_z: as many products as one sum takes at a time.
        let mut terms = [Term::EMPTY; MAX_TERMS];
        let mut waiting = 0;
        let mut begun = self.add;
        let most = (0..self.tapes).map(|i| (self.inner)(i).contributions.len()).max().unwrap_or(0);
        for c in 0..most {
            for tape in 0..self.tapes {
                let inner = (self.inner)(tape);
                let Some(found) = inner.contributions.get(c).filter(|c| c.param == param) else { continue };
                if let Source::Product { x, rows: batch } = found.source {
                    terms[waiting] = self.product(inner, found, first, [x, batch, columns]);
                    waiting += 1;
                    if waiting < MAX_TERMS {
                        continue;
                    }
                }
                if waiting > 0 {
                    gemm::sum(&terms[..waiting], d, [rows, columns], begun, Epilogue::NONE);
                    (waiting, begun) = (0, true);
                }
                if !std::mem::replace(&mut begun, true) {
                    d.fill(R::ZERO);
                }
                match found.source {
                    Source::Product { .. } => {}
                    Source::Rows { rows } => reduce::add_rows(inner.d(found.d, rows * d.len()), d),
                    Source::Whole => add_to(&inner.d(found.d, first * columns + d.len())[first * columns..], d),
                }
            }
        }
        if waiting > 0 || !begun {
            gemm::sum(&terms[..waiting], d, [rows, columns], begun, Epilogue::NONE);
        }
    }

    /// xᵀ·d_z for rows first.. of W, which are columns first.. of x.
    fn product<'i>(
        &self,
        inner: &'i Inner<R>,
        found: &Contribution,
        first: usize,
        [x, batch, columns]: [usize; 3],
    ) -> Term<'i, R> {
        let stride = self.params.shape(found.param).rows();
        let x = inner.value.all()[x..][..batch * stride].get(first..).unwrap_or(&[]);
        let d_z = inner.d(found.d, batch * columns);
        Term { a: Left::Columns { data: x, stride }, b: Right::Rows { data: d_z, stride: columns }, k: batch }
    }
}
