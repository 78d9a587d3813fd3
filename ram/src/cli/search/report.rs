//! `ram search report`: the best configuration, how much each key mattered, and a picture.

use ram::figures::svg::svg;
use ram::search::folder::StudyFolder;
use ram::search::picture::draw;
use ram::search::report::{FEWEST, StudyReport};
use ram::search::result::{State, TrialResult};
use ram::search::space::value_text;
use ram::search::study::Study;
use serde_json::json;

use super::study::{StudyArgs, write};
use crate::cli::output::{Ended, percent, program, quoted, say};
use crate::cli::table::{Column, Table};
use crate::cli::terminal::{width, wrapped};

/// Options of `ram search report`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    study: StudyArgs,

    /// The number of trials in the table.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Writes the picture and the best configuration, and prints the tables.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let folder = StudyFolder::open_existing(Study::read(&args.study.file)?, &args.study.folder())?;
    let report = StudyReport::of(&folder)?;
    let (picture, best_file) = (folder.path().join("report.svg"), folder.path().join("best.toml"));
    if let Some(best) = report.best() {
        write(&picture, svg(&draw(&report, &folder.study.space)).as_bytes())?;
        let head = format!(
            "# The best of {} trials of {}: trial {}, validation error {}.\n",
            report.results.len(),
            args.study.file.display(),
            best.trial,
            percent(best.error.unwrap_or(1.0))
        );
        write(&best_file, (head + &folder.study.space.apply(&folder.study.base, &best.values)?.to_toml()).as_bytes())?;
    }
    if args.json {
        let mut object = serde_json::to_value(&report)?;
        object["study"] = json!(folder.path().display().to_string());
        object["best"] = json!(report.best());
        if report.best().is_some() {
            object["best_configuration"] = json!(best_file.display().to_string());
            object["picture"] = json!(picture.display().to_string());
        }
        say(&object.to_string())?;
        return Ok(Ended::Done);
    }
    say(&summary(&report, args.top, width()))?;
    if report.best().is_some() {
        say(&format!(
            "\nwrote {} and {}\ntrain the best configuration with\n  {} train --config {}",
            picture.display(),
            best_file.display(),
            program(),
            quoted(&best_file)
        ))?;
    }
    Ok(Ended::Done)
}

/// The tables of the report as text, in lines of at most `width` columns.
fn summary(report: &StudyReport, top: usize, width: Option<usize>) -> String {
    let StudyReport { trials, done, diverged, failed, paused, results, importance } = report;
    let mut text = format!("{trials} trials: {done} done, {paused} given up or waiting at a rung, {diverged} diverged");
    let missing = (*trials as usize).saturating_sub(results.len());
    if *failed > 0 {
        text += &format!(", {failed} could not be trained");
    }
    text += &format!(", {missing} to do");
    text = wrapped(&text, width, 0) + "\n";
    if results.is_empty() {
        return text + "no trial has a result yet";
    }
    let keys = importance.iter().map(|key| (key.key.as_str(), Column::Right));
    let heads = ["trial", "error", "epochs"].map(|head| (head, Column::Right));
    let mut table = Table::new(heads.into_iter().chain(keys));
    let shown = &results[..top.min(results.len())];
    for result in shown {
        let error = result.error.map_or_else(|| fate(result).to_owned(), percent);
        let mut row = vec![result.trial.to_string(), error, result.epochs.to_string()];
        row.extend(importance.iter().map(|key| result.values.get(&key.key).map_or("-".to_owned(), value_text)));
        table.row(row);
    }
    let order = if results.len() < FEWEST { "" } else { "; the keys stand in the order of their importance" };
    let head = match shown.len() {
        0 => String::new(),
        1 => format!("the best trial by its validation error{order}\n{}", table.text(width)),
        n => format!("the best {n} trials by their validation error{order}\n{}", table.text(width)),
    };
    text += &format!("\n{head}\n");
    let number = |x: Option<f64>, sign: bool| match x {
        None => "-".to_owned(),
        Some(x) if sign => format!("{x:+.2}"),
        Some(x) => format!("{:.0} %", 100.0 * x),
    };
    if results.len() < FEWEST {
        let note =
            format!("\nwhich keys matter is told from {FEWEST} trials on; of {} it would be chance", results.len());
        return text + &wrapped(&note, width, 0);
    }
    let mut table = Table::new([("key", Column::Left), ("explained", Column::Right), ("correlation", Column::Right)]);
    for key in importance {
        table.row(vec![key.key.clone(), number(key.explained, false), number(key.rank_correlation, true)]);
    }
    let notes = "explained: share of the variance of the errors' ranks that lies between four bins of this key, less the share for random bins\n\
                 correlation: Spearman's rank correlation of value and error; below 0, larger values are better";
    text + &format!("\n{}\n\n{}", table.text(width), wrapped(notes, width, 2))
}

/// What became of a trial without an error.
pub(super) fn fate(result: &TrialResult) -> &'static str {
    if result.state == State::Failed { "failed" } else { "diverged" }
}
