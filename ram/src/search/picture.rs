//! The picture of a study: the validation error of every trial against each key.

use std::fmt::Write;

use toml::Value;

use super::report::{Report, number};
use super::space::{Dimension, Distribution, Space};
use super::trial::{State, TrialResult};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 240.0;
/// Of a panel's plot: left, right, top, bottom.
const MARGINS: [f64; 4] = [58.0, 14.0, 26.0, 36.0];

/// The picture, SVG; an empty one without trials that have an error.
pub fn svg(report: &Report, space: &Space) -> String {
    // The most important first.
    let find = |key: &str| space.dimensions().iter().find(|dimension| dimension.key == key);
    let panels: Vec<&Dimension> = report.importance.iter().filter_map(|importance| find(&importance.key)).collect();
    let columns = if panels.len() == 4 { 2 } else { panels.len().clamp(1, 3) };
    let rows = panels.len().div_ceil(columns);
    let (width, height) = (columns as f64 * WIDTH, rows as f64 * HEIGHT + 24.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" fill=\"#333\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let errors: Vec<f64> = report.results.iter().filter_map(|result| Some(100.0 * result.error?)).collect();
    if let Some(y) = Axis::of_errors(&errors) {
        for (i, dimension) in panels.iter().enumerate() {
            let (column, row) = (i % columns, i / columns);
            _ = writeln!(out, "<g transform=\"translate({} {})\">", column as f64 * WIDTH, row as f64 * HEIGHT);
            panel(&mut out, report, dimension, &y);
            out.push_str("</g>\n");
        }
        legend(&mut out, report, height - 10.0);
    }
    out + "</svg>\n"
}

fn legend(out: &mut String, report: &Report, y: f64) {
    let kinds = [
        ("best", report.best().is_some()),
        ("done", report.done > 0),
        ("given up", report.paused > 0),
        ("diverged", report.diverged > 0),
    ];
    let mut x = MARGINS[0];
    for (kind, _) in kinds.into_iter().filter(|(_, there)| *there) {
        mark(out, kind, x, y - 4.0, "");
        _ = writeln!(out, "<text x=\"{}\" y=\"{y}\">{kind}</text>", x + 10.0);
        x += 80.0;
    }
}

fn panel(out: &mut String, report: &Report, dimension: &Dimension, y: &Axis) {
    let [left, right, top, bottom] = MARGINS;
    let x = Axis::of(&dimension.distribution);
    let at_x = |share: f64| left + share * (WIDTH - left - right);
    let at_y = |share: f64| HEIGHT - bottom - share * (HEIGHT - top - bottom);
    for (value, label) in y.ticks() {
        let at = at_y(y.share(value));
        _ = writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{:.1}\" stroke=\"#e4e4e4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            WIDTH - right,
            left - 6.0,
            at + 4.0
        );
    }
    for (value, label) in x.ticks() {
        let at = at_x(x.share(value));
        _ = writeln!(
            out,
            "<path d=\"M{at:.1} {:.1}v4\" stroke=\"#888\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - bottom,
            HEIGHT - bottom + 17.0,
            escaped(&label)
        );
    }
    _ = writeln!(
        out,
        "<path d=\"M{left} {top}V{0:.1}H{1:.1}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"{left}\" y=\"14\" font-weight=\"bold\">{2}</text>\
         <text transform=\"translate(13 {3:.1}) rotate(-90)\" text-anchor=\"middle\">validation error, %</text>",
        HEIGHT - bottom,
        WIDTH - right,
        escaped(&dimension.key),
        (HEIGHT + top - bottom) / 2.0
    );
    // The best last, above the others.
    for (i, result) in report.results.iter().enumerate().rev() {
        let Some(value) = result.values.get(&dimension.key) else { continue };
        let place = match &dimension.distribution {
            Distribution::Choice(choices) => {
                let Some(index) = choices.iter().position(|choice| choice == value) else { continue };
                index as f64 + 0.5 * aside(result.trial)
            }
            Distribution::Whole([low, high]) if high - low < 20 => {
                number(value).unwrap_or_default() + 0.3 * aside(result.trial)
            }
            _ => number(value).unwrap_or_default(),
        };
        let height = result.error.map_or(1.0, |error| y.share(100.0 * error));
        let kind = match result {
            TrialResult { state: State::Diverged, .. } => "diverged",
            _ if i == 0 => "best",
            TrialResult { state: State::Paused, .. } => "given up",
            _ => "done",
        };
        let title = format!("trial {}: {}", result.trial, plain(value));
        mark(out, kind, at_x(x.share(place)), at_y(height), &title);
    }
}

/// Trials of one value stand side by side, so that each is seen; always in the same place. −½ to ½.
fn aside(trial: u32) -> f64 {
    (f64::from(trial) * 0.618_034).fract() - 0.5
}

fn mark(out: &mut String, kind: &str, x: f64, y: f64, title: &str) {
    let title = if title.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(title)) };
    _ = match kind {
        "diverged" => {
            writeln!(out, "<path d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\" stroke=\"#999\">{title}</path>", x - 3.0, y - 3.0)
        }
        "best" => writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"#d55e00\" stroke=\"white\">{title}</circle>"
        ),
        "given up" => writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.7\" fill=\"white\" stroke=\"#0072b2\">{title}</circle>"
        ),
        _ => writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\" fill=\"#0072b2\" fill-opacity=\"0.75\">{title}</circle>"
        ),
    };
}

/// From a value to its share of an axis.
enum Axis {
    Linear([f64; 2]),
    Logarithmic([f64; 2]),
    Names(Vec<String>),
}

impl Axis {
    fn of(distribution: &Distribution) -> Axis {
        match distribution {
            Distribution::LogUniform(ends) => Axis::Logarithmic(*ends),
            Distribution::Uniform(ends) => Axis::Linear(*ends),
            Distribution::Whole([low, high]) => Axis::Linear([*low as f64 - 0.5, *high as f64 + 0.5]),
            Distribution::Choice(values) => Axis::Names(values.iter().map(plain).collect()),
        }
    }

    /// Over errors in per cent, with a little room; logarithmic where they differ much.
    fn of_errors(errors: &[f64]) -> Option<Axis> {
        let low = errors.iter().copied().reduce(f64::min)?;
        let high = errors.iter().copied().reduce(f64::max)?;
        if low > 0.0 && high > 5.0 * low {
            return Some(Axis::Logarithmic([low / 1.1, high * 1.1]));
        }
        let room = if high > low { 0.06 * (high - low) } else { 0.5 };
        Some(Axis::Linear([(low - room).max(0.0), high + room]))
    }

    fn share(&self, value: f64) -> f64 {
        match self {
            Axis::Linear([low, high]) => (value - low) / (high - low),
            Axis::Logarithmic([low, high]) => {
                let [low, high, value] = [*low, *high, value].map(autograd::math::ln);
                (value - low) / (high - low)
            }
            Axis::Names(names) => (value + 0.5) / names.len() as f64,
        }
    }

    /// Values with their labels.
    fn ticks(&self) -> Vec<(f64, String)> {
        match self {
            Axis::Linear([low, high]) => {
                let step = nice((high - low) / 5.0);
                let first = (low / step).ceil();
                let values = (0..).map(|i| (first + f64::from(i)) * step).take_while(|x| *x <= high + 1e-9 * step);
                values.take(12).map(|x| (x, label(x, step))).collect()
            }
            Axis::Logarithmic([low, high]) => {
                // 1, 2, 5, 10 … over less than two powers of ten, else powers of ten, at most eight of them.
                let decades = (autograd::math::ln(*high) - autograd::math::ln(*low)) / std::f64::consts::LN_10;
                let factors: &[f64] = if decades < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let every = ((decades / 6.0).ceil() as i32).max(1);
                let powers = (-330..=308).filter(|power| power % every == 0);
                let tick = |power: i32, factor: &f64| format!("{factor}e{power}").parse::<f64>().unwrap_or_default();
                powers
                    .flat_map(|power| factors.iter().map(move |factor| tick(power, factor)))
                    .filter(|x| *x > 0.0 && (low * 0.999..=high * 1.001).contains(x))
                    .map(|x| (x, if (1e-3..1e4).contains(&x) { format!("{x}") } else { format!("{x:e}") }))
                    .collect()
            }
            Axis::Names(names) => names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect(),
        }
    }
}

/// The next of 1, 2, 5, 10 … times a power of ten.
fn nice(step: f64) -> f64 {
    let scientific = format!("{step:e}");
    let power = scientific.split_once('e').map_or("0", |(_, power)| power);
    let unit: f64 = format!("1e{power}").parse().unwrap_or(1.0);
    let factor = step / unit;
    unit * if factor <= 1.0 {
        1.0
    } else if factor <= 2.0 {
        2.0
    } else if factor <= 5.0 {
        5.0
    } else {
        10.0
    }
}

/// A number with the digits that a step needs.
fn label(x: f64, step: f64) -> String {
    if x != 0.0 && !(1e-3..1e5).contains(&x.abs()) {
        return format!("{x:.1e}");
    }
    let digits = (0..=6).find(|&digits| format!("{step:.digits$}").parse() == Ok(step)).unwrap_or(6);
    format!("{x:.digits$}")
}

/// A value without the quotes of TOML; a number with four digits.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(x) if *x != 0.0 && (x.abs() < 1e-2 || x.abs() >= 1e5) => format!("{x:.3e}"),
        Value::Float(x) => format!("{x:.4}"),
        other => other.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(&Axis::Logarithmic([1e-4, 1e-1])), ["1e-4", "0.001", "0.01", "0.1"]);
        assert_eq!(labels(&Axis::Logarithmic([0.9, 12.0])), ["1", "2", "5", "10"]);
        assert_eq!(labels(&Axis::Linear([0.05, 0.5])), ["0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(&Axis::Linear([3.5, 8.5])), ["4", "5", "6", "7", "8"]);
        assert_eq!(labels(&Axis::Names(vec!["a".into(), "b".into()])), ["a", "b"]);
        assert!((4..9).contains(&labels(&Axis::Logarithmic([1e-300, 1e300])).len()));
    }

    #[test]
    fn an_axis_runs_from_0_to_1() {
        for axis in [Axis::Linear([2.0, 4.0]), Axis::Logarithmic([2.0, 4.0])] {
            assert_eq!((axis.share(2.0), axis.share(4.0)), (0.0, 1.0));
        }
        let names = Axis::Names(vec!["a".into(), "b".into()]);
        assert_eq!((names.share(0.0), names.share(1.0)), (0.25, 0.75));
        assert!(Axis::of_errors(&[]).is_none());
        assert!(matches!(Axis::of_errors(&[1.0, 50.0]), Some(Axis::Logarithmic(_))));
        assert!(Axis::of_errors(&[0.0, 0.0]).unwrap().share(0.0).is_finite());
    }

    #[test]
    fn a_name_cannot_break_the_picture() {
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
