//! What a report is about.

use std::path::Path;
use std::sync::Arc;

use crate::runs::run_folder::Which;
use crate::split::SplitName;
use crate::tasks::Task;

/// The parts of a run that its report shows.
#[derive(Clone)]
pub struct Options<'a> {
    /// The task that the run was trained for; `None` takes the one that its configuration names.
    pub task: Option<Arc<dyn Task>>,
    /// The split of the data on which the run is evaluated.
    pub split: SplitName,
    /// The checkpoint.
    pub which: Which,
    /// The largest number of images or games in the player; the wrong ones come first.
    pub count: usize,
    /// The numbers of images or games that are shown before all others.
    pub chosen: Vec<usize>,
    /// The folder of MNIST's files; `None` takes the environment variable `RAM_DATA_DIR`.
    pub data_dir: Option<&'a Path>,
    /// The number of threads; `None` takes one for each core.
    pub threads: Option<usize>,
}

impl Default for Options<'_> {
    /// The best checkpoint on the validation split.
    fn default() -> Self {
        Options {
            task: None,
            split: SplitName::Validation,
            which: Which::Best,
            count: 24,
            chosen: Vec::new(),
            data_dir: None,
            threads: None,
        }
    }
}
