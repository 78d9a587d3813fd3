//! Tells a few episodes of a step choice by choice: Rₜ, bₜ, and what eq. (2) multiplies the gradient of log π by.

use autograd::Var;
use serde::Serialize;

use super::numbers::{norm, numbers_of};
use crate::config::{Config, Returns};
use crate::model::{Decisions, Episode};
use crate::reinforce::BaselineKind;

/// How many episodes with the largest return are told, and how many with the smallest.
const OF_EACH: usize = 2;

/// An episode.
#[derive(Clone, Debug, Serialize)]
pub struct EpisodeTold {
    /// Its number in the batch, from 0.
    pub number: usize,
    /// The name of the image's class; games have none.
    pub class: Option<String>,
    /// R
    pub reward: f64,
    /// Its choices, in their order.
    pub choices: Vec<Choice>,
}

/// A choice of an episode: a location, or an action of a game.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// t
    pub step: usize,
    /// What was chosen: (x, y), or the number of the action; nothing where the agent stopped.
    pub chosen: Vec<f64>,
    /// Whether the agent stopped; `None` where it has no such choice.
    pub stopped: Option<bool>,
    /// The zoom z of the glimpse that was chosen; `None` where there is only one, or the agent stopped.
    pub zoom: Option<usize>,
    /// log π of the choice.
    pub log_prob: f64,
    /// Rₜ; `None` where it cannot be told from the rest.
    pub ret: Option<f64>,
    /// bₜ; as `ret`.
    pub baseline: Option<f64>,
    /// Rₜ − bₜ
    pub advantage: f64,
    /// The first three features gₜ of the glimpse before the choice.
    pub features: Vec<f64>,
    /// ‖∂L/∂gₜ‖ of this episode.
    pub features_gradient: f64,
}

/// The episodes with the largest and the smallest returns. The gradients of the loss must have been computed.
pub fn tell<'t>(
    config: &Config,
    episode: &Episode<'t, f32>,
    reward: Var<'t, f32>,
    decisions: Decisions,
) -> Vec<EpisodeTold> {
    let rewards = reward.value().to_vec();
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|&a, &b| rewards[b].total_cmp(&rewards[a]).then(a.cmp(&b)));
    let ends = order.len().saturating_sub(OF_EACH).max(OF_EACH);
    let chosen = order.iter().take(OF_EACH).chain(order.iter().skip(ends));
    let tell = |&number: &usize| EpisodeTold {
        number,
        class: None,
        reward: f64::from(rewards[number]),
        choices: choices(config, episode, f64::from(rewards[number]), number, decisions),
    };
    chosen.map(tell).collect()
}

fn choices(config: &Config, episode: &Episode<f32>, reward: f64, number: usize, decisions: Decisions) -> Vec<Choice> {
    let of = |var: Var<f32>| f64::from(var.value()[number]);
    // Of each choice, the log-probabilities of all that was chosen together.
    let (log_probs, chosen, weight): (Vec<Vec<Var<f32>>>, _, _) = match decisions {
        Decisions::Each => (episode.action_log_probs.iter().map(|&p| vec![p]).collect(), &episode.actions[..], 1.0),
        Decisions::Last => {
            let later = (0..episode.states.len()).map(|t| episode.parts(t).collect::<Vec<_>>());
            let first = episode.first.iter().map(|first| vec![first.log_prob]);
            // l₀ is among the choices only where it was chosen.
            let given = usize::from(episode.first.is_none());
            (
                first.chain(later.take_while(|parts| !parts.is_empty())).collect(),
                &episode.locations[given.min(episode.locations.len())..],
                config.loss.location_weight,
            )
        }
    };
    let first = episode.first.iter().filter(|_| decisions == Decisions::Last).map(|first| first.baseline);
    let baselines: Vec<Var<f32>> = first.chain(episode.baselines.iter().copied()).collect();
    let learned = config.loss.baseline.is_learned();
    // Whether the episode took the glimpse after choice `step`.
    let looks = |step: usize| {
        let stops = episode.stops.as_ref().filter(|_| decisions == Decisions::Last)?;
        Some(stops.looks.get(step)?.value()[number] == 1.0)
    };
    let choice = |(i, parts): (usize, &Vec<Var<f32>>)| {
        // The loss is −1/M Σᵢ Σₜ log π (Rₜ − bₜ) by its weight: so ∂L/∂ log π, the same for all parts, tells Rₜ − bₜ.
        let slope = f64::from(parts[0].grad()[number]);
        let advantage = if weight > 0.0 { -slope * parts[0].shape().len() as f64 / weight } else { 0.0 };
        let (ret, baseline) = match (config.loss.baseline, config.loss.returns) {
            _ if learned => baselines.get(i).map_or((None, None), |&b| (Some(advantage + of(b)), Some(of(b)))),
            (BaselineKind::None, _) => (Some(advantage), Some(0.0)),
            (_, Returns::Episode) => (Some(reward), Some(reward - advantage)),
            _ => (None, None),
        };
        // The glimpse before lₜ is gₜ, and so it is before an action.
        let step = match decisions {
            Decisions::Each => i + 1,
            Decisions::Last => i + usize::from(episode.first.is_none()),
        };
        let features = step.checked_sub(1).and_then(|at| episode.features.get(at).copied());
        let shape = chosen[i].shape();
        let stopped = looks(step).map(|looks| !looks);
        Choice {
            step,
            stopped,
            chosen: match stopped {
                Some(true) => Vec::new(),
                _ => numbers_of(&chosen[i].value(), shape.axes(), number),
            },
            zoom: match (&episode.zooms, decisions, stopped) {
                (Some(zooms), Decisions::Last, None | Some(false)) => Some(zooms.zoom(step, number)),
                _ => None,
            },
            log_prob: parts.iter().map(|&part| of(part)).sum(),
            ret,
            baseline,
            advantage,
            features: features.map_or_else(Vec::new, |g| numbers_of(&g.value(), g.shape().axes(), number)),
            features_gradient: features.map_or(0.0, |g| {
                let width = g.shape().len() / g.shape().axes()[0];
                norm(&g.grad()[number * width..][..width])
            }),
        }
    };
    // What had stopped before has no choice.
    let given = usize::from(episode.first.is_none());
    let has_choice = |i: usize| (i + given).checked_sub(1).and_then(looks).unwrap_or(true);
    log_probs.iter().enumerate().filter(|(i, _)| has_choice(*i)).map(choice).collect()
}
