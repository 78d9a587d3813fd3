//! What a game is: the trait that its rules implement, and how a configuration names it.

use datasets::DigitBox;
use rand::rngs::ChaCha8Rng;

use crate::error::RamError;

/// A game that is seen as frames on a grey screen and played with one of a few actions in each frame.
///
/// A world of your own needs no more than this; [`Play`](crate::tasks::play::Play) trains an agent in it. Here a light is on
/// at one of two sides, and pressing the button of that side is rewarded:
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
///     fn actions(&self) -> &[&str] {
///         &["left", "right"]
///     }
///     fn frames(&self) -> usize {
///         self.sides.len()
///     }
///     fn reset(&mut self, rng: &mut rand::rngs::ChaCha8Rng) {
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
pub trait Environment: Send + Sync {
    /// The screen's `[height, width]`, in pixels.
    fn size(&self) -> [usize; 2];

    /// The names of the actions; an action is an index into them.
    fn actions(&self) -> &[&str];

    /// The decisions of an episode: after [`reset`](Self::reset), so many steps end it. This number is the same for every
    /// episode, so that the games of a batch go in step.
    fn frames(&self) -> usize;

    /// Begins a new episode, which these random numbers alone decide: what went before leaves no trace.
    fn reset(&mut self, rng: &mut ChaCha8Rng);

    /// Draws the screen, `[height, width]` by rows, from 0 (black) to 255 (white).
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

    /// The largest sum of rewards that an episode can have, above 0. Errors are told by it: an error of 25 % means that a
    /// quarter of the best return was missed.
    fn best_return(&self) -> f64 {
        1.0
    }

    /// What is said of an episode that was won and of one that was lost, such as "caught" and "missed".
    fn outcomes(&self) -> [&str; 2] {
        ["won", "lost"]
    }

    /// Where on the screen the thing lies that a good player looks at, in every frame or in none. Reports tell how often the
    /// agent looks there.
    fn target(&self) -> Option<DigitBox> {
        None
    }

    /// The best action of a player who knows everything, if the rules know it: tables show what it would reach.
    fn oracle(&self) -> Option<usize> {
        None
    }
}

/// A game that a configuration can name.
pub struct Game {
    /// The name in configurations, such as `catch`.
    pub name: &'static str,
    /// The name in titles.
    pub title: &'static str,
    /// Edge of the screen, in pixels, on which people play it.
    pub size: usize,
    /// Games in a training epoch, and games for validation and test, where a configuration says 0.
    pub counts: [usize; 3],
    /// A game on a screen of so many by so many pixels.
    pub open: fn(usize) -> Result<Box<dyn Environment>, RamError>,
}

impl PartialEq for Game {
    fn eq(&self, other: &Game) -> bool {
        self.name == other.name
    }
}

impl Eq for Game {}

impl std::fmt::Debug for Game {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
