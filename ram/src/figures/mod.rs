//! Pictures: the paper's Figures 2 to 6 and its video, from traces ([`crate::evaluate::trace`]), and plots of curves.
//!
//! A figure is a [`Scene`], which is a list of shapes ([`scene`]). It is written as SVG ([`svg`]) or drawn as PNG ([`raster`]) and
//! looks the same in both, with the letters of one embedded font ([`text`]) and the colours of one palette ([`palette`]). [`look`]
//! draws paths and glimpses, [`sheet`] the images of a task, [`animation`] what moves, and [`plot`] curves over their axes
//! ([`axis`]).
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
pub(crate) mod html;
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
    /// Pixels, 192 per inch.
    Png,
    /// Shapes, which can be printed at any size.
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
                "{}: the name of a picture ends in .png (pixels) or .svg (shapes, for print at any size){}",
                path.display(),
                if other == "gif" { "; `ram look` and `ram play` make animations with --gif" } else { "" }
            ))),
        }
    }

    /// The bytes of a file with this picture.
    pub fn write(self, scene: &Scene) -> Vec<u8> {
        match self {
            Format::Png => raster::png(scene, raster::SHARP),
            Format::Svg => svg::svg(scene).into_bytes(),
        }
    }
}

/// Checks that the extension of a file is .gif.
///
/// # Errors
/// [`RamError::Config`] where it is not.
pub fn check_gif(path: &Path) -> Result<(), RamError> {
    if extension(path) == "gif" {
        return Ok(());
    }
    Err(RamError::Config(format!("{}: the name of an animation ends in .gif", path.display())))
}

/// The extension in lower case; empty where the file has none.
fn extension(path: &Path) -> String {
    path.extension().map_or(String::new(), |extension| extension.to_string_lossy().to_lowercase())
}

#[cfg(test)]
mod tests;
