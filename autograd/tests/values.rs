//! What operations compute, by hand or by loops over their formula: a gradient can agree with finite differences of a wrong value.

use std::convert::Infallible;

use autograd::nn::{Conv2d, Init, Lstm};
use autograd::ops::Activation;
use autograd::{Params, Recording, Tape};
use rand::{SeedableRng, TryRng, rngs::ChaCha8Rng};

/// Runs `f` on a tape of its own.
fn on_tape<T>(f: impl for<'t> FnOnce(&'t Recording<'t, f64>) -> T) -> T {
    let params = Params::new();
    let mut tape = Tape::new();
    f(&tape.begin(&params))
}

/// Small whole numbers of either sign, so that sums are exact in any order.
fn whole(len: usize) -> Vec<f64> {
    (0..len).map(|i| (i * 37 % 19) as f64 - 9.0).collect()
}

#[test]
fn a_convolution_is_its_formula_and_the_border_is_zeros() {
    for ([batch, channels, height, width], size, stride, padding) in [
        ([2, 3, 5, 4], 2, 1, 0),
        ([2, 2, 5, 4], 3, 2, 1),
        ([1, 2, 4, 7], 2, 3, 3),
        ([2, 1, 3, 2], 2, 1, 4),
        ([1, 1, 1, 1], 7, 1, 3),
    ] {
        let (mut params, filters) = (Params::<f64>::new(), 3);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let layer = Conv2d::new(&mut params, "conv", [channels, filters], [size, stride], Init::Zeros, &mut rng);
        let (w, x) = (whole(channels * size * size * filters), whole(batch * channels * height * width));
        params.change(layer.linear.weight, |to| to.copy_from_slice(&w));
        params.change(layer.linear.bias, |to| to.copy_from_slice(&[1.0, -2.0, 3.0]));
        let mut tape = Tape::new();
        // The tape's memory is not empty any more.
        tape.begin(&params).filled("used", [20_000], |used| used.fill(f64::NAN));
        let t = tape.begin(&params);
        let y = t.input([batch, channels, height, width], &x).conv2d_then(layer.padded(padding), Activation::None);
        let [rows, columns] = [height, width].map(|extent| (extent + 2 * padding - size) / stride + 1);
        assert_eq!(y.shape().axes(), [batch, filters, rows, columns]);
        let mut expected = Vec::new();
        for [b, f, v, u] in indices([batch, filters, rows, columns]) {
            let mut sum = [1.0, -2.0, 3.0][f];
            for [c, i, j, _] in indices([channels, size, size, 1]) {
                let (row, column) = (v * stride + i, u * stride + j);
                if (padding..padding + height).contains(&row) && (padding..padding + width).contains(&column) {
                    let pixel = ((b * channels + c) * height + row - padding) * width + column - padding;
                    sum += w[((c * size + i) * size + j) * filters + f] * x[pixel];
                }
            }
            expected.push(sum);
        }
        assert_eq!(y.to_vec(), expected, "windows of {size}, {stride} apart, with a padding of {padding}");
    }
}

/// All positions of four axes, in the order in which they lie in memory.
fn indices([a, b, c, d]: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    (0..a * b * c * d).map(move |i| [i / (b * c * d), i / (c * d) % b, i / d % c, i % d])
}

#[test]
fn pooling_takes_the_largest_of_each_whole_square() {
    let axes @ [batch, channels, height, width] = [2, 3, 7, 5];
    let x = whole(batch * channels * height * width);
    for size in 1..=5 {
        let squares = [batch, channels, height / size, width / size];
        let expected = indices(squares).map(|[b, c, v, u]| {
            let pixel = |[i, j, ..]: [usize; 4]| x[((b * channels + c) * height + v * size + i) * width + u * size + j];
            indices([size, size, 1, 1]).map(pixel).fold(f64::NEG_INFINITY, f64::max)
        });
        on_tape(|t| {
            let y = t.input(axes, &x).max_pool2d(size);
            assert_eq!((y.shape().axes(), y.to_vec()), (&squares[..], expected.collect()), "squares of {size}");
        });
    }
}

#[test]
fn of_equal_pixels_the_first_gets_the_gradient_and_a_nan_is_larger_than_all() {
    on_tape(|t| {
        let nan = f64::NAN;
        let x = t.input([1, 1, 2, 7], &[1.0, 3.0, 2.0, 2.0, nan, 5.0, 9.0, 3.0, 0.0, nan, 2.0, 1.0, 7.0, 9.0]);
        let y = x.max_pool2d(2);
        assert!(y.value()[0] == 3.0 && y.value()[1].is_nan() && y.value()[2].is_nan());
        y.sum().backward(&mut Params::new().zeros());
        assert_eq!(x.grad().to_vec(), [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    });
}

#[test]
fn axes_in_another_order_hold_the_same_numbers() {
    let axes = [2, 3, 4, 5];
    let x = whole(120);
    for order in indices([4; 4]).filter(|order| (0..4).all(|axis| order.contains(&axis))) {
        let expected = indices(order.map(|axis| axes[axis])).map(|to| {
            let mut from = [0; 4];
            for (i, &axis) in order.iter().enumerate() {
                from[axis] = to[i];
            }
            x[from.iter().zip(axes).fold(0, |at, (i, len)| at * len + i)]
        });
        on_tape(|t| {
            let y = t.input(axes, &x).permute(order);
            assert_eq!(y.shape().axes(), order.map(|axis| axes[axis]));
            assert_eq!(y.to_vec(), expected.collect::<Vec<_>>(), "{order:?}");
        });
    }
}

#[test]
fn ranges_means_and_likelihoods_are_those_by_hand() {
    on_tape(|t| {
        let x = t.input([2, 3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 18.0]);
        assert_eq!(x.narrow(0, 1..2).to_vec(), [7.0, 8.0, 9.0, 10.0, 11.0, 18.0]);
        assert_eq!(x.narrow(1, 1..3).to_vec(), [3.0, 4.0, 5.0, 6.0, 9.0, 10.0, 11.0, 18.0]);
        assert_eq!(x.narrow(2, 1..2).to_vec(), [2.0, 4.0, 6.0, 8.0, 10.0, 18.0]);
        assert_eq!(x.mean().item(), 7.0);
        assert_eq!(x.mean_axis(0).to_vec(), [4.0, 5.0, 6.0, 7.0, 8.0, 12.0]);
        assert_eq!(x.mean_axis(2).to_vec(), [1.5, 3.5, 5.5, 7.5, 9.5, 14.5]);
        assert_eq!((-x).slice(1..2).to_vec(), [-7.0, -8.0, -9.0, -10.0, -11.0, -18.0]);
        let losses = x.reshape([2, 6]).nll(&[1, 5]);
        assert_eq!((losses.shape().axes(), losses.to_vec()), (&[2][..], vec![-2.0, -18.0]));
    });
}

/// Every operation is shown by the name that its errors and the dump give it.
#[test]
fn operations_are_named() {
    let mut params = Params::<f64>::new();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let cell = Lstm::new(&mut params, "cell", [4, 4], &mut rng);
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.constant([4, 4], &[0.5; 16]);
    let images = x.reshape([1, 1, 4, 4]);
    let rows = t.indices(&[1]);
    cell.step(x, x, x);
    let conv = Conv2d { linear: cell.hidden, size: 2, stride: 2, padding: 0 };
    images.conv2d_then(conv, Activation::None);
    let dump = t.dump();
    for name in ["lstm", "windows"] {
        assert!(dump.lines().any(|line| line.split_whitespace().any(|word| word == name)), "{name}: {dump}");
    }
    for (name, y) in [
        ("add", x + x),
        ("sub", x - x),
        ("div", x / x),
        ("relu", x.relu()),
        ("clamp", x.clamp(0.0, 1.0)),
        ("softmax", x.softmax()),
        ("nll", x.nll(&[0; 4])),
        ("cross_entropy", x.cross_entropy(&[0; 4])),
        ("permute", images.permute([0, 1, 3, 2])),
        ("max_pool2d", images.max_pool2d(2)),
        ("param", t.param(cell.input.bias)),
        ("take_rows", x.take_rows(rows)),
        ("put_rows", x.put_rows(rows, x.take_rows(rows))),
    ] {
        assert!(format!("{y:?}").starts_with(&format!("{name} [")), "{y:?} is {name}");
    }
}

/// A generator that always draws ½.
struct Half;

impl TryRng for Half {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1 << 31)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1 << 63)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0x80);
        Ok(())
    }
}

/// Draws lie on [0, 1), so those below the rate have its probability, and not those up to it.
#[test]
fn dropout_keeps_what_draws_the_rate_itself() {
    on_tape(|t| assert_eq!(t.input([2], &[1.0, 3.0]).dropout(0.5, |_| Half).to_vec(), [2.0, 6.0]));
}
