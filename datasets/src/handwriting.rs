//! How a photographed or drawn character becomes an image like those of MNIST.
//!
//! MNIST's characters were scaled to fit a box of 20×20 pixels, with their shape kept, and put on 28×28 pixels so that their centre
//! of mass is the centre of the image (LeCun et al., 1998, Sec. III-A).

use crate::picture::Picture;
use crate::preparation::{Fit, Preparation};

/// The height and width of the image, in pixels.
pub const SIDE: usize = 28;

/// The longer side of the character, in pixels.
const BOX: usize = 20;

/// Ink and ground differ at least by so many levels.
const CONTRAST: usize = 24;

/// Rows and columns at the edges are no part of the character if they have less than this share of the ink: specks. Where a
/// picture has more than a hundred of them, each has less of the ink, and the share is this number times 100 divided by theirs.
const SPECK: f64 = 0.003;

/// A character as an image of MNIST, with the sizes that it had and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Character {
    /// The image: grey, 28×28, bright on black.
    pub image: Picture,
    /// The `[height, width]` of the character in the picture, in pixels.
    pub from: [usize; 2],
    /// Its `[height, width]` in the image, in pixels.
    pub to: [usize; 2],
}

/// Finds the ink of a picture that is bright on dark, or dark on bright if `invert` is set. `None` if there is no contrast between ink
/// and ground.
pub fn like_mnist(picture: &Picture, invert: bool) -> Option<Character> {
    let Picture { height, width, .. } = *picture;
    let grey = Preparation { channels: 1, height, width, fit: Fit::Stretch, invert }.apply(picture);
    let ink = ink(&grey)?;

    let rows: Vec<f64> = ink.chunks_exact(width).map(|row| row.iter().map(|&x| f64::from(x)).sum()).collect();
    let column = |x: usize| ink.iter().skip(x).step_by(width).map(|&x| f64::from(x)).sum();
    let columns: Vec<f64> = (0..width).map(column).collect();
    let [top, bottom] = extent(&rows)?;
    let [left, right] = extent(&columns)?;
    let from = [bottom + 1 - top, right + 1 - left];
    let lines = ink.chunks_exact(width).skip(top).take(from[0]);
    let pixels = lines.flat_map(|row| &row[left..=right]).copied().collect();
    let cut = Picture { channels: 1, height: from[0], width: from[1], pixels, alpha: None };
    let longer = from[0].max(from[1]);
    let to = from.map(|side| ((side * BOX + longer / 2) / longer).max(1));
    let scaled = Preparation { channels: 1, height: to[0], width: to[1], fit: Fit::Stretch, invert: false }.apply(&cut);
    Some(Character { image: centred(&scaled, to), from, to })
}

/// The ink of bright pixels on a dark ground, from 0 to 255.
fn ink(grey: &[u8]) -> Option<Vec<u8>> {
    let mut counts = [0_usize; 256];
    grey.iter().for_each(|&level| counts[usize::from(level)] += 1);
    let [ground, bright] = two_levels(&counts)?;
    if bright - ground < CONTRAST as f64 {
        return None;
    }
    // The lower third between the two is the unevenness of paper and light.
    let low = ground + (bright - ground) / 3.0;
    let scaled = |&level: &u8| (255.0 * (f64::from(level) - low) / (bright - low)).clamp(0.0, 255.0) as u8;
    Some(grey.iter().map(scaled).collect())
}

/// The mean levels of ground and ink, divided where the variance between the two is largest: Otsu, 1979.
fn two_levels(counts: &[usize; 256]) -> Option<[f64; 2]> {
    let sum = |range: std::ops::Range<usize>| {
        range.fold([0.0; 2], |[n, total], level| [n + counts[level] as f64, total + (counts[level] * level) as f64])
    };
    let split = |at: usize| {
        let ([n, total], [m, rest]) = (sum(0..at), sum(at..256));
        (n > 0.0 && m > 0.0).then(|| [total / n, rest / m, n * m * (rest / m - total / n) * (rest / m - total / n)])
    };
    let best = (1..256).filter_map(split).max_by(|a, b| a[2].total_cmp(&b[2]))?;
    Some([best[0], best[1]])
}

/// The first and the last place with ink, without specks at the ends.
fn extent(sums: &[f64]) -> Option<[usize; 2]> {
    let least = sums.iter().sum::<f64>() * SPECK * (100.0 / sums.len() as f64).min(1.0);
    let has_ink = |sum: &f64| *sum > least;
    Some([sums.iter().position(has_ink)?, sums.iter().rposition(has_ink)?])
}

/// Puts pixels of `[height, width]` on an empty image so that their centre of mass is its centre.
fn centred(pixels: &[u8], [height, width]: [usize; 2]) -> Picture {
    let mass: f64 = pixels.iter().map(|&x| f64::from(x)).sum();
    let moment = |place: &dyn Fn(usize) -> usize| {
        let sum: f64 = pixels.iter().enumerate().map(|(i, &x)| (place(i) as f64 + 0.5) * f64::from(x)).sum();
        sum / mass.max(1.0)
    };
    let begin = |centre: f64, length: usize| {
        let begin = (SIDE as f64 / 2.0 - centre + 0.5).floor().max(0.0) as usize;
        begin.min(SIDE - length)
    };
    let (top, left) = (begin(moment(&|i| i / width), height), begin(moment(&|i| i % width), width));
    let mut image = vec![0; SIDE * SIDE];
    for (line, row) in pixels.chunks_exact(width).zip(top..) {
        image[row * SIDE + left..][..width].copy_from_slice(line);
    }
    Picture { channels: 1, height: SIDE, width: SIDE, pixels: image, alpha: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of paper, with a bar of ink in it.
    fn bar([height, width]: [usize; 2], rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Picture {
        let level = |i: usize| match rows.contains(&(i / width)) && columns.contains(&(i % width)) {
            // Paper and ink are uneven.
            true => 30 + (i % 3) as u8,
            false => 200 + (i % 20) as u8,
        };
        let pixels = (0..height * width).map(level).collect();
        Picture { channels: 1, height, width, pixels, alpha: None }
    }

    #[test]
    fn a_bar_becomes_twenty_pixels_long_in_the_middle() {
        let found = like_mnist(&bar([100, 150], 10..70, 100..115), true).unwrap();
        assert_eq!((found.from, found.to), ([60, 15], [20, 5]));
        let Picture { height, width, ref pixels, .. } = found.image;
        assert_eq!([height, width], [28, 28]);
        let lit: Vec<usize> = (0..28 * 28).filter(|&i| pixels[i] > 128).collect();
        assert_eq!(lit.len(), 100);
        assert!(lit.iter().all(|i| (4..24).contains(&(i / 28)) && (11..17).contains(&(i % 28))), "{lit:?}");
        assert!(pixels.iter().filter(|&&x| x > 0 && x < 128).count() == 0, "paper is black");
        // What is scaled so already stays as it is.
        assert_eq!(like_mnist(&found.image, false).unwrap().image, found.image);
    }

    /// Each row of a large picture has little of the ink.
    #[test]
    fn large_pictures_have_ink_too() {
        let found = like_mnist(&bar([2000, 1500], 400..1600, 600..1200), true).unwrap();
        assert_eq!((found.from, found.to), ([1200, 600], [20, 10]));
    }

    #[test]
    fn the_centre_of_mass_and_not_of_the_box_is_in_the_middle() {
        // An L: a long bar, and a short one at its foot.
        let mut picture = bar([60, 60], 10..50, 10..18);
        for row in 42..50 {
            picture.pixels[row * 60 + 10..row * 60 + 34].fill(30);
        }
        let image = like_mnist(&picture, true).unwrap().image;
        let mass: f64 = image.pixels.iter().map(|&x| f64::from(x)).sum();
        let centre = |place: &dyn Fn(usize) -> usize| {
            let levels = image.pixels.iter().enumerate();
            levels.map(|(i, &x)| (place(i) as f64 + 0.5) * f64::from(x)).sum::<f64>() / mass
        };
        let centre = [centre(&|i| i / 28), centre(&|i| i % 28)];
        assert!(centre.iter().all(|at| (at - 14.0).abs() <= 0.5), "{centre:?}");
    }

    #[test]
    fn a_speck_does_not_count_and_paper_alone_is_nothing() {
        let mut picture = bar([100, 100], 30..70, 40..60);
        picture.pixels[205] = 30;
        assert_eq!(like_mnist(&picture, true).unwrap().from, [40, 20]);
        assert_eq!(like_mnist(&bar([40, 40], 0..0, 0..0), true), None);
        assert_eq!(like_mnist(&bar([1, 1], 0..0, 0..0), false), None);
    }
}
