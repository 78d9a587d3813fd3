//! What an agent did, in plain numbers: for pictures (Figures 2 to 6), for reports, and for anybody who wants to know why.
//!
//! A trace is the very episode that [`evaluate`](super::evaluator::evaluate) counts: locations at the policy's mean, the first
//! one drawn by the example's number. Beyond what the episode needs, it tells what the agent would have answered after each
//! glimpse: the action network applied to every hₜ.

use std::ops::Range;
use std::path::Path;

use autograd::{Tape, math};
use serde::Serialize;

use super::evaluator::evaluate_on;
use super::trained::Trained;
use crate::config::{Config, LossKind};
use crate::data::FIXED_SEED;
use crate::environments::Environment;
use crate::error::RamError;
use crate::evaluation::Evaluation;
use crate::model::action::argmax;
use crate::model::{Agent, Decisions, DrawKey, Draws, Images, Mode, Retina, Steps, World};
use crate::reinforce::BaselineKind;
use crate::split::SplitName;
use crate::tasks::play::{Games, Played, VALIDATION_GAMES};
use crate::tasks::{Examples, Inputs, Recorder};

/// Examples on the tape at a time.
const CHUNK: usize = 100;

/// An image or a game, and what an agent saw and believed of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Its number in the split.
    pub index: usize,
    /// The bytes that were looked at, [channels, height, width] each: one image that stays as it is; or of a game its screen
    /// at each glimpse, and how it ended.
    pub pictures: Vec<Vec<u8>>,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// The class of an image, where it is known.
    pub label: Option<usize>,
    /// Whether a game was won: it brought at least half of the best return.
    pub won: Option<bool>,
    /// The N glimpses in order; one at least.
    pub glimpses: Vec<Glimpse>,
}

/// A glimpse, and what the agent believed and did after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Glimpse {
    /// lₜ₋₁ as it was looked at: (x, y), clamped to [−1, 1], the image's outer edges.
    pub location: [f64; 2],
    /// The retina's patches on the image, from fine to coarse.
    pub windows: Vec<Window>,
    /// ρ(x, lₜ₋₁), [channels, scales, patch, patch], grey levels from 0 to 1; outside of the image 0.
    pub rho: Vec<f32>,
    /// The probability of each class if the agent decided now, or of each action.
    pub probabilities: Vec<f64>,
    /// bₜ, the return that the agent expects now; `None` where it does not learn to.
    pub baseline: Option<f64>,
    /// The action taken in a game, as an index.
    pub action: Option<usize>,
    /// The reward rₜ of that action; 0 of images.
    pub reward: f64,
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
    /// The picture that was looked at in glimpse `step`, from 0; after the last one, how it ended.
    pub fn picture(&self, step: usize) -> &[u8] {
        &self.pictures[step.min(self.pictures.len() - 1)]
    }

    /// The class of the agent's decision, after the last glimpse.
    pub fn answer(&self) -> usize {
        self.glimpses.last().map_or(0, Glimpse::leader)
    }

    /// Whether the decision is right, where the class is known, or whether the game was won.
    pub fn right(&self) -> Option<bool> {
        self.label.map(|label| label == self.answer()).or(self.won)
    }

    /// The sum of the rewards of a game.
    pub fn total(&self) -> f64 {
        self.glimpses.iter().map(|glimpse| glimpse.reward).sum()
    }
}

impl Glimpse {
    /// The most likely class or action, the first one where some are equal.
    pub fn leader(&self) -> usize {
        argmax(&self.probabilities)
    }
}

/// The agent of a trained network, to be watched.
#[derive(Clone, Copy)]
pub struct Tracer<'a> {
    trained: &'a Trained,
    agent: &'a Agent,
}

impl<'a> Tracer<'a> {
    /// Watches the agent of a trained network.
    ///
    /// # Errors
    /// [`RamError::Config`] where the network sees everything at once and has no glimpses.
    pub fn new(trained: &'a Trained) -> Result<Tracer<'a>, RamError> {
        let agent = trained.network.agent().ok_or_else(|| {
            RamError::Config(format!(
                "{}: model.kind is {}, which sees the whole image at once: there are no glimpses to show; name a run of \
                 model.kind = \"ram\"",
                trained.path.display(),
                trained.config.model.kind.name()
            ))
        })?;
        Ok(Tracer { trained, agent })
    }

    /// The run's configuration.
    pub fn config(&self) -> &'a Config {
        &self.trained.config
    }

    /// The names of the classes, or of a game's actions.
    pub fn classes(&self) -> &'a [String] {
        &self.trained.outputs
    }

    /// The agent's retina.
    pub fn retina(&self) -> Retina {
        self.agent.retina()
    }

    /// Channels of an image that it can look at.
    pub fn channels(&self) -> usize {
        self.trained.channels
    }

    /// Whether it plays games and classifies no images.
    pub fn plays(&self) -> bool {
        self.agent.decisions() == Decisions::Each
    }

    /// Whether its baseline was learned: returns were compared with it, and there was something to choose.
    fn expects(&self) -> bool {
        let Config { loss, model, policy, .. } = self.config();
        let chooses = policy.locations.are_learned() && model.glimpses > 1;
        loss.baseline == BaselineKind::Learned && (chooses || loss.kind == LossKind::Reinforce)
    }

    /// The examples that it is evaluated on.
    ///
    /// # Errors
    /// Missing or damaged data.
    pub fn examples(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Examples, RamError> {
        self.trained.examples(split, data_dir)
    }

    /// How the agent fares on all the examples, of which the traces are parts; on the current rayon pool.
    pub fn evaluate(&self, examples: &Examples) -> Evaluation {
        evaluate_on(self.config(), self.trained.subject(), examples, 1)
    }

    /// Some consecutive examples, looked at as [`evaluate`](super::evaluator::evaluate) does. Of games there are as many as
    /// anybody asks for.
    ///
    /// # Panics
    /// Where the range leaves the images, as slices do, or the images have other channels than the run's.
    pub fn trace(&self, examples: &Examples, range: Range<usize>) -> Vec<Trace> {
        let (mut tape, mut recorder) = (Tape::new(), self.trained.task.recorder(self.config()));
        let mut traces = Vec::with_capacity(range.len());
        for start in range.clone().step_by(CHUNK) {
            let chunk = start..(start + CHUNK).min(range.end);
            traces.extend(examples.inputs(chunk, 0, |inputs| self.look(inputs, &mut tape, &mut *recorder)));
        }
        if examples.images.is_some() {
            let labels = examples.images.iter().flat_map(|fixed| &fixed.set.labels[range.clone()]);
            traces.iter_mut().zip(labels).for_each(|(trace, &label)| trace.label = Some(usize::from(label)));
        }
        traces
    }

    /// Any image, [channels, height, width], of whatever size: the retina's cost does not depend on it. Its first location is
    /// that of the split's first image.
    ///
    /// # Errors
    /// [`RamError::Config`] where the pixels are not an image of the run's channels, or the run plays games.
    pub fn trace_image(&self, pixels: &[u8], size: [usize; 3]) -> Result<Trace, RamError> {
        let [channels, height, width] = size;
        let found = format!("an image of {channels} channels and {width}×{height} pixels in {} bytes", pixels.len());
        if channels != self.channels() || pixels.is_empty() || pixels.len() != channels * height * width {
            return Err(RamError::Config(format!(
                "{found}, but this run looks at images of {} channels; convert it first",
                self.channels()
            )));
        }
        if self.plays() {
            return Err(RamError::Config(format!("{found}, but this run plays games and classifies no images")));
        }
        let key = DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch: 0, samples: &[0], copies: 1 };
        let inputs = Inputs { key, pixels, size, labels: &[0], boxes: None };
        let mut traces = self.look(&inputs, &mut Tape::new(), &mut *self.trained.task.recorder(self.config()));
        Ok(traces.remove(0))
    }

    /// Some inputs, whose labels are not told.
    fn look(&self, inputs: &Inputs, tape: &mut Tape<f32>, recorder: &mut dyn Recorder) -> Vec<Trace> {
        let (batch, steps) = (inputs.len(), self.agent.glimpses());
        let t = tape.begin(&self.trained.params);
        let observed = recorder.observe(&t, &self.trained.network, inputs);
        let Some(episode) = &observed.episode else { return Vec::new() };
        let (decisions, baselines): (Steps<f32>, Steps<f32>) = match self.agent.decisions() {
            Decisions::Each => (episode.decisions.clone(), episode.baselines.clone()),
            Decisions::Last => episode.states.iter().map(|&h| self.agent.believe(h)).unzip(),
        };
        let [locations, rhos, decisions, baselines, actions] =
            [&episode.locations, &episode.glimpses, &decisions, &baselines, &episode.actions]
                .map(|steps| values(steps, batch));
        let [channels, height, width] = recorder.picture_size(inputs);
        let glimpse = |step: usize, i: usize| {
            let location = clamped(&locations[step][i]);
            Glimpse {
                location,
                windows: windows(self.retina(), location, [width, height]),
                rho: rhos[step][i].clone(),
                probabilities: softmax(&decisions[step][i]),
                baseline: self.expects().then(|| f64::from(baselines[step][i][0])),
                action: actions.get(step).map(|actions| actions[i][0] as usize),
                reward: recorder.rewards().get(step * batch + i).map_or(0.0, |&r| f64::from(r)),
            }
        };
        let pictures = if self.plays() { steps + 1 } else { 1 };
        let judged = self.plays().then(|| recorder.judge(&self.trained.network, &observed, inputs).wrong);
        let trace = |(i, &sample): (usize, &u32)| Trace {
            index: sample as usize,
            pictures: (0..pictures).map(|step| recorder.picture(inputs, step, i)).collect(),
            channels,
            height,
            width,
            label: None,
            won: judged.as_ref().map(|lost| !lost.contains(&sample)),
            glimpses: (0..steps).map(|step| glimpse(step, i)).collect(),
        };
        inputs.key.samples.iter().enumerate().map(trace).collect()
    }

    /// Looks on while somebody else plays a game that has begun: `chooses` is told of every frame and of the agent's windows, and
    /// says the move. The first location is that of validation game `number`. Returns the sum of the rewards.
    ///
    /// # Panics
    /// Where the run plays no games, or the game is of another size than the run's.
    pub fn look_on(
        &self,
        game: &mut Box<dyn Environment>,
        number: u32,
        chooses: &mut dyn FnMut(&dyn Environment, &[Window]) -> usize,
    ) -> f64 {
        assert!(self.plays(), "look_on: the run plays no games");
        let (mut tape, mut draws, mut played) = (Tape::new(), Draws::default(), Played::default());
        let key =
            DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch: VALIDATION_GAMES, samples: &[number], copies: 1 };
        draws.draw(self.agent.plan(), &key);
        let t = tape.begin(&self.trained.params);
        let world = Guided {
            games: Games::new(std::slice::from_mut(game), &mut played),
            retina: self.retina(),
            chosen: 0,
            chooses,
        };
        self.agent.look(&t, world, &draws);
        played.rewards.iter().map(|&r| f64::from(r)).sum()
    }
}

/// A game whose moves somebody else chooses.
struct Guided<'g, 'c> {
    games: Games<'g, f32>,
    retina: Retina,
    chosen: usize,
    chooses: &'c mut dyn FnMut(&dyn Environment, &[Window]) -> usize,
}

impl<'t> World<'t, f32> for Guided<'_, '_> {
    fn batch(&self) -> usize {
        1
    }
    fn images(&mut self, locations: &[f32]) -> Images<'_, 't, f32> {
        let game = self.games.game(0);
        let [height, width] = game.size();
        self.chosen = (self.chooses)(game, &windows(self.retina, clamped(locations), [width, height]));
        self.games.images(locations)
    }
    fn act(&mut self, _: &[f32]) {
        World::<f32>::act(&mut self.games, &[self.chosen as f32]);
    }
}

/// The values of each step, a row for each of the batch's images or games.
fn values(steps: &Steps<f32>, batch: usize) -> Vec<Vec<Vec<f32>>> {
    let rows = |values: &[f32]| values.chunks_exact((values.len() / batch).max(1)).map(<[f32]>::to_vec).collect();
    steps.iter().map(|step| rows(&step.value())).collect()
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
