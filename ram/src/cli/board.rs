//! The screen of a game on the terminal, drawn over itself frame after frame, and as large as there is room for.

use std::io::{self, IsTerminal};

use console::Term;
use ram::evaluate::trace::{Glimpse, Window};

use super::terminal;

/// The columns of what stands beside the screen, with the gap.
const BESIDE: usize = 28;

/// How a screen is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Two characters a pixel.
    Full,
    /// A character for two pixels, one above the other.
    Half,
}

/// The signs of a drawing: of lit pixels, alone in the upper or the lower half of a character, and of those behind: outside of
/// the windows, then from coarse to fine.
struct Signs {
    lit: [char; 3],
    behind: [char; 4],
}

const BLOCKS: Signs = Signs { lit: ['█', '▀', '▄'], behind: [' ', '·', ':', '░'] };
const ASCII: Signs = Signs { lit: ['#', '\'', ','], behind: [' ', '.', ':', '%'] };

/// Colours of the palette of 256: of a lit pixel, and of those behind it as in [`Signs`].
const LIT: u8 = 231;
const BEHIND: [u8; 4] = [233, 236, 240, 25];

/// The screen of a game on the terminal.
pub struct Board {
    term: Term,
    scale: Scale,
    colours: bool,
    unicode: bool,
    /// Whether there is room for a text beside the screen.
    has_beside: bool,
    /// The number of lines to go up before the next frame.
    drawn: usize,
}

/// The columns and lines of the terminal that a screen of `size`×`size` pixels needs, with and without a text beside it. The
/// cursor stands on a line of its own below.
fn needed(scale: Scale, size: usize, beside: bool) -> [usize; 2] {
    let [columns, lines] = match scale {
        Scale::Full => [2 * size, size],
        Scale::Half => [size, size.div_ceil(2)],
    };
    [columns + 2 + if beside { BESIDE } else { 0 }, lines + 1]
}

/// The largest way of drawing that fits, and whether there is room beside it.
fn fitting(size: usize, [columns, lines]: [usize; 2]) -> Option<(Scale, bool)> {
    let ways = [(Scale::Full, true), (Scale::Half, true), (Scale::Full, false), (Scale::Half, false)];
    ways.into_iter().find(|&(scale, beside)| {
        let needed = needed(scale, size, beside);
        needed[0] <= columns && needed[1] <= lines
    })
}

/// Says what room a game on a screen of `size`×`size` pixels needs.
pub fn too_small(size: usize) -> String {
    let [columns, lines] = needed(Scale::Half, size, false);
    let has = terminal::size().map_or(String::new(), |[columns, lines]| format!(", and it has {columns} and {lines}"));
    format!("the terminal is too small: the game needs {columns} columns and {lines} lines{has}; make it larger")
}

impl Board {
    /// A board on the terminal for a screen of `size`×`size` pixels; `None` if there is no terminal or no room.
    pub fn new(size: usize) -> Option<Board> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let (scale, has_beside) = fitting(size, terminal::size()?)?;
        let term = Term::stdout();
        let unicode = terminal::speaks_unicode();
        let colours = term.features().colors_supported() && terminal::moves() && terminal::wants_colours();
        // Half a character has a colour of its own only with the block that fills the other half.
        let colours = colours && (unicode || scale == Scale::Full);
        Some(Board { term, scale, colours, unicode, has_beside, drawn: 0 })
    }

    /// Draws a screen of [height, width] pixels over the last one, with lines of text beside it.
    pub fn draw(&mut self, screen: &[u8], size: [usize; 2], windows: &[Window], beside: &[String]) -> io::Result<()> {
        let signs = if self.unicode { &BLOCKS } else { &ASCII };
        let lines = lines(screen, size, windows, self.scale, signs, self.colours);
        // A terminal that cannot move its cursor gets the frames one after the other.
        let rest = if terminal::moves() { "\x1b[K" } else { "" };
        let mut text = String::new();
        for (i, line) in lines.iter().enumerate() {
            let beside = beside.get(i).filter(|_| self.has_beside).map_or("", String::as_str);
            let beside = if self.unicode { beside.to_owned() } else { terminal::ascii(beside) };
            text += &format!("{}{rest}\n", format!("{line}  {beside}").trim_end_matches(' '));
        }
        if terminal::moves() {
            self.term.move_cursor_up(self.drawn)?;
        }
        self.drawn = lines.len();
        self.term.write_str(&text)
    }

    /// Whether there is room for a text beside the screen.
    pub fn has_beside(&self) -> bool {
        self.has_beside
    }

    /// Keeps the last frame; the next one is drawn below it.
    pub fn leave(&mut self) {
        self.drawn = 0;
    }
}

/// The probabilities and the expected return of the agent, to be shown beside the board.
pub fn beliefs(glimpse: &Glimpse, actions: &[String]) -> Vec<String> {
    let bar = |p: f64| "█".repeat((10.0 * p).round() as usize);
    let widest = actions.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let moves = actions.iter().zip(&glimpse.probabilities).enumerate();
    let mut lines = vec![String::new()];
    lines.extend(moves.map(|(i, (name, &p))| {
        let mark = if Some(i) == glimpse.action { '>' } else { ' ' };
        format!("{mark} {name:<widest$} {p:.2} {}", bar(p))
    }));
    lines.push(String::new());
    lines.extend(glimpse.baseline.map(|b| format!("  expected return: {b:.2}")));
    lines
}

/// A screen as lines of text. A pixel that is not lit shows the finest window of the retina that covers it.
fn lines(
    screen: &[u8],
    [height, width]: [usize; 2],
    windows: &[Window],
    scale: Scale,
    signs: &Signs,
    colours: bool,
) -> Vec<String> {
    let depth = |y: usize, x: usize| {
        let inside =
            |w: &Window| (w.x..w.x + w.side).contains(&(x as i64)) && (w.y..w.y + w.side).contains(&(y as i64));
        windows.iter().position(inside).map_or(0, |scale| 3_usize.saturating_sub(scale).max(1))
    };
    // Below the last row there is nothing.
    let is_lit = |y: usize, x: usize| y < height && screen[y * width + x] > 0;
    let colour = |y: usize, x: usize| if is_lit(y, x) { LIT } else { BEHIND[depth(y, x)] };
    let [both, upper, lower] = signs.lit;
    let cell = |row: usize, x: usize| match (scale, colours) {
        (Scale::Full, true) if is_lit(row, x) => format!("\x1b[48;5;{LIT}m  "),
        (Scale::Full, true) => format!("\x1b[48;5;{}m  ", BEHIND[depth(row, x)]),
        (Scale::Full, false) if is_lit(row, x) => String::from_iter([both; 2]),
        (Scale::Full, false) => String::from_iter([signs.behind[depth(row, x)]; 2]),
        (Scale::Half, true) => {
            format!("\x1b[38;5;{};48;5;{}m{upper}", colour(2 * row, x), colour(2 * row + 1, x))
        }
        (Scale::Half, false) => String::from(match [2 * row, 2 * row + 1].map(|y| is_lit(y, x)) {
            [true, true] => both,
            [true, false] => upper,
            [false, true] => lower,
            [false, false] => signs.behind[depth(2 * row, x).max(depth(2 * row + 1, x))],
        }),
    };
    let rows = match scale {
        Scale::Full => height,
        Scale::Half => height.div_ceil(2),
    };
    let line = |row: usize| {
        let text: String = (0..width).map(|x| cell(row, x)).collect();
        if colours { text + "\x1b[0m" } else { format!("|{text}|") }
    };
    (0..rows).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows() -> [Window; 3] {
        let window = |x, y, side| Window { x, y, side };
        [window(2, 2, 2), window(1, 1, 4), window(-1, -1, 8)]
    }

    fn screen() -> Vec<u8> {
        let mut screen = vec![0; 64];
        (screen[3], screen[8 * 7 + 5], screen[8 * 7 + 6]) = (255, 255, 255);
        screen
    }

    #[test]
    fn windows_lie_behind_what_is_lit_the_finest_in_front() {
        let lines = lines(&screen(), [8, 8], &windows(), Scale::Full, &BLOCKS, false);
        assert_eq!(
            lines,
            [
                "|······██······  |",
                "|··::::::::····  |",
                "|··::░░░░::····  |",
                "|··::░░░░::····  |",
                "|··::::::::····  |",
                "|··············  |",
                "|··············  |",
                "|          ████  |",
            ]
        );
    }

    #[test]
    fn a_small_terminal_has_two_pixels_in_a_character_and_a_plain_one_has_ascii() {
        let of = |signs| lines(&screen(), [8, 8], &windows(), Scale::Half, signs, false);
        assert_eq!(
            of(&BLOCKS),
            ["|.::▀:.. |".replace('.', "·"), "|·:░░:·· |".into(), "|·::::·· |".into(), "|·····▄▄ |".into()]
        );
        assert!(of(&ASCII).iter().all(|line| line.is_ascii()), "{:?}", of(&ASCII));
        assert_eq!(of(&ASCII)[3], "|.....,, |");
        // An odd row at the end has nothing below it.
        assert_eq!(lines(&[0, 255, 255], [3, 1], &[], Scale::Half, &ASCII, false), ["|,|", "|'|"]);
    }

    #[test]
    fn colours_say_what_characters_say() {
        let windows = [Window { x: 0, y: 0, side: 1 }];
        let of = |scale| lines(&[0, 255, 0, 0], [2, 2], &windows, scale, &BLOCKS, true);
        assert_eq!(of(Scale::Full)[0], "\x1b[48;5;25m  \x1b[48;5;231m  \x1b[0m");
        assert_eq!(of(Scale::Full)[1], "\x1b[48;5;233m  \x1b[48;5;233m  \x1b[0m");
        assert_eq!(of(Scale::Half), ["\x1b[38;5;25;48;5;233m▀\x1b[38;5;231;48;5;233m▀\x1b[0m"]);
    }

    #[test]
    fn a_board_is_as_large_as_there_is_room_for() {
        assert_eq!(fitting(24, [80, 25]), Some((Scale::Full, true)));
        assert_eq!(fitting(24, [80, 24]), Some((Scale::Half, true)), "the usual terminal");
        assert_eq!(fitting(24, [50, 25]), Some((Scale::Full, false)));
        assert_eq!(fitting(24, [26, 13]), Some((Scale::Half, false)));
        assert_eq!([fitting(24, [25, 25]), fitting(24, [80, 12])], [None, None]);
    }

    #[test]
    fn the_likely_move_is_marked_and_fits_beside_the_board() {
        let glimpse = Glimpse {
            probabilities: vec![0.04, 0.0, 0.96],
            baseline: Some(0.871),
            action: Some(2),
            ..Glimpse::default()
        };
        let lines = beliefs(&glimpse, &["left", "stay", "right"].map(str::to_owned));
        assert_eq!(lines[1], "  left  0.04 ");
        assert_eq!(lines[3], "> right 0.96 ██████████");
        assert_eq!(lines[5], "  expected return: 0.87");
        assert!(lines.iter().all(|line| line.chars().count() + 2 <= BESIDE));
    }
}
