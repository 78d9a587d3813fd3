//! Plots: a frame with axes, ticks and units, in which curves and marks are drawn. Each curve has a colour and a dash of its own,
//! and a legend says which run or quantity it belongs to.

use super::axis::Axis;
use super::palette::{BLACK, BLUE, Colour, GREEN, GREY, HAIR, ORANGE, PURPLE, RED};
use super::scene::{Align, Point, Rect, Scene, Stroke, Type};
use super::text::{Weight, font};

/// A curve of a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The number of its style, 0 to [`STYLES`] − 1.
    pub style: usize,
    /// Its points in the order of x; where y is not finite, the curve has a gap.
    pub points: Vec<[f64; 2]>,
}

/// The number of styles that differ from each other.
pub const STYLES: usize = 12;

/// A style for curves. Colours and dashes change with the index in such a way that twelve styles differ in one of the two, and
/// neighbouring ones in both.
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

/// A frame with an axis along its lower edge and one along its left edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// The rectangle in which values lie; the labels of the axes stand outside of it, to the left and below.
    pub frame: Rect,
    /// From left to right.
    pub across: Axis,
    /// From bottom to top.
    pub up: Axis,
}

impl Plot {
    /// A plot in which all of the curves fit, or `None` where they have no finite number. The vertical axis is logarithmic if `log`
    /// asks for it and all numbers are above 0; otherwise it contains 0. The horizontal axis counts epochs or the like.
    pub fn around(frame: Rect, curves: &[Curve], log: bool) -> Option<Plot> {
        let points = || curves.iter().flat_map(|curve| &curve.points).filter(|[_, y]| y.is_finite());
        let range = |axis: usize| {
            points().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], p| [a.min(p[axis]), b.max(p[axis])])
        };
        let [low, high] = range(1);
        let up = match log && low > 0.0 {
            _ if low > high => return None,
            true if low == high => Axis::Logarithmic([low / 2.0, high * 2.0]),
            true => Axis::Logarithmic([low, high]),
            false if low.min(0.0) == high.max(0.0) => Axis::Linear([0.0, 1.0]),
            false => Axis::Linear([low.min(0.0), high.max(0.0)]),
        };
        Some(Plot { frame, across: Axis::Whole(range(0)), up })
    }

    /// The frame of a plot that takes this rectangle together with its title and its labels.
    pub fn frame_in(rect: Rect) -> Rect {
        Rect::new(rect.x + 44.0, rect.y + 20.0, rect.width - 52.0, rect.height - 52.0)
    }

    /// Where the values (x, y) lie.
    pub fn at(&self, [x, y]: [f64; 2]) -> Point {
        let Rect { x: left, width, height, .. } = self.frame;
        [left + self.across.share(x) * width, self.frame.bottom() - self.up.share(y) * height]
    }

    /// Draws the frame, the lines of the grid and the labels of the ticks; `unit` stands behind the numbers of the vertical axis.
    pub fn draw(&self, scene: &mut Scene, unit: &str) {
        let (frame, line) = (self.frame, Stroke::solid(GREY, 0.8));
        for (value, label) in self.up.ticks() {
            let y = frame.bottom() - self.up.share(value) * frame.height;
            scene.line(&[[frame.x, y], [frame.right(), y]], Stroke::solid(HAIR, 0.8));
            scene.text([frame.x - 5.0, y + 3.5], Align::Right, &format!("{label}{unit}"), plain(GREY));
        }
        scene.line(&[[frame.x, frame.y], [frame.x, frame.bottom()], [frame.right(), frame.bottom()]], line);
        for (value, label) in self.across.ticks() {
            let x = frame.x + self.across.share(value) * frame.width;
            scene.line(&[[x, frame.bottom()], [x, frame.bottom() + 3.0]], line);
            scene.text([x, frame.bottom() + 14.0], Align::Centre, &label, plain(GREY));
        }
    }

    /// As [`Plot::draw`], with a title above the frame, and below its end what runs along the horizontal axis. The frame is that of
    /// [`Plot::frame_in`] `rect`.
    pub fn draw_titled(&self, scene: &mut Scene, rect: Rect, title: &str, along: &str) {
        let bold = Type { size: 11.0, weight: Weight::Bold, colour: BLACK };
        scene.text([rect.x, rect.y + 11.0], Align::Left, title, bold);
        self.draw(scene, "");
        self.write_along(scene, rect.bottom() - 4.0, along);
    }

    /// Writes at the height `y`, below the end of the horizontal axis, what runs along it.
    pub fn write_along(&self, scene: &mut Scene, y: f64, along: &str) {
        scene.text([self.frame.right(), y], Align::Right, along, plain(GREY));
    }

    /// Draws a curve. A number that is not finite leaves a gap, and a number between two gaps is a dot.
    pub fn curve(&self, scene: &mut Scene, curve: &Curve) {
        let stroke = style(curve.style);
        for part in curve.points.split(|[_, y]| !y.is_finite()) {
            let points: Vec<_> = part.iter().map(|&point| self.at(point)).collect();
            match points.as_slice() {
                [] => {}
                [only] => scene.disc(*only, 2.5, stroke.colour),
                _ => scene.line(&points, stroke),
            }
        }
    }
}

/// Draws the names of the curves beside samples of their lines, in as many rows as they need; returns the height of the rows.
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

#[cfg(test)]
mod tests {
    use super::super::scene::Shape;
    use super::*;

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
            let curve = Curve { style: 1, points: points.to_vec() };
            let plot = Plot::around(Plot::frame_in(rect), std::slice::from_ref(&curve), log).unwrap();
            plot.draw_titled(&mut scene, rect, "error, %", "epoch");
            plot.curve(&mut scene, &curve);
            assert_eq!(matches!(plot.up, Axis::Logarithmic(_)), log);
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
        assert_eq!(Plot::around(Rect::new(0.0, 0.0, 300.0, 200.0), &[], true), None);
    }

    #[test]
    fn the_vertical_axis_holds_0_or_is_logarithmic() {
        let up = |ys: &[f64], log: bool| {
            let points = ys.iter().map(|&y| [1.0, y]).collect();
            Plot::around(Rect::new(0.0, 0.0, 9.0, 9.0), &[Curve { style: 0, points }], log).unwrap().up
        };
        assert_eq!(up(&[2.0, 3.0], false), Axis::Linear([0.0, 3.0]));
        assert_eq!(up(&[-2.0, 0.0], true), Axis::Linear([-2.0, 0.0]));
        assert_eq!(up(&[0.0], true), Axis::Linear([0.0, 1.0]));
        assert_eq!(up(&[2.0, 3.0], true), Axis::Logarithmic([2.0, 3.0]));
        assert_eq!(up(&[2.0], true), Axis::Logarithmic([1.0, 4.0]));
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
