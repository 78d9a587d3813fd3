//! The core network f_h: Fig. 1C and Sec. 4, "Core network".

use autograd::nn::{Init, Linear, Lstm};
use autograd::ops::{Activation, linear_sum};
use autograd::{Indices, Params, Real, Recording, Var};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// `model.core`: the core network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreKind {
    /// Rect(Linear(hₜ₋₁) + Linear(gₜ)), as in Sec. 4.1.
    Rect,
    /// An LSTM, as in Sec. 4.2.
    Lstm,
}

/// `model.core_init`: the initial recurrent weights W_hh of a rectifier core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoreInit {
    /// W_hh = I.
    Identity,
    /// Uniform on ±1/√fan-in.
    FanIn,
    /// He's normal distribution.
    He,
    /// Xavier's uniform distribution.
    Xavier,
    /// A random orthogonal matrix.
    Orthogonal,
}

impl CoreInit {
    fn weights(self) -> Init {
        match self {
            CoreInit::Identity => Init::Identity,
            CoreInit::FanIn => Init::UniformFanIn,
            CoreInit::He => Init::He,
            CoreInit::Xavier => Init::Xavier,
            CoreInit::Orthogonal => Init::Orthogonal,
        }
    }
}

/// The network that computes hₜ from hₜ₋₁ and gₜ.
#[derive(Clone, Copy, Debug)]
pub enum Core {
    /// hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ)), as in Sec. 4.1.
    Rect {
        /// The layer from hₜ₋₁.
        hidden: Linear,
        /// The layer from gₜ.
        glimpse: Linear,
    },
    /// An LSTM, as in Sec. 4.2.
    Lstm(Lstm),
}

/// The state that the core keeps from step to step.
#[derive(Clone, Copy)]
pub struct State<'t, R: Real> {
    /// hₜ [batch, hidden], which the other networks see.
    pub h: Var<'t, R>,
    /// The cells of an LSTM, [batch, hidden].
    pub cells: Option<Var<'t, R>>,
}

impl<'t, R: Real> State<'t, R> {
    /// The state of the inputs `rows` alone.
    #[track_caller]
    pub fn take(self, rows: Indices) -> State<'t, R> {
        State { h: self.h.take_rows(rows), cells: self.cells.map(|cells| cells.take_rows(rows)) }
    }

    /// The state in which the inputs `rows` have the states `next`, and all others keep theirs.
    #[track_caller]
    pub fn put(self, rows: Indices, next: State<'t, R>) -> State<'t, R> {
        let put = |(before, next): (Var<'t, R>, Var<'t, R>)| before.put_rows(rows, next);
        State { h: put((self.h, next.h)), cells: self.cells.zip(next.cells).map(put) }
    }
}

impl Core {
    /// A new core for gₜ of length `glimpse` and a state of length `hidden` (256 and 256 in the paper). `init` chooses the initial
    /// weights from hₜ₋₁ to hₜ of a rectifier core.
    pub fn new<R: Real>(
        params: &mut Params<R>,
        kind: CoreKind,
        [glimpse, hidden]: [usize; 2],
        init: CoreInit,
        rng: &mut impl Rng,
    ) -> Self {
        match kind {
            CoreKind::Rect => Core::Rect {
                hidden: Linear::new(params, "core.hidden", [hidden, hidden], init.weights(), rng),
                glimpse: Linear::new(params, "core.glimpse", [glimpse, hidden], Init::UniformFanIn, rng),
            },
            CoreKind::Lstm => Core::Lstm(Lstm::new(params, "core", [glimpse, hidden], rng)),
        }
    }

    /// The initial state: h₀ and the cells are 0.
    pub fn begin<'t, R: Real>(&self, t: &'t Recording<'t, R>, batch: usize, hidden: usize) -> State<'t, R> {
        let h = t.zeros([batch, hidden]);
        State { h, cells: matches!(self, Core::Lstm(_)).then_some(h) }
    }

    /// The next state, from gₜ [batch, glimpse].
    #[track_caller]
    pub fn step<'t, R: Real>(&self, state: State<'t, R>, g: Var<'t, R>) -> State<'t, R> {
        match *self {
            // hₜ = Rect(Linear(hₜ₋₁) + Linear(gₜ))
            Core::Rect { hidden, glimpse } => {
                State { h: linear_sum(&[(state.h, hidden), (g, glimpse)], Activation::Relu), cells: None }
            }
            Core::Lstm(lstm) => {
                let (h, cells) = lstm.step(g, state.h, state.cells.unwrap_or(state.h));
                State { h, cells: Some(cells) }
            }
        }
    }
}
