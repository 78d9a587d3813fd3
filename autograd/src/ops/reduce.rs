//! Sums and means, over all elements or along one axis.

use crate::kernels::map::{Elementwise, add_to, map};
use crate::kernels::reduce;
use crate::kernels::simd::Lanes;
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// y + c
#[derive(Clone, Copy)]
struct AddConstant<R>(R);
impl<R: Real> Elementwise<R, 0> for AddConstant<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, []: [L::V; 0]) -> L::V {
        l.add(y, l.splat(self.0))
    }
}

/// y = Σ x, over all elements.
struct SumAll;

impl<R: Real> Op<R> for SumAll {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn shape(&self, _: Setup<R>) -> Result<Shape, String> {
        Ok(Shape::new(&[]))
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        y[0] = reduce::sum(cx.x(0));
    }
    // d_x += d_y
    fn backward(&self, cx: &mut Backward<R>) {
        let d_y = cx.d_y()[0];
        if let Some(d_x) = cx.d_x(0) {
            map(AddConstant(d_y), [], d_x);
        }
    }
}

/// y[o, i] = Σₐ x[o, a, i], where a runs over the axis that is summed, o over the axes before it and i over those after
/// it.
struct SumAxis(usize);

impl SumAxis {
    /// The lengths of a and of i.
    fn lengths(&self, x: Shape) -> [usize; 2] {
        [x.axes()[self.0], x.axes()[self.0 + 1..].iter().product()]
    }
}

impl<R: Real> Op<R> for SumAxis {
    fn name(&self) -> &'static str {
        "sum_axis"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let x = setup.shapes[0];
        if self.0 >= x.axes().len() {
            return Err(format!("there is no axis {} in {x}; axes count from 0", self.0));
        }
        Ok(x.without_axis(self.0))
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let [len, inner] = self.lengths(cx.shape(0));
        y.fill(R::ZERO);
        if len * inner == 0 {
            return;
        }
        for (x, y) in cx.x(0).chunks_exact(len * inner).zip(y.chunks_exact_mut(inner)) {
            if inner == 1 { y[0] = reduce::sum(x) } else { reduce::add_rows(x, y) }
        }
    }
    // d_x[o, a, i] += d_y[o, i]
    fn backward(&self, cx: &mut Backward<R>) {
        let [len, inner] = self.lengths(cx.shape(0));
        let d_y = cx.d_y();
        if let Some(d_x) = cx.d_x(0).filter(|_| len * inner > 0) {
            for (d_x, d_y) in d_x.chunks_exact_mut(len * inner).zip(d_y.chunks_exact(inner)) {
                for d_x in d_x.chunks_exact_mut(inner) {
                    add_to(d_y, d_x);
                }
            }
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// Σ x over all elements: a scalar.
    #[track_caller]
    pub fn sum(self) -> Var<'t, R> {
        self.then(SumAll)
    }

    /// The mean of all elements: a scalar.
    #[track_caller]
    pub fn mean(self) -> Var<'t, R> {
        self.sum().scale(R::from_f64(1.0 / self.shape().len() as f64))
    }

    /// The sum along an axis, which the shape then lacks.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn sum_axis(self, axis: usize) -> Var<'t, R> {
        self.then(SumAxis(axis))
    }

    /// The mean along an axis, which the shape then lacks.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn mean_axis(self, axis: usize) -> Var<'t, R> {
        let sum = self.sum_axis(axis);
        sum.scale(R::from_f64(1.0 / self.shape().axes()[axis] as f64))
    }
}
