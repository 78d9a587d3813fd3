//! The `ram` program from outside: what it writes, what it says, every wrong input and its exit code. (Declared in
//! ram/Cargo.toml, because only there cargo hands the tests the path of the fresh binary.)

mod crash;
mod data;
mod display;
mod extensions;
mod faults;
mod folders;
mod look;
mod memory;
mod page;
mod place;
mod report;
mod reproduce;
mod run;
mod search;
mod zoo;
