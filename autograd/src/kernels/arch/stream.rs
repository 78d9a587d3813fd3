//! The numbers that a tile of the matrix product reads in each step of k. Bounds are checked once for a tile: a check
//! in the innermost loop could panic there, and the compiler would then keep the accumulators in memory as well as in
//! registers. There is no `map` or `from_fn` here either, since their closures may stay functions of their own, and a
//! call in the innermost loop costs a factor of ten.

use std::marker::PhantomData;

use crate::kernels::simd::LANES;

/// M rows of A. The iterator yields a column `[a[0, k], …, a[M − 1, k]]` for k = 0, 1, ….
pub(crate) struct TileColumns<'a, R, const M: usize> {
    /// The starts of rows 0, 3, 6, …. Instructions can add one or two strides to an address, so these reach all rows.
    starts: [*const R; 4],
    row: usize,
    step: usize,
    left: usize,
    data: PhantomData<&'a [R]>,
}

impl<'a, R: Copy, const M: usize> TileColumns<'a, R, M> {
    /// Rows lie `row` apart; a row has `depth` elements, which lie `step` apart.
    ///
    /// # Panics
    /// If `data` is too short.
    #[inline(always)]
    pub(crate) fn new(data: &'a [R], row: usize, step: usize, depth: usize) -> Self {
        const { assert!(M >= 1 && M <= 12) };
        if depth > 0 {
            let last = (M - 1).checked_mul(row).zip((depth - 1).checked_mul(step));
            let last = last.and_then(|(rows, steps)| rows.checked_add(steps));
            assert!(last.is_some_and(|last| last < data.len()), "the tile lies in the matrix");
        }
        let mut starts = [data.as_ptr(); 4];
        for (i, start) in starts.iter_mut().enumerate() {
            *start = start.wrapping_add((3 * i).wrapping_mul(row));
        }
        TileColumns { starts, row, step, left: depth, data: PhantomData }
    }
}

impl<R: Copy + Default, const M: usize> Iterator for TileColumns<'_, R, M> {
    type Item = [R; M];

    #[inline(always)]
    fn next(&mut self) -> Option<[R; M]> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let mut column = [R::default(); M];
        for (i, x) in column.iter_mut().enumerate() {
            let at = self.starts[i / 3].wrapping_add((i % 3).wrapping_mul(self.row));
            // SAFETY: row i < M, and this is one of the `depth` steps: `new` has checked that the last element of the
            // last row lies in the data.
            *x = unsafe { *at };
        }
        for start in &mut self.starts {
            *start = start.wrapping_add(self.step);
        }
        Some(column)
    }
}

/// V vectors of each row of B. The vectors of a row lie `vector` apart, and rows lie `stride` apart.
pub(crate) struct PanelRows<'a, R, const V: usize> {
    starts: [*const R; V],
    stride: usize,
    left: usize,
    data: PhantomData<&'a [R]>,
}

impl<'a, R: Copy, const V: usize> PanelRows<'a, R, V> {
    /// There are `depth` rows.
    ///
    /// # Panics
    /// If `data` is too short.
    #[inline(always)]
    pub(crate) fn new(data: &'a [R], stride: usize, vector: usize, depth: usize) -> Self {
        if depth > 0 {
            let last = (depth - 1).checked_mul(stride).zip((V - 1).checked_mul(vector));
            let end = last.and_then(|(rows, vectors)| rows.checked_add(vectors)?.checked_add(LANES));
            assert!(end.is_some_and(|end| end <= data.len()), "the panel lies in the matrix");
        }
        let mut starts = [data.as_ptr(); V];
        for (v, start) in starts.iter_mut().enumerate() {
            *start = start.wrapping_add(v.wrapping_mul(vector));
        }
        PanelRows { starts, stride, left: depth, data: PhantomData }
    }
}

impl<'a, R: Copy, const V: usize> Iterator for PanelRows<'a, R, V> {
    type Item = [&'a [R; LANES]; V];

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        // SAFETY: this is one of the `depth` rows: `new` has checked that the whole last vector of the last row lies in
        // the data. An array has the alignment of its elements.
        let vector = |start: *const R| unsafe { &*start.cast::<[R; LANES]>() };
        let mut row = [vector(self.starts[0]); V];
        for v in 1..V {
            row[v] = vector(self.starts[v]);
        }
        for start in &mut self.starts {
            *start = start.wrapping_add(self.stride);
        }
        Some(row)
    }
}
