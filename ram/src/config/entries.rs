//! The one reader of TOML: a text becomes a tree of entries, and each entry knows the file and the line where it is written, so
//! that every error can name them. The configuration and the studies of `ram search` are read through it.

use std::fmt::Display;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use crate::error::RamError;

/// A key that somebody wrote.
pub(crate) struct Entry {
    /// Its name in its table: `epochs` for `train.epochs`.
    pub(crate) name: String,
    /// Its value; for a section this is the whole table.
    pub(crate) value: Value,
    /// Where it is written: `ram.toml, line 3`.
    pub(crate) origin: String,
    /// The entries of its table; empty where the value is not a table.
    pub(crate) inside: Vec<Entry>,
}

/// Reads a TOML text; errors call it `origin`, which is usually a path.
///
/// # Errors
/// [`RamError::Config`] where the text is not TOML.
pub(crate) fn entries(text: &str, origin: &str) -> Result<Vec<Entry>, RamError> {
    // Found once: counting for each key would take quadratic time.
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let place = |at: usize| format!("{origin}, line {}", ends.partition_point(|&end| end < at) + 1);
    let table: Table = toml::from_str(text).map_err(|error| {
        let place = error.span().map_or(origin.to_owned(), |span| place(span.start));
        RamError::Config(format!("{place}: not TOML: {}", error.message()))
    })?;
    let spans = DeTable::parse(text).map_err(|error| RamError::Config(format!("{origin}: {error}")))?;
    Ok(tree(table, spans.get_ref(), &place))
}

/// The entries of a table; `spans` is the same table with the position of each key.
fn tree(mut table: Table, spans: &DeTable, place: &impl Fn(usize) -> String) -> Vec<Entry> {
    let entry = |(key, span): (&toml::Spanned<std::borrow::Cow<str>>, &toml::Spanned<DeValue>)| {
        let name = key.get_ref().to_string();
        let value = table.remove(&name)?;
        let inside = match (&value, span.get_ref()) {
            (Value::Table(inner), DeValue::Table(spans)) => tree(inner.clone(), spans, place),
            _ => Vec::new(),
        };
        Some(Entry { name, value, origin: place(key.span().start), inside })
    };
    spans.iter().filter_map(entry).collect()
}

impl Entry {
    /// An error about this entry.
    pub(crate) fn fail<T>(&self, message: impl Display) -> Result<T, RamError> {
        Err(RamError::Config(format!("{}: {message}", self.origin)))
    }

    /// The error of an entry that is not one of the `known` names.
    pub(crate) fn unknown<T>(&self, known: &[&str]) -> Result<T, RamError> {
        self.fail(format!(
            "unknown key `{}`{}; the keys are {}",
            self.name,
            suggestion(nearest(&self.name, known.iter().copied())),
            known.join(", ")
        ))
    }

    /// The value as a whole number from `low` to `high`.
    pub(crate) fn whole(&self, low: i64, high: i64) -> Result<i64, RamError> {
        match self.value.as_integer().filter(|n| (low..=high).contains(n)) {
            Some(n) => Ok(n),
            None => self.mismatch(&format!("a whole number from {low} to {high}")),
        }
    }

    /// The value as a string.
    pub(crate) fn string(&self) -> Result<&str, RamError> {
        self.value.as_str().map_or_else(|| self.mismatch("a name in quotes"), Ok)
    }

    /// The entries of its table, or the error that the value is not a table; `expected` says what to write.
    pub(crate) fn table(&self, expected: &str) -> Result<&[Entry], RamError> {
        if self.value.is_table() { Ok(&self.inside) } else { self.mismatch(expected) }
    }

    /// The error of a value that is not what is `expected`.
    pub(crate) fn mismatch<T>(&self, expected: &str) -> Result<T, RamError> {
        self.fail(format!("`{}` is {}, but must be {expected}", self.name, self.value))
    }
}

/// The candidate that was probably meant: it differs by one or two typing errors, or it is the same key in another section.
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

/// The end of an error message that names the [`nearest`] candidate; empty where there is none.
pub(crate) fn suggestion(near: Option<&str>) -> String {
    near.map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This took minutes when the lines were counted for each key.
    #[test]
    fn many_keys_take_no_longer_each() {
        let text: String = (0..30_000).map(|i| format!("key{i} = 1\n")).collect();
        let list = entries(&text, "x.toml").unwrap();
        assert!(list.iter().all(|e| e.origin == format!("x.toml, line {}", e.name[3..].parse::<usize>().unwrap() + 1)));
    }

    #[test]
    fn every_entry_knows_its_line() {
        let list = entries("seed = 1\n\n[a]\nb.c = 2\nd = [3]\n", "x.toml").unwrap();
        let [a, seed] = &list[..] else { panic!("two entries") };
        assert_eq!((a.name.as_str(), a.origin.as_str(), a.inside.len()), ("a", "x.toml, line 3", 2));
        assert_eq!((seed.name.as_str(), seed.origin.as_str()), ("seed", "x.toml, line 1"));
        assert_eq!((&seed.value, seed.inside.len()), (&Value::Integer(1), 0));
        let c = &a.inside[0].inside[0];
        assert_eq!((c.name.as_str(), &c.value, c.origin.as_str()), ("c", &Value::Integer(2), "x.toml, line 4"));
        assert_eq!(a.inside[1].origin, "x.toml, line 5");
        let Err(error) = entries("a = 1\na = 2\n", "x.toml") else { panic!("a key twice") };
        assert!(error.to_string().starts_with("x.toml, line 2: not TOML: "), "{error}");
    }
}
