//! Figure 2: examples of the images of a task.

use super::palette::BLACK;
use super::parts::{self, regular};
use super::raster::SHARP;
use super::scene::{Align, Bitmap, Rect, Scene};

const MARGIN: f64 = 14.0;
const GAP: f64 = 5.0;
const LABEL: f64 = 12.0;

/// Draws images in rows, each with its label below; there are about as many rows as columns.
pub fn sheet(images: Vec<(Bitmap, String)>, title: &str, subtitle: &str) -> Scene {
    let columns = (1..).find(|n| n * n >= images.len()).unwrap_or(1);
    let rows = images.len().div_ceil(columns);
    let pixels = images.iter().map(|(image, _)| image.width.max(image.height)).max().unwrap_or(1);
    let wanted = if columns > 20 { pixels as f64 / SHARP } else { (pixels as f64).clamp(60.0, 100.0) };
    let side = parts::side(pixels, wanted, SHARP);
    let inside = ((side + GAP) * columns as f64 - GAP).max(300.0);
    let mut scene = Scene::new((inside + 2.0 * MARGIN).ceil(), 0.0, &format!("{title}. {subtitle}"));
    let top = parts::heading(&mut scene, [MARGIN; 2], inside, title, subtitle) + 10.0;
    scene.height = (top + (side + LABEL + GAP) * rows as f64 - GAP + MARGIN).ceil();
    for (i, (image, label)) in images.into_iter().enumerate() {
        let x = MARGIN + (side + GAP) * (i % columns) as f64;
        let y = top + (side + LABEL + GAP) * (i / columns) as f64;
        let square = Rect::new(x, y, side, side);
        let (label, style) = parts::fitting(&label, regular(8.5, BLACK), side);
        scene.text([x + side / 2.0, y + side + 9.0], Align::Centre, &label, style);
        scene.image(parts::within(square, [image.width, image.height]), image);
    }
    scene
}
