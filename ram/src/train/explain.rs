//! Explains one training step: every variable of eq. (2) with its value, its gradient and the line of the source that computes
//! it, and the contribution of each loss term to the gradient of each parameter.
//!
//! This is the first step of a run with the given configuration, or the step that a checkpoint would go on with, recorded on one
//! tape. Nothing is updated. The lines are searched in the sources that were compiled ([`lines`]), so that they stay right when
//! code moves. A few episodes are told choice by choice ([`episodes`]).

pub mod episodes;
pub mod lines;
mod numbers;

use std::path::Path;

use autograd::{Grads, ParamId, Params, Tape, Var};
use serde::Serialize;

use self::episodes::{EpisodeTold, tell};
use self::lines::SourceLine;
use self::numbers::{deviation, farthest, largest, mean, norm, numbers_of};
use crate::config::{Config, LossKind};
use crate::error::RamError;
use crate::losses::{LossTerms, Objective};
use crate::model::episode::FirstChoice;
use crate::model::{Decisions, Episode, ModelKind, Steps, Zoom};
use crate::network::Network;
use crate::reinforce::BaselineKind;
use crate::runs::checkpoint::Checkpoint;
use crate::schedule::rates;
use crate::tasks::{self, Inputs, Recorded, Task, check_classes};

/// A variable of the step.
#[derive(Clone, Debug, Serialize)]
pub struct Variable {
    /// The glimpse of the variable, from 1; `None` for a variable of the whole episode.
    pub step: Option<usize>,
    /// The symbol in the paper.
    pub symbol: String,
    /// The meaning in words.
    pub meaning: &'static str,
    /// The shape.
    pub shape: Vec<usize>,
    /// The first numbers of the example, at most three; see [`Explanation::example`].
    pub first: Vec<f64>,
    /// ∂L/∂ these numbers; empty for a constant.
    pub slopes: Vec<f64>,
    /// The mean of all numbers.
    pub mean: f64,
    /// The standard deviation of all numbers.
    pub deviation: f64,
    /// ‖∂L/∂·‖; `None` for a constant.
    pub gradient: Option<f64>,
    /// The line that computes the variable.
    pub place: SourceLine,
}

/// A term of the loss.
#[derive(Clone, Debug, Serialize)]
pub struct Term {
    /// `class`, `location`, `baseline`.
    pub name: &'static str,
    /// The equation.
    pub equation: String,
    /// The value without the weight.
    pub value: f64,
    /// The weight.
    pub weight: f64,
    /// The line that computes the term.
    pub place: SourceLine,
}

/// A parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// The shape.
    pub shape: Vec<usize>,
    /// ‖θ‖
    pub norm: f64,
    /// ‖∂L/∂θ‖
    pub gradient: f64,
    /// The three numbers of ∂L/∂θ that are farthest from 0, each with its place in θ, by rows.
    pub largest: Vec<(usize, f64)>,
    /// ‖∂/∂θ‖ of each term times its weight, in the order of [`Explanation::terms`].
    pub by_term: Vec<f64>,
    /// The line that uses the parameter.
    pub place: SourceLine,
}

/// A training step.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Explanation {
    /// The number of epochs that were complete before this step.
    pub epoch: usize,
    /// The episode whose numbers the variables show, from 0: the one with the largest return.
    pub example: usize,
    /// The episodes with the largest and with the smallest return, choice by choice.
    pub episodes: Vec<EpisodeTold>,
    /// The number of episodes in the batch: images or games, times the samples of each.
    pub batch: usize,
    /// The number of glimpses in an episode; 0 for a network that sees the whole image at once.
    pub glimpses: usize,
    /// σ of the policy.
    pub std: f64,
    /// The variables in the order in which they are computed; the loss is the last one.
    pub variables: Vec<Variable>,
    /// The terms of the loss.
    pub terms: Vec<Term>,
    /// The parameters in the order of the network.
    pub parameters: Vec<Parameter>,
    /// ‖∂L/∂θ‖ over all parameters, before clipping.
    pub grad_norm: f64,
}

/// Records and explains the first step of a training, or, with a checkpoint of this configuration, the step that the training would
/// go on with.
///
/// # Errors
/// The configuration is faulty, data are missing or damaged, or the checkpoint belongs to another model.
pub fn explain(config: &Config, from: Option<&Checkpoint>, dir: Option<&Path>) -> Result<Explanation, RamError> {
    explain_task(&*tasks::named(config)?, config, from, dir)
}

/// As [`explain`], for the caller's own task.
///
/// # Errors
/// As [`explain`].
pub fn explain_task(
    task: &dyn Task,
    config: &Config,
    from: Option<&Checkpoint>,
    dir: Option<&Path>,
) -> Result<Explanation, RamError> {
    config.validate()?;
    let mut data = task.training(config, dir)?;
    let (sizes, steps) = ([data.channels, data.outputs.len()], data.batches.steps());
    let mut params = Params::new();
    let mut network = Network::new(&mut params, config, sizes, task.decisions());
    let (mut epoch, mut first, mut done) = (0, 0, 0);
    if let Some(checkpoint) = from {
        let state = &checkpoint.state;
        check_classes(&state.classes, &data.outputs)?;
        checkpoint.restore(&mut params)?;
        (epoch, first, done) = (state.epoch, state.step, state.optimiser_steps);
    }
    let std = rates(config, done, steps).std;
    network.set_std(std);
    data.batches.begin(epoch as u64, first);
    let no_batch = || RamError::Config("data.train is 0, so there is no batch".to_owned());
    let batch = data.batches.next_batch()?.ok_or_else(no_batch)?;

    let samples = config.train.samples;
    let inputs = Inputs::of_batch(batch, 0..batch.len(), config.seed, epoch as u64, samples);
    let episodes = batch.len() * samples;
    let (mut tape, mut recorder) = (Tape::new(), task.recorder(config));
    let t = tape.begin(&params);
    let recorded = recorder.record(&t, &network, &inputs, episodes);
    let example = largest(&recorded.loss.reward.value());
    let step = Recording { config, params: &params, decisions: task.decisions(), recorded: &recorded, example };
    let glimpses = network.agent().map_or(0, |agent| agent.glimpses());
    let mut explanation = Explanation { epoch, example, batch: episodes, glimpses, std, ..step.explain() };
    if task.decisions() == Decisions::Last {
        for told in &mut explanation.episodes {
            let label = batch.labels[told.number / samples] as usize;
            told.class = data.outputs.get(label).cloned();
        }
    }
    Ok(explanation)
}

/// A variable of the tape that is explained: its glimpse, its symbol, its meaning, and the line that computes it.
struct Row<'t> {
    step: Option<usize>,
    symbol: String,
    meaning: &'static str,
    var: Var<'t, f32>,
    is_constant: bool,
    place: SourceLine,
}

/// The fixed facts about a variable: its symbol, in which `_` stands for the index, its meaning, whether it is held constant,
/// and the line that computes it.
type Known = (&'static str, &'static str, bool, SourceLine);

/// Rows in the order of the computation.
#[derive(Default)]
struct Rows<'t>(Vec<Row<'t>>);

impl<'t> Rows<'t> {
    /// Adds a variable of a glimpse.
    fn step(
        &mut self,
        step: usize,
        index: usize,
        var: Option<Var<'t, f32>>,
        (symbol, meaning, is_constant, place): Known,
    ) {
        let symbol = symbol.replace('_', &subscript(index));
        self.0.extend(var.map(|var| Row { step: Some(step), symbol, meaning, var, is_constant, place }));
    }

    /// Adds a variable of the whole episode.
    fn whole(&mut self, var: Var<'t, f32>, (symbol, meaning, is_constant, place): Known) {
        self.0.push(Row { step: None, symbol: symbol.to_owned(), meaning, var, is_constant, place });
    }
}

/// A recorded step, which is to be explained.
struct Recording<'a, 't> {
    config: &'a Config,
    params: &'a Params<f32>,
    decisions: Decisions,
    recorded: &'a Recorded<'t>,
    /// The episode whose numbers are shown.
    example: usize,
}

impl<'t> Recording<'_, 't> {
    /// Explains everything except `epoch`, `example`, `batch`, `glimpses` and `std`, which stay 0.
    fn explain(&self) -> Explanation {
        let Recording { config, params, recorded: Recorded { observed, loss, .. }, .. } = *self;
        let plays = self.decisions == Decisions::Each;
        let mut rows = Rows::default();
        match (&observed.episode, self.decisions) {
            (Some(episode), Decisions::Last) => self.add_image_variables(episode, &mut rows),
            (Some(episode), Decisions::Each) => self.add_game_variables(episode, &mut rows),
            (None, _) => {}
        }
        if !plays {
            rows.whole(observed.logits, ("f_a", "log-odds of the classes", false, lines::logits(&config.model)));
        }
        rows.whole(loss.reward, ("R", "the return", true, lines::reward(config, plays)));
        let one = loss.location.is_none() && loss.baseline.is_none();
        let is_agent = observed.episode.is_some();
        rows.whole(loss.total, ("L", "the loss", false, lines::total(one && !is_agent)));

        let mut grads = params.zeros();
        loss.total.backward(&mut grads);
        // The gradients must be read before another sweep replaces them.
        let variables = rows.0.into_iter().map(|row| variable(row, self.example)).collect();
        let episodes = observed
            .episode
            .as_ref()
            .map_or_else(Vec::new, |episode| tell(config, episode, loss.reward, self.decisions));
        let terms = terms(loss, config, plays);
        let by_term: Vec<Grads<f32>> = terms
            .iter()
            .map(|(term, var)| {
                let mut grads = params.zeros();
                if var.has_gradient() {
                    var.scale(term.weight as f32).backward(&mut grads);
                }
                grads
            })
            .collect();
        let parameter = |id: ParamId| Parameter {
            name: params.name(id).to_owned(),
            shape: params.axes(id).to_vec(),
            norm: norm(params.get(id)),
            gradient: norm(grads.get(id)),
            largest: farthest(grads.get(id)),
            by_term: by_term.iter().map(|grads| norm(grads.get(id))).collect(),
            place: lines::parameter(config, params.name(id)),
        };
        Explanation {
            variables,
            episodes,
            terms: terms.iter().map(|(term, _)| term.clone()).collect(),
            parameters: params.ids().map(parameter).collect(),
            grad_norm: f64::from(grads.norm()),
            ..Explanation::default()
        }
    }

    /// Adds the variables of an episode over images.
    fn add_image_variables(&self, episode: &Episode<'t, f32>, rows: &mut Rows<'t>) {
        let config = self.config;
        let learned = config.loss.baseline.is_learned();
        if let Some(FirstChoice { mean, log_prob, baseline }) = episode.first {
            rows.step(
                1,
                0,
                Some(baseline).filter(|_| learned),
                ("b_", "the expected return", false, lines::baseline()),
            );
            rows.step(1, 0, Some(mean), ("μ_", "the policy's choice from v", false, lines::mean(&config.policy)));
            rows.step(
                1,
                0,
                Some(log_prob),
                ("log π(l_)", "log-probability of l₀", false, lines::log_prob(&config.policy)),
            );
        }
        for step in 0..episode.locations.len() {
            let at = |vars: &Steps<'t, f32>| vars.get(step).copied();
            // A location is listed with the glimpse that looks there, so its values come from the step before.
            let chosen = |vars: &Steps<'t, f32>| vars.get(step.wrapping_sub(1)).copied();
            let n = step + 1;
            let mean =
                if config.policy.grid > 0 { "log-odds of the grid's points" } else { "the policy's mean, f_l(h)" };
            // Under a policy that is not learned the only baseline is that of the class.
            let baseline = chosen(&episode.baselines).filter(|_| learned && !episode.location_log_probs.is_empty());
            rows.step(n, step, baseline, ("b_", "the expected return", false, lines::baseline()));
            rows.step(n, step, chosen(&episode.means), ("μ_", mean, false, lines::mean(&config.policy)));
            rows.step(
                n,
                step,
                at(&episode.locations),
                ("l_", "the location", true, lines::location(&config.policy, step)),
            );
            let log_prob = ("log π(l_)", "log-probability of that location", false, lines::log_prob(&config.policy));
            rows.step(n, step, chosen(&episode.location_log_probs), log_prob);
            rows.step(n, n, at(&episode.glimpses), ("ρ_", "the glimpse, ρ(x, l)", true, lines::retina(&config.model)));
            rows.step(n, n, at(&episode.features), ("g_", "its features, f_g(ρ, l)", false, lines::features()));
            rows.step(n, n, at(&episode.states), ("h_", "the state, f_h(h, g)", false, lines::core(&config.model)));
            if let Some(stops) = &episode.stops {
                rows.step(n, n, at(&stops.logits), ("stop(h_)", "log-odds of stopping", false, lines::stop()));
                let log_prob = ("log π(s_)", "log-probability of stopping or going on", false, lines::stop_log_prob());
                rows.step(n, n, at(&stops.log_probs), log_prob);
            }
            if let Some(zooms) = &episode.zooms {
                rows.step(n, n, at(&zooms.logits), ("zoom(h_)", "logits of the zooms", false, lines::zoom()));
                let log_prob = ("log π(z_)", "log-probability of the zoom", false, lines::zoom_log_prob());
                rows.step(n, n, at(&zooms.log_probs), log_prob);
            }
        }
    }

    /// Adds the variables of a game.
    fn add_game_variables(&self, episode: &Episode<'t, f32>, rows: &mut Rows<'t>) {
        let config = self.config;
        for n in 1..=episode.actions.len() {
            let at = |vars: &Steps<'t, f32>| vars.get(n - 1).copied();
            let policy = ("log π(·|h_)", "log-probability of every action", false, lines::actions());
            rows.step(n, n, at(&episode.decisions), policy);
            rows.step(n, n, at(&episode.actions), ("a_", "the sampled action", true, lines::action()));
            let log_prob = ("log π(a_)", "log-probability of that action", false, lines::pick());
            rows.step(n, n, at(&episode.action_log_probs), log_prob);
            let learned = at(&episode.baselines).filter(|_| config.loss.baseline.is_learned());
            rows.step(n, n, learned, ("b_", "the expected return", false, lines::baseline()));
            let log_prob =
                ("log π(l_)", "log-probability of the next location", false, lines::log_prob(&config.policy));
            rows.step(n, n, at(&episode.location_log_probs), log_prob);
        }
    }
}

/// The numbers of a variable, read from the tape.
fn variable(Row { step, symbol, meaning, var, is_constant, place }: Row, example: usize) -> Variable {
    let shape = var.shape();
    Variable {
        step,
        symbol,
        meaning,
        shape: shape.axes().to_vec(),
        first: numbers_of(&var.value(), shape.axes(), example),
        slopes: if is_constant { Vec::new() } else { numbers_of(&var.grad(), shape.axes(), example) },
        mean: mean(&var.value()),
        deviation: deviation(&var.value()),
        gradient: (!is_constant).then(|| norm(&var.grad())),
        place,
    }
}

fn terms<'t>(loss: &LossTerms<'t, f32>, config: &Config, plays: bool) -> Vec<(Term, Var<'t, f32>)> {
    let objective = Objective::new(config);
    // What a log-probability is multiplied by, at one step and at the last one.
    let (advantage, last) = match config.loss.baseline {
        BaselineKind::Learned | BaselineKind::Informed => ("(Rₜⁱ − bₜⁱ)", "(Rⁱ − b_Tⁱ)"),
        BaselineKind::LeaveOneOut => ("(Rₜⁱ − bⁱ), bⁱ being the mean of the input's other samples", "(Rⁱ − bⁱ)"),
        BaselineKind::None => (" Rₜⁱ", " Rⁱ"),
    };
    let zooms = config.policy.zooms > 1 && config.policy.zoom == Zoom::Learned;
    let entropy = match config.loss.entropy_weight > 0.0 {
        true if plays => ", minus the entropy by its weight",
        true if zooms => ", minus the entropy of the zooms by its weight",
        _ => "",
    };
    let class = match (plays, config.loss.kind) {
        (true, _) => format!("−1/M Σᵢ Σₜ log π(aₜⁱ){advantage}{entropy}"),
        (_, LossKind::Reinforce) if config.model.kind == ModelKind::Ram => format!("−1/M Σᵢ log π(aⁱ){last}{entropy}"),
        _ if config.loss.early_weight > 0.0 && config.model.kind == ModelKind::Ram => {
            let early = config.loss.early_weight;
            format!("−1/M Σᵢ log π(a*ⁱ), and {early} times its mean after earlier glimpses{entropy}")
        }
        _ => format!("−1/M Σᵢ log π(a*ⁱ){entropy}"),
    };
    let location = format!("−1/M Σᵢ Σₜ log π(lₜⁱ){advantage}");
    let of = [
        ("class", class, Some(loss.classification), 1.0),
        ("location", location, loss.location, objective.location_weight),
        (
            "baseline",
            format!("1/(M·{}) Σᵢ Σₜ (Rₜⁱ − bₜⁱ)²", loss.baseline_steps()),
            loss.baseline,
            objective.baseline_weight,
        ),
    ];
    let term = |(name, equation, var, weight): (&'static str, _, Option<Var<'t, f32>>, _)| {
        let var = var?;
        let (value, place) = (f64::from(var.item()), lines::term(name, config, plays));
        Some((Term { name, equation, value, weight, place }, var))
    };
    of.into_iter().filter_map(term).collect()
}

/// `12` as a subscript.
fn subscript(n: usize) -> String {
    n.to_string()
        .chars()
        .map(|digit| char::from_u32('₀' as u32 + digit as u32 - '0' as u32).expect("a digit"))
        .collect()
}

#[cfg(test)]
mod tests;
