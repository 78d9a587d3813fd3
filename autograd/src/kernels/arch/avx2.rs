//! AVX2 with FMA: sixteen lanes are two registers, and 16 registers hold a tile of 6 × 1 vectors.

use std::arch::x86_64::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this processor has AVX2 and FMA: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, where the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }

    /// Runs `kernel` compiled for these instructions.
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        fn shell<K: Kernel<f32>>(s: Avx2, kernel: K) -> K::Out {
            kernel.run(s)
        }
        // SAFETY: `self` proves that the processor has AVX2 and FMA.
        unsafe { shell(self, kernel) }
    }
}

/// Two registers of eight lanes.
type Pair = [__m256; 2];

impl Lanes<f32> for Avx2 {
    type V = Pair;

    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn div(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sqrt(self, a: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_sqrt_ps(a[0]), _mm256_sqrt_ps(a[1])] }
    }
    #[inline(always)]
    fn mul_add(self, a: Pair, b: Pair, c: Pair) -> Pair {
        // SAFETY: `self` proves FMA.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    #[inline(always)]
    fn if_gt(self, a: Pair, b: Pair, yes: Pair, no: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe {
            [
                _mm256_blendv_ps(no[0], yes[0], _mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0])),
                _mm256_blendv_ps(no[1], yes[1], _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1])),
            ]
        }
    }
    #[inline(always)]
    fn round(self, a: Pair) -> Pair {
        // SAFETY: `self` proves AVX2. 8: to nearest even, no exception.
        unsafe { [_mm256_round_ps::<8>(a[0]), _mm256_round_ps::<8>(a[1])] }
    }
    #[inline(always)]
    fn exp2_whole(self, n: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        n.map(|n| unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn mantissa_exponent(self, a: Pair) -> (Pair, Pair) {
        // SAFETY: `self` proves AVX2.
        let [(m0, e0), (m1, e1)] = a.map(|a| unsafe {
            let bits = _mm256_castps_si256(a);
            let exponent = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(127));
            let mantissa = _mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff));
            let one = _mm256_set1_epi32(0x3f80_0000);
            (_mm256_castsi256_ps(_mm256_or_si256(mantissa, one)), _mm256_cvtepi32_ps(exponent))
        });
        ([m0, m1], [e0, e1])
    }
}

impl Simd<f32> for Avx2 {
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn outlined<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        self.run(kernel)
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Pair {
        // SAFETY: `self` proves AVX2; x holds 16 elements; the loads need no alignment.
        unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, v: Pair, y: &mut [f32; LANES]) {
        // SAFETY: `self` proves AVX2; y holds 16 elements; the stores need no alignment.
        unsafe {
            _mm256_storeu_ps(y.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(y.as_mut_ptr().add(8), v[1]);
        }
    }
    #[inline(always)]
    fn transpose(self, columns: [&[f32; LANES]; LANES], rows: &mut [[f32; LANES]; LANES]) {
        // SAFETY: `self` proves AVX2.
        unsafe { transpose(columns, rows) }
    }
}

/// A square of 16 × 16 as four of 8 × 8.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(columns: [&[f32; LANES]; LANES], rows: &mut [[f32; LANES]; LANES]) {
    for half in 0..2 {
        for k in [0, 8] {
            // SAFETY: a column holds 16 elements, and k + 8 ≤ 16.
            let c: [__m256; 8] =
                std::array::from_fn(|c| unsafe { _mm256_loadu_ps(columns[8 * half + c].as_ptr().add(k)) });
            // Pairs of columns, then fours, in each half of a register; then the halves.
            let low: [__m256; 4] = std::array::from_fn(|i| _mm256_unpacklo_ps(c[2 * i], c[2 * i + 1]));
            let high: [__m256; 4] = std::array::from_fn(|i| _mm256_unpackhi_ps(c[2 * i], c[2 * i + 1]));
            let four = |pairs: [__m256; 4], i: usize| {
                let (a, b) = (pairs[2 * i], pairs[2 * i + 1]);
                [_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b)]
            };
            let [[a0, a1], [b0, b1]] = [four(low, 0), four(low, 1)];
            let [[a2, a3], [b2, b3]] = [four(high, 0), four(high, 1)];
            for (i, (a, b)) in [(a0, b0), (a1, b1), (a2, b2), (a3, b3)].into_iter().enumerate() {
                let (upper, lower) = (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b));
                // SAFETY: a row holds 16 elements, and 8·half + 8 ≤ 16.
                unsafe {
                    _mm256_storeu_ps(rows[k + i].as_mut_ptr().add(8 * half), upper);
                    _mm256_storeu_ps(rows[k + 4 + i].as_mut_ptr().add(8 * half), lower);
                }
            }
        }
    }
}
