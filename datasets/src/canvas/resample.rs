//! An image at another size, pixel by pixel, in integers: the same bits on every machine, and no memory is needed.
//!
//! A smaller image averages areas: each new pixel is the mean of the old pixels that it covers, weighted by how much of them it
//! covers. A larger image is bicubic: each new pixel is a weighted sum of 4×4 old pixels, with Keys's cubic (a = −½, also called
//! Catmull-Rom). Pixels outside the image are those at its edge. Both keep an image of one level as it is.

/// The positions between two old pixels at which weights of the cubic are tabled.
const PHASES: usize = 256;

/// The sum of the weights of each phase.
const UNIT: i64 = 2 * (PHASES as i64).pow(3);

/// For each phase, the weights of the four old pixels around it.
///
/// With t = phase / PHASES, they are (−t³ + 2t² − t)/2, (3t³ − 5t² + 2)/2, (−3t³ + 4t² + t)/2 and (t³ − t²)/2. Times `UNIT` they
/// are whole numbers.
static CUBIC: [[i64; 4]; PHASES] = {
    let mut table = [[0; 4]; PHASES];
    let mut phase = 0;
    while phase < PHASES {
        // `one` is 1 and `t` is t, both times PHASES.
        let (t, one) = (phase as i64, PHASES as i64);
        let (t1, t2, t3) = (t * one * one, t * t * one, t * t * t);
        table[phase] = [-t3 + 2 * t2 - t1, 3 * t3 - 5 * t2 + UNIT, -3 * t3 + 4 * t2 + t1, t3 - t2];
        phase += 1;
    }
    table
};

/// One channel of an image, `[height, width]`, that shall have another size.
#[derive(Clone, Copy)]
pub(super) struct Resampled<'a> {
    plane: &'a [u8],
    from: [usize; 2],
    to: [usize; 2],
}

impl<'a> Resampled<'a> {
    /// `plane` has the `[height, width]` of `from` and is shown with that of `to`. No side is 0.
    pub(super) fn new(plane: &'a [u8], from: [usize; 2], to: [usize; 2]) -> Self {
        debug_assert_eq!(plane.len(), from[0] * from[1]);
        Resampled { plane, from, to }
    }

    /// Hands the pixels `y`, `x..` of the resampled image to `with`, as many as there are in `out`.
    pub(super) fn each(&self, y: usize, x: usize, out: &mut [u8], with: impl Fn(&mut u8, u8)) {
        let [rows, columns] = [0, 1].map(|axis| Axis { from: self.from[axis], to: self.to[axis] });
        // One factor scales both sides, so that no side grows while the other one shrinks.
        if rows.shrinks() || columns.shrinks() {
            out.iter_mut().zip(x..).for_each(|(pixel, x)| with(pixel, self.area(rows, columns, y, x)));
        } else {
            let rows = rows.cubic(y);
            out.iter_mut().zip(x..).for_each(|(pixel, x)| with(pixel, self.cubic(&rows, &columns.cubic(x))));
        }
    }

    /// The mean of the area that a new pixel covers.
    fn area(&self, rows: Axis, columns: Axis, y: usize, x: usize) -> u8 {
        let mut sum = 0;
        for (j, v) in rows.covered(y) {
            let line = &self.plane[j * self.from[1]..][..self.from[1]];
            sum += v * columns.covered(x).map(|(i, w)| w * line[i] as u64).sum::<u64>();
        }
        let total = (rows.from * columns.from) as u64;
        ((sum + total / 2) / total) as u8
    }

    /// The weighted sum of 4×4 old pixels.
    fn cubic(&self, rows: &Cubic, columns: &Cubic) -> u8 {
        let mut sum = 0;
        for (j, v) in rows.at.iter().zip(rows.weights) {
            let line = &self.plane[j * self.from[1]..][..self.from[1]];
            let across: i64 = columns.at.iter().zip(columns.weights).map(|(&i, w)| w * i64::from(line[i])).sum();
            sum += v * across;
        }
        const TOTAL: i64 = UNIT * UNIT;
        // The cubic overshoots at edges.
        (sum + TOTAL / 2).div_euclid(TOTAL).clamp(0, 255) as u8
    }
}

/// The old and the new number of pixels along an axis.
#[derive(Clone, Copy)]
struct Axis {
    from: usize,
    to: usize,
}

/// The old pixels along an axis that a new one is made of, with weights that sum to `UNIT`.
struct Cubic {
    at: [usize; 4],
    weights: [i64; 4],
}

impl Axis {
    fn shrinks(self) -> bool {
        self.to < self.from
    }

    /// The old pixels that the new pixel `place` covers, each with the length that is covered. An old pixel is `to` long and a
    /// new one is `from` long, so that all lengths are whole.
    fn covered(self, place: usize) -> impl Iterator<Item = (usize, u64)> {
        let Axis { from, to } = self;
        let (begin, end) = (place * from, (place + 1) * from);
        (begin / to..end.div_ceil(to)).map(move |i| (i, (end.min((i + 1) * to) - begin.max(i * to)) as u64))
    }

    /// The four old pixels around the new pixel `place`.
    fn cubic(self, place: usize) -> Cubic {
        let Axis { from, to } = self;
        // The centre of the new pixel, in old pixels from the centre of the first one: (place + ½)·from/to − ½. It is a multiple
        // of 1/(2·to), and is rounded down to a multiple of 1/PHASES.
        let twice = (2 * place as i64 + 1) * from as i64 - to as i64;
        let centre = (twice * PHASES as i64).div_euclid(2 * to as i64);
        let (before, phase) = (centre.div_euclid(PHASES as i64), centre.rem_euclid(PHASES as i64));
        let at = std::array::from_fn(|i| (before + i as i64 - 1).clamp(0, from as i64 - 1) as usize);
        Cubic { at, weights: CUBIC[phase as usize] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resampled(plane: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
        let mut out = vec![0; to[0] * to[1]];
        for (y, line) in out.chunks_exact_mut(to[1]).enumerate() {
            Resampled::new(plane, from, to).each(y, 0, line, |pixel, level| *pixel = level);
        }
        out
    }

    fn mean(plane: &[u8]) -> f64 {
        plane.iter().map(|&level| f64::from(level)).sum::<f64>() / plane.len() as f64
    }

    /// A soft blob on black, as ink is: the cubic neither overshoots nor cuts it.
    fn blob(from: [usize; 2]) -> Vec<u8> {
        let bump = |i: usize, n: usize| {
            let z = (2 * i + 1) as f64 / n as f64 - 1.0; // −1 and 1 are the edges
            (1.0 - z * z).max(0.0)
        };
        let level = |i| 255.0 * bump(i / from[1], from[0]) * bump(i % from[1], from[1]);
        (0..from[0] * from[1]).map(|i| level(i) as u8).collect()
    }

    #[test]
    fn weights_of_every_phase_sum_to_one() {
        assert!(CUBIC.iter().all(|weights| weights.iter().sum::<i64>() == UNIT));
        assert_eq!(CUBIC[0], [0, UNIT, 0, 0]);
        // (−1, 9, 9, −1)/16
        assert_eq!(CUBIC[PHASES / 2], [-1, 9, 9, -1].map(|n| n * UNIT / 16));
    }

    #[test]
    fn small_cases_can_be_done_by_hand() {
        // 3 → 2: the middle pixel is shared.
        assert_eq!(resampled(&[30, 60, 90], [1, 3], [1, 2]), [40, 80]);
        assert_eq!(resampled(&[0, 100, 200, 100], [2, 2], [1, 1]), [100]);
        // 2 → 4: the new centres lie at −¼, ¼, ¾ and 5/4.
        let t = 0.25_f64;
        let weights = [-t * t * t + 2.0 * t * t - t, 3.0 * t * t * t - 5.0 * t * t + 2.0].map(|w| w / 2.0);
        let low = (200.0 * (1.0 - weights[0] - weights[1])).round() as u8;
        assert_eq!(resampled(&[0, 200], [1, 2], [1, 4])[1..3], [low, 200 - low]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn one_level_stays_one_level(level: u8, h in 1usize..40, w in 1usize..40, factor in 0.125f64..8.0) {
            let to = [h, w].map(|side| ((side as f64 * factor).round() as usize).max(1));
            prop_assert!(resampled(&vec![level; h * w], [h, w], to).iter().all(|&pixel| pixel == level));
        }

        #[test]
        fn the_same_size_is_the_same_image(pixels in prop::collection::vec(any::<u8>(), 30)) {
            prop_assert_eq!(resampled(&pixels, [5, 6], [5, 6]), pixels);
        }

        /// The ink of a pixel is preserved on average, and no level is outside the levels that there are, but for overshoot.
        #[test]
        fn the_mean_level_is_kept(h in 12usize..40, w in 12usize..40, factor in 0.5f64..4.0) {
            let to = [h, w].map(|side| ((side as f64 * factor).round() as usize).max(1));
            let plane = blob([h, w]);
            let (before, after) = (mean(&plane), mean(&resampled(&plane, [h, w], to)));
            prop_assert!((before - after).abs() < 1.5, "{before} became {after}");
        }

        /// Averaged areas keep the sum of all levels exactly, but for rounding.
        #[test]
        fn shrinking_keeps_the_mean(pixels in prop::collection::vec(any::<u8>(), 24 * 24), side in 1usize..24) {
            let small = resampled(&pixels, [24, 24], [side, side]);
            prop_assert!((mean(&pixels) - mean(&small)).abs() <= 0.5);
        }

        /// What is turned before is turned after: the two axes are alike.
        #[test]
        fn rows_are_as_columns(pixels in prop::collection::vec(any::<u8>(), 70), factor in 0.3f64..3.0) {
            let to = [7, 10].map(|side: usize| ((side as f64 * factor).round() as usize).max(1));
            let turned = |plane: &[u8], [h, w]: [usize; 2]| -> Vec<u8> {
                (0..h * w).map(|i| plane[i % h * w + i / h]).collect()
            };
            let one = turned(&resampled(&pixels, [7, 10], to), to);
            let other = resampled(&turned(&pixels, [7, 10]), [10, 7], [to[1], to[0]]);
            prop_assert_eq!(one, other);
        }
    }
}
