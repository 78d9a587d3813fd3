//! All `unsafe` code of the crate: one file for each instruction set, with its loads, stores, arithmetic and its
//! `#[target_feature]` function; and what reads memory without a check of its own.
//!
//! Each set is a zero-sized type whose value proves that the processor has the instructions. This makes the methods of
//! [`super::simd::Simd`] safe to call.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
mod prefetch;
pub(crate) mod stream;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm;

pub use prefetch::prefetch;
