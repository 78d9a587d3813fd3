//! How the things on a moving canvas move: each with a velocity of its own, bouncing off the edges of the canvas.
//!
//! Positions are multiples of 1/256 pixel, and a thing is drawn at the pixel that is nearest. Where a thing is in a frame follows
//! from where it begins and from its velocity alone, so that any frame can be drawn without the frames before it.

use rand::rngs::ChaCha8Rng;

use crate::rng::{Key, below};

/// The block of a key's stream from which the velocities are drawn, the digit's first. What stands still is drawn from the first
/// blocks, as on a canvas that does not move, and the scale is drawn from another block.
const BLOCK: u64 = 1 << 41;

/// The parts of a pixel in which positions are counted.
const PART: i64 = 256;

/// The slowest and the fastest speed, in pixels for each frame.
const SPEEDS: [i64; 2] = [1, 4];

/// Where things are that began to move some frames ago.
pub(super) struct Motion {
    frames: i64,
    /// The stream that gives the velocities, one after the other; `None` where nothing moves or has moved yet.
    velocities: Option<ChaCha8Rng>,
}

impl Motion {
    /// Nothing moves.
    pub(super) const NONE: Motion = Motion { frames: 0, velocities: None };

    /// The motion of a canvas from its first frame to frame `frame`, from 0.
    pub(super) fn until(frame: usize, key: Key) -> Motion {
        Motion { frames: frame as i64, velocities: (frame > 0).then(|| key.stream_at(BLOCK)) }
    }

    /// Where the next thing is, as [y, x] in pixels, that began at `start` and has so much `room` along each axis.
    pub(super) fn of(&mut self, start: [usize; 2], room: [usize; 2]) -> [usize; 2] {
        let Some(velocities) = &mut self.velocities else { return start };
        let velocity = velocity(velocities);
        std::array::from_fn(|axis| bounced(start[axis], velocity[axis] * self.frames, room[axis]))
    }
}

/// A velocity in parts of a pixel for each frame. It is uniform on the ring between the slowest and the fastest speed, so all
/// directions are equally likely, and no sine is needed.
fn velocity(rng: &mut ChaCha8Rng) -> [i64; 2] {
    let [slow, fast] = SPEEDS.map(|speed| speed * PART);
    loop {
        let v = [0; 2].map(|_| i64::from(below(rng, 2 * fast as u32 + 1)) - fast);
        if (slow * slow..=fast * fast).contains(&(v[0] * v[0] + v[1] * v[1])) {
            return v;
        }
    }
}

/// The pixel of something that began at pixel `start` and has gone `way` parts of a pixel, between walls at 0 and `room` pixels.
///
/// A reflection is a step into a mirrored room. All the mirrored rooms in a row repeat after two.
fn bounced(start: usize, way: i64, room: usize) -> usize {
    let room = room as i64 * PART;
    if room == 0 {
        return 0;
    }
    let place = (start as i64 * PART + way).rem_euclid(2 * room);
    let place = place.min(2 * room - place);
    ((place + PART / 2) / PART) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::Purpose;

    const KEY: Key = Key { seed: 1, purpose: Purpose::Canvas, epoch: 0, sample: 0 };

    #[test]
    fn all_directions_are_equally_likely_and_speeds_in_their_range() {
        let rng = &mut KEY.stream();
        let mut eighths = [0_u32; 8];
        for _ in 0..80_000 {
            let [y, x] = velocity(rng);
            let speed = libm::sqrt((y * y + x * x) as f64) / PART as f64;
            assert!((1.0..=4.0).contains(&speed), "{speed}");
            eighths[usize::from(y < 0) + 2 * usize::from(x < 0) + 4 * usize::from(y.abs() < x.abs())] += 1;
        }
        // Five standard deviations are 468.
        assert!(eighths.iter().all(|count| count.abs_diff(10_000) < 468), "{eighths:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// The closed form is what a ball does that is moved step by step and turned around at the walls.
        #[test]
        fn bounces_are_those_of_a_ball(room in 1usize..100, start: prop::sample::Index, velocity in -1024i64..=1024) {
            let start = start.index(room + 1);
            let (mut place, mut velocity, wall, first) = (start as i64 * PART, velocity, room as i64 * PART, velocity);
            for frame in 0..200 {
                let pixel = bounced(start, first * frame, room);
                prop_assert!(pixel <= room);
                prop_assert_eq!(pixel as i64, (place + PART / 2).div_euclid(PART), "frame {}", frame);
                place += velocity;
                while !(0..=wall).contains(&place) {
                    place = if place < 0 { -place } else { 2 * wall - place };
                    velocity = -velocity;
                }
            }
        }

        #[test]
        fn without_room_nothing_moves(way: i32) {
            prop_assert_eq!(bounced(0, way.into(), 0), 0);
        }
    }
}
