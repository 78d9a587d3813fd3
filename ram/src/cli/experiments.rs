//! `ram experiments`: the rows of the paper's tables.

use ram::experiments::{Experiment, flops, parameters};
use ram::zoo::Zoo;
use ram::zoo::folder::VARIABLE;
use serde_json::json;

use super::output::{Ended, say};
use super::table::{Column, Table};
use super::terminal::{width, wrapped};

/// Options of `ram experiments`.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Prints the list.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let number = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.2}"));
    let numbers = ["paper %", "later %", "goal %", "parameters", "MFLOP", "minutes"].map(|head| (head, Column::Right));
    let words = [("name", Column::Left), ("table", Column::Long), ("row", Column::Long)];
    let mut lines = Table::new([&words[..], &numbers].concat());
    // Without a zoo nothing is marked; one that is named must be there.
    let pretrained = match Zoo::find(None).and_then(|zoo| zoo.names()) {
        Err(error) if std::env::var_os(VARIABLE).is_some() => return Err(error.into()),
        found => found.unwrap_or_default(),
    };
    let is_pretrained = |name: &str| pretrained.iter().any(|other| other == name);
    for experiment in Experiment::all() {
        let config = experiment.config(&[])?;
        let (parameters, flops) = (parameters(&config), flops(&config));
        let Experiment { name, table, row, paper, later, goal, beside, column, begins_with, minutes } = experiment;
        if args.json {
            say(&json!({
                "name": name, "table": table, "row": row, "paper": paper, "later": later, "goal": goal, "beside": beside,
                "column": column, "begins_with": begins_with, "parameters": parameters, "flops": flops, "minutes": minutes,
                "pretrained": is_pretrained(name),
            })
            .to_string())?;
        } else {
            let row = match (beside, column, begins_with) {
                (Some(beside), Some(column), _) => format!("  {column}, beside {beside}"),
                (_, _, Some(earlier)) => format!("{row}, begins with {earlier}"),
                _ => row,
            };
            lines.row(vec![
                if is_pretrained(name) { format!("{name} *") } else { name.to_owned() },
                table.to_owned(),
                row.to_owned(),
                number(paper),
                number(later),
                number(goal),
                parameters.to_string(),
                format!("{:.2}", flops / 1e6),
                minutes.to_string(),
            ]);
        }
    }
    if !args.json {
        say(&lines.text(width()))?;
        let notes = "\nErrors are on the test set (for games, the share of lost games). The goal is the error that we aim at. What stands beside \
             a row is a variant of it, and has a column of its own in the tables. MFLOP are the operations for one image or frame; \
             minutes are on two cores.\n\
             Train a row with `ram train --experiment NAME`, and a table with `ram reproduce table1a`.";
        say(&wrapped(notes, width(), 0))?;
        if !pretrained.is_empty() {
            let note = "* has a pretrained model: --pretrained NAME in `ram eval`, `look`, `report`, `predict`, `play` and `train`.";
            say(&wrapped(note, width(), 2))?;
        }
    }
    Ok(Ended::Done)
}
