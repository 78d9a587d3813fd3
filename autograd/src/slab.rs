//! One long buffer in which everything of a kind lies side by side, each piece beginning at a cache line.

use bytemuck::{Pod, Zeroable};

use crate::real::Real;

/// A cache line, and the widest register: what every span begins at.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u8; 64]);

impl Line {
    pub(crate) const ZERO: Line = Line([0; 64]);
}

/// A buffer of numbers that starts at a cache line and only ever grows.
pub(crate) struct Slab<R> {
    lines: Vec<Line>,
    element: std::marker::PhantomData<R>,
}

impl<R> Default for Slab<R> {
    fn default() -> Self {
        Slab { lines: Vec::new(), element: std::marker::PhantomData }
    }
}

impl<R> Clone for Slab<R> {
    fn clone(&self) -> Self {
        Slab { lines: self.lines.clone(), element: std::marker::PhantomData }
    }
}

impl<R: Real> Slab<R> {
    /// Elements in a cache line.
    const LINE: usize = 64 / size_of::<R>();

    /// `len` rounded up to whole cache lines: the length of a span.
    pub(crate) fn span(len: usize) -> usize {
        len.next_multiple_of(Self::LINE)
    }

    /// Makes room for at least `len` elements; new ones are 0.
    pub(crate) fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(Self::LINE);
        if lines > self.lines.len() {
            self.lines.resize(lines.max(self.lines.len() * 3 / 2), Line::ZERO);
        }
    }

    /// Everything.
    pub(crate) fn all(&self) -> &[R] {
        bytemuck::cast_slice(&self.lines)
    }

    /// Everything.
    pub(crate) fn all_mut(&mut self) -> &mut [R] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}
