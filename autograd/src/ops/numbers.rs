//! The operators +, −, · and / between a variable and a number, in both orders.
//!
//! A number on the left must be f32 or f64, as in `1.0 - x`. Code for any number type writes the number on the right, or
//! `-x + one`.

use std::ops::{Add, Div, Mul, Sub};

use super::unary::{Apply, Unary};
use crate::kernels::simd::Lanes;
use crate::real::Real;
use crate::tape::Var;

/// y = sign·x + c
#[derive(Clone, Copy)]
struct AddNumber<R> {
    sign: R,
    c: R,
}
impl<R: Real> Unary<R> for AddNumber<R> {
    const NAME: &'static str = "add_number";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.mul_add(x, l.splat(self.sign), l.splat(self.c))
    }
    // the sign
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, _: L::V) -> L::V {
        l.splat(self.sign)
    }
}

/// y = x/c
#[derive(Clone, Copy)]
struct OverNumber<R>(R);
impl<R: Real> Unary<R> for OverNumber<R> {
    const NAME: &'static str = "div_by_number";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.div(x, l.splat(self.0))
    }
    // 1/c
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, _: L::V, _: L::V) -> L::V {
        l.div(l.splat(R::ONE), l.splat(self.0))
    }
}

/// y = c/x
#[derive(Clone, Copy)]
struct NumberOver<R>(R);
impl<R: Real> Unary<R> for NumberOver<R> {
    const NAME: &'static str = "number_div";
    #[inline(always)]
    fn f<L: Lanes<R>>(self, l: L, x: L::V) -> L::V {
        l.div(l.splat(self.0), x)
    }
    // −y/x
    #[inline(always)]
    fn slope<L: Lanes<R>>(self, l: L, x: L::V, y: L::V) -> L::V {
        l.div(l.sub(l.splat(R::ZERO), y), x)
    }
}

impl<'t, R: Real> Add<R> for Var<'t, R> {
    type Output = Var<'t, R>;
    /// x + c, elementwise.
    #[track_caller]
    fn add(self, c: R) -> Var<'t, R> {
        self.then(Apply(AddNumber { sign: R::ONE, c }))
    }
}

impl<'t, R: Real> Sub<R> for Var<'t, R> {
    type Output = Var<'t, R>;
    /// x − c, elementwise.
    #[track_caller]
    fn sub(self, c: R) -> Var<'t, R> {
        self.then(Apply(AddNumber { sign: R::ONE, c: -c }))
    }
}

impl<'t, R: Real> Mul<R> for Var<'t, R> {
    type Output = Var<'t, R>;
    /// x·c, elementwise: the same as [`Var::scale`].
    #[track_caller]
    fn mul(self, c: R) -> Var<'t, R> {
        self.scale(c)
    }
}

impl<'t, R: Real> Div<R> for Var<'t, R> {
    type Output = Var<'t, R>;
    /// x/c, elementwise.
    #[track_caller]
    fn div(self, c: R) -> Var<'t, R> {
        self.then(Apply(OverNumber(c)))
    }
}

/// The operators with a number of this type on the left. (Rust allows them for a type that is named, not for any R.)
macro_rules! number_on_the_left {
    ($R:ty) => {
        impl<'t> Add<Var<'t, $R>> for $R {
            type Output = Var<'t, $R>;
            /// c + x, elementwise.
            #[track_caller]
            fn add(self, x: Var<'t, $R>) -> Var<'t, $R> {
                x + self
            }
        }

        impl<'t> Sub<Var<'t, $R>> for $R {
            type Output = Var<'t, $R>;
            /// c − x, elementwise.
            #[track_caller]
            fn sub(self, x: Var<'t, $R>) -> Var<'t, $R> {
                x.then(Apply(AddNumber { sign: -1.0, c: self }))
            }
        }

        impl<'t> Mul<Var<'t, $R>> for $R {
            type Output = Var<'t, $R>;
            /// c·x, elementwise: the same as [`Var::scale`].
            #[track_caller]
            fn mul(self, x: Var<'t, $R>) -> Var<'t, $R> {
                x.scale(self)
            }
        }

        impl<'t> Div<Var<'t, $R>> for $R {
            type Output = Var<'t, $R>;
            /// c/x, elementwise.
            #[track_caller]
            fn div(self, x: Var<'t, $R>) -> Var<'t, $R> {
                x.then(Apply(NumberOver(self)))
            }
        }
    };
}

number_on_the_left!(f32);
number_on_the_left!(f64);
