//! AVX-512: sixteen lanes are one register. The 32 registers hold a tile of 12 × 2 vectors.

use std::arch::x86_64::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this processor has AVX-512 F and DQ: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// Returns the proof if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")).then_some(Avx512(()))
    }

    /// Runs a kernel that is compiled for these instructions.
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx512f,avx512dq")]
        #[inline(never)]
        fn shell<K: Kernel<f32>>(s: Avx512, kernel: K) -> K::Out {
            kernel.run(s)
        }
        // SAFETY: `self` proves that the processor has AVX-512 F and DQ.
        unsafe { shell(self, kernel) }
    }
}

impl Lanes<f32> for Avx512 {
    type V = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn if_gt(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512. 8: to nearest even, no exception.
        unsafe { _mm512_roundscale_ps::<8>(a) }
    }
    #[inline(always)]
    fn exp2_whole(self, n: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn scale(self, a: __m512, n: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    fn split_near_one(self, a: __m512) -> (__m512, __m512) {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let bits = _mm512_castps_si512(a);
            // The number of powers of two between ⅔ and a.
            let e = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_castps_si512(_mm512_set1_ps(2.0 / 3.0))));
            let m = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(e));
            (_mm512_castsi512_ps(m), _mm512_cvtepi32_ps(e))
        }
    }
    #[inline(always)]
    fn all_normal(self, a: __m512) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, _mm512_set1_ps(f32::MIN_POSITIVE));
            _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(above, a, _mm512_set1_ps(f32::MAX)) == u16::MAX
        }
    }
    #[inline(always)]
    fn all_within(self, a: __m512, limit: f32) -> bool {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(a), _mm512_set1_ps(limit)) == u16::MAX }
    }
}

impl Simd<f32> for Avx512 {
    const TILE_ROWS: usize = 12;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    fn outlined<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        self.run(kernel)
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> __m512 {
        // SAFETY: `self` proves AVX-512; x holds 16 elements; the load needs no alignment.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, v: __m512, y: &mut [f32; LANES]) {
        // SAFETY: `self` proves AVX-512; y holds 16 elements; the store needs no alignment.
        unsafe { _mm512_storeu_ps(y.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn load_part(self, x: &[f32]) -> __m512 {
        assert!(x.len() <= LANES, "at most sixteen lanes");
        // SAFETY: `self` proves AVX-512; only the lanes of the mask, which x holds, are read.
        unsafe { _mm512_maskz_loadu_ps(((1_u32 << x.len()) - 1) as u16, x.as_ptr()) }
    }
    #[inline(always)]
    fn store_part(self, v: __m512, y: &mut [f32]) {
        assert!(y.len() <= LANES, "at most sixteen lanes");
        // SAFETY: `self` proves AVX-512; only the lanes of the mask, which y holds, are written.
        unsafe { _mm512_mask_storeu_ps(y.as_mut_ptr(), ((1_u32 << y.len()) - 1) as u16, v) }
    }
    #[inline(always)]
    fn transpose(self, columns: [&[f32; LANES]; LANES], rows: &mut [[f32; LANES]; LANES]) {
        // SAFETY: `self` proves AVX-512 F, of which AVX2 is a part.
        unsafe { super::avx2::transpose(columns, rows) }
    }
}
