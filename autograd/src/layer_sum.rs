//! The gradients of the parameters of one layer: products and sums that share the gradient d of the layer's output.

use arrayvec::ArrayVec;

use crate::arena::Arena;
use crate::kernels::gemm::{self, Epilogue, Left, MAX_TERMS, Member, PANEL_WIDTH, Right, Term};
use crate::kernels::map::add_to;
use crate::kernels::reduce;
use crate::node::{Contribution, MAX_SHARING};
use crate::params::{ParamId, Params};
use crate::real::Real;

/// Some rows of a parameter, and their gradient.
pub(crate) struct Part<'d, R> {
    pub(crate) param: ParamId,
    /// The first row.
    pub(crate) first: usize,
    pub(crate) rows: usize,
    pub(crate) d: &'d mut [R],
    /// Whether d holds a sum of contributions, rather than numbers of an earlier step.
    pub(crate) holds_sum: bool,
}

impl<R: Real> Part<'_, R> {
    /// The gradient, to be added to.
    fn sum(&mut self) -> &mut [R] {
        if !std::mem::replace(&mut self.holds_sum, true) {
            self.d.fill(R::ZERO);
        }
        self.d
    }
}

/// Parameters whose gradients come from the same d, such as the weights and biases of Rect(x·W + u·V + b + c); or any other
/// parameter alone.
pub(crate) struct Layer<'d, R> {
    pub(crate) weights: ArrayVec<Part<'d, R>, MAX_SHARING>,
    pub(crate) biases: ArrayVec<Part<'d, R>, MAX_SHARING>,
}

impl<R> Default for Layer<'_, R> {
    fn default() -> Self {
        Layer { weights: ArrayVec::new(), biases: ArrayVec::new() }
    }
}

impl<'d, R> Layer<'d, R> {
    /// The biases, or else the weights.
    pub(crate) fn parts(&mut self, biases: bool) -> &mut ArrayVec<Part<'d, R>, MAX_SHARING> {
        if biases { &mut self.biases } else { &mut self.weights }
    }
}

/// The gradients of a layer while contributions are added to them in their order.
///
/// A product is not computed at once. It waits, so that one call of the kernel computes as many products as possible as one
/// chain: until no more fit, or until a contribution goes to other parameters of the layer than those that wait.
pub(crate) struct LayerSum<'d, 'a, R> {
    layer: Layer<'d, R>,
    columns: usize,
    /// The d of each contribution that waits, and the number of its rows.
    d: ArrayVec<(Right<'a, R>, usize), MAX_TERMS>,
    /// For each weight, the x of each contribution that waits.
    x: [ArrayVec<Left<'a, R>, MAX_TERMS>; MAX_SHARING],
    /// To which weights and to which biases the contributions go that wait.
    to: [[bool; MAX_SHARING]; 2],
}

impl<'d, 'a, R: Real> LayerSum<'d, 'a, R> {
    pub(crate) fn new(layer: Layer<'d, R>, columns: usize) -> Self {
        LayerSum { layer, columns, d: ArrayVec::new(), x: Default::default(), to: Default::default() }
    }

    /// Adds a contribution, as far as it goes to parameters of this layer.
    pub(crate) fn add(&mut self, arena: &'a Arena<R>, found: &Contribution, params: &Params<R>) {
        let Layer { weights, biases } = &self.layer;
        let mut x = [None; MAX_SHARING];
        let mut to = [[false; MAX_SHARING]; 2];
        for (i, part) in weights.iter().enumerate() {
            x[i] = found.weights.iter().find(|&&(w, _)| w == part.param).map(|&(_, x)| x);
            to[0][i] = x[i].is_some();
        }
        for (i, part) in biases.iter().enumerate() {
            to[1][i] = found.biases.contains(&part.param);
        }
        if to.as_flattened().contains(&true) {
            if self.d.is_full() || self.to != to {
                self.settle();
            }
            self.to = to;
            let data = arena.gradient_at(found.d, found.rows * self.columns);
            self.d.push((Right::Rows { data, stride: self.columns }, found.rows));
            for ((waiting, x), part) in self.x.iter_mut().zip(x).zip(&self.layer.weights) {
                if let Some(x) = x {
                    // The rows of W from `first` on are the columns of x from there on.
                    let stride = params.shape(part.param).rows();
                    let x = arena.value.as_slice()[x..][..found.rows * stride].get(part.first..).unwrap_or(&[]);
                    waiting.push(Left::Columns { data: x, stride });
                }
            }
        }
        if let Some(p) = found.whole.filter(|&p| self.layer.has(p)) {
            self.settle();
            let part = self.layer.find(p).expect("the layer has it");
            let start = part.first * self.columns;
            let d_p = part.sum();
            add_to(&arena.gradient_at(found.d, start + d_p.len())[start..], d_p);
        }
    }

    /// Computes what waits.
    fn settle(&mut self) {
        let LayerSum { layer, columns, d, x, to } = self;
        let n = *columns;
        let weights = layer.weights.iter_mut().zip(x.iter()).zip(to[0]).filter(|(_, to)| *to).map(|(part, _)| part);
        let biases = layer.biases.iter_mut().zip(to[1]).filter(|(_, to)| *to).map(|(part, _)| part.sum());
        if n >= PANEL_WIDTH && to[0].contains(&true) {
            // d_Wᵢ += xᵢᵀ·d and d_bᵢ += Σ_rows d: one copy of d serves all of them.
            let mut biases: ArrayVec<&mut [R], MAX_SHARING> = biases.collect();
            let members: ArrayVec<Member<R>, MAX_SHARING> = weights
                .map(|(part, x)| {
                    let accumulate = std::mem::replace(&mut part.holds_sum, true);
                    Member { left: x.clone(), c: &mut *part.d, rows: part.rows, accumulate }
                })
                .collect();
            gemm::sum_shared(d, n, members, &mut biases);
        } else {
            for (part, x) in weights {
                let terms = x.iter().zip(&*d).map(|(&a, &(b, k))| Term { a, b, k });
                let terms: ArrayVec<_, MAX_TERMS> = terms.collect();
                let accumulate = std::mem::replace(&mut part.holds_sum, true);
                gemm::sum(&terms, part.d, [part.rows, n], accumulate, Epilogue::NONE);
            }
            for bias in biases {
                for &(d, rows) in &*d {
                    let Right::Rows { data, .. } = d else { unreachable!("d is stored by rows") };
                    reduce::add_rows(&data[..rows * n], bias);
                }
            }
        }
        d.clear();
        x.iter_mut().for_each(ArrayVec::clear);
    }

    /// Computes what waits, and clears what no contribution went to.
    pub(crate) fn finish(mut self) {
        self.settle();
        for part in self.layer.weights.iter_mut().chain(&mut self.layer.biases) {
            part.sum();
        }
    }
}

impl<'d, R> Layer<'d, R> {
    fn has(&self, param: ParamId) -> bool {
        self.weights.iter().chain(&self.biases).any(|part| part.param == param)
    }

    fn find(&mut self, param: ParamId) -> Option<&mut Part<'d, R>> {
        self.weights.iter_mut().chain(&mut self.biases).find(|part| part.param == param)
    }
}
