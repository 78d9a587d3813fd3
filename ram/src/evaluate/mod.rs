//! What a trained network does: how often it is wrong ([`evaluator`]), where it looks and what it believes ([`trace`]), when it
//! should stop ([`stopping`]), and how it classifies a picture that belongs to no data set ([`predict`]).

pub mod evaluator;
mod gaze;
pub mod predict;
pub mod stopping;
pub mod trace;
pub mod trained;
