//! Functions of one number, as a table of derivatives.

use crate::kernels::map::{Elementwise, map};
use crate::kernels::math;
use crate::kernels::simd::Lanes;
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// A row of the table: y = f(x), and f′(x) computed from x or y, whichever is cheaper.
pub(crate) trait Unary<R: Real>: Copy + Send + Sync + 'static {
    const NAME: &'static str;
    /// f(x)
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V;
    /// f′(x)
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, y: L::V) -> L::V;
}

#[derive(Clone, Copy)]
pub(crate) struct Relu;
impl<R: Real> Unary<R> for Relu {
    const NAME: &'static str = "relu";
    // max(x, 0)
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        math::relu(l, x)
    }
    // 1 where y > 0, else 0
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, y: L::V) -> L::V {
        l.if_gt(y, l.splat(R::ZERO), l.splat(R::ONE), l.splat(R::ZERO))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Tanh;
impl<R: Real> Unary<R> for Tanh {
    const NAME: &'static str = "tanh";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        math::tanh(l, x)
    }
    // 1 − y²
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, y: L::V) -> L::V {
        l.sub(l.splat(R::ONE), l.mul(y, y))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Sigmoid;
impl<R: Real> Unary<R> for Sigmoid {
    const NAME: &'static str = "sigmoid";
    // 1/(1 + e⁻ˣ)
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        math::sigmoid(l, x)
    }
    // y(1 − y)
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, y: L::V) -> L::V {
        l.mul(y, l.sub(l.splat(R::ONE), y))
    }
}

#[derive(Clone, Copy)]
struct Exp;
impl<R: Real> Unary<R> for Exp {
    const NAME: &'static str = "exp";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        math::exp(l, x)
    }
    // y
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, _: L, _: L::V, y: L::V) -> L::V {
        y
    }
}

#[derive(Clone, Copy)]
struct Ln;
impl<R: Real> Unary<R> for Ln {
    const NAME: &'static str = "ln";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        math::ln(l, x)
    }
    // 1/x
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, _: L::V) -> L::V {
        l.div(l.splat(R::ONE), x)
    }
}

#[derive(Clone, Copy)]
struct Square;
impl<R: Real> Unary<R> for Square {
    const NAME: &'static str = "square";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.mul(x, x)
    }
    // 2x
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, _: L::V) -> L::V {
        l.add(x, x)
    }
}

#[derive(Clone, Copy)]
struct Sqrt;
impl<R: Real> Unary<R> for Sqrt {
    const NAME: &'static str = "sqrt";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.sqrt(x)
    }
    // 1/2y
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, y: L::V) -> L::V {
        l.div(l.splat(R::from_f64(0.5)), y)
    }
}

#[derive(Clone, Copy)]
struct Abs;
impl<R: Real> Unary<R> for Abs {
    const NAME: &'static str = "abs";
    // max(x, −x)
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.max(x, l.sub(l.splat(R::ZERO), x))
    }
    // 1 where x > 0, −1 where x < 0, else 0
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, _: L::V) -> L::V {
        let (zero, one) = (l.splat(R::ZERO), l.splat(R::ONE));
        l.if_gt(x, zero, one, l.if_gt(zero, x, l.splat(-R::ONE), zero))
    }
}

#[derive(Clone, Copy)]
struct Scale<R>(R);
impl<R: Real> Unary<R> for Scale<R> {
    const NAME: &'static str = "scale";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.mul(x, l.splat(self.0))
    }
    // the factor
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, _: L::V) -> L::V {
        l.splat(self.0)
    }
}

#[derive(Clone, Copy)]
struct Clamp<R>(R, R);
impl<R: Real> Unary<R> for Clamp<R> {
    const NAME: &'static str = "clamp";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        let (low, high) = (l.splat(self.0), l.splat(self.1));
        l.if_gt(x, high, high, l.if_gt(low, x, low, x))
    }
    // 1 between the bounds and on them, else 0
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, _: L::V) -> L::V {
        let (zero, one) = (l.splat(R::ZERO), l.splat(R::ONE));
        l.if_gt(x, l.splat(self.1), zero, l.if_gt(l.splat(self.0), x, zero, one))
    }
}

/// A row of the table as an operation.
pub(super) struct Apply<U>(pub(super) U);

impl<R: Real, U: Unary<R>> Op<R> for Apply<U> {
    fn name(&self) -> &'static str {
        U::NAME
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        Ok(setup.shapes[0])
    }

    // y = f(x)
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        map(Value(self.0), [cx.x(0)], y);
    }

    // d_x += d_y·f′(x)
    fn backward(&self, cx: &mut Backward<R>) {
        let (x, y, d_y) = (cx.x(0), cx.y(), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            map(Slope(self.0), [x, y, d_y], d_x);
        }
    }
}

#[derive(Clone, Copy)]
struct Value<U>(U);
impl<R: Real, U: Unary<R>> Elementwise<R, 1> for Value<U> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        self.0.f(l, x)
    }
}

#[derive(Clone, Copy)]
struct Slope<U>(U);
impl<R: Real, U: Unary<R>> Elementwise<R, 3> for Slope<U> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, d_x: L::V, [x, y, d_y]: [L::V; 3]) -> L::V {
        l.mul_add(d_y, self.0.slope(l, x, y), d_x)
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// Rect(x) = max(x, 0), elementwise. NaN stays NaN, and −0 becomes +0.
    #[track_caller]
    pub fn relu(self) -> Var<'t, R> {
        self.then(Apply(Relu))
    }

    /// tanh x, elementwise.
    #[track_caller]
    pub fn tanh(self) -> Var<'t, R> {
        self.then(Apply(Tanh))
    }

    /// 1/(1 + e⁻ˣ), elementwise.
    #[track_caller]
    pub fn sigmoid(self) -> Var<'t, R> {
        self.then(Apply(Sigmoid))
    }

    /// eˣ, elementwise.
    #[track_caller]
    pub fn exp(self) -> Var<'t, R> {
        self.then(Apply(Exp))
    }

    /// ln x, elementwise.
    #[track_caller]
    pub fn ln(self) -> Var<'t, R> {
        self.then(Apply(Ln))
    }

    /// x², elementwise.
    #[track_caller]
    pub fn square(self) -> Var<'t, R> {
        self.then(Apply(Square))
    }

    /// √x, elementwise. It is NaN below 0, and its gradient at 0 is infinite.
    #[track_caller]
    pub fn sqrt(self) -> Var<'t, R> {
        self.then(Apply(Sqrt))
    }

    /// |x|, elementwise. The gradient at 0 is 0.
    #[track_caller]
    pub fn abs(self) -> Var<'t, R> {
        self.then(Apply(Abs))
    }

    /// factor·x, elementwise.
    #[track_caller]
    pub fn scale(self, factor: R) -> Var<'t, R> {
        self.then(Apply(Scale(factor)))
    }

    /// x limited to `low..=high`, elementwise. The gradient is 0 outside of the bounds.
    ///
    /// # Panics
    /// If `low` is greater than `high`.
    #[track_caller]
    pub fn clamp(self, low: R, high: R) -> Var<'t, R> {
        assert!(low <= high, "clamp: the lower bound {low} exceeds the upper bound {high}");
        self.then(Apply(Clamp(low, high)))
    }
}
