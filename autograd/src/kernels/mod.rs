//! The kernels: written once over a small vector trait ([`simd`]), compiled for each instruction set ([`arch`]),
//! chosen once at run time ([`path`]), and giving the same bits on every path and any number of threads.
//!
//! How equal bits come about:
//! - every element of a matrix product is one chain of fused multiply-adds over k in order ([`gemm`]);
//! - every sum runs over sixteen partial sums, folded by one fixed tree ([`reduce`]);
//! - exp, ln, tanh and sigmoid are our own ([`math`]);
//! - work is split between threads by what is written, never by what is summed.

pub mod arch;
pub mod gemm;
pub mod map;
pub mod math;
pub mod reduce;
pub mod simd;

use std::sync::OnceLock;

use arch::scalar::Scalar;
use simd::Kernel;

/// The environment variable that forces a path: `scalar`, `avx2`, `avx512`, `neon` or `simd128`.
pub const PATH_VARIABLE: &str = "RAM_KERNELS";

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    /// Plain Rust.
    Scalar,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(arch::avx2::Avx2),
    /// AVX-512 F and DQ.
    #[cfg(target_arch = "x86_64")]
    Avx512(arch::avx512::Avx512),
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(arch::neon::Neon),
    /// WebAssembly's simd128.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(arch::wasm::Simd128),
}

impl Path {
    /// Every path of this processor, the slowest first.
    pub fn all() -> Vec<Path> {
        #[allow(unused_mut)]
        let mut paths = vec![Path::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            paths.extend(arch::avx2::Avx2::detect().map(Path::Avx2));
            paths.extend(arch::avx512::Avx512::detect().map(Path::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        paths.extend(arch::neon::Neon::detect().map(Path::Neon));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        paths.extend(arch::wasm::Simd128::detect().map(Path::Simd128));
        paths
    }

    /// Its name, as in [`PATH_VARIABLE`].
    pub fn name(self) -> &'static str {
        match self {
            Path::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Path::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Simd128(_) => "simd128",
        }
    }

    /// Runs a kernel on this path.
    #[inline(always)]
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        match self {
            Path::Scalar => kernel.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(path) => path.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(path) => path.run(kernel),
            #[cfg(target_arch = "aarch64")]
            Path::Neon(path) => path.run(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Simd128(path) => path.run(kernel),
        }
    }
}

/// The path that [`PATH_VARIABLE`] asks for, or else the fastest.
///
/// # Errors
/// The variable names no path, or one that this processor lacks.
pub fn choose_path() -> Result<Path, String> {
    let mut paths = Path::all();
    let Ok(wanted) = std::env::var(PATH_VARIABLE) else {
        return Ok(paths.pop().expect("the scalar path is always there"));
    };
    let names: Vec<_> = paths.iter().map(|path| path.name()).collect();
    paths.into_iter().find(|path| path.name() == wanted).ok_or_else(|| {
        format!(
            "{PATH_VARIABLE}={wanted}: this processor has the paths {}; choose one of them, or unset it",
            names.join(", ")
        )
    })
}

/// The path of this process, chosen at the first call.
///
/// # Panics
/// Where [`choose_path`] fails; a program calls that first to tell its user.
pub fn path() -> Path {
    static PATH: OnceLock<Path> = OnceLock::new();
    *PATH.get_or_init(|| choose_path().unwrap_or_else(|error| panic!("{error}")))
}
