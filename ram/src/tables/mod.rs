//! The paper's tables beside our own figures: [`plan`] says which runs a table needs, [`record`] what a finished run proved,
//! [`keep`] puts that where it stays, [`rows`] gives each record its row, [`page`] prints the tables, and with the feature `figures` the
//! module `picture` draws them.

#[cfg(feature = "figures")]
mod curves;
pub mod keep;
pub mod page;
#[cfg(feature = "figures")]
pub mod picture;
pub mod plan;
pub mod record;
pub mod rows;
