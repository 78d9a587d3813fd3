//! The model of Fig. 1, a file a part: [`retina`] ρ, [`glimpse`] f_g, [`core`] f_h, [`location`] f_l, [`action`] f_a,
//! [`baseline`] b_t, [`stop`] and [`zoom`] the extra actions of Sec. 5, and [`agent`], which unrolls them over an [`episode`].
//! With a [`gaze`] an episode goes on glimpse by glimpse.
//! [`options`] says what they are built from, and [`draws`] makes their random numbers.

pub mod action;
pub mod agent;
pub mod baseline;
pub mod core;
pub mod draws;
pub mod episode;
pub mod gaze;
pub mod glimpse;
pub mod location;
pub mod options;
pub mod retina;
pub mod steps;
pub mod stop;
pub mod world;
pub mod zoom;

pub use action::{Decisions, Mode};
pub use agent::{Agent, AgentOptions};
pub use core::CoreKind;
pub use draws::{DrawKey, DrawPlan, Draws, First};
pub use episode::Episode;
pub use gaze::Gaze;
pub use location::{Locations, Mean};
pub use options::{Model, ModelKind, Policy};
pub use retina::{Images, Retina, Sampling};
pub use steps::{MAX_GLIMPSES, Steps};
pub use stop::{Stop, StopRule, Stops};
pub use world::{Film, Labelled, World};
pub use zoom::{Zoom, Zooms};
