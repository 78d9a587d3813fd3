//! A path from one product to eq. (2), in five chapters. Every block of code is run by `cargo test`, and every number in it is checked.
//!
//! 1. [`product`]: one product and its gradient, and the tape.
//! 2. [`layer`]: a layer, a loss, and how we know that a gradient is right.
//! 3. [`choice`]: a choice has no gradient; eq. (1) has one.
//! 4. [`baseline`]: the same mean with less noise, eq. (2).
//! 5. [`glimpses`]: one glimpse, then several: which gradient reaches which parameter, and why there are T − 1 terms.
//!
//! Each chapter ends with an exercise, and with the place where the program does the same in earnest. Whoever came for
//! `cargo bench` may begin with `cargo run --release --example gemm_steps`, which goes from three loops to a fast matrix product.

#[doc = include_str!("path/product.md")]
pub mod product {}

#[doc = include_str!("path/layer.md")]
pub mod layer {}

#[doc = include_str!("path/choice.md")]
pub mod choice {}

#[doc = include_str!("path/baseline.md")]
pub mod baseline {}

#[doc = include_str!("path/glimpses.md")]
pub mod glimpses {}
