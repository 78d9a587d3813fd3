//! Matrix products of two variables, one of which may be transposed. (`linear.rs` has x·W + b with parameters.)

use crate::kernels::gemm::{Left, Right, gemm, pack_transposed, packed_len};
use crate::op::{Backward, Forward, Op, Setup};
use crate::real::Real;
use crate::shape::Shape;
use crate::tape::Var;

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// y = a·b
    Plain,
    /// y = a·bᵀ
    RightTransposed,
    /// y = aᵀ·b
    LeftTransposed,
}

struct Matmul(Form);

fn rows<R>(data: &[R], stride: usize) -> Left<'_, R> {
    Left::Rows { data, stride }
}

fn transposed<R>(data: &[R], stride: usize) -> Left<'_, R> {
    Left::Columns { data, stride }
}

impl<R: Real> Op<R> for Matmul {
    fn name(&self) -> &'static str {
        match self.0 {
            Form::Plain => "matmul",
            Form::RightTransposed => "matmul_t",
            Form::LeftTransposed => "t_matmul",
        }
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        let (&[a0, a1], &[b0, b1]) = (setup.shapes[0].axes(), setup.shapes[1].axes()) else {
            return Err("both operands must be matrices, with two axes; reshape them".to_owned());
        };
        let (formula, m, inner, other, n) = match self.0 {
            Form::Plain => ("a·b", a0, a1, b0, b1),
            Form::RightTransposed => ("a·bᵀ", a0, a1, b1, b0),
            Form::LeftTransposed => ("aᵀ·b", a1, a0, b0, b1),
        };
        if inner != other {
            return Err(format!(
                "{formula} of [{a0}, {a1}] and [{b0}, {b1}]: the inner lengths {inner} and {other} differ (matmul is a·b, matmul_t a·bᵀ, t_matmul aᵀ·b)"
            ));
        }
        Ok(Shape::new(&[m, n]))
    }

    /// Room to pack one transposed operand.
    fn saved_len(&self, setup: Setup<R>) -> usize {
        let (b, y) = (setup.shapes[1], self.shape(setup).expect("checked before"));
        match self.0 {
            Form::Plain | Form::RightTransposed => packed_len(b.axes()[1], b.axes()[0]),
            Form::LeftTransposed => packed_len(y.axes()[1], y.axes()[0]),
        }
    }

    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (a, b) = (cx.x(0), cx.x(1));
        let (&[a0, a1], &[b0, b1]) = (cx.shape(0).axes(), cx.shape(1).axes()) else { unreachable!("matrices") };
        match self.0 {
            Form::Plain => gemm(rows(a, a1), Right::Rows { data: b, stride: b1 }, y, [a0, b1, a1], false),
            Form::RightTransposed => {
                pack_transposed(b, b0, b1, cx.saved);
                gemm(rows(a, a1), Right::Packed(cx.saved), y, [a0, b0, a1], false);
            }
            Form::LeftTransposed => {
                gemm(transposed(a, a1), Right::Rows { data: b, stride: b1 }, y, [a1, b1, a0], false)
            }
        }
    }

    fn backward(&self, cx: &mut Backward<R>) {
        let (a, b, d_y) = (cx.x(0), cx.x(1), cx.d_y());
        let (shape_a, shape_b) = (cx.shape(0), cx.shape(1));
        let (&[a0, a1], &[b0, b1]) = (shape_a.axes(), shape_b.axes()) else { unreachable!("matrices") };
        let saved = std::mem::take(&mut cx.saved);
        match self.0 {
            // y = a·b:   d_a += d_y·bᵀ;   d_b += aᵀ·d_y
            Form::Plain => {
                if let Some(d_a) = cx.d_x(0) {
                    pack_transposed(b, b0, b1, saved);
                    gemm(rows(d_y, b1), Right::Packed(saved), d_a, [a0, a1, b1], true);
                }
                if let Some(d_b) = cx.d_x(1) {
                    gemm(transposed(a, a1), Right::Rows { data: d_y, stride: b1 }, d_b, [b0, b1, a0], true);
                }
            }
            // y = a·bᵀ:   d_a += d_y·b;   d_b += d_yᵀ·a
            Form::RightTransposed => {
                if let Some(d_a) = cx.d_x(0) {
                    gemm(rows(d_y, b0), Right::Rows { data: b, stride: b1 }, d_a, [a0, a1, b0], true);
                }
                if let Some(d_b) = cx.d_x(1) {
                    gemm(transposed(d_y, b0), Right::Rows { data: a, stride: a1 }, d_b, [b0, b1, a0], true);
                }
            }
            // y = aᵀ·b:   d_a += b·d_yᵀ;   d_b += a·d_y
            Form::LeftTransposed => {
                if let Some(d_a) = cx.d_x(0) {
                    pack_transposed(d_y, a1, b1, saved);
                    gemm(rows(b, b1), Right::Packed(saved), d_a, [a0, a1, b1], true);
                }
                if let Some(d_b) = cx.d_x(1) {
                    gemm(rows(a, a1), Right::Rows { data: d_y, stride: b1 }, d_b, [b0, b1, a1], true);
                }
            }
        }
    }
}

impl<'t, R: Real> Var<'t, R> {
    /// a·b: [m, k]·[k, n] → [m, n].
    ///
    /// # Panics
    /// If an operand is no matrix or the inner lengths differ.
    #[track_caller]
    pub fn matmul(self, b: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Matmul(Form::Plain), &[self, b])
    }

    /// a·bᵀ: [m, k]·[n, k]ᵀ → [m, n].
    ///
    /// # Panics
    /// As [`Var::matmul`].
    #[track_caller]
    pub fn matmul_t(self, b: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Matmul(Form::RightTransposed), &[self, b])
    }

    /// aᵀ·b: [k, m]ᵀ·[k, n] → [m, n].
    ///
    /// # Panics
    /// As [`Var::matmul`].
    #[track_caller]
    pub fn t_matmul(self, b: Var<'t, R>) -> Var<'t, R> {
        self.recording().apply(Matmul(Form::LeftTransposed), &[self, b])
    }
}
