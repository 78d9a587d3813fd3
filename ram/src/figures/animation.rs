//! Animations as GIF files: the windows of the retina move over images or, as in the paper's video, over games.

use std::borrow::Cow;

use super::palette::{self, BLACK, BLUE, Colour, GREY, HAIR, PALE};
use super::parts::{self, Mark, bold, regular};
use super::raster;
use super::scene::{Align, Rect, Scene, Stroke};
use super::text::{Weight, font};
use crate::evaluate::trace::{Glimpse, Trace};

/// The approximate side of an image in pixels, the gaps, and the margin.
const IMAGE: f64 = 180.0;
const GAP: f64 = 8.0;
const BETWEEN: f64 = 20.0;
const MARGIN: f64 = 12.0;
const TOP: f64 = MARGIN + 24.0;

/// The height of what stands below an image: a line of text, bars, and the outcome.
const BELOW: f64 = 78.0;

/// How long each is shown, in hundredths of a second: a glimpse, a part of the way to the next one, and the end; a frame of a game,
/// and its end.
const LOOK: u16 = 80;
const MOVE: u16 = 5;
const END: u16 = 260;
const FRAME: u16 = 14;
const GAME_END: u16 = 160;

/// How many glimpses of a clip are still shown after they were taken.
const TRAIL: usize = 4;

/// The number of parts of the way from one glimpse to the next.
const PARTS: usize = 4;

/// The number of colours in the file; the last one stands for a pixel that does not change.
const COLOURS: usize = 128;

/// An animation of images side by side, all at the same glimpse. The windows of the retina move over the images, what they show
/// appears, and the beliefs change. At the end the path is green and solid where the answer is right, red and dashed where it is
/// wrong. Returns the bytes of a GIF file that repeats for ever.
pub fn sequences(traces: &[Trace], classes: &[String], title: &str) -> Vec<u8> {
    let steps = traces.iter().map(|trace| trace.glimpses.len()).max().unwrap_or(0);
    let mut film = Film::default();
    // In a clip the pictures move, and so the windows need not.
    let is_clip = traces.iter().any(|trace| trace.pictures.len() > 1);
    for step in 0..steps {
        if is_clip {
            film.add(&sequence(traces, classes, title, step, 1.0), FRAME);
            continue;
        }
        for part in (1..PARTS).filter(|_| step > 0) {
            // Slow, fast, slow: 3x² − 2x³.
            let x = part as f64 / PARTS as f64;
            film.add(&sequence(traces, classes, title, step, x * x * (3.0 - 2.0 * x)), MOVE);
        }
        film.add(&sequence(traces, classes, title, step, 1.0), LOOK);
    }
    if steps > 0 {
        film.add(&sequence(traces, classes, title, steps, 1.0), END);
    }
    film.gif()
}

/// The images at glimpse `step`; the windows have gone the share `way` of their way from the glimpse before. After the last glimpse
/// the answer is shown.
fn sequence(traces: &[Trace], classes: &[String], title: &str, step: usize, way: f64) -> Scene {
    let pixels = traces.iter().map(|trace| trace.width.max(trace.height)).max().unwrap_or(1);
    let side = parts::side(pixels, IMAGE, 1.0);
    let columns = match traces.len() {
        0 | 1 => 1,
        2..=4 => 2,
        5..=9 => 3,
        _ => 4,
    };
    let panel = [2.0 * side + GAP, side + BELOW];
    let mut scene = page(traces.len(), columns, panel, title);
    for (i, trace) in traces.iter().enumerate() {
        let [x, y] = corner(i, columns, panel);
        one(&mut scene, [x, y], side, trace, classes, step.min(trace.glimpses.len()), way);
    }
    scene
}

/// Draws an image, what was seen last, and what is believed.
fn one(scene: &mut Scene, [x, y]: [f64; 2], side: f64, trace: &Trace, classes: &[String], step: usize, way: f64) {
    let square = Rect::new(x, y, side, side);
    let size = [trace.width, trace.height];
    let on = parts::within(square, size);
    let over = step == trace.glimpses.len();
    // An image that has stopped waits for the others.
    let way = if over { 1.0 } else { way };
    let at = step.min(trace.glimpses.len() - 1);
    let arrived = if way < 1.0 { at - 1 } else { at };
    // A clip has a picture for each glimpse.
    scene.image(on, parts::image(trace, arrived));
    let glimpse = &trace.glimpses[arrived];
    let mark = Mark { width: 2.0, radius: 4.0 };
    // In a clip only the last part of the way is near what is shown.
    let from = if trace.pictures.len() > 1 { arrived.saturating_sub(TRAIL) } else { 0 };
    let mut locations: Vec<_> = trace.glimpses[from..=arrived].iter().map(|glimpse| glimpse.location).collect();
    if over {
        let colour = if trace.right().is_none() { palette::SKY } else { palette::answer(trace.right()) };
        parts::path(scene, on, &locations, colour, trace.right() == Some(false), mark);
    } else {
        let next = &trace.glimpses[at];
        let between = |from: f64, to: f64| from + way * (to - from);
        let rects: Vec<Rect> = (0..next.windows.len())
            .map(|scale| {
                let [from, to] = [glimpse, next].map(|glimpse| parts::window_rect(on, size, &glimpse.windows[scale]));
                Rect::new(between(from.x, to.x), between(from.y, to.y), to.width, to.height)
            })
            .collect();
        if way < 1.0 {
            let l = |axis: usize| between(glimpse.location[axis], next.location[axis]);
            locations.push([l(0), l(1)]);
        }
        parts::path(scene, on, &locations, palette::SKY, false, mark);
        windows(scene, &rects, on);
    }
    let beside = Rect { x: x + side + GAP, ..square };
    scene.image(beside, parts::seen(glimpse, trace.channels));
    parts::patches(scene, beside, glimpse, 1.0);

    let leader = glimpse.leader();
    let right = trace.label.map(|label| label == leader);
    let style = bold(15.0, palette::answer(right));
    let (name, style) = parts::fitting(&parts::name(classes, leader), style, side - 60.0);
    let line = y + side + 18.0;
    scene.text([x, line], Align::Left, &name, style);
    let behind = x + font(Weight::Bold).width(&name, style.size);
    let share = format!(" {:.0} %", 100.0 * glimpse.probabilities[leader]);
    scene.text([behind, line], Align::Left, &share, regular(13.0, BLACK));
    let bars = Rect::new(x, line + 6.0, side, BELOW - 18.0 - 6.0 - 4.0);
    parts::beliefs(scene, bars, &glimpse.probabilities, classes, trace.label, 11.0);

    let x = x + side + GAP;
    scene.text(
        [x, line],
        Align::Left,
        &format!("glimpse {} of {}", arrived + 1, trace.glimpses.len()),
        regular(12.0, GREY),
    );
    scene.text([x, line + 18.0], Align::Left, &expects(glimpse.baseline), regular(12.0, GREY));
    if over && let (Some(is_right), Some(label)) = (trace.right(), trace.label) {
        let label = parts::name(classes, label);
        let says = if is_right { format!("✓ it is {label}") } else { format!("✗ it is {label}") };
        let (says, style) = parts::fitting(&says, bold(15.0, palette::answer(trace.right())), side);
        scene.text([x, line + 42.0], Align::Left, &says, style);
    }
}

/// What a game calls its actions and its ends.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The names of the actions.
    pub actions: &'a [String],
    /// What is said of a game that was won, and of one that was lost.
    pub outcomes: [&'a str; 2],
}

/// An animation of games side by side, like the paper's video: the screen with the windows of the retina, and the probabilities of
/// the moves. Shorter games wait at their end for longer ones. Returns the bytes of a GIF file that repeats for ever.
pub fn games(traces: &[Trace], words: &Words, title: &str) -> Vec<u8> {
    let frames = traces.iter().map(|trace| trace.glimpses.len()).max().unwrap_or(0);
    let mut film = Film::default();
    for frame in 0..frames {
        film.add(&frame_of_games(traces, words, title, frame), FRAME);
    }
    film.add(&frame_of_games(traces, words, title, frames), GAME_END);
    film.gif()
}

/// The games at a frame; after the last one, how they ended.
fn frame_of_games(traces: &[Trace], words: &Words, title: &str, frame: usize) -> Scene {
    let pixels = traces.iter().map(|trace| trace.width.max(trace.height)).max().unwrap_or(1);
    let side = parts::side(pixels, IMAGE, 1.0);
    let columns = traces.len().clamp(1, 4);
    let panel = [side, side + BELOW];
    let mut scene = page(traces.len(), columns, panel, title);
    for (i, trace) in traces.iter().enumerate() {
        let [x, y] = corner(i, columns, panel);
        let size = [trace.width, trace.height];
        let on = parts::within(Rect::new(x, y, side, side), size);
        scene.image(on, parts::image(trace, frame));
        let line = y + side + 18.0;
        let Some(now) = trace.glimpses.get(frame) else {
            let [won, lost] = words.outcomes;
            let says = if trace.right() == Some(true) { format!("✓ {won}") } else { format!("✗ {lost}") };
            scene.text([x, line], Align::Left, &says, bold(15.0, palette::answer(trace.right())));
            continue;
        };
        let rects: Vec<Rect> = now.windows.iter().map(|window| parts::window_rect(on, size, window)).collect();
        windows(&mut scene, &rects, on);
        scene.text([x, line], Align::Left, &expects(now.baseline), regular(12.0, GREY));
        let bars = Rect::new(x, line + 8.0, side, BELOW - 18.0 - 8.0 - 4.0);
        moves(&mut scene, bars, words.actions, now);
    }
    scene
}

/// Draws the probabilities of the moves as bars; that of the chosen move is filled and its name is bold.
fn moves(scene: &mut Scene, rect: Rect, actions: &[String], now: &Glimpse) {
    const SIZE: f64 = 12.0;
    let bottom = rect.bottom() - 1.3 * SIZE;
    let pitch = rect.width / now.probabilities.len().max(1) as f64;
    for (action, &p) in now.probabilities.iter().enumerate() {
        let x = rect.x + pitch * action as f64;
        let height = ((bottom - rect.y) * p).max(0.5);
        let is_chosen = now.action == Some(action);
        let (colour, style) = if is_chosen { (BLUE, bold(SIZE, BLACK)) } else { (PALE, regular(SIZE, GREY)) };
        scene.fill(Rect::new(x + 0.1 * pitch, bottom - height, 0.8 * pitch, height), colour);
        let sign = match actions.get(action).map_or("", String::as_str) {
            "left" => "← left",
            "right" => "right →",
            name => name,
        };
        scene.text([x + pitch / 2.0, rect.bottom() - 2.0], Align::Centre, sign, style);
    }
    scene.line(&[[rect.x, bottom], [rect.right(), bottom]], Stroke::solid(HAIR, 1.0));
}

/// Draws the windows of the retina, the coarsest first, so that the finest is never hidden; parts outside of the image are cut off.
fn windows(scene: &mut Scene, rects: &[Rect], on: Rect) {
    let halo = Stroke::solid(Colour::new(0).alpha(150), 3.5);
    for (scale, &rect) in rects.iter().enumerate().rev() {
        parts::clipped_outline(scene, rect, on, &[halo, Stroke::solid(palette::scale(scale), 1.8)]);
    }
}

fn page(count: usize, columns: usize, panel: [f64; 2], title: &str) -> Scene {
    let rows = count.div_ceil(columns).max(1);
    let width = 2.0 * MARGIN + (panel[0] + BETWEEN) * columns as f64 - BETWEEN;
    let height = TOP + (panel[1] + BETWEEN) * rows as f64 - BETWEEN + MARGIN;
    let mut scene = Scene::new(width.ceil(), height.ceil(), title);
    let title = font(Weight::Bold).fitted(title, 13.0, width - 2.0 * MARGIN);
    scene.text([MARGIN, MARGIN + 10.0], Align::Left, &title, bold(13.0, BLACK));
    scene
}

fn corner(i: usize, columns: usize, panel: [f64; 2]) -> [f64; 2] {
    [MARGIN + (panel[0] + BETWEEN) * (i % columns) as f64, TOP + (panel[1] + BETWEEN) * (i / columns) as f64]
}

/// Frames, and how long each is shown. Five bits of each channel of a colour are kept.
#[derive(Default)]
struct Film {
    size: [usize; 2],
    frames: Vec<(Vec<u16>, u16)>,
}

impl Film {
    fn add(&mut self, scene: &Scene, hundredths: u16) {
        self.size = raster::size(scene, 1.0);
        // Keeps five bits of each channel; black and white stay unchanged.
        let five = |level: u8| (u16::from(level) * 31 + 127) / 255;
        let pixels = raster::rgb(scene, 1.0);
        let colours = pixels.chunks_exact(3).map(|p| five(p[0]) << 10 | five(p[1]) << 5 | five(p[2]));
        self.frames.push((colours.collect(), hundredths));
    }

    /// The most frequent colours, and for each colour the nearest of them.
    fn palette(&self) -> (Vec<u8>, Vec<u8>) {
        let mut counts = vec![0_u64; 1 << 15];
        for &colour in self.frames.iter().flat_map(|(pixels, _)| pixels) {
            counts[usize::from(colour)] += 1;
        }
        let mut used: Vec<u16> = (0..1 << 15).filter(|&colour| counts[usize::from(colour)] > 0).collect();
        used.sort_by_key(|&colour| (std::cmp::Reverse(counts[usize::from(colour)]), colour));
        let kept = &used[..used.len().min(COLOURS - 1)];
        let channels = |colour: u16| [colour >> 10, colour >> 5 & 31, colour & 31].map(i32::from);
        let mut nearest = vec![0; 1 << 15];
        for &colour in &used {
            let distance = |other: u16| -> i32 {
                channels(colour).iter().zip(channels(other)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let best = (0..kept.len()).min_by_key(|&i| distance(kept[i])).unwrap_or(0);
            nearest[usize::from(colour)] = best as u8;
        }
        let level = |five: i32| ((five * 255 + 15) / 31) as u8;
        let mut palette: Vec<u8> = kept.iter().flat_map(|&colour| channels(colour).map(level)).collect();
        palette.resize(3 * COLOURS, 0);
        (palette, nearest)
    }

    /// The bytes of a GIF file; each frame holds only the pixels that change.
    fn gif(&self) -> Vec<u8> {
        const SAME: u8 = COLOURS as u8 - 1;
        let [width, height] = self.size;
        let (palette, nearest) = self.palette();
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let mut encoder =
            gif::Encoder::new(&mut bytes, width as u16, height as u16, &palette).expect("a header in memory");
        encoder.set_repeat(gif::Repeat::Infinite).expect("a header in memory");
        let mut before: Option<Vec<u8>> = None;
        for (pixels, delay) in &self.frames {
            let now: Vec<u8> = pixels.iter().map(|&colour| nearest[usize::from(colour)]).collect();
            let changed = |at: &usize| before.as_ref().is_none_or(|before| before[*at] != now[*at]);
            let rows = || (0..height).filter(|y| (y * width..(y + 1) * width).any(|at| changed(&at)));
            let columns = || (0..width).filter(|x| (0..height).any(|y| changed(&(y * width + x))));
            // A frame in which nothing changes still needs one pixel, so that it takes its time.
            let (top, bottom) = (rows().next().unwrap_or(0), rows().next_back().unwrap_or(0));
            let (left, right) = (columns().next().unwrap_or(0), columns().next_back().unwrap_or(0));
            let part = (top..=bottom).flat_map(|y| (left..=right).map(move |x| y * width + x));
            let part: Vec<u8> = part.map(|at| if changed(&at) { now[at] } else { SAME }).collect();
            let frame = gif::Frame {
                delay: *delay,
                dispose: gif::DisposalMethod::Keep,
                transparent: Some(SAME),
                left: left as u16,
                top: top as u16,
                width: (right - left + 1) as u16,
                height: (bottom - top + 1) as u16,
                buffer: Cow::Owned(part),
                ..gif::Frame::default()
            };
            encoder.write_frame(&frame).expect("a frame in memory");
            before = Some(now);
        }
        drop(encoder);
        bytes
    }
}

/// `expects 0.87`; empty where there is no baseline.
fn expects(baseline: Option<f64>) -> String {
    baseline.map_or(String::new(), |b| format!("expects {b:.2}"))
}
