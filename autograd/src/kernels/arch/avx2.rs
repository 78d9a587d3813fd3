//! AVX2 with FMA: sixteen lanes are two registers. The 16 registers hold a tile of 6 × 1 vectors.

use std::arch::x86_64::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this processor has AVX2 and FMA: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// Returns the proof if the processor has the instructions.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }

    /// Runs a kernel that is compiled for these instructions.
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
    fn min(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: Pair, b: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn exp2_whole(self, n: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [exp2_whole(n[0]), exp2_whole(n[1])] }
    }
    #[inline(always)]
    fn scale(self, a: Pair, n: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [scale(a[0], n[0]), scale(a[1], n[1])] }
    }
    #[inline(always)]
    fn split_near_one(self, a: Pair) -> (Pair, Pair) {
        // SAFETY: `self` proves AVX2.
        let [(m0, e0), (m1, e1)] = unsafe { [split_near_one(a[0]), split_near_one(a[1])] };
        ([m0, m1], [e0, e1])
    }
    #[inline(always)]
    fn all_normal(self, a: Pair) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { all([is_normal(a[0]), is_normal(a[1])]) }
    }
    #[inline(always)]
    fn all_within(self, a: Pair, limit: f32) -> bool {
        // SAFETY: `self` proves AVX2.
        unsafe { all([is_within(a[0], limit), is_within(a[1], limit)]) }
    }
}

// The functions that work on the bits of a number have the target feature of their own. In a closure, which has no
// target features, the compiler would call intrinsics as functions instead of emitting instructions.

#[inline]
#[target_feature(enable = "avx2,fma")]
fn exp2_whole(n: __m256) -> __m256 {
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
}

/// a·2ⁿ = (a·2ᵏ)·2ⁿ⁻ᵏ with k = ⌊n/2⌋. The first product is exact, so k is added to the exponent's bits.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn scale(a: __m256, n: __m256) -> __m256 {
    // For NaN, n is −2³¹. Half of it has no bits at the place of the exponent, so a stays the NaN that it is.
    let n = _mm256_cvtps_epi32(n);
    let k = _mm256_srai_epi32::<1>(n);
    let first = _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32::<23>(k));
    let rest = _mm256_add_epi32(_mm256_slli_epi32::<23>(_mm256_sub_epi32(n, k)), _mm256_set1_epi32(127 << 23));
    _mm256_mul_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(rest))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn split_near_one(a: __m256) -> (__m256, __m256) {
    let bits = _mm256_castps_si256(a);
    // The number of powers of two between ⅔ and a.
    let e = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_castps_si256(_mm256_set1_ps(2.0 / 3.0))));
    let m = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(e));
    (_mm256_castsi256_ps(m), _mm256_cvtepi32_ps(e))
}

// The comparisons work on bits, so that they do not occupy the units that multiply.

#[inline]
#[target_feature(enable = "avx2,fma")]
fn is_normal(a: __m256) -> __m256i {
    // The bits of the least normal number are added. Then all but normal positive numbers are integers below twice
    // those bits: 0 and subnormal numbers, and also ∞, NaN and negative numbers, most of which become negative
    // integers.
    const LEAST: i32 = 1 << 23;
    let moved = _mm256_add_epi32(_mm256_castps_si256(a), _mm256_set1_epi32(LEAST));
    _mm256_cmpgt_epi32(moved, _mm256_set1_epi32(2 * LEAST - 1))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn is_within(a: __m256, limit: f32) -> __m256i {
    let magnitude = _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(i32::MAX));
    _mm256_cmpgt_epi32(_mm256_castps_si256(_mm256_set1_ps(limit)), magnitude)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn all(masks: [__m256i; 2]) -> bool {
    _mm256_movemask_epi8(_mm256_and_si256(masks[0], masks[1])) == -1
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
    fn load_part(self, x: &[f32]) -> Pair {
        // SAFETY: `self` proves AVX2.
        let masks = unsafe { part(x.len()) };
        // SAFETY: `self` proves AVX2; only lanes of the mask, which x holds, are read.
        unsafe { [_mm256_maskload_ps(x.as_ptr(), masks[0]), _mm256_maskload_ps(x.as_ptr().wrapping_add(8), masks[1])] }
    }
    #[inline(always)]
    fn store_part(self, v: Pair, y: &mut [f32]) {
        // The lanes are stored as an eight, a four, a two and a one, since a masked store takes over ten cycles on some
        // processors.
        let (eights, rest) = y.as_chunks_mut::<8>();
        let (fours, rest) = rest.as_chunks_mut::<4>();
        let (twos, rest) = rest.as_chunks_mut::<2>();
        let mut register = v[0];
        // SAFETY: `self` proves AVX2; each store writes as many elements as it is given.
        unsafe {
            for (to, next) in eights.iter_mut().zip([v[1]; 2]) {
                _mm256_storeu_ps(to.as_mut_ptr(), register);
                register = next;
            }
            let mut lanes = _mm256_castps256_ps128(register);
            for to in fours {
                _mm_storeu_ps(to.as_mut_ptr(), lanes);
                lanes = _mm256_extractf128_ps::<1>(register);
            }
            for to in twos {
                _mm_storel_pd(to.as_mut_ptr().cast(), _mm_castps_pd(lanes));
                lanes = _mm_movehl_ps(lanes, lanes);
            }
            for to in rest {
                _mm_store_ss(to, lanes);
            }
        }
    }
    #[inline(always)]
    fn transpose(self, columns: [&[f32; LANES]; LANES], rows: &mut [[f32; LANES]; LANES]) {
        // SAFETY: `self` proves AVX2.
        unsafe { transpose(columns, rows) }
    }
}

/// The masks of the first `len` lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn part(len: usize) -> [__m256i; 2] {
    static MASKS: [i32; 2 * LANES] = {
        let mut masks = [0; 2 * LANES];
        let mut lane = 0;
        while lane < LANES {
            masks[lane] = -1;
            lane += 1;
        }
        masks
    };
    let masks: &[i32; LANES] = MASKS[LANES - len..].first_chunk().expect("at most sixteen lanes");
    // SAFETY: sixteen integers, and loads that need no alignment.
    unsafe { [_mm256_loadu_si256(masks.as_ptr().cast()), _mm256_loadu_si256(masks.as_ptr().add(8).cast())] }
}

/// Transposes a square of 16 × 16 as four squares of 8 × 8.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(columns: [&[f32; LANES]; LANES], rows: &mut [[f32; LANES]; LANES]) {
    for half in 0..2 {
        for k in [0, 8] {
            // These are loops, since closures are not always inlined.
            let (mut c, mut pairs) = ([_mm256_setzero_ps(); 8], [_mm256_setzero_ps(); 8]);
            for i in 0..8 {
                // SAFETY: a column holds 16 elements, and k + 8 ≤ 16.
                c[i] = unsafe { _mm256_loadu_ps(columns[8 * half + i].as_ptr().add(k)) };
            }
            // First pairs of columns are interleaved and then fours, in each half of a register; then the halves are
            // exchanged.
            for i in 0..4 {
                pairs[i] = _mm256_unpacklo_ps(c[2 * i], c[2 * i + 1]);
                pairs[4 + i] = _mm256_unpackhi_ps(c[2 * i], c[2 * i + 1]);
            }
            let [p0, p1, p2, p3, q0, q1, q2, q3] = pairs;
            let (a0, a1) = (_mm256_shuffle_ps::<0x44>(p0, p1), _mm256_shuffle_ps::<0xee>(p0, p1));
            let (b0, b1) = (_mm256_shuffle_ps::<0x44>(p2, p3), _mm256_shuffle_ps::<0xee>(p2, p3));
            let (a2, a3) = (_mm256_shuffle_ps::<0x44>(q0, q1), _mm256_shuffle_ps::<0xee>(q0, q1));
            let (b2, b3) = (_mm256_shuffle_ps::<0x44>(q2, q3), _mm256_shuffle_ps::<0xee>(q2, q3));
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
