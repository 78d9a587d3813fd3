//! What can be trained: the recurrent attention model, and the networks that Tables 1 and 2 compare it with.

use autograd::Params;
use datasets::rng::{Key, Purpose};

use crate::comparators::Comparator;
use crate::config::{Config, Returns};
use crate::model::{Agent, AgentOptions, Decisions, ModelKind};
use crate::reinforce::BaselineKind;

/// A network, as handles to its parameters.
#[derive(Clone, Debug)]
pub enum Network {
    /// The recurrent attention model.
    Agent(Box<Agent>),
    /// A network that sees the whole image.
    Comparator(Comparator),
}

impl Network {
    /// A new network of the configuration's kind, with weights drawn from its seed, for images of so many channels and so many
    /// classes or actions.
    ///
    /// # Panics
    /// As [`Agent::new`] and [`Comparator::new`].
    #[track_caller]
    pub fn new(
        params: &mut Params<f32>,
        config: &Config,
        [channels, outputs]: [usize; 2],
        decisions: Decisions,
    ) -> Network {
        let mut rng = Key { seed: config.seed, purpose: Purpose::Weights, epoch: 0, sample: 0 }.stream();
        match config.model.kind {
            ModelKind::Ram => {
                let options = agent_options(config, decisions);
                Network::Agent(Box::new(Agent::new(params, options, channels, outputs, &mut rng)))
            }
            ModelKind::Fc | ModelKind::Conv | ModelKind::Cnn => {
                let size = [channels, config.data.size];
                Network::Comparator(Comparator::new(params, &config.model, size, outputs, &mut rng))
            }
        }
    }

    /// The attention model, if it is one.
    pub fn agent(&self) -> Option<&Agent> {
        match self {
            Network::Agent(agent) => Some(agent),
            Network::Comparator(_) => None,
        }
    }

    /// As [`Network::agent`], to be changed.
    pub fn agent_mut(&mut self) -> Option<&mut Agent> {
        match self {
            Network::Agent(agent) => Some(agent),
            Network::Comparator(_) => None,
        }
    }

    /// Sets the standard deviation of the location policy, if there is one.
    pub fn set_std(&mut self, std: f64) {
        if let Network::Agent(agent) = self {
            agent.set_std(std);
        }
    }
}

/// What a configuration says of the agent.
pub fn agent_options(config: &Config, decisions: Decisions) -> AgentOptions<'_> {
    AgentOptions {
        model: &config.model,
        policy: &config.policy,
        edge: config.data.size,
        location_into_core: config.loss.location_into_core,
        informed_baseline: config.loss.baseline == BaselineKind::Informed,
        answers_early: decisions == Decisions::Last
            && (config.loss.early_weight > 0.0 || config.loss.returns == Returns::ToGo),
        decisions,
    }
}
