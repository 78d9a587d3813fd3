//! The configuration of a run: what a TOML file, a preset and `--set key=value` can say.
//!
//! Absent keys take the value of the `mnist` preset, which is [`Config::default`]. A key that does not exist, a value of the
//! wrong kind and a value out of range are errors that name the key, the file and line it stands in, and the nearest thing that
//! would have been right.

pub(crate) mod built_in;
pub(crate) mod entries;
pub(crate) mod read;
mod validate;

use serde::{Deserialize, Serialize};

pub use built_in::Base;

/// Everything that decides what a run computes. Two runs with equal configurations write equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The seed of every random draw.
    pub seed: u64,
    /// What is looked at.
    pub data: Data,
    /// The networks of Sec. 3.1 and their sizes.
    pub model: Model,
    /// Where to look: the location policy.
    pub policy: Policy,
    /// The hybrid loss of Sec. 3.2, or pure REINFORCE.
    pub loss: Loss,
    /// How parameters are changed.
    pub optimiser: Optimiser,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// How long, and in what pieces.
    pub train: Train,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the images come from.
    pub source: Source,
    /// Of `folder`: the folder of class folders; of `idx`: the file of the images.
    pub path: String,
    /// Of `idx`: the file of the labels.
    pub labels: String,
    /// 1 for grey, 3 for colour; pictures of one's own are made so.
    pub channels: usize,
    /// Of pictures of one's own on a canvas that is not centred: the edge they are brought to, pixels. (Centred they fill it.)
    pub image: usize,
    /// How pictures of one's own come to be square.
    pub fit: Fit,
    /// Whether black and white change places in pictures of one's own, as dark ink on paper needs.
    pub invert: bool,
    /// Whether a picture that cannot be read is an error, instead of left out and told.
    pub strict: bool,
    /// Of pictures of one's own without folders for it: decides which are validated and tested on.
    pub split_seed: u64,
    /// What they are put on.
    pub canvas: Canvas,
    /// Edge of the canvas, pixels.
    pub size: usize,
    /// Pieces of other digits on a cluttered canvas.
    pub clutter: usize,
    /// Training images; 0 takes the source's own number, see [`Data::counts`].
    pub train: usize,
    /// Validation images; 0 as above.
    pub validation: usize,
    /// Test images; 0 as above.
    pub test: usize,
}

impl Data {
    /// Images to train, validate and test on, with 0 resolved to the source's own number: 50 000 / 10 000 / 10 000 of MNIST
    /// and Fashion-MNIST, 20 000 / 2 000 / 5 000 built-in digits, 43 520 / 10 000 / 10 000 games. Of one's own pictures 0
    /// stays 0 and is all there are.
    pub fn counts(&self) -> [usize; 3] {
        let standard = self.source.counts();
        let asked = [self.train, self.validation, self.test];
        std::array::from_fn(|i| if asked[i] == 0 { standard[i] } else { asked[i] })
    }

    /// The edge that an image is brought to before it lies on its canvas, pixels.
    pub fn image_edge(&self) -> usize {
        match (self.source.is_own(), self.canvas) {
            (false, _) => 28,
            (true, Canvas::Centred) => self.size,
            (true, _) => self.image,
        }
    }
}

/// `data.source`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Built in: drawn from strokes, nothing to download.
    Digits,
    /// MNIST's four IDX files.
    Mnist,
    /// Fashion-MNIST's four IDX files.
    FashionMnist,
    /// Pictures of one's own, a folder for each class; see [`datasets::folder`].
    Folder,
    /// A pair of IDX files of one's own.
    Idx,
    /// No images, but games of Catch (Sec. 4.2): an image is then a game, and an error one that is lost.
    Catch,
}

impl Source {
    fn counts(self) -> [usize; 3] {
        match self {
            // An epoch of a million frames, 23 to a game.
            Source::Catch => [43_520, 10_000, 10_000],
            Source::Digits => [20_000, 2_000, 5_000],
            Source::Mnist | Source::FashionMnist => [50_000, 10_000, 10_000],
            Source::Folder | Source::Idx => [0; 3],
        }
    }

    /// Whether they are pictures of one's own, which are prepared as `[data]` says.
    pub fn is_own(self) -> bool {
        matches!(self, Source::Folder | Source::Idx)
    }
}

/// `data.fit`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// All of it, black around it.
    Pad,
    /// Its middle.
    Crop,
    /// All of it, stretched.
    Stretch,
}

/// `data.canvas`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Canvas {
    /// The image as it is: 28×28, or where the pictures are one's own as large as the canvas.
    Centred,
    /// The digit at a random place. Sec. 4.1, "Translated MNIST".
    Translated,
    /// The digit at a random place among pieces of others. Sec. 4.1, "Cluttered Translated MNIST".
    Cluttered,
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// The network: the recurrent attention model, or one that sees the whole image.
    pub kind: ModelKind,
    /// Edge g_w of the finest patch, pixels; even.
    pub patch: usize,
    /// Patches of growing size in one glimpse.
    pub scales: usize,
    /// Glimpses T of one episode.
    pub glimpses: usize,
    /// How the retina reads between pixels.
    pub retina: Retina,
    /// What the glimpse is multiplied by, for images of few bright pixels: in the third patch one alone is 1/16.
    pub gain: f64,
    /// Width of h_g and of h_l. Sec. 4: 128.
    pub features: usize,
    /// Width of the glimpse feature g_t. Sec. 4: 256.
    pub glimpse: usize,
    /// Width of the core's state h_t, Sec. 4: 256; of `fc` and `conv` that of their hidden layers.
    pub hidden: usize,
    /// The core network f_h.
    pub core: Core,
    /// How the recurrent weights W_hh of a `rect` core start.
    pub core_init: CoreInit,
    /// Of `conv`: its filters. Tables 1 and 2 say 8, the text of Sec. 4.1 says 16.
    pub filters: usize,
}

/// `model.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// The recurrent attention model.
    Ram,
    /// Two fully connected layers of rectifiers.
    Fc,
    /// A convolution, then a fully connected layer.
    Conv,
}

/// `model.core`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Core {
    /// Rect(Linear(hₜ₋₁) + Linear(gₜ)), of Sec. 4.1.
    Rect,
    /// An LSTM, of Sec. 4.2.
    Lstm,
}

/// `model.retina`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retina {
    /// Whole pixels.
    Crop,
    /// Sub-pixel, bilinear: differentiable in the location.
    Bilinear,
}

/// `model.core_init`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreInit {
    /// W_hh = I.
    Identity,
    /// Uniform on ±1/√fan-in.
    FanIn,
    /// He's normal.
    He,
    /// Xavier's uniform.
    Xavier,
    /// A random orthogonal matrix.
    Orthogonal,
}

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Who chooses the locations.
    pub locations: Locations,
    /// What becomes of the location network's output before it is the mean of the Gaussian.
    pub mean: Mean,
    /// Standard deviation of the Gaussian; −1 and 1 are the image's edges.
    pub std: f64,
    /// Where the standard deviation ends, in a straight line over all steps; 0 keeps it at `std`.
    pub std_final: f64,
    /// Locations on a grid of so many by so many points, chosen by a softmax (footnote 2); 0 for the Gaussian.
    pub grid: usize,
    /// The first location l₀.
    pub first: First,
    /// The location network's weights start as N(0, init_std²).
    pub init_std: f64,
}

/// `policy.locations`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locations {
    /// Learned by REINFORCE from the core's state.
    Learned,
    /// Control: uniform on the image.
    Random,
    /// Control: always the centre.
    Centre,
    /// Control: learned, but the same for every input.
    Blind,
}

impl Locations {
    /// Every policy, the learned one first.
    pub const ALL: [Locations; 4] = [Locations::Learned, Locations::Random, Locations::Centre, Locations::Blind];

    /// The name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Locations::Learned => "learned",
            Locations::Random => "random",
            Locations::Centre => "centre",
            Locations::Blind => "blind",
        }
    }
}

/// `policy.mean`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// Unbounded, as in the paper.
    Linear,
    /// Clamped to [−1, 1].
    Clamp,
    /// tanh.
    Tanh,
}

/// `policy.first`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// Uniform on the image.
    Random,
    /// The centre.
    Centre,
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
    /// Whether the location term's gradient reaches the core.
    pub location_into_core: bool,
    /// What a return is compared with.
    pub baseline: Baseline,
    /// Weight of the learned baseline's squared error.
    pub baseline_weight: f64,
    /// Of games: what a choice is answerable for.
    pub returns: Returns,
    /// Of games: γ of footnote 1.
    pub discount: f64,
    /// Of games: weight of the entropy of the policy of actions, which is rewarded.
    pub entropy_weight: f64,
}

/// `loss.baseline`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// With bₜ = `E[Rₜ]`, which a network learns. Sec. 3.2.
    Learned,
    /// With the mean return of the other samples of the same image; `train.samples` says how many there are.
    LeaveOneOut,
}

/// `loss.returns`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Returns {
    /// For the whole episode: R = Σₜ γᵗ⁻¹ rₜ, footnote 1.
    Episode,
    /// For what comes after it: Rₜ = Σ_{s≥t} γˢ⁻ᵗ rₛ.
    ToGo,
}

/// `loss.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// Cross-entropy for the class, REINFORCE for locations. Sec. 3.2, "hybrid supervised loss".
    Hybrid,
    /// REINFORCE for both, the class being sampled.
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
}

/// `[optimiser]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// The rule.
    pub kind: OptimiserKind,
    /// The learning rate that the schedule scales.
    pub learning_rate: f64,
    /// Of `sgd` and `nesterov`.
    pub momentum: f64,
    /// Of `adam`: decay of the first moment.
    pub beta1: f64,
    /// Of `adam`: decay of the second moment.
    pub beta2: f64,
    /// Of `adam`: added to the denominator.
    pub epsilon: f64,
    /// Largest global norm of the gradient; 0 is off.
    pub clip: f64,
}

/// `optimiser.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Adam.
    Adam,
    /// Gradient descent with momentum, the paper's.
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
    /// Of `linear` and `cosine`: the fraction of the learning rate that is left at the end.
    #[serde(rename = "final")]
    pub last: f64,
    /// Steps over which the learning rate first rises from 0; 0 is off.
    pub warmup: usize,
    /// Of `step` and `exponential`: the factor.
    pub factor: f64,
    /// Of `step` and `exponential`: epochs over which the factor is applied once.
    pub every: usize,
}

/// `schedule.kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Always the same.
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
    /// Images a step.
    pub batch: usize,
    /// M of eqs. (1) and (2): how many times each image of a step is looked at, with other draws.
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
            train: 0,
            validation: 0,
            test: 0,
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Model {
            kind: ModelKind::Ram,
            patch: 8,
            scales: 1,
            glimpses: 6,
            retina: Retina::Crop,
            gain: 1.0,
            features: 128,
            glimpse: 256,
            hidden: 256,
            core: Core::Rect,
            core_init: CoreInit::Identity,
            filters: 8,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            locations: Locations::Learned,
            mean: Mean::Clamp,
            std: 0.1,
            std_final: 0.0,
            grid: 0,
            first: First::Random,
            init_std: 0.01,
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
            baseline: Baseline::Learned,
            baseline_weight: 1.0,
            returns: Returns::Episode,
            discount: 1.0,
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
        data.source = Source::Digits;
        assert_eq!(data.counts(), [7, 2_000, 5_000]);
    }
}
