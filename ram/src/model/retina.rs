//! The retina ρ(x, l): Sec. 3.1 "Sensor" and Sec. 4 "Retina and location encodings".
//!
//! **Geometry.** A location is (x, y); −1 and 1 are the outer edges of the image, each axis by its own extent:
//!
//! ```text
//! c = (l + 1)/2 · (W, H)
//! ```
//!
//! Patch s = 0, 1, …, k−1 is g·2ˢ pixels wide and starts at c − g·2ˢ/2. With [`Sampling::Crop`] the start is rounded to whole
//! pixels, ties to even; with [`Sampling::Bilinear`] it is not rounded. The patch is averaged over blocks of 2ˢ × 2ˢ pixels to
//! g × g numbers. Pixels outside of the image are 0. The cost depends on g and k, but not on the size of the image.

use autograd::kernels::arch::prefetch;
use autograd::kernels::simd::{Kernel, Simd};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Real, Recording, Shape, Var};
use serde::{Deserialize, Serialize};

/// `model.retina`: how a patch that starts between pixels is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// The patch is moved to whole pixels. The glimpse does not change smoothly with the location, so the location gets no
    /// gradient.
    Crop,
    /// Each pixel of the patch is interpolated between four pixels; the location gets a gradient.
    Bilinear,
}

/// The retina: k patches of g × g numbers around a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retina {
    /// g, the edge of the finest patch in pixels, and of every patch in numbers; even, 2 or more.
    pub patch: usize,
    /// k, the number of patches, each twice as wide as the one before; from 1 to 8.
    pub scales: usize,
    /// How a patch that starts between pixels is read.
    pub sampling: Sampling,
}

/// A batch of images, [batch, channels, height, width], with grey levels from 0 to 255.
#[derive(Clone, Copy)]
pub enum Images<'a, 't, R: Real> {
    /// Bytes, which never touch the tape.
    Pixels {
        /// The grey levels.
        data: &'a [u8],
        /// [batch, channels, height, width]
        shape: Shape,
    },
    /// A variable, which gets a gradient. Whole numbers give the same bits as bytes.
    Var(Var<'t, R>),
}

impl<'t, R: Real> Images<'_, 't, R> {
    /// The grey levels as numbers from 0 to 1, for a network that sees the whole image.
    #[track_caller]
    pub fn levels(&self, t: &'t Recording<'t, R>) -> Var<'t, R> {
        let unit = R::from_f64(1.0 / 255.0);
        match *self {
            Images::Var(images) => images.scale(unit),
            Images::Pixels { data, shape } => t.filled("pixels", shape, |y| {
                assert_eq!(data.len(), y.len(), "pixels of {shape}");
                for (y, &level) in y.iter_mut().zip(data) {
                    *y = R::from(level) * unit;
                }
            }),
        }
    }

    /// [batch, channels, height, width]
    pub fn shape(&self) -> Shape {
        match self {
            Images::Pixels { shape, .. } => *shape,
            Images::Var(images) => images.shape(),
        }
    }
}

/// The size of an image.
#[derive(Clone, Copy)]
struct Size {
    channels: usize,
    height: usize,
    width: usize,
}

impl Size {
    fn of(shape: Shape) -> Size {
        let &[_, channels, height, width] = shape.axes() else { unreachable!("checked: four axes") };
        Size { channels, height, width }
    }

    fn len(self) -> usize {
        self.channels * self.height * self.width
    }
}

/// A grey level, from a byte or from the tape.
trait Level<R>: Copy + Send + Sync {
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
struct Number<R>(R);

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

/// One axis of one patch: where it starts, in pixels.
#[derive(Clone, Copy)]
struct Start {
    /// The first pixel, which may lie outside of the image.
    pixel: i64,
    /// The distance from the edge of this pixel to the start of the patch, in [0, 1); 0 for whole pixels.
    fraction: f64,
}

impl Retina {
    /// A retina of `scales` patches of `patch` × `patch` numbers.
    ///
    /// # Panics
    /// If `patch` is odd or below 2, or `scales` is not from 1 to 8.
    #[track_caller]
    pub fn new(patch: usize, scales: usize, sampling: Sampling) -> Retina {
        assert!(patch >= 2 && patch.is_multiple_of(2), "retina: the patch is {patch}, but must be even and 2 or more");
        assert!((1..=8).contains(&scales), "retina: {scales} scales, but there must be from 1 to 8");
        Retina { patch, scales, sampling }
    }

    /// The length of ρ: channels · k · g².
    pub fn len(&self, channels: usize) -> usize {
        channels * self.scales * self.patch * self.patch
    }

    /// The side of patch `scale` in pixels: g·2ˢ.
    pub fn side(&self, scale: usize) -> usize {
        self.patch << scale
    }

    /// The start of patch `scale` along an axis of `extent` pixels, for the location's coordinate `l` on this axis.
    fn start(&self, l: f64, scale: usize, extent: usize) -> Start {
        // c − g·2ˢ/2 with c = (l + 1)/2 · extent
        let start = (l + 1.0) / 2.0 * extent as f64 - self.side(scale) as f64 / 2.0;
        match self.sampling {
            Sampling::Crop => Start { pixel: start.round_ties_even() as i64, fraction: 0.0 },
            // Pixel centres lie at ½, so sample j of the patch, at start + j + ½, lies between pixels ⌊start⌋ + j and the next.
            Sampling::Bilinear => Start { pixel: start.floor() as i64, fraction: start - start.floor() },
        }
    }

    /// The first pixel (x, y) of patch `scale`, for drawings and for testing what a glimpse touches.
    pub fn window(&self, location: [f64; 2], scale: usize, [width, height]: [usize; 2]) -> [i64; 2] {
        [self.start(location[0], scale, width).pixel, self.start(location[1], scale, height).pixel]
    }

    /// ρ(x, l) for each image: locations [batch, 2], already clamped, → [batch, channels·k·g²]. The numbers are ordered by
    /// channel, then scale from fine to coarse, then row, then column. Grey levels are divided by 255.
    ///
    /// [`Images::Pixels`] have no gradient. [`Images::Var`] has one, and with [`Sampling::Bilinear`] the locations have one too.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn sense<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        locations: Var<'t, R>,
    ) -> Var<'t, R> {
        match images {
            Images::Var(images) => t.apply(*self, &[images, locations]),
            Images::Pixels { data, shape } => {
                if let Err(why) = check(shape, locations.shape()) {
                    panic!("retina: {why}");
                }
                assert_eq!(data.len(), shape.len(), "retina: pixels of {shape}");
                let size = Size::of(shape);
                t.filled_from("retina", [shape.axes()[0], self.len(size.channels)], locations, |locations, y| {
                    self.see(data, size, locations, y);
                })
            }
        }
    }

    /// ρ for each image of a batch.
    fn see<R: Real, P: Level<R>>(&self, images: &[P], size: Size, locations: &[R], y: &mut [R]) {
        let glimpses = locations.chunks_exact(2).zip(y.chunks_exact_mut(self.len(size.channels).max(1)));
        let image_len = size.len().max(1);
        let is_far = image_len * size_of::<P>() >= FAR;
        let mut prefetched = 0;
        for (i, (image, (l, y))) in images.chunks_exact(image_len).zip(glimpses).enumerate() {
            // Pixels that are probably not in a cache are prefetched some glimpses before they are read.
            while is_far && prefetched < (i + self.ahead()).min(locations.len() / 2) {
                let l = [locations[2 * prefetched].to_f64(), locations[2 * prefetched + 1].to_f64()];
                self.prefetch_patch(&images[prefetched * image_len..][..image_len], size, l);
                prefetched += 1;
            }
            let l = [l[0].to_f64(), l[1].to_f64()];
            match self.sampling {
                Sampling::Crop => R::dispatch(Crop { retina: self, image, size, l, y }),
                Sampling::Bilinear => {
                    y.fill(R::ZERO);
                    self.taps(size, l, |cell, pixel, [wx, wy], _, unit| {
                        y[cell] += R::from_f64(wx * wy * unit) * image[pixel].level();
                    });
                }
            }
        }
    }

    /// How many glimpses ahead to prefetch, so that at most a few hundred cache lines are requested at the same time.
    fn ahead(&self) -> usize {
        (128 / self.side(self.scales - 1)).clamp(2, 8)
    }

    /// Prefetches the pixels of the coarsest patch, which contains the other patches.
    fn prefetch_patch<P>(&self, image: &[P], Size { channels, height, width }: Size, l: [f64; 2]) {
        let [scale, line] = [self.scales - 1, 64 / size_of::<P>()];
        let range = |start: Start, extent: usize| {
            let clamp = |x: i64| x.clamp(0, extent as i64) as usize;
            clamp(start.pixel)..clamp(start.pixel + self.side(scale) as i64 + 1)
        };
        let columns = range(self.start(l[0], scale, width), width);
        for channel in 0..channels {
            for v in range(self.start(l[1], scale, height), height) {
                let row = (channel * height + v) * width;
                (columns.start..columns.end).step_by(line).for_each(|u| prefetch(image, row + u));
                prefetch(image, row + columns.end.saturating_sub(1));
            }
        }
    }

    /// Visits every pixel that a glimpse reads: (index in ρ, index in the image, weights (x, y), their derivatives by
    /// the patch's start, 1/(255·4ˢ)). The average of 2ˢ samples along an axis, interpolated at the same fraction f, reads
    /// 2ˢ + 1 pixels with the weights 1 − f, 1, …, 1, f.
    fn taps(&self, size: Size, l: [f64; 2], mut visit: impl FnMut(usize, usize, [f64; 2], [f64; 2], f64)) {
        let (g, k) = (self.patch, self.scales);
        for scale in 0..k {
            let block = 1i64 << scale;
            let unit = 1.0 / (255.0 * (block * block) as f64);
            let (x0, y0) = (self.start(l[0], scale, size.width), self.start(l[1], scale, size.height));
            for row in 0..g {
                for (v, wy, dy) in taps_of_axis(y0, row as i64 * block, block, size.height) {
                    for column in 0..g {
                        for (u, wx, dx) in taps_of_axis(x0, column as i64 * block, block, size.width) {
                            for channel in 0..size.channels {
                                let cell = ((channel * k + scale) * g + row) * g + column;
                                let pixel = (channel * size.height + v) * size.width + u;
                                visit(cell, pixel, [wx, wy], [dx, dy], unit);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The pixels inside the image that the block at `offset` of a patch reads along an axis: (pixel, weight, derivative of the
/// weight by the start).
fn taps_of_axis(start: Start, offset: i64, block: i64, extent: usize) -> impl Iterator<Item = (usize, f64, f64)> {
    let last = if start.fraction > 0.0 { block } else { block - 1 };
    (0..=last).filter_map(move |i| {
        let (weight, slope) = match i {
            0 => (1.0 - start.fraction, -1.0),
            i if i == block => (start.fraction, 1.0),
            _ => (1.0, 0.0),
        };
        let pixel = start.pixel + offset + i;
        (0..extent as i64).contains(&pixel).then_some((pixel as usize, weight, slope))
    })
}

/// The size in bytes from which an image is probably not in a cache.
const FAR: usize = 1 << 18;

/// The number of columns that are summed together.
const CHUNK: usize = 16;

/// The number of columns of a patch that are reduced to cells together. A [`Strip`] has room for one more chunk after them.
const STRIP: usize = 256;

type Strip<R> = [R; STRIP + CHUNK];

/// A whole-pixel glimpse of one image. The plain loops over columns become vector instructions of each path. Sums of grey
/// levels are whole numbers, so their order does not change the result.
struct Crop<'a, R, P> {
    retina: &'a Retina,
    image: &'a [P],
    size: Size,
    l: [f64; 2],
    y: &'a mut [R],
}

impl<R: Real, P: Level<R>> Kernel<R> for Crop<'_, R, P> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<R>>(self, _: S) {
        let Crop { retina: &Retina { patch: g, scales, .. }, image, size: Size { channels, height, width }, l, y } =
            self;
        let (mut sums, mut other) = ([R::ZERO; STRIP + CHUNK], [R::ZERO; STRIP + CHUNK]);
        for scale in 0..scales {
            let block = 1usize << scale;
            // ρ = Σ levels / (255·4ˢ)
            let unit = R::from_f64(1.0 / (255.0 * (block * block) as f64));
            let x0 = self.retina.start(l[0], scale, width).pixel;
            let y0 = self.retina.start(l[1], scale, height).pixel;
            // The number of cells in a strip of columns.
            let strip = (STRIP / block).min(g);
            for channel in 0..channels {
                let plane = &image[channel * height * width..][..height * width];
                let patch = &mut y[(channel * scales + scale) * g * g..][..g * g];
                for (row, cells) in patch.chunks_exact_mut(g).enumerate() {
                    let top = (y0 + (row * block) as i64).clamp(0, height as i64) as usize;
                    let bottom = (y0 + ((row + 1) * block) as i64).clamp(0, height as i64) as usize;
                    for (part, cells) in cells.chunks_mut(strip).enumerate() {
                        // The columns of the strip that lie in the image; they begin at column `skip` of the strip.
                        let first = x0 + (part * strip * block) as i64;
                        let left = first.clamp(0, width as i64);
                        let right = (first + (cells.len() * block) as i64).clamp(0, width as i64);
                        if left == right {
                            cells.fill(R::ZERO);
                            continue;
                        }
                        let (skip, len) = ((left - first) as usize, (right - left) as usize);
                        sums[..skip].fill(R::ZERO);
                        for chunk in (0..len).step_by(CHUNK) {
                            let to = (&mut sums[skip + chunk..][..CHUNK]).try_into().expect("a chunk's length");
                            sum_columns(plane, [top, bottom], left as usize + chunk, width, to);
                        }
                        sums[skip + len..].fill(R::ZERO);
                        let sums = add_neighbours(&mut sums, &mut other, cells.len(), block);
                        for (cell, &sum) in cells.iter_mut().zip(sums) {
                            *cell = sum * unit;
                        }
                    }
                }
            }
        }
    }
}

/// Sums the levels of rows `top..bottom` in [`CHUNK`] columns, beginning at `left`. Columns after the end of a row get sums
/// without a meaning.
#[inline(always)]
fn sum_columns<R: Real, P: Level<R>>(
    plane: &[P],
    [top, bottom]: [usize; 2],
    left: usize,
    width: usize,
    to: &mut [R; CHUNK],
) {
    let mut sums = [P::Sum::default(); CHUNK];
    let begin = (top * width + left).min(plane.len());
    let rows = &plane[begin..];
    if bottom > top && (bottom - 1 - top) * width + CHUNK <= rows.len() {
        for v in 0..bottom - top {
            let levels: &[P; CHUNK] = rows[v * width..][..CHUNK].try_into().expect("a chunk's length");
            for i in 0..CHUNK {
                sums[i] = levels[i].add_to(sums[i]);
            }
        }
    } else {
        // The image ends within the last chunk.
        for row in rows.chunks(width).take(bottom - top) {
            for (level, sum) in row.iter().zip(&mut sums) {
                *sum = level.add_to(*sum);
            }
        }
    }
    for i in 0..CHUNK {
        to[i] = P::total(sums[i]);
    }
}

/// Adds neighbours in pairs, alternating between the two buffers, until `cells` numbers are left.
#[inline(always)]
fn add_neighbours<'a, R: Real>(
    mut sums: &'a mut Strip<R>,
    mut other: &'a mut Strip<R>,
    cells: usize,
    block: usize,
) -> &'a [R] {
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

fn check(images: Shape, locations: Shape) -> Result<(), String> {
    match (images.axes(), locations.axes()) {
        (&[batch, _, _, _], &[rows, 2]) if batch == rows => Ok(()),
        _ => Err(format!(
            "images [batch, channels, height, width] and locations [batch, 2] are needed, not {images} and {locations}"
        )),
    }
}

/// ρ(x, l) with an image and a location on the tape.
impl<R: Real> Op<R> for Retina {
    fn name(&self) -> &'static str {
        "retina"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        check(setup.shapes[0], setup.shapes[1])?;
        Ok(Shape::new(&[setup.shapes[0].axes()[0], self.len(setup.shapes[0].axes()[1])]))
    }

    // y[cell] = Σ_pixels wx·wy·x[pixel] / (255·4ˢ)
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let images: &[Number<R>] = bytemuck::TransparentWrapper::wrap_slice(cx.x(0));
        self.see(images, Size::of(cx.shape(0)), cx.x(1), y);
    }

    // d_x[pixel] += wx·wy/(255·4ˢ)·d_y[cell];   d_l += (W, H)/2 · Σ ∂(wx·wy)/∂start · x[pixel]/(255·4ˢ)·d_y[cell]
    fn backward(&self, cx: &mut Backward<R>) {
        let (images, locations, d_y) = (cx.x(0), cx.x(1), cx.d_y());
        let size = Size::of(cx.shape(0));
        let rho = self.len(size.channels).max(1);
        if let Some(d_images) = cx.d_x(0) {
            let per_image = locations.chunks_exact(2).zip(d_y.chunks_exact(rho));
            for (d_image, (l, d_y)) in d_images.chunks_exact_mut(size.len().max(1)).zip(per_image) {
                self.taps(size, [l[0].to_f64(), l[1].to_f64()], |cell, pixel, [wx, wy], _, unit| {
                    d_image[pixel] += R::from_f64(wx * wy * unit) * d_y[cell];
                });
            }
        }
        if self.sampling == Sampling::Crop {
            return;
        }
        if let Some(d_locations) = cx.d_x(1) {
            let per_image = images.chunks_exact(size.len().max(1)).zip(d_y.chunks_exact(rho));
            for ((d_l, l), (image, d_y)) in
                d_locations.chunks_exact_mut(2).zip(locations.chunks_exact(2)).zip(per_image)
            {
                let mut d_start = [R::ZERO; 2];
                self.taps(size, [l[0].to_f64(), l[1].to_f64()], |cell, pixel, [wx, wy], [dx, dy], unit| {
                    let d = image[pixel] * d_y[cell];
                    d_start[0] += R::from_f64(dx * wy * unit) * d;
                    d_start[1] += R::from_f64(wx * dy * unit) * d;
                });
                // c = (l + 1)/2 · (W, H)
                d_l[0] += d_start[0] * R::from_f64(size.width as f64 / 2.0);
                d_l[1] += d_start[1] * R::from_f64(size.height as f64 / 2.0);
            }
        }
    }
}
