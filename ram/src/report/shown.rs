//! The images and games that the player steps through.

use autograd::{Params, Shape, Tape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datasets::Fixed;

use super::data::{Item, Step};
use super::weights::signed_bytes;
use crate::config::Config;
use crate::data::FIXED_SEED;
use crate::error::RamError;
use crate::evaluate::trace::{Frame, GameTrace, Glimpse, Trace, Tracer, Window};
use crate::model::Images;
use crate::model::action::argmax_of;
use crate::model::agent::{Draws, Mode};
use crate::split::SplitName;
use crate::train::learner::Network;

/// Bytes of pixels in a report, at most.
const BUDGET: usize = 900_000;

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

/// How many images of so many bytes fit into a report that asks for `count`.
pub fn fitting(count: usize, bytes: usize) -> usize {
    // Pixels and saliency, in base 64.
    count.min((BUDGET / (bytes * 8 / 3).max(1)).max(1))
}

/// Images, as the network saw them.
pub fn images(
    config: &Config,
    network: &Network,
    params: &Params<f32>,
    tracer: Option<&Tracer>,
    set: &Fixed,
    numbers: &[usize],
) -> Vec<Item> {
    let mut tape = Tape::new();
    let source = &set.set.images;
    let item = |&index: &usize| {
        let (probabilities, saliency) = saliency(config, network, params, set, index, &mut tape);
        let label = usize::from(set.set.labels[index]);
        let traced = tracer.map(|tracer| tracer.trace(set, index..index + 1).remove(0));
        let steps = match traced {
            Some(trace) => glimpses(&trace, config),
            // A network that sees everything has one look, and no place.
            None => vec![Step { probabilities: rounded(&probabilities), ..nowhere() }],
        };
        let answer = argmax_of(&probabilities);
        Item {
            index,
            right: answer == label,
            label: Some(label),
            answer: Some(answer),
            size: [source.channels(), source.height(), source.width()],
            pixels: Some(STANDARD.encode(source.image(index))),
            saliency: Some(signed_bytes(&saliency).0),
            steps,
            end: None,
        }
    };
    numbers.iter().map(item).collect()
}

/// The probabilities of an image's classes, and ∂(the winner's logit)/∂pixel, [height, width], channels added up: through
/// all glimpses, their locations held where they were.
fn saliency(
    config: &Config,
    network: &Network,
    params: &Params<f32>,
    set: &Fixed,
    index: usize,
    tape: &mut Tape<f32>,
) -> (Vec<f64>, Vec<f32>) {
    let source = &set.set.images;
    let [channels, height, width] = [source.channels(), source.height(), source.width()];
    let levels: Vec<f32> = source.image(index).iter().map(|&level| f32::from(level)).collect();
    let t = tape.begin(params);
    let pixels = t.input(Shape::new(&[1, channels, height, width]), &levels);
    let logits = match network {
        Network::Agent(agent) | Network::Player(agent) => {
            let mut draws = Draws::default();
            draws.draw(agent, config.policy.first, Mode::Mean, FIXED_SEED, 0, &[index as u32]);
            agent.look(&t, Images::Var(pixels), &draws).logits
        }
        Network::Comparator(comparator) => comparator.logits(&t, Images::Var(pixels)),
    };
    let answer = argmax_of(&logits.value());
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

fn glimpses(trace: &Trace, config: &Config) -> Vec<Step> {
    let step = |glimpse: &Glimpse| Step {
        at: Some(glimpse.location.map(|l| round(l, 1e4))),
        windows: glimpse.windows.iter().map(corner).collect(),
        rho: Some(bytes(&glimpse.rho, config.model.gain)),
        probabilities: rounded(&glimpse.probabilities),
        baseline: glimpse.baseline.map(|b| round(b, 1e4)),
        lit: None,
        action: None,
    };
    trace.glimpses.iter().map(step).collect()
}

/// Games, as they were played.
///
/// # Errors
/// As [`Tracer::games`].
pub fn games(tracer: &Tracer, split: SplitName, numbers: &[usize]) -> Result<Vec<Item>, RamError> {
    let mut items = Vec::new();
    for &index in numbers {
        let game = tracer.games(split, index..index + 1)?.remove(0);
        items.push(Item {
            index,
            right: game.reward() > 0.0,
            label: None,
            answer: None,
            size: [1, game.size, game.size],
            pixels: None,
            saliency: None,
            steps: frames(tracer, &game),
            end: Some(lit(&game.end)),
        });
    }
    Ok(items)
}

fn frames(tracer: &Tracer, game: &GameTrace) -> Vec<Step> {
    // All frames are looked at once more, as a batch.
    let params = Params::new();
    let mut tape = Tape::new();
    let t = tape.begin(&params);
    let screens: Vec<u8> = game.frames.iter().flat_map(|frame| frame.screen.iter().copied()).collect();
    let locations: Vec<f32> = game.frames.iter().flat_map(|frame| frame.location.map(|l| l as f32)).collect();
    let locations = t.constant([game.frames.len(), 2], &locations);
    let shape = Shape::new(&[game.frames.len(), 1, game.size, game.size]);
    let seen = tracer.retina().sense(&t, Images::Pixels { data: &screens, shape }, locations);
    let rho = tracer.retina().len(1);
    let step = |(frame, rho): (&Frame, &[f32])| Step {
        at: Some(frame.location.map(|l| round(l, 1e4))),
        windows: frame.windows.iter().map(corner).collect(),
        rho: Some(bytes(rho, tracer.config().model.gain)),
        probabilities: rounded(&frame.probabilities),
        baseline: frame.baseline.map(|b| round(b, 1e4)),
        lit: Some(lit(&frame.screen)),
        action: Some(frame.action),
    };
    game.frames.iter().zip(seen.value().chunks_exact(rho)).map(step).collect()
}

fn nowhere() -> Step {
    Step {
        at: None,
        windows: Vec::new(),
        rho: None,
        probabilities: Vec::new(),
        baseline: None,
        lit: None,
        action: None,
    }
}

fn corner(&Window { x, y, side }: &Window) -> [i64; 3] {
    [x, y, side]
}

fn lit(screen: &[u8]) -> Vec<usize> {
    (0..screen.len()).filter(|&at| screen[at] > 0).collect()
}

/// ρ as the network is given it, in bytes.
fn bytes(rho: &[f32], gain: f64) -> String {
    let byte = |x: &f32| ((f64::from(*x) * gain).clamp(0.0, 1.0) * 255.0).round() as u8;
    STANDARD.encode(rho.iter().map(byte).collect::<Vec<_>>())
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
    use crate::train::trainer::restore;

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
    fn large_images_are_fewer() {
        assert_eq!(fitting(24, 28 * 28), 24);
        assert_eq!(fitting(24, 1 << 20), 1);
        assert!((1..24).contains(&fitting(24, 200 * 200 * 3)));
    }

    /// The winner's logit after one pixel is changed by a little, against the gradient of that pixel.
    #[test]
    fn saliency_is_the_slope_of_the_winning_logit() {
        for sets in [&["model.kind=fc"][..], &["model.retina=bilinear"], &["model.scales=1", "policy.locations=centre"]]
        {
            let checkpoint = trained("demo", sets);
            let config = checkpoint.config().unwrap();
            let mut params = Params::new();
            let network = Network::new(&mut params, &config, 1, 10);
            restore(&mut params, &checkpoint).unwrap();
            let set = crate::data::TrainingData::open(&config, None).unwrap().validation;
            let (probabilities, slope) = saliency(&config, &network, &params, &set, 3, &mut Tape::new());
            assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            let steepest = argmax_of(&slope.iter().map(|d| d.abs()).collect::<Vec<_>>());
            let logit = |change: f32| -> f64 {
                let mut tape = Tape::new();
                let t = tape.begin(&params);
                let mut levels: Vec<f32> = set.set.images.image(3).iter().map(|&x| f32::from(x)).collect();
                levels[steepest] += change;
                let size = config.data.size;
                let pixels = Images::Var(t.input(Shape::new(&[1, 1, size, size]), &levels));
                let logits = match &network {
                    Network::Comparator(comparator) => comparator.logits(&t, pixels),
                    Network::Agent(agent) => {
                        // As training draws it, but where the policy's mean does not follow the change.
                        let mut draws = Draws::default();
                        draws.draw(agent, config.policy.first, Mode::Mean, FIXED_SEED, 0, &[3]);
                        agent.look(&t, pixels, &draws).logits
                    }
                    Network::Player(_) => unreachable!(),
                };
                f64::from(logits.value()[argmax_of(&probabilities)])
            };
            let measured = logit(0.5) - logit(-0.5);
            let found = f64::from(slope[steepest]);
            assert!(found != 0.0 && (measured - found).abs() < 0.1 * found.abs(), "{sets:?}: {measured}, {found}");
        }
    }
}
