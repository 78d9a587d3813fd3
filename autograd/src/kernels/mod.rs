//! The kernels. Each is written once over a small vector trait ([`simd`]) and compiled for each instruction set
//! ([`arch`]). One set is chosen at run time ([`path`]), and all of them give the same bits on any number of threads.
//!
//! These rules make the bits equal:
//! - every element of a matrix product is one chain of fused multiply-adds over k in order ([`gemm`]);
//! - every sum runs over sixteen partial sums, which one fixed tree adds up ([`reduce`]);
//! - exp, ln, tanh and sigmoid are our own ([`math`]);
//! - threads share work by what is written, never by what is summed.

pub mod arch;
pub(crate) mod dispatch;
pub mod gemm;
pub mod map;
pub mod math;
pub mod norm;
pub mod reduce;
pub mod scalar;
pub mod simd;
#[cfg(test)]
mod tests;

pub use dispatch::{KernelPath, PATH_VARIABLE, choose_path, path};
