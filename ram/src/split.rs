//! The parts of a data set that a trained network is evaluated on.

/// A part of a data set for evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitName {
    /// The part that chooses hyperparameters and checkpoints.
    Validation,
    /// The part for the final result, which should be used once.
    Test,
}
