//! Tests of the vector functions on every path of this processor.

use proptest::prelude::*;

use super::arch::stream::{PanelRows, TileColumns};
use super::dispatch::{KernelPath, choose_path, path};
use super::map::{AddScaled, Elementwise, Map, add_to, map};
use super::math;
use super::norm::{is_norm_squared, largest, norm};
use super::reduce;
use super::scalar::Single;
use super::simd::{LANES, Lanes};
use crate::number::fused_mul_add;
use crate::real::Real;

/// One of the functions of [`math`], by its index.
#[derive(Clone, Copy)]
struct Function(usize);

impl Elementwise<f32, 1> for Function {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, _: L::V, [x]: [L::V; 1]) -> L::V {
        [math::exp(l, x), math::ln(l, x), math::tanh(l, x), math::sigmoid(l, x), math::relu(l, x)][self.0]
    }
}

/// On all paths, vectors that take the short way and vectors that take the long way give the same bits as single
/// numbers on the scalar path. (`tests/tests/kernels.rs` looks at many more numbers.)
#[test]
#[cfg_attr(miri, ignore = "slow, and Miri does not know how AVX-512 compares")]
fn neighbours_and_paths_do_not_show() {
    let usual: Vec<f32> = (-800..800).map(|i| i as f32 * 0.11).collect();
    // Every 99 991st pattern of bits: all magnitudes, both signs, NaN.
    let all = (0..u32::MAX / 99_991).map(|i| f32::from_bits(i * 99_991));
    let special = [0.0, -0.0, 1e-45, -1e-45, 88.72, 88.73, -87.4, -103.9, f32::INFINITY, -f32::INFINITY, f32::NAN];
    let x: Vec<f32> =
        usual.iter().copied().chain(usual.iter().map(|x| x.abs() + 0.1)).chain(all).chain(special).collect();
    let run = |path: KernelPath, f, x: &[f32]| {
        let mut y = vec![0.0; x.len()];
        path.run(Map { f, x: [x], y: &mut y });
        y.into_iter().map(|y| if y.is_nan() { u32::MAX } else { y.to_bits() }).collect::<Vec<_>>()
    };
    for f in (0..5).map(Function) {
        let alone: Vec<u32> = x.iter().flat_map(|x| run(KernelPath::Scalar, f, std::slice::from_ref(x))).collect();
        let single = x.iter().map(|&x| f.apply(Single, x, [x]));
        let single: Vec<u32> = single.map(|y| if y.is_nan() { u32::MAX } else { y.to_bits() }).collect();
        assert_eq!(single, alone, "function {} of single numbers", f.0);
        for path in KernelPath::all() {
            let found = run(path, f, &x);
            let differs = (0..x.len()).find(|&i| found[i] != alone[i]);
            assert!(differs.is_none(), "function {}, {}: {:?}", f.0, path.name(), differs.map(|i| x[i]));
        }
    }
}

/// y ← a·b + y
#[derive(Clone, Copy)]
struct MulAdd;
impl Elementwise<f32, 2> for MulAdd {
    #[inline(always)]
    fn apply<L: Lanes<f32>>(self, l: L, y: L::V, [a, b]: [L::V; 2]) -> L::V {
        l.mul_add(a, b, y)
    }
}

/// The emulation and `mul_add` on every path give the same bits as the standard library; all NaNs count as equal.
fn check_mul_add(triples: &[[f32; 3]]) {
    let [a, b, c] = [0, 1, 2].map(|i| triples.iter().map(|triple| triple[i]).collect::<Vec<_>>());
    let emulated = triples.iter().map(|&[a, b, c]| fused_mul_add(a, b, c)).collect();
    let mut all = vec![("emulated", emulated)];
    for path in KernelPath::all() {
        let mut y = c.clone();
        path.run(Map { f: MulAdd, x: [&a, &b], y: &mut y });
        all.push((path.name(), y));
    }
    for (name, found) in all {
        for (&[a, b, c], ours) in triples.iter().zip(found) {
            let fused = f32::mul_add(a, b, c);
            let same = ours.to_bits() == fused.to_bits() || ours.is_nan() && fused.is_nan();
            assert!(same, "{name}: {a:e}·{b:e} + {c:e} is {ours:e}, not {fused:e}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 16 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]
    /// The numbers include special values.
    #[test]
    fn emulated_fma_is_the_fused_one(a in any::<u32>(), b in any::<u32>(), c in any::<u32>(), near in -3i32..4) {
        let (a, b) = (f32::from_bits(a), f32::from_bits(b));
        // Addends near −a·b cancel most digits; other addends cover everything else.
        let cancelling = f32::from_bits(((-a * b).to_bits() as i32).wrapping_add(near) as u32);
        check_mul_add(&[f32::from_bits(c), cancelling, 0.0, -0.0].map(|c| [a, b, c]));
    }
}

/// Sums that lie exactly in the middle between two f32, or beside it by less than an f64 can hold.
#[test]
fn emulated_fma_on_ties() {
    let ulp = f32::EPSILON;
    let mut triples = Vec::new();
    for k in 0..64 {
        let c = 1.0 + k as f32 * ulp;
        for half in [ulp / 2.0, -ulp / 2.0, ulp / 4.0] {
            triples.push([half, 1.0, c]);
            // (1 + n·ulp)(1 − n·ulp) = 1 − n²·ulp²: beside the middle by 2⁻¹⁸ of an f64's last bit, and by ¾ of it.
            for near in [ulp, 443.0 * ulp] {
                triples.push([half * (1.0 + near), 1.0 - near, c]);
            }
            triples.push([half * (1.0 + ulp), 1.0 - ulp / 2.0, c]);
        }
    }
    triples.extend(triples.clone().into_iter().map(|[a, b, c]| [a, -b, -c]));
    check_mul_add(&triples);
    let twice = |&[a, b, c]: &[f32; 3]| (a as f64 * b as f64 + c as f64) as f32;
    let wrong = triples.iter().filter(|&triple| twice(triple) != fused_mul_add(triple[0], triple[1], triple[2]));
    assert_eq!(wrong.count(), 128, "where rounding twice would show");
}

/// One of the operations of [`Lanes`], by its index.
#[derive(Clone, Copy)]
struct Operation(usize);

impl<R: Real> Elementwise<R, 3> for Operation {
    #[inline(always)]
    fn apply<L: Lanes<R>>(self, l: L, _: L::V, [a, b, c]: [L::V; 3]) -> L::V {
        [
            l.splat(R::from_f64(0.1)),
            l.add(a, b),
            l.sub(a, b),
            l.mul(a, b),
            l.div(a, b),
            l.sqrt(a),
            l.mul_add(a, b, c),
            l.if_gt(a, b, c, a),
            l.min(a, b),
            l.max(a, b),
            l.round(a),
        ][self.0]
    }
}

/// Every operation on vectors is that of the language, on every path, in f64 and for single numbers.
#[test]
#[cfg_attr(miri, ignore = "Miri does not know how AVX-512 compares")]
fn operations_are_those_of_the_language() {
    fn expected<R: Real>(operation: usize, [a, b, c]: [R; 3]) -> R {
        match operation {
            0 => R::from_f64(0.1),
            1 => a + b,
            2 => a - b,
            3 => a * b,
            4 => a / b,
            5 => R::sqrt(a),
            6 => R::mul_add(a, b, c),
            7 => [a, c][usize::from(a > b)],
            8 => [b, a][usize::from(a < b)],
            9 => [b, a][usize::from(a > b)],
            _ => R::round_ties_even(a),
        }
    }
    let some = [0.0, 0.5, 1.5, 2.5, -0.75, 3.0, -4.25, 1e-3, 117.0, 1e6];
    let all: Vec<[f32; 3]> =
        some.iter().flat_map(|&a| some.iter().flat_map(move |&b| some.map(move |c| [a, b, c]))).collect();
    let [a, b, c] = [0, 1, 2].map(|i| all.iter().map(|numbers| numbers[i]).collect::<Vec<_>>());
    let [a64, b64, c64] = [&a, &b, &c].map(|x| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    for operation in 0..11 {
        let bits = |y: f32| if y.is_nan() { u32::MAX } else { y.to_bits() };
        let wanted: Vec<u32> = all.iter().map(|&numbers| bits(expected(operation, numbers))).collect();
        for path in KernelPath::all() {
            let mut y = vec![0.0; all.len()];
            path.run(Map { f: Operation(operation), x: [&a, &b, &c], y: &mut y });
            let found: Vec<u32> = y.into_iter().map(bits).collect();
            assert_eq!(found, wanted, "operation {operation}, {}", path.name());
        }
        for (&numbers, &wanted) in all.iter().zip(&wanted) {
            assert_eq!(bits(Operation(operation).apply(Single, 0.0, numbers)), wanted, "operation {operation}, single");
        }
        let mut y = vec![0.0; all.len()];
        map(Operation(operation), [&a64, &b64, &c64], &mut y);
        for (&numbers, y) in all.iter().zip(y) {
            let wanted = expected(operation, numbers.map(f64::from));
            assert!(y.to_bits() == wanted.to_bits() || y.is_nan() && wanted.is_nan(), "operation {operation} in f64");
        }
    }
}

/// The functions at points where their values are known, in both types.
#[test]
fn functions_have_their_known_values() {
    fn check<R: Real>(tolerance: f64) {
        use std::f64::consts::{E, LN_2, LN_10};
        let f = |f: fn(R) -> R, x: f64| f(R::from_f64(x)).to_f64();
        for (found, expected) in [
            (f(R::exp, 1.0), E),
            (f(R::exp, 10.0 * LN_2), 1024.0),
            (f(R::exp, -1.0), 1.0 / E),
            (f(R::ln, 2.0), LN_2),
            (f(R::ln, 10.0), LN_10),
            (f(R::ln, 0.1), -LN_10),
            (f(R::tanh, LN_2), 0.6),
            (f(R::tanh, -LN_2), -0.6),
            (f(R::tanh, 30.0), 1.0),
            (f(R::sigmoid, LN_2), 2.0 / 3.0),
            (f(R::sigmoid, -LN_2), 1.0 / 3.0),
            (f(R::sigmoid, 50.0), 1.0),
        ] {
            assert!((found / expected - 1.0).abs() < tolerance, "{found}, not {expected}");
        }
        assert_eq!((f(R::exp, -1e4), f(R::sigmoid, -1e4)), (0.0, 0.0));
        assert_eq!((f(R::exp, 1e4), f(R::ln, f64::INFINITY)), (f64::INFINITY, f64::INFINITY));
        assert_eq!(f(R::ln, 0.0), f64::NEG_INFINITY);
        assert!(f(R::ln, -1.0).is_nan());
    }
    // LN_2 itself is rounded, and ten times its error is in the argument of the second exponential.
    check::<f32>(2e-6);
    check::<f64>(4e-15);
}

/// Numbers of both signs, the same ones for the same seed.
fn numbers<R: Real>(len: usize, seed: u32) -> Vec<R> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            R::from_f64(f64::from(state >> 8) / f64::from(1 << 22) - 2.0)
        })
        .collect()
}

/// Sixteen partial results, and the tree over them.
fn folded<R: Real>(x: &[R], identity: R, step: impl Fn(R, R) -> R, join: impl Fn(R, R) -> R) -> R {
    let mut lanes = [identity; LANES];
    for (i, &x) in x.iter().enumerate() {
        lanes[i % LANES] = step(lanes[i % LANES], x);
    }
    for half in [8, 4, 2, 1] {
        (0..half).for_each(|i| lanes[i] = join(lanes[i], lanes[i + half]));
    }
    lanes[0]
}

/// Sums, norms and the largest number, of every length up to a few vectors, are the plain loops bit by bit.
#[test]
fn sums_and_norms_are_their_sixteen_chains() {
    fn check<R: Real>() {
        for len in 0..70 {
            let x: Vec<R> = numbers(len, len as u32);
            let sum = folded(&x, R::ZERO, |sum, x| sum + x, |a, b| a + b);
            let squares = folded(&x, R::ZERO, |sum, x| x.mul_add(x, sum), |a, b| a + b);
            let most = x.iter().map(|x| x.abs()).fold(R::ZERO, |most, x| if x > most { x } else { most });
            assert_eq!((reduce::sum(&x), reduce::sum_of_squares(&x)), (sum, squares), "{len}");
            assert_eq!((largest(&x), norm(&x)), (most, squares.sqrt()), "{len}");
            // Where squares overflow, all are divided by the largest.
            let huge: Vec<R> = x.iter().map(|&x| x * R::LARGEST_TO_SQUARE * R::from_f64(1024.0)).collect();
            let m = most * R::LARGEST_TO_SQUARE * R::from_f64(1024.0);
            let over = folded(&huge, R::ZERO, |sum, x| (x / m).mul_add(x / m, sum), |a, b| a + b);
            assert_eq!(norm(&huge), if len == 0 { R::ZERO } else { m * over.sqrt() }, "{len}");
        }
        let (low, high) = R::NORMAL_RANGE;
        for (squares, is) in [(low, true), (high, true), (R::ONE, true), (R::NAN, true), (R::ZERO, false)] {
            assert_eq!(is_norm_squared(squares), is, "{squares}");
        }
        assert!(!is_norm_squared(-R::NEG_INFINITY) && !is_norm_squared(low / R::from_f64(2.0)));
        assert_eq!((norm(&[R::ZERO; 3]), norm(&[R::NEG_INFINITY, R::ONE])), (R::ZERO, -R::NEG_INFINITY));
        assert_eq!((norm(&[high; 40]), norm(&[low])), (high, low));
        assert_eq!(largest(&[R::NAN, -R::ONE, R::NAN]), R::ONE);
    }
    check::<f32>();
    check::<f64>();
}

/// Functions of elements and sums over rows are plain loops, whatever the width.
#[test]
fn rows_and_elements_are_plain_loops() {
    fn check<R: Real>() {
        for len in 0..70 {
            let (x, mut y) = (numbers::<R>(len, 1), numbers::<R>(len, 2));
            let expected: Vec<R> = x.iter().zip(&y).map(|(x, y)| x.mul_add(R::from_f64(0.3), *y)).collect();
            map(AddScaled(R::from_f64(0.3)), [&x], &mut y);
            assert_eq!(y, expected, "{len}");
            let expected: Vec<R> = x.iter().zip(&y).map(|(x, y)| *x + *y).collect();
            add_to(&x, &mut y);
            assert_eq!(y, expected, "{len}");
        }
        for columns in [0, 1, 15, 16, 17, 33, 63, 64, 65, 80, 150, 300] {
            for rows in 0..4 {
                let (x, factors) = (numbers::<R>(rows * columns, 3), numbers::<R>(rows, 4));
                let mut sums = numbers::<R>(columns, 5);
                let mut expected = sums.clone();
                for (i, &x) in x.iter().enumerate() {
                    expected[i % columns] += x;
                }
                reduce::add_rows(&x, &mut sums);
                assert_eq!(sums, expected, "{rows} × {columns}");
                if columns == 0 {
                    continue;
                }
                let mut scaled = numbers::<R>(rows * columns, 6);
                let expected: Vec<R> =
                    (0..scaled.len()).map(|i| x[i].mul_add(factors[i / columns], scaled[i])).collect();
                reduce::add_scaled_rows(&factors, &x, &mut scaled);
                assert_eq!(scaled, expected, "{rows} × {columns}, scaled");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Softmax, its logarithm and the cross entropy are their formulas bit by bit, over more rows than a vector has lanes.
#[test]
#[cfg_attr(miri, ignore = "slow, and Miri does not know how AVX-512 compares")]
fn softmaxes_are_their_formulas() {
    fn check<R: Real>() {
        for (rows, columns) in [(0, 3), (1, 1), (3, 2), (15, 10), (16, 16), (17, 17), (35, 40), (40, 5)] {
            let x: Vec<R> = numbers(rows * columns, columns as u32);
            let labels: Vec<u32> = (0..rows).map(|r| (r * 7 % columns) as u32).collect();
            let [mut y, mut logs, mut p] = [(); 3].map(|()| vec![R::NAN; rows * columns]);
            let mut losses = vec![R::NAN; rows];
            reduce::softmax(&x, columns, &mut y);
            reduce::log_softmax(&x, columns, &mut logs);
            reduce::cross_entropy(&x, columns, &labels, &mut p, &mut losses);
            for r in 0..rows {
                let row = &x[r * columns..][..columns];
                let max = row.iter().fold(R::NEG_INFINITY, |max, &x| if x > max { x } else { max });
                let powers: Vec<R> = row.iter().map(|&x| (x - max).exp()).collect();
                let sum = folded(&powers, R::ZERO, |sum, x| sum + x, |a, b| a + b);
                let at = r * columns..(r + 1) * columns;
                let softmax: Vec<R> = powers.iter().map(|&power| power * (R::ONE / sum)).collect();
                let log_softmax: Vec<R> = row.iter().map(|&x| (x - max) - sum.ln()).collect();
                assert_eq!((&y[at.clone()], &p[at.clone()]), (&softmax[..], &softmax[..]), "{rows} × {columns}");
                assert_eq!(logs[at], log_softmax, "{rows} × {columns}");
                assert_eq!(losses[r], sum.ln() - (row[labels[r] as usize] - max), "{rows} × {columns}");
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// What a tile reads ends with its depth, though the data goes on.
#[test]
fn tiles_and_panels_end_with_their_depth() {
    let data: Vec<f32> = (0..250).map(|i| i as f32).collect();
    let columns: Vec<[f32; 5]> = TileColumns::new(&data, 7, 2, 3).take(5).collect();
    let expected: Vec<[f32; 5]> = (0..3).map(|k| std::array::from_fn(|i| (7 * i + 2 * k) as f32)).collect();
    assert_eq!(columns, expected);
    let rows: Vec<[&[f32; LANES]; 2]> = PanelRows::new(&data, 18, 40, 3).take(5).collect();
    assert_eq!(rows.len(), 3);
    for (k, row) in rows.iter().enumerate() {
        for (v, vector) in row.iter().enumerate() {
            let expected: [f32; LANES] = std::array::from_fn(|lane| (18 * k + 40 * v + lane) as f32);
            assert_eq!(**vector, expected);
        }
    }
}

/// The first variable that is set names the path. A name that is none of this processor's is refused, and so is another path once
/// one is chosen.
#[test]
#[cfg_attr(target_family = "wasm", ignore = "no processes")]
#[cfg_attr(miri, ignore = "no processes")]
fn a_variable_chooses_the_path() {
    const WANTED: &str = "AUTOGRAD_TEST_PATH";
    const UNSET: &str = "AUTOGRAD_TEST_NO_PATH";
    let names: Vec<_> = KernelPath::all().iter().map(|path| path.name()).collect();
    if let Ok(wanted) = std::env::var(WANTED) {
        // This is one of the processes that are started below.
        let found = choose_path(&[UNSET, WANTED]).map(KernelPath::name);
        if names.iter().any(|name| *name == wanted) {
            assert_eq!(found, Ok(&*wanted));
            assert_eq!(path().name(), wanted);
            assert_eq!(choose_path(&[UNSET]).is_err(), names.last() != Some(&&*wanted));
        } else {
            let error = found.expect_err("no such path");
            assert!(names.iter().all(|name| error.contains(name)), "{error}");
        }
        return;
    }
    assert_eq!(names[0], "scalar");
    let program = std::env::current_exe().expect("the program of the tests");
    for wanted in names.iter().copied().chain(["none"]) {
        let mut child = std::process::Command::new(&program);
        child.args(["--exact", "kernels::tests::a_variable_chooses_the_path"]).env(WANTED, wanted);
        let output = match child.output() {
            // "Exec format error": an emulator runs this program, and the system cannot.
            Err(error) if error.raw_os_error() == Some(8) => {
                eprintln!("skipped: the system cannot run this program a second time");
                return;
            }
            output => output.expect("the tests run once more"),
        };
        assert!(output.status.success(), "{wanted}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
