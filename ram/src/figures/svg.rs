//! Writes a scene as SVG. In a file, letters are outlines, so that the reader needs no font; the text is kept as a label. Inside of
//! an HTML page, text is in the page's font.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ttf_parser::{GlyphId, OutlineBuilder};

use super::palette::{BLACK, BLUE, Colour, GREEN, GREY, HAIR, PURPLE, RED, WHITE};
use super::raster::encode;
use super::scene::{Align, Rect, Scene, Shape, Stroke};
use super::text::{Weight, font};

/// The text of an SVG file.
pub fn svg(scene: &Scene) -> String {
    let mut writer = Writer::default();
    writer.add(&Shape::Rect { rect: Rect::new(0.0, 0.0, scene.width, scene.height), fill: Some(WHITE), stroke: None });
    writer.add_all(&scene.shapes);
    let (width, height) = (number(scene.width), number(scene.height));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<defs>\n",
        escaped(&scene.title)
    );
    for (id, path) in &writer.glyphs {
        _ = writeln!(out, "<path id=\"{id}\" d=\"{path}\"/>");
    }
    out + "</defs>\n" + &writer.out + "</svg>\n"
}

/// The shapes as elements for an SVG inside of an HTML page. Text is in the page's font, and the colours of the palette are the
/// page's variables (`--c1`, `--line` …), so that the picture follows its light or dark theme.
pub fn elements(shapes: &[Shape]) -> String {
    let mut writer = Writer { in_page: true, ..Writer::default() };
    writer.add_all(shapes);
    writer.out
}

/// The page's variables that stand for colours of the palette.
const VARIABLES: [(Colour, &str); 8] = [
    (BLUE, "c1"),
    (RED, "c2"),
    (GREEN, "c3"),
    (PURPLE, "c4"),
    (GREY, "faint"),
    (HAIR, "line"),
    (BLACK, "ink"),
    (WHITE, "paper"),
];

/// Writes shapes as elements of SVG.
#[derive(Default)]
struct Writer {
    out: String,
    /// The outlines of the letters that were used, by id.
    glyphs: BTreeMap<String, String>,
    /// Whether a page has the letters and the colours.
    in_page: bool,
}

impl Writer {
    fn add_all(&mut self, shapes: &[Shape]) {
        shapes.iter().for_each(|shape| self.add(shape));
    }

    fn add(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { rect, fill, stroke } => {
                let painted = self.filled(*fill) + &self.stroked(*stroke);
                self.line(format_args!("<rect{}{painted}/>", placed(rect)));
            }
            Shape::Circle { centre, radius, fill, stroke } => {
                let painted = self.filled(*fill) + &self.stroked(*stroke);
                let [x, y, radius] = [centre[0], centre[1], *radius].map(number);
                self.line(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{painted}/>"));
            }
            Shape::Line { points, stroke } => {
                let points: Vec<_> = points.iter().map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect();
                let (points, stroke) = (points.join(" "), self.stroked(Some(*stroke)));
                let fixed = "fill=\"none\" stroke-linejoin=\"round\"";
                self.line(format_args!("<polyline points=\"{points}\" {fixed}{stroke}/>"));
            }
            Shape::Text { at, align, text, size, colour, .. } if self.in_page => {
                let anchor = match align {
                    Align::Left => "start",
                    Align::Centre => "middle",
                    Align::Right => "end",
                };
                let ([x, y, size], fill) = ([at[0], at[1], *size].map(number), self.filled(Some(*colour)));
                let place = format!("x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\"");
                self.line(format_args!("<text {place}{fill}>{}</text>", escaped(text)));
            }
            Shape::Text { at, align, text, size, weight, colour } => {
                let [x, y] = Shape::text_start(*at, *align, text, *size, *weight).map(number);
                let (unit, fill) = (font(*weight).unit(*size), self.filled(Some(*colour)));
                let transform = format!("translate({x} {y}) scale({unit:.6} -{unit:.6})");
                let letters = font(*weight).line(text).0.into_iter().map(|(glyph, start)| {
                    format!("<use xlink:href=\"#{}\" x=\"{}\"/>", self.define(*weight, glyph), number(start))
                });
                let letters: String = letters.collect();
                let label = escaped(text);
                self.line(format_args!("<g aria-label=\"{label}\" transform=\"{transform}\"{fill}>{letters}</g>"));
            }
            Shape::Image { rect, bitmap } => self.line(format_args!(
                "<image{} preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" \
                 style=\"image-rendering:pixelated\" xlink:href=\"data:image/png;base64,{}\"/>",
                placed(rect),
                STANDARD.encode(encode(bitmap))
            )),
            Shape::Titled { title, shapes } => {
                self.line(format_args!("<g><title>{}</title>", escaped(title)));
                self.add_all(shapes);
                self.line(format_args!("</g>"));
            }
        }
    }

    /// Adds a line; writing to a string cannot fail.
    fn line(&mut self, text: std::fmt::Arguments) {
        _ = writeln!(self.out, "{text}");
    }

    /// The id of a glyph, which is defined at its first use.
    fn define(&mut self, weight: Weight, glyph: GlyphId) -> String {
        let id = format!("{}{}", if weight == Weight::Bold { "b" } else { "r" }, glyph.0);
        self.glyphs.entry(id.clone()).or_insert_with(|| {
            let mut path = PathText::default();
            font(weight).outline(glyph, &mut path);
            path.0
        });
        id
    }

    fn filled(&self, fill: Option<Colour>) -> String {
        fill.map_or(" fill=\"none\"".to_owned(), |colour| self.painted("fill", colour))
    }

    fn stroked(&self, stroke: Option<Stroke>) -> String {
        let Some(Stroke { colour, width, dash }) = stroke else { return String::new() };
        let dash =
            dash.map_or(String::new(), |[on, off]| format!(" stroke-dasharray=\"{} {}\"", number(on), number(off)));
        format!("{} stroke-width=\"{}\"{dash}", self.painted("stroke", colour), number(width))
    }

    fn painted(&self, what: &str, colour: Colour) -> String {
        let Colour { rgb: [r, g, b], alpha } = colour;
        let variable = VARIABLES.iter().find(|(known, _)| known.rgb == colour.rgb);
        let paint = match variable.filter(|_| self.in_page) {
            Some((_, name)) => format!(" {what}=\"var(--{name})\""),
            None => format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\""),
        };
        if alpha == 255 { paint } else { format!("{paint} {what}-opacity=\"{}\"", number(f64::from(alpha) / 255.0)) }
    }
}

/// The `d` of a path.
#[derive(Default)]
struct PathText(String);

impl PathText {
    fn command(&mut self, letter: char, numbers: &[f32]) {
        self.0.push(letter);
        let numbers: Vec<_> = numbers.iter().map(|&x| number(f64::from(x))).collect();
        self.0.push_str(&numbers.join(" "));
    }
}

impl OutlineBuilder for PathText {
    fn move_to(&mut self, x: f32, y: f32) {
        self.command('M', &[x, y]);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.command('L', &[x, y]);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.command('Q', &[x1, y1, x, y]);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.command('C', &[x1, y1, x2, y2, x, y]);
    }
    fn close(&mut self) {
        self.0.push('Z');
    }
}

fn placed(rect: &Rect) -> String {
    let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(number);
    format!(" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

/// A number with up to three decimals.
pub fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as SVG, XML and HTML take it, between elements and in quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // XML cannot contain other control characters in any form.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
