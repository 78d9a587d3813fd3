//! Softmax, log-softmax and the losses of classification.

use super::binary::ProductOf;
use crate::kernels::map::{AddScaled, Elementwise, add_to, map};
use crate::kernels::math;
use crate::kernels::reduce;
use crate::kernels::simd::Lanes;
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::{Indices, Var};

fn matrix(x: Shape) -> Result<[usize; 2], String> {
    match *x.axes() {
        [rows, columns] if columns > 0 => Ok([rows, columns]),
        _ => Err(format!("the input must be a matrix [rows, classes], not {x}")),
    }
}

/// d_x + factor·eʸ
#[derive(Clone, Copy)]
struct AddScaledExp<R>(R);
impl<R: Real> Elementwise<R, 1> for AddScaledExp<R> {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, d_x: L::V, [y]: [L::V; 1]) -> L::V {
        l.mul_add(math::exp(l, y), l.splat(self.0), d_x)
    }
}

/// y[r, c] = e^x[r, c]/Σ_c e^x[r, c]. The saved numbers are room for y·d_y.
struct Softmax;

impl<R: Real> Op<R> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        matrix(setup.shapes[0]).map(|_| setup.shapes[0])
    }
    fn saved_len(&self, setup: Setup<R>) -> usize {
        setup.shapes[0].len()
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        reduce::softmax(cx.x(0), cx.shape(0).columns(), y);
    }
    // d_x[r, c] += y[r, c]·d_y[r, c] − y[r, c]·Σ_c y[r, c]·d_y[r, c]
    fn backward(&self, cx: &mut Backward<R>) {
        let (columns, y, d_y) = (cx.shape(0).columns(), cx.y(), cx.d_y());
        let products = std::mem::take(&mut cx.saved);
        map(ProductOf, [y, d_y], products);
        if let Some(d_x) = cx.d_x(0) {
            add_to(products, d_x);
            let rows = y.chunks_exact(columns).zip(products.chunks_exact(columns));
            for (d_x, (y, products)) in d_x.chunks_exact_mut(columns).zip(rows) {
                map(AddScaled(-reduce::sum(products)), [y], d_x);
            }
        }
    }
}

/// y[r, c] = x[r, c] − ln Σ_c e^x[r, c]
struct LogSoftmax;

impl<R: Real> Op<R> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        matrix(setup.shapes[0]).map(|_| setup.shapes[0])
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        reduce::log_softmax(cx.x(0), cx.shape(0).columns(), y);
    }
    // d_x[r, c] += d_y[r, c] − e^y[r, c]·Σ_c d_y[r, c]
    fn backward(&self, cx: &mut Backward<R>) {
        let (columns, y, d_y) = (cx.shape(0).columns(), cx.y(), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            let rows = y.chunks_exact(columns).zip(d_y.chunks_exact(columns));
            for (d_x, (y, d_y)) in d_x.chunks_exact_mut(columns).zip(rows) {
                add_to(d_y, d_x);
                map(AddScaledExp(-reduce::sum(d_y)), [y], d_x);
            }
        }
    }
}

/// y[r] = −x[r, label(r)]
struct NegativeLogLikelihood {
    labels: Indices,
}

impl<R: Real> Op<R> for NegativeLogLikelihood {
    fn name(&self) -> &'static str {
        "nll"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        matrix(setup.shapes[0]).map(|[rows, _]| Shape::new(&[rows]))
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let rows = cx.x(0).chunks_exact(cx.shape(0).columns());
        for ((y, x), &label) in y.iter_mut().zip(rows).zip(cx.indices(self.labels)) {
            *y = -x[label as usize];
        }
    }
    // d_x[r, label(r)] −= d_y[r]
    fn backward(&self, cx: &mut Backward<R>) {
        let (columns, d_y, labels) = (cx.shape(0).columns(), cx.d_y(), cx.indices(self.labels));
        if let Some(d_x) = cx.d_x(0) {
            for ((d_x, &d_y), &label) in d_x.chunks_exact_mut(columns).zip(d_y).zip(labels) {
                d_x[label as usize] -= d_y;
            }
        }
    }
}

/// y[r] = −log_softmax(x)[r, label(r)] in one operation. It saves p = softmax(x).
struct CrossEntropy {
    labels: Indices,
}

impl<R: Real> Op<R> for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        matrix(setup.shapes[0]).map(|[rows, _]| Shape::new(&[rows]))
    }
    fn saved_len(&self, setup: Setup<R>) -> usize {
        setup.shapes[0].len()
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let labels = &cx.indices[self.labels.start..self.labels.end];
        reduce::cross_entropy(cx.x(0), cx.shape(0).columns(), labels, cx.saved, y);
    }
    // d_x[r, c] += d_y[r]·(p[r, c] − 1) where c is the label, d_y[r]·p[r, c] elsewhere
    fn backward(&self, cx: &mut Backward<R>) {
        let (columns, d_y, labels) = (cx.shape(0).columns(), cx.d_y(), cx.indices(self.labels));
        let saved = std::mem::take(&mut cx.saved);
        if let Some(d_x) = cx.d_x(0) {
            reduce::add_scaled_rows(d_y, saved, d_x);
            for (d_x, (&d_y, &label)) in d_x.chunks_exact_mut(columns).zip(d_y.iter().zip(labels)) {
                d_x[label as usize] -= d_y;
            }
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// Softmax eˣ/Σ eˣ of each row: [rows, classes] → [rows, classes]. The largest element is subtracted first, so that
    /// nothing overflows. For a loss take [`Var::cross_entropy`], which is faster and loses no digits.
    ///
    /// # Panics
    /// If it is no matrix.
    #[track_caller]
    pub fn softmax(self) -> Var<'t, R> {
        self.then(Softmax)
    }

    /// ln softmax of each row: [rows, classes] → [rows, classes]. The largest element is subtracted first, so that
    /// nothing overflows.
    ///
    /// # Panics
    /// If it is no matrix.
    #[track_caller]
    pub fn log_softmax(self) -> Var<'t, R> {
        self.then(LogSoftmax)
    }

    /// The negative log-likelihood −x[r, label] of each row of log-probabilities: [rows, classes] → `[rows]`.
    ///
    /// # Panics
    /// If it is no matrix, if there are more or fewer labels than rows, or if a label is not below the number of
    /// classes.
    #[track_caller]
    pub fn nll(self, labels: &[u32]) -> Var<'t, R> {
        self.check_labels("nll", labels);
        let labels = self.recording().indices(labels);
        self.then(NegativeLogLikelihood { labels })
    }

    /// The cross entropy −ln softmax(x)[r, label] of each row of logits: [rows, classes] → `[rows]`.
    ///
    /// # Panics
    /// If it is no matrix, if there are more or fewer labels than rows, or if a label is not below the number of
    /// classes.
    #[track_caller]
    pub fn cross_entropy(self, labels: &[u32]) -> Var<'t, R> {
        self.check_labels("cross_entropy", labels);
        let labels = self.recording().indices(labels);
        self.then(CrossEntropy { labels })
    }

    #[track_caller]
    fn check_labels(self, op: &str, labels: &[u32]) {
        let shape = self.shape();
        assert!(shape.rows() == labels.len(), "{op}: {} labels for the rows of {shape}", labels.len());
        if let Some(wrong) = labels.iter().find(|&&label| label as usize >= shape.columns()) {
            panic!(
                "{op}: the label {wrong} is out of range for the {} classes of {shape}, which count from 0",
                shape.columns()
            );
        }
    }
}
