//! The tape: what was computed, in order, in two slabs of the same layout, `value` and `grad[i] = ∂L/∂value[i]`.
//!
//! A node names its inputs and its span of the slabs. Nodes are recorded after their inputs, so backward is a loop over
//! the nodes in reverse order; and an output lies behind its inputs, so `split_at_mut` lends both at once. `arena.rs`
//! has the memory and the loop; this file has the handles with which a model is written.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::panic::Location;

use arrayvec::ArrayVec;

use crate::arena::Arena;
use crate::node::MAX_INPUTS;
pub use crate::node::{Indices, NotFinite};
use crate::op::Op;
use crate::params::Params;
use crate::real::Real;
use crate::shape::Shape;

/// The memory of a computation, which is used step after step. Any number of tapes may read one [`Params`].
#[derive(Default)]
pub struct Tape<R> {
    pub(crate) arena: Arena<R>,
}

impl<R: Real> Tape<R> {
    /// An empty tape.
    pub fn new() -> Self {
        Tape { arena: Arena::default() }
    }

    /// Forgets the last step, keeps its memory, and records a new step. Code that uses a variable of the forgotten step
    /// does not compile:
    ///
    /// ```compile_fail,E0499
    /// # use autograd::{Params, Tape};
    /// # let params = Params::<f32>::new();
    /// let mut tape = Tape::new();
    /// let t = tape.begin(&params);
    /// let x = t.input([1], &[1.0]);
    /// let next = tape.begin(&params);
    /// let y = x + x; // x belongs to the first step
    /// ```
    pub fn begin<'t>(&'t mut self, params: &'t Params<R>) -> Recording<'t, R> {
        let mut arena = std::mem::take(&mut self.arena);
        arena.clear();
        Recording { arena: RefCell::new(arena), tape: self, params }
    }

    /// Where the last step first computed a number that is infinite or not a number: the first such value, or else the
    /// first such gradient on the way back. `None` if all numbers are finite. This is for finding out why a training
    /// diverged; it reads the whole tape.
    pub fn first_not_finite(&self) -> Option<NotFinite> {
        self.arena.first_not_finite()
    }
}

/// A step that is being recorded. When it is dropped, its memory goes back to the [`Tape`].
pub struct Recording<'t, R: Real> {
    arena: RefCell<Arena<R>>,
    tape: &'t mut Tape<R>,
    params: &'t Params<R>,
}

impl<R: Real> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        self.tape.arena = std::mem::take(self.arena.get_mut());
    }
}

/// A variable: a handle to a node of the tape, which can be copied freely.
pub struct Var<'t, R: Real> {
    t: &'t Recording<'t, R>,
    id: u32,
}

impl<R: Real> Clone for Var<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Real> Copy for Var<'_, R> {}

/// The operation that made it, its shape, and its first elements: `softmax [1, 3]: [0.1, 0.2, 0.7]`.
impl<R: Real> fmt::Debug for Var<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        const SHOWN: usize = 6;
        // A message may be written while the tape computes the variable.
        let Ok(arena) = self.t.arena.try_borrow() else { return write!(f, "variable {} of a tape at work", self.id) };
        let node = &arena.nodes[self.id as usize];
        write!(f, "{} {}: [", arena.name(node), node.shape)?;
        for (i, x) in arena.value.as_slice()[node.span()].iter().enumerate().take(SHOWN) {
            write!(f, "{}{x:?}", if i > 0 { ", " } else { "" })?;
        }
        write!(f, "{}]", if node.shape.len() > SHOWN { ", …" } else { "" })
    }
}

impl<'t, R: Real> Recording<'t, R> {
    /// The parameters of this step.
    pub fn params(&self) -> &'t Params<R> {
        self.params
    }

    #[track_caller]
    fn leaf(&'t self, name: &'static str, shape: Shape, tracks: bool, fill: impl FnOnce(&mut [R])) -> Var<'t, R> {
        let id = self.arena_mut().push_leaf(name, shape, tracks, Location::caller(), fill);
        Var { t: self, id }
    }

    /// Numbers with a gradient, by rows; see [`Var::grad`].
    ///
    /// # Panics
    /// If their number is not that of the shape.
    #[track_caller]
    pub fn input(&'t self, shape: impl Into<Shape>, values: &[R]) -> Var<'t, R> {
        let shape = shape.into();
        assert_eq!(values.len(), shape.len(), "input {shape}: {} numbers", values.len());
        self.leaf("input", shape, true, |y| y.copy_from_slice(values))
    }

    /// Numbers without a gradient, by rows.
    ///
    /// # Panics
    /// If their number is not that of the shape.
    #[track_caller]
    pub fn constant(&'t self, shape: impl Into<Shape>, values: &[R]) -> Var<'t, R> {
        let shape = shape.into();
        assert_eq!(values.len(), shape.len(), "constant {shape}: {} numbers", values.len());
        self.leaf("constant", shape, false, |y| y.copy_from_slice(values))
    }

    /// Zeros without a gradient. Products with them are not computed.
    #[track_caller]
    pub fn zeros(&'t self, shape: impl Into<Shape>) -> Var<'t, R> {
        let zeros = self.leaf("zeros", shape.into(), false, |y| y.fill(R::ZERO));
        self.arena_mut().nodes[zeros.id as usize].zero = true;
        zeros
    }

    /// Numbers without a gradient. `fill` must write every one of them; they hold numbers of an earlier step.
    #[track_caller]
    pub fn filled(&'t self, name: &'static str, shape: impl Into<Shape>, fill: impl FnOnce(&mut [R])) -> Var<'t, R> {
        self.leaf(name, shape.into(), false, fill)
    }

    /// Numbers without a gradient that `fill` computes from the value of another variable. It must write every one of
    /// them; they hold numbers of an earlier step.
    #[track_caller]
    pub fn filled_from(
        &'t self,
        name: &'static str,
        shape: impl Into<Shape>,
        from: Var<'t, R>,
        fill: impl FnOnce(&[R], &mut [R]),
    ) -> Var<'t, R> {
        let none = Indices { start: 0, end: 0 };
        self.filled_by(name, shape, (from, none), |from, _, y| fill(from, y))
    }

    /// As [`filled_from`](Self::filled_from), for what also needs whole numbers of the tape.
    #[track_caller]
    pub fn filled_by(
        &'t self,
        name: &'static str,
        shape: impl Into<Shape>,
        (from, indices): (Var<'t, R>, Indices),
        fill: impl FnOnce(&[R], &[u32], &mut [R]),
    ) -> Var<'t, R> {
        assert!(std::ptr::eq(from.t, self), "{name}: from a variable of another tape");
        let y = self.leaf(name, shape.into(), false, |_| {});
        let arena = &mut *self.arena_mut();
        let (span, from) = (arena.nodes[y.id as usize].span(), arena.nodes[from.id as usize].span());
        let (before, values) = arena.value.as_mut_slice().split_at_mut(span.start);
        fill(&before[from], &arena.indices[indices.start..indices.end], &mut values[..span.len()]);
        y
    }

    /// Puts whole numbers that an operation needs, such as labels, on the tape.
    #[track_caller]
    pub fn indices(&self, indices: &[u32]) -> Indices {
        let all = &mut self.arena_mut().indices;
        let start = all.len();
        all.extend_from_slice(indices);
        Indices { start, end: all.len() }
    }

    /// The places of the elements of `x` for which `holds`, in ascending order.
    #[track_caller]
    pub fn indices_where(&'t self, x: Var<'t, R>, holds: impl Fn(R) -> bool) -> Indices {
        assert!(std::ptr::eq(x.t, self), "indices_where: a variable of another tape");
        let arena = &mut *self.arena_mut();
        let (start, values) = (arena.indices.len(), &arena.value.as_slice()[arena.nodes[x.id as usize].span()]);
        arena.indices.extend((0..).zip(values).filter(|&(_, &x)| holds(x)).map(|(i, _)| i));
        Indices { start, end: arena.indices.len() }
    }

    /// Records an operation and computes its output.
    ///
    /// # Panics
    /// If the shapes of the inputs do not fit. The message names the operation, the shapes and where each input was
    /// made.
    #[track_caller]
    pub fn apply(&'t self, op: impl Op<R>, inputs: &[Var<'t, R>]) -> Var<'t, R> {
        assert!(inputs.len() <= MAX_INPUTS, "{}: at most {MAX_INPUTS} inputs", op.name());
        let own = inputs.iter().all(|input| std::ptr::eq(input.t, self));
        assert!(own, "{}: an input of another tape", op.name());
        let ids: ArrayVec<u32, MAX_INPUTS> = inputs.iter().map(|input| input.id).collect();
        let id = self.arena_mut().push_op(op, &ids, self.params, Location::caller());
        Var { t: self, id }
    }

    /// The tape as a table: for each node its id, operation, inputs and shape, the norms of its value and its gradient,
    /// and the line of source code that made it.
    #[track_caller]
    pub fn dump(&self) -> String {
        self.arena().dump()
    }

    /// The memory of the tape, to be read.
    ///
    /// # Panics
    /// If the tape is at work.
    #[track_caller]
    pub(crate) fn arena(&self) -> Ref<'_, Arena<R>> {
        let Ok(arena) = self.arena.try_borrow() else {
            panic!(
                "the tape is at work and lends nothing: inside a closure that fills a variable, no other variable can be read; \
                 read it before, or let filled_from lend it"
            )
        };
        arena
    }

    /// The memory of the tape, to be changed.
    ///
    /// # Panics
    /// If a value or a gradient is still lent, or the tape is at work.
    #[track_caller]
    fn arena_mut(&self) -> RefMut<'_, Arena<R>> {
        let Ok(arena) = self.arena.try_borrow_mut() else {
            panic!(
                "a value or a gradient of this tape is still borrowed, or is being filled: the borrow that value() or grad() \
                 gives must end before the next operation; copy the numbers with to_vec(), or put the borrow in a block"
            )
        };
        arena
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// The recording to which the variable belongs.
    pub fn recording(self) -> &'t Recording<'t, R> {
        self.t
    }

    /// The shape.
    #[track_caller]
    pub fn shape(self) -> Shape {
        self.t.arena().nodes[self.id as usize].shape
    }

    /// The elements, by rows. The borrow must end before the next operation is recorded; [`Var::to_vec`] makes a copy that may
    /// stay.
    ///
    /// # Panics
    /// If the tape is at work: inside a closure that fills a variable.
    #[track_caller]
    pub fn value(self) -> Ref<'t, [R]> {
        Ref::map(self.t.arena(), |arena| &arena.value.as_slice()[arena.nodes[self.id as usize].span()])
    }

    /// A copy of the elements, by rows.
    ///
    /// # Panics
    /// As [`Var::value`].
    #[track_caller]
    pub fn to_vec(self) -> Vec<R> {
        self.value().to_vec()
    }

    /// ∂L/∂ of the elements after a backward, by rows; zeros if L does not depend on them.
    ///
    /// # Panics
    /// If there was no backward yet, or if the variable has no gradient since it depends on no input and no parameter.
    #[track_caller]
    pub fn grad(self) -> Ref<'t, [R]> {
        Ref::map(self.t.arena(), |arena| {
            let node = &arena.nodes[self.id as usize];
            assert!((self.id as usize) < arena.swept, "there are no gradients before backward is called");
            assert!(node.tracks, "{} has no gradient: it depends on no input and no parameter", arena.name(node));
            &arena.grad.as_slice()[node.span()]
        })
    }

    /// Whether it depends on an input or on a parameter, so that backward computes a gradient of it.
    #[track_caller]
    pub fn has_gradient(self) -> bool {
        self.t.arena().nodes[self.id as usize].tracks
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one.
    #[track_caller]
    pub fn item(self) -> R {
        let value = self.value();
        assert_eq!(value.len(), 1, "item: a variable of one element, not {}", self.shape());
        value[0]
    }

    /// Records an operation of one input.
    #[track_caller]
    pub(crate) fn then(self, op: impl Op<R>) -> Var<'t, R> {
        self.t.apply(op, &[self])
    }

    /// A part of the variable's span that begins at `offset`, seen with another shape.
    #[track_caller]
    pub(crate) fn view(self, name: &'static str, offset: usize, shape: Shape) -> Var<'t, R> {
        let id = self.t.arena_mut().push_view(name, self.id, offset, shape, Location::caller());
        Var { t: self.t, id }
    }

    /// Panics with a message that says what is wrong with this variable as the input of `op`.
    #[track_caller]
    pub(crate) fn refuse(self, op: &str, why: &str) -> ! {
        panic!("{}", self.t.arena().shape_error(op, &[self.id], why))
    }

    /// The same elements, through which no gradient flows. This is a view: nothing is copied.
    #[track_caller]
    pub fn stop_gradient(self) -> Var<'t, R> {
        let stopped = self.view("stop_gradient", 0, self.shape());
        self.t.arena_mut().nodes[stopped.id as usize].tracks = false;
        stopped
    }

    /// Computes ∂self/∂ of everything on this tape without adding to any [`Grads`](crate::Grads) yet:
    /// [`accumulate`](crate::accumulate()) does that for many tapes at once.
    ///
    /// # Panics
    /// If self does not have exactly one element, or if it depends on no input and no parameter.
    #[track_caller]
    pub fn sweep(self) {
        let shape = self.shape();
        assert_eq!(shape.len(), 1, "backward starts at a scalar, not at {shape}; take its sum or mean");
        assert!(self.has_gradient(), "{}", self.t.arena().no_gradient(self.id));
        self.t.arena_mut().sweep(self.id, self.t.params);
    }
}
