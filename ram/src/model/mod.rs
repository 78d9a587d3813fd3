//! The model of Fig. 1, a file a part: [`retina`] ρ, [`glimpse`] f_g, [`core`] f_h, [`location`] f_l, [`action`] f_a,
//! [`baseline`] b_t, and [`agent`], which unrolls them.

pub mod action;
pub mod agent;
pub mod baseline;
pub mod core;
pub mod glimpse;
pub mod location;
pub mod retina;

pub use agent::{Agent, Draws, Episode};
pub use retina::{Images, Retina, Sampling};
