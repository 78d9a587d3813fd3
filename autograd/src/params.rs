//! Parameters and their gradients: named parallel slices that outlive every tape.
//!
//! [`Params`], [`Grads`] and an optimiser's moments have the same layout, so an optimiser is one loop over slices, and
//! a checkpoint consists of those slices. Weight matrices are also kept packed for the kernels, as W and as Wᵀ; they
//! are packed again after each change.

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::kernels::gemm;
use crate::parallel::join_if;
use crate::real::Real;
use crate::shape::Shape;
use crate::slab::Slab;

/// The index of a parameter in [`Params`] and [`Grads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub(crate) usize);

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// Where it begins in the slabs of parameters, gradients and moments.
    pub(crate) start: usize,
    /// Where the packed W and, behind it, the packed Wᵀ begin, if it is a matrix.
    packed_start: usize,
}

impl Entry {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.shape.len()
    }

    /// The spans of the packed W and the packed Wᵀ, counted from `packed_start`; `None` if it is no matrix.
    fn packed_spans(&self) -> Option<[Range<usize>; 2]> {
        let &[rows, columns] = self.shape.axes() else { return None };
        // A packed matrix consists of whole vectors, so both spans begin at cache lines.
        let plain = gemm::packed_len(rows, columns);
        Some([0..plain, plain..plain + gemm::packed_len(columns, rows)])
    }

    /// Packs w if it is a matrix.
    fn pack<R: Real>(&self, w: &[R], packed: &mut [R]) {
        if let (&[rows, columns], Some([plain, transposed])) = (self.shape.axes(), self.packed_spans()) {
            gemm::pack(w, rows, columns, &mut packed[plain]);
            gemm::pack_transposed(w, rows, columns, &mut packed[transposed]);
        }
    }
}

/// The number of parameters for which it is worth waking another thread.
pub(crate) const PARALLEL_FROM: usize = 1 << 14;

/// Some of the parameters, with all that an optimiser's step reads and writes of them.
struct UpdatePart<'a, R, const N: usize> {
    entries: &'a [Entry],
    theta: &'a mut [R],
    packed: &'a mut [R],
    g: &'a [R],
    moments: [&'a mut [R]; N],
}

impl<R: Real, const N: usize> UpdatePart<'_, R, N> {
    /// Updates and packs the parameters. Threads share them by halves, down to one parameter.
    fn update(self, rule: &(impl Fn(&mut [R], &[R], [&mut [R]; N]) + Sync), parallel: bool) {
        let UpdatePart { entries, theta, packed, g, moments } = self;
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
                let halves = moments.into_iter().map(|moment| moment.split_at_mut(at));
                let (moments_1, moments_2): (ArrayVec<_, N>, ArrayVec<_, N>) = halves.unzip();
                let [moments_1, moments_2] = [moments_1, moments_2].map(|m| m.into_inner().expect("N moments"));
                let first = UpdatePart { entries: first, theta: theta_1, packed: packed_1, g: g_1, moments: moments_1 };
                let second =
                    UpdatePart { entries: second, theta: theta_2, packed: packed_2, g: g_2, moments: moments_2 };
                join_if(parallel, || first.update(rule, parallel), || second.update(rule, parallel));
            }
        }
    }
}

/// Named parameters.
#[derive(Default, Clone)]
pub struct Params<R> {
    pub(crate) entries: Vec<Entry>,
    pub(crate) values: Slab<R>,
    /// How much of the slab of values is in use.
    pub(crate) used: usize,
    packed: Slab<R>,
    packed_used: usize,
    /// Whether there are only names and shapes.
    sizes_only: bool,
}

impl<R: Real> Params<R> {
    /// No parameters.
    pub fn new() -> Self {
        Params {
            entries: Vec::new(),
            values: Slab::default(),
            used: 0,
            packed: Slab::default(),
            packed_used: 0,
            sizes_only: false,
        }
    }

    /// No parameters, and none that is added will have elements: there are only names and shapes. Whoever builds a network
    /// with it learns how large the network is before any memory is taken, see [`Params::bytes`].
    pub fn sizes_only() -> Self {
        Params { sizes_only: true, ..Params::new() }
    }

    /// The bytes that the parameters and their packed copies take. Gradients and moments take [`Params::count`] numbers each.
    pub fn bytes(&self) -> usize {
        (self.used + self.packed_used).saturating_mul(size_of::<R>())
    }

    /// Adds a parameter. `initialise` receives its elements by rows; they are 0.
    ///
    /// # Panics
    /// If there is a parameter of this name already.
    #[track_caller]
    pub fn add(&mut self, name: &str, shape: impl Into<Shape>, initialise: impl FnOnce(&mut [R])) -> ParamId {
        assert!(self.find(name).is_none(), "there is a parameter named {name:?} already");
        let shape = shape.into();
        let start = self.used;
        self.used += Slab::<R>::span(shape.len());
        let entry = Entry { name: name.to_owned(), shape, start, packed_start: self.packed_used };
        if let Some([_, transposed]) = entry.packed_spans() {
            self.packed_used += Slab::<R>::span(transposed.end);
        }
        self.entries.push(entry);
        let id = ParamId(self.entries.len() - 1);
        if self.sizes_only {
            return id;
        }
        self.values.grow(self.used);
        self.packed.grow(self.packed_used);
        initialise(&mut self.values.as_mut_slice()[start..start + shape.len()]);
        self.repack(id);
        id
    }

    /// The elements of the parameter, by rows.
    pub fn get(&self, id: ParamId) -> &[R] {
        &self.values.as_slice()[self.entries[id.0].span()]
    }

    /// Changes the elements of the parameter.
    pub fn change(&mut self, id: ParamId, change: impl FnOnce(&mut [R])) {
        if self.sizes_only {
            return;
        }
        let span = self.entries[id.0].span();
        change(&mut self.values.as_mut_slice()[span]);
        self.repack(id);
    }

    /// Changes all parameters by `rule`, which receives a parameter, its gradient and its moments, and packs each
    /// parameter while it is in the cache. This runs in parallel over the parameters. The slices are whole cache lines,
    /// so they include the gaps between parameters.
    pub(crate) fn update<const N: usize>(
        &mut self,
        grads: &Grads<R>,
        moments: [&mut Grads<R>; N],
        rule: impl Fn(&mut [R], &[R], [&mut [R]; N]) + Sync,
    ) {
        grads.check_layout(self);
        moments.iter().for_each(|moment| moment.check_layout(self));
        UpdatePart {
            entries: &self.entries,
            theta: &mut self.values.as_mut_slice()[..self.used],
            packed: &mut self.packed.as_mut_slice()[..self.packed_used],
            g: grads.as_slice(),
            moments: moments.map(Grads::as_mut_slice),
        }
        .update(&rule, self.used >= PARALLEL_FROM);
    }

    fn repack(&mut self, id: ParamId) {
        let entry = &self.entries[id.0];
        entry.pack(&self.values.as_slice()[entry.span()], &mut self.packed.as_mut_slice()[entry.packed_start..]);
    }

    /// W [in, out], packed as the right matrix of x·W.
    ///
    /// # Panics
    /// If it is no matrix.
    #[track_caller]
    pub(crate) fn packed(&self, id: ParamId) -> &[R] {
        let entry = &self.entries[id.0];
        &self.packed.as_slice()[entry.packed_start..]
            [entry.packed_spans().expect("a weight matrix has two axes")[0].clone()]
    }

    /// Wᵀ [out, in], packed as the right matrix of d_y·Wᵀ.
    #[track_caller]
    pub(crate) fn packed_transposed(&self, id: ParamId) -> &[R] {
        let entry = &self.entries[id.0];
        &self.packed.as_slice()[entry.packed_start..]
            [entry.packed_spans().expect("a weight matrix has two axes")[1].clone()]
    }

    /// The shape of the parameter.
    pub fn shape(&self, id: ParamId) -> Shape {
        self.entries[id.0].shape
    }

    /// The lengths of the parameter's axes.
    pub fn axes(&self, id: ParamId) -> &[usize] {
        self.entries[id.0].shape.axes()
    }

    /// The name of the parameter.
    pub fn name(&self, id: ParamId) -> &str {
        &self.entries[id.0].name
    }

    /// The parameter of this name.
    pub fn find(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|entry| entry.name == name).map(ParamId)
    }

    /// The ids of all parameters, in the order in which they were added.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ParamId> + use<R> {
        (0..self.entries.len()).map(ParamId)
    }

    /// The total number of elements of all parameters.
    pub fn count(&self) -> usize {
        self.entries.iter().map(|entry| entry.shape.len()).sum()
    }

    /// Zeros of the same layout, for gradients or for an optimiser's moments.
    pub fn zeros(&self) -> Grads<R> {
        let mut values = Slab::default();
        values.grow(self.used);
        let entries: Vec<_> = self.entries.iter().map(Entry::span).collect();
        Grads { values, used: self.used, work: vec![0; entries.len()], entries }
    }
}

/// One number for each number of [`Params`], in the same layout: gradients or moments.
#[derive(Clone)]
pub struct Grads<R> {
    values: Slab<R>,
    used: usize,
    pub(crate) entries: Vec<Range<usize>>,
    /// Memory for the multiply-adds that each parameter's gradient takes, by which threads share them.
    pub(crate) work: Vec<usize>,
}

impl<R: Real> Grads<R> {
    /// # Panics
    /// If the layout is not that of `params`, because these gradients were made from other parameters or before one was
    /// added.
    #[track_caller]
    pub(crate) fn check_layout(&self, params: &Params<R>) {
        let same = self.used == params.used && self.entries.len() == params.entries.len();
        assert!(same, "gradients or moments of {} parameters for {}", self.entries.len(), params.entries.len());
    }

    /// The numbers of one parameter, by rows.
    pub fn get(&self, id: ParamId) -> &[R] {
        &self.values.as_slice()[self.entries[id.0].clone()]
    }

    /// The numbers of one parameter, by rows, to be changed.
    pub fn get_mut(&mut self, id: ParamId) -> &mut [R] {
        let span = self.entries[id.0].clone();
        &mut self.values.as_mut_slice()[span]
    }

    /// The numbers of all parameters. The gaps between parameters are 0.
    pub fn as_slice(&self) -> &[R] {
        &self.values.as_slice()[..self.used]
    }

    /// The numbers of all parameters, to be changed. The gaps between parameters must stay 0.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [R] {
        &mut self.values.as_mut_slice()[..self.used]
    }

    /// Sets all numbers to 0.
    pub fn clear(&mut self) {
        self.as_mut_slice().fill(R::ZERO);
    }
}
