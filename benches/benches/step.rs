//! A whole training step (N glimpses, backward, gradient descent with momentum) on one thread and on all threads. Rates
//! are GFLOP/s and count the matrix products of the model ([`ram::bench::STEPS`]); `ram bench` prints images a second.

mod history;

use benches::{Mode, Table};
use criterion::Throughput;
use ram::bench::{STEPS, TrainingStep};

use history::criterion;

fn main() {
    let Some(mode) = Mode::of("step") else { return };
    let mut steps = STEPS.map(|case| TrainingStep::new(&case).expect("built-in digits"));
    let mut table = Table::new(mode, "GFLOP/s");

    criterion("step", |group| {
        for i in 0..2 {
            group.throughput(Throughput::Elements(STEPS[i].batch as u64));
            group.bench_function(format!("{}/{}", STEPS[i].name, STEPS[i].batch), |bencher| {
                bencher.iter(|| steps[i].run());
            });
        }
    });

    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    for threads in if cores > 1 { vec![1, cores] } else { vec![1] } {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        for (case, step) in STEPS.iter().zip(&mut steps) {
            let (name, work) = (format!("{}, batch {}", case.name, case.batch), case.flops * case.batch as f64 / 1e9);
            pool.install(|| table.row(name, work, &mut [("ours", &mut || step.run())]));
        }
    }
    table.print();
}
