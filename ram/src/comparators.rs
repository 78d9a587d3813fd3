//! The networks that Tables 1 and 2 compare the attention model with, and one that a reader would take today. They see the whole
//! image at once.

use autograd::nn::{Conv2d, Init, Linear};
use autograd::ops::Activation::Relu;
use autograd::{Params, Real, Recording, Var};
use rand::Rng;

use crate::model::{Images, Model, ModelKind};

/// Edge of the convolution's windows, pixels. Sec. 4.1.
pub(crate) const WINDOW: usize = 10;
/// Distance from one window to the next, pixels. Sec. 4.1.
const STRIDE: usize = 5;

/// A network that sees the whole image.
#[derive(Clone, Copy, Debug)]
pub enum Comparator {
    /// "FC, 2 layers": Rect(Linear(·)) twice, then Linear.
    Fc {
        /// The layer from the pixels.
        first: Linear,
        /// The layer after the first one.
        second: Linear,
        /// The layer to the logits.
        action: Linear,
    },
    /// "Convolutional, 2 layers": filters of 10×10 pixels, 5 apart, Rect; Rect(Linear(·)); then Linear.
    Conv {
        /// The filters.
        conv: Conv2d,
        /// The layer from the outputs of all filters.
        hidden: Linear,
        /// The layer to the logits.
        action: Linear,
    },
    /// Three convolutions of 3×3 pixels, each with Rect and 2×2 pooling; Rect(Linear(·)); then Linear. It is not in the paper.
    Cnn {
        /// The convolutions; the second and the third have twice as many filters as the first.
        convs: [Conv2d; 3],
        /// The layer from what the last pooling leaves.
        hidden: Linear,
        /// The layer to the logits.
        action: Linear,
    },
}

impl Comparator {
    /// Adds the parameters of a new network, drawn from `rng`, for images [channels, size, size].
    ///
    /// # Panics
    /// If `model` is the attention model, or images are smaller than a window of the convolution.
    #[track_caller]
    pub fn new<R: Real>(
        params: &mut Params<R>,
        model: &Model,
        [channels, size]: [usize; 2],
        classes: usize,
        rng: &mut impl Rng,
    ) -> Comparator {
        let n = model.hidden;
        match model.kind {
            ModelKind::Ram => panic!("comparator: the attention model is not a comparator"),
            ModelKind::Fc => Comparator::Fc {
                first: Linear::new(params, "first", [channels * size * size, n], Init::He, rng),
                second: Linear::new(params, "second", [n, n], Init::He, rng),
                action: Linear::new(params, "action", [n, classes], Init::UniformFanIn, rng),
            },
            ModelKind::Conv => {
                let filters = model.filters;
                let conv = Conv2d::new(params, "conv", [channels, filters], [WINDOW, STRIDE], Init::He, rng);
                let along = (size - WINDOW) / STRIDE + 1;
                Comparator::Conv {
                    conv,
                    hidden: Linear::new(params, "hidden", [along * along * filters, n], Init::He, rng),
                    action: Linear::new(params, "action", [n, classes], Init::UniformFanIn, rng),
                }
            }
            ModelKind::Cnn => {
                let filters = [channels, model.filters, 2 * model.filters, 2 * model.filters];
                let convs = [0, 1, 2].map(|i| {
                    let (name, sizes) = (format!("conv{}", i + 1), [filters[i], filters[i + 1]]);
                    Conv2d::new(params, &name, sizes, [3, 1], Init::He, rng).padded(1)
                });
                // Each pooling halves the image.
                let left = (size >> 3).pow(2) * filters[3];
                Comparator::Cnn {
                    convs,
                    hidden: Linear::new(params, "hidden", [left, n], Init::He, rng),
                    action: Linear::new(params, "action", [n, classes], Init::UniformFanIn, rng),
                }
            }
        }
    }

    /// The logits [batch, classes] of images [batch, channels, size, size].
    #[track_caller]
    pub fn logits<'t, R: Real>(&self, t: &'t Recording<'t, R>, images: Images<'_, 't, R>) -> Var<'t, R> {
        let x = images.levels(t);
        let flat = |x: Var<'t, R>| x.reshape([x.shape().axes()[0], x.shape().axes()[1..].iter().product::<usize>()]);
        match *self {
            Comparator::Fc { first, second, action } => {
                flat(x).linear_then(first, Relu).linear_then(second, Relu).linear(action)
            }
            Comparator::Conv { conv, hidden, action } => {
                // Place after place, and the filters of a place side by side.
                flat(x.conv2d_then(conv, Relu).permute([0, 2, 3, 1])).linear_then(hidden, Relu).linear(action)
            }
            Comparator::Cnn { convs, hidden, action } => {
                let x = convs.into_iter().fold(x, |x, conv| x.conv2d_then(conv, Relu).max_pool2d(2));
                flat(x).linear_then(hidden, Relu).linear(action)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Base, Config};
    use crate::model::Decisions;
    use crate::network::Network;

    fn count(sets: &[&str]) -> usize {
        let sets: Vec<_> = sets.iter().map(|set| set.to_string()).collect();
        let config = Config::load(Base::Preset("mnist"), &sets).unwrap();
        let mut params = Params::<f32>::new();
        Network::new(&mut params, &config, [1, 10], Decisions::Last);
        params.ids().map(|id| params.get(id).len()).sum()
    }

    /// These are the counts in the captions of the paper's tables; our RAM has 257 more, those of the baseline.
    #[test]
    fn networks_have_the_papers_numbers_of_parameters() {
        let conv = |size: &str, hidden: &str| {
            count(&[
                "model.kind=conv",
                "data.canvas=translated",
                &format!("data.size={size}"),
                &format!("model.hidden={hidden}"),
            ])
        };
        assert_eq!([conv("60", "256"), conv("100", "86")], [251_442, 250_132]);
        let ram =
            |patch: &str, scales: &str| count(&[&format!("model.patch={patch}"), &format!("model.scales={scales}")]);
        assert_eq!([ram("8", "1"), ram("12", "3"), ram("12", "4")].map(|n| n - 257), [209_420, 256_524, 274_956]);
        assert_eq!(count(&["model.kind=fc"]), 784 * 256 + 256 + 256 * 256 + 256 + 2570);
    }
}
