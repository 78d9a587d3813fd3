//! What the tape, the operations and the accumulation of gradients have in common: nodes, and contributions to the
//! gradients of parameters.

use std::ops::Range;
use std::panic::Location;

use arrayvec::ArrayVec;

use crate::params::ParamId;
use crate::shape::Shape;

/// The largest number of inputs of an operation.
pub(crate) const MAX_INPUTS: usize = 8;

/// One entry of the tape.
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) inputs: ArrayVec<u32, MAX_INPUTS>,
    pub(crate) shape: Shape,
    /// Where its value and its gradient begin in the two slabs.
    pub(crate) start: usize,
    /// The span of the numbers that its operation saved.
    pub(crate) saved: Range<usize>,
    /// The node in whose span it lies: itself, or the node of which it is a view.
    pub(crate) owner: u32,
    /// Whether it has a gradient.
    pub(crate) tracks: bool,
    /// Whether all its elements are 0, so that products with it need not be computed.
    pub(crate) zero: bool,
    /// The line of source code that made it.
    pub(crate) made_at: &'static Location<'static>,
}

#[derive(Clone, Copy)]
pub(crate) enum NodeKind {
    /// Numbers from outside of the tape.
    Leaf(&'static str),
    /// Its input's own span, or a part of it, seen with other axes. The gradient is shared too.
    View(&'static str),
    /// The output of the operation in this slot.
    Op(u32),
}

impl Node {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.shape.len()
    }
}

/// The first place of a step where a number is infinite or not a number; see [`Tape::first_not_finite`](crate::Tape::first_not_finite).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NotFinite {
    /// The name of the operation, or of what was put on the tape.
    pub operation: &'static str,
    /// The shape of its output.
    pub shape: Shape,
    /// Whether it is the gradient of the output that is not finite, while all values of the tape are.
    pub is_gradient: bool,
    /// The number that was found.
    pub found: f64,
    /// The line of source code that recorded the operation.
    pub made_at: &'static Location<'static>,
}

/// A span of whole numbers that an operation keeps on the tape, such as labels.
#[derive(Clone, Copy, Debug)]
pub struct Indices {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Indices {
    /// How many whole numbers there are.
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The largest number of weights, and of biases, to whose gradients one contribution adds.
pub(crate) const MAX_SHARING: usize = crate::kernels::gemm::MAX_MEMBERS;

/// What an operation adds to the gradients of parameters, all of it computed from one gradient d [rows, columns]. A sweep only
/// records it, as places in the slabs; [`accumulate`](crate::accumulate()) computes it.
pub(crate) struct Contribution {
    /// The node of the operation.
    pub(crate) node: usize,
    /// Where d lies.
    pub(crate) d: GradientPlace,
    pub(crate) rows: usize,
    /// d_W += xᵀ·d, for each of these weights W; x [rows, in] begins at this place of the values.
    pub(crate) weights: ArrayVec<(ParamId, usize), MAX_SHARING>,
    /// d_b += Σ_rows d, for each of these biases.
    pub(crate) biases: ArrayVec<ParamId, MAX_SHARING>,
    /// d_p += d
    pub(crate) whole: Option<ParamId>,
}

impl Contribution {
    /// Whether a product or a sum of rows goes to this parameter.
    pub(crate) fn has(&self, param: ParamId) -> bool {
        self.weights.iter().any(|&(w, _)| w == param) || self.biases.contains(&param)
    }
}

/// Where the gradient d of a contribution begins.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum GradientPlace {
    /// In the slab of gradients: it is the gradient of the operation's output.
    Gradients(usize),
    /// In the slab of saved numbers: the operation computed it.
    Saved(usize),
}
