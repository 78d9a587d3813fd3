//! How much memory the program takes.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use crate::place::{Place, mnist};

/// Training on MNIST, its evaluation and its report take at most 120 MB, with up to four threads. The system reports the peak
/// of a process, which is read until the process ends.
#[test]
fn training_on_mnist_takes_little_memory() {
    const MOST: u64 = 120_000_000;
    let Some(mnist) = mnist() else { return };
    let place = Place::with_files(&[]);
    for threads in [1, 2, 4] {
        let line = format!(
            "train --preset mnist --set data.train=5000 --set train.epochs=3 --threads {threads} --name {threads} --data-dir {}",
            mnist.display()
        );
        let mut child = place.start(&line);
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let kib =
                text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
            peak = kib.map_or(peak, |kib: u64| peak.max(kib * 1024));
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(child.wait().unwrap().success() && place.path(&format!("runs/{threads}/report.html")).exists());
        // The images alone are 47 MB.
        assert!((47_000_000..=MOST).contains(&peak), "{threads} threads: {peak} bytes");
    }
}
