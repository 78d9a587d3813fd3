//! The images that a configuration names: training canvases drawn anew, validation and test canvases drawn once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasets::digits::Split;
use datasets::folder::Found;
use datasets::rng::{Key, Purpose};
use datasets::{
    Canvas, DataError, Digits, FashionMnist, Fit, Fixed, Folder, IdxPair, Labelled, Loader, Mnist, Picture, Placement,
    Preparation, Published, Splits, fixed,
};

use crate::config::{self, Config, Source};
use crate::error::RamError;

/// The seed of everything that does not change from run to run: the built-in digits, the canvases of the validation and
/// test sets, and the first locations at evaluation.
pub const FIXED_SEED: u64 = datasets::canvas::EVALUATION_SEED;

impl From<DataError> for RamError {
    fn from(error: DataError) -> RamError {
        match error {
            // The data are fine; the program is not.
            DataError::Worker(_) => RamError::Training(error.to_string()),
            _ => RamError::Data(error.to_string()),
        }
    }
}

/// What training may see: the training images, and the validation canvases.
pub struct TrainingData {
    /// Source images; each training canvas is drawn from one.
    pub train: Arc<Labelled>,
    /// Canvases drawn once.
    pub validation: Fixed,
    /// How they are drawn.
    pub canvas: Canvas,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// What was wrong with pictures that are left out, a line each.
    pub notes: Vec<String>,
}

impl TrainingData {
    /// Opens the training and validation images. The test split stays closed.
    ///
    /// # Errors
    /// Missing or damaged files, or canvases that cannot be drawn from the images.
    pub fn open(config: &Config, dir: Option<&Path>) -> Result<TrainingData, RamError> {
        let Opened { splits: Splits { train, validation }, classes, notes } = open(config, dir)?;
        let [train_count, validation_count, _] = config.data.counts();
        let (train, validation) = (first(train, train_count)?, first(validation, validation_count)?);
        let canvas = canvas(config);
        canvas.validate(&train.images)?;
        let validation = fixed(&validation, &canvas, FIXED_SEED, Purpose::ValidationCanvas)?;
        Ok(TrainingData { train: Arc::new(train), validation, canvas, classes, notes })
    }

    /// A loader of shuffled batches, canvases drawn anew in every epoch.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn loader(&self, config: &Config) -> Result<Loader, RamError> {
        Ok(Loader::new(self.train.clone(), self.canvas, config.train.batch, config.seed)?)
    }

    /// The first training canvases of epoch 0, each [channels, height, width] bytes.
    pub fn first_canvases(&self, count: usize, seed: u64) -> Vec<Vec<u8>> {
        let draw = |index: usize| {
            let mut pixels = vec![0; self.canvas.len(self.train.images.channels())];
            let key = Key { seed, purpose: Purpose::Canvas, epoch: 0, sample: index as u64 };
            self.canvas.draw(&self.train, index, key, &mut pixels);
            pixels
        };
        (0..count.min(self.train.len())).map(draw).collect()
    }
}

/// The test canvases, drawn once.
///
/// # Errors
/// As [`TrainingData::open`].
pub fn test_set(config: &Config, dir: Option<&Path>) -> Result<Fixed, RamError> {
    Ok(test_set_noting(config, dir)?.0)
}

/// As [`test_set`], with the names of the classes and what was wrong with pictures that are left out.
///
/// # Errors
/// As [`TrainingData::open`].
pub fn test_set_noting(config: &Config, dir: Option<&Path>) -> Result<(Fixed, Vec<String>, Vec<String>), RamError> {
    let (test, classes, notes) = match config.data.source {
        Source::Folder | Source::Idx => {
            let Found { set, classes, bad } = own(config, dir, Split::Test)?;
            (set, classes, notes_of(config, "test", &bad)?)
        }
        _ => (published(config, dir)?.test()?, classes_of(config), Vec::new()),
    };
    let test = first(test, config.data.counts()[2])?;
    Ok((fixed(&test, &canvas(config), FIXED_SEED, Purpose::TestCanvas)?, classes, notes))
}

/// The training and validation images, and what is known of them.
struct Opened {
    splits: Splits,
    classes: Vec<String>,
    notes: Vec<String>,
}

fn open(config: &Config, dir: Option<&Path>) -> Result<Opened, RamError> {
    match config.data.source {
        Source::Folder | Source::Idx => {
            let [train, validation] = [own(config, dir, Split::Train)?, own(config, dir, Split::Validation)?];
            let mut notes = notes_of(config, "training", &train.bad)?;
            notes.extend(notes_of(config, "validation", &validation.bad)?);
            let splits = Splits { train: train.set, validation: validation.set };
            Ok(Opened { splits, classes: train.classes, notes })
        }
        _ => {
            let splits = published(config, dir)?.train_validation()?;
            Ok(Opened { splits, classes: classes_of(config), notes: Vec::new() })
        }
    }
}

/// A split of pictures of one's own.
fn own(config: &Config, dir: Option<&Path>, split: Split) -> Result<Found, RamError> {
    let (seed, preparation) = (config.data.split_seed, preparation(config));
    Ok(if config.data.source == Source::Folder {
        folder(config, dir).read(split)?
    } else {
        let (images, labels) = (place(&config.data.path, dir), place(&config.data.labels, dir));
        IdxPair { images, labels, preparation, seed }.read(split)?
    })
}

/// The folder of a configuration whose source it is.
pub fn folder(config: &Config, dir: Option<&Path>) -> Folder {
    Folder { path: place(&config.data.path, dir), preparation: preparation(config), seed: config.data.split_seed }
}

/// What becomes of a picture of one's own before it lies on its canvas.
pub fn preparation(config: &Config) -> Preparation {
    let data = &config.data;
    let fit = match data.fit {
        config::Fit::Pad => Fit::Pad,
        config::Fit::Crop => Fit::Crop,
        config::Fit::Stretch => Fit::Stretch,
    };
    let edge = data.image_edge();
    Preparation { channels: data.channels, height: edge, width: edge, fit, invert: data.invert }
}

/// A picture as a network of this configuration is shown it, `[channels, size, size]`, whatever its own size: one as large as
/// the canvas fills it, as any does on a centred canvas; another is brought to the size of the images that were trained on,
/// and lies in the middle, without clutter. `invert` changes black for white on top of what the configuration says.
pub fn canvas_of(config: &Config, picture: &Picture, invert: bool) -> Vec<u8> {
    let size = config.data.size;
    let edge = if [picture.height, picture.width] == [size; 2] { size } else { config.data.image_edge().min(size) };
    let trained = preparation(config);
    let image = Preparation { height: edge, width: edge, invert: trained.invert != invert, ..trained }.apply(picture);
    let mut canvas = vec![0; config.data.channels * size * size];
    let margin = (size - edge) / 2;
    for (rows, plane) in image.chunks_exact(edge * edge).zip(canvas.chunks_exact_mut(size * size)) {
        for (line, row) in rows.chunks_exact(edge).zip(margin..) {
            plane[row * size + margin..][..edge].copy_from_slice(line);
        }
    }
    canvas
}

/// A path of the configuration; a relative one begins at `--data-dir`, where it is given.
fn place(path: &str, dir: Option<&Path>) -> PathBuf {
    dir.map_or(PathBuf::from(path), |dir| dir.join(path))
}

/// What is told of pictures that cannot be read: each by name, up to ten, and how many.
///
/// # Errors
/// The same as an error, with `data.strict`.
fn notes_of(config: &Config, split: &str, bad: &[DataError]) -> Result<Vec<String>, RamError> {
    const NAMED: usize = 10;
    if bad.is_empty() {
        return Ok(Vec::new());
    }
    let (strict, count) = (config.data.strict, bad.len());
    let mut lines: Vec<String> = bad.iter().take(NAMED).map(|error| error.to_string()).collect();
    let more = if count > NAMED { format!(", {} of them not named here", count - NAMED) } else { String::new() };
    let end = if strict { "data.strict wants all" } else { "left out; --strict makes this an error" };
    let pictures = if count == 1 { "picture" } else { "pictures" };
    lines.push(format!("{count} {split} {pictures} cannot be read{more}: {end}"));
    if strict { Err(RamError::Data(lines.join("\n"))) } else { Ok(lines) }
}

/// The names of the classes of images that are not one's own.
fn classes_of(config: &Config) -> Vec<String> {
    let set = if config.data.source == Source::FashionMnist { Published::FashionMnist } else { Published::Mnist };
    set.classes().map(str::to_owned).to_vec()
}

fn published(config: &Config, dir: Option<&Path>) -> Result<Box<dyn datasets::images::Source>, RamError> {
    Ok(match config.data.source {
        Source::Mnist => Box::new(Mnist { dir: Published::Mnist.dir(dir)? }),
        Source::FashionMnist => Box::new(FashionMnist { dir: Published::FashionMnist.dir(dir)? }),
        Source::Digits => {
            let [train, validation, test] = config.data.counts().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            Box::new(Digits { seed: FIXED_SEED, train, validation, test })
        }
        other => {
            let name = other.name();
            let message = format!("data.source is {name}, which has no images of its own; choose mnist or digits");
            return Err(RamError::Config(message));
        }
    })
}

fn canvas(config: &Config) -> Canvas {
    let placement = match config.data.canvas {
        config::Canvas::Centred => Placement::Centred,
        config::Canvas::Translated | config::Canvas::Cluttered => Placement::Translated,
    };
    Canvas { height: config.data.size, width: config.data.size, placement, clutter: config.data.clutter }
}

/// The first `count` images of a split.
fn first(split: Labelled, count: usize) -> Result<Labelled, RamError> {
    // Of one's own pictures 0 is all there are.
    if count == 0 || count == split.len() {
        return Ok(split);
    }
    if count > split.len() {
        return Err(RamError::Config(format!(
            "data: {count} images are asked for, but this split has {}",
            split.len()
        )));
    }
    let view = split.slice(0..count);
    let images = &split.images;
    let kept = datasets::Images::new(view.pixels.to_vec(), images.channels(), images.height(), images.width())?;
    Ok(Labelled::new(kept, view.labels.to_vec(), split.classes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_program_is_no_fault_of_the_data() {
        assert_eq!(RamError::from(DataError::Worker("gone".into())).exit_code(), 1);
        assert_eq!(RamError::from(DataError::NoFolder { set: Published::Mnist }).exit_code(), 3);
    }
    /// A colour picture, as a network is shown it and as its retina sees it: every number of ρ is that pixel's byte, red, then
    /// green, then blue.
    #[test]
    fn a_colours_pixels_reach_the_retina_unchanged() {
        use autograd::{Params, Shape, Tape};

        use crate::model::{Images, Retina, retina::Sampling};

        let sets = ["data.source=folder", "data.path=x", "data.channels=3", "data.size=12"].map(str::to_owned);
        let config = Config::load(config::Base::Preset("mnist"), &sets).unwrap();
        let pixels: Vec<u8> = (0..3 * 144_u32).map(|i| (i * 37 % 251) as u8).collect();
        let picture = Picture { channels: 3, height: 12, width: 12, pixels: pixels.clone(), alpha: None };
        let canvas = canvas_of(&config, &picture, false);
        assert_eq!(canvas, pixels);

        let (params, mut tape) = (Params::<f32>::new(), Tape::new());
        let t = tape.begin(&params);
        let images = Images::Pixels { data: &canvas, shape: Shape::new(&[1, 3, 12, 12]) };
        let rho = Retina::new(4, 1, Sampling::Crop).sense(&t, images, t.constant([1, 2], &[0.5, -0.5]));
        // Around (9, 3): columns 7 to 10, rows 1 to 4.
        let seen = (0..3).flat_map(|c| (1..5).flat_map(move |y| (7..11).map(move |x| c * 144 + y * 12 + x)));
        let expected: Vec<f32> = seen.map(|i| f32::from(pixels[i]) / 255.0).collect();
        assert!(rho.value().iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", &*rho.value());
        assert_eq!(rho.value().len(), expected.len());
    }

    #[test]
    fn a_picture_of_another_size_lies_where_training_had_it() {
        let load = |sets: &[&str]| {
            let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
            Config::load(config::Base::Preset("translated"), &sets).unwrap()
        };
        let white = |edge: usize| Picture {
            channels: 1,
            height: edge,
            width: edge,
            pixels: vec![255; edge * edge],
            alpha: None,
        };
        let lit = |config: &Config, edge| canvas_of(config, &white(edge), false).iter().filter(|&&x| x == 255).count();
        let digits = load(&["data.source=digits"]);
        assert_eq!([lit(&digits, 60), lit(&digits, 100), lit(&digits, 28)], [3600, 784, 784]);
        let own = load(&["data.source=folder", "data.path=x", "data.image=20"]);
        assert_eq!(lit(&own, 50), 400);
        assert!(canvas_of(&own, &white(60), true).iter().all(|&x| x == 0), "inverted");
    }
}
