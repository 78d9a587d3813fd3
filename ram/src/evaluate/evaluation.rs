//! How an agent fares on images that it did not learn from.
//!
//! The protocol: a single pass, locations at the policy's mean, the first location as in training (drawn for each image
//! from a fixed seed). Validation chooses; the test split is opened once, for the chosen checkpoint. With several passes,
//! another protocol, the probabilities of the classes are averaged over as many first locations.

use autograd::{Params, Real, Shape, Tape, Var, math};
use datasets::rng::{Key, Purpose, below};
use datasets::{DigitBox, Fixed};
use rayon::prelude::*;

use crate::config::{Baseline, Config, First};
use crate::data::FIXED_SEED;
use crate::environments::{Catch, Environment};
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Mode, Screens};
use crate::model::{Agent, Images, Retina};
use crate::train::learner::{Network, begin_games};

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
    /// The same for each glimpse.
    pub on_digit_at: Vec<f64>,
    /// For each glimpse, the variance of its location across the images, x and y added.
    pub fixation_spread: Vec<f64>,
    /// For each glimpse, how many of its locations lie in each of [`GRID`] × [`GRID`] equal parts of the image, row after row.
    pub density: Vec<Vec<u32>>,
    /// The share of wrong answers if the class were decided after 1, 2, … T glimpses: the action network applied to each hₜ.
    /// Of a single pass over images; otherwise empty.
    pub error_after: Vec<f64>,
    /// The mean of bₜ at each step whose choice it is subtracted for.
    pub baselines: Vec<f64>,
    /// How many images of each class (row) were taken for which (column). Of games none.
    pub confusion: Vec<Vec<u32>>,
    /// Of games: for each row that the ball was in, the share of frames with the ball in the finest patch, 0 to 1.
    pub tracking: Vec<f64>,
    /// The numbers of the images that were answered wrongly, or of the games lost, ascending.
    pub wrong: Vec<u32>,
}

/// Parts of the image along an axis, in which fixations are counted.
pub const GRID: usize = 12;

/// Sums over a chunk of images.
#[derive(Clone, Default)]
struct Sums {
    wrong: Vec<u32>,
    loss: f64,
    steps: Vec<Step>,
    baselines: Vec<f64>,
    wrong_after: Vec<u32>,
    /// Row after row.
    confusion: Vec<u32>,
}

/// Sums over the locations of one step.
#[derive(Clone)]
struct Step {
    /// Σx, Σy, Σx², Σy².
    moments: [f64; 4],
    touching: u32,
    density: [u32; GRID * GRID],
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

    conclude(config, &found, count)
}

/// Plays so many games, drawn once by `epoch` and their numbers, with the most likely actions and locations.
pub fn play_games(config: &Config, agent: &Agent, params: &Params<f32>, epoch: u64, count: usize) -> Evaluation {
    let chunks: Vec<u32> = (0..count as u32).step_by(CHUNK).collect();
    let found: Vec<Sums> = chunks
        .into_par_iter()
        .map_init(
            || (Tape::new(), Draws::default(), Vec::new(), Screens::default()),
            |(tape, draws, games, screens), start| {
                let samples: Vec<u32> = (start..(start + CHUNK as u32).min(count as u32)).collect();
                draws.draw(agent, config.policy.first, Mode::Mean, FIXED_SEED, epoch, &samples);
                begin_games(games, config.data.size, FIXED_SEED, epoch, &samples, 1);
                let mut sums = Sums::default();
                let t = tape.begin(params);
                let play = agent.play(&t, games, draws, screens, |games: &[Catch], locations| {
                    let balls: Vec<DigitBox> = games.iter().map(|game| pixel(game.ball())).collect();
                    sums.add(locations, agent.retina(), &balls, [config.data.size; 2]);
                });
                sums.baselines = play.baselines.iter().map(total).collect();
                let lost = |game: usize| screens.rewards[game..].iter().step_by(samples.len()).all(|&r| r <= 0.0);
                sums.wrong = samples.iter().copied().filter(|&sample| lost((sample - start) as usize)).collect();
                sums
            },
        )
        .collect();
    let evaluation = conclude(config, &found, count);
    // All games go in step: at each frame their balls are in one row.
    Evaluation { tracking: evaluation.on_digit_at.clone(), ..evaluation }
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

/// What the sums over chunks say of all `count` images, added in the order of the chunks.
fn conclude(config: &Config, found: &[Sums], count: usize) -> Evaluation {
    let n = count.max(1) as f64;
    let share = |count: u32| f64::from(count) / n;
    let mut all = Sums::default();
    for sums in found {
        all.merge(sums);
    }
    let touching = all.steps.iter().map(|step| f64::from(step.touching)).sum::<f64>();
    let classes = all.confusion.len().isqrt();
    // Where the digit is, is known of canvases alone.
    let is_placed = !config.data.source.is_own();
    Evaluation {
        error: all.wrong.len() as f64 / n,
        loss: all.loss / n,
        count,
        on_digit: (is_placed && !all.steps.is_empty()).then(|| touching / (n * all.steps.len() as f64)),
        on_digit_at: all.steps.iter().filter(|_| is_placed).map(|step| share(step.touching)).collect(),
        fixation_spread: all.steps.iter().map(|step| step.spread(n)).collect(),
        density: all.steps.iter().map(|step| step.density.to_vec()).collect(),
        error_after: all.wrong_after.iter().map(|&wrong| share(wrong)).collect(),
        // One that nothing is compared with was not learned.
        baselines: match config.loss.baseline {
            Baseline::Learned => all.baselines.iter().map(|sum| sum / n).collect(),
            Baseline::LeaveOneOut => Vec::new(),
        },
        confusion: all.confusion.chunks(classes.max(1)).map(<[u32]>::to_vec).collect(),
        tracking: Vec::new(),
        wrong: all.wrong,
    }
}

fn total(var: Var<f32>) -> f64 {
    var.value().iter().map(|&x| f64::from(x)).sum()
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
                        let size = [shape.axes()[3], shape.axes()[2]];
                        for locations in episode.locations.iter() {
                            sums.add(&locations.value(), agent.retina(), &set.boxes[range.clone()], size);
                        }
                        sums.baselines = episode.baselines.iter().map(total).collect();
                    }
                    if passes == 1 {
                        let wrong = |h| wrong_rows(&agent.believe(h).0.value(), &labels).count() as u32;
                        sums.wrong_after = episode.states.iter().map(wrong).collect();
                    }
                    episode.logits
                }
                Network::Comparator(comparator) => comparator.logits(&t, images),
                Network::Player(_) => unreachable!("it plays games"),
            };
            if passes == 1 {
                sums.loss = total(logits.cross_entropy(&labels));
                sums.answer(&logits.value(), &labels, &samples);
                continue;
            }
            let log_probabilities = logits.log_softmax();
            probabilities.resize(logits.shape().len(), 0.0);
            for (sum, &x) in probabilities.iter_mut().zip(&*log_probabilities.value()) {
                *sum += math::exp(f64::from(x));
            }
        }
        if passes > 1 && !labels.is_empty() {
            let classes = probabilities.len() / labels.len();
            for (row, &label) in probabilities.chunks_exact(classes).zip(&labels) {
                sums.loss -= math::ln((row[label as usize] / passes as f64).max(f64::MIN_POSITIVE));
            }
            sums.answer(&probabilities, &labels, &samples);
        }
        sums
    }
}

/// The rows whose most likely class is not their label.
fn wrong_rows<X: Real>(rows: &[X], labels: &[u32]) -> impl Iterator<Item = usize> {
    let classes = rows.len() / labels.len().max(1);
    let answers = rows.chunks_exact(classes.max(1)).zip(labels).enumerate();
    answers.filter(|(_, (row, label))| argmax_of(row) != **label as usize).map(|(i, _)| i)
}

impl Sums {
    /// The answers to images, by rows of logits or probabilities.
    fn answer<X: Real>(&mut self, rows: &[X], labels: &[u32], samples: &[u32]) {
        self.wrong = wrong_rows(rows, labels).map(|i| samples[i]).collect();
        let classes = rows.len() / labels.len().max(1);
        self.confusion = vec![0; classes * classes];
        for (row, &label) in rows.chunks_exact(classes.max(1)).zip(labels) {
            self.confusion[label as usize * classes + argmax_of(row)] += 1;
        }
    }

    /// Where they looked at the next step, [images, 2], on images of [width, height] pixels.
    fn add(&mut self, locations: &[f32], retina: Retina, digits: &[DigitBox], size: [usize; 2]) {
        let mut step = Step::NONE;
        for (l, digit) in locations.chunks_exact(2).zip(digits) {
            let [x, y] = [l[0], l[1]].map(|l| f64::from(l.clamp(-1.0, 1.0)));
            for (sum, value) in step.moments.iter_mut().zip([x, y, x * x, y * y]) {
                *sum += value;
            }
            step.touching += u32::from(touches(retina, [x, y], digit, size));
            let [column, row] = [x, y].map(|l| (((l + 1.0) / 2.0 * GRID as f64) as usize).min(GRID - 1));
            step.density[row * GRID + column] += 1;
        }
        self.steps.push(step);
    }

    /// Adds what another chunk found.
    fn merge(&mut self, other: &Sums) {
        fn add<T: Copy + std::ops::AddAssign>(all: &mut Vec<T>, these: &[T]) {
            match all.is_empty() {
                true => *all = these.to_vec(),
                false => all.iter_mut().zip(these).for_each(|(all, x)| *all += *x),
            }
        }
        self.wrong.extend(&other.wrong);
        self.loss += other.loss;
        self.steps.resize(other.steps.len(), Step::NONE);
        for (all, step) in self.steps.iter_mut().zip(&other.steps) {
            all.moments.iter_mut().zip(step.moments).for_each(|(all, x)| *all += x);
            all.touching += step.touching;
            all.density.iter_mut().zip(step.density).for_each(|(all, x)| *all += x);
        }
        add(&mut self.baselines, &other.baselines);
        add(&mut self.wrong_after, &other.wrong_after);
        add(&mut self.confusion, &other.confusion);
    }
}

impl Step {
    const NONE: Step = Step { moments: [0.0; 4], touching: 0, density: [0; GRID * GRID] };

    /// The variance of the location across `n` images, x and y added.
    fn spread(&self, n: f64) -> f64 {
        let [x, y, xx, yy] = self.moments.map(|sum| sum / n);
        ((xx - x * x) + (yy - y * y)).max(0.0)
    }
}

/// Whether the finest patch of a glimpse overlaps the digit's box.
fn touches(retina: Retina, location: [f64; 2], digit: &DigitBox, size: [usize; 2]) -> bool {
    let start = retina.window(location, 0, size);
    let side = retina.side(0) as i64;
    let overlaps = |start: i64, at: u32, len: u32| start < i64::from(at + len) && start + side > i64::from(at);
    overlaps(start[0], digit.x, digit.width) && overlaps(start[1], digit.y, digit.height)
}

#[cfg(test)]
mod tests {
    use crate::evaluate::trace::Tracer;
    use crate::evaluate::trace::tests::trained;
    use crate::split::SplitName;
    use crate::train::trainer::evaluate;

    use super::*;

    /// Against the episodes themselves, image by image.
    #[test]
    fn what_is_counted_is_what_the_traces_show() {
        for sets in [&["policy.first=centre"][..], &["model.core=lstm", "policy.init_std=1"]] {
            let checkpoint = trained("demo", sets);
            let found = evaluate(&checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
            let tracer = Tracer::new(&checkpoint).unwrap();
            let set = tracer.images(SplitName::Validation, None).unwrap();
            let traces = tracer.trace(&set, 0..set.set.len());
            let share = |count: usize| count as f64 / traces.len() as f64;

            for step in 0..3 {
                let wrong = |t: &&crate::evaluate::trace::Trace| t.glimpses[step].leader() != t.label.unwrap();
                assert_eq!(found.error_after[step], share(traces.iter().filter(wrong).count()));
                let mut density = vec![0; GRID * GRID];
                for trace in &traces {
                    let cell = trace.glimpses[step].location.map(|l| ((l + 1.0) * 6.0).floor().min(11.0) as usize);
                    density[cell[1] * GRID + cell[0]] += 1;
                }
                assert_eq!(found.density[step], density, "{sets:?} {step}");
            }
            assert_eq!(found.error_after[2], found.error);
            assert_ne!(found.error_after[0], found.error_after[2], "a test that could not fail");

            let wrong = traces.iter().filter(|trace| trace.right() == Some(false));
            assert_eq!(found.wrong, wrong.map(|trace| trace.index as u32).collect::<Vec<_>>());
            let mut confusion = vec![vec![0; 10]; 10];
            for trace in &traces {
                confusion[trace.label.unwrap()][trace.answer()] += 1;
            }
            assert_eq!(found.confusion, confusion);
            // Of three steps, two choose a location.
            let baseline = |step: usize| traces.iter().filter_map(|t| t.glimpses[step].baseline).sum::<f64>() / 130.0;
            assert_eq!(found.baselines.len(), 2);
            assert!((0..2).all(|step| (found.baselines[step] - baseline(step)).abs() < 1e-6), "{:?}", found.baselines);
            let on_digit = found.on_digit_at.iter().sum::<f64>() / 3.0;
            assert!((on_digit - found.on_digit.unwrap()).abs() < 1e-12 && on_digit > 0.0);

            assert_eq!(evaluate(&checkpoint, SplitName::Validation, 1, None, Some(3)).unwrap(), found);
            let passes = evaluate(&checkpoint, SplitName::Validation, 2, None, Some(1)).unwrap();
            assert!(passes.error_after.is_empty());
            let right: u32 = (0..10).map(|class| passes.confusion[class][class]).sum();
            assert_eq!(right as usize, 130 - passes.wrong.len());
            assert_eq!(passes.wrong.len() as f64 / 130.0, passes.error);
        }
    }

    #[test]
    fn games_tell_of_each_frame_and_of_those_lost() {
        let sets = ["model.glimpses=23", "data.train=2000", "optimiser.learning_rate=0.003", "loss.entropy_weight=0"];
        let checkpoint = trained("catch", &sets);
        let found = evaluate(&checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
        let traces = Tracer::new(&checkpoint).unwrap().games(SplitName::Validation, 0..130).unwrap();
        let lost = traces.iter().filter(|trace| trace.reward() == 0.0).map(|trace| trace.index as u32);
        assert_eq!(found.wrong, lost.collect::<Vec<_>>());
        assert!(found.error > 0.0 && found.error < 1.0 && found.wrong.len() as f64 / 130.0 == found.error);
        assert_eq!((found.tracking.len(), found.baselines.len(), found.density.len()), (23, 23, 23));
        assert!(found.density.iter().all(|step| step.iter().sum::<u32>() == 130));
        assert!(found.confusion.is_empty() && found.error_after.is_empty());
        assert_eq!(evaluate(&checkpoint, SplitName::Validation, 1, None, Some(3)).unwrap(), found);
    }

    #[test]
    fn a_network_without_glimpses_has_a_confusion_and_no_policy() {
        let checkpoint = trained("demo", &["model.kind=fc"]);
        let found = evaluate(&checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
        assert!(found.density.is_empty() && found.error_after.is_empty() && found.baselines.is_empty());
        let right: u32 = (0..10).map(|class| found.confusion[class][class]).sum();
        assert_eq!(right as usize, 130 - found.wrong.len());
    }
}
