//! Figures 3 to 6: an image with the path of the glimpses, and what each glimpse let the agent know and believe.

use super::palette::{self, BLACK, GREEN, GREY, HAIR, RED, WHITE};
use super::parts::{self, Mark, bold, regular};
use super::raster::SHARP;
use super::scene::{Align, Rect, Scene, Stroke};
use super::text::{Weight, font};
use crate::trace::Trace;

/// Glimpses side by side; more go on below.
const ACROSS: usize = 8;

/// The side that an image has about, the gaps between two, and the page's margin.
const IMAGE: f64 = 90.0;
const GAP: f64 = 8.0;
const MARGIN: f64 = 14.0;

/// Below an image: a line of text and bars.
const BELOW: f64 = 48.0;
const BETWEEN_ROWS: f64 = 12.0;

/// What a figure says above and below its rows.
#[derive(Clone, Debug, Default)]
pub struct Captions {
    /// The model.
    pub title: String,
    /// The data, the error.
    pub subtitle: String,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// A row for each image.
pub fn look(traces: &[Trace], captions: &Captions) -> Scene {
    let glimpses = traces.iter().map(|trace| trace.glimpses.len()).max().unwrap_or(0);
    let across = glimpses.clamp(1, ACROSS);
    let lines = glimpses.div_ceil(across).max(1);
    let pixels = traces.first().map_or(1, |trace| trace.width.max(trace.height));
    let side = parts::side(pixels, IMAGE, SHARP);
    let pitch = side + GAP;
    let needed = [&captions.title, &captions.subtitle].map(|text| font(Weight::Bold).width(text, 12.0));
    let columns = MARGIN + pitch * (1 + across) as f64 - GAP + MARGIN;
    let width = columns.max(needed[0] + 2.0 * MARGIN).max(0.77 * needed[1] + 2.0 * MARGIN).max(430.0).ceil();

    let top = MARGIN + 47.0;
    let line = side + BELOW;
    let row = line * lines as f64 + BETWEEN_ROWS;
    let height = (top + row * traces.len() as f64 + 34.0).ceil();
    let mut scene = Scene::new(width, height, &format!("{}. {}", captions.title, captions.subtitle));
    scene.text([MARGIN, MARGIN + 9.0], Align::Left, &captions.title, bold(12.0, BLACK));
    scene.text([MARGIN, MARGIN + 23.0], Align::Left, &captions.subtitle, regular(9.5, GREY));
    for column in 0..=across {
        let x = MARGIN + pitch * column as f64;
        let header = match column {
            0 => "image".to_owned(),
            _ if lines > 1 => String::new(),
            _ => format!("glimpse {column}"),
        };
        scene.text([x, top - 5.0], Align::Left, &header, regular(8.5, GREY));
    }
    for (i, trace) in traces.iter().enumerate() {
        let y = top + row * i as f64;
        input(&mut scene, Rect::new(MARGIN, y, side, side), trace, captions);
        for step in 0..trace.glimpses.len() {
            let (column, below) = (1 + step % across, step / across);
            let square = Rect::new(MARGIN + pitch * column as f64, y + line * below as f64, side, side);
            glimpse(&mut scene, square, trace, step, captions);
        }
    }
    legend(&mut scene, [MARGIN, height - MARGIN - 6.0], traces);
    scene
}

/// The image and the path on it; below, the answer.
fn input(scene: &mut Scene, square: Rect, trace: &Trace, captions: &Captions) {
    let on = parts::within(square, [trace.width, trace.height]);
    scene.image(on, parts::image(trace));
    let colour = if trace.right().is_none() { palette::SKY } else { palette::answer(trace.right()) };
    let locations: Vec<_> = trace.glimpses.iter().map(|glimpse| glimpse.location).collect();
    parts::path(scene, on, &locations, colour, trace.right() == Some(false), Mark { width: 1.3, radius: 2.8 });

    let name = |class| parts::name(&captions.classes, class);
    let answer = name(trace.answer());
    let (first, second) = match (trace.right(), trace.label) {
        (Some(true), _) => (format!("✓ {answer}"), String::new()),
        (_, Some(label)) => (format!("✗ {answer}"), format!("it is {}", name(label))),
        _ => (answer, String::new()),
    };
    let colour = palette::answer(trace.right());
    let fitted = |text: &str, size| font(Weight::Bold).fitted(text, size, square.width);
    scene.text([square.x, square.bottom() + 12.0], Align::Left, &fitted(&first, 10.5), bold(10.5, colour));
    scene.text([square.x, square.bottom() + 24.0], Align::Left, &fitted(&second, 9.0), regular(9.0, BLACK));
    let number = [square.x, square.bottom() + if second.is_empty() { 24.0 } else { 35.0 }];
    if trace.label.is_some() {
        scene.text(number, Align::Left, &format!("image {}", trace.index), regular(8.0, GREY));
    }
}

/// What a glimpse showed; below, what the agent believes then.
fn glimpse(scene: &mut Scene, square: Rect, trace: &Trace, step: usize, captions: &Captions) {
    let glimpse = &trace.glimpses[step];
    scene.image(square, parts::seen(glimpse, trace.channels));
    if let Some(widest) = glimpse.windows.last() {
        for (scale, window) in glimpse.windows.iter().enumerate().take(glimpse.windows.len() - 1) {
            let around = [widest.side as usize; 2];
            let here = crate::trace::Window { x: window.x - widest.x, y: window.y - widest.y, ..*window };
            let rect = parts::window_rect(square, around, &here);
            scene.outline(rect, Stroke::solid(palette::scale(scale).alpha(150), 0.7));
        }
    }
    let leader = glimpse.leader();
    let right = trace.label.map(|label| label == leader);
    let y = square.bottom() + 11.0;
    let expects = format!("b {:.2}", glimpse.baseline);
    let room = square.width - font(Weight::Regular).width(&expects, 8.0) - 4.0;
    let share = format!(" {:.0} %", 100.0 * glimpse.probabilities[leader]);
    let name = parts::name(&captions.classes, leader);
    let name = font(Weight::Bold).fitted(&name, 9.5, room - font(Weight::Regular).width(&share, 8.5));
    scene.text([square.x, y], Align::Left, &name, bold(9.5, palette::answer(right)));
    let x = square.x + font(Weight::Bold).width(&name, 9.5);
    scene.text([x, y], Align::Left, &share, regular(8.5, BLACK));
    scene.text([square.right(), y], Align::Right, &expects, regular(8.0, GREY));
    let bars = Rect::new(square.x, y + 4.0, square.width, BELOW - 11.0 - 4.0 - 4.0);
    parts::beliefs(scene, bars, &glimpse.probabilities, &captions.classes, trace.label, 7.0);
}

/// What the signs mean.
fn legend(scene: &mut Scene, [x, y]: [f64; 2], traces: &[Trace]) {
    let style = regular(8.0, GREY);
    let mut x = x;
    let known = traces.iter().any(|trace| trace.label.is_some());
    let middle = y - 2.8;
    let signs: Vec<(&str, &str)> = if known {
        vec![("solid", "right"), ("dashed", "wrong"), ("disc", "first"), ("ring", "last glimpse")]
    } else {
        vec![("disc", "first"), ("ring", "last glimpse")]
    };
    scene.line(&[[x, y - 14.0], [scene.width - x, y - 14.0]], Stroke::solid(HAIR, 0.6));
    for (sign, says) in signs {
        let dark = Stroke::solid(BLACK, 1.2);
        let wide = match sign {
            "solid" => {
                scene.line(&[[x, middle], [x + 16.0, middle]], Stroke::solid(GREEN, 1.5));
                16.0
            }
            "dashed" => {
                let stroke = Stroke { dash: Some([3.6, 2.4]), ..Stroke::solid(RED, 1.5) };
                scene.line(&[[x, middle], [x + 16.0, middle]], stroke);
                16.0
            }
            "disc" => {
                scene.disc([x + 3.0, middle], 2.8, BLACK);
                6.0
            }
            _ => {
                scene.disc([x + 3.0, middle], 2.8, WHITE);
                scene.ring([x + 3.0, middle], 2.6, dark);
                6.0
            }
        };
        scene.text([x + wide + 3.0, y], Align::Left, says, style);
        x += wide + 3.0 + font(Weight::Regular).width(says, style.size) + 11.0;
    }
    let rest = "bars: the classes' probabilities so far;  b: the reward expected";
    if x + font(Weight::Regular).width(rest, style.size) <= scene.width - MARGIN {
        scene.text([x, y], Align::Left, rest, style);
    } else {
        scene.text([MARGIN, y + 11.0], Align::Left, rest, style);
    }
}
