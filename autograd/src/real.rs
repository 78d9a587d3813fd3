//! The numbers that the engine computes with: [`Number`] plus the way from a kernel to the processor.

use crate::kernels::dispatch;
use crate::kernels::gemm::{SharedSum, Sum};
use crate::kernels::scalar::Scalar;
use crate::kernels::simd::Kernel;
use crate::number::Number;

/// A real number: [`f32`] for training or [`f64`] for checking gradients, both through the same code.
///
/// Kernels for f32 run on the fastest path of the machine and give the same bits on every path. Kernels for f64 run the
/// same algorithms on the scalar path; only the matrix product, whose tiles take long to compile, is three plain loops.
pub trait Real: Number {
    /// Runs a kernel on this machine's path.
    fn dispatch<K: Kernel<Self>>(kernel: K) -> K::Out;
    /// Runs the matrix product, the one large kernel. This function is not generic, so that the kernel is compiled once
    /// in this crate rather than again in every crate that multiplies matrices.
    fn dispatch_sum(sum: Sum<Self>);
    /// Runs matrix products that share their right matrices, for the same reason.
    fn dispatch_shared_sum(sum: SharedSum<Self>);
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
