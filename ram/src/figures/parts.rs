//! Parts that several figures share: images, paths, windows and beliefs.

use super::palette::{self, BLACK, Colour, GREY, HAIR, PALE};
use super::scene::{Align, Bitmap, Point, Rect, Scene, Stroke, Type};
use super::text::{Weight, font};
use crate::evaluate::trace::{Glimpse, Trace, Window};

/// The largest number of classes whose bars stand upright, and the widest bar in sizes of its text.
const UPRIGHT: usize = 12;
const WIDEST: f64 = 2.0;

/// The colour around lines that are drawn on an image.
const HALO: Colour = Colour::new(0).alpha(150);

pub fn regular(size: f64, colour: Colour) -> Type {
    Type { size, weight: Weight::Regular, colour }
}

pub fn bold(size: f64, colour: Colour) -> Type {
    Type { size, weight: Weight::Bold, colour }
}

/// Writes the title and the subtitle of a figure, in lines no wider than `width`; returns the lower end of the text.
pub fn heading(scene: &mut Scene, [x, y]: Point, width: f64, title: &str, subtitle: &str) -> f64 {
    let mut y = y;
    for (text, style, first, next) in
        [(title, bold(12.0, BLACK), 9.0, 15.0), (subtitle, regular(9.5, GREY), 14.0, 12.0)]
    {
        for (i, line) in font(style.weight).wrapped(text, style.size, width).iter().enumerate() {
            y += if i == 0 { first } else { next };
            scene.text([x, y], Align::Left, &font(style.weight).squeezed(line, style.size, width), style);
        }
    }
    y
}

/// The side, near `wanted`, of a square in which the pixels of an image are whole numbers of pixels of size 1/`scale`.
pub fn side(pixels: usize, wanted: f64, scale: f64) -> f64 {
    let pixels = pixels.max(1) as f64;
    let whole = (wanted * scale / pixels).round();
    if whole >= 1.0 { whole * pixels / scale } else { wanted }
}

/// The part of a square that an image of this size takes.
pub fn within(square: Rect, [width, height]: [usize; 2]) -> Rect {
    let longer = width.max(height).max(1) as f64;
    let (w, h) = (square.width * width as f64 / longer, square.height * height as f64 / longer);
    Rect::new(square.x + (square.width - w) / 2.0, square.y + (square.height - h) / 2.0, w, h)
}

/// The picture of a trace at glimpse `step`.
pub fn image(trace: &Trace, step: usize) -> Bitmap {
    let Trace { channels, height, width, .. } = *trace;
    Bitmap { pixels: trace.picture(step).to_vec(), channels, height, width }
}

/// What a glimpse shows the network, as large as its largest patch: full resolution in the middle, and lower resolution farther out
/// (Figures 3 to 6, columns 2 to 7).
pub fn seen(glimpse: &Glimpse, channels: usize) -> Bitmap {
    let windows = &glimpse.windows;
    let Some(widest) = windows.last() else {
        return Bitmap { pixels: Vec::new(), channels, height: 0, width: 0 };
    };
    // At a zoom, a number of the finest patch stands for several pixels too.
    let (patch, side) = ((glimpse.rho.len() / (channels * windows.len())).isqrt() as i64, widest.side);
    let levels = glimpse.seen(channels);
    let mut pixels = Vec::with_capacity(channels * (side * side) as usize);
    for channel in 0..channels {
        for (y, x) in (0..side * side).map(|at| (widest.y + at / side, widest.x + at % side)) {
            let inside = |w: &Window| (w.x..w.x + w.side).contains(&x) && (w.y..w.y + w.side).contains(&y);
            let scale = windows.iter().position(inside).expect("the widest holds all");
            let block = windows[scale].side / patch;
            let (row, column) = ((y - windows[scale].y) / block, (x - windows[scale].x) / block);
            let patches = (channel * windows.len() + scale) as i64;
            pixels.push(levels[((patches * patch + row) * patch + column) as usize]);
        }
    }
    Bitmap { pixels, channels, height: side as usize, width: side as usize }
}

/// Outlines the finer patches in what was [`seen`].
pub fn patches(scene: &mut Scene, square: Rect, glimpse: &Glimpse, width: f64) {
    let Some((widest, finer)) = glimpse.windows.split_last() else { return };
    for (scale, window) in finer.iter().enumerate() {
        let window = Window { x: window.x - widest.x, y: window.y - widest.y, ..*window };
        let rect = window_rect(square, [widest.side as usize; 2], &window);
        scene.outline(rect, Stroke::solid(palette::scale(scale).alpha(150), width));
    }
}

/// The rectangle of a window on an image that is drawn at `on`.
pub fn window_rect(on: Rect, [width, height]: [usize; 2], window: &Window) -> Rect {
    let (sx, sy) = (on.width / width as f64, on.height / height as f64);
    let side = window.side as f64;
    Rect::new(on.x + window.x as f64 * sx, on.y + window.y as f64 * sy, side * sx, side * sy)
}

/// Draws the parts of a rectangle's edges that lie within `bounds`.
pub fn clipped_outline(scene: &mut Scene, rect: Rect, bounds: Rect, strokes: &[Stroke]) {
    let (x0, x1) = (rect.x.max(bounds.x), rect.right().min(bounds.right()));
    let (y0, y1) = (rect.y.max(bounds.y), rect.bottom().min(bounds.bottom()));
    if x0 > x1 || y0 > y1 {
        return;
    }
    let (left, right) = (rect.x >= bounds.x, rect.right() <= bounds.right());
    let (top, bottom) = (rect.y >= bounds.y, rect.bottom() <= bounds.bottom());
    for &stroke in strokes {
        if left && right && top && bottom {
            scene.outline(rect, stroke);
            continue;
        }
        // Edges that meet at a corner are drawn as one line.
        let corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
        let seen = [top, right, bottom, left];
        for edge in 0..4 {
            if seen[edge] {
                let mut points = vec![corners[edge]];
                points.extend((edge..edge + 4).take_while(|&i| seen[i % 4]).map(|i| corners[(i + 1) % 4]));
                scene.line(&points, stroke);
            }
        }
    }
}

/// The size of a path's lines and circles.
#[derive(Clone, Copy)]
pub struct Mark {
    pub width: f64,
    pub radius: f64,
}

/// Draws the path from location to location as straight lines. The first location is a filled circle and the last an open one.
pub fn path(scene: &mut Scene, on: Rect, locations: &[[f64; 2]], colour: Colour, dashed: bool, mark: Mark) {
    let points: Vec<Point> = locations.iter().map(|&location| on.at(location)).collect();
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return };
    let Mark { width, radius } = mark;
    let dash = dashed.then_some([2.6 * width, 1.7 * width]);
    scene.line(&points, Stroke { colour: HALO, width: 2.2 * width, dash: None });
    scene.disc(first, radius + 0.6 * width, HALO);
    scene.ring(last, radius, Stroke::solid(HALO, 2.2 * width));
    scene.line(&points, Stroke { colour, width, dash });
    scene.disc(first, radius, colour);
    scene.ring(last, radius, Stroke::solid(colour, width));
}

/// A text that fits `width`: smaller than `size` by up to a quarter if that is enough, and else cut short in its middle.
pub fn fitting(text: &str, style: Type, width: f64) -> (String, Type) {
    let font = font(style.weight);
    let size = (style.size * width / font.width(text, style.size).max(1e-9)).clamp(0.75 * style.size, style.size);
    (font.squeezed(text, size, width), Type { size, ..style })
}

/// Whether the bars of these classes stand upright in a figure of this width: there are few, and their names fit below them.
pub fn is_upright(classes: usize, names: &[String], width: f64, size: f64) -> bool {
    let pitch = width / classes.max(1) as f64;
    classes <= UPRIGHT && names.iter().all(|name| font(Weight::Bold).width(name, size) <= pitch)
}

/// Draws the probabilities of the classes as bars. The largest bar is filled if its class is right and open if it is wrong; the
/// name of the right class is bold. Where the classes are many or their names long, the bars lie, with the names on them: those of
/// the most likely classes, and that of the right one.
pub fn beliefs(
    scene: &mut Scene,
    rect: Rect,
    probabilities: &[f64],
    names: &[String],
    right: Option<usize>,
    size: f64,
) {
    if !is_upright(probabilities.len(), names, rect.width, size) {
        return lying(scene, rect, probabilities, names, right, size);
    }
    let count = probabilities.len().max(1) as f64;
    let bars = Rect { height: rect.height - 1.15 * size, ..rect };
    let pitch = rect.width / count;
    let wide = (0.7 * pitch).min(WIDEST * size);
    let leader = crate::model::action::argmax(probabilities);
    for (class, &p) in probabilities.iter().enumerate() {
        let x = rect.x + (class as f64 + 0.5) * pitch;
        let height = (bars.height * p).max(0.3);
        let bar = Rect::new(x - wide / 2.0, bars.bottom() - height, wide, height);
        self::bar(scene, bar, right.filter(|_| class == leader).map(|right| right == leader), class == leader);
        if let Some(name) = names.get(class) {
            let style = if Some(class) == right { bold(size, BLACK) } else { regular(size, GREY) };
            scene.text([x, rect.bottom() - 0.1 * size], Align::Centre, name, style);
        }
    }
    scene.line(&[[rect.x, bars.bottom()], [rect.right(), bars.bottom()]], Stroke::solid(HAIR, 0.6));
}

/// Draws a bar: of the most likely class, or of another one.
fn bar(scene: &mut Scene, bar: Rect, is_right: Option<bool>, leads: bool) {
    match (leads, is_right) {
        (false, _) => scene.fill(bar, PALE),
        (true, Some(false)) => {
            let shorter = bar.width.min(bar.height);
            let line = (0.09 * bar.width + 0.4).min(1.4).min(shorter / 2.0);
            let inner = Rect::new(bar.x + line / 2.0, bar.y + line / 2.0, bar.width - line, bar.height - line);
            scene.outline(inner, Stroke::solid(palette::answer(is_right), line));
        }
        (true, _) => scene.fill(bar, palette::answer(is_right)),
    }
}

/// Bars that lie below the names of their classes, as many as there is room for.
fn lying(scene: &mut Scene, rect: Rect, probabilities: &[f64], names: &[String], right: Option<usize>, size: f64) {
    const LINE: f64 = 1.38;
    let rows = ((rect.height / (LINE * size)) as usize).min(probabilities.len());
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    // Equally likely classes keep their order.
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order.truncate(rows);
    if let Some(right) = right.filter(|right| rows > 1 && !order.contains(right)) {
        order[rows - 1] = right;
    }
    let leader = crate::model::action::argmax(probabilities);
    for (row, class) in order.into_iter().enumerate() {
        let p = probabilities[class];
        let y = rect.y + LINE * size * row as f64;
        let below = Rect::new(rect.x, y + 1.04 * size, (rect.width * p).max(0.3), 0.22 * size);
        bar(scene, below, right.map(|right| right == class), class == leader);
        let style = if Some(class) == right { bold(size, BLACK) } else { regular(size, GREY) };
        let share = format!("{:.0} %", 100.0 * p);
        let room = rect.width - font(style.weight).width(&share, size) - 0.5 * size;
        let (name, small) = fitting(&name(names, class), style, room);
        scene.text([rect.x, y + 0.78 * size], Align::Left, &name, small);
        scene.text([rect.right(), y + 0.78 * size], Align::Right, &share, style);
    }
}

/// The name of a class; its number where it has no name.
pub fn name(names: &[String], class: usize) -> String {
    names.get(class).cloned().unwrap_or_else(|| class.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;

    const RECT: Rect = Rect { x: 10.0, y: 20.0, width: 96.0, height: 29.0 };

    fn drawn(probabilities: &[f64], names: &[String], right: Option<usize>) -> Vec<Shape> {
        let mut scene = Scene::new(200.0, 100.0, "");
        beliefs(&mut scene, RECT, probabilities, names, right, 7.0);
        scene.shapes
    }

    fn words(shapes: &[Shape]) -> Vec<(String, Weight)> {
        let word = |shape: &Shape| match shape {
            Shape::Text { text, weight, .. } => Some((text.clone(), *weight)),
            _ => None,
        };
        shapes.iter().filter_map(word).collect()
    }

    #[test]
    fn bars_of_few_classes_are_no_slabs() {
        for right in [0, 1] {
            let shapes = drawn(&[0.25, 0.75], &["no", "yes"].map(str::to_owned), Some(right));
            let bars =
                shapes.iter().filter_map(|shape| if let Shape::Rect { rect, .. } = shape { Some(rect) } else { None });
            let bars: Vec<_> = bars.collect();
            assert!(bars.len() == 2 && bars.iter().all(|bar| bar.width <= 14.0), "{bars:?}");
            assert!(bars[1].height > 2.0 * bars[0].height, "{bars:?}");
            let strokes = shapes.iter().filter_map(|s| if let Shape::Rect { stroke, .. } = s { *stroke } else { None });
            assert!(strokes.map(|stroke| stroke.width).all(|width| width <= 1.4));
        }
    }

    #[test]
    fn many_classes_or_long_names_lie_the_likely_ones_and_the_right_one() {
        let names: Vec<String> = (0..60).map(|class| format!("category number {class:02}")).collect();
        let mut probabilities = vec![0.01; 60];
        (probabilities[7], probabilities[40]) = (0.3, 0.12);
        let found = words(&drawn(&probabilities, &names, Some(59)));
        let told: Vec<_> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(told, ["category number 07", "30 %", "category number 40", "12 %", "category number 59", "1 %"]);
        assert_eq!(found.iter().filter(|(_, weight)| *weight == Weight::Bold).count(), 2, "the right class alone");

        let names = ["golden retriever puppies", "tortoiseshell"].map(str::to_owned);
        let shapes = drawn(&[0.4, 0.6], &names, None);
        assert_eq!(words(&shapes)[2].0, "golden retriever puppies", "a whole name where there is room");
        for shape in &shapes {
            let Shape::Rect { rect, .. } = shape else { continue };
            assert!(rect.x >= RECT.x && rect.right() <= RECT.right() && rect.bottom() <= RECT.bottom(), "{rect:?}");
        }
    }

    #[test]
    fn a_text_is_made_smaller_before_it_is_cut() {
        let style = bold(10.0, BLACK);
        let wide = font(Weight::Bold).width("a name", 10.0);
        assert_eq!(fitting("a name", style, wide + 1.0), ("a name".to_owned(), style));
        let (text, small) = fitting("a name", style, 0.8 * wide);
        assert!(text == "a name" && small.size < 8.1, "{text} {}", small.size);
        let (text, small) = fitting("a name", style, 0.5 * wide);
        assert!(text.contains('…') && small.size == 7.5, "{text} {}", small.size);
    }
}
