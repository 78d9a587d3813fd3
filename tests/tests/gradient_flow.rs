//! Which parameters each term of the loss changes, in which direction, and that eq. (2) estimates the gradient of the
//! expected reward without bias.

use std::collections::BTreeSet;

use autograd::{Grads, ParamId, Params, Shape, Tape, math};
use ram::config::{Config, Returns, Reward};
use ram::losses::{LossTerms, Objective};
use ram::model::{Agent, Decisions, Draws, Images, Locations, Mean, Mode};
use ram::network::agent_options;
use ram::reinforce::{BaselineKind, leave_one_out};
use ram::tasks::classify::{hybrid_loss, reinforce_loss, supervised_loss};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tests::{gradient, layers, reached, redraw};

const CLASSES: usize = 4;

/// An agent with every parameter drawn anew, so that none is 0, and some images.
struct Problem {
    agent: Agent,
    params: Params<f64>,
    images: Vec<u8>,
    labels: Vec<u32>,
    draws: Draws<f64>,
}

impl Problem {
    fn new(batch: usize, change: impl FnOnce(&mut Config)) -> Problem {
        let mut config = Config::default();
        (config.model.patch, config.model.glimpses) = (4, 3);
        (config.model.features, config.model.glimpse_features, config.model.hidden) = (6, 8, 10);
        config.policy.mean = Mean::Linear;
        change(&mut config);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut params = Params::new();
        let agent = Agent::new(&mut params, agent_options(&config, Decisions::Last), 1, CLASSES, &mut rng);
        redraw(&mut params, 0.4, &mut rng);
        let mut numbers = |count: usize| -> Vec<f64> { (0..count).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let draws = Draws {
            mode: Mode::Sample,
            first: numbers(2 * batch),
            noise: numbers(2 * batch * (config.model.glimpses - 1)),
            class: numbers(batch).iter().map(|x| x.abs()).collect(),
            ..Draws::default()
        };
        let images = (0..batch * 81).map(|_| rng.random()).collect();
        let labels = (0..batch as u32).map(|i| i % CLASSES as u32).collect();
        Problem { agent, params, images, labels, draws }
    }

    fn look<T>(&self, pure: bool, with: impl FnOnce(&LossTerms<f64>) -> T) -> T {
        self.look_against(BaselineKind::Learned, pure, with)
    }

    fn look_against<T>(&self, baseline: BaselineKind, pure: bool, with: impl FnOnce(&LossTerms<f64>) -> T) -> T {
        let (mut tape, batch) = (Tape::new(), self.labels.len());
        let t = tape.begin(&self.params);
        let images = Images::Pixels { data: &self.images, shape: Shape::new(&[batch, 1, 9, 9]) };
        let episode = self.agent.look(&t, images, &self.draws);
        let objective =
            Objective { location_weight: 0.5, baseline_weight: 2.0, baseline, samples: 4, ..Objective::default() };
        with(&match pure {
            false => hybrid_loss(&episode, &self.labels, &objective, Reward::Argmax, &[], batch),
            true => reinforce_loss(&episode, &self.labels, &objective, &self.draws.class, batch),
        })
    }
}

const SEEING: [&str; 6] =
    ["glimpse.retina", "glimpse.location", "glimpse.hg", "glimpse.hl", "core.hidden", "core.glimpse"];

fn seeing_and(more: &str) -> BTreeSet<String> {
    &layers(&SEEING) | &layers(&[more])
}

#[test]
fn the_classification_term_reaches_what_sees_and_the_action_network() {
    for policy in Locations::ALL {
        for pure in [false, true] {
            let problem = Problem::new(8, |config| config.policy.locations = policy);
            let reached = problem.look(pure, |loss| reached(&problem.params, loss.classification));
            assert_eq!(reached, seeing_and("action"), "{policy:?}, pure {pure}");
        }
    }
}

/// To leave one out, or eq. (1): the same networks, and no baseline to learn.
#[test]
fn without_a_learned_baseline_none_is_trained() {
    let problem = Problem::new(8, |_| {});
    for (kind, pure) in
        [BaselineKind::LeaveOneOut, BaselineKind::None].map(|kind| [(kind, false), (kind, true)]).concat()
    {
        problem.look_against(kind, pure, |loss| {
            assert_eq!(reached(&problem.params, loss.location.unwrap()), layers(&["location"]), "pure {pure}");
            assert_eq!(reached(&problem.params, loss.classification), seeing_and("action"), "pure {pure}");
            assert!(loss.baseline.is_none());
            assert!(reached(&problem.params, loss.total).is_disjoint(&layers(&["baseline"])));
        });
    }
}

/// Answers before the last one are taught as well, by their weight, and later gains count less in what a location is blamed for.
#[test]
fn early_answers_are_taught_and_gains_discounted() {
    let problem = Problem::new(8, |config| (config.loss.early_weight, config.policy.mean) = (0.25, Mean::Clamp));
    let (mut tape, batch) = (Tape::new(), problem.labels.len());
    let t = tape.begin(&problem.params);
    let images = Images::Pixels { data: &problem.images, shape: Shape::new(&[batch, 1, 9, 9]) };
    let episode = problem.agent.look(&t, images, &problem.draws);
    let nats: Vec<f64> = episode.decisions.iter().map(|x| x.cross_entropy(&problem.labels).mean().item()).collect();
    let objective = Objective {
        early_weight: 0.25,
        discount: 0.5,
        returns: Returns::ToGo,
        baseline: BaselineKind::None,
        ..Objective::default()
    };
    let loss = hybrid_loss(&episode, &problem.labels, &objective, Reward::Probability, &[], batch);
    let expected = nats[2] + 0.25 * (nats[0] + nats[1]) / 2.0;
    assert!((loss.classification.item() - expected).abs() < 1e-12, "{} is not {expected}", loss.classification.item());
    assert_eq!(reached(&problem.params, loss.classification), seeing_and("action"));

    // −1/M Σᵢ (log π(l₁)·(g₂ + ½·g₃) + log π(l₂)·g₃), gₛ being what glimpse s adds to π(a*)
    let beliefs: Vec<Vec<f64>> = episode
        .decisions
        .iter()
        .map(|x| x.cross_entropy(&problem.labels).value().iter().map(|&nats| math::exp(-nats)).collect())
        .collect();
    let term: f64 = (0..batch)
        .map(|i| {
            let [second, third] = [beliefs[1][i] - beliefs[0][i], beliefs[2][i] - beliefs[1][i]];
            let [first_log, second_log] = [0, 1].map(|c| episode.location_log_probs[c].value()[i]);
            -(first_log * (second + 0.5 * third) + second_log * third) / batch as f64
        })
        .sum();
    let found = loss.location.unwrap().item();
    assert!((found - term).abs() < 1e-12, "{found} is not {term}");
}

#[test]
fn an_episode_is_compared_with_the_others_of_its_input() {
    let (mut tape, params) = (Tape::<f64>::new(), Params::new());
    let t = tape.begin(&params);
    let returns = t.constant([6], &[1.0, 0.0, 1.0, 0.0, 0.0, 3.0]);
    assert_eq!(&*leave_one_out(returns, 3).value(), [0.5, 1.0, 0.5, 1.5, 1.5, 0.0]);
    assert_eq!(&*leave_one_out(returns, 2).value(), [0.0, 1.0, 0.0, 1.0, 3.0, 0.0]);
}

#[test]
#[should_panic(expected = "leave_one_out: 4 samples an input, but 6 episodes")]
fn samples_divide_the_batch() {
    let (mut tape, params) = (Tape::<f64>::new(), Params::new());
    let t = tape.begin(&params);
    leave_one_out(t.zeros([6]), 4);
}

#[test]
fn the_location_term_reaches_the_location_network_and_through_a_switch_the_core() {
    // The Gaussian, and a grid of places (footnote 2).
    for (policy, into_core, grid) in [Locations::Learned, Locations::Blind]
        .into_iter()
        .flat_map(|policy| [(policy, false, 0), (policy, true, 0), (policy, false, 3), (policy, true, 3)])
    {
        let problem = Problem::new(8, |config| {
            (config.policy.locations, config.policy.grid, config.loss.location_into_core) = (policy, grid, into_core);
        });
        // The blind policy does not see the state, so nothing can pass into it.
        let expected = match into_core && policy == Locations::Learned {
            true => seeing_and("location"),
            false => layers(&["location"]),
        };
        for pure in [false, true] {
            let reached = problem.look(pure, |loss| reached(&problem.params, loss.location.unwrap()));
            assert_eq!(reached, expected, "{policy:?}, into core {into_core}, grid {grid}, pure {pure}");
        }
    }
}

#[test]
fn the_baseline_term_reaches_the_baseline_alone() {
    for policy in [Locations::Learned, Locations::Blind] {
        for pure in [false, true] {
            let problem = Problem::new(8, |config| {
                (config.policy.locations, config.loss.location_into_core) = (policy, true);
            });
            let reached = problem.look(pure, |loss| reached(&problem.params, loss.baseline.unwrap()));
            assert_eq!(reached, layers(&["baseline"]), "{policy:?}, pure {pure}");
        }
    }
}

#[test]
fn a_policy_that_is_not_learned_has_neither_location_nor_baseline_term() {
    for policy in [Locations::Random, Locations::Centre] {
        let problem = Problem::new(8, |config| config.policy.locations = policy);
        problem.look(false, |loss| {
            assert!(loss.location.is_none() && loss.baseline.is_none(), "{policy:?}");
            assert_eq!(reached(&problem.params, loss.total), seeing_and("action"));
        });
        problem.look(true, |loss| {
            // Pure REINFORCE still has a class to choose, and so a baseline.
            assert!(loss.location.is_none());
            assert_eq!(reached(&problem.params, loss.baseline.unwrap()), layers(&["baseline"]));
        });
    }
}

#[test]
fn one_glimpse_chooses_no_location() {
    let problem = Problem::new(8, |config| config.model.glimpses = 1);
    // h₀ = 0: of the recurrent layer only the bias counts.
    let mut seen = seeing_and("action");
    seen.remove("core.hidden.weight");
    problem.look(false, |loss| {
        assert!(loss.location.is_none() && loss.baseline.is_none());
        assert!(loss.total.item().is_finite() && loss.total.item() == loss.classification.item());
        assert_eq!(reached(&problem.params, loss.total), seen);
    });
    problem.look(true, |loss| {
        assert!(loss.location.is_none() && loss.total.item().is_finite());
        assert_eq!(reached(&problem.params, loss.classification), seen);
        assert_eq!(reached(&problem.params, loss.baseline.unwrap()), layers(&["baseline"]));
    });
}

/// The losses of the parts of a batch add up to that of the batch, also without an agent.
#[test]
fn a_part_of_a_batch_has_its_share() {
    let (mut tape, params) = (Tape::<f64>::new(), Params::new());
    let t = tape.begin(&params);
    let logits = t.constant([2, 2], &[0.0, math::ln(3.0), 5.0, 5.0]);
    // π(a*) is ¾ and ½, in a batch of five.
    let loss = supervised_loss(logits, &[1, 0], &Objective::default(), 5);
    assert!((loss.total.item() + (math::ln(0.75) + math::ln(0.5)) / 5.0).abs() < 1e-15, "{}", loss.total.item());
    assert_eq!(loss.reward.to_vec(), [1.0, 1.0]);
}

/// ∇total = ∇class + ½∇location + 2∇baseline, and the total reaches what its terms reach.
#[test]
fn the_total_is_the_weighted_sum_of_its_terms() {
    for pure in [false, true] {
        let problem = Problem::new(8, |config| config.loss.location_into_core = true);
        problem.look(pure, |loss| {
            let [total, class, location, baseline] =
                [loss.total, loss.classification, loss.location.unwrap(), loss.baseline.unwrap()]
                    .map(|term| (term.item(), gradient(&problem.params, term)));
            assert!((total.0 - (class.0 + 0.5 * location.0 + 2.0 * baseline.0)).abs() < 1e-12);
            for (i, total) in total.1.as_slice().iter().enumerate() {
                let sum = class.1.as_slice()[i] + 0.5 * location.1.as_slice()[i] + 2.0 * baseline.1.as_slice()[i];
                assert!((total - sum).abs() < 1e-12, "pure {pure}: {total} and {sum}");
            }
        });
    }
}

/// Descending the location term moves the mean toward a sample that was rewarded above the baseline, and away from one
/// that was rewarded below it.
#[test]
fn the_mean_moves_toward_what_was_rewarded() {
    for into_core in [false, true] {
        for (rewarded, baseline) in [(true, 0.3), (true, 1.7), (false, -0.6), (false, 0.4)] {
            let mut problem = Problem::new(1, |config| {
                (config.model.glimpses, config.loss.location_into_core) = (2, into_core);
            });
            for name in ["baseline.weight", "baseline.bias"] {
                let id = problem.params.find(name).unwrap();
                problem.params.change(id, |b| b.fill(if name.ends_with("bias") { baseline } else { 0.0 }));
            }
            let label = (0..CLASSES as u32).find(|&label| {
                problem.labels = vec![label];
                (problem.look(false, |loss| loss.reward.item()) == 1.0) == rewarded
            });
            assert!(label.is_some());
            let distance = |problem: &Problem, sample: Option<[f64; 2]>| {
                let mut tape = Tape::new();
                let t = tape.begin(&problem.params);
                let images = Images::Pixels { data: &problem.images, shape: Shape::new(&[1, 1, 9, 9]) };
                let episode = problem.agent.look(&t, images, &problem.draws);
                let mean = episode.means[0].value().to_vec();
                let drawn = episode.locations[1].value().to_vec();
                let sample = sample.unwrap_or([drawn[0], drawn[1]]);
                let (dx, dy) = (mean[0] - sample[0], mean[1] - sample[1]);
                (sample, (dx * dx + dy * dy).sqrt())
            };
            let (sample, before) = distance(&problem, None);
            let grads = problem.look(false, |loss| gradient(&problem.params, loss.location.unwrap()));
            for id in problem.params.ids() {
                let d = grads.get(id);
                problem.params.change(id, |theta| theta.iter_mut().zip(d).for_each(|(theta, d)| *theta -= 1e-5 * d));
            }
            let (_, after) = distance(&problem, Some(sample));
            let reward = if rewarded { 1.0 } else { 0.0 };
            assert_eq!(after < before, reward > baseline, "reward {reward}, baseline {baseline}: {before} to {after}");
        }
    }
}

/// A world small enough to know the expected reward J: one image, one l₀, two glimpses. The location is integrated over
/// a grid, the class is summed over.
struct World {
    problem: Problem,
    std: f64,
    /// Whether the class is sampled (pure REINFORCE) or the most likely one (hybrid).
    pure: bool,
}

/// Cells along an axis of the grid, which reaches 5 σ to each side.
const GRID: usize = 81;

impl World {
    fn new(pure: bool, baseline: [f64; 2]) -> World {
        let std = 0.35;
        let mut problem = Problem::new(1, |config| {
            (config.model.glimpses, config.loss.location_into_core, config.policy.std) = (2, pure, std);
        });
        let [weight, bias] = ["baseline.weight", "baseline.bias"].map(|name| problem.params.find(name).unwrap());
        problem.params.change(weight, |w| w.fill(baseline[0]));
        problem.params.change(bias, |b| b.fill(baseline[1]));
        // Larger logits, so that where one looks decides how likely the right class is.
        let action = problem.params.find("action.weight").unwrap();
        problem.params.change(action, |w| w.iter_mut().for_each(|w| *w *= 3.0));
        World { problem, std, pure }
    }

    /// The one image and l₀, so many times, with this noise.
    fn repeat(&self, noise: Vec<f64>) -> (Vec<u8>, Draws<f64>, usize) {
        let batch = noise.len() / 2;
        let first = self.problem.draws.first.repeat(batch);
        (
            self.problem.images.repeat(batch),
            Draws { mode: Mode::Sample, first, noise, class: vec![0.5; batch], ..Draws::default() },
            batch,
        )
    }

    /// μ₁, and the reward expected at each of these locations (given as noise around the mean).
    fn rewards(&self, params: &Params<f64>, locations: impl Fn([f64; 2]) -> Vec<f64>) -> ([f64; 2], Vec<f64>) {
        let mut tape = Tape::new();
        let (images, draws, _) = self.repeat(vec![0.0; 2]);
        let t = tape.begin(params);
        let shape = |batch| Shape::new(&[batch, 1, 9, 9]);
        let episode = self.problem.agent.look(&t, Images::Pixels { data: &images, shape: shape(1) }, &draws);
        let mean = episode.means[0].value().to_vec();
        drop(episode);
        drop(t);
        let mean = [mean[0], mean[1]];
        let (images, draws, batch) = self.repeat(locations(mean));
        let t = tape.begin(params);
        let episode = self.problem.agent.look(&t, Images::Pixels { data: &images, shape: shape(batch) }, &draws);
        let label = self.problem.labels[0] as usize;
        let log_probs = episode.last_decision().log_softmax().value();
        let rewards = log_probs.chunks_exact(CLASSES).map(|row| match self.pure {
            true => math::exp(row[label]),
            false => f64::from(u8::from(row.iter().all(|&x| x <= row[label]))),
        });
        (mean, rewards.collect())
    }

    /// J(θ) = Σ over the grid of N(l; μ(θ), σ²)·E[R | l, θ]·cell. The grid stays where it is whatever θ.
    fn expected_reward(&self, params: &Params<f64>, middle: [f64; 2]) -> f64 {
        let step = 10.0 * self.std / GRID as f64;
        let at = |i: usize| (i as f64 - (GRID - 1) as f64 / 2.0) * step;
        let grid = || (0..GRID * GRID).map(|k| [middle[0] + at(k % GRID), middle[1] + at(k / GRID)]);
        let (mean, rewards) =
            self.rewards(params, |mean| grid().flat_map(|l| [0, 1].map(|c| (l[c] - mean[c]) / self.std)).collect());
        let density = |l: [f64; 2]| {
            let z = [0, 1].map(|c| (l[c] - mean[c]) / self.std);
            math::exp(-0.5 * (z[0] * z[0] + z[1] * z[1])) / (std::f64::consts::TAU * self.std * self.std)
        };
        grid().zip(rewards).map(|(l, reward)| density(l) * reward * step * step).sum()
    }

    /// The estimates of −∇J that `rounds` batches of `batch` episodes give.
    fn estimates(&self, rounds: usize, batch: usize) -> Vec<Grads<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(20);
        let mut tape = Tape::new();
        let round = |_| {
            let noise = (0..batch).flat_map(|_| math::normal_pair(&mut rng)).collect();
            let (images, mut draws, _) = self.repeat(noise);
            draws.class = (0..batch).map(|_| rng.random()).collect();
            let labels = self.problem.labels.repeat(batch);
            let t = tape.begin(&self.problem.params);
            let shape = Shape::new(&[batch, 1, 9, 9]);
            let episode = self.problem.agent.look(&t, Images::Pixels { data: &images, shape }, &draws);
            let objective = Objective {
                location_weight: 1.0,
                baseline_weight: 0.0,
                baseline: BaselineKind::Learned,
                samples: 1,
                ..Objective::default()
            };
            let mut grads = self.problem.params.zeros();
            match self.pure {
                true => reinforce_loss(&episode, &labels, &objective, &draws.class, batch).total.backward(&mut grads),
                false => {
                    let loss = hybrid_loss(&episode, &labels, &objective, Reward::Argmax, &[], batch);
                    loss.location.unwrap().backward(&mut grads);
                }
            }
            grads
        };
        (0..rounds).map(round).collect()
    }

    /// Checks the mean estimate along a direction in each weight (the biases' are sums of the same) against the
    /// derivative of J; returns the mean of the standard errors.
    fn is_unbiased(&self) -> f64 {
        let params = &self.problem.params;
        let middle = self.rewards(params, |_| vec![0.0; 2]).0;
        let j = self.expected_reward(params, middle);
        assert!((0.1..0.9).contains(&j), "a reward to be won by looking elsewhere: J = {j}");
        let (rounds, batch) = (60, 250);
        let estimates = self.estimates(rounds, batch);
        let (mut errors, mut telling) = (Vec::new(), 0);
        let learns = |id: &ParamId| estimates[0].get(*id).iter().any(|&d| d != 0.0);
        for id in params.ids().filter(|&id| params.name(id).ends_with("weight")).filter(learns) {
            let name = params.name(id);
            // Along the estimate of the first half of the batches, so that there is something to see.
            let direction: Vec<f64> = {
                let mut sum = vec![0.0; params.shape(id).len()];
                estimates[..rounds / 2].iter().for_each(|g| sum.iter_mut().zip(g.get(id)).for_each(|(s, d)| *s -= d));
                let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
                sum.iter().map(|x| x / norm).collect()
            };
            let moved = |by: f64| {
                let mut params = params.clone();
                params.change(id, |theta| theta.iter_mut().zip(&direction).for_each(|(t, d)| *t += by * d));
                self.expected_reward(&params, middle)
            };
            let numeric = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            // The other half had no say in the direction.
            let along: Vec<f64> = estimates[rounds / 2..]
                .iter()
                .map(|g| -g.get(id).iter().zip(&direction).map(|(g, d)| g * d).sum::<f64>())
                .collect();
            let n = along.len() as f64;
            let mean = along.iter().sum::<f64>() / n;
            let error = (along.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n * (n - 1.0))).sqrt();
            println!("{name}: ∂J {numeric:.4}, estimated {mean:.4} ± {error:.4}");
            assert!((mean - numeric).abs() < 4.0 * error, "{name}: ∂J {numeric}, estimated {mean} ± {error}");
            // The test can fail: the same with the sign turned is out of the question.
            telling += usize::from((-mean - numeric).abs() > 6.0 * error);
            errors.push(error);
        }
        assert!(telling * 2 >= errors.len(), "only {telling} of {} could tell a wrong sign", errors.len());
        errors.iter().sum::<f64>() / errors.len() as f64
    }
}

#[test]
fn the_location_gradient_is_unbiased_whatever_the_baseline() {
    World::new(false, [0.0, 0.0]).is_unbiased();
    let good = World::new(false, [0.0, 0.3]).is_unbiased();
    let bad = World::new(false, [0.4, -0.8]).is_unbiased();
    assert!(good < bad, "a baseline near the expected reward calms the estimate: {good} and {bad}");
}

/// Class and location both sampled, the location's gradient let into the core: the estimate is of ∇J by every
/// parameter.
#[test]
fn pure_reinforce_is_unbiased_whatever_the_baseline() {
    World::new(true, [0.0, 0.0]).is_unbiased();
    World::new(true, [0.1, 0.5]).is_unbiased();
}
