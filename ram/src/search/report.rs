//! The results of a study: its trials from the best to the worst, and how much each key mattered.

use std::cmp::Ordering;

use serde::Serialize;
use toml::Value;

use super::folder::StudyFolder;
use super::result::{State, TrialResult};
use super::space::number;
use crate::error::RamError;

/// The values of a key are put into this many bins with equal numbers of trials, unless the key has fewer different values.
const BINS: usize = 4;

/// How much a key mattered, measured in two ways. Both look at this key alone and use the ranks of the errors, so that neither a
/// few very bad trials nor the scale of the error decide. Trials that diverged rank last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Importance {
    /// The key.
    pub key: String,
    /// Spearman's rank correlation of value and error, −1 to 1; above 0, smaller values are better. `None` where the values are
    /// names, where all values or all errors are equal, and of fewer than [`FEWEST`] trials.
    pub rank_correlation: Option<f64>,
    /// The share of the variance of the errors' ranks that lies between four bins of the key's values (or between its names), less
    /// what the same number of random bins would get: ε² = 1 − [SS_within/(n − k)]/[SS_total/(n − 1)], or 0 where that is negative.
    /// `None` of fewer than [`FEWEST`] trials, where chance would decide, and where a bin has fewer than two.
    pub explained: Option<f64>,
}

/// The results of a study.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyReport {
    /// How many trials the study has.
    pub trials: u32,
    /// How many are done, because they trained all epochs or their patience ran out.
    pub done: usize,
    /// How many diverged.
    pub diverged: usize,
    /// How many could not be trained.
    pub failed: usize,
    /// How many wait at the end of a rung or were given up there.
    pub paused: usize,
    /// The trials that have a result, from the best to the worst; those that were given up come after those that trained longer.
    pub results: Vec<TrialResult>,
    /// The keys, the most important first.
    pub importance: Vec<Importance>,
}

impl StudyReport {
    /// Reads all results of a study.
    ///
    /// # Errors
    /// As [`StudyFolder::results`].
    pub fn of(folder: &StudyFolder) -> Result<StudyReport, RamError> {
        let keys = folder.study.space.dimensions().iter().map(|dimension| dimension.key.as_str());
        Ok(StudyReport::new(folder.study.trials, folder.results()?, keys))
    }

    /// The report of these results, in any order, of a study with so many trials that draws these keys.
    pub fn new<'a>(trials: u32, mut results: Vec<TrialResult>, keys: impl Iterator<Item = &'a str>) -> StudyReport {
        results.sort_by(|a, b| compare(a, b).then(a.trial.cmp(&b.trial)));
        let ranks = ranks(&results, compare);
        let of = |state: State| results.iter().filter(|result| result.state == state).count();
        let mut importance: Vec<Importance> = keys.map(|key| importance(key, &results, &ranks)).collect();
        importance.sort_by(|a, b| b.explained.partial_cmp(&a.explained).unwrap_or(Ordering::Equal));
        StudyReport {
            trials,
            done: of(State::Done),
            diverged: of(State::Diverged),
            failed: of(State::Failed),
            paused: of(State::Paused),
            importance,
            results,
        }
    }

    /// The best trial, if there is one with an error.
    pub fn best(&self) -> Option<&TrialResult> {
        self.results.first().filter(|result| result.error.is_some())
    }
}

/// A trial that trained longer comes first; of equally long ones, the lower error.
fn compare(a: &TrialResult, b: &TrialResult) -> Ordering {
    let reached = |result: &TrialResult| match result.state {
        State::Done => usize::MAX,
        State::Paused => result.epochs,
        State::Diverged | State::Failed => 0,
    };
    let error = |result: &TrialResult| result.error.unwrap_or(f64::INFINITY);
    // Trials that diverged or failed are all equal, no matter when they did.
    reached(b).cmp(&reached(a)).then(error(a).total_cmp(&error(b)))
}

/// The rank of each item, from 1; equal items share the mean of their ranks.
fn ranks<T>(items: &[T], compare: impl Fn(&T, &T) -> Ordering) -> Vec<f64> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|&a, &b| compare(&items[a], &items[b]));
    let mut ranks = vec![0.0; items.len()];
    for equal in order.chunk_by(|&a, &b| compare(&items[a], &items[b]) == Ordering::Equal) {
        let first = order.iter().position(|index| index == &equal[0]).unwrap_or(0);
        let mean = first as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&index| ranks[index] = mean);
    }
    ranks
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|x| (x - mean) * (x - mean)).sum()
}

/// The smallest number of trials for which the importance of a key is told: in each of four bins are then five. With 20 random
/// errors, the correlation of a key is within ±0.44 in 19 of 20 studies.
pub const FEWEST: usize = 20;

fn importance(key: &str, results: &[TrialResult], errors: &[f64]) -> Importance {
    let values: Vec<&Value> = results.iter().filter_map(|result| result.values.get(key)).collect();
    let key = key.to_owned();
    if values.len() < results.len() || values.len() < FEWEST {
        return Importance { key, rank_correlation: None, explained: None };
    }
    let numbers: Option<Vec<f64>> = values.iter().map(|value| number(value)).collect();
    let (rank_correlation, bins) = match numbers {
        Some(numbers) => {
            let ranks = ranks(&numbers, f64::total_cmp);
            let mut distinct = numbers.clone();
            distinct.sort_by(f64::total_cmp);
            distinct.dedup();
            let bins: Vec<usize> = if distinct.len() <= BINS {
                numbers.iter().map(|x| distinct.iter().position(|y| y == x).unwrap_or(0)).collect()
            } else {
                ranks.iter().map(|rank| (BINS as f64 * (rank - 0.5) / ranks.len() as f64) as usize).collect()
            };
            (correlation(&ranks, errors), bins)
        }
        None => {
            let mut names: Vec<String> = values.iter().map(|value| value.to_string()).collect();
            names.sort();
            names.dedup();
            (None, values.iter().map(|value| names.iter().position(|n| *n == value.to_string()).unwrap_or(0)).collect())
        }
    };
    Importance { key, rank_correlation, explained: explained(&bins, errors) }
}

/// Pearson's correlation (of ranks it is Spearman's); `None` where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let product: f64 = std::iter::zip(a, b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum();
    let norm = (squares(a) * squares(b)).sqrt();
    (norm > 0.0).then(|| (product / norm).clamp(-1.0, 1.0))
}

/// The ε² of [`Importance::explained`].
fn explained(bins: &[usize], errors: &[f64]) -> Option<f64> {
    let mut groups: std::collections::BTreeMap<usize, Vec<f64>> = std::collections::BTreeMap::new();
    for (&bin, &error) in std::iter::zip(bins, errors) {
        groups.entry(bin).or_default().push(error);
    }
    let (n, k) = (errors.len(), groups.len());
    let total = squares(errors);
    // With fewer than two trials in a bin, the bins would explain everything.
    if k < 2 || n < 2 * k || total == 0.0 {
        return None;
    }
    let within: f64 = groups.values().map(|group| squares(group)).sum();
    Some((1.0 - within / (n - k) as f64 / (total / (n - 1) as f64)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(trial: u32, error: Option<f64>, values: &[(&str, Value)]) -> TrialResult {
        TrialResult {
            trial,
            state: if error.is_some() { State::Done } else { State::Diverged },
            error,
            loss: error,
            best_epoch: error.map(|_| 1),
            epochs: 1,
            values: values.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
            weights: None,
            message: None,
        }
    }

    fn near(found: Option<f64>, expected: f64) -> bool {
        found.is_some_and(|x| (x - expected).abs() < 1e-12)
    }

    /// 24 trials: the error falls with `a`; `b` is whether it is odd, which says nearly nothing; all have one `c`.
    #[test]
    fn the_numbers_are_those_of_the_formulas() {
        let made: Vec<TrialResult> = (1..=24)
            .map(|i| {
                let name = if i % 2 == 0 { "even" } else { "odd" };
                let values =
                    [("a", Value::Float(f64::from(i))), ("b", Value::String(name.into())), ("c", Value::Integer(3))];
                result(i, Some(1.0 / f64::from(i)), &values)
            })
            .collect();
        let report = StudyReport::new(25, made, ["a", "b", "c"].into_iter());
        assert_eq!((report.done, report.diverged, report.trials), (24, 0, 25));
        assert_eq!(report.best().unwrap().trial, 24);
        let of = |key: &str| report.importance.iter().find(|i| i.key == key).unwrap();
        assert!(near(of("a").rank_correlation, -1.0));
        // Four bins of neighbouring ranks: SS_within = 4·17.5 = 70, SS_total = 1150: 1 − (70/20)/(1150/23).
        assert!(near(of("a").explained, 1.0 - 3.5 / 50.0), "{:?}", of("a"));
        // Ranks 1 3 5 … and 2 4 6 …: SS_within = 2·572 = 1144: 1 − (1144/22)/50 < 0.
        assert!(of("b").rank_correlation.is_none() && near(of("b").explained, 0.0), "{:?}", of("b"));
        assert!(of("c").rank_correlation.is_none() && of("c").explained.is_none());
        assert_eq!(report.importance[0].key, "a");
    }

    #[test]
    fn spearman_with_ties_is_the_textbooks() {
        assert_eq!(ranks(&[10, 20, 20, 5], Ord::cmp), [2.0, 3.5, 3.5, 1.0]);
        // scipy.stats.spearmanr([1,2,3,4,5], [5,6,7,8,7]) = 0.8207826816681233
        let (a, b) = (ranks(&[1, 2, 3, 4, 5], Ord::cmp), ranks(&[5, 6, 7, 8, 7], Ord::cmp));
        assert!(near(correlation(&a, &b), 0.820_782_681_668_123_3), "{:?}", correlation(&a, &b));
    }

    #[test]
    fn who_came_further_is_better_and_what_diverged_is_last() {
        let paused = |trial, error, epochs| TrialResult {
            state: State::Paused,
            epochs,
            ..result(trial, Some(error), &[("a", Value::Integer(i64::from(trial)))])
        };
        let values = |trial| [("a", Value::Integer(trial))];
        let made = vec![
            paused(1, 0.01, 2),
            result(2, None, &values(2)),
            paused(3, 0.5, 6),
            result(4, Some(0.3), &values(4)),
            paused(5, 0.02, 2),
            result(6, None, &values(6)),
        ];
        let report = StudyReport::new(6, made, ["a"].into_iter());
        assert_eq!(report.results.iter().map(|r| r.trial).collect::<Vec<_>>(), [4, 3, 1, 5, 2, 6]);
        assert_eq!((report.done, report.paused, report.diverged), (1, 3, 2));
        assert_eq!(ranks(&report.results, compare), [1.0, 2.0, 3.0, 4.0, 5.5, 5.5]);
        // Six trials are too few.
        assert!(report.importance[0].explained.is_none());
    }

    /// A key that decides the error alone is told from 20 trials on; before, chance could look the same.
    #[test]
    fn nothing_is_said_of_a_key_from_too_few_trials() {
        let of = |count: usize| {
            let made =
                (1..=count as u32).map(|i| result(i, Some(f64::from(i)), &[("a", Value::Integer(i64::from(i)))]));
            let importance = StudyReport::new(99, made.collect(), ["a"].into_iter()).importance.remove(0);
            (importance.rank_correlation, importance.explained.is_some())
        };
        assert_eq!([of(FEWEST - 1), of(FEWEST)], [(None, false), (Some(1.0), true)]);
    }

    #[test]
    fn an_empty_study_has_no_best() {
        let report = StudyReport::new(3, Vec::new(), ["a"].into_iter());
        assert!(report.best().is_none() && report.importance[0].explained.is_none());
        assert!(StudyReport::new(3, vec![result(1, None, &[])], ["a"].into_iter()).best().is_none());
    }
}
