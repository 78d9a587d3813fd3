//! The zoom of a glimpse, Sec. 5: "The network can also be allowed to control the scale". At zoom z, all patches of the retina are
//! 2ᶻ times as wide as at zoom 0, and have as many numbers. Which of k zooms the next glimpse is taken at is one more choice of eq. (2).

use autograd::nn::{Init, Linear};
use autograd::{Params, Real, Recording, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::action::{self, Mode};
use super::steps::Steps;

/// `policy.zoom`: how the zoom of a glimpse is chosen among `policy.zooms`. The first glimpse is always taken at the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zoom {
    /// Learned by REINFORCE from the core's state.
    Learned,
    /// Control: each zoom is equally likely.
    Random,
    /// Control: the zoom whose finest patch is nearest to the digit's size; see [`Draws::aim`](super::draws::Draws::aim).
    Oracle,
}

impl Zoom {
    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Zoom::Learned => "learned",
            Zoom::Random => "random",
            Zoom::Oracle => "oracle",
        }
    }
}

/// f_z(h) = Linear(h), the logits of k zooms.
#[derive(Clone, Copy, Debug)]
pub struct ZoomNetwork {
    linear: Linear,
}

impl ZoomNetwork {
    /// A new network for a state of length `hidden` and `zooms` zooms. The weights start from N(0, `init_std`²), as those of f_l.
    pub fn new<R: Real>(
        params: &mut Params<R>,
        hidden: usize,
        zooms: usize,
        init_std: f64,
        rng: &mut impl Rng,
    ) -> Self {
        ZoomNetwork { linear: Linear::new(params, "zoom", [hidden, zooms], Init::Normal(init_std), rng) }
    }
}

/// What decides the zooms of an agent that has several.
#[derive(Clone, Copy, Debug)]
pub struct ZoomPolicy {
    /// k, the number of zooms.
    pub zooms: usize,
    /// f_z, if the zoom is learned; else it is drawn beforehand.
    pub network: Option<ZoomNetwork>,
}

/// The zooms of an episode, and how they were chosen.
pub struct Zooms<'t, R: Real> {
    /// The zoom of each glimpse, from 0 for the finest: N × `[batch]`, whole numbers. They are constants.
    pub zooms: Steps<'t, R>,
    /// f_z(hₜ) [batch, k] after glimpses 1 to N − 1; empty if the zoom is not learned.
    pub logits: Steps<'t, R>,
    /// ln π(zₜ | hₜ) `[batch]` of the choices after glimpses 1 to N − 1, and 0 for what had stopped; empty if the zoom is not learned.
    pub log_probs: Steps<'t, R>,
}

impl<'t, R: Real> Zooms<'t, R> {
    /// Before the first glimpse, which is the widest.
    pub(super) fn begin(t: &'t Recording<'t, R>, batch: usize, policy: ZoomPolicy) -> Self {
        let mut zooms = Steps::new();
        zooms.push(t.filled("zoom", [batch], |z| z.fill(R::from((policy.zooms - 1) as u8))));
        Zooms { zooms, logits: Steps::new(), log_probs: Steps::new() }
    }

    /// Chooses the zoom of the next glimpse of each input from `seen` [batch, hidden]. `draws` `[batch]` are uniform numbers on
    /// [0, 1) for a learned zoom, and else the zooms themselves. `looks` `[batch]` is 0 for what has stopped, if anything can.
    #[track_caller]
    pub(super) fn choose(
        &mut self,
        policy: ZoomPolicy,
        seen: Var<'t, R>,
        looks: Option<Var<'t, R>>,
        (mode, draws): (Mode, &[R]),
    ) {
        let batch = seen.shape().rows();
        let Some(network) = policy.network else {
            self.zooms.push(seen.recording().constant([batch], draws));
            return;
        };
        // z ∼ softmax(f_z(h))
        let logits = seen.linear(network.linear);
        let zoom = match mode {
            Mode::Sample => action::sample(logits, draws.iter().copied()),
            Mode::Best => action::most_likely(logits),
        };
        self.zooms.push(zoom);
        self.logits.push(logits);
        let log_prob = action::log_prob_of(logits.log_softmax(), zoom);
        self.log_probs.push(looks.map_or(log_prob, |looks| log_prob * looks));
    }

    /// The zoom of glimpse `step`, from 0, of input `i`.
    pub fn zoom(&self, step: usize, i: usize) -> usize {
        self.zooms[step].value()[i].to_f64() as usize
    }
}

/// The locations [batch, 2] and zooms `[batch]` beside each other, as the retina takes them: [batch, 3].
#[track_caller]
pub fn with_zoom<'t, R: Real>(l: Var<'t, R>, zoom: Var<'t, R>) -> Var<'t, R> {
    let batch = l.shape().rows();
    l.recording().concat(1, &[l, zoom.reshape([batch, 1])])
}

/// Locations and zooms [batch, 3] as the glimpse network takes them, the zoom as one of k: [batch, 2 + k].
#[track_caller]
pub fn one_hot<'t, R: Real>(places: Var<'t, R>, k: usize) -> Var<'t, R> {
    let width = 2 + k;
    places.recording().filled_from("place", [places.shape().rows(), width], places, |places, y| {
        y.fill(R::ZERO);
        for (row, place) in y.chunks_exact_mut(width).zip(places.chunks_exact(3)) {
            row[..2].copy_from_slice(&place[..2]);
            row[2 + place[2].to_f64() as usize] = R::ONE;
        }
    })
}
