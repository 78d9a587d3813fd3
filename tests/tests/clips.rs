//! Clips: the agent is shown a new frame at each glimpse, in training, in evaluation and in traces; and the bits.

use std::sync::atomic::AtomicBool;

use autograd::{Params, Shape, Tape};
use ram::config::{Canvas, Config, Source};
use ram::evaluate::evaluator::evaluate_on;
use ram::evaluate::trace::Tracer;
use ram::evaluate::trained::Trained;
use ram::model::{First, Images, Locations, Mean};
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::tasks::{self, Inputs};
use ram::train::trainer::Trainer;
use tests::{kernel_paths, on_path};

const FRAMES: usize = 5;

fn config(locations: Locations) -> Config {
    let mut config = Config { seed: 5, ..Config::default() };
    (config.data.source, config.data.canvas, config.data.size) = (Source::Digits, Canvas::Moving, 44);
    (config.data.frames, config.data.clutter, config.data.scale) = (FRAMES, 2, [0.75, 1.25]);
    (config.data.train, config.data.validation, config.data.test) = (300, 60, 10);
    (config.model.glimpses, config.model.scales, config.model.patch) = (FRAMES, 2, 8);
    (config.model.features, config.model.glimpse_features, config.model.hidden) = (24, 32, 32);
    (config.policy.locations, config.policy.mean, config.policy.first) = (locations, Mean::Inside, First::Inside);
    (config.train.epochs, config.train.batch, config.train.samples, config.optimiser.learning_rate) = (1, 50, 2, 3e-3);
    config
}

/// A trained agent, and the folder that its run is in.
fn trained(config: &Config) -> (Trained, tempfile::TempDir) {
    let runs = tempfile::tempdir().unwrap();
    let info = RunInfo::new("train", vec![], config);
    let mut run = RunFolder::create(runs.path(), Name::Given("a"), config, &info, Existing::Refuse).unwrap();
    let mut trainer = Trainer::new(config.clone(), None, Some(1)).unwrap();
    trainer.train(Some(&mut run), &AtomicBool::new(false), &mut ()).unwrap();
    (Trained::of(&RunFolder::read(run.path(), Which::Last).unwrap()).unwrap(), runs)
}

/// The middle of each glimpse, in pixels.
fn fixation(location: [f64; 2]) -> [f64; 2] {
    location.map(|l| (l + 1.0) / 2.0 * 44.0)
}

#[test]
fn each_glimpse_is_of_its_own_frame() {
    let (trained, _runs) = trained(&config(Locations::Learned));
    let tracer = Tracer::new(&trained).unwrap();
    let examples = trained.examples(SplitName::Validation, None).unwrap();
    let traces = tracer.trace(&examples, 0..60);
    let params = Params::<f32>::new();
    let mut tape = Tape::new();
    for trace in &traces {
        assert_eq!((trace.pictures.len(), trace.glimpses.len()), (FRAMES, FRAMES));
        assert!(trace.pictures.windows(2).all(|two| two[0] != two[1]), "nothing moved");
        let t = tape.begin(&params);
        for (step, glimpse) in trace.glimpses.iter().enumerate() {
            let images = Images::Pixels { data: trace.picture(step), shape: Shape::new(&[1, 1, 44, 44]) };
            let l = t.constant([1, 2], &glimpse.location.map(|l| l as f32));
            assert_eq!(glimpse.rho, tracer.retina().sense(&t, images, l).to_vec(), "glimpse {}", step + 1);
        }
    }
    // The evaluation sees the same, whatever else is in its chunk.
    let found = tracer.evaluate(&examples);
    let wrong = traces.iter().filter(|trace| trace.right() == Some(false)).count();
    assert_eq!(found.error, wrong as f64 / 60.0);
    let again = traces[33].clone();
    assert_eq!(tracer.trace(&examples, 33..34), [again]);
}

/// The oracle's glimpse at frame t is near the digit where it lies in frame t: at most 2/7 of its box away on each axis.
#[test]
fn an_oracle_follows_the_digit_and_a_still_gaze_does_not() {
    let (mut distances, mut farthest) = (Vec::new(), 0.0_f64);
    for locations in [Locations::Oracle, Locations::Still] {
        let (trained, _runs) = trained(&config(locations));
        let examples = trained.examples(SplitName::Validation, None).unwrap();
        let traces = Tracer::new(&trained).unwrap().trace(&examples, 0..60);
        if locations == Locations::Still {
            let stays = |trace: &ram::evaluate::trace::Trace| {
                trace.glimpses.iter().all(|glimpse| glimpse.location == trace.glimpses[0].location)
            };
            assert!(traces.iter().all(stays));
        } else {
            examples.inputs(0..60, 0, |inputs| {
                for (i, trace) in traces.iter().enumerate() {
                    for (step, glimpse) in trace.glimpses.iter().enumerate().skip(1) {
                        let digit = inputs.pictures.boxes(step).unwrap()[i];
                        let [x, y] = fixation(glimpse.location);
                        let away = |at: f64, start: u32, len: u32| {
                            (at - f64::from(start) - f64::from(len) / 2.0).abs() / f64::from(len)
                        };
                        farthest = farthest.max(away(x, digit.x, digit.width)).max(away(y, digit.y, digit.height));
                    }
                }
            });
        }
        let found = evaluate_on(&trained.config, trained.subject(), &examples, 1);
        distances.push(found.distance[1..].iter().sum::<f64>() / (FRAMES - 1) as f64);
    }
    assert!((0.25..=2.0 / 7.0 + 1e-6).contains(&farthest), "{farthest}");
    assert!(distances[0] < 7.0 && distances[1] > distances[0] + 2.0, "{distances:?}");
}

/// A piece of a training batch knows where its own digits lie, frame by frame, as an oracle must.
#[test]
fn a_part_of_a_batch_has_its_frames_and_boxes() {
    let config = config(Locations::Oracle);
    let mut batches = tasks::named(&config).unwrap().training(&config, None).unwrap().batches;
    batches.begin(0, 0);
    let batch = batches.next_batch().unwrap().unwrap();
    let (part, all) = (Inputs::of_batch(batch, 10..15, 1, 0, 2), batch.len());
    assert_eq!((part.pictures.frames(), all, part.len()), (FRAMES, 50, 5));
    for step in 0..FRAMES {
        assert_eq!(part.pictures.boxes(step), Some(&batch.boxes[step * all + 10..step * all + 15]));
        assert_eq!(part.pictures.pixels(step), &batch.pixels[(step * all + 10) * 44 * 44..(step * all + 15) * 44 * 44]);
    }
}

fn trained_with(threads: usize) -> String {
    let mut trainer = Trainer::new(config(Locations::Learned), None, Some(threads)).unwrap();
    trainer.train(None, &AtomicBool::new(false), &mut ()).unwrap();
    trainer.weights_hash()
}

#[test]
fn neither_threads_nor_kernels_show() {
    let one = trained_with(1);
    assert_eq!(one, trained_with(3));
    for path in kernel_paths() {
        assert_eq!(on_path(path, "train_on_this_path"), format!("{path} {one}"));
    }
}

#[test]
#[ignore = "runs in a process of its own, for each path"]
fn train_on_this_path() {
    println!("RESULT {} {}", ram::kernel_path(), trained_with(2));
}
