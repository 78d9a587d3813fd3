//! Putting variables together along an axis and taking ranges out of it, and parameters as variables.

use std::ops::Range;

use crate::kernels::map::add_to;
use crate::op::{Backward, Forward, Op, Setup};
use crate::params::ParamId;
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::{Recording, Var};

/// The product of the axes before `axis`, and the product of `axis` and the axes after it.
fn split(shape: Shape, axis: usize) -> (usize, usize) {
    let (before, after) = shape.axes().split_at(axis);
    (before.iter().product(), after.iter().product())
}

/// y = x₀, x₁, …, one after the other along an axis.
struct Concat(usize);

impl<R: Real> Op<R> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let first = setup.shapes[0];
        if self.0 >= first.axes().len() {
            return Err(format!("there is no axis {} in {first}; axes count from 0", self.0));
        }
        let mut len = 0;
        for &x in setup.shapes {
            if x.axes().len() != first.axes().len() || x.without_axis(self.0) != first.without_axis(self.0) {
                return Err(format!("{first} and {x} differ in more than axis {}", self.0));
            }
            len += x.axes()[self.0];
        }
        Ok(first.with_axis(self.0, len))
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let total: usize = (0..cx.inputs()).map(|i| split(cx.shape(i), self.0).1).sum();
        let mut start = 0;
        for i in 0..cx.inputs() {
            let (_, len) = split(cx.shape(i), self.0);
            for (x, y) in cx.x(i).chunks_exact(len.max(1)).zip(y.chunks_exact_mut(total.max(1))) {
                y[start..start + len].copy_from_slice(x);
            }
            start += len;
        }
    }
    // d_xᵢ += the part of d_y at which xᵢ lies in y
    fn backward(&self, cx: &mut Backward<R>) {
        let d_y = cx.d_y();
        let total: usize = (0..cx.inputs()).map(|i| split(cx.shape(i), self.0).1).sum();
        let mut start = 0;
        for i in 0..cx.inputs() {
            let (_, len) = split(cx.shape(i), self.0);
            if let Some(d_x) = cx.d_x(i) {
                for (d_x, d_y) in d_x.chunks_exact_mut(len.max(1)).zip(d_y.chunks_exact(total.max(1))) {
                    add_to(&d_y[start..start + len], d_x);
                }
            }
            start += len;
        }
    }
}

/// y = x, reduced to a range of one axis.
struct Narrow {
    axis: usize,
    start: usize,
    end: usize,
}

impl Narrow {
    /// For the blocks that consist of the axis and the axes after it: the span of the range in a block, and the length
    /// of a block.
    fn block(&self, x: Shape) -> (Range<usize>, usize) {
        let (_, block) = split(x, self.axis);
        let inner = block / x.axes()[self.axis].max(1);
        (self.start * inner..self.end * inner, block)
    }
}

impl<R: Real> Op<R> for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let x = setup.shapes[0];
        match x.axes().get(self.axis) {
            Some(&len) if self.start <= self.end && self.end <= len => {
                Ok(x.with_axis(self.axis, self.end - self.start))
            }
            _ => Err(format!("axis {} of {x} has no range {}..{}", self.axis, self.start, self.end)),
        }
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (range, block) = self.block(cx.shape(0));
        for (x, y) in cx.x(0).chunks_exact(block.max(1)).zip(y.chunks_exact_mut(range.len().max(1))) {
            y.copy_from_slice(&x[range.clone()]);
        }
    }
    // d_x[range] += d_y
    fn backward(&self, cx: &mut Backward<R>) {
        let ((range, block), d_y) = (self.block(cx.shape(0)), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            for (d_x, d_y) in d_x.chunks_exact_mut(block.max(1)).zip(d_y.chunks_exact(range.len().max(1))) {
                add_to(d_y, &mut d_x[range.clone()]);
            }
        }
    }
}

/// y has the axes of x in another order.
struct Permute([usize; 4]);

impl Permute {
    /// Visits the numbers of y in their order, each with its position in x.
    fn visit(&self, x: Shape, mut visit: impl FnMut(usize, usize)) {
        let axes = x.axes();
        let stride = |axis: usize| axes[axis + 1..].iter().product::<usize>();
        let [(a, sa), (b, sb), (c, sc), (d, sd)] = self.0.map(|axis| (axes[axis], stride(axis)));
        let mut to = 0;
        for from in (0..a).flat_map(|i| (0..b).map(move |j| i * sa + j * sb)) {
            for from in (0..c).map(|k| from + k * sc) {
                for from in (0..d).map(|l| from + l * sd) {
                    visit(to, from);
                    to += 1;
                }
            }
        }
    }
}

impl<R: Real> Op<R> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let (x, order) = (setup.shapes[0], self.0);
        let mut sorted = order;
        sorted.sort_unstable();
        match x.axes() {
            [_, _, _, _] if sorted == [0, 1, 2, 3] => Ok(Shape::new(&order.map(|axis| x.axes()[axis]))),
            _ => Err(format!("four axes and an order of 0, 1, 2, 3 are needed, not {x} and {order:?}")),
        }
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let x = cx.x(0);
        self.visit(cx.shape(0), |to, from| y[to] = x[from]);
    }
    // d_x += d_y in the order of x
    fn backward(&self, cx: &mut Backward<R>) {
        let (shape, d_y) = (cx.shape(0), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            self.visit(shape, |to, from| d_x[from] += d_y[to]);
        }
    }
}

/// y = θ: a parameter as a variable.
struct Parameter(ParamId);

impl<R: Real> Op<R> for Parameter {
    fn name(&self) -> &'static str {
        "param"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        Ok(setup.params.shape(self.0))
    }
    fn has_parameters(&self) -> bool {
        true
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        y.copy_from_slice(cx.params.get(self.0));
    }
    // d_θ += d_y
    fn backward(&self, cx: &mut Backward<R>) {
        cx.whole_gradient(self.0);
    }
}

impl<'t, R: Real> Recording<'t, R> {
    /// A parameter as a variable, for operations that take variables only. It is copied to the tape, whereas linear
    /// layers read their parameters in place.
    #[track_caller]
    pub fn param(&'t self, id: ParamId) -> Var<'t, R> {
        self.apply(Parameter(id), &[])
    }

    /// The variables one after the other along an axis.
    ///
    /// # Panics
    /// If they differ in another axis, or if there are none or more than eight.
    #[track_caller]
    pub fn concat(&'t self, axis: usize, parts: &[Var<'t, R>]) -> Var<'t, R> {
        assert!(!parts.is_empty(), "concat: there must be at least one variable");
        self.apply(Concat(axis), parts)
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// The same numbers with the four axes in another order: axis i of the result is axis `order[i]` of x.
    ///
    /// # Panics
    /// If x does not have four axes, or `order` is not an order of 0, 1, 2, 3.
    #[track_caller]
    pub fn permute(self, order: [usize; 4]) -> Var<'t, R> {
        self.then(Permute(order))
    }

    /// A range of any axis, copied. ([`Var::slice`] gives a range of the first axis without a copy.)
    ///
    /// # Panics
    /// If the range exceeds the axis.
    #[track_caller]
    pub fn narrow(self, axis: usize, range: Range<usize>) -> Var<'t, R> {
        self.then(Narrow { axis, start: range.start, end: range.end })
    }
}
