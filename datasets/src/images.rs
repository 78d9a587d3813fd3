//! Images in memory: bytes from 0 (black) to 255 (white), and their labels.

use std::ops::Range;

use crate::DataError;

/// Equally sized images in one buffer of layout `[count, channels, height, width]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    count: usize,
    channels: usize,
    height: usize,
    width: usize,
}

impl Images {
    /// Images from their pixels, `[count, channels, height, width]`; the count follows from the length.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if a size is 0 or the pixels are no whole number of images.
    pub fn new(pixels: Vec<u8>, channels: usize, height: usize, width: usize) -> Result<Self, DataError> {
        let size = channels.checked_mul(height).and_then(|n| n.checked_mul(width)).unwrap_or(0);
        if size == 0 || !pixels.len().is_multiple_of(size) {
            return Err(DataError::Mismatch {
                what: "pixels that do not make whole images",
                found: format!("{} bytes", pixels.len()),
                expected: format!("a multiple of {channels}×{height}×{width}, none of them 0"),
            });
        }
        Ok(Images { count: pixels.len() / size, pixels, channels, height, width })
    }

    /// Images of sizes that are known to fit.
    pub(crate) fn from_parts(pixels: Vec<u8>, count: usize, channels: usize, height: usize, width: usize) -> Self {
        debug_assert_eq!(pixels.len(), count * channels * height * width);
        Images { pixels, count, channels, height, width }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Channels of an image: 1 for grey, 3 for colour.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Rows of an image, in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of an image, in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of one image: channels · height · width.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// All pixels, `[count, channels, height, width]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One image, `[channels, height, width]`.
    ///
    /// # Panics
    /// If there is no image `index`, as slices do.
    pub fn image(&self, index: usize) -> &[u8] {
        self.slice(index..index + 1)
    }

    /// The pixels of some consecutive images, `[range.len(), channels, height, width]`, without a copy.
    ///
    /// # Panics
    /// If the range leaves the images, as slices do.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        let size = self.image_len();
        &self.pixels[range.start * size..range.end * size]
    }

    /// All images side by side in rows of `columns`, with one white pixel between them: one image
    /// `[1, channels, rows·(height+1)−1, columns·(width+1)−1]`, to be looked at.
    pub fn contact_sheet(&self, columns: usize) -> Images {
        let columns = columns.clamp(1, self.count.max(1));
        let rows = self.count.div_ceil(columns).max(1);
        let (height, width) = (rows * (self.height + 1) - 1, columns * (self.width + 1) - 1);
        let mut pixels = vec![0; self.channels * height * width];
        for (channel, plane) in pixels.chunks_exact_mut(height * width).enumerate() {
            for (y, line) in plane.chunks_exact_mut(width).enumerate() {
                for (x, pixel) in line.iter_mut().enumerate() {
                    let (row, y) = (y / (self.height + 1), y % (self.height + 1));
                    let (column, x) = (x / (self.width + 1), x % (self.width + 1));
                    let index = row * columns + column;
                    if y == self.height || x == self.width {
                        *pixel = 255;
                    } else if index < self.count {
                        *pixel = self.image(index)[(channel * self.height + y) * self.width + x];
                    }
                }
            }
        }
        Images { pixels, count: 1, channels: self.channels, height, width }
    }
}

/// Images and the class of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The images.
    pub images: Images,
    /// The class of each image, `[count]`, below `classes`.
    pub labels: Vec<u8>,
    /// The number of classes.
    pub classes: usize,
}

/// Some consecutive images of a [`Labelled`] set and their classes, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Pixels, `[len, channels, height, width]`.
    pub pixels: &'a [u8],
    /// Classes, `[len]`.
    pub labels: &'a [u8],
}

impl View<'_> {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

impl Labelled {
    /// Images with their classes.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there is not one label below `classes` for every image.
    pub fn new(images: Images, labels: Vec<u8>, classes: usize) -> Result<Self, DataError> {
        if labels.len() != images.len() {
            return Err(DataError::Mismatch {
                what: "images and labels of different number",
                found: format!("{} labels", labels.len()),
                expected: format!("{}, one for each image", images.len()),
            });
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(DataError::Mismatch {
                what: "a label out of range",
                found: format!("label {label}"),
                expected: format!("a class below {classes}"),
            });
        }
        Ok(Labelled { images, labels, classes })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Some consecutive images and their classes, without a copy: evaluation walks a fixed set with it.
    ///
    /// # Panics
    /// If the range leaves the set, as slices do.
    pub fn slice(&self, range: Range<usize>) -> View<'_> {
        View { pixels: self.images.slice(range.clone()), labels: &self.labels[range] }
    }

    /// The whole set in slices of `size` images, in order, the last one shorter.
    ///
    /// # Panics
    /// If `size` is 0, as [`slice::chunks`] does.
    pub fn chunks(&self, size: usize) -> impl ExactSizeIterator<Item = View<'_>> {
        let pixels = self.images.pixels.chunks(size * self.images.image_len());
        pixels.zip(self.labels.chunks(size)).map(|(pixels, labels)| View { pixels, labels })
    }
}

/// What training and tuning may see. The test split is not here on purpose: see [`Source::test`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// What the weights are fitted to.
    pub train: Labelled,
    /// What hyperparameters and the moment to stop are chosen by.
    pub validation: Labelled,
}

/// Where labelled images come from.
///
/// Training and tuning call [`train_validation`](Source::train_validation) alone and so cannot see the test split, not
/// even by accident; only the final evaluation calls [`test`](Source::test).
pub trait Source {
    /// The training and the validation split.
    ///
    /// # Errors
    /// If the data are missing or not what they should be.
    fn train_validation(&self) -> Result<Splits, DataError>;

    /// The test split.
    ///
    /// # Errors
    /// If the data are missing or not what they should be.
    fn test(&self) -> Result<Labelled, DataError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: usize) -> Labelled {
        let images = Images::new((0..count * 2 * 3 * 4).map(|i| i as u8).collect(), 2, 3, 4).unwrap();
        Labelled::new(images, (0..count).map(|i| i as u8 % 3).collect(), 3).unwrap()
    }

    #[test]
    fn sizes_must_fit() {
        assert!(Images::new(vec![0; 13], 1, 3, 4).is_err());
        assert!(Images::new(vec![0; 12], 1, 0, 4).is_err());
        assert!(Images::new(vec![0; 12], 2, usize::MAX, usize::MAX).is_err());
        let images = numbered(3).images;
        assert!(Labelled::new(images.clone(), vec![0, 1], 3).is_err());
        let error = Labelled::new(images, vec![0, 1, 7], 3).unwrap_err().to_string();
        assert!(error.contains("label 7") && error.contains("below 3"), "{error}");
    }

    #[test]
    fn slices_and_chunks_are_the_set() {
        let set = numbered(5);
        assert_eq!(set.slice(1..3).pixels, &set.images.pixels()[24..72]);
        assert_eq!(set.slice(1..3).labels, [1, 2]);
        assert_eq!(set.images.image(4), &set.images.pixels()[96..]);
        let chunks: Vec<View<'_>> = set.chunks(2).collect();
        assert_eq!(chunks.iter().map(View::len).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(chunks.iter().flat_map(|view| view.pixels).copied().collect::<Vec<_>>(), set.images.pixels());
    }

    #[test]
    fn a_contact_sheet_holds_every_image() {
        let images = Images::new((1..=5).collect(), 1, 1, 1).unwrap();
        let sheet = images.contact_sheet(3);
        assert_eq!((sheet.height(), sheet.width()), (3, 5));
        #[rustfmt::skip]
        assert_eq!(sheet.pixels(), [1, 255, 2, 255, 3,  255, 255, 255, 255, 255,  4, 255, 5, 255, 0]);
    }
}
