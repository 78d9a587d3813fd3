//! Sums of products that share their right matrices, as a kernel.

use arrayvec::ArrayVec;

use super::buffers::Buffers;
use super::loops::{Blocked, BlockedMember};
use super::terms::{Epilogue, Left, MAX_TERMS, Right, Term, check};
use super::tile::Target;
use crate::kernels::simd::{Kernel, Simd};
use crate::number::Number;

/// The largest number of sums that share their right matrices.
pub const MAX_MEMBERS: usize = 4;

/// One of the sums: C [rows, n] = Σ A·B, or C += Σ A·B.
pub struct Member<'a, 'c, R> {
    /// The left matrices, each stored by columns; one for each right matrix.
    pub left: ArrayVec<Left<'a, R>, MAX_TERMS>,
    /// The sum, by rows.
    pub c: &'c mut [R],
    /// The number of its rows.
    pub rows: usize,
    /// Whether the products are added to C, rather than replacing it.
    pub accumulate: bool,
}

/// [`sum_shared`](super::sum_shared) as a kernel.
pub struct SharedSum<'s, 'a, 'c, R> {
    pub(super) rights: &'s [(Right<'a, R>, usize)],
    pub(super) n: usize,
    pub(super) members: ArrayVec<Member<'a, 'c, R>, MAX_MEMBERS>,
    pub(super) sums_of_rows: &'s mut [&'c mut [R]],
    pub(super) buffers: Buffers<'s, R>,
}

impl<R: Number> Kernel<R> for SharedSum<'_, '_, '_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let SharedSum { rights, n, members, sums_of_rows, buffers } = self;
        let mut blocked: ArrayVec<_, MAX_MEMBERS> = ArrayVec::new();
        for Member { left, c, rows, accumulate } in members {
            assert_eq!(left.len(), rights.len(), "gemm: one left matrix for each right one");
            let terms: ArrayVec<_, MAX_TERMS> = left.iter().zip(rights).map(|(&a, &(b, k))| Term { a, b, k }).collect();
            check(&terms, c.len(), [rows, n], Epilogue::NONE);
            if rights.is_empty() && !accumulate {
                c.fill(R::ZERO);
            }
            blocked.push(BlockedMember { terms, c: Target { data: c, row: n, column: 1 }, rows, accumulate });
        }
        if !rights.is_empty() {
            Blocked { members: &mut blocked, n, epilogue: Epilogue::NONE, sums_of_rows }.run(s, buffers);
        }
    }
}
