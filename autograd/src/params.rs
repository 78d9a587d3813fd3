//! Parameters and their gradients: named parallel slices that outlive every tape.
//!
//! [`Params`], [`Grads`] and an optimiser's moments have one layout, so an optimiser is one loop over slices and a
//! checkpoint is those slices. Weight matrices are also kept packed for the kernels, W and Wᵀ, anew after each change.

use std::ops::Range;

use crate::kernels::{gemm, reduce};
use crate::real::Real;
use crate::shape::Shape;
use crate::slab::Slab;

/// A parameter's place in [`Params`] and [`Grads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub(crate) usize);

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Where it lies in the slabs of Params, Grads and moments.
    pub(crate) start: usize,
    /// Where W and Wᵀ lie packed, one after the other, for a matrix.
    packed_start: usize,
}

impl Entry {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.shape.len()
    }

    /// Where, from `packed_start` on, W and Wᵀ lie packed; `None` for what is no matrix.
    fn packed_spans(&self) -> Option<[Range<usize>; 2]> {
        let &[rows, columns] = self.shape.axes() else { return None };
        // Packed matrices are whole vectors, so that these begin at cache lines.
        let plain = gemm::packed_len(rows, columns);
        Some([0..plain, plain..plain + gemm::packed_len(columns, rows)])
    }

    /// Packs the matrix w; nothing where it is none.
    fn pack<R: Real>(&self, w: &[R], packed: &mut [R]) {
        if let (&[rows, columns], Some([plain, transposed])) = (self.shape.axes(), self.packed_spans()) {
            gemm::pack(w, rows, columns, &mut packed[plain]);
            gemm::pack_transposed(w, rows, columns, &mut packed[transposed]);
        }
    }
}

/// Numbers from which another thread is worth waking.
const PARALLEL_FROM: usize = 1 << 14;

/// Both of them, on two threads where that is worth it.
pub(crate) fn both(parallel: bool, left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    if parallel {
        rayon::join(left, right);
    } else {
        left();
        right();
    }
}

/// Some of the parameters, with all that an optimiser's step reads and writes of them.
struct Part<'a, R, const N: usize> {
    entries: &'a [Entry],
    theta: &'a mut [R],
    packed: &'a mut [R],
    g: &'a [R],
    moments: [&'a mut [R]; N],
}

impl<R: Real, const N: usize> Part<'_, R, N> {
    /// Halved between threads, down to one parameter.
    fn update(self, rule: &(impl Fn(&mut [R], &[R], [&mut [R]; N]) + Sync), parallel: bool) {
        let Part { entries, theta, packed, g, moments } = self;
        match entries {
            [] => {}
            [entry] => {
                rule(theta, g, moments);
                entry.pack(&theta[..entry.shape.len()], packed);
            }
            _ => {
                let (first, second) = entries.split_at(entries.len() / 2);
                let at = second[0].start - first[0].start;
                let (theta_1, theta_2) = theta.split_at_mut(at);
                let (packed_1, packed_2) = packed.split_at_mut(second[0].packed_start - first[0].packed_start);
                let (g_1, g_2) = g.split_at(at);
                let mut rest = [const { None }; N];
                let mut rest_of = rest.iter_mut();
                let moments = moments.map(|moment| {
                    let (moment_1, moment_2) = moment.split_at_mut(at);
                    *rest_of.next().expect("N of them") = Some(moment_2);
                    moment_1
                });
                let rest = rest.map(|moment| moment.expect("N of them"));
                let first = Part { entries: first, theta: theta_1, packed: packed_1, g: g_1, moments };
                let second = Part { entries: second, theta: theta_2, packed: packed_2, g: g_2, moments: rest };
                both(parallel, || first.update(rule, parallel), || second.update(rule, parallel));
            }
        }
    }
}

/// Named parameters.
#[derive(Default, Clone)]
pub struct Params<R> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) values: Slab<R>,
    /// The length of the slab in use.
    pub(crate) used: usize,
    packed: Slab<R>,
    packed_used: usize,
}

impl<R: Real> Params<R> {
    /// No parameters.
    pub fn new() -> Self {
        Params { entries: Vec::new(), values: Slab::default(), used: 0, packed: Slab::default(), packed_used: 0 }
    }

    /// Adds a parameter; `initialise` is given its elements, which are 0, by rows.
    ///
    /// # Panics
    /// Where the name is taken.
    #[track_caller]
    pub fn add(&mut self, name: &str, shape: impl Into<Shape>, initialise: impl FnOnce(&mut [R])) -> ParamId {
        assert!(self.find(name).is_none(), "there is a parameter named {name:?} already");
        let shape = shape.into();
        let start = self.used;
        self.used += Slab::<R>::span(shape.len());
        self.values.grow(self.used);
        let entry = Entry { name: name.to_owned(), shape, start, packed_start: self.packed_used };
        if let Some([_, transposed]) = entry.packed_spans() {
            self.packed_used += Slab::<R>::span(transposed.end);
            self.packed.grow(self.packed_used);
        }
        self.entries.push(entry);
        let id = ParamId(self.entries.len() - 1);
        initialise(&mut self.values.all_mut()[start..start + shape.len()]);
        self.repack(id);
        id
    }

    /// The parameter's elements, by rows.
    pub fn get(&self, id: ParamId) -> &[R] {
        &self.values.all()[self.entries[id.0].span()]
    }

    /// Changes the parameter's elements.
    pub fn change(&mut self, id: ParamId, change: impl FnOnce(&mut [R])) {
        let span = self.entries[id.0].span();
        change(&mut self.values.all_mut()[span]);
        self.repack(id);
    }

    /// Changes all of them by `rule`, which is given a parameter, its gradient and its moments, and packs them anew: in
    /// parallel over the parameters, each while it is in the cache. The slices are whole cache lines, gaps between
    /// parameters included.
    pub(crate) fn update<const N: usize>(
        &mut self,
        grads: &Grads<R>,
        moments: [&mut Grads<R>; N],
        rule: impl Fn(&mut [R], &[R], [&mut [R]; N]) + Sync,
    ) {
        grads.check(self);
        moments.iter().for_each(|moment| moment.check(self));
        Part {
            entries: &self.entries,
            theta: &mut self.values.all_mut()[..self.used],
            packed: &mut self.packed.all_mut()[..self.packed_used],
            g: grads.all(),
            moments: moments.map(Grads::all_mut),
        }
        .update(&rule, self.used >= PARALLEL_FROM);
    }

    fn repack(&mut self, id: ParamId) {
        let entry = &self.entries[id.0];
        entry.pack(&self.values.all()[entry.span()], &mut self.packed.all_mut()[entry.packed_start..]);
    }

    /// W [in, out], packed as the right matrix of x·W.
    ///
    /// # Panics
    /// Where it is no matrix.
    #[track_caller]
    pub(crate) fn packed(&self, id: ParamId) -> &[R] {
        let entry = &self.entries[id.0];
        &self.packed.all()[entry.packed_start..][entry.packed_spans().expect("a weight matrix has two axes")[0].clone()]
    }

    /// Wᵀ [out, in], packed as the right matrix of d_y·Wᵀ.
    #[track_caller]
    pub(crate) fn packed_transposed(&self, id: ParamId) -> &[R] {
        let entry = &self.entries[id.0];
        &self.packed.all()[entry.packed_start..][entry.packed_spans().expect("a weight matrix has two axes")[1].clone()]
    }

    /// The parameter's shape.
    pub fn shape(&self, id: ParamId) -> Shape {
        self.entries[id.0].shape
    }

    /// The lengths of the parameter's axes.
    pub fn axes(&self, id: ParamId) -> &[usize] {
        self.entries[id.0].shape.axes()
    }

    /// The parameter's name.
    pub fn name(&self, id: ParamId) -> &str {
        &self.entries[id.0].name
    }

    /// The parameter of that name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|entry| entry.name == name).map(ParamId)
    }

    /// All parameters, in the order in which they were added.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ParamId> + use<R> {
        (0..self.entries.len()).map(ParamId)
    }

    /// The number of numbers in all of them.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|entry| entry.shape.len()).sum()
    }

    /// Zeros of the same layout: gradients, or an optimiser's moments.
    pub fn zeros(&self) -> Grads<R> {
        let mut values = Slab::default();
        values.grow(self.used);
        Grads { values, used: self.used, entries: self.entries.iter().map(Entry::span).collect() }
    }
}

/// A number for each number of [`Params`], in the same layout: gradients, or moments.
#[derive(Clone)]
pub struct Grads<R> {
    values: Slab<R>,
    used: usize,
    entries: Vec<Range<usize>>,
}

impl<R: Real> Grads<R> {
    /// # Panics
    /// Where these are not laid out as `params`: made of others, or before a parameter was added.
    #[track_caller]
    pub(crate) fn check(&self, params: &Params<R>) {
        let same = self.used == params.used && self.entries.len() == params.entries.len();
        assert!(same, "gradients or moments of {} parameters for {}", self.entries.len(), params.entries.len());
    }

    /// Those of one parameter, by rows.
    pub fn get(&self, id: ParamId) -> &[R] {
        &self.values.all()[self.entries[id.0].clone()]
    }

    /// Those of one parameter, by rows.
    pub fn get_mut(&mut self, id: ParamId) -> &mut [R] {
        let span = self.entries[id.0].clone();
        &mut self.values.all_mut()[span]
    }

    /// All of them; the gaps between parameters are 0.
    pub fn all(&self) -> &[R] {
        &self.values.all()[..self.used]
    }

    /// All of them; the gaps between parameters must stay 0.
    pub(crate) fn all_mut(&mut self) -> &mut [R] {
        &mut self.values.all_mut()[..self.used]
    }

    /// Sets all to 0.
    pub fn clear(&mut self) {
        self.all_mut().fill(R::ZERO);
    }

    /// ‖g‖₂ over all parameters: a sum for each, in parallel, and then their sum, in order.
    pub fn norm(&self) -> R {
        fn squares<R: Real>(all: &[R], entries: &[Range<usize>], sums: &mut [R], parallel: bool) {
            match entries {
                [] => {}
                [entry] => sums[0] = reduce::sum_of_squares(&all[entry.clone()]),
                _ => {
                    let (first, second) = entries.split_at(entries.len() / 2);
                    let (sums_1, sums_2) = sums.split_at_mut(first.len());
                    both(parallel, || squares(all, first, sums_1, parallel), || squares(all, second, sums_2, parallel));
                }
            }
        }
        let all = self.all();
        let mut total = R::ZERO;
        // As many at once as fit into an array.
        for entries in self.entries.chunks(64) {
            let mut sums = [R::ZERO; 64];
            squares(all, entries, &mut sums[..entries.len()], self.used >= PARALLEL_FROM);
            total = sums[..entries.len()].iter().fold(total, |total, &sum| total + sum);
        }
        total.sqrt()
    }
}
