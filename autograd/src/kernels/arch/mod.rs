//! One file an instruction set: loads, stores, arithmetic and the `#[target_feature]` shell. All `unsafe` of the crate
//! lies in this folder.
//!
//! Each set is a zero-sized type whose value is the proof that the processor has the instructions, which makes the
//! methods of [`super::simd::Simd`] safe to call.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod scalar;
pub(crate) mod stream;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm;
