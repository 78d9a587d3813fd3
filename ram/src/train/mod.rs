//! Training: a step ([`learner`]), the loop around it ([`trainer`]), and what happens in a step ([`explain`]).

pub mod explain;
pub mod learner;
pub mod trainer;
