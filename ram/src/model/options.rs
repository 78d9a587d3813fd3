//! What the networks are built from: the sections `[model]` and `[policy]` of a configuration.

use serde::{Deserialize, Serialize};

use super::core::{CoreInit, CoreKind};
use super::draws::First;
use super::location::{Locations, Mean};
use super::retina::Sampling;
use super::stop::Stop;
use super::zoom::Zoom;

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// The network: the recurrent attention model, or one that sees the whole image.
    pub kind: ModelKind,
    /// Edge g_w of the finest patch, in pixels; even.
    pub patch: usize,
    /// Patches in one glimpse, each twice as wide as the one before.
    pub scales: usize,
    /// z: all patches are 2ᶻ times as wide; with `policy.zooms`, the finest of the zooms.
    pub zoom: usize,
    /// Glimpses T of one episode.
    pub glimpses: usize,
    /// How the retina reads between pixels.
    pub retina: Sampling,
    /// The glimpse is multiplied by this number. It helps where images have few bright pixels: in the third patch a single
    /// one is only 1/16.
    pub gain: f64,
    /// c: besides, a patch is multiplied by cˢ⁺ᶻ, so each by c times as much as one that is half as wide. With 2, each number of a
    /// patch is the sum of its 4ˢ⁺ᶻ pixels divided by 2ˢ⁺ᶻ, not by 4ˢ⁺ᶻ (as in Haar's orthonormal wavelets), and a digit that is small
    /// on a large canvas does not fade from the coarse patches. 1 is the paper's.
    pub coarse_gain: f64,
    /// Width of h_g and of h_l. Sec. 4: 128.
    pub features: usize,
    /// Width of the glimpse feature g_t. Sec. 4: 256.
    #[serde(alias = "glimpse")]
    pub glimpse_features: usize,
    /// Width of the core's state h_t (Sec. 4: 256). For the other networks, the width of their hidden layers.
    pub hidden: usize,
    /// The core network f_h.
    pub core: CoreKind,
    /// How the recurrent weights W_hh of a `rect` core start.
    pub core_init: CoreInit,
    /// Number of filters of `conv` (Tables 1 and 2 say 8, the text of Sec. 4.1 says 16), or of the first convolution of `cnn`.
    pub filters: usize,
}

/// By how much the numbers of a glimpse are multiplied before the network sees them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains {
    all: f64,
    coarse: f64,
}

impl Gains {
    /// The gain of a patch that is 2ⁿ times as wide as the finest could be: `gain · coarse_gainⁿ`.
    pub fn of(self, n: usize) -> f64 {
        (0..n).fold(self.all, |gain, _| gain * self.coarse)
    }

    /// The gain of all patches, if they have the same.
    pub fn of_all(self) -> Option<f64> {
        (self.coarse == 1.0).then_some(self.all)
    }
}

impl Model {
    /// The gains of its glimpses.
    pub fn gains(&self) -> Gains {
        Gains { all: self.gain, coarse: self.coarse_gain }
    }
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
    /// Three convolutions with pooling, as one would take today; not in the paper.
    Cnn,
}

impl ModelKind {
    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            ModelKind::Ram => "ram",
            ModelKind::Fc => "fc",
            ModelKind::Conv => "conv",
            ModelKind::Cnn => "cnn",
        }
    }
}

/// `[policy]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How the locations are chosen.
    pub locations: Locations,
    /// What is done to the location network's output before it becomes the mean of the Gaussian.
    pub mean: Mean,
    /// Standard deviation of the Gaussian; −1 and 1 are the image's edges.
    pub std: f64,
    /// The standard deviation at the end. It changes in a straight line over all steps; 0 keeps it at `std`.
    pub std_final: f64,
    /// k, where the locations are the k × k points of a grid, chosen by a softmax (footnote 2); 0 for the Gaussian.
    pub grid: usize,
    /// The first location l₀.
    pub first: First,
    /// The location network's weights start as N(0, init_std²).
    pub init_std: f64,
    /// When the agent looks no further: `model.glimpses` is the most that it may take.
    pub stop: Stop,
    /// k, the number of zooms at which a glimpse can be taken: `model.zoom` and the next k − 1. 1 for no choice.
    pub zooms: usize,
    /// How the zoom is chosen, if there are several.
    pub zoom: Zoom,
}

impl Policy {
    /// Whether the agent learns to choose anything after a glimpse: a location, a zoom, or to stop.
    pub fn learns(&self) -> bool {
        self.locations.are_learned() || self.stop == Stop::Learned || (self.zooms > 1 && self.zoom == Zoom::Learned)
    }
}

impl Default for Model {
    fn default() -> Self {
        Model {
            kind: ModelKind::Ram,
            patch: 8,
            scales: 1,
            zoom: 0,
            glimpses: 6,
            retina: Sampling::Crop,
            gain: 1.0,
            coarse_gain: 1.0,
            features: 128,
            glimpse_features: 256,
            hidden: 256,
            core: CoreKind::Rect,
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
            stop: Stop::Never,
            zooms: 1,
            zoom: Zoom::Learned,
        }
    }
}
