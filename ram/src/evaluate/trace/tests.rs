use std::sync::atomic::AtomicBool;

use datasets::rng::{Key, Purpose};

use super::super::evaluator::evaluate;
use super::*;
use crate::config::Base;
use crate::losses::Losses;
use crate::model::retina::Sampling;
use crate::runs::checkpoint::Checkpoint;
use crate::runs::metrics::EpochMetrics;
use crate::runs::run_folder::{Existing, Name, RunFolder, Which};
use crate::runs::run_info::RunInfo;
use crate::train::trainer::{Progress, Trainer};

struct Silent;
impl Progress for Silent {
    fn step(&mut self, _: usize, _: usize, _: usize, _: usize, _: usize, _: &Losses) {}
    fn epoch(&mut self, _: &EpochMetrics, _: f64, _: f64) {}
}

const TINY: [&str; 9] = [
    "data.train=300",
    "data.validation=130",
    "data.test=130",
    "model.features=16",
    "model.glimpse_features=16",
    "model.hidden=16",
    "model.glimpses=3",
    "train.epochs=3",
    "train.batch=32",
];

/// The checkpoint of a small run after a short training.
pub(crate) fn trained(preset: &str, sets: &[&str]) -> Checkpoint {
    let sets: Vec<String> = TINY.iter().chain(sets).map(|&set| set.to_owned()).collect();
    let base = if preset == "catch" { Base::Experiment(preset) } else { Base::Preset(preset) };
    let config = Config::load(base, &sets).unwrap();
    let runs = tempfile::tempdir().unwrap();
    let info = RunInfo::new("train", Vec::new(), &config);
    let mut run = RunFolder::create(runs.path(), Name::Given("a"), &config, &info, Existing::Refuse).unwrap();
    let mut trainer = Trainer::new(config, None, Some(1)).unwrap();
    trainer.train(Some(&mut run), &AtomicBool::new(false), &mut Silent).unwrap();
    RunFolder::read(run.path(), Which::Last).unwrap()
}

/// There are more images than in one chunk, so that the test covers the border between chunks.
#[test]
fn a_trace_is_the_episode_that_evaluation_counts() {
    for sets in [
        &["data.size=40"][..],
        &["model.retina=bilinear", "policy.first=centre", "model.scales=1", "data.size=28"],
        &["policy.locations=random", "model.core=lstm"],
        &["policy.grid=4"],
    ] {
        let checkpoint = trained("demo", sets);
        let trained = Trained::of(&checkpoint).unwrap();
        let tracer = Tracer::new(&trained).unwrap();
        for split in [SplitName::Validation, SplitName::Test] {
            let found = evaluate(&checkpoint, split, 1, None, Some(1)).unwrap();
            let set = tracer.examples(split, None).unwrap();
            let traces = tracer.trace(&set, 0..set.count);
            let wrong = traces.iter().filter(|trace| trace.right() == Some(false)).count();
            assert!(found.error > 0.0 && found.error < 1.0, "{sets:?}: this test could not fail");
            assert_eq!(wrong as f64 / traces.len() as f64, found.error, "{sets:?} {split:?}");
            // If the loss and the spread of the locations are equal, the probabilities and locations are the same.
            let loss = |trace: &Trace| {
                -math::ln(trace.glimpses.last().unwrap().probabilities[trace.label.unwrap()]) / traces.len() as f64
            };
            assert!((traces.iter().map(loss).sum::<f64>() - found.loss).abs() < 1e-6, "{sets:?} {split:?}");
            for (step, spread) in found.fixation_spread.iter().enumerate() {
                let of = |axis: usize| {
                    let l: Vec<f64> = traces.iter().map(|trace| trace.glimpses[step].location[axis]).collect();
                    let mean = l.iter().sum::<f64>() / l.len() as f64;
                    l.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / l.len() as f64
                };
                assert!((of(0) + of(1) - spread).abs() < 1e-9, "{sets:?} {split:?} {step}");
            }
            // A part of the set has the same traces as in the whole set.
            assert_eq!(tracer.trace(&set, 97..103), traces[97..103]);
        }
    }
}

/// ρ holds the mean grey levels of the blocks in each window, with black outside of the image.
#[test]
fn windows_are_where_the_pixels_were_read() {
    let checkpoint = trained("demo", &["policy.std=0.9", "policy.init_std=2"]);
    let trained = Trained::of(&checkpoint).unwrap();
    let tracer = Tracer::new(&trained).unwrap();
    assert_eq!(tracer.retina().sampling, Sampling::Crop);
    let set = tracer.examples(SplitName::Validation, None).unwrap();
    let (mut outside, mut lit) = (0, 0);
    for trace in tracer.trace(&set, 0..60) {
        for glimpse in &trace.glimpses {
            let patch = tracer.retina().patch;
            for (scale, window) in glimpse.windows.iter().enumerate() {
                assert_eq!(window.side as usize, patch << scale);
                let block = 1 << scale;
                for (cell, &rho) in glimpse.rho[scale * patch * patch..][..patch * patch].iter().enumerate() {
                    let (row, column) = ((cell / patch) as i64, (cell % patch) as i64);
                    let mut sum = 0.0;
                    for (y, x) in (0..block * block).map(|i| (i / block, i % block)) {
                        let (x, y) = (window.x + column * block + x, window.y + row * block + y);
                        let inside = (0..trace.width as i64).contains(&x) && (0..trace.height as i64).contains(&y);
                        outside += usize::from(!inside);
                        if inside {
                            sum += f64::from(trace.picture(0)[y as usize * trace.width + x as usize]);
                        }
                    }
                    lit += usize::from(sum > 0.0);
                    let mean = sum / (255 * block * block) as f64;
                    assert!((f64::from(rho) - mean).abs() < 1e-6, "scale {scale}, cell {cell}: {rho}, {mean}");
                }
            }
        }
    }
    assert!(outside > 0 && lit > 0, "{outside} {lit}");
}

#[test]
fn any_image_can_be_looked_at_and_the_splits_first_is_traced_as_there() {
    let checkpoint = trained("demo", &[]);
    let trained = Trained::of(&checkpoint).unwrap();
    let tracer = Tracer::new(&trained).unwrap();
    let set = tracer.examples(SplitName::Test, None).unwrap();
    let mut first = tracer.trace(&set, 0..1).remove(0);
    let images = set.images.as_ref().unwrap();
    let rows = images.rows(0);
    let again = tracer.trace_image(&rows, Layout::rows(images.layout().size()), 1).unwrap();
    assert_eq!((first.label.take().is_some(), again.right()), (true, None));
    assert_eq!(again, first);
    assert_eq!(tracer.trace_image(&[9; 15], Layout::rows([1, 3, 5]), 1).unwrap().glimpses.len(), 3);
    for (pixels, size) in [(12, [3, 2, 2]), (5, [1, 2, 2]), (0, [1, 0, 0])] {
        let error = tracer.trace_image(&vec![0; pixels], Layout::rows(size), 1).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("images of 1 channels"), "{error}");
    }
    assert!(tracer.trace(&set, 5..5).is_empty());
}

#[test]
fn a_games_trace_is_the_game_that_evaluation_counts() {
    let checkpoint = trained(
        "catch",
        &["model.glimpses=23", "data.train=2000", "optimiser.learning_rate=0.003", "loss.entropy_weight=0"],
    );
    let trained = Trained::of(&checkpoint).unwrap();
    let tracer = Tracer::new(&trained).unwrap();
    assert!(tracer.plays() && tracer.classes() == ["left", "stay", "right"]);
    for split in [SplitName::Validation, SplitName::Test] {
        let found = evaluate(&checkpoint, split, 1, None, Some(1)).unwrap();
        let traces = tracer.trace(&tracer.examples(split, None).unwrap(), 0..130);
        let lost = 1.0 - traces.iter().map(Trace::total).sum::<f64>() / 130.0;
        assert!((lost - found.error).abs() < 1e-12, "{split:?}: {lost}, {}", found.error);
        let fixed = |step: usize, axis: usize| {
            let l: Vec<f64> = traces.iter().map(|trace| trace.glimpses[step].location[axis]).collect();
            let mean = l.iter().sum::<f64>() / l.len() as f64;
            l.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / l.len() as f64
        };
        for (step, spread) in found.fixation_spread.iter().enumerate() {
            assert!((fixed(step, 0) + fixed(step, 1) - spread).abs() < 1e-9);
        }
        for trace in &traces {
            assert_eq!((trace.glimpses.len(), trace.glimpses[0].windows.len()), (23, 3));
            assert_eq!((trace.height, trace.width, trace.pictures.len()), (24, 24, 24));
            assert_eq!(trace.right(), Some(trace.total() == 1.0));
            // In each frame the ball falls by one row, and the action moves the paddle.
            let lit = |screen: &[u8]| -> Vec<usize> { (0..576).filter(|&at| screen[at] == 255).collect() };
            for (row, glimpse) in trace.glimpses.iter().enumerate() {
                let (now, then) = (lit(trace.picture(row)), lit(trace.picture(row + 1)));
                assert_eq!((now[0] / 24, now.len()), (row, 3));
                let action = glimpse.action.unwrap();
                let moved = (now[1] % 24 + action).clamp(1, 23) - 1;
                assert!(then.contains(&(23 * 24 + moved)), "frame {row}");
                assert_eq!(action, argmax(&glimpse.probabilities));
                assert!((glimpse.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
    }
    // With the agent's own moves `look_on` repeats the agent's game; with other moves the agent only looks on.
    let examples = tracer.examples(SplitName::Validation, None).unwrap();
    let trace = tracer.trace(&examples, 4..5).remove(0);
    let key = Key { seed: FIXED_SEED, purpose: Purpose::Game, epoch: VALIDATION_GAMES, sample: 4 };
    let begun = || {
        let mut game = (crate::environments::game("catch").unwrap().open)(24).unwrap();
        game.reset(&mut key.stream());
        game
    };
    let screen = |game: &dyn Environment| {
        let mut pixels = vec![0; 576];
        game.screen(&mut pixels);
        pixels
    };
    let (mut game, mut step) = (begun(), 0);
    let total = tracer.look_on(&mut game, 4, &mut |game, windows| {
        let glimpse = &trace.glimpses[step];
        assert_eq!((&*screen(game), windows), (trace.picture(step), &glimpse.windows[..]));
        step += 1;
        glimpse.action.unwrap()
    });
    assert_eq!((total, &*screen(&*game)), (trace.total(), trace.picture(23)));
    assert_eq!(tracer.look_on(&mut begun(), 4, &mut |game, _| game.oracle().unwrap()), 1.0);
    assert!(tracer.trace(&examples, 0..0).is_empty());
    assert_eq!(tracer.trace_image(&[0; 4], Layout::rows([1, 2, 2]), 1).unwrap_err().exit_code(), 2);
}

#[test]
fn a_network_that_sees_everything_has_no_glimpses() {
    for kind in ["fc", "conv"] {
        let checkpoint = trained("demo", &[&format!("model.kind={kind}")]);
        let trained = Trained::of(&checkpoint).unwrap();
        let error = Tracer::new(&trained).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(&format!("model.kind is {kind}")), "{error}");
    }
}

#[test]
fn a_glimpse_is_seen_with_the_gains_of_its_patches() {
    // Two channels of two patches of four numbers.
    let glimpse = Glimpse { rho: vec![0.1; 16], gains: vec![2.0, 4.0], ..Glimpse::default() };
    let expected: Vec<u8> = [51, 102, 51, 102].into_iter().flat_map(|byte| [byte; 4]).collect();
    assert_eq!(glimpse.seen(2), expected);
    let bright = Glimpse { gains: vec![0.5, 20.0], ..glimpse };
    assert_eq!(bright.seen(2)[..8], [13, 13, 13, 13, 255, 255, 255, 255]);

    let sets = ["model.scales=2", "model.zoom=1", "model.gain=0.5", "model.coarse_gain=2", "policy.zooms=2"];
    let checkpoint = trained("demo", &sets);
    let trained = Trained::of(&checkpoint).unwrap();
    let tracer = Tracer::new(&trained).unwrap();
    let traced = tracer.trace(&tracer.examples(SplitName::Test, None).unwrap(), 0..1);
    for glimpse in &traced[0].glimpses {
        // 0.5 · 2ˢ⁺¹⁺ᶻ
        let finest = [1.0, 2.0][glimpse.zoom.unwrap()];
        assert_eq!(glimpse.gains, [finest, 2.0 * finest]);
    }
}
