//! Views: a variable's own elements with other axes, or a part of them. Nothing is copied.

use std::ops::Range;

use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

impl<'t, R: Real> Var<'t, R> {
    /// The same elements with other axes. This is a view: nothing is copied.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(self, shape: impl Into<Shape>) -> Var<'t, R> {
        let (from, to) = (self.shape(), shape.into());
        if from.len() != to.len() {
            self.refuse("reshape", &format!("{from} has {} elements and {to} has {}", from.len(), to.len()));
        }
        self.view("reshape", 0, to)
    }

    /// The rows `range` of the first axis. This is a view: nothing is copied.
    ///
    /// # Panics
    /// If the range exceeds the axis.
    #[track_caller]
    pub fn slice(self, range: Range<usize>) -> Var<'t, R> {
        let from = self.shape();
        if from.axes().first().is_none_or(|&len| range.end > len || range.start > range.end) {
            self.refuse("slice", &format!("the range {range:?} exceeds the first axis of {from}"));
        }
        let row: usize = from.axes()[1..].iter().product();
        self.view("slice", range.start * row, from.with_axis(0, range.len()))
    }
}
