//! Images in memory, as bytes from 0 (black) to 255 (white), and their labels.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::DataError;
use crate::layout::Layout;

/// Images of equal size and [`Layout`] in one buffer, one after the other. Each may be a clip of several frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    pixels: Vec<u8>,
    count: usize,
    /// The number of frames of each image: 1 for pictures.
    frames: usize,
    layout: Layout,
}

impl Images {
    /// Makes images from their pixels, `[count, channels, height, width]`, which stay in rows. The count follows from the length.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if a size is 0, or if the pixels are not a whole number of images.
    pub fn new(pixels: Vec<u8>, channels: usize, height: usize, width: usize) -> Result<Self, DataError> {
        Images::clips(pixels, 1, channels, height, width)
    }

    /// Makes clips from their pixels, `[count, frames, channels, height, width]`, which stay in rows. The count follows from the
    /// length.
    ///
    /// # Errors
    /// As [`Images::new`].
    pub fn clips(
        pixels: Vec<u8>,
        frames: usize,
        channels: usize,
        height: usize,
        width: usize,
    ) -> Result<Self, DataError> {
        let size = [frames, channels, height, width].iter().try_fold(1_usize, |size, n| size.checked_mul(*n));
        let size = size.unwrap_or(0);
        if size == 0 || !pixels.len().is_multiple_of(size) {
            let clip = if frames == 1 { String::new() } else { format!("{frames}×") };
            return Err(DataError::Mismatch {
                what: "the pixels are not a whole number of images",
                found: format!("{} bytes", pixels.len()),
                expected: format!("a multiple of {clip}{channels}×{height}×{width} bytes, where no size is 0"),
            });
        }
        let layout = Layout::rows([channels, height, width]);
        Ok(Images { count: pixels.len() / size, frames, pixels, layout })
    }

    /// Makes images from parts that are known to fit together.
    pub(crate) fn from_parts(pixels: Vec<u8>, count: usize, layout: Layout) -> Self {
        debug_assert_eq!(pixels.len(), count * layout.len());
        Images { pixels, count, frames: 1, layout }
    }

    /// The number of images, or of clips.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number of frames of each image: 1 for pictures, more for clips.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The number of channels: 1 for grey, 3 for colour.
    pub fn channels(&self) -> usize {
        self.layout.channels
    }

    /// The height of an image, in pixels.
    pub fn height(&self) -> usize {
        self.layout.height
    }

    /// The width of an image, in pixels.
    pub fn width(&self) -> usize {
        self.layout.width
    }

    /// How the pixels of each image lie in memory.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All pixels, image after image and frame after frame, each in its layout: `[count, frames, channels, height, width]` if that
    /// is rows.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// One image in its layout: `[channels, height, width]` if that is rows. Of a clip, this is the first frame.
    ///
    /// # Panics
    /// If there is no image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        self.frame(index, 0)
    }

    /// Frame `frame` of clip `index`, in its layout.
    ///
    /// # Panics
    /// If there is no such clip or frame.
    pub fn frame(&self, index: usize, frame: usize) -> &[u8] {
        assert!(frame < self.frames, "Images::frame: there is no frame {frame} of {}", self.frames);
        let size = self.layout.len();
        &self.pixels[(index * self.frames + frame) * size..][..size]
    }

    /// The rows of one image, `[channels, height, width]`; they are copied if it is stored in tiles. Of a clip, these are the
    /// rows of the first frame.
    ///
    /// # Panics
    /// If there is no image `index`.
    pub fn rows(&self, index: usize) -> Cow<'_, [u8]> {
        self.layout.to_rows(self.image(index))
    }

    /// A copy of the first `count` images.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn first(&self, count: usize) -> Images {
        Images { pixels: self.slice(0..count).to_vec(), count, frames: self.frames, layout: self.layout }
    }

    /// The pixels of consecutive images, each in its layout, without copying them.
    ///
    /// # Panics
    /// If the range ends after the last image.
    pub fn slice(&self, range: Range<usize>) -> &[u8] {
        let size = self.frames * self.layout.len();
        &self.pixels[range.start * size..range.end * size]
    }
}

/// Images and their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// The images.
    pub images: Images,
    /// The class of each image, `[count]`, below `classes`.
    pub labels: Vec<u8>,
    /// The number of classes.
    pub classes: usize,
}

/// Consecutive images of a [`Labelled`] set and their classes, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// The pixels, image after image, each in its layout.
    pub pixels: &'a [u8],
    /// The classes, `[len]`.
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
    /// Puts images and their classes together.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if there is not one label for each image, or if a label is not below `classes`.
    pub fn new(images: Images, labels: Vec<u8>, classes: usize) -> Result<Self, DataError> {
        if labels.len() != images.len() {
            return Err(DataError::Mismatch {
                what: "the number of labels differs from the number of images",
                found: format!("{} labels", labels.len()),
                expected: format!("{}, one for each image", images.len()),
            });
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(DataError::Mismatch {
                what: "a label is out of range",
                found: format!("label {label}"),
                expected: format!("labels below {classes}, the number of classes"),
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

    /// These images, and after them those of another set.
    ///
    /// # Errors
    /// [`DataError::Mismatch`] if the images of the two sets differ in shape or in their number of classes, or if there is not
    /// enough memory for all of them.
    pub fn followed_by(mut self, other: &Labelled) -> Result<Labelled, DataError> {
        let shape = |set: &Labelled| (set.images.frames, set.images.layout, set.classes);
        if shape(&self) != shape(other) {
            return Err(DataError::Mismatch {
                what: "two sets cannot become one",
                found: format!("frames, layout and classes {:?}", shape(other)),
                expected: format!("{:?}", shape(&self)),
            });
        }
        if self.images.pixels.try_reserve_exact(other.images.pixels.len()).is_err() {
            return Err(no_memory(other.len(), other.images.frames * other.images.layout.len()));
        }
        self.images.pixels.extend_from_slice(&other.images.pixels);
        self.images.count += other.len();
        self.labels.extend_from_slice(&other.labels);
        Ok(self)
    }

    /// Consecutive images and their classes, without copying them.
    ///
    /// # Panics
    /// If the range ends after the last image.
    pub fn slice(&self, range: Range<usize>) -> View<'_> {
        View { pixels: self.images.slice(range.clone()), labels: &self.labels[range] }
    }
}

/// A buffer of zeros for `count` images of `size` bytes. If there is not enough memory, this is an error and not an abort.
pub(crate) fn zeros(count: usize, size: usize) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let reserved = count.checked_mul(size).is_some_and(|total| bytes.try_reserve_exact(total).is_ok());
    if !reserved {
        return Err(no_memory(count, size));
    }
    bytes.resize(count * size, 0);
    Ok(bytes)
}

/// There is not enough memory for `count` images of `size` bytes.
fn no_memory(count: usize, size: usize) -> DataError {
    DataError::Mismatch {
        what: "there is not enough memory for the images",
        found: format!("{count} images of {size} bytes"),
        expected: "fewer or smaller images".to_owned(),
    }
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
    fn sets_follow_each_other() {
        let both = numbered(2).followed_by(&numbered(4)).unwrap();
        assert_eq!((both.len(), both.images.len()), (6, 6));
        assert_eq!(both.labels, [0, 1, 0, 1, 2, 0]);
        assert_eq!([both.images.image(1), both.images.image(3)], [numbered(2).images.image(1); 2]);
        let wider = Labelled::new(Images::new(vec![0; 24], 1, 4, 6).unwrap(), vec![0], 3).unwrap();
        let more = Labelled { classes: 4, ..numbered(1) };
        for other in [wider, more] {
            let error = numbered(2).followed_by(&other).unwrap_err().to_string();
            assert!(error.contains("two sets cannot become one"), "{error}");
        }
    }

    #[test]
    fn slices_are_parts_of_the_set() {
        let set = numbered(5);
        assert_eq!(set.slice(1..3).pixels, &set.images.pixels()[24..72]);
        assert_eq!(set.slice(1..3).labels, [1, 2]);
        assert_eq!(set.images.image(4), &set.images.pixels()[96..]);
    }

    #[test]
    fn clips_have_a_dimension_more() {
        let pixels: Vec<u8> = (0..5 * 3 * 8).collect();
        let clips = Images::clips(pixels.clone(), 3, 2, 1, 4).unwrap();
        assert_eq!((clips.len(), clips.frames(), clips.layout().size()), (5, 3, [2, 1, 4]));
        assert_eq!((clips.frame(2, 1), clips.image(2)), (&pixels[56..64], &pixels[48..56]));
        assert_eq!((clips.slice(1..3), clips.first(2).pixels()), (&pixels[24..72], &pixels[..48]));
        let error = Images::clips(pixels, 7, 2, 1, 4).unwrap_err().to_string();
        assert!(error.contains("a multiple of 7×2×1×4 bytes"), "{error}");
    }
}
