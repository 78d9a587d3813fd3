//! To classify images: Sec. 4.1. The hybrid loss of Sec. 3.2, pure REINFORCE, and cross entropy alone.
//!
//! Data of your own are trained on like the built-in ones. Here a bar stands, lies or leans somewhere on a canvas, and the agent
//! shall say which of the three it does:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use datasets::rng::{Key, Purpose, below};
//! use datasets::{DataError, Images, Labelled, ReadSplit, Source, Split, Splits};
//! use ram::config::{self, Canvas, Config};
//! use ram::split::SplitName;
//! use ram::tasks::Classify;
//! use ram::train::trainer::Trainer;
//!
//! /// Bars on images of 12×12 pixels.
//! struct Bars;
//!
//! impl Bars {
//!     fn draw(&self, split: Split, count: usize) -> Result<ReadSplit, DataError> {
//!         let (mut pixels, mut labels) = (vec![0; count * 12 * 12], Vec::new());
//!         for (image, sample) in pixels.chunks_exact_mut(12 * 12).zip(0..) {
//!             let rng = &mut Key { seed: 1, purpose: Purpose::Shape, epoch: split as u64, sample }.stream();
//!             let (label, place) = (below(rng, 3) as u8, below(rng, 12) as usize);
//!             for i in 0..12 {
//!                 let [row, column] = [[i, place], [place, i], [i, i]][usize::from(label)];
//!                 image[12 * row + column] = 255;
//!             }
//!             labels.push(label);
//!         }
//!         ReadSplit::new(Labelled::new(Images::new(pixels, 1, 12, 12)?, labels, 3)?, ["stands", "lies", "leans"])
//!     }
//! }
//!
//! impl Source for Bars {
//!     fn train_validation(&self) -> Result<Splits, DataError> {
//!         Ok(Splits { train: self.draw(Split::Train, 600)?, validation: self.draw(Split::Validation, 100)? })
//!     }
//!     fn test(&self) -> Result<ReadSplit, DataError> {
//!         self.draw(Split::Test, 200)
//!     }
//! }
//!
//! let mut config = Config::default();
//! config.data.source = config::Source::Own;
//! (config.data.canvas, config.data.size) = (Canvas::Translated, 16);
//! (config.model.patch, config.model.scales, config.model.glimpses) = (4, 2, 4);
//! (config.model.features, config.model.glimpse_features, config.model.hidden) = (32, 64, 64);
//! (config.optimiser.learning_rate, config.train.epochs, config.train.batch) = (3e-3, 6, 20);
//!
//! let mut trainer = Trainer::of(Arc::new(Classify::with(Bars)), config, None, Some(1))?;
//! trainer.train(None, &AtomicBool::new(false), &mut ())?;
//! let found = trainer.evaluate(SplitName::Test, None)?;
//! // Whoever guesses is wrong two times of three.
//! assert!(found.count == 200 && found.error < 0.15, "{} are wrong", found.error);
//! # Ok::<(), ram::RamError>(())
//! ```

use std::path::Path;

use autograd::{Real, Recording, Var};
use datasets::{Batch, DigitBox, Loader, Source};

use super::task::{Batches, Examples, Inputs, Observed, Recorder, Task, Training, Verdict};
use crate::config::{Config, LossKind, Returns, Reward};
use crate::data::{TestData, TrainingData, check_frames};
use crate::error::RamError;
use crate::losses::{LossTerms, Objective, Terms};
use crate::model::action::{self, argmax};
use crate::model::{Decisions, Draws, Episode, Film, Images, Steps};
use crate::network::Network;
use crate::reinforce::{self, Term, baseline_error, reinforce};
use crate::split::SplitName;

/// To classify images.
#[derive(Default)]
pub struct Classify {
    /// The images, if they are not those that the configuration names.
    source: Option<Box<dyn Source>>,
}

impl Classify {
    /// To classify the images that a configuration names.
    pub fn new() -> Classify {
        Classify::default()
    }

    /// To classify the images of any [`Source`]. Their configuration says `data.source = "own"`.
    pub fn with(source: impl Source + 'static) -> Classify {
        Classify { source: Some(Box::new(source)) }
    }

    fn training_data(&self, config: &Config, dir: Option<&Path>) -> Result<TrainingData, RamError> {
        if config.loss.kind == LossKind::Reinforce && config.loss.returns == Returns::ToGo {
            let message = "loss.returns is to-go, but must be episode for images with loss.kind=reinforce, which rewards the last choice";
            return Err(RamError::Config(message.to_owned()));
        }
        if config.loss.kind == LossKind::Reinforce && config.loss.early_weight > 0.0 {
            let message = format!(
                "loss.early_weight is {}, but must be 0 with loss.kind=reinforce, which uses no label but for the reward",
                config.loss.early_weight
            );
            return Err(RamError::Config(message));
        }
        let data = match &self.source {
            Some(source) => TrainingData::of(config, &**source),
            None => TrainingData::open(config, dir),
        }?;
        check_frames(config, data.canvas.frames)?;
        let (found, expected) = (data.train.images.channels(), config.data.channels);
        if found != expected {
            return Err(RamError::Config(format!(
                "data.channels is {expected}, but the images have {found}; set data.channels={found}"
            )));
        }
        Ok(data)
    }
}

impl Task for Classify {
    fn decisions(&self) -> Decisions {
        Decisions::Last
    }

    fn training(&self, config: &Config, dir: Option<&Path>) -> Result<Training, RamError> {
        let data = self.training_data(config, dir)?;
        let loader = data.loader(config)?;
        let [channels, classes] = [data.train.images.channels(), data.train.classes];
        let what = match data.canvas.frames {
            1 => "images".to_owned(),
            frames => format!("clips of {frames} frames"),
        };
        let counts = match [data.train.len(), data.validation.len()] {
            [train, known] if config.data.train_on_validation => {
                format!("{train} training {what}, among them the {known} of validation,")
            }
            [train, validation] => format!("{train} training and {validation} validation {what}"),
        };
        let summary = format!(
            "{counts} {size}×{size}, {}, {classes} classes",
            if channels == 3 { "in colour" } else { "grey" },
            size = config.data.size,
        );
        let TrainingData { validation, classes: outputs, notes, object_fills_image, .. } = data;
        Ok(Training {
            batches: Box::new(loader),
            validation: Examples {
                count: validation.len(),
                images: Some(validation),
                is_placed: object_fills_image,
                outputs: outputs.clone(),
                ..Examples::default()
            },
            channels,
            outputs,
            notes,
            summary,
        })
    }

    fn examples(&self, config: &Config, split: SplitName, dir: Option<&Path>) -> Result<Examples, RamError> {
        let (images, outputs, notes, is_placed) = match split {
            SplitName::Validation => {
                let TrainingData { validation, classes, notes, object_fills_image, .. } =
                    self.training_data(config, dir)?;
                (validation, classes, notes, object_fills_image)
            }
            SplitName::Test => {
                let TestData { test, classes, notes, object_fills_image } = match &self.source {
                    Some(source) => TestData::of(config, &**source)?,
                    None => TestData::open(config, dir)?,
                };
                check_frames(config, test.frames())?;
                (test, classes, notes, object_fills_image)
            }
        };
        Ok(Examples { count: images.len(), images: Some(images), is_placed, epoch: 0, outputs, notes })
    }

    fn recorder(&self, config: &Config) -> Box<dyn Recorder> {
        Box::new(ImageRecorder {
            objective: Objective::new(config),
            kind: config.loss.kind,
            reward: config.loss.reward,
            draws: Draws::default(),
            pixels: Vec::new(),
            labels: Vec::new(),
        })
    }
}

impl Batches for Loader {
    fn steps(&self) -> usize {
        Loader::steps(self)
    }
    fn begin(&mut self, epoch: u64, first: usize) {
        Loader::begin(self, epoch, first);
    }
    fn next_batch(&mut self) -> Result<Option<&Batch>, RamError> {
        Ok(Loader::next_batch(self)?)
    }
}

/// What classification needs from step to step.
struct ImageRecorder {
    objective: Objective,
    kind: LossKind,
    reward: Reward,
    draws: Draws<f32>,
    /// The images of all frames, each as often as it is looked at.
    pixels: Vec<u8>,
    /// Their classes.
    labels: Vec<u32>,
}

impl Recorder for ImageRecorder {
    fn observe<'t>(&mut self, t: &'t Recording<'t, f32>, network: &Network, inputs: &Inputs) -> Observed<'t> {
        let copies = inputs.key.copies;
        self.labels.clear();
        self.labels.extend(inputs.labels.iter().flat_map(|&label| std::iter::repeat_n(label, copies)));
        let (pictures, layout) = (inputs.pictures, inputs.pictures.layout());
        let one = self.labels.len() * layout.len();
        if copies > 1 {
            self.pixels.clear();
            for frame in 0..pictures.frames() {
                let images = pictures.pixels(frame).chunks_exact(layout.len());
                images.for_each(|x| (0..copies).for_each(|_| self.pixels.extend_from_slice(x)));
            }
        }
        let pixels = &self.pixels;
        let images = |frame: usize| {
            let data = if copies > 1 { &pixels[frame * one..(frame + 1) * one] } else { pictures.pixels(frame) };
            Images::stored(data, self.labels.len(), layout)
        };
        match network {
            Network::Agent(agent) => {
                self.draws.draw(agent.plan(), &inputs.key);
                let [_, height, width] = layout.size();
                self.draws.aim(agent.plan(), |step| pictures.boxes(step), copies, [width, height]);
                let world = Film::new(images, pictures.frames(), &self.labels);
                let episode = agent.look(t, world, &self.draws);
                Observed { logits: episode.last_decision(), episode: Some(episode) }
            }
            Network::Comparator(comparator) => Observed { logits: comparator.logits(t, images(0)), episode: None },
        }
    }

    fn loss<'t>(&mut self, observed: &Observed<'t>, episodes: usize) -> LossTerms<'t, f32> {
        let (labels, objective) = (&self.labels, &self.objective);
        let Some(episode) = &observed.episode else {
            return supervised_loss(observed.logits, labels, objective, episodes);
        };
        match self.kind {
            LossKind::Hybrid => hybrid_loss(episode, labels, objective, self.reward, &self.draws.class, episodes),
            LossKind::Reinforce => reinforce_loss(episode, labels, objective, &self.draws.class, episodes),
        }
    }

    fn error(&self, observed: &Observed, i: usize) -> f64 {
        let classes = observed.logits.shape().columns();
        let answer = argmax(&observed.logits.value()[i * classes..][..classes]);
        f64::from(answer != self.labels[i] as usize)
    }

    fn judge(&self, network: &Network, observed: &Observed, inputs: &Inputs) -> Verdict {
        let wrong_after = match (network, &observed.episode) {
            (Network::Agent(agent), Some(episode)) => {
                let wrong = |&h| wrong_rows(&agent.believe(h).0.value(), &self.labels).count() as u32;
                episode.states.iter().map(wrong).collect()
            }
            _ => Vec::new(),
        };
        let nats = observed.logits.cross_entropy(&self.labels);
        let loss = nats.value().iter().map(|&x| f64::from(x)).collect();
        Verdict { loss, wrong_after, ..Verdict::of_answers(&observed.logits.value(), inputs) }
    }

    fn picture(&self, inputs: &Inputs, step: usize, i: usize) -> Vec<u8> {
        let layout = inputs.pictures.layout();
        layout.to_rows(&inputs.pictures.pixels(step)[i * layout.len()..(i + 1) * layout.len()]).into_owned()
    }

    fn picture_size(&self, inputs: &Inputs) -> [usize; 3] {
        inputs.pictures.layout().size()
    }

    fn targets<'a>(&'a self, inputs: &Inputs<'a>, step: usize) -> Option<&'a [DigitBox]> {
        inputs.pictures.digits(step)
    }
}

impl Verdict {
    /// The verdict on answers to images, by one row of logits or probabilities for each.
    pub fn of_answers<R: Real>(rows: &[R], inputs: &Inputs) -> Verdict {
        let labels = inputs.labels;
        let wrong: Vec<u32> = wrong_rows(rows, labels).map(|i| inputs.key.samples[i]).collect();
        let classes = rows.len() / labels.len().max(1);
        let mut confusion = vec![0; classes * classes];
        for (row, &label) in rows.chunks_exact(classes.max(1)).zip(labels) {
            confusion[label as usize * classes + argmax(row)] += 1;
        }
        let errors = rows.chunks_exact(classes.max(1)).zip(labels);
        let errors = errors.map(|(row, &label)| f64::from(argmax(row) != label as usize)).collect();
        Verdict { errors, wrong, confusion, ..Verdict::default() }
    }
}

/// The rows whose most likely class is not their label.
fn wrong_rows<R: Real>(rows: &[R], labels: &[u32]) -> impl Iterator<Item = usize> {
    let classes = rows.len() / labels.len().max(1);
    let answers = rows.chunks_exact(classes.max(1)).zip(labels).enumerate();
    answers.filter(|(_, (row, label))| argmax(row) != **label as usize).map(|(i, _)| i)
}

/// The hybrid loss of Sec. 3.2: cross entropy for the class, whose gradient passes the core and the glimpse network;
/// eq. (2) for the locations; the squared error for the baseline. The uniform numbers `[batch]` draw a class from the policy where
/// the reward is for it.
#[track_caller]
pub fn hybrid_loss<'t, R: Real>(
    episode: &Episode<'t, R>,
    labels: &[u32],
    objective: &Objective,
    reward: Reward,
    uniforms: &[R],
    episodes: usize,
) -> LossTerms<'t, R> {
    let logits = episode.last_decision();
    // What a decision by these logits would earn.
    let earned = |logits: Var<'t, R>| match reward {
        Reward::Argmax => action::reward(action::most_likely(logits), labels),
        Reward::Sampled => action::reward(action::sample(logits, uniforms.iter().copied()), labels),
        // E_{a ∼ π}[R] = π(a*|h)
        Reward::Probability => action::belief(logits, labels),
        // log π(a*|h)
        Reward::LogProbability => logits.stop_gradient().cross_entropy(labels).scale(-R::ONE),
    };
    // R = r − price·T
    let reward = less_the_price(earned(logits), episode, objective);
    // −log π(a*_T | s₁:_T)
    let decisions = Term { episodes: logits.cross_entropy(labels), factor: 1.0 / episodes as f64 };
    let early = (objective.early_weight > 0.0).then(|| early_term(episode, labels, objective, episodes)).flatten();
    let beside = together(early, entropy_term(episode, objective, episodes));
    // One glimpse at a given place chooses no location: it has neither term.
    let (choices, learned) = episode.choices();
    if choices.is_empty() {
        return objective.weigh(Terms { decisions, beside, location: None, baseline: None }, reward);
    }
    let returns = match objective.returns {
        // The reward comes at the end: Rₜ = R for every choice of a location.
        Returns::Episode => repeated(reward, choices.len()),
        Returns::ToGo => gains_to_go(episode, earned, objective),
    };
    let baselines = reinforce::baselines(objective.baseline, &learned, &returns, objective.samples);
    let location = reinforce(&choices, &returns, &baselines, episodes);
    let baseline = objective.learns_baseline().then(|| {
        let [returns, learned] = [&returns, &learned].map(|steps| of_those_that_chose(episode, steps));
        baseline_error(&returns, &learned, episodes)
    });
    objective.weigh(Terms { decisions, beside, location: Some(location), baseline }, reward)
}

/// R = r − price·T of rewards r `[batch]`, where T is the number of glimpses taken; r itself where nothing stops or costs.
#[track_caller]
fn less_the_price<'t, R: Real>(r: Var<'t, R>, episode: &Episode<'t, R>, objective: &Objective) -> Var<'t, R> {
    match &episode.stops {
        Some(stops) if objective.glimpse_price > 0.0 => r - stops.count().scale(R::from_f64(objective.glimpse_price)),
        _ => r,
    }
}

/// What belongs to the choices of an episode, and 0 for the inputs that had stopped before.
#[track_caller]
fn of_those_that_chose<'t, R: Real>(episode: &Episode<'t, R>, steps: &[Var<'t, R>]) -> Steps<'t, R> {
    let Some(stops) = &episode.stops else { return steps.iter().copied().collect() };
    // Every input chooses l₀, if that is chosen; then the choice after glimpse t is for those that took this glimpse.
    let (first, later) = steps.split_at(episode.first.iter().len());
    let later = later.iter().zip(&stops.looks).map(|(&step, &looks)| step * looks);
    first.iter().copied().chain(later).collect()
}

/// The cross entropy after each glimpse but the last, averaged over them, by its weight; none where there is one glimpse.
#[track_caller]
fn early_term<'t, R: Real>(
    episode: &Episode<'t, R>,
    labels: &[u32],
    objective: &Objective,
    episodes: usize,
) -> Option<Term<'t, R>> {
    let (_, early) = episode.decisions.split_last()?;
    // −Σ_{t<T} log π(a*|hₜ); where the episode has stopped, the answer after its last glimpse counts once, as the decision.
    let goes_on = |t: usize| episode.stops.as_ref().map(|stops| stops.looks[t + 1]);
    let nats = early.iter().enumerate().map(|(t, logits)| match (logits.cross_entropy(labels), goes_on(t)) {
        (nats, Some(goes_on)) => nats * goes_on,
        (nats, None) => nats,
    });
    let sum = nats.reduce(|sum, nats| sum + nats)?;
    Some(Term { episodes: sum, factor: objective.early_weight / (episodes * early.len()) as f64 })
}

/// Minus the entropy of the zooms' distributions, by its weight: it keeps the agent trying zooms that seem worse at first. None where
/// no zoom is learned.
#[track_caller]
fn entropy_term<'t, R: Real>(episode: &Episode<'t, R>, objective: &Objective, episodes: usize) -> Option<Term<'t, R>> {
    let zooms = episode.zooms.as_ref().filter(|_| objective.entropy_weight > 0.0)?;
    // −H = Σₜ Σ_z π(z|hₜ) ln π(z|hₜ); what has stopped chooses none.
    let negative = zooms.logits.iter().enumerate().map(|(t, &logits)| {
        let log_probs = logits.log_softmax();
        let negative = (log_probs.exp() * log_probs).sum_axis(1);
        episode.stops.as_ref().map_or(negative, |stops| negative * stops.looks[t + 1])
    });
    let sum = negative.reduce(|sum, x| sum + x)?;
    Some(Term { episodes: sum, factor: objective.entropy_weight / episodes as f64 })
}

/// The sum of two terms, as one.
#[track_caller]
fn together<'t, R: Real>(a: Option<Term<'t, R>>, b: Option<Term<'t, R>>) -> Option<Term<'t, R>> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let weighted = a.episodes.scale(R::from_f64(a.factor / b.factor));
            Some(Term { episodes: weighted + b.episodes, factor: b.factor })
        }
        (a, b) => a.or(b),
    }
}

/// Rₜ = Σ_{s>t} γˢ⁻ᵗ⁻¹ (Vₛ − Vₛ₋₁) for each choice of a location, where Vₛ is what a decision after s glimpses would earn, and
/// V₀ = 0. With γ = 1 the sum telescopes to V_T − Vₜ. A smaller γ blames a location first of all for what is seen there. Each
/// glimpse that is taken costs its price: so to go on is worth V_T − Vₜ − price·(T − t), and to stop is worth 0.
#[track_caller]
fn gains_to_go<'t, R: Real>(
    episode: &Episode<'t, R>,
    earned: impl Fn(Var<'t, R>) -> Var<'t, R>,
    objective: &Objective,
) -> Steps<'t, R> {
    let values: Steps<R> = episode.decisions.iter().map(|&logits| earned(logits)).collect();
    let (gamma, price) = (R::from_f64(objective.discount), R::from_f64(objective.glimpse_price));
    let mut returns = Steps::new();
    for s in (1..values.len()).rev() {
        let mut gain = values[s] - values[s - 1];
        if let Some(stops) = episode.stops.as_ref().filter(|_| price > R::ZERO) {
            gain = gain - stops.looks[s].scale(price);
        }
        returns.push(returns.last().map_or(gain, |&later: &Var<R>| gain + later.scale(gamma)));
    }
    if episode.first.is_some() {
        returns.push(returns.last().map_or(values[0], |&later: &Var<R>| values[0] + later.scale(gamma)));
    }
    returns.reverse();
    returns
}

/// Pure REINFORCE: eq. (2) for the locations and for the class too, a ∼ π(a), drawn by these uniform numbers `[batch]`.
/// No label is used but for the reward.
#[track_caller]
pub fn reinforce_loss<'t, R: Real>(
    episode: &Episode<'t, R>,
    labels: &[u32],
    objective: &Objective,
    uniforms: &[R],
    episodes: usize,
) -> LossTerms<'t, R> {
    let logits = episode.last_decision();
    let chosen = action::sample(logits, uniforms.iter().copied());
    let reward = less_the_price(action::reward(chosen, labels), episode, objective);
    let log_prob = action::log_prob_of(logits.log_softmax(), chosen);
    // Rₜ = R; the class is the last choice, the locations and stops are those before it.
    let (locations, mut learned) = episode.choices();
    learned.extend(episode.baselines.last().copied());
    let (returns, last) = (repeated(reward, learned.len()), locations.len());
    let baselines = reinforce::baselines(objective.baseline, &learned, &returns, objective.samples);
    let decisions = reinforce(&[log_prob], &returns[last..], &baselines[last..], episodes);
    let location = (last > 0).then(|| reinforce(&locations, &returns[..last], &baselines[..last], episodes));
    let entropy = entropy_term(episode, objective, episodes);
    let baseline = objective.learns_baseline().then(|| {
        // All inputs have a class.
        let of_choices = |steps: &[Var<'t, R>]| -> Steps<'t, R> {
            of_those_that_chose(episode, &steps[..last]).into_iter().chain(steps[last..].iter().copied()).collect()
        };
        baseline_error(&of_choices(&returns), &of_choices(&learned), episodes)
    });
    objective.weigh(Terms { decisions, beside: entropy, location, baseline }, reward)
}

/// Cross entropy alone, for a network that chooses nothing but the class.
#[track_caller]
pub fn supervised_loss<'t, R: Real>(
    logits: Var<'t, R>,
    labels: &[u32],
    objective: &Objective,
    images: usize,
) -> LossTerms<'t, R> {
    let reward = action::reward(action::most_likely(logits), labels);
    let decisions = Term { episodes: logits.cross_entropy(labels), factor: 1.0 / images as f64 };
    objective.weigh(Terms { decisions, beside: None, location: None, baseline: None }, reward)
}

/// Rₜ = R at each of so many steps.
fn repeated<'t, R: Real>(reward: Var<'t, R>, steps: usize) -> Steps<'t, R> {
    std::iter::repeat_n(reward, steps).collect()
}
