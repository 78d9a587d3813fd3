//! Training gives the same bytes whatever the number of threads, the kernels' path, and interruptions.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use autograd::op::{Backward, Forward, Op, Setup};
use autograd::optim::{Adam, Optimiser};
use autograd::{Grads, ParamId, Params, Real, Shape, Tape, accumulate};
use datasets::rng::{Key, Purpose};
use ram::config::{Base, Canvas, Config, Reward, Source};
use ram::data::TrainingData;
use ram::losses::{Losses, Objective};
use ram::model::{Agent, Decisions, DrawKey, Draws, Images, Mode};
use ram::network::agent_options;
use ram::runs::checkpoint::{self, Tensor};
use ram::runs::metrics::EpochMetrics;
use ram::runs::run_folder::{Existing, Name, RunFolder};
use ram::runs::run_info::RunInfo;
use ram::tasks::classify::hybrid_loss;
use ram::train::trainer::{Outcome, Progress, Trainer};
use tests::{assert_same, bits, kernel_paths, on_path};

/// The weights after the training of [`config`], on every machine. A change of the arithmetic, of a stream of random
/// numbers or of the built-in digits changes it; nothing else may.
const RECORDED: &str = "9851df9ebf81b82a0d8c0268bbc054c46f206f782f59cf8d9579bee516019e1a";

const EPOCHS: usize = 10;
const STEPS: usize = 21;

/// A small model on translated digits, at batch 128 with 44 images in the last batch of an epoch: 210 steps.
fn config() -> Config {
    let mut config = Config { seed: 7, ..Config::default() };
    (config.data.source, config.data.canvas, config.data.size) = (Source::Digits, Canvas::Translated, 40);
    (config.data.train, config.data.validation, config.data.test) = (128 * (STEPS - 1) + 44, 100, 100);
    (config.model.glimpses, config.model.scales) = (3, 2);
    (config.model.features, config.model.glimpse_features, config.model.hidden) = (24, 48, 48);
    config.train.epochs = EPOCHS;
    config
}

/// Asks the training to stop after these steps of the whole run, from 1.
struct StopAfter<'a> {
    stop: &'a AtomicBool,
    after: Option<usize>,
    steps: usize,
}

impl Progress for StopAfter<'_> {
    fn step(&mut self, epoch: usize, _: usize, step: usize, steps: usize, _: usize, _: &Losses) {
        self.steps += 1;
        assert_eq!(steps, STEPS);
        self.stop.store(self.after == Some((epoch - 1) * steps + step), Ordering::Relaxed);
    }
    fn epoch(&mut self, _: &EpochMetrics, _: f64, _: f64) {}
}

fn go_on(trainer: &mut Trainer, run: Option<&mut RunFolder>, after: Option<usize>) -> (Outcome, usize) {
    let stop = AtomicBool::new(false);
    let mut progress = StopAfter { stop: &stop, after, steps: 0 };
    (trainer.train(run, &stop, &mut progress).unwrap(), progress.steps)
}

/// The hash of the weights after the whole training.
fn trained(threads: usize) -> String {
    let mut trainer = Trainer::new(config(), None, Some(threads)).unwrap();
    let (outcome, steps) = go_on(&mut trainer, None, None);
    assert!(matches!(outcome, Outcome::Finished { .. }) && steps == EPOCHS * STEPS, "{outcome:?}, {steps} steps");
    trainer.weights_hash()
}

#[test]
fn the_number_of_threads_does_not_show() {
    for threads in [1, 2, 3, 16] {
        assert_eq!(trained(threads), RECORDED, "{threads} threads");
    }
}

#[test]
#[ignore = "runs in a process of its own, for each path"]
fn train_on_this_path() {
    println!("RESULT {} {}", ram::kernel_path(), trained(2));
}

#[test]
fn the_kernels_path_does_not_show() {
    for path in kernel_paths() {
        assert_eq!(on_path(path, "train_on_this_path"), format!("{path} {RECORDED}"));
    }
}

/// Interrupted in the middle of epochs, and after the last step of one, and resumed from the run's folder with other
/// threads: every file is that of a training that never stopped.
#[test]
fn interruptions_do_not_show() {
    let runs = tempfile::tempdir().unwrap();
    let config = config();
    let create = |name| {
        let info = RunInfo::new("train", vec![], &config);
        RunFolder::create(runs.path(), Name::Given(name), &config, &info, Existing::Refuse).unwrap()
    };
    let mut whole = create("whole");
    go_on(&mut Trainer::new(config.clone(), None, Some(2)).unwrap(), Some(&mut whole), None);

    let mut run = create("parts");
    let mut trainer = Trainer::new(config.clone(), None, Some(1)).unwrap();
    let mut done = 0;
    for (stop, threads) in [(5, 3), (3 * STEPS + 11, 2), (4 * STEPS, 1), (4 * STEPS + 1, 2)] {
        let (outcome, steps) = go_on(&mut trainer, Some(&mut run), Some(stop));
        done += steps;
        let (epoch, step) = ((stop - 1) / STEPS + 1, (stop - 1) % STEPS + 1);
        assert_eq!((outcome, done), (Outcome::Interrupted { epoch, step }, stop));
        drop(run);
        let resumed = RunFolder::resume(&runs.path().join("parts")).unwrap();
        assert_eq!((resumed.checkpoint.state.epoch + 1, resumed.checkpoint.state.step), (epoch, step));
        assert!(resumed.notice.is_none());
        trainer = Trainer::resume(resumed.config, resumed.checkpoint, None, Some(threads)).unwrap();
        run = resumed.run;
    }
    let (outcome, steps) = go_on(&mut trainer, Some(&mut run), None);
    assert!(matches!(outcome, Outcome::Finished { .. }) && done + steps == EPOCHS * STEPS);
    assert_eq!(trainer.weights_hash(), RECORDED);
    for file in ["last.safetensors", "previous.safetensors", "best.safetensors", "metrics.jsonl", "config.toml"] {
        let bytes = |run: &str| std::fs::read(Path::new(runs.path()).join(run).join(file)).unwrap();
        assert_same(file, &bytes("whole"), &bytes("parts"));
    }
}

/// The gradients of a batch of 128 are the same bits on one tape and on any number, even or not.
#[test]
fn the_split_into_tapes_does_not_show() {
    let config = config();
    let data = TrainingData::open(&config, None).unwrap();
    let mut loader = data.loader(&config).unwrap();
    let mut batches = loader.epoch(0, 0);
    let batch = batches.next_batch().unwrap().unwrap();
    let (n, image) = (batch.len(), 40 * 40);
    assert_eq!(n, 128);
    let mut params = Params::<f32>::new();
    let mut rng = Key { seed: 3, purpose: Purpose::Weights, epoch: 0, sample: 0 }.stream();
    let agent = Agent::new(&mut params, agent_options(&config, Decisions::Last), 1, 10, &mut rng);

    let gradient = |ends: &[usize]| -> Grads<f32> {
        let mut tapes = Vec::new();
        let mut start = 0;
        for &end in ends {
            let mut draws = Draws::default();
            let samples = &batch.samples[start..end];
            draws.draw(agent.plan(), &DrawKey { mode: Mode::Sample, seed: 1, epoch: 0, samples, copies: 1 });
            let mut tape = Tape::new();
            let t = tape.begin(&params);
            let shape = Shape::new(&[end - start, 1, 40, 40]);
            let images = Images::Pixels { data: &batch.pixels[start * image..end * image], shape };
            let episode = agent.look(&t, images, &draws);
            let objective = Objective::new(&config);
            hybrid_loss(&episode, &batch.labels[start..end], &objective, Reward::Argmax, &[], n).total.sweep();
            drop(episode);
            drop(t);
            tapes.push(tape);
            start = end;
        }
        let mut grads = params.zeros();
        accumulate(&params, &tapes, &mut grads);
        grads
    };
    let whole = gradient(&[n]);
    for id in params.ids() {
        assert!(whole.get(id).iter().any(|&d| d != 0.0), "{} learns", params.name(id));
    }
    let splits: [&[usize]; 5] =
        [&[64, 128], &[1, 128], &[32, 64, 96, 128], &[5, 6, 50, 127, 128], &(1..=128).collect::<Vec<_>>()];
    for ends in splits {
        assert_same(&format!("{ends:?}"), &bits(gradient(ends).as_slice()), &bits(whole.as_slice()));
    }
}

/// Into which pieces a batch is cut shows neither in the weights nor in any figure: for every core, policy, loss and network.
#[test]
fn the_cut_does_not_show() {
    let images = |sets: &[&str]| {
        let small = [
            "data.source=digits",
            "data.canvas=translated",
            "data.size=40",
            "data.train=196",
            "data.validation=30",
            "data.test=10",
            "model.glimpses=3",
            "model.scales=2",
            "model.features=12",
            "model.glimpse_features=24",
            "model.hidden=24",
            "train.epochs=2",
        ];
        let sets: Vec<_> = small.iter().chain(sets).map(|&set| set.to_owned()).collect();
        Config::load(Base::Preset("mnist"), &sets).unwrap()
    };
    let catch = |sets: &[&str]| {
        let small = [
            "data.train=100",
            "data.validation=20",
            "data.test=10",
            "model.features=12",
            "model.glimpse_features=24",
            "model.hidden=24",
            "train.epochs=2",
            "train.batch=68",
        ];
        let sets: Vec<_> = small.iter().chain(sets).map(|&set| set.to_owned()).collect();
        Config::load(Base::Experiment("catch"), &sets).unwrap()
    };
    let configs = [
        images(&[]),
        images(&["loss.location_into_core=true", "loss.reward=sampled", "policy.mean=tanh"]),
        images(&["model.core=lstm", "policy.std=0.3", "policy.std_final=0.1"]),
        images(&["policy.grid=5", "loss.baseline=none"]),
        images(&["loss.kind=reinforce", "policy.first=centre"]),
        images(&["train.samples=4", "train.batch=32", "loss.baseline=leave-one-out"]),
        images(&["policy.locations=random"]),
        images(&["model.glimpses=1"]),
        images(&["model.kind=fc"]),
        images(&["model.kind=conv"]),
        images(&["model.kind=cnn", "model.filters=3"]),
        images(&[
            "policy.first=learned",
            "policy.mean=inside",
            "loss.baseline=informed",
            "loss.reward=log-probability",
        ]),
        images(&[
            "policy.first=inside",
            "loss.location_into_core=true",
            "loss.baseline=informed",
            "loss.reward=probability",
            "loss.returns=to-go",
            "loss.discount=0.5",
            "loss.early_weight=0.3",
        ]),
        images(&["policy.locations=oracle"]),
        catch(&[]),
        catch(&["loss.returns=to-go", "loss.entropy_weight=0.013", "model.core=rect"]),
    ];
    for config in configs {
        let trained = |cut: Option<usize>, threads: usize| {
            let mut trainer = Trainer::new(config.clone(), None, Some(threads)).unwrap();
            trainer.cut(cut);
            let mut lines = Lines(String::new());
            trainer.train(None, &AtomicBool::new(false), &mut lines).unwrap();
            (trainer.weights_hash(), lines.0)
        };
        let whole = trained(Some(usize::MAX), 1);
        for cut in [8, 16, 32, 64] {
            assert_eq!(trained(Some(cut), 1), whole, "{cut}: {}", config.to_toml());
        }
        for threads in [1, 2, 3, 16] {
            assert_eq!(trained(None, threads), whole, "{threads} threads: {}", config.to_toml());
        }
    }
}

/// Everything that is reported of each epoch.
struct Lines(String);

impl Progress for Lines {
    fn step(&mut self, epoch: usize, _: usize, step: usize, _: usize, _: usize, losses: &Losses) {
        self.0 += &format!("{epoch} {step} {losses:?}\n");
    }
    fn epoch(&mut self, metrics: &EpochMetrics, _: f64, _: f64) {
        self.0 += &format!("{metrics:?}\n");
    }
}

/// How the control below sums a product.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sum {
    /// As the kernels do: a chain of fused multiply-adds over k in order.
    Chain,
    /// Reassociated: a chain over the first half of k, another over the second, and their sum.
    Halves,
}

/// y = x·W
struct Product(ParamId, Sum);

impl<R: Real> Op<R> for Product {
    fn name(&self) -> &'static str {
        "product"
    }
    fn shape(&self, setup: Setup<R>) -> Result<Shape, String> {
        Ok(setup.shapes[0].with_columns(setup.params.shape(self.0).columns()))
    }
    fn has_parameters(&self) -> bool {
        true
    }
    fn forward(&self, cx: Forward<R>, y: &mut [R]) {
        let (w, depth) = (cx.params.get(self.0), cx.shape(0).columns());
        let columns = w.len() / depth;
        for (x, y) in cx.x(0).chunks_exact(depth).zip(y.chunks_exact_mut(columns)) {
            for (j, y) in y.iter_mut().enumerate() {
                let chain =
                    |range: std::ops::Range<usize>| range.fold(R::ZERO, |sum, k| x[k].mul_add(w[k * columns + j], sum));
                *y = match self.1 {
                    Sum::Chain => chain(0..depth),
                    Sum::Halves => chain(0..depth / 2) + chain(depth / 2..depth),
                };
            }
        }
    }
    // d_W += xᵀ·d_y (its inputs have no gradient)
    fn backward(&self, cx: &mut Backward<R>) {
        cx.weight_gradient(self.0, 0, false);
    }
}

/// A linear classifier on patches of pixels, trained as long as the model above; the hash of its weights.
fn control(sum: Option<Sum>) -> String {
    let config = config();
    let data = TrainingData::open(&config, None).unwrap();
    let mut loader = data.loader(&config).unwrap();
    let mut params = Params::<f32>::new();
    let weight = params.add("weight", [80, 10], |_| {});
    let mut grads = params.zeros();
    let mut optimiser = Adam::new(&params);
    let mut tape = Tape::new();
    let mut levels = Vec::new();
    for epoch in 0..EPOCHS as u64 {
        let mut batches = loader.epoch(epoch, 0);
        while let Some(batch) = batches.next_batch().unwrap() {
            // Sums of twenty pixels are enough to learn something from.
            levels.clear();
            levels.extend(batch.pixels.chunks_exact(20).map(|p| p.iter().map(|&x| f32::from(x)).sum::<f32>() / 255.0));
            let t = tape.begin(&params);
            let x = t.constant([batch.len(), 80], &levels);
            let logits = match sum {
                Some(sum) => t.apply(Product(weight, sum), &[x]),
                None => x.matmul(t.param(weight)),
            };
            grads.clear();
            logits.cross_entropy(&batch.labels).mean().backward(&mut grads);
            drop(t);
            optimiser.step(&mut params, &grads, 1e-2);
        }
    }
    let data = params.get(weight);
    checkpoint::weights_hash([Tensor { name: "params/weight", shape: &[80, 10], data }])
}

/// The hash can tell: a product summed as the kernels do trains to the same bytes, a reassociated one does not.
#[test]
fn a_reassociated_sum_shows() {
    let kernels = control(None);
    assert_eq!(control(Some(Sum::Chain)), kernels);
    assert_ne!(control(Some(Sum::Halves)), kernels);
}
