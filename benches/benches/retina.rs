//! ρ(x, l) on one thread as the image grows from 28×28 to 16384×16384. Sec. 1 of the paper says that the cost of a glimpse does
//! not depend on the size of the image, while that of a convolutional network grows with the number of pixels; the
//! convolution of Table 1b stands beside it, as far as its numbers fit into memory. Times include recording the operation.

mod history;

use std::hint::black_box;
use std::time::Duration;

use autograd::nn::{Conv2d, Init};
use autograd::ops::Activation::Relu;
use autograd::{Params, Tape};
use benches::{Mode, numbers};
use criterion::Throughput;
use datasets::Layout;
use datasets::rng::{Key, Purpose};
use ram::bench::{cpu, race};
use ram::model::{Images, Retina, Sampling};

use history::criterion;

/// The number of images. It is small, since the largest images take 256 MiB each.
const BATCH: usize = 4;

/// The number of batches of locations, which are used in turn. There are so many that the pixels of a large image come
/// from memory and not from a cache.
const TURNS: usize = 1021;

/// The smallest image, with which all others are compared.
const SMALL: usize = 28;

fn main() {
    let Some(mode) = Mode::of("retina") else { return };
    let edges: &[usize] = if mode == Mode::Test { &[300] } else { &[256, 1024, 4096, 8192, 16384] };
    // Its windows take 4 bytes for each of 100 numbers, 5 pixels apart: more than four times as much as the bytes of an image.
    let convolved: &[usize] = match mode {
        Mode::Test => &[60],
        Mode::Some => &[256, 1024],
        Mode::Full => &[256, 1024, 4096],
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut lines = Vec::new();
    for (patch, scales) in [(8, 1), (12, 3), (12, 4)] {
        let name = format!("{patch}x{patch}x{scales} glimpse");
        let mut small = Glimpses::new(patch, scales, SMALL);
        criterion("retina", |group| {
            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(format!("{name} on 28x28"), |bencher| bencher.iter(|| small.sense()));
        });
        for &edge in edges {
            let mut large = Glimpses::new(patch, scales, edge);
            lines.push(pool.install(|| line(mode, &name, edge, BATCH, &mut || large.sense(), &mut || small.sense())));
        }
    }
    let mut small = Convolution::new(SMALL);
    for &edge in convolved {
        let mut large = Convolution::new(edge);
        let name = "convolution of 10x10, 8 filters";
        lines.push(pool.install(|| line(mode, name, edge, 1, &mut || large.apply(), &mut || small.apply())));
    }
    if mode == Mode::Test {
        return println!("{} rows ran once", lines.len());
    }
    println!("\n{}, {} kernels, one thread", cpu(), ram::kernel_path());
    println!("\n{:32}  {:>13}  {:>12}  {:>12}  times as long", "", "image", "ns", "ns on 28x28");
    lines.iter().for_each(|line| println!("{line}"));
}

/// Measures a contender on a large and on a small image, in turns, and writes down the times for one image.
fn line(mode: Mode, name: &str, edge: usize, batch: usize, large: &mut dyn FnMut(), small: &mut dyn FnMut()) -> String {
    let budget = Duration::from_millis(if mode == Mode::Test { 0 } else { 1000 });
    let times = race(&mut [large, small], budget);
    let [large, small] = [times[0], times[1]].map(|seconds| 1e9 * seconds / batch as f64);
    let image = format!("{edge}x{edge}");
    format!("{name:32}  {image:>13}  {large:>12.0}  {small:>12.0}  {:>13.2}", large / small)
}

/// A batch of images as canvases are stored, and the locations to look at.
struct Glimpses {
    retina: Retina,
    layout: Layout,
    pixels: Vec<u8>,
    locations: Vec<f32>,
    turn: usize,
    params: Params<f32>,
    tape: Tape<f32>,
}

impl Glimpses {
    fn new(patch: usize, scales: usize, edge: usize) -> Glimpses {
        let retina = Retina::new(patch, scales, Sampling::Crop);
        let layout = Layout::of([1, edge, edge]);
        let pixels = (0..BATCH * layout.len()).map(|i| (i * 31 % 251) as u8).collect();
        let locations = numbers(2 * BATCH * TURNS);
        Glimpses { retina, layout, pixels, locations, turn: 0, params: Params::new(), tape: Tape::new() }
    }

    fn sense(&mut self) {
        self.turn = (self.turn + 1) % TURNS;
        let t = self.tape.begin(&self.params);
        let images = Images::stored(&self.pixels, BATCH, self.layout);
        let locations = t.constant([BATCH, 2], &self.locations[2 * BATCH * self.turn..][..2 * BATCH]);
        black_box(self.retina.sense(&t, images, locations).value()[0]);
    }
}

/// The first layer of the network "Convolutional, 2 layers", and an image.
struct Convolution {
    layout: Layout,
    pixels: Vec<u8>,
    layer: Conv2d,
    params: Params<f32>,
    tape: Tape<f32>,
}

impl Convolution {
    fn new(edge: usize) -> Convolution {
        let layout = Layout::of([1, edge, edge]);
        let pixels = (0..layout.len()).map(|i| (i * 31 % 251) as u8).collect();
        let mut params = Params::new();
        let key = Key { seed: 1, purpose: Purpose::Weights, epoch: 0, sample: 0 };
        let layer = Conv2d::new(&mut params, "conv", [1, 8], [10, 5], Init::He, &mut key.stream());
        Convolution { layout, pixels, layer, params, tape: Tape::new() }
    }

    fn apply(&mut self) {
        let t = self.tape.begin(&self.params);
        let images = Images::stored(&self.pixels, 1, self.layout);
        black_box(images.levels(&t).conv2d_then(self.layer, Relu).value()[0]);
    }
}
