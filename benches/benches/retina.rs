//! ρ(x, l) for a batch of images, on one thread. Throughput is in glimpses.

use std::hint::black_box;

use autograd::{Params, Shape, Tape};
use benches::{numbers, run};
use criterion::Throughput;
use ram::model::{Images, Retina, Sampling};

const BATCH: usize = 128;

fn main() {
    run("retina", |group| {
        group.throughput(Throughput::Elements(BATCH as u64));
        for (patch, scales, edge) in [(8, 1, 28), (12, 3, 60)] {
            let retina = Retina { patch, scales, sampling: Sampling::Crop };
            let shape = Shape::new(&[BATCH, 1, edge, edge]);
            let pixels: Vec<u8> = (0..shape.len()).map(|i| (i * 31 % 251) as u8).collect();
            let locations = numbers(2 * BATCH);
            let (params, mut tape) = (Params::<f32>::new(), Tape::new());
            group.bench_function(format!("{patch}x{patch}x{scales} on {edge}x{edge}"), |bencher| {
                bencher.iter(|| {
                    let t = tape.begin(&params);
                    let images = Images::Pixels { data: &pixels, shape };
                    let rho = retina.sense(&t, images, t.constant([BATCH, 2], &locations));
                    black_box(rho.value()[0])
                });
            });
        }
    });
}
