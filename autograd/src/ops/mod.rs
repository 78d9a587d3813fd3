//! The operations, one file for each family. Equation, forward and backward stand side by side.

mod binary;
mod conv;
mod dropout;
mod linear;
mod lstm;
mod matmul;
mod numbers;
mod parts;
mod reduce;
mod rows;
mod softmax;
mod unary;
mod views;

pub use linear::{Activation, linear_sum};
