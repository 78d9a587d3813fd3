//! Measures how many canvases per second are drawn on one core: `cargo run --release --example throughput`.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use datasets::digits::generate;
use datasets::{Canvas, Loader, Placement, Scale, Split};

fn main() -> Result<(), Box<dyn Error>> {
    let source = Arc::new(generate(1, Split::Train, 20_000));
    let half_to_twice = Scale { low: 0.5, high: 2.0 };
    for (side, placement, clutter, scale) in [
        (28, Placement::Centred, 0, Scale::ONE),
        (60, Placement::Translated, 0, Scale::ONE),
        (60, Placement::Translated, 4, Scale::ONE),
        (60, Placement::Translated, 4, half_to_twice),
        (100, Placement::Translated, 8, Scale::ONE),
    ] {
        let canvas = Canvas { height: side, width: side, placement, clutter, scale, frames: 1 };
        for ahead in [0, 3] {
            let mut loader = Loader::with_prefetch(Arc::clone(&source), canvas, 128, 1, ahead)?;
            let start = Instant::now();
            let mut count = 0;
            for epoch in 0..5 {
                let mut batches = loader.epoch(epoch, 0);
                while let Some(batch) = batches.next_batch()? {
                    count += batch.len();
                }
            }
            let rate = count as f64 / start.elapsed().as_secs_f64();
            println!(
                "{side}×{side}, {clutter} pieces, scale {} to {}, {ahead} batches ahead: {rate:.0} canvases/s",
                scale.low, scale.high
            );
        }
    }
    Ok(())
}
