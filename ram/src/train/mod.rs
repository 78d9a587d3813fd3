//! Training: a step ([`learner`]), the loop over steps ([`trainer`]), and an explanation of a step ([`explain`]).

pub mod explain;
pub mod learner;
pub mod trainer;
