//! Parameters and their gradients: named parallel slices that outlive every tape.
//!
//! [`Params`], [`Grads`] and an optimiser's moments have one layout, so an optimiser is one loop over slices and a
//! checkpoint is those slices. Weight matrices are also kept packed for the kernels, W and Wᵀ, anew after each change.

use crate::kernels::gemm;
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
    /// Where W and Wᵀ lie packed, for a matrix.
    packed: Option<[std::ops::Range<usize>; 2]>,
}

impl Entry {
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.shape.len()
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
        let packed = match *shape.axes() {
            [rows, columns] => Some([(rows, columns), (columns, rows)].map(|(k, n)| {
                let start = self.packed_used;
                let len = gemm::packed_len(k, n);
                self.packed_used += Slab::<R>::span(len);
                start..start + len
            })),
            _ => None,
        };
        self.packed.grow(self.packed_used);
        self.entries.push(Entry { name: name.to_owned(), shape, start, packed });
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

    /// Changes all of them at once: `change` is given the one slab in which they lie, gaps between them included.
    pub(crate) fn change_all(&mut self, change: impl FnOnce(&mut [R])) {
        let used = self.used;
        change(&mut self.values.all_mut()[..used]);
        (0..self.entries.len()).for_each(|i| self.repack(ParamId(i)));
    }

    fn repack(&mut self, id: ParamId) {
        let Entry { shape, packed, .. } = &self.entries[id.0];
        if let (&[rows, columns], Some([plain, transposed])) = (shape.axes(), packed) {
            let w = &self.values.all()[self.entries[id.0].span()];
            gemm::pack(w, rows, columns, &mut self.packed.all_mut()[plain.clone()]);
            gemm::pack_transposed(w, rows, columns, &mut self.packed.all_mut()[transposed.clone()]);
        }
    }

    /// W [in, out], packed as the right matrix of x·W.
    ///
    /// # Panics
    /// Where it is no matrix.
    #[track_caller]
    pub(crate) fn packed(&self, id: ParamId) -> &[R] {
        let packed = self.entries[id.0].packed.as_ref().expect("a weight matrix has two axes");
        &self.packed.all()[packed[0].clone()]
    }

    /// Wᵀ [out, in], packed as the right matrix of d_y·Wᵀ.
    #[track_caller]
    pub(crate) fn packed_transposed(&self, id: ParamId) -> &[R] {
        let packed = self.entries[id.0].packed.as_ref().expect("a weight matrix has two axes");
        &self.packed.all()[packed[1].clone()]
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
    entries: Vec<std::ops::Range<usize>>,
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

    /// ‖g‖₂ over all parameters.
    pub fn norm(&self) -> R {
        crate::kernels::reduce::sum_of_squares(self.all()).sqrt()
    }
}
