//! "Catch", Sec. 4.2: a ball falls and bounces off the sides, and a paddle at the bottom has to catch it.
//!
//! The paper gives the 24×24 binary screen, the ball of one pixel, the paddle of two pixels, the three actions and the reward.
//! The other rules follow public versions of the game: the ball starts in the top row at a uniform column and falls one row
//! per frame; its horizontal velocity is uniform on [−1, 1] pixel per frame, and its speed stays the same during the game; the
//! paddle starts at a uniform place, moves one pixel per frame and stops at the sides.

use datasets::DigitBox;
use datasets::rng::below;
use rand::rngs::ChaCha8Rng;

use super::environment::{Environment, Game};
use crate::error::RamError;

/// The entry of Catch in the list of games. An epoch has a million frames, 23 in each game.
pub const GAME: Game = Game {
    name: "catch",
    title: "Catch",
    size: 24,
    counts: [43_520, 10_000, 10_000],
    open: |size| Ok(Box::new(Catch::new(size)?)),
};

/// Catch with a ball that cannot be seen in the last third of the frames, the last 8 of 24 rows: a player has to remember how it fell.
pub const HIDDEN: Game = Game {
    name: "catch-hidden",
    title: "Catch with a hidden ball",
    open: |size| Ok(Box::new(Catch { hidden: size / 3, ..Catch::new(size)? })),
    ..GAME
};

/// Units in a pixel: the ball's horizontal place and velocity are integers, so that no bounce is rounded. The number is odd, so
/// that no place lies halfway between two columns. There are 2·`PIXEL` + 1 velocities, the most that 32 bits can draw.
const PIXEL: i64 = (1 << 31) - 1;

/// The longest side of the screen, in pixels. The limit prevents that a mistyped number takes all memory.
const MAX_SIZE: usize = 4096;

/// The moves of the paddle; `as usize` gives the index that [`Environment::step`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The paddle moves one pixel to the left.
    Left = 0,
    /// The paddle does not move.
    Stay = 1,
    /// The paddle moves one pixel to the right.
    Right = 2,
}

impl Action {
    /// All actions, by index.
    pub const ALL: [Action; 3] = [Action::Left, Action::Stay, Action::Right];
}

/// A game of Catch. A new value is a game that is over; [`reset`](Environment::reset) begins a game.
///
/// ```
/// use datasets::rng::{Key, Purpose};
/// use ram::environments::Environment;
/// use ram::environments::catch::Catch;
///
/// let mut game = Catch::default();
/// game.reset(&mut Key { seed: 1, purpose: Purpose::Game, epoch: 0, sample: 0 }.stream());
/// let mut reward = 0.0;
/// while !game.done() {
///     reward += game.step(game.best_action() as usize);
/// }
/// assert_eq!(reward, 1.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    size: usize,
    /// The ball's place in the top row, in units, on [0, `size` − 1] pixels. The centre of a column lies at the column's index.
    start: i64,
    /// The velocity before any bounce, in units per frame, on [−`PIXEL`, `PIXEL`].
    velocity: i64,
    /// The ball's row, which is also the number of moves so far.
    row: usize,
    /// The column of the paddle's left pixel.
    paddle: usize,
    /// The number of frames at the end in which the ball is not drawn.
    hidden: usize,
}

impl Default for Catch {
    /// The paper's screen, 24×24.
    fn default() -> Catch {
        Catch::of_size(24)
    }
}

impl Catch {
    /// A game on a screen of `size`×`size` pixels.
    ///
    /// # Errors
    /// [`RamError::Config`] if `size` is below 2, which leaves no room for the paddle, or above 4096.
    pub fn new(size: usize) -> Result<Catch, RamError> {
        if (2..=MAX_SIZE).contains(&size) {
            Ok(Catch::of_size(size))
        } else {
            Err(RamError::Config(format!(
                "Catch on a screen of {size}×{size} pixels: expected 2×2 to {MAX_SIZE}×{MAX_SIZE}; the paper has 24×24"
            )))
        }
    }

    fn of_size(size: usize) -> Catch {
        Catch { size, start: 0, velocity: 0, row: size - 1, paddle: 0, hidden: 0 }
    }

    /// The ball's `[column, row]`.
    pub fn ball(&self) -> [usize; 2] {
        [self.column(self.row), self.row]
    }

    /// The column of the paddle's left pixel; its other pixel is in the next column.
    pub fn paddle(&self) -> usize {
        self.paddle
    }

    /// The best action of a player who knows where the ball will land. This player catches every ball, because the longest way
    /// is `size` − 2 pixels and there are `size` − 1 moves.
    pub fn best_action(&self) -> Action {
        let landing = self.column(self.size - 1);
        if landing < self.paddle {
            Action::Left
        } else if landing > self.paddle + 1 {
            Action::Right
        } else {
            Action::Stay
        }
    }

    /// The place of the ball at `row`, in units.
    ///
    /// The path of a ball between two walls is the path of a free ball, folded to a triangle wave. Its period is twice the width.
    fn place(&self, row: usize) -> i64 {
        let period = 2 * (self.size as i64 - 1) * PIXEL;
        let unfolded = (self.start + self.velocity * row as i64).rem_euclid(period);
        unfolded.min(period - unfolded)
    }

    /// The column in which the ball is drawn at `row`: the nearest one. There is never a tie, so left and right are symmetric. A
    /// column at a wall covers half a pixel of places.
    fn column(&self, row: usize) -> usize {
        ((self.place(row) + PIXEL / 2) / PIXEL) as usize
    }
}

impl Environment for Catch {
    fn size(&self) -> [usize; 2] {
        [self.size, self.size]
    }

    fn actions(&self) -> &[&str] {
        &["left", "stay", "right"]
    }

    /// `size` − 1, because the ball falls from the top row to the bottom row; 23 in the paper.
    fn frames(&self) -> usize {
        self.size - 1
    }

    fn reset(&mut self, rng: &mut ChaCha8Rng) {
        let columns = self.size as u32;
        self.start = i64::from(below(rng, columns)) * PIXEL;
        self.velocity = i64::from(below(rng, 2 * PIXEL as u32 + 1)) - PIXEL;
        self.paddle = below(rng, columns - 1) as usize;
        self.row = 0;
    }

    /// # Panics
    /// If `pixels` is not `[size, size]`.
    #[track_caller]
    fn screen(&self, pixels: &mut [u8]) {
        assert_eq!(pixels.len(), self.size * self.size, "Catch::screen: length of the screen");
        pixels.fill(0);
        let bottom = (self.size - 1) * self.size;
        let [column, row] = self.ball();
        for at in [bottom + self.paddle, bottom + self.paddle + 1] {
            pixels[at] = 255;
        }
        // How the game ended can be seen.
        if self.done() || row + self.hidden < self.frames() {
            pixels[row * self.size + column] = 255;
        }
    }

    /// The paddle moves, then the ball falls by one row. The reward of the last move is 1 if the ball lands on the paddle; all
    /// other rewards are 0.
    ///
    /// # Panics
    /// If `action` is not below 3.
    #[track_caller]
    fn step(&mut self, action: usize) -> f64 {
        assert!(action < Action::ALL.len(), "Catch::step: action {action}, but there are {}", Action::ALL.len());
        if self.done() {
            return 0.0;
        }
        self.paddle = match Action::ALL[action] {
            Action::Left => self.paddle.saturating_sub(1),
            Action::Stay => self.paddle,
            Action::Right => (self.paddle + 1).min(self.size - 2),
        };
        self.row += 1;
        let [column, _] = self.ball();
        f64::from(self.done() && (self.paddle..self.paddle + 2).contains(&column))
    }

    fn done(&self) -> bool {
        self.row == self.size - 1
    }

    fn outcomes(&self) -> [&str; 2] {
        ["caught", "missed"]
    }

    /// The ball.
    fn target(&self) -> Option<DigitBox> {
        let [x, y] = self.ball();
        Some(DigitBox { x: x as u32, y: y as u32, width: 1, height: 1 })
    }

    fn oracle(&self) -> Option<usize> {
        Some(self.best_action() as usize)
    }
}

#[cfg(test)]
mod tests {
    use datasets::rng::{Key, Purpose};
    use proptest::prelude::*;

    use super::*;

    const GAMES: u64 = 10_000;

    fn key(purpose: Purpose, sample: u64) -> Key {
        Key { seed: 42, purpose, epoch: 0, sample }
    }

    fn game(sample: u64) -> Catch {
        let mut game = Catch::default();
        game.reset(&mut key(Purpose::Game, sample).stream());
        game
    }

    fn columns(start: i64, velocity: i64) -> [usize; 24] {
        let game = Catch { start: start * PIXEL, velocity, ..Catch::default() };
        std::array::from_fn(|row| game.column(row))
    }

    /// The share of games that a player catches. It also checks that every game has 23 moves and no reward before the last.
    fn caught(mut player: impl FnMut(u64, &Catch) -> usize) -> f64 {
        let mut caught = 0.0;
        for sample in 0..GAMES {
            let mut game = game(sample);
            let rewards: Vec<f64> = std::iter::from_fn(|| {
                let action = (!game.done()).then(|| player(sample, &game))?;
                Some(game.step(action))
            })
            .collect();
            assert_eq!((rewards.len(), game.frames()), (23, 23));
            assert!(rewards[..22].iter().all(|&reward| reward == 0.0));
            caught += rewards[22];
        }
        caught / GAMES as f64
    }

    #[test]
    fn a_hidden_ball_is_not_drawn_in_the_last_frames_but_at_the_end() {
        let mut game = (HIDDEN.open)(24).unwrap();
        game.reset(&mut key(Purpose::Game, 3).stream());
        let mut pixels = vec![0; 24 * 24];
        let mut seen = Vec::new();
        while !game.done() {
            game.screen(&mut pixels);
            seen.push(pixels.iter().filter(|&&level| level > 0).count());
            game.step(1);
        }
        // 23 frames: the ball and the paddle of two pixels, then the paddle alone.
        assert_eq!(seen, [[3; 15].as_slice(), &[2; 8]].concat());
        game.screen(&mut pixels);
        assert!((2..=3).contains(&pixels.iter().filter(|&&level| level > 0).count()));
        let [x, y] = game.target().map(|ball| [ball.x as usize, ball.y as usize]).unwrap();
        assert!(y == 23 && pixels[y * 24 + x] == 255);
    }

    #[test]
    fn bounces_worked_by_hand() {
        let up: [usize; 24] = std::array::from_fn(|row| row);
        let down = up.map(|column| 23 - column);
        for (start, velocity, expected) in [(0, PIXEL, up), (0, -PIXEL, up), (23, PIXEL, down), (23, -PIXEL, down)] {
            assert_eq!(columns(start, velocity), expected, "from {start} at {velocity}");
        }
        assert_eq!(columns(7, 0), [7; 24]);
        let hits = [2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];
        assert_eq!(columns(2, -PIXEL), hits);
        assert_eq!(columns(21, PIXEL), hits.map(|column| 23 - column));
        // The velocity is just below and just above half a pixel per frame: 0.5⁻, 1⁻, 1.5⁻, …
        assert_eq!(columns(0, PIXEL / 2)[..6], [0, 0, 1, 1, 2, 2]);
        assert_eq!(columns(0, PIXEL / 2 + 1)[..6], [0, 1, 1, 2, 2, 3]);
        // On a screen of two columns the ball bounces at every move: 0, 1, 0, 1.
        let narrow = Catch { velocity: PIXEL, ..Catch::new(2).unwrap() };
        assert_eq!([0, 1, 2, 3].map(|row| narrow.column(row)), [0, 1, 0, 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The folded path equals that of a ball that turns back at each wall; it is drawn less than half a pixel away.
        #[test]
        fn the_ball_bounces_step_by_step(size in 2_usize..40, start: u16, velocity in -PIXEL..=PIXEL) {
            let width = (size as i64 - 1) * PIXEL;
            let (mut x, mut speed) = (i64::from(start) % size as i64 * PIXEL, velocity);
            let game = Catch { start: x, velocity, ..Catch::new(size).unwrap() };
            let mirrored = Catch { start: width - x, velocity: -velocity, ..game.clone() };
            for row in 0..4 * size {
                let column = game.column(row);
                prop_assert_eq!(game.place(row), x);
                prop_assert!(2 * (x - column as i64 * PIXEL).abs() < PIXEL);
                prop_assert!(column.abs_diff(game.column(row + 1)) <= 1);
                prop_assert_eq!(mirrored.column(row), size - 1 - column);
                x += speed;
                if x < 0 {
                    (x, speed) = (-x, -speed);
                } else if x > width {
                    (x, speed) = (2 * width - x, -speed);
                }
            }
        }
    }

    #[test]
    fn every_start_is_equally_likely() {
        let (mut balls, mut paddles, mut velocities) = ([0_u32; 24], [0_u32; 23], [0_u32; 8]);
        for game in (0..GAMES).map(game) {
            assert_eq!(game.ball(), [(game.start / PIXEL) as usize, 0]);
            balls[game.ball()[0]] += 1;
            paddles[game.paddle()] += 1;
            velocities[(8 * (game.velocity + PIXEL) / (2 * PIXEL + 1)) as usize] += 1; // eighths of [−1, 1]
        }
        for counts in [&balls[..], &paddles, &velocities] {
            let mean = GAMES as f64 / counts.len() as f64;
            // Five standard deviations of a binomial count, or somewhat more.
            assert!(counts.iter().all(|&count| (f64::from(count) - mean).abs() < 5.0 * mean.sqrt()), "{counts:?}");
        }
    }

    #[test]
    fn the_paddle_moves_a_pixel_and_stops_at_the_sides() {
        for paddle in 0..23_usize {
            let expected = [paddle.max(1) - 1, paddle, (paddle + 1).min(22)];
            for (action, expected) in Action::ALL.into_iter().zip(expected) {
                let mut game = Catch { paddle, row: 3, ..Catch::default() };
                game.step(action as usize);
                assert_eq!((game.paddle(), game.ball()), (expected, [0, 4]), "{action:?} from {paddle}");
            }
        }
    }

    #[test]
    fn the_reward_is_for_either_pixel_of_the_paddle_after_its_last_move() {
        for landing in 0..24_usize {
            for (paddle, action) in (0..23_usize).flat_map(|paddle| (0..3).map(move |action| (paddle, action))) {
                let before = Catch { start: landing as i64 * PIXEL, row: 22, paddle, ..Catch::default() };
                let mut game = before.clone();
                let reward = game.step(action);
                let moved = (paddle + action).clamp(1, 23) - 1;
                assert_eq!(reward, f64::from(landing == moved || landing == moved + 1), "{before:?}, {action}");
                assert!(game.done() && !before.done());
                let over = game.clone();
                assert_eq!((game.step(0), game), (0.0, over), "a move after the end");
            }
        }
    }

    #[test]
    fn the_screen_shows_ball_and_paddle() {
        let mut pixels = [7; 24 * 24];
        for mut game in (0..100).map(game) {
            loop {
                game.screen(&mut pixels);
                let lit: Vec<usize> = (0..24 * 24).filter(|&at| pixels[at] == 255).collect();
                assert!(pixels.iter().all(|&pixel| pixel == 0 || pixel == 255));
                let [column, row] = game.ball();
                let mut expected = vec![24 * row + column, 24 * 23 + game.paddle(), 24 * 23 + game.paddle() + 1];
                expected.sort_unstable();
                expected.dedup();
                assert_eq!(lit, expected);
                if game.done() {
                    assert_eq!(lit.len(), 2, "the ball lies on the paddle");
                    break;
                }
                assert_eq!(lit.len(), 3);
                game.step(game.best_action() as usize);
            }
        }
    }

    #[test]
    fn the_oracle_catches_every_ball() {
        assert_eq!(caught(|_, game| game.best_action() as usize), 1.0);
    }

    /// The share is 45/529. During a game the unfolded ball spreads over exactly one period, so it lands uniformly on 23 pixels of
    /// places: in each column with probability 1/23, in those at the walls with half of that. A random paddle stays uniform over
    /// its 23 places, so it catches with probability (2 − 1/23)/23.
    #[test]
    fn a_random_player_catches_one_in_twelve() {
        let share =
            caught(|sample, game| below(&mut key(Purpose::Policy, sample).stream_at(game.row as u64), 3) as usize);
        assert!((share - 45.0 / 529.0).abs() < 0.014, "{share}"); // five standard errors
    }

    /// The ball moves after the paddle, so a paddle that only follows the ball is too late for its last move.
    #[test]
    fn a_player_who_only_follows_the_ball_catches_half() {
        let share = caught(|_, game| match game.ball()[0] {
            column if column < game.paddle => 0,
            column if column > game.paddle + 1 => 2,
            _ => 1,
        });
        assert!((0.49..0.55).contains(&share), "{share}");
    }

    #[test]
    fn a_key_gives_one_game() {
        let mut again = game(1);
        assert_ne!(again, game(0));
        again.step(0);
        again.reset(&mut key(Purpose::Game, 0).stream());
        assert_eq!(again, game(0));
        // If these numbers change, every recorded run changes.
        let first = [0, 1, 2].map(game).map(|game| (game.start / PIXEL, game.velocity, game.paddle, game.column(23)));
        assert_eq!(first, [(2, 968257106, 12, 12), (21, -1877129930, 4, 1), (0, -1006637397, 16, 11)]);
    }

    #[test]
    fn the_size_has_bounds() {
        assert_eq!(Catch::new(24).unwrap(), Catch::default());
        assert!(Catch::new(2).is_ok() && Catch::new(4096).is_ok());
        for size in [0, 1, 4097] {
            let error = Catch::new(size).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&format!("{size}×{size}")), "{error}");
        }
    }
}
