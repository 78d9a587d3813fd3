//! The numbers that the engine computes with: [`Number`] plus the way from a kernel to the processor.

use crate::kernels::dispatch;
use crate::kernels::gemm::{SharedSum, Sum};
use crate::kernels::math;
use crate::kernels::scalar::{Scalar, Single};
use crate::kernels::simd::Kernel;
use crate::number::Number;

/// A real number: [`f32`] for training or [`f64`] for checking gradients, both through the same code.
///
/// Kernels for f32 run on the fastest path of the machine and give the same bits on every path. Kernels for f64 run the
/// same algorithms on the scalar path; only the matrix product, whose tiles take long to compile, is three plain loops.
///
/// The functions of one number are those of the kernels, for operations of one's own: the same bits on every machine. Here is
/// the softplus ln(1 + eˣ), whose derivative is the logistic function:
///
/// ```
/// use autograd::gradcheck::gradcheck;
/// use autograd::op::{Backward, Forward, Op, Setup};
/// use autograd::{Params, Real, Shape};
///
/// struct Softplus;
///
/// impl<R: Real> Op<R> for Softplus {
///     fn name(&self) -> &'static str {
///         "softplus"
///     }
///     fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
///         Ok(setup.shapes[0])
///     }
///     // y = ln(1 + eˣ), which is x + ln(1 + e⁻ˣ) for a large x
///     fn forward(&self, cx: Forward<R>, y: &mut [R]) {
///         for (y, &x) in y.iter_mut().zip(cx.x(0)) {
///             let positive = if x > R::ZERO { x } else { R::ZERO };
///             *y = positive + R::ln(R::ONE + R::exp(-R::abs(x)));
///         }
///     }
///     // d_x += d_y/(1 + e⁻ˣ)
///     fn backward(&self, cx: &mut Backward<R>) {
///         let (x, d_y) = (cx.x(0), cx.d_y());
///         if let Some(d_x) = cx.d_x(0) {
///             for ((d_x, &x), &d_y) in d_x.iter_mut().zip(x).zip(d_y) {
///                 *d_x += d_y * R::sigmoid(x);
///             }
///         }
///     }
/// }
///
/// gradcheck(|t, x| t.apply(Softplus, &[x[0]]), &Params::new(), &[Shape::new(&[2, 3])], 3);
/// ```
///
/// √x and |x| come from [`Number`], the trait above this one.
pub trait Real: Number {
    /// Runs a kernel on this machine's path.
    fn dispatch<K: Kernel<Self>>(kernel: K) -> K::Out;
    /// Runs the matrix product, the one large kernel. This function is not generic, so that the kernel is compiled once
    /// in this crate rather than again in every crate that multiplies matrices.
    fn dispatch_sum(sum: Sum<Self>);
    /// Runs matrix products that share their right matrices, for the same reason.
    fn dispatch_shared_sum(sum: SharedSum<Self>);

    /// eˣ
    fn exp(self) -> Self {
        math::exp(Single, self)
    }
    /// ln x: −∞ for 0, and NaN below 0.
    fn ln(self) -> Self {
        math::ln(Single, self)
    }
    /// tanh x
    fn tanh(self) -> Self {
        math::tanh(Single, self)
    }
    /// The logistic function 1/(1 + e⁻ˣ).
    fn sigmoid(self) -> Self {
        math::sigmoid(Single, self)
    }
    /// (sin x, cos x) for x in radians with |x| < 2⁵⁰. The error grows with |x|, by |x|·2⁻⁵³.
    fn sin_cos(self) -> (Self, Self) {
        let (sin, cos) = crate::math::sin_cos_turns(self.to_f64() / std::f64::consts::TAU);
        (Self::from_f64(sin), Self::from_f64(cos))
    }
    /// self to the power y, for self > 0: e^(y·ln self), computed in f64.
    fn pow(self, y: Self) -> Self {
        Self::from_f64(crate::math::pow(self.to_f64(), y.to_f64()))
    }
}

impl Real for f32 {
    #[inline(always)]
    fn dispatch<K: Kernel<f32>>(kernel: K) -> K::Out {
        dispatch::path().run(kernel)
    }
    fn dispatch_sum(sum: Sum<f32>) {
        dispatch::path().run(sum);
    }
    fn dispatch_shared_sum(sum: SharedSum<f32>) {
        dispatch::path().run(sum);
    }
}

impl Real for f64 {
    #[inline(always)]
    fn dispatch<K: Kernel<f64>>(kernel: K) -> K::Out {
        kernel.run(Scalar)
    }
    fn dispatch_sum(sum: Sum<f64>) {
        sum.run_plainly();
    }
    fn dispatch_shared_sum(sum: SharedSum<f64>) {
        sum.run_plainly();
    }
}
