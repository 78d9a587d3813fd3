//! To play a game: Sec. 4.2. Eq. (2) for the actions and the locations.
//!
//! A world of your own is trained like the built-in ones. Here a dot walks along a line of pixels, and the agent shall follow it:
//! it says in each frame whether the dot is at the left, in the middle or at the right. It is told how often it was right, and
//! never where the dot is.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use datasets::rng::below;
//! use rand::rngs::ChaCha8Rng;
//! use ram::config::{Config, LossKind, Returns, Source};
//! use ram::environments::Environment;
//! use ram::split::SplitName;
//! use ram::tasks::{Play, Task};
//! use ram::train::trainer::Trainer;
//!
//! /// The dot's way, a place for each frame.
//! #[derive(Clone, Default)]
//! struct Line {
//!     way: [usize; 8],
//!     frame: usize,
//! }
//!
//! impl Environment for Line {
//!     fn size(&self) -> [usize; 2] {
//!         [4, 12]
//!     }
//!     fn actions(&self) -> &[&str] {
//!         &["left", "middle", "right"]
//!     }
//!     fn frames(&self) -> usize {
//!         self.way.len()
//!     }
//!     fn reset(&mut self, rng: &mut ChaCha8Rng) {
//!         let mut dot = below(rng, 12) as usize;
//!         self.way = self.way.map(|_| {
//!             dot = (dot + 10 + below(rng, 5) as usize) % 12;
//!             dot
//!         });
//!         self.frame = 0;
//!     }
//!     fn screen(&self, pixels: &mut [u8]) {
//!         pixels.fill(0);
//!         if let Some(dot) = self.way.get(self.frame) {
//!             pixels[12 + dot] = 255;
//!         }
//!     }
//!     fn step(&mut self, action: usize) -> f64 {
//!         let reward = self.way.get(self.frame).map_or(0.0, |dot| f64::from(dot / 4 == action));
//!         self.frame += usize::from(!self.done());
//!         reward
//!     }
//!     fn done(&self) -> bool {
//!         self.frame == self.way.len()
//!     }
//!     fn best_return(&self) -> f64 {
//!         self.way.len() as f64
//!     }
//! }
//!
//! let mut config = Config::default();
//! config.data.source = Source::Own;
//! (config.data.train, config.data.validation, config.data.test) = (1600, 100, 500);
//! (config.model.patch, config.model.scales, config.model.glimpses, config.model.gain) = (4, 3, 8, 4.0);
//! (config.model.features, config.model.glimpse_features, config.model.hidden) = (32, 64, 64);
//! (config.loss.kind, config.loss.returns, config.loss.discount) = (LossKind::Reinforce, Returns::ToGo, 0.2);
//! (config.loss.entropy_weight, config.policy.std) = (0.05, 0.5);
//! (config.optimiser.learning_rate, config.train.epochs, config.train.batch) = (3e-3, 10, 40);
//!
//! let task = Arc::new(Play::new(Line::default()));
//! let mut trainer = Trainer::of(task.clone(), config.clone(), None, Some(1))?;
//! trainer.train(None, &AtomicBool::new(false), &mut ())?;
//! let found = trainer.evaluate(SplitName::Test, None)?;
//! // Whoever guesses misses two of three.
//! let guesses = task.scripted(&config).expect("games have players without a network").random;
//! assert!(guesses > 0.6 && found.error < 0.2, "guesses miss {guesses}, the agent {}", found.error);
//! # Ok::<(), ram::RamError>(())
//! ```

use std::path::Path;
use std::sync::Arc;

use autograd::{Real, Recording, Shape, Var};
use datasets::rng::{Key, Purpose, below};
use datasets::{Batch, DigitBox};
use rand::rngs::ChaCha8Rng;

use super::task::{Batches, Examples, Inputs, Observed, Recorder, Scripted, Task, Training, Verdict};
use crate::config::{Config, Loss, LossKind, Returns};
use crate::data::FIXED_SEED;
use crate::environments::Environment;
use crate::error::RamError;
use crate::losses::{LossTerms, Objective, Terms};
use crate::model::{Decisions, DrawKey, Draws, Episode, First, Images, Locations, Mean, ModelKind, Steps, Stop, World};
use crate::network::Network;
use crate::reinforce::{self, BaselineKind, Term, baseline_error, reinforce};
use crate::split::SplitName;

/// The epochs by which validation and test games are drawn.
pub(crate) const VALIDATION_GAMES: u64 = 1;
const TEST_GAMES: u64 = 2;

/// Makes a game.
type NewGame = Arc<dyn Fn() -> Box<dyn Environment> + Send + Sync>;

/// To play games of one kind.
pub struct Play {
    new_game: NewGame,
}

impl Play {
    /// To play games like `game`, on screens of one channel. A configuration for a game of one's own says
    /// `data.source = "own"`, `loss.kind = "reinforce"`, how many games there are in `data.train`, `data.validation` and
    /// `data.test`, and as many `model.glimpses` as the game has frames.
    pub fn new(game: impl Environment + Clone + 'static) -> Play {
        Play::with(Arc::new(move || Box::new(game.clone())))
    }

    /// To play the games that `new_game` makes.
    pub fn with(new_game: NewGame) -> Play {
        Play { new_game }
    }

    /// Checks that a configuration fits the game.
    ///
    /// # Errors
    /// [`RamError::Config`] with a line for each fault.
    fn check(&self, config: &Config) -> Result<(), RamError> {
        let (game, glimpses) = ((self.new_game)(), config.model.glimpses);
        let (frames, actions, best) = (game.frames(), game.actions().len(), game.best_return());
        let mut faults = Vec::new();
        if glimpses != frames {
            faults.push(format!("model.glimpses is {glimpses}, but must be {frames}, the number of moves in a game"));
        }
        if config.model.kind != ModelKind::Ram {
            faults.push(format!("model.kind is {}, but must be ram to play a game", config.model.kind.name()));
        }
        if config.loss.kind != LossKind::Reinforce {
            faults.push("loss.kind is hybrid, but must be reinforce: a game has a reward and no label".to_owned());
        }
        if config.loss.baseline == BaselineKind::Informed {
            faults.push(
                "loss.baseline is informed, but a game has no true class: choose learned, leave-one-out or none".into(),
            );
        }
        if config.loss.early_weight > 0.0 {
            let weight = config.loss.early_weight;
            faults.push(format!(
                "loss.early_weight is {weight}, but must be 0 for a game, which is decided after each glimpse"
            ));
        }
        if config.policy.stop != Stop::Never {
            faults.push("policy.stop is learned, but must be never in a game, whose rules say when it ends".into());
        }
        if config.policy.locations == Locations::Oracle {
            faults.push(
                "policy.locations is oracle, which knows where a digit lies: choose another one for a game".into(),
            );
        }
        let ([height, width], size, policy) = (game.size(), config.data.size, &config.policy);
        if [height, width] != [size; 2] && (policy.first == First::Inside || policy.mean == Mean::Inside) {
            let key = if policy.first == First::Inside { "policy.first" } else { "policy.mean" };
            faults.push(format!(
                "{key} is inside, which is for square images of data.size pixels: data.size is {size}, and a screen is {height}×{width}"
            ));
        }
        if !(1..=256).contains(&actions) {
            faults.push(format!("the game has {actions} actions, but must have from 1 to 256"));
        }
        if !(best.is_finite() && best > 0.0) {
            faults.push(format!("the game's best return is {best}, but must be a number above 0"));
        }
        if config.data.train_on_validation {
            faults
                .push("data.train_on_validation is true, but must be false for games, which never run out".to_owned());
        }
        let counts = ["data.train", "data.validation", "data.test"].into_iter().zip(config.data.counts());
        let none = counts.filter(|(_, count)| *count == 0);
        faults.extend(none.map(|(key, _)| format!("{key} is 0, but must be the number of games")));
        if faults.is_empty() { Ok(()) } else { Err(RamError::Config(faults.join("\n"))) }
    }

    fn examples_of(&self, config: &Config, split: SplitName) -> Examples {
        let [_, validation, test] = config.data.counts();
        let (epoch, count) = match split {
            SplitName::Validation => (VALIDATION_GAMES, validation),
            SplitName::Test => (TEST_GAMES, test),
        };
        Examples { count, epoch, outputs: self.actions(), ..Examples::default() }
    }

    fn actions(&self) -> Vec<String> {
        (self.new_game)().actions().iter().map(|&name| name.to_owned()).collect()
    }

    /// The share of the best return that a player misses over the test games.
    fn missed(&self, config: &Config, player: impl Fn(&dyn Environment, &mut ChaCha8Rng) -> usize) -> f64 {
        let mut game = (self.new_game)();
        let Examples { count, epoch, .. } = self.examples_of(config, SplitName::Test);
        let returns = (0..count).map(|sample| {
            let key = Key { seed: FIXED_SEED, purpose: Purpose::Game, epoch, sample: sample as u64 };
            game.reset(&mut key.stream());
            let mut random = Key { purpose: Purpose::Class, ..key }.stream();
            let mut total = 0.0;
            while !game.done() {
                let action = player(&*game, &mut random);
                total += game.step(action);
            }
            total
        });
        let total: f64 = returns.sum();
        1.0 - total / game.best_return() / count.max(1) as f64
    }
}

impl Task for Play {
    fn decisions(&self) -> Decisions {
        Decisions::Each
    }

    fn training(&self, config: &Config, _: Option<&Path>) -> Result<Training, RamError> {
        self.check(config)?;
        let [count, ..] = config.data.counts();
        let batches = GameNumbers { count, batch_size: config.train.batch, next: 0, batch: Batch::default() };
        Ok(Training {
            batches: Box::new(batches),
            validation: self.examples_of(config, SplitName::Validation),
            channels: 1,
            outputs: self.actions(),
            notes: Vec::new(),
            summary: format!("{count} games an epoch"),
        })
    }

    fn examples(&self, config: &Config, split: SplitName, _: Option<&Path>) -> Result<Examples, RamError> {
        self.check(config)?;
        Ok(self.examples_of(config, split))
    }

    fn recorder(&self, config: &Config) -> Box<dyn Recorder> {
        Box::new(GameRecorder {
            objective: Objective::new(config),
            loss: config.loss.clone(),
            new_game: self.new_game.clone(),
            best_return: (self.new_game)().best_return(),
            draws: Draws::default(),
            games: Vec::new(),
            count: 0,
            played: Played::default(),
        })
    }

    fn scripted(&self, config: &Config) -> Option<Scripted> {
        let actions = self.actions().len() as u32;
        let knows = (self.new_game)().oracle().is_some();
        Some(Scripted {
            random: self.missed(config, |_, random| below(random, actions) as usize),
            oracle: knows.then(|| self.missed(config, |game, _| game.oracle().unwrap_or(0))),
        })
    }
}

/// The games of an epoch by their numbers: they have no pixels before they are played.
struct GameNumbers {
    count: usize,
    batch_size: usize,
    next: usize,
    batch: Batch,
}

impl Batches for GameNumbers {
    fn steps(&self) -> usize {
        self.count.div_ceil(self.batch_size)
    }
    fn begin(&mut self, _: u64, first: usize) {
        self.next = first * self.batch_size;
    }
    fn next_batch(&mut self) -> Result<Option<&Batch>, RamError> {
        let range = self.next.min(self.count)..(self.next + self.batch_size).min(self.count);
        self.next = range.end;
        self.batch.samples.clear();
        self.batch.samples.extend(range.clone().map(|number| number as u32));
        self.batch.labels.resize(range.len(), 0);
        Ok(if range.is_empty() { None } else { Some(&self.batch) })
    }
}

/// What games leave behind, frame after frame.
#[derive(Clone, Debug, Default)]
pub struct Played<R> {
    /// The screens, [N, batch, height, width].
    pub screens: Vec<u8>,
    /// Rewards rₜ of the moves, [N, batch].
    pub rewards: Vec<R>,
    /// Where the thing to look at lay, [N, batch]; shorter where the rules do not always tell.
    pub targets: Vec<DigitBox>,
}

/// A batch of games that have begun, as an agent sees them.
pub struct Games<'g, R> {
    games: &'g mut [Box<dyn Environment>],
    played: &'g mut Played<R>,
}

impl<'g, R: Real> Games<'g, R> {
    /// Games that go in step. What they leave behind is written to `played`.
    pub fn new(games: &'g mut [Box<dyn Environment>], played: &'g mut Played<R>) -> Games<'g, R> {
        played.screens.clear();
        played.rewards.clear();
        played.targets.clear();
        Games { games, played }
    }

    /// Game `i` as it stands.
    pub fn game(&self, i: usize) -> &dyn Environment {
        &*self.games[i]
    }

    fn size(&self) -> [usize; 2] {
        self.games.first().map_or([0; 2], |game| game.size())
    }
}

impl<'t, R: Real> World<'t, R> for Games<'_, R> {
    fn batch(&self) -> usize {
        self.games.len()
    }

    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        let [height, width] = self.size();
        let (begin, screen) = (self.played.screens.len(), height * width);
        self.played.screens.resize(begin + self.games.len() * screen, 0);
        let frame = &mut self.played.screens[begin..];
        for (game, screen) in self.games.iter().zip(frame.chunks_exact_mut(screen.max(1))) {
            game.screen(screen);
        }
        self.played.targets.extend(self.games.iter().filter_map(|game| game.target()));
        let shape = Shape::new(&[self.games.len(), 1, height, width]);
        Images::Pixels { data: &self.played.screens[begin..], shape }
    }

    fn act(&mut self, actions: &[R]) {
        let moves = self.games.iter_mut().zip(actions);
        self.played.rewards.extend(moves.map(|(game, action)| R::from_f64(game.step(action.to_f64() as usize))));
    }
}

/// What playing needs from step to step.
struct GameRecorder {
    objective: Objective,
    loss: Loss,
    new_game: NewGame,
    best_return: f64,
    draws: Draws<f32>,
    /// Games that were made once, of which the first `count` are played in this step.
    games: Vec<Box<dyn Environment>>,
    count: usize,
    played: Played<f32>,
}

impl GameRecorder {
    /// The sum of the rewards of game `i`.
    fn total(&self, i: usize) -> f64 {
        self.played.rewards[i..].iter().step_by(self.count.max(1)).map(|&r| f64::from(r)).sum()
    }

    /// The share of the best return that game `i` missed.
    fn missed(&self, i: usize) -> f64 {
        (self.best_return - self.total(i)) / self.best_return
    }
}

impl Recorder for GameRecorder {
    fn observe<'t>(&mut self, t: &'t Recording<'t, f32>, network: &Network, inputs: &Inputs) -> Observed<'t> {
        let DrawKey { seed, epoch, samples, copies, .. } = inputs.key;
        self.count = samples.len() * copies;
        self.games.resize_with(self.count.max(self.games.len()), || (self.new_game)());
        let games = &mut self.games[..self.count];
        for (i, game) in games.iter_mut().enumerate() {
            let sample = u64::from(samples[i / copies]);
            game.reset(&mut Key { seed, purpose: Purpose::Game, epoch, sample }.stream());
        }
        let agent = network.agent().expect("a configuration of a game has the attention model");
        self.draws.draw(agent.plan(), &inputs.key);
        let episode = agent.look(t, Games::new(games, &mut self.played), &self.draws);
        Observed { logits: episode.last_decision(), episode: Some(episode) }
    }

    fn loss<'t>(&mut self, observed: &Observed<'t>, episodes: usize) -> LossTerms<'t, f32> {
        let episode = observed.episode.as_ref().expect("games are played by the attention model");
        play_loss(episode, &self.played.rewards, &self.objective, &self.loss, episodes)
    }

    fn error(&self, _: &Observed, i: usize) -> f64 {
        self.missed(i)
    }

    fn judge(&self, _: &Network, _: &Observed, inputs: &Inputs) -> Verdict {
        let lost = |&(i, _): &(usize, &u32)| self.total(i) < 0.5 * self.best_return;
        let wrong = inputs.key.samples.iter().enumerate().filter(lost).map(|(_, &sample)| sample).collect();
        Verdict { errors: (0..self.count).map(|i| self.missed(i)).collect(), wrong, ..Verdict::default() }
    }

    fn picture(&self, _: &Inputs, step: usize, i: usize) -> Vec<u8> {
        let game = &self.games[i];
        let screen = game.size().iter().product();
        let begin = (step * self.count + i) * screen;
        self.played.screens.get(begin..begin + screen).map(<[u8]>::to_vec).unwrap_or_else(|| {
            let mut end = vec![0; screen];
            game.screen(&mut end);
            end
        })
    }

    fn picture_size(&self, _: &Inputs) -> [usize; 3] {
        let [height, width] = self.games.first().map_or([0; 2], |game| game.size());
        [1, height, width]
    }

    fn targets<'a>(&'a self, _: &Inputs<'a>, step: usize) -> Option<&'a [DigitBox]> {
        let is_complete = self.played.targets.len() == self.played.rewards.len();
        if is_complete { self.played.targets.get(step * self.count..(step + 1) * self.count) } else { None }
    }

    fn rewards(&self) -> &[f32] {
        &self.played.rewards
    }
}

/// Eq. (2) for the actions and the locations of games, by the rewards rₜ of their moves, [N, games]; the squared error for the
/// baseline; and the actions' entropy, rewarded by its weight.
#[track_caller]
pub fn play_loss<'t, R: Real>(
    episode: &Episode<'t, R>,
    rewards: &[R],
    objective: &Objective,
    loss: &Loss,
    games: usize,
) -> LossTerms<'t, R> {
    let to_go = returns_to_go(&episode.actions, rewards, loss.discount);
    let whole = to_go[0];
    let returns: Steps<R> = match loss.returns {
        Returns::Episode => to_go.iter().map(|_| whole).collect(),
        Returns::ToGo => to_go,
    };
    let baselines =
        |learned, returns: &[_]| reinforce::baselines(objective.baseline, learned, returns, objective.samples);
    let decisions = reinforce(&episode.action_log_probs, &returns, &baselines(&episode.baselines, &returns), games);
    let entropy = (loss.entropy_weight > 0.0).then(|| {
        // −H = Σₜ Σₐ π(a) ln π(a)
        let negative = episode.decisions.iter().map(|&x| (x.exp() * x).sum_axis(1));
        let episodes = negative.reduce(|sum, x| sum + x).expect("a frame");
        Term { episodes, factor: loss.entropy_weight / games as f64 }
    });
    // l₀ is chosen before the first move, and lₜ at move t, so both l₀ and l₁ have a say in all the rewards.
    let (locations, learned) = episode.choices();
    let first = episode.first.map(|first| first.baseline);
    let later = locations.len() - usize::from(first.is_some());
    let of_locations: Steps<R> = first.iter().map(|_| whole).chain(returns[..later].iter().copied()).collect();
    let location = (!locations.is_empty())
        .then(|| reinforce(&locations, &of_locations, &baselines(&learned, &of_locations), games));
    let baseline = objective.learns_baseline().then(|| {
        let returns: Steps<R> = first.iter().map(|_| whole).chain(returns.iter().copied()).collect();
        let learned: Steps<R> = first.into_iter().chain(episode.baselines.iter().copied()).collect();
        baseline_error(&returns, &learned, games)
    });
    objective.weigh(Terms { decisions, beside: entropy, location, baseline }, whole)
}

/// Rₜ = Σ_{s≥t} γˢ⁻ᵗ rₛ of the moves, N × `[games]`, from their rewards [N, games]. The first is footnote 1's R.
fn returns_to_go<'t, R: Real>(actions: &[Var<'t, R>], rewards: &[R], discount: f64) -> Steps<'t, R> {
    let t = actions.first().expect("a frame").recording();
    let batch = rewards.len() / actions.len();
    let gamma = R::from_f64(discount);
    let mut returns = Steps::new();
    for now in rewards.chunks_exact(batch.max(1)).rev() {
        returns.push(match returns.last().copied() {
            None => t.constant([batch], now),
            // Rₜ = rₜ + γ Rₜ₊₁
            Some(later) => t.filled_from("return", [batch], later, |later, y| {
                for ((y, &r), &later) in y.iter_mut().zip(now).zip(later) {
                    *y = gamma.mul_add(later, r);
                }
            }),
        });
    }
    returns.reverse();
    returns
}
