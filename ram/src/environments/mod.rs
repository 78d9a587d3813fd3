//! Games for an agent that also acts: Sec. 4.2, "Dynamic Environments". Rules only; who plays is not known here.

use rand::Rng;

pub mod catch;

pub use catch::Catch;

/// A game seen as frames of a binary screen and played by one of a few actions a frame.
///
/// A world of your own needs no more than this. Here a light is on at one of two sides, and pressing the button of that
/// side is rewarded:
///
/// ```
/// use datasets::rng::{Key, Purpose, below};
/// use ram::environments::Environment;
///
/// #[derive(Clone)]
/// struct Light {
///     sides: [usize; 5],
///     moves: usize,
/// }
///
/// impl Environment for Light {
///     fn size(&self) -> [usize; 2] {
///         [1, 2]
///     }
///     fn actions(&self) -> usize {
///         2
///     }
///     fn frames(&self) -> usize {
///         self.sides.len()
///     }
///     fn reset(&mut self, rng: &mut impl rand::Rng) {
///         *self = Light { sides: [(); 5].map(|()| below(rng, 2) as usize), moves: 0 };
///     }
///     fn screen(&self, pixels: &mut [u8]) {
///         pixels.fill(0);
///         if let Some(&side) = self.sides.get(self.moves) {
///             pixels[side] = 255;
///         }
///     }
///     fn step(&mut self, action: usize) -> f64 {
///         let reward = f64::from(self.sides.get(self.moves) == Some(&action));
///         self.moves += usize::from(!self.done());
///         reward
///     }
///     fn done(&self) -> bool {
///         self.moves == self.frames()
///     }
/// }
///
/// let mut light = Light { sides: [0; 5], moves: 0 };
/// light.reset(&mut Key { seed: 1, purpose: Purpose::Game, epoch: 0, sample: 0 }.stream());
/// let (mut pixels, mut total) = ([0; 2], 0.0);
/// while !light.done() {
///     light.screen(&mut pixels);
///     total += light.step(usize::from(pixels[1] == 255));
/// }
/// assert_eq!(total, 5.0);
/// ```
pub trait Environment: Clone + Send {
    /// The screen's `[height, width]`, in pixels.
    fn size(&self) -> [usize; 2];

    /// The number of actions: an action is an index below it.
    fn actions(&self) -> usize;

    /// The decisions of an episode: from [`reset`](Self::reset) on, so many steps end it. The same for every episode, so
    /// that the games of a batch go in step.
    fn frames(&self) -> usize;

    /// Begins a new episode, which these random numbers alone decide: what went before leaves no trace.
    fn reset(&mut self, rng: &mut impl Rng);

    /// Draws the screen, `[height, width]` by rows, 0 or 255.
    ///
    /// # Panics
    /// May panic where `pixels` has another length.
    fn screen(&self, pixels: &mut [u8]);

    /// Makes a move and returns its reward. After the end nothing changes and the reward is 0.
    ///
    /// # Panics
    /// May panic where there is no such action.
    fn step(&mut self, action: usize) -> f64;

    /// Whether the episode is over.
    fn done(&self) -> bool;
}
