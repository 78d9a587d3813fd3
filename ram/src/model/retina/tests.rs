//! Tests of what the retina asks for before it reads it.

use std::collections::BTreeSet;

use super::*;

/// The cache lines that are found are those of the pixels that are read: of images at their place among others, in rows and in tiles,
/// and with patches that reach over their edges.
#[test]
fn the_lines_that_are_prefetched_are_those_that_are_read() {
    fn check<P>(layout: Layout) {
        let (line, begin) = (64 / size_of::<P>(), 3 * layout.len());
        for (scales, zoom) in [(1, 0), (3, 0), (2, 1)] {
            let retina = Retina::new(6, scales, Sampling::Bilinear).zoomed(zoom);
            for l in [[0.013, -0.027], [-0.93, 0.97], [0.99, -0.98], [-0.31, 1.9]] {
                let mut lines = Lines::default();
                retina.find_lines::<P>(layout, l, begin, &mut lines);
                let mut read = BTreeSet::new();
                retina.taps(layout, l, |_, pixel, _, _, _| {
                    read.insert(begin + pixel / line * line);
                });
                let found: BTreeSet<usize> = lines.iter().copied().collect();
                assert_eq!(found, read, "{scales} scales, zoom {zoom}, at {l:?} of {layout:?}");
            }
        }
    }
    for size in [[1, 300, 270], [2, 70, 201]] {
        check::<u8>(Layout::tiled(size));
        check::<u8>(Layout::rows(size));
        check::<f64>(Layout::rows(size));
    }
}
