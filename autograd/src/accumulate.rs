//! From the sweeps of any number of tapes to the gradients of the parameters.
//!
//! A sweep computes the gradients of variables. For parameters it only lists the products and sums that make up their
//! gradients. These are computed here, all at once: the gradient of a weight is then one long chain over all rows of
//! all tapes rather than many short chains, threads can share its rows, and its bits do not depend on how the batch was
//! split.

use std::ops::Range;

use crate::arena::Arena;
use crate::kernels::gemm::PANEL_WIDTH;
use crate::layer_sum::{Layer, LayerSum, Part};
use crate::node::Contribution;
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
    /// If self does not have exactly one element, if it depends on no input and no parameter, or if `grads` do not have the
    /// layout of the parameters.
    #[track_caller]
    pub fn backward(self, grads: &mut Grads<R>) {
        self.sweep();
        let arena: &Arena<R> = &self.recording().arena();
        add_contributions(self.recording().params(), 1, &|_| arena, grads, true);
    }
}

/// The number of multiply-adds for which it is worth waking another thread.
const PARALLEL_WORK: usize = 1 << 20;

/// Threads share the rows of a weight in multiples of this many, which are whole tiles.
const ROWS_TOGETHER: usize = 24;

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
    let mut work = std::mem::take(&mut grads.work);
    work.fill(0);
    for tape in 0..tapes {
        for found in &arena(tape).contributions {
            let ids = found.weights.iter().map(|&(w, _)| w).chain(found.biases.iter().copied());
            ids.for_each(|id| work[id.0] += found.rows * params.shape(id).len());
        }
    }
    let total: usize = work.iter().sum();
    let sum = ContributionSum { params, tapes, arena, add, work: &work };
    let [begin, end] = [0, params.entries.len()].map(|param| Place { param, row: 0 });
    let pieces = if total < PARALLEL_WORK { 1 } else { rayon::current_num_threads() };
    sum.share(begin, end, grads.as_mut_slice(), pieces);
    grads.work = work;
}

/// A row of a parameter. All rows of all parameters follow each other in the order in which they lie in memory.
#[derive(Clone, Copy, PartialEq)]
struct Place {
    param: usize,
    row: usize,
}

/// The sum of all tapes' contributions.
struct ContributionSum<'p, R, F> {
    params: &'p Params<R>,
    tapes: usize,
    arena: &'p F,
    /// Whether the sum is added to the gradients, rather than replacing them.
    add: bool,
    /// The multiply-adds that each parameter's gradient takes.
    work: &'p [usize],
}

impl<'a, R: Real, F: Fn(usize) -> &'a Arena<R> + Sync> ContributionSum<'_, R, F> {
    /// Sums for the rows from `begin` to before `end`, whose gradients lie in `slab`, in so many pieces of about the same
    /// work. Threads share the pieces. What is summed is never split, so the pieces do not show.
    fn share(&self, begin: Place, end: Place, slab: &mut [R], pieces: usize) {
        if pieces <= 1 {
            return self.add_to(begin, end, slab);
        }
        let middle = self.place_at(begin, end, pieces / 2, pieces);
        let (first, second) = slab.split_at_mut(self.offset(middle) - self.offset(begin));
        rayon::join(
            || self.share(begin, middle, first, pieces / 2),
            || self.share(middle, end, second, pieces - pieces / 2),
        );
    }

    /// The place before which about `part` of `whole` parts of the work lie.
    fn place_at(&self, begin: Place, end: Place, part: usize, whole: usize) -> Place {
        let rows = |param: usize| self.rows_between(param, begin, end);
        let work_of = |param: usize| self.work[param] / self.rows(param).max(1) * rows(param).len();
        let params = begin.param..self.params.entries.len().min(end.param + 1);
        let mut left = params.clone().map(work_of).sum::<usize>() * part / whole;
        for param in params {
            let work = work_of(param);
            if work >= left.max(1) {
                let rows = rows(param);
                let wanted = rows.start + rows.len() * left / work;
                // A thin matrix is not cut, since it is computed as its transpose.
                let together = if self.columns(param) < PANEL_WIDTH { rows.len() } else { ROWS_TOGETHER };
                let row = (wanted + together / 2) / together * together;
                return if row < rows.end {
                    Place { param, row: row.max(rows.start) }
                } else {
                    Place { param: param + 1, row: 0 }
                };
            }
            left -= work;
        }
        end
    }

    /// The rows of a parameter that lie between two places.
    fn rows_between(&self, param: usize, begin: Place, end: Place) -> Range<usize> {
        let first = if param == begin.param { begin.row } else { 0 };
        let last = if param == end.param { end.row } else { self.rows(param) };
        first..last
    }

    fn rows(&self, param: usize) -> usize {
        self.params.shape(ParamId(param)).rows()
    }

    fn columns(&self, param: usize) -> usize {
        self.params.shape(ParamId(param)).columns()
    }

    /// Where a row begins in the slab of all gradients.
    fn offset(&self, Place { param, row }: Place) -> usize {
        self.params.entries.get(param).map_or(self.params.used, |entry| entry.start + row * entry.shape.columns())
    }

    /// Sums for the rows from `begin` to before `end`, on this thread.
    fn add_to(&self, begin: Place, end: Place, mut slab: &mut [R]) {
        let mut base = self.offset(begin);
        let mut layer = Layer::default();
        for param in begin.param..self.params.entries.len().min(end.param + 1) {
            let rows = self.rows_between(param, begin, end);
            if rows.is_empty() {
                continue;
            }
            let start = self.offset(Place { param, row: rows.start }) - base;
            let (d, rest) = std::mem::take(&mut slab)[start..].split_at_mut(rows.len() * self.columns(param));
            (slab, base) = (rest, base + start + d.len());
            let part = Part { param: ParamId(param), first: rows.start, rows: rows.len(), d, holds_sum: self.add };
            if !self.belongs_to(&layer, &part) {
                self.add_to_layer(std::mem::take(&mut layer));
            }
            layer.parts(self.is_vector(&part)).push(part);
        }
        self.add_to_layer(layer);
    }

    fn is_vector(&self, part: &Part<R>) -> bool {
        self.params.axes(part.param).len() == 1
    }

    /// Whether the gradient of a parameter is computed together with those of the layer, since it comes from the same d.
    fn belongs_to(&self, layer: &Layer<R>, part: &Part<R>) -> bool {
        let Some(weight) = layer.weights.first() else { return false };
        let has_room = if self.is_vector(part) { !layer.biases.is_full() } else { !layer.weights.is_full() };
        let together = |found: &Contribution| found.has(part.param) && found.has(weight.param);
        has_room
            && self.columns(weight.param.0) >= PANEL_WIDTH
            && (0..self.tapes).any(|tape| (self.arena)(tape).contributions.iter().any(together))
    }

    /// Adds all contributions to the gradients of a layer, in the order (operation, tape).
    fn add_to_layer(&self, layer: Layer<R>) {
        let first = layer.weights.first().or(layer.biases.first()).map(|part| part.param);
        let Some(first) = first else { return };
        let mut sum = LayerSum::new(layer, self.columns(first.0));
        let most = (0..self.tapes).map(|tape| (self.arena)(tape).contributions.len()).max().unwrap_or(0);
        for c in 0..most {
            for tape in 0..self.tapes {
                let arena = (self.arena)(tape);
                if let Some(found) = arena.contributions.get(c) {
                    sum.add(arena, found, self.params);
                }
            }
        }
        sum.finish();
    }
}
