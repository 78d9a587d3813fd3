//! The agent: Fig. 1C, one iteration of it and an episode.

use autograd::nn::Init;
use autograd::{Params, Real, Recording, Shape, Var, math};
use datasets::rng::{Key, Purpose, uniform};
use rand::Rng;
use rand::rngs::ChaCha8Rng;

use super::action::{self, ActionNetwork};
use super::baseline::Baseline;
use super::core::{Core, State};
use super::glimpse::GlimpseNetwork;
use super::location::{Chosen, LocationNetwork};
use super::retina::{Images, Retina, Sampling};
use crate::config::{self, Config, CoreInit, First, Locations, Source};
use crate::environments::Environment;

/// The most glimpses in an episode.
pub const MAX_GLIMPSES: usize = 64;

/// The recurrent attention model: handles to its parameters and what else it is made of.
#[derive(Clone, Debug)]
pub struct Agent {
    retina: Retina,
    gain: f64,
    glimpse: GlimpseNetwork,
    core: Core,
    location: LocationNetwork,
    action: ActionNetwork,
    baseline: Baseline,
    hidden: usize,
    glimpses: usize,
    /// Classes or actions chosen in an episode: one after the last glimpse, or in a game one after each.
    decisions: usize,
    policy: Locations,
    /// Whether the location term's gradient reaches the core.
    location_into_core: bool,
}

/// A variable for each step of an episode, without memory of its own.
#[derive(Clone, Copy)]
pub struct Steps<'t, R: Real> {
    vars: [Option<Var<'t, R>>; MAX_GLIMPSES],
    len: usize,
}

impl<'t, R: Real> Steps<'t, R> {
    pub(crate) fn new() -> Self {
        Steps { vars: [None; MAX_GLIMPSES], len: 0 }
    }

    pub(crate) fn push(&mut self, var: Var<'t, R>) {
        self.vars[self.len] = Some(var);
        self.len += 1;
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Var<'t, R>> + '_ {
        self.vars[..self.len].iter().map(|var| var.expect("pushed"))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// What an agent did in a batch of games.
pub struct Play<'t, R: Real> {
    /// ln π(aₜ) of each of N actions, `[batch]`.
    pub action_log_probs: Steps<'t, R>,
    /// ln π(lₜ) of l₁, …, l_{N−1}, `[batch]`; none under a policy that is not learned.
    pub location_log_probs: Steps<'t, R>,
    /// bₜ at each of N steps, `[batch]`.
    pub baselines: Steps<'t, R>,
    /// ln π(·) of all actions at each of N steps, [batch, actions].
    pub log_policies: Steps<'t, R>,
    /// The N actions aₜ, whole numbers, `[batch]`.
    pub actions: Steps<'t, R>,
}

/// Memory that games need from step to step.
#[derive(Clone, Debug, Default)]
pub struct Screens<R> {
    pixels: Vec<u8>,
    /// rₜ of each move, [N, batch].
    pub rewards: Vec<R>,
}

/// What an agent did with a batch of images.
pub struct Episode<'t, R: Real> {
    /// l₀, …, l_{N−1} as drawn, N × [batch, 2]: the glimpses' locations before clamping.
    pub locations: Steps<'t, R>,
    /// The policy's means μ₁, …, μ_{N−1}, [batch, 2], or the logits of its grid; none under a policy that is not learned.
    pub means: Steps<'t, R>,
    /// ln p(lₜ; μₜ, σ²) of l₁, …, l_{N−1}, `[batch]`; none under a policy that is not learned.
    pub log_probs: Steps<'t, R>,
    /// bₜ at the steps that chose l₁, …, l_{N−1}, `[batch]`.
    pub baselines: Steps<'t, R>,
    /// ρ(x, lₜ₋₁) at each of N steps, [batch, ρ].
    pub glimpses: Steps<'t, R>,
    /// The state hₜ after each of N glimpses, [batch, hidden].
    pub states: Steps<'t, R>,
    /// The state h_N, [batch, hidden].
    pub state: Var<'t, R>,
    /// The baseline b_N at the classification, `[batch]`: used where the class is sampled.
    pub last_baseline: Var<'t, R>,
    /// The action network's logits at h_N, [batch, classes].
    pub logits: Var<'t, R>,
}

/// Every random number of an episode, drawn beforehand.
#[derive(Clone, Debug, Default)]
pub struct Draws<R> {
    /// l₀ [batch, 2].
    pub first: Vec<R>,
    /// What chooses l₁, …, l_{N−1}: [`LocationNetwork::choose`]'s noise, or under the random policy the locations
    /// themselves, [N − 1, batch, 2].
    pub noise: Vec<R>,
    /// A uniform number on [0, 1) to choose the class by, `[batch]`; of a game one for each action, [N, batch].
    pub class: Vec<R>,
}

/// How an episode is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Locations are samples of the policy.
    Train,
    /// Locations are the policy's means. (The random policy stays random.)
    Mean,
}

impl<R: Real> Draws<R> {
    /// Draws for a batch: each sample from streams of its own, by (seed, purpose, epoch, sample), glimpse after glimpse.
    /// Under [`Mode::Mean`] it is the noise that chooses the most likely.
    pub fn draw(&mut self, agent: &Agent, first: First, mode: Mode, seed: u64, epoch: u64, samples: &[u32]) {
        self.draw_copies(agent, first, mode, seed, epoch, samples, 1);
    }

    /// As [`Draws::draw`], for so many copies of each sample, which stand next to each other; the first of them draws as if
    /// it were alone.
    #[allow(clippy::too_many_arguments)]
    pub fn draw_copies(
        &mut self,
        agent: &Agent,
        first: First,
        mode: Mode,
        seed: u64,
        epoch: u64,
        samples: &[u32],
        copies: usize,
    ) {
        let batch = samples.len() * copies;
        self.first.resize(2 * batch, R::ZERO);
        self.noise.resize((agent.glimpses - 1) * 2 * batch, R::ZERO);
        self.class.resize(agent.decisions * batch, R::ZERO);
        let on_image = |rng: &mut ChaCha8Rng| R::from_f64(2.0 * uniform(rng) - 1.0);
        let centred = agent.policy == Locations::Centre;
        for i in 0..batch {
            let sample = u64::from(samples[i / copies]) | ((i % copies) as u64) << 32;
            let stream = |purpose| Key { seed, purpose, epoch, sample }.stream();
            let mut rng = stream(Purpose::FirstLocation);
            for l in &mut self.first[2 * i..2 * i + 2] {
                *l = if centred || first == First::Centre { R::ZERO } else { on_image(&mut rng) };
            }
            let mut rng = stream(Purpose::Policy);
            for noise in self.noise.chunks_exact_mut(2 * batch) {
                let pair = match (agent.policy, mode) {
                    (Locations::Random, _) => [on_image(&mut rng), on_image(&mut rng)],
                    (Locations::Centre, _) => [R::ZERO; 2],
                    (_, Mode::Mean) if agent.location.is_discrete() => [-R::ONE, R::ZERO],
                    (_, Mode::Mean) => [R::ZERO; 2],
                    _ if agent.location.is_discrete() => [R::from_f64(uniform(&mut rng)), R::ZERO],
                    _ => math::normal_pair(&mut rng).map(R::from_f64),
                };
                noise[2 * i..2 * i + 2].copy_from_slice(&pair);
            }
            let mut rng = stream(Purpose::Class);
            for class in self.class[i..].iter_mut().step_by(batch) {
                *class = if mode == Mode::Mean { -R::ONE } else { R::from_f64(uniform(&mut rng)) };
            }
        }
    }
}

impl Agent {
    /// Adds the parameters of a new agent, drawn from `rng`, for images of so many channels and classes.
    ///
    /// # Panics
    /// Where `config` has more than [`MAX_GLIMPSES`] glimpses or none, or a retina that [`Retina::new`] refuses (neither
    /// passes [`Config::validate`]), or where `classes` is not from 1 to 256.
    #[track_caller]
    pub fn new<R: Real>(
        params: &mut Params<R>,
        config: &Config,
        channels: usize,
        classes: usize,
        rng: &mut impl Rng,
    ) -> Agent {
        let (model, policy) = (&config.model, &config.policy);
        let glimpses = model.glimpses;
        assert!((1..=MAX_GLIMPSES).contains(&glimpses), "agent: {glimpses} glimpses, not from 1 to {MAX_GLIMPSES}");
        let sampling = match model.retina {
            config::Retina::Crop => Sampling::Crop,
            config::Retina::Bilinear => Sampling::Bilinear,
        };
        let retina = Retina::new(model.patch, model.scales, sampling);
        let core_init = match model.core_init {
            CoreInit::Identity => Init::Identity,
            CoreInit::FanIn => Init::UniformFanIn,
            CoreInit::He => Init::He,
            CoreInit::Xavier => Init::Xavier,
            CoreInit::Orthogonal => Init::Orthogonal,
        };
        // The blind policy sees the number of the step in place of the state.
        let seen_by_policy = if policy.locations == Locations::Blind { glimpses } else { model.hidden };
        Agent {
            retina,
            gain: model.gain,
            glimpse: GlimpseNetwork::new(params, retina.len(channels), model.features, model.glimpse, rng),
            core: Core::new(params, model.core, [model.glimpse, model.hidden], core_init, rng),
            location: LocationNetwork::new(params, seen_by_policy, policy, rng),
            action: ActionNetwork::new(params, model.hidden, classes, rng),
            baseline: Baseline::new(params, model.hidden, rng),
            hidden: model.hidden,
            glimpses,
            decisions: if config.data.source == Source::Catch { glimpses } else { 1 },
            policy: policy.locations,
            location_into_core: config.loss.location_into_core,
        }
    }

    /// Its retina.
    pub fn retina(&self) -> Retina {
        self.retina
    }

    /// N, the number of glimpses in an episode.
    pub fn glimpses(&self) -> usize {
        self.glimpses
    }

    /// Sets the policy's standard deviation.
    pub fn set_std(&mut self, std: f64) {
        self.location.set_std(std);
    }

    /// What it would decide at hₜ [batch, hidden] if it looked no further: the logits of the classes or actions, [batch, classes];
    /// and the return bₜ `[batch]` that it expects there.
    #[track_caller]
    pub fn believe<'t, R: Real>(&self, h: Var<'t, R>) -> (Var<'t, R>, Var<'t, R>) {
        (self.action.logits(h), self.baseline.expect(h))
    }

    /// The iteration of Fig. 1C: from hₜ₋₁ and lₜ₋₁ (clamped) to the glimpse ρ(x, lₜ₋₁) and the state hₜ.
    #[track_caller]
    fn iterate<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        h: State<'t, R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, State<'t, R>) {
        let rho = self.retina.sense(t, images, l);
        // gₜ = f_g(xₜ, lₜ₋₁)
        let g = self.glimpse.see(if self.gain == 1.0 { rho } else { rho.scale(R::from_f64(self.gain)) }, l);
        // hₜ = f_h(hₜ₋₁, gₜ)
        (rho, self.core.step(h, g))
    }

    /// An episode: N glimpses of each image [batch, channels, height, width], then the class.
    ///
    /// The location clamped to [−1, 1] feeds the retina and the glimpse network; the log-probability takes the sample as
    /// drawn. N glimpses have N − 1 log-probabilities: l₀ is given, and none is drawn after the last glimpse, since it
    /// would not be looked at.
    #[track_caller]
    pub fn look<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        draws: &Draws<R>,
    ) -> Episode<'t, R> {
        let batch = images.shape().axes()[0];
        let mut locations = Steps::new();
        let mut means = Steps::new();
        let mut log_probs = Steps::new();
        let mut baselines = Steps::new();
        let mut glimpses = Steps::new();
        let mut states = Steps::new();

        // h₀ = 0; l₀ is random
        let mut state = self.core.begin(t, batch, self.hidden);
        let mut l = t.constant([batch, 2], &draws.first);
        for step in 1..=self.glimpses {
            locations.push(l);
            let (rho, next) = self.iterate(t, images, state, l.clamp(-R::ONE, R::ONE));
            glimpses.push(rho);
            state = next;
            states.push(state.h);
            if step == self.glimpses {
                break;
            }
            let noise = &draws.noise[(step - 1) * 2 * batch..step * 2 * batch];
            let (next, chosen) = self.next_location(t, state.h, step, noise);
            l = next;
            if let Some(chosen) = chosen {
                means.push(chosen.mean);
                log_probs.push(chosen.log_prob);
                baselines.push(self.baseline.expect(state.h));
            }
        }
        let h = state.h;
        let (logits, last_baseline) = (self.action.logits(h), self.baseline.expect(h));
        Episode { locations, means, log_probs, baselines, glimpses, states, state: h, last_baseline, logits }
    }

    /// A batch of games, which have begun: at each of N frames a glimpse of the screen, an action, and the next location.
    /// `seen` is told of every frame before the move: the games, and the locations looked at, [batch, 2].
    ///
    /// N frames have N actions and N − 1 log-probabilities of locations: the last one would not be seen. Sec. 4.2.
    #[track_caller]
    pub fn play<'t, R: Real, E: Environment>(
        &self,
        t: &'t Recording<'t, R>,
        games: &mut [E],
        draws: &Draws<R>,
        screens: &mut Screens<R>,
        mut seen: impl FnMut(&[E], &[R]),
    ) -> Play<'t, R> {
        let batch = games.len();
        let [height, width] = games.first().map_or([0; 2], Environment::size);
        let shape = Shape::new(&[batch, 1, height, width]);
        screens.pixels.resize(shape.len(), 0);
        screens.rewards.resize(self.glimpses * batch, R::ZERO);
        let mut play = Play {
            action_log_probs: Steps::new(),
            location_log_probs: Steps::new(),
            baselines: Steps::new(),
            log_policies: Steps::new(),
            actions: Steps::new(),
        };
        let mut state = self.core.begin(t, batch, self.hidden);
        let mut l = t.constant([batch, 2], &draws.first);
        for step in 0..self.glimpses {
            for (game, screen) in games.iter().zip(screens.pixels.chunks_exact_mut(height * width)) {
                game.screen(screen);
            }
            let clamped = l.clamp(-R::ONE, R::ONE);
            seen(games, &clamped.value());
            state = self.iterate(t, Images::Pixels { data: &screens.pixels, shape }, state, clamped).1;

            // aₜ ∼ f_a(hₜ)
            let range = step * batch..(step + 1) * batch;
            let log_probs = self.action.logits(state.h).log_softmax();
            let chosen = action::sample_or_best(log_probs, draws.class[range.clone()].iter().copied());
            play.action_log_probs.push(action::log_prob_of(log_probs, chosen));
            play.log_policies.push(log_probs);
            play.baselines.push(self.baseline.expect(state.h));
            play.actions.push(chosen);
            let moves = games.iter_mut().zip(&mut screens.rewards[range]);
            for ((game, reward), chosen) in moves.zip(&*chosen.value()) {
                *reward = R::from_f64(game.step(chosen.to_f64() as usize));
            }
            if step + 1 < self.glimpses {
                let noise = &draws.noise[step * 2 * batch..(step + 1) * 2 * batch];
                let (next, chosen) = self.next_location(t, state.h, step + 1, noise);
                chosen.into_iter().for_each(|chosen| play.location_log_probs.push(chosen.log_prob));
                l = next;
            }
        }
        play
    }

    /// lₜ after `step` glimpses, and where the policy is learned how it was chosen.
    #[track_caller]
    fn next_location<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        h: Var<'t, R>,
        step: usize,
        noise: &[R],
    ) -> (Var<'t, R>, Option<Chosen<'t, R>>) {
        let batch = h.shape().rows();
        let seen = match self.policy {
            Locations::Random => return (t.constant([batch, 2], noise), None),
            Locations::Centre => return (t.zeros([batch, 2]), None),
            Locations::Blind => self.step_number(t, batch, step),
            Locations::Learned if self.location_into_core => h,
            Locations::Learned => h.stop_gradient(),
        };
        // lₜ ∼ N(f_l(hₜ), σ²)
        let chosen = self.location.choose(t, seen, noise);
        (chosen.location, Some(chosen))
    }

    /// The number of the step as a one-hot row for each image: all that a blind policy sees.
    fn step_number<'t, R: Real>(&self, t: &'t Recording<'t, R>, batch: usize, step: usize) -> Var<'t, R> {
        t.filled("step", [batch, self.glimpses], |y| {
            y.fill(R::ZERO);
            y.chunks_exact_mut(self.glimpses).for_each(|row| row[step] = R::ONE);
        })
    }
}
