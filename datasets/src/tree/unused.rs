//! What lies in a folder and is not used, told in a few lines.

use std::collections::BTreeMap;
use std::path::Path;

use super::unit::{READ, Unit, has_ending, relative};
use crate::shown;
use crate::source::Remark;

/// The endings of the names of pictures in formats that are not read.
const NOT_READ: [&str; 16] = [
    "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "jxl", "jp2", "svg", "ppm", "pgm", "tga", "ico", "raw",
];

/// What is not used, by its path from the data set's folder.
#[derive(Default)]
pub(super) struct Unused {
    /// What pictures should belong to.
    unit: Unit,
    /// Pictures of other formats, by the ending of their names.
    formats: BTreeMap<String, Vec<String>>,
    /// Pictures that lie in no class folder, or in no clip's folder.
    outside: Vec<String>,
    /// Files that are no pictures.
    files: Vec<String>,
    /// Folders that are neither splits nor classes.
    pub(super) folders: Vec<String>,
}

impl Unused {
    /// Nothing yet.
    pub(super) fn new(unit: Unit) -> Unused {
        Unused { unit, ..Unused::default() }
    }

    /// A file that is no picture to be read.
    pub(super) fn file(&mut self, path: &Path, file: &Path) {
        let name = relative(path, file);
        match file.extension() {
            Some(ending) if has_ending(file, &NOT_READ) => {
                self.formats.entry(ending.to_string_lossy().to_lowercase()).or_default().push(name);
            }
            _ => self.files.push(name),
        }
    }

    /// A file that lies beside the class folders, or in a class of clips beside their folders.
    pub(super) fn outside(&mut self, path: &Path, file: &Path) {
        if has_ending(file, &READ) { self.outside.push(relative(path, file)) } else { self.file(path, file) }
    }

    /// A line for each kind.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let few = |names: &[String]| shown::few(names.iter().map(String::as_str));
        let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let mut remarks = Vec::new();
        for (ending, names) in &self.formats {
            let [file, is] = if names.len() == 1 { ["file", "is"] } else { ["files", "are"] };
            remarks.push(Remark::fault(format!(
                "{} {file} in the format .{} {is} not read ({}); save as PNG or JPEG",
                names.len(),
                shown::name(ending),
                few(names)
            )));
        }
        if !self.outside.is_empty() {
            let pictures = count(self.outside.len(), "picture is", "pictures are");
            let folder = if self.unit == Unit::Clip { "the folder of no clip" } else { "no class folder" };
            remarks.push(Remark::fault(format!("{pictures} not used, being in {folder} ({})", few(&self.outside))));
        }
        if !self.folders.is_empty() {
            let folders = count(self.folders.len(), "folder is", "folders are");
            let why = "being neither a split with class folders nor a class";
            remarks.push(Remark::fault(format!("{folders} not used, {why} ({})", few(&self.folders))));
        }
        if !self.files.is_empty() {
            let files = count(self.files.len(), "other file is", "other files are");
            remarks.push(Remark::note(format!("{files} not used ({})", few(&self.files))));
        }
        remarks
    }
}
