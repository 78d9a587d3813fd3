//! What a folder holds, pictures or clips, and the names of their files.

use std::path::Path;

/// The endings of the names of pictures that are read.
pub(super) const READ: [&str; 4] = ["png", "jpg", "jpeg", "jfif"];

/// What has a class and belongs to one split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A picture in its class folder or below.
    #[default]
    Picture,
    /// A folder below a class folder, with the pictures in it as its frames.
    Clip,
}

impl Unit {
    /// `1 picture`, `2 clips`
    pub(crate) fn count(self, n: usize) -> String {
        format!("{n} {}{}", self.name(), if n == 1 { "" } else { "s" })
    }

    /// `picture`, `clip`
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Picture => "picture",
            Unit::Clip => "clip",
        }
    }
}

/// Whether the name of a file has one of these endings.
pub(super) fn has_ending(file: &Path, endings: &[&str]) -> bool {
    file.extension().is_some_and(|ending| endings.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// A path as seen from a folder, for messages.
pub(super) fn relative(path: &Path, inner: &Path) -> String {
    inner.strip_prefix(path).unwrap_or(inner).to_string_lossy().into_owned()
}
