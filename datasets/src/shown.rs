//! How names from a disk are shown: without the characters that would move the cursor or colour the terminal.

use std::borrow::Cow;
use std::path::Path;

/// A name as messages show it: `\u{1b}` stands for an escape character, and so on for every control character and for those
/// that turn the direction of writing. Other names stay as they are.
pub fn name(name: &str) -> Cow<'_, str> {
    if !name.contains(is_hidden) {
        return Cow::Borrowed(name);
    }
    let escape = |c: char| if is_hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(name.chars().map(escape).collect())
}

/// A path as messages show it; see [`name`].
pub fn path(path: &Path) -> String {
    name(&path.to_string_lossy()).into_owned()
}

/// A text of several lines as a terminal may show it: [`name`] of each line.
pub fn lines(text: &str) -> String {
    text.split('\n').map(name).collect::<Vec<_>>().join("\n")
}

/// A few of many names, and the number of the others: `a, b, c and 4 more`.
pub fn few<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const FEW: usize = 3;
    let names: Vec<&str> = names.into_iter().collect();
    let told: Vec<_> = names.iter().take(FEW).map(|one| name(one)).collect();
    let more = if names.len() > FEW { format!(" and {} more", names.len() - FEW) } else { String::new() };
    told.join(", ") + &more
}

fn is_hidden(c: char) -> bool {
    // The others are the marks that embed, override and isolate a direction, and the separators of lines and paragraphs.
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        assert_eq!(name("a\x1b[31mb\u{9b}\r\n\x7f"), r"a\u{1b}[31mb\u{9b}\r\n\u{7f}");
        assert_eq!(name("\u{202e}gpj"), r"\u{202e}gpj");
        assert!(matches!(name("Käse 7 – é猫"), Cow::Borrowed("Käse 7 – é猫")));
        assert_eq!(path(Path::new("a\x1bc/d")), r"a\u{1b}c/d");
        assert_eq!(lines("one\x1b\ntwo"), "one\\u{1b}\ntwo");
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(few(["a", "b\n", "c"]), r"a, b\n, c");
        assert_eq!(few(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
