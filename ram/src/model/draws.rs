//! Every random number of an episode, drawn before it begins.

use autograd::{Real, math};
use datasets::rng::{Key, Purpose, uniform};
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::action::{Decisions, Mode};
use super::location::Locations;

/// `policy.first`: the first location l₀.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// Uniform on the image.
    Random,
    /// The centre of the image.
    Centre,
}

/// What an agent needs random numbers for.
#[derive(Clone, Copy, Debug)]
pub struct DrawPlan {
    /// N, the number of glimpses in an episode.
    pub glimpses: usize,
    /// When it decides.
    pub decisions: Decisions,
    /// How it chooses its locations.
    pub locations: Locations,
    /// How its first location is chosen.
    pub first: First,
    /// Whether its locations are the points of a grid.
    pub is_discrete: bool,
}

/// What decides the random numbers of a batch.
#[derive(Clone, Copy, Debug)]
pub struct DrawKey<'a> {
    /// Whether locations and actions are sampled at all.
    pub mode: Mode,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, or the pass over an evaluated set.
    pub epoch: u64,
    /// The number of each input in its data set.
    pub samples: &'a [u32],
    /// How many episodes there are for each input. They stand next to each other; the first one draws as if it were alone.
    pub copies: usize,
}

/// Every random number of a batch of episodes.
#[derive(Clone, Debug, Default)]
pub struct Draws<R> {
    /// Whether locations and actions are sampled at all.
    pub mode: Mode,
    /// l₀ [batch, 2].
    pub first: Vec<R>,
    /// What chooses l₁, …, l_{N−1}, [N − 1, batch, 2]: see [`LocationNetwork::choose`](super::location::LocationNetwork::choose).
    /// Under the random policy these are the locations themselves.
    pub noise: Vec<R>,
    /// A uniform number on [0, 1) for each decision, by which its action or class is sampled, [decisions, batch].
    pub class: Vec<R>,
}

impl<R: Real> Draws<R> {
    /// Draws for a batch. Every episode has random streams of its own, by (seed, purpose, epoch, sample), so that it does not
    /// depend on the batch it is in.
    pub fn draw(&mut self, plan: DrawPlan, key: &DrawKey) {
        let DrawKey { mode, seed, epoch, samples, copies } = *key;
        let batch = samples.len() * copies;
        let decisions = match plan.decisions {
            Decisions::Last => 1,
            Decisions::Each => plan.glimpses,
        };
        self.mode = mode;
        self.first.resize(2 * batch, R::ZERO);
        self.noise.resize((plan.glimpses - 1) * 2 * batch, R::ZERO);
        self.class.resize(decisions * batch, R::ZERO);
        let is_centred = plan.locations == Locations::Centre || plan.first == First::Centre;
        for i in 0..batch {
            let sample = u64::from(samples[i / copies]) | ((i % copies) as u64) << 32;
            let stream = |purpose| Key { seed, purpose, epoch, sample }.stream();
            let mut rng = stream(Purpose::FirstLocation);
            for l in &mut self.first[2 * i..2 * i + 2] {
                *l = if is_centred { R::ZERO } else { on_image(&mut rng) };
            }
            let mut rng = stream(Purpose::Policy);
            for noise in self.noise.chunks_exact_mut(2 * batch) {
                let pair = match (plan.locations, mode) {
                    (Locations::Random, _) => [on_image(&mut rng), on_image(&mut rng)],
                    (Locations::Centre, _) | (_, Mode::Best) => [R::ZERO; 2],
                    _ if plan.is_discrete => [R::from_f64(uniform(&mut rng)), R::ZERO],
                    _ => math::normal_pair(&mut rng).map(R::from_f64),
                };
                noise[2 * i..2 * i + 2].copy_from_slice(&pair);
            }
            let mut rng = stream(Purpose::Class);
            for class in self.class[i..].iter_mut().step_by(batch) {
                *class = if mode == Mode::Best { R::ZERO } else { R::from_f64(uniform(&mut rng)) };
            }
        }
    }
}

/// A coordinate, uniform on the image.
fn on_image<R: Real>(rng: &mut ChaCha8Rng) -> R {
    R::from_f64(2.0 * uniform(rng) - 1.0)
}
