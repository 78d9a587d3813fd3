//! Classification: the estimates of eqs. (1) and (2) are the gradient of the expected reward, exactly. The world is so small that
//! every way to look at its images and to name their classes can be tried. `play.rs` does the same for a game.

use autograd::{Grads, Params, Shape, Tape, Var, math};
use ram::config::{Config, Returns, Reward};
use ram::losses::{LossTerms, Objective};
use ram::model::core::CoreKind;
use ram::model::{Agent, Decisions, Draws, Episode, First, Images, Labelled, Mode};
use ram::network::agent_options;
use ram::reinforce::BaselineKind;
use ram::tasks::classify::{hybrid_loss, reinforce_loss};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tests::{assert_gradients, over_ways, redraw, softmax, uniforms};

/// The side of an image in pixels, and how many classes there are.
const SIDE: usize = 9;
const CLASSES: usize = 3;

/// l₁, l₂ and the class; or l₀, l₁ and the class, with a policy that chooses l₀.
const CHOICES: usize = 3;

/// The images, one after the other, and their classes.
const IMAGES: usize = 2;
const LABELS: [usize; IMAGES] = [1, 0];

struct Problem {
    agent: Agent,
    params: Params<f64>,
    pixels: Vec<u8>,
    /// l₀ of each image.
    first: [[f64; 2]; IMAGES],
    returns: Returns,
}

/// A way to look at an image and to name its class.
#[derive(Clone, Copy)]
struct Way {
    image: usize,
    /// Two points of a grid of 2 × 2, and a class.
    chosen: [usize; CHOICES],
    /// The numbers by which they are drawn.
    uniforms: [f64; CHOICES],
}

/// What is learned by, and so what is rewarded: the class that was drawn (pure REINFORCE), the most likely one, or the
/// probability of the true one.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Pure,
    Hybrid(Reward),
}

/// The logits by which each of the ways makes a choice.
fn logits(episode: &Episode<f64>, choice: usize) -> Vec<Vec<f64>> {
    let locations = episode.first.iter().map(|first| first.mean).chain(episode.means.iter().copied());
    let logits = locations.chain([episode.last_decision()]).nth(choice).expect("as many choices");
    logits.value().chunks_exact(logits.shape().columns()).map(<[f64]>::to_vec).collect()
}

impl Problem {
    fn new(change: impl FnOnce(&mut Config)) -> Problem {
        let mut config = Config::default();
        change(&mut config);
        config.model.glimpses = if config.policy.first == First::Learned { 2 } else { 3 };
        (config.model.patch, config.model.scales, config.model.core) = (4, 1, CoreKind::Lstm);
        (config.model.features, config.model.glimpse_features, config.model.hidden) = (5, 6, 4);
        config.policy.grid = 2;
        let mut rng = ChaCha8Rng::seed_from_u64(15);
        let mut params = Params::new();
        let agent = Agent::new(&mut params, agent_options(&config, Decisions::Last), 1, CLASSES, &mut rng);
        redraw(&mut params, 1.0, &mut rng);
        let pixels = (0..IMAGES * SIDE * SIDE).map(|_| rng.random()).collect();
        Problem { agent, params, pixels, first: [[-0.6, 0.3], [0.2, 0.5]], returns: config.loss.returns }
    }

    fn look<T>(&self, params: &Params<f64>, ways: &[Way], with: impl FnOnce(&Episode<f64>, &Draws<f64>) -> T) -> T {
        let numbers = |choice: usize| ways.iter().map(move |way| way.uniforms[choice]);
        let noise = |choice| numbers(choice).flat_map(|u| [u, 0.0]);
        let given = ways.iter().flat_map(|way| self.first[way.image]).collect();
        let chooses_first = self.agent.plan().first == First::Learned;
        let draws = Draws {
            mode: Mode::Sample,
            first: if chooses_first { noise(0).collect() } else { given },
            noise: if chooses_first { noise(1).collect() } else { noise(0).chain(noise(1)).collect() },
            class: numbers(2).collect(),
            ..Draws::default()
        };
        let image = |way: &Way| &self.pixels[way.image * SIDE * SIDE..][..SIDE * SIDE];
        let pixels: Vec<u8> = ways.iter().flat_map(image).copied().collect();
        let mut tape = Tape::new();
        let t = tape.begin(params);
        let images = Images::Pixels { data: &pixels, shape: Shape::new(&[ways.len(), 1, SIDE, SIDE]) };
        let world = Labelled { images, labels: &labels(ways) };
        with(&self.agent.look(&t, world, &draws), &draws)
    }

    /// The loss of these ways, each compared with the others where `baseline` says so.
    fn loss<T>(&self, ways: &[Way], rule: Rule, baseline: BaselineKind, with: impl FnOnce(&LossTerms<f64>) -> T) -> T {
        let episodes = ways.len();
        let objective = Objective {
            location_weight: 1.0,
            baseline_weight: 0.0,
            baseline,
            samples: episodes,
            returns: self.returns,
            ..Objective::default()
        };
        let labels = labels(ways);
        self.look(&self.params, ways, |episode, draws| {
            with(&match rule {
                Rule::Pure => reinforce_loss(episode, &labels, &objective, &draws.class, episodes),
                Rule::Hybrid(reward) => hybrid_loss(episode, &labels, &objective, reward, &draws.class, episodes),
            })
        })
    }

    /// Every way to look at an image and to name its class.
    fn ways(&self, image: usize) -> Vec<Way> {
        let mut ways = vec![Way { image, chosen: [0; CHOICES], uniforms: [0.5; CHOICES] }];
        for choice in 0..CHOICES {
            let logits = self.look(&self.params, &ways, |episode, _| logits(episode, choice));
            let choices = |(way, logits): (&Way, &Vec<f64>)| {
                let mut ways = vec![*way; logits.len()];
                for (chosen, (way, u)) in ways.iter_mut().zip(uniforms(logits)).enumerate() {
                    (way.chosen[choice], way.uniforms[choice]) = (chosen, u);
                }
                ways
            };
            ways = ways.iter().zip(&logits).flat_map(choices).collect();
        }
        assert_eq!(ways.len(), 4 * 4 * CLASSES);
        ways
    }

    /// How likely each of the ways is, and its reward.
    fn rewards(&self, params: &Params<f64>, ways: &[Way], rule: Rule) -> Vec<(f64, f64)> {
        self.look(params, ways, |episode, _| {
            let logits = [0, 1, 2].map(|choice| logits(episode, choice));
            let reward = |(i, way): (usize, &Way)| {
                let p: f64 = (0..CHOICES).map(|choice| softmax(&logits[choice][i])[way.chosen[choice]]).product();
                let (classes, label) = (&logits[2][i], LABELS[way.image]);
                let one = |right: bool| f64::from(u8::from(right));
                let reward = match rule {
                    Rule::Pure | Rule::Hybrid(Reward::Sampled) => one(way.chosen[2] == label),
                    Rule::Hybrid(Reward::Argmax) => one(classes.iter().all(|&x| x <= classes[label])),
                    Rule::Hybrid(Reward::Probability) => softmax(classes)[label],
                    Rule::Hybrid(Reward::LogProbability) => math::ln(softmax(classes)[label]),
                };
                (p, reward)
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
                assert!((found - reward).abs() < 1e-12, "{:?}: {found}, not {reward}", ways[0].chosen);
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

    /// Checks the estimate of `term` by each kind of baseline against the gradient of J by the parameters that `is_checked` names.
    fn check(&self, kinds: &[BaselineKind], rule: Rule, term: Term, is_checked: impl Fn(&str) -> bool) {
        let found: Vec<_> = kinds.iter().map(|&baseline| self.estimate(rule, baseline, term)).collect();
        let ways: Vec<Way> = (0..IMAGES).flat_map(|image| self.ways(image)).collect();
        let j = |params: &Params<f64>| -> f64 {
            let rewards = self.rewards(params, &ways, rule);
            rewards.iter().map(|(p, reward)| p * reward).sum::<f64>() / IMAGES as f64
        };
        let probability: f64 = self.rewards(&self.params, &ways, rule).iter().map(|(p, _)| p).sum();
        assert!((probability - IMAGES as f64).abs() < 1e-12, "all ways of each image: {probability}");
        let expected = j(&self.params);
        if rule != Rule::Hybrid(Reward::LogProbability) {
            assert!((0.1..0.9).contains(&expected), "there is a reward to win and to lose: {expected}");
        }
        assert_gradients(&self.params, &found, is_checked, j);
    }
}

type Term = for<'l, 't> fn(&'l LossTerms<'t, f64>) -> Var<'t, f64>;

/// An agent that has a baseline of its own, and one whose baseline knows the class; each with all that it can be compared with.
const KINDS: [&[BaselineKind]; 2] =
    [&[BaselineKind::Learned, BaselineKind::None, BaselineKind::LeaveOneOut], &[BaselineKind::Informed]];

fn labels(ways: &[Way]) -> Vec<u32> {
    ways.iter().map(|way| LABELS[way.image] as u32).collect()
}

/// Pure REINFORCE: by eq. (2) with a baseline that these random parameters make, by eq. (1), judged by another episode of the
/// same image, which has no say in this one, and with a baseline that knows the class. Each has the mean ∇J, by every
/// parameter that chooses.
#[test]
fn pure_reinforce_estimates_the_gradient_of_the_expected_reward() {
    for (kinds, first) in KINDS.into_iter().flat_map(|kinds| [(kinds, First::Random), (kinds, First::Learned)]) {
        let problem = Problem::new(|config| {
            (config.loss.location_into_core, config.loss.baseline, config.policy.first) = (true, kinds[0], first);
        });
        problem.check(kinds, Rule::Pure, |loss| loss.total, |name| !name.starts_with("baseline"));
    }
}

/// The hybrid loss, whose reward is for the most likely class: a parameter changes it only by where is looked, so the location
/// term alone is ∇J. It reaches the location network, or with `loss.location_into_core` what sees as well.
#[test]
fn the_location_term_of_the_hybrid_loss_estimates_it_too() {
    for (into_core, kinds) in [false, true].into_iter().flat_map(|into_core| KINDS.map(|kinds| (into_core, kinds))) {
        let first = if into_core { First::Random } else { First::Learned };
        let problem = Problem::new(|config| {
            (config.loss.location_into_core, config.loss.baseline, config.policy.first) = (into_core, kinds[0], first);
        });
        problem.check(
            kinds,
            Rule::Hybrid(Reward::Argmax),
            |loss| loss.location.expect("locations are chosen"),
            |name| {
                name.starts_with("location")
                    || into_core && !["action", "baseline"].iter().any(|other| name.starts_with(other))
            },
        );
    }
}

/// As above, with rewards that are not for a choice of the class: its probability, or the probability's logarithm. What sees
/// changes them itself, so the location term is ∇J by the location network's parameters. A location may be blamed for all that
/// is earned, or for what is earned after it.
#[test]
fn it_estimates_it_for_rewards_without_a_choice_too() {
    let rewards = [Reward::Probability, Reward::LogProbability];
    let ways = rewards.into_iter().flat_map(|reward| {
        [(Returns::Episode, First::Random), (Returns::ToGo, First::Random), (Returns::ToGo, First::Learned)]
            .into_iter()
            .flat_map(move |(returns, first)| KINDS.map(|kinds| (reward, returns, first, kinds)))
    });
    for (reward, returns, first, kinds) in ways {
        let problem = Problem::new(|config| {
            (config.loss.baseline, config.loss.returns, config.policy.first) = (kinds[0], returns, first);
        });
        problem.check(
            kinds,
            Rule::Hybrid(reward),
            |loss| loss.location.expect("locations are chosen"),
            |name| name.starts_with("location"),
        );
    }
}
