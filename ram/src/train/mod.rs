//! Training: a step ([`learner`]), the loop around it ([`trainer`]), what it is fed ([`data`]) and judged by
//! ([`evaluation`]), what happens in a step ([`explain`]), and what it leaves ([`run_folder`], [`checkpoint`], [`metrics`]).

pub mod atomic;
pub mod checkpoint;
pub mod data;
pub mod evaluation;
pub mod explain;
pub mod learner;
pub mod metrics;
pub mod run_folder;
pub mod task;
pub mod trainer;
