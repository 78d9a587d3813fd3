//! An operation of one's own, with its equations, and the check of its gradient: `cargo run --release --example own_operation`.

use autograd::gradcheck::{CheckResult, check_at, gradcheck};
use autograd::op::{Backward, Forward, Op, Setup};
use autograd::{Params, Real, Recording, Shape, Var};

/// y = ln cosh x, elementwise: a loss that is x²/2 near 0, and |x| − ln 2 far from it.
struct LogCosh {
    /// 1, or the wrong sign that the check must find.
    sign: f64,
}

impl<R: Real> Op<R> for LogCosh {
    fn name(&self) -> &'static str {
        "log_cosh"
    }

    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        Ok(setup.shapes[0])
    }

    // y = |x| + ln(1 + e^(−2|x|)) − ln 2, in which nothing overflows
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        for (y, &x) in y.iter_mut().zip(cx.x(0)) {
            let size = R::abs(x);
            *y = size + R::ln(R::ONE + R::exp(-(size + size))) - R::from_f64(std::f64::consts::LN_2);
        }
    }

    // d_x += d_y·tanh x
    fn backward(&self, cx: &mut Backward<R>) {
        let (x, d_y) = (cx.x(0), cx.d_y());
        if let Some(d_x) = cx.d_x(0) {
            for ((d_x, &x), &d_y) in d_x.iter_mut().zip(x).zip(d_y) {
                *d_x += R::from_f64(self.sign) * d_y * R::tanh(x);
            }
        }
    }
}

/// The operation on the tape.
fn log_cosh<'t>(t: &'t Recording<'t, f64>, x: &[Var<'t, f64>], sign: f64) -> Var<'t, f64> {
    t.apply(LogCosh { sign }, &[x[0]])
}

/// The directions in which backward and finite differences disagree, each with both slopes.
pub fn faults(sign: f64) -> Vec<String> {
    let point = [(Shape::new(&[2]), vec![0.3, -2.0])];
    match check_at(&|t, x| log_cosh(t, x, sign), &Params::new(), &point, 1e-6, 1) {
        CheckResult::Disagree(all) => all.iter().map(|fault| fault.to_string()).collect(),
        CheckResult::Agree | CheckResult::Kink => Vec::new(),
    }
}

/// Checks the gradient at random points, and shows what a wrong one looks like.
pub fn main() {
    gradcheck(|t, x| log_cosh(t, x, 1.0), &Params::new(), &[Shape::new(&[2, 3])], 10);
    println!("the gradient of log_cosh agrees with finite differences; with its sign turned, the check says");
    faults(-1.0).iter().for_each(|fault| println!("  {fault}"));
}
