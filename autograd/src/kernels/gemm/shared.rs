//! Sums of products that share their right matrices, as a kernel.
//!
//! The loops are those of [`sum`](super::sum()), but the copy of a block of B serves all members and all their rows:
//!
//! - loop 5 runs over strips of columns, if B is very wide;
//! - loop 4 runs over blocks of k; here a block of B is copied, and its rows are added up;
//! - the members follow, one after the other, and loops 3 to 1 run for each of them.

use arrayvec::ArrayVec;

use super::blocks::{Block, Blocks, K_BLOCK};
use super::buffers::Buffers;
use super::height::{MAX_TILE_VECTORS, balanced_tiles};
use super::left::{ColumnsInPlace, pack_left};
use super::loops::BlockProduct;
use super::right::{RightKind, copy_panels};
use super::terms::{Epilogue, Left, MAX_TERMS, PANEL_WIDTH, Right, Term, check};
use super::tile::Target;
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::number::Number;

/// The number of columns that are copied together at most.
const STRIP: usize = 1024;

/// One of the sums: C [rows, n] = Σ A·B, or C += Σ A·B.
pub struct Member<'a, 'c, R> {
    /// The left matrices, each stored by columns; one for each right matrix.
    pub left: ArrayVec<Left<'a, R>, MAX_TERMS>,
    /// The sum, by rows.
    pub c: &'c mut [R],
    /// The number of its rows.
    pub rows: usize,
    /// Whether the products are added to C, rather than replacing it.
    pub accumulate: bool,
}

/// [`sum_shared`](super::sum_shared) as a kernel.
pub struct SharedSum<'s, 'a, 'c, R> {
    pub(super) rights: &'s [(Right<'a, R>, usize)],
    pub(super) n: usize,
    pub(super) members: &'s mut [Member<'a, 'c, R>],
    pub(super) columns: &'s mut [&'c mut [R]],
    pub(super) buffers: Buffers<'s, R>,
}

impl<R: Number> Kernel<R> for SharedSum<'_, '_, '_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let SharedSum { rights, n, members, columns, buffers } = self;
        let Buffers { left: left_buffer, right, tile, biases } = buffers;
        let mut buffers = Buffers { left: &mut [], right, tile, biases };
        // The terms without a left matrix, of which only B and k are read.
        let none = Left::Columns { data: &[], stride: 0 };
        let terms: ArrayVec<_, MAX_TERMS> = rights.iter().map(|&(b, k)| Term { a: none, b, k }).collect();
        for member in &*members {
            check(&member.terms(rights), member.c.len(), [member.rows, n], Epilogue::NONE);
        }
        if rights.is_empty() {
            members.iter_mut().filter(|member| !member.accumulate).for_each(|member| member.c.fill(R::ZERO));
            return;
        }
        for first in (0..n).step_by(STRIP) {
            let end = n.min(first + STRIP);
            let width = (end - first).next_multiple_of(PANEL_WIDTH);
            let deepest = (buffers.right.len() / width).min(K_BLOCK);
            let row_block = left_buffer.len() / deepest;
            let mut blocks = Blocks::new(&terms, deepest);
            let mut block = Block::default();
            let mut is_first = true;
            loop {
                let last = blocks.next_block(&mut block);
                copy_panels(s, &terms, &block, [first, end], buffers.right);
                for sums in &mut *columns {
                    add_rows(s, buffers.right, block.depth, &mut sums[first..end]);
                }
                for member in &mut *members {
                    let terms = member.terms(rights);
                    let mut c = Target { data: member.c, row: n, column: 1 };
                    for row in (0..member.rows).step_by(row_block) {
                        let rows = row_block.min(member.rows - row);
                        let tiles = balanced_tiles(row, rows, S::TILE_ROWS);
                        let left = pack_left(s, ColumnsInPlace, &terms, &block, tiles, left_buffer);
                        BlockProduct {
                            terms: &terms,
                            block: &block,
                            rows,
                            tiles,
                            columns: [first, end],
                            right: RightKind::Copied,
                            from_c: member.accumulate || !is_first,
                            epilogue: Epilogue::NONE,
                            buffers: &mut buffers,
                        }
                        .panels_loop::<_, _, MAX_TILE_VECTORS>(s, left, &mut c);
                    }
                }
                if last {
                    break;
                }
                is_first = false;
            }
        }
    }
}

impl<'a, R: Copy> Member<'a, '_, R> {
    fn terms(&self, rights: &[(Right<'a, R>, usize)]) -> ArrayVec<Term<'a, R>, MAX_TERMS> {
        assert_eq!(self.left.len(), rights.len(), "gemm: one left matrix for each right one");
        self.left.iter().zip(rights).map(|(&a, &(b, k))| Term { a, b, k }).collect()
    }
}

/// `sums[j] += Σₖ b[k, j]` over a block of `depth` rows of B, which are copied to `panels`: one chain over the rows.
#[inline(always)]
fn add_rows<R: Number, S: Simd<R>>(s: S, panels: &[R], depth: usize, sums: &mut [R]) {
    /// Panels that are added up at the same time, since an addition has to wait for the one before it.
    const AT_ONCE: usize = 4;
    let rows = panels.as_chunks::<LANES>().0;
    for (group, sums) in sums.chunks_mut(AT_ONCE * LANES).enumerate() {
        let rows = &rows[group * AT_ONCE * depth..];
        let mut totals = [s.splat(R::ZERO); AT_ONCE];
        for (total, sums) in totals.iter_mut().zip(sums.chunks(LANES)) {
            *total = s.load_part(sums);
        }
        match sums.len().div_ceil(LANES) {
            AT_ONCE => add_panels::<_, _, AT_ONCE>(s, rows, depth, &mut totals),
            3 => add_panels::<_, _, 3>(s, rows, depth, &mut totals),
            2 => add_panels::<_, _, 2>(s, rows, depth, &mut totals),
            _ => add_panels::<_, _, 1>(s, rows, depth, &mut totals),
        }
        for (total, sums) in totals.into_iter().zip(sums.chunks_mut(LANES)) {
            s.store_part(total, sums);
        }
    }
}

#[inline(always)]
fn add_panels<R: Number, S: Simd<R>, const N: usize>(s: S, rows: &[[R; LANES]], depth: usize, totals: &mut [S::V]) {
    for k in 0..depth {
        for p in 0..N {
            totals[p] = s.add(totals[p], s.load(&rows[p * depth + k]));
        }
    }
}
