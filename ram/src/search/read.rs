//! From a study's text to a study: every error names the key, the file and the line.

use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::halving::Halving;
use super::space::{Dimension, Distribution, Space};
use super::study::Study;
use crate::config::read::{Entry, nearest, suggestion, table_of};
use crate::config::{Base, Config};
use crate::error::RamError;

/// How a key of the space is written.
const FORMS: &str = "{ log-uniform = [1e-4, 1e-2] }, { uniform = [0.05, 0.5] }, { whole = [2, 8] } or \
                     { choice = [\"linear\", \"clamp\"] }";

/// The most trials of a study.
pub(super) const MOST_TRIALS: i64 = 1_000_000;

/// A key that somebody wrote: its name, its value and its line.
struct Item<'a> {
    name: &'a str,
    value: &'a Value,
    spanned: &'a DeValue<'a>,
    place: String,
}

impl Item<'_> {
    fn fail<T>(&self, message: impl std::fmt::Display) -> Result<T, RamError> {
        Err(RamError::Config(format!("{}: {message}", self.place)))
    }

    fn whole(&self, low: i64, high: i64) -> Result<i64, RamError> {
        match self.value.as_integer().filter(|n| (low..=high).contains(n)) {
            Some(n) => Ok(n),
            None => {
                self.fail(format!("`{}` is {}, but must be a whole number from {low} to {high}", self.name, self.value))
            }
        }
    }

    fn string(&self) -> Result<&str, RamError> {
        match self.value.as_str() {
            Some(text) => Ok(text),
            None => self.fail(format!("`{}` is {}, but must be a name in quotes", self.name, self.value)),
        }
    }

    fn unknown<T>(&self, known: &[&str]) -> Result<T, RamError> {
        self.fail(format!(
            "unknown key `{}`{}; there are {}",
            self.name,
            suggestion(nearest(self.name, known.iter().copied())),
            known.join(", ")
        ))
    }
}

/// A text with its name.
struct Text<'a> {
    text: &'a str,
    origin: &'a str,
}

impl Text<'_> {
    fn place(&self, at: usize) -> String {
        format!("{}, line {}", self.origin, self.text[..at].matches('\n').count() + 1)
    }

    fn items<'a>(&self, table: &'a Table, spans: &'a DeTable<'a>) -> Vec<Item<'a>> {
        let item = |(name, value): (&'a toml::Spanned<std::borrow::Cow<'a, str>>, &'a toml::Spanned<DeValue<'a>>)| {
            let place = self.place(name.span().start);
            let name = name.get_ref().as_ref();
            Item { name, value: &table[name], spanned: value.get_ref(), place }
        };
        spans.iter().map(item).collect()
    }

    /// What is in a table, or the error that it is none.
    fn inside<'a>(&self, item: &Item<'a>, expected: &str) -> Result<Vec<Item<'a>>, RamError> {
        match (item.value, item.spanned) {
            (Value::Table(table), DeValue::Table(spans)) => Ok(self.items(table, spans)),
            _ => item.fail(format!("`{}` is {}, but must be {expected}", item.name, item.value)),
        }
    }
}

impl Study {
    /// Reads and checks a study; `origin` (a path, say) is what errors call the text, `folder` where the file of `base.config` is
    /// looked for.
    ///
    /// # Errors
    /// [`RamError::Config`] for what is no TOML, unknown keys, empty ranges, values of the wrong kind, and values of the space that
    /// would not be a configuration.
    pub fn from_toml(text: &str, origin: &str, folder: &Path) -> Result<Study, RamError> {
        let reader = Text { text, origin };
        let table: Table = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(origin.to_owned(), |span| reader.place(span.start));
            RamError::Config(format!("{place}: not TOML: {}", error.message()))
        })?;
        let spans = DeTable::parse(text).map_err(|error| RamError::Config(format!("{origin}: {error}")))?;

        let (mut seed, mut trials, mut halving) = (1, None, None);
        let (mut base, mut space) = (Fixed { config: Config::default(), keys: Vec::new() }, None);
        for item in reader.items(&table, spans.get_ref()) {
            match item.name {
                "seed" => seed = item.whole(0, i64::MAX)?.cast_unsigned(),
                "trials" => trials = Some(item.whole(1, MOST_TRIALS)? as u32),
                "halving" => halving = Some(reader.halving(&item)?),
                "base" => base = reader.base(&item, folder)?,
                "space" => space = Some((reader.space(&item)?, item.place)),
                _ => item.unknown(&["seed", "trials", "halving", "base", "space"])?,
            }
        }
        let Some((space, place)) = space.filter(|(space, _)| !space.0.is_empty()) else {
            return Err(RamError::Config(format!(
                "{origin}: the section [space] is missing or empty, so that there is nothing to search; write keys with \
                 distributions, such as policy.std = {{ uniform = [0.05, 0.5] }}"
            )));
        };
        for Dimension { key, origin, .. } in &space.0 {
            if base.keys.contains(key) {
                return Err(RamError::Config(format!(
                    "{origin}: `{key}` is drawn, but base.set fixes it; leave one out"
                )));
            }
        }
        let study = Study { seed, trials: trials.unwrap_or(40), halving, base: base.config, space };
        study.check().map_err(|error| match error {
            RamError::Config(message) if !message.starts_with(origin) => {
                RamError::Config(format!("{place}: {message}"))
            }
            error => error,
        })?;
        Ok(study)
    }
}

/// What is not drawn.
struct Fixed {
    config: Config,
    /// The keys of `set`.
    keys: Vec<String>,
}

impl Text<'_> {
    fn halving(&self, item: &Item) -> Result<Halving, RamError> {
        let (mut eta, mut first) = (3, None);
        for item in self.inside(item, "{ eta = 3 }")? {
            match item.name {
                "eta" => eta = item.whole(2, 1000)? as u32,
                "first" => first = Some(item.whole(1, 1_000_000)? as usize),
                _ => item.unknown(&["eta", "first"])?,
            }
        }
        Ok(Halving { eta, first })
    }

    fn base(&self, item: &Item, folder: &Path) -> Result<Fixed, RamError> {
        let (mut begin, mut sets, mut place) = (None, Vec::new(), item.place.clone());
        for item in self.inside(item, "a section, [base]")? {
            match item.name {
                "preset" | "experiment" | "config" => {
                    if let Some((other, _)) = begin {
                        return item.fail(format!("`{}` beside `{other}`: one of them is the base", item.name));
                    }
                    begin = Some((item.name, item.string()?.to_owned()));
                    place = item.place;
                }
                "set" => {
                    let strings = item.value.as_array().map(|list| list.iter().map(Value::as_str));
                    match strings.and_then(Iterator::collect::<Option<Vec<_>>>) {
                        Some(strings) => sets = strings.into_iter().map(str::to_owned).collect(),
                        None => {
                            return item.fail(format!(
                                "`base.set` is {}, but must be a list such as [\"train.epochs=10\"]",
                                item.value
                            ));
                        }
                    }
                }
                _ => item.unknown(&["preset", "experiment", "config", "set"])?,
            }
        }
        let path;
        let begin = match &begin {
            Some(("experiment", name)) => Base::Experiment(name),
            Some(("config", file)) => {
                path = folder.join(file);
                Base::File(&path)
            }
            Some((_, name)) => Base::Preset(name),
            None => Base::Preset("mnist"),
        };
        let config = Config::load(begin, &sets).map_err(|error| RamError::Config(format!("{place}: {error}")))?;
        let keys = sets.iter().filter_map(|set| Some(set.split_once('=')?.0.trim().to_owned())).collect();
        Ok(Fixed { config, keys })
    }

    fn space(&self, item: &Item) -> Result<Space, RamError> {
        let schema = table_of(&Config::default());
        let mut dimensions = Vec::new();
        for item in self.inside(item, "a section, [space]")? {
            // `policy.std = …` and `[space.policy]` are tables in a table, `"policy.std" = …` is one key.
            let nested = |table: &Table| table.values().any(Value::is_table);
            let section =
                schema.get(item.name).is_some_and(Value::is_table) || item.value.as_table().is_some_and(nested);
            if section {
                for inner in self.inside(&item, "a section with keys that have distributions")? {
                    dimensions.push(self.dimension(format!("{}.{}", item.name, inner.name), &inner, &schema)?);
                }
            } else {
                dimensions.push(self.dimension(item.name.to_owned(), &item, &schema)?);
            }
        }
        dimensions.sort_by(|a, b| a.key.cmp(&b.key));
        if let Some(second) = dimensions.windows(2).find(|pair| pair[0].key == pair[1].key).map(|pair| &pair[1]) {
            return Err(RamError::Config(format!("{}: `{}` has two distributions", second.origin, second.key)));
        }
        Ok(Space(dimensions))
    }

    fn dimension(&self, key: String, item: &Item, schema: &Table) -> Result<Dimension, RamError> {
        let entry = |value: Value| Entry { key: key.clone(), value, origin: item.place.clone() };
        // Of an unknown key nothing else is told.
        let known = key.split_once('.').map_or(schema.get(&key), |(section, leaf)| schema.get(section)?.get(leaf));
        let Some(model) = known.filter(|value| !value.is_table()) else {
            entry(item.value.clone()).check(schema)?;
            return item.fail(format!("`{key}` is not a key"));
        };
        let forms = format!("a distribution: {FORMS}");
        let Value::Table(table) = item.value else {
            return item.fail(format!(
                "`{key}` is {}, but must be {forms}; what is the same for all trials goes into base.set",
                item.value
            ));
        };
        let mut entries = table.iter();
        let (Some((name, value)), None) = (entries.next(), entries.next()) else {
            return item.fail(format!("`{key}` is {}, but must be one {forms}", item.value));
        };
        let ends = || -> Result<[f64; 2], RamError> {
            let numbers = value.as_array().map(|list| list.iter().map(number));
            match numbers.and_then(Iterator::collect::<Option<Vec<f64>>>).as_deref() {
                Some(&[low, high]) => Ok([low, high]),
                _ => item.fail(format!("`{key}`: {name} is {value}, but must be two numbers, [low, high]")),
            }
        };
        let empty = |what: &str| item.fail(format!("`{key}`: {name} = {value} is {what}"));
        let distribution = match name.as_str() {
            "uniform" | "log-uniform" => {
                let [low, high] = ends()?;
                if model.is_integer() {
                    return item.fail(format!(
                        "`{key}` is a whole number, which {name} does not draw; write {{ whole = [low, high] }}, or a choice"
                    ));
                }
                if !(high - low).is_finite() {
                    return empty("not a range of finite numbers");
                }
                if low >= high {
                    return empty("empty: the first number must be below the second");
                }
                if name == "log-uniform" && low <= 0.0 {
                    return empty("no range of logarithms: both numbers must be above 0");
                }
                if name == "uniform" {
                    Distribution::Uniform([low, high])
                } else {
                    Distribution::LogUniform([low, high])
                }
            }
            "whole" => {
                let ends: Option<Vec<i64>> =
                    value.as_array().and_then(|list| list.iter().map(Value::as_integer).collect());
                let Some(&[low, high]) = ends.as_deref() else {
                    return item.fail(format!("`{key}`: whole is {value}, but must be two whole numbers, [low, high]"));
                };
                if low > high {
                    return empty("empty: the first number must not be above the second");
                }
                if high.checked_sub(low).is_none_or(|width| width >= i64::from(u32::MAX)) {
                    return empty("too wide: there may be at most 4294967295 numbers");
                }
                Distribution::Whole([low, high])
            }
            "choice" => match value.as_array() {
                Some(values) if values.is_empty() => return empty("empty: give it at least one value"),
                Some(values) => Distribution::Choice(values.clone()),
                None => return item.fail(format!("`{key}`: choice is {value}, but must be a list of values")),
            },
            _ => {
                let near = suggestion(nearest(name, Distribution::NAMES.into_iter()));
                return item.fail(format!("`{key}`: unknown distribution `{name}`{near}; there are {FORMS}"));
            }
        };
        Ok(Dimension { key, distribution, origin: item.place.clone() })
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Integer(n) => Some(*n as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::study::TEMPLATE;
    use super::*;

    fn read(text: &str) -> Result<Study, RamError> {
        Study::from_toml(text, "search.toml", Path::new(""))
    }

    #[track_caller]
    fn fails(text: &str, parts: &[&str]) {
        let Err(RamError::Config(message)) = read(text) else { panic!("no configuration error: {text}") };
        for part in parts {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
    }

    #[test]
    fn the_template_is_a_study_and_each_form_is_in_it() {
        let study = read(TEMPLATE).unwrap();
        assert_eq!((study.seed, study.trials, study.halving), (1, 40, None));
        assert_eq!(study.base.train.epochs, 10);
        let names: Vec<_> = study.space.dimensions().iter().map(|d| d.key.as_str()).collect();
        assert_eq!(
            names,
            ["loss.location_weight", "model.glimpses", "optimiser.learning_rate", "policy.mean", "policy.std"]
        );
        for name in Distribution::NAMES {
            assert!(TEMPLATE.contains(&format!("{{ {name} = [")), "{name}");
        }
        let halved = read(&TEMPLATE.replace("# halving", "halving")).unwrap();
        assert_eq!(halved.halving, Some(Halving { eta: 3, first: Some(2) }));
        assert_eq!(halved.rungs(), [2, 6, 10]);
    }

    #[test]
    fn a_key_may_be_written_in_three_ways() {
        let std = "{ uniform = [0.05, 0.5] }";
        let quoted = read(&format!("[space]\n\"policy.std\" = {std}")).unwrap().space;
        let dotted = read(&format!("[space]\npolicy.std = {std}")).unwrap().space;
        let section = read(&format!("[space.policy]\nstd = {std}")).unwrap().space;
        for space in [dotted, section] {
            assert_eq!((&space.0[0].key, &space.0[0].distribution), (&quoted.0[0].key, &quoted.0[0].distribution));
        }
        assert_eq!(quoted.0[0].origin, "search.toml, line 2");
        fails(&format!("[space]\npolicy.std = {std}\n\"policy.std\" = {std}"), &["line 3", "two distributions"]);
        // The seed is a key like others: of several trainings with the same values.
        assert_eq!(read("[space]\nseed = { whole = [1, 9] }").unwrap().space.0[0].key, "seed");
    }

    #[test]
    fn unknown_keys_are_answered_with_the_nearest() {
        fails("sed = 1", &["search.toml, line 1: unknown key `sed`; did you mean `seed`?"]);
        fails("[base]\nprest = \"demo\"", &["line 2: unknown key `prest`; did you mean `preset`?"]);
        fails("halving = { ete = 3 }", &["line 1: unknown key `ete`; did you mean `eta`?"]);
        let one = |key: &str| format!("[space]\n\n{key} = {{ uniform = [0.1, 0.2] }}");
        fails(&one("policy.sdt"), &["search.toml, line 3: unknown key `policy.sdt`; did you mean `policy.std`?"]);
        fails(&one("optimizer.momentum"), &["line 3: unknown key", "did you mean `optimiser.momentum`?"]);
        fails(&one("momentum"), &["line 3: unknown key `momentum`; did you mean `optimiser.momentum`?"]);
        fails(&one("policy"), &["line 3: ", "`policy"]);
        fails("[base]\nset = [\"train.epoch=3\"]\n", &["search.toml, line 1: --set train.epoch=3: unknown key"]);
        fails("[base]\npreset = \"mnits\"", &["line 2: no preset is called `mnits`; did you mean `mnist`?"]);
        fails("[base]\nexperiment = \"catsh\"", &["line 2: no experiment", "did you mean `catch`?"]);
        fails("[base]\nconfig = \"no.toml\"", &["line 2: cannot read the configuration no.toml"]);
    }

    #[test]
    fn empty_ranges_and_wrong_kinds_name_key_and_line() {
        let one = |text: &str| format!("[space]\n{text}");
        for (text, parts) in [
            ("policy.std = { uniform = [0.5, 0.1] }", ["policy.std", "uniform = [0.5, 0.1] is empty"]),
            ("policy.std = { uniform = [0.5, 0.5] }", ["policy.std", "empty"]),
            ("policy.std = { uniform = [0.1, nan] }", ["policy.std", "finite"]),
            ("policy.std = { uniform = [0.1] }", ["policy.std", "two numbers, [low, high]"]),
            ("policy.std = { uniform = \"x\" }", ["policy.std", "two numbers"]),
            ("policy.std = { log-uniform = [0.0, 0.1] }", ["policy.std", "above 0"]),
            ("policy.std = { unifrom = [0.1, 0.2] }", ["unknown distribution `unifrom`", "did you mean `uniform`?"]),
            ("policy.std = { uniform = [0.1, 0.2], whole = [1, 2] }", ["policy.std", "but must be one"]),
            ("policy.std = 0.1", ["policy.std", "what is the same for all trials goes into base.set"]),
            ("policy.std = [0.1, 0.2]", ["policy.std", "a distribution: { log-uniform"]),
            ("policy.mean = { choice = [] }", ["policy.mean", "empty"]),
            ("policy.mean = { choice = \"tanh\" }", ["policy.mean", "a list of values"]),
            ("policy.mean = { choice = [\"tanh\", \"clmap\"] }", ["policy.mean", "did you mean `clamp`?"]),
            ("policy.mean = { whole = [1, 2] }", ["policy.mean", "must be a name in quotes"]),
            ("train.batch = { uniform = [16, 64] }", ["train.batch", "write { whole = [low, high] }"]),
            ("train.batch = { whole = [16.5, 64] }", ["train.batch", "two whole numbers"]),
            ("train.batch = { whole = [64, 16] }", ["train.batch", "empty"]),
            ("seed = { whole = [0, 9223372036854775807] }", ["seed", "too wide"]),
            ("train.batch = { whole = [-4, 16] }", ["train.batch", "a whole number, 0 or more"]),
            ("loss.location_into_core = { choice = [true, 0] }", ["loss.location_into_core", "true or false"]),
        ] {
            fails(&one(text), &["search.toml, line 2: ", parts[0], parts[1]]);
        }
        fails("trials = 0", &["line 1: `trials` is 0, but must be a whole number from 1"]);
        fails("seed = -1", &["line 1: `seed` is -1"]);
        fails("halving = { eta = 1 }", &["`eta` is 1, but must be a whole number from 2"]);
        fails("halving = 3", &["`halving` is 3, but must be { eta = 3 }"]);
        fails("[base]\npreset = 3", &["`preset` is 3, but must be a name in quotes"]);
        fails("[base]\npreset = \"demo\"\nexperiment = \"catch\"", &["`preset`", "`experiment`", "one of them"]);
        fails("[base]\nset = \"seed=3\"", &["`base.set` is", "a list such as"]);
        fails("seed = = 1", &["search.toml, line 1: not TOML"]);
        fails("", &["[space] is missing or empty"]);
        fails("[space]", &["[space] is missing or empty"]);
        fails("space = 3", &["`space` is 3"]);
    }

    /// What would fail in trial 30 is told before trial 1.
    #[test]
    fn values_that_are_no_configuration_are_told_with_their_line() {
        let one = |text: &str| format!("[space]\n{text}");
        fails(
            &one("policy.std = { uniform = [0.0, 0.5] }"),
            &["search.toml, line 2: policy.std is 0, but must be above 0"],
        );
        fails(&one("policy.std = { uniform = [0.1, 50.0] }"), &["line 2: policy.std is 50, but must be"]);
        fails(&one("model.patch = { whole = [4, 12] }"), &["line 2: model.patch is 5, but must be an even number"]);
        // Each end is fine, but not every combination.
        let steps =
            "[base]\nset = [\"data.train=1280\", \"train.batch=128\"]\n[space]\ntrain.epochs = { whole = [1, 9] }\n";
        fails(&format!("{steps}schedule.warmup = {{ whole = [1, 20] }}"), &["line 5: ", "schedule.warmup is"]);
        read(&format!("{steps}schedule.warmup = {{ whole = [1, 9] }}")).unwrap();
        // Fine together, though not with the base.
        read("[space]\ndata.canvas = { choice = [\"cluttered\"] }\ndata.clutter = { whole = [1, 4] }\n").unwrap();
        fails(
            "halving = { eta = 2 }\n[space]\ntrain.epochs = { whole = [1, 9] }",
            &["search.toml, line 2: ", "train.epochs is drawn, but halving"],
        );
        fails(
            "[base]\nset = [\"policy.std=0.2\"]\n[space]\npolicy.std = { uniform = [0.1, 0.2] }",
            &["line 4: `policy.std` is drawn, but base.set fixes it"],
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "(\\[?(space|base|seed|halving|[a-z.]{0,8})\\]? ?=? ?[-0-9a-z\"'\\[\\]{}.=]{0,12}\n?){0,5}"
        ) {
            _ = read(&text);
        }

        #[test]
        fn no_space_makes_it_panic(
            key in "(policy\\.std|seed|train\\.batch|policy|policy\\.mean|model\\.hidden|[a-z.\"]{1,9})",
            name in "(uniform|log-uniform|whole|choice|[a-z]{0,4})",
            values in "(-?[0-9]{1,19}|-?[0-9]\\.[0-9]e-?[0-9]{1,3}|nan|inf|true|\"[a-z]{0,5}\"|\\[\\]|\\{\\}){1}(, ?(-?[0-9]{1,19}|-?inf|\"tanh\")){0,3}",
        ) {
            if let Ok(study) = read(&format!("trials = 20\n[space]\n{key} = {{ {name} = [{values}] }}\n")) {
                for trial in 1..=20 {
                    let config = study.config(trial).unwrap();
                    prop_assert!(config.validate().is_ok());
                    prop_assert_eq!(Config::from_toml(&config.to_toml(), "drawn").unwrap(), config);
                }
            }
        }
    }
}
