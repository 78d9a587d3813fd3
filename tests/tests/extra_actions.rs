//! The extra actions of Sec. 5, to stop and to choose a zoom: eq. (2) with one more choice is the gradient of the expected reward,
//! exactly; which parameters learn it; what has stopped costs nothing and changes nothing; and the bits.

use std::sync::atomic::AtomicBool;

use autograd::gradcheck::gradcheck;
use autograd::{Grads, Params, Recording, Shape, Tape, Var, math};
use ram::config::{Canvas, Config, Returns, Reward, Source};
use ram::evaluate::evaluator::evaluate_on;
use ram::evaluate::stopping::{Rule as StopRule, Stopping, compare};
use ram::evaluate::trace::Tracer;
use ram::evaluate::trained::Trained;
use ram::losses::{LossTerms, Objective};
use ram::model::stop::{bernoulli_log_prob, log_odds};
use ram::model::zoom::{one_hot, with_zoom};
use ram::model::{
    Agent, CoreKind, Decisions, Draws, Episode, First, Images, Labelled, Locations, Mean, Mode, Steps, Stop, Zoom,
    Zooms,
};
use ram::network::agent_options;
use ram::reinforce::BaselineKind;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::tasks::classify::{hybrid_loss, reinforce_loss};
use ram::train::trainer::Trainer;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tests::{
    assert_gradients, assert_same, kernel_paths, layers, on_path, over_ways, reached, redraw, softmax, uniforms,
};

const SIDE: usize = 9;
const CLASSES: usize = 3;
const IMAGES: usize = 2;
const LABELS: [usize; IMAGES] = [1, 0];
const PRICE: f64 = 0.07;
/// The most glimpses.
const N: usize = 3;

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + math::exp(-z))
}

#[test]
fn the_log_probability_of_stopping_has_its_gradient_and_holds_far_out() {
    let none = Params::new();
    for stops in [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0]] {
        gradcheck(move |t, x| bernoulli_log_prob(t.constant([4], &stops), x[0]), &none, &[Shape::new(&[4])], 5);
    }
    let mut tape = Tape::<f64>::new();
    let t = tape.begin(&none);
    // ln σ(0) = −ln 2; ln σ(±ln 3) = ln ¾, ln ¼; far out, ln σ(−z) = −z and ln σ(z) = −exp(−z).
    let z = t.input([6], &[0.0, math::ln(3.0), math::ln(3.0), 800.0, -800.0, 40.0]);
    let y = bernoulli_log_prob(t.constant([6], &[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]), z);
    let expected = [-math::ln(2.0), math::ln(0.75), math::ln(0.25), -800.0, -800.0, -math::exp(-40.0)];
    assert!(y.value().iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-15), "{:?}", y.value());
    y.sum().backward(&mut none.zeros());
    let slopes = [0.5, 0.25, -0.75, -1.0, 1.0, 0.0];
    assert!(z.grad().iter().zip(slopes).all(|(g, e)| (g - e).abs() < 1e-15), "{:?}", z.grad());
}

#[test]
fn the_log_odds_of_the_answer_have_their_gradient_and_hold_far_out() {
    let none = Params::new();
    gradcheck(|_, x| log_odds(x[0]), &none, &[Shape::new(&[4, 5])], 6);
    let mut tape = Tape::<f64>::new();
    let t = tape.begin(&none);
    // ln(3/2), ln(½/½) of equal ones, and far out 800 and 0
    let rows = [[0.0, math::ln(3.0), 0.0], [1.0, 1.0, -800.0], [-800.0, 0.0, -800.0], [900.0, -900.0, 900.0]];
    let u = log_odds(t.constant([4, 3], rows.as_flattened()));
    let expected = [math::ln(1.5), 0.0, 800.0 - math::ln(2.0), 0.0];
    assert!(u.value().iter().zip(expected).all(|(u, e)| (u - e).abs() < 1e-12), "{:?}", u.value());
    assert_eq!(log_odds(t.constant([2, 1], &[3.0, -3.0])).to_vec(), [0.0, 0.0]);
}

#[test]
fn what_does_not_fit_together_is_told() {
    let told = |record: for<'t> fn(&'t Recording<'t, f64>)| -> String {
        let recorded = std::panic::catch_unwind(|| {
            let (mut tape, none) = (Tape::new(), Params::new());
            let t = tape.begin(&none);
            record(&t);
        });
        *recorded.expect_err("it does not fit").downcast().expect("a message")
    };
    let choices = told(|t| {
        bernoulli_log_prob(t.zeros([2]), t.zeros([3]));
    });
    assert!(choices.contains("bernoulli_log_prob: a choice is needed for each of the log-odds"), "{choices}");
    let logits: [for<'t> fn(&'t Recording<'t, f64>); 3] =
        [|t| _ = log_odds(t.zeros([4])), |t| _ = log_odds(t.zeros([2, 3, 1])), |t| _ = log_odds(t.zeros([2, 0]))];
    for record in logits {
        let logits = told(record);
        assert!(logits.contains("log_odds: logits [batch, classes] are needed"), "{logits}");
    }
}

/// A place is its location and one of the zooms; and each way to choose a zoom has the name that configurations have for it.
#[test]
fn zooms_are_numbered_and_ways_to_choose_them_named() {
    let (mut tape, none) = (Tape::<f64>::new(), Params::new());
    let t = tape.begin(&none);
    let zooms = t.constant([3], &[2.0, 0.0, 1.0]);
    let places = with_zoom(t.constant([3, 2], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), zooms);
    let expected = [[0.1, 0.2, 0.0, 0.0, 1.0], [0.3, 0.4, 1.0, 0.0, 0.0], [0.5, 0.6, 0.0, 1.0, 0.0]];
    assert_eq!(one_hot(places, 3).to_vec(), expected.as_flattened());
    let zooms = Zooms { zooms: [zooms].into_iter().collect(), logits: Steps::new(), log_probs: Steps::new() };
    assert_eq!([0, 1, 2].map(|i| zooms.zoom(0, i)), [2, 0, 1]);
    for zoom in [Zoom::Learned, Zoom::Random, Zoom::Oracle] {
        assert_eq!(serde_json::to_value(zoom).unwrap(), zoom.name());
    }
}

/// What is learned by, and so what is rewarded, less the price of the glimpses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Pure,
    Hybrid(Reward),
}

struct Problem {
    agent: Agent,
    params: Params<f64>,
    pixels: Vec<u8>,
    returns: Returns,
}

/// A way to look at an image: after glimpses 1 and 2 it stops or chooses one of four points and a zoom, and then names a class.
#[derive(Clone, Copy, Debug)]
struct Way {
    image: usize,
    /// How many glimpses it takes; N before that is chosen.
    glimpses: usize,
    points: [usize; N - 1],
    zooms: [usize; N - 1],
    class: usize,
    /// The numbers by which stops, points, zooms and the class are drawn.
    stop: [f64; N - 1],
    point: [f64; N - 1],
    zoom: [f64; N - 1],
    named: f64,
}

impl Problem {
    fn new(change: impl FnOnce(&mut Config)) -> Problem {
        let mut config = Config::default();
        config.policy.grid = 2;
        config.policy.stop = Stop::Learned;
        change(&mut config);
        config.model.glimpses = N;
        (config.model.patch, config.model.scales, config.model.core) = (4, 1, CoreKind::Lstm);
        (config.model.features, config.model.glimpse_features, config.model.hidden) = (5, 6, 4);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut params = Params::new();
        let agent = Agent::new(&mut params, agent_options(&config, Decisions::Last), 1, CLASSES, &mut rng);
        redraw(&mut params, 1.0, &mut rng);
        let pixels = (0..IMAGES * SIDE * SIDE).map(|_| rng.random()).collect();
        Problem { agent, params, pixels, returns: config.loss.returns }
    }

    fn look<T>(&self, params: &Params<f64>, ways: &[Way], with: impl FnOnce(&Episode<f64>, &Draws<f64>) -> T) -> T {
        let firsts = [[-0.6, 0.3], [0.2, 0.5]];
        let draws = Draws {
            mode: Mode::Sample,
            first: ways.iter().flat_map(|way| firsts[way.image]).collect(),
            noise: (0..N - 1).flat_map(|t| ways.iter().flat_map(move |way| [way.point[t], 0.0])).collect(),
            class: ways.iter().map(|way| way.named).collect(),
            stop: (0..N - 1).flat_map(|t| ways.iter().map(move |way| way.stop[t])).collect(),
            zoom: (0..N - 1).flat_map(|t| ways.iter().map(move |way| way.zoom[t])).collect(),
        };
        let image = |way: &Way| &self.pixels[way.image * SIDE * SIDE..][..SIDE * SIDE];
        let pixels: Vec<u8> = ways.iter().flat_map(image).copied().collect();
        let mut tape = Tape::new();
        let t = tape.begin(params);
        let images = Images::Pixels { data: &pixels, shape: Shape::new(&[ways.len(), 1, SIDE, SIDE]) };
        with(&self.agent.look(&t, Labelled { images, labels: &labels(ways) }, &draws), &draws)
    }

    fn loss<T>(&self, ways: &[Way], rule: Rule, baseline: BaselineKind, with: impl FnOnce(&LossTerms<f64>) -> T) -> T {
        let objective = Objective {
            location_weight: 1.0,
            baseline_weight: 0.0,
            baseline,
            samples: ways.len(),
            returns: self.returns,
            glimpse_price: PRICE,
            ..Objective::default()
        };
        let labels = labels(ways);
        self.look(&self.params, ways, |episode, draws| {
            with(&match rule {
                Rule::Pure => reinforce_loss(episode, &labels, &objective, &draws.class, ways.len()),
                Rule::Hybrid(reward) => hybrid_loss(episode, &labels, &objective, reward, &draws.class, ways.len()),
            })
        })
    }

    /// Replaces each way that `goes_on` names by one for each value of a choice, whose log-odds `logits` are.
    fn branch(
        &self,
        ways: Vec<Way>,
        goes_on: impl Fn(&Way) -> bool,
        logits: impl Fn(&Episode<f64>, usize) -> Vec<f64>,
        set: impl Fn(&mut Way, usize, f64),
    ) -> Vec<Way> {
        let logits: Vec<Vec<f64>> =
            self.look(&self.params, &ways, |episode, _| (0..ways.len()).map(|i| logits(episode, i)).collect());
        let branches = |(way, logits): (&Way, &Vec<f64>)| match goes_on(way) {
            false => vec![*way],
            true => {
                let mut all = vec![*way; logits.len()];
                all.iter_mut().zip(uniforms(logits)).enumerate().for_each(|(i, (way, u))| set(way, i, u));
                all
            }
        };
        ways.iter().zip(&logits).flat_map(branches).collect()
    }

    /// Every way to look at an image and to name its class.
    fn ways(&self, image: usize) -> Vec<Way> {
        let (first, half) = ([0; N - 1], [0.5; N - 1]);
        let (points, zooms, stop, point, zoom) = (first, first, [1.0; N - 1], half, half);
        let way = Way { image, glimpses: N, points, zooms, class: 0, stop, point, zoom, named: 0.5 };
        let (plan, mut ways) = (self.agent.plan(), vec![way]);
        for t in 0..N - 1 {
            // Value 0 goes on, and 1 stops; an input stops where its number is below the probability.
            let z = |episode: &Episode<f64>, i: usize| episode.stops.as_ref().unwrap().logits[t].value()[i];
            let goes_on = |way: &Way| way.glimpses == N;
            if plan.stops {
                let set = |way: &mut Way, stops, _| {
                    (way.glimpses, way.stop[t]) = if stops == 1 { (t + 1, 0.0) } else { (N, 1.0) };
                };
                ways = self.branch(ways, goes_on, |episode, i| vec![0.0, z(episode, i)], set);
            }
            if plan.zooms > 1 {
                let logits = |e: &Episode<f64>, i: usize| row(e.zooms.as_ref().unwrap().logits[t], i);
                let set = |way: &mut Way, zoom, u| (way.zooms[t], way.zoom[t]) = (zoom, u);
                ways = self.branch(ways, goes_on, logits, set);
            }
            ways = self.branch(
                ways,
                goes_on,
                |episode, i| row(episode.means[t], i),
                |way, point, u| {
                    (way.points[t], way.point[t]) = (point, u);
                },
            );
        }
        let ways = self.branch(
            ways,
            |_| true,
            |e, i| row(e.last_decision(), i),
            |way, class, u| {
                (way.class, way.named) = (class, u);
            },
        );
        let (stops, choices) = (if plan.stops { CLASSES } else { 0 }, 4 * plan.zooms);
        assert_eq!(ways.len(), stops + choices * (stops + choices * CLASSES));
        ways
    }

    /// How likely each of the ways is, and what it earns.
    fn rewards(&self, params: &Params<f64>, ways: &[Way], rule: Rule) -> Vec<(f64, f64)> {
        self.look(params, ways, |episode, _| {
            let reward = |(i, way): (usize, &Way)| {
                let mut p = softmax(&row(episode.last_decision(), i))[way.class];
                for t in 0..way.glimpses.min(N - 1) {
                    let stops = way.glimpses == t + 1;
                    if let Some(chosen) = &episode.stops {
                        let stop = sigmoid(chosen.logits[t].value()[i]);
                        p *= if stops { stop } else { 1.0 - stop };
                    }
                    if !stops {
                        p *= softmax(&row(episode.means[t], i))[way.points[t]];
                        p *= episode.zooms.as_ref().map_or(1.0, |z| softmax(&row(z.logits[t], i))[way.zooms[t]]);
                    }
                }
                assert!(episode.stops.as_ref().is_none_or(|stops| stops.count().value()[i] == way.glimpses as f64));
                // Only where it may stop does a glimpse cost anything.
                let price = if episode.stops.is_some() { PRICE } else { 0.0 };
                let (classes, label) = (row(episode.last_decision(), i), LABELS[way.image]);
                let one = |right: bool| f64::from(u8::from(right));
                let earned = match rule {
                    Rule::Pure | Rule::Hybrid(Reward::Sampled) => one(way.class == label),
                    Rule::Hybrid(Reward::Argmax) => one(classes.iter().all(|&x| x <= classes[label])),
                    Rule::Hybrid(Reward::Probability) => softmax(&classes)[label],
                    Rule::Hybrid(Reward::LogProbability) => math::ln(softmax(&classes)[label]),
                };
                (p, earned - price * way.glimpses as f64)
            };
            ways.iter().enumerate().map(reward).collect()
        })
    }

    /// The mean over images and their ways of the estimate of ∇J that `term` makes; to leave one out, over all pairs of ways.
    fn estimate(&self, rule: Rule, baseline: BaselineKind, term: Term) -> Grads<f64> {
        let mut mean = self.params.zeros();
        let mut add = |ways: &[Way], p: f64, reward: f64| {
            self.loss(ways, rule, baseline, |loss| {
                let found = loss.reward.value()[0];
                assert!((found - reward).abs() < 1e-12, "{:?}: {found}, not {reward}", ways[0]);
                term(loss).scale(-p / IMAGES as f64).backward(&mut mean);
            });
        };
        for image in 0..IMAGES {
            let ways = self.ways(image);
            let rewards = self.rewards(&self.params, &ways, rule);
            over_ways(&ways, &rewards, baseline == BaselineKind::LeaveOneOut, &mut add);
        }
        mean
    }

    fn check(&self, kinds: &[BaselineKind], rule: Rule, term: Term, is_checked: impl Fn(&str) -> bool) {
        let found: Vec<_> = kinds.iter().map(|&baseline| self.estimate(rule, baseline, term)).collect();
        let ways: Vec<Way> = (0..IMAGES).flat_map(|image| self.ways(image)).collect();
        let j = |params: &Params<f64>| -> f64 {
            self.rewards(params, &ways, rule).iter().map(|(p, reward)| p * reward).sum::<f64>() / IMAGES as f64
        };
        let probability: f64 = self.rewards(&self.params, &ways, rule).iter().map(|(p, _)| p).sum();
        assert!((probability - IMAGES as f64).abs() < 1e-12, "all ways of each image: {probability}");
        assert_gradients(&self.params, &found, is_checked, j);
    }
}

type Term = for<'l, 't> fn(&'l LossTerms<'t, f64>) -> Var<'t, f64>;

const KINDS: [&[BaselineKind]; 2] =
    [&[BaselineKind::Learned, BaselineKind::None, BaselineKind::LeaveOneOut], &[BaselineKind::Informed]];

fn labels(ways: &[Way]) -> Vec<u32> {
    ways.iter().map(|way| LABELS[way.image] as u32).collect()
}

fn row(logits: Var<f64>, i: usize) -> Vec<f64> {
    let columns = logits.shape().columns();
    logits.value()[i * columns..][..columns].to_vec()
}

/// What an agent may choose besides locations: when to stop, and one of how many zooms.
const EXTRA: [(Stop, usize); 3] = [(Stop::Learned, 1), (Stop::Never, 2), (Stop::Learned, 2)];

#[test]
fn with_extra_actions_pure_reinforce_estimates_the_gradient_of_the_expected_reward() {
    // Several zooms have many ways: one baseline is enough for them.
    let one = [&KINDS[0][..1]];
    let cases = EXTRA.iter().flat_map(|extra| {
        let all = if extra.1 > 1 { &one[..] } else { &KINDS };
        all.iter().map(move |kinds| (*extra, *kinds))
    });
    for (extra, kinds) in cases {
        let problem = Problem::new(|config| {
            (config.loss.location_into_core, config.loss.baseline) = (true, kinds[0]);
            (config.policy.stop, config.policy.zooms) = extra;
        });
        problem.check(kinds, Rule::Pure, |loss| loss.total, |name| !name.starts_with("baseline"));
    }
}

/// The term of stops, locations and zooms, whatever is rewarded, and whether a choice is blamed for all that is earned or for what
/// comes after.
#[test]
fn with_extra_actions_the_hybrid_loss_estimates_it_too() {
    let returns = [Returns::Episode, Returns::ToGo];
    let cases = EXTRA.into_iter().flat_map(|extra| {
        // Where it looks does not change the most likely class of this problem, but when it stops changes the price.
        let rewards =
            [if extra.0 == Stop::Learned { Reward::Argmax } else { Reward::LogProbability }, Reward::Probability];
        rewards.into_iter().flat_map(move |reward| returns.map(|returns| (extra, reward, returns)))
    });
    for (extra, reward, returns) in cases {
        let kinds = if extra.1 > 1 { &KINDS[..1] } else { &KINDS[..] };
        for kinds in kinds {
            let problem = Problem::new(|config| {
                (config.loss.baseline, config.loss.returns) = (kinds[0], returns);
                (config.policy.stop, config.policy.zooms) = extra;
            });
            let kinds = if extra.1 > 1 { &kinds[..1] } else { kinds };
            let chooses = |name: &str| ["location", "stop", "zoom"].iter().any(|prefix| name.starts_with(prefix));
            problem.check(kinds, Rule::Hybrid(reward), |loss| loss.location.expect("choices"), chooses);
        }
    }
}

/// An episode of `batch` images whose stops these uniform numbers draw.
fn episode<T>(problem: &Problem, stop: &[f64], with: impl FnOnce(&Episode<f64>, &[u32]) -> T) -> T {
    let batch = stop.len() / (N - 1);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut numbers = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(0.0..1.0)).collect() };
    let (first, noise) = (numbers(2 * batch), numbers(2 * batch * (N - 1)));
    let zoom = numbers(batch * (N - 1));
    let draws = Draws { first, noise, class: vec![0.5; batch], stop: stop.to_vec(), zoom, mode: Mode::Sample };
    let pixels: Vec<u8> = (0..batch * SIDE * SIDE).map(|_| rng.random()).collect();
    let labels: Vec<u32> = (0..batch as u32).map(|i| i % CLASSES as u32).collect();
    let mut tape = Tape::new();
    let t = tape.begin(&problem.params);
    let images = Images::Pixels { data: &pixels, shape: Shape::new(&[batch, 1, SIDE, SIDE]) };
    with(&problem.agent.look(&t, Labelled { images, labels: &labels }, &draws), &labels)
}

/// Uniform numbers by which image i of 4 stops after glimpse i, if after any: those of the last two take all three.
const STOPS: [f64; 8] = [0.0, 1.0, 1.0, 1.0, 0.5, 0.0, 1.0, 1.0];

#[test]
fn the_location_term_teaches_the_extra_actions_and_the_class_term_does_not() {
    let seeing = ["glimpse.retina", "glimpse.location", "glimpse.hg", "glimpse.hl", "core.input", "core.hidden"];
    let cases =
        [Locations::Learned, Locations::Random].into_iter().flat_map(|locations| [1, 2].map(|k| (locations, k)));
    for (locations, zooms) in cases {
        let problem = Problem::new(|config| (config.policy.locations, config.policy.zooms) = (locations, zooms));
        let objective = Objective { glimpse_price: PRICE, ..Objective::default() };
        episode(&problem, &STOPS, |episode, labels| {
            assert_eq!(episode.stops.as_ref().unwrap().count().to_vec(), [1.0, 2.0, 3.0, 3.0]);
            let loss = hybrid_loss(episode, labels, &objective, Reward::Argmax, &[], 4);
            let learned = if locations == Locations::Learned { &["location"][..] } else { &[] };
            let zoom = if zooms > 1 { &["zoom"][..] } else { &[] };
            let choosing = [&["stop.features", "stop.logit"], learned, zoom].concat();
            assert_eq!(reached(&problem.params, loss.location.unwrap()), layers(&choosing), "{locations:?}");
            let class = reached(&problem.params, loss.classification);
            assert_eq!(class, &layers(&seeing) | &layers(&["action"]), "{locations:?}");
            assert_eq!(reached(&problem.params, loss.baseline.unwrap()), layers(&["baseline"]), "{locations:?}");
            // The entropy of the zooms is rewarded beside the class, and teaches nothing but the zoom.
            let objective = Objective { entropy_weight: 0.1, ..objective };
            for loss in [
                hybrid_loss(episode, labels, &objective, Reward::Argmax, &[], 4),
                reinforce_loss(episode, labels, &objective, &[0.5; 4], 4),
            ] {
                let class = reached(&problem.params, loss.classification);
                assert_eq!(class, &(&layers(&seeing) | &layers(&["action"])) | &layers(zoom), "{locations:?}");
            }
        });
    }
}

/// The loss of a batch written out image by image: each image counts the choices that it had.
#[test]
fn each_image_counts_the_choices_that_it_had() {
    let problem = Problem::new(|config| (config.loss.early_weight, config.policy.zooms) = (0.5, 3));
    let objective = Objective {
        glimpse_price: PRICE,
        early_weight: 0.5,
        entropy_weight: 0.3,
        returns: Returns::ToGo,
        ..Objective::default()
    };
    episode(&problem, &STOPS, |episode, labels| {
        let loss = hybrid_loss(episode, labels, &objective, Reward::Probability, &[], 4);
        let stops = episode.stops.as_ref().unwrap();
        let taken = stops.count().to_vec();
        let at = |var: Var<f64>, i: usize| var.value()[i];
        let nats = |t: usize, i: usize| -math::ln(softmax(&row(episode.decisions[t], i))[labels[i] as usize]);
        let (mut class, mut choices, mut baseline) = (0.0, 0.0, 0.0);
        for i in 0..4 {
            let last = taken[i] as usize;
            class += nats(N - 1, i) / 4.0;
            assert_eq!(nats(N - 1, i), nats(last - 1, i), "it answers from the state at which it stopped");
            for t in 0..last.min(N - 1) {
                let goes_on = t + 1 < last;
                class += if goes_on { 0.5 * nats(t, i) / 8.0 } else { 0.0 };
                let z = at(stops.logits[t], i);
                let mut log_prob = math::ln(sigmoid(if goes_on { -z } else { z }));
                let zooms = episode.zooms.as_ref().unwrap();
                // What goes on chooses a zoom, and that is rewarded by its entropy: −0.3·H.
                let entropy = -softmax(&row(zooms.logits[t], i)).iter().map(|p| p * math::ln(*p)).sum::<f64>();
                class -= if goes_on { 0.3 * entropy / 4.0 } else { 0.0 };
                log_prob += if goes_on { at(zooms.log_probs[t], i) } else { 0.0 };
                log_prob += if goes_on { at(episode.location_log_probs[t], i) } else { 0.0 };
                // Rₜ = V_T − Vₜ − price·(T − t)
                let value = |t: usize| math::exp(-nats(t, i));
                let r = value(last - 1) - value(t) - PRICE * (last - 1 - t) as f64;
                let b = at(episode.baselines[t], i);
                choices -= log_prob * (r - b) / 4.0;
                baseline += (r - b) * (r - b) / 8.0;
            }
            let reward = math::exp(-nats(N - 1, i)) - PRICE * last as f64;
            assert!((at(loss.reward, i) - reward).abs() < 1e-12);
        }
        for (found, expected) in
            [(loss.classification, class), (loss.location.unwrap(), choices), (loss.baseline.unwrap(), baseline)]
        {
            assert!((found.item() - expected).abs() < 1e-12, "{} is not {expected}", found.item());
        }
    });
}

/// What stops leaves the batch: the others see and feel what they would alone, and what has stopped keeps its state.
#[test]
fn stopping_changes_nothing_for_the_others() {
    for (core, zooms) in [(CoreKind::Lstm, 1), (CoreKind::Rect, 1), (CoreKind::Rect, 2)] {
        let problem = Problem::new(|config| (config.model.core, config.policy.zooms) = (core, zooms));
        let all = [1.0; 8];
        let whole: Vec<Vec<f64>> =
            episode(&problem, &all, |episode, _| episode.states.iter().map(|h| h.to_vec()).collect());
        episode(&problem, &STOPS, |episode, _| {
            let width = whole[0].len() / 4;
            for (i, taken) in [1, 2, 3, 3].into_iter().enumerate() {
                for t in 0..N {
                    let row = |values: &[f64]| values[i * width..][..width].to_vec();
                    let (found, last) = (row(&episode.states[t].value()), t.min(taken - 1));
                    assert_same("states", &found, &row(&whole[last]));
                    let seen = episode.glimpses[t].value()[i * 16..][..16].iter().any(|&x| x != 0.0);
                    assert_eq!(seen, t < taken, "image {i}, glimpse {}", t + 1);
                }
            }
        });
    }
}

fn config() -> Config {
    let mut config = Config { seed: 3, ..Config::default() };
    (config.data.source, config.data.canvas, config.data.size) = (Source::Digits, Canvas::Translated, 36);
    (config.data.train, config.data.validation, config.data.test) = (1000, 150, 10);
    (config.model.glimpses, config.model.scales, config.model.patch) = (5, 2, 8);
    (config.model.features, config.model.glimpse_features, config.model.hidden) = (24, 32, 32);
    (config.policy.stop, config.policy.mean, config.policy.first) = (Stop::Learned, Mean::Inside, First::Inside);
    config.policy.zooms = 2;
    (config.loss.glimpse_price, config.loss.reward, config.loss.returns) = (0.03, Reward::Probability, Returns::ToGo);
    (config.train.epochs, config.train.batch, config.optimiser.learning_rate) = (6, 50, 3e-3);
    config
}

fn trained_with(config: &Config, threads: usize) -> String {
    let mut trainer = Trainer::new(config.clone(), None, Some(threads)).unwrap();
    trainer.train(None, &AtomicBool::new(false), &mut ()).unwrap();
    trainer.weights_hash()
}

#[test]
fn neither_threads_nor_kernels_show_in_what_was_chosen() {
    let one = trained_with(&config(), 1);
    assert_eq!(one, trained_with(&config(), 3));
    for path in kernel_paths() {
        assert_eq!(on_path(path, "train_on_this_path"), format!("{path} {one}"));
    }
}

#[test]
#[ignore = "runs in a process of its own, for each path"]
fn train_on_this_path() {
    println!("RESULT {} {}", ram::kernel_path(), trained_with(&config(), 2));
}

/// A trained agent stops for real, and every figure of the comparison is what its episodes show.
#[test]
fn rules_are_compared_by_what_the_episodes_show() {
    let runs = tempfile::tempdir().unwrap();
    let config = config();
    let info = RunInfo::new("train", vec![], &config);
    let mut run = RunFolder::create(runs.path(), Name::Given("a"), &config, &info, Existing::Refuse).unwrap();
    let mut trainer = Trainer::new(config.clone(), None, Some(1)).unwrap();
    trainer.train(Some(&mut run), &AtomicBool::new(false), &mut ()).unwrap();
    let mut trained = Trained::of(&RunFolder::read(run.path(), Which::Last).unwrap()).unwrap();
    let examples = trained.examples(SplitName::Validation, None).unwrap();
    let rules = compare(&trained, &examples).unwrap();
    let learned = &rules[0];
    assert_eq!(learned.rule, StopRule::Learned);
    assert!(learned.taken.iter().filter(|&&count| count > 0).count() > 1, "this test could not fail: {learned:?}");
    assert!((1.2..4.8).contains(&learned.glimpses), "{learned:?}");

    // By the traces, image by image.
    let traces = Tracer::new(&trained).unwrap().trace(&examples, 0..150);
    let share = |count: usize| count as f64 / 150.0;
    assert_eq!(learned.error, share(traces.iter().filter(|trace| trace.right() == Some(false)).count()));
    for (t, &count) in learned.taken.iter().enumerate() {
        assert_eq!(count as usize, traces.iter().filter(|trace| trace.glimpses.len() == t + 1).count());
    }
    assert!(traces.iter().all(|trace| {
        let (last, earlier) = trace.glimpses.split_last().unwrap();
        let stopped = trace.glimpses.len() < 5;
        last.stop.is_none_or(|p| (p > 0.5) == stopped) && earlier.iter().all(|glimpse| glimpse.stop.unwrap() <= 0.5)
    }));

    let found = |rule: StopRule| rules.iter().find(|stopping| stopping.rule == rule).unwrap();
    for least in [0.8, 0.99] {
        trained.network.agent_mut().unwrap().stop_at(least);
        let real = evaluate_on(&config, trained.subject(), &examples, 1);
        let Stopping { error, ref taken, glimpses, .. } = *found(StopRule::Threshold(least));
        assert_eq!((real.error, &real.taken, real.mean_glimpses().unwrap()), (error, taken, glimpses), "{least}");
    }
    trained.network.agent_mut().unwrap().never_stop();
    let all = evaluate_on(&config, trained.subject(), &examples, 1);
    assert!(all.taken.is_empty() && all.mean_glimpses().is_none());
    for t in 1..=5 {
        assert_eq!(found(StopRule::Fixed(t)).error, all.error_after[t - 1]);
    }
    let oracle = found(StopRule::Oracle);
    assert!((1..=5).all(|t| oracle.error <= all.error_after[t - 1]));
    let matched = &rules[1];
    assert!(matches!(matched.rule, StopRule::Threshold(_)) && (matched.glimpses - learned.glimpses).abs() < 0.1);
    let expected: f64 = learned.taken.iter().zip(&all.error_after).map(|(&n, e)| f64::from(n) / 150.0 * e).sum();
    assert!((found(StopRule::Shuffled).error - expected).abs() < 1e-12);
}
