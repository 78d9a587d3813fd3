//! Reads a configuration from a preset, a file and `--set`, and writes it as TOML.

use std::collections::HashMap;

use toml::{Table, Value};

use super::Config;
use super::built_in::{self, Base, PRESETS};
use super::entries::{Entry, entries, nearest, suggestion};
use crate::error::RamError;
use crate::files;

impl Config {
    /// The names of the built-in presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A built-in preset.
    ///
    /// # Errors
    /// [`RamError::Config`] for an unknown name; it lists the presets.
    pub fn preset(name: &str) -> Result<Config, RamError> {
        Config::load(Base::Preset(name), &[])
    }

    /// Reads a preset or a file, applies `sets` (each `section.key=value`, in order) and checks the result.
    ///
    /// A value of `sets` is TOML (`3`, `1e-3`, `true`, `"adam"`); a bare word is taken as a string.
    ///
    /// # Errors
    /// [`RamError::Config`] that names the key, where it is written, and the nearest thing that would be right.
    pub fn load(base: Base, sets: &[String]) -> Result<Config, RamError> {
        let mut settings = match base {
            Base::Preset(name) => settings_in(built_in::preset(name)?.1, &format!("preset {name}"))?,
            Base::Experiment(name) => {
                let mut settings = settings_in(built_in::experiment(name)?.1, &format!("experiment {name}"))?;
                // The training must not depend on the paper's results.
                settings.retain(|setting| !setting.key.starts_with("experiment."));
                settings
            }
            Base::File(path) => {
                let text = files::read_text(path, files::TEXT).map_err(|error| {
                    RamError::Config(format!(
                        "cannot read the configuration {}: {error}; give --config a TOML file, or --preset one of {}",
                        path.display(),
                        Config::presets().collect::<Vec<_>>().join(", ")
                    ))
                })?;
                settings_in(&text, &path.display().to_string())?
            }
            Base::Text { text, origin } => settings_in(text, origin)?,
        };
        for set in sets {
            settings.push(setting_of(set)?);
        }
        Config::from_settings(settings)
    }

    /// Reads and checks a configuration; errors call the text `origin`, which is usually a path.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Config, RamError> {
        Config::from_settings(settings_in(text, origin)?)
    }

    /// The whole configuration as TOML, with every key; [`Config::from_toml`] reads it back to an equal one.
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

    /// The keys that differ from the preset `mnist`, as `--set` takes them: `train.epochs=3`.
    pub fn settings(&self) -> Vec<String> {
        let (mine, standard) = (leaves(&table_of(self)), leaves(&table_of(&Config::default())));
        let changed = std::iter::zip(mine, standard).filter(|(a, b)| a.1 != b.1);
        changed.map(|((key, value), _)| format!("{key}={value}")).collect()
    }

    fn from_settings(settings: Vec<Setting>) -> Result<Config, RamError> {
        let schema = table_of(&Config::default());
        let mut table = Table::new();
        let mut origins = HashMap::new();
        for setting in settings {
            setting.check(&schema)?;
            put(&mut table, &setting.key, setting.value);
            // Of two settings the last one counts.
            origins.insert(setting.key, setting.origin);
        }
        let config: Config = table.try_into().map_err(|error| RamError::Config(error.to_string()))?;
        config.validate_with(|key| origins.get(key).map(String::as_str))?;
        Ok(config)
    }
}

/// A key of the configuration with the value that somebody gave it.
pub(crate) struct Setting {
    /// `seed` or `section.key`.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: Value,
    /// Who gave it: `ram.toml, line 3`, `--set train.epochs=3`.
    pub(crate) origin: String,
}

/// Keys that had another name: the old one and the new one.
const RENAMED: [(&str, &str); 1] = [("model.glimpse", "model.glimpse_features")];

/// The present name of a key.
pub(crate) fn present_name(key: String) -> String {
    RENAMED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| (*new).to_owned())
}

/// A sentence for each setting of a file or of `sets` that has the old name of a key. The setting counts all the same.
pub fn old_names(base: Base, sets: &[String]) -> Vec<String> {
    let told = |key: &str, origin: &str| {
        let (old, new) = RENAMED.iter().find(|(old, _)| *old == key)?;
        Some(format!("{origin}: `{old}` is called `{new}` now; the old name is still taken"))
    };
    let mut list = Vec::new();
    if let Base::File(path) = base
        && let Ok(text) = files::read_text(path, files::TEXT)
        && let Ok(found) = entries(&text, &path.display().to_string())
    {
        let inside = found
            .iter()
            .flat_map(|e| e.inside.iter().map(move |leaf| (format!("{}.{}", e.name, leaf.name), &leaf.origin)));
        list.extend(inside.filter_map(|(key, origin)| told(&key, origin)));
    }
    let given = sets.iter().filter_map(|set| Some((set.split_once('=')?.0.trim(), format!("--set {set}"))));
    list.extend(given.filter_map(|(key, origin)| told(key, &origin)));
    list
}

impl Setting {
    /// Whether the key exists and its value is of the right kind.
    pub(crate) fn check(&self, schema: &Table) -> Result<(), RamError> {
        let Setting { key, value, origin } = self;
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

        // The other keys have defaults, so one key alone makes a whole configuration, and an error is about this key.
        let mut alone = Table::new();
        put(&mut alone, key, value.clone());
        let Err(error) = alone.try_into::<Config>() else { return Ok(()) };

        match model {
            Value::Integer(_) => fail(format!("`{key}` is {value}, but must be a whole number, 0 or more")),
            Value::Float(_) => fail(format!("`{key}` is {value}, but must be a number")),
            Value::Array(_) => fail(format!("`{key}` is {value}, but must be two numbers, such as [0.5, 2.0]")),
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

/// Reads `section.key=value`.
fn setting_of(set: &str) -> Result<Setting, RamError> {
    let Some((key, text)) = set.split_once('=').map(|(key, text)| (key.trim(), text.trim())) else {
        return Err(RamError::Config(format!("--set {set}: expected key=value, such as --set train.epochs=3")));
    };
    let value = text.parse().unwrap_or_else(|_| Value::String(text.to_owned()));
    Ok(Setting { key: present_name(key.to_owned()), value, origin: format!("--set {set}") })
}

/// The settings of a TOML text.
fn settings_in(text: &str, origin: &str) -> Result<Vec<Setting>, RamError> {
    let sections = table_of(&Config::default());
    let mut settings = Vec::new();
    for Entry { name, value, origin, inside } in entries(text, origin)? {
        // An empty section says nothing, but a misspelt one is an error all the same.
        if !value.is_table() || inside.is_empty() && !sections.contains_key(&name) {
            settings.push(Setting { key: name, value, origin });
        } else {
            let key = |leaf| present_name(format!("{name}.{leaf}"));
            settings.extend(inside.into_iter().map(|e| Setting { key: key(e.name), value: e.value, origin: e.origin }));
        }
    }
    Ok(settings)
}

/// Sets `section.key` or `key` in a table of sections.
pub(crate) fn put(table: &mut Table, key: &str, value: Value) {
    let Some((section, leaf)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    if let Value::Table(section) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        section.insert(leaf.to_owned(), value);
    }
}

/// A configuration as a table of sections.
pub(crate) fn table_of(config: &Config) -> Table {
    Table::try_from(config).expect("a configuration is a table")
}

/// Every key of a configuration, as `section.key`, with its value.
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

#[cfg(test)]
mod tests;
