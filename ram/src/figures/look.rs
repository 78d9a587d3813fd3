//! Figures 3 to 6: an image with the path of the glimpses, and what each glimpse let the agent know and believe.

use super::palette::{self, BLACK, GREEN, GREY, HAIR, RED};
use super::parts::{self, Mark, bold, regular};
use super::raster::SHARP;
use super::scene::{Align, Rect, Scene, Stroke};
use super::text::{Weight, font};
use crate::evaluate::trace::Trace;

/// The number of glimpses side by side; further ones continue on the next line.
const ACROSS: usize = 8;

/// The approximate side of an image, the gap between two images, and the margin of the page.
const IMAGE: f64 = 90.0;
const GAP: f64 = 8.0;
const MARGIN: f64 = 14.0;

/// The height of the text and the bars below an image.
const BELOW: f64 = 48.0;
const BETWEEN_ROWS: f64 = 12.0;

/// The font size of the names at the bars.
const BAR_TEXT: f64 = 7.0;

/// The texts of a figure.
#[derive(Clone, Debug, Default)]
pub struct Captions {
    /// The title, which names the model.
    pub title: String,
    /// The line below the title, which names the data and the error.
    pub subtitle: String,
    /// The names of the classes.
    pub classes: Vec<String>,
}

/// A figure with a row for each image.
pub fn look(traces: &[Trace], captions: &Captions) -> Scene {
    let glimpses = traces.iter().map(|trace| trace.glimpses.len()).max().unwrap_or(0);
    let across = glimpses.clamp(1, ACROSS);
    let lines = glimpses.div_ceil(across).max(1);
    let pixels = traces.first().map_or(1, |trace| trace.width.max(trace.height));
    let side = parts::side(pixels, IMAGE, SHARP);
    let pitch = side + GAP;
    let columns = MARGIN + pitch * (1 + across) as f64 - GAP + MARGIN;
    let width = columns.max(430.0).ceil();
    let mut scene = Scene::new(width, 0.0, &format!("{}. {}", captions.title, captions.subtitle));
    let inside = width - 2.0 * MARGIN;
    let heading = parts::heading(&mut scene, [MARGIN; 2], inside, &captions.title, &captions.subtitle);

    let top = heading + 24.0;
    let line = side + BELOW;
    let row = line * lines as f64 + BETWEEN_ROWS;
    let signs = Sign::of(traces, &captions.classes, side);
    let (places, lines_of_signs) = laid_out(&signs, width);
    let below = top + row * traces.len() as f64;
    scene.height = (below + 12.0 + SIGN_LINE * lines_of_signs as f64 + MARGIN - 3.0).ceil();
    for column in 0..=across {
        let x = MARGIN + pitch * column as f64;
        let header = match column {
            0 if traces.iter().any(|trace| trace.pictures.len() > 1) => "first frame".to_owned(),
            0 => "image".to_owned(),
            1 if lines > 1 => format!("glimpses 1 to {glimpses}, line by line"),
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
    scene.line(&[[MARGIN, below], [width - MARGIN, below]], Stroke::solid(HAIR, 0.6));
    for (&(sign, says), [x, y]) in signs.iter().zip(places) {
        let y = below + 12.0 + y;
        sign.draw(&mut scene, [x, y - 2.8]);
        scene.text([x + sign.width(), y], Align::Left, says, regular(SIGN, GREY));
    }
    scene
}

/// Draws the image with the path on it, and the answer below.
fn input(scene: &mut Scene, square: Rect, trace: &Trace, captions: &Captions) {
    let on = parts::within(square, [trace.width, trace.height]);
    scene.image(on, parts::image(trace, 0));
    let colour = if trace.right().is_none() { palette::SKY } else { palette::answer(trace.right()) };
    // A glimpse with one patch shows no surroundings, so its window is outlined on the image.
    for glimpse in trace.glimpses.iter().filter(|glimpse| glimpse.windows.len() == 1) {
        let rect = parts::window_rect(on, [trace.width, trace.height], &glimpse.windows[0]);
        parts::clipped_outline(scene, rect, on, &[Stroke::solid(colour.alpha(170), 0.7)]);
    }
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
    for (below, text, style) in [(12.0, &first, bold(10.5, colour)), (24.0, &second, regular(9.0, BLACK))] {
        let (text, style) = parts::fitting(text, style, square.width);
        scene.text([square.x, square.bottom() + below], Align::Left, &text, style);
    }
    let number = [square.x, square.bottom() + if second.is_empty() { 24.0 } else { 35.0 }];
    if trace.label.is_some() {
        scene.text(number, Align::Left, &format!("image {}", trace.index), regular(8.0, GREY));
    }
}

/// Draws what a glimpse showed, and below it what the agent then believes.
fn glimpse(scene: &mut Scene, square: Rect, trace: &Trace, step: usize, captions: &Captions) {
    let glimpse = &trace.glimpses[step];
    scene.image(square, parts::seen(glimpse, trace.channels));
    parts::patches(scene, square, glimpse, 0.7);
    let leader = glimpse.leader();
    let right = trace.label.map(|label| label == leader);
    let y = square.bottom() + 11.0;
    let zoom = glimpse.zoom.map(|zoom| format!("×{}", 1 << zoom));
    let expects = glimpse.baseline.map(|b| format!("b {b:.2}"));
    let expects = zoom.into_iter().chain(expects).collect::<Vec<_>>().join("  ");
    let room = square.width - font(Weight::Regular).width(&expects, 8.0) - 4.0;
    let share = format!(" {:.0} %", 100.0 * glimpse.probabilities[leader]);
    let name = parts::name(&captions.classes, leader);
    let room = room - font(Weight::Regular).width(&share, 8.5);
    let (name, style) = parts::fitting(&name, bold(9.5, palette::answer(right)), room);
    scene.text([square.x, y], Align::Left, &name, style);
    let x = square.x + font(Weight::Bold).width(&name, style.size);
    scene.text([x, y], Align::Left, &share, regular(8.5, BLACK));
    scene.text([square.right(), y], Align::Right, &expects, regular(8.0, GREY));
    let bars = Rect::new(square.x, y + 4.0, square.width, BELOW - 11.0 - 4.0 - 4.0);
    parts::beliefs(scene, bars, &glimpse.probabilities, &captions.classes, trace.label, BAR_TEXT);
}

/// The font size of the legend and the height of its lines.
const SIGN: f64 = 8.0;
const SIGN_LINE: f64 = 12.0;

/// A sign of the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Solid,
    Dashed,
    Disc,
    Ring,
    Square,
    Word,
}

impl Sign {
    /// The signs that a figure of these traces needs, with their meaning; bars are `side` wide.
    fn of(traces: &[Trace], classes: &[String], side: f64) -> Vec<(Sign, &'static str)> {
        let known = traces.iter().any(|trace| trace.label.is_some());
        let scales = traces.iter().flat_map(|trace| &trace.glimpses).map(|glimpse| glimpse.windows.len()).max();
        let mut signs = Vec::new();
        if known {
            signs.extend([(Sign::Solid, "right"), (Sign::Dashed, "wrong")]);
        }
        signs.extend([(Sign::Disc, "first glimpse"), (Sign::Ring, "last")]);
        signs.push((Sign::Square, if scales == Some(1) { "what it reads" } else { "finer patches" }));
        let count = traces.iter().flat_map(|trace| &trace.glimpses).map(|glimpse| glimpse.probabilities.len()).max();
        signs.push(match parts::is_upright(count.unwrap_or(0), classes, side, BAR_TEXT) {
            true => (Sign::Word, "bars: probabilities of the classes so far"),
            false => (Sign::Word, "bars: the most likely classes so far, and the right one"),
        });
        if traces.iter().flat_map(|trace| &trace.glimpses).any(|glimpse| glimpse.baseline.is_some()) {
            signs.push((Sign::Word, "b: the return it expects"));
        }
        if traces.iter().flat_map(|trace| &trace.glimpses).any(|glimpse| glimpse.zoom.is_some()) {
            signs.push((Sign::Word, "×2: twice as wide as the finest glimpse"));
        }
        signs
    }

    /// Its width, including the gap behind it.
    fn width(self) -> f64 {
        match self {
            Sign::Solid | Sign::Dashed => 19.0,
            Sign::Disc | Sign::Ring | Sign::Square => 9.5,
            Sign::Word => 0.0,
        }
    }

    /// Draws it; the point is the middle of its left edge.
    fn draw(self, scene: &mut Scene, [x, y]: [f64; 2]) {
        match self {
            Sign::Solid => scene.line(&[[x, y], [x + 16.0, y]], Stroke::solid(GREEN, 1.5)),
            Sign::Dashed => {
                let stroke = Stroke { dash: Some([3.6, 2.4]), ..Stroke::solid(RED, 1.5) };
                scene.line(&[[x, y], [x + 16.0, y]], stroke);
            }
            Sign::Disc => scene.disc([x + 3.2, y], 3.0, BLACK),
            Sign::Ring => scene.ring([x + 3.2, y], 2.6, Stroke::solid(BLACK, 1.2)),
            Sign::Square => scene.outline(Rect::new(x + 0.5, y - 2.9, 5.8, 5.8), Stroke::solid(GREY, 0.9)),
            Sign::Word => {}
        }
    }
}

/// The positions of the legend's signs, and the number of lines they take.
fn laid_out(signs: &[(Sign, &str)], width: f64) -> (Vec<[f64; 2]>, usize) {
    let (mut x, mut line) = (MARGIN, 0);
    let place = |&(sign, says): &(Sign, &str)| {
        let wide = sign.width() + font(Weight::Regular).width(says, SIGN);
        if x > MARGIN && x + wide > width - MARGIN {
            (x, line) = (MARGIN, line + 1);
        }
        let at = [x, SIGN_LINE * line as f64];
        x += wide + 13.0;
        at
    };
    let places = signs.iter().map(place).collect();
    (places, line + 1)
}
