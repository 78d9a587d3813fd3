//! When to stop, compared: what a learned stop action (Sec. 5) is worth beside rules that need no training.
//!
//! The network takes all its glimpses at each example, and the answer after each of them is noted. From that follow the error and the mean
//! number of glimpses of any rule. A learned stop is evaluated for itself, with real stops.

use autograd::Tape;
use serde::{Deserialize, Serialize};

use super::evaluator::evaluate_on;
use super::trained::{Subject, Trained};
use crate::error::RamError;
use crate::evaluation::Evaluation;
use crate::model::action::argmax;
use crate::model::stop::highest_probability;
use crate::network::Network;
use crate::tasks::Examples;

/// The number of examples on the tape at the same time.
const CHUNK: usize = 100;

/// A rule that says when to stop, and what it leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The rule.
    pub rule: Rule,
    /// Share of wrong answers, 0 to 1.
    pub error: f64,
    /// Mean number of glimpses.
    pub glimpses: f64,
    /// How many examples took 1, 2, … N glimpses.
    pub taken: Vec<u32>,
}

/// When an agent stops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule", content = "value")]
pub enum Rule {
    /// When it chooses to, as it has learned.
    Learned,
    /// As often after 1, 2, … N glimpses as it has learned, but at other examples than those at which it would: this is the mean over
    /// all ways to hand the numbers of glimpses to the examples. It shows what the choice owes to the example.
    Shuffled,
    /// As soon as its most likely class has this probability. It needs no training.
    Threshold(f64),
    /// After so many glimpses.
    Fixed(usize),
    /// As soon as its answer is right, as only somebody who knows the class can. It bounds what a rule can win.
    Oracle,
}

/// What an agent that takes all its glimpses answers after each of them.
struct Answers {
    /// Whether the answer to each example is right, after each of N glimpses.
    right: Vec<Vec<bool>>,
    /// The probability of the most likely class then.
    sure: Vec<Vec<f64>>,
}

impl Answers {
    /// Asks the network of `subject`, which never stops.
    fn of(trained: &Trained, subject: Subject, examples: &Examples) -> Answers {
        let Some(agent) = subject.network.agent() else { return Answers { right: Vec::new(), sure: Vec::new() } };
        let (mut tape, mut recorder) = (Tape::new(), subject.task.recorder(&trained.config));
        let mut answers = Answers { right: Vec::new(), sure: Vec::new() };
        for chunk in examples.chunks(0..examples.count, CHUNK) {
            examples.inputs(chunk, 0, |inputs| {
                let t = tape.begin(subject.params);
                let observed = recorder.observe(&t, subject.network, inputs);
                let states = observed.episode.as_ref().map(|episode| episode.states.clone()).unwrap_or_default();
                let logits: Vec<Vec<f32>> = states.iter().map(|&h| agent.believe(h).0.to_vec()).collect();
                let classes = observed.logits.shape().columns();
                for (i, &label) in inputs.labels.iter().enumerate() {
                    let rows = || logits.iter().map(|logits| &logits[i * classes..][..classes]);
                    answers.right.push(rows().map(|row| argmax(row) == label as usize).collect());
                    answers.sure.push(rows().map(highest_probability).collect());
                }
            });
        }
        answers
    }

    /// N
    fn most(&self) -> usize {
        self.right.first().map_or(0, Vec::len)
    }

    /// What follows from stopping after `taken(i)` glimpses at example i.
    fn under(&self, rule: Rule, taken: impl Fn(usize) -> usize) -> Stopping {
        let n = self.right.len().max(1) as f64;
        let (mut wrong, mut histogram) = (0_u32, vec![0; self.most()]);
        for (i, right) in self.right.iter().enumerate() {
            let t = taken(i);
            wrong += u32::from(!right[t - 1]);
            histogram[t - 1] += 1;
        }
        let sum: f64 = histogram.iter().zip(1..).map(|(&count, t): (&u32, u32)| f64::from(count) * f64::from(t)).sum();
        Stopping { rule, error: f64::from(wrong) / n, glimpses: sum / n, taken: histogram }
    }

    fn fixed(&self, t: usize) -> Stopping {
        self.under(Rule::Fixed(t), |_| t)
    }

    fn threshold(&self, least: f64) -> Stopping {
        let taken = |i: usize| self.sure[i].iter().position(|&sure| sure >= least).map_or(self.most(), |t| t + 1);
        self.under(Rule::Threshold(least), taken)
    }

    /// The threshold whose mean number of glimpses is nearest to `glimpses`. No label is needed to find it.
    fn threshold_with(&self, glimpses: f64) -> Stopping {
        // The mean number of glimpses rises with the threshold.
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.threshold(middle).glimpses < glimpses { low = middle } else { high = middle }
        }
        let [below, above] = [low, high].map(|least| self.threshold(least));
        if glimpses - below.glimpses < above.glimpses - glimpses { below } else { above }
    }

    fn oracle(&self) -> Stopping {
        self.under(Rule::Oracle, |i| self.right[i].iter().position(|&right| right).map_or(self.most(), |t| t + 1))
    }

    /// The mean over all ways to hand these numbers of glimpses to the examples.
    fn shuffled(&self, learned: &Stopping) -> Stopping {
        let n = self.right.len().max(1) as f64;
        let error = learned.taken.iter().zip(1..).map(|(&count, t)| f64::from(count) / n * self.fixed(t).error).sum();
        Stopping { rule: Rule::Shuffled, error, ..learned.clone() }
    }
}

/// The probabilities of the thresholds that are always shown.
const THRESHOLDS: [f64; 4] = [0.8, 0.9, 0.99, 0.999];

/// Compares the rules for an agent that classifies images, on the current rayon pool: what it has learned, if it has learned to stop,
/// and the threshold with as many glimpses; other thresholds; every fixed number of glimpses; and the oracle.
///
/// # Errors
/// [`RamError::Config`] if the network has no glimpses or plays a game.
pub fn compare(trained: &Trained, examples: &Examples) -> Result<Vec<Stopping>, RamError> {
    let Some(agent) = trained.network.agent().filter(|_| examples.images.is_some()) else {
        return Err(RamError::Config(format!(
            "{}: rules for when to stop are for an agent that classifies images, but this run has {}",
            trained.path.display(),
            if trained.network.agent().is_some() { "a game" } else { "a network that sees the whole image at once" }
        )));
    };
    let mut all = agent.clone();
    all.never_stop();
    let never = Network::Agent(Box::new(all));
    let answers = Answers::of(trained, Subject { network: &never, ..trained.subject() }, examples);
    let mut rules = Vec::new();
    if agent.may_stop() {
        let Evaluation { error, taken, count, .. } = evaluate_on(&trained.config, trained.subject(), examples, 1);
        let sum: f64 = taken.iter().zip(1..).map(|(&count, t): (&u32, u32)| f64::from(count) * f64::from(t)).sum();
        let learned = Stopping { rule: Rule::Learned, error, glimpses: sum / count.max(1) as f64, taken };
        rules.extend([answers.threshold_with(learned.glimpses), answers.shuffled(&learned)]);
        rules.insert(0, learned);
    }
    rules.extend(THRESHOLDS.map(|least| answers.threshold(least)));
    rules.extend((1..=answers.most()).map(|t| answers.fixed(t)));
    rules.push(answers.oracle());
    Ok(rules)
}
