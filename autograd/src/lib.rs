//! A minimal tape-based reverse-mode autodiff engine with its own SIMD and rayon matrix kernels.
//!
//! # In which order to read it
//!
//! 1. [`tape`]: what is recorded; and `arena.rs`, the loop in reverse that is backpropagation.
//! 2. [`op`]: how an operation is written; then any file of `ops/`, such as `ops/unary.rs`, the table of derivatives.
//! 3. [`params`]: where parameters and gradients live between steps; `accumulate.rs`: how gradients of many tapes are
//!    added up; [`optim`]: how parameters change; [`store`]: how they are kept in a file.
//! 4. [`gradcheck`]: how we know that the gradients are right.
//! 5. [`kernels`]: why the arithmetic is fast and gives the same bits on every machine.
//!
//! No file uses a file that uses it, so one can also read from the bottom up: `number.rs`, `kernels/simd.rs`, ….
//!
//! # A worked example
//!
//! A network of two hidden layers learns to tell two spirals apart:
//!
//! ```
//! use autograd::nn::{Init, Linear};
//! use autograd::ops::Activation::Tanh;
//! use autograd::optim::{Adam, Optimiser};
//! use autograd::{Params, Tape, math};
//! use autograd::rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! // 97 points on each of two spirals: (x, y) [194, 2] and the number of the spiral.
//! let (mut points, mut labels) = (Vec::new(), Vec::new());
//! for i in 0..97 {
//!     let (radius, turns) = ((104.0 - i as f64) / 104.0, i as f64 / 32.0);
//!     let (sin, cos) = math::sin_cos_turns(turns);
//!     for (spiral, sign) in [(0, 1.0), (1, -1.0)] {
//!         points.extend([(sign * radius * sin) as f32, (sign * radius * cos) as f32]);
//!         labels.push(spiral);
//!     }
//! }
//!
//! let mut rng = ChaCha8Rng::seed_from_u64(1);
//! let mut params = Params::new();
//! let layers = [[2, 32], [32, 32], [32, 2]];
//! let [first, second, last] = layers.map(|size| {
//!     let name = format!("layer {size:?}");
//!     Linear::new(&mut params, &name, size, Init::Normal(1.0), &mut rng)
//! });
//! params.change(last.weight, |w| w.fill(0.0));
//!
//! let mut grads = params.zeros();
//! let mut optimiser = Adam::new(&params);
//! let mut tape = Tape::new();
//! let mut loss = 0.0;
//! for _ in 0..600 {
//!     let t = tape.begin(&params);
//!     let x = t.constant([194, 2], &points).scale(3.0);
//!     let h = x.linear_then(first, Tanh).linear_then(second, Tanh);
//!     let mean = h.linear(last).cross_entropy(&labels).mean();
//!     loss = mean.item();
//!     grads.clear();
//!     mean.backward(&mut grads);
//!     drop(t);
//!     optimiser.step(&mut params, &grads, 0.01);
//! }
//! assert!(loss < 0.05, "the network does not tell the spirals apart: {loss}");
//! ```
#![deny(unsafe_code)]

mod accumulate;
mod arena;
pub mod gradcheck;
pub mod kernels;
mod layer_sum;
pub mod math;
pub mod nn;
mod node;
mod norm;
mod number;
pub mod op;
pub mod ops;
pub mod optim;
mod parallel;
pub mod params;
mod real;
mod shape;
mod slab;
pub mod store;
pub mod tape;

pub use accumulate::{accumulate, gradients};
pub use node::Indices;
pub use number::Number;
pub use params::{Grads, ParamId, Params};
pub use rand;
pub use real::Real;
pub use shape::Shape;
pub use store::{Fault, StoreError};
pub use tape::{NotFinite, Recording, Tape, Var};
