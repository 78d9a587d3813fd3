//! The whole sum as a kernel: the choice between its variants, and loops 4 to 2.

use arrayvec::ArrayVec;

use super::blocks::{Block, Blocks, K_BLOCK};
use super::buffers::Buffers;
use super::height::{MAX_TILE_VECTORS, Tiles, balanced_tiles, panels_at_once};
use super::left::{ColumnsInPlace, LeftSource, RowsInPlace, pack_left, packs_left};
use super::right::{COPIED_PANELS, RightKind, RightSource, copy_panels, right_kind};
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
        let transposed: ArrayVec<_, MAX_TERMS>;
        let (terms, target, shape, epilogue_of_tiles) = if thin {
            // Cᵀ = Σ Bᵀ·Aᵀ: vectors run across the rows of C, which are many, rather than across its few columns.
            transposed = terms.iter().map(|term| term.transposed()).collect();
            (&transposed[..], Target { data: &mut *c, row: 1, column: n }, [n, m], Epilogue::NONE)
        } else {
            (terms, Target { data: &mut *c, row: n, column: 1 }, [m, n], epilogue)
        };
        Blocked { terms, shape, accumulate, epilogue: epilogue_of_tiles }.run(s, target, buffers);
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

/// A sum that is computed in blocks.
struct Blocked<'a, R> {
    terms: &'a [Term<'a, R>],
    shape: [usize; 2],
    accumulate: bool,
    epilogue: Epilogue<'a, R>,
}

impl<R: Number> Blocked<'_, R> {
    /// Loops 4 and 3.
    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S, mut c: Target<R>, buffers: Buffers<R>) {
        let Blocked { terms, shape: [m, n], accumulate, epilogue } = self;
        let Buffers { left: left_buffer, right, tile, biases } = buffers;
        let mut buffers = Buffers { left: &mut [], right, tile, biases };
        let by_columns = by_columns(terms);
        let row_block = left_buffer.len() / K_BLOCK;
        let mut blocks = Blocks::new(terms);
        let mut block = Block::default();
        let mut from_c = accumulate;
        loop {
            let last = blocks.next_block(&mut block);
            let epilogue = if last { epilogue } else { Epilogue::NONE };
            for first in (0..m).step_by(row_block) {
                let rows = row_block.min(m - first);
                let tiles = balanced_tiles(first, rows, S::TILE_ROWS);
                let mut work =
                    BlockProduct { terms, block: &block, rows, tiles, n, from_c, epilogue, buffers: &mut buffers };
                // The loops are compiled once for each way in which A lies in memory.
                if packs_left(by_columns, n, block.depth) {
                    let left = if by_columns {
                        pack_left(s, ColumnsInPlace, terms, &block, tiles, left_buffer)
                    } else {
                        pack_left(s, RowsInPlace, terms, &block, tiles, left_buffer)
                    };
                    work.panels_loop::<_, _, MAX_TILE_VECTORS>(s, left, &mut c);
                } else if by_columns {
                    // C is a single panel then.
                    work.panels_loop::<_, _, 1>(s, ColumnsInPlace, &mut c);
                } else {
                    work.panels_loop::<_, _, MAX_TILE_VECTORS>(s, RowsInPlace, &mut c);
                }
            }
            if last {
                return;
            }
            from_c = true;
        }
    }
}

/// The product of a block of rows and a block of k.
struct BlockProduct<'a, 'b, R> {
    terms: &'a [Term<'a, R>],
    block: &'a Block,
    rows: usize,
    tiles: [Tiles; 2],
    n: usize,
    from_c: bool,
    epilogue: Epilogue<'a, R>,
    buffers: &'a mut Buffers<'b, R>,
}

impl<R: Number> BlockProduct<'_, '_, R> {
    /// Loop 2, over at most MOST panels at once.
    #[inline(always)]
    fn panels_loop<S: Simd<R>, L: LeftSource<R>, const MOST: usize>(&mut self, s: S, left: L, c: &mut Target<R>) {
        let &mut BlockProduct { terms, block, rows, tiles, n, from_c, epilogue, ref mut buffers } = self;
        let kind = right_kind::<R, S>(terms, rows, n);
        let mut j = 0;
        let mut copied = 0;
        while j < n {
            let vectors = panels_at_once::<R, S>(rows, n - j).min(MOST);
            let right = match kind {
                RightKind::Packed => RightSource::Packed(j),
                RightKind::Rows => RightSource::Rows(j),
                RightKind::Copy => {
                    if j >= copied {
                        copied = n.min(j + COPIED_PANELS * PANEL_WIDTH);
                        copy_panels(s, terms, block, [j, copied], buffers.right);
                    }
                    let start = j % (COPIED_PANELS * PANEL_WIDTH) * block.depth;
                    RightSource::Copy(&buffers.right[start..], block.depth)
                }
            };
            let columns = (vectors * PANEL_WIDTH).min(n - j);
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
