//! The rows of the paper's tables: a configuration for each, with the paper's result.

use std::sync::LazyLock;

use autograd::Params;
use serde::Deserialize;

use crate::config::{Base, Config, built_in};
use crate::error::RamError;
use crate::model::core::CoreKind;
use crate::model::{Decisions, Locations, ModelKind};
use crate::network::Network;

/// A table of the paper.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The name of the table for `ram reproduce`.
    pub name: &'static str,
    /// The value of [`Experiment::table`] in its rows.
    pub id: &'static str,
    /// The title.
    pub title: &'static str,
    /// One line about its contents.
    pub about: &'static str,
    /// Whether its last attention model is also trained with random, central and blind locations.
    pub has_controls: bool,
    /// What it shows beside errors.
    pub shows: Shows,
}

/// What a table shows beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    Errors,
    /// The number of glimpses, and what rules lead to that nobody trained.
    Stopping,
    /// The error by the size of the digit.
    Sizes,
    /// How far the gaze is from the digit in each frame of a clip.
    Distance,
}

/// The paper's tables in its order, after them its extensions, and at last by how much each part of our recipe lowers the error.
pub const TABLES: [Table; 13] = [
    table(["table1a", "1a", "Table 1a", "MNIST"]),
    table(["table1b", "1b", "Table 1b", "Translated MNIST, 60×60"]),
    table(["table2a", "2a", "Table 2a", "Cluttered translated MNIST, 60×60"]),
    table(["table2b", "2b", "Table 2b", "Cluttered translated MNIST, 100×100"]),
    table(["catch", "4.2", "Catch, Sec. 4.2", "The game of Sec. 4.2"]),
    Table {
        has_controls: false,
        ..table(["footnote2", "footnote 2", "Discrete locations, footnote 2", "Discrete locations on a grid"])
    },
    Table {
        has_controls: false,
        shows: Shows::Stopping,
        ..table(["stop", "5 stop", "When to stop, Sec. 5", "The stop action at five prices"])
    },
    Table {
        has_controls: false,
        shows: Shows::Sizes,
        ..table(["scale", "5 scale", "At which scale, Sec. 5", "Digits of 14 to 56 pixels"])
    },
    Table {
        shows: Shows::Distance,
        ..table(["moving", "5 moving", "Moving pictures, Sec. 5", "A digit that moves, with a frame for each glimpse"])
    },
    table(["catch-hidden", "5 hidden", "Catch with a hidden ball", "A ball that hides for the last 8 of 23 frames"]),
    table(["catch-48", "5 screen", "Catch on a larger screen", "A screen of which the retina sees a quarter"]),
    Table {
        has_controls: false,
        ..table(["large", "5 large", "Large pictures, Sec. 5", "A digit among clutter on 100×100 to 2048×2048 pixels"])
    },
    Table {
        has_controls: false,
        ..table([
            "recipe",
            "recipe",
            "The recipe, one thing left out",
            "Cluttered 60×60, 10 epochs: our recipe, and the same with one of its parts left out",
        ])
    },
];

const fn table([name, id, title, about]: [&'static str; 4]) -> Table {
    Table { name, id, title, about, has_controls: true, shows: Shows::Errors }
}

impl Table {
    /// The rows of the table, in its order.
    pub fn rows(&self) -> Vec<Experiment> {
        Experiment::all().into_iter().filter(|e| e.table == self.id && e.beside.is_none()).collect()
    }
}

/// A row of a table, or a variant of a row whose figure stands in a column of its own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The name on the command line.
    #[serde(skip)]
    pub name: &'static str,
    /// The `id` of one of [`TABLES`].
    pub table: String,
    /// The row, in the paper's words.
    pub row: String,
    /// The paper's test error in per cent (for Catch, the share of lost games); `None` if the paper has no such row.
    pub paper: Option<f64>,
    /// The error in the paper's later, published version, as other authors quote it.
    pub later: Option<f64>,
    /// The test error in per cent that we aim at.
    pub goal: Option<f64>,
    /// The name of the row beside which the figure of this experiment stands; `None` for a row.
    pub beside: Option<String>,
    /// The column in which it stands there.
    pub column: Option<String>,
    /// The experiment from whose best weights the training begins; `None` where weights are drawn.
    pub begins_with: Option<String>,
    /// The expected training time on two cores, in minutes.
    pub minutes: u32,
}

/// The experiments, which are read once.
static ALL: LazyLock<Vec<Experiment>> =
    LazyLock::new(|| built_in::EXPERIMENTS.iter().map(|&(name, text)| Experiment::read(name, text)).collect());

impl Experiment {
    /// All experiments, in the order of the paper.
    pub fn all() -> Vec<Experiment> {
        ALL.clone()
    }

    fn read(name: &'static str, text: &str) -> Experiment {
        let mut table: toml::Table = toml::from_str(text).expect("a built-in experiment is TOML");
        let row = table.remove("experiment").expect("a table [experiment]");
        Experiment { name, ..row.try_into().expect("[experiment] has all its keys") }
    }

    /// The experiment with this name.
    ///
    /// # Errors
    /// No experiment has this name; the message suggests the nearest one.
    pub fn find(name: &str) -> Result<Experiment, RamError> {
        built_in::experiment(name).map(|(name, text)| Experiment::read(name, text))
    }

    /// What its table shows beside errors.
    pub fn shows(&self) -> Shows {
        TABLES.iter().find(|table| table.id == self.table).map_or(Shows::Errors, |table| table.shows)
    }

    /// The row in which the figure of this experiment stands: itself, or the one that it stands beside.
    pub fn in_row(&self) -> Experiment {
        let row = self.beside.as_deref().and_then(|name| Experiment::find(name).ok());
        row.unwrap_or_else(|| self.clone())
    }

    /// Whether the training of another experiment begins with the weights of this one.
    pub fn is_begun_with(&self) -> bool {
        ALL.iter().any(|other| other.begins_with.as_deref() == Some(self.name))
    }

    /// The variants of this row, which stand beside it.
    pub fn variants(&self) -> Vec<Experiment> {
        Experiment::all().into_iter().filter(|e| e.beside.as_deref() == Some(self.name)).collect()
    }

    /// The configuration of the experiment, with `sets` applied.
    ///
    /// # Errors
    /// `sets` has an unknown key or a wrong value.
    pub fn config(&self, sets: &[String]) -> Result<Config, RamError> {
        Config::load(Base::Experiment(self.name), sets)
    }

    /// Whether it is an attention model that chooses locations, which can be compared with controls.
    pub fn chooses_locations(&self) -> bool {
        self.config(&[]).is_ok_and(|config| config.model.kind == ModelKind::Ram && config.model.glimpses > 1)
    }
}

/// Parameter count, excluding the baseline, which only training needs; assumes ten classes for user pictures.
pub fn parameters(config: &Config) -> usize {
    let mut params = Params::new();
    let (outputs, decisions) = outputs(config);
    Network::new(&mut params, config, [config.data.channels, outputs], decisions);
    let counted = params.ids().filter(|&id| !params.name(id).starts_with("baseline"));
    counted.map(|id| params.get(id).len()).sum()
}

/// The number of classes or actions of a network, and when it decides; assumes ten classes for user pictures.
fn outputs(config: &Config) -> (usize, Decisions) {
    let game = config.data.source.game().and_then(|game| (game.open)(config.data.size).ok());
    game.map_or((10, Decisions::Last), |game| (game.actions().len(), Decisions::Each))
}

/// The floating-point operations that a network needs to answer for one image (or one frame of a game): two for each
/// multiply-add of its matrix products.
pub fn flops(config: &Config) -> f64 {
    let (data, model) = (&config.data, &config.model);
    let n = model.hidden;
    let (outputs, decisions) = outputs(config);
    let multiply_adds = match model.kind {
        ModelKind::Fc => data.channels * data.size * data.size * n + n * n + outputs * n,
        ModelKind::Cnn => {
            let edges = [0, 1, 2].map(|level| data.size >> level);
            let filters = [data.channels, model.filters, 2 * model.filters, 2 * model.filters];
            let convolutions: usize = (0..3).map(|i| edges[i] * edges[i] * 9 * filters[i] * filters[i + 1]).sum();
            convolutions + (data.size >> 3).pow(2) * filters[3] * n + outputs * n
        }
        ModelKind::Conv => {
            let windows = ((data.size - 10) / 5 + 1).pow(2);
            windows * model.filters * (100 * data.channels + n) + outputs * n
        }
        ModelKind::Ram => {
            let rho = data.channels * model.scales * model.patch * model.patch;
            let see = (rho + 2) * model.features + 2 * model.features * model.glimpse_features;
            let core = match model.core {
                CoreKind::Rect => (model.glimpse_features + n) * n,
                CoreKind::Lstm => 4 * (model.glimpse_features + n) * n,
            };
            let coordinates = if config.policy.grid > 0 { config.policy.grid * config.policy.grid } else { 2 };
            let policy = if config.policy.locations == Locations::Learned { n * coordinates } else { 0 };
            match decisions {
                Decisions::Each => see + core + policy + outputs * n,
                Decisions::Last => model.glimpses * (see + core) + (model.glimpses - 1) * policy + outputs * n,
            }
        }
    };
    2.0 * multiply_adds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_25_rows_are_there_and_each_is_a_configuration() {
        let all = Experiment::all();
        let rows = |id: &str| TABLES.iter().find(|table| table.id == id).unwrap().rows().len();
        assert_eq!(["1a", "1b", "2a", "2b", "4.2"].map(rows), [8, 6, 6, 4, 1]);
        assert_eq!(all.iter().filter(|experiment| experiment.paper.is_some()).count(), 25);
        for experiment in &all {
            let config = experiment.config(&[]).unwrap_or_else(|error| panic!("{}: {error}", experiment.name));
            assert!(parameters(&config) > 10_000 && flops(&config) > 1e4, "{}", experiment.name);
        }
    }

    #[test]
    fn a_variant_stands_in_a_column_of_a_row_of_its_table() {
        let all = Experiment::all();
        let variants: Vec<_> = all.iter().filter(|experiment| experiment.beside.is_some()).collect();
        assert!(variants.iter().any(|experiment| experiment.name == "mnist-lstm-6"));
        for variant in variants {
            let row = Experiment::find(variant.beside.as_deref().unwrap()).unwrap();
            assert_eq!((&variant.table, &variant.row), (&row.table, &row.row), "{}", variant.name);
            assert!(row.beside.is_none() && variant.in_row() == row && row.variants().contains(variant));
            assert!(variant.paper.is_none() && variant.later.is_none(), "{}: these are the row's", variant.name);
        }
        for experiment in &all {
            assert_eq!(experiment.beside.is_some(), experiment.column.is_some(), "{}", experiment.name);
            assert!(TABLES.iter().any(|table| table.id == experiment.table), "{}", experiment.name);
            if let Some(earlier) = &experiment.begins_with {
                let at = |name: &str| all.iter().position(|experiment| experiment.name == name);
                assert!(at(earlier).unwrap() < at(experiment.name).unwrap(), "{}", experiment.name);
            }
        }
    }

    #[test]
    fn a_row_has_the_papers_size() {
        let of = |name: &str| parameters(&Experiment::find(name).unwrap().config(&[]).unwrap());
        assert_eq!(
            ["mnist-ram-6", "translated-60-ram-4", "cluttered-100-ram-8", "translated-60-conv", "cluttered-100-conv"]
                .map(of),
            [209_420, 256_524, 274_956, 251_442, 250_132]
        );
        // A column's network is as large as the one beside which it stands.
        for name in ["translated-60", "cluttered-60", "cluttered-100"] {
            let ratio = of(&format!("{name}-cnn")) as f64 / of(&format!("{name}-conv")) as f64;
            assert!((0.95..1.05).contains(&ratio), "{name}: {ratio}");
        }
    }

    /// A training step costs about three times as much as an answer; `ram bench` has its own count.
    #[test]
    fn operations_agree_with_the_benches() {
        for (name, step) in
            [("mnist-ram-6", 7.18e6), ("translated-60-ram-8", 11.12e6), ("cluttered-100-ram-8", 11.71e6)]
        {
            let ratio = step / flops(&Experiment::find(name).unwrap().config(&[]).unwrap());
            assert!((2.6..3.0).contains(&ratio), "{name}: {ratio}");
        }
    }

    /// With three channels a network sees three times as many numbers; nothing else changes.
    #[test]
    fn colour_costs_what_it_is_seen_by() {
        for (kind, seen) in [("ram", 3 * 12 * 12), ("fc", 60 * 60), ("conv", 100)] {
            let config = |channels: usize| {
                let sets =
                    ["data.source=folder", "data.path=x", "data.canvas=centred", "data.size=60", "data.clutter=0"];
                let more = [format!("model.kind={kind}"), format!("data.channels={channels}")];
                let sets: Vec<_> = sets.map(str::to_owned).into_iter().chain(more).collect();
                Config::load(Base::Preset("cluttered"), &sets).unwrap()
            };
            let (grey, colour) = (config(1), config(3));
            let (times, width) = match kind {
                "ram" => (grey.model.glimpses, grey.model.features),
                "fc" => (1, grey.model.hidden),
                _ => (11 * 11, grey.model.filters),
            };
            assert_eq!(flops(&colour) - flops(&grey), 2.0 * (2 * seen * times * width) as f64, "{kind}");
            let weights = if kind == "conv" { grey.model.filters } else { width };
            assert_eq!(parameters(&colour) - parameters(&grey), 2 * seen * weights, "{kind}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let text = Experiment::find("mnist-ram-66").unwrap_err().to_string();
        assert!(text.contains("did you mean `mnist-ram-6`?") && text.contains("ram experiments"), "{text}");
    }
}
