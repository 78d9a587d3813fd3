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

mod crop;

use arrayvec::ArrayVec;
use autograd::kernels::arch::prefetch;
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Indices, Real, Recording, Shape, Var};
use datasets::Layout;
use serde::{Deserialize, Serialize};

use crop::{Crop, Level, Number};

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

/// The most patches that a retina may have; with a zoom, fewer.
pub const MAX_SCALES: usize = 8;

/// The retina: k patches of g × g numbers around a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retina {
    /// g, the edge of the finest patch in pixels, and of every patch in numbers; even, 2 or more.
    pub patch: usize,
    /// k, the number of patches, each twice as wide as the one before; from 1 to 8.
    pub scales: usize,
    /// How a patch that starts between pixels is read.
    pub sampling: Sampling,
    /// z: all patches are 2ᶻ times as wide, with as many numbers. See [`zoom`](super::zoom).
    pub zoom: usize,
}

/// A batch of images, [batch, channels, height, width], with grey levels from 0 to 255.
#[derive(Clone, Copy)]
pub enum Images<'a, 't, R: Real> {
    /// Bytes, row after row, which never touch the tape.
    Pixels {
        /// The grey levels.
        data: &'a [u8],
        /// [batch, channels, height, width]
        shape: Shape,
    },
    /// The same in the tiles of [`Layout::tiled`]: a glimpse costs as much on a large image as on a small one.
    Tiles {
        /// The grey levels.
        data: &'a [u8],
        /// [batch, channels, height, width]
        shape: Shape,
    },
    /// A variable, which gets a gradient. Whole numbers give the same bits as bytes.
    Var(Var<'t, R>),
}

impl<'a, 't, R: Real> Images<'a, 't, R> {
    /// A batch of images as the crate `datasets` stores them.
    pub fn stored(data: &'a [u8], batch: usize, layout: Layout) -> Self {
        let [channels, height, width] = layout.size();
        let shape = Shape::new(&[batch, channels, height, width]);
        if layout.is_tiled() { Images::Tiles { data, shape } } else { Images::Pixels { data, shape } }
    }

    /// The grey levels as numbers from 0 to 1, for a network that sees the whole image.
    #[track_caller]
    pub fn levels(&self, t: &'t Recording<'t, R>) -> Var<'t, R> {
        let unit = R::from_f64(1.0 / 255.0);
        let (data, shape) = match *self {
            Images::Var(images) => return images.scale(unit),
            Images::Pixels { data, shape } | Images::Tiles { data, shape } => (data, shape),
        };
        let layout = self.layout();
        t.filled("pixels", shape, |y| {
            assert_eq!(data.len(), shape.axes()[0] * layout.len(), "pixels of {shape}");
            let mut rows = y.chunks_exact_mut(layout.width.max(1));
            for image in data.chunks_exact(layout.len().max(1)) {
                for (channel, v) in (0..layout.channels).flat_map(|c| (0..layout.height).map(move |v| (c, v))) {
                    let mut row = rows.next().expect("a row for each row of pixels");
                    for run in layout.runs(channel, v, 0..layout.width) {
                        let (part, rest) = row.split_at_mut(run.len());
                        for (y, &level) in part.iter_mut().zip(&image[run]) {
                            *y = R::from(level) * unit;
                        }
                        row = rest;
                    }
                }
            }
        })
    }

    /// [batch, channels, height, width]
    pub fn shape(&self) -> Shape {
        match self {
            Images::Pixels { shape, .. } | Images::Tiles { shape, .. } => *shape,
            Images::Var(images) => images.shape(),
        }
    }

    /// How the pixels of an image lie in memory.
    fn layout(&self) -> Layout {
        match self {
            Images::Tiles { shape, .. } => Layout::tiled(size_of_image(*shape)),
            Images::Pixels { .. } | Images::Var(_) => Layout::rows(size_of_image(self.shape())),
        }
    }
}

/// [channels, height, width] of a batch [batch, channels, height, width].
fn size_of_image(shape: Shape) -> [usize; 3] {
    let &[_, channels, height, width] = shape.axes() else { unreachable!("checked: four axes") };
    [channels, height, width]
}

/// Places in the images, one for each cache line that is to be prefetched.
type Lines = ArrayVec<usize, 384>;

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
        assert!((1..=MAX_SCALES).contains(&scales), "retina: {scales} scales, but there must be from 1 to 8");
        Retina { patch, scales, sampling, zoom: 0 }
    }

    /// The same retina with patches that are 2ᶻ times as wide.
    ///
    /// # Panics
    /// If the widest patch would then be averaged over blocks of more than 128 pixels.
    #[track_caller]
    pub fn zoomed(self, zoom: usize) -> Retina {
        let widest = self.zoom + zoom + self.scales;
        assert!(
            widest <= MAX_SCALES,
            "retina: a zoom of {} and {} scales, of at most 8 together",
            self.zoom + zoom,
            self.scales
        );
        Retina { zoom: self.zoom + zoom, ..self }
    }

    /// The length of ρ: channels · k · g².
    pub fn len(&self, channels: usize) -> usize {
        channels * self.scales * self.patch * self.patch
    }

    /// The side of patch `scale` in pixels: g·2ˢ⁺ᶻ.
    pub fn side(&self, scale: usize) -> usize {
        self.patch << (scale + self.zoom)
    }

    /// The start of patch `scale` along an axis of `extent` pixels, for the location's coordinate `l` on this axis.
    fn start(&self, l: f64, scale: usize, extent: usize) -> Start {
        // c − g·2ˢ⁺ᶻ/2 with c = (l + 1)/2 · extent
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
    /// channel, then scale from fine to coarse, then row, then column. Grey levels are divided by 255. Locations [batch, 3] have a
    /// zoom as their third number, a whole one, which adds to the retina's own.
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
            Images::Pixels { data, shape } | Images::Tiles { data, shape } => {
                let (rho, layout) = (self.checked(images, shape, locations.shape()), images.layout());
                t.filled_from("retina", rho, locations, |locations, y| self.see(data, layout, None, locations, y))
            }
        }
    }

    /// As [`sense`](Self::sense), for the images `rows` of the batch alone: locations [rows, 2] or [rows, 3] → [rows, channels·k·g²].
    ///
    /// # Panics
    /// As [`sense`](Self::sense), or if there is no such image.
    #[track_caller]
    pub fn sense_rows<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        rows: Indices,
        locations: Var<'t, R>,
    ) -> Var<'t, R> {
        match images {
            Images::Var(images) => t.apply(*self, &[images.take_rows(rows), locations]),
            Images::Pixels { data, shape } | Images::Tiles { data, shape } => {
                let &[_, channels, height, width] = shape.axes() else { panic!("retina: images {shape}") };
                let some = Shape::new(&[rows.len(), channels, height, width]);
                let (rho, layout) = (self.checked(images, some, locations.shape()), images.layout());
                t.filled_by("retina", rho, (locations, rows), |locations, rows, y| {
                    self.see(data, layout, Some(rows), locations, y);
                })
            }
        }
    }

    /// The shape of ρ for stored images, of which `shape` are looked at.
    #[track_caller]
    fn checked<R: Real>(&self, images: Images<'_, '_, R>, shape: Shape, locations: Shape) -> Shape {
        if let Err(why) = check(shape, locations) {
            panic!("retina: {why}");
        }
        if let Images::Pixels { data, shape } | Images::Tiles { data, shape } = images {
            assert_eq!(data.len(), shape.axes()[0] * images.layout().len(), "retina: pixels of {shape}");
        }
        Shape::new(&[shape.axes()[0], self.len(shape.axes()[1])])
    }

    /// ρ for each image of a batch, or for the images `rows` of it.
    fn see<R: Real, P: Level<R>>(
        &self,
        images: &[P],
        layout: Layout,
        rows: Option<&[u32]>,
        locations: &[R],
        y: &mut [R],
    ) {
        let image_len = layout.len();
        if image_len == 0 {
            return y.fill(R::ZERO);
        }
        // Where the image of a glimpse begins.
        let begin = |glimpse: usize| rows.map_or(glimpse, |rows| rows[glimpse] as usize) * image_len;
        let rho = self.len(layout.channels).max(1);
        let places = Places::new(locations, y.len() / rho);
        // Pixels that are probably not in a cache are prefetched some glimpses before they are read.
        let ahead = if image_len * size_of::<P>() >= FAR { self.ahead() } else { 0 };
        let mut lines = Lines::default();
        let find = |glimpse: usize, lines: &mut Lines| {
            lines.clear();
            if let (Some((l, zoom)), true) = (places.get(glimpse), ahead > 0) {
                self.zoomed(zoom).find_lines::<P>(layout, l, begin(glimpse), lines);
            }
        };
        for i in 0..ahead {
            find(i, &mut lines);
            lines.iter().for_each(|&pixel| prefetch(images, pixel));
        }
        for (i, ((l, zoom), y)) in places.iter().zip(y.chunks_exact_mut(rho)).enumerate() {
            let image = &images[begin(i)..][..image_len];
            find(i + ahead, &mut lines);
            let retina = self.zoomed(zoom);
            match self.sampling {
                Sampling::Crop => {
                    let mut windows = [[0; 2]; MAX_SCALES];
                    let windows = &mut windows[..self.scales];
                    for (scale, window) in windows.iter_mut().enumerate() {
                        *window = retina.window(l, scale, [layout.width, layout.height]);
                    }
                    let coming = (images, &*lines);
                    R::dispatch(Crop { patch: self.patch, zoom: retina.zoom, windows, image, layout, coming, y });
                }
                Sampling::Bilinear => {
                    lines.iter().for_each(|&pixel| prefetch(images, pixel));
                    y.fill(R::ZERO);
                    retina.taps(layout, l, |cell, pixel, [wx, wy], _, unit| {
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

    /// Finds the cache lines of the coarsest patch, which contains the other patches, on an image that begins at `begin`.
    fn find_lines<P>(&self, layout: Layout, l: [f64; 2], begin: usize, lines: &mut Lines) {
        let [scale, line] = [self.scales - 1, 64 / size_of::<P>()];
        let range = |start: Start, extent: usize| {
            let clamp = |x: i64| x.clamp(0, extent as i64) as usize;
            clamp(start.pixel)..clamp(start.pixel + self.side(scale) as i64 + 1)
        };
        let columns = range(self.start(l[0], scale, layout.width), layout.width);
        let rows = range(self.start(l[1], scale, layout.height), layout.height);
        for channel in 0..layout.channels {
            let mut y = rows.start;
            while y < rows.end {
                // In tiles, the rows of a run lie one after the other.
                let end = if layout.is_tiled() { layout.next_tile_below(y).min(rows.end) } else { y + 1 };
                for run in layout.runs(channel, y, columns.clone()) {
                    let last = run.end - 1 + (end - 1 - y) * layout.stride();
                    for pixel in (run.start / line * line..=last).step_by(line) {
                        if lines.try_push(begin + pixel).is_err() {
                            return;
                        }
                    }
                }
                y = end;
            }
        }
    }

    /// Visits every pixel that a glimpse reads: (index in ρ, index in the image, weights (x, y), their derivatives by
    /// the patch's start, 1/(255·4ˢ⁺ᶻ)). The average of 2ˢ⁺ᶻ samples along an axis, interpolated at the same fraction f, reads
    /// 2ˢ⁺ᶻ + 1 pixels with the weights 1 − f, 1, …, 1, f.
    fn taps(&self, layout: Layout, l: [f64; 2], mut visit: impl FnMut(usize, usize, [f64; 2], [f64; 2], f64)) {
        let (g, k) = (self.patch, self.scales);
        for scale in 0..k {
            let block = 1i64 << (scale + self.zoom);
            let unit = 1.0 / (255.0 * (block * block) as f64);
            let (x0, y0) = (self.start(l[0], scale, layout.width), self.start(l[1], scale, layout.height));
            for row in 0..g {
                for (v, wy, dy) in taps_of_axis(y0, row as i64 * block, block, layout.height) {
                    for column in 0..g {
                        for (u, wx, dx) in taps_of_axis(x0, column as i64 * block, block, layout.width) {
                            for channel in 0..layout.channels {
                                let cell = ((channel * k + scale) * g + row) * g + column;
                                visit(cell, layout.index(channel, v, u), [wx, wy], [dx, dy], unit);
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

/// Locations [batch, 2] without zooms, or [batch, 3] with them.
#[derive(Clone, Copy)]
struct Places<'a, R> {
    numbers: &'a [R],
    width: usize,
}

impl<'a, R: Real> Places<'a, R> {
    fn new(numbers: &'a [R], batch: usize) -> Self {
        Places { numbers, width: numbers.len() / batch.max(1) }
    }

    /// Location (x, y) and zoom of glimpse `i`.
    fn get(&self, i: usize) -> Option<([f64; 2], usize)> {
        let place = self.numbers.get(i * self.width..(i + 1) * self.width)?;
        let &[x, y, ref zoom @ ..] = place else { return None };
        Some(([x.to_f64(), y.to_f64()], zoom.first().map_or(0, |z| z.to_f64() as usize)))
    }

    fn iter(self) -> impl Iterator<Item = ([f64; 2], usize)> {
        (0..).map_while(move |i| self.get(i))
    }
}

fn check(images: Shape, locations: Shape) -> Result<(), String> {
    match (images.axes(), locations.axes()) {
        (&[batch, _, _, _], &[rows, 2 | 3]) if batch == rows => Ok(()),
        _ => Err(format!(
            "images [batch, channels, height, width] and locations [batch, 2] are needed, or [batch, 3] with zooms, not {images} and \
             {locations}"
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
        self.see(images, Layout::rows(size_of_image(cx.shape(0))), None, cx.x(1), y);
    }

    // d_x[pixel] += wx·wy/(255·4ˢ)·d_y[cell];   d_l += (W, H)/2 · Σ ∂(wx·wy)/∂start · x[pixel]/(255·4ˢ)·d_y[cell]
    fn backward(&self, cx: &mut Backward<R>) {
        let (images, locations, d_y) = (cx.x(0), cx.x(1), cx.d_y());
        let layout = Layout::rows(size_of_image(cx.shape(0)));
        let rho = self.len(layout.channels).max(1);
        let places = Places::new(locations, cx.shape(0).axes()[0]);
        if let Some(d_images) = cx.d_x(0) {
            let per_image = places.iter().zip(d_y.chunks_exact(rho));
            for (d_image, ((l, zoom), d_y)) in d_images.chunks_exact_mut(layout.len().max(1)).zip(per_image) {
                self.zoomed(zoom).taps(layout, l, |cell, pixel, [wx, wy], _, unit| {
                    d_image[pixel] += R::from_f64(wx * wy * unit) * d_y[cell];
                });
            }
        }
        if self.sampling == Sampling::Crop {
            return;
        }
        if let Some(d_locations) = cx.d_x(1) {
            let per_image = images.chunks_exact(layout.len().max(1)).zip(d_y.chunks_exact(rho));
            let d_places = d_locations.chunks_exact_mut(places.width.max(1));
            for ((d_place, (l, zoom)), (image, d_y)) in d_places.zip(places.iter()).zip(per_image) {
                let mut d_start = [R::ZERO; 2];
                self.zoomed(zoom).taps(layout, l, |cell, pixel, [wx, wy], [dx, dy], unit| {
                    let d = image[pixel] * d_y[cell];
                    d_start[0] += R::from_f64(dx * wy * unit) * d;
                    d_start[1] += R::from_f64(wx * dy * unit) * d;
                });
                // c = (l + 1)/2 · (W, H)
                d_place[0] += d_start[0] * R::from_f64(layout.width as f64 / 2.0);
                d_place[1] += d_start[1] * R::from_f64(layout.height as f64 / 2.0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
