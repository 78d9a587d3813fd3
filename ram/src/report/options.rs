//! What a report is about.

use std::path::Path;

use crate::runs::run_folder::Which;
use crate::split::SplitName;

/// What is reported of a run.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The images or games it is evaluated on.
    pub split: SplitName,
    /// The checkpoint.
    pub which: Which,
    /// Images or games in the player, at most: the wrong ones first.
    pub count: usize,
    /// Numbers of images or games to show before any other.
    pub chosen: Vec<usize>,
    /// Where MNIST lies, else `RAM_DATA_DIR` says.
    pub data_dir: Option<&'a Path>,
    /// Threads, else one a core.
    pub threads: Option<usize>,
}

impl Default for Options<'_> {
    /// The best checkpoint on the validation part.
    fn default() -> Self {
        Options {
            split: SplitName::Validation,
            which: Which::Best,
            count: 24,
            chosen: Vec::new(),
            data_dir: None,
            threads: None,
        }
    }
}
