//! What an agent looks at.

use autograd::Real;

use super::retina::Images;

/// The inputs that an agent looks at: images, which stay the same, or games, which its actions change.
pub trait World<'t, R: Real> {
    /// The number of inputs in the batch.
    fn batch(&self) -> usize;

    /// The images [batch, channels, height, width] at this glimpse. The agent looks at `locations` [batch, 2], which are
    /// clamped to [−1, 1]; or where it has several zooms, at `[batch, 3]` with the zoom as the third number.
    fn images(&mut self, locations: &[R]) -> Images<'_, 't, R>;

    /// The classes of the inputs, where they are known. Only an informed baseline asks for them.
    fn labels(&self) -> Option<&[u32]> {
        None
    }

    /// Applies an action to each input; the actions `[batch]` are whole numbers. Only an agent with [`Decisions::Each`](super::Decisions::Each) acts.
    fn act(&mut self, actions: &[R]);
}

/// Images stay the same in all glimpses.
impl<'t, R: Real> World<'t, R> for Images<'_, 't, R> {
    fn batch(&self) -> usize {
        self.shape().axes()[0]
    }
    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        *self
    }
    fn act(&mut self, _: &[R]) {}
}

/// Clips whose classes are known: a new frame at each glimpse, and after the last frame that one. Images are clips of one frame.
pub struct Film<'a, F> {
    frame: F,
    frames: usize,
    labels: &'a [u32],
    /// The number of frames that were shown.
    shown: usize,
}

impl<'a, F> Film<'a, F> {
    /// The world whose frame t, from 0, are the images `frame(t)`.
    pub fn new(frame: F, frames: usize, labels: &'a [u32]) -> Self {
        Film { frame, frames, labels, shown: 0 }
    }
}

impl<'a, 't: 'a, R: Real, F: Fn(usize) -> Images<'a, 't, R>> World<'t, R> for Film<'a, F> {
    fn batch(&self) -> usize {
        self.labels.len()
    }
    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        let frame = self.shown.min(self.frames - 1);
        self.shown += 1;
        (self.frame)(frame)
    }
    fn labels(&self) -> Option<&[u32]> {
        Some(self.labels)
    }
    fn act(&mut self, _: &[R]) {}
}

/// Images whose classes are known.
#[derive(Clone, Copy)]
pub struct Labelled<'a, 't, R: Real> {
    /// The images.
    pub images: Images<'a, 't, R>,
    /// The class of each.
    pub labels: &'a [u32],
}

impl<'t, R: Real> World<'t, R> for Labelled<'_, 't, R> {
    fn batch(&self) -> usize {
        self.images.batch()
    }
    fn images(&mut self, _: &[R]) -> Images<'_, 't, R> {
        self.images
    }
    fn labels(&self) -> Option<&[u32]> {
        Some(self.labels)
    }
    fn act(&mut self, _: &[R]) {}
}
