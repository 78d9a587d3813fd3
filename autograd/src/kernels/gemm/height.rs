//! The sizes of the register tile, and code that is compiled once for each height of a tile.

use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::number::Number;

/// The number of rows of the largest tile of any path.
pub(super) const MAX_TILE_ROWS: usize = 12;

/// The number of vectors in a row of the largest tile of any path.
pub(super) const MAX_TILE_VECTORS: usize = 2;

/// Tiles of up to this many rows take two panels even on a path whose registers could not hold two panels of more rows.
pub(super) const LOW_TILE_ROWS: usize = 2;

/// How many panels of B a tile takes at once if `rows` rows and `columns` columns are left. It takes two where one
/// would leave too few sums under way.
pub(super) fn panels_at_once<R: Number, S: Simd<R>>(rows: usize, columns: usize) -> usize {
    if columns > LANES && (S::TILE_VECTORS == 2 || rows <= LOW_TILE_ROWS) { 2 } else { 1 }
}

/// Tiles of one height, one below the other.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// The first row of the first tile.
    pub(super) first: usize,
    pub(super) height: usize,
    pub(super) count: usize,
}

/// Divides `rows` rows, from `first` on, into tiles of nearly equal height, at most `max_height`: the taller ones, then
/// the others.
pub(super) fn balanced_tiles(first: usize, rows: usize, max_height: usize) -> [Tiles; 2] {
    let tiles = rows.div_ceil(max_height).max(1);
    let (height, taller) = (rows / tiles, rows % tiles);
    let upper = Tiles { first, height: height + 1, count: taller };
    [upper, Tiles { first: first + taller * (height + 1), height, count: tiles - taller }]
}

/// Work on tiles that is compiled once for each height M, because the rows of a tile are registers.
pub(super) trait HeightKernel<R: Number> {
    fn run<S: Simd<R>, const M: usize>(self, s: S);
}

/// Runs the variant for the height of these tiles, which is a function of its own; nothing if there is no tile.
#[inline(always)]
pub(super) fn run_at_height<R: Number, S: Simd<R>>(s: S, tiles: Tiles, work: impl HeightKernel<R>) {
    struct Height<W, const M: usize>(W);
    impl<R: Number, W: HeightKernel<R>, const M: usize> Kernel<R> for Height<W, M> {
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
        3 if const { S::TILE_ROWS >= 3 } => s.outlined(Height::<_, 3>(work)),
        4 if const { S::TILE_ROWS >= 4 } => s.outlined(Height::<_, 4>(work)),
        5 if const { S::TILE_ROWS >= 5 } => s.outlined(Height::<_, 5>(work)),
        6 if const { S::TILE_ROWS >= 6 } => s.outlined(Height::<_, 6>(work)),
        7 if const { S::TILE_ROWS >= 7 } => s.outlined(Height::<_, 7>(work)),
        8 if const { S::TILE_ROWS >= 8 } => s.outlined(Height::<_, 8>(work)),
        9 if const { S::TILE_ROWS >= 9 } => s.outlined(Height::<_, 9>(work)),
        10 if const { S::TILE_ROWS >= 10 } => s.outlined(Height::<_, 10>(work)),
        11 if const { S::TILE_ROWS >= 11 } => s.outlined(Height::<_, 11>(work)),
        12 if const { S::TILE_ROWS >= 12 } => s.outlined(Height::<_, 12>(work)),
        _ => unreachable!("a tile has at most TILE_ROWS rows"),
    }
}
