//! The operations, a family a file: equation, forward and backward side by side.

mod binary;
mod conv;
mod linear;
mod lstm;
mod matmul;
mod parts;
mod reduce;
mod softmax;
mod unary;

pub use linear::{Activation, linear_sum};
