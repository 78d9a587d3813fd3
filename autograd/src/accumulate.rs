//! From the sweeps of any number of tapes to the gradients of the parameters.
//!
//! A sweep computes the gradients of variables. For parameters it only lists the products and sums that make up their
//! gradients. These are computed here, all at once: the gradient of a weight is then one long chain over all rows of
//! all tapes rather than many short chains, threads can share its rows, and its bits do not depend on how the batch was
//! split.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::arena::Arena;
use crate::kernels::gemm::{self, Epilogue, Left, MAX_TERMS, Right, Term};
use crate::kernels::map::add_to;
use crate::kernels::reduce;
use crate::node::{Contribution, ContributionKind};
use crate::parallel::join_if;
use crate::params::{Grads, ParamId, Params};
use crate::real::Real;
use crate::tape::{Tape, Var};

/// Adds what the last sweep of each tape found to `grads`, in parallel over the parameters.
///
/// The gradient of a linear layer is one chain of multiply-adds over (operation, tape, row). So a batch that is split
/// into any number of tapes gives the same bits as one tape. (The gradient of a parameter that was taken by
/// [`Recording::param`](crate::Recording::param) is summed on each tape first, and then over the tapes in their order.)
///
/// # Panics
/// If `grads` do not have the layout of `params`.
pub fn accumulate<R: Real>(params: &Params<R>, tapes: &[Tape<R>], grads: &mut Grads<R>) {
    add_contributions(params, tapes.len(), &|i| &tapes[i].arena, grads, true);
}

/// Sets `grads` to what the last sweep of each tape found. This is [`accumulate`] from 0, without a pass that clears
/// `grads`.
///
/// # Panics
/// If `grads` do not have the layout of `params`.
pub fn gradients<R: Real>(params: &Params<R>, tapes: &[Tape<R>], grads: &mut Grads<R>) {
    add_contributions(params, tapes.len(), &|i| &tapes[i].arena, grads, false);
}

impl<R: Real> Var<'_, R> {
    /// Adds ∂self/∂θ to `grads` for every parameter θ. If it is called twice, it adds the same gradient twice.
    ///
    /// # Panics
    /// If self does not have exactly one element, or `grads` do not have the layout of the parameters.
    #[track_caller]
    pub fn backward(self, grads: &mut Grads<R>) {
        self.sweep();
        let arena: &Arena<R> = &self.recording().arena();
        add_contributions(self.recording().params(), 1, &|_| arena, grads, true);
    }
}

/// The number of multiply-adds for which it is worth waking another thread.
const PARALLEL_WORK: usize = 1 << 20;

/// Threads share the rows of a weight that has at least this many, as fewer would pack each panel of d too often, …
const SHARED_ROWS: usize = 192;

/// … and whose gradient takes at least this many multiply-adds.
const SHARED_WORK: usize = 1 << 22;

/// Adds the contributions of all tapes to `grads`, or sets `grads` to their sum if `add` is false. `arena` gives the
/// memory of a tape by its index.
fn add_contributions<'a, R: Real>(
    params: &Params<R>,
    tapes: usize,
    arena: &(impl Fn(usize) -> &'a Arena<R> + Sync),
    grads: &mut Grads<R>,
    add: bool,
) {
    grads.check_layout(params);
    let multiply_adds = |c: &Contribution| match c.kind {
        ContributionKind::Product { rows, .. } => rows * params.shape(c.param).len(),
        ContributionKind::RowSum { .. } | ContributionKind::Whole => 0,
    };
    let work: usize = (0..tapes).map(|i| arena(i).contributions.iter().map(multiply_adds).sum::<usize>()).sum();
    let sum = ContributionSum {
        params,
        tapes,
        arena,
        add,
        parallel: work >= PARALLEL_WORK,
        work_per_number: work / params.count().max(1),
    };
    sum.add_to_parameters(0..params.entries.len(), grads.as_mut_slice());
}

/// The sum of all tapes' contributions.
struct ContributionSum<'p, R, F> {
    params: &'p Params<R>,
    tapes: usize,
    arena: &'p F,
    /// Whether the sum is added to the gradients, rather than replacing them.
    add: bool,
    parallel: bool,
    work_per_number: usize,
}

impl<'a, R: Real, F: Fn(usize) -> &'a Arena<R> + Sync> ContributionSum<'_, R, F> {
    /// Sums for the parameters in `range`, whose gradients lie in `slab`. Threads share the parameters; what is summed
    /// is never split.
    fn add_to_parameters(&self, range: Range<usize>, slab: &mut [R]) {
        let entries = &self.params.entries[range.clone()];
        match entries {
            [] => {}
            [entry] => self.add_to_rows(ParamId(range.start), 0, &mut slab[..entry.shape.len()]),
            _ => {
                let half = entries.len() / 2;
                let middle = range.start + half;
                let (left, right) = slab.split_at_mut(entries[half].start - entries[0].start);
                join_if(
                    self.parallel,
                    || self.add_to_parameters(range.start..middle, left),
                    || self.add_to_parameters(middle..range.end, right),
                );
            }
        }
    }

    /// Sums for the rows of one parameter from row `first` on, whose gradient is `d`.
    fn add_to_rows(&self, param: ParamId, first: usize, d: &mut [R]) {
        let columns = self.params.shape(param).columns();
        let rows = d.len() / columns.max(1);
        if self.parallel && rows >= SHARED_ROWS && d.len() * self.work_per_number >= SHARED_WORK {
            let half = rows / 2;
            let (upper, lower) = d.split_at_mut(half * columns);
            rayon::join(|| self.add_to_rows(param, first, upper), || self.add_to_rows(param, first + half, lower));
            return;
        }
        let mut sum = PendingSum { d, shape: [rows, columns], products: ArrayVec::new(), holds_sum: self.add };
        let most = (0..self.tapes).map(|i| (self.arena)(i).contributions.len()).max().unwrap_or(0);
        for c in 0..most {
            for tape in 0..self.tapes {
                let arena = (self.arena)(tape);
                let Some(found) = arena.contributions.get(c).filter(|found| found.param == param) else { continue };
                match found.kind {
                    ContributionKind::Product { x, rows } => {
                        sum.add_product(self.product(arena, found, first, [x, rows, columns]));
                    }
                    ContributionKind::RowSum { rows } => {
                        let d_b = sum.settle();
                        reduce::add_rows(arena.gradient_at(found.d, rows * d_b.len()), d_b);
                    }
                    ContributionKind::Whole => {
                        let d_p = sum.settle();
                        let start = first * columns;
                        add_to(&arena.gradient_at(found.d, start + d_p.len())[start..], d_p);
                    }
                }
            }
        }
        sum.settle();
    }

    /// xᵀ·d_z for the rows of W from row `first` on; these are the columns of x from `first` on.
    fn product<'i>(
        &self,
        arena: &'i Arena<R>,
        found: &Contribution,
        first: usize,
        [x, batch, columns]: [usize; 3],
    ) -> Term<'i, R> {
        let stride = self.params.shape(found.param).rows();
        let x = arena.value.as_slice()[x..][..batch * stride].get(first..).unwrap_or(&[]);
        let d_z = arena.gradient_at(found.d, batch * columns);
        Term { a: Left::Columns { data: x, stride }, b: Right::Rows { data: d_z, stride: columns }, k: batch }
    }
}

/// The gradient d of a parameter (or of some of its rows) while contributions are added to it in their order.
///
/// A product is not computed at once. It waits, so that one call of the kernel computes as many products as possible as
/// one chain. Hence there are four states:
///
/// | `holds_sum` | `products` | what d holds |
/// |---|---|---|
/// | false | none | numbers of an earlier step, since no contribution was found yet |
/// | false | some | the same; the products will overwrite them |
/// | true | some | a sum to which the products must still be added |
/// | true | none | the sum of all contributions so far |
///
/// [`PendingSum::settle`] leads from every state to the last one. It is called when no more products fit, before a
/// contribution of another kind (additions keep their order), and at the end.
struct PendingSum<'d, 'a, R> {
    d: &'d mut [R],
    shape: [usize; 2],
    products: ArrayVec<Term<'a, R>, MAX_TERMS>,
    holds_sum: bool,
}

impl<'a, R: Real> PendingSum<'_, 'a, R> {
    /// d += the product, once the sum is settled.
    fn add_product(&mut self, product: Term<'a, R>) {
        self.products.push(product);
        if self.products.is_full() {
            self.settle();
        }
    }

    /// Computes the products that wait, and returns d, which then holds the sum of all contributions so far.
    fn settle(&mut self) -> &mut [R] {
        if !self.products.is_empty() {
            gemm::sum(&self.products, self.d, self.shape, self.holds_sum, Epilogue::NONE);
            self.products.clear();
        } else if !self.holds_sum {
            self.d.fill(R::ZERO);
        }
        self.holds_sum = true;
        self.d
    }
}
