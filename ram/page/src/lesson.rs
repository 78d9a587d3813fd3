//! A small agent that learns while somebody watches.

use std::path::PathBuf;
use std::sync::Arc;

use autograd::{Grads, Tape};
use datasets::Batch;
use ram::config::{Base, Config};
use ram::evaluate::trace::Tracer;
use ram::evaluate::trained::Trained;
use ram::losses::Objective;
use ram::schedule::Rates;
use ram::tasks::{self, Inputs, Task, Training};
use ram::train::learner::Learner;
use ram::{RamError, losses::Losses};
use serde_json::{Value, json};

/// The demo's task with few images, with the baseline of the paper, and with the whole reward for every choice as in eq. (2).
const LESSON: [&str; 5] =
    ["data.train=4000", "data.validation=200", "data.test=10", "loss.baseline=learned", "loss.returns=episode"];

/// The epoch by which the choices of [`Lesson::gradients`] are drawn: no training comes so far.
const PROBE: u64 = 1 << 40;

/// A training that goes on step by step.
pub struct Lesson {
    sets: Vec<String>,
    config: Config,
    task: Arc<dyn Task>,
    training: Training,
    learner: Learner,
    epoch: u64,
    /// The number of steps so far.
    steps: usize,
    /// The batch at which the gradients are looked at.
    probe: Batch,
}

impl Lesson {
    /// A new network, with keys of the configuration on top of the lesson's own.
    ///
    /// # Errors
    /// The configuration is faulty, or it needs data from files.
    pub fn new(sets: &[String]) -> Result<Lesson, RamError> {
        let sets: Vec<String> = LESSON.iter().map(|&set| set.to_owned()).chain(sets.iter().cloned()).collect();
        let config = Config::load(Base::Preset("demo"), &sets)?;
        let task = tasks::named(&config)?;
        let mut training = task.training(&config, None)?;
        let learner = Learner::new(&config, task.clone(), [training.channels, training.outputs.len()]);
        training.batches.begin(0, 0);
        let probe = training.batches.next_batch()?.cloned().unwrap_or_default();
        training.batches.begin(0, 0);
        Ok(Lesson { sets, config, task, training, learner, epoch: 0, steps: 0, probe })
    }

    /// What the page tells of the lesson.
    pub fn facts(&self) -> Value {
        let Config { data, model, train, optimiser, policy, loss, .. } = &self.config;
        json!({
            "size": data.size,
            "images": data.train,
            "validation": data.validation,
            "batch": train.batch,
            "glimpses": model.glimpses,
            "patch": model.patch,
            "scales": model.scales,
            "outputs": self.training.outputs,
            "learning_rate": optimiser.learning_rate,
            "std": policy.std,
            "baseline": loss.baseline,
        })
    }

    /// Makes some steps and answers with the losses before each.
    ///
    /// # Errors
    /// A loss is not finite: the network is left as it was, and the error says where that began.
    pub fn update(&mut self, steps: usize, learning_rate: f64, std: f64) -> Result<Value, RamError> {
        let mut all: Vec<Losses> = Vec::with_capacity(steps);
        for _ in 0..steps {
            let batch = match self.training.batches.next_batch()? {
                Some(batch) => batch,
                None => {
                    self.epoch += 1;
                    self.training.batches.begin(self.epoch, 0);
                    let Some(batch) = self.training.batches.next_batch()? else { break };
                    batch
                }
            };
            let losses = self.learner.step(batch, self.epoch, Rates { learning_rate, std });
            if let Some((term, value)) = losses.not_finite() {
                let blame = self.learner.blame();
                let message = format!("step {}: the {term} is {value}: {blame}; try a lower rate", self.steps + 1);
                return Err(RamError::Training(message));
            }
            self.steps += 1;
            all.push(losses);
        }
        Ok(json!({ "losses": all, "steps": self.steps, "images": self.steps * self.config.train.batch }))
    }

    /// Goes on under a configuration in which one key is changed, with the same weights and the same moments of the optimiser.
    ///
    /// # Errors
    /// The value is faulty, or the network would have other parameters.
    pub fn change(&mut self, set: &str) -> Result<Value, RamError> {
        let sets: Vec<String> = self.sets.iter().cloned().chain([set.to_owned()]).collect();
        let config = Config::load(Base::Preset("demo"), &sets)?;
        let sizes = [self.training.channels, self.training.outputs.len()];
        let mut learner = Learner::new(&config, self.task.clone(), sizes);
        let old = &self.learner.params;
        let named = |id| (old.name(id).to_owned(), old.axes(id).to_vec());
        let other =
            learner.params.ids().map(|id| (learner.params.name(id).to_owned(), learner.params.axes(id).to_vec()));
        if !old.ids().map(named).eq(other) {
            return Err(RamError::Config(format!(
                "{set}: the network would have other parameters; begin a new training"
            )));
        }
        for id in old.ids() {
            learner.params.change(id, |weights| weights.copy_from_slice(old.get(id)));
        }
        std::mem::swap(&mut learner.optimiser, &mut self.learner.optimiser);
        (self.sets, self.config, self.learner) = (sets, config, learner);
        Ok(self.facts())
    }

    /// The error on the validation images, and the episodes at the first of them.
    ///
    /// # Errors
    /// None that is known.
    pub fn examine(&self, shown: usize) -> Result<Value, RamError> {
        let trained = Trained {
            path: PathBuf::from("the lesson"),
            config: self.config.clone(),
            task: self.task.clone(),
            network: self.learner.network().clone(),
            params: self.learner.params.clone(),
            outputs: self.training.outputs.clone(),
            channels: self.training.channels,
        };
        let tracer = Tracer::new(&trained)?;
        let examples = &self.training.validation;
        let found = tracer.evaluate(examples);
        let traces = tracer.trace(examples, 0..shown.min(examples.count));
        Ok(json!({ "error": found.error, "distance": found.distance, "traces": traces }))
    }

    /// The norm of each term's gradient at the probe's batch, and how the location term's gradient varies between `draws` episodes of
    /// the same images that differ in the noise of the policy alone: its mean is what is learned from, its deviation is in the way. The
    /// norm of the mean is estimated without what the noise adds to it.
    ///
    /// # Errors
    /// Fewer than two draws.
    pub fn gradients(&mut self, draws: usize, std: f64) -> Result<Value, RamError> {
        if draws < 2 {
            return Err(RamError::Config(format!("{draws} draws show no variance; take 2 or more")));
        }
        let params = &self.learner.params;
        let mut network = self.learner.network().clone();
        network.set_std(std);
        let (samples, objective) = (self.config.train.samples, Objective::new(&self.config));
        let episodes = self.probe.len() * samples;
        let (mut tape, mut recorder) = (Tape::new(), self.task.recorder(&self.config));
        let mut norms = Vec::new();
        let mut location: Vec<Vec<f64>> = Vec::new();
        for draw in 0..draws as u64 {
            let t = tape.begin(params);
            let inputs = Inputs::of_batch(&self.probe, 0..self.probe.len(), self.config.seed, PROBE + draw, samples);
            let loss = recorder.record(&t, &network, &inputs, episodes).loss;
            let terms = [
                ("class", Some(loss.classification), 1.0),
                ("location", loss.location, objective.location_weight),
                ("baseline", loss.baseline, objective.baseline_weight),
            ];
            for (name, term, weight) in terms {
                let mut grads = params.zeros();
                if let Some(term) = term.filter(|term| term.has_gradient()) {
                    term.scale(weight as f32).backward(&mut grads);
                }
                if draw == 0 {
                    norms.push(json!({ "term": name, "norm": grads.norm() }));
                }
                if name == "location" {
                    location.push(of_the_locator(params, &grads));
                }
            }
        }
        let (mean, deviation) = spread(&location);
        Ok(json!({ "norms": norms, "mean": mean, "deviation": deviation }))
    }
}

/// The gradient of f_l's parameters.
fn of_the_locator(params: &autograd::Params<f32>, grads: &Grads<f32>) -> Vec<f64> {
    let ids = params.ids().filter(|&id| params.name(id).starts_with("location."));
    ids.flat_map(|id| grads.get(id).iter().map(|&g| f64::from(g))).collect()
}

/// √(‖ḡ‖² − Σⱼ var(gⱼ)/n), or 0, and √Σⱼ var(gⱼ) of n estimates g of one gradient. E ‖ḡ‖² is larger than the square of what is estimated
/// by Σⱼ var(gⱼ)/n.
fn spread(estimates: &[Vec<f64>]) -> (f64, f64) {
    let count = estimates.len() as f64;
    let (mut square, mut variance) = (0.0, 0.0);
    for j in 0..estimates.first().map_or(0, Vec::len) {
        let mean = estimates.iter().map(|g| g[j]).sum::<f64>() / count;
        square += mean * mean;
        variance += estimates.iter().map(|g| (g[j] - mean) * (g[j] - mean)).sum::<f64>() / (count - 1.0);
    }
    ((square - variance / count).max(0.0).sqrt(), variance.sqrt())
}
