//! The picture of a study: the validation error of every trial against each key.

use std::iter::zip;

use super::report::StudyReport;
use super::result::{State, TrialResult};
use super::space::{Dimension, Distribution, Space, number, value_text};
use crate::figures::axis::Axis;
use crate::figures::palette::{BLACK, BLUE, GREY, RED, WHITE};
use crate::figures::plot::Plot;
use crate::figures::scene::{Align, Point, Rect, Scene, Shape, Stroke, Type};
use crate::figures::text::Weight;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 14.0;
/// The height of the legend.
const LEGEND: f64 = 24.0;

/// Draws a panel for each key, the most important key first; an empty page where no trial has an error.
pub fn draw(report: &StudyReport, space: &Space) -> Scene {
    let find = |key: &str| space.dimensions().iter().find(|dimension| dimension.key == key);
    let panels: Vec<&Dimension> = report.importance.iter().filter_map(|importance| find(&importance.key)).collect();
    let columns = if panels.len() == 4 { 2 } else { panels.len().clamp(1, 3) };
    let rows = panels.len().div_ceil(columns);
    let step = [WIDTH + MARGIN, HEIGHT + MARGIN];
    let mut scene = Scene::new(
        columns as f64 * step[0] + MARGIN,
        rows as f64 * step[1] + MARGIN + LEGEND,
        "The validation error of every trial against each key",
    );
    let errors: Vec<f64> = report.results.iter().filter_map(|result| Some(100.0 * result.error?)).collect();
    let Some(up) = error_axis(&errors) else { return scene };
    for (i, dimension) in panels.iter().enumerate() {
        let corner = [(i % columns) as f64 * step[0] + MARGIN, (i / columns) as f64 * step[1] + MARGIN];
        let rect = Rect::new(corner[0], corner[1], WIDTH, HEIGHT);
        let plot = Plot { frame: Plot::frame_in(rect), across: key_axis(&dimension.distribution), up: up.clone() };
        let title = format!("validation error, %, by {}", dimension.key);
        plot.draw_titled(&mut scene, rect, &title, &dimension.key);
        scene.shapes.extend(marks(report, dimension, &plot));
    }
    legend(&mut scene, report);
    scene
}

/// What became of a trial, as its mark shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Best,
    Done,
    GivenUp,
    Failed,
}

impl Fate {
    fn name(self) -> &'static str {
        match self {
            Fate::Best => "best",
            Fate::Done => "done",
            Fate::GivenUp => "given up",
            Fate::Failed => "failed",
        }
    }

    /// Differs from the other marks in its form as well as in its colour.
    fn mark(self, centre: Point) -> Vec<Shape> {
        let circle = |radius, fill, stroke| {
            vec![Shape::Circle { centre, radius, fill: Some(fill), stroke: Some(Stroke::solid(stroke, 1.0)) }]
        };
        let across = |height: f64| {
            let points = vec![[centre[0] - 3.0, centre[1] - height], [centre[0] + 3.0, centre[1] + height]];
            Shape::Line { points, stroke: Stroke::solid(GREY, 1.0) }
        };
        match self {
            Fate::Best => circle(4.5, RED, WHITE),
            Fate::Done => circle(3.2, BLUE.alpha(190), WHITE),
            Fate::GivenUp => circle(2.7, WHITE, BLUE),
            Fate::Failed => vec![across(3.0), across(-3.0)],
        }
    }
}

/// The marks of all trials in the panel of a key; the best trial is the last, so that it lies above the others.
fn marks(report: &StudyReport, dimension: &Dimension, plot: &Plot) -> Vec<Shape> {
    let mark = |(i, result): (usize, &TrialResult)| {
        let value = result.values.get(&dimension.key)?;
        let x = match &dimension.distribution {
            Distribution::Choice(choices) => {
                choices.iter().position(|choice| choice == value)? as f64 + 0.5 * aside(result.trial)
            }
            Distribution::Whole([low, high]) if high - low < 20 => number(value)? + 0.3 * aside(result.trial),
            _ => number(value)?,
        };
        let fate = match result.state {
            State::Diverged | State::Failed => Fate::Failed,
            _ if i == 0 => Fate::Best,
            State::Paused => Fate::GivenUp,
            State::Done => Fate::Done,
        };
        let [x, y] = plot.at([x, 100.0 * result.error.unwrap_or_default()]);
        // A trial that diverged or failed has no error; its mark lies on the upper edge.
        let y = if result.error.is_some() { y } else { plot.frame.y };
        let title = format!("trial {}: {}", result.trial, value_text(value));
        Some(Shape::Titled { title, shapes: fate.mark([x, y]) })
    };
    report.results.iter().enumerate().rev().filter_map(mark).collect()
}

fn legend(scene: &mut Scene, report: &StudyReport) {
    let fates = [Fate::Best, Fate::Done, Fate::GivenUp, Fate::Failed];
    let there = [report.best().is_some(), report.done > 0, report.paused > 0, report.diverged + report.failed > 0];
    let y = scene.height - MARGIN;
    for (i, (fate, _)) in zip(fates, there).filter(|(_, there)| *there).enumerate() {
        let x = 44.0 + MARGIN + 80.0 * i as f64;
        scene.shapes.extend(fate.mark([x, y - 3.5]));
        let style = Type { size: 10.0, weight: Weight::Regular, colour: BLACK };
        scene.text([x + 10.0, y], Align::Left, fate.name(), style);
    }
}

/// Moves trials with equal values apart, from −½ to ½, so that each of them is seen; a trial always moves equally far.
fn aside(trial: u32) -> f64 {
    (f64::from(trial) * 0.618_034).fract() - 0.5
}

/// The axis of a key that is drawn from this distribution.
fn key_axis(distribution: &Distribution) -> Axis {
    match distribution {
        Distribution::LogUniform(ends) => Axis::Logarithmic(*ends),
        Distribution::Uniform(ends) => Axis::Linear(*ends),
        Distribution::Whole([low, high]) => Axis::Whole([*low as f64 - 0.5, *high as f64 + 0.5]),
        Distribution::Choice(values) => Axis::Names(values.iter().map(value_text).collect()),
    }
}

/// The axis of errors in per cent, a little longer than they need; logarithmic where they differ much.
fn error_axis(errors: &[f64]) -> Option<Axis> {
    let low = errors.iter().copied().reduce(f64::min)?;
    let high = errors.iter().copied().reduce(f64::max)?;
    if low > 0.0 && high > 5.0 * low {
        return Some(Axis::Logarithmic([low / 1.1, high * 1.1]));
    }
    let room = if high > low { 0.06 * (high - low) } else { 0.5 };
    Some(Axis::Linear([(low - room).max(0.0), high + room]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use toml::Value;

    use super::*;

    fn space() -> Space {
        let dimension =
            |key: &str, distribution| Dimension { key: key.to_owned(), distribution, origin: "made".to_owned() };
        Space(vec![
            dimension("policy.mean", Distribution::Choice(vec![Value::from("<a & \"b\">"), Value::from("c")])),
            dimension("policy.std", Distribution::LogUniform([0.01, 1.0])),
        ])
    }

    fn result(trial: u32, state: State, error: Option<f64>, std: f64) -> TrialResult {
        let values = [("policy.mean", Value::from("c")), ("policy.std", Value::from(std))];
        TrialResult {
            trial,
            state,
            error,
            loss: error,
            best_epoch: Some(1),
            epochs: 1,
            values: BTreeMap::from(values.map(|(key, value)| (key.to_owned(), value))),
            weights: None,
            message: None,
        }
    }

    #[test]
    fn every_trial_has_a_mark_at_its_value_and_its_error() {
        let results = vec![
            result(1, State::Done, Some(0.1), 0.01),
            result(2, State::Done, Some(0.2), 0.1),
            result(3, State::Paused, Some(0.3), 1.0),
            result(4, State::Diverged, None, 0.5),
        ];
        let report = StudyReport::new(4, results, ["policy.mean", "policy.std"].into_iter());
        let space = space();
        let frame = Rect::new(0.0, 0.0, 100.0, 50.0);
        let dimension = &space.dimensions()[1];
        let up = Axis::Linear([10.0, 30.0]);
        let plot = Plot { frame, across: key_axis(&dimension.distribution), up };
        let marks = marks(&report, dimension, &plot);
        let at = |title: &str| {
            let shapes = marks.iter().find_map(|shape| match shape {
                Shape::Titled { title: found, shapes } if found.starts_with(title) => Some(shapes),
                _ => None,
            });
            match &shapes.expect(title)[0] {
                Shape::Circle { centre, .. } => centre.map(f64::round),
                Shape::Line { points, .. } => points[0].map(f64::round),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            [at("trial 1: 0.0100"), at("trial 2: "), at("trial 3: ")],
            [[0.0, 50.0], [50.0, 25.0], [100.0, 0.0]]
        );
        // A cross on the upper edge, from its upper left end.
        assert_eq!(at("trial 4: ")[1], -3.0);
        assert!(matches!(marks.last(), Some(Shape::Titled { title, .. }) if title.starts_with("trial 1")), "the best");

        let text = crate::figures::svg::svg(&draw(&report, &space));
        assert_eq!(text.matches("<title>trial ").count(), 2 * 4);
        assert!(text.contains("&lt;a &amp; &quot;b&quot;&gt;") && !text.contains("<a &"), "a name breaks the picture");
        for name in ["best", "done", "given up", "failed"] {
            assert!(text.contains(&format!("aria-label=\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn errors_that_differ_much_have_a_logarithmic_axis() {
        assert!(error_axis(&[]).is_none());
        assert!(matches!(error_axis(&[1.0, 50.0]), Some(Axis::Logarithmic(_))));
        assert!(matches!(error_axis(&[1.0, 2.0]), Some(Axis::Linear(_))));
        assert!(error_axis(&[0.0, 0.0]).unwrap().share(0.0).is_finite());
        let empty = draw(&StudyReport::new(1, Vec::new(), ["policy.std"].into_iter()), &space());
        assert!(empty.shapes.is_empty());
    }
}
