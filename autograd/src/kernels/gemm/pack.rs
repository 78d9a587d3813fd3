//! What the tiles read: operands where they lie, or copies of parts of them.
//!
//! A copy is worth its time where the tiles would otherwise jump: rows that lie a power of two apart fall on the same few
//! sets of the L1 cache and push each other out. So
//!
//! - weights are packed once a step ([`pack`], [`pack_transposed`]) and used T times;
//! - B by rows is packed panel by panel, unless so few rows of A pass over it that it would not pay;
//! - Aᵀ, as in a weight's gradient, is packed; A only where C is so wide that its rows are read often.
//!
//! Terms of a sum that are packed lie one after the other, so that many short products are one long one.

use std::cell::RefCell;

use super::tile::{self, ForHeight, Tiles};
use super::{
    COPIED_PANELS, K_BLOCK, Left, MAX_BIASES, MAX_TERMS, MAX_TILE_ROWS, MAX_TILE_VECTORS, PANEL, ROW_BLOCK, Right, Term,
};
use crate::kernels::arch::stream::{PanelRows, TileColumns};
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::real::Real;
use crate::slab::Line;

/// Columns of C from which A by rows is packed: each of its elements is then read 64 times and more.
const WIDE: usize = 1024;

/// Columns of an A stored by columns that a single panel reads where they lie: so few that they do not push each other out.
const SHORT: usize = 32;

/// The length of packed [k, n]: panels of [`PANEL`] columns, the last filled up with zeros.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(PANEL)
}

/// Packs b [k, n]: panel by panel, in each its rows one after the other.
pub fn pack<R: Real>(b: &[R], k: usize, n: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack [{k}, {n}]");
    R::dispatch(Pack { b: Right::Rows { data: b, stride: n }, shape: [k, n], packed });
}

/// Packs the transpose of b [n, k], which is [k, n].
pub fn pack_transposed<R: Real>(b: &[R], n: usize, k: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack_transposed [{n}, {k}]");
    R::dispatch(Pack { b: Right::Columns { data: b, stride: k }, shape: [k, n], packed });
}

struct Pack<'a, R> {
    b: Right<'a, R>,
    shape: [usize; 2],
    packed: &'a mut [R],
}

impl<R: Real> Kernel<R> for Pack<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let [k, n] = self.shape;
        for (p, panel) in self.packed.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
            let j = p * PANEL;
            pack_panel(s, self.b, [0, j], PANEL.min(n - j), panel.as_chunks_mut().0);
        }
    }
}

/// A panel of B from row k and column j on, as many rows as it takes, `width` columns.
#[inline(always)]
fn pack_panel<R: Real, S: Simd<R>>(s: S, b: Right<R>, [k, j]: [usize; 2], width: usize, panel: &mut [[R; PANEL]]) {
    match b {
        Right::Rows { data, stride } => {
            let rows = data.get(k * stride + j..).unwrap_or(&[]).chunks(stride.max(1));
            for (to, from) in panel.iter_mut().zip(rows) {
                // Whole vectors are moved as such; a slice of any length would be a call.
                match from.first_chunk::<PANEL>().filter(|_| width == PANEL) {
                    Some(from) => *to = *from,
                    None => {
                        to[..width].copy_from_slice(&from[..width]);
                        to[width..].fill(R::ZERO);
                    }
                }
            }
        }
        Right::Columns { data, stride } => {
            let column = |c: usize| data.get((j + c) * stride + k..).unwrap_or(&[]);
            let (blocks, rest) = panel.as_chunks_mut::<LANES>();
            let whole = blocks.len();
            for (at, block) in blocks.iter_mut().enumerate() {
                let zeros = [R::ZERO; LANES];
                let mut columns = [&zeros; LANES];
                for (c, to) in columns.iter_mut().enumerate().take(width) {
                    *to = column(c)[at * LANES..].first_chunk().expect("checked: it lies in B");
                }
                s.transpose(columns, block);
            }
            for (at, to) in rest.iter_mut().enumerate() {
                let at = whole * LANES + at;
                for (c, to) in to.iter_mut().enumerate() {
                    *to = if c < width { column(c)[at] } else { R::ZERO };
                }
            }
        }
        Right::Packed(_) => unreachable!("it is packed"),
    }
}

/// A part of a term within a block of k.
#[derive(Clone, Copy, Default)]
pub(super) struct Piece {
    term: usize,
    /// Where it begins in the term.
    k: usize,
    /// Where it begins in the block.
    at: usize,
    depth: usize,
}

/// A block of k: parts of terms, one after the other.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: [Piece; MAX_TERMS],
    len: usize,
    depth: usize,
}

impl Pieces {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    fn all(&self) -> &[Piece] {
        &self.pieces[..self.len]
    }
}

/// The blocks of a sum, each at most [`K_BLOCK`] deep.
pub(super) struct Blocks<'t, 'a, R> {
    terms: &'t [Term<'a, R>],
    term: usize,
    k: usize,
}

impl<'t, 'a, R> Blocks<'t, 'a, R> {
    pub(super) fn new(terms: &'t [Term<'a, R>]) -> Self {
        Blocks { terms, term: 0, k: 0 }
    }

    /// Makes `block` the next block; whether it is the last. The first is there even where there is nothing to sum.
    pub(super) fn next_block(&mut self, block: &mut Pieces) -> bool {
        (block.len, block.depth) = (0, 0);
        while let Some(term) = self.terms.get(self.term) {
            let depth = (term.k - self.k).min(K_BLOCK - block.depth);
            if depth > 0 {
                block.pieces[block.len] = Piece { term: self.term, k: self.k, at: block.depth, depth };
                (block.len, block.depth) = (block.len + 1, block.depth + depth);
                self.k += depth;
            }
            if self.k < term.k {
                return false;
            }
            (self.term, self.k) = (self.term + 1, 0);
        }
        true
    }
}

/// How the tiles read A.
pub(super) trait LeftSource<R>: Copy {
    /// Whether the pieces of a block follow each other as if they were one.
    const CONTIGUOUS: bool;
    /// How many tiles are packed at the same time: as many as share lines of the cache.
    const TOGETHER: usize = 1;
    /// M rows from `i` (of the terms' rows) over a piece of a block: for each k a column of A.
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, piece: Piece) -> impl Iterator<Item = [R; M]>;
    /// Copies a piece of a block of tiles of M rows, from row `i` on, each of which has `depth` columns.
    #[inline(always)]
    fn pack<const M: usize>(self, terms: &[Term<R>], i: usize, piece: Piece, tiles: &mut [[R; M]], depth: usize)
    where
        R: Copy,
    {
        for (t, tile) in tiles.chunks_exact_mut(depth).enumerate() {
            for (to, from) in tile[piece.at..][..piece.depth].iter_mut().zip(self.columns(terms, i + t * M, piece)) {
                *to = from;
            }
        }
    }
}

/// Cuts rows, `stride` apart, into strips of M columns, in each of which they follow each other. Row by row, so that lines
/// of the cache are read once and in the order in which they lie.
#[inline(always)]
fn cut<R: Copy, const M: usize>(data: &[R], stride: usize, piece: Piece, strips: &mut [[R; M]], depth: usize) {
    let count = strips.len() / depth;
    let mut start = 0;
    for k in piece.at..piece.at + piece.depth {
        let row = data[start..][..count * M].as_chunks::<M>().0;
        for (s, from) in row.iter().enumerate() {
            strips[s * depth + k] = *from;
        }
        start += stride;
    }
}

/// A by rows, where it lies.
#[derive(Clone, Copy)]
pub(super) struct RowsInPlace;

impl<R: Real> LeftSource<R> for RowsInPlace {
    const CONTIGUOUS: bool = false;
    #[inline(always)]
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, piece: Piece) -> impl Iterator<Item = [R; M]> {
        let Left::Rows { data, stride } = terms[piece.term].a else { unreachable!("all A are stored by rows") };
        TileColumns::new(&data[i * stride + piece.k..], stride, 1, piece.depth)
    }
}

/// A by columns, where it lies.
#[derive(Clone, Copy)]
pub(super) struct ColumnsInPlace;

impl<R: Real> LeftSource<R> for ColumnsInPlace {
    const CONTIGUOUS: bool = false;
    #[inline(always)]
    fn columns<const M: usize>(self, terms: &[Term<R>], i: usize, piece: Piece) -> impl Iterator<Item = [R; M]> {
        let Left::Columns { data, stride } = terms[piece.term].a else { unreachable!("all A are stored by columns") };
        TileColumns::new(&data[piece.k * stride + i..], 1, stride, piece.depth)
    }
    const TOGETHER: usize = 8;
    #[inline(always)]
    fn pack<const M: usize>(self, terms: &[Term<R>], i: usize, piece: Piece, tiles: &mut [[R; M]], depth: usize) {
        let Left::Columns { data, stride } = terms[piece.term].a else { unreachable!("all A are stored by columns") };
        cut(&data[piece.k * stride + i..], stride, piece, tiles, depth);
    }
}

/// A block of A as [`pack_left`] lays it out.
#[derive(Clone, Copy)]
pub(super) struct PackedLeft<'a, R> {
    data: &'a [R],
    first: usize,
    depth: usize,
}

impl<R: Real> LeftSource<R> for PackedLeft<'_, R> {
    const CONTIGUOUS: bool = true;
    #[inline(always)]
    fn columns<const M: usize>(self, _: &[Term<R>], i: usize, piece: Piece) -> impl Iterator<Item = [R; M]> {
        let tile = &self.data[(i - self.first) * self.depth..][..M * self.depth];
        PackedColumns(tile.as_chunks().0[piece.at..][..piece.depth].iter())
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
    if by_columns { n > PANEL || depth > SHORT } else { n >= WIDE }
}

/// Copies rows first.. of a block of A: tile by tile, in each its columns one after the other.
#[inline(always)]
pub(super) fn pack_left<'a, R: Real, S: Simd<R>>(
    s: S,
    source: impl LeftSource<R>,
    terms: &[Term<R>],
    pieces: &Pieces,
    tiles: [Tiles; 2],
    room: &'a mut [R],
) -> PackedLeft<'a, R> {
    let (first, depth) = (tiles[0].first, pieces.depth);
    for tiles in tiles {
        let room = &mut room[(tiles.first - first) * depth..][..tiles.count * tiles.height * depth];
        tile::for_height(s, tiles, PackTiles { source, terms, pieces, tiles, room });
    }
    PackedLeft { data: room, first, depth }
}

struct PackTiles<'a, 't, R, L> {
    source: L,
    terms: &'t [Term<'a, R>],
    pieces: &'t Pieces,
    tiles: Tiles,
    room: &'t mut [R],
}

impl<R: Real, L: LeftSource<R>> ForHeight<R> for PackTiles<'_, '_, R, L> {
    #[inline(always)]
    fn run<S: Simd<R>, const M: usize>(self, _: S) {
        let columns = self.room.as_chunks_mut::<M>().0;
        let depth = self.pieces.depth.max(1);
        for (t, columns) in columns.chunks_mut(L::TOGETHER * depth).enumerate() {
            for &piece in self.pieces.all() {
                self.source.pack(self.terms, self.tiles.first + t * L::TOGETHER * M, piece, columns, depth);
            }
        }
    }
}

/// How the tiles read one or two panels of B.
#[derive(Clone, Copy)]
pub(super) enum RightSource<'a, R> {
    /// Packed beforehand; the first panel's column.
    Packed(usize),
    /// By rows, where it lies, from this column on.
    Rows(usize),
    /// A copy of so many rows.
    Copy(&'a [R], usize),
}

impl<R: Real> RightSource<'_, R> {
    /// V vectors of each row of a piece of a block.
    #[inline(always)]
    pub(super) fn rows<'t, const V: usize>(self, terms: &'t [Term<R>], piece: Piece) -> PanelRows<'t, R, V>
    where
        Self: 't,
    {
        let Piece { term, k, at, depth } = piece;
        match (self, terms[term].b) {
            (RightSource::Packed(j), Right::Packed(data)) => {
                PanelRows::new(&data[j * terms[term].k + k * PANEL..], PANEL, terms[term].k * PANEL, depth)
            }
            (RightSource::Rows(j), Right::Rows { data, stride }) => {
                PanelRows::new(&data[k * stride + j..], stride, PANEL, depth)
            }
            (RightSource::Copy(data, rows), _) => PanelRows::new(&data[at * PANEL..], PANEL, rows * PANEL, depth),
            _ => unreachable!("all B are stored in one way"),
        }
    }

    /// The pieces that the tiles walk over: all as one where both operands are copies.
    #[inline(always)]
    pub(super) fn pieces<'t, L: LeftSource<R>>(self, pieces: &'t Pieces, whole: &'t mut Piece) -> &'t [Piece] {
        if L::CONTIGUOUS && matches!(self, RightSource::Copy(..)) {
            whole.depth = pieces.depth;
            std::slice::from_ref(whole)
        } else {
            pieces.all()
        }
    }
}

/// Where tiles of `rows` rows find the panels of B.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum RightKind {
    Packed,
    Rows,
    Copy,
}

/// Whether B is read where it lies.
pub(super) fn right_kind<R: Real, S: Simd<R>>(terms: &[Term<R>], rows: usize, n: usize) -> RightKind {
    match terms.first().map(|term| term.b) {
        Some(Right::Packed(_)) => RightKind::Packed,
        // So few tiles that a copy would not pay, and no panel of which columns are missing.
        Some(Right::Rows { .. }) if rows <= 2 * S::TILE_ROWS && n.is_multiple_of(PANEL) => RightKind::Rows,
        _ => RightKind::Copy,
    }
}

/// Copies the panels of B that hold columns j.. to ..end, one after the other.
#[inline(always)]
pub(super) fn copy_panels<R: Real, S: Simd<R>>(
    s: S,
    terms: &[Term<R>],
    pieces: &Pieces,
    [j, end]: [usize; 2],
    room: &mut [R],
) {
    let (whole, depth) = ((end - j) / PANEL, pieces.depth);
    let (panels, last) = room.as_chunks_mut::<PANEL>().0.split_at_mut(whole * depth);
    for &piece in pieces.all() {
        let b = terms[piece.term].b;
        match b {
            Right::Rows { data, stride } if whole > 0 => {
                cut(&data[piece.k * stride + j..], stride, piece, panels, depth)
            }
            _ => {
                for (p, panel) in panels.chunks_exact_mut(depth.max(1)).enumerate() {
                    pack_panel(s, b, [piece.k, j + p * PANEL], PANEL, &mut panel[piece.at..][..piece.depth]);
                }
            }
        }
        let j = j + whole * PANEL;
        if j < end {
            pack_panel(s, b, [piece.k, j], end - j, &mut last[piece.at..][..piece.depth]);
        }
    }
}

/// Memory for copies, kept by each thread: neither allocated nor cleared in a step.
struct Scratch {
    left: [Line; ROW_BLOCK * K_BLOCK * 4 / 64],
    /// Wide enough for f64.
    right: [Line; COPIED_PANELS * PANEL * K_BLOCK * 8 / 64],
    edge: [Line; MAX_TILE_ROWS * MAX_TILE_VECTORS * PANEL * 8 / 64],
    biases: [Line; MAX_BIASES * MAX_TILE_VECTORS * PANEL * 8 / 64],
}

/// Room for copies of parts of A, of B, of a tile of C and of biases.
pub struct Room<'a, R> {
    pub(super) left: &'a mut [R],
    pub(super) right: &'a mut [R],
    pub(super) edge: &'a mut [R],
    pub(super) biases: &'a mut [R],
}

/// Lends the memory of this thread. (A kernel cannot borrow it itself: a closure is not compiled for its path.)
pub(super) fn with_room<R: Real>(work: impl FnOnce(Room<R>)) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = const {
            RefCell::new(Scratch {
                left: [Line::ZERO; ROW_BLOCK * K_BLOCK * 4 / 64],
                right: [Line::ZERO; COPIED_PANELS * PANEL * K_BLOCK * 8 / 64],
                edge: [Line::ZERO; MAX_TILE_ROWS * MAX_TILE_VECTORS * PANEL * 8 / 64],
                biases: [Line::ZERO; MAX_BIASES * MAX_TILE_VECTORS * PANEL * 8 / 64],
            })
        };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        work(Room {
            left: bytemuck::cast_slice_mut(&mut scratch.left),
            right: bytemuck::cast_slice_mut(&mut scratch.right),
            edge: bytemuck::cast_slice_mut(&mut scratch.edge),
            biases: bytemuck::cast_slice_mut(&mut scratch.biases),
        });
    });
}
