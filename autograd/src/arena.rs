//! The memory of a tape: its nodes, the two slabs `value` and `grad`, and the loop in reverse that is backpropagation.

use std::any::Any;
use std::fmt::Write as _;
use std::panic::Location;

use arrayvec::ArrayVec;

use crate::kernels::norm::norm;
use crate::node::{Contribution, GradientPlace, MAX_INPUTS, Node, NodeKind, NotFinite};
use crate::op::{Backward, Forward, Op, Setup};
use crate::params::Params;
use crate::real::Real;
use crate::shape::Shape;
use crate::slab::Slab;

/// All memory of a tape. Nothing is freed between steps, so the second step of the same shape allocates nothing.
pub(crate) struct Arena<R> {
    pub(crate) nodes: Vec<Node>,
    pub(crate) value: Slab<R>,
    /// `grad[i] = ∂L/∂value[i]`
    pub(crate) grad: Slab<R>,
    used: usize,
    saved: Slab<R>,
    saved_used: usize,
    pub(crate) indices: Vec<u32>,
    /// Slots of operations. The first `ops_used` belong to this step; the others are kept for their memory.
    ops: Vec<Box<dyn Op<R>>>,
    ops_used: usize,
    /// For each node, whether the sweep has come to it.
    reached: Vec<bool>,
    /// For each node that owns its span, whether its gradient holds numbers of this sweep.
    begun: Vec<bool>,
    /// The number of nodes that the last sweep of this step covered. Later nodes have no gradient yet.
    pub(crate) swept: usize,
    /// What the last sweep found for the gradients of parameters.
    pub(crate) contributions: Vec<Contribution>,
}

impl<R> Default for Arena<R> {
    fn default() -> Self {
        Arena {
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

impl<R: Real> Arena<R> {
    /// Forgets the last step, but keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.indices.clear();
        self.contributions.clear();
        (self.used, self.saved_used, self.ops_used, self.swept) = (0, 0, 0, 0);
    }

    /// Adds a node with a span of its own, whose value is still to be written.
    fn push(
        &mut self,
        kind: NodeKind,
        inputs: &[u32],
        shape: Shape,
        tracks: bool,
        made_at: &'static Location<'static>,
    ) -> u32 {
        let start = self.used;
        self.used += Slab::<R>::span(shape.len());
        self.value.grow(self.used);
        let id = self.nodes.len() as u32;
        let inputs = inputs.iter().copied().collect();
        self.nodes.push(Node { kind, inputs, shape, start, saved: 0..0, owner: id, tracks, zero: false, made_at });
        id
    }

    /// Adds a node without inputs, whose value `fill` writes.
    pub(crate) fn push_leaf(
        &mut self,
        name: &'static str,
        shape: Shape,
        tracks: bool,
        made_at: &'static Location<'static>,
        fill: impl FnOnce(&mut [R]),
    ) -> u32 {
        let id = self.push(NodeKind::Leaf(name), &[], shape, tracks, made_at);
        fill(&mut self.value.as_mut_slice()[self.nodes[id as usize].span()]);
        id
    }

    /// Adds a node that is a part of its input's span, which begins at `offset`.
    pub(crate) fn push_view(
        &mut self,
        name: &'static str,
        input: u32,
        offset: usize,
        shape: Shape,
        made_at: &'static Location<'static>,
    ) -> u32 {
        let &Node { start, owner, tracks, .. } = &self.nodes[input as usize];
        let inputs = [input].into_iter().collect();
        let (kind, start) = (NodeKind::View(name), start + offset);
        self.nodes.push(Node { kind, inputs, shape, start, saved: 0..0, owner, tracks, zero: false, made_at });
        self.nodes.len() as u32 - 1
    }

    /// Adds the output of an operation and computes it.
    ///
    /// # Panics
    /// If the shapes of the inputs do not fit.
    #[track_caller]
    pub(crate) fn push_op(
        &mut self,
        op: impl Op<R>,
        inputs: &[u32],
        params: &Params<R>,
        made_at: &'static Location<'static>,
    ) -> u32 {
        let shapes: ArrayVec<Shape, MAX_INPUTS> = inputs.iter().map(|&id| self.nodes[id as usize].shape).collect();
        let shape = match op.shape(Setup { shapes: &shapes, params }) {
            Ok(shape) => shape,
            Err(why) => panic!("{}", self.shape_error(op.name(), inputs, &why)),
        };
        let saved_len = op.saved_len(Setup { shapes: &shapes, params });
        let tracks = op.has_parameters() || inputs.iter().any(|&id| self.nodes[id as usize].tracks);
        let slot = self.store(op);
        let id = self.push(NodeKind::Op(slot), inputs, shape, tracks, made_at);
        let saved = self.saved_used..self.saved_used + saved_len;
        self.nodes[id as usize].saved = saved.clone();
        self.saved_used += Slab::<R>::span(saved_len);
        self.saved.grow(self.saved_used);

        // The output lies behind all inputs, so one split lends both.
        let (values, y) = self.value.as_mut_slice().split_at_mut(self.nodes[id as usize].start);
        let cx = Forward {
            nodes: &self.nodes,
            inputs,
            values,
            indices: &self.indices,
            params,
            saved: &mut self.saved.as_mut_slice()[saved],
        };
        self.ops[slot as usize].forward(cx, &mut y[..shape.len()]);
        id
    }

    /// Moves the operation into the next slot. If the last step left one of the same type there, its memory is used
    /// again.
    fn store<O: Op<R>>(&mut self, op: O) -> u32 {
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

    /// Computes ∂L/∂ of every node, where L is the scalar `root`, and lists what is to be added to the gradients of
    /// parameters.
    pub(crate) fn sweep(&mut self, root: u32, params: &Params<R>) {
        self.grad.grow(self.used);
        for flags in [&mut self.reached, &mut self.begun] {
            flags.clear();
            flags.resize(self.nodes.len(), false);
        }
        self.contributions.clear();
        self.swept = self.nodes.len();
        let Node { start, owner, .. } = self.nodes[root as usize];
        // The root may be a view of a part: the rest of its owner's gradient must be 0.
        self.grad.as_mut_slice()[self.nodes[owner as usize].span()].fill(R::ZERO);
        self.grad.as_mut_slice()[start] = R::ONE;
        (self.reached[root as usize], self.begun[owner as usize]) = (true, true);
        for id in (0..=root as usize).rev() {
            let node = &self.nodes[id];
            if !self.reached[id] || !node.tracks {
                continue;
            }
            match node.kind {
                NodeKind::Leaf(_) => {}
                NodeKind::View(_) => self.reached[node.inputs[0] as usize] = true,
                NodeKind::Op(slot) => {
                    let (before, after) = self.grad.as_mut_slice().split_at_mut(node.start);
                    let mut cx = Backward {
                        nodes: &self.nodes,
                        id,
                        node,
                        values: self.value.as_slice(),
                        indices: &self.indices,
                        before,
                        d_y: &after[..node.shape.len()],
                        reached: &mut self.reached,
                        begun: &mut self.begun,
                        contributions: &mut self.contributions,
                        params,
                        saved: &mut self.saved.as_mut_slice()[node.saved.clone()],
                    };
                    self.ops[slot as usize].backward(&mut cx);
                }
            }
        }
        // Nodes that the sweep did not come to have the gradient 0.
        for (id, node) in self.nodes.iter().enumerate() {
            if node.tracks && node.owner == id as u32 && !self.begun[id] {
                self.grad.as_mut_slice()[node.span()].fill(R::ZERO);
            }
        }
    }

    /// The `len` numbers that begin at this place.
    pub(crate) fn gradient_at(&self, place: GradientPlace, len: usize) -> &[R] {
        match place {
            GradientPlace::Gradients(start) => &self.grad.as_slice()[start..][..len],
            GradientPlace::Saved(start) => &self.saved.as_slice()[start..][..len],
        }
    }

    pub(crate) fn name(&self, node: &Node) -> &'static str {
        match node.kind {
            NodeKind::Leaf(name) | NodeKind::View(name) => name,
            NodeKind::Op(slot) => self.ops[slot as usize].name(),
        }
    }

    /// The message for a backward that starts at a node without a gradient.
    pub(crate) fn no_gradient(&self, root: u32) -> String {
        let node = &self.nodes[root as usize];
        format!(
            "backward starts at what depends on no input and no parameter, so there is no gradient to compute; was \
             stop_gradient or constant meant to be in it?\n  {} {}, made at {}",
            self.name(node),
            node.shape,
            node.made_at
        )
    }

    /// The message for inputs whose shapes do not fit.
    pub(crate) fn shape_error(&self, op: &str, inputs: &[u32], why: &str) -> String {
        let mut message = format!("{op}: {why}");
        for (i, &id) in inputs.iter().enumerate() {
            let node = &self.nodes[id as usize];
            write!(message, "\n  operand {i}: {} {}, made at {}", self.name(node), node.shape, node.made_at)
                .expect("writing to a string cannot fail");
        }
        message
    }

    /// See [`Tape::first_not_finite`](crate::Tape::first_not_finite).
    pub(crate) fn first_not_finite(&self) -> Option<NotFinite> {
        let found = |node: &Node, slab: &Slab<R>, is_gradient| {
            let all = slab.as_slice().get(node.span()).unwrap_or(&[]);
            let found = all.iter().map(|x| x.to_f64()).find(|x| !x.is_finite())?;
            let (operation, shape, made_at) = (self.name(node), node.shape, node.made_at);
            Some(NotFinite { operation, shape, is_gradient, found, made_at })
        };
        let swept = self.nodes.iter().take(self.swept).rev().filter(|node| node.tracks);
        let value = self.nodes.iter().find_map(|node| found(node, &self.value, false));
        value.or_else(|| swept.into_iter().find_map(|node| found(node, &self.grad, true)))
    }

    /// See [`Recording::dump`](crate::Recording::dump).
    pub(crate) fn dump(&self) -> String {
        let mut table = format!(
            "{:>5}  {:<14} {:<14} {:<16} {:>10} {:>10}  made at\n",
            "id", "operation", "inputs", "shape", "‖value‖", "‖grad‖"
        );
        for (id, node) in self.nodes.iter().enumerate() {
            let norm_of = |slab: &Slab<R>| norm(slab.as_slice().get(node.span()).unwrap_or(&[]));
            let inputs = node.inputs.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
            let has_gradient = node.tracks && id < self.swept;
            let gradient = if has_gradient { format!("{:.3e}", norm_of(&self.grad)) } else { "-".to_owned() };
            let shape = node.shape.to_string();
            let name = self.name(node);
            let value = format!("{:.3e}", norm_of(&self.value));
            writeln!(
                table,
                "{id:>5}  {name:<14} {inputs:<14} {shape:<16} {value:>10} {gradient:>10}  {}",
                node.made_at
            )
            .expect("writing to a string cannot fail");
        }
        table
    }
}
