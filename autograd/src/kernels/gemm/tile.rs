//! The register tile and loop 1, over the tiles of a panel.

use super::blocks::{Block, TermPart};
use super::height::{HeightKernel, LOW_TILE_ROWS, MAX_TILE_VECTORS, Tiles, run_at_height};
use super::left::LeftSource;
use super::right::RightSource;
use super::terms::{Epilogue, Term};
use crate::kernels::math;
use crate::kernels::simd::{LANES, Simd};
use crate::number::Number;

/// How C lies in memory.
pub(super) struct Target<'a, R> {
    pub(super) data: &'a mut [R],
    /// The distance from one row to the next.
    pub(super) row: usize,
    /// The distance from one column to the next.
    pub(super) column: usize,
}

/// What the tiles of one panel of C have in common. (Here a panel may be two vectors wide.)
pub(super) struct Panel<'a, R, L> {
    pub(super) terms: &'a [Term<'a, R>],
    pub(super) block: &'a Block,
    pub(super) left: L,
    pub(super) right: RightSource<'a, R>,
    /// The first column.
    pub(super) j: usize,
    /// The number of its columns; the last panel may lack some.
    pub(super) columns: usize,
    /// Whether the sums continue from what C holds, rather than starting from 0.
    pub(super) from_c: bool,
    /// The part of each bias that belongs to the panel.
    pub(super) biases: &'a [[R; MAX_TILE_VECTORS * LANES]],
    /// Whether Rect follows the biases.
    pub(super) relu: bool,
}

/// Copies into `buffer` the part of each bias that belongs to a panel of `columns` columns from `j` on.
#[inline(always)]
pub(super) fn biases_of_panel<'a, R: Number>(
    epilogue: Epilogue<R>,
    [j, columns]: [usize; 2],
    buffer: &'a mut [R],
) -> &'a [[R; MAX_TILE_VECTORS * LANES]] {
    let biases = &mut buffer.as_chunks_mut().0[..epilogue.biases.len()];
    for (to, bias) in biases.iter_mut().zip(epilogue.biases) {
        to[..columns].copy_from_slice(&bias[j..][..columns]);
    }
    biases
}

impl<R: Number, L: LeftSource<R>> Panel<'_, R, L> {
    /// Loop 1: the rows, in tiles of V vectors. `tile_buffer` has room for one tile.
    #[inline(always)]
    pub(super) fn rows_loop<S: Simd<R>, const V: usize>(
        &self,
        s: S,
        c: &mut Target<R>,
        tiles: [Tiles; 2],
        tile_buffer: &mut [R],
    ) {
        let mut whole = TermPart::default();
        let parts = self.right.parts::<L>(self.block, &mut whole);
        for tiles in tiles {
            run_at_height(s, tiles, TileColumn::<R, L, V> { panel: self, parts, tiles, c, tile_buffer });
        }
    }
}

/// Tiles of one height in a panel, each M × V vectors of C.
struct TileColumn<'a, 'c, R, L, const V: usize> {
    panel: &'a Panel<'a, R, L>,
    parts: &'a [TermPart],
    tiles: Tiles,
    c: &'a mut Target<'c, R>,
    tile_buffer: &'a mut [R],
}

impl<R: Number, L: LeftSource<R>, const V: usize> HeightKernel<R> for TileColumn<'_, '_, R, L, V> {
    #[inline(always)]
    fn run<S: Simd<R>, const M: usize>(self, s: S) {
        // No code is compiled for a tile that `panels_at_once` never chooses.
        if V > S::TILE_VECTORS && M > LOW_TILE_ROWS {
            unreachable!("a tile of one panel was chosen");
        }
        let TileColumn { panel, parts, tiles, c, tile_buffer } = self;
        let (j, columns) = (panel.j, panel.columns);
        for t in 0..tiles.count {
            let i = tiles.first + t * M;
            if c.column == 1 {
                tile::<R, S, L, M, V>(s, panel, parts, i, &mut c.data[i * c.row + j..], c.row);
                continue;
            }
            // C is stored by columns here, so the tile works on a copy.
            debug_assert_eq!(c.row, 1);
            if panel.from_c {
                for column in 0..columns {
                    let from: &[R; M] = c.data[(j + column) * c.column + i..].first_chunk().expect("it lies in C");
                    for row in 0..M {
                        tile_buffer[row * V * LANES + column] = from[row];
                    }
                }
            }
            tile::<R, S, L, M, V>(s, panel, parts, i, tile_buffer, V * LANES);
            for column in 0..columns {
                let to: &mut [R; M] = c.data[(j + column) * c.column + i..].first_chunk_mut().expect("it lies in C");
                for row in 0..M {
                    to[row] = tile_buffer[row * V * LANES + column];
                }
            }
        }
    }
}

/// One tile, whose M × V vectors stay in registers while k runs over a block. `c` is C from the first element of the
/// tile on; its rows are `stride` apart.
#[inline(always)]
fn tile<R: Number, S: Simd<R>, L: LeftSource<R>, const M: usize, const V: usize>(
    s: S,
    panel: &Panel<R, L>,
    parts: &[TermPart],
    i: usize,
    c: &mut [R],
    stride: usize,
) {
    let mut sums = [[s.splat(R::ZERO); V]; M];
    let whole = panel.columns == V * LANES;
    if panel.from_c && whole {
        for i in 0..M {
            let (row, _) = c[i * stride..][..V * LANES].as_chunks::<LANES>();
            for v in 0..V {
                sums[i][v] = s.load(&row[v]);
            }
        }
    } else if panel.from_c {
        for i in 0..M {
            let row = &c[i * stride..][..panel.columns];
            for v in 0..V {
                sums[i][v] = s.load_part(vector_of_row(row, v));
            }
        }
    }
    for &part in parts {
        let mut columns = panel.left.columns::<M>(panel.terms, i, part);
        let mut rows = panel.right.rows::<V>(panel.terms, part);
        while let (Some(column), Some(row)) = (columns.next(), rows.next()) {
            let mut b = [s.splat(R::ZERO); V];
            for v in 0..V {
                b[v] = s.load(row[v]);
            }
            for i in 0..M {
                let x = s.splat(column[i]);
                for v in 0..V {
                    // c ← a[i, k]·b[k, j] + c
                    sums[i][v] = s.mul_add(x, b[v], sums[i][v]);
                }
            }
        }
    }
    for bias in panel.biases {
        let (bias, _) = bias.as_chunks::<LANES>();
        for v in 0..V {
            let b = s.load(&bias[v]);
            for i in 0..M {
                sums[i][v] = s.add(sums[i][v], b);
            }
        }
    }
    if panel.relu {
        for i in 0..M {
            for v in 0..V {
                sums[i][v] = math::relu(s, sums[i][v]);
            }
        }
    }
    if whole {
        for i in 0..M {
            let (row, _) = c[i * stride..][..V * LANES].as_chunks_mut::<LANES>();
            for v in 0..V {
                s.store(sums[i][v], &mut row[v]);
            }
        }
    } else {
        for i in 0..M {
            let mut row = &mut c[i * stride..][..panel.columns];
            for v in 0..V {
                let (lanes, rest) = row.split_at_mut(row.len().min(LANES));
                s.store_part(sums[i][v], lanes);
                row = rest;
            }
        }
    }
}

/// The elements of vector `v` of a row, which may end within that vector.
#[inline(always)]
fn vector_of_row<R>(row: &[R], v: usize) -> &[R] {
    let start = row.len().min(v * LANES);
    &row[start..row.len().min(start + LANES)]
}
