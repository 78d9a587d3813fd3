//! The parts of a data set that a trained network is judged on.

/// One of the sets that an agent can be evaluated on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitName {
    /// By which hyperparameters and checkpoints are chosen.
    Validation,
    /// To report once.
    Test,
}
