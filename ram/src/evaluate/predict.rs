//! Classifies a picture that belongs to no data set.

use autograd::{Tape, math};
use datasets::handwriting::{self, Character};
use datasets::{Layout, Picture};

use super::trace::{Trace, Tracer};
use super::trained::Trained;
use crate::config::{Config, Source};
use crate::data::canvas_of;
use crate::error::RamError;
use crate::model::action::argmax;
use crate::model::{Decisions, DrawKey, Mode};
use crate::runs::checkpoint::Checkpoint;
use crate::tasks::{Inputs, Pictures};

/// How a picture is converted; `None` lets the picture and the run decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// Whether it is inverted. By default this is done if a picture is dark on bright and the run's images are digits, which are
    /// bright on black.
    pub invert: Option<bool>,
    /// Whether its ink is scaled and centred as in MNIST. By default this is done if the run's images are digits and the picture has
    /// another size than they and than the canvas.
    pub like_mnist: Option<bool>,
}

/// A picture that was converted for a run's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The canvas that [`canvas_of`] makes.
    pub canvas: Vec<u8>,
    /// The size of the canvas, and how its pixels lie in memory.
    pub layout: Layout,
    /// The original format, and the changes: `90×60 pixels, colour; made grey; inverted`.
    pub how: String,
    /// Whether it was inverted.
    pub inverted: bool,
}

impl Prepared {
    /// Prepares a picture.
    pub fn new(config: &Config, picture: &Picture, handling: Handling) -> Prepared {
        let Handling { invert, like_mnist } = handling;
        let source = config.data.source;
        let is_bright_on_black = matches!(source, Source::Mnist | Source::FashionMnist | Source::Digits);
        let size = config.data.size;
        // A frame of a clip is a whole canvas already.
        let is_frame = config.data.clip_frames() > 1;
        let edge = if is_frame { size } else { config.data.image_edge().min(size) };
        let fits = [size, edge].iter().any(|&side| [picture.width, picture.height] == [side; 2]);
        let fits = fits || is_frame;
        let like_mnist = like_mnist.unwrap_or(matches!(source, Source::Mnist | Source::Digits) && !fits);
        let inverted = invert.unwrap_or_else(|| (is_bright_on_black || like_mnist) && is_dark_on_bright(picture));
        let colours = |channels| if channels == 1 { "grey" } else { "colour" };
        let mut how = format!("{}×{} pixels, {}", picture.width, picture.height, colours(picture.channels));
        if picture.alpha.is_some() {
            how += ", partly transparent";
        }
        if picture.channels != config.data.channels {
            how += &format!("; made {}", colours(config.data.channels));
        }
        if inverted {
            how += "; inverted";
            if invert.is_none() {
                how += ", since it is dark on bright and the run's images are bright on black";
            }
        }
        let character = if like_mnist { handwriting::like_mnist(picture, inverted) } else { None };
        let (canvas, layout) = match &character {
            Some(Character { image, from, to }) => {
                let side = handwriting::SIDE;
                how += &format!(
                    "; its ink of {}×{} pixels scaled to {}×{} and centred on {side}×{side} pixels, as in MNIST",
                    from[1], from[0], to[1], to[0]
                );
                how += &margins([side; 2], edge, size);
                canvas_of(config, image, false)
            }
            None => {
                if like_mnist {
                    how += "; no ink was found";
                }
                how += &margins([picture.width, picture.height], edge, size);
                canvas_of(config, picture, inverted)
            }
        };
        Prepared { canvas, layout, how, inverted }
    }
}

/// How a picture of this `[width, height]` is brought to the canvas, which has the edge `size`; images have the edge `edge`.
fn margins(picture: [usize; 2], edge: usize, size: usize) -> String {
    if picture == [size; 2] {
        return String::new();
    }
    let fitted = if picture == [edge; 2] { String::new() } else { format!("; made to fit {edge}×{edge} pixels") };
    let margin = if edge < size {
        format!("{} in the middle of a black canvas of {size}×{size} pixels", if fitted.is_empty() { ";" } else { "," })
    } else {
        String::new()
    };
    fitted + &margin
}

/// Whether a picture is dark on a bright ground: its outermost pixels are bright, or they are transparent and the others are
/// dark.
fn is_dark_on_bright(picture: &Picture) -> bool {
    let Picture { height, width, .. } = *picture;
    let outermost = |at: &usize| {
        let (x, y) = (at % width, at / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    };
    let plane = height * width;
    let level = |at: usize| picture.pixels.iter().skip(at).step_by(plane).map(|&x| u64::from(x)).sum::<u64>();
    let opacity = |at: usize| picture.alpha.as_ref().map_or(255, |alpha| u64::from(alpha[at]));
    // Σ level·opacity and Σ 255·opacity over the given pixels.
    let sums = |all: &mut dyn Iterator<Item = usize>| {
        all.fold([0, 0], |[sum, most], at| {
            [sum + level(at) * opacity(at), most + 255 * picture.channels as u64 * opacity(at)]
        })
    };
    let border = (0..plane).filter(outermost).count() as u64;
    let [bright, most] = sums(&mut (0..plane).filter(outermost));
    if 2 * most >= 255 * 255 * picture.channels as u64 * border {
        return 2 * bright > most;
    }
    let [bright, most] = sums(&mut (0..plane));
    2 * bright < most
}

/// Classifies pictures with the network of a checkpoint.
pub struct Predictor {
    trained: Trained,
}

/// The answer for a picture.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The probability of each class after each glimpse; the last row decides. A network that sees the whole image at once has
    /// one row.
    pub probabilities: Vec<Vec<f64>>,
    /// The original format of the picture, and the changes: see [`Prepared::how`].
    pub how: String,
    /// The glimpses, from which they can be drawn; only of the attention model.
    pub trace: Option<Trace>,
}

impl Prediction {
    /// The index of the most likely class after the last glimpse.
    pub fn class(&self) -> usize {
        argmax(self.last())
    }

    /// The probabilities after the last glimpse.
    pub fn last(&self) -> &[f64] {
        self.probabilities.last().map_or(&[], Vec::as_slice)
    }
}

impl Predictor {
    /// Restores the network of a checkpoint.
    ///
    /// # Errors
    /// [`RamError::Config`] if the network plays games; or the checkpoint belongs to another model.
    pub fn new(checkpoint: &Checkpoint) -> Result<Predictor, RamError> {
        let trained = Trained::of(checkpoint)?;
        if trained.task.decisions() == Decisions::Each {
            return Err(RamError::Config(format!(
                "{}: this run plays games and cannot classify pictures; name a run that was trained on images",
                checkpoint.path.display()
            )));
        }
        Ok(Predictor { trained })
    }

    /// The number of frames of a clip that the run looks at: 1 for images.
    pub fn frames(&self) -> usize {
        self.config().data.clip_frames()
    }

    /// The run's configuration.
    pub fn config(&self) -> &Config {
        &self.trained.config
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.trained.outputs
    }

    /// Classifies a picture, which is prepared by [`Prepared::new`].
    ///
    /// # Errors
    /// [`RamError::Config`] if the checkpoint and its configuration disagree on the channels.
    pub fn predict(&self, picture: &Picture, handling: Handling) -> Result<Prediction, RamError> {
        self.predict_clip(std::slice::from_ref(picture), handling)
    }

    /// Classifies a clip by its frames, each of which is prepared by [`Prepared::new`].
    ///
    /// # Errors
    /// As [`predict`](Self::predict), or the run looks at clips with another number of frames.
    ///
    /// # Panics
    /// If there is no frame.
    pub fn predict_clip(&self, frames: &[Picture], handling: Handling) -> Result<Prediction, RamError> {
        let Prepared { mut canvas, layout, mut how, inverted } = Prepared::new(self.config(), &frames[0], handling);
        // All frames are handled as the first one.
        let handling = Handling { invert: Some(inverted), ..handling };
        let others = frames[1..].iter().map(|frame| Prepared::new(self.config(), frame, handling).canvas);
        others.for_each(|frame| canvas.extend_from_slice(&frame));
        if frames.len() > 1 {
            how = format!("{} frames, the first of {how}", frames.len());
        }
        if let Ok(tracer) = Tracer::new(&self.trained) {
            let trace = tracer.trace_image(&canvas, layout, frames.len())?;
            let probabilities = trace.glimpses.iter().map(|glimpse| glimpse.probabilities.clone()).collect();
            return Ok(Prediction { probabilities, how, trace: Some(trace) });
        }
        let key = DrawKey { mode: Mode::Best, seed: 0, epoch: 0, samples: &[0], copies: 1 };
        let inputs = Inputs { key, pictures: Pictures::new(&canvas, layout, None, [1, 1]), labels: &[0] };
        let (mut tape, mut recorder) = (Tape::new(), self.trained.task.recorder(&self.trained.config));
        let t = tape.begin(&self.trained.params);
        let logits = recorder.observe(&t, &self.trained.network, &inputs).logits.log_softmax();
        let probabilities = logits.value().iter().map(|&x| math::exp(f64::from(x))).collect();
        Ok(Prediction { probabilities: vec![probabilities], how, trace: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(pixels: Vec<u8>, alpha: Option<Vec<u8>>) -> Picture {
        Picture { channels: 1, height: pixels.len() / 3, width: 3, pixels, alpha }
    }

    #[test]
    fn dark_on_bright_is_seen_at_the_border_or_where_that_is_transparent_in_the_middle() {
        let around =
            |border: u8, middle: u8| vec![border, border, border, border, middle, border, border, border, border];
        assert!(is_dark_on_bright(&grey(around(200, 0), None)));
        assert!(!is_dark_on_bright(&grey(around(50, 255), None)));
        let clear = Some(around(0, 255));
        assert!(is_dark_on_bright(&grey(around(0, 10), clear.clone())), "ink on nothing");
        assert!(!is_dark_on_bright(&grey(around(255, 240), clear)), "chalk on nothing");
        let colour = Picture { channels: 3, height: 1, width: 1, pixels: vec![255, 255, 0], alpha: None };
        assert!(is_dark_on_bright(&colour) && !is_dark_on_bright(&Picture { pixels: vec![0, 0, 255], ..colour }));
    }

    #[test]
    fn only_digits_are_inverted_by_default_and_the_text_says_so() {
        let mut config = Config::preset("translated").unwrap();
        let picture = grey([[255; 3], [255, 0, 255], [255; 3]].concat(), None);
        let invert = |invert| Handling { invert, like_mnist: Some(false) };
        let prepared = Prepared::new(&config, &picture, invert(None));
        assert_eq!(
            prepared.how,
            "3×3 pixels, grey; inverted, since it is dark on bright and the run's images are bright on black; made to fit 28×28 \
             pixels, in the middle of a black canvas of 60×60 pixels"
        );
        assert!(prepared.canvas.len() == 3600 && prepared.canvas[0] == 0 && prepared.canvas[60 * 30 + 30] > 200);
        assert!(!Prepared::new(&config, &picture, invert(Some(false))).how.contains("inverted"));
        config.data.source = Source::Folder;
        assert!(!Prepared::new(&config, &picture, invert(None)).how.contains("inverted"));
        assert!(Prepared::new(&config, &picture, invert(Some(true))).how.contains("; inverted;"));
    }

    #[test]
    fn digits_are_centred_as_in_mnist_unless_they_have_the_size_already() {
        let mut config = Config::preset("translated").unwrap();
        let ink = |i: usize| if (40..60).contains(&(i / 90)) && (10..15).contains(&(i % 90)) { 20 } else { 230 };
        let picture = |side: [usize; 2]| {
            let [height, width] = side;
            Picture { channels: 1, height, width, pixels: (0..height * width).map(ink).collect(), alpha: None }
        };
        let own = Handling::default();
        let prepared = Prepared::new(&config, &picture([100, 90]), own);
        assert_eq!(
            prepared.how,
            "90×100 pixels, grey; inverted, since it is dark on bright and the run's images are bright on black; its ink of 5×20 \
             pixels scaled to 5×20 and centred on 28×28 pixels, as in MNIST; in the middle of a black canvas of 60×60 pixels"
        );
        let lit: Vec<usize> = (0..3600).filter(|&i| prepared.canvas[i] > 0).collect();
        assert!(lit.len() == 100 && lit.iter().all(|i| (20..40).contains(&(i / 60)) && (27..33).contains(&(i % 60))));
        for side in [28, 60] {
            assert!(!Prepared::new(&config, &picture([side; 2]), own).how.contains("MNIST"), "{side}");
        }
        let blank = Picture { pixels: vec![9; 9000], ..picture([100, 90]) };
        assert!(Prepared::new(&config, &blank, own).how.contains("no ink was found; made to fit 28×28"));
        config.data.source = Source::Folder;
        assert!(!Prepared::new(&config, &picture([100, 90]), own).how.contains("MNIST"));
        let asked = Handling { like_mnist: Some(true), ..own };
        assert!(Prepared::new(&config, &picture([100, 90]), asked).how.contains("as in MNIST"));
    }
}
