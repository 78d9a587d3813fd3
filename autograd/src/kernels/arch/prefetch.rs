//! A hint to the cache.

/// Asks for the cache line of an element that will be read soon. It does nothing if the index lies outside of the
/// slice, or on a machine that has no such instruction.
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
