//! What an agent did: the variables of an episode, step by step.

use autograd::{Real, Var};

use super::steps::Steps;
use super::stop::Stops;
use super::zoom::Zooms;

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
    /// learns to choose nothing else.
    pub baselines: Steps<'t, R>,
    /// The output of the action network at each decision, [batch, outputs]: the logits of the classes at h_N (and before, if the
    /// agent answers early), or at each of N steps the log-probabilities ln π(·) of the actions.
    pub decisions: Steps<'t, R>,
    /// The actions aₜ at each of N steps, `[batch]`, whole numbers; empty if the agent decides once.
    pub actions: Steps<'t, R>,
    /// ln π(aₜ) of these actions, `[batch]`.
    pub action_log_probs: Steps<'t, R>,
    /// Which inputs were looked at, where they may stop before glimpse N. What has stopped has zeros as glimpses and features, and
    /// keeps its state.
    pub stops: Option<Stops<'t, R>>,
    /// The zoom of each glimpse, where there are several.
    pub zooms: Option<Zooms<'t, R>>,
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
    pub(super) fn new() -> Self {
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
            stops: None,
            zooms: None,
        }
    }

    /// The number of glimpses after which something was chosen by what was learned.
    pub fn choices_after_glimpses(&self) -> usize {
        (0..self.states.len()).take_while(|&t| self.parts(t).next().is_some()).count()
    }

    /// The log-probabilities of what was chosen together after glimpse `t`, from 0; none after the last one.
    pub fn parts(&self, t: usize) -> impl Iterator<Item = Var<'t, R>> {
        let stop = self.stops.as_ref().and_then(|stops| stops.log_probs.get(t));
        let zoom = self.zooms.as_ref().and_then(|zooms| zooms.log_probs.get(t));
        [stop, self.location_log_probs.get(t), zoom].into_iter().flatten().copied()
    }

    /// What was chosen after a glimpse and before the answer: whether to stop, and if not, where to look and at which zoom; l₀ is among
    /// it if it was chosen. These are the log-probabilities and the baselines, each a `[batch]` for each choice. ln π of a choice that
    /// an input did not have, because it had stopped, is 0.
    #[track_caller]
    pub fn choices(&self) -> (Steps<'t, R>, Steps<'t, R>) {
        let Episode { first, baselines, .. } = self;
        // log π(sₜ, lₜ, zₜ) = log π(sₜ) + log π(lₜ) + log π(zₜ)
        let later = (0..self.states.len()).map_while(|t| self.parts(t).reduce(|sum, part| sum + part));
        let log_probs: Steps<R> = first.iter().map(|first| first.log_prob).chain(later).collect();
        let later = log_probs.len() - first.iter().len();
        let baselines = first.iter().map(|first| first.baseline).chain(baselines[..later].iter().copied());
        (log_probs, baselines.collect())
    }

    /// The output of the action network at the last step, [batch, outputs].
    pub fn last_decision(&self) -> Var<'t, R> {
        *self.decisions.last().expect("an episode ends with a decision")
    }
}
