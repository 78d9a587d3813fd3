//! Curves over axes with ticks and units; each has a colour and a dash of its own, and a legend says whose.

use super::palette::{BLACK, BLUE, Colour, GREEN, GREY, HAIR, ORANGE, PURPLE, RED};
use super::scene::{Align, Rect, Scene, Stroke, Type};
use super::text::{Weight, font};

/// What a plot shows along its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    /// What it is about, with the unit.
    pub title: String,
    /// What runs to the right.
    pub along: String,
    /// Whether the vertical axis is logarithmic; where a number is not above 0 it is not.
    pub log: bool,
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Which of the styles it has, 0 to [`STYLES`] − 1.
    pub style: usize,
    /// Its points, by x.
    pub points: Vec<[f64; 2]>,
}

/// How many curves can be told apart.
pub const STYLES: usize = 12;

/// The style of a curve: colours in turn, and dashes in turn, so that twelve differ in one or the other and neighbours in
/// both.
pub fn style(index: usize) -> Stroke {
    const COLOURS: [Colour; 6] = [BLUE, RED, GREEN, PURPLE, ORANGE, BLACK];
    const DASHES: [Option<[f64; 2]>; 4] = [None, Some([7.0, 3.0]), Some([2.0, 2.5]), Some([12.0, 4.0])];
    Stroke { colour: COLOURS[index % 6], width: 1.6, dash: DASHES[index % 4] }
}

/// The font's size in a plot.
const SIZE: f64 = 10.0;

fn plain(colour: Colour) -> Type {
    Type { size: SIZE, weight: Weight::Regular, colour }
}

/// Draws curves into a rectangle of the scene.
pub fn plot(scene: &mut Scene, rect: Rect, axes: &Axes, curves: &[Curve]) {
    let title = Type { size: 11.0, weight: Weight::Bold, colour: BLACK };
    scene.text([rect.x, rect.y + 11.0], Align::Left, &axes.title, title);
    let points = || curves.iter().flat_map(|curve| &curve.points).filter(|[_, y]| y.is_finite());
    let range =
        |axis: usize| points().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], p| [a.min(p[axis]), b.max(p[axis])]);
    let ([x0, x1], [low, high]) = (range(0), range(1));
    if low > high {
        scene.text([rect.x, rect.y + 30.0], Align::Left, "no numbers", plain(GREY));
        return;
    }
    let log = axes.log && low > 0.0;
    let [low, high] = match log {
        true if low == high => [low / 2.0, high * 2.0],
        true => [low, high],
        false if low.min(0.0) == high.max(0.0) => [0.0, 1.0],
        false => [low.min(0.0), high.max(0.0)],
    };
    let frame = Rect::new(rect.x + 44.0, rect.y + 20.0, rect.width - 52.0, rect.height - 52.0);
    let scaled = |y: f64| if log { log10(y) } else { y };
    let across = |x: f64| frame.x + if x1 > x0 { (x - x0) / (x1 - x0) } else { 0.5 } * frame.width;
    let up = |y: f64| frame.bottom() - (scaled(y) - scaled(low)) / (scaled(high) - scaled(low)) * frame.height;

    let grid = Stroke::solid(HAIR, 0.8);
    let powers = if log { log_ticks(low, high) } else { Vec::new() };
    // A short range has hardly a power of ten.
    for tick in if powers.len() < 3 { ticks(low, high) } else { powers } {
        let y = up(tick);
        scene.line(&[[frame.x, y], [frame.right(), y]], grid);
        scene.text([frame.x - 5.0, y + 3.5], Align::Right, &told(tick), plain(GREY));
    }
    scene.line(
        &[[frame.x, frame.y], [frame.x, frame.bottom()], [frame.right(), frame.bottom()]],
        Stroke::solid(GREY, 0.8),
    );
    let whole = ticks(x0, x1).into_iter().filter(|x| x.fract() == 0.0);
    for x in if x1 > x0 { whole.collect() } else { vec![x0] } {
        scene.line(&[[across(x), frame.bottom()], [across(x), frame.bottom() + 3.0]], Stroke::solid(GREY, 0.8));
        scene.text([across(x), frame.bottom() + 14.0], Align::Centre, &told(x), plain(GREY));
    }
    scene.text([frame.right(), rect.bottom() - 4.0], Align::Right, &axes.along, plain(GREY));

    for curve in curves {
        let stroke = style(curve.style);
        // A number that is none leaves a gap.
        for part in curve.points.split(|[_, y]| !y.is_finite()) {
            let points: Vec<_> = part.iter().map(|&[x, y]| [across(x), up(y)]).collect();
            match points.as_slice() {
                [] => {}
                [only] => scene.disc(*only, 2.5, stroke.colour),
                _ => scene.line(&points, stroke),
            }
        }
    }
}

/// Draws the names of the curves beside pieces of their lines, in as many rows as it takes; returns how high that is.
pub fn legend(scene: &mut Scene, [x, y]: [f64; 2], width: f64, names: &[String]) -> f64 {
    const LINE: f64 = 16.0;
    let (mut at, mut rows) = (x, 1.0);
    for (index, name) in names.iter().enumerate() {
        let name = font(Weight::Regular).fitted(name, SIZE, width - 40.0);
        let long = 40.0 + font(Weight::Regular).width(&name, SIZE) + 14.0;
        if at > x && at + long > x + width {
            (at, rows) = (x, rows + 1.0);
        }
        let base = y + LINE * rows - 4.0;
        scene.line(&[[at, base - 3.5], [at + 32.0, base - 3.5]], style(index));
        scene.text([at + 37.0, base], Align::Left, &name, plain(BLACK));
        at += long;
    }
    rows * LINE
}

/// About five round numbers from low to high.
pub fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    if rough <= 0.0 || !rough.is_finite() {
        return vec![low];
    }
    let power = power_of_ten(log10(rough).floor() as i32);
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil() as i64;
    // −0 is no better than 0.
    (first..).map(|i| i as f64 * step + 0.0).take_while(|&x| x <= high + 1e-9 * step).collect()
}

/// Powers of ten from low to high; where there are few, twice and five times them too.
pub fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let factors: &[f64] = if high / low > 300.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = log10(low).floor() as i32..=log10(high).ceil() as i32;
    let all = powers.flat_map(|e| factors.iter().map(move |factor| factor * power_of_ten(e)));
    all.filter(|x| (low * 0.999..=high * 1.001).contains(x)).collect()
}

/// Pictures need no exact logarithm.
#[allow(clippy::disallowed_methods)]
fn log10(x: f64) -> f64 {
    x.log10()
}

fn power_of_ten(e: i32) -> f64 {
    format!("1e{e}").parse().unwrap_or(1.0)
}

/// A number in few letters.
fn told(x: f64) -> String {
    if x != 0.0 && (x.abs() < 1e-3 || x.abs() >= 1e5) {
        return format!("{x:.0e}");
    }
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(0.0, 83.0), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(ticks(-0.05, 0.01).iter().map(|&x| told(x)).collect::<Vec<_>>(), ["-0.04", "-0.02", "0"]);
        assert_eq!(ticks(3.0, 3.0), [3.0]);
        assert_eq!(log_ticks(0.02, 1.0), [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(log_ticks(1e-6, 1.0).len(), 7);
        assert_eq!([0.0, 0.5, 12.25, 1e-5, 2e6].map(told), ["0", "0.5", "12.25", "1e-5", "2e6"]);
    }

    #[test]
    fn styles_differ() {
        for a in 0..STYLES {
            for b in 0..a {
                assert_ne!((style(a).colour, style(a).dash), (style(b).colour, style(b).dash), "{a} {b}");
            }
        }
    }

    #[test]
    fn curves_lie_in_their_frame_and_gaps_stay_gaps() {
        let points = [[1.0, 5.0], [2.0, 3.0], [3.0, f64::NAN], [4.0, 1.0], [5.0, 2.0], [6.0, f64::NAN], [7.0, 4.0]];
        for log in [false, true] {
            let mut scene = Scene::new(300.0, 200.0, "curves");
            let rect = Rect::new(10.0, 20.0, 280.0, 170.0);
            let axes = Axes { title: "error, %".into(), along: "epoch".into(), log };
            plot(&mut scene, rect, &axes, &[Curve { style: 1, points: points.to_vec() }]);
            let lines = scene.shapes.iter().filter_map(|shape| match shape {
                Shape::Line { points, stroke } if *stroke == style(1) => Some(points.clone()),
                _ => None,
            });
            let lines: Vec<_> = lines.collect();
            assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2], "two parts of two points");
            assert!(lines[0][0][1] < lines[0][1][1], "5 lies higher than 3");
            let discs = scene.shapes.iter().filter(|shape| matches!(shape, Shape::Circle { .. })).count();
            assert_eq!(discs, 1, "a point alone");
            for [x, y] in lines.into_iter().flatten() {
                assert!((rect.x..=rect.right()).contains(&x) && (rect.y..=rect.bottom()).contains(&y), "{x} {y}");
            }
        }
        let mut scene = Scene::new(300.0, 200.0, "nothing");
        let axes = Axes { title: "t".into(), along: "x".into(), log: true };
        plot(&mut scene, Rect::new(0.0, 0.0, 300.0, 200.0), &axes, &[]);
        assert!(scene.shapes.iter().any(|shape| matches!(shape, Shape::Text { text, .. } if text == "no numbers")));
    }

    #[test]
    fn a_legend_takes_the_rows_that_it_needs() {
        let mut scene = Scene::new(200.0, 200.0, "legend");
        assert_eq!(legend(&mut scene, [0.0, 0.0], 200.0, &["a".into(), "b".into()]), 16.0);
        assert_eq!(
            legend(&mut scene, [0.0, 0.0], 200.0, &["a rather long name".into(), "another long name".into()]),
            32.0
        );
    }
}
