//! Evaluates a trained network on images or games that it was not trained on.
//!
//! The protocol is a single pass with locations at the policy's mean. The first location is drawn as in training, for each
//! image from a fixed seed. The validation error chooses the checkpoint, and the test split is used once, for this checkpoint.
//! With several passes, which is another protocol, the probabilities of the classes are averaged over several first locations.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use autograd::{Tape, Var, math};
use datasets::DigitBox;
use rayon::prelude::*;

use super::trained::{Subject, Trained};
use crate::config::Config;
use crate::error::RamError;
use crate::evaluation::{Evaluation, GRID, by_size};
use crate::model::{Decisions, Episode, Retina};
use crate::runs::checkpoint::Checkpoint;
use crate::split::SplitName;
use crate::tasks::{Examples, Inputs, Recorder, Verdict};
use crate::threads::Threads;

/// The number of examples on a tape at the same time. It does not show in any figure, since every sum is one chain over the
/// examples.
const CHUNK: usize = 50;

/// Evaluates the network of a checkpoint on the validation or the test part, in `passes` passes over it.
///
/// # Errors
/// The checkpoint belongs to another model, or data are missing or damaged.
pub fn evaluate(
    checkpoint: &Checkpoint,
    split: SplitName,
    passes: usize,
    data_dir: Option<&Path>,
    threads: Option<usize>,
) -> Result<Evaluation, RamError> {
    let trained = Trained::of(checkpoint)?;
    let examples = trained.examples(split, data_dir)?;
    Threads::new(threads)?.install(|| Ok(evaluate_on(&trained.config, trained.subject(), &examples, passes)))
}

/// Evaluates a network on some examples, on the current rayon pool.
pub fn evaluate_on(config: &Config, subject: Subject, examples: &Examples, passes: usize) -> Evaluation {
    // Games are played once: no first location is averaged over.
    let passes = if subject.task.decisions() == Decisions::Each { 1 } else { passes };
    // Each thread has one tape, and takes the next chunk when it is done with one. (Rayon's `map_init` would make a tape for each
    // piece of work that it splits off, so that the memory would grow with the number of threads and by chance.)
    let chunks: Vec<_> = examples.chunks(0..examples.count, CHUNK).collect();
    let next = AtomicUsize::new(0);
    let work = |_| {
        let mut chunk = Chunk { subject, examples, passes, tape: Tape::new(), recorder: subject.task.recorder(config) };
        let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|&i| i < chunks.len());
        taken.map(|i| (i, chunk.evaluate(chunks[i].clone()))).collect::<Vec<_>>()
    };
    let threads = rayon::current_num_threads().min(chunks.len());
    let mut found: Vec<(usize, Found)> = (0..threads).into_par_iter().with_max_len(1).flat_map_iter(work).collect();
    found.sort_unstable_by_key(|&(i, _)| i);
    conclude(config, subject.task.decisions(), found.into_iter().map(|(_, found)| found), examples.count)
}

/// What some consecutive examples showed.
#[derive(Clone, Default)]
struct Found {
    verdict: Verdict,
    steps: Vec<Step>,
    /// The baselines of each step, one for each example.
    baselines: Vec<Vec<f32>>,
    is_placed: bool,
    /// The number of glimpses that each example took; empty where all take the same.
    taken: Vec<u32>,
    /// The longer side of the digit in each example, in pixels; empty where it is not known.
    sides: Vec<u32>,
}

/// The locations of one step.
#[derive(Clone, Default)]
struct Step {
    /// The location (x, y) in each example that was looked at, as the retina takes it: between −1 and 1.
    locations: Vec<[f32; 2]>,
    /// The zooms there; empty where there is only one.
    zooms: Vec<usize>,
    /// The number of glimpses that touch the digit.
    touching: u32,
    /// How far each location lies from the centre of the digit, pixels; empty where its place is not known.
    distances: Vec<f64>,
}

/// What a thread needs to evaluate chunks of examples one after another.
struct Chunk<'a> {
    subject: Subject<'a>,
    examples: &'a Examples,
    passes: usize,
    tape: Tape<f32>,
    recorder: Box<dyn Recorder>,
}

impl Chunk<'_> {
    /// Evaluates a chunk of the examples.
    fn evaluate(&mut self, range: Range<usize>) -> Found {
        let Chunk { subject, examples, passes, tape, recorder } = self;
        let Subject { network, params, .. } = *subject;
        let passes = *passes;
        let mut found = Found::default();
        // The classes' probabilities, added up over the passes.
        let mut probabilities: Vec<f64> = Vec::new();
        for pass in 0..passes {
            examples.inputs(range.clone(), pass as u64, |inputs| {
                if let (0, Some(boxes)) = (pass, inputs.pictures.digits(0)) {
                    found.sides = boxes.iter().map(|digit| digit.width.max(digit.height)).collect();
                }
                let t = tape.begin(params);
                let observed = recorder.observe(&t, network, inputs);
                if let (0, Some(episode), Some(agent)) = (pass, &observed.episode, network.agent()) {
                    found.add_episode(episode, agent.decisions(), agent.retina(), &**recorder, inputs);
                }
                if passes == 1 {
                    found.verdict = recorder.judge(network, &observed, inputs);
                    return;
                }
                let log_probabilities = observed.logits.log_softmax();
                probabilities.resize(observed.logits.shape().len(), 0.0);
                for (sum, &x) in probabilities.iter_mut().zip(&*log_probabilities.value()) {
                    *sum += math::exp(f64::from(x));
                }
                if pass + 1 == passes {
                    found.verdict = averaged(&probabilities, passes, inputs);
                }
            });
        }
        found
    }
}

/// The verdict on the classes' probabilities, which were added up over `passes` passes.
fn averaged(probabilities: &[f64], passes: usize, inputs: &Inputs) -> Verdict {
    let mut verdict = Verdict::of_answers(probabilities, inputs);
    let classes = probabilities.len() / inputs.len().max(1);
    let rows = probabilities.chunks_exact(classes.max(1)).zip(inputs.labels);
    let nats = rows.map(|(row, &label)| -math::ln((row[label as usize] / passes as f64).max(f64::MIN_POSITIVE)));
    verdict.loss = nats.collect();
    verdict
}

/// Turns what the chunks showed into the result for all `count` examples. Every sum is one chain over the examples, so the
/// result does not depend on how they were cut into chunks.
fn conclude(config: &Config, decisions: Decisions, chunks: impl Iterator<Item = Found>, count: usize) -> Evaluation {
    let n = count.max(1) as f64;
    let share = |count: u32| f64::from(count) / n;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
    let mut all = Found::default();
    for found in chunks {
        all.append(found);
    }
    let Found { verdict, steps, baselines, is_placed, taken, sides } = all;
    // Where every example has stopped before, no glimpse was taken, and there is nothing to tell.
    let taken_by_some = steps.iter().take_while(|step| !step.locations.is_empty()).count();
    let (most, steps) = (steps.len(), &steps[..taken_by_some]);
    let touching = steps.iter().map(|step| f64::from(step.touching)).sum::<f64>();
    let classes = verdict.confusion.len().isqrt();
    let looks: f64 = steps.iter().map(Step::looks).sum();
    let on_digit_at = steps.iter().filter(|_| is_placed).map(|step| f64::from(step.touching) / step.looks());
    let on_digit_at: Vec<f64> = on_digit_at.collect();
    Evaluation {
        error: mean(&verdict.errors),
        loss: mean(&verdict.loss),
        count,
        on_digit: (is_placed && !steps.is_empty()).then(|| touching / looks),
        // In all games the ball is in the same row at the same frame.
        tracking: if decisions == Decisions::Each { on_digit_at.clone() } else { Vec::new() },
        on_digit_at,
        distance: steps.iter().filter(|_| is_placed).map(|step| mean(&step.distances)).collect(),
        fixation_spread: steps.iter().map(Step::spread).collect(),
        zooms: match config.policy.zooms {
            0 | 1 => Vec::new(),
            zooms => steps.iter().map(|step| step.zooms(zooms)).collect(),
        },
        density: steps.iter().map(Step::density).collect(),
        error_after: verdict.wrong_after.iter().map(|&wrong| share(wrong)).collect(),
        // Only a learned baseline has values worth reporting.
        baselines: match config.loss.baseline.is_learned() {
            true => baselines
                .iter()
                .filter(|b| !b.is_empty())
                .map(|b| b.iter().map(|&b| f64::from(b)).sum::<f64>() / b.len().max(1) as f64)
                .collect(),
            false => Vec::new(),
        },
        confusion: verdict.confusion.chunks(classes.max(1)).map(<[u32]>::to_vec).collect(),
        taken: match taken.is_empty() {
            true => Vec::new(),
            false => (1..=most as u32).map(|t| taken.iter().filter(|&&taken| taken == t).count() as u32).collect(),
        },
        by_size: by_size(&sides, &verdict.errors),
        wrong: verdict.wrong,
    }
}

impl Found {
    /// Adds the locations and the baselines of an episode.
    fn add_episode(
        &mut self,
        episode: &Episode<f32>,
        decisions: Decisions,
        retina: Retina,
        recorder: &dyn Recorder,
        inputs: &Inputs,
    ) {
        let [_, height, width] = recorder.picture_size(inputs);
        for (step, locations) in episode.locations.iter().enumerate() {
            let targets = recorder.targets(inputs, step);
            self.is_placed = targets.is_some();
            let fixations = Fixations {
                locations: &locations.value(),
                looks: episode.stops.as_ref().map(|stops| stops.looks[step].to_vec()),
                zooms: episode.zooms.as_ref().map(|zooms| zooms.zooms[step].to_vec()),
            };
            self.steps.push(Step::new(&fixations, retina, targets, [width, height]));
        }
        // For classification, only the baselines that are subtracted for a choice after a glimpse are counted, and only where it was made.
        let used = match decisions {
            Decisions::Last => episode.choices_after_glimpses(),
            Decisions::Each => episode.baselines.len(),
        };
        let chosen = |(step, b): (usize, &Var<f32>)| match &episode.stops {
            None => b.to_vec(),
            Some(stops) => {
                b.value().iter().zip(&*stops.looks[step].value()).filter(|(_, l)| **l == 1.0).map(|(&b, _)| b).collect()
            }
        };
        self.baselines = episode.baselines[..used].iter().enumerate().map(chosen).collect();
        self.taken = episode.stops.as_ref().map_or_else(Vec::new, |stops| {
            let taken = |i: usize| stops.looks.iter().map(|looks| looks.value()[i] as u32).sum();
            (0..inputs.len()).map(taken).collect()
        });
    }

    /// Appends the examples of the next chunk.
    fn append(&mut self, next: Found) {
        fn add(all: &mut Vec<u32>, next: &[u32]) {
            all.resize(next.len(), 0);
            all.iter_mut().zip(next).for_each(|(all, x)| *all += x);
        }
        let (verdict, others) = (&mut self.verdict, next.verdict);
        verdict.wrong.extend(others.wrong);
        verdict.errors.extend(others.errors);
        verdict.loss.extend(others.loss);
        add(&mut verdict.wrong_after, &others.wrong_after);
        add(&mut verdict.confusion, &others.confusion);
        self.is_placed = next.is_placed;
        self.taken.extend(next.taken);
        self.sides.extend(next.sides);
        self.steps.resize_with(next.steps.len(), Step::default);
        for (all, step) in self.steps.iter_mut().zip(next.steps) {
            all.locations.extend(step.locations);
            all.zooms.extend(step.zooms);
            all.touching += step.touching;
            all.distances.extend(step.distances);
        }
        self.baselines.resize_with(next.baselines.len(), Vec::new);
        self.baselines.iter_mut().zip(next.baselines).for_each(|(all, b)| all.extend(b));
    }
}

/// Where a batch is looked at in one step.
struct Fixations<'a> {
    /// [images, 2]
    locations: &'a [f32],
    /// Where the agent may stop: 1 for the images that were looked at, `[images]`; only these count.
    looks: Option<Vec<f32>>,
    /// Where there are several: the zooms `[images]`.
    zooms: Option<Vec<f32>>,
}

impl Step {
    /// What a step looked at on images of [width, height] pixels, and how many of the targets were seen.
    fn new(fixations: &Fixations, retina: Retina, targets: Option<&[DigitBox]>, size: [usize; 2]) -> Step {
        let Fixations { locations, looks, zooms } = fixations;
        let looked = |i: &usize| looks.as_ref().is_none_or(|looks| looks[*i] == 1.0);
        let counted = (0..locations.len() / 2).filter(looked);
        let zooms: Vec<usize> = zooms.iter().flat_map(|zooms| counted.clone().map(|i| zooms[i] as usize)).collect();
        let targets: Option<Vec<DigitBox>> = targets.map(|targets| counted.clone().map(|i| targets[i]).collect());
        let locations = locations.as_chunks().0;
        let locations: Vec<[f32; 2]> = counted.map(|i: usize| locations[i].map(|l: f32| l.clamp(-1.0, 1.0))).collect();
        let touched = |(i, (l, target)): (usize, (&[f32; 2], &DigitBox))| {
            let retina = retina.zoomed(zooms.get(i).copied().unwrap_or(0));
            u32::from(touches(retina, l.map(f64::from), target, size))
        };
        let touching =
            targets.as_ref().map_or(0, |targets| locations.iter().zip(targets).enumerate().map(touched).sum());
        // −1 and 1 are the edges of the image.
        let along = |l: f32, size: usize| (f64::from(l) + 1.0) / 2.0 * size as f64;
        let far = |(l, target): (&[f32; 2], &DigitBox)| {
            let [x, y] = [along(l[0], size[0]), along(l[1], size[1])];
            let (dx, dy) = (x - middle(target.x, target.width), y - middle(target.y, target.height));
            (dx * dx + dy * dy).sqrt()
        };
        let distances = targets.map_or_else(Vec::new, |targets| locations.iter().zip(&targets).map(far).collect());
        Step { locations, zooms, touching, distances }
    }

    /// How often each of `zooms` zooms was taken.
    fn zooms(&self, zooms: usize) -> Vec<u32> {
        (0..zooms).map(|zoom| self.zooms.iter().filter(|&&z| z == zoom).count() as u32).collect()
    }

    /// The number of images that were looked at, or 1 if there is none.
    fn looks(&self) -> f64 {
        self.locations.len().max(1) as f64
    }

    /// The variance of the location across the images, x and y added.
    fn spread(&self) -> f64 {
        let n = self.looks();
        let mean = |f: fn([f64; 2]) -> f64| self.locations.iter().map(|l| f(l.map(f64::from))).sum::<f64>() / n;
        let [x, y, xx, yy] = [mean(|l| l[0]), mean(|l| l[1]), mean(|l| l[0] * l[0]), mean(|l| l[1] * l[1])];
        ((xx - x * x) + (yy - y * y)).max(0.0)
    }

    /// How many locations lie in each cell of a grid over the image, by rows.
    fn density(&self) -> Vec<u32> {
        let mut cells = vec![0; GRID * GRID];
        for l in &self.locations {
            let [column, row] = l.map(|l| (((f64::from(l) + 1.0) / 2.0 * GRID as f64) as usize).min(GRID - 1));
            cells[row * GRID + column] += 1;
        }
        cells
    }
}

/// The middle of `len` pixels that begin at `at`.
fn middle(at: u32, len: u32) -> f64 {
    f64::from(at) + f64::from(len) / 2.0
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

    use super::*;

    #[test]
    fn the_distance_is_from_the_fixation_to_the_middle_of_the_digit() {
        let retina = Retina::new(8, 1, crate::model::Sampling::Crop);
        let boxes = [DigitBox { x: 10, y: 20, width: 28, height: 28 }, DigitBox { x: 0, y: 0, width: 28, height: 28 }];
        // On 60×80 pixels: (30, 40) against (24, 34), and a corner, clamped, against (14, 14).
        let at = |locations| Fixations { locations, looks: None, zooms: None };
        let step = Step::new(&at(&[0.0, 0.0, -3.0, -1.0]), retina, Some(&boxes), [60, 80]);
        let expected = [72f64.sqrt(), 392f64.sqrt()];
        assert!(step.distances.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", step.distances);
        assert!(Step::new(&at(&[0.0, 0.0]), retina, None, [60, 80]).distances.is_empty());
    }

    /// Compares the evaluation with the traces, image by image.
    #[test]
    fn what_is_counted_is_what_the_traces_show() {
        for sets in [
            &["policy.first=centre", "loss.baseline=learned"][..],
            &["model.core=lstm", "policy.init_std=1", "loss.baseline=learned"],
        ] {
            let checkpoint = trained("demo", sets);
            let found = evaluate(&checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
            let trained = Trained::of(&checkpoint).unwrap();
            let tracer = Tracer::new(&trained).unwrap();
            let examples = tracer.examples(SplitName::Validation, None).unwrap();
            let traces = tracer.trace(&examples, 0..examples.count);
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
            assert_ne!(found.error_after[0], found.error_after[2], "this test could not fail");

            let wrong = traces.iter().filter(|trace| trace.right() == Some(false));
            assert_eq!(found.wrong, wrong.map(|trace| trace.index as u32).collect::<Vec<_>>());
            let mut confusion = vec![vec![0; 10]; 10];
            for trace in &traces {
                confusion[trace.label.unwrap()][trace.answer()] += 1;
            }
            assert_eq!(found.confusion, confusion);
            // Two of the three steps choose a location.
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
    fn an_evaluation_of_games_has_each_frame_and_the_lost_games() {
        let sets = ["model.glimpses=23", "data.train=2000", "optimiser.learning_rate=0.003", "loss.entropy_weight=0"];
        let checkpoint = trained("catch", &sets);
        let found = evaluate(&checkpoint, SplitName::Validation, 1, None, Some(1)).unwrap();
        let trained = Trained::of(&checkpoint).unwrap();
        let examples = trained.examples(SplitName::Validation, None).unwrap();
        let traces = Tracer::new(&trained).unwrap().trace(&examples, 0..130);
        let lost = traces.iter().filter(|trace| trace.total() == 0.0).map(|trace| trace.index as u32);
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
