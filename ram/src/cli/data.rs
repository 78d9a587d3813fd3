//! `ram data`

use std::path::{Path, PathBuf};

use anyhow::Context;
use ram::error::RamError;
use ram::train::atomic;
use ram::train::trainer::first_images;
use serde_json::json;

use super::{Configuration, Ended, fetch, say, shapes};

/// Pixels between two images, and their grey.
const GUTTER: (usize, u8) = (2, 96);

/// What `ram data` can do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a contact sheet of the training images, as the model sees them.
    Show(Show),
    /// Fetch MNIST or Fashion-MNIST to where `ram train` finds it.
    Fetch(fetch::Args),
    /// Make a small data set of pictures in folders: coloured shapes somewhere in a scene.
    Shapes(shapes::Args),
}

/// Options of `ram data show`.
#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    configuration: Configuration,

    /// The folder of MNIST's files [default: $RAM_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// How many images.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,

    /// The picture.
    #[arg(long, value_name = "FILE.png", default_value = "contact-sheet.png")]
    out: PathBuf,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a subcommand of `ram data`.
pub fn run(command: &Command) -> anyhow::Result<Ended> {
    match command {
        Command::Show(args) => show(args),
        Command::Fetch(args) => fetch::run(args),
        Command::Shapes(args) => shapes::run(args),
    }
}

fn show(args: &Show) -> anyhow::Result<Ended> {
    let config = args.configuration.load(args.data_dir.as_deref())?;
    let images = first_images(&config, args.count as usize, args.data_dir.as_deref())?;
    let sheet = Sheet::new(&images, config.data.size);
    write(&args.out, &sheet.png()?)?;
    let (out, count, size) = (args.out.display(), images.len(), config.data.size);
    say(&if args.json {
        json!({ "out": out.to_string(), "count": count, "size": size }).to_string()
    } else {
        format!("{count} images of {size}×{size} in {out}")
    })?;
    Ok(Ended::Done)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RamError> {
    atomic::write(path, bytes).map_err(|source| RamError::Io { action: "write", path: path.to_owned(), source })
}

/// A grey picture: images in rows, as near to a square as their number lets.
struct Sheet {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Sheet {
    /// `images`: rows of `size`×`size` pixels each.
    fn new(images: &[Vec<u8>], size: usize) -> Sheet {
        let (gutter, grey) = GUTTER;
        let columns = (1..).find(|n| n * n >= images.len()).unwrap_or(1);
        let rows = images.len().div_ceil(columns);
        let edge = |n: usize| n * (size + gutter) + gutter;
        let (width, height) = (edge(columns), edge(rows));
        let mut pixels = vec![grey; width * height];
        for (i, image) in images.iter().enumerate() {
            let (left, top) = (edge(i % columns), edge(i / columns));
            for (y, row) in image.chunks_exact(size).enumerate() {
                let start = (top + y) * width + left;
                pixels[start..start + size].copy_from_slice(row);
            }
        }
        Sheet { width, height, pixels }
    }

    fn png(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width.try_into()?, self.height.try_into()?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().context("cannot encode the picture")?;
        writer.write_image_data(&self.pixels).context("cannot encode the picture")?;
        writer.finish().context("cannot encode the picture")?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_lie_row_by_row_and_the_picture_is_read_back() {
        let images: Vec<_> = (1..=3).map(|i| vec![i; 4]).collect();
        let sheet = Sheet::new(&images, 2);
        assert_eq!((sheet.width, sheet.height), (10, 10));
        let at = |x: usize, y: usize| sheet.pixels[y * 10 + x];
        assert_eq!([at(2, 2), at(7, 3), at(3, 7), at(7, 7), at(0, 0), at(4, 2)], [1, 2, 3, 96, 96, 96]);

        let bytes = sheet.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, sheet.pixels);
    }
}
