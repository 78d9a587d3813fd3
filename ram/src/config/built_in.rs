//! The configurations that the program brings along, as TOML text: the presets and the rows of the paper's tables.

use std::path::Path;

use super::entries::{nearest, suggestion};
use crate::error::RamError;

/// Where a configuration begins, before `--set`.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// A built-in preset, by name.
    Preset(&'a str),
    /// A row of the paper's tables, by name; see [`crate::experiments`].
    Experiment(&'a str),
    /// A TOML file.
    File(&'a Path),
    /// TOML, as a checkpoint holds it.
    Text {
        /// The text.
        text: &'a str,
        /// What errors call it.
        origin: &'a str,
    },
}

/// A built-in configuration: its name and its TOML text.
pub(crate) type NamedText = (&'static str, &'static str);

macro_rules! texts {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".toml")))),*]
    };
}

/// The presets.
pub(crate) const PRESETS: &[NamedText] =
    texts!("presets": "demo" "mnist" "translated" "cluttered" "cluttered-100" "pictures");

/// The rows of the paper's tables and of its extensions, in the order of the paper. Their section `[experiment]` holds the paper's results and is not
/// a part of the configuration.
pub(crate) const EXPERIMENTS: &[NamedText] = texts! { "experiments":
    "mnist-fc-256" "mnist-ram-1" "mnist-ram-2" "mnist-ram-3" "mnist-ram-4" "mnist-ram-5" "mnist-ram-6" "mnist-ram-7"
    "mnist-lstm-6" "mnist-fc-256-all" "mnist-ram-6-all"
    "translated-60-fc-64" "translated-60-fc-256" "translated-60-conv" "translated-60-cnn"
    "translated-60-ram-4" "translated-60-ram-6" "translated-60-ram-8"
    "cluttered-60-fc-64" "cluttered-60-fc-256" "cluttered-60-conv" "cluttered-60-cnn"
    "cluttered-60-ram-4" "cluttered-60-ram-6" "cluttered-60-ram-8"
    "cluttered-60-lstm-8"
    "cluttered-100-conv" "cluttered-100-cnn" "cluttered-100-ram-4" "cluttered-100-ram-6" "cluttered-100-ram-8"
    "catch"
    "discrete-3x3" "discrete-5x5" "discrete-7x7" "discrete-9x9"
    "mnist-stop-never" "mnist-stop-1" "mnist-stop-2" "mnist-stop-3" "mnist-stop-4" "mnist-stop-5"
    "cluttered-60-stop-never" "cluttered-60-stop-1" "cluttered-60-stop-2" "cluttered-60-stop-3" "cluttered-60-stop-4"
    "cluttered-60-stop-5"
    "scale-fine" "scale-coarse" "scale-three" "scale-random" "scale-learned" "scale-oracle"
    "moving"
    "catch-hidden" "catch-48"
    "large-100" "large-200" "large-400" "large-800" "large-2048" "large-conv"
    "recipe-whole" "recipe-anywhere" "recipe-right" "recipe-baseline" "recipe-undiscounted" "recipe-core" "recipe-last"
    "recipe-wide" "recipe-none"
};

/// The preset of this name.
///
/// # Errors
/// [`RamError::Config`] that suggests the nearest name and lists all.
pub(crate) fn preset(name: &str) -> Result<NamedText, RamError> {
    let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
    find(PRESETS, name, "preset", &format!("the presets are {}", names.join(", ")), (EXPERIMENTS, "experiment"))
}

/// The experiment of this name.
///
/// # Errors
/// [`RamError::Config`] that suggests the nearest name.
pub(crate) fn experiment(name: &str) -> Result<NamedText, RamError> {
    find(EXPERIMENTS, name, "experiment", "`ram experiments` lists them", (PRESETS, "preset"))
}

/// The text of a `kind` that has this name; `others` are of another kind, which may be meant.
fn find(
    texts: &[NamedText],
    name: &str,
    kind: &str,
    advice: &str,
    (others, other): (&[NamedText], &str),
) -> Result<NamedText, RamError> {
    let is_other = others.iter().any(|(known, _)| *known == name);
    texts.iter().find(|(known, _)| *known == name).copied().ok_or_else(|| {
        let near = suggestion(nearest(name, texts.iter().map(|(name, _)| *name)));
        RamError::Config(match is_other {
            true => format!("no {kind} is called `{name}`, but there is --{other} {name}"),
            false => format!("no {kind} is called `{name}`{near}; {advice}"),
        })
    })
}
