//! The tables as a picture: a bar for each error, and curves where a table shows more than errors.

use super::curves::{self, Panel};
use super::page::cells::mean;
use super::record::Record;
use super::rows::Row;
use crate::experiments::{Shows, TABLES};
use crate::figures::axis::Axis;
use crate::figures::palette::{BLACK, BLUE, GREY, HAIR, PALE, RED};
use crate::figures::plot::{Curve, Plot, legend, style};
use crate::figures::scene::{Align, Rect, Scene, Stroke, Type};
use crate::figures::text::{Weight, font};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 16.0;
/// The width of the names of the bars, and of the figures behind them.
const NAMES: f64 = 330.0;
const FIGURES: f64 = 80.0;
/// The height of a bar together with the gap below it.
const STEP: f64 = 18.0;
/// The height of a panel with curves.
const PANEL: f64 = 260.0;

const TEXT: Type = Type { size: 10.5, weight: Weight::Regular, colour: BLACK };
const SMALL: Type = Type { size: 9.5, weight: Weight::Regular, colour: GREY };
const HEADING: Type = Type { size: 13.0, weight: Weight::Bold, colour: BLACK };

/// The error of a row, of one of its variants or of one of its controls.
struct Bar {
    name: String,
    /// The share of wrong answers of each seed, 0 to 1.
    errors: Vec<f64>,
    /// The paper's, in per cent.
    paper: Option<f64>,
    /// Whether it is the figure of the row itself.
    leads: bool,
}

/// Draws every table that has a figure; an empty page where none has one.
pub fn picture(rows: &[Row]) -> Scene {
    let mut scene = Scene::new(WIDTH, MARGIN, "The errors of our tables, on the test sets");
    for table in TABLES {
        let rows: Vec<_> = rows.iter().filter(|row| row.table == table.id && !row.is_empty()).collect();
        if rows.is_empty() {
            continue;
        }
        scene.text([MARGIN, scene.height + 13.0], Align::Left, table.title, HEADING);
        scene.height += 24.0;
        // Where a network stops by itself, its error means nothing without the number of its glimpses.
        if table.shows != Shows::Stopping {
            draw_bars(&mut scene, &rows.iter().flat_map(|row| bars_of(row)).collect::<Vec<_>>());
        }
        for panel in curves::of(table.shows, &rows) {
            draw_curves(&mut scene, &panel);
        }
        scene.height += MARGIN;
    }
    scene
}

/// The bars of a row: its own, then those of its variants and its controls.
fn bars_of(row: &Row) -> Vec<Bar> {
    let bar = |name: String, runs: &[&Record]| Bar {
        leads: name == row.row,
        paper: row.paper.filter(|_| name == row.row),
        name,
        errors: runs.iter().map(|run| run.tested.error).collect(),
    };
    let variants =
        row.columns.iter().map(|column| (format!("the same, {}", column.column), column.runs.iter().collect()));
    let mut named = row.with_controls();
    named.splice(1..1, variants);
    named.iter().filter(|(_, runs)| !runs.is_empty()).map(|(name, runs)| bar(name.clone(), runs)).collect()
}

/// Draws a bar for each mean, a dot for each seed where there are several, and a line for the paper's figure.
fn draw_bars(scene: &mut Scene, bars: &[Bar]) {
    let percents = |bar: &Bar| bar.errors.iter().map(|error| 100.0 * error).collect::<Vec<_>>();
    let all = bars.iter().flat_map(|bar| percents(bar).into_iter().chain(bar.paper));
    let longest = all.fold(0.0, f64::max);
    let axis = Axis::Linear([0.0, if longest > 0.0 { longest } else { 1.0 }]);
    let width = WIDTH - 2.0 * MARGIN - NAMES - FIGURES;
    let frame = Rect::new(MARGIN + NAMES, scene.height, width, bars.len() as f64 * STEP);
    let at = |percent: f64| frame.x + axis.share(percent) * frame.width;
    for (value, label) in axis.ticks() {
        scene.line(&[[at(value), frame.y], [at(value), frame.bottom()]], Stroke::solid(HAIR, 0.8));
        scene.text([at(value), frame.bottom() + 12.0], Align::Centre, &label, SMALL);
    }
    for (i, bar) in bars.iter().enumerate() {
        let (top, errors) = (frame.y + i as f64 * STEP, percents(bar));
        let (middle, base) = (top + STEP / 2.0, top + STEP / 2.0 + 3.5);
        let name = font(Weight::Regular).fitted(&bar.name, TEXT.size, NAMES - 8.0);
        scene.text([MARGIN, base], Align::Left, &name, TEXT);
        let end = at(errors.iter().sum::<f64>() / errors.len() as f64);
        let colour = if bar.leads { BLUE.alpha(150) } else { PALE };
        scene.fill(Rect::new(frame.x, top + 3.0, end - frame.x, STEP - 6.0), colour);
        if errors.len() > 1 {
            errors.iter().for_each(|&error| scene.disc([at(error), middle], 2.2, BLACK));
        }
        if let Some(paper) = bar.paper {
            scene.line(&[[at(paper), top + 1.0], [at(paper), top + STEP - 1.0]], Stroke::solid(RED, 2.2));
        }
        scene.text([frame.right() + FIGURES, base], Align::Right, &mean(&bar.errors), TEXT);
    }
    let mut notes = vec!["error, %"];
    if bars.iter().any(|bar| bar.errors.len() > 1) {
        notes.push("a dot is a seed");
    }
    if bars.iter().any(|bar| bar.errors.len() == 1) {
        notes.push("without dots, 1 seed");
    }
    if bars.iter().any(|bar| bar.paper.is_some()) {
        notes.push("a red line is the paper's figure");
    }
    // On a line of its own: all notes together are longer than the names, and would run into the numbers of the axis.
    scene.text([MARGIN, frame.bottom() + 26.0], Align::Left, &notes.join("; "), SMALL);
    scene.height = frame.bottom() + 34.0;
}

/// Draws curves over each other, with a legend below them.
fn draw_curves(scene: &mut Scene, panel: &Panel) {
    let curves = panel.curves.iter().enumerate().map(|(style, (_, points))| Curve { style, points: points.clone() });
    let curves: Vec<_> = curves.collect();
    let rect = Rect::new(MARGIN, scene.height + 6.0, WIDTH - 2.0 * MARGIN, PANEL);
    let Some(plot) = Plot::around(Plot::frame_in(rect), &curves, panel.logarithmic) else { return };
    plot.draw_titled(scene, rect, &panel.title, panel.along);
    for curve in &curves {
        plot.curve(scene, curve);
        for &point in curve.points.iter().filter(|[_, y]| y.is_finite()) {
            scene.disc(plot.at(point), 2.4, style(curve.style).colour);
        }
    }
    let names: Vec<_> = panel.curves.iter().map(|(name, _)| name.clone()).collect();
    let height = legend(scene, [MARGIN + 44.0, rect.bottom() + 2.0], WIDTH - 2.0 * MARGIN - 44.0, &names);
    scene.height = rect.bottom() + height + 8.0;
}

#[cfg(test)]
mod tests;
