//! Pictures: the paper's Figures 2 to 6 and its video, from traces ([`crate::evaluate::trace`]).
//!
//! A figure is a [`Scene`], a list of shapes ([`scene`]), written as SVG ([`svg`]) or drawn as PNG ([`raster`]) alike, with
//! the letters of one embedded font ([`text`]) and the colours of one palette ([`palette`]). [`look`] has the paths and
//! glimpses, [`sheet`] what a task's images look like, [`animation`] what moves, [`plot`] draws curves and
//! [`axis`] their axes.
//!
//! ```
//! use ram::figures::palette::{BLACK, GREEN};
//! use ram::figures::scene::{Align, Scene, Stroke};
//! use ram::figures::text::Weight;
//! use ram::figures::{raster, scene::Type, svg};
//!
//! let mut scene = Scene::new(120.0, 40.0, "a line");
//! scene.line(&[[10.0, 10.0], [110.0, 10.0]], Stroke::solid(GREEN, 2.0));
//! scene.text([10.0, 30.0], Align::Left, "from left to right", Type { size: 9.0, weight: Weight::Regular, colour: BLACK });
//! assert!(svg::svg(&scene).contains("<polyline"));
//! assert!(raster::png(&scene, raster::SHARP).starts_with(b"\x89PNG"));
//! ```

pub mod animation;
pub mod axis;
pub mod look;
pub mod palette;
mod parts;
pub mod plot;
pub mod raster;
pub mod scene;
pub mod sheet;
pub mod svg;
pub mod text;

use std::path::Path;

use crate::error::RamError;
pub use scene::Scene;

/// The formats of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pixels, 192 an inch.
    Png,
    /// Shapes, for print at any size.
    Svg,
}

impl Format {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// [`RamError::Config`] for any other.
    pub fn of(path: &Path) -> Result<Format, RamError> {
        match extension(path).as_str() {
            "png" => Ok(Format::Png),
            "svg" => Ok(Format::Svg),
            other => Err(RamError::Config(format!(
                "{}: a picture's name ends in .png (pixels) or .svg (shapes, for print at any size){}",
                path.display(),
                if other == "gif" { "; `ram look` and `ram play catch` move with --gif" } else { "" }
            ))),
        }
    }

    /// The bytes of a file.
    pub fn write(self, scene: &Scene) -> Vec<u8> {
        match self {
            Format::Png => raster::png(scene, raster::SHARP),
            Format::Svg => svg::svg(scene).into_bytes(),
        }
    }
}

/// Whether a file's extension is .gif.
///
/// # Errors
/// [`RamError::Config`] where it is not.
pub fn check_gif(path: &Path) -> Result<(), RamError> {
    if extension(path) == "gif" {
        return Ok(());
    }
    Err(RamError::Config(format!("{}: the name of what moves ends in .gif", path.display())))
}

/// The extension in small letters; of a file without one, nothing.
fn extension(path: &Path) -> String {
    path.extension().map_or(String::new(), |extension| extension.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests;
