//! `ram paper`

use std::fs;
use std::path::PathBuf;

use ram::error::RamError;
use ram::paper::{ENTRIES, Entry, Item, find, markdown};
use ram::runs::atomic;

use super::output::{Ended, say};
use super::terminal::{width, wrapped};

/// The lines between which the map stands in a document.
const MARKS: [&str; 2] = ["<!-- paper -->\n", "<!-- /paper -->"];

/// Options of `ram paper`.
#[derive(clap::Args)]
pub struct Args {
    /// A place of the paper or a word, such as "eq. 2", "fig. 1C", "table 1" or catch; without it, all places are listed.
    place: Vec<String>,

    /// Write the map into this file, between the lines `<!-- paper -->` and `<!-- /paper -->`.
    #[arg(long, value_name = "FILE", conflicts_with = "place")]
    into: Option<PathBuf>,
}

/// Prints the map from the paper to the code, or one of its places with the lines that compute it.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    if let Some(path) = &args.into {
        let io = |action| move |source| RamError::Io { action, path: path.clone(), source };
        let text = fs::read_to_string(path).map_err(io("read"))?;
        let parts = text.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
        let Some((before, after)) = parts else {
            let message = format!(
                "{}: it has no lines <!-- paper --> and <!-- /paper -->; add them where the map shall stand",
                path.display()
            );
            return Err(RamError::Config(message).into());
        };
        let text = format!("{before}{}\n{}\n{}{after}", MARKS[0], markdown(), MARKS[1]);
        atomic::write(path, text.as_bytes()).map_err(io("write"))?;
        say(&format!("the map is written into {}", path.display()))?;
        return Ok(Ended::Done);
    }
    if args.place.is_empty() {
        let wide = ENTRIES.iter().map(|entry| entry.place.chars().count()).max().unwrap_or(0);
        for Entry { place, about, .. } in ENTRIES {
            say(&wrapped(&format!("{place:wide$}  {about}"), width(), wide + 2))?;
        }
        return Ok(Ended::Done);
    }
    let words = args.place.join(" ");
    let found = find(&words);
    if found.is_empty() {
        let message = format!("the map has no place and no subject like `{words}`; `ram paper` lists all");
        return Err(RamError::Config(message).into());
    }
    let places: Vec<String> = found.into_iter().map(told).collect();
    say(&places.join("\n\n"))?;
    Ok(Ended::Done)
}

/// A place with its equation, the lines that compute it, and the tests that hold it.
fn told(entry: &Entry) -> String {
    let mut lines = vec![format!("{}: {}", entry.place, entry.about)];
    lines.extend(entry.equation.map(|equation| format!("  {equation}")));
    for item in entry.code {
        let Item { file, holds, .. } = item;
        lines.push(match item.line() {
            Some(line) => format!("  {file}:{line}\n    {holds}"),
            None => format!("  {file}\n    {holds}"),
        });
    }
    lines.extend(entry.tests.iter().map(|test| format!("  held by {} in {}", test.name, test.file)));
    lines.join("\n")
}
