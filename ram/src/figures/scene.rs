//! A picture as a list of shapes, which can be written as SVG or drawn as pixels.
//!
//! Lengths are in units of 1/96 inch (a pixel of CSS); x runs to the right and y downwards. Later shapes cover earlier ones, and
//! the page is white.

use super::palette::Colour;
use super::text::{Weight, font};

/// A point, [x, y].
pub type Point = [f64; 2];

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub colour: Colour,
    /// Its width.
    pub width: f64,
    /// The length of the dashes and of the gaps between them; `None` for a solid line.
    pub dash: Option<[f64; 2]>,
}

impl Stroke {
    /// A solid line.
    pub fn solid(colour: Colour, width: f64) -> Stroke {
        Stroke { colour, width, dash: None }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// The left edge.
    pub x: f64,
    /// The upper edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Rect {
    /// A rectangle with this upper left corner and this size.
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Rect {
        Rect { x, y, width, height }
    }

    /// The right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// The lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// The point of a location on an image that fills this rectangle; −1 and 1 are the outer edges of the image.
    pub fn at(&self, [x, y]: [f64; 2]) -> Point {
        [self.x + (x + 1.0) / 2.0 * self.width, self.y + (y + 1.0) / 2.0 * self.height]
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The text begins at the point.
    Left,
    /// The middle of the text is at the point.
    Centre,
    /// The text ends at the point.
    Right,
}

/// An image of grey levels or colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    /// Bytes, [channels, height, width].
    pub pixels: Vec<u8>,
    /// 1 for grey, 3 for colour; of any other number of channels the first is shown as grey.
    pub channels: usize,
    /// The number of rows.
    pub height: usize,
    /// The number of columns.
    pub width: usize,
}

impl Bitmap {
    /// The colour at a column and a row.
    pub fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let at = |channel: usize| self.pixels[(channel * self.height + y) * self.width + x];
        if self.is_colour() { [at(0), at(1), at(2)] } else { [at(0); 3] }
    }

    /// Whether it has three channels.
    pub fn is_colour(&self) -> bool {
        self.channels == 3
    }
}

/// A shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A rectangle.
    Rect {
        /// Its place.
        rect: Rect,
        /// The colour it is filled with.
        fill: Option<Colour>,
        /// Its outline; the middle of the line is the edge of the shape.
        stroke: Option<Stroke>,
    },
    /// A circle.
    Circle {
        /// Its centre.
        centre: Point,
        /// Its radius.
        radius: f64,
        /// The colour it is filled with.
        fill: Option<Colour>,
        /// Its outline; the middle of the line is the edge of the shape.
        stroke: Option<Stroke>,
    },
    /// Straight lines from point to point.
    Line {
        /// The points.
        points: Vec<Point>,
        /// How they are drawn.
        stroke: Stroke,
    },
    /// A line of text.
    Text {
        /// A point on the line that the letters stand on.
        at: Point,
        /// Where the text stands relative to the point.
        align: Align,
        /// The text.
        text: String,
        /// The font's size.
        size: f64,
        /// The font's weight.
        weight: Weight,
        /// Its colour.
        colour: Colour,
    },
    /// An image, scaled so that its pixels stay squares with sharp edges.
    Image {
        /// Its place.
        rect: Rect,
        /// Its pixels.
        bitmap: Bitmap,
    },
    /// Shapes with a title, which a browser shows to whoever points at them.
    Titled {
        /// The title.
        title: String,
        /// The shapes, the lowest first.
        shapes: Vec<Shape>,
    },
}

impl Shape {
    /// The left edge of a text.
    pub(super) fn text_start(at: Point, align: Align, text: &str, size: f64, weight: Weight) -> Point {
        let width = font(weight).width(text, size);
        let shift = match align {
            Align::Left => 0.0,
            Align::Centre => width / 2.0,
            Align::Right => width,
        };
        [at[0] - shift, at[1]]
    }

    /// The top and the bottom of what the shape may cover.
    pub(super) fn rows(&self) -> [f64; 2] {
        let around = |top: f64, bottom: f64, stroke: Option<Stroke>| {
            let half = stroke.map_or(0.0, |stroke| stroke.width);
            [top - half, bottom + half]
        };
        match self {
            Shape::Rect { rect, stroke, .. } => around(rect.y, rect.bottom(), *stroke),
            Shape::Circle { centre, radius, stroke, .. } => around(centre[1] - radius, centre[1] + radius, *stroke),
            Shape::Line { points, stroke } => {
                let ys = || points.iter().map(|point| point[1]);
                around(ys().fold(f64::INFINITY, f64::min), ys().fold(f64::NEG_INFINITY, f64::max), Some(*stroke))
            }
            // No letter of the font reaches higher or lower.
            Shape::Text { at, size, .. } => [at[1] - 1.3 * size, at[1] + 0.6 * size],
            Shape::Image { rect, .. } => [rect.y, rect.bottom()],
            Shape::Titled { shapes, .. } => shapes
                .iter()
                .map(Shape::rows)
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], [top, bottom]| [a.min(top), b.max(bottom)]),
        }
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// What the picture shows, for readers who cannot see it.
    pub title: String,
    /// Its shapes, the lowest first.
    pub shapes: Vec<Shape>,
}

/// The font and the colour of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Type {
    /// The font's size.
    pub size: f64,
    /// The font's weight.
    pub weight: Weight,
    /// The colour.
    pub colour: Colour,
}

impl Scene {
    /// An empty page of this size; `title` is for readers who cannot see the picture.
    pub fn new(width: f64, height: f64, title: &str) -> Scene {
        Scene { width, height, title: title.to_owned(), shapes: Vec::new() }
    }

    /// Adds a filled rectangle.
    pub fn fill(&mut self, rect: Rect, colour: Colour) {
        self.shapes.push(Shape::Rect { rect, fill: Some(colour), stroke: None });
    }

    /// Adds the outline of a rectangle.
    pub fn outline(&mut self, rect: Rect, stroke: Stroke) {
        self.shapes.push(Shape::Rect { rect, fill: None, stroke: Some(stroke) });
    }

    /// Adds a filled circle.
    pub fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        self.shapes.push(Shape::Circle { centre, radius, fill: Some(colour), stroke: None });
    }

    /// Adds an open circle.
    pub fn ring(&mut self, centre: Point, radius: f64, stroke: Stroke) {
        self.shapes.push(Shape::Circle { centre, radius, fill: None, stroke: Some(stroke) });
    }

    /// Adds straight lines from point to point.
    pub fn line(&mut self, points: &[Point], stroke: Stroke) {
        self.shapes.push(Shape::Line { points: points.to_vec(), stroke });
    }

    /// Adds a line of text.
    pub fn text(&mut self, at: Point, align: Align, text: &str, Type { size, weight, colour }: Type) {
        self.shapes.push(Shape::Text { at, align, text: text.to_owned(), size, weight, colour });
    }

    /// Adds an image.
    pub fn image(&mut self, rect: Rect, bitmap: Bitmap) {
        self.shapes.push(Shape::Image { rect, bitmap });
    }
}
