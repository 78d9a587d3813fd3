//! The images or clips that a configuration names: training canvases, which are drawn again in each epoch, and validation and
//! test canvases, which are always the same.

pub mod fingerprint;
pub mod foreign;
mod notes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datasets::rng::{Key, Purpose};
use datasets::{
    Canvas, Canvases, ClipFolder, DataError, Digits, FashionMnist, Folder, IdxPair, Labelled, Layout, Loader, Mnist,
    Picture, Placement, Preparation, Published, ReadSplit, Source, Split, Splits, shown,
};

use crate::config::{self, Config};
use crate::error::RamError;
use crate::model::ModelKind;

/// The seed of everything that is the same for all runs: the built-in digits, the canvases of the validation and test sets,
/// and the first locations at evaluation.
pub const FIXED_SEED: u64 = datasets::canvas::EVALUATION_SEED;

impl From<DataError> for RamError {
    fn from(error: DataError) -> RamError {
        match error {
            // This is a fault of the program and not of the data.
            DataError::Worker(_) => RamError::Training(error.to_string()),
            _ => RamError::Data(error.to_string()),
        }
    }
}

/// What training may see: the training images and the validation canvases.
pub struct TrainingData {
    /// The training images. Each training canvas is drawn from one of them.
    pub train: Arc<Labelled>,
    /// The validation canvases.
    pub validation: Canvases,
    /// How the canvases are drawn.
    pub canvas: Canvas,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Lines that tell the user which pictures were left out, and why.
    pub notes: Vec<String>,
    /// Whether each object fills its image, so that the boxes on the canvases tell where the objects are.
    pub object_fills_image: bool,
}

impl TrainingData {
    /// Opens the training and validation images that a configuration names. The test split stays closed.
    ///
    /// # Errors
    /// As [`source`] and [`TrainingData::of`].
    pub fn open(config: &Config, dir: Option<&Path>) -> Result<TrainingData, RamError> {
        TrainingData::of(config, &*source(config, dir)?)
    }

    /// Opens the training and validation images of any source. The configuration says how many of them are used and on which
    /// canvases; its `data.source` does not matter.
    ///
    /// # Errors
    /// [`RamError::Data`] if the images are missing, damaged, or do not fit on the canvas, or if the two splits do not fit
    /// together; [`RamError::Config`] if there are fewer images than the configuration asks for.
    pub fn of(config: &Config, source: &dyn Source) -> Result<TrainingData, RamError> {
        let Splits { train, validation } = source.train_validation()?;
        let classes = train.class_names.clone();
        let channels = train.set.images.channels();
        if (&classes, channels) != (&validation.class_names, validation.set.images.channels()) {
            return Err(RamError::Data(format!(
                "the training images have {channels} channels and the classes {}, but the validation images have {} channels \
                 and the classes {}",
                classes.join(", "),
                validation.set.images.channels(),
                validation.class_names.join(", ")
            )));
        }
        let mut notes = Vec::new();
        let train = selected(config, Split::Train, train, &mut notes)?;
        let validation = selected(config, Split::Validation, validation, &mut notes)?;
        let canvas = canvas(config, &train);
        canvas.validate(&train.images)?;
        let train = if config.data.train_on_validation {
            notes.push(format!(
                "data.train_on_validation: the {} validation images are trained on too, so their error says nothing of new images",
                validation.len()
            ));
            train.followed_by(&validation)?
        } else {
            train
        };
        let validation = Canvases::new(validation, &canvas, FIXED_SEED, Purpose::ValidationCanvas)?;
        let (train, object_fills_image) = (Arc::new(train), source.object_fills_image());
        Ok(TrainingData { train, validation, canvas, classes, notes, object_fills_image })
    }

    /// A loader of shuffled batches, whose canvases are drawn again in each epoch.
    ///
    /// # Errors
    /// As [`Loader::new`].
    pub fn loader(&self, config: &Config) -> Result<Loader, RamError> {
        Ok(Loader::new(self.train.clone(), self.canvas, config.train.batch, config.seed)?)
    }

    /// The first training canvases of epoch 0, each `[channels, height, width]`; of clips, their first frames.
    pub fn first_canvases(&self, count: usize, seed: u64) -> Vec<Vec<u8>> {
        let draw = |index: usize| {
            let layout = self.canvas.layout(self.train.images.channels());
            let mut pixels = vec![0; layout.len()];
            let key = Key { seed, purpose: Purpose::Canvas, epoch: 0, sample: index as u64 };
            self.canvas.draw(&self.train, index, key, &mut pixels);
            layout.to_rows(&pixels).into_owned()
        };
        (0..count.min(self.train.len())).map(draw).collect()
    }
}

/// What only the final evaluation may see: the test canvases.
pub struct TestData {
    /// The test canvases.
    pub test: Canvases,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Lines that tell the user which pictures were left out, and why.
    pub notes: Vec<String>,
    /// Whether each object fills its image, so that the boxes on the canvases tell where the objects are.
    pub object_fills_image: bool,
}

impl TestData {
    /// Opens the test images that a configuration names. The other splits stay closed.
    ///
    /// # Errors
    /// As [`source`] and [`TestData::of`].
    pub fn open(config: &Config, dir: Option<&Path>) -> Result<TestData, RamError> {
        TestData::of(config, &*source(config, dir)?)
    }

    /// Opens the test images of any source, as [`TrainingData::of`] opens the others.
    ///
    /// # Errors
    /// As [`TrainingData::of`].
    pub fn of(config: &Config, source: &dyn Source) -> Result<TestData, RamError> {
        let (read, mut notes) = (source.test()?, Vec::new());
        let classes = read.class_names.clone();
        let test = selected(config, Split::Test, read, &mut notes)?;
        let canvas = canvas(config, &test);
        let test = Canvases::new(test, &canvas, FIXED_SEED, Purpose::TestCanvas)?;
        Ok(TestData { test, classes, notes, object_fills_image: source.object_fills_image() })
    }
}

/// The source of images that a configuration names. Relative paths begin at `dir`, if it is given.
///
/// # Errors
/// [`RamError::Data`] if the folder of a published data set is missing; [`RamError::Config`] for games, which have no images.
pub fn source(config: &Config, dir: Option<&Path>) -> Result<Box<dyn Source>, RamError> {
    Ok(match config.data.source {
        config::Source::Mnist => Box::new(Mnist { dir: Published::Mnist.dir(dir)? }),
        config::Source::FashionMnist => Box::new(FashionMnist { dir: Published::FashionMnist.dir(dir)? }),
        config::Source::Digits => {
            let [train, validation, test] = config.data.counts().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            Box::new(Digits { seed: FIXED_SEED, train, validation, test })
        }
        config::Source::Folder => {
            let folder = folder(config, dir);
            // Without data.path, the preset's own is a folder that nobody has named.
            if !folder.path.exists() {
                return Err(RamError::Data(format!(
                    "data.path is {}, and there is no folder {}; name yours with --data folder:PATH. In it must be a folder for each \
                     class, with PNG or JPEG pictures",
                    shown::name(&config.data.path),
                    shown::path(&folder.path)
                )));
            }
            Box::new(folder)
        }
        config::Source::Idx => Box::new(idx_pair(config, dir)),
        config::Source::Frames => Box::new(clip_folder(config, dir)),
        other @ (config::Source::Game(_) | config::Source::Own) => {
            let name = other.name();
            let message =
                format!("data.source is {name}, which has no images that `ram` knows; choose mnist or digits");
            return Err(RamError::Config(message));
        }
    })
}

/// The folder of pictures that a configuration names in `data.path`.
pub fn folder(config: &Config, dir: Option<&Path>) -> Folder {
    Folder { path: path(&config.data.path, dir), preparation: preparation(config), seed: config.data.split_seed }
}

/// The pair of IDX files that a configuration names in `data.path` and `data.labels`.
pub fn idx_pair(config: &Config, dir: Option<&Path>) -> IdxPair {
    let [images, labels] = [&config.data.path, &config.data.labels].map(|file| path(file, dir));
    IdxPair { images, labels, preparation: preparation(config), seed: config.data.split_seed }
}

/// The folder of clips that a configuration names in `data.path`.
pub fn clip_folder(config: &Config, dir: Option<&Path>) -> ClipFolder {
    let config::Data { frames, split_seed: seed, .. } = config.data;
    ClipFolder { path: path(&config.data.path, dir), preparation: preparation(config), frames, seed }
}

/// What the images of a configuration are, in words: `MNIST`, `pictures in shapes`.
pub fn name(config: &Config) -> String {
    let data = &config.data;
    let path = |path: &str| {
        shown::name(Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)).into_owned()
    };
    match data.source {
        config::Source::Mnist => "MNIST".to_owned(),
        config::Source::FashionMnist => "Fashion-MNIST".to_owned(),
        config::Source::Digits => "built-in digits".to_owned(),
        config::Source::Folder => format!("pictures in {}", path(&data.path)),
        config::Source::Idx => format!("images of {}", path(&data.path)),
        config::Source::Frames => format!("clips in {}", path(&data.path)),
        other @ (config::Source::Game(_) | config::Source::Own) => other.name().to_owned(),
    }
}

/// A path of the configuration. A relative one begins at `dir`, if it is given.
fn path(path: &str, dir: Option<&Path>) -> PathBuf {
    dir.map_or(PathBuf::from(path), |dir| dir.join(path))
}

/// How a user's picture is prepared before it is put on its canvas.
pub fn preparation(config: &Config) -> Preparation {
    let data = &config.data;
    let edge = data.image_edge();
    Preparation { channels: data.channels, height: edge, width: edge, fit: data.fit, invert: data.invert }
}

/// Makes a picture of any size into the canvas `[channels, size, size]` that a network of this configuration is shown, and says
/// how its pixels lie in memory.
///
/// A picture of the size of the canvas fills the canvas, and so do every picture if canvases are `centred` and every frame of a clip. Any other picture
/// is brought to the size of the training images and put in the middle, without clutter. `invert` exchanges black and white
/// in addition to what the configuration says.
pub fn canvas_of(config: &Config, picture: &Picture, invert: bool) -> (Vec<u8>, Layout) {
    let size = config.data.size;
    let fills = [picture.height, picture.width] == [size; 2] || config.data.clip_frames() > 1;
    let edge = if fills { size } else { config.data.image_edge().min(size) };
    let trained = preparation(config);
    let image = Preparation { height: edge, width: edge, invert: trained.invert != invert, ..trained }.apply(picture);
    let layout = Layout::of([config.data.channels, size, size]);
    let mut canvas = vec![0; layout.len()];
    let margin = (size - edge) / 2;
    for (channel, rows) in image.chunks_exact(edge * edge).enumerate() {
        for (mut line, row) in rows.chunks_exact(edge).zip(margin..) {
            for run in layout.runs(channel, row, margin..margin + edge) {
                let (part, rest) = line.split_at(run.len());
                canvas[run].copy_from_slice(part);
                line = rest;
            }
        }
    }
    (canvas, layout)
}

/// Checks that a network takes a glimpse at each of the `frames` of its inputs; that is 1 for pictures, which stay the same.
///
/// # Errors
/// [`RamError::Config`] that says what to change.
pub fn check_frames(config: &Config, frames: usize) -> Result<(), RamError> {
    let config::Config { model, .. } = config;
    if frames == 1 || (model.kind, model.glimpses) == (ModelKind::Ram, frames) {
        return Ok(());
    }
    Err(RamError::Config(format!(
        "the images are clips of {frames} frames, for a network that takes a glimpse at each: model.kind must be ram and \
         model.glimpses {frames}, but they are {} and {}",
        model.kind.name(),
        model.glimpses
    )))
}

/// How the canvases of a configuration are drawn from these images.
fn canvas(config: &Config, images: &Labelled) -> Canvas {
    let placement = match config.data.canvas {
        config::Canvas::Centred => Placement::Centred,
        config::Canvas::Translated | config::Canvas::Cluttered => Placement::Translated,
        config::Canvas::Moving => Placement::Moving,
    };
    // A source of a program's own may have clips, of which the configuration knows nothing.
    let frames = if images.images.frames() > 1 { images.images.frames() } else { config.data.clip_frames() };
    let config::Data { size, clutter, .. } = config.data;
    Canvas { height: size, width: size, placement, clutter, scale: config.data.scale(), frames }
}

/// The first images of a split, as many as the configuration asks for. Appends notes on what was left out.
fn selected(config: &Config, split: Split, read: ReadSplit, notes: &mut Vec<String>) -> Result<Labelled, RamError> {
    notes.extend(notes::on(config, split, &read)?);
    let (set, data) = (read.set, &config.data);
    let count = match split {
        Split::Train => data.train,
        Split::Validation => data.validation,
        Split::Test => data.test,
    };
    // A source delivers all its images for 0.
    if count == 0 || count == set.len() {
        return Ok(set);
    }
    if count > set.len() {
        let (key, available) = (split.name(), set.len());
        return Err(RamError::Config(format!("data.{key} is {count}, but this split has only {available} images")));
    }
    Ok(Labelled::new(set.images.first(count), set.labels[..count].to_vec(), set.classes)?)
}

#[cfg(test)]
mod tests;
