//! From text to a configuration and back: presets, files, `--set`.

use std::path::Path;

use toml::{Table, Value};

use super::Config;
use crate::error::RamError;

/// The built-in presets: name and TOML text.
const PRESETS: [(&str, &str); 6] = [
    ("demo", include_str!("../../presets/demo.toml")),
    ("mnist", include_str!("../../presets/mnist.toml")),
    ("translated", include_str!("../../presets/translated.toml")),
    ("cluttered", include_str!("../../presets/cluttered.toml")),
    ("cluttered-100", include_str!("../../presets/cluttered-100.toml")),
    ("pictures", include_str!("../../presets/pictures.toml")),
];

/// Where a configuration begins, before `--set`.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// A built-in preset, by name.
    Preset(&'a str),
    /// A row of the paper's tables, by name; see [`crate::experiments`].
    Experiment(&'a str),
    /// A TOML file.
    File(&'a Path),
}

impl Config {
    /// The names of the built-in presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A built-in preset. The error of an unknown name lists those that exist.
    pub fn preset(name: &str) -> Result<Config, RamError> {
        Config::load(Base::Preset(name), &[])
    }

    /// Reads a preset or a file, applies `sets` (each `section.key=value`, in order) and checks the result.
    ///
    /// A value of `sets` is TOML (`3`, `1e-3`, `true`, `"adam"`); a bare word is taken as a string.
    pub fn load(base: Base, sets: &[String]) -> Result<Config, RamError> {
        let mut entries = match base {
            Base::Preset(name) => {
                let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
                    let names: Vec<_> = Config::presets().collect();
                    return Err(RamError::Config(format!(
                        "no preset is called `{name}`{}; the presets are {}",
                        suggestion(nearest(name, names.iter().copied())),
                        names.join(", ")
                    )));
                };
                entries_of_text(text, &format!("preset {name}"))?
            }
            Base::Experiment(name) => {
                let (name, text) = crate::experiments::text(name)?;
                let mut entries = entries_of_text(text, &format!("experiment {name}"))?;
                // What the paper found is not for the training to know.
                entries.retain(|entry| !entry.key.starts_with("experiment."));
                entries
            }
            Base::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    RamError::Config(format!(
                        "cannot read the configuration {}: {error}; give --config a TOML file, or --preset one of {}",
                        path.display(),
                        Config::presets().collect::<Vec<_>>().join(", ")
                    ))
                })?;
                entries_of_text(&text, &path.display().to_string())?
            }
        };
        for set in sets {
            entries.push(entry_of_set(set)?);
        }
        Config::from_entries(entries)
    }

    /// Reads and checks a configuration; `origin` (a path, say) is what errors call the text.
    pub fn from_toml(text: &str, origin: &str) -> Result<Config, RamError> {
        Config::from_entries(entries_of_text(text, origin)?)
    }

    /// The whole configuration as TOML, nothing left out; [`Config::from_toml`] reads it back to an equal one.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("every field is a number, a boolean or a name")
    }

    /// The keys in which two configurations differ, with both values: `train.epochs: 60, 3`.
    pub fn differences(&self, other: &Config) -> Vec<String> {
        let (mine, others) = (leaves(&table_of(self)), leaves(&table_of(other)));
        std::iter::zip(mine, others)
            .filter(|(a, b)| a.1 != b.1)
            .map(|((key, a), (_, b))| format!("{key}: {a}, {b}"))
            .collect()
    }

    fn from_entries(entries: Vec<Entry>) -> Result<Config, RamError> {
        let schema = table_of(&Config::default());
        let mut table = Table::new();
        for entry in entries {
            entry.check(&schema)?;
            match entry.key.split_once('.') {
                None => _ = table.insert(entry.key, entry.value),
                Some((section, key)) => {
                    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                    if let Value::Table(section) = section {
                        section.insert(key.to_owned(), entry.value);
                    }
                }
            }
        }
        let config: Config = table.try_into().map_err(|error| RamError::Config(error.to_string()))?;
        config.validate()?;
        Ok(config)
    }
}
/// One key that somebody wrote, and where.
pub(crate) struct Entry {
    /// `seed` or `section.key`.
    pub(crate) key: String,
    pub(crate) value: Value,
    /// `ram.toml, line 3`, `--set train.epoch=3`.
    pub(crate) origin: String,
}

impl Entry {
    /// Whether the key exists and its value is of the right kind.
    pub(crate) fn check(&self, schema: &Table) -> Result<(), RamError> {
        let Entry { key, value, origin } = self;
        let known = leaves(schema);
        let fail = |message: String| Err(RamError::Config(format!("{origin}: {message}")));

        if let Some(Value::Table(section)) = schema.get(key) {
            let keys: Vec<_> = section.keys().map(|name| format!("{key}.{name}")).collect();
            return fail(format!("`{key}` is a section, not a key; its keys are {}", keys.join(", ")));
        }
        let Some((_, model)) = known.iter().find(|(name, _)| name == key) else {
            let near = nearest(key, known.iter().map(|(name, _)| name.as_str()));
            let section = key.split_once('.').and_then(|(section, _)| schema.get(section)).and_then(Value::as_table);
            let all = match (near, section) {
                (Some(_), _) => String::new(),
                (None, Some(section)) => {
                    format!("; the keys of that section are {}", section.keys().cloned().collect::<Vec<_>>().join(", "))
                }
                (None, None) => format!(
                    "; there are `seed` and the sections {}",
                    schema.iter().filter(|(_, v)| v.is_table()).map(|(k, _)| k.as_str()).collect::<Vec<_>>().join(", ")
                ),
            };
            return fail(format!("unknown key `{key}`{}{all}", suggestion(near)));
        };

        // One key alone makes a whole configuration, since the others have defaults: so an error is this key's.
        let mut alone = Table::new();
        match key.split_once('.') {
            None => _ = alone.insert(key.clone(), value.clone()),
            Some((section, leaf)) => {
                let inner = Table::from_iter([(leaf.to_owned(), value.clone())]);
                alone.insert(section.to_owned(), Value::Table(inner));
            }
        }
        let Err(error) = alone.try_into::<Config>() else { return Ok(()) };

        match model {
            Value::Integer(_) => fail(format!("`{key}` is {value}, but must be a whole number, 0 or more")),
            Value::Float(_) => fail(format!("`{key}` is {value}, but must be a number")),
            Value::Boolean(_) => fail(format!("`{key}` is {value}, but must be true or false")),
            _ => {
                // serde: unknown variant `adm`, expected one of `adam`, `sgd`, `nesterov`
                let names: Vec<_> = error.message().split('`').skip(1).step_by(2).collect();
                match (value, names.split_first()) {
                    (Value::String(found), Some((_, names))) => fail(format!(
                        "`{key}` is \"{found}\", but must be one of {}{}",
                        names.join(", "),
                        suggestion(nearest(found, names.iter().copied()))
                    )),
                    _ => fail(format!("`{key}` is {value}, but must be a name in quotes, such as {model}")),
                }
            }
        }
    }
}

/// `section.key=value`
fn entry_of_set(set: &str) -> Result<Entry, RamError> {
    let Some((key, text)) = set.split_once('=').map(|(key, text)| (key.trim(), text.trim())) else {
        return Err(RamError::Config(format!("--set {set}: expected key=value, such as --set train.epochs=3")));
    };
    let value = text.parse().unwrap_or_else(|_| Value::String(text.to_owned()));
    Ok(Entry { key: key.to_owned(), value, origin: format!("--set {set}") })
}

/// Every key of a TOML text with the line it stands in.
fn entries_of_text(text: &str, origin: &str) -> Result<Vec<Entry>, RamError> {
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let table: Table = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(String::new(), |span| format!(", line {}", line(span.start)));
        RamError::Config(format!("{origin}{place}: not TOML: {}", error.message()))
    })?;
    let spans = toml::de::DeTable::parse(text).map_err(|error| RamError::Config(format!("{origin}: {error}")))?;

    let mut entries = Vec::new();
    for (name, span) in spans.get_ref() {
        let value = &table[name.get_ref().as_ref()];
        let place = |at: usize| format!("{origin}, line {}", line(at));
        match (value, span.get_ref()) {
            (Value::Table(section), toml::de::DeValue::Table(inner)) => {
                // A section of a name that does not exist is reported even when it is empty.
                if section.is_empty() && table_of(&Config::default()).get(name.get_ref().as_ref()).is_none() {
                    entries.push(Entry {
                        key: name.get_ref().to_string(),
                        value: value.clone(),
                        origin: place(name.span().start),
                    });
                }
                for key in inner.keys() {
                    entries.push(Entry {
                        key: format!("{}.{}", name.get_ref(), key.get_ref()),
                        value: section[key.get_ref().as_ref()].clone(),
                        origin: place(key.span().start),
                    });
                }
            }
            _ => entries.push(Entry {
                key: name.get_ref().to_string(),
                value: value.clone(),
                origin: place(name.span().start),
            }),
        }
    }
    Ok(entries)
}

pub(crate) fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("a configuration is a table")
}

/// `section.key` and value of everything in a configuration.
pub(crate) fn leaves(table: &Table) -> Vec<(String, Value)> {
    table
        .iter()
        .flat_map(|(name, value)| match value {
            Value::Table(section) => {
                section.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())).collect()
            }
            value => vec![(name.clone(), value.clone())],
        })
        .collect()
}

/// The candidate that was probably meant: a typing error or two away, or the same key in another section.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_lowercase();
    let limit = leaf(name).chars().count() / 3 + 1;
    candidates
        .map(|candidate| {
            let whole = strsim::osa_distance(&name.to_lowercase(), candidate);
            let part = strsim::osa_distance(&leaf(name), &leaf(candidate)) + 1;
            (whole.min(part), whole, candidate)
        })
        .min()
        .filter(|(distance, ..)| *distance <= limit)
        .map(|(.., candidate)| candidate)
}

pub(crate) fn suggestion(near: Option<&str>) -> String {
    near.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::*;
    use super::*;
    use crate::model::core::{CoreInit, CoreKind};
    use crate::model::{Locations, Mean, ModelKind};

    fn message(base: &str, sets: &[&str]) -> String {
        let sets: Vec<_> = sets.iter().map(|s| s.to_string()).collect();
        match Config::load(Base::Preset(base), &sets) {
            Err(error @ RamError::Config(_)) => error.to_string(),
            other => panic!("expected a configuration error, found {other:?}"),
        }
    }

    fn text_message(text: &str) -> String {
        Config::from_toml(text, "ram.toml").unwrap_err().to_string()
    }

    #[test]
    fn every_preset_is_valid_and_mnist_is_the_default() {
        for name in Config::presets() {
            Config::preset(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(Config::preset("mnist").unwrap(), Config::default());
        assert_eq!(Config::from_toml("", "empty").unwrap(), Config::default());
    }

    #[test]
    fn the_mnist_preset_spells_out_every_key() {
        let text: Table = toml::from_str(PRESETS[1].1).unwrap();
        assert_eq!(leaves(&text), leaves(&table_of(&Config::default())));
    }

    #[test]
    fn an_unknown_preset_lists_those_that_exist() {
        let text = message("mnits", &[]);
        assert!(text.contains("`mnits`; did you mean `mnist`?") && text.contains("demo, mnist"), "{text}");
    }

    #[test]
    fn set_takes_toml_values_and_bare_words() {
        let sets = ["train.epochs=3", "policy.std = 0.25", "data.source=digits", "data.test=\"x\""].map(String::from);
        let config = Config::load(Base::Preset("mnist"), &sets[..3]).unwrap();
        assert_eq!((config.train.epochs, config.policy.std, config.data.source), (3, 0.25, Source::Digits));
        assert!(message("mnist", &[&sets[3]]).contains("`data.test` is \"x\", but must be a whole number"));
        // A whole number is a fine float, and the last of two settings wins.
        let sets = ["policy.std=2", "policy.std=1"].map(String::from);
        assert_eq!(Config::load(Base::Preset("mnist"), &sets).unwrap().policy.std, 1.0);
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        for (set, near) in [
            ("train.epoch=3", "train.epochs"),
            ("epochs=3", "train.epochs"),
            ("model.std=1", "policy.std"),
            ("optimizer.kind=adam", "optimiser.kind"),
            ("seeds=1", "seed"),
        ] {
            let text = message("mnist", &[set]);
            assert!(text.contains(&format!("--set {set}: unknown key")), "{text}");
            assert!(text.contains(&format!("did you mean `{near}`?")), "{text}");
        }
        assert!(message("mnist", &["train.wibble=3"]).contains("keys of that section are batch, epochs, patience"));
        assert!(message("mnist", &["wibble=3"]).contains("the sections data, loss, model"));
    }

    #[test]
    fn a_file_error_names_file_and_line() {
        assert!(
            text_message("seed = 1\n[train]\nepoch = 3\n").starts_with("ram.toml, line 3: unknown key `train.epoch`")
        );
        assert!(text_message("[trian]\n").starts_with("ram.toml, line 1: unknown key `trian`"));
        assert!(text_message("[train]\n\nepochs = = 3").starts_with("ram.toml, line 3: not TOML"));
        assert!(text_message("train = 3").contains("`train` is a section, not a key; its keys are train.batch"));
        assert!(text_message("[data.size]\nx = 1").contains("`data.size` is { x = 1 }, but must be a whole number"));
        assert!(text_message("[[train]]\nepochs = 1").contains("`train` is a section"));
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let text = message("mnist", &["optimiser.kind=adm"]);
        assert!(text.contains("`optimiser.kind` is \"adm\", but must be one of adam, sgd, nesterov"), "{text}");
        assert!(text.ends_with("did you mean `adam`?"), "{text}");
        let text = message("mnist", &["policy.first=center"]);
        assert!(text.contains("one of random, centre; did you mean `centre`?"), "{text}");
        assert!(message("mnist", &["policy.first=3"]).contains("must be a name in quotes, such as \"random\""));
    }

    #[test]
    fn values_of_the_wrong_kind_are_explained() {
        assert!(message("mnist", &["train.epochs=-3"]).contains("is -3, but must be a whole number, 0 or more"));
        assert!(message("mnist", &["train.epochs=3.5"]).contains("is 3.5, but must be a whole number"));
        assert!(message("mnist", &["policy.std=big"]).contains("is \"big\", but must be a number"));
        assert!(message("mnist", &["loss.location_into_core=1"]).contains("must be true or false"));
        assert!(message("mnist", &["train.epochs"]).contains("expected key=value"));
        assert!(message("mnist", &["data={size=28}"]).contains("is a section"));
    }

    #[test]
    fn differences_name_the_key_and_both_values() {
        let other = Config { train: Train { epochs: 3, ..Train::default() }, ..Config::default() };
        assert_eq!(Config::default().differences(&other), ["train.epochs: 60, 3"]);
    }

    #[test]
    fn a_missing_file_is_named() {
        let text = Config::load(Base::File(Path::new("no/such.toml")), &[]).unwrap_err().to_string();
        assert!(text.contains("no/such.toml") && text.contains("--preset"), "{text}");
    }

    fn configs() -> impl Strategy<Value = Config> {
        let sizes = (1usize..500, 1usize..9, 1usize..20, 1usize..600, 1usize..600, 1usize..600);
        let numbers = (1e-6..10.0f64, 0.0..10.0f64, 0.0..1e6f64, 1e-9..100.0f64, 0.0..1.0f64, 1e-12..1.0f64);
        let kinds = (0usize..4, 0usize..3, 0usize..5, 0usize..5, any::<bool>());
        let counts = (0u64..=i64::MAX as u64, 0usize..50_000, 1usize..1000, 1usize..1000);
        (sizes, numbers, kinds, counts).prop_map(|(sizes, numbers, kinds, counts)| {
            let mut c = Config::default();
            (c.model.patch, c.model.scales, c.model.glimpses) = (2 * sizes.0, sizes.1, sizes.2);
            (c.model.features, c.model.glimpse, c.model.hidden) = (sizes.3, sizes.4, sizes.5);
            c.policy.grid = [0, 2, 5, 16][kinds.0];
            c.model.core = if kinds.4 { CoreKind::Lstm } else { CoreKind::Rect };
            c.model.kind = [ModelKind::Ram, ModelKind::Fc, ModelKind::Conv][kinds.1];
            (c.policy.std, c.policy.init_std, c.loss.location_weight) = (numbers.0, numbers.1, numbers.2);
            (c.optimiser.learning_rate, c.optimiser.beta1, c.optimiser.epsilon) = (numbers.3, numbers.4, numbers.5);
            c.policy.locations = Locations::ALL[kinds.0];
            c.policy.mean = [Mean::Linear, Mean::Clamp, Mean::Tanh][kinds.1];
            c.model.core_init =
                [CoreInit::Identity, CoreInit::FanIn, CoreInit::He, CoreInit::Xavier, CoreInit::Orthogonal][kinds.2];
            c.schedule.kind = [
                ScheduleKind::Constant,
                ScheduleKind::Linear,
                ScheduleKind::Step,
                ScheduleKind::Exponential,
                ScheduleKind::Cosine,
            ][kinds.3];
            c.loss.location_into_core = kinds.4;
            (c.seed, c.data.train, c.train.epochs, c.train.batch) = counts;
            c
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(config in configs()) {
            prop_assert_eq!(Config::from_toml(&config.to_toml(), "written").unwrap(), config);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\[?[a-z.]{0,12}\\]? ?=? ?[-0-9a-z\"'\\[\\]{}.]{0,8}\n?){0,4}", set in ".{0,20}") {
            _ = Config::from_toml(&text, "drawn");
            _ = Config::load(Base::Preset("demo"), &[set]);
        }
    }
}
