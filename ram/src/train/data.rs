//! The images that a configuration names: training canvases drawn anew, validation and test canvases drawn once.

use std::path::Path;
use std::sync::Arc;

use datasets::rng::{Key, Purpose};
use datasets::{Canvas, DataError, Digits, Fixed, Labelled, Loader, Mnist, Placement, Splits, data_dir, fixed};

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
}

impl TrainingData {
    /// Opens the training and validation images. The test split stays closed.
    ///
    /// # Errors
    /// Missing or damaged files, or canvases that cannot be drawn from the images.
    pub fn open(config: &Config, dir: Option<&Path>) -> Result<TrainingData, RamError> {
        let Splits { train, validation } = source(config, dir)?.train_validation()?;
        let [train_count, validation_count, _] = config.data.counts();
        let (train, validation) = (first(train, train_count)?, first(validation, validation_count)?);
        let canvas = canvas(config);
        canvas.validate(&train.images)?;
        let validation = fixed(&validation, &canvas, FIXED_SEED, Purpose::ValidationCanvas)?;
        Ok(TrainingData { train: Arc::new(train), validation, canvas })
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
    let test = first(source(config, dir)?.test()?, config.data.counts()[2])?;
    Ok(fixed(&test, &canvas(config), FIXED_SEED, Purpose::TestCanvas)?)
}

fn source(config: &Config, dir: Option<&Path>) -> Result<Box<dyn datasets::images::Source>, RamError> {
    Ok(match config.data.source {
        Source::Mnist => Box::new(Mnist { dir: data_dir(dir)? }),
        Source::Catch => {
            return Err(RamError::Config(
                "data.source is catch, which has games and no images; choose mnist or digits".to_owned(),
            ));
        }
        Source::Digits => {
            let [train, validation, test] = config.data.counts().map(|count| u32::try_from(count).unwrap_or(u32::MAX));
            Box::new(Digits { seed: FIXED_SEED, train, validation, test })
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
    if count > split.len() {
        return Err(RamError::Config(format!(
            "data: {count} images are asked for, but this split has {}",
            split.len()
        )));
    }
    if count == split.len() {
        return Ok(split);
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
        assert_eq!(RamError::from(DataError::NoFolder).exit_code(), 3);
    }
}
