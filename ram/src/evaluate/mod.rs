//! What a trained network does: how often it is wrong ([`evaluator`]), what it looked at and believed ([`trace`]), and
//! what it says of a picture that belongs to no data set ([`predict`]).

pub mod evaluator;
pub mod predict;
pub mod trace;
pub mod trained;
