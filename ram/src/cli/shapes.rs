//! `ram data shapes`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use datasets::shapes::{self, CLASSES, SIDE};
use ram::error::RamError;
use rayon::prelude::*;
use serde_json::json;

use super::output::{Ended, program, quoted, say};
use super::progress::counter;

/// Options of `ram data shapes`.
#[derive(clap::Args)]
pub struct Args {
    /// The folder to make; if it exists, it must be empty.
    dir: PathBuf,

    /// The number of pictures.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(8..=100_000))]
    count: u32,

    /// The seed of every picture.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Writes the pictures, each into the folder of its class.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) || args.dir.is_file() {
        return Err(RamError::Config(format!(
            "{} exists already and is not empty; name a new folder",
            args.dir.display()
        ))
        .into());
    }
    // The pictures get their place together at the end, so that a killed command leaves its name free.
    let mut name = args.dir.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = args.dir.with_file_name(name);
    _ = fs::remove_dir_all(&unfinished);
    let result = write(&unfinished, args).and_then(|()| {
        // Where the folder exists it is empty, but not every system renames over it.
        _ = fs::remove_dir(&args.dir);
        fs::rename(&unfinished, &args.dir).map_err(|error| denied(&args.dir, error))?;
        Ok(())
    });
    if result.is_err() {
        _ = fs::remove_dir_all(&unfinished);
    }
    result?;
    let dir = args.dir.display();
    if args.json {
        say(&json!({ "dir": dir.to_string(), "count": args.count, "classes": CLASSES, "size": SIDE }).to_string())?;
    } else {
        say(&format!(
            "wrote {} pictures of {SIDE}×{SIDE} pixels to {dir}: {}\ntrain on them: {} train --preset pictures --data folder:{}",
            args.count,
            CLASSES.join(", "),
            program(),
            quoted(&args.dir)
        ))?;
    }
    Ok(Ended::Done)
}

/// Writes all pictures into the new folder `dir`.
fn write(dir: &Path, args: &Args) -> anyhow::Result<()> {
    for class in CLASSES {
        let folder = dir.join(class);
        fs::create_dir_all(&folder).map_err(|error| denied(&folder, error))?;
    }
    let bar = counter(u64::from(args.count), "pictures");
    let result = (0..args.count).into_par_iter().try_for_each(|number| {
        let scene = shapes::draw(args.seed, number);
        let path = dir.join(CLASSES[scene.class]).join(format!("{number:05}.png"));
        fs::write(&path, png(&scene.pixels)?).map_err(|error| denied(&path, error))?;
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    result
}

fn denied(path: &Path, source: std::io::Error) -> RamError {
    RamError::Io { action: "write", path: path.to_owned(), source }
}

/// A colour PNG of pixels `[3, SIDE, SIDE]`.
fn png(planes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let plane = SIDE * SIDE;
    let pixels: Vec<u8> = (0..plane).flat_map(|i| [planes[i], planes[plane + i], planes[2 * plane + i]]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().context("cannot encode the picture")?;
    writer.write_image_data(&pixels).context("cannot encode the picture")?;
    writer.finish().context("cannot encode the picture")?;
    Ok(bytes)
}
