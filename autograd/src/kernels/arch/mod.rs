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

/// Asks for the cache line of an element that is soon to be read; nothing where the index leaves the slice, or on a
/// machine without such an instruction.
#[inline(always)]
pub fn prefetch<T>(data: &[T], index: usize) {
    if let Some(element) = data.get(index) {
        // SAFETY: the instruction changes nothing that a program could see, and the address is that of an element.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(element).cast());
        }
        // SAFETY: as above.
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) element, options(nostack, readonly, preserves_flags));
        }
        let _ = element;
    }
}
