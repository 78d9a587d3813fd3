//! Elementwise sums, differences, products and quotients, and the only broadcast: a row that is added to every row.

use crate::kernels::map::{AddScaled, Elementwise, add_to, map};
use crate::kernels::reduce;
use crate::kernels::simd::Lanes;
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

fn same_shape<R>(setup: Setup<R>) -> Result<Shape, String> {
    match setup.shapes {
        [a, b] if a == b => Ok(*a),
        [a, b] => Err(format!(
            "the shapes {a} and {b} differ, and nothing is broadcast silently (add_row adds a row, and the operators take a number)"
        )),
        _ => unreachable!("two operands"),
    }
}

/// y = a + sign·b
struct Sum<R> {
    sign: R,
}

#[derive(Clone, Copy)]
struct SumOf<R>(R);
impl<R: Real> Elementwise<R, 2> for SumOf<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.mul_add(b, l.splat(self.0), a)
    }
}

impl<R: Real> Op<R> for Sum<R> {
    fn name(&self) -> &'static str {
        if self.sign > R::ZERO { "add" } else { "sub" }
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        same_shape(setup)
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        map(SumOf(self.sign), [cx.x(0), cx.x(1)], y);
    }
    // d_a += d_y;   d_b += sign·d_y
    fn backward(&self, cx: &mut Backward<R>) {
        let d_y = cx.d_y();
        if let Some(d_a) = cx.d_x(0) {
            add_to(d_y, d_a);
        }
        if let Some(d_b) = cx.d_x(1) {
            map(AddScaled(self.sign), [d_y], d_b);
        }
    }
}

/// y = a·b
struct Product;

#[derive(Clone, Copy)]
pub(super) struct ProductOf;
impl<R: Real> Elementwise<R, 2> for ProductOf {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.mul(a, b)
    }
}

#[derive(Clone, Copy)]
struct AddProduct;
impl<R: Real> Elementwise<R, 2> for AddProduct {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, y: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.mul_add(a, b, y)
    }
}

impl<R: Real> Op<R> for Product {
    fn name(&self) -> &'static str {
        "mul"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        same_shape(setup)
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        map(ProductOf, [cx.x(0), cx.x(1)], y);
    }
    // d_a += d_y·b;   d_b += d_y·a
    fn backward(&self, cx: &mut Backward<R>) {
        let (a, b, d_y) = (cx.x(0), cx.x(1), cx.d_y());
        if let Some(d_a) = cx.d_x(0) {
            map(AddProduct, [d_y, b], d_a);
        }
        if let Some(d_b) = cx.d_x(1) {
            map(AddProduct, [d_y, a], d_b);
        }
    }
}

/// y = a/b
struct Quotient;

#[derive(Clone, Copy)]
struct QuotientOf;
impl<R: Real> Elementwise<R, 2> for QuotientOf {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.div(a, b)
    }
}

/// d_a + d_y/b
#[derive(Clone, Copy)]
struct AddQuotient;
impl<R: Real> Elementwise<R, 2> for AddQuotient {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, d_a: L::V, [d_y, b]: [L::V; 2]) -> L::V {
        l.add(d_a, l.div(d_y, b))
    }
}

/// d_b − d_y·y/b
#[derive(Clone, Copy)]
struct SubtractQuotient;
impl<R: Real> Elementwise<R, 3> for SubtractQuotient {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, d_b: L::V, [d_y, y, b]: [L::V; 3]) -> L::V {
        l.sub(d_b, l.div(l.mul(d_y, y), b))
    }
}

impl<R: Real> Op<R> for Quotient {
    fn name(&self) -> &'static str {
        "div"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        same_shape(setup)
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        map(QuotientOf, [cx.x(0), cx.x(1)], y);
    }
    // d_a += d_y/b;   d_b −= d_y·a/b² = d_y·y/b
    fn backward(&self, cx: &mut Backward<R>) {
        let (b, y, d_y) = (cx.x(1), cx.y(), cx.d_y());
        if let Some(d_a) = cx.d_x(0) {
            map(AddQuotient, [d_y, b], d_a);
        }
        if let Some(d_b) = cx.d_x(1) {
            map(SubtractQuotient, [d_y, y, b], d_b);
        }
    }
}

/// y[r, c] = x[r, c] + b[c]
struct AddRow;

impl<R: Real> Op<R> for AddRow {
    fn name(&self) -> &'static str {
        "add_row"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let [x, row] = setup.shapes else { unreachable!("two operands") };
        if row.axes() != [x.columns()] {
            return Err(format!("the row that is added to {x} must have the shape [{}], not {row}", x.columns()));
        }
        Ok(*x)
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let row = cx.x(1);
        for (x, y) in cx.x(0).chunks_exact(row.len().max(1)).zip(y.chunks_exact_mut(row.len().max(1))) {
            map(SumOf(R::ONE), [x, row], y);
        }
    }
    // d_x += d_y;   d_b[c] += Σᵣ d_y[r, c]
    fn backward(&self, cx: &mut Backward<R>) {
        let d_y = cx.d_y();
        if let Some(d_x) = cx.d_x(0) {
            add_to(d_y, d_x);
        }
        if let Some(d_b) = cx.d_x(1) {
            reduce::add_rows(d_y, d_b);
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// x + row, where x is [.., columns] and the row `[columns]`.
    ///
    /// # Panics
    /// If the row is not as long as the last axis.
    #[track_caller]
    pub fn add_row(self, row: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(AddRow, &[self, row])
    }
}

impl<'t, R: Real> std::ops::Add for Var<'t, R> {
    type Output = Var<'t, R>;
    #[track_caller]
    fn add(self, other: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Sum { sign: R::ONE }, &[self, other])
    }
}

impl<'t, R: Real> std::ops::Sub for Var<'t, R> {
    type Output = Var<'t, R>;
    #[track_caller]
    fn sub(self, other: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Sum { sign: -R::ONE }, &[self, other])
    }
}

impl<'t, R: Real> std::ops::Mul for Var<'t, R> {
    type Output = Var<'t, R>;
    #[track_caller]
    fn mul(self, other: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Product, &[self, other])
    }
}

impl<'t, R: Real> std::ops::Div for Var<'t, R> {
    type Output = Var<'t, R>;
    #[track_caller]
    fn div(self, other: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Quotient, &[self, other])
    }
}

impl<'t, R: Real> std::ops::Neg for Var<'t, R> {
    type Output = Var<'t, R>;
    #[track_caller]
    fn neg(self) -> Var<'t, R> {
        self.scale(-R::ONE)
    }
}
