//! Finds the lines of the source that compute the variables of [`explain`](super::explain), by searching for their text.
//!
//! The sources are those that were compiled. If a line is rewritten, a test of the parent module says which text to change here.

use serde::Serialize;

use crate::config::{Config, LossKind, Reward};
use crate::model::core::CoreKind;
use crate::model::{First, Locations, Mean, Model, ModelKind, Policy, Sampling};

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceLine {
    /// The file, from the repository's root.
    pub file: &'static str,
    /// The number of the line, from 1; 0 if it was not found.
    pub line: usize,
    /// The text of the line, or the text that was searched for if it was not found.
    pub code: String,
}

/// A file, from the repository's root, and its text.
type Source = (&'static str, &'static str);

const AGENT: Source = ("ram/src/model/agent.rs", include_str!("../../model/agent.rs"));
const RETINA: Source = ("ram/src/model/retina.rs", include_str!("../../model/retina.rs"));
const CROP: Source = ("ram/src/model/retina/crop.rs", include_str!("../../model/retina/crop.rs"));
const GLIMPSE: Source = ("ram/src/model/glimpse.rs", include_str!("../../model/glimpse.rs"));
const CORE: Source = ("ram/src/model/core.rs", include_str!("../../model/core.rs"));
const LOCATION: Source = ("ram/src/model/location.rs", include_str!("../../model/location.rs"));
const ACTION: Source = ("ram/src/model/action.rs", include_str!("../../model/action.rs"));
const STOP: Source = ("ram/src/model/stop.rs", include_str!("../../model/stop.rs"));
const ZOOM: Source = ("ram/src/model/zoom.rs", include_str!("../../model/zoom.rs"));
const BASELINE: Source = ("ram/src/model/baseline.rs", include_str!("../../model/baseline.rs"));
const LOSSES: Source = ("ram/src/losses.rs", include_str!("../../losses.rs"));
const CLASSIFY: Source = ("ram/src/tasks/classify.rs", include_str!("../../tasks/classify.rs"));
const PLAY: Source = ("ram/src/tasks/play.rs", include_str!("../../tasks/play.rs"));
const REINFORCE: Source = ("ram/src/reinforce.rs", include_str!("../../reinforce.rs"));
const COMPARATORS: Source = ("ram/src/comparators.rs", include_str!("../../comparators.rs"));

/// The first line that holds `code`.
fn find((file, text): Source, code: &str) -> SourceLine {
    let found = text.lines().enumerate().find(|(_, line)| line.contains(code));
    let (line, code) = found.map_or((0, code), |(i, line)| (i + 1, line.trim()));
    SourceLine { file, line, code: code.to_owned() }
}

/// lₜ of the glimpse number `step`, from 0.
pub fn location(policy: &Policy, step: usize) -> SourceLine {
    match (step, policy.locations) {
        (0, _) if policy.first != First::Learned => find(AGENT, "return (t.constant([batch, 2], &draws.first), None);"),
        (_, Locations::Random | Locations::Oracle) => {
            find(AGENT, "Locations::Random | Locations::Oracle => return (t.constant(")
        }
        (_, Locations::Still) => find(AGENT, "Locations::Still => return (l, None)"),
        (_, Locations::Centre) => find(AGENT, "Locations::Centre => return (t.zeros("),
        _ if policy.grid > 0 => find(LOCATION, "(l[0], l[1]) = (along("),
        _ => find(LOCATION, "*l = noise.mul_add(std, mean);"),
    }
}

/// μₜ, or the logits of a grid.
pub fn mean(policy: &Policy) -> SourceLine {
    let code = match policy.mean {
        _ if policy.grid > 0 => "(self.grid, h.linear(self.linear))",
        Mean::Linear => "let mean = h.linear(self.linear);",
        Mean::Clamp => "Mean::Clamp => mean.clamp(",
        Mean::Inside => "Mean::Inside => mean.clamp(",
        Mean::Tanh => "Mean::Tanh => mean.tanh()",
    };
    find(LOCATION, code)
}

/// log π(lₜ)
pub fn log_prob(policy: &Policy) -> SourceLine {
    if policy.grid > 0 { pick() } else { find(LOCATION, "sum + (constant - R::from_f64(0.5) * z * z)") }
}

/// log π(a), of an action or a point of a grid.
pub fn pick() -> SourceLine {
    find(ACTION, "*y = cx.x(0)[Pick::index(r, columns, chosen)];")
}

/// ρ
pub fn retina(model: &Model) -> SourceLine {
    match model.retina {
        Sampling::Crop => find(CROP, "*cell = sum * unit;"),
        Sampling::Bilinear => find(RETINA, "y[cell] += R::from_f64(wx * wy * unit) * image[pixel].level();"),
    }
}

/// gₜ
pub fn features() -> SourceLine {
    find(GLIMPSE, "linear_sum(&[(hg, self.from_retina), (hl, self.from_location)]")
}

/// hₜ
pub fn core(model: &Model) -> SourceLine {
    match model.core {
        CoreKind::Rect => find(CORE, "linear_sum(&[(state.h, hidden), (g, glimpse)]"),
        CoreKind::Lstm => find(CORE, "lstm.step("),
    }
}

/// f_s(hₜ), the log-odds of stopping.
pub fn stop() -> SourceLine {
    find(STOP, "log_odds(classes).reshape([batch, 1])]).linear(self.logit)")
}

/// log π(sₜ)
pub fn stop_log_prob() -> SourceLine {
    find(STOP, "*y = R::from_f64(z.min(0.0) - math::ln(")
}

/// f_z(hₜ), the logits of the zooms.
pub fn zoom() -> SourceLine {
    find(ZOOM, "seen.linear(network.linear)")
}

/// log π(zₜ)
pub fn zoom_log_prob() -> SourceLine {
    find(ZOOM, "action::log_prob_of(logits.log_softmax(), zoom)")
}

/// bₜ
pub fn baseline() -> SourceLine {
    find(BASELINE, "known.linear(self.linear)")
}

/// The logits of the classes.
pub fn logits(model: &Model) -> SourceLine {
    match model.kind {
        ModelKind::Ram => find(ACTION, "h.linear(self.linear)"),
        ModelKind::Fc => find(COMPARATORS, "flat(x).linear_then(first"),
        ModelKind::Conv => find(COMPARATORS, "flat(x.conv2d_then(conv"),
        ModelKind::Cnn => find(COMPARATORS, "x.conv2d_then(conv, Relu).max_pool2d(2)"),
    }
}

/// log π of every action of a game.
pub fn actions() -> SourceLine {
    find(AGENT, "self.action.logits(h).log_softmax()")
}

/// The action that was drawn.
pub fn action() -> SourceLine {
    find(ACTION, "*y = R::from(chosen.unwrap_or(actions - 1) as u8);")
}

/// R
pub fn reward(config: &Config, plays: bool) -> SourceLine {
    match (plays, config.loss.kind, config.loss.reward) {
        (true, ..) => find(PLAY, "*y = gamma.mul_add(later, r);"),
        (_, LossKind::Hybrid, Reward::Probability) if config.model.kind == ModelKind::Ram => {
            find(CLASSIFY, "Reward::Probability => action::belief(")
        }
        (_, LossKind::Hybrid, Reward::LogProbability) if config.model.kind == ModelKind::Ram => {
            find(CLASSIFY, "Reward::LogProbability => logits")
        }
        _ => find(ACTION, "*y = if chosen == R::from(label"),
    }
}

/// The sum of the terms, or the only term of a network that sees the whole image at once.
pub fn total(is_one: bool) -> SourceLine {
    if is_one {
        find(REINFORCE, "self.episodes.sum().scale(")
    } else {
        find(LOSSES, "Some(term) => total + term.scale(")
    }
}

/// A term of the loss by its name.
pub fn term(name: &str, config: &Config, plays: bool) -> SourceLine {
    match (name, plays) {
        ("class", true) => find(PLAY, "reinforce(&episode.action_log_probs, &returns"),
        ("class", _) if config.model.kind != ModelKind::Ram => {
            find(CLASSIFY, "logits.cross_entropy(labels), factor: 1.0 / images as f64")
        }
        ("class", _) => match config.loss.kind {
            LossKind::Hybrid => find(CLASSIFY, "logits.cross_entropy(labels), factor: 1.0 / episodes as f64"),
            LossKind::Reinforce => find(CLASSIFY, "let decisions = reinforce(&[log_prob],"),
        },
        ("location", _) => find(REINFORCE, "log_prob * (r - b).stop_gradient()"),
        _ => find(REINFORCE, "(r.stop_gradient() - b).square()"),
    }
}

/// The line that uses a parameter, by its name.
pub fn parameter(config: &Config, name: &str) -> SourceLine {
    let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
    match (config.model.kind, layer) {
        (ModelKind::Ram, "glimpse.retina") => find(GLIMPSE, "rho.linear_then(self.retina"),
        (ModelKind::Ram, "glimpse.location") => find(GLIMPSE, "location.linear_then(self.location"),
        (ModelKind::Ram, "glimpse.hg" | "glimpse.hl") => find(GLIMPSE, "linear_sum(&[(hg, self.from_retina)"),
        (ModelKind::Ram, "location.first") => find(AGENT, "|first| one.linear(first)"),
        (ModelKind::Ram, "location") if config.policy.grid > 0 => mean(&config.policy),
        (ModelKind::Ram, "location") => find(LOCATION, "let mean = h.linear(self.linear);"),
        (ModelKind::Ram, "action") => find(ACTION, "h.linear(self.linear)"),
        (ModelKind::Ram, "baseline") => baseline(),
        (ModelKind::Ram, "stop.features" | "stop.logit") => stop(),
        (ModelKind::Ram, "zoom") => zoom(),
        (ModelKind::Ram, _) => core(&config.model),
        _ => logits(&config.model),
    }
}
