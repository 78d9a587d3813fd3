//! A whole training step of the mnist preset, on all threads: N glimpses, backward, clipping, Adam. Throughput is in images.

use benches::run;
use criterion::Throughput;
use datasets::Batch;
use ram::config::{Base, Config};
use ram::train::data::TrainingData;
use ram::train::learner::Learner;

/// Different batches, taken in turn.
const BATCHES: usize = 8;

/// So that the last step is as much work as the first: a network that has learnt its few batches has gradients below the
/// normal numbers, which processors are slow at.
const LEARNING_RATE: f64 = 0.0;

fn main() {
    run("step", |group| {
        for batch in [20, 128] {
            let sets = [
                "data.source=digits".to_owned(),
                format!("data.train={}", BATCHES * batch),
                "data.validation=1".to_owned(),
                "data.test=1".to_owned(),
                format!("train.batch={batch}"),
            ];
            let config = Config::load(Base::Preset("mnist"), &sets).expect("a valid configuration");
            let data = TrainingData::open(&config, None).expect("digits need no file");
            let mut learner = Learner::new(&config, data.train.images.channels(), data.train.classes);
            let batches = batches(&config, &data);
            let mut turn = batches.iter().cycle();
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(format!("28x28, 6 glimpses/{batch}"), |bencher| {
                bencher.iter(|| learner.step(turn.next().expect("a cycle"), 0, LEARNING_RATE));
            });
        }
    });
}

fn batches(config: &Config, data: &TrainingData) -> Vec<Batch> {
    let mut loader = data.loader(config).expect("a loader");
    let (mut epoch, mut all) = (loader.epoch(0, 0), Vec::new());
    while let Some(batch) = epoch.next_batch().expect("a batch") {
        all.push(batch.clone());
    }
    all
}
