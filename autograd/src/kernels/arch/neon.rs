//! NEON: sixteen lanes are four registers. The 32 registers hold a tile of 6 × 1 vectors.

use std::arch::aarch64::*;

use crate::kernels::simd::{Kernel, LANES, Lanes, Simd};

/// Proof that this processor has NEON: only [`Neon::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// Returns the proof: every aarch64 processor that runs the standard library has NEON.
    pub fn detect() -> Option<Self> {
        Some(Neon(()))
    }

    /// Runs a kernel that is compiled for these instructions.
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
    fn split_near_one(self, a: Quad) -> (Quad, Quad) {
        // How many powers of two lie between ⅔ and a.
        // SAFETY: `self` proves NEON.
        let e = a.map(|a| unsafe {
            let least = vreinterpretq_s32_f32(vdupq_n_f32(2.0 / 3.0));
            vshrq_n_s32::<23>(vsubq_s32(vreinterpretq_s32_f32(a), least))
        });
        // SAFETY: `self` proves NEON.
        let m = std::array::from_fn(|i| unsafe {
            vreinterpretq_f32_s32(vsubq_s32(vreinterpretq_s32_f32(a[i]), vshlq_n_s32::<23>(e[i])))
        });
        // SAFETY: `self` proves NEON.
        (m, e.map(|e| unsafe { vcvtq_f32_s32(e) }))
    }
    #[inline(always)]
    fn all_normal(self, a: Quad) -> bool {
        // SAFETY: `self` proves NEON.
        all(a.map(|a| unsafe {
            vandq_u32(vcgeq_f32(a, vdupq_n_f32(f32::MIN_POSITIVE)), vcleq_f32(a, vdupq_n_f32(f32::MAX)))
        }))
    }
    #[inline(always)]
    fn all_within(self, a: Quad, limit: f32) -> bool {
        // SAFETY: `self` proves NEON.
        all(a.map(|a| unsafe { vcltq_f32(vabsq_f32(a), vdupq_n_f32(limit)) }))
    }
}

/// Whether all bits are 1.
#[inline(always)]
fn all(masks: [uint32x4_t; 4]) -> bool {
    // SAFETY: every aarch64 processor that runs the standard library has NEON.
    unsafe { vminvq_u32(vandq_u32(vandq_u32(masks[0], masks[1]), vandq_u32(masks[2], masks[3]))) == u32::MAX }
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
