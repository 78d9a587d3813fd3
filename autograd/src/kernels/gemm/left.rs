//! How the tiles read A: where it lies, or from a copy of a block.
//!
//! A is copied where its rows or columns would be read too often from places that lie far apart: always for a transpose
//! such as that of a weight's gradient, unless it is tiny; and for A by rows only if C is very wide.

use super::blocks::{Block, TermPart, copy_strips};
use super::height::{HeightKernel, Tiles, run_at_height};
use super::terms::{Left, PANEL_WIDTH, Term};
use crate::kernels::arch::stream::TileColumns;
use crate::kernels::simd::Simd;
use crate::number::Number;

/// The number of columns of C from which A by rows is packed: each element of A is then read 64 times and more.
const PACK_ROWS_FROM_WIDTH: usize = 1024;

/// The largest depth of a block of an A by columns that a single panel reads where it lies: its columns are then so few
/// that they do not push each other out of the cache.
const COLUMNS_IN_PLACE_UP_TO_DEPTH: usize = 32;

/// A way to read A.
pub(super) trait LeftSource<R>: Copy {
    /// Whether the parts of a block follow each other as if they were one.
    const CONTIGUOUS: bool;
    /// How many tiles are packed together: as many as share cache lines.
    const TILES_PACKED_TOGETHER: usize = 1;
    /// M rows from `i` on (counted in the terms' rows) over a part of a block: one column of A for each k.
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, part: TermPart) -> impl Iterator<Item = [R; M]>;
    /// Copies a part of a block of tiles of M rows, from row `i` on. Each tile has `depth` columns.
    #[inline(always)]
    fn pack<const M: usize>(self, terms: &[Term<R>], i: usize, part: TermPart, tiles: &mut [[R; M]], depth: usize)
    where
        R: Copy,
    {
        for (t, tile) in tiles.chunks_exact_mut(depth).enumerate() {
            for (to, from) in tile[part.at..][..part.depth].iter_mut().zip(self.columns(terms, i + t * M, part)) {
                *to = from;
            }
        }
    }
}

/// A stored by rows, read where it lies.
#[derive(Clone, Copy)]
pub(super) struct RowsInPlace;

impl<R: Number> LeftSource<R> for RowsInPlace {
    const CONTIGUOUS: bool = false;
    #[inline(always)]
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, part: TermPart) -> impl Iterator<Item = [R; M]> {
        let Left::Rows { data, stride } = terms[part.term].a else { unreachable!("all A are stored by rows") };
        TileColumns::new(&data[i * stride + part.k..], stride, 1, part.depth)
    }
}

/// A stored by columns, read where it lies.
#[derive(Clone, Copy)]
pub(super) struct ColumnsInPlace;

impl<R: Number> LeftSource<R> for ColumnsInPlace {
    const CONTIGUOUS: bool = false;
    #[inline(always)]
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, part: TermPart) -> impl Iterator<Item = [R; M]> {
        let Left::Columns { data, stride } = terms[part.term].a else { unreachable!("all A are stored by columns") };
        TileColumns::new(&data[part.k * stride + i..], 1, stride, part.depth)
    }
    const TILES_PACKED_TOGETHER: usize = 8;
    #[inline(always)]
    fn pack<const M: usize>(self, terms: &[Term<R>], i: usize, part: TermPart, tiles: &mut [[R; M]], depth: usize) {
        let Left::Columns { data, stride } = terms[part.term].a else { unreachable!("all A are stored by columns") };
        copy_strips(&data[part.k * stride + i..], stride, part, tiles, depth);
    }
}

/// A copy of a block of A as [`pack_left`] lays it out.
#[derive(Clone, Copy)]
pub(super) struct PackedLeft<'a, R> {
    data: &'a [R],
    first: usize,
    depth: usize,
}

impl<R: Number> LeftSource<R> for PackedLeft<'_, R> {
    const CONTIGUOUS: bool = true;
    #[inline(always)]
    fn columns<const M: usize>(self, _: &[Term<R>], i: usize, part: TermPart) -> impl Iterator<Item = [R; M]> {
        let tile = &self.data[(i - self.first) * self.depth..][..M * self.depth];
        PackedColumns(tile.as_chunks().0[part.at..][..part.depth].iter())
    }
}

/// The columns of a packed tile.
struct PackedColumns<'a, R, const M: usize>(std::slice::Iter<'a, [R; M]>);

impl<R: Copy, const M: usize> Iterator for PackedColumns<'_, R, M> {
    type Item = [R; M];

    #[inline(always)]
    fn next(&mut self) -> Option<[R; M]> {
        self.0.next().copied()
    }
}

/// Whether a copy of a block of A is worth its time.
pub(super) fn packs_left(by_columns: bool, n: usize, depth: usize) -> bool {
    if by_columns { n > PANEL_WIDTH || depth > COLUMNS_IN_PLACE_UP_TO_DEPTH } else { n >= PACK_ROWS_FROM_WIDTH }
}

/// Copies the rows of these tiles from a block of A: tile by tile, and in each tile one column after the other.
#[inline(always)]
pub(super) fn pack_left<'a, R: Number, S: Simd<R>>(
    s: S,
    source: impl LeftSource<R>,
    terms: &[Term<R>],
    block: &Block,
    tiles: [Tiles; 2],
    buffer: &'a mut [R],
) -> PackedLeft<'a, R> {
    let (first, depth) = (tiles[0].first, block.depth);
    for tiles in tiles {
        let buffer = &mut buffer[(tiles.first - first) * depth..][..tiles.count * tiles.height * depth];
        run_at_height(s, tiles, PackTiles { source, terms, block, tiles, buffer });
    }
    PackedLeft { data: buffer, first, depth }
}

struct PackTiles<'a, 't, R, L> {
    source: L,
    terms: &'t [Term<'a, R>],
    block: &'t Block,
    tiles: Tiles,
    buffer: &'t mut [R],
}

impl<R: Number, L: LeftSource<R>> HeightKernel<R> for PackTiles<'_, '_, R, L> {
    #[inline(always)]
    fn run<S: Simd<R>, const M: usize>(self, _: S) {
        let columns = self.buffer.as_chunks_mut::<M>().0;
        let depth = self.block.depth.max(1);
        for (t, columns) in columns.chunks_mut(L::TILES_PACKED_TOGETHER * depth).enumerate() {
            for &part in &self.block.parts {
                let i = self.tiles.first + t * L::TILES_PACKED_TOGETHER * M;
                self.source.pack(self.terms, i, part, columns, depth);
            }
        }
    }
}
