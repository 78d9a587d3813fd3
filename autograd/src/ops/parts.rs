//! Putting variables together and taking them apart along an axis. (Views — reshape, slice, stop_gradient — are the
//! tape's own.)

use std::ops::Range;

use crate::kernels::map::add_to;
use crate::op::{Backward, Forward, Op, Setup};
use crate::params::ParamId;
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::{Recording, Var};

/// The lengths of what lies before an axis, and of the axis with what lies after it.
fn split(shape: Shape, axis: usize) -> (usize, usize) {
    let (before, after) = shape.axes().split_at(axis);
    (before.iter().product(), after.iter().product())
}

fn with_axis(shape: Shape, axis: usize, len: usize) -> Shape {
    let mut axes = [0; crate::shape::MAX_AXES];
    axes[..shape.axes().len()].copy_from_slice(shape.axes());
    axes[axis] = len;
    Shape::new(&axes[..shape.axes().len()])
}

/// y = x₀, x₁, … one after the other along an axis
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
            if x.axes().len() != first.axes().len() || with_axis(x, self.0, 0) != with_axis(first, self.0, 0) {
                return Err(format!("{first} and {x} differ in more than axis {}", self.0));
            }
            len += x.axes()[self.0];
        }
        Ok(with_axis(first, self.0, len))
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
    // d_xᵢ += the part of d_y that it became
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

/// y = x, of an axis only a range
struct Narrow {
    axis: usize,
    start: usize,
    end: usize,
}

impl Narrow {
    /// The range in numbers, in each block that the axis begins, and the length of such a block.
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
                Ok(with_axis(x, self.axis, self.end - self.start))
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

/// y = θ: a parameter as a variable
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
    /// A parameter as a variable, for operations that take no [`ParamId`]. It is copied to the tape; linear layers read
    /// theirs in place.
    #[track_caller]
    pub fn param(&'t self, id: ParamId) -> Var<'t, R> {
        self.apply(Parameter(id), &[])
    }

    /// The variables one after the other along an axis.
    ///
    /// # Panics
    /// Where they differ in another axis, or are none or more than eight.
    #[track_caller]
    pub fn concat(&'t self, axis: usize, parts: &[Var<'t, R>]) -> Var<'t, R> {
        assert!(!parts.is_empty(), "concat: of no variables");
        self.apply(Concat(axis), parts)
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// A range of any axis, copied (of the first axis, [`Var::slice`] is a view).
    ///
    /// # Panics
    /// Where the range leaves the axis.
    #[track_caller]
    pub fn narrow(self, axis: usize, range: Range<usize>) -> Var<'t, R> {
        self.then(Narrow { axis, start: range.start, end: range.end })
    }
}
