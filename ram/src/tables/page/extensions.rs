//! What the tables of Sec. 5's extensions show beside errors.

use super::cells::{figure, markdown, mean};
use crate::evaluate::stopping::{Rule, Stopping};
use crate::evaluation::BySize;
use crate::tables::record::Record;
use crate::tables::rows::Row;

/// Each row with its number of glimpses, and beside it two rules with as many glimpses: a threshold on the probability of the most likely
/// class, and stops that are handed to other images. Below, what can be had from the networks that never stop.
pub fn stopping(rows: &[&Row]) -> String {
    let header = ["", "error", "glimpses", "a threshold, as many glimpses", "as often, at other images"];
    let line = |row: &&Row| {
        let found = |rule: &dyn Fn(&Stopping) -> bool| -> Vec<f64> {
            row.runs
                .iter()
                .filter_map(|run| run.tested.rules.iter().find(|found| rule(found)))
                .map(|f| f.error)
                .collect()
        };
        let learns = row.runs.iter().any(|run| run.tested.glimpses.is_some());
        let errors: Vec<f64> = row.runs.iter().map(|run| run.tested.error).collect();
        let glimpses: Vec<f64> = row.runs.iter().filter_map(glimpses).collect();
        // The threshold that has as many glimpses as what was learned is the first one.
        let threshold = if learns { found(&|found| matches!(found.rule, Rule::Threshold(_))) } else { Vec::new() };
        let ours = figure(&errors, row.paper, row.goal);
        vec![
            row.row.clone(),
            if errors.is_empty() { ours } else { format!("**{ours}**") },
            plain(&glimpses),
            mean(&threshold),
            mean(&found(&|found| found.rule == Rule::Shuffled)),
        ]
    };
    let mut text = markdown(&header, &rows.iter().map(line).collect::<Vec<_>>());
    for row in rows {
        let never: Vec<_> = row.runs.iter().filter(|run| run.tested.glimpses.is_none()).collect();
        if let Some(first) = never.first() {
            text += &format!("\nThe network of \"{}\" under rules that need no training:\n\n", row.row);
            let lines: Vec<_> = first.tested.rules.iter().map(|rule| untrained(rule.rule, &never)).collect();
            text += &markdown(&["stops", "error", "glimpses"], &lines);
        }
    }
    text
}

/// The mean number of glimpses of a run.
fn glimpses(run: &Record) -> Option<f64> {
    let fixed =
        || run.tested.rules.iter().filter(|found| matches!(found.rule, Rule::Fixed(_))).map(|found| found.glimpses);
    run.tested.glimpses.or_else(|| fixed().reduce(f64::max))
}

/// What a rule leads to in several runs.
fn untrained(rule: Rule, runs: &[&Record]) -> Vec<String> {
    let found: Vec<_> =
        runs.iter().filter_map(|run| run.tested.rules.iter().find(|found| found.rule == rule)).collect();
    let words = match rule {
        Rule::Threshold(least) => format!("when {least} sure"),
        Rule::Fixed(1) => "after 1 glimpse".to_owned(),
        Rule::Fixed(t) => format!("after {t} glimpses"),
        Rule::Oracle => "when first right, as an oracle knows".to_owned(),
        Rule::Learned => "as it has learned".to_owned(),
        Rule::Shuffled => "as often, at other images".to_owned(),
    };
    let [errors, glimpses] = [|found: &&Stopping| found.error, |found: &&Stopping| found.glimpses]
        .map(|of| found.iter().map(of).collect::<Vec<_>>());
    vec![words, mean(&errors), plain(&glimpses)]
}

/// The error of each row by the size of the digit.
pub fn sizes_of_digits(rows: &[&Row]) -> String {
    let runs = || rows.iter().flat_map(|row| &row.runs);
    let Some(groups) = runs().map(|run| &run.tested.by_size).find(|groups| !groups.is_empty()) else {
        return String::new();
    };
    let pixels = |group: &BySize| format!("{}–{} pixels", group.from, group.to);
    let names: Vec<_> = groups.iter().map(pixels).collect();
    let header: Vec<&str> = std::iter::once("side of the digit").chain(names.iter().map(String::as_str)).collect();
    let line = |row: &&Row| {
        let errors = |group: &BySize| -> Vec<f64> {
            let same = |found: &&BySize| (found.from, found.to) == (group.from, group.to);
            row.runs.iter().filter_map(|run| run.tested.by_size.iter().find(same)).map(|found| found.error).collect()
        };
        std::iter::once(row.row.clone()).chain(groups.iter().map(|group| mean(&errors(group)))).collect()
    };
    format!("\n{}", markdown(&header, &rows.iter().map(line).collect::<Vec<_>>()))
}

/// The distance from the fixation to the digit, frame by frame, in pixels.
pub fn distances(rows: &[&Row]) -> String {
    let lines: Vec<_> = rows.iter().flat_map(|row| row.with_controls()).collect();
    let frames = lines.iter().flat_map(|(_, runs)| runs).map(|run| run.tested.distance.len()).max().unwrap_or(0);
    if frames == 0 {
        return String::new();
    }
    // Five frames, evenly spread, are enough to see it.
    let shown: Vec<usize> = (0..5).map(|i| i * (frames - 1) / 4).collect();
    let names: Vec<_> = shown.iter().map(|frame| format!("frame {}", frame + 1)).collect();
    let header: Vec<&str> = std::iter::once("pixels to the digit").chain(names.iter().map(String::as_str)).collect();
    let line = |(name, runs): (String, Vec<&Record>)| {
        let at = |&frame: &usize| -> String {
            plain(&runs.iter().filter_map(|run| run.tested.distance.get(frame).copied()).collect::<Vec<_>>())
        };
        std::iter::once(name).chain(shown.iter().map(at)).collect()
    };
    format!("\n{}", markdown(&header, &lines.into_iter().map(line).collect::<Vec<_>>()))
}

/// The mean of numbers that are no shares; a dash for none.
fn plain(x: &[f64]) -> String {
    if x.is_empty() { "–".to_owned() } else { format!("{:.2}", x.iter().sum::<f64>() / x.len() as f64) }
}
