//! The tape: what was computed, in order, in two slabs of the same layout — `value` and `grad[i] = ∂L/∂value[i]`.
//!
//! A node names its inputs and its span of the slabs. Nodes are recorded after their inputs, so backward is a loop over
//! them in reverse; and an output lies after its inputs, so `split_at_mut` lends both at once. Nothing is freed between
//! steps, so the second step of the same shape allocates nothing.

use std::any::Any;
use std::cell::{Ref, RefCell};
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::Location;

use crate::accumulate::{self, Contribution, Place};
use crate::kernels::reduce;
use crate::op::{Backward, Forward, Op, Setup};
use crate::params::{Grads, Params};
use crate::real::Real;
use crate::shape::Shape;
use crate::slab::Slab;

/// The most inputs that an operation has.
const MAX_INPUTS: usize = 8;

/// One entry of the tape.
pub(crate) struct Node {
    kind: Kind,
    inputs: [u32; MAX_INPUTS],
    inputs_len: u8,
    pub(crate) shape: Shape,
    /// Where its value and its gradient begin in the two slabs.
    pub(crate) start: usize,
    /// Where what it saved begins.
    pub(crate) saved: usize,
    saved_len: usize,
    /// The node whose span it lies in: itself, or what it is a view of.
    pub(crate) owner: u32,
    /// Whether it has a gradient.
    pub(crate) tracks: bool,
    /// Whether it is all 0, so that products with it need no computing.
    pub(crate) zero: bool,
    place: &'static Location<'static>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// Numbers from outside.
    Leaf(&'static str),
    /// Other axes, or a part, of its input's own span: the gradient is shared too.
    View(&'static str),
    /// The output of the operation in that slot.
    Op(u32),
}

impl Node {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.shape.len()
    }

    pub(crate) fn inputs(&self) -> &[u32] {
        &self.inputs[..self.inputs_len as usize]
    }
}

/// A span of whole numbers that an operation keeps on the tape, such as labels.
#[derive(Clone, Copy, Debug)]
pub struct Indices(pub(crate) usize, pub(crate) usize);

pub(crate) struct Inner<R> {
    nodes: Vec<Node>,
    pub(crate) value: Slab<R>,
    grad: Slab<R>,
    used: usize,
    saved: Slab<R>,
    saved_used: usize,
    indices: Vec<u32>,
    /// Slots of operations; the first `ops_used` are this step's, the others an earlier one's, kept for their memory.
    ops: Vec<Box<dyn Op<R>>>,
    ops_used: usize,
    /// Which nodes the sweep has come to.
    reached: Vec<bool>,
    /// Of which nodes that own their span the gradient holds numbers of this sweep.
    begun: Vec<bool>,
    /// How many nodes the last sweep of this step covered: the others have no gradient yet.
    swept: usize,
    pub(crate) contributions: Vec<Contribution>,
}

impl<R> Default for Inner<R> {
    fn default() -> Self {
        Inner {
            nodes: Vec::new(),
            value: Slab::default(),
            grad: Slab::default(),
            used: 0,
            saved: Slab::default(),
            saved_used: 0,
            indices: Vec::new(),
            ops: Vec::new(),
            ops_used: 0,
            reached: Vec::new(),
            begun: Vec::new(),
            swept: 0,
            contributions: Vec::new(),
        }
    }
}

/// The memory of a computation, used step after step. Any number of tapes may read one [`Params`].
#[derive(Default)]
pub struct Tape<R> {
    pub(crate) inner: Inner<R>,
}

impl<R: Real> Tape<R> {
    /// An empty tape.
    pub fn new() -> Self {
        Tape { inner: Inner::default() }
    }

    /// Forgets the last step, keeps its memory, and records a new one. A variable of the forgotten step does not
    /// compile:
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
        let mut inner = std::mem::take(&mut self.inner);
        inner.nodes.clear();
        inner.indices.clear();
        inner.contributions.clear();
        (inner.used, inner.saved_used, inner.ops_used, inner.swept) = (0, 0, 0, 0);
        Recording { inner: RefCell::new(inner), home: self, params }
    }
}

/// A step being recorded. When it is dropped its memory goes back to the [`Tape`].
pub struct Recording<'t, R: Real> {
    inner: RefCell<Inner<R>>,
    home: &'t mut Tape<R>,
    params: &'t Params<R>,
}

impl<R: Real> Drop for Recording<'_, R> {
    fn drop(&mut self) {
        self.home.inner = std::mem::take(self.inner.get_mut());
    }
}

/// A variable: a handle to a node of the tape, to be copied freely.
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

impl<'t, R: Real> Recording<'t, R> {
    /// The parameters of this step.
    pub fn params(&self) -> &'t Params<R> {
        self.params
    }

    #[track_caller]
    fn leaf(&'t self, name: &'static str, shape: Shape, tracks: bool, fill: impl FnOnce(&mut [R])) -> Var<'t, R> {
        let place = Location::caller();
        let inner = &mut *self.inner.borrow_mut();
        let id = inner.push(Kind::Leaf(name), &[], shape, tracks, place);
        let span = inner.nodes[id as usize].span();
        fill(&mut inner.value.all_mut()[span]);
        Var { t: self, id }
    }

    /// Numbers with a gradient, by rows; see [`Var::grad`].
    ///
    /// # Panics
    /// Where their number is not the shape's.
    #[track_caller]
    pub fn input(&'t self, shape: impl Into<Shape>, values: &[R]) -> Var<'t, R> {
        let shape = shape.into();
        assert_eq!(values.len(), shape.len(), "input {shape}: {} numbers", values.len());
        self.leaf("input", shape, true, |y| y.copy_from_slice(values))
    }

    /// Numbers without a gradient, by rows.
    ///
    /// # Panics
    /// Where their number is not the shape's.
    #[track_caller]
    pub fn constant(&'t self, shape: impl Into<Shape>, values: &[R]) -> Var<'t, R> {
        let shape = shape.into();
        assert_eq!(values.len(), shape.len(), "constant {shape}: {} numbers", values.len());
        self.leaf("constant", shape, false, |y| y.copy_from_slice(values))
    }

    /// Zeros without a gradient.
    #[track_caller]
    pub fn zeros(&'t self, shape: impl Into<Shape>) -> Var<'t, R> {
        let zeros = self.leaf("zeros", shape.into(), false, |y| y.fill(R::ZERO));
        self.inner.borrow_mut().nodes[zeros.id as usize].zero = true;
        zeros
    }

    /// Numbers without a gradient that `fill` writes, every one of them (they hold an earlier step's).
    #[track_caller]
    pub fn filled(&'t self, name: &'static str, shape: impl Into<Shape>, fill: impl FnOnce(&mut [R])) -> Var<'t, R> {
        self.leaf(name, shape.into(), false, fill)
    }

    /// Numbers without a gradient that `fill` writes, every one of them, from the value of another variable.
    #[track_caller]
    pub fn filled_from(
        &'t self,
        name: &'static str,
        shape: impl Into<Shape>,
        from: Var<'t, R>,
        fill: impl FnOnce(&[R], &mut [R]),
    ) -> Var<'t, R> {
        let place = Location::caller();
        assert!(std::ptr::eq(from.t, self), "{name}: from a variable of another tape");
        let inner = &mut *self.inner.borrow_mut();
        let id = inner.push(Kind::Leaf(name), &[], shape.into(), false, place);
        let (span, from) = (inner.nodes[id as usize].span(), inner.nodes[from.id as usize].span());
        let (before, y) = inner.value.all_mut().split_at_mut(span.start);
        fill(&before[from], &mut y[..span.len()]);
        Var { t: self, id }
    }

    /// Whole numbers that an operation needs, such as labels.
    pub fn indices(&self, indices: &[u32]) -> Indices {
        let inner = &mut *self.inner.borrow_mut();
        let start = inner.indices.len();
        inner.indices.extend_from_slice(indices);
        Indices(start, start + indices.len())
    }

    /// Records an operation and computes its output.
    ///
    /// # Panics
    /// Where the inputs' shapes do not fit, naming the operation, the shapes and where each was made.
    #[track_caller]
    pub fn apply(&'t self, op: impl Op<R>, inputs: &[Var<'t, R>]) -> Var<'t, R> {
        let place = Location::caller();
        let mut ids = [0; MAX_INPUTS];
        assert!(inputs.len() <= MAX_INPUTS, "{}: at most {MAX_INPUTS} inputs", op.name());
        for (id, input) in ids.iter_mut().zip(inputs) {
            assert!(std::ptr::eq(input.t, self), "{}: an input of another tape", op.name());
            *id = input.id;
        }
        let ids = &ids[..inputs.len()];
        let mut shapes = [Shape::default(); MAX_INPUTS];
        let inner = &mut *self.inner.borrow_mut();
        for (shape, &id) in shapes.iter_mut().zip(ids) {
            *shape = inner.nodes[id as usize].shape;
        }
        let shapes = &shapes[..ids.len()];
        let shape = match op.shape(Setup { shapes, params: self.params }) {
            Ok(shape) => shape,
            Err(why) => panic!("{}", inner.shape_error(op.name(), ids, &why)),
        };
        let saved_len = op.saved_len(Setup { shapes, params: self.params });
        let tracks = op.has_parameters() || ids.iter().any(|&id| inner.nodes[id as usize].tracks);
        let slot = inner.keep(op);
        let id = inner.push(Kind::Op(slot), ids, shape, tracks, place);
        inner.nodes[id as usize].saved = inner.saved_used;
        inner.nodes[id as usize].saved_len = saved_len;
        inner.saved_used += Slab::<R>::span(saved_len);
        inner.saved.grow(inner.saved_used);

        let node = &inner.nodes[id as usize];
        let (values, y) = inner.value.all_mut().split_at_mut(node.start);
        let cx = Forward {
            nodes: &inner.nodes,
            inputs: ids,
            values,
            indices: &inner.indices,
            params: self.params,
            saved: &mut inner.saved.all_mut()[node.saved..][..saved_len],
        };
        inner.ops[slot as usize].forward(cx, &mut y[..shape.len()]);
        Var { t: self, id }
    }

    /// The tape as a table for readers: id, operation, inputs, shape, norms of value and gradient, place in the source.
    pub fn dump(&self) -> String {
        let inner = self.inner.borrow();
        let mut table = format!(
            "{:>5}  {:<14} {:<14} {:<16} {:>10} {:>10}  made at\n",
            "id", "operation", "inputs", "shape", "‖value‖", "‖grad‖"
        );
        for (id, node) in inner.nodes.iter().enumerate() {
            let norm = |slab: &Slab<R>| reduce::sum_of_squares(slab.all().get(node.span()).unwrap_or(&[])).sqrt();
            let inputs = node.inputs().iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            let has_gradient = node.tracks && id < inner.swept;
            let gradient = if has_gradient { format!("{:.3e}", norm(&inner.grad)) } else { "-".to_owned() };
            let shape = node.shape.to_string();
            let name = inner.name(node);
            let value = format!("{:.3e}", norm(&inner.value));
            writeln!(table, "{id:>5}  {name:<14} {inputs:<14} {shape:<16} {value:>10} {gradient:>10}  {}", node.place)
                .expect("a string takes all");
        }
        table
    }
}

impl<R: Real> Inner<R> {
    fn push(
        &mut self,
        kind: Kind,
        inputs: &[u32],
        shape: Shape,
        tracks: bool,
        place: &'static Location<'static>,
    ) -> u32 {
        let start = self.used;
        self.used += Slab::<R>::span(shape.len());
        self.value.grow(self.used);
        self.push_at(kind, inputs, shape, start, tracks, place)
    }

    fn push_at(
        &mut self,
        kind: Kind,
        inputs: &[u32],
        shape: Shape,
        start: usize,
        tracks: bool,
        place: &'static Location<'static>,
    ) -> u32 {
        let mut all = [0; MAX_INPUTS];
        all[..inputs.len()].copy_from_slice(inputs);
        let owner = match kind {
            Kind::View(_) => self.nodes[inputs[0] as usize].owner,
            _ => self.nodes.len() as u32,
        };
        self.nodes.push(Node {
            kind,
            inputs: all,
            inputs_len: inputs.len() as u8,
            shape,
            start,
            saved: 0,
            saved_len: 0,
            owner,
            tracks,
            zero: false,
            place,
        });
        self.nodes.len() as u32 - 1
    }

    /// Moves the operation into the next slot: into the memory of the last step's, where that was of the same type.
    fn keep<O: Op<R>>(&mut self, op: O) -> u32 {
        match self.ops.get_mut(self.ops_used) {
            Some(slot) => match (&mut **slot as &mut dyn Any).downcast_mut::<O>() {
                Some(same) => *same = op,
                None => *slot = Box::new(op),
            },
            None => self.ops.push(Box::new(op)),
        }
        self.ops_used += 1;
        self.ops_used as u32 - 1
    }

    fn name(&self, node: &Node) -> &'static str {
        match node.kind {
            Kind::Leaf(name) | Kind::View(name) => name,
            Kind::Op(slot) => self.ops[slot as usize].name(),
        }
    }

    fn shape_error(&self, op: &str, inputs: &[u32], why: &str) -> String {
        let mut message = format!("{op}: {why}");
        for (i, &id) in inputs.iter().enumerate() {
            let node = &self.nodes[id as usize];
            write!(message, "\n  operand {i}: {} {}, made at {}", self.name(node), node.shape, node.place)
                .expect("a string takes all");
        }
        message
    }

    /// The reverse sweep: ∂L/∂ of every node, and the list of what it adds to parameters.
    fn sweep(&mut self, root: u32, params: &Params<R>) {
        self.grad.grow(self.used);
        for flags in [&mut self.reached, &mut self.begun] {
            flags.clear();
            flags.resize(self.nodes.len(), false);
        }
        self.contributions.clear();
        self.swept = self.nodes.len();
        let Node { start, owner, .. } = self.nodes[root as usize];
        // (The root may be a view of a part.)
        self.grad.all_mut()[self.nodes[owner as usize].span()].fill(R::ZERO);
        self.grad.all_mut()[start] = R::ONE;
        (self.reached[root as usize], self.begun[owner as usize]) = (true, true);
        for id in (0..=root as usize).rev() {
            let node = &self.nodes[id];
            if !self.reached[id] || !node.tracks {
                continue;
            }
            match node.kind {
                Kind::Leaf(_) => {}
                Kind::View(_) => self.reached[node.inputs[0] as usize] = true,
                Kind::Op(slot) => {
                    let (before, after) = self.grad.all_mut().split_at_mut(node.start);
                    let mut cx = Backward {
                        nodes: &self.nodes,
                        node,
                        values: self.value.all(),
                        indices: &self.indices,
                        before,
                        d_y: &after[..node.shape.len()],
                        reached: &mut self.reached,
                        begun: &mut self.begun,
                        contributions: &mut self.contributions,
                        params,
                        saved: &mut self.saved.all_mut()[node.saved..][..node.saved_len],
                    };
                    self.ops[slot as usize].backward(&mut cx);
                }
            }
        }
        // What the sweep did not come to has the gradient 0.
        for (id, node) in self.nodes.iter().enumerate() {
            if node.tracks && node.owner == id as u32 && !self.begun[id] {
                self.grad.all_mut()[node.span()].fill(R::ZERO);
            }
        }
    }

    /// What lies at a place of a contribution.
    pub(crate) fn d(&self, place: Place, len: usize) -> &[R] {
        match place {
            Place::Grad(start) => &self.grad.all()[start..][..len],
            Place::Saved(start) => &self.saved.all()[start..][..len],
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// The recording to which it belongs.
    pub fn recording(self) -> &'t Recording<'t, R> {
        self.t
    }

    /// Its shape.
    pub fn shape(self) -> Shape {
        self.t.inner.borrow().nodes[self.id as usize].shape
    }

    /// Its elements, by rows. Let go of them before the next operation is recorded.
    pub fn value(self) -> Ref<'t, [R]> {
        Ref::map(self.t.inner.borrow(), |inner| &inner.value.all()[inner.nodes[self.id as usize].span()])
    }

    /// ∂L/∂ its elements, by rows, after a backward; zeros where L does not depend on it.
    ///
    /// # Panics
    /// Before a backward, or where it is a constant or a stopped variable, which has none.
    #[track_caller]
    pub fn grad(self) -> Ref<'t, [R]> {
        Ref::map(self.t.inner.borrow(), |inner| {
            let node = &inner.nodes[self.id as usize];
            assert!((self.id as usize) < inner.swept, "gradients are there once backward was called");
            assert!(node.tracks, "{} has no gradient: it depends on no input and no parameter", inner.name(node));
            &inner.grad.all()[node.span()]
        })
    }

    /// Its only element.
    ///
    /// # Panics
    /// Where it has not exactly one.
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

    /// A part of its span, seen with another shape.
    #[track_caller]
    fn view(self, name: &'static str, offset: usize, shape: Shape, tracks: bool) -> Var<'t, R> {
        let place = Location::caller();
        let inner = &mut *self.t.inner.borrow_mut();
        let node = &inner.nodes[self.id as usize];
        let (start, tracks) = (node.start + offset, tracks && node.tracks);
        let id = inner.push_at(Kind::View(name), &[self.id], shape, start, tracks, place);
        Var { t: self.t, id }
    }

    /// The same elements with other axes. A view: nothing is copied.
    ///
    /// # Panics
    /// Where the number of elements differs.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Var<'t, R> {
        let (from, to) = (self.shape(), shape.into());
        if from.len() != to.len() {
            let inner = self.t.inner.borrow();
            panic!(
                "{}",
                inner.shape_error(
                    "reshape",
                    &[self.id],
                    &format!("{from} has {} elements and {to} has {}", from.len(), to.len())
                )
            );
        }
        self.view("reshape", 0, to, true)
    }

    /// Rows `range` of the first axis. A view: nothing is copied.
    ///
    /// # Panics
    /// Where the range leaves the axis.
    #[track_caller]
    pub fn slice(self, range: Range<usize>) -> Var<'t, R> {
        let from = self.shape();
        if from.axes().first().is_none_or(|&len| range.end > len || range.start > range.end) {
            let inner = self.t.inner.borrow();
            panic!(
                "{}",
                inner.shape_error("slice", &[self.id], &format!("the range {range:?} leaves the first axis of {from}"))
            );
        }
        let mut axes = from;
        let inner_len: usize = from.axes()[1..].iter().product();
        axes = axes.with_first(range.len());
        self.view("slice", range.start * inner_len, axes, true)
    }

    /// The same elements, through which no gradient flows. A view: nothing is copied.
    #[track_caller]
    pub fn stop_gradient(self) -> Var<'t, R> {
        self.view("stop_gradient", 0, self.shape(), false)
    }

    /// ∂self/∂ everything on this tape, without adding it to any [`Grads`] yet: [`accumulate()`](crate::accumulate()) does that for many tapes
    /// at once.
    ///
    /// # Panics
    /// Where self has not exactly one element.
    #[track_caller]
    pub fn sweep(self) {
        let shape = self.shape();
        assert_eq!(shape.len(), 1, "backward starts at a scalar, not at {shape}; take its sum or mean");
        self.t.inner.borrow_mut().sweep(self.id, self.t.params);
    }

    /// Adds ∂self/∂θ to `grads` for every parameter θ. Calling it twice adds the same twice.
    ///
    /// # Panics
    /// Where self has not exactly one element.
    #[track_caller]
    pub fn backward(self, grads: &mut Grads<R>) {
        self.sweep();
        let inner: &Inner<R> = &self.t.inner.borrow();
        accumulate::add_up(self.t.params, 1, &|_| inner, grads, true);
    }
}
