//! The configuration of a run: what a TOML file, a preset and `--set key=value` can say.
//!
//! Absent keys take the value of the `mnist` preset, which is [`Config::default`]. A key that does not exist, a value of the
//! wrong kind and a value out of range are errors that name the key, the file and line it stands in, and the nearest thing that
//! would have been right.

pub(crate) mod built_in;
pub(crate) mod entries;
pub(crate) mod read;
mod source;
mod validate;

use datasets::{Fit, Scale};
use serde::{Deserialize, Serialize};

pub use built_in::Base;
pub use read::old_names;
pub use source::Source;

use crate::model::{Model, Policy};
use crate::reinforce::BaselineKind;

/// Number of frames of a clip where nothing is said.
const FRAMES: usize = 20;

/// Everything that decides what a run computes. Two runs with equal configurations write equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The seed of every random draw.
    pub seed: u64,
    /// The images or games.
    pub data: Data,
    /// The networks of Sec. 3.1 and their sizes.
    pub model: Model,
    /// The policy that chooses where to look.
    pub policy: Policy,
    /// The hybrid loss of Sec. 3.2, or pure REINFORCE.
    pub loss: Loss,
    /// The rule by which parameters change.
    pub optimiser: Optimiser,
    /// How the learning rate changes from step to step.
    pub schedule: Schedule,
    /// How long to train, and with how many images in a step.
    pub train: Train,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the images come from.
    pub source: Source,
    /// For `folder` and `frames`, the folder of class folders; for `idx`, the file of the images.
    pub path: String,
    /// For `idx`, the file of the labels.
    pub labels: String,
    /// 1 for grey, 3 for colour. User pictures are converted to it.
    pub channels: usize,
    /// Edge in pixels to which user pictures are scaled before they are put on a translated or cluttered canvas. (On a centred
    /// canvas they fill it.)
    pub image: usize,
    /// How user pictures are made square.
    pub fit: Fit,
    /// Whether user pictures are inverted, as dark ink on white paper needs.
    pub invert: bool,
    /// Whether a picture that cannot be read is an error. Otherwise it is left out with a warning.
    pub strict: bool,
    /// Decides which user pictures are for validation and test, where no folders say so.
    pub split_seed: u64,
    /// The canvas that images are put on.
    pub canvas: Canvas,
    /// Edge of the canvas, or of a game's screen, in pixels.
    pub size: usize,
    /// Number of pieces of other digits on a cluttered or moving canvas.
    pub clutter: usize,
    /// The smallest and the largest factor by which an image is resized before it is put on its canvas. Each canvas draws its own
    /// factor, log-uniformly. [1, 1] is off.
    pub scale: [f64; 2],
    /// Number of frames of a clip; for a moving canvas, and for `frames`.
    pub frames: usize,
    /// Number of training images; 0 takes the source's own number, see [`Data::counts`].
    pub train: usize,
    /// Number of validation images; 0 as above.
    pub validation: usize,
    /// Number of test images; 0 as above.
    pub test: usize,
    /// Whether the validation images are trained on too, for a last training once they have chosen everything. Then they choose
    /// nothing more: the weights after the last epoch are the best.
    pub train_on_validation: bool,
}

impl Data {
    /// Number of images or games to train, validate and test on. A 0 in the configuration becomes the source's own number, such as
    /// 50 000 / 10 000 / 10 000 for MNIST. For user pictures it stays 0 and means all that there are.
    pub fn counts(&self) -> [usize; 3] {
        let standard = self.source.counts();
        let asked = [self.train, self.validation, self.test];
        std::array::from_fn(|i| if asked[i] == 0 { standard[i] } else { asked[i] })
    }

    /// Number of images to train on; 0 where only the data tell.
    pub fn trained_on(&self) -> usize {
        match self.counts() {
            [train, ..] if !self.train_on_validation => train,
            [0, ..] | [_, 0, _] => 0,
            [train, validation, _] => train + validation,
        }
    }

    /// Edge in pixels to which an image is brought before it is put on its canvas; `scale` then makes it larger or smaller.
    pub fn image_edge(&self) -> usize {
        match (self.source.is_user_pictures(), self.canvas) {
            (false, _) => 28,
            (true, Canvas::Centred) => self.size,
            (true, _) => self.image,
        }
    }

    /// Number of frames of an image: `frames` if the images are clips, else 1.
    pub fn clip_frames(&self) -> usize {
        if self.canvas == Canvas::Moving || self.source == Source::Frames { self.frames } else { 1 }
    }

    /// The factors by which images are resized on their canvases.
    pub fn scale(&self) -> Scale {
        Scale { low: self.scale[0], high: self.scale[1] }
    }
}

/// `data.canvas`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Canvas {
    /// The image alone: 28×28, or for user pictures as large as the canvas.
    Centred,
    /// The digit is at a random place. Sec. 4.1, "Translated MNIST".
    Translated,
    /// The digit is at a random place among pieces of others. Sec. 4.1, "Cluttered Translated MNIST".
    Cluttered,
    /// A clip: the digit, and pieces of others if there are any, move and bounce off the edges.
    Moving,
}

/// `[loss]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// How the class is learned.
    pub kind: LossKind,
    /// Which class is rewarded when it is right.
    pub reward: Reward,
    /// Weight of the location term, eq. (2).
    pub location_weight: f64,
    /// Whether the location term's gradient reaches the core, and through it the glimpse network.
    pub location_into_core: bool,
    /// What a return is compared with.
    pub baseline: BaselineKind,
    /// Weight of the learned baseline's squared error.
    pub baseline_weight: f64,
    /// The rewards that a choice is blamed for.
    pub returns: Returns,
    /// γ of footnote 1; for images only with `returns = "to-go"`.
    pub discount: f64,
    /// For images: weight of the cross entropy after each glimpse but the last, averaged over them. It is not the paper's.
    pub early_weight: f64,
    /// What each glimpse costs: it is subtracted from the reward. Only with `policy.stop = "learned"`.
    pub glimpse_price: f64,
    /// Weight of the entropy that is rewarded: of the action policy in games, and of the zooms that an agent chooses at images.
    pub entropy_weight: f64,
}

/// `loss.returns`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Returns {
    /// Those of the whole episode: R = Σₜ γᵗ⁻¹ rₜ, footnote 1.
    Episode,
    /// Those that come after it: Rₜ = Σ_{s≥t} γˢ⁻ᵗ rₛ. For images, a glimpse's reward is what it adds to the reward that a
    /// decision at once would earn, so that with γ = 1 they sum to what is still to be won.
    ToGo,
}

/// `loss.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy for the class, REINFORCE for locations. Sec. 3.2, "hybrid supervised loss".
    Hybrid,
    /// REINFORCE for both; the class is sampled.
    Reinforce,
}

/// `loss.reward`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reward {
    /// The most probable class.
    Argmax,
    /// A class drawn from the distribution.
    Sampled,
    /// None: the reward is π(a*|h_T), which is what a class drawn from the distribution would earn on average.
    Probability,
    /// None: the reward is log π(a*|h_T), which is not the paper's.
    LogProbability,
}

/// `[optimiser]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// The rule.
    pub kind: OptimiserKind,
    /// The learning rate that the schedule scales.
    pub learning_rate: f64,
    /// For `sgd` and `nesterov`.
    pub momentum: f64,
    /// For `adam`: decay of the first moment.
    pub beta1: f64,
    /// For `adam`: decay of the second moment.
    pub beta2: f64,
    /// For `adam`: added to the denominator.
    pub epsilon: f64,
    /// λ of the decoupled weight decay; 0 is off.
    pub weight_decay: f64,
    /// Largest global norm of the gradient; 0 is off.
    pub clip: f64,
}

/// `optimiser.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Adam.
    Adam,
    /// Gradient descent with momentum, as in the paper.
    Sgd,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
}

/// `[schedule]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The curve.
    pub kind: ScheduleKind,
    /// For `linear` and `cosine`: the fraction of the learning rate that is left at the end.
    #[serde(rename = "final")]
    pub last: f64,
    /// Steps over which the learning rate first rises from 0; 0 is off.
    pub warmup: usize,
    /// For `step` and `exponential`: the factor.
    pub factor: f64,
    /// For `step` and `exponential`: epochs over which the factor is applied once.
    pub every: usize,
}

/// `schedule.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// The learning rate stays the same.
    Constant,
    /// A straight line down to `final`.
    Linear,
    /// Times `factor` after every `every` epochs.
    Step,
    /// As `step`, but smoothly.
    Exponential,
    /// Half a cosine down to `final`.
    Cosine,
}

/// `[train]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images or games in a step.
    pub batch: usize,
    /// M of eqs. (1) and (2): the number of episodes of each image or game in a step, each with other draws.
    pub samples: usize,
    /// Epochs without a better validation error after which training stops; 0 is off.
    pub patience: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 1,
            data: Data::default(),
            model: Model::default(),
            policy: Policy::default(),
            loss: Loss::default(),
            optimiser: Optimiser::default(),
            schedule: Schedule::default(),
            train: Train::default(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Data {
            source: Source::Mnist,
            path: String::new(),
            labels: String::new(),
            channels: 1,
            image: 28,
            fit: Fit::Pad,
            invert: false,
            strict: false,
            split_seed: 1,
            canvas: Canvas::Centred,
            size: 28,
            clutter: 0,
            scale: [1.0; 2],
            frames: FRAMES,
            train: 0,
            validation: 0,
            test: 0,
            train_on_validation: false,
        }
    }
}

impl Default for Loss {
    fn default() -> Self {
        Loss {
            kind: LossKind::Hybrid,
            reward: Reward::Argmax,
            location_weight: 1.0,
            location_into_core: false,
            baseline: BaselineKind::Learned,
            baseline_weight: 1.0,
            returns: Returns::Episode,
            discount: 1.0,
            early_weight: 0.0,
            glimpse_price: 0.0,
            entropy_weight: 0.0,
        }
    }
}

impl Default for Optimiser {
    fn default() -> Self {
        Optimiser {
            kind: OptimiserKind::Adam,
            learning_rate: 1e-3,
            momentum: 0.9,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: 5.0,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule { kind: ScheduleKind::Cosine, last: 0.0, warmup: 0, factor: 0.1, every: 20 }
    }
}

impl Default for Train {
    fn default() -> Self {
        Train { epochs: 60, batch: 128, samples: 1, patience: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_zero_are_the_sources_own() {
        let mut data = Data { train: 7, ..Data::default() };
        assert_eq!(data.counts(), [7, 10_000, 10_000]);
        let all = Data { train_on_validation: true, ..data.clone() };
        assert_eq!([data.trained_on(), all.trained_on()], [7, 10_007]);
        assert_eq!(
            Data { source: Source::Folder, ..all }.trained_on(),
            0,
            "how many are validated on is not known yet"
        );
        data.source = Source::Digits;
        assert_eq!(data.counts(), [7, 2_000, 5_000]);
    }
}
