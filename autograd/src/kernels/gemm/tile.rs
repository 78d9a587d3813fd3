//! The register tile and the loop over tiles.

use super::pack::{LeftSource, Piece, Pieces, RightSource};
use super::{Epilogue, MAX_TILE_VECTORS, Target, Term};
use crate::kernels::math;
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::real::Real;

/// Rows up to which a tile takes two panels even where its registers could not hold two of more rows.
const LOW: usize = 2;

/// How many panels of B a tile of so few rows takes at once, where so many columns are left: two where one would leave too
/// few sums under way.
pub(super) fn vectors<R: Real, S: Simd<R>>(rows: usize, columns: usize) -> usize {
    if columns > LANES && (S::TILE_VECTORS == 2 || rows <= LOW) { 2 } else { 1 }
}

/// Tiles of one height, one below the other.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// The first row of the first.
    pub(super) first: usize,
    pub(super) height: usize,
    pub(super) count: usize,
}

/// `rows` rows from `first` on in tiles of nearly equal height, at most `most`: the taller ones, then the others.
pub(super) fn deal(first: usize, rows: usize, most: usize) -> [Tiles; 2] {
    let tiles = rows.div_ceil(most).max(1);
    let (height, taller) = (rows / tiles, rows % tiles);
    let upper = Tiles { first, height: height + 1, count: taller };
    [upper, Tiles { first: first + taller * (height + 1), height, count: tiles - taller }]
}

/// What is compiled apart for each height of a tile, because its rows are registers.
pub(super) trait ForHeight<R: Real> {
    fn run<S: Simd<R>, const M: usize>(self, s: S);
}

/// Runs the variant of that height, a function of its own.
#[inline(always)]
pub(super) fn for_height<R: Real, S: Simd<R>>(s: S, tiles: Tiles, work: impl ForHeight<R>) {
    struct Height<W, const M: usize>(W);
    impl<R: Real, W: ForHeight<R>, const M: usize> Kernel<R> for Height<W, M> {
        type Out = ();
        #[inline(always)]
        fn run<S: Simd<R>>(self, s: S) {
            self.0.run::<S, M>(s);
        }
    }
    if tiles.count == 0 {
        return;
    }
    match tiles.height {
        1 => s.outlined(Height::<_, 1>(work)),
        2 => s.outlined(Height::<_, 2>(work)),
        3 => s.outlined(Height::<_, 3>(work)),
        4 => s.outlined(Height::<_, 4>(work)),
        5 if S::TILE_ROWS >= 5 => s.outlined(Height::<_, 5>(work)),
        6 if S::TILE_ROWS >= 6 => s.outlined(Height::<_, 6>(work)),
        7 if S::TILE_ROWS >= 7 => s.outlined(Height::<_, 7>(work)),
        8 if S::TILE_ROWS >= 8 => s.outlined(Height::<_, 8>(work)),
        9 if S::TILE_ROWS >= 9 => s.outlined(Height::<_, 9>(work)),
        10 if S::TILE_ROWS >= 10 => s.outlined(Height::<_, 10>(work)),
        11 if S::TILE_ROWS >= 11 => s.outlined(Height::<_, 11>(work)),
        12 if S::TILE_ROWS >= 12 => s.outlined(Height::<_, 12>(work)),
        _ => unreachable!("a tile has at most TILE_ROWS rows"),
    }
}

/// What the tiles of a panel have in common.
pub(super) struct Panel<'a, R, L> {
    pub(super) terms: &'a [Term<'a, R>],
    pub(super) pieces: &'a Pieces,
    pub(super) left: L,
    pub(super) right: RightSource<'a, R>,
    /// The first column.
    pub(super) j: usize,
    /// How many of its columns C has.
    pub(super) columns: usize,
    /// The sums go on from C.
    pub(super) from_c: bool,
    /// The panel's part of each bias.
    pub(super) biases: &'a [[R; MAX_TILE_VECTORS * LANES]],
    /// Whether Rect comes after them.
    pub(super) relu: bool,
}

/// The part of a sum's biases that a panel of `columns` columns from `j` on adds, in `room`.
#[inline(always)]
pub(super) fn biases_of<'a, R: Real>(
    epilogue: Epilogue<R>,
    [j, columns]: [usize; 2],
    room: &'a mut [R],
) -> &'a [[R; MAX_TILE_VECTORS * LANES]] {
    let biases = &mut room.as_chunks_mut().0[..epilogue.biases.len()];
    for (all, bias) in biases.iter_mut().zip(epilogue.biases) {
        all[..columns].copy_from_slice(&bias[j..][..columns]);
    }
    biases
}

impl<R: Real, L: LeftSource<R>> Panel<'_, R, L> {
    /// Loop 1: the rows, in tiles of V vectors.
    #[inline(always)]
    pub(super) fn rows_loop<S: Simd<R>, const V: usize>(
        &self,
        s: S,
        c: &mut Target<R>,
        tiles: [Tiles; 2],
        edge: &mut [R],
    ) {
        let mut one = Piece::default();
        let pieces = self.right.pieces::<L>(self.pieces, &mut one);
        for tiles in tiles {
            for_height(s, tiles, Column::<R, L, V> { panel: self, pieces, tiles, c, edge });
        }
    }
}

/// Tiles of one height in a panel, each M × V vectors of C.
struct Column<'a, 'c, R, L, const V: usize> {
    panel: &'a Panel<'a, R, L>,
    pieces: &'a [Piece],
    tiles: Tiles,
    c: &'a mut Target<'c, R>,
    /// Room for a tile.
    edge: &'a mut [R],
}

impl<R: Real, L: LeftSource<R>, const V: usize> ForHeight<R> for Column<'_, '_, R, L, V> {
    #[inline(always)]
    fn run<S: Simd<R>, const M: usize>(self, s: S) {
        if V > S::TILE_VECTORS && M > LOW {
            unreachable!("vectors() chose one panel");
        }
        let Column { panel, pieces, tiles, c, edge } = self;
        let (j, columns) = (panel.j, panel.columns);
        for t in 0..tiles.count {
            let i = tiles.first + t * M;
            if c.column == 1 {
                tile::<R, S, L, M, V>(s, panel, pieces, i, &mut c.data[i * c.row + j..], c.row);
                continue;
            }
            // Where C is stored by columns, the tile works on a copy.
            debug_assert_eq!(c.row, 1);
            if panel.from_c {
                for column in 0..columns {
                    let from: &[R; M] = c.data[(j + column) * c.column + i..].first_chunk().expect("it lies in C");
                    for row in 0..M {
                        edge[row * V * LANES + column] = from[row];
                    }
                }
            }
            tile::<R, S, L, M, V>(s, panel, pieces, i, edge, V * LANES);
            for column in 0..columns {
                let to: &mut [R; M] = c.data[(j + column) * c.column + i..].first_chunk_mut().expect("it lies in C");
                for row in 0..M {
                    to[row] = edge[row * V * LANES + column];
                }
            }
        }
    }
}

/// A tile, whose M × V vectors are registers while k runs over a block. `c` is C from the tile's first element on, its rows
/// `stride` apart.
#[inline(always)]
fn tile<R: Real, S: Simd<R>, L: LeftSource<R>, const M: usize, const V: usize>(
    s: S,
    panel: &Panel<R, L>,
    pieces: &[Piece],
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
                sums[i][v] = s.load_part(part(row, v));
            }
        }
    }
    for &piece in pieces {
        let mut columns = panel.left.columns::<M>(panel.terms, i, piece);
        let mut rows = panel.right.rows::<V>(panel.terms, piece);
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

/// Vector `v` of a row's elements, which may end within it.
#[inline(always)]
fn part<R>(row: &[R], v: usize) -> &[R] {
    let start = row.len().min(v * LANES);
    &row[start..row.len().min(start + LANES)]
}
