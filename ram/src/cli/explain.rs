//! `ram explain`

use std::path::PathBuf;

use ram::error::RamError;
use ram::paper;
use ram::train::explain::episodes::{Choice, EpisodeTold};
use ram::train::explain::lines::SourceLine;
use ram::train::explain::{Explanation, Parameter, Term, Variable, explain};

use super::chosen::{Chosen, Places, Which};
use super::options::{Configuration, DATA_DIR};
use super::output::{Ended, complain, say};

/// Options of `ram explain`.
#[derive(clap::Args)]
pub struct Args {
    /// A run, by its folder or its name in --runs, or a checkpoint file: its next step is explained. Without it, the first step of a
    /// training.
    #[arg(conflicts_with_all = ["preset", "experiment", "config", "data", "strict", "set"])]
    run: Option<PathBuf>,

    /// The checkpoint of the run: the best one by validation, or the newest [default: best]
    #[arg(long, value_enum, requires = "run")]
    which: Option<Which>,

    #[command(flatten)]
    places: Places,

    #[command(flatten)]
    configuration: Configuration,

    #[arg(long, value_name = "DIR", help = DATA_DIR)]
    data_dir: Option<PathBuf>,

    /// Show every glimpse, not only the first, the second and the last.
    #[arg(long)]
    all: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Records a step and prints it.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let (explanation, of) = explained(args)?;
    if args.json {
        say(&serde_json::to_string(&explanation)?)?;
    } else {
        say(&text(&explanation, &of, args.all))?;
    }
    Ok(Ended::Done)
}

/// The explanation, and what it is of.
fn explained(args: &Args) -> Result<(Explanation, String), RamError> {
    if args.run.is_some() || args.places.pretrained.is_some() {
        let chosen = Chosen::open(args.run.as_deref(), &args.places, args.which)?;
        let data_dir = chosen.data_dir(args.data_dir.as_deref());
        let told = explain(&chosen.config()?, Some(&chosen.checkpoint), data_dir.as_deref());
        let explanation = chosen.of_its_data(told)?;
        let of = format!("The step of {} after epoch {}", chosen.path(), explanation.epoch);
        return Ok((explanation, of));
    }
    let config = args.configuration.load(args.data_dir.as_deref())?;
    let Configuration { preset, experiment, config: file, data, set, .. } = &args.configuration;
    let named = preset.is_some() || experiment.is_some() || file.is_some() || data.is_some() || args.data_dir.is_some();
    match explain(&config, None, args.data_dir.as_deref()) {
        Err(RamError::Data(message)) if !named => {
            complain(&format!("note: {message}\nSo this is the preset demo, on built-in digits"));
            let demo = Configuration { preset: Some("demo".to_owned()), set: set.clone(), ..Configuration::default() };
            Ok((explain(&demo.load(None)?, None, None)?, "The first step of the demo's training".to_owned()))
        }
        explanation => Ok((explanation?, "The first step of a training".to_owned())),
    }
}

/// An equation as the map of the paper quotes it.
fn equation(place: &str) -> &'static str {
    paper::entry(place).equation.unwrap_or_default()
}

fn text(explanation: &Explanation, of: &str, all: bool) -> String {
    let Explanation { batch, glimpses, example, .. } = *explanation;
    let mut lines = Vec::new();
    lines.push(match glimpses {
        0 => format!("{of}: M = {batch} images; nothing is updated. All files are in ram/src."),
        _ => format!(
            "{of}: M = {batch} episodes, T = {glimpses} glimpses,\nσ = {}; nothing is updated. All files are in ram/src.\n\n\
             eq. (1)  {}\n\
             eq. (2)  {}",
            number(explanation.std),
            equation("Eq. (1)"),
            equation("Eq. (2)"),
        ),
    });

    if !explanation.episodes.is_empty() {
        lines.push("\nThe episodes with the largest and the smallest return, choice by choice".to_owned());
    }
    explanation.episodes.iter().for_each(|told| lines.extend(episode(told, all)));

    lines.push(format!(
        "\nVariables, in the order of the computation: the first numbers of episode {example} and of their gradients,\n\
         and the norm of the whole gradient; – for a constant"
    ));
    let shown =
        |variable: &Variable| all || glimpses <= 4 || variable.step.is_none_or(|step| step <= 2 || step == glimpses);
    let mut rows = vec![["", "shape", "value", "∂L", "‖∂L‖", "computed at"].map(str::to_owned).to_vec()];
    let mut left_out = false;
    for variable in &explanation.variables {
        if shown(variable) {
            rows.push(row_of(variable));
        } else if !left_out {
            rows.push(vec!["…".to_owned()]);
            left_out = true;
        }
    }
    lines.extend(columns(&rows));
    lines.extend(legend(&explanation.variables));

    lines.push("\nTerms of the loss".to_owned());
    explanation.terms.iter().for_each(|term| lines.extend(term_lines(term)));

    lines.push(format!(
        "\nParameters: the norm of the gradient, and of the part from each weighted term; of the whole: {}",
        number(explanation.grad_norm)
    ));
    let mut head: Vec<String> = ["", "shape", "‖∂L‖"].map(str::to_owned).to_vec();
    head.extend(explanation.terms.iter().map(|term| term.name.to_owned()));
    head.push("used at".to_owned());
    let mut rows = vec![head];
    rows.extend(explanation.parameters.iter().map(parameter));
    lines.extend(columns(&rows));
    let location = explanation.terms.iter().position(|term| term.name == "location");
    let reaches_core =
        |at: usize| explanation.parameters.iter().any(|p| p.name.starts_with("core.") && p.by_term[at] > 0.0);
    if location.is_some_and(reaches_core) {
        lines.push(
            "  With loss.location_into_core = true, as here, the location term also teaches the core and the\n  glimpse \
             network. Otherwise it reaches the choices alone."
                .to_owned(),
        );
    }

    lines.push("\nThe numbers of the gradient that are farthest from 0, with their places".to_owned());
    lines.extend(columns(&explanation.parameters.iter().map(farthest).collect::<Vec<_>>()));
    lines.join("\n")
}

/// An episode and its choices, of which games have many.
fn episode(told: &EpisodeTold, all: bool) -> Vec<String> {
    let class = told.class.as_ref().map_or(String::new(), |class| format!(", class {class}"));
    let mut lines = vec![format!("episode {}{class}: R = {}", told.number, number(told.reward))];
    let optional = |x: Option<f64>| x.map_or("–".to_owned(), number);
    let mut rows = vec![["t", "choice", "log π", "Rₜ", "bₜ", "Rₜ − bₜ", "gₜ", "‖∂L/∂gₜ‖"].map(str::to_owned).to_vec()];
    let last = told.choices.len();
    let mut left_out = false;
    for (i, choice) in told.choices.iter().enumerate() {
        let Choice {
            step,
            stopped,
            ref chosen,
            zoom,
            log_prob,
            ret,
            baseline,
            advantage,
            ref features,
            features_gradient,
        } = *choice;
        if !all && last > 8 && (2..last - 1).contains(&i) {
            if !left_out {
                rows.push(vec!["…".to_owned()]);
            }
            left_out = true;
            continue;
        }
        rows.push(vec![
            step.to_string(),
            match (stopped, zoom) {
                (Some(true), _) => "stop".to_owned(),
                (_, Some(zoom)) => format!("{}, zoom {zoom}", numbers(chosen, 2)),
                _ => numbers(chosen, 2),
            },
            number(log_prob),
            optional(ret),
            optional(baseline),
            number(advantage),
            numbers(features, 2),
            number(features_gradient),
        ]);
    }
    lines.extend(columns(&rows).into_iter().map(|line| format!("  {line}")));
    lines
}

fn row_of(variable: &Variable) -> Vec<String> {
    vec![
        variable.symbol.clone(),
        axes(&variable.shape),
        numbers(&variable.first, 2),
        numbers(&variable.slopes, 2),
        variable.gradient.map_or("–".to_owned(), number),
        file_and_line(&variable.place),
    ]
}

/// What the symbols mean, each once.
fn legend(variables: &[Variable]) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for variable in variables {
        let symbol: String = variable.symbol.chars().filter(|c| !('₀'..='₉').contains(c)).collect();
        if rows.iter().all(|row| row[0] != symbol) {
            rows.push(vec![symbol, variable.meaning.to_owned()]);
        }
    }
    columns(&rows).into_iter().map(|line| format!("  {line}")).collect()
}

fn term_lines(term: &Term) -> [String; 2] {
    let Term { name, ref equation, value, weight, ref place } = *term;
    let weight = number(weight);
    [
        format!("{name:<9} {equation}"),
        format!("{:<9} = {}, weight {weight}, computed at {}", "", number(value), file_and_line(place)),
    ]
}

fn parameter(parameter: &Parameter) -> Vec<String> {
    let mut row = vec![parameter.name.clone(), axes(&parameter.shape), number(parameter.gradient)];
    row.extend(parameter.by_term.iter().map(|&norm| if norm == 0.0 { "–".to_owned() } else { number(norm) }));
    row.push(file_and_line(&parameter.place));
    row
}

/// The largest numbers of a parameter's gradient: `[3, 7] -0.0123`.
fn farthest(parameter: &Parameter) -> Vec<String> {
    let columns = parameter.shape.last().copied().unwrap_or(1).max(1);
    let place = |at: usize| match parameter.shape.len() {
        1 => format!("[{at}]"),
        2 => format!("[{}, {}]", at / columns, at % columns),
        _ => format!("[{at} of {}]", parameter.shape.iter().product::<usize>()),
    };
    let largest = parameter.largest.iter().map(|&(at, x)| format!("{} {}", place(at), number(x)));
    std::iter::once(parameter.name.clone()).chain(largest).collect()
}

fn file_and_line(place: &SourceLine) -> String {
    format!("{}:{}", place.file.strip_prefix("ram/src/").unwrap_or(place.file), place.line)
}

fn axes(shape: &[usize]) -> String {
    format!("{shape:?}")
}

fn numbers(x: &[f64], most: usize) -> String {
    x.iter().take(most).map(|&x| number(x)).collect::<Vec<_>>().join(" ")
}

/// A number with three figures. The number of decimals needs no exact logarithm.
#[allow(clippy::disallowed_methods)]
fn number(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e4).contains(&x.abs()) {
        // 0.9999 has the decimals of the 1.00 to which it is rounded.
        let rounded: f64 = format!("{x:.2e}").parse().unwrap_or(x);
        let decimals = (2 - rounded.abs().log10().floor() as i32).clamp(0, 5) as usize;
        format!("{x:.decimals$}")
    } else {
        format!("{x:.1e}")
    }
}

/// Aligns the columns of rows, two spaces apart.
fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_figures() {
        assert_eq!(
            [0.0, 1.0, 0.999_99, 0.01234, -12.345, 1234.5, 1e-9].map(number),
            ["0", "1.00", "1.00", "0.0123", "-12.3", "1234", "1.0e-9"]
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "b".into()], vec!["μ₁₂".into(), "d".into()], vec!["…".into()]];
        assert_eq!(columns(&rows), ["a    b", "μ₁₂  d", "…"]);
    }
}
