//! How the tiles read B: packed beforehand, where it lies, or from a copy of a few panels.
//!
//! B by rows is copied, a strip of panels at a time, unless so few rows of A pass over it that a copy would not pay. The parts of
//! terms in a block are copied one after the other, so that many short products become one long one.

use super::blocks::{Block, TermPart, copy_strips};
use super::left::LeftSource;
use super::terms::{PANEL_WIDTH, Right, Term};
use crate::kernels::arch::stream::PanelRows;
use crate::kernels::simd::{Kernel, LANES, Simd};
use crate::number::Number;

/// So many rows of B are read where they lie: they are too few to push each other out of the cache.
const ROWS_IN_PLACE: usize = 32;

/// Packs all of B [k, n], as a kernel.
pub(super) struct Pack<'a, R> {
    pub(super) b: Right<'a, R>,
    pub(super) shape: [usize; 2],
    pub(super) packed: &'a mut [R],
}

impl<R: Number> Kernel<R> for Pack<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, s: S) {
        let [k, n] = self.shape;
        for (p, panel) in self.packed.chunks_exact_mut((k * PANEL_WIDTH).max(1)).enumerate() {
            let j = p * PANEL_WIDTH;
            pack_panel(s, self.b, [0, j], PANEL_WIDTH.min(n - j), panel.as_chunks_mut().0);
        }
    }
}

/// Packs `width` columns of B from row k and column j on, as many rows as the panel has.
#[inline(always)]
fn pack_panel<R: Number, S: Simd<R>>(
    s: S,
    b: Right<R>,
    [k, j]: [usize; 2],
    width: usize,
    panel: &mut [[R; PANEL_WIDTH]],
) {
    match b {
        Right::Rows { data, stride } => {
            let rows = data.get(k * stride + j..).unwrap_or(&[]).chunks(stride.max(1));
            for (to, from) in panel.iter_mut().zip(rows) {
                // A whole vector is moved as such; copying a slice of unknown length would be a function call.
                match from.first_chunk::<PANEL_WIDTH>().filter(|_| width == PANEL_WIDTH) {
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
            let (squares, rest) = panel.as_chunks_mut::<LANES>();
            let whole = squares.len();
            for (at, square) in squares.iter_mut().enumerate() {
                let zeros = [R::ZERO; LANES];
                let mut columns = [&zeros; LANES];
                for (c, to) in columns.iter_mut().enumerate().take(width) {
                    *to = column(c)[at * LANES..].first_chunk().expect("checked: it lies in B");
                }
                s.transpose(columns, square);
            }
            for (at, to) in rest.iter_mut().enumerate() {
                let at = whole * LANES + at;
                for (c, to) in to.iter_mut().enumerate() {
                    *to = if c < width { column(c)[at] } else { R::ZERO };
                }
            }
        }
        Right::Packed(_) => unreachable!("B is packed already"),
    }
}

/// Where the tiles read one or two panels of B.
#[derive(Clone, Copy)]
pub(super) enum RightSource<'a, R> {
    /// In the packed B, from this column on.
    Packed(usize),
    /// In B by rows, from this column on.
    Rows(usize),
    /// In a copy of panels, each of this many rows.
    Copy(&'a [R], usize),
}

impl<R: Number> RightSource<'_, R> {
    /// V vectors of each row of a part of a block.
    #[inline(always)]
    pub(super) fn rows<'t, const V: usize>(self, terms: &'t [Term<R>], part: TermPart) -> PanelRows<'t, R, V>
    where
        Self: 't,
    {
        let TermPart { term, k, at, depth } = part;
        match (self, terms[term].b) {
            (RightSource::Packed(j), Right::Packed(data)) => PanelRows::new(
                &data[j * terms[term].k + k * PANEL_WIDTH..],
                PANEL_WIDTH,
                terms[term].k * PANEL_WIDTH,
                depth,
            ),
            (RightSource::Rows(j), Right::Rows { data, stride }) => {
                PanelRows::new(&data[k * stride + j..], stride, PANEL_WIDTH, depth)
            }
            (RightSource::Copy(data, rows), _) => {
                PanelRows::new(&data[at * PANEL_WIDTH..], PANEL_WIDTH, rows * PANEL_WIDTH, depth)
            }
            _ => unreachable!("all B are stored in one way"),
        }
    }

    /// The parts of a block over which the tiles walk: all of them as one, `whole`, if both operands are copies.
    #[inline(always)]
    pub(super) fn parts<'t, L: LeftSource<R>>(self, block: &'t Block, whole: &'t mut TermPart) -> &'t [TermPart] {
        if L::CONTIGUOUS && matches!(self, RightSource::Copy(..)) {
            whole.depth = block.depth;
            std::slice::from_ref(whole)
        } else {
            &block.parts
        }
    }
}

/// The kind of [`RightSource`] that is used for a block of rows.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum RightKind {
    /// It is packed.
    Packed,
    /// Where it lies.
    Rows,
    /// In a copy of a strip of panels.
    Copied,
}

/// How `rows` rows of A read B.
pub(super) fn right_kind<R: Number, S: Simd<R>>(terms: &[Term<R>], rows: usize, n: usize) -> RightKind {
    match terms.first().map(|term| term.b) {
        Some(Right::Packed(_)) => RightKind::Packed,
        // No panel lacks columns, and a copy would not pay: the tiles are few, or the rows of B are.
        Some(Right::Rows { .. })
            if n.is_multiple_of(PANEL_WIDTH)
                && (rows <= 2 * S::TILE_ROWS || terms.iter().map(|term| term.k).sum::<usize>() <= ROWS_IN_PLACE) =>
        {
            RightKind::Rows
        }
        _ => RightKind::Copied,
    }
}

/// Copies the panels of B that hold the columns `j..end`, one panel after the other.
#[inline(always)]
pub(super) fn copy_panels<R: Number, S: Simd<R>>(
    s: S,
    terms: &[Term<R>],
    block: &Block,
    [j, end]: [usize; 2],
    buffer: &mut [R],
) {
    let (whole, depth) = ((end - j) / PANEL_WIDTH, block.depth);
    let (panels, last) = buffer.as_chunks_mut::<PANEL_WIDTH>().0.split_at_mut(whole * depth);
    for &part in &block.parts {
        let b = terms[part.term].b;
        match b {
            Right::Rows { data, stride } if whole > 0 => {
                copy_strips(&data[part.k * stride + j..], stride, part, panels, depth)
            }
            _ => {
                for (p, panel) in panels.chunks_exact_mut(depth.max(1)).enumerate() {
                    let rows = &mut panel[part.at..][..part.depth];
                    pack_panel(s, b, [part.k, j + p * PANEL_WIDTH], PANEL_WIDTH, rows);
                }
            }
        }
        let j = j + whole * PANEL_WIDTH;
        if j < end {
            pack_panel(s, b, [part.k, j], end - j, &mut last[part.at..][..part.depth]);
        }
    }
}

/// `sums[j] += Σₖ b[k, j]` over a block of `depth` rows of B, which are copied to `panels`: one chain over the rows.
#[inline(always)]
pub(super) fn add_rows<R: Number, S: Simd<R>>(s: S, panels: &[R], depth: usize, sums: &mut [R]) {
    /// Panels that are added up at the same time, since an addition has to wait for the one before it.
    const AT_ONCE: usize = 4;
    let rows = panels.as_chunks::<LANES>().0;
    for (group, sums) in sums.chunks_mut(AT_ONCE * LANES).enumerate() {
        let rows = &rows[group * AT_ONCE * depth..];
        let mut totals = [s.splat(R::ZERO); AT_ONCE];
        for (total, sums) in totals.iter_mut().zip(sums.chunks(LANES)) {
            *total = s.load_part(sums);
        }
        match sums.len().div_ceil(LANES) {
            AT_ONCE => add_panels::<_, _, AT_ONCE>(s, rows, depth, &mut totals),
            3 => add_panels::<_, _, 3>(s, rows, depth, &mut totals),
            2 => add_panels::<_, _, 2>(s, rows, depth, &mut totals),
            _ => add_panels::<_, _, 1>(s, rows, depth, &mut totals),
        }
        for (total, sums) in totals.into_iter().zip(sums.chunks_mut(LANES)) {
            s.store_part(total, sums);
        }
    }
}

#[inline(always)]
fn add_panels<R: Number, S: Simd<R>, const N: usize>(s: S, rows: &[[R; LANES]], depth: usize, totals: &mut [S::V]) {
    for k in 0..depth {
        for p in 0..N {
            totals[p] = s.add(totals[p], s.load(&rows[p * depth + k]));
        }
    }
}
