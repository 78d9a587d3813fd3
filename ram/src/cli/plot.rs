//! Small curves for a terminal, made of braille characters of two by four dots each.

/// The number of characters in a line of a curve; three curves with their numbers fit into 80 columns.
pub const WIDTH: usize = 10;

/// The numbers of a curve so far. When there are more than a plot can show, neighbouring numbers are averaged.
#[derive(Debug)]
pub struct History {
    points: Vec<f64>,
    most: usize,
    /// How many numbers make a point.
    every: usize,
    /// The sum and the count of the numbers of the next point.
    waiting: (f64, usize),
}

impl History {
    /// A history with at most `most` points, which must be an even number.
    pub fn new(most: usize) -> History {
        History { points: Vec::new(), most, every: 1, waiting: (0.0, 0) }
    }

    /// Adds a number, if it is finite.
    pub fn push(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        self.waiting = (self.waiting.0 + x, self.waiting.1 + 1);
        if self.waiting.1 < self.every {
            return;
        }
        self.points.push(self.waiting.0 / self.waiting.1 as f64);
        self.waiting = (0.0, 0);
        if self.points.len() == self.most {
            self.points = self.points.chunks(2).map(|pair| pair.iter().sum::<f64>() / pair.len() as f64).collect();
            self.every *= 2;
        }
    }

    /// The points, from the oldest to the newest.
    pub fn points(&self) -> &[f64] {
        &self.points
    }
}

/// A curve of `width` × `height` characters. It reaches from 0, or the lowest number if that is negative, up to the highest number;
/// steep parts are joined by vertical lines.
pub fn braille(points: &[f64], width: usize, height: usize) -> Vec<String> {
    let (columns, rows) = (2 * width, 4 * height);
    let (low, high) = points.iter().fold((0f64, 0f64), |(low, high), &x| (low.min(x), high.max(x)));
    let mut dots = vec![vec![false; columns]; rows];
    let row_of = |x: f64| {
        let up = if high > low { (x - low) / (high - low) } else { 0.0 };
        rows - 1 - (up * (rows - 1) as f64).round() as usize
    };
    let mut before = None;
    for (column, &x) in points.iter().take(columns).enumerate() {
        let row = row_of(x);
        let from = before.unwrap_or(row);
        for dots in &mut dots[row.min(from)..=row.max(from)] {
            dots[column] = true;
        }
        before = Some(row);
    }
    // The bits of U+2800 by row and column.
    const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let letter = |line: usize, at: usize| {
        let bits = (0..4).flat_map(|r| (0..2).map(move |c| (r, c)));
        let set = bits.filter(|&(r, c)| dots[4 * line + r][2 * at + c]).map(|(r, c)| BITS[r][c]);
        char::from_u32(0x2800 + set.sum::<u32>()).expect("a braille pattern")
    };
    (0..height).map(|line| (0..width).map(|at| letter(line, at)).collect()).collect()
}

/// A curve: its label, its numbers, and how a number is written.
pub type Curve<'a> = (&'a str, &'a History, fn(f64) -> String);

/// Two lines with curves side by side. Beside each curve stand its label and its highest number above, and its newest number
/// below.
pub fn beside(curves: &[Curve], colour: bool) -> [String; 2] {
    // Cyan, yellow and the terminal's own colour; the labels distinguish the curves too.
    const COLOURS: [&str; 3] = ["\x1b[36m", "\x1b[33m", ""];
    let mut lines = [String::new(), String::new()];
    for (i, (label, history, write)) in curves.iter().enumerate() {
        let points = history.points();
        let Some(&newest) = points.last() else { continue };
        let highest = points.iter().fold(0f64, |a, &b| a.max(b));
        let labels = [format!("{label} {}", write(highest)), write(newest)];
        let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        for ((line, label), curve) in lines.iter_mut().zip(&labels).zip(braille(points, WIDTH, 2)) {
            let (on, off) = if colour && !COLOURS[i % 3].is_empty() { (COLOURS[i % 3], "\x1b[0m") } else { ("", "") };
            let gap = if line.is_empty() { "" } else { "  " };
            *line += &format!("{gap}{label:>width$} {on}{curve}{off}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_goes_down_from_left_to_right() {
        assert_eq!(braille(&[3.0, 2.0, 1.0, 0.0], 2, 1), ["⠙⢦"]);
        let lines = braille(&[7.0, 0.0], 1, 2);
        // The first column has its dot at the top; the second is joined to it, down to the bottom.
        assert_eq!(lines, ["⢹", "⢸"]);
        assert_eq!(braille(&[], 3, 1), ["\u{2800}\u{2800}\u{2800}"]);
        assert_eq!(braille(&[0.0], 1, 1), ["⡀"]);
    }

    #[test]
    fn a_history_keeps_its_mean_and_never_overflows() {
        let mut history = History::new(28);
        (0..1000).for_each(|i| history.push(f64::from(i)));
        history.push(f64::NAN);
        let points = history.points();
        assert!(points.len() < 28 && points.len() >= 14 && points.is_sorted(), "{points:?}");
        assert!(points[0] < 40.0 && *points.last().unwrap() > 900.0);
    }

    #[test]
    fn colours_are_there_or_not() {
        let mut history = History::new(28);
        history.push(0.5);
        let write: fn(f64) -> String = |x| format!("{x:.1}");
        let plain = beside(&[("error", &history, write), ("loss", &history, write)], false);
        assert!(plain.iter().all(|line| !line.contains('\x1b')), "{plain:?}");
        assert!(plain[0].starts_with("error 0.5 ") && plain[0].contains("loss 0.5 "), "{plain:?}");
        assert!(beside(&[("error", &history, write)], true)[0].contains("\x1b[36m"));
    }
}
