//! How an agent fares on images that it did not learn from.
//!
//! The protocol: a single pass, locations at the policy's mean, the first location as in training (drawn for each image
//! from a fixed seed). Validation chooses; the test split is opened once, for the chosen checkpoint. With several passes,
//! another protocol, the probabilities of the classes are averaged over as many first locations.

use autograd::{Params, Shape, Tape, math};
use datasets::rng::{Key, Purpose, below};
use datasets::{DigitBox, Fixed};
use rayon::prelude::*;

use super::data::FIXED_SEED;
use super::learner::{Network, begin_games};
use crate::config::{Config, First};
use crate::environments::{Catch, Environment};
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Episode, Mode, Screens};
use crate::model::{Agent, Images, Retina};

/// The epochs by which validation and test games are drawn.
pub(crate) const VALIDATION_GAMES: u64 = 1;
pub(crate) const TEST_GAMES: u64 = 2;

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
    /// Of games: for each row that the ball was in, the share of frames with the ball in the finest patch, 0 to 1.
    pub tracking: Vec<f64>,
}

/// Sums over a chunk of images.
#[derive(Clone, Default)]
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
    let fixation_spread = spreads(&found, n);
    let glimpses = fixation_spread.len();
    let touching = found.iter().map(|sums| sums.touching).sum::<usize>() as f64;
    Evaluation {
        error: found.iter().map(|sums| sums.wrong).sum::<usize>() as f64 / n,
        loss: found.iter().map(|sums| sums.loss).sum::<f64>() / n,
        count,
        on_digit: (glimpses > 0).then(|| touching / (n * glimpses as f64)),
        fixation_spread,
        tracking: Vec::new(),
    }
}

/// Plays so many games, drawn once by `epoch` and their numbers, with the most likely actions and locations.
pub fn play_games(config: &Config, agent: &Agent, params: &Params<f32>, epoch: u64, count: usize) -> Evaluation {
    let chunks: Vec<u32> = (0..count as u32).step_by(CHUNK).collect();
    let frames = agent.glimpses();
    let found: Vec<(f64, Vec<u32>, Sums)> = chunks
        .into_par_iter()
        .map_init(
            || (Tape::new(), Draws::default(), Vec::new(), Screens::default()),
            |(tape, draws, games, screens), start| {
                let samples: Vec<u32> = (start..(start + CHUNK as u32).min(count as u32)).collect();
                draws.draw(agent, config.policy.first, Mode::Mean, FIXED_SEED, epoch, &samples);
                begin_games(games, config.data.size, FIXED_SEED, epoch, &samples);
                let (mut sums, mut tracked) = (Sums::default(), vec![0; frames]);
                let t = tape.begin(params);
                agent.play(&t, games, draws, screens, |games: &[Catch], locations| {
                    let digits: Vec<DigitBox> = games.iter().map(|game| pixel(game.ball())).collect();
                    let before = sums.touching;
                    sums.add(locations, agent.retina(), &digits, [config.data.size; 2]);
                    // All games of a batch go in step: their balls are in one row.
                    tracked[games[0].ball()[1]] += (sums.touching - before) as u32;
                });
                (screens.rewards.iter().map(|&r| f64::from(r)).sum(), tracked, sums)
            },
        )
        .collect();
    let n = count.max(1) as f64;
    let total = |row: usize| f64::from(found.iter().map(|(_, tracked, _)| tracked[row]).sum::<u32>());
    let all: Vec<Sums> = found.iter().map(|(.., sums)| sums.clone()).collect();
    Evaluation {
        error: 1.0 - found.iter().map(|(caught, ..)| caught).sum::<f64>() / n,
        loss: 0.0,
        count,
        on_digit: Some((0..frames).map(total).sum::<f64>() / (n * frames as f64)),
        fixation_spread: spreads(&all, n),
        tracking: (0..frames).map(|row| total(row) / n).collect(),
    }
}

/// The share of games that players without a network lose, of the test games: one that moves at random, and one that
/// sees the whole screen.
pub fn play_scripted(count: u32) -> [f64; 2] {
    let lost = |random: bool| {
        let mut game = Catch::default();
        let caught = (0..count).map(|sample| {
            let key = Key { seed: FIXED_SEED, purpose: Purpose::Game, epoch: TEST_GAMES, sample: u64::from(sample) };
            game.reset(&mut key.stream());
            let mut moves = Key { purpose: Purpose::Class, ..key }.stream();
            let mut reward = 0.0;
            while !game.done() {
                let action = if random { below(&mut moves, 3) as usize } else { game.oracle() as usize };
                reward += game.step(action);
            }
            reward
        });
        1.0 - caught.sum::<f64>() / f64::from(count.max(1))
    };
    [lost(true), lost(false)]
}

/// The box of a pixel.
fn pixel([x, y]: [usize; 2]) -> DigitBox {
    DigitBox { x: x as u32, y: y as u32, width: 1, height: 1 }
}

/// For each glimpse, the variance of its location across `n` images, x and y added.
fn spreads(found: &[Sums], n: f64) -> Vec<f64> {
    let glimpses = found.first().map_or(0, |sums| sums.fixations.len());
    let mut fixations = vec![[0.0; 4]; glimpses];
    for sums in found {
        for (all, these) in fixations.iter_mut().zip(&sums.fixations) {
            all.iter_mut().zip(these).for_each(|(all, x)| *all += x);
        }
    }
    let spread = |[x, y, xx, yy]: [f64; 4]| (xx / n - (x / n) * (x / n)) + (yy / n - (y / n) * (y / n));
    fixations.into_iter().map(|sums| spread(sums).max(0.0)).collect()
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
                Network::Player(_) => unreachable!("it plays games"),
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
            self.add(&locations.value(), retina, digits, size);
        }
    }

    /// Where they looked at one step, [images, 2].
    fn add(&mut self, locations: &[f32], retina: Retina, digits: &[DigitBox], size: [usize; 2]) {
        let mut moments = [0.0; 4];
        for (l, digit) in locations.chunks_exact(2).zip(digits) {
            let [x, y] = [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)));
            for (sum, value) in moments.iter_mut().zip([x, y, x * x, y * y]) {
                *sum += value;
            }
            self.touching += usize::from(touches(retina, [x, y], digit, size));
        }
        self.fixations.push(moments);
    }
}

/// Whether the finest patch of a glimpse overlaps the digit's box.
fn touches(retina: Retina, location: [f64; 2], digit: &DigitBox, size: [usize; 2]) -> bool {
    let start = retina.window(location, 0, size);
    let side = retina.side(0) as i64;
    let overlaps = |start: i64, at: u32, len: u32| start < i64::from(at + len) && start + side > i64::from(at);
    overlaps(start[0], digit.x, digit.width) && overlaps(start[1], digit.y, digit.height)
}
