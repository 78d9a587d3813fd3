//! A small data set of pictures to try one's own pictures with: a coloured shape somewhere in a large, cluttered scene.
//!
//! The background is a landscape at dusk, soft and nearly grey, with pieces of rubble on it; on it lies one blue square, green
//! triangle, red circle or yellow cross, a fortieth of the picture, of any size, shade and turn. A network that looks for it
//! learns from a thousand pictures where to look; one with a weight for every pixel would need it at every place.

use crate::rng::{Key, Purpose, below, uniform};
use rand::Rng;

/// Edge of a picture, pixels.
pub const SIDE: usize = 256;

/// What there is to be found.
pub const CLASSES: [&str; 4] = ["blue-square", "green-triangle", "red-circle", "yellow-cross"];

/// Pieces of rubble in a scene.
const RUBBLE: usize = 14;

/// No form reaches farther from its middle, pixels.
const REACH: f64 = 40.0;

/// Pixels between the points of the landscape that are drawn; what lies between is interpolated.
const LATTICES: [(usize, f64); 3] = [(64, 22.0), (16, 9.0), (4, 6.0)];

/// A picture and what is to be found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// `[3, SIDE, SIDE]`
    pub pixels: Vec<u8>,
    /// Its class, an index of [`CLASSES`].
    pub class: usize,
    /// The middle of the shape, (x, y) in pixels.
    pub centre: [usize; 2],
}

/// Scene `number` of a seed; a function of the two alone.
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

/// How far a point lies outside of a shape around the origin, negative within; exact near its edges.
fn outline(class: usize, [x, y]: [f64; 2], radius: f64) -> f64 {
    match CLASSES[class] {
        "red-circle" => libm::sqrt(x * x + y * y) - 0.9 * radius,
        "yellow-cross" => {
            let (long, short) = (radius, 0.32 * radius);
            (x.abs() - long).max(y.abs() - short).min((x.abs() - short).max(y.abs() - long))
        }
        "blue-square" => x.abs().max(y.abs()) - 0.8 * radius,
        // Three half-planes, 120° apart: the sine of 60° and the cosine.
        _ => {
            let [sine, cosine] = [0.866_025_403_784_438_6, 0.5];
            y.max(sine * x - cosine * y).max(-sine * x - cosine * y) - 0.6 * radius
        }
    }
}

/// Lays a form of one colour over the planes.
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

/// A plane of soft hills around a level, all scaled.
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

fn fraction(place: usize, step: usize) -> f64 {
    (place % step) as f64 / step as f64
}

/// A shade of the class's colour.
fn shade(class: usize, rng: &mut impl Rng) -> [f64; 3] {
    let (bright, dark) = (between(rng, 200.0, 255.0), between(rng, 0.0, 70.0));
    match CLASSES[class] {
        "blue-square" => [dark, dark, bright],
        "green-triangle" => [dark, bright, dark],
        "red-circle" => [bright, dark, dark],
        _ => [bright, bright, dark],
    }
}

/// Sine and cosine of an angle up to `most` radians to either side.
fn turn(rng: &mut impl Rng, most: f64) -> [f64; 2] {
    let angle = between(rng, -most, most);
    [libm::sin(angle), libm::cos(angle)]
}

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

    /// The shape is where it is said to be: its middle is more colourful than any piece of the background.
    #[test]
    fn the_shape_is_vivid_and_where_it_is_said_to_be() {
        for number in 0..40 {
            let Scene { pixels, centre: [x, y], .. } = draw(1, number);
            let levels = [0, 1, 2].map(|plane| pixels[(plane * SIDE + y) * SIDE + x]);
            let spread = levels.iter().max().unwrap() - levels.iter().min().unwrap();
            assert!(spread > 120, "{number}: {levels:?}");
        }
    }
}
