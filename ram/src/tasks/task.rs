//! What a task is: the only way from a batch of inputs to a loss, to a verdict and to what was seen.

use std::ops::Range;
use std::path::Path;

use autograd::{Recording, Var};
use datasets::{Batch, Canvases, DigitBox, Layout, shown};

use crate::config::Config;
use crate::error::RamError;
use crate::losses::LossTerms;
use crate::model::{Decisions, DrawKey, Episode, Mode};
use crate::network::Network;
use crate::split::SplitName;

/// Something that a network can be trained for: to classify images, to play a game.
///
/// A task is cheap to make; its data are opened when they are asked for. Training, evaluation, traces, reports and `ram explain`
/// know tasks by this trait alone.
pub trait Task: Send + Sync {
    /// When the network decides.
    fn decisions(&self) -> Decisions;

    /// Opens what training may see; with `data.train_on_validation`, the validation examples are among the training ones too. The
    /// test part stays closed. Files are looked for in `dir`, else where the configuration
    /// or the environment says.
    ///
    /// # Errors
    /// Missing or damaged data, or a configuration that does not fit the task.
    fn training(&self, config: &Config, dir: Option<&Path>) -> Result<Training, RamError>;

    /// Opens one of the parts that a network is judged on.
    ///
    /// # Errors
    /// As [`Task::training`].
    fn examples(&self, config: &Config, split: SplitName, dir: Option<&Path>) -> Result<Examples, RamError>;

    /// A recorder with memory of its own. Each thread needs one.
    fn recorder(&self, config: &Config) -> Box<dyn Recorder>;

    /// How many examples the players without a network would fail, as shares from 0 to 1. Only games have such players.
    fn scripted(&self, _: &Config) -> Option<Scripted> {
        None
    }
}

/// Records on a tape what a network does with some inputs, and what it is to be blamed for.
pub trait Recorder: Send {
    /// Records what the network does.
    fn observe<'t>(&mut self, t: &'t Recording<'t, f32>, network: &Network, inputs: &Inputs) -> Observed<'t>;

    /// Records the loss of what was just observed. `episodes` is M of the whole batch, of which the inputs may be a part.
    fn loss<'t>(&mut self, observed: &Observed<'t>, episodes: usize) -> LossTerms<'t, f32>;

    /// From a batch to a loss: [`observe`](Self::observe), then [`loss`](Self::loss).
    fn record<'t>(
        &mut self,
        t: &'t Recording<'t, f32>,
        network: &Network,
        inputs: &Inputs,
        episodes: usize,
    ) -> Recorded<'t> {
        let observed = self.observe(t, network, inputs);
        let loss = self.loss(&observed, episodes);
        Recorded { observed, loss }
    }

    /// How wrong episode `i` of those just observed is: 1 for a wrong answer and 0 for a right one, or the share of the best
    /// return that a game missed.
    fn error(&self, observed: &Observed, i: usize) -> f64;

    /// How each of the inputs just observed fared, one episode for each.
    fn judge(&self, network: &Network, observed: &Observed, inputs: &Inputs) -> Verdict;

    /// The image [channels, height, width] that episode `i` of those just observed saw at glimpse `step`, from 0. After the
    /// last glimpse of a game, it is how the game ended.
    fn picture(&self, inputs: &Inputs, step: usize, i: usize) -> Vec<u8>;

    /// The [channels, height, width] of such an image.
    fn picture_size(&self, inputs: &Inputs) -> [usize; 3];

    /// Where the thing to look at lay in each of the episodes just observed at glimpse `step`, from 0, if that is known.
    fn targets<'a>(&'a self, inputs: &Inputs<'a>, step: usize) -> Option<&'a [DigitBox]>;

    /// The rewards of the episodes just observed, [steps, episodes]; empty where only the answer is rewarded.
    fn rewards(&self) -> &[f32] {
        &[]
    }
}

/// Some consecutive inputs of a batch or of the examples.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The inputs' numbers, and how their episodes are drawn.
    pub key: DrawKey<'a>,
    /// What they look like; games have no pictures before they are played.
    pub pictures: Pictures<'a>,
    /// The class of each image; without a meaning for games.
    pub labels: &'a [u32],
}

/// An image for each of some inputs, or the frames of a clip for each.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    /// [frames, all] images, of which those in `range` are meant.
    pixels: &'a [u8],
    /// Where the source image lies on each of them, where there is one.
    boxes: Option<&'a [DigitBox]>,
    /// Whether the digit fills its source image.
    is_placed: bool,
    layout: Layout,
    frames: usize,
    all: usize,
    first: usize,
    count: usize,
}

impl<'a> Pictures<'a> {
    /// All images of `[frames, count]` images, whose pixels lie as `layout` says, and where the source image lies on each of them.
    ///
    /// # Panics
    /// If there are other numbers of pixels or boxes.
    pub fn new(pixels: &'a [u8], layout: Layout, boxes: Option<&'a [DigitBox]>, [frames, count]: [usize; 2]) -> Self {
        assert_eq!(pixels.len(), frames * count * layout.len(), "Pictures: the length of `pixels`");
        assert!(boxes.is_none_or(|boxes| boxes.len() == frames * count), "Pictures: the number of boxes");
        Pictures { pixels, boxes, is_placed: true, layout, frames, all: count, first: 0, count }
    }

    /// The pictures of the inputs `range`.
    fn part(self, range: Range<usize>) -> Self {
        Pictures { first: self.first + range.start, count: range.len(), ..self }
    }

    /// The number of frames of each clip: 1 for images.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The size of an image, and how its pixels lie in memory.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The images that the inputs are at glimpse `step`, from 0, one after the other: a new frame at each glimpse, up to the last frame.
    pub fn pixels(&self, step: usize) -> &'a [u8] {
        let (begin, image) = (self.begin(step), self.layout.len());
        &self.pixels[begin * image..(begin + self.count) * image]
    }

    /// Where the source image lies on each of these images, where there is one.
    pub fn boxes(&self, step: usize) -> Option<&'a [DigitBox]> {
        let begin = self.begin(step);
        self.boxes.map(|boxes| &boxes[begin..begin + self.count])
    }

    /// The same, where the digit fills its source image, so that it is known where it lies.
    pub fn digits(&self, step: usize) -> Option<&'a [DigitBox]> {
        self.boxes(step).filter(|_| self.is_placed)
    }

    /// Says whether digits fill their source images.
    fn placed(self, is_placed: bool) -> Self {
        Pictures { is_placed, ..self }
    }

    fn begin(&self, step: usize) -> usize {
        step.min(self.frames - 1) * self.all + self.first
    }
}

impl<'a> Inputs<'a> {
    /// A part of a training batch, `copies` episodes of each input.
    pub fn of_batch(batch: &'a Batch, range: Range<usize>, seed: u64, epoch: u64, copies: usize) -> Inputs<'a> {
        // Games have neither images nor boxes.
        let frames = batch.frames.max(1);
        let boxes = Some(&*batch.boxes).filter(|boxes| boxes.len() == frames * batch.len());
        let pictures = Pictures::new(&batch.pixels, batch.layout, boxes, [frames, batch.len()]);
        Inputs {
            key: DrawKey { mode: Mode::Sample, seed, epoch, samples: &batch.samples[range.clone()], copies },
            pictures: pictures.part(range.clone()),
            labels: &batch.labels[range],
        }
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.key.samples.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.key.samples.is_empty()
    }
}

/// What a network did.
pub struct Observed<'t> {
    /// The episode of the attention model; `None` of a network that sees everything at once.
    pub episode: Option<Episode<'t, f32>>,
    /// What the network said at its last decision, [episodes, outputs].
    pub logits: Var<'t, f32>,
}

/// A batch's way to its loss.
pub struct Recorded<'t> {
    /// What the network did.
    pub observed: Observed<'t>,
    /// What it is blamed for.
    pub loss: LossTerms<'t, f32>,
}

/// How some inputs fared.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How wrong each input is: see [`Recorder::error`].
    pub errors: Vec<f64>,
    /// The numbers of the inputs that were answered wrongly, or of the games that were lost.
    pub wrong: Vec<u32>,
    /// Cross entropy of each input in nats. Games have none.
    pub loss: Vec<f64>,
    /// How many inputs of each class (row) were taken for which class (column), row after row. Games have none.
    pub confusion: Vec<u32>,
    /// How many answers would be wrong if the network decided after 1, 2, … T glimpses. Games have none.
    pub wrong_after: Vec<u32>,
}

/// What training sees.
pub struct Training {
    /// The batches of an epoch.
    pub batches: Box<dyn Batches>,
    /// What is validated on after each epoch.
    pub validation: Examples,
    /// Channels of an image.
    pub channels: usize,
    /// The names of the classes or actions.
    pub outputs: Vec<String>,
    /// What was left out of the data, one line each.
    pub notes: Vec<String>,
    /// The data at a glance: `1600 training images, 4 classes`.
    pub summary: String,
}

/// The batches of an epoch, one after the other.
pub trait Batches: Send {
    /// How many batches an epoch has.
    fn steps(&self) -> usize;

    /// Begins an epoch at batch `first`, from 0.
    fn begin(&mut self, epoch: u64, first: usize);

    /// The next batch, or `None` at the end of the epoch. It is lent until the next one is asked for.
    ///
    /// # Errors
    /// Batches that cannot be prepared.
    fn next_batch(&mut self) -> Result<Option<&Batch>, RamError>;
}

/// What a network is judged on: images that are always the same, or games that are known by their numbers.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// How many there are.
    pub count: usize,
    /// The images; `None` of games.
    pub images: Option<Canvases>,
    /// Whether it is known where the digit lies on each image.
    pub is_placed: bool,
    /// The epoch under which games and first locations are drawn.
    pub epoch: u64,
    /// The names of the classes or actions.
    pub outputs: Vec<String>,
    /// What was left out of the data, one line each.
    pub notes: Vec<String>,
}

impl Examples {
    /// The shape of an image, [channels, height, width]; zeros of games, whose screens are drawn as they are played.
    pub fn size(&self) -> [usize; 3] {
        self.images.as_ref().map_or([0; 3], |images| images.layout().size())
    }

    /// Cuts a range of examples into parts of at most `most`; of large images and of clips, parts are smaller, so that drawing them takes
    /// no more than 64 MiB at the same time unless a single one does.
    pub fn chunks(&self, range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let bytes = self.images.as_ref().map_or(0, |images| images.layout().len() * images.frames());
        let len = ((64 << 20) / bytes.max(1)).clamp(1, most);
        let end = range.end;
        range.step_by(len).map(move |start| start..(start + len).min(end))
    }

    /// Hands the inputs `range` to `with`, drawn as in evaluation: by a fixed seed, with the most likely choices. `pass` counts
    /// the passes over the same images, from 0.
    ///
    /// # Panics
    /// Where the range leaves the examples, as slices do.
    pub fn inputs<T>(&self, range: Range<usize>, pass: u64, with: impl FnOnce(&Inputs) -> T) -> T {
        let samples: Vec<u32> = (range.start as u32..range.end as u32).collect();
        let images = self.images.as_ref();
        let labels =
            images.map(|images| images.labels()[range.clone()].iter().map(|&label| u32::from(label)).collect());
        let labels: Vec<u32> = labels.unwrap_or_else(|| vec![0; samples.len()]);
        // For images that are not in memory.
        let mut buffer = Batch::default();
        let (pixels, boxes) = images.map_or((&[][..], &[][..]), |images| images.view(range, &mut buffer));
        with(&Inputs {
            key: DrawKey {
                mode: Mode::Best,
                seed: crate::data::FIXED_SEED,
                epoch: self.epoch + pass,
                samples: &samples,
                copies: 1,
            },
            pictures: Pictures::new(
                pixels,
                images.map_or(Layout::default(), Canvases::layout),
                Some(boxes).filter(|_| images.is_some()),
                [images.map_or(1, Canvases::frames), samples.len()],
            )
            .placed(self.is_placed),
            labels: &labels,
        })
    }
}

/// The shares of test games that players without a network fail, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scripted {
    /// One that acts at random.
    pub random: f64,
    /// One that knows everything, where the rules have one.
    pub oracle: Option<f64>,
}

/// Whether data still have the classes that a network was trained on.
///
/// # Errors
/// [`RamError::Data`] with both lists.
pub fn check_classes(trained: &[String], found: &[String]) -> Result<(), RamError> {
    if trained == found {
        return Ok(());
    }
    let names = |names: &[String]| names.iter().map(|name| shown::name(name)).collect::<Vec<_>>().join(", ");
    Err(RamError::Data(format!(
        "the data have the classes {}, but the run was trained on {}; put the data back as they were, name others with these \
         classes, or train anew",
        names(found),
        names(trained)
    )))
}
