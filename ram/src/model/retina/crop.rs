//! The glimpse of a [`Crop`](super::Sampling::Crop) retina: sums over columns, then over neighbours.

use std::ops::Range;

use autograd::Real;
use autograd::kernels::arch::prefetch;
use autograd::kernels::simd::{Kernel, Simd};
use datasets::Layout;

/// A grey level, from a byte or from the tape.
pub trait Level<R>: Copy + Send + Sync {
    /// The type of the sum over a column. The sum is exact, because a block is at most 128 rows high.
    type Sum: Copy + Default;
    fn level(self) -> R;
    fn add_to(self, sum: Self::Sum) -> Self::Sum;
    fn total(sum: Self::Sum) -> R;
}

impl<R: Real> Level<R> for u8 {
    type Sum = u16;
    #[inline(always)]
    fn level(self) -> R {
        R::from(self)
    }
    #[inline(always)]
    fn add_to(self, sum: u16) -> u16 {
        sum.wrapping_add(u16::from(self))
    }
    #[inline(always)]
    fn total(sum: u16) -> R {
        R::from(sum)
    }
}

/// A number of the tape as a grey level.
#[derive(Clone, Copy, bytemuck::TransparentWrapper)]
#[repr(transparent)]
pub struct Number<R>(R);

impl<R: Real> Level<R> for Number<R> {
    type Sum = R;
    #[inline(always)]
    fn level(self) -> R {
        self.0
    }
    #[inline(always)]
    fn add_to(self, sum: R) -> R {
        sum + self.0
    }
    #[inline(always)]
    fn total(sum: R) -> R {
        sum
    }
}

/// The number of columns that are summed together.
const CHUNK: usize = 16;

/// The number of columns of a patch that are reduced to cells together.
const STRIP: usize = 128;

/// The sums of a strip of columns. They begin after a chunk, since the first chunk may begin before them, and have room for
/// one more chunk after them.
type Strip<R> = [R; CHUNK + STRIP + CHUNK];

/// The number of rows of cells whose columns are summed before their neighbours are added, so that no number is read at once
/// after it was written.
const ROWS: usize = 4;

/// A whole-pixel glimpse of one image. The plain loops over columns become vector instructions of each path. Sums of grey
/// levels are whole numbers, so their order does not change the result.
pub struct Crop<'a, R, P> {
    /// g, the edge of a patch in numbers.
    pub patch: usize,
    /// z: patch s is averaged over blocks of 2ˢ⁺ᶻ pixels.
    pub zoom: usize,
    /// The first pixel (x, y) of each patch.
    pub windows: &'a [[i64; 2]],
    /// The image, and how it lies in memory.
    pub image: &'a [P],
    pub layout: Layout,
    /// What to prefetch meanwhile: the elements at `coming.1` of the images `coming.0`.
    pub coming: (&'a [P], &'a [usize]),
    /// ρ, [channels, scales, g, g].
    pub y: &'a mut [R],
}

impl<R: Real, P: Level<R>> Kernel<R> for Crop<'_, R, P> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, _: S) {
        let Crop { patch: g, zoom, windows, image, layout, coming: (images, coming), y } = self;
        let Layout { channels, height, width, .. } = layout;
        let mut sums: [Strip<R>; ROWS] = [[R::ZERO; CHUNK + STRIP + CHUNK]; ROWS];
        let mut other = sums[0];
        // What comes is prefetched evenly over the rows of pixels, since a processor keeps track of few requests.
        let rows = channels * g * (((1 << windows.len()) - 1) << zoom);
        let (share, mut coming) = (coming.len().div_ceil(rows.max(1)), coming.iter());
        for (scale, &[x0, y0]) in windows.iter().enumerate() {
            let block = 1usize << (scale + zoom);
            // ρ = Σ levels / (255·4ˢ⁺ᶻ)
            let unit = R::from_f64(1.0 / (255.0 * (block * block) as f64));
            // The number of cells in a strip of columns.
            let strip = (STRIP / block).min(g);
            for channel in 0..channels {
                let patch = &mut y[(channel * windows.len() + scale) * g * g..][..g * g];
                for (group, patch) in patch.chunks_mut(ROWS * g).enumerate() {
                    let y0 = y0 + (group * ROWS * block) as i64;
                    for begin in (0..g).step_by(strip) {
                        let cells = strip.min(g - begin);
                        // The columns of the strip that lie in the image; they begin at column `skip` of the strip.
                        let first = x0 + (begin * block) as i64;
                        let left = first.clamp(0, width as i64);
                        let right = (first + (cells * block) as i64).clamp(0, width as i64);
                        let skip = (left - first).clamp(0, (cells * block) as i64) as usize;
                        for (row, sums) in (0..patch.len() / g).zip(&mut sums) {
                            let top = (y0 + (row * block) as i64).clamp(0, height as i64) as usize;
                            let bottom = (y0 + ((row + 1) * block) as i64).clamp(0, height as i64) as usize;
                            let columns = left as usize..right as usize;
                            coming.by_ref().take(share * block).for_each(|&pixel| prefetch(images, pixel));
                            let plane = Plane { image, layout, channel };
                            sum_strip(plane, [top, bottom], columns, [skip, cells * block], sums);
                        }
                        for (cells_of_row, sums) in patch.chunks_exact_mut(g).zip(&mut sums) {
                            let found = add_neighbours(&mut sums[CHUNK..], &mut other[CHUNK..], cells, block);
                            for (cell, &sum) in cells_of_row[begin..begin + cells].iter_mut().zip(found) {
                                *cell = sum * unit;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A channel of an image.
#[derive(Clone, Copy)]
struct Plane<'a, P> {
    image: &'a [P],
    layout: Layout,
    channel: usize,
}

/// Sums the levels of rows `top..bottom` in each of the `len` columns of a strip. `columns` lie in the image and begin at column
/// `skip` of the strip; the sums of the others are 0.
#[inline(always)]
fn sum_strip<R: Real, P: Level<R>>(
    Plane { image, layout, channel }: Plane<P>,
    [top, bottom]: [usize; 2],
    columns: Range<usize>,
    [skip, len]: [usize; 2],
    sums: &mut Strip<R>,
) {
    if columns.len() < len || top == bottom {
        sums[CHUNK..].as_chunks_mut().0[..len.div_ceil(CHUNK)].fill([R::ZERO; CHUNK]);
    }
    // A chunk is as wide as a tile. So that none reaches into the next tile, chunks begin where tiles do.
    let lead = if layout.is_tiled() { columns.start % CHUNK } else { 0 };
    let (left, stride, step) = (columns.start - lead, layout.stride(), layout.across(CHUNK));
    let mut y = top;
    while y < bottom && !columns.is_empty() {
        // The rows that lie in the same tiles.
        let (end, pixels) = (layout.next_tile_below(y).min(bottom), &image[layout.index(channel, y, left)..]);
        let chunks = (lead + columns.len()).div_ceil(CHUNK);
        let to = &mut sums[CHUNK + skip - lead..].as_chunks_mut().0[..chunks];
        if y == top {
            for (chunk, to) in to.iter_mut().enumerate() {
                *to = sum_columns(&pixels[chunk * step..], end - y, stride);
            }
        } else {
            for (chunk, to) in to.iter_mut().enumerate() {
                let more: [R; CHUNK] = sum_columns(&pixels[chunk * step..], end - y, stride);
                for i in 0..CHUNK {
                    to[i] += more[i];
                }
            }
        }
        y = end;
    }
    sums[CHUNK + skip + columns.len()..][..CHUNK].fill(R::ZERO);
}

/// Sums the levels of `rows` rows, which lie `stride` apart, in [`CHUNK`] columns. Columns after the end of a row get sums without
/// a meaning.
#[inline(always)]
fn sum_columns<R: Real, P: Level<R>>(pixels: &[P], rows: usize, stride: usize) -> [R; CHUNK] {
    // Each way has sums of its own, which therefore stay in registers.
    let mut sums = [P::Sum::default(); CHUNK];
    if stride == CHUNK && rows * CHUNK <= pixels.len() {
        for levels in pixels[..rows * CHUNK].as_chunks::<CHUNK>().0 {
            add_levels(levels, &mut sums);
        }
        return totals::<R, P>(sums);
    }
    let mut sums = [P::Sum::default(); CHUNK];
    if (rows - 1) * stride + CHUNK <= pixels.len() {
        for v in 0..rows {
            add_levels(pixels[v * stride..][..CHUNK].try_into().expect("a chunk's length"), &mut sums);
        }
        return totals::<R, P>(sums);
    }
    // The image ends within the last chunk.
    let mut sums = [P::Sum::default(); CHUNK];
    for row in pixels.chunks(stride).take(rows) {
        for (level, sum) in row.iter().zip(&mut sums) {
            *sum = level.add_to(*sum);
        }
    }
    totals::<R, P>(sums)
}

#[inline(always)]
fn add_levels<R: Real, P: Level<R>>(levels: &[P; CHUNK], sums: &mut [P::Sum; CHUNK]) {
    for i in 0..CHUNK {
        sums[i] = levels[i].add_to(sums[i]);
    }
}

#[inline(always)]
fn totals<R: Real, P: Level<R>>(sums: [P::Sum; CHUNK]) -> [R; CHUNK] {
    let mut totals = [R::ZERO; CHUNK];
    for i in 0..CHUNK {
        totals[i] = P::total(sums[i]);
    }
    totals
}

/// Adds neighbours in pairs, alternating between the two buffers, until `cells` numbers are left.
#[inline(always)]
fn add_neighbours<'a, R: Real>(mut sums: &'a mut [R], mut other: &'a mut [R], cells: usize, block: usize) -> &'a [R] {
    let mut left = cells * block;
    while left > cells {
        left /= 2;
        // It adds whole chunks, whose size the compiler knows; the numbers after the last sum are never used.
        let (pairs, (to, _)) = (sums.as_chunks::<{ 2 * CHUNK }>().0, other.as_chunks_mut::<CHUNK>());
        for (to, pairs) in to.iter_mut().zip(pairs).take(left.div_ceil(CHUNK)) {
            for i in 0..CHUNK {
                to[i] = pairs[2 * i] + pairs[2 * i + 1];
            }
        }
        std::mem::swap(&mut sums, &mut other);
    }
    &sums[..cells]
}
