//! A scene as SVG. Letters are outlines, so no font is needed to see it; what a text says is kept as a label.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ttf_parser::{GlyphId, OutlineBuilder};

use super::palette::{Colour, WHITE};
use super::raster::encode;
use super::scene::{Rect, Scene, Shape, Stroke};
use super::text::{Weight, font};

/// The text of an SVG file.
pub fn svg(scene: &Scene) -> String {
    let mut glyphs: BTreeMap<String, String> = BTreeMap::new();
    let mut body = String::new();
    for shape in &scene.shapes {
        add(&mut body, &mut glyphs, shape);
    }
    let (width, height) = (number(scene.width), number(scene.height));
    let page = Shape::Rect { rect: Rect::new(0.0, 0.0, scene.width, scene.height), fill: Some(WHITE), stroke: None };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<defs>\n",
        escaped(&scene.title)
    );
    for (id, path) in &glyphs {
        _ = writeln!(out, "<path id=\"{id}\" d=\"{path}\"/>");
    }
    out.push_str("</defs>\n");
    add(&mut out, &mut glyphs, &page);
    out + &body + "</svg>\n"
}

fn add(out: &mut String, glyphs: &mut BTreeMap<String, String>, shape: &Shape) {
    // Writing to a string cannot fail.
    _ = match shape {
        Shape::Rect { rect, fill, stroke } => {
            writeln!(out, "<rect{}{}{}/>", placed(rect), filled(*fill), stroked(*stroke))
        }
        Shape::Circle { centre: [x, y], radius, fill, stroke } => writeln!(
            out,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}{}/>",
            number(*x),
            number(*y),
            number(*radius),
            filled(*fill),
            stroked(*stroke)
        ),
        Shape::Line { points, stroke } => {
            let points: Vec<_> = points.iter().map(|[x, y]| format!("{},{}", number(*x), number(*y))).collect();
            let points = points.join(" ");
            writeln!(
                out,
                "<polyline points=\"{points}\" fill=\"none\" stroke-linejoin=\"round\"{}/>",
                stroked(Some(*stroke))
            )
        }
        Shape::Text { at, align, text, size, weight, colour } => {
            let [x, y] = Shape::text_start(*at, *align, text, *size, *weight);
            let unit = font(*weight).unit(*size);
            _ = write!(
                out,
                "<g aria-label=\"{}\" transform=\"translate({} {}) scale({unit:.6} -{unit:.6})\"{}>",
                escaped(text),
                number(x),
                number(y),
                filled(Some(*colour))
            );
            for (glyph, start) in font(*weight).line(text).0 {
                let id = define(glyphs, *weight, glyph);
                _ = write!(out, "<use xlink:href=\"#{id}\" x=\"{}\"/>", number(start));
            }
            writeln!(out, "</g>")
        }
        Shape::Image { rect, bitmap } => writeln!(
            out,
            "<image{} preserveAspectRatio=\"none\" image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" \
             xlink:href=\"data:image/png;base64,{}\"/>",
            placed(rect),
            STANDARD.encode(encode(bitmap))
        ),
    };
}

/// The id of a glyph, which is defined at its first use.
fn define(glyphs: &mut BTreeMap<String, String>, weight: Weight, glyph: GlyphId) -> String {
    let id = format!("{}{}", if weight == Weight::Bold { "b" } else { "r" }, glyph.0);
    glyphs.entry(id.clone()).or_insert_with(|| {
        let mut path = PathText::default();
        font(weight).outline(glyph, &mut path);
        path.0
    });
    id
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

fn filled(fill: Option<Colour>) -> String {
    fill.map_or(" fill=\"none\"".to_owned(), |colour| painted("fill", colour))
}

fn stroked(stroke: Option<Stroke>) -> String {
    let Some(Stroke { colour, width, dash }) = stroke else { return String::new() };
    let dash = dash.map_or(String::new(), |[on, off]| format!(" stroke-dasharray=\"{} {}\"", number(on), number(off)));
    format!("{} stroke-width=\"{}\"{dash}", painted("stroke", colour), number(width))
}

fn painted(what: &str, Colour { rgb: [r, g, b], alpha }: Colour) -> String {
    let colour = format!(" {what}=\"#{r:02x}{g:02x}{b:02x}\"");
    if alpha == 255 { colour } else { format!("{colour} {what}-opacity=\"{}\"", number(f64::from(alpha) / 255.0)) }
}

/// Up to three decimals.
fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // XML has no other control characters, however written.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
