//! Sums of matrix products, C = φ(Σ A·B + bias) or C = φ(C + Σ A·B + bias).
//!
//! **The contract.** `c[i, j]` is one chain of fused multiply-adds that starts from 0 or from what C holds. It runs
//! over the terms in order, and within each term over k in order. Then the biases are added, one after the other, and
//! Rect follows:
//!
//! ```text
//! c ← 0 or c[i, j];   for (A, B) in terms, for k in 0..K { c ← a[i, k]·b[k, j] + c };   c ← φ(c + bias[j] + …)
//! ```
//!
//! Vectors run across columns j (or across rows i, if C is thin) and never across k. So no bit depends on how the loops
//! are blocked, which operand is copied, which registers hold what, or how many threads take part. [`oracle`] is the
//! contract as three loops, and tests compare every kernel with it bit by bit.
//!
//! **The loops**, from the outside:
//!
//! - loop 5 runs over strips of columns, if B is copied: a strip of a block of k is what is copied at once;
//! - loop 4 runs over blocks of k, `K_BLOCK` deep;
//! - loop 3 runs over blocks of `ROW_BLOCK` rows, so that the packed part of A stays in the L2 cache. If several sums share
//!   their B ([`sum_shared`]), it runs over the rows of all of them;
//! - loop 2 runs over panels of columns of B, each of which stays in the L1 cache;
//! - loop 1 runs over tiles of rows;
//! - the tile's accumulators stay in registers while k runs.
//!
//! `loops.rs` has loops 5 to 2, `tile.rs` has loop 1 and the tile. `plain.rs` has the contract as plain loops, which are also
//! the products of f64. `left.rs` and `right.rs` say when A and B are
//! copied, and why: rows that lie a power of two apart fall on the same few sets of the L1 cache and push each other
//! out. Weights are packed once a step ([`pack`], [`pack_transposed`]) and then used many times.

mod blocks;
mod buffers;
mod height;
mod left;
pub(crate) mod loops;
mod plain;
mod right;
mod shallow;
mod shared;
mod terms;
#[cfg(test)]
mod tests;
mod tile;

use arrayvec::ArrayVec;

use crate::real::Real;
pub use loops::Sum;
pub use plain::oracle;
pub use shared::{MAX_MEMBERS, Member, SharedSum};
pub use terms::{Epilogue, Left, MAX_TERMS, PANEL_WIDTH, Right, Term, packed_len};

/// The number of multiply-adds for which it is worth waking a thread: about five microseconds of work.
const THREAD_WORK: usize = 1 << 18;

/// C = A·B, or C += A·B with `accumulate`; c is [m, n] by rows. See [`sum`].
///
/// # Panics
/// If a slice is too short for its matrix.
pub fn gemm<R: Real>(a: Left<R>, b: Right<R>, c: &mut [R], [m, n, k]: [usize; 3], accumulate: bool) {
    sum(&[Term { a, b, k }], c, [m, n], accumulate, Epilogue::NONE);
}

/// C = φ(Σ A·B + bias), or C = φ(C + Σ A·B + bias) with `accumulate`; c is [m, n] by rows, and it is only read with
/// `accumulate`. All A of a sum are stored in one way, and so are all B. The threads of the current rayon pool share
/// the rows of a large sum.
///
/// # Panics
/// If a slice is too short for its matrix, or if there are more than [`MAX_TERMS`] terms.
pub fn sum<R: Real>(terms: &[Term<R>], c: &mut [R], [m, n]: [usize; 2], accumulate: bool, epilogue: Epilogue<R>) {
    terms::check(terms, c.len(), [m, n], epilogue);
    let work: usize = terms.iter().map(|term| term.k * m * n).sum();
    let threads = if work < 2 * THREAD_WORK { 1 } else { rayon::current_num_threads() };
    // A large product is cut into more pieces than there are threads, so that all threads end at about the same time.
    let most = if work < 4 * threads * THREAD_WORK { threads } else { 2 * threads };
    let pieces = if threads == 1 { 1 } else { most.min(work / THREAD_WORK).min(m.div_ceil(2)) };
    sum_in_pieces(terms, c, [m, n], accumulate, epilogue, pieces);
}

/// [`sum`] with its rows cut into so many pieces, which threads share.
fn sum_in_pieces<R: Real>(
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
    let lower_terms: ArrayVec<_, MAX_TERMS> = terms.iter().map(|term| term.skip_rows(rows)).collect();
    rayon::join(
        || sum_in_pieces(terms, upper, [rows, n], accumulate, epilogue, pieces / 2),
        || sum_in_pieces(&lower_terms, lower, [m - rows, n], accumulate, epilogue, pieces - pieces / 2),
    );
}

/// [`sum`] on one thread and on the path that `dispatch` chooses.
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
    buffers::with_buffers(|buffers| dispatch(Sum { terms, c, shape, accumulate, epilogue, buffers }));
}

/// Sums of products that have their right matrices in common, Cᵢ = Σ Aᵢ·B or Cᵢ += Σ Aᵢ·B, on one thread. Such are the
/// gradients of the weights of a layer Σ xᵢ·Wᵢ, where B is the gradient d of its output. B is copied once for all of
/// them. Each of `sums_of_rows` receives the sum over the rows of B, which is the gradient of a bias, by addition.
///
/// `rights` holds each B [k, n] with its k; each Aᵢ is [rows, k] for the k of its B.
///
/// # Panics
/// If there is no member, if a slice is too short for its matrix, if there are more than [`MAX_TERMS`] terms, or if n is below
/// [`PANEL_WIDTH`].
pub fn sum_shared<'a, 'c, R: Real>(
    rights: &[(Right<'a, R>, usize)],
    n: usize,
    members: ArrayVec<Member<'a, 'c, R>, MAX_MEMBERS>,
    sums_of_rows: &mut [&'c mut [R]],
) {
    sum_shared_on(R::dispatch_shared_sum, rights, n, members, sums_of_rows);
}

/// [`sum_shared`] on the path that `dispatch` chooses.
///
/// # Panics
/// As [`sum_shared`].
pub fn sum_shared_on<'a, 'c, R: Real>(
    dispatch: impl FnOnce(SharedSum<R>),
    rights: &[(Right<'a, R>, usize)],
    n: usize,
    members: ArrayVec<Member<'a, 'c, R>, MAX_MEMBERS>,
    sums_of_rows: &mut [&'c mut [R]],
) {
    assert!(!members.is_empty(), "gemm: a shared sum needs a member");
    buffers::with_buffers(|buffers| dispatch(SharedSum { rights, n, members, sums_of_rows, buffers }));
}

/// Packs b [k, n] for [`Right::Packed`]: panel by panel, and in each panel one row after the other.
///
/// # Panics
/// If b does not have k·n elements, or `packed` does not have [`packed_len`] elements.
pub fn pack<R: Real>(b: &[R], k: usize, n: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack [{k}, {n}]");
    R::dispatch(right::Pack { b: Right::Rows { data: b, stride: n }, shape: [k, n], packed });
}

/// Packs the transpose of b [n, k], which is a matrix [k, n], for [`Right::Packed`].
///
/// # Panics
/// If b does not have n·k elements, or `packed` does not have [`packed_len`] elements.
pub fn pack_transposed<R: Real>(b: &[R], n: usize, k: usize, packed: &mut [R]) {
    assert_eq!((b.len(), packed.len()), (k * n, packed_len(k, n)), "pack_transposed [{n}, {k}]");
    R::dispatch(right::Pack { b: Right::Columns { data: b, stride: k }, shape: [k, n], packed });
}
