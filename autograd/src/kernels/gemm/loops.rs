//! The whole sum as a kernel: the choice between its variants, and loops 5 to 2.

use arrayvec::ArrayVec;

use super::blocks::{Block, Blocks, K_BLOCK};
use super::buffers::Buffers;
use super::height::{MAX_TILE_VECTORS, Tiles, balanced_tiles, panels_at_once};
use super::left::{ColumnsInPlace, LeftSource, RowsInPlace, pack_left, packs_left};
use super::right::{RightKind, RightSource, add_rows, copy_panels, right_kind};
use super::shallow::run_shallow;
use super::terms::{Epilogue, MAX_TERMS, PANEL_WIDTH, Term, by_columns, check};
use super::tile::{Panel, Target, biases_of_panel};
use crate::kernels::math;
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::number::Number;

/// [`sum`](super::sum()) on one thread, as a kernel.
pub struct Sum<'a, R> {
    pub(super) terms: &'a [Term<'a, R>],
    pub(super) c: &'a mut [R],
    pub(super) shape: [usize; 2],
    pub(super) accumulate: bool,
    pub(super) epilogue: Epilogue<'a, R>,
    pub(super) buffers: Buffers<'a, R>,
}

impl<R: Number> Kernel<R> for Sum<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Sum { terms, c, shape: [m, n], accumulate, epilogue, buffers } = self;
        check(terms, c.len(), [m, n], epilogue);
        if m == 0 || n == 0 || (!accumulate && run_shallow(s, terms, c, n, epilogue)) {
            return;
        }
        let thin = is_thin(terms, [m, n]);
        let (member, columns, epilogue_of_tiles) = if thin {
            // Cᵀ = Σ Bᵀ·Aᵀ: vectors run across the rows of C, which are many, rather than across its few columns.
            let terms = terms.iter().map(|term| term.transposed()).collect();
            let c = Target { data: &mut *c, row: 1, column: n };
            (BlockedMember { terms, c, rows: n, accumulate }, m, Epilogue::NONE)
        } else {
            let c = Target { data: &mut *c, row: n, column: 1 };
            (BlockedMember { terms: terms.iter().copied().collect(), c, rows: m, accumulate }, n, epilogue)
        };
        Blocked { members: &mut [member], n: columns, epilogue: epilogue_of_tiles, sums_of_rows: &mut [] }
            .run(s, buffers);
        if thin {
            finish(s, epilogue, c, n);
        }
    }
}

/// Whether C has so few columns that the transposed product is faster.
///
/// In each step of k, a row of C takes the time of a whole vector, even if its columns do not fill the vector. The
/// transposed product takes only the share of its n columns. Against this stand two costs: copying C there and back,
/// element by element, which is taken to cost four steps of k for each element; and transposing an A that is stored by
/// rows, which costs about as much as five columns do.
fn is_thin<R>(terms: &[Term<R>], [m, n]: [usize; 2]) -> bool {
    let depth: usize = terms.iter().map(|term| term.k).sum();
    let to_transpose = if by_columns(terms) { 0 } else { 5 };
    m >= LANES && n + to_transpose < LANES && depth * (LANES - n - to_transpose) > 4 * LANES * n
}

/// Applies the [`Epilogue`] to a thin C, whose tiles did not run along its rows.
#[inline(always)]
fn finish<R: Number, S: Simd<R>>(s: S, epilogue: Epilogue<R>, c: &mut [R], n: usize) {
    if epilogue.biases.is_empty() && !epilogue.relu {
        return;
    }
    for row in c.chunks_exact_mut(n) {
        let mut z = [R::ZERO; LANES];
        z[..n].copy_from_slice(row);
        for bias in epilogue.biases {
            for (z, &b) in z.iter_mut().zip(*bias) {
                *z += b;
            }
        }
        if epilogue.relu {
            let v = math::relu(s, s.load(&z));
            s.store(v, &mut z);
        }
        row.copy_from_slice(&z[..n]);
    }
}

/// Sums that are computed in blocks. They have the right matrices of their terms in common.
pub(super) struct Blocked<'m, 'a, 'c, R> {
    pub(super) members: &'m mut [BlockedMember<'a, 'c, R>],
    /// The number of columns of each sum.
    pub(super) n: usize,
    pub(super) epilogue: Epilogue<'m, R>,
    /// What the rows of B are added to, if anything.
    pub(super) sums_of_rows: &'m mut [&'c mut [R]],
}

/// One of the sums.
pub(super) struct BlockedMember<'a, 'c, R> {
    pub(super) terms: ArrayVec<Term<'a, R>, MAX_TERMS>,
    pub(super) c: Target<'c, R>,
    pub(super) rows: usize,
    pub(super) accumulate: bool,
}

impl<'a, R: Number> Blocked<'_, 'a, '_, R> {
    /// Loops 5 to 3.
    #[inline(always)]
    pub(super) fn run<S: Simd<R>>(self, s: S, buffers: Buffers<R>) {
        let Blocked { members, n, epilogue, sums_of_rows } = self;
        let Buffers { left: left_buffer, right, tile, biases } = buffers;
        let mut buffers = Buffers { left: &mut [], right, tile, biases };
        let rows = members.iter().map(|member| member.rows).sum();
        // The right matrices of all members are those of the first.
        let shared = members[0].terms.clone();
        let by_columns = by_columns(&shared);
        // The rows of B are added up in the copy.
        let right = if sums_of_rows.is_empty() { right_kind::<R, S>(&shared, rows, n) } else { RightKind::Copied };
        let strip = if right == RightKind::Copied { buffers.right.len() / K_BLOCK } else { n };
        let row_block = left_buffer.len() / K_BLOCK;
        for first in (0..n).step_by(strip) {
            let columns = [first, n.min(first + strip)];
            let mut blocks = Blocks::new(&shared);
            let mut block = Block::default();
            let mut is_first = true;
            loop {
                let last = blocks.next_block(&mut block);
                let epilogue = if last { epilogue } else { Epilogue::NONE };
                if right == RightKind::Copied {
                    copy_panels(s, &shared, &block, columns, buffers.right);
                    for sums in &mut *sums_of_rows {
                        add_rows(s, buffers.right, block.depth, &mut sums[columns[0]..columns[1]]);
                    }
                }
                for BlockedMember { terms, c, rows, accumulate } in &mut *members {
                    for row in (0..*rows).step_by(row_block) {
                        let rows = row_block.min(*rows - row);
                        let tiles = balanced_tiles(row, rows, S::TILE_ROWS);
                        let mut work = BlockProduct {
                            terms,
                            block: &block,
                            rows,
                            tiles,
                            columns,
                            right,
                            from_c: *accumulate || !is_first,
                            epilogue,
                            buffers: &mut buffers,
                        };
                        // The loops are compiled once for each way in which A lies in memory.
                        if packs_left(by_columns, n, block.depth) {
                            let left = if by_columns {
                                pack_left(s, ColumnsInPlace, terms, &block, tiles, left_buffer)
                            } else {
                                pack_left(s, RowsInPlace, terms, &block, tiles, left_buffer)
                            };
                            work.panels_loop::<_, _, MAX_TILE_VECTORS>(s, left, c);
                        } else if by_columns {
                            // C is a single panel then.
                            work.panels_loop::<_, _, 1>(s, ColumnsInPlace, c);
                        } else {
                            work.panels_loop::<_, _, MAX_TILE_VECTORS>(s, RowsInPlace, c);
                        }
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

/// The product of a block of rows and a block of k.
struct BlockProduct<'a, 't, 'b, R> {
    terms: &'a [Term<'t, R>],
    block: &'a Block,
    rows: usize,
    tiles: [Tiles; 2],
    /// The columns of C that are computed, from the first to behind the last one.
    columns: [usize; 2],
    /// How the tiles read B.
    right: RightKind,
    from_c: bool,
    epilogue: Epilogue<'a, R>,
    buffers: &'a mut Buffers<'b, R>,
}

impl<R: Number> BlockProduct<'_, '_, '_, R> {
    /// Loop 2, over at most MOST panels at once.
    #[inline(always)]
    fn panels_loop<S: Simd<R>, L: LeftSource<R>, const MOST: usize>(&mut self, s: S, left: L, c: &mut Target<R>) {
        let &mut BlockProduct { terms, block, rows, tiles, columns: [first, end], from_c, epilogue, .. } = self;
        let buffers = &mut *self.buffers;
        let mut j = first;
        while j < end {
            let vectors = panels_at_once::<R, S>(rows, end - j).min(MOST);
            let right = match self.right {
                RightKind::Packed => RightSource::Packed(j),
                RightKind::Rows => RightSource::Rows(j),
                RightKind::Copied => RightSource::Copy(&buffers.right[(j - first) * block.depth..], block.depth),
            };
            let columns = (vectors * PANEL_WIDTH).min(end - j);
            let biases = biases_of_panel(epilogue, [j, columns], buffers.biases);
            let panel = Panel { terms, block, left, right, j, columns, from_c, biases, relu: epilogue.relu };
            if const { MOST == 2 } && vectors == 2 {
                panel.rows_loop::<S, 2>(s, c, tiles, buffers.tile)
            } else {
                panel.rows_loop::<S, 1>(s, c, tiles, buffers.tile)
            }
            j += vectors * PANEL_WIDTH;
        }
    }
}
