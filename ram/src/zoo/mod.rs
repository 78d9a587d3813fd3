//! Pretrained models: files with the weights of finished runs, `ram/zoo/NAME.safetensors` in this repository.
//!
//! [`file`](mod@file) is the format, [`folder`] finds a model by its name, [`make`](mod@make) makes one from a run, and
//! [`half`] has the numbers of 16 bits. Nothing is downloaded, and no model is a part of the program.

pub mod file;
pub mod folder;
pub mod half;
pub mod make;

pub use file::{Facts, Number, Pretrained};
pub use folder::Zoo;
