//! The engine of the page that `ram page` writes. It is compiled from the same crates as the program, to WebAssembly, so a network
//! answers with the same bits on the page as in the terminal.
//!
//! The page asks with a line of JSON ([`request::Request`]), sometimes with bytes after it, and a [`Session`] answers with a line of
//! JSON. So the same questions can be asked here, in a test, and there, in a browser, and the answers compared letter by letter.

pub mod lesson;
pub mod player;
pub mod request;
pub mod session;
mod wasm;

pub use session::Session;
