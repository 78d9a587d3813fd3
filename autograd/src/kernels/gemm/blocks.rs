//! Blocks of k: how the terms of a sum are cut along k, and how their parts are copied side by side.

use arrayvec::ArrayVec;

use super::terms::{MAX_TERMS, Term};

/// How far k runs before the sums go back to C: 256 rows of a panel are 16 KiB of f32, half of an L1 cache.
pub(super) const K_BLOCK: usize = 256;

/// The rows of A that are packed at once: 144 × 256 are 144 KiB of f32, a part of an L2 cache.
pub(super) const ROW_BLOCK: usize = 144;

/// The part of one term that lies in a block of k.
#[derive(Clone, Copy, Default)]
pub(super) struct TermPart {
    /// The index of the term.
    pub(super) term: usize,
    /// Where the part begins in the term.
    pub(super) k: usize,
    /// Where the part begins in the block.
    pub(super) at: usize,
    pub(super) depth: usize,
}

/// A block of k, at most [`K_BLOCK`] deep: parts of terms, one after the other.
#[derive(Default)]
pub(super) struct Block {
    pub(super) parts: ArrayVec<TermPart, MAX_TERMS>,
    pub(super) depth: usize,
}

/// Cuts the terms of a sum into blocks.
pub(super) struct Blocks<'t, 'a, R> {
    terms: &'t [Term<'a, R>],
    term: usize,
    k: usize,
}

impl<'t, 'a, R> Blocks<'t, 'a, R> {
    pub(super) fn new(terms: &'t [Term<'a, R>]) -> Self {
        Blocks { terms, term: 0, k: 0 }
    }

    /// Fills `block` with the next block and returns whether it is the last. There is always a first block, which is
    /// empty if there is nothing to sum.
    pub(super) fn next_block(&mut self, block: &mut Block) -> bool {
        block.parts.clear();
        block.depth = 0;
        while let Some(term) = self.terms.get(self.term) {
            let depth = (term.k - self.k).min(K_BLOCK - block.depth);
            if depth > 0 {
                block.parts.push(TermPart { term: self.term, k: self.k, at: block.depth, depth });
                block.depth += depth;
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

/// Copies the rows of a part, which lie `stride` apart in `data`, into strips of M columns each. In a strip, rows
/// follow each other without a gap; a strip has `depth` rows. The copy goes row by row, so that cache lines are read
/// once and in the order in which they lie.
#[inline(always)]
pub(super) fn copy_strips<R: Copy, const M: usize>(
    data: &[R],
    stride: usize,
    part: TermPart,
    strips: &mut [[R; M]],
    depth: usize,
) {
    let count = strips.len() / depth;
    let mut start = 0;
    for k in part.at..part.at + part.depth {
        let row = data[start..][..count * M].as_chunks::<M>().0;
        for (s, from) in row.iter().enumerate() {
            strips[s * depth + k] = *from;
        }
        start += stride;
    }
}
