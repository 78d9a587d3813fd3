//! Sums of matrix products, C = φ(Σ A·B + bias), or C += Σ A·B.
//!
//! **The contract.** `c[i, j]` is one chain of fused multiply-adds over the terms, and in each over its k, in order, from 0
//! or from what C holds; then come the biases, one after the other, and Rect:
//!
//! ```text
//! c ← 0 or c[i, j];   for (A, B) in terms, for k in 0..K { c ← a[i, k]·b[k, j] + c };   c ← φ(c + bias[j] + …)
//! ```
//!
//! How the loops are blocked, which operand is copied, which registers hold what, and how many threads take part never
//! shows in a bit, since vectors run across columns j (or, of a thin C, rows i) and never across k. [`oracle`] is that
//! sentence as code, and equality is bitwise.
//!
//! **The loops**, from the outside: loop 4 over blocks of `K_BLOCK` of k; loop 3 over blocks of `ROW_BLOCK` rows, so
//! that what is packed of A stays in the L2 cache; loop 2 over panels of columns of B, each of which stays in the L1
//! cache; loop 1 over tiles of rows; and the tile (`tile.rs`), whose accumulators stay in registers while k runs. `pack.rs`
//! tells when an operand is copied, and why.

mod pack;
mod tile;

pub use pack::{pack, pack_transposed, packed_len};

use super::math;
use super::simd::{Kernel, LANES, Simd};
use crate::real::Real;
use pack::{Blocks, ColumnsInPlace, LeftSource, Pieces, RightKind, RightSource, Room, RowsInPlace};
use tile::{Panel, Tiles};

/// Columns in a panel of packed B: a vector.
pub const PANEL: usize = LANES;

/// How far k runs before the sums go back to C: 256 rows of a panel are 16 KiB of f32, half of an L1 cache.
const K_BLOCK: usize = 256;

/// Rows of A that are packed at once: 144 × 256 are 144 KiB of f32, a part of an L2 cache.
const ROW_BLOCK: usize = 144;

/// Panels of B that are copied at once: 8 × 16 KiB of f32, a part of an L2 cache. The more, the longer the parts of rows that
/// are read.
const COPIED_PANELS: usize = 8;

/// The rows of the largest tile of any path.
const MAX_TILE_ROWS: usize = 12;

/// The vectors in a row of the largest tile of any path.
const MAX_TILE_VECTORS: usize = 2;

/// Multiply-adds that are worth waking a thread: some five microseconds.
const THREAD_WORK: usize = 1 << 18;

/// The most terms in one sum.
pub const MAX_TERMS: usize = 32;

/// The left matrix A, [rows, k].
#[derive(Clone, Copy, Debug)]
pub enum Left<'a, R> {
    /// `a[i, k] = data[i·stride + k]`
    Rows {
        /// The elements.
        data: &'a [R],
        /// From one row to the next.
        stride: usize,
    },
    /// `a[i, k] = data[k·stride + i]`: the transpose of a matrix stored by rows.
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
    /// `b[k, j] = data[k·stride + j]`
    Rows {
        /// The elements.
        data: &'a [R],
        /// From one row to the next.
        stride: usize,
    },
    /// `b[k, j] = data[j·stride + k]`: the transpose of a matrix stored by rows.
    Columns {
        /// The elements.
        data: &'a [R],
        /// From one column to the next.
        stride: usize,
    },
    /// As [`pack`] or [`pack_transposed`] lay it out.
    Packed(&'a [R]),
}

/// A product A·B of a sum: A is [m, k], B is [k, n].
#[derive(Clone, Copy, Debug)]
pub struct Term<'a, R> {
    /// A
    pub a: Left<'a, R>,
    /// B
    pub b: Right<'a, R>,
    /// The inner length.
    pub k: usize,
}

impl<R> Term<'_, R> {
    /// The product with k = 0, to fill up an array.
    pub const EMPTY: Self = Term { a: Left::Rows { data: &[], stride: 0 }, b: Right::Packed(&[]), k: 0 };

    /// The product without the first rows of A.
    fn skip_rows(self, rows: usize) -> Self {
        let a = match self.a {
            Left::Rows { data, stride } => Left::Rows { data: data.get(rows * stride..).unwrap_or(&[]), stride },
            Left::Columns { data, stride } => Left::Columns { data: data.get(rows..).unwrap_or(&[]), stride },
        };
        Term { a, ..self }
    }

    /// The transposed product, Bᵀ·Aᵀ.
    fn transposed(self) -> Self {
        let a = match self.b {
            Right::Rows { data, stride } => Left::Columns { data, stride },
            Right::Columns { data, stride } => Left::Rows { data, stride },
            // Of a thin matrix, which is a single panel.
            Right::Packed(data) => Left::Columns { data, stride: PANEL },
        };
        let b = match self.a {
            Left::Rows { data, stride } => Right::Columns { data, stride },
            Left::Columns { data, stride } => Right::Rows { data, stride },
        };
        Term { a, b, k: self.k }
    }

    /// # Panics
    /// Where a slice is too short for its matrix.
    fn check(&self, m: usize, n: usize) {
        let k = self.k;
        let holds = |len: usize, rows: usize, stride: usize, columns: usize| {
            rows == 0 || columns == 0 || (stride >= columns && (rows - 1) * stride + columns <= len)
        };
        match self.a {
            Left::Rows { data, stride } => {
                assert!(holds(data.len(), m, stride, k), "gemm: A is [{m}, {k}], rows {stride} apart")
            }
            Left::Columns { data, stride } => {
                assert!(holds(data.len(), k, stride, m), "gemm: A is [{m}, {k}], columns {stride} apart")
            }
        }
        match self.b {
            Right::Rows { data, stride } => {
                assert!(holds(data.len(), k, stride, n), "gemm: B is [{k}, {n}], rows {stride} apart")
            }
            Right::Columns { data, stride } => {
                assert!(holds(data.len(), n, stride, k), "gemm: B is [{k}, {n}], columns {stride} apart")
            }
            Right::Packed(data) => assert_eq!(data.len(), packed_len(k, n), "gemm: B is [{k}, {n}], packed"),
        }
    }
}

/// What happens to an element once its chain is complete, while it is still in a register.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a, R> {
    /// Added one after the other, each of n numbers; at most four.
    pub biases: &'a [&'a [R]],
    /// Whether Rect comes last.
    pub relu: bool,
}

impl<R> Epilogue<'_, R> {
    /// Nothing.
    pub const NONE: Self = Epilogue { biases: &[], relu: false };
}

/// The most biases of an [`Epilogue`].
pub(crate) const MAX_BIASES: usize = 4;

/// C = A·B, or C += A·B with `accumulate`; c is [m, n] by rows. See [`sum`].
///
/// # Panics
/// Where a slice is too short for its matrix.
pub fn gemm<R: Real>(a: Left<R>, b: Right<R>, c: &mut [R], [m, n, k]: [usize; 3], accumulate: bool) {
    sum(&[Term { a, b, k }], c, [m, n], accumulate, Epilogue::NONE);
}

/// C = φ(Σ A·B + bias), or C = φ(C + Σ A·B + bias) with `accumulate`; c is [m, n] by rows, and not read unless
/// accumulated into. All A of a sum are stored in one way, and so are all B. Large sums are split by rows between the
/// threads of the current rayon pool.
///
/// # Panics
/// Where a slice is too short for its matrix, or for over [`MAX_TERMS`] terms.
pub fn sum<R: Real>(terms: &[Term<R>], c: &mut [R], [m, n]: [usize; 2], accumulate: bool, epilogue: Epilogue<R>) {
    check(terms, c, [m, n], epilogue);
    let work: usize = terms.iter().map(|term| term.k * m * n).sum();
    let threads = if work < 2 * THREAD_WORK { 1 } else { rayon::current_num_threads() };
    // Of a large product more pieces than threads, so that they end at the same time.
    let most = if work < 4 * threads * THREAD_WORK { threads } else { 2 * threads };
    let pieces = if threads == 1 { 1 } else { most.min(work / THREAD_WORK).min(m.div_ceil(2)) };
    split(terms, c, [m, n], accumulate, epilogue, pieces);
}

fn split<R: Real>(
    terms: &[Term<R>],
    c: &mut [R],
    [m, n]: [usize; 2],
    accumulate: bool,
    epilogue: Epilogue<R>,
    pieces: usize,
) {
    if pieces <= 1 {
        return sum_on(R::dispatch_sum, terms, c, [m, n], accumulate, epilogue);
    }
    let rows = (m * (pieces / 2) / pieces).next_multiple_of(2).min(m);
    let (upper, lower) = c.split_at_mut(rows * n);
    let mut rest = [Term::EMPTY; MAX_TERMS];
    for (rest, term) in rest.iter_mut().zip(terms) {
        *rest = term.skip_rows(rows);
    }
    let rest = &rest[..terms.len()];
    rayon::join(
        || split(terms, upper, [rows, n], accumulate, epilogue, pieces / 2),
        || split(rest, lower, [m - rows, n], accumulate, epilogue, pieces - pieces / 2),
    );
}

/// [`sum`] on one thread and on a path of one's choice.
///
/// # Panics
/// As [`sum`].
pub fn sum_on<R: Real>(
    dispatch: impl FnOnce(Sum<R>),
    terms: &[Term<R>],
    c: &mut [R],
    shape: [usize; 2],
    accumulate: bool,
    epilogue: Epilogue<R>,
) {
    pack::with_room(|room| dispatch(Sum { terms, c, shape, accumulate, epilogue, room }));
}

/// [`sum`] on one thread, as a kernel.
pub struct Sum<'a, R> {
    terms: &'a [Term<'a, R>],
    c: &'a mut [R],
    shape: [usize; 2],
    accumulate: bool,
    epilogue: Epilogue<'a, R>,
    room: Room<'a, R>,
}

impl<R: Real> Kernel<R> for Sum<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let Sum { terms, c, shape: [m, n], accumulate, epilogue, room } = self;
        check(terms, c, [m, n], epilogue);
        if m == 0 || n == 0 {
            return;
        }
        if let &[Term { a: Left::Rows { data: a, stride }, b: Right::Packed(b), k }] = terms
            && !accumulate
        {
            let shallow = Shallow { a, stride, b, c: &mut *c, n, epilogue };
            match k {
                1 => return shallow.run::<_, 1>(s),
                2 => return shallow.run::<_, 2>(s),
                3 => return shallow.run::<_, 3>(s),
                4 => return shallow.run::<_, 4>(s),
                _ => {}
            }
        }
        let thin = is_thin(terms, [m, n]);
        let mut flipped;
        let terms = if thin {
            flipped = [Term::EMPTY; MAX_TERMS];
            for (flipped, term) in flipped.iter_mut().zip(terms) {
                *flipped = term.transposed();
            }
            &flipped[..terms.len()]
        } else {
            terms
        };
        // A thin C as Cᵀ = Σ Bᵀ·Aᵀ: vectors run across its rows, which are many, and not across its few columns.
        let (target, shape, inner) = if thin {
            (Target { data: &mut *c, row: 1, column: n }, [n, m], Epilogue::NONE)
        } else {
            (Target { data: &mut *c, row: n, column: 1 }, [m, n], epilogue)
        };
        blocks_loop(s, terms, target, shape, accumulate, inner, room);
        if thin {
            finish(s, epilogue, c, n);
        }
    }
}

/// # Panics
/// As [`sum`].
fn check<R>(terms: &[Term<R>], c: &[R], [m, n]: [usize; 2], epilogue: Epilogue<R>) {
    assert_eq!(c.len(), m * n, "gemm: C is [{m}, {n}]");
    assert!(terms.len() <= MAX_TERMS, "gemm: at most {MAX_TERMS} terms, not {}", terms.len());
    assert!(epilogue.biases.len() <= MAX_BIASES && epilogue.biases.iter().all(|b| b.len() == n), "gemm: biases of {n}");
    terms.iter().for_each(|term| term.check(m, n));
    let alike = |a: &Term<R>| {
        std::mem::discriminant(&a.a) == std::mem::discriminant(&terms[0].a)
            && std::mem::discriminant(&a.b) == std::mem::discriminant(&terms[0].b)
    };
    assert!(terms.iter().all(alike), "gemm: all A of a sum are stored in one way, and so are all B");
}

/// Whether C has so few columns that its transpose is the better product.
///
/// A row of C takes a vector's time a step of k, whether or not its columns fill the vector; in the transpose only its n
/// columns' share of it. Against that stands to copy C to and fro, element by element, each of which is taken to cost as much
/// as four steps of k; and to transpose A where it is stored by rows, which costs about as much as five columns do.
fn is_thin<R>(terms: &[Term<R>], [m, n]: [usize; 2]) -> bool {
    let depth: usize = terms.iter().map(|term| term.k).sum();
    let to_transpose = if by_columns(terms) { 0 } else { 5 };
    m >= LANES && n + to_transpose < LANES && depth * (LANES - n - to_transpose) > 4 * LANES * n
}

/// [`Epilogue`] for a C by rows that its tiles did not see by rows.
#[inline(always)]
fn finish<R: Real, S: Simd<R>>(s: S, epilogue: Epilogue<R>, c: &mut [R], n: usize) {
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

/// A product whose k is so short that to begin and to end a tile would cost more than the tile: row by row, without any.
struct Shallow<'a, R> {
    a: &'a [R],
    stride: usize,
    /// Packed.
    b: &'a [R],
    c: &'a mut [R],
    n: usize,
    epilogue: Epilogue<'a, R>,
}

impl<R: Real> Shallow<'_, R> {
    #[inline(always)]
    fn run<S: Simd<R>, const K: usize>(self, s: S) {
        let Shallow { a, stride, b, c, n, epilogue } = self;
        let panels = b.as_chunks::<PANEL>().0.as_chunks::<K>().0;
        for (c, a) in c.chunks_exact_mut(n).zip(a.chunks(stride)) {
            let mut x = [s.splat(R::ZERO); K];
            for k in 0..K {
                x[k] = s.splat(a[k]);
            }
            let (whole, rest) = c.as_chunks_mut();
            let (panels, last) = panels.split_at(whole.len());
            for (p, (c, panel)) in whole.iter_mut().zip(panels).enumerate() {
                s.store(chain(s, x, panel, epilogue, p * PANEL, PANEL), c);
            }
            if let [panel] = last {
                s.store_part(chain(s, x, panel, epilogue, whole.len() * PANEL, rest.len()), rest);
            }
        }
    }
}

/// The chains of a row of a panel, which begins at column j, and their end.
#[inline(always)]
fn chain<R: Real, S: Simd<R>, const K: usize>(
    s: S,
    x: [S::V; K],
    panel: &[[R; PANEL]; K],
    epilogue: Epilogue<R>,
    j: usize,
    columns: usize,
) -> S::V {
    let mut sum = s.splat(R::ZERO);
    for k in 0..K {
        // c ← a[i, k]·b[k, j] + c
        sum = s.mul_add(x[k], s.load(&panel[k]), sum);
    }
    for bias in epilogue.biases {
        sum = s.add(sum, s.load_part(&bias[j..][..columns]));
    }
    if epilogue.relu { math::relu(s, sum) } else { sum }
}

/// How C lies in memory.
struct Target<'a, R> {
    data: &'a mut [R],
    /// From one row to the next.
    row: usize,
    /// From one column to the next.
    column: usize,
}

/// Loops 4 and 3.
#[inline(always)]
fn blocks_loop<R: Real, S: Simd<R>>(
    s: S,
    terms: &[Term<R>],
    mut c: Target<R>,
    [m, n]: [usize; 2],
    accumulate: bool,
    epilogue: Epilogue<R>,
    room: Room<R>,
) {
    let Room { left: left_room, right, edge, biases } = room;
    let mut rest = Room { left: &mut [], right, edge, biases };
    let by_columns = by_columns(terms);
    let row_block = left_room.len() / K_BLOCK;
    let mut blocks = Blocks::new(terms);
    let mut pieces = Pieces::default();
    let mut from_c = accumulate;
    loop {
        let last = blocks.next_block(&mut pieces);
        let epilogue = if last { epilogue } else { Epilogue::NONE };
        for first in (0..m).step_by(row_block) {
            let rows = row_block.min(m - first);
            let tiles = tile::deal(first, rows, S::TILE_ROWS);
            let mut work = Work { terms, pieces: &pieces, rows, tiles, n, from_c, epilogue, room: &mut rest };
            // One copy of the loops for each way in which A lies in memory.
            if pack::packs_left(by_columns, n, pieces.depth()) {
                let left = if by_columns {
                    pack::pack_left(s, ColumnsInPlace, terms, &pieces, tiles, left_room)
                } else {
                    pack::pack_left(s, RowsInPlace, terms, &pieces, tiles, left_room)
                };
                work.panels_loop::<_, _, MAX_TILE_VECTORS>(s, left, &mut c);
            } else if by_columns {
                // A single panel.
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

/// A block of rows by a block of k.
struct Work<'a, 'r, R> {
    terms: &'a [Term<'a, R>],
    pieces: &'a Pieces,
    /// How many rows.
    rows: usize,
    tiles: [Tiles; 2],
    n: usize,
    from_c: bool,
    epilogue: Epilogue<'a, R>,
    room: &'a mut Room<'r, R>,
}

impl<R: Real> Work<'_, '_, R> {
    /// Loop 2, over MOST panels at once at most.
    #[inline(always)]
    fn panels_loop<S: Simd<R>, L: LeftSource<R>, const MOST: usize>(&mut self, s: S, left: L, c: &mut Target<R>) {
        let &mut Work { terms, pieces, rows, tiles, n, from_c, epilogue, ref mut room } = self;
        let kind = pack::right_kind::<R, S>(terms, rows, n);
        let mut j = 0;
        let mut copied = 0;
        while j < n {
            let vectors = tile::vectors::<R, S>(rows, n - j).min(MOST);
            let right = match kind {
                RightKind::Packed => RightSource::Packed(j),
                RightKind::Rows => RightSource::Rows(j),
                RightKind::Copy => {
                    // As many panels at once as there is room for.
                    if j >= copied {
                        copied = n.min(j + COPIED_PANELS * PANEL);
                        pack::copy_panels(s, terms, pieces, [j, copied], room.right);
                    }
                    RightSource::Copy(&room.right[j % (COPIED_PANELS * PANEL) * pieces.depth()..], pieces.depth())
                }
            };
            let columns = (vectors * PANEL).min(n - j);
            let biases = tile::biases_of(epilogue, [j, columns], room.biases);
            let panel = Panel { terms, pieces, left, right, j, columns, from_c, biases, relu: epilogue.relu };
            if MOST == 2 && vectors == 2 {
                panel.rows_loop::<S, 2>(s, c, tiles, room.edge)
            } else {
                panel.rows_loop::<S, 1>(s, c, tiles, room.edge)
            }
            j += vectors * PANEL;
        }
    }
}

/// Whether A is stored by columns.
fn by_columns<R>(terms: &[Term<R>]) -> bool {
    terms.first().is_some_and(|term| matches!(term.a, Left::Columns { .. }))
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
mod tests;
