//! ρ(x, l) on one thread as the image grows. Sec. 1 of the paper says that the cost of a glimpse does not depend on the
//! size of the image. Rates are 10⁶ glimpses a second, and they include recording the operation. The ratio compares
//! with a 28×28 image.

use std::hint::black_box;

use autograd::{Params, Shape, Tape};
use benches::{Mode, Table, criterion, numbers};
use criterion::Throughput;
use ram::model::{Images, Retina, Sampling};

/// The number of images. It is small, since the largest images take 64 MiB each.
const BATCH: usize = 4;

/// The number of batches of locations, which are used in turn. There are so many that the pixels of a large image come
/// from memory and not from a cache.
const TURNS: usize = 1021;

fn main() {
    let Some(mode) = Mode::of("retina") else { return };
    let edges: &[usize] = if mode == Mode::Test { &[60, 100] } else { &[60, 100, 1024, 8192] };
    let mut table = Table::new(mode, "Mglimpse/s");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for (patch, scales) in [(8, 1), (12, 3)] {
        let mut small = Glimpses::new(patch, scales, 28);
        criterion("retina", |group| {
            group.throughput(Throughput::Elements(BATCH as u64));
            group
                .bench_function(format!("{patch}x{patch}x{scales} on 28x28"), |bencher| bencher.iter(|| small.sense()));
        });
        for &edge in edges {
            let mut large = Glimpses::new(patch, scales, edge);
            let name = format!("{patch:>2}x{patch}x{scales} on {edge}x{edge}");
            let work = BATCH as f64 / 1e6;
            pool.install(|| {
                table.row(name, work, &mut [("ours", &mut || large.sense()), ("28x28", &mut || small.sense())])
            });
        }
    }
    table.print();
}

/// A batch of images, and the locations to look at.
struct Glimpses {
    retina: Retina,
    shape: Shape,
    pixels: Vec<u8>,
    locations: Vec<f32>,
    turn: usize,
    params: Params<f32>,
    tape: Tape<f32>,
}

impl Glimpses {
    fn new(patch: usize, scales: usize, edge: usize) -> Glimpses {
        let retina = Retina { patch, scales, sampling: Sampling::Crop };
        let shape = Shape::new(&[BATCH, 1, edge, edge]);
        let pixels = (0..shape.len()).map(|i| (i * 31 % 251) as u8).collect();
        let locations = numbers(2 * BATCH * TURNS);
        Glimpses { retina, shape, pixels, locations, turn: 0, params: Params::new(), tape: Tape::new() }
    }

    fn sense(&mut self) {
        self.turn = (self.turn + 1) % TURNS;
        let t = self.tape.begin(&self.params);
        let images = Images::Pixels { data: &self.pixels, shape: self.shape };
        let locations = t.constant([BATCH, 2], &self.locations[2 * BATCH * self.turn..][..2 * BATCH]);
        black_box(self.retina.sense(&t, images, locations).value()[0]);
    }
}
