//! Games: which parameters each term of their loss changes, and that eq. (2) is the gradient of the expected return, exactly,
//! in a game small enough to play it in every way there is.

use autograd::{Params, Tape, Var, math};
use ram::config::{Config, Loss, LossKind, Returns, Source};
use ram::environments::Environment;
use ram::environments::catch::Catch;
use ram::losses::{LossTerms, Objective};
use ram::model::core::CoreKind;
use ram::model::{Agent, Decisions, Draws, Episode, First, Locations, Mean, Mode, ModelKind, Stop};
use ram::network::agent_options;
use ram::reinforce::BaselineKind;
use ram::tasks::play::{Games, Played, play_loss};
use ram::tasks::{Play, Task};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use tests::{assert_gradients, layers, reached, redraw, uniforms};

/// A light is at a side of the screen, and moves to the other after each frame. To name its side is worth 1, and later 3.
#[derive(Clone, Copy)]
struct Light {
    side: usize,
    frame: usize,
}

const FRAMES: usize = 2;

impl Environment for Light {
    fn size(&self) -> [usize; 2] {
        [6, 6]
    }
    fn actions(&self) -> &[&str] {
        &["left", "right"]
    }
    fn frames(&self) -> usize {
        FRAMES
    }
    fn reset(&mut self, rng: &mut ChaCha8Rng) {
        *self = Light { side: rng.random_range(0..2), frame: 0 };
    }
    fn screen(&self, pixels: &mut [u8]) {
        pixels.fill(0);
        pixels[6 * 2 + if self.side == 0 { 0 } else { 5 }] = 255;
    }
    fn step(&mut self, action: usize) -> f64 {
        let reward = if action == self.side { [1.0, 3.0][self.frame] } else { 0.0 };
        (self.side, self.frame) = (1 - self.side, self.frame + 1);
        reward
    }
    fn done(&self) -> bool {
        self.frame == FRAMES
    }
}

struct Problem {
    agent: Agent,
    params: Params<f64>,
    first: [f64; 2],
}

/// Uniform numbers: of the two actions and the location between them, and of l₀ for a policy that chooses it.
type Way = [f64; 4];

impl Problem {
    fn new(change: impl FnOnce(&mut Config)) -> Problem {
        let mut config = Config::default();
        (config.model.patch, config.model.scales, config.model.glimpses, config.model.core) =
            (4, 1, FRAMES, CoreKind::Lstm);
        (config.model.features, config.model.glimpse_features, config.model.hidden) = (5, 6, 4);
        (config.policy.grid, config.policy.mean) = (2, Mean::Linear);
        config.loss.location_into_core = true;
        change(&mut config);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut params = Params::new();
        let agent = Agent::new(&mut params, agent_options(&config, Decisions::Each), 1, 2, &mut rng);
        redraw(&mut params, 0.9, &mut rng);
        Problem { agent, params, first: [-0.8, 0.1] }
    }

    fn chooses_first(&self) -> bool {
        self.agent.plan().first == First::Learned
    }

    /// Plays games from a light at the left, one in each of these ways.
    fn play<T>(&self, params: &Params<f64>, ways: &[Way], with: impl FnOnce(&Episode<f64>, &Played<f64>) -> T) -> T {
        let draws = Draws {
            mode: Mode::Sample,
            first: match self.chooses_first() {
                true => ways.iter().flat_map(|way| [way[3], 0.0]).collect(),
                false => self.first.repeat(ways.len()),
            },
            noise: ways.iter().flat_map(|way| [way[1], 0.0]).collect(),
            class: [0, 2].iter().flat_map(|&decision| ways.iter().map(move |way| way[decision])).collect(),
            ..Draws::default()
        };
        let (mut tape, mut played) = (Tape::new(), Played::default());
        let t = tape.begin(params);
        let light = || -> Box<dyn Environment> { Box::new(Light { side: 0, frame: 0 }) };
        let mut games: Vec<_> = ways.iter().map(|_| light()).collect();
        let episode = self.agent.look(&t, Games::new(&mut games, &mut played), &draws);
        with(&episode, &played)
    }

    /// The loss of games played in these ways, each compared with the others where `baseline` says so.
    fn loss<T>(&self, ways: &[Way], baseline: BaselineKind, loss: &Loss, with: impl FnOnce(&LossTerms<f64>) -> T) -> T {
        let objective = Objective {
            location_weight: loss.location_weight,
            baseline_weight: loss.baseline_weight,
            baseline,
            samples: ways.len(),
            ..Objective::default()
        };
        self.play(&self.params, ways, |episode, played| {
            with(&play_loss(episode, &played.rewards, &objective, loss, ways.len()))
        })
    }

    /// Every way to play: numbers that lead to each.
    fn ways(&self) -> Vec<Way> {
        let after = |way: Way, logits: fn(&Episode<f64>) -> Vec<f64>| {
            self.play(&self.params, &[way], |episode, _| uniforms(&logits(episode)))
        };
        let mut ways = Vec::new();
        let begins = match self.chooses_first() {
            true => after([0.5; 4], |episode| episode.first.expect("it is chosen").mean.value().to_vec()),
            false => vec![0.5],
        };
        for begin in begins {
            for first in after([0.5, 0.5, 0.5, begin], |episode| episode.decisions[0].value().to_vec()) {
                for place in after([first, 0.5, 0.5, begin], |episode| episode.means[0].value().to_vec()) {
                    let second = after([first, place, 0.5, begin], |episode| episode.decisions[1].value().to_vec());
                    ways.extend(second.into_iter().map(|second| [first, place, second, begin]));
                }
            }
        }
        ways
    }

    /// How likely a way is, and the sum of its rewards with this discount.
    fn way(&self, params: &Params<f64>, way: Way, discount: f64) -> (f64, f64) {
        self.play(params, &[way], |episode, played| {
            let of = |x: &Var<f64>| x.value()[0];
            let (locations, _) = episode.choices();
            let log: f64 = episode.action_log_probs.iter().chain(&locations).map(of).sum();
            (math::exp(log), played.rewards[0] + discount * played.rewards[1])
        })
    }
}

const SEEING: [&str; 6] =
    ["glimpse.retina", "glimpse.location", "glimpse.hg", "glimpse.hl", "core.hidden", "core.input"];

#[test]
fn each_term_reaches_its_networks() {
    for into_core in [false, true] {
        for locations in [Locations::Learned, Locations::Random] {
            for grid in [0, 2] {
                let problem = Problem::new(|config| {
                    (config.policy.grid, config.policy.locations) = (grid, locations);
                    config.loss.location_into_core = into_core;
                });
                problem.loss(&[[0.3, 0.6, 0.8, 0.5]], BaselineKind::Learned, &Loss::default(), |loss| {
                    let seeing = layers(&SEEING);
                    assert_eq!(reached(&problem.params, loss.classification), &seeing | &layers(&["action"]));
                    assert_eq!(reached(&problem.params, loss.baseline.unwrap()), layers(&["baseline"]));
                    assert_eq!(loss.location.is_some(), locations == Locations::Learned);
                    if let Some(location) = loss.location {
                        let network = layers(&["location"]);
                        let mut expected = if into_core { &network | &seeing } else { network };
                        // The location is chosen after the first glimpse: h₀ = 0, so only the bias of U has a say.
                        expected.remove("core.hidden.weight");
                        assert_eq!(reached(&problem.params, location), expected, "into core {into_core}, grid {grid}");
                    }
                });
            }
        }
    }
}

/// Σ over ways of their probability · the estimate = ∇J, by finite differences, for every parameter that chooses: by eq. (2)
/// with a baseline that these random parameters make, and by eq. (1).
#[test]
fn the_estimate_is_the_gradient_of_the_expected_return() {
    for (first, count) in [(First::Random, 2 * 4 * 2), (First::Learned, 4 * 2 * 4 * 2)] {
        let problem = Problem::new(|config| config.policy.first = first);
        let ways = problem.ways();
        assert_eq!(ways.len(), count, "two actions, four places, two actions, and with a chosen l₀ four places");
        estimates_the_gradient(&problem, &ways);
    }
}

fn estimates_the_gradient(problem: &Problem, ways: &[Way]) {
    let total: f64 = ways.iter().map(|&way| problem.way(&problem.params, way, 1.0).0).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");

    for (baseline, returns, discount) in [
        (BaselineKind::Learned, Returns::Episode, 1.0),
        (BaselineKind::Learned, Returns::Episode, 0.7),
        (BaselineKind::Learned, Returns::ToGo, 1.0),
        (BaselineKind::None, Returns::Episode, 1.0),
        (BaselineKind::None, Returns::ToGo, 1.0),
    ] {
        let loss = Loss { returns, discount, location_weight: 1.0, baseline_weight: 0.0, ..Loss::default() };
        let mut expected = problem.params.zeros();
        for &way in ways {
            let (probability, _) = problem.way(&problem.params, way, discount);
            problem.loss(&[way], baseline, &loss, |loss| loss.total.scale(-probability).backward(&mut expected));
        }
        let chooses = |name: &str| !name.starts_with("baseline");
        assert_gradients(&problem.params, &[expected], chooses, |params| {
            ways.iter().map(|&way| problem.way(params, way, discount)).map(|(p, r)| p * r).sum()
        });
    }
}

/// A game judged by another from the same start: over all pairs of ways the estimate has the mean that it has without a
/// baseline, since no game has a say in its own. It differs from pair to pair, and no network learns a baseline.
#[test]
fn to_leave_one_out_does_not_bias_the_estimate() {
    let problem = Problem::new(|_| {});
    let ways = problem.ways();
    for (returns, discount) in [(Returns::Episode, 0.7), (Returns::ToGo, 1.0)] {
        let loss = Loss { returns, discount, location_weight: 1.0, baseline_weight: 0.0, ..Loss::default() };
        let probability = |way| problem.way(&problem.params, way, discount).0;
        let [mut alone, mut paired] = [(); 2].map(|()| problem.params.zeros());
        for &a in &ways {
            problem.loss(&[a], BaselineKind::Learned, &loss, |loss| {
                loss.total.scale(probability(a)).backward(&mut alone);
            });
            for &b in &ways {
                problem.loss(&[a, b], BaselineKind::LeaveOneOut, &loss, |loss| {
                    assert!(loss.baseline.is_none());
                    loss.total.scale(probability(a) * probability(b)).backward(&mut paired);
                });
            }
        }
        for id in problem.params.ids().filter(|&id| !problem.params.name(id).starts_with("baseline")) {
            for (x, y) in paired.get(id).iter().zip(alone.get(id)) {
                assert!((x - y).abs() < 1e-12, "{}: {x}, alone {y}", problem.params.name(id));
            }
        }
        assert!(paired.as_slice().iter().any(|x| x.abs() > 1e-3));
    }
    // Equal games judge each other to be worth nothing.
    problem.loss(&[ways[0]; 2], BaselineKind::LeaveOneOut, &Loss::default(), |loss| {
        assert_eq!((loss.classification.item(), loss.location.unwrap().item()), (0.0, 0.0));
    });
}

/// What is rewarded is the entropy: descending the term makes the actions less certain.
#[test]
fn the_entropy_grows() {
    let mut problem = Problem::new(|_| {});
    let entropy = |problem: &Problem| -> f64 {
        problem.play(&problem.params, &[[0.5; 4]], |episode, _| {
            -episode
                .decisions
                .iter()
                .flat_map(|x| x.value().iter().map(|x| x * math::exp(*x)).collect::<Vec<_>>())
                .sum::<f64>()
        })
    };
    let before = entropy(&problem);
    let with = |weight: f64, problem: &Problem| {
        let loss = Loss { entropy_weight: weight, ..Loss::default() };
        problem.loss(&[[0.5; 4]; 3], BaselineKind::Learned, &loss, |loss| {
            let mut grads = problem.params.zeros();
            loss.classification.backward(&mut grads);
            (loss.classification.item(), grads)
        })
    };
    let ((plain, without), (more, bonus)) = (with(0.0, &problem), with(2.0, &problem));
    assert!((more - (plain - 2.0 * before)).abs() < 1e-12, "the term is −2·H: {plain}, {more}, H {before}");
    for id in problem.params.ids() {
        let d: Vec<f64> = bonus.get(id).iter().zip(without.get(id)).map(|(a, b)| a - b).collect();
        problem.params.change(id, |theta| theta.iter_mut().zip(&d).for_each(|(theta, d)| *theta -= 1e-4 * d));
    }
    assert!(entropy(&problem) > before);
}

/// A configuration for games of `Light`, ten in an epoch and four in a batch.
fn for_light(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    (config.data.source, config.loss.kind, config.model.glimpses) = (Source::Own, LossKind::Reinforce, FRAMES);
    (config.data.train, config.data.validation, config.data.test, config.train.batch) = (10, 3, 3, 4);
    change(&mut config);
    config
}

/// A training that goes on within an epoch plays the games that are left of it.
#[test]
fn an_epoch_begins_at_any_batch() {
    let task = Play::new(Light { side: 0, frame: 0 });
    let mut batches = task.training(&for_light(|_| {}), None).unwrap().batches;
    assert_eq!(batches.steps(), 3);
    let all = [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]];
    for first in [0, 2, 1, 3] {
        batches.begin(5, first);
        for expected in &all[first..] {
            let batch = batches.next_batch().unwrap().expect("a batch is left");
            assert_eq!((&batch.samples, batch.labels.len()), (expected, expected.len()), "from batch {first} on");
        }
        assert!(batches.next_batch().unwrap().is_none());
    }
}

/// `Light` with another best return, on a screen of `size`.
#[derive(Clone)]
struct Odd {
    light: Light,
    best: f64,
    size: [usize; 2],
}

impl Environment for Odd {
    fn size(&self) -> [usize; 2] {
        self.size
    }
    fn actions(&self) -> &[&str] {
        &["left", "right"]
    }
    fn frames(&self) -> usize {
        FRAMES
    }
    fn reset(&mut self, rng: &mut ChaCha8Rng) {
        self.light.reset(rng);
    }
    fn screen(&self, pixels: &mut [u8]) {
        pixels.fill(0);
    }
    fn step(&mut self, action: usize) -> f64 {
        self.light.step(action)
    }
    fn done(&self) -> bool {
        self.light.done()
    }
    fn best_return(&self) -> f64 {
        self.best
    }
}

/// What is set otherwise than it should be.
type Change = fn(&mut Config);

#[test]
fn whatever_does_not_fit_a_game_is_told() {
    let told = |best: f64, size: [usize; 2], change: Change| {
        let task = Play::new(Odd { light: Light { side: 0, frame: 0 }, best, size });
        let config = for_light(|config| {
            config.data.size = 6;
            change(config);
        });
        task.training(&config, None).err().map_or_else(String::new, |error| error.to_string())
    };
    let faults: [(&str, Change); 11] = [
        ("model.glimpses is 3, but must be 2", |config| config.model.glimpses = 3),
        ("model.kind is fc, but must be ram", |config| config.model.kind = ModelKind::Fc),
        ("loss.kind is hybrid, but must be reinforce", |config| config.loss.kind = LossKind::Hybrid),
        ("loss.baseline is informed, but", |config| config.loss.baseline = BaselineKind::Informed),
        ("loss.early_weight is 0.5, but must be 0", |config| config.loss.early_weight = 0.5),
        ("policy.stop is learned, but must be never", |config| config.policy.stop = Stop::Learned),
        ("policy.locations is oracle, which knows", |config| config.policy.locations = Locations::Oracle),
        ("data.train is 0, but must be the number of games", |config| config.data.train = 0),
        ("data.validation is 0, but must be", |config| config.data.validation = 0),
        ("data.train_on_validation is true, but must be false", |config| config.data.train_on_validation = true),
        ("data.test is 0, but must be", |config| config.data.test = 0),
    ];
    for (text, change) in faults {
        let found = told(1.0, [6, 6], change);
        assert!(found.contains(text) && found.lines().count() == 1, "{text}: {found}");
    }
    // What is kept inside an image is kept inside a square of data.size pixels.
    let inside: [(&str, Change); 2] = [
        ("policy.first is inside, which", |config| config.policy.first = First::Inside),
        ("policy.mean is inside, which", |config| config.policy.mean = Mean::Inside),
    ];
    for (text, change) in inside {
        assert_eq!(told(1.0, [6, 6], change), "");
        for size in [[6, 7], [7, 6], [7, 7]] {
            assert!(told(1.0, size, change).contains(text), "{text} of {size:?}");
        }
    }
    assert_eq!(told(1.0, [6, 7], |_| {}), "");
    for best in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(told(best, [6, 6], |_| {}).contains(&format!("best return is {best}, but must be a number above 0")));
    }
}

/// Games of Catch with random moves and with the oracle's, looked at through the screen alone.
fn catch_keeps_to_its_rules(games: u64) {
    let mut caught = [0_u64; 2];
    for game in 0..games {
        let mut rng = ChaCha8Rng::seed_from_u64(game);
        let size = rng.random_range(2..30);
        let mut catch = Catch::new(size).unwrap();
        catch.reset(&mut rng);
        let oracle = game % 2 == 0;
        let mut screen = vec![0; size * size];
        let mut total = 0.0;
        for frame in 0..catch.frames() {
            assert!(!catch.done());
            catch.screen(&mut screen);
            let lit: Vec<usize> = (0..screen.len()).filter(|&at| screen[at] == 255).collect();
            // The ball above the paddle's two pixels.
            assert!(
                lit.len() == 3 && lit[0] / size == frame && lit[1] / size == size - 1 && lit[2] == lit[1] + 1,
                "{game}"
            );
            let action = if oracle { catch.oracle().unwrap() } else { rng.random_range(0..3) };
            total += catch.step(action);
        }
        assert!(catch.done() && (total == 0.0 || total == 1.0) && catch.step(1) == 0.0);
        caught[usize::from(oracle)] += u64::from(total == 1.0);
    }
    assert!(caught[1] > 3 * caught[0], "{caught:?}: the oracle catches most, chance few");
}

#[test]
fn some_games_of_catch_keep_to_the_rules() {
    catch_keeps_to_its_rules(5_000);
}

#[test]
#[ignore = "takes a minute; .ci/attack runs it"]
fn a_million_games_of_catch_keep_to_the_rules() {
    catch_keeps_to_its_rules(1_000_000);
}
