//! What an agent did, in plain numbers: for pictures (Figures 2 to 6), for reports and for analysis.
//!
//! A trace shows the same episode that [`evaluate`](super::evaluator::evaluate) counts: locations are at the policy's mean, and
//! the first one is drawn by the number of the example. A trace also has the answer that the agent would have given after each
//! glimpse, from the action network applied to every hₜ.

use std::ops::Range;
use std::path::Path;

use autograd::{Tape, math};
use datasets::Layout;
use serde::Serialize;

use super::evaluator::evaluate_on;
use super::trained::Trained;
use crate::config::{Config, LossKind};
use crate::data::FIXED_SEED;
use crate::environments::Environment;
use crate::error::RamError;
use crate::evaluation::Evaluation;
use crate::model::action::argmax;
use crate::model::{Agent, Decisions, DrawKey, Draws, First, Images, Mode, Retina, Steps, World};
use crate::reinforce::BaselineKind;
use crate::split::SplitName;
use crate::tasks::play::{Games, Played, VALIDATION_GAMES};
use crate::tasks::{Examples, Inputs, Pictures, Recorder};

/// The number of examples on the tape at the same time.
const CHUNK: usize = 100;

/// An image or a game, and what an agent saw and believed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// The number of the image or game in the split.
    pub index: usize,
    /// The pictures that the agent looked at, [channels, height, width] bytes each: one image, or the screen of a game at each
    /// glimpse and at the end.
    pub pictures: Vec<Vec<u8>>,
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// The class of an image, where it is known.
    pub label: Option<usize>,
    /// Whether a game was won, that is, its return is at least half of the best return; `None` for images.
    pub won: Option<bool>,
    /// The glimpses that were taken, in order; there is at least one.
    pub glimpses: Vec<Glimpse>,
}

/// A glimpse, and what the agent believed and did after it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Glimpse {
    /// lₜ₋₁ = (x, y), clamped to [−1, 1], where ±1 are the outer edges of the image.
    pub location: [f64; 2],
    /// The areas of the image that the retina's patches cover, from fine to coarse.
    pub windows: Vec<Window>,
    /// ρ(x, lₜ₋₁), [channels, scales, patch, patch]: grey levels from 0 to 1, and 0 outside of the image.
    pub rho: Vec<f32>,
    /// By how much each patch is multiplied before the network sees it, from fine to coarse.
    #[serde(skip)]
    pub gains: Vec<f64>,
    /// The probability of each action, or of each class if the agent decided now.
    pub probabilities: Vec<f64>,
    /// z, where the agent has several zooms: the windows are 2ᶻ times as wide as at the finest.
    pub zoom: Option<usize>,
    /// π(sₜ = 1 | hₜ), with which the agent stops now; `None` where it has no such choice.
    pub stop: Option<f64>,
    /// bₜ, the return that the agent expects now; `None` if the baseline is not learned.
    pub baseline: Option<f64>,
    /// The index of the action in a game.
    pub action: Option<usize>,
    /// The reward rₜ of this action; 0 for images.
    pub reward: f64,
}

/// A square of pixels that the retina reads. It may lie partly or completely outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// The leftmost column.
    pub x: i64,
    /// The topmost row.
    pub y: i64,
    /// The number of columns, and of rows.
    pub side: i64,
}

impl Trace {
    /// The picture at glimpse `step`, from 0. After the last glimpse, this is the final screen of a game.
    pub fn picture(&self, step: usize) -> &[u8] {
        &self.pictures[step.min(self.pictures.len() - 1)]
    }

    /// The class that the agent chooses after the last glimpse.
    pub fn answer(&self) -> usize {
        self.glimpses.last().map_or(0, Glimpse::leader)
    }

    /// Whether the decision is right or the game was won; `None` if the class is not known.
    pub fn right(&self) -> Option<bool> {
        self.label.map(|label| label == self.answer()).or(self.won)
    }

    /// The sum of the rewards of a game.
    pub fn total(&self) -> f64 {
        self.glimpses.iter().map(|glimpse| glimpse.reward).sum()
    }
}

impl Glimpse {
    /// The most likely class or action; the first one if several are equally likely.
    pub fn leader(&self) -> usize {
        argmax(&self.probabilities)
    }

    /// What the network sees: ρ multiplied by the gains, [channels, scales, patch, patch], in bytes from 0 (black) to 255 (1 or more).
    pub fn seen(&self, channels: usize) -> Vec<u8> {
        let numbers = (self.rho.len() / (channels * self.gains.len()).max(1)).max(1);
        let level = |x: f32, gain: f64| ((f64::from(x) * gain).clamp(0.0, 1.0) * 255.0).round() as u8;
        let patches = self.rho.chunks(numbers).zip(self.gains.iter().cycle());
        patches.flat_map(|(rho, &gain)| rho.iter().map(move |&x| level(x, gain))).collect()
    }
}

/// Traces the agent of a trained network.
#[derive(Clone, Copy)]
pub struct Tracer<'a> {
    pub(super) trained: &'a Trained,
    pub(super) agent: &'a Agent,
}

impl<'a> Tracer<'a> {
    /// A tracer for the agent of a trained network.
    ///
    /// # Errors
    /// [`RamError::Config`] if the network sees the whole image at once and has no glimpses.
    pub fn new(trained: &'a Trained) -> Result<Tracer<'a>, RamError> {
        let agent = trained.network.agent().ok_or_else(|| {
            RamError::Config(format!(
                "{}: model.kind is {}, which sees the whole image at once and has no glimpses to show; name a run with \
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

    /// The names of the classes, or of the actions of a game.
    pub fn classes(&self) -> &'a [String] {
        &self.trained.outputs
    }

    /// The agent's retina.
    pub fn retina(&self) -> Retina {
        self.agent.retina()
    }

    /// The gains of the patches at a zoom, from fine to coarse.
    pub(super) fn gains(&self, zoom: usize) -> Vec<f64> {
        let (gains, retina) = (self.config().model.gains(), self.retina().zoomed(zoom));
        (0..retina.scales).map(|scale| gains.of(scale + retina.zoom)).collect()
    }

    /// The number of channels of the images that it can look at.
    pub fn channels(&self) -> usize {
        self.trained.channels
    }

    /// Whether the agent plays games instead of classifying images.
    pub fn plays(&self) -> bool {
        self.agent.decisions() == Decisions::Each
    }

    /// Whether the baseline was learned: it was subtracted from returns, and there was something to choose. An informed one is
    /// not shown, since it needs to know the class.
    pub(super) fn learned_baseline(&self) -> bool {
        let Config { loss, model, policy, .. } = self.config();
        let chooses = policy.learns() && (model.glimpses > 1 || policy.first == First::Learned);
        loss.baseline == BaselineKind::Learned && (chooses || loss.kind == LossKind::Reinforce)
    }

    /// The examples for evaluation.
    ///
    /// # Errors
    /// Data are missing or damaged.
    pub fn examples(&self, split: SplitName, data_dir: Option<&Path>) -> Result<Examples, RamError> {
        self.trained.examples(split, data_dir)
    }

    /// Evaluates the agent on all examples, on the current rayon pool.
    pub fn evaluate(&self, examples: &Examples) -> Evaluation {
        evaluate_on(self.config(), self.trained.subject(), examples, 1)
    }

    /// Traces consecutive examples, with the same episodes as [`evaluate`](super::evaluator::evaluate). For games, `range` may
    /// exceed the number of examples.
    ///
    /// # Panics
    /// If the range exceeds the images, or the images have other channels than the run's images.
    pub fn trace(&self, examples: &Examples, range: Range<usize>) -> Vec<Trace> {
        let (mut tape, mut recorder) = (Tape::new(), self.trained.task.recorder(self.config()));
        let mut traces = Vec::with_capacity(range.len());
        for chunk in examples.chunks(range.clone(), CHUNK) {
            traces.extend(examples.inputs(chunk, 0, |inputs| self.look(inputs, &mut tape, &mut *recorder)));
        }
        if examples.images.is_some() {
            let labels = examples.images.iter().flat_map(|images| &images.labels()[range.clone()]);
            traces.iter_mut().zip(labels).for_each(|(trace, &label)| trace.label = Some(usize::from(label)));
        }
        traces
    }

    /// Traces any image, or any clip: the pixels of `frames` images, one after the other, each as `layout` says. The first location is
    /// the same as for the first image of a split.
    ///
    /// # Errors
    /// [`RamError::Config`] if the pixels are not images with the run's channels, if the run looks at clips of another length, or if it
    /// plays games.
    pub fn trace_image(&self, pixels: &[u8], layout: Layout, frames: usize) -> Result<Trace, RamError> {
        let Layout { channels, height, width, .. } = layout;
        let what = if frames == 1 { "an image".to_owned() } else { format!("a clip of {frames} frames") };
        let found = format!("{what} of {channels} channels and {width}×{height} pixels in {} bytes", pixels.len());
        if channels != self.channels() || pixels.is_empty() || pixels.len() != frames * layout.len() {
            return Err(RamError::Config(format!(
                "{found}, but this run looks at images of {} channels; convert it first",
                self.channels()
            )));
        }
        if self.plays() {
            return Err(RamError::Config(format!("{found}, but this run plays games and classifies no images")));
        }
        match self.config().data.clip_frames() {
            expected if expected == frames => {}
            1 => return Err(RamError::Config(format!("{found}, but this run looks at images that stay the same"))),
            expected => {
                return Err(RamError::Config(format!(
                    "{found}, but this run looks at clips of {expected} frames; `ram predict` takes a folder with a picture for each"
                )));
            }
        }
        let key = DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch: 0, samples: &[0], copies: 1 };
        let inputs = Inputs { key, pictures: Pictures::new(pixels, layout, None, [frames, 1]), labels: &[0] };
        let mut traces = self.look(&inputs, &mut Tape::new(), &mut *self.trained.task.recorder(self.config()));
        Ok(traces.remove(0))
    }

    /// Traces inputs, without their labels.
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
            let zoom = episode.zooms.as_ref().map(|zooms| zooms.zoom(step, i));
            Glimpse {
                location,
                windows: windows(self.retina().zoomed(zoom.unwrap_or(0)), location, [width, height]),
                zoom,
                rho: rhos[step][i].clone(),
                gains: self.gains(zoom.unwrap_or(0)),
                probabilities: softmax(&decisions[step][i]),
                stop: episode.stops.as_ref().and_then(|stops| stops.probability(step, i)),
                baseline: self.learned_baseline().then(|| f64::from(baselines[step][i][0])),
                action: actions.get(step).map(|actions| actions[i][0] as usize),
                reward: recorder.rewards().get(step * batch + i).map_or(0.0, |&r| f64::from(r)),
            }
        };
        let pictures = match inputs.pictures.frames() {
            _ if self.plays() => steps + 1,
            1 => 1,
            _ => steps,
        };
        let judged = self.plays().then(|| recorder.judge(&self.trained.network, &observed, inputs).wrong);
        let taken = |i: usize| match &episode.stops {
            Some(stops) => stops.looks.iter().filter(|looks| looks.value()[i] == 1.0).count(),
            None => steps,
        };
        let trace = |(i, &sample): (usize, &u32)| Trace {
            index: sample as usize,
            pictures: (0..pictures).map(|step| recorder.picture(inputs, step, i)).collect(),
            channels,
            height,
            width,
            label: None,
            won: judged.as_ref().map(|lost| !lost.contains(&sample)),
            glimpses: (0..taken(i)).map(|step| glimpse(step, i)).collect(),
        };
        inputs.key.samples.iter().enumerate().map(trace).collect()
    }

    /// The agent looks at a game while somebody else plays it. For every frame, `chooses` gets the game and the agent's windows,
    /// and returns the action. The game must have begun. The first location is that of validation game `number`. Returns the sum
    /// of the rewards.
    ///
    /// # Panics
    /// If the run plays no games, or the game has another size than the run's games.
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

/// A game in which somebody else chooses the actions.
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
        let retina = self.retina.zoomed(locations.get(2).map_or(0, |&zoom| zoom as usize));
        self.chosen = (self.chooses)(game, &windows(retina, clamped(locations), [width, height]));
        self.games.images(locations)
    }
    fn act(&mut self, _: &[f32]) {
        World::<f32>::act(&mut self.games, &[self.chosen as f32]);
    }
}

/// The values of each step, with a row for each image or game of the batch.
fn values(steps: &Steps<f32>, batch: usize) -> Vec<Vec<Vec<f32>>> {
    let rows = |values: &[f32]| values.chunks_exact((values.len() / batch).max(1)).map(<[f32]>::to_vec).collect();
    steps.iter().map(|step| rows(&step.value())).collect()
}

pub(super) fn clamped(l: &[f32]) -> [f64; 2] {
    [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)))
}

pub(super) fn windows(retina: Retina, location: [f64; 2], size: [usize; 2]) -> Vec<Window> {
    let at = |scale| {
        let [x, y] = retina.window(location, scale, size);
        Window { x, y, side: retina.side(scale) as i64 }
    };
    (0..retina.scales).map(at).collect()
}

/// exp(xᵢ)/Σ exp(xⱼ), in f64, so that different logits stay different.
pub(super) fn softmax(x: &[f32]) -> Vec<f64> {
    let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let weights: Vec<f64> = x.iter().map(|&x| math::exp(f64::from(x) - f64::from(largest))).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
pub(crate) mod tests;
