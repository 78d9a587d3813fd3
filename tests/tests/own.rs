//! Worlds of one's own: a game and a data set that the library does not know are trained into a run folder, and from that folder
//! alone evaluated, traced, drawn, played by somebody else and reported.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datasets::rng::{Key, Purpose, below};
use datasets::{DataError, DigitBox, Images, Labelled, ReadSplit, Split, Splits};
use ram::RamError;
use ram::config::{Canvas, Config, LossKind, Returns, Source};
use ram::environments::Environment;
use ram::evaluate::evaluator::evaluate_on;
use ram::evaluate::trace::Tracer;
use ram::evaluate::trained::Trained;
use ram::evaluation::Evaluation;
use ram::figures::animation::{Words, games};
use ram::figures::look::{Captions, look};
use ram::figures::svg::svg;
use ram::report;
use ram::runs::run_folder::{Existing, Name, RunFolder, Which};
use ram::runs::run_info::RunInfo;
use ram::split::SplitName;
use ram::tasks::{Classify, Examples, Play, Task, check_classes};
use ram::train::trainer::Trainer;
use rand::rngs::ChaCha8Rng;

/// A house of four rooms with two doors each, and a lamp above one of them. To go through the lit door is worth half a point.
#[derive(Clone, Default)]
struct House {
    /// The lit door of each room, and how high its lamp hangs.
    rooms: [(usize, usize); 4],
    room: usize,
}

impl House {
    fn lamp(&self) -> Option<(usize, usize)> {
        self.rooms.get(self.room).copied()
    }
}

impl Environment for House {
    fn size(&self) -> [usize; 2] {
        [6, 10]
    }
    fn actions(&self) -> &[&str] {
        &["west", "east"]
    }
    fn frames(&self) -> usize {
        self.rooms.len()
    }
    fn reset(&mut self, rng: &mut ChaCha8Rng) {
        self.rooms = self.rooms.map(|_| (below(rng, 2) as usize, below(rng, 5) as usize));
        self.room = 0;
    }
    fn screen(&self, pixels: &mut [u8]) {
        pixels.fill(0);
        if let Some((door, y)) = self.lamp() {
            let x = 1 + 6 * door;
            for row in [y, y + 1] {
                pixels[10 * row + x..][..2].fill(255);
            }
        }
    }
    fn step(&mut self, action: usize) -> f64 {
        let reward = self.lamp().map_or(0.0, |(door, _)| if door == action { 0.5 } else { 0.0 });
        self.room += usize::from(!self.done());
        reward
    }
    fn done(&self) -> bool {
        self.room == self.rooms.len()
    }
    fn best_return(&self) -> f64 {
        2.0
    }
    fn outcomes(&self) -> [&str; 2] {
        ["at home", "astray"]
    }
    fn target(&self) -> Option<DigitBox> {
        let (door, y) = self.lamp().unwrap_or_default();
        Some(DigitBox { x: 1 + 6 * door as u32, y: y as u32, width: 2, height: 2 })
    }
    fn oracle(&self) -> Option<usize> {
        self.lamp().map(|(door, _)| door)
    }
}

/// Bars that stand, lie or lean, on pictures of 12×12 pixels.
struct Bars;

const BARS: [&str; 3] = ["standing", "lying", "leaning"];

impl Bars {
    fn draw(&self, split: Split, count: usize) -> Result<ReadSplit, DataError> {
        let (mut pixels, mut labels) = (vec![0; count * 12 * 12], Vec::new());
        for (image, sample) in pixels.chunks_exact_mut(12 * 12).zip(0..) {
            let rng = &mut Key { seed: 3, purpose: Purpose::Shape, epoch: split as u64, sample }.stream();
            let (label, place) = (below(rng, 3) as u8, 2 + below(rng, 8) as usize);
            for i in 0..12 {
                let [row, column] = [[i, place], [place, i], [i, i]][usize::from(label)];
                image[12 * row + column] = 255;
            }
            labels.push(label);
        }
        ReadSplit::new(Labelled::new(Images::new(pixels, 1, 12, 12)?, labels, 3)?, BARS)
    }
}

impl datasets::Source for Bars {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Ok(Splits { train: self.draw(Split::Train, 600)?, validation: self.draw(Split::Validation, 100)? })
    }
    fn test(&self) -> Result<ReadSplit, DataError> {
        self.draw(Split::Test, 200)
    }
    fn object_fills_image(&self) -> bool {
        true
    }
}

/// A configuration that trains in seconds.
fn small(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.data.source = Source::Own;
    (config.model.patch, config.model.scales, config.model.glimpses) = (4, 2, 4);
    (config.model.features, config.model.glimpse_features, config.model.hidden) = (32, 64, 64);
    (config.optimiser.learning_rate, config.train.batch) = (3e-3, 20);
    change(&mut config);
    config
}

fn house() -> Config {
    small(|config| {
        (config.data.train, config.data.validation, config.data.test) = (800, 100, 300);
        (config.loss.kind, config.loss.returns, config.loss.discount) = (LossKind::Reinforce, Returns::ToGo, 0.1);
        (config.loss.entropy_weight, config.policy.std, config.train.epochs) = (0.05, 0.3, 8);
    })
}

fn bars() -> Config {
    small(|config| {
        (config.data.canvas, config.data.size) = (Canvas::Translated, 16);
        config.train.epochs = 5;
    })
}

/// Trains into the folder `runs/NAME`, which is all that stays.
fn train(runs: &Path, name: &str, config: &Config, task: Arc<dyn Task>) -> PathBuf {
    let info = RunInfo::new("tests", vec!["a test".to_owned()], config);
    let mut run = RunFolder::create(runs, Name::Given(name), config, &info, Existing::Refuse).unwrap();
    let mut trainer = Trainer::of(task, config.clone(), None, Some(1)).unwrap();
    trainer.train(Some(&mut run), &AtomicBool::new(false), &mut ()).unwrap();
    run.path().to_owned()
}

/// A run of a task of one's own, from its folder alone: the network, its test examples, and how it fares on them.
fn restore(path: &Path, task: impl FnOnce() -> Arc<dyn Task>) -> (Trained, Examples, Evaluation) {
    let checkpoint = RunFolder::read(path, Which::Best).unwrap();
    let trained = Trained::for_task(task(), &checkpoint).unwrap();
    let examples = trained.examples(SplitName::Test, None).unwrap();
    let found = evaluate_on(&trained.config, trained.subject(), &examples, 1);
    (trained, examples, found)
}

/// The report of a run on the test part: the page, and the data in it.
fn report(path: &Path, task: Arc<dyn Task>) -> (String, serde_json::Value) {
    let options = report::Options { task: Some(task), split: SplitName::Test, count: 6, ..report::Options::default() };
    let page = std::fs::read_to_string(report::write(path, None, &options).unwrap()).unwrap();
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data = serde_json::from_str(data).unwrap();
    (page, data)
}

#[test]
fn a_game_of_ones_own_is_trained_evaluated_traced_drawn_played_and_reported() {
    let runs = tempfile::tempdir().unwrap();
    let task = || -> Arc<dyn Task> { Arc::new(Play::new(House::default())) };
    let path = train(runs.path(), "house", &house(), task());
    let (trained, examples, found) = restore(&path, task);

    let players = trained.task.scripted(&trained.config).unwrap();
    assert!((0.4..0.6).contains(&players.random) && players.oracle == Some(0.0), "{players:?}");
    assert!(found.count == 300 && found.error < 0.1, "of the best return {} is missed", found.error);
    assert_eq!((trained.outputs.as_slice(), found.tracking.len()), (["west", "east"].map(String::from).as_slice(), 4));
    assert!(found.on_digit.is_some_and(|share| share > 0.0 && share < 1.0), "{:?}", found.on_digit);

    // What the traces show is what was evaluated.
    let tracer = Tracer::new(&trained).unwrap();
    let traces = tracer.trace(&examples, 0..examples.count);
    let missed: f64 = traces.iter().map(|trace| 1.0 - trace.total() / 2.0).sum();
    assert!((missed / 300.0 - found.error).abs() < 1e-9, "{missed}");
    for trace in &traces {
        assert_eq!([trace.channels, trace.height, trace.width, trace.pictures.len()], [1, 6, 10, 5]);
        // The lamp of a room, and then the dark.
        for (step, glimpse) in trace.glimpses.iter().enumerate() {
            let lit = trace.picture(step).iter().position(|&x| x > 0).unwrap();
            assert_eq!(glimpse.reward, if glimpse.action == Some(lit % 10 / 6) { 0.5 } else { 0.0 });
        }
        assert!(trace.picture(4).iter().all(|&x| x == 0));
    }
    // How far each glimpse is from the middle of the lamp that hung there then.
    for (step, distance) in found.distance.iter().enumerate() {
        let away = traces.iter().map(|trace| {
            let (lit, [x, y]) =
                (trace.picture(step).iter().position(|&x| x > 0).unwrap(), trace.glimpses[step].location);
            let (dx, dy) = ((x + 1.0) * 5.0 - (lit % 10 + 1) as f64, (y + 1.0) * 3.0 - (lit / 10 + 1) as f64);
            (dx * dx + dy * dy).sqrt()
        });
        let mean = away.sum::<f64>() / 300.0;
        assert!((mean - distance).abs() < 1e-5, "glimpse {step}: {mean} and {distance}");
    }

    let rules = House::default();
    let words = Words { actions: tracer.classes(), outcomes: rules.outcomes() };
    let film = games(&traces[..4], &words, "House");
    assert!(film.starts_with(b"GIF89a") && film != games(&traces[4..8], &words, "House"));

    // Somebody else plays: one who knows everything, and one who does the opposite.
    for (best, total) in [(true, 2.0), (false, 0.0)] {
        let mut game: Box<dyn Environment> = Box::new(House::default());
        game.reset(&mut Key { seed: 1, purpose: Purpose::Game, epoch: 0, sample: 0 }.stream());
        let mut frames = 0;
        let played = tracer.look_on(&mut game, 0, &mut |game, windows| {
            frames += 1;
            assert_eq!(windows.iter().map(|window| window.side).collect::<Vec<_>>(), [4, 8]);
            let door = game.oracle().unwrap();
            if best { door } else { 1 - door }
        });
        assert_eq!((played, frames), (total, 4));
    }

    let (page, data) = report(&path, trained.task.clone());
    assert_eq!((&data["kind"], &data["run"], &data["split"]), (&"game".into(), &"house".into(), &"test".into()));
    assert_eq!(data["found"]["error"].as_f64(), Some(found.error));
    assert_eq!(data["items"].as_array().map(Vec::len), Some(6));
    // ρ of 2 × 4² and l to 32 each, both to 64; the state to the state, to a place and to one of two actions.
    let [seeing, core, deciding] = [(32 + 1 + 2 + 1) * 32 + 2 * (32 + 1) * 64, 2 * (64 + 1) * 64, (64 + 1) * (2 + 2)];
    assert_eq!(data["parameters"].as_u64(), Some((seeing + core + deciding) as u64));
    assert!(page.contains("a task from another program") && !page.contains("built-in digits"), "{}", data["about"]);
}

#[test]
fn data_of_ones_own_are_trained_on_evaluated_traced_drawn_and_reported() {
    let runs = tempfile::tempdir().unwrap();
    let task = || -> Arc<dyn Task> { Arc::new(Classify::with(Bars)) };
    let path = train(runs.path(), "bars", &bars(), task());
    let (trained, examples, found) = restore(&path, task);

    assert_eq!((trained.outputs.as_slice(), examples.size()), (BARS.map(String::from).as_slice(), [1, 16, 16]));
    assert!(found.count == 200 && found.error < 0.1, "{} are wrong", found.error);
    assert_eq!(found.confusion.iter().flatten().sum::<u32>(), 200);
    assert!(found.on_digit.is_some_and(|share| share > 0.5), "a bar fills its picture: {:?}", found.on_digit);

    let tracer = Tracer::new(&trained).unwrap();
    let traces = tracer.trace(&examples, 0..examples.count);
    let wrong = traces.iter().filter(|trace| trace.right() == Some(false)).map(|trace| trace.index as u32);
    assert_eq!(found.wrong, wrong.collect::<Vec<_>>());
    let images = examples.images.as_ref().unwrap();
    assert!(traces.iter().all(|trace| trace.picture(0) == &*images.rows(trace.index) && trace.glimpses.len() == 4));

    let captions = Captions { title: "Bars".into(), subtitle: "a test".into(), classes: tracer.classes().to_vec() };
    let drawn = svg(&look(&traces[..4], &captions));
    let answers = traces[..4].iter().map(|trace| BARS[trace.answer()]);
    assert!(drawn.starts_with("<svg") && answers.clone().all(|name| drawn.contains(name)), "{drawn}");

    let (page, data) = report(&path, trained.task.clone());
    assert_eq!((&data["kind"], &data["classes"]), (&"ram".into(), &BARS.as_slice().into()));
    assert_eq!(data["found"]["error"].as_f64(), Some(found.error));
    assert_eq!(data["items"].as_array().map(Vec::len), Some(6));
    assert!(page.contains("a task from another program") && !page.contains("built-in digits"), "{}", data["about"]);
}

/// Who wins half of what there is to win has not lost, whatever the best return is.
#[test]
fn a_game_is_lost_below_half_of_its_best_return() {
    let runs = tempfile::tempdir().unwrap();
    let mut config = house();
    (config.data.train, config.train.epochs) = (20, 1);
    let task = || -> Arc<dyn Task> { Arc::new(Play::new(House::default())) };
    let path = train(runs.path(), "house", &config, task());
    let (trained, examples, found) = restore(&path, task);
    let traces = Tracer::new(&trained).unwrap().trace(&examples, 0..examples.count);
    let lost: Vec<u32> = traces.iter().filter(|trace| trace.total() < 1.0).map(|trace| trace.index as u32).collect();
    let ends = |total: f64| traces.iter().any(|trace| trace.total() == total);
    assert!(ends(0.5) && ends(1.0) && ends(1.5), "it has not learned yet which door to take");
    assert_eq!(found.wrong, lost);
}

/// The validation of a training is on the examples that an evaluation takes.
#[test]
fn training_and_evaluation_have_the_same_validation() {
    let tasks: [(Arc<dyn Task>, Config); 2] =
        [(Arc::new(Play::new(House::default())), house()), (Arc::new(Classify::with(Bars)), bars())];
    for (task, config) in tasks {
        let [during, after] = [
            task.training(&config, None).unwrap().validation,
            task.examples(&config, SplitName::Validation, None).unwrap(),
        ];
        let seen = |examples: &Examples| {
            examples.inputs(0..examples.count, 0, |inputs| {
                let digits = inputs.pictures.digits(0).map(<[DigitBox]>::to_vec);
                (inputs.pictures.pixels(0).to_vec(), inputs.labels.to_vec(), digits, inputs.key.epoch)
            })
        };
        assert_eq!((during.count, &during.outputs, seen(&during)), (after.count, &after.outputs, seen(&after)));
        assert_eq!(during.count, 100);
        assert_eq!([4..4, 4..5].map(|range| after.inputs(range, 0, |inputs| inputs.is_empty())), [true, false]);
    }
}

/// `Bars`, of which nobody says that they fill their pictures.
struct Somewhere;

impl datasets::Source for Somewhere {
    fn train_validation(&self) -> Result<Splits, DataError> {
        Bars.train_validation()
    }
    fn test(&self) -> Result<ReadSplit, DataError> {
        Bars.test()
    }
}

/// Only where an object fills its picture it is known where it lies.
#[test]
fn an_object_that_does_not_fill_its_picture_is_nowhere() {
    for (task, expected) in [(Classify::with(Bars), true), (Classify::with(Somewhere), false)] {
        for split in [SplitName::Validation, SplitName::Test] {
            let examples = task.examples(&bars(), split, None).unwrap();
            let [boxes, digits] = examples.inputs(0..9, 0, |inputs| {
                [inputs.pictures.boxes(0), inputs.pictures.digits(0)]
                    .map(|found| found.is_some_and(|all| all.len() == 9))
            });
            assert_eq!([boxes, digits], [true, expected], "{split:?}");
        }
    }
}

/// Data whose classes are others than those of the training, or in another order, are refused with both lists.
#[test]
fn other_classes_than_those_of_the_training_are_told() {
    let [trained, found] = [["cat", "dog"], ["dog", "cat"]].map(|names| names.map(str::to_owned));
    assert!(check_classes(&trained, &trained).is_ok());
    let says = "the data have the classes dog, cat, but the run was trained on cat, dog; ";
    let error = check_classes(&trained, &found).expect_err("another order");
    assert!(matches!(&error, RamError::Data(text) if text.starts_with(says)), "{error}");
    assert!(check_classes(&trained, &found[..1]).is_err());
}

/// Examples are drawn in parts of at most 64 MiB: 16 MiB are an image of 4096×4096 pixels, or a frame of a clip.
#[test]
fn parts_of_large_examples_are_small() {
    let parts = |frames: usize, size: usize, most: usize| -> Vec<std::ops::Range<usize>> {
        let mut config = bars();
        config.data.size = size;
        if frames > 1 {
            (config.data.canvas, config.data.frames, config.model.glimpses) = (Canvas::Moving, frames, frames);
        }
        let examples = Classify::with(Bars).examples(&config, SplitName::Test, None).unwrap();
        examples.chunks(3..13, most).collect()
    };
    assert_eq!(parts(1, 4096, 100), [3..7, 7..11, 11..13]);
    assert_eq!(parts(1, 4096, 3), [3..6, 6..9, 9..12, 12..13]);
    assert_eq!(parts(2, 4096, 100), [3..5, 5..7, 7..9, 9..11, 11..13]);
    assert_eq!(parts(1, 16, 9), [3..12, 12..13]);
}

/// A training that was stopped goes on to the same bits, though the task is known to the caller alone.
#[test]
fn a_task_of_ones_own_is_resumed() {
    let runs = tempfile::tempdir().unwrap();
    let config = Config { train: ram::config::Train { epochs: 2, ..house().train }, ..house() };
    let task: Arc<dyn Task> = Arc::new(Play::new(House::default()));
    let trainer = || Trainer::of(task.clone(), config.clone(), None, Some(1)).unwrap();
    let go_on = AtomicBool::new(false);
    let mut whole = trainer();
    whole.train(None, &go_on, &mut ()).unwrap();

    let info = RunInfo::new("tests", Vec::new(), &config);
    let mut run = RunFolder::create(runs.path(), Name::Given("house"), &config, &info, Existing::Refuse).unwrap();
    trainer().train_until(1, Some(&mut run), &go_on, &mut ()).unwrap();
    let path = run.path().to_owned();
    drop(run);
    let mut resumed = trainer();
    resumed.restore(RunFolder::resume(&path).unwrap().checkpoint).unwrap();
    assert_ne!(resumed.weights_hash(), whole.weights_hash());
    resumed.train(None, &go_on, &mut ()).unwrap();
    assert_eq!(resumed.weights_hash(), whole.weights_hash());
}

/// Whoever asks for such a run without its task is told what is missing.
#[test]
fn without_the_task_the_run_of_another_program_is_refused() {
    let runs = tempfile::tempdir().unwrap();
    let config = Config { train: ram::config::Train { epochs: 1, ..bars().train }, ..bars() };
    let path = train(runs.path(), "bars", &config, Arc::new(Classify::with(Bars)));
    let checkpoint = RunFolder::read(&path, Which::Best).unwrap();
    let refused = [
        Trained::of(&checkpoint).err(),
        Trainer::new(config, None, Some(1)).err(),
        report::gather(&path, &report::Options::default()).err(),
    ];
    for error in refused {
        let error = error.expect("an error");
        let says = "data.source is own: the task belongs to the program that trained on it";
        assert!(matches!(&error, RamError::Config(text) if text.contains(says)), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
    // A task that does not fit the configuration of the run is refused.
    let other = Trained::for_task(Arc::new(Play::new(House::default())), &checkpoint).unwrap();
    assert!(matches!(other.examples(SplitName::Test, None), Err(RamError::Config(_))));
}
