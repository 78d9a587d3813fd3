//! Every random number of an episode, drawn before it begins.

use autograd::{Real, math};
use datasets::DigitBox;
use datasets::rng::{Key, Purpose, below, uniform};
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::action::{Decisions, Mode};
use super::location::Locations;
use super::zoom::Zoom;

/// `policy.first`: the first location l₀.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// Uniform on the image.
    Random,
    /// Uniform where the finest patch lies inside the image: |l₀| ≤ 1 − g/W on each axis.
    Inside,
    /// The centre of the image.
    Centre,
    /// Chosen by the policy, from a learned vector in the place of a state: l₀ ∼ π(· | v). So it is the same for every image but
    /// for its noise. The paper does not do this.
    Learned,
}

/// What an agent needs random numbers for.
#[derive(Clone, Copy, Debug)]
pub struct DrawPlan {
    /// N, the number of glimpses in an episode.
    pub glimpses: usize,
    /// When it decides.
    pub decisions: Decisions,
    /// How it chooses its locations.
    pub locations: Locations,
    /// How its first location is chosen.
    pub first: First,
    /// 1 − g/W: up to here from the centre, the finest patch lies inside the image.
    pub inside: f64,
    /// Whether its locations are the points of a grid.
    pub is_discrete: bool,
    /// Whether it chooses after each glimpse but the last if it stops.
    pub stops: bool,
    /// k, the number of zooms; 1 for no choice.
    pub zooms: usize,
    /// How one of them is chosen.
    pub zoom: Zoom,
    /// The edge of the finest patch at zoom 0 of these, in pixels.
    pub patch: usize,
}

/// What decides the random numbers of a batch.
#[derive(Clone, Copy, Debug)]
pub struct DrawKey<'a> {
    /// Whether locations and actions are sampled at all.
    pub mode: Mode,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, or the pass over an evaluated set.
    pub epoch: u64,
    /// The number of each input in its data set.
    pub samples: &'a [u32],
    /// How many episodes there are for each input. They stand next to each other; the first one draws as if it were alone.
    pub copies: usize,
}

/// Every random number of a batch of episodes.
#[derive(Clone, Debug, Default)]
pub struct Draws<R> {
    /// Whether locations and actions are sampled at all.
    pub mode: Mode,
    /// l₀ [batch, 2]; with [`First::Learned`], what chooses it, as in `noise`.
    pub first: Vec<R>,
    /// What chooses l₁, …, l_{N−1}, [N − 1, batch, 2]: see [`LocationNetwork::choose`](super::location::LocationNetwork::choose).
    /// Under the random policy these are the locations themselves, and under the oracle's too, once [`Draws::aim`] has aimed.
    pub noise: Vec<R>,
    /// A uniform number on [0, 1) for each decision, by which its action or class is sampled, [decisions, batch].
    pub class: Vec<R>,
    /// A uniform number on [0, 1) for each choice to stop, [N − 1, batch]; empty if there is none.
    pub stop: Vec<R>,
    /// A uniform number on [0, 1) for each choice of a zoom, [N − 1, batch], or under a random zoom or the oracle's the zoom itself;
    /// empty if there is no choice.
    pub zoom: Vec<R>,
}

impl<R: Real> Draws<R> {
    /// Draws for a batch. Every episode has random streams of its own, by (seed, purpose, epoch, sample), so that it does not
    /// depend on the batch it is in.
    pub fn draw(&mut self, plan: DrawPlan, key: &DrawKey) {
        let DrawKey { mode, seed, epoch, samples, copies } = *key;
        let batch = samples.len() * copies;
        let decisions = match plan.decisions {
            Decisions::Last => 1,
            Decisions::Each => plan.glimpses,
        };
        self.mode = mode;
        self.first.resize(2 * batch, R::ZERO);
        self.noise.resize((plan.glimpses - 1) * 2 * batch, R::ZERO);
        self.class.resize(decisions * batch, R::ZERO);
        self.zoom.resize(if plan.zooms > 1 { (plan.glimpses - 1) * batch } else { 0 }, R::ZERO);
        self.stop.resize(if plan.stops { (plan.glimpses - 1) * batch } else { 0 }, R::ZERO);
        let reach = match plan.first {
            _ if plan.locations == Locations::Centre => 0.0,
            First::Centre => 0.0,
            First::Random => 1.0,
            First::Inside => plan.inside,
            First::Learned => 0.0,
        };
        let anywhere = |rng: &mut ChaCha8Rng| match plan.first {
            First::Inside => on_image::<R>(rng) * R::from_f64(plan.inside),
            First::Random | First::Centre | First::Learned => on_image(rng),
        };
        // What chooses a location from a learned policy.
        let choice_noise = |rng: &mut ChaCha8Rng| match plan.is_discrete {
            true => [R::from_f64(uniform(rng)), R::ZERO],
            false => math::normal_pair(rng).map(R::from_f64),
        };
        for i in 0..batch {
            let sample = u64::from(samples[i / copies]) | ((i % copies) as u64) << 32;
            let stream = |purpose| Key { seed, purpose, epoch, sample }.stream();
            let mut rng = stream(Purpose::FirstLocation);
            let first = &mut self.first[2 * i..2 * i + 2];
            for l in &mut *first {
                *l = if reach == 0.0 { R::ZERO } else { on_image::<R>(&mut rng) * R::from_f64(reach) };
            }
            if plan.first == First::Learned && mode == Mode::Sample {
                first.copy_from_slice(&choice_noise(&mut rng));
            }
            let mut rng = stream(Purpose::Policy);
            for noise in self.noise.chunks_exact_mut(2 * batch) {
                let pair = match (plan.locations, mode) {
                    (Locations::Oracle, _) => [on_image(&mut rng), on_image(&mut rng)],
                    (Locations::Random, _) => [anywhere(&mut rng), anywhere(&mut rng)],
                    (Locations::Centre | Locations::Still, _) | (_, Mode::Best) => [R::ZERO; 2],
                    _ => choice_noise(&mut rng),
                };
                noise[2 * i..2 * i + 2].copy_from_slice(&pair);
            }
            let mut rng = stream(Purpose::Class);
            for class in self.class[i..].iter_mut().step_by(batch) {
                *class = if mode == Mode::Best { R::ZERO } else { R::from_f64(uniform(&mut rng)) };
            }
            if plan.zooms > 1 && (mode == Mode::Sample || plan.zoom != Zoom::Learned) {
                let mut rng = stream(Purpose::Zoom);
                for zoom in self.zoom[i..].iter_mut().step_by(batch) {
                    *zoom = match plan.zoom {
                        Zoom::Learned => R::from_f64(uniform(&mut rng)),
                        Zoom::Random | Zoom::Oracle => R::from(below(&mut rng, plan.zooms as u32) as u8),
                    };
                }
            }
            if plan.stops && mode == Mode::Sample {
                let mut rng = stream(Purpose::Stop);
                self.stop[i..].iter_mut().step_by(batch).for_each(|stop| *stop = R::from_f64(uniform(&mut rng)));
            }
        }
    }
}

impl<R: Real> Draws<R> {
    /// Aims the locations and the zooms that an oracle chooses, if one does. From uniform numbers on [−1, 1] the locations become
    /// places that lie at most 2/7 of the digit's box from its middle on each axis, 8 pixels for a box of 28. The zoom becomes the one
    /// whose finest patch is nearest to the box's longer side in the number of octaves. `boxes` tells where
    /// the digits lie at each glimpse, from 0: a box for each input, or `None` for the whole image. There are `copies` episodes of each input; `size` is the [width, height] of the images.
    ///
    /// # Panics
    /// Where there is not one box for each input.
    pub fn aim<'b>(
        &mut self,
        plan: DrawPlan,
        boxes: impl Fn(usize) -> Option<&'b [DigitBox]>,
        copies: usize,
        [width, height]: [usize; 2],
    ) {
        let whole = DigitBox { x: 0, y: 0, width: width as u32, height: height as u32 };
        // What is chosen after one glimpse is for the next.
        let digit = |choice: usize, i: usize| boxes(choice + 1).map_or(whole, |boxes| boxes[i / copies]);
        let batch = self.first.len() / 2;
        if plan.locations == Locations::Oracle {
            for (choice, noise) in self.noise.chunks_exact_mut(2 * batch).enumerate() {
                for (i, l) in noise.chunks_exact_mut(2).enumerate() {
                    let digit = digit(choice, i);
                    for (l, [start, length, edge]) in
                        l.iter_mut().zip([[digit.x, digit.width, width as u32], [digit.y, digit.height, height as u32]])
                    {
                        // c = start + length/2 + u·2/7·length;   l = 2c/W − 1
                        let [start, length, edge] = [start, length, edge].map(f64::from);
                        let middle = start + length * (0.5 + l.to_f64() * 2.0 / 7.0);
                        *l = R::from_f64(2.0 * middle / edge - 1.0);
                    }
                }
            }
        }
        if plan.zooms > 1 && plan.zoom == Zoom::Oracle {
            for (choice, zooms) in self.zoom.chunks_exact_mut(batch.max(1)).enumerate() {
                for (i, zoom) in zooms.iter_mut().enumerate() {
                    let side = u64::from(digit(choice, i).width.max(digit(choice, i).height));
                    // The smallest z with side ≤ √2·g·2ᶻ
                    let fits = |z: &usize| side * side <= 2 * ((plan.patch as u64) << z).pow(2);
                    *zoom = R::from((0..plan.zooms).find(fits).unwrap_or(plan.zooms - 1) as u8);
                }
            }
        }
    }
}

/// A coordinate, uniform on the image.
fn on_image<R: Real>(rng: &mut ChaCha8Rng) -> R {
    R::from_f64(2.0 * uniform(rng) - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(plan: DrawPlan, seed: u64) -> Draws<f64> {
        let samples: Vec<u32> = (0..400).collect();
        let mut draws = Draws::default();
        draws.draw(plan, &DrawKey { mode: Mode::Sample, seed, epoch: 2, samples: &samples, copies: 1 });
        draws
    }

    const PLAN: DrawPlan = DrawPlan {
        glimpses: 3,
        decisions: Decisions::Last,
        locations: Locations::Learned,
        first: First::Random,
        inside: 0.6,
        is_discrete: false,
        stops: false,
        zooms: 1,
        zoom: Zoom::Learned,
        patch: 8,
    };

    fn largest(numbers: &[f64]) -> f64 {
        numbers.iter().fold(0.0, |largest: f64, l| largest.max(l.abs()))
    }

    #[test]
    fn inside_keeps_the_finest_patch_on_the_image_and_changes_nothing_else() {
        let control = DrawPlan { locations: Locations::Random, ..PLAN };
        let (anywhere, within) = (drawn(control, 1), drawn(DrawPlan { first: First::Inside, ..control }, 1));
        assert!(largest(&anywhere.noise) > 0.95 && (0.57..=0.6).contains(&largest(&within.noise)));
        let (random, inside) = (drawn(PLAN, 1), drawn(DrawPlan { first: First::Inside, ..PLAN }, 1));
        assert!(largest(&random.first) > 0.95 && (0.57..=0.6).contains(&largest(&inside.first)));
        assert!(random.first.iter().zip(&inside.first).all(|(a, b)| a * 0.6 == *b));
        assert_eq!((random.noise, random.class), (inside.noise, inside.class));
        assert_eq!(largest(&drawn(DrawPlan { first: First::Centre, ..PLAN }, 1).first), 0.0);
    }

    #[test]
    fn the_oracle_looks_near_the_middle_of_each_digit() {
        let plan = DrawPlan { locations: Locations::Oracle, ..PLAN };
        let mut draws = drawn(plan, 1);
        let boxes: Vec<DigitBox> = (0..200).map(|i| DigitBox { x: i % 73, y: i % 23, width: 28, height: 28 }).collect();
        // Two episodes of each input, on images of 100×50.
        draws.aim(plan, |_| Some(&boxes), 2, [100, 50]);
        let mut farthest = [0.0_f64; 2];
        for l in draws.noise.chunks_exact(800) {
            for (i, l) in l.chunks_exact(2).enumerate() {
                let digit = boxes[i / 2];
                let [x, y] = [(l[0] + 1.0) / 2.0 * 100.0, (l[1] + 1.0) / 2.0 * 50.0];
                let away = [(x - f64::from(digit.x) - 14.0).abs(), (y - f64::from(digit.y) - 14.0).abs()];
                farthest = [farthest[0].max(away[0]), farthest[1].max(away[1])];
            }
        }
        assert!(farthest.iter().all(|away| (7.8..8.0 + 1e-9).contains(away)), "{farthest:?}");
        assert!(largest(&draws.first) > 0.95, "the first location is not aimed");
    }

    #[test]
    fn the_oracle_takes_the_zoom_that_fits_the_digit_and_the_random_one_takes_all() {
        let plan = DrawPlan { zooms: 3, zoom: Zoom::Oracle, patch: 12, ..PLAN };
        let mut draws = drawn(plan, 1);
        // √2·12 = 16.97, √2·24 = 33.9
        let sides = [1, 16, 17, 33, 34, 90];
        let boxes: Vec<DigitBox> = (0..400).map(|i| DigitBox { x: 0, y: 0, width: sides[i % 6], height: 1 }).collect();
        draws.aim(plan, |_| Some(&boxes), 1, [100, 100]);
        assert_eq!(draws.zoom.len(), 800);
        assert!(draws.zoom.iter().enumerate().all(|(i, &z)| z == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0][i % 400 % 6]));
        let random = drawn(DrawPlan { zoom: Zoom::Random, ..plan }, 1);
        for zoom in 0..3 {
            let count = random.zoom.iter().filter(|&&z| z == f64::from(zoom)).count();
            assert!((210..325).contains(&count), "{count} of 800 draws take zoom {zoom}");
        }
        assert!(drawn(PLAN, 1).zoom.is_empty() && drawn(PLAN, 1).noise == random.noise);
    }
}
