//! NEON: sixteen lanes are four registers, and 32 registers hold a tile of 6 × 1 vectors.

use std::arch::aarch64::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this processor has NEON: only [`Neon::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The proof: every aarch64 processor that runs the standard library has NEON.
    pub fn detect() -> Option<Self> {
        Some(Neon(()))
    }

    /// Runs `kernel` compiled for these instructions.
    #[inline(never)]
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        kernel.run(self)
    }
}

/// Four registers of four lanes.
type Quad = [float32x4_t; 4];

impl Lanes<f32> for Neon {
    type V = Quad;

    #[inline(always)]
    fn splat(self, x: f32) -> Quad {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_f32(x); 4] }
    }
    #[inline(always)]
    fn add(self, a: Quad, b: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vaddq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn sub(self, a: Quad, b: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vsubq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn mul(self, a: Quad, b: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vmulq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn div(self, a: Quad, b: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vdivq_f32(a[i], b[i]) })
    }
    #[inline(always)]
    fn sqrt(self, a: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        a.map(|a| unsafe { vsqrtq_f32(a) })
    }
    #[inline(always)]
    fn mul_add(self, a: Quad, b: Quad, c: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vfmaq_f32(c[i], a[i], b[i]) })
    }
    #[inline(always)]
    fn if_gt(self, a: Quad, b: Quad, yes: Quad, no: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        std::array::from_fn(|i| unsafe { vbslq_f32(vcgtq_f32(a[i], b[i]), yes[i], no[i]) })
    }
    #[inline(always)]
    fn round(self, a: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        a.map(|a| unsafe { vrndnq_f32(a) })
    }
    #[inline(always)]
    fn exp2_whole(self, n: Quad) -> Quad {
        // SAFETY: `self` proves NEON.
        n.map(|n| unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)))) })
    }
    #[inline(always)]
    fn mantissa_exponent(self, a: Quad) -> (Quad, Quad) {
        // SAFETY: `self` proves NEON.
        let mantissa = a.map(|a| unsafe {
            let mantissa = vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x007f_ffff));
            vreinterpretq_f32_u32(vorrq_u32(mantissa, vdupq_n_u32(0x3f80_0000)))
        });
        // SAFETY: `self` proves NEON.
        let exponent = a.map(|a| unsafe {
            let biased = vreinterpretq_s32_u32(vshrq_n_u32::<23>(vreinterpretq_u32_f32(a)));
            vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127)))
        });
        (mantissa, exponent)
    }
}

impl Simd<f32> for Neon {
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn outlined<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        self.run(kernel)
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> Quad {
        // SAFETY: `self` proves NEON; x holds 16 elements, and 4·i + 4 ≤ 16.
        std::array::from_fn(|i| unsafe { vld1q_f32(x.as_ptr().add(4 * i)) })
    }
    #[inline(always)]
    fn store(self, v: Quad, y: &mut [f32; LANES]) {
        for i in 0..4 {
            // SAFETY: `self` proves NEON; y holds 16 elements, and 4·i + 4 ≤ 16.
            unsafe { vst1q_f32(y.as_mut_ptr().add(4 * i), v[i]) }
        }
    }
}
