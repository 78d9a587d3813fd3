//! Crash points, for tests: places between two operations on the disk where the program can be made to die, as in a power cut. A
//! build with debug assertions dies at the point whose number, from 1, is in the environment variable `RAM_CRASH_AT`. Other builds
//! have no crash points.

use std::io::{self, Write};

/// The program dies here, if it is this point's turn.
pub(super) fn point() {
    #[cfg(debug_assertions)]
    {
        use std::sync::LazyLock;
        use std::sync::atomic::{AtomicU64, Ordering};

        static AT: LazyLock<Option<u64>> = LazyLock::new(|| std::env::var("RAM_CRASH_AT").ok()?.parse().ok());
        static PASSED: AtomicU64 = AtomicU64::new(0);
        if let Some(at) = *AT
            && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == at
        {
            std::process::abort();
        }
    }
}

/// Writes all bytes; with crash points before and in the middle.
///
/// # Errors
/// Those of the file system.
pub(super) fn write_all(file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    point();
    let (first, second) = bytes.split_at(if cfg!(debug_assertions) { bytes.len() / 2 } else { 0 });
    file.write_all(first)?;
    point();
    file.write_all(second)
}
