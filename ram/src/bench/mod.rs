//! Measures training steps, matrix products and functions, and compares them with the peak of this processor.
//!
//! `ram bench` and the crate `benches` share this module: a probe of the machine's speed ([`probe`](fn@probe)), a stopwatch for
//! contenders that take turns ([`race`], [`rounds`](fn@rounds)), and the work itself ([`TrainingStep`], [`MatrixProduct`],
//! [`Answer`], [`FUNCTIONS`]).

mod edges;
mod functions;
mod machine;
mod probe;
mod products;
mod rounds;
mod steps;

pub use edges::{ANSWERING, Answer, EDGES};
pub use functions::{FUNCTIONS, Function, arguments};
pub use machine::cpu;
pub use probe::{Probe, Probes, median, probe, quiet};
pub use products::{MatrixProduct, Product, numbers};
pub use rounds::{Contender, Turn, race, rounds};
pub use steps::{STEPS, StepCase, TrainingStep};
