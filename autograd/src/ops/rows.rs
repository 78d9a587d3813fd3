//! Some rows of a matrix: taken out, and put back. The rows are known only when the operation is recorded, such as those of the
//! inputs of a batch that are not done yet.

use crate::node::Indices;
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

impl<'t, R: Real> Var<'t, R> {
    /// The rows `rows` of the first axis, in this order: x [n, …] → [rows, …]. A row may be taken more than once.
    ///
    /// # Panics
    /// If x has no axis, or a row does not exist.
    #[track_caller]
    pub fn take_rows(self, rows: Indices) -> Var<'t, R> {
        self.recording().apply(TakeRows { rows }, &[self])
    }

    /// A copy in which `taken` stands in the place of the rows `rows`, which ascend: x [n, …] and taken [rows, …] → [n, …].
    ///
    /// # Panics
    /// If the shapes do not fit, a row does not exist, or the rows do not ascend.
    #[track_caller]
    pub fn put_rows(self, rows: Indices, taken: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(PutRows { rows }, &[self, taken])
    }
}

/// yᵢ = x_{rows(i)}
struct TakeRows {
    rows: Indices,
}

/// y_{rows(i)} = takenᵢ, and yⱼ = xⱼ for all other rows j.
struct PutRows {
    rows: Indices,
}

impl<R: Real> Op<R> for TakeRows {
    fn name(&self) -> &'static str {
        "take_rows"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let x = setup.shapes[0];
        if x.axes().is_empty() {
            return Err("a scalar has no rows".to_owned());
        }
        Ok(x.with_axis(0, self.rows.len()))
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (x, width) = (cx.x(0), width(cx.shape(0)));
        for (y, &row) in y.chunks_exact_mut(width).zip(cx.indices(self.rows)) {
            y.copy_from_slice(&x[row as usize * width..][..width]);
        }
    }

    // d_x_{rows(i)} += d_yᵢ
    fn backward(&self, cx: &mut Backward<R>) {
        let (d_y, width, rows) = (cx.d_y(), width(cx.shape(0)), cx.indices(self.rows));
        if let Some(d_x) = cx.d_x(0) {
            for (d_y, &row) in d_y.chunks_exact(width).zip(rows) {
                add(&mut d_x[row as usize * width..][..width], d_y);
            }
        }
    }
}

impl<R: Real> Op<R> for PutRows {
    fn name(&self) -> &'static str {
        "put_rows"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        match setup.shapes {
            [x, taken] if !x.axes().is_empty() && *taken == x.with_axis(0, self.rows.len()) => Ok(*x),
            _ => Err(format!("the second must be {} rows of the first", self.rows.len())),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (taken, width, rows) = (cx.x(1), width(cx.shape(0)), cx.indices(self.rows));
        assert!(rows.is_sorted_by(|a, b| a < b), "put_rows: the rows {rows:?} do not ascend");
        y.copy_from_slice(cx.x(0));
        for (taken, &row) in taken.chunks_exact(width).zip(rows) {
            y[row as usize * width..][..width].copy_from_slice(taken);
        }
    }

    // d_takenᵢ += d_y_{rows(i)};   d_xⱼ += d_yⱼ for the other rows j
    fn backward(&self, cx: &mut Backward<R>) {
        let (d_y, width, rows) = (cx.d_y(), width(cx.shape(0)), cx.indices(self.rows));
        if let Some(d_taken) = cx.d_x(1) {
            for (d_taken, &row) in d_taken.chunks_exact_mut(width).zip(rows) {
                add(d_taken, &d_y[row as usize * width..][..width]);
            }
        }
        if let Some(d_x) = cx.d_x(0) {
            let mut put = rows.iter().peekable();
            for (row, (d_x, d_y)) in (0..).zip(d_x.chunks_exact_mut(width).zip(d_y.chunks_exact(width))) {
                if put.next_if(|&&put| put == row).is_none() {
                    add(d_x, d_y);
                }
            }
        }
    }
}

/// The number of elements in a row of the first axis; at least 1, so that slices can be cut by it.
fn width(shape: Shape) -> usize {
    shape.axes()[1..].iter().product::<usize>().max(1)
}

fn add<R: Real>(d: &mut [R], more: &[R]) {
    d.iter_mut().zip(more).for_each(|(d, &more)| *d += more);
}
