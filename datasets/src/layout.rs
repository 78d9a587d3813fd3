//! How the pixels of an image lie in memory: row after row, or in tiles.
//!
//! In a large image a row of pixels fills a page of memory, so a window of 96×96 pixels touches 96 pages. Most of them are
//! unknown to the processor's table of recent pages, and to look one up takes longer than to read its pixels. A tile has
//! 64×16 pixels, and four tiles side by side are a page of 64×64, of which the same window touches 9 at most, however large the
//! image is. It reads few cache lines too: a line holds 16×4 pixels, where a line of a row holds 64×1.

use std::borrow::Cow;
use std::ops::Range;

/// The height and width of a tile, in pixels.
pub const TILE: [usize; 2] = [1 << TILE_BITS[0], 1 << TILE_BITS[1]];

const TILE_BITS: [u32; 2] = [6, 4];

/// Images with a longer side than this are stored in tiles. Smaller ones stay in a cache, where rows are about as fast.
pub const MAX_ROWS_SIDE: usize = 256;

/// The size of an image, and how its pixels lie in memory.
///
/// An image of several channels is one plane after the other. A plane is one tile after the other, rows of tiles from the top
/// to the bottom, and a tile is one row of pixels after the other. Tiles that reach over the right or the lower edge are filled
/// up with black. An image in rows is a single tile of its own size.
///
/// ```
/// use datasets::Layout;
///
/// let (small, large) = (Layout::of([1, 100, 100]), Layout::of([1, 300, 300]));
/// assert_eq!([small.len(), large.len()], [100 * 100, 320 * 304]);
/// // Row 70 lies in the second row of tiles, 19 of which lie in each.
/// assert_eq!([small.index(0, 70, 3), large.index(0, 70, 3)], [70 * 100 + 3, 19 * 1024 + 6 * 16 + 3]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The number of channels: 1 for grey, 3 for colour.
    pub channels: usize,
    /// The height of the image, in pixels.
    pub height: usize,
    /// The width of the image, in pixels.
    pub width: usize,
    /// The bits of a pixel's row and column within its tile.
    bits: [u32; 2],
    /// The distance between rows of a tile, in bytes.
    stride: usize,
    /// The length of a tile, in bytes.
    tile: usize,
    /// The number of rows of tiles, and of tiles in a row.
    tiles: [usize; 2],
}

impl Layout {
    /// The layout in which this crate stores images `[channels, height, width]`: tiles if a side is longer than
    /// [`MAX_ROWS_SIDE`].
    pub fn of(size: [usize; 3]) -> Layout {
        if size[1].max(size[2]) > MAX_ROWS_SIDE { Layout::tiled(size) } else { Layout::rows(size) }
    }

    /// An image `[channels, height, width]`, row after row.
    pub fn rows([channels, height, width]: [usize; 3]) -> Layout {
        // With all bits below the highest one, each pixel lies in tile 0.
        let bits = [usize::BITS - 1; 2];
        Layout { channels, height, width, bits, stride: width, tile: height * width, tiles: [1, 1] }
    }

    /// An image `[channels, height, width]` in tiles.
    pub fn tiled([channels, height, width]: [usize; 3]) -> Layout {
        let tiles = [height.div_ceil(TILE[0]), width.div_ceil(TILE[1])];
        Layout { channels, height, width, bits: TILE_BITS, stride: TILE[1], tile: TILE[0] * TILE[1], tiles }
    }

    /// Whether the image is stored in tiles.
    pub fn is_tiled(self) -> bool {
        self.bits == TILE_BITS
    }

    /// `[channels, height, width]`
    pub fn size(self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// The number of bytes of an image, with what fills up the tiles.
    pub fn len(self) -> usize {
        self.channels * self.tiles[0] * self.tiles[1] * self.tile
    }

    /// Whether the image has no pixels.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The distance between the rows of a tile, in bytes.
    #[inline(always)]
    pub fn stride(self) -> usize {
        self.stride
    }

    /// Where a pixel lies in the image's bytes.
    #[inline(always)]
    pub fn index(self, channel: usize, y: usize, x: usize) -> usize {
        let [rows, columns] = self.bits;
        let tile = (channel * self.tiles[0] + (y >> rows)) * self.tiles[1] + (x >> columns);
        tile * self.tile + (y & ((1 << rows) - 1)) * self.stride + (x & ((1 << columns) - 1))
    }

    /// The distance in bytes from a pixel to the one `columns` to its right; in tiles this must be a multiple of their width.
    #[inline(always)]
    pub fn across(self, columns: usize) -> usize {
        self.index(0, 0, columns)
    }

    /// The first row after `y` that lies in another tile; none does if the image is in rows.
    #[inline(always)]
    pub fn next_tile_below(self, y: usize) -> usize {
        ((y >> self.bits[0]) + 1) << self.bits[0]
    }

    /// The first column after `x` that lies in another tile.
    #[inline(always)]
    fn next_tile_right(self, x: usize) -> usize {
        ((x >> self.bits[1]) + 1) << self.bits[1]
    }

    /// Where the pixels `columns` of row `y` lie: a range of the image's bytes for each tile, from left to right.
    #[inline(always)]
    pub fn runs(self, channel: usize, y: usize, columns: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut x = columns.start;
        std::iter::from_fn(move || {
            (x < columns.end).then(|| {
                let (begin, next) = (self.index(channel, y, x), self.next_tile_right(x).min(columns.end));
                let run = begin..begin + (next - x);
                x = next;
                run
            })
        })
    }

    /// The rows of an image of this layout, from top to bottom, channel after channel: `[channels, height, width]`. Only
    /// pixels that are not yet in this order are copied.
    ///
    /// # Panics
    /// If the image does not have the length of this layout.
    pub fn to_rows(self, image: &[u8]) -> Cow<'_, [u8]> {
        assert_eq!(image.len(), self.len(), "Layout::to_rows: the length of the image");
        if !self.is_tiled() {
            return Cow::Borrowed(image);
        }
        let mut rows = Vec::with_capacity(self.channels * self.height * self.width);
        for (channel, y) in (0..self.channels).flat_map(|channel| (0..self.height).map(move |y| (channel, y))) {
            self.runs(channel, y, 0..self.width).for_each(|run| rows.extend_from_slice(&image[run]));
        }
        Cow::Owned(rows)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        /// Every pixel has a place of its own; its row's runs lead to it, and so does `to_rows`.
        #[test]
        fn pixels_have_their_places(channels in 1usize..4, height in 1usize..150, width in 1usize..150) {
            for layout in [Layout::rows([channels, height, width]), Layout::tiled([channels, height, width])] {
                let mut image = vec![0; layout.len()];
                let mut expected = Vec::new();
                for (c, y) in (0..channels).flat_map(|c| (0..height).map(move |y| (c, y))) {
                    let runs: Vec<usize> = layout.runs(c, y, 0..width).flatten().collect();
                    for x in 0..width {
                        let index = layout.index(c, y, x);
                        prop_assert_eq!((index, image[index]), (runs[x], 0));
                        image[index] = 1 + (expected.len() % 255) as u8;
                        expected.push(image[index]);
                    }
                    prop_assert_eq!(runs.len(), width);
                    let part = width / 3..width - width / 4;
                    let runs: Vec<usize> = layout.runs(c, y, part.clone()).flatten().collect();
                    prop_assert_eq!(runs, part.map(|x| layout.index(c, y, x)).collect::<Vec<_>>());
                }
                prop_assert_eq!(image.iter().filter(|&&level| level > 0).count(), expected.len());
                prop_assert_eq!(layout.to_rows(&image), expected);
            }
        }
    }

    #[test]
    fn large_images_are_tiled() {
        let tiled = |size| Layout::of(size).is_tiled();
        assert!(!tiled([3, MAX_ROWS_SIDE, MAX_ROWS_SIDE]) && tiled([1, 1, MAX_ROWS_SIDE + 1]));
        assert!(Layout::of([0, 10, 10]).is_empty() && Layout::tiled([1, 0, 10]).is_empty());
    }
}
