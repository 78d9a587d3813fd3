//! The agent: the iteration of Fig. 1C, and an episode of several iterations.

use autograd::nn::{Init, Linear};
use autograd::{Indices, Params, Real, Recording, Var};
use rand::Rng;

use super::action::{self, ActionNetwork, Decisions, Mode};
use super::baseline::Baseline;
use super::core::{Core, State};
use super::draws::{DrawPlan, Draws, First};
use super::episode::{Episode, FirstChoice};
use super::glimpse::GlimpseNetwork;
use super::location::{Chosen, LocationNetwork, Locations};
use super::options::{Gains, Model, Policy};
use super::retina::{Images, Retina};
use super::steps::MAX_GLIMPSES;
use super::stop::{Stop, StopNetwork, StopRule, Stops};
use super::world::World;
use super::zoom::{self, Zoom, ZoomNetwork, ZoomPolicy, Zooms};

/// The recurrent attention model: handles to its parameters, and its fixed settings.
#[derive(Clone, Debug)]
pub struct Agent {
    retina: Retina,
    gains: Gains,
    glimpse: GlimpseNetwork,
    pub(super) core: Core,
    location: LocationNetwork,
    action: ActionNetwork,
    baseline: Baseline,
    /// The learned vector v from which l₀ is chosen, if it is: v = Linear(1).
    first: Option<Linear>,
    /// What decides that nothing more is looked at, if anything does before the last glimpse.
    pub(super) stop: Option<StopRule>,
    /// How the zoom of a glimpse is chosen, if there are several.
    pub(super) zoom: Option<ZoomPolicy>,
    pub(super) hidden: usize,
    pub(super) plan: DrawPlan,
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
    /// Whether the location term's gradient reaches the core, and through it the glimpse network.
    pub location_into_core: bool,
    /// Whether the baseline knows the true class's probability: see [`Baseline`].
    pub informed_baseline: bool,
    /// Whether an agent that decides once is asked for its answer after each glimpse too, as some losses need.
    pub answers_early: bool,
    /// When the agent decides.
    pub decisions: Decisions,
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
        let glimpses = model.glimpses;
        assert!((1..=MAX_GLIMPSES).contains(&glimpses), "agent: {glimpses} glimpses, not from 1 to {MAX_GLIMPSES}");
        let retina = Retina::new(model.patch, model.scales, model.retina).zoomed(model.zoom);
        let zooms = policy.zooms;
        assert!(zooms >= 1, "agent: no zooms");
        let _ = retina.zoomed(zooms - 1); // which panics if it is too wide
        // 1 − g/W, or 0 if the finest patch is wider than the image.
        let inside = (1.0 - retina.side(0) as f64 / edge as f64).max(0.0);
        // The blind policy sees the number of the step instead of the state.
        let seen_by_policy = if policy.locations == Locations::Blind { glimpses } else { model.hidden };
        let place = if zooms > 1 { 2 + zooms } else { 2 };
        let glimpse =
            GlimpseNetwork::new(params, [retina.len(channels), place], model.features, model.glimpse_features, rng);
        let core = Core::new(params, model.core, [model.glimpse_features, model.hidden], model.core_init, rng);
        let mut location = LocationNetwork::new(params, seen_by_policy, policy.mean, policy.grid, policy.init_std, rng);
        location.set_inside(inside);
        let stop = (policy.stop == Stop::Learned).then(|| StopNetwork::new(params, model.hidden, model.features, rng));
        let zoom = (zooms > 1 && policy.zoom == Zoom::Learned)
            .then(|| ZoomNetwork::new(params, seen_by_policy, zooms, policy.init_std, rng));
        let chooses_first = policy.first == First::Learned && policy.locations == Locations::Learned;
        let mut agent = Agent {
            retina,
            gains: model.gains(),
            glimpse,
            core,
            location,
            action: ActionNetwork::new(params, model.hidden, outputs, rng),
            baseline: Baseline::new(params, model.hidden, informed_baseline, rng),
            first: chooses_first.then(|| Linear::new(params, "location.first", [1, model.hidden], Init::Zeros, rng)),
            stop: stop.map(StopRule::Learned),
            zoom: (zooms > 1).then_some(ZoomPolicy { zooms, network: zoom }),
            hidden: model.hidden,
            plan: DrawPlan {
                glimpses,
                decisions,
                locations: policy.locations,
                first: policy.first,
                inside,
                is_discrete: policy.grid > 0,
                stops: stop.is_some(),
                zooms,
                zoom: policy.zoom,
                patch: retina.side(0),
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

    /// Whether the agent may stop before its last glimpse.
    pub fn may_stop(&self) -> bool {
        self.stop.is_some()
    }

    /// Makes an agent that decides once stop as soon as its most likely class has the probability `least`, whatever it has learned.
    pub fn stop_at(&mut self, least: f64) {
        self.stop = Some(StopRule::Threshold(least));
        self.plan.stops = false;
    }

    /// Makes the agent take all its glimpses, whatever it has learned.
    pub fn never_stop(&mut self) {
        self.stop = None;
        self.plan.stops = false;
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

    /// The iteration of Fig. 1C: from hₜ₋₁ and lₜ₋₁ (clamped) to the glimpse ρ(x, lₜ₋₁), its features gₜ and the state hₜ. Where there
    /// are several zooms, lₜ₋₁ [batch, 3] has the zoom as its third number.
    #[track_caller]
    pub(super) fn iterate<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        h: State<'t, R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, Var<'t, R>, State<'t, R>) {
        let rho = self.retina.sense(t, images, l);
        let (g, h) = self.take_in(t, rho, h, l);
        (rho, g, h)
    }

    /// The iteration for the inputs `rows` alone. All others have zeros as their glimpses and features, and keep their states.
    #[track_caller]
    fn iterate_rows<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        images: Images<'_, 't, R>,
        rows: Indices,
        h: State<'t, R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, Var<'t, R>, State<'t, R>) {
        let batch = l.shape().rows();
        let some = l.take_rows(rows);
        let rho = self.retina.sense_rows(t, images, rows, some);
        let (g, next) = self.take_in(t, rho, h.take(rows), some);
        let among_zeros = |x: Var<'t, R>| t.zeros([batch, x.shape().columns()]).put_rows(rows, x);
        (among_zeros(rho), among_zeros(g), h.put(rows, next))
    }

    /// From a glimpse ρ(x, lₜ₋₁) and hₜ₋₁ to gₜ and hₜ.
    #[track_caller]
    fn take_in<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        rho: Var<'t, R>,
        h: State<'t, R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, State<'t, R>) {
        let rho = self.amplified(t, rho, l);
        let l = self.zoom.map_or(l, |policy| zoom::one_hot(l, policy.zooms));
        // gₜ = f_g(xₜ, lₜ₋₁)
        let g = self.glimpse.see(rho, l);
        // hₜ = f_h(hₜ₋₁, gₜ)
        (g, self.core.step(h, g))
    }

    /// The glimpse with the gain of each patch, `gain · coarse_gainˢ⁺ᶻ`.
    #[track_caller]
    fn amplified<'t, R: Real>(&self, t: &'t Recording<'t, R>, rho: Var<'t, R>, l: Var<'t, R>) -> Var<'t, R> {
        let Agent { retina, gains, .. } = *self;
        if let Some(gain) = gains.of_all() {
            return if gain == 1.0 { rho } else { rho.scale(R::from_f64(gain)) };
        }
        let (places, len) = (l.shape().columns(), rho.shape().columns());
        let factors = t.filled_from("gains", rho.shape(), l, |l, y| {
            for (place, y) in l.chunks_exact(places).zip(y.chunks_exact_mut(len)) {
                let zoom = retina.zoom + place.get(2).map_or(0, |zoom| zoom.to_f64() as usize);
                for (patch, y) in y.chunks_exact_mut(retina.patch * retina.patch).enumerate() {
                    y.fill(R::from_f64(gains.of(patch % retina.scales + zoom)));
                }
            }
        });
        rho * factors
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
        episode.stops = self.stop.map(|_| Stops::begin(t, batch));
        episode.zooms = self.zoom.map(|policy| Zooms::begin(t, batch, policy));
        let mut looking: Option<Indices> = None;
        for step in 1..=self.plan.glimpses {
            let clamped = l.clamp(-R::ONE, R::ONE);
            let place = episode.zooms.as_ref().map_or(clamped, |zooms| zoom::with_zoom(clamped, zooms.zooms[step - 1]));
            let images = world.images(&place.value());
            let (rho, g, next) = match looking {
                None => self.iterate(t, images, state, place),
                Some(rows) => self.iterate_rows(t, images, rows, state, place),
            };
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
            (l, looking) = self.choose(t, state.h, step, draws, (l, &mut episode));
            if episode.choices_after_glimpses() > 0 && self.plan.decisions == Decisions::Last {
                episode.baselines.push(self.expect(state.h, world.labels()));
            }
        }
        if self.plan.decisions == Decisions::Last {
            episode.decisions.push(self.action.logits(state.h));
            episode.baselines.push(self.expect(state.h, world.labels()));
        }
        episode
    }

    /// Chooses what comes after `step` glimpses but the last, of which this one was at lₜ₋₁: whether to stop (Sec. 5), lₜ, and the zoom (Sec. 5). Returns lₜ, and
    /// which inputs are looked at again if some may have stopped.
    #[track_caller]
    pub(super) fn choose<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        h: Var<'t, R>,
        step: usize,
        draws: &Draws<R>,
        (l, episode): (Var<'t, R>, &mut Episode<'t, R>),
    ) -> (Var<'t, R>, Option<Indices>) {
        let batch = h.shape().rows();
        let of_step = (step - 1) * batch..step * batch;
        // By default, no choice teaches the core: only the cross entropy does.
        let seen = if self.location_into_core { h } else { h.stop_gradient() };
        let mut looking = None;
        if let (Some(stops), Some(rule)) = (&mut episode.stops, self.stop) {
            let uniforms = draws.stop.get(of_step.clone()).unwrap_or(&[]);
            let classes = self.action.logits(h);
            let classes = if self.location_into_core { classes } else { classes.stop_gradient() };
            looking = Some(stops.choose(rule, seen, classes, (draws.mode, uniforms)));
        }
        // What has stopped chooses nothing more: its ln π is 0.
        let looks = episode.stops.as_ref().and_then(|stops| stops.looks.last().copied());
        let (l, chosen) = self.next_location(t, seen, step, draws, l);
        if let Some(chosen) = chosen {
            episode.means.push(chosen.mean);
            episode.location_log_probs.push(looks.map_or(chosen.log_prob, |looks| chosen.log_prob * looks));
        }
        if let (Some(zooms), Some(policy)) = (&mut episode.zooms, self.zoom) {
            let seen = if self.plan.locations == Locations::Blind { self.step_number(t, batch, step) } else { seen };
            zooms.choose(policy, seen, looks, (draws.mode, &draws.zoom[of_step]));
        }
        (l, looking)
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
    pub(super) fn first_location<'t, R: Real>(
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

    /// lₜ after `step` glimpses, from lₜ₋₁ and what the policy sees of hₜ; if it is learned, also how it was chosen.
    #[track_caller]
    fn next_location<'t, R: Real>(
        &self,
        t: &'t Recording<'t, R>,
        seen: Var<'t, R>,
        step: usize,
        draws: &Draws<R>,
        l: Var<'t, R>,
    ) -> (Var<'t, R>, Option<Chosen<'t, R>>) {
        let batch = seen.shape().rows();
        let noise = &draws.noise[(step - 1) * 2 * batch..step * 2 * batch];
        let seen = match self.plan.locations {
            Locations::Random | Locations::Oracle => return (t.constant([batch, 2], noise), None),
            Locations::Centre => return (t.zeros([batch, 2]), None),
            Locations::Still => return (l, None),
            Locations::Blind => self.step_number(t, batch, step),
            Locations::Learned => seen,
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
