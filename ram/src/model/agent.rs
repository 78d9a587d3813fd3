//! The agent: the iteration of Fig. 1C, and an episode of several iterations.

use autograd::nn::{Init, Linear};
use autograd::{Params, Real, Recording, Var};
use rand::Rng;

use super::action::{self, ActionNetwork, Decisions, Mode};
use super::baseline::Baseline;
use super::core::{Core, State};
use super::draws::{DrawPlan, Draws, First};
use super::glimpse::GlimpseNetwork;
use super::location::{Chosen, LocationNetwork, Locations};
use super::options::{Model, Policy};
use super::retina::{Images, Retina};
use super::steps::{MAX_GLIMPSES, Steps};

/// The recurrent attention model: handles to its parameters, and its fixed settings.
#[derive(Clone, Debug)]
pub struct Agent {
    retina: Retina,
    gain: f64,
    glimpse: GlimpseNetwork,
    core: Core,
    location: LocationNetwork,
    action: ActionNetwork,
    baseline: Baseline,
    /// The learned vector v from which l₀ is chosen, if it is: v = Linear(1).
    first: Option<Linear>,
    hidden: usize,
    plan: DrawPlan,
    location_into_core: bool,
    answers_early: bool,
}

/// The settings of a new agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentOptions<'a> {
    /// The networks and their sizes.
    pub model: &'a Model,
    /// The policy of locations.
    pub policy: &'a Policy,
    /// W, the edge of the images in pixels.
    pub edge: usize,
    /// Whether the location term's gradient reaches the core.
    pub location_into_core: bool,
    /// Whether the baseline knows the true class's probability: see [`Baseline`].
    pub informed_baseline: bool,
    /// Whether an agent that decides once is asked for its answer after each glimpse too, as some losses need.
    pub answers_early: bool,
    /// When the agent decides.
    pub decisions: Decisions,
}

/// The inputs that an agent looks at: images, which stay the same, or games, which its actions change.
pub trait World<'t, R: Real> {
    /// The number of inputs in the batch.
    fn batch(&self) -> usize;

    /// The images [batch, channels, height, width] at this glimpse. The agent looks at `locations` [batch, 2], which are
    /// clamped to [−1, 1].
    fn images(&mut self, locations: &[R]) -> Images<'_, 't, R>;

    /// The classes of the inputs, where they are known. Only an informed baseline asks for them.
    fn labels(&self) -> Option<&[u32]> {
        None
    }

    /// Applies an action to each input; the actions `[batch]` are whole numbers. Only an agent with [`Decisions::Each`] acts.
    fn act(&mut self, actions: &[R]);
}

/// Images stay the same in all glimpses.
impl<'t, R: Real> World<'t, R> for Images<'_, 't, R> {
    fn batch(&self) -> usize {
        self.shape().axes()[0]
    }
    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        *self
    }
    fn act(&mut self, _: &[R]) {}
}

/// Images whose classes are known.
#[derive(Clone, Copy)]
pub struct Labelled<'a, 't, R: Real> {
    /// The images.
    pub images: Images<'a, 't, R>,
    /// The class of each.
    pub labels: &'a [u32],
}

impl<'t, R: Real> World<'t, R> for Labelled<'_, 't, R> {
    fn batch(&self) -> usize {
        self.images.batch()
    }
    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        self.images
    }
    fn labels(&self) -> Option<&[u32]> {
        Some(self.labels)
    }
    fn act(&mut self, _: &[R]) {}
}

/// The record of N glimpses at a batch of inputs.
pub struct Episode<'t, R: Real> {
    /// l₀, …, l_{N−1}, N × [batch, 2]: the locations of the glimpses as drawn, before clamping.
    pub locations: Steps<'t, R>,
    /// ρ(x, lₜ₋₁) at each of N steps, [batch, ρ].
    pub glimpses: Steps<'t, R>,
    /// gₜ = f_g(ρ, lₜ₋₁) at each of N steps, [batch, glimpse].
    pub features: Steps<'t, R>,
    /// The state hₜ after each of N glimpses, [batch, hidden].
    pub states: Steps<'t, R>,
    /// How l₀ was chosen, with `policy.first = "learned"`.
    pub first: Option<FirstChoice<'t, R>>,
    /// The policy's means μ₁, …, μ_{N−1}, [batch, 2], or the logits of its grid; empty if the policy is not learned.
    pub means: Steps<'t, R>,
    /// ln p(lₜ; μₜ, σ²) of l₁, …, l_{N−1}, `[batch]`; empty if the policy is not learned.
    pub location_log_probs: Steps<'t, R>,
    /// bₜ `[batch]` at each step that chooses something: at all N steps, or only at the last one if the agent decides once and
    /// its locations are not learned.
    pub baselines: Steps<'t, R>,
    /// The output of the action network at each decision, [batch, outputs]: the logits of the classes at h_N (and before, if the
    /// agent answers early), or at each of N steps the log-probabilities ln π(·) of the actions.
    pub decisions: Steps<'t, R>,
    /// The actions aₜ at each of N steps, `[batch]`, whole numbers; empty if the agent decides once.
    pub actions: Steps<'t, R>,
    /// ln π(aₜ) of these actions, `[batch]`.
    pub action_log_probs: Steps<'t, R>,
}

/// How l₀ was chosen.
#[derive(Clone, Copy)]
pub struct FirstChoice<'t, R: Real> {
    /// The policy's mean μ₀ [batch, 2], or the logits of its grid.
    pub mean: Var<'t, R>,
    /// ln p(l₀; μ₀, σ²) `[batch]`.
    pub log_prob: Var<'t, R>,
    /// The return that is expected before anything is seen, `[batch]`.
    pub baseline: Var<'t, R>,
}

impl<'t, R: Real> Episode<'t, R> {
    fn new() -> Self {
        Episode {
            locations: Steps::new(),
            first: None,
            glimpses: Steps::new(),
            features: Steps::new(),
            states: Steps::new(),
            means: Steps::new(),
            location_log_probs: Steps::new(),
            baselines: Steps::new(),
            decisions: Steps::new(),
            actions: Steps::new(),
            action_log_probs: Steps::new(),
        }
    }

    /// The choices of locations, l₀ among them if it was chosen: their log-probabilities and their baselines, each a `[batch]` for
    /// each choice.
    pub fn location_choices(&self) -> (Steps<'t, R>, Steps<'t, R>) {
        let Episode { first, location_log_probs: later, baselines, .. } = self;
        let log_probs = first.iter().map(|first| first.log_prob).chain(later.iter().copied());
        let baselines = first.iter().map(|first| first.baseline).chain(baselines[..later.len()].iter().copied());
        (log_probs.collect(), baselines.collect())
    }

    /// The output of the action network at the last step, [batch, outputs].
    pub fn last_decision(&self) -> Var<'t, R> {
        *self.decisions.last().expect("an episode ends with a decision")
    }
}

impl Agent {
    /// Adds the parameters of a new agent, drawn from `rng`, for images with `channels` channels and for `outputs` classes or
    /// actions.
    ///
    /// # Panics
    /// If the number of glimpses is not from 1 to [`MAX_GLIMPSES`], if [`Retina::new`] refuses the retina (a validated
    /// configuration has neither fault), or if `outputs` is not from 1 to 256.
    #[track_caller]
    pub fn new<R: Real>(
        params: &mut Params<R>,
        options: AgentOptions,
        channels: usize,
        outputs: usize,
        rng: &mut impl Rng,
    ) -> Agent {
        let AgentOptions { model, policy, edge, location_into_core, informed_baseline, answers_early, decisions } =
            options;
        // 1 − g/W, or 0 if the patch is wider than the image.
        let inside = (1.0 - model.patch as f64 / edge as f64).max(0.0);
        let glimpses = model.glimpses;
        assert!((1..=MAX_GLIMPSES).contains(&glimpses), "agent: {glimpses} glimpses, not from 1 to {MAX_GLIMPSES}");
        let retina = Retina::new(model.patch, model.scales, model.retina);
        // The blind policy sees the number of the step instead of the state.
        let seen_by_policy = if policy.locations == Locations::Blind { glimpses } else { model.hidden };
        let glimpse = GlimpseNetwork::new(params, retina.len(channels), model.features, model.glimpse_features, rng);
        let core = Core::new(params, model.core, [model.glimpse_features, model.hidden], model.core_init, rng);
        let mut location = LocationNetwork::new(params, seen_by_policy, policy.mean, policy.grid, policy.init_std, rng);
        location.set_inside(inside);
        let chooses_first = policy.first == First::Learned && policy.locations == Locations::Learned;
        let mut agent = Agent {
            retina,
            gain: model.gain,
            glimpse,
            core,
            location,
            action: ActionNetwork::new(params, model.hidden, outputs, rng),
            baseline: Baseline::new(params, model.hidden, informed_baseline, rng),
            first: chooses_first.then(|| Linear::new(params, "location.first", [1, model.hidden], Init::Zeros, rng)),
            hidden: model.hidden,
            plan: DrawPlan {
                glimpses,
                decisions,
                locations: policy.locations,
                first: policy.first,
                inside,
                is_discrete: policy.grid > 0,
            },
            location_into_core,
            answers_early,
        };
        agent.set_std(policy.std);
        agent
    }

    /// The retina.
    pub fn retina(&self) -> Retina {
        self.retina
    }

    /// N, the number of glimpses in an episode.
    pub fn glimpses(&self) -> usize {
        self.plan.glimpses
    }

    /// When the agent decides.
    pub fn decisions(&self) -> Decisions {
        self.plan.decisions
    }

    /// The random numbers that the agent needs.
    pub fn plan(&self) -> DrawPlan {
        self.plan
    }

    /// Sets the standard deviation σ of the location policy, where ±1 are the image's edges.
    pub fn set_std(&mut self, std: f64) {
        self.location.set_std(std);
    }

    /// The decision at hₜ [batch, hidden] if there were no further glimpse: the logits [batch, outputs], and the expected return
    /// bₜ `[batch]`.
    #[track_caller]
    pub fn believe<'t, R: Real>(&self, h: Var<'t, R>) -> (Var<'t, R>, Var<'t, R>) {
        (self.action.logits(h), self.expect(h, None))
    }

    /// The expected return bₜ `[batch]` at hₜ [batch, hidden].
    #[track_caller]
    fn expect<'t, R: Real>(&self, h: Var<'t, R>, labels: Option<&[u32]>) -> Var<'t, R> {
        self.baseline.value(h, |h| self.action.logits(h), labels)
    }

    /// The iteration of Fig. 1C: from hₜ₋₁ and lₜ₋₁ (clamped) to the glimpse ρ(x, lₜ₋₁), its features gₜ and the state hₜ.
    #[track_caller]
    fn iterate<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        h: State<'t, R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, Var<'t, R>, State<'t, R>) {
        let rho = self.retina.sense(t, images, l);
        // gₜ = f_g(xₜ, lₜ₋₁)
        let g = self.glimpse.see(if self.gain == 1.0 { rho } else { rho.scale(R::from_f64(self.gain)) }, l);
        // hₜ = f_h(hₜ₋₁, gₜ)
        (rho, g, self.core.step(h, g))
    }

    /// An episode: N glimpses at each input, and the decisions.
    ///
    /// The retina and the glimpse network get the location clamped to [−1, 1]; the log-probability is that of the sample as
    /// drawn. N glimpses have N − 1 log-probabilities of locations: l₀ is given, and no location is drawn after the last
    /// glimpse, because nothing would look there.
    #[track_caller]
    pub fn look<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        mut world: impl World<'t, R>,
        draws: &Draws<R>,
    ) -> Episode<'t, R> {
        let batch = world.batch();
        let mut episode = Episode::new();
        // h₀ = 0
        let mut state = self.core.begin(t, batch, self.hidden);
        let (mut l, first) = self.first_location(t, batch, draws);
        episode.first = first;
        for step in 1..=self.plan.glimpses {
            let clamped = l.clamp(-R::ONE, R::ONE);
            let images = world.images(&clamped.value());
            let (rho, g, next) = self.iterate(t, images, state, clamped);
            state = next;
            episode.locations.push(l);
            episode.glimpses.push(rho);
            episode.features.push(g);
            episode.states.push(state.h);
            if self.plan.decisions == Decisions::Each {
                self.act(state.h, step, &mut world, draws, &mut episode);
            }
            if step == self.plan.glimpses {
                break;
            }
            if self.answers_early {
                episode.decisions.push(self.action.logits(state.h));
            }
            let (next, chosen) = self.next_location(t, state.h, step, draws);
            l = next;
            if let Some(chosen) = chosen {
                episode.means.push(chosen.mean);
                episode.location_log_probs.push(chosen.log_prob);
                if self.plan.decisions == Decisions::Last {
                    episode.baselines.push(self.expect(state.h, world.labels()));
                }
            }
        }
        if self.plan.decisions == Decisions::Last {
            episode.decisions.push(self.action.logits(state.h));
            episode.baselines.push(self.expect(state.h, world.labels()));
        }
        episode
    }

    /// Chooses the action after `step` glimpses and applies it to the world. Sec. 4.2.
    #[track_caller]
    fn act<'t, R: Real>(
        &self,
        h: Var<'t, R>,
        step: usize,
        world: &mut impl World<'t, R>,
        draws: &Draws<R>,
        episode: &mut Episode<'t, R>,
    ) {
        // aₜ ∼ f_a(hₜ)
        let batch = h.shape().rows();
        let log_probs = self.action.logits(h).log_softmax();
        let uniforms = &draws.class[(step - 1) * batch..step * batch];
        let action = match draws.mode {
            Mode::Sample => action::sample(log_probs, uniforms.iter().copied()),
            Mode::Best => action::most_likely(log_probs),
        };
        episode.actions.push(action);
        episode.action_log_probs.push(action::log_prob_of(log_probs, action));
        episode.decisions.push(log_probs);
        episode.baselines.push(self.expect(h, None));
        world.act(&action.value());
    }

    /// l₀, which is drawn beforehand; or with `policy.first = "learned"` it is chosen, and then this says how.
    #[track_caller]
    fn first_location<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        batch: usize,
        draws: &Draws<R>,
    ) -> (Var<'t, R>, Option<FirstChoice<'t, R>>) {
        if self.plan.first != First::Learned {
            return (t.constant([batch, 2], &draws.first), None);
        }
        let one = t.filled("one", [batch, 1], |y| y.fill(R::ONE));
        let v = self.first.map_or_else(|| t.zeros([batch, self.hidden]), |first| one.linear(first));
        let seen = if self.plan.locations == Locations::Blind { self.step_number(t, batch, 0) } else { v };
        // l₀ ∼ N(f_l(v), σ²)
        let Chosen { location, mean, log_prob } = self.location.choose(t, seen, &draws.first, draws.mode);
        (location, Some(FirstChoice { mean, log_prob, baseline: self.expect(v, None) }))
    }

    /// lₜ after `step` glimpses; if the policy is learned, also how it was chosen.
    #[track_caller]
    fn next_location<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        h: Var<'t, R>,
        step: usize,
        draws: &Draws<R>,
    ) -> (Var<'t, R>, Option<Chosen<'t, R>>) {
        let batch = h.shape().rows();
        let noise = &draws.noise[(step - 1) * 2 * batch..step * 2 * batch];
        let seen = match self.plan.locations {
            Locations::Random | Locations::Oracle => return (t.constant([batch, 2], noise), None),
            Locations::Centre => return (t.zeros([batch, 2]), None),
            Locations::Blind => self.step_number(t, batch, step),
            Locations::Learned if self.location_into_core => h,
            Locations::Learned => h.stop_gradient(),
        };
        // lₜ ∼ N(f_l(hₜ), σ²)
        let chosen = self.location.choose(t, seen, noise, draws.mode);
        (chosen.location, Some(chosen))
    }

    /// The number of the step as a one-hot row for each image, which is the only input of a blind policy.
    fn step_number<'t, R: Real>(&self, t: &'t Recording<'t, R>, batch: usize, step: usize) -> Var<'t, R> {
        t.filled("step", [batch, self.plan.glimpses], |y| {
            y.fill(R::ZERO);
            y.chunks_exact_mut(self.plan.glimpses).for_each(|row| row[step] = R::ONE);
        })
    }
}
