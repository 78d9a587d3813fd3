//! `ram explain`

use ram::train::explain::lines::SourceLine;
use ram::train::explain::{Explanation, Parameter, Variable, explain};

use super::options::Configuration;
use super::output::{Ended, say};

/// Options of `ram explain`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    configuration: Configuration,

    /// The folder of MNIST's files [default: $RAM_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<std::path::PathBuf>,

    /// Show every glimpse, not only the first, the second and the last.
    #[arg(long)]
    all: bool,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Records the first step and prints it.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let config = args.configuration.load(args.data_dir.as_deref())?;
    let explanation = explain(&config, args.data_dir.as_deref())?;
    if args.json {
        say(&serde_json::to_string(&explanation)?)?;
    } else {
        say(&text(&explanation, args.all))?;
    }
    Ok(Ended::Done)
}

fn text(explanation: &Explanation, all: bool) -> String {
    let Explanation { batch, glimpses, .. } = *explanation;
    let mut lines = Vec::new();
    lines.push(match glimpses {
        0 => format!("The first training step, of {batch} images; nothing is updated."),
        _ => format!(
            "The first training step, M = {batch}, T = {glimpses} glimpses, σ = {}; nothing is updated.\n\n\
             eq. (1)  ∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) Rⁱ\n\
             eq. (2)  ∇J ≈ 1/M Σᵢ Σₜ ∇ log π(uₜⁱ | s₁:ₜⁱ; θ) (Rₜⁱ − bₜ)",
            explanation.std
        ),
    });

    lines.push(
        "\nVariables, in the order of the computation; ∂L is the norm of the gradient, or – for a constant".to_owned(),
    );
    let shown =
        |variable: &Variable| all || glimpses <= 4 || variable.step.is_none_or(|step| step <= 2 || step == glimpses);
    let mut rows =
        vec![["glimpse", "", "shape", "first", "mean", "± dev.", "∂L", "", "computed at"].map(str::to_owned).to_vec()];
    let mut left_out = false;
    for variable in &explanation.variables {
        if !shown(variable) {
            if !left_out {
                rows.push(vec!["…".to_owned()]);
            }
            left_out = true;
            continue;
        }
        rows.push(vec![
            variable.step.map_or(String::new(), |step| step.to_string()),
            variable.symbol.clone(),
            axes(&variable.shape),
            variable.first.iter().map(|&x| number(x)).collect::<Vec<_>>().join(" "),
            number(variable.mean),
            number(variable.deviation),
            variable.gradient.map_or("–".to_owned(), number),
            variable.meaning.to_owned(),
            file_and_line(&variable.place),
        ]);
    }
    lines.extend(columns(&rows));

    lines.push("\nTerms of the loss".to_owned());
    let mut rows = vec![["", "equation", "value", "weight", "computed at"].map(str::to_owned).to_vec()];
    for term in &explanation.terms {
        rows.push(vec![
            term.name.to_owned(),
            term.equation.to_owned(),
            number(term.value),
            number(term.weight),
            file_and_line(&term.place),
        ]);
    }
    lines.extend(columns(&rows));

    lines.push(format!(
        "\nParameters, with the norm of the gradient and of the part from each weighted term; the norm of the whole gradient is {}",
        number(explanation.grad_norm)
    ));
    let mut head: Vec<String> = ["", "shape", "‖θ‖", "∂L"].map(str::to_owned).to_vec();
    head.extend(explanation.terms.iter().map(|term| term.name.to_owned()));
    head.push("used at".to_owned());
    let mut rows = vec![head];
    rows.extend(explanation.parameters.iter().map(parameter));
    lines.extend(columns(&rows));
    lines.join("\n")
}

fn parameter(parameter: &Parameter) -> Vec<String> {
    let mut row =
        vec![parameter.name.clone(), axes(&parameter.shape), number(parameter.norm), number(parameter.gradient)];
    row.extend(parameter.by_term.iter().map(|&norm| if norm == 0.0 { "–".to_owned() } else { number(norm) }));
    row.push(file_and_line(&parameter.place));
    row
}

fn file_and_line(place: &SourceLine) -> String {
    format!("{}:{}", place.file, place.line)
}

fn axes(shape: &[usize]) -> String {
    format!("{shape:?}")
}

/// A number with three figures. The number of decimals needs no exact logarithm.
#[allow(clippy::disallowed_methods)]
fn number(x: f64) -> String {
    if x == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e4).contains(&x.abs()) {
        let decimals = (2 - x.abs().log10().floor() as i32).clamp(0, 5) as usize;
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
            [0.0, 1.0, 0.01234, -12.345, 1234.5, 1e-9].map(number),
            ["0", "1.00", "0.0123", "-12.3", "1234", "1.0e-9"]
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "b".into()], vec!["μ₁₂".into(), "d".into()], vec!["…".into()]];
        assert_eq!(columns(&rows), ["a    b", "μ₁₂  d", "…"]);
    }
}
