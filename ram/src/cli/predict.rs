//! `ram predict`

use std::path::{Path, PathBuf};

use datasets::{Picture, shown};
use ram::error::RamError;
use ram::evaluate::predict::{Prediction, Predictor};
use ram::figures::Format;
use ram::figures::look::{Captions, look};
use ram::model::ModelKind;
use serde_json::json;

use super::chosen::{Chosen, Places};
use super::look::{no_reward, title, write};
use super::options::Handling;
use super::output::{Ended, complain, say};

/// Options of `ram predict`.
#[derive(clap::Args)]
#[command(
    override_usage = "ram predict [OPTIONS] <RUN> <IMAGES>...\n       ram predict [OPTIONS] --pretrained <NAME> <IMAGES>..."
)]
pub struct Args {
    /// The run: its folder, or its name in --runs. It may also be a checkpoint file. With --pretrained there is no run.
    #[arg(required_unless_present = "pretrained")]
    run: Option<PathBuf>,

    /// PNG or JPEG files of any size, or folders, whose pictures are taken in the order of their names. For a run that looks at clips:
    /// folders with a picture for each frame.
    #[arg(required_unless_present = "pretrained")]
    images: Vec<PathBuf>,

    #[command(flatten)]
    handling: Handling,

    /// Draw the glimpses as `ram look` does, with a row for each picture.
    #[arg(long, value_name = "FILE.png|.svg")]
    out: Option<PathBuf>,

    /// The number of classes to print, the most likely first.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    top: u16,

    #[command(flatten)]
    places: Places,

    /// Print JSON, one object per picture, with the probabilities of all classes.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The run, if there is one, and the pictures: with --pretrained, the first name is already a picture.
    fn run_and_images(&self) -> Result<(Option<&Path>, Vec<&Path>), RamError> {
        let (run, first) = match self.places.pretrained {
            Some(_) => (None, self.run.as_deref()),
            None => (self.run.as_deref(), None),
        };
        let images: Vec<_> = first.into_iter().chain(self.images.iter().map(PathBuf::as_path)).collect();
        match images[..] {
            [] => Err(RamError::Config("there is no picture to classify; name PNG or JPEG files".to_owned())),
            _ => Ok((run, images)),
        }
    }
}

/// The files that the user named, and those in the folders that were named, each with their errors.
fn files(images: &[&Path]) -> Vec<Result<PathBuf, RamError>> {
    let mut files = Vec::new();
    for &image in images {
        if !image.is_dir() {
            files.push(Ok(image.to_owned()));
            continue;
        }
        match datasets::pictures(image) {
            Ok((found, remarks)) => {
                remarks
                    .iter()
                    .for_each(|remark| complain(&format!("warning: {}: {}", shown::path(image), remark.what)));
                files.extend(found.into_iter().map(Ok));
            }
            Err(error) => files.push(Err(error.into())),
        }
    }
    files
}

/// The first `count` frames of a clip, whose pictures lie in a folder, and a remark if it has more.
fn clip(folder: &Path, count: usize) -> Result<(Vec<Picture>, Option<String>), RamError> {
    let name = shown::path(folder);
    if !folder.is_dir() {
        return Err(RamError::Config(format!(
            "{name}: this run looks at clips of {count} frames; name a folder with a picture for each frame"
        )));
    }
    let (mut files, remarks) = datasets::pictures(folder)?;
    remarks.iter().for_each(|remark| complain(&format!("warning: {name}: {}", remark.what)));
    if files.len() < count {
        let found = files.len();
        return Err(RamError::Config(format!(
            "{name}: it has {found} pictures, but this run looks at clips of {count} frames"
        )));
    }
    let more =
        (files.len() > count).then(|| format!("{name}: it has {} pictures; the first {count} are used", files.len()));
    files.truncate(count);
    let frames = files.iter().map(|file| Picture::read(file)).collect::<Result<Vec<_>, _>>()?;
    Ok((frames, more))
}

/// Prints the class of each picture. An error with one picture does not stop the others.
pub fn run(args: &Args) -> anyhow::Result<Ended> {
    let format = args.out.as_deref().map(Format::of).transpose()?;
    let (run, images) = args.run_and_images()?;
    let chosen = Chosen::open(run, &args.places, None)?;
    let predictor = Predictor::new(&chosen.checkpoint)?;
    if args.out.is_some() && predictor.config().model.kind != ModelKind::Ram {
        let message =
            format!("{}: this network sees the whole image at once and has no glimpses to draw", chosen.path());
        return Err(RamError::Config(message).into());
    }
    let handling = args.handling.of();
    let (mut failed, mut traces, mut names) = (None, Vec::new(), Vec::new());
    let frames = predictor.frames();
    let named = if frames > 1 { images.iter().map(|path| Ok(path.to_path_buf())).collect() } else { files(&images) };
    for file in named {
        let found = file.and_then(|image| {
            if frames == 1 {
                return Ok((predictor.predict(&Picture::read(&image)?, handling)?, image));
            }
            let (clip, more) = clip(&image, frames)?;
            more.iter().for_each(|more| complain(&format!("note: {more}")));
            Ok((predictor.predict_clip(&clip, handling)?, image))
        });
        match found {
            Ok((prediction, image)) => {
                let image = &image;
                say(&if args.json {
                    as_json(image, &prediction, predictor.classes()).to_string()
                } else {
                    as_text(image, &prediction, predictor.classes(), args.top.into())
                })?;
                if args.out.is_some() {
                    names.push(shown::path(image));
                    traces.extend(prediction.trace);
                }
            }
            Err(error) => {
                // The last error is returned, and the caller prints it.
                if let Some(earlier) = failed.replace(error) {
                    complain(&format!("error: {earlier}"));
                }
            }
        }
    }
    if let (Some(out), Some(format), false) = (&args.out, format, traces.is_empty()) {
        let captions = Captions {
            title: title(&chosen.name(), predictor.config()),
            subtitle: shown::few(names.iter().map(String::as_str)) + &no_reward(predictor.config(), &traces),
            classes: predictor.classes().to_vec(),
        };
        write(out, &format.write(&look(&traces, &captions)))?;
        if !args.json {
            say(&format!("wrote {}", out.display()))?;
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Ended::Done),
    }
}

/// `three.png: 3 (98.2 %)`, and a line for each glimpse.
fn as_text(image: &Path, prediction: &Prediction, classes: &[String], top: usize) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let class = prediction.class();
    let picture = format!("  {}", prediction.how);
    let mut lines = vec![
        format!("{}: {} ({})", shown::path(image), shown::name(&classes[class]), percent(prediction.last()[class])),
        picture,
    ];
    let glimpses = prediction.trace.as_ref().map_or(&[][..], |trace| &trace.glimpses);
    for (number, row) in (1..).zip(&prediction.probabilities) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        // Equally likely classes keep their order.
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        let likely: Vec<_> =
            order.iter().take(top).map(|&i| format!("{} {}", shown::name(&classes[i]), percent(row[i]))).collect();
        let seen = match glimpses.get(number - 1) {
            Some(glimpse) => {
                let [x, y] = glimpse.location;
                let wide = match (glimpse.zoom, glimpse.windows.first()) {
                    (Some(_), Some(window)) => format!(", {} pixels wide", window.side),
                    _ => String::new(),
                };
                let stops = if glimpse.stop.is_some_and(|p| p > 0.5) { ", and stops" } else { "" };
                format!("glimpse {number} at ({x:+.2}, {y:+.2}){wide}{stops}")
            }
            None => "whole image".to_owned(),
        };
        lines.push(format!("  {seen}: {}", likely.join(", ")));
    }
    lines.join("\n")
}

fn as_json(image: &Path, prediction: &Prediction, classes: &[String]) -> serde_json::Value {
    let class = prediction.class();
    let locations: Option<Vec<_>> =
        prediction.trace.as_ref().map(|trace| trace.glimpses.iter().map(|glimpse| glimpse.location).collect());
    json!({
        "image": image.display().to_string(), "how": prediction.how, "class": classes[class], "index": class,
        "probability": prediction.last()[class], "classes": classes, "probabilities": prediction.probabilities,
        "locations": locations,
    })
}
