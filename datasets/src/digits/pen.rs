//! Draws a digit from its points: a smooth curve through them is bent, slanted and drawn with a pen of some width.
//!
//! The code uses only additions, multiplications, divisions and square roots of `f32`. IEEE 754 fixes their results to the last
//! bit, so a digit is the same on every machine. The only sine and cosine come from `libm`.

use rand::Rng;

use super::strokes::Allograph;
use crate::rng::uniform;

/// The height and width of an image, in pixels.
pub(super) const SIDE: usize = 28;

/// The number of pixels of an image.
pub(super) const LEN: usize = SIDE * SIDE;

/// The side of the box that the ink of a digit fills, in pixels, as in MNIST.
const BOX: f32 = 20.0;

/// The length of the straight lines that approximate a curve, in pixels.
const PIECE: f32 = 1.2;

/// Half the width of the soft edge of a line, in pixels.
const SOFT: f32 = 0.65;

/// A point of the path: its coordinates, and whether the pen was down on the way to it.
#[derive(Clone, Copy)]
struct Node {
    x: f32,
    y: f32,
    down: bool,
}

/// The buffers for drawing a digit, which are used again for the next digit.
#[derive(Default)]
pub(super) struct Pen {
    points: Vec<(f32, f32)>,
    path: Vec<Node>,
}

impl Pen {
    /// Draws one random variant of a digit into `out`, `[28, 28]`.
    pub(super) fn write(&mut self, allograph: &Allograph, rng: &mut impl Rng, out: &mut [u8; LEN]) {
        self.path.clear();
        // How far the pen misses its points, as a part of the box: little for a careful hand, more for a hasty one.
        let haste = between(rng, 0.015, 0.06);
        for stroke in allograph.1 {
            self.points.clear();
            for (i, point) in stroke.iter().enumerate() {
                let corner = i > 0 && stroke[i - 1] == *point;
                let at = match self.points.last() {
                    Some(&same) if corner => same,
                    _ => {
                        let loose = if i == 0 || i + 1 == stroke.len() { 1.6 * haste } else { haste };
                        let (x, y) = (f32::from(point.0) / 100.0, f32::from(point.1) / 100.0);
                        (x + loose * normal(rng), y + loose * normal(rng))
                    }
                };
                self.points.push(at);
            }
            self.curve();
        }
        self.bend(rng);

        let radius = 0.75 + 1.05 * (between(rng, 0.0, 1.0) + between(rng, 0.0, 1.0)) / 2.0;
        self.place(radius, rng);
        self.ink(radius, rng, out);
    }

    /// Appends the Catmull–Rom curve through the points to the path. A point that is given twice is a corner.
    fn curve(&mut self) {
        let points = &self.points;
        let Some(&(x, y)) = points.first() else { return };
        self.path.push(Node { x, y, down: false });
        for i in 1..points.len() {
            let (p, q) = (points[i - 1], points[i]);
            if p == q {
                continue;
            }
            let before = points[i.saturating_sub(2)];
            let after = points[(i + 1).min(points.len() - 1)];
            // The velocity at a point is half the difference between its two neighbours.
            let (from, to) =
                (((q.0 - before.0) / 2.0, (q.1 - before.1) / 2.0), ((after.0 - p.0) / 2.0, (after.1 - p.1) / 2.0));
            let pieces = (distance(p, q) * BOX / PIECE).ceil().max(1.0);
            for piece in 1..=pieces as u32 {
                let t = piece as f32 / pieces;
                // The basis functions of Hermite's cubic curve.
                let h01 = t * t * (3.0 - 2.0 * t);
                let h10 = t * (1.0 - t) * (1.0 - t);
                let h11 = t * t * (t - 1.0);
                let along = |p: f32, q: f32, from: f32, to: f32| p + h01 * (q - p) + h10 * from + h11 * to;
                let (x, y) = (along(p.0, q.0, from.0, to.0), along(p.1, q.1, from.1, to.1));
                self.path.push(Node { x, y, down: true });
            }
        }
    }

    /// Bends the paper like rubber (a random quadratic map), then stretches, slants and turns the digit.
    fn bend(&mut self, rng: &mut impl Rng) {
        let [a, b, c, d, e, f] = [(); 6].map(|()| 0.12 * normal(rng));
        let aspect = between(rng, 0.6, 1.06);
        let slant = 0.16 + 0.22 * normal(rng);
        let angle = f64::from(0.12 * normal(rng));
        let (sin, cos) = (libm::sin(angle) as f32, libm::cos(angle) as f32);
        for node in &mut self.path {
            let (x, y) = (2.0 * node.x - 1.0, 2.0 * node.y - 1.0);
            let (x, y) = (x + a * x * x + b * x * y + c * y * y, y + d * x * x + e * x * y + f * y * y);
            let x = aspect * x - slant * y;
            (node.x, node.y) = (cos * x - sin * y, sin * x + cos * y);
        }
    }

    /// Scales the path so that its ink fills the box, and moves its centre of mass near the middle of the image.
    fn place(&mut self, radius: f32, rng: &mut impl Rng) {
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        let (mut mass, mut moment) = (0.0, (0.0, 0.0));
        let mut last = (0.0, 0.0);
        for node in &self.path {
            low = (low.0.min(node.x), low.1.min(node.y));
            high = (high.0.max(node.x), high.1.max(node.y));
            if node.down {
                let length = distance(last, (node.x, node.y));
                mass += length;
                moment.0 += length * (last.0 + node.x) / 2.0;
                moment.1 += length * (last.1 + node.y) / 2.0;
            }
            last = (node.x, node.y);
        }
        let extent = (high.0 - low.0).max(high.1 - low.1).max(0.1);
        let scale = (BOX * between(rng, 0.86, 1.0) - 2.0 * radius) / extent;
        let centre = (moment.0 / mass.max(0.1), moment.1 / mass.max(0.1));
        let middle = SIDE as f32 / 2.0;
        let (dx, dy) = (middle + 0.65 * normal(rng), middle + 0.65 * normal(rng));
        for node in &mut self.path {
            (node.x, node.y) = (scale * (node.x - centre.0) + dx, scale * (node.y - centre.1) + dy);
        }
    }

    /// Draws the path with a round pen whose pressure changes from beginning to end.
    fn ink(&self, radius: f32, rng: &mut impl Rng, out: &mut [u8; LEN]) {
        let (first, last) = (radius * between(rng, 0.85, 1.15), radius * between(rng, 0.85, 1.15));
        let mut cover = [0.0_f32; LEN];
        for (i, pair) in self.path.windows(2).enumerate() {
            if pair[1].down {
                let pressure = first + (last - first) * i as f32 / self.path.len() as f32;
                line(pair[0], pair[1], pressure, &mut cover);
            }
        }
        for (byte, cover) in out.iter_mut().zip(cover) {
            *byte = (255.0 * cover + 0.5) as u8;
        }
    }
}

/// Covers the pixels near a straight line. A pixel keeps its largest cover, so lines that cross do not add up.
fn line(from: Node, to: Node, radius: f32, cover: &mut [f32; LEN]) {
    let reach = radius + SOFT;
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let per_length2 = 1.0 / (dx * dx + dy * dy).max(1e-12);
    let pixels = |a: f32, b: f32| {
        // The centres of pixels are at halves. A negative number becomes 0.
        let (low, high) = (a.min(b) - reach - 0.5, a.max(b) + reach + 0.5);
        (low.ceil().max(0.0) as usize)..(high as usize).min(SIDE)
    };
    for row in pixels(from.y, to.y) {
        let y = row as f32 + 0.5 - from.y;
        for column in pixels(from.x, to.x) {
            let x = column as f32 + 0.5 - from.x;
            let t = ((x * dx + y * dy) * per_length2).clamp(0.0, 1.0);
            let distance = distance((x, y), (t * dx, t * dy));
            let covered = ((reach - distance) / (2.0 * SOFT)).clamp(0.0, 1.0);
            let pixel = &mut cover[row * SIDE + column];
            *pixel = pixel.max(covered);
        }
    }
}

fn distance(p: (f32, f32), q: (f32, f32)) -> f32 {
    let (x, y) = (p.0 - q.0, p.1 - q.1);
    (x * x + y * y).sqrt()
}

/// A number that is uniform on [low, high).
fn between(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * uniform(rng) as f32
}

/// A nearly normal number with mean 0 and variance 1, always within ±3.5. It is a sum of four uniform numbers, which needs no
/// logarithm.
fn normal(rng: &mut impl Rng) -> f32 {
    let bits = rng.next_u64();
    let sum: u32 = (0..4).map(|i| u32::from((bits >> (16 * i)) as u16)).sum();
    // Each of the four is uniform on {0 .. 2¹⁶−1}: mean 4·(2¹⁶−1)/2, variance about 4·2³²/12.
    const SCALE: f32 = 1.732_050_8 / 65_536.0;
    (sum as f32 - 131_070.0) * SCALE
}
