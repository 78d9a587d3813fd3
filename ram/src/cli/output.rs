//! Functions for printing, and the ways in which a command ends.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use datasets::shown;

use super::terminal;

/// How a command without an error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is complete.
    Done,
    /// It was asked to stop, and it has saved.
    Interrupted,
}

/// Whether the command goes on when nobody reads its output any more.
static WORKS: AtomicBool = AtomicBool::new(false);

/// Says that this command does work that matters more than its output, such as a training: it goes on when the reader of its output
/// is gone. Other commands end then, as `ram … | head` should.
pub fn outlive_the_reader() {
    WORKS.store(true, Ordering::Relaxed);
}

/// Prints a text of one line or several. Unlike `println!`, a closed pipe is an error, not a panic; see also [`outlive_the_reader`].
/// Control characters, which names from a disk may have, are spelled out, and so are letters that the terminal lacks.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", terminal::shown(shown::lines(text), &out)).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe && WORKS.load(Ordering::Relaxed) => Ok(()),
        result => result,
    }
}

/// Prints a line on standard error; a closed stream is ignored. Letters are spelled out as by [`say`].
pub fn complain(text: &str) {
    let mut err = io::stderr();
    _ = writeln!(err, "{}", terminal::shown(shown::lines(text), &err));
}

/// The call of this program, for commands that users can copy: `cargo run --release --` or its path.
pub fn program() -> String {
    match (std::env::var_os("CARGO"), std::env::args_os().next()) {
        (None, Some(path)) => quoted(Path::new(&path)),
        _ => "cargo run --release --".to_owned(),
    }
}

/// The command line, for the run folder.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-+:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A share as a percentage: `1.52 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(quoted(Path::new("my runs/it's")), r"'my runs/it'\''s'");
    }
}
