//! Convolution with a stride: the windows become the rows of a matrix, to which a linear layer is applied.

use crate::nn::Conv2d;
use crate::op::{Backward, Forward, Op, Setup};
use crate::ops::linear::Activation;
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

/// Every window of `size` × `size` pixels of x [batch, channels, height, width], `stride` pixels apart, as a row of a
/// matrix [batch·rows·columns, channels·size²]. Within a window the order is channel, row, column.
#[derive(Clone, Copy)]
struct Windows {
    size: usize,
    stride: usize,
}

impl Windows {
    /// The number of windows along an axis.
    fn along(self, extent: usize) -> usize {
        (extent - self.size) / self.stride + 1
    }

    /// Visits every row of every window with two positions: where its `size` numbers lie in y, and where they lie in x.
    fn visit_rows(self, x: Shape, mut visit: impl FnMut(usize, usize)) {
        let &[batch, channels, height, width] = x.axes() else { unreachable!("checked by shape()") };
        let mut to = 0;
        for image in 0..batch {
            for v in 0..self.along(height) {
                for u in 0..self.along(width) {
                    for channel in 0..channels {
                        for row in 0..self.size {
                            let pixel = (image * channels + channel) * height + v * self.stride + row;
                            visit(to, pixel * width + u * self.stride);
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
        let (x, size) = (setup.shapes[0], self.size);
        match *x.axes() {
            [batch, channels, height, width] if height >= size && width >= size => {
                Ok(Shape::new(&[batch * self.along(height) * self.along(width), channels * size * size]))
            }
            _ => Err(format!(
                "the input must be images [batch, channels, height, width] of at least {size}×{size} pixels, not {x}"
            )),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let x = cx.x(0);
        self.visit_rows(cx.shape(0), |to, from| y[to..to + self.size].copy_from_slice(&x[from..from + self.size]));
    }

    // d_x[pixel] += Σ d_y over all windows in which the pixel lies
    fn backward(&self, cx: &mut Backward<R>) {
        let (shape, d_y) = (cx.shape(0), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            self.visit_rows(shape, |to, from| {
                for (d_x, &d_y) in d_x[from..from + self.size].iter_mut().zip(&d_y[to..to + self.size]) {
                    *d_x += d_y;
                }
            });
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// φ(x ∗ w + b) without padding: [batch, channels, height, width] → [batch, rows, columns, filters], with
    /// rows = ⌊(height − size)/stride⌋ + 1 and columns likewise.
    ///
    /// ```text
    /// y[b, v, u, f] = φ(Σ w[(c, i, j), f]·x[b, c, v·stride + i, u·stride + j] + b[f])
    /// ```
    ///
    /// # Panics
    /// If x does not have four axes, has another number of channels, or is smaller than a window.
    #[track_caller]
    pub fn conv2d_then(self, layer: Conv2d, activation: Activation) -> Var<'t, R> {
        let windows = Windows { size: layer.size, stride: layer.stride };
        let rows = self.recording().apply(windows, &[self]);
        let y = rows.linear_then(layer.linear, activation);
        let (x, filters) = (self.shape(), y.shape().columns());
        y.reshape([x.axes()[0], windows.along(x.axes()[2]), windows.along(x.axes()[3]), filters])
    }
}
