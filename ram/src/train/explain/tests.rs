//! Tests of the explanation of a training step.

use super::*;
use crate::config::Base;
use crate::train::learner::Learner;

const SETS: [&str; 4] = ["data.train=96", "data.validation=10", "train.batch=48", "model.hidden=32"];

fn config(base: Base, sets: &[&str]) -> Config {
    let sets: Vec<String> = SETS.iter().chain(sets).map(|set| (*set).to_owned()).collect();
    Config::load(base, &sets).unwrap()
}

/// The demo's task with the paper's loss.
fn papers(sets: &[&str]) -> Config {
    let plain = [
        "loss.reward=argmax",
        "loss.returns=episode",
        "loss.discount=1",
        "loss.baseline=learned",
        "loss.location_weight=1",
        "loss.location_into_core=false",
        "loss.early_weight=0",
    ];
    config(Base::Preset("demo"), &[&plain[..], sets].concat())
}

/// A configuration for every kind of step.
fn all() -> Vec<Config> {
    let demo = |sets: &[&str]| papers(sets);
    vec![
        demo(&[]),
        config(Base::Preset("demo"), &[]),
        demo(&["policy.mean=tanh", "model.core=lstm", "loss.kind=reinforce"]),
        demo(&["policy.mean=linear", "loss.reward=sampled", "policy.locations=blind", "model.retina=bilinear"]),
        demo(&["policy.grid=3", "loss.location_into_core=true"]),
        demo(&["loss.baseline=leave-one-out", "train.samples=3"]),
        demo(&["loss.baseline=none"]),
        demo(&["train.samples=2"]),
        demo(&["policy.locations=random"]),
        demo(&["policy.locations=centre"]),
        demo(&["model.glimpses=1"]),
        demo(&["policy.first=learned", "policy.mean=inside", "loss.baseline=informed", "loss.reward=probability"]),
        demo(&["policy.first=inside", "policy.locations=oracle"]),
        demo(&["loss.reward=log-probability"]),
        demo(&["model.kind=fc"]),
        demo(&["model.kind=conv"]),
        config(Base::Experiment("catch"), &[]),
        config(Base::Experiment("catch"), &["loss.entropy_weight=0", "policy.grid=2", "loss.returns=to-go"]),
    ]
}

#[test]
fn the_lines_that_are_named_are_there_and_compute() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for config in all() {
        let explanation = explain(&config, None, None).unwrap();
        let places = (explanation.variables.iter().map(|variable| (variable.symbol.as_str(), &variable.place)))
            .chain(explanation.terms.iter().map(|term| (term.name, &term.place)))
            .chain(explanation.parameters.iter().map(|parameter| (parameter.name.as_str(), &parameter.place)));
        for (name, place) in places {
            assert!(place.line > 0, "{name}: {:?} is not in {}", place.code, place.file);
            let text = std::fs::read_to_string(root.join(place.file)).unwrap();
            let line = text.lines().nth(place.line - 1).unwrap();
            assert!(
                line.contains(&place.code) && !line.trim_start().starts_with("//"),
                "{name}: {place:?} is {line:?}"
            );
            let tests = text.find("#[cfg(test)]").map_or(usize::MAX, |at| text[..at].lines().count());
            assert!(place.line < tests, "{name}: {place:?} is in a test");
        }
    }
}

#[test]
fn it_is_the_step_that_training_makes() {
    for config in all() {
        let explanation = explain(&config, None, None).unwrap();
        let task = tasks::named(&config).unwrap();
        let mut data = task.training(&config, None).unwrap();
        let steps = data.batches.steps();
        let mut learner = Learner::new(&config, task, [data.channels, data.outputs.len()]);
        data.batches.begin(0, 0);
        let losses = learner.step(data.batches.next_batch().unwrap().unwrap(), 0, rates(&config, 0, steps));
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-4 * b.abs().max(1e-3);
        let term = |name: &str| explanation.terms.iter().find(|term| term.name == name).map_or(0.0, |term| term.value);
        assert!(near(explanation.grad_norm, losses.grad_norm), "{} {}", explanation.grad_norm, losses.grad_norm);
        assert!(near(term("class"), losses.classification) && near(term("location"), losses.location));
        assert!(near(term("baseline"), losses.baseline));
        let by_symbol = |symbol: &str| explanation.variables.iter().find(|variable| variable.symbol == symbol).unwrap();
        assert!(near(by_symbol("L").mean, losses.total) && near(by_symbol("R").mean, losses.reward));
    }
}

#[test]
fn early_answers_are_told_and_refused_without_labels() {
    let told = explain(&config(Base::Preset("demo"), &[]), None, None).unwrap();
    assert!(told.terms[0].equation.ends_with("and 0.3 times its mean after earlier glimpses"), "{:?}", told.terms[0]);
    for (set, part) in
        [("loss.early_weight=0.5", "loss.early_weight is 0.5"), ("loss.returns=to-go", "loss.returns is to-go")]
    {
        let error = explain(&papers(&["loss.kind=reinforce", set]), None, None).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn gradients_come_from_where_the_paper_says() {
    let explanation = explain(&papers(&[]), None, None).unwrap();
    assert_eq!(explanation.terms.iter().map(|term| term.name).collect::<Vec<_>>(), ["class", "location", "baseline"]);
    for parameter in &explanation.parameters {
        let expected: [bool; 3] = match parameter.name.split('.').next().unwrap() {
            "location" => [false, true, false],
            "baseline" => [false, false, true],
            // Only the class trains the core and the glimpse network, as in the paper.
            _ => [true, false, false],
        };
        let found: Vec<bool> = parameter.by_term.iter().map(|&norm| norm > 0.0).collect();
        assert_eq!(found, expected, "{}", parameter.name);
        // Each parameter gets its gradient from one term only.
        let whole = parameter.by_term.iter().sum::<f64>();
        assert!((whole - parameter.gradient).abs() <= 1e-6 * whole, "{}", parameter.name);
    }
    let into_core = explain(&papers(&["loss.location_into_core=true"]), None, None).unwrap();
    let core = into_core.parameters.iter().find(|parameter| parameter.name == "core.glimpse.weight").unwrap();
    assert!(core.by_term[0] > 0.0 && core.by_term[1] > 0.0 && core.by_term[2] == 0.0);
}

#[test]
fn locations_as_drawn_are_constants_and_steps_have_numbers() {
    let explanation = explain(&papers(&[]), None, None).unwrap();
    let of = |symbol: &str| explanation.variables.iter().find(|variable| variable.symbol == symbol).unwrap();
    assert_eq!((of("l₀").gradient, of("l₁").gradient, of("l₁").shape.clone()), (None, None, vec![48, 2]));
    assert!(of("μ₁").gradient.unwrap() > 0.0 && of("h₄").gradient.unwrap() > 0.0);
    // log π(l) has the slope −(R − b)/M, b being 0 at first: its norm is √(Σ R²)/M.
    let reward = of("R");
    let expected = (reward.mean * 48.0).sqrt() / 48.0;
    assert!((of("log π(l₁)").gradient.unwrap() - expected).abs() < 1e-6, "{expected}");
    assert_eq!(explanation.variables.last().unwrap().gradient, Some(1.0));
    assert_eq!(subscript(10), "₁₀");
}

/// Rₜ − bₜ is read off the gradient, so it is what the step multiplies: with the paper's loss it is R, as b is 0 at first.
#[test]
fn episodes_are_told_with_what_eq_2_multiplies() {
    let told = explain(&papers(&["train.batch=96"]), None, None).unwrap();
    let rewards: Vec<f64> = told.episodes.iter().map(|episode| episode.reward).collect();
    assert_eq!(rewards, [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(told.episodes[0].number, told.example);
    for episode in &told.episodes {
        assert_eq!(episode.choices.len(), told.glimpses - 1);
        assert!(episode.class.is_some());
        for (i, choice) in episode.choices.iter().enumerate() {
            assert_eq!((choice.step, choice.chosen.len(), choice.features.len()), (i + 1, 2, 3));
            assert!((choice.advantage - episode.reward).abs() < 1e-6, "{choice:?}");
            assert_eq!(choice.baseline, Some(0.0));
            assert!((choice.ret.unwrap() - episode.reward).abs() < 1e-6 && choice.features_gradient > 0.0);
        }
    }
    // Of three samples, bⁱ is the mean of the two others.
    let sampled =
        explain(&papers(&["loss.baseline=leave-one-out", "train.samples=3", "train.batch=32"]), None, None).unwrap();
    for choice in sampled.episodes.iter().flat_map(|episode| &episode.choices) {
        let b = choice.baseline.unwrap();
        assert!([0.0, 0.5, 1.0].iter().any(|x| (b - x).abs() < 1e-6), "{choice:?}");
    }
    // A game's choices are its actions.
    let game = explain(&config(Base::Experiment("catch"), &[]), None, None).unwrap();
    assert!(game.episodes.iter().all(|episode| episode.choices.len() == game.glimpses && episode.class.is_none()));
    let number_of_term = |explanation: &Explanation| explanation.terms.last().unwrap().equation.clone();
    assert_eq!(number_of_term(&told), format!("1/(M·{}) Σᵢ Σₜ (Rₜⁱ − bₜⁱ)²", told.glimpses - 1));
    assert_eq!(number_of_term(&game), format!("1/(M·{}) Σᵢ Σₜ (Rₜⁱ − bₜⁱ)²", game.glimpses));
}
