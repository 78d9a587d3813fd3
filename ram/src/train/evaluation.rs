//! How an agent fares on images that it did not learn from.
//!
//! The protocol: a single pass, locations at the policy's mean, the first location as in training (drawn for each image
//! from a fixed seed). Validation chooses; the test split is opened once, for the chosen checkpoint.

use autograd::{Params, Shape, Tape};
use datasets::{DigitBox, Fixed};
use rayon::prelude::*;

use super::data::FIXED_SEED;
use crate::config::{Config, First};
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Mode};
use crate::model::{Agent, Images, Retina};

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
pub fn evaluate_on(config: &Config, agent: &Agent, params: &Params<f32>, set: &Fixed) -> Evaluation {
    let count = set.set.len();
    let chunks: Vec<usize> = (0..count).step_by(CHUNK).collect();
    let found: Vec<Sums> = chunks
        .into_par_iter()
        .map_init(
            || (Tape::new(), Draws::default()),
            |(tape, draws), start| look_at(config.policy.first, agent, params, set, start, tape, draws),
        )
        .collect();

    let n = count.max(1) as f64;
    let glimpses = agent.glimpses();
    let mut fixations = vec![[0.0; 4]; glimpses];
    for sums in &found {
        for (all, these) in fixations.iter_mut().zip(&sums.fixations) {
            all.iter_mut().zip(these).for_each(|(all, x)| *all += x);
        }
    }
    let spread = |[x, y, xx, yy]: [f64; 4]| (xx / n - (x / n) * (x / n)) + (yy / n - (y / n) * (y / n));
    Evaluation {
        error: found.iter().map(|sums| sums.wrong).sum::<usize>() as f64 / n,
        loss: found.iter().map(|sums| sums.loss).sum::<f64>() / n,
        count,
        on_digit: Some(found.iter().map(|sums| sums.touching).sum::<usize>() as f64 / (n * glimpses as f64)),
        fixation_spread: fixations.into_iter().map(|sums| spread(sums).max(0.0)).collect(),
    }
}

fn look_at(
    first: First,
    agent: &Agent,
    params: &Params<f32>,
    set: &Fixed,
    start: usize,
    tape: &mut Tape<f32>,
    draws: &mut Draws<f32>,
) -> Sums {
    let range = start..(start + CHUNK).min(set.set.len());
    let samples: Vec<u32> = (range.start as u32..range.end as u32).collect();
    draws.draw(agent, first, Mode::Mean, FIXED_SEED, 0, &samples);
    let source = &set.set.images;
    let (height, width) = (source.height(), source.width());
    let shape = Shape::new(&[range.len(), source.channels(), height, width]);

    let t = tape.begin(params);
    let episode = agent.look(&t, Images::Pixels { data: source.slice(range.clone()), shape }, draws);
    let mut sums = Sums::default();
    let labels: Vec<u32> = set.set.labels[range.clone()].iter().map(|&label| u32::from(label)).collect();
    let classes = episode.logits.shape().columns();
    sums.loss = episode.logits.cross_entropy(&labels).value().iter().map(|&loss| f64::from(loss)).sum();
    let rows = episode.logits.value();
    let wrong = |(row, &label): (&[f32], &u32)| argmax_of(row) != label as usize;
    sums.wrong = rows.chunks_exact(classes).zip(&labels).filter(|&pair| wrong(pair)).count();
    for locations in episode.locations.iter() {
        let mut moments = [0.0; 4];
        for (l, digit) in locations.value().chunks_exact(2).zip(&set.boxes[range.clone()]) {
            let [x, y] = [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)));
            for (sum, value) in moments.iter_mut().zip([x, y, x * x, y * y]) {
                *sum += value;
            }
            sums.touching += usize::from(touches(agent.retina(), [x, y], digit, [width, height]));
        }
        sums.fixations.push(moments);
    }
    sums
}

/// Whether the finest patch of a glimpse overlaps the digit's box.
fn touches(retina: Retina, location: [f64; 2], digit: &DigitBox, size: [usize; 2]) -> bool {
    let start = retina.window(location, 0, size);
    let side = retina.side(0) as i64;
    let overlaps = |start: i64, at: u32, len: u32| start < i64::from(at + len) && start + side > i64::from(at);
    overlaps(start[0], digit.x, digit.width) && overlaps(start[1], digit.y, digit.height)
}
