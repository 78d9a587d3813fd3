//! One training step, told: every variable of eq. (2) with its value, its gradient and the line of the source that
//! computes it, and from which term of the loss each parameter's gradient comes.
//!
//! It is the first step of the run that the configuration would make, recorded on one tape. Nothing is updated. The lines are
//! looked up in the sources that were compiled ([`lines`]), so that they stay true when code moves.

pub mod lines;

use std::path::Path;

use autograd::{Grads, ParamId, Params, Shape, Tape, Var};
use datasets::Batch;
use serde::Serialize;

use self::lines::Place;
use super::learner::{Network, begin_games};
use crate::config::{Baseline, Config, LossKind, ModelKind, Reward};
use crate::environments::Catch;
use crate::error::RamError;
use crate::model::Images;
use crate::model::agent::{Draws, Episode, Mode, Play, Screens, Steps};
use crate::reinforce::{self, LossTerms, Weights};
use crate::schedule::{Rates, rates};
use crate::tasks::Task;

/// A variable of the step.
#[derive(Clone, Debug, Serialize)]
pub struct Variable {
    /// The glimpse that it belongs to, from 1.
    pub step: Option<usize>,
    /// As the paper writes it.
    pub symbol: String,
    /// In words.
    pub meaning: &'static str,
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its first numbers, those of the first image or game: three at most.
    pub first: Vec<f64>,
    /// The mean of all its numbers.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// ‖∂L/∂·‖; a constant has none.
    pub gradient: Option<f64>,
    /// Where it is computed.
    pub place: Place,
}

/// A term of the loss.
#[derive(Clone, Debug, Serialize)]
pub struct Term {
    /// `class`, `location`, `baseline`.
    pub name: &'static str,
    /// Its equation.
    pub equation: &'static str,
    /// Its value before weighing.
    pub value: f64,
    /// What it weighs.
    pub weight: f64,
    /// Where it is computed.
    pub place: Place,
}

/// A parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// ‖θ‖
    pub norm: f64,
    /// ‖∂L/∂θ‖
    pub gradient: f64,
    /// ‖∂/∂θ‖ of each weighed term, in the order of [`Explanation::terms`].
    pub by_term: Vec<f64>,
    /// Where it is used.
    pub place: Place,
}

/// A training step.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Episodes in the batch: images or games, each as often as it is looked at.
    pub batch: usize,
    /// Glimpses of each; 0 of a network that sees everything at once.
    pub glimpses: usize,
    /// σ of the policy.
    pub std: f64,
    /// In the order in which they are computed, the loss last.
    pub variables: Vec<Variable>,
    /// The terms of the loss.
    pub terms: Vec<Term>,
    /// In the order of the network.
    pub parameters: Vec<Parameter>,
    /// ‖∂L/∂θ‖ over all parameters, before clipping.
    pub grad_norm: f64,
}

/// Records the first step of a training.
///
/// # Errors
/// As [`Task::open`].
pub fn explain(config: &Config, dir: Option<&Path>) -> Result<Explanation, RamError> {
    config.validate()?;
    let mut task = Task::open(config, dir)?;
    let ([channels, classes], steps) = (task.sizes(), task.steps());
    let mut params = Params::new();
    let mut network = Network::new(&mut params, config, channels, classes);
    let rates = rates(config, 0, steps);
    if let Network::Agent(agent) | Network::Player(agent) = &mut network {
        agent.set_std(rates.std);
    }
    let mut batches = task.epoch(0, 0);
    let batch =
        batches.next_batch()?.ok_or_else(|| RamError::Config("data.train is 0: there is no batch".to_owned()))?;
    Ok(record(config, &network, &params, batch, rates))
}

/// A variable of interest: its glimpse, its symbol, what it means, the line that computes it.
struct Row<'t> {
    step: Option<usize>,
    symbol: String,
    meaning: &'static str,
    var: Var<'t, f32>,
    constant: bool,
    place: Place,
}

/// What was recorded of interest, in the order of the computation.
#[derive(Default)]
struct Found<'t>(Vec<Row<'t>>);

/// What is known of a variable beforehand: its symbol, `_` standing for the index, its meaning, whether it is held constant,
/// and where it is computed.
type Known = (&'static str, &'static str, bool, Place);

impl<'t> Found<'t> {
    /// A variable of a glimpse.
    fn step(
        &mut self,
        step: usize,
        index: usize,
        var: Option<Var<'t, f32>>,
        (symbol, meaning, constant, place): Known,
    ) {
        let symbol = symbol.replace('_', &subscript(index));
        self.0.extend(var.map(|var| Row { step: Some(step), symbol, meaning, var, constant, place }));
    }

    /// A variable of the whole episode.
    fn whole(&mut self, var: Var<'t, f32>, (symbol, meaning, constant, place): Known) {
        self.0.push(Row { step: None, symbol: symbol.to_owned(), meaning, var, constant, place });
    }

    fn images(&mut self, config: &Config, episode: &Episode<'t, f32>) {
        for step in 0..episode.locations.len() {
            let at = |vars: &Steps<'t, f32>| vars.iter().nth(step);
            // What the step before chose is told where it is looked at.
            let chosen = |vars: &Steps<'t, f32>| vars.iter().nth(step.wrapping_sub(1));
            let n = step + 1;
            let mean =
                if config.policy.grid > 0 { "log-odds of the grid's points" } else { "the policy's mean, f_l(h)" };
            let learned = chosen(&episode.baselines).filter(|_| config.loss.baseline == Baseline::Learned);
            self.step(n, step, learned, ("b_", "the return expected", false, lines::baseline()));
            self.step(n, step, chosen(&episode.means), ("μ_", mean, false, lines::mean(&config.policy)));
            self.step(
                n,
                step,
                at(&episode.locations),
                ("l_", "where it looks", true, lines::location(&config.policy, step)),
            );
            let log_prob = ("log π(l_)", "log-probability of that location", false, lines::log_prob(&config.policy));
            self.step(n, step, chosen(&episode.log_probs), log_prob);
            self.step(n, n, at(&episode.glimpses), ("ρ_", "the glimpse, ρ(x, l)", true, lines::retina(&config.model)));
            self.step(n, n, at(&episode.states), ("h_", "the state, f_h(h, g)", false, lines::core(&config.model)));
        }
        self.whole(episode.logits, ("f_a", "log-odds of the classes", false, lines::logits(&config.model)));
    }

    fn games(&mut self, config: &Config, play: &Play<'t, f32>) {
        for n in 1..=play.actions.len() {
            let at = |vars: &Steps<'t, f32>| vars.iter().nth(n - 1);
            let policy = ("log π(·|h_)", "log-probability of every action", false, lines::actions());
            self.step(n, n, at(&play.log_policies), policy);
            self.step(n, n, at(&play.actions), ("a_", "the action drawn", true, lines::action()));
            let log_prob = ("log π(a_)", "log-probability of that action", false, lines::pick());
            self.step(n, n, at(&play.action_log_probs), log_prob);
            let learned = at(&play.baselines).filter(|_| config.loss.baseline == Baseline::Learned);
            self.step(n, n, learned, ("b_", "the return expected", false, lines::baseline()));
            let log_prob =
                ("log π(l_)", "log-probability of the next location", false, lines::log_prob(&config.policy));
            self.step(n, n, at(&play.location_log_probs), log_prob);
        }
    }
}

fn record(config: &Config, network: &Network, params: &Params<f32>, batch: &Batch, rates: Rates) -> Explanation {
    let mut tape = Tape::new();
    let t = tape.begin(params);
    let (mut draws, mut found) = (Draws::default(), Found::default());
    let weights = Weights::new(config);
    // Each image is looked at so many times; its episodes stand next to each other.
    let copies = config.train.samples;
    let size = batch.len() * copies;
    let labels: Vec<u32> = batch.labels.iter().flat_map(|&label| std::iter::repeat_n(label, copies)).collect();
    let labels = labels.as_slice();
    let image = (batch.channels * batch.height * batch.width).max(1);
    let pixels: Vec<u8> = batch.pixels.chunks_exact(image).flat_map(|pixels| pixels.repeat(copies)).collect();
    let shape = Shape::new(&[size, batch.channels, batch.height, batch.width]);
    let images = Images::Pixels { data: &pixels, shape };
    let mut glimpses = 0;
    if let Network::Agent(agent) | Network::Player(agent) = network {
        glimpses = agent.glimpses();
        draws.draw_copies(agent, config.policy.first, Mode::Train, config.seed, 0, &batch.samples, copies);
    }
    let loss = match network {
        Network::Agent(agent) => {
            let episode = agent.look(&t, images, &draws);
            found.images(config, &episode);
            match config.loss.kind {
                LossKind::Hybrid => {
                    let sampled = (config.loss.reward == Reward::Sampled).then_some(&*draws.class);
                    reinforce::hybrid_loss(&episode, labels, weights, sampled, size)
                }
                LossKind::Reinforce => reinforce::reinforce_loss(&episode, labels, weights, &draws.class, size),
            }
        }
        Network::Player(agent) => {
            let (mut games, mut screens) = (Vec::new(), Screens::default());
            begin_games(&mut games, config.data.size, config.seed, 0, &batch.samples, copies);
            let play = agent.play(&t, &mut games, &draws, &mut screens, |_: &[Catch], _| {});
            found.games(config, &play);
            reinforce::play_loss(&play, &screens.rewards, weights, &config.loss, size)
        }
        Network::Comparator(comparator) => {
            let logits = comparator.logits(&t, images);
            found.whole(logits, ("f_a", "log-odds of the classes", false, lines::logits(&config.model)));
            reinforce::supervised_loss(logits, labels, size)
        }
    };
    let plays = matches!(network, Network::Player(_));
    found.whole(loss.reward, ("R", "the return", true, lines::reward(plays)));
    let one = loss.location.is_none() && loss.baseline.is_none();
    found.whole(loss.total, ("L", "what is minimised", false, lines::total(one)));

    let mut grads = params.zeros();
    loss.total.backward(&mut grads);
    // Before another sweep: the gradients of this one.
    let variables = found.0.into_iter().map(|Row { step, symbol, meaning, var, constant, place }| Variable {
        step,
        symbol,
        meaning,
        shape: var.shape().axes().to_vec(),
        first: firsts(var),
        mean: mean(&var.value()),
        deviation: deviation(&var.value()),
        gradient: (!constant).then(|| norm(&var.grad())),
        place,
    });
    let variables = variables.collect();
    let terms = terms(&loss, weights, config, plays);
    let by_term: Vec<Grads<f32>> = terms
        .iter()
        .map(|(term, var)| {
            let mut grads = params.zeros();
            var.scale(term.weight as f32).backward(&mut grads);
            grads
        })
        .collect();
    let parameter = |id: ParamId| Parameter {
        name: params.name(id).to_owned(),
        shape: params.axes(id).to_vec(),
        norm: norm(params.get(id)),
        gradient: norm(grads.get(id)),
        by_term: by_term.iter().map(|grads| norm(grads.get(id))).collect(),
        place: lines::parameter(config, params.name(id)),
    };
    Explanation {
        batch: size,
        glimpses,
        std: rates.std,
        variables,
        terms: terms.iter().map(|(term, _)| term.clone()).collect(),
        parameters: params.ids().map(parameter).collect(),
        grad_norm: f64::from(grads.norm()),
    }
}

fn terms<'t>(loss: &LossTerms<'t, f32>, weights: Weights, config: &Config, plays: bool) -> Vec<(Term, Var<'t, f32>)> {
    let class = match (plays, config.loss.kind) {
        (true, _) if config.loss.entropy_weight > 0.0 => {
            "−1/M Σᵢ Σₜ log π(aₜⁱ)(Rⁱ − bₜⁱ), minus the entropy by its weight"
        }
        (true, _) => "−1/M Σᵢ Σₜ log π(aₜⁱ)(Rⁱ − bₜⁱ)",
        (_, LossKind::Reinforce) if config.model.kind == ModelKind::Ram => "−1/M Σᵢ log π(aⁱ)(Rⁱ − b_Tⁱ)",
        _ => "−1/M Σᵢ log π(a*ⁱ)",
    };
    let location = match config.loss.baseline {
        Baseline::Learned => "−1/M Σᵢ Σₜ log π(lₜⁱ)(Rⁱ − bₜⁱ)",
        Baseline::LeaveOneOut => "−1/M Σᵢ Σₜ log π(lₜⁱ)(Rⁱ − bⁱ), bⁱ being the mean of the input's other samples",
    };
    let of = [
        ("class", class, Some(loss.classification), 1.0),
        ("location", location, loss.location, weights.location),
        ("baseline", "1/(M·T) Σᵢ Σₜ (Rⁱ − bₜⁱ)²", loss.baseline, weights.baseline),
    ];
    let term = |(name, equation, var, weight): (&'static str, _, Option<Var<'t, f32>>, _)| {
        let var = var?;
        let (value, place) = (f64::from(var.item()), lines::term(name, config, plays));
        Some((Term { name, equation, value, weight, place }, var))
    };
    of.into_iter().filter_map(term).collect()
}

/// The numbers of the first row, three at most.
fn firsts(var: Var<f32>) -> Vec<f64> {
    let rows = var.shape().axes().first().copied().unwrap_or(1).max(1);
    let value = var.value();
    value.iter().take((value.len() / rows).min(3)).map(|&x| f64::from(x)).collect()
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

fn mean(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x)).sum::<f64>() / x.len().max(1) as f64
}

fn deviation(x: &[f32]) -> f64 {
    let mean = mean(x);
    let squares = x.iter().map(|&x| (f64::from(x) - mean) * (f64::from(x) - mean));
    (squares.sum::<f64>() / x.len().max(1) as f64).sqrt()
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
