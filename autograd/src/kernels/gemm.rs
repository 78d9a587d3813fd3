//! Matrix product C = A·B, or C += A·B.
//!
//! **The contract.** c[i, j] is one chain of fused multiply-adds over k in order, from 0 or from what C holds:
//!
//! ```text
//! c ← 0 or c[i, j];   for k in 0..K { c ← a[i, k]·b[k, j] + c }
//! ```
//!
//! How the loops are blocked, which registers hold what, and how many threads take part never shows in a bit, since
//! vectors run across columns j and never across k. [`oracle`] is that sentence as code, and equality is bitwise.
//!
//! **The loops**, from the outside: loop 3 over panels of [`PANEL`] columns of B; loop 2 over blocks of `K_BLOCK`
//! of k, so that a block of the panel stays in the L1 cache; loop 1 over tiles of rows; and the tile, whose
//! accumulators stay in registers while k runs.

use super::arch::stream::{PanelRows, TileColumns};
use super::simd::{Kernel, LANES, Simd};
use crate::real::Real;

/// Columns in a panel of packed B.
pub const PANEL: usize = 2 * LANES;

/// How far k runs before the tile moves on: 192 rows of a panel are 24 KiB of f32.
const K_BLOCK: usize = 192;

/// The rows of the largest tile of any path.
const MAX_TILE_ROWS: usize = 12;

/// Multiply-adds from which a product is worth a second thread.
const PARALLEL_FROM: usize = 1 << 22;

/// The left matrix A, [rows, k].
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, R> {
    /// a[i, k] = data[i·stride + k]
    Rows {
        /// The elements.
        data: &'a [R],
        /// From one row to the next.
        stride: usize,
    },
    /// a[i, k] = data[k·stride + i]: the transpose of a matrix stored by rows.
    Columns {
        /// The elements.
        data: &'a [R],
        /// From one column to the next.
        stride: usize,
    },
}

/// The right matrix B, [k, columns].
#[derive(Clone, Copy, Debug)]
pub enum Right<'a, R> {
    /// b[k, j] = data[k·stride + j]
    Rows {
        /// The elements.
        data: &'a [R],
        /// From one row to the next.
        stride: usize,
    },
    /// As [`pack`] or [`pack_transposed`] lay it out.
    Packed(&'a [R]),
}

impl<'a, R> Left<'a, R> {
    /// The matrix without its first rows.
    fn skip_rows(self, rows: usize) -> Self {
        match self {
            Left::Rows { data, stride } => Left::Rows { data: &data[rows * stride..], stride },
            Left::Columns { data, stride } => Left::Columns { data: &data[rows..], stride },
        }
    }
}

/// The length of packed [k, n]: panels of [`PANEL`] columns, the last filled up with zeros.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(PANEL)
}

/// Packs b [k, n]: panel by panel, in each its rows one after the other.
pub fn pack<R: Real>(b: &[R], k: usize, n: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack [{k}, {n}]");
    for (p, panel) in packed.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
        let width = PANEL.min(n - p * PANEL);
        for (row, b) in panel.chunks_exact_mut(PANEL).zip(b.chunks_exact(n)) {
            row[..width].copy_from_slice(&b[p * PANEL..][..width]);
            row[width..].fill(R::ZERO);
        }
    }
}

/// Packs the transpose of b [n, k], which is [k, n].
pub fn pack_transposed<R: Real>(b: &[R], n: usize, k: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack_transposed [{n}, {k}]");
    for (p, panel) in packed.chunks_exact_mut((k * PANEL).max(1)).enumerate() {
        let width = PANEL.min(n - p * PANEL);
        let source = &b[p * PANEL * k..][..width * k];
        for (row, packed) in panel.chunks_exact_mut(PANEL).enumerate() {
            for (packed, b) in packed.iter_mut().zip(source.chunks_exact(k)) {
                *packed = b[row];
            }
            packed[width..].fill(R::ZERO);
        }
    }
}

/// C = A·B, or C += A·B with `accumulate`; c is [m, n] by rows, A is [m, k], B is [k, n]. C is not read unless
/// accumulated into, and k = 0 makes it 0. Large products are split by rows between the threads of the current rayon
/// pool.
///
/// # Panics
/// Where a slice is too short for its matrix.
pub fn gemm<R: Real>(a: Left<R>, b: Right<R>, c: &mut [R], [m, n, k]: [usize; 3], accumulate: bool) {
    assert_eq!(c.len(), m * n, "gemm: C is [{m}, {n}]");
    if m >= 16 && m * n * k >= PARALLEL_FROM {
        let half = m / 2;
        let (upper, lower) = c.split_at_mut(half * n);
        rayon::join(
            || gemm(a, b, upper, [half, n, k], accumulate),
            || gemm(a.skip_rows(half), b, lower, [m - half, n, k], accumulate),
        );
    } else {
        R::dispatch(Gemm { a, b, c, shape: [m, n, k], accumulate });
    }
}

/// # Panics
/// Where B is too short for [k, n].
fn check<R>(b: Right<R>, [_, n, k]: [usize; 3]) {
    match b {
        Right::Rows { data, stride } if n * k > 0 => {
            assert!(stride >= n && (k - 1) * stride + n <= data.len(), "gemm: B is [{k}, {n}], rows {stride} apart");
        }
        Right::Packed(data) => assert_eq!(data.len(), packed_len(k, n), "gemm: B is [{k}, {n}], packed"),
        Right::Rows { .. } => {}
    }
}

/// [`gemm`] on one thread, as a kernel, for those that run it on a path of their choice.
pub struct Gemm<'a, R> {
    /// [m, k]
    pub a: Left<'a, R>,
    /// [k, n]
    pub b: Right<'a, R>,
    /// [m, n] by rows
    pub c: &'a mut [R],
    /// [m, n, k]
    pub shape: [usize; 3],
    /// C += A·B rather than C = A·B
    pub accumulate: bool,
}

impl<R: Real> Kernel<R> for Gemm<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Gemm { a, b, c, shape, accumulate } = self;
        self::check(b, shape);
        let [_, n, k] = shape;
        let b = match b {
            Right::Packed(data) => {
                RightLayout { data, stride: PANEL, panel: k * PANEL, columns: n.next_multiple_of(PANEL) }
            }
            Right::Rows { data, stride } => RightLayout { data, stride, panel: PANEL, columns: n },
        };
        // One copy of the loops for each way in which A lies in memory.
        match a {
            Left::Rows { data, stride } => {
                panels_loop(s, |data| LeftLayout { data, row: stride, step: 1 }, data, b, c, shape, accumulate)
            }
            Left::Columns { data, stride } => {
                panels_loop(s, |data| LeftLayout { data, row: 1, step: stride }, data, b, c, shape, accumulate)
            }
        }
    }
}

/// How A lies in memory: rows `row` apart, the elements of a row `step` apart.
#[derive(Clone, Copy)]
struct LeftLayout<'a, R> {
    data: &'a [R],
    row: usize,
    step: usize,
}

impl<'a, R: Real> LeftLayout<'a, R> {
    /// M rows from `i` over a block of k.
    #[inline(always)]
    fn tile<const M: usize>(self, i: usize, k: usize, depth: usize) -> TileColumns<'a, R, M> {
        TileColumns::new(&self.data[i * self.row + k * self.step..], self.row, self.step, depth)
    }
}

/// How B lies in memory: rows `stride` apart, and a panel of columns after the other `panel` apart.
#[derive(Clone, Copy)]
struct RightLayout<'a, R> {
    data: &'a [R],
    stride: usize,
    panel: usize,
    /// Columns that can be read: for packed B the filled-up ones too.
    columns: usize,
}

impl<'a, R: Real> RightLayout<'a, R> {
    /// Columns j.. over a block of k; j is a multiple of [`LANES`].
    #[inline(always)]
    fn block(self, j: usize, k: usize) -> &'a [R] {
        &self.data[j / PANEL * self.panel + j % PANEL + k * self.stride..]
    }
}

/// Loops 3 and 2. `layout` says how a part of A lies in memory: a closure, so that its unit stride is known to the compiler.
#[inline(always)]
fn panels_loop<'a, R: Real, S: Simd<R>>(
    s: S,
    layout: impl Fn(&'a [R]) -> LeftLayout<'a, R>,
    a: &'a [R],
    b: RightLayout<R>,
    c: &mut [R],
    [m, n, k]: [usize; 3],
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 && !accumulate {
        c.fill(R::ZERO);
    }
    let mut j = 0;
    while j < n {
        let two = S::TILE_VECTORS == 2 && n - j > LANES;
        let width = if two { 2 * LANES } else { LANES };
        let mut start = 0;
        while start < k {
            let depth = K_BLOCK.min(k - start);
            let block = Block { k: start, depth, j, n, from_c: accumulate || start > 0 };
            let (a, panel) = (layout(a), b.block(j, start));
            if b.columns - j < width {
                // The right edge of a B that is not packed: a copy of the block, filled up with zeros.
                let mut edge = [R::ZERO; K_BLOCK * PANEL];
                let columns = b.columns - j;
                for (row, from) in edge.chunks_exact_mut(width).zip(panel.chunks(b.stride)).take(depth) {
                    row[..columns].copy_from_slice(&from[..columns]);
                }
                if two {
                    rows_loop::<R, S, 2>(s, a, (&edge, width), c, m, block)
                } else {
                    rows_loop::<R, S, 1>(s, a, (&edge, width), c, m, block)
                }
            } else if two {
                rows_loop::<R, S, 2>(s, a, (panel, b.stride), c, m, block)
            } else {
                rows_loop::<R, S, 1>(s, a, (panel, b.stride), c, m, block)
            }
            start += depth;
        }
        j += width;
    }
}

/// Where a block of the product lies.
#[derive(Clone, Copy)]
struct Block {
    k: usize,
    depth: usize,
    j: usize,
    n: usize,
    from_c: bool,
}

/// Loop 1: the rows in tiles of nearly equal height, at most `TILE_ROWS`. `b` is the block of B and its stride.
#[inline(always)]
fn rows_loop<R: Real, S: Simd<R>, const V: usize>(
    s: S,
    a: LeftLayout<R>,
    b: (&[R], usize),
    c: &mut [R],
    m: usize,
    block: Block,
) {
    let tiles = m.div_ceil(S::TILE_ROWS);
    let missing = (block.j + V * LANES).saturating_sub(block.n);
    let mut i = 0;
    for t in 0..tiles {
        let rows = m / tiles + usize::from(t < m % tiles);
        let c = &mut c[i * block.n..][..rows * block.n];
        if missing == 0 {
            tile_of::<R, S, V>(s, a, b, c, [i, rows], block);
        } else {
            // At the right edge vectors of C are partly missing: they pass through a copy.
            let columns = V * LANES - missing;
            let mut edge = [[R::ZERO; PANEL]; MAX_TILE_ROWS];
            for (edge, c) in edge.iter_mut().zip(c.chunks_exact(block.n)) {
                edge[..columns].copy_from_slice(&c[block.j..]);
            }
            let inner = Block { j: 0, n: PANEL, ..block };
            tile_of::<R, S, V>(s, a, b, edge.as_flattened_mut(), [i, rows], inner);
            for (edge, c) in edge.iter().zip(c.chunks_exact_mut(block.n)) {
                c[block.j..].copy_from_slice(&edge[..columns]);
            }
        }
        i += rows;
    }
}

/// A tile of so many rows: each height is compiled apart, its accumulators being registers.
#[inline(always)]
fn tile_of<R: Real, S: Simd<R>, const V: usize>(
    s: S,
    a: LeftLayout<R>,
    b: (&[R], usize),
    c: &mut [R],
    [i, rows]: [usize; 2],
    block: Block,
) {
    match rows {
        1 => tile::<R, S, 1, V>(s, a, b, c, i, block),
        2 => tile::<R, S, 2, V>(s, a, b, c, i, block),
        3 => tile::<R, S, 3, V>(s, a, b, c, i, block),
        4 => tile::<R, S, 4, V>(s, a, b, c, i, block),
        5 if S::TILE_ROWS >= 5 => tile::<R, S, 5, V>(s, a, b, c, i, block),
        6 if S::TILE_ROWS >= 6 => tile::<R, S, 6, V>(s, a, b, c, i, block),
        7 if S::TILE_ROWS >= 7 => tile::<R, S, 7, V>(s, a, b, c, i, block),
        8 if S::TILE_ROWS >= 8 => tile::<R, S, 8, V>(s, a, b, c, i, block),
        9 if S::TILE_ROWS >= 9 => tile::<R, S, 9, V>(s, a, b, c, i, block),
        10 if S::TILE_ROWS >= 10 => tile::<R, S, 10, V>(s, a, b, c, i, block),
        11 if S::TILE_ROWS >= 11 => tile::<R, S, 11, V>(s, a, b, c, i, block),
        12 if S::TILE_ROWS >= 12 => tile::<R, S, 12, V>(s, a, b, c, i, block),
        _ => unreachable!("a tile has at most TILE_ROWS rows"),
    }
}

/// M × V vectors of C in registers while k runs over the block. `c` holds M rows, and all V vectors of each.
#[inline(always)]
fn tile<R: Real, S: Simd<R>, const M: usize, const V: usize>(
    s: S,
    a: LeftLayout<R>,
    (b, stride): (&[R], usize),
    c: &mut [R],
    i: usize,
    Block { k, depth, j, n, from_c }: Block,
) {
    let mut sums = [[s.splat(R::ZERO); V]; M];
    if from_c {
        for i in 0..M {
            let (row, _) = c[i * n + j..][..V * LANES].as_chunks::<LANES>();
            for v in 0..V {
                sums[i][v] = s.load(&row[v]);
            }
        }
    }
    for (column, row) in a.tile::<M>(i, k, depth).zip(PanelRows::<R, V>::new(b, stride, depth)) {
        let row: [S::V; V] = std::array::from_fn(|v| s.load(&row[v]));
        for i in 0..M {
            let x = s.splat(column[i]);
            for v in 0..V {
                // c ← a[i, k]·b[k, j] + c
                sums[i][v] = s.mul_add(x, row[v], sums[i][v]);
            }
        }
    }
    for i in 0..M {
        let (row, _) = c[i * n + j..][..V * LANES].as_chunks_mut::<LANES>();
        for v in 0..V {
            s.store(sums[i][v], &mut row[v]);
        }
    }
}

/// The contract as three loops, with a(i, k) and b(k, j): what every kernel is held against.
pub fn oracle<R: Real>(
    a: impl Fn(usize, usize) -> R,
    b: impl Fn(usize, usize) -> R,
    c: &mut [R],
    [m, n, depth]: [usize; 3],
    accumulate: bool,
) {
    for i in 0..m {
        for j in 0..n {
            let start = if accumulate { c[i * n + j] } else { R::ZERO };
            c[i * n + j] = (0..depth).fold(start, |sum, k| a(i, k).mul_add(b(k, j), sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Path;

    /// Numbers of mixed magnitude and sign, so that a chain in another order gives other bits.
    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
                if state & 64 == 0 { x * 1e3 } else { x }
            })
            .collect()
    }

    /// Every layout, with C that must be overwritten (it holds NaN) or added to, on every path: bitwise the oracle.
    fn check(m: usize, n: usize, k: usize, gap: usize) {
        let (by_rows, by_columns) = (numbers(m * (k + gap) + k, 1), numbers(k * (m + gap) + m, 2));
        let (b, dense) = (numbers(k * (n + gap) + n, 3), numbers(k * n, 4));
        let mut packed = vec![f32::NAN; packed_len(k, n)];
        let mut transposed = packed.clone();
        pack(&dense, k, n, &mut packed);
        let flipped: Vec<f32> = (0..n * k).map(|i| dense[i % k.max(1) * n + i / k.max(1)]).collect();
        pack_transposed(&flipped, n, k, &mut transposed);
        assert_eq!(packed, transposed);
        for columns in [false, true] {
            for is_packed in [false, true] {
                for accumulate in [false, true] {
                    let a = |i: usize, p: usize| {
                        if columns { by_columns[p * (m + gap) + i] } else { by_rows[i * (k + gap) + p] }
                    };
                    let b_at = |p: usize, j: usize| if is_packed { dense[p * n + j] } else { b[p * (n + gap) + j] };
                    let start = if accumulate { numbers(m * n, 5) } else { vec![f32::NAN; m * n] };
                    let mut expected = start.clone();
                    oracle(a, b_at, &mut expected, [m, n, k], accumulate);
                    for path in Path::all() {
                        let mut c = start.clone();
                        let left = if columns {
                            Left::Columns { data: &by_columns, stride: m + gap }
                        } else {
                            Left::Rows { data: &by_rows, stride: k + gap }
                        };
                        let right =
                            if is_packed { Right::Packed(&packed) } else { Right::Rows { data: &b, stride: n + gap } };
                        path.run(Gemm { a: left, b: right, c: &mut c, shape: [m, n, k], accumulate });
                        let same = c.iter().zip(&expected).all(|(c, e)| c.to_bits() == e.to_bits());
                        assert!(
                            same,
                            "{} [{m}, {n}, {k}] columns {columns} packed {is_packed} accumulate {accumulate}",
                            path.name()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_tile_edge_is_the_oracle() {
        if cfg!(miri) {
            // Miri is slow: low, split and full tiles, one and two vectors wide, with columns missing.
            return [1, 5, 12].into_iter().for_each(|m| check(m, 33, 2, 3));
        }
        for m in 0..=25 {
            for n in [0, 1, 2, 10, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65] {
                for k in [0, 1, 2, 5] {
                    check(m, n, k, 3);
                }
            }
        }
    }

    #[test]
    fn blocks_of_k_do_not_show() {
        if cfg!(miri) {
            return check(1, 1, K_BLOCK + 1, 0);
        }
        for k in [K_BLOCK - 1, K_BLOCK, K_BLOCK + 1, 2 * K_BLOCK + 7] {
            check(13, 37, k, 0);
        }
    }

    /// The same product, split between threads.
    #[test]
    #[cfg_attr(target_family = "wasm", ignore = "no threads")]
    #[cfg_attr(miri, ignore = "slow: small products stay on one thread")]
    fn threads_do_not_show() {
        let [m, n, k] = [301, 130, 257];
        let (a, b) = (numbers(m * k, 6), numbers(k * n, 7));
        let mut expected = vec![0.0; m * n];
        oracle(|i, p| a[i * k + p], |p, j| b[p * n + j], &mut expected, [m, n, k], false);
        for threads in [1, 2, 3] {
            let mut c = vec![0.0; m * n];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (left, right) = (Left::Rows { data: &a, stride: k }, Right::Rows { data: &b, stride: n });
            pool.install(|| gemm(left, right, &mut c, [m, n, k], false));
            assert_eq!(c, expected);
        }
    }

    /// The test can fail: two chains in place of one give other bits.
    #[test]
    fn a_reassociated_sum_differs() {
        let (a, b) = (numbers(500, 8), numbers(500, 9));
        let chain = |range: std::ops::Range<usize>| range.fold(0.0f32, |sum, k| a[k].mul_add(b[k], sum));
        assert_ne!(chain(0..500), chain(0..250) + chain(250..500));
    }
}
