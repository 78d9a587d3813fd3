//! Drawing the canvases to train on, on one thread, compared with the training step on all threads that uses them. If
//! the ratio is above 1, one thread can draw fast enough for the training. Rates are 10³ images a second.

mod history;

use std::hint::black_box;

use benches::{Mode, Table};
use criterion::Throughput;
use datasets::digits::generate;
use datasets::rng::{Key, Purpose};
use datasets::{Canvas, Labelled, Placement, Split};
use ram::bench::{STEPS, TrainingStep};

use history::criterion;

/// Name, edge, placement and clutter of canvases, and the index in [`STEPS`] of a training step that uses them.
const CANVASES: [(&str, usize, Placement, usize, usize); 3] = [
    ("centred 28x28", 28, Placement::Centred, 0, 1),
    ("translated 60x60", 60, Placement::Translated, 0, 3),
    ("cluttered 100x100", 100, Placement::Translated, 8, 4),
];

fn main() {
    let Some(mode) = Mode::of("data") else { return };
    let source = generate(1, Split::Train, 1000);
    let mut table = Table::new(mode, "kimage/s");
    for (name, edge, placement, clutter, step) in CANVASES {
        let canvas = Canvas { height: edge, width: edge, placement, clutter, ..Canvas::MNIST };
        criterion("data", |group| {
            group.throughput(Throughput::Elements(1));
            let mut draw = drawing(&source, canvas);
            group.bench_function(name, |bencher| bencher.iter(&mut draw));
        });
        let (batch, mut draw) = (STEPS[step].batch, drawing(&source, canvas));
        let mut step = TrainingStep::new(&STEPS[step]).expect("built-in digits");
        let mut draw_batch = || (0..batch).for_each(|_| draw());
        table.row(name, batch as f64 / 1e3, &mut [("canvases", &mut draw_batch), ("step", &mut || step.run())]);
    }
    table.print();
}

/// A function that draws the next canvas at each call.
fn drawing(source: &Labelled, canvas: Canvas) -> impl FnMut() {
    let mut pixels = vec![0; canvas.len(1)];
    let mut samples = (0..source.len()).cycle();
    move || {
        let sample = samples.next().expect("a cycle");
        let key = Key { seed: 1, purpose: Purpose::Canvas, epoch: 0, sample: sample as u64 };
        canvas.draw(source, sample, key, black_box(&mut pixels));
    }
}
