//! The cells of a table in Markdown.

/// A table in Markdown.
pub fn markdown(header: &[&str], lines: &[Vec<String>]) -> String {
    let line = |cells: &[&str]| cells.iter().fold("|".to_owned(), |text, cell| text + " " + cell + " |") + "\n";
    let rule = "|---".repeat(header.len()) + "|\n";
    let cells = |cells: &Vec<String>| line(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    line(header) + &rule + &lines.iter().map(cells).collect::<String>()
}

/// A figure in per cent, or a dash for none.
pub fn number(x: Option<f64>) -> String {
    x.map_or("–".to_owned(), |x| format!("{x:.2}"))
}

/// The number of seeds that a figure should have.
const SEEDS: usize = 3;

/// How many seeds a figure has, where these are fewer than it should have: ` (1 seed)`.
pub fn few(errors: &[f64]) -> String {
    match errors.len() {
        1 => " (1 seed)".to_owned(),
        n if n < SEEDS => format!(" ({n} seeds)"),
        _ => String::new(),
    }
}

/// The mean with what is to be known of it: whether it is of few seeds, at or below the paper's figure, at or below the goal.
pub fn figure(errors: &[f64], paper: Option<f64>, goal: Option<f64>) -> String {
    let mut text = mean(errors);
    if errors.is_empty() {
        return text;
    }
    text += &few(errors);
    let percent = 100.0 * errors.iter().sum::<f64>() / errors.len() as f64;
    // A share of test images is not exact in binary.
    let reached = |bar: Option<f64>| bar.is_some_and(|bar| percent <= bar + 1e-9);
    if reached(paper) || reached(goal) {
        text += " ";
        text += if reached(paper) { "✓" } else { "" };
        text += if reached(goal) { "★" } else { "" };
    }
    text
}

/// The mean in per cent, with the standard deviation if there are several runs: `1.23 ± 0.05`.
pub fn mean(errors: &[f64]) -> String {
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let variance = errors.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    match errors.len() {
        0 => "–".to_owned(),
        1 => format!("{:.2}", 100.0 * mean),
        _ => format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * variance.sqrt()),
    }
}
