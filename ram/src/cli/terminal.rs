//! What a terminal can show: its size, its letters and its colours.

use std::env;
use std::io::IsTerminal;

use console::Term;

/// The width of help where standard output is no terminal, and the width up to which help is easy to read.
const HELP: [usize; 2] = [80, 100];

/// The columns and lines of the terminal that standard output goes to; `None` where it goes elsewhere.
pub fn size() -> Option<[usize; 2]> {
    let terminal = Term::stdout();
    let known = terminal.size_checked().filter(|&(lines, columns)| lines > 0 && columns > 0);
    let size = known.map_or([80, 24], |(lines, columns)| [columns, lines].map(usize::from));
    terminal.is_term().then_some(size)
}

/// The columns that lines have to fit: the terminal's, or those that COLUMNS names where standard output is no terminal. `None`
/// where neither is known; then each row of a table stays one line, for the programs that read it.
pub fn width() -> Option<usize> {
    let named = || env::var("COLUMNS").ok()?.parse().ok().filter(|&columns| columns > 0);
    size().map(|[columns, _]| columns).or_else(named)
}

/// The columns of help.
pub fn help_width() -> usize {
    width().map_or(HELP[0], |columns| columns.min(HELP[1]))
}

/// Whether the locale has letters beyond ASCII.
pub fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env::var(name).ok().filter(|x| !x.is_empty()));
    cfg!(windows) || locale.is_some_and(|locale| locale.to_lowercase().replace('-', "").contains("utf8"))
}

/// Whether the terminal can move its cursor.
pub fn moves() -> bool {
    env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether colours are wanted: <https://no-color.org>.
pub fn wants_colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text as a stream shows it: in ASCII on a terminal whose locale has no other letters. Files and pipes get UTF-8 always.
pub fn shown(text: String, stream: &impl IsTerminal) -> String {
    if text.is_ascii() || !stream.is_terminal() || speaks_unicode() { text } else { ascii(&text) }
}

/// The text in ASCII: signs become those that look or read alike, and other letters become `\u00e4`, as JSON writes them.
pub fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        let (mark, base) = raised_or_lowered(c);
        // One mark for all letters of an index: `b_t-1`.
        if mark.is_some() && mark != before {
            plain.extend(mark);
        }
        before = mark;
        match base {
            base if base.is_ascii() => plain.push(base),
            '–' | '—' | '−' => plain.push('-'),
            '·' | '•' | '★' | '●' => plain.push('*'),
            '×' => plain.push('x'),
            '…' => plain += "...",
            '±' => plain += "+-",
            '½' => plain += "1/2",
            '→' => plain += "->",
            '←' => plain += "<-",
            '≤' => plain += "<=",
            '≥' => plain += ">=",
            '≈' | '∼' => plain.push('~'),
            '√' => plain += "sqrt",
            '‖' => plain += "||",
            '∂' => plain.push('d'),
            '∇' => plain += "grad ",
            'Σ' => plain += "sum",
            'α' => plain += "alpha",
            'γ' => plain += "gamma",
            'ε' => plain += "epsilon",
            'η' => plain += "eta",
            'θ' => plain += "theta",
            'μ' => plain += "mu",
            'π' => plain += "pi",
            'ρ' => plain += "rho",
            'σ' => plain += "sigma",
            '‘' | '’' => plain.push('\''),
            '“' | '”' => plain.push('"'),
            '█' | '▀' | '▄' => plain.push('#'),
            '░' => plain.push('%'),
            other => plain.extend(other.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    plain
}

/// `^` or `_` and the letter, where a letter is raised or lowered.
fn raised_or_lowered(c: char) -> (Option<char>, char) {
    const RAISED: &str = "⁰0¹1²2³3⁴4⁵5⁶6⁷7⁸8⁹9⁻-⁺+ⁱiⁿnˢsᵗtᵀTʲj";
    const LOWERED: &str = "₀0₁1₂2₃3₄4₅5₆6₇7₈8₉9₋-₊+ₜtᵢiⱼjₛsₗlₐa";
    let base = |table: &str| table.chars().skip_while(|&of| of != c).nth(1);
    if c.is_ascii() {
        return (None, c);
    }
    match (base(RAISED), base(LOWERED)) {
        (Some(base), _) => (Some('^'), base),
        (_, Some(base)) => (Some('_'), base),
        _ => (None, c),
    }
}

/// The text with its lines broken between words so that they fit `width` columns; `None` leaves them. What follows is indented by
/// `hanging` columns. A number stays with its sign of per cent, and a word that is wider has a line of its own.
pub fn wrapped(text: &str, width: Option<usize>, hanging: usize) -> String {
    let Some(width) = width else { return text.to_owned() };
    let lines = text.split('\n').flat_map(|line| {
        let mut broken: Vec<String> = Vec::new();
        for word in words(line) {
            let last = broken.last_mut();
            match last {
                Some(last) if last.chars().count() + word.trim_end().chars().count() <= width => *last += word,
                Some(_) => broken.push(" ".repeat(hanging) + word.trim_start()),
                None => broken.push(word.to_owned()),
            }
        }
        if broken.is_empty() { vec![String::new()] } else { broken }
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The words of a line, each with the spaces before it.
fn words(line: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let (mut in_word, mut gap) = (false, 0);
    for (at, c) in line.char_indices() {
        match (c == ' ', in_word) {
            (true, true) => (in_word, gap) = (false, at),
            (false, false) => {
                // The indent of the line belongs to its first word.
                if line[..at].contains(|c: char| c != ' ') && !line[at..].starts_with('%') {
                    starts.push(gap);
                }
                in_word = true;
            }
            _ => {}
        }
    }
    starts.push(line.len());
    starts.windows(2).map(|ends| &line[ends[0]..ends[1]]).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_has_no_other_letter() {
        assert_eq!(ascii("RAM, 8×8, 2 scales … ±0.1 %"), "RAM, 8x8, 2 scales ... +-0.1 %");
        assert_eq!(ascii("Rₜ − bₜ₋₁ and 10⁻⁴, x² ≤ ½"), "R_t - b_t-1 and 10^-4, x^2 <= 1/2");
        assert_eq!(ascii("✓ Käse █░"), r"\u2713 K\u00e4se #%");
        assert_eq!(ascii("plain ^_ text\n"), "plain ^_ text\n");
    }

    #[test]
    fn lines_are_broken_between_words_and_never_within_a_number() {
        let text = "label  1.25 % and 2.50 % of them";
        assert_eq!(wrapped(text, None, 2), text);
        assert_eq!(wrapped(text, Some(80), 2), text);
        assert_eq!(
            wrapped(text, Some(12), 7),
            "label\n       1.25 %\n       and\n       2.50 %\n       of\n       them"
        );
        assert_eq!(wrapped(text, Some(14), 2), "label  1.25 %\n  and 2.50 %\n  of them");
        assert_eq!(
            wrapped("  indented incomprehensibilities\n\nend", Some(10), 4),
            "  indented\n    incomprehensibilities\n\nend"
        );
    }
}
