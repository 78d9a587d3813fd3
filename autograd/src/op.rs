//! How to write an operation: a struct with a `forward` and a `backward`, in this crate or in another one.
//!
//! ```
//! use autograd::op::{Backward, Forward, Op, Setup};
//! use autograd::{Params, Real, Shape, Tape, Var};
//!
//! /// y = x³
//! #[derive(Debug, Clone, Copy)]
//! struct Cube;
//!
//! impl<R: Real> Op<R> for Cube {
//!     fn name(&self) -> &'static str {
//!         "cube"
//!     }
//!     fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
//!         Ok(setup.shapes[0])
//!     }
//!     fn forward(&self, cx: Forward<R>, y: &mut [R]) {
//!         for (y, &x) in y.iter_mut().zip(cx.x(0)) {
//!             *y = x * x * x;
//!         }
//!     }
//!     // d_x += 3x²·d_y
//!     fn backward(&self, cx: &mut Backward<R>) {
//!         let (x, d_y) = (cx.x(0), cx.d_y());
//!         if let Some(d_x) = cx.d_x(0) {
//!             for ((d_x, &x), &d_y) in d_x.iter_mut().zip(x).zip(d_y) {
//!                 *d_x += R::from_f64(3.0) * x * x * d_y;
//!             }
//!         }
//!     }
//! }
//!
//! let params = Params::<f64>::new();
//! let mut tape = Tape::new();
//! let t = tape.begin(&params);
//! let x = t.input([2], &[2.0, -1.0]);
//! let y = t.apply(Cube, &[x]);
//! y.sum().backward(&mut params.zeros());
//! assert_eq!(x.grad().to_vec(), [12.0, 3.0]);
//! ```

use std::any::Any;

use arrayvec::ArrayVec;

use crate::node::{Contribution, GradientPlace, Indices, Node};
use crate::params::{ParamId, Params};
use crate::real::Real;
use crate::shape::Shape;

/// What an operation knows before it runs.
pub struct Setup<'a, R> {
    /// The shapes of the inputs.
    pub shapes: &'a [Shape],
    /// The parameters that it may read.
    pub params: &'a Params<R>,
}

/// An operation on the tape: y = f(x₀, x₁, …).
///
/// The struct holds what is not a variable: a factor, the id of a parameter, a span of indices. It is moved into a slot
/// of the tape. If the last step left a struct of the same type there, its memory is used again, so that recording
/// allocates nothing.
pub trait Op<R: Real>: Any + Send + Sync {
    /// The name, for errors and [`Recording::dump`](crate::Recording::dump).
    fn name(&self) -> &'static str;

    /// The shape of the output.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the shapes of the inputs, and a hint. The tape adds the shapes and the
    /// places at which the inputs were made.
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String>;

    /// How many numbers the operation keeps from forward to backward, in addition to x and y.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        let _ = setup;
        0
    }

    /// Whether the operation gives gradients to parameters. It then takes part in backward even if no input has a
    /// gradient.
    fn has_parameters(&self) -> bool {
        false
    }

    /// Computes every element of y, which holds numbers of an earlier step.
    fn forward(&self, cx: Forward<R>, y: &mut [R]);

    /// Adds d_y·∂y/∂x to d_x, for each input that has a gradient.
    fn backward(&self, cx: &mut Backward<R>);
}

/// What `forward` can read, and where it can save numbers.
pub struct Forward<'a, R> {
    pub(crate) nodes: &'a [Node],
    pub(crate) inputs: &'a [u32],
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [u32],
    /// The parameters.
    pub params: &'a Params<R>,
    /// Room for [`Op::saved_len`] numbers. They hold those of an earlier step.
    pub saved: &'a mut [R],
}

impl<'a, R: Real> Forward<'a, R> {
    fn input(&self, i: usize) -> &'a Node {
        &self.nodes[self.inputs[i] as usize]
    }

    /// Input i, by rows.
    pub fn x(&self, i: usize) -> &'a [R] {
        &self.values[self.input(i).span()]
    }

    /// The shape of input i.
    pub fn shape(&self, i: usize) -> Shape {
        self.input(i).shape
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Whether input i was made by [`Recording::zeros`](crate::Recording::zeros).
    pub fn is_zero(&self, i: usize) -> bool {
        self.input(i).zero
    }

    /// The whole numbers that [`Recording::indices`](crate::Recording::indices) has put on the tape.
    pub fn indices(&self, indices: Indices) -> &'a [u32] {
        &self.indices[indices.start..indices.end]
    }
}

/// What `backward` can read (x, y and d_y) and what it adds to (d_x and the gradients of parameters).
pub struct Backward<'a, R> {
    pub(crate) nodes: &'a [Node],
    pub(crate) id: usize,
    pub(crate) node: &'a Node,
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [u32],
    /// The gradients of all nodes that lie before the output.
    pub(crate) before: &'a mut [R],
    pub(crate) d_y: &'a [R],
    pub(crate) reached: &'a mut [bool],
    pub(crate) begun: &'a mut [bool],
    pub(crate) contributions: &'a mut Vec<Contribution>,
    /// The parameters.
    pub params: &'a Params<R>,
    /// The numbers that forward has saved. Take them with [`std::mem::take`] to use them beside `d_x`.
    pub saved: &'a mut [R],
}

impl<'a, R: Real> Backward<'a, R> {
    fn input(&self, i: usize) -> &'a Node {
        &self.nodes[self.node.inputs[i] as usize]
    }

    /// Input i, by rows.
    pub fn x(&self, i: usize) -> &'a [R] {
        &self.values[self.input(i).span()]
    }

    /// The shape of input i.
    pub fn shape(&self, i: usize) -> Shape {
        self.input(i).shape
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Whether input i was made by [`Recording::zeros`](crate::Recording::zeros).
    pub fn is_zero(&self, i: usize) -> bool {
        self.input(i).zero
    }

    /// The output, by rows.
    pub fn y(&self) -> &'a [R] {
        &self.values[self.node.span()]
    }

    /// The shape of the output.
    pub fn y_shape(&self) -> Shape {
        self.node.shape
    }

    /// ∂L/∂y, by rows.
    pub fn d_y(&self) -> &'a [R] {
        self.d_y
    }

    /// ∂L/∂xᵢ by rows, to which the operation adds; `None` if input i has no gradient.
    pub fn d_x(&mut self, i: usize) -> Option<&mut [R]> {
        self.d_x_uncleared(i).map(|(d_x, first)| {
            if first {
                d_x.fill(R::ZERO);
            }
            d_x
        })
    }

    /// Like [`Backward::d_x`], but for an operation that can overwrite as well as add. If the second value is true,
    /// nothing was added to d_x before, it holds numbers of an earlier step, and the operation must write every one of
    /// them.
    pub fn d_x_uncleared(&mut self, i: usize) -> Option<(&mut [R], bool)> {
        let id = self.node.inputs[i] as usize;
        let node = &self.nodes[id];
        self.reached[id] = true;
        if !node.tracks {
            return None;
        }
        // Gradients are not cleared before a sweep, but when the sweep first comes to them.
        let owner = &self.nodes[node.owner as usize];
        let mut first = !std::mem::replace(&mut self.begun[node.owner as usize], true);
        if first && owner.span() != node.span() {
            // The input is a view of a part of its owner: the other part must be 0 as well.
            self.before[owner.span()].fill(R::ZERO);
            first = false;
        }
        Some((&mut self.before[node.span()], first))
    }

    /// The whole numbers that [`Recording::indices`](crate::Recording::indices) has put on the tape.
    pub fn indices(&self, indices: Indices) -> &'a [u32] {
        &self.indices[indices.start..indices.end]
    }

    /// d_W += xᵢᵀ·d, where d is d_y or, with `from_saved`, the numbers at the start of `saved`. xᵢ is [rows, in], d is
    /// [rows, out] and W is [in, out].
    ///
    /// This only records the product. Once the sweep is over, [`accumulate`](crate::accumulate()) computes one chain
    /// over all rows of all tapes, which is faster than many short chains and gives the same bits for any split of the
    /// batch.
    pub fn weight_gradient(&mut self, w: ParamId, i: usize, from_saved: bool) {
        let x = self.input(i);
        let shape = self.params.shape(w);
        assert_eq!(shape.axes(), [x.shape.columns(), self.node.shape.columns()], "{:?} [in, out]", self.params.name(w));
        assert_eq!(x.shape.rows(), self.node.shape.rows(), "x and d have as many rows");
        self.contribution(from_saved, |c| !c.weights.is_full() && c.weights.iter().all(|&(other, _)| other != w))
            .weights
            .push((w, x.start));
    }

    /// d_b += Σ_rows d, with d as in [`Backward::weight_gradient`].
    pub fn bias_gradient(&mut self, b: ParamId, from_saved: bool) {
        assert_eq!(self.params.shape(b).axes(), [self.node.shape.columns()], "{:?} [out]", self.params.name(b));
        self.contribution(from_saved, |c| !c.biases.is_full() && !c.biases.contains(&b)).biases.push(b);
    }

    /// d_p += d_y, elementwise: p has the shape of the output.
    pub fn whole_gradient(&mut self, p: ParamId) {
        assert_eq!(self.params.shape(p), self.node.shape, "{:?}", self.params.name(p));
        self.contribution(false, |c| c.whole.is_none()).whole = Some(p);
    }

    /// This operation's contribution by d_y or by the saved d: the last one if it has room, or else a new one. A parameter
    /// stands in a contribution once.
    fn contribution(&mut self, from_saved: bool, has_room: impl Fn(&Contribution) -> bool) -> &mut Contribution {
        let d = if from_saved {
            GradientPlace::Saved(self.node.saved.start)
        } else {
            GradientPlace::Gradients(self.node.start)
        };
        let continues = |c: &Contribution| c.node == self.id && c.d == d && has_room(c);
        if !self.contributions.last().is_some_and(continues) {
            let (weights, biases) = (ArrayVec::new(), ArrayVec::new());
            let rows = self.node.shape.rows();
            self.contributions.push(Contribution { node: self.id, d, rows, weights, biases, whole: None });
        }
        self.contributions.last_mut().expect("it was pushed")
    }
}
