//! The tape as its users see it: errors that name lines of code, the dump, axes of length zero, and many tapes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use autograd::nn::{Init, Linear};
use autograd::ops::{Activation, linear_sum};
use autograd::optim::{Adam, Optimiser};
use autograd::{Params, Recording, Tape, Var, accumulate, gradients};
use rand::{SeedableRng, rngs::ChaCha8Rng};

/// The message with which `f` panics on inputs of these shapes.
fn message(shapes: &[&[usize]], f: impl Fn(&[Var<f64>])) -> String {
    let params = Params::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let inputs: Vec<_> = shapes.iter().map(|&shape| t.zeros(shape)).collect();
    let error = catch_unwind(AssertUnwindSafe(|| f(&inputs))).expect_err("shapes that do not fit");
    error.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn shape_errors_name_the_operation_both_shapes_and_where_the_operands_were_made() {
    let message = |shapes: &[&[usize]], f: &dyn Fn(&[Var<f64>])| message(shapes, f);
    let cases = [
        ("add", message(&[&[2, 3], &[3, 2]], &|x| _ = x[0] + x[1]), "[2, 3]", "[3, 2]"),
        ("sub", message(&[&[2], &[3]], &|x| _ = x[0] - x[1]), "[2]", "[3]"),
        ("mul", message(&[&[2], &[]], &|x| _ = x[0] * x[1]), "[2]", "[]"),
        ("add_row", message(&[&[2, 3], &[2]], &|x| _ = x[0].add_row(x[1])), "[2, 3]", "[2]"),
        ("matmul", message(&[&[2, 3], &[4, 5]], &|x| _ = x[0].matmul(x[1])), "[2, 3]", "[4, 5]"),
        ("matmul_t", message(&[&[2, 3], &[4, 5]], &|x| _ = x[0].matmul_t(x[1])), "[2, 3]", "[4, 5]"),
        ("t_matmul", message(&[&[2, 3], &[4, 5]], &|x| _ = x[0].t_matmul(x[1])), "[2, 3]", "[4, 5]"),
        ("reshape", message(&[&[2, 3]], &|x| _ = x[0].reshape([4])), "[2, 3]", "[4]"),
        ("slice", message(&[&[2, 3]], &|x| _ = x[0].slice(1..3)), "[2, 3]", "1..3"),
        ("narrow", message(&[&[2, 3]], &|x| _ = x[0].narrow(1, 2..4)), "[2, 3]", "2..4"),
        ("sum_axis", message(&[&[2, 3]], &|x| _ = x[0].sum_axis(2)), "[2, 3]", "axis 2"),
        ("log_softmax", message(&[&[3]], &|x| _ = x[0].log_softmax()), "[3]", "[rows, classes]"),
        ("concat", message(&[&[2, 3], &[4, 4]], &|x| _ = x[0].recording().concat(0, x)), "[2, 3]", "[4, 4]"),
    ];
    for (op, message, first, second) in cases {
        assert!(message.starts_with(op) && message.contains(first) && message.contains(second), "{op}: {message}");
        assert!(message.contains("made at") && message.contains(file!()), "{op}: {message}");
    }
    let labels = message(&[&[2, 3]], &|x| _ = x[0].cross_entropy(&[0, 3]));
    assert!(labels.contains("cross_entropy") && labels.contains("label 3") && labels.contains("[2, 3]"), "{labels}");
    let vector = message(&[&[2]], &|x| x[0].backward(&mut Params::new().zeros()));
    assert!(vector.contains("scalar") && vector.contains("[2]"), "{vector}");
}

#[test]
fn a_layer_that_does_not_fit_is_named() {
    let mut params = Params::<f32>::new();
    let layer = Linear::new(&mut params, "core", [4, 5], Init::Zeros, &mut ChaCha8Rng::seed_from_u64(1));
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.zeros([2, 3]);
    let error = catch_unwind(AssertUnwindSafe(|| _ = x.linear(layer))).expect_err("3 columns for 4");
    let message = error.downcast_ref::<String>().expect("a message");
    let parts = ["linear:", "core.weight", "[2, 3]", "[4, 5]", file!()];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn gradients_of_other_parameters_are_refused() {
    let mut params = Params::<f32>::new();
    params.add("a", [3], |_| {});
    let (mut optimiser, grads) = (Adam::new(&params), params.zeros());
    params.add("b", [3], |_| {});
    let step = catch_unwind(AssertUnwindSafe(|| optimiser.step(&mut params, &grads, 0.1)));
    assert!(step.is_err(), "moments of one parameter for two");
}

#[test]
fn the_dump_is_a_table_of_the_tape() {
    let mut params = Params::<f64>::new();
    let layer = Linear::new(&mut params, "layer", [2, 3], Init::Identity, &mut ChaCha8Rng::seed_from_u64(1));
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.input([1, 2], &[3.0, 4.0]);
    let y = x.linear(layer).sum();
    let before = t.dump();
    assert!(before.lines().nth(1).is_some_and(|line| line.contains("5.000e0") && line.contains(" - ")), "{before}");
    y.backward(&mut params.zeros());
    let dump = t.dump();
    let lines: Vec<&str> = dump.lines().collect();
    assert_eq!(lines.len(), 4, "{dump}");
    assert!(["id", "operation", "shape", "‖value‖", "‖grad‖", "made at"].iter().all(|head| lines[0].contains(head)));
    for (line, parts) in
        lines[1..].iter().zip([["input", "[1, 2]", "5.000e0"], ["linear", "[1, 3]", "0"], ["sum", "[]", "7.000e0"]])
    {
        assert!(parts.iter().all(|part| line.contains(part)) && line.contains(file!()), "{dump}");
    }
    assert!(lines[1].contains("1.414e0"), "∂Σ/∂x = (1, 1): {dump}");
}

/// Reading the gradient of an earlier step or of a constant is an error.
#[test]
fn gradients_are_there_after_backward_alone() {
    let params = Params::<f64>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.input([1], &[2.0]);
    x.square().sum().backward(&mut params.zeros());
    assert_eq!(x.grad().to_vec(), [4.0]);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(x.stop_gradient().grad()))).is_err());
    drop(t);
    let t = tape.begin(&params);
    let x = t.input([1], &[2.0]);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(x.grad()))).is_err(), "the last step's gradient");
}

/// Builds a variable from inputs.
type Function<'a> = dyn for<'t> Fn(&'t Recording<'t, f64>, &[Var<'t, f64>]) -> Var<'t, f64> + 'a;

/// Every operation on axes of length zero, forward and backward.
#[test]
fn nothing_is_also_a_batch() {
    let mut params = Params::<f64>::new();
    let layer = Linear::new(&mut params, "layer", [3, 2], Init::He, &mut ChaCha8Rng::seed_from_u64(1));
    let run = |shapes: &[&[usize]], f: &Function| {
        let mut tape = Tape::new();
        let t = tape.begin(&params);
        let inputs: Vec<_> = shapes.iter().map(|&s| t.input(s, &vec![0.5; s.iter().product()])).collect();
        let y = f(&t, &inputs).sum();
        let mut grads = params.zeros();
        y.backward(&mut grads);
        assert!(grads.as_slice().iter().all(|g| g.is_finite()) && y.item().is_finite());
        y.item()
    };
    for shape in [&[0usize, 3][..], &[3, 0], &[0]] {
        run(&[shape], &|_, x| (x[0].relu() + x[0].tanh()) * x[0].sigmoid() - x[0].exp());
        run(&[shape], &|_, x| x[0].clamp(0.0, 1.0).square().scale(2.0).sum_axis(0));
        run(&[shape, shape], &|t, x| t.concat(0, x));
        run(&[shape], &|_, x| x[0].reshape([0]).slice(0..0));
        run(&[shape], &|t, x| x[0].put_rows(t.indices(&[]), x[0].take_rows(t.indices(&[]))));
    }
    run(&[&[3, 0]], &|_, x| x[0].sum_axis(1));
    run(&[&[2, 0], &[0]], &|_, x| x[0].add_row(x[1]));
    run(&[&[0, 3]], &|_, x| x[0].linear(layer).log_softmax());
    run(&[&[0, 3]], &|_, x| x[0].cross_entropy(&[]));
    run(&[&[0, 3], &[3, 2]], &|_, x| x[0].matmul(x[1]));
    run(&[&[2, 3], &[0, 3]], &|_, x| x[0].matmul_t(x[1]));
    // A sum over no k at all is 0, whatever the memory held.
    assert_eq!(run(&[&[2, 0], &[0, 4]], &|_, x| x[0].matmul(x[1])), 0.0);
    assert_eq!(run(&[&[0, 2], &[0, 4]], &|_, x| x[0].t_matmul(x[1])), 0.0);
}

/// Trains in f32 on two tapes with operations of every family. Under Miri, which looks for undefined behaviour, it
/// makes only two steps.
#[test]
fn a_small_net_learns() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut params = Params::<f32>::new();
    let [first, second] =
        ["first", "second"].map(|name| Linear::new(&mut params, name, [3, 18], Init::UniformFanIn, &mut rng));
    let row = params.add("row", [18], |_| {});
    let matrix = params.add("matrix", [18, 4], |w| Init::Normal(0.3).fill(w, [18, 4], &mut rng));
    let mut grads = params.zeros();
    let mut optimiser = Adam::new(&params);
    let mut tapes = [Tape::new(), Tape::new()];
    let steps = if cfg!(miri) { 2 } else { 50 };
    let mut losses = Vec::new();
    for _ in 0..steps {
        let mut loss = 0.0;
        for (tape, n) in tapes.iter_mut().zip([3, 2]) {
            let t = tape.begin(&params);
            let pixels: Vec<f32> = (0..n * 3).map(|i| (i * 7 % 11) as f32 / 11.0).collect();
            let labels: Vec<u32> = (0..n as u32).collect();
            let x = t.input([n, 3], &pixels);
            let h = linear_sum(&[(x, first), (x.square(), second)], Activation::Relu);
            let h = t.concat(1, &[h.narrow(1, 0..5).tanh(), h.narrow(1, 5..18).sigmoid()]);
            let logits = h.add_row(t.param(row)).matmul(t.param(matrix));
            let weight = logits.reshape([n * 4]).slice(0..2).clamp(-0.5, 0.5).exp().mean().ln().square();
            let total = logits.cross_entropy(&labels).mean() + weight.scale(0.1);
            total.sweep();
            loss += total.item();
        }
        losses.push(loss);
        grads.clear();
        accumulate(&params, &tapes, &mut grads);
        optimiser.step(&mut params, &grads, 0.01);
    }
    let (before, after) = (losses[0], losses[steps - 1]);
    assert!(after < before && (cfg!(miri) || after < 0.7 * before), "{losses:?}");
}

/// Gradients are not cleared before a sweep. Where the sweep does not come, or only in part, numbers of an earlier step
/// must not show.
#[test]
fn an_earlier_steps_gradients_do_not_show() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut params = Params::<f64>::new();
    let layer = Linear::new(&mut params, "layer", [2, 3], Init::UniformFanIn, &mut rng);
    let mut tape = Tape::new();
    for step in 0..3 {
        let t = tape.begin(&params);
        let x = t.input([4, 2], &[1.0; 8]);
        let y = t.input([4, 2], &[2.0; 8]);
        let used = match step {
            // All of x and y are used, so the memory of both gradients holds numbers afterwards.
            0 => (x * y).sum() + x.slice(2..4).linear(layer).sum(),
            // Rows 0 and 1 of x are used, row 0 twice; y is not used.
            1 => x.slice(0..2).sum() + x.slice(0..1).sum(),
            // All of x is used by an operation that may overwrite gradients and by one that always adds; y is not used.
            _ => x.linear(layer).sum() + x.sum(),
        };
        used.backward(&mut params.zeros());
        let w = params.get(layer.weight);
        let expected = match step {
            0 => continue,
            1 => vec![2.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0],
            _ => [w[..3].iter().sum::<f64>() + 1.0, w[3..].iter().sum::<f64>() + 1.0].repeat(4),
        };
        for (found, expected) in x.grad().iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-12, "step {step}: {:?}, not {expected:?}", x.grad());
        }
        assert_eq!(y.grad().to_vec(), [0.0; 8], "step {step}");
    }
}

/// `gradients` does the same as `accumulate` from 0, whatever the gradients held before.
#[test]
fn gradients_replace_and_accumulate_adds() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut params = Params::<f64>::new();
    let layer = Linear::new(&mut params, "layer", [2, 3], Init::UniformFanIn, &mut rng);
    let unused = Linear::new(&mut params, "unused", [2, 3], Init::UniformFanIn, &mut rng);
    let whole = params.add("whole", [2, 3], |w| w.fill(0.5));
    let mut tapes = [Tape::new(), Tape::new()];
    for tape in &mut tapes {
        let t = tape.begin(&params);
        let x = t.constant([2, 2], &[1.0, 2.0, 3.0, 4.0]);
        (x.linear(layer) * t.param(whole)).sum().sweep();
    }
    let mut added = params.zeros();
    accumulate(&params, &tapes, &mut added);
    let mut replaced = params.zeros();
    for id in params.ids() {
        replaced.get_mut(id).fill(f64::NAN);
    }
    gradients(&params, &tapes, &mut replaced);
    assert_eq!(replaced.as_slice(), added.as_slice());
    assert!(added.get(layer.weight).iter().chain(added.get(whole)).all(|&d| d != 0.0));
    assert_eq!(replaced.get(unused.weight), [0.0; 6]);
    accumulate(&params, &tapes, &mut added);
    for id in params.ids() {
        let twice = replaced.get(id).iter().zip(added.get(id));
        assert!(twice.into_iter().all(|(once, twice)| (2.0 * once - twice).abs() < 1e-12), "{}", params.name(id));
    }
}

/// Layers that share weights and biases in every way: in one sum, in sums with other partners, alone, twice in a sum, and as a
/// whole parameter. The gradients are those of the same network written with matrix products, and threads do not show.
#[test]
#[cfg_attr(miri, ignore = "slow")]
fn parameters_that_are_used_in_many_ways_get_the_gradients_of_all_uses() {
    const ROWS: usize = 70;
    const WIDTH: usize = 48;
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut params = Params::<f32>::new();
    let layers: Vec<Linear> = (0..4)
        .map(|i| Linear::new(&mut params, &format!("{i}"), [WIDTH, WIDTH], Init::Normal(1.0), &mut rng))
        .collect();
    let thin = Linear::new(&mut params, "thin", [WIDTH, 3], Init::Normal(1.0), &mut rng);
    for layer in layers.iter().chain([&thin]) {
        params.change(layer.bias, |b| b.iter_mut().enumerate().for_each(|(i, b)| *b = (i % 7) as f32 - 3.0));
    }
    let x: Vec<f32> = (0..ROWS * WIDTH).map(|i| (i * 7919 % 101) as f32 / 50.0 - 1.0).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| layers[i]);

    fn sum<'t>(by_layers: bool, terms: &[(Var<'t, f32>, Linear)], activation: Activation) -> Var<'t, f32> {
        if by_layers {
            return linear_sum(terms, activation);
        }
        let of = |&(x, layer): &(Var<'t, f32>, Linear)| {
            let t = x.recording();
            x.matmul(t.param(layer.weight)).add_row(t.param(layer.bias))
        };
        let z = terms.iter().map(of).reduce(|z, term| z + term).unwrap();
        if activation == Activation::Relu { z.relu() } else { z }
    }
    let record = |tape: &mut Tape<f32>, rows: std::ops::Range<usize>, by_layers: bool| {
        let t = tape.begin(&params);
        let x = t.constant([rows.len(), WIDTH], &x[rows.start * WIDTH..rows.end * WIDTH]);
        let relu = Activation::Relu;
        let h = sum(by_layers, &[(x, a), (x, b)], relu);
        let h = sum(by_layers, &[(h, b), (x, c), (h, a)], relu);
        let h = sum(by_layers, &[(h, c), (h, c)], relu) + sum(by_layers, &[(x, d)], Activation::None);
        // An input of zeros, whose product is left out.
        let h = sum(by_layers, &[(t.zeros([rows.len(), WIDTH]), a), (h, b)], relu);
        let y = sum(by_layers, &[(h, thin)], Activation::None);
        let weights = h.matmul(t.param(d.weight));
        (y.square().sum() + weights.square().sum()).scale(1e-4).sweep();
    };
    let gradient = |ends: &[usize], threads: usize, by_layers: bool| {
        let mut tapes: Vec<Tape<f32>> = ends.iter().map(|_| Tape::new()).collect();
        let mut start = 0;
        for (tape, &end) in tapes.iter_mut().zip(ends) {
            record(tape, start..end, by_layers);
            start = end;
        }
        let mut grads = params.zeros();
        grads.get_mut(a.weight).fill(f32::NAN);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradients(&params, &tapes, &mut grads));
        grads
    };
    let expected = gradient(&[ROWS], 1, false);
    let found = gradient(&[ROWS], 1, true);
    for id in params.ids() {
        let (e, f) = (expected.get(id), found.get(id));
        let norm = e.iter().map(|x| x * x).sum::<f32>().sqrt();
        let distance = e.iter().zip(f).map(|(e, f)| (e - f) * (e - f)).sum::<f32>().sqrt();
        assert!(norm > 0.0 && distance < 1e-5 * norm, "{}: {distance} of {norm}", params.name(id));
    }
    let bits = |grads: &autograd::Grads<f32>| grads.as_slice().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for threads in [1, 2, 3, 7] {
        assert_eq!(bits(&gradient(&[ROWS], threads, true)), bits(&found), "{threads} threads");
    }
    // A whole parameter is summed on each tape first, so the cut shows there.
    let cut = gradient(&[1, 30, 31, ROWS], 3, true);
    for id in params.ids().filter(|&id| id != d.weight) {
        assert_eq!(cut.get(id), found.get(id), "{}", params.name(id));
    }
}

/// Threads share the rows of a weight, of which each then takes its part of what comes to the whole.
#[test]
#[cfg_attr(miri, ignore = "slow")]
fn a_weight_that_is_also_a_variable_gets_both_gradients_with_any_number_of_threads() {
    const ROWS: usize = 256;
    const WIDTH: usize = 96;
    let mut params = Params::<f64>::new();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let layer = Linear::new(&mut params, "layer", [WIDTH, WIDTH], Init::Zeros, &mut rng);
    let whole = |len: usize| (0..len).map(|i| (i * 7919 % 101) as f64).collect::<Vec<_>>();
    let (x, factors) = (whole(ROWS * WIDTH), whole(WIDTH * WIDTH));
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let product = t.param(layer.weight) * t.constant([WIDTH, WIDTH], &factors);
    (t.constant([ROWS, WIDTH], &x).linear(layer).sum() + product.sum()).sweep();
    drop(t);
    let column = |i: usize| x.iter().skip(i).step_by(WIDTH).sum::<f64>();
    let expected: Vec<f64> = (0..WIDTH * WIDTH).map(|at| column(at / WIDTH) + factors[at]).collect();
    for threads in [1, 2, 4] {
        let mut grads = params.zeros();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradients(&params, std::slice::from_ref(&tape), &mut grads));
        assert!(grads.get(layer.weight) == expected, "{threads} threads");
    }
}

/// Rows that are known only when the tape is recorded are taken out, changed and put back.
#[test]
fn rows_are_taken_and_put_back() {
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let x = t.input([4, 2], &[1.0, -1.0, 2.0, 5.0, 3.0, -3.0, 4.0, 7.0]);
    let rows = t.indices_where(t.constant([4], &[0.0, 1.0, 0.0, 1.0]), |x| x == 1.0);
    assert_eq!((rows.len(), rows.is_empty(), t.indices(&[]).is_empty()), (2, false, true));
    let taken = x.take_rows(rows);
    assert_eq!(taken.to_vec(), [2.0, 5.0, 4.0, 7.0]);
    let put = x.put_rows(rows, taken.scale(10.0));
    assert_eq!(put.to_vec(), [1.0, -1.0, 20.0, 50.0, 3.0, -3.0, 40.0, 70.0]);
    put.sum().backward(&mut params.zeros());
    assert_eq!(x.grad().to_vec(), [1.0, 1.0, 10.0, 10.0, 1.0, 1.0, 10.0, 10.0]);
    let first = t.filled_by("first", [2], (x, rows), |x, rows, y| {
        y.iter_mut().zip(rows).for_each(|(y, &row)| *y = x[2 * row as usize]);
    });
    assert_eq!(first.to_vec(), [2.0, 4.0]);
    for (rows, part) in [(vec![1, 0], "the rows [1, 0] do not ascend"), (vec![1, 1], "do not ascend")] {
        let put = std::panic::AssertUnwindSafe(|| x.put_rows(t.indices(&rows), taken));
        let message = *std::panic::catch_unwind(put).err().unwrap().downcast::<String>().unwrap();
        assert!(message.contains(part), "{message}");
    }
}
