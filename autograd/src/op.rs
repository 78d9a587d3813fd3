//! How to write an operation: a struct with a `forward` and a `backward`, here or in another crate.
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

use crate::accumulate::{Contribution, Place, Source};
use crate::params::{ParamId, Params};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::{Indices, Node};

/// What an operation is told before it runs.
pub struct Setup<'a, R> {
    /// The inputs' shapes.
    pub shapes: &'a [Shape],
    /// The parameters that it may read.
    pub params: &'a Params<R>,
}

/// An operation on the tape: y = f(x₀, x₁, …).
///
/// A struct that carries what is not a variable (a factor, a parameter's id, a span of indices). It is moved into a
/// slot of the tape that a struct of the same type of the last step left, so recording it allocates nothing.
pub trait Op<R: Real>: Any + Send + Sync {
    /// Its name, in errors and dumps.
    fn name(&self) -> &'static str;

    /// The output's shape.
    ///
    /// # Errors
    /// What is wrong with the inputs' shapes, and a hint; the tape adds the shapes and the places.
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String>;

    /// How many numbers it keeps from forward to backward, beside x and y.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        let _ = setup;
        0
    }

    /// Whether it gives gradients to parameters of its own, so that it takes part in backward even where no input does.
    fn has_parameters(&self) -> bool {
        false
    }

    /// Computes every element of y (it holds an earlier step's numbers).
    fn forward(&self, cx: Forward<R>, y: &mut [R]);

    /// Adds d_y·∂y/∂x to d_x, for each input that has a gradient.
    fn backward(&self, cx: &mut Backward<R>);
}

/// What `forward` sees.
pub struct Forward<'a, R> {
    pub(crate) nodes: &'a [Node],
    pub(crate) inputs: &'a [u32],
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [u32],
    /// The parameters.
    pub params: &'a Params<R>,
    /// `saved_len` numbers to keep; they hold an earlier step's.
    pub saved: &'a mut [R],
}

impl<'a, R: Real> Forward<'a, R> {
    /// Input i, by rows.
    pub fn x(&self, i: usize) -> &'a [R] {
        &self.values[self.nodes[self.inputs[i] as usize].span()]
    }

    /// The shape of input i.
    pub fn shape(&self, i: usize) -> Shape {
        self.nodes[self.inputs[i] as usize].shape
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Whether input i is all 0, as [`crate::Recording::zeros`] makes it.
    pub fn is_zero(&self, i: usize) -> bool {
        self.nodes[self.inputs[i] as usize].zero
    }

    /// The whole numbers kept by [`crate::tape::Recording::indices`].
    pub fn indices(&self, indices: Indices) -> &'a [u32] {
        &self.indices[indices.0..indices.1]
    }
}

/// What `backward` sees: x, y and d_y to read, d_x to add to.
pub struct Backward<'a, R> {
    pub(crate) nodes: &'a [Node],
    pub(crate) node: &'a Node,
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [u32],
    /// The gradients of everything that lies before the output.
    pub(crate) before: &'a mut [R],
    pub(crate) d_y: &'a [R],
    pub(crate) reached: &'a mut [bool],
    pub(crate) begun: &'a mut [bool],
    pub(crate) contributions: &'a mut Vec<Contribution>,
    /// The parameters.
    pub params: &'a Params<R>,
    /// What forward kept. Take it with [`std::mem::take`] where it is needed beside `d_x`.
    pub saved: &'a mut [R],
}

impl<'a, R: Real> Backward<'a, R> {
    fn input(&self, i: usize) -> &'a Node {
        &self.nodes[self.node.inputs()[i] as usize]
    }

    /// Input i, by rows.
    pub fn x(&self, i: usize) -> &'a [R] {
        &self.values[self.input(i).span()]
    }

    /// The shape of input i.
    pub fn shape(&self, i: usize) -> Shape {
        self.input(i).shape
    }

    /// How many inputs there are.
    pub fn inputs(&self) -> usize {
        self.node.inputs().len()
    }

    /// Whether input i is all 0, as [`crate::Recording::zeros`] makes it.
    pub fn is_zero(&self, i: usize) -> bool {
        self.input(i).zero
    }

    /// The output, by rows.
    pub fn y(&self) -> &'a [R] {
        &self.values[self.node.span()]
    }

    /// The output's shape.
    pub fn y_shape(&self) -> Shape {
        self.node.shape
    }

    /// ∂L/∂y, by rows.
    pub fn d_y(&self) -> &'a [R] {
        self.d_y
    }

    /// ∂L/∂xᵢ to add to, by rows; `None` where input i has no gradient.
    pub fn d_x(&mut self, i: usize) -> Option<&mut [R]> {
        self.reach(i).map(|(d_x, first)| {
            if first {
                d_x.fill(R::ZERO);
            }
            d_x
        })
    }

    /// As [`Backward::d_x`], for an operation that can write as well as add: where nothing was added before, the second is
    /// true, and the first holds an earlier step's numbers, every one of which is to be written.
    pub fn d_x_or_first(&mut self, i: usize) -> Option<(&mut [R], bool)> {
        self.reach(i)
    }

    /// Gradients are not cleared before a sweep, but when it first comes to them.
    fn reach(&mut self, i: usize) -> Option<(&mut [R], bool)> {
        let id = self.node.inputs()[i] as usize;
        let node = &self.nodes[id];
        self.reached[id] = true;
        if !node.tracks {
            return None;
        }
        let owner = &self.nodes[node.owner as usize];
        let mut first = !std::mem::replace(&mut self.begun[node.owner as usize], true);
        if first && owner.span() != node.span() {
            // A view of a part: the rest must be 0 as well.
            self.before[owner.span()].fill(R::ZERO);
            first = false;
        }
        Some((&mut self.before[node.span()], first))
    }

    /// The whole numbers kept by [`crate::tape::Recording::indices`].
    pub fn indices(&self, indices: Indices) -> &'a [u32] {
        &self.indices[indices.0..indices.1]
    }

    /// d_W += xᵢᵀ·d, where d is d_y or, with `from_saved`, what lies at the start of `saved`; xᵢ is [rows, in], d is
    /// [rows, out] and W [in, out].
    ///
    /// It is noted here and added when the sweep is over: one chain over all rows of all tapes (see
    /// [`crate::accumulate()`]), which is faster than many short ones and is the same for any split of the batch.
    pub fn weight_gradient(&mut self, w: ParamId, i: usize, from_saved: bool) {
        let x = self.input(i);
        let shape = self.params.shape(w);
        assert_eq!(shape.axes(), [x.shape.columns(), self.node.shape.columns()], "{:?} [in, out]", self.params.name(w));
        self.contributions.push(Contribution {
            param: w,
            source: Source::Product { x: x.start, rows: x.shape.rows() },
            d: self.place_of_d(from_saved),
        });
    }

    /// d_b += Σ_rows d, with d as in [`Backward::weight_gradient`].
    pub fn bias_gradient(&mut self, b: ParamId, from_saved: bool) {
        assert_eq!(self.params.shape(b).axes(), [self.node.shape.columns()], "{:?} [out]", self.params.name(b));
        let source = Source::Rows { rows: self.node.shape.rows() };
        self.contributions.push(Contribution { param: b, source, d: self.place_of_d(from_saved) });
    }

    /// d_p += d_y, elementwise: p has the output's shape.
    pub fn whole_gradient(&mut self, p: ParamId) {
        assert_eq!(self.params.shape(p), self.node.shape, "{:?}", self.params.name(p));
        self.contributions.push(Contribution { param: p, source: Source::Whole, d: self.place_of_d(false) });
    }

    fn place_of_d(&self, from_saved: bool) -> Place {
        if from_saved { Place::Saved(self.node.saved) } else { Place::Grad(self.node.start) }
    }
}
