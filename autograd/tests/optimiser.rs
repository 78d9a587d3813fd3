//! Numbers at the edge of what a type holds, in norms, clipping and the optimisers; and what they refuse.

use std::panic::{AssertUnwindSafe, catch_unwind};

use autograd::kernels::norm::{largest, norm};
use autograd::optim::{Adam, Optimiser, Sgd, clip};
use autograd::{Grads, ParamId, Params, Real, Tape};

/// A parameter of ones, with this gradient.
fn one<R: Real>(g: &[R]) -> (Params<R>, ParamId, Grads<R>) {
    let mut params = Params::new();
    let w = params.add("w", [g.len()], |w| w.fill(R::ONE));
    let mut grads = params.zeros();
    grads.get_mut(w).copy_from_slice(g);
    (params, w, grads)
}

/// The message with which `f` panics.
#[track_caller]
fn message(f: impl FnOnce()) -> String {
    let error = catch_unwind(AssertUnwindSafe(f)).expect_err("it is refused");
    error.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn clipping_scales_to_the_norm_and_returns_the_one_before() {
    let mut params = Params::<f64>::new();
    let ids = [params.add("a", [1], |_| {}), params.add("b", [1], |_| {})];
    let mut grads = params.zeros();
    grads.get_mut(ids[0])[0] = 3.0;
    grads.get_mut(ids[1])[0] = -4.0;
    assert_eq!(clip(&mut grads, 10.0), 5.0);
    assert_eq!((grads.get(ids[0])[0], grads.get(ids[1])[0]), (3.0, -4.0));
    assert_eq!(clip(&mut grads, 1.0), 5.0);
    assert!((grads.get(ids[0])[0] - 0.6).abs() < 1e-15 && (grads.get(ids[1])[0] + 0.8).abs() < 1e-15);
}

/// A sum of squares and its root that both types hold: there is one rounding, and clipping to a half halves every number.
#[test]
fn ordinary_norms_are_exact() {
    for (g, length) in
        [([2, 3, 6], 7), ([4, 4, 7], 9), ([2, 7, 26], 27), ([6, 6, 7], 11), ([3, 4, 12], 13), ([2, 5, 14], 15)]
    {
        let g = g.map(f64::from);
        // Each number is a parameter of its own, after so many others that are 0.
        let mut params = Params::<f64>::new();
        let ids: Vec<ParamId> = (0..70).map(|i| params.add(&i.to_string(), [1], |_| {})).collect();
        let mut grads = params.zeros();
        for (&id, &g) in ids[67..].iter().zip(&g) {
            grads.get_mut(id)[0] = g;
        }
        grads.get_mut(ids[0])[0] = f64::from(length);
        assert_eq!(grads.norm(), f64::from(2 * length * length).sqrt());
        grads.get_mut(ids[0])[0] = 0.0;
        assert_eq!(clip(&mut grads, f64::from(length) / 2.0), f64::from(length));
        assert_eq!([67, 68, 69].map(|i| grads.get(ids[i])[0]), g.map(|g| g / 2.0));
    }
}

/// The moments and the number of steps are all that an optimiser knows.
#[test]
fn an_optimiser_that_is_resumed_goes_on_as_if_it_had_not_stopped() {
    fn check<O: Optimiser<f64>>(new: impl Fn(&Params<f64>) -> O, names: &[&str]) {
        let (mut params, w, grads) = one(&[0.5, -2.0]);
        let mut optimiser = new(&params);
        (0..3).for_each(|_| optimiser.step(&mut params, &grads, 0.1));
        assert_eq!(optimiser.steps(), 3);
        let (mut resumed, mut params_2) = (new(&params), params.clone());
        resumed.resume_at(optimiser.steps());
        let (from, to) = (optimiser.moments(), resumed.moments());
        assert_eq!(from.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        for ((_, from), (_, to)) in from.into_iter().zip(to) {
            to.get_mut(w).copy_from_slice(from.get(w));
        }
        optimiser.step(&mut params, &grads, 0.1);
        resumed.step(&mut params_2, &grads, 0.1);
        assert_eq!((params.get(w), optimiser.steps()), (params_2.get(w), resumed.steps()));
    }
    check(|params| Sgd::new(params, 0.9, true), &["velocity"]);
    check(Adam::new, &["first", "second"]);
}

/// After three steps with η = 0.1 and λ = 0.25, by optax 0.2.8: `adamw`, and `trace`, `add_decayed_weights` and `scale` in a row. The
/// last parameter has no gradient and only decays: 3.5 · 0.975³.
#[test]
fn weight_decay_is_that_of_optax() {
    fn check(with: impl Fn(&Params<f64>) -> Box<dyn Optimiser<f64>>, expected: [f64; 4]) {
        // Before and after a whole vector.
        for gap in [0, 13, 16, 30] {
            let mut params = Params::new();
            let w = params.add("w", [gap + 4], |w| w[gap..].copy_from_slice(&[1.0, -2.0, 0.0, 3.5]));
            let (mut grads, mut optimiser) = (params.zeros(), with(&params));
            for g in [[0.5, -1.0, 0.25, 0.0], [-0.125, 2.0, 0.0, 0.0], [1.5, 0.5, -3.0, 0.0]] {
                grads.get_mut(w)[gap..].copy_from_slice(&g);
                optimiser.step(&mut params, &grads, 0.1);
            }
            for (found, expected) in params.get(w)[gap..].iter().zip(expected) {
                assert!((found - expected).abs() < 1e-14, "{:?}, not {expected:?}", params.get(w));
            }
            assert!(params.get(w)[..gap].iter().all(|&x| x == 0.0));
        }
    }
    check(
        |params| Box::new(Adam::new(params).with_weight_decay(0.25)),
        [0.7138207962412755, -1.8359164642855967, -0.10102916227179529, 3.2440078125],
    );
    check(
        |params| Box::new(Sgd::new(params, 0.9, false).with_weight_decay(0.25)),
        [0.668390625, -2.01490625, 0.234046875, 3.2440078125],
    );
    check(
        |params| Box::new(Sgd::new(params, 0.9, true).with_weight_decay(0.25)),
        [0.50889375, -2.148725, 0.4868765625, 3.2440078125],
    );
}

/// A decay of 0 is none at all, to the last bit, also of numbers that are not finite or hardly above 0.
#[test]
fn no_weight_decay_leaves_every_bit() {
    let odd = [0.0, -0.0, f32::MIN_POSITIVE / 4.0, f32::MAX, f32::NEG_INFINITY, 1.1, -3e-39];
    let mut params = Params::new();
    let w = params.add("w", [odd.len()], |w| w.copy_from_slice(&odd));
    let grads = params.zeros();
    let optimisers: [Box<dyn Optimiser<f32>>; 2] =
        [Box::new(Adam::new(&params)), Box::new(Sgd::new(&params, 0.9, true).with_weight_decay(0.0))];
    for mut optimiser in optimisers {
        let mut params = params.clone();
        optimiser.step(&mut params, &grads, 0.1);
        assert!(params.get(w).iter().zip(odd).all(|(after, before)| after.to_bits() == before.to_bits()));
    }
}

/// (3, −4) times numbers of every size is clipped to (0.6, −0.8) times the bound, also to bounds of every size.
#[test]
fn clipping_finite_gradients_keeps_their_direction() {
    for size in [1e-44_f32, 1e-38, 1e-30, 1e-20, 1.0, 1e17, 1e20, 1e30, 8e37] {
        for bound in [1e-30_f32, 1e-3, 1.0, 1e10, 1e38] {
            let (_, w, mut grads) = one(&[3.0 * size, -4.0 * size, 0.0]);
            let before = grads.get(w).to_vec();
            let exact = before.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt();
            let norm = clip(&mut grads, bound);
            let expected = exact.min(f64::from(f32::MAX));
            assert!((f64::from(norm) - expected).abs() <= 1e-6 * expected, "‖{before:?}‖ = {norm:e}, not {exact:e}");
            let factor = (f64::from(bound) / exact).min(1.0);
            for (&after, &before) in grads.get(w).iter().zip(&before) {
                let expected = f64::from(before) * factor;
                let apart = (f64::from(after) - expected).abs();
                assert!(apart <= 1e-6 * expected.abs(), "{before:e} to {bound:e}: {after:e}, not {expected:e}");
            }
        }
    }
    // The norm itself lies beyond the type.
    let (_, w, mut grads) = one(&[f32::MAX, -f32::MAX]);
    assert_eq!(clip(&mut grads, 2.0), f32::MAX);
    let root = 2.0_f32.sqrt();
    assert!((grads.get(w)[0] - root).abs() < 1e-6 && (grads.get(w)[1] + root).abs() < 1e-6, "{:?}", grads.get(w));
    let (_, w, mut grads) = one(&[1e200_f64, -1e200]);
    assert!((clip(&mut grads, 1.0) / 2.0_f64.sqrt() - 1e200).abs() < 1e185);
    assert!((grads.get(w)[0] - 0.5_f64.sqrt()).abs() < 1e-15 && (grads.get(w)[1] + 0.5_f64.sqrt()).abs() < 1e-15);
}

#[test]
fn what_cannot_be_clipped_stays_and_the_result_is_not_finite() {
    for bound in [-1.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (_, w, mut grads) = one(&[1.0, -2.0]);
        assert!(clip(&mut grads, bound).is_nan(), "a bound of {bound}");
        assert_eq!(grads.get(w), [1.0, -2.0], "a bound of {bound}");
    }
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (_, w, mut grads) = one(&[3.0, wrong, 4.0]);
        let norm = clip(&mut grads, 1.0);
        assert!(norm.is_nan() == wrong.is_nan() && !norm.is_finite(), "{wrong}: {norm}");
        let kept = grads.get(w);
        assert!([kept[0], kept[2]] == [3.0, 4.0] && kept[1].to_bits() == wrong.to_bits(), "{kept:?}");
    }
    assert_eq!(clip(&mut one::<f32>(&[]).2, 1.0), 0.0);
    assert_eq!(clip(&mut one(&[0.0_f32; 20]).2, 1.0), 0.0);
}

/// The norm of one slice, over the lengths around whole vectors.
#[test]
fn a_norm_is_finite_where_its_numbers_are() {
    for len in [1, 15, 16, 17, 100] {
        for size in [1e-40_f32, 1e-25, 1.0, 1e25, 1e37] {
            let mut x = vec![size; len];
            x[len / 2] = -size;
            let (found, expected) = (norm(&x), f64::from(size) * (len as f64).sqrt());
            assert!((f64::from(found) - expected).abs() <= 2e-6 * expected, "{len} times {size:e}: {found:e}");
            assert_eq!(largest(&x), size);
        }
    }
    assert_eq!((norm::<f32>(&[]), norm(&[0.0_f32, -0.0])), (0.0, 0.0));
    assert!(norm(&[1e30, f32::NAN]).is_nan() && norm(&[1.0, f32::NEG_INFINITY]) == f32::INFINITY);
    assert_eq!(norm(&[f32::MAX; 100]), f32::MAX);
}

/// The table of the tape shows norms too.
#[test]
fn the_dump_shows_the_norm_of_large_numbers() {
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    t.input([2], &[3e25, 4e25]);
    assert!(t.dump().contains("5.000e25"), "{}", t.dump());
}

/// A step of Adam is about η long whatever the size of the first gradient, and goes down the slope. A later, ordinary gradient
/// can still move the parameter.
#[test]
fn one_large_gradient_does_not_freeze_adam() {
    for size in [1e-3_f32, 1.0, 1e18, 1e20, -1e20, 1e30, f32::MAX, -f32::MAX] {
        let (mut params, w, mut grads) = one(&[size]);
        let mut adam = Adam::new(&params);
        adam.step(&mut params, &grads, 0.1);
        let moved = params.get(w)[0] - 1.0;
        assert!((moved + 0.1 * size.signum()).abs() < 1e-4, "{size:e} moved it by {moved}");
        grads.get_mut(w)[0] = size.signum();
        let before = params.get(w)[0];
        adam.step(&mut params, &grads, 0.1);
        assert!((params.get(w)[0] - before) * size < 0.0, "it is frozen at {before} after {size:e}");
        for (name, moment) in adam.moments() {
            assert!(moment.as_slice().iter().all(|m| m.is_finite()), "{name} after {size:e}");
        }
    }
    // Thousands of them in a row do not add up to infinity either.
    let (mut params, w, grads) = one(&[f32::MAX]);
    let mut adam = Adam::new(&params);
    (0..20_000).for_each(|_| adam.step(&mut params, &grads, 1e-4));
    assert!((params.get(w)[0] + 1.0).abs() < 0.01, "2 to the left of 1: {:?}", params.get(w));
    let (mut params, w, grads) = one(&[-1e300_f64]);
    Adam::new(&params).step(&mut params, &grads, 0.1);
    assert!((params.get(w)[0] - 1.1).abs() < 1e-6);
}

/// Gradients that are not finite are never taken for large ones: the parameter shows them.
#[test]
fn optimisers_do_not_hide_what_is_not_finite() {
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (params, w, grads) = one(&[1.0, wrong]);
        let optimisers: [Box<dyn Optimiser<f32>>; 3] = [
            Box::new(Adam::new(&params)),
            Box::new(Sgd::new(&params, 0.9, false)),
            Box::new(Sgd::new(&params, 0.9, true)),
        ];
        for mut optimiser in optimisers {
            let mut params = params.clone();
            optimiser.step(&mut params, &grads, 0.1);
            assert!(params.get(w)[0] < 1.0 && !params.get(w)[1].is_finite(), "{wrong}: {:?}", params.get(w));
        }
    }
    // A velocity that overflows shows at once, too.
    let (mut params, w, grads) = one(&[f32::MAX]);
    let mut sgd = Sgd::new(&params, 1.0, false);
    sgd.step(&mut params, &grads, 0.5);
    assert!(params.get(w)[0].is_finite());
    sgd.step(&mut params, &grads, 0.5);
    assert_eq!(params.get(w)[0], f32::NEG_INFINITY);
}

#[test]
fn learning_rates_and_constants_that_lead_nowhere_are_refused() {
    let (mut params, w, grads) = one(&[1.0_f32]);
    for wrong in [-0.1, f32::NAN, f32::INFINITY] {
        let (mut adam, mut sgd) = (Adam::new(&params), Sgd::new(&params, 0.0, false));
        for said in
            [message(|| adam.step(&mut params, &grads, wrong)), message(|| sgd.step(&mut params, &grads, wrong))]
        {
            assert!(said.contains("learning rate") && said.contains(&wrong.to_string()), "{said}");
        }
    }
    assert_eq!(params.get(w)[0], 1.0);
    Sgd::new(&params, 0.0, false).step(&mut params, &grads, 0.0);
    assert_eq!(params.get(w)[0], 1.0, "a rate of 0 is a rate");
    for wrong in [-0.1, 1.1, f32::NAN] {
        assert!(message(|| drop(Sgd::new(&params, wrong, true))).contains("momentum"));
    }
    for wrong in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(message(|| drop(Sgd::new(&params, 0.9, true).with_weight_decay(wrong))).contains("weight decay"));
        assert!(message(|| drop(Adam::new(&params).with_weight_decay(wrong))).contains("weight decay"));
    }
    // It would turn the sign of the parameters that it should shrink.
    let mut sgd = Sgd::new(&params, 0.0, false).with_weight_decay(4.0);
    let said = message(|| sgd.step(&mut params, &grads, 0.5));
    assert!(said.contains("weight decay must be at most 1, not 2"), "{said}");
    assert_eq!(params.get(w)[0], 1.0);
    for (beta1, beta2, epsilon, name) in
        [(1.0, 0.9, 1e-8, "β₁"), (-0.1, 0.9, 1e-8, "β₁"), (0.9, f64::NAN, 1e-8, "β₂"), (0.9, 0.9, 1e-50, "ε")]
    {
        let said = message(|| drop(Adam::with_constants(&params, beta1, beta2, epsilon)));
        assert!(said.starts_with(name), "{said}");
    }
}

#[test]
fn backward_of_what_depends_on_nothing_is_an_error() {
    let (params, w, mut grads) = one(&[0.0_f32]);
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let stopped = t.param(w).stop_gradient().sum();
    let constant = t.constant([2], &[1.0, 2.0]).square().sum();
    for root in [stopped, constant] {
        assert!(!root.has_gradient());
        let said = message(|| root.backward(&mut grads));
        let parts = ["no input and no parameter", "stop_gradient", "sum []", file!()];
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(catch_unwind(AssertUnwindSafe(|| root.sweep())).is_err());
    }
    assert!((constant * t.param(w).sum()).has_gradient());
    (constant * t.param(w).sum()).backward(&mut grads);
    assert_eq!(grads.get(w), [5.0]);
}
