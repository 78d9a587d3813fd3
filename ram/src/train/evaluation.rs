//! How an agent fares on images that it did not learn from.
//!
//! The protocol: a single pass, locations at the policy's mean, the first location as in training (drawn for each image
//! from a fixed seed). Validation chooses; the test split is opened once, for the chosen checkpoint. With several passes,
//! another protocol, the probabilities of the classes are averaged over as many first locations.

use autograd::{Params, Shape, Tape, math};
use datasets::{DigitBox, Fixed};
use rayon::prelude::*;

use super::data::FIXED_SEED;
use super::learner::Network;
use crate::config::{Config, First};
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Episode, Mode};
use crate::model::{Images, Retina};

/// Images on a tape at a time.
const CHUNK: usize = 100;

/// What an evaluation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Share of wrong answers, 0 to 1.
    pub error: f64,
    /// Mean cross entropy, nats.
    pub loss: f64,
    /// Images.
    pub count: usize,
    /// Share of glimpses whose finest patch touches the digit's 28×28 box, 0 to 1.
    pub on_digit: Option<f64>,
    /// For each glimpse, the variance of its location across the images, x and y added.
    pub fixation_spread: Vec<f64>,
}

/// Sums over a chunk of images.
#[derive(Default)]
struct Sums {
    wrong: usize,
    loss: f64,
    touching: usize,
    /// For each glimpse Σx, Σy, Σx², Σy².
    fixations: Vec<[f64; 4]>,
}

/// Evaluates on a set of canvases, on the current rayon pool. The sums are added in the order of the images.
pub fn evaluate_on(config: &Config, network: &Network, params: &Params<f32>, set: &Fixed, passes: usize) -> Evaluation {
    let count = set.set.len();
    let chunks: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let look = Look { first: config.policy.first, network, params, set, passes };
    let found: Vec<Sums> = chunks
        .into_par_iter()
        .map_init(|| (Tape::new(), Draws::default()), |(tape, draws), start| look.at(start, tape, draws))
        .collect();

    let n = count.max(1) as f64;
    let glimpses = found.first().map_or(0, |sums| sums.fixations.len());
    let mut fixations = vec![[0.0; 4]; glimpses];
    for sums in &found {
        for (all, these) in fixations.iter_mut().zip(&sums.fixations) {
            all.iter_mut().zip(these).for_each(|(all, x)| *all += x);
        }
    }
    let spread = |[x, y, xx, yy]: [f64; 4]| (xx / n - (x / n) * (x / n)) + (yy / n - (y / n) * (y / n));
    let touching = found.iter().map(|sums| sums.touching).sum::<usize>() as f64;
    Evaluation {
        error: found.iter().map(|sums| sums.wrong).sum::<usize>() as f64 / n,
        loss: found.iter().map(|sums| sums.loss).sum::<f64>() / n,
        count,
        on_digit: (glimpses > 0).then(|| touching / (n * glimpses as f64)),
        fixation_spread: fixations.into_iter().map(|sums| spread(sums).max(0.0)).collect(),
    }
}

/// What is looked at, by whom and how.
struct Look<'a> {
    first: First,
    network: &'a Network,
    params: &'a Params<f32>,
    set: &'a Fixed,
    passes: usize,
}

impl Look<'_> {
    /// A chunk of images from `start` on.
    fn at(&self, start: usize, tape: &mut Tape<f32>, draws: &mut Draws<f32>) -> Sums {
        let Look { first, network, params, set, passes } = *self;
        let range = start..(start + CHUNK).min(set.set.len());
        let samples: Vec<u32> = (range.start as u32..range.end as u32).collect();
        let labels: Vec<u32> = set.set.labels[range.clone()].iter().map(|&label| u32::from(label)).collect();
        let source = &set.set.images;
        let shape = Shape::new(&[range.len(), source.channels(), source.height(), source.width()]);
        let images = Images::Pixels { data: source.slice(range.clone()), shape };

        let mut sums = Sums::default();
        // Σ over passes of the classes' probabilities.
        let mut probabilities = Vec::new();
        for pass in 0..passes {
            let t = tape.begin(params);
            let logits = match network {
                Network::Agent(agent) => {
                    draws.draw(agent, first, Mode::Mean, FIXED_SEED, pass as u64, &samples);
                    let episode = agent.look(&t, images, draws);
                    if pass == 0 {
                        sums.gather(
                            &episode,
                            agent.retina(),
                            &set.boxes[range.clone()],
                            [shape.axes()[3], shape.axes()[2]],
                        );
                    }
                    episode.logits
                }
                Network::Comparator(comparator) => comparator.logits(&t, images),
            };
            let classes = logits.shape().columns();
            if passes == 1 {
                sums.loss = logits.cross_entropy(&labels).value().iter().map(|&loss| f64::from(loss)).sum();
                let wrong = |(row, &label): (&[f32], &u32)| argmax_of(row) != label as usize;
                sums.wrong = logits.value().chunks_exact(classes).zip(&labels).filter(|&pair| wrong(pair)).count();
                continue;
            }
            let log_probabilities = logits.log_softmax();
            probabilities.resize(labels.len() * classes, 0.0);
            for (sum, &x) in probabilities.iter_mut().zip(&*log_probabilities.value()) {
                *sum += math::exp(f64::from(x));
            }
        }
        if passes > 1 && !labels.is_empty() {
            for (row, &label) in probabilities.chunks_exact(probabilities.len() / labels.len()).zip(&labels) {
                sums.wrong += usize::from(argmax_of(row) != label as usize);
                sums.loss -= math::ln((row[label as usize] / passes as f64).max(f64::MIN_POSITIVE));
            }
        }
        sums
    }
}

impl Sums {
    /// Where the episodes looked, on images of [width, height] pixels.
    fn gather(&mut self, episode: &Episode<f32>, retina: Retina, digits: &[DigitBox], size: [usize; 2]) {
        for locations in episode.locations.iter() {
            let mut moments = [0.0; 4];
            for (l, digit) in locations.value().chunks_exact(2).zip(digits) {
                let [x, y] = [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)));
                for (sum, value) in moments.iter_mut().zip([x, y, x * x, y * y]) {
                    *sum += value;
                }
                self.touching += usize::from(touches(retina, [x, y], digit, size));
            }
            self.fixations.push(moments);
        }
    }
}

/// Whether the finest patch of a glimpse overlaps the digit's box.
fn touches(retina: Retina, location: [f64; 2], digit: &DigitBox, size: [usize; 2]) -> bool {
    let start = retina.window(location, 0, size);
    let side = retina.side(0) as i64;
    let overlaps = |start: i64, at: u32, len: u32| start < i64::from(at + len) && start + side > i64::from(at);
    overlaps(start[0], digit.x, digit.width) && overlaps(start[1], digit.y, digit.height)
}
