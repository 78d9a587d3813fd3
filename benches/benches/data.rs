//! Canvases to train on, on one thread. Throughput is in canvases.

use std::hint::black_box;

use benches::run;
use criterion::Throughput;
use datasets::digits::{Split, generate};
use datasets::rng::{Key, Purpose};
use datasets::{Canvas, Placement};

fn main() {
    run("data", |group| {
        let source = generate(1, Split::Train, 1000);
        let canvases = [
            ("centred 28x28", 28, Placement::Centred, 0),
            ("translated 60x60", 60, Placement::Translated, 0),
            ("cluttered 60x60", 60, Placement::Translated, 4),
            ("cluttered 100x100", 100, Placement::Translated, 8),
        ];
        for (name, edge, placement, clutter) in canvases {
            let canvas = Canvas { height: edge, width: edge, placement, clutter };
            let mut pixels = vec![0; canvas.len(1)];
            let mut samples = (0..source.len()).cycle();
            group.throughput(Throughput::Elements(1));
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let sample = samples.next().expect("a cycle");
                    let key = Key { seed: 1, purpose: Purpose::Canvas, epoch: 0, sample: sample as u64 };
                    canvas.draw(&source, sample, key, black_box(&mut pixels))
                });
            });
        }
    });
}
