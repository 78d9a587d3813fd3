//! The space of a search: a distribution for each configuration key that is drawn.

use std::collections::BTreeMap;

use autograd::math::{exp, ln};
use datasets::rng::{Key, Purpose, below, uniform};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::Value;

use crate::config::Config;
use crate::config::read::{Setting, put, table_of};
use crate::error::RamError;

/// The distribution from which the value of a key is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Uniform between two numbers.
    Uniform([f64; 2]),
    /// Its logarithm is uniform between those of two numbers, so that each power of ten is equally likely.
    LogUniform([f64; 2]),
    /// A whole number from the first to the second, both included.
    Whole([i64; 2]),
    /// One of these values, each equally likely.
    Choice(Vec<Value>),
}

impl Distribution {
    /// The names of the distributions in a study's file.
    pub const NAMES: [&'static str; 4] = ["uniform", "log-uniform", "whole", "choice"];

    /// Draws a value from a stream of random numbers; the same bits on every machine.
    pub fn draw(&self, rng: &mut impl rand::Rng) -> Value {
        match self {
            &Distribution::Uniform([low, high]) => Value::Float(between(low, high, uniform(rng))),
            &Distribution::LogUniform([low, high]) => {
                Value::Float(exp(between(ln(low), ln(high), uniform(rng))).clamp(low, high))
            }
            &Distribution::Whole([low, high]) => {
                let count = u32::try_from(high - low + 1).unwrap_or(u32::MAX);
                Value::Integer(low + i64::from(below(rng, count)))
            }
            Distribution::Choice(values) => {
                let index = below(rng, u32::try_from(values.len()).unwrap_or(u32::MAX));
                values[index as usize].clone()
            }
        }
    }

    /// Values that stand for all others in a check: the ends of a range, all values of a choice or of a short range.
    pub fn samples(&self) -> Vec<Value> {
        match self {
            Distribution::Uniform(ends) | Distribution::LogUniform(ends) => ends.map(Value::Float).to_vec(),
            // Of a range of sizes some may be invalid: model.patch is even.
            &Distribution::Whole([low, high]) if high - low < 64 => (low..=high).map(Value::Integer).collect(),
            Distribution::Whole(ends) => ends.map(Value::Integer).to_vec(),
            Distribution::Choice(values) => values.clone(),
        }
    }
}

/// Maps u in [0, 1) to [low, high].
fn between(low: f64, high: f64, u: f64) -> f64 {
    (low + (high - low) * u).clamp(low, high)
}

/// A key that is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// Its name, `section.key`.
    pub key: String,
    /// The distribution of its values.
    pub distribution: Distribution,
    /// Where it is written: `search.toml, line 9`.
    pub(super) origin: String,
}

/// The keys that are drawn, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space(pub(super) Vec<Dimension>);

impl Space {
    /// The keys with their distributions.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.0
    }

    /// The values that trial `trial` of a study with this `seed` draws. Each key has its own stream of random numbers, which the name
    /// of the key selects, so that its values do not depend on which other keys are drawn.
    pub fn draw(&self, seed: u64, trial: u32) -> BTreeMap<String, Value> {
        let one = |Dimension { key, distribution, .. }: &Dimension| {
            let stream = Key { seed, purpose: Purpose::Search, epoch: u64::from(trial), sample: name_number(key) };
            (key.clone(), distribution.draw(&mut stream.stream()))
        };
        self.0.iter().map(one).collect()
    }

    /// The configuration `base` with these values, checked.
    ///
    /// # Errors
    /// [`RamError::Config`] that names the lines of the study's file which draw the wrong values.
    pub fn apply(&self, base: &Config, values: &BTreeMap<String, Value>) -> Result<Config, RamError> {
        let config = apply(base, values)?;
        config.validate().map_err(|error| {
            let faults = error.to_string();
            let named = self.0.iter().filter(|dimension| faults.contains(&dimension.key));
            let draws = named.map(|d| format!("{}: draws {} = {}: ", d.origin, d.key, values[&d.key]));
            RamError::Config(draws.collect::<String>() + &faults)
        })?;
        Ok(config)
    }

    /// Checks that each value of each key is of the right kind, and is valid while the other keys have their first values. A space
    /// in which every combination is valid passes.
    pub(super) fn check(&self, base: &Config) -> Result<(), RamError> {
        let schema = table_of(&Config::default());
        for Dimension { key, distribution, origin } in &self.0 {
            for value in distribution.samples() {
                Setting { key: key.clone(), value, origin: origin.clone() }.check(&schema)?;
            }
        }
        let first: BTreeMap<_, _> =
            self.0.iter().map(|d| (d.key.clone(), d.distribution.samples().swap_remove(0))).collect();
        for Dimension { key, distribution, origin } in &self.0 {
            for value in distribution.samples() {
                let mut values = first.clone();
                values.insert(key.clone(), value);
                let config = apply(base, &values)?;
                config.validate().map_err(|error| RamError::Config(format!("{origin}: {error}")))?;
            }
        }
        Ok(())
    }
}

/// The configuration `base` with these values, not checked.
fn apply(base: &Config, values: &BTreeMap<String, Value>) -> Result<Config, RamError> {
    let mut table = table_of(base);
    for (key, value) in values {
        put(&mut table, key, value.clone());
    }
    table.try_into().map_err(|error| RamError::Config(error.to_string()))
}

/// The value as a number; `None` for names and booleans.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// A drawn value as tables and pictures show it: a name without quotes, and a number with about four digits.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(x) if *x != 0.0 && (x.abs() < 1e-2 || x.abs() >= 1e5) => format!("{x:.3e}"),
        Value::Float(x) => format!("{x:.4}"),
        other => other.to_string(),
    }
}

/// The number of a key's random stream: the first 64 bits of the SHA-256 of its name.
fn name_number(key: &str) -> u64 {
    let hash = Sha256::digest(key.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|i| hash[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::leaves;

    fn draws(distribution: &Distribution, count: u64) -> Vec<Value> {
        let key = |sample| Key { seed: 3, purpose: Purpose::Search, epoch: 0, sample };
        (0..count).map(|sample| distribution.draw(&mut key(sample).stream())).collect()
    }

    /// Mean and variance, against those of the distribution, within five standard errors of 10 000 draws.
    #[track_caller]
    fn moments(numbers: &[f64], mean: f64, variance: f64) {
        let n = numbers.len() as f64;
        let found = numbers.iter().sum::<f64>() / n;
        assert!((found - mean).abs() < 5.0 * (variance / n).sqrt(), "mean {found}, not {mean}");
        let spread = numbers.iter().map(|x| (x - found) * (x - found)).sum::<f64>() / n;
        // A uniform's fourth central moment is 9/5 of its variance squared.
        assert!((spread - variance).abs() < 5.0 * variance * (0.8 / n).sqrt(), "variance {spread}, not {variance}");
    }

    #[allow(clippy::disallowed_methods)] // log10 as an oracle
    #[test]
    fn every_distribution_has_its_range_and_moments() {
        let floats =
            |d: &Distribution| -> Vec<f64> { draws(d, 10_000).iter().map(|v| v.as_float().unwrap()).collect() };
        let numbers = floats(&Distribution::Uniform([-1.0, 3.0]));
        assert!(numbers.iter().all(|x| (-1.0..=3.0).contains(x)));
        moments(&numbers, 1.0, 16.0 / 12.0);

        let numbers = floats(&Distribution::LogUniform([1e-4, 1e-1]));
        assert!(numbers.iter().all(|x| (1e-4..=1e-1).contains(x)));
        let logarithms: Vec<f64> = numbers.iter().map(|x| x.log10()).collect();
        moments(&logarithms, -2.5, 9.0 / 12.0);

        let whole: Vec<i64> =
            draws(&Distribution::Whole([-2, 5]), 10_000).iter().map(|v| v.as_integer().unwrap()).collect();
        assert_eq!((whole.iter().min(), whole.iter().max()), (Some(&-2), Some(&5)));
        moments(&whole.iter().map(|&x| x as f64).collect::<Vec<_>>(), 1.5, 63.0 / 12.0);

        let names = ["rect", "lstm", "gru"].map(|name| Value::String(name.into()));
        let drawn = draws(&Distribution::Choice(names.to_vec()), 9_000);
        for name in &names {
            let count = drawn.iter().filter(|value| *value == name).count();
            assert!(count.abs_diff(3_000) < 224, "{name}: {count}"); // five standard deviations
        }
    }

    #[test]
    fn extreme_ranges_stay_within_themselves() {
        for ends in [[1e-300, 1e300], [1.0, 1.0 + f64::EPSILON], [5e-324, 1e-323]] {
            for distribution in [Distribution::LogUniform(ends), Distribution::Uniform(ends)] {
                for value in draws(&distribution, 100) {
                    let x = value.as_float().unwrap();
                    assert!(ends[0] <= x && x <= ends[1], "{distribution:?}: {x}");
                }
            }
        }
        assert_eq!(draws(&Distribution::Whole([7, 7]), 3), [7, 7, 7].map(Value::Integer));
    }

    fn space(keys: &[&str]) -> Space {
        let dimension = |key: &&str| Dimension {
            key: key.to_string(),
            distribution: Distribution::Uniform([0.1, 1.0]),
            origin: "made".into(),
        };
        Space(keys.iter().map(dimension).collect())
    }

    #[test]
    fn a_draw_does_not_depend_on_the_other_keys() {
        let alone = space(&["policy.std"]).draw(1, 9);
        let beside = space(&["loss.discount", "optimiser.momentum", "policy.std"]).draw(1, 9);
        assert_eq!(alone["policy.std"], beside["policy.std"]);
        assert_ne!(beside["loss.discount"], beside["policy.std"]);
        assert_ne!(alone, space(&["policy.std"]).draw(1, 10));
        assert_ne!(alone, space(&["policy.std"]).draw(2, 9));
    }

    #[test]
    fn every_key_has_a_stream_of_its_own() {
        let mut numbers: Vec<u64> =
            leaves(&table_of(&Config::default())).iter().map(|(key, _)| name_number(key)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(count > 40 && numbers.len() == count);
    }
}
