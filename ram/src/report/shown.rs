//! The images and games that the player steps through.

use autograd::{Shape, Tape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasets::{Batch, Canvases};

use super::data::{Item, Step};
use super::weights::signed_bytes;
use crate::data::FIXED_SEED;
use crate::error::RamError;
use crate::evaluate::trace::{Glimpse, Trace, Tracer, Window};
use crate::evaluate::trained::Trained;
use crate::model::action::argmax;
use crate::model::{DrawKey, Draws, Images, Mode};
use crate::network::Network;
use crate::tasks::Examples;

/// Bytes of pixels in a report, at most.
const BUDGET: usize = 900_000;

/// The height and width, in pixels, below which images do not shrink.
const SMALLEST: usize = 32;

/// The numbers to show: those chosen, then half of the rest wrong ones and half right ones, each in their order.
///
/// # Errors
/// [`RamError::Config`] where a chosen one is beyond `total`.
pub fn choose(chosen: &[usize], wrong: &[u32], total: usize, count: usize) -> Result<Vec<usize>, RamError> {
    if let Some(beyond) = chosen.iter().find(|&&index| index >= total) {
        return Err(RamError::Config(format!("--image {beyond}: there are {total}, numbered from 0")));
    }
    let mut numbers = chosen.to_vec();
    let mut add = |candidates: &mut dyn Iterator<Item = usize>, up_to: usize| {
        for index in candidates {
            if numbers.len() < up_to && !numbers.contains(&index) {
                numbers.push(index);
            }
        }
    };
    let wrong_ones = || wrong.iter().map(|&index| index as usize);
    add(&mut wrong_ones(), chosen.len().max(count.div_ceil(2)));
    add(&mut (0..total).filter(|&index| wrong.binary_search(&(index as u32)).is_err()), count);
    // Where almost all are wrong.
    add(&mut wrong_ones(), count);
    Ok(numbers)
}

/// How the images of a report are embedded so that the page stays small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// The number of images or games.
    pub count: usize,
    /// The number of pixels, along each axis, that become one.
    factor: usize,
}

impl Embedding {
    /// How `count` images of `[channels, height, width]` fit. They shrink to [`SMALLEST`] pixels at least; then there are fewer.
    pub fn fitting(count: usize, size: [usize; 3], frames: usize) -> Embedding {
        // Pixels and saliency, in base 64.
        let bytes = |factor: usize| {
            let [height, width] = Embedding { count, factor }.size(size);
            ((size[0] * frames + 1) * height * width * 4 / 3).max(1)
        };
        let most = (size[1].min(size[2]) / SMALLEST).max(1);
        let factor = (1..most).find(|&factor| count * bytes(factor) <= BUDGET).unwrap_or(most);
        Embedding { count: count.min((BUDGET / bytes(factor)).max(1)), factor }
    }

    /// The `[height, width]` of an embedded image.
    fn size(self, [_, height, width]: [usize; 3]) -> [usize; 2] {
        [height, width].map(|side| side.div_ceil(self.factor))
    }

    /// What is told of it, where `asked` images were asked for.
    pub fn told(self, asked: usize, size: [usize; 3]) -> Option<String> {
        let [height, width] = self.size(size);
        let smaller = (self.factor > 1)
            .then(|| format!("they are embedded at {width}×{height} pixels, not {}×{}", size[2], size[1]));
        let fewer = (self.count < asked).then(|| format!("there are {} instead of {asked}", self.count));
        let told: Vec<String> = smaller.into_iter().chain(fewer).collect();
        let small = (!told.is_empty()).then(|| format!("So that this page stays small, {}.", told.join(", and ")));
        let slope =
            is_large(size).then(|| "Which pixels moved the decision is not shown of such large images.".to_owned());
        small.into_iter().chain(slope).reduce(|a, b| a + " " + &b)
    }

    /// The mean of each block of pixels, plane after plane.
    fn shrunk(self, levels: &[f32], size: [usize; 3]) -> Vec<f32> {
        let [_, height, width] = size;
        let [rows, columns] = self.size(size);
        let mut out = Vec::with_capacity(levels.len() / self.factor / self.factor);
        for plane in levels.chunks_exact((height * width).max(1)) {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let [ys, xs] = [(row, height), (column, width)]
                    .map(|(at, end)| at * self.factor..((at + 1) * self.factor).min(end));
                let count = (ys.len() * xs.len()) as f32;
                let sum: f32 = ys.map(|y| plane[y * width..][xs.clone()].iter().sum::<f32>()).sum();
                out.push(sum / count);
            }
        }
        out
    }
}

/// Images and games, as the network saw them.
pub fn items(
    trained: &Trained,
    tracer: Option<Tracer>,
    examples: &Examples,
    numbers: &[usize],
    embedding: Embedding,
) -> Vec<Item> {
    let mut tape = Tape::new();
    let item = |&index: &usize| {
        let trace = tracer.map(|tracer| tracer.trace(examples, index..index + 1).remove(0));
        match (&examples.images, trace) {
            (Some(images), trace) => image(trained, images, index, trace, embedding, &mut tape),
            (None, Some(trace)) => game(&trace),
            (None, None) => Item { index, ..Item::default() },
        }
    };
    numbers.iter().map(item).collect()
}

/// An image, and which of its pixels moved the decision.
fn image(
    trained: &Trained,
    images: &Canvases,
    index: usize,
    trace: Option<Trace>,
    embedding: Embedding,
    tape: &mut Tape<f32>,
) -> Item {
    let size = images.layout().size();
    let embedded = |rows: &[u8]| {
        let levels: Vec<f32> = rows.iter().map(|&level| f32::from(level)).collect();
        let bytes: Vec<u8> = embedding.shrunk(&levels, size).iter().map(|&level| (level + 0.5) as u8).collect();
        STANDARD.encode(bytes)
    };
    let label = usize::from(images.labels()[index]);
    let item = |answer: usize, steps: Vec<Step>| Item {
        index,
        right: answer == label,
        label: Some(label),
        answer: Some(answer),
        size,
        embedded: (embedding.factor > 1).then(|| embedding.size(size)),
        pixels: Some(embedded(&images.rows(index))),
        steps,
        ..Item::default()
    };
    // The slope by the pixels needs several numbers for each of them.
    if let Some(trace) = trace.as_ref().filter(|_| images.frames() > 1 || is_large(size)) {
        let frame = |i: usize| (images.frames() > 1).then(|| embedded(trace.picture(i)));
        let steps = trace.glimpses.iter().enumerate();
        return item(
            trace.answer(),
            steps.map(|(i, at)| Step { frame: frame(i), ..step(at, trace.channels) }).collect(),
        );
    }
    let (probabilities, saliency) = saliency(trained, images, index, tape);
    let steps = match trace {
        Some(trace) => trace.glimpses.iter().map(|glimpse| step(glimpse, trace.channels)).collect(),
        // A network that sees everything has one look, and no place.
        None => vec![Step { probabilities: rounded(&probabilities), ..Step::default() }],
    };
    let saliency = Some(signed_bytes(&embedding.shrunk(&saliency, size)).0);
    Item { saliency, ..item(argmax(&probabilities), steps) }
}

/// A game, as it was played.
fn game(trace: &Trace) -> Item {
    let steps = trace.glimpses.iter().enumerate();
    Item {
        index: trace.index,
        right: trace.right() == Some(true),
        size: [trace.channels, trace.height, trace.width],
        steps: steps
            .map(|(i, glimpse)| Step { lit: Some(lit(trace.picture(i))), ..step(glimpse, trace.channels) })
            .collect(),
        end: Some(lit(trace.picture(trace.glimpses.len()))),
        ..Item::default()
    }
}

fn step(glimpse: &Glimpse, channels: usize) -> Step {
    Step {
        at: Some(glimpse.location.map(|l| round(l, 1e4))),
        windows: glimpse.windows.iter().map(corner).collect(),
        rho: Some(STANDARD.encode(glimpse.seen(channels))),
        probabilities: rounded(&glimpse.probabilities),
        baseline: glimpse.baseline.map(|b| round(b, 1e4)),
        frame: None,
        lit: None,
        action: glimpse.action,
    }
}

/// Whether an image is so large that the slope by its pixels is left out.
fn is_large([_, height, width]: [usize; 3]) -> bool {
    height * width > 1 << 22
}

/// The probabilities of an image's classes, and ∂(the winner's logit)/∂pixel, [height, width], channels added up: through
/// all glimpses, their locations held where they were.
fn saliency(trained: &Trained, set: &Canvases, index: usize, tape: &mut Tape<f32>) -> (Vec<f64>, Vec<f32>) {
    let [channels, height, width] = set.layout().size();
    let levels: Vec<f32> = set.rows(index).iter().map(|&level| f32::from(level)).collect();
    let t = tape.begin(&trained.params);
    let pixels = t.input(Shape::new(&[1, channels, height, width]), &levels);
    let logits = match &trained.network {
        Network::Agent(agent) => {
            let mut draws = Draws::default();
            let samples = &[index as u32];
            draws.draw(agent.plan(), &DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch: 0, samples, copies: 1 });
            let mut buffer = Batch::default();
            let (_, boxes) = set.view(index..index + 1, &mut buffer);
            draws.aim(agent.plan(), |_| Some(boxes), 1, [width, height]);
            agent.look(&t, Images::Var(pixels), &draws).last_decision()
        }
        Network::Comparator(comparator) => comparator.logits(&t, Images::Var(pixels)),
    };
    let answer = argmax(&logits.value());
    let probabilities = logits.log_softmax().exp().value().iter().map(|&p| f64::from(p)).collect();
    let only: Vec<f32> = (0..logits.shape().len()).map(|class| if class == answer { 1.0 } else { 0.0 }).collect();
    (logits * t.constant(logits.shape(), &only)).sum().sweep();
    let gradient = pixels.grad();
    let mut sum = vec![0.0; height * width];
    for channel in gradient.chunks_exact((height * width).max(1)) {
        sum.iter_mut().zip(channel).for_each(|(sum, d)| *sum += d);
    }
    (probabilities, sum)
}

fn corner(&Window { x, y, side }: &Window) -> [i64; 3] {
    [x, y, side]
}

fn lit(screen: &[u8]) -> Vec<usize> {
    (0..screen.len()).filter(|&at| screen[at] > 0).collect()
}

fn rounded(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| round(x, 1e4)).collect()
}

fn round(x: f64, to: f64) -> f64 {
    (x * to).round() / to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::trace::tests::trained;
    use crate::split::SplitName;

    #[test]
    fn wrong_ones_come_first_and_none_comes_twice() {
        let pick = |chosen: &[usize], wrong: &[u32], total, count| choose(chosen, wrong, total, count).unwrap();
        assert_eq!(pick(&[], &[3, 5, 7], 10, 4), [3, 5, 0, 1]);
        assert_eq!(pick(&[5, 9], &[3, 5, 7], 10, 6), [5, 9, 3, 0, 1, 2]);
        assert_eq!(pick(&[], &[3], 10, 4), [3, 0, 1, 2]);
        assert_eq!(pick(&[], &[0, 1, 2, 3], 4, 4), [0, 1, 2, 3]);
        assert_eq!(pick(&[8, 9], &[3], 10, 1), [8, 9]);
        let error = choose(&[10], &[], 10, 4).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("--image 10"), "{error}");
    }

    #[test]
    fn large_images_are_smaller_and_then_fewer() {
        let fitting = |count, size| {
            let found = Embedding::fitting(count, size, 1);
            (found.count, found.size(size), found.told(count, size))
        };
        assert_eq!(fitting(24, [1, 28, 28]), (24, [28, 28], None));
        assert_eq!(fitting(24, [0; 3]), (24, [0; 2], None), "games have no images");
        let told = "So that this page stays small, they are embedded at 64×64 pixels, not 256×256.";
        assert_eq!(fitting(24, [3, 256, 256]), (24, [64, 64], Some(told.to_owned())));
        let (count, size, told) = fitting(1000, [3, 250, 250]);
        assert_eq!((count, size), (130, [36, 36]));
        assert!(told.unwrap().ends_with("36×36 pixels, not 250×250, and there are 130 instead of 1000."));
    }

    #[test]
    fn pixels_shrink_to_the_means_of_blocks() {
        let embedding = Embedding { count: 1, factor: 2 };
        let levels: Vec<f32> = (0..18).map(|i| i as f32).collect();
        assert_eq!(embedding.shrunk(&levels, [2, 3, 3]), [2.0, 3.5, 6.5, 8.0, 11.0, 12.5, 15.5, 17.0]);
        assert_eq!(Embedding { count: 1, factor: 1 }.shrunk(&levels, [2, 3, 3]), levels);
    }

    /// The winner's logit after one pixel is changed by a little, against the gradient of that pixel.
    #[test]
    fn saliency_is_the_slope_of_the_winning_logit() {
        for sets in [&["model.kind=fc"][..], &["model.retina=bilinear"], &["model.scales=1", "policy.locations=centre"]]
        {
            let checkpoint = trained("demo", sets);
            let trained = Trained::of(&checkpoint).unwrap();
            let examples = trained.examples(SplitName::Validation, None).unwrap();
            let set = examples.images.as_ref().unwrap();
            let (probabilities, slope) = saliency(&trained, set, 3, &mut Tape::new());
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            let steepest = argmax(&slope.iter().map(|d| d.abs()).collect::<Vec<_>>());
            let logit = |change: f32| -> f64 {
                let mut tape = Tape::new();
                let t = tape.begin(&trained.params);
                let mut levels: Vec<f32> = set.rows(3).iter().map(|&x| f32::from(x)).collect();
                levels[steepest] += change;
                let size = trained.config.data.size;
                let pixels = Images::Var(t.input(Shape::new(&[1, 1, size, size]), &levels));
                let logits = match &trained.network {
                    Network::Comparator(comparator) => comparator.logits(&t, pixels),
                    Network::Agent(agent) => {
                        // As training draws it, but where the policy's mean does not follow the change.
                        let mut draws = Draws::default();
                        let key = DrawKey { mode: Mode::Best, seed: FIXED_SEED, epoch: 0, samples: &[3], copies: 1 };
                        draws.draw(agent.plan(), &key);
                        agent.look(&t, pixels, &draws).last_decision()
                    }
                };
                f64::from(logits.value()[argmax(&probabilities)])
            };
            let measured = logit(0.5) - logit(-0.5);
            let found = f64::from(slope[steepest]);
            assert!(found != 0.0 && (measured - found).abs() < 0.1 * found.abs(), "{sets:?}: {measured}, {found}");
        }
    }
}
