//! The tables in Markdown: our figures beside the paper's.

pub(super) mod cells;
mod extensions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use self::cells::{few, figure, markdown, mean, number};
use self::extensions::{distances, sizes_of_digits, stopping};
use super::record::Record;
use super::rows::Row;
use crate::experiments::{Shows, TABLES};
use crate::tasks::Scripted;

/// The number of first locations over which the other protocol averages.
pub const PASSES: usize = 10;

/// The longest line of prose in a compact page, in characters.
const WIDTH: usize = 125;

/// How much a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Errors, controls, sizes, times and commands.
    Full,
    /// The errors alone, for a document that explains the rest.
    Compact,
}

/// The page in Markdown. `left_out` has a line for each record that is not shown.
pub fn page(rows: &[Row], left_out: &[String], form: Form, quick: bool) -> String {
    let mut text = String::new();
    if form == Form::Full {
        text += "# Recurrent Models of Visual Attention: our figures beside the paper's\n\n";
    }
    let about = about(rows, form);
    text += &if form == Form::Compact { wrapped(&about) } else { about };
    if quick {
        text += "\n**A smoke run: built-in digits and a small budget. These figures mean nothing.**\n";
    }
    let mut unmeasured = Vec::new();
    for table in TABLES {
        let rows: Vec<_> = rows.iter().filter(|row| row.table == table.id).collect();
        if rows.is_empty() {
            continue;
        }
        if form == Form::Compact && rows.iter().all(|row| row.paper.is_none() && row.is_empty()) {
            unmeasured.push(format!("\"{}\" (`ram reproduce {}`)", table.title, table.name));
            continue;
        }
        let level = if form == Form::Full { "##" } else { "###" };
        _ = write!(text, "\n{level} {}\n\n", table.title);
        text += &match table.shows {
            Shows::Errors => errors(&rows),
            Shows::Stopping => stopping(&rows),
            Shows::Sizes => errors(&rows) + &sizes_of_digits(&rows),
            Shows::Distance => errors(&rows) + &distances(&rows),
        };
        match form {
            Form::Full => _ = write!(text, "\n{}", sizes(&rows)),
            Form::Compact => rows.iter().for_each(|row| text += &wrapped(&controls(row))),
        }
    }
    if !unmeasured.is_empty() {
        text += &wrapped(&format!("\nNothing of these tables has been measured yet: {}.\n", unmeasured.join(", ")));
    }
    if !left_out.is_empty() {
        let records = if left_out.len() == 1 { "record is" } else { "records are" };
        _ = writeln!(
            text,
            "\n{} {records} left out, since the row is trained in another way today (the record's settings, the row's):\n",
            left_out.len()
        );
        left_out.iter().for_each(|line| _ = writeln!(text, "- {line}"));
    }
    text
}

/// The column of trainings with `data.train_on_validation`.
const ALL_IMAGES: &str = "all 60 000 images";

/// What the figures mean.
fn about(rows: &[Row], form: Form) -> String {
    let mut text = "Test error in per cent (for games, the share of lost games). The figure of several seeds is their mean ± the \
                    standard deviation; where there are fewer than three, their number is told. ✓ marks a figure at or below the paper's, \
                    and ★ one at or below the goal that we set. \"Later\" is what public implementations quote from the paper's later \
                    version at a conference. The checkpoint is \
                    chosen by its validation error. The test set is used once for each run, in one pass"
        .to_owned();
    match first_location(rows) {
        Some(first) => _ = write!(text, ": the first location is {first}, the others are at the policy's mean. "),
        None => text += ". ",
    }
    _ = writeln!(
        text,
        "\"{PASSES} first locations\" is another protocol: each image is looked at {PASSES} times, from {PASSES} first locations, and the probabilities \
         are averaged. It takes {PASSES} times as many glimpses."
    );
    if rows.iter().flat_map(|row| &row.columns).any(|column| column.column == ALL_IMAGES) {
        _ = writeln!(
            text,
            "The column \"{ALL_IMAGES}\" is of trainings with the settings of the row on the training and the validation images \
             together. Nothing is chosen by them: the weights after the last epoch are tested."
        );
    }
    if form == Form::Full {
        let runs = || rows.iter().flat_map(|row| row.runs.iter().filter(|run| run.seconds_to_paper.is_some()));
        let threads: BTreeSet<usize> = runs().flat_map(|run| run.threads.iter().copied()).collect();
        let kernels: BTreeSet<&str> = runs().flat_map(|run| run.kernels.iter().map(String::as_str)).collect();
        text += "\nRandom, centre, still, blind and oracle are the same network, trained in the same way, with locations that are random, \
                 at the centre, always the first one, learned but the same for every input, or near the middle of the digit, wherever it lies. Minutes are those of training and validation until the validation \
                 error was first at or below the paper's test error";
        if !threads.is_empty() {
            let threads: Vec<_> = threads.iter().map(usize::to_string).collect();
            let kernels: Vec<_> = kernels.into_iter().collect();
            let noun = if threads == ["1"] { "thread" } else { "threads" };
            _ = write!(text, ", with {} {noun} and the kernels {}", threads.join(" or "), kernels.join(", "));
        }
        text += "; they are known where the run kept its times.\n";
    }
    text
}

/// How the first location is chosen, from the configurations of the rows: as in most of them, and where it differs. `None` where no
/// network has locations.
fn first_location(rows: &[Row]) -> Option<String> {
    let firsts = || rows.iter().filter_map(|row| Some((row.first.as_deref()?, row)));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    firsts().for_each(|(first, _)| *counts.entry(first).or_default() += 1);
    let (&usual, _) = counts.iter().max_by_key(|(_, count)| **count)?;
    let mut others: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (first, row) in firsts().filter(|(first, _)| *first != usual) {
        // A table is named as a whole where all its rows agree.
        let agree = firsts().filter(|(_, other)| other.table == row.table).all(|(other, _)| other == first);
        let table = TABLES.iter().find(|table| table.id == row.table && agree);
        let name = table.map_or(format!("`{}`", row.name), |table| format!("\"{}\"", table.title));
        let names = others.entry(first).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let in_words = |first: &str| match first {
        "random" => "drawn uniformly on the image".to_owned(),
        "inside" => "drawn uniformly where the finest patch lies inside the image".to_owned(),
        "centre" => "the centre of the image".to_owned(),
        other => format!("as `policy.first = \"{other}\"` says"),
    };
    let differs = |(first, names): (&str, Vec<String>)| format!("in {} it is {}", names.join(", "), in_words(first));
    let others: Vec<_> = others.into_iter().map(differs).collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join("; ")) };
    Some(in_words(usual) + &others)
}

/// The table of errors.
fn errors(rows: &[&Row]) -> String {
    // In the order in which they first appear.
    let mut columns: Vec<&str> = Vec::new();
    for column in rows.iter().flat_map(|row| &row.columns) {
        if !columns.contains(&&*column.column) {
            columns.push(&column.column);
        }
    }
    let passes = format!("{PASSES} first locations");
    let mut header = [&["", "ours", &passes], &columns[..]].concat();
    // The extensions have no figure of the paper.
    let compared = rows.iter().any(|row| row.paper.is_some() || row.goal.is_some());
    if compared {
        header.extend(["paper", "later", "goal"]);
    }
    let mut lines = Vec::new();
    for row in rows {
        let of = |runs: &[Record]| -> Vec<f64> { runs.iter().map(|run| run.tested.error).collect() };
        let ours = figure(&of(&row.runs), row.paper, row.goal);
        let averaged: Vec<f64> = row.runs.iter().filter_map(|run| run.tested.error_of_passes).collect();
        let mut line =
            vec![row.row.clone(), if row.runs.is_empty() { ours } else { format!("**{ours}**") }, mean(&averaged)];
        let mut goals = vec![number(row.goal)];
        for name in &columns {
            let column = row.columns.iter().find(|column| column.column == *name);
            line.push(column.map_or(String::new(), |column| figure(&of(&column.runs), row.paper, column.goal)));
            let own = column.filter(|column| column.goal != row.goal);
            goals.extend(own.map(|column| format!("{name}: {}", number(column.goal))));
        }
        if compared {
            line.extend([number(row.paper), number(row.later), goals.join("; ")]);
        }
        lines.push(line);
        if let Some(Scripted { random, oracle }) = row.scripted {
            let players = [("random actions", Some(random)), ("an oracle that sees the whole screen", oracle)];
            for (player, error) in players.into_iter().filter_map(|(player, error)| Some((player, error?))) {
                let mut line = vec![String::new(); header.len()];
                (line[0], line[1]) = (player.to_owned(), mean(&[error]));
                lines.push(line);
            }
        }
    }
    markdown(&header, &lines)
}

/// The table of everything else.
fn sizes(rows: &[&Row]) -> String {
    let header = [
        "",
        "random",
        "centre",
        "still",
        "blind",
        "oracle",
        "parameters",
        "MFLOP",
        "minutes to the paper's figure",
        "command",
    ];
    let line = |row: &&Row| {
        let [random, centre, still, blind, oracle] = ["random", "centre", "still", "blind", "oracle"]
            .map(|name| figure(&row.errors_of_control(name), None, None));
        vec![
            row.row.clone(),
            random,
            centre,
            still,
            blind,
            oracle,
            row.parameters.to_string(),
            format!("{:.2}", row.flops / 1e6),
            minutes(&row.runs),
            format!("`{}`", row.command),
        ]
    };
    markdown(&header, &rows.iter().map(line).collect::<Vec<_>>())
}

/// A sentence about the controls of a row; empty where there are none.
fn controls(row: &Row) -> String {
    let known = [
        ("random locations", "random"),
        ("the retina held at the centre", "centre"),
        ("a gaze that stays at its first location", "still"),
        ("locations learned blind to the input", "blind"),
        ("locations near the middle of the digit", "oracle"),
    ];
    let parts = known.into_iter().filter_map(|(words, name)| {
        let errors = row.errors_of_control(name);
        (!errors.is_empty()).then(|| format!("{} % with {words}{}", mean(&errors), few(&errors)))
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("\nThe same network as in \"{}\" has an error of {}.\n", row.row, parts.join(", "))
    }
}

/// The text in lines of about the length that the documents have.
fn wrapped(text: &str) -> String {
    let line = |line: &str| {
        let (mut text, mut width) = (String::new(), 0);
        for word in line.split(' ') {
            let long = word.chars().count();
            if width > 0 {
                let breaks = width + 1 + long > WIDTH;
                text.push(if breaks { '\n' } else { ' ' });
                width = if breaks { 0 } else { width + 1 };
            }
            text += word;
            width += long;
        }
        text + "\n"
    };
    text.lines().map(line).collect()
}

/// The minutes to the paper's figure: their mean over the runs that reached it, and how many did if not all.
fn minutes(runs: &[Record]) -> String {
    let reached: Vec<f64> = runs.iter().filter_map(|run| run.seconds_to_paper).map(|seconds| seconds / 60.0).collect();
    match (reached.len(), runs.len()) {
        (0, _) => "–".to_owned(),
        (n, all) => {
            let mean = format!("{:.1}", reached.iter().sum::<f64>() / n as f64);
            if n == all { mean } else { format!("{mean} ({n} of {all} seeds)") }
        }
    }
}

#[cfg(test)]
mod tests;
