//! One long buffer in which spans of numbers lie side by side. Each span begins at a cache line.

use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};

/// The 64 bytes of a cache line, which are also the widest register.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct CacheLine([u8; 64]);

impl CacheLine {
    pub(crate) const ZERO: CacheLine = CacheLine([0; 64]);
}

/// A buffer of numbers that starts at a cache line and only ever grows.
pub(crate) struct Slab<R> {
    lines: Vec<CacheLine>,
    element: PhantomData<R>,
}

impl<R> Default for Slab<R> {
    fn default() -> Self {
        Slab { lines: Vec::new(), element: PhantomData }
    }
}

impl<R> Clone for Slab<R> {
    fn clone(&self) -> Self {
        Slab { lines: self.lines.clone(), element: PhantomData }
    }
}

impl<R: Pod> Slab<R> {
    /// The number of elements in a cache line.
    const LINE: usize = 64 / size_of::<R>();

    /// The length of the span for `len` elements: `len` rounded up to whole cache lines.
    pub(crate) fn span(len: usize) -> usize {
        len.next_multiple_of(Self::LINE)
    }

    /// Makes room for at least `len` elements; new ones are 0.
    pub(crate) fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(Self::LINE);
        if lines > self.lines.len() {
            self.lines.resize(lines.max(self.lines.len() * 3 / 2), CacheLine::ZERO);
        }
    }

    pub(crate) fn as_slice(&self) -> &[R] {
        bytemuck::cast_slice(&self.lines)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [R] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}
