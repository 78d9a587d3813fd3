//! Convolution with a stride and padding: the windows become the rows of a matrix, to which a linear layer is applied. And
//! pooling, which halves an image or makes it smaller still.

use crate::nn::Conv2d;
use crate::op::{Backward, Forward, Op, Setup};
use crate::ops::linear::Activation;
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// Every window of `size` × `size` pixels of x [batch, channels, height, width], `stride` pixels apart, as a row of a
/// matrix [batch·rows·columns, channels·size²]. Within a window the order is channel, row, column. Around the image lie `padding`
/// pixels of 0.
#[derive(Clone, Copy)]
struct Windows {
    size: usize,
    stride: usize,
    padding: usize,
}

/// A row of a window: where its `len` numbers lie in the matrix and in the images. The numbers of a window that lie on the
/// padding belong to no part.
struct Part {
    matrix: usize,
    image: usize,
    len: usize,
}

impl Windows {
    /// The number of windows along an axis.
    fn along(self, extent: usize) -> usize {
        (extent + 2 * self.padding - self.size) / self.stride + 1
    }

    /// Visits the rows of all windows, as far as they lie on the image.
    fn visit_rows(self, x: Shape, mut visit: impl FnMut(Part)) {
        let &[batch, channels, height, width] = x.axes() else { unreachable!("checked by shape()") };
        let mut to = 0;
        for image in 0..batch {
            for v in 0..self.along(height) {
                for u in 0..self.along(width) {
                    // The window's columns on the image: those from `skipped` on, up to the image's right edge.
                    let left = u * self.stride;
                    let skipped = self.padding.saturating_sub(left).min(self.size);
                    let column = (left + skipped).saturating_sub(self.padding);
                    let len = (self.size - skipped).min(width.saturating_sub(column));
                    for channel in 0..channels {
                        for row in 0..self.size {
                            let y = v * self.stride + row;
                            if len > 0 && (self.padding..self.padding + height).contains(&y) {
                                let line = (image * channels + channel) * height + y - self.padding;
                                visit(Part { matrix: to + skipped, image: line * width + column, len });
                            }
                            to += self.size;
                        }
                    }
                }
            }
        }
    }
}

impl<R: Real> Op<R> for Windows {
    fn name(&self) -> &'static str {
        "windows"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let (x, Windows { size, padding, .. }) = (setup.shapes[0], *self);
        match *x.axes() {
            [batch, channels, height, width] if height.min(width) + 2 * padding >= size => {
                Ok(Shape::new(&[batch * self.along(height) * self.along(width), channels * size * size]))
            }
            _ => Err(format!(
                "the input must be images [batch, channels, height, width] of at least {size}×{size} pixels with their padding of \
                 {padding}, not {x}"
            )),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let x = cx.x(0);
        if self.padding > 0 {
            y.fill(R::ZERO);
        }
        self.visit_rows(cx.shape(0), |Part { matrix, image, len }| {
            y[matrix..matrix + len].copy_from_slice(&x[image..image + len]);
        });
    }

    // d_x[pixel] += Σ d_y over all windows in which the pixel lies
    fn backward(&self, cx: &mut Backward<R>) {
        let (shape, d_y) = (cx.shape(0), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            self.visit_rows(shape, |Part { matrix, image, len }| {
                for (d_x, &d_y) in d_x[image..image + len].iter_mut().zip(&d_y[matrix..matrix + len]) {
                    *d_x += d_y;
                }
            });
        }
    }
}

/// The largest number of each square of `size` × `size` pixels; the squares lie side by side, and pixels beyond the last whole
/// square are left out. If there is a NaN in a square, it is NaN.
struct MaxPool {
    size: usize,
}

/// Whether b takes the place of a: it is larger, or NaN.
fn wins<R: Real>(b: R, a: R) -> bool {
    b > a || b.to_f64().is_nan()
}

impl MaxPool {
    /// Visits every square with its number in y and the positions of its pixels in x.
    fn visit(&self, x: Shape, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
        let (&[batch, channels, height, width], size) = (x.axes(), self.size) else {
            unreachable!("checked by shape()")
        };
        let mut square = 0;
        for plane in 0..batch * channels {
            for v in 0..height / size {
                for u in 0..width / size {
                    let corner = (plane * height + v * size) * width + u * size;
                    visit(square, &mut (0..size * size).map(|i| corner + i / size * width + i % size));
                    square += 1;
                }
            }
        }
    }
}

impl<R: Real> Op<R> for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let (x, size) = (setup.shapes[0], self.size);
        match *x.axes() {
            [batch, channels, height, width] if size > 0 && height.min(width) >= size => {
                Ok(Shape::new(&[batch, channels, height / size, width / size]))
            }
            _ => Err(format!(
                "the input must be images [batch, channels, height, width] of at least {size}×{size} pixels, not {x}, and a square \
                 has at least one pixel"
            )),
        }
    }

    // y = max over the square
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let x = cx.x(0);
        self.visit(cx.shape(0), |square, pixels| {
            let largest = pixels.map(|pixel| x[pixel]).reduce(|a, b| if wins(b, a) { b } else { a });
            y[square] = largest.expect("a square has pixels");
        });
    }

    // d_x[the first pixel that is the largest] += d_y
    fn backward(&self, cx: &mut Backward<R>) {
        let (shape, x, d_y) = (cx.shape(0), cx.x(0), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            self.visit(shape, |square, pixels| {
                let largest = pixels.reduce(|a, b| if wins(x[b], x[a]) { b } else { a });
                d_x[largest.expect("a square has pixels")] += d_y[square];
            });
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// φ(x ∗ w + b): [batch, channels, height, width] → [batch, filters, rows, columns], with
    /// rows = ⌊(height + 2·padding − size)/stride⌋ + 1 and columns likewise. Outside of the image x is 0.
    ///
    /// ```text
    /// y[b, f, v, u] = φ(Σ w[(c, i, j), f]·x[b, c, v·stride + i − padding, u·stride + j − padding] + b[f])
    /// ```
    ///
    /// # Panics
    /// If x does not have four axes, has another number of channels, or is with its padding smaller than a window.
    #[track_caller]
    pub fn conv2d_then(self, layer: Conv2d, activation: Activation) -> Var<'t, R> {
        let Conv2d { linear, size, stride, padding } = layer;
        let windows = Windows { size, stride, padding };
        let rows = self.recording().apply(windows, &[self]);
        let y = rows.linear_then(linear, activation);
        let (x, filters) = (self.shape(), y.shape().columns());
        let [height, width] = [2, 3].map(|axis| windows.along(x.axes()[axis]));
        // [batch·rows·columns, filters] → [batch, filters, rows, columns]
        y.reshape([x.axes()[0], height, width, filters]).permute([0, 3, 1, 2])
    }

    /// The largest number of each square of `size` × `size` pixels: [batch, channels, height, width] →
    /// [batch, channels, ⌊height/size⌋, ⌊width/size⌋]. If several pixels are the largest, the first gets the gradient.
    ///
    /// # Panics
    /// If x does not have four axes, `size` is 0, or the images are smaller than a square.
    #[track_caller]
    pub fn max_pool2d(self, size: usize) -> Var<'t, R> {
        self.recording().apply(MaxPool { size }, &[self])
    }
}
