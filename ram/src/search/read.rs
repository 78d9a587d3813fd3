//! Reads a study from its file. Every error names the key, the file and the line.

use std::path::Path;

use toml::{Table, Value};

use super::halving::Halving;
use super::space::{Dimension, Distribution, Space, number};
use super::study::Study;
use crate::config::entries::{Entry, entries, nearest, suggestion};
use crate::config::read::present_name;
use crate::config::read::{Setting, table_of};
use crate::config::{Base, Config};
use crate::error::RamError;

/// How a key of the space is written.
const FORMS: &str = "{ log-uniform = [1e-4, 1e-2] }, { uniform = [0.05, 0.5] }, { whole = [2, 8] } or \
                     { choice = [\"linear\", \"clamp\"] }";

/// The largest number of trials of a study.
const MOST_TRIALS: i64 = 1_000_000;

impl Study {
    /// Reads and checks a study. Errors call the text `origin`, which is usually a path; the file of `base.config` is looked for
    /// in `folder`.
    ///
    /// # Errors
    /// [`RamError::Config`] for a text that is not TOML, unknown keys, empty ranges, values of the wrong kind, and values of the
    /// space that no configuration can have.
    pub fn from_toml(text: &str, origin: &str, folder: &Path) -> Result<Study, RamError> {
        let (mut seed, mut trials, mut halving) = (1, 40, None);
        let (mut fixed, mut drawn) = (Fixed { config: Config::default(), keys: Vec::new() }, None);
        for entry in entries(text, origin)? {
            match entry.name.as_str() {
                "seed" => seed = entry.whole(0, i64::MAX)?.cast_unsigned(),
                "trials" => trials = entry.whole(1, MOST_TRIALS)? as u32,
                "halving" => halving = Some(read_halving(&entry)?),
                "base" => fixed = read_base(&entry, folder)?,
                "space" => drawn = Some((read_space(&entry)?, entry.origin)),
                _ => entry.unknown(&["seed", "trials", "halving", "base", "space"])?,
            }
        }
        let Some((space, place)) = drawn.filter(|(space, _)| !space.0.is_empty()) else {
            return Err(RamError::Config(format!(
                "{origin}: the section [space] is missing or empty, so that there is nothing to search; write keys with \
                 distributions, such as policy.std = {{ uniform = [0.05, 0.5] }}"
            )));
        };
        for Dimension { key, origin, .. } in &space.0 {
            if fixed.keys.contains(key) {
                return Err(RamError::Config(format!(
                    "{origin}: `{key}` is drawn, but base.set fixes it; leave one out"
                )));
            }
        }
        let study = Study { seed, trials, halving, base: fixed.config, space };
        study.check().map_err(|error| match error {
            RamError::Config(message) if !message.starts_with(origin) => {
                RamError::Config(format!("{place}: {message}"))
            }
            error => error,
        })?;
        Ok(study)
    }
}

/// What is the same for all trials.
struct Fixed {
    config: Config,
    /// The keys of `set`.
    keys: Vec<String>,
}

fn read_halving(entry: &Entry) -> Result<Halving, RamError> {
    let (mut eta, mut first) = (3, None);
    for entry in entry.table("{ eta = 3 }")? {
        match entry.name.as_str() {
            "eta" => eta = entry.whole(2, 1000)? as u32,
            "first" => first = Some(entry.whole(1, 1_000_000)? as usize),
            _ => entry.unknown(&["eta", "first"])?,
        }
    }
    Ok(Halving { eta, first })
}

fn read_base(entry: &Entry, folder: &Path) -> Result<Fixed, RamError> {
    let (mut begin, mut sets) = (None::<&Entry>, Vec::new());
    for entry in entry.table("a section, [base]")? {
        match entry.name.as_str() {
            name @ ("preset" | "experiment" | "config") => {
                if let Some(other) = begin {
                    return entry.fail(format!("`{name}` beside `{}`: one of them is the base", other.name));
                }
                entry.string()?;
                begin = Some(entry);
            }
            "set" => {
                let strings = entry.value.as_array().map(|list| list.iter().map(Value::as_str));
                match strings.and_then(Iterator::collect::<Option<Vec<_>>>) {
                    Some(strings) => sets = strings.into_iter().map(str::to_owned).collect(),
                    None => {
                        return entry.fail(format!(
                            "`base.set` is {}, but must be a list such as [\"train.epochs=10\"]",
                            entry.value
                        ));
                    }
                }
            }
            _ => entry.unknown(&["preset", "experiment", "config", "set"])?,
        }
    }
    let name = begin.map_or(Ok("mnist"), Entry::string)?;
    let path = folder.join(name);
    let base = match begin.map(|entry| entry.name.as_str()) {
        Some("experiment") => Base::Experiment(name),
        Some("config") => Base::File(&path),
        _ => Base::Preset(name),
    };
    let place = &begin.unwrap_or(entry).origin;
    let config = Config::load(base, &sets).map_err(|error| RamError::Config(format!("{place}: {error}")))?;
    let keys = sets.iter().filter_map(|set| Some(set.split_once('=')?.0.trim().to_owned())).collect();
    Ok(Fixed { config, keys })
}

fn read_space(entry: &Entry) -> Result<Space, RamError> {
    let schema = table_of(&Config::default());
    let mut dimensions = Vec::new();
    for entry in entry.table("a section, [space]")? {
        // `policy.std = …` and `[space.policy]` are tables in a table, `"policy.std" = …` is one key.
        let nested = entry.inside.iter().any(|inner| inner.value.is_table());
        if nested || schema.get(&entry.name).is_some_and(Value::is_table) {
            for inner in entry.table("a section with keys that have distributions")? {
                let key = present_name(format!("{}.{}", entry.name, inner.name));
                dimensions.push(read_dimension(key, inner, &schema)?);
            }
        } else {
            dimensions.push(read_dimension(entry.name.clone(), entry, &schema)?);
        }
    }
    dimensions.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(second) = dimensions.windows(2).find(|pair| pair[0].key == pair[1].key).map(|pair| &pair[1]) {
        return Err(RamError::Config(format!("{}: `{}` has two distributions", second.origin, second.key)));
    }
    Ok(Space(dimensions))
}

fn read_dimension(key: String, entry: &Entry, schema: &Table) -> Result<Dimension, RamError> {
    let known = key.split_once('.').map_or(schema.get(&key), |(section, leaf)| schema.get(section)?.get(leaf));
    let Some(model) = known.filter(|value| !value.is_table()) else {
        // An unknown key is the only thing to say about it.
        Setting { key: key.clone(), value: entry.value.clone(), origin: entry.origin.clone() }.check(schema)?;
        return entry.fail(format!("`{key}` is not a key"));
    };
    let forms = format!("a distribution: {FORMS}");
    let Value::Table(table) = &entry.value else {
        return entry.fail(format!(
            "`{key}` is {}, but must be {forms}; what is the same for all trials goes into base.set",
            entry.value
        ));
    };
    let mut pairs = table.iter();
    let (Some((name, value)), None) = (pairs.next(), pairs.next()) else {
        return entry.fail(format!("`{key}` is {}, but must be one {forms}", entry.value));
    };
    let distribution =
        read_distribution(name, value, model).or_else(|message| entry.fail(format!("`{key}`{message}")))?;
    Ok(Dimension { key, distribution, origin: entry.origin.clone() })
}

/// The distribution `name = value` of a key whose values are of the kind of `model`. An error is the end of a message that begins
/// with the key.
fn read_distribution(name: &str, value: &Value, model: &Value) -> Result<Distribution, String> {
    let list = value.as_array();
    let empty = |what: &str| Err(format!(": {name} = {value} is {what}"));
    match name {
        "uniform" | "log-uniform" => {
            let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(number).collect());
            let Some(&[low, high]) = numbers.as_deref() else {
                return Err(format!(": {name} is {value}, but must be two numbers, [low, high]"));
            };
            if model.is_integer() {
                return Err(format!(
                    " is a whole number, which {name} does not draw; write {{ whole = [low, high] }}, or a choice"
                ));
            }
            if !(high - low).is_finite() {
                return empty("not a range of finite numbers");
            }
            if low >= high {
                return empty("empty: the first number must be below the second");
            }
            match name {
                "uniform" => Ok(Distribution::Uniform([low, high])),
                _ if low <= 0.0 => empty("not a range of logarithms: both numbers must be above 0"),
                _ => Ok(Distribution::LogUniform([low, high])),
            }
        }
        "whole" => {
            let numbers: Option<Vec<i64>> = list.and_then(|list| list.iter().map(Value::as_integer).collect());
            let Some(&[low, high]) = numbers.as_deref() else {
                return Err(format!(": whole is {value}, but must be two whole numbers, [low, high]"));
            };
            if low > high {
                return empty("empty: the first number must not be above the second");
            }
            if high.checked_sub(low).is_none_or(|width| width >= i64::from(u32::MAX)) {
                return empty("too wide: there may be at most 4294967295 numbers");
            }
            Ok(Distribution::Whole([low, high]))
        }
        "choice" => match list {
            Some(values) if values.is_empty() => empty("empty: give it at least one value"),
            Some(values) => Ok(Distribution::Choice(values.clone())),
            None => Err(format!(": choice is {value}, but must be a list of values")),
        },
        _ => {
            let near = suggestion(nearest(name, Distribution::NAMES.into_iter()));
            Err(format!(": unknown distribution `{name}`{near}; the distributions are {FORMS}"))
        }
    }
}

#[cfg(test)]
mod tests;
