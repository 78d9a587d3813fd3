//! The configuration of a run: what a TOML file, a preset and `--set key=value` can say.
//!
//! Absent keys take the value of the `mnist` preset, which is [`Config::default`]. A key that does not exist, a value of the
//! wrong kind and a value out of range are errors that name the key, the file and line it stands in, and the nearest thing that
//! would have been right.

use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::RamError;

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
    /// Where the digits come from.
    pub source: Source,
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
    /// Images to train, validate and test on, with 0 resolved to the source's own number:
    /// 50 000 / 10 000 / 10 000 of MNIST, 20 000 / 2 000 / 5 000 built-in digits, 43 520 / 10 000 / 10 000 games.
    pub fn counts(&self) -> [usize; 3] {
        let standard = self.source.counts();
        let asked = [self.train, self.validation, self.test];
        std::array::from_fn(|i| if asked[i] == 0 { standard[i] } else { asked[i] })
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
    /// No images, but games of Catch (Sec. 4.2): an image is then a game, and an error one that is lost.
    Catch,
}

impl Source {
    fn counts(self) -> [usize; 3] {
        match self {
            // An epoch of a million frames, 23 to a game.
            Source::Catch => [43_520, 10_000, 10_000],
            Source::Digits => [20_000, 2_000, 5_000],
            Source::Mnist => [50_000, 10_000, 10_000],
        }
    }
}

/// `data.canvas`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Canvas {
    /// The image as it is, 28×28.
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
    /// Weight of the baseline's squared error.
    pub baseline_weight: f64,
    /// Of games: what a choice is answerable for.
    pub returns: Returns,
    /// Of games: γ of footnote 1.
    pub discount: f64,
    /// Of games: weight of the entropy of the policy of actions, which is rewarded.
    pub entropy_weight: f64,
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
        Data { source: Source::Mnist, canvas: Canvas::Centred, size: 28, clutter: 0, train: 0, validation: 0, test: 0 }
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
        Train { epochs: 60, batch: 128, patience: 0 }
    }
}

/// The built-in presets: name and TOML text.
const PRESETS: [(&str, &str); 5] = [
    ("demo", include_str!("../presets/demo.toml")),
    ("mnist", include_str!("../presets/mnist.toml")),
    ("translated", include_str!("../presets/translated.toml")),
    ("cluttered", include_str!("../presets/cluttered.toml")),
    ("cluttered-100", include_str!("../presets/cluttered-100.toml")),
];

/// Where a configuration begins, before `--set`.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// A built-in preset, by name.
    Preset(&'a str),
    /// A row of the paper's tables, by name; see [`crate::experiments`].
    Experiment(&'a str),
    /// A TOML file.
    File(&'a Path),
}

impl Config {
    /// The names of the built-in presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A built-in preset. The error of an unknown name lists those that exist.
    pub fn preset(name: &str) -> Result<Config, RamError> {
        Config::load(Base::Preset(name), &[])
    }

    /// Reads a preset or a file, applies `sets` (each `section.key=value`, in order) and checks the result.
    ///
    /// A value of `sets` is TOML (`3`, `1e-3`, `true`, `"adam"`); a bare word is taken as a string.
    pub fn load(base: Base, sets: &[String]) -> Result<Config, RamError> {
        let mut entries = match base {
            Base::Preset(name) => {
                let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
                    let names: Vec<_> = Config::presets().collect();
                    return Err(RamError::Config(format!(
                        "no preset is called `{name}`{}; the presets are {}",
                        suggestion(nearest(name, names.iter().copied())),
                        names.join(", ")
                    )));
                };
                entries_of_text(text, &format!("preset {name}"))?
            }
            Base::Experiment(name) => {
                let (name, text) = crate::experiments::text(name)?;
                let mut entries = entries_of_text(text, &format!("experiment {name}"))?;
                // What the paper found is not for the training to know.
                entries.retain(|entry| !entry.key.starts_with("experiment."));
                entries
            }
            Base::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    RamError::Config(format!(
                        "cannot read the configuration {}: {error}; give --config a TOML file, or --preset one of {}",
                        path.display(),
                        Config::presets().collect::<Vec<_>>().join(", ")
                    ))
                })?;
                entries_of_text(&text, &path.display().to_string())?
            }
        };
        for set in sets {
            entries.push(entry_of_set(set)?);
        }
        Config::from_entries(entries)
    }

    /// Reads and checks a configuration; `origin` (a path, say) is what errors call the text.
    pub fn from_toml(text: &str, origin: &str) -> Result<Config, RamError> {
        Config::from_entries(entries_of_text(text, origin)?)
    }

    /// The whole configuration as TOML, nothing left out; [`Config::from_toml`] reads it back to an equal one.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field is a number, a boolean or a name")
    }

    /// The keys in which two configurations differ, with both values: `train.epochs: 60, 3`.
    pub fn differences(&self, other: &Config) -> Vec<String> {
        let (mine, others) = (leaves(&table_of(self)), leaves(&table_of(other)));
        std::iter::zip(mine, others)
            .filter(|(a, b)| a.1 != b.1)
            .map(|((key, a), (_, b))| format!("{key}: {a}, {b}"))
            .collect()
    }

    /// Checks every range and what must fit together.
    ///
    /// # Errors
    /// [`RamError::Config`] with a line for every fault: key, what was found, what is expected.
    pub fn validate(&self) -> Result<(), RamError> {
        let Config { seed, data, model, policy, loss, optimiser, schedule, train } = self;
        let mut faults = Faults(Vec::new());

        // TOML's integers are signed.
        faults.unless(*seed <= i64::MAX as u64, "seed", seed, "at most 9223372036854775807");

        match (data.source, data.canvas) {
            (Source::Catch, canvas) => {
                faults.within("data.size", data.size, 4, 1024);
                faults.unless(
                    canvas == Canvas::Centred,
                    "data.canvas",
                    format!("{canvas:?}").to_lowercase(),
                    "centred with data.source=catch, which has screens and no canvas",
                );
                faults.unless(
                    model.glimpses + 1 == data.size,
                    "model.glimpses",
                    model.glimpses,
                    &format!("{} with data.source=catch, the moves until the ball is down", data.size.max(1) - 1),
                );
                faults.unless(
                    model.kind == ModelKind::Ram,
                    "model.kind",
                    format!("{:?}", model.kind).to_lowercase(),
                    "ram with data.source=catch",
                );
                faults.unless(
                    loss.kind == LossKind::Reinforce,
                    "loss.kind",
                    "hybrid",
                    "reinforce with data.source=catch: there is a reward and no label",
                );
            }
            (_, Canvas::Centred) => faults.unless(
                data.size == 28,
                "data.size",
                data.size,
                "28 on a centred canvas (for another size set data.canvas=translated)",
            ),
            _ => faults.within("data.size", data.size, 28, 1024),
        }
        match data.canvas {
            Canvas::Cluttered => faults.within("data.clutter", data.clutter, 1, 1000),
            _ => faults.unless(
                data.clutter == 0,
                "data.clutter",
                data.clutter,
                "0, since there are pieces only with data.canvas=cluttered",
            ),
        }
        let limits = match data.source {
            Source::Mnist => data.source.counts(),
            Source::Digits | Source::Catch => [10_000_000; 3],
        };
        let counts = [("data.train", data.train), ("data.validation", data.validation), ("data.test", data.test)];
        for ((key, count), limit) in counts.into_iter().zip(limits) {
            faults.within(key, count, 0, limit);
        }

        faults.unless(
            model.patch.is_multiple_of(2) && (2..=1024).contains(&model.patch),
            "model.patch",
            model.patch,
            "an even number from 2 to 1024",
        );
        faults.within("model.scales", model.scales, 1, 8);
        faults.within("model.glimpses", model.glimpses, 1, crate::model::agent::MAX_GLIMPSES);
        faults.number("model.gain", model.gain, |x| x > 0.0 && x <= 1e4, "above 0, at most 10000");
        faults.within("model.features", model.features, 1, 16_384);
        faults.within("model.glimpse", model.glimpse, 1, 16_384);
        faults.within("model.hidden", model.hidden, 1, 16_384);
        faults.within("model.filters", model.filters, 1, 1024);
        if model.kind != ModelKind::Ram {
            faults.unless(
                loss.kind == LossKind::Hybrid,
                "loss.kind",
                "reinforce",
                "hybrid where model.kind is fc or conv, which choose nothing",
            );
        }

        faults.number("policy.std", policy.std, |x| x > 0.0 && x <= 10.0, "above 0, at most 10");
        faults.number("policy.std_final", policy.std_final, |x| (0.0..=10.0).contains(&x), "from 0 (off) to 10");
        faults.unless(
            policy.grid == 0 || (2..=16).contains(&policy.grid),
            "policy.grid",
            policy.grid,
            "0 (off), or from 2 to 16",
        );
        faults.number("policy.init_std", policy.init_std, |x| (0.0..=10.0).contains(&x), "from 0 to 10");

        let weight = |x| (0.0..=1e6).contains(&x);
        faults.number("loss.location_weight", loss.location_weight, weight, "from 0 to 1000000");
        faults.number("loss.baseline_weight", loss.baseline_weight, weight, "from 0 to 1000000");

        faults.number("loss.entropy_weight", loss.entropy_weight, weight, "from 0 to 1000000");
        faults.number("loss.discount", loss.discount, |x| x > 0.0 && x <= 1.0, "above 0, at most 1");

        let decay = |x| (0.0..1.0).contains(&x);
        faults.number(
            "optimiser.learning_rate",
            optimiser.learning_rate,
            |x| x > 0.0 && x <= 100.0,
            "above 0, at most 100",
        );
        faults.number("optimiser.momentum", optimiser.momentum, decay, "from 0 to below 1");
        faults.number("optimiser.beta1", optimiser.beta1, decay, "from 0 to below 1");
        faults.number("optimiser.beta2", optimiser.beta2, decay, "from 0 to below 1");
        // Not so small that they would be 0 as f32.
        faults.number("optimiser.epsilon", optimiser.epsilon, |x| (1e-30..=1.0).contains(&x), "from 1e-30 to 1");
        faults.number("optimiser.clip", optimiser.clip, |x| x == 0.0 || x >= 1e-30, "0 (off), or 1e-30 or above");

        faults.number("schedule.final", schedule.last, |x| (0.0..=1.0).contains(&x), "from 0 to 1");
        faults.number("schedule.factor", schedule.factor, |x| x > 0.0 && x <= 1.0, "above 0, at most 1");
        faults.within("schedule.every", schedule.every, 1, 1_000_000);
        faults.within("schedule.warmup", schedule.warmup, 0, 1_000_000_000);

        faults.within("train.epochs", train.epochs, 1, 1_000_000);
        faults.within("train.batch", train.batch, 1, 65_536);
        faults.within("train.patience", train.patience, 0, 1_000_000);

        let steps = train.epochs.saturating_mul(data.counts()[0].div_ceil(train.batch.max(1)));
        faults.unless(
            schedule.warmup == 0 || schedule.warmup < steps,
            "schedule.warmup",
            schedule.warmup,
            &format!(
                "below {steps}, all steps of the training (train.epochs × training images / train.batch, rounded up)"
            ),
        );

        if faults.0.is_empty() { Ok(()) } else { Err(RamError::Config(faults.0.join("\n"))) }
    }

    fn from_entries(entries: Vec<Entry>) -> Result<Config, RamError> {
        let schema = table_of(&Config::default());
        let mut table = Table::new();
        for entry in entries {
            entry.check(&schema)?;
            match entry.key.split_once('.') {
                None => _ = table.insert(entry.key, entry.value),
                Some((section, key)) => {
                    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(section) = section {
                        section.insert(key.to_owned(), entry.value);
                    }
                }
            }
        }
        let config: Config = table.try_into().map_err(|error| RamError::Config(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }
}

/// The faults that [`Config::validate`] has found.
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, ok: bool, key: &str, found: impl std::fmt::Display, expected: &str) {
        if !ok {
            self.0.push(format!("{key} is {found}, but must be {expected}"));
        }
    }

    fn within(&mut self, key: &str, found: usize, low: usize, high: usize) {
        self.unless((low..=high).contains(&found), key, found, &format!("from {low} to {high}"));
    }

    fn number(&mut self, key: &str, found: f64, ok: impl Fn(f64) -> bool, expected: &str) {
        self.unless(found.is_finite() && ok(found), key, found, expected);
    }
}

/// One key that somebody wrote, and where.
struct Entry {
    /// `seed` or `section.key`.
    key: String,
    value: Value,
    /// `ram.toml, line 3`, `--set train.epoch=3`.
    origin: String,
}

impl Entry {
    /// Whether the key exists and its value is of the right kind.
    fn check(&self, schema: &Table) -> Result<(), RamError> {
        let Entry { key, value, origin } = self;
        let known = leaves(schema);
        let fail = |message: String| Err(RamError::Config(format!("{origin}: {message}")));

        if let Some(Value::Table(section)) = schema.get(key) {
            let keys: Vec<_> = section.keys().map(|name| format!("{key}.{name}")).collect();
            return fail(format!("`{key}` is a section, not a key; its keys are {}", keys.join(", ")));
        }
        let Some((_, model)) = known.iter().find(|(name, _)| name == key) else {
            let near = nearest(key, known.iter().map(|(name, _)| name.as_str()));
            let section = key.split_once('.').and_then(|(section, _)| schema.get(section)).and_then(Value::as_table);
            let all = match (near, section) {
                (Some(_), _) => String::new(),
                (None, Some(section)) => {
                    format!("; the keys of that section are {}", section.keys().cloned().collect::<Vec<_>>().join(", "))
                }
                (None, None) => format!(
                    "; there are `seed` and the sections {}",
                    schema.iter().filter(|(_, v)| v.is_table()).map(|(k, _)| k.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            return fail(format!("unknown key `{key}`{}{all}", suggestion(near)));
        };

        // One key alone makes a whole configuration, since the others have defaults: so an error is this key's.
        let mut alone = Table::new();
        match key.split_once('.') {
            None => _ = alone.insert(key.clone(), value.clone()),
            Some((section, leaf)) => {
                let inner = Table::from_iter([(leaf.to_owned(), value.clone())]);
                alone.insert(section.to_owned(), Value::Table(inner));
            }
        }
        let Err(error) = alone.try_into::<Config>() else { return Ok(()) };

        match model {
            Value::Integer(_) => fail(format!("`{key}` is {value}, but must be a whole number, 0 or more")),
            Value::Float(_) => fail(format!("`{key}` is {value}, but must be a number")),
            Value::Boolean(_) => fail(format!("`{key}` is {value}, but must be true or false")),
            _ => {
                // serde: unknown variant `adm`, expected one of `adam`, `sgd`, `nesterov`
                let names: Vec<_> = error.message().split('`').skip(1).step_by(2).collect();
                match (value, names.split_first()) {
                    (Value::String(found), Some((_, names))) => fail(format!(
                        "`{key}` is \"{found}\", but must be one of {}{}",
                        names.join(", "),
                        suggestion(nearest(found, names.iter().copied()))
                    )),
                    _ => fail(format!("`{key}` is {value}, but must be a name in quotes, such as {model}")),
                }
            }
        }
    }
}

/// `section.key=value`
fn entry_of_set(set: &str) -> Result<Entry, RamError> {
    let Some((key, text)) = set.split_once('=').map(|(key, text)| (key.trim(), text.trim())) else {
        return Err(RamError::Config(format!("--set {set}: expected key=value, such as --set train.epochs=3")));
    };
    let value = text.parse().unwrap_or_else(|_| Value::String(text.to_owned()));
    Ok(Entry { key: key.to_owned(), value, origin: format!("--set {set}") })
}

/// Every key of a TOML text with the line it stands in.
fn entries_of_text(text: &str, origin: &str) -> Result<Vec<Entry>, RamError> {
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let table: Table = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(String::new(), |span| format!(", line {}", line(span.start)));
        RamError::Config(format!("{origin}{place}: not TOML: {}", error.message()))
    })?;
    let spans = toml::de::DeTable::parse(text).map_err(|error| RamError::Config(format!("{origin}: {error}")))?;

    let mut entries = Vec::new();
    for (name, span) in spans.get_ref() {
        let value = &table[name.get_ref().as_ref()];
        let place = |at: usize| format!("{origin}, line {}", line(at));
        match (value, span.get_ref()) {
            (Value::Table(section), toml::de::DeValue::Table(inner)) => {
                // A section of a name that does not exist is reported even when it is empty.
                if section.is_empty() && table_of(&Config::default()).get(name.get_ref().as_ref()).is_none() {
                    entries.push(Entry {
                        key: name.get_ref().to_string(),
                        value: value.clone(),
                        origin: place(name.span().start),
                    });
                }
                for key in inner.keys() {
                    entries.push(Entry {
                        key: format!("{}.{}", name.get_ref(), key.get_ref()),
                        value: section[key.get_ref().as_ref()].clone(),
                        origin: place(key.span().start),
                    });
                }
            }
            _ => entries.push(Entry {
                key: name.get_ref().to_string(),
                value: value.clone(),
                origin: place(name.span().start),
            }),
        }
    }
    Ok(entries)
}

fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("a configuration is a table")
}

/// `section.key` and value of everything in a configuration.
fn leaves(table: &Table) -> Vec<(String, Value)> {
    table
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Table(section) => {
                section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())).collect()
            }
            value => vec![(name.clone(), value.clone())],
        })
        .collect()
}

/// The candidate that was probably meant: a typing error or two away, or the same key in another section.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_lowercase();
    let limit = leaf(name).chars().count() / 3 + 1;
    candidates
        .map(|candidate| {
            let whole = strsim::osa_distance(&name.to_lowercase(), candidate);
            let part = strsim::osa_distance(&leaf(name), &leaf(candidate)) + 1;
            (whole.min(part), whole, candidate)
        })
        .min()
        .filter(|(distance, ..)| *distance <= limit)
        .map(|(.., candidate)| candidate)
}

pub(crate) fn suggestion(near: Option<&str>) -> String {
    near.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(base: &str, sets: &[&str]) -> String {
        let sets: Vec<_> = sets.iter().map(|s| s.to_string()).collect();
        match Config::load(Base::Preset(base), &sets) {
            Err(error @ RamError::Config(_)) => error.to_string(),
            other => panic!("expected a configuration error, found {other:?}"),
        }
    }

    fn text_message(text: &str) -> String {
        Config::from_toml(text, "ram.toml").unwrap_err().to_string()
    }

    #[test]
    fn every_preset_is_valid_and_mnist_is_the_default() {
        for name in Config::presets() {
            Config::preset(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(Config::preset("mnist").unwrap(), Config::default());
        assert_eq!(Config::from_toml("", "empty").unwrap(), Config::default());
    }

    #[test]
    fn the_mnist_preset_spells_out_every_key() {
        let text: Table = toml::from_str(PRESETS[1].1).unwrap();
        assert_eq!(leaves(&text), leaves(&table_of(&Config::default())));
    }

    #[test]
    fn an_unknown_preset_lists_those_that_exist() {
        let text = message("mnits", &[]);
        assert!(text.contains("`mnits`; did you mean `mnist`?") && text.contains("demo, mnist"), "{text}");
    }

    #[test]
    fn set_takes_toml_values_and_bare_words() {
        let sets = ["train.epochs=3", "policy.std = 0.25", "data.source=digits", "data.test=\"x\""].map(String::from);
        let config = Config::load(Base::Preset("mnist"), &sets[..3]).unwrap();
        assert_eq!((config.train.epochs, config.policy.std, config.data.source), (3, 0.25, Source::Digits));
        assert!(message("mnist", &[&sets[3]]).contains("`data.test` is \"x\", but must be a whole number"));
        // A whole number is a fine float, and the last of two settings wins.
        let sets = ["policy.std=2", "policy.std=1"].map(String::from);
        assert_eq!(Config::load(Base::Preset("mnist"), &sets).unwrap().policy.std, 1.0);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        for (set, near) in [
            ("train.epoch=3", "train.epochs"),
            ("epochs=3", "train.epochs"),
            ("model.std=1", "policy.std"),
            ("optimizer.kind=adam", "optimiser.kind"),
            ("seeds=1", "seed"),
        ] {
            let text = message("mnist", &[set]);
            assert!(text.contains(&format!("--set {set}: unknown key")), "{text}");
            assert!(text.contains(&format!("did you mean `{near}`?")), "{text}");
        }
        assert!(message("mnist", &["train.wibble=3"]).contains("keys of that section are batch, epochs, patience"));
        assert!(message("mnist", &["wibble=3"]).contains("the sections data, loss, model"));
    }

    #[test]
    fn a_file_error_names_file_and_line() {
        assert!(
            text_message("seed = 1\n[train]\nepoch = 3\n").starts_with("ram.toml, line 3: unknown key `train.epoch`")
        );
        assert!(text_message("[trian]\n").starts_with("ram.toml, line 1: unknown key `trian`"));
        assert!(text_message("[train]\n\nepochs = = 3").starts_with("ram.toml, line 3: not TOML"));
        assert!(text_message("train = 3").contains("`train` is a section, not a key; its keys are train.batch"));
        assert!(text_message("[data.size]\nx = 1").contains("`data.size` is { x = 1 }, but must be a whole number"));
        assert!(text_message("[[train]]\nepochs = 1").contains("`train` is a section"));
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let text = message("mnist", &["optimiser.kind=adm"]);
        assert!(text.contains("`optimiser.kind` is \"adm\", but must be one of adam, sgd, nesterov"), "{text}");
        assert!(text.ends_with("did you mean `adam`?"), "{text}");
        let text = message("mnist", &["policy.first=center"]);
        assert!(text.contains("one of random, centre; did you mean `centre`?"), "{text}");
        assert!(message("mnist", &["policy.first=3"]).contains("must be a name in quotes, such as \"random\""));
    }

    #[test]
    fn values_of_the_wrong_kind_are_explained() {
        assert!(message("mnist", &["train.epochs=-3"]).contains("is -3, but must be a whole number, 0 or more"));
        assert!(message("mnist", &["train.epochs=3.5"]).contains("is 3.5, but must be a whole number"));
        assert!(message("mnist", &["policy.std=big"]).contains("is \"big\", but must be a number"));
        assert!(message("mnist", &["loss.location_into_core=1"]).contains("must be true or false"));
        assert!(message("mnist", &["train.epochs"]).contains("expected key=value"));
        assert!(message("mnist", &["data={size=28}"]).contains("is a section"));
    }

    #[test]
    fn ranges_are_checked_and_all_faults_told_at_once() {
        for (set, part) in [
            ("policy.std=0", "policy.std is 0, but must be above 0"),
            ("policy.std=nan", "policy.std is NaN"),
            ("optimiser.clip=inf", "optimiser.clip is inf"),
            ("optimiser.clip=1e-46", "must be 0 (off), or 1e-30 or above"),
            ("optimiser.clip=-1", "optimiser.clip is -1"),
            ("optimiser.epsilon=1e-46", "must be from 1e-30 to 1"),
            ("optimiser.epsilon=0", "optimiser.epsilon is 0"),
            ("schedule.warmup=23460", "schedule.warmup is 23460, but must be below 23460, all steps"),
            ("model.patch=7", "model.patch is 7, but must be an even number"),
            ("model.glimpses=0", "model.glimpses is 0"),
            ("data.clutter=4", "data.canvas=cluttered"),
            ("data.size=60", "set data.canvas=translated"),
            ("data.train=50001", "data.train is 50001, but must be from 0 to 50000"),
            ("optimiser.beta2=1", "optimiser.beta2 is 1"),
            ("train.batch=0", "train.batch is 0"),
        ] {
            let text = message("mnist", &[set]);
            assert!(text.contains(part), "{text}");
        }
        for set in ["optimiser.clip=0", "optimiser.clip=1e-30", "optimiser.epsilon=1e-30", "schedule.warmup=23459"] {
            Config::load(Base::Preset("mnist"), &[set.to_owned()]).unwrap();
        }
        assert_eq!(message("mnist", &["train.batch=0", "train.epochs=0"]).lines().count(), 2);
        assert!(message("cluttered", &["data.clutter=0"]).contains("from 1 to 1000"));
        assert!(message("translated", &["data.size=27"]).contains("from 28 to 1024"));
    }

    #[test]
    fn counts_of_zero_are_the_sources_own() {
        let mut data = Data { train: 7, ..Data::default() };
        assert_eq!(data.counts(), [7, 10_000, 10_000]);
        data.source = Source::Digits;
        assert_eq!(data.counts(), [7, 2_000, 5_000]);
    }

    #[test]
    fn differences_name_the_key_and_both_values() {
        let other = Config { train: Train { epochs: 3, ..Train::default() }, ..Config::default() };
        assert_eq!(Config::default().differences(&other), ["train.epochs: 60, 3"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = Config::load(Base::File(Path::new("no/such.toml")), &[]).unwrap_err().to_string();
        assert!(text.contains("no/such.toml") && text.contains("--preset"), "{text}");
    }

    fn configs() -> impl Strategy<Value = Config> {
        let sizes = (1usize..500, 1usize..9, 1usize..20, 1usize..600, 1usize..600, 1usize..600);
        let numbers = (1e-6..10.0f64, 0.0..10.0f64, 0.0..1e6f64, 1e-9..100.0f64, 0.0..1.0f64, 1e-12..1.0f64);
        let kinds = (0usize..4, 0usize..3, 0usize..5, 0usize..5, any::<bool>());
        let counts = (0u64..=i64::MAX as u64, 0usize..50_000, 1usize..1000, 1usize..1000);
        (sizes, numbers, kinds, counts).prop_map(|(sizes, numbers, kinds, counts)| {
            let mut c = Config::default();
            (c.model.patch, c.model.scales, c.model.glimpses) = (2 * sizes.0, sizes.1, sizes.2);
            (c.model.features, c.model.glimpse, c.model.hidden) = (sizes.3, sizes.4, sizes.5);
            c.policy.grid = [0, 2, 5, 16][kinds.0];
            c.model.core = if kinds.4 { Core::Lstm } else { Core::Rect };
            c.model.kind = [ModelKind::Ram, ModelKind::Fc, ModelKind::Conv][kinds.1];
            (c.policy.std, c.policy.init_std, c.loss.location_weight) = (numbers.0, numbers.1, numbers.2);
            (c.optimiser.learning_rate, c.optimiser.beta1, c.optimiser.epsilon) = (numbers.3, numbers.4, numbers.5);
            c.policy.locations = Locations::ALL[kinds.0];
            c.policy.mean = [Mean::Linear, Mean::Clamp, Mean::Tanh][kinds.1];
            c.model.core_init =
                [CoreInit::Identity, CoreInit::FanIn, CoreInit::He, CoreInit::Xavier, CoreInit::Orthogonal][kinds.2];
            c.schedule.kind = [
                ScheduleKind::Constant,
                ScheduleKind::Linear,
                ScheduleKind::Step,
                ScheduleKind::Exponential,
                ScheduleKind::Cosine,
            ][kinds.3];
            c.loss.location_into_core = kinds.4;
            (c.seed, c.data.train, c.train.epochs, c.train.batch) = counts;
            c
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(config in configs()) {
            prop_assert_eq!(Config::from_toml(&config.to_toml(), "written").unwrap(), config);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\[?[a-z.]{0,12}\\]? ?=? ?[-0-9a-z\"'\\[\\]{}.]{0,8}\n?){0,4}", set in ".{0,20}") {
            _ = Config::from_toml(&text, "drawn");
            _ = Config::load(Base::Preset("demo"), &[set]);
        }
    }
}
