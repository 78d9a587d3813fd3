//! Which instruction set the kernels use: chosen once at run time from what the processor has.

use std::sync::OnceLock;

use super::arch;
use super::scalar::Scalar;
use super::simd::Kernel;

/// The environment variable that forces a path: `scalar`, `avx2`, `avx512`, `neon` or `simd128`.
pub const PATH_VARIABLE: &str = "AUTOGRAD_KERNELS";

/// An instruction set of this processor, for which the kernels were compiled.
#[derive(Clone, Copy, Debug)]
pub enum KernelPath {
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

impl KernelPath {
    /// Every path of this processor, the slowest first.
    pub fn all() -> Vec<KernelPath> {
        #[allow(unused_mut)]
        let mut paths = vec![KernelPath::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            paths.extend(arch::avx2::Avx2::detect().map(KernelPath::Avx2));
            paths.extend(arch::avx512::Avx512::detect().map(KernelPath::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        paths.extend(arch::neon::Neon::detect().map(KernelPath::Neon));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        paths.extend(arch::wasm::Simd128::detect().map(KernelPath::Simd128));
        paths
    }

    /// The path's name, as [`PATH_VARIABLE`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            KernelPath::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            KernelPath::Neon(_) => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            KernelPath::Simd128(_) => "simd128",
        }
    }

    /// Runs a kernel on this path.
    #[inline(always)]
    pub fn run<K: Kernel<f32>>(self, kernel: K) -> K::Out {
        match self {
            KernelPath::Scalar => kernel.run(Scalar),
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx2(path) => path.run(kernel),
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx512(path) => path.run(kernel),
            #[cfg(target_arch = "aarch64")]
            KernelPath::Neon(path) => path.run(kernel),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            KernelPath::Simd128(path) => path.run(kernel),
        }
    }
}

static PATH: OnceLock<KernelPath> = OnceLock::new();

/// Chooses the path of this process: the one that the first of these environment variables names that is set, or else
/// the fastest. A program calls this at its start, before anything has run on a path, in order to report an error to
/// its user or to read a variable of its own; the others can leave the choice to [`path`].
///
/// # Errors
/// The variable names no path or one that this processor lacks, or this process runs on another path already.
pub fn choose_path(variables: &[&str]) -> Result<KernelPath, String> {
    let chosen = wanted_path(variables)?;
    let path = *PATH.get_or_init(|| chosen);
    if path.name() != chosen.name() {
        return Err(format!("the kernels run on the path {} already, not on {}", path.name(), chosen.name()));
    }
    Ok(path)
}

fn wanted_path(variables: &[&str]) -> Result<KernelPath, String> {
    let mut paths = KernelPath::all();
    let Some((variable, wanted)) = variables.iter().find_map(|name| Some((name, std::env::var(name).ok()?))) else {
        return Ok(paths.pop().expect("the scalar path is always there"));
    };
    let names: Vec<_> = paths.iter().map(|path| path.name()).collect();
    paths.into_iter().find(|path| path.name() == wanted).ok_or_else(|| {
        format!(
            "{variable}={wanted}: this processor has the paths {}; choose one of them, or unset it",
            names.join(", ")
        )
    })
}

/// The path of this process. If [`choose_path`] was not called before, the first call chooses it by [`PATH_VARIABLE`].
///
/// # Panics
/// If the variable names no path of this processor.
pub fn path() -> KernelPath {
    *PATH.get_or_init(|| wanted_path(&[PATH_VARIABLE]).unwrap_or_else(|error| panic!("{error}")))
}
