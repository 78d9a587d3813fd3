//! Draws a scene as pixels, and writes it as PNG.
//!
//! The picture is drawn in bands from top to bottom, several at the same time, so that a long picture needs no more memory than a
//! short one.

use std::ops::Range;

use rayon::prelude::*;
use tiny_skia::{FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, StrokeDash, Transform};
use ttf_parser::OutlineBuilder;

use super::palette::{Colour, WHITE};
use super::scene::{Bitmap, Rect, Scene, Shape, Stroke};
use super::text::font;

/// The number of rows of pixels in a band.
const BAND: usize = 256;

/// Pictures with at least this many pixels are compressed faster, but less well.
const LARGE: usize = 8_000_000;

/// Pixels per unit of a PNG file; this makes 192 per inch, which is sharp in print.
pub const SHARP: f64 = 2.0;

/// The size of a scene in pixels, [width, height], with `scale` pixels per unit.
pub fn size(scene: &Scene, scale: f64) -> [usize; 2] {
    [scene.width, scene.height].map(|length| ((length * scale).ceil() as usize).max(1))
}

/// The pixels of a scene, [height, width, 3], with `scale` pixels per unit.
pub fn rgb(scene: &Scene, scale: f64) -> Vec<u8> {
    let [_, height] = size(scene, scale);
    bands(height).into_par_iter().flat_map_iter(|rows| band(scene, scale, rows)).collect()
}

/// The bytes of a PNG file with `scale` pixels per unit.
pub fn png(scene: &Scene, scale: f64) -> Vec<u8> {
    let [width, height] = size(scene, scale);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_deflate_compression(png::DeflateCompression::Level(if width * height < LARGE { 6 } else { 1 }));
    encoder.set_filter(png::Filter::Up);
    // A unit is 1/96 inch.
    let per_metre = (scale * 96.0 / 0.0254).round() as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions { xppu: per_metre, yppu: per_metre, unit: png::Unit::Meter }));
    // Writing to memory cannot fail, and the sizes are right.
    let mut writer = encoder.write_header().expect("a header in memory");
    let mut stream = writer.stream_writer().expect("a stream in memory");
    for some in bands(height).chunks(2 * rayon::current_num_threads()) {
        let drawn: Vec<Vec<u8>> = some.par_iter().map(|rows| band(scene, scale, rows.clone())).collect();
        for pixels in drawn {
            std::io::Write::write_all(&mut stream, &pixels).expect("pixels in memory");
        }
    }
    stream.finish().expect("an end in memory");
    writer.finish().expect("an end in memory");
    bytes
}

/// The bytes of a PNG file with the pixels of an image.
pub fn encode(bitmap: &Bitmap) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, bitmap.width as u32, bitmap.height as u32);
    encoder.set_color(if bitmap.is_colour() { png::ColorType::Rgb } else { png::ColorType::Grayscale });
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().expect("a header in memory");
    let channels = if bitmap.is_colour() { 3 } else { 1 };
    let all = (0..bitmap.height).flat_map(|y| (0..bitmap.width).map(move |x| (x, y)));
    let pixels: Vec<u8> = all.flat_map(|(x, y)| bitmap.rgb(x, y).into_iter().take(channels)).collect();
    writer.write_image_data(&pixels).expect("pixels in memory");
    writer.finish().expect("an end in memory");
    bytes
}

fn bands(height: usize) -> Vec<Range<usize>> {
    (0..height).step_by(BAND).map(|top| top..(top + BAND).min(height)).collect()
}

/// The pixels of some rows of the picture, [rows, width, 3].
fn band(scene: &Scene, scale: f64, rows: Range<usize>) -> Vec<u8> {
    let [width, _] = size(scene, scale);
    let mut pixmap = Pixmap::new(width as u32, rows.len() as u32).expect("a band is small");
    let [r, g, b] = WHITE.rgb;
    pixmap.fill(tiny_skia::Color::from_rgba8(r, g, b, 255));
    let to_pixels = Transform::from_row(scale as f32, 0.0, 0.0, scale as f32, 0.0, -(rows.start as f32));
    let mut canvas = Canvas { pixmap, scale, top: rows.start, to_pixels };
    for shape in &scene.shapes {
        let [top, bottom] = shape.rows().map(|y| y * scale);
        if bottom >= rows.start as f64 - 1.0 && top <= rows.end as f64 + 1.0 {
            canvas.draw(shape);
        }
    }
    canvas.pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// A band that is being drawn.
struct Canvas {
    pixmap: Pixmap,
    scale: f64,
    /// The number of the band's first row.
    top: usize,
    to_pixels: Transform,
}

impl Canvas {
    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { rect, fill, stroke } => {
                let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(|length| length as f32);
                if let Some(rect) = tiny_skia::Rect::from_xywh(x, y, width, height) {
                    self.path(Some(PathBuilder::from_rect(rect)), *fill, *stroke);
                }
            }
            Shape::Circle { centre: [x, y], radius, fill, stroke } => {
                self.path(PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32), *fill, *stroke);
            }
            Shape::Line { points, stroke } => {
                let mut path = PathBuilder::new();
                for (i, &[x, y]) in points.iter().enumerate() {
                    let [x, y] = [x as f32, y as f32];
                    if i == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
                }
                self.path(path.finish(), None, Some(*stroke));
            }
            Shape::Text { at, align, text, size, weight, colour } => {
                let [x, y] = Shape::text_start(*at, *align, text, *size, *weight);
                let unit = font(*weight).unit(*size);
                let mut letters = Letters { path: PathBuilder::new(), at: [x, y], unit };
                for (glyph, start) in font(*weight).line(text).0 {
                    letters.at[0] = x + start * unit;
                    font(*weight).outline(glyph, &mut letters);
                }
                self.path(letters.path.finish(), Some(*colour), None);
            }
            Shape::Image { rect, bitmap } => self.image(rect, bitmap),
            Shape::Titled { shapes, .. } => shapes.iter().for_each(|shape| self.draw(shape)),
        }
    }

    /// Fills and strokes a path; a path without extent is `None`.
    fn path(&mut self, path: Option<Path>, fill: Option<Colour>, stroke: Option<Stroke>) {
        let Some(path) = path else { return };
        if let Some(colour) = fill {
            self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, self.to_pixels, None);
        }
        if let Some(Stroke { colour, width, dash }) = stroke {
            let dash = dash.and_then(|[on, off]| StrokeDash::new(vec![on as f32, off as f32], 0.0));
            let stroke =
                tiny_skia::Stroke { width: width as f32, dash, line_join: LineJoin::Round, ..Default::default() };
            self.pixmap.stroke_path(&path, &paint(colour), &stroke, self.to_pixels, None);
        }
    }

    /// Draws an image: each pixel whose centre lies in the rectangle takes the colour of the image there.
    fn image(&mut self, rect: &Rect, bitmap: &Bitmap) {
        let (width, height) = (self.pixmap.width() as usize, self.pixmap.height() as usize);
        // The first pixel whose centre lies at or behind `edge`.
        let first = |edge: f64, end: usize| ((edge - 0.5).ceil().max(0.0) as usize).min(end);
        let source = |pixel: usize, start: f64, length: f64, count: usize| {
            let along = (pixel as f64 + 0.5 - start) / length * count as f64;
            (along.max(0.0) as usize).min(count - 1)
        };
        let (left, upper) = (rect.x * self.scale, rect.y * self.scale - self.top as f64);
        let (wide, high) = (rect.width * self.scale, rect.height * self.scale);
        if bitmap.width == 0 || bitmap.height == 0 {
            return;
        }
        let columns: Vec<(usize, usize)> = (first(left, width)..first(left + wide, width))
            .map(|column| (column, source(column, left, wide, bitmap.width)))
            .collect();
        let data = self.pixmap.data_mut();
        for row in first(upper, height)..first(upper + high, height) {
            let y = source(row, upper, high, bitmap.height);
            for &(column, x) in &columns {
                let at = 4 * (row * width + column);
                data[at..at + 3].copy_from_slice(&bitmap.rgb(x, y));
            }
        }
    }
}

fn paint(Colour { rgb: [r, g, b], alpha }: Colour) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Default::default() };
    paint.set_color_rgba8(r, g, b, alpha);
    paint
}

/// Collects the outlines of letters, which are in font units with y upwards, at their place in the picture.
struct Letters {
    path: PathBuilder,
    at: [f64; 2],
    unit: f64,
}

impl Letters {
    fn x(&self, x: f32) -> f32 {
        (self.at[0] + f64::from(x) * self.unit) as f32
    }
    fn y(&self, y: f32) -> f32 {
        (self.at[1] - f64::from(y) * self.unit) as f32
    }
}

impl OutlineBuilder for Letters {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x(x), self.y(y));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x(x), self.y(y));
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.x(x1), self.y(y1), self.x(x), self.y(y));
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.x(x1), self.y(y1), self.x(x2), self.y(y2), self.x(x), self.y(y));
    }
    fn close(&mut self) {
        self.path.close();
    }
}
