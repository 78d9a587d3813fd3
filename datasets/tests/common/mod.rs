//! What the tests of folders share.

use std::fs;
use std::path::PathBuf;

/// Writes a file, and the folders that it lies in.
pub fn write(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A grey picture of one level.
pub fn plain(level: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 3);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[level; 9]).unwrap();
    writer.finish().unwrap();
    bytes
}
