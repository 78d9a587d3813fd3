//! Shapes of up to four axes.

use std::fmt;

/// The largest number of axes of a shape.
const MAX_AXES: usize = 4;

/// The lengths of up to four axes. The first axis varies slowest; a scalar has no axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    lengths: [usize; MAX_AXES],
    axes: usize,
}

impl Shape {
    /// A shape with axes of these lengths.
    ///
    /// # Panics
    /// If there are more than four.
    #[track_caller]
    pub fn new(lengths: &[usize]) -> Shape {
        assert!(
            lengths.len() <= MAX_AXES,
            "a shape has at most {MAX_AXES} axes, not the {} of {lengths:?}",
            lengths.len()
        );
        let mut shape = Shape { axes: lengths.len(), ..Shape::default() };
        shape.lengths[..lengths.len()].copy_from_slice(lengths);
        shape
    }

    /// The lengths of the axes.
    pub fn axes(&self) -> &[usize] {
        &self.lengths[..self.axes]
    }

    /// The number of elements; 1 for a scalar.
    pub fn len(&self) -> usize {
        self.axes().iter().product()
    }

    /// Whether there is no element, because an axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the last axis; 1 for a scalar.
    pub fn columns(&self) -> usize {
        self.axes().last().copied().unwrap_or(1)
    }

    /// The product of the lengths of all axes but the last; 1 for a scalar.
    pub fn rows(&self) -> usize {
        let (_, outer) = self.axes().split_last().unwrap_or((&1, &[]));
        outer.iter().product()
    }

    /// This shape with another length of one axis.
    ///
    /// # Panics
    /// If there is no such axis.
    pub(crate) fn with_axis(mut self, axis: usize, len: usize) -> Shape {
        self.lengths[..self.axes][axis] = len;
        self
    }

    /// This shape without one axis.
    ///
    /// # Panics
    /// If there is no such axis.
    pub(crate) fn without_axis(mut self, axis: usize) -> Shape {
        self.lengths[axis..self.axes].rotate_left(1);
        self.axes -= 1;
        self.lengths[self.axes] = 0;
        self
    }

    /// This shape with another length of the last axis; a scalar becomes a row.
    pub fn with_columns(mut self, columns: usize) -> Shape {
        self.axes = self.axes.max(1);
        self.lengths[self.axes - 1] = columns;
        self
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", self.axes())
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    #[track_caller]
    fn from(lengths: [usize; N]) -> Shape {
        Shape::new(&lengths)
    }
}

impl From<&[usize]> for Shape {
    #[track_caller]
    fn from(lengths: &[usize]) -> Shape {
        Shape::new(lengths)
    }
}
