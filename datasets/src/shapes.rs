//! A small data set of colour pictures, for trying out folders of pictures: a coloured shape in a large, cluttered scene.
//!
//! The background is soft and nearly grey, like a landscape at dusk, with grey rectangles on it ("rubble"). Somewhere lies one
//! blue square, green triangle, red circle or yellow cross, which takes about a fortieth of the picture and varies in size, shade
//! and angle. A network with glimpses can learn from a thousand pictures where to look. A network with a weight for each pixel
//! would have to see the shape at every place.

use rand::Rng;

use crate::rng::{Key, Purpose, below, uniform};

/// The height and width of a picture, in pixels.
pub const SIDE: usize = 256;

/// The names of the classes, which are the shapes.
pub const CLASSES: [&str; 4] = ["blue-square", "green-triangle", "red-circle", "yellow-cross"];

/// The number of rubble pieces in a scene.
const RUBBLE: usize = 14;

/// No shape or piece of rubble reaches farther than this from its middle, in pixels.
const REACH: f64 = 40.0;

/// Of each layer of the landscape: the distance in pixels between points of random height, and the largest height. Between the
/// points, heights are interpolated.
const LATTICES: [(usize, f64); 3] = [(64, 22.0), (16, 9.0), (4, 6.0)];

/// A picture with one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The pixels, `[3, SIDE, SIDE]`.
    pub pixels: Vec<u8>,
    /// The class of the shape, an index of [`CLASSES`].
    pub class: usize,
    /// The middle of the shape, `[x, y]` in pixels.
    pub centre: [usize; 2],
}

/// Draws the scene with this number. It depends only on the seed and the number.
pub fn draw(seed: u64, number: u32) -> Scene {
    let rng = &mut Key { seed, purpose: Purpose::Shape, epoch: 0, sample: u64::from(number) }.stream();
    let class = below(rng, CLASSES.len() as u32) as usize;
    let grey = landscape(rng, 1.0);
    let tinted = |tint: Vec<f64>| grey.iter().zip(tint).map(|(grey, tint)| grey + tint).collect();
    let mut planes: [Vec<f64>; 3] = [(); 3].map(|()| tinted(landscape(rng, 0.3)));

    for _ in 0..RUBBLE {
        let grey = between(rng, 30.0, 100.0);
        let colour = [0; 3].map(|_: i32| grey + between(rng, -12.0, 12.0));
        let half = [between(rng, 3.0, 14.0), between(rng, 2.0, 6.0)];
        let centre = [0; 2].map(|_: i32| between(rng, 0.0, SIDE as f64));
        let form = |[x, y]: [f64; 2]| (x.abs() - half[0]).max(y.abs() - half[1]);
        paint(&mut planes, centre, turn(rng, 3.2), colour, form);
    }

    let radius = between(rng, 19.0, 26.0);
    let centre = [0; 2].map(|_: i32| (between(rng, 30.0, SIDE as f64 - 30.0)) as usize);
    let colour = shade(class, rng);
    let at = centre.map(|x| x as f64 + 0.5);
    paint(&mut planes, at, turn(rng, 0.3), colour, |p| outline(class, p, radius));

    let pixels = planes.iter().flatten().map(|level| level.clamp(0.0, 255.0) as u8).collect();
    Scene { pixels, class, centre }
}

/// The distance of a point from the edge of a shape around the origin, negative inside the shape. It is exact near the edges.
fn outline(class: usize, [x, y]: [f64; 2], radius: f64) -> f64 {
    match CLASSES[class] {
        "red-circle" => libm::sqrt(x * x + y * y) - 0.9 * radius,
        "yellow-cross" => {
            let (long, short) = (radius, 0.32 * radius);
            (x.abs() - long).max(y.abs() - short).min((x.abs() - short).max(y.abs() - long))
        }
        "blue-square" => x.abs().max(y.abs()) - 0.8 * radius,
        // A triangle is the intersection of three half-planes, 120° apart: these are the sine and the cosine of 60°.
        _ => {
            let [sine, cosine] = [0.866_025_403_784_438_6, 0.5];
            y.max(sine * x - cosine * y).max(-sine * x - cosine * y) - 0.6 * radius
        }
    }
}

/// Paints a form of one colour over the three channels. `form` is the distance of a point from the edge, negative inside.
fn paint(
    planes: &mut [Vec<f64>; 3],
    centre: [f64; 2],
    [sine, cosine]: [f64; 2],
    colour: [f64; 3],
    form: impl Fn([f64; 2]) -> f64,
) {
    let near = centre.map(|x| (x - REACH).max(0.0) as usize..(x + REACH) as usize);
    for row in near[1].clone().take_while(|&row| row < SIDE) {
        for column in near[0].clone().take_while(|&column| column < SIDE) {
            let (x, y) = (column as f64 + 0.5 - centre[0], row as f64 + 0.5 - centre[1]);
            let cover = (0.5 - form([cosine * x + sine * y, cosine * y - sine * x])).clamp(0.0, 1.0);
            for (plane, colour) in planes.iter_mut().zip(colour) {
                let level = &mut plane[row * SIDE + column];
                *level += cover * (colour - *level);
            }
        }
    }
}

/// One channel of the landscape: soft hills around a mean level, all multiplied by `scale`.
fn landscape(rng: &mut impl Rng, scale: f64) -> Vec<f64> {
    let mut plane = vec![scale * between(rng, 20.0, 45.0); SIDE * SIDE];
    for (step, height) in LATTICES {
        let points = SIDE / step + 1;
        let hills: Vec<f64> = (0..points * points).map(|_| scale * between(rng, -height, height)).collect();
        for (i, level) in plane.iter_mut().enumerate() {
            let (row, column) = (i / SIDE, i % SIDE);
            let (at, v, u) = (row / step * points + column / step, fraction(row, step), fraction(column, step));
            let upper = hills[at] + u * (hills[at + 1] - hills[at]);
            let lower = hills[at + points] + u * (hills[at + points + 1] - hills[at + points]);
            *level += upper + v * (lower - upper);
        }
    }
    plane
}

/// How far a pixel is on its way from one point of the landscape to the next, from 0 to 1.
fn fraction(place: usize, step: usize) -> f64 {
    (place % step) as f64 / step as f64
}

/// A random shade of the colour of a class.
fn shade(class: usize, rng: &mut impl Rng) -> [f64; 3] {
    let (bright, dark) = (between(rng, 200.0, 255.0), between(rng, 0.0, 70.0));
    match CLASSES[class] {
        "blue-square" => [dark, dark, bright],
        "green-triangle" => [dark, bright, dark],
        "red-circle" => [bright, dark, dark],
        _ => [bright, bright, dark],
    }
}

/// The sine and cosine of a random angle between −`most` and `most` radians.
fn turn(rng: &mut impl Rng, most: f64) -> [f64; 2] {
    let angle = between(rng, -most, most);
    [libm::sin(angle), libm::cos(angle)]
}

/// A number that is uniform on [low, high).
fn between(rng: &mut impl Rng, low: f64, high: f64) -> f64 {
    low + uniform(rng) * (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_a_function_of_seed_and_number() {
        assert_eq!(draw(1, 3), draw(1, 3));
        assert_ne!(draw(1, 3).pixels, draw(1, 4).pixels);
        assert_ne!(draw(1, 3).pixels, draw(2, 3).pixels);
        let mut counts = [0; 4];
        (0..60).for_each(|number| counts[draw(7, number).class] += 1);
        assert!(counts.iter().all(|&count| count >= 6), "{counts:?}");
    }

    /// The shape is at its `centre`: that pixel is more colourful than the background ever is.
    #[test]
    fn the_shape_is_at_its_centre() {
        for number in 0..40 {
            let Scene { pixels, centre: [x, y], .. } = draw(1, number);
            let levels = [0, 1, 2].map(|plane| pixels[(plane * SIDE + y) * SIDE + x]);
            let spread = levels.iter().max().unwrap() - levels.iter().min().unwrap();
            assert!(spread > 120, "{number}: {levels:?}");
        }
    }
}
