//! What an agent did, in plain numbers: for pictures (Figures 2 to 6), for reports, for whoever wants to know why.
//!
//! A trace is the very episode that [`evaluate`](crate::train::trainer::evaluate) counts: locations at the policy's mean, the first
//! one drawn by the image's number. Beyond what the episode needs it tells what the agent would have answered after each
//! glimpse, the action network applied to every hₜ.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use autograd::{Params, Shape, Tape, math};
use datasets::Fixed;
use datasets::rng::{Key, Purpose};
use rand::Rng;
use serde::Serialize;

use crate::config::{Baseline, Config, Locations, LossKind, ModelKind};
use crate::data::{FIXED_SEED, TrainingData, test_set};
use crate::environments::{Catch, Environment};
use crate::error::RamError;
use crate::evaluate::evaluation::{Evaluation, TEST_GAMES, VALIDATION_GAMES, evaluate_on};
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Mode, Screens, Steps};
use crate::model::{Agent, Images, Retina};
use crate::runs::checkpoint::{Checkpoint, PARAMS};
use crate::split::SplitName;
use crate::train::learner::Network;
use crate::train::trainer::restore;

/// Images on the tape at a time.
const CHUNK: usize = 100;

/// An image, and what an agent saw and believed of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Its number in the split.
    pub index: usize,
    /// Its bytes, [channels, height, width].
    pub pixels: Vec<u8>,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Its class, where it is known.
    pub label: Option<usize>,
    /// The N glimpses in order; one at least.
    pub glimpses: Vec<Glimpse>,
}

/// A glimpse, and what the agent believed after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glimpse {
    /// lₜ₋₁ as it was looked at: (x, y), clamped to [−1, 1], the image's outer edges.
    pub location: [f64; 2],
    /// The retina's patches on the image, from fine to coarse.
    pub windows: Vec<Window>,
    /// ρ(x, lₜ₋₁), [channels, scales, patch, patch], grey levels from 0 to 1; outside of the image 0.
    pub rho: Vec<f32>,
    /// The probability of each class if it decided now.
    pub probabilities: Vec<f64>,
    /// bₜ, the return that it expects now; `None` where it does not learn to.
    pub baseline: Option<f64>,
}

/// A square of the image's pixels that was read; it may lie partly, even wholly, outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The leftmost column.
    pub x: i64,
    /// The topmost row.
    pub y: i64,
    /// Columns, and rows.
    pub side: i64,
}

impl Trace {
    /// The class of the agent's decision, after the last glimpse.
    pub fn answer(&self) -> usize {
        self.glimpses.last().map_or(0, Glimpse::leader)
    }

    /// Whether the decision is right, where the class is known.
    pub fn right(&self) -> Option<bool> {
        self.label.map(|label| label == self.answer())
    }
}

impl Glimpse {
    /// The most likely class, the first where some are equal.
    pub fn leader(&self) -> usize {
        argmax_of(&self.probabilities)
    }
}

/// A game of Catch, and what the agent saw and did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GameTrace {
    /// Its number in the split.
    pub index: usize,
    /// The screen's rows, and columns.
    pub size: usize,
    /// What was seen before each move.
    pub frames: Vec<Frame>,
    /// The screen after the last move, `[size, size]`, 0 or 255.
    pub end: Vec<u8>,
}

/// A frame of a game, and the move that it led to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frame {
    /// The screen, `[size, size]`, 0 or 255.
    pub screen: Vec<u8>,
    /// lₜ₋₁ as it was looked at: (x, y), clamped to [−1, 1].
    pub location: [f64; 2],
    /// The retina's patches on the screen, from fine to coarse.
    pub windows: Vec<Window>,
    /// The probability of each action: left, stay, right.
    pub probabilities: Vec<f64>,
    /// bₜ, the return that it expects; `None` where it does not learn to.
    pub baseline: Option<f64>,
    /// The action chosen, its index.
    pub action: usize,
    /// rₜ of the move.
    pub reward: f64,
}

impl GameTrace {
    /// The sum of the rewards: 1 where the ball was caught, else 0.
    pub fn reward(&self) -> f64 {
        self.frames.iter().map(|frame| frame.reward).sum()
    }
}

/// The agent of a checkpoint, to be watched.
pub struct Tracer {
    config: Config,
    network: Network,
    params: Params<f32>,
    classes: Vec<String>,
    channels: usize,
}

impl Tracer {
    /// Restores the agent of a checkpoint.
    ///
    /// # Errors
    /// [`RamError::Config`] where the network sees everything at once and has no glimpses; a checkpoint of another model.
    pub fn new(checkpoint: &Checkpoint) -> Result<Tracer, RamError> {
        let config = checkpoint.config()?;
        let kind = match config.model.kind {
            ModelKind::Ram => None,
            ModelKind::Fc => Some("fc"),
            ModelKind::Conv => Some("conv"),
        };
        if let Some(kind) = kind {
            return Err(RamError::Config(format!(
                "{}: model.kind is {kind}, which sees the whole image at once: there are no glimpses to show; name a run \
                 of model.kind = \"ram\"",
                checkpoint.path.display()
            )));
        }
        let classes = checkpoint.state.classes.clone();
        if !(1..=256).contains(&classes.len()) {
            let message = format!("it names {} classes, expected 1 to 256; use another checkpoint", classes.len());
            return Err(RamError::checkpoint(&checkpoint.path, message));
        }
        // ρ has `channels` times k·g² numbers; a data set is not needed to know it.
        let inputs = checkpoint.tensors.get(&format!("{PARAMS}glimpse.retina.weight"));
        let per_channel = config.model.scales * config.model.patch * config.model.patch;
        let channels = inputs.and_then(|stored| stored.shape.first()).map_or(1, |rows| rows / per_channel).max(1);
        let mut params = Params::new();
        let network = Network::new(&mut params, &config, channels, classes.len());
        restore(&mut params, checkpoint)?;
        Ok(Tracer { config, network, params, classes, channels })
    }

    /// The run's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The names of the classes, or of a game's actions.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    fn agent(&self) -> &Agent {
        match &self.network {
            Network::Agent(agent) | Network::Player(agent) => agent,
            Network::Comparator(_) => unreachable!("refused when it was opened"),
        }
    }

    /// The agent's retina.
    pub fn retina(&self) -> Retina {
        self.agent().retina()
    }

    /// Channels of an image that it can look at.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Whether its baseline was learned: returns were compared with it, and there was something to choose.
    fn expects(&self) -> bool {
        let Config { loss, model, policy, .. } = &self.config;
        let chooses = matches!(policy.locations, Locations::Learned | Locations::Blind) && model.glimpses > 1;
        loss.baseline == Baseline::Learned && (chooses || loss.kind == LossKind::Reinforce)
    }

    /// Whether it plays games and classifies no images.
    pub fn plays(&self) -> bool {
        self.config.data.source == crate::config::Source::Catch
    }

    /// The images that it is evaluated on.
    ///
    /// # Errors
    /// Missing or damaged data; [`RamError::Config`] of a run that plays games.
    pub fn images(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Fixed, RamError> {
        match split {
            SplitName::Validation => Ok(TrainingData::open(&self.config, data_dir)?.validation),
            SplitName::Test => test_set(&self.config, data_dir),
        }
    }

    /// How the agent fares on a whole set, of which the traces are parts; on the current rayon pool.
    pub fn evaluate(&self, set: &Fixed) -> Evaluation {
        evaluate_on(&self.config, &self.network, &self.params, set, 1)
    }

    /// Some consecutive images of a set, looked at as [`evaluate`](crate::train::trainer::evaluate) does.
    ///
    /// # Panics
    /// Where the range leaves the set, as slices do, or the images have other channels than the run's.
    pub fn trace(&self, set: &Fixed, range: Range<usize>) -> Vec<Trace> {
        let images = &set.set.images;
        let shape = [images.channels(), images.height(), images.width()];
        let labels = &set.set.labels[range.clone()];
        let (mut tape, mut draws) = (Tape::new(), Draws::default());
        let mut traces = Vec::with_capacity(range.len());
        for start in range.clone().step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(range.end);
            traces.extend(self.look(images.slice(chunk.clone()), shape, chunk, &mut tape, &mut draws));
        }
        for (trace, &label) in traces.iter_mut().zip(labels) {
            trace.label = Some(usize::from(label));
        }
        traces
    }

    /// Any image, [channels, height, width], of whatever size: the retina's cost does not depend on it. Its first location is
    /// that of the split's first image.
    ///
    /// # Errors
    /// [`RamError::Config`] where the pixels are not an image of the run's channels, or the run plays games.
    pub fn trace_image(&self, pixels: &[u8], [channels, height, width]: [usize; 3]) -> Result<Trace, RamError> {
        let found = format!("an image of {channels} channels and {width}×{height} pixels in {} bytes", pixels.len());
        if channels != self.channels || pixels.is_empty() || pixels.len() != channels * height * width {
            return Err(RamError::Config(format!(
                "{found}, but this run looks at images of {} channels; convert it first",
                self.channels
            )));
        }
        if self.plays() {
            return Err(RamError::Config(format!("{found}, but this run plays games and classifies no images")));
        }
        let (mut tape, mut draws) = (Tape::new(), Draws::default());
        let mut traces = self.look(pixels, [channels, height, width], 0..1, &mut tape, &mut draws);
        Ok(traces.remove(0))
    }

    /// A chunk of images with these numbers.
    fn look(
        &self,
        pixels: &[u8],
        [channels, height, width]: [usize; 3],
        range: Range<usize>,
        tape: &mut Tape<f32>,
        draws: &mut Draws<f32>,
    ) -> Vec<Trace> {
        let (batch, agent) = (range.len(), self.agent());
        let samples: Vec<u32> = range.clone().map(|index| index as u32).collect();
        draws.draw(agent, self.config.policy.first, Mode::Mean, FIXED_SEED, 0, &samples);
        let t = tape.begin(&self.params);
        let shape = Shape::new(&[batch, channels, height, width]);
        let episode = agent.look(&t, Images::Pixels { data: pixels, shape }, draws);
        let (mut logits, mut baselines) = (Steps::new(), Steps::new());
        for h in episode.states.iter() {
            let (of_classes, baseline) = agent.believe(h);
            logits.push(of_classes);
            baselines.push(baseline);
        }
        let [locations, rhos, logits, baselines] =
            [&episode.locations, &episode.glimpses, &logits, &baselines].map(|steps| values(steps, batch));
        range
            .zip(pixels.chunks_exact(channels * height * width))
            .enumerate()
            .map(|(i, (index, pixels))| {
                let glimpses = (0..agent.glimpses()).map(|step| {
                    let location = clamped(&locations[step][i]);
                    Glimpse {
                        location,
                        windows: windows(agent.retina(), location, [width, height]),
                        rho: rhos[step][i].clone(),
                        probabilities: softmax(&logits[step][i]),
                        baseline: self.expects().then(|| f64::from(baselines[step][i][0])),
                    }
                });
                let glimpses = glimpses.collect();
                Trace { index, pixels: pixels.to_vec(), channels, height, width, label: None, glimpses }
            })
            .collect()
    }

    /// Games of a split by their numbers, played as [`evaluate`](crate::train::trainer::evaluate) does.
    ///
    /// # Errors
    /// [`RamError::Config`] of a run that classifies images, or a screen that cannot be.
    pub fn games(&self, split: SplitName, range: Range<usize>) -> Result<Vec<GameTrace>, RamError> {
        if !self.plays() {
            return Err(RamError::Config("this run classifies images and plays no games".to_owned()));
        }
        let epoch = match split {
            SplitName::Validation => VALIDATION_GAMES,
            SplitName::Test => TEST_GAMES,
        };
        let (mut tape, mut draws, mut screens) = (Tape::new(), Draws::default(), Screens::default());
        let mut traces = Vec::with_capacity(range.len());
        for start in range.clone().step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(range.end);
            let t = tape.begin(&self.params);
            traces.extend(self.play(&t, epoch, chunk, &mut draws, &mut screens)?);
        }
        Ok(traces)
    }

    /// Looks on while somebody else plays a game that has begun: `chooses` is told of every frame and of the agent's windows, and
    /// says the move. The first location is that of validation game `number`. Returns the sum of the rewards.
    ///
    /// # Panics
    /// Where the run plays no games, or the game is of another size than the run's.
    pub fn look_on(&self, game: &mut Catch, number: u32, chooses: &mut dyn FnMut(&Catch, &[Window]) -> usize) -> f64 {
        assert!(self.plays(), "look_on: the run plays no games");
        let (mut tape, mut draws, mut screens) = (Tape::new(), Draws::default(), Screens::default());
        draws.draw(self.agent(), self.config.policy.first, Mode::Mean, FIXED_SEED, VALIDATION_GAMES, &[number]);
        let t = tape.begin(&self.params);
        let size = game.size();
        let chosen = AtomicUsize::new(0);
        let mut games = [Guided { game: game.clone(), chosen: &chosen }];
        self.agent().play(&t, &mut games, &draws, &mut screens, |games, locations| {
            chosen.store(chooses(&games[0].game, &windows(self.agent().retina(), clamped(locations), size)), Relaxed);
        });
        let [Guided { game: after, .. }] = games;
        *game = after;
        screens.rewards.iter().map(|&r| f64::from(r)).sum()
    }

    /// A chunk of games with these numbers.
    fn play<'t>(
        &self,
        t: &'t autograd::Recording<'t, f32>,
        epoch: u64,
        range: Range<usize>,
        draws: &mut Draws<f32>,
        screens: &mut Screens<f32>,
    ) -> Result<Vec<GameTrace>, RamError> {
        let (agent, size, batch) = (self.agent(), self.config.data.size, range.len());
        let samples: Vec<u32> = range.clone().map(|index| index as u32).collect();
        draws.draw(agent, self.config.policy.first, Mode::Mean, FIXED_SEED, epoch, &samples);
        let mut games = vec![Catch::new(size)?; batch];
        for (game, &sample) in games.iter_mut().zip(&samples) {
            let key = Key { seed: FIXED_SEED, purpose: Purpose::Game, epoch, sample: u64::from(sample) };
            game.reset(&mut key.stream());
        }
        let mut seen = Vec::with_capacity(agent.glimpses());
        let play = agent.play(t, &mut games, draws, screens, |games: &[Catch], locations| {
            seen.push((games.iter().map(|game| screen(game, size)).collect::<Vec<_>>(), locations.to_vec()));
        });
        let [policies, actions, baselines] =
            [&play.log_policies, &play.actions, &play.baselines].map(|steps| values(steps, batch));
        let frame = |step: usize, i: usize| {
            let (of_games, locations) = &seen[step];
            let location = clamped(&locations[2 * i..2 * i + 2]);
            Frame {
                screen: of_games[i].clone(),
                location,
                windows: windows(agent.retina(), location, [size; 2]),
                probabilities: softmax(&policies[step][i]),
                baseline: self.expects().then(|| f64::from(baselines[step][i][0])),
                action: actions[step][i][0] as usize,
                reward: f64::from(screens.rewards[step * batch + i]),
            }
        };
        let trace = |(i, (index, game)): (usize, (usize, &Catch))| GameTrace {
            index,
            size,
            frames: (0..agent.glimpses()).map(|step| frame(step, i)).collect(),
            end: screen(game, size),
        };
        Ok(range.zip(&games).enumerate().map(trace).collect())
    }
}

/// A game whose moves somebody else chooses.
#[derive(Clone)]
struct Guided<'a> {
    game: Catch,
    chosen: &'a AtomicUsize,
}

impl Environment for Guided<'_> {
    fn size(&self) -> [usize; 2] {
        self.game.size()
    }
    fn actions(&self) -> usize {
        self.game.actions()
    }
    fn frames(&self) -> usize {
        self.game.frames()
    }
    fn reset(&mut self, rng: &mut impl Rng) {
        self.game.reset(rng);
    }
    fn screen(&self, pixels: &mut [u8]) {
        self.game.screen(pixels);
    }
    fn step(&mut self, _: usize) -> f64 {
        self.game.step(self.chosen.load(Relaxed))
    }
    fn done(&self) -> bool {
        self.game.done()
    }
}

/// The values of each step, a row for each of the batch's images or games.
fn values(steps: &Steps<f32>, batch: usize) -> Vec<Vec<Vec<f32>>> {
    let rows = |values: &[f32]| values.chunks_exact((values.len() / batch).max(1)).map(<[f32]>::to_vec).collect();
    steps.iter().map(|step| rows(&step.value())).collect()
}

fn screen(game: &Catch, size: usize) -> Vec<u8> {
    let mut pixels = vec![0; size * size];
    game.screen(&mut pixels);
    pixels
}

fn clamped(l: &[f32]) -> [f64; 2] {
    [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)))
}

fn windows(retina: Retina, location: [f64; 2], size: [usize; 2]) -> Vec<Window> {
    let at = |scale| {
        let [x, y] = retina.window(location, scale, size);
        Window { x, y, side: retina.side(scale) as i64 }
    };
    (0..retina.scales).map(at).collect()
}

/// exp(xᵢ)/Σ exp(xⱼ), in f64, so that different logits stay different.
fn softmax(x: &[f32]) -> Vec<f64> {
    let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let weights: Vec<f64> = x.iter().map(|&x| math::exp(f64::from(x) - f64::from(largest))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
pub(crate) mod tests;
